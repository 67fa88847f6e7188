//! Threads that outlive a graph, and sleep between graphs.
//!
//! A run is announced; sleeping threads are woken one by one, each waking the next when there is more to do, so that a
//! tiny graph costs its caller one wake-up. A thread that finds nothing more to do in a run leaves it. The caller of a
//! graph returns when all have left: then nothing of the graph is running, and nothing refers to it. Only callers that
//! were interrupted do not wait for long.
//!
//! No wake-up is lost: a thread counts itself as asleep *before* it looks for work a last time, and whoever adds work
//! does so *before* it looks for sleepers; all four are sequentially consistent, and the lock covers looking and falling
//! asleep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ledger::lock;
use crate::run::Run;
use crate::worker::Worker;

/// The stack of a thread, of which only what is touched takes memory: as large as that of a process's first thread. BLAS
/// libraries, which functions on blocks call, keep large arrays on the stack (OpenBLAS's LU overflows 2 MiB).
const STACK_BYTES: usize = 8 << 20;

/// The threads of a pool, seen by those who may wake them.
#[derive(Default)]
pub(crate) struct Sleepers {
    board: Mutex<Board>,
    /// A run was announced or has more to do, or the pool was closed.
    changed: Condvar,
    /// A thread has left a run that is to be retired.
    left: Condvar,
    asleep: AtomicUsize,
}

/// What is known to all threads of the pool.
#[derive(Default)]
struct Board {
    runs: Vec<Announced>,
    closed: bool,
}

struct Announced {
    run: Arc<Run>,
    /// How many threads may be in it at once, and how many are.
    seats: usize,
    inside: usize,
}

impl Sleepers {
    /// Wakes a thread, if one sleeps.
    pub(crate) fn wake_one(&self) {
        if self.asleep.load(Ordering::SeqCst) > 0 {
            let _board = lock(&self.board);
            self.changed.notify_one();
        }
    }

    /// A run with work and a free seat, the one with the fewest threads inside; waits for one. `None` when the pool is
    /// closed.
    fn enter(&self) -> Option<Arc<Run>> {
        let mut board = lock(&self.board);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        let entered = loop {
            if board.closed {
                break None;
            }
            let open = board.runs.iter_mut().filter(|entry| entry.inside < entry.seats && entry.run.has_work());
            if let Some(entry) = open.min_by_key(|entry| entry.inside) {
                entry.inside += 1;
                break Some(Arc::clone(&entry.run));
            }
            board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        };
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        entered
    }

    fn leave(&self, run: Arc<Run>) {
        let mut board = lock(&self.board);
        if let Some(entry) = board.runs.iter_mut().find(|entry| Arc::ptr_eq(&entry.run, &run)) {
            entry.inside -= 1;
            if entry.seats == 0 {
                self.left.notify_all();
            }
        }
        drop(run); // before anyone who waits for it can see that it was left
    }
}

/// A number of threads.
pub(crate) struct Pool {
    sleepers: Arc<Sleepers>,
    threads: usize,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// A pool whose threads start when they are first needed.
    pub(crate) fn new(threads: usize) -> Self {
        Pool { sleepers: Arc::default(), threads, handles: Mutex::default() }
    }

    pub(crate) fn sleepers(&self) -> Arc<Sleepers> {
        Arc::clone(&self.sleepers)
    }

    /// Offers a run to up to `seats` threads; `false` if there is none, since the system grants no more threads.
    pub(crate) fn announce(&self, run: &Arc<Run>, seats: usize) -> bool {
        if self.start() == 0 {
            return false;
        }
        lock(&self.sleepers.board).runs.push(Announced { run: Arc::clone(run), seats, inside: 0 });
        self.sleepers.wake_one();
        true
    }

    /// The number of threads that are in a run.
    pub(crate) fn inside(&self, run: &Arc<Run>) -> usize {
        let board = lock(&self.sleepers.board);
        board.runs.iter().find(|entry| Arc::ptr_eq(&entry.run, run)).map_or(0, |entry| entry.inside)
    }

    /// Takes the offer back, and returns when no thread is in the run.
    pub(crate) fn retire(&self, run: &Arc<Run>) {
        self.retire_within(run, Duration::MAX);
    }

    /// Takes the offer back; whether within some time no thread is in the run.
    pub(crate) fn retire_within(&self, run: &Arc<Run>, timeout: Duration) -> bool {
        let begin = Instant::now();
        let mut board = lock(&self.sleepers.board);
        while let Some(at) = board.runs.iter().position(|entry| Arc::ptr_eq(&entry.run, run)) {
            board.runs[at].seats = 0;
            if board.runs[at].inside == 0 {
                board.runs.swap_remove(at);
                break;
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            board = self.sleepers.left.wait_timeout(board, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Starts the threads that have not been started yet; how many there are.
    fn start(&self) -> usize {
        let mut handles = lock(&self.handles);
        while handles.len() < self.threads {
            let (number, sleepers) = (handles.len() + 1, Arc::clone(&self.sleepers));
            let thread = std::thread::Builder::new().name(format!("selion-{number}")).stack_size(STACK_BYTES);
            match thread.spawn(move || serve(&sleepers, number)) {
                Ok(handle) => handles.push(handle),
                Err(_) => break,
            }
        }
        handles.len()
    }
}

/// The life of a thread: worker `number` of every run that it enters.
fn serve(sleepers: &Sleepers, number: usize) {
    while let Some(run) = sleepers.enter() {
        if run.has_work() {
            sleepers.wake_one();
        }
        Worker::new(&run, number).help();
        sleepers.leave(run);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            lock(&self.sleepers.board).closed = true;
            self.sleepers.changed.notify_all();
        }
        let own = std::thread::current().id();
        for handle in lock(&self.handles).drain(..) {
            if handle.thread().id() != own {
                let _joined = handle.join(); // a thread that panicked has told its run
            }
        }
    }
}
