//! What the scheduler knows of each worker, and which of them could take more.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Map, Set};
use crate::message::{Status, WorkerInfo};
use crate::records::Ix;
use crate::{Micros, Priority, WorkerId};

/// How much work a worker has at hand: enough that it never waits for the next message, little enough that what comes
/// later and matters more is not far behind. Microseconds per thread.
const AT_HAND: u64 = 20_000;
/// Most tasks at hand, however short.
const AT_HAND_MAX: usize = 2_000;

/// Whether a worker takes tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Duty {
    Running,
    /// It leaves as soon as what it runs is done and what it holds is elsewhere.
    Retiring,
}

pub(crate) struct Worker {
    pub(crate) info: WorkerInfo,
    pub(crate) duty: Duty,
    pub(crate) status: Status,
    pub(crate) last_seen: Micros,
    pub(crate) assigned: Set<Ix>,
    /// Those of the assigned tasks that wait for something else and take no thread.
    pub(crate) seceded: Set<Ix>,
    /// How many of the assigned tasks have which urgency.
    pub(crate) urgencies: BTreeMap<i32, u32>,
    /// Microseconds of the assigned tasks.
    pub(crate) load: u64,
    /// Tasks that had best run here, because of what they read.
    pub(crate) near: BTreeSet<(Priority, Ix)>,
    pub(crate) near_load: u64,
    pub(crate) holds: Set<Ix>,
    pub(crate) held_bytes: u64,
    pub(crate) blobs: Set<u32>,
    pub(crate) peers: Set<WorkerId>,
    /// What is left of its resources.
    pub(crate) free: Vec<(String, f64)>,
    /// The classes of restricted tasks that it may run.
    pub(crate) classes: Vec<u32>,
    /// The suspect that it runs, or is being emptied for.
    pub(crate) isolates: Option<Ix>,
    /// While it retires: what others have been asked to take over.
    pub(crate) moving: Set<Ix>,
    listed: Option<u64>,
}

impl Worker {
    pub(crate) fn new(info: WorkerInfo, now: Micros) -> Self {
        Worker {
            free: info.resources.clone(),
            info,
            duty: Duty::Running,
            status: Status::default(),
            last_seen: now,
            assigned: Set::default(),
            seceded: Set::default(),
            urgencies: BTreeMap::new(),
            load: 0,
            near: BTreeSet::new(),
            near_load: 0,
            holds: Set::default(),
            held_bytes: 0,
            blobs: Set::default(),
            peers: Set::default(),
            classes: Vec::new(),
            isolates: None,
            moving: Set::default(),
            listed: None,
        }
    }

    fn threads(&self) -> u64 {
        u64::from(self.info.nthreads.max(1))
    }

    pub(crate) fn takes_tasks(&self) -> bool {
        self.duty == Duty::Running && !self.status.paused
    }

    /// Whether it takes one more of whatever comes.
    pub(crate) fn is_open(&self) -> bool {
        let count = self.assigned.len() - self.seceded.len();
        self.takes_tasks()
            && self.isolates.is_none()
            && count < AT_HAND_MAX
            && (self.load < AT_HAND * self.threads() || count <= self.info.nthreads as usize)
    }

    /// Whether it takes one more of this urgency although it is not open: it has none, or few, that matter as much.
    pub(crate) fn is_open_to(&self, urgency: i32) -> bool {
        let as_urgent: u32 = self.urgencies.range(..=urgency).map(|(_, count)| count).sum();
        self.takes_tasks() && self.isolates.is_none() && as_urgent <= self.info.nthreads
    }

    /// Microseconds until a thread is free.
    pub(crate) fn wait(&self) -> u64 {
        self.load / self.threads()
    }

    pub(crate) fn has_resources(&self, wanted: &[(String, f64)]) -> bool {
        wanted.iter().all(|(name, amount)| self.free.iter().any(|(other, free)| other == name && free >= amount))
    }

    pub(crate) fn could_have_resources(&self, wanted: &[(String, f64)]) -> bool {
        wanted
            .iter()
            .all(|(name, amount)| self.info.resources.iter().any(|(other, total)| other == name && total >= amount))
    }

    /// Takes resources (`sign` −1) or gives them back (+1).
    pub(crate) fn change_resources(&mut self, wanted: &[(String, f64)], sign: f64) {
        for (name, amount) in wanted {
            if let Some((_, free)) = self.free.iter_mut().find(|(other, _)| other == name) {
                *free += sign * amount;
            }
        }
    }

    /// Whether a restriction names it: by name, address, or host.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let address = self.info.address.rsplit_once("://").map_or(self.info.address.as_str(), |(_, rest)| rest);
        name == self.info.name
            || name == self.info.address
            || name == address
            || address.rsplit_once(':').is_some_and(|(host, _)| host == name)
    }
}

/// All workers.
#[derive(Default)]
pub(crate) struct Fleet {
    workers: Map<WorkerId, Worker>,
    /// Those that take more, least loaded first.
    open: BTreeSet<(u64, WorkerId)>,
}

impl Fleet {
    pub(crate) fn insert(&mut self, id: WorkerId, worker: Worker) {
        self.workers.insert(id, worker);
        self.relist(id);
    }

    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        if let Some(wait) = worker.listed {
            self.open.remove(&(wait, id));
        }
        Some(worker)
    }

    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    /// To be followed by [`Fleet::relist`] if what makes it open has changed.
    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    /// No worker has this blob any more.
    pub(crate) fn forget_blob(&mut self, blob: u32) {
        for worker in self.workers.values_mut() {
            worker.blobs.remove(&blob);
        }
    }

    pub(crate) fn is_open(&self, id: WorkerId) -> bool {
        self.workers.get(&id).is_some_and(|worker| worker.listed.is_some())
    }

    /// Those that take more, least loaded first.
    pub(crate) fn open(&self) -> impl Iterator<Item = WorkerId> {
        self.open.iter().map(|(_, id)| *id)
    }

    /// Brings the list of open workers up to date.
    pub(crate) fn relist(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let listed = worker.is_open().then(|| worker.wait());
        if listed == worker.listed {
            return;
        }
        if let Some(wait) = worker.listed {
            self.open.remove(&(wait, id));
        }
        if let Some(wait) = listed {
            self.open.insert((wait, id));
        }
        worker.listed = listed;
    }
}
