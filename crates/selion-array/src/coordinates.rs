//! Arrays that coordinates decide about: triangles, diagonals, evenly spaced numbers.
//!
//! On which side of a diagonal an element lies is the sign of an affine function of its coordinates, so all but the
//! extraction of diagonals is elementwise work on an index sequence, and fuses with what is around it.

use std::sync::Arc;

use selion_core::{Chunk, DType, Dims, Scalar, Steps, TaskError, Value};
use selion_kernels::program::{Affine, Op};
use smallvec::smallvec;

use crate::chunks::{AxisChunks, Chunks, common_division, slice_division};
use crate::elementwise::{Operand, ufunc};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::view::View;

/// Takes a diagonal of two axes, which becomes the last axis.
struct DiagonalOp {
    from: Chunks,
    to: Chunks,
    /// The two axes, and where the diagonal starts on them.
    axes: [usize; 2],
    starts: [usize; 2],
}

impl DiagonalOp {
    /// The input's block for the block at `coordinates`.
    fn block(&self, coordinates: &[usize]) -> Dims {
        let (along, kept) = coordinates.split_last().map_or((0, coordinates), |(along, kept)| (*along, kept));
        let start = self.to.axes()[kept.len()].start(along);
        let mut kept = kept.iter().copied();
        (0..self.from.ndim())
            .map(|axis| match self.axes.iter().position(|own| *own == axis) {
                Some(k) => self.from.axes()[axis].block_of(self.starts[k] + start),
                None => kept.next().unwrap_or(0),
            })
            .collect()
    }
}

impl BlockOp for DiagonalOp {
    fn name(&self) -> &str {
        "diagonal"
    }

    fn identity(&self) -> u64 {
        hash_of((&self.to, self.axes, self.starts))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        needs.push((0, self.from.index(&self.block(coordinates))));
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let [Value::Chunk(chunk)] = inputs else { return Err("diagonal needs one block".into()) };
        let block = self.block(coordinates);
        let last = self.to.ndim() - 1;
        let start = self.to.axes()[last].start(coordinates[last]);
        let len = self.to.axes()[last].lens()[coordinates[last]];
        let (mut offset, mut stride) = (0, 0);
        for (axis, first) in self.axes.iter().zip(self.starts) {
            let own = chunk.strides()[*axis];
            offset += (first + start - self.from.axes()[*axis].start(block[*axis])) as isize * own;
            stride += own;
        }
        let kept = || (0..chunk.ndim()).filter(|axis| !self.axes.contains(axis));
        let shape: Dims = kept().map(|axis| chunk.shape()[axis]).chain([len]).collect();
        let strides: Steps = kept().map(|axis| chunk.strides()[axis]).chain([stride]).collect();
        let diagonal: Chunk = chunk.view(offset, shape, strides);
        Ok(Value::Chunk(diagonal.compact_copy()))
    }
}

/// `i - j + k` for the last two axes.
fn below_diagonal(shape: &[usize; 2], k: i64, chunks: Option<Chunks>) -> Result<Array> {
    Array::index(shape, Affine { offset: k, strides: smallvec![1, -1] }, chunks)
}

impl Array {
    /// Ones at and below diagonal `k`, zeros above it.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn tri(rows: usize, columns: usize, k: i64, dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        below_diagonal(&[rows, columns], k, chunks)?.with(Op::GreaterEqual, 0)?.astype(dtype)
    }

    /// Ones on diagonal `k`, zeros elsewhere.
    ///
    /// # Errors
    /// As [`Array::full`].
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::eye(3, 4, 1, selion_core::DType::F32, None)?;
    /// assert_eq!((x.shape().as_slice(), x.dtype()), ([3, 4].as_slice(), selion_core::DType::F32));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn eye(rows: usize, columns: usize, k: i64, dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        below_diagonal(&[rows, columns], k, chunks)?.with(Op::Equal, 0)?.astype(dtype)
    }

    /// The array with zeros above diagonal `k` of its last two axes. An array with one axis is that row over and over.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for an array without axes; [`ArrayError::Unknown`] for unknown lengths.
    pub fn tril(&self, k: i64) -> Result<Array> {
        let zero = Array::scalar(Scalar::zero(self.dtype()));
        ufunc(Op::Where, &[self.lower_mask(k)?.into(), self.into(), Operand::Array(zero)])
    }

    /// The array with zeros below diagonal `k` of its last two axes.
    ///
    /// # Errors
    /// As [`Array::tril`].
    pub fn triu(&self, k: i64) -> Result<Array> {
        let zero = Array::scalar(Scalar::zero(self.dtype()));
        ufunc(Op::Where, &[self.lower_mask(k - 1)?.into(), Operand::Array(zero), self.into()])
    }

    /// Whether elements of the last two axes lie at or below diagonal `k`.
    fn lower_mask(&self, k: i64) -> Result<Array> {
        let axes = self.chunks().axes();
        let Some(columns) = axes.last() else {
            return Err(ArrayError::Value("array must have at least one axis to have a triangle".to_owned()));
        };
        let rows = if axes.len() > 1 { &axes[axes.len() - 2] } else { columns };
        let chunks = Chunks::new([rows.clone(), columns.clone()]);
        chunks.known("tril and triu")?;
        below_diagonal(&[rows.len(), columns.len()], k, Some(chunks))?.with(Op::GreaterEqual, 0)
    }

    /// Of an array with one axis, the square one that has it as diagonal `k` and zeros elsewhere; of one with two axes,
    /// its diagonal `k`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for other numbers of axes; [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.diag(-1)?.shape().as_slice(), [4, 4]);
    /// assert_eq!(x.diag(-1)?.diag(-1)?.shape(), x.shape());
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn diag(&self, k: i64) -> Result<Array> {
        match self.ndim() {
            1 => self.on_diagonal(k),
            2 => self.diagonal(k, 0, 1),
            _ => Err(ArrayError::Value("Input must be 1- or 2-d.".to_owned())),
        }
    }

    fn on_diagonal(&self, k: i64) -> Result<Array> {
        self.chunks().known("diag")?;
        let extra = k.unsigned_abs() as usize;
        let along = &self.chunks().axes()[0];
        let mut values = self.clone();
        if extra > 0 {
            let chunks = Chunks::new([AxisChunks::regular(extra, along.longest().max(1))]);
            let zeros = Array::zeros(&[extra], self.dtype(), Some(chunks))?;
            values = Array::concatenate(&[values, zeros], Some(0))?;
        }
        // Above the diagonal the row counts the elements, below it the column.
        let len = values.shape()[0];
        let mut view = View::identity(&[len]);
        if k >= 0 {
            view.axes.push(None);
            view.shape.push(1);
            values = values.seen(view);
        }
        let own = values.chunks().axes()[0].clone();
        let own = if own.len() == len { own } else { AxisChunks::new(vec![len]) };
        let on = below_diagonal(&[len, len], k, Some(Chunks::new([own.clone(), own])))?.with(Op::Equal, 0)?;
        let zero = Array::scalar(Scalar::zero(self.dtype()));
        ufunc(Op::Where, &[on.into(), values.into(), Operand::Array(zero)])
    }

    /// The diagonal `k` of two axes, which becomes the last axis.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if the axes are the same; [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3, 5, 4], selion_core::DType::F64, None)?;
    /// assert_eq!(x.diagonal(1, 0, 2)?.shape().as_slice(), [5, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn diagonal(&self, k: i64, first: isize, second: isize) -> Result<Array> {
        if self.ndim() < 2 {
            return Err(ArrayError::Value("diag requires an array of at least two dimensions".to_owned()));
        }
        let axes = [self.axis(first)?, self.axis(second)?];
        if axes[0] == axes[1] {
            return Err(ArrayError::Value("axis1 and axis2 cannot be the same".to_owned()));
        }
        self.chunks().known("diagonal")?;
        let shape = self.shape();
        let far = k.unsigned_abs() as usize;
        let starts = if k < 0 { [far, 0] } else { [0, far] };
        let left = |k: usize| shape[axes[k]].saturating_sub(starts[k]);
        let len = left(0).min(left(1));
        let own = self.chunks().axes();
        let kept = (0..own.len()).filter(|axis| !axes.contains(axis)).map(|axis| own[axis].clone());
        if len == 0 {
            let chunks = Chunks::new(kept.chain([AxisChunks::new(vec![0])]));
            return Array::zeros(&chunks.shape(), self.dtype(), Some(chunks));
        }
        let [rows, columns] = [0, 1].map(|k| slice_division(&own[axes[k]], starts[k], 1, len));
        let chunks = Chunks::new(kept.chain([common_division(&[&rows, &columns])?]));
        let op = DiagonalOp { from: self.chunks().clone(), to: chunks.clone(), axes, starts };
        Ok(Array::make(Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone()] }, self.dtype(), chunks))
    }

    /// `num` numbers from `start` on at even distances, the last of which is `stop`, or would be followed by `stop` without
    /// `endpoint`. They are computed as `float64`; integers are rounded down.
    ///
    /// # Errors
    /// As [`Array::full`].
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::linspace(0.0, 1.0, 11, true, selion_core::DType::F64, None)?;
    /// assert_eq!(x.shape().as_slice(), [11]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn linspace(
        start: f64,
        stop: f64,
        num: usize,
        endpoint: bool,
        dtype: DType,
        chunks: Option<Chunks>,
    ) -> Result<Array> {
        let place = Array::coordinate(&[num], 0, chunks)?;
        let intervals = if endpoint { num.saturating_sub(1) } else { num } as f64;
        let delta = stop - start;
        let step = delta / intervals;
        let at = place.astype(DType::F64)?;
        // As NumPy: where the step underflows, the places are divided first.
        let far = if intervals == 0.0 {
            at.with(Op::Multiply, delta)?
        } else if step == 0.0 {
            at.with(Op::Divide, intervals)?.with(Op::Multiply, delta)?
        } else {
            at.with(Op::Multiply, step)?
        };
        let mut values = far.with(Op::Add, start)?;
        if endpoint && num > 1 {
            let last = place.with(Op::Equal, num as i64 - 1)?;
            values = ufunc(Op::Where, &[last.into(), stop.into(), values.into()])?;
        }
        if dtype.is_integer() {
            values = values.unary(Op::Floor)?;
        }
        values.astype(dtype)
    }
}
