//! Python functions on blocks.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{
    AdjustChunks, Array, ArrayError, BlockFunction, BlockInfo, BlockLens, BlockwiseOptions, Chunks, CoreDimensions,
    GufuncOutput, MapBlocks, MergeBlocks, UNKNOWN, apply_along_axis as along_axis, apply_gufunc as gufunc,
    blockwise_parts, blockwise_with, map_blocks as apply_map_blocks, parse_signature as parse,
};
use selion::core::{DType, Enclosure, Region, TaskContext, TaskError, Value};

use crate::array::PyArray;
use crate::chunk::{from_numpy, to_numpy_readonly};
use crate::convert::{self, numpy_dtype};
use crate::delayed::GIL;
use crate::errors::{raised_by_user, to_python};
use crate::processes::Processes;

/// What a function gives.
#[derive(Clone, Copy, PartialEq)]
enum Gives {
    Array,
    Arrays,
    /// Anything, for the function that comes next.
    Object,
}

/// A callable that is given NumPy arrays and gives one, or a sequence of several, or any object.
#[pyclass(frozen, name = "BlockFunction", module = "selion._selion")]
pub(crate) struct PyBlockFunction {
    function: Py<PyAny>,
    name: String,
    token: u64,
    dtypes: Vec<DType>,
    gives: Gives,
    /// Whether it is told which block it makes, before the arrays.
    wants_info: bool,
    /// Whether it is called in other processes where these call functions: not if it is NumPy's or of this package, since
    /// those give the GIL away while they work.
    is_users: bool,
}

#[pymethods]
impl PyBlockFunction {
    /// `dtype` is that of the result, or a list of those of the results, or `None` if they are objects.
    #[new]
    #[pyo3(signature = (function, name, token, dtype, wants_info=false, is_users=false))]
    fn new(
        function: Py<PyAny>,
        name: String,
        token: u64,
        dtype: &Bound<'_, PyAny>,
        wants_info: bool,
        is_users: bool,
    ) -> PyResult<Self> {
        let (gives, dtypes) = match dtype.cast::<PyList>() {
            Ok(list) => (Gives::Arrays, list.iter().map(|dtype| convert::dtype(&dtype)).collect::<PyResult<_>>()?),
            // The dtype of the array of objects is of no account: none of its elements is looked at.
            Err(_) if dtype.is_none() => (Gives::Object, vec![DType::F64]),
            Err(_) => (Gives::Array, vec![convert::dtype(dtype)?]),
        };
        Ok(PyBlockFunction { function, name, token, dtypes, gives, wants_info, is_users })
    }

    /// What makes the same again.
    fn __reduce__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, this) = (slf.py(), slf.get());
        let dtypes = this.dtypes.iter().map(|dtype| numpy_dtype(py, *dtype)).collect::<PyResult<Vec<_>>>()?;
        let dtype = match this.gives {
            Gives::Object => py.None().into_bound(py),
            Gives::Arrays => PyList::new(py, dtypes)?.into_any(),
            Gives::Array => dtypes.into_iter().next().unwrap_or_else(|| py.None().into_bound(py)),
        };
        let args = (&this.function, &this.name, this.token, dtype, this.wants_info).into_pyobject(py)?;
        (slf.get_type(), args).into_pyobject(py)
    }
}

impl PyBlockFunction {
    /// The dtype of the only result.
    pub(crate) fn dtype(&self) -> PyResult<DType> {
        self.dtypes.first().copied().ok_or_else(|| PyTypeError::new_err("a function without results"))
    }

    fn call_in_python(
        &self,
        py: Python<'_>,
        info: &BlockInfo,
        inputs: &[Value],
        context: &TaskContext<'_>,
    ) -> PyResult<Value> {
        let mut args: Vec<Bound<'_, PyAny>> = Vec::with_capacity(inputs.len() + 1);
        if self.wants_info {
            args.push(place_of(py, info)?);
        }
        for input in inputs {
            args.push(to_python_block(py, input)?);
        }
        let (function, args) = (self.function.bind(py), PyTuple::new(py, args)?);
        let result = match Processes::of(context) {
            Some(processes) if self.is_users => processes.call(&self.name, function, args, None, context.cancel)?,
            _ => function.call1(args)?,
        };
        match self.gives {
            Gives::Array => return Ok(Value::Chunk(from_python_block(&result, self.dtype()?)?)),
            Gives::Object => {
                let nbytes =
                    result.getattr("nbytes").and_then(|nbytes| nbytes.extract()).unwrap_or(size_of::<Py<PyAny>>());
                return Ok(Value::Object { object: Arc::new(result.unbind()), nbytes });
            }
            Gives::Arrays => {}
        }
        let results: Vec<Bound<'_, PyAny>> = result.extract()?;
        if results.len() != self.dtypes.len() {
            let (name, given, wanted) = (&self.name, results.len(), self.dtypes.len());
            return Err(PyValueError::new_err(format!("{name} gave {given} results instead of {wanted}")));
        }
        let blocks = results.iter().zip(&self.dtypes).map(|(block, dtype)| from_python_block(block, *dtype));
        Ok(Value::Tuple(blocks.map(|block| block.map(Value::Chunk)).collect::<PyResult<_>>()?))
    }
}

struct Shared(Py<PyBlockFunction>);

impl BlockFunction for Shared {
    fn name(&self) -> &str {
        &self.0.get().name
    }

    fn identity(&self) -> u64 {
        self.0.get().token
    }

    fn note(&self) -> Option<String> {
        Some(format!("{} runs in Python", self.name()))
    }

    fn call(&self, info: &BlockInfo, inputs: &[Value], context: &TaskContext<'_>) -> Result<Value, TaskError> {
        Python::attach(|py| self.0.get().call_in_python(py, info, inputs, context))
            .map_err(|error| raised_by_user(error, context))
    }

    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        Some(&GIL)
    }
}

pub(crate) fn shared(function: &Bound<'_, PyBlockFunction>) -> Arc<dyn BlockFunction> {
    Arc::new(Shared(function.clone().unbind()))
}

/// The result's block, number of blocks, region and shape; and the block and region of each input.
fn place_of<'py>(py: Python<'py>, info: &BlockInfo) -> PyResult<Bound<'py, PyAny>> {
    let ranges = |region: &Region| -> Vec<(usize, usize)> {
        let range = |(start, len): (&usize, &usize)| (*start, if *len == UNKNOWN { *start } else { start + len });
        region.start.iter().zip(&region.shape).map(range).collect()
    };
    let own = (
        PyTuple::new(py, &info.block)?,
        PyTuple::new(py, &info.numblocks)?,
        ranges(&info.region),
        PyTuple::new(py, &info.shape)?,
    );
    let inputs = info.inputs.iter().map(|(block, region)| Ok((PyTuple::new(py, block)?, ranges(region))));
    let inputs: Vec<_> = inputs.collect::<PyResult<_>>()?;
    Ok((own, inputs).into_pyobject(py)?.into_any())
}

/// A block as NumPy array; blocks along contracted labels as lists.
fn to_python_block<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Chunk(chunk) => to_numpy_readonly(py, chunk.clone()),
        Value::Tuple(parts) => {
            let parts = parts.iter().map(|part| to_python_block(py, part)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, parts)?.into_any())
        }
        Value::Object { object, .. } if let Some(object) = object.downcast_ref::<Py<PyAny>>() => {
            Ok(object.bind(py).clone())
        }
        _ => Err(PyTypeError::new_err("a block of an input is not an array")),
    }
}

fn from_python_block(block: &Bound<'_, PyAny>, dtype: DType) -> PyResult<selion::core::Chunk> {
    let py = block.py();
    let mut array = py.import("numpy")?.call_method1("asarray", (block,))?;
    let wanted = numpy_dtype(py, dtype)?;
    if !array.getattr("dtype")?.eq(&wanted)? {
        array = array.call_method1("astype", (wanted,))?;
    }
    from_numpy(&array)
}

fn made(result: selion::array::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray).map_err(to_python)
}

/// A length, where NaN stands for one that only computing will tell.
fn length(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    match value.extract::<usize>() {
        Ok(len) => Ok(len),
        Err(_) if value.extract::<f64>().is_ok_and(f64::is_nan) => Ok(UNKNOWN),
        Err(error) => Err(error),
    }
}

fn lengths(value: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    value.try_iter()?.map(|item| length(&item?)).collect()
}

fn is_sequence(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>()
}

/// Block lengths: one for all, a list, or a function of the old length.
fn adjustment(value: Bound<'_, PyAny>) -> PyResult<AdjustChunks> {
    if value.is_callable() {
        let function = value.unbind();
        return Ok(AdjustChunks::Each(Arc::new(move |len| {
            Python::attach(|py| length(&function.bind(py).call1((len,))?))
                .map_err(|error| ArrayError::Value(error.to_string()))
        })));
    }
    if is_sequence(&value) { Ok(AdjustChunks::Lens(lengths(&value)?)) } else { Ok(AdjustChunks::Size(length(&value)?)) }
}

type Labelled<'py> = (Bound<'py, PyArray>, Vec<usize>);

/// Applies a function block by block: `labels` name the result's axes, `inputs` are arrays with the names of theirs.
#[pyfunction]
#[pyo3(signature = (function, labels, inputs, new_axes, adjust_chunks, concatenate=true, align_arrays=true))]
fn blockwise(
    function: &Bound<'_, PyBlockFunction>,
    labels: Vec<usize>,
    inputs: Vec<Labelled<'_>>,
    new_axes: Vec<(usize, Bound<'_, PyAny>)>,
    adjust_chunks: Vec<(usize, Bound<'_, PyAny>)>,
    concatenate: bool,
    align_arrays: bool,
) -> PyResult<PyArray> {
    let inputs: Vec<(Array, Vec<usize>)> =
        inputs.into_iter().map(|(array, labels)| (array.get().0.clone(), labels)).collect();
    let new_axis = |(label, lens): (usize, Bound<'_, PyAny>)| {
        Ok((label, if is_sequence(&lens) { lengths(&lens)? } else { vec![length(&lens)?] }))
    };
    let options = BlockwiseOptions {
        new_axes: new_axes.into_iter().map(new_axis).collect::<PyResult<_>>()?,
        adjust_chunks: adjust_chunks
            .into_iter()
            .map(|(label, adjust)| Ok((label, adjustment(adjust)?)))
            .collect::<PyResult<_>>()?,
        concatenate,
        align_arrays,
        ..BlockwiseOptions::default()
    };
    made(blockwise_with(shared(function), &labels, &inputs, function.get().dtype()?, &options))
}

/// Applies a function that gives several arrays block by block. `parts` are their block lengths.
#[pyfunction]
#[pyo3(name = "blockwise_parts")]
fn parts_blockwise(
    function: &Bound<'_, PyBlockFunction>,
    labels: Vec<usize>,
    inputs: Vec<Labelled<'_>>,
    parts: Vec<Vec<Bound<'_, PyAny>>>,
) -> PyResult<Vec<PyArray>> {
    let inputs: Vec<(Array, Vec<usize>)> =
        inputs.into_iter().map(|(array, labels)| (array.get().0.clone(), labels)).collect();
    let chunks = parts.iter().map(|axes| {
        let axes: Vec<Vec<usize>> = axes.iter().map(lengths).collect::<PyResult<_>>()?;
        Ok(Chunks::from_lens(&axes))
    });
    let dtypes = function.get().dtypes.iter().copied();
    let parts: Vec<(DType, Chunks)> = dtypes.zip(chunks.collect::<PyResult<Vec<_>>>()?).collect();
    let options = BlockwiseOptions { concatenate: true, align_arrays: true, ..BlockwiseOptions::default() };
    let arrays = blockwise_parts(shared(function), &labels, &inputs, &parts, &options).map_err(to_python)?;
    Ok(arrays.into_iter().map(PyArray).collect())
}

/// What `map_blocks` and `map_overlap` are told of the blocks that a function gives.
pub(crate) fn blocks_made(
    chunks: Option<Vec<Bound<'_, PyAny>>>,
    drop_axis: Vec<isize>,
    new_axis: Option<Vec<usize>>,
) -> PyResult<MapBlocks> {
    let lens = |value: Bound<'_, PyAny>| {
        if is_sequence(&value) { Ok(BlockLens::All(lengths(&value)?)) } else { Ok(BlockLens::Each(length(&value)?)) }
    };
    let chunks = chunks.map(|chunks| chunks.into_iter().map(lens).collect::<PyResult<_>>()).transpose()?;
    Ok(MapBlocks { chunks, drop_axis, new_axis })
}

/// Applies a function to blocks with the same numbers.
#[pyfunction]
fn map_blocks(
    function: &Bound<'_, PyBlockFunction>,
    inputs: Vec<Bound<'_, PyArray>>,
    chunks: Option<Vec<Bound<'_, PyAny>>>,
    drop_axis: Vec<isize>,
    new_axis: Option<Vec<usize>>,
) -> PyResult<PyArray> {
    let inputs: Vec<Array> = inputs.iter().map(|array| array.get().0.clone()).collect();
    let options = blocks_made(chunks, drop_axis, new_axis)?;
    made(apply_map_blocks(shared(function), &inputs, function.get().dtype()?, &options))
}

/// Applies a function to groups of blocks: `axes` are pairs of an axis and how many blocks along it become one.
#[pyfunction]
fn merge_blocks(
    function: &Bound<'_, PyBlockFunction>,
    array: &PyArray,
    axes: Vec<(usize, usize)>,
    len: usize,
    keep: bool,
) -> PyResult<PyArray> {
    made(array.0.merge_blocks(shared(function), function.get().dtype()?, &MergeBlocks { axes, len, keep }))
}

/// The names of the core dimensions of inputs and outputs.
#[pyfunction]
fn parse_signature(signature: &str) -> PyResult<(CoreDimensions, CoreDimensions)> {
    parse(signature).map_err(to_python)
}

/// Applies a function to the last axes of its inputs. `outputs` are the names of their core dimensions.
#[pyfunction]
fn apply_gufunc(
    function: &Bound<'_, PyBlockFunction>,
    inputs: Vec<(Bound<'_, PyArray>, Vec<String>)>,
    outputs: Vec<Vec<String>>,
    sizes: Vec<(String, usize)>,
    allow_rechunk: bool,
) -> PyResult<Vec<PyArray>> {
    let inputs: Vec<(Array, Vec<String>)> =
        inputs.into_iter().map(|(array, core)| (array.get().0.clone(), core)).collect();
    let dtypes = &function.get().dtypes;
    let outputs: Vec<GufuncOutput> =
        outputs.into_iter().zip(dtypes).map(|(core, dtype)| GufuncOutput { core, dtype: *dtype }).collect();
    let results = gufunc(shared(function), &inputs, &outputs, &sizes, allow_rechunk).map_err(to_python)?;
    Ok(results.into_iter().map(PyArray).collect())
}

/// Applies a function to blocks that have all of an axis, which becomes axes of the lengths `result`.
#[pyfunction]
fn apply_along_axis(
    function: &Bound<'_, PyBlockFunction>,
    axis: isize,
    array: &PyArray,
    result: Vec<usize>,
) -> PyResult<PyArray> {
    made(along_axis(shared(function), axis, &array.0, &result, function.get().dtype()?))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyBlockFunction>()?;
    m.add_function(wrap_pyfunction!(blockwise, m)?)?;
    m.add_function(wrap_pyfunction!(parts_blockwise, m)?)?;
    m.add_function(wrap_pyfunction!(map_blocks, m)?)?;
    m.add_function(wrap_pyfunction!(merge_blocks, m)?)?;
    m.add_function(wrap_pyfunction!(parse_signature, m)?)?;
    m.add_function(wrap_pyfunction!(apply_gufunc, m)?)?;
    m.add_function(wrap_pyfunction!(apply_along_axis, m)?)
}
