//! The class `selion._selion.Array` and the functions that make one. Every method is a conversion and a call.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use selion::array::{
    Array, AxisChunks, Chunks, ReduceKind, UNKNOWN, ufunc as apply_ufunc, unify_chunks as apply_unify_chunks,
};
use selion::core::{ChunkSink, Region, Window};
use selion::io::{CreateOptions, NpyStack, ZarrArray};
use selion::kernels::program::Op;
use selion::kernels::random::{Distribution, Key};

use crate::chunk::from_numpy;
use crate::convert::{self, numpy_dtype, operand};
use crate::errors::to_python;
use crate::source::PyStorage;

/// A lazy chunked array.
#[pyclass(frozen, dict, name = "Array", module = "selion._selion")]
pub(crate) struct PyArray(pub(crate) Array);

fn made(result: selion::array::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray).map_err(to_python)
}

/// A length as Python has it: `nan` where it is unknown.
fn length(py: Python<'_>, len: usize) -> PyResult<Bound<'_, PyAny>> {
    if len == UNKNOWN { Ok(f64::NAN.into_pyobject(py)?.into_any()) } else { Ok(len.into_pyobject(py)?.into_any()) }
}

/// Block lengths along an axis as a tuple.
fn axis_tuple<'py>(py: Python<'py>, axis: &AxisChunks) -> PyResult<Bound<'py, PyTuple>> {
    let lens: Vec<_> = axis.lens().iter().map(|len| length(py, *len)).collect::<PyResult<_>>()?;
    PyTuple::new(py, lens)
}

fn chunks_tuple<'py>(py: Python<'py>, axes: &[AxisChunks]) -> PyResult<Bound<'py, PyTuple>> {
    let axes: Vec<_> = axes.iter().map(|axis| axis_tuple(py, axis)).collect::<PyResult<_>>()?;
    PyTuple::new(py, axes)
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
        chunks_tuple(py, self.0.chunks().axes())
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

    #[pyo3(signature = (chunks, limit=None, balance=false))]
    fn rechunk(&self, chunks: &Bound<'_, PyAny>, limit: Option<usize>, balance: bool) -> PyResult<PyArray> {
        if !self.0.chunks().is_known() {
            let previous = self.0.chunks();
            previous.known("rechunk").map_err(to_python)?;
        }
        let chunks = convert::chunks_within(limit, chunks, &self.0.shape(), self.0.dtype(), Some(self.0.chunks()))?;
        let chunks = match balance {
            true => Chunks::new(chunks.axes().iter().map(AxisChunks::balanced).collect::<Vec<_>>()),
            false => chunks,
        };
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
    made(Array::full(&shape, convert::scalar_of(value, dtype)?, Some(chunks)))
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

/// Evenly spaced numbers, and the space between them.
#[pyfunction]
fn linspace(
    start: f64,
    stop: f64,
    count: usize,
    endpoint: bool,
    dtype: &Bound<'_, PyAny>,
    chunks: &Bound<'_, PyAny>,
) -> PyResult<(PyArray, f64)> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &[count], dtype, None)?;
    let (line, step) = Array::linspace(start, stop, count, endpoint, dtype, Some(chunks)).map_err(to_python)?;
    Ok((PyArray(line), step))
}

/// The coordinates of a grid, an array for each axis, stacked.
#[pyfunction]
fn indices(shape: Vec<usize>, dtype: &Bound<'_, PyAny>, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &shape, dtype, None)?;
    made(Array::indices(&shape, dtype, Some(chunks)))
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

/// Makes a Zarr array for `array`, with nothing in it.
#[pyfunction]
#[pyo3(signature = (array, path, component=None, overwrite=false, version=3))]
fn create_zarr(
    py: Python<'_>,
    array: &PyArray,
    path: &str,
    component: Option<&str>,
    overwrite: bool,
    version: u8,
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
    py.detach(|| match component {
        Some(component) => ZarrArray::create_in(path, component, options),
        None => ZarrArray::create(path, options),
    })
    .map(|_| ())
    .map_err(to_python)
}

/// An array in a folder of npy files.
#[pyfunction]
fn from_npy_stack(py: Python<'_>, path: &str) -> PyResult<PyArray> {
    let stack = py.detach(|| NpyStack::open(path)).map_err(to_python)?;
    let along = |axis: usize| if axis == stack.axis() { stack.lengths() } else { vec![stack.shape()[axis]] };
    let chunks = Chunks::from_lens(&(0..stack.shape().len()).map(along).collect::<Vec<_>>());
    made(Array::from_source(Arc::new(stack), Some(chunks)))
}

/// Computes an array into a folder of npy files, one for each of its blocks along an axis.
#[pyfunction]
fn to_npy_stack(py: Python<'_>, path: &str, array: &PyArray, axis: isize) -> PyResult<()> {
    let array = &array.0;
    array.chunks().known("to_npy_stack").map_err(to_python)?;
    let ndim = array.ndim();
    let counted = if axis < 0 { axis + ndim as isize } else { axis };
    let Some(along) = usize::try_from(counted).ok().filter(|axis| *axis < ndim) else {
        return Err(to_python(selion::array::ArrayError::Axis { axis, ndim }));
    };
    let (shape, lengths) = (array.shape(), array.chunks().axes()[along].lens());
    let stack = py.detach(|| NpyStack::create(path, array.dtype(), &shape, along, lengths, true)).map_err(to_python)?;
    let whole = array.chunks().axes().iter().enumerate().map(|(axis, own)| match axis == along {
        true => own.clone(),
        false => AxisChunks::new(vec![own.len()]),
    });
    let array = array.rechunk_to(Chunks::new(whole.collect::<Vec<_>>())).map_err(to_python)?;
    crate::run::store(py, &[(array, Arc::new(stack))], None)
}

/// An array, where it goes (a Python object with `__setitem__`, or the path of a Zarr array), and to which part of that:
/// the start and the length along each axis.
type Target<'py> = (Bound<'py, PyArray>, Bound<'py, PyAny>, Option<Vec<(usize, usize)>>);

fn sinks(targets: &[Target<'_>], lock: Option<Bound<'_, PyAny>>) -> PyResult<Vec<(Array, Arc<dyn ChunkSink>)>> {
    let turn = Arc::default();
    let sink = |(array, target, region): &Target<'_>| {
        let sink: Arc<dyn ChunkSink> = match target.extract::<String>() {
            Ok(path) => Arc::new(ZarrArray::open(path).map_err(to_python)?),
            Err(_) => Arc::new(PyStorage::new(target, lock.clone(), String::new())?),
        };
        let sink: Arc<dyn ChunkSink> = match region {
            None => sink,
            Some(region) => {
                let (start, shape): (Vec<usize>, Vec<usize>) = region.iter().copied().unzip();
                Arc::new(Window::new(sink, Region::new(&start, &shape), Arc::clone(&turn)))
            }
        };
        Ok((array.get().0.clone(), sink))
    };
    targets.iter().map(sink).collect()
}

/// Computes arrays into their targets.
#[pyfunction]
#[pyo3(signature = (targets, lock=None, scheduler=None))]
fn store(
    py: Python<'_>,
    targets: Vec<Target<'_>>,
    lock: Option<Bound<'_, PyAny>>,
    scheduler: Option<&str>,
) -> PyResult<()> {
    crate::run::store(py, &sinks(&targets, lock)?, scheduler)
}

/// Arrays that write to their targets when they are computed; without elements, unless these are to be kept.
#[pyfunction]
#[pyo3(signature = (targets, lock, keep))]
fn stored(targets: Vec<Target<'_>>, lock: Option<Bound<'_, PyAny>>, keep: bool) -> PyResult<Vec<PyArray>> {
    let sinks = sinks(&targets, lock)?;
    sinks.iter().map(|(array, sink)| selion::stored(array, sink, keep).map(PyArray).map_err(to_python)).collect()
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

/// Chunks in any form, as a tuple of tuples. `previous` are those that automatic ones should respect.
#[pyfunction]
#[pyo3(signature = (chunks, shape, dtype, limit=None, previous=None))]
fn normalize_chunks<'py>(
    py: Python<'py>,
    chunks: &Bound<'py, PyAny>,
    shape: Vec<usize>,
    dtype: &Bound<'py, PyAny>,
    limit: Option<usize>,
    previous: Option<Vec<Vec<usize>>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let previous = previous.map(|lens| Chunks::from_lens(&lens));
    let chunks = convert::chunks_within(limit, chunks, &shape, convert::dtype(dtype)?, previous.as_ref())?;
    chunks_tuple(py, chunks.axes())
}

type Labelled<'py> = Vec<(usize, Bound<'py, PyTuple>)>;

/// The blocks along each label, and the arrays in those blocks.
#[pyfunction]
fn unify_chunks<'py>(
    py: Python<'py>,
    inputs: Vec<(Bound<'py, PyArray>, Vec<usize>)>,
) -> PyResult<(Labelled<'py>, Vec<PyArray>)> {
    let inputs: Vec<(Array, Vec<usize>)> =
        inputs.into_iter().map(|(array, labels)| (array.get().0.clone(), labels)).collect();
    let (chunks, arrays) = apply_unify_chunks(&inputs).map_err(to_python)?;
    let chunks = chunks.iter().map(|(label, axis)| Ok((*label, axis_tuple(py, axis)?)));
    Ok((chunks.collect::<PyResult<_>>()?, arrays.into_iter().map(PyArray).collect()))
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
    m.add_function(wrap_pyfunction!(linspace, m)?)?;
    m.add_function(wrap_pyfunction!(indices, m)?)?;
    m.add_function(wrap_pyfunction!(from_memory, m)?)?;
    m.add_function(wrap_pyfunction!(from_object, m)?)?;
    m.add_function(wrap_pyfunction!(from_zarr, m)?)?;
    m.add_function(wrap_pyfunction!(create_zarr, m)?)?;
    m.add_function(wrap_pyfunction!(from_npy_stack, m)?)?;
    m.add_function(wrap_pyfunction!(to_npy_stack, m)?)?;
    m.add_function(wrap_pyfunction!(stored, m)?)?;
    m.add_function(wrap_pyfunction!(store, m)?)?;
    m.add_function(wrap_pyfunction!(random, m)?)?;
    m.add_function(wrap_pyfunction!(normalize_chunks, m)?)?;
    m.add_function(wrap_pyfunction!(unify_chunks, m)?)?;
    m.add_function(wrap_pyfunction!(asarray, m)?)
}
