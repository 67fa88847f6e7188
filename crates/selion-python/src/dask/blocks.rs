//! The tasks of selion's own arrays, one by one, for Dask's schedulers.
//!
//! A graph is not sent: the arrays are, and whoever runs a task lowers them again to the same graph, once. So what lowering
//! gives may not depend on the process or the machine; `fingerprint` tells whether it did.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{LowerOptions, Root, lower, optimize};
use selion::core::{CancelToken, Graph, TaskContext, TaskId, Value};

use crate::chunk::{from_numpy, numpy, to_numpy};
use crate::delayed::{from_value, to_value};
use crate::errors::to_python;
use crate::run::arrays;

/// The tasks of some arrays.
#[pyclass(frozen, name = "ArrayTasks", module = "selion._selion")]
pub(crate) struct ArrayTasks(Graph);

/// A task, the output of it that is meant, and the number of its outputs.
type Place = (usize, usize);

impl ArrayTasks {
    fn place(&self, value: selion::core::ValueId) -> Place {
        let task = self.0.producer(value);
        let first = self.0.outputs(task).next().map_or(0, |first| first.index());
        (task.index(), value.index() - first)
    }
}

#[pymethods]
impl ArrayTasks {
    #[new]
    fn new(list: &Bound<'_, PyList>) -> PyResult<Self> {
        let arrays = arrays(list)?;
        if arrays.iter().any(|array| array.depth() > 0) {
            return Err(PyNotImplementedError::new_err("arrays that need delayed values, as tasks of Dask"));
        }
        let roots = optimize(&arrays, false).into_iter().map(|array| Root { array, sink: None });
        let graph = lower(&roots.collect::<Vec<_>>(), LowerOptions::default());
        graph.map(ArrayTasks).map_err(|error| to_python(error))
    }

    /// Of each task: what it does in a word, the tasks and outputs that it reads, and how many outputs it has.
    fn tasks(&self) -> Vec<(String, Vec<Place>, usize)> {
        let graph = &self.0;
        let task = |task: TaskId| {
            let inputs = graph.inputs(task).iter().map(|value| self.place(*value)).collect();
            let (body, index) = graph.body(task);
            (body.label(index).to_owned(), inputs, graph.outputs(task).len())
        };
        graph.tasks().map(task).collect()
    }

    /// The tasks and outputs that are the arrays' blocks, in C order.
    fn wanted(&self) -> Vec<Place> {
        self.0.wanted().iter().map(|value| self.place(*value)).collect()
    }

    /// Equal for equal graphs.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for task in self.0.tasks() {
            let (body, index) = self.0.body(task);
            (body.label(index), index, self.0.outputs(task).len()).hash(&mut hasher);
            for input in self.0.inputs(task) {
                input.index().hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Runs a task on the outputs that it reads.
    fn run<'py>(&self, py: Python<'py>, task: u32, inputs: Vec<Bound<'py, PyAny>>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let inputs: Vec<Value> = inputs.into_iter().map(as_value).collect::<PyResult<_>>()?;
        let (body, index) = self.0.body(TaskId(task));
        let cancel = CancelToken::default();
        let outputs = py.detach(|| body.run(index, &inputs, &TaskContext { cancel: &cancel, host: None }));
        let outputs = outputs
            .map_err(|cause| to_python(selion::core::ExecError::Task { task: self.0.name(TaskId(task)), cause }))?;
        outputs.iter().map(|value| as_object(py, value)).collect()
    }
}

fn as_value(object: Bound<'_, PyAny>) -> PyResult<Value> {
    if object.get_type().is(&numpy(object.py())?.ndarray) {
        return Ok(Value::Chunk(from_numpy(&object)?));
    }
    if let Ok(parts) = object.cast_exact::<PyTuple>() {
        let parts = parts.iter().map(as_value).collect::<PyResult<Arc<[Value]>>>()?;
        return Ok(Value::Tuple(parts));
    }
    if object.is_none() { Ok(Value::Unit) } else { Ok(to_value(object)) }
}

fn as_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Chunk(chunk) => to_numpy(py, chunk.clone()),
        Value::Tuple(parts) => {
            let parts = parts.iter().map(|part| as_object(py, part)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyTuple::new(py, parts)?.into_any())
        }
        other => from_value(py, other),
    }
}

pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<ArrayTasks>()
}
