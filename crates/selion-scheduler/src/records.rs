//! What the scheduler knows of each task: one compact record, found by number, or by key.

use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::ids::Mixed;
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
    /// Changes by [`Records::set_state`] only.
    pub(crate) state: State,
    /// While waiting: how many inputs are not there.
    pub(crate) pending: u32,
    /// How many dependents wait for the value, or may be using it.
    pub(crate) readers: u32,
    pub(crate) attempt: u32,
    pub(crate) inputs: SmallVec<[Ix; 4]>,
    pub(crate) dependents: SmallVec<[Ix; 4]>,
    pub(crate) wanted: SmallVec<[ClientId; 4]>,
    pub(crate) holders: SmallVec<[WorkerId; 4]>,
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
    /// How often it was given back because an input could not be had.
    pub(crate) lacked: u8,
    /// Whether its worker has said that it has begun.
    pub(crate) begun: bool,
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

impl State {
    /// All kinds of states, by number.
    pub(crate) const COUNT: usize = 6;
    pub(crate) const RELEASED: usize = 0;
    pub(crate) const WAITING: usize = 1;
    pub(crate) const READY: usize = 2;
    pub(crate) const ASSIGNED: usize = 3;
    pub(crate) const MEMORY: usize = 4;
    pub(crate) const FAILED: usize = 5;

    pub(crate) fn number(self) -> usize {
        match self {
            State::Released => Self::RELEASED,
            State::Waiting => Self::WAITING,
            State::Ready(_) => Self::READY,
            State::Assigned(_) => Self::ASSIGNED,
            State::Memory => Self::MEMORY,
            State::Failed => Self::FAILED,
        }
    }
}

/// Records in one block: millions of them grow without ever being moved.
const BLOCK: usize = 1 << 12;

/// All records.
#[derive(Default)]
pub(crate) struct Records {
    blocks: Vec<Vec<Option<Record>>>,
    free: Vec<Ix>,
    /// The numbers of the records, by the hash of their keys; the keys are in the records.
    by_key: HashTable<Ix>,
    /// Of each group: how many tasks are in which state.
    counts: Vec<[u32; State::COUNT]>,
}

fn hash(key: Key) -> u64 {
    let mut hasher = Mixed::default();
    hasher.write_u128(key.0);
    hasher.finish()
}

fn slot(blocks: &[Vec<Option<Record>>], ix: Ix) -> Option<&Record> {
    blocks.get(ix as usize / BLOCK)?.get(ix as usize % BLOCK)?.as_ref()
}

/// The hash of the key of a record that exists.
fn hash_of(blocks: &[Vec<Option<Record>>], ix: Ix) -> u64 {
    slot(blocks, ix).map_or(0, |record| hash(record.key))
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn find(&self, key: Key) -> Option<Ix> {
        let same = |ix: &Ix| slot(&self.blocks, *ix).is_some_and(|record| record.key == key);
        self.by_key.find(hash(key), same).copied()
    }

    pub(crate) fn insert(&mut self, record: Record) -> Ix {
        let (key, group, state) = (record.key, record.group as usize, record.state);
        let ix = match self.free.pop() {
            Some(ix) => {
                self.blocks[ix as usize / BLOCK][ix as usize % BLOCK] = Some(record);
                ix
            }
            None => {
                if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
                    // A small cluster does not pay for a large one.
                    let room = if self.blocks.is_empty() { 0 } else { BLOCK };
                    self.blocks.push(Vec::with_capacity(room));
                }
                let last = self.blocks.len() - 1;
                self.blocks[last].push(Some(record));
                (last * BLOCK + self.blocks[last].len() - 1) as Ix
            }
        };
        let blocks = &self.blocks;
        self.by_key.insert_unique(hash(key), ix, |ix| hash_of(blocks, *ix));
        if self.counts.len() <= group {
            self.counts.resize(group + 1, [0; State::COUNT]);
        }
        self.counts[group][state.number()] += 1;
        ix
    }

    pub(crate) fn remove(&mut self, ix: Ix) -> Option<Record> {
        let record = self.blocks.get_mut(ix as usize / BLOCK)?.get_mut(ix as usize % BLOCK)?.take()?;
        if let Ok(entry) = self.by_key.find_entry(hash(record.key), |other| *other == ix) {
            entry.remove();
        }
        self.counts[record.group as usize][record.state.number()] -= 1;
        self.free.push(ix);
        Some(record)
    }

    pub(crate) fn contains(&self, ix: Ix) -> bool {
        slot(&self.blocks, ix).is_some()
    }

    pub(crate) fn set_state(&mut self, ix: Ix, state: State) {
        let task = &mut self[ix];
        let (group, before) = (task.group as usize, std::mem::replace(&mut task.state, state));
        self.counts[group][before.number()] -= 1;
        self.counts[group][state.number()] += 1;
    }

    /// How many tasks of each group are in which state, by [`State::number`].
    pub(crate) fn counts(&self) -> &[[u32; State::COUNT]] {
        &self.counts
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ix, &Record)> {
        let all = self.blocks.iter().flatten().enumerate();
        all.filter_map(|(ix, slot)| Some((ix as Ix, slot.as_ref()?)))
    }
}

impl std::ops::Index<Ix> for Records {
    type Output = Record;
    #[expect(clippy::expect_used, reason = "numbers come from records that exist; anything else is a bug here")]
    fn index(&self, ix: Ix) -> &Record {
        slot(&self.blocks, ix).expect("the record exists")
    }
}

impl std::ops::IndexMut<Ix> for Records {
    #[expect(clippy::expect_used, reason = "as for Index")]
    fn index_mut(&mut self, ix: Ix) -> &mut Record {
        self.blocks[ix as usize / BLOCK][ix as usize % BLOCK].as_mut().expect("the record exists")
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
