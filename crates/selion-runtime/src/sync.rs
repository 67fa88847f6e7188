//! The executor for debuggers: everything on the calling thread, in order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use selion_core::{CancelToken, ExecError, Executor, Graph, Observer, Value};

use crate::ledger::{Ledger, lock};
use crate::run::{Run, Setting};
use crate::spill::{Store, remove_stale};
use crate::worker::Worker;
use crate::{Config, Counters};

/// Runs graphs on the calling thread, one task after the other in the graph's order.
///
/// Budget, spilling, errors and cancellation are those of [`Threads`](crate::Threads); `Config::threads` has no meaning.
///
/// ```
/// use selion_runtime::{Config, Synchronous};
/// let executor = Synchronous::new(Config { memory_limit: Some(1 << 30), ..Config::default() });
/// assert_eq!(executor.last_run().tasks_done, 0);
/// ```
pub struct Synchronous {
    spill_parent: PathBuf,
    ledger: Arc<Ledger>,
    last_run: Mutex<Counters>,
}

impl Default for Synchronous {
    fn default() -> Self {
        Synchronous::new(Config::default())
    }
}

impl Synchronous {
    /// An executor with the given limits.
    pub fn new(config: Config) -> Self {
        let (config, spill_parent) = config.resolved();
        remove_stale(&spill_parent);
        let ledger = Arc::new(Ledger::new(config.budget_bytes()));
        Synchronous { spill_parent, ledger, last_run: Mutex::default() }
    }

    /// What the graph that ended last did.
    pub fn last_run(&self) -> Counters {
        *lock(&self.last_run)
    }
}

impl Executor for Synchronous {
    fn execute(
        &self,
        graph: Graph,
        cancel: &CancelToken,
        observer: Arc<dyn Observer>,
    ) -> Result<Vec<Value>, ExecError> {
        observer.started(&graph);
        let setting = Setting {
            ledger: Arc::clone(&self.ledger),
            store: Store::new(self.spill_parent.clone()),
            observer,
            workers: 1,
            sleepers: None,
        };
        let run = Run::new(graph, cancel, setting);
        Worker::new(&run, 0).work_in_order();
        let result = run.end();
        *lock(&self.last_run) = run.counters();
        result
    }
}
