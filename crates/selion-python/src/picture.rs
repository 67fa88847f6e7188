//! Pictures of graphs.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use selion::PictureOptions;
use selion::draw::{Options, PictureError, dot, layout};

use crate::errors::to_python;
use crate::run::collections;

/// Pixels per point of a picture in pixels.
const PNG_SCALE: f64 = 2.0;

/// The picture of what computing the collections will do, as the bytes of a file of the given format.
#[pyfunction]
#[pyo3(signature = (parts, format, rankdir, order, optimize_graph, collapse_outputs))]
fn picture<'py>(
    parts: &Bound<'py, PyList>,
    format: &str,
    rankdir: &str,
    order: bool,
    optimize_graph: bool,
    collapse_outputs: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = parts.py();
    let collections = collections(parts)?;
    let options = Options { rankdir: rankdir.parse().map_err(refused)?, ..Options::default() };
    let wanted = PictureOptions { optimized: optimize_graph, order, collapse_outputs };
    let bytes = py.detach(|| {
        let picture = selion::picture(&collections, wanted).map_err(to_python)?;
        if format == "dot" {
            return Ok(dot(&picture, &options).into_bytes());
        }
        let drawing = layout(&picture, &options).map_err(refused)?;
        match format {
            "svg" => Ok(drawing.svg().into_bytes()),
            "png" => Ok(drawing.png(PNG_SCALE)),
            "pdf" => Ok(drawing.pdf()),
            _ => Err(PyValueError::new_err(format!("format is one of svg, png, pdf, dot, not '{format}'"))),
        }
    })?;
    Ok(PyBytes::new(py, &bytes))
}

fn refused(error: PictureError) -> PyErr {
    match error {
        PictureError::TooLarge { .. } | PictureError::RankDir { .. } => PyValueError::new_err(error.to_string()),
        PictureError::NoSuchNode { .. } | PictureError::Cycle { .. } => PyRuntimeError::new_err(error.to_string()),
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(picture, m)?)
}
