//! A Zarr array as a source.
//!
//! A region within one storage chunk that is (nearly) all of it is the decoded chunk itself, whose axes may lie in
//! another order. Any other region is a new C-ordered buffer, into which chunks are decoded or copied.

use selion_core::{Buffer, Chunk, ChunkSource, DType, Dims, Region, SourceError, contiguous_strides};

use super::ZarrArray;
use super::grid::meetings;
use super::layout::{Form, Target};
use crate::files::{Stored, Trouble};

/// A chunk is lent whole for a region if the region has at least seven eighths of it: no more is wasted than the
/// size classes of buffers waste.
const LEND_FROM: (usize, usize) = (7, 8);

impl ChunkSource for ZarrArray {
    fn dtype(&self) -> DType {
        ZarrArray::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        ZarrArray::shape(self)
    }

    fn storage_chunks(&self) -> Option<&[usize]> {
        Some(self.chunks())
    }

    fn location(&self) -> String {
        self.path().display().to_string()
    }

    fn identity(&self) -> String {
        self.0.identity.clone()
    }

    fn read(&self, region: &Region) -> Result<Chunk, SourceError> {
        let layout = &self.0.metadata.layout;
        assert_within(region, ZarrArray::shape(self));
        let mut meetings = meetings(region, &layout.shape).peekable();
        let Some(first) = meetings.next() else {
            return Ok(Chunk::new(layout.dtype, &region.shape, Buffer::zeroed(0)));
        };
        if meetings.peek().is_none() {
            let path = self.chunk_path(&first.chunk);
            let Some(file) = self.open_chunk(&path)? else {
                return Ok(Chunk::full(&region.shape, layout.fill));
            };
            let (wanted, all) = (volume(&region.shape), volume(&layout.shape));
            let lend = matches!(layout.form, Form::Plain { .. }) && wanted * LEND_FROM.1 >= all * LEND_FROM.0;
            if lend {
                let stored = Stored::whole(&file).map_err(|trouble| trouble.at("read", &path))?;
                let chunk = layout.decode_chunk(&stored).map_err(|trouble| trouble.at("read", &path))?;
                return Ok(chunk.sub_block(&first.in_chunk, &region.shape));
            }
        }

        let mut buffer = Buffer::scratch(volume(&region.shape) * layout.dtype.size());
        let strides = contiguous_strides(&region.shape);
        for meeting in std::iter::once(first).chain(meetings) {
            let path = self.chunk_path(&meeting.chunk);
            let offset = meeting.in_region.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
            let target = Target { bytes: buffer.bytes_mut(), offset, strides: strides.clone() };
            match self.open_chunk(&path)? {
                Some(file) => {
                    let within = Region { start: meeting.in_chunk, shape: meeting.shape };
                    let read = Stored::whole(&file).and_then(|stored| layout.read(&stored, &within, target));
                    read.map_err(|trouble: Trouble| trouble.at("read", &path))?;
                }
                None => target.assign(&Chunk::full(&meeting.shape, layout.fill)),
            }
        }
        Ok(Chunk::new(layout.dtype, &region.shape, buffer))
    }
}

fn volume(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// A region outside of the array is a mistake of the caller, not of the store.
pub(super) fn assert_within(region: &Region, shape: &[usize]) {
    let ends: Dims = region.start.iter().zip(&region.shape).map(|(start, len)| start + len).collect();
    let inside = ends.len() == shape.len() && ends.iter().zip(shape).all(|(end, len)| end <= len);
    assert!(inside, "region {region:?} is not within an array of shape {shape:?}");
}
