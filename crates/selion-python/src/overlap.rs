//! Blocks that overlap their neighbours.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use selion::array::{Array, Boundary, MapOverlap, Overlap, map_overlap as apply_map_overlap};

use crate::array::PyArray;
use crate::callback::{PyBlockFunction, blocks_made, shared};
use crate::convert;
use crate::errors::to_python;

/// Elements before and after, and the boundary: a name, or a value.
type Depth<'py> = (usize, usize, Bound<'py, PyAny>);

fn overlaps(array: &Array, depths: &[Depth<'_>]) -> PyResult<Vec<Overlap>> {
    let boundary = |value: &Bound<'_, PyAny>| match value.extract::<String>().as_deref() {
        Ok("none") => Ok(Boundary::None),
        Ok("reflect") => Ok(Boundary::Reflect),
        Ok("periodic") => Ok(Boundary::Periodic),
        Ok("nearest") => Ok(Boundary::Nearest),
        Ok(other) => Err(PyValueError::new_err(format!("there is no boundary {other:?}"))),
        Err(_) => Ok(Boundary::Constant(convert::scalar_of(value, array.dtype())?)),
    };
    let overlap =
        |(before, after, value): &Depth<'_>| Ok(Overlap { before: *before, after: *after, boundary: boundary(value)? });
    depths.iter().map(overlap).collect()
}

#[pyfunction]
fn overlap(array: &PyArray, depths: Vec<Depth<'_>>, allow_rechunk: bool) -> PyResult<PyArray> {
    array.0.overlap(&overlaps(&array.0, &depths)?, allow_rechunk).map(PyArray).map_err(to_python)
}

#[pyfunction]
fn trim_overlap(array: &PyArray, depths: Vec<Depth<'_>>) -> PyResult<PyArray> {
    array.0.trim_overlap(&overlaps(&array.0, &depths)?).map(PyArray).map_err(to_python)
}

/// Applies a function to blocks that overlap their neighbours.
#[pyfunction]
#[pyo3(signature = (function, inputs, trim, align_arrays, allow_rechunk, chunks, drop_axis, new_axis))]
fn map_overlap(
    function: &Bound<'_, PyBlockFunction>,
    inputs: Vec<(Bound<'_, PyArray>, Vec<Depth<'_>>)>,
    trim: bool,
    align_arrays: bool,
    allow_rechunk: bool,
    chunks: Option<Vec<Bound<'_, PyAny>>>,
    drop_axis: Vec<isize>,
    new_axis: Option<Vec<usize>>,
) -> PyResult<PyArray> {
    let inputs = inputs.iter().map(|(array, depths)| {
        let array = array.get().0.clone();
        let overlaps = overlaps(&array, depths)?;
        Ok((array, overlaps))
    });
    let inputs: Vec<(Array, Vec<Overlap>)> = inputs.collect::<PyResult<_>>()?;
    let blocks = blocks_made(chunks, drop_axis, new_axis)?;
    let options = MapOverlap { trim, align_arrays, allow_rechunk, blocks };
    apply_map_overlap(shared(function), &inputs, function.get().dtype()?, &options).map(PyArray).map_err(to_python)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(overlap, m)?)?;
    m.add_function(wrap_pyfunction!(trim_overlap, m)?)?;
    m.add_function(wrap_pyfunction!(map_overlap, m)?)
}
