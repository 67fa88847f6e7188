//! Errors, panics and cancellation: one clear answer, soon, and an executor that can be used afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use selion_core::{
    Annotations, CancelToken, ExecError, Executor, Graph, GraphBuilder, Observer, Silent, Value, ValueId,
};

use crate::tools::{Folder, counting, function, graph_of, read_twice, run, spilling, synchronous, threads};

/// Runs `check` with executors of each kind, and afterwards sees whether they still work.
fn with_all(check: impl Fn(&dyn Executor)) {
    let (one, two, four, none) = (threads(1, 1 << 20), threads(2, 1 << 20), threads(4, 1 << 20), synchronous(1 << 20));
    for executor in [&one as &dyn Executor, &two, &four, &none] {
        check(executor);
        assert_eq!(run(executor, read_twice(10, 100)).unwrap().len(), 10);
    }
    for executor in [one, two, four] {
        assert_eq!(executor.memory_in_use(), 0);
    }
}

/// A hundred tasks of which number 50 does `work`.
fn with_one<F>(work: F) -> Graph
where
    F: Fn() -> Result<Value, selion_core::TaskError> + Send + Sync + 'static,
{
    let body = function("step", move |index, _, _| if index == 50 { work() } else { Ok(counting(200, 0).into()) });
    graph_of(body, |task| {
        let parts: Vec<ValueId> = (0..100).map(|k| task(k, &[], 1600)).collect();
        vec![task(100, &parts, 1600)]
    })
}

#[test]
fn an_error_names_its_task() {
    with_all(|executor| {
        let error = run(executor, with_one(|| Err("no such file".into()))).unwrap_err();
        assert_eq!(error.to_string(), "task ('step', 50) failed: no such file");
    });
}

#[test]
fn an_error_keeps_its_type() {
    let graph = with_one(|| Err(Box::new(std::io::Error::from(std::io::ErrorKind::NotFound))));
    match run(&threads(2, 1 << 20), graph) {
        Err(ExecError::Task { cause, .. }) => assert!(cause.is::<std::io::Error>()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_is_an_error_with_its_message() {
    with_all(|executor| {
        let error = run(executor, with_one(|| panic!("index {} is out of bounds", 7))).unwrap_err();
        assert_eq!(error.to_string(), "task ('step', 50) failed: panicked: index 7 is out of bounds");
    });
}

#[test]
fn a_body_that_makes_too_few_values_is_an_error() {
    with_all(|executor| {
        let mut builder = GraphBuilder::default();
        let body = builder.body(function("one", |_, _, _| Ok(Value::Unit)));
        let first = builder.task_with_outputs(body, 0, &[], &[8, 8]);
        let error = run(executor, builder.finish(vec![first])).unwrap_err();
        assert_eq!(error.to_string(), "task ('one', 0) failed: made 1 values instead of 2");
    });
}

#[test]
fn an_observer_that_panics_does_not_hang_the_run() {
    struct Rude;
    impl Observer for Rude {
        fn task_finished(&self, _: &Graph, task: selion_core::TaskId, _: usize) {
            assert!(task.0 != 50, "rude");
        }
    }
    with_all(|executor| {
        let graph = with_one(|| Ok(Value::Unit));
        let error = executor.execute(graph, &CancelToken::default(), Arc::new(Rude)).unwrap_err();
        assert_eq!(error.to_string(), "task ('step', 50) failed: panicked: rude");
    });
}

#[test]
fn a_task_is_tried_again_as_often_as_annotated() {
    for (failures, retries) in [(2, 2), (3, 2), (1, 0)] {
        let tried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&tried);
        let mut builder = GraphBuilder::default();
        let body = function("flaky", move |_, inputs, _| {
            assert_eq!(inputs.len(), 1);
            if count.fetch_add(1, Ordering::Relaxed) < failures { Err("flaky".into()) } else { Ok(Value::Unit) }
        });
        let body = builder.body_with(body, Annotations { retries, ..Annotations::default() });
        let input = builder.body(function("input", |_, _, _| Ok(Value::Unit)));
        let input = builder.task(input, 0, &[], 0);
        let task = builder.task(body, 0, &[input], 0);
        let result = run(&threads(2, 0), builder.finish(vec![task]));
        assert_eq!(result.is_ok(), failures <= retries as usize);
        assert_eq!(tried.load(Ordering::Relaxed), failures.min(retries as usize) + 1);
    }
}

/// Tasks of a millisecond each, far too many of them.
fn endless() -> Graph {
    let body = function("step", |_, _, _| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(counting(2000, 0).into())
    });
    graph_of(body, |task| {
        let parts: Vec<ValueId> = (0..100_000).map(|k| task(k, &[], 16_000)).collect();
        vec![task(0, &parts, 8)]
    })
}

#[test]
fn cancelling_ends_the_run_at_once_and_leaves_nothing() {
    let folder = Folder::new("cancel");
    for count in [1, 2] {
        let executor = spilling(count, 160_000, &folder);
        let cancel = CancelToken::default();
        let result = std::thread::scope(|scope| {
            let canceller = scope.spawn(|| {
                while folder.entries().is_empty() {
                    std::thread::sleep(Duration::from_millis(1)); // until it has begun to spill
                }
                cancel.cancel();
                Instant::now()
            });
            let result = executor.execute(endless(), &cancel, Arc::new(Silent));
            let late = canceller.join().unwrap().elapsed();
            assert!(late < Duration::from_millis(100), "{late:?}");
            result
        });
        assert!(matches!(result, Err(ExecError::Cancelled)), "{result:?}");
        assert!(folder.entries().is_empty());
        assert_eq!(executor.memory_in_use(), 0);
    }
}

#[test]
fn a_run_that_was_cancelled_before_does_nothing() {
    with_all(|executor| {
        let cancel = CancelToken::default();
        cancel.cancel();
        let result = executor.execute(with_one(|| panic!("ran")), &cancel, Arc::new(Silent));
        assert!(matches!(result, Err(ExecError::Cancelled)), "{result:?}");
    });
}

#[test]
fn a_task_hears_that_it_is_cancelled_when_another_fails() {
    let body = function("step", |index, _, context| {
        if index == 0 {
            std::thread::sleep(Duration::from_millis(20));
            return Err("first".into());
        }
        while !context.cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("second".into())
    });
    let graph = graph_of(body, |task| vec![task(0, &[], 0), task(1, &[], 0)]);
    let cancel = CancelToken::default();
    let error = threads(2, 0).execute(graph, &cancel, Arc::new(Silent)).unwrap_err();
    assert_eq!(error.to_string(), "task ('step', 0) failed: first");
    assert!(!cancel.is_cancelled(), "the caller's token is the caller's");
}

#[test]
fn a_polled_caller_can_end_the_run() {
    let (begin, mut polls) = (Instant::now(), Vec::new());
    let executor = threads(2, 1 << 20);
    let result = executor.execute_polling(endless(), &CancelToken::default(), Arc::new(Silent), &mut || {
        polls.push(begin.elapsed());
        polls.len() < 5
    });
    assert!(matches!(result, Err(ExecError::Cancelled)), "{result:?}");
    assert_eq!(polls.len(), 5);
    let late = begin.elapsed() - polls[4];
    assert!(late < Duration::from_millis(100), "{late:?}");
}

#[test]
fn a_polled_caller_does_not_wait_long_for_tasks_that_do_not_heed_it() {
    let open = Arc::new(Mutex::new(false));
    let until_open = Arc::clone(&open);
    let body = function("stubborn", move |_, _, _| {
        while !*until_open.lock().unwrap() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(counting(10, 0).into())
    });
    let executor = threads(2, 1 << 20);
    let graph = graph_of(body, |task| (0..9).map(|k| task(k, &[], 80)).collect());
    let begin = Instant::now();
    let result = executor.execute_polling(graph, &CancelToken::default(), Arc::new(Silent), &mut || false);
    assert!(matches!(result, Err(ExecError::Cancelled)), "{result:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(run(&executor, read_twice(10, 100)).unwrap().len(), 10);
    *open.lock().unwrap() = true;
    while executor.memory_in_use() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "what was left behind never ends");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_poll_that_panics_ends_the_run_first() {
    let executor = threads(2, 1 << 20);
    let poll =
        || executor.execute_polling(endless(), &CancelToken::default(), Arc::new(Silent), &mut || panic!("poll"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).is_err());
    assert_eq!(executor.memory_in_use(), 0);
    assert_eq!(run(&executor, read_twice(10, 100)).unwrap().len(), 10);
}

#[test]
fn the_observer_hears_of_every_task_once() {
    #[derive(Default)]
    struct Notes(Mutex<Heard>);
    #[derive(Default)]
    struct Heard {
        started: usize,
        begun: Vec<u32>,
        done: Vec<u32>,
        finished: Vec<bool>,
    }
    impl Observer for Notes {
        fn started(&self, _: &Graph) {
            self.0.lock().unwrap().started += 1;
        }
        fn task_started(&self, _: &Graph, task: selion_core::TaskId, _: usize) {
            self.0.lock().unwrap().begun.push(task.0);
        }
        fn task_finished(&self, _: &Graph, task: selion_core::TaskId, _: usize) {
            self.0.lock().unwrap().done.push(task.0);
        }
        fn finished(&self, _: &Graph, failed: bool) {
            self.0.lock().unwrap().finished.push(failed);
        }
    }
    with_all(|executor| {
        let notes = Arc::new(Notes::default());
        executor.execute(with_one(|| Ok(Value::Unit)), &CancelToken::default(), Arc::clone(&notes) as Arc<_>).unwrap();
        let mut guard = notes.0.lock().unwrap();
        let Heard { started, begun, done, finished } = &mut *guard;
        begun.sort_unstable();
        done.sort_unstable();
        assert_eq!((*started, &*begun, &**finished), (1, &(0..101).collect::<Vec<_>>(), &[false][..]));
        assert_eq!(begun, done);
    });
}
