//! A new array: its metadata from options, written so that zarr-python reads the same.

use std::io;
use std::path::Path;

use selion_core::{DType, Scalar, SourceError};
use serde_json::{Map, Value, json};

use super::array::{ARRAY_V2, ATTRIBUTES_V2, DOCUMENT_V3, GROUP_V2, is_group, join_component};
use super::element::{default_fill, name_v3, write_fill};
use super::{ZarrArray, ZarrVersion};
use crate::files::{io_error, replace};

/// How chunks are compressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Zstandard; level 0 is the library's default (3).
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
    /// gzip.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// Blosc.
    Blosc {
        /// `lz4`, `zstd` or `zlib`.
        compressor: String,
        /// 0 to 9.
        level: u32,
        /// What is done before compression.
        shuffle: Shuffle,
    },
    /// Codecs as the metadata have them: in format 3 those after `bytes`, as `{"name": …, "configuration": …}`; in
    /// format 2 one compressor, as `{"id": …}`.
    Codecs(Vec<Value>),
}

impl Default for Compression {
    /// What zarr-python compresses with unless told otherwise.
    fn default() -> Self {
        Compression::Zstd { level: 0 }
    }
}

/// How Blosc rearranges the elements of a block before it compresses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// Not at all.
    None,
    /// Bytes of the same significance side by side.
    Bytes,
    /// Bits of the same significance side by side.
    Bits,
}

/// What a new array is to be. Made by [`CreateOptions::new`], changed field by field.
///
/// ```
/// use selion_core::DType;
/// use selion_io::{Compression, CreateOptions, ZarrVersion};
///
/// let mut options = CreateOptions::new(DType::F32, &[365, 720, 1440], &[73, 180, 360]);
/// options.version = ZarrVersion::V2;
/// options.compression = Compression::Gzip { level: 5 };
/// ```
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The dtype.
    pub dtype: DType,
    /// The lengths of the axes.
    pub shape: Vec<usize>,
    /// The lengths of a chunk, at least 1 each.
    pub chunks: Vec<usize>,
    /// The lengths of a shard, multiples of the chunk's, if one file is to hold several chunks (format 3 only).
    pub shards: Option<Vec<usize>>,
    /// The version of the format.
    pub version: ZarrVersion,
    /// How chunks are compressed.
    pub compression: Compression,
    /// The value of elements that are not written; if not given, zero, or NaT for datetimes and timedeltas.
    pub fill_value: Option<Scalar>,
    /// Whether an array that is there is removed first, with all its files.
    pub overwrite: bool,
    /// The user's attributes.
    pub attributes: Map<String, Value>,
    /// The names of the axes. Format 2 has no place for them; there they become xarray's `_ARRAY_DIMENSIONS`.
    pub dimension_names: Option<Vec<Option<String>>>,
    /// `/` or `.` between a chunk's indices in the name of its file; if not given, `/` in format 3 and `.` in format 2.
    pub dimension_separator: Option<char>,
}

impl CreateOptions {
    /// Format 3, zstd, fill value zero (or NaT): what zarr-python does by default.
    pub fn new(dtype: DType, shape: &[usize], chunks: &[usize]) -> Self {
        CreateOptions {
            dtype,
            shape: shape.into(),
            chunks: chunks.into(),
            shards: None,
            version: ZarrVersion::V3,
            compression: Compression::default(),
            fill_value: None,
            overwrite: false,
            attributes: Map::new(),
            dimension_names: None,
            dimension_separator: None,
        }
    }

    /// What is wrong with the options by themselves.
    fn check(&self) -> Result<(), String> {
        let axes = self.shape.len();
        let of_one_length = |what: &str, len: usize| match len == axes {
            true => Ok(()),
            false => Err(format!("{what} has {len} entries for {axes} axes")),
        };
        of_one_length("chunks", self.chunks.len())?;
        if self.chunks.contains(&0) {
            return Err(format!("chunks {:?} have no elements", self.chunks));
        }
        if let Some(names) = &self.dimension_names {
            of_one_length("dimension_names", names.len())?;
        }
        if let Some(shards) = &self.shards {
            of_one_length("shards", shards.len())?;
            if self.version == ZarrVersion::V2 {
                return Err("format 2 has no shards".into());
            }
            if shards.iter().zip(&self.chunks).any(|(shard, chunk)| *shard == 0 || shard % chunk != 0) {
                return Err(format!("shards {shards:?} do not consist of chunks {:?}", self.chunks));
            }
        }
        if self.fill_value.is_some_and(|fill| fill.dtype() != self.dtype) {
            return Err(format!("the fill value is not a {}", self.dtype));
        }
        match (self.dimension_separator, &self.compression) {
            (Some(other), _) if !['/', '.'].contains(&other) => Err(format!("{other:?} separates no dimensions")),
            (_, Compression::Codecs(codecs)) if self.version == ZarrVersion::V2 && codecs.len() > 1 => {
                Err("format 2 has one compressor".into())
            }
            _ => Ok(()),
        }
    }

    fn fill(&self) -> Value {
        write_fill(self.fill_value.unwrap_or_else(|| default_fill(self.dtype)))
    }

    fn document_v2(&self) -> Value {
        let compressor = match &self.compression {
            Compression::None => Value::Null,
            Compression::Zstd { level } => json!({"id": "zstd", "level": level, "checksum": false}),
            Compression::Gzip { level } => json!({"id": "gzip", "level": level}),
            Compression::Blosc { compressor, level, shuffle } => {
                let shuffle = match shuffle {
                    Shuffle::None => 0,
                    Shuffle::Bytes => 1,
                    Shuffle::Bits => 2,
                };
                json!({"id": "blosc", "cname": compressor, "clevel": level, "shuffle": shuffle, "blocksize": 0})
            }
            Compression::Codecs(codecs) => codecs.first().cloned().unwrap_or(Value::Null),
        };
        json!({
            "zarr_format": 2,
            "shape": self.shape,
            "chunks": self.chunks,
            "dtype": self.dtype.typestr(),
            "fill_value": self.fill(),
            "order": "C",
            "filters": null,
            "dimension_separator": self.dimension_separator.unwrap_or('.').to_string(),
            "compressor": compressor,
        })
    }

    fn document_v3(&self) -> Value {
        let bytes = match self.dtype.size() {
            1 => json!({"name": "bytes"}),
            _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
        };
        let mut codecs = vec![bytes];
        match &self.compression {
            Compression::None => {}
            Compression::Zstd { level } => {
                codecs.push(json!({"name": "zstd", "configuration": {"level": level, "checksum": false}}));
            }
            Compression::Gzip { level } => codecs.push(json!({"name": "gzip", "configuration": {"level": level}})),
            Compression::Blosc { compressor, level, shuffle } => {
                let shuffle = match shuffle {
                    Shuffle::None => "noshuffle",
                    Shuffle::Bytes => "shuffle",
                    Shuffle::Bits => "bitshuffle",
                };
                codecs.push(json!({"name": "blosc", "configuration": {
                    "typesize": self.dtype.size(),
                    "cname": compressor,
                    "clevel": level,
                    "shuffle": shuffle,
                    "blocksize": 0,
                }}));
            }
            Compression::Codecs(more) => codecs.extend(more.iter().cloned()),
        }
        if self.shards.is_some() {
            let index = [json!({"name": "bytes", "configuration": {"endian": "little"}}), json!({"name": "crc32c"})];
            codecs = vec![json!({"name": "sharding_indexed", "configuration": {
                "chunk_shape": self.chunks,
                "codecs": codecs,
                "index_codecs": index,
                "index_location": "end",
            }})];
        }
        let separator = self.dimension_separator.unwrap_or('/').to_string();
        let mut document = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": name_v3(self.dtype),
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": self.shards.as_ref().unwrap_or(&self.chunks)},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}},
            "fill_value": self.fill(),
            "codecs": codecs,
            "attributes": self.attributes,
            "storage_transformers": [],
        });
        if let Some(names) = &self.dimension_names {
            document["dimension_names"] = json!(names);
        }
        document
    }
}

impl ZarrArray {
    /// Creates an array without chunks in the directory `path`, which is made if need be.
    ///
    /// # Errors
    /// [`SourceError::Io`] of kind `AlreadyExists` if there is an array and [`CreateOptions::overwrite`] is not set, or
    /// if there is a group; of kind `InvalidInput` if the options contradict each other; else what the system said.
    /// [`SourceError::Unsupported`] for codecs that selion does not know.
    pub fn create(path: impl AsRef<Path>, options: CreateOptions) -> Result<ZarrArray, SourceError> {
        let path = path.as_ref();
        let refuse = |kind, why: String| Err(io_error("create", path, io::Error::new(kind, why)));
        if let Err(why) = options.check() {
            return refuse(io::ErrorKind::InvalidInput, why);
        }
        if is_group(path) {
            return refuse(io::ErrorKind::AlreadyExists, "a group is there".into());
        }
        if [DOCUMENT_V3, ARRAY_V2].iter().any(|document| path.join(document).exists()) {
            if !options.overwrite {
                return refuse(io::ErrorKind::AlreadyExists, "an array is there already".into());
            }
            std::fs::remove_dir_all(path).map_err(|cause| io_error("overwrite", path, cause))?;
        }
        match options.version {
            ZarrVersion::V3 => write_document(&path.join(DOCUMENT_V3), &options.document_v3())?,
            ZarrVersion::V2 => {
                let mut attributes = options.attributes.clone();
                if let Some(names) = &options.dimension_names {
                    attributes.insert("_ARRAY_DIMENSIONS".into(), json!(names));
                }
                write_document(&path.join(ATTRIBUTES_V2), &Value::Object(attributes))?;
                write_document(&path.join(ARRAY_V2), &options.document_v2())?;
            }
        }
        Self::open(path).inspect_err(|_| {
            // Metadata that cannot be read back must not stay as if an array were there.
            let _ = std::fs::remove_file(path.join(DOCUMENT_V3));
            let _ = std::fs::remove_file(path.join(ARRAY_V2));
        })
    }

    /// Creates an array at `component` (such as `group/temperature`) of the store at `path`, with the groups above it.
    ///
    /// # Errors
    /// As [`ZarrArray::create`]; of kind `AlreadyExists` also if one of the groups would be an array.
    pub fn create_in(
        path: impl AsRef<Path>,
        component: &str,
        options: CreateOptions,
    ) -> Result<ZarrArray, SourceError> {
        let root = path.as_ref();
        let array = join_component(root, component);
        for group in array.ancestors().skip(1).take_while(|group| group.starts_with(root)) {
            if is_group(group) {
                continue;
            }
            if [DOCUMENT_V3, ARRAY_V2].iter().any(|document| group.join(document).exists()) {
                let cause = io::Error::new(io::ErrorKind::AlreadyExists, "an array is there, not a group");
                return Err(io_error("create", group, cause));
            }
            match options.version {
                ZarrVersion::V3 => {
                    let document = json!({"zarr_format": 3, "node_type": "group", "attributes": {}});
                    write_document(&group.join(DOCUMENT_V3), &document)?;
                }
                ZarrVersion::V2 => write_document(&group.join(GROUP_V2), &json!({"zarr_format": 2}))?,
            }
        }
        Self::create(array, options)
    }
}

fn write_document(path: &Path, document: &Value) -> Result<(), SourceError> {
    let mut text = format!("{document:#}");
    text.push('\n');
    replace(path, text.as_bytes())
}
