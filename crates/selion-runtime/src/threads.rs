//! The executor of one machine: graphs on a pool of threads under one memory budget.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use selion_core::{CancelToken, ExecError, Executor, Graph, Observer, Value};

use crate::ledger::{Ledger, lock};
use crate::pool::Pool;
use crate::run::{Run, Setting};
use crate::spill::{Store, remove_stale};
use crate::worker::Worker;
use crate::{Config, Counters};

/// How often a polled caller is asked whether to go on: often enough that an interrupt feels immediate.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// How long tasks that run are waited for when a polled caller does not want to go on.
const GRACE: Duration = Duration::from_millis(1500);
/// A graph of so few tasks, of which no two could run at once, is run by its caller even where that is to poll.
const INLINE_TASKS_MAX: usize = 2;

/// Runs graphs on several threads.
///
/// All graphs that run at once share the threads and the memory budget. Values that are needed last go to disk when the
/// budget is reached; peak memory is at most the budget and one task per thread, not counting what callers hold. Values
/// are dropped when their last reader has run. A body that panics is an error like any other, and a graph may be
/// executed from within a body. Observers hear the calling thread as thread 0 and the pool's as 1 and up.
///
/// Values that the caller gets leave the budget; memory that is free but kept for reuse
/// ([`pool_retained_bytes`](selion_core::pool_retained_bytes)) is not in it.
///
/// ```
/// use std::sync::Arc;
/// use selion_core::*;
/// use selion_runtime::Threads;
///
/// struct Double;
/// impl Body for Double {
///     fn name(&self) -> &str { "double" }
///     fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
///         let before = inputs.first().and_then(Value::as_chunk).map_or(index as i64, |chunk| chunk.to_vec::<i64>()[0]);
///         Ok([Chunk::from_values(&[1], &[before * 2]).into()].into_iter().collect())
///     }
/// }
///
/// let mut builder = GraphBuilder::default();
/// let body = builder.body(Arc::new(Double));
/// let first = builder.task(body, 21, &[], 8);
/// let second = builder.task(body, 0, &[first], 8);
/// let values = Threads::default().execute(builder.finish(vec![second]), &CancelToken::default(), Arc::new(Silent))?;
/// assert_eq!(values[0].as_chunk().unwrap().to_vec::<i64>(), [84]);
/// # Ok::<(), ExecError>(())
/// ```
pub struct Threads {
    config: Config,
    spill_parent: PathBuf,
    ledger: Arc<Ledger>,
    pool: Arc<Pool>,
    last_run: Mutex<Counters>,
}

impl Default for Threads {
    /// One thread per core, 60 % of the machine's memory.
    fn default() -> Self {
        Threads::new(Config::default())
    }
}

impl Threads {
    /// An executor with the given limits. Its threads start with the first graph that needs them, and end when it is
    /// dropped; spill folders that killed processes have left are removed now.
    pub fn new(config: Config) -> Self {
        let (config, spill_parent) = config.resolved();
        remove_stale(&spill_parent);
        Threads {
            ledger: Arc::new(Ledger::new(config.budget_bytes())),
            // One more than needed where the caller works too, which is asleep then.
            pool: Arc::new(Pool::new(config.threads)),
            last_run: Mutex::default(),
            spill_parent,
            config,
        }
    }

    /// The number of tasks that run at once.
    pub fn threads(&self) -> usize {
        self.config.threads
    }

    /// The memory budget in bytes.
    pub fn memory_limit(&self) -> u64 {
        self.ledger.budget_bytes()
    }

    /// Bytes that running graphs hold or have reserved now.
    pub fn memory_in_use(&self) -> u64 {
        self.ledger.used_bytes()
    }

    /// What the graph that ended last did.
    pub fn last_run(&self) -> Counters {
        *lock(&self.last_run)
    }

    /// As [`Executor::execute`], for a caller that has to look after something else meanwhile, such as the signals of
    /// an interpreter: `go_on` is called on this thread about every 20 ms, and the graph is cancelled when it returns
    /// `false`; tasks that run for more than a second from then on are not waited for. The calling thread does no work of
    /// the graph, unless that has one or two tasks, one after the other, or no other thread is free. Within a task this is
    /// [`Executor::execute`], and `go_on` is not called.
    ///
    /// # Errors
    /// As [`Executor::execute`]; [`ExecError::Cancelled`] if `go_on` returned `false` before all was done.
    ///
    /// # Panics
    /// If `go_on` does; the graph is cancelled before.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use selion_core::*;
    /// # use selion_runtime::Threads;
    /// struct Sleep;
    /// impl Body for Sleep {
    ///     fn name(&self) -> &str { "sleep" }
    ///     fn run(&self, _: usize, _: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
    ///         std::thread::sleep(std::time::Duration::from_millis(1));
    ///         Ok([Value::Unit].into_iter().collect())
    ///     }
    /// }
    ///
    /// let mut builder = GraphBuilder::default();
    /// let body = builder.body(Arc::new(Sleep));
    /// let wanted = (0..100_000).map(|k| builder.task(body, k, &[], 0)).collect();
    /// let interrupted = || true;
    /// let result = Threads::default().execute_polling(
    ///     builder.finish(wanted),
    ///     &CancelToken::default(),
    ///     Arc::new(Silent),
    ///     &mut || !interrupted(),
    /// );
    /// assert!(matches!(result, Err(ExecError::Cancelled)));
    /// ```
    pub fn execute_polling(
        &self,
        graph: Graph,
        cancel: &CancelToken,
        observer: Arc<dyn Observer>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Value>, ExecError> {
        if self.ledger.is_active() {
            return self.execute(graph, cancel, observer);
        }
        let cancel = cancel.child();
        let run = self.run(graph, &cancel, observer);
        let inline = run.len() <= INLINE_TASKS_MAX && run.plan.roots.len() <= 1;
        if inline || !self.pool.announce(&run, self.config.threads) {
            Worker::new(&run, 0).work_in_order();
            return self.end(run);
        }
        let asked = catch_unwind(AssertUnwindSafe(|| {
            while !run.is_over() {
                run.caller_waits(false, POLL_EVERY, || !run.is_over());
                if !run.is_over() && !go_on() {
                    cancel.cancel();
                } else if self.pool.inside(&run) == 0 {
                    // All threads are busy with other graphs, which may even wait for this one.
                    Worker::new(&run, 0).work_for(POLL_EVERY);
                }
            }
        }));
        if asked.is_err() {
            cancel.cancel();
        }
        let has_ended = self.pool.retire_within(&run, if cancel.is_cancelled() { GRACE } else { Duration::MAX });
        let result = if has_ended { self.end(run) } else { self.leave_behind(run) };
        asked.map_or_else(|panic| resume_unwind(panic), |()| result)
    }

    /// Leaves a cancelled run to the tasks that are still running; a thread of its own waits for them.
    fn leave_behind(&self, run: Arc<Run>) -> Result<Vec<Value>, ExecError> {
        let (pool, left) = (Arc::clone(&self.pool), Arc::clone(&run));
        let wait = move || {
            pool.retire(&left);
            drop(left.end());
        };
        match std::thread::Builder::new().name("selion-late".to_owned()).spawn(wait) {
            Ok(_) => Err(ExecError::Cancelled),
            Err(_) => {
                self.pool.retire(&run);
                self.end(run)
            }
        }
    }

    fn run(&self, graph: Graph, cancel: &CancelToken, observer: Arc<dyn Observer>) -> Arc<Run> {
        observer.started(&graph);
        let setting = Setting {
            ledger: Arc::clone(&self.ledger),
            store: Store::new(self.spill_parent.clone()),
            observer,
            workers: self.config.threads + 1,
            sleepers: Some(self.pool.sleepers()),
        };
        Arc::new(Run::new(graph, cancel, setting))
    }

    fn end(&self, run: Arc<Run>) -> Result<Vec<Value>, ExecError> {
        let result = run.end();
        *lock(&self.last_run) = run.counters();
        result
    }
}

impl Executor for Threads {
    fn execute(
        &self,
        graph: Graph,
        cancel: &CancelToken,
        observer: Arc<dyn Observer>,
    ) -> Result<Vec<Value>, ExecError> {
        let run = self.run(graph, cancel, observer);
        let alone = self.config.threads == 1 || run.len() <= 1;
        if alone || !self.pool.announce(&run, self.config.threads - 1) {
            Worker::new(&run, 0).work_in_order();
        } else {
            Worker::new(&run, 0).work_to_the_end();
            self.pool.retire(&run);
        }
        self.end(run)
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("config", &self.config).finish_non_exhaustive()
    }
}
