//! Delayed values and arrays on one graph, against doing the same at once.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use selion_array::{Array, Chunks, LowerOptions};
use selion_core::{CancelToken, Chunk, DType, ExecError, Executor, Promise, Silent, TaskContext, TaskError, Value};
use selion_delayed::{Call, Delayed, Needs, Root, hash_id, lower};
use selion_runtime::{Synchronous, Threads};

/// A sum of numbers, and of arrays' elements.
struct Sum;

impl Call for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn run(&self, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        let sums = inputs.iter().map(|value| value.as_chunk().map_or(0, |chunk| chunk.to_vec::<i64>().iter().sum()));
        Ok(number(sums.fold(0_i64, i64::wrapping_add)))
    }
}

/// Fails with a word.
struct Fail;

impl Call for Fail {
    fn name(&self) -> &str {
        "fail"
    }

    fn run(&self, _: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        Err("on purpose".into())
    }
}

fn number(value: i64) -> Value {
    Chunk::from_values(&[], &[value]).into()
}

fn sum(inputs: Vec<Delayed>) -> Delayed {
    Delayed::call(Sum, inputs, None, None)
}

fn array(values: &[i64], block: usize) -> Array {
    let chunks = Chunks::regular(&[values.len()], &[block]);
    Array::from_chunk(Chunk::from_values(&[values.len()], values), Some(chunks)).unwrap()
}

fn compute(root: Root) -> Result<Vec<i64>, ExecError> {
    let graph = |root| lower(&[root], true, LowerOptions::default()).unwrap();
    let run =
        |executor: &dyn Executor| executor.execute(graph(root.clone()), &CancelToken::default(), Arc::new(Silent));
    let numbers = |values: Vec<Value>| values.iter().flat_map(|value| value.as_chunk().unwrap().to_vec()).collect();
    let (one, other) = (run(&Threads::default()).map(numbers), run(&Synchronous::default()).map(numbers));
    if let (Ok(one), Ok(other)) = (&one, &other) {
        assert_eq!(one, other);
    }
    one
}

fn root(array: &Array) -> Root {
    Root::Array(selion_array::Root { array: array.clone(), sink: None })
}

proptest! {
    #[test]
    fn any_graph_gives_what_doing_it_at_once_gives(
        nodes in proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 0..4), 1..40),
    ) {
        let mut lazy = vec![Delayed::value(number(1))];
        let mut eager = vec![1_i64];
        for inputs in &nodes {
            let at: Vec<usize> = inputs.iter().map(|index| index.index(lazy.len())).collect();
            lazy.push(sum(at.iter().map(|k| lazy[*k].clone()).collect()));
            eager.push(at.iter().map(|k| eager[*k]).fold(0, i64::wrapping_add));
        }
        for (lazy, eager) in lazy.iter().zip(&eager) {
            prop_assert_eq!(compute(Root::Delayed(lazy.clone())).unwrap(), [*eager]);
        }
    }

    /// Blocks become calls and calls become blocks, over and over.
    #[test]
    fn arrays_and_calls_take_turns(values in proptest::collection::vec(-9_i64..9, 1..20), block in 1_usize..6, turns in 0_usize..5) {
        let mut lazy = array(&values, block);
        let mut eager = values.clone();
        for _ in 0..turns {
            let doubled = (&lazy + &lazy).unwrap();
            let chunks = doubled.chunks().clone();
            let total = Delayed::array(&doubled);
            let blocks = (0..chunks.count()).map(|block| Delayed::block(&doubled, block)).collect();
            let passed = Delayed::to_array(blocks, DType::I64, chunks).unwrap();
            let total = Delayed::to_array(vec![sum(vec![total])], DType::I64, Chunks::regular(&[], &[])).unwrap();
            lazy = (&passed - &total).unwrap();
            let sum: i64 = eager.iter().map(|value| 2 * value).sum();
            eager = eager.iter().map(|value| 2 * value - sum).collect();
        }
        prop_assert_eq!(lazy.depth() as usize, turns);
        prop_assert_eq!(compute(root(&lazy)).unwrap(), eager);
    }
}

#[test]
fn equal_identities_are_computed_once() {
    let call = |id| Delayed::call(Sum, vec![Delayed::value(number(2))], Some(hash_id(id)), None);
    let (a, b, c) = (call(1), call(1), call(2));
    let graph = lower(&[a, b, c].map(Root::Delayed), true, LowerOptions::default()).unwrap();
    assert_eq!(graph.wanted()[0], graph.wanted()[1]);
    assert_ne!(graph.wanted()[0], graph.wanted()[2]);
}

#[test]
fn the_task_that_failed_is_named() {
    let fail = Delayed::call(Fail, vec![], None, None);
    let key = fail.key();
    let error = compute(Root::Delayed(sum(vec![fail]))).unwrap_err();
    assert_eq!(error.to_string(), format!("task {key} failed: on purpose"));
}

#[test]
fn a_block_of_the_wrong_shape_is_refused() {
    let chunks = Chunks::regular(&[3], &[3]);
    let wrong = Delayed::to_array(vec![Delayed::value(number(1))], DType::I64, chunks.clone()).unwrap();
    let error = compute(root(&wrong)).unwrap_err().to_string();
    assert!(error.contains("shape []") && error.contains("shape [3]"), "{error}");
    assert!(Delayed::to_array(vec![], DType::I64, chunks).is_err());
}

#[test]
fn promises_are_found_behind_arrays_and_calls() {
    let promise = Arc::new(Promise::default());
    let kept = Delayed::kept(Arc::clone(&promise));
    let array = Delayed::to_array(vec![sum(vec![kept])], DType::I64, Chunks::regular(&[], &[])).unwrap();
    let behind = sum(vec![Delayed::array(&(&array + &array).unwrap())]);
    assert_eq!(Needs::of(&[Root::Delayed(behind.clone())]).promises().len(), 1);
    promise.keep(Ok([number(4)].into()));
    assert_eq!(compute(Root::Delayed(behind)).unwrap(), [8]);
}

#[test]
fn long_chains_neither_overflow_nor_slow_down() {
    let mut chain = Delayed::value(number(1));
    for _ in 0..200_000 {
        chain = sum(vec![chain]);
    }
    assert_eq!(compute(Root::Delayed(chain)).unwrap(), [1]);
}
