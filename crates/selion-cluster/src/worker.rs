//! A worker: threads that run tasks, and one thread that speaks with the scheduler and with other workers.
//!
//! The bookkeeping ([`Desk`]) is behind one lock that is held for moments only: a thread that has finished a task takes
//! the next one itself, so that tasks which follow each other here do not wait for any message.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selion_core::Value;
use selion_net::{Address, Frame, HandshakeError, Limits, Role, Security, dial, read_frame, receive, write_frame};
use selion_scheduler::message::{Failure, FailureKind, FromWorker, Status, ToWorker, WorkerInfo};
use selion_scheduler::{BlobId, Desk, Input, Key, Start, WorkerId};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::link::Writer;
use crate::peer::{Peers, pack, unpack};
use crate::runtime::{Code, Parts, Running, Runtime};
use crate::wire::{FromPeer, FromScheduler, ToPeer, ToScheduler, decode, encode};

/// How long a thread stays in an enclosure while others may want in.
const ENCLOSED_MAX: Duration = Duration::from_millis(5);
/// How often a worker says how it is.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// Shares of the memory limit above which no task is begun, and below which tasks are begun again.
const PAUSE_ABOVE: f64 = 0.80;
const RESUME_BELOW: f64 = 0.75;

/// What a worker is told.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Of the scheduler.
    pub scheduler: Address,
    /// What both must know.
    pub security: Security,
    /// Where to listen, such as `127.0.0.1:0`.
    pub listen: String,
    /// A name for people.
    pub name: String,
    /// How many tasks run at once.
    pub nthreads: usize,
    /// How many bytes it may use; 0 for no limit.
    pub memory_limit: u64,
    /// What it has in limited number.
    pub resources: Vec<(String, f64)>,
    /// How long it looks for a scheduler that is gone.
    pub patience: Duration,
    /// What the process that looks after it calls it; empty if there is none.
    pub instance: String,
}

/// A value as it is held: as it is used, or still as it came.
#[derive(Clone)]
enum Slot {
    Value(Value),
    Parts(Arc<Parts>),
}

struct Blob {
    bytes: Bytes,
    code: OnceLock<Result<Arc<dyn Code>, Failure>>,
}

/// A task that runs.
struct Active {
    running: Arc<Running>,
    /// Why it was stopped, if it was.
    stopped: Option<(FailureKind, String)>,
    deadline: Option<Instant>,
}

struct Inner {
    config: WorkerConfig,
    runtime: Arc<dyn Runtime>,
    desk: Mutex<Desk<Slot>>,
    /// A task became ready, or the end has come.
    ready: Condvar,
    blobs: Mutex<HashMap<BlobId, Arc<Blob>>>,
    active: Mutex<HashMap<Key, Active>>,
    peers: Peers,
    /// Something is to be said to the scheduler.
    outbox: Notify,
    ending: AtomicBool,
    ended: Notify,
    /// It wants to end, once its values are elsewhere.
    leaving: AtomicBool,
    paused: AtomicBool,
    /// Threads that wait for something within a task, and threads there are: others stand in for those who wait.
    waiting: AtomicUsize,
    threads: AtomicUsize,
}

thread_local! {
    /// The task that this thread runs, if it is one of a worker's.
    static CURRENT: Cell<Option<(Key, u32)>> = const { Cell::new(None) };
    /// Whether it has given its place to others.
    static SECEDED: Cell<bool> = const { Cell::new(false) };
    /// The worker whose thread this is.
    static WORKER: RefCell<Option<Arc<Inner>>> = const { RefCell::new(None) };
}

/// A running worker. Dropping it ends it.
pub struct Worker {
    inner: Arc<Inner>,
    address: String,
    io: Option<std::thread::JoinHandle<io::Result<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// Starts the threads; they look for the scheduler by themselves.
    ///
    /// # Errors
    /// If the address cannot be listened on, or threads cannot be made.
    pub fn start(config: WorkerConfig, runtime: Arc<dyn Runtime>) -> io::Result<Worker> {
        let listener = config.security.listen(&config.listen)?;
        let local = listener.local_addr()?;
        let address = config.security.address(local.ip(), local.port());
        let inner = Arc::new(Inner {
            peers: Peers::new(config.security.clone()),
            runtime,
            desk: Mutex::default(),
            ready: Condvar::new(),
            blobs: Mutex::default(),
            active: Mutex::default(),
            outbox: Notify::new(),
            ending: AtomicBool::new(false),
            ended: Notify::new(),
            leaving: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            config,
        });
        for _ in 0..inner.config.nthreads.max(1) {
            inner.add_thread()?;
        }
        let io = {
            let (inner, address) = (Arc::clone(&inner), address.clone());
            std::thread::Builder::new().name("selion-worker-io".to_owned()).spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let local = tokio::task::LocalSet::new();
                let result = local.block_on(
                    &runtime,
                    Shell { inner: Arc::clone(&inner), address, load: Load::default() }.run(listener),
                );
                inner.end();
                result
            })?
        };
        Ok(Worker { inner, address: address.to_string(), io: Some(io) })
    }

    /// Where peers and clients find it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it has ended, or is about to.
    pub fn is_ended(&self) -> bool {
        self.inner.ending.load(Ordering::Acquire)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Why it ended, if that was not as it should.
    pub fn join(&mut self) -> io::Result<()> {
        match self.io.take().map(std::thread::JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the worker's own thread panicked")),
            None => Ok(()),
        }
    }

    /// Ends it, once its values are elsewhere and what it runs is done.
    pub fn retire(&self) {
        self.inner.leaving.store(true, Ordering::Release);
        lock(&self.inner.desk).say(FromWorker::Leave);
        self.inner.outbox.notify_one();
    }

    /// Ends it: tells the scheduler, and starts nothing more.
    pub fn close(&self) {
        self.inner.end();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inner.end();
    }
}

/// Runs `wait`; if this thread runs a task of a worker, another thread takes the next tasks meanwhile, and the scheduler
/// counts this task as waiting.
pub fn while_waiting<R>(wait: impl FnOnce() -> R) -> R {
    let seceded = secede();
    let result = wait();
    if seceded {
        rejoin();
    }
    result
}

/// The task on this thread no longer counts: another thread takes its place. Whether there is such a task, and it did
/// count.
pub fn secede() -> bool {
    let Some((key, attempt)) = CURRENT.get() else { return false };
    if SECEDED.replace(true) {
        return false;
    }
    WORKER.with_borrow(|inner| {
        let Some(inner) = inner else { return };
        let waiting = inner.waiting.fetch_add(1, Ordering::AcqRel) + 1;
        if inner.threads.load(Ordering::Acquire) < inner.config.nthreads + waiting {
            // Without a thread to stand in the tasks here wait longer; nothing is lost.
            let _ = inner.add_thread();
        }
        lock(&inner.desk).say(FromWorker::Seceded(key, attempt, true));
        inner.outbox.notify_one();
    });
    true
}

/// The task on this thread counts again.
pub fn rejoin() {
    let Some((key, attempt)) = CURRENT.get() else { return };
    if !SECEDED.replace(false) {
        return;
    }
    WORKER.with_borrow(|inner| {
        let Some(inner) = inner else { return };
        inner.waiting.fetch_sub(1, Ordering::AcqRel);
        lock(&inner.desk).say(FromWorker::Seceded(key, attempt, false));
        inner.outbox.notify_one();
    });
}

/// The key of the task that this thread runs, if it runs one of a worker's.
pub fn current_task() -> Option<Key> {
    CURRENT.get().map(|(key, _)| key)
}

impl Inner {
    fn end(&self) {
        if !self.ending.swap(true, Ordering::AcqRel) {
            self.ended.notify_one();
        }
        let _desk = lock(&self.desk);
        self.ready.notify_all();
    }

    fn add_thread(self: &Arc<Self>) -> io::Result<()> {
        let inner = Arc::clone(self);
        self.threads.fetch_add(1, Ordering::AcqRel);
        let number = self.threads.load(Ordering::Acquire);
        let spawned = std::thread::Builder::new().name(format!("selion-task-{number}")).spawn(move || {
            WORKER.set(Some(Arc::clone(&inner)));
            inner.work();
            inner.threads.fetch_sub(1, Ordering::AcqRel);
        });
        if spawned.is_err() {
            self.threads.fetch_sub(1, Ordering::AcqRel);
        }
        spawned.map(drop)
    }

    /// A thread: takes tasks and runs them.
    fn work(&self) {
        while let Some(start) = self.next() {
            let code = self.code(start.assignment.blob);
            let enclosure = code.as_ref().ok().and_then(|code| code.enclosure());
            let Some(enclosure) = enclosure else {
                self.run(start, code);
                continue;
            };
            let mut work = Some((start, code));
            enclosure.within(&mut || {
                let since = Instant::now();
                while let Some((start, code)) = work.take() {
                    self.run(start, code);
                    if since.elapsed() > ENCLOSED_MAX || self.is_surplus() {
                        return;
                    }
                    if let Some(next) = self.next_at_once() {
                        let code = self.code(next.assignment.blob);
                        work = Some((next, code));
                    }
                }
            });
            if let Some((start, code)) = work {
                self.run(start, code);
            }
        }
    }

    /// Whether this thread stood in for one that works again.
    fn is_surplus(&self) -> bool {
        self.threads.load(Ordering::Acquire) > self.config.nthreads.max(1) + self.waiting.load(Ordering::Acquire)
    }

    fn next_at_once(&self) -> Option<Start<Slot>> {
        if self.ending.load(Ordering::Acquire) || self.paused.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.desk).next()
    }

    /// The next task; none at the end, or if there are threads enough without this one.
    fn next(&self) -> Option<Start<Slot>> {
        let mut desk = lock(&self.desk);
        loop {
            if self.ending.load(Ordering::Acquire) || self.is_surplus() {
                return None;
            }
            let paused = self.paused.load(Ordering::Acquire) && desk.running() > 0;
            if !paused && let Some(start) = desk.next() {
                return Some(start);
            }
            if desk.has_outbox() {
                self.outbox.notify_one();
            }
            desk = self.ready.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn code(&self, id: BlobId) -> Result<Arc<dyn Code>, Failure> {
        let blob = lock(&self.blobs).get(&id).cloned();
        let Some(blob) = blob else {
            return Err(failure(FailureKind::Unknown, "the worker was not sent the function".to_owned()));
        };
        blob.code.get_or_init(|| self.runtime.load(&blob.bytes)).clone()
    }

    fn run(&self, start: Start<Slot>, code: Result<Arc<dyn Code>, Failure>) {
        let Start { assignment, inputs } = start;
        let key = assignment.key;
        let running = Arc::new(Running::default());
        let began = Instant::now();
        let deadline = (assignment.timeout > 0).then(|| began + Duration::from_micros(assignment.timeout));
        lock(&self.active).insert(key, Active { running: Arc::clone(&running), stopped: None, deadline });
        CURRENT.set(Some((key, assignment.attempt)));
        let result = code.and_then(|code| {
            let names = assignment.inputs.iter().map(|(input, ..)| *input);
            let values: Result<Vec<Value>, Failure> =
                names.zip(inputs).map(|(name, input)| self.input(name, input)).collect();
            let values = values?;
            let call = || code.call(assignment.index, &assignment.args, &values, &running);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
                .unwrap_or_else(|_| Err(failure(FailureKind::Raised, "the task panicked".to_owned())))
        });
        running.on_interrupt(None);
        rejoin();
        CURRENT.set(None);
        let micros = began.elapsed().as_micros() as u64;
        let stopped = lock(&self.active).remove(&key).and_then(|active| active.stopped);
        let mut desk = lock(&self.desk);
        match (result, stopped) {
            (Ok((value, encoded)), None) => {
                let nbytes = value.held_bytes() as u64;
                desk.done(key, micros, Slot::Value(value), nbytes, encoded);
            }
            (Err(mut failure), None) => {
                failure.origin = key;
                desk.failed(key, micros, Arc::new(failure));
            }
            (_, Some((kind, message))) => {
                let mut failure = failure(kind, message);
                failure.origin = key;
                desk.failed(key, micros, Arc::new(failure));
            }
        }
        let more = desk.has_ready();
        drop(desk);
        if more && self.config.nthreads > 1 {
            self.ready.notify_one();
        }
        self.outbox.notify_one();
    }

    /// An input as it is used. What came from elsewhere is decoded here, by the thread that needs it, once.
    fn input(&self, name: Key, input: Input<Slot>) -> Result<Value, Failure> {
        match input {
            Input::Here(Slot::Value(value)) => Ok(value),
            Input::Here(Slot::Parts(parts)) => {
                let value = self.runtime.decode(parts.as_ref().clone())?;
                lock(&self.desk).replace(name, Slot::Value(value.clone()));
                Ok(value)
            }
            Input::Encoded(header) => self.runtime.decode(Parts { header, buffers: Vec::new() }),
        }
    }

    /// Stops a running task.
    fn stop(self: &Arc<Self>, key: Key, kind: FailureKind, reason: String) {
        let running = {
            let mut active = lock(&self.active);
            let Some(active) = active.get_mut(&key) else { return };
            active.stopped.get_or_insert((kind, reason));
            active.deadline = None;
            Arc::clone(&active.running)
        };
        // It may have to wait for the interpreter's lock.
        tokio::task::spawn_blocking(move || running.interrupt());
    }
}

pub(crate) fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, origin: Key(0), message, exception: Bytes::new() }
}

/// The thread that speaks.
struct Shell {
    inner: Arc<Inner>,
    address: Address,
    load: Load,
}

impl Shell {
    async fn run(self, listener: std::net::TcpListener) -> io::Result<()> {
        let shell = Rc::new(self);
        let listener = TcpListener::from_std(listener)?;
        tokio::task::spawn_local(Rc::clone(&shell).serve_peers(listener));
        tokio::task::spawn_local(Rc::clone(&shell).keep_time());
        let mut lost_since = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            if shell.inner.ending.load(Ordering::Acquire) {
                return Ok(());
            }
            match shell.meet_scheduler().await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    lost_since = Instant::now();
                    pause = Duration::from_millis(20);
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) if lost_since.elapsed() > shell.inner.config.patience => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// One connection to the scheduler, from its start to its end: whether the worker is to end with it.
    async fn meet_scheduler(self: &Rc<Self>) -> io::Result<bool> {
        let config = &self.inner.config;
        let stream = dial(&config.scheduler, &config.security, Role::Worker).await?;
        let mut address = self.address.clone();
        if matches!(address.host.as_str(), "0.0.0.0" | "::") {
            address.host = stream.local_ip()?.to_string(); // where the scheduler sees it, others find it too
        }
        let (reading, writing) = stream.split();
        let mut reading = BufReader::with_capacity(256 << 10, reading);
        let writer = Writer::default();
        let info = {
            let mut desk = lock(&self.inner.desk);
            desk.take_outbox(); // what happened without a scheduler is part of what is told now
            WorkerInfo {
                name: config.name.clone(),
                address: address.to_string(),
                nthreads: config.nthreads as u32,
                memory_limit: config.memory_limit,
                resources: config.resources.clone(),
                instance: config.instance.clone(),
                holds: desk.holds(),
                runs: desk.runs(),
            }
        };
        writer.send(encode(&ToScheduler::WorkerHello(info))?);
        let writes = {
            let writer = writer.clone();
            tokio::task::spawn_local(async move { writer.run(writing).await })
        };
        let ended = tokio::select! {
            ended = self.hear_scheduler(&mut reading, &writer) => ended,
            ended = self.speak(&writer) => ended,
        };
        if matches!(ended, Ok(true)) {
            self.flush(&writer)?;
            writer.send(encode(&ToScheduler::Goodbye)?);
            self.inner.end();
        }
        writer.close();
        let _ = tokio::time::timeout(Duration::from_secs(1), writes).await;
        lock(&self.inner.desk).disconnected();
        ended
    }

    async fn hear_scheduler(
        self: &Rc<Self>,
        reading: &mut (impl tokio::io::AsyncRead + Unpin),
        writer: &Writer,
    ) -> io::Result<bool> {
        while let Some(frame) = read_frame(reading, Limits::default()).await? {
            match decode(&frame.header)? {
                FromScheduler::Worker(messages) => {
                    self.accept(messages);
                    self.flush(writer)?;
                    if lock(&self.inner.desk).is_closed() {
                        return Ok(true);
                    }
                }
                FromScheduler::WelcomeWorker(_) => {
                    if self.inner.leaving.load(Ordering::Acquire) {
                        lock(&self.inner.desk).say(FromWorker::Leave);
                        self.flush(writer)?;
                    }
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(false)
    }

    fn accept(self: &Rc<Self>, messages: Vec<ToWorker>) {
        let mut desk = lock(&self.inner.desk);
        for message in messages {
            match message {
                ToWorker::Blob(id, bytes) => {
                    let blob = Arc::new(Blob { bytes, code: OnceLock::new() });
                    lock(&self.inner.blobs).entry(id).or_insert(blob);
                }
                ToWorker::DropBlob(id) => {
                    lock(&self.inner.blobs).remove(&id);
                }
                ToWorker::PeerGone(id) => {
                    if let Some(address) = desk.peer(id) {
                        self.inner.peers.forget(address);
                    }
                    desk.accept(ToWorker::PeerGone(id));
                }
                message => desk.accept(message),
            }
        }
        let interrupts = desk.take_interrupts();
        if desk.has_ready() {
            self.inner.ready.notify_all();
        }
        self.fetch(&mut desk);
        drop(desk);
        for (key, reason) in interrupts {
            self.inner.stop(key, FailureKind::Cancelled, format!("cancelled while it ran: {reason}"));
        }
    }

    /// Says what is to be said, whenever there is something.
    async fn speak(&self, writer: &Writer) -> io::Result<bool> {
        let mut status = tokio::time::interval(STATUS_EVERY);
        loop {
            tokio::select! {
                () = self.inner.outbox.notified() => {}
                () = self.inner.ended.notified() => return Ok(true),
                _ = status.tick() => {
                    let status = self.status();
                    lock(&self.inner.desk).say(FromWorker::Status(status));
                }
            }
            self.flush(writer)?;
        }
    }

    fn flush(&self, writer: &Writer) -> io::Result<()> {
        let messages = lock(&self.inner.desk).take_outbox();
        if !messages.is_empty() {
            writer.send(encode(&ToScheduler::Worker(messages))?);
        }
        Ok(())
    }

    fn status(&self) -> Status {
        let memory = process_bytes();
        let limit = self.inner.config.memory_limit as f64;
        if limit > 0.0 {
            let before = self.inner.paused.load(Ordering::Acquire);
            let threshold = if before { RESUME_BELOW } else { PAUSE_ABOVE };
            let paused = memory as f64 > threshold * limit;
            self.inner.paused.store(paused, Ordering::Release);
            if before && !paused {
                let _desk = lock(&self.inner.desk);
                self.inner.ready.notify_all();
            }
        }
        Status {
            memory,
            held: lock(&self.inner.desk).held_bytes(),
            spilled: 0,
            cpu: self.load.read(),
            paused: self.inner.paused.load(Ordering::Acquire),
        }
    }

    /// Stops tasks that run for longer than they may.
    async fn keep_time(self: Rc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = Instant::now();
            let over: Vec<Key> = lock(&self.inner.active)
                .iter()
                .filter(|(_, active)| active.deadline.is_some_and(|deadline| deadline < now))
                .map(|(key, _)| *key)
                .collect();
            for key in over {
                self.inner.stop(key, FailureKind::TimedOut, "it ran for longer than its timeout".to_owned());
            }
        }
    }

    /// Begins the transfers that the desk asks for.
    fn fetch(self: &Rc<Self>, desk: &mut Desk<Slot>) {
        for fetch in desk.take_fetches() {
            let address = desk.peer(fetch.peer).map(str::to_owned);
            let shell = Rc::clone(self);
            tokio::task::spawn_local(async move { shell.transfer(fetch.key, fetch.peer, address).await });
        }
    }

    async fn transfer(self: Rc<Self>, key: Key, peer: WorkerId, address: Option<String>) {
        let got = match &address {
            Some(address) => self.inner.peers.get(address, key).await.ok(),
            None => None,
        };
        let mut desk = lock(&self.inner.desk);
        match got {
            Some((parts, nbytes)) => desk.fetched(key, Slot::Parts(Arc::new(parts)), nbytes),
            None => desk.not_fetched(key, peer),
        }
        if desk.has_ready() {
            self.inner.ready.notify_all();
        }
        self.fetch(&mut desk);
        drop(desk);
        self.inner.outbox.notify_one();
    }

    async fn serve_peers(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let shell = Rc::clone(&self);
                    tokio::task::spawn_local(async move {
                        let _ = shell.serve_peer(stream).await; // whoever asked sees it too
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn serve_peer(self: Rc<Self>, stream: TcpStream) -> io::Result<()> {
        let stream = match receive(stream, &self.inner.config.security).await {
            Ok((stream, Role::Peer)) => stream,
            _ => return Ok(()),
        };
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        while let Some(frame) = read_frame(&mut stream, Limits::default()).await? {
            let answer = match decode(&frame.header)? {
                ToPeer::Get(key) => self.give(key).await,
                ToPeer::Put(key) => self.keep(key, unpack(frame.buffers)).await,
                ToPeer::Call(blob, args) => self.call(blob, args).await,
            };
            let (header, buffers) = match answer {
                Ok((answer, buffers)) => (answer, buffers),
                Err(failure) => (FromPeer::Failed(Box::new(failure)), Vec::new()),
            };
            write_frame(&mut stream, &Frame { header: encode(&header)?, buffers }).await?;
        }
        Ok(())
    }

    async fn give(&self, key: Key) -> Result<(FromPeer, Vec<Bytes>), Failure> {
        let found = lock(&self.inner.desk).value(key).map(|(slot, nbytes)| (slot.clone(), nbytes));
        let Some((slot, nbytes)) = found else { return Ok((FromPeer::Missing, Vec::new())) };
        let parts = match slot {
            Slot::Parts(parts) => parts.as_ref().clone(),
            Slot::Value(value) => {
                let runtime = Arc::clone(&self.inner.runtime);
                elsewhere(move || runtime.encode(&value)).await?
            }
        };
        Ok((FromPeer::Value { nbytes }, pack(parts)))
    }

    async fn keep(&self, key: Key, parts: Parts) -> Result<(FromPeer, Vec<Bytes>), Failure> {
        let nbytes = (parts.header.len() + parts.buffers.iter().map(Bytes::len).sum::<usize>()) as u64;
        let mut desk = lock(&self.inner.desk);
        desk.put(key, Slot::Parts(Arc::new(parts)), nbytes);
        if desk.has_ready() {
            self.inner.ready.notify_all();
        }
        Ok((FromPeer::Stored(nbytes), Vec::new()))
    }

    /// Runs a function that is no task, on a thread of its own.
    async fn call(&self, blob: Bytes, args: Bytes) -> Result<(FromPeer, Vec<Bytes>), Failure> {
        let runtime = Arc::clone(&self.inner.runtime);
        let parts = elsewhere(move || {
            let code = runtime.load(&blob)?;
            let mut result = Ok(Parts::default());
            let mut work = || {
                result = code.call(0, &args, &[], &Running::default()).and_then(|(value, _)| runtime.encode(&value));
            };
            match code.enclosure() {
                Some(enclosure) => enclosure.within(&mut work),
                None => work(),
            }
            result
        });
        Ok((FromPeer::Value { nbytes: 0 }, pack(parts.await?)))
    }
}

/// Runs what may have to wait for the interpreter on another thread.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(failure(FailureKind::Raised, "it panicked".to_owned())),
    }
}

/// Whether a scheduler is there, and will never let this worker in.
fn is_final(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<HandshakeError>());
    cause.is_some_and(HandshakeError::is_final)
}

/// Hundredths of one core that this process has used since the last call.
#[derive(Default)]
struct Load(Cell<Option<(Instant, u64)>>);

impl Load {
    fn read(&self) -> u32 {
        let now = (Instant::now(), process_ticks());
        let Some((since, before)) = self.0.replace(Some(now)) else { return 0 };
        let seconds = now.0.duration_since(since).as_secs_f64().max(1e-3);
        (now.1.saturating_sub(before) as f64 / seconds).round() as u32
    }
}

/// Hundredths of seconds that this process has run: the unit in which Linux says it.
fn process_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything, in parentheses: user time is number 12, system time 13.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Bytes of memory that this process uses.
fn process_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    pages.unwrap_or(0) * 4096
}
