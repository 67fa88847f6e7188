//! What is lost, and how it comes back: workers that die or leave, values that are gone, tasks that nobody may run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::Bytes;

use crate::fleet::Duty;
use crate::message::{Failure, FailureKind, ToClient, ToWorker};
use crate::records::{Ix, State, unlink};
use crate::scheduler::{Action, Scheduler, may_run};
use crate::{Key, WorkerId};

impl Scheduler {
    /// A worker cannot be reached: it gets nothing more. It is gone, or comes back under another number.
    pub fn worker_unreachable(&mut self, id: WorkerId) {
        let Some(worker) = self.fleet.get_mut(id) else { return };
        worker.duty = Duty::Retiring;
        self.fleet.relist(id);
    }

    /// A worker is gone. `cause` says how, for people; `clean` if it left of its own accord, for which nobody is to
    /// blame.
    pub fn worker_left(&mut self, id: WorkerId, clean: bool, cause: &str) {
        let Some(worker) = self.fleet.remove(id) else { return };
        self.move_again(|_| true);
        self.backlogs.retain(|(_, other)| *other != id);
        for (_, ix) in &worker.near {
            self.dequeue(*ix);
            self.enqueue(*ix);
        }
        self.unclaimed_runs.retain(|_, (other, _)| *other != id);
        let alone = worker.assigned.len() == 1;
        let mut assigned: Vec<Ix> = worker.assigned.iter().map(|(_, ix)| *ix).collect();
        assigned.sort_unstable();
        let mut held: Vec<Ix> = worker.holds.iter().copied().collect();
        held.sort_unstable();

        // Nobody reads from it any more, and nothing is sent ahead to it.
        let mut killers = Vec::new();
        let allowed = self.config.allowed_failures;
        for ix in &assigned {
            self.tasks.set_state(*ix, State::Waiting);
            let task = &mut self.tasks[*ix];
            task.pending = u32::MAX; // until all that is lost is known
            task.recalled = false;
            if !clean {
                // With company it may have been any of them; alone it was this one. Who was there twice is suspect.
                let deaths = task.deaths.saturating_add(1);
                task.deaths = if alone { deaths } else { deaths.min(allowed) };
                task.suspect = task.deaths >= allowed.min(2);
                if alone && task.deaths > allowed {
                    killers.push(*ix);
                }
            }
        }
        let mut lost = Vec::new();
        for ix in held {
            unlink(&mut self.tasks[ix].holders, &id);
            if self.tasks[ix].holders.is_empty() && self.tasks[ix].value.is_none() {
                lost.push(ix);
            } else {
                self.review_leaving(ix);
            }
        }
        self.values_lost(&lost);
        for ix in killers {
            let task = &self.tasks[ix];
            let group = self.groups.get(task.group as usize).map_or("task", |group| &group.name);
            let message = format!(
                "{group}-{} was running on {} workers when they died; the last: {cause}",
                task.key, task.deaths
            );
            let failure =
                Failure { kind: FailureKind::KilledWorker, origin: task.key, message, exception: Bytes::new() };
            self.fail(ix, Arc::new(failure));
        }
        for ix in assigned {
            if !self.tasks.contains(ix) || self.tasks[ix].state != State::Waiting || self.tasks[ix].pending != u32::MAX
            {
                continue;
            }
            if self.tasks[ix].is_needed() { self.await_inputs(ix) } else { self.check_needed(ix) }
        }
        for (other, record) in
            self.fleet.iter().map(|(other, record)| (other, record.peers.contains(&id))).collect::<Vec<_>>()
        {
            if record {
                self.tell(other, ToWorker::PeerGone(id));
            }
        }
    }

    /// Values that nobody holds any more. Those that are needed are made again.
    fn values_lost(&mut self, lost: &[Ix]) {
        for ix in lost {
            self.tasks.set_state(*ix, State::Released);
            let task = &mut self.tasks[*ix];
            task.value = None;
            let key = task.key;
            self.announce(*ix, &ToClient::Lost(key));
        }
        for ix in lost {
            for reader in self.tasks[*ix].dependents.clone() {
                match self.tasks[reader].state {
                    State::Waiting if self.tasks[reader].pending != u32::MAX => self.tasks[reader].pending += 1,
                    State::Ready(_) => {
                        self.dequeue(reader);
                        self.tasks[reader].pending = 1;
                    }
                    _ => {} // a worker that was told to get it will say that it cannot
                }
            }
        }
        for ix in lost {
            if self.tasks.contains(*ix) && self.tasks[*ix].is_needed() {
                self.need(*ix);
            }
        }
    }

    /// One copy of a value turned out not to be there.
    pub(crate) fn lose_copy(&mut self, ix: Ix, worker: WorkerId) {
        unlink(&mut self.tasks[ix].holders, &worker);
        let nbytes = self.tasks[ix].nbytes;
        self.not_held(ix, worker, nbytes);
        self.review_leaving(ix);
        let task = &self.tasks[ix];
        if task.state == State::Memory && task.holders.is_empty() && task.value.is_none() {
            self.values_lost(&[ix]);
        }
    }

    /// What time brings: workers that are silent, tasks that nobody may run, values that nobody came back for. To be
    /// called every second or so, after [`Scheduler::tick`].
    pub fn watch(&mut self) {
        let now = self.now;
        let silent: Vec<WorkerId> = self
            .fleet
            .iter()
            .filter(|(_, worker)| now.saturating_sub(worker.last_seen) > self.config.worker_ttl)
            .map(|(id, _)| id)
            .collect();
        for id in silent {
            self.worker_left(id, false, "it was not heard of any more");
            self.others.push(Action::Disconnect(id));
        }
        self.fail_hopeless();
        self.fleet.close_lanes();
        self.move_again(|_| true);
        self.drop_unused_blobs();
        if now.saturating_sub(self.unclaimed_since) > self.config.unclaimed_ttl {
            for (key, holders) in std::mem::take(&mut self.unclaimed) {
                for (worker, _) in holders {
                    self.tell(worker, ToWorker::Drop(vec![key]));
                }
            }
            for (key, (worker, _)) in std::mem::take(&mut self.unclaimed_runs) {
                self.tell(worker, ToWorker::Recall(key));
            }
        }
    }

    /// Functions and plans that no task is a call of: whoever submits one again sends it again.
    fn drop_unused_blobs(&mut self) {
        for id in self.forget_unused_blobs() {
            for worker in self.fleet.iter().map(|(worker, _)| worker).collect::<Vec<_>>() {
                self.tell(worker, ToWorker::DropBlob(id));
            }
        }
    }

    fn fail_hopeless(&mut self) {
        let (now, patience) = (self.now, self.config.no_workers_timeout);
        for number in 1..self.classes.len() {
            let rules = Arc::clone(&self.classes[number].rules);
            let hopeless = self.fleet.len() > 0
                && (!self.classes[number].queue.is_empty() || self.suspects.contains_key(&(number as u32)))
                && !self.fleet.iter().any(|(_, worker)| may_run(&rules, worker));
            let class = &mut self.classes[number];
            if !hopeless {
                class.since = None;
                continue;
            }
            let since = *class.since.get_or_insert(now);
            if patience == 0 || now - since < patience {
                continue;
            }
            let needs = if rules.resources.is_empty() {
                format!("none of the workers is called {}", rules.workers.join(" or "))
            } else {
                let resources: Vec<String> = rules.resources.iter().map(|(name, n)| format!("{name}={n}")).collect();
                format!("no worker has the resources {}", resources.join(", "))
            };
            let message = format!("waited {} s: {needs}", patience / 1_000_000);
            let mut queued: Vec<Ix> = class.queue.iter().map(|(_, ix)| *ix).collect();
            queued.extend(self.suspects.get(&(number as u32)).into_iter().flatten().map(|(_, ix)| *ix));
            for ix in queued {
                if !self.tasks.contains(ix) {
                    continue;
                }
                if !matches!(self.tasks[ix].state, State::Ready(_)) {
                    continue;
                }
                let origin = self.tasks[ix].key;
                let failure =
                    Failure { kind: FailureKind::NoWorker, origin, message: message.clone(), exception: Bytes::new() };
                self.fail(ix, Arc::new(failure));
            }
        }
    }

    /// A worker is to leave: it gets nothing more, and what only it holds goes to others.
    pub(crate) fn retire(&mut self, id: WorkerId) {
        let Some(worker) = self.fleet.get_mut(id).filter(|worker| worker.duty == Duty::Running) else { return };
        worker.duty = Duty::Retiring;
        let holds: Vec<Ix> = worker.holds.iter().copied().collect();
        self.fleet.relist(id);
        self.retiring.push(id);
        self.requeue_near(id);
        self.recall_all(id);
        for ix in holds {
            self.review_leaving(ix);
        }
    }

    /// Asks a worker for all that it has not begun.
    pub(crate) fn recall_all(&mut self, id: WorkerId) {
        let Some(worker) = self.fleet.get(id) else { return };
        for ix in worker.assigned.iter().rev().map(|(_, ix)| *ix).collect::<Vec<_>>() {
            if !self.tasks[ix].begun && !std::mem::replace(&mut self.tasks[ix].recalled, true) {
                let key = self.tasks[ix].key;
                self.tell(id, ToWorker::Recall(key));
            }
        }
    }

    /// Who holds a value has changed: if all who do retire, one of them has to hand it on.
    pub(crate) fn review_leaving(&mut self, ix: Ix) {
        if self.retiring.is_empty() {
            return;
        }
        let task = &self.tasks[ix];
        let stays = |id: &WorkerId| self.fleet.get(*id).is_some_and(|worker| worker.duty == Duty::Running);
        let mut safe = task.value.is_some() || task.holders.iter().any(stays);
        for id in task.holders.clone() {
            let Some(worker) = self.fleet.get_mut(id).filter(|worker| worker.duty == Duty::Retiring) else { continue };
            if safe {
                worker.leaving.remove(&ix);
            } else {
                worker.leaving.entry(ix).or_insert(false);
                self.moves_due = true;
                safe = true; // the others need not
            }
        }
    }

    /// Moves what only retiring workers hold, and lets them go when there is nothing left.
    pub(crate) fn continue_retiring(&mut self) {
        if self.retiring.is_empty() {
            return;
        }
        for id in self.retiring.clone() {
            let empty = self.fleet.get(id).is_none_or(|worker| worker.leaving.is_empty() && worker.assigned.is_empty());
            if empty {
                self.retiring.retain(|other| *other != id);
                self.tell(id, ToWorker::Close);
            }
        }
        if !std::mem::take(&mut self.moves_due) {
            return;
        }
        // Each to where least is held.
        let takers = self.fleet.iter().filter(|(_, worker)| worker.takes_tasks());
        let mut takers: BinaryHeap<Reverse<(u64, WorkerId)>> =
            takers.map(|(id, worker)| Reverse((worker.held_bytes, id))).collect();
        for id in self.retiring.clone() {
            let leaving = self.fleet.get(id).into_iter().flat_map(|worker| &worker.leaving);
            let due: Vec<Ix> = leaving.filter(|(_, asked)| !**asked).map(|(ix, _)| *ix).collect();
            for ix in due {
                // An actor is where it is, until nobody needs it.
                if self.tasks[ix].rules.as_ref().is_some_and(|rules| rules.actor) {
                    continue;
                }
                let Some(mut taker) = takers.peek_mut() else { return };
                let (key, nbytes) = (self.tasks[ix].key, self.tasks[ix].nbytes);
                let Reverse((held, target)) = *taker;
                *taker = Reverse((held.saturating_add(nbytes), target));
                drop(taker);
                if let Some(worker) = self.fleet.get_mut(id) {
                    worker.leaving.insert(ix, true);
                }
                self.introduce(target, &[id]);
                self.tell(target, ToWorker::Acquire(key, nbytes, vec![id]));
            }
        }
    }

    /// What was to be moved has to be moved anew: to another worker, or from another.
    pub(crate) fn move_again(&mut self, which: impl Fn(Ix) -> bool) {
        for id in self.retiring.clone() {
            if let Some(worker) = self.fleet.get_mut(id) {
                worker.leaving.iter_mut().filter(|(ix, _)| which(**ix)).for_each(|(_, asked)| *asked = false);
                self.moves_due = true;
            }
        }
    }

    /// Copies of values on more workers.
    pub(crate) fn replicate(&mut self, keys: &[Key], copies: u32, workers: &[WorkerId]) {
        let mut targets: Vec<(u64, WorkerId)> = self
            .fleet
            .iter()
            .filter(|(id, worker)| worker.takes_tasks() && (workers.is_empty() || workers.contains(id)))
            .map(|(id, worker)| (worker.held_bytes, id))
            .collect();
        targets.sort_unstable();
        let copies = if copies == 0 { targets.len() } else { copies as usize };
        for key in keys {
            let Some(ix) = self.tasks.find(*key).filter(|ix| self.tasks[*ix].is_there()) else { continue };
            let holders = self.tasks[ix].holders.to_vec();
            let missing = copies
                .saturating_sub(holders.iter().filter(|holder| targets.iter().any(|(_, id)| id == *holder)).count());
            for (_, target) in targets.iter().filter(|(_, id)| !holders.contains(id)).take(missing) {
                self.introduce(*target, &holders);
                let nbytes = self.tasks[ix].nbytes;
                self.tell(*target, ToWorker::Acquire(*key, nbytes, holders.clone()));
            }
        }
    }
}
