//! The process that owns the public port.
//!
//! It knows the way to every scheduler and copies bytes, nothing else: no TLS, no HTTP, no user. A connection for a
//! scheduler is recognised by its server name, `daskgateway-` and the cluster's name; every other is handed to the API
//! process as it is (`passing`). So the API may die and come back without a scheduler's connection noticing: the proxy is
//! its child, but lives on, and the next API process finds it by its socket (`client`).

pub mod client;
pub mod control;
pub mod hello;
mod pass;
pub mod passing;
mod routes;
mod serve;

pub use serve::{ProxyError, run};
