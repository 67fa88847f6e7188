//! Arrays with some elements replaced: what `x[index] = value` makes.
//!
//! A mask is a `where`. Slices, integers and one list of integers become an [`AssignOp`]: a block that the index does
//! not touch is passed on, any other is copied and written into. The value is first viewed as an array with the axes of
//! the assigned one, divided so that each block needs one block of it at most.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, Dims, TaskContext, TaskError, Value, assign, contiguous_strides};
use selion_kernels::program::Op;
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, shape_text, slice_division};
use crate::elementwise::{Operand, ufunc};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::indexing::{Index, Part, list_position, resolve};
use crate::take::mask_mismatch;
use crate::view::{AxisMap, View};

/// What is assigned along one axis.
#[derive(Clone, Debug, Hash)]
enum Along {
    /// `start, start + step, …`, `len` elements; the step is positive.
    Slice { start: usize, step: usize, len: usize },
    /// These, in order: of repeated ones the last counts.
    List(Arc<[usize]>),
}

/// Elements of a block that are assigned, along one axis.
enum Hit {
    /// From `first` on, `step` apart, as many as the value's block has.
    Slice { first: usize, step: usize },
    /// Pairs of an index in the block and one in the value.
    List(Vec<(usize, usize)>),
}

/// Writes a value into the blocks of an array.
struct AssignOp {
    chunks: Chunks,
    along: Vec<Along>,
    /// The blocks of the value; those of a slice are cut where the array's are.
    value: Chunks,
}

impl AssignOp {
    /// What of a block is assigned, or `None` if nothing is; and the value's block.
    fn hits(&self, coordinates: &[usize]) -> Option<(Vec<Hit>, Dims)> {
        let region = self.chunks.region(coordinates);
        let mut hits = Vec::with_capacity(self.along.len());
        let mut block = Dims::new();
        for (axis, along) in self.along.iter().enumerate() {
            let (from, to) = (region.start[axis], region.start[axis] + region.shape[axis]);
            match along {
                Along::Slice { start, step, len } => {
                    let before = |at: usize| at.saturating_sub(*start).div_ceil(*step).min(*len);
                    let (first, last) = (before(from), before(to));
                    if first == last {
                        return None;
                    }
                    block.push(self.value.axes()[axis].block_of(first));
                    hits.push(Hit::Slice { first: start + first * step - from, step: *step });
                }
                Along::List(list) => {
                    let inside = list.iter().enumerate().filter(|(_, at)| (from..to).contains(at));
                    let pairs: Vec<(usize, usize)> = inside.map(|(k, at)| (at - from, k)).collect();
                    if pairs.is_empty() {
                        return None;
                    }
                    block.push(0);
                    hits.push(Hit::List(pairs));
                }
            }
        }
        Some((hits, block))
    }
}

impl BlockOp for AssignOp {
    fn name(&self) -> &str {
        "setitem"
    }

    fn identity(&self) -> u64 {
        hash_of(&self.along)
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.push((0, self.chunks.index(coordinates)));
        if let Some((_, block)) = self.hits(coordinates) {
            needs.push((1, self.value.index(&block)));
        }
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let (block, value, hits) = match (inputs, self.hits(coordinates)) {
            ([block], None) => return Ok(block.clone()),
            ([Value::Chunk(block), Value::Chunk(value)], Some((hits, _))) => (block, value, hits),
            _ => return Err("setitem needs a block, and one to write into it".into()),
        };
        let strides = contiguous_strides(block.shape());
        let mut buffer = Buffer::scratch(block.nbytes());
        assign(&mut buffer, 0, &strides, block);
        // All axes but that of a list at once, for each element of the list.
        let mut offset = 0;
        let mut steps = strides.clone();
        let mut list: Option<(usize, &[(usize, usize)])> = None;
        for (axis, hit) in hits.iter().enumerate() {
            match hit {
                Hit::Slice { first, step } => {
                    offset += first * strides[axis] as usize;
                    steps[axis] *= *step as isize;
                }
                Hit::List(pairs) => list = Some((axis, pairs)),
            }
        }
        match list {
            None => assign(&mut buffer, offset, &steps, value),
            Some((axis, pairs)) => {
                for (to, from) in pairs {
                    let row = value.slice(axis, *from, 1, 1);
                    assign(&mut buffer, offset + to * strides[axis] as usize, &steps, &row);
                }
            }
        }
        Ok(Value::Chunk(Chunk::new(block.dtype(), block.shape(), buffer)))
    }
}

impl Array {
    /// The array with the elements at an index replaced by a value that broadcasts to them, cast to the array's dtype.
    ///
    /// # Errors
    /// [`ArrayError::Index`] as [`Array::getitem`]; [`ArrayError::Value`] if the value does not broadcast;
    /// [`ArrayError::NotImplemented`] for several lists of integers, or a lazy mask beside other parts than `:`.
    ///
    /// ```
    /// use selion_array::{Array, Index};
    /// use selion_core::{DType, Scalar};
    /// let x = Array::ones(&[5, 4], DType::F64, None)?;
    /// let y = x.setitem(&[Index::Int(0)], &Array::scalar(Scalar::new(7i64)))?;
    /// assert_eq!((y.shape(), y.dtype()), (x.shape(), DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn setitem(&self, index: &[Index], value: &Array) -> Result<Array> {
        if let Some(masked) = self.set_masked(index, value)? {
            return Ok(masked);
        }
        let parts = resolve(self, index)?;
        self.chunks().known("assigning to an index")?;
        let lists = parts.iter().filter(|part| matches!(part, Part::Ints { .. })).count();
        for part in &parts {
            let missing = match part {
                Part::Mask { .. } => "assigning to a lazy mask beside other indices",
                Part::Ints { axis: None, .. } => "assigning to a 0-d boolean index",
                Part::Ints { shape, .. } if lists > 1 || shape.len() != 1 => {
                    "assigning to several lists of integers, or to one of several dimensions,"
                }
                _ => continue,
            };
            return Err(ArrayError::NotImplemented(missing.to_owned()));
        }
        self.set_parts(&parts, lists == 1, &value.astype(self.dtype())?)
    }

    /// Assigns under a mask that covers the leading axes, the rest being `:`; `None` for any other index.
    fn set_masked(&self, index: &[Index], value: &Array) -> Result<Option<Array>> {
        let Some((first, others)) = index.split_first() else { return Ok(None) };
        if !others.iter().all(|part| part.is_full() || matches!(part, Index::Ellipsis)) {
            return Ok(None);
        }
        let shape = self.shape();
        let mask = match first {
            Index::Mask(mask) => mask.clone(),
            // A known mask needs no list for a value that is the same everywhere.
            Index::Bools { shape: lens, values } if value.size() == Some(1) => {
                let flags: Vec<selion_core::B8> = values.iter().map(|flag| (*flag).into()).collect();
                let chunks = if shape.starts_with(lens) {
                    Chunks::new(self.chunks().axes()[..lens.len()].iter().cloned())
                } else {
                    Chunks::whole(lens)
                };
                Array::from_chunk(Chunk::from_values(lens, &flags), Some(chunks))?
            }
            _ => return Ok(None),
        };
        if mask.ndim() > shape.len() {
            return Err(ArrayError::Index(format!(
                "too many indices for array: array is {}-dimensional, but {} were indexed",
                shape.len(),
                mask.ndim()
            )));
        }
        for (axis, len) in mask.shape().iter().enumerate() {
            if *len != shape[axis] && *len != UNKNOWN && shape[axis] != UNKNOWN {
                return Err(mask_mismatch(axis, shape[axis], *len));
            }
        }
        if value.ndim() > shape.len() {
            return Err(cannot_broadcast(&value.shape(), &shape));
        }
        let behind: Vec<isize> = (mask.ndim()..shape.len()).map(|axis| axis as isize).collect();
        let operands: [Operand; 3] =
            [mask.expand_dims(&behind)?.into(), value.astype(self.dtype())?.into(), self.into()];
        let result = ufunc(Op::Where, &operands)?;
        let fits = |(a, b): (&usize, &usize)| a == b || *a == UNKNOWN || *b == UNKNOWN;
        if result.ndim() != shape.len() || !result.shape().iter().zip(&shape).all(fits) {
            return Err(cannot_broadcast(&value.shape(), &shape));
        }
        Ok(Some(result))
    }

    fn set_parts(&self, parts: &[Part], listed: bool, value: &Array) -> Result<Array> {
        // The axes that indexing would give: lengths, and for each axis of this array which of them is along it.
        let mut result: Dims = SmallVec::new();
        let mut place: SmallVec<[Option<usize>; 4]> = smallvec![None; self.ndim()];
        let mut flips: SmallVec<[bool; 4]> = smallvec![false; self.ndim()];
        let mut along: Vec<Along> = vec![Along::Slice { start: 0, step: 1, len: 1 }; self.ndim()];
        let mut list_axis = None;
        for part in parts {
            match part {
                Part::Int { axis, at } => along[*axis] = Along::Slice { start: *at, step: 1, len: 1 },
                Part::Slice { axis, start, step, len } => {
                    // Written upwards; a value for a downward slice is turned round.
                    let back = len.saturating_sub(1) as isize * step.min(&0);
                    let start = (*start as isize + back) as usize;
                    along[*axis] = Along::Slice { start, step: step.unsigned_abs(), len: *len };
                    flips[*axis] = *step < 0;
                    place[*axis] = Some(result.len());
                    result.push(*len);
                }
                Part::NewAxis => result.push(1),
                Part::Ints { axis: Some(axis), values, .. } => {
                    along[*axis] = Along::List(Arc::clone(values));
                    list_axis = Some((*axis, values.len()));
                }
                Part::Gap | Part::Ints { .. } | Part::Mask { .. } => {}
            }
        }
        if let Some((axis, len)) = list_axis {
            let position = list_position(parts);
            for at in place.iter_mut().flatten().filter(|at| **at >= position) {
                *at += 1;
            }
            place[axis] = Some(position);
            result.insert(position, len);
        }
        // Leading axes of length 1 of the value count for nothing.
        let own = value.shape();
        let extra = own.len().saturating_sub(result.len());
        let lead = result.len().saturating_sub(own.len());
        let fits = own[..extra].iter().all(|len| *len == 1)
            && own[extra..].iter().zip(&result[lead..]).all(|(from, to)| *from == 1 || from == to);
        if !fits && listed {
            return Err(ArrayError::Value(format!(
                "shape mismatch: value array of shape {} could not be broadcast to indexing result of shape {}",
                tight(&own),
                tight(&result)
            )));
        }
        if !fits {
            return Err(cannot_broadcast(&own, &result));
        }
        if result.contains(&0) {
            return Ok(self.clone());
        }
        let mut view = View { starts: smallvec![0; own.len()], axes: SmallVec::new(), shape: SmallVec::new() };
        let mut before: Vec<AxisChunks> = own.iter().map(|len| AxisChunks::new(vec![*len])).collect();
        let mut after: Vec<AxisChunks> = Vec::with_capacity(self.ndim());
        for axis in 0..self.ndim() {
            let len = place[axis].map_or(1, |at| result[at]);
            let blocks = match &along[axis] {
                Along::Slice { start, step, len } => {
                    slice_division(&self.chunks().axes()[axis], *start, *step as isize, *len)
                }
                Along::List(list) => AxisChunks::new(vec![list.len()]),
            };
            let from = place[axis].and_then(|at| (at + extra).checked_sub(lead));
            let from = from.filter(|from| own[*from] == len && len != 1);
            view.axes.push(from.map(|from| {
                if flips[axis] {
                    view.starts[from] = len - 1;
                    before[from] = AxisChunks::new(blocks.lens().iter().rev().copied().collect());
                    return AxisMap { axis: from, step: -1 };
                }
                before[from] = blocks.clone();
                AxisMap { axis: from, step: 1 }
            }));
            view.shape.push(len);
            after.push(blocks);
        }
        let value = value.rechunk_to(Chunks::new(before))?.viewed_in(view, Chunks::new(after));
        let op = AssignOp { chunks: self.chunks().clone(), along, value: value.chunks().clone() };
        let expr = Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone(), value] };
        Ok(Array::make(expr, self.dtype(), self.chunks().clone()))
    }
}

/// A shape as NumPy's C code writes it, without spaces.
fn tight(shape: &[usize]) -> String {
    shape_text(shape).replace(", ", ",")
}

fn cannot_broadcast(from: &[usize], to: &[usize]) -> ArrayError {
    ArrayError::Value(format!("could not broadcast input array from shape {} into shape {}", tight(from), tight(to)))
}
