//! The scheduler's process: sockets around the state machine. One thread; it never sees what is inside a value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use selion_net::{Limits, Role, Token, accept, read_frame};
use selion_scheduler::{Action, ClientId, Config, Scheduler, WorkerId};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::link::Writer;
use crate::share::Shares;
use crate::wire::{FromScheduler, Info, Reply, Request, ToScheduler, WorkerEntry, decode, encode};

/// What a scheduler's process is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen, such as `127.0.0.1:0`.
    pub listen: String,
    /// What those who connect must know.
    pub token: Token,
    /// What the state machine is told.
    pub scheduler: Config,
}

/// A scheduler that listens.
pub struct Server {
    listener: std::net::TcpListener,
    config: ServerConfig,
}

struct State {
    scheduler: Scheduler,
    started: Instant,
    workers: HashMap<WorkerId, (Writer, String)>,
    clients: HashMap<ClientId, Writer>,
    next_worker: u32,
    next_client: u32,
    shares: Shares,
}

type Shared = Rc<Hub>;

struct Hub {
    state: RefCell<State>,
    token: Token,
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
        let listener = std::net::TcpListener::bind(&config.listen)?;
        listener.set_nonblocking(true)?;
        Ok(Server { listener, config })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the socket does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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
            token: self.config.token,
            changed: Notify::new(),
            shutdown: Notify::new(),
        });
        tokio::task::spawn_local(hub.clone().speak());
        tokio::task::spawn_local(hub.clone().watch());
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
    async fn meet(self: Rc<Self>, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let role = accept(&mut stream, &self.token).await.map_err(io::Error::other)?;
        let (reading, writing) = stream.into_split();
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
            Request::Info => Reply::Info(state.info()),
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
        let id = {
            let mut state = self.state.borrow_mut();
            let id = WorkerId(state.next_worker);
            state.next_worker += 1;
            let address = info.address.clone();
            state.workers.insert(id, (writer.clone(), address.clone()));
            send(writer, &FromScheduler::WelcomeWorker(id));
            state.tick();
            state.scheduler.worker_joined(id, info);
            state.tell_clients(id, Some(address));
            self.changed.notify_one();
            id
        };
        let (clean, result) = self.hear_worker(reading, id).await;
        let mut state = self.state.borrow_mut();
        if state.workers.remove(&id).is_some() {
            state.tick();
            let cause = match &result {
                Err(error) => format!("its connection broke: {error}"),
                Ok(()) => "its connection was closed".to_owned(),
            };
            state.scheduler.worker_left(id, clean, &cause);
            state.tell_clients(id, None);
        }
        self.changed.notify_one();
        result
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
    fn tick(&mut self) {
        let now = self.started.elapsed().as_micros() as u64;
        self.scheduler.tick(now);
    }

    fn tell_clients(&self, worker: WorkerId, address: Option<String>) {
        for writer in self.clients.values() {
            send(writer, &FromScheduler::Workers(vec![(worker, address.clone())]));
        }
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
