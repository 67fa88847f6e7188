//! What some keys of a Dask graph need, found in one walk over the task objects: tasks with dense numbers, each after
//! those it reads. Aliases are followed here, graphs within tasks are opened, and small data lies in the tasks that read
//! it.

use pyo3::exceptions::{PyKeyError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::call::{Call, Numbering, Part, part};
use super::classes::{Classes, Kind};
use crate::chunk::numpy;

/// A task, and the numbers of those it reads.
pub(super) struct Task {
    /// Of tasks in a graph within a task it is the key of that.
    pub(super) key: Py<PyAny>,
    pub(super) work: Part,
    pub(super) inputs: Vec<u32>,
}

/// Tasks, each after those it reads, and where the wanted keys are among them.
pub(super) struct Tasks {
    pub(super) all: Vec<Task>,
    pub(super) wanted: Vec<u32>,
}

/// What is known of a key.
enum State {
    New,
    /// What it reads is being looked at.
    Open(Task),
    /// It is the task of this number.
    Done(u32),
}

struct Found<'py> {
    key: Bound<'py, PyAny>,
    scope: usize,
    state: State,
}

/// A graph: the whole, or one within a task.
struct Scope<'py> {
    graph: Bound<'py, PyDict>,
    /// The numbers of its keys that were found.
    numbers: Bound<'py, PyDict>,
    /// Values of keys that are no tasks.
    constants: Bound<'py, PyDict>,
    /// The key of the task that it is in.
    within: Option<Bound<'py, PyAny>>,
}

struct Reader<'c, 'py> {
    classes: &'c Classes,
    /// What runs a graph within a task, if those are to be opened.
    subgraph: Option<Bound<'py, PyAny>>,
    scopes: Vec<Scope<'py>>,
    found: Vec<Found<'py>>,
}

/// Numbers the keys that one task reads.
struct Inputs<'a, 'c, 'py> {
    reader: &'a mut Reader<'c, 'py>,
    scope: usize,
    inputs: Vec<u32>,
}

impl Numbering for Inputs<'_, '_, '_> {
    fn input(&mut self, key: &Bound<'_, PyAny>) -> PyResult<Part> {
        match self.reader.constant(self.scope, key)? {
            Some(value) => Ok(Part::Constant(value)),
            None => Ok(Part::Input(self.number(key)?)),
        }
    }

    fn number(&mut self, key: &Bound<'_, PyAny>) -> PyResult<u32> {
        self.inputs.push(self.reader.number(self.scope, key)?);
        Ok(self.inputs.len() as u32 - 1)
    }
}

/// Reads what `wanted` needs of `graph`.
///
/// # Errors
/// `KeyError` for a key that is not in the graph, `RuntimeError` for tasks that need each other.
pub(super) fn read<'py>(
    graph: &Bound<'py, PyDict>,
    wanted: &[Bound<'py, PyAny>],
    classes: &Classes,
    subgraph: Option<Bound<'py, PyAny>>,
) -> PyResult<Tasks> {
    let mut reader = Reader { classes, subgraph, scopes: Vec::new(), found: Vec::new() };
    reader.scope(graph.clone(), None);
    let mut tasks = Tasks { all: Vec::new(), wanted: Vec::new() };
    let mut roots = Vec::with_capacity(wanted.len());
    for key in wanted {
        roots.push(reader.number(0, key)?);
    }
    for root in &roots {
        reader.walk(*root, &mut tasks.all)?;
    }
    for root in roots {
        if let State::Done(task) = reader.found[root as usize].state {
            tasks.wanted.push(task);
        }
    }
    Ok(tasks)
}

impl<'py> Reader<'_, 'py> {
    fn scope(&mut self, graph: Bound<'py, PyDict>, within: Option<Bound<'py, PyAny>>) -> usize {
        let py = graph.py();
        self.scopes.push(Scope { graph, numbers: PyDict::new(py), constants: PyDict::new(py), within });
        self.scopes.len() - 1
    }

    fn number(&mut self, scope: usize, key: &Bound<'_, PyAny>) -> PyResult<u32> {
        let numbers = self.scopes[scope].numbers.clone();
        if let Some(number) = numbers.get_item(key)? {
            return number.extract();
        }
        let number = self.found.len() as u32;
        numbers.set_item(key, number)?;
        let key = key.clone().unbind().into_bound(numbers.py());
        self.found.push(Found { key, scope, state: State::New });
        Ok(number)
    }

    /// The value of a key that is data, unless that is an array, which is a value like others.
    fn constant(&self, scope: usize, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let scope = &self.scopes[scope];
        if let Some(value) = scope.constants.get_item(key)? {
            return Ok(Some(value.unbind()));
        }
        let Some(node) = scope.graph.get_item(key)? else { return Ok(None) };
        if !matches!(self.classes.kind(&node)?, Kind::Data) {
            return Ok(None);
        }
        let value = node.getattr(intern!(node.py(), "value"))?;
        let array = value.get_type().is(&numpy(node.py())?.ndarray);
        Ok((!array).then(|| value.unbind()))
    }

    /// Appends what a key needs and its task to `all`.
    fn walk(&mut self, root: u32, all: &mut Vec<Task>) -> PyResult<()> {
        // Keys whose inputs are being looked at, and how many of those were.
        let mut path: Vec<(u32, u32)> = vec![(root, 0)];
        while let Some((number, looked_at)) = path.pop() {
            let next = match &self.found[number as usize].state {
                State::Done(_) => continue,
                State::Open(task) => task.inputs.get(looked_at as usize).copied(),
                State::New => {
                    let reader = path.last().map(|(reader, _)| *reader);
                    let task = self.open(number, reader)?;
                    self.found[number as usize].state = State::Open(task);
                    path.push((number, 0));
                    continue;
                }
            };
            if let Some(input) = next {
                path.push((number, looked_at + 1));
                match &self.found[input as usize].state {
                    State::New => path.push((input, 0)),
                    State::Done(_) => {}
                    State::Open(_) => return Err(self.cycle(&path, input)),
                }
                continue;
            }
            let state = &mut self.found[number as usize].state;
            let State::Open(mut task) = std::mem::replace(state, State::New) else { continue };
            for input in &mut task.inputs {
                if let State::Done(done) = &self.found[*input as usize].state {
                    *input = *done;
                }
            }
            let done = match (&task.work, &*task.inputs) {
                (Part::Input(_), [other]) => *other, // an alias is what it stands for
                _ => {
                    all.push(task);
                    all.len() as u32 - 1
                }
            };
            self.found[number as usize].state = State::Done(done);
        }
        Ok(())
    }

    /// The task of a key.
    fn open(&mut self, number: u32, reader: Option<u32>) -> PyResult<Task> {
        let Found { key, scope, .. } = &self.found[number as usize];
        let (key, scope) = (key.clone(), *scope);
        let Some(node) = self.scopes[scope].graph.get_item(&key)? else {
            return Err(missing(&key, reader.map(|reader| &self.found[reader as usize].key)));
        };
        let kind = self.classes.kind(&node)?;
        if let (Kind::Task, Some(subgraph)) = (&kind, &self.subgraph)
            && node.getattr(intern!(node.py(), "func"))?.is(subgraph)
            && let Some(result) = self.within(&node, scope, &key)?
        {
            return Ok(Task { key: key.unbind(), work: Part::Input(0), inputs: vec![result] });
        }
        let own = self.scopes[scope].within.clone().unwrap_or(key);
        let classes = self.classes;
        let mut inputs = Inputs { reader: self, scope, inputs: Vec::new() };
        let work = match kind {
            Kind::Task => Part::Call(Box::new(Call::of(&node, classes, &mut inputs)?)),
            _ => part(&node, classes, &mut inputs)?,
        };
        Ok(Task { key: own.unbind(), work, inputs: inputs.inputs })
    }

    /// Opens the graph within a task; the number of its result. `None` for a form that is not known.
    fn within(&mut self, node: &Bound<'py, PyAny>, scope: usize, key: &Bound<'py, PyAny>) -> PyResult<Option<u32>> {
        let py = node.py();
        let args = node.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
        let args: Vec<Bound<'py, PyAny>> = args.iter().collect();
        let [graph, result, names, given @ ..] = &*args else { return Ok(None) };
        let (Ok(graph), Ok(names)) = (graph.cast::<PyDict>(), names.cast::<PyTuple>()) else { return Ok(None) };
        if names.len() != given.len() {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(given.len());
        for value in given {
            let classes = self.classes;
            let mut inputs = Inputs { reader: self, scope, inputs: Vec::new() };
            match part(value, classes, &mut inputs)? {
                Part::Input(_) => parts.push((Some(inputs.inputs[0]), None)),
                Part::Constant(value) => parts.push((None, Some(value))),
                _ => return Ok(None),
            }
        }
        let own = self.scopes[scope].within.clone().unwrap_or_else(|| key.clone());
        let inner = self.scope(graph.clone(), Some(own));
        for (name, part) in names.iter().zip(parts) {
            match part {
                (Some(number), _) => self.scopes[inner].numbers.set_item(name, number)?,
                (_, value) => self.scopes[inner].constants.set_item(name, value)?,
            }
        }
        self.number(inner, result).map(Some)
    }

    /// As Dask has it: the keys of the cycle in the order in which they need each other.
    fn cycle(&self, path: &[(u32, u32)], again: u32) -> PyErr {
        let start = path.iter().position(|(number, _)| *number == again).unwrap_or(0);
        let names = path[start..].iter().map(|(number, _)| *number).chain([again]);
        let names: Vec<String> = names.map(|number| self.found[number as usize].key.to_string()).collect();
        PyRuntimeError::new_err(format!("Cycle detected in Dask: {}", names.join("->")))
    }
}

fn missing(key: &Bound<'_, PyAny>, reader: Option<&Bound<'_, PyAny>>) -> PyErr {
    let error = PyKeyError::new_err(key.clone().unbind());
    if let Some(reader) = reader {
        let note = format!("task {reader} reads it, and the graph does not have it");
        // Without a note the error is as good.
        let _ = error.value(key.py()).call_method1(intern!(key.py(), "add_note"), (note,));
    }
    error
}
