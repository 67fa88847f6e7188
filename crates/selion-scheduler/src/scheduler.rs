//! The scheduler: what happens comes in, what is to be said goes out.
//!
//! `flow` moves tasks from state to state, `place` chooses workers, `loss` mends what dead workers leave behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::fleet::{Duty, Fleet, Worker};
use crate::ids::{Map, Set};
use crate::message::{
    Failure, FailureKind, FromClient, FromWorker, Rules, Submit, Task, ToClient, ToWorker, WorkerInfo,
};
use crate::recent::{GroupSummary, Ran, Recent};
use crate::records::{Ix, NO_BLOB, Queue, Record, Records, State};
use crate::{BlobId, ClientId, Key, Micros, Priority, WorkerId};

/// Runs shorter than this cost as much as this: messages, bookkeeping.
pub(crate) const SHORTEST: u64 = 20;
/// What a task is taken to run for before one of its kind has run. Microseconds.
pub(crate) const UNKNOWN: u64 = 10_000;

/// What may be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers a task may kill, less one: it fails with the death after which there would be more.
    pub allowed_failures: u8,
    /// Microseconds of silence after which a worker counts as dead.
    pub worker_ttl: Micros,
    /// Microseconds that a task waits for a worker that may run it, while there are workers; 0 for ever.
    pub no_workers_timeout: Micros,
    /// Microseconds that values which workers report are kept for clients that may come back for them.
    pub unclaimed_ttl: Micros,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            allowed_failures: 2,
            worker_ttl: 30_000_000,
            no_workers_timeout: 60_000_000,
            unclaimed_ttl: 60_000_000,
        }
    }
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Say this to a worker, in this order.
    Tell(WorkerId, Vec<ToWorker>),
    /// Say this to a client, in this order.
    Answer(ClientId, Vec<ToClient>),
    /// A worker is not heard of any more; its connection is to be closed.
    Disconnect(WorkerId),
    /// For the log.
    Log(String),
}

/// Tasks with the same restrictions.
pub(crate) struct Class {
    pub(crate) rules: Arc<Rules>,
    pub(crate) queue: BTreeSet<(Priority, Ix)>,
    /// Since when no worker that is there may run them.
    pub(crate) since: Option<Micros>,
}

/// Tasks that are called the same.
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    /// How long they run, as a moving average.
    pub(crate) micros: Option<u64>,
    pub(crate) done: u64,
    /// How long those ran together.
    pub(crate) spent: u64,
}

pub(crate) struct Blob {
    pub(crate) id: BlobId,
    pub(crate) bytes: Bytes,
    pub(crate) users: u32,
}

/// The scheduler of one cluster.
///
/// ```
/// use selion_scheduler::message::{FromClient, Submit, Task, WorkerInfo};
/// use selion_scheduler::{Action, BlobId, ClientId, Config, Key, Scheduler, WorkerId};
///
/// let mut scheduler = Scheduler::new(Config::default());
/// scheduler.worker_joined(WorkerId(0), WorkerInfo { nthreads: 1, ..WorkerInfo::default() });
/// scheduler.client_joined(ClientId(0));
/// let task = Task {
///     key: Key(1), blob: Some(BlobId(9)), index: 0, args: Default::default(), inputs: vec![], nbytes: 0,
///     group: 0, rules: 0, place: 0, wanted: true,
/// };
/// let submit = Submit {
///     blobs: vec![(BlobId(9), "inc".into())], groups: vec!["inc".into()], rules: vec![], tasks: vec![task],
/// };
/// scheduler.from_client(ClientId(0), FromClient::Submit(submit));
/// let actions = scheduler.actions();
/// assert!(matches!(&actions[..], [Action::Tell(WorkerId(0), messages)] if messages.len() == 2)); // the blob, the task
/// ```
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) now: Micros,
    pub(crate) tasks: Records,
    pub(crate) fleet: Fleet,
    pub(crate) clients: Map<ClientId, Set<Ix>>,
    pub(crate) groups: Vec<Group>,
    group_names: std::collections::HashMap<Arc<str>, u32>,
    pub(crate) classes: Vec<Class>,
    pub(crate) blobs: Vec<Blob>,
    free_blobs: Vec<u32>,
    blob_ids: Map<BlobId, u32>,
    pub(crate) suspects: BTreeSet<(Priority, Ix)>,
    /// Workers by how much lies in their own queue.
    pub(crate) backlogs: BTreeSet<(u64, WorkerId)>,
    /// Workers that may have become able to take more.
    pub(crate) hungry: Vec<WorkerId>,
    /// Values and runs of workers from before, which no client has asked for yet.
    pub(crate) unclaimed: Map<Key, SmallVec<[(WorkerId, u64); 1]>>,
    pub(crate) unclaimed_runs: Map<Key, (WorkerId, u32)>,
    pub(crate) unclaimed_since: Micros,
    pub(crate) retiring: Vec<WorkerId>,
    generation: u32,
    to_workers: Map<WorkerId, Vec<ToWorker>>,
    to_clients: Map<ClientId, Vec<ToClient>>,
    pub(crate) others: Vec<Action>,
    pub(crate) done_total: u64,
    pub(crate) recent: Recent,
}

impl Scheduler {
    /// A scheduler without workers, clients, tasks.
    pub fn new(config: Config) -> Self {
        let anything = Class { rules: Arc::new(Rules::default()), queue: BTreeSet::new(), since: None };
        Scheduler {
            config,
            now: 0,
            tasks: Records::default(),
            fleet: Fleet::default(),
            clients: Map::default(),
            groups: Vec::new(),
            group_names: std::collections::HashMap::new(),
            classes: vec![anything],
            blobs: Vec::new(),
            free_blobs: Vec::new(),
            blob_ids: Map::default(),
            suspects: BTreeSet::new(),
            backlogs: BTreeSet::new(),
            hungry: Vec::new(),
            unclaimed: Map::default(),
            unclaimed_runs: Map::default(),
            unclaimed_since: 0,
            retiring: Vec::new(),
            generation: 0,
            to_workers: Map::default(),
            to_clients: Map::default(),
            others: Vec::new(),
            done_total: 0,
            recent: Recent::default(),
        }
    }

    /// What is to be done after all that was reported since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        self.settle();
        let mut actions = std::mem::take(&mut self.others);
        actions.extend(self.to_workers.drain().map(|(worker, messages)| Action::Tell(worker, messages)));
        actions.extend(self.to_clients.drain().map(|(client, messages)| Action::Answer(client, messages)));
        actions
    }

    /// Time has passed; to be called before events, and at least every second.
    pub fn tick(&mut self, now: Micros) {
        self.now = self.now.max(now);
    }

    pub(crate) fn tell(&mut self, worker: WorkerId, message: ToWorker) {
        self.to_workers.entry(worker).or_default().push(message);
    }

    pub(crate) fn answer(&mut self, client: ClientId, message: ToClient) {
        self.to_clients.entry(client).or_default().push(message);
    }

    pub(crate) fn unsay(&mut self, worker: WorkerId) {
        self.to_workers.remove(&worker);
    }

    /// A client has come.
    pub fn client_joined(&mut self, client: ClientId) {
        self.clients.entry(client).or_default();
    }

    /// A client has gone: nothing that only it wanted goes on.
    pub fn client_left(&mut self, client: ClientId) {
        let Some(wanted) = self.clients.remove(&client) else { return };
        let mut wanted: Vec<Ix> = wanted.into_iter().collect();
        wanted.sort_unstable();
        for ix in wanted {
            crate::records::unlink(&mut self.tasks[ix].wanted, &client);
            self.check_needed(ix);
        }
        self.to_clients.remove(&client);
    }

    /// A worker has come, or come back.
    pub fn worker_joined(&mut self, id: WorkerId, mut info: WorkerInfo) {
        let holds = std::mem::take(&mut info.holds);
        let runs = std::mem::take(&mut info.runs);
        let mut worker = Worker::new(info, self.now);
        for (number, class) in (0..).zip(&self.classes).skip(1) {
            if may_run(&class.rules, &worker) {
                worker.classes.push(number);
            }
        }
        self.fleet.insert(id, worker);
        if !holds.is_empty() || !runs.is_empty() {
            self.unclaimed_since = self.now;
        }
        for (key, nbytes) in holds {
            match self.tasks.find(key) {
                Some(ix) => self.claim(ix, id, nbytes),
                None => self.unclaimed.entry(key).or_default().push((id, nbytes)),
            }
        }
        for (key, attempt) in runs {
            match self.tasks.find(key) {
                Some(ix) if matches!(self.tasks[ix].state, State::Waiting | State::Ready(_)) => {
                    self.continue_on(ix, id, attempt);
                }
                Some(_) => self.tell(id, ToWorker::Recall(key)),
                None => {
                    self.unclaimed_runs.insert(key, (id, attempt));
                }
            }
        }
        self.hungry.push(id);
    }

    /// Something came from a client.
    pub fn from_client(&mut self, client: ClientId, message: FromClient) {
        match message {
            FromClient::Submit(submit) => self.submit(client, submit),
            FromClient::Scattered(items) => {
                for (key, nbytes, worker) in items {
                    self.scattered(client, key, nbytes, worker);
                }
            }
            FromClient::Want(keys) => {
                for key in keys {
                    match self.tasks.find(key) {
                        Some(ix) => self.want(ix, client),
                        None => self.refuse(client, key, FailureKind::Unknown, "the scheduler does not know it"),
                    }
                }
            }
            FromClient::Release(keys) => {
                for key in keys {
                    if let Some(ix) = self.tasks.find(key) {
                        self.unwant(ix, client);
                        self.check_needed(ix);
                    }
                }
            }
            FromClient::Cancel { keys, force, reason } => self.cancel(client, &keys, force, &reason),
            FromClient::Retry(keys) => self.retry(&keys),
            FromClient::WhoHas(keys) => {
                let holders = keys.into_iter().map(|key| {
                    let holders = self.tasks.find(key).map(|ix| self.tasks[ix].holders.to_vec());
                    (key, holders.unwrap_or_default())
                });
                let holders = holders.collect();
                self.answer(client, ToClient::Holders(holders));
            }
            FromClient::Replicate { keys, copies, workers } => self.replicate(&keys, copies, &workers),
            FromClient::Retire(workers) => {
                for worker in workers {
                    self.retire(worker);
                }
            }
        }
    }

    /// Something came from a worker.
    pub fn from_worker(&mut self, worker: WorkerId, message: FromWorker) {
        match self.fleet.get_mut(worker) {
            Some(record) => record.last_seen = self.now,
            None => return, // it counts as dead
        }
        match message {
            FromWorker::Done { key, attempt, nbytes, micros, value } => {
                self.done(worker, key, attempt, nbytes, micros, value);
            }
            FromWorker::Failed { key, attempt, failure, micros } => {
                if let Some(ix) = self.tasks.find(key) {
                    let group = self.tasks[ix].group;
                    self.recent.push(Ran { worker, group, end: self.now, micros, failed: true });
                }
                self.failed(worker, key, attempt, failure);
            }
            FromWorker::Recalled(key, attempt, given_back) => self.given_back(worker, key, attempt, given_back),
            FromWorker::Lacking { key, attempt, input, from } => self.lacking(worker, key, attempt, input, &from),
            FromWorker::Seceded(key, attempt, seceded) => self.seceded(worker, key, attempt, seceded),
            FromWorker::Acquired(key) => match self.tasks.find(key) {
                Some(ix) if self.tasks[ix].is_there() => self.add_holder(ix, worker),
                Some(ix) if self.tasks[ix].state == State::Assigned(worker) => {} // it will say that it is done
                _ => self.tell(worker, ToWorker::Drop(vec![key])),
            },
            FromWorker::NotAcquired(_) => self.move_again(),
            FromWorker::Status(status) => {
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.status = status;
                }
                self.fleet.relist(worker);
                self.hungry.push(worker);
            }
            FromWorker::Leave => self.retire(worker),
        }
    }

    fn submit(&mut self, client: ClientId, submit: Submit) {
        let Submit { blobs, groups, rules, tasks } = submit;
        self.generation = self.generation.wrapping_add(1);
        for (id, bytes) in blobs {
            self.blob_ids.entry(id).or_insert_with(|| {
                let blob = Blob { id, bytes, users: 0 };
                match self.free_blobs.pop() {
                    Some(number) => {
                        self.blobs[number as usize] = blob;
                        number
                    }
                    None => {
                        self.blobs.push(blob);
                        self.blobs.len() as u32 - 1
                    }
                }
            });
        }
        let groups: Vec<u32> = groups.into_iter().map(|name| self.group(name)).collect();
        let rules: Vec<(Arc<Rules>, u32)> = rules.into_iter().map(|rules| self.class(rules)).collect();
        let mut wanted = Vec::new();
        for task in tasks {
            let (key, wants) = (task.key, task.wanted);
            match self.intern(task, &groups, &rules) {
                Ok(ix) if wants => wanted.push(ix),
                Ok(_) => {}
                Err((kind, message)) => self.refuse(client, key, kind, &message),
            }
        }
        for ix in wanted {
            self.want(ix, client);
        }
    }

    /// The record of a task, new or known.
    fn intern(&mut self, task: Task, groups: &[u32], rules: &[(Arc<Rules>, u32)]) -> Result<Ix, (FailureKind, String)> {
        let blob = match task.blob {
            None => NO_BLOB,
            Some(id) => *self
                .blob_ids
                .get(&id)
                .ok_or_else(|| (FailureKind::Unknown, "its function has not been sent".to_owned()))?,
        };
        let mut inputs: SmallVec<[Ix; 2]> = SmallVec::with_capacity(task.inputs.len());
        for input in &task.inputs {
            match self.tasks.find(*input) {
                Some(ix) => inputs.push(ix),
                None => return Err((FailureKind::Unknown, format!("its input {input} is not known to the scheduler"))),
            }
        }
        if inputs.len() > 1 {
            let mut seen = Set::default();
            inputs.retain(|ix| seen.insert(*ix));
        }
        if let Some(ix) = self.tasks.find(task.key) {
            let known = &self.tasks[ix];
            let same =
                known.blob == blob && known.index == task.index && known.args == task.args && known.inputs == inputs;
            return if same || blob == NO_BLOB {
                Ok(ix)
            } else {
                Err((FailureKind::Redefined, "its key is in use for another call; choose another key".to_owned()))
            };
        }
        let (rules, class) = match task.rules.checked_sub(1).and_then(|number| rules.get(number as usize)) {
            Some((rules, class)) => (Some(Arc::clone(rules)), *class),
            None => (None, 0),
        };
        let urgency = rules.as_ref().map_or(0, |rules| rules.priority.saturating_neg());
        let record = Record {
            key: task.key,
            blob,
            index: task.index,
            args: task.args,
            group: groups.get(task.group as usize).copied().unwrap_or(0),
            class,
            retries_left: rules.as_ref().map_or(0, |rules| rules.retries.min(u32::from(u16::MAX)) as u16),
            rules,
            priority: Priority { urgency, generation: self.generation, place: task.place },
            state: State::Released,
            pending: 0,
            readers: 0,
            attempt: 0,
            inputs: inputs.clone(),
            dependents: SmallVec::new(),
            wanted: SmallVec::new(),
            holders: SmallVec::new(),
            value: None,
            nbytes: task.nbytes,
            failure: None,
            expected: 0,
            deaths: 0,
            suspect: false,
            recalled: false,
        };
        let ix = self.tasks.insert(record);
        for input in inputs {
            self.tasks[input].dependents.push(ix);
        }
        if blob != NO_BLOB {
            self.blobs[blob as usize].users += 1;
        }
        if !self.unclaimed.is_empty()
            && let Some(holders) = self.unclaimed.remove(&task.key)
        {
            for (worker, nbytes) in holders {
                if self.fleet.get(worker).is_some() {
                    self.claim(ix, worker, nbytes);
                }
            }
        }
        Ok(ix)
    }

    fn group(&mut self, name: Arc<str>) -> u32 {
        *self.group_names.entry(name).or_insert_with_key(|name| {
            self.groups.push(Group { name: Arc::clone(name), micros: None, done: 0, spent: 0 });
            self.groups.len() as u32 - 1
        })
    }

    /// The class of tasks with these rules; 0 is that of tasks which every worker may run.
    fn class(&mut self, rules: Rules) -> (Arc<Rules>, u32) {
        let rules = Arc::new(rules);
        if (rules.workers.is_empty() || rules.allow_other_workers) && rules.resources.is_empty() {
            return (rules, 0);
        }
        let alike = |class: &Class| {
            class.rules.resources == rules.resources
                && (class.rules.allow_other_workers || class.rules.workers == rules.workers)
        };
        if let Some(number) = self.classes.iter().skip(1).position(alike) {
            return (rules, number as u32 + 1);
        }
        let number = self.classes.len() as u32;
        self.classes.push(Class { rules: Arc::clone(&rules), queue: BTreeSet::new(), since: None });
        let able: Vec<WorkerId> =
            self.fleet.iter().filter(|(_, worker)| may_run(&rules, worker)).map(|(id, _)| id).collect();
        for id in able {
            if let Some(worker) = self.fleet.get_mut(id) {
                worker.classes.push(number);
            }
        }
        (rules, number)
    }

    fn scattered(&mut self, client: ClientId, key: Key, nbytes: u64, worker: WorkerId) {
        let ix = match self.tasks.find(key) {
            Some(ix) => ix,
            None => {
                let task = Task {
                    key,
                    blob: None,
                    index: 0,
                    args: Bytes::new(),
                    inputs: Vec::new(),
                    nbytes,
                    group: 0,
                    rules: 0,
                    place: 0,
                    wanted: true,
                };
                let group = self.group("data".into());
                match self.intern(task, &[group], &[]) {
                    Ok(ix) => ix,
                    Err((kind, message)) => return self.refuse(client, key, kind, &message),
                }
            }
        };
        self.claim(ix, worker, nbytes);
        self.want(ix, client);
    }

    pub(crate) fn refuse(&mut self, client: ClientId, key: Key, kind: FailureKind, message: &str) {
        let failure = Failure { kind, origin: key, message: message.to_owned(), exception: Bytes::new() };
        self.answer(client, ToClient::Failed { key, failure: Arc::new(failure) });
    }

    pub(crate) fn drop_blob_user(&mut self, blob: u32) {
        if blob == NO_BLOB {
            return;
        }
        self.blobs[blob as usize].users -= 1;
    }

    /// Forgets the blobs that no task is a call of, and says which.
    pub(crate) fn forget_unused_blobs(&mut self) -> Vec<BlobId> {
        let mut unused = Vec::new();
        for (number, blob) in (0..).zip(&mut self.blobs) {
            if blob.users == 0 && self.blob_ids.get(&blob.id) == Some(&number) {
                blob.bytes = Bytes::new();
                self.blob_ids.remove(&blob.id);
                self.free_blobs.push(number);
                self.fleet.forget_blob(number);
                unused.push(blob.id);
            }
        }
        unused
    }

    /// Microseconds that a task is expected to run.
    pub(crate) fn expected(&self, ix: Ix) -> u64 {
        let group = self.tasks[ix].group as usize;
        self.groups.get(group).and_then(|group| group.micros).unwrap_or(UNKNOWN).max(SHORTEST)
    }

    /// What a worker is told to run.
    pub(crate) fn queue_of(&self, ix: Ix) -> Queue {
        let task = &self.tasks[ix];
        if task.suspect {
            return Queue::Suspects;
        }
        if task.class != 0 {
            return Queue::Class(task.class);
        }
        if let Some(rules) = &task.rules
            && !rules.workers.is_empty()
        {
            let wished = self
                .fleet
                .iter()
                .filter(|(_, worker)| worker.takes_tasks() && rules.workers.iter().any(|name| worker.is_called(name)))
                .min_by_key(|(id, worker)| (worker.wait() + worker.near_load, *id));
            if let Some((id, _)) = wished {
                return Queue::Near(id);
            }
        }
        self.nearest(ix).map_or(Queue::Class(0), Queue::Near)
    }
}

pub(crate) fn may_run(rules: &Rules, worker: &Worker) -> bool {
    let named = rules.workers.is_empty()
        || rules.allow_other_workers
        || rules.workers.iter().any(|name| worker.is_called(name));
    named && worker.could_have_resources(&rules.resources)
}

/// What there is, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Records of tasks.
    pub tasks: usize,
    /// Tasks that have run since the start.
    pub done: u64,
    /// Tasks that could run and wait for a worker.
    pub queued: usize,
    /// Tasks on workers.
    pub processing: usize,
    /// Values that somebody needs.
    pub in_memory: usize,
    /// Tasks that failed and are remembered.
    pub failed: usize,
    /// Expected seconds of all that is queued or on workers.
    pub expected_seconds: f64,
}

/// What is known of one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSummary {
    /// Which.
    pub id: WorkerId,
    /// What it said of itself.
    pub info: WorkerInfo,
    /// How it was when it last said so.
    pub status: crate::message::Status,
    /// How many tasks it has.
    pub processing: usize,
    /// How many values it holds.
    pub holds: usize,
    /// Bytes of those.
    pub held_bytes: u64,
    /// Whether it is about to leave.
    pub retiring: bool,
    /// Microseconds since it was heard of.
    pub silent: Micros,
}

impl Scheduler {
    /// Numbers for people and for adaptive scaling. O(tasks).
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { tasks: self.tasks.len(), done: self.done_total, ..Summary::default() };
        let mut micros = 0;
        for (ix, task) in self.tasks.iter() {
            match task.state {
                State::Ready(_) => {
                    summary.queued += 1;
                    micros += self.expected(ix);
                }
                State::Assigned(_) => {
                    summary.processing += 1;
                    micros += u64::from(task.expected);
                }
                State::Waiting => micros += self.expected(ix),
                State::Memory => summary.in_memory += 1,
                State::Failed => summary.failed += 1,
                State::Released => {}
            }
        }
        summary.expected_seconds = micros as f64 * 1e-6;
        summary
    }

    /// The same by what tasks are called: those of which there are any, or have been. O(tasks).
    pub fn groups(&self) -> Vec<GroupSummary> {
        let mut groups: Vec<GroupSummary> = self
            .groups
            .iter()
            .map(|group| GroupSummary {
                name: Arc::clone(&group.name),
                done: group.done,
                micros: group.spent,
                waiting: 0,
                queued: 0,
                processing: 0,
                in_memory: 0,
                failed: 0,
            })
            .collect();
        for (_, task) in self.tasks.iter() {
            let Some(group) = groups.get_mut(task.group as usize) else { continue };
            match task.state {
                State::Waiting => group.waiting += 1,
                State::Ready(_) => group.queued += 1,
                State::Assigned(_) => group.processing += 1,
                State::Memory => group.in_memory += 1,
                State::Failed => group.failed += 1,
                State::Released => {}
            }
        }
        groups
    }

    /// The tasks that have run lately, from number `after` on as far as they are remembered, and the number of the next.
    pub fn ran_since(&self, after: u64) -> (u64, Vec<Ran>) {
        let (next, tasks) = self.recent.since(after);
        (next, tasks.copied().collect())
    }

    /// What the tasks of a group are called.
    pub fn group_name(&self, group: u32) -> &str {
        self.groups.get(group as usize).map_or("task", |group| &group.name)
    }

    /// All workers, in the order in which they came.
    pub fn workers(&self) -> Vec<WorkerSummary> {
        let mut workers: Vec<WorkerSummary> = self
            .fleet
            .iter()
            .map(|(id, worker)| WorkerSummary {
                id,
                info: worker.info.clone(),
                status: worker.status,
                processing: worker.assigned.len(),
                holds: worker.holds.len(),
                held_bytes: worker.held_bytes,
                retiring: worker.duty == Duty::Retiring,
                silent: self.now.saturating_sub(worker.last_seen),
            })
            .collect();
        workers.sort_by_key(|worker| worker.id);
        workers
    }

    /// The keys of the values that a worker holds.
    pub fn held_by(&self, worker: WorkerId) -> Vec<Key> {
        let holds = self.fleet.get(worker).map(|worker| worker.holds.iter().map(|ix| self.tasks[*ix].key).collect());
        holds.unwrap_or_default()
    }

    /// The keys of the tasks that a worker has.
    pub fn assigned_to(&self, worker: WorkerId) -> Vec<Key> {
        let tasks = self.fleet.get(worker).map(|worker| worker.assigned.iter().map(|ix| self.tasks[*ix].key).collect());
        tasks.unwrap_or_default()
    }

    /// Where a task is on its way, what it waits for, and why no worker has it, for people.
    pub fn explain(&self, key: Key) -> String {
        let Some(ix) = self.tasks.find(key) else { return "not known to the scheduler".to_owned() };
        let task = &self.tasks[ix];
        match task.state {
            State::Released => "known, but nobody needs its value".to_owned(),
            State::Waiting => {
                let missing = task.inputs.iter().filter(|input| !self.tasks[**input].is_there()).take(5);
                let names: Vec<String> = missing
                    .map(|input| {
                        let input = &self.tasks[*input];
                        let group = self.groups.get(input.group as usize).map_or("task", |group| &group.name);
                        format!("{group}-{}", input.key)
                    })
                    .collect();
                format!("waits for {} of its inputs: {}", task.pending, names.join(", "))
            }
            State::Ready(queue) => self.explain_ready(task, queue),
            State::Assigned(worker) => {
                let name = self.fleet.get(worker).map_or("a worker", |worker| &worker.info.address);
                format!("on worker {name}")
            }
            State::Memory => format!("done; {} bytes on {} workers", task.nbytes, task.holders.len()),
            State::Failed => {
                let message = task.failure.as_ref().map_or("", |failure| &failure.message);
                format!("failed: {message}")
            }
        }
    }

    fn explain_ready(&self, task: &Record, queue: Queue) -> String {
        if self.fleet.len() == 0 {
            return "could run, but there is no worker".to_owned();
        }
        if queue == Queue::Suspects {
            return "waits to run alone on a worker: one that it was on has died".to_owned();
        }
        let mut reasons: Vec<String> = self
            .fleet
            .iter()
            .map(|(_, worker)| {
                let name = &worker.info.address;
                let rules = &self.classes[task.class as usize].rules;
                let reason = if worker.duty == Duty::Retiring {
                    "is retiring"
                } else if worker.status.paused {
                    "is paused: it is short of memory"
                } else if !worker.could_have_resources(&rules.resources) {
                    "does not have the resources"
                } else if !may_run(rules, worker) {
                    "is not among the workers allowed"
                } else if !worker.has_resources(&rules.resources) {
                    "has its resources in use"
                } else if worker.isolates.is_some() {
                    "is kept for a task that may have killed another worker"
                } else {
                    "has work enough for now"
                };
                format!("{name} {reason}")
            })
            .collect();
        reasons.sort();
        format!("could run; {}", reasons.join("; "))
    }

    /// Panics if anything contradicts anything else. For tests: O(everything).
    ///
    /// # Panics
    /// See above.
    pub fn validate(&self) {
        for (ix, task) in self.tasks.iter() {
            let readers = task.dependents.iter().filter(|reader| self.tasks[**reader].reads()).count() as u32;
            assert_eq!(task.readers, readers, "readers of {:?} in {:?}", task.key, task.state);
            for input in &task.inputs {
                assert!(self.tasks[*input].dependents.contains(&ix), "inputs know their dependents");
            }
            match task.state {
                State::Released => {
                    assert!(!task.is_needed(), "{:?} is needed and lies about", task.key);
                    assert!(!task.dependents.is_empty(), "{:?} should be forgotten", task.key);
                    assert!(task.holders.is_empty() && task.value.is_none());
                }
                State::Waiting => {
                    let pending = task.inputs.iter().filter(|input| !self.tasks[**input].is_there()).count() as u32;
                    assert_eq!(task.pending, pending, "pending of {:?}", task.key);
                    assert!(pending > 0, "{:?} waits for nothing", task.key);
                    assert!(task.is_needed());
                }
                State::Ready(queue) => {
                    let entry = (task.priority, ix);
                    let there = match queue {
                        Queue::Class(class) => self.classes[class as usize].queue.contains(&entry),
                        Queue::Suspects => self.suspects.contains(&entry),
                        Queue::Near(id) => self.fleet.get(id).is_some_and(|worker| worker.near.contains(&entry)),
                    };
                    assert!(there, "{:?} is in its queue {queue:?}", task.key);
                    assert!(task.inputs.iter().all(|input| self.tasks[*input].is_there()));
                    assert!(task.is_needed());
                }
                State::Assigned(id) => {
                    let worker = self.fleet.get(id);
                    assert!(worker.is_some_and(|worker| worker.assigned.contains(&ix)), "{:?} is on {id:?}", task.key);
                    assert!(task.is_needed() || task.recalled);
                }
                State::Memory => {
                    assert!(!task.holders.is_empty() || task.value.is_some());
                    assert!(task.is_needed(), "{:?} is kept for nobody", task.key);
                    for id in &task.holders {
                        assert!(self.fleet.get(*id).is_some_and(|worker| worker.holds.contains(&ix)));
                    }
                }
                State::Failed => assert!(task.failure.is_some()),
            }
        }
        for (_, worker) in self.fleet.iter() {
            let load: u64 = worker.assigned.iter().map(|ix| u64::from(self.tasks[*ix].expected)).sum();
            assert_eq!(worker.load, load);
            assert!(worker.holds.iter().all(|ix| self.tasks.contains(*ix)));
        }
        let idle = self.fleet.open().find(|id| self.fleet.get(*id).is_some_and(|worker| worker.assigned.is_empty()));
        assert!(idle.is_none() || self.classes[0].queue.is_empty(), "a worker idles beside work");
    }
}
