//! What a process must know to speak with the others of its cluster, and connections made with it.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

use crate::handshake::PATIENCE;
use crate::{Address, HandshakeError, Role, Stream, Tls, Token, accept, connect};

/// What the processes of a cluster know, and others do not.
#[derive(Clone, Debug)]
pub struct Security {
    /// The secret.
    pub token: Token,
    /// Certificates; none without encryption.
    pub tls: Option<Tls>,
    /// Whether it is accepted that others on the network may read and change what is said.
    pub insecure: bool,
}

impl From<Token> for Security {
    fn from(token: Token) -> Self {
        Security { token, tls: None, insecure: false }
    }
}

impl Security {
    /// Binds a socket: beyond this machine only with TLS, or if that was said to be unwanted.
    ///
    /// # Errors
    /// If the address cannot be listened on; `PermissionDenied` if that would not be safe.
    pub fn listen(&self, address: &str) -> io::Result<std::net::TcpListener> {
        let listener = std::net::TcpListener::bind(address)?;
        let ip = listener.local_addr()?.ip();
        if !ip.is_loopback() && self.tls.is_none() && !self.insecure {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{ip} is reached by other machines, and without TLS they can read what is said: give certificates \
                     (--tls-ca-file, --tls-cert, --tls-key; Security(…) in Python), listen on 127.0.0.1, or say \
                     --insecure"
                ),
            ));
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// The address of a socket, as others are to be told.
    pub fn address(&self, ip: IpAddr, port: u16) -> Address {
        Address { host: ip.to_string(), port, tls: self.tls.is_some() }
    }
}

/// Connects to an address: encrypted if it says so, and with the proof that both ends know the token.
///
/// # Errors
/// [`HandshakeError`].
pub async fn dial(address: &Address, security: &Security, role: Role) -> Result<Stream, HandshakeError> {
    let socket = tokio::time::timeout(PATIENCE, TcpStream::connect(address.socket()));
    let socket = socket.await.map_err(|_| HandshakeError::TimedOut)??;
    socket.set_nodelay(true)?;
    let mut stream = if address.tls {
        let Some(tls) = &security.tls else {
            return Err(HandshakeError::Tls(format!("{address} wants TLS, for which a certificate is needed")));
        };
        let encrypted = tokio::time::timeout(PATIENCE, tls.connect(address, socket));
        encrypted.await.map_err(|_| HandshakeError::TimedOut)??
    } else {
        Stream::Plain(socket)
    };
    match connect(&mut stream, &security.token, role).await {
        Ok(()) => Ok(stream),
        // With TLS 1.3 a certificate is refused only after the first words.
        Err(HandshakeError::Io(error)) => Err(Tls::refused(error)),
        Err(error) => Err(error),
    }
}

/// The other side of [`dial`], on a connection that was accepted.
///
/// # Errors
/// [`HandshakeError`]; the connection is then dropped.
pub async fn receive(socket: TcpStream, security: &Security) -> Result<(Stream, Role), HandshakeError> {
    socket.set_nodelay(true)?;
    let mut stream = match &security.tls {
        Some(tls) => {
            let encrypted = tokio::time::timeout(PATIENCE, tls.accept(socket));
            encrypted.await.map_err(|_| HandshakeError::TimedOut)??
        }
        None => Stream::Plain(socket),
    };
    let role = accept(&mut stream, &security.token).await?;
    Ok((stream, role))
}
