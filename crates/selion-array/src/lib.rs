//! Lazy chunked arrays: expressions, chunk algebra, optimiser, lowering to task graphs.
//!
//! An [`Array`] is an expression over leaves (constants, memory, storage, random numbers). [`optimize`] rewrites
//! expressions, [`lower`] turns them into a [`selion_core::Graph`] that any executor runs. Nothing here runs anything.

mod bins;
mod block_fn;
mod chunks;
mod contract;
mod creation;
mod elementwise;
mod error;
#[cfg(test)]
mod evaluate_for_tests;
mod expr;
mod lower;
mod operators;
mod optimize;
mod rechunk;
mod reduce;
mod scan;
mod sorting;
mod view;

pub use chunks::{AxisChunks, ChunkSpec, Chunks, UNKNOWN, common_division, normalize_chunks, slice_division};
pub use contract::tensordot;
pub use creation::AUTO_CHUNK_BYTES;
pub use elementwise::{Operand, broadcast_shapes, ufunc};
pub use error::{ArrayError, Result};
pub use expr::{Array, BlockOp, NodeId};
pub use lower::{LowerOptions, Root, lower};
pub use optimize::optimize;
pub use reduce::{ReduceKind, Reduction};
pub use sorting::{Ranks, UniqueArrays};
pub use view::{AxisMap, View};
