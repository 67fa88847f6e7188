//! What a cluster consists of: how its scheduler and its workers are started, and what they must know.
//!
//! An engine only makes command lines and environments; where they run is the backend's affair, and all else is one code
//! path. A scheduler of any engine keeps to the same contract, which is the one of the stock plug-in (reference § 8, 9):
//!
//! * it listens with TLS, with the cluster's certificate, and takes only peers that show the same one;
//! * it POSTs heartbeats to `{api_url}/v1/clusters/{name}/heartbeat`, authorised by the token, also whenever the number of
//!   workers it wants changes;
//! * it serves `POST /api/comm` (scale, adapt), authorised by the token, at the address that its heartbeat tells;
//! * it DELETEs its cluster when it has been idle for the time it was told;
//! * workers come with the name that the gateway gave them, and heartbeats call them by it;
//! * a scheduler that is spoken to in a protocol it does not know closes the connection at once.
//!
//! To add an engine: a file here with an `impl Engine`, a name in `NAMES`, an arm in `named`.

mod dask;

use std::collections::BTreeMap;

use crate::cluster::model::Cluster;

/// The names of all engines.
pub const NAMES: &[&str] = &["dask"];

/// The engine of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Engine> {
    match name {
        "dask" => Some(&dask::Dask),
        _ => None,
    }
}

/// Where the processes of a cluster find themselves; the backend says.
#[derive(Clone, Debug)]
pub struct Place {
    /// What to listen on: loopback if all is on one machine.
    pub host: String,
    /// The file of the cluster's certificate.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
    /// The file of its token. Its path has a slash, which is how the stock plug-in knows it from a token.
    pub token: String,
    /// The root of the gateway's API, with `/api`.
    pub api_url: String,
}

/// A program with its arguments and its environment. Neither holds a secret of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables over those that every process gets.
    pub env: BTreeMap<String, String>,
}

/// A kind of cluster.
pub trait Engine: Send + Sync {
    /// How the scheduler is started.
    fn scheduler(&self, cluster: &Cluster, place: &Place) -> Command;

    /// How the worker called `name` is started; the scheduler has reported before.
    fn worker(&self, cluster: &Cluster, name: &str, place: &Place) -> Command;
}
