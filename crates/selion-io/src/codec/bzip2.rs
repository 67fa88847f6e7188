//! bzip2.

use std::io::Write;

use ::bzip2::Compression;
use ::bzip2::bufread::MultiBzDecoder;
use ::bzip2::write::BzEncoder;
use serde_json::Value;

use super::deflate::{read_all, read_exactly};
use super::{Codec, setting};

/// `bz2`: `level` 1 to 9.
#[derive(Debug)]
pub(crate) struct Bzip2 {
    level: u32,
}

impl Bzip2 {
    pub(crate) fn parse(settings: &Value) -> Self {
        Bzip2 { level: setting(settings, "level", 1).clamp(1, 9) as u32 }
    }
}

impl Codec for Bzip2 {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        read_exactly("bzip2", MultiBzDecoder::new(encoded), out)
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        read_all("bzip2", MultiBzDecoder::new(encoded))
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut encoder = BzEncoder::new(Vec::new(), Compression::new(self.level));
        encoder.write_all(plain).and_then(|()| encoder.finish()).map_err(|cause| format!("bzip2: {cause}"))
    }
}
