//! A connection on which both ends speak whenever they have something to say.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use selion_net::{Frame, write_frame};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// What waits to be written. What is said while a write is under way goes together with the next.
#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    closed: bool,
}

/// The writing end, for one thread.
#[derive(Clone, Default)]
pub(crate) struct Writer(Rc<(RefCell<Waiting>, Notify)>);

impl Writer {
    /// Queues a header; it goes as soon as the socket is ready.
    pub(crate) fn send(&self, header: Bytes) {
        self.0.0.borrow_mut().frames.push_back(Frame::new(header));
        self.0.1.notify_one();
    }

    /// What is queued is still written; then the connection is closed.
    pub(crate) fn close(&self) {
        self.0.0.borrow_mut().closed = true;
        self.0.1.notify_one();
    }

    /// Writes what is queued, until closed.
    pub(crate) async fn run(&self, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
        loop {
            let (frame, closed) = {
                let mut waiting = self.0.0.borrow_mut();
                (waiting.frames.pop_front(), waiting.closed)
            };
            match frame {
                Some(frame) => write_frame(&mut stream, &frame).await?,
                None if closed => return stream.shutdown().await,
                None => {
                    stream.flush().await?;
                    self.0.1.notified().await;
                }
            }
        }
    }
}
