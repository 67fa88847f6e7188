//! The classes `Delayed` and `DelayedLeaf`.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use selion::core::Annotations;
use selion::delayed::{Delayed, DelayedId, Settings, hash_id};

use super::call::{Callee, Function, PyCall, Words};
use crate::array::PyArray;
use crate::convert;

thread_local! {
    /// What `selion.annotate` says on this thread now.
    static SETTINGS: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

fn settings() -> Option<Settings> {
    SETTINGS.with_borrow(Clone::clone)
}

/// A value to come.
#[pyclass(frozen, subclass, weakref, name = "Delayed", module = "selion.delayed")]
pub(crate) struct PyDelayed {
    pub(crate) node: Delayed,
}

impl PyDelayed {
    pub(crate) fn new(node: Delayed) -> Self {
        PyDelayed { node }
    }

    /// The object that this is, if it waits for nothing.
    pub(super) fn constant(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.node.as_call::<PyCall>()?.constant().map(|object| object.clone_ref(py))
    }
}

#[pymethods]
impl PyDelayed {
    /// The name by which the value is known.
    #[getter]
    fn key(&self) -> String {
        self.node.key()
    }

    /// What is called.
    #[getter]
    fn _name(&self) -> &str {
        self.node.name()
    }

    /// How many parts the value has, or None.
    #[getter]
    fn _length(&self) -> Option<u32> {
        self.node.as_call::<PyCall>()?.nout()
    }

    fn __repr__(&self) -> String {
        format!("Delayed('{}')", self.node.key())
    }

    fn __hash__(&self) -> u64 {
        hash_id(self.node.id()) as u64
    }

    fn __selion_parts__(slf: Bound<'_, Self>) -> (Bound<'_, Self>,) {
        (slf,)
    }

    fn __len__(&self) -> PyResult<usize> {
        let nout = self._length().map(|nout| nout as usize);
        nout.ok_or_else(|| PyTypeError::new_err("Delayed objects of unspecified length have no len()"))
    }

    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err("Truth of Delayed objects is not supported"))
    }

    fn __getattr__(&self, name: &Bound<'_, PyString>) -> PyResult<PyDelayed> {
        let text = name.to_str()?;
        if text.starts_with('_') {
            return Err(PyAttributeError::new_err(format!("Attribute {text} not found")));
        }
        let py = name.py();
        let getattr = function(py, "builtins", "getattr")?;
        let id = hash_id(("getattr", self.node.id(), text));
        self.apply(getattr, &mut [name.clone().into_any()].into_iter(), Some(id))
    }

    fn __setattr__(&self, name: &str, _value: Bound<'_, PyAny>) -> PyResult<()> {
        let _ = name;
        Err(PyTypeError::new_err("Delayed objects are immutable"))
    }

    fn __setitem__(&self, _index: Bound<'_, PyAny>, _value: Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("Delayed objects are immutable"))
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<PyDelayed> {
        let py = index.py();
        let id = hash_id(("getitem", self.node.id(), token(index)?));
        self.apply(function(py, "operator", "getitem")?, &mut [index.clone()].into_iter(), Some(id))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some(nout) = self._length() else {
            return Err(PyTypeError::new_err("Delayed objects of unspecified length are not iterable"));
        };
        let parts = (0..nout).map(|k| self.__getitem__(k.into_pyobject(py)?.as_any()));
        PyTuple::new(py, parts.collect::<PyResult<Vec<_>>>()?)?.try_iter().map(Bound::into_any)
    }

    /// Calls the value.
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<PyDelayed> {
        let words = Keywords::of(kwargs)?;
        let id = match words.pure.unwrap_or(false) {
            true => Some(hash_id(("apply", self.node.id(), token_of_call(args, words.rest.as_ref())?))),
            false => None,
        };
        words.call(Callee::Input, args, vec![self.node.clone()], id, None).map(PyDelayed::new)
    }

    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Option<Bound<'py, PyAny>>,
        _class: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // A delayed function in a class is a method.
        match instance {
            None => Ok(slf.into_any()),
            Some(instance) => slf.py().import("types")?.getattr("MethodType")?.call1((slf, instance)),
        }
    }
}

impl PyDelayed {
    /// A function of this value and more arguments.
    fn apply(
        &self,
        function: Arc<Function>,
        args: &mut dyn Iterator<Item = Bound<'_, PyAny>>,
        id: Option<DelayedId>,
    ) -> PyResult<PyDelayed> {
        let (call, inputs) = PyCall::with_first(function, self.node.clone(), args)?;
        Ok(PyDelayed::new(Delayed::call(call, inputs, id, settings())))
    }
}

/// A function that is looked up once.
fn function(py: Python<'_>, module: &str, name: &str) -> PyResult<Arc<Function>> {
    let callable = py.import(module)?.getattr(name)?.unbind();
    Ok(Arc::new(Function { callable, name: name.into() }))
}

/// The keywords of a call that are not its function's.
struct Keywords<'py> {
    key: Option<Box<str>>,
    pure: Option<bool>,
    rest: Option<Bound<'py, PyDict>>,
}

impl<'py> Keywords<'py> {
    fn of(keywords: Option<&Bound<'py, PyDict>>) -> PyResult<Keywords<'py>> {
        let Some(keywords) = keywords else { return Ok(Keywords { key: None, pure: None, rest: None }) };
        let mut words = Keywords { key: None, pure: None, rest: None };
        let rest = keywords.copy()?;
        if let Some(key) = rest.get_item("dask_key_name")? {
            words.key = Some(key.str()?.to_str()?.into());
            rest.del_item("dask_key_name")?;
        }
        if let Some(pure) = rest.get_item("pure")? {
            words.pure = pure.extract()?;
            rest.del_item("pure")?;
        }
        words.rest = (!rest.is_empty()).then_some(rest);
        Ok(words)
    }

    fn call(
        self,
        callee: Callee,
        args: &Bound<'_, PyTuple>,
        inputs: Vec<Delayed>,
        id: Option<DelayedId>,
        nout: Option<u32>,
    ) -> PyResult<Delayed> {
        let id = self.key.as_deref().map(|key| hash_id(("key", key))).or(id);
        let words = Words { key: self.key, nout, traverse: true };
        let (call, inputs) = PyCall::new(callee, &mut args.iter(), self.rest.as_ref(), words, inputs)?;
        Ok(Delayed::call(call, inputs, id, settings()))
    }
}

/// A hash of a value, equal for equal values.
fn token(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(delayed) = value.cast::<PyDelayed>()
        && delayed.get().constant(value.py()).is_none()
    {
        return Ok(format!("{:x}", delayed.get().node.id()));
    }
    if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyString>() {
        return Ok(value.repr()?.to_str()?.to_owned());
    }
    value.py().import("selion._tokenize")?.call_method1("tokenize", (value,))?.extract()
}

fn token_of_call(args: &Bound<'_, PyTuple>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<String>> {
    let mut tokens = args.iter().map(|arg| token(&arg)).collect::<PyResult<Vec<_>>>()?;
    for (name, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
        tokens.extend([format!("{name}="), token(&value)?]);
    }
    Ok(tokens)
}

/// An object or function that waits for nothing: called, it makes a delayed call.
#[pyclass(frozen, extends = PyDelayed, name = "DelayedLeaf", module = "selion.delayed")]
pub(crate) struct PyDelayedLeaf {
    function: Arc<Function>,
    pure: bool,
    /// Of the results of its calls.
    nout: Option<u32>,
}

#[pymethods]
impl PyDelayedLeaf {
    #[new]
    #[pyo3(signature = (object, name, key, pure, nout))]
    fn new(
        object: Bound<'_, PyAny>,
        name: &str,
        key: Option<&str>,
        pure: bool,
        nout: Option<u32>,
    ) -> PyResult<PyClassInitializer<PyDelayedLeaf>> {
        let id = match (key, pure) {
            (Some(key), _) => Some(hash_id(("key", key))),
            (None, true) => Some(hash_id(("leaf", token(&object)?))),
            (None, false) => None,
        };
        let function = Arc::new(Function { callable: object.clone().unbind(), name: name.into() });
        let (call, inputs) = PyCall::new(
            Callee::Identity(Arc::clone(&function)),
            &mut std::iter::once(object),
            None,
            Words { key: key.map(Into::into), ..Words::default() },
            vec![],
        )?;
        let node = Delayed::call(call, inputs, id, None);
        let leaf = PyDelayedLeaf { function, pure, nout };
        Ok(PyClassInitializer::from(PyDelayed::new(node)).add_subclass(leaf))
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<PyDelayed> {
        let words = Keywords::of(kwargs)?;
        let py = args.py();
        let id = match words.pure.unwrap_or(self.pure) {
            true => {
                let function = token(self.function.callable.bind(py))?;
                Some(hash_id(("call", function, token_of_call(args, words.rest.as_ref())?)))
            }
            false => None,
        };
        let function = Callee::Function(Arc::clone(&self.function));
        words.call(function, args, vec![], id, self.nout).map(PyDelayed::new)
    }

    /// The object itself.
    #[getter]
    fn __wrapped__(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.callable.clone_ref(py)
    }

    #[getter]
    fn __name__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.function.callable.getattr(py, "__name__")
    }

    #[getter]
    fn __doc__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.function.callable.getattr(py, "__doc__")
    }
}

/// A container of values to come, as one; None if there are none in it.
#[pyfunction]
#[pyo3(signature = (object, name, key, nout))]
fn delayed_container(
    object: Bound<'_, PyAny>,
    name: &str,
    key: Option<&str>,
    nout: Option<u32>,
) -> PyResult<Option<PyDelayed>> {
    let id = key.map(|key| hash_id(("key", key)));
    let nothing = Arc::new(Function { callable: object.py().None(), name: name.into() });
    let (call, inputs) = PyCall::new(
        Callee::Identity(nothing),
        &mut std::iter::once(object),
        None,
        Words { key: key.map(Into::into), nout, traverse: true },
        vec![],
    )?;
    if inputs.is_empty() {
        return Ok(None);
    }
    Ok(Some(PyDelayed::new(Delayed::call(call, inputs, id, settings()))))
}

/// What a delayed value is: its inputs, and its call with `stand_ins` in their places: (function or None, args,
/// keywords). A value that is there is (None, (value,), {}); None for a block of an array.
#[pyfunction]
fn delayed_call<'py>(
    py: Python<'py>,
    delayed: &PyDelayed,
    stand_ins: Option<Vec<Bound<'py, PyAny>>>,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    if let Some(call) = delayed.node.as_call::<PyCall>() {
        let stand_ins = match stand_ins {
            Some(stand_ins) => stand_ins,
            None => inputs_of(py, delayed)?,
        };
        return call.taken_apart(py, stand_ins).map(Some);
    }
    match delayed.node.there() {
        Some(value) => {
            let value = super::call::from_value(py, &value)?;
            Ok(Some((py.None(), (value,), PyDict::new(py)).into_pyobject(py)?))
        }
        None => Ok(None),
    }
}

/// The array and the number of the block that a delayed value is; None if it is something else.
#[pyfunction]
fn delayed_block(delayed: &PyDelayed) -> Option<(PyArray, usize)> {
    delayed.node.of_block().map(|(array, block)| (PyArray(array), block))
}

/// The delayed values that one needs.
#[pyfunction]
fn delayed_inputs<'py>(py: Python<'py>, delayed: &PyDelayed) -> PyResult<Vec<Bound<'py, PyAny>>> {
    inputs_of(py, delayed)
}

fn inputs_of<'py>(py: Python<'py>, delayed: &PyDelayed) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let inputs = delayed.node.inputs().iter();
    inputs.map(|input| Ok(Bound::new(py, PyDelayed::new(input.clone()))?.into_any())).collect()
}

/// The blocks of an array, in C order.
#[pyfunction]
fn delayed_blocks(array: &PyArray) -> Vec<PyDelayed> {
    (0..array.0.chunks().count()).map(|block| PyDelayed::new(Delayed::block(&array.0, block))).collect()
}

/// The array whose blocks, in C order, are the values of `blocks`.
#[pyfunction]
fn array_of_delayed(
    blocks: Vec<PyRef<'_, PyDelayed>>,
    dtype: &Bound<'_, PyAny>,
    chunks: Vec<Vec<f64>>,
) -> PyResult<PyArray> {
    let dtype = convert::dtype(dtype)?;
    let lens: Vec<Vec<usize>> = chunks
        .iter()
        .map(|axis| axis.iter().map(|len| if len.is_nan() { selion::array::UNKNOWN } else { *len as usize }).collect())
        .collect();
    let blocks = blocks.iter().map(|block| super::call::block_of(block.node.clone(), dtype)).collect();
    let array = Delayed::to_array(blocks, dtype, selion::array::Chunks::from_lens(&lens));
    array.map(PyArray).map_err(crate::errors::to_python)
}

/// What calls made on this thread from now on are annotated with.
#[pyfunction]
#[pyo3(signature = (priority=0, retries=0, resources=vec![]))]
fn set_annotations(priority: i32, retries: u32, resources: Vec<(String, f64)>) {
    let annotations = Annotations { priority, retries, resources };
    let new = (annotations != Annotations::default()).then(|| Arc::new(annotations));
    SETTINGS.set(new);
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDelayed>()?;
    m.add_class::<PyDelayedLeaf>()?;
    m.add_function(wrap_pyfunction!(delayed_container, m)?)?;
    m.add_function(wrap_pyfunction!(delayed_call, m)?)?;
    m.add_function(wrap_pyfunction!(delayed_block, m)?)?;
    m.add_function(wrap_pyfunction!(delayed_inputs, m)?)?;
    m.add_function(wrap_pyfunction!(delayed_blocks, m)?)?;
    m.add_function(wrap_pyfunction!(array_of_delayed, m)?)?;
    m.add_function(wrap_pyfunction!(set_annotations, m)?)
}
