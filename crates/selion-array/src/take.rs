//! Elements at given indices, and elements where a mask is true.
//!
//! One array of indices along one axis is the common case: each block of the result takes rows from the blocks that hold
//! them, and reads no other. Several arrays at once index points; the axes they are for become whole first. Masks that
//! are yet to be computed give lengths that nobody knows before.

use selion_core::{Buffer, Chunk, TaskError, Value, assign, contiguous_strides};
use selion_kernels::blocks::gather as blocks;

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::elementwise::{align, broadcast_shapes};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::indexing::Index;

impl Array {
    /// Applies the arrays among the parts of an index to the axes that are theirs; `front` puts their axes first.
    pub(crate) fn take_advanced(&self, mut parts: Vec<(usize, Index)>, front: bool) -> Result<Array> {
        match parts.len() {
            0 => Ok(self.clone()),
            1 => match parts.remove(0) {
                (axis, Index::Ints { shape, values }) if shape.len() == 1 => {
                    let taken = self.take(&values, axis)?;
                    if front && axis > 0 { taken.axis_to_front(axis, 1) } else { Ok(taken) }
                }
                (axis, Index::Mask(mask)) if mask.ndim() == 1 => self.compress(&mask, axis),
                (0, Index::Mask(mask)) if mask.ndim() == self.ndim() => self.select(&mask),
                (_, Index::Mask(_)) => Err(ArrayError::NotImplemented(
                    "indexing some axes with a lazy mask of several dimensions".to_owned(),
                )),
                part => self.take_points(vec![part], front),
            },
            _ => self.take_points(parts, front),
        }
    }

    /// The elements at `indices` along one axis; negative ones count from the end.
    ///
    /// # Errors
    /// [`ArrayError::Index`] for an index out of bounds.
    pub fn take(&self, indices: &[i64], axis: usize) -> Result<Array> {
        self.chunks().known("take")?;
        let indices: Vec<usize> = indices.iter().map(|at| self.bounded(*at, axis)).collect::<Result<_>>()?;
        let along = &self.chunks().axes()[axis];
        let division = take_division(&indices, along);
        let mut axes = self.chunks().axes().to_vec();
        axes[axis] = division;
        let to = Chunks::new(axes);
        let op = TakeOp { from: self.chunks().clone(), to: to.clone(), axis, indices };
        Ok(Array::make(Expr::Blocked { op: std::sync::Arc::new(op), inputs: vec![self.clone()] }, self.dtype(), to))
    }

    fn axis_to_front(&self, axis: usize, count: usize) -> Result<Array> {
        let moved = axis..axis + count;
        let rest = (0..self.ndim()).filter(|k| !moved.contains(k));
        let order: Vec<isize> = moved.clone().chain(rest).map(|k| k as isize).collect();
        self.transpose(Some(&order))
    }

    /// Points: arrays of indices for several axes, which broadcast together.
    fn take_points(&self, parts: Vec<(usize, Index)>, front: bool) -> Result<Array> {
        let mut arrays: Vec<(usize, Vec<usize>, Vec<i64>)> = Vec::with_capacity(parts.len());
        for (axis, part) in parts {
            let Index::Ints { shape, values } = part else {
                return Err(ArrayError::NotImplemented("lazy masks together with other index arrays".to_owned()));
            };
            let values = values.iter().map(|at| Ok(self.bounded(*at, axis)? as i64)).collect::<Result<_>>()?;
            arrays.push((axis, shape, values));
        }
        let shapes: Vec<&[usize]> = arrays.iter().map(|(_, shape, _)| shape.as_slice()).collect();
        let shape = broadcast_shapes(&shapes).map_err(|_| {
            ArrayError::Index("shape mismatch: indexing arrays could not be broadcast together".to_owned())
        })?;
        let points: Vec<(usize, Vec<i64>)> = arrays
            .iter()
            .map(|(axis, own, values)| (*axis, Chunk::from_values(own, values).broadcast_to(&shape).to_vec::<i64>()))
            .collect();
        // The axes that are indexed become whole; the points are one block, in front or in place of the first of them.
        let indexed = |axis: usize| points.iter().any(|(k, _)| *k == axis);
        let whole =
            Chunks::new(self.chunks().axes().iter().enumerate().map(|(axis, chunks)| {
                if indexed(axis) { AxisChunks::new(vec![chunks.len()]) } else { chunks.clone() }
            }));
        let input = self.rechunk_to(whole.clone())?;
        let place = if front { 0 } else { points[0].0 };
        let rest: Vec<usize> = (0..self.ndim()).filter(|axis| !indexed(*axis)).collect();
        let before = rest.iter().filter(|axis| **axis < place).count();
        let axis_of = |axis: &usize| whole.axes()[*axis].clone();
        let to = Chunks::new(
            rest[..before]
                .iter()
                .map(axis_of)
                .chain(shape.iter().map(|len| AxisChunks::new(vec![*len])))
                .chain(rest[before..].iter().map(axis_of)),
        );
        let op = PointsOp { from: whole, rest, before, points, shape: shape.to_vec() };
        Ok(Array::make(Expr::Blocked { op: std::sync::Arc::new(op), inputs: vec![input] }, self.dtype(), to))
    }

    /// Pointwise indexing, as `x.vindex[...]` does: the points' axes come first.
    ///
    /// # Errors
    /// [`ArrayError::Index`] for an index out of bounds, or arrays that do not broadcast together.
    pub fn vindex(&self, points: Vec<(usize, Vec<usize>, Vec<i64>)>) -> Result<Array> {
        let parts = points.into_iter().map(|(axis, shape, values)| (axis, Index::Ints { shape, values }));
        self.take_points(parts.collect(), true)
    }

    /// The elements along one axis where a lazy mask is true: an axis of unknown length.
    ///
    /// # Errors
    /// [`ArrayError::Index`] if the mask has another length.
    pub fn compress(&self, mask: &Array, axis: usize) -> Result<Array> {
        let division = crate::chunks::common_division(&[&self.chunks().axes()[axis], &mask.chunks().axes()[0]])?;
        let mut axes = self.chunks().axes().to_vec();
        axes[axis] = division.clone();
        let input = self.rechunk_to(Chunks::new(axes.clone()))?;
        let mask = mask.rechunk_to(Chunks::new([division.clone()]))?;
        axes[axis] = AxisChunks::new(vec![UNKNOWN; division.count()]);
        let op = MaskOp { from: input.chunks().clone(), axis: Some(axis) };
        let expr = Expr::Blocked { op: std::sync::Arc::new(op), inputs: vec![input, mask] };
        Ok(Array::make(expr, self.dtype(), Chunks::new(axes)))
    }

    /// The elements where a lazy mask of the same shape is true, in C order.
    fn select(&self, mask: &Array) -> Result<Array> {
        // C order goes through the blocks one after the other only if all axes but the first are whole.
        let whole = |array: &Array| -> Result<Array> {
            let axes = array.chunks().axes().iter().enumerate();
            array.rechunk_to(Chunks::new(axes.map(|(axis, chunks)| {
                if axis == 0 || !chunks.is_known() { chunks.clone() } else { AxisChunks::new(vec![chunks.len()]) }
            })))
        };
        let mut args = [whole(self)?, whole(mask)?];
        align(&mut args)?;
        let [input, mask] = args;
        let blocks = input.chunks().count();
        let op = MaskOp { from: input.chunks().clone(), axis: None };
        let expr = Expr::Blocked { op: std::sync::Arc::new(op), inputs: vec![input, mask] };
        Ok(Array::make(expr, self.dtype(), Chunks::new([AxisChunks::new(vec![UNKNOWN; blocks])])))
    }
}

/// Blocks of the result of a take: a new one where the taken elements come from another block, unless that would make
/// blocks small; never longer than the longest block of the axis.
fn take_division(indices: &[usize], along: &AxisChunks) -> AxisChunks {
    if indices.is_empty() {
        return AxisChunks::new(vec![0]);
    }
    let longest = along.longest().max(1);
    let mut lens = Vec::new();
    let mut len = 0;
    for (k, at) in indices.iter().enumerate() {
        let changes = k > 0 && along.block_of(*at) != along.block_of(indices[k - 1]);
        if len == longest || (changes && 2 * len >= longest) {
            lens.push(len);
            len = 0;
        }
        len += 1;
    }
    lens.push(len);
    AxisChunks::new(lens)
}

struct TakeOp {
    from: Chunks,
    to: Chunks,
    axis: usize,
    indices: Vec<usize>,
}

impl TakeOp {
    /// The indices that the block of the result at `coordinates` takes.
    fn taken(&self, coordinates: &[usize]) -> &[usize] {
        let along = &self.to.axes()[self.axis];
        let start = along.start(coordinates[self.axis]);
        &self.indices[start..start + along.lens()[coordinates[self.axis]]]
    }

    /// The blocks along the axis that hold them, in order.
    fn blocks(&self, coordinates: &[usize]) -> Vec<usize> {
        let along = &self.from.axes()[self.axis];
        let mut blocks: Vec<usize> = self.taken(coordinates).iter().map(|at| along.block_of(*at)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        if blocks.is_empty() {
            blocks.push(0);
        }
        blocks
    }
}

impl BlockOp for TakeOp {
    fn name(&self) -> &str {
        "take"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.from, self.axis, &self.indices))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let mut at = coordinates.to_vec();
        for block in self.blocks(coordinates) {
            at[self.axis] = block;
            needs.push((0, self.from.index(&at)));
        }
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let along = &self.from.axes()[self.axis];
        let (taken, shape) = (self.taken(coordinates), self.to.block_shape(coordinates));
        let blocks = self.blocks(coordinates);
        let strides = contiguous_strides(&shape);
        let mut result: Option<Buffer> = None;
        let mut dtype = None;
        for (block, input) in blocks.iter().zip(inputs) {
            let chunk = input.as_chunk().ok_or("an input is not a block")?;
            let start = along.start(*block);
            let places: Vec<usize> = (0..taken.len()).filter(|k| along.block_of(taken[*k]) == *block).collect();
            let local: Vec<i64> = places.iter().map(|k| (taken[*k] - start) as i64).collect();
            let part = blocks::take(chunk, self.axis, &local)?;
            if blocks.len() == 1 {
                return Ok(Value::Chunk(part));
            }
            dtype = Some(chunk.dtype());
            let buffer =
                result.get_or_insert_with(|| Buffer::scratch(shape.iter().product::<usize>() * chunk.dtype().size()));
            // Elements that stay neighbours are copied together.
            let mut k = 0;
            while k < places.len() {
                let mut run = 1;
                while k + run < places.len() && places[k + run] == places[k] + run {
                    run += 1;
                }
                let offset = places[k] * strides[self.axis] as usize;
                assign(buffer, offset, &strides, &part.slice(self.axis, k, 1, run));
                k += run;
            }
        }
        match (result, dtype) {
            (Some(buffer), Some(dtype)) => Ok(Value::Chunk(Chunk::new(dtype, &shape, buffer))),
            _ => Err("nothing to take from".into()),
        }
    }
}

struct PointsOp {
    from: Chunks,
    /// The axes that are not indexed, of which `before` come before the points.
    rest: Vec<usize>,
    before: usize,
    points: Vec<(usize, Vec<i64>)>,
    shape: Vec<usize>,
}

impl BlockOp for PointsOp {
    fn name(&self) -> &str {
        "take"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.from, &self.rest, self.before, &self.points, &self.shape))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let mut at = vec![0; self.from.ndim()];
        for (k, axis) in self.rest.iter().enumerate() {
            at[*axis] = coordinates[if k < self.before { k } else { k + self.shape.len() }];
        }
        needs.push((0, self.from.index(&at)));
    }

    fn run(&self, _: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let chunk = inputs.first().and_then(Value::as_chunk).ok_or("an input is not a block")?;
        let points: Vec<(usize, &[i64])> = self.points.iter().map(|(axis, at)| (*axis, at.as_slice())).collect();
        let taken = blocks::take_nd(chunk, &points)?;
        // The points come first and as one axis: give them their shape, and their place.
        let rest = &taken.shape()[1..];
        let shape: Vec<usize> = self.shape.iter().chain(rest).copied().collect();
        let dims = self.shape.len();
        let order: Vec<usize> =
            (dims..dims + self.before).chain(0..dims).chain(dims + self.before..shape.len()).collect();
        Ok(Value::Chunk(taken.reshape(&shape).transpose(&order)))
    }
}

/// Elements where a mask is true: along one axis, or of the whole array.
struct MaskOp {
    from: Chunks,
    axis: Option<usize>,
}

impl BlockOp for MaskOp {
    fn name(&self) -> &str {
        "mask"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.from, self.axis))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        match self.axis {
            Some(axis) => {
                needs.push((0, self.from.index(coordinates)));
                needs.push((1, coordinates[axis]));
            }
            None => needs.extend([(0, coordinates[0]), (1, coordinates[0])]),
        }
    }

    fn run(&self, _: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let (Some(chunk), Some(mask)) =
            (inputs.first().and_then(Value::as_chunk), inputs.get(1).and_then(Value::as_chunk))
        else {
            return Err("an input is not a block".into());
        };
        Ok(Value::Chunk(match self.axis {
            Some(axis) => blocks::compress(chunk, axis, mask)?,
            None => blocks::select(chunk, mask)?,
        }))
    }
}
