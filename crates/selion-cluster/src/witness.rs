//! Who looks after a worker, and sees how it ends.

use std::io;
use std::time::Duration;

use selion_net::{Address, Frame, Role, Security, dial, write_frame};
use tokio::io::AsyncWriteExt;

use crate::wire::{ToScheduler, encode};

/// Tells a scheduler how a worker ended: `instance` is what it was told to be called.
///
/// # Errors
/// If the scheduler does not hear it.
pub fn report_death(scheduler: &Address, security: &Security, instance: &str, cause: &str) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tell = async {
        let mut stream = dial(scheduler, security, Role::Client).await?;
        let words = encode(&ToScheduler::WorkerDied(instance.to_owned(), cause.to_owned()))?;
        write_frame(&mut stream, &Frame::new(words)).await?;
        stream.shutdown().await
    };
    // A timeout belongs to the runtime that it is made in.
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, tell).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    })
}
