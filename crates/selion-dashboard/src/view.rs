//! What is shown.

use serde::Serialize;

/// Where what is shown comes from.
pub trait Source {
    /// The cluster as a whole.
    fn overview(&self) -> Overview;
    /// Its workers.
    fn workers(&self) -> Vec<WorkerView>;
    /// Tasks that have run: those from number `after` on, as far as they are remembered.
    fn tasks(&self, after: u64) -> Tasks;
}

/// A cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// Of selion.
    pub version: String,
    /// Of the scheduler.
    pub address: String,
    /// Seconds since it started.
    pub up: f64,
    /// Clients that are connected.
    pub clients: usize,
    /// Tasks that are remembered.
    pub tasks: usize,
    /// Tasks that have run, since the start.
    pub done: u64,
    /// Tasks that wait for others.
    pub waiting: usize,
    /// Tasks that wait for a worker.
    pub queued: usize,
    /// Tasks on workers.
    pub processing: usize,
    /// Values in memory.
    pub in_memory: usize,
    /// Tasks that failed and are remembered.
    pub failed: usize,
    /// Expected seconds of work.
    pub expected_seconds: f64,
    /// Workers.
    pub workers: usize,
    /// Their threads.
    pub threads: u64,
    /// The same by kinds of tasks, those that are remembered.
    pub groups: Vec<GroupView>,
}

/// Tasks that are called the same.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GroupView {
    /// What they are called.
    pub name: String,
    /// Those that have run, since the start.
    pub done: u64,
    /// Seconds that those ran.
    pub seconds: f64,
    /// Remembered ones by state.
    pub waiting: usize,
    /// See above.
    pub queued: usize,
    /// See above.
    pub processing: usize,
    /// See above.
    pub in_memory: usize,
    /// See above.
    pub failed: usize,
}

/// A worker.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WorkerView {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// How many tasks run at once.
    pub nthreads: u32,
    /// Cores that its process uses.
    pub cpu: f64,
    /// Bytes of its process.
    pub memory: u64,
    /// Bytes that it may use; 0 for no limit.
    pub memory_limit: u64,
    /// Bytes of values that it holds.
    pub held: u64,
    /// Bytes of values that it has on disk.
    pub spilled: u64,
    /// Tasks that it has.
    pub processing: usize,
    /// Values that it holds.
    pub holds: usize,
    /// `running`, `paused`, `retiring`.
    pub status: &'static str,
    /// Seconds since it was heard of.
    pub silent: f64,
}

/// What has run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tasks {
    /// The number after the last.
    pub next: u64,
    /// Seconds on the scheduler's clock.
    pub now: f64,
    /// What they are called.
    pub groups: Vec<String>,
    /// The tasks.
    pub tasks: Vec<Ran>,
}

/// A task that has run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ran {
    /// The number of the worker.
    pub worker: u32,
    /// The index into [`Tasks::groups`].
    pub group: usize,
    /// When it started, in seconds on the scheduler's clock.
    pub start: f64,
    /// How long it ran.
    pub seconds: f64,
    /// Whether it failed.
    pub failed: bool,
}
