//! A stack of `.npy` files: `0.npy`, `1.npy`, … lie one after the other along one axis, as Dask's `to_npy_stack` does.
//!
//! Beside them lies `info`, a Python pickle of chunks, dtype and axis. It is written as Python understands it, with the
//! few instructions that this takes, and read only as far as the axis: everything else is in the files themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selion_core::{
    Buffer, Chunk, ChunkSink, ChunkSource, DType, Dims, Region, SourceError, assign, contiguous_strides,
};

use crate::NpyArray;
use crate::files::{io_error, is_missing, replace};

const INFO: &str = "info";

/// An array in a directory of `.npy` files. Cloning is cheap.
///
/// ```
/// use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region};
/// use selion_io::NpyStack;
///
/// let path = std::env::temp_dir().join(format!("selion-doc-stack-{}", std::process::id()));
/// let stack = NpyStack::create(&path, DType::I64, &[3, 2], 0, &[2, 1], false)?;
/// stack.write(&Region::new(&[0, 0], &[3, 2]), &Chunk::from_values(&[3, 2], &[0i64, 1, 2, 3, 4, 5]))?;
/// let again = NpyStack::open(&path)?;
/// assert_eq!(again.read(&Region::new(&[1, 0], &[2, 1]))?.to_vec::<i64>(), [2, 4]);
/// # std::fs::remove_dir_all(&path).unwrap();
/// # Ok::<(), selion_core::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NpyStack {
    path: PathBuf,
    axis: usize,
    shape: Dims,
    files: Arc<[NpyArray]>,
}

impl NpyStack {
    /// Opens a directory; reads the header of each file.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if there is no `info` in it, `Corrupt` if the files do not fit together, and whatever
    /// [`NpyArray::open`] says.
    pub fn open(path: impl AsRef<Path>) -> Result<NpyStack, SourceError> {
        let path = path.as_ref();
        let info_path = path.join(INFO);
        let info = std::fs::read(&info_path).map_err(|cause| match cause {
            cause if is_missing(&cause) => SourceError::NotFound(path.display().to_string()),
            cause => io_error("open", &info_path, cause),
        })?;
        let corrupt = |path: &Path, why: String| SourceError::Corrupt { what: path.display().to_string(), why };
        let axis = read_axis(&info).ok_or_else(|| corrupt(&info_path, "it does not tell the axis".into()))?;
        let mut files: Vec<NpyArray> = Vec::new();
        loop {
            match NpyArray::open(path.join(format!("{}.npy", files.len()))) {
                Ok(file) => files.push(file),
                Err(SourceError::NotFound(_)) if !files.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        let (dtype, mut shape) = (files[0].dtype(), Dims::from(files[0].shape()));
        for file in &files[1..] {
            let alike = |k: usize| k == axis || file.shape().get(k) == shape.get(k);
            if file.dtype() != dtype || file.shape().len() != shape.len() || !(0..shape.len()).all(alike) {
                let why = format!("it has {} of {:?} in a stack of {dtype} of {shape:?}", file.dtype(), file.shape());
                return Err(corrupt(file.path(), why));
            }
        }
        if axis >= shape.len() {
            return Err(corrupt(&info_path, format!("it tells of axis {axis} of {}", shape.len())));
        }
        shape[axis] = files.iter().map(|file| file.shape()[axis]).sum();
        Ok(NpyStack { path: path.to_owned(), axis, shape, files: files.into() })
    }

    /// Creates a directory with files of zeros, of the given lengths along `axis`.
    ///
    /// # Errors
    /// [`SourceError::Io`]: of kind `AlreadyExists` if there is a stack and `overwrite` is not set, of kind
    /// `InvalidInput` if the lengths do not add up to the axis, else what the system said.
    pub fn create(
        path: impl AsRef<Path>,
        dtype: DType,
        shape: &[usize],
        axis: usize,
        lengths: &[usize],
        overwrite: bool,
    ) -> Result<NpyStack, SourceError> {
        let path = path.as_ref();
        let refuse = |kind, why: &str| Err(io_error("create", path, io::Error::new(kind, why.to_owned())));
        if lengths.is_empty() || shape.get(axis) != Some(&lengths.iter().sum()) {
            return refuse(io::ErrorKind::InvalidInput, "the lengths of the files do not add up to the axis");
        }
        let info = path.join(INFO);
        if !overwrite && info.exists() {
            return refuse(io::ErrorKind::AlreadyExists, "a stack is there already");
        }
        std::fs::create_dir_all(path).map_err(|cause| io_error("create", path, cause))?;
        let file = |k: usize| path.join(format!("{k}.npy"));
        for stale in (lengths.len()..).map(file).take_while(|file| overwrite && file.exists()) {
            std::fs::remove_file(&stale).map_err(|cause| io_error("overwrite", &stale, cause))?;
        }
        for (k, len) in lengths.iter().enumerate() {
            let mut shape = Dims::from(shape);
            shape[axis] = *len;
            NpyArray::create(file(k), dtype, &shape, overwrite)?;
        }
        replace(&info, &pickle(dtype, shape, axis, lengths))?;
        Self::open(path)
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.files[0].dtype()
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The axis along which the files lie one after the other.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// The lengths of the files along the axis.
    pub fn lengths(&self) -> Vec<usize> {
        self.files.iter().map(|file| file.shape()[self.axis]).collect()
    }

    /// The files that a region meets: the region in the file, and the part of the region that this is.
    fn meetings<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = (&'a NpyArray, Region, Region)> {
        let mut file_start = 0;
        let (start, end) = (region.start[self.axis], region.start[self.axis] + region.shape[self.axis]);
        assert!(end <= self.shape[self.axis], "region {region:?} is not within an array of shape {:?}", self.shape);
        self.files.iter().filter_map(move |file| {
            let file_end = file_start + file.shape()[self.axis];
            let (from, to) = (start.max(file_start), end.min(file_end));
            let meeting = (from < to).then(|| {
                let (mut in_file, mut in_region) = (region.clone(), region.clone());
                in_region.start.fill(0);
                in_file.start[self.axis] = from - file_start;
                in_region.start[self.axis] = from - start;
                in_file.shape[self.axis] = to - from;
                in_region.shape[self.axis] = to - from;
                (file, in_file, in_region)
            });
            file_start = file_end;
            meeting
        })
    }
}

impl ChunkSource for NpyStack {
    fn dtype(&self) -> DType {
        NpyStack::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        NpyStack::shape(self)
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn identity(&self) -> String {
        let files: Vec<String> = self.files.iter().map(ChunkSource::identity).collect();
        format!("stack along {}: {}", self.axis, files.join(" "))
    }

    fn read(&self, region: &Region) -> Result<Chunk, SourceError> {
        let dtype = self.dtype();
        let mut meetings = self.meetings(region).peekable();
        let first = meetings.next();
        if let (Some((file, in_file, _)), None) = (&first, meetings.peek()) {
            return file.read(in_file);
        }
        let mut buffer = Buffer::scratch(region.shape.iter().product::<usize>() * dtype.size());
        let strides = contiguous_strides(&region.shape);
        for (file, in_file, in_region) in first.into_iter().chain(meetings) {
            let offset = in_region.start[self.axis] * strides[self.axis] as usize;
            assign(&mut buffer, offset, &strides, &file.read(&in_file)?);
        }
        Ok(Chunk::new(dtype, &region.shape, buffer))
    }
}

impl ChunkSink for NpyStack {
    fn dtype(&self) -> DType {
        NpyStack::dtype(self)
    }

    fn shape(&self) -> &[usize] {
        NpyStack::shape(self)
    }

    fn location(&self) -> String {
        ChunkSource::location(self)
    }

    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        for (file, in_file, in_region) in self.meetings(region) {
            file.write(&in_file, &block.sub_block(&in_region.start, &in_region.shape))?;
        }
        Ok(())
    }
}

/// The instructions of Python's pickle language that are needed (protocol 2).
mod op {
    pub(super) const PROTOCOL_2: &[u8] = b"\x80\x02";
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const MARK: u8 = b'(';
    pub(super) const SET_ITEMS: u8 = b'u';
    pub(super) const TEXT: u8 = b'X';
    pub(super) const SIGNED_8_BYTES: &[u8] = b"\x8a\x08";
    pub(super) const BYTE: u8 = b'K';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const CALL: u8 = b'R';
    pub(super) const STOP: u8 = b'.';
    pub(super) const MEMOIZE: u8 = 0x94;
    pub(super) const MEMOIZE_AT: u8 = b'q';
}

/// `{"chunks": ((…), …), "dtype": numpy.dtype(…), "axis": …}`.
fn pickle(dtype: DType, shape: &[usize], axis: usize, lengths: &[usize]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(op::TEXT);
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    let mut out = op::PROTOCOL_2.to_vec();
    out.extend([op::EMPTY_DICT, op::MARK]);
    text(&mut out, "chunks");
    out.push(op::MARK);
    for (k, len) in shape.iter().enumerate() {
        out.push(op::MARK);
        for len in if k == axis { lengths } else { std::slice::from_ref(len) } {
            out.extend(op::SIGNED_8_BYTES);
            out.extend((*len as i64).to_le_bytes());
        }
        out.push(op::TUPLE);
    }
    out.push(op::TUPLE);
    text(&mut out, "dtype");
    out.extend(b"cnumpy\ndtype\n");
    out.push(op::MARK);
    text(&mut out, &dtype.typestr());
    out.extend([op::TUPLE, op::CALL]);
    text(&mut out, "axis");
    out.extend([op::BYTE, axis as u8]);
    out.extend([op::SET_ITEMS, op::STOP]);
    out
}

/// The number that follows the text `axis`.
fn read_axis(info: &[u8]) -> Option<usize> {
    let key = b"axis";
    let at = info.windows(key.len()).rposition(|window| window == key)? + key.len();
    match info.get(at..)? {
        [op::BYTE, axis, ..] | [op::MEMOIZE, op::BYTE, axis, ..] | [op::MEMOIZE_AT, _, op::BYTE, axis, ..] => {
            Some((*axis).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_read_from_what_python_and_selion_write() {
        assert_eq!(read_axis(&pickle(DType::F64, &[4, 300], 1, &[100, 200])), Some(1));
        // `pickle.dumps({"axis": 2})` by protocols 4 and 2.
        assert_eq!(read_axis(b"\x80\x04\x95\x0c\0\0\0\0\0\0\0}\x94\x8c\x04axis\x94K\x02s."), Some(2));
        assert_eq!(read_axis(b"\x80\x02}q\x00X\x04\x00\x00\x00axisq\x01K\x02s."), Some(2));
        assert_eq!(read_axis(b"nothing"), None);
    }
}
