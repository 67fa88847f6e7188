//! The class `ClusterClient`, and its futures.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::exceptions::{
    PyConnectionError, PyKeyError, PyPermissionError, PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple, PyType};
use selion_cluster::wire::{Reply, Request, Share};
use selion_cluster::{Client, ClientConfig, ClientError, Parts, PeerError, while_waiting};
use selion_scheduler::message::{Failure, FailureKind, FromClient, Rules, Submit, Task};
use selion_scheduler::{Key, WorkerId};

use super::call::{Encoded, RemoteFunction, encode_args, hash};
use super::process::{PyPem, address, security};
use super::runtime::{decode_object, encode_object};

/// A client, and what its futures are called: for people, who ask by names, of a scheduler, which knows numbers.
struct Shared {
    client: Client,
    names: Mutex<HashMap<Key, Name>>,
}

impl std::ops::Deref for Shared {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Shared {
    fn names(&self) -> MutexGuard<'_, HashMap<Key, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One handle less; with the last one the name goes too.
    fn let_go(&self, key: Key) {
        if self.client.release(key) {
            self.names().remove(&key);
        }
    }
}

/// A client of a scheduler.
#[pyclass(frozen, module = "selion._selion")]
pub(crate) struct ClusterClient {
    client: Arc<Shared>,
    /// The class of the futures that it makes.
    future: Py<PyType>,
}

/// Of a worker: its number, hashes of the keys that it holds, and of those that it has to do.
type Contents = (u32, Vec<u128>, Vec<u128>);

/// What a future is called: what was called and its key's number, or a name of the user's own.
#[derive(Clone)]
enum Name {
    Of(Arc<str>),
    Own(Arc<str>),
}

/// A value to come: a handle on a key of one client. Dropping the last handle releases the key.
#[pyclass(frozen, subclass, weakref, name = "FutureHandle", module = "selion._selion")]
pub(crate) struct PyFuture {
    client: Arc<Shared>,
    key: Key,
    name: Name,
    released: AtomicBool,
}

impl PyFuture {
    pub(super) fn number(&self) -> Key {
        self.key
    }
}

impl Drop for PyFuture {
    fn drop(&mut self) {
        self.release();
    }
}

/// An error on the way out of a wait that looks at signals.
enum Waited {
    Client(ClientError),
    Python(PyErr),
}

impl From<ClientError> for Waited {
    fn from(error: ClientError) -> Self {
        Waited::Client(error)
    }
}

impl From<Waited> for PyErr {
    fn from(error: Waited) -> PyErr {
        match error {
            Waited::Client(error) => client_error(&error),
            Waited::Python(error) => error,
        }
    }
}

fn client_error(error: &ClientError) -> PyErr {
    let text = error.to_string();
    match error {
        ClientError::NoScheduler { .. } | ClientError::Closed => PyConnectionError::new_err(text),
        ClientError::Refused { .. } => PyPermissionError::new_err(text),
        ClientError::TimedOut => PyTimeoutError::new_err(text),
        ClientError::Failed(failure) => raise(failure, ""),
        ClientError::Unknown(_) => PyKeyError::new_err(text),
        ClientError::Peer(PeerError::Failed(failure)) => raise(failure, ""),
        ClientError::Peer(_) => PyConnectionError::new_err(text),
    }
}

/// The exception of a failure.
fn raise(failure: &Failure, key: &str) -> PyErr {
    Python::attach(|py| {
        let build = || -> PyResult<PyErr> {
            let remote = py.import("selion.distributed._remote")?;
            let exception = PyBytes::new(py, &failure.exception);
            let arguments = (kind_name(failure.kind), &failure.message, exception, key);
            Ok(PyErr::from_value(remote.call_method1("load_exception", arguments)?))
        };
        build().unwrap_or_else(|error| error)
    })
}

fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Raised => "raised",
        FailureKind::KilledWorker => "killed worker",
        FailureKind::Cancelled => "cancelled",
        FailureKind::NoWorker => "no worker",
        FailureKind::TimedOut => "timed out",
        FailureKind::Redefined => "redefined",
        FailureKind::Unknown => "unknown",
    }
}

/// Looks at Python's signals. For waits without the GIL.
fn look() -> Result<(), Waited> {
    Python::attach(|py| py.check_signals()).map_err(Waited::Python)
}

fn until(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    match timeout {
        None => Ok(None),
        Some(seconds) if seconds.is_nan() => Err(PyValueError::new_err("a timeout that is not a number")),
        Some(seconds) => Ok(Some(Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))),
    }
}

#[pymethods]
impl ClusterClient {
    #[new]
    #[pyo3(signature = (scheduler, token, name, timeout, patience, future, tls=None))]
    fn new(
        py: Python<'_>,
        scheduler: &str,
        token: &str,
        name: &str,
        timeout: f64,
        patience: f64,
        future: Py<PyType>,
        tls: Option<PyPem>,
    ) -> PyResult<Self> {
        let config = ClientConfig {
            scheduler: address(scheduler)?,
            security: security(token, tls, false)?,
            name: name.to_owned(),
            timeout: Duration::from_secs_f64(timeout.clamp(0.0, 1e9)),
            patience: Duration::from_secs_f64(patience.clamp(0.0, 1e9)),
        };
        let client = py.detach(|| while_waiting(|| Client::connect(config))).map_err(|error| client_error(&error))?;
        Ok(ClusterClient { client: Arc::new(Shared { client, names: Mutex::default() }), future })
    }

    /// Where the scheduler is.
    #[getter]
    fn address(&self) -> String {
        self.client.address().to_string()
    }

    /// Whether a scheduler is connected now.
    #[getter]
    fn connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Submits one call; its future.
    #[pyo3(signature = (function, args, kwargs, key=None, pure=true, rules=None))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        function: &RemoteFunction,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        key: Option<&str>,
        pure: bool,
        rules: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let encoded = encode_args(args, kwargs)?;
        let key_hash = match key {
            Some(name) => hash(&[b"key", name.as_bytes()]),
            None => call_hash(py, function, &encoded, args, kwargs, pure)?,
        };
        let name = match key {
            Some(name) => Name::Own(name.into()),
            None => Name::Of(Arc::clone(&function.name)),
        };
        let rules = rules.map(rules_of).transpose()?;
        let key_is_own = key.is_some();
        let key = Key(key_hash);
        // What this client has already need not be submitted again; a key of the user's own is checked by the scheduler.
        if key_is_own || !self.client.retain(key) {
            let blob = (!self.client.knows_blob(function.id)).then(|| (function.id, function.pickle.clone()));
            let task = task(key, function, encoded, u32::from(rules.is_some()), 0);
            if key_is_own && self.client.contradicts(&task) {
                let message = format!("the key {:?} is in use for another call", name.text(key));
                return Err(PyValueError::new_err(message));
            }
            self.client.submit_one(blob, &function.name, rules, task);
        }
        self.handle(py, key, name)
    }

    /// Submits a call for each of a list of tuples of arguments; their futures.
    #[pyo3(signature = (function, calls, kwargs, keys=None, pure=true, rules=None))]
    fn map<'py>(
        &self,
        py: Python<'py>,
        function: &RemoteFunction,
        calls: &Bound<'py, PyAny>,
        kwargs: Option<&Bound<'py, PyDict>>,
        keys: Option<Vec<String>>,
        pure: bool,
        rules: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let rules = rules.map(rules_of).transpose()?;
        let number = u32::from(rules.is_some());
        let mut tasks = Vec::new();
        let mut futures = Vec::new();
        for (place, args) in calls.try_iter()?.enumerate() {
            let args = args?.cast_into::<PyTuple>()?;
            let encoded = encode_args(&args, kwargs)?;
            let own = keys.as_ref().and_then(|keys| keys.get(place));
            let (key, name) = match own {
                Some(own) => (Key(hash(&[b"key", own.as_bytes()])), Name::Own(own.as_str().into())),
                None => {
                    let key = call_hash(py, function, &encoded, &args, kwargs, pure)?;
                    (Key(key), Name::Of(Arc::clone(&function.name)))
                }
            };
            if own.is_some() || !self.client.retain(key) {
                tasks.push(task(key, function, encoded, number, place as u32));
                futures.push((key, name, false));
            } else {
                futures.push((key, name, true));
            }
        }
        let blob = (!self.client.knows_blob(function.id)).then(|| (function.id, function.pickle.clone()));
        self.client.submit(Submit {
            blobs: blob.into_iter().collect(),
            groups: vec![Arc::clone(&function.name)],
            rules: rules.into_iter().collect(),
            tasks,
            again: false,
        });
        let handles = futures.into_iter().map(|(key, name, _)| self.handle(py, key, name));
        PyList::new(py, handles.collect::<PyResult<Vec<_>>>()?)
    }

    /// The future of a key, which this client or another has submitted.
    fn future<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        let (hash, name) = parse_key(key);
        self.client.want(hash);
        self.handle(py, hash, name)
    }

    /// Waits until `enough` of the futures are done; whether they are.
    #[pyo3(signature = (futures, enough, timeout=None))]
    fn wait(&self, py: Python<'_>, futures: &Bound<'_, PyList>, enough: usize, timeout: Option<f64>) -> PyResult<bool> {
        let keys = keys_of(futures)?;
        let until = until(timeout)?;
        Ok(py.detach(|| while_waiting(|| self.client.wait(&keys, enough, until, look)))?)
    }

    /// The values of futures that are done; an exception in the place of one that has none.
    fn gather<'py>(&self, py: Python<'py>, futures: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
        let handles: Vec<Bound<'_, PyFuture>> = futures
            .iter()
            .map(|future| future.cast_into::<PyFuture>().map_err(PyErr::from))
            .collect::<PyResult<_>>()?;
        // Large values are on their way all together while small ones are decoded.
        let mut transfers = Vec::with_capacity(handles.len());
        for handle in &handles {
            let key = handle.get().key;
            let inline = self.client.state(key).and_then(|state| state.value);
            transfers.push(match inline {
                Some(value) => Ok(value),
                None => Err(self.client.fetch(key)),
            });
        }
        let mut values = Vec::with_capacity(handles.len());
        for (handle, transfer) in handles.iter().zip(transfers) {
            let parts = match transfer {
                Ok(header) => Ok(Parts { header, buffers: Vec::new() }),
                Err(receiver) => py.detach(|| while_waiting(|| receive(receiver)))?.map(|(parts, _)| parts),
            };
            values.push(match parts {
                Ok(parts) => decode_object(py, &parts)?,
                Err(error) => self.exception(py, handle.get(), &error)?,
            });
        }
        PyList::new(py, values)
    }

    /// Puts values on workers: one after the other, round robin, or each on all.
    #[pyo3(signature = (values, keys, workers, broadcast))]
    fn scatter<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
        keys: Vec<String>,
        workers: Vec<(u32, String)>,
        broadcast: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        if workers.is_empty() {
            return Err(PyTimeoutError::new_err("there is no worker to scatter to"));
        }
        let parts = values.iter().map(|value| encode_object(&value)).collect::<PyResult<Vec<_>>>()?;
        let items: Vec<(Key, Name, Parts)> = keys
            .into_iter()
            .zip(parts)
            .map(|(key, parts)| {
                let (hash, name) = parse_key(&key);
                (hash, name, parts)
            })
            .collect();
        let stored = py.detach(|| {
            while_waiting(|| {
                let mut stored = Vec::new();
                for (at, (key, _, parts)) in items.iter().enumerate() {
                    let chosen =
                        if broadcast { &workers[..] } else { std::slice::from_ref(&workers[at % workers.len()]) };
                    for (id, address) in chosen {
                        let nbytes = self.client.put(address, *key, parts.clone())?;
                        stored.push((*key, nbytes, WorkerId(*id)));
                    }
                }
                Ok::<_, ClientError>(stored)
            })
        });
        let mut stored = stored.map_err(|error| client_error(&error))?;
        // One handle for each value, however many copies of it there are.
        stored.sort_by_key(|(key, ..)| *key);
        let mut firsts = Vec::new();
        let mut copies = Vec::new();
        for item in stored {
            if firsts.last().is_some_and(|(key, ..): &(Key, u64, WorkerId)| *key == item.0) {
                copies.push(item);
            } else {
                firsts.push(item);
            }
        }
        self.client.scattered(firsts);
        if !copies.is_empty() {
            self.client.say(FromClient::Scattered(copies));
        }
        let handles = items.into_iter().map(|(key, name, _)| self.handle(py, key, name));
        PyList::new(py, handles.collect::<PyResult<Vec<_>>>()?)
    }

    /// Stops what was not started, with all that needs it.
    fn cancel(&self, futures: &Bound<'_, PyList>, force: bool, reason: String) -> PyResult<()> {
        let keys = keys_of(futures)?;
        self.client.say(FromClient::Cancel { keys, force, reason });
        Ok(())
    }

    /// Stops all that this client wants.
    fn cancel_all(&self, reason: String) {
        let keys = self.client.names().keys().copied().collect();
        self.client.say(FromClient::Cancel { keys, force: true, reason });
    }

    /// What this client's futures are called, by the numbers of their keys.
    fn names(&self) -> HashMap<u128, String> {
        self.client.names().iter().map(|(key, name)| (key.0, name.text(*key))).collect()
    }

    /// Failed tasks run again.
    fn retry(&self, futures: &Bound<'_, PyList>) -> PyResult<()> {
        let keys = keys_of(futures)?;
        self.client.retry(keys);
        Ok(())
    }

    /// Copies of values on more workers.
    fn replicate(&self, futures: &Bound<'_, PyList>, copies: u32, workers: Vec<u32>) -> PyResult<()> {
        let (keys, workers) = (keys_of(futures)?, workers.into_iter().map(WorkerId).collect());
        self.client.say(FromClient::Replicate { keys, copies, workers });
        Ok(())
    }

    /// Workers end, their values moved to others first.
    fn retire(&self, workers: Vec<u32>) {
        self.client.say(FromClient::Retire(workers.into_iter().map(WorkerId).collect()));
    }

    /// The workers that are there: numbers and addresses.
    fn workers(&self) -> Vec<(u32, String)> {
        self.client.workers().into_iter().map(|(id, address)| (id.0, address)).collect()
    }

    /// Runs a call on workers, outside of all tasks: per worker a value, or an exception.
    fn run<'py>(
        &self,
        py: Python<'py>,
        function: &RemoteFunction,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        addresses: Vec<String>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let encoded = encode_args(args, kwargs)?;
        if !encoded.inputs.is_empty() {
            return Err(PyValueError::new_err("Client.run takes no futures: its calls are no tasks"));
        }
        let calls: Vec<_> = addresses
            .iter()
            .map(|address| self.client.call(address, function.pickle.clone(), encoded.bytes.clone()))
            .collect();
        let results = PyDict::new(py);
        for (address, call) in addresses.iter().zip(calls) {
            let result = py.detach(|| while_waiting(|| receive(call)))?;
            let value = match result {
                Ok(parts) => decode_object(py, &parts)?,
                Err(error) => Bound::new(py, RemoteError(client_error(&error).into_value(py).into_any()))?.into_any(),
            };
            results.set_item(address, value)?;
        }
        Ok(results)
    }

    /// What the scheduler knows of itself and its workers.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Reply::Info(info) = self.ask(py, Request::Info)? else { return Err(unexpected()) };
        let all = PyDict::new(py);
        all.set_item("version", info.version)?;
        all.set_item("clock", info.clock as f64 * 1e-6)?;
        all.set_item("dashboard", info.dashboard)?;
        all.set_item("up", info.up as f64 * 1e-6)?;
        all.set_item("tasks", info.tasks)?;
        all.set_item("done", info.done)?;
        all.set_item("queued", info.queued)?;
        all.set_item("processing", info.processing)?;
        all.set_item("in_memory", info.in_memory)?;
        all.set_item("failed", info.failed)?;
        all.set_item("expected_seconds", info.expected_seconds)?;
        let workers = PyDict::new(py);
        for worker in info.workers {
            let entry = PyDict::new(py);
            entry.set_item("id", worker.id.0)?;
            entry.set_item("name", worker.info.name)?;
            entry.set_item("nthreads", worker.info.nthreads)?;
            entry.set_item("memory_limit", worker.info.memory_limit)?;
            entry.set_item(
                "resources",
                worker.info.resources.into_iter().collect::<std::collections::HashMap<_, _>>(),
            )?;
            entry.set_item("memory", worker.status.memory)?;
            entry.set_item("cpu", worker.status.cpu)?;
            entry.set_item("held", worker.held_bytes)?;
            entry.set_item("spilled", worker.status.spilled)?;
            entry.set_item("paused", worker.status.paused)?;
            entry.set_item("processing", worker.processing)?;
            entry.set_item("holds", worker.holds)?;
            entry.set_item("last_seen", worker.silent as f64 * 1e-6)?;
            workers.set_item(worker.info.address, entry)?;
        }
        all.set_item("workers", workers)?;
        Ok(all)
    }

    /// What workers hold and what they have to do: numbers of workers, hashes of keys.
    fn contents(&self, py: Python<'_>) -> PyResult<Vec<Contents>> {
        let Reply::Contents(contents) = self.ask(py, Request::Contents)? else { return Err(unexpected()) };
        let numbers = |keys: Vec<Key>| keys.into_iter().map(|key| key.0).collect();
        Ok(contents.into_iter().map(|(id, holds, tasks)| (id.0, numbers(holds), numbers(tasks))).collect())
    }

    /// About one task, for people.
    fn explain(&self, py: Python<'_>, future: &PyFuture) -> PyResult<String> {
        match self.ask(py, Request::Explain(future.key))? {
            Reply::Text(text) => Ok(text),
            _ => Err(unexpected()),
        }
    }

    /// A value under a name; whether it was set.
    fn set_data(&self, py: Python<'_>, name: String, value: Option<&[u8]>, replace: bool) -> PyResult<bool> {
        let value = value.map(Bytes::copy_from_slice);
        match self.ask(py, Request::SetData { name, value, replace })? {
            Reply::Bool(done) => Ok(done),
            _ => Err(unexpected()),
        }
    }

    /// The value under a name, or None.
    fn get_data<'py>(&self, py: Python<'py>, name: String) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match self.ask(py, Request::GetData(name))? {
            Reply::Data(data) => Ok(data.map(|bytes| PyBytes::new(py, &bytes))),
            _ => Err(unexpected()),
        }
    }

    /// The names that begin so.
    fn list_data(&self, py: Python<'_>, prefix: String) -> PyResult<Vec<String>> {
        match self.ask(py, Request::ListData(prefix))? {
            Reply::Names(names) => Ok(names),
            _ => Err(unexpected()),
        }
    }

    /// A step of something that is shared by name; None if its time is over.
    #[pyo3(signature = (step, name, value=None, count=0, timeout=None))]
    fn share<'py>(
        &self,
        py: Python<'py>,
        step: &str,
        name: String,
        value: Option<&[u8]>,
        count: u32,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout.map(|seconds| (seconds.clamp(0.0, 1e9) * 1e6) as u64);
        let bytes = || value.map(Bytes::copy_from_slice).unwrap_or_default();
        let share = match step {
            "acquire" => Share::Acquire { name, permits: count, timeout },
            "release" => Share::Release(name),
            "leases" => Share::Leases(name),
            "set" => Share::SetEvent(name, true),
            "clear" => Share::SetEvent(name, false),
            "wait" => Share::WaitEvent(name, timeout),
            "is_set" => Share::IsSet(name),
            "put" => Share::Put { name, value: bytes(), maxsize: count, timeout },
            "take" => Share::Take { name, count, timeout },
            "size" => Share::Size(name),
            "set_variable" => Share::SetVariable(name, bytes()),
            "get_variable" => Share::GetVariable(name, timeout),
            "delete_variable" => Share::DeleteVariable(name),
            other => return Err(PyValueError::new_err(format!("no such step: {other:?}"))),
        };
        Ok(match self.ask(py, Request::Share(share))? {
            Reply::TimedOut => None,
            Reply::Bool(truth) => Some(truth.into_pyobject(py)?.to_owned().into_any()),
            Reply::Count(count) => Some(count.into_pyobject(py)?.into_any()),
            Reply::Data(data) => data.map(|bytes| PyBytes::new(py, &bytes).into_any()),
            Reply::Many(things) => {
                Some(PyList::new(py, things.iter().map(|bytes| PyBytes::new(py, bytes)))?.into_any())
            }
            Reply::Error(text) => return Err(PyRuntimeError::new_err(text)),
            _ => return Err(unexpected()),
        })
    }

    /// The scheduler ends, with its workers.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        match self.ask(py, Request::Shutdown) {
            Ok(_) => Ok(()),
            Err(error) if error.is_instance_of::<PyConnectionError>(py) => Ok(()), // it was quicker than its answer
            Err(error) => Err(error),
        }
    }

    /// Leaves: all futures are cancelled.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.client.close());
    }
}

impl ClusterClient {
    fn ask(&self, py: Python<'_>, request: Request) -> PyResult<Reply> {
        Ok(py.detach(|| while_waiting(|| self.client.request::<Waited>(request, look)))?)
    }

    fn handle<'py>(&self, py: Python<'py>, key: Key, name: Name) -> PyResult<Bound<'py, PyAny>> {
        self.client.names().entry(key).or_insert_with(|| name.clone());
        let handle = Bound::new(py, Ticket(Mutex::new(Some((Arc::clone(&self.client), key, name)))))?;
        self.future.bind(py).call1((handle,))
    }

    fn exception<'py>(&self, py: Python<'py>, future: &PyFuture, error: &ClientError) -> PyResult<Bound<'py, PyAny>> {
        let error = match error {
            ClientError::Failed(failure) => raise(failure, &future.text()),
            error => client_error(error),
        };
        Ok(Bound::new(py, RemoteError(error.into_value(py).into_any()))?.into_any())
    }
}

/// Waits for an answer of the client's thread; looks at signals meanwhile.
fn receive<T>(mut receiver: tokio::sync::oneshot::Receiver<T>) -> Result<T, Waited> {
    let mut pause = Duration::from_micros(20);
    let mut since_look = Instant::now();
    loop {
        match receiver.try_recv() {
            Ok(answer) => return Ok(answer),
            Err(tokio::sync::oneshot::error::TryRecvError::Closed) => return Err(ClientError::Closed.into()),
            Err(tokio::sync::oneshot::error::TryRecvError::Empty) => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
        if since_look.elapsed() > Duration::from_millis(50) {
            look()?;
            since_look = Instant::now();
        }
    }
}

fn unexpected() -> PyErr {
    PyRuntimeError::new_err("the scheduler gave an answer of another kind")
}

/// An exception in the place of a value.
#[pyclass(frozen, module = "selion._selion")]
struct RemoteError(Py<PyAny>);

#[pymethods]
impl RemoteError {
    #[getter]
    fn exception(&self, py: Python<'_>) -> Py<PyAny> {
        self.0.clone_ref(py)
    }
}

/// What a new future is made of: used once.
#[pyclass(frozen, module = "selion._selion")]
struct Ticket(Mutex<Option<(Arc<Shared>, Key, Name)>>);

fn keys_of(futures: &Bound<'_, PyList>) -> PyResult<Vec<Key>> {
    futures.iter().map(|future| Ok(future.cast::<PyFuture>()?.get().key)).collect()
}

/// The hash of a key that people write, and its name: those that are made of a hash are taken apart again.
fn parse_key(key: &str) -> (Key, Name) {
    if let Some((name, digits)) = key.rsplit_once('-')
        && digits.len() == 32
        && let Ok(number) = u128::from_str_radix(digits, 16)
    {
        return (Key(number), Name::Of(name.into()));
    }
    (Key(hash(&[b"key", key.as_bytes()])), Name::Own(key.into()))
}

fn task(key: Key, function: &RemoteFunction, encoded: Encoded, rules: u32, place: u32) -> Task {
    Task {
        key,
        blob: Some(function.id),
        index: 0,
        args: encoded.bytes,
        inputs: encoded.inputs,
        nbytes: 0,
        group: 0,
        rules,
        place,
        wanted: true,
    }
}

/// The hash that a call is known by: that of its function and arguments, or a random one.
fn call_hash(
    py: Python<'_>,
    function: &RemoteFunction,
    encoded: &Encoded,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    pure: bool,
) -> PyResult<u128> {
    let id = function.id.0.to_le_bytes();
    if !pure {
        let random = py.import("os")?.call_method1("urandom", (16,))?;
        return Ok(hash(&[b"random", &id, random.cast::<PyBytes>()?.as_bytes()]));
    }
    if encoded.canonical {
        let inputs: Vec<u8> = encoded.inputs.iter().flat_map(|key| key.0.to_le_bytes()).collect();
        return Ok(hash(&[b"call", &id, &encoded.bytes, &inputs]));
    }
    let token = py.import("selion._tokenize")?.call_method1("tokenize", (args, kwargs))?;
    Ok(hash(&[b"token", &id, token.extract::<String>()?.as_bytes()]))
}

fn rules_of(options: &Bound<'_, PyDict>) -> PyResult<Rules> {
    fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
    {
        options.get_item(name)?.map(|value| value.extract::<T>()).transpose()
    }
    let resources: std::collections::BTreeMap<String, f64> = match options.get_item("resources")? {
        Some(resources) => resources.extract()?,
        None => Default::default(),
    };
    let workers: Vec<String> = match options.get_item("workers")? {
        Some(workers) => workers.extract()?,
        None => Vec::new(),
    };
    Ok(Rules {
        priority: get(options, "priority")?.unwrap_or(0),
        retries: get(options, "retries")?.unwrap_or(0),
        workers,
        allow_other_workers: get(options, "allow_other_workers")?.unwrap_or(false),
        resources: resources.into_iter().collect(),
        timeout: (get::<f64>(options, "timeout")?.unwrap_or(0.0).clamp(0.0, 1e9) * 1e6) as u64,
        actor: get(options, "actor")?.unwrap_or(false),
    })
}

#[pymethods]
impl PyFuture {
    #[new]
    fn new(ticket: &Ticket) -> PyResult<Self> {
        let taken = ticket.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (client, key, name) = taken.ok_or_else(|| PyValueError::new_err("futures are made by clients"))?;
        Ok(PyFuture { client, key, name, released: AtomicBool::new(false) })
    }

    /// The name by which the value is known.
    #[getter]
    fn key(&self) -> String {
        self.text()
    }

    /// The number of the key.
    #[getter]
    fn _hash(&self) -> u128 {
        self.key.0
    }

    /// What it is called with others of its kind.
    #[getter]
    fn _group(&self) -> &str {
        match &self.name {
            Name::Of(name) | Name::Own(name) => name,
        }
    }

    /// `pending`, `finished`, `error`, `cancelled` or `lost`.
    #[getter]
    fn status(&self) -> &'static str {
        self.client.status(self.key).name()
    }

    /// Whether the task is done, for better or worse.
    fn done(&self) -> bool {
        self.client.status(self.key).is_done()
    }

    /// Whether the task was cancelled.
    fn cancelled(&self) -> bool {
        self.client.status(self.key) == selion_cluster::Status::Cancelled
    }

    /// Bytes of the value, once it is there.
    #[getter]
    fn _nbytes(&self) -> u64 {
        self.client.state(self.key).map_or(0, |state| state.nbytes)
    }

    /// Waits until the task is done; whether it is.
    #[pyo3(signature = (timeout=None))]
    fn _wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.client.status(self.key).is_done() {
            return Ok(true);
        }
        let until = until(timeout)?;
        Ok(py.detach(|| while_waiting(|| self.client.wait(&[self.key], 1, until, look)))?)
    }

    /// The value of a task that is done, or its exception raised.
    fn _value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = self.client.state(self.key);
        if let Some(failure) = state.as_ref().and_then(|state| state.failure.as_ref()) {
            return Err(raise(failure, &self.text()));
        }
        if let Some(header) = state.and_then(|state| state.value) {
            return decode_object(py, &Parts { header, buffers: Vec::new() });
        }
        let receiver = self.client.fetch(self.key);
        match py.detach(|| while_waiting(|| receive(receiver)))? {
            Ok((parts, _)) => decode_object(py, &parts),
            Err(ClientError::Failed(failure)) => Err(raise(&failure, &self.text())),
            Err(error) => Err(client_error(&error)),
        }
    }

    /// The exception of a task that failed, or None.
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let failure = self.client.state(self.key)?.failure?;
        Some(raise(&failure, &self.text()).into_value(py).into_any())
    }

    /// Lets go of the value now, as when the future itself goes.
    fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.client.let_go(self.key);
        }
    }

    /// Has a number appear in a list when the task is done.
    fn _when_done(&self, completions: &Completions, number: u64) {
        let shared = Arc::clone(&completions.0);
        self.client.when_done(self.key, Box::new(move || shared.push(number)));
    }
}

impl PyFuture {
    fn text(&self) -> String {
        self.name.text(self.key)
    }
}

impl Name {
    fn text(&self, key: Key) -> String {
        match self {
            Name::Of(name) => format!("{name}-{key}"),
            Name::Own(name) => name.to_string(),
        }
    }
}

#[derive(Default)]
struct Completed {
    numbers: Mutex<VecDeque<u64>>,
    changed: Condvar,
}

impl Completed {
    fn push(&self, number: u64) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push_back(number);
        self.changed.notify_one();
    }
}

/// Numbers of what is done, in the order in which it was.
#[pyclass(frozen, module = "selion._selion")]
struct Completions(Arc<Completed>);

#[pymethods]
impl Completions {
    #[new]
    fn new() -> Self {
        Completions(Arc::default())
    }

    /// Adds a number.
    fn push(&self, number: u64) {
        self.0.push(number);
    }

    /// The next number; None if the time is over.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<u64>> {
        let until = until(timeout)?;
        let wait = || {
            let mut numbers = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if let Some(number) = numbers.pop_front() {
                    return Ok(Some(number));
                }
                let now = Instant::now();
                if until.is_some_and(|until| until <= now) {
                    return Ok(None);
                }
                const LOOK: Duration = Duration::from_millis(50);
                let pause = until.map_or(LOOK, |until| LOOK.min(until - now));
                let woken = self.0.changed.wait_timeout(numbers, pause).unwrap_or_else(PoisonError::into_inner);
                numbers = woken.0;
                if woken.1.timed_out() {
                    drop(numbers);
                    look()?;
                    numbers = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        py.detach(|| while_waiting(wait)).map_err(|error: Waited| PyErr::from(error))
    }
}

pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<ClusterClient>()?;
    m.add_class::<PyFuture>()?;
    m.add_class::<RemoteError>()?;
    m.add_class::<Completions>()
}
