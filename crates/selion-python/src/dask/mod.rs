//! Dask's graphs on selion's threads.
//!
//! * `classes`: the classes of which Dask's tasks are made;
//! * `call`: a task as a call, taken apart once and put together when it runs;
//! * `read`: what some keys need, found in one walk over the task objects;
//! * `run`: the graph of it, and running that.

mod call;
mod classes;
mod read;
mod run;

pub(crate) use run::register;
