//! gzip and zlib: DEFLATE in either wrapper.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;

use super::{Codec, setting, wrong_length};

/// What is around the compressed bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrapper {
    Gzip,
    Zlib,
}

/// `gzip` and `zlib`: `level` 0 to 9.
#[derive(Debug)]
pub(crate) struct Deflate {
    level: u32,
    wrapper: Wrapper,
}

impl Deflate {
    pub(crate) fn parse(settings: &Value, wrapper: Wrapper) -> Self {
        Self::new(setting(settings, "level", 1), wrapper)
    }

    pub(super) fn new(level: i64, wrapper: Wrapper) -> Self {
        Deflate { level: level.clamp(0, 9) as u32, wrapper }
    }

    fn reader<'a>(&self, encoded: &'a [u8]) -> Box<dyn Read + 'a> {
        match self.wrapper {
            Wrapper::Gzip => Box::new(MultiGzDecoder::new(encoded)),
            Wrapper::Zlib => Box::new(ZlibDecoder::new(encoded)),
        }
    }
}

/// Fills `out` from `reader`, which must then be at its end; the end is where checksums are compared.
pub(super) fn read_exactly(name: &str, mut reader: impl Read, out: &mut [u8]) -> Result<(), String> {
    let mut filled = 0;
    let mut beyond = [0u8; 1];
    loop {
        let space = if filled < out.len() { &mut out[filled..] } else { &mut beyond[..] };
        let got = reader.read(space).map_err(|cause| format!("{name}: {cause}"))?;
        filled += got;
        if got == 0 && filled == out.len() {
            return Ok(());
        }
        if got == 0 || filled > out.len() {
            return Err(wrong_length(filled, out.len()));
        }
    }
}

/// Reads all that there is.
pub(super) fn read_all(name: &str, mut reader: impl Read) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).map_err(|cause| format!("{name}: {cause}"))?;
    Ok(out)
}

impl Codec for Deflate {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        read_exactly("deflate", self.reader(encoded), out)
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        read_all("deflate", self.reader(encoded))
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let (level, out) = (Compression::new(self.level), Vec::with_capacity(plain.len() / 2));
        let encoded = match self.wrapper {
            Wrapper::Gzip => {
                let mut encoder = GzEncoder::new(out, level);
                encoder.write_all(plain).and_then(|()| encoder.finish())
            }
            Wrapper::Zlib => {
                let mut encoder = ZlibEncoder::new(out, level);
                encoder.write_all(plain).and_then(|()| encoder.finish())
            }
        };
        encoded.map_err(|cause| format!("deflate: {cause}"))
    }
}
