//! Elements picked by lists of indices, or by a mask.
//!
//! [`GatherOp`] picks by integers: one list per indexed axis, all broadcast together; each output block reads the input
//! blocks that its indices fall into, and no others. [`CompressOp`] picks where a lazy boolean array is true: block by
//! block, so that only computing tells how many. Both end in [`gather`], which moves elements as words of their size.

use std::collections::HashMap;
use std::sync::Arc;

use selion_core::{B8, Buffer, Chunk, DType, Dims, Element, TaskContext, TaskError, Value, c128};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::indexing::Index;
use crate::reshape::cut_long;

/// A place to pick from: the number of a source, and where it is within the source's picked axes, in C order.
type Place = (u32, usize);

/// Rows at `places` of sources that are each `outer` × (its own number of rows) × `inner` elements in C order.
fn gather<T: Element>(sources: &[Chunk], places: &[Place], outer: usize, inner: usize) -> Buffer {
    let mut buffer = Buffer::scratch(outer * places.len() * inner * size_of::<T>());
    if outer * places.len() * inner == 0 {
        return buffer;
    }
    let sources: Vec<&[T]> = sources.iter().map(|source| source.as_slice().unwrap_or(&[])).collect();
    let strides: Vec<usize> = sources.iter().map(|source| source.len() / outer).collect();
    let slabs = buffer.typed_mut::<T>()[..outer * places.len() * inner].chunks_exact_mut(places.len() * inner);
    for (k, slab) in slabs.enumerate() {
        if let ([source], 1) = (sources.as_slice(), inner) {
            let source = &source[k * strides[0]..][..strides[0]];
            for (out, (_, row)) in slab.iter_mut().zip(places) {
                *out = source[*row];
            }
            continue;
        }
        for (out, (source, row)) in slab.chunks_exact_mut(inner).zip(places) {
            let start = k * strides[*source as usize] + row * inner;
            out.copy_from_slice(&sources[*source as usize][start..start + inner]);
        }
    }
    buffer
}

/// [`gather`] for any dtype; `shape` is that of the result.
fn gathered(dtype: DType, sources: &[Chunk], places: &[Place], outer: usize, inner: usize, shape: &[usize]) -> Chunk {
    let run = match dtype.size() {
        1 => gather::<u8>,
        2 => gather::<u16>,
        4 => gather::<u32>,
        8 => gather::<u64>,
        _ => gather::<c128>,
    };
    Chunk::new(dtype, shape, run(sources, places, outer, inner))
}

/// Picks by lists of integers.
pub(crate) struct GatherOp {
    dtype: DType,
    input: Chunks,
    /// The indexed axes of the input.
    axes: Vec<usize>,
    /// For each of them: an index per element of the lists' common shape, in C order.
    indices: Vec<Arc<[usize]>>,
    /// The blocks of the common shape.
    index_chunks: Chunks,
    /// The axes of the input that are not indexed; the lists' axes come before number `position` of these.
    kept: Vec<usize>,
    position: usize,
    hash: u64,
}

impl GatherOp {
    /// The coordinates of an output block along the kept axes, and along those of the lists.
    fn parts(&self, coordinates: &[usize]) -> (Dims, Dims) {
        let (before, rest) = coordinates.split_at(self.position);
        let (lists, after) = rest.split_at(self.index_chunks.ndim());
        (before.iter().chain(after).copied().collect(), lists.into())
    }

    /// The indices that fall into a block of the lists, by their number in C order of the whole.
    fn each_index(&self, lists: &[usize], mut visit: impl FnMut(usize)) {
        let region = self.index_chunks.region(lists);
        let shape = self.index_chunks.shape();
        if region.shape.contains(&0) {
            return;
        }
        let Some(last) = shape.len().checked_sub(1) else { return visit(0) };
        let mut at = region.start.clone();
        loop {
            let first = at.iter().zip(&shape).fold(0, |index, (at, len)| index * len + at);
            (first..first + region.shape[last]).for_each(&mut visit);
            let mut axis = last;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                at[axis] += 1;
                if at[axis] < region.start[axis] + region.shape[axis] {
                    break;
                }
                at[axis] = region.start[axis];
            }
        }
    }

    /// The blocks along the indexed axes that a block of the lists reads, in the order of first use; and where in them
    /// each of its indices points.
    fn plan(&self, lists: &[usize]) -> (Vec<Dims>, Vec<Place>) {
        let axes: Vec<&AxisChunks> = self.axes.iter().map(|axis| &self.input.axes()[*axis]).collect();
        let (mut blocks, mut places): (Vec<Dims>, Vec<Place>) = Default::default();
        let mut numbers: HashMap<Dims, u32> = HashMap::new();
        let mut block: Dims = Dims::from_elem(0, axes.len());
        let mut current: Option<u32> = None;
        self.each_index(lists, |k| {
            let mut moved = current.is_none();
            let mut row = 0;
            for (d, axis) in axes.iter().enumerate() {
                let index = self.indices[d][k];
                if index < axis.start(block[d]) || index >= axis.start(block[d]) + axis.lens()[block[d]] {
                    block[d] = axis.block_of(index);
                    moved = true;
                }
                row = row * axis.lens()[block[d]] + index - axis.start(block[d]);
            }
            let number = match current {
                Some(number) if !moved => number,
                _ => *numbers.entry(block.clone()).or_insert_with(|| {
                    blocks.push(block.clone());
                    blocks.len() as u32 - 1
                }),
            };
            current = Some(number);
            places.push((number, row));
        });
        if blocks.is_empty() {
            blocks.push(Dims::from_elem(0, axes.len())); // for the lengths of the other axes
        }
        (blocks, places)
    }
}

impl BlockOp for GatherOp {
    fn name(&self) -> &str {
        "take"
    }

    fn identity(&self) -> u64 {
        self.hash
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let (kept, lists) = self.parts(coordinates);
        let mut block: Dims = Dims::from_elem(0, self.input.ndim());
        for (axis, at) in self.kept.iter().zip(&kept) {
            block[*axis] = *at;
        }
        for picked in self.plan(&lists).0 {
            for (axis, at) in self.axes.iter().zip(&picked) {
                block[*axis] = *at;
            }
            needs.push((0, self.input.index(&block)));
        }
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let (_, lists) = self.parts(coordinates);
        let (_, places) = self.plan(&lists);
        let (before, after) = self.kept.split_at(self.position);
        let order: Vec<usize> = before.iter().chain(&self.axes).chain(after).copied().collect();
        let blocks: Vec<&Chunk> = inputs.iter().filter_map(Value::as_chunk).collect();
        let Some(any) = blocks.first() else { return Err("take needs a block".into()) };
        let lens = |axes: &[usize]| axes.iter().map(|axis| any.shape()[*axis]).collect::<Vec<usize>>();
        let (before, after) = (lens(before), lens(after));
        let sources: Vec<Chunk> = blocks.iter().map(|block| block.transpose(&order).to_contiguous()).collect();
        let shape = [&before, self.index_chunks.block_shape(&lists).as_slice(), &after].concat();
        let (outer, inner) = (before.iter().product(), after.iter().product());
        Ok(Value::Chunk(gathered(self.dtype, &sources, &places, outer, inner, &shape)))
    }
}

/// Picks where a boolean array is true.
struct CompressOp {
    dtype: DType,
    input: Chunks,
    mask: Chunks,
    /// The first of the input's axes that the mask covers.
    axis: usize,
}

impl CompressOp {
    fn blocks(&self, coordinates: &[usize]) -> (Dims, Dims) {
        let mut mask: Dims = Dims::from_elem(0, self.mask.ndim());
        mask[0] = coordinates[self.axis];
        let (before, after) = (&coordinates[..self.axis], &coordinates[self.axis + 1..]);
        (before.iter().chain(&mask).chain(after).copied().collect(), mask)
    }
}

impl BlockOp for CompressOp {
    fn name(&self) -> &str {
        "compress"
    }

    fn identity(&self) -> u64 {
        hash_of(self.axis)
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let (input, mask) = self.blocks(coordinates);
        needs.push((0, self.input.index(&input)));
        needs.push((1, self.mask.index(&mask)));
    }

    fn run(&self, _: &[usize], inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Value, TaskError> {
        let [Value::Chunk(block), Value::Chunk(mask)] = inputs else { return Err("compress needs two blocks".into()) };
        let end = self.axis + mask.ndim();
        if block.shape()[self.axis..end] != *mask.shape() {
            return Err(ArrayError::Index(format!(
                "boolean index did not match indexed array: a block of shape {:?} against {:?}",
                mask.shape(),
                &block.shape()[self.axis..end]
            ))
            .into());
        }
        let mask = mask.to_contiguous();
        let flags: &[B8] = mask.as_slice().unwrap_or(&[]);
        let places: Vec<Place> = flags.iter().enumerate().filter(|(_, x)| x.get()).map(|(k, _)| (0, k)).collect();
        let (before, after) = (&block.shape()[..self.axis], &block.shape()[end..]);
        let shape = [before, &[places.len()], after].concat();
        let (outer, inner) = (before.iter().product(), after.iter().product());
        let source = block.to_contiguous();
        Ok(Value::Chunk(gathered(self.dtype, std::slice::from_ref(&source), &places, outer, inner, &shape)))
    }
}

/// The mean length of the blocks of an axis, at least 1.
fn mean_block(axis: &AxisChunks) -> usize {
    axis.len().div_ceil(axis.count()).max(1)
}

/// How picked elements are divided: into blocks of about as many as the input's blocks have along the picked axes.
fn divide_lists(shape: &[usize], axes: &[&AxisChunks], indices: &[Arc<[usize]>]) -> Chunks {
    let target: usize = axes.iter().map(|axis| mean_block(axis)).product();
    if let ([list], [axis]) = (indices, axes)
        && shape.len() == 1
        && list.is_sorted()
    {
        return Chunks::new([follow_blocks(list, axis, target)]);
    }
    // Whole trailing axes, as far as they fit.
    let mut left = target;
    let mut blocks: Vec<AxisChunks> = Vec::with_capacity(shape.len());
    for len in shape.iter().rev() {
        blocks.push(AxisChunks::regular(*len, left.max(1)));
        left /= (*len).max(1);
    }
    blocks.reverse();
    Chunks::new(blocks)
}

/// Ascending indices are cut where input blocks end, so that an output block reads as few of them as may be; cuts that
/// would make blocks of less than `target` elements are left out.
fn follow_blocks(list: &[usize], axis: &AxisChunks, target: usize) -> AxisChunks {
    let (mut lens, mut open, mut done) = (Vec::new(), 0, 0);
    while done < list.len() {
        let block = axis.block_of(list[done]);
        let end = axis.start(block) + axis.lens()[block];
        let run = list[done..].partition_point(|index| *index < end);
        if open > 0 && open + run > target {
            lens.push(open);
            open = 0;
        }
        open += run;
        done += run;
    }
    if open > 0 || lens.is_empty() {
        lens.push(open);
    }
    cut_long(&AxisChunks::new(lens), target)
}

impl Array {
    /// Picks by lists of indices, one per axis in `axes`, each with an index per element of `shape`. The lists' axes come
    /// before number `position` of the axes that are not indexed.
    pub(crate) fn gather(
        &self,
        axes: Vec<usize>,
        shape: &[usize],
        indices: Vec<Arc<[usize]>>,
        position: usize,
    ) -> Result<Array> {
        if let ([axis], [list]) = (axes.as_slice(), indices.as_slice())
            && shape.len() == 1
            && let Some(step) = consecutive(list)
        {
            let slice = self.sliced(*axis, list[0], step, list.len());
            return slice.moveaxis(&[*axis as isize], &[position as isize]);
        }
        let input = self.chunks().clone();
        let along: Vec<&AxisChunks> = axes.iter().map(|axis| &input.axes()[*axis]).collect();
        if along.iter().any(|axis| !axis.is_known()) {
            self.chunks().known("indexing with integers")?;
        }
        let index_chunks = divide_lists(shape, &along, &indices);
        let kept: Vec<usize> = (0..self.ndim()).filter(|axis| !axes.contains(axis)).collect();
        let lens = |axes: &[usize]| axes.iter().map(|axis| input.axes()[*axis].clone()).collect::<Vec<_>>();
        let chunks = [lens(&kept[..position]), index_chunks.axes().to_vec(), lens(&kept[position..])].concat();
        let hash = hash_of((&axes, &indices, shape, position));
        let op = GatherOp { dtype: self.dtype(), input, axes, indices, index_chunks, kept, position, hash };
        let expr = Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone()] };
        Ok(Array::make(expr, self.dtype(), Chunks::new(chunks)))
    }

    /// Picks where `mask`, which covers the axes from `axis` on, is true. The axes it covers become one of unknown
    /// length, in C order.
    pub(crate) fn compress_lazily(&self, axis: usize, mask: &Array) -> Result<Array> {
        if mask.dtype() != DType::Bool {
            return Err(ArrayError::Index("arrays used as indices must be of integer (or boolean) type".to_owned()));
        }
        let covered = axis..axis + mask.ndim();
        let (shape, mask_shape) = (self.shape(), mask.shape());
        for (k, own) in covered.clone().enumerate() {
            let (len, mask_len) = (shape[own], mask_shape[k]);
            if len != mask_len && len != UNKNOWN && mask_len != UNKNOWN {
                return Err(mask_mismatch(own, len, mask_len));
            }
        }
        // A block of the result must be a run in C order: whole along all covered axes but the first.
        let own = self.chunks().axes();
        let mut blocks = own.to_vec();
        let behind = &own[covered.start + 1..covered.end];
        if behind.iter().any(|axis| axis.count() > 1) {
            let rows: usize = behind.iter().map(AxisChunks::len).fold(1, usize::saturating_mul);
            let elements: usize = own[covered.clone()].iter().map(|axis| axis.longest().max(1)).product();
            blocks[axis] = cut_long(&own[axis], elements / rows.max(1));
            for covered in covered.start + 1..covered.end {
                blocks[covered] = AxisChunks::new(vec![own[covered].len()]);
            }
        }
        let same_count = own[axis].count() == mask.chunks().axes()[0].count();
        let (input, mask) = if own[axis].is_known() && mask.chunks().is_known() || !same_count {
            let input = self.rechunk_to(Chunks::new(blocks.iter().cloned()))?;
            let mask = mask.rechunk_to(Chunks::new(blocks[covered.clone()].iter().cloned()))?;
            (input, mask)
        } else {
            // Unknown lengths along the first axis: divided alike, since they came about alike.
            let mut of_mask = blocks[covered.clone()].to_vec();
            blocks[axis] = own[axis].clone();
            of_mask[0] = mask.chunks().axes()[0].clone();
            (self.rechunk_to(Chunks::new(blocks.iter().cloned()))?, mask.rechunk_to(Chunks::new(of_mask))?)
        };
        let picked = AxisChunks::new(vec![UNKNOWN; blocks[axis].count()]);
        let (before, after) = (&blocks[..axis], &blocks[covered.end..]);
        let chunks = Chunks::new(before.iter().cloned().chain([picked]).chain(after.iter().cloned()));
        let op = CompressOp {
            dtype: self.dtype(),
            input: input.chunks().clone(),
            mask: mask.chunks().clone(),
            axis: covered.start,
        };
        let expr = Expr::Blocked { op: Arc::new(op), inputs: vec![input, mask] };
        Ok(Array::make(expr, self.dtype(), chunks))
    }

    /// The elements at `indices` (of any shape) along an axis; of the raveled array if `axis` is `None`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Index`] for an index out of bounds.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.take(&[2], &[0, -1], Some(1))?.shape().as_slice(), [4, 2]);
    /// assert!(x.take(&[1], &[7], Some(0)).is_err());
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn take(&self, shape: &[usize], indices: &[i64], axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else { return self.ravel()?.take(shape, indices, Some(0)) };
        let mut index = vec![Index::full(); self.axis(axis)?];
        index.push(Index::Ints { shape: shape.to_vec(), values: indices.to_vec() });
        self.getitem(&index)
    }

    /// The elements along an axis in another order, given as groups of indices. Groups stay whole: as many as make about
    /// a mean block of the axis are a block of the result.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Index`] for an index out of bounds; [`ArrayError::Unknown`] for an unknown
    /// length.
    ///
    /// ```
    /// # use selion_array::{Array, Chunks};
    /// let x = Array::ones(&[6], selion_core::DType::F64, Some(Chunks::regular(&[6], &[3])))?;
    /// let y = x.shuffle(&[vec![5, 0], vec![1], vec![2, 3, 4]], 0)?;
    /// assert_eq!(y.chunks().axes()[0].lens(), [3, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn shuffle(&self, groups: &[Vec<i64>], axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        if !self.chunks().axes()[axis].is_known() {
            self.chunks().known("shuffle")?;
        }
        let all = groups.concat();
        let mean = (self.shape()[axis] / self.chunks().axes()[axis].count()).max(1);
        let (mut lens, mut open) = (vec![], 0);
        for len in groups.iter().map(Vec::len) {
            // A block may be a quarter longer, so that a last small group does not become a block of its own.
            if open > 0 && open + len > mean + mean / 4 {
                lens.push(open);
                open = 0;
            }
            open += len;
            if open >= mean {
                lens.push(open);
                open = 0;
            }
        }
        if open > 0 || lens.is_empty() {
            lens.push(open);
        }
        let taken = self.take(&[all.len()], &all, Some(axis as isize))?;
        let mut axes = taken.chunks().axes().to_vec();
        axes[axis] = AxisChunks::new(lens);
        taken.rechunk_to(Chunks::new(axes))
    }

    /// The elements along an axis for which a one-dimensional condition is true; of the raveled array if `axis` is
    /// `None`. A known condition may be shorter than the axis.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Index`] for a condition that is too long; [`ArrayError::Value`] for one that is
    /// not one-dimensional.
    pub fn compress(&self, condition: &Index, axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else { return self.ravel()?.compress(condition, Some(0)) };
        let axis = self.axis(axis)?;
        let mut index = vec![Index::full(); axis];
        match condition {
            Index::Bools { shape, values } if shape.len() == 1 => {
                let places = values.iter().enumerate().filter(|(_, flag)| **flag).map(|(k, _)| k as i64);
                let values: Vec<i64> = places.collect();
                index.push(Index::Ints { shape: vec![values.len()], values });
            }
            Index::Mask(mask) if mask.ndim() == 1 => index.push(condition.clone()),
            _ => return Err(ArrayError::Value("condition must be a 1-d array".to_owned())),
        }
        self.getitem(&index)
    }
}

/// NumPy's words for a mask of another shape.
pub(crate) fn mask_mismatch(axis: usize, len: usize, mask_len: usize) -> ArrayError {
    ArrayError::Index(format!(
        "boolean index did not match indexed array along axis {axis}; size of axis is {len} but size of corresponding \
         boolean axis is {mask_len}"
    ))
}

/// The step of indices that follow each other up or down: such a list is a slice.
fn consecutive(list: &[usize]) -> Option<isize> {
    match list {
        [] => None,
        [_] => Some(1),
        [first, second, ..] => {
            let step = *second as isize - *first as isize;
            (step.abs() == 1 && list.windows(2).all(|pair| pair[1] as isize - pair[0] as isize == step)).then_some(step)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn follows(list: &[usize], blocks: &[usize], want: &[usize]) {
        let axis = AxisChunks::new(blocks.to_vec());
        let target = mean_block(&axis);
        assert_eq!(follow_blocks(list, &axis, target).lens(), want, "{list:?} of {blocks:?}");
    }

    #[test]
    fn blocks_of_ascending_indices_follow_the_inputs_blocks() {
        follows(&[0, 1, 3, 5, 6, 8, 9], &[4, 4, 4], &[3, 4]);
        follows(&[0, 4, 8], &[4, 4, 4], &[3]);
        follows(&[1; 9], &[4, 4], &[3, 3, 3]);
        follows(&[], &[4], &[0]);
    }
}
