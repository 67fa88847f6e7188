//! Fused elementwise programs, and the machine that runs them.
//!
//! A [`Program`] is what a chain of array operations becomes for one block: loads, constants, index sequences and
//! operations in static single assignment, ending in blocks to store and in partial reductions. The machine walks a
//! block in tiles that fit the first-level cache: each input byte is read from memory once, temporaries never leave
//! the cache, and only results are written.
//!
//! * [`op`]: the operations, and which loop NumPy would choose;
//! * [`ir`]: the program and its builder (constant folding, common subexpressions);
//! * [`reduce`]: what partial reductions accumulate, merge and become;
//! * `loops`: the loops over tiles; `geometry`: how a block is walked; `machine`: registers, tiles, the walk itself.

mod geometry;
pub mod ir;
mod loops;
mod machine;
pub mod op;
pub mod reduce;

pub use ir::{Affine, Instr, Output, Program, ProgramBuilder, Reg};
pub use loops::LoopError;
pub use op::{Op, OpError, Signature};
pub use reduce::{ReduceOp, combine, identity};

use selion_core::{Chunk, DType};

/// Converts a chunk to another dtype, as `astype` does.
///
/// # Errors
/// [`OpError::Unsupported`] between units of time without a fixed factor.
///
/// ```
/// # use selion_core::{Chunk, DType};
/// let halves = Chunk::from_values(&[3], &[0.5, 1.5, -2.5]);
/// let whole = selion_kernels::program::cast(&halves, DType::I32)?;
/// assert_eq!(whole.to_vec::<i32>(), [0, 1, -2]);
/// # Ok::<(), selion_kernels::program::OpError>(())
/// ```
pub fn cast(chunk: &Chunk, to: DType) -> Result<Chunk, OpError> {
    if chunk.dtype() == to {
        return Ok(chunk.clone());
    }
    let mut builder = ProgramBuilder::default();
    let input = builder.input(0, chunk.dtype());
    let output = builder.cast(input, to)?;
    let program = builder.finish(vec![Output::Store(output)]);
    let mut result = program.run(chunk.shape(), std::slice::from_ref(chunk), &[]).unwrap_or_default();
    Ok(result.pop().unwrap_or_else(|| chunk.clone()))
}

/// Applies one operation to chunks of dtypes that it takes; shapes must be equal.
///
/// # Errors
/// [`OpError`] as [`Op::resolve`].
pub fn apply(op: Op, args: &[Chunk]) -> Result<Chunk, OpError> {
    let mut builder = ProgramBuilder::default();
    let inputs: smallvec::SmallVec<[Reg; 3]> =
        args.iter().enumerate().map(|(k, chunk)| builder.input(k, chunk.dtype())).collect();
    let output = builder.apply(op, &inputs)?;
    let program = builder.finish(vec![Output::Store(output)]);
    let mut result = program.run(args[0].shape(), args, &[]).unwrap_or_default();
    result.pop().ok_or(OpError::Unsupported { op: op.name(), dtypes: vec![] })
}
