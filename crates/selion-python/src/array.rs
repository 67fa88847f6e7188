//! The class `selion._selion.Array` and the functions that make one. Every method is a conversion and a call.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{Array, Chunks, ReduceKind, UNKNOWN, ufunc as apply_ufunc};
use selion::core::ChunkSink;
use selion::io::{CreateOptions, ZarrArray};
use selion::kernels::program::Op;
use selion::kernels::random::{Distribution, Key};

use crate::chunk::from_numpy;
use crate::convert::{self, numpy_dtype, operand};
use crate::errors::to_python;
use crate::source::PyStorage;

/// A lazy chunked array.
#[pyclass(frozen, name = "Array", module = "selion._selion")]
pub(crate) struct PyArray(pub(crate) Array);

fn made(result: selion::array::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray).map_err(to_python)
}

/// A length as Python has it: `nan` where it is unknown.
fn length(py: Python<'_>, len: usize) -> PyResult<Bound<'_, PyAny>> {
    if len == UNKNOWN { Ok(f64::NAN.into_pyobject(py)?.into_any()) } else { Ok(len.into_pyobject(py)?.into_any()) }
}

#[pymethods]
impl PyArray {
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        numpy_dtype(py, self.0.dtype())
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let lens: Vec<_> = self.0.shape().iter().map(|len| length(py, *len)).collect::<PyResult<_>>()?;
        PyTuple::new(py, lens)
    }

    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let axes: Vec<_> = self
            .0
            .chunks()
            .axes()
            .iter()
            .map(|axis| {
                let lens: Vec<_> = axis.lens().iter().map(|len| length(py, *len)).collect::<PyResult<_>>()?;
                PyTuple::new(py, lens)
            })
            .collect::<PyResult<_>>()?;
        PyTuple::new(py, axes)
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.0.ndim()
    }

    #[getter]
    fn numblocks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.chunks().numblocks())
    }

    #[getter]
    fn itemsize(&self) -> usize {
        self.0.dtype().size()
    }

    #[getter]
    fn name(&self) -> String {
        self.0.name()
    }

    #[getter]
    fn kind(&self) -> &str {
        self.0.kind()
    }

    fn astype(&self, dtype: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        made(self.0.astype(convert::dtype(dtype)?))
    }

    fn rechunk(&self, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        if !self.0.chunks().is_known() {
            let previous = self.0.chunks();
            previous.known("rechunk").map_err(to_python)?;
        }
        let chunks = convert::chunks(chunks, &self.0.shape(), self.0.dtype(), Some(self.0.chunks()))?;
        made(self.0.rechunk_to(chunks))
    }

    #[pyo3(signature = (kind, axis=None, keepdims=false, ddof=0.0, split_every=0))]
    fn reduce(
        &self,
        kind: &str,
        axis: Option<&Bound<'_, PyAny>>,
        keepdims: bool,
        ddof: f64,
        split_every: usize,
    ) -> PyResult<PyArray> {
        let kind = ReduceKind::from_name(kind)
            .ok_or_else(|| PyValueError::new_err(format!("there is no reduction {kind:?}")))?;
        let axes = convert::axes(axis)?;
        made(self.0.reduce(kind, axes.as_deref(), keepdims, ddof, split_every))
    }
}

/// Applies the ufunc of the given name.
#[pyfunction]
fn ufunc(name: &str, args: &Bound<'_, PyTuple>) -> PyResult<PyArray> {
    let op = Op::from_name(name).ok_or_else(|| PyValueError::new_err(format!("there is no ufunc {name:?}")))?;
    let args: smallvec::SmallVec<[_; 3]> = args.iter().map(|arg| operand(&arg)).collect::<PyResult<_>>()?;
    made(apply_ufunc(op, &args))
}

/// The names of the ufuncs that have native loops.
#[pyfunction]
fn ufunc_names() -> Vec<&'static str> {
    Op::ALL.iter().map(|op| op.name()).collect()
}

#[pyfunction]
fn full(
    shape: Vec<usize>,
    value: &Bound<'_, PyAny>,
    dtype: &Bound<'_, PyAny>,
    chunks: &Bound<'_, PyAny>,
) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &shape, dtype, None)?;
    let numpy = value.py().import("numpy")?;
    let value = numpy.call_method1("asarray", (value,))?.call_method1("astype", (numpy_dtype(value.py(), dtype)?,))?;
    made(Array::full(&shape, convert::scalar(&value)?, Some(chunks)))
}

#[pyfunction]
fn arange(
    start: &Bound<'_, PyAny>,
    step: &Bound<'_, PyAny>,
    len: usize,
    dtype: &Bound<'_, PyAny>,
    chunks: &Bound<'_, PyAny>,
) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &[len], dtype, None)?;
    made(Array::arange(convert::scalar(start)?, convert::scalar(step)?, len, dtype, Some(chunks)))
}

/// The coordinate along one axis, `int64`.
#[pyfunction]
fn coordinate(shape: Vec<usize>, axis: usize, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let chunks = convert::chunks(chunks, &shape, selion::core::DType::I64, None)?;
    made(Array::coordinate(&shape, axis, Some(chunks)))
}

/// An array whose elements are in memory (a NumPy array), read in place.
#[pyfunction]
fn from_memory(array: &Bound<'_, PyAny>, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let chunk = from_numpy(array)?;
    let chunks = convert::chunks(chunks, chunk.shape(), chunk.dtype(), None)?;
    made(Array::from_chunk(chunk, Some(chunks)))
}

fn stored_chunks(shape: &[usize], storage: Option<&[usize]>) -> Option<Chunks> {
    storage.map(|block| Chunks::regular(shape, block))
}

/// An array in a Python object with `shape`, `dtype` and `__getitem__`.
#[pyfunction]
#[pyo3(signature = (object, chunks, token, lock=None))]
fn from_object(
    object: &Bound<'_, PyAny>,
    chunks: &Bound<'_, PyAny>,
    token: String,
    lock: Option<Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    use selion::core::ChunkSource;
    let source = PyStorage::new(object, lock, token)?;
    let stored = stored_chunks(ChunkSource::shape(&source), ChunkSource::storage_chunks(&source));
    let chunks = convert::chunks(chunks, ChunkSource::shape(&source), ChunkSource::dtype(&source), stored.as_ref())?;
    made(Array::from_source(Arc::new(source), Some(chunks)))
}

fn open_zarr(path: &str, component: Option<&str>) -> Result<ZarrArray, selion::core::SourceError> {
    match component {
        Some(component) => ZarrArray::open_in(path, component),
        None => ZarrArray::open(path),
    }
}

/// An array in a Zarr store; returns its attributes too, as JSON.
#[pyfunction]
#[pyo3(signature = (path, chunks, component=None))]
fn from_zarr(py: Python<'_>, path: &str, chunks: &Bound<'_, PyAny>, component: Option<&str>) -> PyResult<PyArray> {
    use selion::core::ChunkSource;
    let source = py.detach(|| open_zarr(path, component)).map_err(to_python)?;
    let (shape, dtype) = (source.shape().to_vec(), source.dtype());
    let stored = stored_chunks(&shape, ChunkSource::storage_chunks(&source));
    let chunks = match chunks.is_none() {
        true => None,
        false => Some(convert::chunks(chunks, &shape, dtype, stored.as_ref())?),
    };
    made(Array::from_source(Arc::new(source), chunks))
}

/// Makes a Zarr array for `array` and computes it into that.
#[pyfunction]
#[pyo3(signature = (array, path, component=None, overwrite=false, version=3, scheduler=None))]
fn to_zarr(
    py: Python<'_>,
    array: &PyArray,
    path: &str,
    component: Option<&str>,
    overwrite: bool,
    version: u8,
    scheduler: Option<&str>,
) -> PyResult<()> {
    let array = &array.0;
    array.chunks().known("to_zarr").map_err(to_python)?;
    let chunks: Vec<usize> = array.chunks().axes().iter().map(|axis| axis.longest().max(1)).collect();
    let mut options = CreateOptions::new(array.dtype(), &array.shape(), &chunks);
    options.overwrite = overwrite;
    options.version = match version {
        2 => selion::io::ZarrVersion::V2,
        3 => selion::io::ZarrVersion::V3,
        other => return Err(PyValueError::new_err(format!("zarr_format must be 2 or 3, not {other}"))),
    };
    let sink = py
        .detach(|| match component {
            Some(component) => ZarrArray::create_in(path, component, options),
            None => ZarrArray::create(path, options),
        })
        .map_err(to_python)?;
    crate::run::store(py, &[(array.clone(), Arc::new(sink))], scheduler)
}

/// Computes arrays into Python objects with `__setitem__`, or into Zarr arrays given by path.
#[pyfunction]
#[pyo3(signature = (sources, targets, lock=None, scheduler=None))]
fn store(
    py: Python<'_>,
    sources: &Bound<'_, PyList>,
    targets: &Bound<'_, PyList>,
    lock: Option<Bound<'_, PyAny>>,
    scheduler: Option<&str>,
) -> PyResult<()> {
    let mut pairs: Vec<(Array, Arc<dyn ChunkSink>)> = Vec::with_capacity(sources.len());
    for (source, target) in sources.iter().zip(targets.iter()) {
        let array = source.cast::<PyArray>()?.get().0.clone();
        let sink: Arc<dyn ChunkSink> = match target.extract::<String>() {
            Ok(path) => Arc::new(ZarrArray::open(path).map_err(to_python)?),
            Err(_) => Arc::new(PyStorage::new(&target, lock.clone(), String::new())?),
        };
        pairs.push((array, sink));
    }
    crate::run::store(py, &pairs, scheduler)
}

/// Random numbers: array number `stream` of the generator with the given seed.
#[pyfunction]
fn random(
    distribution: &str,
    seed: u64,
    stream: u64,
    params: &Bound<'_, PyTuple>,
    shape: Vec<usize>,
    chunks: &Bound<'_, PyAny>,
) -> PyResult<PyArray> {
    let distribution = Distribution::from_name(distribution)
        .ok_or_else(|| PyValueError::new_err(format!("there is no distribution {distribution:?}")))?;
    let params: Vec<_> = params.iter().map(|param| operand(&param)).collect::<PyResult<_>>()?;
    if params.len() != distribution.param_count() {
        return Err(PyValueError::new_err(format!(
            "{} takes {} parameters, not {}",
            distribution.name(),
            distribution.param_count(),
            params.len()
        )));
    }
    let chunks = convert::chunks(chunks, &shape, selion::core::DType::F64, None)?;
    made(Array::random(distribution, Key::from_seed(seed, stream), &params, &shape, Some(chunks)))
}

/// Chunks in any form, as a tuple of tuples.
#[pyfunction]
fn normalize_chunks<'py>(
    py: Python<'py>,
    chunks: &Bound<'py, PyAny>,
    shape: Vec<usize>,
    dtype: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTuple>> {
    let chunks = convert::chunks(chunks, &shape, convert::dtype(dtype)?, None)?;
    let axes: Vec<_> = chunks
        .axes()
        .iter()
        .map(|axis| {
            let lens: Vec<_> = axis.lens().iter().map(|len| length(py, *len)).collect::<PyResult<_>>()?;
            PyTuple::new(py, lens)
        })
        .collect::<PyResult<_>>()?;
    PyTuple::new(py, axes)
}

/// An array-like in memory, or a scalar, as an array.
#[pyfunction]
fn asarray(value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    convert::array_of(value).map(PyArray)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyArray>()?;
    m.add_function(wrap_pyfunction!(ufunc, m)?)?;
    m.add_function(wrap_pyfunction!(ufunc_names, m)?)?;
    m.add_function(wrap_pyfunction!(full, m)?)?;
    m.add_function(wrap_pyfunction!(arange, m)?)?;
    m.add_function(wrap_pyfunction!(coordinate, m)?)?;
    m.add_function(wrap_pyfunction!(from_memory, m)?)?;
    m.add_function(wrap_pyfunction!(from_object, m)?)?;
    m.add_function(wrap_pyfunction!(from_zarr, m)?)?;
    m.add_function(wrap_pyfunction!(to_zarr, m)?)?;
    m.add_function(wrap_pyfunction!(store, m)?)?;
    m.add_function(wrap_pyfunction!(random, m)?)?;
    m.add_function(wrap_pyfunction!(normalize_chunks, m)?)?;
    m.add_function(wrap_pyfunction!(asarray, m)?)
}
