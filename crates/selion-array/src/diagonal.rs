//! Diagonals and triangles.
//!
//! Triangles compare `column - row`, an affine function of the coordinates, with a number: they cost a comparison in
//! whatever program uses them. Only reading a diagonal is an operation on blocks of its own.

use std::sync::Arc;

use selion_core::{DType, Dims, Scalar, Steps, TaskContext, TaskError, Value};
use selion_kernels::program::{Affine, Op};
use smallvec::smallvec;

use crate::chunks::{AxisChunks, ChunkSpec, Chunks, common_division, normalize_chunks, slice_division};
use crate::creation::AUTO_CHUNK_BYTES;
use crate::elementwise::{Operand, ufunc};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::reduce::ReduceKind;

/// Reads a diagonal: each block of the result lies in one block of the input.
struct DiagonalOp {
    input: Chunks,
    /// The two axes, and where along them the diagonal starts.
    axes: [usize; 2],
    starts: [usize; 2],
    along: AxisChunks,
}

impl DiagonalOp {
    fn block(&self, coordinates: &[usize]) -> Dims {
        let (at, kept) = coordinates.split_last().unwrap_or((&0, &[]));
        let mut kept = kept.iter();
        let first = self.along.start(*at);
        (0..self.input.ndim())
            .map(|axis| match self.axes.iter().position(|own| *own == axis) {
                Some(k) => self.input.axes()[axis].block_of(self.starts[k] + first),
                None => kept.next().copied().unwrap_or(0),
            })
            .collect()
    }
}

impl BlockOp for DiagonalOp {
    fn name(&self) -> &str {
        "diagonal"
    }

    fn identity(&self) -> u64 {
        hash_of((self.axes, self.starts))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.push((0, self.input.index(&self.block(coordinates))));
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let [Value::Chunk(chunk)] = inputs else { return Err("diagonal needs one block".into()) };
        let at = coordinates.last().copied().unwrap_or(0);
        let block = self.block(coordinates);
        let mut shape = Dims::new();
        let mut strides = Steps::new();
        for axis in (0..chunk.ndim()).filter(|axis| !self.axes.contains(axis)) {
            shape.push(chunk.shape()[axis]);
            strides.push(chunk.strides()[axis]);
        }
        let mut offset = 0;
        for (axis, start) in self.axes.iter().zip(self.starts) {
            let inside = start + self.along.start(at) - self.input.axes()[*axis].start(block[*axis]);
            offset += inside as isize * chunk.strides()[*axis];
        }
        shape.push(self.along.lens()[at]);
        strides.push(self.axes.iter().map(|axis| chunk.strides()[*axis]).sum());
        let offset = if shape.contains(&0) { 0 } else { offset };
        Ok(Value::Chunk(chunk.view(offset, shape, strides).compact()))
    }
}

/// `column - row` over a matrix.
fn right_of_diagonal(rows: usize, columns: usize, chunks: Option<Chunks>) -> Result<Array> {
    Array::index(&[rows, columns], Affine { offset: 0, strides: smallvec![-1, 1] }, chunks)
}

/// Blocks for a matrix of `dtype`, if the caller has no wishes.
fn matrix_chunks(rows: usize, columns: usize, dtype: DType, chunks: Option<Chunks>) -> Result<Chunks> {
    match chunks {
        Some(chunks) => Ok(chunks),
        None => normalize_chunks(&[ChunkSpec::Auto, ChunkSpec::Auto], &[rows, columns], dtype, AUTO_CHUNK_BYTES, None),
    }
}

impl Array {
    /// Ones on diagonal `k` (above the main one if positive), zeros elsewhere.
    ///
    /// # Errors
    /// As [`Array::full`].
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::eye(3, 4, 1, selion_core::DType::F32, None)?;
    /// assert_eq!(x.shape().as_slice(), [3, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn eye(rows: usize, columns: usize, k: i64, dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = matrix_chunks(rows, columns, dtype, chunks)?;
        right_of_diagonal(rows, columns, Some(chunks))?.with(Op::Equal, k)?.astype(dtype)
    }

    /// Ones on and below diagonal `k`, zeros above.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn tri(rows: usize, columns: usize, k: i64, dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = matrix_chunks(rows, columns, dtype, chunks)?;
        right_of_diagonal(rows, columns, Some(chunks))?.with(Op::LessEqual, k)?.astype(dtype)
    }

    /// The array with zeros above diagonal `k` of its last two axes.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] if their lengths are.
    pub fn tril(&self, k: i64) -> Result<Array> {
        self.triangle(Op::LessEqual, k)
    }

    /// The array with zeros below diagonal `k` of its last two axes.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`] if their lengths are.
    pub fn triu(&self, k: i64) -> Result<Array> {
        self.triangle(Op::GreaterEqual, k)
    }

    fn triangle(&self, keeps: Op, k: i64) -> Result<Array> {
        // NumPy takes a vector as the rows of a square matrix.
        let square = match self.ndim() {
            0 => return Err(ArrayError::Value("Input must be at least 1-d.".to_owned())),
            1 => {
                let len = self.shape()[0];
                self.broadcast_to(&[len, len], None)?
            }
            _ => self.clone(),
        };
        let own = &square.chunks().axes()[square.ndim() - 2..];
        let chunks = Chunks::new(own.iter().cloned());
        chunks.known("a triangle")?;
        let shape = chunks.shape();
        let kept = right_of_diagonal(shape[0], shape[1], Some(chunks))?.with(keeps, k)?;
        let zero = Array::scalar(Scalar::zero(self.dtype()));
        ufunc(Op::Where, &[kept.into(), square.into(), zero.into()])
    }

    /// Of a vector, the square matrix with it on diagonal `k`; of a matrix, its diagonal `k`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for other numbers of axes, [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.diag(-1)?.shape().as_slice(), [4, 4]);
    /// assert_eq!(x.diag(-1)?.diag(0)?.shape().as_slice(), [4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn diag(&self, k: i64) -> Result<Array> {
        match self.ndim() {
            2 => self.diagonal(k, 0, 1),
            1 => {
                self.chunks().known("diag")?;
                let margin = k.unsigned_abs() as usize;
                let zeros = Array::zeros(&[margin], self.dtype(), None)?;
                let values = Array::concatenate(&[self.clone(), zeros], Some(0))?;
                // Element (i, i + k) is values[i]; below the main diagonal, element (j - k, j) is values[j].
                let values = values.expand_dims(&[if k >= 0 { 1 } else { 0 }])?;
                let len = self.shape()[0] + margin;
                let along = values.chunks().axes()[if k >= 0 { 0 } else { 1 }].clone();
                let on = right_of_diagonal(len, len, Some(Chunks::new([along.clone(), along])))?.with(Op::Equal, k)?;
                let zero = Array::scalar(Scalar::zero(self.dtype()));
                ufunc(Op::Where, &[on.into(), values.into(), zero.into()])
            }
            _ => Err(ArrayError::Value("Input must be 1- or 2-d.".to_owned())),
        }
    }

    /// Diagonal `k` of the matrices that two axes make, as the last axis of the result.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if the axes are the same or there are fewer than two;
    /// [`ArrayError::Unknown`] if their lengths are.
    pub fn diagonal(&self, k: i64, axis1: isize, axis2: isize) -> Result<Array> {
        if self.ndim() < 2 {
            return Err(ArrayError::Value("diag requires an array of at least two dimensions".to_owned()));
        }
        let axes = [self.axis(axis1)?, self.axis(axis2)?];
        if axes[0] == axes[1] {
            return Err(ArrayError::Value("axis1 and axis2 cannot be the same".to_owned()));
        }
        let own = axes.map(|axis| &self.chunks().axes()[axis]);
        if own.iter().any(|axis| !axis.is_known()) {
            self.chunks().known("diagonal")?;
        }
        let starts = [k.min(0).unsigned_abs() as usize, k.max(0) as usize];
        let len = (0..2).map(|k| own[k].len().saturating_sub(starts[k])).min().unwrap_or(0);
        let cut = |k: usize| slice_division(own[k], starts[k], 1, len);
        let along = if len == 0 { AxisChunks::new(vec![0]) } else { common_division(&[&cut(0), &cut(1)])? };
        let kept = (0..self.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| self.chunks().axes()[axis].clone());
        let chunks = Chunks::new(kept.chain([along.clone()]));
        let op = DiagonalOp { input: self.chunks().clone(), axes, starts, along };
        let expr = Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone()] };
        Ok(Array::make(expr, self.dtype(), chunks))
    }

    /// The sum along a diagonal.
    ///
    /// # Errors
    /// As [`Array::diagonal`] and [`Array::reduce`].
    pub fn trace(&self, k: i64, axis1: isize, axis2: isize) -> Result<Array> {
        self.diagonal(k, axis1, axis2)?.reduce(ReduceKind::Sum, Some(&[-1]), false, 0.0, 0)
    }
}

impl Array {
    /// The coordinates of every element of a grid: an array for each axis, stacked in front.
    ///
    /// # Errors
    /// As [`Array::full`]; `chunks` divides the grid.
    pub fn indices(shape: &[usize], dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = match chunks {
            Some(chunks) => chunks,
            None => normalize_chunks(&vec![ChunkSpec::Auto; shape.len()], shape, dtype, AUTO_CHUNK_BYTES, None)?,
        };
        if shape.is_empty() {
            return Array::zeros(&[0], dtype, None);
        }
        let grids = (0..shape.len()).map(|axis| Array::coordinate(shape, axis, Some(chunks.clone()))?.astype(dtype));
        Array::stack(&grids.collect::<Result<Vec<_>>>()?, 0)
    }

    /// `count` numbers from `start` to `stop`, evenly spaced, and the space between them (NaN if there is none). Without
    /// `endpoint` the last is one space before `stop`. Integers are rounded down.
    ///
    /// # Errors
    /// As [`Array::full`].
    ///
    /// ```
    /// # use selion_array::Array;
    /// let (x, step) = Array::linspace(0.0, 1.0, 5, true, selion_core::DType::F64, None)?;
    /// assert_eq!((x.shape().as_slice(), step), ([5].as_slice(), 0.25));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn linspace(
        start: f64,
        stop: f64,
        count: usize,
        endpoint: bool,
        dtype: DType,
        chunks: Option<Chunks>,
    ) -> Result<(Array, f64)> {
        let chunks = match chunks {
            Some(chunks) => chunks,
            None => normalize_chunks(&[ChunkSpec::Auto], &[count], dtype, AUTO_CHUNK_BYTES, None)?,
        };
        let spaces = if endpoint { count.saturating_sub(1) } else { count };
        let (delta, place) = (stop - start, Array::coordinate(&[count], 0, Some(chunks))?);
        let step = if spaces > 0 { delta / spaces as f64 } else { f64::NAN };
        let rise = if spaces > 0 && step != 0.0 {
            place.with(Op::Multiply, step)?
        } else if spaces > 0 {
            // The step underflows, or is nothing.
            place.with(Op::Divide, spaces as f64)?.with(Op::Multiply, delta)?
        } else {
            place.with(Op::Multiply, delta)?
        };
        let mut line = rise.with(Op::Add, start)?;
        if endpoint && count > 1 {
            let last = place.with(Op::Equal, (count - 1) as i64)?;
            line = ufunc(Op::Where, &[last.into(), Operand::Float(stop), line.into()])?;
        }
        let line = if dtype.is_integer() { line.unary(Op::Floor)? } else { line };
        Ok((line.astype(dtype)?, step))
    }
}
