//! Sorts, selects and counts distinct elements.
//!
//! Elements compare by integer keys (see `lanes.rs`) in NumPy's order: NaN and NaT last, complex numbers by real part,
//! then imaginary part. Floats are sorted as the integers that their bits are. Lanes of other axes than the last are
//! moved into rows, sorted, and moved back. `topk` follows Dask: the sign of `k` chooses the largest or the smallest.

use selion_core::{Chunk, DType};

use super::lanes::{Ordered, build, check_axis, elements, lanes_last, with_ordered};
use super::layout::flip;
use crate::error::KernelError;

/// Applies `work` to a copy of each lane along `axis`; the result has C order.
macro_rules! each_lane {
    ($chunk:expr, $axis:expr, $T:ident, $lane:ident => $work:expr) => {{
        let (rows, back) = lanes_last($chunk, $axis)?;
        let len = $chunk.shape()[$axis].max(1);
        let sorted = with_ordered!($chunk.dtype(), $T => build::<$T>($chunk.dtype(), rows.shape(), |out| {
            out.copy_from_slice(elements::<$T>(&rows));
            for $lane in out.chunks_exact_mut(len) {
                $work;
            }
        }));
        sorted.transpose(&back).to_contiguous()
    }};
}

/// Sorts each lane along an axis, ascending, NaN and NaT last. O(n log n) for a lane of n.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::sort;
/// let sorted = sort(&Chunk::from_values(&[3], &[f64::NAN, 2.0, 1.0]), 0)?.to_vec::<f64>();
/// assert_eq!(sorted[..2], [1.0, 2.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn sort(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    Ok(each_lane!(chunk, axis, T, lane => T::sort(lane)))
}

/// Reorders each lane so that its element `kth` is the one a sort would put there, none before it is greater, and none
/// after it is less. A negative `kth` counts from the end. O(n) for a lane of n.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Index`] if `kth` is beyond the axis.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::partition;
/// let x = partition(&Chunk::from_values(&[4], &[7i64, 1, 9, 3]), 1, 0)?;
/// assert_eq!(x.to_vec::<i64>()[1], 3);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn partition(chunk: &Chunk, kth: i64, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let kth = super::lanes::resolve(kth, axis, chunk.shape()[axis])?;
    Ok(each_lane!(chunk, axis, T, lane => lane.select_nth_unstable_by_key(kth, |x| x.key())))
}

/// The places along `axis` in the order in which they would sort, `count` of them, with the way from rows back.
fn ordered_places(
    chunk: &Chunk,
    axis: usize,
    order: impl Fn(&mut [usize], &dyn Fn(usize, usize) -> std::cmp::Ordering),
) -> Result<Chunk, KernelError> {
    let (rows, back) = lanes_last(chunk, axis)?;
    let len = chunk.shape()[axis].max(1);
    let places = with_ordered!(chunk.dtype(), T => build::<i64>(DType::I64, rows.shape(), |out| {
        let mut places: Vec<usize> = Vec::with_capacity(len);
        for (out, lane) in out.chunks_exact_mut(len).zip(elements::<T>(&rows).chunks_exact(len)) {
            places.clear();
            places.extend(0..len);
            order(&mut places, &|a, b| lane[a].key().cmp(&lane[b].key()));
            for (out, place) in out.iter_mut().zip(&places) {
                *out = *place as i64;
            }
        }
    }));
    Ok(places.transpose(&back).to_contiguous())
}

/// The places (`int64`) that sort each lane along an axis; equal elements keep their order.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::argsort;
/// assert_eq!(argsort(&Chunk::from_values(&[3], &[2.0, f64::NAN, 1.0]), 0)?.to_vec::<i64>(), [2, 0, 1]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn argsort(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let (rows, back) = lanes_last(chunk, axis)?;
    let len = chunk.shape()[axis].max(1);
    let places = with_ordered!(chunk.dtype(), T => build::<i64>(DType::I64, rows.shape(), |out| {
        let mut keyed = Vec::with_capacity(len);
        for (out, lane) in out.chunks_exact_mut(len).zip(elements::<T>(&rows).chunks_exact(len)) {
            keyed.clear();
            keyed.extend(lane.iter().enumerate().map(|(place, x)| (x.key(), place)));
            keyed.sort_unstable(); // the place breaks ties, hence stable
            for (out, (_, place)) in out.iter_mut().zip(&keyed) {
                *out = *place as i64;
            }
        }
    }));
    Ok(places.transpose(&back).to_contiguous())
}

/// The part of a lane that holds the `|k|` greatest (`k > 0`) or least (`k < 0`) once it is partitioned.
fn extreme(len: usize, k: i64) -> (usize, usize) {
    let count = (k.unsigned_abs() as usize).min(len);
    if k > 0 { (len - count, count) } else { (0, count) }
}

/// The `k` greatest elements of each lane, greatest first; for negative `k` the `-k` least, least first.
///
/// At most as many as there are. NaN and NaT count as greatest. Dask's `topk`; `topk` of the joined `topk`s of blocks
/// is that of the array.
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::topk;
/// let x = Chunk::from_values(&[4], &[7i64, 1, 9, 3]);
/// assert_eq!(topk(&x, 2, 0)?.to_vec::<i64>(), [9, 7]);
/// assert_eq!(topk(&x, -2, 0)?.to_vec::<i64>(), [1, 3]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn topk(chunk: &Chunk, k: i64, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let len = chunk.shape()[axis];
    let (start, count) = extreme(len, k);
    let parted = if count == len || count == 0 {
        chunk.clone()
    } else {
        partition(chunk, if k > 0 { start } else { count - 1 } as i64, axis)?
    };
    let sorted = sort(&parted.slice(axis, if count == 0 { 0 } else { start }, 1, count), axis)?;
    if k > 0 { Ok(flip(&sorted, axis)?.to_contiguous()) } else { Ok(sorted) }
}

/// The places (`int64`) of the elements that [`topk`] gives, in its order; of equal elements, those first in the lane.
///
/// To join blocks: concatenate their values and places, take `argtopk` of the values, and look the places up with
/// [`super::gather::take_along_axis`].
///
/// # Errors
/// [`KernelError::Axis`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::argtopk;
/// let x = Chunk::from_values(&[4], &[7i64, 1, 9, 3]);
/// assert_eq!(argtopk(&x, 2, 0)?.to_vec::<i64>(), [2, 0]);
/// assert_eq!(argtopk(&x, -1, 0)?.to_vec::<i64>(), [1]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn argtopk(chunk: &Chunk, k: i64, axis: usize) -> Result<Chunk, KernelError> {
    check_axis(axis, chunk.ndim())?;
    let (_, count) = extreme(chunk.shape()[axis], k);
    let places = ordered_places(chunk, axis, |places, compare| {
        let order = |a: &usize, b: &usize| {
            let by_value = if k > 0 { compare(*b, *a) } else { compare(*a, *b) };
            by_value.then(a.cmp(b))
        };
        if count > 0 && count < places.len() {
            places.select_nth_unstable_by(count - 1, order);
        }
        places[..count].sort_unstable_by(order);
    })?;
    Ok(places.slice(axis, 0, 1, count).to_contiguous())
}

/// The distinct elements of a chunk and, as asked for, where they are.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The distinct elements, ascending; one NaN or NaT at the end stands for all.
    pub values: Chunk,
    /// For each value, its first place in the flattened chunk (`int64`).
    pub index: Option<Chunk>,
    /// For each element of the chunk, in the chunk's shape, the place of its value (`int64`).
    pub inverse: Option<Chunk>,
    /// For each value, how often it occurs (`int64`).
    pub counts: Option<Chunk>,
}

/// The parts of [`Unique`] that [`unique`] computes besides the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UniqueParts {
    /// First places.
    pub index: bool,
    /// Places of the elements' values.
    pub inverse: bool,
    /// Numbers of occurrences.
    pub counts: bool,
}

/// The distinct elements of a chunk, ascending. O(n log n).
///
/// -0.0 and 0.0 are the same element, and so are all NaNs.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::sort::{UniqueParts, unique};
/// let x = Chunk::from_values(&[4], &[3i64, 1, 3, 2]);
/// let got = unique(&x, UniqueParts { counts: true, ..UniqueParts::default() });
/// assert_eq!(got.values.to_vec::<i64>(), [1, 2, 3]);
/// assert_eq!(got.counts.map(|counts| counts.to_vec::<i64>()), Some(vec![1, 1, 2]));
/// ```
pub fn unique(chunk: &Chunk, parts: UniqueParts) -> Unique {
    let flat = chunk.to_contiguous();
    with_ordered!(chunk.dtype(), T => {
        let from = elements::<T>(&flat);
        if parts == UniqueParts::default() {
            let mut values = from.to_vec();
            T::sort(&mut values);
            values.dedup_by(|b, a| same(*a, *b));
            let values = Chunk::from_values(&[values.len()], &values).reinterpret(chunk.dtype());
            return Unique { values, index: None, inverse: None, counts: None };
        }
        // NaNs of complex numbers have several keys, but are one value: they form the last run.
        let mut keyed: Vec<_> = from.iter().enumerate().map(|(place, x)| ((x.is_nan(), x.key()), place)).collect();
        keyed.sort_unstable();
        let mut starts: Vec<usize> = Vec::new();
        for (k, (_, place)) in keyed.iter().enumerate() {
            if k == 0 || !same(from[keyed[k - 1].1], from[*place]) {
                starts.push(k);
            }
        }
        let ends = || starts.iter().skip(1).copied().chain([keyed.len()]);
        let count = starts.len();
        let values: Vec<T> = starts.iter().map(|start| from[keyed[*start].1]).collect();
        let values = Chunk::from_values(&[count], &values).reinterpret(chunk.dtype());
        let index = parts.index.then(|| build::<i64>(DType::I64, &[count], |out| {
            for ((out, start), end) in out.iter_mut().zip(&starts).zip(ends()) {
                *out = keyed[*start..end].iter().map(|(_, place)| *place).min().unwrap_or(0) as i64;
            }
        }));
        let inverse = parts.inverse.then(|| build::<i64>(DType::I64, chunk.shape(), |out| {
            for ((value, start), end) in starts.iter().enumerate().zip(ends()) {
                for (_, place) in &keyed[*start..end] {
                    out[*place] = value as i64;
                }
            }
        }));
        let counts = parts.counts.then(|| build::<i64>(DType::I64, &[count], |out| {
            for ((out, start), end) in out.iter_mut().zip(&starts).zip(ends()) {
                *out = (end - start) as i64;
            }
        }));
        Unique { values, index, inverse, counts }
    })
}

/// Whether two elements count as one value.
#[inline(always)]
fn same<T: Ordered>(a: T, b: T) -> bool {
    a.key() == b.key() || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
#[expect(clippy::bool_comparison, reason = "generic over elements, of which one is bool")]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DTYPES, at, cases, indices};
    use super::*;
    use crate::blocks::gather::take_along_axis;
    use crate::blocks::lanes::with_len;

    /// The lane through `index` along `axis`.
    fn lane<T: Ordered>(chunk: &Chunk, axis: usize, index: &[usize]) -> Vec<T> {
        (0..chunk.shape()[axis])
            .map(|k| {
                let mut index = index.to_vec();
                index[axis] = k;
                bytemuck::pod_read_unaligned(&at(chunk, &index))
            })
            .collect()
    }

    fn heads(chunk: &Chunk, axis: usize) -> Vec<Vec<usize>> {
        indices(&with_len(chunk.shape(), axis, 1))
    }

    proptest! {
        #[test]
        fn sorts_put_keys_in_order(case in cases(1, 3, 7), dtype in 0usize..16, axis in 0usize..3, kth in 0usize..7) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let (sorted, places) = (sort(&x, axis).unwrap(), argsort(&x, axis).unwrap());
            let kth = (x.shape()[axis] > kth).then_some(kth);
            let parted = kth.map(|kth| partition(&x, kth as i64, axis).unwrap());
            with_ordered!(x.dtype(), T => for head in heads(&x, axis) {
                let lane_of = |chunk: &Chunk| lane::<T>(chunk, axis, &head);
                let from = lane_of(&x);
                let mut want: Vec<usize> = (0..from.len()).collect();
                want.sort_by_key(|place| from[*place].key());
                let got: Vec<usize> = lane::<i64>(&places, axis, &head).iter().map(|place| *place as usize).collect();
                prop_assert_eq!(&got, &want);
                let got = lane_of(&sorted);
                prop_assert!(got.iter().zip(&want).all(|(x, place)| x.key() == from[*place].key()));
                let mut bits = [got.iter().map(|x| bytemuck::bytes_of(x).to_vec()).collect::<Vec<_>>(),
                    from.iter().map(|x| bytemuck::bytes_of(x).to_vec()).collect()];
                bits.iter_mut().for_each(|lane| lane.sort());
                prop_assert_eq!(&bits[0], &bits[1], "the same elements, bit for bit");
                if let (Some(kth), Some(parted)) = (kth, &parted) {
                    let got = lane_of(parted);
                    prop_assert!(got[kth].key() == from[want[kth]].key());
                    prop_assert!(got[..kth].iter().all(|x| x.key() <= got[kth].key()));
                    prop_assert!(got[kth..].iter().all(|x| x.key() >= got[kth].key()));
                }
            });
        }

        #[test]
        fn topk_is_the_end_of_the_sorted_lane(case in cases(1, 3, 7), dtype in 0usize..16, axis in 0usize..3, k in -8i64..8) {
            let x = case.chunk(DTYPES[dtype]);
            let axis = axis % x.ndim();
            let (got, places, sorted) = (topk(&x, k, axis).unwrap(), argtopk(&x, k, axis).unwrap(), sort(&x, axis).unwrap());
            let looked_up = take_along_axis(&x, &places, axis).unwrap();
            prop_assert_eq!(got.shape(), looked_up.shape());
            prop_assert_eq!(got.shape()[axis], x.shape()[axis].min(k.unsigned_abs() as usize));
            with_ordered!(x.dtype(), T => for head in heads(&x, axis) {
                let keys = |chunk: &Chunk| lane::<T>(chunk, axis, &head).iter().map(|x| x.key()).collect::<Vec<_>>();
                let mut want = keys(&sorted);
                if k > 0 {
                    want.reverse();
                }
                want.truncate(k.unsigned_abs() as usize);
                prop_assert!(keys(&got) == want && keys(&looked_up) == want);
            });
        }

        #[test]
        fn unique_describes_every_element(case in cases(0, 3, 6), dtype in 0usize..16) {
            let x = case.chunk(DTYPES[dtype]);
            let got = unique(&x, UniqueParts { index: true, inverse: true, counts: true });
            let plain = unique(&x, UniqueParts::default());
            with_ordered!(x.dtype(), T => {
                let (values, from) = (got.values.to_vec::<T>(), x.to_vec::<T>());
                prop_assert!(values.windows(2).all(|pair| pair[0].key() < pair[1].key() && !pair[0].is_nan()));
                let others = plain.values.to_vec::<T>();
                prop_assert!(others.len() == values.len() && others.iter().zip(&values).all(|(a, b)| same(*a, *b)));
                let inverse = got.inverse.unwrap();
                prop_assert_eq!(inverse.shape(), x.shape());
                let inverse = inverse.to_vec::<i64>();
                prop_assert!(inverse.iter().zip(&from).all(|(value, x)| same(values[*value as usize], *x)));
                let (index, counts) = (got.index.unwrap().to_vec::<i64>(), got.counts.unwrap().to_vec::<i64>());
                for (k, value) in values.iter().enumerate() {
                    prop_assert_eq!(Some(index[k] as usize), from.iter().position(|x| same(*x, *value)));
                    prop_assert_eq!(counts[k] as usize, from.iter().filter(|x| same(**x, *value)).count());
                }
            });
        }
    }
}
