//! Lazy chunked arrays: expressions, chunk algebra, optimiser, lowering to task graphs.
//!
//! An [`Array`] is an expression over leaves (constants, memory, storage, random numbers). [`optimize`] rewrites
//! expressions, [`lower`] turns them into a [`selion_core::Graph`] that any executor runs. Nothing here runs anything.

mod blockwise;
mod chunks;
mod creation;
mod elementwise;
mod error;
mod explain;
mod expr;
mod indexing;
mod lower;
mod operators;
mod optimize;
mod rechunk;
mod reduce;
mod take;
mod view;

pub use blockwise::{BlockFunction, BlockInfo, blockwise};
pub use chunks::{AxisChunks, ChunkSpec, Chunks, UNKNOWN, common_division, normalize_chunks, slice_division};
pub use creation::AUTO_CHUNK_BYTES;
pub use elementwise::{Operand, broadcast_shapes, ufunc};
pub use error::{ArrayError, Result};
pub use explain::explain;
pub use expr::{Array, BlockOp, NodeId};
pub use indexing::Index;
pub use lower::{LowerOptions, Root, lower};
pub use optimize::optimize;
pub use reduce::{ReduceKind, Reduction};
pub use view::{AxisMap, View};
