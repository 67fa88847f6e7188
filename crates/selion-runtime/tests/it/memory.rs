//! Peak memory is the budget and one task per thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use selion_core::{Body, Buffer, GraphBuilder, Value, ValueId};

use crate::tools::{counting, elements, function, function_of_many, graph_of, run, threads};

/// Counts the bytes of all buffers that were made or read and are still alive.
#[derive(Default)]
struct Scale {
    buffers: Mutex<Vec<Weak<Buffer>>>,
    peak_bytes: AtomicUsize,
}

impl Scale {
    fn weigh<'a>(&self, values: impl IntoIterator<Item = &'a Value>) {
        let mut buffers = self.buffers.lock().unwrap();
        for value in values {
            let buffer = value.as_chunk().unwrap().buffer();
            if !buffers.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(buffer))) {
                buffers.push(Arc::downgrade(buffer));
            }
        }
        buffers.retain(|buffer| buffer.strong_count() > 0);
        let alive = buffers.iter().filter_map(Weak::upgrade).map(|buffer| buffer.len()).sum();
        self.peak_bytes.fetch_max(alive, Ordering::Relaxed);
    }
}

const LEN: usize = 1024;
const NBYTES: usize = LEN * 8;

fn weighed(scale: &Arc<Scale>) -> Arc<dyn Body> {
    let scale = Arc::clone(scale);
    function("weighed", move |index, inputs, _| {
        scale.weigh(inputs);
        let sum: i64 = inputs.iter().map(|input| elements(input)[0]).sum();
        let value = counting(LEN, sum + index as i64).into();
        scale.weigh([&value]);
        Ok(value)
    })
}

#[test]
fn values_in_memory_stay_under_the_budget_and_one_task_per_thread() {
    for count in [1, 2, 4] {
        for budget in [4, 10, 30] {
            let scale = Arc::new(Scale::default());
            let executor = threads(count, (budget * NBYTES) as u64);
            // All pairs of 30 blocks, so that blocks come and go.
            let graph = graph_of(weighed(&scale), |task| {
                let blocks: Vec<ValueId> = (0..30).map(|k| task(k, &[], NBYTES as u64)).collect();
                let rows = blocks.iter().map(|a| {
                    let first = task(0, &[*a, blocks[0]], NBYTES as u64);
                    blocks.iter().fold(first, |row, b| task(0, &[row, *b], NBYTES as u64))
                });
                let rows: Vec<ValueId> = rows.collect();
                vec![rows.into_iter().reduce(|a, b| task(0, &[a, b], NBYTES as u64)).unwrap()]
            });
            let sum: i64 = (0..30).sum();
            assert_eq!(elements(&run(&executor, graph).unwrap()[0])[0], 30 * sum + sum);
            // A task is two inputs and an output.
            let limit = (budget + 3 * count) * NBYTES;
            let (peak, counters) = (scale.peak_bytes.load(Ordering::Relaxed), executor.last_run());
            assert!(peak <= limit, "{peak} > {limit}: {counters:?}");
            assert!(counters.peak_bytes as usize <= limit, "{limit}: {counters:?}");
            assert!(counters.spilled_bytes_written > 0);
        }
    }
}

#[test]
fn sizes_that_are_not_known_before_are_counted_afterwards() {
    for count in [1, 2] {
        let scale = Arc::new(Scale::default());
        let executor = threads(count, (5 * NBYTES) as u64);
        let graph = graph_of(weighed(&scale), |task| {
            let blocks: Vec<ValueId> = (0..100).map(|k| task(k, &[], 0)).collect();
            let sums: Vec<ValueId> = blocks.chunks(2).map(|pair| task(0, pair, 0)).collect();
            let first = task(0, &[sums[0], blocks[99]], 0);
            vec![sums.iter().chain(&blocks).fold(first, |sum, block| task(0, &[sum, *block], 0))]
        });
        run(&executor, graph).unwrap();
        let (peak, counters) = (scale.peak_bytes.load(Ordering::Relaxed), executor.last_run());
        assert!(peak <= (5 + 3 * count) * NBYTES, "{peak}: {counters:?}");
        assert!(counters.spilled_bytes_written > 0, "{counters:?}");
    }
}

#[test]
fn a_reduction_holds_few_blocks_at_once() {
    const LEN: usize = 128 << 10; // large, compared with what workers reserve ahead of small tasks
    const NBYTES: usize = LEN * 8;
    for count in [1, 2, 4] {
        let executor = threads(count, u64::MAX);
        let mut builder = GraphBuilder::default();
        let make = builder.body(function("make", |_, _, _| Ok(counting(LEN, 1).into())));
        let sum = builder.body(function("sum", |_, inputs, _| {
            Ok(counting(1, inputs.iter().map(|input| elements(input)[0]).sum()).into())
        }));
        let mut level: Vec<ValueId> = (0..60).map(|k| builder.task(make, k, &[], NBYTES as u64)).collect();
        level = level.iter().map(|block| builder.task(sum, 0, &[*block], 8)).collect();
        while level.len() > 1 {
            level = level.chunks(4).map(|some| builder.task(sum, 0, some, 8)).collect();
        }
        assert_eq!(elements(&run(&executor, builder.finish(level)).unwrap()[0]), [60]);
        let peak = executor.last_run().peak_bytes as usize;
        assert!(peak < (count + 1) * NBYTES, "{peak} bytes, a block is {NBYTES}");
    }
}

#[test]
fn the_default_budget_is_a_share_of_the_machine() {
    let machine = selion_runtime::machine_memory_bytes().unwrap();
    let limit = selion_runtime::Threads::default().memory_limit();
    assert!(limit > machine / 2 && limit < machine / 3 * 2, "{limit} of {machine}");
}

#[test]
fn a_task_that_does_not_fit_runs_alone() {
    let running = Arc::new(AtomicUsize::new(0));
    let body = function_of_many("huge", 1 << 40, move |_, _, _| {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "only one at once");
        std::thread::sleep(std::time::Duration::from_millis(2));
        running.fetch_sub(1, Ordering::SeqCst);
        Ok([Value::Unit].into_iter().collect())
    });
    let graph = graph_of(body, |task| {
        let parts: Vec<ValueId> = (0..20).map(|k| task(k, &[], 8)).collect();
        vec![task(0, &parts, 8)]
    });
    run(&threads(4, 1 << 20), graph).unwrap();
}

#[test]
fn views_of_one_block_count_once() {
    let executor = threads(2, 3 * NBYTES as u64);
    let mut builder = GraphBuilder::default();
    let make = builder.body(function("make", |_, _, _| Ok(counting(LEN, 0).into())));
    let cut = builder.body(function("cut", |index, inputs, _| {
        Ok(inputs[0].as_chunk().ok_or("no chunk")?.slice(0, index * 16, 1, 16).into())
    }));
    let sum = builder.body(function("sum", |_, inputs, _| {
        Ok(counting(1, inputs.iter().map(|input| elements(input)[0]).sum()).into())
    }));
    let block = builder.task(make, 0, &[], NBYTES as u64);
    let cuts: Vec<ValueId> = (0..64).map(|k| builder.task(cut, k, &[block], 128)).collect();
    let all = builder.task(sum, 0, &cuts, 8);
    assert_eq!(elements(&run(&executor, builder.finish(vec![all])).unwrap()[0]), [16 * (0..64).sum::<i64>()]);
    assert_eq!(executor.last_run().spilled_bytes_written, 0);
}

const CHILD: &str = "SELION_TEST_RESIDENT_CHILD";

/// Runs only in the process that the next test starts.
#[test]
fn resident_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    const BLOCK: usize = 1 << 20; // 8 MiB
    let executor = threads(2, 64 << 20);
    let values = run(&executor, crate::tools::read_twice(80, BLOCK)).unwrap();
    assert!(crate::tools::are_deviations(&values, BLOCK));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {} spilled {}", peak.trim(), executor.last_run().spilled_bytes_written);
}

#[test]
#[cfg(target_os = "linux")]
fn resident_memory_stays_small_for_ten_times_the_budget() {
    let exe = std::env::current_exe().unwrap();
    let child = std::process::Command::new(exe)
        .args(["--exact", "memory::resident_child", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{text}");
    let mut words = text.lines().find_map(|line| Some(line.split_once("peak ")?.1)).unwrap().split(' ');
    let peak_kib: usize = words.next().unwrap().parse().unwrap();
    let spilled: usize = words.nth(2).unwrap().parse().unwrap();
    assert!(spilled > 500 << 20, "{text}");
    // The budget, for each of two threads a block and the copy that `elements` makes of it, the pool of free buffers.
    let limit = (64 + 2 * 3 * 8 + 96 + 20) << 10;
    assert!(peak_kib < limit, "{peak_kib} KiB, at most {limit}");
}
