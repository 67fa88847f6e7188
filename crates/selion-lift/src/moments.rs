//! Means and variances by states, as Dask has them: `n` and `total`, for variances also `M`, the sum of the squared
//! distances from the mean, with one more axis of length 1 for the order. States of several blocks are merged by Chan's
//! formula.

use selion_array::{Array, Operand, ReduceKind, ufunc};
use selion_core::{Chunk, DType, Scalar};
use selion_kernels::program::Op;

use crate::function::{Reduce, Refused, concatenated, refuse};
use crate::run::Lifted;

/// Over what is counted, and how.
#[derive(Clone, Debug)]
pub struct Count {
    /// The axes; all if `None`.
    pub axes: Option<Vec<isize>>,
    /// Whether they stay, with length 1.
    pub keepdims: bool,
    /// In what is added up; `None` if that follows from what is added.
    pub dtype: Option<DType>,
    /// Whether NaNs count as nothing.
    pub skip_nan: bool,
}

impl Count {
    fn sum(&self, x: &Array, dtype: Option<DType>, keepdims: bool, skip_nan: bool) -> Result<Array, Refused> {
        Reduce { kind: ReduceKind::Sum, axes: self.axes.clone(), keepdims, dtype, skip_nan }.apply(x)
    }

    /// How many elements of a block count.
    fn numel(&self, x: &Array, dtype: DType) -> Result<Array, Refused> {
        if self.skip_nan && (x.dtype().is_float() || x.dtype().is_complex()) {
            let there = x.unary(Op::Isnan)?.unary(Op::LogicalNot)?;
            return self.sum(&there, Some(dtype), self.keepdims, false);
        }
        let ndim = x.ndim() as isize;
        let axes: Vec<usize> = match &self.axes {
            None => (0..x.ndim()).collect(),
            Some(axes) => axes.iter().map(|axis| (if *axis < 0 { axis + ndim } else { *axis }) as usize).collect(),
        };
        let (shape, mut rest) = (x.shape(), Vec::new());
        for (axis, len) in shape.iter().enumerate() {
            match (axes.contains(&axis), self.keepdims) {
                (false, _) => rest.push(*len),
                (true, true) => rest.push(1),
                (true, false) => {}
            }
        }
        let count: usize = axes.iter().filter_map(|axis| shape.get(*axis)).product();
        Ok(Array::full(&rest, Scalar::from_f64(count as f64, dtype), Some(selion_array::Chunks::whole(&rest)))?)
    }

    fn axes_to_join(&self) -> Result<Vec<usize>, Refused> {
        let axes = self.axes.as_ref().map_or_else(|| refuse("no axes to put together along"), Ok)?;
        axes.iter().map(|axis| usize::try_from(*axis).map_err(|_| Refused("a negative axis".to_owned()))).collect()
    }

    /// Part number `k` of all states, put together.
    fn part(&self, states: &Lifted, k: usize) -> Result<Array, Refused> {
        concatenated(states.part(k)?, &self.axes_to_join()?)
    }
}

fn state<const N: usize>(parts: [Array; N]) -> Lifted {
    Lifted::Parts(parts.into_iter().map(Lifted::Array).collect())
}

fn float(dtype: DType) -> bool {
    dtype.is_float()
}

fn divide(total: &Array, n: &Array, dtype: Option<DType>) -> Result<Array, Refused> {
    let quotient = total.binary(Op::Divide, n)?;
    Ok(match dtype {
        Some(dtype) => quotient.astype(dtype)?,
        None => quotient,
    })
}

pub(crate) fn mean_chunk(x: &Array, count: &Count) -> Result<Lifted, Refused> {
    if x.ndim() == 0 || x.dtype().is_time() {
        return refuse("a block without axes, or of times");
    }
    let dtype = count.dtype.unwrap_or(DType::F64);
    let n = count.numel(x, dtype)?;
    let total = count.sum(x, Some(dtype), count.keepdims, count.skip_nan)?;
    Ok(state([n, total]))
}

pub(crate) fn mean_combine(states: Lifted, count: &Count) -> Result<Lifted, Refused> {
    let part = |k: usize| count.sum(&count.part(&states, k)?, None, count.keepdims, false);
    Ok(state([part(0)?, part(1)?]))
}

pub(crate) fn mean_aggregate(states: Lifted, count: &Count) -> Result<Lifted, Refused> {
    let dtype = count.dtype.unwrap_or(DType::F64);
    let part = |k: usize| count.sum(&count.part(&states, k)?, Some(dtype), count.keepdims, false);
    Ok(Lifted::Array(divide(&part(1)?, &part(0)?, Some(dtype))?))
}

pub(crate) fn moment_chunk(x: &Array, count: &Count) -> Result<Lifted, Refused> {
    let dtype = count.dtype.unwrap_or(DType::F64);
    let real = x.dtype().is_float() || x.dtype().is_integer() || x.dtype() == DType::Bool;
    if x.ndim() == 0 || !real || !float(dtype) {
        return refuse("a variance of anything but real numbers");
    }
    let n = count.numel(x, DType::I64)?;
    let total = count.sum(x, Some(dtype), count.keepdims, count.skip_nan)?;
    if total.shape() == x.shape() {
        // One element goes into each result.
        let zero = Array::full(&x.shape(), Scalar::zero(dtype), Some(x.chunks().clone()))?;
        let squares = match count.skip_nan {
            true => zero,
            false => x.astype(dtype)?.binary(Op::Subtract, &x.astype(dtype)?)?, // NaN, where it is not finite
        };
        return Ok(state([total, n, squares.expand_dims(&[-1])?]));
    }
    // One pass gives the variance; times the count it is the sum of squares.
    let kind = if count.skip_nan && float(x.dtype()) { ReduceKind::NanVar } else { ReduceKind::Var };
    let variance = x.astype(dtype)?.reduce(kind, count.axes.as_deref(), count.keepdims, 0.0, 0)?;
    let squares = variance.binary(Op::Multiply, &n.astype(dtype)?)?;
    let squares = if count.skip_nan { zero_where_none(&n, &squares)? } else { squares };
    Ok(state([total, n, squares.astype(dtype)?.expand_dims(&[-1])?]))
}

/// Sums over nothing are 0.
fn zero_where_none(n: &Array, x: &Array) -> Result<Array, Refused> {
    let zero = Array::scalar(Scalar::zero(x.dtype()));
    let none = ufunc(Op::Equal, &[n.into(), Operand::Int(0)])?;
    Ok(ufunc(Op::Where, &[none.into(), zero.into(), x.into()])?)
}

/// `M` without its last axis.
fn squares(count: &Count, states: &Lifted) -> Result<Array, Refused> {
    let all = count.part(states, 2)?;
    if all.shape().last() != Some(&1) {
        return refuse("moments of a higher order");
    }
    Ok(all.squeeze(Some(&[-1]))?)
}

pub(crate) fn moment_combine(states: Lifted, count: &Count) -> Result<Lifted, Refused> {
    let dtype = count.dtype.unwrap_or(DType::F64);
    if dtype == DType::F64
        && let Some(merged) = states.states().and_then(|states| merged(&states, count))
    {
        return Ok(merged);
    }
    let (totals, ns, squares) = (count.part(&states, 0)?, count.part(&states, 1)?, squares(count, &states)?);
    let (n, total) = (count.sum(&ns, None, true, false)?, count.sum(&totals, None, true, false)?);
    if !float(total.dtype()) {
        return refuse("moments of anything but real numbers");
    }
    let mean = divide(&total, &n, Some(dtype))?;
    let distance = divide(&totals, &ns, Some(dtype))?.binary(Op::Subtract, &mean)?;
    let between = ns.binary(Op::Multiply, &distance.binary(Op::Multiply, &distance)?)?;
    let squares =
        count.sum(&squares, None, true, false)?.binary(Op::Add, &count.sum(&between, None, true, count.skip_nan)?)?;
    Ok(state([total, n, squares.expand_dims(&[-1])?]))
}

/// One state of several that have length 1 along all axes that are merged, element by element: what most merges are.
fn merged(states: &[Vec<&Chunk>], count: &Count) -> Option<Lifted> {
    let [first, ..] = states else { return None };
    let [total, n, squares] = **first else { return None };
    let shape = total.shape();
    let axes = count.axes.as_ref()?;
    let whole = axes.iter().all(|axis| usize::try_from(*axis).is_ok_and(|axis| shape.get(axis) == Some(&1)));
    let like = |state: &Vec<&Chunk>| {
        let [total, n, squares] = **state else { return false };
        total.dtype() == DType::F64
            && n.dtype() == DType::I64
            && squares.dtype() == DType::F64
            && total.shape() == shape
            && n.shape() == shape
            && squares.shape().iter().product::<usize>() == shape.iter().product()
    };
    if !whole || !states.iter().all(like) {
        return None;
    }
    let (mut totals, mut counts, mut sums) = (total.to_vec::<f64>(), n.to_vec::<i64>(), squares.to_vec::<f64>());
    for state in &states[1..] {
        let (total, n, squares) = (state[0].to_vec::<f64>(), state[1].to_vec::<i64>(), state[2].to_vec::<f64>());
        for (k, ((total, n), squares)) in total.into_iter().zip(n).zip(squares).enumerate() {
            let between = if n == 0 || counts[k] == 0 {
                0.0
            } else {
                let (here, there) = (counts[k] as f64, n as f64);
                let distance = totals[k] / here - total / there;
                distance * distance * (here * there / (here + there))
            };
            sums[k] += squares + between;
            totals[k] += total;
            counts[k] += n;
        }
    }
    let parts = [
        Chunk::from_values(shape, &totals),
        Chunk::from_values(shape, &counts),
        Chunk::from_values(squares.shape(), &sums),
    ];
    Some(Lifted::Parts(parts.into_iter().map(Lifted::Block).collect()))
}

pub(crate) fn moment_aggregate(states: Lifted, count: &Count, ddof: f64) -> Result<Lifted, Refused> {
    let dtype = count.dtype.unwrap_or(DType::F64);
    let (totals, ns, squares) = (count.part(&states, 0)?, count.part(&states, 1)?, squares(count, &states)?);
    if !float(totals.dtype()) {
        return refuse("moments of anything but real numbers");
    }
    let n = count.sum(&ns, None, true, false)?;
    let mean = divide(&count.sum(&totals, None, true, false)?, &n, None)?;
    let distance = divide(&totals, &ns, Some(dtype))?.binary(Op::Subtract, &mean)?;
    let distance = zero_where_none(&ns, &distance)?;
    let between = ns.binary(Op::Multiply, &distance.binary(Op::Multiply, &distance)?)?;
    let sum = |x: &Array, skip_nan| count.sum(x, Some(dtype), count.keepdims, skip_nan);
    let squares = sum(&squares, false)?.binary(Op::Add, &sum(&between, count.skip_nan)?)?;
    let freedom = ufunc(Op::Subtract, &[sum(&n, false)?.into(), Operand::Float(ddof)])?;
    // Fewer than were to be subtracted: nothing is known.
    let negative = ufunc(Op::Less, &[(&freedom).into(), Operand::Float(0.0)])?;
    let nan = Array::scalar(Scalar::from_f64(f64::NAN, freedom.dtype()));
    let freedom = ufunc(Op::Where, &[negative.into(), nan.into(), freedom.into()])?;
    Ok(Lifted::Array(divide(&squares, &freedom, Some(dtype))?))
}
