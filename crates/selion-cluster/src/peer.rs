//! Values straight from worker to worker, and between clients and workers.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use selion_net::{Address, Frame, HandshakeError, Limits, Role, Security, Stream, dial, read_frame, write_frame};
use selion_scheduler::Key;
use selion_scheduler::message::Failure;
use tokio::io::BufReader;

use crate::runtime::Parts;
use crate::wire::{FromPeer, ToPeer, decode, encode};

/// Idle connections kept to each worker.
const KEPT: usize = 4;

/// Why a worker did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It cannot be reached, or its connection broke.
    #[error("worker {address}: {cause}")]
    Connection {
        /// Of the worker.
        address: String,
        /// What happened.
        #[source]
        cause: io::Error,
    },
    /// It does not let us in.
    #[error("worker {address}: {cause}")]
    Handshake {
        /// Of the worker.
        address: String,
        /// What happened.
        #[source]
        cause: HandshakeError,
    },
    /// It does not hold the value.
    #[error("the worker does not hold the value")]
    Missing,
    /// It holds it, but cannot send it; or it failed to do as asked.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
}

type Connection = BufReader<Stream>;

/// Connections to workers, kept while they are of use.
pub(crate) struct Peers {
    security: Security,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
}

impl Peers {
    pub(crate) fn new(security: Security) -> Self {
        Peers { security, idle: Mutex::default() }
    }

    fn take(&self, address: &str) -> Option<Connection> {
        self.idle.lock().ok()?.get_mut(address)?.pop()
    }

    fn give_back(&self, address: &str, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock() {
            let kept = idle.entry(address.to_owned()).or_default();
            if kept.len() < KEPT {
                kept.push(connection);
            }
        }
    }

    /// Connections to a worker that is gone are of no use.
    pub(crate) fn forget(&self, address: &str) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.remove(address);
        }
    }

    async fn open(&self, address: &str) -> Result<Connection, PeerError> {
        let wrong = |cause| PeerError::Connection { address: address.to_owned(), cause };
        let parsed: Address = address.parse().map_err(|error| wrong(io::Error::other(error)))?;
        let stream = dial(&parsed, &self.security, Role::Peer).await.map_err(|cause| match cause {
            HandshakeError::Io(cause) => wrong(cause),
            cause => PeerError::Handshake { address: address.to_owned(), cause },
        })?;
        Ok(BufReader::with_capacity(64 << 10, stream))
    }

    async fn ask(&self, address: &str, request: &Frame) -> Result<(FromPeer, Vec<Bytes>), PeerError> {
        let wrong = |cause| PeerError::Connection { address: address.to_owned(), cause };
        // A kept connection may have gone stale; a new one has not.
        while let Some(mut connection) = self.take(address) {
            if let Ok(answer) = Self::exchange(&mut connection, request).await {
                self.give_back(address, connection);
                return Ok(answer);
            }
        }
        let mut connection = self.open(address).await?;
        let answer = Self::exchange(&mut connection, request).await.map_err(wrong)?;
        self.give_back(address, connection);
        Ok(answer)
    }

    async fn exchange(connection: &mut Connection, request: &Frame) -> io::Result<(FromPeer, Vec<Bytes>)> {
        write_frame(connection, request).await?;
        let answer = read_frame(connection, Limits::default()).await?;
        let answer = answer.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok((decode(&answer.header)?, answer.buffers))
    }

    /// A value, and its size in memory.
    pub(crate) async fn get(&self, address: &str, key: Key) -> Result<(Parts, u64), PeerError> {
        let wrong = |cause| PeerError::Connection { address: address.to_owned(), cause };
        let request = Frame::new(encode(&ToPeer::Get(key)).map_err(wrong)?);
        match self.ask(address, &request).await? {
            (FromPeer::Value { nbytes }, buffers) => Ok((unpack(buffers), nbytes)),
            (FromPeer::Failed(failure), _) => Err(PeerError::Failed(failure)),
            _ => Err(PeerError::Missing),
        }
    }

    /// Has a worker keep a value; its size there.
    pub(crate) async fn put(&self, address: &str, key: Key, parts: Parts) -> Result<u64, PeerError> {
        let wrong = |cause| PeerError::Connection { address: address.to_owned(), cause };
        let request = Frame { header: encode(&ToPeer::Put(key)).map_err(wrong)?, buffers: pack(parts) };
        match self.ask(address, &request).await? {
            (FromPeer::Stored(nbytes), _) => Ok(nbytes),
            (FromPeer::Failed(failure), _) => Err(PeerError::Failed(failure)),
            _ => Err(PeerError::Missing),
        }
    }

    /// Has a worker run a function.
    pub(crate) async fn call(&self, address: &str, blob: Bytes, args: Bytes) -> Result<Parts, PeerError> {
        let wrong = |cause| PeerError::Connection { address: address.to_owned(), cause };
        let request = Frame::new(encode(&ToPeer::Call(blob, args)).map_err(wrong)?);
        match self.ask(address, &request).await? {
            (FromPeer::Value { .. }, buffers) => Ok(unpack(buffers)),
            (FromPeer::Failed(failure), _) => Err(PeerError::Failed(failure)),
            _ => Err(PeerError::Missing),
        }
    }
}

pub(crate) fn pack(parts: Parts) -> Vec<Bytes> {
    let mut buffers = Vec::with_capacity(1 + parts.buffers.len());
    buffers.push(parts.header);
    buffers.extend(parts.buffers);
    buffers
}

pub(crate) fn unpack(buffers: Vec<Bytes>) -> Parts {
    let mut buffers = buffers.into_iter();
    Parts { header: buffers.next().unwrap_or_default(), buffers: buffers.collect() }
}
