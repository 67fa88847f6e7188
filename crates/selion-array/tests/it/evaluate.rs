//! A synchronous executor for tests: optimises, lowers, runs the tasks in order, puts the blocks together.

use std::collections::HashMap;

use selion_array::{Array, LowerOptions, Root, UNKNOWN, lower, optimize};
use selion_core::{Buffer, CancelToken, Chunk, Graph, TaskContext, TaskError, Value, assign, contiguous_strides};

/// Runs all tasks of a graph, in order, and returns the wanted values.
pub(crate) fn run(graph: &Graph) -> Result<Vec<Value>, TaskError> {
    let cancel = CancelToken::default();
    let context = TaskContext { cancel: &cancel, host: None };
    let mut values: HashMap<usize, Value> = HashMap::new();
    for task in graph.tasks() {
        let (body, index) = graph.body(task);
        let inputs: Vec<Value> = graph.inputs(task).iter().map(|input| values[&input.index()].clone()).collect();
        let outputs = body.run(index, &inputs, &context).map_err(|cause| format!("{}: {cause}", graph.name(task)))?;
        assert_eq!(outputs.len(), graph.outputs(task).len(), "{} gives as many values as it has", graph.name(task));
        for (id, value) in graph.outputs(task).zip(outputs) {
            values.insert(id.index(), value);
        }
    }
    Ok(graph.wanted().iter().map(|value| values[&value.index()].clone()).collect())
}

/// Computes an array, as it is.
pub(crate) fn try_evaluate(array: &Array, options: LowerOptions) -> Result<Chunk, TaskError> {
    let graph = lower(&[Root { array: array.clone(), sink: None }], options)?;
    assemble(array, &run(&graph)?)
}

/// From so many blocks on, tasks for every operation take long.
const MANY_BLOCKS: usize = 500;

/// Computes an array. Optimised, plain, plain on a machine with little memory, and with nothing fused it must give the
/// same.
#[track_caller]
pub(crate) fn evaluate(array: &Array) -> Chunk {
    let rewritten = optimize(std::slice::from_ref(array), true).remove(0);
    let small = LowerOptions { keep_bytes: 0, ..LowerOptions::default() };
    let apart = LowerOptions { fuse: false, ..LowerOptions::default() };
    let ways = [
        ("optimised", &rewritten, LowerOptions::default()),
        ("plain", array, LowerOptions::default()),
        ("in little memory", array, small),
        ("one by one", array, if array.chunks().count() < MANY_BLOCKS { apart } else { small }),
    ];
    let results = ways.map(|(way, array, options)| {
        let result = try_evaluate(array, options).unwrap_or_else(|cause| panic!("{array:?}, {way}: {cause}"));
        (way, result)
    });
    let [(_, first), others @ ..] = results;
    for (way, other) in &others {
        assert_eq!(first.shape(), other.shape(), "{array:?} has another shape when it is {way}");
        assert_eq!(bytes(&first), bytes(other), "{array:?} has other elements when it is {way}");
    }
    first
}

/// The bytes of a chunk's elements in C order.
pub(crate) fn bytes(chunk: &Chunk) -> Vec<u8> {
    let mut buffer = Buffer::zeroed(chunk.nbytes());
    assign(&mut buffer, 0, &contiguous_strides(chunk.shape()), chunk);
    buffer.bytes().to_vec()
}

/// Puts the blocks of an array, in C order, into one chunk. Unknown lengths are taken from the blocks.
fn assemble(array: &Array, blocks: &[Value]) -> Result<Chunk, TaskError> {
    let chunks = array.chunks();
    assert_eq!(blocks.len(), chunks.count(), "one value per block");
    let blocks: Vec<&Chunk> = blocks.iter().map(|value| value.as_chunk().expect("blocks are chunks")).collect();
    let mut lens: Vec<Vec<usize>> = chunks.axes().iter().map(|axis| axis.lens().to_vec()).collect();
    for (k, block) in blocks.iter().enumerate() {
        assert_eq!(block.dtype(), array.dtype(), "{array:?}: the dtype of a block");
        let at = chunks.coordinates(k);
        assert_eq!(block.ndim(), at.len(), "{array:?}: the axes of a block");
        for axis in 0..at.len() {
            let len = &mut lens[axis][at[axis]];
            if *len == UNKNOWN {
                *len = block.shape()[axis];
            }
            assert_eq!(*len, block.shape()[axis], "{array:?}: length of block {at:?} along axis {axis}");
        }
    }
    let shape: Vec<usize> = lens.iter().map(|lens| lens.iter().sum()).collect();
    let strides = contiguous_strides(&shape);
    let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * array.dtype().size());
    for (k, block) in blocks.iter().enumerate() {
        let at = chunks.coordinates(k);
        let start = (0..at.len()).map(|axis| lens[axis][..at[axis]].iter().sum::<usize>() * strides[axis] as usize);
        assign(&mut buffer, start.sum(), &strides, block);
    }
    Ok(Chunk::new(array.dtype(), &shape, buffer))
}
