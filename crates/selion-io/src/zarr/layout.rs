//! How a chunk lies in its bytes, and the way there and back.
//!
//! A layout is the chunk's lengths, the order of its axes in storage, and then either one block of elements behind a
//! chain of codecs, or a shard: many inner chunks, each with a layout of its own, and an index of where they are. Axes
//! are never moved for their own sake: the region asked for and the strides of the target are put into storage order,
//! and the copy that places the elements does the rest. A whole chunk whose target lies as it is stored is decoded there.

use std::borrow::Cow;

use selion_core::{Buffer, Chunk, DType, Dims, Region, Scalar, Steps, assign_bytes, contiguous_strides};

use super::grid::{Meeting, meetings};
use crate::codec::Chain;
use crate::elements::{element_bytes, swap_bytes};
use crate::files::{Stored, Trouble};

/// How a chunk of so many elements on each axis lies in its bytes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dtype: DType,
    /// Lengths, in the array's order of axes.
    pub(super) shape: Dims,
    /// Axis `k` in storage is axis `axes[k]` of the array.
    pub(super) axes: Dims,
    pub(super) form: Form,
    /// Behind the form.
    pub(super) chain: Chain,
    pub(super) fill: Scalar,
}

/// What the codecs compress.
#[derive(Debug)]
pub(super) enum Form {
    /// The elements in C order.
    Plain { big_endian: bool },
    /// Inner chunks and their index.
    Shard(Box<Shard>),
}

/// The inner chunks of a shard, whose axes are in the shard's storage order.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) inner: Layout,
    /// Inner chunks per axis.
    pub(super) grid: Dims,
    /// The codecs of the index, all of which keep its length known.
    pub(super) index_chain: Chain,
    pub(super) index_big_endian: bool,
    pub(super) index_at_end: bool,
}

/// A box of elements in memory, to fill: C-ordered or not, within `bytes`, which are aligned for the elements.
pub(super) struct Target<'a> {
    pub(super) bytes: &'a mut [u8],
    /// Where the first element is, in elements.
    pub(super) offset: usize,
    /// Strides in elements, none negative.
    pub(super) strides: Steps,
}

impl Target<'_> {
    /// Fills the box with elements of its lengths.
    pub(super) fn assign(self, source: &Chunk) {
        assign_bytes(self.bytes, self.offset, &self.strides, source);
    }

    /// The box that starts at `start` within this one.
    fn part(&mut self, start: &[usize]) -> Target<'_> {
        let offset = self.offset + start.iter().zip(&self.strides).map(|(at, step)| at * *step as usize).sum::<usize>();
        Target { bytes: self.bytes, offset, strides: self.strides.clone() }
    }

    /// The bytes of the box, if it is C-ordered without gaps.
    fn whole(&mut self, shape: &[usize], size: usize) -> Option<&mut [u8]> {
        let wanted = contiguous_strides(shape);
        let lies_so = (0..shape.len()).all(|k| shape[k] == 1 || self.strides[k] == wanted[k]);
        let (start, len) = (self.offset * size, shape.iter().product::<usize>() * size);
        lies_so.then(|| &mut self.bytes[start..start + len])
    }
}

/// An entry of a shard's index for an inner chunk that is not there.
const ABSENT: [u64; 2] = [u64::MAX; 2];
const ENTRY_BYTES: usize = 16;

impl Layout {
    /// Lengths in storage order.
    pub(super) fn stored_shape(&self) -> Dims {
        self.in_storage_order(&self.shape)
    }

    fn in_storage_order(&self, of: &[usize]) -> Dims {
        self.axes.iter().map(|axis| of[*axis]).collect()
    }

    /// Bytes of a decoded chunk.
    pub(super) fn nbytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// The lengths of what is decoded at once.
    pub(super) fn innermost_shape(&self) -> Dims {
        match &self.form {
            Form::Plain { .. } => self.shape.clone(),
            Form::Shard(shard) => {
                let inner = shard.inner.innermost_shape();
                let mut shape = inner.clone();
                for (k, axis) in self.axes.iter().enumerate() {
                    shape[*axis] = inner[k];
                }
                shape
            }
        }
    }

    /// A whole chunk in memory of its own, its axes in the array's order, not necessarily in C order.
    pub(super) fn decode_chunk(&self, stored: &Stored<'_>) -> Result<Chunk, Trouble> {
        let mut buffer = Buffer::scratch(self.nbytes());
        let stored_strides = contiguous_strides(&self.stored_shape());
        let mut strides: Steps = stored_strides.clone();
        for (k, axis) in self.axes.iter().enumerate() {
            strides[*axis] = stored_strides[k];
        }
        let target = Target { bytes: buffer.bytes_mut(), offset: 0, strides: strides.clone() };
        self.read(
            stored,
            &Region { start: self.shape.iter().map(|_| 0).collect(), shape: self.shape.clone() },
            target,
        )?;
        Ok(Chunk::from_parts(self.dtype, self.shape.clone(), strides, 0, buffer.into()))
    }

    /// Reads a region of the chunk, which is not empty, into `target`.
    pub(super) fn read(&self, stored: &Stored<'_>, region: &Region, target: Target<'_>) -> Result<(), Trouble> {
        let region =
            Region { start: self.in_storage_order(&region.start), shape: self.in_storage_order(&region.shape) };
        let strides = self.axes.iter().map(|axis| target.strides[*axis]).collect();
        let target = Target { strides, ..target };
        match &self.form {
            Form::Plain { big_endian } => self.read_plain(stored, &region, target, *big_endian),
            Form::Shard(shard) if self.chain.is_empty() => shard.read(stored, &region, target),
            Form::Shard(shard) => {
                let loaded = stored.load()?;
                let decoded = self.chain.decode(loaded.bytes()).map_err(Trouble::Corrupt)?;
                shard.read(&Stored::Memory(&decoded), &region, target)
            }
        }
    }

    fn read_plain(
        &self,
        stored: &Stored<'_>,
        region: &Region,
        mut target: Target<'_>,
        big_endian: bool,
    ) -> Result<(), Trouble> {
        let shape = self.stored_shape();
        if region.shape == shape
            && let Some(out) = target.whole(&shape, self.dtype.size())
        {
            return self.decode_plain(stored, out, big_endian);
        }
        let mut buffer = Buffer::scratch(self.nbytes());
        self.decode_plain(stored, buffer.bytes_mut(), big_endian)?;
        let part = Chunk::new(self.dtype, &shape, buffer).sub_block(&region.start, &region.shape);
        target.assign(&part);
        Ok(())
    }

    fn decode_plain(&self, stored: &Stored<'_>, out: &mut [u8], big_endian: bool) -> Result<(), Trouble> {
        if self.chain.is_empty() {
            if stored.len() != out.len() as u64 {
                return Err(Trouble::Corrupt(format!("it has {} bytes instead of {}", stored.len(), out.len())));
            }
            stored.read_into(out)?;
        } else {
            let loaded = stored.load()?;
            self.chain.decode_into(loaded.bytes(), out).map_err(Trouble::Corrupt)?;
        }
        if big_endian {
            swap_bytes(out, self.dtype.real().size());
        }
        Ok(())
    }

    /// The bytes of a whole chunk, whose axes are in the array's order.
    pub(super) fn encode(&self, chunk: &Chunk) -> Result<Encoded, String> {
        let stored = chunk.transpose(&self.axes);
        let formed = match &self.form {
            Form::Plain { big_endian: true } => {
                let mut buffer = Buffer::scratch(stored.nbytes());
                assign_bytes(buffer.bytes_mut(), 0, &contiguous_strides(stored.shape()), &stored);
                swap_bytes(buffer.bytes_mut(), self.dtype.real().size());
                Encoded::Elements(Chunk::new(self.dtype, stored.shape(), buffer))
            }
            Form::Plain { big_endian: false } => Encoded::Elements(stored.to_contiguous()),
            Form::Shard(shard) => Encoded::Bytes(shard.encode(&stored)?),
        };
        Ok(match self.chain.encode(formed.bytes())? {
            Cow::Owned(bytes) => Encoded::Bytes(bytes),
            Cow::Borrowed(_) => formed,
        })
    }

    /// Whether every element is the fill value, bit by bit.
    pub(super) fn is_all_fill(&self, chunk: &Chunk) -> bool {
        let fill = self.fill.bytes();
        if chunk.strides().iter().zip(chunk.shape()).all(|(stride, len)| *stride == 0 || *len == 1) {
            return chunk.is_empty() || chunk.buffer().bytes()[chunk.offset() * fill.len()..].starts_with(fill);
        }
        // A row at a time, so that the usual chunk is told by its first element.
        if !chunk.is_contiguous() {
            return (0..chunk.shape()[0]).all(|at| {
                let row = chunk.slice(0, at, 1, 1);
                self.is_all_fill(&row.view(0, row.shape()[1..].into(), row.strides()[1..].into()))
            });
        }
        let bytes = element_bytes(chunk);
        // Equal to itself one element further on, and the first is the fill value: all are.
        bytes.starts_with(fill) && bytes[fill.len()..] == bytes[..bytes.len() - fill.len()]
    }
}

impl Shard {
    fn index_len(&self) -> usize {
        let plain = self.grid.iter().product::<usize>() * ENTRY_BYTES;
        self.index_chain.encoded_len(plain).unwrap_or(plain)
    }

    fn index(&self, stored: &Stored<'_>) -> Result<Vec<[u64; 2]>, Trouble> {
        let len = self.index_len() as u64;
        let short = || Trouble::Corrupt(format!("it has {} bytes, less than the index of a shard", stored.len()));
        let start = if self.index_at_end { stored.len().checked_sub(len).ok_or_else(short)? } else { 0 };
        let loaded = stored.part(start, len).map_err(|_| short())?.load()?;
        let decoded = self.index_chain.decode(loaded.bytes()).map_err(Trouble::Corrupt)?;
        let number = |bytes: [u8; 8]| {
            if self.index_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
        };
        let (numbers, _) = decoded.as_chunks::<8>();
        Ok(numbers.as_chunks::<2>().0.iter().map(|[offset, len]| [number(*offset), number(*len)]).collect())
    }

    fn place(&self, chunk: &[usize]) -> usize {
        chunk.iter().zip(&self.grid).fold(0, |place, (at, len)| place * len + at)
    }

    /// Reads a region, in storage order.
    fn read(&self, stored: &Stored<'_>, region: &Region, mut target: Target<'_>) -> Result<(), Trouble> {
        let index = self.index(stored)?;
        for Meeting { chunk, in_chunk, in_region, shape } in meetings(region, &self.inner.shape) {
            let target = target.part(&in_region);
            match index[self.place(&chunk)] {
                ABSENT => target.assign(&Chunk::full(&shape, self.inner.fill)),
                [offset, len] => {
                    let part = stored.part(offset, len)?;
                    let inside = |trouble| match trouble {
                        Trouble::Corrupt(why) => Trouble::Corrupt(format!("in inner chunk {chunk:?}: {why}")),
                        other => other,
                    };
                    self.inner.read(&part, &Region { start: in_chunk, shape }, target).map_err(inside)?;
                }
            }
        }
        Ok(())
    }

    fn encode(&self, stored: &Chunk) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; if self.index_at_end { 0 } else { self.index_len() }];
        let mut index = vec![ABSENT; self.grid.iter().product()];
        let all = Region { start: stored.shape().iter().map(|_| 0).collect(), shape: stored.shape().into() };
        for Meeting { chunk, in_region, shape, .. } in meetings(&all, &self.inner.shape) {
            let inner = stored.sub_block(&in_region, &shape);
            if !self.inner.is_all_fill(&inner) {
                let encoded = self.inner.encode(&inner)?;
                index[self.place(&chunk)] = [bytes.len() as u64, encoded.bytes().len() as u64];
                bytes.extend_from_slice(encoded.bytes());
            }
        }
        let write = |number: &u64| if self.index_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let index: Vec<u8> = index.as_flattened().iter().flat_map(write).collect();
        let index = self.index_chain.encode(&index)?;
        if self.index_at_end {
            bytes.extend_from_slice(&index);
        } else {
            bytes[..index.len()].copy_from_slice(&index);
        }
        Ok(bytes)
    }
}

/// A chunk as it is stored.
pub(super) enum Encoded {
    /// The bytes of these elements, which are in C order.
    Elements(Chunk),
    Bytes(Vec<u8>),
}

impl Encoded {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Encoded::Elements(chunk) => element_bytes(chunk),
            Encoded::Bytes(bytes) => bytes,
        }
    }
}
