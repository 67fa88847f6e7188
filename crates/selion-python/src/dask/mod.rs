//! Dask's graphs on selion's threads.
//!
//! * `blocks`: the tasks of selion's own arrays, one by one, for Dask's schedulers;
//! * `classes`: the classes of which Dask's tasks are made;
//! * `call`: a task as a call, taken apart once and put together when it runs;
//! * `functions`: functions of Dask and NumPy that selion has too, known by the objects that they are;
//! * `lift`: tasks as terms of those;
//! * `read`: what some keys need, found in one walk over the task objects;
//! * `run`: the graph of it, and running that.

mod blocks;
mod call;
mod classes;
mod functions;
mod lift;
mod read;
mod run;

use pyo3::prelude::*;

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    blocks::register(m)?;
    run::register(m)
}
