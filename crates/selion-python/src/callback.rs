//! Python functions on blocks.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{AxisChunks, BlockFunction, BlockInfo, UNKNOWN, blockwise as apply_blockwise};
use selion::core::{DType, TaskError, Value};

use crate::array::PyArray;
use crate::chunk::{from_numpy, to_numpy_readonly};
use crate::convert::numpy_dtype;
use crate::errors::{raised, to_python};

/// A callable that is given NumPy arrays and gives one.
struct PyBlockFunction {
    function: Py<PyAny>,
    name: String,
    token: u64,
    dtype: DType,
    /// Whether the function is told which block it makes, before the arrays.
    wants_info: bool,
}

impl BlockFunction for PyBlockFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> u64 {
        self.token
    }

    fn note(&self) -> Option<String> {
        Some(format!("{} runs in Python", self.name))
    }

    fn call(&self, info: &BlockInfo, inputs: &[Value]) -> Result<Value, TaskError> {
        Python::attach(|py| self.call_in_python(py, info, inputs)).map_err(raised)
    }
}

impl PyBlockFunction {
    fn call_in_python(&self, py: Python<'_>, info: &BlockInfo, inputs: &[Value]) -> PyResult<Value> {
        let mut args: Vec<Bound<'_, PyAny>> = Vec::with_capacity(inputs.len() + 1);
        if self.wants_info {
            let place = |block: &[usize], region: &selion::core::Region| -> PyResult<_> {
                let ranges: Vec<(usize, usize)> = region
                    .start
                    .iter()
                    .zip(&region.shape)
                    .map(|(start, len)| (*start, if *len == UNKNOWN { *start } else { start + len }))
                    .collect();
                Ok((PyTuple::new(py, block)?, ranges))
            };
            let own = place(&info.block, &info.region)?;
            let inputs =
                info.inputs.iter().map(|(block, region)| place(block, region)).collect::<PyResult<Vec<_>>>()?;
            args.push((own, inputs).into_pyobject(py)?.into_any());
        }
        for input in inputs {
            let chunk = input
                .as_chunk()
                .ok_or_else(|| pyo3::exceptions::PyTypeError::new_err("a block of an input is not an array"))?;
            args.push(to_numpy_readonly(py, chunk.clone())?);
        }
        let result = self.function.bind(py).call1(PyTuple::new(py, args)?)?;
        let mut array = py.import("numpy")?.call_method1("asarray", (result,))?;
        let wanted = numpy_dtype(py, self.dtype)?;
        if !array.getattr("dtype")?.eq(&wanted)? {
            array = array.call_method1("astype", (wanted,))?;
        }
        Ok(Value::Chunk(from_numpy(&array)?))
    }
}

/// Applies a Python function block by block. `inputs` are (array, labels); `chunks` maps labels to block lengths.
#[pyfunction]
#[pyo3(signature = (function, name, token, labels, inputs, chunks, dtype, wants_info))]
fn blockwise(
    function: Py<PyAny>,
    name: String,
    token: u64,
    labels: Vec<usize>,
    inputs: &Bound<'_, PyList>,
    chunks: Vec<(usize, Vec<f64>)>,
    dtype: &Bound<'_, PyAny>,
    wants_info: bool,
) -> PyResult<PyArray> {
    let dtype = crate::convert::dtype(dtype)?;
    let function = Arc::new(PyBlockFunction { function, name, token, dtype, wants_info });
    let mut arrays = Vec::with_capacity(inputs.len());
    for input in inputs {
        let (array, labels): (Bound<'_, PyArray>, Vec<usize>) = input.extract()?;
        arrays.push((array.get().0.clone(), labels));
    }
    let chunks: Vec<(usize, AxisChunks)> = chunks
        .into_iter()
        .map(|(label, lens)| {
            let len = |len: f64| if len.is_nan() { UNKNOWN } else { len as usize };
            (label, AxisChunks::new(lens.into_iter().map(len).collect()))
        })
        .collect();
    apply_blockwise(function, &labels, &arrays, &chunks, dtype).map(PyArray).map_err(to_python)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(blockwise, m)?)
}
