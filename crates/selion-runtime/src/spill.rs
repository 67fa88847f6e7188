//! The folder of values that had to leave memory.
//!
//! One folder per run, `selion-spill-<pid>-<random>`, made when the first value is written and removed with the run,
//! however it ends; a folder whose process is gone is removed when an executor is made. One file per value, removed with
//! the value. A file is read by the process that wrote it and by nobody else, so the format has no version:
//!
//! ```text
//! value  = 0                                    unit
//!        | 1 dtype ndim (len axis step)* block* chunk
//!        | 2 count value*                       tuple
//! block  = raw_len stored_len bytes             compressed where stored_len < raw_len
//! ```
//!
//! All numbers are little-endian `u32` or `u64`. Elements are written in the order in which they lie in memory, whatever
//! the axes' order, and what is repeated (stride 0) is written once; both are put right on reading by views.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use selion_core::{Buffer, Chunk, DType, Dims, ExecError, Value};

use crate::ledger::lock;

/// What folders are called before the process id.
const PREFIX: &str = "selion-spill-";
/// Smaller values stay: a file costs more than they free.
const SPILL_MIN_BYTES: usize = 1 << 10;
/// Elements are compressed and copied in pieces of this size, so that spilling takes little memory itself.
const BLOCK_BYTES: usize = 512 << 10;
/// A block is compressed if its first bytes shrink to this share, in percent; for less the disk is as quick.
const WORTHWHILE_PERCENT: usize = 80;
const SAMPLE_BYTES: usize = 16 << 10;

/// Whether a value may go to disk, and frees something by that.
pub(crate) fn is_spillable(value: &Value) -> bool {
    fn known(value: &Value) -> bool {
        match value {
            Value::Chunk(_) | Value::Unit => true,
            Value::Tuple(parts) => parts.iter().all(known),
            Value::Object { .. } => false,
        }
    }
    value.held_bytes() >= SPILL_MIN_BYTES && known(value)
}

/// A value on disk; removed when dropped.
pub(crate) struct SpillFile {
    path: PathBuf,
    /// What the value takes in memory when it is read.
    pub(crate) value_bytes: u64,
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        let _removed = std::fs::remove_file(&self.path); // what is left goes with the folder
    }
}

/// The values of one run that are on disk.
pub(crate) struct Store {
    parent: PathBuf,
    folder: Mutex<Option<Folder>>,
    files: AtomicU64,
    written_bytes: AtomicU64,
    read_bytes: AtomicU64,
    disk_bytes: AtomicU64,
}

struct Folder {
    path: PathBuf,
    /// Locked while the process lives, so that others can tell, even from another process namespace.
    _alive: Option<File>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.path);
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ExecError {
    move |cause| ExecError::Spill { path: path.display().to_string(), cause }
}

impl Store {
    /// A store whose folder will be in `parent`.
    pub(crate) fn new(parent: PathBuf) -> Self {
        Store {
            parent,
            folder: Mutex::new(None),
            files: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            disk_bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of values written and read, and of files written.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.written_bytes), load(&self.read_bytes), load(&self.disk_bytes))
    }

    /// Writes a value.
    pub(crate) fn write(&self, value: &Value) -> Result<SpillFile, ExecError> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.folder()?.join(number.to_string());
        let value_bytes = stored_bytes(value);
        let file = File::create_new(&path).map_err(failed(&path))?;
        let spilled = SpillFile { path, value_bytes }; // from here on an error removes the file
        let mut writer = Writer { file, pending: Vec::new(), packed: Vec::new(), disk_bytes: 0 };
        writer.value(value).and_then(|()| writer.flush()).map_err(failed(&spilled.path))?;
        self.written_bytes.fetch_add(value_bytes, Ordering::Relaxed);
        self.disk_bytes.fetch_add(writer.disk_bytes, Ordering::Relaxed);
        Ok(spilled)
    }

    /// Reads a value back.
    pub(crate) fn read(&self, spilled: &SpillFile) -> Result<Value, ExecError> {
        let read = || -> io::Result<Value> {
            let file = io::BufReader::with_capacity(64 << 10, File::open(&spilled.path)?);
            Reader { file, packed: Vec::new() }.value()
        };
        let value = read().map_err(failed(&spilled.path))?;
        self.read_bytes.fetch_add(spilled.value_bytes, Ordering::Relaxed);
        Ok(value)
    }

    fn folder(&self) -> Result<PathBuf, ExecError> {
        let mut folder = lock(&self.folder);
        if let Some(folder) = &*folder {
            return Ok(folder.path.clone());
        }
        std::fs::create_dir_all(&self.parent).map_err(failed(&self.parent))?;
        let random = RandomState::new().hash_one(std::process::id());
        let path = self.parent.join(format!("{PREFIX}{}-{random:016x}", std::process::id()));
        private_folder(&path).map_err(failed(&path))?;
        let alive = File::create_new(path.join(ALIVE)).and_then(|file| file.lock().map(|()| file)).ok();
        *folder = Some(Folder { path: path.clone(), _alive: alive });
        Ok(path)
    }
}

/// The file in a folder that its process keeps locked.
const ALIVE: &str = "alive";

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Removes the folders in `parent` that processes have left which are no more.
///
/// Such a process has no entry in `/proc`, and holds no lock on its folder's file: the second tells processes of other
/// containers that share the folder. Where there is no `/proc`, nothing is removed.
pub(crate) fn remove_stale(parent: &Path) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let Some(pid) = pid
            && is_folder
            && !Path::new(&format!("/proc/{pid}")).exists()
            && !File::open(entry.path().join(ALIVE)).is_ok_and(|file| file.try_lock().is_err())
        {
            let _removed = std::fs::remove_dir_all(entry.path()); // another's folder is not ours to remove
        }
    }
}

/// What the value takes in memory when it is read back.
fn stored_bytes(value: &Value) -> u64 {
    match value {
        Value::Chunk(chunk) => Layout::of(chunk).elements.nbytes() as u64,
        Value::Tuple(parts) => parts.iter().map(stored_bytes).sum(),
        Value::Object { .. } | Value::Unit => 0,
    }
}

/// A chunk as it lies in memory: axes from the widest to the narrowest stride, repeated axes once.
struct Layout {
    elements: Chunk,
    /// Which axis of the chunk each axis of `elements` is.
    axes: Vec<usize>,
}

impl Layout {
    fn of(chunk: &Chunk) -> Layout {
        let mut elements = chunk.clone();
        for axis in 0..chunk.ndim() {
            if chunk.strides()[axis] == 0 && chunk.shape()[axis] > 1 {
                elements = elements.slice(axis, 0, 1, 1);
            }
        }
        let mut axes: Vec<usize> = (0..chunk.ndim()).collect();
        axes.sort_by_key(|axis| std::cmp::Reverse(elements.strides()[*axis].unsigned_abs()));
        Layout { elements: elements.transpose(&axes), axes }
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")
}

struct Writer {
    file: File,
    /// Headers, and small blocks, that are yet to be written.
    pending: Vec<u8>,
    packed: Vec<u8>,
    disk_bytes: u64,
}

impl Writer {
    fn flush(&mut self) -> io::Result<()> {
        self.disk_bytes += self.pending.len() as u64;
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn number(&mut self, number: usize) {
        self.pending.extend((number as u64).to_le_bytes());
    }

    fn value(&mut self, value: &Value) -> io::Result<()> {
        match value {
            Value::Unit => self.pending.push(0),
            Value::Chunk(chunk) => {
                self.pending.push(1);
                self.chunk(chunk)?;
            }
            Value::Tuple(parts) => {
                self.pending.push(2);
                self.number(parts.len());
                for part in parts.iter() {
                    self.value(part)?;
                }
            }
            Value::Object { .. } => return Err(io::Error::other("an object cannot be spilled")),
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        let dtype = chunk.dtype().typestr();
        self.pending.push(dtype.len() as u8);
        self.pending.extend(dtype.as_bytes());
        self.number(chunk.ndim());
        let Layout { elements, axes } = Layout::of(chunk);
        for (axis, len) in axes.iter().zip(elements.shape()) {
            self.number(*axis);
            self.number(*len);
            self.number(chunk.shape()[*axis]);
        }
        let packs = Self::packs(&elements);
        self.pieces(&elements, packs)
    }

    /// Whether a sample from the middle of a chunk says that compression pays.
    fn packs(elements: &Chunk) -> bool {
        if elements.nbytes() < SAMPLE_BYTES {
            return false;
        }
        let bytes = elements.buffer().bytes();
        let start = elements.offset() * elements.dtype().size();
        let start = if elements.is_contiguous() { start + (elements.nbytes() - SAMPLE_BYTES) / 2 } else { 0 };
        let sample = &bytes[start..bytes.len().min(start + SAMPLE_BYTES)];
        lz4_flex::block::compress(sample).len() * 100 <= sample.len() * WORTHWHILE_PERCENT
    }

    /// Writes elements in C order: those without gaps straight from memory, others by halves.
    fn pieces(&mut self, chunk: &Chunk, packs: bool) -> io::Result<()> {
        if chunk.is_contiguous() || chunk.nbytes() <= BLOCK_BYTES {
            let whole = chunk.to_contiguous();
            let start = whole.offset() * whole.dtype().size();
            let bytes = if whole.is_empty() { &[] } else { &whole.buffer().bytes()[start..start + whole.nbytes()] };
            return bytes.chunks(BLOCK_BYTES).try_for_each(|block| self.block(block, packs));
        }
        let axis = chunk.shape().iter().position(|len| *len > 1).unwrap_or(0);
        let half = chunk.shape()[axis] / 2;
        self.pieces(&chunk.slice(axis, 0, 1, half), packs)?;
        self.pieces(&chunk.slice(axis, half, 1, chunk.shape()[axis] - half), packs)
    }

    fn block(&mut self, bytes: &[u8], packs: bool) -> io::Result<()> {
        let mut stored = bytes;
        if packs {
            self.packed.resize(lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
            let len = lz4_flex::block::compress_into(bytes, &mut self.packed).unwrap_or(usize::MAX);
            if len < bytes.len() {
                stored = &self.packed[..len];
            }
        }
        self.pending.extend((bytes.len() as u32).to_le_bytes());
        self.pending.extend((stored.len() as u32).to_le_bytes());
        self.disk_bytes += (self.pending.len() + stored.len()) as u64;
        self.file.write_all(&self.pending)?;
        self.file.write_all(stored)?;
        self.pending.clear();
        Ok(())
    }
}

struct Reader<R> {
    file: R,
    packed: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<usize> {
        self.array().map(|bytes| u64::from_le_bytes(bytes) as usize)
    }

    fn value(&mut self) -> io::Result<Value> {
        match self.array::<1>()? {
            [0] => Ok(Value::Unit),
            [1] => self.chunk().map(Value::Chunk),
            [2] => {
                let count = self.number()?;
                (0..count).map(|_| self.value()).collect::<io::Result<Vec<_>>>().map(|parts| Value::Tuple(parts.into()))
            }
            _ => Err(invalid()),
        }
    }

    fn chunk(&mut self) -> io::Result<Chunk> {
        let [len] = self.array()?;
        let mut name = vec![0; usize::from(len)];
        self.file.read_exact(&mut name)?;
        let dtype = std::str::from_utf8(&name).ok().and_then(|name| DType::parse(name).ok()).ok_or_else(invalid)?;
        let ndim = self.number()?;
        let (mut lens, mut places, mut shape) = (Dims::new(), vec![0; ndim], Dims::from_elem(0, ndim));
        for place in 0..ndim {
            let axis = self.number()?;
            lens.push(self.number()?);
            *places.get_mut(axis).ok_or_else(invalid)? = place;
            shape[axis] = self.number()?;
        }
        let mut buffer = Buffer::scratch(lens.iter().product::<usize>() * dtype.size());
        let mut rest = buffer.bytes_mut();
        while !rest.is_empty() {
            let (raw, stored) =
                (u32::from_le_bytes(self.array()?) as usize, u32::from_le_bytes(self.array()?) as usize);
            let (block, after) = rest.split_at_mut_checked(raw).ok_or_else(invalid)?;
            if stored == raw {
                self.file.read_exact(block)?;
            } else {
                self.packed.resize(stored, 0);
                self.file.read_exact(&mut self.packed)?;
                lz4_flex::block::decompress_into(&self.packed, block).map_err(|_| invalid())?;
            }
            rest = after;
        }
        Ok(Chunk::new(dtype, &lens, buffer).transpose(&places).broadcast_to(&shape))
    }
}
