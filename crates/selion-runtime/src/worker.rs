//! One thread at work on one run: picks a task, admits it, runs its body, hands on what became ready.
//!
//! What comes next is the best of what the worker made ready itself and the next task that reads nothing, by rank: so the
//! order decides, and a worker finishes what it began before it begins something new. A task that does not fit the
//! budget first evicts values whose next reader comes later than itself, furthest first; then it is put aside for other
//! ready tasks; then it waits (see `ledger`).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use selion_core::{Enclosure, ExecError, Outputs, TaskContext, TaskError, TaskId, Value, ValueId};

use crate::ledger::{Turn, lock};
use crate::run::Run;
use crate::slots::{Entry, Fetched};
use crate::spill::{SpillFile, is_spillable};

/// Done tasks are told to the run in batches, so that workers do not fight over one counter.
const DONE_BATCH: usize = 64;
/// Bytes that a worker reserves ahead, so that small tasks do not all write to one counter; less where the budget is
/// small, of which all workers together reserve at most this share ahead.
const CREDIT_MAX_BYTES: u64 = 64 << 10;
const CREDIT_SHARE: u64 = 256;
/// Tasks put aside for want of memory before the worker waits.
const ASIDE_MAX: usize = 8;
/// How long a worker stays in an enclosure while others may want in: Python's own interval between its threads.
const ENCLOSED_MAX: Duration = Duration::from_millis(5);
/// How long a worker looks for work before it sleeps: about what falling asleep and waking up costs.
const SPIN: Duration = Duration::from_micros(20);
/// How long the calling thread sleeps before it looks whether it was cancelled.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// That a task may start.
struct Admitted {
    reserved_bytes: u64,
    /// Whether its inputs are pinned already.
    pinned: bool,
}

pub(crate) struct Worker<'r> {
    run: &'r Run,
    /// Which of the run's stacks and slabs are its own.
    number: usize,
    /// The best of what the last task made ready.
    hand: Option<u32>,
    ready: Vec<u32>,
    /// The inputs of the task that runs, and how each was come by.
    values: Vec<Value>,
    fetched: Vec<Input>,
    /// Tasks that were refused, and what the last of them had asked for.
    aside: Vec<u32>,
    refused_bytes: u64,
    /// When it began to wait.
    refused_since: Option<Instant>,
    done: usize,
    /// Bytes that are reserved and that no task has taken, and how many to reserve at a time.
    credit_bytes: u64,
    refill_bytes: u64,
    peak_bytes: u64,
}

/// How an input was come by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Nobody else has it.
    Taken,
    /// It is pinned, and stays for others.
    Shared,
}

impl<'r> Worker<'r> {
    pub(crate) fn new(run: &'r Run, number: usize) -> Self {
        Worker {
            run,
            number,
            hand: None,
            ready: Vec::new(),
            values: Vec::new(),
            fetched: Vec::new(),
            aside: Vec::new(),
            refused_bytes: 0,
            refused_since: None,
            done: 0,
            credit_bytes: 0,
            refill_bytes: CREDIT_MAX_BYTES.min(run.ledger.budget_bytes() / CREDIT_SHARE / run.stacks.len() as u64),
            peak_bytes: 0,
        }
    }

    /// Works until nothing is left that it could do.
    pub(crate) fn help(&mut self) {
        let active = self.run.ledger.activate();
        self.guarded(|worker| {
            loop {
                worker.work();
                if !worker.work_comes_soon() {
                    break;
                }
            }
        });
        drop(active);
    }

    /// Works until the run is over.
    pub(crate) fn work_to_the_end(&mut self) {
        let active = self.run.ledger.activate();
        self.guarded(|worker| {
            loop {
                worker.work();
                if worker.run.is_over() {
                    break;
                }
                if !worker.work_comes_soon() {
                    let run = worker.run;
                    run.ledger.rest(|| run.caller_waits(true, LOOK_AGAIN, || !run.is_over() && !run.has_work()));
                }
            }
        });
        drop(active);
    }

    /// Works for a while, then leaves what is ready to others.
    pub(crate) fn work_for(&mut self, time: Duration) {
        let active = self.run.ledger.activate();
        let begin = Instant::now();
        self.guarded(|worker| {
            while begin.elapsed() < time && worker.step() {}
            let mut left = std::mem::take(&mut worker.aside);
            left.extend(worker.hand.take());
            if !left.is_empty() {
                left.sort_unstable_by(|a, b| b.cmp(a));
                worker.run.stacks[worker.number].push(left);
                worker.run.work_appeared();
            }
            worker.let_others();
        });
        drop(active);
    }

    /// Runs everything in order on this thread; for runs with no other worker.
    pub(crate) fn work_in_order(&mut self) {
        let active = self.run.ledger.activate();
        self.guarded(|worker| {
            for rank in 0..worker.run.len() as u32 {
                if worker.run.cancel.is_cancelled() {
                    break;
                }
                let mut turn = Turn::Again;
                while !worker.attempt(rank, turn, false) {
                    turn = worker.wait_for_memory(rank);
                }
            }
            worker.let_others();
        });
        drop(active);
    }

    /// A panic outside of a body, such as a destructor's, must not leave others waiting.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) {
            self.run.fail(ExecError::Unavailable(format!("a worker thread panicked: {}", panic_text(&*panic))));
        }
        self.return_credit();
        self.run.saw_peak(self.peak_bytes);
    }

    fn work(&mut self) {
        while self.step() {}
        self.let_others();
    }

    /// Runs a task, or puts it aside; `false` if there is nothing to do.
    fn step(&mut self) -> bool {
        if self.run.cancel.is_cancelled() {
            return false;
        }
        if self.aside.len() >= ASIDE_MAX {
            self.try_aside();
        } else if let Some(rank) = self.next() {
            match self.enclosure(rank) {
                Some(enclosure) => self.step_within(enclosure, rank),
                None => self.attempt_or_put_aside(rank),
            }
        } else if self.aside.is_empty() {
            return false;
        } else {
            self.try_aside();
        }
        true
    }

    fn attempt_or_put_aside(&mut self, rank: u32) {
        if !self.attempt(rank, Turn::Again, true) {
            self.aside.push(rank);
        }
    }

    /// Runs a task in its enclosure, and those after it that want the same one or are quick.
    fn step_within(&mut self, enclosure: &'static dyn Enclosure, first: u32) {
        enclosure.within(&mut || {
            let begin = Instant::now();
            self.attempt_or_put_aside(first);
            while self.aside.is_empty() && !self.run.cancel.is_cancelled() && begin.elapsed() < ENCLOSED_MAX {
                let Some(rank) = self.next() else { break };
                if !self.belongs_in(enclosure, rank) {
                    self.hand = Some(rank);
                    break;
                }
                self.attempt_or_put_aside(rank);
            }
        });
    }

    /// Where a task is best run. Where memory is short, tasks enter by themselves: room is made outside.
    fn enclosure(&self, rank: u32) -> Option<&'static dyn Enclosure> {
        let (body, index) = self.run.graph.body(self.run.plan.sequence[rank as usize]);
        if self.run.under_pressure() { None } else { body.enclosure(index) }
    }

    fn belongs_in(&self, enclosure: &'static dyn Enclosure, rank: u32) -> bool {
        match self.enclosure(rank) {
            Some(other) => std::ptr::addr_eq(enclosure, other),
            None => {
                let (body, index) = self.run.graph.body(self.run.plan.sequence[rank as usize]);
                body.is_quick(index) && !self.run.under_pressure()
            }
        }
    }

    fn report(&mut self) {
        self.run.tasks_done(std::mem::take(&mut self.done));
    }

    /// Before it waits for anything, a worker tells what it did, and gives back what it does not need.
    fn let_others(&mut self) {
        self.return_credit();
        self.report();
    }

    fn work_comes_soon(&self) -> bool {
        let begin = Instant::now();
        while !self.run.is_over() {
            if self.run.has_work() {
                return true;
            }
            if begin.elapsed() > SPIN {
                return false;
            }
            std::thread::yield_now();
        }
        false
    }

    fn next(&mut self) -> Option<u32> {
        let stack = &self.run.stacks[self.number];
        let own = self.hand.take().or_else(|| stack.pop());
        if !self.aside.is_empty() {
            return own.or_else(|| self.run.steal(self.number)); // what reads nothing frees nothing
        }
        match (own, self.run.peek_root()) {
            (Some(own), Some(root)) if root < own => {
                stack.push([own]);
                self.run.work_appeared();
                self.run.take_root().or_else(|| stack.pop())
            }
            (Some(own), _) => Some(own),
            (None, Some(_)) => self.run.take_root().or_else(|| self.run.steal(self.number)),
            (None, None) => self.run.steal(self.number),
        }
    }

    /// Waits for memory for the best of the tasks put aside; the others are up for anyone again.
    fn try_aside(&mut self) {
        self.aside.sort_unstable_by(|a, b| b.cmp(a));
        let Some(best) = self.aside.pop() else { return };
        self.let_others();
        let waiting = std::mem::take(&mut self.aside);
        self.run.stacks[self.number].push(waiting);
        let turn = self.wait_for_memory(best);
        if !self.attempt(best, turn, true) {
            self.aside.push(best);
        }
    }

    /// Waits until something is freed; a task may then go over the budget if nobody else is active.
    fn wait_for_memory(&mut self, rank: u32) -> Turn {
        let since = *self.refused_since.get_or_insert_with(Instant::now);
        self.run.ledger.wait(rank, self.refused_bytes, since)
    }

    /// Runs a task if it may start now; a task that is not wanted any more counts as run.
    fn attempt(&mut self, rank: u32, turn: Turn, hand_on: bool) -> bool {
        let admitted = if self.run.cancel.is_cancelled() { Err(None) } else { self.admit(rank, turn).map_err(Some) };
        let started = match admitted {
            Ok(None) => false,
            Ok(Some(admitted)) => {
                self.refused_since = None;
                if let Err(error) = self.perform(rank, admitted, hand_on) {
                    self.run.fail(error);
                }
                true
            }
            Err(error) => {
                error.into_iter().for_each(|error| self.run.fail(error));
                true
            }
        };
        if turn == Turn::Passed {
            self.run.ledger.pass_ended();
        }
        started
    }

    /// Memory that a task takes while it runs, over its inputs.
    fn needs(&self, task: TaskId) -> u64 {
        let graph = &self.run.graph;
        let outputs: u64 = graph.outputs(task).map(|output| graph.nbytes(output)).sum();
        let (body, index) = graph.body(task);
        outputs.saturating_add(body.scratch_bytes(index))
    }

    /// Reserves what a task needs; `None` if it has to wait.
    fn admit(&mut self, rank: u32, turn: Turn) -> Result<Option<Admitted>, ExecError> {
        let run = self.run;
        let task = run.plan.sequence[rank as usize];
        let needs = self.needs(task);
        if !run.under_pressure() {
            // Nothing was ever evicted, so all inputs are in memory.
            if self.take_credit(needs) {
                run.mark_started(rank);
                return Ok(Some(Admitted { reserved_bytes: needs, pinned: false }));
            }
            run.press();
        }
        // Inputs are pinned before anything is evicted, so that a task does not evict what it needs.
        let inputs = run.graph.inputs(task);
        let reload: u64 = inputs.iter().map(|input| run.slots.pin(*input)).sum();
        let nbytes = needs.saturating_add(reload);
        // What others need sooner stays, unless they all wait.
        let needed_after = (turn == Turn::Again).then_some(rank);
        let used = if let Some(used) = self.evict_for(nbytes, needed_after)? {
            used
        } else if turn != Turn::Again || (reload == 0 && self.frees(inputs) >= nbytes) {
            run.ledger.force(nbytes)
        } else {
            inputs.iter().for_each(|input| run.slots.unpin(*input));
            self.refused_bytes = nbytes;
            return Ok(None);
        };
        self.peak_bytes = self.peak_bytes.max(used);
        run.mark_started(rank);
        Ok(Some(Admitted { reserved_bytes: nbytes, pinned: true }))
    }

    /// Reserves `nbytes` if that is possible without evicting.
    fn take_credit(&mut self, nbytes: u64) -> bool {
        if nbytes == 0 {
            return self.run.ledger.try_reserve(0).is_some(); // its size is not known, so the budget must not be reached
        }
        if self.credit_bytes < nbytes {
            let refill = nbytes.saturating_add(self.refill_bytes);
            if let Some(used) = self.run.ledger.try_reserve(refill) {
                self.credit_bytes += refill;
                self.peak_bytes = self.peak_bytes.max(used);
            }
        }
        let taken = self.credit_bytes >= nbytes;
        if taken {
            self.credit_bytes -= nbytes;
        } else {
            self.return_credit();
        }
        taken
    }

    fn return_credit(&mut self) {
        self.run.ledger.release(std::mem::take(&mut self.credit_bytes));
    }

    /// Replaces a reservation of `before` bytes by `after` bytes.
    fn settle(&mut self, before: u64, after: u64) {
        if after > before {
            let more = (after - before).saturating_sub(self.credit_bytes);
            self.credit_bytes -= after - before - more;
            self.run.ledger.force(more);
            return;
        }
        self.credit_bytes += before - after;
        let keep = if self.run.under_pressure() { 0 } else { self.refill_bytes };
        if self.credit_bytes > 2 * keep {
            self.run.ledger.release(self.credit_bytes - keep);
            self.credit_bytes = keep;
        }
    }

    /// Bytes that are freed when the only reader that is left of `inputs` has run.
    fn frees(&self, inputs: &[ValueId]) -> u64 {
        let last = inputs.iter().filter(|input| self.run.slots.reads(**input) == 1);
        let held = |entry: &mut Entry, _| entry.value.as_ref().map_or(0, Value::held_bytes) as u64;
        last.filter_map(|input| self.run.slots.with(*input, held)).sum()
    }

    /// Reserves `nbytes`, evicting values that are needed later than the given rank, furthest first.
    fn evict_for(&mut self, nbytes: u64, needed_after: Option<u32>) -> Result<Option<u64>, ExecError> {
        let run = self.run;
        let stays = |next: u32| needed_after.is_some_and(|rank| next <= rank);
        let mut busy = Vec::new();
        let mut result = Ok(None);
        loop {
            if let Some(used) = run.ledger.try_reserve(nbytes) {
                result = Ok(Some(used));
                break;
            }
            let Some((key, id)) = lock(&run.evictable).pop() else { break };
            let candidate = run.slots.with(id, |entry, pinned| {
                if entry.spilling || entry.value.is_none() {
                    return Candidate::Gone;
                }
                match run.next_use(entry) {
                    next if pinned || stays(next) => Candidate::Busy(next),
                    next if next > key => Candidate::Later(next),
                    _ => {
                        entry.spilling = true;
                        entry.value.clone().map_or(Candidate::Gone, Candidate::Evict)
                    }
                }
            });
            match candidate.unwrap_or(Candidate::Gone) {
                Candidate::Gone => {}
                Candidate::Busy(next) => busy.push((next, id)),
                Candidate::Later(next) => lock(&run.evictable).push((next, id)),
                Candidate::Evict(value) => {
                    if let Err(error) = self.evict(id, value) {
                        result = Err(error);
                        break;
                    }
                }
            }
            if stays(key) {
                break; // all others are needed even sooner
            }
        }
        lock(&run.evictable).extend(busy);
        result
    }

    fn evict(&mut self, id: ValueId, value: Value) -> Result<(), ExecError> {
        let run = self.run;
        let file = match run.slots.with(id, |entry, _| entry.file.clone()) {
            Some(Some(file)) => file,
            _ => Arc::new(run.store.write(&value)?),
        };
        let left = run.slots.with(id, |entry, pinned| {
            entry.spilling = false;
            entry.file = Some(file);
            if pinned {
                let next = run.next_use(entry);
                lock(&run.evictable).push((next, id)); // a reader came meanwhile; another time
                return None;
            }
            entry.value.take()
        });
        if let Some(Some(left)) = left {
            let freed = run.charges.remove(&left);
            drop((left, value));
            run.ledger.release(freed);
        }
        Ok(())
    }

    /// Runs an admitted task, and does what follows from it.
    fn perform(&mut self, rank: u32, admitted: Admitted, hand_on: bool) -> Result<(), ExecError> {
        let run = self.run;
        let task = run.plan.sequence[rank as usize];
        let mut added = 0;
        let made = self.gather(task, admitted.pinned, &mut added).and_then(|()| self.run_body(task));
        let (outputs, result) = match made {
            Ok(outputs) => (outputs, Ok(())),
            Err(error) => (Outputs::new(), Err(error)),
        };
        for (id, value) in run.graph.outputs(task).zip(outputs) {
            if run.slots.reads(id) > 0 {
                added += run.charges.add(&value);
                run.slots.put(self.number, id, value);
                if run.under_pressure() {
                    self.list(id); // looked at after the value was put, so that `Run::press` sees what this does not
                }
            }
        }
        if added > admitted.reserved_bytes {
            self.peak_bytes = self.peak_bytes.max(run.ledger.used_bytes() + added - admitted.reserved_bytes);
        }
        let freed = self.let_go(task);
        self.settle(admitted.reserved_bytes + freed, added);
        if result.is_ok() {
            if hand_on {
                self.hand_on(task);
            }
            self.done += 1;
            if self.done >= DONE_BATCH {
                self.report();
            }
        }
        result
    }

    /// Collects the inputs of a task into `values`; adds what those from disk take now to `added`.
    fn gather(&mut self, task: TaskId, pinned: bool, added: &mut u64) -> Result<(), ExecError> {
        for id in self.run.graph.inputs(task) {
            let (value, input) = match self.run.slots.fetch(*id, pinned) {
                Some(Fetched::Taken(value)) => (value, Input::Taken),
                Some(Fetched::Shared(value)) => (value, Input::Shared),
                Some(Fetched::OnDisk(file)) => self.read_back(*id, &file, added)?,
                None => {
                    let name = self.run.graph.name(self.run.graph.producer(*id));
                    return Err(ExecError::Unavailable(format!("the value of task {name} is lost")));
                }
            };
            self.values.push(value);
            self.fetched.push(input);
        }
        Ok(())
    }

    fn read_back(&self, id: ValueId, file: &SpillFile, added: &mut u64) -> Result<(Value, Input), ExecError> {
        let run = self.run;
        let value = run.store.read(file)?;
        if run.slots.reads(id) == 1 {
            run.slots.remove(id);
            *added += run.charges.add(&value);
            return Ok((value, Input::Taken));
        }
        let other = run.slots.with(id, |entry, _| {
            if entry.value.is_none() {
                *added += run.charges.add(&value);
                entry.value = Some(value.clone());
            }
            entry.value.clone() // another reader may have been faster
        });
        self.list(id);
        Ok((other.flatten().unwrap_or(value), Input::Shared))
    }

    /// Lists a value as one that may be evicted, if it may.
    fn list(&self, id: ValueId) {
        let next_use = |entry: &mut Entry, _| {
            let spillable = entry.value.as_ref().is_some_and(is_spillable);
            spillable.then(|| self.run.next_use(entry))
        };
        if let Some(Some(next)) = self.run.slots.with(id, next_use) {
            lock(&self.run.evictable).push((next, id));
        }
    }

    fn run_body(&mut self, task: TaskId) -> Result<Outputs, ExecError> {
        let run = self.run;
        let (body, index) = run.graph.body(task);
        let context = TaskContext { cancel: &run.cancel, host: run.graph.host() };
        let failed = |cause| Err(ExecError::Task { task: run.graph.name(task), cause });
        let mut retries = run.graph.annotations(task).retries;
        loop {
            let tried = catch_unwind(AssertUnwindSafe(|| {
                run.observer.task_started(&run.graph, task, self.number);
                // Who tries again needs them again.
                let outputs = if retries > 0 {
                    body.run(index, &self.values, &context)?
                } else {
                    body.run_owned(index, &mut self.values, &context)?
                };
                run.observer.task_finished(&run.graph, task, self.number);
                Ok::<_, TaskError>(outputs)
            }));
            match tried {
                Ok(Ok(outputs)) => {
                    let expected = run.graph.outputs(task).len();
                    if outputs.len() != expected {
                        return failed(format!("made {} values instead of {expected}", outputs.len()).into());
                    }
                    return Ok(outputs);
                }
                Ok(Err(_)) if retries > 0 && !run.cancel.is_cancelled() => retries -= 1,
                Ok(Err(cause)) => return failed(cause),
                Err(panic) => return failed(format!("panicked: {}", panic_text(&*panic)).into()),
            }
        }
    }

    /// Drops the inputs of a task that has run, and those that nobody else needs; the bytes freed.
    fn let_go(&mut self, task: TaskId) -> u64 {
        let run = self.run;
        let (mut freed, mut moved) = (0, Vec::new());
        let inputs = run.graph.inputs(task).iter().zip(self.values.drain(..).zip(self.fetched.drain(..)));
        for (id, (value, input)) in inputs {
            if input == Input::Taken {
                freed += run.charges.remove(&value);
            } else if let Some(entry) = run.slots.read_done(*id) {
                freed += entry.value.as_ref().map_or(0, |value| run.charges.remove(value));
            } else if run.under_pressure() {
                moved.push(*id); // its next use has moved further away
            }
        }
        moved.into_iter().for_each(|id| self.list(id));
        freed
    }

    /// Counts the outputs of a task for their readers; keeps the best of those that are ready in hand.
    fn hand_on(&mut self, task: TaskId) {
        let run = self.run;
        for output in run.graph.outputs(task) {
            let readers = run.plan.readers(output).iter();
            self.ready.extend(readers.filter(|reader| run.input_made(**reader)));
        }
        if self.ready.is_empty() {
            return;
        }
        self.ready.sort_unstable_by(|a, b| b.cmp(a));
        self.hand = self.ready.pop();
        if !self.ready.is_empty() {
            run.stacks[self.number].push(self.ready.drain(..));
            run.work_appeared();
        }
    }
}

/// What became of a value that was listed as one that may be evicted.
enum Candidate {
    /// It is not in memory any more, or about to leave it.
    Gone,
    /// It is being read, or needed sooner than what it would make room for.
    Busy(u32),
    /// Its next reader comes later than listed.
    Later(u32),
    Evict(Value),
}

/// The message of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
