//! What can be wrong with an array expression. Each variant is an exception of one class in Python.

use selion_core::{DType, DTypeError, SourceError};
use selion_kernels::program::OpError;

/// Why an array could not be made. Dask and NumPy raise the class named in brackets.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// Shapes that do not go together (`ValueError`).
    #[error("operands could not be broadcast together with shapes {}", shapes(.0))]
    Broadcast(Vec<Vec<usize>>),
    /// An axis that is not there (`numpy.exceptions.AxisError`).
    #[error("axis {axis} is out of bounds for array of dimension {ndim}")]
    Axis {
        /// As the user gave it.
        axis: isize,
        /// The number of axes.
        ndim: usize,
    },
    /// Chunks that do not fit the shape (`ValueError`).
    #[error("{0}")]
    Chunks(String),
    /// An index out of bounds, or one that cannot index (`IndexError`).
    #[error("{0}")]
    Index(String),
    /// An argument with an impossible value (`ValueError`).
    #[error("{0}")]
    Value(String),
    /// An argument of an impossible type (`TypeError`).
    #[error("{0}")]
    Type(String),
    /// An operation that these dtypes do not have (`TypeError`).
    #[error(transparent)]
    Op(#[from] OpError),
    /// Dtypes without a common one (`TypeError`).
    #[error(transparent)]
    DType(#[from] DTypeError),
    /// A Python integer that does not fit the array's dtype (`OverflowError`).
    #[error("Python integer {value} out of bounds for {dtype}")]
    Overflow {
        /// The integer.
        value: i128,
        /// The dtype.
        dtype: DType,
    },
    /// Something that needs known chunk sizes (`ValueError`).
    #[error("{what} needs known chunk sizes, but the shape {shape} has unknown ones; call compute_chunk_sizes() first")]
    Unknown {
        /// The operation.
        what: &'static str,
        /// The shape, with `nan` for what is unknown.
        shape: String,
    },
    /// Something that is not there yet (`NotImplementedError`).
    #[error("{0} is not implemented")]
    NotImplemented(String),
    /// Storage could not be opened (`OSError` and its kin).
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The result of making an array.
pub type Result<T> = std::result::Result<T, ArrayError>;

fn shapes(shapes: &[Vec<usize>]) -> String {
    let shape = |shape: &Vec<usize>| {
        let lens: Vec<String> = shape.iter().map(usize::to_string).collect();
        if lens.len() == 1 { format!("({},)", lens[0]) } else { format!("({})", lens.join(",")) }
    };
    shapes.iter().map(shape).collect::<Vec<_>>().join(" ")
}
