//! Who holds how much memory, and what may start.
//!
//! Every task asks for its outputs, its scratch and the inputs that have to come back from disk before it starts, and
//! sets the account right when it has run. The ledger belongs to the executor, not to a graph: all graphs that run at
//! once share it. It only counts; what to evict is the worker's business.
//!
//! Progress: a worker counts as *active* from when it looks for work until it finds none. One that does not get what it
//! asked for stops being active; when nobody is left who could free anything, the one with the first task in order may
//! go on over the budget. So the peak is at most the budget and one task per thread.
//!
//! [`Charges`] counts buffers, not values: a hundred views of one block are one block.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use selion_core::Value;

/// How long a worker without memory waits before it looks again whether it was cancelled.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a task waits before it passes the budget, one at a time. Active workers may wait for each other in ways that
/// are not seen here, such as a body that waits for a thread of its own that runs a graph.
const STALL: Duration = Duration::from_millis(200);

/// Smaller buffers are counted once per value; looking them up would cost more than it tells.
const SHARED_MIN_BYTES: usize = 4 << 10;
const CHARGE_SHARDS: usize = 16;

/// Locks, whoever panicked while holding it: no code of a body runs under a lock of this crate.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Ledger {
    budget_bytes: u64,
    used_bytes: AtomicU64,
    gate: Mutex<Gate>,
    changed: Condvar,
    waiters: AtomicUsize,
}

#[derive(Default)]
struct Gate {
    /// The number of active workers.
    active: usize,
    /// Ranks of the tasks for which the others wait.
    waiting: Vec<u32>,
    /// Whether a task has passed, and runs.
    passed: bool,
}

/// What a worker that waited for memory may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Go on without: nobody else is active.
    Forced,
    /// Go on without, and tell [`Ledger::pass_ended`]: for a long time nothing has changed.
    Passed,
    /// Ask again.
    Again,
}

thread_local! {
    /// The ledger in which this thread counts as active, by address; a body that runs a graph of its own must not wait
    /// for itself.
    static ACTIVE_IN: Cell<usize> = const { Cell::new(0) };
}

impl Ledger {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        Ledger {
            budget_bytes,
            used_bytes: AtomicU64::new(0),
            gate: Mutex::default(),
            changed: Condvar::new(),
            waiters: AtomicUsize::new(0),
        }
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes `nbytes` if they fit; the sum of all that is taken then.
    pub(crate) fn try_reserve(&self, nbytes: u64) -> Option<u64> {
        let fits = |used: u64| used.checked_add(nbytes).filter(|sum| *sum <= self.budget_bytes);
        if nbytes == 0 {
            return fits(self.used_bytes());
        }
        let before = self.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits).ok()?;
        Some(before + nbytes)
    }

    /// Takes `nbytes` whether they fit or not.
    pub(crate) fn force(&self, nbytes: u64) -> u64 {
        if nbytes == 0 {
            return self.used_bytes();
        }
        self.used_bytes.fetch_add(nbytes, Ordering::AcqRel) + nbytes
    }

    /// Gives `nbytes` back.
    pub(crate) fn release(&self, nbytes: u64) {
        if nbytes > 0 {
            let before = self.used_bytes.fetch_sub(nbytes, Ordering::SeqCst);
            debug_assert!(before >= nbytes, "gave back {nbytes} of {before}");
            if self.waiters.load(Ordering::SeqCst) > 0 {
                let _gate = lock(&self.gate);
                self.changed.notify_all();
            }
        }
    }

    /// Counts the calling thread as active until the guard is dropped.
    pub(crate) fn activate(self: &Arc<Self>) -> Active {
        let address = Arc::as_ptr(self) as usize;
        let outer = ACTIVE_IN.replace(address);
        if outer != address {
            lock(&self.gate).active += 1;
        }
        Active { ledger: Arc::clone(self), outer }
    }

    /// Whether the calling thread is at work, so that this is a graph within a task.
    pub(crate) fn is_active(self: &Arc<Self>) -> bool {
        ACTIVE_IN.get() == Arc::as_ptr(self) as usize
    }

    /// Runs `wait`, in which the calling thread, otherwise active, can free nothing.
    pub(crate) fn rest<R>(&self, wait: impl FnOnce() -> R) -> R {
        {
            let mut gate = lock(&self.gate);
            gate.active -= 1;
            if self.waiters.load(Ordering::SeqCst) > 0 {
                self.changed.notify_all();
            }
        }
        let result = wait();
        lock(&self.gate).active += 1;
        result
    }

    /// Waits until something has changed, for a while at most, on behalf of the task of a rank that asked for `nbytes`
    /// in vain, and has done so since `since`. The caller is active, and is so afterwards.
    pub(crate) fn wait(&self, rank: u32, nbytes: u64, since: Instant) -> Turn {
        let mut gate = lock(&self.gate);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        gate.active -= 1;
        gate.waiting.push(rank);
        if gate.active == 0 && gate.waiting.len() > 1 {
            self.changed.notify_all(); // one of the others may be the first
        }
        let mut timed_out = false;
        let turn = loop {
            if self.used_bytes.load(Ordering::SeqCst).saturating_add(nbytes) <= self.budget_bytes || timed_out {
                break Turn::Again;
            }
            if gate.active == 0 && gate.waiting.iter().all(|other| *other >= rank) {
                break Turn::Forced;
            }
            if !gate.passed && since.elapsed() > STALL {
                gate.passed = true;
                break Turn::Passed;
            }
            let woken = self.changed.wait_timeout(gate, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner);
            (gate, timed_out) = (woken.0, woken.1.timed_out());
        };
        if let Some(at) = gate.waiting.iter().position(|other| *other == rank) {
            gate.waiting.swap_remove(at);
        }
        gate.active += 1;
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        turn
    }

    /// The task that passed has run.
    pub(crate) fn pass_ended(&self) {
        lock(&self.gate).passed = false;
    }
}

/// That a thread is active. Not to be moved to another thread.
pub(crate) struct Active {
    ledger: Arc<Ledger>,
    outer: usize,
}

impl Drop for Active {
    fn drop(&mut self) {
        let address = Arc::as_ptr(&self.ledger) as usize;
        if ACTIVE_IN.replace(self.outer) == address && self.outer != address {
            let mut gate = lock(&self.ledger.gate);
            gate.active -= 1;
            if self.ledger.waiters.load(Ordering::SeqCst) > 0 {
                self.ledger.changed.notify_all();
            }
        }
    }
}

/// Which large buffers are held, and by how many values.
pub(crate) struct Charges([Mutex<HashMap<usize, u32>>; CHARGE_SHARDS]);

impl Charges {
    pub(crate) fn new() -> Self {
        Charges(std::array::from_fn(|_| Mutex::default()))
    }

    fn shard(&self, address: usize) -> MutexGuard<'_, HashMap<usize, u32>> {
        lock(&self.0[(address >> 6).wrapping_mul(0x9E37_79B9) >> 7 & (CHARGE_SHARDS - 1)])
    }

    /// Counts a value that is now held; the bytes that it adds.
    pub(crate) fn add(&self, value: &Value) -> u64 {
        self.each(value, &mut |address| {
            let mut shard = self.shard(address);
            let holders = shard.entry(address).or_insert(0);
            *holders += 1;
            *holders == 1
        })
    }

    /// Counts a value that is about to be dropped; the bytes that this frees.
    pub(crate) fn remove(&self, value: &Value) -> u64 {
        self.each(value, &mut |address| {
            let mut shard = self.shard(address);
            match shard.get_mut(&address) {
                Some(holders) if *holders > 1 => {
                    *holders -= 1;
                    false
                }
                _ => shard.remove(&address).is_some(),
            }
        })
    }

    fn each(&self, value: &Value, counts: &mut dyn FnMut(usize) -> bool) -> u64 {
        match value {
            Value::Chunk(chunk) => {
                let held = chunk.held_bytes();
                let counted = held < SHARED_MIN_BYTES || counts(Arc::as_ptr(chunk.buffer()) as usize);
                if counted { held as u64 } else { 0 }
            }
            Value::Tuple(parts) => parts.iter().map(|part| self.each(part, counts)).sum(),
            Value::Object { nbytes, .. } => *nbytes as u64,
            Value::Unit => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use selion_core::Chunk;

    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let ledger = Ledger::new(100);
        assert_eq!(ledger.try_reserve(60), Some(60));
        assert_eq!(ledger.try_reserve(41), None);
        assert_eq!(ledger.try_reserve(u64::MAX), None);
        ledger.release(50);
        assert_eq!(ledger.try_reserve(90), Some(100));
        assert_eq!(ledger.force(5), 105);
        assert_eq!(ledger.try_reserve(0), None, "over the budget nothing starts unasked");
        ledger.release(105);
        assert_eq!(ledger.used_bytes(), 0);
    }

    #[test]
    fn the_last_active_worker_is_forced() {
        let ledger = Arc::new(Ledger::new(0));
        let _active = ledger.activate();
        assert_eq!(ledger.wait(7, 1, Instant::now()), Turn::Forced);
        lock(&ledger.gate).active += 1; // another worker
        assert_eq!(ledger.wait(7, 1, Instant::now()), Turn::Again);
        assert_eq!(lock(&ledger.gate).active, 2);
    }

    #[test]
    fn one_task_at_a_time_passes_after_a_long_wait() {
        let ledger = Arc::new(Ledger::new(0));
        let _active = ledger.activate();
        lock(&ledger.gate).active += 1; // another worker
        let since = Instant::now() - 2 * STALL;
        assert_eq!(ledger.wait(7, 1, since), Turn::Passed);
        assert_eq!(ledger.wait(7, 1, since), Turn::Again);
        ledger.pass_ended();
        assert_eq!(ledger.wait(7, 1, since), Turn::Passed);
    }

    #[test]
    fn a_graph_within_a_task_is_one_activity() {
        let ledger = Arc::new(Ledger::new(0));
        let outer = ledger.activate();
        let inner = ledger.activate();
        assert_eq!(lock(&ledger.gate).active, 1);
        drop(inner);
        assert_eq!(lock(&ledger.gate).active, 1);
        drop(outer);
        assert_eq!(lock(&ledger.gate).active, 0);
    }

    #[test]
    fn views_of_one_buffer_are_counted_once() {
        let charges = Charges::new();
        let block = Chunk::from_values(&[2, 1024], &vec![0f64; 2048]);
        let (whole, half) = (Value::from(block.clone()), Value::from(block.slice(0, 0, 1, 1)));
        assert_eq!(charges.add(&whole), 16 << 10);
        assert_eq!(charges.add(&half), 0);
        assert_eq!(charges.add(&Value::Tuple([half.clone(), half.clone()].into())), 0);
        assert_eq!(charges.remove(&whole), 0);
        assert_eq!(charges.remove(&Value::Tuple([half.clone(), half.clone()].into())), 0);
        assert_eq!(charges.remove(&half), 16 << 10);
    }
}
