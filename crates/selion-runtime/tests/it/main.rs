//! Tests of the executors, by what they promise.

mod tools;
mod values;
