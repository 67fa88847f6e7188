//! Other lengths of axes for the same elements in C order.
//!
//! Axes of length 1 come and go by views. Of the rest, consecutive axes whose lengths have the same product on both
//! sides form groups; a group is passed on, merged into one axis, split into several, or merged and then split. For a
//! merge or a split to work block by block, blocks must be runs of elements in C order: of the group's axes, those
//! before some *pivot* are cut into single elements and those behind it are not cut. The pivot is the first axis for
//! which such blocks are no larger than the array's blocks are now; a rechunk provides them. Memory without gaps and
//! constants take a new shape at once.

use std::sync::Arc;

use selion_core::{Dims, TaskContext, TaskError, Value};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, shape_text};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};

/// Passes each block on under another shape; blocks of both sides have the same number in C order.
struct ReshapeOp {
    to: Chunks,
}

impl BlockOp for ReshapeOp {
    fn name(&self) -> &str {
        "reshape"
    }

    fn identity(&self) -> u64 {
        hash_of(&self.to)
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.push((0, self.to.index(coordinates)));
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let [Value::Chunk(chunk)] = inputs else { return Err("reshape needs one block".into()) };
        let mut shape = self.to.block_shape(coordinates);
        if shape.contains(&UNKNOWN) {
            let known: usize = shape.iter().filter(|len| **len != UNKNOWN).product();
            for len in shape.iter_mut().filter(|len| **len == UNKNOWN) {
                *len = chunk.len() / known.max(1);
            }
        }
        Ok(Value::Chunk(chunk.reshape(&shape)))
    }
}

/// Consecutive axes of both shapes that hold the same elements.
struct Group {
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
}

/// The finest groups of two shapes without axes of length 1 and with the same, positive number of elements.
fn groups(from: &[usize], to: &[usize]) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let (start_i, start_j) = (i, j);
        let (mut left, mut right) = (from[i], to[j]);
        i += 1;
        j += 1;
        while left != right {
            if left < right {
                left *= from[i];
                i += 1;
            } else {
                right *= to[j];
                j += 1;
            }
        }
        groups.push(Group { from: start_i..i, to: start_j..j });
    }
    groups
}

/// The axes of `from` that follow each other and make each axis of `to`, if they do. No length is 0.
fn merged(from: &[usize], to: &[usize]) -> Option<Vec<std::ops::Range<usize>>> {
    let mut end = 0;
    let mut groups = Vec::with_capacity(to.len());
    for (k, len) in to.iter().enumerate() {
        let (start, mut product) = (end, 1);
        while end == start || product < *len || (from.get(end) == Some(&1) && from.len() - end > to.len() - k - 1) {
            product *= from.get(end)?;
            end += 1;
        }
        if product != *len {
            return None;
        }
        groups.push(start..end);
    }
    (end == from.len()).then_some(groups)
}

/// Blocks of at most `limit` elements that lie within the given ones, cut as evenly as may be.
pub(crate) fn cut_long(axis: &AxisChunks, limit: usize) -> AxisChunks {
    let limit = limit.max(1);
    if axis.longest() <= limit {
        return axis.clone();
    }
    let mut lens = Vec::new();
    for len in axis.lens() {
        let parts = len.div_ceil(limit).max(1);
        lens.extend((0..parts).map(|part| len * (part + 1) / parts - len * part / parts));
    }
    AxisChunks::new(lens)
}

/// Blocks of several axes that are runs in C order, at most about `limit` elements long, and the runs' lengths.
fn runs(axes: &[AxisChunks], limit: usize) -> (Vec<AxisChunks>, AxisChunks) {
    let behind = |pivot: usize| axes[pivot + 1..].iter().map(AxisChunks::len).product::<usize>();
    let pivot = (0..axes.len()).find(|pivot| behind(*pivot) <= limit.max(1)).unwrap_or(axes.len() - 1);
    let unit = behind(pivot);
    let before: usize = axes[..pivot].iter().map(AxisChunks::len).product();
    let cut = cut_long(&axes[pivot], limit / unit);
    let lens: Vec<usize> = cut.lens().iter().map(|len| len * unit).collect();
    let blocks = axes.iter().enumerate().map(|(axis, own)| match axis.cmp(&pivot) {
        std::cmp::Ordering::Less => AxisChunks::regular(own.len(), 1),
        std::cmp::Ordering::Equal => cut.clone(),
        std::cmp::Ordering::Greater => AxisChunks::new(vec![own.len()]),
    });
    (blocks.collect(), AxisChunks::new(lens.repeat(before)))
}

/// How an axis is split into axes of the lengths `to`: the blocks it must have, and those of the parts.
fn split(axis: &AxisChunks, to: &[usize], limit: usize) -> (AxisChunks, Vec<AxisChunks>) {
    let unit: usize = to[1..].iter().product();
    if axis.lens().iter().all(|len| len.is_multiple_of(unit)) {
        let first = AxisChunks::new(axis.lens().iter().map(|len| len / unit).collect());
        let rest = to[1..].iter().map(|len| AxisChunks::new(vec![*len]));
        return (axis.clone(), std::iter::once(first).chain(rest).collect());
    }
    let whole: Vec<AxisChunks> = to.iter().map(|len| AxisChunks::new(vec![*len])).collect();
    let (parts, runs) = runs(&whole, limit);
    (runs, parts)
}

impl Array {
    /// The elements, in C order, as an array of `shape`, in which one length may be -1: whatever is left.
    ///
    /// Blocks keep about their size. An axis that is split or merged is rechunked if its blocks are not whole runs.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if the number of elements differs, or two lengths are -1; [`ArrayError::Unknown`] if a length
    /// of this array is unknown and matters.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3, 4], selion_core::DType::F64, None)?;
    /// assert_eq!(x.reshape(&[2, -1])?.shape().as_slice(), [2, 6]);
    /// let wrong = x.reshape(&[5]).unwrap_err();
    /// assert_eq!(wrong.to_string(), "cannot reshape array of size 12 into shape (5,)");
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn reshape(&self, shape: &[i64]) -> Result<Array> {
        if shape.iter().filter(|len| **len < 0).count() > 1 {
            return Err(ArrayError::Value("can only specify one unknown dimension".to_owned()));
        }
        if let Some(wrong) = shape.iter().find(|len| **len < -1) {
            return Err(ArrayError::Value(format!("negative dimension {wrong} is not allowed in a shape")));
        }
        let Some(size) = self.size() else {
            return match shape {
                [-1] => self.ravel(),
                _ => self.chunks().known("reshape").map(|()| self.clone()),
            };
        };
        let given: usize = shape.iter().filter(|len| **len >= 0).map(|len| *len as usize).product();
        let open = shape.contains(&-1);
        if (open && (given == 0 || !size.is_multiple_of(given))) || (!open && given != size) {
            let lens: Vec<String> =
                shape.iter().map(|len| if *len < 0 { "newaxis".to_owned() } else { len.to_string() }).collect();
            let text = if lens.len() == 1 { format!("({},)", lens[0]) } else { format!("({})", lens.join(",")) };
            return Err(ArrayError::Value(format!("cannot reshape array of size {size} into shape {text}")));
        }
        let shape: Dims = shape.iter().map(|len| if *len < 0 { size / given } else { *len as usize }).collect();
        self.reshape_known(&shape)
    }

    /// All elements along one axis, in C order.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] if another length than that of the first axis is unknown.
    pub fn ravel(&self) -> Result<Array> {
        if let Some(size) = self.size() {
            return self.reshape_known(&[size]);
        }
        if self.ndim() == 1 {
            return Ok(self.clone());
        }
        let (first, rest) = (&self.chunks().axes()[0], &self.chunks().axes()[1..]);
        Chunks::new(rest.iter().cloned()).known("ravel")?;
        let whole = rest.iter().map(|axis| AxisChunks::new(vec![axis.len()]));
        let input = self.rechunk_to(Chunks::new(std::iter::once(first.clone()).chain(whole)))?;
        let unknown = Chunks::new([AxisChunks::new(vec![UNKNOWN; first.count()])]);
        Ok(input.reshaped_blockwise(unknown))
    }

    fn reshape_known(&self, shape: &[usize]) -> Result<Array> {
        if *self.shape() == *shape {
            return Ok(self.clone());
        }
        if shape.contains(&0) {
            return Array::zeros(shape, self.dtype(), Some(Chunks::whole(shape)));
        }
        // Between arrays without axes of length 1.
        let squeezed = self.squeeze(None)?;
        let core: Vec<usize> = shape.iter().copied().filter(|len| *len != 1).collect();
        let reshaped = squeezed.reshape_core(&core)?;
        let ones: Vec<isize> = (0..shape.len()).filter(|axis| shape[*axis] == 1).map(|axis| axis as isize).collect();
        debug_assert_eq!(reshaped.shape().as_slice(), core, "to {}", shape_text(shape));
        reshaped.expand_dims(&ones)
    }

    fn reshape_core(&self, to: &[usize]) -> Result<Array> {
        let from = self.shape();
        if from.as_slice() == to {
            return Ok(self.clone());
        }
        let groups = groups(&from, to);
        let both = |group: &Group| group.from.len() > 1 && group.to.len() > 1;
        if groups.iter().any(both) {
            // By way of the shape in which groups that are merged and split are one axis.
            let middle: Vec<usize> = groups
                .iter()
                .flat_map(|group| match both(group) {
                    true => vec![from[group.from.clone()].iter().product()],
                    false => from[group.from.clone()].to_vec(),
                })
                .collect();
            return self.reshape_core(&middle)?.reshape_core(to);
        }
        let (mut before, mut after): (Vec<AxisChunks>, Vec<AxisChunks>) = Default::default();
        let own = self.chunks().axes();
        for group in groups {
            let elsewhere = (0..own.len()).filter(|axis| !group.from.contains(axis));
            let limit = (self.chunks().largest_block()
                / elsewhere.map(|axis| own[axis].longest()).product::<usize>().max(1))
            .max(1);
            let axes = &own[group.from.clone()];
            if group.from.len() == 1 && group.to.len() == 1 {
                before.extend_from_slice(axes);
                after.extend_from_slice(axes);
            } else if group.to.len() == 1 {
                let (blocks, runs) = runs(axes, limit);
                before.extend(blocks);
                after.push(runs);
            } else {
                let (runs, parts) = split(&axes[0], &to[group.to.clone()], limit);
                before.push(runs);
                after.extend(parts);
            }
        }
        let after = Chunks::new(after);
        match self.expr() {
            Expr::Memory(chunk, memory) if chunk.is_contiguous() => {
                Ok(Array::make(Expr::Memory(chunk.reshape(to), *memory), self.dtype(), after))
            }
            Expr::Full(value) => Ok(Array::make(Expr::Full(*value), self.dtype(), after)),
            _ => Ok(self.rechunk_to(Chunks::new(before))?.reshaped_blockwise(after)),
        }
    }

    /// Every block in another shape: the elements are not in NumPy's order, and none moves to another block.
    ///
    /// With fewer axes, axes that follow each other are merged and their blocks follow in C order. With more, `chunks`
    /// says which.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if sizes differ, or if axes are not merged whole; [`ArrayError::Type`] if `chunks` are
    /// missing; [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// ```
    /// use selion_array::{Array, Chunks};
    /// let x = Array::ones(&[3, 4], selion_core::DType::F64, Some(Chunks::regular(&[3, 4], &[3, 2])))?;
    /// let flat = x.reshape_blockwise(&[12], None)?;
    /// assert_eq!(flat.chunks().axes()[0].lens(), [6, 6]);
    /// assert_eq!(flat.reshape_blockwise(&[3, 4], Some(x.chunks().clone()))?.chunks(), x.chunks());
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn reshape_blockwise(&self, shape: &[usize], chunks: Option<Chunks>) -> Result<Array> {
        self.chunks().known("reshape_blockwise")?;
        let (from, size) = (self.shape(), self.size().unwrap_or(0));
        let wrong = |text: String| Err(ArrayError::Value(text));
        if shape.iter().product::<usize>() != size {
            return wrong(format!("cannot reshape array of size {size} into shape {}", shape_text(shape)));
        }
        if from.as_slice() == shape {
            return Ok(self.clone());
        }
        if shape.len() > from.len() {
            let Some(chunks) = chunks else {
                return Err(ArrayError::Type("Need to specify chunks if expanding dimensions.".to_owned()));
            };
            let elements =
                |chunks: &Chunks, k: usize| chunks.block_shape(&chunks.coordinates(k)).iter().product::<usize>();
            let fits = |k: usize| elements(self.chunks(), k) == elements(&chunks, k);
            if chunks.shape().as_slice() != shape || chunks.count() != self.chunks().count() {
                return wrong(format!("chunks for shape {} do not fit {}", chunks.shape_text(), shape_text(shape)));
            }
            return match (0..chunks.count()).find(|k| !fits(*k)) {
                Some(k) => wrong(format!("Chunk sizes do not match for block {k}: they must have as many elements")),
                None => Ok(self.reshaped_blockwise(chunks)),
            };
        }
        if size == 0 {
            return Array::zeros(shape, self.dtype(), Some(Chunks::whole(shape)));
        }
        let Some(merged) = merged(&from, shape).filter(|_| shape.len() < from.len()) else {
            return wrong(format!("axes of {} cannot be merged to {}", shape_text(&from), shape_text(shape)));
        };
        let axes = merged.into_iter().map(|group| {
            let lens = self.chunks().axes()[group].iter().fold(vec![1], |lens: Vec<usize>, axis| {
                lens.iter().flat_map(|len| axis.lens().iter().map(move |own| len * own)).collect()
            });
            AxisChunks::new(lens)
        });
        Ok(self.reshaped_blockwise(Chunks::new(axes.collect::<Vec<_>>())))
    }

    fn reshaped_blockwise(&self, chunks: Chunks) -> Array {
        debug_assert_eq!(self.chunks().count(), chunks.count(), "a reshape keeps the blocks");
        let op = Arc::new(ReshapeOp { to: chunks.clone() });
        Array::make(Expr::Blocked { op, inputs: vec![self.clone()] }, self.dtype(), chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &[Vec<usize>], to: &[i64], want: &[Vec<usize>]) {
        let chunks = Chunks::from_lens(from);
        let x = Array::coordinate(&chunks.shape(), 0, Some(chunks)).unwrap();
        assert_eq!(*x.reshape(to).unwrap().chunks(), Chunks::from_lens(want), "from {from:?} to {to:?}");
    }

    #[test]
    fn merging_whole_trailing_axes_keeps_the_blocks() {
        check(&[vec![2, 3], vec![4]], &[-1], &[vec![8, 12]]);
    }

    #[test]
    fn merging_divided_axes_keeps_the_size_of_blocks() {
        check(&[vec![4, 4], vec![4, 4]], &[64], &[vec![16; 4]]);
    }

    #[test]
    fn splitting_at_multiples_keeps_the_blocks() {
        check(&[vec![8, 12]], &[5, 4], &[vec![2, 3], vec![4]]);
        check(&[vec![8, 12], vec![3, 3]], &[5, 2, 2, 6], &[vec![2, 3], vec![2], vec![2], vec![3, 3]]);
    }

    #[test]
    fn other_axes_are_left_alone() {
        check(&[vec![3, 3], vec![2, 2], vec![5]], &[6, 20], &[vec![3, 3], vec![10, 10]]);
    }
}
