//! How fast values go to disk and back: `cargo run --release -p selion-runtime --example spill [threads]`.
//!
//! Blocks of 8 MiB, ten times the budget, each read once as it is made and once when all have been made.

use std::sync::Arc;
use std::time::Instant;

use selion_core::{
    Body, Buffer, CancelToken, Chunk, DType, Executor, GraphBuilder, Outputs, Silent, TaskContext, TaskError, Value,
    ValueId,
};
use selion_runtime::{Config, Threads};

const BLOCKS: usize = 200;
const LEN: usize = 1 << 20;

/// Makes a block from nothing; of anything else reads the first element of the last.
struct Step {
    noise: bool,
}

impl Body for Step {
    fn name(&self) -> &str {
        "step"
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        let chunk = match inputs.last().and_then(Value::as_chunk) {
            Some(block) => block.slice(0, 0, 1, 1).compact(),
            None => {
                let mut buffer = Buffer::scratch(LEN * 8);
                let mut state = index as u64;
                for element in buffer.typed_mut::<u64>() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *element = if self.noise { state } else { index as u64 };
                }
                Chunk::new(DType::U64, &[LEN], buffer)
            }
        };
        Ok([chunk.into()].into_iter().collect())
    }
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let block_bytes = LEN as u64 * 8;
    for (name, noise) in [("noise", true), ("constant", false)] {
        for (limit, budget) in [("fits", u64::MAX), ("a tenth", BLOCKS as u64 * block_bytes / 10)] {
            let mut builder = GraphBuilder::default();
            let body = builder.body(Arc::new(Step { noise }));
            let blocks: Vec<ValueId> = (0..BLOCKS).map(|k| builder.task(body, k, &[], block_bytes)).collect();
            let firsts: Vec<ValueId> = blocks.iter().map(|block| builder.task(body, 0, &[*block], 8)).collect();
            let all = builder.task(body, 0, &firsts, 8);
            let wanted = blocks.iter().map(|block| builder.task(body, 0, &[all, *block], 8)).collect();
            let executor = Threads::new(Config { threads, memory_limit: Some(budget), ..Config::default() });
            let begin = Instant::now();
            executor
                .execute(builder.finish(wanted), &CancelToken::default(), Arc::new(Silent))
                .expect("the folder for temporary files has room");
            let (seconds, counters) = (begin.elapsed().as_secs_f64(), executor.last_run());
            let moved = (counters.spilled_bytes_written + counters.spilled_bytes_read) as f64;
            println!(
                "{name:>9} {limit:>8}: {seconds:6.2} s, {:5.0} MB/s to and from disk, {:?}",
                moved / 1e6 / seconds,
                counters
            );
        }
    }
}
