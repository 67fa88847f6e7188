//! Blosc (format 2 of the container, as C-Blosc 1 writes it): blocks, each shuffled and compressed by itself.
//!
//! Header of 16 bytes: version, version of the compressor, flags, bytes per element, then as little-endian `u32` the
//! decoded length, the length of a block and the encoded length. Flags: 1 bytes are shuffled, 2 the rest is the plain
//! data, 4 bits are shuffled, 16 blocks are not split, and the compressor in the upper three. Behind the header, where
//! each block begins; a block is one stream, or one per byte of the element ("split"), each preceded by its length.
//!
//! Decoding knows BloscLZ, LZ4 (and LZ4HC, the same format), zlib and zstd. Encoding writes blocks that are not split;
//! where the settings ask for BloscLZ or LZ4HC it writes LZ4, which every reader of Blosc decodes, since the container
//! names its compressor itself.

use flate2::bufread::ZlibDecoder;
use serde_json::Value;

use super::deflate::{Deflate, Wrapper, read_exactly};
use super::shuffle::{bitshuffle, bitunshuffle, shuffle, unshuffle};
use super::{Codec, blosclz, setting, wrong_length, zstd};

const HEADER_BYTES: usize = 16;
const FORMAT: u8 = 2;
const SHUFFLED: u8 = 1;
const PLAIN: u8 = 2;
const BITSHUFFLED: u8 = 4;
const NOT_SPLIT: u8 = 16;
/// A block is split only if the element has no more bytes than this …
const SPLIT_MAX_ELEMENT: usize = 16;
/// … and the block at least so many elements.
const SPLIT_MIN_ELEMENTS: usize = 128;
/// Blocks as selion writes them: they stay in the second-level cache between shuffle and compression.
const BLOCK_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compressor {
    BloscLz = 0,
    Lz4 = 1,
    Zlib = 3,
    Zstd = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrange {
    Nothing,
    Bytes,
    Bits,
}

/// `blosc`: `cname`, `clevel`, `shuffle`, `typesize`, `blocksize`; decoding needs none of them.
#[derive(Debug)]
pub(crate) struct Blosc {
    compressor: Compressor,
    level: i64,
    arrange: Arrange,
    element: usize,
    block: usize,
}

impl Blosc {
    pub(crate) fn parse(settings: &Value, element_bytes: usize) -> Result<Self, String> {
        let compressor = match settings.get("cname").and_then(Value::as_str).unwrap_or("lz4") {
            "lz4" | "lz4hc" | "blosclz" => Compressor::Lz4,
            "zlib" => Compressor::Zlib,
            "zstd" => Compressor::Zstd,
            other => return Err(format!("blosc with {other}")),
        };
        let element = setting(settings, "typesize", element_bytes as i64).clamp(1, 255) as usize;
        let arrange = match settings.get("shuffle") {
            Some(Value::String(text)) if text == "noshuffle" => Arrange::Nothing,
            Some(Value::String(text)) if text == "bitshuffle" => Arrange::Bits,
            Some(Value::Number(number)) if number.as_i64() == Some(0) => Arrange::Nothing,
            Some(Value::Number(number)) if number.as_i64() == Some(2) => Arrange::Bits,
            // Numcodecs' "auto": bits where an element has only one byte.
            Some(Value::Number(number)) if number.as_i64() == Some(-1) && element == 1 => Arrange::Bits,
            _ => Arrange::Bytes,
        };
        let block = match setting(settings, "blocksize", 0) {
            0 => BLOCK_BYTES,
            asked => asked.clamp(128, 1 << 28) as usize,
        };
        let unit = element * 8;
        Ok(Blosc {
            compressor,
            level: setting(settings, "clevel", 5),
            arrange,
            element,
            block: (block / unit).max(1) * unit,
        })
    }

    fn compress(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        match self.compressor {
            Compressor::BloscLz | Compressor::Lz4 => Ok(lz4_flex::block::compress(plain)),
            Compressor::Zlib => Deflate::new(self.level, Wrapper::Zlib).encode(plain),
            // As C-Blosc maps its nine levels to those of zstd.
            Compressor::Zstd => {
                let level = if self.level >= 9 { 22 } else { (2 * self.level - 1).max(1) };
                zstd::compress(plain, level as i32, false)
            }
        }
    }
}

struct Header<'a> {
    flags: u8,
    element: usize,
    len: usize,
    block: usize,
    compressor: Compressor,
    bytes: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Result<usize, String> {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or("blosc: it ends too early")?;
    Ok(u32::from_le_bytes(*word) as usize)
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() < HEADER_BYTES {
            return Err("blosc: it is shorter than its header".into());
        }
        let (len, block, encoded) = (word(bytes, 4)?, word(bytes, 8)?, word(bytes, 12)?);
        let flags = bytes[2];
        let compressor = match flags >> 5 {
            0 => Compressor::BloscLz,
            1 => Compressor::Lz4,
            3 => Compressor::Zlib,
            4 => Compressor::Zstd,
            other => return Err(format!("blosc: unknown compressor {other}")),
        };
        if bytes[0] != FORMAT {
            return Err(format!("blosc: unknown format {}", bytes[0]));
        }
        if encoded != bytes.len() || bytes[3] == 0 || (len > 0 && block == 0) {
            return Err("blosc: its header does not fit its length".into());
        }
        Ok(Header { flags, element: bytes[3].into(), len, block, compressor, bytes })
    }

    fn decode(&self, out: &mut [u8]) -> Result<(), String> {
        if out.len() != self.len {
            return Err(wrong_length(self.len, out.len()));
        }
        if self.flags & PLAIN != 0 {
            let plain = &self.bytes[HEADER_BYTES..];
            if plain.len() != self.len {
                return Err("blosc: its header does not fit its length".into());
            }
            out.copy_from_slice(plain);
            return Ok(());
        }
        let bytes_shuffled = self.flags & SHUFFLED != 0 && self.element > 1;
        let bits_shuffled = !bytes_shuffled && self.flags & BITSHUFFLED != 0;
        let mut shuffled = vec![0; if bytes_shuffled || bits_shuffled { self.block.min(self.len) } else { 0 }];
        for (k, out) in out.chunks_mut(self.block).enumerate() {
            let at = word(self.bytes, HEADER_BYTES + 4 * k)?;
            let whole = out.len() == self.block;
            if bytes_shuffled {
                let shuffled = &mut shuffled[..out.len()];
                self.decode_block(at, whole, shuffled)?;
                unshuffle(self.element, shuffled, out);
            } else if bits_shuffled && (out.len() / self.element).is_multiple_of(8) {
                let shuffled = &mut shuffled[..out.len()];
                self.decode_block(at, whole, shuffled)?;
                bitunshuffle(self.element, shuffled, out);
            } else {
                self.decode_block(at, whole, out)?;
            }
        }
        Ok(())
    }

    fn decode_block(&self, mut at: usize, whole: bool, out: &mut [u8]) -> Result<(), String> {
        let split = self.flags & NOT_SPLIT == 0
            && self.element <= SPLIT_MAX_ELEMENT
            && self.block / self.element >= SPLIT_MIN_ELEMENTS
            && whole;
        let streams = if split { self.element } else { 1 };
        if !out.len().is_multiple_of(streams) {
            return Err("blosc: a block cannot be split".into());
        }
        for out in out.chunks_exact_mut(out.len() / streams) {
            let len = word(self.bytes, at)?;
            let stream = self.bytes.get(at + 4..at + 4 + len).ok_or("blosc: it ends too early")?;
            at += 4 + len;
            self.decode_stream(stream, out)?;
        }
        Ok(())
    }

    fn decode_stream(&self, stream: &[u8], out: &mut [u8]) -> Result<(), String> {
        if stream.len() == out.len() {
            out.copy_from_slice(stream);
            return Ok(());
        }
        let got = match self.compressor {
            Compressor::BloscLz => blosclz::decompress(stream, out).ok_or("blosclz: damaged")?,
            Compressor::Lz4 => {
                lz4_flex::block::decompress_into(stream, out).map_err(|cause| format!("lz4: {cause}"))?
            }
            Compressor::Zlib => return read_exactly("zlib", ZlibDecoder::new(stream), out),
            Compressor::Zstd => zstd::decompress(stream, out)?,
        };
        if got == out.len() { Ok(()) } else { Err(format!("blosc: a block decodes to {got} of {} bytes", out.len())) }
    }
}

impl Codec for Blosc {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        Header::parse(encoded)?.decode(out)
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        let header = Header::parse(encoded)?;
        let mut out = vec![0; header.len];
        header.decode(&mut out)?;
        Ok(out)
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let len = u32::try_from(plain.len()).map_err(|_| "blosc: a chunk has at most 4 GiB")?;
        let block = self.block.min(plain.len()).max(1);
        let blocks = plain.len().div_ceil(block);
        let arranged_by = match self.arrange {
            Arrange::Nothing => 0,
            Arrange::Bytes => SHUFFLED,
            Arrange::Bits => BITSHUFFLED,
        };
        let flags = arranged_by | NOT_SPLIT | ((self.compressor as u8) << 5);
        let mut out = vec![FORMAT, 1, flags, self.element as u8];
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(block as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.resize(HEADER_BYTES + 4 * blocks, 0);
        let mut arranged = vec![0; if self.arrange == Arrange::Nothing { 0 } else { block }];
        for (k, plain) in plain.chunks(block).enumerate() {
            let start = out.len() as u32;
            out[HEADER_BYTES + 4 * k..][..4].copy_from_slice(&start.to_le_bytes());
            let arranged = match self.arrange {
                Arrange::Bytes if self.element > 1 => {
                    shuffle(self.element, plain, &mut arranged[..plain.len()]);
                    &arranged[..plain.len()]
                }
                Arrange::Bits if (plain.len() / self.element).is_multiple_of(8) => {
                    bitshuffle(self.element, plain, &mut arranged[..plain.len()]);
                    &arranged[..plain.len()]
                }
                _ => plain,
            };
            let compressed = self.compress(arranged)?;
            let stream = if compressed.len() < plain.len() { &compressed } else { arranged };
            out.extend_from_slice(&(stream.len() as u32).to_le_bytes());
            out.extend_from_slice(stream);
        }
        if out.len() >= plain.len() + HEADER_BYTES {
            out.truncate(HEADER_BYTES);
            out[2] |= PLAIN;
            out.extend_from_slice(plain);
        }
        let encoded = u32::try_from(out.len()).map_err(|_| "blosc: a chunk has at most 4 GiB")?;
        out[12..16].copy_from_slice(&encoded.to_le_bytes());
        Ok(out)
    }
}
