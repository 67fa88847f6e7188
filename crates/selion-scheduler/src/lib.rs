//! The scheduler of a cluster, and the bookkeeping of its workers and clients, as state machines: events in, actions
//! out. No I/O, no threads, no clock: whoever runs them tells them the time.
//!
//! * [`Scheduler`] decides what runs where; it sees functions, arguments and values as bytes only;
//! * [`Desk`] is the bookkeeping of one worker: what it holds, what it may start next, what it has to fetch;
//! * [`Wishes`] is that of one client: what it has submitted and still wants, to be told again to a new scheduler;
//! * [`adaptive`] says how many workers there should be;
//! * [`times`] keeps account of what the threads of a worker do;
//! * [`message`] is what they say to each other.

#![forbid(unsafe_code)]

pub mod adaptive;
mod desk;
mod fleet;
mod flow;
mod ids;
mod loss;
pub mod message;
mod place;
mod recent;
mod records;
mod scheduler;
pub mod times;
mod watchdog;
mod wishes;

pub use desk::{Desk, Fetch, Input, Start};
pub use ids::{BlobId, ClientId, Key, Micros, Priority, WorkerId};
pub use recent::Ran;
pub use scheduler::{Action, Config, GroupSummary, Scheduler, Summary, WorkerSummary};
pub use wishes::Wishes;
