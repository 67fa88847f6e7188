//! How work is run: the body of a task, and the executor of a graph.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use crate::{Graph, TaskId, Value};

/// The outputs of one task, in order.
pub type Outputs = SmallVec<[Value; 1]>;

/// Why a task failed: an error of a kernel, of storage, or of the user's function, kept whole so that whoever shows it
/// can tell which.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Work that one or many tasks do.
pub trait Body: Send + Sync {
    /// The name that people see in errors, pictures and progress, such as `sum-partial-8f3a…`.
    fn name(&self) -> &str;

    /// Does block number `index` of the work.
    ///
    /// # Errors
    /// Whatever went wrong; the executor adds the task's name.
    fn run(&self, index: usize, inputs: &[Value], context: &TaskContext<'_>) -> Result<Outputs, TaskError>;

    /// As [`Body::run`], for inputs that nobody looks at afterwards: what only they hold may be moved out of them. Their
    /// sizes must stay what they were.
    ///
    /// # Errors
    /// As [`Body::run`].
    fn run_owned(&self, index: usize, inputs: &mut [Value], context: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        self.run(index, inputs, context)
    }

    /// Memory that block `index` needs while it runs, over its inputs and outputs.
    fn scratch_bytes(&self, _index: usize) -> u64 {
        0
    }

    /// Bytes that block `index` reads from storage.
    fn bytes_read(&self, _index: usize) -> u64 {
        0
    }

    /// What the work is, in lines for people who want to know more than its name.
    fn describe(&self) -> Option<String> {
        None
    }

    /// The name of one task, where its body has a better one than its own name and the block's number.
    fn task_name(&self, index: usize) -> String {
        format!("('{}', {index})", self.name())
    }

    /// What a task does, in a word: tasks with the same word look the same in pictures and timelines.
    fn label(&self, _index: usize) -> &str {
        let name = self.name();
        name.rsplit_once('-').map_or(name, |(label, _)| label)
    }

    /// Which block of its array block `index` is, such as `(0, 1)`; empty if that says nothing.
    fn place(&self, _index: usize) -> String {
        String::new()
    }

    /// In which surroundings block `index` is best run.
    fn enclosure(&self, _index: usize) -> Option<&'static dyn Enclosure> {
        None
    }

    /// Whether block `index` is done within microseconds, so that it may be done in whatever surroundings a worker is in.
    fn is_quick(&self, _index: usize) -> bool {
        false
    }
}

/// Surroundings that are dear to enter and serve many tasks, such as holding an interpreter's lock.
///
/// A thread that has entered runs tasks which name the same enclosure, and quick ones between them, one after the other,
/// and leaves when there are no more of them or it has to wait for anything. Tasks may leave and enter again by themselves meanwhile.
pub trait Enclosure: Send + Sync {
    /// Enters, does the work, and leaves.
    fn within(&self, work: &mut dyn FnMut());
}

/// What a running task may ask of its executor.
pub struct TaskContext<'a> {
    /// Set when the result is no longer wanted.
    pub cancel: &'a CancelToken,
    /// What the graph is [hosted](Graph::hosted) by.
    pub host: Option<&'a Host>,
}

/// Somewhere that bodies which know it run their work, such as the processes of another language.
pub type Host = dyn Any + Send + Sync;

/// Says to everyone who holds a clone, or a child, that the work is no longer wanted.
///
/// ```
/// use selion_core::CancelToken;
/// let all = CancelToken::default();
/// let (one, other) = (all.child(), all.child());
/// one.cancel();
/// assert!(one.is_cancelled() && !other.is_cancelled());
/// all.cancel();
/// assert!(other.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    set: AtomicBool,
    parent: Option<CancelToken>,
}

impl CancelToken {
    /// Asks for the work to stop; running tasks finish their block or look here between pieces of it.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::Release);
    }

    /// Whether the work is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::Acquire) || self.0.parent.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// A token for a part of the work: it is cancelled with this one, but can be cancelled without it.
    pub fn child(&self) -> CancelToken {
        CancelToken(Arc::new(Flag { set: AtomicBool::new(false), parent: Some(self.clone()) }))
    }
}

/// Hears of progress. Called from worker threads; must be quick.
pub trait Observer: Send + Sync {
    /// A graph was accepted.
    fn started(&self, _graph: &Graph) {}
    /// A task is about to run on worker thread `thread`.
    fn task_started(&self, _graph: &Graph, _task: TaskId, _thread: usize) {}
    /// A task has run.
    fn task_finished(&self, _graph: &Graph, _task: TaskId, _thread: usize) {}
    /// The graph is done; `failed` if not all of it.
    fn finished(&self, _graph: &Graph, _failed: bool) {}
}

/// An observer that does nothing.
pub struct Silent;
impl Observer for Silent {}

/// Runs graphs.
pub trait Executor: Send + Sync {
    /// Runs what is needed for the graph's wanted values, and returns those in order.
    ///
    /// The observer is shared, not borrowed, since threads that outlive the call speak to it.
    ///
    /// # Errors
    /// [`ExecError`]; nothing of the graph is left running.
    fn execute(&self, graph: Graph, cancel: &CancelToken, observer: Arc<dyn Observer>)
    -> Result<Vec<Value>, ExecError>;
}

/// Why a graph did not give its values.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A task failed; its name is that of the first that did.
    #[error("task {task} failed: {cause}")]
    Task {
        /// The task's name.
        task: String,
        /// The task's own error.
        #[source]
        cause: TaskError,
    },
    /// The caller cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// A value could not be written to, or read back from, the spill folder.
    #[error("cannot spill to {path}: {cause}")]
    Spill {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A computation that this one needs failed before.
    #[error("{0}")]
    Before(Arc<ExecError>),
    /// The executor itself is not usable, for the reason given.
    #[error("{0}")]
    Unavailable(String),
}
