//! Who watches computations: counts of tasks, for bars, and when each task ran, for timelines.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use selion::core::{Graph, Observer, TaskId};

/// Those who watch all graphs that start now.
static OBSERVERS: RwLock<Vec<Arc<dyn Observer>>> = RwLock::new(Vec::new());

fn add(observer: Arc<dyn Observer>) {
    OBSERVERS.write().unwrap_or_else(PoisonError::into_inner).push(observer);
}

fn remove(observer: &Arc<dyn Observer>) {
    OBSERVERS.write().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, observer));
}

/// All who watch a graph.
pub(crate) struct Watchers(Vec<Arc<dyn Observer>>);

impl Watchers {
    pub(crate) fn now() -> Self {
        Watchers(OBSERVERS.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub(crate) fn and(mut self, other: Arc<dyn Observer>) -> Self {
        self.0.push(other);
        self
    }
}

impl Observer for Watchers {
    fn started(&self, graph: &Graph) {
        self.0.iter().for_each(|watcher| watcher.started(graph));
    }

    fn task_started(&self, graph: &Graph, task: TaskId, thread: usize) {
        self.0.iter().for_each(|watcher| watcher.task_started(graph, task, thread));
    }

    fn task_finished(&self, graph: &Graph, task: TaskId, thread: usize) {
        self.0.iter().for_each(|watcher| watcher.task_finished(graph, task, thread));
    }

    fn finished(&self, graph: &Graph, failed: bool) {
        self.0.iter().for_each(|watcher| watcher.finished(graph, failed));
    }
}

/// Counts the tasks of all graphs that start while it is registered.
#[pyclass(frozen, module = "selion._selion")]
#[derive(Default)]
struct Progress(Arc<Counts>);

#[derive(Default)]
struct Counts {
    tasks: AtomicUsize,
    done: AtomicUsize,
    running: AtomicUsize,
    failed: AtomicUsize,
}

impl Observer for Counts {
    fn started(&self, graph: &Graph) {
        self.tasks.fetch_add(graph.len(), Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    fn task_finished(&self, _: &Graph, _: TaskId, _: usize) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn finished(&self, _: &Graph, failed: bool) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.failed.fetch_add(usize::from(failed), Ordering::Relaxed);
    }
}

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Progress::default()
    }

    fn register(&self) {
        add(self.0.clone());
    }

    fn unregister(&self) {
        remove(&(self.0.clone() as Arc<dyn Observer>));
    }

    /// Tasks of the graphs so far, tasks that have run, graphs running now, graphs that failed.
    fn counts(&self) -> (usize, usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.0.tasks), read(&self.0.done), read(&self.0.running), read(&self.0.failed))
    }
}

/// Notes when and on which thread each task ran, of all graphs that start while it is registered.
#[pyclass(frozen, module = "selion._selion")]
struct Timeline(Arc<Notes>);

/// Threads note in their own part, and tasks get their names when their graph has ended: that costs a running task two
/// looks at the clock and a lock that nobody else takes.
struct Notes {
    /// The same moment by two clocks.
    zero: (Instant, SystemTime),
    parts: [Mutex<Part>; 32],
    named: Mutex<Vec<Named>>,
}

/// What the threads of one part have noted.
#[derive(Default)]
struct Part {
    started: Vec<Note>,
    ran: Vec<Note>,
}

/// A task of a running graph, which is known by where it is.
#[derive(Clone, Copy)]
struct Note {
    graph: usize,
    task: TaskId,
    thread: usize,
    start: Instant,
    end: Instant,
}

struct Named {
    key: String,
    label: Arc<str>,
    note: Note,
}

/// A number for the calling thread that no other thread has.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed)));
    OWN.get()
}

fn address(graph: &Graph) -> usize {
    std::ptr::from_ref(graph).addr()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notes {
    fn part(&self, thread: usize) -> MutexGuard<'_, Part> {
        lock(&self.parts[thread % self.parts.len()])
    }
}

impl Observer for Notes {
    fn task_started(&self, graph: &Graph, task: TaskId, _: usize) {
        let (thread, now) = (thread_number(), Instant::now());
        self.part(thread).started.push(Note { graph: address(graph), task, thread, start: now, end: now });
    }

    fn task_finished(&self, graph: &Graph, task: TaskId, _: usize) {
        let (thread, end) = (thread_number(), Instant::now());
        let mut part = self.part(thread);
        let own = |note: &Note| note.graph == address(graph) && note.task == task && note.thread == thread;
        // A task that runs a graph itself is under that graph's; one that failed before has left its start there.
        if let Some(at) = part.started.iter().rposition(own) {
            let note = part.started.swap_remove(at);
            part.ran.push(Note { end, ..note });
        }
    }

    fn finished(&self, graph: &Graph, _: bool) {
        let own = |note: &mut Note| note.graph == address(graph);
        let mut notes = Vec::new();
        for part in &self.parts {
            let mut part = lock(part);
            part.started.retain(|note| note.graph != address(graph));
            notes.extend(part.ran.extract_if(.., own));
        }
        let mut labels: HashMap<String, Arc<str>> = HashMap::new();
        let named = notes.into_iter().map(|note| {
            let (body, index) = graph.body(note.task);
            let label = body.label(index);
            let label = match labels.get(label) {
                Some(known) => Arc::clone(known),
                None => Arc::clone(labels.entry(label.to_owned()).or_insert_with(|| label.into())),
            };
            Named { key: graph.name(note.task), label, note }
        });
        lock(&self.named).extend(named);
    }
}

#[pymethods]
impl Timeline {
    #[new]
    fn new() -> Self {
        let zero = (Instant::now(), SystemTime::now());
        Timeline(Arc::new(Notes { zero, parts: Default::default(), named: Mutex::default() }))
    }

    fn register(&self) {
        add(self.0.clone());
    }

    fn unregister(&self) {
        remove(&(self.0.clone() as Arc<dyn Observer>));
    }

    /// Key, label, start and end in seconds of the system's clock, and thread of all tasks of graphs that have ended.
    fn records(&self) -> Vec<(String, String, f64, f64, usize)> {
        let (zero, system) = self.0.zero;
        let system = system.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let seconds = |at: Instant| system + at.saturating_duration_since(zero).as_secs_f64();
        let named = lock(&self.0.named);
        let record = |Named { key, label, note }: &Named| {
            (key.clone(), label.to_string(), seconds(note.start), seconds(note.end), note.thread)
        };
        named.iter().map(record).collect()
    }

    fn clear(&self) {
        lock(&self.0.named).clear();
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Progress>()?;
    m.add_class::<Timeline>()
}
