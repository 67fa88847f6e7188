//! Counter-based random numbers.

mod log;
mod normal;
mod param;
mod philox;
mod uniform;

pub use normal::{lognormal, normal, standard_normal};
pub use param::Param;
pub use philox::{Indices, Key, Stream, bits64};
pub use uniform::{integers, random, triangular, uniform};

/// Elements that a loop takes through all of its steps before it goes on: little enough to stay in the first cache.
const BLOCK: usize = 512;
