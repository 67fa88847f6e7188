//! NumPy's indexing, and the views that it shares with transposing and broadcasting.
//!
//! Integers, slices, `None` and `...` become one view. Integer arrays then take elements of what the view left (`take`),
//! booleans whose values are known become integers first, and lazy masks give axes of unknown length.

use selion_core::Dims;
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr};
use crate::view::{AxisMap, View};

/// One part of an index.
#[derive(Clone, Debug)]
pub enum Index {
    /// One element of an axis, which goes away.
    Int(i64),
    /// Part of an axis.
    Slice {
        /// Where to start; from the end if negative.
        start: Option<i64>,
        /// Before which element to stop.
        stop: Option<i64>,
        /// Every how many elements; 1 by default.
        step: Option<i64>,
    },
    /// A new axis of length 1.
    NewAxis,
    /// All axes that no other part is for.
    Ellipsis,
    /// An array of integers.
    Ints {
        /// Its shape.
        shape: Vec<usize>,
        /// Its elements, C-ordered.
        values: Vec<i64>,
    },
    /// An array of booleans whose values are known; it is for as many axes as it has.
    Bools {
        /// Its shape.
        shape: Vec<usize>,
        /// Its elements, C-ordered.
        values: Vec<bool>,
    },
    /// An array of booleans that is yet to be computed.
    Mask(Array),
}

/// Part of an axis: the first element, how far a step goes, and how many elements there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) step: isize,
    pub(crate) len: usize,
}

/// What a slice takes of an axis of `len` elements, as Python has it.
pub(crate) fn slice_range(start: Option<i64>, stop: Option<i64>, step: Option<i64>, len: usize) -> Result<Range> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(ArrayError::Value("slice step cannot be zero".to_owned()));
    }
    let len = len as i64;
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |value: i64| (if value < 0 { value + len } else { value }).clamp(low, high);
    let start = start.map_or(if step > 0 { 0 } else { len - 1 }, bound);
    let stop = stop.map_or(if step > 0 { len } else { -1 }, bound);
    let span = if step > 0 { stop - start } else { start - stop };
    let count = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
    Ok(Range { start: if count == 0 { 0 } else { start as usize }, step: step as isize, len: count as usize })
}

impl Array {
    /// A view of this array.
    pub(crate) fn viewed(&self, view: View) -> Array {
        if view.is_identity(&self.shape()) {
            return self.clone();
        }
        let chunks = view.chunks(self.chunks());
        Array::make(Expr::View { input: self.clone(), view }, self.dtype(), chunks)
    }

    /// The elements that a NumPy index says.
    ///
    /// # Errors
    /// [`ArrayError::Index`] for an index out of bounds, too many of them, or a mask of the wrong shape;
    /// [`ArrayError::Unknown`] for a part of an axis of unknown length.
    ///
    /// ```
    /// use selion_array::{Array, Index};
    /// let x = Array::zeros(&[10, 4], selion_core::DType::F64, None)?;
    /// let rows = Index::Slice { start: Some(-1), stop: None, step: Some(-3) };
    /// assert_eq!(x.getitem(&[rows, Index::Int(0)])?.shape().as_slice(), [4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn getitem(&self, index: &[Index]) -> Result<Array> {
        let index = self.complete(index)?;
        let mut view = View { starts: smallvec![0; self.ndim()], axes: SmallVec::new(), shape: Dims::new() };
        // Which axes of the view the arrays are for, and whether something stands between them.
        let mut advanced: Vec<(usize, Index)> = Vec::new();
        let (mut axis, mut runs, mut in_run) = (0, 0, false);
        let any_array = index.iter().any(|part| matches!(part, Index::Ints { .. } | Index::Mask(_)));
        for part in &index {
            let counts =
                matches!(part, Index::Ints { .. } | Index::Mask(_)) || (any_array && matches!(part, Index::Int(_)));
            if counts && !in_run {
                runs += 1;
            }
            in_run = counts;
            match part {
                Index::Int(at) => {
                    view.starts[axis] = self.bounded(*at, axis)?;
                    axis += 1;
                }
                Index::Slice { start, stop, step } => {
                    let range = self.range(axis, *start, *stop, *step)?;
                    view.starts[axis] = range.start;
                    view.axes.push(Some(AxisMap { axis, step: range.step }));
                    view.shape.push(range.len);
                    axis += 1;
                }
                Index::NewAxis => {
                    view.axes.push(None);
                    view.shape.push(1);
                }
                Index::Ints { .. } | Index::Mask(_) => {
                    let covered = if let Index::Mask(mask) = part { mask.ndim() } else { 1 };
                    advanced.push((view.axes.len(), part.clone()));
                    for _ in 0..covered {
                        view.axes.push(Some(AxisMap { axis, step: 1 }));
                        view.shape.push(self.shape()[axis]);
                        axis += 1;
                    }
                }
                Index::Ellipsis | Index::Bools { .. } => {}
            }
        }
        let viewed = self.viewed(view);
        viewed.take_advanced(advanced, runs > 1)
    }

    /// The index with `...` written out and known booleans as integers, so that it has a part for every axis.
    fn complete(&self, index: &[Index]) -> Result<Vec<Index>> {
        let axes_of = |part: &Index| match part {
            Index::NewAxis | Index::Ellipsis => 0,
            Index::Bools { shape, .. } => shape.len(),
            Index::Mask(mask) => mask.ndim(),
            _ => 1,
        };
        let used: usize = index.iter().map(axes_of).sum();
        if used > self.ndim() {
            return Err(ArrayError::Index(format!(
                "too many indices for array: array is {}-dimensional, but {used} were indexed",
                self.ndim()
            )));
        }
        if index.iter().filter(|part| matches!(part, Index::Ellipsis)).count() > 1 {
            return Err(ArrayError::Index("an index can only have a single ellipsis ('...')".to_owned()));
        }
        let all = || Index::Slice { start: None, stop: None, step: None };
        let mut complete = Vec::with_capacity(self.ndim());
        let mut axis = 0;
        for part in index {
            match part {
                Index::Ellipsis => {
                    complete.extend((used..self.ndim()).map(|_| all()));
                    axis += self.ndim() - used;
                }
                Index::Bools { shape, values } => {
                    complete.extend(self.known_mask(axis, shape, values)?);
                    axis += shape.len();
                }
                Index::Mask(mask) => {
                    if !mask.dtype().eq(&selion_core::DType::Bool) {
                        return Err(ArrayError::Index(
                            "arrays used as indices must be of integer (or boolean) type".to_owned(),
                        ));
                    }
                    self.check_mask(axis, &mask.shape())?;
                    axis += mask.ndim();
                    complete.push(part.clone());
                }
                other => {
                    axis += axes_of(other);
                    complete.push(other.clone());
                }
            }
        }
        while axis < self.ndim() {
            complete.push(all());
            axis += 1;
        }
        Ok(complete)
    }

    fn check_mask(&self, axis: usize, shape: &[usize]) -> Result<()> {
        for (k, len) in shape.iter().enumerate() {
            let own = self.shape()[axis + k];
            if own != *len && own != UNKNOWN && *len != UNKNOWN {
                return Err(ArrayError::Index(format!(
                    "boolean index did not match indexed array along axis {}; size of axis is {own} but size of \
                     corresponding boolean axis is {len}",
                    axis + k
                )));
            }
        }
        Ok(())
    }

    /// The coordinates of the true elements, an array for each axis.
    fn known_mask(&self, axis: usize, shape: &[usize], values: &[bool]) -> Result<Vec<Index>> {
        self.check_mask(axis, shape)?;
        let found: Vec<usize> = (0..values.len()).filter(|at| values[*at]).collect();
        let strides = selion_core::contiguous_strides(shape);
        Ok((0..shape.len())
            .map(|k| Index::Ints {
                shape: vec![found.len()],
                values: found.iter().map(|at| (at / strides[k] as usize % shape[k].max(1)) as i64).collect(),
            })
            .collect())
    }

    /// An index into an axis, counted from the front.
    pub(crate) fn bounded(&self, at: i64, axis: usize) -> Result<usize> {
        let len = self.shape()[axis];
        if len == UNKNOWN {
            self.chunks().known("indexing")?;
        }
        let counted = if at < 0 { at + len as i64 } else { at };
        if counted < 0 || counted >= len as i64 {
            return Err(ArrayError::Index(format!("index {at} is out of bounds for axis {axis} with size {len}")));
        }
        Ok(counted as usize)
    }

    fn range(&self, axis: usize, start: Option<i64>, stop: Option<i64>, step: Option<i64>) -> Result<Range> {
        let len = self.shape()[axis];
        if len == UNKNOWN {
            if matches!((start, stop, step), (None | Some(0), None, None | Some(1))) {
                return Ok(Range { start: 0, step: 1, len });
            }
            self.chunks().known("slicing")?;
        }
        slice_range(start, stop, step, len)
    }

    /// The axes in another order; reversed if `None`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if `axes` is no permutation.
    pub fn transpose(&self, axes: Option<&[isize]>) -> Result<Array> {
        let ndim = self.ndim();
        let axes: Vec<usize> = match axes {
            None => (0..ndim).rev().collect(),
            Some(axes) => axes.iter().map(|axis| self.axis(*axis)).collect::<Result<_>>()?,
        };
        let mut seen = axes.clone();
        seen.sort_unstable();
        if seen.len() != ndim {
            return Err(ArrayError::Value("axes don't match array".to_owned()));
        }
        if seen.iter().enumerate().any(|(k, axis)| k != *axis) {
            return Err(ArrayError::Value("repeated axis in transpose".to_owned()));
        }
        let shape = self.shape();
        Ok(self.viewed(View {
            starts: smallvec![0; ndim],
            shape: axes.iter().map(|axis| shape[*axis]).collect(),
            axes: axes.into_iter().map(|axis| Some(AxisMap { axis, step: 1 })).collect(),
        }))
    }

    /// Without the given axes of length 1; without all of them if `None`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for an axis of another length.
    pub fn squeeze(&self, axes: Option<&[isize]>) -> Result<Array> {
        let shape = self.shape();
        let dropped = match axes {
            None => (0..shape.len()).filter(|axis| shape[*axis] == 1).fold(0, |mask, axis| mask | 1 << axis),
            Some(axes) => self.axis_mask(Some(axes))?,
        };
        if (0..shape.len()).any(|axis| dropped >> axis & 1 == 1 && shape[axis] != 1) {
            return Err(ArrayError::Value(
                "cannot select an axis to squeeze out which has size not equal to one".to_owned(),
            ));
        }
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| dropped >> axis & 1 == 0).collect();
        Ok(self.viewed(View {
            starts: smallvec![0; shape.len()],
            shape: kept.iter().map(|axis| shape[*axis]).collect(),
            axes: kept.into_iter().map(|axis| Some(AxisMap { axis, step: 1 })).collect(),
        }))
    }

    /// With new axes of length 1 at the given places of the result.
    ///
    /// # Errors
    /// [`ArrayError::Axis`] for a place that is not there, [`ArrayError::Value`] for one that comes twice.
    pub fn expand_dims(&self, axes: &[isize]) -> Result<Array> {
        let ndim = self.ndim() + axes.len();
        let mut new = vec![false; ndim];
        for axis in axes {
            let counted = if *axis < 0 { axis + ndim as isize } else { *axis };
            if counted < 0 || counted >= ndim as isize {
                return Err(ArrayError::Axis { axis: *axis, ndim });
            }
            if std::mem::replace(&mut new[counted as usize], true) {
                return Err(ArrayError::Value("repeated axis".to_owned()));
            }
        }
        let shape = self.shape();
        let mut old = 0..self.ndim();
        let axes: SmallVec<[Option<AxisMap>; 4]> =
            new.iter().map(|new| if *new { None } else { old.next().map(|axis| AxisMap { axis, step: 1 }) }).collect();
        Ok(self.viewed(View {
            starts: smallvec![0; shape.len()],
            shape: axes.iter().map(|map| map.map_or(1, |map| shape[map.axis])).collect(),
            axes,
        }))
    }

    /// Repeats axes of length 1, and adds axes in front; `chunks` divides the repeated ones.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if a length differs that is not 1.
    pub fn broadcast_to(&self, shape: &[usize], chunks: Option<&Chunks>) -> Result<Array> {
        let own = self.shape();
        let fits = |k: usize| own[k] == 1 || own[k] == shape[k + shape.len() - own.len()];
        if own.len() > shape.len() || !(0..own.len()).all(fits) {
            return Err(ArrayError::Value(format!(
                "cannot broadcast shape {} to shape {shape:?}",
                self.chunks().shape_text()
            )));
        }
        let lead = shape.len() - own.len();
        let repeats = |axis: usize| axis < lead || (own[axis - lead] == 1 && shape[axis] != 1);
        let view = View {
            starts: smallvec![0; own.len()],
            axes: (0..shape.len()).map(|k| (!repeats(k)).then(|| AxisMap { axis: k - lead, step: 1 })).collect(),
            shape: shape.into(),
        };
        if view.is_identity(&own) {
            return Ok(self.clone());
        }
        let divided = view.chunks(self.chunks());
        let chunks = match chunks {
            None => divided,
            Some(wanted) => Chunks::new((0..shape.len()).map(|axis| {
                let from: &Chunks = if repeats(axis) { wanted } else { &divided };
                from.axes()[axis].clone()
            })),
        };
        Ok(Array::make(Expr::View { input: self.clone(), view }, self.dtype(), chunks))
    }

    /// The elements in reverse along the given axes; along all if `None`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`] for an axis that is not there.
    pub fn flip(&self, axes: Option<&[isize]>) -> Result<Array> {
        self.chunks().known("flip")?;
        let mask = self.axis_mask(axes)?;
        let shape = self.shape();
        let mut view = View::identity(&shape);
        for axis in (0..shape.len()).filter(|axis| mask >> axis & 1 == 1) {
            view.starts[axis] = shape[axis].saturating_sub(1);
            view.axes[axis] = Some(AxisMap { axis, step: -1 });
        }
        Ok(self.viewed(view))
    }

    /// The blocks that the given ranges of blocks are, as an array: `x.blocks[...]`.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] if block lengths are unknown.
    pub fn block_range(&self, first: &[usize], count: &[usize]) -> Result<Array> {
        self.chunks().known("blocks")?;
        let mut view = View::identity(&self.shape());
        for axis in 0..self.ndim() {
            let along = &self.chunks().axes()[axis];
            view.starts[axis] = along.start(first[axis]);
            view.shape[axis] = along.start(first[axis] + count[axis]) - along.start(first[axis]);
        }
        let chunks = Chunks::new((0..self.ndim()).map(|axis| {
            let lens = &self.chunks().axes()[axis].lens()[first[axis]..first[axis] + count[axis]];
            AxisChunks::new(lens.to_vec())
        }));
        Ok(Array::make(Expr::View { input: self.clone(), view }, self.dtype(), chunks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_pythons() {
        let range = |start, stop, step| slice_range(start, stop, step, 10).map(|r| (r.start, r.step, r.len)).unwrap();
        assert_eq!(range(None, None, None), (0, 1, 10));
        assert_eq!(range(None, None, Some(-1)), (9, -1, 10));
        assert_eq!(range(Some(-3), None, None), (7, 1, 3));
        assert_eq!(range(Some(2), Some(100), Some(3)), (2, 3, 3));
        assert_eq!(range(Some(8), Some(2), Some(-4)), (8, -4, 2));
        assert_eq!(range(Some(5), Some(5), None).2, 0);
        assert!(slice_range(None, None, Some(0), 3).is_err());
    }
}
