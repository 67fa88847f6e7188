//! Picks and places elements by index or mask.
//!
//! Elements are moved as words of their size, whatever the dtype; where the picked axis is not the last one, whole rows
//! are copied. Indices are checked in one pass before any element moves. `searchsorted` remembers the last position,
//! which turns searches for ascending values into short walks, as NumPy does.

use selion_core::{B8, Chunk, DType, Element, Steps, assign, with_element};

use super::lanes::{
    Ordered, broadcast, build, check_axis, elements, lanes, resolve, same_dtype, same_shape, with_len, with_ordered,
    with_word,
};
use crate::error::KernelError;

/// On which side of equal elements [`searchsorted`] and [`digitize`](super::bins::digitize) insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before the first element that is not less.
    Left,
    /// After the last element that is not greater.
    Right,
}

fn resolve_all(indices: &[i64], axis: usize, size: usize) -> Result<Vec<usize>, KernelError> {
    indices.iter().map(|index| resolve(*index, axis, size)).collect()
}

/// The elements at `indices` along one axis; negative indices count from the end.
///
/// The result has `indices.len()` elements on that axis. O(elements of the result).
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::Index`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::take;
/// let x = Chunk::from_values(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
/// assert_eq!(take(&x, 1, &[-1, 0])?.to_vec::<i64>(), [3, 1, 6, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn take(chunk: &Chunk, axis: usize, indices: &[i64]) -> Result<Chunk, KernelError> {
    let fold = lanes(chunk.shape(), axis)?;
    let rows = resolve_all(indices, axis, fold.len)?;
    let shape = with_len(chunk.shape(), axis, rows.len());
    if !chunk.is_contiguous() && rows.len() < fold.len {
        return Ok(take_strided(chunk, axis, &rows, &shape));
    }
    let source = chunk.to_contiguous();
    Ok(with_word!(chunk.dtype().size(), T => build::<T>(chunk.dtype(), &shape, |out| {
        let from = elements::<T>(&source);
        if out.is_empty() {
            return;
        }
        let slabs = from.chunks_exact(fold.len * fold.inner).zip(out.chunks_exact_mut(rows.len() * fold.inner));
        for (from, out) in slabs {
            if fold.inner == 1 {
                for (out, row) in out.iter_mut().zip(&rows) {
                    *out = from[*row];
                }
            } else {
                for (out, row) in out.chunks_exact_mut(fold.inner).zip(&rows) {
                    out.copy_from_slice(&from[row * fold.inner..][..fold.inner]);
                }
            }
        }
    })))
}

/// Few rows of a view: copies these only.
fn take_strided(chunk: &Chunk, axis: usize, rows: &[usize], shape: &[usize]) -> Chunk {
    let mut buffer = selion_core::Buffer::scratch(shape.iter().product::<usize>() * chunk.dtype().size());
    let strides = selion_core::contiguous_strides(shape);
    let step: usize = shape[axis + 1..].iter().product();
    for (k, row) in rows.iter().enumerate() {
        assign(&mut buffer, k * step, &strides, &chunk.slice(axis, *row, 1, 1));
    }
    Chunk::new(chunk.dtype(), shape, buffer)
}

/// Where each point of a pointwise index is, in elements from the start, and what is left of the chunk at one point.
fn points(op: &'static str, chunk: &Chunk, axes: &[(usize, &[i64])]) -> Result<(Vec<isize>, Chunk), KernelError> {
    let Some((_, first)) = axes.first() else {
        return Err(KernelError::Value { op, argument: "axes", expected: "not empty" });
    };
    let mut starts = vec![0isize; first.len()];
    let mut indexed = vec![false; chunk.ndim()];
    for (axis, indices) in axes {
        check_axis(*axis, chunk.ndim())?;
        same_shape(op, &[starts.len()], &[indices.len()])?;
        if std::mem::replace(&mut indexed[*axis], true) {
            return Err(KernelError::Value { op, argument: "axes", expected: "distinct" });
        }
        for (start, index) in starts.iter_mut().zip(*indices) {
            *start += resolve(*index, *axis, chunk.shape()[*axis])? as isize * chunk.strides()[*axis];
        }
    }
    let rest = (0..chunk.ndim()).filter(|axis| !indexed[*axis]);
    let (shape, strides) = rest.map(|axis| (chunk.shape()[axis], chunk.strides()[axis])).unzip();
    Ok((starts, chunk.view(0, shape, strides)))
}

/// The points given by one index array per axis, all of the same length: Dask's `vindex`.
///
/// The result has the points on its first axis, then the axes that were not indexed. O(elements of the result).
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::Index`]; [`KernelError::Shape`] if index arrays differ in length;
/// [`KernelError::Value`] if `axes` is empty or names an axis twice.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::take_nd;
/// let x = Chunk::from_values(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
/// assert_eq!(take_nd(&x, &[(0, &[0, 1, -1]), (1, &[2, 0, 0])])?.to_vec::<i64>(), [3, 4, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn take_nd(chunk: &Chunk, axes: &[(usize, &[i64])]) -> Result<Chunk, KernelError> {
    let (starts, rest) = points("take_nd", chunk, axes)?;
    let mut shape = selion_core::Dims::from_slice(&[starts.len()]);
    shape.extend_from_slice(rest.shape());
    if rest.ndim() == 0 {
        return Ok(with_word!(chunk.dtype().size(), T => build::<T>(chunk.dtype(), &shape, |out| {
            let view = chunk.strided::<T>();
            for (out, start) in out.iter_mut().zip(&starts) {
                *out = view.data[(view.offset as isize + start) as usize];
            }
        })));
    }
    let mut buffer = selion_core::Buffer::scratch(shape.iter().product::<usize>() * chunk.dtype().size());
    let strides = selion_core::contiguous_strides(rest.shape());
    let row = rest.len();
    for (k, start) in starts.iter().enumerate().filter(|_| row > 0) {
        let point = chunk.view(*start, rest.shape().into(), rest.strides().into());
        assign(&mut buffer, k * row, &strides, &point);
    }
    Ok(Chunk::new(chunk.dtype(), &shape, buffer))
}

/// For each element of `indices` (`int64`), the element of `chunk` at that place along the axis.
///
/// `indices` has the shape of `chunk` except on `axis`; so has the result. It applies the result of an argsort.
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::Index`], [`KernelError::Shape`]; [`KernelError::DType`] if the indices are
/// not `int64`.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::take_along_axis;
/// let x = Chunk::from_values(&[3], &[10i64, 30, 20]);
/// let order = Chunk::from_values(&[3], &[0i64, 2, 1]);
/// assert_eq!(take_along_axis(&x, &order, 0)?.to_vec::<i64>(), [10, 20, 30]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn take_along_axis(chunk: &Chunk, indices: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let fold = lanes(chunk.shape(), axis)?;
    same_dtype("take_along_axis", DType::I64, indices)?;
    let count = indices.shape().get(axis).copied().unwrap_or(0);
    same_shape("take_along_axis", &with_len(chunk.shape(), axis, count), indices.shape())?;
    let (source, picks) = (chunk.to_contiguous(), indices.to_contiguous());
    let rows = resolve_all(elements::<i64>(&picks), axis, fold.len)?;
    Ok(with_word!(chunk.dtype().size(), T => build::<T>(chunk.dtype(), indices.shape(), |out| {
        let from = elements::<T>(&source);
        let mut out = out.iter_mut().zip(&rows);
        for outer in 0..fold.outer {
            let slab = &from[outer * fold.len * fold.inner..][..fold.len * fold.inner];
            for _ in 0..count {
                for (inner, (out, row)) in out.by_ref().take(fold.inner).enumerate() {
                    *out = slab[row * fold.inner + inner];
                }
            }
        }
    })))
}

/// Where a mask is true.
fn true_places(op: &'static str, mask: &Chunk) -> Result<Vec<usize>, KernelError> {
    same_dtype(op, DType::Bool, mask)?;
    let mask = mask.to_contiguous();
    let mask = elements::<B8>(&mask);
    // Branch-free: write each place, advance only past true ones.
    let mut places = vec![0; mask.iter().filter(|x| x.get()).count() + 1];
    let mut filled = 0;
    for (k, flag) in mask.iter().enumerate() {
        places[filled] = k;
        filled += usize::from(flag.get());
    }
    places.truncate(filled);
    Ok(places)
}

/// The rows along `axis` for which the one-dimensional `mask`, as long as the axis, is true.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Shape`] if the mask is not as long as the axis; [`KernelError::DType`] if it
/// is not `bool`.
///
/// # Examples
/// ```
/// # use selion_core::{B8, Chunk};
/// # use selion_kernels::blocks::gather::compress;
/// let x = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// let mask = Chunk::from_values(&[2], &[B8(0), B8(1)]);
/// assert_eq!(compress(&x, 0, &mask)?.to_vec::<i64>(), [3, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn compress(chunk: &Chunk, axis: usize, mask: &Chunk) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    same_shape("compress", &[chunk.shape()[axis]], mask.shape())?;
    let places: Vec<i64> = true_places("compress", mask)?.into_iter().map(|place| place as i64).collect();
    take(chunk, axis, &places)
}

/// The elements for which `mask`, of the same shape, is true; one-dimensional, in C order.
///
/// # Errors
/// [`KernelError::Shape`]; [`KernelError::DType`] if the mask is not `bool`.
///
/// # Examples
/// ```
/// # use selion_core::{B8, Chunk};
/// # use selion_kernels::blocks::gather::select;
/// let x = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// let mask = Chunk::from_values(&[2, 2], &[B8(1), B8(0), B8(0), B8(1)]);
/// assert_eq!(select(&x, &mask)?.to_vec::<i64>(), [1, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn select(chunk: &Chunk, mask: &Chunk) -> Result<Chunk, KernelError> {
    same_shape("select", chunk.shape(), mask.shape())?;
    let places = true_places("select", mask)?;
    let source = chunk.to_contiguous();
    Ok(with_word!(chunk.dtype().size(), T => build::<T>(chunk.dtype(), &[places.len()], |out| {
        let from = elements::<T>(&source);
        for (out, place) in out.iter_mut().zip(&places) {
            *out = from[*place];
        }
    })))
}

/// A copy of `chunk` with `values` at `indices` along one axis; of repeated indices, the last counts.
///
/// `values` has the dtype of the chunk and broadcasts to its shape with `indices.len()` on the axis.
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::Index`], [`KernelError::Shape`], [`KernelError::DType`].
///
/// # Examples
/// ```
/// # use selion_core::{Chunk, Scalar};
/// # use selion_kernels::blocks::gather::put;
/// let x = Chunk::from_values(&[4], &[1i64, 2, 3, 4]);
/// let values = Chunk::from_values(&[2], &[7i64, 8]);
/// assert_eq!(put(&x, 0, &[0, -1], &values)?.to_vec::<i64>(), [7, 2, 3, 8]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn put(chunk: &Chunk, axis: usize, indices: &[i64], values: &Chunk) -> Result<Chunk, KernelError> {
    let fold = lanes(chunk.shape(), axis)?;
    same_dtype("put", chunk.dtype(), values)?;
    let rows = resolve_all(indices, axis, fold.len)?;
    let values = broadcast("put", values, &with_len(chunk.shape(), axis, rows.len()))?.to_contiguous();
    Ok(with_word!(chunk.dtype().size(), T => copy_then::<T>(chunk, |out| {
        let mut from = elements::<T>(&values);
        for outer in 0..fold.outer {
            let slab = &mut out[outer * fold.len * fold.inner..][..fold.len * fold.inner];
            for row in &rows {
                let (head, tail) = from.split_at(fold.inner);
                slab[row * fold.inner..][..fold.inner].copy_from_slice(head);
                from = tail;
            }
        }
    })))
}

/// A C-ordered copy of `chunk` in memory of its own, after `change`.
fn copy_then<T: Element>(chunk: &Chunk, change: impl FnOnce(&mut [T])) -> Chunk {
    let mut buffer = selion_core::Buffer::scratch(chunk.nbytes());
    assign(&mut buffer, 0, &selion_core::contiguous_strides(chunk.shape()), chunk);
    change(buffer.typed_mut());
    Chunk::new(chunk.dtype(), chunk.shape(), buffer)
}

/// A copy of `chunk` with `values` at the points that [`take_nd`] would read; of repeated points, the last counts.
///
/// `values` has the dtype of the chunk and broadcasts to the shape of that result.
///
/// # Errors
/// Those of [`take_nd`]; [`KernelError::DType`] if the dtypes differ.
///
/// # Examples
/// ```
/// # use selion_core::{Chunk, Scalar};
/// # use selion_kernels::blocks::gather::put_nd;
/// let x = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// let nine = Chunk::full(&[], Scalar::new(9i64));
/// assert_eq!(put_nd(&x, &[(0, &[0, 1]), (1, &[0, 1])], &nine)?.to_vec::<i64>(), [9, 2, 3, 9]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn put_nd(chunk: &Chunk, axes: &[(usize, &[i64])], values: &Chunk) -> Result<Chunk, KernelError> {
    same_dtype("put_nd", chunk.dtype(), values)?;
    let strides = selion_core::contiguous_strides(chunk.shape());
    // Places are wanted in the copy, so they are computed on a stand-in with its strides.
    let shape = chunk.shape();
    let stand_in = if chunk.is_contiguous() { chunk.clone() } else { chunk.to_contiguous() };
    let (starts, rest) = points("put_nd", &stand_in, axes)?;
    let mut block = selion_core::Dims::from_slice(&[starts.len()]);
    block.extend_from_slice(rest.shape());
    let values = broadcast("put_nd", values, &block)?;
    let mut buffer = selion_core::Buffer::scratch(chunk.nbytes());
    assign(&mut buffer, 0, &strides, &stand_in);
    let targets: Steps = rest.strides().into();
    for (k, start) in starts.iter().enumerate().filter(|_| !rest.is_empty()) {
        let row = values.slice(0, k, 1, 1).view(0, rest.shape().into(), values.strides()[1..].into());
        assign(&mut buffer, *start as usize, &targets, &row);
    }
    Ok(Chunk::new(chunk.dtype(), shape, buffer))
}

/// A copy of `chunk` with `value`, broadcast to its shape, where `mask` (which broadcasts too) is true.
///
/// # Errors
/// [`KernelError::Shape`]; [`KernelError::DType`] if the mask is not `bool` or the dtypes differ.
///
/// # Examples
/// ```
/// # use selion_core::{B8, Chunk, Scalar};
/// # use selion_kernels::blocks::gather::put_mask;
/// let x = Chunk::from_values(&[3], &[1i64, 2, 3]);
/// let mask = Chunk::from_values(&[3], &[B8(1), B8(0), B8(1)]);
/// assert_eq!(put_mask(&x, &mask, &Chunk::full(&[], Scalar::new(0i64)))?.to_vec::<i64>(), [0, 2, 0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn put_mask(chunk: &Chunk, mask: &Chunk, value: &Chunk) -> Result<Chunk, KernelError> {
    same_dtype("put_mask", DType::Bool, mask)?;
    same_dtype("put_mask", chunk.dtype(), value)?;
    let mask = broadcast("put_mask", mask, chunk.shape())?.to_contiguous();
    let mask = elements::<B8>(&mask);
    let value = broadcast("put_mask", value, chunk.shape())?;
    Ok(with_word!(chunk.dtype().size(), T => copy_then::<T>(chunk, |out| {
        if value.strides().iter().all(|stride| *stride == 0) {
            let view = value.strided::<T>();
            for (out, mask) in out.iter_mut().zip(mask) {
                *out = if mask.get() { view.data[view.offset] } else { *out };
            }
            return;
        }
        let value = value.to_contiguous();
        for ((out, mask), value) in out.iter_mut().zip(mask).zip(elements::<T>(&value)) {
            *out = if mask.get() { *value } else { *out };
        }
    })))
}

/// A copy of `chunk` with the one-dimensional `values` in turn where `mask`, of its shape, is true: the inverse of
/// [`select`].
///
/// # Errors
/// [`KernelError::Shape`] if the shapes differ or there are not as many values as true elements;
/// [`KernelError::DType`] if the mask is not `bool` or the dtypes differ.
///
/// # Examples
/// ```
/// # use selion_core::{B8, Chunk};
/// # use selion_kernels::blocks::gather::put_selected;
/// let x = Chunk::from_values(&[3], &[1i64, 2, 3]);
/// let mask = Chunk::from_values(&[3], &[B8(1), B8(0), B8(1)]);
/// let values = Chunk::from_values(&[2], &[7i64, 8]);
/// assert_eq!(put_selected(&x, &mask, &values)?.to_vec::<i64>(), [7, 2, 8]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn put_selected(chunk: &Chunk, mask: &Chunk, values: &Chunk) -> Result<Chunk, KernelError> {
    same_shape("put_selected", chunk.shape(), mask.shape())?;
    same_dtype("put_selected", chunk.dtype(), values)?;
    let places = true_places("put_selected", mask)?;
    same_shape("put_selected", &[places.len()], values.shape())?;
    let values = values.to_contiguous();
    Ok(with_word!(chunk.dtype().size(), T => copy_then::<T>(chunk, |out| {
        for (place, value) in places.iter().zip(elements::<T>(&values)) {
            out[*place] = *value;
        }
    })))
}

/// Where the elements are not zero: one `int64` chunk of coordinates per axis, in C order.
///
/// NaN and NaT are not zero; -0.0 is.
///
/// # Errors
/// [`KernelError::Axis`] for a chunk without axes, which NumPy refuses too.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::nonzero;
/// let x = Chunk::from_values(&[2, 2], &[0.0, 3.0, f64::NAN, -0.0]);
/// let places = nonzero(&x)?;
/// assert_eq!(places[0].to_vec::<i64>(), [0, 1]);
/// assert_eq!(places[1].to_vec::<i64>(), [1, 0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn nonzero(chunk: &Chunk) -> Result<Vec<Chunk>, KernelError> {
    check_axis(0, chunk.ndim())?;
    let source = chunk.to_contiguous();
    let mut places: Vec<usize> = with_element!(chunk.dtype(), T => {
        let zero: T = bytemuck::Zeroable::zeroed();
        let flags: Vec<usize> =
            elements::<T>(&source).iter().enumerate().filter(|(_, x)| **x != zero).map(|(k, _)| k).collect();
        flags
    });
    let mut coordinates = Vec::with_capacity(chunk.ndim());
    for len in chunk.shape().iter().rev() {
        coordinates.push(build::<i64>(DType::I64, &[places.len()], |out| {
            for (out, place) in out.iter_mut().zip(&mut places) {
                *out = (*place % len) as i64;
                *place /= len;
            }
        }));
    }
    coordinates.reverse();
    Ok(coordinates)
}

/// How many elements are not zero.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::count_nonzero;
/// assert_eq!(count_nonzero(&Chunk::from_values(&[3], &[0i64, 5, 7])), 2);
/// ```
pub fn count_nonzero(chunk: &Chunk) -> usize {
    let source = chunk.to_contiguous();
    with_element!(chunk.dtype(), T => {
        let zero: T = bytemuck::Zeroable::zeroed();
        elements::<T>(&source).iter().map(|x| usize::from(*x != zero)).sum()
    })
}

/// Where each of `values` would be inserted into the one-dimensional, ascending `sorted`, as `int64`.
///
/// The order is that of [`sort`](super::sort::sort): NaN and NaT last. O(values × log sorted).
///
/// # Errors
/// [`KernelError::Axis`] unless `sorted` has one axis; [`KernelError::DType`] if the dtypes differ.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::gather::{Side, searchsorted};
/// let sorted = Chunk::from_values(&[3], &[1.0, 2.0, 2.0]);
/// let values = Chunk::from_values(&[2], &[2.0, f64::NAN]);
/// assert_eq!(searchsorted(&sorted, &values, Side::Left)?.to_vec::<i64>(), [1, 3]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn searchsorted(sorted: &Chunk, values: &Chunk, side: Side) -> Result<Chunk, KernelError> {
    if sorted.ndim() != 1 {
        return Err(KernelError::Axis { axis: 0, ndim: sorted.ndim() });
    }
    same_dtype("searchsorted", sorted.dtype(), values)?;
    let (sorted, values) = (sorted.to_contiguous(), values.to_contiguous());
    Ok(with_ordered!(sorted.dtype(), T => build::<i64>(DType::I64, values.shape(), |out| {
        search(elements::<T>(&sorted), elements::<T>(&values), side, out);
    })))
}

/// The insertion points of `values`, starting each search from the last result where values ascend.
pub(super) fn search<T: Ordered>(sorted: &[T], values: &[T], side: Side, out: &mut [i64]) {
    let (mut last, mut low) = (None, 0);
    for (out, value) in out.iter_mut().zip(values) {
        let key = value.key();
        if last.is_some_and(|last| key < last) {
            low = 0;
        }
        low += match side {
            Side::Left => sorted[low..].partition_point(|x| x.key() < key),
            Side::Right => sorted[low..].partition_point(|x| x.key() <= key),
        };
        last = Some(key);
        *out = low as i64;
    }
}

#[cfg(test)]
#[expect(clippy::bool_comparison, reason = "generic over elements, of which one is bool")]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Case, DTYPES, at, bytes, cases, indices, mix};
    use super::*;

    fn picks(seed: u64, size: usize, count: usize) -> Vec<i64> {
        if size == 0 {
            return Vec::new();
        }
        let span = 2 * size as u64;
        (0..count as u64).map(|k| (mix(seed ^ k) % span) as i64 - size as i64).collect()
    }

    fn place(index: i64, size: usize) -> usize {
        if index < 0 { (index + size as i64) as usize } else { index as usize }
    }

    fn mask_of(case: &Case, shape: &[usize]) -> Chunk {
        Case { shape: shape.to_vec(), seed: case.seed ^ 77, ..case.clone() }.chunk(DType::Bool)
    }

    proptest! {
        #[test]
        fn take_and_put_follow_the_index(case in cases(1, 4, 5), dtype in 0usize..16, axis in 0usize..4, count in 0usize..7) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let size = x.shape()[axis];
            let picks = picks(case.seed, size, count);
            let got = take(&x, axis, &picks).unwrap();
            let want = with_len(x.shape(), axis, picks.len());
            prop_assert_eq!(got.shape(), &want[..]);
            for index in indices(got.shape()) {
                let mut from = index.clone();
                from[axis] = place(picks[index[axis]], size);
                prop_assert_eq!(at(&got, &index), at(&x, &from));
            }
            prop_assert_eq!(bytes(&put(&x, axis, &picks, &got).unwrap()), bytes(&x));
            let wide = Chunk::full(&[], selion_core::Scalar::zero(x.dtype()));
            let zeroed = put(&x, axis, &picks, &wide).unwrap();
            for index in indices(x.shape()) {
                let hit = picks.iter().any(|pick| place(*pick, size) == index[axis]);
                let want = if hit { vec![0; x.dtype().size()] } else { at(&x, &index) };
                prop_assert_eq!(at(&zeroed, &index), want);
            }
        }

        #[test]
        fn take_nd_reads_points(case in cases(2, 4, 4), dtype in 0usize..16, first in 0usize..4, second in 0usize..4) {
            let x = case.chunk(DTYPES[dtype]);
            let (a, b) = (first % x.ndim(), second % x.ndim());
            prop_assume!(a != b && x.shape()[a] > 0 && x.shape()[b] > 0);
            let (i, j) = (picks(case.seed, x.shape()[a], 5), picks(case.seed ^ 9, x.shape()[b], 5));
            let axes: [(usize, &[i64]); 2] = [(a, &i), (b, &j)];
            let got = take_nd(&x, &axes).unwrap();
            for index in indices(got.shape()) {
                let mut rest = index[1..].iter();
                let from: Vec<usize> = (0..x.ndim()).map(|axis| match axis {
                    _ if axis == a => place(i[index[0]], x.shape()[a]),
                    _ if axis == b => place(j[index[0]], x.shape()[b]),
                    _ => *rest.next().unwrap(),
                }).collect();
                prop_assert_eq!(at(&got, &index), at(&x, &from));
            }
            prop_assert_eq!(bytes(&put_nd(&x, &axes, &got).unwrap()), bytes(&x));
            let zero = Chunk::full(&[], selion_core::Scalar::zero(x.dtype()));
            let zeroed = take_nd(&put_nd(&x, &axes, &zero).unwrap(), &axes).unwrap();
            prop_assert!(bytes(&zeroed).iter().flatten().all(|byte| *byte == 0));
        }

        #[test]
        fn masks_select_and_place(case in cases(0, 3, 5), dtype in 0usize..16) {
            let x = case.chunk(DTYPES[dtype]);
            let mask = mask_of(&case, x.shape());
            let got = select(&x, &mask).unwrap();
            let want: Vec<_> = indices(x.shape()).iter().filter(|i| at(&mask, i) == [1]).map(|i| at(&x, i)).collect();
            prop_assert_eq!(bytes(&got), want);
            let zero = Chunk::full(&[], selion_core::Scalar::zero(x.dtype()));
            let zeroed = put_mask(&x, &mask, &zero).unwrap();
            for index in indices(x.shape()) {
                let want = if at(&mask, &index) == [1] { vec![0; x.dtype().size()] } else { at(&x, &index) };
                prop_assert_eq!(at(&zeroed, &index), want);
            }
            prop_assert_eq!(bytes(&put_selected(&zeroed, &mask, &got).unwrap()), bytes(&x));
            prop_assert_eq!(bytes(&put_mask(&zeroed, &mask, &x).unwrap()), bytes(&x));
            if x.ndim() > 0 {
                let rows = mask_of(&case, &x.shape()[..1]);
                let kept = compress(&x, 0, &rows).unwrap();
                prop_assert_eq!(kept.shape()[0], count_nonzero(&rows));
                let places = nonzero(&x).unwrap();
                prop_assert_eq!(places[0].len(), count_nonzero(&x));
                let listed: Vec<Vec<i64>> = places.iter().map(Chunk::to_vec::<i64>).collect();
                for k in 0..places[0].len() {
                    let index: Vec<usize> = listed.iter().map(|axis| axis[k] as usize).collect();
                    prop_assert!(at(&x, &index).iter().any(|byte| *byte != 0));
                }
            }
        }

        #[test]
        fn searchsorted_counts_what_is_less(case in cases(1, 1, 30), dtype in 0usize..16, right in any::<bool>()) {
            let x = case.chunk(DTYPES[dtype]);
            let values = Case { shape: vec![3, 2], seed: case.seed ^ 5, ..case.clone() }.chunk(DTYPES[dtype]);
            with_ordered!(x.dtype(), T => {
                let mut sorted = x.to_vec::<T>();
                sorted.sort_by_key(|x| x.key());
                let side = if right { Side::Right } else { Side::Left };
                let sorted_chunk = Chunk::from_values(&[sorted.len()], &sorted).reinterpret(x.dtype());
                let got = searchsorted(&sorted_chunk, &values, side).unwrap().to_vec::<i64>();
                for (got, value) in got.iter().zip(values.to_vec::<T>()) {
                    let less = |x: &&T| if right { x.key() <= value.key() } else { x.key() < value.key() };
                    prop_assert_eq!(*got, sorted.iter().filter(less).count() as i64);
                }
            });
        }
    }

    #[test]
    fn an_index_beyond_the_axis_is_named() {
        let x = Chunk::from_values(&[3], &[1i64, 2, 3]);
        assert_eq!(take(&x, 0, &[0, 5]).unwrap_err(), KernelError::Index { index: 5, axis: 0, size: 3 });
        assert_eq!(take(&x, 0, &[-4]).unwrap_err(), KernelError::Index { index: -4, axis: 0, size: 3 });
        assert_eq!(take(&x, 1, &[0]).unwrap_err(), KernelError::Axis { axis: 1, ndim: 1 });
        assert_eq!(take(&x, 0, &[i64::MIN]).unwrap_err().to_string().split(' ').next_back(), Some("3"));
    }
}
