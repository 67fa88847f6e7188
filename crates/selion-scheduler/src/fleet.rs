//! What the scheduler knows of each worker, and which of them could take more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::ids::{Map, Set};
use crate::message::{Rules, Status, ToWorker, WorkerInfo};
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

/// A class of restricted tasks that a worker may run.
pub(crate) struct Able {
    pub(crate) class: u32,
    pub(crate) rules: Arc<Rules>,
    listed: Option<u64>,
}

impl Able {
    /// Whether the worker takes one more of these now.
    pub(crate) fn is_open(&self) -> bool {
        self.listed.is_some()
    }
}

pub(crate) struct Worker {
    pub(crate) info: WorkerInfo,
    pub(crate) duty: Duty,
    pub(crate) status: Status,
    pub(crate) last_seen: Micros,
    /// In their order: the last ones are given back first.
    pub(crate) assigned: BTreeSet<(Priority, Ix)>,
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
    pub(crate) able: Vec<Able>,
    /// Tasks that it has been asked to give back to somebody who has none, and has not answered about.
    pub(crate) asked: Set<Ix>,
    /// Whether it has nothing that it could give to somebody who has none.
    pub(crate) spent: bool,
    /// The suspect that it runs, or is being emptied for.
    pub(crate) isolates: Option<Ix>,
    /// While it retires: what only it holds, and whether another has been asked to take it over.
    pub(crate) leaving: BTreeMap<Ix, bool>,
    /// What is to be said to it.
    outbox: Vec<ToWorker>,
    /// Under what it is found in the lists of the fleet.
    listed: Option<u64>,
    listed_busy: Option<u64>,
    lanes: SmallVec<[(Lane, u32); 1]>,
}

impl Worker {
    pub(crate) fn new(info: WorkerInfo, now: Micros) -> Self {
        Worker {
            free: info.resources.clone(),
            info,
            duty: Duty::Running,
            status: Status::default(),
            last_seen: now,
            assigned: BTreeSet::new(),
            seceded: Set::default(),
            urgencies: BTreeMap::new(),
            load: 0,
            near: BTreeSet::new(),
            near_load: 0,
            holds: Set::default(),
            held_bytes: 0,
            blobs: Set::default(),
            peers: Set::default(),
            able: Vec::new(),
            asked: Set::default(),
            spent: false,
            isolates: None,
            leaving: BTreeMap::new(),
            outbox: Vec::new(),
            listed: None,
            listed_busy: None,
            lanes: SmallVec::new(),
        }
    }

    fn threads(&self) -> u64 {
        u64::from(self.info.nthreads.max(1))
    }

    pub(crate) fn takes_tasks(&self) -> bool {
        self.duty == Duty::Running && !self.status.paused
    }

    /// Tasks that take a thread, or will.
    pub(crate) fn active(&self) -> usize {
        self.assigned.len() - self.seceded.len()
    }

    /// Whether it takes one more of whatever comes.
    pub(crate) fn is_open(&self) -> bool {
        let count = self.active();
        self.takes_tasks()
            && self.isolates.is_none()
            && count < AT_HAND_MAX
            && (self.load < AT_HAND * self.threads() || count <= self.info.nthreads as usize)
    }

    /// Whether it takes one more of this urgency although it is not open: it has none, or few, that matter as much.
    pub(crate) fn is_open_to(&self, urgency: i32) -> bool {
        self.takes_tasks() && self.isolates.is_none() && self.as_urgent(urgency) <= self.info.nthreads
    }

    fn as_urgent(&self, urgency: i32) -> u32 {
        self.urgencies.range(..=urgency).map(|(_, count)| count).sum()
    }

    /// Whether it has something that is less urgent than this.
    pub(crate) fn has_less_urgent(&self, urgency: i32) -> bool {
        self.urgencies.last_key_value().is_some_and(|(most, _)| *most > urgency)
    }

    /// Whether another could do some of what it has at hand.
    fn is_busy(&self) -> bool {
        self.active() > self.info.nthreads as usize && self.isolates.is_none() && self.asked.is_empty() && !self.spent
    }

    /// Microseconds until a thread is free; 0 only if nothing is to be done.
    pub(crate) fn wait(&self) -> u64 {
        self.load.div_ceil(self.threads())
    }

    /// Whether so much of its resources is free, but for what sums of fractions lose.
    pub(crate) fn has_resources(&self, wanted: &[(String, f64)]) -> bool {
        let enough = |free: f64, amount: f64| free >= amount - 1e-6 * amount.abs().max(1e-3);
        wanted
            .iter()
            .all(|(name, amount)| self.free.iter().any(|(other, free)| other == name && enough(*free, *amount)))
    }

    pub(crate) fn is_able(&self, class: u32) -> bool {
        class == 0 || self.able.iter().any(|able| able.class == class)
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
        self.names().contains(&name)
    }

    fn names(&self) -> SmallVec<[&str; 4]> {
        let whole = self.info.address.as_str();
        let address = whole.rsplit_once("://").map_or(whole, |(_, rest)| rest);
        let mut names: SmallVec<[&str; 4]> = SmallVec::from_slice(&[self.info.name.as_str(), whole, address]);
        names.extend(address.rsplit_once(':').map(|(host, _)| host));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The workers that take one more task of a class and urgency although they have enough, by how many as urgent ones they
/// have.
type Lane = (u32, i32);

/// All workers.
#[derive(Default)]
pub(crate) struct Fleet {
    workers: Map<WorkerId, Worker>,
    /// For each class of restrictions: those that take more of it, least loaded first. Class 0 is of no restrictions.
    open: Vec<BTreeSet<(u64, WorkerId)>>,
    /// Those that have more at hand than they can begin, and could be asked to give some back, least loaded first.
    busy: BTreeSet<(u64, WorkerId)>,
    lanes: BTreeMap<Lane, BTreeSet<(u32, WorkerId)>>,
    /// Who is called what.
    names: HashMap<String, SmallVec<[WorkerId; 2]>>,
    /// How many tasks of which urgency are on workers.
    urgencies: BTreeMap<i32, usize>,
    /// Workers that run a suspect, or are emptied for one.
    pub(crate) isolating: BTreeSet<WorkerId>,
    /// Workers that something is to be said to, in the order in which it came up.
    spoken_to: Vec<WorkerId>,
}

impl Fleet {
    pub(crate) fn insert(&mut self, id: WorkerId, worker: Worker) {
        for name in worker.names() {
            self.names.entry(name.to_owned()).or_default().push(id);
        }
        self.workers.insert(id, worker);
        self.relist(id);
    }

    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        self.list(0, id, worker.listed, None);
        for able in &worker.able {
            self.list(able.class, id, able.listed, None);
        }
        if let Some(wait) = worker.listed_busy {
            self.busy.remove(&(wait, id));
        }
        for (lane, count) in &worker.lanes {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.remove(&(*count, id));
            }
        }
        for (urgency, count) in &worker.urgencies {
            self.count_urgency(*urgency, -i64::from(*count));
        }
        for name in worker.names() {
            if let Some(called) = self.names.get_mut(name) {
                called.retain(|other| *other != id);
                if called.is_empty() {
                    self.names.remove(name);
                }
            }
        }
        self.isolating.remove(&id);
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

    /// The workers of a name, address or host.
    pub(crate) fn called(&self, name: &str) -> &[WorkerId] {
        self.names.get(name).map_or(&[], |called| called)
    }

    /// A worker may run the tasks of a class, or turns out to.
    pub(crate) fn enable(&mut self, id: WorkerId, class: u32, rules: Arc<Rules>) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.able.push(Able { class, rules, listed: None });
        }
        self.relist(id);
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

    pub(crate) fn is_any_open(&self, class: u32) -> bool {
        self.open.get(class as usize).is_some_and(|open| !open.is_empty())
    }

    /// Those that take more of a class of tasks, least loaded first.
    pub(crate) fn open(&self, class: u32) -> impl Iterator<Item = WorkerId> {
        self.open.get(class as usize).into_iter().flatten().map(|(_, id)| *id)
    }

    /// A worker that takes more of a class of tasks and has nothing to do.
    pub(crate) fn idle(&self, class: u32) -> Option<WorkerId> {
        let (wait, id) = self.open.get(class as usize)?.first()?;
        (*wait == 0).then_some(*id)
    }

    /// The worker that has most at hand that it has not begun.
    pub(crate) fn busiest(&self) -> Option<(u64, WorkerId)> {
        self.busy.last().copied()
    }

    /// Whether any worker has something that is less urgent than this.
    pub(crate) fn has_less_urgent(&self, urgency: i32) -> bool {
        self.urgencies.last_key_value().is_some_and(|(most, _)| *most > urgency)
    }

    /// The worker that would begin a task of this class and urgency first, because all else that it has to do is less
    /// urgent.
    pub(crate) fn overtaken_by(&mut self, lane: Lane) -> Option<WorkerId> {
        if !self.lanes.contains_key(&lane) {
            self.lanes.insert(lane, BTreeSet::new());
            let able: Vec<WorkerId> =
                self.workers.iter().filter(|(_, worker)| worker.is_able(lane.0)).map(|(id, _)| *id).collect();
            for id in able {
                self.relist(id);
            }
        }
        self.lanes.get(&lane)?.first().map(|(_, id)| *id)
    }

    /// Nobody is to be overtaken any more.
    pub(crate) fn close_lanes(&mut self) {
        if !self.lanes.is_empty() {
            self.lanes.clear();
            self.workers.values_mut().for_each(|worker| worker.lanes.clear());
        }
    }

    /// The number of tasks of an urgency that workers have changes.
    pub(crate) fn count_urgency(&mut self, urgency: i32, by: i64) {
        let count = self.urgencies.entry(urgency).or_insert(0);
        *count = count.saturating_add_signed(by as isize);
        if *count == 0 {
            self.urgencies.remove(&urgency);
        }
    }

    /// Sets a worker aside for a suspect, or no longer.
    pub(crate) fn isolate(&mut self, id: WorkerId, suspect: Option<Ix>) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.isolates = suspect;
            match suspect {
                Some(_) => self.isolating.insert(id),
                None => self.isolating.remove(&id),
            };
        }
        self.relist(id);
    }

    pub(crate) fn tell(&mut self, id: WorkerId, message: ToWorker) {
        if let Some(worker) = self.workers.get_mut(&id) {
            if worker.outbox.is_empty() {
                self.spoken_to.push(id);
            }
            worker.outbox.push(message);
        }
    }

    /// What is to be said, to whom.
    pub(crate) fn take_outboxes(&mut self) -> impl Iterator<Item = (WorkerId, Vec<ToWorker>)> {
        let spoken_to = std::mem::take(&mut self.spoken_to).into_iter();
        spoken_to.filter_map(|id| Some((id, std::mem::take(&mut self.workers.get_mut(&id)?.outbox))))
    }

    fn list(&mut self, class: u32, id: WorkerId, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        let class = class as usize;
        if self.open.len() <= class {
            self.open.resize_with(class + 1, BTreeSet::new);
        }
        if let Some(wait) = before {
            self.open[class].remove(&(wait, id));
        }
        if let Some(wait) = after {
            self.open[class].insert((wait, id));
        }
    }

    /// Brings the lists up to date that a worker is in.
    pub(crate) fn relist(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let wait = worker.wait();
        let open = worker.is_open().then_some(wait);
        let before = std::mem::replace(&mut worker.listed, open);
        let mut changed: SmallVec<[(u32, Option<u64>, Option<u64>); 4]> = SmallVec::new();
        changed.push((0, before, open));
        for at in 0..worker.able.len() {
            let able = open.filter(|_| worker.has_resources(&worker.able[at].rules.resources));
            let before = std::mem::replace(&mut worker.able[at].listed, able);
            changed.push((worker.able[at].class, before, able));
        }
        let busy = worker.is_busy().then_some(wait);
        if busy != worker.listed_busy {
            if let Some(wait) = worker.listed_busy {
                self.busy.remove(&(wait, id));
            }
            if let Some(wait) = busy {
                self.busy.insert((wait, id));
            }
            worker.listed_busy = busy;
        }
        if !self.lanes.is_empty() {
            for (lane, count) in std::mem::take(&mut worker.lanes) {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.remove(&(count, id));
                }
            }
            for (lane, list) in &mut self.lanes {
                let (class, urgency) = *lane;
                let resources = worker.able.iter().find(|able| able.class == class).map(|able| &able.rules.resources);
                if (class == 0 || resources.is_some_and(|resources| worker.has_resources(resources)))
                    && worker.is_open_to(urgency)
                    && worker.has_less_urgent(urgency)
                {
                    let count = worker.as_urgent(urgency);
                    list.insert((count, id));
                    worker.lanes.push((*lane, count));
                }
            }
        }
        for (class, before, after) in changed {
            self.list(class, id, before, after);
        }
    }

    /// Panics if a list contradicts a worker. For tests.
    pub(crate) fn validate(&self) {
        let mut open = 0;
        for (id, worker) in &self.workers {
            assert_eq!(worker.listed, worker.is_open().then_some(worker.wait()), "{id:?} is listed as it is");
            assert_eq!(worker.listed_busy, worker.is_busy().then_some(worker.wait()), "{id:?} is busy as listed");
            open += usize::from(worker.is_open());
            assert_eq!(worker.isolates.is_some(), self.isolating.contains(id));
            let total: u32 = worker.urgencies.values().sum();
            assert_eq!(total as usize, worker.assigned.len(), "urgencies of {id:?}");
            if worker.assigned.is_empty() {
                for ((name, free), (_, total)) in worker.free.iter().zip(&worker.info.resources) {
                    assert!((free - total).abs() < 1e-3, "{id:?} has all of its {name}");
                }
            }
        }
        assert_eq!(open, self.open.first().map_or(0, BTreeSet::len));
        let total: usize = self.urgencies.values().sum();
        assert_eq!(total, self.workers.values().map(|worker| worker.assigned.len()).sum::<usize>());
    }
}
