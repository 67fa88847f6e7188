//! Reductions: what each accumulates, and how its state becomes the result.
//!
//! A reduction node reduces some axes of its input. When it runs, each block gives a partial state (within the program
//! that computes the block), states merge in a tree, and a small program finishes the last one.

use selion_core::{DType, Scalar};
use selion_kernels::program::{Op, OpError, Output, Program, ProgramBuilder, ReduceOp};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::elementwise::ufunc;
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr};

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceKind {
    Sum,
    Prod,
    Min,
    Max,
    NanMin,
    NanMax,
    Any,
    All,
    ArgMin,
    ArgMax,
    NanArgMin,
    NanArgMax,
    Mean,
    Var,
    Std,
    NanMean,
    NanVar,
    NanStd,
}

impl ReduceKind {
    /// NumPy's name.
    pub fn name(self) -> &'static str {
        use ReduceKind::*;
        match self {
            Sum => "sum",
            Prod => "prod",
            Min => "min",
            Max => "max",
            NanMin => "nanmin",
            NanMax => "nanmax",
            Any => "any",
            All => "all",
            ArgMin => "argmin",
            ArgMax => "argmax",
            NanArgMin => "nanargmin",
            NanArgMax => "nanargmax",
            Mean => "mean",
            Var => "var",
            Std => "std",
            NanMean => "nanmean",
            NanVar => "nanvar",
            NanStd => "nanstd",
        }
    }

    /// The reduction with NumPy's name.
    pub fn from_name(name: &str) -> Option<ReduceKind> {
        use ReduceKind::*;
        let all = [
            Sum, Prod, Min, Max, NanMin, NanMax, Any, All, ArgMin, ArgMax, NanArgMin, NanArgMax, Mean, Var, Std,
            NanMean, NanVar, NanStd,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// A reduction of some axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reduction {
    pub(crate) kind: ReduceKind,
    /// Bit `k` says that axis `k` of the input is reduced.
    pub(crate) axes: u64,
    pub(crate) keepdims: bool,
    /// For variances: what is subtracted from the count, as bits of an `f64`.
    ddof_bits: u64,
    /// How many states merge at once.
    pub(crate) split_every: usize,
}

/// States merged at once: wide enough that the tree's upper tasks cost little beside its leaves.
const SPLIT_EVERY: usize = 16;

impl Array {
    /// Reduces the axes `axes` (all if `None`).
    ///
    /// `ddof` is for variances, `split_every` says how many partial results merge at once (0: as selion likes it). Sums
    /// and products of integers and booleans are 64-bit; means and variances of those are `float64`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`] for an axis that is not there or comes twice; [`ArrayError::Value`] for an extreme of no
    /// elements; [`ArrayError::Op`] for a dtype without the operation.
    pub fn reduce(
        &self,
        kind: ReduceKind,
        axes: Option<&[isize]>,
        keepdims: bool,
        ddof: f64,
        split_every: usize,
    ) -> Result<Array> {
        let mask = self.axis_mask(axes)?;
        let unsupported = || OpError::Unsupported { op: kind.name(), dtypes: vec![self.dtype()] };
        if self.dtype().is_time() {
            use ReduceKind::*;
            let extremes = matches!(kind, Min | Max | NanMin | NanMax | ArgMin | ArgMax | NanArgMin | NanArgMax);
            let sum = kind == Sum && matches!(self.dtype(), DType::TimeDelta(_));
            if !extremes && !sum {
                return Err(unsupported().into());
            }
        }
        if self.dtype().is_complex() && matches!(kind, ReduceKind::NanVar | ReduceKind::NanStd) {
            // A number with a NaN in one part counts in neither.
            let nan = Array::scalar(Scalar::from_f64(f64::NAN, self.dtype().real()));
            let missing = self.unary(Op::Isnan)?;
            let part = |op: Op| -> Result<Array> {
                ufunc(Op::Where, &[(&missing).into(), (&nan).into(), self.unary(op)?.into()])?.reduce(
                    ReduceKind::NanVar,
                    axes,
                    keepdims,
                    ddof,
                    split_every,
                )
            };
            let variance = part(Op::Real)?.binary(Op::Add, &part(Op::Imag)?)?;
            return if kind == ReduceKind::NanStd { variance.unary(Op::Sqrt) } else { Ok(variance) };
        }
        if self.dtype().is_complex() && matches!(kind, ReduceKind::Var | ReduceKind::Std) {
            return self.complex_variance(kind, axes, keepdims, ddof, split_every);
        }
        if matches!(kind, ReduceKind::Any | ReduceKind::All) && self.dtype() != DType::Bool {
            let zero = Array::scalar(Scalar::zero(self.dtype()));
            return self.binary(Op::NotEqual, &zero)?.reduce(kind, axes, keepdims, ddof, split_every);
        }
        // The sum of a mean must not wrap around.
        if kind == ReduceKind::Mean && self.dtype().is_integer() {
            return self.astype(DType::F64)?.reduce(kind, axes, keepdims, ddof, split_every);
        }
        let shape = self.shape();
        let needs_elements = matches!(
            kind,
            ReduceKind::Min
                | ReduceKind::Max
                | ReduceKind::NanMin
                | ReduceKind::NanMax
                | ReduceKind::ArgMin
                | ReduceKind::ArgMax
                | ReduceKind::NanArgMin
                | ReduceKind::NanArgMax
        );
        let reduces_nothing = (0..shape.len()).any(|axis| mask >> axis & 1 == 1 && shape[axis] == 0);
        // Even where there are no results to be had, as for axis 0 of (0, 0).
        if needs_elements && reduces_nothing {
            let name = kind.name().trim_start_matches("nan");
            return Err(ArrayError::Value(if name.starts_with("arg") {
                format!("attempt to get {name} of an empty sequence")
            } else {
                format!("zero-size array to reduction operation {name}imum which has no identity")
            }));
        }
        if kind == ReduceKind::NanMean {
            return self.nan_mean(axes, keepdims, split_every);
        }
        let split_every = if split_every == 0 { SPLIT_EVERY } else { split_every.max(2) };
        let reduction = Reduction { kind, axes: mask, keepdims, ddof_bits: ddof.to_bits(), split_every };
        let dtype = reduction.result_dtype(self.dtype());
        let chunks = reduction.result_chunks(self.chunks());
        Ok(Array::make(Expr::Reduce { reduction, input: self.clone() }, dtype, chunks))
    }

    /// The sum of what is not NaN over its count: unlike a running mean it is right for infinities.
    fn nan_mean(&self, axes: Option<&[isize]>, keepdims: bool, split_every: usize) -> Result<Array> {
        let missing = self.unary(Op::Isnan)?;
        let zero = Array::scalar(Scalar::zero(self.dtype()));
        let present = ufunc(Op::Where, &[(&missing).into(), zero.into(), self.into()])?;
        let sum = present.reduce(ReduceKind::Sum, axes, keepdims, 0.0, split_every)?;
        let count = missing.unary(Op::LogicalNot)?.reduce(ReduceKind::Sum, axes, keepdims, 0.0, split_every)?;
        let mean = sum.binary(Op::Divide, &count)?;
        if self.dtype().is_float() || self.dtype().is_complex() { mean.astype(self.dtype()) } else { Ok(mean) }
    }

    /// `mean(|x − mean(x)|²)`: the variance of complex numbers is real.
    fn complex_variance(
        &self,
        kind: ReduceKind,
        axes: Option<&[isize]>,
        keepdims: bool,
        ddof: f64,
        split_every: usize,
    ) -> Result<Array> {
        let real = self.unary(Op::Real)?.reduce(ReduceKind::Var, axes, keepdims, ddof, split_every)?;
        let imag = self.unary(Op::Imag)?.reduce(ReduceKind::Var, axes, keepdims, ddof, split_every)?;
        let variance = real.binary(Op::Add, &imag)?;
        if kind == ReduceKind::Std { variance.unary(Op::Sqrt) } else { Ok(variance) }
    }

    /// The axes as a bit mask.
    pub(crate) fn axis_mask(&self, axes: Option<&[isize]>) -> Result<u64> {
        let Some(axes) = axes else { return Ok((1u64 << self.ndim()) - 1) };
        let mut mask = 0;
        for axis in axes {
            let bit = 1u64 << self.axis(*axis)?;
            if mask & bit != 0 {
                return Err(ArrayError::Value("duplicate value in 'axis'".to_owned()));
            }
            mask |= bit;
        }
        Ok(mask)
    }

    /// An axis counted from the front.
    pub(crate) fn axis(&self, axis: isize) -> Result<usize> {
        let ndim = self.ndim();
        let counted = if axis < 0 { axis + ndim as isize } else { axis };
        if counted < 0 || counted >= ndim as isize {
            return Err(ArrayError::Axis { axis, ndim });
        }
        Ok(counted as usize)
    }
}

impl Reduction {
    pub(crate) fn reduces(&self, axis: usize) -> bool {
        self.axes >> axis & 1 == 1
    }

    pub(crate) fn ddof(&self) -> f64 {
        f64::from_bits(self.ddof_bits)
    }

    /// With another set of axes, for an input whose axes were reordered.
    pub(crate) fn over_axes(&self, axes: u64, keepdims: bool) -> Reduction {
        Reduction { axes, keepdims, ..self.clone() }
    }

    /// What the program accumulates.
    pub(crate) fn op(&self, known: bool) -> ReduceOp {
        match self.kind {
            ReduceKind::Sum => ReduceOp::Sum,
            // The count of a mean is known with the shape; where it is not, the state must carry it.
            ReduceKind::Mean if known => ReduceOp::Sum,
            ReduceKind::Mean | ReduceKind::Var | ReduceKind::Std => ReduceOp::Moment,
            ReduceKind::NanMean | ReduceKind::NanVar | ReduceKind::NanStd => ReduceOp::NanMoment,
            ReduceKind::Prod => ReduceOp::Prod,
            ReduceKind::Min => ReduceOp::Min,
            ReduceKind::Max => ReduceOp::Max,
            ReduceKind::NanMin => ReduceOp::NanMin,
            ReduceKind::NanMax => ReduceOp::NanMax,
            ReduceKind::Any => ReduceOp::Any,
            ReduceKind::All => ReduceOp::All,
            ReduceKind::ArgMin => ReduceOp::ArgMin,
            ReduceKind::ArgMax => ReduceOp::ArgMax,
            ReduceKind::NanArgMin => ReduceOp::NanArgMin,
            ReduceKind::NanArgMax => ReduceOp::NanArgMax,
        }
    }

    pub(crate) fn result_dtype(&self, input: DType) -> DType {
        match self.kind {
            ReduceKind::Sum | ReduceKind::Prod => match input {
                DType::F16 | DType::F32 | DType::C64 => input,
                _ => ReduceOp::Sum.state_dtypes(input)[0],
            },
            ReduceKind::Any | ReduceKind::All => DType::Bool,
            ReduceKind::ArgMin | ReduceKind::ArgMax | ReduceKind::NanArgMin | ReduceKind::NanArgMax => DType::I64,
            ReduceKind::Min | ReduceKind::Max | ReduceKind::NanMin | ReduceKind::NanMax => input,
            _ if input.is_float() || input.is_complex() => input,
            _ => DType::F64,
        }
    }

    pub(crate) fn result_chunks(&self, input: &Chunks) -> Chunks {
        let axes =
            input.axes().iter().enumerate().filter_map(|(axis, chunks)| match (self.reduces(axis), self.keepdims) {
                (false, _) => Some(chunks.clone()),
                (true, true) => Some(AxisChunks::new(vec![1])),
                (true, false) => None,
            });
        Chunks::new(axes)
    }

    /// The number of elements that go into each result, if known.
    pub(crate) fn count(&self, input: &Chunks) -> Option<usize> {
        let shape = input.shape();
        let mut lens = (0..shape.len()).filter(|axis| self.reduces(*axis)).map(|axis| shape[axis]);
        lens.try_fold(1, |count, len| (len != UNKNOWN).then(|| count * len))
    }

    /// The program that makes the result from the state's chunks.
    ///
    /// # Errors
    /// [`OpError`], which `reduce` has ruled out.
    pub(crate) fn finish(&self, input: DType, count: Option<usize>) -> std::result::Result<Program, OpError> {
        let mut b = ProgramBuilder::default();
        let op = self.op(count.is_some());
        let state: Vec<_> =
            op.state_dtypes(input).into_iter().enumerate().map(|(slot, dtype)| b.input(slot, dtype)).collect();
        let result = match (self.kind, op) {
            (ReduceKind::Mean, ReduceOp::Sum) => {
                let count = b.constant(Scalar::new(count.unwrap_or(0) as f64));
                b.apply(Op::Divide, &[state[0], count])?
            }
            (ReduceKind::Mean | ReduceKind::NanMean, _) => {
                // 0 elements: 0 / 0, as NumPy has it.
                let zero = b.constant(Scalar::new(0.0));
                let none = b.apply(Op::Equal, &[state[0], zero])?;
                let nan = b.constant(Scalar::new(f64::NAN));
                b.apply(Op::Where, &[none, nan, state[1]])?
            }
            (ReduceKind::Var | ReduceKind::Std | ReduceKind::NanVar | ReduceKind::NanStd, _) => {
                let ddof = b.constant(Scalar::new(self.ddof()));
                let freedom = b.apply(Op::Subtract, &[state[0], ddof])?;
                let zero = b.constant(Scalar::new(0.0));
                let freedom = b.apply(Op::Maximum, &[freedom, zero])?;
                let mut variance = b.apply(Op::Divide, &[state[2], freedom])?;
                if matches!(self.kind, ReduceKind::NanVar | ReduceKind::NanStd) {
                    let none = b.apply(Op::Equal, &[freedom, zero])?;
                    let nan = b.constant(Scalar::new(f64::NAN));
                    variance = b.apply(Op::Where, &[none, nan, variance])?;
                }
                let root = matches!(self.kind, ReduceKind::Std | ReduceKind::NanStd);
                if root { b.apply(Op::Sqrt, &[variance])? } else { variance }
            }
            _ if op.takes_index() => state[1],
            _ => state[0],
        };
        let result = b.cast(result, self.result_dtype(input))?;
        Ok(b.finish(vec![Output::Store(result)]))
    }
}
