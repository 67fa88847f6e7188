//! The scheduler's process: sockets around the state machine. One thread; it never sees what is inside a value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use selion_dashboard::Access;
use selion_net::{Address, Limits, Role, Security, read_frame, receive};
use selion_scheduler::{Action, ClientId, Config, Scheduler, WorkerId};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::link::Writer;
use crate::share::Shares;
use crate::show::Show;
use crate::wire::{FromScheduler, Info, Reply, Request, ToScheduler, WorkerEntry, decode, encode};

/// How long to wait for the one who looks after a worker to say how it ended.
const DEATH_PATIENCE: Duration = Duration::from_millis(500);

/// What a scheduler's process is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen, such as `127.0.0.1:0`.
    pub listen: String,
    /// What those who connect must know.
    pub security: Security,
    /// What the state machine is told.
    pub scheduler: Config,
    /// Where the status page is served, such as `127.0.0.1:8787`: on another port, if that one is taken. None for none.
    pub dashboard: Option<String>,
}

/// A scheduler that listens.
pub struct Server {
    listener: std::net::TcpListener,
    /// Of the status page.
    pages: Option<std::net::TcpListener>,
    config: ServerConfig,
}

pub(crate) struct State {
    pub(crate) scheduler: Scheduler,
    started: Instant,
    workers: HashMap<WorkerId, (Writer, String)>,
    pub(crate) clients: HashMap<ClientId, Writer>,
    next_worker: u32,
    next_client: u32,
    shares: Shares,
}

type Shared = Rc<Hub>;

pub(crate) struct Hub {
    pub(crate) state: RefCell<State>,
    pub(crate) address: String,
    dashboard: String,
    security: Security,
    /// How workers ended, by what those call them who look after them, and when that was said.
    deaths: RefCell<HashMap<String, (String, Instant)>>,
    died: Notify,
    /// Something was reported; what follows from it is to be said.
    changed: Notify,
    shutdown: Notify,
}

impl Server {
    /// Binds the socket.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn bind(config: ServerConfig) -> io::Result<Server> {
        let listener = config.security.listen(&config.listen)?;
        let pages = config.dashboard.as_deref().map(listen_for_pages).transpose()?;
        Ok(Server { listener, pages, config })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the socket does not know.
    pub fn address(&self) -> io::Result<Address> {
        let local = self.listener.local_addr()?;
        Ok(self.config.security.address(local.ip(), local.port()))
    }

    /// The link to the status page; empty if there is none. Beyond this machine it holds the key.
    ///
    /// # Errors
    /// If the socket does not know where it is.
    pub fn dashboard(&self) -> io::Result<String> {
        let Some(pages) = &self.pages else { return Ok(String::new()) };
        let local = pages.local_addr()?;
        if local.ip().is_loopback() {
            return Ok(format!("http://{local}/status"));
        }
        Ok(format!("http://{local}/status?key={}", selion_dashboard::key(&self.config.security.token).reveal()))
    }

    /// Serves until told to shut down.
    ///
    /// # Errors
    /// If the thread cannot wait for sockets.
    pub fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, self.serve())
    }

    async fn serve(self) -> io::Result<()> {
        let (address, dashboard) = (self.address()?.to_string(), self.dashboard()?);
        let listener = TcpListener::from_std(self.listener)?;
        let hub: Shared = Rc::new(Hub {
            state: RefCell::new(State {
                scheduler: Scheduler::new(self.config.scheduler),
                started: Instant::now(),
                workers: HashMap::new(),
                clients: HashMap::new(),
                next_worker: 0,
                next_client: 0,
                shares: Shares::default(),
            }),
            address,
            dashboard,
            security: self.config.security,
            deaths: RefCell::default(),
            died: Notify::new(),
            changed: Notify::new(),
            shutdown: Notify::new(),
        });
        tokio::task::spawn_local(hub.clone().speak());
        tokio::task::spawn_local(hub.clone().watch());
        if let Some(pages) = self.pages {
            let access = Access {
                loopback: pages.local_addr()?.ip().is_loopback(),
                key: selion_dashboard::key(&hub.security.token),
            };
            let pages = TcpListener::from_std(pages)?;
            tokio::task::spawn_local(selion_dashboard::serve(pages, Rc::new(Show(hub.clone())), access));
        }
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors, perhaps
                        continue;
                    };
                    let hub = hub.clone();
                    tokio::task::spawn_local(async move {
                        // A connection that breaks, or a stranger's, ends here.
                        let _ = hub.meet(stream).await;
                    });
                }
                () = hub.shutdown.notified() => break,
            }
        }
        // What was said last is still written.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }
}

/// A socket for the status page, on a port that is free.
fn listen_for_pages(wanted: &str) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(wanted).or_else(|error| match wanted.rsplit_once(':') {
        Some((host, _)) if error.kind() == io::ErrorKind::AddrInUse => std::net::TcpListener::bind(format!("{host}:0")),
        _ => Err(error),
    });
    let listener = listener
        .map_err(|error| io::Error::new(error.kind(), format!("the status page cannot be at {wanted}: {error}")))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Hub {
    /// Says what follows from what was reported: all that has come in one turn of the loop is answered together.
    async fn speak(self: Rc<Self>) {
        loop {
            self.changed.notified().await;
            tokio::task::yield_now().await;
            self.act();
        }
    }

    async fn watch(self: Rc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            {
                let mut state = self.state.borrow_mut();
                state.tick();
                state.scheduler.watch();
                state.shares.expire();
            }
            self.deaths.borrow_mut().retain(|_, (_, since)| since.elapsed() < 10 * DEATH_PATIENCE);
            self.act();
        }
    }

    fn act(&self) {
        let mut state = self.state.borrow_mut();
        state.tick();
        for action in state.scheduler.actions() {
            match action {
                Action::Tell(worker, messages) => {
                    if let Some((writer, _)) = state.workers.get(&worker) {
                        send(writer, &FromScheduler::Worker(messages));
                    }
                }
                Action::Answer(client, messages) => {
                    if let Some(writer) = state.clients.get(&client) {
                        send(writer, &FromScheduler::Client(messages));
                    }
                }
                Action::Disconnect(worker) => {
                    if let Some((writer, _)) = state.workers.remove(&worker) {
                        writer.close();
                        state.tell_clients(worker, None);
                    }
                }
                Action::Log(line) => eprintln!("selion scheduler: {line}"),
            }
        }
    }

    /// One connection, from its handshake to its end.
    async fn meet(self: Rc<Self>, stream: TcpStream) -> io::Result<()> {
        let (stream, role) = receive(stream, &self.security).await?;
        let (reading, writing) = stream.split();
        let mut reading = BufReader::with_capacity(256 << 10, reading);
        let hello = read_frame(&mut reading, Limits::default()).await?;
        let hello = hello.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let writer = Writer::default();
        let writes = {
            let writer = writer.clone();
            tokio::task::spawn_local(async move { writer.run(writing).await })
        };
        let result = match (role, decode(&hello.header)?) {
            (Role::Client, ToScheduler::ClientHello(_)) => self.serve_client(&mut reading, &writer).await,
            (Role::Client, ToScheduler::WorkerDied(instance, cause)) => {
                self.deaths.borrow_mut().insert(instance, (cause, Instant::now()));
                self.died.notify_waiters();
                Ok(())
            }
            (Role::Worker, ToScheduler::WorkerHello(info)) => self.serve_worker(&mut reading, &writer, info).await,
            _ => Ok(()),
        };
        writer.close();
        let _ = tokio::time::timeout(Duration::from_secs(1), writes).await;
        result
    }

    async fn serve_client(&self, reading: &mut (impl tokio::io::AsyncRead + Unpin), writer: &Writer) -> io::Result<()> {
        let id = {
            let mut state = self.state.borrow_mut();
            let id = ClientId(state.next_client);
            state.next_client += 1;
            state.clients.insert(id, writer.clone());
            state.scheduler.client_joined(id);
            send(writer, &FromScheduler::WelcomeClient(id));
            let workers = state.workers.iter().map(|(id, (_, address))| (*id, Some(address.clone()))).collect();
            send(writer, &FromScheduler::Workers(workers));
            id
        };
        let result = self.hear_client(reading, writer, id).await;
        let mut state = self.state.borrow_mut();
        state.clients.remove(&id);
        state.tick();
        state.scheduler.client_left(id);
        state.shares.client_left(id);
        self.changed.notify_one();
        result
    }

    async fn hear_client(
        &self,
        reading: &mut (impl tokio::io::AsyncRead + Unpin),
        writer: &Writer,
        id: ClientId,
    ) -> io::Result<()> {
        while let Some(frame) = read_frame(reading, Limits::default()).await? {
            match decode(&frame.header)? {
                ToScheduler::Client(messages) => {
                    let mut state = self.state.borrow_mut();
                    state.tick();
                    for message in messages {
                        state.scheduler.from_client(id, message);
                    }
                    self.changed.notify_one();
                }
                ToScheduler::Request(number, Request::Share(share)) => {
                    self.state.borrow_mut().shares.step(id, number, writer, share);
                }
                ToScheduler::Request(number, request) => {
                    let reply = self.answer(request);
                    send(writer, &FromScheduler::Reply(number, reply));
                }
                ToScheduler::Goodbye => break,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn answer(&self, request: Request) -> Reply {
        let mut state = self.state.borrow_mut();
        match request {
            Request::Info => Reply::Info(Info { dashboard: self.dashboard.clone(), ..state.info() }),
            Request::Contents => {
                let ids: Vec<WorkerId> = state.workers.keys().copied().collect();
                let contents =
                    ids.into_iter().map(|id| (id, state.scheduler.held_by(id), state.scheduler.assigned_to(id)));
                Reply::Contents(contents.collect())
            }
            Request::Explain(key) => Reply::Text(state.scheduler.explain(key)),
            Request::SetData { name, value, replace } => Reply::Bool(state.shares.set_data(name, value, replace)),
            Request::GetData(name) => Reply::Data(state.shares.data(&name)),
            Request::ListData(prefix) => Reply::Names(state.shares.names(&prefix)),
            Request::Share(_) => Reply::Error("answered elsewhere".to_owned()),
            Request::Shutdown => {
                for (writer, _) in state.workers.values() {
                    send(writer, &FromScheduler::Worker(vec![selion_scheduler::message::ToWorker::Close]));
                }
                self.shutdown.notify_one();
                Reply::Bool(true)
            }
        }
    }

    async fn serve_worker(
        &self,
        reading: &mut (impl tokio::io::AsyncRead + Unpin),
        writer: &Writer,
        info: selion_scheduler::message::WorkerInfo,
    ) -> io::Result<()> {
        let (id, address, instance) = {
            let mut state = self.state.borrow_mut();
            let id = WorkerId(state.next_worker);
            state.next_worker += 1;
            let (address, instance) = (info.address.clone(), info.instance.clone());
            state.workers.insert(id, (writer.clone(), address.clone()));
            send(writer, &FromScheduler::WelcomeWorker(id));
            state.tick();
            state.scheduler.worker_joined(id, info);
            state.tell_clients(id, Some(address.clone()));
            self.changed.notify_one();
            (id, address, instance)
        };
        let (clean, result) = self.hear_worker(reading, id).await;
        if self.state.borrow_mut().workers.remove(&id).is_some() {
            self.state.borrow_mut().tell_clients(id, None);
            let said = if clean || instance.is_empty() {
                None
            } else {
                self.state.borrow_mut().scheduler.worker_unreachable(id);
                self.cause_of_death(&instance).await
            };
            let cause = match (said, &result) {
                (Some(said), _) => said,
                (None, Err(error)) => format!("its connection broke: {error}"),
                (None, Ok(())) => "its connection was closed".to_owned(),
            };
            let mut state = self.state.borrow_mut();
            let cause = state.last_words(id, &address, &cause);
            if !clean {
                eprintln!("selion scheduler: lost {cause}");
            }
            state.tick();
            state.scheduler.worker_left(id, clean, &cause);
        }
        self.changed.notify_one();
        result
    }

    /// How a worker ended, as soon as somebody says so who looks after it; none if nobody does.
    async fn cause_of_death(&self, instance: &str) -> Option<String> {
        let until = tokio::time::Instant::now() + DEATH_PATIENCE;
        loop {
            let said = self.died.notified();
            if let Some((cause, _)) = self.deaths.borrow_mut().remove(instance) {
                return Some(cause);
            }
            tokio::time::timeout_at(until, said).await.ok()?;
        }
    }

    async fn hear_worker(
        &self,
        reading: &mut (impl tokio::io::AsyncRead + Unpin),
        id: WorkerId,
    ) -> (bool, io::Result<()>) {
        loop {
            let message = match read_frame(reading, Limits::default()).await {
                Ok(Some(frame)) => decode(&frame.header),
                Ok(None) => return (false, Ok(())),
                Err(error) => return (false, Err(error)),
            };
            match message {
                Ok(ToScheduler::Worker(messages)) => {
                    let mut state = self.state.borrow_mut();
                    state.tick();
                    for message in messages {
                        state.scheduler.from_worker(id, message);
                    }
                    self.changed.notify_one();
                }
                Ok(ToScheduler::Goodbye) => return (true, Ok(())),
                Ok(_) => return (false, Err(io::ErrorKind::InvalidData.into())),
                Err(error) => return (false, Err(error)),
            }
        }
    }
}

impl State {
    pub(crate) fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    pub(crate) fn tick(&mut self) {
        let now = self.now();
        self.scheduler.tick(now);
    }

    fn tell_clients(&self, worker: WorkerId, address: Option<String>) {
        for writer in self.clients.values() {
            send(writer, &FromScheduler::Workers(vec![(worker, address.clone())]));
        }
    }

    /// A dead worker, for people: which, how it ended, and how much memory it had when that was last looked at.
    fn last_words(&self, id: WorkerId, address: &str, cause: &str) -> String {
        const MIB: f64 = (1u64 << 20) as f64;
        let Some(worker) = self.scheduler.workers().into_iter().find(|worker| worker.id == id) else {
            return format!("worker {address}: {cause}");
        };
        let limit = match worker.info.memory_limit {
            0 => String::new(),
            limit => format!(" of {:.0} MiB", limit as f64 / MIB),
        };
        let memory = worker.status.memory as f64 / MIB;
        format!("worker {} at {address}: {cause}; its last memory reading was {memory:.0} MiB{limit}", worker.info.name)
    }

    fn info(&mut self) -> Info {
        self.tick();
        let summary = self.scheduler.summary();
        let workers = self.scheduler.workers().into_iter().map(|worker| WorkerEntry {
            id: worker.id,
            info: worker.info,
            status: worker.status,
            processing: worker.processing as u64,
            holds: worker.holds as u64,
            held_bytes: worker.held_bytes,
            silent: worker.silent,
        });
        Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros() as u64),
            dashboard: String::new(),
            up: self.started.elapsed().as_micros() as u64,
            tasks: summary.tasks as u64,
            done: summary.done,
            queued: summary.queued as u64,
            processing: summary.processing as u64,
            in_memory: summary.in_memory as u64,
            failed: summary.failed as u64,
            expected_seconds: summary.expected_seconds,
            workers: workers.collect(),
        }
    }
}

pub(crate) fn send(writer: &Writer, message: &FromScheduler) {
    match encode(message) {
        Ok(header) => writer.send(header),
        Err(error) => eprintln!("selion scheduler: cannot say {message:?}: {error}"),
    }
}
