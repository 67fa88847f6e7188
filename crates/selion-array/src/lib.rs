//! Lazy chunked arrays: expressions, chunk algebra, optimiser, lowering to task graphs.
//!
//! An [`Array`] is an expression over leaves (constants, memory, storage, random numbers). [`optimize`] rewrites
//! expressions, [`lower`] turns them into a [`selion_core::Graph`] that any executor runs. Nothing here runs anything.

#[cfg(test)]
extern crate self as selion_array; // the name under which tests outside know it

mod assign;
mod bins;
mod block_fn;
mod blocks;
mod blockwise;
mod chunks;
mod contract;
mod creation;
mod diagonal;
mod differences;
mod einsum;
mod elementwise;
mod error;
#[cfg(test)]
mod evaluate_for_tests;
mod explain;
mod expr;
mod gufunc;
mod indexing;
mod join;
mod lower;
mod manipulate;
mod merge;
mod nonzero;
mod operators;
mod optimize;
mod overlap;
mod pad;
mod rechunk;
mod reduce;
mod repeat;
mod reshape;
mod scan;
#[cfg(test)]
#[path = "../tests/it/evaluate.rs"]
mod shared_with_tests;
mod sorting;
mod take;
mod view;
mod whole;
mod written;

pub use blockwise::{
    AdjustChunks, BlockFunction, BlockInfo, BlockLens, BlockwiseOptions, Labelled, MapBlocks, blockwise,
    blockwise_parts, blockwise_with, map_blocks, unify_chunks,
};
pub use chunks::{AxisChunks, ChunkSpec, Chunks, UNKNOWN, common_division, normalize_chunks, slice_division};
pub use contract::tensordot;
pub use creation::AUTO_CHUNK_BYTES;
pub use differences::Spacing;
pub use einsum::einsum;
pub use elementwise::{Operand, broadcast_shapes, ufunc};
pub use error::{ArrayError, Result};
pub use explain::explain;
pub use expr::{Array, BlockOp, NodeId, Others, TaskBlocks};
pub use gufunc::{CoreDimensions, GufuncOutput, apply_along_axis, apply_gufunc, parse_signature};
pub use indexing::Index;
pub use join::Nested;
pub use lower::{LowerOptions, Lowering, Root, lower};
pub use merge::MergeBlocks;
pub use optimize::optimize;
pub use overlap::{Boundary, MapOverlap, Overlap, map_overlap};
pub use pad::PadMode;
pub use reduce::{ReduceKind, Reduction};
pub use sorting::{Ranks, UniqueArrays};
pub use view::{AxisMap, View};
pub use whole::{join_blocks, known_lengths};
