//! NumPy indices, and the methods of `Array` that make views or take elements.

use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};
use selion::array::{Array, Index, UNKNOWN};
use selion::core::{B8, DType};
use selion::kernels::program::cast;

use crate::array::PyArray;
use crate::chunk::from_numpy;
use crate::convert;
use crate::errors::to_python;

fn made(result: selion::array::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray).map_err(to_python)
}

fn bound(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_none() {
        return Ok(None);
    }
    let whole = value
        .call_method0("__index__")
        .map_err(|_| PyTypeError::new_err("slice indices must be integers or None or have an __index__ method"))?;
    // Beyond what an axis can be long, larger is the same.
    Ok(Some(whole.extract::<i64>().unwrap_or(if whole.lt(0)? { i64::MIN / 2 } else { i64::MAX / 2 })))
}

fn part(value: &Bound<'_, PyAny>) -> PyResult<Index> {
    let wrong = || {
        PyIndexError::new_err(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are \
             valid indices",
        )
    };
    if value.is_none() {
        return Ok(Index::NewAxis);
    }
    if value.is_instance_of::<PyEllipsis>() {
        return Ok(Index::Ellipsis);
    }
    if value.is_instance_of::<PySlice>() {
        let get = |name: &str| bound(&value.getattr(name)?);
        return Ok(Index::Slice { start: get("start")?, stop: get("stop")?, step: get("step")? });
    }
    if let Ok(array) = value.cast::<PyArray>() {
        let array = &array.get().0;
        return match array.dtype() {
            DType::Bool => Ok(Index::Mask(array.clone())),
            dtype if dtype.is_integer() => Ok(Index::LazyInts(array.clone())),
            _ => Err(PyIndexError::new_err("arrays used as indices must be of integer (or boolean) type")),
        };
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return value
            .extract()
            .map(Index::Int)
            .map_err(|_| PyIndexError::new_err(format!("index {value} is out of bounds")));
    }
    if value.is_instance_of::<PyList>() || value.hasattr("__array__")? || value.hasattr("__array_interface__")? {
        let numpy = value.py().import("numpy")?;
        let mut array = numpy.call_method1("asarray", (value,))?;
        if array.getattr("size")?.extract::<usize>()? == 0 && value.is_instance_of::<PyList>() {
            array = array.call_method1("astype", ("int64",))?;
        }
        let chunk = from_numpy(&array)?;
        return match chunk.dtype() {
            DType::Bool => {
                let values = chunk.to_vec::<B8>().into_iter().map(B8::get).collect();
                Ok(Index::Bools { shape: chunk.shape().to_vec(), values })
            }
            dtype if dtype.is_integer() => {
                let values = cast(&chunk, DType::I64).map_err(|_| wrong())?.to_vec::<i64>();
                if chunk.ndim() == 0 {
                    return Ok(Index::Int(values[0]));
                }
                Ok(Index::Ints { shape: chunk.shape().to_vec(), values })
            }
            _ => Err(PyIndexError::new_err("arrays used as indices must be of integer (or boolean) type")),
        };
    }
    match value.call_method0("__index__") {
        Ok(whole) if !value.is_instance_of::<PyBool>() => Ok(Index::Int(whole.extract()?)),
        _ => Err(wrong()),
    }
}

/// The parts of whatever stands between the brackets.
pub(crate) fn parts(index: &Bound<'_, PyAny>) -> PyResult<Vec<Index>> {
    match index.cast::<PyTuple>() {
        Ok(several) => several.iter().map(|value| part(&value)).collect(),
        Err(_) => Ok(vec![part(index)?]),
    }
}

#[pyfunction]
fn getitem(array: &PyArray, index: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    made(array.0.getitem(&parts(index)?))
}

/// Pointwise indexing: integer arrays for some axes, whole slices for the others.
#[pyfunction]
fn vindex(array: &PyArray, index: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    made(array.0.vindex(&parts(index)?))
}

#[pyfunction]
#[pyo3(signature = (array, axes=None))]
fn transpose(array: &PyArray, axes: Option<Vec<isize>>) -> PyResult<PyArray> {
    made(array.0.transpose(axes.as_deref()))
}

#[pyfunction]
#[pyo3(signature = (array, axis=None))]
fn squeeze(array: &PyArray, axis: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
    made(array.0.squeeze(convert::axes(axis)?.as_deref()))
}

#[pyfunction]
fn expand_dims(array: &PyArray, axis: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    made(array.0.expand_dims(&convert::axes(Some(axis))?.unwrap_or_default()))
}

#[pyfunction]
#[pyo3(signature = (array, axis=None))]
fn flip(array: &PyArray, axis: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
    made(array.0.flip(convert::axes(axis)?.as_deref()))
}

#[pyfunction]
fn broadcast_to(array: &PyArray, shape: Vec<usize>, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let chunks = if chunks.is_none() { None } else { Some(convert::chunks(chunks, &shape, array.0.dtype(), None)?) };
    made(array.0.broadcast_to(&shape, chunks))
}

/// A range of blocks along each axis.
#[pyfunction]
fn block_range(array: &PyArray, first: Vec<usize>, count: Vec<usize>) -> PyResult<PyArray> {
    made(array.0.block_range(&first, &count))
}

/// Whether a length of the shape is unknown.
#[pyfunction]
fn is_unknown(array: &PyArray) -> bool {
    array.0.shape().contains(&UNKNOWN)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(getitem, m)?)?;
    m.add_function(wrap_pyfunction!(vindex, m)?)?;
    m.add_function(wrap_pyfunction!(transpose, m)?)?;
    m.add_function(wrap_pyfunction!(squeeze, m)?)?;
    m.add_function(wrap_pyfunction!(expand_dims, m)?)?;
    m.add_function(wrap_pyfunction!(flip, m)?)?;
    m.add_function(wrap_pyfunction!(broadcast_to, m)?)?;
    m.add_function(wrap_pyfunction!(block_range, m)?)?;
    m.add_function(wrap_pyfunction!(is_unknown, m)?)
}
