//! Files as the formats need them: read whole or in parts, replaced in one step.
//!
//! A file that is written appears under its name only when it is complete: it is written beside it under a temporary
//! name and renamed. A crash of the process leaves at most a temporary file (`.<name>.<pid>.<n>.partial`), which no
//! reader looks at. The file is not synced to the disk: what a crash of the machine leaves is up to the file system.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::UNIX_EPOCH;

#[cfg(feature = "zarr")]
use selion_core::Buffer;
use selion_core::SourceError;

/// Why bytes could not be had, before it is known which file to name.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The system could not do it.
    Io(io::Error),
    /// The bytes are not what they should be.
    Corrupt(String),
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Trouble::Corrupt("it ends too early".into()),
            _ => Trouble::Io(cause),
        }
    }
}

impl Trouble {
    /// The error for people: which file, and what was being done to it.
    pub(crate) fn at(self, doing: &'static str, path: &Path) -> SourceError {
        match self {
            Trouble::Io(cause) => io_error(doing, path, cause),
            Trouble::Corrupt(why) => SourceError::Corrupt { what: path.display().to_string(), why },
        }
    }
}

/// What the system said about a file.
pub(crate) fn io_error(doing: &'static str, path: &Path, cause: io::Error) -> SourceError {
    SourceError::Io { doing, what: path.display().to_string(), cause }
}

/// Whether the error means that there is no such file.
pub(crate) fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a file to read, `None` if there is none.
#[cfg(feature = "zarr")]
pub(crate) fn open_existing(path: &Path) -> Result<Option<File>, SourceError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if is_missing(&cause) => Ok(None),
        Err(cause) => Err(io_error("open", path, cause)),
    }
}

/// Names a file as it is now: another file in its place, or a later write to it, has another name.
pub(crate) fn file_identity(path: &Path) -> Result<String, SourceError> {
    let facts = || -> io::Result<String> {
        let path = std::fs::canonicalize(path)?;
        let metadata = std::fs::metadata(&path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(format!("{}:{modified}:{inode}", path.display()))
    };
    facts().map_err(|cause| io_error("open", path, cause))
}

/// Bytes in storage: part of a file, or already in memory.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'a> {
    /// `len` bytes of a file from `start` on.
    File { file: &'a File, start: u64, len: u64 },
    /// All of these.
    #[cfg(feature = "zarr")]
    Memory(&'a [u8]),
}

/// Bytes in memory, perhaps only borrowed.
#[cfg(feature = "zarr")]
pub(crate) enum Loaded<'a> {
    Owned(Buffer),
    Borrowed(&'a [u8]),
}

#[cfg(feature = "zarr")]
impl Loaded<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Loaded::Owned(buffer) => buffer.bytes(),
            Loaded::Borrowed(bytes) => bytes,
        }
    }
}

impl<'a> Stored<'a> {
    /// The whole of a file.
    pub(crate) fn whole(file: &'a File) -> Result<Self, Trouble> {
        Ok(Stored::File { file, start: 0, len: file.metadata()?.len() })
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Stored::File { len, .. } => *len,
            #[cfg(feature = "zarr")]
            Stored::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// `len` bytes from `offset` on.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Result<Stored<'a>, Trouble> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len() => Ok(match self {
                Stored::File { file, start, .. } => Stored::File { file, start: start + offset, len },
                #[cfg(feature = "zarr")]
                Stored::Memory(bytes) => Stored::Memory(&bytes[offset as usize..end as usize]),
            }),
            _ => Err(Trouble::Corrupt(format!(
                "bytes {offset} to {offset} + {len} should be there, but it has only {}",
                self.len()
            ))),
        }
    }

    /// Reads all of it into `out`, which is as long.
    pub(crate) fn read_into(&self, out: &mut [u8]) -> Result<(), Trouble> {
        debug_assert_eq!(self.len(), out.len() as u64);
        match self {
            Stored::File { file, start, .. } => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(*start))?;
                file.read_exact(out)?;
            }
            #[cfg(feature = "zarr")]
            Stored::Memory(bytes) => out.copy_from_slice(bytes),
        }
        Ok(())
    }

    /// All of it in memory.
    #[cfg(feature = "zarr")]
    pub(crate) fn load(&self) -> Result<Loaded<'a>, Trouble> {
        match self {
            Stored::Memory(bytes) => Ok(Loaded::Borrowed(bytes)),
            Stored::File { len, .. } => {
                let mut buffer = Buffer::scratch(*len as usize);
                self.read_into(buffer.bytes_mut())?;
                Ok(Loaded::Owned(buffer))
            }
        }
    }
}

static TEMPORARY: AtomicU64 = AtomicU64::new(0);

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unique = TEMPORARY.fetch_add(1, Relaxed);
    path.with_file_name(format!(".{name}.{}.{unique}.partial", std::process::id()))
}

/// Puts `bytes` into the file at `path` in one step, making the directories above it if need be.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SourceError> {
    let temporary = temporary_beside(path);
    let create = || File::options().write(true).create_new(true).open(&temporary);
    let written = create()
        .or_else(|cause| match path.parent() {
            Some(parent) if cause.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(parent)?;
                create()
            }
            _ => Err(cause),
        })
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|cause| {
        // The first error is the one to tell; what cannot be removed now is a temporary file that nobody reads.
        let _ = std::fs::remove_file(&temporary);
        io_error("write", path, cause)
    })
}
