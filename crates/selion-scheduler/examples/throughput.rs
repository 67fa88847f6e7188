//! How many tasks a second the scheduler alone decides on, and how many bytes it keeps for each.
//!
//! ```text
//! cargo run --release -p selion-scheduler --example throughput -- --workers 1000 --tasks 1000000 --shape all
//! ```
//!
//! The workers are [`Desk`]s in virtual time: a task takes 0.5 to 1.5 ms of it, and the scheduler hears of each task by
//! itself, which is the hardest for it. Only time inside the scheduler counts, and only memory that it has allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selion_scheduler::message::{FromClient, FromWorker, Status, Submit, Task, ToWorker, WorkerInfo};
use selion_scheduler::{Action, BlobId, ClientId, Config, Desk, Key, Scheduler, WorkerId};

/// Counts the bytes that were allocated while [`INSIDE`] was set, until they are freed, whenever that is.
struct Counting;

static INSIDE: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The bytes before an allocation, of which the first says whether it counts.
fn head(layout: Layout) -> usize {
    layout.align().max(16)
}

fn with_head(layout: Layout) -> Option<Layout> {
    Layout::from_size_align(layout.size().checked_add(head(layout))?, layout.align()).ok()
}

// SAFETY: what is given out lies in a block of System's, behind a head of a multiple of the alignment.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = with_head(layout) else { return std::ptr::null_mut() };
        // SAFETY: the size is at least that of the head.
        let block = unsafe { System.alloc(whole) };
        if block.is_null() {
            return block;
        }
        let counts = INSIDE.load(Relaxed);
        if counts {
            let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
            PEAK.fetch_max(live, Relaxed);
        }
        // SAFETY: the block begins with the head.
        unsafe {
            block.write(u8::from(counts));
            block.add(head(layout))
        }
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        let Some(whole) = with_head(layout) else { return };
        // SAFETY: `given` comes from `alloc` with this layout.
        unsafe {
            let block = given.sub(head(layout));
            if block.read() == 1 {
                LIVE.fetch_sub(layout.size(), Relaxed);
            }
            System.dealloc(block, whole);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most tasks of one submission.
const SUBMISSION: usize = 1 << 16;
const CLIENT: ClientId = ClientId(0);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Shape {
    /// Nothing but independent tasks, all wanted.
    Map,
    /// Sums of two by two.
    Tree,
    /// Chains of 256 tasks.
    Chains,
    /// Layers of 1,024 tasks, each of which reads up to four of the layer before.
    Layers,
}

const SHAPES: [(&str, Shape); 4] =
    [("map", Shape::Map), ("tree", Shape::Tree), ("chains", Shape::Chains), ("layers", Shape::Layers)];

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// About `count` tasks, in the order in which they should run.
fn graph(shape: Shape, count: usize, random: &mut Random) -> Submit {
    let args = Bytes::from(vec![0u8; 64]);
    let mut submit = Submit {
        blobs: vec![(BlobId(1), Bytes::from_static(b"function"))],
        groups: vec!["task".into()],
        ..Submit::default()
    };
    let mut add = |inputs: Vec<Key>, wanted: bool| {
        let key = Key(u128::from(random.next()) << 64 | u128::from(random.next()));
        let place = submit.tasks.len() as u32;
        let args = args.slice(..);
        let blob = Some(BlobId(1));
        submit.tasks.push(Task { key, blob, index: 0, args, inputs, nbytes: 8, group: 0, rules: 0, place, wanted });
        (key, random.next())
    };
    match shape {
        Shape::Map => {
            for _ in 0..count {
                add(Vec::new(), true);
            }
        }
        Shape::Tree => {
            // Depth first: what is on the stack has the height of what is to come, or more.
            let leaves = count.div_ceil(2).next_power_of_two().max(2);
            let mut stack: Vec<(u32, Key)> = Vec::new();
            for _ in 0..leaves {
                let mut top = (0, add(Vec::new(), false).0);
                while let Some((_, other)) = stack.pop_if(|(height, _)| *height == top.0) {
                    let is_root = top.0 + 1 == leaves.trailing_zeros();
                    top = (top.0 + 1, add(vec![other, top.1], is_root).0);
                }
                stack.push(top);
            }
        }
        Shape::Chains => {
            for _ in 0..count.div_ceil(256) {
                let mut last = add(Vec::new(), false).0;
                for link in 1..256 {
                    last = add(vec![last], link == 255).0;
                }
            }
        }
        Shape::Layers => {
            let width = 1024.min(count);
            let mut dice = Random(7);
            let layers = count.div_ceil(width);
            let mut last: Vec<Key> = Vec::new();
            for layer in 0..layers {
                let mut keys = Vec::with_capacity(width);
                for at in 0..width {
                    let near = |n: u64| last[(at + n as usize) % width];
                    let mut inputs: Vec<Key> = Vec::new();
                    if layer > 0 {
                        inputs.push(near(0));
                        for _ in 0..dice.next() % 4 {
                            let input = near(dice.next() % 32);
                            if !inputs.contains(&input) {
                                inputs.push(input);
                            }
                        }
                    }
                    keys.push(add(inputs, layer + 1 == layers).0);
                }
                last = keys;
            }
        }
    }
    submit
}

struct Machine {
    desk: Desk<()>,
    running: Option<Key>,
}

struct World {
    scheduler: Scheduler,
    spent: Duration,
    machines: Vec<Machine>,
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    /// Workers that have heard something.
    due: Vec<u32>,
    random: Random,
    now: u64,
    large: bool,
    done: usize,
}

impl World {
    /// Time and memory of what this does are the scheduler's.
    fn measured<T>(&mut self, work: impl FnOnce(&mut Scheduler) -> T) -> T {
        INSIDE.store(true, Relaxed);
        let start = Instant::now();
        let result = work(&mut self.scheduler);
        self.spent += start.elapsed();
        INSIDE.store(false, Relaxed);
        result
    }

    fn hear(&mut self, worker: u32, messages: Vec<FromWorker>) {
        let now = self.now;
        let actions = self.measured(|scheduler| {
            scheduler.tick(now);
            for message in messages {
                scheduler.from_worker(WorkerId(worker), message);
            }
            scheduler.actions()
        });
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            let Action::Tell(WorkerId(worker), messages) = action else { continue };
            let machine = &mut self.machines[worker as usize];
            for message in messages {
                if !matches!(message, ToWorker::Blob(..)) {
                    machine.desk.accept(message);
                }
            }
            self.due.push(worker);
        }
    }

    fn pump_all(&mut self) {
        while let Some(worker) = self.due.pop() {
            self.pump(worker);
        }
    }

    fn pump(&mut self, worker: u32) {
        let machine = &mut self.machines[worker as usize];
        for fetch in machine.desk.take_fetches() {
            machine.desk.fetched(fetch.key, (), fetch.nbytes);
        }
        if machine.running.is_none()
            && let Some(start) = machine.desk.next()
        {
            machine.running = Some(start.assignment.key);
            self.ends.push(Reverse((self.now + 500 + self.random.next() % 1000, worker)));
        }
        if machine.desk.has_outbox() {
            let messages = machine.desk.take_outbox();
            self.hear(worker, messages);
        }
    }

    fn run(&mut self) {
        let mut watched = self.now;
        while let Some(Reverse((time, worker))) = self.ends.pop() {
            self.now = time;
            let machine = &mut self.machines[worker as usize];
            if let Some(key) = machine.running.take() {
                let (nbytes, value) =
                    if self.large { (1 << 20, None) } else { (8, Some(Bytes::from_static(b"12345678"))) };
                machine.desk.done(key, 1_000, (), nbytes, value);
                self.done += 1;
                self.due.push(worker);
                self.pump_all();
            }
            if self.now - watched > 1_000_000 {
                watched = self.now;
                self.heartbeat();
            }
        }
    }

    fn heartbeat(&mut self) {
        for worker in 0..self.machines.len() as u32 {
            self.hear(worker, vec![FromWorker::Status(Status::default())]);
        }
        let actions = self.measured(|scheduler| {
            scheduler.watch();
            scheduler.actions()
        });
        self.act(actions);
        self.pump_all();
    }
}

struct Figures {
    done: usize,
    spent: Duration,
    peak: usize,
    whole: Duration,
}

fn measure(shape: Shape, workers: u32, tasks: usize, large: bool) -> Figures {
    let (begun, before) = (Instant::now(), processor_time());
    LIVE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    INSIDE.store(true, Relaxed);
    let scheduler = Scheduler::new(Config::default());
    INSIDE.store(false, Relaxed);
    let mut world = World {
        scheduler,
        spent: Duration::ZERO,
        machines: Vec::new(),
        ends: BinaryHeap::new(),
        due: Vec::new(),
        random: Random(1),
        now: 0,
        large,
        done: 0,
    };
    world.measured(|scheduler| scheduler.client_joined(CLIENT));
    for number in 0..workers {
        world.machines.push(Machine { desk: Desk::default(), running: None });
        let info = WorkerInfo {
            name: format!("worker-{number}"),
            address: format!("tcp://10.0.{}.{}:4000", number / 256, number % 256),
            nthreads: 1,
            ..WorkerInfo::default()
        };
        let actions = world.measured(|scheduler| {
            scheduler.worker_joined(WorkerId(number), info);
            scheduler.actions()
        });
        world.act(actions);
        world.pump_all();
    }
    let mut random = Random(42);
    let mut wanted: Vec<Key> = Vec::new();
    let mut left = tasks;
    while left > 0 {
        let submit = graph(shape, left.min(SUBMISSION), &mut random);
        left = left.saturating_sub(submit.tasks.len());
        wanted.extend(submit.tasks.iter().filter(|task| task.wanted).map(|task| task.key));
        let actions = world.measured(|scheduler| {
            scheduler.from_client(CLIENT, FromClient::Submit(submit));
            scheduler.actions()
        });
        world.act(actions);
        world.pump_all();
    }
    world.run();
    for keys in wanted.chunks(1 << 12) {
        let keys = keys.to_vec();
        let actions = world.measured(|scheduler| {
            scheduler.from_client(CLIENT, FromClient::Release(keys));
            scheduler.actions()
        });
        world.act(actions);
        world.pump_all();
    }
    assert_eq!(world.scheduler.summary().tasks, 0, "all is done and forgotten");
    let whole = begun.elapsed();
    let busy = (processor_time() - before).as_secs_f64() / whole.as_secs_f64();
    Figures { done: world.done, spent: world.spent.mul_f64(busy.min(1.0)), peak: PEAK.load(Relaxed), whole }
}

/// What this process has had of the processor: on a machine that is shared, less than what the clock says.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn main() {
    let mut workers: Vec<u32> = vec![1_000];
    let mut tasks = 1_000_000;
    let mut shapes: Vec<(&str, Shape)> = SHAPES.to_vec();
    let mut sizes = vec![false, true];
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match arg.as_str() {
            "--workers" => workers = value.split(',').map(|n| n.parse().expect("a number of workers")).collect(),
            "--tasks" => tasks = value.parse().expect("a number of tasks"),
            "--shape" if value == "all" => {}
            "--shape" => shapes.retain(|(name, _)| *name == value),
            "--values" => sizes = vec![value == "large"],
            _ => panic!("--workers N,N… --tasks N --shape map|tree|chains|layers|all --values small|large"),
        }
    }
    println!(
        "{:8} {:6} {:>8} {:>10} {:>12} {:>8} {:>10}",
        "shape", "values", "workers", "tasks", "tasks/s", "B/task", "whole"
    );
    for (name, shape) in shapes {
        for large in &sizes {
            for workers in &workers {
                let figures = measure(shape, *workers, tasks, *large);
                println!(
                    "{name:8} {:6} {workers:8} {:10} {:12.0} {:8} {:8.1} s",
                    if *large { "large" } else { "small" },
                    figures.done,
                    figures.done as f64 / figures.spent.as_secs_f64(),
                    figures.peak / figures.done,
                    figures.whole.as_secs_f64(),
                );
            }
        }
    }
}
