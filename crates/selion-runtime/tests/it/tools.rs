//! Bodies and graphs for tests.

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
