//! LZ4 as numcodecs frames it: the decoded length in four little-endian bytes, then one block.

use super::{Codec, wrong_length};

/// `lz4`. Its `acceleration` is a choice of the compressor that nothing depends on; it is ignored.
#[derive(Debug)]
pub(crate) struct Lz4;

fn split(encoded: &[u8]) -> Result<(usize, &[u8]), String> {
    let (len, block) = encoded.split_first_chunk::<4>().ok_or("lz4: it is shorter than its header")?;
    Ok((u32::from_le_bytes(*len) as usize, block))
}

impl Codec for Lz4 {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        let (len, block) = split(encoded)?;
        if len != out.len() {
            return Err(wrong_length(len, out.len()));
        }
        match lz4_flex::block::decompress_into(block, out) {
            Ok(got) if got == len => Ok(()),
            Ok(got) => Err(wrong_length(got, len)),
            Err(cause) => Err(format!("lz4: {cause}")),
        }
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        let (len, block) = split(encoded)?;
        // A block of LZ4 grows at most 255-fold: a length beyond that is damage, not a reason to ask for the memory.
        if len / 255 > block.len() {
            return Err(format!("lz4: {} bytes cannot decode to {len}", block.len()));
        }
        lz4_flex::block::decompress(block, len).map_err(|cause| format!("lz4: {cause}"))
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let len = u32::try_from(plain.len()).map_err(|_| "lz4: a chunk has at most 4 GiB")?;
        let mut encoded = len.to_le_bytes().to_vec();
        encoded.extend(lz4_flex::block::compress(plain));
        Ok(encoded)
    }
}
