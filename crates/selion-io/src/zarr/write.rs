//! A Zarr array as a sink.
//!
//! A block that has all of a storage chunk's elements (those within the array: a chunk at its end may reach beyond) is
//! encoded and put in place of the chunk's file. Of any other chunk the rest is read, and the whole written again; two
//! writers may therefore not share a storage chunk: one would undo the other's work. As zarr-python does, a chunk of
//! nothing but the fill value is not written, and its file removed if there is one.

use std::io;
use std::path::Path;

use selion_core::{Buffer, Chunk, ChunkSink, DType, Region, SourceError, assign, contiguous_strides};

use super::ZarrArray;
use super::grid::{Meeting, meetings};
use super::read::assert_within;
use crate::files::{Stored, io_error, is_missing, replace};

impl ChunkSink for ZarrArray {
    fn dtype(&self) -> DType {
        ZarrArray::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        ZarrArray::shape(self)
    }

    /// The lengths of what one file holds: shards, where there are shards.
    fn storage_chunks(&self) -> Option<&[usize]> {
        Some(&self.0.metadata.layout.shape)
    }

    fn location(&self) -> String {
        self.path().display().to_string()
    }

    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        let layout = &self.0.metadata.layout;
        assert_within(region, ZarrArray::shape(self));
        assert_eq!(block.shape(), &region.shape[..], "the block has the shape of its region");
        assert_eq!(block.dtype(), layout.dtype, "the block has the dtype of the array");
        for meeting in meetings(region, &layout.shape) {
            let part = block.sub_block(&meeting.in_region, &meeting.shape);
            let path = self.chunk_path(&meeting.chunk);
            if meeting.shape == layout.shape {
                self.write_chunk(&path, &part)?;
            } else {
                let rest = if self.is_covered(&meeting) { None } else { self.open_chunk(&path)? };
                let mut buffer = Buffer::scratch(layout.nbytes());
                let strides = contiguous_strides(&layout.shape);
                let rest = match rest {
                    None => Chunk::full(&layout.shape, layout.fill),
                    Some(file) => Stored::whole(&file)
                        .and_then(|stored| layout.decode_chunk(&stored))
                        .map_err(|trouble| trouble.at("read", &path))?,
                };
                assign(&mut buffer, 0, &strides, &rest);
                drop(rest);
                let start = meeting.in_chunk.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
                assign(&mut buffer, start, &strides, &part);
                self.write_chunk(&path, &Chunk::new(layout.dtype, &layout.shape, buffer))?;
            }
        }
        Ok(())
    }
}

impl ZarrArray {
    /// Whether the part has all elements of its chunk that lie within the array.
    fn is_covered(&self, meeting: &Meeting) -> bool {
        let (chunk, shape) = (&self.0.metadata.layout.shape, &self.0.metadata.shape);
        (0..shape.len()).all(|k| {
            let within = chunk[k].min(shape[k] - meeting.chunk[k] * chunk[k]);
            meeting.in_chunk[k] == 0 && meeting.shape[k] == within
        })
    }

    fn write_chunk(&self, path: &Path, chunk: &Chunk) -> Result<(), SourceError> {
        let layout = &self.0.metadata.layout;
        if layout.is_all_fill(chunk) {
            return match std::fs::remove_file(path) {
                Err(cause) if !is_missing(&cause) => Err(io_error("remove", path, cause)),
                _ => Ok(()),
            };
        }
        let encoded = layout.encode(chunk).map_err(|why| io_error("write", path, io::Error::other(why)))?;
        replace(path, encoded.bytes())
    }
}
