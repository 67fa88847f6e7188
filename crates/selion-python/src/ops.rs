//! Methods of arrays that join, reshape, multiply, sort and count: conversions and calls.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use selion::array::{Array, Chunks, PadMode, Ranks, Spacing, einsum, tensordot as contract};
use selion::core::Scalar;
use selion::kernels::blocks::bins::Edges;
use selion::kernels::blocks::gather::Side;
use selion::kernels::blocks::quantile::Method;
use selion::kernels::blocks::sort::UniqueParts;

use crate::array::PyArray;
use crate::convert;
use crate::errors::to_python;

type Native<'py> = Bound<'py, PyArray>;

fn made(result: selion::array::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray).map_err(to_python)
}

fn arrays(list: &[Native<'_>]) -> Vec<Array> {
    list.iter().map(|array| array.get().0.clone()).collect()
}

#[pyfunction]
fn setitem(array: &PyArray, index: &Bound<'_, PyAny>, value: &PyArray) -> PyResult<PyArray> {
    made(array.0.setitem(&crate::index::parts(index)?, &value.0))
}

#[pyfunction]
#[pyo3(signature = (list, axis=None))]
fn concatenate(list: Vec<Native<'_>>, axis: Option<isize>) -> PyResult<PyArray> {
    made(Array::concatenate(&arrays(&list), axis))
}

#[pyfunction]
fn stack(list: Vec<Native<'_>>, axis: isize) -> PyResult<PyArray> {
    made(Array::stack(&arrays(&list), axis))
}

#[pyfunction]
fn reshape(array: &PyArray, shape: Vec<i64>) -> PyResult<PyArray> {
    made(array.0.reshape(&shape))
}

#[pyfunction]
#[pyo3(signature = (array, shape, chunks=None))]
fn reshape_blockwise(array: &PyArray, shape: Vec<usize>, chunks: Option<Vec<Vec<usize>>>) -> PyResult<PyArray> {
    made(array.0.reshape_blockwise(&shape, chunks.map(|chunks| Chunks::from_lens(&chunks))))
}

#[pyfunction]
fn shuffle(array: &PyArray, groups: Vec<Vec<i64>>, axis: isize) -> PyResult<PyArray> {
    made(array.0.shuffle(&groups, axis))
}

#[pyfunction]
fn ravel(array: &PyArray) -> PyResult<PyArray> {
    made(array.0.ravel())
}

#[pyfunction]
#[pyo3(signature = (array, shifts, axes=None))]
fn roll(array: &PyArray, shifts: Vec<i64>, axes: Option<Vec<isize>>) -> PyResult<PyArray> {
    made(array.0.roll(&shifts, axes.as_deref()))
}

#[pyfunction]
fn pad(
    array: &PyArray,
    widths: Vec<(usize, usize)>,
    mode: &str,
    values: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
) -> PyResult<PyArray> {
    let mode = match mode {
        "constant" => {
            let pairs = values.iter().map(|(a, b)| Ok((convert::scalar(a)?, convert::scalar(b)?)));
            PadMode::Constant(pairs.collect::<PyResult<Vec<(Scalar, Scalar)>>>()?)
        }
        "linear_ramp" => {
            let pairs = values.iter().map(|(a, b)| Ok((a.extract()?, b.extract()?)));
            PadMode::LinearRamp(pairs.collect::<PyResult<_>>()?)
        }
        "edge" => PadMode::Edge,
        "maximum" => PadMode::Maximum,
        "mean" => PadMode::Mean,
        "minimum" => PadMode::Minimum,
        "reflect" => PadMode::Reflect,
        "symmetric" => PadMode::Symmetric,
        "wrap" => PadMode::Wrap,
        other => return Err(PyValueError::new_err(format!("mode '{other}' is not supported"))),
    };
    made(array.0.pad(&widths, &mode))
}

#[pyfunction]
#[pyo3(signature = (array, repeats, axis=None))]
fn repeat(array: &PyArray, repeats: Vec<usize>, axis: Option<isize>) -> PyResult<PyArray> {
    made(array.0.repeat(&repeats, axis))
}

#[pyfunction]
fn tile(array: &PyArray, repeats: Vec<usize>) -> PyResult<PyArray> {
    made(array.0.tile(&repeats))
}

#[pyfunction]
fn tril(array: &PyArray, k: i64) -> PyResult<PyArray> {
    made(array.0.tril(k))
}

#[pyfunction]
fn triu(array: &PyArray, k: i64) -> PyResult<PyArray> {
    made(array.0.triu(k))
}

#[pyfunction]
fn eye(rows: usize, columns: usize, k: i64, dtype: &Bound<'_, PyAny>, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &[rows, columns], dtype, None)?;
    made(Array::eye(rows, columns, k, dtype, Some(chunks)))
}

#[pyfunction]
fn tri(rows: usize, columns: usize, k: i64, dtype: &Bound<'_, PyAny>, chunks: &Bound<'_, PyAny>) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let chunks = convert::chunks(chunks, &[rows, columns], dtype, None)?;
    made(Array::tri(rows, columns, k, dtype, Some(chunks)))
}

#[pyfunction]
fn diag(array: &PyArray, k: i64) -> PyResult<PyArray> {
    made(array.0.diag(k))
}

#[pyfunction]
fn diagonal(array: &PyArray, k: i64, axis1: isize, axis2: isize) -> PyResult<PyArray> {
    made(array.0.diagonal(k, axis1, axis2))
}

#[pyfunction]
fn trace(array: &PyArray, k: i64, axis1: isize, axis2: isize) -> PyResult<PyArray> {
    made(array.0.trace(k, axis1, axis2))
}

#[pyfunction]
fn diff(array: &PyArray, order: usize, axis: isize) -> PyResult<PyArray> {
    made(array.0.diff(order, axis))
}

/// The derivative along an axis; `spacing` is a number, or the coordinates of the points.
#[pyfunction]
fn gradient(array: &PyArray, spacing: &Bound<'_, PyAny>, axis: isize, edge_order: usize) -> PyResult<PyArray> {
    let spacing = match spacing.cast::<PyArray>() {
        Ok(coordinates) => Spacing::At(coordinates.get().0.clone()),
        Err(_) => Spacing::Even(spacing.extract()?),
    };
    made(array.0.gradient(&spacing, axis, edge_order))
}

#[pyfunction]
#[pyo3(signature = (array, limit, axis))]
fn push(array: &PyArray, limit: Option<usize>, axis: isize) -> PyResult<PyArray> {
    made(array.0.push(limit, axis))
}

#[pyfunction]
fn nonzero(array: &PyArray) -> PyResult<Vec<PyArray>> {
    Ok(array.0.nonzero().map_err(to_python)?.into_iter().map(PyArray).collect())
}

#[pyfunction]
fn flatnonzero(array: &PyArray) -> PyResult<PyArray> {
    made(array.0.flatnonzero())
}

#[pyfunction]
fn argwhere(array: &PyArray) -> PyResult<PyArray> {
    made(array.0.argwhere())
}

#[pyfunction]
fn meshgrid(vectors: Vec<Native<'_>>, sparse: bool, matrix_order: bool) -> PyResult<Vec<PyArray>> {
    let grids = Array::meshgrid(&arrays(&vectors), sparse, matrix_order).map_err(to_python)?;
    Ok(grids.into_iter().map(PyArray).collect())
}

#[pyfunction]
fn matmul(a: &PyArray, b: &PyArray) -> PyResult<PyArray> {
    made(a.0.matmul(&b.0))
}

#[pyfunction]
fn dot(a: &PyArray, b: &PyArray) -> PyResult<PyArray> {
    made(a.0.dot(&b.0))
}

#[pyfunction]
fn vdot(a: &PyArray, b: &PyArray) -> PyResult<PyArray> {
    made(a.0.vdot(&b.0))
}

#[pyfunction]
fn outer(a: &PyArray, b: &PyArray) -> PyResult<PyArray> {
    made(a.0.outer(&b.0))
}

#[pyfunction]
fn tensordot(a: &PyArray, b: &PyArray, axes_a: Vec<isize>, axes_b: Vec<isize>) -> PyResult<PyArray> {
    made(contract(&a.0, &b.0, &axes_a, &axes_b))
}

#[pyfunction]
#[pyo3(name = "einsum")]
fn einsum_of(subscripts: &str, operands: Vec<Native<'_>>) -> PyResult<PyArray> {
    made(einsum(subscripts, &arrays(&operands), None))
}

/// A running sum or product, by name.
#[pyfunction]
#[pyo3(signature = (array, name, axis=None))]
fn scan(array: &PyArray, name: &str, axis: Option<isize>) -> PyResult<PyArray> {
    made(match name {
        "cumsum" => array.0.cumsum(axis),
        "cumprod" => array.0.cumprod(axis),
        "nancumsum" => array.0.nancumsum(axis),
        "nancumprod" => array.0.nancumprod(axis),
        other => return Err(PyValueError::new_err(format!("there is no scan {other:?}"))),
    })
}

#[pyfunction]
fn sort(array: &PyArray, axis: isize) -> PyResult<PyArray> {
    made(array.0.sort(axis))
}

#[pyfunction]
fn topk(array: &PyArray, k: i64, axis: isize) -> PyResult<PyArray> {
    made(array.0.topk(k, axis))
}

#[pyfunction]
fn argtopk(array: &PyArray, k: i64, axis: isize) -> PyResult<PyArray> {
    made(array.0.argtopk(k, axis))
}

type Unique = (PyArray, Option<PyArray>, Option<PyArray>, Option<PyArray>);

#[pyfunction]
fn unique(array: &PyArray, index: bool, inverse: bool, counts: bool) -> PyResult<Unique> {
    let found = array.0.unique(UniqueParts { index, inverse, counts }).map_err(to_python)?;
    Ok((PyArray(found.values), found.index.map(PyArray), found.inverse.map(PyArray), found.counts.map(PyArray)))
}

#[pyfunction]
fn searchsorted(array: &PyArray, values: &PyArray, right: bool) -> PyResult<PyArray> {
    made(array.0.searchsorted(&values.0, if right { Side::Right } else { Side::Left }))
}

#[pyfunction]
fn isin(array: &PyArray, tests: &PyArray) -> PyResult<PyArray> {
    made(array.0.isin(&tests.0))
}

#[pyfunction]
#[pyo3(signature = (array, axis, keepdims, skip_nan))]
fn median(array: &PyArray, axis: Option<&Bound<'_, PyAny>>, keepdims: bool, skip_nan: bool) -> PyResult<PyArray> {
    made(array.0.median(convert::axes(axis)?.as_deref(), keepdims, skip_nan))
}

#[pyfunction]
#[pyo3(signature = (array, q, axis, method, keepdims, skip_nan))]
fn quantile(
    array: &PyArray,
    q: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    method: &str,
    keepdims: bool,
    skip_nan: bool,
) -> PyResult<PyArray> {
    let ranks = match q.extract::<f64>() {
        Ok(q) => Ranks::One(q),
        Err(_) => Ranks::Each(q.extract()?),
    };
    let method = match method {
        "linear" => Method::Linear,
        "lower" => Method::Lower,
        "higher" => Method::Higher,
        "midpoint" => Method::Midpoint,
        "nearest" => Method::Nearest,
        other => {
            let text = format!("quantile method '{other}' is not implemented");
            return Err(pyo3::exceptions::PyNotImplementedError::new_err(text));
        }
    };
    made(array.0.quantile(&ranks, convert::axes(axis)?.as_deref(), method, keepdims, skip_nan))
}

#[pyfunction]
#[pyo3(signature = (array, weights, minlength))]
fn bincount(array: &PyArray, weights: Option<&PyArray>, minlength: usize) -> PyResult<PyArray> {
    made(array.0.bincount(weights.map(|weights| &weights.0), minlength))
}

/// Edges of bins: all of them, or (low, high, bins).
fn edges(value: &Bound<'_, PyAny>) -> PyResult<Edges> {
    match value.cast::<PyTuple>() {
        Ok(uniform) => {
            let (low, high, bins) = uniform.extract()?;
            Ok(Edges::Uniform { low, high, bins })
        }
        Err(_) => Ok(Edges::List(value.extract()?)),
    }
}

/// Counts between edges: a list of all of them, or the tuple (low, high, bins).
#[pyfunction]
#[pyo3(signature = (array, bins, weights, density))]
fn histogram(
    array: &PyArray,
    bins: &Bound<'_, PyAny>,
    weights: Option<&PyArray>,
    density: bool,
) -> PyResult<(PyArray, PyArray)> {
    let weights = weights.map(|weights| &weights.0);
    let (counts, edges) = array.0.histogram(&edges(bins)?, weights, density).map_err(to_python)?;
    Ok((PyArray(counts), PyArray(edges)))
}

/// Counts in the cells of a grid; `sample` has the coordinates along each axis.
#[pyfunction]
#[pyo3(signature = (sample, bins, weights, density))]
fn histogramdd(
    sample: Vec<Native<'_>>,
    bins: Vec<Bound<'_, PyAny>>,
    weights: Option<&PyArray>,
    density: bool,
) -> PyResult<(PyArray, Vec<PyArray>)> {
    let bins: Vec<Edges> = bins.iter().map(edges).collect::<PyResult<_>>()?;
    let weights = weights.map(|weights| &weights.0);
    let (counts, edges) = Array::histogramdd(&arrays(&sample), &bins, weights, density).map_err(to_python)?;
    Ok((PyArray(counts), edges.into_iter().map(PyArray).collect()))
}

#[pyfunction]
fn digitize(array: &PyArray, bins: &PyArray, right: bool) -> PyResult<PyArray> {
    made(array.0.digitize(&bins.0, right))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(setitem, m)?)?;
    m.add_function(wrap_pyfunction!(concatenate, m)?)?;
    m.add_function(wrap_pyfunction!(stack, m)?)?;
    m.add_function(wrap_pyfunction!(reshape, m)?)?;
    m.add_function(wrap_pyfunction!(reshape_blockwise, m)?)?;
    m.add_function(wrap_pyfunction!(shuffle, m)?)?;
    m.add_function(wrap_pyfunction!(ravel, m)?)?;
    m.add_function(wrap_pyfunction!(roll, m)?)?;
    m.add_function(wrap_pyfunction!(pad, m)?)?;
    m.add_function(wrap_pyfunction!(repeat, m)?)?;
    m.add_function(wrap_pyfunction!(tile, m)?)?;
    m.add_function(wrap_pyfunction!(tril, m)?)?;
    m.add_function(wrap_pyfunction!(triu, m)?)?;
    m.add_function(wrap_pyfunction!(eye, m)?)?;
    m.add_function(wrap_pyfunction!(tri, m)?)?;
    m.add_function(wrap_pyfunction!(diag, m)?)?;
    m.add_function(wrap_pyfunction!(diagonal, m)?)?;
    m.add_function(wrap_pyfunction!(trace, m)?)?;
    m.add_function(wrap_pyfunction!(diff, m)?)?;
    m.add_function(wrap_pyfunction!(gradient, m)?)?;
    m.add_function(wrap_pyfunction!(push, m)?)?;
    m.add_function(wrap_pyfunction!(nonzero, m)?)?;
    m.add_function(wrap_pyfunction!(flatnonzero, m)?)?;
    m.add_function(wrap_pyfunction!(argwhere, m)?)?;
    m.add_function(wrap_pyfunction!(meshgrid, m)?)?;
    m.add_function(wrap_pyfunction!(histogramdd, m)?)?;
    m.add_function(wrap_pyfunction!(matmul, m)?)?;
    m.add_function(wrap_pyfunction!(dot, m)?)?;
    m.add_function(wrap_pyfunction!(vdot, m)?)?;
    m.add_function(wrap_pyfunction!(outer, m)?)?;
    m.add_function(wrap_pyfunction!(tensordot, m)?)?;
    m.add_function(wrap_pyfunction!(einsum_of, m)?)?;
    m.add_function(wrap_pyfunction!(scan, m)?)?;
    m.add_function(wrap_pyfunction!(sort, m)?)?;
    m.add_function(wrap_pyfunction!(topk, m)?)?;
    m.add_function(wrap_pyfunction!(argtopk, m)?)?;
    m.add_function(wrap_pyfunction!(unique, m)?)?;
    m.add_function(wrap_pyfunction!(searchsorted, m)?)?;
    m.add_function(wrap_pyfunction!(isin, m)?)?;
    m.add_function(wrap_pyfunction!(median, m)?)?;
    m.add_function(wrap_pyfunction!(quantile, m)?)?;
    m.add_function(wrap_pyfunction!(bincount, m)?)?;
    m.add_function(wrap_pyfunction!(histogram, m)?)?;
    m.add_function(wrap_pyfunction!(digitize, m)?)
}
