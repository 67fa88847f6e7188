//! Tests of arrays as a whole: what expressions compute, compared with naive arrays, whatever the blocks.

mod arrange;
mod evaluate;
mod indexing;
mod join;
mod naive;
mod reshape;
mod views;
