//! Order: sorting, the greatest elements, distinct elements, medians and quantiles, places in sorted arrays.
//!
//! What needs all elements of an axis at once gets them: the axis is made one block, and the other axes are divided
//! where that block would grow too large. What can be found block by block and merged is: the greatest elements, the
//! distinct ones, and places in a sorted array, which are sums of places in its blocks.

use std::hash::Hash;

use selion_core::{Chunk, DType, Dims, Value, promote};
use selion_kernels::blocks::gather::{Side, searchsorted, take_along_axis};
use selion_kernels::blocks::layout::concatenate;
use selion_kernels::blocks::quantile::{self, Method};
use selion_kernels::blocks::sort::{UniqueParts, argsort, argtopk, sort, topk, unique};
use selion_kernels::error::KernelError;
use selion_kernels::program::{Op, OpError};

use crate::block_fn::{BlockFn, Made, chunk_of, chunks_of, merge_tree, part, with_axis};
use crate::chunks::{AxisChunks, ChunkSpec, Chunks, UNKNOWN};
use crate::creation::AUTO_CHUNK_BYTES;
use crate::error::{ArrayError, Result};
use crate::expr::Array;
use crate::reduce::ReduceKind;

/// The quantiles to take.
#[derive(Clone, Debug, PartialEq)]
pub enum Ranks {
    /// One: the result has no axis for it.
    One(f64),
    /// Several: the result's first axis.
    Each(Vec<f64>),
}

impl Ranks {
    fn list(&self) -> &[f64] {
        match self {
            Ranks::One(q) => std::slice::from_ref(q),
            Ranks::Each(list) => list,
        }
    }

    /// Percentiles as quantiles.
    ///
    /// # Errors
    /// [`ArrayError::Value`] unless all are from 0 to 100.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Ranks;
    /// assert_eq!(Ranks::One(50.0).of_hundred()?, Ranks::One(0.5));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn of_hundred(&self) -> Result<Ranks> {
        if !self.list().iter().all(|q| (0.0..=100.0).contains(q)) {
            return Err(ArrayError::Value("Percentiles must be in the range [0, 100]".to_owned()));
        }
        Ok(match self {
            Ranks::One(q) => Ranks::One(q / 100.0),
            Ranks::Each(list) => Ranks::Each(list.iter().map(|q| q / 100.0).collect()),
        })
    }
}

/// The distinct elements of an array and, as asked for, where they are. Their number is unknown before computing.
pub struct UniqueArrays {
    /// The distinct elements, ascending; one NaN or NaT at the end stands for all.
    pub values: Array,
    /// For each value, its first place in the flattened array (`int64`).
    pub index: Option<Array>,
    /// For each element of the array, in the array's shape, the place of its value (`int64`).
    pub inverse: Option<Array>,
    /// For each value, how often it occurs (`int64`).
    pub counts: Option<Array>,
}

impl Array {
    /// The same elements, each of the axes in the mask in one block.
    pub(crate) fn whole_along(&self, mask: u64) -> Result<Array> {
        let whole = |axis: usize| mask >> axis & 1 == 1;
        let axes = self.chunks().axes();
        if (0..axes.len()).all(|axis| !whole(axis) || axes[axis].count() == 1) {
            return Ok(self.clone());
        }
        if axes.iter().enumerate().any(|(axis, own)| whole(axis) && !own.is_known()) {
            self.chunks().known("an operation along an axis of several blocks")?;
        }
        let lens = axes.iter().enumerate().map(|(k, axis)| if whole(k) { axis.len() } else { axis.longest().max(1) });
        let bytes = lens.product::<usize>() * self.dtype().size();
        if bytes > AUTO_CHUNK_BYTES && self.chunks().is_known() {
            let spec = |axis| if whole(axis) { ChunkSpec::Size(-1) } else { ChunkSpec::Auto };
            return self.rechunk(&(0..axes.len()).map(spec).collect::<Vec<_>>(), AUTO_CHUNK_BYTES);
        }
        let axes = axes.iter().enumerate();
        let axes = axes.map(|(k, axis)| if whole(k) { AxisChunks::new(vec![axis.len()]) } else { axis.clone() });
        self.rechunk_to(Chunks::new(axes.collect::<Vec<_>>()))
    }

    fn largest_bytes(&self) -> usize {
        self.chunks().largest_block() * self.dtype().size()
    }

    /// Each block made of the block of `self` at the same place.
    fn each_block(
        &self,
        name: &'static str,
        parameters: impl Hash,
        dtype: DType,
        run: impl Fn(&Chunk) -> std::result::Result<Chunk, KernelError> + Send + Sync + 'static,
    ) -> Array {
        let blocks = self.chunks().clone();
        let needs = move |at: &[usize], needs: &mut Vec<(usize, usize)>| needs.push((0, blocks.index(at)));
        BlockFn::new(name, parameters, needs, move |_, inputs| Ok(run(chunk_of(inputs)?)?.into()))
            .with_scratch(2 * self.largest_bytes())
            .array(vec![self.clone()], dtype, self.chunks().clone())
    }

    /// The elements in ascending order along an axis, NaN and NaT last.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] for several blocks of unknown lengths along the axis.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let sorted = Array::ones(&[4, 3], selion_core::DType::F32, None)?.sort(-1)?;
    /// assert_eq!(sorted.shape().as_slice(), [4, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn sort(&self, axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        let whole = self.whole_along(1 << axis)?;
        Ok(whole.each_block("sort", axis, self.dtype(), move |block| sort(block, axis)))
    }

    /// The places (`int64`) of the elements that [`Array::sort`] gives; equal elements keep their order.
    ///
    /// # Errors
    /// As [`Array::sort`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let order = Array::ones(&[4, 3], selion_core::DType::F32, None)?.argsort(0)?;
    /// assert_eq!((order.shape().as_slice(), order.dtype()), (&[4, 3][..], selion_core::DType::I64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn argsort(&self, axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        let whole = self.whole_along(1 << axis)?;
        Ok(whole.each_block("argsort", axis, DType::I64, move |block| argsort(block, axis)))
    }

    /// The `k` greatest elements along an axis, greatest first; for negative `k` the `-k` least, least first.
    ///
    /// # Errors
    /// [`ArrayError::Axis`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let top = Array::ones(&[40, 3], selion_core::DType::F32, None)?.topk(5, 0)?;
    /// assert_eq!(top.shape().as_slice(), [5, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn topk(&self, k: i64, axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        let (from, kept) = (self.chunks().clone(), kept_by(k));
        let lens = from.axes()[axis].lens().iter().map(|len| kept(&[*len])).collect();
        let to = with_axis(&from, axis, AxisChunks::new(lens));
        let top = BlockFn::new(
            "topk",
            (k, axis),
            move |at, needs| needs.push((0, from.index(at))),
            move |_, inputs| Ok(topk(chunk_of(inputs)?, k, axis)?.into()),
        )
        .with_scratch(self.largest_bytes())
        .array(vec![self.clone()], self.dtype(), to);
        Ok(merge_tree("topk", top, axis, (k, axis), kept, move |inputs| {
            Ok(topk(&concatenate(&chunks_of(inputs), axis)?, k, axis)?.into())
        }))
    }

    /// The places (`int64`) of the elements that [`Array::topk`] gives; of equal elements, the first ones.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] for unknown lengths along the axis.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let top = Array::ones(&[40, 3], selion_core::DType::F32, None)?.argtopk(-5, 0)?;
    /// assert_eq!((top.shape().as_slice(), top.dtype()), (&[5, 3][..], selion_core::DType::I64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn argtopk(&self, k: i64, axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        let (from, kept) = (self.chunks().clone(), kept_by(k));
        if !from.axes()[axis].is_known() {
            from.known("argtopk")?;
        }
        let lens = from.axes()[axis].lens().iter().map(|len| kept(&[*len])).collect();
        let to = with_axis(&from, axis, AxisChunks::new(lens));
        let along = from.axes()[axis].clone();
        // The state of a block: its greatest elements and their places in the array.
        let top = BlockFn::new(
            "argtopk",
            (k, axis),
            move |at, needs| needs.push((0, from.index(at))),
            move |at, inputs| {
                let block = chunk_of(inputs)?;
                let places = argtopk(block, k, axis)?;
                let values = take_along_axis(block, &places, axis)?;
                let start = along.start(at[axis]) as i64;
                let places: Vec<i64> = places.to_vec::<i64>().into_iter().map(|place| place + start).collect();
                Ok(tuple(vec![values.clone().into(), Chunk::from_values(values.shape(), &places).into()]))
            },
        )
        .with_scratch(2 * self.largest_bytes())
        .array(vec![self.clone()], DType::I64, to);
        let merged = merge_tree("argtopk", top, axis, (k, axis), kept, move |inputs| {
            let (values, places) = (concatenate(&parts(inputs, 0), axis)?, concatenate(&parts(inputs, 1), axis)?);
            let best = argtopk(&values, k, axis)?;
            let values = take_along_axis(&values, &best, axis)?;
            Ok(tuple(vec![values.into(), take_along_axis(&places, &best, axis)?.into()]))
        });
        Ok(part(&merged, "argtopk", 1, DType::I64, merged.chunks().clone()))
    }

    /// The distinct elements, ascending, with what else is asked for.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] if first places are asked for and lengths are unknown.
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, UNKNOWN};
    /// use selion_kernels::blocks::sort::UniqueParts;
    /// let x = Array::ones(&[40, 3], selion_core::DType::F32, None)?;
    /// assert_eq!(x.unique(UniqueParts::default())?.values.shape().as_slice(), [UNKNOWN]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn unique(&self, wanted: UniqueParts) -> Result<UniqueArrays> {
        if wanted.index {
            self.chunks().known("unique")?;
        }
        let chunks = self.chunks().clone();
        let shape = self.shape();
        let found = UniqueParts { inverse: false, ..wanted };
        // The state: values, first places, counts.
        let states = BlockFn::new(
            "unique",
            found,
            |at, needs| needs.push((0, at[0])),
            move |at, inputs| {
                let block = chunk_of(inputs)?;
                let got = unique(block, found);
                let start = chunks.block_start(&chunks.coordinates(at[0]));
                let index = got.index.map(|index| {
                    let index: Vec<i64> =
                        index.to_vec().into_iter().map(|at| place_in(&shape, &start, block.shape(), at)).collect();
                    Chunk::from_values(&[index.len()], &index)
                });
                Ok(tuple([Some(got.values), index, got.counts].map(optional).into()))
            },
        )
        .with_scratch(3 * self.largest_bytes())
        .array(
            vec![self.clone()],
            self.dtype(),
            Chunks::new([AxisChunks::new(vec![UNKNOWN; self.chunks().count()])]),
        );
        let merged = merge_tree("unique", states, 0, found, |_| UNKNOWN, merge_unique);
        let values = part(&merged, "unique", 0, self.dtype(), merged.chunks().clone());
        let inverse = wanted.inverse.then(|| {
            let blocks = self.chunks().clone();
            let needs =
                move |at: &[usize], needs: &mut Vec<(usize, usize)>| needs.extend([(0, blocks.index(at)), (1, 0)]);
            let run = |_: &[usize], inputs: &[Value]| -> Made {
                let [Value::Chunk(block), Value::Chunk(values)] = inputs else {
                    return Err("a block is missing".into());
                };
                let places = searchsorted(values, block, Side::Left)?;
                // Complex numbers that are not a number in different parts are one value, which is the last.
                let last = values.len() as i64 - 1;
                let places: Vec<i64> = places.to_vec::<i64>().into_iter().map(|place| place.min(last)).collect();
                Ok(Chunk::from_values(block.shape(), &places).into())
            };
            BlockFn::new("unique-inverse", (), needs, run).with_scratch(2 * self.largest_bytes()).array(
                vec![self.clone(), values.clone()],
                DType::I64,
                self.chunks().clone(),
            )
        });
        Ok(UniqueArrays {
            index: wanted.index.then(|| part(&merged, "unique", 1, DType::I64, merged.chunks().clone())),
            counts: wanted.counts.then(|| part(&merged, "unique", 2, DType::I64, merged.chunks().clone())),
            inverse,
            values,
        })
    }

    /// Where each of `values` would be inserted into `self`, which has one axis and is ascending.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if `self` has not one axis; [`ArrayError::DType`] for dtypes that do not compare.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// use selion_kernels::blocks::gather::Side;
    /// let (sorted, x) = (Array::ones(&[9], DType::F32, None)?, Array::ones(&[4, 3], DType::I8, None)?);
    /// assert_eq!(sorted.searchsorted(&x, Side::Left)?.shape().as_slice(), [4, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn searchsorted(&self, values: &Array, side: Side) -> Result<Array> {
        if self.ndim() != 1 {
            return Err(ArrayError::Value("Input array a must be one dimensional".to_owned()));
        }
        let dtype = promote(self.dtype(), values.dtype())?;
        let (sorted, values) = (self.astype(dtype)?, values.astype(dtype)?);
        let blocks = values.chunks().clone();
        let partial = AxisChunks::new(vec![1; sorted.chunks().count()]);
        let chunks = Chunks::new(std::iter::once(partial).chain(blocks.axes().iter().cloned()).collect::<Vec<_>>());
        // The place in an array is the sum of the places in its blocks.
        BlockFn::new(
            "searchsorted",
            side == Side::Left,
            move |at, needs| needs.extend([(0, at[0]), (1, blocks.index(&at[1..]))]),
            move |_, inputs| {
                let [Value::Chunk(sorted), Value::Chunk(values)] = inputs else {
                    return Err("a block is missing".into());
                };
                let places = searchsorted(sorted, values, side)?;
                let shape: Dims = std::iter::once(1).chain(values.shape().iter().copied()).collect();
                Ok(places.reshape(&shape).into())
            },
        )
        .with_scratch(values.largest_bytes())
        .array(vec![sorted, values], DType::I64, chunks)
        .reduce(ReduceKind::Sum, Some(&[0]), false, 0.0, 0)
    }

    /// Whether each element is among those of `tests`. NaN never is.
    ///
    /// # Errors
    /// [`ArrayError::DType`] for dtypes that do not compare.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let (x, tests) = (Array::ones(&[4, 3], DType::I8, None)?, Array::ones(&[2], DType::I64, None)?);
    /// assert_eq!(x.isin(&tests)?.dtype(), DType::Bool);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn isin(&self, tests: &Array) -> Result<Array> {
        let dtype = promote(self.dtype(), tests.dtype())?;
        let values = self.astype(dtype)?;
        let tests = tests.astype(dtype)?.unique(UniqueParts::default())?.values;
        let blocks = self.chunks().clone();
        let found = BlockFn::new(
            "isin",
            (),
            move |at, needs| needs.extend([(0, blocks.index(at)), (1, 0)]),
            |_, inputs| {
                let [Value::Chunk(values), Value::Chunk(tests)] = inputs else {
                    return Err("a block is missing".into());
                };
                let left = searchsorted(tests, values, Side::Left)?.to_vec::<i64>();
                let right = searchsorted(tests, values, Side::Right)?.to_vec::<i64>();
                let found: Vec<selion_core::B8> = left.iter().zip(&right).map(|(l, r)| (l < r).into()).collect();
                Ok(Chunk::from_values(values.shape(), &found).into())
            },
        )
        .with_scratch(4 * self.chunks().largest_block() * size_of::<i64>())
        .array(vec![values.clone(), tests], DType::Bool, self.chunks().clone());
        match dtype {
            DType::Bool => Ok(found),
            dtype if dtype.is_integer() => Ok(found),
            _ => found.binary(Op::LogicalAnd, &values.unary(Op::Isnan)?.unary(Op::LogicalNot)?),
        }
    }

    /// How many elements are not zero.
    ///
    /// # Errors
    /// [`ArrayError::Axis`] for an axis that is not there.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F32, None)?;
    /// assert_eq!(x.count_nonzero(Some(&[0]), false)?.shape().as_slice(), [3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn count_nonzero(&self, axes: Option<&[isize]>, keepdims: bool) -> Result<Array> {
        self.astype(DType::Bool)?.reduce(ReduceKind::Sum, axes, keepdims, 0.0, 0)
    }

    /// The median along axes (all if `None`), which are made one block each. Of integers it is `float64`; NaN where an
    /// element is, unless `skip_nan`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`] for an axis that is not there; [`ArrayError::Op`] for complex numbers and datetimes;
    /// [`ArrayError::Unknown`] for several blocks of unknown lengths along an axis.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::I32, None)?;
    /// let median = x.median(Some(&[0]), false, false)?;
    /// assert_eq!((median.shape().as_slice(), median.dtype()), (&[3][..], selion_core::DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn median(&self, axes: Option<&[isize]>, keepdims: bool, skip_nan: bool) -> Result<Array> {
        let name = if skip_nan { "nanmedian" } else { "median" };
        self.lanes(name, name, self.float_for(name)?, axes, keepdims, None, move |lanes, axis| {
            if skip_nan { quantile::nanmedian(lanes, axis) } else { quantile::median(lanes, axis) }
        })
    }

    /// Quantiles along axes (all if `None`), which are made one block each. NaN where an element is, unless `skip_nan`.
    ///
    /// [`Method::Linear`] and [`Method::Midpoint`] give floats (of integers `float64`), the others elements as they are.
    ///
    /// # Errors
    /// [`ArrayError::Value`] unless all quantiles are from 0 to 1; else as [`Array::median`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, Ranks};
    /// use selion_kernels::blocks::quantile::Method;
    /// let x = Array::ones(&[4, 3], selion_core::DType::I32, None)?;
    /// let q = Ranks::Each(vec![0.1, 0.9]);
    /// assert_eq!(x.quantile(&q, Some(&[0]), Method::Linear, false, false)?.shape().as_slice(), [2, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn quantile(
        &self,
        q: &Ranks,
        axes: Option<&[isize]>,
        method: Method,
        keepdims: bool,
        skip_nan: bool,
    ) -> Result<Array> {
        if !q.list().iter().all(|q| (0.0..=1.0).contains(q)) {
            return Err(ArrayError::Value("Quantiles must be in the range [0, 1]".to_owned()));
        }
        let name = if skip_nan { "nanquantile" } else { "quantile" };
        let float = self.float_for(name)?;
        let dtype = if matches!(method, Method::Linear | Method::Midpoint) { float } else { self.dtype() };
        let list = q.list().to_vec();
        let bits: Vec<u64> = list.iter().map(|q| q.to_bits()).collect();
        let one = matches!(q, Ranks::One(_));
        let lead = (!one).then_some(list.len());
        self.lanes(name, (bits, one, method), dtype, axes, keepdims, lead, move |lanes, axis| {
            let got = if skip_nan {
                quantile::nanquantile(lanes, &list, axis, method)?
            } else {
                quantile::quantile(lanes, &list, axis, method)?
            };
            Ok(if one { got.reshape(&got.shape()[1..]) } else { got })
        })
    }

    /// Percentiles: as [`Array::quantile`], with numbers from 0 to 100.
    ///
    /// # Errors
    /// As [`Array::quantile`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, Ranks};
    /// use selion_kernels::blocks::quantile::Method;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.percentile(&Ranks::One(90.0), None, Method::Linear, false, true)?.ndim(), 0);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn percentile(
        &self,
        q: &Ranks,
        axes: Option<&[isize]>,
        method: Method,
        keepdims: bool,
        skip_nan: bool,
    ) -> Result<Array> {
        self.quantile(&q.of_hundred()?, axes, method, keepdims, skip_nan)
    }

    fn float_for(&self, op: &'static str) -> Result<DType> {
        match self.dtype() {
            dtype if dtype.is_complex() || dtype.is_time() => {
                Err(OpError::Unsupported { op, dtypes: vec![dtype] }.into())
            }
            dtype if dtype.is_float() => Ok(dtype),
            _ => Ok(DType::F64),
        }
    }

    /// A function of the lanes along some axes, whose result has an axis of length `lead` in front (none if `None`).
    fn lanes(
        &self,
        name: &'static str,
        parameters: impl Hash,
        dtype: DType,
        axes: Option<&[isize]>,
        keepdims: bool,
        lead: Option<usize>,
        run: impl Fn(&Chunk, usize) -> std::result::Result<Chunk, KernelError> + Send + Sync + 'static,
    ) -> Result<Array> {
        let mask = self.axis_mask(axes)?;
        let whole = self.whole_along(mask)?;
        let blocks = whole.chunks().clone();
        let (mut folded, kept): (Vec<usize>, Vec<usize>) = (0..self.ndim()).partition(|axis| mask >> axis & 1 == 1);
        folded.sort_unstable();
        let first = lead.map(|len| AxisChunks::new(vec![len]));
        let rest = (0..self.ndim()).filter_map(|axis| match (mask >> axis & 1 == 1, keepdims) {
            (false, _) => Some(blocks.axes()[axis].clone()),
            (true, true) => Some(AxisChunks::new(vec![1])),
            (true, false) => None,
        });
        let chunks = Chunks::new(first.into_iter().chain(rest).collect::<Vec<_>>());
        let skipped = usize::from(lead.is_some());
        let needs = {
            let kept = kept.clone();
            move |at: &[usize], needs: &mut Vec<(usize, usize)>| {
                let at = &at[skipped..];
                let mut block = vec![0; blocks.ndim()];
                for (k, axis) in kept.iter().enumerate() {
                    block[*axis] = if keepdims { at[*axis] } else { at[k] };
                }
                needs.push((0, blocks.index(&block)));
            }
        };
        let run = move |_: &[usize], inputs: &[Value]| -> Made {
            let block = chunk_of(inputs)?;
            let result = if let [axis] = folded.as_slice() {
                run(block, *axis)?
            } else {
                // Several axes, or none, as one.
                let shape: Dims = kept.iter().map(|axis| block.shape()[*axis]).collect();
                let lane = folded.iter().map(|axis| block.shape()[*axis]).product();
                let order: Vec<usize> = kept.iter().chain(&folded).copied().collect();
                let lanes: Dims = shape.iter().copied().chain([lane]).collect();
                run(&block.transpose(&order).reshape(&lanes), shape.len())?
            };
            if !keepdims {
                return Ok(result.into());
            }
            let mut shape: Dims = result.shape()[..skipped].into();
            shape.extend((0..block.ndim()).map(|axis| if folded.contains(&axis) { 1 } else { block.shape()[axis] }));
            Ok(result.reshape(&shape).into())
        };
        Ok(BlockFn::new(name, (parameters, mask, keepdims), needs, run).with_scratch(2 * whole.largest_bytes()).array(
            vec![whole],
            dtype,
            chunks,
        ))
    }
}

/// How many of the elements of some blocks together are among the `k` greatest.
fn kept_by(k: i64) -> impl Fn(&[usize]) -> usize + Copy {
    let wanted = k.unsigned_abs() as usize;
    move |lens| {
        if lens.contains(&UNKNOWN) { UNKNOWN } else { lens.iter().sum::<usize>().min(wanted) }
    }
}

fn tuple(parts: Vec<Value>) -> Value {
    Value::Tuple(parts.into())
}

fn optional(chunk: Option<Chunk>) -> Value {
    chunk.map_or(Value::Unit, Value::Chunk)
}

/// Part number `k` of each state.
fn parts(states: &[Value], k: usize) -> Vec<Chunk> {
    states.iter().filter_map(|state| state.parts().get(k)?.as_chunk().cloned()).collect()
}

/// The place in the flattened array of the element at `place` in a flattened block.
fn place_in(shape: &[usize], start: &[usize], block: &[usize], place: i64) -> i64 {
    let (mut place, mut global, mut stride) = (place as usize, 0, 1);
    for axis in (0..shape.len()).rev() {
        global += (start[axis] + place % block[axis]) * stride;
        place /= block[axis];
        stride *= shape[axis];
    }
    global as i64
}

fn merge_unique(states: &[Value]) -> Made {
    let all = concatenate(&parts(states, 0), 0)?;
    let (index, counts) = (parts(states, 1), parts(states, 2));
    let got = unique(&all, UniqueParts { inverse: !index.is_empty() || !counts.is_empty(), ..UniqueParts::default() });
    let places = got.inverse.map(|inverse| inverse.to_vec::<i64>()).unwrap_or_default();
    let merge =
        |chunks: &[Chunk], start: i64, join: fn(i64, i64) -> i64| -> std::result::Result<Option<Chunk>, KernelError> {
            if chunks.is_empty() {
                return Ok(None);
            }
            let mut merged = vec![start; got.values.len()];
            for (place, x) in places.iter().zip(concatenate(chunks, 0)?.to_vec::<i64>()) {
                let out = &mut merged[*place as usize];
                *out = join(*out, x);
            }
            Ok(Some(Chunk::from_values(&[merged.len()], &merged)))
        };
    let index = merge(&index, i64::MAX, i64::min)?;
    let counts = merge(&counts, 0, |a, b| a + b)?;
    Ok(tuple(vec![got.values.clone().into(), optional(index), optional(counts)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate_for_tests::{Rng, assert_same};

    const DTYPES: [DType; 5] = [DType::F64, DType::F32, DType::I64, DType::U8, DType::Bool];

    /// Elements with some NaN among them.
    fn with_nan(rng: &mut Rng, shape: &[usize]) -> (Array, Chunk) {
        let values: Vec<f64> = (0..shape.iter().product::<usize>())
            .map(|_| if rng.below(7) == 0 { f64::NAN } else { rng.below(9) as f64 })
            .collect();
        let chunk = Chunk::from_values(shape, &values);
        (rng.divided(&chunk), chunk)
    }

    fn shape(rng: &mut Rng) -> Vec<usize> {
        (0..1 + rng.below(3)).map(|_| 1 + rng.below(9)).collect()
    }

    #[test]
    fn sort_and_topk_agree_with_one_block() {
        let mut rng = Rng(5);
        for case in 0..200 {
            let shape = shape(&mut rng);
            let axis = rng.below(shape.len());
            let (array, chunk) = match case % 2 {
                0 => with_nan(&mut rng, &shape),
                _ => rng.array(&shape, DTYPES[case / 2 % DTYPES.len()]),
            };
            let k = rng.below(11) as i64 - 5;
            assert_same(&array.sort(axis as isize).unwrap(), &sort(&chunk, axis).unwrap());
            assert_same(&array.topk(k, axis as isize).unwrap(), &topk(&chunk, k, axis).unwrap());
            assert_same(&array.argtopk(k, axis as isize).unwrap(), &argtopk(&chunk, k, axis).unwrap());
        }
    }

    #[test]
    fn topk_merges_many_blocks_in_a_tree() {
        let chunk = Rng(6).chunk(&[400], DType::I64);
        let array = Array::from_chunk(chunk.clone(), Some(Chunks::regular(&[400], &[1]))).unwrap();
        assert_same(&array.topk(7, 0).unwrap(), &topk(&chunk, 7, 0).unwrap());
        assert_same(&array.argtopk(-7, 0).unwrap(), &argtopk(&chunk, -7, 0).unwrap());
    }

    #[test]
    fn unique_agrees_with_one_block() {
        let mut rng = Rng(7);
        let all = UniqueParts { index: true, inverse: true, counts: true };
        for case in 0..100 {
            let shape = shape(&mut rng);
            let (array, chunk) = match case % 2 {
                0 => with_nan(&mut rng, &shape),
                _ => rng.array(&shape, DTYPES[case / 2 % DTYPES.len()]),
            };
            let (got, want) = (array.unique(all).unwrap(), unique(&chunk, all));
            assert_same(&got.values, &want.values);
            assert_same(&got.index.unwrap(), &want.index.unwrap());
            assert_same(&got.inverse.unwrap(), &want.inverse.unwrap());
            assert_same(&got.counts.unwrap(), &want.counts.unwrap());
            assert_same(&array.unique(UniqueParts::default()).unwrap().values, &want.values);
        }
    }

    #[test]
    fn places_in_sorted_arrays_and_membership() {
        let mut rng = Rng(8);
        for _ in 0..60 {
            let (_, chunk) = with_nan(&mut rng, &[20]);
            let sorted = sort(&chunk, 0).unwrap();
            let haystack = rng.divided(&sorted);
            let (array, values) = with_nan(&mut rng, &[4, 5]);
            for side in [Side::Left, Side::Right] {
                let want = searchsorted(&sorted, &values, side).unwrap();
                assert_same(&haystack.searchsorted(&array, side).unwrap(), &want);
            }
            let tests = chunk.to_vec::<f64>();
            let want: Vec<selion_core::B8> = values.to_vec::<f64>().iter().map(|x| tests.contains(x).into()).collect();
            assert_same(&array.isin(&rng.divided(&chunk)).unwrap(), &Chunk::from_values(&[4, 5], &want));
        }
    }

    #[test]
    fn medians_and_quantiles_agree_with_one_block() {
        let mut rng = Rng(9);
        for case in 0..150 {
            let shape = shape(&mut rng);
            let axis = rng.below(shape.len());
            let (array, chunk) = match case % 2 {
                0 => with_nan(&mut rng, &shape),
                _ => rng.array(&shape, DTYPES[case / 2 % DTYPES.len()]),
            };
            let axes = [axis as isize];
            assert_same(&array.median(Some(&axes), false, false).unwrap(), &quantile::median(&chunk, axis).unwrap());
            assert_same(&array.median(Some(&axes), false, true).unwrap(), &quantile::nanmedian(&chunk, axis).unwrap());
            let method = [Method::Linear, Method::Lower, Method::Nearest][case % 3];
            let q = [0.2, 0.5, 1.0];
            let got = array.quantile(&Ranks::Each(q.to_vec()), Some(&axes), method, false, false).unwrap();
            assert_same(&got, &quantile::quantile(&chunk, &q, axis, method).unwrap());
            let flat = chunk.reshape(&[chunk.len()]);
            let want = quantile::nanquantile(&flat, &[0.3], 0, method).unwrap();
            let want = want.reshape(&vec![1; shape.len()]);
            assert_same(&array.quantile(&Ranks::One(0.3), None, method, true, true).unwrap(), &want);
        }
    }

    #[test]
    fn several_axes_are_one() {
        let (array, chunk) = Rng(10).array(&[4, 5, 6], DType::F64);
        let want = quantile::median(&chunk.transpose(&[1, 0, 2]).reshape(&[5, 24]), 1).unwrap();
        assert_same(&array.median(Some(&[0, -1]), false, false).unwrap(), &want);
        assert_same(&array.median(Some(&[0, -1]), true, false).unwrap(), &want.reshape(&[1, 5, 1]));
    }

    #[test]
    fn counts_of_what_is_not_zero() {
        let (array, chunk) = Rng(11).array(&[5, 7], DType::F32);
        let values = chunk.to_vec::<f32>();
        let want: Vec<i64> =
            (0..7).map(|column| (0..5).filter(|row| values[row * 7 + column] != 0.0).count() as i64).collect();
        assert_same(&array.count_nonzero(Some(&[0]), false).unwrap(), &Chunk::from_values(&[7], &want));
    }

    #[test]
    fn errors_are_numpys() {
        let x = Array::ones(&[2, 2], DType::F64, None).unwrap();
        let message = |result: Result<Array>| result.unwrap_err().to_string();
        let quantile = |q| x.quantile(&Ranks::One(q), None, Method::Linear, false, false);
        assert_eq!(message(quantile(1.5)), "Quantiles must be in the range [0, 1]");
        assert_eq!(
            Ranks::One(101.0).of_hundred().unwrap_err().to_string(),
            "Percentiles must be in the range [0, 100]"
        );
        assert_eq!(message(x.sort(2)), "axis 2 is out of bounds for array of dimension 2");
    }
}
