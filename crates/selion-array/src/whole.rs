//! Arrays as one block, also where only the blocks themselves know their lengths.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, TaskContext, TaskError, Value, assign, contiguous_strides};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::expr::{Array, BlockOp, Expr, hash_of};

impl Array {
    /// The array as one block. Unlike [`rechunk`](Self::rechunk) it takes lengths that are not known yet.
    ///
    /// ```
    /// use selion_array::{Array, Chunks};
    /// use selion_core::DType;
    /// let x = Array::ones(&[4], DType::F64, Some(Chunks::regular(&[4], &[3])))?;
    /// assert_eq!(x.whole().chunks().count(), 1);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    #[must_use]
    pub fn whole(&self) -> Array {
        if self.chunks().count() == 1 {
            return self.clone();
        }
        let chunks = Chunks::new(self.shape().iter().map(|len| AxisChunks::new(vec![*len])));
        if self.chunks().is_known() {
            return Array::make(Expr::Rechunk(self.clone()), self.dtype(), chunks);
        }
        let op = Arc::new(JoinBlocks { grid: self.chunks().clone(), dtype: self.dtype() });
        Array::make(Expr::Blocked { op, inputs: vec![self.clone()] }, self.dtype(), chunks)
    }
}

struct JoinBlocks {
    grid: Chunks,
    dtype: selion_core::DType,
}

impl BlockOp for JoinBlocks {
    fn name(&self) -> &str {
        "join"
    }

    fn identity(&self) -> u64 {
        hash_of(&self.grid)
    }

    fn needs(&self, _: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.extend((0..self.grid.count()).map(|block| (0, block)));
    }

    fn run(&self, _: &[usize], inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        let blocks: Vec<Chunk> = inputs.iter().filter_map(Value::as_chunk).cloned().collect();
        if blocks.len() != self.grid.count() {
            return Err("a block is not an array".into());
        }
        Ok(Value::Chunk(join_blocks(&self.grid, self.dtype, &blocks)))
    }
}

/// The lengths that computed blocks have, in C order: those of the first block in each place of an axis.
///
/// # Panics
/// If there are fewer blocks than `grid` has.
pub fn known_lengths(grid: &Chunks, blocks: &[Chunk]) -> Chunks {
    let mut lens: Vec<Vec<usize>> = grid.axes().iter().map(|axis| vec![UNKNOWN; axis.count()]).collect();
    for (block, chunk) in blocks.iter().enumerate() {
        for (axis, at) in grid.coordinates(block).iter().enumerate() {
            lens[axis][*at] = chunk.shape()[axis];
        }
    }
    Chunks::from_lens(&lens)
}

/// One chunk of computed blocks in C order; `grid` says how many there are along each axis, they themselves their lengths.
///
/// # Panics
/// As [`known_lengths`].
pub fn join_blocks(grid: &Chunks, dtype: selion_core::DType, blocks: &[Chunk]) -> Chunk {
    if let [block] = blocks {
        return block.clone();
    }
    let known = known_lengths(grid, blocks);
    let shape = known.shape();
    let strides = contiguous_strides(&shape);
    let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * dtype.size());
    for (block, chunk) in blocks.iter().enumerate() {
        let start = known.block_start(&known.coordinates(block));
        let offset = start.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
        assign(&mut buffer, offset, &strides, chunk);
    }
    Chunk::new(dtype, &shape, buffer)
}
