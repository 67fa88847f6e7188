//! Which Python exception an error becomes: that of NumPy or Dask for the same mistake.

use pyo3::exceptions::{
    PyException, PyIndexError, PyKeyError, PyKeyboardInterrupt, PyNotImplementedError, PyOSError, PyOverflowError,
    PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::PyType;
use selion::array::ArrayError;
use selion::core::{ExecError, SourceError, TaskContext, TaskError};
use selion::{Error, SettingError};

/// An exception that a user's function raised in a task, kept whole on its way through Rust.
#[derive(Debug)]
pub(crate) struct Raised(pub(crate) PyErr);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Raised {}

/// A Python exception as the error of a task.
pub(crate) fn raised(error: PyErr) -> TaskError {
    Box::new(Raised(error))
}

/// As [`raised`], of a user's function. What is no `Exception`, such as `KeyboardInterrupt`, ends the run: it is nothing to
/// try again after.
pub(crate) fn raised_by_user(error: PyErr, context: &TaskContext<'_>) -> TaskError {
    if !Python::attach(|py| error.is_instance_of::<PyException>(py)) {
        context.cancel.cancel();
    }
    raised(error)
}

/// The Python exception for any of selion's errors.
pub(crate) fn to_python(error: impl Into<Error>) -> PyErr {
    any_error(&error.into())
}

fn any_error(error: &Error) -> PyErr {
    match error {
        Error::Array(error) => array_error(error),
        Error::Exec(error) => exec_error(error),
        Error::Source(error) => source_error(error),
        Error::Setting(error) => match error {
            SettingError::Unknown { .. } => PyKeyError::new_err(error.to_string()),
            SettingError::Value { .. } | SettingError::File { .. } => PyValueError::new_err(error.to_string()),
        },
    }
}

fn array_error(error: &ArrayError) -> PyErr {
    let text = error.to_string();
    match error {
        ArrayError::Broadcast(_) | ArrayError::Chunks(_) | ArrayError::Value(_) | ArrayError::Unknown { .. } => {
            PyValueError::new_err(text)
        }
        ArrayError::Axis { axis, ndim } => axis_error(*axis, *ndim),
        ArrayError::Index(_) => PyIndexError::new_err(text),
        ArrayError::Type(_) | ArrayError::Op(_) | ArrayError::DType(_) => PyTypeError::new_err(text),
        ArrayError::Overflow { .. } => PyOverflowError::new_err(text),
        ArrayError::NotImplemented(_) => PyNotImplementedError::new_err(text),
        ArrayError::Source(error) => source_error(error),
    }
}

fn axis_error(axis: isize, ndim: usize) -> PyErr {
    Python::attach(|py| {
        let class = || py.import("numpy.exceptions")?.getattr("AxisError")?.cast_into::<PyType>().map_err(PyErr::from);
        match class() {
            Ok(class) => PyErr::from_type(class, (axis, ndim)),
            Err(error) => error,
        }
    })
}

fn source_error(error: &SourceError) -> PyErr {
    let text = error.to_string();
    match error {
        SourceError::Io { cause, what, .. } => match cause.raw_os_error() {
            // Python chooses the subclass (FileNotFoundError, PermissionError …) by the number.
            Some(number) => PyOSError::new_err((number, text, what.clone())),
            None if cause.kind() == std::io::ErrorKind::AlreadyExists => {
                pyo3::exceptions::PyFileExistsError::new_err(text)
            }
            None => PyOSError::new_err(text),
        },
        SourceError::NotFound(_) => pyo3::exceptions::PyFileNotFoundError::new_err(text),
        SourceError::Corrupt { .. } => PyValueError::new_err(text),
        SourceError::Unsupported { .. } => PyNotImplementedError::new_err(text),
        SourceError::Foreign(cause) => task_error("", cause),
    }
}

fn exec_error(error: &ExecError) -> PyErr {
    match error {
        ExecError::Task { task, cause } => task_error(task, cause),
        ExecError::Cancelled => PyKeyboardInterrupt::new_err("cancelled"),
        ExecError::Spill { cause, path } => match cause.raw_os_error() {
            Some(number) => PyOSError::new_err((number, error.to_string(), path.clone())),
            None => PyOSError::new_err(error.to_string()),
        },
        ExecError::Before(error) => exec_error(error),
        ExecError::Unavailable(text) => PyRuntimeError::new_err(text.clone()),
    }
}

/// A task's own error, with the task's name as a note.
fn task_error(task: &str, cause: &TaskError) -> PyErr {
    let error = if let Some(Raised(error)) = cause.downcast_ref() {
        Python::attach(|py| error.clone_ref(py))
    } else if let Some(error) = cause.downcast_ref() {
        source_error(error)
    } else if let Some(error) = cause.downcast_ref() {
        array_error(error)
    } else if let Some(error) = cause.downcast_ref() {
        any_error(error)
    } else {
        PyValueError::new_err(cause.to_string())
    };
    if !task.is_empty() {
        // Without a note the error is as good; nothing is to be done where Python refuses one.
        let _ = Python::attach(|py| note_task(&error, py, task));
    }
    error
}

/// Names the task in the notes of an exception; once, though it may be raised again and again.
fn note_task(error: &PyErr, py: Python<'_>, task: &str) -> PyResult<()> {
    let (value, note) = (error.value(py), format!("in task {task}"));
    let notes = value.getattr_opt("__notes__")?;
    if notes.is_some_and(|notes| notes.contains(&note).unwrap_or(false)) {
        return Ok(());
    }
    value.call_method1("add_note", (note,)).map(drop)
}
