//! An array of a store, opened: what its metadata say, and where it is.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selion_core::{DType, Dims, Scalar, SourceError};
use serde_json::{Map, Value};

use super::json;
use super::metadata::{Metadata, ZarrVersion};
use crate::files::{file_identity, io_error, is_missing, open_existing};

/// The metadata documents, by format: of an array, of a group.
pub(super) const DOCUMENT_V3: &str = "zarr.json";
pub(super) const ARRAY_V2: &str = ".zarray";
pub(super) const GROUP_V2: &str = ".zgroup";
pub(super) const ATTRIBUTES_V2: &str = ".zattrs";

/// One array of a Zarr store on the local file system, of format 2 or 3.
///
/// It is a [`ChunkSource`](selion_core::ChunkSource) and a [`ChunkSink`](selion_core::ChunkSink). Opening reads the
/// metadata; reading and writing open the chunk's file each time, so that nothing is held between calls, and any
/// number of threads may share one. Cloning is cheap.
///
/// A chunk that has no file holds the fill value. Elements are in the machine's byte order, whatever the store's.
///
/// ```
/// use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region};
/// use selion_io::{CreateOptions, ZarrArray};
///
/// let path = std::env::temp_dir().join(format!("selion-doc-{}.zarr", std::process::id()));
/// let array = ZarrArray::create(&path, CreateOptions::new(DType::F64, &[4, 6], &[2, 3]))?;
/// let row: Vec<f64> = (0..6).map(f64::from).collect();
/// array.write(&Region::new(&[1, 0], &[1, 6]), &Chunk::from_values(&[1, 6], &row))?;
///
/// let again = ZarrArray::open(&path)?;
/// assert_eq!(again.read(&Region::new(&[0, 2], &[2, 2]))?.to_vec::<f64>(), [0.0, 0.0, 2.0, 3.0]);
/// # std::fs::remove_dir_all(&path).unwrap();
/// # Ok::<(), selion_core::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZarrArray(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) path: PathBuf,
    /// The metadata's file.
    document: PathBuf,
    pub(super) metadata: Metadata,
    /// What is decoded at once: an inner chunk where there are shards.
    pub(super) decoded: Dims,
    pub(super) identity: String,
}

impl ZarrArray {
    /// Opens the array whose directory is `path`.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if there is no array, `Unsupported` if it uses a codec or dtype that selion does not
    /// know, `Corrupt` if the metadata are damaged, `Io` if the system could not read them.
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrArray, SourceError> {
        let path = path.as_ref();
        for (document, version) in [(DOCUMENT_V3, ZarrVersion::V3), (ARRAY_V2, ZarrVersion::V2)] {
            let document = path.join(document);
            if let Some(bytes) = read_if_there(&document)? {
                return Self::open_document(path, &document, version, &bytes);
            }
        }
        Err(not_found(path))
    }

    /// Opens the array at `component` (such as `group/temperature`) of the store at `path`.
    ///
    /// # Errors
    /// As [`ZarrArray::open`].
    pub fn open_in(path: impl AsRef<Path>, component: &str) -> Result<ZarrArray, SourceError> {
        Self::open(join_component(path.as_ref(), component))
    }

    fn open_document(
        path: &Path,
        document: &Path,
        version: ZarrVersion,
        bytes: &[u8],
    ) -> Result<ZarrArray, SourceError> {
        let value = parse_document(document, bytes)?;
        if version == ZarrVersion::V3 && value.get("node_type").and_then(Value::as_str) == Some("group") {
            return Err(not_found(path));
        }
        let attributes_path = path.join(ATTRIBUTES_V2);
        let attributes = match version {
            ZarrVersion::V3 => None,
            ZarrVersion::V2 => read_if_there(&attributes_path)?,
        };
        let attributes = match attributes {
            Some(bytes) => match parse_document(&attributes_path, &bytes)? {
                Value::Object(attributes) => attributes,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        let metadata = Metadata::parse(document, version, &value, attributes)?;
        let identity = identity(document, bytes)?;
        let decoded = metadata.layout.innermost_shape();
        Ok(ZarrArray(Arc::new(Inner {
            path: path.to_owned(),
            document: document.to_owned(),
            metadata,
            decoded,
            identity,
        })))
    }

    /// The array's directory.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The version of the storage format.
    pub fn version(&self) -> ZarrVersion {
        self.0.metadata.version
    }

    /// The dtype, in the machine's byte order.
    pub fn dtype(&self) -> DType {
        self.0.metadata.layout.dtype
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.0.metadata.shape
    }

    /// The lengths of a chunk: the least that is decoded at once.
    pub fn chunks(&self) -> &[usize] {
        &self.0.decoded
    }

    /// The lengths of what one file holds, if that is a shard of several chunks.
    pub fn shards(&self) -> Option<&[usize]> {
        (self.0.decoded != self.0.metadata.layout.shape).then_some(&self.0.metadata.layout.shape)
    }

    /// The value of elements that were never written.
    pub fn fill_value(&self) -> Scalar {
        self.0.metadata.layout.fill
    }

    /// The user's attributes. NaN and infinities that Python wrote as bare words are strings.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0.metadata.attributes
    }

    /// The names of the axes: format 3's `dimension_names`, or xarray's `_ARRAY_DIMENSIONS` in format 2.
    pub fn dimension_names(&self) -> Option<&[Option<String>]> {
        self.0.metadata.dimension_names.as_deref()
    }

    /// The file of a storage chunk at `path`; `None` if the chunk was never written.
    ///
    /// Without a file it is all fill value, but only as long as there is an array: one that was removed, or whose file
    /// system is gone, must not read as zeros.
    pub(super) fn open_chunk(&self, path: &Path) -> Result<Option<File>, SourceError> {
        let file = open_existing(path)?;
        if file.is_none() && !self.0.document.exists() {
            return Err(SourceError::NotFound(self.0.path.display().to_string()));
        }
        Ok(file)
    }

    /// The file of a storage chunk, which may not exist.
    pub(super) fn chunk_path(&self, chunk: &[usize]) -> PathBuf {
        self.0.path.join(self.0.metadata.keys.key(chunk))
    }
}

/// The directory of a component within a store.
pub(super) fn join_component(path: &Path, component: &str) -> PathBuf {
    component.split('/').filter(|part| !part.is_empty()).fold(path.to_owned(), |path, part| path.join(part))
}

/// The content of a file, `None` if it is not there.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if is_missing(&cause) => Ok(None),
        Err(cause) => Err(io_error("open", path, cause)),
    }
}

/// Whether a directory is a group.
pub(super) fn is_group(path: &Path) -> bool {
    let group_v3 = || {
        let bytes = std::fs::read(path.join(DOCUMENT_V3)).ok()?;
        Some(json::parse(&bytes).ok()?.get("node_type")?.as_str()? == "group")
    };
    path.join(GROUP_V2).exists() || group_v3().unwrap_or(false)
}

fn parse_document(path: &Path, bytes: &[u8]) -> Result<Value, SourceError> {
    let corrupt = |why| SourceError::Corrupt { what: path.display().to_string(), why };
    match json::parse(bytes).map_err(|why| corrupt(format!("it is not JSON: {why}")))? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(corrupt("it is not a JSON object".into())),
    }
}

/// Nothing here; if it is a group, that may have been meant for one of its arrays.
fn not_found(path: &Path) -> SourceError {
    let place = path.display().to_string();
    if !is_group(path) {
        return SourceError::NotFound(place);
    }
    let is_array = |path: &Path| path.join(ARRAY_V2).exists() || (path.join(DOCUMENT_V3).exists() && !is_group(path));
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut arrays: Vec<String> = entries
        .filter(|entry| is_array(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    arrays.sort();
    let hint = if arrays.is_empty() { "no array directly in it".into() } else { format!("with {}", arrays.join(", ")) };
    SourceError::NotFound(format!("{place}: it is a group, {hint}"))
}

/// Changes when the metadata are written anew, even if to the same content.
fn identity(document: &Path, bytes: &[u8]) -> Result<String, SourceError> {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(format!("zarr:{}:{:016x}", file_identity(document)?, hasher.finish()))
}
