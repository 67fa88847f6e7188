//! Running sums and products.
//!
//! Each block is scanned by itself. The last rows of the scanned blocks, scanned in turn by one task per column of
//! blocks, are what came before each block, and a last pass joins that to the block's rows. The order of additions is
//! that of Dask's sequential method.

use selion_core::{Chunk, DType, Scalar, Value};
use selion_kernels::blocks::scan::{Scan, scan, scan_with_carry};
use selion_kernels::program::{Op, OpError};

use crate::block_fn::{BlockFn, chunk_of, chunks_of, with_axis};
use crate::chunks::AxisChunks;
use crate::elementwise::ufunc;
use crate::error::{ArrayError, Result};
use crate::expr::Array;

impl Array {
    /// Running sums along an axis. Those of booleans and small integers are 64 bits wide.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Op`] for datetimes; [`ArrayError::NotImplemented`] without an axis, unless
    /// the array has just one.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let sums = Array::ones(&[4, 3], DType::I8, None)?.cumsum(Some(0))?;
    /// assert_eq!((sums.shape().as_slice(), sums.dtype()), (&[4, 3][..], DType::I64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn cumsum(&self, axis: Option<isize>) -> Result<Array> {
        self.scan("cumsum", Scan::Sum, axis)
    }

    /// Running products along an axis. Those of booleans and small integers are 64 bits wide.
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// assert_eq!(Array::ones(&[4], DType::F32, None)?.cumprod(None)?.dtype(), DType::F32);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn cumprod(&self, axis: Option<isize>) -> Result<Array> {
        self.scan("cumprod", Scan::Product, axis)
    }

    /// Running sums that take NaN for zero.
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    pub fn nancumsum(&self, axis: Option<isize>) -> Result<Array> {
        self.without_nan(0.0)?.scan("nancumsum", Scan::Sum, axis)
    }

    /// Running products that take NaN for one.
    ///
    /// # Errors
    /// As [`Array::cumsum`].
    pub fn nancumprod(&self, axis: Option<isize>) -> Result<Array> {
        self.without_nan(1.0)?.scan("nancumprod", Scan::Product, axis)
    }

    fn without_nan(&self, value: f64) -> Result<Array> {
        if !self.dtype().is_float() && !self.dtype().is_complex() {
            return Ok(self.clone());
        }
        let value = Array::scalar(Scalar::from_f64(value, self.dtype()));
        ufunc(Op::Where, &[self.unary(Op::Isnan)?.into(), value.into(), self.into()])
    }

    fn scan(&self, name: &'static str, op: Scan, axis: Option<isize>) -> Result<Array> {
        let axis = match axis {
            Some(axis) => self.axis(axis)?,
            None if self.ndim() == 1 => 0,
            None => return Err(ArrayError::NotImplemented(format!("{name} of a flattened array"))),
        };
        let dtype = match self.dtype() {
            DType::Bool | DType::I8 | DType::I16 | DType::I32 => DType::I64,
            DType::U8 | DType::U16 | DType::U32 => DType::U64,
            DType::DateTime(_) => return Err(unsupported(name, self.dtype())),
            DType::TimeDelta(_) if op == Scan::Product => return Err(unsupported(name, self.dtype())),
            other => other,
        };
        let chunks = self.chunks().clone();
        let blocks = chunks.clone();
        let scanned = BlockFn::new(
            name,
            axis,
            move |at, needs| needs.push((0, blocks.index(at))),
            move |_, inputs| Ok(scan(chunk_of(inputs)?, axis, op)?.into()),
        )
        .array(vec![self.clone()], dtype, chunks.clone());
        let before = chunks.axes()[axis].count().saturating_sub(1);
        if before == 0 {
            return Ok(scanned);
        }

        let blocks = chunks.clone();
        let totals = BlockFn::new(
            "last",
            (axis, op),
            move |at, needs| needs.push((0, blocks.index(at))),
            move |_, inputs| Ok(last_row(chunk_of(inputs)?, axis, op).into()),
        )
        .array(vec![scanned.clone()], dtype, with_axis(&chunks, axis, AxisChunks::new(vec![1; before])));

        let rows = totals.chunks().clone();
        let carries = BlockFn::new(
            name,
            axis,
            move |at, needs| {
                let mut row = at.to_vec();
                for k in 0..before {
                    row[axis] = k;
                    needs.push((0, rows.index(&row)));
                }
            },
            move |_, inputs| {
                let rows = selion_kernels::blocks::layout::concatenate(&chunks_of(inputs), axis)?;
                Ok(scan(&rows, axis, op)?.into())
            },
        )
        .array(vec![totals], dtype, with_axis(&chunks, axis, AxisChunks::new(vec![before])));

        let (blocks, columns) = (chunks.clone(), carries.chunks().clone());
        let joined = BlockFn::new(
            name,
            (axis, op),
            move |at, needs| {
                needs.push((0, blocks.index(at)));
                if at[axis] > 0 {
                    let mut column = at.to_vec();
                    column[axis] = 0;
                    needs.push((1, columns.index(&column)));
                }
            },
            move |at, inputs| {
                let [Value::Chunk(scanned), Value::Chunk(carries)] = inputs else {
                    return Ok(chunk_of(inputs)?.clone().into());
                };
                let row = carries.slice(axis, at[axis] - 1, 1, 1);
                let row = without_axis(&row, axis);
                Ok(scan_with_carry(scanned, &row, axis, op)?.into())
            },
        );
        Ok(joined.array(vec![scanned, carries], dtype, chunks))
    }
}

fn unsupported(op: &'static str, dtype: DType) -> ArrayError {
    OpError::Unsupported { op, dtypes: vec![dtype] }.into()
}

/// The last row of a scanned block, in memory of its own; of a block without rows, what changes nothing.
fn last_row(block: &Chunk, axis: usize, op: Scan) -> Chunk {
    match block.shape()[axis].checked_sub(1) {
        Some(last) => block.slice(axis, last, 1, 1).compact_copy(),
        None => {
            let mut shape = block.shape().to_vec();
            shape[axis] = 1;
            let nothing =
                if op == Scan::Product { Scalar::from_f64(1.0, block.dtype()) } else { Scalar::zero(block.dtype()) };
            Chunk::full(&shape, nothing)
        }
    }
}

/// A view without an axis of length 1.
fn without_axis(chunk: &Chunk, axis: usize) -> Chunk {
    let (mut shape, mut strides) = (chunk.shape().to_vec(), chunk.strides().to_vec());
    shape.remove(axis);
    strides.remove(axis);
    chunk.view(0, shape.into(), strides.into())
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
        assert!(matches!(array.cumsum(None), Err(ArrayError::NotImplemented(_))));
        assert!(matches!(array.cumsum(Some(2)), Err(ArrayError::Axis { axis: 2, ndim: 2 })));
    }
}
