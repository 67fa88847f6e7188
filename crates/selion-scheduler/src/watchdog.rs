//! Whether anything that could run does not: that would be a bug here, and is said loudly.

use crate::records::{Ix, Queue, State};
use crate::scheduler::{Action, Scheduler};
use crate::{Key, Micros};

/// What could run and did not for so long is reported. Microseconds.
const STALLED: Micros = 5_000_000;
/// Records looked at each time, besides the first of each queue.
const LOOKED_AT: u32 = 4_096;

impl Scheduler {
    /// Looks for tasks that could run and do not, and reports those that were found some seconds ago already.
    pub(crate) fn look_for_stalled(&mut self) {
        self.settle();
        if self.now < self.held_until {
            return;
        }
        let found = self.stalled_now();
        let before = std::mem::take(&mut self.stalled);
        for ix in found {
            if !self.tasks.contains(ix) {
                continue;
            }
            let key = self.tasks[ix].key;
            let since = before.get(&key).copied().unwrap_or(self.now);
            let stalled = self.now.saturating_sub(since);
            if stalled < STALLED {
                self.stalled.insert(key, since);
                continue;
            }
            let text = self.report(key, ix, stalled);
            self.others.push(Action::Log(text));
            self.stalled.insert(key, self.now.saturating_add(11 * STALLED)); // once a minute is enough
            self.mend(ix);
        }
    }

    fn report(&self, key: Key, ix: Ix, micros: Micros) -> String {
        let task = &self.tasks[ix];
        format!(
            "BUG: task {key} could run and does not for {} s: {:?}, pending {}, readers {}, attempt {}; {}",
            micros / 1_000_000,
            task.state,
            task.pending,
            task.readers,
            task.attempt,
            self.explain(key)
        )
    }

    /// Tasks that could run, as far as a look at the first of each queue and some records shows.
    fn stalled_now(&mut self) -> Vec<Ix> {
        let mut found = Vec::new();
        for (number, class) in (0..).zip(&self.classes) {
            if let Some((_, ix)) = class.queue.first().filter(|_| self.fleet.is_any_open(number)) {
                found.push(*ix);
            }
        }
        for (class, queue) in &self.suspects {
            found.extend(queue.first().filter(|_| self.fleet.idle(*class).is_some()).map(|(_, ix)| *ix));
        }
        for (_, worker) in self.fleet.iter().filter(|(_, worker)| worker.is_open()) {
            found.extend(worker.near.first().map(|(_, ix)| *ix));
        }
        let end = self.tasks.end();
        let first = if self.looked_at < end { self.looked_at } else { 0 };
        let last = end.min(first.saturating_add(LOOKED_AT));
        // What was found is looked at again, wherever one has come to.
        let again: Vec<Ix> = self.stalled.keys().filter_map(|key| self.tasks.find(*key)).collect();
        for ix in (first..last).chain(again) {
            if self.tasks.contains(ix) && self.is_stalled(ix) && !found.contains(&ix) {
                found.push(ix);
            }
        }
        self.looked_at = last;
        found
    }

    fn is_stalled(&self, ix: Ix) -> bool {
        let task = &self.tasks[ix];
        match task.state {
            State::Released => task.is_needed(),
            State::Waiting => task.inputs.iter().all(|input| self.tasks[*input].is_there()),
            State::Ready(Queue::Near(worker)) => self.fleet.get(worker).is_none(),
            State::Assigned(worker) => self.fleet.get(worker).is_none(),
            _ => false,
        }
    }

    /// What can be done about it: it is queued anew.
    fn mend(&mut self, ix: Ix) {
        match self.tasks[ix].state {
            State::Released => self.need(ix),
            State::Waiting => self.await_inputs(ix),
            State::Ready(_) => {
                self.dequeue(ix);
                self.enqueue(ix);
            }
            State::Assigned(worker) if self.fleet.get(worker).is_none() => {
                self.tasks.set_state(ix, State::Waiting);
                self.await_inputs(ix);
            }
            _ => {}
        }
        self.hungry.extend(self.fleet.open(0).take(1).collect::<Vec<_>>());
    }
}
