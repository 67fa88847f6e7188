//! Codecs one after another, with as few buffers between them as can be.
//!
//! Decoding goes from the last codec to the first. Checksums are peeled off in place; the last compressor decodes
//! straight into the result, and what rearranges bytes behind it does so there.

use std::borrow::Cow;

use super::{Codec, Nature, wrong_length};

/// The codecs of an array, in the order of encoding.
#[derive(Debug, Default)]
pub(crate) struct Chain(Vec<Box<dyn Codec>>);

impl Chain {
    pub(crate) fn new(codecs: Vec<Box<dyn Codec>>) -> Self {
        Chain(codecs)
    }

    /// Whether bytes are stored as they are.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long `len` bytes become, if that does not depend on them.
    pub(crate) fn encoded_len(&self, len: usize) -> Option<usize> {
        self.0.iter().try_fold(len, |len, codec| match codec.nature() {
            Nature::Compress => None,
            Nature::Rearrange => Some(len),
            Nature::Append(more) => Some(len + more),
        })
    }

    /// Decodes to exactly the length of `out`.
    pub(crate) fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        let mut current = Cow::Borrowed(encoded);
        for (at, codec) in self.0.iter().enumerate().rev() {
            let before = &self.0[..at];
            if codec.nature() == Nature::Compress && before.iter().all(|codec| codec.nature() == Nature::Rearrange) {
                codec.decode_into(&current, out)?;
                for codec in before.iter().rev() {
                    let arranged = codec.decode(out)?;
                    out.copy_from_slice(&arranged);
                }
                return Ok(());
            }
            current = peel(codec.as_ref(), current)?;
        }
        if current.len() != out.len() {
            return Err(wrong_length(current.len(), out.len()));
        }
        out.copy_from_slice(&current);
        Ok(())
    }

    /// Decodes to whatever length the result has.
    pub(crate) fn decode<'a>(&self, encoded: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        self.0.iter().rev().try_fold(Cow::Borrowed(encoded), |current, codec| peel(codec.as_ref(), current))
    }

    /// Encodes.
    pub(crate) fn encode<'a>(&self, plain: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        self.0.iter().try_fold(Cow::Borrowed(plain), |current, codec| codec.encode(&current).map(Cow::Owned))
    }
}

/// Undoes one codec; what only appends is checked and cut off without a copy where the bytes are borrowed.
fn peel<'a>(codec: &dyn Codec, current: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, String> {
    match (codec.nature(), current) {
        (Nature::Append(more), Cow::Borrowed(bytes)) => {
            codec.decode_into(bytes, &mut [])?;
            Ok(Cow::Borrowed(&bytes[..bytes.len() - more]))
        }
        (_, current) => codec.decode(&current).map(Cow::Owned),
    }
}
