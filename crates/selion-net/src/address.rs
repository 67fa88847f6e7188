//! Addresses of schedulers and workers.

use std::net::IpAddr;
use std::str::FromStr;

/// Where a process listens: `tcp://host:port`, or `tls://host:port`.
///
/// ```
/// use selion_net::Address;
/// let address: Address = "tcp://127.0.0.1:8786".parse()?;
/// assert_eq!((address.host.as_str(), address.port, address.tls), ("127.0.0.1", 8786, false));
/// assert!(address.is_loopback());
/// assert_eq!("[::1]:80".parse::<Address>()?.to_string(), "tcp://[::1]:80");
/// assert!("http://example.org".parse::<Address>().is_err());
/// # Ok::<(), selion_net::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or number, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether connections are encrypted.
    pub tls: bool,
}

/// Why something is not an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an address of the form tcp://host:port or tls://host:port")]
pub struct AddressError(String);

impl Address {
    /// Whether only this machine reaches it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `host:port`, as sockets take it.
    pub fn socket(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "tls" } else { "tcp" }, self.socket())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let (tls, rest) = match text.split_once("://") {
            Some(("tcp", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Address { host: host.to_owned(), port: port.parse().map_err(|_| wrong())?, tls })
    }
}
