//! Other blocks for the same elements.

use selion_core::{Buffer, Chunk, TaskError, Value, assign, contiguous_strides};

use crate::chunks::{ChunkSpec, Chunks, UNKNOWN, normalize_chunks};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};

impl Array {
    /// The same elements in blocks as asked for. `limit_bytes` bounds automatic block sizes.
    ///
    /// # Errors
    /// [`ArrayError::Chunks`] for blocks that do not fit the shape, [`ArrayError::Unknown`] if the array's are unknown.
    pub fn rechunk(&self, specs: &[ChunkSpec], limit_bytes: usize) -> Result<Array> {
        let chunks = normalize_chunks(specs, &self.shape(), self.dtype(), limit_bytes, Some(self.chunks()))?;
        self.rechunk_to(chunks)
    }

    /// The same elements in the given blocks.
    ///
    /// # Errors
    /// As [`Array::rechunk`].
    pub fn rechunk_to(&self, chunks: Chunks) -> Result<Array> {
        if chunks == *self.chunks() {
            return Ok(self.clone());
        }
        for (new, old) in chunks.axes().iter().zip(self.chunks().axes()) {
            if new != old && !(new.is_known() && old.is_known()) {
                self.chunks().known("rechunk")?;
            }
        }
        if chunks.shape() != self.shape() {
            return Err(ArrayError::Chunks(format!(
                "Provided chunks are not consistent with shape: {} and {}",
                chunks.shape_text(),
                self.chunks().shape_text()
            )));
        }
        let input = match self.expr() {
            Expr::Rechunk(deeper) if deeper.chunks().is_known() => deeper.clone(),
            _ => self.clone(),
        };
        if *input.chunks() == chunks {
            return Ok(input);
        }
        Ok(Array::make(Expr::Rechunk(input), self.dtype(), chunks))
    }
}

/// Makes each block from the pieces of the old blocks that it overlaps.
pub(crate) struct RechunkOp {
    pub(crate) from: Chunks,
    pub(crate) to: Chunks,
}

impl RechunkOp {
    /// The old blocks that the new block at `coordinates` overlaps: first and last along each axis.
    fn overlapped(&self, coordinates: &[usize]) -> Vec<(usize, usize)> {
        let axes = self.from.axes().iter().zip(self.to.axes()).zip(coordinates);
        axes.map(|((from, to), at)| {
            if !from.is_known() {
                return (*at, *at);
            }
            let (start, len) = (to.start(*at), to.lens()[*at]);
            if len == 0 {
                return (0, 0);
            }
            (from.block_of(start), from.block_of(start + len - 1))
        })
        .collect()
    }

    fn each_overlapped(&self, coordinates: &[usize], mut visit: impl FnMut(&[usize])) {
        let ranges = self.overlapped(coordinates);
        let mut at: Vec<usize> = ranges.iter().map(|range| range.0).collect();
        loop {
            visit(&at);
            let mut axis = at.len();
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                at[axis] += 1;
                if at[axis] <= ranges[axis].1 {
                    break;
                }
                at[axis] = ranges[axis].0;
            }
        }
    }
}

impl BlockOp for RechunkOp {
    fn name(&self) -> &str {
        "rechunk"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.from, &self.to))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        self.each_overlapped(coordinates, |at| needs.push((0, self.from.index(at))));
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let mut region = self.to.region(coordinates);
        let mut pieces: Vec<(Chunk, Vec<usize>)> = Vec::with_capacity(inputs.len());
        let mut values = inputs.iter().filter_map(Value::as_chunk);
        self.each_overlapped(coordinates, |at| {
            let Some(block) = values.next() else { return };
            let old = self.from.region(at);
            // The box that both share, in the old block's and in the new block's coordinates.
            let (mut inside, mut shape, mut to) = (Vec::new(), Vec::new(), Vec::new());
            for axis in 0..at.len() {
                if old.shape[axis] == UNKNOWN {
                    // Divided alike on both sides; only the block knows its length.
                    region.shape[axis] = block.shape()[axis];
                    inside.push(0);
                    shape.push(block.shape()[axis]);
                    to.push(0);
                    continue;
                }
                let start = region.start[axis].max(old.start[axis]);
                let end = (region.start[axis] + region.shape[axis]).min(old.start[axis] + old.shape[axis]);
                let len = end.saturating_sub(start);
                inside.push(if len == 0 { 0 } else { start - old.start[axis] });
                shape.push(len);
                to.push(if len == 0 { 0 } else { start - region.start[axis] });
            }
            pieces.push((block.sub_block(&inside, &shape), to));
        });
        if let [(piece, _)] = pieces.as_slice() {
            return Ok(Value::Chunk(piece.compact()));
        }
        let Some(dtype) = pieces.first().map(|(piece, _)| piece.dtype()) else { return Ok(Value::Unit) };
        let strides = contiguous_strides(&region.shape);
        let mut buffer = Buffer::scratch(region.shape.iter().product::<usize>() * dtype.size());
        for (piece, to) in &pieces {
            let offset: usize = to.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
            assign(&mut buffer, offset, &strides, piece);
        }
        Ok(Value::Chunk(Chunk::new(dtype, &region.shape, buffer)))
    }
}
