//! The graph of a Dask graph's tasks, and running it.
//!
//! Tasks that are lifted and belong together are one task here; every other task is one of its own. Whatever a native
//! group refuses is done by the tasks' own functions.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use selion::core::{Annotations, Body, BodyId, Enclosure, Graph, GraphBuilder, Outputs, TaskContext, TaskError, Value};
use selion::lift::{From, Node, Step, Term, Unit, group};
use smallvec::SmallVec;

use super::call::Part;
use super::classes::Classes;
use super::functions::Functions;
use super::lift::{Lifted, Lifting};
use super::read::{Task, read};
use crate::chunk::{as_chunk, numpy, to_numpy_shared};
use crate::delayed::{GIL, from_value, to_value};
use crate::errors::raised;
use crate::run::run_graph;

/// Tasks that run as one, of a Dask graph.
struct Plan {
    tasks: Vec<Task>,
    units: Vec<Work>,
    /// Of each task what the parts of its value are called, if that is a state and made natively.
    states: Vec<Option<&'static [&'static str]>>,
    wanted: Vec<u32>,
    /// Is told of each task before and after it runs.
    watch: Option<Py<PyAny>>,
}

struct Work {
    unit: Unit,
    /// The tasks from outside that it reads.
    inputs: Vec<u32>,
    /// Where the inputs of its tasks come from.
    sources: Vec<Vec<From>>,
    /// What it does natively.
    native: Option<Native>,
}

struct Native {
    steps: Vec<Step>,
    /// Which of the steps are its outputs.
    outputs: Vec<u32>,
}

impl Plan {
    fn of(py: Python<'_>, tasks: Vec<Task>, wanted: Vec<u32>, functions: Option<&Functions>) -> PyResult<Plan> {
        let terms: Vec<Lifted> = match functions {
            None => tasks.iter().map(|_| None).collect(),
            Some(functions) => {
                let lifting = Lifting::new(py, functions);
                tasks.iter().map(|task| lifting.lift(py, &task.work)).collect()
            }
        };
        let mut nodes = Vec::with_capacity(tasks.len());
        for (number, task) in tasks.iter().enumerate() {
            let role = terms[number].as_ref().map(|(_, role)| *role);
            let place = place(py, task, number)?;
            let data = task.work.is_constant();
            nodes.push(Node { role, inputs: task.inputs.clone(), place, wanted: false, data });
        }
        wanted.iter().for_each(|task| nodes[*task as usize].wanted = true);
        let states = terms.iter().map(|term| state(&term.as_ref()?.0)).collect();
        let units = group(&nodes);
        let units = units.into_iter().map(|unit| Work::of(unit, &tasks, &terms)).collect();
        Ok(Plan { tasks, units, states, wanted, watch: None })
    }

    fn python(&self, py: Python<'_>, index: usize, inputs: &[Value]) -> PyResult<Outputs> {
        let work = &self.units[index];
        let given = work.inputs.iter().zip(inputs).map(|(task, value)| self.to_python(py, *task, value));
        let given = given.collect::<PyResult<SmallVec<[Bound<'_, PyAny>; 4]>>>()?;
        let mut made: SmallVec<[Bound<'_, PyAny>; 1]> = SmallVec::new();
        for (number, sources) in work.unit.tasks.iter().zip(&work.sources) {
            let task = &self.tasks[*number as usize];
            let inputs: SmallVec<[Bound<'_, PyAny>; 4]> = sources
                .iter()
                .map(|from| match from {
                    From::Outside(input) => given[*input as usize].clone(),
                    From::Step(step) => made[*step as usize].clone(),
                })
                .collect();
            self.tell(py, "before", (&task.key,))?;
            let result = task.work.value(py, &inputs)?;
            self.tell(py, "after", (&task.key, &result))?;
            made.push(result);
        }
        let mut outputs = Outputs::new();
        for (number, result) in work.unit.tasks.iter().zip(made) {
            if work.unit.outputs.contains(number) {
                outputs.push(match as_chunk(&result)? {
                    Some(chunk) => Value::Chunk(chunk),
                    None => scalar(result)?,
                });
            }
        }
        Ok(outputs)
    }

    fn tell<'py>(&self, py: Python<'py>, what: &str, of: impl pyo3::call::PyCallArgs<'py>) -> PyResult<()> {
        match &self.watch {
            Some(watch) => watch.bind(py).call_method1(what, of).map(drop),
            None => Ok(()),
        }
    }

    /// Tells of tasks that ran natively, without their values.
    fn tell_of_native(&self, work: &Work) -> PyResult<()> {
        if self.watch.is_none() {
            return Ok(());
        }
        Python::attach(|py| {
            for number in &work.unit.tasks {
                let key = &self.tasks[*number as usize].key;
                self.tell(py, "before", (key,))?;
                self.tell(py, "after", (key, py.None()))?;
            }
            Ok(())
        })
    }

    /// A task's value as a task of Dask would get it: arrays may be written to.
    fn to_python<'py>(&self, py: Python<'py>, task: u32, value: &Value) -> PyResult<Bound<'py, PyAny>> {
        match (value, self.states[task as usize]) {
            (Value::Chunk(chunk), _) if !chunk.shape().is_empty() => to_numpy_shared(py, chunk.clone()),
            (Value::Tuple(parts), Some(names)) => {
                let state = PyDict::new(py);
                for (name, part) in names.iter().zip(parts.iter()) {
                    state.set_item(name, self.to_python(py, task, part)?)?;
                }
                Ok(state.into_any())
            }
            (other, _) => from_value(py, other),
        }
    }
}

impl Work {
    fn of(unit: Unit, tasks: &[Task], terms: &[Lifted]) -> Work {
        let mut inputs: Vec<u32> = Vec::new();
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        let own: HashMap<u32, u32> = match &*unit.tasks {
            [_] => HashMap::new(),
            several => several.iter().copied().zip(0..).collect(),
        };
        let mut sources = Vec::with_capacity(unit.tasks.len());
        for task in &unit.tasks {
            let from = |input: &u32| match own.get(input) {
                Some(step) => From::Step(*step),
                None => From::Outside(*numbers.entry(*input).or_insert_with(|| {
                    inputs.push(*input);
                    inputs.len() as u32 - 1
                })),
            };
            sources.push(tasks[*task as usize].inputs.iter().map(from).collect::<Vec<From>>());
        }
        let lifted: Option<Vec<Term>> =
            unit.tasks.iter().map(|task| terms[*task as usize].as_ref().map(|(term, _)| term.clone())).collect();
        let native = lifted.map(|terms| Native {
            steps: terms.into_iter().zip(&sources).map(|(term, from)| Step { term, inputs: from.clone() }).collect(),
            outputs: (0..).zip(&unit.tasks).filter(|(_, task)| unit.outputs.contains(task)).map(|(k, _)| k).collect(),
        });
        Work { unit, inputs, sources, native }
    }
}

/// NumPy's numbers are blocks without axes; everything else is an object.
fn scalar(result: Bound<'_, PyAny>) -> PyResult<Value> {
    let py = result.py();
    if result.is_instance(numpy(py)?.generic.bind(py))?
        && let Some(chunk) = crate::chunk::of_scalar(&result)?
    {
        return Ok(Value::Chunk(chunk));
    }
    Ok(to_value(result))
}

/// Which block a task makes: of tasks without a block's numbers each is in a place of its own.
fn place(py: Python<'_>, task: &Task, number: usize) -> PyResult<u64> {
    let mut hasher = DefaultHasher::new();
    match task.key.bind(py).cast::<PyTuple>() {
        Ok(key) => {
            for part in key.iter().skip(1) {
                part.hash()?.hash(&mut hasher);
            }
        }
        Err(_) => ("alone", number).hash(&mut hasher),
    }
    Ok(hasher.finish())
}

/// What the parts of a term's value are called.
fn state(term: &Term) -> Option<&'static [&'static str]> {
    match term {
        Term::Call(call) => call.0.state(),
        _ => None,
    }
}

impl Body for Plan {
    fn name(&self) -> &str {
        "dask"
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        let work = &self.units[index];
        if let Some(native) = &work.native
            && let Ok(outputs) = selion::lift::run(&native.steps, inputs, &native.outputs)
        {
            self.tell_of_native(work).map_err(raised)?;
            return Ok(outputs);
        }
        Python::attach(|py| self.python(py, index, inputs)).map_err(raised)
    }

    fn task_name(&self, index: usize) -> String {
        Python::attach(|py| {
            let last = self.units[index].unit.tasks.last().copied().unwrap_or(0);
            let key = self.tasks[last as usize].key.bind(py);
            let name = if key.is_instance_of::<PyString>() { key.str() } else { key.repr() };
            name.map_or_else(|_| format!("task {index}"), |name| name.to_string())
        })
    }

    fn enclosure(&self, index: usize) -> Option<&'static dyn Enclosure> {
        if self.units[index].native.is_some() { None } else { Some(&GIL) }
    }
}

/// Priority, retries, resources.
type Words = (i32, u32, Vec<(String, f64)>);

/// What was said of each task.
fn annotations(tasks: &[Task], said: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<Annotations>> {
    let Some(said) = said else { return Ok(Vec::new()) };
    tasks
        .iter()
        .map(|task| match said.get_item(&task.key)? {
            None => Ok(Annotations::default()),
            Some(said) => {
                let (priority, retries, resources): Words = said.extract()?;
                Ok(Annotations { priority, retries, resources })
            }
        })
        .collect()
}

/// The graph of a plan, of which a unit is a task.
fn graph(plan: &Arc<Plan>, said: &[Annotations]) -> Graph {
    let body: Arc<dyn Body> = Arc::clone(plan) as Arc<dyn Body>;
    let mut builder = GraphBuilder::default();
    let plain = builder.body(Arc::clone(&body));
    let mut bodies: HashMap<String, BodyId> = HashMap::new();
    let mut values = vec![selion::core::ValueId(u32::MAX); plan.tasks.len()];
    for (number, work) in plan.units.iter().enumerate() {
        let mut words = work.unit.tasks.iter().filter_map(|task| said.get(*task as usize));
        let body = match words.find(|words| **words != Annotations::default()) {
            None => plain,
            Some(words) => *bodies
                .entry(format!("{words:?}"))
                .or_insert_with(|| builder.body_with(Arc::clone(&body), words.clone())),
        };
        let inputs: SmallVec<[_; 8]> = work.inputs.iter().map(|input| values[*input as usize]).collect();
        // What a task gives is known when it has run.
        let sizes: SmallVec<[u64; 2]> = work.unit.outputs.iter().map(|_| 0).collect();
        let first = builder.task_with_outputs(body, number, &inputs, &sizes);
        for (task, k) in work.unit.outputs.iter().zip(0..) {
            values[*task as usize] = selion::core::ValueId(first.0 + k);
        }
    }
    builder.finish(plan.wanted.iter().map(|task| values[*task as usize]).collect())
}

/// The values of some keys of a Dask graph, in order.
#[pyfunction]
#[pyo3(signature = (graph, keys, classes, functions=None, annotations=None, watch=None, num_workers=None))]
fn dask_get<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyDict>,
    keys: &Bound<'py, PyList>,
    classes: &Bound<'py, Classes>,
    functions: Option<&Bound<'py, Functions>>,
    annotations: Option<&Bound<'py, PyDict>>,
    watch: Option<Py<PyAny>>,
    num_workers: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let mut plan = plan(py, graph, keys, classes, functions)?;
    plan.watch = watch;
    let said = self::annotations(&plan.tasks, annotations)?;
    let plan = Arc::new(plan);
    let results = run_graph(py, self::graph(&plan, &said), num_workers)?;
    let results = plan.wanted.iter().zip(&results).map(|(task, value)| plan.to_python(py, *task, value));
    PyTuple::new(py, results.collect::<PyResult<Vec<_>>>()?)
}

fn plan<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyDict>,
    keys: &Bound<'py, PyList>,
    classes: &Bound<'py, Classes>,
    functions: Option<&Bound<'py, Functions>>,
) -> PyResult<Plan> {
    let keys: Vec<_> = keys.iter().collect();
    let functions = functions.map(|functions| functions.get());
    let subgraph = functions.map(|functions| functions.subgraph.bind(py).clone());
    let tasks = read(graph, &keys, classes.get(), subgraph)?;
    Plan::of(py, tasks.all, tasks.wanted, functions)
}

/// Functions that stay Python's, with the number of their tasks.
type Left<'py> = Vec<(Bound<'py, PyAny>, usize)>;

/// How a Dask graph would run: the number of tasks, of those that are lifted, of those that they become, and what
/// is left.
#[pyfunction]
fn dask_explain<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyDict>,
    keys: &Bound<'py, PyList>,
    classes: &Bound<'py, Classes>,
    functions: &Bound<'py, Functions>,
) -> PyResult<(usize, usize, usize, Left<'py>)> {
    let plan = plan(py, graph, keys, classes, Some(functions))?;
    let (mut lifted, mut groups, mut data) = (HashSet::new(), 0, 0);
    let mut left: Left<'py> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for work in &plan.units {
        if work.native.is_some() {
            lifted.extend(work.unit.tasks.iter().copied());
            groups += 1;
            continue;
        }
        for task in &work.unit.tasks {
            data += usize::from(plan.tasks[*task as usize].work.is_constant());
            if let Part::Call(call) = &plan.tasks[*task as usize].work {
                let function = call.function.bind(py);
                let place = *places.entry(function.as_ptr() as usize).or_insert_with(|| {
                    left.push((function.clone(), 0));
                    left.len() - 1
                });
                left[place].1 += 1;
            }
        }
    }
    Ok((plan.tasks.len() - data, lifted.len(), groups, left))
}

pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Classes>()?;
    m.add_class::<Functions>()?;
    m.add_function(wrap_pyfunction!(dask_get, m)?)?;
    m.add_function(wrap_pyfunction!(dask_explain, m)?)
}
