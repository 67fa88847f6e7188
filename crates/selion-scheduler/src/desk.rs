//! The bookkeeping of one worker: what it was given, what it holds, what it may start next, and what it has to fetch.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ids::Map;
use crate::message::{Assignment, Failure, FromWorker, Source, ToWorker};
use crate::times::Doing;
use crate::{Key, Priority, WorkerId};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Some inputs are not here.
    Waiting(u32),
    Ready,
    Running,
}

struct Local {
    assignment: Assignment,
    stage: Stage,
}

struct Held<V> {
    value: V,
    nbytes: u64,
}

/// A value on its way here.
struct Fetching {
    nbytes: u64,
    asked: WorkerId,
    left: SmallVec<[WorkerId; 2]>,
    tried: SmallVec<[WorkerId; 2]>,
    /// Whether the scheduler asked for it, not a task.
    for_scheduler: bool,
}

/// A value to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// From whom.
    pub peer: WorkerId,
    /// Which.
    pub key: Key,
    /// About how large.
    pub nbytes: u64,
}

/// An input of a task that is about to run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<V> {
    /// The value.
    Here(V),
    /// The value as it came with the task.
    Encoded(Bytes),
}

/// A task that is to run now.
#[derive(Clone, Debug, PartialEq)]
pub struct Start<V> {
    /// What was assigned.
    pub assignment: Assignment,
    /// Its inputs, in order.
    pub inputs: SmallVec<[Input<V>; 2]>,
}

/// What a worker does, but for doing it: values are of a type that only the shell around it understands.
pub struct Desk<V> {
    tasks: Map<Key, Local>,
    ready: BTreeSet<(Priority, Key)>,
    values: Map<Key, Held<V>>,
    /// Which tasks wait for a value.
    waiting: Map<Key, SmallVec<[Key; 2]>>,
    fetching: Map<Key, Fetching>,
    peers: Map<WorkerId, String>,
    outbox: Vec<FromWorker>,
    fetches: Vec<Fetch>,
    interrupts: Vec<(Key, String)>,
    closed: bool,
    held_bytes: u64,
}

impl<V> Default for Desk<V> {
    fn default() -> Self {
        Desk {
            tasks: Map::default(),
            ready: BTreeSet::new(),
            values: Map::default(),
            waiting: Map::default(),
            fetching: Map::default(),
            peers: Map::default(),
            outbox: Vec::new(),
            fetches: Vec::new(),
            interrupts: Vec::new(),
            closed: false,
            held_bytes: 0,
        }
    }
}

impl<V: Clone> Desk<V> {
    /// Something came from the scheduler; blobs are the shell's business.
    pub fn accept(&mut self, message: ToWorker) {
        match message {
            ToWorker::Run(assignment) => self.assigned(assignment),
            ToWorker::Drop(keys) => {
                for key in keys {
                    self.drop_value(key);
                }
            }
            ToWorker::Recall(key) => self.recall(key),
            ToWorker::Interrupt(key, reason) => {
                if self.tasks.get(&key).is_some_and(|task| task.stage == Stage::Running) {
                    self.interrupts.push((key, reason));
                }
            }
            ToWorker::Acquire(key, nbytes, peers) => {
                if self.values.contains_key(&key) {
                    self.outbox.push(FromWorker::Acquired(key));
                } else if !self.fetching.contains_key(&key) {
                    self.fetch(key, nbytes, &peers, true);
                }
            }
            ToWorker::Peer(id, address) => {
                self.peers.insert(id, address);
            }
            ToWorker::PeerGone(id) => {
                self.peers.remove(&id);
                let affected: Vec<Key> =
                    self.fetching.iter().filter(|(_, fetch)| fetch.asked == id).map(|(key, _)| *key).collect();
                for key in affected {
                    self.not_fetched(key, id);
                }
            }
            ToWorker::Close => self.closed = true,
            ToWorker::Blob(..) | ToWorker::DropBlob(_) => {}
        }
    }

    fn assigned(&mut self, assignment: Assignment) {
        let (key, attempt) = (assignment.key, assignment.attempt);
        if let Some(held) = self.values.get(&key) {
            self.outbox.push(FromWorker::Done { key, attempt, nbytes: held.nbytes, micros: 0, value: None });
            return;
        }
        if let Some(known) = self.tasks.get_mut(&key)
            && known.stage == Stage::Running
        {
            known.assignment.attempt = attempt;
            return;
        }
        let mut missing = 0;
        for (input, nbytes, source) in &assignment.inputs {
            if matches!(source, Source::Value(_)) || self.values.contains_key(input) {
                continue;
            }
            match source {
                Source::Here if !self.tasks.contains_key(input) && !self.fetching.contains_key(input) => {
                    self.unwait(key);
                    self.outbox.push(FromWorker::Lacking { key, attempt, input: *input, from: Vec::new() });
                    return;
                }
                Source::Peers(peers) if !self.tasks.contains_key(input) && !self.fetching.contains_key(input) => {
                    let peers = peers.clone();
                    let (input, nbytes) = (*input, *nbytes);
                    if !self.fetch(input, nbytes, &peers, false) {
                        self.unwait(key);
                        self.outbox.push(FromWorker::Lacking { key, attempt, input, from: peers });
                        return;
                    }
                }
                _ => {}
            }
            self.waiting.entry(*input).or_default().push(key);
            missing += 1;
        }
        let priority = assignment.priority;
        let stage = if missing == 0 { Stage::Ready } else { Stage::Waiting(missing) };
        if missing == 0 {
            self.ready.insert((priority, key));
        }
        self.tasks.insert(key, Local { assignment, stage });
    }

    /// Takes a task out of the lists of those that wait.
    fn unwait(&mut self, key: Key) {
        self.waiting.retain(|_, tasks| {
            tasks.retain(|other| *other != key);
            !tasks.is_empty()
        });
    }

    fn fetch(&mut self, key: Key, nbytes: u64, peers: &[WorkerId], for_scheduler: bool) -> bool {
        let mut left: SmallVec<[WorkerId; 2]> =
            peers.iter().copied().filter(|peer| self.peers.contains_key(peer)).collect();
        // Not all from the same one.
        let Some(asked) = (!left.is_empty()).then(|| left.remove(key.0 as usize % left.len())) else {
            if for_scheduler {
                self.outbox.push(FromWorker::NotAcquired(key));
            }
            return false;
        };
        self.fetches.push(Fetch { peer: asked, key, nbytes });
        self.fetching.insert(key, Fetching { nbytes, asked, left, tried: SmallVec::new(), for_scheduler });
        true
    }

    /// A value that was asked for has come.
    pub fn fetched(&mut self, key: Key, value: V, nbytes: u64) {
        if self.fetching.remove(&key).is_none() {
            return;
        }
        self.outbox.push(FromWorker::Acquired(key));
        self.hold(key, value, nbytes);
    }

    /// A worker did not give a value that it was asked for.
    pub fn not_fetched(&mut self, key: Key, peer: WorkerId) {
        let Some(fetch) = self.fetching.get_mut(&key).filter(|fetch| fetch.asked == peer) else { return };
        fetch.tried.push(peer);
        let peers = &self.peers;
        fetch.left.retain(|peer| peers.contains_key(peer));
        if let Some(next) = fetch.left.pop() {
            fetch.asked = next;
            self.fetches.push(Fetch { peer: next, key, nbytes: fetch.nbytes });
            return;
        }
        let Some(fetch) = self.fetching.remove(&key) else { return };
        if fetch.for_scheduler {
            self.outbox.push(FromWorker::NotAcquired(key));
        }
        for task in self.waiting.remove(&key).unwrap_or_default() {
            if let Some(local) = self.let_go(task) {
                let attempt = local.assignment.attempt;
                let from = fetch.tried.to_vec();
                self.outbox.push(FromWorker::Lacking { key: task, attempt, input: key, from });
                self.give_up_dependents(task, true);
            }
        }
    }

    fn hold(&mut self, key: Key, value: V, nbytes: u64) {
        self.held_bytes += nbytes;
        if let Some(before) = self.values.insert(key, Held { value, nbytes }) {
            self.held_bytes -= before.nbytes;
        }
        for task in self.waiting.remove(&key).unwrap_or_default() {
            let Some(local) = self.tasks.get_mut(&task) else { continue };
            if let Stage::Waiting(missing) = &mut local.stage {
                *missing -= 1;
                if *missing == 0 {
                    local.stage = Stage::Ready;
                    self.ready.insert((local.assignment.priority, task));
                }
            }
        }
    }

    /// Puts a value here that no task made: scattered data.
    pub fn put(&mut self, key: Key, value: V, nbytes: u64) {
        self.hold(key, value, nbytes);
    }

    fn drop_value(&mut self, key: Key) {
        if let Some(held) = self.values.remove(&key) {
            self.held_bytes -= held.nbytes;
        }
        if let Some(fetch) = self.fetching.get(&key)
            && !self.waiting.contains_key(&key)
        {
            let _ = fetch;
            self.fetching.remove(&key);
        }
    }

    fn recall(&mut self, key: Key) {
        let Some(task) = self.tasks.get(&key) else { return }; // it is done: the scheduler will have heard
        let attempt = task.assignment.attempt;
        if task.stage == Stage::Running {
            self.outbox.push(FromWorker::Recalled(key, attempt, false));
            return;
        }
        self.let_go(key);
        self.outbox.push(FromWorker::Recalled(key, attempt, true));
        self.give_up_dependents(key, false);
    }

    /// Forgets a task that has not begun.
    fn let_go(&mut self, key: Key) -> Option<Local> {
        if self.tasks.get(&key).is_none_or(|task| task.stage == Stage::Running) {
            return None;
        }
        let local = self.tasks.remove(&key)?;
        match local.stage {
            Stage::Ready => {
                self.ready.remove(&(local.assignment.priority, key));
            }
            Stage::Waiting(_) => {
                for (input, ..) in &local.assignment.inputs {
                    if let Some(tasks) = self.waiting.get_mut(input) {
                        tasks.retain(|other| *other != key);
                        if tasks.is_empty() {
                            self.waiting.remove(input);
                        }
                    }
                }
            }
            Stage::Running => {}
        }
        Some(local)
    }

    /// Tasks that wait for what will not be made here are let go: in silence if the scheduler knows without.
    fn give_up_dependents(&mut self, key: Key, say_so: bool) {
        let mut stack: SmallVec<[Key; 8]> = SmallVec::from_slice(&[key]);
        while let Some(input) = stack.pop() {
            for task in self.waiting.remove(&input).unwrap_or_default() {
                let Some(local) = self.let_go(task) else { continue };
                if say_so {
                    let attempt = local.assignment.attempt;
                    self.outbox.push(FromWorker::Lacking { key: task, attempt, input, from: Vec::new() });
                }
                stack.push(task);
            }
        }
    }

    /// The best task that can start; it counts as running from now on.
    #[expect(clippy::should_implement_trait, reason = "what comes next changes with what is accepted")]
    pub fn next(&mut self) -> Option<Start<V>> {
        let (_, key) = self.ready.pop_first()?;
        let local = self.tasks.get_mut(&key)?;
        local.stage = Stage::Running;
        let mut inputs = SmallVec::with_capacity(local.assignment.inputs.len());
        for (input, _, source) in &local.assignment.inputs {
            let value = match (self.values.get(input), source) {
                (Some(held), _) => Input::Here(held.value.clone()),
                (None, Source::Value(bytes)) => Input::Encoded(bytes.clone()),
                (None, _) => {
                    // It was here and is gone: dropped by mistake, or lost with a peer's notice.
                    let (attempt, input) = (local.assignment.attempt, *input);
                    self.tasks.remove(&key);
                    self.outbox.push(FromWorker::Lacking { key, attempt, input, from: Vec::new() });
                    self.give_up_dependents(key, true);
                    return self.next();
                }
            };
            inputs.push(value);
        }
        Some(Start { assignment: local.assignment.clone(), inputs })
    }

    /// What threads that run nothing wait for.
    pub fn idle_reason(&self) -> Doing {
        if !self.ready.is_empty() {
            Doing::AwaitMemory
        } else if self.tasks.values().any(|task| matches!(task.stage, Stage::Waiting(_))) {
            Doing::AwaitInput
        } else {
            Doing::NoWork
        }
    }

    /// Whether some task could start.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A task has run; `value` is its value with its size, and encoded if that is small.
    pub fn done(&mut self, key: Key, micros: u64, value: V, nbytes: u64, encoded: Option<Bytes>) {
        let Some(local) = self.tasks.remove(&key) else { return };
        let attempt = local.assignment.attempt;
        self.outbox.push(FromWorker::Done { key, attempt, nbytes, micros, value: encoded });
        self.hold(key, value, nbytes);
    }

    /// A task has failed.
    pub fn failed(&mut self, key: Key, micros: u64, failure: Arc<Failure>) {
        let Some(local) = self.tasks.remove(&key) else { return };
        let attempt = local.assignment.attempt;
        self.outbox.push(FromWorker::Failed { key, attempt, micros, failure });
        self.give_up_dependents(key, false);
    }

    /// The scheduler is gone: what has not begun is forgotten, what runs goes on.
    pub fn disconnected(&mut self) {
        let not_begun: Vec<Key> =
            self.tasks.iter().filter(|(_, task)| task.stage != Stage::Running).map(|(key, _)| *key).collect();
        for key in not_begun {
            self.let_go(key);
        }
        self.waiting.clear();
        self.fetching.clear();
        self.fetches.clear();
        self.peers.clear();
        self.outbox.clear();
    }

    /// What it holds, for a scheduler that does not know.
    pub fn holds(&self) -> Vec<(Key, u64)> {
        self.values.iter().map(|(key, held)| (*key, held.nbytes)).collect()
    }

    /// What it runs, for a scheduler that does not know.
    pub fn runs(&self) -> Vec<(Key, u32)> {
        let running = self.tasks.iter().filter(|(_, task)| task.stage == Stage::Running);
        running.map(|(key, task)| (*key, task.assignment.attempt)).collect()
    }

    /// What is to be said to the scheduler.
    pub fn take_outbox(&mut self) -> Vec<FromWorker> {
        std::mem::take(&mut self.outbox)
    }

    /// Says something to the scheduler that the desk has no part in.
    pub fn say(&mut self, message: FromWorker) {
        self.outbox.push(message);
    }

    /// Another form of a value that is here.
    pub fn replace(&mut self, key: Key, value: V) {
        if let Some(held) = self.values.get_mut(&key) {
            held.value = value;
        }
    }

    /// Whether anything is to be said.
    pub fn has_outbox(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// What is to be fetched.
    pub fn take_fetches(&mut self) -> Vec<Fetch> {
        std::mem::take(&mut self.fetches)
    }

    /// What is to be interrupted, and why.
    pub fn take_interrupts(&mut self) -> Vec<(Key, String)> {
        std::mem::take(&mut self.interrupts)
    }

    /// A value that is here.
    pub fn value(&self, key: Key) -> Option<(&V, u64)> {
        self.values.get(&key).map(|held| (&held.value, held.nbytes))
    }

    /// Where a peer is found.
    pub fn peer(&self, id: WorkerId) -> Option<&str> {
        self.peers.get(&id).map(String::as_str)
    }

    /// Whether the worker is to end.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Bytes of all values here.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How many tasks run.
    pub fn running(&self) -> usize {
        self.tasks.values().filter(|task| task.stage == Stage::Running).count()
    }
}
