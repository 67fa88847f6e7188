//! Python objects as storage: anything with `shape`, `dtype` and `__getitem__` to read, `__setitem__` to write.

use pyo3::prelude::*;
use pyo3::types::{PySlice, PyTuple};
use selion::core::{Chunk, ChunkSink, ChunkSource, DType, Region, SourceError};

use crate::chunk::{from_numpy, to_numpy_readonly};
use crate::errors::raised;

/// A Python object that is read or written in boxes.
pub(crate) struct PyStorage {
    object: Py<PyAny>,
    /// Held while the object is used, if it is not safe to use from several threads.
    lock: Option<Py<PyAny>>,
    dtype: DType,
    shape: Vec<usize>,
    chunks: Option<Vec<usize>>,
    location: String,
    identity: String,
}

impl PyStorage {
    pub(crate) fn new(object: &Bound<'_, PyAny>, lock: Option<Bound<'_, PyAny>>, token: String) -> PyResult<Self> {
        let shape: Vec<usize> = object.getattr("shape")?.extract()?;
        let dtype = crate::convert::dtype(&object.getattr("dtype")?)?;
        let chunks: Option<Vec<usize>> = object.getattr("chunks").ok().and_then(|chunks| chunks.extract().ok());
        let chunks = chunks.filter(|chunks| chunks.len() == shape.len());
        let kind = object.get_type();
        let location = format!("{}.{}", kind.module()?, kind.name()?);
        let lock = lock.map(Bound::unbind);
        Ok(PyStorage { object: object.clone().unbind(), lock, dtype, shape, chunks, location, identity: token })
    }

    fn locked<T>(&self, py: Python<'_>, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<T> {
        let object = self.object.bind(py);
        let Some(lock) = &self.lock else { return work(object) };
        lock.call_method0(py, "acquire")?;
        let result = work(object);
        lock.call_method0(py, "release")?;
        result
    }
}

fn index<'py>(py: Python<'py>, region: &Region) -> PyResult<Bound<'py, PyTuple>> {
    let slices = region.start.iter().zip(&region.shape);
    PyTuple::new(py, slices.map(|(start, len)| PySlice::new(py, *start as isize, (start + len) as isize, 1)))
}

impl ChunkSource for PyStorage {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn storage_chunks(&self) -> Option<&[usize]> {
        self.chunks.as_deref()
    }

    fn location(&self) -> String {
        self.location.clone()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn read(&self, region: &Region) -> Result<Chunk, SourceError> {
        Python::attach(|py| {
            self.locked(py, |object| {
                let part = object.get_item(index(py, region)?)?;
                let array = py.import("numpy")?.call_method1("asarray", (part,))?;
                from_numpy(&array)
            })
        })
        .map_err(|error| SourceError::Foreign(raised(error)))
    }
}

impl ChunkSink for PyStorage {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn storage_chunks(&self) -> Option<&[usize]> {
        self.chunks.as_deref()
    }

    fn location(&self) -> String {
        self.location.clone()
    }

    fn write(&self, region: &Region, block: &Chunk) -> Result<(), SourceError> {
        Python::attach(|py| {
            let block = to_numpy_readonly(py, block.clone())?;
            self.locked(py, |object| object.set_item(index(py, region)?, block))
        })
        .map_err(|error| SourceError::Foreign(raised(error)))
    }
}
