//! A box of an array in storage, written as if it were all of it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Chunk, ChunkSink, DType, Region, SourceError};

/// A part of a sink as a sink of its own.
///
/// Where its borders are borders of storage chunks, it has those chunks. Elsewhere it shares chunks with what lies around
/// it: then its writers take turns, and so do those of all windows that were given the same `turn`.
///
/// ```
/// use std::sync::Arc;
/// use selion_core::{Chunk, ChunkSink, DType, MemorySink, Region, Window};
/// let memory = Arc::new(MemorySink::new(DType::I64, &[4], &[&[1, 2, 1]]));
/// memory.write(&Region::new(&[0], &[1]), &Chunk::from_values(&[1], &[0i64]))?;
/// memory.write(&Region::new(&[3], &[1]), &Chunk::from_values(&[1], &[0i64]))?;
/// let window = Window::new(memory.clone(), Region::new(&[1], &[2]), Arc::default());
/// window.write(&Region::new(&[0], &[2]), &Chunk::from_values(&[2], &[7i64, 8]))?;
/// assert_eq!(memory.chunk().unwrap().to_vec::<i64>(), [0, 7, 8, 0]);
/// # Ok::<(), selion_core::SourceError>(())
/// ```
pub struct Window {
    sink: Arc<dyn ChunkSink>,
    region: Region,
    aligned: bool,
    turn: Arc<Mutex<()>>,
}

impl Window {
    /// The part of `sink` that `region` is, which lies within it.
    pub fn new(sink: Arc<dyn ChunkSink>, region: Region, turn: Arc<Mutex<()>>) -> Self {
        let aligned = sink.storage_chunks().is_none_or(|chunks| {
            let axes = chunks.iter().zip(sink.shape()).zip(region.start.iter().zip(&region.shape));
            axes.into_iter().all(|((chunk, len), (start, count))| {
                let (chunk, end) = ((*chunk).max(1), start + count);
                start.is_multiple_of(chunk) && (end.is_multiple_of(chunk) || end == *len)
            })
        });
        Window { sink, region, aligned, turn }
    }
}

impl ChunkSink for Window {
    fn dtype(&self) -> DType {
        self.sink.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.region.shape
    }

    fn storage_chunks(&self) -> Option<&[usize]> {
        self.sink.storage_chunks().filter(|_| self.aligned)
    }

    fn location(&self) -> String {
        self.sink.location()
    }

    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        let start = region.start.iter().zip(&self.region.start).map(|(a, b)| a + b).collect();
        let region = Region { start, shape: region.shape.clone() };
        // A writer that panicked has left nothing behind that the next one would see.
        let _turn = (!self.aligned).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.sink.write(&region, block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stored;

    impl ChunkSink for Stored {
        fn dtype(&self) -> DType {
            DType::F64
        }

        fn shape(&self) -> &[usize] {
            &[10, 10]
        }

        fn storage_chunks(&self) -> Option<&[usize]> {
            Some(&[4, 5])
        }

        fn location(&self) -> String {
            "stored".to_owned()
        }

        fn write(&self, _: &Region, _: &Chunk) -> Result<(), SourceError> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(start: [usize; 2], shape: [usize; 2], aligned: bool) {
        let window = Window::new(Arc::new(Stored), Region::new(&start, &shape), Arc::default());
        assert_eq!(window.storage_chunks().is_some(), aligned, "{start:?} {shape:?}");
    }

    #[test]
    fn a_window_has_storage_chunks_where_its_borders_are_theirs() {
        check([0, 0], [10, 10], true);
        check([4, 5], [4, 5], true);
        check([8, 5], [2, 5], true);
        check([1, 5], [4, 5], false);
        check([4, 0], [3, 5], false);
    }
}
