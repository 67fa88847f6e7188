//! What travels: a header, and buffers that are written as they lie in memory.
//!
//! On the wire, all numbers little endian: `u32` length of the header, `u32` number of buffers, `u64` length of each;
//! then the header, then the buffers.

use std::io::{self, IoSlice};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Buffers up to this size are copied together, so that a small frame is one write.
const COPY_MAX: usize = 16 << 10;

/// One message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// What it says.
    pub header: Bytes,
    /// Data that it speaks of.
    pub buffers: Vec<Bytes>,
}

impl Frame {
    /// A frame without buffers.
    pub fn new(header: impl Into<Bytes>) -> Frame {
        Frame { header: header.into(), buffers: Vec::new() }
    }
}

/// The largest frames that are taken in.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a header.
    pub header: usize,
    /// Number of buffers.
    pub buffers: usize,
    /// Bytes of all buffers of a frame.
    pub total: u64,
}

impl Default for Limits {
    /// A gigabyte of header, for graphs of millions of tasks; 64 GiB of data.
    fn default() -> Self {
        Limits { header: 1 << 30, buffers: 1 << 20, total: 64 << 30 }
    }
}

impl Limits {
    /// For whoever has not proved yet that it belongs here.
    pub const STRANGER: Limits = Limits { header: 4096, buffers: 0, total: 0 };
}

/// Reads one frame; none if the other end has closed the connection between frames.
///
/// Memory is taken as data arrives, so that a length alone costs nothing.
///
/// # Errors
/// Those of the connection; `InvalidData` if the frame is over the limits.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin), limits: Limits) -> io::Result<Option<Frame>> {
    let mut head = [0u8; 8];
    match stream.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (header, count) = (word(0), word(4));
    if header > limits.header || count > limits.buffers {
        return Err(too_large());
    }
    let mut lengths = Vec::new();
    let mut total = 0u64;
    for _ in 0..count {
        let length = stream.read_u64_le().await?;
        total = total.saturating_add(length);
        if total > limits.total {
            return Err(too_large());
        }
        lengths.push(length);
    }
    let header = read_bytes(stream, header as u64).await?;
    let mut buffers = Vec::with_capacity(lengths.len());
    for length in lengths {
        buffers.push(read_bytes(stream, length).await?);
    }
    Ok(Some(Frame { header, buffers }))
}

async fn read_bytes(stream: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<Bytes> {
    /// Taken at once, on the word of the other end.
    const TRUSTED: u64 = 64 << 20;
    let mut bytes = BytesMut::with_capacity(length.min(TRUSTED) as usize);
    let mut rest = stream.take(length);
    while (bytes.len() as u64) < length {
        if bytes.len() == bytes.capacity() {
            let more = (length - bytes.len() as u64).min(bytes.len() as u64);
            bytes.reserve(more as usize);
        }
        if rest.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes.freeze())
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is larger than allowed")
}

/// Writes one frame. What is large is written from where it lies.
///
/// # Errors
/// Those of the connection.
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let lengths = [frame.header.len(), frame.buffers.len()];
    if lengths.iter().any(|length| u32::try_from(*length).is_err()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a header of more than 4 GiB"));
    }
    let small: usize = frame.header.len() + frame.buffers.iter().map(Bytes::len).sum::<usize>();
    let mut head = Vec::with_capacity(8 + 8 * frame.buffers.len() + if small <= COPY_MAX { small } else { 0 });
    for length in lengths {
        head.extend((length as u32).to_le_bytes());
    }
    for buffer in &frame.buffers {
        head.extend((buffer.len() as u64).to_le_bytes());
    }
    if small <= COPY_MAX {
        head.extend_from_slice(&frame.header);
        for buffer in &frame.buffers {
            head.extend_from_slice(buffer);
        }
        return stream.write_all(&head).await;
    }
    write_all(stream, &[&head, &frame.header]).await?;
    for buffer in &frame.buffers {
        stream.write_all(buffer).await?;
    }
    Ok(())
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), parts: &[&[u8]; 2]) -> io::Result<()> {
    let written = stream.write_vectored(&[IoSlice::new(parts[0]), IoSlice::new(parts[1])]).await?;
    if written < parts[0].len() {
        stream.write_all(&parts[0][written..]).await?;
        return stream.write_all(parts[1]).await;
    }
    stream.write_all(&parts[1][written - parts[0].len()..]).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn frames_arrive_as_they_were(
            header in proptest::collection::vec(any::<u8>(), 0..40_000),
            buffers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..5),
        ) {
            let frame = Frame { header: header.into(), buffers: buffers.into_iter().map(Bytes::from).collect() };
            let back = block_on(async {
                let mut wire = Vec::new();
                write_frame(&mut wire, &frame).await.unwrap();
                read_frame(&mut wire.as_slice(), Limits::default()).await.unwrap().unwrap()
            });
            prop_assert_eq!(frame, back);
        }

        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let limits = Limits { header: 1 << 20, buffers: 16, total: 1 << 20 };
            let _ = block_on(read_frame(&mut bytes.as_slice(), limits));
        }
    }

    #[test]
    fn a_length_alone_takes_no_memory() {
        let mut bytes = Vec::new();
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend((60u64 << 30).to_le_bytes());
        bytes.extend([0; 100]);
        assert!(block_on(read_frame(&mut bytes.as_slice(), Limits::default())).is_err());
    }
}
