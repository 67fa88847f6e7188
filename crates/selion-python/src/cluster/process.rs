//! Schedulers and workers of this process.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::{PyConnectionError, PyOSError, PyPermissionError, PyValueError};
use pyo3::prelude::*;
use selion_cluster::{Server, ServerConfig, Worker, WorkerConfig};
use selion_net::{Address, Pem, Security, Tls, Token};
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

/// The texts of certificates, as Python has them: of the authority, of this process, its private key.
pub(super) type PyPem = (String, String, String);

/// What the processes of a cluster know.
pub(super) fn security(token: &str, pem: Option<PyPem>, insecure: bool) -> PyResult<Security> {
    let tls = pem.map(|(ca, cert, key)| Tls::new(&Pem { ca, cert, key })).transpose();
    let tls = tls.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Security { token: Token::new(token), tls, insecure })
}

pub(super) fn address(text: &str) -> PyResult<Address> {
    text.parse().map_err(|error: selion_net::AddressError| PyValueError::new_err(error.to_string()))
}

fn cannot_listen(listen: &str, error: &std::io::Error) -> PyErr {
    let text = format!("cannot listen on {listen}: {error}");
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

/// A server, its address, and the link to its status page.
fn bind(
    listen: &str,
    security: Security,
    config: Config,
    dashboard: Option<String>,
) -> PyResult<(Server, String, String)> {
    let config = ServerConfig { listen: listen.to_owned(), security, scheduler: config, dashboard };
    let server = Server::bind(config).map_err(|error| cannot_listen(listen, &error))?;
    let (address, link) = (server.address()?.to_string(), server.dashboard()?);
    Ok((server, address, link))
}

/// Starts a scheduler on a thread of this process; its address, and the link to its status page.
#[pyfunction]
#[pyo3(signature = (
    listen, token, allowed_failures=3, worker_ttl=30.0, no_workers_timeout=60.0, tls=None, insecure=false,
    dashboard=None
))]
fn start_scheduler(
    listen: &str,
    token: &str,
    allowed_failures: u8,
    worker_ttl: f64,
    no_workers_timeout: f64,
    tls: Option<PyPem>,
    insecure: bool,
    dashboard: Option<String>,
) -> PyResult<(String, String)> {
    let security = security(token, tls, insecure)?;
    let config = config(allowed_failures, worker_ttl, no_workers_timeout);
    let (server, address, link) = bind(listen, security, config, dashboard)?;
    std::thread::Builder::new().name("selion-scheduler".to_owned()).spawn(move || server.run())?;
    Ok((address, link))
}

/// Runs a scheduler on this thread until it is told to shut down. `ready` is called with its address and the
/// link to its status page.
#[pyfunction]
#[pyo3(signature = (
    listen, token, ready, allowed_failures=3, worker_ttl=30.0, no_workers_timeout=60.0, tls=None, insecure=false,
    dashboard=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn run_scheduler(
    py: Python<'_>,
    listen: &str,
    token: &str,
    ready: &Bound<'_, PyAny>,
    allowed_failures: u8,
    worker_ttl: f64,
    no_workers_timeout: f64,
    tls: Option<PyPem>,
    insecure: bool,
    dashboard: Option<String>,
) -> PyResult<()> {
    let security = security(token, tls, insecure)?;
    let config = config(allowed_failures, worker_ttl, no_workers_timeout);
    let (server, address, link) = bind(listen, security, config, dashboard)?;
    ready.call1((address, link))?;
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

/// A new authority, a certificate of it, and its private key, in PEM form.
#[pyfunction]
fn new_certificates() -> PyResult<PyPem> {
    let pem = Pem::generate().map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok((pem.ca, pem.cert, pem.key))
}

/// Tells a scheduler how a worker ended that was given the name `instance`.
#[pyfunction]
#[pyo3(signature = (scheduler, token, instance, cause, tls=None))]
fn report_death(
    py: Python<'_>,
    scheduler: &str,
    token: &str,
    instance: &str,
    cause: &str,
    tls: Option<PyPem>,
) -> PyResult<()> {
    let (scheduler, security) = (address(scheduler)?, security(token, tls, false)?);
    Ok(py.detach(|| selion_cluster::report_death(&scheduler, &security, instance, cause))?)
}

/// The token that a scheduler of this user has left for an address on this machine, or None.
#[pyfunction]
fn find_token(scheduler: &str) -> PyResult<Option<String>> {
    Ok(Token::find(&address(scheduler)?).map(|token| token.reveal()))
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
    #[pyo3(signature = (
        scheduler, token, listen, name, nthreads, memory_limit=0, resources=vec![], patience=300.0, instance="",
        tls=None, insecure=false
    ))]
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
        instance: &str,
        tls: Option<PyPem>,
        insecure: bool,
    ) -> PyResult<Self> {
        let config = WorkerConfig {
            scheduler: address(scheduler)?,
            security: security(token, tls, insecure)?,
            listen: listen.to_owned(),
            name: name.to_owned(),
            nthreads,
            memory_limit,
            resources,
            patience: Duration::from_secs_f64(patience.clamp(0.0, 1e9)),
            instance: instance.to_owned(),
        };
        let worker = Worker::start(config, std::sync::Arc::new(PythonRuntime));
        Ok(ClusterWorker(Mutex::new(worker.map_err(|error| cannot_listen(listen, &error))?)))
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
        result.map_err(|error| PyConnectionError::new_err(error.to_string()))
    }

    /// Ends it, once what it runs is done and its values are elsewhere.
    fn retire(&self) {
        if let Ok(worker) = self.0.lock() {
            worker.retire();
        }
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

/// Whether this thread runs a task of a worker.
#[pyfunction]
fn in_task() -> bool {
    selion_cluster::current_task().is_some()
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
    m.add_function(wrap_pyfunction!(new_certificates, m)?)?;
    m.add_function(wrap_pyfunction!(report_death, m)?)?;
    m.add_function(wrap_pyfunction!(find_token, m)?)?;
    m.add_function(wrap_pyfunction!(leave_token, m)?)?;
    m.add_function(wrap_pyfunction!(secede, m)?)?;
    m.add_function(wrap_pyfunction!(rejoin, m)?)?;
    m.add_function(wrap_pyfunction!(in_task, m)?)?;
    m.add_class::<LeftToken>()?;
    m.add_class::<ClusterWorker>()
}
