//! Which worker runs what.
//!
//! A task that could run lies in one queue: that of the worker which holds most of what it reads, or that of its class
//! of restrictions. A worker is sent work for some milliseconds ahead, the best first of its own queue and those of the
//! classes it may run; one that would have nothing takes from the fullest queue of another, and then asks back what
//! another was sent and has not begun. A task whose inputs are all being made by one worker is sent there at once.

use smallvec::SmallVec;

use crate::message::{Assignment, Rules, Source, ToWorker};
use crate::records::{Ix, NO_BLOB, State};
use crate::scheduler::Scheduler;
use crate::{Priority, WorkerId};

/// Bytes that a connection between workers moves in a microsecond, as a first and only guess.
const BANDWIDTH: u64 = 500;
/// Inputs smaller than this may be anywhere.
const FEW_BYTES: u64 = 16 << 10;
/// What asking a task back costs, at the least. Microseconds.
const RECALL_COST: u64 = 1_000;
/// Most inputs that are looked at to find out whether a task may be sent ahead of them.
const AHEAD_INPUTS_MAX: usize = 64;

impl Scheduler {
    /// The worker that holds most of what a task reads, if it is worth going there.
    pub(crate) fn nearest(&self, ix: Ix) -> Option<WorkerId> {
        let inputs = &self.tasks[ix].inputs;
        let mut bytes: SmallVec<[(WorkerId, u64); 4]> = SmallVec::new();
        for input in inputs {
            let input = &self.tasks[*input];
            if input.value.is_some() || input.nbytes < FEW_BYTES {
                continue;
            }
            for holder in &input.holders {
                match bytes.iter_mut().find(|(worker, _)| worker == holder) {
                    Some((_, sum)) => *sum += input.nbytes,
                    None => bytes.push((*holder, input.nbytes)),
                }
            }
        }
        bytes.retain(|(worker, _)| self.fleet.get(*worker).is_some_and(crate::fleet::Worker::takes_tasks));
        let wait = |id: WorkerId| self.fleet.get(id).map_or(0, |worker| worker.wait() + worker.near_load);
        bytes.into_iter().min_by_key(|(worker, sum)| (u64::MAX - sum, wait(*worker), *worker)).map(|(worker, _)| worker)
    }

    /// Sends out what can be sent out.
    pub(crate) fn settle(&mut self) {
        while let Some(worker) = self.hungry.pop() {
            self.feed(worker);
        }
        self.isolate_suspects();
        while !self.classes[0].queue.is_empty() {
            let Some(worker) = self.fleet.open().next() else { break };
            let Some((_, ix)) = self.classes[0].queue.first().copied() else { break };
            self.dequeue(ix);
            self.put_on(ix, worker);
        }
        for class in 1..self.classes.len() {
            self.place_restricted(class);
        }
        self.overtake();
        self.share_backlogs();
        self.continue_retiring();
        while let Some(worker) = self.hungry.pop() {
            self.feed(worker);
        }
    }

    /// Gives a worker the best of what it may run until it has enough.
    fn feed(&mut self, worker: WorkerId) {
        while self.fleet.is_open(worker) {
            let Some(record) = self.fleet.get(worker) else { return };
            let near = record.near.first().copied();
            let any = self.classes[0].queue.first().copied();
            let best = [near, any].into_iter().flatten().min();
            let Some((_, ix)) = best else { return };
            self.dequeue(ix);
            self.put_on(ix, worker);
        }
    }

    /// Tasks with restrictions go to the least loaded worker that may run them now.
    fn place_restricted(&mut self, class: usize) {
        while let Some((_, ix)) = self.classes[class].queue.first().copied() {
            let resources = &self.classes[class].rules.resources;
            let number = class as u32;
            let able = self.fleet.open().find(|id| {
                self.fleet
                    .get(*id)
                    .is_some_and(|worker| worker.classes.contains(&number) && worker.has_resources(resources))
            });
            let Some(worker) = able else { return };
            self.dequeue(ix);
            self.put_on(ix, worker);
        }
    }

    /// A task that is more urgent than what workers have at hand goes to one of them although it has enough.
    fn overtake(&mut self) {
        /// Workers looked at for each task.
        const LOOKED_AT: usize = 64;
        while let Some((priority, ix)) = self.classes[0].queue.first().copied() {
            let looked_at = self.fleet.iter().take(LOOKED_AT);
            let able = looked_at
                .filter(|(_, worker)| {
                    worker.urgencies.last_key_value().is_some_and(|(most, _)| *most > priority.urgency)
                        && worker.is_open_to(priority.urgency)
                })
                .min_by_key(|(id, worker)| (worker.load, *id))
                .map(|(id, _)| id);
            let Some(worker) = able else { return };
            self.dequeue(ix);
            self.put_on(ix, worker);
        }
    }

    /// Idle workers take from the fullest queues of others, and ask back what others were sent and have not begun.
    fn share_backlogs(&mut self) {
        loop {
            let Some(idle) = self.fleet.open().next() else { return };
            let Some(record) = self.fleet.get(idle) else { return };
            if !record.assigned.is_empty() {
                return;
            }
            let Some((_, victim)) = self.backlogs.last().copied() else { break };
            let Some(from) = self.fleet.get(victim) else { return };
            // The last in the order: the victim comes to it latest.
            let Some((_, ix)) = from.near.last().copied() else { return };
            let wait = from.wait() + from.near_load / u64::from(from.info.nthreads.max(1));
            let gains = wait > self.moving_micros(ix, idle) || !from.takes_tasks();
            if victim == idle || !gains {
                break;
            }
            self.dequeue(ix);
            self.put_on(ix, idle);
        }
        self.ask_back();
    }

    /// What it takes to bring a task's inputs to a worker. Microseconds.
    fn moving_micros(&self, ix: Ix, worker: WorkerId) -> u64 {
        let moved = self.tasks[ix].inputs.iter().map(|input| &self.tasks[*input]);
        let moved = moved.filter(|input| !input.holders.contains(&worker)).map(|input| input.nbytes);
        moved.sum::<u64>() / BANDWIDTH
    }

    /// If a worker has nothing, the one with most at hand gives back half of what it has not begun.
    fn ask_back(&mut self) {
        let idle = self.fleet.open().next().and_then(|id| self.fleet.get(id));
        if !idle.is_some_and(|worker| worker.assigned.is_empty()) {
            return;
        }
        /// Workers looked at: enough to find a busy one, few enough for thousands of them.
        const LOOKED_AT: usize = 64;
        let busiest = self
            .fleet
            .iter()
            .take(LOOKED_AT)
            .filter(|(_, worker)| worker.assigned.len() > worker.info.nthreads as usize && worker.isolates.is_none())
            .max_by_key(|(id, worker)| (worker.wait(), *id))
            .map(|(id, worker)| (id, worker.wait(), worker.info.nthreads as usize));
        let Some((victim, wait, threads)) = busiest else { return };
        if wait < RECALL_COST {
            return;
        }
        let Some(worker) = self.fleet.get(victim) else { return };
        let any_recalled = worker.assigned.iter().any(|ix| self.tasks[*ix].recalled);
        if any_recalled {
            return; // wait for those first
        }
        let mut later: Vec<(Priority, Ix)> = worker.assigned.iter().map(|ix| (self.tasks[*ix].priority, *ix)).collect();
        later.sort_unstable();
        let count = (later.len() - threads).div_ceil(2);
        for (_, ix) in later.into_iter().rev().take(count) {
            let task = &self.tasks[ix];
            let is_read_there =
                task.dependents.iter().any(|reader| self.tasks[*reader].state == State::Assigned(victim));
            let waits_there = !task.inputs.iter().all(|input| self.tasks[*input].is_there());
            if task.class != 0 || is_read_there || waits_there || task.is_pinned() {
                continue;
            }
            self.tasks[ix].recalled = true;
            let key = self.tasks[ix].key;
            self.tell(victim, ToWorker::Recall(key));
        }
    }

    /// Suspects run alone: a worker is emptied, and then gets one.
    fn isolate_suspects(&mut self) {
        while let Some((_, ix)) = self.suspects.first().copied() {
            let class = self.tasks[ix].class;
            let resources = &self.classes[class as usize].rules.resources;
            let able = |id: WorkerId| {
                self.fleet.get(id).is_some_and(|worker| {
                    worker.takes_tasks()
                        && worker.assigned.is_empty()
                        && (class == 0 || worker.classes.contains(&class) && worker.has_resources(resources))
                })
            };
            let empty = self.fleet.iter().map(|(id, _)| id).filter(|id| able(*id)).min();
            if let Some(worker) = empty {
                self.dequeue(ix);
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.isolates = Some(ix);
                }
                self.put_on(ix, worker);
                continue;
            }
            // Nobody is empty: one at least is emptied.
            let any_emptied = self.fleet.iter().any(|(_, worker)| worker.isolates.is_some());
            let least = self
                .fleet
                .iter()
                .filter(|(_, worker)| worker.takes_tasks() && (class == 0 || worker.classes.contains(&class)))
                .min_by_key(|(id, worker)| (worker.load, *id))
                .map(|(id, _)| id);
            if let (false, Some(worker)) = (any_emptied, least) {
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.isolates = Some(ix);
                }
                self.fleet.relist(worker);
            }
            return;
        }
        // Workers that were emptied for a suspect which is not there any more.
        if self.suspects.is_empty() {
            let freed: Vec<WorkerId> = self
                .fleet
                .iter()
                .filter(|(_, worker)| worker.isolates.is_some_and(|ix| !worker.assigned.contains(&ix)))
                .map(|(id, _)| id)
                .collect();
            for id in freed {
                if let Some(worker) = self.fleet.get_mut(id) {
                    worker.isolates = None;
                }
                self.fleet.relist(id);
                self.hungry.push(id);
            }
        }
    }

    /// Sends a task to a worker.
    pub(crate) fn send(&mut self, ix: Ix, worker: WorkerId) {
        let blob = self.tasks[ix].blob;
        let Some(record) = self.fleet.get_mut(worker) else { return };
        if blob != NO_BLOB && record.blobs.insert(blob) {
            let (id, bytes) = (self.blobs[blob as usize].id, self.blobs[blob as usize].bytes.clone());
            self.tell(worker, ToWorker::Blob(id, bytes));
        }
        let mut inputs = Vec::with_capacity(self.tasks[ix].inputs.len());
        for input in self.tasks[ix].inputs.clone() {
            let task = &self.tasks[input];
            let here = task.holders.contains(&worker) || task.state == State::Assigned(worker);
            let source = match &task.value {
                _ if here => Source::Here,
                Some(value) => Source::Value(value.clone()),
                None => Source::Peers(task.holders.to_vec()),
            };
            inputs.push((task.key, task.nbytes, source));
        }
        for (_, _, source) in &inputs {
            if let Source::Peers(peers) = source {
                self.introduce(worker, peers);
            }
        }
        let task = &self.tasks[ix];
        let assignment = Assignment {
            key: task.key,
            attempt: task.attempt,
            priority: task.priority,
            blob: self.blobs[blob as usize].id,
            index: task.index,
            args: task.args.clone(),
            inputs,
            nbytes: task.nbytes,
            timeout: task.rules.as_ref().map_or(0, |rules| rules.timeout),
            actor: task.rules.as_ref().is_some_and(|rules| rules.actor),
        };
        self.tell(worker, ToWorker::Run(assignment));
    }

    /// Tells a worker where others are found, once.
    pub(crate) fn introduce(&mut self, worker: WorkerId, peers: &[WorkerId]) {
        for peer in peers {
            let Some(address) = self.fleet.get(*peer).map(|peer| peer.info.address.clone()) else { continue };
            let Some(record) = self.fleet.get_mut(worker) else { return };
            if record.peers.insert(*peer) {
                self.tell(worker, ToWorker::Peer(*peer, address));
            }
        }
    }

    /// Counts a waiting task to a worker and sends it there, with those that only wait for what this worker makes.
    pub(crate) fn put_on(&mut self, ix: Ix, worker: WorkerId) {
        let mut stack: SmallVec<[Ix; 4]> = SmallVec::from_slice(&[ix]);
        while let Some(ix) = stack.pop() {
            self.tasks[ix].attempt = self.tasks[ix].attempt.wrapping_add(1);
            self.count_to(ix, worker);
            self.send(ix, worker);
            if !self.fleet.is_open(worker) || self.tasks[ix].suspect {
                continue;
            }
            for at in 0..self.tasks[ix].dependents.len() {
                let reader = self.tasks[ix].dependents[at];
                if self.fleet.is_open(worker) && !stack.contains(&reader) && self.goes_ahead(reader) == Some(worker) {
                    stack.push(reader);
                }
            }
        }
    }

    fn count_to(&mut self, ix: Ix, worker: WorkerId) {
        let expected = self.expected(ix).min(u64::from(u32::MAX)) as u32;
        let task = &mut self.tasks[ix];
        task.state = State::Assigned(worker);
        task.expected = expected;
        task.recalled = false;
        let (urgency, class) = (task.priority.urgency, task.class);
        if let Some(record) = self.fleet.get_mut(worker) {
            record.assigned.insert(ix);
            record.load += u64::from(expected);
            *record.urgencies.entry(urgency).or_insert(0) += 1;
            let rules: &Rules = &self.classes[class as usize].rules;
            record.change_resources(&rules.resources, -1.0);
        }
        self.fleet.relist(worker);
    }

    /// Takes a task off a worker's account. Its state is the caller's business.
    pub(crate) fn unassign(&mut self, ix: Ix, worker: WorkerId) {
        let task = &mut self.tasks[ix];
        task.recalled = false;
        let (expected, urgency, class) = (u64::from(task.expected), task.priority.urgency, task.class);
        if let Some(record) = self.fleet.get_mut(worker)
            && record.assigned.remove(&ix)
        {
            record.load -= expected;
            record.seceded.remove(&ix);
            if let Some(count) = record.urgencies.get_mut(&urgency) {
                *count -= 1;
                if *count == 0 {
                    record.urgencies.remove(&urgency);
                }
            }
            record.change_resources(&self.classes[class as usize].rules.resources, 1.0);
            if record.isolates == Some(ix) {
                record.isolates = None;
            }
        }
        self.fleet.relist(worker);
        self.hungry.push(worker);
    }

    /// The worker that a waiting task may be sent to before its inputs are there: the one that makes all that are
    /// missing.
    fn goes_ahead(&self, ix: Ix) -> Option<WorkerId> {
        let task = &self.tasks[ix];
        if task.state != State::Waiting || task.class != 0 || task.suspect || task.inputs.len() > AHEAD_INPUTS_MAX {
            return None;
        }
        if task.rules.as_ref().is_some_and(|rules| !rules.workers.is_empty()) {
            return None;
        }
        let mut found = None;
        for input in &task.inputs {
            let input = &self.tasks[*input];
            match input.state {
                State::Memory => {}
                State::Assigned(worker) if !input.recalled && !input.suspect => {
                    if found.is_some_and(|other| other != worker) {
                        return None;
                    }
                    found = Some(worker);
                }
                _ => return None,
            }
        }
        found
    }

    /// Sends a task that has just begun to wait ahead of its inputs, if that may be.
    pub(crate) fn send_after_inputs(&mut self, ix: Ix) {
        if let Some(worker) = self.goes_ahead(ix)
            && self.fleet.is_open(worker)
        {
            self.put_on(ix, worker);
        }
    }

    /// What lies in the queue of a worker that will not take it is queued anew.
    pub(crate) fn requeue_near(&mut self, worker: WorkerId) {
        let near: Vec<Ix> =
            self.fleet.get(worker).map(|record| record.near.iter().map(|(_, ix)| *ix).collect()).unwrap_or_default();
        for ix in near {
            self.dequeue(ix);
            self.enqueue(ix);
        }
    }
}

impl crate::records::Record {
    /// Whether it may only run where it is.
    pub(crate) fn is_pinned(&self) -> bool {
        self.rules
            .as_ref()
            .is_some_and(|rules| rules.actor || (!rules.workers.is_empty() && !rules.allow_other_workers))
    }
}
