//! The first words on a connection: both ends prove that they know the token, without saying it.
//!
//! Who connects sends `selion`, the protocol's version, its role, and a random number; who accepts sends its version, a
//! random number, and a proof; who connects answers with its own proof and is told whether it may go on. A proof is an
//! HMAC-SHA-256 of both numbers, the role and the direction, with the token as key. Nothing that comes from the other
//! end is interpreted before its proof is known to be good. The connection itself is not encrypted by this: `tls` does that.

use std::io;
use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Token;

/// The version of all that is said on connections. Both ends must have the same.
pub const PROTOCOL: u16 = 1;
const MAGIC: &[u8; 6] = b"selion";
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A client, to a scheduler.
    Client = 1,
    /// A worker, to a scheduler.
    Worker = 2,
    /// Whoever asks a worker for values.
    Peer = 3,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other end does not know the token.
    #[error("the token is not the right one")]
    WrongToken,
    /// The other end is something else.
    #[error("the other end does not speak selion's protocol")]
    Stranger,
    /// The other end speaks TLS, this one does not.
    #[error("the other end wants TLS: its address begins with tls://, and a certificate is needed")]
    WantsTls,
    /// There is no agreement about the encryption.
    #[error("{0}")]
    Tls(String),
    /// The other end has closed the connection without a word.
    #[error("the other end closed the connection before it said who it is")]
    Closed,
    /// The other end is of another version.
    #[error("the other end speaks version {0} of the protocol, this one {PROTOCOL}: install the same selion on both")]
    Version(u16),
    /// The connection is broken.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The other end is too slow.
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    TimedOut,
}

impl HandshakeError {
    /// Whether trying again is of no use: somebody is there, and it is not who was looked for.
    pub fn is_final(&self) -> bool {
        !matches!(self, HandshakeError::Io(_) | HandshakeError::Closed | HandshakeError::TimedOut)
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> io::Error {
        match error {
            HandshakeError::Io(error) => error,
            error => io::Error::other(error),
        }
    }
}

/// Proves to the one who has accepted a connection that the token is known here, and has it prove the same.
///
/// # Errors
/// [`HandshakeError`].
pub async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &Token,
    role: Role,
) -> Result<(), HandshakeError> {
    tokio::time::timeout(PATIENCE, async {
        let mine = random()?;
        let mut hello = Vec::with_capacity(41);
        hello.extend(MAGIC);
        hello.extend(PROTOCOL.to_le_bytes());
        hello.push(role as u8);
        hello.extend(mine);
        stream.write_all(&hello).await?;

        let mut answer = [0u8; 8 + 32 + 32];
        // What refuses us may say less than that.
        stream.read_exact(&mut answer[..6]).await.map_err(closed)?;
        check_magic(&answer[..6])?;
        stream.read_exact(&mut answer[6..]).await.map_err(closed)?;
        check_version(&answer[..8])?;
        let theirs = &answer[8..40];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &token.0);
        hmac::verify(&key, &words(b"accept", role as u8, &mine, theirs), &answer[40..])
            .map_err(|_| HandshakeError::WrongToken)?;
        stream.write_all(hmac::sign(&key, &words(b"connect", role as u8, &mine, theirs)).as_ref()).await?;
        match stream.read_u8().await.map_err(closed)? {
            1 => Ok(()),
            _ => Err(HandshakeError::WrongToken),
        }
    })
    .await
    .unwrap_or(Err(HandshakeError::TimedOut))
}

/// The other side of [`connect`]: the role of who has connected, once it has proved that it knows the token.
///
/// # Errors
/// [`HandshakeError`]; the connection is then to be dropped.
pub async fn accept(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), token: &Token) -> Result<Role, HandshakeError> {
    tokio::time::timeout(PATIENCE, async {
        let mut hello = [0u8; 9 + 32];
        stream.read_exact(&mut hello).await.map_err(closed)?;
        check_magic(&hello[..6])?;
        let mine = random()?;
        let (role, theirs) = (hello[8], &hello[9..]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &token.0);
        let mut answer = Vec::with_capacity(72);
        answer.extend(MAGIC);
        answer.extend(PROTOCOL.to_le_bytes());
        answer.extend(mine);
        answer.extend_from_slice(hmac::sign(&key, &words(b"accept", role, theirs, &mine)).as_ref());
        stream.write_all(&answer).await?;
        check_version(&hello[..8])?;
        let mut proof = [0u8; 32];
        stream.read_exact(&mut proof).await.map_err(closed)?;
        if hmac::verify(&key, &words(b"connect", role, theirs, &mine), &proof).is_err() {
            let _ = stream.write_all(&[0]).await;
            return Err(HandshakeError::WrongToken);
        }
        let role = match role {
            1 => Role::Client,
            2 => Role::Worker,
            3 => Role::Peer,
            _ => return Err(HandshakeError::Stranger),
        };
        stream.write_all(&[1]).await?;
        Ok(role)
    })
    .await
    .unwrap_or(Err(HandshakeError::TimedOut))
}

fn random() -> Result<[u8; 32], HandshakeError> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(bytes)
}

fn words(direction: &[u8], role: u8, connector: &[u8], acceptor: &[u8]) -> Vec<u8> {
    [MAGIC, direction, &[role], connector, acceptor].concat()
}

fn check_magic(magic: &[u8]) -> Result<(), HandshakeError> {
    /// How an alert of TLS begins.
    const ALERT: [u8; 2] = [0x15, 0x03];
    match magic {
        magic if magic == MAGIC => Ok(()),
        magic if magic.starts_with(&ALERT) => Err(HandshakeError::WantsTls),
        _ => Err(HandshakeError::Stranger),
    }
}

fn check_version(start: &[u8]) -> Result<(), HandshakeError> {
    check_magic(&start[..6])?;
    let version = u16::from_le_bytes([start[6], start[7]]);
    if version == PROTOCOL { Ok(()) } else { Err(HandshakeError::Version(version)) }
}

fn closed(error: io::Error) -> HandshakeError {
    if error.kind() == io::ErrorKind::UnexpectedEof { HandshakeError::Closed } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(theirs: &str, ours: &str) -> (Result<(), HandshakeError>, Result<Role, HandshakeError>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut a, mut b) = tokio::io::duplex(4096);
            let (theirs, ours) = (Token::new(theirs), Token::new(ours));
            tokio::join!(
                async {
                    let result = connect(&mut a, &theirs, Role::Worker).await;
                    drop(a);
                    result
                },
                async {
                    let result = accept(&mut b, &ours).await;
                    drop(b);
                    result
                }
            )
        })
    }

    #[test]
    fn those_who_know_the_token_meet() {
        let (a, b) = meet("secret", "secret");
        a.unwrap();
        assert_eq!(b.unwrap(), Role::Worker);
    }

    #[test]
    fn others_do_not() {
        let (a, b) = meet("guess", "secret");
        assert!(matches!(a, Err(HandshakeError::WrongToken)));
        assert!(b.is_err());
    }

    #[test]
    fn other_protocols_are_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut request: &[u8] = b"GET / HTTP/1.1\r\nHost: scheduler\r\nAccept: */*\r\n\r\n";
            let mut stream = tokio::io::join(&mut request, tokio::io::sink());
            assert!(matches!(accept(&mut stream, &Token::new("secret")).await, Err(HandshakeError::Stranger)));
        });
    }
}
