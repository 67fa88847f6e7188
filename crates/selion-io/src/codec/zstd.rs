//! Zstandard, by the reference library. Each thread keeps one compressor and one decompressor.

use std::cell::RefCell;

use ::zstd::bulk::{Compressor, Decompressor};
use serde_json::Value;

use super::{Codec, setting, wrong_length};

/// `zstd`: `level` (0 is the library's default) and `checksum`.
#[derive(Debug)]
pub(crate) struct Zstd {
    level: i32,
    checksum: bool,
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

impl Zstd {
    pub(crate) fn parse(settings: &Value) -> Self {
        Zstd {
            level: setting(settings, "level", 0) as i32,
            checksum: settings.get("checksum").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

/// Decompresses frames to the start of `out`; says how many bytes that gave.
pub(super) fn decompress(encoded: &[u8], out: &mut [u8]) -> Result<usize, String> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(|cause| cause.to_string())?),
        };
        decompressor.decompress_to_buffer(encoded, out).map_err(|cause| format!("zstd: {cause}"))
    })
}

/// Compresses to one frame.
pub(super) fn compress(plain: &[u8], level: i32, checksum: bool) -> Result<Vec<u8>, String> {
    let compress = |compressor: &mut Compressor<'static>| {
        compressor.set_compression_level(level)?;
        compressor.include_checksum(checksum)?;
        compressor.compress(plain)
    };
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::new(level).map_err(|cause| cause.to_string())?),
        };
        compress(compressor).map_err(|cause| format!("zstd: {cause}"))
    })
}

impl Codec for Zstd {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        match decompress(encoded, out)? {
            got if got == out.len() => Ok(()),
            got => Err(wrong_length(got, out.len())),
        }
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        ::zstd::stream::decode_all(encoded).map_err(|cause| format!("zstd: {cause}"))
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        compress(plain, self.level, self.checksum)
    }
}
