//! Blocks that overlap their neighbours, for functions that look around each element: stencils, filters, windows.
//!
//! Along an axis, an extended block covers the elements of its own block and `depth` more on either side. Beyond the ends
//! of the array lies nothing, or what a [`Boundary`] says. An axis is taken apart into runs of elements, each within one
//! block and with one step (backwards where it is reflected, none where it repeats); an extended block is put together
//! from the product of the runs of its axes, so each element is copied once. Rules and words are Dask's.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, DType, Dims, Scalar, Steps, Value, assign, contiguous_strides};
use smallvec::SmallVec;

use crate::block_fn::{BlockFn, Made, chunk_of};
use crate::blockwise::{BlockFunction, BlockLens, MapBlocks, dropped_axes, map_blocks};
use crate::chunks::{AxisChunks, Chunks, common_division};
use crate::error::{ArrayError, Result};
use crate::expr::Array;

/// What lies beyond the ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// Nothing: blocks at the ends are extended on one side only.
    None,
    /// The elements next to the end in reverse, the last one included.
    Reflect,
    /// The elements at the other end.
    Periodic,
    /// The last element.
    Nearest,
    /// This value, of the array's dtype.
    Constant(Scalar),
}

/// How far blocks reach into their neighbours along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// Elements before the block.
    pub before: usize,
    /// Elements behind it.
    pub after: usize,
    /// What lies beyond the ends.
    pub boundary: Boundary,
}

impl Overlap {
    /// No overlap.
    pub const NONE: Overlap = Overlap { before: 0, after: 0, boundary: Boundary::None };

    /// As many elements on either side.
    pub fn even(depth: usize, boundary: Boundary) -> Self {
        Overlap { before: depth, after: depth, boundary }
    }

    /// By how much block `k` of `count` is extended in front and behind.
    fn reach(&self, k: usize, count: usize) -> (usize, usize) {
        let open = self.boundary == Boundary::None;
        (if open && k == 0 { 0 } else { self.before }, if open && k + 1 == count { 0 } else { self.after })
    }
}

/// A run of elements along an axis of an extended block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Run {
    /// Elements `start, start + step, …` of a block; the same one again and again where `step` is 0.
    Block { block: usize, start: usize, step: isize },
    /// A value from nowhere.
    Constant(Scalar),
}

/// The runs that make up an extended block along an axis, with their lengths.
fn runs(axis: &AxisChunks, overlap: Overlap, k: usize) -> SmallVec<[(Run, usize); 4]> {
    let (before, after) = overlap.reach(k, axis.count());
    let len = axis.len() as isize;
    let (first, end) = (axis.start(k) as isize - before as isize, axis.start(k + 1) as isize + after as isize);
    let mut runs = SmallVec::new();
    let mut at = first;
    while at < end {
        let (run, count) = if (0..len).contains(&at) {
            let block = axis.block_of(at as usize);
            let start = at as usize - axis.start(block);
            (Run::Block { block, start, step: 1 }, axis.lens()[block] - start)
        } else {
            let to_edge = if at < 0 { -at } else { end - at } as usize;
            let (place, step) = match overlap.boundary {
                Boundary::Constant(value) => {
                    runs.push((Run::Constant(value), to_edge));
                    at += to_edge as isize;
                    continue;
                }
                Boundary::Reflect => (if at < 0 { -1 - at } else { 2 * len - 1 - at }, -1),
                Boundary::Periodic => (at.rem_euclid(len), 1),
                Boundary::Nearest | Boundary::None => (at.clamp(0, len - 1), 0),
            };
            let block = axis.block_of(place.max(0) as usize);
            let start = place.max(0) as usize - axis.start(block);
            let room = match step {
                0 => to_edge,
                1 => axis.lens()[block] - start,
                _ => start + 1,
            };
            (Run::Block { block, start, step }, room.min(to_edge))
        };
        let count = count.min((end - at) as usize);
        runs.push((run, count));
        at += count as isize;
    }
    runs
}

/// One box of an extended block: the run along each axis, and where the box starts.
struct Piece {
    runs: SmallVec<[(Run, usize); 4]>,
    start: Dims,
}

impl Piece {
    /// The value of which the box consists, if it lies beyond an end: that of the last such axis.
    fn constant(&self) -> Option<Scalar> {
        let value = |run: &(Run, usize)| match run.0 {
            Run::Constant(value) => Some(value),
            Run::Block { .. } => None,
        };
        self.runs.iter().rev().find_map(value)
    }

    fn shape(&self) -> Dims {
        self.runs.iter().map(|(_, len)| *len).collect()
    }

    /// The block in which the box lies.
    fn block(&self, chunks: &Chunks) -> usize {
        let at: Dims = self
            .runs
            .iter()
            .map(|(run, _)| match run {
                Run::Block { block, .. } => *block,
                Run::Constant(_) => 0,
            })
            .collect();
        chunks.index(&at)
    }

    /// The box as a view of that block.
    fn of(&self, block: &Chunk) -> Chunk {
        let (mut offset, mut strides): (isize, Steps) = (0, Steps::new());
        for ((run, _), stride) in self.runs.iter().zip(block.strides()) {
            if let Run::Block { start, step, .. } = run {
                offset += *start as isize * stride;
                strides.push(step * stride);
            }
        }
        block.view(offset, self.shape(), strides)
    }
}

/// The boxes of the extended block at `coordinates`, and its shape.
fn pieces(chunks: &Chunks, overlaps: &[Overlap], coordinates: &[usize]) -> (Vec<Piece>, Dims) {
    let mut pieces = vec![Piece { runs: SmallVec::new(), start: Dims::new() }];
    let mut shape = Dims::new();
    for ((axis, overlap), at) in chunks.axes().iter().zip(overlaps).zip(coordinates) {
        let runs = runs(axis, *overlap, *at);
        let mut longer = Vec::with_capacity(pieces.len() * runs.len());
        for piece in &pieces {
            let mut begin = 0;
            for run in &runs {
                let (mut own, mut start) = (piece.runs.clone(), piece.start.clone());
                own.push(*run);
                start.push(begin);
                longer.push(Piece { runs: own, start });
                begin += run.1;
            }
        }
        pieces = longer;
        shape.push(runs.iter().map(|(_, len)| *len).sum());
    }
    (pieces, shape)
}

/// The blocks that the boxes need, each once.
fn blocks_of(pieces: &[Piece], chunks: &Chunks) -> Vec<usize> {
    let mut blocks: Vec<usize> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.constant().is_none()) {
        let block = piece.block(chunks);
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    blocks
}

/// The blocks of an axis, merged with their neighbours so that none is shorter than `size`.
///
/// # Errors
/// [`ArrayError::Value`] if the axis is.
fn blocks_of_at_least(size: usize, axis: &AxisChunks) -> Result<AxisChunks> {
    if axis.lens().iter().all(|len| *len >= size) {
        return Ok(axis.clone());
    }
    let mut lens: Vec<usize> = Vec::new();
    let mut open = 0;
    for len in axis.lens() {
        if *len < size {
            if open > 2 * size - len {
                lens.push(open - (size - len));
                open = size;
            } else {
                open += len;
            }
        }
        if open >= size {
            lens.push(open);
            open = 0;
        }
        if *len >= size {
            open += len;
        }
    }
    match lens.last_mut() {
        _ if open >= size => lens.push(open),
        Some(last) => *last += open,
        None => {
            return Err(ArrayError::Value(format!(
                "The overlapping depth {size} is larger than your array {}.",
                axis.len()
            )));
        }
    }
    Ok(AxisChunks::new(lens))
}

impl Array {
    /// The array whose blocks are extended by elements of their neighbours, as `overlaps` says for each axis.
    ///
    /// Where a block is shorter than the depth, the axis is rechunked if `allow_rechunk`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for a depth larger than the axis, or than a block if that may not be rechunked;
    /// [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, Boundary, Chunks, Overlap};
    /// let x = Array::ones(&[6], selion_core::DType::F64, Some(Chunks::regular(&[6], &[3])))?;
    /// let extended = x.overlap(&[Overlap::even(1, Boundary::Reflect)], true)?;
    /// assert_eq!(extended.chunks().axes()[0].lens(), [5, 5]);
    /// let wrong = x.overlap(&[Overlap::even(7, Boundary::None)], true).unwrap_err();
    /// assert_eq!(wrong.to_string(), "The overlapping depth 7 is larger than your array 6.");
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn overlap(&self, overlaps: &[Overlap], allow_rechunk: bool) -> Result<Array> {
        self.check_overlaps(overlaps)?;
        for overlap in overlaps {
            if let Boundary::Constant(value) = overlap.boundary
                && value.dtype() != self.dtype()
            {
                return Err(ArrayError::Type(format!(
                    "the boundary value is {} where {} was expected",
                    value.dtype(),
                    self.dtype()
                )));
            }
        }
        if overlaps.iter().all(|overlap| overlap.before == 0 && overlap.after == 0) {
            return Ok(self.clone());
        }
        self.chunks().known("overlap")?;
        let depths: Vec<usize> = overlaps.iter().map(|overlap| overlap.before.max(overlap.after)).collect();
        let input = if allow_rechunk {
            let axes = self.chunks().axes().iter().zip(&depths).map(|(axis, depth)| blocks_of_at_least(*depth, axis));
            self.rechunk_to(Chunks::new(axes.collect::<Result<Vec<_>>>()?))?
        } else {
            self.clone()
        };
        let from = input.chunks().clone();
        if from.axes().iter().zip(&depths).any(|(axis, depth)| axis.lens().iter().any(|len| len < depth)) {
            let lens: Vec<&[usize]> = from.axes().iter().map(AxisChunks::lens).collect();
            return Err(ArrayError::Value(format!(
                "Overlap depth is larger than smallest chunksize.\nPlease set allow_rechunk=True to rechunk \
                 automatically.\nOverlap depths required: {depths:?}\nInput chunks: {lens:?}\n"
            )));
        }
        let axes = from.axes().iter().zip(overlaps).map(|(axis, overlap)| {
            let extended = |(k, len): (usize, &usize)| {
                let (before, after) = overlap.reach(k, axis.count());
                len + before + after
            };
            AxisChunks::new(axis.lens().iter().enumerate().map(extended).collect())
        });
        let to = Chunks::new(axes.collect::<Vec<_>>());
        let overlaps: Arc<[Overlap]> = overlaps.into();
        let dtype = self.dtype();
        let op = BlockFn::new(
            "overlap",
            Arc::clone(&overlaps),
            {
                let (from, overlaps) = (from.clone(), Arc::clone(&overlaps));
                move |at, needs| {
                    let (pieces, _) = pieces(&from, &overlaps, at);
                    needs.extend(blocks_of(&pieces, &from).into_iter().map(|block| (0, block)));
                }
            },
            move |at, inputs| -> Made {
                let (pieces, shape) = pieces(&from, &overlaps, at);
                let blocks = blocks_of(&pieces, &from);
                let strides = contiguous_strides(&shape);
                let mut buffer = Buffer::scratch(shape.iter().product::<usize>() * dtype.size());
                for piece in pieces {
                    let part = match piece.constant() {
                        Some(value) => Chunk::full(&piece.shape(), value),
                        None => {
                            let block = piece.block(&from);
                            let input = blocks.iter().position(|other| *other == block);
                            let chunk = input.and_then(|input| inputs.get(input)).and_then(Value::as_chunk);
                            piece.of(chunk.ok_or("a block is missing")?)
                        }
                    };
                    let offset = piece.start.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
                    assign(&mut buffer, offset, &strides, &part);
                }
                Ok(Chunk::new(dtype, &shape, buffer).into())
            },
        );
        Ok(op.array(vec![input], dtype, to))
    }

    /// Takes away again what [`Array::overlap`] put around the blocks.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if a block is shorter than what is to be taken away.
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, Boundary, Chunks, Overlap};
    /// let x = Array::ones(&[6], selion_core::DType::F64, Some(Chunks::regular(&[6], &[3])))?;
    /// let overlaps = [Overlap::even(1, Boundary::None)];
    /// assert_eq!(x.overlap(&overlaps, true)?.trim_overlap(&overlaps)?.chunks(), x.chunks());
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn trim_overlap(&self, overlaps: &[Overlap]) -> Result<Array> {
        self.check_overlaps(overlaps)?;
        if overlaps.iter().all(|overlap| overlap.before == 0 && overlap.after == 0) {
            return Ok(self.clone());
        }
        let from = self.chunks().clone();
        let mut axes = Vec::with_capacity(from.ndim());
        for (axis, overlap) in from.axes().iter().zip(overlaps) {
            if overlap.before + overlap.after == 0 {
                axes.push(axis.clone());
                continue;
            }
            let mut lens = Vec::with_capacity(axis.count());
            for (k, len) in axis.lens().iter().enumerate() {
                let (before, after) = overlap.reach(k, axis.count());
                if *len == crate::chunks::UNKNOWN {
                    lens.push(*len);
                    continue;
                }
                lens.push(len.checked_sub(before + after).ok_or_else(|| {
                    ArrayError::Value(format!(
                        "a block of length {len} cannot be trimmed by {before} elements in front and {after} behind"
                    ))
                })?);
            }
            axes.push(AxisChunks::new(lens));
        }
        let (overlaps, counts): (Vec<Overlap>, Dims) = (overlaps.to_vec(), from.numblocks());
        let op = BlockFn::new(
            "trim",
            overlaps.clone(),
            move |at, needs| needs.push((0, from.index(at))),
            move |at, inputs| {
                let mut block = chunk_of(inputs)?.clone();
                for (axis, overlap) in overlaps.iter().enumerate() {
                    let (before, after) = overlap.reach(at[axis], counts[axis]);
                    let left = block.shape()[axis].checked_sub(before + after).ok_or("a block is too short to trim")?;
                    block = block.slice(axis, before, 1, left);
                }
                Ok(block.into())
            },
        );
        Ok(op.array(vec![self.clone()], self.dtype(), Chunks::new(axes)))
    }

    fn check_overlaps(&self, overlaps: &[Overlap]) -> Result<()> {
        if overlaps.len() == self.ndim() {
            return Ok(());
        }
        Err(ArrayError::Value(format!(
            "depths are given for {} axes of an array of {} dimensions",
            overlaps.len(),
            self.ndim()
        )))
    }
}

/// Applies a function to blocks that overlap their neighbours, and trims what it gives if `trim`.
///
/// Each input comes with its overlaps. Inputs are rechunked to common blocks first, counted from the last axis, if
/// `align_arrays`.
///
/// # Errors
/// As [`Array::overlap`], [`Array::trim_overlap`] and [`map_blocks`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use selion_array::{Array, BlockFunction, BlockInfo, Boundary, MapBlocks, MapOverlap, Overlap, map_overlap};
/// use selion_core::{DType, TaskContext, TaskError, Value};
///
/// struct Same;
/// impl BlockFunction for Same {
///     fn name(&self) -> &str { "same" }
///     fn identity(&self) -> u64 { 0 }
///     fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> { Ok(inputs[0].clone()) }
/// }
///
/// let x = Array::ones(&[6, 4], DType::F64, None)?;
/// let overlaps = vec![Overlap::even(1, Boundary::Periodic), Overlap::NONE];
/// let y = map_overlap(Arc::new(Same), &[(x.clone(), overlaps)], DType::F64, &MapOverlap::default())?;
/// assert_eq!(y.shape(), x.shape());
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn map_overlap(
    function: Arc<dyn BlockFunction>,
    inputs: &[(Array, Vec<Overlap>)],
    dtype: DType,
    options: &MapOverlap,
) -> Result<Array> {
    let mut inputs = inputs.to_vec();
    for (array, overlaps) in &inputs {
        array.check_overlaps(overlaps)?;
    }
    if options.align_arrays {
        align_from_last(&mut inputs, options.allow_rechunk)?;
    }
    let extended = inputs.iter().map(|(array, overlaps)| array.overlap(overlaps, options.allow_rechunk));
    let extended: Vec<Array> = extended.collect::<Result<_>>()?;
    if !options.trim {
        return untrimmed(function, &inputs, &extended, dtype, options);
    }
    let result = map_blocks(function, &extended, dtype, &options.blocks)?;
    // The first of the inputs with most axes says by how much.
    let most = inputs.iter().rev().max_by_key(|(array, _)| array.ndim());
    let mut overlaps = most.map(|(_, overlaps)| overlaps.clone()).unwrap_or_default();
    let dropped = dropped_axes(&options.blocks.drop_axis, overlaps.len())?;
    let mut axis = 0;
    overlaps.retain(|_| {
        axis += 1;
        !dropped.contains(&(axis - 1))
    });
    let mut fresh = options.blocks.new_axis.clone().unwrap_or_default();
    fresh.sort_unstable();
    for axis in fresh {
        overlaps.insert(axis.min(overlaps.len()), Overlap::NONE);
    }
    while overlaps.len() < result.ndim() {
        overlaps.insert(0, Overlap::NONE);
    }
    result.trim_overlap(&overlaps)
}

/// Applies a function that trims by itself: it gives blocks as long as those of the first input without its overlap.
fn untrimmed(
    function: Arc<dyn BlockFunction>,
    inputs: &[(Array, Vec<Overlap>)],
    extended: &[Array],
    dtype: DType,
    options: &MapOverlap,
) -> Result<Array> {
    let mut blocks = options.blocks.clone();
    let same_axes = blocks.drop_axis.is_empty() && blocks.new_axis.is_none();
    if let (None, true, Some((array, overlaps))) = (&blocks.chunks, same_axes, inputs.first()) {
        let own = array.chunks().axes().iter().zip(overlaps).map(|(axis, overlap)| {
            let depth = if options.allow_rechunk { overlap.before.max(overlap.after) } else { 0 };
            Ok(BlockLens::All(blocks_of_at_least(depth, axis)?.lens().to_vec()))
        });
        blocks.chunks = Some(own.collect::<Result<_>>()?);
    }
    map_blocks(function, extended, dtype, &blocks)
}

/// How [`map_overlap`] goes about it.
#[derive(Clone, Debug)]
pub struct MapOverlap {
    /// Whether what was put around the blocks is taken away from the results. If not, the function does so.
    pub trim: bool,
    /// Whether inputs are rechunked to common blocks.
    pub align_arrays: bool,
    /// Whether an axis with blocks shorter than the depth is rechunked.
    pub allow_rechunk: bool,
    /// What [`map_blocks`] is told.
    pub blocks: MapBlocks,
}

impl Default for MapOverlap {
    fn default() -> Self {
        MapOverlap { trim: true, align_arrays: true, allow_rechunk: true, blocks: MapBlocks::default() }
    }
}

/// Rechunks the inputs to common blocks along axes with the same distance from the last one, with blocks that are long
/// enough for the depths of all if `long_enough`.
fn align_from_last(inputs: &mut [(Array, Vec<Overlap>)], long_enough: bool) -> Result<()> {
    let ndim = inputs.iter().map(|(array, _)| array.ndim()).max().unwrap_or(0);
    for from_last in 0..ndim {
        let own = |array: &Array| array.ndim().checked_sub(from_last + 1);
        let mut axes: Vec<&AxisChunks> = Vec::new();
        let mut depth = 0;
        for (array, overlaps) in inputs.iter() {
            if let Some(axis) = own(array) {
                axes.extend(Some(&array.chunks().axes()[axis]).filter(|axis| axis.len() != 1));
                depth = depth.max(overlaps[axis].before.max(overlaps[axis].after));
            }
        }
        if axes.is_empty() {
            continue;
        }
        if axes.iter().any(|axis| axis.is_known() && axes[0].is_known() && axis.len() != axes[0].len()) {
            let shapes = inputs.iter().map(|(array, _)| array.shape().to_vec()).collect();
            return Err(ArrayError::Broadcast(shapes));
        }
        let mut common = common_division(&axes)?;
        if common.is_known() && long_enough {
            common = blocks_of_at_least(depth, &common)?;
        }
        for (array, _) in inputs.iter_mut() {
            let Some(axis) = own(array) else { continue };
            let chunks = &array.chunks().axes()[axis];
            if chunks.is_known() && chunks.len() != 1 && *chunks != common {
                let mut axes = array.chunks().axes().to_vec();
                axes[axis] = common.clone();
                *array = array.rechunk_to(Chunks::new(axes))?;
            }
        }
    }
    Ok(())
}
