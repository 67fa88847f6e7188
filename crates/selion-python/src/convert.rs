//! Arguments from Python: dtypes, chunks, operands.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use selion::array::{Array, ChunkSpec, Chunks, Operand, UNKNOWN, normalize_chunks};
use selion::core::{DType, Scalar, c128};

use crate::array::PyArray;
use crate::chunk::from_numpy;
use crate::errors::to_python;

/// A dtype, from anything that `numpy.dtype` takes.
pub(crate) fn dtype(value: &Bound<'_, PyAny>) -> PyResult<DType> {
    let py = value.py();
    let numpy_dtype = py.import("numpy")?.getattr("dtype")?.call1((value,))?;
    let text: String = numpy_dtype.getattr("str")?.extract()?;
    DType::parse(&text)
        .or_else(|error| text.strip_prefix('>').map_or(Err(error), DType::parse))
        .map_err(|_| PyTypeError::new_err(format!("selion has no arrays of dtype {numpy_dtype}")))
}

/// The NumPy dtype of one of selion's.
pub(crate) fn numpy_dtype(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyAny>> {
    py.import("numpy")?.getattr("dtype")?.call1((dtype.typestr(),))
}

/// Operands of ufuncs: arrays, NumPy scalars (which have a dtype), and Python scalars (which have not).
pub(crate) fn operand(value: &Bound<'_, PyAny>) -> PyResult<Operand> {
    if let Ok(array) = value.cast::<PyArray>() {
        return Ok(Operand::Array(array.get().0.clone()));
    }
    if value.is_exact_instance_of::<PyBool>() {
        return Ok(Operand::Bool(value.extract()?));
    }
    if value.is_exact_instance_of::<PyInt>() {
        return value
            .extract::<i128>()
            .map(Operand::Int)
            .map_err(|_| PyOverflowError::new_err("Python integer out of bounds for int64"));
    }
    if value.is_exact_instance_of::<PyFloat>() {
        return Ok(Operand::Float(value.extract()?));
    }
    if value.is_exact_instance_of::<PyComplex>() {
        return Ok(Operand::Complex(value.extract::<c128>()?));
    }
    Ok(Operand::Array(array_of(value)?))
}

/// Anything array-like that is in memory.
pub(crate) fn array_of(value: &Bound<'_, PyAny>) -> PyResult<Array> {
    if let Ok(array) = value.cast::<PyArray>() {
        return Ok(array.get().0.clone());
    }
    let chunk = from_numpy(value)?;
    match chunk.scalar() {
        Some(scalar) if chunk.ndim() == 0 => Ok(Array::scalar(scalar)),
        _ => Array::from_chunk(chunk, None).map_err(to_python),
    }
}

/// A scalar with a dtype of its own, or that of Python's type.
pub(crate) fn scalar(value: &Bound<'_, PyAny>) -> PyResult<Scalar> {
    let chunk = from_numpy(&value.py().import("numpy")?.call_method1("asarray", (value,))?)?;
    chunk.scalar().ok_or_else(|| PyValueError::new_err("expected a scalar"))
}

/// A scalar of a given dtype.
pub(crate) fn scalar_of(value: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Scalar> {
    let array = value.py().import("numpy")?.call_method1("asarray", (value,))?;
    scalar(&array.call_method1("astype", (numpy_dtype(value.py(), dtype)?,))?)
}

/// Chunks in any form that Dask takes, for an array of `shape`.
pub(crate) fn chunks(
    value: &Bound<'_, PyAny>,
    shape: &[usize],
    dtype: DType,
    previous: Option<&Chunks>,
) -> PyResult<Chunks> {
    chunks_within(None, value, shape, dtype, previous)
}

/// As [`chunks`], with automatic blocks of at most `limit` bytes.
pub(crate) fn chunks_within(
    limit: Option<usize>,
    value: &Bound<'_, PyAny>,
    shape: &[usize],
    dtype: DType,
    previous: Option<&Chunks>,
) -> PyResult<Chunks> {
    let setting = selion::settings().map_err(to_python)?.integer("array.chunk-size");
    let mut limit = limit.or(setting.map(|bytes| bytes as usize)).unwrap_or(selion::array::AUTO_CHUNK_BYTES);
    let missing = if previous.is_some() { ChunkSpec::Keep } else { ChunkSpec::Size(-1) };
    let mut specs: Vec<ChunkSpec> = Vec::with_capacity(shape.len());
    if let Ok(by_axis) = value.cast::<PyDict>() {
        specs.resize(shape.len(), missing);
        for (axis, spec) in by_axis {
            let axis: isize = axis.extract()?;
            let counted = if axis < 0 { axis + shape.len() as isize } else { axis };
            if counted < 0 || counted as usize >= shape.len() {
                let error = selion::array::ArrayError::Axis { axis, ndim: shape.len() };
                return Err(to_python(error));
            }
            specs[counted as usize] = one_axis(&spec, &mut limit, previous.is_some())?;
        }
    } else if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
        let items: Vec<Bound<'_, PyAny>> = value.try_iter()?.collect::<PyResult<_>>()?;
        let plain = |item: &Bound<'_, PyAny>| item.is_instance_of::<PyInt>();
        if shape.len() == 1 && items.len() > 1 && items.iter().all(plain) {
            // The block lengths of the only axis.
            let lens = items.iter().map(|item| item.extract::<usize>()).collect::<PyResult<_>>()?;
            specs.push(ChunkSpec::Lens(lens));
        } else {
            for item in items {
                specs.push(one_axis(&item, &mut limit, previous.is_some())?);
            }
        }
    } else {
        let spec = one_axis(value, &mut limit, previous.is_some())?;
        specs.resize(shape.len(), spec);
    }
    if specs.is_empty() && shape.contains(&0) && shape.iter().all(|len| *len == 0) {
        specs.resize(shape.len(), ChunkSpec::Size(-1));
    }
    if specs.is_empty() && !shape.is_empty() {
        return Err(PyValueError::new_err("Chunks and shape must be of the same length/dimension"));
    }
    normalize_chunks(&specs, shape, dtype, limit, previous).map_err(to_python)
}

fn one_axis(value: &Bound<'_, PyAny>, limit: &mut usize, has_previous: bool) -> PyResult<ChunkSpec> {
    if value.is_none() {
        return Ok(if has_previous { ChunkSpec::Keep } else { ChunkSpec::Size(-1) });
    }
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str()?.to_owned();
        if text != "auto" {
            *limit = selion::parse_bytes(&text)
                .ok_or_else(|| PyValueError::new_err(format!("Could not interpret '{text}' as a number of bytes")))?
                as usize;
        }
        return Ok(ChunkSpec::Auto);
    }
    if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
        let mut lens = Vec::new();
        for item in value.try_iter()? {
            let item = item?;
            let unknown = item.extract::<f64>().is_ok_and(f64::is_nan);
            lens.push(if unknown { UNKNOWN } else { item.extract::<usize>()? });
        }
        return Ok(ChunkSpec::Lens(lens));
    }
    if let Ok(size) = value.extract::<i64>() {
        return Ok(ChunkSpec::Size(size));
    }
    let number: f64 = value.extract()?;
    if number.fract() != 0.0 {
        return Err(PyValueError::new_err(format!("chunk size {number} is not a whole number")));
    }
    Ok(ChunkSpec::Size(number as i64))
}

/// An axis argument: `None`, one axis, or several.
pub(crate) fn axes(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<isize>>> {
    match value {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => match value.extract::<isize>() {
            Ok(axis) => Ok(Some(vec![axis])),
            Err(_) if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() => {
                Ok(Some(value.extract()?))
            }
            Err(error) => Err(error),
        },
    }
}
