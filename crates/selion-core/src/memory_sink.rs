//! A result in memory, written block by block from many threads.
//!
//! The memory is shared by all writers, so each block of the grid may be written once: whoever claims it owns those
//! elements, which no other block has. The elements are read only after every block was written, when no writer can be
//! left. This is what makes the two uses of `unsafe` below sound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use smallvec::SmallVec;

use crate::{Buffer, Chunk, ChunkSink, DType, Dims, Region, SourceError, assign_bytes, contiguous_strides};

/// A [`ChunkSink`] in memory, C-ordered.
///
/// ```
/// use selion_core::{Chunk, ChunkSink, DType, MemorySink, Region};
/// let sink = MemorySink::new(DType::I64, &[4], &[&[2, 2]]);
/// sink.write(&Region::new(&[2], &[2]), &Chunk::from_values(&[2], &[3i64, 4]))?;
/// assert!(sink.chunk().is_none());
/// sink.write(&Region::new(&[0], &[2]), &Chunk::from_values(&[2], &[1i64, 2]))?;
/// assert_eq!(sink.chunk().unwrap().to_vec::<i64>(), [1, 2, 3, 4]);
/// # Ok::<(), selion_core::SourceError>(())
/// ```
pub struct MemorySink {
    dtype: DType,
    shape: Dims,
    /// For each axis, where its blocks start, and the end.
    starts: Vec<Vec<usize>>,
    claimed: Vec<AtomicBool>,
    /// How many blocks have elements, and how many of those were written.
    expected: usize,
    written: AtomicUsize,
    buffer: Arc<Buffer>,
    data: *mut u8,
}

// SAFETY: `data` points into `buffer`, which lives as long as the sink. It is written only through `write`, whose
// claims keep writers of different threads to different elements.
unsafe impl Send for MemorySink {}
// SAFETY: as above.
unsafe impl Sync for MemorySink {}

impl MemorySink {
    /// Memory for an array of `shape`, which is written in blocks of the given lengths per axis.
    ///
    /// # Panics
    /// If there is not one list of lengths for each axis.
    pub fn new(dtype: DType, shape: &[usize], blocks: &[&[usize]]) -> Self {
        assert_eq!(shape.len(), blocks.len(), "one list of block lengths per axis");
        let starts: Vec<Vec<usize>> = blocks
            .iter()
            .map(|lens| {
                let ends = lens.iter().scan(0, |end, len| {
                    *end += len;
                    Some(*end)
                });
                std::iter::once(0).chain(ends).collect()
            })
            .collect();
        let count = blocks.iter().map(|lens| lens.len()).product();
        let expected = blocks.iter().map(|lens| lens.iter().filter(|len| **len > 0).count()).product();
        let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * dtype.size());
        let data = buffer.bytes_mut().as_mut_ptr();
        MemorySink {
            dtype,
            shape: shape.into(),
            starts,
            claimed: (0..count).map(|_| AtomicBool::new(false)).collect(),
            expected,
            written: AtomicUsize::new(0),
            buffer: Arc::new(buffer),
            data,
        }
    }

    /// The whole array, once every block that has elements has been written.
    pub fn chunk(&self) -> Option<Chunk> {
        (self.written.load(Ordering::Acquire) == self.expected).then(|| {
            Chunk::from_parts(
                self.dtype,
                self.shape.clone(),
                contiguous_strides(&self.shape),
                0,
                Arc::clone(&self.buffer),
            )
        })
    }

    /// The number of the block that `region` is.
    fn block(&self, region: &Region) -> Option<usize> {
        let mut block = 0;
        for (axis, starts) in self.starts.iter().enumerate() {
            // Of several blocks with one start, all but the last are empty.
            let (start, len) = (region.start[axis], region.shape[axis]);
            let first = starts.partition_point(|s| *s < start);
            let at = (first..starts.len() - 1).find(|k| starts[*k] == start && starts[k + 1] == start + len)?;
            block = block * (starts.len() - 1) + at;
        }
        Some(block)
    }
}

impl ChunkSink for MemorySink {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        let refuse = |why: &str| SourceError::Corrupt { what: "a block of the result".to_owned(), why: why.to_owned() };
        if block.dtype() != self.dtype || block.shape() != region.shape.as_slice() {
            return Err(refuse("its shape or dtype is not that of its place"));
        }
        let claim = self.block(region).ok_or_else(|| refuse("its place is not a block of the grid"))?;
        if block.is_empty() {
            // Empty blocks may share a place.
            return Ok(());
        }
        if self.claimed[claim].swap(true, Ordering::AcqRel) {
            return Err(refuse("it was written before"));
        }
        let rows_run = block.strides().last().is_none_or(|stride| *stride == 1);
        let block = if rows_run { block.clone() } else { block.to_contiguous() };
        self.copy(region, &block);
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

impl MemorySink {
    /// Copies a block row by row; the caller has claimed the region.
    fn copy(&self, region: &Region, block: &Chunk) {
        let size = self.dtype.size();
        let strides = contiguous_strides(&self.shape);
        let outer = block.ndim().saturating_sub(1);
        let columns = block.shape().last().copied().unwrap_or(1);
        let mut index: Dims = SmallVec::from_elem(0, outer);
        loop {
            let at: usize = (0..block.ndim())
                .map(|axis| (region.start[axis] + index.get(axis).copied().unwrap_or(0)) * strides[axis] as usize)
                .sum();
            let from: isize = (0..outer).map(|axis| index[axis] as isize * block.strides()[axis]).sum();
            // SAFETY: the row lies within the array, since the region is a block of its grid; the region was claimed by
            // this call alone, and rows of a region do not overlap, so nobody else has these bytes.
            let row = unsafe { std::slice::from_raw_parts_mut(self.data.add(at * size), columns * size) };
            let line = block.view(from, [columns].as_slice().into(), [1].as_slice().into());
            assign_bytes(row, 0, &[1], &line);
            let mut axis = outer;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < block.shape()[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_land_where_they_belong() {
        let sink = MemorySink::new(DType::I64, &[3, 4], &[&[1, 2], &[3, 1]]);
        for (start, shape, value) in
            [([0, 0], [1, 3], 1), ([0, 3], [1, 1], 2), ([1, 0], [2, 3], 3), ([1, 3], [2, 1], 4i64)]
        {
            let len = shape[0] * shape[1];
            sink.write(&Region::new(&start, &shape), &Chunk::from_values(&shape, &vec![value; len])).unwrap();
        }
        assert_eq!(sink.chunk().unwrap().to_vec::<i64>(), [1, 1, 1, 2, 3, 3, 3, 4, 3, 3, 3, 4]);
    }

    #[test]
    fn a_block_is_written_once_and_in_its_place() {
        let sink = MemorySink::new(DType::I64, &[4], &[&[2, 2]]);
        let block = Chunk::from_values(&[2], &[1i64, 2]);
        assert!(sink.write(&Region::new(&[1], &[2]), &block).is_err());
        assert!(sink.write(&Region::new(&[0], &[2]), &block).is_ok());
        assert!(sink.write(&Region::new(&[0], &[2]), &block).is_err());
    }

    #[test]
    fn scalars_and_empty_arrays() {
        let several = MemorySink::new(DType::I64, &[2], &[&[0, 0, 2, 0]]);
        several.write(&Region::new(&[0], &[0]), &Chunk::from_values::<i64>(&[0], &[])).unwrap();
        several.write(&Region::new(&[0], &[2]), &Chunk::from_values(&[2], &[1i64, 2])).unwrap();
        assert!(several.chunk().is_some());
        let sink = MemorySink::new(DType::I64, &[], &[]);
        sink.write(&Region::default(), &Chunk::from_values(&[], &[7i64])).unwrap();
        assert_eq!(sink.chunk().unwrap().to_vec::<i64>(), [7]);
        let sink = MemorySink::new(DType::I64, &[0], &[&[0]]);
        sink.write(&Region::new(&[0], &[0]), &Chunk::from_values::<i64>(&[0], &[])).unwrap();
        assert!(sink.chunk().is_some());
    }
}
