//! Python functions that are called later.
//!
//! * `args`: arguments, taken apart when the call is made and put together when it runs;
//! * `call`: the call itself;
//! * `object`: the classes `Delayed` and `DelayedLeaf`.

mod args;
mod call;
mod object;

pub(crate) use call::{GIL, from_value, to_value};
pub(crate) use object::{PyDelayed, register};
