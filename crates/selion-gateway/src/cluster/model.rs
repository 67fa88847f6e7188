//! What is known of one cluster: the record that the state machine changes and the store keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::settings::Settings;

/// Where a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It exists; its scheduler has not reported.
    Pending,
    /// Its scheduler has reported; the proxy is being told the way.
    Routing,
    /// Clients can reach it.
    Running,
    /// Its processes are being stopped.
    Stopping,
    /// It has ended as somebody wished.
    Stopped,
    /// It has ended otherwise.
    Failed,
}

impl Phase {
    /// The state's name in the REST API.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Phase::Pending | Phase::Routing => "PENDING",
            Phase::Running => "RUNNING",
            Phase::Stopping => "STOPPING",
            Phase::Stopped => "STOPPED",
            Phase::Failed => "FAILED",
        }
    }

    /// Whether nothing will happen any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Stopped | Phase::Failed)
    }

    /// Whether it is neither ended nor ending.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Phase::Pending | Phase::Routing | Phase::Running)
    }
}

/// Where one process of a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Process {
    /// The backend was asked to start it, or will be now.
    Launching,
    /// It runs; the backend finds it by this handle.
    Live(String),
    /// It does not exist any more.
    Gone,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its process.
    pub process: Process,
    /// Whether the scheduler has seen it.
    pub joined: bool,
    /// Whether its end is wanted.
    pub leaving: bool,
    /// When it was asked for.
    pub created_ms: u64,
}

/// Where a scheduler listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// For clients and workers: `tls://host:port`.
    pub scheduler: String,
    /// Its web pages: `http://host:port`, or empty.
    pub dashboard: String,
    /// Where it takes orders: `http://host:port`.
    pub api: String,
}

/// One cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name, not to be guessed.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// The owner's groups when it was made; they decide the limits of its workers.
    pub groups: Vec<String>,
    /// What its owner chose.
    pub options: Map<String, Value>,
    /// What came of it.
    pub settings: Settings,
    /// What its scheduler proves itself with.
    pub token: Secret,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The key of that, PEM.
    pub key: Secret,
    /// Where it is.
    pub phase: Phase,
    /// Whether an end under way is a failure.
    pub failing: bool,
    /// Why it ended or is ending.
    pub reason: Option<String>,
    /// When it was made.
    pub created_ms: u64,
    /// When clients could reach it first.
    pub running_ms: Option<u64>,
    /// When it ended.
    pub stopped_ms: Option<u64>,
    /// When its certificate was made.
    pub certified_ms: u64,
    /// Its scheduler's process.
    pub scheduler: Process,
    /// Where its scheduler listens, once that has reported.
    pub addresses: Option<Addresses>,
    /// Its workers that have not ended.
    pub workers: BTreeMap<String, Worker>,
    /// Workers that have ended; their logs may be asked for.
    pub past_workers: Vec<String>,
    /// How many workers the scheduler wants, within the limits.
    pub wanted: u32,
    /// Workers in a row that did not join.
    pub worker_failures: u32,
    /// What workers and scheduler have used so far, up to `charged_ms`.
    pub core_ms: u64,
    /// Up to when `core_ms` counts.
    pub charged_ms: u64,
    /// When the scheduler last reported.
    #[serde(skip)]
    pub beat_ms: u64,
    /// When a client was last connected.
    #[serde(skip)]
    pub client_ms: u64,
}

impl Cluster {
    /// Cores in use, or about to be.
    #[must_use]
    pub fn cores(&self) -> u32 {
        if self.phase.is_final() {
            return 0;
        }
        self.settings.scheduler_cores.saturating_add(self.worker_count().saturating_mul(self.settings.worker_cores))
    }

    /// Memory in use, or about to be.
    #[must_use]
    pub fn memory(&self) -> u64 {
        if self.phase.is_final() {
            return 0;
        }
        let workers = u64::from(self.worker_count()).saturating_mul(self.settings.worker_memory.0);
        self.settings.scheduler_memory.0.saturating_add(workers)
    }

    /// Processes of workers that exist or are being made.
    #[must_use]
    pub fn worker_count(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }

    /// Where the dashboard is, if there is one to see.
    #[must_use]
    pub fn dashboard(&self) -> Option<&str> {
        let addresses = self.addresses.as_ref().filter(|_| self.phase == Phase::Running)?;
        Some(addresses.dashboard.as_str()).filter(|address| !address.is_empty())
    }
}
