//! Tests of the executors, by what they promise.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint knows only by their attribute")]

mod failures;
mod memory;
mod scheduling;
mod spilling;
mod tools;
mod values;
