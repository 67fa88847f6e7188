//! From collections to values: optimise, lower, execute, gather.

use std::sync::Arc;
use std::time::Duration;

use selion_array::{Array, ChunkSpec, LowerOptions, Root as ArrayRoot, join_blocks, known_lengths};
use selion_core::{Chunk, ChunkSink, ExecError, Graph, MemorySink, Value};
use selion_delayed::{Delayed, Needs, Root};

use crate::error::Error;
use crate::executor::executor;
use crate::settings::settings;

/// How often a caller that waits for values which are being computed is asked whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Runs the graphs of one call; any closure that runs a graph does.
pub trait Run {
    /// Runs a graph for its wanted values.
    ///
    /// # Errors
    /// As [`Executor::execute`](selion_core::Executor::execute).
    fn run(&mut self, graph: Graph) -> Result<Vec<Value>, ExecError>;

    /// Whether to go on waiting, asked about every 20 ms while others compute what the graph needs.
    fn go_on(&mut self) -> bool {
        true
    }
}

impl<F: FnMut(Graph) -> Result<Vec<Value>, ExecError>> Run for F {
    fn run(&mut self, graph: Graph) -> Result<Vec<Value>, ExecError> {
        self(graph)
    }
}

/// What can be computed.
#[derive(Clone, Debug)]
pub enum Collection {
    /// An array; computed, it is a chunk.
    Array(Array),
    /// A delayed value.
    Delayed(Delayed),
}

impl Collection {
    pub(crate) fn root(&self) -> Root {
        match self {
            Collection::Array(array) => array_root(array, None),
            Collection::Delayed(delayed) => Root::Delayed(delayed.clone()),
        }
    }
}

/// The graph of what some roots need. All that they need of others must be there.
pub(crate) fn graph(needs: Needs<'_>) -> Result<Graph, Error> {
    let fold = settings()?.flag("optimize.fold").unwrap_or(true);
    let budget = executor()?.memory_limit();
    Ok(needs.lower(fold, LowerOptions { keep_bytes: budget / 8, ..LowerOptions::default() })?)
}

/// Waits for what the roots need of others, then runs their graph.
pub(crate) fn run_roots(roots: &[Root], run: &mut dyn Run) -> Result<Vec<Value>, Error> {
    let needs = Needs::of(roots);
    wait_for_others(&needs, &mut || run.go_on())?;
    Ok(run.run(graph(needs)?)?)
}

/// Waits for what is being computed and is needed, as long as `go_on` says so.
fn wait_for_others(needs: &Needs<'_>, go_on: &mut dyn FnMut() -> bool) -> Result<(), Error> {
    for promise in needs.promises() {
        while !promise.wait(ASK_EVERY) {
            if !go_on() {
                return Err(ExecError::Cancelled.into());
            }
        }
        if let Some(Err(error)) = promise.get() {
            return Err(ExecError::Before(Arc::clone(error)).into());
        }
    }
    Ok(())
}

/// The graph that computes collections, for looking at: as it will run, or with tasks of its own for every operation.
///
/// # Errors
/// As [`compute`](crate::compute), for collections that cannot be computed.
pub fn graph_of(collections: &[Collection], optimized: bool) -> Result<Graph, Error> {
    let roots: Vec<Root> = collections.iter().map(Collection::root).collect();
    let needs = Needs::of(&roots);
    wait_for_others(&needs, &mut || true)?;
    if optimized {
        return graph(needs);
    }
    Ok(needs.lower(false, LowerOptions { fuse: false, ..LowerOptions::default() })?)
}

pub(crate) fn array_root(array: &Array, sink: Option<Arc<dyn ChunkSink>>) -> Root {
    Root::Array(ArrayRoot { array: array.clone(), sink })
}

/// Says what computing arrays together will do: expressions before and after they are rewritten, layers with their
/// programs, tasks, bytes and memory. Nothing is computed.
///
/// # Errors
/// [`Error`], if the arrays could not be computed either.
pub fn explain(arrays: &[Array]) -> Result<String, Error> {
    let fold = settings()?.flag("optimize.fold").unwrap_or(true);
    let keep_bytes = executor()?.memory_limit() / 8;
    Ok(selion_array::explain(arrays, fold, LowerOptions { keep_bytes, ..LowerOptions::default() })?)
}

/// Computes collections, sharing what they have in common, with any executor. The value of an array is a chunk.
///
/// # Errors
/// [`Error`], of the first task that failed.
pub fn compute_with(collections: &[Collection], run: &mut dyn Run) -> Result<Vec<Value>, Error> {
    let sinks: Vec<Option<Arc<MemorySink>>> = collections
        .iter()
        .map(|collection| match collection {
            Collection::Array(array) => result_memory(array),
            Collection::Delayed(_) => None,
        })
        .collect();
    let roots: Vec<Root> = collections
        .iter()
        .zip(&sinks)
        .map(|(collection, sink)| match collection {
            Collection::Array(array) => array_root(array, sink.clone().map(|sink| sink as Arc<dyn ChunkSink>)),
            Collection::Delayed(delayed) => Root::Delayed(delayed.clone()),
        })
        .collect();
    let mut values = run_roots(&roots, run)?.into_iter();
    let mut results = Vec::with_capacity(collections.len());
    for (collection, sink) in collections.iter().zip(sinks) {
        results.push(match collection {
            Collection::Delayed(_) => values.next().unwrap_or(Value::Unit),
            Collection::Array(array) => {
                let blocks: Vec<Value> = values.by_ref().take(array.chunks().count()).collect();
                Value::Chunk(match sink {
                    Some(sink) => sink.chunk().ok_or_else(|| incomplete(array))?,
                    None => join_blocks(array.chunks(), array.dtype(), &chunks(array, &blocks)?),
                })
            }
        });
    }
    Ok(results)
}

/// Computes an array whose shape is partly unknown, and keeps its blocks: the same array with its lengths known.
///
/// # Errors
/// [`Error`], of the first task that failed.
pub fn compute_chunk_sizes_with(array: &Array, run: &mut dyn Run) -> Result<Array, Error> {
    if array.chunks().is_known() {
        return Ok(array.clone());
    }
    let blocks = run_roots(&[array_root(array, None)], run)?;
    let known = known_lengths(array.chunks(), &chunks(array, &blocks)?);
    Ok(Array::from_blocks(blocks.into(), array.dtype(), known)?)
}

fn chunks(array: &Array, blocks: &[Value]) -> Result<Vec<Chunk>, Error> {
    let chunks: Option<Vec<Chunk>> = blocks.iter().map(|block| block.as_chunk().cloned()).collect();
    chunks.filter(|chunks| chunks.len() == array.chunks().count()).ok_or_else(|| incomplete(array))
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

pub(crate) fn incomplete(array: &Array) -> Error {
    ExecError::Unavailable(format!("not all blocks of {} were computed", array.name())).into()
}

/// Block lengths that a user asks for with one number per axis.
pub(crate) fn sizes(specs: &[i64]) -> Vec<ChunkSpec> {
    specs.iter().map(|size| ChunkSpec::Size(*size)).collect()
}
