//! One graph on its way: what its workers share.
//!
//! Tasks that read nothing are taken from one list in rank order. Every other task becomes ready on the worker that made
//! its last input, which keeps it on its own stack, best rank on top; workers without work take from the other end of
//! the stacks of others. All state is arrays of atomics by rank or by value, made once.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use selion_core::{CancelToken, ExecError, Graph, Observer, Value, ValueId};

use crate::Counters;
use crate::ledger::{Charges, Ledger, lock};
use crate::plan::{NEVER, Plan};
use crate::pool::Sleepers;
use crate::slots::{Entry, Slots};
use crate::spill::Store;

/// `waiting` of a task that has started.
const STARTED: u32 = u32::MAX;
/// Most tasks that are stolen at once: enough that a thief seldom comes back, few enough that the ranks stay together.
const STEAL_MAX: usize = 32;

/// Ready tasks of one worker, by rank. Padded, so that two workers' counts do not share a cache line.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Stack {
    ranks: Mutex<VecDeque<u32>>,
    /// Length of `ranks`, to be looked at without the lock.
    len: AtomicUsize,
}

impl Stack {
    pub(crate) fn push(&self, ranks: impl IntoIterator<Item = u32>) {
        let mut guard = lock(&self.ranks);
        guard.extend(ranks);
        self.len.store(guard.len(), Ordering::SeqCst);
    }

    pub(crate) fn pop(&self) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let mut guard = lock(&self.ranks);
        let rank = guard.pop_back();
        self.len.store(guard.len(), Ordering::SeqCst);
        rank
    }

    /// Moves up to half of the tasks, those of the worst ranks, to `into`; the best of them is returned.
    fn steal(&self, into: &Stack) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let mut stolen: VecDeque<u32> = {
            let mut guard = lock(&self.ranks);
            let count = guard.len().div_ceil(2).min(STEAL_MAX);
            let stolen = guard.drain(..count).collect();
            self.len.store(guard.len(), Ordering::SeqCst);
            stolen
        };
        let best = stolen.pop_back();
        if !stolen.is_empty() {
            into.push(stolen);
        }
        best
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }
}

/// Where the calling thread waits while others work.
#[derive(Default)]
struct Caller {
    waiting: AtomicBool,
    gate: Mutex<()>,
    changed: Condvar,
}

pub(crate) struct Run {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    pub(crate) slots: Slots,
    pub(crate) charges: Charges,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Store,
    pub(crate) observer: Arc<dyn Observer>,
    /// Cancelled with the caller's token, and when a task has failed.
    pub(crate) cancel: CancelToken,
    cancelled_by_caller: CancelToken,
    failure: Mutex<Option<ExecError>>,
    next_root: AtomicUsize,
    pub(crate) stacks: Vec<Stack>,
    /// Per task, how many of its inputs are not there yet.
    waiting: Vec<AtomicU32>,
    remaining: AtomicUsize,
    /// Whether the budget was ever reached: from then on `evictable` is kept.
    pressure: AtomicBool,
    /// Values that may be evicted, with the rank of their next reader, which may have grown since.
    pub(crate) evictable: Mutex<BinaryHeap<(u32, ValueId)>>,
    peak_bytes: AtomicU64,
    caller: Caller,
    /// Threads that could help.
    sleepers: Option<Arc<Sleepers>>,
}

/// Who runs a graph, and under which rules.
pub(crate) struct Setting {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Store,
    pub(crate) observer: Arc<dyn Observer>,
    /// The number of workers that may take part.
    pub(crate) workers: usize,
    pub(crate) sleepers: Option<Arc<Sleepers>>,
}

impl Run {
    pub(crate) fn new(graph: Graph, cancel: &CancelToken, setting: Setting) -> Self {
        let Setting { ledger, store, observer, workers, sleepers } = setting;
        let plan = Plan::new(&graph);
        let mut wanted = vec![false; graph.value_count()];
        for id in graph.wanted() {
            wanted[id.index()] = true; // a read that never comes
        }
        let reads = wanted.iter().enumerate().map(|(id, wanted)| {
            let readers = plan.readers(ValueId(id as u32)).len() as u32;
            readers + u32::from(*wanted)
        });
        let slots = Slots::new(workers, reads);
        let waiting = plan.sequence.iter().map(|task| AtomicU32::new(graph.inputs(*task).len() as u32)).collect();
        Run {
            remaining: AtomicUsize::new(plan.sequence.len()),
            plan,
            slots,
            charges: Charges::new(),
            ledger,
            store,
            observer,
            cancel: cancel.child(),
            cancelled_by_caller: cancel.clone(),
            failure: Mutex::new(None),
            next_root: AtomicUsize::new(0),
            stacks: (0..workers).map(|_| Stack::default()).collect(),
            waiting,
            pressure: AtomicBool::new(false),
            evictable: Mutex::default(),
            peak_bytes: AtomicU64::new(0),
            caller: Caller::default(),
            sleepers,
            graph,
        }
    }

    /// The number of tasks to run.
    pub(crate) fn len(&self) -> usize {
        self.plan.sequence.len()
    }

    /// Whether no more tasks are to be started.
    pub(crate) fn is_over(&self) -> bool {
        self.remaining.load(Ordering::Acquire) == 0 || self.cancel.is_cancelled()
    }

    /// Whether some task could be started by whoever comes.
    pub(crate) fn has_work(&self) -> bool {
        !self.is_over()
            && (self.next_root.load(Ordering::SeqCst) < self.plan.roots.len()
                || self.stacks.iter().any(|stack| !stack.is_empty()))
    }

    /// Rank of the next task that reads nothing.
    pub(crate) fn peek_root(&self) -> Option<u32> {
        self.plan.roots.get(self.next_root.load(Ordering::Relaxed)).copied()
    }

    pub(crate) fn take_root(&self) -> Option<u32> {
        self.plan.roots.get(self.next_root.fetch_add(1, Ordering::SeqCst)).copied()
    }

    pub(crate) fn steal(&self, worker: usize) -> Option<u32> {
        let count = self.stacks.len();
        (1..count).find_map(|k| self.stacks[(worker + k) % count].steal(&self.stacks[worker]))
    }

    /// One input of a task is there; whether it was the last.
    pub(crate) fn input_made(&self, rank: u32) -> bool {
        self.waiting[rank as usize].fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(crate) fn mark_started(&self, rank: u32) {
        self.waiting[rank as usize].store(STARTED, Ordering::Release);
    }

    /// The rank of the first reader of a value that has not started yet.
    pub(crate) fn next_use(&self, entry: &mut Entry) -> u32 {
        let readers = self.plan.readers(entry.id);
        while let Some(reader) = readers.get(entry.readers_started as usize) {
            if self.waiting[*reader as usize].load(Ordering::Acquire) != STARTED {
                return *reader;
            }
            entry.readers_started += 1;
        }
        NEVER
    }

    pub(crate) fn under_pressure(&self) -> bool {
        self.pressure.load(Ordering::Acquire)
    }

    /// From now on values that may be evicted are listed. Those that exist are listed by the first caller.
    pub(crate) fn press(&self) {
        if !self.pressure.swap(true, Ordering::AcqRel) {
            let mut found = Vec::new();
            self.slots.for_each(|entry| {
                if entry.value.as_ref().is_some_and(crate::spill::is_spillable) {
                    found.push((self.next_use(entry), entry.id));
                }
            });
            lock(&self.evictable).extend(found);
        }
    }

    /// `count` more tasks have run.
    pub(crate) fn tasks_done(&self, count: usize) {
        if count > 0 && self.remaining.fetch_sub(count, Ordering::AcqRel) == count {
            self.wake_caller();
        }
    }

    pub(crate) fn saw_peak(&self, nbytes: u64) {
        self.peak_bytes.fetch_max(nbytes, Ordering::Relaxed);
    }

    /// Ends the run with an error, unless it has one already: the first in time is the one that people see.
    pub(crate) fn fail(&self, error: ExecError) {
        let mut failure = lock(&self.failure);
        if failure.is_none() && !self.cancelled_by_caller.is_cancelled() {
            *failure = Some(error);
        }
        drop(failure);
        self.cancel.cancel();
        self.wake_caller();
    }

    /// There is something to take for whoever sleeps.
    pub(crate) fn work_appeared(&self) {
        if self.caller.waiting.load(Ordering::SeqCst) {
            self.wake_caller();
        } else if let Some(sleepers) = &self.sleepers {
            sleepers.wake_one();
        }
    }

    pub(crate) fn wake_caller(&self) {
        let _gate = lock(&self.caller.gate);
        self.caller.changed.notify_all();
    }

    /// Lets the calling thread wait while `idle` holds, for a while at most. `takes_work` if it comes for work too.
    pub(crate) fn caller_waits(&self, takes_work: bool, timeout: Duration, idle: impl Fn() -> bool) {
        let gate = lock(&self.caller.gate);
        self.caller.waiting.store(takes_work, Ordering::SeqCst);
        if idle() {
            let _gate = self.caller.changed.wait_timeout(gate, timeout).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller.waiting.store(false, Ordering::SeqCst);
    }

    /// What the run has done so far.
    pub(crate) fn counters(&self) -> Counters {
        let (written, read, on_disk) = self.store.totals();
        Counters {
            tasks_total: self.len() as u64,
            tasks_done: (self.len() - self.remaining.load(Ordering::Acquire)) as u64,
            spilled_bytes_written: written,
            spilled_bytes_read: read,
            spilled_bytes_on_disk: on_disk,
            peak_bytes: self.peak_bytes.load(Ordering::Relaxed),
        }
    }

    /// The wanted values, or why there are none; to be called when no worker is left. Everything the run held is given
    /// back.
    pub(crate) fn end(&self) -> Result<Vec<Value>, ExecError> {
        let result = match lock(&self.failure).take() {
            Some(error) => Err(error),
            None if self.remaining.load(Ordering::Acquire) > 0 => Err(ExecError::Cancelled),
            None => self.graph.wanted().iter().map(|id| self.wanted(*id)).collect(),
        };
        let held = self.slots.drain();
        let freed = held.iter().filter_map(|entry| entry.value.as_ref()).map(|value| self.charges.remove(value)).sum();
        drop(held);
        self.ledger.release(freed);
        self.observer.finished(&self.graph, result.is_err());
        result
    }

    fn wanted(&self, id: ValueId) -> Result<Value, ExecError> {
        let found = self.slots.with(id, |entry, _| (entry.value.clone(), entry.file.clone()));
        match found {
            Some((Some(value), _)) => Ok(value),
            Some((None, Some(file))) => {
                let value = self.store.read(&file)?;
                // It may be wanted twice.
                self.slots.with(id, |entry, _| entry.value = Some(value.clone()));
                let used = self.ledger.force(self.charges.add(&value));
                self.saw_peak(used);
                Ok(value)
            }
            _ => {
                Err(ExecError::Unavailable(format!("task {} made no value", self.graph.name(self.graph.producer(id)))))
            }
        }
    }
}
