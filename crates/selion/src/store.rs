//! Computing into storage.

use std::sync::Arc;

use selion_array::{Array, ArrayError, AxisChunks, Chunks};
use selion_core::ChunkSink;
use selion_delayed::Root;

use crate::compute::{Run, array_root, run_roots};
use crate::error::Error;

/// Computes arrays and writes them to storage, in blocks that respect the storage's own chunks.
///
/// # Errors
/// As [`compute_with`]; [`Error::Array`] if shapes differ. What was written before an error stays; nothing says it is whole.
pub fn store_with(targets: &[(Array, Arc<dyn ChunkSink>)], run: &mut dyn Run) -> Result<(), Error> {
    let root = |(array, sink): &(Array, Arc<dyn ChunkSink>)| -> Result<Root, Error> {
        Ok(array_root(&fitting(array, sink.as_ref())?, Some(Arc::clone(sink))))
    };
    run_roots(&targets.iter().map(root).collect::<Result<Vec<_>, Error>>()?, run)?;
    Ok(())
}

/// The array that writes its blocks to storage when it is computed, and that has no elements; or, if `keep`, the
/// elements that were written.
///
/// # Errors
/// [`Error::Array`] if shapes differ.
pub fn stored(array: &Array, sink: &Arc<dyn ChunkSink>, keep: bool) -> Result<Array, Error> {
    let written = fitting(array, sink.as_ref())?.written(Arc::clone(sink), keep);
    Ok(if keep { written.rechunk_to(array.chunks().clone())? } else { written })
}

/// An array with the dtype of a sink, in blocks of which no two write to the same storage chunk.
fn fitting(array: &Array, sink: &dyn ChunkSink) -> Result<Array, Error> {
    if array.shape().as_slice() != sink.shape() {
        return Err(ArrayError::Value(format!(
            "cannot store an array of shape {} in {} of shape {:?}",
            array.chunks().shape_text(),
            sink.location(),
            sink.shape()
        ))
        .into());
    }
    let array = array.astype(sink.dtype())?;
    Ok(match sink.storage_chunks() {
        Some(storage) => array.rechunk_to(aligned(array.chunks(), storage))?,
        None => array,
    })
}

/// Blocks about as large as those of `chunks` whose borders are borders of storage chunks.
fn aligned(chunks: &Chunks, storage: &[usize]) -> Chunks {
    Chunks::new(chunks.axes().iter().zip(storage).map(|(axis, stored)| {
        let stored = (*stored).max(1);
        let inner = &axis.starts()[..axis.count()];
        if inner.iter().all(|start| start.is_multiple_of(stored)) {
            return axis.clone();
        }
        let block = (axis.longest() / stored).max(1) * stored;
        AxisChunks::regular(axis.len(), block)
    }))
}
