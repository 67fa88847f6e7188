//! Assignment to a box of elements: the array with other values where slices meet.
//!
//! A block that the box does not touch is passed on as it is; one that lies wholly within it is not even needed. The
//! value is divided so that each of its blocks falls into one block of the array.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, Dims, Steps, TaskError, Value, assign, contiguous_strides};

use crate::chunks::{AxisChunks, Chunks, slice_division};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::view::View;

/// The elements `start, start + step, …` along an axis, `len` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisSlice {
    /// The first element.
    pub start: usize,
    /// How far it is to the next one; not 0.
    pub step: isize,
    /// How many there are.
    pub len: usize,
}

impl AxisSlice {
    /// Which of its elements lie in a block: the first, and one past the last.
    fn within(&self, block_start: usize, block_len: usize) -> (usize, usize) {
        let (start, step) = (self.start as isize, self.step.unsigned_abs() as isize);
        let (low, high) = (block_start as isize, (block_start + block_len) as isize);
        let not_before = |distance: isize| if distance <= 0 { 0 } else { (distance + step - 1) / step };
        let (first, end) = if self.step > 0 {
            (not_before(low - start), not_before(high - start))
        } else {
            (not_before(start - high + 1), not_before(start - low + 1))
        };
        let first = (first as usize).min(self.len);
        (first, (end as usize).min(self.len).max(first))
    }
}

/// Assigns blocks of input 1 to boxes of the blocks of input 0.
struct AssignOp {
    array: Chunks,
    region: Vec<AxisSlice>,
    value: Chunks,
    /// How the region is divided along each axis.
    divisions: Vec<AxisChunks>,
}

/// What of a block is assigned.
struct Overlap {
    /// Elements of the region: first and end, per axis.
    ranges: Vec<(usize, usize)>,
    /// Whether that is all of the block.
    covers: bool,
}

impl AssignOp {
    /// What of the block at `coordinates` is assigned; `None` if nothing is.
    fn overlap(&self, coordinates: &[usize]) -> Option<Overlap> {
        let block = self.array.region(coordinates);
        let mut overlap = Overlap { ranges: Vec::with_capacity(coordinates.len()), covers: true };
        for (axis, slice) in self.region.iter().enumerate() {
            let (first, end) = slice.within(block.start[axis], block.shape[axis]);
            if first == end {
                return None;
            }
            overlap.covers &= end - first == block.shape[axis];
            overlap.ranges.push((first, end));
        }
        Some(overlap)
    }

    /// The value's block for the part of the region that starts at `ranges`.
    fn value_block(&self, ranges: &[(usize, usize)]) -> usize {
        let lead = ranges.len() - self.value.ndim();
        let at: Dims = (0..self.value.ndim())
            .map(|axis| match self.value.axes()[axis].len() {
                1 => self.value.axes()[axis].block_of(0),
                _ => self.divisions[axis + lead].block_of(ranges[axis + lead].0),
            })
            .collect();
        self.value.index(&at)
    }
}

impl BlockOp for AssignOp {
    fn name(&self) -> &str {
        "setitem"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.array, &self.region, &self.value))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let overlap = self.overlap(coordinates);
        if overlap.as_ref().is_none_or(|overlap| !overlap.covers) {
            needs.push((0, self.array.index(coordinates)));
        }
        if let Some(overlap) = overlap {
            needs.push((1, self.value_block(&overlap.ranges)));
        }
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let Some(Overlap { ranges, covers }) = self.overlap(coordinates) else {
            return inputs.first().cloned().ok_or_else(|| "setitem needs a block".into());
        };
        let chunks: Vec<&Chunk> = inputs.iter().filter_map(Value::as_chunk).collect();
        let (old, value) = match chunks.as_slice() {
            [value] if covers => (None, *value),
            [old, value] if !covers => (Some(*old), *value),
            _ => return Err("setitem needs a block and what to assign to it".into()),
        };
        let block = self.array.region(coordinates);
        let strides = contiguous_strides(&block.shape);
        let lens: Dims = ranges.iter().map(|(first, end)| end - first).collect();
        let mut piece = value.broadcast_to(&lens);
        let mut offset = 0;
        let mut steps: Steps = strides.clone();
        for (axis, slice) in self.region.iter().enumerate() {
            // Downward steps are upward steps from the other end.
            let mut first = ranges[axis].0;
            if slice.step < 0 {
                first = ranges[axis].1 - 1;
                piece = piece.slice(axis, lens[axis] - 1, -1, lens[axis]);
            }
            let at = slice.start as isize + slice.step * first as isize - block.start[axis] as isize;
            offset += at as usize * strides[axis] as usize;
            steps[axis] *= slice.step.abs();
        }
        let mut buffer = Buffer::scratch(block.shape.iter().product::<usize>() * value.dtype().size());
        if let Some(old) = old {
            assign(&mut buffer, 0, &strides, old);
        }
        assign(&mut buffer, offset, &steps, &piece);
        Ok(Value::Chunk(Chunk::new(value.dtype(), &block.shape, buffer)))
    }
}

impl Array {
    /// The array with `value` at the elements that one slice per axis picks. The value takes the array's dtype and is
    /// broadcast to the slices' lengths; further axes of length 1 in front of it are dropped.
    ///
    /// # Errors
    /// [`ArrayError::Value`] in NumPy's words for a value that does not broadcast, [`ArrayError::Index`] for slices out of
    /// bounds, [`ArrayError::Unknown`] for unknown lengths, [`ArrayError::Op`] for dtypes that do not convert.
    ///
    /// ```
    /// # use selion_array::{Array, AxisSlice};
    /// # use selion_core::{DType, Scalar};
    /// let x = Array::zeros(&[10], DType::F64, None)?;
    /// let odd = [AxisSlice { start: 9, step: -2, len: 5 }];
    /// let y = x.with_block_assigned(&odd, &Array::scalar(Scalar::new(1i64)))?;
    /// assert_eq!((y.shape(), y.dtype()), (x.shape(), DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn with_block_assigned(&self, region: &[AxisSlice], value: &Array) -> Result<Array> {
        self.chunks().known("assignment")?;
        value.chunks().known("assignment")?;
        let shape = self.shape();
        if region.len() != shape.len() {
            return Err(ArrayError::Index(format!(
                "assignment takes one slice per axis: the array is {}-dimensional, but {} were given",
                shape.len(),
                region.len()
            )));
        }
        for (axis, (slice, len)) in region.iter().zip(&shape).enumerate() {
            let last = slice.start as isize + slice.step * (slice.len as isize - 1);
            if slice.len > 0 && (slice.step == 0 || slice.start >= *len || last < 0 || last as usize >= *len) {
                return Err(ArrayError::Index(format!("slice is out of bounds for axis {axis} with size {len}")));
            }
        }
        let lens: Dims = region.iter().map(|slice| slice.len).collect();
        let value = without_leading_ones(value, lens.len()).astype(self.dtype())?;
        let own = value.shape();
        let fits = own.len() <= lens.len()
            && own.iter().zip(&lens[lens.len() - own.len()..]).all(|(from, to)| from == to || *from == 1);
        if !fits {
            return Err(ArrayError::Value(format!(
                "could not broadcast input array from shape {} into shape {}",
                Chunks::whole(&own).shape_text(),
                Chunks::whole(&lens).shape_text()
            )));
        }
        if lens.contains(&0) {
            return Ok(self.clone());
        }
        let divisions: Vec<AxisChunks> = region
            .iter()
            .zip(self.chunks().axes())
            .map(|(slice, axis)| slice_division(axis, slice.start, slice.step, slice.len))
            .collect();
        let lead = lens.len() - own.len();
        let value = value.rechunk_to(Chunks::new((0..own.len()).map(|axis| match own[axis] {
            1 => AxisChunks::new(vec![1]),
            _ => divisions[axis + lead].clone(),
        })))?;
        let op = AssignOp {
            array: self.chunks().clone(),
            region: region.to_vec(),
            value: value.chunks().clone(),
            divisions,
        };
        let expr = Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone(), value] };
        Ok(Array::make(expr, self.dtype(), self.chunks().clone()))
    }
}

/// The array without axes of length 1 in front, as far as it has more than `ndim` axes.
fn without_leading_ones(array: &Array, ndim: usize) -> Array {
    let shape = array.shape();
    let extra = shape.len().saturating_sub(ndim);
    if extra == 0 || shape[..extra].iter().any(|len| *len != 1) {
        return array.clone();
    }
    let mut view = View::identity(&shape);
    view.axes.drain(..extra);
    view.shape.drain(..extra);
    let chunks = view.chunks(array.chunks());
    Array::make(Expr::View { input: array.clone(), view }, array.dtype(), chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_knows_what_of_it_lies_in_a_block() {
        let up = AxisSlice { start: 1, step: 3, len: 4 }; // 1 4 7 10
        assert_eq!(
            [up.within(0, 4), up.within(4, 4), up.within(8, 2), up.within(8, 3)],
            [(0, 1), (1, 3), (3, 3), (3, 4)]
        );
        let down = AxisSlice { start: 10, step: -3, len: 4 };
        assert_eq!([down.within(0, 4), down.within(4, 4), down.within(8, 3)], [(3, 4), (1, 3), (0, 1)]);
        assert_eq!(down.within(4, 0), (2, 2));
    }
}
