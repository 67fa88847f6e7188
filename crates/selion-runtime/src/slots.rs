//! The values that still have readers.
//!
//! Entries live in a few slabs, one per worker, so that a graph of a million tasks needs memory for the values that are
//! alive at once, and a worker mostly finds what it made in its own slab. Per value there are two numbers: where its
//! entry is, and its *uses*: how many reads are still to come, and how many of them are *pins*, which run right now and
//! hold a clone. Pins are added under the slab's lock, so whoever holds the lock and sees none may evict the value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use selion_core::{Value, ValueId};

use crate::ledger::lock;
use crate::spill::SpillFile;

const PIN: u64 = 1 << 32;
const READS: u64 = PIN - 1;
/// `places` of a value that has no entry.
const NOWHERE: u64 = u64::MAX;

/// A value that still has readers: in memory, on disk, or both.
pub(crate) struct Entry {
    pub(crate) id: ValueId,
    pub(crate) value: Option<Value>,
    /// Kept after the value was read back, so that it need not be written again.
    pub(crate) file: Option<Arc<SpillFile>>,
    /// How many of its readers, in rank order, are known to have started.
    pub(crate) readers_started: u32,
    /// Whether somebody is writing it to disk.
    pub(crate) spilling: bool,
}

#[derive(Default)]
struct Slab {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

pub(crate) struct Slots {
    slabs: Vec<Mutex<Slab>>,
    places: Vec<AtomicU64>,
    uses: Vec<AtomicU64>,
}

/// How a task came by an input.
pub(crate) enum Fetched {
    /// It was the last to need it, and the entry is gone.
    Taken(Value),
    /// It shares it, and has pinned it.
    Shared(Value),
    /// It is on disk; the input is pinned.
    OnDisk(Arc<SpillFile>),
}

impl Slots {
    /// Slots for values with the given numbers of reads.
    pub(crate) fn new(slabs: usize, reads: impl ExactSizeIterator<Item = u32>) -> Self {
        let places = (0..reads.len()).map(|_| AtomicU64::new(NOWHERE)).collect();
        let uses = reads.map(|reads| AtomicU64::new(u64::from(reads))).collect();
        Slots { slabs: (0..slabs).map(|_| Mutex::default()).collect(), places, uses }
    }

    /// How many reads of a value are still to come.
    pub(crate) fn reads(&self, id: ValueId) -> u32 {
        (self.uses[id.index()].load(Ordering::Acquire) & READS) as u32
    }

    fn pinned(&self, id: ValueId) -> bool {
        self.uses[id.index()].load(Ordering::Acquire) >= PIN
    }

    /// Keeps a value that has readers.
    pub(crate) fn put(&self, slab: usize, id: ValueId, value: Value) {
        let entry = Entry { id, value: Some(value), file: None, readers_started: 0, spilling: false };
        let at = {
            let mut guard = lock(&self.slabs[slab]);
            let Slab { entries, free } = &mut *guard;
            match free.pop() {
                Some(at) => {
                    entries[at as usize] = Some(entry);
                    at
                }
                None => {
                    entries.push(Some(entry));
                    entries.len() as u32 - 1
                }
            }
        };
        self.places[id.index()].store((slab as u64) << 32 | u64::from(at), Ordering::Release);
    }

    fn place(&self, id: ValueId) -> Option<(usize, usize)> {
        let place = self.places[id.index()].load(Ordering::Acquire);
        (place != NOWHERE).then_some(((place >> 32) as usize, place as u32 as usize))
    }

    /// Works on the entry of a value, if it has one. `f` learns whether it is pinned.
    pub(crate) fn with<R>(&self, id: ValueId, f: impl FnOnce(&mut Entry, bool) -> R) -> Option<R> {
        let (slab, at) = self.place(id)?;
        let mut guard = lock(&self.slabs[slab]);
        let entry = guard.entries[at].as_mut().filter(|entry| entry.id == id)?;
        Some(f(entry, self.pinned(id)))
    }

    /// Takes the entry of a value out.
    pub(crate) fn remove(&self, id: ValueId) -> Option<Entry> {
        let (slab, at) = self.place(id)?;
        let mut guard = lock(&self.slabs[slab]);
        let entry = guard.entries[at].take_if(|entry| entry.id == id)?;
        guard.free.push(at as u32);
        self.places[id.index()].store(NOWHERE, Ordering::Release);
        Some(entry)
    }

    /// Pins an input, so that it stays as it is; the bytes that reading it back will take, if it is on disk.
    pub(crate) fn pin(&self, id: ValueId) -> u64 {
        let bytes = self.with(id, |entry, _| {
            self.uses[id.index()].fetch_add(PIN, Ordering::AcqRel);
            if entry.value.is_some() { 0 } else { entry.file.as_ref().map_or(0, |file| file.value_bytes) }
        });
        bytes.unwrap_or(0)
    }

    /// Takes a pin back, the read not done.
    pub(crate) fn unpin(&self, id: ValueId) {
        self.uses[id.index()].fetch_sub(PIN, Ordering::AcqRel);
    }

    /// An input of a task that starts. `pinned` if the task has pinned it already.
    pub(crate) fn fetch(&self, id: ValueId, pinned: bool) -> Option<Fetched> {
        let (slab, at) = self.place(id)?;
        let mut guard = lock(&self.slabs[slab]);
        let Slab { entries, free } = &mut *guard;
        let entry = entries[at].as_mut()?;
        if entry.value.is_some() && self.reads(id) == 1 {
            let entry = entries[at].take()?;
            free.push(at as u32);
            self.places[id.index()].store(NOWHERE, Ordering::Release);
            return entry.value.map(Fetched::Taken);
        }
        if !pinned {
            self.uses[id.index()].fetch_add(PIN, Ordering::AcqRel);
        }
        match &entry.value {
            Some(value) => Some(Fetched::Shared(value.clone())),
            None => entry.file.clone().map(Fetched::OnDisk),
        }
    }

    /// A read is done that held a pin; the entry, if it was the last.
    pub(crate) fn read_done(&self, id: ValueId) -> Option<Entry> {
        let before = self.uses[id.index()].fetch_sub(PIN + 1, Ordering::AcqRel);
        if before & READS == 1 { self.remove(id) } else { None }
    }

    /// Visits all entries.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&mut Entry)) {
        for slab in &self.slabs {
            lock(slab).entries.iter_mut().flatten().for_each(&mut f);
        }
    }

    /// Takes all entries out.
    pub(crate) fn drain(&self) -> Vec<Entry> {
        let slabs = self.slabs.iter();
        slabs.flat_map(|slab| std::mem::take(&mut *lock(slab)).entries.into_iter().flatten()).collect()
    }
}
