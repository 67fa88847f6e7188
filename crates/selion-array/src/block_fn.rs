//! Block operations made of closures, and trees of merging blocks: what most operations on whole blocks need.

use std::hash::Hash;
use std::sync::Arc;

use selion_core::{Chunk, DType, TaskContext, TaskError, Value};

use crate::chunks::{AxisChunks, Chunks};
use crate::expr::{Array, BlockOp, Expr, hash_of};

/// Blocks merged at once: wide enough that a tree's upper tasks cost little beside its leaves.
const SPLIT_EVERY: usize = 16;

/// What a task gives.
pub(crate) type Made = std::result::Result<Value, TaskError>;

type Needs = Box<dyn Fn(&[usize], &mut Vec<(usize, usize)>) + Send + Sync>;
type Run = Box<dyn Fn(&[usize], &[Value]) -> Made + Send + Sync>;

/// A block operation: which blocks of the inputs each block needs, and how it is made of them.
pub(crate) struct BlockFn {
    name: &'static str,
    identity: u64,
    needs: Needs,
    run: Run,
    scratch_bytes: u64,
}

impl BlockFn {
    /// `parameters` are all that the closures know besides the inputs.
    pub(crate) fn new(
        name: &'static str,
        parameters: impl Hash,
        needs: impl Fn(&[usize], &mut Vec<(usize, usize)>) + Send + Sync + 'static,
        run: impl Fn(&[usize], &[Value]) -> Made + Send + Sync + 'static,
    ) -> Self {
        let identity = hash_of(parameters);
        BlockFn { name, identity, needs: Box::new(needs), run: Box::new(run), scratch_bytes: 0 }
    }

    /// Says how much memory making a block takes over its inputs and its output.
    pub(crate) fn with_scratch(self, scratch_bytes: usize) -> Self {
        BlockFn { scratch_bytes: scratch_bytes as u64, ..self }
    }

    /// The array whose blocks it makes.
    pub(crate) fn array(self, inputs: Vec<Array>, dtype: DType, chunks: Chunks) -> Array {
        Array::make(Expr::Blocked { op: Arc::new(self), inputs }, dtype, chunks)
    }
}

impl BlockOp for BlockFn {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self) -> u64 {
        self.identity
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        (self.needs)(coordinates, needs);
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value], _: &TaskContext<'_>) -> Made {
        (self.run)(coordinates, inputs)
    }

    fn scratch_bytes(&self, _: &[usize]) -> u64 {
        self.scratch_bytes
    }
}

/// The chunks among what a task was given.
pub(crate) fn chunks_of(values: &[Value]) -> Vec<Chunk> {
    values.iter().filter_map(Value::as_chunk).cloned().collect()
}

/// The one chunk that a task was given.
pub(crate) fn chunk_of(values: &[Value]) -> std::result::Result<&Chunk, TaskError> {
    values.first().and_then(Value::as_chunk).ok_or_else(|| "a block is missing".into())
}

/// The array of part number `k` of the tuples that are the blocks of `all`, which has as many blocks in the same order.
pub(crate) fn part(all: &Array, name: &'static str, k: usize, dtype: DType, chunks: Chunks) -> Array {
    let blocks = chunks.clone();
    let needs = move |at: &[usize], needs: &mut Vec<(usize, usize)>| needs.push((0, blocks.index(at)));
    let run = move |_: &[usize], inputs: &[Value]| {
        let part = inputs.first().and_then(|all| all.parts().get(k));
        part.cloned().ok_or_else(|| format!("{name} gave no part number {k}").into())
    };
    BlockFn::new(name, ("part", k), needs, run).array(vec![all.clone()], dtype, chunks)
}

/// Other blocks along one axis.
pub(crate) fn with_axis(chunks: &Chunks, axis: usize, other: AxisChunks) -> Chunks {
    let axes = chunks.axes().iter().enumerate();
    Chunks::new(axes.map(|(k, own)| if k == axis { other.clone() } else { own.clone() }).collect::<Vec<_>>())
}

/// Merges the blocks along `axis`, some at a time, until there is one. `merged_len` gives the length along the axis of
/// what blocks of the given lengths merge into.
pub(crate) fn merge_tree(
    name: &'static str,
    array: Array,
    axis: usize,
    parameters: impl Hash,
    merged_len: impl Fn(&[usize]) -> usize,
    merge: impl Fn(&[Value]) -> Made + Send + Sync + 'static,
) -> Array {
    let parameters = hash_of(parameters);
    let merge = Arc::new(merge);
    let mut array = array;
    loop {
        let from = array.chunks().clone();
        let lens = from.axes()[axis].lens();
        if lens.len() <= 1 {
            return array;
        }
        let to = with_axis(&from, axis, AxisChunks::new(lens.chunks(SPLIT_EVERY).map(&merged_len).collect()));
        let merge = Arc::clone(&merge);
        let needs = move |at: &[usize], needs: &mut Vec<(usize, usize)>| {
            let mut block = at.to_vec();
            let first = at[axis] * SPLIT_EVERY;
            for k in first..from.axes()[axis].count().min(first + SPLIT_EVERY) {
                block[axis] = k;
                needs.push((0, from.index(&block)));
            }
        };
        let dtype = array.dtype();
        let op = BlockFn::new(name, parameters, needs, move |_, inputs| merge(inputs));
        array = op.array(vec![array], dtype, to);
    }
}
