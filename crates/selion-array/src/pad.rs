//! Arrays with borders.
//!
//! Axes are padded one after the other, so a corner is what padding the later axis makes of it. A border of `edge`,
//! `reflect`, `symmetric` or `wrap` is a sequence of indices into the axis that runs up, runs down or stands still;
//! each such run is a view, and the padded array is those put together.

use selion_core::{DType, Scalar};
use selion_kernels::program::Op;
use smallvec::SmallVec;

use crate::chunks::{AxisChunks, Chunks};
use crate::elementwise::{Operand, ufunc};
use crate::error::{ArrayError, Result};
use crate::expr::Array;
use crate::reduce::ReduceKind;

/// What a border consists of.
#[derive(Clone, Debug)]
pub enum PadMode {
    /// A value: for each axis the one before and the one after.
    Constant(Vec<(Scalar, Scalar)>),
    /// The outermost element.
    Edge,
    /// A ramp from the outermost element to a value: for each axis the one before and the one after.
    LinearRamp(Vec<(f64, f64)>),
    /// The largest element along the axis.
    Maximum,
    /// The mean along the axis.
    Mean,
    /// The smallest element along the axis.
    Minimum,
    /// The elements mirrored about the outermost one.
    Reflect,
    /// The elements mirrored about the border.
    Symmetric,
    /// The elements from the other end.
    Wrap,
}

impl PadMode {
    /// NumPy's name.
    pub fn name(&self) -> &'static str {
        match self {
            PadMode::Constant(_) => "constant",
            PadMode::Edge => "edge",
            PadMode::LinearRamp(_) => "linear_ramp",
            PadMode::Maximum => "maximum",
            PadMode::Mean => "mean",
            PadMode::Minimum => "minimum",
            PadMode::Reflect => "reflect",
            PadMode::Symmetric => "symmetric",
            PadMode::Wrap => "wrap",
        }
    }

    /// The index, within an axis of `len` elements, of the element that stands at place `at` outside of it.
    fn source(&self, at: i64, len: i64) -> i64 {
        match self {
            PadMode::Wrap => at.rem_euclid(len),
            PadMode::Symmetric => {
                let turn = at.rem_euclid(2 * len);
                turn.min(2 * len - 1 - turn)
            }
            PadMode::Reflect if len > 1 => {
                let turn = at.rem_euclid(2 * len - 2);
                turn.min(2 * len - 2 - turn)
            }
            _ => at.clamp(0, len - 1),
        }
    }
}

impl Array {
    /// The array with borders: `widths[k]` elements before and after axis `k`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if there is not one width (and value, if the mode has some) per axis, or an axis without
    /// elements is to be padded by a mode that needs some; [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// ```
    /// use selion_array::{Array, PadMode};
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.pad(&[(1, 2), (0, 1)], &PadMode::Reflect)?.shape().as_slice(), [7, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn pad(&self, widths: &[(usize, usize)], mode: &PadMode) -> Result<Array> {
        self.chunks().known("pad")?;
        let values = match mode {
            PadMode::Constant(values) => values.len(),
            PadMode::LinearRamp(values) => values.len(),
            _ => self.ndim(),
        };
        if widths.len() != self.ndim() || values != self.ndim() {
            return Err(ArrayError::Value(format!(
                "pad needs one width and one value per axis: the array has {}, given were {} and {values}",
                self.ndim(),
                widths.len()
            )));
        }
        let mut padded = self.clone();
        for (axis, (before, after)) in widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
            let len = self.shape()[axis];
            if len == 0 && !matches!(mode, PadMode::Constant(_)) {
                return Err(ArrayError::Value(format!(
                    "can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
                )));
            }
            let (head, tail) = padded.borders(axis, *before, *after, mode)?;
            let parts: Vec<Array> = head.into_iter().chain([padded]).chain(tail).collect();
            padded = Array::concatenate(&parts, Some(axis as isize))?;
        }
        Ok(padded)
    }

    fn borders(&self, axis: usize, before: usize, after: usize, mode: &PadMode) -> Result<(Vec<Array>, Vec<Array>)> {
        let len = self.shape()[axis];
        let both = |border: &dyn Fn(usize, bool) -> Result<Array>| -> Result<(Vec<Array>, Vec<Array>)> {
            Ok((vec![border(before, true)?], vec![border(after, false)?]))
        };
        let statistic = |kind: ReduceKind| {
            let mut value = self.reduce(kind, Some(&[axis as isize]), true, 0.0, 0)?;
            if kind == ReduceKind::Mean && self.dtype().is_integer() {
                value = value.unary(Op::Rint)?;
            }
            let value = value.astype(self.dtype())?;
            both(&|width, _| value.stretched(axis, width))
        };
        match mode {
            PadMode::Constant(values) => both(&|width, first| {
                let value = if first { values[axis].0 } else { values[axis].1 };
                let value = Array::scalar(value).astype(self.dtype())?;
                let (shape, chunks) = self.border_shape(axis, width);
                value.broadcast_to(&shape, Some(chunks))
            }),
            PadMode::LinearRamp(ends) => both(&|width, first| {
                let end = if first { ends[axis].0 } else { ends[axis].1 };
                self.ramp(axis, width, first, end)
            }),
            PadMode::Maximum => statistic(ReduceKind::Max),
            PadMode::Mean => statistic(ReduceKind::Mean),
            PadMode::Minimum => statistic(ReduceKind::Min),
            PadMode::Edge | PadMode::Reflect | PadMode::Symmetric | PadMode::Wrap => {
                let run = |(start, step, count): (usize, isize, usize)| match step {
                    0 => self.sliced(axis, start, 1, 1).stretched(axis, count),
                    step => Ok(self.sliced(axis, start, step, count)),
                };
                let side = |from: i64, to: i64| -> Result<Vec<Array>> {
                    runs((from..to).map(|at| mode.source(at, len as i64))).into_iter().map(run).collect()
                };
                Ok((side(-(before as i64), 0)?, side(len as i64, (len + after) as i64)?))
            }
        }
    }

    /// The shape of a border of this array, and blocks that go with the array's.
    fn border_shape(&self, axis: usize, width: usize) -> (Vec<usize>, Chunks) {
        let mut shape = self.shape().to_vec();
        let mut chunks = self.chunks().axes().to_vec();
        shape[axis] = width;
        chunks[axis] = AxisChunks::regular(width, self.chunks().axes()[axis].longest().max(1));
        (shape, Chunks::new(chunks))
    }

    /// An axis of length 1 repeated to another length.
    fn stretched(&self, axis: usize, len: usize) -> Result<Array> {
        let mut shape = self.shape();
        shape[axis] = len;
        self.broadcast_to(&shape, None)
    }

    /// From `end`, which is outermost, evenly towards the outermost element of the array, which is not reached.
    fn ramp(&self, axis: usize, width: usize, first: bool, end: f64) -> Result<Array> {
        let len = self.shape()[axis];
        let work = if self.dtype().is_complex() { DType::C128 } else { DType::F64 };
        let edge = self.sliced(axis, if first { 0 } else { len - 1 }, 1, 1).astype(work)?;
        let mut along: SmallVec<[usize; 4]> = SmallVec::from_elem(1, self.ndim());
        along[axis] = width;
        let (_, chunks) = self.border_shape(axis, width);
        let blocks =
            (0..self.ndim()).map(|k| if k == axis { chunks.axes()[k].clone() } else { AxisChunks::new(vec![1]) });
        let mut place = Array::coordinate(&along, axis, Some(Chunks::new(blocks)))?;
        if !first {
            place = place.flip(Some(&[axis as isize]))?;
        }
        let step = ufunc(Op::Subtract, &[edge.into(), Operand::Float(end)])?.with(Op::Divide, width.max(1) as f64)?;
        let rise = ufunc(Op::Multiply, &[place.into(), step.into()])?;
        let ramp = rise.with(Op::Add, end)?;
        if self.dtype().is_integer() { ramp.unary(Op::Floor)?.astype(self.dtype()) } else { ramp.astype(self.dtype()) }
    }
}

/// Indices as runs: start, step (1, -1 or 0), and how many.
fn runs(indices: impl Iterator<Item = i64>) -> Vec<(usize, isize, usize)> {
    let mut runs: Vec<(usize, isize, usize)> = Vec::new();
    let mut last = None;
    for index in indices {
        let step = last.map(|last| (index - last) as isize);
        last = Some(index);
        match (runs.last_mut(), step) {
            (Some((_, run, count)), Some(step)) if step.abs() <= 1 && (*count == 1 || *run == step) => {
                *run = step;
                *count += 1;
            }
            _ => runs.push((index as usize, 1, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_few_runs() {
        let border = |mode: PadMode, at: std::ops::Range<i64>| runs(at.map(|at| mode.source(at, 3)));
        assert_eq!(border(PadMode::Edge, -4..0), [(0, 0, 4)]);
        assert_eq!(border(PadMode::Wrap, 3..10), [(0, 1, 3), (0, 1, 3), (0, 1, 1)]);
        assert_eq!(border(PadMode::Reflect, 3..7), [(1, -1, 2), (1, 1, 2)]);
        assert_eq!(border(PadMode::Symmetric, 3..7), [(2, -1, 3), (0, 1, 1)]);
    }
}
