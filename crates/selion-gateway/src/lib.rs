//! The gateway: clusters on demand for many users.
//!
//! Two processes on one port. The proxy (`proxy`) owns the port, passes scheduler traffic by its server name, and hands every
//! other connection to the API process (`serve`): REST, dashboards and pages (`http`) for those who are known (`auth`),
//! over clusters (`cluster`) that engines (`engine`) describe and backends (`backend`) run, with the state on disk
//! (`store`). `docs/gateway.md` is for operators.

#![forbid(unsafe_code)]

pub mod audit;
pub mod auth;
pub mod backend;
pub mod certs;
pub mod cluster;
pub mod config;
pub mod engine;
mod http;
pub mod http_client;
pub mod metrics;
pub mod options;
pub mod proxy;
mod run;
pub mod secret;
mod serve;
pub mod settings;
pub mod store;
mod terminal;
pub mod units;

pub use proxy::client::PROXY_ARGUMENT;
pub use run::{check_config, gateway, rotate_keys, run_proxy};
pub use terminal::ask_secret;
