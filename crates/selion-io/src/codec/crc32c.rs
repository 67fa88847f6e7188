//! CRC-32C: four little-endian bytes behind (or, as numcodecs allows, before) the data.

use serde_json::Value;

use super::{Codec, Nature, wrong_length};

/// `crc32c`.
#[derive(Debug)]
pub(crate) struct Crc32c;

const CHECKSUM_BYTES: usize = 4;

impl Crc32c {
    pub(crate) fn parse(settings: &Value) -> Result<Self, String> {
        match settings.get("location").and_then(Value::as_str) {
            None | Some("end") => Ok(Crc32c),
            Some(other) => Err(format!("crc32c at the {other}")),
        }
    }
}

fn check(encoded: &[u8]) -> Result<&[u8], String> {
    let (data, stored) =
        encoded.split_last_chunk::<CHECKSUM_BYTES>().ok_or("crc32c: it is shorter than its checksum")?;
    let (stored, computed) = (u32::from_le_bytes(*stored), ::crc32c::crc32c(data));
    if stored != computed {
        return Err(format!("its checksum is {stored:08x}, its bytes give {computed:08x}"));
    }
    Ok(data)
}

impl Codec for Crc32c {
    /// Checks; an empty `out` takes nothing.
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        let data = check(encoded)?;
        if out.is_empty() {
            return Ok(());
        }
        if data.len() != out.len() {
            return Err(wrong_length(data.len(), out.len()));
        }
        out.copy_from_slice(data);
        Ok(())
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        check(encoded).map(<[u8]>::to_vec)
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut encoded = Vec::with_capacity(plain.len() + CHECKSUM_BYTES);
        encoded.extend_from_slice(plain);
        encoded.extend_from_slice(&::crc32c::crc32c(plain).to_le_bytes());
        Ok(encoded)
    }

    fn nature(&self) -> Nature {
        Nature::Append(CHECKSUM_BYTES)
    }
}
