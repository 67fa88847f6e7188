//! Python functions in other processes, for those that hold the GIL: what they are called by (`selion._processes`).

use std::ffi::c_int;

use memmap2::{MmapOptions, MmapRaw};
use pyo3::exceptions::PyOSError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use selion::core::{CancelToken, TaskContext};

/// What hosts a graph whose Python functions are called in other processes: a session of the pool.
pub(crate) struct Processes(Py<PyAny>);

impl Processes {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Processes(py.import("selion._processes")?.getattr("Session")?.call0()?.unbind()))
    }

    /// The processes in which a task is to call its function, if it is not to call it here.
    pub(crate) fn of<'a>(context: &TaskContext<'a>) -> Option<&'a Self> {
        context.host?.downcast_ref()
    }

    /// Calls a function in another process, and waits for it without the GIL.
    pub(crate) fn call<'py>(
        &self,
        name: &str,
        function: &Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        keywords: Option<Bound<'py, PyDict>>,
        cancel: &CancelToken,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = function.py();
        let keywords = keywords.unwrap_or_else(|| PyDict::new(py));
        self.0.bind(py).call_method1("call", (name, function, args, keywords, Cancelled(cancel.clone())))
    }
}

/// Tells, when called, whether a task's result is no longer wanted.
#[pyclass(frozen, module = "selion._selion")]
struct Cancelled(CancelToken);

#[pymethods]
impl Cancelled {
    fn __call__(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The memory of an open file, shared with other processes. It needs no open file, as `mmap.mmap` does, of which a
/// process may have few.
#[cfg(unix)]
#[pyclass(frozen, module = "selion._selion")]
struct SharedMemory(MmapRaw);

#[cfg(unix)]
#[pymethods]
impl SharedMemory {
    #[new]
    fn new(fd: c_int) -> PyResult<Self> {
        MmapOptions::new().map_raw(fd).map(SharedMemory).map_err(PyOSError::new_err)
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let memory = &slf.get().0;
        // SAFETY: `view` is Python's to be filled; it takes a reference to the object, and so to the mapping.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory.as_mut_ptr().cast(), memory.len() as isize, 0, flags)
        };
        if filled == -1 { Err(PyErr::fetch(slf.py())) } else { Ok(()) }
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    #[cfg(unix)]
    m.add_class::<SharedMemory>()?;
    Ok(())
}
