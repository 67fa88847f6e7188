//! Tests from outside: the parser of foreign bytes, the configuration, the state machine, the backends' contract.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod backend_contract;
mod config;
mod hello;
mod machine;
