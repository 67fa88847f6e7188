//! Where clusters run.
//!
//! A backend starts and stops processes (or jobs, or pods), tells when one has ended, lists those that exist, and keeps
//! their logs. It decides nothing. Everything that it starts carries a mark of gateway, cluster and role, by which `running`
//! finds it again after any crash: that is how nothing is lost, doubled or orphaned. `tests/it/backend_contract.rs` is the
//! suite that every backend passes.

pub mod local;

use std::future::Future;
use std::pin::Pin;

pub use crate::cluster::machine::Role;
use crate::cluster::model::Cluster;
use crate::engine::{Command, Place};

/// What a call that takes time gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One process of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// The cluster's name.
    pub cluster: String,
    /// Which of its processes.
    pub role: Role,
}

/// An order to start a process.
#[derive(Clone, Debug)]
pub struct Start {
    /// Which one.
    pub id: ProcessId,
    /// The program.
    pub command: Command,
    /// Its cores, for backends that reserve them.
    pub cores: u32,
    /// Its memory in bytes, likewise.
    pub memory_bytes: u64,
    /// The cluster, for its credentials and its owner's name.
    pub cluster: Cluster,
}

/// Where clusters run. A handle is a text that only the backend reads; it is stored with the cluster.
pub trait Backend: Send + Sync {
    /// Where a cluster's processes will find themselves.
    fn place(&self, cluster: &str) -> Place;

    /// Starts a process, with the cluster's credentials in the files that `place` named. The error is for the owner to read.
    fn start<'a>(&'a self, start: &'a Start) -> Later<'a, Result<String, String>>;

    /// Resolves when the process has ended, at once if it already has; says how, as in "exited with status 1".
    fn gone<'a>(&'a self, id: &'a ProcessId, handle: &'a str) -> Later<'a, String>;

    /// Stops a process and what it started: asked first, forced later. Resolves when it is gone.
    fn stop<'a>(&'a self, id: &'a ProcessId, handle: &'a str) -> Later<'a, ()>;

    /// Everything that exists and carries this gateway's mark.
    fn running(&self) -> Later<'_, Result<Vec<(ProcessId, String)>, String>>;

    /// The last `lines` lines of a process's log, also when it has ended; empty if there is none.
    fn log<'a>(&'a self, id: &'a ProcessId, lines: usize) -> Later<'a, String>;

    /// Replaces a running cluster's certificate in its files.
    fn renew<'a>(&'a self, cluster: &'a Cluster) -> Later<'a, Result<(), String>>;

    /// Removes the files of a cluster that has ended, credentials first, but keeps its logs.
    fn clean<'a>(&'a self, cluster: &'a str) -> Later<'a, ()>;

    /// Removes its logs too.
    fn forget<'a>(&'a self, cluster: &'a str) -> Later<'a, ()>;
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Scheduler => f.write_str("scheduler"),
            Role::Worker(name) => write!(f, "worker-{name}"),
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Role, ()> {
        match text.split_once('-') {
            None if text == "scheduler" => Ok(Role::Scheduler),
            Some(("worker", name)) if is_plain_name(name) => Ok(Role::Worker(name.to_owned())),
            _ => Err(()),
        }
    }
}

/// Whether a name can be part of a path, a job's name or a label without meaning anything there.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
