//! The graph of a Dask graph's tasks, and running it.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use selion::core::{Annotations, Body, BodyId, Enclosure, GraphBuilder, Outputs, TaskContext, TaskError, Value};
use smallvec::{SmallVec, smallvec};
use std::collections::HashMap;
use std::sync::Arc;

use super::classes::Classes;
use super::read::{Task, read};
use crate::chunk::{as_chunk, to_numpy_shared};
use crate::delayed::{GIL, from_value, to_value};
use crate::errors::raised;
use crate::run::run_graph;

/// Runs task number `index`.
struct Tasks {
    all: Vec<Task>,
    /// Is told of each task before and after it runs.
    watch: Option<Py<PyAny>>,
}

impl Tasks {
    fn run_in_python(&self, py: Python<'_>, index: usize, inputs: &[Value]) -> PyResult<Value> {
        let task = &self.all[index];
        let inputs = inputs.iter().map(|value| to_python(py, value)).collect::<PyResult<SmallVec<[_; 4]>>>()?;
        if let Some(watch) = &self.watch {
            watch.call_method1(py, "before", (&task.key,))?;
        }
        let result = task.work.value(py, &inputs)?;
        if let Some(watch) = &self.watch {
            watch.call_method1(py, "after", (&task.key, &result))?;
        }
        Ok(match as_chunk(&result)? {
            Some(chunk) => Value::Chunk(chunk),
            None => to_value(result),
        })
    }
}

/// A value as a task of Dask would get it: arrays may be written to.
fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Chunk(chunk) if !chunk.shape().is_empty() => to_numpy_shared(py, chunk.clone()),
        other => from_value(py, other),
    }
}

impl Body for Tasks {
    fn name(&self) -> &str {
        "dask"
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        let value = Python::attach(|py| self.run_in_python(py, index, inputs)).map_err(raised)?;
        Ok(smallvec![value])
    }

    fn task_name(&self, index: usize) -> String {
        Python::attach(|py| {
            let key = self.all[index].key.bind(py);
            let name = if key.is_instance_of::<PyString>() { key.str() } else { key.repr() };
            name.map_or_else(|_| format!("task {index}"), |name| name.to_string())
        })
    }

    fn enclosure(&self, _: usize) -> Option<&'static dyn Enclosure> {
        Some(&GIL)
    }
}

/// Priority, retries, resources.
type Words = (i32, u32, Vec<(String, f64)>);

/// The values of some keys of a Dask graph, in order.
#[pyfunction]
#[pyo3(signature = (graph, keys, classes, annotations=None, watch=None, num_workers=None))]
fn dask_get<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyDict>,
    keys: &Bound<'py, PyList>,
    classes: &Bound<'py, Classes>,
    annotations: Option<&Bound<'py, PyDict>>,
    watch: Option<Py<PyAny>>,
    num_workers: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let keys: Vec<_> = keys.iter().collect();
    let tasks = read(graph, &keys, classes.get())?;
    let mut words: Vec<Annotations> = Vec::new();
    if let Some(annotations) = annotations {
        for task in &tasks.all {
            words.push(match annotations.get_item(&task.key)? {
                Some(said) => {
                    let (priority, retries, resources): Words = said.extract()?;
                    Annotations { priority, retries, resources }
                }
                None => Annotations::default(),
            });
        }
    }
    let numbers: Vec<Vec<u32>> = tasks.all.iter().map(|task| task.inputs.clone()).collect();
    let body: Arc<dyn Body> = Arc::new(Tasks { all: tasks.all, watch });
    let mut builder = GraphBuilder::default();
    let plain = builder.body(Arc::clone(&body));
    let mut bodies: HashMap<String, BodyId> = HashMap::new();
    let mut values = Vec::with_capacity(numbers.len());
    for (number, inputs) in numbers.into_iter().enumerate() {
        let body = match words.get(number) {
            Some(said) if *said != Annotations::default() => {
                *bodies.entry(format!("{said:?}")).or_insert_with(|| builder.body_with(Arc::clone(&body), said.clone()))
            }
            _ => plain,
        };
        let inputs: SmallVec<[_; 8]> = inputs.into_iter().map(|input| values[input as usize]).collect();
        values.push(builder.task(body, number, &inputs, 0));
    }
    let wanted = tasks.wanted.into_iter().map(|task| values[task as usize]).collect();
    let results = run_graph(py, builder.finish(wanted), num_workers)?;
    let results = results.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, results)
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Classes>()?;
    m.add_function(wrap_pyfunction!(dask_get, m)?)
}
