//! Pure functions on chunks.
//!
//! [`simd`] chooses the instruction set; [`math`] and [`random`] work on slices of numbers and know nothing of chunks.

pub mod blocks;
pub mod error;
pub mod math;
pub mod program;
pub mod random;
pub mod simd;
