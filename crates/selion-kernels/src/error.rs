//! Why a kernel refused its arguments.
//!
//! One enum for the whole crate: kernels check what a plan cannot know (index values) or what would otherwise read the
//! wrong elements (shapes, axes, dtypes). Each variant has the facts; the sentence is NumPy's where NumPy has one.

use selion_core::DType;

/// An argument that a kernel cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// Two shapes that must agree do not.
    #[error("{op}: shapes {left:?} and {right:?} do not agree")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shape that sets the rule.
        left: Vec<usize>,
        /// The shape that breaks it.
        right: Vec<usize>,
    },
    /// There is no such axis.
    #[error("axis {axis} is out of bounds for array of dimension {ndim}")]
    Axis {
        /// The axis asked for.
        axis: isize,
        /// How many axes there are.
        ndim: usize,
    },
    /// An index beyond its axis.
    #[error("index {index} is out of bounds for axis {axis} with size {size}")]
    Index {
        /// The index, as given.
        index: i64,
        /// The axis.
        axis: usize,
        /// The length of that axis.
        size: usize,
    },
    /// The operation has no meaning for the dtype.
    #[error("{op} is not supported for dtype {dtype}")]
    DType {
        /// The operation.
        op: &'static str,
        /// The dtype of the offending argument.
        dtype: DType,
    },
    /// An argument outside what the operation allows.
    #[error("{op}: {argument} must be {expected}")]
    Value {
        /// The operation.
        op: &'static str,
        /// The name of the argument.
        argument: &'static str,
        /// What it must be, such as `"non-negative"`.
        expected: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numpys() {
        let index = KernelError::Index { index: 5, axis: 0, size: 3 };
        assert_eq!(index.to_string(), "index 5 is out of bounds for axis 0 with size 3");
        let axis = KernelError::Axis { axis: 2, ndim: 1 };
        assert_eq!(axis.to_string(), "axis 2 is out of bounds for array of dimension 1");
    }
}
