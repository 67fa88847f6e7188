//! Foreign task graphs as native programs.
//!
//! A graph of somebody else's tasks (Dask's) calls functions on blocks. Where a function means what selion has too, its
//! call is a [`Term`], and terms that belong together ([`group`]) run as one: their values are expressions over blocks
//! in memory, which are lowered to fused programs and run on the spot ([`run`]). Dtypes and shapes are known only then,
//! so whatever turns out not to be native ([`Refused`]) is left to the foreign functions. Nothing here knows who calls.

#![forbid(unsafe_code)]

mod function;
mod group;
mod moments;
mod run;

pub use function::{Function, Reduce, Refused, Role, Term};
pub use group::{Node, Unit, group};
pub use moments::Count;
pub use run::{From, Step, run};
