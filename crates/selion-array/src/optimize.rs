//! Rewrites expressions so that less is read, moved and computed.
//!
//! * Views (slices, transposes, flips) sink through elementwise operations, reductions and rechunks into the leaves: a
//!   slice of a sum of stored arrays reads only what it needs.
//! * Rechunks vanish into leaves that can give any blocks: memory, constants, index sequences, random numbers, and
//!   storage whose own chunks the new blocks respect.
//! * Operations on constants are constants.
//!
//! Equal subexpressions have equal identities and meet when the expression is lowered.

use std::collections::HashMap;

use selion_core::{DType, Scalar};
use selion_kernels::program::{Affine, ProgramBuilder};
use smallvec::SmallVec;

use crate::chunks::{AxisChunks, Chunks};
use crate::expr::{Array, Expr, MapOp, NodeId};
use crate::reduce::{ReduceKind, Reduction};
use crate::view::{AxisMap, View};

/// Stack that a rewrite of one more level must find, and by how much the stack grows where it does not.
const STACK_RED_ZONE: usize = 64 << 10;
const STACK_GROWTH: usize = 4 << 20;

/// The same arrays, rewritten. With `fold` off, operations on constants are left to run.
pub fn optimize(roots: &[Array], fold: bool) -> Vec<Array> {
    let mut done: HashMap<NodeId, Array> = HashMap::new();
    for node in Array::post_order(roots) {
        let inputs: Vec<Array> = node.inputs().iter().map(|input| done[&input.id()].clone()).collect();
        let same = inputs.iter().zip(node.inputs()).all(|(new, old)| new.id() == old.id());
        let current = if same { node.clone() } else { node.with_inputs(inputs) };
        let rewritten = rewrite(&current, fold);
        done.insert(node.id(), rewritten);
    }
    roots.iter().map(|root| done[&root.id()].clone()).collect()
}

fn rewrite(node: &Array, fold: bool) -> Array {
    match node.expr() {
        Expr::View { input, view } => sink_view(input, view, node.chunks()),
        Expr::Rechunk(input) => sink_rechunk(input, node.chunks()),
        Expr::Map { op, args } if fold => fold_map(*op, args, node).unwrap_or_else(|| node.clone()),
        Expr::Reduce { reduction, input } if fold => {
            fold_reduce(reduction, input, node).unwrap_or_else(|| node.clone())
        }
        _ => node.clone(),
    }
}

/// The view of `input` with the given blocks, as deep down as it goes.
fn sink_view(input: &Array, view: &View, chunks: &Chunks) -> Array {
    stacker::maybe_grow(STACK_RED_ZONE, STACK_GROWTH, || sink_view_here(input, view, chunks))
}

fn sink_view_here(input: &Array, view: &View, chunks: &Chunks) -> Array {
    let shape = input.shape();
    if view.is_identity(&shape) && chunks == input.chunks() {
        return input.clone();
    }
    let stay = || Array::make(Expr::View { input: input.clone(), view: view.clone() }, input.dtype(), chunks.clone());
    let repeats = view.axes.iter().zip(&view.shape).any(|(map, len)| map.is_none() && *len != 1);
    match input.expr() {
        Expr::Full(value) => Array::make(Expr::Full(*value), input.dtype(), chunks.clone()),
        Expr::Index(affine) => {
            let affine = Affine {
                offset: affine.offset
                    + view.starts.iter().zip(&affine.strides).map(|(s, t)| *s as i64 * *t as i64).sum::<i64>(),
                strides: view
                    .axes
                    .iter()
                    .map(|map| map.map_or(0, |AxisMap { axis, step }| affine.strides[axis] * step))
                    .collect(),
            };
            Array::make(Expr::Index(affine), DType::I64, chunks.clone())
        }
        Expr::Memory(chunk, memory) => {
            let zeros = vec![0; shape.len().max(view.shape.len())];
            let viewed = view.on(chunk, &zeros, &zeros, &view.shape);
            Array::make(Expr::Memory(viewed, *memory), input.dtype(), chunks.clone())
        }
        Expr::Source { source, view: inner } => {
            let expr = Expr::Source { source: source.clone(), view: view.over(inner) };
            Array::make(expr, input.dtype(), chunks.clone())
        }
        Expr::View { input: deeper, view: inner } if deeper.chunks().is_known() => {
            sink_view(deeper, &view.over(inner), chunks)
        }
        Expr::Map { op, args } if !repeats && input.chunks().is_known() => {
            let args: SmallVec<[Array; 3]> = args.iter().map(|arg| sink_into_arg(arg, view, &shape, chunks)).collect();
            Array::make(Expr::Map { op: *op, args }, input.dtype(), chunks.clone())
        }
        Expr::Rechunk(deeper) if deeper.chunks().is_known() => {
            let viewed = sink_view(deeper, view, &view.chunks(deeper.chunks()));
            sink_rechunk(&viewed, chunks)
        }
        Expr::Reduce { reduction, input: deeper } if !repeats && !reduction.keepdims && deeper.chunks().is_known() => {
            sink_into_reduction(reduction, deeper, view, chunks).unwrap_or_else(stay)
        }
        _ => stay(),
    }
}

/// The argument of an elementwise operation under a view of the result; where it broadcasts it keeps length 1.
fn sink_into_arg(arg: &Array, view: &View, full: &[usize], chunks: &Chunks) -> Array {
    if arg.ndim() == 0 {
        return arg.clone();
    }
    let mut own = view.of_broadcast(&arg.shape(), full);
    let mut axes: Vec<AxisChunks> = Vec::with_capacity(own.shape.len());
    for k in 0..own.shape.len() {
        if own.axes[k].is_none() {
            own.shape[k] = 1;
            axes.push(AxisChunks::new(vec![1]));
        } else {
            axes.push(chunks.axes()[k].clone());
        }
    }
    sink_view(arg, &own, &Chunks::new(axes))
}

/// A view of a reduction's result is the reduction of a view: kept axes as the view has them, then the reduced ones.
fn sink_into_reduction(reduction: &Reduction, input: &Array, view: &View, chunks: &Chunks) -> Option<Array> {
    if matches!(reduction.kind, ReduceKind::ArgMin | ReduceKind::ArgMax | ReduceKind::NanArgMin | ReduceKind::NanArgMax)
    {
        return None; // the index of an element is counted along the axes in their order
    }
    let shape = input.shape();
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !reduction.reduces(*axis)).collect();
    let reduced: Vec<usize> = (0..shape.len()).filter(|axis| reduction.reduces(*axis)).collect();
    let mut inner = View {
        starts: SmallVec::from_elem(0, shape.len()),
        axes: view.axes.iter().map(|map| map.map(|map| AxisMap { axis: kept[map.axis], step: map.step })).collect(),
        shape: view.shape.clone(),
    };
    for (k, axis) in kept.iter().enumerate() {
        inner.starts[*axis] = view.starts[k];
    }
    let mut axes: Vec<AxisChunks> = chunks.axes().to_vec();
    let mut mask = 0u64;
    for axis in reduced {
        mask |= 1 << inner.axes.len();
        inner.axes.push(Some(AxisMap { axis, step: 1 }));
        inner.shape.push(shape[axis]);
        axes.push(input.chunks().axes()[axis].clone());
    }
    let viewed = sink_view(input, &inner, &Chunks::new(axes));
    let dtype = reduction.result_dtype(input.dtype());
    let expr = Expr::Reduce { reduction: reduction.over_axes(mask, false), input: viewed };
    Some(Array::make(expr, dtype, chunks.clone()))
}

fn sink_rechunk(input: &Array, chunks: &Chunks) -> Array {
    if input.chunks() == chunks {
        return input.clone();
    }
    if let Expr::Rechunk(deeper) = input.expr()
        && deeper.chunks().is_known()
    {
        return sink_rechunk(deeper, chunks);
    }
    if absorbs(input, chunks) {
        return with_chunks(input, chunks);
    }
    Array::make(Expr::Rechunk(input.clone()), input.dtype(), chunks.clone())
}

/// Whether an expression gives any of the blocks in `chunks` at no more cost than its own.
fn absorbs(input: &Array, chunks: &Chunks) -> bool {
    stacker::maybe_grow(STACK_RED_ZONE, STACK_GROWTH, || match input.expr() {
        Expr::Full(_) | Expr::Index(_) | Expr::Memory(..) => true,
        Expr::Source { source, view } => {
            let Some(storage) = source.storage_chunks() else { return true };
            source.is_cheap() || respects(view, chunks, storage)
        }
        Expr::Map { args, .. } => args.iter().all(|arg| absorbs(arg, &chunks_of_arg(arg, chunks))),
        _ => false,
    })
}

/// Whether no storage chunk would be read for two blocks.
fn respects(view: &View, chunks: &Chunks, storage: &[usize]) -> bool {
    view.axes.iter().zip(chunks.axes()).all(|(map, axis)| {
        let Some(AxisMap { axis: stored, step }) = map else { return true };
        let inner = &axis.starts()[1..axis.starts().len() - 1];
        *step == 1 && inner.iter().all(|cut| (cut + view.starts[*stored]).is_multiple_of(storage[*stored].max(1)))
    })
}

fn chunks_of_arg(arg: &Array, chunks: &Chunks) -> Chunks {
    let lead = chunks.ndim() - arg.ndim();
    Chunks::new(arg.chunks().axes().iter().enumerate().map(|(axis, own)| {
        let new = &chunks.axes()[axis + lead];
        if own.len() == 1 && new.len() != 1 { own.clone() } else { new.clone() }
    }))
}

fn with_chunks(input: &Array, chunks: &Chunks) -> Array {
    stacker::maybe_grow(STACK_RED_ZONE, STACK_GROWTH, || {
        let expr = match input.expr() {
            Expr::Map { op, args } => {
                let args = args.iter().map(|arg| with_chunks(arg, &chunks_of_arg(arg, chunks))).collect();
                Expr::Map { op: *op, args }
            }
            leaf => leaf.clone(),
        };
        Array::make(expr, input.dtype(), chunks.clone())
    })
}

fn constant(array: &Array) -> Option<Scalar> {
    match array.expr() {
        Expr::Full(value) => Some(*value),
        _ => None,
    }
}

fn fold_map(op: MapOp, args: &[Array], node: &Array) -> Option<Array> {
    let values: SmallVec<[Scalar; 3]> = args.iter().map(constant).collect::<Option<_>>()?;
    let mut builder = ProgramBuilder::default();
    let regs: SmallVec<[_; 3]> = values.iter().map(|value| builder.constant(*value)).collect();
    let result = match op {
        MapOp::Ufunc(op) => builder.apply(op, &regs).ok()?,
        MapOp::Cast => builder.cast(regs[0], node.dtype()).ok()?,
        MapOp::Random(..) => return None,
    };
    let value = builder.constant_value(result)?;
    Some(Array::make(Expr::Full(value), node.dtype(), node.chunks().clone()))
}

fn fold_reduce(reduction: &Reduction, input: &Array, node: &Array) -> Option<Array> {
    let value = constant(input)?;
    let count = reduction.count(input.chunks())?;
    if count == 0 || value.dtype().is_time() {
        return None;
    }
    let number = value.to_c128();
    let finite = number.re.is_finite() && number.im.is_finite();
    let dtype = node.dtype();
    use ReduceKind::*;
    let result = match reduction.kind {
        Sum if dtype.is_float() => Scalar::from_f64(number.re * count as f64, dtype),
        Sum if dtype == DType::I64 && number.re.abs() * (count as f64) < 9e15 => {
            Scalar::from_f64(number.re * count as f64, dtype)
        }
        Mean if dtype.is_float() => Scalar::from_f64(number.re, dtype),
        Min | Max => value,
        NanMin | NanMax => value,
        Any | All => Scalar::new(selion_core::B8::from(number.re != 0.0 || number.im != 0.0)),
        Var | Std if finite && count as f64 > reduction.ddof() => Scalar::zero(dtype),
        _ => return None,
    };
    Some(Array::make(Expr::Full(result), dtype, node.chunks().clone()))
}
