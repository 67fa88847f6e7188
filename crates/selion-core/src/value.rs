//! What a task gives and takes.

use std::any::Any;
use std::sync::Arc;

use crate::Chunk;

/// The result of a task.
#[derive(Clone)]
pub enum Value {
    /// A block of an array.
    Chunk(Chunk),
    /// Several values that belong together, such as the state of a partial reduction.
    Tuple(Arc<[Value]>),
    /// Something that only the runtime which made it understands: a Python object, a user's Rust type.
    Object {
        /// The thing itself.
        object: Arc<dyn Any + Send + Sync>,
        /// Its estimated size.
        nbytes: usize,
    },
    /// Nothing: the task was run for its effect.
    Unit,
}

impl Value {
    /// The chunk, if it is one.
    pub fn as_chunk(&self) -> Option<&Chunk> {
        match self {
            Value::Chunk(chunk) => Some(chunk),
            _ => None,
        }
    }

    /// The parts of a tuple; any other value is its own only part.
    pub fn parts(&self) -> &[Value] {
        match self {
            Value::Tuple(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Bytes that dropping the value may free.
    pub fn held_bytes(&self) -> usize {
        match self {
            Value::Chunk(chunk) => chunk.held_bytes(),
            Value::Tuple(parts) => parts.iter().map(Value::held_bytes).sum(),
            Value::Object { nbytes, .. } => *nbytes,
            Value::Unit => 0,
        }
    }
}

impl From<Chunk> for Value {
    fn from(chunk: Chunk) -> Self {
        Value::Chunk(chunk)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Chunk(chunk) => write!(f, "Chunk({}, {:?})", chunk.dtype(), chunk.shape()),
            Value::Tuple(parts) => f.debug_list().entries(parts.iter()).finish(),
            Value::Object { nbytes, .. } => write!(f, "Object({nbytes} bytes)"),
            Value::Unit => f.write_str("Unit"),
        }
    }
}
