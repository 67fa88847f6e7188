//! What some keys of a Dask graph need, found in one walk over the task objects: tasks with dense numbers, each after
//! those it reads. Aliases are followed here, and data lies in the tasks that read it.

use pyo3::exceptions::{PyKeyError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::call::{Call, Numbering, Part, part};
use super::classes::{Classes, Kind};

/// A task, and the numbers of those it reads.
pub(super) struct Task {
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

/// Numbers keys as they are found.
struct Keys<'a, 'py> {
    numbers: Bound<'py, PyDict>,
    found: &'a mut Vec<(Bound<'py, PyAny>, State)>,
}

impl Keys<'_, '_> {
    fn number(&mut self, key: &Bound<'_, PyAny>) -> PyResult<u32> {
        if let Some(number) = self.numbers.get_item(key)? {
            return number.extract();
        }
        let number = self.found.len() as u32;
        self.numbers.set_item(key, number)?;
        self.found.push((key.clone().unbind().into_bound(self.numbers.py()), State::New));
        Ok(number)
    }
}

/// Numbers the keys that one task reads: what it reads twice is one input.
struct Inputs<'a, 'b, 'py> {
    keys: &'a mut Keys<'b, 'py>,
    inputs: Vec<u32>,
}

impl Numbering for Inputs<'_, '_, '_> {
    fn input(&mut self, key: &Bound<'_, PyAny>) -> PyResult<u32> {
        let number = self.keys.number(key)?;
        self.inputs.push(number);
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
) -> PyResult<Tasks> {
    let py = graph.py();
    let mut found = Vec::new();
    let numbers = PyDict::new(py);
    let mut tasks = Tasks { all: Vec::new(), wanted: Vec::new() };
    let mut roots = Vec::with_capacity(wanted.len());
    for key in wanted {
        roots.push(Keys { numbers: numbers.clone(), found: &mut found }.number(key)?);
    }
    // Keys whose inputs are being looked at, and how many of those were.
    let mut path: Vec<(u32, u32)> = Vec::new();
    for root in &roots {
        path.push((*root, 0));
        while let Some((number, looked_at)) = path.pop() {
            let (key, state) = &found[number as usize];
            let next = match state {
                State::Done(_) => continue,
                State::Open(task) => task.inputs.get(looked_at as usize).copied(),
                State::New => {
                    let key = key.clone();
                    let reader = path.last().map(|(reader, _)| found[*reader as usize].0.clone());
                    let node = graph.get_item(&key)?.ok_or_else(|| missing(&key, reader.as_ref()))?;
                    let mut keys = Keys { numbers: numbers.clone(), found: &mut found };
                    let task = open(&node, key, &mut keys, classes)?;
                    found[number as usize].1 = State::Open(task);
                    path.push((number, 0));
                    continue;
                }
            };
            if let Some(input) = next {
                path.push((number, looked_at + 1));
                match &found[input as usize].1 {
                    State::New => path.push((input, 0)),
                    State::Done(_) => {}
                    State::Open(_) => return Err(cycle(&path, input, &found)),
                }
                continue;
            }
            let State::Open(mut task) = std::mem::replace(&mut found[number as usize].1, State::New) else { continue };
            for input in &mut task.inputs {
                if let State::Done(done) = &found[*input as usize].1 {
                    *input = *done;
                }
            }
            let done = match (&task.work, &*task.inputs) {
                (Part::Input(_), [other]) => *other, // an alias is what it stands for
                _ => {
                    tasks.all.push(task);
                    tasks.all.len() as u32 - 1
                }
            };
            found[number as usize].1 = State::Done(done);
        }
    }
    for root in roots {
        if let State::Done(task) = found[root as usize].1 {
            tasks.wanted.push(task);
        }
    }
    Ok(tasks)
}

/// The task of a node.
fn open<'py>(
    node: &Bound<'py, PyAny>,
    key: Bound<'py, PyAny>,
    keys: &mut Keys<'_, 'py>,
    classes: &Classes,
) -> PyResult<Task> {
    let mut inputs = Inputs { keys, inputs: Vec::new() };
    let work = match classes.kind(node)? {
        Kind::Task => Part::Call(Box::new(Call::of(node, classes, &mut inputs)?)),
        _ => part(node, classes, &mut inputs)?,
    };
    Ok(Task { key: key.unbind(), work, inputs: inputs.inputs })
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

/// As Dask has it: the keys of the cycle in the order in which they need each other.
fn cycle(path: &[(u32, u32)], again: u32, found: &[(Bound<'_, PyAny>, State)]) -> PyErr {
    let start = path.iter().position(|(number, _)| *number == again).unwrap_or(0);
    let names = path[start..].iter().map(|(number, _)| *number).chain([again]);
    let names: Vec<String> = names.map(|number| found[number as usize].0.to_string()).collect();
    PyRuntimeError::new_err(format!("Cycle detected in Dask: {}", names.join("->")))
}
