//! Running sums and their kin, and filling of gaps along an axis.
//!
//! A scan runs in three steps. Each block is scanned by itself; its last row is its total. The total of everything
//! before a block comes from its neighbours' totals by groups of [`WIDTH`], and groups of groups: a tree of tiny tasks
//! in which a block waits only for those before it, so blocks go in order and few are alive at once. Then each block is
//! joined to what came before it.

use selion_core::{Chunk, DType, Scalar, TaskError, Value};
use selion_kernels::blocks::layout::concatenate;
use selion_kernels::blocks::scan::{Scan, ffill, scan, scan_with_carry};
use selion_kernels::program::{Affine, Op, OpError};

use crate::block_fn::{BlockFn, Made, chunk_of, with_axis};
use crate::chunks::{AxisChunks, UNKNOWN};
use crate::elementwise::ufunc;
use crate::error::{ArrayError, Result};
use crate::expr::Array;

/// How many totals a task of the tree reads.
const WIDTH: usize = 16;

/// What is carried along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Carry {
    Scan(Scan),
    Fill,
}

impl Carry {
    fn name(self) -> &'static str {
        match self {
            Carry::Scan(Scan::Sum) => "cumsum",
            Carry::Scan(Scan::Product) => "cumprod",
            Carry::Scan(Scan::Max) => "cummax",
            Carry::Scan(Scan::Min) => "cummin",
            Carry::Fill => "push",
        }
    }

    /// A block by itself.
    fn alone(self, block: &Chunk, axis: usize) -> std::result::Result<Chunk, TaskError> {
        Ok(match self {
            Carry::Scan(op) => scan(block, axis, op)?,
            Carry::Fill => ffill(block, axis, None)?,
        })
    }

    /// A block that was scanned by itself, behind `before`, the last row of what comes before it.
    fn behind(self, block: &Chunk, before: &Chunk, axis: usize) -> std::result::Result<Chunk, TaskError> {
        match self {
            Carry::Scan(op) => {
                let shape: Vec<usize> = (0..block.ndim()).filter(|k| *k != axis).map(|k| block.shape()[k]).collect();
                Ok(scan_with_carry(block, &before.reshape(&shape), axis, op)?)
            }
            Carry::Fill => {
                let filled = ffill(&concatenate(&[before.clone(), block.clone()], axis)?, axis, None)?;
                Ok(filled.slice(axis, 1, 1, block.shape()[axis]))
            }
        }
    }

    /// The total of totals in order; those of empty blocks are nothing.
    fn total(self, totals: &[Value], axis: usize) -> Made {
        let mut sum: Option<Chunk> = None;
        for total in totals.iter().filter_map(Value::as_chunk) {
            sum = Some(match sum {
                None => total.clone(),
                Some(before) => self.behind(total, &before, axis)?,
            });
        }
        Ok(sum.map_or(Value::Unit, |sum| Value::Chunk(sum.compact())))
    }
}

/// For each block along `axis`, the total of those before it; nothing for the first.
fn carries(carry: Carry, totals: &Array, axis: usize) -> Array {
    let chunks = totals.chunks().clone();
    let count = chunks.axes()[axis].count();
    let total = move |_: &[usize], inputs: &[Value]| carry.total(inputs, axis);
    let mut inputs = vec![totals.clone()];
    if count > WIDTH {
        let from = chunks.clone();
        let sums = BlockFn::new(
            carry.name(),
            ("totals", carry, axis),
            move |at, needs| {
                let mut own = at.to_vec();
                for k in at[axis] * WIDTH..((at[axis] + 1) * WIDTH).min(count) {
                    own[axis] = k;
                    needs.push((0, from.index(&own)));
                }
            },
            total,
        );
        let groups = with_axis(&chunks, axis, AxisChunks::new(vec![1; count.div_ceil(WIDTH)]));
        inputs.push(carries(carry, &sums.array(vec![totals.clone()], totals.dtype(), groups), axis));
    }
    let (from, groups) = (chunks.clone(), inputs.get(1).map(|groups| groups.chunks().clone()));
    let before = BlockFn::new(
        carry.name(),
        ("carries", carry, axis),
        move |at, needs| {
            let mut own = at.to_vec();
            let mut first = 0;
            if let Some(groups) = &groups {
                own[axis] = at[axis] / WIDTH;
                first = own[axis] * WIDTH;
                needs.push((1, groups.index(&own)));
            }
            for k in first..at[axis] {
                own[axis] = k;
                needs.push((0, from.index(&own)));
            }
        },
        total,
    );
    before.array(inputs, totals.dtype(), chunks)
}

/// The scan of an array along one of its axes; `dtype` is that of the result.
fn carried(carry: Carry, array: &Array, axis: usize, dtype: DType) -> Array {
    let chunks = array.chunks().clone();
    let block_bytes = chunks.largest_block() * dtype.size();
    let blocks = chunks.clone();
    let alone = BlockFn::new(
        carry.name(),
        ("alone", carry, axis),
        move |at, needs| needs.push((0, blocks.index(at))),
        move |_, inputs| Ok(carry.alone(chunk_of(inputs)?, axis)?.into()),
    )
    .with_scratch(block_bytes)
    .array(vec![array.clone()], dtype, chunks.clone());
    let count = chunks.axes()[axis].count();
    if count == 1 {
        return alone;
    }
    let blocks = chunks.clone();
    let totals = BlockFn::new(
        carry.name(),
        ("last", carry, axis),
        move |at, needs| needs.push((0, blocks.index(at))),
        move |_, inputs| {
            let block = chunk_of(inputs)?;
            let last = block.shape()[axis].checked_sub(1);
            Ok(last.map_or(Value::Unit, |last| block.slice(axis, last, 1, 1).compact_copy().into()))
        },
    )
    .array(vec![alone.clone()], dtype, with_axis(&chunks, axis, AxisChunks::new(vec![1; count])));
    let before = carries(carry, &totals, axis);
    let (blocks, rows) = (chunks.clone(), before.chunks().clone());
    let joined = BlockFn::new(
        carry.name(),
        ("joined", carry, axis),
        move |at, needs| needs.extend([(0, blocks.index(at)), (1, rows.index(at))]),
        move |_, inputs| match inputs {
            [Value::Chunk(block), Value::Chunk(before)] => Ok(carry.behind(block, before, axis)?.into()),
            _ => Ok(chunk_of(inputs)?.clone().into()),
        },
    );
    joined.with_scratch(block_bytes).array(vec![alone, before], dtype, chunks)
}

impl Array {
    /// NumPy's `cumsum` and its kin along an axis, or of all elements in C order.
    fn scanned(&self, op: Scan, axis: Option<isize>) -> Result<Array> {
        let carry = Carry::Scan(op);
        let flat = if axis.is_none() { self.ravel()? } else { self.clone() };
        let axis = flat.axis(axis.unwrap_or(0))?;
        let sums = matches!(op, Scan::Sum | Scan::Product);
        let dtype = match self.dtype() {
            DType::Bool | DType::I8 | DType::I16 | DType::I32 if sums => DType::I64,
            DType::U8 | DType::U16 | DType::U32 if sums => DType::U64,
            DType::DateTime(_) if sums => return Err(unsupported(carry, self.dtype())),
            DType::TimeDelta(_) if op == Scan::Product => return Err(unsupported(carry, self.dtype())),
            own => own,
        };
        Ok(carried(carry, &flat, axis, dtype))
    }

    /// The sums of all elements up to each, along an axis, or in C order if `axis` is `None`.
    ///
    /// Booleans and small integers sum as 64-bit integers.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Op`] for datetimes.
    ///
    /// ```
    /// # use selion_array::Array;
    /// # use selion_core::DType;
    /// let x = Array::ones(&[3, 4], DType::I8, None)?;
    /// assert_eq!(x.cumsum(Some(0))?.shape().as_slice(), [3, 4]);
    /// assert_eq!(x.cumsum(None)?.shape().as_slice(), [12]);
    /// assert_eq!(x.cumsum(Some(-1))?.dtype(), DType::I64);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn cumsum(&self, axis: Option<isize>) -> Result<Array> {
        self.scanned(Scan::Sum, axis)
    }

    /// The products of all elements up to each; else as [`Array::cumsum`].
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    pub fn cumprod(&self, axis: Option<isize>) -> Result<Array> {
        self.scanned(Scan::Product, axis)
    }

    /// The sums of all elements up to each that are not NaN; else as [`Array::cumsum`].
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    pub fn nancumsum(&self, axis: Option<isize>) -> Result<Array> {
        self.without_nan(0.0)?.scanned(Scan::Sum, axis)
    }

    /// The products of all elements up to each that are not NaN; else as [`Array::cumsum`].
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    pub fn nancumprod(&self, axis: Option<isize>) -> Result<Array> {
        self.without_nan(1.0)?.scanned(Scan::Product, axis)
    }

    /// The greatest of all elements up to each; NaN from the first NaN on.
    ///
    /// # Errors
    /// [`ArrayError::Axis`].
    pub fn cummax(&self, axis: Option<isize>) -> Result<Array> {
        self.scanned(Scan::Max, axis)
    }

    /// The least of all elements up to each; NaN from the first NaN on.
    ///
    /// # Errors
    /// [`ArrayError::Axis`].
    pub fn cummin(&self, axis: Option<isize>) -> Result<Array> {
        self.scanned(Scan::Min, axis)
    }

    /// Another value where there is NaN.
    fn without_nan(&self, value: f64) -> Result<Array> {
        if !(self.dtype().is_float() || self.dtype().is_complex()) {
            return Ok(self.clone());
        }
        let value = Array::scalar(Scalar::from_f64(value, self.dtype()));
        ufunc(Op::Where, &[self.unary(Op::Isnan)?.into(), value.into(), self.into()])
    }

    /// NaN and NaT along an axis become the last element before them, over gaps of at most `limit` elements: Dask's
    /// `push`, Xarray's `ffill`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] if there is a limit and a length is unknown.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3, 4], selion_core::DType::F64, None)?;
    /// assert_eq!(x.push(Some(2), -1)?.shape().as_slice(), [3, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn push(&self, limit: Option<usize>, axis: isize) -> Result<Array> {
        let axis = self.axis(axis)?;
        let dtype = self.dtype();
        if !(dtype.is_float() || dtype.is_complex() || dtype.is_time()) {
            return Ok(self.clone());
        }
        let filled = carried(Carry::Fill, self, axis, dtype);
        let len = self.shape()[axis];
        let Some(limit) = limit.filter(|limit| len == UNKNOWN || *limit + 1 < len) else { return Ok(filled) };
        self.chunks().known("push")?;
        // The place of the last element before each: the running maximum of places that have one.
        let mut strides = vec![0; self.ndim()];
        strides[axis] = 1;
        let affine = Affine { offset: 0, strides: strides.into() };
        let place = Array::index(&self.shape(), affine, Some(self.chunks().clone()))?;
        let missing = self.unary(if dtype.is_time() { Op::Isnat } else { Op::Isnan })?;
        let none = Array::scalar(Scalar::new(i64::MIN / 2));
        let last = ufunc(Op::Where, &[missing.into(), none.into(), (&place).into()])?.cummax(Some(axis as isize))?;
        let near = place.binary(Op::Subtract, &last)?.with(Op::LessEqual, limit as i64)?;
        let nan = match dtype {
            time if time.is_time() => Scalar::with_dtype(i64::MIN, time),
            float => Scalar::from_f64(f64::NAN, float),
        };
        ufunc(Op::Where, &[near.into(), filled.into(), Array::scalar(nan).into()])
    }
}

fn unsupported(carry: Carry, dtype: DType) -> ArrayError {
    OpError::Unsupported { op: carry.name(), dtypes: vec![dtype] }.into()
}
#[cfg(test)]
mod tests {
    use selion_kernels::blocks::scan::{nancumprod, nancumsum};

    use super::*;
    use crate::chunks::Chunks;
    use crate::evaluate_for_tests::{Rng, assert_same};

    #[test]
    fn scans_agree_with_one_block() {
        let mut rng = Rng(1);
        let dtypes = [DType::F64, DType::F32, DType::I64, DType::I8, DType::U16, DType::Bool, DType::C128];
        for case in 0..300 {
            let dtype = dtypes[case % dtypes.len()];
            let shape: Vec<usize> = (0..1 + rng.below(3)).map(|_| rng.below(11)).collect();
            let axis = rng.below(shape.len());
            let (array, chunk) = rng.array(&shape, dtype);
            let want = scan(&chunk, axis, Scan::Sum).unwrap();
            assert_same(&array.cumsum(Some(axis as isize - shape.len() as isize)).unwrap(), &want);
            let want = scan(&chunk, axis, Scan::Product).unwrap();
            assert_same(&array.cumprod(Some(axis as isize)).unwrap(), &want);
        }
    }

    #[test]
    fn nan_counts_for_nothing() {
        let chunk = Chunk::from_values(&[7], &[f64::NAN, 2.0, 3.0, f64::NAN, f64::NAN, 4.0, 1.0]);
        let array = Array::from_chunk(chunk.clone(), Some(Chunks::regular(&[7], &[2]))).unwrap();
        assert_same(&array.nancumsum(None).unwrap(), &nancumsum(&chunk, 0).unwrap());
        assert_same(&array.nancumprod(None).unwrap(), &nancumprod(&chunk, 0).unwrap());
    }

    #[test]
    fn empty_blocks_pass_on_what_came_before() {
        let chunk = Chunk::from_values(&[4], &[3i64, 2, 5, 4]);
        let array = Array::from_chunk(chunk.clone(), Some(Chunks::from_lens(&[vec![0, 2, 0, 0, 2, 0]]))).unwrap();
        assert_same(&array.cumprod(None).unwrap(), &scan(&chunk, 0, Scan::Product).unwrap());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let array = Array::ones(&[2, 2], DType::F64, None).unwrap();
        let days = Array::zeros(&[2], DType::DateTime(selion_core::TimeUnit::Day), None).unwrap();
        assert!(matches!(days.cumsum(None), Err(ArrayError::Op(_))));
        assert!(matches!(array.cumsum(Some(2)), Err(ArrayError::Axis { axis: 2, ndim: 2 })));
    }
}
