//! A connection, encrypted or not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The reading end of a [`Stream`].
#[derive(Debug)]
pub enum ReadHalf {
    /// Of a plain one.
    Plain(tokio::net::tcp::OwnedReadHalf),
    /// Of an encrypted one.
    Tls(tokio::io::ReadHalf<Box<TlsStream<TcpStream>>>),
}

/// The writing end of a [`Stream`].
#[derive(Debug)]
pub enum WriteHalf {
    /// Of a plain one.
    Plain(tokio::net::tcp::OwnedWriteHalf),
    /// Of an encrypted one.
    Tls(tokio::io::WriteHalf<Box<TlsStream<TcpStream>>>),
}

impl Stream {
    /// Both ends, to be used at the same time.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Plain(stream) => {
                let (reading, writing) = stream.into_split();
                (ReadHalf::Plain(reading), WriteHalf::Plain(writing))
            }
            Stream::Tls(stream) => {
                let (reading, writing) = tokio::io::split(stream);
                (ReadHalf::Tls(reading), WriteHalf::Tls(writing))
            }
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    /// If the socket does not know.
    pub fn local_ip(&self) -> io::Result<std::net::IpAddr> {
        let socket = match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        Ok(socket.local_addr()?.ip())
    }
}

macro_rules! read {
    ($type:ident) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $type::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
                    $type::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
                }
            }
        }
    };
}

macro_rules! write {
    ($type:ident) => {
        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $type::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
                    $type::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $type::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
                    $type::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $type::Plain(stream) => Pin::new(stream).poll_flush(cx),
                    $type::Tls(stream) => Pin::new(stream).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $type::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
                    $type::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
                }
            }
        }
    };
}

read!(Stream);
read!(ReadHalf);
write!(Stream);
write!(WriteHalf);
