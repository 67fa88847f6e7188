//! Elements moved along an axis: rolls, pads, repeats, tiles, differences.
//!
//! Rolls, pads and tiles are views of the array joined along the axis, so their blocks are parts of its blocks.

use std::sync::Arc;

use selion_core::{Dims, Scalar, Steps, TaskError, Value};
use selion_kernels::program::Op;
use smallvec::smallvec;

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::reshape::cut_long;
use crate::view::{AxisMap, View};

/// What [`Array::pad`] puts around an array.
#[derive(Clone, Debug, PartialEq)]
pub enum PadMode {
    /// These values, before and after: one pair per axis, or one for all.
    Constant(Vec<(Scalar, Scalar)>),
    /// The outermost element.
    Edge,
    /// The array mirrored at its outermost elements.
    Reflect,
    /// The array mirrored at its edges.
    Symmetric,
    /// The array over again.
    Wrap,
}

impl PadMode {
    /// The element in place `at` of an endless axis of which `0..len` is the array; not for constants.
    fn source(&self, at: isize, len: usize) -> usize {
        let len = len as isize;
        let mirrored = |period: isize, beyond: isize| {
            let at = at.rem_euclid(period);
            if at < len { at } else { beyond - at }
        };
        let source = match self {
            PadMode::Reflect if len > 1 => mirrored(2 * len - 2, 2 * len - 2),
            PadMode::Symmetric => mirrored(2 * len, 2 * len - 1),
            PadMode::Wrap => at.rem_euclid(len),
            PadMode::Constant(_) | PadMode::Edge | PadMode::Reflect => at.clamp(0, len - 1),
        };
        source as usize
    }
}

/// Repeats each element along an axis.
struct RepeatOp {
    axis: usize,
    times: usize,
    blocks: Chunks,
}

impl BlockOp for RepeatOp {
    fn name(&self) -> &str {
        "repeat"
    }

    fn identity(&self) -> u64 {
        hash_of((self.axis, self.times))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.push((0, self.blocks.index(coordinates)));
    }

    fn run(&self, _: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let [Value::Chunk(chunk)] = inputs else { return Err("repeat needs one block".into()) };
        let (mut shape, mut strides): (Dims, Steps) = (chunk.shape().into(), chunk.strides().into());
        shape.insert(self.axis + 1, self.times);
        strides.insert(self.axis + 1, 0);
        let mut merged: Dims = chunk.shape().into();
        merged[self.axis] *= self.times;
        Ok(Value::Chunk(chunk.view(0, shape, strides).reshape(&merged)))
    }
}

impl Array {
    /// The elements moved by `shift` places along an axis; those that leave at one end come in at the other. Along all
    /// elements in C order if `axis` is `None`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] along an axis of unknown length.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.roll(-1, Some(0))?.shape(), x.shape());
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn roll(&self, shift: i64, axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else {
            self.chunks().known("roll")?;
            let shape: Vec<_> = self.shape().iter().map(|len| *len as _).collect();
            return self.ravel()?.roll(shift, Some(0))?.reshape(&shape);
        };
        let axis = self.axis(axis)?;
        let len = self.known_len(axis, "roll")?;
        let shift = if len == 0 { 0 } else { shift.rem_euclid(len as i64) as usize };
        if shift == 0 {
            return Ok(self.clone());
        }
        joined(&[self.part(axis, len - shift, 1, shift), self.part(axis, 0, 1, len - shift)], axis)
    }

    /// The array with `widths` more elements before and after it: one pair per axis.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for numbers of pairs that do not fit, or an axis without elements to copy;
    /// [`ArrayError::Unknown`] along an axis of unknown length.
    ///
    /// ```
    /// # use selion_array::{Array, PadMode};
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.pad(&[(1, 2), (0, 5)], &PadMode::Reflect)?.shape().as_slice(), [7, 8]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn pad(&self, widths: &[(usize, usize)], mode: &PadMode) -> Result<Array> {
        let pairs = |given: usize| {
            let text = format!(
                "operands could not be broadcast together with remapped shapes [original->remapped]: ({given},2) and requested shape ({},2)",
                self.ndim()
            );
            ArrayError::Value(text)
        };
        if widths.len() != self.ndim() {
            return Err(pairs(widths.len()));
        }
        let mut padded = self.clone();
        for (axis, (before, after)) in widths.iter().enumerate() {
            if (*before, *after) == (0, 0) {
                continue;
            }
            let (first, last) = match mode {
                PadMode::Constant(values) => {
                    let (first, last) = match values.as_slice() {
                        [all] => all,
                        each if each.len() == self.ndim() => &each[axis],
                        other => return Err(pairs(other.len())),
                    };
                    (vec![padded.filled(axis, *before, *first)?], vec![padded.filled(axis, *after, *last)?])
                }
                _ => {
                    let len = padded.known_len(axis, "pad")?;
                    if len == 0 {
                        return Err(ArrayError::Value(format!(
                            "can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
                        )));
                    }
                    let (before, after) = (*before as isize, *after as isize);
                    (
                        padded.continued(axis, mode, -before, 0),
                        padded.continued(axis, mode, len as isize, len as isize + after),
                    )
                }
            };
            let parts: Vec<Array> = first.into_iter().chain([padded.clone()]).chain(last).collect();
            padded = joined(&parts, axis)?;
        }
        Ok(padded)
    }

    /// Each element `times` times along an axis; of all elements in C order if `axis` is `None`. Blocks keep about their
    /// size.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] if lengths are unknown and matter.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.repeat(2, Some(1))?.shape().as_slice(), [4, 6]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn repeat(&self, times: usize, axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else { return self.ravel()?.repeat(times, Some(0)) };
        let axis = self.axis(axis)?;
        let own = &self.chunks().axes()[axis];
        if times == 1 {
            return Ok(self.clone());
        }
        if times == 0 {
            self.known_len(axis, "repeat")?;
            return Ok(self.part(axis, 0, 1, 0));
        }
        let mut axes = self.chunks().axes().to_vec();
        if own.is_known() {
            axes[axis] = cut_long(own, (own.longest() / times).max(1));
        }
        let input = self.rechunk_to(Chunks::new(axes.iter().cloned()))?;
        let longer = |len: &usize| if *len == UNKNOWN { UNKNOWN } else { len * times };
        axes[axis] = AxisChunks::new(axes[axis].lens().iter().map(longer).collect());
        let op = Arc::new(RepeatOp { axis, times, blocks: input.chunks().clone() });
        Ok(Array::make(Expr::Blocked { op, inputs: vec![input] }, self.dtype(), Chunks::new(axes)))
    }

    /// The array over and over: `reps[k]` times along axis `k`, counted from the last one; missing ones are 1, and missing
    /// axes are added in front.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] for no repetition along an axis of unknown length.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.tile(&[2, 1, 3])?.shape().as_slice(), [2, 4, 9]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn tile(&self, reps: &[usize]) -> Result<Array> {
        let mut tiled = self.with_leading_axes(reps.len().saturating_sub(self.ndim()));
        let first = tiled.ndim() - reps.len();
        for (k, times) in reps.iter().enumerate() {
            let axis = first + k;
            tiled = match times {
                0 => {
                    tiled.known_len(axis, "tile")?;
                    tiled.part(axis, 0, 1, 0)
                }
                1 => tiled,
                _ => joined(&vec![tiled; *times], axis)?,
            };
        }
        Ok(tiled)
    }

    /// The differences of neighbours along an axis, `n` times over; for booleans, whether they differ.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] for an array without axes; [`ArrayError::Unknown`] along an axis of
    /// unknown length; [`ArrayError::Op`] for dtypes that do not subtract.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.diff(2, 0)?.shape().as_slice(), [2, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn diff(&self, n: usize, axis: isize) -> Result<Array> {
        if n == 0 {
            return Ok(self.clone());
        }
        if self.ndim() == 0 {
            let text = "diff requires input that is at least one dimensional";
            return Err(ArrayError::Value(text.to_owned()));
        }
        let axis = self.axis(axis)?;
        let mut result = self.clone();
        for _ in 0..n {
            let len = result.known_len(axis, "diff")?.saturating_sub(1);
            let left = result.part(axis, 0, 1, len);
            // In the blocks of the left neighbours; cutting at both sides' blocks would double their number each time.
            let right = result.part(axis, 1, 1, len).rechunk_to(left.chunks().clone())?;
            let op = if result.dtype() == selion_core::DType::Bool { Op::NotEqual } else { Op::Subtract };
            result = right.binary(op, &left)?;
        }
        Ok(result)
    }

    /// The length of an axis.
    fn known_len(&self, axis: usize, what: &'static str) -> Result<usize> {
        let chunks = &self.chunks().axes()[axis];
        Chunks::new([chunks.clone()]).known(what)?;
        Ok(chunks.len())
    }

    /// `len` elements from `start` on along one axis.
    pub(crate) fn part(&self, axis: usize, start: usize, step: isize, len: usize) -> Array {
        let mut view = View::identity(&self.shape());
        view.starts[axis] = if len == 0 { 0 } else { start };
        view.axes[axis] = Some(AxisMap { axis, step });
        view.shape[axis] = len;
        self.seen(view)
    }

    /// The view of this array, in blocks that each lie in one of its own.
    pub(crate) fn seen(&self, view: View) -> Array {
        let chunks = view.chunks(self.chunks());
        Array::make(Expr::View { input: self.clone(), view }, self.dtype(), chunks)
    }

    /// With `count` axes of length 1 in front.
    fn with_leading_axes(&self, count: usize) -> Array {
        if count == 0 {
            return self.clone();
        }
        let mut view = View::identity(&self.shape());
        for _ in 0..count {
            view.axes.insert(0, None);
            view.shape.insert(0, 1);
        }
        self.seen(view)
    }

    /// An array as this one but with `len` elements along an axis, all equal to `value`.
    fn filled(&self, axis: usize, len: usize, value: Scalar) -> Result<Array> {
        let value = Array::scalar(value).astype(self.dtype())?;
        let mut axes = self.chunks().axes().to_vec();
        axes[axis] = AxisChunks::regular(len, axes[axis].longest().max(1));
        let chunks = Chunks::new(axes);
        chunks.known("pad")?;
        let shape = chunks.shape();
        let view = View { starts: smallvec![], axes: smallvec![None; shape.len()], shape };
        Ok(Array::make(Expr::View { input: value, view }, self.dtype(), chunks))
    }

    /// The places `from..to` of an endless axis that continues this array, as views of it.
    fn continued(&self, axis: usize, mode: &PadMode, from: isize, to: isize) -> Vec<Array> {
        if *mode == PadMode::Edge && from < to {
            let mut view = View::identity(&self.shape());
            view.starts[axis] = mode.source(from, view.shape[axis]);
            view.axes[axis] = None;
            view.shape[axis] = (to - from) as usize;
            return vec![self.seen(view)];
        }
        let len = self.shape()[axis];
        let mut parts = Vec::new();
        let mut at = from;
        while at < to {
            let start = mode.source(at, len);
            let step = if at + 1 < to { mode.source(at + 1, len) as isize - start as isize } else { 1 };
            let step = if step.abs() == 1 { step } else { 1 };
            let mut count = 1;
            while at + count < to && mode.source(at + count, len) as isize == start as isize + step * count {
                count += 1;
            }
            parts.push(self.part(axis, start, step, count as usize));
            at += count;
        }
        parts
    }
}

fn joined(parts: &[Array], axis: usize) -> Result<Array> {
    Array::concatenate(parts, Some(axis as isize))
}
