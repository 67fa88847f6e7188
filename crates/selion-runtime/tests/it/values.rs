//! Whatever the threads and the budget, the values are those of direct evaluation.

use std::sync::Arc;

use proptest::prelude::*;
use selion_core::{Body, Executor, Graph, GraphBuilder, Outputs, Value, ValueId};

use crate::tools::{counting, elements, function, function_of_many, graph_of, run, synchronous, threads};

/// What a task of a random graph reads, and whether it has two outputs.
type Plan = Vec<(Vec<prop::sample::Index>, bool)>;

fn plans() -> impl Strategy<Value = Plan> {
    prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>()), 1..80)
}

const LEN: usize = 300; // more than the smallest that is spilled
const NBYTES: u64 = LEN as u64 * 8;

/// The element-wise sum of the inputs, plus the index.
fn sum(index: usize, inputs: &[Vec<i64>]) -> Vec<i64> {
    let start = counting(LEN, index as i64).to_vec();
    let add = |a: Vec<i64>, b: &Vec<i64>| a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b)).collect();
    inputs.iter().fold(start, add)
}

fn sum_body() -> Arc<dyn Body> {
    function_of_many("sum", 100, |index, inputs, _| {
        let parts: Vec<Vec<i64>> = inputs.iter().map(first_part).collect();
        let sum = selion_core::Chunk::from_values(&[LEN], &sum(index / 2, &parts));
        let view = Value::from(sum.slice(0, LEN - 1, -1, LEN));
        let outputs: Outputs = match index % 2 {
            0 => [Value::from(sum)].into_iter().collect(),
            _ => [Value::from(sum), Value::Tuple([view, Value::Unit].into())].into_iter().collect(),
        };
        Ok(outputs)
    })
}

fn build(plan: &Plan, wanted: &[prop::sample::Index]) -> (Graph, Vec<Vec<i64>>) {
    let mut builder = GraphBuilder::default();
    let body = builder.body(sum_body());
    let (mut ids, mut values): (Vec<ValueId>, Vec<Vec<i64>>) = (Vec::new(), Vec::new());
    for (k, (inputs, two)) in plan.iter().enumerate() {
        let inputs: Vec<usize> =
            if ids.is_empty() { Vec::new() } else { inputs.iter().map(|input| input.index(ids.len())).collect() };
        let value = sum(k, &inputs.iter().map(|input| values[*input].clone()).collect::<Vec<_>>());
        let inputs: Vec<ValueId> = inputs.iter().map(|input| ids[*input]).collect();
        let nbytes = [NBYTES, 8];
        let id = builder.task_with_outputs(body, 2 * k + usize::from(*two), &inputs, &nbytes[..1 + usize::from(*two)]);
        ids.push(id);
        values.push(value.clone());
        if *two {
            ids.push(ValueId(id.0 + 1));
            values.push(value.into_iter().rev().collect());
        }
    }
    let wanted: Vec<usize> = wanted.iter().map(|index| index.index(ids.len())).collect();
    let expected = wanted.iter().map(|k| values[*k].clone()).collect();
    (builder.finish(wanted.iter().map(|k| ids[*k]).collect()), expected)
}

fn first_part(value: &Value) -> Vec<i64> {
    elements(&value.parts()[0])
}

fn check(executor: &dyn Executor, graph: Graph, expected: &[Vec<i64>]) -> Result<(), TestCaseError> {
    let values = run(executor, graph).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(values.iter().map(first_part).collect::<Vec<_>>(), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn neither_threads_nor_budget_matter(
        plan in plans(),
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        budget in prop_oneof![Just(0), 0..20 * NBYTES, Just(u64::MAX)],
    ) {
        for count in [1, 2, 4] {
            let executor = threads(count, budget);
            let (graph, expected) = build(&plan, &wanted);
            check(&executor, graph, &expected)?;
            prop_assert_eq!(executor.memory_in_use(), 0);
            prop_assert_eq!(executor.last_run().tasks_done, executor.last_run().tasks_total);
        }
        let (graph, expected) = build(&plan, &wanted);
        check(&synchronous(budget), graph, &expected)?;
        let (graph, expected) = build(&plan, &wanted);
        let polled = threads(2, budget).execute_polling(graph, &Default::default(), Arc::new(selion_core::Silent), &mut || true);
        prop_assert_eq!(polled.unwrap().iter().map(first_part).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_hundred_thousand_tasks_are_all_run_once() {
    const N: usize = 100_000;
    for count in [1, 2, 4] {
        let executor = threads(count, u64::MAX);
        let body = function("add", |_, inputs, _| {
            let sum: i64 = inputs.iter().map(|input| elements(input)[0]).sum();
            Ok(counting(1, sum + 1).into())
        });
        let graph = graph_of(body, |task| {
            let mut level: Vec<ValueId> = (0..N).map(|k| task(k, &[], 8)).collect();
            while level.len() > 1 {
                level = level.chunks(3).map(|some| task(0, some, 8)).collect();
            }
            level
        });
        let tasks = graph.len();
        assert_eq!(elements(&run(&executor, graph).unwrap()[0]), [tasks as i64]);
    }
}

#[test]
fn an_empty_graph_has_no_values() {
    for executor in [&threads(2, 0) as &dyn Executor, &synchronous(0)] {
        assert!(run(executor, GraphBuilder::default().finish(Vec::new())).unwrap().is_empty());
    }
}

#[test]
fn a_value_may_be_wanted_twice_and_still_be_read() {
    let body = function("add", |index, inputs, _| {
        Ok(counting(1, index as i64 + inputs.iter().map(|input| elements(input)[0]).sum::<i64>()).into())
    });
    let graph = graph_of(body, |task| {
        let one = task(1, &[], 8);
        let two = task(0, &[one, one], 8);
        vec![one, two, one]
    });
    let values = run(&threads(2, u64::MAX), graph).unwrap();
    assert_eq!(values.iter().map(elements).collect::<Vec<_>>(), [[1], [2], [1]]);
}

#[test]
fn a_graph_can_be_run_within_a_task() {
    let executor = Arc::new(threads(2, 0));
    let inner = Arc::downgrade(&executor);
    let body = function("outer", move |index, _, _| {
        let graph = graph_of(
            function("inner", |index, inputs, _| Ok(counting(LEN, (index + inputs.len()) as i64).into())),
            |task| {
                let parts: Vec<ValueId> = (0..10).map(|k| task(k, &[], NBYTES)).collect();
                vec![task(index, &parts, NBYTES)]
            },
        );
        let executor = inner.upgrade().ok_or("gone")?;
        Ok(run(&*executor, graph)?.remove(0))
    });
    let graph = graph_of(body, |task| (0..20).map(|k| task(k, &[], NBYTES)).collect());
    let values = run(&*executor, graph).unwrap();
    assert!(values.iter().enumerate().all(|(k, value)| elements(value)[0] == k as i64 + 10));
}

/// Runs a graph within each of some tasks, by means of `inner`.
fn check_within<F>(inner: F)
where
    F: Fn(&selion_runtime::Threads, Graph) -> Result<Vec<Value>, selion_core::ExecError> + Send + Sync + 'static,
{
    let executor = Arc::new(threads(2, 0));
    let weak = Arc::downgrade(&executor);
    let body = function("outer", move |_, _, _| {
        let executor = weak.upgrade().ok_or("gone")?;
        let step = function("inner", |index, inputs, _| Ok(counting(LEN, (index + inputs.len()) as i64).into()));
        let graph = graph_of(step, |task| {
            let parts: Vec<ValueId> = (0..3).map(|k| task(k, &[], NBYTES)).collect();
            vec![task(0, &parts, NBYTES)]
        });
        Ok(inner(&executor, graph)?.remove(0))
    });
    let graph = graph_of(body, |task| (0..3).map(|k| task(k, &[], 0)).collect());
    let values = run(&*executor, graph).unwrap();
    assert!(values.iter().all(|value| elements(value)[0] == 3));
}

#[test]
fn a_graph_within_a_task_may_be_polled() {
    check_within(|executor, graph| {
        executor.execute_polling(graph, &Default::default(), Arc::new(selion_core::Silent), &mut || true)
    });
}

#[test]
fn a_task_may_wait_for_a_thread_that_runs_a_graph() {
    let in_thread = |graph: Graph, executor: &selion_runtime::Threads, polled: bool| {
        let work = || match polled {
            true => executor.execute_polling(graph, &Default::default(), Arc::new(selion_core::Silent), &mut || true),
            false => run(executor, graph),
        };
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    };
    check_within(move |executor, graph| in_thread(graph, executor, true));
    check_within(move |executor, graph| in_thread(graph, executor, false));
}

#[test]
fn graphs_run_at_once_from_many_threads() {
    let executor = threads(2, 4 * NBYTES);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for round in 0..20 {
                    let body = function("add", |index, inputs, _| {
                        let sum: i64 = inputs.iter().map(|input| elements(input)[0]).sum();
                        Ok(counting(LEN, sum + index as i64).into())
                    });
                    let graph = graph_of(body, |task| {
                        let parts: Vec<ValueId> = (0..10).map(|k| task(k, &[], NBYTES)).collect();
                        vec![task(round, &parts, NBYTES)]
                    });
                    assert_eq!(elements(&run(&executor, graph).unwrap()[0])[0], 45 + round as i64);
                }
            });
        }
    });
    assert_eq!(executor.memory_in_use(), 0);
}
