//! The audit log: one JSON object a line for everything that users do to clusters, and for every refusal.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::cluster::manager::now_ms;

/// Where it is written, if anywhere.
#[derive(Debug, Default)]
pub struct Audit {
    file: Option<Mutex<std::fs::File>>,
}

impl Audit {
    /// Opens the file, to append.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: Option<&Path>) -> std::io::Result<Audit> {
        let open = |path| std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        Ok(Audit { file: path.map(open).transpose()?.map(Mutex::new) })
    }

    /// Writes that `user` at `address` did `action` to `cluster`, and what came of it.
    pub fn write(&self, user: &str, address: std::net::IpAddr, action: &str, cluster: Option<&str>, outcome: &str) {
        tracing::info!(target: "audit", user, %address, action, cluster, outcome);
        if let Some(file) = &self.file {
            let line: Value = json!({
                "time_ms": now_ms(), "user": user, "address": address, "action": action, "cluster": cluster,
                "outcome": outcome,
            });
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(file, "{line}") {
                tracing::error!(%error, "the audit log cannot be written");
            }
        }
    }
}
