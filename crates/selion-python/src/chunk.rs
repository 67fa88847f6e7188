//! NumPy arrays as chunks and chunks as NumPy arrays, without a copy, through the array interface protocol.
//!
//! Inward, the chunk's buffer borrows the array's memory and holds a reference to the array. Outward, a [`Block`] offers
//! its memory by `__array_interface__` and becomes the base of the array that NumPy makes of it. A block is writable only
//! if nothing else refers to its memory.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use selion::core::{Buffer, Chunk, DType, Dims, Steps};

/// What is often needed of NumPy.
pub(crate) struct Numpy {
    pub(crate) ndarray: Py<PyAny>,
    pub(crate) generic: Py<PyAny>,
}

/// NumPy's things, looked up once.
pub(crate) fn numpy(py: Python<'_>) -> PyResult<&'static Numpy> {
    static NUMPY: PyOnceLock<Numpy> = PyOnceLock::new();
    NUMPY.get_or_try_init(py, || {
        let numpy = py.import("numpy")?;
        let get = |name: &str| numpy.getattr(name).map(Bound::unbind);
        Ok(Numpy { ndarray: get("ndarray")?, generic: get("generic")? })
    })
}

/// A block of elements that NumPy can look at.
#[pyclass(frozen, module = "selion._selion")]
pub(crate) struct Block {
    chunk: Chunk,
    writable: bool,
}

#[pymethods]
impl Block {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let chunk = &self.chunk;
        let size = chunk.dtype().size();
        let data = chunk.buffer().bytes().as_ptr() as usize + chunk.offset() * size;
        let strides: Vec<isize> = chunk.strides().iter().map(|stride| stride * size as isize).collect();
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", chunk.dtype().typestr())?;
        interface.set_item("shape", PyTuple::new(py, chunk.shape())?)?;
        interface.set_item("strides", PyTuple::new(py, strides)?)?;
        interface.set_item("data", (data, !self.writable))?;
        Ok(interface)
    }
}

/// The NumPy array of a chunk; scalars stay 0-d arrays.
pub(crate) fn to_numpy(py: Python<'_>, chunk: Chunk) -> PyResult<Bound<'_, PyAny>> {
    view_of(py, chunk, true)
}

/// As [`to_numpy`], for blocks that others may be reading: read-only.
pub(crate) fn to_numpy_readonly(py: Python<'_>, chunk: Chunk) -> PyResult<Bound<'_, PyAny>> {
    view_of(py, chunk, false)
}

/// As [`to_numpy`], of memory that others may be reading: what was NumPy's is the same array again, and the rest may be
/// written to as well. Who writes to it while others read has a race of their own, as with Dask's threads.
pub(crate) fn to_numpy_shared(py: Python<'_>, chunk: Chunk) -> PyResult<Bound<'_, PyAny>> {
    if let Some(lent) = chunk.buffer().owner().and_then(|owner| owner.downcast_ref::<Lent>()) {
        let whole = (lent.dtype, &lent.shape, &lent.strides, lent.offset);
        if whole == (chunk.dtype(), &chunk.shape().into(), &chunk.strides().into(), chunk.offset()) {
            return Ok(lent.array.bind(py).clone());
        }
    }
    let repeats = chunk.shape().iter().zip(chunk.strides()).any(|(len, stride)| *len > 1 && *stride == 0);
    let block = Bound::new(py, Block { chunk, writable: !repeats })?;
    py.import("numpy")?.call_method1("asarray", (block,))
}

/// A NumPy array whose memory was lent, and which elements of the memory it has.
struct Lent {
    array: Py<PyAny>,
    dtype: DType,
    shape: Dims,
    strides: Steps,
    offset: usize,
}

/// The chunk of a result, if it is nothing but a NumPy array of a dtype that selion has too, and worth it.
pub(crate) fn as_chunk(result: &Bound<'_, PyAny>) -> PyResult<Option<Chunk>> {
    let py = result.py();
    if !result.get_type().is(&numpy(py)?.ndarray) {
        return Ok(None);
    }
    let interface = result.getattr(intern!(py, "__array_interface__"))?;
    let typestr = interface.get_item(intern!(py, "typestr"))?.cast_into::<PyString>()?;
    let typestr = typestr.to_str()?;
    if typestr.starts_with('>') || DType::parse(typestr).is_err() {
        return Ok(None);
    }
    let chunk = from_numpy(result)?;
    Ok((!chunk.shape().is_empty()).then_some(chunk))
}

/// The chunk without axes of one of NumPy's numbers, if selion has its dtype.
pub(crate) fn of_scalar(number: &Bound<'_, PyAny>) -> PyResult<Option<Chunk>> {
    let text: String = number.getattr("dtype")?.getattr("str")?.extract()?;
    if text.starts_with('>') || DType::parse(&text).is_err() {
        return Ok(None);
    }
    from_numpy(&number.py().import("numpy")?.call_method1("asarray", (number,))?).map(Some)
}

fn view_of(py: Python<'_>, chunk: Chunk, writable: bool) -> PyResult<Bound<'_, PyAny>> {
    let alone = |chunk: &Chunk| {
        let repeats = chunk.shape().iter().zip(chunk.strides()).any(|(len, stride)| *len > 1 && *stride == 0);
        chunk.buffer().is_owned() && Arc::strong_count(chunk.buffer()) == 1 && !repeats
    };
    let chunk = if writable && !alone(&chunk) { chunk.compact_copy() } else { chunk };
    let block = Bound::new(py, Block { chunk, writable })?;
    py.import("numpy")?.call_method1("asarray", (block,))
}

/// The chunk of a NumPy array: a view of its memory where that is in the machine's byte order and aligned, else a copy.
///
/// # Errors
/// `TypeError` for a dtype that selion does not have.
pub(crate) fn from_numpy(array: &Bound<'_, PyAny>) -> PyResult<Chunk> {
    let py = array.py();
    let interface = match array.getattr("__array_interface__") {
        Ok(interface) => interface,
        Err(_) => py.import("numpy")?.call_method1("asarray", (array,))?.getattr("__array_interface__")?,
    };
    let typestr: String = interface.get_item("typestr")?.extract()?;
    let Ok(dtype) = DType::parse(&typestr) else {
        if typestr.starts_with('>') {
            let native = array.getattr("dtype")?.call_method1("newbyteorder", ("=",))?;
            return from_numpy(&array.call_method1("astype", (native,))?);
        }
        let dtype = array.getattr("dtype")?;
        return Err(PyTypeError::new_err(format!("selion has no arrays of dtype {dtype}")));
    };
    let shape: Dims = interface.get_item("shape")?.extract::<Vec<usize>>()?.into();
    let size = dtype.size();
    let strides: Option<Vec<isize>> = match interface.get_item("strides") {
        Ok(strides) => strides.extract()?,
        Err(_) => None,
    };
    let (data, _readonly): (usize, bool) = interface.get_item("data")?.extract()?;
    let strides: Steps = match strides {
        None => selion::core::contiguous_strides(&shape),
        Some(strides) => {
            let whole = strides.iter().all(|stride| stride % size as isize == 0);
            if !whole || !data.is_multiple_of(size.min(8)) {
                return from_numpy(&py.import("numpy")?.call_method1("array", (array,))?);
            }
            strides.iter().map(|stride| stride / size as isize).collect()
        }
    };
    if !data.is_multiple_of(size.min(8)) {
        return from_numpy(&py.import("numpy")?.call_method1("array", (array,))?);
    }
    if shape.contains(&0) {
        return Ok(Chunk::new(dtype, &shape, Buffer::zeroed(0)));
    }
    let reach = |forward: bool| -> isize {
        shape
            .iter()
            .zip(&strides)
            .map(|(len, stride)| (*len as isize - 1) * stride)
            .filter(|step| (*step > 0) == forward)
            .sum()
    };
    let (before, after) = (-reach(false), reach(true));
    let start = (data as isize - before * size as isize) as usize;
    let len = (before + after + 1) as usize * size;
    let (array, offset) = (array.clone().unbind(), before as usize);
    let lent = Lent { array, dtype, shape: shape.clone(), strides: strides.clone(), offset };
    // SAFETY: the array interface promises that the elements at these offsets from `data` are in memory that lives as
    // long as the array, to which `lent` has a reference. NumPy does not move an array's memory while it is referenced.
    let buffer = unsafe { Buffer::foreign(start as *const u8, len, Box::new(lent)) };
    Ok(Chunk::from_parts(dtype, shape, strides, offset, Arc::new(buffer)))
}

/// A chunk whose elements lie one after the other in bytes that came from elsewhere: read in place if they are aligned.
///
/// None if there are not as many bytes as elements take.
pub(crate) fn from_bytes(dtype: DType, shape: &[usize], bytes: bytes::Bytes) -> Option<Chunk> {
    let len = shape.iter().try_fold(dtype.size(), |len, n| len.checked_mul(*n))?;
    if bytes.len() != len {
        return None;
    }
    if len == 0 || !(bytes.as_ptr() as usize).is_multiple_of(dtype.size().min(8)) {
        return Some(Chunk::new(dtype, shape, Buffer::from_slice::<u8>(&bytes)));
    }
    // SAFETY: `Bytes` are initialised, do not move or change, and may be read from any thread; the buffer owns them.
    let buffer = unsafe { Buffer::foreign(bytes.as_ptr(), len, Box::new(bytes)) };
    Some(Chunk::from_parts(dtype, shape.into(), selion::core::contiguous_strides(shape), 0, Arc::new(buffer)))
}

/// The elements of a chunk, one after the other: where they lie, if they lie so.
pub(crate) fn to_bytes(chunk: &Chunk) -> bytes::Bytes {
    struct Elements(Chunk);
    impl AsRef<[u8]> for Elements {
        fn as_ref(&self) -> &[u8] {
            let (size, chunk) = (self.0.dtype().size(), &self.0);
            &chunk.buffer().bytes()[chunk.offset() * size..][..chunk.nbytes()]
        }
    }
    let chunk = if chunk.is_contiguous() { chunk.clone() } else { chunk.to_contiguous() };
    if chunk.is_empty() { bytes::Bytes::new() } else { bytes::Bytes::from_owner(Elements(chunk)) }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Block>()
}
