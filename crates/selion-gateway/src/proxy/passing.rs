//! Hands an accepted connection to another process: the descriptor, and the bytes that were already read from it.
//!
//! One Unix connection per connection handed over: the descriptor comes with the first byte, then the bytes, then the end.
//! From then on the API process talks to its client directly; nothing is copied.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use super::hello::HELLO_BYTES_MAX;

/// How long handing over may take; both ends are on this machine.
const LIMIT: Duration = Duration::from_secs(5);

/// A folder whose sockets have short names, however long its own path is.
#[derive(Debug)]
pub struct RunDirectory(OwnedFd);

impl RunDirectory {
    /// Makes the folder, for this user alone.
    ///
    /// # Errors
    /// If that cannot be.
    pub fn make(path: &Path) -> std::io::Result<RunDirectory> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let folder = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::DIRECTORY.bits().cast_signed())
            .open(path)?;
        Ok(RunDirectory(folder.into()))
    }

    /// The path of a socket: through the open folder, because socket paths must be shorter than 108 bytes.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        use std::os::fd::AsRawFd as _;
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

/// Hands `stream` over, with what was read from it.
///
/// # Errors
/// If the other process is not there.
pub(super) async fn send(socket: &Path, stream: &tokio::net::TcpStream, read: &[u8]) -> std::io::Result<()> {
    let give = async {
        let mut unix = UnixStream::connect(socket).await?;
        unix.async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let fds = [stream.as_fd()];
            control.push(SendAncillaryMessage::ScmRights(&fds));
            Ok(rustix::net::sendmsg(unix.as_fd(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?)
        })
        .await?;
        unix.write_all(read).await?;
        unix.shutdown().await
    };
    tokio::time::timeout(LIMIT, give).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

/// Takes a connection over.
///
/// # Errors
/// If none is given.
pub async fn receive(mut unix: UnixStream) -> std::io::Result<(TcpStream, Vec<u8>)> {
    let take = async {
        let fd = unix
            .async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut byte = [0];
                rustix::net::recvmsg(
                    unix.as_fd(),
                    &mut [IoSliceMut::new(&mut byte)],
                    &mut control,
                    RecvFlags::CMSG_CLOEXEC,
                )?;
                Ok(control.drain().find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                    _ => None,
                }))
            })
            .await?
            .ok_or_else(|| std::io::Error::other("no connection came"))?;
        let mut read = Vec::new();
        (&mut unix).take(HELLO_BYTES_MAX as u64 + 1).read_to_end(&mut read).await?;
        Ok((TcpStream::from(fd), read))
    };
    tokio::time::timeout(LIMIT, take).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}
