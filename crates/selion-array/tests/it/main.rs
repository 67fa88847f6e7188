//! Tests of arrays as a whole: what expressions compute, compared with naive arrays, whatever the blocks.

#![expect(clippy::unwrap_used, reason = "a test that unwraps a failure should fail")]

mod arrange;
mod blockwise;
mod einsum;
mod evaluate;
mod indexing;
mod join;
mod naive;
mod nonzero;
mod overlap;
mod reshape;
mod scan;
mod views;
