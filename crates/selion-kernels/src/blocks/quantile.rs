//! Medians and quantiles along an axis.
//!
//! The elements next to the wanted rank are found by selection, in O(n) for each quantile; from four quantiles on, the
//! lane is sorted instead. A NaN in a lane makes its result NaN; the `nan` variants leave NaNs out. Interpolation is in
//! the dtype of the result, ranks are in `f64`.

use selion_core::{B8, Chunk, DType, Dims, f16};

use super::lanes::{Ordered, build, check_axis, elements, lanes_last, without_axis};
use crate::error::KernelError;

/// What a quantile is that falls between two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Interpolated between the two.
    Linear,
    /// The lower.
    Lower,
    /// The higher.
    Higher,
    /// The mean of the two.
    Midpoint,
    /// The nearer; of two equally near, the one of even rank.
    Nearest,
}

/// What to do with NaN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nan {
    Spreads,
    IsLeftOut,
}

/// Elements of which quantiles are taken, and the float in which these are computed.
trait Real: Ordered {
    type Float: Float;
    fn float(self) -> Self::Float;
}

trait Float: Ordered {
    /// `a + (b - a) · t`, computed from the nearer end, as NumPy does.
    fn between(a: Self, b: Self, t: f64) -> Self;
    /// The mean of two.
    fn middle(a: Self, b: Self) -> Self;
}

macro_rules! floats {
    ($($T:ty, $wide:ty, $to:expr, $from:expr);*) => {$(
        impl Float for $T {
            fn between(a: Self, b: Self, t: f64) -> Self {
                if a.key() == b.key() {
                    return a; // also where both are infinite
                }
                let (a, b, t): ($wide, $wide, $wide) = ($to(a), $to(b), t as $wide);
                let step = b - a;
                $from(if t >= 0.5 { b - step * (1.0 - t) } else { a + step * t })
            }
            fn middle(a: Self, b: Self) -> Self {
                $from(($to(a) + $to(b)) / 2.0)
            }
        }
        impl Real for $T {
            type Float = $T;
            #[inline(always)]
            fn float(self) -> $T {
                self
            }
        }
    )*};
}
floats!(f16, f32, f16::to_f32, f16::from_f32; f32, f32, f32::from, f32::from; f64, f64, f64::from, f64::from);

macro_rules! integers {
    ($($T:ty)*) => {$(
        impl Real for $T {
            type Float = f64;
            #[inline(always)]
            fn float(self) -> f64 {
                self as f64
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Real for B8 {
    type Float = f64;
    #[inline(always)]
    fn float(self) -> f64 {
        f64::from(u8::from(self.get()))
    }
}

/// Runs `$body` with `$T` standing for the real type of `$dtype`, or returns the error that it has none.
macro_rules! with_real {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            dtype @ (DType::C64 | DType::C128 | DType::DateTime(_) | DType::TimeDelta(_)) => {
                return Err(KernelError::DType { op: $op, dtype });
            }
            DType::Bool => with_real!(@ B8, $T => $body),
            DType::I8 => with_real!(@ i8, $T => $body),
            DType::I16 => with_real!(@ i16, $T => $body),
            DType::I32 => with_real!(@ i32, $T => $body),
            DType::I64 => with_real!(@ i64, $T => $body),
            DType::U8 => with_real!(@ u8, $T => $body),
            DType::U16 => with_real!(@ u16, $T => $body),
            DType::U32 => with_real!(@ u32, $T => $body),
            DType::U64 => with_real!(@ u64, $T => $body),
            DType::F16 => with_real!(@ f16, $T => $body),
            DType::F32 => with_real!(@ f32, $T => $body),
            DType::F64 => with_real!(@ f64, $T => $body),
        }
    };
    (@ $R:ty, $T:ident => $body:expr) => {{
        type $T = $R;
        $body
    }};
}

/// Quantiles sought in one lane from which sorting it beats selecting each.
const SORT_FROM: usize = 4;

/// A lane being searched: NaNs are at its end, the rest is sorted or not.
struct Lane<'a, T> {
    numbers: &'a mut [T],
    sorted: bool,
}

impl<T: Ordered> Lane<'_, T> {
    /// The elements of ranks `low` and `high`, which are the same or neighbours.
    fn ranks(&mut self, low: usize, high: usize) -> (T, T) {
        if self.sorted {
            return (self.numbers[low], self.numbers[high]);
        }
        let (_, at_low, above) = self.numbers.select_nth_unstable_by_key(low, |x| x.key());
        let at_low = *at_low;
        let next = || above.iter().copied().min_by_key(|x| x.key()).unwrap_or(at_low);
        (at_low, if high == low { at_low } else { next() })
    }
}

/// Computes `results` results for each lane along `axis`; they are the first axis of what is returned.
///
/// `compute` is given a lane without NaN and not empty, and which result to compute; other lanes give `missing`.
fn lanes_to<T: Ordered, R: selion_core::Element>(
    chunk: &Chunk,
    axis: usize,
    results: usize,
    nan: Nan,
    dtype: DType,
    missing: impl Fn(&[T]) -> R,
    compute: impl Fn(&mut Lane<'_, T>, usize) -> R,
) -> Result<Chunk, KernelError> {
    let (rows, _) = lanes_last(chunk, axis)?;
    let len = chunk.shape()[axis];
    let mut shape = Dims::from_slice(&[results]);
    shape.extend(without_axis(chunk.shape(), axis));
    let count: usize = shape[1..].iter().product();
    let from = elements::<T>(&rows);
    Ok(build::<R>(dtype, &shape, |out| {
        let mut scratch: Vec<T> = Vec::with_capacity(len);
        for k in 0..count {
            let lane = &from[k * len..][..len];
            scratch.clear();
            scratch.extend(lane.iter().copied().filter(|x| !x.is_nan()));
            if scratch.is_empty() || (nan == Nan::Spreads && scratch.len() < len) {
                (0..results).for_each(|result| out[result * count + k] = missing(lane));
                continue;
            }
            let sorted = results >= SORT_FROM;
            if sorted {
                T::sort(&mut scratch);
            }
            let mut lane = Lane { numbers: &mut scratch, sorted };
            (0..results).for_each(|result| out[result * count + k] = compute(&mut lane, result));
        }
    }))
}

fn medians(op: &'static str, chunk: &Chunk, axis: usize, nan: Nan) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let result = with_real!(op, chunk.dtype(), T => {
        type F = <T as Real>::Float;
        lanes_to::<T, F>(chunk, axis, 1, nan, <F as selion_core::Element>::DTYPE, |_| F::NAN, |lane, _| {
            let len = lane.numbers.len();
            let (low, high) = lane.ranks((len - 1) / 2, len / 2);
            if len % 2 == 1 { low.float() } else { F::middle(low.float(), high.float()) }
        })?
    });
    Ok(result.reshape(&without_axis(chunk.shape(), axis)))
}

/// The median of each lane along an axis, which goes. Integers and booleans give `float64`; empty lanes NaN.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::DType`] for complex numbers and datetimes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::quantile::median;
/// let x = Chunk::from_values(&[2, 2], &[1i64, 2, 4, 3]);
/// assert_eq!(median(&x, 1)?.to_vec::<f64>(), [1.5, 3.5]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn median(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    medians("median", chunk, axis, Nan::Spreads)
}

/// As [`median`], without the NaNs; NaN for a lane of nothing else.
///
/// # Errors
/// As [`median`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::quantile::nanmedian;
/// assert_eq!(nanmedian(&Chunk::from_values(&[3], &[1.0, f64::NAN, 2.0]), 0)?.to_vec::<f64>(), [1.5]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn nanmedian(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    medians("nanmedian", chunk, axis, Nan::IsLeftOut)
}

fn quantiles(
    op: &'static str,
    chunk: &Chunk,
    q: &[f64],
    axis: usize,
    method: Method,
    nan: Nan,
) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    if !q.iter().all(|q| (0.0..=1.0).contains(q)) {
        return Err(KernelError::Value { op, argument: "q", expected: "in the range [0, 1]" });
    }
    let whole = matches!(method, Method::Lower | Method::Higher | Method::Nearest);
    Ok(with_real!(op, chunk.dtype(), T => {
        type F = <T as Real>::Float;
        if whole {
            // An element, in its own dtype. Only floats can be missing, except in a lane of nothing.
            let missing = |lane: &[T]| lane.iter().copied().find(|x| x.is_nan());
            let empty = chunk.shape()[axis] == 0 && !without_axis(chunk.shape(), axis).contains(&0);
            if empty && <F as selion_core::Element>::DTYPE != chunk.dtype() {
                return Err(KernelError::Value { op, argument: "chunk", expected: "not empty" });
            }
            let nothing: T = selion_core::Scalar::from_f64(f64::NAN, chunk.dtype()).get();
            lanes_to::<T, T>(chunk, axis, q.len(), nan, chunk.dtype(), |lane| missing(lane).unwrap_or(nothing), |lane, k| {
                let rank = (lane.numbers.len() - 1) as f64 * q[k];
                let rank = match method {
                    Method::Lower => rank.floor(),
                    Method::Higher => rank.ceil(),
                    _ => rank.round_ties_even(),
                } as usize;
                lane.ranks(rank, rank).0
            })?
        } else {
            lanes_to::<T, F>(chunk, axis, q.len(), nan, <F as selion_core::Element>::DTYPE, |_| F::NAN, |lane, k| {
                let rank = (lane.numbers.len() - 1) as f64 * q[k];
                let (low, high) = lane.ranks(rank.floor() as usize, rank.ceil() as usize);
                let share = if method == Method::Midpoint { 0.5 } else { rank - rank.floor() };
                F::between(low.float(), high.float(), share)
            })?
        }
    }))
}

/// The quantiles `q`, each in `0..=1`, of each lane along an axis, as the first axis of the result; the other axes
/// follow. For percentiles, divide by 100.
///
/// [`Method::Linear`] and [`Method::Midpoint`] give floats (integers and booleans `float64`), the others the dtype of
/// the chunk. Lanes with NaN and empty lanes give NaN.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Value`] if a `q` is out of range, or for an element of an empty lane of
/// integers; [`KernelError::DType`] for complex numbers and datetimes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::quantile::{Method, quantile};
/// let x = Chunk::from_values(&[3], &[1i64, 2, 4]);
/// assert_eq!(quantile(&x, &[0.5, 0.75], 0, Method::Linear)?.to_vec::<f64>(), [2.0, 3.0]);
/// assert_eq!(quantile(&x, &[0.75], 0, Method::Higher)?.to_vec::<i64>(), [4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn quantile(chunk: &Chunk, q: &[f64], axis: usize, method: Method) -> Result<Chunk, KernelError> {
    quantiles("quantile", chunk, q, axis, method, Nan::Spreads)
}

/// As [`quantile`], without the NaNs; NaN for a lane of nothing else.
///
/// # Errors
/// As [`quantile`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::quantile::{Method, nanquantile};
/// let x = Chunk::from_values(&[3], &[1.0, f64::NAN, 2.0]);
/// assert_eq!(nanquantile(&x, &[0.5], 0, Method::Linear)?.to_vec::<f64>(), [1.5]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn nanquantile(chunk: &Chunk, q: &[f64], axis: usize, method: Method) -> Result<Chunk, KernelError> {
    quantiles("nanquantile", chunk, q, axis, method, Nan::IsLeftOut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DTYPES, at, cases, indices};
    use super::*;

    const METHODS: [Method; 5] = [Method::Linear, Method::Lower, Method::Higher, Method::Midpoint, Method::Nearest];

    fn number(chunk: &Chunk, index: &[usize]) -> f64 {
        selion_core::Scalar::from_bytes(chunk.dtype(), &at(chunk, index)).to_c128().re
    }

    fn naive(lane: &[f64], q: f64, method: Method, skip: bool) -> f64 {
        let mut numbers: Vec<f64> = lane.iter().copied().filter(|x| !x.is_nan()).collect();
        if numbers.is_empty() || (!skip && numbers.len() < lane.len()) {
            return f64::NAN;
        }
        numbers.sort_by(f64::total_cmp);
        let rank = (numbers.len() - 1) as f64 * q;
        let (low, high) = (numbers[rank.floor() as usize], numbers[rank.ceil() as usize]);
        let mix = |t: f64| if low == high { low } else { low * (1.0 - t) + high * t };
        match method {
            Method::Linear if rank.fract() == 0.0 => low,
            Method::Linear => mix(rank.fract()),
            Method::Midpoint => mix(0.5),
            Method::Lower => low,
            Method::Higher => high,
            Method::Nearest => numbers[rank.round_ties_even() as usize],
        }
    }

    fn close(got: f64, want: f64, dtype: DType) -> bool {
        let tolerance = if dtype == DType::F16 { 4e-3 } else { 1e-5 };
        // Between infinities NumPy's interpolation gives NaN or an infinity, depending on the end it starts from.
        got == want || (got.is_nan() && !want.is_finite()) || (got - want).abs() < tolerance
    }

    proptest! {
        #[test]
        fn quantiles_agree_with_sorted_lanes(
            case in cases(1, 3, 7), dtype in 0usize..12, axis in 0usize..3, method in 0usize..5, few in any::<bool>(), skip in any::<bool>(),
        ) {
            let (x, method) = (case.chunk(DTYPES[dtype]), METHODS[method]);
            let axis = axis % x.ndim();
            let q: &[f64] = if few { &[0.5, 1.0] } else { &[0.0, 0.25, 0.3, 0.5, 0.99, 1.0] };
            let got = if skip { nanquantile(&x, q, axis, method) } else { quantile(&x, q, axis, method) };
            let Ok(got) = got else {
                prop_assert_eq!(x.shape()[axis], 0);
                return Ok(());
            };
            let middle = if skip { nanmedian(&x, axis) } else { median(&x, axis) }.unwrap();
            prop_assert_eq!(&got.shape()[1..], middle.shape());
            for index in indices(got.shape()) {
                let lane: Vec<f64> = (0..x.shape()[axis]).map(|k| {
                    let mut index = index[1..].to_vec();
                    index.insert(axis, k);
                    number(&x, &index)
                }).collect();
                let (got, want) = (number(&got, &index), naive(&lane, q[index[0]], method, skip));
                prop_assert!(close(got, want, x.dtype()), "{got} {want} {lane:?}");
                let (got, want) = (number(&middle, &index[1..]), naive(&lane, 0.5, Method::Midpoint, skip));
                prop_assert!(close(got, want, x.dtype()), "median {got} {want} {lane:?}");
            }
        }
    }

    #[test]
    fn dtypes_are_numpys() {
        let x = Chunk::from_values(&[2], &[1i8, 2]);
        assert_eq!(quantile(&x, &[0.5], 0, Method::Linear).unwrap().dtype(), DType::F64);
        assert_eq!(quantile(&x, &[0.5], 0, Method::Lower).unwrap().dtype(), DType::I8);
        let x = Chunk::from_values(&[2], &[1f32, 2.0]);
        assert_eq!(median(&x, 0).unwrap().dtype(), DType::F32);
        assert!(quantile(&x, &[1.5], 0, Method::Linear).is_err());
        let x = Chunk::from_values(&[0, 2], &[0f64; 0]);
        assert!(median(&x, 0).unwrap().to_vec::<f64>().iter().all(|x| x.is_nan()));
    }
}
