//! Elementwise operations: dtypes by NEP 50, broadcasting, common blocks.

use selion_core::{B8, c128};
use selion_core::{DType, Dims, Scalar, Weak, promote, promote_weak};
use selion_kernels::program::Op;
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, common_division};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr, MapOp};

/// An argument of an operation.
#[derive(Clone, Debug)]
pub enum Operand {
    /// An array, or a scalar that has a dtype (as a 0-d array).
    Array(Array),
    /// A Python `bool`.
    Bool(bool),
    /// A Python `int`.
    Int(i128),
    /// A Python `float`.
    Float(f64),
    /// A Python `complex`.
    Complex(c128),
}

impl From<&Array> for Operand {
    fn from(array: &Array) -> Self {
        Operand::Array(array.clone())
    }
}

impl From<Array> for Operand {
    fn from(array: Array) -> Self {
        Operand::Array(array)
    }
}

impl From<f64> for Operand {
    fn from(value: f64) -> Self {
        Operand::Float(value)
    }
}

impl From<i32> for Operand {
    fn from(value: i32) -> Self {
        Operand::Int(i128::from(value))
    }
}

impl From<i64> for Operand {
    fn from(value: i64) -> Self {
        Operand::Int(i128::from(value))
    }
}

impl From<bool> for Operand {
    fn from(value: bool) -> Self {
        Operand::Bool(value)
    }
}

impl Operand {
    fn weak(&self) -> Option<Weak> {
        match self {
            Operand::Array(_) => None,
            Operand::Bool(_) => Some(Weak::Bool),
            Operand::Int(_) => Some(Weak::Int),
            Operand::Float(_) => Some(Weak::Float),
            Operand::Complex(_) => Some(Weak::Complex),
        }
    }

    /// The value as an array of the given dtype.
    fn with_dtype(&self, dtype: DType) -> Result<Array> {
        let scalar = match self {
            Operand::Array(array) => return Ok(array.clone()),
            Operand::Bool(value) => Scalar::from_i128(i128::from(*value), dtype),
            Operand::Int(value) => {
                Some(Scalar::from_i128(*value, dtype).ok_or(ArrayError::Overflow { value: *value, dtype })?)
            }
            Operand::Float(value) => Some(Scalar::from_f64(*value, dtype)),
            Operand::Complex(value) if dtype == DType::C64 => {
                Some(Scalar::new(selion_core::c64::new(value.re as f32, value.im as f32)))
            }
            Operand::Complex(value) => Some(Scalar::new(*value)),
        };
        Ok(Array::scalar(scalar.unwrap_or(Scalar::new(B8(0)))))
    }
}

/// The operands as arrays: Python scalars take the dtype that the arrays among them call for (NEP 50).
pub(crate) fn strengthen(operands: &[Operand]) -> Result<SmallVec<[Array; 3]>> {
    let mut common: Option<DType> = None;
    for operand in operands {
        if let Operand::Array(array) = operand {
            common = Some(match common {
                Some(dtype) => promote(dtype, array.dtype()).unwrap_or(array.dtype()),
                None => array.dtype(),
            });
        }
    }
    let weakest = operands.iter().filter_map(Operand::weak).max();
    let dtype_for = |weak: Weak| -> Result<DType> {
        Ok(match common {
            // A number beside a time is a count of its units, or a factor.
            Some(DType::DateTime(unit)) if weak == Weak::Int => DType::TimeDelta(unit),
            Some(common) if common.is_time() => promote_weak(DType::Bool, weak)?,
            Some(common) => promote_weak(common, weak)?,
            None => promote_weak(DType::Bool, weakest.unwrap_or(weak))?,
        })
    };
    operands
        .iter()
        .map(|operand| match operand.weak() {
            Some(weak) => operand.with_dtype(dtype_for(weak)?),
            None => operand.with_dtype(DType::Bool),
        })
        .collect()
}

/// The shape to which all broadcast.
///
/// # Errors
/// [`ArrayError::Broadcast`].
pub fn broadcast_shapes(shapes: &[&[usize]]) -> Result<Dims> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result: Dims = smallvec![1; ndim];
    for shape in shapes {
        for (axis, len) in shape.iter().enumerate() {
            let to = &mut result[axis + ndim - shape.len()];
            if *to == 1 {
                *to = *len;
            } else if *len != 1 && *len != *to && *len != UNKNOWN && *to != UNKNOWN {
                return Err(ArrayError::Broadcast(shapes.iter().map(|shape| shape.to_vec()).collect()));
            } else if *to == UNKNOWN && *len != 1 {
                *to = *len;
            }
        }
    }
    Ok(result)
}

/// The arguments with the blocks of their broadcast result, and those blocks.
pub(crate) fn align(args: &mut [Array]) -> Result<Chunks> {
    let shapes: SmallVec<[Dims; 3]> = args.iter().map(Array::shape).collect();
    let shapes: SmallVec<[&[usize]; 3]> = shapes.iter().map(|shape| shape.as_slice()).collect();
    let shape = broadcast_shapes(&shapes)?;
    if let Some(first) = args.first()
        && args.iter().all(|arg| arg.chunks() == first.chunks() || arg.ndim() == 0)
        && let Some(largest) = args.iter().max_by_key(|arg| arg.ndim())
    {
        return Ok(largest.chunks().clone());
    }
    let ndim = shape.len();
    let mut axes: Vec<AxisChunks> = Vec::with_capacity(ndim);
    for axis in 0..ndim {
        let divisions: SmallVec<[&AxisChunks; 3]> = args
            .iter()
            .filter_map(|arg| {
                let own = (axis + arg.ndim()).checked_sub(ndim)?;
                let chunks = &arg.chunks().axes()[own];
                (chunks.len() != 1 || shape[axis] == 1).then_some(chunks)
            })
            .collect();
        axes.push(if divisions.is_empty() { AxisChunks::new(vec![1]) } else { common_division(&divisions)? });
    }
    for arg in args.iter_mut() {
        let lead = ndim - arg.ndim();
        let own = Chunks::new((0..arg.ndim()).map(|axis| {
            let chunks = &arg.chunks().axes()[axis];
            if chunks.len() == 1 && shape[axis + lead] != 1 {
                AxisChunks::new(vec![1]) // it may have empty blocks beside the one that repeats
            } else if !chunks.is_known() {
                chunks.clone()
            } else {
                axes[axis + lead].clone()
            }
        }));
        *arg = arg.rechunk_to(own)?;
    }
    Ok(Chunks::new(axes))
}

/// Applies an operation to operands, as NumPy's ufunc does.
///
/// # Errors
/// [`ArrayError::Op`] for dtypes without the operation, [`ArrayError::Broadcast`] for shapes that do not go together,
/// [`ArrayError::Overflow`] for a Python integer that the array's dtype does not hold.
///
/// ```
/// use selion_array::{Array, Operand, ufunc};
/// use selion_kernels::program::Op;
/// let x = Array::ones(&[4, 3], selion_core::DType::F32, None)?;
/// let y = ufunc(Op::Add, &[Operand::from(&x), Operand::Float(1.5)])?;
/// assert_eq!(y.dtype(), selion_core::DType::F32);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn ufunc(op: Op, operands: &[Operand]) -> Result<Array> {
    if let [a, b] = operands
        && let Some(result) = beyond_integers(op, a, b)?
    {
        return Ok(result);
    }
    let mut args = if op == Op::Where {
        let condition = strengthen(&operands[..1])?;
        condition.into_iter().chain(strengthen(&operands[1..])?).collect()
    } else {
        strengthen(operands)?
    };
    let dtypes: SmallVec<[DType; 3]> = args.iter().map(Array::dtype).collect();
    let signature = op.resolve(&dtypes)?;
    let chunks = align(&mut args)?;
    Ok(Array::make(Expr::Map { op: MapOp::Ufunc(op), args }, signature.result, chunks))
}

/// The result for an array of integers and a Python integer that its dtype does not hold, where NumPy has one: all
/// elements compare alike to such a number, and functions with float loops take it as a float.
fn beyond_integers(op: Op, a: &Operand, b: &Operand) -> Result<Option<Array>> {
    let (array, value, swapped) = match (a, b) {
        (Operand::Array(array), Operand::Int(value)) => (array, *value, false),
        (Operand::Int(value), Operand::Array(array)) => (array, *value, true),
        _ => return Ok(None),
    };
    let dtype = array.dtype();
    if !dtype.is_integer() || Scalar::from_i128(value, dtype).is_some() {
        return Ok(None);
    }
    // Whether the left operand is less than the right one.
    let less = (value > 0) != swapped;
    let always = match op {
        Op::Equal => false,
        Op::NotEqual => true,
        Op::Less | Op::LessEqual => less,
        Op::Greater | Op::GreaterEqual => !less,
        _ => {
            let Ok(signature) = op.resolve(&[dtype, dtype]) else { return Ok(None) };
            if !signature.args[0].is_float() {
                return Ok(None);
            }
            let number = Array::scalar(Scalar::from_f64(value as f64, signature.args[0]));
            let pair = if swapped { [number.into(), array.into()] } else { [array.into(), number.into()] };
            return ufunc(op, &pair).map(Some);
        }
    };
    array.binary(if always { Op::Equal } else { Op::NotEqual }, array).map(Some)
}

impl Array {
    /// A 0-d array.
    pub fn scalar(value: Scalar) -> Array {
        Array::make(Expr::Full(value), value.dtype(), Chunks::new([]))
    }

    /// An operation of one argument.
    ///
    /// # Errors
    /// As [`ufunc`].
    pub fn unary(&self, op: Op) -> Result<Array> {
        ufunc(op, &[self.into()])
    }

    /// An operation of two arrays.
    ///
    /// # Errors
    /// As [`ufunc`].
    pub fn binary(&self, op: Op, other: &Array) -> Result<Array> {
        ufunc(op, &[self.into(), other.into()])
    }

    /// An operation with a Python scalar (or anything else) on the right.
    ///
    /// # Errors
    /// As [`ufunc`].
    pub fn with(&self, op: Op, other: impl Into<Operand>) -> Result<Array> {
        ufunc(op, &[self.into(), other.into()])
    }

    /// The same values in another dtype.
    ///
    /// # Errors
    /// [`ArrayError::Op`] between units of time without a fixed factor.
    pub fn astype(&self, dtype: DType) -> Result<Array> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        // The builder knows which conversions there are.
        let mut builder = selion_kernels::program::ProgramBuilder::default();
        let input = builder.input(0, self.dtype());
        builder.cast(input, dtype)?;
        Ok(Array::make(Expr::Map { op: MapOp::Cast, args: smallvec![self.clone()] }, dtype, self.chunks().clone()))
    }
}
