//! What API process and proxy process say to each other: one JSON object a line, each answered by one.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Raised when the two could misunderstand each other; the older proxy is then told to retire.
pub const VERSION: u32 = 1;

/// The socket in the run directory on which the proxy takes orders.
pub const PROXY_SOCKET: &str = "proxy.sock";
/// The socket in the run directory on which the API takes connections.
pub const API_SOCKET: &str = "api.sock";

/// An order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Order {
    /// The API process is there; listen on this address, with these ways and no others.
    Hello {
        /// Its protocol.
        version: u32,
        /// Where to listen.
        address: SocketAddr,
        /// Cluster name to the scheduler's `host:port`.
        routes: BTreeMap<String, String>,
    },
    /// A new way.
    Add {
        /// The cluster.
        name: String,
        /// The scheduler's `host:port`.
        target: String,
    },
    /// A way less; connections on it end.
    Remove {
        /// The cluster.
        name: String,
    },
    /// How many connections there are.
    Stats,
    /// Listen no more, serve what there is, and end.
    Retire,
}

/// An answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// To `Hello`: where it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// To `Hello`: its protocol, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// To `Stats`: connections per cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, u32>,
}
