//! From arrays to values: optimise, lower, execute, gather.

use std::sync::{Arc, RwLock};

use selion_array::{Array, ChunkSpec, Chunks, LowerOptions, Root, UNKNOWN, lower, optimize};
use selion_core::{
    Buffer, CancelToken, Chunk, ChunkSink, ExecError, Executor, Graph, MemorySink, Silent, Value, assign,
    contiguous_strides,
};
use selion_runtime::{Config, Threads};

use crate::error::Error;
use crate::settings::settings;

/// Runs a graph: an executor, as a function.
pub type Run<'a> = &'a mut dyn FnMut(Graph) -> Result<Vec<Value>, ExecError>;

/// The threads on which everything runs that names no other executor, as the settings say: made when first needed, and
/// anew when a setting that concerns it has changed.
///
/// # Errors
/// [`Error::Setting`] if a setting from the environment or the file is not one.
pub fn executor() -> Result<Arc<Threads>, Error> {
    static CURRENT: RwLock<Option<(Wish, Arc<Threads>)>> = RwLock::new(None);
    let wish = Wish::now()?;
    if let Ok(current) = CURRENT.read()
        && let Some((made_for, threads)) = current.as_ref()
        && *made_for == wish
    {
        return Ok(Arc::clone(threads));
    }
    let mut config = Config { memory_limit: wish.memory_limit, ..Config::default() };
    if let Some(threads) = wish.threads {
        config.threads = threads;
    }
    config.spill_dir = wish.spill_dir.clone().map(Into::into);
    let threads = Arc::new(Threads::new(config));
    if let Ok(mut current) = CURRENT.write() {
        *current = Some((wish, Arc::clone(&threads)));
    }
    Ok(threads)
}

/// What the settings want of an executor.
#[derive(PartialEq)]
struct Wish {
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_dir: Option<String>,
}

impl Wish {
    fn now() -> Result<Wish, Error> {
        let settings = settings()?;
        Ok(Wish {
            threads: settings.integer("num_workers").map(|n| n as usize),
            memory_limit: settings.integer("memory_limit"),
            spill_dir: settings.text("temporary_directory"),
        })
    }
}

/// Computes arrays on the [`executor`], sharing what they have in common.
///
/// # Errors
/// [`Error`], of the first task that failed.
pub fn compute(arrays: &[Array]) -> Result<Vec<Chunk>, Error> {
    let executor = executor()?;
    compute_with(arrays, &mut |graph| executor.execute(graph, &CancelToken::default(), Arc::new(Silent)))
}

fn graph(roots: &[Root]) -> Result<Graph, Error> {
    let settings = settings()?;
    let fold = settings.flag("optimize.fold").unwrap_or(true);
    let arrays: Vec<Array> = roots.iter().map(|root| root.array.clone()).collect();
    let roots: Vec<Root> = optimize(&arrays, fold)
        .into_iter()
        .zip(roots)
        .map(|(array, root)| Root { array, sink: root.sink.clone() })
        .collect();
    let budget = executor()?.memory_limit();
    Ok(lower(&roots, LowerOptions { keep_bytes: budget / 8 })?)
}

/// Says what computing arrays together will do: expressions before and after they are rewritten, layers with their
/// programs, tasks, bytes and memory. Nothing is computed.
///
/// # Errors
/// [`Error`], if the arrays could not be computed either.
pub fn explain(arrays: &[Array]) -> Result<String, Error> {
    let fold = settings()?.flag("optimize.fold").unwrap_or(true);
    let keep_bytes = executor()?.memory_limit() / 8;
    Ok(selion_array::explain(arrays, fold, LowerOptions { keep_bytes })?)
}

/// As [`compute`], on any executor.
///
/// # Errors
/// As [`compute`].
pub fn compute_with(arrays: &[Array], run: Run<'_>) -> Result<Vec<Chunk>, Error> {
    let sinks: Vec<Option<Arc<MemorySink>>> = arrays.iter().map(result_memory).collect();
    let roots: Vec<Root> = arrays
        .iter()
        .zip(&sinks)
        .map(|(array, sink)| Root { array: array.clone(), sink: sink.clone().map(|sink| sink as Arc<dyn ChunkSink>) })
        .collect();
    let mut values = run(graph(&roots)?)?.into_iter();
    let mut results = Vec::with_capacity(arrays.len());
    for (array, sink) in arrays.iter().zip(sinks) {
        let blocks: Vec<Value> = values.by_ref().take(array.chunks().count()).collect();
        results.push(match sink {
            Some(sink) => sink.chunk().ok_or_else(|| incomplete(array))?,
            None => gather(array, blocks)?,
        });
    }
    Ok(results)
}

/// Computes arrays and keeps their blocks: arrays of the same shape whose elements are in memory.
///
/// # Errors
/// As [`compute`].
pub fn persist_with(arrays: &[Array], run: Run<'_>) -> Result<Vec<Array>, Error> {
    let roots: Vec<Root> = arrays.iter().map(|array| Root { array: array.clone(), sink: None }).collect();
    let mut values = run(graph(&roots)?)?.into_iter();
    arrays
        .iter()
        .map(|array| {
            let blocks: Arc<[Value]> = values.by_ref().take(array.chunks().count()).collect();
            Ok(Array::from_blocks(blocks, array.dtype(), array.chunks().clone())?)
        })
        .collect()
}

/// Computes an array whose shape is partly unknown, and keeps its blocks: the same array with its lengths known.
///
/// # Errors
/// As [`compute`].
pub fn compute_chunk_sizes_with(array: &Array, run: Run<'_>) -> Result<Array, Error> {
    if array.chunks().is_known() {
        return Ok(array.clone());
    }
    let root = Root { array: array.clone(), sink: None };
    let blocks = run(graph(std::slice::from_ref(&root))?)?;
    let chunks: Option<Vec<Chunk>> = blocks.iter().map(|block| block.as_chunk().cloned()).collect();
    let known = known_lengths(array, &chunks.ok_or_else(|| incomplete(array))?);
    Ok(Array::from_blocks(blocks.into(), array.dtype(), known)?)
}

/// The lengths that computed blocks have: those of the first block in each place of an axis.
fn known_lengths(array: &Array, blocks: &[Chunk]) -> Chunks {
    let grid = array.chunks();
    let mut lens: Vec<Vec<usize>> = grid.axes().iter().map(|axis| vec![UNKNOWN; axis.count()]).collect();
    for (block, chunk) in blocks.iter().enumerate() {
        for (axis, at) in grid.coordinates(block).iter().enumerate() {
            lens[axis][*at] = chunk.shape()[axis];
        }
    }
    Chunks::from_lens(&lens)
}

/// Computes arrays and writes them to storage, in blocks that respect the storage's own chunks.
///
/// # Errors
/// As [`compute`]; [`Error::Array`] if shapes differ. What was written before an error stays; nothing says it is whole.
pub fn store_with(targets: &[(Array, Arc<dyn ChunkSink>)], run: Run<'_>) -> Result<(), Error> {
    let root = |(array, sink): &(Array, Arc<dyn ChunkSink>)| {
        Ok(Root { array: fitting(array, sink.as_ref())?, sink: Some(Arc::clone(sink)) })
    };
    run(graph(&targets.iter().map(root).collect::<Result<Vec<_>, Error>>()?)?)?;
    Ok(())
}

/// The array that writes its blocks to storage when it is computed, and that has no elements; or, if `keep`, the
/// elements that were written.
///
/// # Errors
/// [`Error::Array`] if shapes differ.
pub fn stored(array: &Array, sink: &Arc<dyn ChunkSink>, keep: bool) -> Result<Array, Error> {
    let written = fitting(array, sink.as_ref())?.written(Arc::clone(sink), keep);
    Ok(if keep { written.rechunk_to(array.chunks().clone())? } else { written })
}

/// An array with the dtype of a sink, in blocks of which no two write to the same storage chunk.
fn fitting(array: &Array, sink: &dyn ChunkSink) -> Result<Array, Error> {
    if array.shape().as_slice() != sink.shape() {
        return Err(selion_array::ArrayError::Value(format!(
            "cannot store an array of shape {} in {} of shape {:?}",
            array.chunks().shape_text(),
            sink.location(),
            sink.shape()
        ))
        .into());
    }
    let array = array.astype(sink.dtype())?;
    Ok(match sink.storage_chunks() {
        Some(storage) => array.rechunk_to(aligned(array.chunks(), storage))?,
        None => array,
    })
}

/// Blocks about as large as those of `chunks` whose borders are borders of storage chunks.
fn aligned(chunks: &Chunks, storage: &[usize]) -> Chunks {
    Chunks::new(chunks.axes().iter().zip(storage).map(|(axis, stored)| {
        let stored = (*stored).max(1);
        let inner = &axis.starts()[..axis.count()];
        if inner.iter().all(|start| start.is_multiple_of(stored)) {
            return axis.clone();
        }
        let block = (axis.longest() / stored).max(1) * stored;
        selion_array::AxisChunks::regular(axis.len(), block)
    }))
}

/// Memory for a result that has several blocks of known lengths; a single block is its own result.
fn result_memory(array: &Array) -> Option<Arc<MemorySink>> {
    let chunks = array.chunks();
    if !chunks.is_known() || chunks.count() == 1 {
        return None;
    }
    let blocks: Vec<&[usize]> = chunks.axes().iter().map(selion_array::AxisChunks::lens).collect();
    Some(Arc::new(MemorySink::new(array.dtype(), &chunks.shape(), &blocks)))
}

fn incomplete(array: &Array) -> Error {
    ExecError::Unavailable(format!("not all blocks of {} were computed", array.name())).into()
}

/// Joins blocks whose lengths were unknown.
fn gather(array: &Array, blocks: Vec<Value>) -> Result<Chunk, Error> {
    let chunks: Option<Vec<Chunk>> = blocks.iter().map(|block| block.as_chunk().cloned()).collect();
    let Some(mut chunks) = chunks else { return Err(incomplete(array)) };
    if chunks.len() == 1
        && let Some(chunk) = chunks.pop()
    {
        return Ok(chunk);
    }
    let known = known_lengths(array, &chunks);
    let shape = known.shape();
    let strides = contiguous_strides(&shape);
    let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * array.dtype().size());
    for (block, chunk) in chunks.iter().enumerate() {
        let start = known.block_start(&known.coordinates(block));
        let offset = start.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
        assign(&mut buffer, offset, &strides, chunk);
    }
    Ok(Chunk::new(array.dtype(), &shape, buffer))
}

/// Block lengths that a user asks for with one number per axis.
pub(crate) fn sizes(specs: &[i64]) -> Vec<ChunkSpec> {
    specs.iter().map(|size| ChunkSpec::Size(*size)).collect()
}
