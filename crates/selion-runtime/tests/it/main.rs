//! Tests of the executors, by what they promise.

mod failures;
mod memory;
mod scheduling;
mod spilling;
mod tools;
mod values;
