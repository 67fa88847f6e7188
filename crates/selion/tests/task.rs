//! Lazily called Rust functions, against calling them at once.

#![allow(clippy::ptr_arg, unreachable_pub, reason = "what people may write is what is tested")]

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use selion::Computable;
use selion::delayed::Delayed;
use selion::prelude::*;

/// The same work twice: as tasks, and as functions.
macro_rules! twice {
    ($($(#[$options:meta])* fn $name:ident($($parameter:ident: $ty:ty),*) -> $result:ty $block:block)*) => {
        mod lazy {
            $(
                $(#[$options])*
                pub fn $name($($parameter: $ty),*) -> $result $block
            )*
        }
        mod eager {
            $(pub fn $name($($parameter: $ty),*) -> $result $block)*
        }
    };
}

twice! {
    #[selion::task]
    fn push(list: Vec<u64>, last: u64) -> Vec<u64> {
        let mut list = list;
        list.push(last);
        list
    }
    #[selion::task]
    fn chain(first: &[u64], second: &Vec<u64>, third: Vec<u64>) -> Vec<u64> {
        [first, second, &third].concat().into_iter().take(50).collect()
    }
    #[selion::task(pure)]
    fn length(list: &[u64]) -> u64 {
        list.len() as u64
    }
    #[selion::task(retries = 1, priority = -1)]
    fn mix(x: u64, y: u64) -> Result<u64, std::convert::Infallible> {
        Ok(x.wrapping_mul(31).wrapping_add(y))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_graph_of_tasks_gives_what_calling_gives(
        steps in proptest::collection::vec((0..4_usize, any::<[prop::sample::Index; 3]>(), any::<bool>()), 1..40),
    ) {
        let (mut lists, mut numbers) = (vec![(Lazy::value(vec![7]), vec![7])], vec![(Lazy::value(3), 3)]);
        for (kind, picks, keep) in steps {
            let list = |pick: usize| -> (Lazy<Vec<u64>>, Vec<u64>) { picks[pick].get(&lists).clone() };
            let number = |pick: usize| -> (Lazy<u64>, u64) { picks[pick].get(&numbers).clone() };
            match kind {
                0 => {
                    let ((lazy, eager), (last, last_eager)) = (list(0), number(1));
                    // A value that is there, or one to come.
                    let last = if keep { Arg::from(last_eager) } else { Arg::from(last) };
                    lists.push((lazy::push(lazy, last), eager::push(eager, last_eager)));
                }
                1 => {
                    let [(a, x), (b, y), (c, z)] = [list(0), list(1), list(2)];
                    let first: Arg<Vec<u64>> = if keep { x.clone().into() } else { a.into() };
                    lists.push((lazy::chain(first, &b, c), eager::chain(&x, &y, z)));
                }
                2 => {
                    let (lazy, eager) = list(0);
                    numbers.push((lazy::length(&lazy), eager::length(&eager)));
                }
                _ => {
                    let ((a, x), (b, y)) = (number(0), number(1));
                    numbers.push((lazy::mix(a, b), eager::mix(x, y).unwrap()));
                }
            }
        }
        let (lazy_lists, eager_lists): (Vec<_>, Vec<_>) = lists.into_iter().unzip();
        let (lazy_numbers, eager_numbers): (Vec<_>, Vec<_>) = numbers.into_iter().unzip();
        let (got_lists, got_numbers) = compute((&lazy_lists, &lazy_numbers)).unwrap();
        prop_assert_eq!(got_lists, eager_lists);
        prop_assert_eq!(got_numbers, eager_numbers);
        // And alone, when nobody else holds what they need.
        prop_assert_eq!(lazy_lists.last().unwrap().compute().unwrap(), compute(&lazy_lists).unwrap().pop().unwrap());
    }
}

static CLONES: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it was cloned.
struct Counted(String);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Counted(self.0.clone())
    }
}

#[test]
fn what_nobody_else_needs_is_moved_and_what_is_borrowed_is_not_cloned() {
    #[selion::task]
    fn make() -> Counted {
        Counted("text".to_owned())
    }
    #[selion::task]
    fn hand_on(x: Counted) -> Counted {
        x
    }
    #[selion::task]
    fn look(x: &Counted) -> usize {
        x.0.len()
    }

    assert_eq!(hand_on(hand_on(make())).compute().unwrap().0, "text");
    let shared = make();
    compute((look(&shared), look(&shared))).unwrap();
    assert_eq!(CLONES.load(Ordering::Relaxed), 0);
    let shared = make();
    compute((hand_on(&shared), hand_on(&shared))).unwrap();
    assert!((1..=2).contains(&CLONES.load(Ordering::Relaxed)));
}

#[selion::task]
fn total(block: &Chunk) -> f64 {
    block.to_vec::<f64>().iter().sum()
}

#[selion::task]
fn fill(value: f64, len: usize) -> Chunk {
    Chunk::from_values(&[len], &vec![value; len])
}

#[test]
fn arrays_are_arguments_and_results() {
    let x = Array::ones(&[10], DType::F64, Some(Chunks::regular(&[10], &[3]))).unwrap();
    let y = fill(total(&x), 10_usize).to_array(DType::F64, &[10]).unwrap();
    let z = total((&x + &y).unwrap());
    assert_eq!(z.compute().unwrap(), 110.0);
    let (sum, values) = compute((&z, y)).unwrap();
    assert_eq!((sum, values.to_vec::<f64>()), (110.0, vec![10.0; 10]));
    let wrong = fill(1.0, 3_usize).to_array(DType::F64, &[4]).unwrap();
    assert!(wrong.compute().is_err());
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_the_task() {
    let text: Lazy<i64> = Lazy::from_delayed(Delayed::from(Lazy::value("text".to_owned())));
    let error = text.compute().unwrap_err().to_string();
    assert!(error.starts_with(&format!("task {} failed", text.key())) && error.contains("i64"), "{error}");

    #[selion::task]
    fn both(x: i64, y: &i64) -> i64 {
        x + y
    }
    for sum in [both(&text, 1), both(1, &text)] {
        let error = sum.compute().unwrap_err().to_string();
        assert!(error.contains("task both-") && error.contains("of type i64"), "{error}");
    }
}

#[test]
fn errors_panics_and_retries() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);

    #[selion::task(retries = 2)]
    fn at_last(list: Vec<i64>) -> Result<Vec<i64>, String> {
        match TRIES.fetch_add(1, Ordering::Relaxed) {
            2 => Ok(list),
            tries => Err(format!("try {tries}")),
        }
    }
    #[selion::task]
    fn list() -> Vec<i64> {
        vec![1, 2]
    }
    #[selion::task]
    fn panics() {
        panic!("on purpose");
    }

    assert_eq!(at_last(list()).compute().unwrap(), [1, 2]);
    assert!(panics().compute().unwrap_err().to_string().contains("on purpose"));
    assert!(at_last(list()).compute().unwrap_err().to_string().ends_with("try 5"));
}

#[test]
fn pure_calls_are_one_where_arguments_are_equal() {
    #[selion::task(pure)]
    fn same<T: Clone + Send + Sync + std::hash::Hash + 'static>(x: T) -> T {
        x
    }
    assert_eq!(same(1_i64).key(), same(1_i64).key());
    assert_eq!(same::<i64>(same(1_i64)).key(), same::<i64>(same(1_i64)).key());
    assert_ne!(same(1_i64).key(), same(2_i64).key());
    assert_ne!(same(1_i64).key(), same(1_u64).key());
    assert_ne!(same(1_i64).key(), same::<i64>(same(1_i64)).key());
    assert_eq!(same("a".to_owned()).compute().unwrap(), "a");
}

#[test]
fn a_function_keeps_its_attributes_and_may_call_itself() {
    /// Documented.
    #[deprecated]
    #[expect(clippy::needless_return, reason = "a lint of the body")]
    #[selion::task(name = "fib")]
    fn fibonacci(n: u32) -> u64 {
        return if n < 2 { n.into() } else { fibonacci(n - 1) + fibonacci(n - 2) };
    }
    #[expect(deprecated, reason = "that it is, is what is tested")]
    let ten = fibonacci(10_u32);
    assert!(ten.key().starts_with("fib-"));
    assert_eq!(ten.compute().unwrap(), 55);
}

#[test]
fn constants_generics_and_text() {
    #[selion::task]
    fn first<T, const N: usize>(values: [T; N], or: &'static str) -> Result<T, &'static str>
    where
        T: Clone + Send + Sync + 'static,
    {
        values.into_iter().next().ok_or(or)
    }
    assert_eq!(first([1_u8, 2], "empty").compute().unwrap(), 1);
    let error = first::<u8, 0>([], "empty").compute().unwrap_err();
    assert!(error.to_string().ends_with("empty"));
}

#[test]
fn many_at_once() {
    let parts: Vec<Lazy<u64>> = (0..10_000).map(|k| lazy::mix(k, 1_u64)).collect();
    let all: Lazy<Vec<u64>> = parts.iter().cloned().collect();
    assert_eq!(lazy::length(parts.clone()).compute().unwrap(), 10_000);
    assert_eq!(all.compute().unwrap(), compute(&parts).unwrap());
    assert!(compute(Vec::<Lazy<u64>>::new()).unwrap().is_empty());
    let nothing: [Array; 0] = [];
    assert!(nothing.output(&mut std::iter::empty()).unwrap().is_empty());
    assert_eq!(compute((all.persist().unwrap(), [lazy::length(all)])).unwrap().1, [10_000]);
}
