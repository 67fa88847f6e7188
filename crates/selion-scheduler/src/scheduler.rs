//! The scheduler: what happens comes in, what is to be said goes out.
//!
//! `flow` moves tasks from state to state, `place` chooses workers, `loss` mends what dead workers leave behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::adaptive::Member;
use crate::fleet::{Duty, Fleet, Worker};
use crate::ids::{Map, Set};
use crate::message::{
    Failure, FailureKind, FromClient, FromWorker, Rules, Submit, Task, ToClient, ToWorker, WorkerInfo,
};
use crate::recent::{Ran, Recent};
use crate::records::{Ix, NO_BLOB, Queue, Record, Records, State};
use crate::{BlobId, ClientId, Key, Micros, Priority, WorkerId};

/// Runs shorter than this cost as much as this: messages, bookkeeping.
pub(crate) const SHORTEST: u64 = 20;
/// What a task is taken to run for before one of its kind has run. Microseconds.
pub(crate) const UNKNOWN: u64 = 10_000;

/// How long nothing is sent out after a client came back from another scheduler: workers come back meanwhile.
const RETURN: Micros = 600_000;

/// Larger values, and longer times, are taken to be this: sums of them stay numbers.
pub(crate) const MOST: u64 = 1 << 44;

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
    /// Whether it is in [`Scheduler::stirred`].
    pub(crate) stirred: bool,
}

impl Class {
    fn new(rules: Arc<Rules>) -> Self {
        Class { rules, queue: BTreeSet::new(), since: None, stirred: false }
    }
}

#[derive(Default)]
pub(crate) struct Client {
    /// What it has wanted since the list was last tidied: a list takes a tenth of the time of a set.
    pub(crate) wishes: Vec<Ix>,
    /// How many tasks it wants.
    pub(crate) wants: usize,
    outbox: Vec<ToClient>,
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
///     blobs: vec![(BlobId(9), "inc".into())], groups: vec!["inc".into()], tasks: vec![task], ..Submit::default()
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
    pub(crate) clients: Map<ClientId, Client>,
    pub(crate) groups: Vec<Group>,
    group_names: HashMap<Arc<str>, u32>,
    pub(crate) classes: Vec<Class>,
    /// The classes by what they say.
    class_names: HashMap<String, u32>,
    /// Classes of restrictions of which a task may have become able to go somewhere.
    pub(crate) stirred: Vec<u32>,
    pub(crate) blobs: Vec<Blob>,
    free_blobs: Vec<u32>,
    blob_ids: Map<BlobId, u32>,
    /// Suspects that could run, by class.
    pub(crate) suspects: BTreeMap<u32, BTreeSet<(Priority, Ix)>>,
    /// Workers by how much lies in their own queue.
    pub(crate) backlogs: BTreeSet<(u64, WorkerId)>,
    /// Workers that may have become able to take more.
    pub(crate) hungry: Vec<WorkerId>,
    /// Values and runs of workers from before, which no client has asked for yet.
    pub(crate) unclaimed: Map<Key, SmallVec<[(WorkerId, u64); 1]>>,
    /// What is known only from workers, and has just come to be named.
    adopted: Vec<Ix>,
    pub(crate) unclaimed_runs: Map<Key, (WorkerId, u32)>,
    pub(crate) unclaimed_since: Micros,
    pub(crate) retiring: Vec<WorkerId>,
    pub(crate) held_until: Micros,
    /// Whether something that only a retiring worker holds is to be moved.
    pub(crate) moves_due: bool,
    generation: u32,
    /// Clients that something is to be said to, in the order in which it came up.
    answered: Vec<ClientId>,
    pub(crate) others: Vec<Action>,
    pub(crate) done_total: u64,
    /// Tasks that could run and do not, and since when that was seen.
    pub(crate) stalled: Map<Key, Micros>,
    /// Where the watchdog goes on looking.
    pub(crate) looked_at: Ix,
    pub(crate) recent: Recent,
}

impl Scheduler {
    /// A scheduler without workers, clients, tasks.
    pub fn new(config: Config) -> Self {
        Scheduler {
            config,
            now: 0,
            tasks: Records::default(),
            fleet: Fleet::default(),
            clients: Map::default(),
            groups: Vec::new(),
            group_names: HashMap::new(),
            classes: vec![Class::new(Arc::new(Rules::default()))],
            class_names: HashMap::new(),
            stirred: Vec::new(),
            blobs: Vec::new(),
            free_blobs: Vec::new(),
            blob_ids: Map::default(),
            suspects: BTreeMap::new(),
            backlogs: BTreeSet::new(),
            hungry: Vec::new(),
            unclaimed: Map::default(),
            adopted: Vec::new(),
            unclaimed_runs: Map::default(),
            unclaimed_since: 0,
            retiring: Vec::new(),
            held_until: 0,
            moves_due: false,
            generation: 0,
            answered: Vec::new(),
            others: Vec::new(),
            done_total: 0,
            stalled: Map::default(),
            looked_at: 0,
            recent: Recent::default(),
        }
    }

    /// What is to be done after all that was reported since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        self.settle();
        let mut actions = std::mem::take(&mut self.others);
        actions.extend(self.fleet.take_outboxes().map(|(worker, messages)| Action::Tell(worker, messages)));
        for id in std::mem::take(&mut self.answered) {
            if let Some(client) = self.clients.get_mut(&id) {
                actions.push(Action::Answer(id, std::mem::take(&mut client.outbox)));
            }
        }
        actions
    }

    /// Time has passed; to be called before events, and at least every second.
    pub fn tick(&mut self, now: Micros) {
        self.now = self.now.max(now);
    }

    pub(crate) fn tell(&mut self, worker: WorkerId, message: ToWorker) {
        self.fleet.tell(worker, message);
    }

    pub(crate) fn answer(&mut self, client: ClientId, message: ToClient) {
        if let Some(record) = self.clients.get_mut(&client) {
            if record.outbox.is_empty() {
                self.answered.push(client);
            }
            record.outbox.push(message);
        }
    }

    /// A client has come.
    pub fn client_joined(&mut self, client: ClientId) {
        self.clients.entry(client).or_default();
    }

    /// A client has gone: nothing that only it wanted goes on.
    pub fn client_left(&mut self, client: ClientId) {
        let Some(record) = self.clients.remove(&client) else { return };
        for ix in record.wishes {
            // What it did not want any more may be forgotten.
            if self.tasks.contains(ix) && crate::records::unlink(&mut self.tasks[ix].wanted, &client) {
                self.check_needed(ix);
            }
        }
    }

    /// A worker has come, or come back.
    pub fn worker_joined(&mut self, id: WorkerId, mut info: WorkerInfo) {
        let holds = std::mem::take(&mut info.holds);
        let runs = std::mem::take(&mut info.runs);
        let worker = Worker::new(info, self.now);
        let able = (0..).zip(&self.classes).skip(1).filter(|(_, class)| may_run(&class.rules, &worker));
        let able: Vec<(u32, Arc<Rules>)> = able.map(|(number, class)| (number, Arc::clone(&class.rules))).collect();
        self.fleet.insert(id, worker);
        for (class, rules) in able {
            self.fleet.enable(id, class, rules);
        }
        self.moves_due = true;
        if !holds.is_empty() || !runs.is_empty() {
            self.unclaimed_since = self.now;
        }
        for (key, nbytes) in holds.into_iter().map(|(key, nbytes)| (key, nbytes.min(MOST))) {
            match self.tasks.find(key) {
                Some(ix) => {
                    self.claim(ix, id, nbytes);
                    self.check_needed(ix);
                }
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
                    self.scattered(client, key, nbytes.min(MOST), worker);
                }
            }
            FromClient::Want(keys) => {
                for key in keys {
                    match self.find_or_adopt(key) {
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
                self.done(worker, key, attempt, nbytes.min(MOST), micros.min(MOST), value);
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
            FromWorker::NotAcquired(key) => match self.tasks.find(key) {
                // It was asked whether it still has it.
                Some(ix) if self.tasks[ix].holders.contains(&worker) => self.lose_copy(ix, worker),
                _ => {} // what is to be moved is tried again with the next watch
            },
            FromWorker::Status(status) => self.status(worker, status),
            FromWorker::Times(times) => {
                if let Some(record) = self.fleet.get_mut(worker) {
                    record.times = times;
                }
            }
            FromWorker::Leave => self.retire(worker),
        }
    }

    fn submit(&mut self, client: ClientId, submit: Submit) {
        let Submit { blobs, groups, rules, tasks, again } = submit;
        if again {
            self.held_until = self.now + RETURN;
        }
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
        let (mut wanted, mut others) = (Vec::new(), Vec::new());
        for task in tasks {
            let (key, wants) = (task.key, task.wanted);
            match self.intern(task, &groups, &rules) {
                Ok(ix) if wants => wanted.push(ix),
                Ok(ix) => others.push(ix),
                Err((kind, message)) => self.refuse(client, key, kind, &message),
            }
        }
        for ix in wanted {
            self.want(ix, client);
        }
        // What nobody wants and nothing reads is not remembered.
        others.append(&mut self.adopted);
        for ix in others {
            self.check_needed(ix);
        }
    }

    fn status(&mut self, id: WorkerId, status: crate::message::Status) {
        let Some(record) = self.fleet.get_mut(id) else { return };
        let pauses = status.paused && !record.status.paused;
        record.status = status;
        self.fleet.relist(id);
        if pauses {
            self.requeue_near(id);
            // What it has not begun others may begin at once.
            if self.fleet.open(0).next().is_some() {
                self.recall_all(id);
            }
        }
        self.hungry.push(id);
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
        let mut inputs: SmallVec<[Ix; 4]> = SmallVec::with_capacity(task.inputs.len());
        let reads = if blob == NO_BLOB { &[][..] } else { &task.inputs[..] }; // data reads nothing
        for input in reads {
            match self.find_or_adopt(*input) {
                Some(ix) => inputs.push(ix),
                None => return Err((FailureKind::Unknown, format!("its input {input} is not known to the scheduler"))),
            }
        }
        if inputs.len() > 8 {
            let mut seen = Set::default();
            inputs.retain(|ix| seen.insert(*ix));
        } else {
            for at in (1..inputs.len()).rev() {
                if inputs[..at].contains(&inputs[at]) {
                    inputs.remove(at);
                }
            }
        }
        if let Some(ix) = self.tasks.find(task.key) {
            let known = &self.tasks[ix];
            if known.blob == NO_BLOB && blob != NO_BLOB && known.is_there() && !inputs.contains(&ix) {
                // Its value was known, but not how it was made.
                self.blobs[blob as usize].users += 1;
                for input in &inputs {
                    self.tasks[*input].dependents.push(ix);
                }
                let known = &mut self.tasks[ix];
                (known.blob, known.index, known.args, known.inputs) = (blob, task.index, task.args, inputs);
                return Ok(ix);
            }
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
            nbytes: task.nbytes.min(MOST),
            failure: None,
            expected: 0,
            deaths: 0,
            suspect: false,
            lacked: 0,
            begun: false,
            recalled: false,
            cancelled: false,
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

    /// The task of a key; one that no client has told of, but of which workers hold the value from before, is known as
    /// data from now on.
    fn find_or_adopt(&mut self, key: Key) -> Option<Ix> {
        if let Some(ix) = self.tasks.find(key) {
            return Some(ix);
        }
        if !self.unclaimed.contains_key(&key) {
            return None;
        }
        let task = Task {
            key,
            blob: None,
            index: 0,
            args: Bytes::new(),
            inputs: Vec::new(),
            nbytes: 0,
            group: 0,
            rules: 0,
            place: 0,
            wanted: false,
        };
        let group = self.group("data".into());
        let ix = self.intern(task, &[group], &[]).ok()?;
        self.adopted.push(ix);
        Some(ix)
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
        let workers = if rules.allow_other_workers { &[][..] } else { &rules.workers[..] };
        let name = format!("{workers:?} {:?}", rules.resources);
        if let Some(number) = self.class_names.get(&name) {
            return (rules, *number);
        }
        let number = self.classes.len() as u32;
        self.class_names.insert(name, number);
        self.classes.push(Class::new(Arc::clone(&rules)));
        let able = self.fleet.iter().filter(|(_, worker)| may_run(&rules, worker)).map(|(id, _)| id);
        for id in able.collect::<Vec<_>>() {
            self.fleet.enable(id, number, Arc::clone(&rules));
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
        if self.fleet.get(worker).is_some() {
            self.claim(ix, worker, nbytes);
        }
        self.want(ix, client); // which says that it is lost if nobody holds it
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
            let named = rules.workers.iter().flat_map(|name| self.fleet.called(name));
            let wished = named
                .filter_map(|id| Some((self.fleet.get(*id)?, *id)))
                .filter(|(worker, _)| worker.takes_tasks())
                .min_by_key(|(worker, id)| (worker.wait() + worker.near_load, *id));
            if let Some((_, id)) = wished {
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
    /// Tasks that wait for inputs.
    pub waiting: usize,
    /// Tasks on workers.
    pub processing: usize,
    /// Values that somebody needs.
    pub in_memory: usize,
    /// Tasks that failed and are remembered.
    pub failed: usize,
    /// Expected seconds of all that is queued or on workers.
    pub expected_seconds: f64,
}

/// What is known of the tasks of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSummary {
    /// What they are called.
    pub name: Arc<str>,
    /// How many have run since the start.
    pub done: u64,
    /// How long they run, in microseconds, as a moving average.
    pub micros: Option<u64>,
    /// How long those that have run did so together, in microseconds.
    pub spent: u64,
    /// Tasks known of which nobody needs the value now.
    pub released: u32,
    /// Tasks of which inputs are not there.
    pub waiting: u32,
    /// Tasks that could run and wait for a worker.
    pub queued: u32,
    /// Tasks on workers.
    pub processing: u32,
    /// Values that somebody needs.
    pub in_memory: u32,
    /// Tasks that failed and are remembered.
    pub failed: u32,
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
    /// What its threads have spent their time on.
    pub times: crate::times::Times,
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
    /// Numbers for people and for adaptive scaling. O(workers + groups).
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { tasks: self.tasks.len(), done: self.done_total, ..Summary::default() };
        let mut micros: u64 = self.fleet.iter().map(|(_, worker)| worker.load).sum();
        for (group, counts) in self.groups.iter().zip(self.tasks.counts()) {
            let count = |state: usize| counts[state] as usize;
            summary.queued += count(State::READY);
            summary.waiting += count(State::WAITING);
            summary.processing += count(State::ASSIGNED);
            summary.in_memory += count(State::MEMORY);
            summary.failed += count(State::FAILED);
            let expected = group.micros.unwrap_or(UNKNOWN).max(SHORTEST);
            micros = micros
                .saturating_add(expected.saturating_mul(u64::from(counts[State::READY] + counts[State::WAITING])));
        }
        summary.expected_seconds = micros as f64 * 1e-6;
        summary
    }

    /// What is known of the tasks of each name: those of which there are any, or have been.
    pub fn groups(&self) -> Vec<GroupSummary> {
        let groups = self.groups.iter().zip(self.tasks.counts());
        let groups = groups.filter(|(group, counts)| group.done > 0 || counts.iter().any(|count| *count > 0));
        let groups = groups.map(|(group, counts)| GroupSummary {
            name: Arc::clone(&group.name),
            done: group.done,
            micros: group.micros,
            spent: group.spent,
            released: counts[State::RELEASED],
            waiting: counts[State::WAITING],
            queued: counts[State::READY],
            processing: counts[State::ASSIGNED],
            in_memory: counts[State::MEMORY],
            failed: counts[State::FAILED],
        });
        groups.collect()
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
                times: worker.times,
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

    /// The workers, as [`adaptive::decide`](crate::adaptive::decide) sees them.
    pub fn members(&self) -> Vec<Member> {
        let alone = |ix: &Ix| self.tasks[*ix].holders.len() == 1 && self.tasks[*ix].value.is_none();
        let members = self.fleet.iter().map(|(id, worker)| Member {
            id,
            nthreads: worker.info.nthreads,
            processing: worker.assigned.len(),
            held_bytes: worker.held_bytes,
            memory_limit: worker.info.memory_limit,
            holds_alone: worker.holds.iter().any(alone),
            retiring: worker.duty == Duty::Retiring,
        });
        members.collect()
    }

    /// The keys of the values that a worker holds.
    pub fn held_by(&self, worker: WorkerId) -> Vec<Key> {
        let holds = self.fleet.get(worker).map(|worker| worker.holds.iter().map(|ix| self.tasks[*ix].key).collect());
        holds.unwrap_or_default()
    }

    /// The keys of the tasks that a worker has.
    pub fn assigned_to(&self, worker: WorkerId) -> Vec<Key> {
        let tasks =
            self.fleet.get(worker).map(|worker| worker.assigned.iter().map(|(_, ix)| self.tasks[*ix].key).collect());
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
            State::Ready(queue) => self.explain_ready(ix, queue),
            State::Assigned(worker) => {
                let name = self.fleet.get(worker).map_or("a worker", |worker| worker.label());
                let missing = task.inputs.iter().filter(|input| !self.tasks[**input].is_there()).count();
                let doing = if task.begun {
                    "begun".to_owned()
                } else if missing > 0 {
                    format!("waits there for {missing} inputs that it makes before")
                } else {
                    "running, or among the next to run".to_owned()
                };
                let back = if task.recalled { "; asked to give it back if it has not begun" } else { "" };
                format!("on worker {name}: {doing}{back}")
            }
            State::Memory => format!("done; {} bytes on {} workers", task.nbytes, task.holders.len()),
            State::Failed => {
                let message = task.failure.as_ref().map_or("", |failure| &failure.message);
                format!("failed: {message}")
            }
        }
    }

    fn explain_ready(&self, ix: Ix, queue: Queue) -> String {
        let task = &self.tasks[ix];
        if self.fleet.len() == 0 {
            return "could run, but there is no worker".to_owned();
        }
        if self.now < self.held_until {
            return "could run; the scheduler waits a moment for workers that may hold its value".to_owned();
        }
        let place = match queue {
            Queue::Suspects => "could run, alone on a worker, because workers have died that it was on".to_owned(),
            Queue::Near(id) => {
                let (name, before) = self.fleet.get(id).map_or(("a worker", 0), |worker| {
                    (worker.label(), worker.near.range(..(task.priority, ix)).count())
                });
                format!("could run; {name} holds most of what it reads, and has {before} tasks like that before it")
            }
            Queue::Class(class) => {
                let before = self.classes[class as usize].queue.range(..(task.priority, ix)).take(1_000).count();
                format!("could run; {before} tasks are before it")
            }
        };
        // Which rule refused which workers: all of them, a few by name.
        let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (_, worker) in self.fleet.iter() {
            refused.entry(self.refusal(task, worker)).or_default().push(worker.label());
        }
        let refusals = refused.into_iter().map(|(reason, mut names)| {
            names.sort_unstable();
            let more = match names.len() {
                0..=3 => String::new(),
                count => format!(" and {} more", count - 3),
            };
            names.truncate(3);
            format!("{}{more}: {reason}", names.join(", "))
        });
        format!("{place}. {}", refusals.collect::<Vec<_>>().join("; "))
    }

    /// Why a worker does not take a task that could run.
    fn refusal(&self, task: &Record, worker: &Worker) -> String {
        let rules = &self.classes[task.class as usize].rules;
        let resources = |list: &[(String, f64)]| {
            let list: Vec<String> = list.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
            list.join(" ")
        };
        if worker.duty == Duty::Retiring {
            "retiring".to_owned()
        } else if worker.status.paused {
            "paused, short of memory".to_owned()
        } else if !worker.could_have_resources(&rules.resources) {
            format!("has not {}", resources(&rules.resources))
        } else if !may_run(rules, worker) {
            format!("not among {}", rules.workers.join(" "))
        } else if !worker.has_resources(&rules.resources) {
            format!("{} in use", resources(&rules.resources))
        } else if worker.isolates.is_some() {
            "kept for a task that may have killed another worker".to_owned()
        } else if worker.is_open() {
            "takes it next".to_owned()
        } else {
            "has work enough for now".to_owned()
        }
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
                        Queue::Suspects => self.suspects.get(&task.class).is_some_and(|queue| queue.contains(&entry)),
                        Queue::Near(id) => self.fleet.get(id).is_some_and(|worker| worker.near.contains(&entry)),
                    };
                    assert!(there, "{:?} is in its queue {queue:?}", task.key);
                    assert!(task.inputs.iter().all(|input| self.tasks[*input].is_there()));
                    assert!(task.is_needed());
                }
                State::Assigned(id) => {
                    let worker = self.fleet.get(id);
                    assert!(
                        worker.is_some_and(|worker| worker.assigned.contains(&(task.priority, ix))),
                        "{:?} is on {id:?}",
                        task.key
                    );
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
        let mut counts = vec![[0; State::COUNT]; self.tasks.counts().len()];
        for (_, task) in self.tasks.iter() {
            counts[task.group as usize][task.state.number()] += 1;
        }
        assert_eq!(counts, self.tasks.counts());
        self.fleet.validate();
        for (id, worker) in self.fleet.iter() {
            let load: u64 = worker.assigned.iter().map(|(_, ix)| u64::from(self.tasks[*ix].expected)).sum();
            assert_eq!(worker.load, load, "load of {id:?}");
            assert!(worker.assigned.iter().all(|(_, ix)| self.tasks[*ix].state == State::Assigned(id)));
            assert!(worker.holds.iter().all(|ix| self.tasks[*ix].holders.contains(&id)));
            let held: u64 = worker.holds.iter().map(|ix| self.tasks[*ix].nbytes).sum();
            assert_eq!(worker.held_bytes, held, "bytes held by {id:?}");
            for (_, ix) in &worker.near {
                assert_eq!(self.tasks[*ix].state, State::Ready(Queue::Near(id)));
            }
            let near: u64 = worker.near.iter().map(|(_, ix)| u64::from(self.tasks[*ix].expected)).sum();
            assert_eq!(worker.near_load, near, "backlog of {id:?}");
            for ix in worker.leaving.keys() {
                assert!(worker.holds.contains(ix) && worker.duty == Duty::Retiring);
            }
        }
        for (id, client) in &self.clients {
            let wanted = self.tasks.iter().filter(|(_, task)| task.wanted.contains(id));
            assert_eq!(client.wants, wanted.count(), "wishes of {id:?}");
        }
        if self.now < self.held_until {
            return;
        }
        for (number, class) in (0..).zip(&self.classes) {
            let stuck = self.fleet.open(number).next().filter(|_| !class.queue.is_empty());
            assert!(stuck.is_none(), "{stuck:?} takes more and there is more for it");
        }
        for (_, worker) in self.fleet.iter() {
            assert!(!worker.is_open() || worker.near.is_empty(), "a worker idles beside its own work");
        }
        for class in self.suspects.keys() {
            assert!(self.fleet.idle(*class).is_none(), "a worker idles beside a suspect");
        }
    }
}
