//! Codecs from bytes to bytes: one file each, one trait, and the chain in which an array's metadata puts them.
//!
//! Names and settings are those of Zarr 3's codecs and of numcodecs (Zarr 2, and `numcodecs.…` in Zarr 3).

mod blosc;
mod blosclz;
mod bzip2;
mod chain;
mod crc32c;
mod deflate;
mod delta;
mod lz4;
mod shuffle;
mod zstd;

pub(crate) use chain::Chain;
use serde_json::Value;

/// A codec from bytes to bytes. What goes wrong in decoding is a sentence about the bytes.
pub(crate) trait Codec: Send + Sync + std::fmt::Debug {
    /// Decodes into `out`, which is exactly as long as the result must be.
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String>;

    /// Decodes to whatever length the result has.
    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String>;

    /// Encodes.
    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String>;

    /// What the codec does.
    fn nature(&self) -> Nature {
        Nature::Compress
    }
}

/// What a codec does to the length of its bytes: a chain can then do without some copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nature {
    /// Changes the length in a way that only decoding tells.
    Compress,
    /// Rearranges: as many bytes come out as go in.
    Rearrange,
    /// Appends so many bytes.
    Append(usize),
}

/// The codec of this name and settings for elements of so many bytes; `None` if there is none of the name, an error if
/// it is there but not with these settings.
pub(crate) fn parse(name: &str, settings: &Value, element_bytes: usize) -> Result<Option<Box<dyn Codec>>, String> {
    Ok(Some(match name.strip_prefix("numcodecs.").unwrap_or(name) {
        "zstd" => Box::new(zstd::Zstd::parse(settings)),
        "gzip" => Box::new(deflate::Deflate::parse(settings, deflate::Wrapper::Gzip)),
        "zlib" => Box::new(deflate::Deflate::parse(settings, deflate::Wrapper::Zlib)),
        "bz2" => Box::new(bzip2::Bzip2::parse(settings)),
        "lz4" => Box::new(lz4::Lz4),
        "blosc" => Box::new(blosc::Blosc::parse(settings, element_bytes)?),
        "crc32c" => Box::new(crc32c::Crc32c::parse(settings)?),
        "shuffle" => Box::new(shuffle::Shuffle::parse(settings)?),
        "delta" => Box::new(delta::Delta::parse(settings)?),
        _ => return Ok(None),
    }))
}

/// A whole number among the settings.
fn setting(settings: &Value, name: &str, default: i64) -> i64 {
    settings.get(name).and_then(Value::as_i64).unwrap_or(default)
}

/// What to say of a result that is not as long as it must be.
fn wrong_length(got: usize, want: usize) -> String {
    format!("it decodes to {got} bytes, where a chunk has {want}")
}
