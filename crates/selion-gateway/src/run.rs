//! What the command line calls: each sets up a runtime, does its work, and says in words why it could not.

use std::path::Path;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::proxy;
use crate::serve::serve;
use crate::store::Keys;

/// Threads that serve; more only wait for the lock or the disk.
const THREADS_MAX: usize = 4;

/// Runs the gateway until it is told to end.
///
/// # Errors
/// Why it cannot.
pub fn gateway(path: &Path) -> Result<(), String> {
    let config = Config::load(path).map_err(|error| error.to_string())?;
    log(&config.log, config.log_format)?;
    raise_descriptor_limit();
    runtime()?.block_on(serve(config))
}

/// Reads the configuration and says what is wrong with it.
///
/// # Errors
/// What is wrong.
pub fn check_config(path: &Path) -> Result<(), String> {
    Config::load(path).map(drop).map_err(|error| error.to_string())
}

/// Puts a new key in front of those that seal the state; the next start seals everything anew.
///
/// # Errors
/// If the key file cannot be changed.
pub fn rotate_keys(path: &Path) -> Result<(), String> {
    let config = Config::load(path).map_err(|error| error.to_string())?;
    Keys::rotate(&config.key_file()).map_err(|error| error.to_string())
}

/// Runs the proxy of a run directory; the gateway starts it.
///
/// # Errors
/// Why it cannot.
pub fn run_proxy(run_directory: &Path) -> Result<(), String> {
    log("info", LogFormat::Text)?;
    raise_descriptor_limit();
    runtime()?.block_on(proxy::run(run_directory)).map_err(|error| error.to_string())
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, THREADS_MAX);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

fn log(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let done = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|error| error.to_string())
}

/// Descriptors for 10,000 connections to schedulers, which take two each, and as many others.
const DESCRIPTORS: u64 = 65_536;

/// Asks for as many descriptors as will be needed; only root gets more than the limit that was set for it.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let wanted = Some(most.max(DESCRIPTORS)).filter(|wanted| *wanted != u64::MAX).or(limit.maximum);
    if setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: wanted }).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
