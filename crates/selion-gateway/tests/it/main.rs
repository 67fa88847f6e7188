//! Tests from outside: the parser of foreign bytes, the configuration, the state machine, the backends' contract.

mod backend_contract;
mod config;
mod hello;
mod machine;
