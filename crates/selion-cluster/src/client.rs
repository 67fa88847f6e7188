//! A client: what it has submitted, what it knows of it, and a thread that speaks with the scheduler.
//!
//! Every call returns at once, but for those that say that they wait. What is submitted while a message is on its way
//! goes together with the next. If the scheduler dies, the client tells the next one at the same address what it still
//! wants.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selion_net::{Address, HandshakeError, Limits, Role, Security, dial, read_frame};
use selion_scheduler::message::{Failure, FailureKind, FromClient, Rules, Submit, Task, ToClient};
use selion_scheduler::{BlobId, Key, Wishes, WorkerId};
use tokio::io::BufReader;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::link::Writer;
use crate::peer::{PeerError, Peers};
use crate::runtime::Parts;
use crate::wire::{FromScheduler, Reply, Request, ToScheduler, decode, encode};

/// Values that are fetched at the same time.
const TRANSFERS_MAX: usize = 16;

/// What a client is told.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Of the scheduler.
    pub scheduler: Address,
    /// What both must know.
    pub security: Security,
    /// For people.
    pub name: String,
    /// How long to wait for the scheduler at the start.
    pub timeout: Duration,
    /// How long to look for a scheduler that is gone.
    pub patience: Duration,
}

/// Why a client cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no scheduler.
    #[error("no scheduler at {address}: {cause}")]
    NoScheduler {
        /// Where it was looked for.
        address: Address,
        /// What happened.
        cause: String,
    },
    /// It does not let us in.
    #[error("the scheduler at {address} does not let this client in: {cause}")]
    Refused {
        /// Of the scheduler.
        address: Address,
        /// Why.
        #[source]
        cause: HandshakeError,
    },
    /// The time is over.
    #[error("timed out")]
    TimedOut,
    /// It is closed.
    #[error("the client is closed")]
    Closed,
    /// A worker did not do as asked.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// There will be no value.
    #[error("{}", .0.message)]
    Failed(Arc<Failure>),
    /// The key is not one of this client's futures.
    #[error("the client has no future of key {0}")]
    Unknown(Key),
}

/// How a future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not done.
    Pending,
    /// Done.
    Finished,
    /// Failed.
    Error,
    /// Cancelled.
    Cancelled,
    /// Was done, and is being made again.
    Lost,
}

impl Status {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Finished => "finished",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
            Status::Lost => "lost",
        }
    }

    /// Whether it is to stay so.
    pub fn is_done(self) -> bool {
        matches!(self, Status::Finished | Status::Error | Status::Cancelled)
    }
}

type Callback = Box<dyn FnOnce() + Send>;

struct Entry {
    handles: u32,
    status: Status,
    value: Option<Bytes>,
    worker: Option<WorkerId>,
    nbytes: u64,
    failure: Option<Arc<Failure>>,
    callbacks: Vec<Callback>,
}

impl Entry {
    fn new() -> Entry {
        Entry {
            handles: 0,
            status: Status::Pending,
            value: None,
            worker: None,
            nbytes: 0,
            failure: None,
            callbacks: Vec::new(),
        }
    }
}

/// What is known of one future.
#[derive(Clone, Debug)]
pub struct FutureState {
    /// How it is.
    pub status: Status,
    /// Bytes of its value.
    pub nbytes: u64,
    /// Why it failed, if it did.
    pub failure: Option<Arc<Failure>>,
    /// The value as it travels, if it is small.
    pub value: Option<Bytes>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    wishes: Wishes,
    /// What is to be said next; submissions that follow each other become one.
    outgoing: Vec<FromClient>,
    requests: Vec<(u64, Request)>,
    replies: HashMap<u64, Option<Reply>>,
    next_request: u64,
    workers: HashMap<WorkerId, String>,
    connected: bool,
    was_connected: bool,
    /// Why there will be no connection any more.
    ended: Option<String>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    outgoing: Notify,
    closing: Notify,
    config: ClientConfig,
}

enum Command {
    Get(Key, oneshot::Sender<Result<(Parts, u64), ClientError>>),
    Put(String, Key, Parts, oneshot::Sender<Result<u64, ClientError>>),
    Call(String, Bytes, Bytes, oneshot::Sender<Result<Parts, ClientError>>),
}

/// A client of a scheduler.
pub struct Client {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    io: Mutex<Option<std::thread::JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Connects; waits until the scheduler has answered.
    ///
    /// # Errors
    /// If there is no scheduler, or it does not let this client in.
    pub fn connect(config: ClientConfig) -> Result<Client, ClientError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            outgoing: Notify::new(),
            closing: Notify::new(),
            config,
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        let (started, when_started) = std::sync::mpsc::channel();
        let io = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("selion-client-io".to_owned()).spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => {
                        let local = tokio::task::LocalSet::new();
                        local.block_on(&runtime, run(shared, receiver, started));
                    }
                    Err(cause) => {
                        let address = shared.config.scheduler.clone();
                        let _ = started.send(Err(ClientError::NoScheduler { address, cause: cause.to_string() }));
                    }
                }
            })
        };
        let address = shared.config.scheduler.clone();
        let io = io.map_err(|cause| ClientError::NoScheduler { address, cause: cause.to_string() })?;
        when_started.recv().unwrap_or(Err(ClientError::Closed))?;
        Ok(Client { shared, commands, io: Mutex::new(Some(io)) })
    }

    /// Where the scheduler is.
    pub fn address(&self) -> &Address {
        &self.shared.config.scheduler
    }

    /// Whether a scheduler is connected now.
    pub fn is_connected(&self) -> bool {
        lock(&self.shared.state).connected
    }

    /// Whether the client was closed, or gave up.
    pub fn is_closed(&self) -> bool {
        lock(&self.shared.state).ended.is_some()
    }

    /// Whether a blob has to be given with the next task that is a call of it.
    pub fn knows_blob(&self, blob: BlobId) -> bool {
        lock(&self.shared.state).wishes.knows_blob(blob)
    }

    /// Submits tasks. The futures of those that are wanted have one handle more afterwards.
    pub fn submit(&self, submit: Submit) {
        let mut state = lock(&self.shared.state);
        for task in submit.tasks.iter().filter(|task| task.wanted) {
            state.entries.entry(task.key).or_insert_with(Entry::new).handles += 1;
        }
        state.wishes.submitted(&submit);
        match state.outgoing.last_mut() {
            Some(FromClient::Submit(before)) => append(before, submit),
            _ => state.outgoing.push(FromClient::Submit(submit)),
        }
        drop(state);
        self.shared.outgoing.notify_one();
    }

    /// Submits a single task with its function, if that is new: as [`Client::submit`], with less ado.
    pub fn submit_one(&self, blob: Option<(BlobId, Bytes)>, group: &Arc<str>, rules: Option<Rules>, task: Task) {
        let submit = Submit {
            blobs: blob.into_iter().collect(),
            groups: vec![Arc::clone(group)],
            rules: rules.into_iter().collect(),
            tasks: vec![task],
            again: false,
        };
        self.submit(submit);
    }

    /// Whether this client uses the key of a task for another call.
    pub fn contradicts(&self, task: &Task) -> bool {
        lock(&self.shared.state).wishes.contradicts(task)
    }

    /// One handle more on a future that this client has; whether it has it.
    pub fn retain(&self, key: Key) -> bool {
        let mut state = lock(&self.shared.state);
        let entry = state.entries.get_mut(&key);
        entry.map(|entry| entry.handles += 1).is_some()
    }

    /// A handle on a future that others have submitted.
    pub fn want(&self, key: Key) {
        let mut state = lock(&self.shared.state);
        let known = state.entries.contains_key(&key);
        state.entries.entry(key).or_insert_with(Entry::new).handles += 1;
        state.wishes.want(key);
        if !known {
            state.outgoing.push(FromClient::Want(vec![key]));
            drop(state);
            self.shared.outgoing.notify_one();
        }
    }

    /// One handle less; with the last one the client no longer wants the value. Whether that was the last.
    pub fn release(&self, key: Key) -> bool {
        let mut state = lock(&self.shared.state);
        let Some(entry) = state.entries.get_mut(&key) else { return true };
        entry.handles = entry.handles.saturating_sub(1);
        if entry.handles > 0 {
            return false;
        }
        state.entries.remove(&key);
        state.wishes.released(key);
        match state.outgoing.last_mut() {
            Some(FromClient::Release(keys)) => keys.push(key),
            _ => state.outgoing.push(FromClient::Release(vec![key])),
        }
        drop(state);
        self.shared.outgoing.notify_one();
        true
    }

    /// Says something to the scheduler.
    pub fn say(&self, message: FromClient) {
        lock(&self.shared.state).outgoing.push(message);
        self.shared.outgoing.notify_one();
    }

    /// Failed tasks are to run again.
    pub fn retry(&self, keys: Vec<Key>) {
        let mut state = lock(&self.shared.state);
        for key in &keys {
            if let Some(entry) = state.entries.get_mut(key)
                && entry.status == Status::Error
            {
                entry.status = Status::Pending;
                entry.failure = None;
            }
        }
        state.outgoing.push(FromClient::Retry(keys));
        drop(state);
        self.shared.outgoing.notify_one();
    }

    /// What is known of a future.
    pub fn state(&self, key: Key) -> Option<FutureState> {
        lock(&self.shared.state).entries.get(&key).map(|entry| FutureState {
            status: entry.status,
            nbytes: entry.nbytes,
            failure: entry.failure.clone(),
            value: entry.value.clone(),
        })
    }

    /// How a future is; one that was released counts as cancelled.
    pub fn status(&self, key: Key) -> Status {
        lock(&self.shared.state).entries.get(&key).map_or(Status::Cancelled, |entry| entry.status)
    }

    /// Runs `callback` when a future is done: at once, if it is, else on the client's own thread, where it must be quick.
    pub fn when_done(&self, key: Key, callback: Box<dyn FnOnce() + Send>) {
        let mut state = lock(&self.shared.state);
        match state.entries.get_mut(&key) {
            Some(entry) if !entry.status.is_done() => entry.callbacks.push(callback),
            _ => {
                drop(state);
                callback();
            }
        }
    }

    /// Waits until `enough` of the futures are done, or the time is over: whether they are. `look` is called every now and
    /// then; an error of it ends the waiting.
    ///
    /// # Errors
    /// That of `look`.
    pub fn wait<E>(
        &self,
        keys: &[Key],
        enough: usize,
        until: Option<Instant>,
        mut look: impl FnMut() -> Result<(), E>,
    ) -> Result<bool, E> {
        /// How often to look.
        const LOOK: Duration = Duration::from_millis(50);
        let mut state = lock(&self.shared.state);
        let mut open: Vec<Key> = keys.to_vec();
        let needed = enough.min(keys.len());
        loop {
            open.retain(|key| state.entries.get(key).is_some_and(|entry| !entry.status.is_done()));
            if keys.len() - open.len() >= needed {
                return Ok(true);
            }
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Ok(false);
            }
            let pause = until.map_or(LOOK, |until| LOOK.min(until - now));
            let (woken, timed_out) =
                self.shared.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timed_out.timed_out() {
                drop(state);
                look()?;
                state = lock(&self.shared.state);
            }
        }
    }

    /// Starts the transfer of a value that is done; the answer comes through the receiver.
    pub fn fetch(&self, key: Key) -> oneshot::Receiver<Result<(Parts, u64), ClientError>> {
        let (sender, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Get(key, sender));
        receiver
    }

    /// Puts a value on a worker, and waits for that: its size there.
    ///
    /// # Errors
    /// If the worker does not take it.
    pub fn put(&self, address: &str, key: Key, parts: Parts) -> Result<u64, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Put(address.to_owned(), key, parts, sender));
        receiver.blocking_recv().unwrap_or(Err(ClientError::Closed))
    }

    /// What was put on workers becomes futures of this client, with one handle each.
    pub fn scattered(&self, items: Vec<(Key, u64, WorkerId)>) {
        let mut state = lock(&self.shared.state);
        for (key, ..) in &items {
            state.entries.entry(*key).or_insert_with(Entry::new).handles += 1;
        }
        state.outgoing.push(FromClient::Scattered(items));
        drop(state);
        self.shared.outgoing.notify_one();
    }

    /// Has a worker run a function outside of all tasks; the answer comes through the receiver.
    pub fn call(&self, address: &str, blob: Bytes, args: Bytes) -> oneshot::Receiver<Result<Parts, ClientError>> {
        let (sender, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Call(address.to_owned(), blob, args, sender));
        receiver
    }

    /// The workers that are there, with their addresses.
    pub fn workers(&self) -> Vec<(WorkerId, String)> {
        let state = lock(&self.shared.state);
        let mut workers: Vec<_> = state.workers.iter().map(|(id, address)| (*id, address.clone())).collect();
        workers.sort();
        workers
    }

    /// Asks the scheduler something, and waits for the answer. `look` as for [`Client::wait`].
    ///
    /// # Errors
    /// [`ClientError::Closed`] if there will be none; or that of `look`.
    pub fn request<E: From<ClientError>>(
        &self,
        request: Request,
        mut look: impl FnMut() -> Result<(), E>,
    ) -> Result<Reply, E> {
        let mut state = lock(&self.shared.state);
        let number = state.next_request;
        state.next_request += 1;
        state.requests.push((number, request));
        state.replies.insert(number, None);
        self.shared.outgoing.notify_one();
        loop {
            if let Some(Some(_)) = state.replies.get(&number)
                && let Some(Some(reply)) = state.replies.remove(&number)
            {
                return Ok(reply);
            }
            if state.ended.is_some() || !state.replies.contains_key(&number) {
                return Err(ClientError::Closed.into());
            }
            let woken = self.shared.changed.wait_timeout(state, Duration::from_millis(50));
            let (woken, timed_out) = woken.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timed_out.timed_out() {
                drop(state);
                let looked = look();
                state = lock(&self.shared.state);
                if let Err(error) = looked {
                    state.replies.remove(&number);
                    return Err(error);
                }
            }
        }
    }

    /// Leaves: all futures are cancelled.
    pub fn close(&self) {
        end(&self.shared, "the client was closed");
        self.shared.closing.notify_one();
        let io = lock(&self.io).take();
        if let Some(io) = io
            && io.thread().id() != std::thread::current().id()
        {
            let _ = io.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

/// Joins two submissions: numbers of groups and rules of the second are shifted.
fn append(before: &mut Submit, after: Submit) {
    let rules = before.rules.len() as u32;
    let same_group = after.groups.len() == 1 && before.groups.last() == after.groups.first();
    let groups = if same_group { before.groups.len() as u32 - 1 } else { before.groups.len() as u32 };
    if !same_group {
        before.groups.extend(after.groups);
    }
    before.rules.extend(after.rules);
    before.again |= after.again;
    before.blobs.extend(after.blobs);
    let place = before.tasks.last().map_or(0, |task| task.place + 1);
    before.tasks.extend(after.tasks.into_iter().map(|mut task| {
        task.group += groups;
        task.rules = if task.rules == 0 { 0 } else { task.rules + rules };
        task.place = task.place.saturating_add(place);
        task
    }));
}

/// There will be no connection any more.
fn end(shared: &Shared, why: &str) {
    let mut state = lock(&shared.state);
    if state.ended.is_some() {
        return;
    }
    state.ended = Some(why.to_owned());
    state.connected = false;
    let mut callbacks = Vec::new();
    for (key, entry) in &mut state.entries {
        if entry.status == Status::Error || (entry.status == Status::Finished && entry.value.is_some()) {
            continue;
        }
        entry.status = Status::Cancelled;
        let failure = Failure {
            kind: FailureKind::Cancelled,
            origin: *key,
            message: format!("cancelled: {why}"),
            exception: Bytes::new(),
        };
        entry.failure = Some(Arc::new(failure));
        callbacks.append(&mut entry.callbacks);
    }
    drop(state);
    shared.changed.notify_all();
    callbacks.into_iter().for_each(|callback| callback());
}

type Started = std::sync::mpsc::Sender<Result<(), ClientError>>;

/// The client's thread: connects, and connects again.
async fn run(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>, started: Started) {
    let peers = Rc::new(Peers::new(shared.config.security.clone()));
    tokio::task::spawn_local(serve_commands(Arc::clone(&shared), Rc::clone(&peers), commands));
    let mut started = Some(started);
    let mut since = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let result = tokio::select! {
            result = meet(&shared, &mut started) => result,
            () = shared.closing.notified() => return,
        };
        if lock(&shared.state).ended.is_some() {
            return;
        }
        let patience = if started.is_some() { shared.config.timeout } else { shared.config.patience };
        if std::mem::replace(&mut lock(&shared.state).connected, false) {
            since = Instant::now();
            pause = Duration::from_millis(10);
            forget_answers(&shared);
        }
        let fatal = matches!(&result, Err(ClientError::Refused { cause, .. }) if cause.is_final());
        if fatal || since.elapsed() > patience {
            let cause = match result {
                Err(error) => error,
                Ok(()) => ClientError::Closed,
            };
            end(&shared, &format!("the connection to the scheduler is lost: {cause}"));
            if let Some(started) = started {
                let _ = started.send(Err(cause));
            }
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.closing.notified() => return,
        }
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// The scheduler is gone: what it was asked it will not answer, what was to be said will be said otherwise.
fn forget_answers(shared: &Shared) {
    let mut state = lock(&shared.state);
    state.replies.retain(|_, reply| reply.is_some());
    state.requests.clear();
    state.workers.clear();
    drop(state);
    shared.changed.notify_all();
}

/// One connection, from its start to its end.
async fn meet(shared: &Arc<Shared>, started: &mut Option<Started>) -> Result<(), ClientError> {
    let config = &shared.config;
    let lost =
        |cause: io::Error| ClientError::NoScheduler { address: config.scheduler.clone(), cause: cause.to_string() };
    let stream = match dial(&config.scheduler, &config.security, Role::Client).await {
        Ok(stream) => stream,
        Err(HandshakeError::Io(cause)) => return Err(lost(cause)),
        Err(cause) => return Err(ClientError::Refused { address: config.scheduler.clone(), cause }),
    };
    let (reading, writing) = stream.split();
    let mut reading = BufReader::with_capacity(256 << 10, reading);
    let writer = Writer::default();
    writer.send(encode(&ToScheduler::ClientHello(config.name.clone())).map_err(lost)?);
    let writes = {
        let writer = writer.clone();
        tokio::task::spawn_local(async move { writer.run(writing).await })
    };
    let result = tokio::select! {
        result = hear(shared, &mut reading, started) => result,
        result = speak(shared, &writer) => result,
    };
    writer.close();
    let _ = tokio::time::timeout(Duration::from_secs(1), writes).await;
    result.map_err(lost)
}

/// Says what is to be said, whenever there is something; first of all, to a new scheduler, what is still wanted.
async fn speak(shared: &Shared, writer: &Writer) -> io::Result<()> {
    loop {
        let (messages, requests, ended) = {
            let mut state = lock(&shared.state);
            if state.connected {
                (std::mem::take(&mut state.outgoing), std::mem::take(&mut state.requests), state.ended.is_some())
            } else {
                (Vec::new(), Vec::new(), state.ended.is_some())
            }
        };
        if !messages.is_empty() {
            writer.send(encode(&ToScheduler::Client(messages))?);
        }
        for (number, request) in requests {
            writer.send(encode(&ToScheduler::Request(number, request))?);
        }
        if ended {
            writer.send(encode(&ToScheduler::Goodbye)?);
            return Ok(());
        }
        shared.outgoing.notified().await;
    }
}

async fn hear(
    shared: &Shared,
    reading: &mut (impl tokio::io::AsyncRead + Unpin),
    started: &mut Option<Started>,
) -> io::Result<()> {
    while let Some(frame) = read_frame(reading, Limits::default()).await? {
        match decode(&frame.header)? {
            FromScheduler::WelcomeClient(_) => {
                welcome(shared);
                if let Some(started) = started.take() {
                    let _ = started.send(Ok(()));
                }
            }
            FromScheduler::Client(messages) => heard(shared, messages),
            FromScheduler::Workers(changes) => {
                let mut state = lock(&shared.state);
                for (id, address) in changes {
                    match address {
                        Some(address) => state.workers.insert(id, address),
                        None => state.workers.remove(&id),
                    };
                }
                drop(state);
                shared.changed.notify_all();
            }
            FromScheduler::Reply(number, reply) => {
                let mut state = lock(&shared.state);
                if let Some(waiting) = state.replies.get_mut(&number) {
                    *waiting = Some(reply);
                }
                drop(state);
                shared.changed.notify_all();
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A scheduler has let us in: it is told all that is wanted, which for the first one is what was submitted meanwhile.
fn welcome(shared: &Shared) {
    let mut state = lock(&shared.state);
    state.connected = true;
    let first = !std::mem::replace(&mut state.was_connected, true);
    state.outgoing.retain(|message| !matches!(message, FromClient::Submit(_) | FromClient::Release(_)));
    let mut again = state.wishes.again();
    again.again = !first;
    if !again.tasks.is_empty() {
        state.outgoing.insert(0, FromClient::Submit(again));
    }
    let unknown: Vec<Key> = state.entries.keys().copied().filter(|key| !state.wishes.knows(*key)).collect();
    if !unknown.is_empty() {
        state.outgoing.push(FromClient::Want(unknown));
    }
    for entry in state.entries.values_mut() {
        if entry.status == Status::Finished && entry.value.is_none() {
            entry.status = Status::Lost;
        }
    }
    drop(state);
    shared.outgoing.notify_one();
}

fn heard(shared: &Shared, messages: Vec<ToClient>) {
    let mut callbacks = Vec::new();
    let mut state = lock(&shared.state);
    for message in messages {
        match message {
            ToClient::Done { key, nbytes, value, worker } => {
                let Some(entry) = state.entries.get_mut(&key) else { continue };
                entry.status = Status::Finished;
                entry.nbytes = nbytes;
                entry.worker = worker;
                if value.is_some() || entry.value.is_none() {
                    entry.value = value;
                }
                callbacks.append(&mut entry.callbacks);
            }
            ToClient::Failed { key, failure } => {
                let Some(entry) = state.entries.get_mut(&key) else { continue };
                let cancelled = failure.kind == FailureKind::Cancelled;
                entry.status = if cancelled { Status::Cancelled } else { Status::Error };
                entry.failure = Some(failure);
                entry.value = None;
                callbacks.append(&mut entry.callbacks);
                if cancelled {
                    state.wishes.released(key);
                }
            }
            ToClient::Lost(key) => {
                if let Some(entry) = state.entries.get_mut(&key) {
                    entry.status = Status::Lost;
                    entry.worker = None;
                }
            }
            ToClient::Pending(key) => {
                if let Some(entry) = state.entries.get_mut(&key) {
                    entry.status = Status::Pending;
                    entry.failure = None;
                }
            }
            ToClient::Holders(_) => {}
        }
    }
    drop(state);
    shared.changed.notify_all();
    callbacks.into_iter().for_each(|callback| callback());
}

async fn serve_commands(shared: Arc<Shared>, peers: Rc<Peers>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let permits = Rc::new(tokio::sync::Semaphore::new(TRANSFERS_MAX));
    while let Some(command) = commands.recv().await {
        let (shared, peers, permits) = (Arc::clone(&shared), Rc::clone(&peers), Rc::clone(&permits));
        tokio::task::spawn_local(async move {
            let _permit = permits.acquire().await;
            match command {
                Command::Get(key, sender) => drop(sender.send(get(&shared, &peers, key).await)),
                Command::Put(address, key, parts, sender) => {
                    drop(sender.send(peers.put(&address, key, parts).await.map_err(ClientError::from)));
                }
                Command::Call(address, blob, args, sender) => {
                    drop(sender.send(peers.call(&address, blob, args).await.map_err(ClientError::from)));
                }
            }
        });
    }
}

/// A value, from whoever holds it. If it is lost on the way it is waited for again.
async fn get(shared: &Shared, peers: &Peers, key: Key) -> Result<(Parts, u64), ClientError> {
    loop {
        let (finished, address) = {
            let state = lock(&shared.state);
            let Some(entry) = state.entries.get(&key) else { return Err(ClientError::Unknown(key)) };
            match (entry.status, &entry.value, &entry.failure) {
                (Status::Finished, Some(value), _) => {
                    return Ok((Parts { header: value.clone(), buffers: Vec::new() }, entry.nbytes));
                }
                (Status::Error | Status::Cancelled, _, Some(failure)) => {
                    return Err(ClientError::Failed(Arc::clone(failure)));
                }
                (Status::Finished, None, _) => {
                    (true, entry.worker.and_then(|worker| state.workers.get(&worker).cloned()))
                }
                _ => (false, None),
            }
        };
        if let Some(address) = address {
            match peers.get(&address, key).await {
                Ok(got) => return Ok(got),
                Err(PeerError::Failed(failure)) => return Err(ClientError::Failed(Arc::new(*failure))),
                Err(_) => {}
            }
        }
        if finished {
            // Moved, or lost: the scheduler knows, or will. Asking again brings its answer.
            lock(&shared.state).outgoing.push(FromClient::Want(vec![key]));
            shared.outgoing.notify_one();
        }
        if lock(&shared.state).ended.is_some() {
            return Err(ClientError::Closed);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
