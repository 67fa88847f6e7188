//! Lazy chunked arrays and task graphs that run on every core, larger than memory.
//!
//! ```
//! use selion::prelude::*;
//!
//! let x = Array::ones(&[1000, 4000], DType::F64, Some(Chunks::regular(&[1000, 4000], &[1000, 1000])))?;
//! let y = (&x + 1.0)?.mean()?;
//! assert_eq!(y.compute()?.scalar().unwrap().get::<f64>(), 2.0);
//! # Ok::<(), selion::Error>(())
//! ```
//!
//! Functions under [`task`] are called later, alone or between arrays:
//!
//! ```
//! use selion::prelude::*;
//!
//! #[selion::task]
//! fn largest(block: &Chunk) -> f64 {
//!     block.to_vec::<f64>().into_iter().fold(f64::MIN, f64::max)
//! }
//!
//! let x = Array::ones(&[1000], DType::F64, Some(Chunks::regular(&[1000], &[100])))?;
//! assert_eq!(largest(&(&x * 3.0)?).compute()?, 3.0);
//! # Ok::<(), selion::Error>(())
//! ```

mod compute;
mod error;
mod executor;
mod ops;
mod persist;
mod picture;
mod settings;
mod store;
mod values;

pub use compute::{Collection, Run, compute_chunk_sizes_with, compute_with, explain, graph_of};
pub use error::Error;
pub use executor::executor;
pub use ops::ArrayExt;
pub use persist::persist_with;
pub use picture::{PictureOptions, picture};
pub use settings::{SETTINGS, Setting, SettingError, Settings, Value as SettingValue, parse_bytes, settings};
pub use store::{store_with, stored};
pub use values::{Computable, LazyExt, compute};

pub use selion_delayed::{Arg, Lazy, gather};
pub use selion_macros::task;

pub use selion_array as array;
pub use selion_core as core;
pub use selion_delayed as delayed;
pub use selion_draw as draw;
pub use selion_io as io;
pub use selion_kernels as kernels;
pub use selion_lift as lift;
pub use selion_runtime as runtime;

/// The guide, so that its examples are tested.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
pub struct Guide;

/// What most programs need.
pub mod prelude {
    pub use crate::{ArrayExt, Error, LazyExt, compute};
    pub use selion_array::{Array, ChunkSpec, Chunks, ReduceKind};
    pub use selion_core::{Chunk, DType, Scalar};
    pub use selion_delayed::{Arg, Lazy, gather};
    pub use selion_kernels::program::Op;
}
