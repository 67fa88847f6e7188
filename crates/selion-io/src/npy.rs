//! NumPy's own file format, `.npy`, versions 1 to 3: a header that is a Python dictionary, then the elements.
//!
//! A region is read by seeking to its runs of neighbouring elements; where the runs are short and close together, what
//! lies between is read as well. A file in Fortran order is a C-ordered one with its axes turned around, and so is
//! what is read from it: no element is moved for that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use selion_core::{Buffer, Chunk, ChunkSink, ChunkSource, DType, Dims, Region, SourceError, Steps, contiguous_strides};

use crate::elements::{element_bytes, swap_bytes};
use crate::files::{Stored, Trouble, file_identity, io_error, is_missing, replace};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Elements begin at a multiple of this.
const ALIGN: usize = 64;
/// No header is longer: NumPy itself refuses to read one of more than 10,000 characters unasked.
const HEADER_MAX_BYTES: usize = 1 << 20;
/// Gaps up to this are read rather than jumped over: a page or two, which the system fetches anyhow.
const GAP_MAX_BYTES: usize = 16 << 10;
/// Runs with their gaps are read in pieces of this.
const PIECE_BYTES: usize = 1 << 20;

/// An array in a `.npy` file.
///
/// ```
/// use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region};
/// use selion_io::NpyArray;
///
/// let path = std::env::temp_dir().join(format!("selion-doc-{}.npy", std::process::id()));
/// let array = NpyArray::create(&path, DType::I32, &[2, 3], false)?;
/// array.write(&Region::new(&[0, 0], &[2, 3]), &Chunk::from_values(&[2, 3], &[0, 1, 2, 3, 4, 5]))?;
/// assert_eq!(NpyArray::open(&path)?.read(&Region::new(&[0, 1], &[2, 1]))?.to_vec::<i32>(), [1, 4]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), selion_core::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NpyArray {
    path: PathBuf,
    dtype: DType,
    big_endian: bool,
    fortran: bool,
    shape: Dims,
    /// Where the elements begin.
    start: u64,
    identity: String,
}

impl NpyArray {
    /// Opens a file; reads its header.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if there is no file, `Corrupt` if it is not a `.npy` file or too short,
    /// `Unsupported` for dtypes that selion does not have, `Io` if the system could not read it.
    pub fn open(path: impl AsRef<Path>) -> Result<NpyArray, SourceError> {
        let path = path.as_ref();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if is_missing(&cause) => return Err(SourceError::NotFound(path.display().to_string())),
            Err(cause) => return Err(io_error("open", path, cause)),
        };
        let (header, start) = read_header(&file).map_err(|trouble| trouble.at("read", path))?;
        let what = || path.display().to_string();
        let parsed = Header::parse(&header);
        let header =
            parsed.ok_or_else(|| SourceError::Corrupt { what: what(), why: format!("its header is {header:?}") })?;
        let (big_endian, text) = match header.descr.strip_prefix('>') {
            Some(rest) => (true, rest),
            None => (false, header.descr),
        };
        let dtype = DType::parse(text).map_err(|_| SourceError::Unsupported {
            what: what(),
            feature: format!("the data type {}", header.descr),
        })?;
        let array = NpyArray {
            path: path.to_owned(),
            dtype,
            big_endian,
            fortran: header.fortran,
            shape: header.shape,
            start,
            identity: format!("npy:{}", file_identity(path)?),
        };
        let stored = Stored::whole(&file).map_err(|trouble| trouble.at("read", path))?;
        let nbytes = array.shape.iter().try_fold(dtype.size() as u64, |nbytes, len| nbytes.checked_mul(*len as u64));
        match nbytes.and_then(|nbytes| nbytes.checked_add(start)) {
            Some(end) if end <= stored.len() => Ok(array),
            _ => Err(SourceError::Corrupt {
                what: what(),
                why: format!("it has {} bytes, too few for shape {:?} of {dtype}", stored.len(), array.shape),
            }),
        }
    }

    /// Creates a file of zeros, which takes no space until it is written. There is no telling from the file whether
    /// all of it was written.
    ///
    /// # Errors
    /// [`SourceError::Io`]: of kind `AlreadyExists` if there is a file and `overwrite` is not set, else what the system
    /// said.
    pub fn create(
        path: impl AsRef<Path>,
        dtype: DType,
        shape: &[usize],
        overwrite: bool,
    ) -> Result<NpyArray, SourceError> {
        let path = path.as_ref();
        if !overwrite && path.exists() {
            let cause = io::Error::new(io::ErrorKind::AlreadyExists, "a file is there already");
            return Err(io_error("create", path, cause));
        }
        let header = header(dtype, shape);
        replace(path, &header)?;
        let nbytes = shape.iter().product::<usize>() * dtype.size();
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len((header.len() + nbytes) as u64))
            .map_err(|cause| io_error("create", path, cause))?;
        Self::open(path)
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The axes as they lie in the file.
    fn stored(&self, of: &[usize]) -> Dims {
        if self.fortran { of.iter().rev().copied().collect() } else { of.into() }
    }

    fn reversed(&self) -> Dims {
        let axes = 0..self.shape.len();
        if self.fortran { axes.rev().collect() } else { axes.collect() }
    }
}

impl ChunkSource for NpyArray {
    fn dtype(&self) -> DType {
        NpyArray::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        NpyArray::shape(self)
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn read(&self, region: &Region) -> Result<Chunk, SourceError> {
        let runs = Runs::new(&self.stored(&self.shape), &self.stored(&region.start), &self.stored(&region.shape));
        let size = self.dtype.size();
        let mut buffer = Buffer::scratch(runs.count() * runs.len * size);
        let mut read = || -> Result<(), Trouble> {
            let file = File::open(&self.path)?;
            let stored = Stored::whole(&file)?;
            let elements = stored.part(self.start, stored.len().saturating_sub(self.start))?;
            runs.read(&elements, size, buffer.bytes_mut())
        };
        read().map_err(|trouble| trouble.at("read", &self.path))?;
        if self.big_endian {
            swap_bytes(buffer.bytes_mut(), self.dtype.real().size());
        }
        Ok(Chunk::new(self.dtype, &self.stored(&region.shape), buffer).transpose(&self.reversed()))
    }
}

impl ChunkSink for NpyArray {
    fn dtype(&self) -> DType {
        NpyArray::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        NpyArray::shape(self)
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    /// Writes run by run, in place: any number of writers may write regions that do not overlap.
    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        assert_eq!(block.shape(), &region.shape[..], "the block has the shape of its region");
        assert_eq!(block.dtype(), self.dtype, "the block has the dtype of the array");
        let runs = Runs::new(&self.stored(&self.shape), &self.stored(&region.start), &self.stored(&region.shape));
        let size = self.dtype.size();
        let block = block.transpose(&self.reversed()).to_contiguous();
        let mut bytes = std::borrow::Cow::Borrowed(element_bytes(&block));
        if self.big_endian {
            swap_bytes(bytes.to_mut(), self.dtype.real().size());
        }
        let write = || -> io::Result<()> {
            let mut file = File::options().write(true).open(&self.path)?;
            for (at, run) in runs.starts().zip(bytes.chunks_exact((runs.len * size).max(1))) {
                file.seek(SeekFrom::Start(self.start + (at * size) as u64))?;
                file.write_all(run)?;
            }
            Ok(())
        };
        write().map_err(|cause| io_error("write", &self.path, cause))
    }
}

/// The runs of neighbouring elements of which a region of a C-ordered array consists.
struct Runs {
    /// Elements of a run.
    len: usize,
    /// The element at which the first run starts.
    first: usize,
    /// For each outer axis: how many, and how many elements apart.
    outer: Vec<(usize, usize)>,
}

impl Runs {
    fn new(shape: &[usize], start: &[usize], lengths: &[usize]) -> Self {
        let inside = shape.len() == start.len() && (0..shape.len()).all(|k| start[k] + lengths[k] <= shape[k]);
        assert!(inside, "region from {start:?} of shape {lengths:?} is not within an array of shape {shape:?}");
        let strides: Steps = contiguous_strides(shape);
        // From this axis on, a run goes through all axes behind.
        let split = (0..shape.len()).rev().find(|k| lengths[*k] != shape[*k]).unwrap_or(0);
        Runs {
            len: lengths[split..].iter().product(),
            first: start.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum(),
            outer: (0..split).map(|k| (lengths[k], strides[k] as usize)).collect(),
        }
    }

    fn count(&self) -> usize {
        self.outer.iter().map(|(count, _)| count).product()
    }

    /// The elements at which the runs start, in order.
    fn starts(&self) -> impl Iterator<Item = usize> {
        (0..self.count()).map(|mut k| {
            self.outer.iter().rev().fold(self.first, |at, (count, step)| {
                let index = k % count;
                k /= count;
                at + index * step
            })
        })
    }

    fn read(&self, stored: &Stored<'_>, size: usize, out: &mut [u8]) -> Result<(), Trouble> {
        let (run, mut starts) = (self.len * size, self.starts());
        if out.is_empty() {
            return Ok(());
        }
        let Some((rows, pitch)) = self.outer.last().map(|(rows, step)| (*rows, step * size)) else {
            return stored.part((self.first * size) as u64, run as u64)?.read_into(out);
        };
        if pitch - run > GAP_MAX_BYTES || run >= PIECE_BYTES {
            for (at, out) in starts.zip(out.chunks_exact_mut(run)) {
                stored.part((at * size) as u64, run as u64)?.read_into(out)?;
            }
            return Ok(());
        }
        let at_once = (PIECE_BYTES / pitch).clamp(1, rows);
        let mut piece = Buffer::scratch((at_once - 1) * pitch + run);
        for out in out.chunks_exact_mut(rows * run) {
            for out in out.chunks_mut(at_once * run) {
                let rows = out.len() / run;
                let (Some(first), len) = (starts.next(), (rows - 1) * pitch + run) else { return Ok(()) };
                let piece = &mut piece.bytes_mut()[..len];
                stored.part((first * size) as u64, len as u64)?.read_into(piece)?;
                for (row, out) in out.chunks_exact_mut(run).enumerate() {
                    out.copy_from_slice(&piece[row * pitch..row * pitch + run]);
                }
                for _ in 1..rows {
                    starts.next();
                }
            }
        }
        Ok(())
    }
}

/// The text of the header, and where the elements begin.
fn read_header(mut file: &File) -> Result<(String, u64), Trouble> {
    let not_npy = || Trouble::Corrupt("it is not a .npy file".into());
    let mut prelude = [0; 8];
    file.read_exact(&mut prelude).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => not_npy(),
        _ => cause.into(),
    })?;
    if &prelude[..6] != MAGIC {
        return Err(not_npy());
    }
    let (len, before) = match prelude[6] {
        1 => {
            let mut len = [0; 2];
            file.read_exact(&mut len)?;
            (usize::from(u16::from_le_bytes(len)), 10)
        }
        2 | 3 => {
            let mut len = [0; 4];
            file.read_exact(&mut len)?;
            (u32::from_le_bytes(len) as usize, 12)
        }
        other => return Err(Trouble::Corrupt(format!("it is of version {other} of the .npy format"))),
    };
    if len > HEADER_MAX_BYTES {
        return Err(Trouble::Corrupt(format!("its header is said to have {len} bytes")));
    }
    let mut header = vec![0; len];
    file.read_exact(&mut header)?;
    Ok((String::from_utf8_lossy(&header).into_owned(), (before + len) as u64))
}

struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Dims,
}

impl<'a> Header<'a> {
    /// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
    fn parse(text: &'a str) -> Option<Self> {
        let value = |key: &str| -> Option<&'a str> {
            let at = text.find(&format!("'{key}'"))? + key.len() + 2;
            text[at..].trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = value("descr")?;
        let descr = match descr.strip_prefix('\'') {
            Some(rest) => rest.split_once('\'')?.0,
            // A structured dtype is a list: it names itself in the error.
            None => descr.split_once(", 'fortran_order'").map_or(descr, |(list, _)| list),
        };
        let order = value("fortran_order")?;
        let fortran = order.starts_with("True");
        let (inside, _) = value("shape")?.strip_prefix('(')?.split_once(')')?;
        let lengths = inside.split(',').map(|len| len.trim().trim_end_matches('L')).filter(|len| !len.is_empty());
        let shape = lengths.map(|len| len.parse().ok()).collect::<Option<Dims>>()?;
        (fortran || order.starts_with("False")).then_some(Header { descr, fortran, shape })
    }
}

/// The bytes before the elements.
fn header(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let lengths: String = match shape {
        [only] => format!("{only},"),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({lengths}), }}", dtype.typestr());
    // Version 1 counts the header in two bytes: 65,535 is enough for any number of axes that memory could hold.
    let before = MAGIC.len() + 4;
    let padded = (before + text.len() + 1).next_multiple_of(ALIGN);
    text.extend(std::iter::repeat_n(' ', padded - before - text.len() - 1));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}
