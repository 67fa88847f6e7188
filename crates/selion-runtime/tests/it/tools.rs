//! Bodies and graphs for tests.

use std::path::PathBuf;
use std::sync::Arc;

use selion_core::{
    Body, CancelToken, Chunk, ExecError, Executor, Graph, GraphBuilder, Outputs, Silent, TaskContext, TaskError, Value,
    ValueId,
};
use selion_runtime::{Config, Synchronous, Threads};

type Work = dyn Fn(usize, &[Value], &TaskContext<'_>) -> Result<Outputs, TaskError> + Send + Sync;

/// A body that is a function.
pub(crate) struct Function {
    name: &'static str,
    scratch_bytes: u64,
    work: Box<Work>,
}

impl Body for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&self, index: usize, inputs: &[Value], context: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        (self.work)(index, inputs, context)
    }

    fn scratch_bytes(&self, _: usize) -> u64 {
        self.scratch_bytes
    }
}

/// A body with one output.
pub(crate) fn function<F>(name: &'static str, work: F) -> Arc<dyn Body>
where
    F: Fn(usize, &[Value], &TaskContext<'_>) -> Result<Value, TaskError> + Send + Sync + 'static,
{
    let work = move |index: usize, inputs: &[Value], context: &TaskContext<'_>| {
        work(index, inputs, context).map(|value| [value].into_iter().collect())
    };
    Arc::new(Function { name, scratch_bytes: 0, work: Box::new(work) })
}

/// A body with several outputs.
pub(crate) fn function_of_many<F>(name: &'static str, scratch_bytes: u64, work: F) -> Arc<dyn Body>
where
    F: Fn(usize, &[Value], &TaskContext<'_>) -> Result<Outputs, TaskError> + Send + Sync + 'static,
{
    Arc::new(Function { name, scratch_bytes, work: Box::new(work) })
}

/// `len` elements, all `first`, then counting up.
pub(crate) fn counting(len: usize, first: i64) -> Chunk {
    Chunk::from_values(&[len], &(0..len as i64).map(|k| first.wrapping_add(k)).collect::<Vec<_>>())
}

pub(crate) fn elements(value: &Value) -> Vec<i64> {
    value.as_chunk().expect("a chunk").to_vec()
}

pub(crate) fn run(executor: &dyn Executor, graph: Graph) -> Result<Vec<Value>, ExecError> {
    executor.execute(graph, &CancelToken::default(), Arc::new(Silent))
}

pub(crate) fn threads(threads: usize, memory_limit: u64) -> Threads {
    Threads::new(Config { threads, memory_limit: Some(memory_limit), ..Config::default() })
}

pub(crate) fn synchronous(memory_limit: u64) -> Synchronous {
    Synchronous::new(Config { memory_limit: Some(memory_limit), ..Config::default() })
}

/// A graph of one body.
pub(crate) fn graph_of(
    body: Arc<dyn Body>,
    build: impl FnOnce(&mut dyn FnMut(usize, &[ValueId], u64) -> ValueId) -> Vec<ValueId>,
) -> Graph {
    let mut builder = GraphBuilder::default();
    let body = builder.body(body);
    let wanted = build(&mut |index, inputs, nbytes| builder.task(body, index, inputs, nbytes));
    builder.finish(wanted)
}

/// A folder of a test's own, removed with this.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("selion-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a writable folder for temporary files");
        Folder(path)
    }

    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        std::fs::read_dir(&self.0).expect("the test's folder").map(|entry| entry.expect("an entry").path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// An executor that spills into `folder`.
pub(crate) fn spilling(threads: usize, memory_limit: u64, folder: &Folder) -> Threads {
    Threads::new(Config { threads, memory_limit: Some(memory_limit), spill_dir: Some(folder.0.clone()) })
}

/// `blocks` blocks of `len` elements, each read when it is made and again when all have been made: the deviations of
/// the blocks' last elements from the sum of their first.
pub(crate) fn read_twice(blocks: usize, len: usize) -> Graph {
    let mut builder = GraphBuilder::default();
    let make = builder.body(function("make", move |index, _, _| Ok(counting(len, index as i64).into())));
    let first = builder.body(function("first", |_, inputs, _| Ok(counting(1, elements(&inputs[0])[0]).into())));
    let sum = builder.body(function("sum", |_, inputs, _| {
        Ok(counting(1, inputs.iter().map(|input| elements(input)[0]).sum()).into())
    }));
    let deviation = builder.body(function("deviation", |_, inputs, _| {
        let (sum, block) = (elements(&inputs[0])[0], elements(&inputs[1]));
        Ok(counting(1, block[block.len() - 1] - sum).into())
    }));
    let made: Vec<ValueId> = (0..blocks).map(|k| builder.task(make, k, &[], len as u64 * 8)).collect();
    let firsts: Vec<ValueId> = made.iter().map(|block| builder.task(first, 0, &[*block], 8)).collect();
    let sum = builder.task(sum, 0, &firsts, 8);
    let wanted = made.iter().map(|block| builder.task(deviation, 0, &[sum, *block], 8)).collect();
    builder.finish(wanted)
}

/// Whether these are the values of [`read_twice`].
pub(crate) fn are_deviations(values: &[Value], len: usize) -> bool {
    let sum: i64 = (0..values.len() as i64).sum();
    values.iter().zip(0..).all(|(value, k)| elements(value) == [k + len as i64 - 1 - sum])
}
