//! What functions on blocks mean.

use std::fmt;

use selion_array::{Array, ArrayError, Chunks, Index, Operand, ReduceKind, ufunc};
use selion_core::{DType, Scalar};
use selion_kernels::program::Op;

use crate::moments::{self, Count};
use crate::run::Lifted;

/// That something is not native: the foreign function is to be called instead, and knows better what is wrong, if
/// anything is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl From<ArrayError> for Refused {
    fn from(error: ArrayError) -> Self {
        Refused(error.to_string())
    }
}

/// Refuses, saying why.
pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// A call, or what it is applied to.
#[derive(Clone)]
pub enum Term {
    /// The input of this number.
    Input(u32),
    /// A number, a block in memory, or storage that is to be read.
    Constant(Operand),
    /// Several, as lists are.
    List(Vec<Term>),
    /// A function of others.
    Call(Box<(Function, Vec<Term>)>),
}

/// A reduction of one block.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// Of which axes; of all if `None`.
    pub axes: Option<Vec<isize>>,
    /// Whether they stay, with length 1.
    pub keepdims: bool,
    /// In what is added up.
    pub dtype: Option<DType>,
    /// Whether NaNs count as nothing, for sums.
    pub skip_nan: bool,
}

/// A function of blocks.
#[derive(Clone)]
pub enum Function {
    /// Elementwise.
    Ufunc(Op),
    /// The same values in another dtype.
    Astype(DType),
    /// Elements of the second where the first is true, else of the third.
    Where,
    /// Part of a block.
    Getitem(Vec<Index>),
    /// Other order of the axes.
    Transpose(Option<Vec<isize>>),
    /// Repeated along axes of length 1, and new ones in front.
    BroadcastTo(Vec<usize>),
    /// A reduction of one block.
    Reduce(Reduce),
    /// Nested lists of blocks as one: each level of lists along an axis.
    Concatenate(Vec<usize>),
    /// Nested lists of blocks as one: a level of lists for each axis.
    ConcatenateAll,
    /// A list of blocks as one along an axis, of which the elements are taken by their numbers.
    TakeOfConcatenated(Vec<i64>, isize),
    /// The state of a mean.
    MeanChunk(Count),
    /// Several states of a mean as one.
    MeanCombine(Count),
    /// The mean from several states.
    MeanAggregate(Count),
    /// The state of a variance.
    MomentChunk(Count),
    /// Several states of a variance as one.
    MomentCombine(Count),
    /// The variance from several states; what is subtracted from the count.
    MomentAggregate(Count, f64),
    /// The block itself.
    Same,
}

/// How a function stands to the blocks around it; decides what is fused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes part of what is there, or shows it in another order.
    Move,
    /// Works element by element.
    Map,
    /// Makes one block smaller.
    Partial,
    /// Puts blocks together.
    Gather,
    /// Merges what several blocks gave.
    Combine,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Function {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Function::Ufunc(op) => op.name(),
            Function::Astype(_) => "astype",
            Function::Where => "where",
            Function::Getitem(_) => "getitem",
            Function::Transpose(_) => "transpose",
            Function::BroadcastTo(_) => "broadcast_to",
            Function::Reduce(reduce) => reduce.kind.name(),
            Function::Concatenate(_) | Function::ConcatenateAll => "concatenate",
            Function::TakeOfConcatenated(..) => "take",
            Function::MeanChunk(_) | Function::MeanCombine(_) | Function::MeanAggregate(_) => "mean",
            Function::MomentChunk(_) | Function::MomentCombine(_) | Function::MomentAggregate(..) => "var",
            Function::Same => "same",
        }
    }

    /// What the parts of its value are called, if that is a state.
    pub fn state(&self) -> Option<&'static [&'static str]> {
        match self {
            Function::MeanChunk(_) | Function::MeanCombine(_) => Some(&["n", "total"]),
            Function::MomentChunk(_) | Function::MomentCombine(_) => Some(&["total", "n", "M"]),
            _ => None,
        }
    }

    /// How it stands to the blocks around it.
    pub fn role(&self) -> Role {
        match self {
            Function::Ufunc(_) | Function::Astype(_) | Function::Where => Role::Map,
            Function::Getitem(_) | Function::Transpose(_) | Function::BroadcastTo(_) | Function::Same => Role::Move,
            Function::Reduce(_) | Function::MeanChunk(_) | Function::MomentChunk(_) => Role::Partial,
            Function::Concatenate(_) | Function::ConcatenateAll | Function::TakeOfConcatenated(..) => Role::Gather,
            Function::MeanCombine(_)
            | Function::MeanAggregate(_)
            | Function::MomentCombine(_)
            | Function::MomentAggregate(..) => Role::Combine,
        }
    }

    /// The value of the function.
    pub(crate) fn apply(&self, args: Vec<Lifted>) -> Result<Lifted, Refused> {
        match self {
            Function::Ufunc(op) => {
                let operands = args.into_iter().map(Lifted::operand).collect::<Result<Vec<_>, _>>()?;
                Ok(Lifted::Array(ufunc(*op, &operands)?))
            }
            Function::Where => {
                let operands = args.into_iter().map(Lifted::operand).collect::<Result<Vec<_>, _>>()?;
                let result = ufunc(Op::Where, &operands)?;
                if result.ndim() == 0 { refuse("NumPy gives a 0-d array here") } else { Ok(Lifted::Array(result)) }
            }
            Function::Concatenate(axes) => Ok(Lifted::Array(concatenated(only(args)?, axes)?)),
            Function::TakeOfConcatenated(order, axis) => {
                let Ok(along) = usize::try_from(*axis) else { return refuse("a negative axis") };
                let joined = concatenated(only(args)?, &[along])?;
                let sorted = order.iter().zip(0..).all(|(at, k)| *at == k);
                let whole = sorted && joined.shape().get(along) == Some(&order.len());
                Ok(Lifted::Array(if whole { joined } else { joined.take(&[order.len()], order, Some(*axis))? }))
            }
            Function::ConcatenateAll => {
                let nest = only(args)?;
                let axes: Vec<usize> = (0..nest.depth()).collect();
                if axes.is_empty() { Ok(nest) } else { Ok(Lifted::Array(concatenated(nest, &axes)?)) }
            }
            Function::MeanChunk(count) => moments::mean_chunk(&only(args)?.array()?, count),
            Function::MeanCombine(count) => moments::mean_combine(only(args)?, count),
            Function::MeanAggregate(count) => moments::mean_aggregate(only(args)?, count),
            Function::MomentChunk(count) => moments::moment_chunk(&only(args)?.array()?, count),
            Function::MomentCombine(count) => moments::moment_combine(only(args)?, count),
            Function::MomentAggregate(count, ddof) => moments::moment_aggregate(only(args)?, count, *ddof),
            _ => Ok(Lifted::Array(self.of_one(only(args)?.array()?)?)),
        }
    }

    fn of_one(&self, x: Array) -> Result<Array, Refused> {
        match self {
            // What NumPy makes of a block without axes is a scalar or an array, by rules of its own.
            _ if x.ndim() == 0 => refuse("a block without axes"),
            Function::Astype(dtype) => Ok(x.astype(*dtype)?),
            Function::Getitem(index) => {
                let part = x.getitem(index)?;
                let ellipsis = index.iter().any(|index| matches!(index, Index::Ellipsis));
                if part.ndim() == 0 && ellipsis { refuse("NumPy gives a 0-d array here") } else { Ok(part) }
            }
            Function::Transpose(axes) => Ok(x.transpose(axes.as_deref())?),
            Function::BroadcastTo(shape) => Ok(x.broadcast_to(shape, Some(Chunks::whole(shape)))?),
            Function::Reduce(reduce) => reduce.apply(&x),
            _ => Ok(x),
        }
    }
}

impl Reduce {
    /// The reduced block.
    pub(crate) fn apply(&self, x: &Array) -> Result<Array, Refused> {
        let extreme = matches!(self.kind, ReduceKind::Min | ReduceKind::Max | ReduceKind::NanMin | ReduceKind::NanMax);
        if extreme && x.size() == Some(0) {
            return refuse("an extreme of nothing");
        }
        let mut x = x.clone();
        if self.skip_nan && (x.dtype().is_float() || x.dtype().is_complex()) {
            let zero = Array::scalar(Scalar::zero(x.dtype()));
            let missing = x.unary(Op::Isnan)?;
            x = ufunc(Op::Where, &[missing.into(), zero.into(), x.into()])?;
        }
        if let Some(dtype) = self.dtype {
            x = x.astype(dtype)?;
        }
        let mut result = x.reduce(self.kind, self.axes.as_deref(), self.keepdims, 0.0, 0)?;
        let itself = matches!(self.kind, ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Min | ReduceKind::Max);
        if itself && result.shape() == x.shape() {
            result = x.astype(result.dtype())?; // one element goes into each result
        }
        Ok(match self.dtype {
            Some(dtype) => result.astype(dtype)?,
            None => result,
        })
    }
}

/// The only argument.
pub(crate) fn only(mut args: Vec<Lifted>) -> Result<Lifted, Refused> {
    match (args.pop(), args.is_empty()) {
        (Some(arg), true) => Ok(arg),
        _ => refuse("a function of one argument"),
    }
}

/// Nested lists of blocks as one, the outermost along the first of `axes`; lists that are not there cost nothing.
pub(crate) fn concatenated(nest: Lifted, axes: &[usize]) -> Result<Array, Refused> {
    let parts = match nest {
        Lifted::List(parts) => parts,
        other => return other.array(),
    };
    let Some((axis, rest)) = axes.split_first() else {
        // Without an axis the first is taken for all.
        return parts.into_iter().next().map_or_else(|| refuse("nothing to put together"), Lifted::array);
    };
    let parts = parts.into_iter().map(|part| concatenated(part, rest)).collect::<Result<Vec<_>, _>>()?;
    match &*parts {
        [] => refuse("nothing to put together"),
        [one] => Ok(one.clone()),
        several => Ok(Array::concatenate(several, Some(*axis as isize))?),
    }
}
