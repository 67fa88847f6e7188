//! The tasks of selion's own arrays, one by one, for Dask's schedulers.
//!
//! A graph is not sent: the arrays are, and whoever runs a task lowers them again to the same graph, once. So what lowering
//! gives may not depend on the process or the machine; `fingerprint` tells whether it did.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use selion::array::{Array, LowerOptions, Root, lower, optimize};
use selion::core::{CancelToken, ExecError, Graph, Outputs, TaskContext, TaskId, Value};

use crate::chunk::{from_numpy, numpy, to_numpy};
use crate::delayed::{from_value, to_value};
use crate::errors::to_python;
use crate::run::arrays;

/// The tasks of some arrays.
#[pyclass(frozen, name = "ArrayTasks", module = "selion._selion")]
pub(crate) struct ArrayTasks {
    graph: Graph,
    work_bytes: u64,
}

/// A step and an output of it; or -1 and the number of a given value.
type Source = (isize, usize);

/// A task, the output of it that is meant, and the number of its outputs.
type Place = (usize, usize);

impl ArrayTasks {
    fn run_steps(&self, steps: &[(u32, Vec<Source>)], given: &[Value]) -> Result<Outputs, ExecError> {
        let cancel = CancelToken::default();
        let mut made: Vec<Outputs> = Vec::with_capacity(steps.len());
        for (task, sources) in steps {
            let inputs: Vec<Value> = sources
                .iter()
                .map(|(step, number)| match usize::try_from(*step) {
                    Ok(step) => made[step][*number].clone(),
                    Err(_) => given[*number].clone(),
                })
                .collect();
            let (body, index) = self.graph.body(TaskId(*task));
            let context = TaskContext { cancel: &cancel, host: None };
            let outputs = body.run(index, &inputs, &context);
            let name = || self.graph.name(TaskId(*task));
            made.push(outputs.map_err(|cause| ExecError::Task { task: name(), cause })?);
        }
        Ok(made.pop().unwrap_or_default())
    }

    fn place(&self, value: selion::core::ValueId) -> Place {
        let task = self.graph.producer(value);
        let first = self.graph.outputs(task).next().map_or(0, |first| first.index());
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
        let arrays = optimize(&arrays, false);
        let work_bytes = Array::work_bytes(&arrays);
        let roots = arrays.into_iter().map(|array| Root { array, sink: None });
        let graph = lower(&roots.collect::<Vec<_>>(), LowerOptions::default());
        let graph = graph.map_err(to_python)?;
        Ok(ArrayTasks { graph, work_bytes })
    }

    /// Bytes that a task works on, on average.
    fn work_bytes(&self) -> u64 {
        self.work_bytes / (self.graph.len() as u64).max(1)
    }

    /// Of each task: what it does in a word, the tasks and outputs that it reads, and how many outputs it has.
    fn tasks(&self) -> Vec<(String, Vec<Place>, usize)> {
        let graph = &self.graph;
        let task = |task: TaskId| {
            let inputs = graph.inputs(task).iter().map(|value| self.place(*value)).collect();
            let (body, index) = graph.body(task);
            (body.label(index).to_owned(), inputs, graph.outputs(task).len())
        };
        graph.tasks().map(task).collect()
    }

    /// The tasks and outputs that are the arrays' blocks, in C order.
    fn wanted(&self) -> Vec<Place> {
        self.graph.wanted().iter().map(|value| self.place(*value)).collect()
    }

    /// Equal for equal graphs.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for task in self.graph.tasks() {
            let (body, index) = self.graph.body(task);
            (body.label(index), index, self.graph.outputs(task).len()).hash(&mut hasher);
            for input in self.graph.inputs(task) {
                input.index().hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Runs a task on the outputs that it reads.
    ///
    /// Several tasks may be run one after the other: what each reads is an output of one before it (its place among
    /// `steps`, and which output), or one of the `given` values. The outputs of the last are returned.
    fn run<'py>(
        &self,
        py: Python<'py>,
        steps: Vec<(u32, Vec<Source>)>,
        given: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let given: Vec<Value> = given.into_iter().map(as_value).collect::<PyResult<_>>()?;
        let outputs = py.detach(|| self.run_steps(&steps, &given));
        outputs.map_err(to_python)?.iter().map(|value| as_object(py, value)).collect()
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
