//! Computing from Python: the GIL is released while tasks run, and signals are looked after.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyList;
use selion::Collection;
use selion::array::Array;
use selion::core::{CancelToken, ChunkSink, ExecError, Executor, Graph, Host, Observer, TaskId, Value};
use selion::runtime::{Config, Synchronous, Threads};

use crate::array::PyArray;
use crate::chunk::to_numpy;
use crate::delayed::{PyDelayed, from_value};
use crate::errors::to_python;
use crate::observe::Watchers;
use crate::processes::Processes;

/// The thread that imported the module: the only one on which Python delivers signals.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

fn is_main_thread() -> bool {
    MAIN_THREAD.get() == Some(&std::thread::current().id())
}

/// What runs in the background ends with this.
static BACKGROUND: LazyLock<CancelToken> = LazyLock::new(CancelToken::default);
/// Held by all that runs in the background.
static ALIVE: LazyLock<Arc<()>> = LazyLock::new(Arc::default);
/// How often signals are looked at between tasks; and, at the end of the interpreter, whether all has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Who runs the tasks of one call, and where Python functions are called if not here.
struct Scheduler {
    runner: Runner,
    host: Option<Arc<Host>>,
}

enum Runner {
    Threads(Arc<Threads>),
    Synchronous(Synchronous),
}

impl Executor for Scheduler {
    fn execute(
        &self,
        graph: Graph,
        cancel: &CancelToken,
        observer: Arc<dyn Observer>,
    ) -> Result<Vec<Value>, ExecError> {
        match &self.runner {
            Runner::Threads(threads) => threads.execute(self.hosted(graph), cancel, observer),
            Runner::Synchronous(synchronous) => synchronous.execute(self.hosted(graph), cancel, observer),
        }
    }
}

impl Scheduler {
    fn hosted(&self, graph: Graph) -> Graph {
        match &self.host {
            Some(host) => graph.hosted(Arc::clone(host)),
            None => graph,
        }
    }
}

fn scheduler(py: Python<'_>, name: Option<&str>, num_workers: Option<usize>) -> PyResult<Scheduler> {
    let settings = selion::settings().map_err(to_python)?;
    let chosen = settings.text("scheduler");
    let memory_limit = settings.integer("memory_limit");
    let threads = || match num_workers {
        None => selion::executor().map_err(to_python).map(Runner::Threads),
        Some(threads) => {
            let config = Config { threads, memory_limit, ..Config::default() };
            Ok(Runner::Threads(Arc::new(Threads::new(config))))
        }
    };
    match name.or(chosen.as_deref()).unwrap_or("threads") {
        "threads" | "threading" | "multithreading" => Ok(Scheduler { runner: threads()?, host: None }),
        "processes" | "multiprocessing" => {
            Ok(Scheduler { runner: threads()?, host: Some(Arc::new(Processes::new(py)?)) })
        }
        "synchronous" | "sync" | "single-threaded" => {
            let config = Config { threads: 1, memory_limit, ..Config::default() };
            Ok(Scheduler { runner: Runner::Synchronous(Synchronous::new(config)), host: None })
        }
        other => Err(pyo3::exceptions::PyValueError::new_err(format!(
            "Expected one of [distributed, multiprocessing, processes, single-threaded, sync, synchronous, threading, threads]; got '{other}'"
        ))),
    }
}

/// Runs graphs without the GIL. On the main thread Python's signals are looked at meanwhile, and what their handlers
/// raise (`KeyboardInterrupt`) ends the run.
struct Call<'a> {
    scheduler: &'a Scheduler,
    interrupted: Option<PyErr>,
}

impl selion::Run for Call<'_> {
    fn run(&mut self, graph: Graph) -> Result<Vec<Value>, ExecError> {
        let (cancel, watchers) = (CancelToken::default(), Watchers::now());
        if !is_main_thread() {
            return self.scheduler.execute(graph, &cancel, Arc::new(watchers));
        }
        let graph = self.scheduler.hosted(graph);
        match &self.scheduler.runner {
            Runner::Threads(threads) => {
                // Tasks that go on though they were interrupted belong to the background.
                let watchers = watchers.and(Arc::new(Alive { _alive: Arc::clone(&ALIVE) }));
                threads.execute_polling(graph, &cancel, Arc::new(watchers), &mut || self.go_on())
            }
            Runner::Synchronous(synchronous) => {
                let looks = Arc::new(LooksAtSignals { cancel: cancel.clone(), last: Mutex::default() });
                let result = synchronous.execute(graph, &cancel, Arc::new(watchers.and(Arc::clone(&looks) as _)));
                self.interrupted = looks.last().1.take();
                result
            }
        }
    }

    fn go_on(&mut self) -> bool {
        if !is_main_thread() {
            return true;
        }
        let looked = Python::attach(|py| py.check_signals());
        let go_on = looked.is_ok();
        self.interrupted = looked.err();
        go_on
    }
}

/// Releases the GIL, does the work, and maps its error; what interrupted it comes first.
fn without_gil<T: Send>(
    py: Python<'_>,
    scheduler: &Scheduler,
    work: impl FnOnce(&mut dyn selion::Run) -> Result<T, selion::Error> + Send,
) -> PyResult<T> {
    let mut call = Call { scheduler, interrupted: None };
    let result = py.detach(|| work(&mut call));
    match (result, call.interrupted) {
        (_, Some(interrupt)) => Err(interrupt),
        (result, None) => result.map_err(to_python),
    }
}

/// Holds `ALIVE` as long as a graph runs.
struct Alive {
    _alive: Arc<()>,
}

impl Observer for Alive {}

/// Looks at Python's signals between tasks that run on the main thread.
struct LooksAtSignals {
    cancel: CancelToken,
    /// When they were looked at, and what a handler raised.
    last: Mutex<(Option<Instant>, Option<PyErr>)>,
}

impl LooksAtSignals {
    fn last(&self) -> MutexGuard<'_, (Option<Instant>, Option<PyErr>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for LooksAtSignals {
    fn task_finished(&self, _: &Graph, _: TaskId, _: usize) {
        let mut last = self.last();
        if last.0.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return;
        }
        last.0 = Some(Instant::now());
        if let Err(raised) = Python::attach(|py| py.check_signals()) {
            last.1 = Some(raised);
            self.cancel.cancel();
        }
    }
}

pub(crate) fn arrays(list: &Bound<'_, PyList>) -> PyResult<Vec<Array>> {
    list.iter().map(|array| Ok(array.cast::<PyArray>()?.get().0.clone())).collect()
}

pub(crate) fn collections(list: &Bound<'_, PyList>) -> PyResult<Vec<Collection>> {
    list.iter()
        .map(|item| match item.cast::<PyDelayed>() {
            Ok(delayed) => Ok(Collection::Delayed(delayed.get().node.clone())),
            Err(_) => Ok(Collection::Array(item.cast::<PyArray>()?.get().0.clone())),
        })
        .collect()
}

/// Computes collections; returns a NumPy array for an array, the value for what is delayed.
#[pyfunction]
#[pyo3(signature = (collections, scheduler=None, num_workers=None))]
fn compute<'py>(
    py: Python<'py>,
    collections: &Bound<'py, PyList>,
    scheduler: Option<&str>,
    num_workers: Option<usize>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (collections, scheduler) = (self::collections(collections)?, self::scheduler(py, scheduler, num_workers)?);
    let values = without_gil(py, &scheduler, |run| selion::compute_with(&collections, run))?;
    let to_python = |(value, collection): (Value, &Collection)| match (value, collection) {
        (Value::Chunk(chunk), Collection::Array(_)) => to_numpy(py, chunk),
        (value, _) => from_value(py, &value),
    };
    values.into_iter().zip(&collections).map(to_python).collect()
}

/// Starts to compute collections and returns at once: like the given ones, of values that will be in memory.
#[pyfunction]
#[pyo3(signature = (collections, scheduler=None, num_workers=None))]
fn persist<'py>(
    py: Python<'py>,
    collections: &Bound<'py, PyList>,
    scheduler: Option<&str>,
    num_workers: Option<usize>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (collections, scheduler) = (self::collections(collections)?, self::scheduler(py, scheduler, num_workers)?);
    let executor = Arc::new(InBackground { executor: scheduler, _alive: Arc::clone(&ALIVE) });
    let kept = py.detach(|| selion::persist_with(&collections, executor, &BACKGROUND, Arc::new(Watchers::now())));
    let to_python = |collection| match collection {
        Collection::Array(array) => Ok(Bound::new(py, PyArray(array))?.into_any()),
        Collection::Delayed(delayed) => Ok(Bound::new(py, PyDelayed::new(delayed))?.into_any()),
    };
    kept.map_err(crate::errors::to_python)?.into_iter().map(to_python).collect()
}

/// An executor of the background: `ALIVE` is held as long as it is.
struct InBackground {
    executor: Scheduler,
    _alive: Arc<()>,
}

impl Executor for InBackground {
    fn execute(
        &self,
        graph: Graph,
        cancel: &CancelToken,
        observer: Arc<dyn Observer>,
    ) -> Result<Vec<Value>, ExecError> {
        self.executor.execute(graph, cancel, observer)
    }
}

/// Ends what runs in the background, since the interpreter ends: tasks that have not started never do, and those that run
/// are waited for, as `concurrent.futures` does, unless the user interrupts.
#[pyfunction]
fn end_background(py: Python<'_>) -> PyResult<()> {
    BACKGROUND.cancel();
    while Arc::strong_count(&ALIVE) > 1 {
        py.detach(|| std::thread::sleep(LOOK_AGAIN));
        py.check_signals()?;
    }
    Ok(())
}

/// Runs a graph for its wanted values.
pub(crate) fn run_graph(py: Python<'_>, graph: Graph, num_workers: Option<usize>) -> PyResult<Vec<Value>> {
    let scheduler = scheduler(py, None, num_workers)?;
    without_gil(py, &scheduler, |run| Ok(run.run(graph)?))
}

/// Computes an array of unknown lengths and keeps its blocks.
#[pyfunction]
fn compute_chunk_sizes(py: Python<'_>, array: &PyArray) -> PyResult<PyArray> {
    let scheduler = scheduler(py, None, None)?;
    without_gil(py, &scheduler, |run| selion::compute_chunk_sizes_with(&array.0, run)).map(PyArray)
}

/// Computes arrays into sinks.
pub(crate) fn store(py: Python<'_>, targets: &[(Array, Arc<dyn ChunkSink>)], name: Option<&str>) -> PyResult<()> {
    let scheduler = scheduler(py, name, None)?;
    without_gil(py, &scheduler, |run| selion::store_with(targets, run))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let _ = MAIN_THREAD.set(std::thread::current().id());
    m.add_function(wrap_pyfunction!(compute, m)?)?;
    m.add_function(wrap_pyfunction!(end_background, m)?)?;
    m.add_function(wrap_pyfunction!(compute_chunk_sizes, m)?)?;
    m.add_function(wrap_pyfunction!(persist, m)?)
}
