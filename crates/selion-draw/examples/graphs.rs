//! Draws a gallery of task graphs, and graphs of ten thousand nodes with the time they take:
//! `cargo run --release -p selion-draw --example graphs`, then look into `target/pictures`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use selion_draw::{GraphPicture, Node, Options, RankDir, Shape, dot, layout, order_color};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/pictures");
    fs::create_dir_all(folder)?;
    for (name, picture) in gallery() {
        for rankdir in [RankDir::TopBottom, RankDir::LeftRight, RankDir::BottomTop] {
            let options = Options { rankdir, ..Options::default() };
            let drawing = layout(&picture, &options)?;
            let path = folder.join(format!("{name}-{}", rankdir.letters()));
            fs::write(path.with_extension("svg"), drawing.svg())?;
            fs::write(path.with_extension("png"), drawing.png(96.0 / 72.0))?;
            fs::write(path.with_extension("pdf"), drawing.pdf())?;
            fs::write(path.with_extension("dot"), dot(&picture, &options))?;
        }
    }
    for (name, picture) in large() {
        let start = Instant::now();
        let drawing = layout(&picture, &Options::default())?;
        let laid_out = start.elapsed();
        let path = folder.join(name);
        fs::write(path.with_extension("svg"), drawing.svg())?;
        fs::write(path.with_extension("pdf"), drawing.pdf())?;
        let written = start.elapsed() - laid_out;
        fs::write(path.with_extension("png"), drawing.png(1.0))?;
        let painted = start.elapsed() - laid_out - written;
        let (nodes, edges) = (picture.nodes.len(), picture.edges.len());
        println!(
            "{name}: {nodes} nodes, {edges} edges: layout {laid_out:.2?}, SVG and PDF {written:.2?}, PNG {painted:.2?}"
        );
    }
    println!("pictures are in {}", folder.display());
    Ok(())
}

fn gallery() -> Vec<(&'static str, GraphPicture)> {
    let collapsed = |tasks: Tasks| tasks.0.collapse_outputs();
    let mut colored = loop_of_functions(5).0;
    let last = colored.nodes.len() as f64 - 1.0;
    for (k, node) in colored.nodes.iter_mut().enumerate() {
        node.color = Some(order_color(k as f64 / last));
    }
    let mut chain = Tasks::default();
    let mut value = chain.data("0");
    for name in ["from_zarr", "astype", "getitem", "inc", "inc", "inc", "double", "sum-partial"] {
        value = chain.task(name, &[value], "");
    }
    let chain = chain.0.collapse_outputs();
    vec![
        ("tree", tree(8, 2).0),
        ("sum", sum_of_blocks(4).0),
        ("loop", loop_of_functions(5).0),
        ("loop-collapsed", collapsed(loop_of_functions(5))),
        ("order", colored),
        ("rechunk", rechunk().0),
        ("diamond", diamond()),
        ("transpose", transpose(4).0),
        ("chain", chain.clone()),
        ("chain-collapsed", chain.collapse_chains()),
        ("glyphs", glyphs()),
        ("map", map(16)),
        ("wide", tree(100, 100).0),
        ("random", random(40, 60)),
    ]
}

fn large() -> Vec<(&'static str, GraphPicture)> {
    let circles = |count: usize| vec![Node::circle("f"); count];
    let chain = GraphPicture { nodes: circles(10_000), edges: (0..9_999).map(|k| (k, k + 1)).collect() };
    vec![
        ("large-tree", tree(5_000, 8).0),
        ("large-map", map(5_000)),
        ("large-layers", layers(100, 100)),
        ("large-chain", chain),
        ("large-random", random(10_000, 15_000)),
        ("large-transpose", transpose(40).0),
    ]
}

/// Tasks as Dask draws them: a circle each, and a box for what it makes.
#[derive(Default)]
struct Tasks(GraphPicture);

impl Tasks {
    fn node(&mut self, node: Node) -> u32 {
        self.0.nodes.push(node);
        self.0.nodes.len() as u32 - 1
    }

    fn data(&mut self, label: &str) -> u32 {
        self.node(Node::boxed(label))
    }

    fn task(&mut self, name: &str, inputs: &[u32], output: &str) -> u32 {
        let task = self.node(Node { tooltip: format!("{name} -> {output}"), ..Node::circle(name) });
        self.0.edges.extend(inputs.iter().map(|input| (*input, task)));
        let output = self.data(output);
        self.0.edges.push((task, output));
        output
    }
}

fn tree(leaves: usize, fan: usize) -> Tasks {
    let mut tasks = Tasks::default();
    let mut level: Vec<u32> = (0..leaves).map(|k| tasks.task("load", &[], &k.to_string())).collect();
    while level.len() > 1 {
        level = level.chunks(fan).enumerate().map(|(k, part)| tasks.task("add", part, &k.to_string())).collect();
    }
    tasks
}

/// `(x + x.T).sum()` in `n` times `n` blocks.
fn transpose(n: usize) -> Tasks {
    let mut tasks = Tasks::default();
    let index = |k: usize| format!("({}, {})", k / n, k % n);
    let x: Vec<u32> = (0..n * n).map(|k| tasks.task("random_sample", &[], &index(k))).collect();
    let turned: Vec<u32> = (0..n * n).map(|k| tasks.task("transpose", &[x[k % n * n + k / n]], &index(k))).collect();
    let sums: Vec<u32> = (0..n * n).map(|k| tasks.task("add", &[x[k], turned[k]], &index(k))).collect();
    let partial: Vec<u32> = (0..n * n).map(|k| tasks.task("sum", &[sums[k]], &index(k))).collect();
    tasks.task("sum-aggregate", &partial, "");
    tasks
}

fn sum_of_blocks(n: usize) -> Tasks {
    let mut tasks = Tasks::default();
    let blocks: Vec<u32> = (0..n * n).map(|k| tasks.task("ones", &[], &format!("({}, {})", k / n, k % n))).collect();
    let partial: Vec<u32> =
        blocks.iter().enumerate().map(|(k, x)| tasks.task("sum", &[*x], &format!("({}, {})", k / n, k % n))).collect();
    let merged: Vec<u32> =
        partial.chunks(4).enumerate().map(|(k, part)| tasks.task("sum-partial", part, &format!("({k}, 0)"))).collect();
    tasks.task("sum-aggregate", &merged, "");
    tasks
}

/// The loop of Dask's tutorial: `add(inc(x), double(x))` for each x, then the total.
fn loop_of_functions(n: usize) -> Tasks {
    let mut tasks = Tasks::default();
    let mut sums = Vec::new();
    for _ in 0..n {
        let a = tasks.task("inc", &[], "");
        let b = tasks.task("double", &[], "");
        sums.push(tasks.task("add", &[a, b], ""));
    }
    tasks.task("sum", &sums, "");
    tasks
}

/// Four rows to four columns.
fn rechunk() -> Tasks {
    let mut tasks = Tasks::default();
    let rows: Vec<u32> = (0..4).map(|k| tasks.task("ones", &[], &format!("({k}, 0)"))).collect();
    let mut pieces = vec![vec![]; 4];
    for (k, row) in rows.iter().enumerate() {
        for (l, column) in pieces.iter_mut().enumerate() {
            column.push(tasks.task("getitem", &[*row], &format!("({k}, {l})")));
        }
    }
    for (l, column) in pieces.iter().enumerate() {
        tasks.task("concatenate", column, &format!("(0, {l})"));
    }
    tasks
}

fn diamond() -> GraphPicture {
    let names = ["load", "filter", "scale", "shift", "smooth", "mean", "normalise", "plot", "mask", "report"];
    let edges = vec![
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 6),
        (0, 6),
        (0, 5),
        (5, 6),
        (6, 7),
        (1, 7),
        (0, 8),
        (8, 7),
        (7, 9),
        (0, 9),
    ];
    GraphPicture { nodes: names.map(Node::circle).to_vec(), edges }
}

/// Tasks of one input and one output, which do not meet.
fn map(n: usize) -> GraphPicture {
    let mut tasks = Tasks::default();
    for k in 0..n {
        let x = tasks.data(&k.to_string());
        tasks.task("inc", &[x], &k.to_string());
    }
    tasks.0
}

/// Layers of tasks that each need three of the layer before.
fn layers(count: usize, width: usize) -> GraphPicture {
    let mut edges = Vec::new();
    for layer in 1..count {
        for k in 0..width {
            let near = [k.checked_sub(1), Some(k), (k + 1 < width).then_some(k + 1)];
            let at = |layer: usize, k: usize| (layer * width + k) as u32;
            edges.extend(near.into_iter().flatten().map(|other| (at(layer - 1, other), at(layer, k))));
        }
    }
    GraphPicture { nodes: vec![Node::circle("f"); count * width], edges }
}

/// Edges between random nodes that are not far apart in their order.
fn random(nodes: u32, edges: u32) -> GraphPicture {
    let mut state = 7u64;
    let mut below = |limit: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(limit)) as u32
    };
    let names = ["inc", "add", "mul", "concatenate"];
    let circles = (0..nodes).map(|_| Node::circle(names[below(4) as usize])).collect();
    let ends = (0..edges).map(|_| {
        let to = 1 + below(nodes - 1);
        (to - 1 - below(to.min(nodes / 3)), to)
    });
    GraphPicture { nodes: circles, edges: ends.collect() }
}

/// All letters, to look at.
fn glyphs() -> GraphPicture {
    let letters: String = (' '..='~').chain(['×', '…', 'ü', '字']).collect();
    let lines: Vec<String> =
        letters.chars().collect::<Vec<char>>().chunks(20).map(|line| line.iter().collect()).collect();
    let label = format!("{}\nThe quick brown fox jumps over the lazy dog", lines.join("\n"));
    GraphPicture { nodes: vec![Node { shape: Shape::Box, ..Node::circle(label) }], edges: vec![] }
}
