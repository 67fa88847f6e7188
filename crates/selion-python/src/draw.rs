//! What people see of arrays: drawings of their chunks, the HTML of notebooks, and `explain()`.

use pyo3::prelude::*;
use pyo3::types::PyList;
use selion::array::{Array, UNKNOWN};

use crate::array::PyArray;
use crate::errors::to_python;
use crate::run::arrays;

fn axes(array: &Array) -> Vec<selion::draw::AxisLens> {
    let known = |len: &usize| (*len != UNKNOWN).then_some(*len);
    array.chunks().axes().iter().map(|axis| axis.lens().iter().map(known).collect()).collect()
}

/// The drawing of an array's chunks.
#[pyfunction]
fn chunks_svg(array: &Bound<'_, PyArray>, size: f64) -> String {
    selion::draw::chunks_svg(&axes(&array.get().0), size)
}

/// The table of an array's facts, with the drawing of its chunks.
#[pyfunction]
fn array_html(array: &Bound<'_, PyArray>, dtype: &str, size: f64) -> String {
    let array = &array.get().0;
    selion::draw::array_html(&axes(array), dtype, array.dtype().size(), size)
}

/// What computing the arrays together will do.
#[pyfunction]
fn explain(list: &Bound<'_, PyList>) -> PyResult<String> {
    let arrays = arrays(list)?;
    list.py().detach(|| selion::explain(&arrays)).map_err(to_python)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(chunks_svg, m)?)?;
    m.add_function(wrap_pyfunction!(array_html, m)?)?;
    m.add_function(wrap_pyfunction!(explain, m)?)
}
