//! How tasks move from state to state. All of it works on lists, not by recursion: chains of a million tasks are ordinary.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::message::{Failure, FailureKind, ToClient, ToWorker};
use crate::recent::Ran;
use crate::records::{Ix, NO_BLOB, Queue, State, unlink};
use crate::scheduler::Scheduler;
use crate::{ClientId, Key, Priority, WorkerId};

/// How often a task is tried elsewhere because it could not get an input from a worker that says that it has it.
const LACKED_MAX: u8 = 3;

impl Scheduler {
    /// A client wants a task's value, from now on.
    pub(crate) fn want(&mut self, ix: Ix, client: ClientId) {
        let Some(record) = self.clients.get_mut(&client) else { return };
        let task = &mut self.tasks[ix];
        if !task.wanted.contains(&client) {
            task.wanted.push(client);
            record.wishes.push(ix);
            record.wants += 1;
        }
        task.cancelled = false;
        match task.state {
            State::Released => self.need(ix),
            State::Memory => {
                let message = self.done_message(ix);
                self.answer(client, message);
            }
            State::Failed => {
                if let Some(failure) = task.failure.clone() {
                    let key = task.key;
                    self.answer(client, ToClient::Failed { key, failure });
                }
            }
            _ => {}
        }
    }

    pub(crate) fn unwant(&mut self, ix: Ix, client: ClientId) {
        if !unlink(&mut self.tasks[ix].wanted, &client) {
            return;
        }
        if let Some(record) = self.clients.get_mut(&client) {
            record.wants -= 1;
            if record.wishes.len() > 2 * record.wants + 1024 {
                record.wishes.sort_unstable();
                record.wishes.dedup();
                let wanted = |ix: &Ix| self.tasks.contains(*ix) && self.tasks[*ix].wanted.contains(&client);
                record.wishes.retain(wanted);
            }
        }
    }

    fn done_message(&self, ix: Ix) -> ToClient {
        let task = &self.tasks[ix];
        ToClient::Done {
            key: task.key,
            nbytes: task.nbytes,
            value: task.value.clone(),
            worker: task.holders.first().copied(),
        }
    }

    /// Tells all who want a task.
    pub(crate) fn announce(&mut self, ix: Ix, message: &ToClient) {
        for client in self.tasks[ix].wanted.clone() {
            self.answer(client, message.clone());
        }
    }

    /// A released task is needed: it waits, with all released ones that it needs.
    pub(crate) fn need(&mut self, ix: Ix) {
        let mut stack: SmallVec<[Ix; 8]> = SmallVec::from_slice(&[ix]);
        let mut waiting: SmallVec<[Ix; 8]> = SmallVec::new();
        while let Some(ix) = stack.pop() {
            // What failed meanwhile may have let go of this again.
            if !self.tasks.contains(ix) || self.tasks[ix].state != State::Released || !self.tasks[ix].is_needed() {
                continue;
            }
            if self.tasks[ix].blob == NO_BLOB {
                self.data_lost(ix);
                continue;
            }
            self.tasks.set_state(ix, State::Waiting);
            let urgency = self.tasks[ix].priority.urgency;
            for input in self.tasks[ix].inputs.clone() {
                self.tasks[input].readers += 1;
                if self.tasks[input].state == State::Released {
                    stack.push(input);
                }
                self.urge(input, urgency);
            }
            waiting.push(ix);
        }
        // The deepest first: an input that failed is known as such by now, and whatever is ready is queued.
        for ix in waiting.into_iter().rev() {
            self.await_inputs(ix);
        }
    }

    /// A waiting task whose readers are counted: finds out what it waits for.
    pub(crate) fn await_inputs(&mut self, ix: Ix) {
        if !self.tasks.contains(ix) || self.tasks[ix].state != State::Waiting {
            return;
        }
        if !self.unclaimed_runs.is_empty()
            && let Some((worker, attempt)) = self.unclaimed_runs.remove(&self.tasks[ix].key)
            && self.fleet.get(worker).is_some()
        {
            return self.continue_on(ix, worker, attempt);
        }
        let mut pending = 0;
        let mut failure = None;
        for input in &self.tasks[ix].inputs {
            let input = &self.tasks[*input];
            match input.state {
                State::Memory => {}
                State::Failed => failure = input.failure.clone(),
                _ => pending += 1,
            }
        }
        self.tasks[ix].pending = pending;
        if let Some(failure) = failure {
            self.fail(ix, failure);
        } else if pending == 0 {
            self.enqueue(ix);
        } else {
            self.send_after_inputs(ix);
        }
    }

    /// A task that is not less urgent than `urgency` needs this one.
    fn urge(&mut self, ix: Ix, urgency: i32) {
        if self.tasks[ix].priority.urgency <= urgency {
            return;
        }
        let mut stack: SmallVec<[Ix; 8]> = SmallVec::from_slice(&[ix]);
        while let Some(ix) = stack.pop() {
            let task = &self.tasks[ix];
            if task.priority.urgency <= urgency || task.state == State::Memory {
                continue;
            }
            let priority = Priority { urgency, ..task.priority };
            match task.state {
                State::Ready(_) => {
                    self.dequeue(ix);
                    self.tasks[ix].priority = priority;
                    self.enqueue(ix);
                }
                State::Assigned(_) => {}
                _ => self.tasks[ix].priority = priority,
            }
            stack.extend(self.tasks[ix].inputs.iter().copied());
        }
    }

    /// Lets go of a task, and of what only it needed, if nobody needs it any more.
    pub(crate) fn check_needed(&mut self, ix: Ix) {
        let mut stack: SmallVec<[Ix; 8]> = SmallVec::from_slice(&[ix]);
        while let Some(ix) = stack.pop() {
            if !self.tasks.contains(ix) || self.tasks[ix].is_needed() {
                continue;
            }
            match self.tasks[ix].state {
                State::Waiting => {
                    self.tasks.set_state(ix, State::Released);
                    self.stop_reading(ix, &mut stack);
                }
                State::Ready(_) => {
                    self.dequeue(ix);
                    self.tasks.set_state(ix, State::Released);
                    self.stop_reading(ix, &mut stack);
                }
                State::Assigned(worker) => {
                    let key = self.tasks[ix].key;
                    if std::mem::take(&mut self.tasks[ix].cancelled) {
                        self.tell(worker, ToWorker::Interrupt(key, "it was cancelled".to_owned()));
                    }
                    if !std::mem::replace(&mut self.tasks[ix].recalled, true) {
                        self.tell(worker, ToWorker::Recall(key));
                    }
                    continue; // the worker's answer decides
                }
                State::Memory => self.discard(ix),
                State::Released | State::Failed => {}
            }
            if self.tasks[ix].dependents.is_empty() {
                self.forget(ix, &mut stack);
            }
        }
    }

    /// The inputs lose a reader.
    fn stop_reading(&mut self, ix: Ix, unneeded: &mut SmallVec<[Ix; 8]>) {
        for input in self.tasks[ix].inputs.clone() {
            let task = &mut self.tasks[input];
            task.readers -= 1;
            if task.readers == 0 && task.wanted.is_empty() {
                unneeded.push(input);
            }
        }
    }

    /// The value of a task in memory goes; its recipe stays.
    fn discard(&mut self, ix: Ix) {
        self.tasks.set_state(ix, State::Released);
        let task = &mut self.tasks[ix];
        task.value = None;
        let (key, nbytes, holders) = (task.key, task.nbytes, std::mem::take(&mut task.holders));
        for worker in holders {
            self.not_held(ix, worker, nbytes);
            self.tell(worker, ToWorker::Drop(vec![key]));
        }
    }

    pub(crate) fn not_held(&mut self, ix: Ix, worker: WorkerId, nbytes: u64) {
        if let Some(worker) = self.fleet.get_mut(worker)
            && worker.holds.remove(&ix)
        {
            worker.leaving.remove(&ix);
            worker.held_bytes -= nbytes.min(worker.held_bytes);
        }
    }

    fn forget(&mut self, ix: Ix, stack: &mut SmallVec<[Ix; 8]>) {
        let Some(task) = self.tasks.remove(ix) else { return };
        self.drop_blob_user(task.blob);
        for input in task.inputs {
            let record = &mut self.tasks[input];
            unlink(&mut record.dependents, &ix);
            if record.dependents.is_empty() && !record.is_needed() {
                stack.push(input);
            }
        }
    }

    /// A value is there, on a worker.
    pub(crate) fn add_holder(&mut self, ix: Ix, worker: WorkerId) {
        let nbytes = self.tasks[ix].nbytes;
        if let Some(record) = self.fleet.get_mut(worker)
            && record.holds.insert(ix)
        {
            record.held_bytes += nbytes;
            self.tasks[ix].holders.push(worker);
            self.review_leaving(ix);
        }
    }

    /// A worker says that it holds a value which it was not asked for just now.
    pub(crate) fn claim(&mut self, ix: Ix, worker: WorkerId, nbytes: u64) {
        match self.tasks[ix].state {
            State::Memory => self.add_holder(ix, worker),
            State::Assigned(_) | State::Failed => {
                let key = self.tasks[ix].key;
                self.tell(worker, ToWorker::Drop(vec![key]));
            }
            State::Released | State::Waiting | State::Ready(_) => {
                self.tasks[ix].nbytes = nbytes;
                let mut unneeded = SmallVec::new();
                if let State::Ready(_) = self.tasks[ix].state {
                    self.dequeue(ix);
                }
                if self.tasks[ix].reads() {
                    self.stop_reading(ix, &mut unneeded);
                }
                self.tasks.set_state(ix, State::Memory);
                self.add_holder(ix, worker);
                self.arrived(ix);
                for ix in unneeded {
                    self.check_needed(ix);
                }
            }
        }
    }

    /// A value has come into being: those who wait for it are told.
    fn arrived(&mut self, ix: Ix) {
        for reader in self.tasks[ix].dependents.clone() {
            let task = &mut self.tasks[reader];
            if task.state == State::Waiting {
                task.pending -= 1;
                if task.pending == 0 {
                    self.enqueue(reader);
                }
            }
        }
        if !self.tasks[ix].wanted.is_empty() {
            let message = self.done_message(ix);
            self.announce(ix, &message);
        }
    }

    pub(crate) fn done(
        &mut self,
        worker: WorkerId,
        key: Key,
        attempt: u32,
        nbytes: u64,
        micros: u64,
        value: Option<Bytes>,
    ) {
        let Some(ix) = self.assigned_here(worker, key, attempt) else {
            match self.tasks.find(key) {
                None if self.unclaimed_runs.remove(&key).is_some() => {
                    self.unclaimed.entry(key).or_default().push((worker, nbytes));
                }
                Some(ix) if self.tasks[ix].holders.contains(&worker) => {} // it was told before
                _ => self.tell(worker, ToWorker::Drop(vec![key])),
            }
            return;
        };
        self.unassign(ix, worker);
        self.done_total += 1;
        let group = self.tasks[ix].group as usize;
        if let Some(group) = self.groups.get_mut(group) {
            group.micros = Some(group.micros.map_or(micros, |before| (before + micros) / 2));
            group.done += 1;
            group.spent += micros;
        }
        self.recent.push(Ran { worker, group: group as u32, end: self.now, micros, failed: false });
        self.tasks.set_state(ix, State::Memory);
        let task = &mut self.tasks[ix];
        task.nbytes = nbytes;
        task.value = value;
        task.suspect = false;
        task.deaths = 0;
        task.lacked = 0;
        self.add_holder(ix, worker);
        self.arrived(ix);
        let mut unneeded = SmallVec::new();
        self.stop_reading(ix, &mut unneeded);
        unneeded.push(ix);
        for ix in unneeded {
            self.check_needed(ix);
        }
    }

    /// The task of a key, if this attempt of it is on this worker.
    fn assigned_here(&self, worker: WorkerId, key: Key, attempt: u32) -> Option<Ix> {
        let ix = self.tasks.find(key)?;
        let task = &self.tasks[ix];
        (task.state == State::Assigned(worker) && task.attempt == attempt).then_some(ix)
    }

    pub(crate) fn failed(&mut self, worker: WorkerId, key: Key, attempt: u32, failure: Arc<Failure>) {
        let Some(ix) = self.assigned_here(worker, key, attempt) else {
            self.unclaimed_runs.remove(&key);
            return;
        };
        self.unassign(ix, worker);
        self.pull_back(ix, worker);
        if !self.tasks[ix].is_needed() {
            return self.withdraw(ix);
        }
        if failure.kind == FailureKind::Raised && self.tasks[ix].retries_left > 0 {
            self.tasks[ix].retries_left -= 1;
            self.tasks.set_state(ix, State::Waiting);
            return self.await_inputs(ix);
        }
        self.tasks.set_state(ix, State::Waiting);
        self.fail(ix, failure);
    }

    /// Tasks that were sent to a worker because it was to make their inputs come back: it has let them go by itself.
    fn pull_back(&mut self, ix: Ix, worker: WorkerId) {
        let mut stack: SmallVec<[Ix; 8]> = SmallVec::from_slice(&[ix]);
        let mut pulled: SmallVec<[Ix; 8]> = SmallVec::new();
        while let Some(ix) = stack.pop() {
            for reader in self.tasks[ix].dependents.clone() {
                if self.tasks[reader].state == State::Assigned(worker) {
                    self.unassign(reader, worker);
                    self.tasks.set_state(reader, State::Waiting);
                    self.tasks[reader].pending = u32::MAX; // until all that change have changed
                    stack.push(reader);
                    pulled.push(reader);
                }
            }
        }
        for ix in pulled {
            let pending = self.tasks[ix].inputs.iter().filter(|input| !self.tasks[**input].is_there()).count();
            self.tasks[ix].pending = pending as u32;
            if !self.tasks[ix].is_needed() {
                self.withdraw(ix);
            }
        }
    }

    /// A task that is on no worker any more, and that nobody needs.
    fn withdraw(&mut self, ix: Ix) {
        self.tasks.set_state(ix, State::Waiting);
        self.check_needed(ix);
    }

    /// A task has failed, and so have all that wait for it.
    pub(crate) fn fail(&mut self, ix: Ix, failure: Arc<Failure>) {
        let mut stack: SmallVec<[Ix; 8]> = SmallVec::from_slice(&[ix]);
        let mut unneeded = SmallVec::new();
        while let Some(ix) = stack.pop() {
            match self.tasks[ix].state {
                State::Ready(_) => self.dequeue(ix),
                State::Assigned(worker) => {
                    self.unassign(ix, worker);
                    let key = self.tasks[ix].key;
                    self.tell(worker, ToWorker::Recall(key));
                }
                State::Waiting => {}
                State::Released | State::Memory | State::Failed => continue,
            }
            self.stop_reading(ix, &mut unneeded);
            self.tasks.set_state(ix, State::Failed);
            let task = &mut self.tasks[ix];
            task.failure = Some(Arc::clone(&failure));
            let key = task.key;
            stack.extend(task.dependents.iter().copied());
            unneeded.push(ix);
            self.announce(ix, &ToClient::Failed { key, failure: Arc::clone(&failure) });
        }
        for ix in unneeded {
            self.check_needed(ix);
        }
    }

    /// Data that was put on workers is gone, and cannot be made again.
    fn data_lost(&mut self, ix: Ix) {
        let origin = self.tasks[ix].key;
        let message = "data that was scattered is lost: the worker that held it is gone".to_owned();
        let failure = Arc::new(Failure { kind: FailureKind::Cancelled, origin, message, exception: Bytes::new() });
        self.tasks.set_state(ix, State::Waiting);
        self.fail(ix, failure);
    }

    /// The answer to a recall.
    pub(crate) fn given_back(&mut self, worker: WorkerId, key: Key, attempt: u32, given_back: bool) {
        let Some(ix) = self.assigned_here(worker, key, attempt) else { return };
        self.tasks[ix].recalled = false;
        let for_others = self.fleet.get_mut(worker).is_some_and(|record| record.asked.remove(&ix));
        if for_others {
            self.fleet.relist(worker);
        }
        if !given_back {
            self.tasks[ix].begun = true;
            if !self.tasks[ix].is_needed() {
                self.tasks[ix].recalled = true; // it runs to its end, for nobody
            }
            return;
        }
        self.unassign(ix, worker);
        self.pull_back(ix, worker);
        self.tasks.set_state(ix, State::Waiting);
        if !self.tasks[ix].is_needed() {
            return self.check_needed(ix);
        }
        // It was asked back for somebody who has nothing, not to be sent to where it was.
        let ready = self.tasks[ix].inputs.iter().all(|input| self.tasks[*input].is_there());
        if for_others && ready && self.fleet.idle(0).is_some() {
            self.enqueue_in(ix, Queue::Class(0));
        } else {
            self.await_inputs(ix);
        }
    }

    /// A running task takes no thread of its worker's meanwhile, or takes one again.
    pub(crate) fn seceded(&mut self, worker: WorkerId, key: Key, attempt: u32, seceded: bool) {
        let Some(ix) = self.assigned_here(worker, key, attempt) else { return };
        let expected = u64::from(self.tasks[ix].expected);
        let again = self.expected(ix).min(u64::from(u32::MAX));
        let Some(record) = self.fleet.get_mut(worker) else { return };
        self.tasks[ix].begun = true;
        if seceded && record.seceded.insert(ix) {
            self.tasks[ix].expected = 0;
            record.load -= expected;
            if record.isolates.is_some() {
                // It may wait for tasks that only this worker could run.
                self.fleet.isolate(worker, None);
            }
        } else if !seceded && record.seceded.remove(&ix) {
            record.load += again;
            self.tasks[ix].expected = again as u32;
        }
        self.fleet.relist(worker);
        self.hungry.push(worker);
    }

    /// A worker could not get an input of a task, and gives the task back.
    pub(crate) fn lacking(&mut self, worker: WorkerId, key: Key, attempt: u32, input: Key, from: &[WorkerId]) {
        let mut near = None;
        if let Some(input) = self.tasks.find(input) {
            if from.is_empty() && self.tasks[input].holders.contains(&worker) {
                self.lose_copy(input, worker); // it was told that it has the value itself
            }
            for holder in from {
                if !self.tasks.contains(input) || !self.tasks[input].holders.contains(holder) {
                    continue;
                }
                let (input_key, nbytes) = (self.tasks[input].key, self.tasks[input].nbytes);
                let tries = self.tasks.find(key).map_or(0, |ix| self.tasks[ix].lacked);
                if tries < LACKED_MAX || self.tasks[input].blob == NO_BLOB {
                    // Has it not got it, or can it not be reached from there? It is asked, and the task goes to it.
                    self.tell(*holder, ToWorker::Acquire(input_key, nbytes, Vec::new()));
                    near = Some(*holder);
                } else {
                    // It is made anew where it can be reached.
                    self.lose_copy(input, *holder);
                    self.tell(*holder, ToWorker::Drop(vec![input_key]));
                }
            }
        }
        let Some(ix) = self.assigned_here(worker, key, attempt) else { return };
        self.unassign(ix, worker);
        self.tasks.set_state(ix, State::Waiting);
        self.tasks[ix].lacked = self.tasks[ix].lacked.saturating_add(1);
        let ready = self.tasks[ix].inputs.iter().all(|input| self.tasks[*input].is_there());
        let (class, suspect) = (self.tasks[ix].class, self.tasks[ix].suspect);
        if let Some(holder) = near
            && ready
            && self.tasks[ix].is_needed()
            && class == 0
            && !suspect
            && self.fleet.get(holder).is_some_and(crate::fleet::Worker::takes_tasks)
        {
            return self.enqueue_in(ix, Queue::Near(holder));
        }
        if self.tasks[ix].is_needed() { self.await_inputs(ix) } else { self.check_needed(ix) }
    }

    /// Nobody is to make these, nor what needs them: for the sake of one client, or at all.
    pub(crate) fn cancel(&mut self, client: ClientId, keys: &[Key], force: bool, reason: &str) {
        let mut found: Vec<Ix> = keys.iter().filter_map(|key| self.tasks.find(*key)).collect();
        let mut seen: crate::ids::Set<Ix> = found.iter().copied().collect();
        let mut at = 0;
        while let Some(ix) = found.get(at).copied() {
            at += 1;
            found.extend(self.tasks[ix].dependents.iter().copied().filter(|reader| seen.insert(*reader)));
        }
        for ix in &found {
            let key = self.tasks[*ix].key;
            let losers = if force {
                self.tasks[*ix].wanted.clone()
            } else {
                self.tasks[*ix].wanted.iter().copied().filter(|other| *other == client).collect()
            };
            let origin = if keys.contains(&key) { key } else { keys.first().copied().unwrap_or(key) };
            for loser in losers {
                self.unwant(*ix, loser);
                let message = if loser == client {
                    format!("cancelled by this client: {reason}")
                } else {
                    format!("cancelled by another client: {reason}")
                };
                let failure = Failure { kind: FailureKind::Cancelled, origin, message, exception: Bytes::new() };
                self.answer(loser, ToClient::Failed { key, failure: Arc::new(failure) });
            }
        }
        for ix in found.into_iter().rev() {
            if self.tasks.contains(ix) {
                // What runs may still be read by a dependent that is on its way back.
                self.tasks[ix].cancelled = true;
                self.check_needed(ix);
            }
        }
    }

    /// Failed tasks run again, with the failed ones that they need.
    pub(crate) fn retry(&mut self, keys: &[Key]) {
        let mut failed: Vec<Ix> = keys.iter().filter_map(|key| self.tasks.find(*key)).collect();
        failed.retain(|ix| self.tasks[*ix].state == State::Failed);
        let mut seen: crate::ids::Set<Ix> = failed.iter().copied().collect();
        let mut at = 0;
        while let Some(ix) = failed.get(at).copied() {
            at += 1;
            for input in &self.tasks[ix].inputs {
                if self.tasks[*input].state == State::Failed && seen.insert(*input) {
                    failed.push(*input);
                }
            }
        }
        for ix in &failed {
            self.tasks.set_state(*ix, State::Released);
            let task = &mut self.tasks[*ix];
            task.failure = None;
            task.deaths = 0;
            task.retries_left = task.rules.as_ref().map_or(0, |rules| rules.retries.min(u32::from(u16::MAX)) as u16);
            let key = task.key;
            self.announce(*ix, &ToClient::Pending(key));
        }
        for ix in failed {
            if self.tasks.contains(ix) && self.tasks[ix].state == State::Released && self.tasks[ix].is_needed() {
                self.need(ix);
            }
        }
    }

    /// A worker that was there before runs a task already.
    pub(crate) fn continue_on(&mut self, ix: Ix, worker: WorkerId, attempt: u32) {
        if let State::Ready(_) = self.tasks[ix].state {
            self.dequeue(ix);
        }
        self.tasks[ix].attempt = attempt;
        self.count_to(ix, worker);
        self.tasks[ix].begun = true;
    }

    pub(crate) fn dequeue(&mut self, ix: Ix) {
        let (priority, expected) = (self.tasks[ix].priority, self.tasks[ix].expected);
        let State::Ready(queue) = self.tasks[ix].state else { return };
        match queue {
            Queue::Class(class) => {
                self.classes[class as usize].queue.remove(&(priority, ix));
            }
            Queue::Suspects => {
                let class = self.tasks[ix].class;
                if let Some(queue) = self.suspects.get_mut(&class) {
                    queue.remove(&(priority, ix));
                    if queue.is_empty() {
                        self.suspects.remove(&class);
                    }
                }
            }
            Queue::Near(worker) => {
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.near.remove(&(priority, ix));
                    self.backlog_changes(worker, -i64::from(expected));
                }
            }
        }
        self.tasks.set_state(ix, State::Waiting);
    }

    pub(crate) fn enqueue(&mut self, ix: Ix) {
        self.enqueue_in(ix, self.queue_of(ix));
    }

    fn enqueue_in(&mut self, ix: Ix, queue: Queue) {
        let expected = self.expected(ix).min(u64::from(u32::MAX)) as u32;
        self.tasks.set_state(ix, State::Ready(queue));
        let task = &mut self.tasks[ix];
        task.expected = expected;
        let entry = (task.priority, ix);
        match queue {
            Queue::Class(class) => {
                let record = &mut self.classes[class as usize];
                record.queue.insert(entry);
                if class != 0 && !std::mem::replace(&mut record.stirred, true) {
                    self.stirred.push(class);
                }
            }
            Queue::Suspects => {
                let class = task.class;
                self.suspects.entry(class).or_default().insert(entry);
            }
            Queue::Near(worker) => {
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.near.insert(entry);
                    self.backlog_changes(worker, i64::from(expected));
                    self.hungry.push(worker);
                }
            }
        }
    }

    fn backlog_changes(&mut self, id: WorkerId, by: i64) {
        let Some(worker) = self.fleet.get_mut(id) else { return };
        let before = worker.near_load;
        worker.near_load = before.saturating_add_signed(by);
        if worker.near.is_empty() {
            worker.near_load = 0;
        }
        let (after, any) = (worker.near_load, !worker.near.is_empty());
        self.backlogs.remove(&(before, id));
        if any {
            self.backlogs.insert((after, id));
        }
    }
}
