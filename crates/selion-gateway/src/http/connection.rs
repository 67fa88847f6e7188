//! One connection that the proxy handed over: TLS if it begins so, then HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::auth::Peer;
use crate::proxy::passing;

/// How long the head of a request may take, and the time between requests is not limited.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A head that is longer is refused.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const TLS_FIRST_BYTE: u8 = 22;

/// How connections are served.
pub(crate) struct Server {
    /// The routes.
    pub(crate) router: Router,
    /// For those who come with TLS, if that ends here.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// True once no further request is taken.
    pub(crate) draining: watch::Receiver<bool>,
}

impl Server {
    /// Takes a connection over and serves it to its end.
    pub(crate) async fn serve(self: Arc<Self>, unix: UnixStream) {
        let Ok((stream, said)) = passing::receive(unix).await else { return };
        let Ok(stream) = ready(stream) else { return };
        let (Ok(address), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
        let mut peer = Peer { address, local, tls: false, certified: false };
        let begins_with_tls = said.first() == Some(&TLS_FIRST_BYTE);
        let stream = Replayed { said, position: 0, stream };
        match (&self.tls, begins_with_tls) {
            (_, false) => self.http(stream, peer).await,
            (None, true) => {}
            (Some(tls), true) => {
                let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
                let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else { return };
                peer.tls = true;
                peer.certified = stream.get_ref().1.peer_certificates().is_some();
                self.http(stream, peer).await;
            }
        }
    }

    async fn http<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: T, peer: Peer) {
        let only_callbacks = self.tls.is_some() && !peer.tls;
        let service = self.router.clone().map_request(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(peer);
            if only_callbacks && !may_be_plain(&request, &peer) {
                // In clear only schedulers on this machine may speak.
                *request.uri_mut() = axum::http::Uri::from_static("/tls-is-needed");
            }
            request
        });
        let mut draining = self.draining.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            () = async { drop(draining.wait_for(|draining| *draining).await) } => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// With TLS configured, requests in clear are for schedulers on this machine, which show their token.
fn may_be_plain(request: &Request, peer: &Peer) -> bool {
    let from_here = peer.address.ip().is_loopback() || peer.address.ip() == peer.local.ip();
    let shows_token =
        request.headers().get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"token "));
    from_here && shows_token && request.uri().path().starts_with("/api/v1/clusters/")
}

fn ready(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// A connection of which the first bytes were read before.
struct Replayed {
    said: Vec<u8>,
    position: usize,
    stream: TcpStream,
}

impl AsyncRead for Replayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.position < self.said.len() {
            let rest = &self.said[self.position..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.position += count;
            if self.position == self.said.len() {
                self.said = Vec::new();
                self.position = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
