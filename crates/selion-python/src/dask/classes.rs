//! The classes of which Dask's tasks are made. Python says which they are, so that nothing here imports Dask.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// Dask's classes of tasks.
#[pyclass(frozen, name = "DaskClasses", module = "selion._selion")]
pub(crate) struct Classes {
    /// What all of them are.
    pub(super) node: Py<PyType>,
    pub(super) reference: Py<PyType>,
    pub(super) task: Py<PyType>,
    pub(super) alias: Py<PyType>,
    pub(super) data: Py<PyType>,
    pub(super) list: Py<PyType>,
    pub(super) tuple: Py<PyType>,
    pub(super) set: Py<PyType>,
    pub(super) dict: Py<PyType>,
}

#[pymethods]
impl Classes {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are named where this is called")]
    #[pyo3(signature = (*, node, reference, task, alias, data, list, tuple, set, dict))]
    fn new(
        node: Py<PyType>,
        reference: Py<PyType>,
        task: Py<PyType>,
        alias: Py<PyType>,
        data: Py<PyType>,
        list: Py<PyType>,
        tuple: Py<PyType>,
        set: Py<PyType>,
        dict: Py<PyType>,
    ) -> Self {
        Classes { node, reference, task, alias, data, list, tuple, set, dict }
    }
}

/// What a part of a Dask graph is.
pub(super) enum Kind {
    Reference,
    Task,
    Alias,
    Data,
    List,
    Tuple,
    Set,
    Dict,
    /// A node of a class that somebody derived: it is called as it is.
    Other,
    /// No part of a graph.
    Constant,
}

impl Classes {
    pub(super) fn kind(&self, object: &Bound<'_, PyAny>) -> PyResult<Kind> {
        let class = object.get_type();
        let known = [
            (&self.reference, Kind::Reference),
            (&self.task, Kind::Task),
            (&self.list, Kind::List),
            (&self.data, Kind::Data),
            (&self.alias, Kind::Alias),
            (&self.tuple, Kind::Tuple),
            (&self.dict, Kind::Dict),
            (&self.set, Kind::Set),
        ];
        for (of, kind) in known {
            if class.is(of) {
                return Ok(kind);
            }
        }
        let py = object.py();
        Ok(if object.is_instance(self.node.bind(py))? {
            Kind::Other
        } else if object.is_instance(self.reference.bind(py))? {
            Kind::Reference
        } else {
            Kind::Constant
        })
    }
}
