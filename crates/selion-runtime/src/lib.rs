//! Runs a task graph on this machine: threads, memory ledger, spilling, cancellation.
//!
//! * [`Threads`] runs graphs on a pool of threads, [`Synchronous`] on the calling thread; both keep to a [`Config`];
//! * [`Counters`] say what a run did.
//!
//! Inside: a `Plan` is what the order of a graph implies; `Slots` hold values that still have readers; the `Ledger`
//! says what may start; a `Run` is one graph on its way, and its workers decide what comes next; `Store` is the folder
//! of values that had to leave memory. Nothing here knows arrays, Python, or sockets.

#![forbid(unsafe_code)]

mod config;
mod counters;
mod ledger;
mod plan;
mod pool;
mod run;
mod slots;
mod spill;
mod sync;
mod threads;
mod worker;

pub use config::{Config, machine_memory_bytes};
pub use counters::Counters;
pub use sync::Synchronous;
pub use threads::Threads;
