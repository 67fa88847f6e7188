//! What runs when, and when values go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::ThreadId;

use selion_core::{
    Annotations, Body, Enclosure, Executor, GraphBuilder, Outputs, TaskContext, TaskError, Value, ValueId,
};

use crate::tools::{counting, function, function_of_many, graph_of, run, synchronous, threads};

#[test]
fn a_branch_is_finished_before_the_next_is_begun() {
    for executor in [&threads(1, u64::MAX) as &dyn Executor, &synchronous(u64::MAX)] {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&ran);
        let body = function("step", move |index, _, _| {
            notes.lock().unwrap().push(index);
            Ok(Value::Unit)
        });
        let graph = graph_of(body, |task| {
            let loads: Vec<ValueId> = (0..3).map(|k| task(10 * k, &[], 100)).collect();
            let means: Vec<ValueId> = (0..3).map(|k| task(10 * k + 1, &[loads[k]], 8)).collect();
            vec![task(100, &means, 8)]
        });
        run(executor, graph).unwrap();
        assert_eq!(*ran.lock().unwrap(), [0, 1, 10, 11, 20, 21, 100]);
    }
}

#[test]
fn higher_priority_runs_first() {
    for executor in [&threads(1, u64::MAX) as &dyn Executor, &synchronous(u64::MAX)] {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut builder = GraphBuilder::default();
        let mut wanted = Vec::new();
        for priority in [0, 5, -1, 5] {
            let notes = Arc::clone(&ran);
            let body = function("step", move |_, _, _| {
                notes.lock().unwrap().push(priority);
                Ok(Value::Unit)
            });
            let body = builder.body_with(body, Annotations { priority, ..Annotations::default() });
            wanted.push(builder.task(body, 0, &[], 8));
        }
        run(executor, builder.finish(wanted)).unwrap();
        assert_eq!(*ran.lock().unwrap(), [5, 5, 0, -1]);
    }
}

#[test]
fn the_last_reader_has_the_value_to_itself() {
    let body = function("step", |_, inputs, _| {
        let alone = |value: &Value| Arc::strong_count(value.as_chunk().unwrap().buffer()) == 1;
        assert!(inputs.iter().all(alone));
        Ok(counting(10, 0).into())
    });
    for count in [1, 2] {
        let graph = graph_of(Arc::clone(&body), |task| {
            let mut pair = |k: usize| {
                let made = task(k, &[], 80);
                task(0, &[made], 80)
            };
            let parts: Vec<ValueId> = (0..50).map(&mut pair).collect();
            vec![task(0, &parts, 80)]
        });
        run(&threads(count, u64::MAX), graph).unwrap();
    }
}

#[test]
fn a_value_goes_when_its_last_reader_has_run() {
    let made = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&made);
    let body = function("step", move |index, _, _| {
        let chunk = counting(100, 0);
        let mut seen = seen.lock().unwrap();
        if index > 2 {
            // The one before is the input, the one before that is gone.
            let weak: &std::sync::Weak<selion_core::Buffer> = &seen[index - 2];
            assert!(weak.upgrade().is_none(), "value {}", index - 2);
        }
        seen.push(Arc::downgrade(chunk.buffer()));
        Ok(chunk.into())
    });
    let graph = graph_of(body, |task| vec![(1..100).fold(task(0, &[], 800), |before, k| task(k, &[before], 800))]);
    let values = run(&threads(2, u64::MAX), graph).unwrap();
    drop(values);
    assert!(made.lock().unwrap().iter().all(|weak| weak.upgrade().is_none()));
}

#[test]
fn outputs_that_nobody_reads_are_dropped() {
    let body = function_of_many("two", 0, |_, _, _| Ok([counting(1000, 0).into(), Value::Unit].into_iter().collect()));
    let mut builder = GraphBuilder::default();
    let body = builder.body(body);
    let wanted = (0..100).map(|k| ValueId(builder.task_with_outputs(body, k, &[], &[8000, 0]).0 + 1)).collect();
    let executor = threads(2, 40_000);
    run(&executor, builder.finish(wanted)).unwrap();
    let counters = executor.last_run();
    assert!(counters.peak_bytes <= 17_000 && counters.spilled_bytes_written == 0, "{counters:?}");
}

#[test]
fn two_threads_work_at_once() {
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let body = function("meet", move |_, _, _| {
        barrier.wait();
        Ok(Value::Unit)
    });
    for _ in 0..200 {
        let graph = graph_of(Arc::clone(&body), |task| {
            let source = [task(0, &[], 0), task(1, &[], 0)];
            vec![task(2, &source, 0), task(3, &source, 0)]
        });
        run(&threads(2, u64::MAX), graph).unwrap();
    }
    let executor = threads(2, u64::MAX);
    for _ in 0..200 {
        let graph = graph_of(Arc::clone(&body), |task| vec![task(0, &[], 0), task(1, &[], 0)]);
        run(&executor, graph).unwrap();
    }
}

/// Counts how often it is entered, and on which threads it is at the moment.
#[derive(Default)]
struct Room {
    entered: AtomicUsize,
    inside: Mutex<Vec<ThreadId>>,
}

static ROOM: LazyLock<Room> = LazyLock::new(Room::default);

impl Room {
    fn holds_me(&self) -> bool {
        self.inside.lock().unwrap().contains(&std::thread::current().id())
    }
}

impl Enclosure for Room {
    fn within(&self, work: &mut dyn FnMut()) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.inside.lock().unwrap().push(std::thread::current().id());
        work();
        self.inside.lock().unwrap().retain(|thread| *thread != std::thread::current().id());
    }
}

/// Every second thousand of tasks wants to be in the room; of the others, one in ten does not care.
struct InAndOut;

impl Body for InAndOut {
    fn name(&self) -> &str {
        "in-and-out"
    }

    fn run(&self, index: usize, _: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        let wanted = self.enclosure(index).is_some();
        if ROOM.holds_me() == wanted || self.is_quick(index) {
            Ok([Value::Unit].into_iter().collect())
        } else {
            Err("in the wrong place".into())
        }
    }

    fn enclosure(&self, index: usize) -> Option<&'static dyn Enclosure> {
        (index / 1000).is_multiple_of(2).then_some(&*ROOM as &dyn Enclosure)
    }

    fn is_quick(&self, index: usize) -> bool {
        self.enclosure(index).is_none() && index.is_multiple_of(10)
    }
}

#[test]
fn tasks_share_their_enclosure_and_only_quick_ones_are_in_it_besides() {
    let graph = graph_of(Arc::new(InAndOut), |task| (0..10_000).map(|k| task(k, &[], 8)).collect());
    run(&threads(2, u64::MAX), graph).unwrap();
    let entered = ROOM.entered.load(Ordering::SeqCst);
    assert!((1..5000).contains(&entered), "entered {entered} times for 5000 tasks");
}
