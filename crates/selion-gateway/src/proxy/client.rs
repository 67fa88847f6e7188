//! The API process's end: finds the proxy or starts it, and tells it the ways.
//!
//! The table of ways is held here. Whenever a connection to a proxy is made, a `Hello` gives the whole table, so that a
//! proxy that was started anew, or that had survived, knows just what it should.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::control::{Answer, Order, PROXY_SOCKET, VERSION};
use super::passing::RunDirectory;

/// How long a proxy may take to be there.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The argument by which the executable knows that it is to be the proxy; the run directory follows.
pub const PROXY_ARGUMENT: &str = "gateway-proxy";

/// The connection to the proxy, made anew whenever it is lost.
#[derive(Debug)]
pub struct ProxyClient {
    run_directory: PathBuf,
    directory: RunDirectory,
    wanted: SocketAddr,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    routes: BTreeMap<String, String>,
    connection: Option<BufReader<UnixStream>>,
    bound: Option<SocketAddr>,
}

impl ProxyClient {
    /// For the proxy of `run_directory`, which shall listen on `wanted`.
    #[must_use]
    pub fn new(run_directory: &Path, directory: RunDirectory, wanted: SocketAddr) -> ProxyClient {
        ProxyClient { run_directory: run_directory.into(), directory, wanted, inner: Mutex::default() }
    }

    /// Makes sure that the proxy listens, with exactly these ways; gives the address with its port.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn start(&self, routes: BTreeMap<String, String>) -> std::io::Result<SocketAddr> {
        let mut inner = self.inner.lock().await;
        inner.routes = routes;
        self.connect(&mut inner).await?;
        inner.bound.ok_or_else(|| std::io::Error::other("the proxy listens nowhere"))
    }

    /// Adds the way to a cluster; it is there when this returns.
    ///
    /// # Errors
    /// If the proxy cannot be reached; it will learn the way when it can.
    pub async fn add(&self, name: &str, target: &str) -> std::io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.routes.insert(name.to_owned(), target.to_owned());
        self.ask(&mut inner, &Order::Add { name: name.to_owned(), target: target.to_owned() }).await.map(drop)
    }

    /// Removes the way to a cluster.
    ///
    /// # Errors
    /// If the proxy cannot be reached; it will learn so when it can.
    pub async fn remove(&self, name: &str) -> std::io::Result<()> {
        let mut inner = self.inner.lock().await;
        if inner.routes.remove(name).is_none() {
            return Ok(());
        }
        self.ask(&mut inner, &Order::Remove { name: name.to_owned() }).await.map(drop)
    }

    /// Connections per cluster.
    ///
    /// # Errors
    /// If the proxy cannot be reached.
    pub async fn connections(&self) -> std::io::Result<BTreeMap<String, u32>> {
        let mut inner = self.inner.lock().await;
        self.ask(&mut inner, &Order::Stats).await.map(|answer| answer.connections)
    }

    /// Lets the proxy go: it frees the port at once, and ends with its last connection.
    pub async fn retire(&self) {
        let mut inner = self.inner.lock().await;
        if let Some(connection) = &mut inner.connection {
            let _ = exchange(connection, &Order::Retire).await;
        }
        inner.connection = None;
    }

    /// Asks; if the connection was lost, connects again, by which the proxy learns the table, and asks once more.
    async fn ask(&self, inner: &mut Inner, order: &Order) -> std::io::Result<Answer> {
        if let Some(connection) = &mut inner.connection
            && let Ok(answer) = exchange(connection, order).await
        {
            return Ok(answer);
        }
        self.connect(inner).await?;
        let connection = inner.connection.as_mut().ok_or_else(|| std::io::Error::other("no proxy"))?;
        exchange(connection, order).await
    }

    async fn connect(&self, inner: &mut Inner) -> std::io::Result<()> {
        inner.connection = None;
        let deadline = Instant::now() + START_TIMEOUT;
        let mut started = false;
        loop {
            if let Ok(stream) = UnixStream::connect(self.directory.socket(PROXY_SOCKET)).await {
                let mut connection = BufReader::new(stream);
                // A port chosen by the system stays the same one.
                let address = inner.bound.unwrap_or(self.wanted);
                let hello = Order::Hello { version: VERSION, address, routes: inner.routes.clone() };
                match exchange(&mut connection, &hello).await {
                    Ok(Answer { version: Some(_), .. }) => {
                        tracing::info!(
                            "a proxy of another version runs; it keeps its connections, and a new one takes over"
                        );
                        let _ = exchange(&mut connection, &Order::Retire).await;
                        let _ = std::fs::remove_file(self.directory.socket(PROXY_SOCKET));
                    }
                    Ok(Answer { error: Some(error), .. }) => return Err(std::io::Error::other(error)),
                    Ok(answer) => {
                        inner.bound = answer.address;
                        inner.connection = Some(connection);
                        return Ok(());
                    }
                    Err(error) => tracing::warn!(%error, "the proxy does not answer"),
                }
            }
            if Instant::now() > deadline {
                return Err(std::io::Error::other("the proxy does not start; see proxy.log in the run directory"));
            }
            if !started {
                self.spawn()?;
                started = true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts the proxy. Its output goes to a file of its own: it may outlive whoever reads ours.
    fn spawn(&self) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let log = self.run_directory.join("proxy.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .arg(PROXY_ARGUMENT)
            .arg(&self.run_directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(false)
            .spawn()?;
        tokio::spawn(async move { child.wait().await });
        Ok(())
    }
}

async fn exchange(connection: &mut BufReader<UnixStream>, order: &Order) -> std::io::Result<Answer> {
    let talk = async {
        let mut text = serde_json::to_vec(order)?;
        text.push(b'\n');
        connection.get_mut().write_all(&text).await?;
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    };
    tokio::time::timeout(ANSWER_TIMEOUT, talk).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}
