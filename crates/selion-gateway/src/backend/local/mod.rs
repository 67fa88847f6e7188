//! The backend of processes on this machine.
//!
//! A cluster has a folder: credentials and a work folder, removed when it ends, and its logs. A process leads a process
//! group of its own, gets no more of the gateway's environment than is listed here, and carries its mark in
//! `SELION_GATEWAY_PROCESS`. A handle is process id and start time, since ids are used again. Whether a process was started
//! by this gateway or found by it after a restart, its end is noticed at once, through a pidfd.

mod procs;

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Backend, Later, ProcessId, Role, Start, is_plain_name};
use crate::cluster::model::Cluster;
use crate::engine::Place;
use procs::{Handle, MARK};

/// Variables of the gateway that every process gets.
const INHERITED: &[&str] = &[
    "PATH",
    "PYTHONPATH",
    "CONDA_ROOT",
    "CONDA_DEFAULT_ENV",
    "VIRTUAL_ENV",
    "LANG",
    "LC_ALL",
    "USER",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "TZ",
];
/// How long a process may take to end when asked.
const ASK_FOR: Duration = Duration::from_secs(5);
/// How long the kernel may take when it is forced.
const FORCE_FOR: Duration = Duration::from_secs(5);
/// Logs are read from the end, this much at most.
const LOG_BYTES_MAX: u64 = 1 << 20;

type Ends = Arc<Mutex<HashMap<i32, watch::Receiver<Option<String>>>>>;

/// Processes on this machine.
#[derive(Clone, Debug)]
pub struct Local {
    directory: PathBuf,
    instance: String,
    api_url: String,
    inherit: Vec<String>,
    /// How those that this process has started end; others are watched through the kernel alone.
    ends: Ends,
}

impl Local {
    /// Makes the folder of all clusters.
    ///
    /// # Errors
    /// If that cannot be.
    pub fn new(directory: PathBuf, instance: String, api_url: String, inherit: Vec<String>) -> std::io::Result<Local> {
        make_private(&directory)?;
        Ok(Local { directory, instance, api_url, inherit, ends: Arc::default() })
    }

    fn folder(&self, cluster: &str) -> PathBuf {
        self.directory.join(cluster)
    }

    fn log_path(&self, id: &ProcessId) -> PathBuf {
        self.folder(&id.cluster).join("logs").join(format!("{}.log", id.role))
    }

    fn mark(&self, id: &ProcessId) -> String {
        format!("{}:{}:{}", self.instance, id.cluster, id.role)
    }

    fn launch(&self, start: &Start) -> Result<String, String> {
        if !is_plain_name(&start.id.cluster) {
            return Err(format!("{:?} is no name of a cluster", start.id.cluster));
        }
        let log = self.prepare(start).map_err(|error| format!("its files cannot be written: {error}"))?;
        let (program, arguments) = start.command.argv.split_first().ok_or("there is no program")?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment(start))
            .current_dir(self.folder(&start.id.cluster).join("work"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("it ended at once")?;
        let (tell, end) = watch::channel(None);
        lock(&self.ends).insert(pid, end);
        let ends = Arc::clone(&self.ends);
        let handle = procs::handle_of(pid);
        tokio::spawn(async move {
            let how = match child.wait().await {
                Ok(status) => describe(status),
                Err(error) => format!("was lost: {error}"),
            };
            let _ = tell.send(Some(how));
            // Whoever asks later than this learns the end from the kernel, without how.
            tokio::time::sleep(Duration::from_secs(60)).await;
            lock(&ends).remove(&pid);
        });
        // It may have ended before its start time was read; its end is told all the same.
        handle.into_iter().for_each(procs::wait_for_mark);
        Ok(handle.unwrap_or(Handle { pid, ticks: 0 }).to_string())
    }

    /// Makes the cluster's folder with its credentials; gives the log to write to.
    fn prepare(&self, start: &Start) -> std::io::Result<std::fs::File> {
        let folder = self.folder(&start.id.cluster);
        for path in [folder.clone(), folder.join("logs"), folder.join("work")] {
            make_private(&path)?;
        }
        let cluster = &start.cluster;
        write_private(&folder.join("tls.crt"), &cluster.certificate)?;
        write_private(&folder.join("tls.key"), cluster.key.expose())?;
        write_private(&folder.join("token"), cluster.token.expose())?;
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.log_path(&start.id))
    }

    fn environment(&self, start: &Start) -> BTreeMap<String, String> {
        let inherited = INHERITED.iter().copied().chain(self.inherit.iter().map(String::as_str));
        let mut env: BTreeMap<String, String> =
            inherited.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
        env.extend(start.command.env.clone());
        env.insert(MARK.to_owned(), self.mark(&start.id));
        env
    }

    /// How the process ended, once it has.
    async fn wait(&self, handle: Handle) -> String {
        let told = lock(&self.ends).get(&handle.pid).cloned();
        if let Some(mut end) = told
            && let Ok(how) = end.wait_for(Option::is_some).await
        {
            return how.clone().unwrap_or_default();
        }
        procs::wait(handle).await;
        "ended".to_owned()
    }
}

impl Backend for Local {
    fn place(&self, cluster: &str) -> Place {
        let file = |name: &str| self.folder(cluster).join(name).to_string_lossy().into_owned();
        Place {
            host: "127.0.0.1".into(),
            certificate: file("tls.crt"),
            key: file("tls.key"),
            token: file("token"),
            api_url: self.api_url.clone(),
        }
    }

    fn start<'a>(&'a self, start: &'a Start) -> Later<'a, Result<String, String>> {
        // Files are written and a program is loaded: not on a thread that serves.
        let (this, start) = (self.clone(), start.clone());
        Box::pin(async move {
            let launched = tokio::task::spawn_blocking(move || this.launch(&start)).await;
            launched.unwrap_or_else(|error| Err(error.to_string()))
        })
    }

    fn gone<'a>(&'a self, id: &'a ProcessId, handle: &'a str) -> Later<'a, String> {
        Box::pin(async move {
            let Ok(handle) = handle.parse() else { return "was lost".to_owned() };
            let how = self.wait(handle).await;
            // What it had started has no business without it.
            procs::kill_marked(self.mark(id)).await;
            how
        })
    }

    fn stop<'a>(&'a self, id: &'a ProcessId, handle: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let Ok(handle) = handle.parse::<Handle>() else { return };
            handle.signal_group(rustix::process::Signal::TERM);
            if tokio::time::timeout(ASK_FOR, procs::wait(handle)).await.is_err() {
                handle.signal_group(rustix::process::Signal::KILL);
                let _ = tokio::time::timeout(FORCE_FOR, procs::wait(handle)).await;
            }
            procs::kill_marked(self.mark(id)).await;
        })
    }

    fn running(&self) -> Later<'_, Result<Vec<(ProcessId, String)>, String>> {
        Box::pin(async move {
            let prefix = format!("{}:", self.instance);
            let leaders = procs::leaders(prefix).await;
            Ok(leaders
                .into_iter()
                .filter_map(|(mark, handle)| {
                    let (cluster, role) = mark.split_once(':')?;
                    let role: Role = role.parse().ok()?;
                    Some((ProcessId { cluster: cluster.to_owned(), role }, handle.to_string()))
                })
                .collect())
        })
    }

    fn log<'a>(&'a self, id: &'a ProcessId, lines: usize) -> Later<'a, String> {
        Box::pin(async move {
            let path = self.log_path(id);
            tokio::task::spawn_blocking(move || tail(&path, lines)).await.ok().and_then(Result::ok).unwrap_or_default()
        })
    }

    fn renew<'a>(&'a self, cluster: &'a Cluster) -> Later<'a, Result<(), String>> {
        Box::pin(async move {
            let path = self.folder(&cluster.name).join("tls.crt");
            write_private(&path, &cluster.certificate).map_err(|error| error.to_string())
        })
    }

    fn clean<'a>(&'a self, cluster: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let folder = self.folder(cluster);
            for name in ["token", "tls.key", "tls.crt"] {
                let _ = tokio::fs::remove_file(folder.join(name)).await;
            }
            let _ = tokio::fs::remove_dir_all(folder.join("work")).await;
        })
    }

    fn forget<'a>(&'a self, cluster: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            if is_plain_name(cluster) {
                let _ = tokio::fs::remove_dir_all(self.folder(cluster)).await;
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn describe(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes beside the file and renames: whoever reads sees the old or the new one.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.new", crate::secret::random_hex()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(beside, path)
}

fn tail(path: &Path, lines: usize) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}
