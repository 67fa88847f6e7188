//! Running sums, products and extremes along an axis, differences, and filling of gaps.
//!
//! Where the axis is the last, one accumulator runs along each lane; elsewhere whole rows are combined, which
//! vectorises. To scan an array block by block, scan each block, then add what came before with [`scan_with_carry`].
//! Sums and products of integers are 64 bits wide, as NumPy's.

use selion_core::{B8, Chunk, DType, Element, with_element};

use super::lanes::{
    Lanes, Ordered, Time, build, elements, lanes, same_dtype, same_shape, with_len, with_ordered, without_axis,
};
use super::linear::Ring;
use crate::error::KernelError;

/// What a scan does with two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scan {
    /// Adds.
    Sum,
    /// Multiplies.
    Product,
    /// Keeps the greater; NaN and NaT stay.
    Max,
    /// Keeps the less; NaN and NaT stay.
    Min,
}

impl Scan {
    fn name(self) -> &'static str {
        match self {
            Scan::Sum => "cumsum",
            Scan::Product => "cumprod",
            Scan::Max => "cummax",
            Scan::Min => "cummin",
        }
    }

    /// The dtype of the scan of elements of `dtype`.
    fn result(self, dtype: DType) -> Result<DType, KernelError> {
        Ok(match (self, dtype) {
            (Scan::Sum | Scan::Product, DType::Bool | DType::I8 | DType::I16 | DType::I32) => DType::I64,
            (Scan::Sum | Scan::Product, DType::U8 | DType::U16 | DType::U32) => DType::U64,
            (Scan::Sum | Scan::Product, DType::DateTime(_)) | (Scan::Product, DType::TimeDelta(_)) => {
                return Err(KernelError::DType { op: self.name(), dtype });
            }
            _ => dtype,
        })
    }
}

impl Ring for Time {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        if self.is_nan() || other.is_nan() { Time(i64::MIN) } else { Time(self.0.wrapping_add(other.0)) }
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        other
    }
}

/// A copy as `int64` or `uint64` of smaller integers; any other chunk as it is.
pub(super) fn widen(chunk: &Chunk) -> Chunk {
    fn convert<T: Element, W: Element>(chunk: &Chunk, wide: impl Fn(T) -> W) -> Chunk {
        let source = chunk.to_contiguous();
        build::<W>(W::DTYPE, chunk.shape(), |out| {
            for (out, x) in out.iter_mut().zip(elements::<T>(&source)) {
                *out = wide(*x);
            }
        })
    }
    match chunk.dtype() {
        DType::Bool => convert(chunk, |x: B8| i64::from(x.get())),
        DType::I8 => convert(chunk, |x: i8| i64::from(x)),
        DType::I16 => convert(chunk, |x: i16| i64::from(x)),
        DType::I32 => convert(chunk, |x: i32| i64::from(x)),
        DType::U8 => convert(chunk, |x: u8| u64::from(x)),
        DType::U16 => convert(chunk, |x: u16| u64::from(x)),
        DType::U32 => convert(chunk, |x: u32| u64::from(x)),
        _ => chunk.clone(),
    }
}

fn run<T: Element>(out: &mut [T], from: &[T], fold: Lanes, op: impl Fn(T, T) -> T) {
    let Lanes { len, inner, .. } = fold;
    out.copy_from_slice(from);
    if out.is_empty() {
        return;
    }
    for slab in out.chunks_exact_mut(len * inner) {
        if inner == 1 {
            let mut sum = slab[0];
            for x in &mut slab[1..] {
                sum = op(sum, *x);
                *x = sum;
            }
        } else {
            for row in 1..len {
                let (before, rest) = slab.split_at_mut(row * inner);
                let before = &before[(row - 1) * inner..];
                for (x, sum) in rest[..inner].iter_mut().zip(before) {
                    *x = op(*sum, *x);
                }
            }
        }
    }
}

#[inline(always)]
fn greater<T: Ordered>(a: T, b: T) -> T {
    if a.is_nan() || (!b.is_nan() && a.key() >= b.key()) { a } else { b }
}

#[inline(always)]
fn less<T: Ordered>(a: T, b: T) -> T {
    if a.is_nan() || (!b.is_nan() && a.key() <= b.key()) { a } else { b }
}

/// The scan of `chunk` along `axis`.
///
/// Sums and products of booleans and small integers are `int64`, of small unsigned ones `uint64`; integers wrap.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::DType`] for sums of datetimes, products of datetimes and timedeltas.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::{Scan, scan};
/// let x = Chunk::from_values(&[3], &[2i64, 1, 3]);
/// assert_eq!(scan(&x, 0, Scan::Max)?.to_vec::<i64>(), [2, 2, 3]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn scan(chunk: &Chunk, axis: usize, op: Scan) -> Result<Chunk, KernelError> {
    let fold = lanes(chunk.shape(), axis)?;
    let dtype = op.result(chunk.dtype())?;
    let source = if dtype == chunk.dtype() { chunk.to_contiguous() } else { widen(chunk) };
    Ok(with_ordered!(dtype, T => build::<T>(dtype, chunk.shape(), |out| {
        let from = elements::<T>(&source);
        match op {
            Scan::Sum => run(out, from, fold, T::plus),
            Scan::Product => run(out, from, fold, T::times),
            Scan::Max => run(out, from, fold, greater),
            Scan::Min => run(out, from, fold, less),
        }
    })))
}

/// Joins a scanned block to what came before it: combines `carry` with every row of the block.
///
/// `carry` is the last row of the array up to this block: the block's shape without `axis`, and its dtype.
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::Shape`], [`KernelError::DType`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::{Scan, scan_with_carry};
/// let scanned = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// let carry = Chunk::from_values(&[2], &[10i64, 20]);
/// assert_eq!(scan_with_carry(&scanned, &carry, 0, Scan::Sum)?.to_vec::<i64>(), [11, 22, 13, 24]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn scan_with_carry(scanned: &Chunk, carry: &Chunk, axis: usize, op: Scan) -> Result<Chunk, KernelError> {
    let fold = lanes(scanned.shape(), axis)?;
    same_shape(op.name(), &without_axis(scanned.shape(), axis), carry.shape())?;
    same_dtype(op.name(), op.result(scanned.dtype())?, carry)?;
    same_dtype(op.name(), carry.dtype(), scanned)?;
    let (source, carry) = (scanned.to_contiguous(), carry.to_contiguous());
    Ok(with_ordered!(scanned.dtype(), T => build::<T>(scanned.dtype(), scanned.shape(), |out| {
        let (from, carry) = (elements::<T>(&source), elements::<T>(&carry));
        match op {
            Scan::Sum => join(out, from, carry, fold, T::plus),
            Scan::Product => join(out, from, carry, fold, T::times),
            Scan::Max => join(out, from, carry, fold, greater),
            Scan::Min => join(out, from, carry, fold, less),
        }
    })))
}

fn join<T: Element>(out: &mut [T], from: &[T], carry: &[T], fold: Lanes, op: impl Fn(T, T) -> T) {
    let Lanes { len, inner, .. } = fold;
    if out.is_empty() {
        return;
    }
    let slabs = out.chunks_exact_mut(len * inner).zip(from.chunks_exact(len * inner));
    for ((out, from), carry) in slabs.zip(carry.chunks_exact(inner)) {
        for (out, from) in out.chunks_exact_mut(inner).zip(from.chunks_exact(inner)) {
            for ((out, x), carry) in out.iter_mut().zip(from).zip(carry) {
                *out = op(*carry, *x);
            }
        }
    }
}

/// Running sums: [`scan`] with [`Scan::Sum`].
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::cumsum;
/// let x = Chunk::from_values(&[2, 2], &[1i8, 2, 3, 4]);
/// assert_eq!(cumsum(&x, 0)?.to_vec::<i64>(), [1, 2, 4, 6]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn cumsum(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(chunk, axis, Scan::Sum)
}

/// Running products: [`scan`] with [`Scan::Product`].
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::cumprod;
/// assert_eq!(cumprod(&Chunk::from_values(&[3], &[2.0, 3.0, 4.0]), 0)?.to_vec::<f64>(), [2.0, 6.0, 24.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn cumprod(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(chunk, axis, Scan::Product)
}

/// Running maxima: [`scan`] with [`Scan::Max`].
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::cummax;
/// assert_eq!(cummax(&Chunk::from_values(&[3], &[2u8, 1, 4]), 0)?.to_vec::<u8>(), [2, 2, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn cummax(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(chunk, axis, Scan::Max)
}

/// Running minima: [`scan`] with [`Scan::Min`].
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::cummin;
/// assert_eq!(cummin(&Chunk::from_values(&[3], &[2u8, 1, 4]), 0)?.to_vec::<u8>(), [2, 1, 1]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn cummin(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(chunk, axis, Scan::Min)
}

/// A copy with `value` in place of NaN.
fn without_nan(chunk: &Chunk, value: f64) -> Chunk {
    if !matches!(chunk.dtype(), DType::F16 | DType::F32 | DType::F64 | DType::C64 | DType::C128) {
        return chunk.clone();
    }
    let source = chunk.to_contiguous();
    with_ordered!(chunk.dtype(), T => build::<T>(chunk.dtype(), chunk.shape(), |out| {
        let value: T = selion_core::Scalar::from_f64(value, chunk.dtype()).get();
        for (out, x) in out.iter_mut().zip(elements::<T>(&source)) {
            *out = if x.is_nan() { value } else { *x };
        }
    }))
}

/// Running sums that take NaN for zero.
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::nancumsum;
/// assert_eq!(nancumsum(&Chunk::from_values(&[3], &[1.0, f64::NAN, 4.0]), 0)?.to_vec::<f64>(), [1.0, 1.0, 5.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn nancumsum(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(&without_nan(chunk, 0.0), axis, Scan::Sum)
}

/// Running products that take NaN for one.
///
/// # Errors
/// As [`scan`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::nancumprod;
/// assert_eq!(nancumprod(&Chunk::from_values(&[3], &[f64::NAN, 2.0, 4.0]), 0)?.to_vec::<f64>(), [1.0, 2.0, 8.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn nancumprod(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    scan(&without_nan(chunk, 1.0), axis, Scan::Product)
}

/// What `diff` does with two neighbours.
trait Minus: Element {
    fn minus(self, other: Self) -> Self;
}

macro_rules! minus {
    (wrapping: $($I:ty)*; plain: $($F:ty)*) => {
        $(impl Minus for $I {
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
        })*
        $(impl Minus for $F {
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self - other }
        })*
    };
}
minus!(wrapping: i8 i16 i32 i64 u8 u16 u32 u64; plain: selion_core::f16 f32 f64 selion_core::c64 selion_core::c128);

impl Minus for B8 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        B8::from(self.get() != other.get())
    }
}

impl Minus for Time {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        if self.is_nan() || other.is_nan() { Time(i64::MIN) } else { Time(self.0.wrapping_sub(other.0)) }
    }
}

/// The `n`-th differences of neighbours along an axis, which becomes `n` shorter (at least 0).
///
/// Booleans: whether they differ. Datetimes: timedeltas of the same unit. Integers wrap.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::diff;
/// let x = Chunk::from_values(&[4], &[1i64, 2, 4, 8]);
/// assert_eq!(diff(&x, 1, 0)?.to_vec::<i64>(), [1, 2, 4]);
/// assert_eq!(diff(&x, 2, 0)?.to_vec::<i64>(), [1, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn diff(chunk: &Chunk, n: usize, axis: usize) -> Result<Chunk, KernelError> {
    let mut result = chunk.clone();
    lanes(chunk.shape(), axis)?;
    for _ in 0..n {
        let source = result.to_contiguous();
        let fold = lanes(source.shape(), axis)?;
        let shape = with_len(source.shape(), axis, fold.len.saturating_sub(1));
        let dtype = match source.dtype() {
            DType::DateTime(unit) => DType::TimeDelta(unit),
            dtype => dtype,
        };
        result = with_ordered!(dtype, T => build::<T>(dtype, &shape, |out| {
            if out.is_empty() {
                return;
            }
            let row = fold.inner;
            let slabs = elements::<T>(&source).chunks_exact(fold.len * row);
            for (from, out) in slabs.zip(out.chunks_exact_mut((fold.len - 1) * row)) {
                for ((out, after), before) in out.iter_mut().zip(&from[row..]).zip(from) {
                    *out = after.minus(*before);
                }
            }
        }));
        if shape[axis] == 0 && result.dtype() == source.dtype() {
            break;
        }
    }
    Ok(result)
}

/// Fills NaN and NaT along an axis with the last element before it, over gaps of at most `limit` elements.
///
/// What comes before the first element stays. Bottleneck's and Dask's `push`. Dtypes without NaN are returned as they
/// are. To fill across blocks, put the last filled row of the block before in front.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::scan::ffill;
/// let x = Chunk::from_values(&[4], &[1.0, f64::NAN, f64::NAN, 2.0]);
/// assert_eq!(ffill(&x, 0, None)?.to_vec::<f64>(), [1.0, 1.0, 1.0, 2.0]);
/// assert!(ffill(&x, 0, Some(1))?.to_vec::<f64>()[2].is_nan());
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn ffill(chunk: &Chunk, axis: usize, limit: Option<usize>) -> Result<Chunk, KernelError> {
    let fold = lanes(chunk.shape(), axis)?;
    let source = chunk.to_contiguous();
    let limit = limit.unwrap_or(usize::MAX);
    if with_ordered!(chunk.dtype(), T => !elements::<T>(&source).iter().any(|x| x.is_nan())) {
        return Ok(source);
    }
    Ok(with_ordered!(chunk.dtype(), T => build::<T>(chunk.dtype(), chunk.shape(), |out| {
        out.copy_from_slice(elements::<T>(&source));
        let mut gaps = vec![0usize; fold.inner];
        for slab in out.chunks_exact_mut((fold.len * fold.inner).max(1)) {
            gaps.fill(0);
            for row in 1..fold.len {
                let (before, rest) = slab.split_at_mut(row * fold.inner);
                let before = &before[(row - 1) * fold.inner..];
                for ((x, last), gap) in rest[..fold.inner].iter_mut().zip(before).zip(&mut gaps) {
                    *gap = if x.is_nan() { *gap + 1 } else { 0 };
                    if x.is_nan() && *gap <= limit {
                        *x = *last;
                    }
                }
            }
        }
    })))
}

/// The sum of each lane of the last axis, with the dtype of [`cumsum`].
pub(super) fn lane_sums(chunk: &Chunk) -> Result<Chunk, KernelError> {
    let axis = chunk.ndim().saturating_sub(1);
    let scanned = scan(chunk, axis, Scan::Sum)?;
    let shape = without_axis(chunk.shape(), axis);
    let len = chunk.shape()[axis];
    Ok(with_element!(scanned.dtype(), T => build::<T>(scanned.dtype(), &shape, |out| {
        if len == 0 {
            return out.fill(bytemuck::Zeroable::zeroed());
        }
        for (out, lane) in out.iter_mut().zip(elements::<T>(&scanned).chunks_exact(len)) {
            *out = lane[len - 1];
        }
    })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DTYPES, at, bytes, cases, indices};
    use super::*;

    const OPS: [Scan; 4] = [Scan::Sum, Scan::Product, Scan::Max, Scan::Min];

    fn value<T: Element>(chunk: &Chunk, index: &[usize]) -> T {
        bytemuck::pod_read_unaligned(&at(chunk, index))
    }

    proptest! {
        #[test]
        fn scans_run_along_the_axis(case in cases(1, 3, 6), dtype in 0usize..16, axis in 0usize..3, op in 0usize..4) {
            let (x, op) = (case.chunk(DTYPES[dtype]), OPS[op]);
            let axis = axis % x.ndim();
            let Ok(got) = scan(&x, axis, op) else {
                prop_assert!(matches!(x.dtype(), DType::DateTime(_) | DType::TimeDelta(_)));
                return Ok(());
            };
            let wide = if got.dtype() == x.dtype() { x.clone() } else { widen(&x) };
            with_ordered!(got.dtype(), T => {
                for index in indices(x.shape()) {
                    let mut before = index.clone();
                    let want: T = (0..=index[axis]).map(|k| {
                        before[axis] = k;
                        value::<T>(&wide, &before)
                    }).reduce(|a, b| match op {
                        Scan::Sum => a.plus(b),
                        Scan::Product => a.times(b),
                        Scan::Max => if a.is_nan() || (!b.is_nan() && a.key() >= b.key()) { a } else { b },
                        Scan::Min => if a.is_nan() || (!b.is_nan() && a.key() <= b.key()) { a } else { b },
                    }).unwrap();
                    let got: T = value(&got, &index);
                    prop_assert!(got == want || (got.is_nan() && want.is_nan()), "{got:?} {want:?}");
                }
            });
        }

        #[test]
        fn blocks_join_by_their_carry(case in cases(1, 3, 6), d in 0usize..5, axis in 0usize..3, op in 0usize..4, cut in 1usize..6) {
            let dtype = [DType::I64, DType::U64, DType::I64, DType::F64, DType::I32][d];
            let (x, op) = (case.chunk(dtype), if d > 2 { OPS[2 + op % 2] } else { OPS[op] });
            let axis = axis % x.ndim();
            let len = x.shape()[axis];
            prop_assume!(cut < len);
            let head = scan(&x.slice(axis, 0, 1, cut), axis, op).unwrap();
            let tail = scan(&x.slice(axis, cut, 1, len - cut), axis, op).unwrap();
            let carry = head.slice(axis, cut - 1, 1, 1).reshape(&without_axis(x.shape(), axis));
            let joined = scan_with_carry(&tail, &carry, axis, op).unwrap();
            let whole = scan(&x, axis, op).unwrap();
            with_ordered!(dtype, T => {
                let (got, want) = (joined.to_vec::<T>(), whole.slice(axis, cut, 1, len - cut).to_vec::<T>());
                prop_assert!(got.iter().zip(&want).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
            });
        }

        #[test]
        fn diff_subtracts_neighbours(case in cases(1, 3, 6), dtype in 0usize..16, axis in 0usize..3) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let got = diff(&x, 1, axis).unwrap();
            prop_assert_eq!(got.shape()[axis], x.shape()[axis].saturating_sub(1));
            with_ordered!(x.dtype(), T => {
                for index in indices(got.shape()) {
                    let mut next = index.clone();
                    next[axis] += 1;
                    let want = value::<T>(&x, &next).minus(value::<T>(&x, &index));
                    prop_assert!(value::<T>(&got, &index).key() == want.key());
                }
            });
            let twice = diff(&got, 1, axis).unwrap();
            prop_assert_eq!(bytes(&diff(&x, 2, axis).unwrap()), bytes(&twice));
        }

        #[test]
        fn ffill_looks_back(case in cases(1, 3, 7), dtype in 0usize..16, axis in 0usize..3, limit in 0usize..4) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let limit = (limit < 3).then_some(limit);
            let got = ffill(&x, axis, limit).unwrap();
            with_ordered!(x.dtype(), T => for index in indices(x.shape()) {
                let mut from = index.clone();
                while value::<T>(&x, &from).is_nan() && from[axis] > 0 && index[axis] - from[axis] < limit.unwrap_or(9) {
                    from[axis] -= 1;
                }
                let want = if value::<T>(&x, &from).is_nan() { at(&x, &index) } else { at(&x, &from) };
                let _ = &want;
                let got: T = value(&got, &index);
                prop_assert!(got.key() == bytemuck::pod_read_unaligned::<T>(&want).key() || got.is_nan());
            });
        }
    }

    #[test]
    fn nan_stays_in_running_extremes_and_is_skipped_by_nan_sums() {
        let x = Chunk::from_values(&[3], &[1.0, f64::NAN, 3.0]);
        assert!(cummax(&x, 0).unwrap().to_vec::<f64>()[2].is_nan());
        assert_eq!(nancumsum(&x, 0).unwrap().to_vec::<f64>(), [1.0, 1.0, 4.0]);
        assert_eq!(nancumprod(&x, 0).unwrap().to_vec::<f64>(), [1.0, 1.0, 3.0]);
    }
}
