//! Schedulers and workers of this process.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use selion_cluster::{Server, ServerConfig, Worker, WorkerConfig};
use selion_net::{Address, Token};
use selion_scheduler::Config;

use super::runtime::PythonRuntime;

/// Options of a scheduler that may be set from Python.
fn config(allowed_failures: u8, worker_ttl: f64, no_workers_timeout: f64) -> Config {
    Config {
        allowed_failures: allowed_failures.saturating_sub(1),
        worker_ttl: (worker_ttl * 1e6) as u64,
        no_workers_timeout: (no_workers_timeout * 1e6) as u64,
        ..Config::default()
    }
}

fn bind(listen: &str, token: &str, config: Config) -> PyResult<(Server, String)> {
    let config = ServerConfig { listen: listen.to_owned(), token: Token::new(token), scheduler: config };
    let server =
        Server::bind(config).map_err(|error| PyOSError::new_err(format!("cannot listen on {listen}: {error}")))?;
    let address = format!("tcp://{}", server.address()?);
    Ok((server, address))
}

/// Starts a scheduler on a thread of this process; its address.
#[pyfunction]
#[pyo3(signature = (listen, token, allowed_failures=3, worker_ttl=30.0, no_workers_timeout=60.0))]
fn start_scheduler(
    listen: &str,
    token: &str,
    allowed_failures: u8,
    worker_ttl: f64,
    no_workers_timeout: f64,
) -> PyResult<String> {
    let (server, address) = bind(listen, token, config(allowed_failures, worker_ttl, no_workers_timeout))?;
    std::thread::Builder::new().name("selion-scheduler".to_owned()).spawn(move || server.run())?;
    Ok(address)
}

/// Runs a scheduler on this thread until it is told to shut down. `ready` is called with its address.
#[pyfunction]
#[pyo3(signature = (listen, token, ready, allowed_failures=3, worker_ttl=30.0, no_workers_timeout=60.0))]
fn run_scheduler(
    py: Python<'_>,
    listen: &str,
    token: &str,
    ready: &Bound<'_, PyAny>,
    allowed_failures: u8,
    worker_ttl: f64,
    no_workers_timeout: f64,
) -> PyResult<()> {
    let (server, address) = bind(listen, token, config(allowed_failures, worker_ttl, no_workers_timeout))?;
    ready.call1((address,))?;
    let server = std::thread::Builder::new().name("selion-scheduler".to_owned()).spawn(move || server.run())?;
    // Python's signals are looked at on this thread.
    while !server.is_finished() {
        py.detach(|| std::thread::sleep(Duration::from_millis(50)));
        py.check_signals()?;
    }
    match server.join() {
        Ok(result) => Ok(result?),
        Err(_) => Err(pyo3::exceptions::PyRuntimeError::new_err("the scheduler panicked")),
    }
}

/// A random token.
#[pyfunction]
fn new_token() -> PyResult<String> {
    let token = Token::generate().map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(token.reveal())
}

/// The token that a scheduler of this user has left for an address on this machine, or None.
#[pyfunction]
fn find_token(address: &str) -> PyResult<Option<String>> {
    let address: Address =
        address.parse().map_err(|error: selion_net::AddressError| PyValueError::new_err(error.to_string()))?;
    Ok(Token::find(&address).map(|token| token.reveal()))
}

/// A token that this user's other processes find, while this object lives.
#[pyclass(frozen, module = "selion._selion")]
struct LeftToken(#[expect(dead_code, reason = "held until dropped")] selion_net::LeftToken);

/// Leaves a token where this user's other processes on this machine find it.
#[pyfunction]
fn leave_token(token: &str, port: u16) -> PyResult<LeftToken> {
    Token::new(token).leave(port).map(LeftToken).map_err(|error| PyOSError::new_err(error.to_string()))
}

/// A worker on threads of this process.
#[pyclass(frozen, module = "selion._selion")]
struct ClusterWorker(Mutex<Worker>);

#[pymethods]
impl ClusterWorker {
    #[new]
    #[pyo3(signature = (scheduler, token, listen, name, nthreads, memory_limit=0, resources=vec![], patience=300.0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        scheduler: &str,
        token: &str,
        listen: &str,
        name: &str,
        nthreads: usize,
        memory_limit: u64,
        resources: Vec<(String, f64)>,
        patience: f64,
    ) -> PyResult<Self> {
        let scheduler: Address =
            scheduler.parse().map_err(|error: selion_net::AddressError| PyValueError::new_err(error.to_string()))?;
        let config = WorkerConfig {
            scheduler,
            token: Token::new(token),
            listen: listen.to_owned(),
            name: name.to_owned(),
            nthreads,
            memory_limit,
            resources,
            patience: Duration::from_secs_f64(patience.clamp(0.0, 1e9)),
        };
        Ok(ClusterWorker(Mutex::new(Worker::start(config, std::sync::Arc::new(PythonRuntime))?)))
    }

    /// Where it is found.
    #[getter]
    fn address(&self) -> String {
        self.0.lock().map(|worker| worker.address().to_owned()).unwrap_or_default()
    }

    /// Waits until it has ended; looks at signals meanwhile.
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            let ended = py.detach(|| {
                std::thread::sleep(Duration::from_millis(20));
                self.0.lock().map(|worker| worker.is_ended()).unwrap_or(true)
            });
            py.check_signals()?;
            if ended {
                break;
            }
        }
        let result = py.detach(|| match self.0.lock() {
            Ok(mut worker) => worker.join(),
            Err(_) => Ok(()),
        });
        Ok(result?)
    }

    /// Ends it.
    fn close(&self) {
        if let Ok(worker) = self.0.lock() {
            worker.close();
        }
    }
}

/// The task on this thread gives its place to others; whether there is one.
#[pyfunction]
fn secede() -> bool {
    selion_cluster::secede()
}

/// The task on this thread takes a place again.
#[pyfunction]
fn rejoin() {
    selion_cluster::rejoin();
}

pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(start_scheduler, m)?)?;
    m.add_function(wrap_pyfunction!(run_scheduler, m)?)?;
    m.add_function(wrap_pyfunction!(new_token, m)?)?;
    m.add_function(wrap_pyfunction!(find_token, m)?)?;
    m.add_function(wrap_pyfunction!(leave_token, m)?)?;
    m.add_function(wrap_pyfunction!(secede, m)?)?;
    m.add_function(wrap_pyfunction!(rejoin, m)?)?;
    m.add_class::<LeftToken>()?;
    m.add_class::<ClusterWorker>()
}
