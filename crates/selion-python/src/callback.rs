//! Python functions on blocks.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{
    AdjustChunks, Array, BlockFunction, BlockInfo, BlockwiseOptions, Chunks, UNKNOWN, blockwise_parts, blockwise_with,
};
use selion::core::{DType, TaskError, Value};

use crate::array::PyArray;
use crate::chunk::{from_numpy, to_numpy_readonly};
use crate::convert::numpy_dtype;
use crate::errors::{raised, to_python};

/// What a callable gives.
enum Gives {
    /// An array of this dtype.
    One(DType),
    /// A tuple of arrays of these dtypes.
    Several(Vec<DType>),
}

/// A callable that is given NumPy arrays.
struct PyBlockFunction {
    function: Py<PyAny>,
    name: String,
    token: u64,
    gives: Gives,
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
        match &self.gives {
            Gives::One(dtype) => block(&result, *dtype),
            Gives::Several(dtypes) => {
                let results: Vec<Bound<'_, PyAny>> = result.extract()?;
                if results.len() != dtypes.len() {
                    let (name, got, want) = (&self.name, results.len(), dtypes.len());
                    let message = format!("{name} gave {got} arrays where {want} were expected");
                    return Err(pyo3::exceptions::PyValueError::new_err(message));
                }
                let blocks = results.iter().zip(dtypes).map(|(result, dtype)| block(result, *dtype));
                Ok(Value::Tuple(blocks.collect::<PyResult<Vec<_>>>()?.into()))
            }
        }
    }
}

/// What a callable gave, as a block.
fn block(result: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Value> {
    let py = result.py();
    let mut array = py.import("numpy")?.call_method1("asarray", (result,))?;
    let wanted = numpy_dtype(py, dtype)?;
    if !array.getattr("dtype")?.eq(&wanted)? {
        array = array.call_method1("astype", (wanted,))?;
    }
    Ok(Value::Chunk(from_numpy(&array)?))
}

/// (array, labels) of each input.
fn labelled(inputs: &Bound<'_, PyList>) -> PyResult<Vec<(Array, Vec<usize>)>> {
    let pair = |input: Bound<'_, PyAny>| {
        let (array, labels): (Bound<'_, PyArray>, Vec<usize>) = input.extract()?;
        Ok((array.get().0.clone(), labels))
    };
    inputs.iter().map(pair).collect()
}

/// Block lengths along an axis; NaN is an unknown length.
fn lens(lens: Vec<f64>) -> Vec<usize> {
    lens.into_iter().map(|len| if len.is_nan() { UNKNOWN } else { len as usize }).collect()
}

/// Applies a Python function block by block. `inputs` are (array, labels); `chunks` maps labels to block lengths.
#[pyfunction]
#[pyo3(signature = (function, name, token, labels, inputs, chunks, dtype, wants_info, align=true))]
#[expect(clippy::too_many_arguments, reason = "one call from one place in Python")]
fn blockwise(
    function: Py<PyAny>,
    name: String,
    token: u64,
    labels: Vec<usize>,
    inputs: &Bound<'_, PyList>,
    chunks: Vec<(usize, Vec<f64>)>,
    dtype: &Bound<'_, PyAny>,
    wants_info: bool,
    align: bool,
) -> PyResult<PyArray> {
    let dtype = crate::convert::dtype(dtype)?;
    let function = Arc::new(PyBlockFunction { function, name, token, gives: Gives::One(dtype), wants_info });
    let inputs = labelled(inputs)?;
    let chunks = chunks.into_iter().map(|(label, own)| (label, lens(own)));
    let (adjusted, new_axes): (Vec<_>, Vec<_>) =
        chunks.partition(|(label, _)| inputs.iter().any(|(_, own)| own.contains(label)));
    let options = BlockwiseOptions {
        new_axes,
        adjust_chunks: adjusted.into_iter().map(|(label, lens)| (label, AdjustChunks::Lens(lens))).collect(),
        concatenate: true,
        align_arrays: align,
        ..BlockwiseOptions::default()
    };
    blockwise_with(function, &labels, &inputs, dtype, &options).map(PyArray).map_err(to_python)
}

/// Applies a Python function that gives several arrays block by block. `parts` are their dtypes and block lengths.
#[pyfunction]
#[pyo3(name = "blockwise_parts", signature = (function, name, token, labels, inputs, parts))]
fn blockwise_parts_of(
    function: Py<PyAny>,
    name: String,
    token: u64,
    labels: Vec<usize>,
    inputs: &Bound<'_, PyList>,
    parts: Vec<(Bound<'_, PyAny>, Vec<Vec<f64>>)>,
) -> PyResult<Vec<PyArray>> {
    let parts: Vec<(DType, Chunks)> = parts
        .into_iter()
        .map(|(dtype, axes)| {
            let axes: Vec<Vec<usize>> = axes.into_iter().map(lens).collect();
            Ok((crate::convert::dtype(&dtype)?, Chunks::from_lens(&axes)))
        })
        .collect::<PyResult<_>>()?;
    let gives = Gives::Several(parts.iter().map(|(dtype, _)| *dtype).collect());
    let function = Arc::new(PyBlockFunction { function, name, token, gives, wants_info: false });
    let options = BlockwiseOptions { concatenate: true, align_arrays: true, ..BlockwiseOptions::default() };
    let arrays = blockwise_parts(function, &labels, &labelled(inputs)?, &parts, &options).map_err(to_python)?;
    Ok(arrays.into_iter().map(PyArray).collect())
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(blockwise_parts_of, m)?)?;
    m.add_function(wrap_pyfunction!(blockwise, m)?)
}
