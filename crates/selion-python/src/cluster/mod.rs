//! Schedulers, workers and clients of a cluster, as Python sees them.
//!
//! * `call`: a call on its way: the function, its arguments, the futures among them;
//! * `client`: the class `ClusterClient` and its futures;
//! * `process`: schedulers and workers of this process;
//! * `runtime`: how workers call Python functions, and how values travel.

mod call;
mod client;
mod process;
mod runtime;

use pyo3::prelude::*;

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    call::register(m)?;
    client::register(m)?;
    process::register(m)
}
