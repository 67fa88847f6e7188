//! Reads the server name out of a TLS ClientHello, without ending TLS.
//!
//! A ClientHello may come in several segments and span several records (RFC 8446 § 5.1), and with post-quantum key shares
//! it exceeds a packet. `read` is pure: called again with more bytes until it knows. It reads foreign bytes before anybody
//! has shown who they are, so it only ever looks, with every length checked; `tests/it/hello.rs` feeds it every prefix,
//! every flipped bit, and noise.

/// What the first bytes of a connection say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed to tell.
    More,
    /// Not TLS.
    Plain,
    /// TLS, for this server name, if one was given.
    Tls(Option<String>),
    /// TLS by its first byte, but no ClientHello.
    Broken,
}

/// Bytes of a ClientHello at most, with its records' headers: far above what clients send, far below what would hurt.
pub const HELLO_BYTES_MAX: usize = 32 * 1024;

const RECORD_HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 5;
/// Plain records hold so much at most (RFC 8446 § 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const NAME_TYPE_HOST: u8 = 0;
const NAME_BYTES_MAX: usize = 255;

/// Looks at the first bytes of a connection.
#[must_use]
pub fn read(bytes: &[u8]) -> Hello {
    match bytes.first() {
        None => Hello::More,
        Some(&RECORD_HANDSHAKE) => match message(bytes) {
            Found::Yes(body) => client_hello(&body).map_or(Hello::Broken, Hello::Tls),
            Found::NotYet if bytes.len() < HELLO_BYTES_MAX => Hello::More,
            Found::NotYet | Found::Never => Hello::Broken,
        },
        Some(_) => Hello::Plain,
    }
}

enum Found {
    Yes(Vec<u8>),
    NotYet,
    Never,
}

/// The body of the first handshake message, put together from its records.
fn message(mut bytes: &[u8]) -> Found {
    let mut message: Vec<u8> = Vec::new();
    loop {
        if let Some(&first) = message.first()
            && first != HANDSHAKE_CLIENT_HELLO
        {
            return Found::Never;
        }
        if let Some(&[a, b, c]) = message.get(1..4) {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if length > HELLO_BYTES_MAX {
                return Found::Never;
            }
            if let Some(body) = message.get(4..4 + length) {
                return Found::Yes(body.to_vec());
            }
        }
        let Some(&[kind, major, _, high, low]) = bytes.get(..RECORD_HEADER) else { return Found::NotYet };
        let length = usize::from(high) << 8 | usize::from(low);
        if kind != RECORD_HANDSHAKE || major != 3 || length == 0 || length > RECORD_BYTES_MAX {
            return Found::Never;
        }
        let there = &bytes[RECORD_HEADER..];
        message.extend_from_slice(&there[..length.min(there.len())]);
        if there.len() < length {
            // What is there may already show that this is nothing.
            return if message.first().is_some_and(|first| *first != HANDSHAKE_CLIENT_HELLO) {
                Found::Never
            } else {
                Found::NotYet
            };
        }
        bytes = &there[length..];
    }
}

/// The server name in the body of a ClientHello; the outer `None` if it is not one.
fn client_hello(body: &[u8]) -> Option<Option<String>> {
    let mut body = Reader(body);
    body.take(2 + 32)?; // version, random
    body.block_u8()?; // session id
    body.block_u16()?; // cipher suites
    body.block_u8()?; // compression methods
    if body.0.is_empty() {
        return Some(None); // TLS 1.2 without extensions
    }
    let mut extensions = body.block_u16()?;
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.block_u16()?;
        if kind == EXTENSION_SERVER_NAME {
            if name.is_some() {
                return None;
            }
            name = Some(server_name(content)?);
        }
    }
    Some(name)
}

/// The one host name that the extension may hold (RFC 6066 § 3), in small letters.
fn server_name(mut extension: Reader<'_>) -> Option<String> {
    let mut list = extension.block_u16()?;
    if list.u8()? != NAME_TYPE_HOST {
        return None;
    }
    let name = list.block_u16()?.0;
    let fine = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if fine && list.0.is_empty() && extension.0.is_empty() {
        std::str::from_utf8(name).ok().map(str::to_ascii_lowercase)
    } else {
        None
    }
}

/// Takes fields off the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn block_u8(&mut self) -> Option<Reader<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Reader)
    }

    fn block_u16(&mut self) -> Option<Reader<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Reader)
    }
}
