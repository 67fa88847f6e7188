//! From arrays to values: optimise, lower, execute, gather.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use selion_array::{Array, ChunkSpec, Chunks, LowerOptions, Root as ArrayRoot, join_blocks, known_lengths};
use selion_core::{CancelToken, Chunk, ChunkSink, ExecError, Executor, Graph, MemorySink, Observer, Promise, Value};
use selion_delayed::{Delayed, Needs, Root};
use selion_runtime::{Config, Threads};

use crate::error::Error;
use crate::settings::settings;

/// How often a caller that waits for values which are being computed is asked whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Runs the graphs of one call; any closure that runs a graph does.
pub trait Run {
    /// Runs a graph for its wanted values.
    ///
    /// # Errors
    /// As [`Executor::execute`].
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
    fn root(&self) -> Root {
        match self {
            Collection::Array(array) => array_root(array, None),
            Collection::Delayed(delayed) => Root::Delayed(delayed.clone()),
        }
    }
}

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

/// The graph of what some roots need. All that they need of others must be there.
fn graph(needs: Needs<'_>) -> Result<Graph, Error> {
    let fold = settings()?.flag("optimize.fold").unwrap_or(true);
    let budget = executor()?.memory_limit();
    Ok(needs.lower(fold, LowerOptions { keep_bytes: budget / 8, ..LowerOptions::default() })?)
}

/// Waits for what the roots need of others, then runs their graph.
fn run_roots(roots: &[Root], run: &mut dyn Run) -> Result<Vec<Value>, Error> {
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

fn array_root(array: &Array, sink: Option<Arc<dyn ChunkSink>>) -> Root {
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

/// Starts to compute collections, and returns at once: like the given ones, of values that will be in memory.
///
/// An error is raised when the values are needed.
///
/// # Errors
/// As [`compute_with`], for collections that cannot be computed.
pub fn persist_with(
    collections: &[Collection],
    executor: Arc<dyn Executor>,
    cancel: &CancelToken,
    observer: Arc<dyn Observer>,
) -> Result<Vec<Collection>, Error> {
    let roots: Vec<Root> = collections.iter().map(Collection::root).collect();
    let needs = Needs::of(&roots);
    let ready = needs.promises().iter().all(|promise| promise.get().is_some());
    let graph = if ready { Some(graph(needs)?) } else { None };
    let mut given: Vec<(Arc<Promise>, usize)> = Vec::with_capacity(collections.len());
    let mut kept = Vec::with_capacity(collections.len());
    for collection in collections {
        let promise = Arc::new(Promise::default());
        given.push((
            Arc::clone(&promise),
            match collection {
                Collection::Array(array) => array.chunks().count(),
                Collection::Delayed(_) => 1,
            },
        ));
        kept.push(match collection {
            Collection::Array(array) => {
                Collection::Array(Array::from_promise(promise, array.dtype(), array.chunks().clone()))
            }
            Collection::Delayed(_) => Collection::Delayed(Delayed::kept(promise)),
        });
    }
    let cancel = cancel.clone();
    let work = move || {
        let mut run = InBackground { executor, cancel, observer };
        let result = match graph {
            Some(graph) => run.run(graph).map_err(Error::from),
            None => run_roots(&roots, &mut run),
        };
        keep(&given, result);
    };
    let spawned = std::thread::Builder::new().name("selion-persist".to_owned()).spawn(work);
    spawned.map_err(|cause| ExecError::Unavailable(format!("cannot start a thread: {cause}")))?;
    Ok(kept)
}

struct InBackground {
    executor: Arc<dyn Executor>,
    cancel: CancelToken,
    observer: Arc<dyn Observer>,
}

impl Run for InBackground {
    fn run(&mut self, graph: Graph) -> Result<Vec<Value>, ExecError> {
        self.executor.execute(graph, &self.cancel, Arc::clone(&self.observer))
    }

    fn go_on(&mut self) -> bool {
        !self.cancel.is_cancelled()
    }
}

/// Gives each promise its part of the values, or all the same error.
fn keep(promises: &[(Arc<Promise>, usize)], result: Result<Vec<Value>, Error>) {
    match result {
        Ok(values) => {
            let mut values = values.into_iter();
            for (promise, count) in promises {
                promise.keep(Ok(values.by_ref().take(*count).collect()));
            }
        }
        Err(error) => {
            let error = Arc::new(match error {
                Error::Exec(error) => error,
                other => ExecError::Unavailable(other.to_string()),
            });
            promises.iter().for_each(|(promise, _)| promise.keep(Err(Arc::clone(&error))));
        }
    }
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

/// Computes arrays and writes them to storage, in blocks that respect the storage's own chunks.
///
/// # Errors
/// As [`compute_with`]; [`Error::Array`] if shapes differ. What was written before an error stays; nothing says it is whole.
pub fn store_with(targets: &[(Array, Arc<dyn ChunkSink>)], run: &mut dyn Run) -> Result<(), Error> {
    let root = |(array, sink): &(Array, Arc<dyn ChunkSink>)| -> Result<Root, Error> {
        Ok(array_root(&fitting(array, sink.as_ref())?, Some(Arc::clone(sink))))
    };
    run_roots(&targets.iter().map(root).collect::<Result<Vec<_>, Error>>()?, run)?;
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

pub(crate) fn incomplete(array: &Array) -> Error {
    ExecError::Unavailable(format!("not all blocks of {} were computed", array.name())).into()
}

/// Block lengths that a user asks for with one number per axis.
pub(crate) fn sizes(specs: &[i64]) -> Vec<ChunkSpec> {
    specs.iter().map(|size| ChunkSpec::Size(*size)).collect()
}
