//! What has run lately, for people who look.

use std::collections::VecDeque;

use crate::{Micros, WorkerId};

/// How many tasks are remembered.
const REMEMBERED: usize = 4096;

/// A task that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Where.
    pub worker: WorkerId,
    /// The number of what it is called with others of its kind.
    pub group: u32,
    /// When the scheduler heard of its end.
    pub end: Micros,
    /// Microseconds that it ran.
    pub micros: u64,
    /// Whether it failed.
    pub failed: bool,
}

/// The last tasks that have run.
#[derive(Default)]
pub(crate) struct Recent {
    ring: VecDeque<Ran>,
    total: u64,
}

impl Recent {
    pub(crate) fn push(&mut self, ran: Ran) {
        if self.ring.len() == REMEMBERED {
            self.ring.pop_front();
        }
        self.ring.push_back(ran);
        self.total += 1;
    }

    /// Those from number `after` on, as far as they are remembered, and the number of the next.
    pub(crate) fn since(&self, after: u64) -> (u64, impl Iterator<Item = &Ran>) {
        let first = self.total - self.ring.len() as u64;
        // A number beyond the last is one of another scheduler.
        let skip = if after > self.total { 0 } else { after.saturating_sub(first) };
        (self.total, self.ring.iter().skip(skip as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered_and_each_is_told_once() {
        let mut recent = Recent::default();
        let ran = |end| Ran { worker: WorkerId(0), group: 0, end, micros: 1, failed: false };
        for end in 0..10_000 {
            recent.push(ran(end));
        }
        let (next, tasks) = recent.since(0);
        assert_eq!((next, tasks.count()), (10_000, REMEMBERED));
        recent.push(ran(7));
        let (next, tasks) = recent.since(next);
        assert_eq!((next, tasks.map(|ran| ran.end).collect::<Vec<_>>()), (10_001, vec![7]));
        assert_eq!(recent.since(1 << 40).1.count(), REMEMBERED);
    }
}
