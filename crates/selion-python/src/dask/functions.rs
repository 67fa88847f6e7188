//! Functions of Dask and NumPy that selion has too. Python says which objects they are: nothing is known by its name.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use selion::array::ReduceKind;
use selion::kernels::program::Op;

/// What a function means; its arguments say the rest.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Known {
    Ufunc(Op),
    Astype,
    Where,
    Getitem,
    /// As Dask's shuffle has it: of the second part of the index.
    GetitemShuffled,
    /// Reads from storage.
    Getter,
    Transpose,
    BroadcastTo,
    /// Whether NaNs count as nothing.
    Reduce(ReduceKind, bool),
    /// Counts elements; whether only those that are not NaN.
    Numel(bool),
    Concatenate,
    ConcatenateAll,
    ConcatenateSorted,
    /// Puts a result together.
    Finalize,
    /// Gives the same value everywhere: that of a function for one element.
    Filled,
    /// Such functions.
    Zeros,
    Ones,
    Full,
    MeanChunk,
    MeanCombine,
    MeanAggregate,
    MomentChunk,
    MomentCombine,
    MomentAggregate,
    /// Makes a list of its arguments.
    Container,
    /// A function with some of its arguments.
    Partial,
    /// Functions one after the other.
    Compose,
}

/// Functions by the objects that they are.
#[pyclass(frozen, name = "DaskFunctions", module = "selion._selion")]
pub(crate) struct Functions {
    known: HashMap<usize, Known>,
    /// What runs a graph in a task.
    pub(super) subgraph: Py<PyAny>,
    /// Gives the native array of an object that is read from, or None.
    pub(super) source: Py<PyAny>,
    /// Keeps the objects alive, so that their addresses stay theirs.
    _objects: Vec<Py<PyAny>>,
}

#[pymethods]
impl Functions {
    /// `known` are pairs of an object and what it means.
    #[new]
    fn new(known: Vec<(Py<PyAny>, String)>, subgraph: Py<PyAny>, source: Py<PyAny>) -> PyResult<Self> {
        let mut functions = Functions { known: HashMap::new(), subgraph, source, _objects: Vec::new() };
        for (object, meaning) in known {
            let Some(known) = Known::parse(&meaning) else {
                return Err(PyValueError::new_err(format!("no function {meaning}")));
            };
            functions.known.insert(object.as_ptr() as usize, known);
            functions._objects.push(object);
        }
        Ok(functions)
    }

    /// Whether selion has a ufunc of this name.
    #[staticmethod]
    fn has_ufunc(name: &str) -> bool {
        Op::from_name(name).is_some()
    }
}

impl Functions {
    pub(super) fn get(&self, function: &Bound<'_, PyAny>) -> Option<Known> {
        let own = self.known.get(&(function.as_ptr() as usize));
        // Instances of a class that was named.
        own.or_else(|| self.known.get(&(function.get_type().as_ptr() as usize))).copied()
    }
}

impl Known {
    fn parse(text: &str) -> Option<Known> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match word {
            "ufunc" => Known::Ufunc(Op::from_name(rest)?),
            "reduce" => Known::Reduce(ReduceKind::from_name(rest)?, false),
            "nansum" => Known::Reduce(ReduceKind::Sum, true),
            "astype" => Known::Astype,
            "where" => Known::Where,
            "getitem" => Known::Getitem,
            "getitem-shuffled" => Known::GetitemShuffled,
            "getter" => Known::Getter,
            "transpose" => Known::Transpose,
            "broadcast_to" => Known::BroadcastTo,
            "numel" => Known::Numel(false),
            "nannumel" => Known::Numel(true),
            "concatenate" => Known::Concatenate,
            "concatenate-all" => Known::ConcatenateAll,
            "concatenate-sorted" => Known::ConcatenateSorted,
            "finalize" => Known::Finalize,
            "filled" => Known::Filled,
            "zeros" => Known::Zeros,
            "ones" => Known::Ones,
            "full" => Known::Full,
            "mean-chunk" => Known::MeanChunk,
            "mean-combine" => Known::MeanCombine,
            "mean-aggregate" => Known::MeanAggregate,
            "moment-chunk" => Known::MomentChunk,
            "moment-combine" => Known::MomentCombine,
            "moment-aggregate" => Known::MomentAggregate,
            "container" => Known::Container,
            "partial" => Known::Partial,
            "compose" => Known::Compose,
            _ => return None,
        })
    }
}
