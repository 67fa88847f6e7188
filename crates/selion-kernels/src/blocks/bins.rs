//! Counts by bin.
//!
//! Counts of blocks with the same bins add up to those of the array. Uniform bins are found by one multiplication and
//! corrected by comparison with the edges, as NumPy does, so that rounding never puts an element beside its bin; other
//! bins by binary search. The last bin includes its right edge. NaN and elements beyond the edges are not counted.

use selion_core::{B8, Chunk, DType, Element, f16, with_element};

use super::gather::{Side, search};
use super::lanes::{build, elements, same_dtype, same_shape, with_ordered};
use super::linear::Ring;
use super::scan::widen;
use crate::error::KernelError;

/// The elements as `f64`, which histograms compare.
fn to_f64(op: &'static str, chunk: &Chunk) -> Result<Chunk, KernelError> {
    fn convert<T: Element>(chunk: &Chunk, wide: impl Fn(T) -> f64) -> Chunk {
        let source = chunk.to_contiguous();
        build::<f64>(DType::F64, chunk.shape(), |out| {
            for (out, x) in out.iter_mut().zip(elements::<T>(&source)) {
                *out = wide(*x);
            }
        })
    }
    Ok(match chunk.dtype() {
        DType::Bool => convert(chunk, |x: B8| f64::from(u8::from(x.get()))),
        DType::I8 => convert(chunk, |x: i8| f64::from(x)),
        DType::I16 => convert(chunk, |x: i16| f64::from(x)),
        DType::I32 => convert(chunk, |x: i32| f64::from(x)),
        DType::I64 => convert(chunk, |x: i64| x as f64),
        DType::U8 => convert(chunk, |x: u8| f64::from(x)),
        DType::U16 => convert(chunk, |x: u16| f64::from(x)),
        DType::U32 => convert(chunk, |x: u32| f64::from(x)),
        DType::U64 => convert(chunk, |x: u64| x as f64),
        DType::F16 => convert(chunk, f16::to_f64),
        DType::F32 => convert(chunk, |x: f32| f64::from(x)),
        DType::F64 => chunk.to_contiguous(),
        dtype => return Err(KernelError::DType { op, dtype }),
    })
}

/// How often each of 0, 1, … occurs in the one-dimensional integers `x`, or the sum of their `weights` (`float64`).
///
/// The result has `max(x) + 1` elements, at least `minlength`: `int64` counts, or `float64` sums.
///
/// # Errors
/// [`KernelError::Axis`] unless `x` has one axis; [`KernelError::DType`] unless `x` is of integers and the weights are
/// `float64`; [`KernelError::Value`] if an element is negative; [`KernelError::Shape`] if the weights are not as many.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::bins::bincount;
/// let x = Chunk::from_values(&[4], &[0i64, 2, 2, 1]);
/// assert_eq!(bincount(&x, None, 4)?.to_vec::<i64>(), [1, 1, 2, 0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn bincount(x: &Chunk, weights: Option<&Chunk>, minlength: usize) -> Result<Chunk, KernelError> {
    if x.ndim() != 1 {
        return Err(KernelError::Axis { axis: 0, ndim: x.ndim() });
    }
    let negative = KernelError::Value { op: "bincount", argument: "x", expected: "non-negative" };
    let wide = widen(x).to_contiguous();
    let places: Vec<usize> = match wide.dtype() {
        DType::I64 | DType::U64 => {
            // A `uint64` that does not fit `int64` could not be a length either.
            let places: Result<Vec<_>, _> = elements::<i64>(&wide).iter().map(|x| usize::try_from(*x)).collect();
            places.map_err(|_| negative)?
        }
        dtype => return Err(KernelError::DType { op: "bincount", dtype }),
    };
    let len = places.iter().max().map_or(0, |max| max + 1).max(minlength);
    let Some(weights) = weights else {
        return Ok(build::<i64>(DType::I64, &[len], |out| {
            out.fill(0);
            for place in &places {
                out[*place] += 1;
            }
        }));
    };
    same_dtype("bincount", DType::F64, weights)?;
    same_shape("bincount", x.shape(), weights.shape())?;
    let weights = weights.to_contiguous();
    Ok(build::<f64>(DType::F64, &[len], |out| {
        out.fill(0.0);
        for (place, weight) in places.iter().zip(elements::<f64>(&weights)) {
            out[*place] += weight;
        }
    }))
}

/// The edges of bins.
#[derive(Clone, Debug, PartialEq)]
pub enum Edges {
    /// `bins` bins of one width from `low` to `high`.
    Uniform {
        /// The left edge of the first bin.
        low: f64,
        /// The right edge of the last bin.
        high: f64,
        /// How many bins.
        bins: usize,
    },
    /// All edges, ascending, one more than bins.
    List(Vec<f64>),
}

impl Edges {
    /// All edges, those of uniform bins as NumPy's `linspace` rounds them.
    ///
    /// # Examples
    /// ```
    /// # use selion_kernels::blocks::bins::Edges;
    /// assert_eq!(Edges::Uniform { low: 0.0, high: 1.0, bins: 2 }.to_vec(), [0.0, 0.5, 1.0]);
    /// ```
    pub fn to_vec(&self) -> Vec<f64> {
        match self {
            Edges::List(edges) => edges.clone(),
            Edges::Uniform { low, high, bins } => {
                let step = (high - low) / *bins as f64;
                (0..=*bins).map(|k| if k == *bins { *high } else { k as f64 * step + low }).collect()
            }
        }
    }

    fn check(&self, op: &'static str) -> Result<(), KernelError> {
        let valid = match self {
            Edges::Uniform { low, high, bins } => *bins > 0 && low.is_finite() && high.is_finite() && low < high,
            Edges::List(edges) => edges.len() > 1 && edges.windows(2).all(|pair| pair[0] <= pair[1]),
        };
        let expected = "at least two ascending numbers";
        if valid { Ok(()) } else { Err(KernelError::Value { op, argument: "edges", expected }) }
    }

    /// Calls `found(place, bin)` for each element that lies in a bin.
    fn find(&self, values: &[f64], mut found: impl FnMut(usize, usize)) {
        let edges = self.to_vec();
        let (first, last) = (edges[0], edges[edges.len() - 1]);
        let bins = edges.len() - 1;
        if let Edges::Uniform { low, high, .. } = self {
            let width = high - low;
            for (place, x) in values.iter().enumerate() {
                if *x >= *low && *x <= *high {
                    let mut bin = (((x - low) / width * bins as f64) as usize).min(bins - 1);
                    if *x < edges[bin] {
                        bin -= 1;
                    } else if bin + 1 < bins && *x >= edges[bin + 1] {
                        bin += 1;
                    }
                    found(place, bin);
                }
            }
        } else {
            // Elements on the last edge belong to the last bin, even if that is empty otherwise.
            for (place, x) in values.iter().enumerate() {
                if *x >= first && *x < last {
                    found(place, edges.partition_point(|edge| edge <= x) - 1);
                } else if *x == last {
                    found(place, bins - 1);
                }
            }
        }
    }
}

/// How many elements lie in each bin, or the sum of their `weights`: one-dimensional, of `int64` or the weights' dtype.
///
/// Bins are open on the right except the last. O(elements), times log bins unless they are uniform.
///
/// # Errors
/// [`KernelError::DType`] for complex numbers and datetimes; [`KernelError::Value`] if the edges do not ascend;
/// [`KernelError::Shape`] if the weights have another shape.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::bins::{Edges, histogram};
/// let x = Chunk::from_values(&[4], &[0.0, 0.5, 1.0, f64::NAN]);
/// let edges = Edges::Uniform { low: 0.0, high: 1.0, bins: 2 };
/// assert_eq!(histogram(&x, &edges, None)?.to_vec::<i64>(), [1, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn histogram(x: &Chunk, edges: &Edges, weights: Option<&Chunk>) -> Result<Chunk, KernelError> {
    edges.check("histogram")?;
    let values = to_f64("histogram", x)?;
    let values = elements::<f64>(&values);
    let bins = match edges {
        Edges::Uniform { bins, .. } => *bins,
        Edges::List(edges) => edges.len() - 1,
    };
    let Some(weights) = weights else {
        return Ok(build::<i64>(DType::I64, &[bins], |out| {
            out.fill(0);
            edges.find(values, |_, bin| out[bin] += 1);
        }));
    };
    same_shape("histogram", x.shape(), weights.shape())?;
    if matches!(weights.dtype(), DType::DateTime(_) | DType::TimeDelta(_)) {
        return Err(KernelError::DType { op: "histogram", dtype: weights.dtype() });
    }
    let weights = weights.to_contiguous();
    Ok(with_element!(weights.dtype(), T => build::<T>(weights.dtype(), &[bins], |out| {
        let weights = elements::<T>(&weights);
        out.fill(bytemuck::Zeroable::zeroed());
        edges.find(values, |place, bin| out[bin] = out[bin].plus(weights[place]));
    })))
}

/// How many points lie in each cell of a grid, or the sum of their `weights` (`float64`), as `float64`.
///
/// `sample` has the coordinates, one one-dimensional chunk per dimension; the result has an axis per dimension. The
/// counts of blocks add up.
///
/// # Errors
/// [`KernelError::Shape`] unless there are as many edges as coordinates and all are of one length; else as
/// [`histogram`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::bins::{Edges, histogramdd};
/// let x = Chunk::from_values(&[2], &[0.0, 1.0]);
/// let edges = Edges::List(vec![0.0, 0.5, 1.0]);
/// assert_eq!(histogramdd(&[x.clone(), x], &[edges.clone(), edges], None)?.to_vec::<f64>(), [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn histogramdd(sample: &[Chunk], edges: &[Edges], weights: Option<&Chunk>) -> Result<Chunk, KernelError> {
    same_shape("histogramdd", &[sample.len()], &[edges.len()])?;
    let count = sample.first().map_or(0, Chunk::len);
    let mut shape = Vec::with_capacity(edges.len());
    let mut cells: Vec<Option<usize>> = vec![Some(0); count];
    for (x, edges) in sample.iter().zip(edges) {
        same_shape("histogramdd", &[count], x.shape())?;
        edges.check("histogramdd")?;
        let bins = edges.to_vec().len() - 1;
        let values = to_f64("histogramdd", x)?;
        let mut places: Vec<Option<usize>> = vec![None; count];
        edges.find(elements::<f64>(&values), |place, bin| places[place] = Some(bin));
        for (cell, place) in cells.iter_mut().zip(places) {
            *cell = cell.zip(place).map(|(cell, place)| cell * bins + place);
        }
        shape.push(bins);
    }
    let weights = match weights {
        None => None,
        Some(weights) => {
            same_dtype("histogramdd", DType::F64, weights)?;
            same_shape("histogramdd", &[count], weights.shape())?;
            Some(weights.to_contiguous())
        }
    };
    Ok(build::<f64>(DType::F64, &shape, |out| {
        out.fill(0.0);
        let weights = weights.as_ref().map(elements::<f64>);
        for (place, cell) in cells.iter().enumerate() {
            if let Some(cell) = cell {
                out[*cell] += weights.map_or(1.0, |weights| weights[place]);
            }
        }
    }))
}

/// The number of the bin of each element of `x` (`int64`): how many of the edges `bins`, ascending or descending, lie
/// before it. `right` closes bins on the right.
///
/// # Errors
/// [`KernelError::Axis`] unless `bins` has one axis; [`KernelError::DType`] if the dtypes differ;
/// [`KernelError::Value`] if `bins` is not monotonic.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::bins::digitize;
/// let bins = Chunk::from_values(&[2], &[1.0, 2.0]);
/// let x = Chunk::from_values(&[3], &[0.5, 1.0, 9.0]);
/// assert_eq!(digitize(&x, &bins, false)?.to_vec::<i64>(), [0, 1, 2]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn digitize(x: &Chunk, bins: &Chunk, right: bool) -> Result<Chunk, KernelError> {
    if bins.ndim() != 1 {
        return Err(KernelError::Axis { axis: 0, ndim: bins.ndim() });
    }
    same_dtype("digitize", x.dtype(), bins)?;
    let (x, bins) = (x.to_contiguous(), bins.to_contiguous());
    with_ordered!(x.dtype(), T => {
        use super::lanes::Ordered;
        let mut edges = elements::<T>(&bins).to_vec();
        let ascending = edges.windows(2).all(|pair| pair[0].key() <= pair[1].key());
        if !ascending && !edges.windows(2).all(|pair| pair[0].key() >= pair[1].key()) {
            return Err(KernelError::Value { op: "digitize", argument: "bins", expected: "monotonic" });
        }
        if !ascending {
            edges.reverse();
        }
        let side = if right { Side::Left } else { Side::Right };
        Ok(build::<i64>(DType::I64, x.shape(), |out| {
            search(&edges, elements::<T>(&x), side, out);
            if !ascending {
                out.iter_mut().for_each(|place| *place = edges.len() as i64 - *place);
            }
        }))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Case, DTYPES, cases};
    use super::*;

    fn naive(values: &[f64], edges: &[f64]) -> Vec<i64> {
        let last = edges.len() - 2;
        (0..=last)
            .map(|bin| {
                values
                    .iter()
                    .filter(|x| **x >= edges[bin] && (**x < edges[bin + 1] || (bin == last && **x == edges[bin + 1])))
                    .count() as i64
            })
            .collect()
    }

    proptest! {
        #[test]
        fn histograms_count_what_lies_between_edges(
            case in cases(0, 3, 8), dtype in 0usize..12, bins in 1usize..9, low in -5i32..5, width in 1i32..30, tenths in any::<bool>(),
        ) {
            let x = case.chunk(DTYPES[dtype]);
            let values = to_f64("test", &x).unwrap().to_vec::<f64>();
            let scale = if tenths { 10.0 } else { 1.0 };
            let uniform = Edges::Uniform { low: f64::from(low) / scale, high: f64::from(low + width) / scale, bins };
            let list = Edges::List(uniform.to_vec());
            let want = naive(&values, &uniform.to_vec());
            prop_assert_eq!(&histogram(&x, &uniform, None).unwrap().to_vec::<i64>(), &want);
            prop_assert_eq!(&histogram(&x, &list, None).unwrap().to_vec::<i64>(), &want);
            let ones = Case { ..case.clone() }.fill(DType::F32, |_| 1f32);
            let weighted = histogram(&x, &uniform, Some(&ones)).unwrap().to_vec::<f32>();
            prop_assert_eq!(weighted, want.iter().map(|count| *count as f32).collect::<Vec<_>>());
            let flat = x.reshape(&[x.len()]);
            let grid = histogramdd(&[flat.clone(), flat], &[uniform.clone(), list], None).unwrap();
            let total: f64 = grid.to_vec::<f64>().iter().sum();
            prop_assert_eq!(total, want.iter().sum::<i64>() as f64);
            prop_assert_eq!(grid.shape(), &[bins, bins][..]);
        }

        #[test]
        fn bincount_counts(case in cases(1, 1, 20), dtype in 0usize..9, minlength in 0usize..12) {
            let x = case.chunk(DTYPES[dtype]);
            let values = to_f64("test", &x).unwrap().to_vec::<f64>();
            let got = bincount(&x, None, minlength);
            prop_assert_eq!(got.is_err(), values.iter().any(|x| *x < 0.0));
            if let Ok(got) = got {
                let len = values.iter().fold(minlength, |len, x| len.max(*x as usize + 1));
                let want: Vec<i64> = (0..len).map(|k| values.iter().filter(|x| **x == k as f64).count() as i64).collect();
                prop_assert_eq!(got.to_vec::<i64>(), want.clone());
                let halves = case.fill(DType::F64, |_| 0.5);
                let sums = bincount(&x, Some(&halves), minlength).unwrap().to_vec::<f64>();
                prop_assert_eq!(sums, want.iter().map(|count| *count as f64 / 2.0).collect::<Vec<_>>());
            }
        }

        #[test]
        fn digitize_counts_the_edges_before(case in cases(1, 1, 20), right in any::<bool>(), down in any::<bool>()) {
            let x = case.chunk(DType::F64);
            let mut edges = vec![-2.0, 0.0, 0.0, 1.5];
            if down {
                edges.reverse();
            }
            let got = digitize(&x, &Chunk::from_values(&[4], &edges), right).unwrap().to_vec::<i64>();
            for (got, x) in got.iter().zip(x.to_vec::<f64>()).filter(|(_, x)| !x.is_nan()) {
                let before = |edge: &&f64| match (down, right) {
                    (false, false) => **edge <= x,
                    (false, true) => **edge < x,
                    (true, false) => **edge > x,
                    (true, true) => **edge >= x,
                };
                prop_assert_eq!(*got, edges.iter().filter(before).count() as i64);
            }
        }
    }

    #[test]
    fn wrong_bins_are_refused() {
        let x = Chunk::from_values(&[1], &[1.0]);
        assert!(histogram(&x, &Edges::List(vec![1.0, 0.0]), None).is_err());
        assert!(histogram(&x, &Edges::Uniform { low: 0.0, high: 1.0, bins: 0 }, None).is_err());
        assert!(digitize(&x, &Chunk::from_values(&[3], &[1.0, 3.0, 2.0]), false).is_err());
        assert!(bincount(&x, None, 0).is_err());
    }
}
