//! What running a task costs beyond its body: `cargo run --release -p selion-runtime --example overhead [threads]`.

use std::sync::Arc;
use std::time::Instant;

use selion_core::{
    Body, CancelToken, Executor, Graph, GraphBuilder, Outputs, Silent, TaskContext, TaskError, Value, ValueId,
};
use selion_runtime::{Config, Threads};

struct Nothing;

impl Body for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn run(&self, _: usize, _: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
        Ok([Value::Unit].into_iter().collect())
    }
}

fn graph(build: impl FnOnce(&mut dyn FnMut(&[ValueId]) -> ValueId) -> Vec<ValueId>) -> Graph {
    let mut builder = GraphBuilder::default();
    let body = builder.body(Arc::new(Nothing));
    let mut index = 0;
    let wanted = build(&mut |inputs| {
        index += 1;
        builder.task(body, index, inputs, 8)
    });
    builder.finish(wanted)
}

fn tree(leaves: usize) -> Graph {
    graph(|task| {
        let mut level: Vec<ValueId> = (0..leaves).map(|_| task(&[])).collect();
        while level.len() > 1 {
            level = level.chunks(8).map(&mut *task).collect();
        }
        level
    })
}

fn chain(len: usize) -> Graph {
    graph(|task| vec![(1..len).fold(task(&[]), |before, _| task(&[before]))])
}

/// One task read by `width` others, which one task reads.
fn wide(width: usize) -> Graph {
    graph(|task| {
        let source = task(&[]);
        let middle: Vec<ValueId> = (0..width).map(|_| task(&[source])).collect();
        vec![task(&middle)]
    })
}

/// Rows of tasks that each read two neighbours of the row before.
fn mesh(width: usize, rows: usize) -> Graph {
    graph(|task| {
        let mut row: Vec<ValueId> = (0..width).map(|_| task(&[])).collect();
        for _ in 1..rows {
            row = (0..width).map(|k| task(&[row[k], row[(k + 1) % width]])).collect();
        }
        row
    })
}

type Build = fn() -> Graph;

fn seconds(executor: &Threads, graph: Graph) -> f64 {
    let begin = Instant::now();
    executor.execute(graph, &CancelToken::default(), Arc::new(Silent)).expect("bodies that do nothing do not fail");
    begin.elapsed().as_secs_f64()
}

fn main() {
    let most = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    const N: usize = 1_000_000;
    println!("{:>8} {:>20} {:>10} {:>10}", "threads", "graph", "tasks", "ns/task");
    for threads in 1..=most {
        let executor = Threads::new(Config { threads, ..Config::default() });
        let cases: [(&str, Build); 4] =
            [("tree", || tree(N)), ("chain", || chain(N)), ("wide", || wide(N)), ("mesh", || mesh(1000, N / 1000))];
        for (name, build) in cases {
            let tasks = build().len();
            let best = (0..3).map(|_| seconds(&executor, build())).fold(f64::INFINITY, f64::min);
            println!("{threads:>8} {name:>20} {tasks:>10} {:>10.0}", best / tasks as f64 * 1e9);
        }
        for (name, build) in [("one task", (|| chain(1)) as Build), ("two and one", || tree(2))] {
            const TIMES: usize = 2000;
            let graphs: Vec<Graph> = (0..TIMES).map(|_| build()).collect();
            let tasks = graphs[0].len();
            let begin = Instant::now();
            for graph in graphs {
                seconds(&executor, graph);
            }
            let micros = begin.elapsed().as_secs_f64() / TIMES as f64 * 1e6;
            println!("{threads:>8} {name:>20} {tasks:>10} {micros:>10.2} µs/execute");
        }
    }
}
