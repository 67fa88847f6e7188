//! Processes that work together: a scheduler, workers, clients.
//!
//! What they decide is in `selion-scheduler`, as state machines; here are the shells around them, which own sockets,
//! threads and the clock.
//!
//! * [`Server`] is the scheduler's process, or a thread of any process;
//! * [`Worker`] runs tasks: what a task is, its [`Runtime`] knows;
//! * [`Client`] submits tasks and gathers values.

#![forbid(unsafe_code)]

mod client;
mod link;
mod peer;
mod runtime;
mod server;
mod share;
mod show;
pub mod wire;
mod witness;
mod worker;

pub use client::{Client, ClientConfig, ClientError, FutureState, Status};
pub use peer::PeerError;
pub use runtime::{Code, Parts, Running, Runtime};
pub use server::{Server, ServerConfig};
pub use witness::report_death;
pub use worker::{Worker, WorkerConfig, current_task, rejoin, secede, while_waiting};
