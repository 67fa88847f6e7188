//! One call of a Python function.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyTuple};
use selion::core::{DType, Enclosure, TaskContext, TaskError, Value};
use selion::delayed::{Call, Delayed, hash_id};
use smallvec::{SmallVec, smallvec};

use super::args::{Arg, take_apart};
use crate::chunk::{from_numpy, to_numpy_readonly};
use crate::convert::numpy_dtype;
use crate::errors::{raised, raised_by_user};
use crate::processes::Processes;

/// What a Python object takes that does not say its size.
const OBJECT_BYTES: usize = 64;

/// Python's lock: small tasks that follow each other are run without giving it away in between.
pub(crate) struct Gil(
    #[expect(dead_code, reason = "gives the static an address of its own, by which it is recognised")] u8,
);
pub(crate) static GIL: Gil = Gil(0);

impl Enclosure for Gil {
    fn within(&self, work: &mut dyn FnMut()) {
        Python::attach(|_| work());
    }
}

/// A Python object as the value of a task.
pub(crate) fn to_value(object: Bound<'_, PyAny>) -> Value {
    Value::Object { nbytes: nbytes(&object), object: Arc::new(object.unbind()) }
}

fn nbytes(object: &Bound<'_, PyAny>) -> usize {
    let small = object.is_none()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>();
    if small {
        return OBJECT_BYTES;
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return OBJECT_BYTES + text.len().unwrap_or(0);
    }
    let known = object.getattr_opt("nbytes").ok().flatten().and_then(|nbytes| nbytes.extract::<usize>().ok());
    known.unwrap_or(0) + OBJECT_BYTES
}

/// The Python object of a task's value: arrays are NumPy's, scalars where they have no axis.
pub(crate) fn from_value<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Object { object, .. } => match object.downcast_ref::<Py<PyAny>>() {
            Some(object) => Ok(object.bind(py).clone()),
            None => Err(pyo3::exceptions::PyTypeError::new_err("the value of a task is no Python object")),
        },
        Value::Chunk(chunk) => {
            let array = to_numpy_readonly(py, chunk.clone())?;
            if chunk.shape().is_empty() { array.get_item(PyTuple::empty(py)) } else { Ok(array) }
        }
        Value::Tuple(parts) => {
            let parts = parts.iter().map(|part| from_value(py, part)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyTuple::new(py, parts)?.into_any())
        }
        Value::Unit => Ok(py.None().into_bound(py)),
    }
}

/// What is called, shared by its calls.
pub(super) struct Function {
    pub(super) callable: Py<PyAny>,
    pub(super) name: Box<str>,
}

/// What is called.
pub(super) enum Callee {
    Function(Arc<Function>),
    /// The first input.
    Input,
    /// Nothing: the only argument is the value. The function gives its name.
    Identity(Arc<Function>),
}

/// A call with its arguments.
pub(super) struct PyCall {
    callee: Callee,
    /// Of most calls it is one.
    args: SmallVec<[Arg; 1]>,
    more: Option<Box<More>>,
}

/// What few calls have.
struct More {
    keywords: Vec<(Py<PyString>, Arg)>,
    key: Option<Box<str>>,
    nout: Option<u32>,
}

/// What is said of a call beside its arguments.
#[derive(Default)]
pub(super) struct Words {
    /// The key by which it is to be known.
    pub(super) key: Option<Box<str>>,
    /// How many parts the result has.
    pub(super) nout: Option<u32>,
    /// Whether to look for values to come in containers.
    pub(super) traverse: bool,
}

impl PyCall {
    /// A call, and what it needs.
    pub(super) fn new(
        callee: Callee,
        args: &mut dyn Iterator<Item = Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
        words: Words,
        mut inputs: Vec<Delayed>,
    ) -> PyResult<(PyCall, Vec<Delayed>)> {
        let Words { key, nout, traverse } = words;
        let args = args.map(|arg| take_apart(&arg, traverse, &mut inputs)).collect::<PyResult<SmallVec<[Arg; 1]>>>()?;
        let mut named = Vec::new();
        for (name, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
            named.push((name.cast_into::<PyString>()?.unbind(), take_apart(&value, traverse, &mut inputs)?));
        }
        let more = !named.is_empty() || key.is_some() || nout.is_some();
        let more = more.then(|| Box::new(More { keywords: named, key, nout }));
        Ok((PyCall { callee, args, more }, inputs))
    }

    /// A function of a value to come and more arguments.
    pub(super) fn with_first(
        function: Arc<Function>,
        first: Delayed,
        rest: &mut dyn Iterator<Item = Bound<'_, PyAny>>,
    ) -> PyResult<(PyCall, Vec<Delayed>)> {
        let mut inputs = vec![first];
        let mut args: SmallVec<[Arg; 1]> = smallvec![Arg::Input];
        for arg in rest {
            args.push(take_apart(&arg, true, &mut inputs)?);
        }
        Ok((PyCall { callee: Callee::Function(function), args, more: None }, inputs))
    }

    /// How many parts the result has, if that was said.
    pub(super) fn nout(&self) -> Option<u32> {
        self.more.as_ref()?.nout
    }

    /// The object, if this is nothing but one.
    pub(super) fn constant(&self) -> Option<&Py<PyAny>> {
        match (&self.callee, &*self.args) {
            (Callee::Identity(_), [Arg::Constant(object)]) => Some(object),
            _ => None,
        }
    }

    /// The function (None for nothing but the argument), arguments and keywords, with something in the inputs' places.
    pub(super) fn taken_apart<'py>(
        &self,
        py: Python<'py>,
        stand_ins: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let mut values = stand_ins.into_iter().map(Ok);
        let function = match &self.callee {
            Callee::Function(function) => function.callable.bind(py).clone(),
            Callee::Input => values.next().unwrap_or_else(|| Ok(py.None().into_bound(py)))?,
            Callee::Identity(_) => py.None().into_bound(py),
        };
        let args = self.args.iter().map(|arg| arg.put_together(py, &mut values)).collect::<PyResult<Vec<_>>>()?;
        let keywords = PyDict::new(py);
        for (name, arg) in self.more.iter().flat_map(|more| &more.keywords) {
            keywords.set_item(name, arg.put_together(py, &mut values)?)?;
        }
        (function, PyTuple::new(py, args)?, keywords).into_pyobject(py)
    }

    fn run_in_python(&self, py: Python<'_>, inputs: &[Value], context: &TaskContext<'_>) -> PyResult<Value> {
        let mut values = inputs.iter().map(|value| from_value(py, value));
        let dynamic = match &self.callee {
            Callee::Input => values.next().transpose()?,
            _ => None,
        };
        let mut args = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            args.push(arg.put_together(py, &mut values)?);
        }
        let function = match (&self.callee, &dynamic) {
            (Callee::Function(function), _) => function.callable.bind(py),
            (Callee::Input, Some(function)) => function,
            _ => return Ok(args.pop().map_or(Value::Unit, to_value)),
        };
        let args = PyTuple::new(py, args)?;
        let keywords = match self.more.as_ref().map(|more| &more.keywords) {
            Some(named) if !named.is_empty() => {
                let keywords = PyDict::new(py);
                for (name, arg) in named {
                    keywords.set_item(name, arg.put_together(py, &mut values)?)?;
                }
                Some(keywords)
            }
            _ => None,
        };
        match Processes::of(context) {
            None => function.call(args, keywords.as_ref()),
            Some(processes) => processes.call(self.name(), function, args, keywords, context.cancel),
        }
        .map(to_value)
    }
}

impl Call for PyCall {
    fn name(&self) -> &str {
        match &self.callee {
            Callee::Function(function) | Callee::Identity(function) => &function.name,
            Callee::Input => "apply",
        }
    }

    fn run(&self, inputs: &[Value], context: &TaskContext<'_>) -> Result<Value, TaskError> {
        Python::attach(|py| self.run_in_python(py, inputs, context)).map_err(|error| raised_by_user(error, context))
    }

    fn key(&self) -> Option<&str> {
        self.more.as_ref()?.key.as_deref()
    }

    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        Some(&GIL)
    }
}

/// Makes a block of what a Python function gave.
struct ToBlock(DType);

/// A delayed value as a block of an array of the given dtype.
pub(super) fn block_of(value: Delayed, dtype: DType) -> Delayed {
    let id = hash_id(("block", value.id(), dtype));
    Delayed::call(ToBlock(dtype), vec![value], Some(id), None)
}

impl Call for ToBlock {
    fn name(&self) -> &str {
        "asarray"
    }

    fn run(&self, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        if let [Value::Chunk(chunk)] = inputs
            && chunk.dtype() == self.0
        {
            return Ok(Value::Chunk(chunk.clone()));
        }
        let convert = |py: Python<'_>| -> PyResult<Value> {
            let value = inputs.first().map_or_else(|| Ok(py.None().into_bound(py)), |value| from_value(py, value))?;
            let array = py.import("numpy")?.call_method1("asarray", (value, numpy_dtype(py, self.0)?))?;
            Ok(Value::Chunk(from_numpy(&array)?))
        };
        Python::attach(convert).map_err(raised)
    }

    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        Some(&GIL)
    }
}
