//! Pure functions on chunks.
//!
//! [`math`] and [`random`] work on slices of numbers and know nothing of chunks.

pub mod math;
pub mod random;
