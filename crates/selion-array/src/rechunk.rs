//! Other blocks for the same elements.

use selion_core::{Buffer, Chunk, TaskContext, TaskError, Value, assign, contiguous_strides};

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
#[derive(Clone)]
pub(crate) struct RechunkOp {
    pub(crate) from: Chunks,
    pub(crate) to: Chunks,
}

/// First and last block along each axis of a range of blocks.
type BlockRange = Vec<(usize, usize)>;

/// The blocks of `other` that the block of `own` at `coordinates` overlaps.
fn overlapped(own: &Chunks, coordinates: &[usize], other: &Chunks) -> BlockRange {
    let axes = own.axes().iter().zip(other.axes()).zip(coordinates);
    axes.map(|((own, other), at)| {
        if !other.is_known() || !own.is_known() {
            return (*at, *at);
        }
        let (start, len) = (own.start(*at), own.lens()[*at]);
        if len == 0 {
            return (0, 0);
        }
        (other.block_of(start), other.block_of(start + len - 1))
    })
    .collect()
}

/// Visits the blocks of a range in C order.
fn each_block(range: &BlockRange, mut visit: impl FnMut(&[usize])) {
    let mut at: Vec<usize> = range.iter().map(|axis| axis.0).collect();
    loop {
        visit(&at);
        let mut axis = at.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            at[axis] += 1;
            if at[axis] <= range[axis].1 {
                break;
            }
            at[axis] = range[axis].0;
        }
    }
}

impl RechunkOp {
    /// The box that an old and a new block share: where it starts in the old and in the new one, and its shape. Along
    /// an axis of unknown lengths, divided alike on both sides, it is all of the old block, of which `len` knows.
    fn shared(
        &self,
        old: &[usize],
        new: &[usize],
        len: impl Fn(usize) -> usize,
    ) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
        let (old, new) = (self.from.region(old), self.to.region(new));
        let (mut inside, mut to, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        for axis in 0..old.start.len() {
            let (mut start, mut end) = (0, len(axis));
            if old.shape[axis] != UNKNOWN {
                start = new.start[axis].max(old.start[axis]);
                end = (new.start[axis] + new.shape[axis]).min(old.start[axis] + old.shape[axis]);
            }
            let empty = end <= start;
            inside.push(if empty { 0 } else { start - old.start[axis] });
            to.push(if empty { 0 } else { start - new.start[axis] });
            shape.push(end.saturating_sub(start));
        }
        (inside, to, shape)
    }

    /// Whether old blocks can be cut into pieces for the new ones. An empty block on either side overlaps no other, so
    /// which pieces it takes part in is not the same seen from both sides.
    pub(crate) fn can_cut(&self) -> bool {
        let axes = self.from.axes().iter().chain(self.to.axes());
        axes.flat_map(|axis| axis.lens()).all(|len| *len != 0)
    }

    /// How many new blocks the old block at `coordinates` is cut for, and the bytes of each piece.
    pub(crate) fn piece_bytes(&self, coordinates: &[usize], item_bytes: u64) -> Vec<u64> {
        let mut nbytes = Vec::new();
        each_block(&overlapped(&self.from, coordinates, &self.to), |new| {
            let (.., shape) = self.shared(coordinates, new, |_| 0);
            nbytes.push(shape.iter().product::<usize>() as u64 * item_bytes);
        });
        nbytes
    }

    /// The pieces of an old block, one for each new block that it overlaps, each in memory of its own.
    pub(crate) fn cut(&self, coordinates: &[usize], block: &Chunk) -> Vec<Chunk> {
        let mut pieces = Vec::new();
        each_block(&overlapped(&self.from, coordinates, &self.to), |new| {
            let (inside, _, shape) = self.shared(coordinates, new, |axis| block.shape()[axis]);
            pieces.push(block.sub_block(&inside, &shape).compact_copy());
        });
        pieces
    }

    /// Of which old blocks the new block at `coordinates` has pieces, and which of their pieces those are.
    pub(crate) fn pieces_of(&self, coordinates: &[usize]) -> Vec<(usize, usize)> {
        let mut pieces = Vec::new();
        each_block(&overlapped(&self.to, coordinates, &self.from), |old| {
            let range = overlapped(&self.from, old, &self.to);
            let rank = coordinates
                .iter()
                .zip(&range)
                .fold(0, |rank, (at, (first, last))| rank * (last - first + 1) + (at - first));
            pieces.push((self.from.index(old), rank));
        });
        pieces
    }

    /// The new block at `coordinates`, from its pieces in order.
    pub(crate) fn join(&self, coordinates: &[usize], pieces: &[Chunk]) -> Option<Chunk> {
        let dtype = pieces.first()?.dtype();
        let mut shape = self.to.block_shape(coordinates);
        for (axis, len) in shape.iter_mut().enumerate().filter(|(_, len)| **len == UNKNOWN) {
            *len = pieces[0].shape()[axis];
        }
        let strides = contiguous_strides(&shape);
        let mut buffer = Buffer::scratch(shape.iter().product::<usize>() * dtype.size());
        let mut pieces = pieces.iter();
        each_block(&overlapped(&self.to, coordinates, &self.from), |old| {
            if let Some(piece) = pieces.next() {
                let (_, to, _) = self.shared(old, coordinates, |axis| piece.shape()[axis]);
                let offset: usize = to.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
                assign(&mut buffer, offset, &strides, piece);
            }
        });
        Some(Chunk::new(dtype, &shape, buffer))
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
        each_block(&overlapped(&self.to, coordinates, &self.from), |at| needs.push((0, self.from.index(at))));
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let mut pieces: Vec<Chunk> = Vec::with_capacity(inputs.len());
        let mut blocks = inputs.iter().filter_map(Value::as_chunk);
        each_block(&overlapped(&self.to, coordinates, &self.from), |old| {
            if let Some(block) = blocks.next() {
                let (inside, _, shape) = self.shared(old, coordinates, |axis| block.shape()[axis]);
                pieces.push(block.sub_block(&inside, &shape));
            }
        });
        match pieces.as_slice() {
            [piece] => Ok(Value::Chunk(piece.compact())),
            pieces => Ok(self.join(coordinates, pieces).map_or(Value::Unit, Value::Chunk)),
        }
    }
}
