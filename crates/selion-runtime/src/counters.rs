//! What a run did, in numbers.

/// What a run did.
///
/// ```
/// use std::sync::Arc;
/// use selion_core::{CancelToken, Executor, GraphBuilder, Silent};
/// use selion_runtime::Threads;
///
/// let executor = Threads::default();
/// executor.execute(GraphBuilder::default().finish(vec![]), &CancelToken::default(), Arc::new(Silent))?;
/// let counters = executor.last_run();
/// assert_eq!((counters.tasks_total, counters.spilled_bytes_written), (0, 0));
/// # Ok::<(), selion_core::ExecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Tasks that the wanted values need.
    pub tasks_total: u64,
    /// Tasks that have run.
    pub tasks_done: u64,
    /// Bytes of values that left memory, as they are in memory. A value that leaves a second time is still on disk and
    /// is not written again.
    pub spilled_bytes_written: u64,
    /// Bytes of values that came back.
    pub spilled_bytes_read: u64,
    /// Bytes of the files that were written; less than `spilled_bytes_written` where compression paid.
    pub spilled_bytes_on_disk: u64,
    /// The most that the ledger held while this ran, in bytes; other graphs that ran meanwhile are in it.
    pub peak_bytes: u64,
}
