//! What the scheduler knows of each task: one compact record, found by number, or by key.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ids::Map;
use crate::message::{Failure, Rules};
use crate::{ClientId, Key, Priority, WorkerId};

/// The number of a record. Numbers of forgotten tasks are used again.
pub(crate) type Ix = u32;

/// That a record has no blob: its value was put on workers, and cannot be made again.
pub(crate) const NO_BLOB: u32 = u32::MAX;

/// Where a task is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Known, but nobody needs its value, or its value is not there any more.
    Released,
    /// Needed; some inputs are not there.
    Waiting,
    /// Could run, and lies in a queue.
    Ready(Queue),
    /// Sent to a worker.
    Assigned(WorkerId),
    /// Its value is on workers, or here.
    Memory,
    /// There will be no value.
    Failed,
}

/// The queues that a task which could run lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queue {
    /// Of all tasks with the same restrictions.
    Class(u32),
    /// Of the tasks whose inputs are mostly on one worker.
    Near(WorkerId),
    /// Of those that were on a worker when it died: they run alone, to tell the culprit from its neighbours.
    Suspects,
}

pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) blob: u32,
    pub(crate) index: u32,
    pub(crate) args: Bytes,
    pub(crate) group: u32,
    pub(crate) class: u32,
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) priority: Priority,
    pub(crate) state: State,
    /// While waiting: how many inputs are not there.
    pub(crate) pending: u32,
    /// How many dependents wait for the value, or may be using it.
    pub(crate) readers: u32,
    pub(crate) attempt: u32,
    pub(crate) inputs: SmallVec<[Ix; 2]>,
    pub(crate) dependents: SmallVec<[Ix; 2]>,
    pub(crate) wanted: SmallVec<[ClientId; 2]>,
    pub(crate) holders: SmallVec<[WorkerId; 2]>,
    /// The encoded value, if it is small: as good as one more holder.
    pub(crate) value: Option<Bytes>,
    pub(crate) nbytes: u64,
    pub(crate) failure: Option<Arc<Failure>>,
    /// Microseconds that it is expected to run, as counted to its worker.
    pub(crate) expected: u32,
    pub(crate) retries_left: u16,
    /// Workers that died while they had it, one of them at least with nothing else.
    pub(crate) deaths: u8,
    pub(crate) suspect: bool,
    /// Asked back from its worker.
    pub(crate) recalled: bool,
    /// A client has cancelled it: if nobody else needs it, it is stopped even if it runs.
    pub(crate) cancelled: bool,
}

impl Record {
    /// Whether somebody needs the value, or will.
    pub(crate) fn is_needed(&self) -> bool {
        self.readers > 0 || !self.wanted.is_empty()
    }

    pub(crate) fn is_there(&self) -> bool {
        self.state == State::Memory
    }

    /// Whether its inputs count it among their readers.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.state, State::Waiting | State::Ready(_) | State::Assigned(_))
    }
}

#[derive(Default)]
pub(crate) struct Records {
    slots: Vec<Option<Record>>,
    free: Vec<Ix>,
    by_key: Map<Key, Ix>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn find(&self, key: Key) -> Option<Ix> {
        self.by_key.get(&key).copied()
    }

    pub(crate) fn insert(&mut self, record: Record) -> Ix {
        let key = record.key;
        let ix = match self.free.pop() {
            Some(ix) => {
                self.slots[ix as usize] = Some(record);
                ix
            }
            None => {
                self.slots.push(Some(record));
                self.slots.len() as Ix - 1
            }
        };
        self.by_key.insert(key, ix);
        ix
    }

    pub(crate) fn remove(&mut self, ix: Ix) -> Option<Record> {
        let record = self.slots.get_mut(ix as usize)?.take()?;
        self.by_key.remove(&record.key);
        self.free.push(ix);
        Some(record)
    }

    pub(crate) fn contains(&self, ix: Ix) -> bool {
        self.slots.get(ix as usize).is_some_and(Option::is_some)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ix, &Record)> {
        self.slots.iter().enumerate().filter_map(|(ix, slot)| Some((ix as Ix, slot.as_ref()?)))
    }
}

impl std::ops::Index<Ix> for Records {
    type Output = Record;
    #[expect(clippy::expect_used, reason = "numbers come from records that exist; anything else is a bug here")]
    fn index(&self, ix: Ix) -> &Record {
        self.slots[ix as usize].as_ref().expect("the record exists")
    }
}

impl std::ops::IndexMut<Ix> for Records {
    #[expect(clippy::expect_used, reason = "as for Index")]
    fn index_mut(&mut self, ix: Ix) -> &mut Record {
        self.slots[ix as usize].as_mut().expect("the record exists")
    }
}

/// Takes `ix` out of a list of which the order does not matter.
pub(crate) fn unlink<T: PartialEq, A: smallvec::Array<Item = T>>(list: &mut SmallVec<A>, item: &T) -> bool {
    match list.iter().position(|other| other == item) {
        Some(at) => {
            list.swap_remove(at);
            true
        }
        None => false,
    }
}
