//! Arguments of a delayed call: constants, values to come, and containers with values to come in them.

use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PySlice, PyString, PyTuple, PyType,
};
use selion::delayed::Delayed;

use super::object::PyDelayed;
use crate::array::PyArray;

/// Containers in containers, deeper than anybody writes.
const DEPTH_MAX: usize = 500;

/// One argument. Values to come are the inputs of the call, in the order in which the arguments name them.
pub(super) enum Arg {
    Constant(Py<PyAny>),
    /// The next input.
    Input,
    Nest(Box<Nest>),
}

/// A container with inputs somewhere in it.
pub(super) struct Nest {
    kind: Kind,
    /// Keys and values in turn, for what is made of pairs.
    items: Vec<Arg>,
}

enum Kind {
    List,
    Tuple,
    Set,
    FrozenSet,
    Dict,
    Slice,
    /// A named tuple's class.
    Named(Py<PyAny>),
    /// A dataclass's instance, of which to make a copy with other fields.
    Data(Py<PyAny>),
    /// A collection of several parts, and what makes its value of theirs.
    Collection(Py<PyAny>),
}

/// Takes an argument apart; its values to come are appended to `inputs`. Without `traverse`, containers are constants.
pub(super) fn take_apart(value: &Bound<'_, PyAny>, traverse: bool, inputs: &mut Vec<Delayed>) -> PyResult<Arg> {
    apart(value, traverse, inputs, 0)
}

fn apart(value: &Bound<'_, PyAny>, traverse: bool, inputs: &mut Vec<Delayed>, depth: usize) -> PyResult<Arg> {
    let constant = || Ok(Arg::Constant(value.clone().unbind()));
    if value.is_none()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyBytes>()
    {
        return constant();
    }
    if let Ok(delayed) = value.cast::<PyDelayed>() {
        return Ok(match delayed.get().constant(value.py()) {
            Some(object) => Arg::Constant(object),
            None => {
                inputs.push(delayed.get().node.clone());
                Arg::Input
            }
        });
    }
    let nest = |kind: Kind, items: &mut dyn Iterator<Item = PyResult<Bound<'_, PyAny>>>, inputs: &mut Vec<Delayed>| {
        if depth == DEPTH_MAX {
            return Err(PyRecursionError::new_err(format!(
                "containers nested more than {DEPTH_MAX} deep in the arguments of a delayed call"
            )));
        }
        let before = inputs.len();
        let mut parts = Vec::with_capacity(items.size_hint().0);
        for item in items {
            parts.push(apart(&item?, traverse, inputs, depth + 1)?);
        }
        if inputs.len() == before {
            return constant();
        }
        Ok(Arg::Nest(Box::new(Nest { kind, items: parts })))
    };
    if traverse {
        if let Ok(list) = value.cast_exact::<PyList>() {
            return nest(Kind::List, &mut list.iter().map(Ok), inputs);
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            return nest(Kind::Tuple, &mut tuple.iter().map(Ok), inputs);
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            let pairs: Vec<_> = dict.iter().flat_map(|(key, value)| [Ok(key), Ok(value)]).collect();
            return nest(Kind::Dict, &mut pairs.into_iter(), inputs);
        }
        if value.is_exact_instance_of::<PySet>() {
            return nest(Kind::Set, &mut value.try_iter()?, inputs);
        }
        if value.is_exact_instance_of::<PyFrozenSet>() {
            return nest(Kind::FrozenSet, &mut value.try_iter()?, inputs);
        }
        if value.is_exact_instance_of::<PySlice>() {
            let parts = ["start", "stop", "step"].map(|part| value.getattr(part));
            return nest(Kind::Slice, &mut parts.into_iter(), inputs);
        }
    }
    if value.is_instance_of::<PyType>() {
        return constant();
    }
    if let Some(parts) = value.get_type().getattr_opt("__selion_parts__")? {
        return collection(value, &parts.call1((value,))?, inputs);
    }
    if traverse && value.is_instance_of::<PyTuple>() && value.hasattr("_fields")? {
        return nest(Kind::Named(value.get_type().into_any().unbind()), &mut value.try_iter()?, inputs);
    }
    if traverse && let Some(fields) = value.get_type().getattr_opt("__dataclass_fields__")? {
        let mut parts = Vec::new();
        for name in fields.try_iter()? {
            let name = name?;
            let field = value.getattr_opt(name.cast::<PyString>()?)?;
            parts.extend(field.into_iter().flat_map(|field| [Ok(name.clone()), Ok(field)]));
        }
        return nest(Kind::Data(value.clone().unbind()), &mut parts.into_iter(), inputs);
    }
    constant()
}

/// A lazy collection: what it gives when computed.
fn collection(value: &Bound<'_, PyAny>, parts: &Bound<'_, PyAny>, inputs: &mut Vec<Delayed>) -> PyResult<Arg> {
    let mut items = Vec::new();
    for part in parts.try_iter()? {
        let part = part?;
        if let Ok(array) = part.cast::<PyArray>() {
            inputs.push(Delayed::array(&array.get().0));
        } else {
            inputs.push(part.cast::<PyDelayed>()?.get().node.clone());
        }
        items.push(Arg::Input);
    }
    let finish = value.getattr("_finish")?.unbind();
    Ok(Arg::Nest(Box::new(Nest { kind: Kind::Collection(finish), items })))
}

impl Arg {
    /// Puts the argument together again, with the values that came.
    pub(super) fn put_together<'py>(
        &self,
        py: Python<'py>,
        values: &mut dyn Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Arg::Constant(object) => Ok(object.bind(py).clone()),
            Arg::Input => values.next().unwrap_or_else(|| Ok(py.None().into_bound(py))),
            Arg::Nest(nest) => nest.put_together(py, values),
        }
    }
}

impl Nest {
    fn put_together<'py>(
        &self,
        py: Python<'py>,
        values: &mut dyn Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut parts = Vec::with_capacity(self.items.len());
        for item in &self.items {
            parts.push(item.put_together(py, values)?);
        }
        let pairs = |parts: Vec<Bound<'py, PyAny>>| -> PyResult<Bound<'py, PyDict>> {
            let dict = PyDict::new(py);
            for pair in parts.chunks_exact(2) {
                dict.set_item(&pair[0], &pair[1])?;
            }
            Ok(dict)
        };
        Ok(match &self.kind {
            Kind::List => PyList::new(py, parts)?.into_any(),
            Kind::Tuple => PyTuple::new(py, parts)?.into_any(),
            Kind::Set => PySet::new(py, parts)?.into_any(),
            Kind::FrozenSet => PyFrozenSet::new(py, parts)?.into_any(),
            Kind::Dict => pairs(parts)?.into_any(),
            Kind::Slice => py.get_type::<PySlice>().call1(PyTuple::new(py, parts)?)?,
            Kind::Named(class) => class.bind(py).call1(PyTuple::new(py, parts)?)?,
            Kind::Data(instance) => {
                let copy = py.import("copy")?.call_method1("copy", (instance,))?;
                for pair in parts.chunks_exact(2) {
                    // As `dataclasses.replace`, but for frozen classes and fields that `__init__` does not take too.
                    py.import("builtins")?
                        .getattr("object")?
                        .call_method1("__setattr__", (&copy, &pair[0], &pair[1]))?;
                }
                copy
            }
            Kind::Collection(finish) => finish.bind(py).call1((PyList::new(py, parts)?,))?,
        })
    }
}
