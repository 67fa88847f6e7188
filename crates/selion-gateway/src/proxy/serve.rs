//! Accepts connections, looks at their first bytes, and sends them their way.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::control::{API_SOCKET, Answer, Order, PROXY_SOCKET, VERSION};
use super::hello::{self, HELLO_BYTES_MAX, Hello};
use super::pass;
use super::passing::{self, RunDirectory};
use super::routes::Routes;

/// What stands before the cluster's name in the server name.
const SNI_PREFIX: &str = "daskgateway-";
/// How long a connection may take to say what it wants.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for an API process that is being restarted.
const API_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have not said yet what they want, or wait for the API.
const WAITING_MAX: usize = 16_000;
/// Without an API process and without connections, it ends after this.
const ALONE_FOR: Duration = Duration::from_secs(60);
/// An order is short, but a `Hello` lists every way.
const ORDER_BYTES_MAX: u64 = 16 << 20;

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 The gateway is restarting\r\nContent-Type: application/json\r\n\
    Retry-After: 5\r\nConnection: close\r\nContent-Length: 38\r\n\r\n{\"error\": \"the gateway is restarting\"}\n";

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
#[error("the proxy cannot start: {0}")]
pub struct ProxyError(#[from] std::io::Error);

struct Proxy {
    api: PathBuf,
    routes: Routes,
    open: AtomicUsize,
    waiting: AtomicUsize,
    masters: AtomicUsize,
    retired: AtomicBool,
    changed: Notify,
    listener: tokio::sync::Mutex<Option<(SocketAddr, SocketAddr, JoinHandle<()>)>>,
}

/// Serves until it is told to retire, or is alone for long.
///
/// # Errors
/// If its socket cannot be made.
pub async fn run(run_directory: &Path) -> Result<(), ProxyError> {
    let directory = RunDirectory::make(run_directory)?;
    let path = directory.socket(PROXY_SOCKET);
    let _ = std::fs::remove_file(&path);
    let orders = UnixListener::bind(&path)?;
    let proxy = Arc::new(Proxy {
        api: directory.socket(API_SOCKET),
        routes: Routes::default(),
        open: AtomicUsize::new(0),
        waiting: AtomicUsize::new(0),
        masters: AtomicUsize::new(0),
        retired: AtomicBool::new(false),
        changed: Notify::new(),
        listener: tokio::sync::Mutex::new(None),
    });
    // Ctrl-C reaches the whole process group; what is to happen then, the API process says.
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut alone_since = Instant::now();
    loop {
        tokio::select! {
            accepted = orders.accept() => {
                if let Ok((stream, _)) = accepted && !proxy.is_retired() {
                    tokio::spawn(obey(Arc::clone(&proxy), stream));
                }
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => proxy.retire().await,
            () = proxy.changed.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        let is_alone = proxy.open.load(Ordering::Relaxed) == 0 && proxy.masters.load(Ordering::Relaxed) == 0;
        if !is_alone {
            alone_since = Instant::now();
        } else if proxy.is_retired() || alone_since.elapsed() > ALONE_FOR {
            break;
        }
        if proxy.is_retired() && proxy.open.load(Ordering::Relaxed) == 0 {
            break;
        }
    }
    tracing::info!("the proxy ends");
    Ok(())
}

/// Does what an API process says, as long as that lives.
async fn obey(proxy: Arc<Proxy>, stream: UnixStream) {
    proxy.masters.fetch_add(1, Ordering::Relaxed);
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(ORDER_BYTES_MAX));
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|count| count > 0) {
        let answer = match serde_json::from_str(&line) {
            Ok(order) => proxy.carry_out(order).await,
            Err(error) => Answer { error: Some(error.to_string()), ..Answer::default() },
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else { break };
        text.push(b'\n');
        if write.write_all(&text).await.is_err() {
            break;
        }
        line.clear();
        lines.get_mut().set_limit(ORDER_BYTES_MAX);
    }
    proxy.masters.fetch_sub(1, Ordering::Relaxed);
    proxy.changed.notify_one();
}

impl Proxy {
    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    async fn carry_out(self: &Arc<Self>, order: Order) -> Answer {
        let mut answer = Answer::default();
        match order {
            Order::Hello { version, .. } if version != VERSION => answer.version = Some(VERSION),
            Order::Hello { address, routes, .. } => {
                self.routes.replace(routes);
                match self.listen(address).await {
                    Ok(bound) => answer.address = Some(bound),
                    Err(error) => answer.error = Some(format!("cannot listen on {address}: {error}")),
                }
            }
            Order::Add { name, target } => self.routes.add(name, target),
            Order::Remove { name } => self.routes.remove(&name),
            Order::Stats => answer.connections = self.routes.connections(),
            Order::Retire => self.retire().await,
        }
        answer
    }

    /// Listens on `wanted`, where it may do so already; gives the address with its port.
    async fn listen(self: &Arc<Self>, wanted: SocketAddr) -> std::io::Result<SocketAddr> {
        let mut listener = self.listener.lock().await;
        if let Some((asked, bound, _)) = &*listener
            && (*asked == wanted || *bound == wanted)
        {
            return Ok(*bound);
        }
        let socket = TcpListener::bind(wanted).await?;
        let bound = socket.local_addr()?;
        let task = tokio::spawn(accept(Arc::clone(self), socket));
        if let Some((_, _, old)) = listener.replace((wanted, bound, task)) {
            old.abort();
        }
        Ok(bound)
    }

    async fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        if let Some((_, _, task)) = self.listener.lock().await.take() {
            task.abort();
            let _ = task.await;
        }
        self.changed.notify_one();
    }

    /// One connection, from its first byte to its end.
    async fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(Some((hello, said))) = tokio::time::timeout(HELLO_TIMEOUT, first_bytes(&mut stream)).await else {
            return;
        };
        let cluster = match &hello {
            Hello::Tls(Some(name)) => name.strip_prefix(SNI_PREFIX),
            Hello::Broken | Hello::More => return,
            Hello::Plain | Hello::Tls(None) => None,
        };
        let Some(cluster) = cluster else { return self.hand_over(stream, &said).await };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(passage) = self.routes.enter(cluster) {
            let target = passage.route.target.clone();
            tokio::select! {
                _ = pass::pass(stream, &said, &target) => {}
                () = passage.closed() => {}
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a connection to the API process; waits for that if it is being restarted.
    async fn hand_over(&self, mut stream: TcpStream, said: &[u8]) {
        let deadline = Instant::now() + API_TIMEOUT;
        while passing::send(&self.api, &stream, said).await.is_err() {
            if Instant::now() > deadline || self.is_retired() {
                if hello::read(said) == Hello::Plain {
                    let _ = stream.write_all(UNAVAILABLE).await;
                    let _ = stream.shutdown().await;
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn accept(proxy: Arc<Proxy>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, as a rule: connections that end will free some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if proxy.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            continue;
        }
        proxy.open.fetch_add(1, Ordering::Relaxed);
        proxy.waiting.fetch_add(1, Ordering::Relaxed);
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            proxy.serve(stream).await;
            proxy.waiting.fetch_sub(1, Ordering::Relaxed);
            proxy.open.fetch_sub(1, Ordering::Relaxed);
            if proxy.is_retired() {
                proxy.changed.notify_one();
            }
        });
    }
}

/// Reads until it is known what the connection is.
async fn first_bytes(stream: &mut TcpStream) -> Option<(Hello, Vec<u8>)> {
    // Those who say nothing cost no buffer.
    stream.readable().await.ok()?;
    let mut said = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut said).await.ok()? == 0 {
            return None;
        }
        match hello::read(&said) {
            Hello::More if said.len() <= HELLO_BYTES_MAX => {}
            hello => return Some((hello, said)),
        }
    }
}
