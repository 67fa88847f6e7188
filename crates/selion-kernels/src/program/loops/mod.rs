//! Loops over tiles: one function per operation and dtype.
//!
//! A loop reads tiles (or constants) of its argument dtypes and writes a tile. Each is written as an expression on
//! elements in a table of its family; [`functor`] turns the table into loops that [`crate::simd`] compiles for
//! each instruction set. [`kernel`] finds the loop of a resolved signature.

mod arithmetic;
mod cast;
mod compare;
mod complex;
mod complex_functions;
mod float;
mod functor;
mod time;

pub(crate) use cast::{TimeFactor, cast_kernel, scale_time, time_factor};
pub use functor::LoopError;
pub(crate) use functor::{Arg, Kernel};

use super::op::{Op, Signature};

/// The loop of an operation for the dtypes of `signature`, as [`Op::resolve`] gave them.
pub(crate) fn kernel(op: Op, signature: &Signature) -> Option<Kernel> {
    let dtype = signature.args[0];
    if op == Op::Where {
        return Some(compare::select_kernel(signature.args[1].size()));
    }
    if signature.args.iter().any(|dtype| dtype.is_time()) {
        return time::kernel(op, &signature.args);
    }
    arithmetic::kernel(op, dtype)
        .or_else(|| compare::kernel(op, dtype))
        .or_else(|| float::kernel(op, dtype))
        .or_else(|| complex::kernel(op, dtype))
}
