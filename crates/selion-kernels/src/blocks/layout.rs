//! Joins, pads, repeats and cuts blocks.
//!
//! Whatever strides can express is a view: flips, diagonals, sliding windows. The rest is strided copies, and takes by
//! index where edges repeat.

use selion_core::{Buffer, Chunk, Dims, Scalar, Steps, assign, contiguous_strides};

use super::gather::take;
use super::lanes::{check_axis, elements, lanes, same_dtype, same_shape, with_len, with_word};
use super::scan::lane_sums;
use crate::error::KernelError;

/// The chunks one after the other along an axis.
///
/// # Errors
/// [`KernelError::Value`] if there are none; [`KernelError::Axis`]; [`KernelError::Shape`] if another axis differs;
/// [`KernelError::DType`] if the dtypes differ.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::concatenate;
/// let x = Chunk::from_values(&[2, 1], &[1i64, 2]);
/// assert_eq!(concatenate(&[x.clone(), x], 1)?.to_vec::<i64>(), [1, 1, 2, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn concatenate(chunks: &[Chunk], axis: usize) -> Result<Chunk, KernelError> {
    let Some(first) = chunks.first() else {
        return Err(KernelError::Value { op: "concatenate", argument: "chunks", expected: "not empty" });
    };
    check_axis(axis, first.ndim())?;
    let mut total = 0;
    for chunk in chunks {
        same_dtype("concatenate", first.dtype(), chunk)?;
        let len = chunk.shape().get(axis).copied().unwrap_or(0);
        same_shape("concatenate", &with_len(first.shape(), axis, len), chunk.shape())?;
        total += len;
    }
    if let [only] = chunks {
        return Ok(only.clone());
    }
    let shape = with_len(first.shape(), axis, total);
    let strides = contiguous_strides(&shape);
    let mut buffer = Buffer::scratch(shape.iter().product::<usize>() * first.dtype().size());
    let mut offset = 0;
    for chunk in chunks {
        assign(&mut buffer, offset, &strides, chunk);
        offset += chunk.shape()[axis] * strides[axis] as usize;
    }
    Ok(Chunk::new(first.dtype(), &shape, buffer))
}

/// The chunks, all of one shape, along a new axis.
///
/// # Errors
/// [`KernelError::Value`] if there are none; [`KernelError::Axis`] if `axis` is beyond the number of axes;
/// [`KernelError::Shape`]; [`KernelError::DType`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::stack;
/// let x = Chunk::from_values(&[2], &[1i64, 2]);
/// assert_eq!(stack(&[x.clone(), x], 1)?.to_vec::<i64>(), [1, 1, 2, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn stack(chunks: &[Chunk], axis: usize) -> Result<Chunk, KernelError> {
    let Some(first) = chunks.first() else {
        return Err(KernelError::Value { op: "stack", argument: "chunks", expected: "not empty" });
    };
    check_axis(axis, first.ndim() + 1)?;
    let mut rows = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        same_shape("stack", first.shape(), chunk.shape())?;
        rows.push(insert_axis(chunk, axis, 1));
    }
    concatenate(&rows, axis)
}

/// A view with a new axis along which all elements repeat.
fn insert_axis(chunk: &Chunk, axis: usize, len: usize) -> Chunk {
    let (mut shape, mut strides) = (Dims::from(chunk.shape()), Steps::from(chunk.strides()));
    shape.insert(axis, len);
    strides.insert(axis, 0);
    chunk.view(0, shape, strides)
}

/// A view with one axis in reverse.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::flip;
/// assert_eq!(flip(&Chunk::from_values(&[3], &[1i64, 2, 3]), 0)?.to_vec::<i64>(), [3, 2, 1]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn flip(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let len = chunk.shape()[axis];
    Ok(if len == 0 { chunk.clone() } else { chunk.slice(axis, len - 1, -1, len) })
}

/// The elements moved by `shift` along an axis, those at the end coming in at the front.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::roll;
/// assert_eq!(roll(&Chunk::from_values(&[3], &[1i64, 2, 3]), 1, 0)?.to_vec::<i64>(), [3, 1, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn roll(chunk: &Chunk, shift: i64, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let len = chunk.shape()[axis];
    let shift = if len == 0 { 0 } else { shift.rem_euclid(len as i64) as usize };
    if shift == 0 {
        return Ok(chunk.clone());
    }
    let start = len - shift;
    concatenate(&[chunk.slice(axis, start, 1, shift), chunk.slice(axis, 0, 1, start)], axis)
}

/// What [`pad`] puts around the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PadMode {
    /// One value.
    Constant(Scalar),
    /// The nearest element.
    Edge,
    /// A mirror at the edge elements, which do not repeat.
    Reflect,
    /// A mirror at the edges, where the edge elements repeat.
    Symmetric,
    /// The elements from the other end.
    Wrap,
}

/// Widens each axis by so many elements before and after it.
///
/// # Errors
/// [`KernelError::Shape`] unless there is a pair of widths per axis; [`KernelError::DType`] if a constant is of another
/// dtype; [`KernelError::Value`] to widen an empty axis other than by a constant.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::{PadMode, pad};
/// let x = Chunk::from_values(&[3], &[1i64, 2, 3]);
/// assert_eq!(pad(&x, &[(2, 1)], PadMode::Reflect)?.to_vec::<i64>(), [3, 2, 1, 2, 3, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn pad(chunk: &Chunk, widths: &[(usize, usize)], mode: PadMode) -> Result<Chunk, KernelError> {
    same_shape("pad", &[chunk.ndim()], &[widths.len()])?;
    if let PadMode::Constant(value) = mode {
        if value.dtype() != chunk.dtype() {
            return Err(KernelError::DType { op: "pad", dtype: value.dtype() });
        }
        let shape: Dims = chunk.shape().iter().zip(widths).map(|(len, (before, after))| before + len + after).collect();
        let strides = contiguous_strides(&shape);
        let mut buffer = Buffer::scratch(shape.iter().product::<usize>() * chunk.dtype().size());
        assign(&mut buffer, 0, &strides, &Chunk::full(&shape, value));
        let start: usize = widths.iter().zip(&strides).map(|((before, _), stride)| before * *stride as usize).sum();
        assign(&mut buffer, start, &strides, chunk);
        return Ok(Chunk::new(chunk.dtype(), &shape, buffer));
    }
    let mut padded = chunk.clone();
    for (axis, (before, after)) in widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
        let len = padded.shape()[axis] as i64;
        if len == 0 {
            return Err(KernelError::Value { op: "pad", argument: "mode", expected: "constant for an empty axis" });
        }
        let mirrored = |at: i64, period: i64, beyond: i64| {
            let at = at.rem_euclid(period.max(1));
            if at < len { at } else { beyond - at }
        };
        let places: Vec<i64> = (-(*before as i64)..len + *after as i64)
            .map(|at| match mode {
                PadMode::Reflect => mirrored(at, 2 * (len - 1), 2 * (len - 1)),
                PadMode::Symmetric => mirrored(at, 2 * len, 2 * len - 1),
                PadMode::Wrap => at.rem_euclid(len),
                PadMode::Edge | PadMode::Constant(_) => at.clamp(0, len - 1),
            })
            .collect();
        padded = take(&padded, axis, &places)?;
    }
    Ok(padded)
}

/// Each element `n` times along an axis.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::repeat;
/// assert_eq!(repeat(&Chunk::from_values(&[2], &[1i64, 2]), 2, 0)?.to_vec::<i64>(), [1, 1, 2, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn repeat(chunk: &Chunk, n: usize, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let shape = with_len(chunk.shape(), axis, chunk.shape()[axis] * n);
    Ok(insert_axis(chunk, axis + 1, n).reshape(&shape))
}

/// The whole chunk `reps[axis]` times along each axis; missing axes on either side count as 1.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::tile;
/// assert_eq!(tile(&Chunk::from_values(&[2], &[1i64, 2]), &[2, 2]).to_vec::<i64>(), [1, 2, 1, 2, 1, 2, 1, 2]);
/// ```
pub fn tile(chunk: &Chunk, reps: &[usize]) -> Chunk {
    let ndim = chunk.ndim().max(reps.len());
    let padded: Dims = std::iter::repeat_n(1, ndim - reps.len()).chain(reps.iter().copied()).collect();
    let mut tiled = chunk.broadcast_to(&[&vec![1; ndim - chunk.ndim()], chunk.shape()].concat());
    let shape: Dims = tiled.shape().iter().zip(&padded).map(|(len, rep)| len * rep).collect();
    for (axis, rep) in padded.iter().enumerate().rev() {
        tiled = insert_axis(&tiled, axis, *rep);
    }
    tiled.reshape(&shape)
}

/// The lower triangles of the last two axes: elements more than `k` columns right of the diagonal become zero.
///
/// # Errors
/// [`KernelError::Axis`] if there are fewer than two axes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::tril;
/// assert_eq!(tril(&Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]), 0)?.to_vec::<i64>(), [1, 0, 3, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn tril(chunk: &Chunk, k: i64) -> Result<Chunk, KernelError> {
    triangle(chunk, |row, columns| {
        (0, (row as i64).saturating_add(k).saturating_add(1).clamp(0, columns as i64) as usize)
    })
}

/// The upper triangles of the last two axes: elements left of the `k`-th diagonal become zero.
///
/// # Errors
/// [`KernelError::Axis`] if there are fewer than two axes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::triu;
/// assert_eq!(triu(&Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]), 0)?.to_vec::<i64>(), [1, 2, 0, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn triu(chunk: &Chunk, k: i64) -> Result<Chunk, KernelError> {
    triangle(chunk, |row, columns| ((row as i64).saturating_add(k).clamp(0, columns as i64) as usize, columns))
}

/// Keeps of each row the columns in the range that `kept(row, columns)` gives.
fn triangle(chunk: &Chunk, kept: impl Fn(usize, usize) -> (usize, usize)) -> Result<Chunk, KernelError> {
    let Some(axis) = chunk.ndim().checked_sub(2) else {
        return Err(KernelError::Axis { axis: -2, ndim: chunk.ndim() });
    };
    let fold = lanes(chunk.shape(), axis)?;
    let columns = fold.inner;
    let source = chunk.to_contiguous();
    let mut buffer = Buffer::zeroed(chunk.nbytes());
    if !chunk.is_empty() {
        with_word!(chunk.dtype().size(), T => {
            let rows = buffer.typed_mut::<T>().chunks_exact_mut(columns).zip(elements::<T>(&source).chunks_exact(columns));
            for (row, (out, from)) in rows.enumerate() {
                let (start, end) = kept(row % fold.len, columns);
                out[start..end].copy_from_slice(&from[start..end]);
            }
        });
    }
    Ok(Chunk::new(chunk.dtype(), chunk.shape(), buffer))
}

/// A view of the diagonal of two axes, `offset` columns to the right, as the last axis of the result.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Value`] if the axes are the same.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::diagonal;
/// let x = Chunk::from_values(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
/// assert_eq!(diagonal(&x, 1, 0, 1)?.to_vec::<i64>(), [2, 6]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn diagonal(chunk: &Chunk, offset: i64, axis1: usize, axis2: usize) -> Result<Chunk, KernelError> {
    check_axis(axis1, chunk.ndim())?;
    check_axis(axis2, chunk.ndim())?;
    if axis1 == axis2 {
        return Err(KernelError::Value { op: "diagonal", argument: "axes", expected: "distinct" });
    }
    let skip = offset.unsigned_abs() as usize;
    let (down, right) = if offset < 0 { (skip, 0) } else { (0, skip) };
    let len = chunk.shape()[axis1].saturating_sub(down).min(chunk.shape()[axis2].saturating_sub(right));
    let rest = (0..chunk.ndim()).filter(|axis| *axis != axis1 && *axis != axis2);
    let (mut shape, mut strides): (Dims, Steps) = rest.map(|axis| (chunk.shape()[axis], chunk.strides()[axis])).unzip();
    let (step1, step2) = (chunk.strides()[axis1], chunk.strides()[axis2]);
    shape.push(len);
    strides.push(step1 + step2);
    let start = if len == 0 { 0 } else { down as isize * step1 + right as isize * step2 };
    Ok(chunk.view(start, shape, strides))
}

/// The sum of the [`diagonal`], with the dtype of a sum: integers become 64 bits wide.
///
/// # Errors
/// As [`diagonal`]; [`KernelError::DType`] for datetimes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::trace;
/// let x = Chunk::from_values(&[2, 2], &[1i8, 2, 3, 4]);
/// assert_eq!(trace(&x, 0, 0, 1)?.to_vec::<i64>(), [5]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn trace(chunk: &Chunk, offset: i64, axis1: usize, axis2: usize) -> Result<Chunk, KernelError> {
    lane_sums(&diagonal(chunk, offset, axis1, axis2)?)
}

/// A view of all windows: each `(axis, length)` shortens its axis to the window starts and adds an axis at the end.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Value`] if a window is empty or longer than its axis.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::layout::sliding_windows;
/// let x = Chunk::from_values(&[4], &[1i64, 2, 3, 4]);
/// let windows = sliding_windows(&x, &[(0, 3)])?;
/// assert_eq!(windows.shape(), [2, 3]);
/// assert_eq!(windows.to_vec::<i64>(), [1, 2, 3, 2, 3, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn sliding_windows(chunk: &Chunk, windows: &[(usize, usize)]) -> Result<Chunk, KernelError> {
    let (mut shape, mut strides) = (Dims::from(chunk.shape()), Steps::from(chunk.strides()));
    for (axis, window) in windows {
        check_axis(*axis, chunk.ndim())?;
        if *window == 0 || *window > shape[*axis] {
            let expected = "at least 1 and at most the length of the axis";
            return Err(KernelError::Value { op: "sliding_windows", argument: "window", expected });
        }
        shape[*axis] -= window - 1;
        shape.push(*window);
        strides.push(chunk.strides()[*axis]);
    }
    Ok(chunk.view(0, shape, strides))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Case, DTYPES, at, bytes, cases, indices};
    use super::*;

    /// Checks every element of `got` against the element of `x` that `from` names, or zero.
    #[track_caller]
    fn check(got: &Chunk, x: &Chunk, from: impl Fn(&[usize]) -> Option<Vec<usize>>) {
        assert_eq!(got.dtype(), x.dtype());
        for index in indices(got.shape()) {
            let want = from(&index).map_or(vec![0; x.dtype().size()], |from| at(x, &from));
            assert_eq!(at(got, &index), want, "{index:?}");
        }
    }

    fn with(index: &[usize], axis: usize, value: usize) -> Option<Vec<usize>> {
        let mut index = index.to_vec();
        index[axis] = value;
        Some(index)
    }

    proptest! {
        #[test]
        fn joins_split_again(case in cases(1, 3, 5), dtype in 0usize..16, axis in 0usize..3, other in 0usize..4) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let shape = with_len(x.shape(), axis, other).to_vec();
            let y = Case { shape, seed: case.seed ^ 1, flips: !case.flips, reversed: !case.reversed }.chunk(DTYPES[dtype]);
            let len = x.shape()[axis];
            let joined = concatenate(&[x.clone(), y.clone(), x.clone()], axis).unwrap();
            prop_assert_eq!(bytes(&joined.slice(axis, 0, 1, len)), bytes(&x));
            prop_assert_eq!(bytes(&joined.slice(axis, len, 1, other)), bytes(&y));
            prop_assert_eq!(bytes(&joined.slice(axis, len + other, 1, len)), bytes(&x));
            let stacked = stack(&[x.clone(), x.clone()], axis).unwrap();
            prop_assert_eq!(stacked.shape()[axis], 2);
            check(&stacked, &x, |index| {
                let mut index = index.to_vec();
                index.remove(axis);
                Some(index)
            });
        }

        #[test]
        fn moves_follow_their_index(case in cases(1, 3, 5), dtype in 0usize..16, axis in 0usize..3, n in 0usize..4, shift in -9i64..9) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let len = x.shape()[axis];
            check(&flip(&x, axis).unwrap(), &x, |index| with(index, axis, len - 1 - index[axis]));
            let rolled = roll(&x, shift, axis).unwrap();
            check(&rolled, &x, |index| with(index, axis, (index[axis] as i64 - shift).rem_euclid(len as i64) as usize));
            let repeated = repeat(&x, n, axis).unwrap();
            prop_assert_eq!(repeated.shape()[axis], len * n);
            check(&repeated, &x, |index| with(index, axis, index[axis] / n));
            let tiled = tile(&x, &[2, n]);
            let extra = tiled.ndim() - x.ndim();
            prop_assert_eq!(tiled.len(), x.len() * 2 * n);
            check(&tiled, &x, |index| Some(index[extra..].iter().zip(x.shape()).map(|(i, len)| i % len).collect()));
        }

        #[test]
        fn pads_extend_as_numpys(case in cases(1, 3, 4), dtype in 0usize..16, before in 0usize..6, after in 0usize..6, mode in 0usize..5) {
            let x = case.chunk(DTYPES[dtype]);
            let mode = [PadMode::Constant(Scalar::zero(x.dtype())), PadMode::Edge, PadMode::Reflect, PadMode::Symmetric, PadMode::Wrap][mode];
            let widths = vec![(before, after); x.ndim()];
            let Ok(got) = pad(&x, &widths, mode) else {
                prop_assert!(x.is_empty());
                return Ok(());
            };
            check(&got, &x, |index| index.iter().zip(x.shape()).map(|(at, len)| {
                let (mut at, len) = (*at as i64 - before as i64, *len as i64);
                if len == 1 && matches!(mode, PadMode::Reflect) {
                    return Some(0);
                }
                while at < 0 || at >= len {
                    at = match mode {
                        PadMode::Constant(_) => return None,
                        PadMode::Edge => at.clamp(0, len - 1),
                        PadMode::Wrap => if at < 0 { at + len } else { at - len },
                        PadMode::Reflect => if at < 0 { -at } else { 2 * len - 2 - at },
                        PadMode::Symmetric => if at < 0 { -1 - at } else { 2 * len - 1 - at },
                    };
                }
                Some(at as usize)
            }).collect());
        }

        #[test]
        fn triangles_and_diagonals(case in cases(2, 4, 5), dtype in 0usize..16, k in -6i64..6, first in 0usize..4, second in 0usize..4) {
            let x = case.chunk(DTYPES[dtype]);
            let place = |index: &[usize]| index[index.len() - 1] as i64 - index[index.len() - 2] as i64;
            check(&tril(&x, k).unwrap(), &x, |index| (place(index) <= k).then(|| index.to_vec()));
            check(&triu(&x, k).unwrap(), &x, |index| (place(index) >= k).then(|| index.to_vec()));
            let (a, b) = (first % x.ndim(), second % x.ndim());
            prop_assume!(a != b);
            let got = diagonal(&x, k, a, b).unwrap();
            check(&got, &x, |index| {
                let (on, mut rest) = (index[index.len() - 1] as i64, index.iter());
                Some((0..x.ndim()).map(|axis| match axis {
                    _ if axis == a => (on + (-k).max(0)) as usize,
                    _ if axis == b => (on + k.max(0)) as usize,
                    _ => *rest.next().unwrap(),
                }).collect())
            });
            let edge = |axis: usize, skip: i64| (x.shape()[axis] as i64 - skip.max(0)).max(0);
            prop_assert_eq!(got.shape()[got.ndim() - 1] as i64, edge(a, -k).min(edge(b, k)));
        }

        #[test]
        fn windows_are_views(case in cases(1, 3, 5), dtype in 0usize..16, axis in 0usize..3, window in 1usize..4) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let got = sliding_windows(&x, &[(axis, window)]);
            prop_assert_eq!(got.is_ok(), window <= x.shape()[axis]);
            if let Ok(got) = got {
                prop_assert_eq!(got.shape()[axis], x.shape()[axis] + 1 - window);
                check(&got, &x, |index| with(&index[..x.ndim()], axis, index[axis] + index[x.ndim()]));
            }
        }
    }

    #[test]
    fn trace_widens_and_of_nothing_is_zero() {
        let x = Chunk::from_values(&[2, 2], &[100i8, 0, 0, 100]);
        assert_eq!(trace(&x, 0, 0, 1).unwrap().to_vec::<i64>(), [200]);
        assert_eq!(trace(&x, 5, 0, 1).unwrap().to_vec::<i64>(), [0]);
    }
}
