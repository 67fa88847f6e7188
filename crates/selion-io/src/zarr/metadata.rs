//! The metadata documents of an array, read into one description: `zarr.json` (format 3), `.zarray` (format 2).

use std::path::Path;

use selion_core::{DType, Dims, Scalar, SourceError};
use serde_json::{Map, Value, json};

use super::element::{self, StoredType};
use super::layout::{Form, Layout, Shard};
use crate::codec::{self, Chain, Codec};

/// A version of the storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ZarrVersion {
    /// Format 2: `.zarray`, `.zattrs`.
    V2,
    /// Format 3: `zarr.json`.
    #[default]
    V3,
}

/// What the metadata say of an array.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) version: ZarrVersion,
    pub(super) shape: Dims,
    pub(super) keys: KeyEncoding,
    /// A storage chunk: one file.
    pub(super) layout: Layout,
    pub(super) attributes: Map<String, Value>,
    pub(super) dimension_names: Option<Vec<Option<String>>>,
}

/// How the place of a chunk in the grid becomes the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyEncoding {
    /// Format 3's own: begins with `c`.
    pub(super) prefixed: bool,
    pub(super) separator: char,
}

impl KeyEncoding {
    /// The name, relative to the array's directory.
    pub(super) fn key(self, chunk: &[usize]) -> String {
        let mut key = String::from(if self.prefixed { "c" } else { "" });
        for (k, at) in chunk.iter().enumerate() {
            if k > 0 || self.prefixed {
                key.push(self.separator);
            }
            key.push_str(&at.to_string());
        }
        if key.is_empty() { "0".into() } else { key }
    }
}

/// What is wrong with metadata.
#[derive(Debug)]
enum Fault {
    Corrupt(String),
    Unsupported(String),
}

type Parsed<T> = Result<T, Fault>;

fn corrupt<T>(why: impl Into<String>) -> Parsed<T> {
    Err(Fault::Corrupt(why.into()))
}

fn unsupported<T>(feature: impl Into<String>) -> Parsed<T> {
    Err(Fault::Unsupported(feature.into()))
}

impl Metadata {
    /// Reads the document at `path`; format 2 has its attributes in another one.
    pub(super) fn parse(
        path: &Path,
        version: ZarrVersion,
        document: &Value,
        attributes_v2: Map<String, Value>,
    ) -> Result<Metadata, SourceError> {
        let parsed = match version {
            ZarrVersion::V2 => parse_v2(document, attributes_v2),
            ZarrVersion::V3 => parse_v3(document),
        };
        let what = path.display().to_string();
        parsed.map_err(|fault| match fault {
            Fault::Corrupt(why) => SourceError::Corrupt { what, why },
            Fault::Unsupported(feature) => SourceError::Unsupported { what, feature },
        })
    }
}

fn lengths(value: Option<&Value>, what: &str) -> Parsed<Dims> {
    let lengths = value.and_then(Value::as_array).and_then(|list| {
        list.iter().map(|len| len.as_u64().and_then(|len| usize::try_from(len).ok())).collect::<Option<Dims>>()
    });
    lengths.ok_or_else(|| Fault::Corrupt(format!("{what:?} is not a list of lengths")))
}

/// Chunk lengths: one per axis, at least 1 each, and not more bytes than memory has addresses.
fn chunk_lengths(value: Option<&Value>, what: &str, shape: &[usize], dtype: DType) -> Parsed<Dims> {
    let mut chunk = lengths(value, what)?;
    if chunk.len() != shape.len() {
        return corrupt(format!("{what:?} has {} lengths for {} axes", chunk.len(), shape.len()));
    }
    for (chunk, len) in chunk.iter_mut().zip(shape) {
        // Some writers give an axis without elements a chunk without elements.
        if *chunk == 0 && *len == 0 {
            *chunk = 1;
        }
    }
    let nbytes = chunk.iter().try_fold(dtype.size(), |product, len| product.checked_mul(*len));
    match nbytes {
        Some(nbytes) if nbytes > 0 && isize::try_from(nbytes).is_ok() => Ok(chunk),
        _ => corrupt(format!("{what:?} is {chunk:?}")),
    }
}

fn fill_value(document: &Value, dtype: DType) -> Parsed<Scalar> {
    let value = document.get("fill_value").unwrap_or(&Value::Null);
    match element::parse_fill(value, dtype) {
        Some(fill) => Ok(fill),
        None => corrupt(format!("its fill value {value} is not a {dtype}")),
    }
}

fn parse_codec(name: &str, settings: &Value, dtype: DType) -> Parsed<Box<dyn Codec>> {
    match codec::parse(name, settings, dtype.size()) {
        Ok(Some(codec)) => Ok(codec),
        Ok(None) => unsupported(format!("the codec {name:?}")),
        Err(feature) => unsupported(format!("the codec {feature}")),
    }
}

fn separator(value: Option<&Value>, default: char) -> Parsed<char> {
    match value {
        None | Some(Value::Null) => Ok(default),
        Some(value) => match value.as_str() {
            Some("/") => Ok('/'),
            Some(".") => Ok('.'),
            _ => corrupt(format!("its separator of dimensions is {value}")),
        },
    }
}

fn parse_v2(document: &Value, attributes: Map<String, Value>) -> Parsed<Metadata> {
    if document.get("zarr_format").and_then(Value::as_u64) != Some(2) {
        return unsupported(format!("zarr_format {}", document.get("zarr_format").unwrap_or(&Value::Null)));
    }
    let StoredType { dtype, big_endian } =
        element::parse_v2(document.get("dtype").unwrap_or(&Value::Null)).map_err(Fault::Unsupported)?;
    let shape = lengths(document.get("shape"), "shape")?;
    let chunk = chunk_lengths(document.get("chunks"), "chunks", &shape, dtype)?;
    let axes: Dims = match document.get("order").and_then(Value::as_str) {
        Some("F") => (0..shape.len()).rev().collect(),
        Some("C") | None => (0..shape.len()).collect(),
        Some(other) => return corrupt(format!("its order is {other:?}")),
    };
    let filters = document.get("filters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let compressor = document.get("compressor").filter(|compressor| !compressor.is_null());
    let mut chain = Vec::new();
    for settings in filters.iter().chain(compressor) {
        let Some(id) = settings.get("id").and_then(Value::as_str) else {
            return corrupt("a codec has no id");
        };
        chain.push(parse_codec(id, settings, dtype)?);
    }
    let fill = fill_value(document, dtype)?;
    let names = attributes.get("_ARRAY_DIMENSIONS").and_then(Value::as_array);
    let dimension_names = names.map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    Ok(Metadata {
        version: ZarrVersion::V2,
        shape,
        keys: KeyEncoding { prefixed: false, separator: separator(document.get("dimension_separator"), '.')? },
        layout: Layout { dtype, shape: chunk, axes, form: Form::Plain { big_endian }, chain: Chain::new(chain), fill },
        attributes,
        dimension_names,
    })
}

/// A name with settings, as format 3 writes codecs, grids and encodings; the name alone will do.
fn named(value: &Value) -> Parsed<(&str, &Value)> {
    match value.as_str().or_else(|| value.get("name").and_then(Value::as_str)) {
        Some(name) => Ok((name, value.get("configuration").unwrap_or(&Value::Null))),
        None => corrupt(format!("{value} has no name")),
    }
}

fn parse_v3(document: &Value) -> Parsed<Metadata> {
    if document.get("zarr_format").and_then(Value::as_u64) != Some(3) {
        return unsupported(format!("zarr_format {}", document.get("zarr_format").unwrap_or(&Value::Null)));
    }
    if document.get("storage_transformers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return unsupported("storage transformers");
    }
    let dtype = element::parse_v3(document.get("data_type").unwrap_or(&Value::Null)).map_err(Fault::Unsupported)?;
    let shape = lengths(document.get("shape"), "shape")?;
    let (grid, settings) = named(document.get("chunk_grid").unwrap_or(&Value::Null))?;
    if grid != "regular" {
        return unsupported(format!("the chunk grid {grid:?}"));
    }
    let chunk = chunk_lengths(settings.get("chunk_shape"), "chunk_shape", &shape, dtype)?;
    let keys = match named(document.get("chunk_key_encoding").unwrap_or(&json!("default")))? {
        ("default", settings) => KeyEncoding { prefixed: true, separator: separator(settings.get("separator"), '/')? },
        ("v2", settings) => KeyEncoding { prefixed: false, separator: separator(settings.get("separator"), '.')? },
        (other, _) => return unsupported(format!("the chunk key encoding {other:?}")),
    };
    let fill = fill_value(document, dtype)?;
    let layout = parse_layout(document.get("codecs"), dtype, chunk, fill)?;
    let attributes = document.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    let names = document.get("dimension_names").and_then(Value::as_array);
    let dimension_names = names.map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    Ok(Metadata { version: ZarrVersion::V3, shape, keys, layout, attributes, dimension_names })
}

/// The layout of a chunk behind format 3's codecs: transposes, then `bytes` or `sharding_indexed`, then the chain.
fn parse_layout(codecs: Option<&Value>, dtype: DType, shape: Dims, fill: Scalar) -> Parsed<Layout> {
    let Some(codecs) = codecs.and_then(Value::as_array) else {
        return corrupt("\"codecs\" is not a list");
    };
    let mut axes: Dims = (0..shape.len()).collect();
    let mut form = None;
    let mut chain = Vec::new();
    for codec in codecs {
        let (name, settings) = named(codec)?;
        match (name, form.is_some()) {
            ("transpose", false) => {
                let order = transpose_order(settings, shape.len())?;
                axes = order.iter().map(|k| axes[*k]).collect();
            }
            ("bytes", false) => {
                let big_endian = settings.get("endian").and_then(Value::as_str) == Some("big");
                form = Some(Form::Plain { big_endian: big_endian && dtype.size() > 1 });
            }
            ("sharding_indexed", false) => {
                let outer: Dims = axes.iter().map(|axis| shape[*axis]).collect();
                form = Some(Form::Shard(Box::new(parse_shard(settings, dtype, &outer, fill)?)));
            }
            ("bytes" | "sharding_indexed" | "transpose", true) => {
                return corrupt(format!("the codec {name:?} is out of place"));
            }
            // Before the bytes only what works on elements makes sense; on little-endian bytes it is the same.
            ("numcodecs.delta", false) | (_, true) => chain.push(parse_codec(name, settings, dtype)?),
            (_, false) => {
                return match codec::parse(name, settings, dtype.size()) {
                    Ok(Some(_)) => corrupt(format!("the codec {name:?} comes before \"bytes\"")),
                    _ => unsupported(format!("the codec {name:?}")),
                };
            }
        }
    }
    match form {
        Some(Form::Plain { big_endian: true }) if codecs.iter().any(|codec| codec["name"] == "numcodecs.delta") => {
            unsupported("big-endian differences")
        }
        Some(form) => Ok(Layout { dtype, shape, axes, form, chain: Chain::new(chain), fill }),
        None => corrupt("none of its codecs makes bytes of the elements"),
    }
}

fn transpose_order(settings: &Value, ndim: usize) -> Parsed<Dims> {
    let order = settings.get("order").unwrap_or(&Value::Null);
    // Drafts of format 3 named the two usual orders.
    match order.as_str() {
        Some("C") => return Ok((0..ndim).collect()),
        Some("F") => return Ok((0..ndim).rev().collect()),
        _ => {}
    }
    let order = lengths(Some(order), "order")?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..ndim) { Ok(order) } else { corrupt(format!("it transposes by {order:?}")) }
}

fn parse_shard(settings: &Value, dtype: DType, shape: &[usize], fill: Scalar) -> Parsed<Shard> {
    let inner_shape = chunk_lengths(settings.get("chunk_shape"), "chunk_shape", shape, dtype)?;
    if shape.iter().zip(&inner_shape).any(|(outer, inner)| outer % inner != 0) {
        return corrupt(format!("shards of {shape:?} do not consist of chunks of {inner_shape:?}"));
    }
    let grid: Dims = shape.iter().zip(&inner_shape).map(|(outer, inner)| outer / inner).collect();
    let inner = parse_layout(settings.get("codecs"), dtype, inner_shape, fill)?;
    let (mut index_codecs, mut index_big_endian) = (Vec::new(), false);
    let default_index = json!(["bytes", "crc32c"]);
    let Some(index) = settings.get("index_codecs").unwrap_or(&default_index).as_array() else {
        return corrupt("\"index_codecs\" is not a list");
    };
    for codec in index {
        match named(codec)? {
            ("bytes", settings) => index_big_endian = settings.get("endian").and_then(Value::as_str) == Some("big"),
            (name, settings) => index_codecs.push(parse_codec(name, settings, DType::U64)?),
        }
    }
    let index_chain = Chain::new(index_codecs);
    if index_chain.encoded_len(0).is_none() {
        return unsupported("a compressed index of a shard");
    }
    let index_at_end = match settings.get("index_location").and_then(Value::as_str) {
        None | Some("end") => true,
        Some("start") => false,
        Some(other) => return corrupt(format!("the index of a shard is at its {other:?}")),
    };
    Ok(Shard { inner, grid, index_chain, index_big_endian, index_at_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_chunks() {
        let key = |prefixed, separator, chunk: &[usize]| KeyEncoding { prefixed, separator }.key(chunk);
        assert_eq!(key(true, '/', &[1, 20]), "c/1/20");
        assert_eq!(key(true, '.', &[1, 20]), "c.1.20");
        assert_eq!(key(true, '/', &[]), "c");
        assert_eq!(key(false, '.', &[1, 20]), "1.20");
        assert_eq!(key(false, '/', &[3]), "3");
        assert_eq!(key(false, '.', &[]), "0");
    }
}
