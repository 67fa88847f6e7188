//! Functions on whole blocks: everything that is not element by element.
//!
//! One family per file; each function takes [`Chunk`](selion_core::Chunk)s with any strides and gives a new C-ordered
//! chunk, or a view where one serves. Axes are counted from the front; negative axes are resolved by the caller. Dtypes,
//! shapes and edge cases are NumPy's.

pub mod bins;
pub mod gather;
mod gemm;
mod lanes;
pub mod layout;
pub mod linear;
pub mod quantile;
pub mod scan;
pub mod sort;
#[cfg(test)]
mod testing;
