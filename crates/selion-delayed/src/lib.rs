//! Functions that are called later, alone or between arrays.
//!
//! A [`Delayed`] is a value to come: of a [`Call`], of a block of an array, or of a graph that is running. [`Needs`]
//! makes one graph of any number of them and of arrays, which may need each other in any order. A [`Lazy`] is a delayed
//! value of which the Rust type is known. Nothing here runs anything.

#![forbid(unsafe_code)]

mod lower;
mod node;
pub mod typed;

pub use lower::{Needs, Root, lower};
pub use node::{Call, Delayed, DelayedId, Settings, hash_id};
pub use typed::{Arg, Lazy, gather, take, to_value};
