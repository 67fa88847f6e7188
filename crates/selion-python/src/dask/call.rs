//! A Dask task as a call: taken apart once, put together from the values that came when it runs.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};
use smallvec::SmallVec;

use super::classes::{Classes, Kind};

/// A part of a task.
pub(super) enum Part {
    Constant(Py<PyAny>),
    /// The input of this number.
    Input(u32),
    List(Vec<Part>),
    Tuple(Vec<Part>),
    Set(Vec<Part>),
    /// Keys and values in turn.
    Dict(Vec<Part>),
    Call(Box<Call>),
    /// A node of an unknown class, with the keys that it reads and where they are.
    Other(Py<PyAny>, Vec<(Py<PyAny>, u32)>),
}

/// A function with its arguments.
pub(super) struct Call {
    pub(super) function: Py<PyAny>,
    pub(super) args: SmallVec<[Part; 2]>,
    pub(super) keywords: Vec<(Py<PyString>, Part)>,
}

/// Numbers the keys that tasks refer to.
pub(super) trait Numbering {
    /// The value of a key.
    fn input(&mut self, key: &Bound<'_, PyAny>) -> PyResult<Part>;

    /// The number of the input that is the value of a key.
    fn number(&mut self, key: &Bound<'_, PyAny>) -> PyResult<u32>;
}

/// Takes an object in a graph apart.
pub(super) fn part(object: &Bound<'_, PyAny>, classes: &Classes, inputs: &mut dyn Numbering) -> PyResult<Part> {
    let py = object.py();
    let parts = |inputs: &mut dyn Numbering| -> PyResult<Vec<Part>> {
        let args = object.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
        args.iter().map(|arg| part(&arg, classes, inputs)).collect()
    };
    Ok(match classes.kind(object)? {
        Kind::Constant => Part::Constant(object.clone().unbind()),
        Kind::Reference => inputs.input(&object.getattr(intern!(py, "key"))?)?,
        Kind::Alias => inputs.input(&object.getattr(intern!(py, "target"))?)?,
        Kind::Data => Part::Constant(object.getattr(intern!(py, "value"))?.unbind()),
        Kind::List => Part::List(parts(inputs)?),
        Kind::Tuple => Part::Tuple(parts(inputs)?),
        Kind::Set => Part::Set(parts(inputs)?),
        Kind::Dict => Part::Dict(parts(inputs)?),
        Kind::Task => Part::Call(Box::new(Call::of(object, classes, inputs)?)),
        Kind::Other => {
            let mut reads = Vec::new();
            for key in object.getattr(intern!(py, "dependencies"))?.try_iter()? {
                let key = key?;
                let input = inputs.number(&key)?;
                reads.push((key.unbind(), input));
            }
            Part::Other(object.clone().unbind(), reads)
        }
    })
}

impl Call {
    /// The call of a task.
    pub(super) fn of(task: &Bound<'_, PyAny>, classes: &Classes, inputs: &mut dyn Numbering) -> PyResult<Call> {
        let py = task.py();
        let args = task.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
        let args = args.iter().map(|arg| part(&arg, classes, inputs)).collect::<PyResult<_>>()?;
        let named = task.getattr(intern!(py, "kwargs"))?.cast_into::<PyDict>()?;
        let mut keywords = Vec::with_capacity(named.len());
        for (name, value) in named {
            keywords.push((name.cast_into::<PyString>()?.unbind(), part(&value, classes, inputs)?));
        }
        Ok(Call { function: task.getattr(intern!(py, "func"))?.unbind(), args, keywords })
    }

    pub(super) fn run<'py>(&self, py: Python<'py>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        let args = self.args.iter().map(|arg| arg.value(py, inputs)).collect::<PyResult<SmallVec<[_; 4]>>>()?;
        let args = PyTuple::new(py, args)?;
        let function = self.function.bind(py);
        if self.keywords.is_empty() {
            return function.call1(args);
        }
        let keywords = PyDict::new(py);
        for (name, value) in &self.keywords {
            keywords.set_item(name, value.value(py, inputs)?)?;
        }
        function.call(args, Some(&keywords))
    }
}

impl Part {
    /// Whether it needs no input, and nothing is called.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Part::Constant(_) => true,
            Part::List(parts) | Part::Tuple(parts) | Part::Set(parts) | Part::Dict(parts) => {
                parts.iter().all(Part::is_constant)
            }
            Part::Input(_) | Part::Call(_) | Part::Other(..) => false,
        }
    }

    /// The value of the part, from those of the inputs.
    pub(super) fn value<'py>(&self, py: Python<'py>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        let values = |parts: &[Part]| -> PyResult<Vec<Bound<'py, PyAny>>> {
            parts.iter().map(|part| part.value(py, inputs)).collect()
        };
        Ok(match self {
            Part::Constant(object) => object.bind(py).clone(),
            Part::Input(number) => inputs[*number as usize].clone(),
            Part::List(parts) => PyList::new(py, values(parts)?)?.into_any(),
            Part::Tuple(parts) => PyTuple::new(py, values(parts)?)?.into_any(),
            Part::Set(parts) => PySet::new(py, values(parts)?)?.into_any(),
            Part::Dict(parts) => {
                let dict = PyDict::new(py);
                for pair in values(parts)?.chunks_exact(2) {
                    dict.set_item(&pair[0], &pair[1])?;
                }
                dict.into_any()
            }
            Part::Call(call) => call.run(py, inputs)?,
            Part::Other(node, reads) => {
                let values = PyDict::new(py);
                for (key, input) in reads {
                    values.set_item(key, &inputs[*input as usize])?;
                }
                node.bind(py).call1((values,))?
            }
        })
    }
}
