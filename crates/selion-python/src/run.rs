//! Computing from Python: the GIL is released while tasks run, and signals are looked after.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::ThreadId;

use pyo3::prelude::*;
use pyo3::types::PyList;
use selion::array::Array;
use selion::core::{CancelToken, ChunkSink, ExecError, Executor, Graph, Observer, TaskId, Value};
use selion::runtime::{Config, Synchronous, Threads};

use crate::array::PyArray;
use crate::chunk::to_numpy;
use crate::errors::to_python;

/// The thread that imported the module: the only one on which Python delivers signals.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Counts the tasks of all graphs that start while it is registered.
#[pyclass(frozen, module = "selion._selion")]
#[derive(Default)]
pub(crate) struct Progress {
    tasks: AtomicUsize,
    done: AtomicUsize,
    running: AtomicUsize,
    failed: AtomicUsize,
}

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Progress::default()
    }

    /// Tasks of the graphs so far, tasks that have run, graphs running now, graphs that failed.
    fn counts(&self) -> (usize, usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.tasks), read(&self.done), read(&self.running), read(&self.failed))
    }
}

static OBSERVERS: RwLock<Vec<Arc<Py<Progress>>>> = RwLock::new(Vec::new());

struct Watchers(Vec<Arc<Py<Progress>>>);

impl Watchers {
    fn now() -> Arc<Self> {
        Arc::new(Watchers(OBSERVERS.read().map(|observers| observers.clone()).unwrap_or_default()))
    }

    fn each(&self, tell: impl Fn(&Progress)) {
        self.0.iter().for_each(|watcher| tell(watcher.get()));
    }
}

impl Observer for Watchers {
    fn started(&self, graph: &Graph) {
        self.each(|progress| {
            progress.tasks.fetch_add(graph.len(), Ordering::Relaxed);
            progress.running.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn task_finished(&self, _: &Graph, _: TaskId, _: usize) {
        self.each(|progress| {
            progress.done.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn finished(&self, _: &Graph, failed: bool) {
        self.each(|progress| {
            progress.running.fetch_sub(1, Ordering::Relaxed);
            progress.failed.fetch_add(usize::from(failed), Ordering::Relaxed);
        });
    }
}

#[pyfunction]
fn add_progress(progress: Py<Progress>) {
    if let Ok(mut observers) = OBSERVERS.write() {
        observers.push(Arc::new(progress));
    }
}

#[pyfunction]
fn remove_progress(progress: &Bound<'_, Progress>) {
    if let Ok(mut observers) = OBSERVERS.write() {
        observers.retain(|observer| !observer.bind(progress.py()).is(progress));
    }
}

/// Who runs the tasks of one call.
enum Scheduler {
    Threads(Arc<Threads>),
    Synchronous(Synchronous),
}

fn scheduler(name: Option<&str>, num_workers: Option<usize>) -> PyResult<Scheduler> {
    let settings = selion::settings().map_err(to_python)?;
    let chosen = settings.text("scheduler");
    let memory_limit = settings.integer("memory_limit");
    match name.or(chosen.as_deref()).unwrap_or("threads") {
        "threads" | "threading" | "multithreading" => Ok(Scheduler::Threads(match num_workers {
            None => selion::executor().map_err(to_python)?,
            Some(threads) => Arc::new(Threads::new(Config { threads, memory_limit, ..Config::default() })),
        })),
        "synchronous" | "sync" | "single-threaded" => {
            Ok(Scheduler::Synchronous(Synchronous::new(Config { threads: 1, memory_limit, ..Config::default() })))
        }
        other => Err(pyo3::exceptions::PyValueError::new_err(format!(
            "Expected one of [distributed, multiprocessing, processes, single-threaded, sync, synchronous, threading, threads]; got '{other}'"
        ))),
    }
}

impl Scheduler {
    /// Runs a graph without the GIL. On the main thread Python's signals are looked at meanwhile, and what their handlers
    /// raise (`KeyboardInterrupt`) ends the run.
    fn run(&self, graph: Graph, interrupted: &Mutex<Option<PyErr>>) -> Result<Vec<Value>, ExecError> {
        let cancel = CancelToken::default();
        let observer = Watchers::now();
        match self {
            Scheduler::Synchronous(executor) => executor.execute(graph, &cancel, observer),
            Scheduler::Threads(executor) if MAIN_THREAD.get() != Some(&std::thread::current().id()) => {
                executor.execute(graph, &cancel, observer)
            }
            Scheduler::Threads(executor) => {
                executor.execute_polling(
                    graph,
                    &cancel,
                    observer,
                    &mut || match Python::attach(|py| py.check_signals()) {
                        Ok(()) => true,
                        Err(error) => {
                            if let Ok(mut interrupted) = interrupted.lock() {
                                *interrupted = Some(error);
                            }
                            false
                        }
                    },
                )
            }
        }
    }
}

/// Releases the GIL, does the work, and maps its error; what interrupted it comes first.
fn without_gil<T: Send>(
    py: Python<'_>,
    scheduler: &Scheduler,
    work: impl FnOnce(selion::Run<'_>) -> Result<T, selion::Error> + Send,
) -> PyResult<T> {
    let interrupted = Mutex::new(None);
    let result = py.detach(|| work(&mut |graph| scheduler.run(graph, &interrupted)));
    match (result, interrupted.into_inner()) {
        (Err(_), Ok(Some(interrupt))) => Err(interrupt),
        (result, _) => result.map_err(to_python),
    }
}

pub(crate) fn arrays(list: &Bound<'_, PyList>) -> PyResult<Vec<Array>> {
    list.iter().map(|array| Ok(array.cast::<PyArray>()?.get().0.clone())).collect()
}

/// Computes arrays; returns NumPy arrays.
#[pyfunction]
#[pyo3(name = "compute", signature = (arrays, scheduler=None, num_workers=None))]
fn compute_arrays<'py>(
    py: Python<'py>,
    arrays: &Bound<'py, PyList>,
    scheduler: Option<&str>,
    num_workers: Option<usize>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (arrays, scheduler) = (self::arrays(arrays)?, self::scheduler(scheduler, num_workers)?);
    let chunks = without_gil(py, &scheduler, |run| selion::compute_with(&arrays, run))?;
    chunks.into_iter().map(|chunk| to_numpy(py, chunk)).collect()
}

/// Computes arrays and keeps their blocks.
#[pyfunction]
#[pyo3(signature = (arrays, scheduler=None, num_workers=None))]
fn persist(
    py: Python<'_>,
    arrays: &Bound<'_, PyList>,
    scheduler: Option<&str>,
    num_workers: Option<usize>,
) -> PyResult<Vec<PyArray>> {
    let (arrays, scheduler) = (self::arrays(arrays)?, self::scheduler(scheduler, num_workers)?);
    let kept = without_gil(py, &scheduler, |run| selion::persist_with(&arrays, run))?;
    Ok(kept.into_iter().map(PyArray).collect())
}

/// Computes an array of unknown lengths and keeps its blocks.
#[pyfunction]
fn compute_chunk_sizes(py: Python<'_>, array: &PyArray) -> PyResult<PyArray> {
    let scheduler = scheduler(None, None)?;
    without_gil(py, &scheduler, |run| selion::compute_chunk_sizes_with(&array.0, run)).map(PyArray)
}

/// Computes arrays into sinks.
pub(crate) fn store(py: Python<'_>, targets: &[(Array, Arc<dyn ChunkSink>)], name: Option<&str>) -> PyResult<()> {
    let scheduler = scheduler(name, None)?;
    without_gil(py, &scheduler, |run| selion::store_with(targets, run))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let _ = MAIN_THREAD.set(std::thread::current().id());
    m.add_class::<Progress>()?;
    m.add_function(wrap_pyfunction!(add_progress, m)?)?;
    m.add_function(wrap_pyfunction!(remove_progress, m)?)?;
    m.add_function(wrap_pyfunction!(compute_arrays, m)?)?;
    m.add_function(wrap_pyfunction!(compute_chunk_sizes, m)?)?;
    m.add_function(wrap_pyfunction!(persist, m)?)
}
