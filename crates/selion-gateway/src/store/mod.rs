//! The state on disk: SQLite, one row a cluster, the record sealed.
//!
//! Everything is also in memory, so the database is only read at the start. One thread writes; what arrives while it
//! commits goes into the next commit together. A write that was acknowledged survives the death of the process (write-ahead
//! log); `synchronous = NORMAL` leaves the last moments before a power cut to the file system. In clear are only name,
//! owner and phase, for an operator with `sqlite3`.

mod seal;

use std::path::Path;
use std::sync::mpsc;

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

pub use seal::{KeyError, Keys};

use crate::cluster::model::Cluster;
use crate::secret::random_hex;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no.
    #[error("the database {path}: {cause}")]
    Database {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: rusqlite::Error,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A row cannot be opened.
    #[error("the record of cluster {name} cannot be opened: {why}")]
    Row {
        /// Whose row.
        name: String,
        /// Why.
        why: String,
    },
    /// It was made by a newer version.
    #[error("the database has version {found}, this gateway knows {}", VERSION)]
    Version {
        /// What it says.
        found: i64,
    },
}

/// What an acknowledged write resolves to: `Err` with the reason when it did not reach the disk.
pub type Saved = oneshot::Receiver<Result<(), String>>;

const VERSION: i64 = 1;
/// Writes that go into one commit at most.
const BATCH_MAX: usize = 256;
/// Writes that may wait; more, and whoever writes waits.
const QUEUE_MAX: usize = 4096;

/// The open state.
#[derive(Debug)]
pub struct Store {
    writes: mpsc::SyncSender<Write>,
    instance: String,
}

struct Write {
    what: What,
    done: oneshot::Sender<Result<(), String>>,
}

enum What {
    Save { name: String, user: String, phase: &'static str, record: Vec<u8> },
    Delete { name: String },
    Nothing,
}

impl Store {
    /// Opens or makes the database, reads all clusters, and seals again what was sealed with an old key.
    ///
    /// # Errors
    /// If it cannot be used; nothing is thrown away for that.
    pub fn open(path: &Path, keys: Keys) -> Result<(Store, Vec<Cluster>), StoreError> {
        let complain = |cause| StoreError::Database { path: path.display().to_string(), cause };
        let mut connection = Connection::open(path).map_err(complain)?;
        let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600));
        let instance = prepare(&connection).map_err(complain)?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(complain)?;
        if found != VERSION {
            return Err(StoreError::Version { found });
        }
        let clusters = load(&mut connection, &keys, path)?;
        let (writes, queue) = mpsc::sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(connection, &keys, &queue))
            .map_err(|error| StoreError::Row { name: "-".into(), why: error.to_string() })?;
        Ok((Store { writes, instance }, clusters))
    }

    /// What tells this gateway's processes and jobs from those of others.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Writes a cluster's record. Writes are done in the order of the calls.
    pub fn save(&self, cluster: &Cluster) -> Saved {
        let record = serde_json::to_vec(cluster).unwrap_or_default();
        let (name, user) = (cluster.name.clone(), cluster.user.clone());
        self.write(What::Save { name, user, phase: cluster.phase.status(), record })
    }

    /// Forgets a cluster.
    pub fn delete(&self, name: &str) -> Saved {
        self.write(What::Delete { name: name.into() })
    }

    /// Resolves when everything written before is on disk.
    pub fn settled(&self) -> Saved {
        self.write(What::Nothing)
    }

    fn write(&self, what: What) -> Saved {
        let (done, saved) = oneshot::channel();
        if let Err(mpsc::SendError(write)) = self.writes.send(Write { what, done }) {
            let _ = write.done.send(Err("the database is closed".into()));
        }
        saved
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<String> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS clusters (
             name TEXT PRIMARY KEY, user TEXT NOT NULL, phase TEXT NOT NULL, record BLOB NOT NULL) STRICT;
         COMMIT;",
    )?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('instance', ?1)", params![random_hex()])?;
    connection.query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get(0))
}

fn load(connection: &mut Connection, keys: &Keys, path: &Path) -> Result<Vec<Cluster>, StoreError> {
    let complain = |cause| StoreError::Database { path: path.display().to_string(), cause };
    let transaction = connection.transaction().map_err(complain)?;
    let mut clusters = Vec::new();
    {
        let mut select = transaction.prepare("SELECT name, record FROM clusters").map_err(complain)?;
        let rows: Vec<(String, Vec<u8>)> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect).map_err(complain)?;
        for (name, sealed) in rows {
            let row = |why: String| StoreError::Row { name: name.clone(), why };
            let (record, is_current) = keys.open(&name, &sealed).map_err(|error| row(error.to_string()))?;
            if !is_current {
                transaction
                    .execute(
                        "UPDATE clusters SET record = ?2 WHERE name = ?1",
                        params![name, keys.seal(&name, &record)],
                    )
                    .map_err(complain)?;
            }
            clusters.push(serde_json::from_slice(&record).map_err(|error| row(error.to_string()))?);
        }
    }
    transaction.commit().map_err(complain)?;
    Ok(clusters)
}

/// The writing thread; ends when the store is dropped.
fn write_all(mut connection: Connection, keys: &Keys, queue: &mpsc::Receiver<Write>) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Write> = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1)).collect();
        let outcome = commit(&mut connection, keys, &batch).map_err(|error| error.to_string());
        if let Err(error) = &outcome {
            tracing::error!(%error, "the state could not be written");
        }
        for write in batch {
            let _ = write.done.send(outcome.clone());
        }
    }
}

fn commit(connection: &mut Connection, keys: &Keys, batch: &[Write]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for write in batch {
        match &write.what {
            What::Save { name, user, phase, record } => {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO clusters VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![name, user, phase, keys.seal(name, record)])?;
            }
            What::Delete { name } => {
                transaction.prepare_cached("DELETE FROM clusters WHERE name = ?1")?.execute(params![name])?;
            }
            What::Nothing => {}
        }
    }
    transaction.commit()
}
