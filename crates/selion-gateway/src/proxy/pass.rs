//! Copies bytes between a client and its scheduler.
//!
//! Idle connections hold no buffer: one is taken when bytes are there and given back when they are written. No idle
//! cut-off; TCP keep-alive finds peers that have vanished. When either side ends, so does the other: Dask has no use for
//! half-open connections.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const BUFFER_BYTES: usize = 256 * 1024;
/// Buffers that wait for their next use.
const SPARE_MAX: usize = 8;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Connects to `target`, sends what the client has already said, and copies until one side ends.
pub(super) async fn pass(mut client: TcpStream, said: &[u8], target: &str) -> io::Result<()> {
    let connect = TcpStream::connect(target);
    let mut scheduler = tokio::time::timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| io::ErrorKind::TimedOut)??;
    for stream in [&client, &scheduler] {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_keepalive(stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    }
    scheduler.write_all(said).await?;
    let (from_client, to_client) = client.split();
    let (from_scheduler, to_scheduler) = scheduler.split();
    tokio::select! {
        ended = copy(from_client, to_scheduler) => ended,
        ended = copy(from_scheduler, to_client) => ended,
    }
}

async fn copy(from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut buffer = take_buffer();
        loop {
            match from.try_read(&mut buffer) {
                Ok(0) => {
                    give_back(buffer);
                    return to.shutdown().await;
                }
                Ok(count) => to.write_all(&buffer[..count]).await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        give_back(buffer);
    }
}

fn take_buffer() -> Vec<u8> {
    let spare = SPARE.lock().ok().and_then(|mut spare| spare.pop());
    spare.unwrap_or_else(|| vec![0; BUFFER_BYTES])
}

fn give_back(buffer: Vec<u8>) {
    if let Ok(mut spare) = SPARE.lock()
        && spare.len() < SPARE_MAX
    {
        spare.push(buffer);
    }
}
