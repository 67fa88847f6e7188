//! Arrays as Rust programs write them: operators, reductions by name, storage.

use std::path::Path;
use std::sync::Arc;

use selion_array::{Array, ReduceKind};
use selion_core::{CancelToken, Chunk, Executor, Silent};
use selion_io::ZarrArray;

use crate::compute::sizes;
use crate::error::Error;
use crate::executor::executor;
use crate::store::store_with;
use crate::values::compute;

/// What an array can do beyond making expressions: be computed, read and written.
pub trait ArrayExt: Sized {
    /// The elements, computed on every core.
    ///
    /// # Errors
    /// [`Error`], naming the task that failed.
    fn compute(&self) -> Result<Chunk, Error>;

    /// An array in a Zarr store (version 2 or 3), in blocks of whole storage chunks.
    ///
    /// # Errors
    /// [`Error::Source`] if there is none, or it cannot be read.
    fn from_zarr(path: impl AsRef<Path>) -> Result<Self, Error>;

    /// Computes the array into a new Zarr store.
    ///
    /// # Errors
    /// As [`ArrayExt::compute`], and [`Error::Source`] if the store is there already.
    fn to_zarr(&self, path: impl AsRef<Path>) -> Result<(), Error>;

    /// The mean of all elements.
    ///
    /// # Errors
    /// [`Error::Array`] for a dtype without means.
    fn mean(&self) -> Result<Self, Error>;

    /// The sum of all elements.
    ///
    /// # Errors
    /// [`Error::Array`] for a dtype without sums.
    fn sum(&self) -> Result<Self, Error>;

    /// The standard deviation of all elements.
    ///
    /// # Errors
    /// [`Error::Array`] for a dtype without one.
    fn std(&self) -> Result<Self, Error>;

    /// A reduction of some axes.
    ///
    /// # Errors
    /// [`Error::Array`], as [`Array::reduce`].
    fn over(&self, kind: ReduceKind, axes: &[isize]) -> Result<Self, Error>;

    /// The same elements in blocks of the given lengths; -1 keeps an axis whole.
    ///
    /// # Errors
    /// [`Error::Array`], as [`Array::rechunk`].
    fn blocks_of(&self, lens: &[i64]) -> Result<Self, Error>;
}

impl ArrayExt for Array {
    fn compute(&self) -> Result<Chunk, Error> {
        compute(self)
    }

    fn from_zarr(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Array::from_source(Arc::new(ZarrArray::open(path)?), None)?)
    }

    fn to_zarr(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.chunks().known("to_zarr")?;
        let chunks: Vec<usize> = self.chunks().axes().iter().map(|axis| axis.longest().max(1)).collect();
        let options = selion_io::CreateOptions::new(self.dtype(), &self.shape(), &chunks);
        let sink = Arc::new(ZarrArray::create(path, options)?);
        let executor = executor()?;
        store_with(&[(self.clone(), sink)], &mut |graph| {
            executor.execute(graph, &CancelToken::default(), Arc::new(Silent))
        })
    }

    fn mean(&self) -> Result<Self, Error> {
        Ok(self.reduce(ReduceKind::Mean, None, false, 0.0, 0)?)
    }

    fn sum(&self) -> Result<Self, Error> {
        Ok(self.reduce(ReduceKind::Sum, None, false, 0.0, 0)?)
    }

    fn std(&self) -> Result<Self, Error> {
        Ok(self.reduce(ReduceKind::Std, None, false, 0.0, 0)?)
    }

    fn over(&self, kind: ReduceKind, axes: &[isize]) -> Result<Self, Error> {
        Ok(self.reduce(kind, Some(axes), false, 0.0, 0)?)
    }

    fn blocks_of(&self, lens: &[i64]) -> Result<Self, Error> {
        Ok(self.rechunk(&sizes(lens), selion_array::AUTO_CHUNK_BYTES)?)
    }
}
