//! Which worker runs what.
//!
//! A task that could run lies in one queue: that of the worker which holds most of what it reads, or that of its class
//! of restrictions. A worker is sent work for some milliseconds ahead, the best first of its own queue and those of the
//! classes it may run; one that would have nothing takes from the fullest queue of another, and then asks back what
//! another was sent and has not begun. A task whose inputs are all being made by one worker is sent there at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
/// Most inputs that are looked at to find out where a task may go, and most tasks to find out which to ask back.
const INPUTS_LOOKED_AT: usize = 64;

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
        if self.now < self.held_until {
            return;
        }
        self.isolate_suspects();
        self.serve();
        self.share_backlogs();
        self.ask_back();
        self.continue_retiring();
    }

    /// Tasks go to workers that take more: each worker's own to it, those that any of several may run to the least
    /// loaded of these, the best first.
    fn serve(&mut self) {
        let mut later: SmallVec<[WorkerId; 8]> = SmallVec::new();
        while let Some(worker) = self.hungry.pop() {
            if let Some(record) = self.fleet.get(worker).filter(|record| record.takes_tasks()) {
                for able in &record.able {
                    let class = &mut self.classes[able.class as usize];
                    if !class.queue.is_empty() && !std::mem::replace(&mut class.stirred, true) {
                        self.stirred.push(able.class);
                    }
                }
            }
            if self.feed(worker, true) {
                later.push(worker);
            }
        }
        let stirred = std::mem::take(&mut self.stirred);
        let mut firsts: BinaryHeap<Reverse<(Priority, u32)>> = BinaryHeap::new();
        for class in &stirred {
            self.classes[*class as usize].stirred = false;
            firsts.extend(self.first_of(*class));
        }
        if firsts.is_empty() {
            while self.fleet.is_any_open(0) && self.place_first(0) {}
        } else {
            firsts.extend(self.first_of(0));
            while let Some(Reverse((_, class))) = firsts.pop() {
                if self.place_first(class) {
                    firsts.extend(self.first_of(class));
                }
            }
        }
        for worker in later {
            self.feed(worker, false);
        }
        self.overtake(0);
        for class in stirred {
            self.overtake(class);
        }
    }

    fn first_of(&self, class: u32) -> Option<Reverse<(Priority, u32)>> {
        self.classes[class as usize].queue.first().map(|(priority, _)| Reverse((*priority, class)))
    }

    /// The first task of a class goes to the least loaded worker that takes it, if one does.
    fn place_first(&mut self, class: u32) -> bool {
        let Some((_, ix)) = self.classes[class as usize].queue.first().copied() else { return false };
        let Some(worker) = self.fleet.open(class).next() else { return false };
        self.dequeue(ix);
        self.put_on(ix, worker);
        true
    }

    /// Gives a worker the best of its own queue until it has enough; if `politely`, only until something in a queue
    /// that it shares with others is better, which is the answer.
    fn feed(&mut self, worker: WorkerId, politely: bool) -> bool {
        loop {
            let Some(record) = self.fleet.get(worker) else { return false };
            let Some(near) = record.near.first().copied() else { return false };
            let urgency = near.0.urgency;
            if !self.fleet.is_open(worker) && !(record.is_open_to(urgency) && record.has_less_urgent(urgency)) {
                return false;
            }
            let shared = record.able.iter().filter(|able| able.is_open()).map(|able| able.class).chain([0]);
            let shared = shared.filter_map(|class| self.classes[class as usize].queue.first()).min();
            if politely && shared.is_some_and(|shared| *shared < near) {
                return true;
            }
            self.dequeue(near.1);
            self.put_on(near.1, worker);
        }
    }

    /// Tasks that are more urgent than what workers have at hand go to some of them although they have enough.
    fn overtake(&mut self, class: u32) {
        while let Some((priority, ix)) = self.classes[class as usize].queue.first().copied() {
            if !self.fleet.has_less_urgent(priority.urgency) {
                return;
            }
            let Some(worker) = self.fleet.overtaken_by((class, priority.urgency)) else { return };
            self.dequeue(ix);
            self.put_on(ix, worker);
        }
    }

    /// Idle workers take from the fullest queues of others.
    fn share_backlogs(&mut self) {
        while let Some(idle) = self.fleet.idle(0) {
            let Some((_, victim)) = self.backlogs.last().copied() else { return };
            let Some(from) = self.fleet.get(victim) else { return };
            // The last in the order: the victim comes to it latest.
            let Some((_, ix)) = from.near.last().copied() else { return };
            let wait = from.wait() + from.near_load / u64::from(from.info.nthreads.max(1));
            let gains = wait > self.moving_micros(ix, idle) || !from.takes_tasks();
            if victim == idle || !gains {
                return;
            }
            self.dequeue(ix);
            self.put_on(ix, idle);
        }
    }

    /// What it takes to bring a task's inputs to a worker. Microseconds.
    fn moving_micros(&self, ix: Ix, worker: WorkerId) -> u64 {
        let inputs = &self.tasks[ix].inputs;
        let looked_at = inputs.len().min(INPUTS_LOOKED_AT);
        let moved = inputs.iter().take(looked_at).map(|input| &self.tasks[*input]);
        let moved = moved.filter(|input| !input.holders.contains(&worker)).map(|input| input.nbytes);
        let bytes = moved.fold(0u64, u64::saturating_add) / looked_at.max(1) as u64;
        bytes.saturating_mul(inputs.len() as u64) / BANDWIDTH
    }

    /// If a worker has nothing, those with most at hand give back half of what they have not begun.
    fn ask_back(&mut self) {
        /// Workers asked at once: their answers are the occasion to ask more.
        const ASKED: usize = 4;
        for _ in 0..ASKED {
            let Some(idle) = self.fleet.idle(0) else { return };
            let Some((wait, victim)) = self.fleet.busiest() else { return };
            let Some(worker) = self.fleet.get(victim).filter(|_| wait >= RECALL_COST) else { return };
            let count = (worker.active() - worker.info.nthreads as usize).div_ceil(2);
            let last = worker.assigned.iter().rev().map(|(_, ix)| *ix).take(count.max(INPUTS_LOOKED_AT));
            let asked: Vec<Ix> = last
                .filter(|ix| self.may_go_back(*ix, victim) && self.moving_micros(*ix, idle) < wait)
                .take(count)
                .collect();
            for ix in &asked {
                self.tasks[*ix].recalled = true;
                let key = self.tasks[*ix].key;
                self.tell(victim, ToWorker::Recall(key));
            }
            if let Some(worker) = self.fleet.get_mut(victim) {
                worker.spent = asked.is_empty();
                worker.asked.extend(asked);
            }
            self.fleet.relist(victim);
        }
    }

    /// Whether another could run what a worker has at hand, as far as one knows without asking.
    fn may_go_back(&self, ix: Ix, worker: WorkerId) -> bool {
        let task = &self.tasks[ix];
        let is_read_there = task.dependents.len() > INPUTS_LOOKED_AT
            || task.dependents.iter().any(|reader| self.tasks[*reader].state == State::Assigned(worker));
        let waits_there =
            || task.inputs.iter().take(INPUTS_LOOKED_AT).any(|input| self.tasks[*input].state != State::Memory);
        task.class == 0 && !task.recalled && !task.begun && !is_read_there && !task.is_pinned() && !waits_there()
    }

    /// Suspects run alone: a worker is emptied, and then gets one.
    fn isolate_suspects(&mut self) {
        // Workers that are emptied in vain: they take no tasks any more, or the suspect is done with.
        for id in self.fleet.isolating.iter().copied().collect::<SmallVec<[WorkerId; 4]>>() {
            let Some(worker) = self.fleet.get(id) else { continue };
            let runs_it = worker.isolates.is_some_and(|ix| self.tasks.contains(ix) && self.is_on(ix, id));
            if !runs_it && (self.suspects.is_empty() || !worker.takes_tasks()) {
                self.fleet.isolate(id, None);
                self.hungry.push(id);
            }
        }
        for class in self.suspects.keys().copied().collect::<SmallVec<[u32; 4]>>() {
            while let Some((_, ix)) = self.suspects.get(&class).and_then(|queue| queue.first()).copied() {
                let is_emptied = |id: &WorkerId| self.is_empty_for(*id, class);
                let idle = self.fleet.idle(class).filter(is_emptied);
                let emptied = || self.fleet.isolating.iter().copied().find(is_emptied);
                if let Some(worker) = idle.or_else(emptied) {
                    self.dequeue(ix);
                    self.fleet.isolate(worker, Some(ix));
                    self.put_on(ix, worker);
                    continue;
                }
                // Nobody is empty: one at least is emptied.
                let able = |id: &WorkerId| self.fleet.get(*id).is_some_and(|worker| worker.is_able(class));
                if !self.fleet.isolating.iter().any(able) {
                    let takers = self.fleet.iter().filter(|(_, worker)| worker.takes_tasks() && worker.is_able(class));
                    let least = takers.min_by_key(|(id, worker)| (worker.load, *id)).map(|(id, _)| id);
                    let chosen = self.fleet.open(class).next().or(least);
                    if let Some(worker) = chosen {
                        self.fleet.isolate(worker, Some(ix));
                    }
                }
                break;
            }
        }
    }

    fn is_on(&self, ix: Ix, worker: WorkerId) -> bool {
        self.tasks[ix].state == State::Assigned(worker)
    }

    /// Whether a worker could run a suspect of a class alone, now.
    fn is_empty_for(&self, id: WorkerId, class: u32) -> bool {
        let resources = &self.classes[class as usize].rules.resources;
        self.fleet.get(id).is_some_and(|worker| {
            worker.takes_tasks() && worker.active() == 0 && worker.is_able(class) && worker.has_resources(resources)
        })
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
            // With more dependents than that, others will want the value too.
            if self.tasks[ix].dependents.len() > INPUTS_LOOKED_AT {
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

    pub(crate) fn count_to(&mut self, ix: Ix, worker: WorkerId) {
        let expected = self.expected(ix).min(u64::from(u32::MAX)) as u32;
        self.tasks.set_state(ix, State::Assigned(worker));
        let task = &mut self.tasks[ix];
        task.expected = expected;
        task.begun = false;
        task.recalled = false;
        let (priority, class) = (task.priority, task.class);
        let urgency = priority.urgency;
        self.fleet.count_urgency(urgency, 1);
        if let Some(record) = self.fleet.get_mut(worker) {
            record.spent = false;
            record.assigned.insert((priority, ix));
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
        let (expected, priority, class) = (u64::from(task.expected), task.priority, task.class);
        let urgency = priority.urgency;
        if let Some(record) = self.fleet.get_mut(worker)
            && record.assigned.remove(&(priority, ix))
        {
            record.asked.remove(&ix);
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
                self.fleet.isolate(worker, None);
            }
            self.fleet.count_urgency(urgency, -1);
        }
        self.fleet.relist(worker);
        self.hungry.push(worker);
    }

    /// The worker that a waiting task may be sent to before its inputs are there: the one that makes all that are
    /// missing.
    fn goes_ahead(&self, ix: Ix) -> Option<WorkerId> {
        let task = &self.tasks[ix];
        if task.state != State::Waiting || task.class != 0 || task.suspect || task.inputs.len() > INPUTS_LOOKED_AT {
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
        if self.now >= self.held_until
            && let Some(worker) = self.goes_ahead(ix)
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
