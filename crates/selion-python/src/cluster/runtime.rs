//! Python functions on workers, and how values travel.
//!
//! A value's header begins with a letter: `i`, `f`, `n`, `t`, `u` for small numbers, None and truths; `P` for a pickle,
//! whose large buffers follow; `A` for a NumPy array and `C` for a chunk, whose elements follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString};
use selion::core::{Chunk, DType, Enclosure, Value};
use selion_cluster::{Code, Parts, Running, Runtime};
use selion_scheduler::Key;
use selion_scheduler::message::{Failure, FailureKind};

use super::call::decode_args;
use crate::chunk::{from_bytes, from_numpy, to_bytes, to_numpy_readonly};
use crate::delayed::{GIL, from_value, to_value};

/// Values up to this size go with the news that they are there.
const SMALL_MAX: usize = 2048;

/// What processes with Python can run.
pub(crate) struct PythonRuntime;

impl Runtime for PythonRuntime {
    fn load(&self, blob: &Bytes) -> Result<Arc<dyn Code>, Failure> {
        Python::attach(|py| {
            let function = loads(py, blob, &[])?;
            Ok(Arc::new(PyCode(function.unbind())) as Arc<dyn Code>)
        })
        .map_err(|error| failure(error, Some("the function cannot be unpickled on the worker")))
    }

    fn encode(&self, value: &Value) -> Result<Parts, Failure> {
        match value {
            Value::Chunk(chunk) => Ok(encode_chunk(b'C', chunk)),
            value => Python::attach(|py| encode_object(&from_value(py, value)?))
                .map_err(|error| failure(error, Some("the value cannot be pickled"))),
        }
    }

    fn decode(&self, parts: Parts) -> Result<Value, Failure> {
        if parts.header.first() == Some(&b'C') {
            let chunk = decode_chunk(&parts).ok_or_else(|| wrong("the value of a task is damaged"))?;
            return Ok(Value::Chunk(chunk));
        }
        Python::attach(|py| decode_object(py, &parts).map(to_value))
            .map_err(|error| failure(error, Some("the value cannot be unpickled")))
    }
}

struct PyCode(Py<PyAny>);

impl Code for PyCode {
    fn call(
        &self,
        _index: u32,
        args: &Bytes,
        inputs: &[Value],
        running: &Running,
    ) -> Result<(Value, Option<Bytes>), Failure> {
        Python::attach(|py| {
            let inputs = inputs.iter().map(|value| from_value(py, value)).collect::<PyResult<Vec<_>>>();
            let (args, kwargs) = inputs
                .and_then(|inputs| decode_args(py, args, &inputs))
                .map_err(|error| failure(error, Some("the arguments cannot be unpickled on the worker")))?;
            let thread = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
            let thread = thread.and_then(|ident| ident.extract::<u64>()).map_err(|error| failure(error, None))?;
            let active = Arc::new(AtomicBool::new(true));
            let hook = interrupt_thread(thread, Arc::clone(&active));
            running.on_interrupt(Some(Box::new(hook)));
            let result = self.0.bind(py).call(args, kwargs.as_ref());
            active.store(false, Ordering::Release);
            if running.cancel.is_cancelled() {
                clear_interrupt(py, thread);
            }
            let object = result.map_err(|error| failure(error, None))?;
            let encoded = encode_small(&object);
            Ok((to_value(object), encoded))
        })
    }

    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        Some(&GIL)
    }
}

/// Raises an exception in a thread that runs a task. Both sides hold the GIL, so `active` is true only within the call.
fn interrupt_thread(thread: u64, active: Arc<AtomicBool>) -> impl Fn() + Send {
    move || {
        Python::attach(|py| {
            if active.load(Ordering::Acquire)
                && let Ok(remote) = py.import("selion.distributed._remote")
            {
                let _ = remote.call_method1("interrupt", (thread,)); // the task runs to its end instead
            }
        });
    }
}

fn clear_interrupt(py: Python<'_>, thread: u64) {
    if let Ok(remote) = py.import("selion.distributed._remote") {
        let _ = remote.call_method1("clear_interrupt", (thread,));
    }
}

/// An exception on its way to a client. `context` says what was tried, if it was not the user's function.
pub(crate) fn failure(error: PyErr, context: Option<&str>) -> Failure {
    Python::attach(|py| {
        let text = match context {
            Some(context) => format!("{context}: {error}"),
            None => error.to_string(),
        };
        let dumped = py
            .import("selion.distributed._remote")
            .and_then(|remote| remote.call_method1("dump_exception", (error.into_value(py), context)))
            .and_then(|bytes| Ok(Bytes::copy_from_slice(bytes.cast::<PyBytes>()?.as_bytes())));
        Failure { kind: FailureKind::Raised, origin: Key(0), message: text, exception: dumped.unwrap_or_default() }
    })
}

fn wrong(message: &str) -> Failure {
    Failure { kind: FailureKind::Raised, origin: Key(0), message: message.to_owned(), exception: Bytes::new() }
}

/// What small values look like on the wire; none for others.
fn encode_small(object: &Bound<'_, PyAny>) -> Option<Bytes> {
    if let Some(bytes) = encode_scalar(object) {
        return Some(bytes);
    }
    let small = if let Ok(text) = object.cast_exact::<PyString>() {
        text.len().ok()? <= SMALL_MAX / 4
    } else if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        bytes.as_bytes().len() <= SMALL_MAX
    } else {
        is_small(object, 3)
    };
    if !small {
        return None;
    }
    let parts = encode_object(object).ok()?;
    (parts.buffers.is_empty() && parts.header.len() <= SMALL_MAX).then_some(parts.header)
}

/// Whether pickling is sure to be cheap: numbers of NumPy, small arrays, short containers of small things.
fn is_small(object: &Bound<'_, PyAny>, depth: u32) -> bool {
    const ITEMS_MAX: usize = 16;
    if encode_scalar(object).is_some() {
        return true;
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return text.len().is_ok_and(|len| len <= SMALL_MAX / 4);
    }
    if depth > 0 && object.is_exact_instance_of::<pyo3::types::PyTuple>() || object.is_exact_instance_of::<PyList>() {
        return object.len().is_ok_and(|len| len <= ITEMS_MAX)
            && object.try_iter().is_ok_and(|items| items.flatten().all(|item| is_small(&item, depth - 1)));
    }
    let kind = object.get_type();
    let numpy = kind.module().is_ok_and(|module| module.to_str().is_ok_and(|name| name == "numpy"));
    numpy && object.getattr("nbytes").is_ok_and(|n| n.extract::<usize>().is_ok_and(|n| n <= SMALL_MAX / 2))
}

fn encode_scalar(object: &Bound<'_, PyAny>) -> Option<Bytes> {
    if object.is_none() {
        return Some(Bytes::from_static(b"n"));
    }
    if object.is_exact_instance_of::<PyBool>() {
        return Some(Bytes::from_static(if object.is_truthy().ok()? { b"t" } else { b"u" }));
    }
    if object.is_exact_instance_of::<PyInt>() {
        let n: i64 = object.extract().ok()?;
        return Some(tagged(b'i', n.to_le_bytes()));
    }
    if object.is_exact_instance_of::<PyFloat>() {
        let x: f64 = object.extract().ok()?;
        return Some(tagged(b'f', x.to_le_bytes()));
    }
    None
}

fn tagged(tag: u8, bytes: [u8; 8]) -> Bytes {
    let mut out = Vec::with_capacity(9);
    out.push(tag);
    out.extend(bytes);
    out.into()
}

/// A Python object as it travels.
pub(crate) fn encode_object(object: &Bound<'_, PyAny>) -> PyResult<Parts> {
    if let Some(header) = encode_scalar(object) {
        return Ok(Parts { header, buffers: Vec::new() });
    }
    let py = object.py();
    let numpy = object.get_type().is(py.import("numpy")?.getattr("ndarray")?);
    if numpy && let Ok(chunk) = from_numpy(object) {
        return Ok(encode_chunk(b'A', &chunk));
    }
    let packed = py.import("selion.distributed._remote")?.call_method1("dump", (object,))?;
    let (pickle, buffers): (Bound<'_, PyBytes>, Vec<Bound<'_, PyAny>>) = packed.extract()?;
    let mut header = Vec::with_capacity(1 + pickle.as_bytes().len());
    header.push(b'P');
    header.extend_from_slice(pickle.as_bytes());
    let buffers = buffers.iter().map(|buffer| from_numpy(buffer).map(|chunk| to_bytes(&chunk)));
    Ok(Parts { header: header.into(), buffers: buffers.collect::<PyResult<_>>()? })
}

/// The Python object that has travelled.
pub(crate) fn decode_object<'py>(py: Python<'py>, parts: &Parts) -> PyResult<Bound<'py, PyAny>> {
    let number = || parts.header.get(1..9).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let damaged = || PyValueError::new_err("the value of a task is damaged");
    match parts.header.first() {
        Some(b'i') => Ok(i64::from_le_bytes(number().ok_or_else(damaged)?).into_pyobject(py)?.into_any()),
        Some(b'f') => Ok(f64::from_le_bytes(number().ok_or_else(damaged)?).into_pyobject(py)?.into_any()),
        Some(b'n') => Ok(py.None().into_bound(py)),
        Some(b't') => Ok(PyBool::new(py, true).to_owned().into_any()),
        Some(b'u') => Ok(PyBool::new(py, false).to_owned().into_any()),
        Some(b'A' | b'C') => {
            let chunk = decode_chunk(parts).ok_or_else(damaged)?;
            let scalar = parts.header[0] == b'C' && chunk.shape().is_empty();
            let array = to_numpy_readonly(py, chunk)?;
            if scalar { array.get_item(pyo3::types::PyTuple::empty(py)) } else { Ok(array) }
        }
        Some(b'P') => loads(py, &parts.header[1..], &parts.buffers),
        _ => Err(damaged()),
    }
}

fn loads<'py>(py: Python<'py>, pickle: &[u8], buffers: &[Bytes]) -> PyResult<Bound<'py, PyAny>> {
    let pickled = PyBytes::new(py, pickle);
    let loads = py.import("pickle")?.getattr("loads")?;
    if buffers.is_empty() {
        return loads.call1((pickled,));
    }
    let views = buffers.iter().map(|bytes| {
        let chunk = from_bytes(DType::U8, &[bytes.len()], bytes.clone());
        let chunk = chunk.ok_or_else(|| PyRuntimeError::new_err("a buffer is damaged"))?;
        to_numpy_readonly(py, chunk)
    });
    let options = pyo3::types::PyDict::new(py);
    options.set_item("buffers", views.collect::<PyResult<Vec<_>>>()?)?;
    loads.call((pickled,), Some(&options))
}

fn encode_chunk(tag: u8, chunk: &Chunk) -> Parts {
    let typestr = chunk.dtype().typestr();
    let mut header = vec![tag, typestr.len() as u8];
    header.extend_from_slice(typestr.as_bytes());
    for len in chunk.shape() {
        header.extend((*len as u64).to_le_bytes());
    }
    Parts { header: header.into(), buffers: vec![to_bytes(chunk)] }
}

fn decode_chunk(parts: &Parts) -> Option<Chunk> {
    let length = usize::from(*parts.header.get(1)?);
    let typestr = std::str::from_utf8(parts.header.get(2..2 + length)?).ok()?;
    let dtype = DType::parse(typestr).ok()?;
    let dims = parts.header.get(2 + length..)?;
    let shape: Vec<usize> = dims
        .chunks_exact(8)
        .map(|bytes| <[u8; 8]>::try_from(bytes).map(|bytes| u64::from_le_bytes(bytes) as usize))
        .collect::<Result<_, _>>()
        .ok()?;
    from_bytes(dtype, &shape, parts.buffers.first()?.clone())
}
