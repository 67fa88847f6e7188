//! What a scheduler shows of itself over HTTP: a status page, metrics for Prometheus, JSON.
//!
//! | path | what |
//! | --- | --- |
//! | `/status` | a page with live progress, workers, and what ran when |
//! | `/health` | `ok`, to anybody |
//! | `/metrics` | numbers in the text format of Prometheus |
//! | `/api/v1/info`, `/api/v1/workers`, `/api/v1/tasks?after=N` | the same as JSON |
//!
//! What is shown comes from a [`Source`]; nothing can be changed. Who connects from this machine may look, to a name of
//! this machine; others need a [`key`] that is made of the cluster's token, and does not give it away.

#![forbid(unsafe_code)]

mod http;
mod metrics;
mod view;

pub use http::{Access, key, serve};
pub use metrics::metrics;
pub use view::{GroupView, Overview, Ran, Source, Tasks, WorkerView};
