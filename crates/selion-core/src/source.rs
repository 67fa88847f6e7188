//! Storage as selion sees it: something to read boxes of elements from, or write them to.

use crate::{Chunk, DType, Dims};

/// A box of elements: where it starts and how long it is on each axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Region {
    /// First index on each axis.
    pub start: Dims,
    /// Length of each axis.
    pub shape: Dims,
}

impl Region {
    /// A region from its start and lengths.
    pub fn new(start: &[usize], shape: &[usize]) -> Self {
        Region { start: start.into(), shape: shape.into() }
    }
}

/// An array in storage. Reading is thread-safe and keeps nothing in memory.
pub trait ChunkSource: Send + Sync {
    /// The dtype of what [`read`](Self::read) returns.
    fn dtype(&self) -> DType;

    /// The lengths of the axes.
    fn shape(&self) -> &[usize];

    /// The lengths of the storage's own chunks, if it has them: the least that can be read at once.
    fn storage_chunks(&self) -> Option<&[usize]> {
        None
    }

    /// Where it is, for people: a path, a URL, the type of a Python object.
    fn location(&self) -> String;

    /// Two sources with the same identity give the same elements.
    fn identity(&self) -> String;

    /// Whether reading takes no time worth saving, as from memory: then nothing is kept to avoid a second read.
    fn is_cheap(&self) -> bool {
        false
    }

    /// Reads a region, which lies within the shape.
    ///
    /// # Errors
    /// [`SourceError`], naming the file or object.
    fn read(&self, region: &Region) -> Result<Chunk, SourceError>;
}

/// An array in storage that can be written.
pub trait ChunkSink: Send + Sync {
    /// The dtype that [`write`](Self::write) expects.
    fn dtype(&self) -> DType;

    /// The lengths of the axes.
    fn shape(&self) -> &[usize];

    /// The lengths of the storage's own chunks, if it has them. Two writers may not share one.
    fn storage_chunks(&self) -> Option<&[usize]> {
        None
    }

    /// Where it is, for people.
    fn location(&self) -> String;

    /// Writes a block at a region of the same shape.
    ///
    /// # Errors
    /// [`SourceError`], naming the file or object.
    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError>;
}

/// Why storage could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system, or the store, could not do it.
    #[error("cannot {doing} {what}: {cause}")]
    Io {
        /// `read`, `write`, `open` or `create`.
        doing: &'static str,
        /// The file, key or object.
        what: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// What is stored is damaged, or not what its metadata says.
    #[error("{what} is corrupt: {why}")]
    Corrupt {
        /// The file, key or object.
        what: String,
        /// How.
        why: String,
    },
    /// The store is sound, but uses something that selion does not read.
    #[error("{what} uses {feature}, which is not supported")]
    Unsupported {
        /// The file, key or object.
        what: String,
        /// What it uses.
        feature: String,
    },
    /// There is nothing at the given place.
    #[error("no array found at {0}")]
    NotFound(String),
    /// A reader or writer written elsewhere (a Python object's `__getitem__`) failed.
    #[error("{0}")]
    Foreign(#[source] crate::TaskError),
}
