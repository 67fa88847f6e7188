//! A call on its way: the function, its arguments, and the futures among them.
//!
//! Arguments travel in one of three forms, told by their first byte: `0`, a pickle of `(args, kwargs)`; `1`, positional
//! arguments one by one, each a number of an input or a pickle; `2`, a pickle of `(args, kwargs)` in which a place
//! holder stands for every input, at any depth of lists, tuples, sets and dicts.

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};
use ring::digest::{SHA256, digest};
use selion_scheduler::{BlobId, Key};

use super::client::PyFuture;

/// 128 bits of a hash of some parts.
pub(super) fn hash(parts: &[&[u8]]) -> u128 {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let hash = digest(&SHA256, &bytes);
    hash.as_ref().iter().take(16).fold(0, |n, byte| n << 8 | u128::from(*byte))
}

/// A function that is ready to travel.
#[pyclass(frozen, module = "selion._selion")]
pub(crate) struct RemoteFunction {
    pub(super) id: BlobId,
    pub(super) pickle: Bytes,
    pub(super) name: std::sync::Arc<str>,
}

#[pymethods]
impl RemoteFunction {
    #[new]
    fn new(name: &str, pickle: &Bound<'_, PyBytes>) -> Self {
        let bytes = pickle.as_bytes();
        RemoteFunction { id: BlobId(hash(&[b"f", bytes])), pickle: Bytes::copy_from_slice(bytes), name: name.into() }
    }
}

/// The place of an input in pickled arguments.
#[pyclass(frozen, module = "selion._selion")]
pub(crate) struct Input(u32);

#[pymethods]
impl Input {
    #[new]
    fn new(number: u32) -> Self {
        Input(number)
    }

    fn __reduce__(slf: Bound<'_, Self>) -> PyResult<(Bound<'_, PyAny>, (u32,))> {
        let number = slf.get().0;
        Ok((slf.get_type().into_any(), (number,)))
    }
}

/// Arguments that are ready to travel.
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) inputs: Vec<Key>,
    /// Whether equal arguments are sure to have equal bytes.
    pub(super) canonical: bool,
}

/// Makes arguments ready to travel.
pub(super) fn encode_args(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Encoded> {
    let py = args.py();
    let mut inputs = Vec::new();
    let plain = kwargs.is_none_or(|kwargs| kwargs.is_empty());
    if plain && let Some(encoded) = encode_flat(args, &mut inputs)? {
        return Ok(encoded);
    }
    inputs.clear();
    let template = replace(args.as_any(), &mut inputs)?;
    let words = match kwargs {
        Some(kwargs) => replace(kwargs.as_any(), &mut inputs)?,
        None => PyDict::new(py).into_any(),
    };
    let mut bytes = vec![if inputs.is_empty() { 0 } else { 2 }];
    bytes.extend_from_slice(dump_args(&(template, words).into_pyobject(py)?.into_any())?.as_bytes());
    Ok(Encoded { bytes: bytes.into(), inputs, canonical: false })
}

/// Positional arguments that are futures and simple values.
fn encode_flat(args: &Bound<'_, PyTuple>, inputs: &mut Vec<Key>) -> PyResult<Option<Encoded>> {
    let mut bytes = Vec::with_capacity(32);
    bytes.push(1);
    for arg in args.iter_borrowed() {
        if arg.is_none() {
            bytes.push(b'n');
        } else if arg.is_exact_instance_of::<PyBool>() {
            bytes.push(if arg.is_truthy()? { b't' } else { b'u' });
        } else if arg.is_exact_instance_of::<PyInt>() {
            let Ok(n) = arg.extract::<i64>() else { return Ok(None) };
            bytes.push(b'i');
            bytes.extend(n.to_le_bytes());
        } else if arg.is_exact_instance_of::<PyFloat>() {
            bytes.push(b'f');
            bytes.extend(arg.extract::<f64>()?.to_le_bytes());
        } else if let Ok(text) = arg.cast_exact::<PyString>() {
            let Ok(text) = text.to_str() else { return Ok(None) };
            bytes.push(b's');
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        } else if let Ok(future) = arg.cast::<PyFuture>() {
            bytes.push(b'F');
            bytes.extend(number_of(future.get().number(), inputs).to_le_bytes());
        } else {
            return Ok(None);
        }
    }
    Ok(Some(Encoded { bytes: bytes.into(), inputs: std::mem::take(inputs), canonical: true }))
}

fn number_of(key: Key, inputs: &mut Vec<Key>) -> u32 {
    let at = inputs.iter().position(|other| *other == key).unwrap_or_else(|| {
        inputs.push(key);
        inputs.len() - 1
    });
    at as u32
}

/// The same, with a place holder for every future.
fn replace<'py>(object: &Bound<'py, PyAny>, inputs: &mut Vec<Key>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Ok(future) = object.cast::<PyFuture>() {
        let number = number_of(future.get().number(), inputs);
        return Ok(Bound::new(py, Input(number))?.into_any());
    }
    let before = inputs.len();
    if let Ok(list) = object.cast_exact::<PyList>() {
        let items = list.iter().map(|item| replace(&item, inputs)).collect::<PyResult<Vec<_>>>()?;
        return if inputs.len() == before && !holds_input(&items) {
            Ok(object.clone())
        } else {
            Ok(PyList::new(py, items)?.into_any())
        };
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        let items = tuple.iter().map(|item| replace(&item, inputs)).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyTuple::new(py, items)?.into_any());
    }
    if let Ok(set) = object.cast_exact::<PySet>() {
        let items = set.iter().map(|item| replace(&item, inputs)).collect::<PyResult<Vec<_>>>()?;
        return if inputs.len() == before && !holds_input(&items) {
            Ok(object.clone())
        } else {
            Ok(PySet::new(py, items)?.into_any())
        };
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let replaced = PyDict::new(py);
        for (key, value) in dict.iter() {
            replaced.set_item(replace(&key, inputs)?, replace(&value, inputs)?)?;
        }
        return Ok(replaced.into_any());
    }
    Ok(object.clone())
}

fn holds_input(items: &[Bound<'_, PyAny>]) -> bool {
    items.iter().any(|item| {
        item.is_instance_of::<Input>()
            || item.is_exact_instance_of::<PyList>()
            || item.is_exact_instance_of::<PyTuple>()
            || item.is_exact_instance_of::<PyDict>()
            || item.is_exact_instance_of::<PySet>()
    })
}

/// The pickle of arguments; the error of what cannot be pickled names it.
fn dump_args<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let dumped = object.py().import("selion.distributed._remote")?.call_method1("dump_arguments", (object,))?;
    Ok(dumped.cast_into::<PyBytes>()?)
}

type Arguments<'py> = (Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>);

/// The arguments of a call, with the values of its inputs.
pub(super) fn decode_args<'py>(
    py: Python<'py>,
    bytes: &[u8],
    inputs: &[Bound<'py, PyAny>],
) -> PyResult<Arguments<'py>> {
    match bytes.split_first() {
        Some((1, rest)) => Ok((decode_flat(py, rest, inputs)?, None)),
        Some((form @ (0 | 2), rest)) => {
            let loaded = py.import("pickle")?.call_method1("loads", (PyBytes::new(py, rest),))?;
            let loaded = if *form == 2 { fill(&loaded, inputs)? } else { loaded };
            let (args, kwargs): (Bound<'py, PyTuple>, Bound<'py, PyDict>) = loaded.extract()?;
            Ok((args, Some(kwargs)))
        }
        _ => Err(damaged()),
    }
}

fn damaged() -> PyErr {
    PyValueError::new_err("the arguments of a call are damaged")
}

fn decode_flat<'py>(py: Python<'py>, mut rest: &[u8], inputs: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyTuple>> {
    let mut args: Vec<Bound<'py, PyAny>> = Vec::with_capacity(4);
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        let mut take = |count: usize| -> PyResult<&[u8]> {
            let (taken, after) = rest.split_at_checked(count).ok_or_else(damaged)?;
            rest = after;
            Ok(taken)
        };
        let arg = match tag {
            b'n' => py.None().into_bound(py),
            b't' => PyBool::new(py, true).to_owned().into_any(),
            b'u' => PyBool::new(py, false).to_owned().into_any(),
            b'i' => i64::from_le_bytes(eight(take(8)?)?).into_pyobject(py)?.into_any(),
            b'f' => f64::from_le_bytes(eight(take(8)?)?).into_pyobject(py)?.into_any(),
            b's' => {
                let length = four(take(4)?)? as usize;
                let text = std::str::from_utf8(take(length)?).map_err(|_| damaged())?;
                PyString::new(py, text).into_any()
            }
            b'F' => inputs.get(four(take(4)?)? as usize).ok_or_else(damaged)?.clone(),
            _ => return Err(damaged()),
        };
        args.push(arg);
    }
    PyTuple::new(py, args)
}

fn eight(bytes: &[u8]) -> PyResult<[u8; 8]> {
    bytes.try_into().map_err(|_| damaged())
}

fn four(bytes: &[u8]) -> PyResult<u32> {
    Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| damaged())?))
}

/// The same, with the inputs in the places of their holders.
fn fill<'py>(object: &Bound<'py, PyAny>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Ok(input) = object.cast::<Input>() {
        return inputs.get(input.get().0 as usize).cloned().ok_or_else(damaged);
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        for (at, item) in list.iter().enumerate() {
            list.set_item(at, fill(&item, inputs)?)?;
        }
        return Ok(object.clone());
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        let items = tuple.iter().map(|item| fill(&item, inputs)).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyTuple::new(py, items)?.into_any());
    }
    if let Ok(set) = object.cast_exact::<PySet>() {
        let items = set.iter().map(|item| fill(&item, inputs)).collect::<PyResult<Vec<_>>>()?;
        return Ok(PySet::new(py, items)?.into_any());
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let filled = PyDict::new(py);
        for (key, value) in dict.iter() {
            filled.set_item(fill(&key, inputs)?, fill(&value, inputs)?)?;
        }
        return Ok(filled.into_any());
    }
    Ok(object.clone())
}

pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<RemoteFunction>()?;
    m.add_class::<Input>()
}
