//! Chunk algebra: how an array is divided into blocks.
//!
//! Each axis is a list of block lengths. After boolean indexing a length may be [`UNKNOWN`]. Everything here is
//! arithmetic on these lists; it costs the sum of the numbers of blocks per axis, never their product.

use std::sync::Arc;

use selion_core::{DType, Dims, Region};
use smallvec::SmallVec;

use crate::error::{ArrayError, Result};

/// A length that only computing will tell.
pub const UNKNOWN: usize = usize::MAX;

/// The block lengths of one axis, with their running sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AxisChunks {
    lens: Arc<[usize]>,
    /// `starts[k]` is where block `k` starts; the last entry is the length of the axis. Empty where lengths are unknown.
    starts: Arc<[usize]>,
}

impl AxisChunks {
    /// An axis from its block lengths.
    pub fn new(lens: Vec<usize>) -> Self {
        let starts: Vec<usize> = if lens.contains(&UNKNOWN) {
            Vec::new()
        } else {
            let sums = lens.iter().scan(0, |sum, len| {
                *sum += len;
                Some(*sum)
            });
            std::iter::once(0).chain(sums).collect()
        };
        AxisChunks { lens: lens.into(), starts: starts.into() }
    }

    /// Blocks of `block`, the last one shorter if need be; one empty block for an empty axis.
    pub fn regular(len: usize, block: usize) -> Self {
        if len == 0 {
            return Self::new(vec![0]);
        }
        let block = block.clamp(1, len);
        let mut lens = vec![block; len / block];
        if !len.is_multiple_of(block) {
            lens.push(len % block);
        }
        Self::new(lens)
    }

    /// The block lengths.
    pub fn lens(&self) -> &[usize] {
        &self.lens
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.lens.len()
    }

    /// The length of the axis, or [`UNKNOWN`].
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(UNKNOWN)
    }

    /// Whether the axis is known to have no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all lengths are known.
    pub fn is_known(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Where block `k` starts; 0 where lengths are unknown.
    pub fn start(&self, k: usize) -> usize {
        self.starts.get(k).copied().unwrap_or(0)
    }

    /// Where blocks start, and the end.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The block that holds element `index`.
    pub fn block_of(&self, index: usize) -> usize {
        self.starts.partition_point(|start| *start <= index).saturating_sub(1).min(self.count().saturating_sub(1))
    }

    /// The same axis in blocks of equal length, but for the last: as many as there are, or one less if one of them is no
    /// more than half as long as the longest.
    ///
    /// ```
    /// use selion_array::AxisChunks;
    /// assert_eq!(AxisChunks::new(vec![6, 6, 6, 2]).balanced().lens(), [7, 7, 6]);
    /// ```
    pub fn balanced(&self) -> Self {
        if !self.is_known() || self.count() < 2 {
            return self.clone();
        }
        let shortest = self.lens().iter().copied().min().unwrap_or(0);
        let count = self.count() - usize::from(2 * shortest <= self.longest());
        AxisChunks::regular(self.len(), self.len().div_ceil(count).max(1))
    }

    /// The longest block.
    pub fn longest(&self) -> usize {
        self.lens.iter().copied().filter(|len| *len != UNKNOWN).max().unwrap_or(0)
    }
}

/// The blocks of an array: one list of lengths per axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunks {
    axes: Arc<[AxisChunks]>,
}

impl Chunks {
    /// From one list of block lengths per axis.
    pub fn new(axes: impl IntoIterator<Item = AxisChunks>) -> Self {
        Chunks { axes: axes.into_iter().collect() }
    }

    /// From plain lists.
    pub fn from_lens(lens: &[Vec<usize>]) -> Self {
        Self::new(lens.iter().map(|lens| AxisChunks::new(lens.clone())))
    }

    /// One block that is all of the array.
    pub fn whole(shape: &[usize]) -> Self {
        Self::new(shape.iter().map(|len| AxisChunks::new(vec![*len])))
    }

    /// Blocks of one size.
    pub fn regular(shape: &[usize], block: &[usize]) -> Self {
        Self::new(shape.iter().zip(block).map(|(len, block)| AxisChunks::regular(*len, *block)))
    }

    /// The axes.
    pub fn axes(&self) -> &[AxisChunks] {
        &self.axes
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.axes.len()
    }

    /// The length of each axis; [`UNKNOWN`] where it is so.
    pub fn shape(&self) -> Dims {
        self.axes.iter().map(AxisChunks::len).collect()
    }

    /// The number of blocks along each axis.
    pub fn numblocks(&self) -> Dims {
        self.axes.iter().map(AxisChunks::count).collect()
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.axes.iter().map(AxisChunks::count).product()
    }

    /// Whether all lengths are known.
    pub fn is_known(&self) -> bool {
        self.axes.iter().all(AxisChunks::is_known)
    }

    /// The coordinates of block number `index` for people to read: `(0, 1)`, or `0` along a single axis.
    pub(crate) fn place(&self, index: usize) -> String {
        let at: Vec<String> = self.coordinates(index).iter().map(usize::to_string).collect();
        if at.len() > 1 { format!("({})", at.join(", ")) } else { at.concat() }
    }

    /// The coordinates of block number `index`, in C order.
    pub fn coordinates(&self, mut index: usize) -> Dims {
        let mut at: Dims = SmallVec::from_elem(0, self.ndim());
        for axis in (0..self.ndim()).rev() {
            let count = self.axes[axis].count();
            at[axis] = index % count;
            index /= count;
        }
        at
    }

    /// The number, in C order, of the block at `coordinates`.
    pub fn index(&self, coordinates: &[usize]) -> usize {
        coordinates.iter().zip(self.axes.iter()).fold(0, |index, (at, axis)| index * axis.count() + at)
    }

    /// The lengths of the block at `coordinates`.
    pub fn block_shape(&self, coordinates: &[usize]) -> Dims {
        coordinates.iter().zip(self.axes.iter()).map(|(at, axis)| axis.lens()[*at]).collect()
    }

    /// Where the block at `coordinates` starts.
    pub fn block_start(&self, coordinates: &[usize]) -> Dims {
        coordinates.iter().zip(self.axes.iter()).map(|(at, axis)| axis.start(*at)).collect()
    }

    /// The box of elements that the block at `coordinates` is.
    pub fn region(&self, coordinates: &[usize]) -> Region {
        Region { start: self.block_start(coordinates), shape: self.block_shape(coordinates) }
    }

    /// Elements of the largest block.
    pub fn largest_block(&self) -> usize {
        self.axes.iter().map(AxisChunks::longest).product()
    }

    /// The shape as Python writes it, `nan` for unknown lengths.
    pub fn shape_text(&self) -> String {
        shape_text(&self.shape())
    }

    /// Fails where a length is unknown.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`], naming the operation.
    pub fn known(&self, what: &'static str) -> Result<()> {
        if self.is_known() { Ok(()) } else { Err(ArrayError::Unknown { what, shape: self.shape_text() }) }
    }
}

/// A shape as Python writes it, `nan` for unknown lengths.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let len = |len: &usize| if *len == UNKNOWN { "nan".to_owned() } else { len.to_string() };
    let lens: Vec<String> = shape.iter().map(len).collect();
    if lens.len() == 1 { format!("({},)", lens[0]) } else { format!("({})", lens.join(", ")) }
}

/// How the user asks for one axis to be divided.
#[derive(Clone, Debug, PartialEq)]
pub enum ChunkSpec {
    /// Blocks of this length (-1: the whole axis).
    Size(i64),
    /// These block lengths.
    Lens(Vec<usize>),
    /// Whatever makes blocks of the given number of bytes.
    Auto,
    /// As the storage, or the array that is rechunked, has it.
    Keep,
}

/// The blocks of an array of `shape`, as asked for.
///
/// `Auto` axes get lengths so that a block has at most `limit_bytes` bytes, as nearly the same in all of them as whole
/// multiples of the storage's own chunks (`previous`) allow.
///
/// # Errors
/// [`ArrayError::Chunks`], in Dask's words, if there are too many or too few specifications, or the lengths do not add
/// up to the shape.
///
/// ```
/// use selion_array::{ChunkSpec, normalize_chunks};
/// use selion_core::DType;
/// let chunks = normalize_chunks(&[ChunkSpec::Size(4), ChunkSpec::Size(-1)], &[10, 3], DType::F64, 1 << 20, None)?;
/// assert_eq!(chunks.axes()[0].lens(), [4, 4, 2]);
/// assert_eq!(chunks.axes()[1].lens(), [3]);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn normalize_chunks(
    specs: &[ChunkSpec],
    shape: &[usize],
    dtype: DType,
    limit_bytes: usize,
    previous: Option<&Chunks>,
) -> Result<Chunks> {
    if specs.len() != shape.len() {
        return Err(ArrayError::Chunks(format!(
            "Chunks and shape must be of the same length/dimension. Got chunks for {} dimensions, shape={shape:?}",
            specs.len()
        )));
    }
    let mut axes: Vec<Option<AxisChunks>> = Vec::with_capacity(shape.len());
    for (axis, (spec, len)) in specs.iter().zip(shape).enumerate() {
        axes.push(match spec {
            ChunkSpec::Size(-1) => Some(AxisChunks::new(vec![*len])),
            ChunkSpec::Size(size) if *size > 0 => Some(AxisChunks::regular(*len, *size as usize)),
            ChunkSpec::Size(0) if *len == 0 => Some(AxisChunks::new(vec![0])),
            ChunkSpec::Size(size) => {
                return Err(ArrayError::Chunks(format!(
                    "chunk size {size} of axis {axis} must be positive, or -1 for the whole axis"
                )));
            }
            ChunkSpec::Lens(lens) => {
                let sum: usize = lens.iter().sum();
                if sum != *len && *len != UNKNOWN {
                    return Err(ArrayError::Chunks(format!(
                        "Chunks do not add up to shape. Got chunks={lens:?} for axis {axis}, shape={shape:?}"
                    )));
                }
                Some(AxisChunks::new(if lens.is_empty() { vec![0] } else { lens.clone() }))
            }
            ChunkSpec::Keep => Some(match previous {
                Some(previous) => previous.axes()[axis].clone(),
                None => AxisChunks::new(vec![*len]),
            }),
            ChunkSpec::Auto => None,
        });
    }
    let fixed: usize = axes.iter().flatten().map(|axis| axis.longest().max(1)).product();
    let automatic: Vec<usize> = (0..shape.len()).filter(|axis| axes[*axis].is_none()).collect();
    let sizes = auto_sizes(&automatic, shape, (limit_bytes / dtype.size()).max(1) / fixed.max(1), previous);
    for (axis, size) in automatic.into_iter().zip(sizes) {
        axes[axis] = Some(AxisChunks::regular(shape[axis], size));
    }
    Ok(Chunks::new(axes.into_iter().flatten()))
}

/// Block lengths for the axes in `automatic` so that their product is at most `budget` elements.
///
/// Where whole storage chunks fit the budget, lengths are multiples of theirs; else storage chunks are divided.
fn auto_sizes(automatic: &[usize], shape: &[usize], budget: usize, previous: Option<&Chunks>) -> Vec<usize> {
    let lens: Vec<usize> = automatic.iter().map(|axis| shape[*axis].max(1)).collect();
    let grains: Vec<usize> = match previous {
        Some(chunks) => {
            automatic.iter().zip(&lens).map(|(a, len)| chunks.axes()[*a].longest().clamp(1, *len)).collect()
        }
        None => vec![1; lens.len()],
    };
    let grain: usize = grains.iter().product();
    if grain <= budget {
        let units: Vec<usize> = lens.iter().zip(&grains).map(|(len, grain)| len.div_ceil(*grain)).collect();
        let shares = even_shares(&units, budget / grain.max(1));
        return (0..lens.len()).map(|k| (shares[k] * grains[k]).min(lens[k])).collect();
    }
    let shares = even_shares(&lens, budget);
    (0..lens.len())
        .map(|k| if shares[k] >= grains[k] { shares[k] } else { divisor_step(grains[k], shares[k]) })
        .collect()
}

/// Lengths of at most `lens` whose product is at most `budget`: axes shorter than an even share keep their length, the
/// others share what is left.
fn even_shares(lens: &[usize], budget: usize) -> Vec<usize> {
    let mut shares = lens.to_vec();
    let mut open: Vec<usize> = (0..lens.len()).collect();
    let mut left = budget.max(1) as f64;
    while !open.is_empty() {
        let share = left.powf(1.0 / open.len() as f64);
        let (short, long): (Vec<usize>, Vec<usize>) = open.iter().partition(|k| lens[**k] as f64 <= share);
        if short.is_empty() {
            for k in long {
                shares[k] = (share + 1e-9).floor().max(1.0) as usize;
            }
            break;
        }
        for k in short {
            left /= lens[k] as f64;
        }
        open = long;
    }
    shares
}

/// The largest length of at most `share` that cuts a storage chunk of `grain` into nearly equal parts.
fn divisor_step(grain: usize, share: usize) -> usize {
    grain.div_ceil(grain.div_ceil(share.max(1)))
}

/// The coarsest division of an axis whose blocks lie within the blocks of all of `axes`.
///
/// # Errors
/// [`ArrayError::Chunks`] if the lengths differ, or unknown ones are not divided alike.
pub fn common_division(axes: &[&AxisChunks]) -> Result<AxisChunks> {
    let first = axes[0];
    if axes.iter().all(|axis| *axis == first) {
        return Ok(first.clone());
    }
    if axes.iter().any(|axis| !axis.is_known()) {
        if axes.iter().all(|axis| axis.count() == first.count()) {
            let known = axes.iter().find(|axis| axis.is_known()).unwrap_or(&first);
            return Ok((*known).clone());
        }
        return Err(ArrayError::Chunks(
            "Arrays' chunks cannot be unified: some lengths are unknown, and the numbers of blocks differ".to_owned(),
        ));
    }
    let mut cuts: Vec<usize> = axes.iter().flat_map(|axis| axis.starts()[1..].iter().copied()).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut lens = Vec::with_capacity(cuts.len());
    let mut start = 0;
    for cut in cuts {
        if cut > start || first.is_empty() {
            lens.push(cut - start);
        }
        start = cut;
    }
    Ok(AxisChunks::new(lens))
}

/// The blocks of a slice `start, start + step, …` of `len` elements, each within one block of `axis`.
pub fn slice_division(axis: &AxisChunks, start: usize, step: isize, len: usize) -> AxisChunks {
    if len == 0 {
        return AxisChunks::new(vec![0]);
    }
    if step == 1 && start == 0 && len == axis.len() {
        return axis.clone();
    }
    let mut lens = Vec::new();
    let mut done = 0;
    let mut at = start as isize;
    while done < len {
        let block = axis.block_of(at as usize);
        let room = if step > 0 {
            (axis.start(block + 1) as isize - 1 - at) / step + 1
        } else {
            (at - axis.start(block) as isize) / -step + 1
        };
        let take = (room as usize).min(len - done);
        lens.push(take);
        done += take;
        at += step * take as isize;
    }
    AxisChunks::new(lens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn auto(shape: &[usize], limit: usize, want: &[&[usize]]) {
        let specs = vec![ChunkSpec::Auto; shape.len()];
        let chunks = normalize_chunks(&specs, shape, DType::F64, limit, None).unwrap();
        let got: Vec<&[usize]> = chunks.axes().iter().map(AxisChunks::lens).collect();
        assert_eq!(got, want, "shape {shape:?}");
    }

    #[test]
    fn auto_fills_the_limit_evenly() {
        auto(&[100, 100], 8 * 2500, &[&[50, 50], &[50, 50]]);
        auto(&[10, 1000], 8 * 1000, &[&[10], &[100; 10]]);
        auto(&[3], 1 << 20, &[&[3]]);
        auto(&[0, 5], 1 << 20, &[&[0], &[5]]);
    }

    #[test]
    fn auto_keeps_whole_storage_chunks() {
        let previous = Chunks::regular(&[1000, 1000], &[30, 1000]);
        let specs = [ChunkSpec::Auto, ChunkSpec::Size(-1)];
        let chunks = normalize_chunks(&specs, &[1000, 1000], DType::F64, 8 * 100_000, Some(&previous)).unwrap();
        assert_eq!(chunks.axes()[0].lens()[0], 90);
    }

    #[test]
    fn lengths_must_add_up() {
        let specs = [ChunkSpec::Lens(vec![3, 3])];
        assert!(matches!(normalize_chunks(&specs, &[7], DType::F64, 1, None), Err(ArrayError::Chunks(_))));
    }

    #[test]
    fn common_division_cuts_wherever_any_does() {
        let (a, b) = (AxisChunks::new(vec![4, 6]), AxisChunks::new(vec![5, 5]));
        assert_eq!(common_division(&[&a, &b]).unwrap().lens(), [4, 1, 5]);
    }

    #[test]
    fn slices_stay_within_blocks() {
        let axis = AxisChunks::new(vec![4, 4, 2]);
        assert_eq!(slice_division(&axis, 9, -1, 10).lens(), [2, 4, 4]);
        assert_eq!(slice_division(&axis, 1, 3, 3).lens(), [1, 2]);
        assert_eq!(slice_division(&axis, 0, 1, 0).lens(), [0]);
    }
}
