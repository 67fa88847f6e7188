//! What computing arrays will do, for people: expressions before and after they are rewritten, layers, tasks, memory.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use selion_core::{Body, Graph, format_bytes, order};

use crate::chunks::UNKNOWN;
use crate::error::Result;
use crate::expr::{Array, Expr};
use crate::lower::{LowerOptions, Root, lower};
use crate::optimize::optimize;

/// Of longer expressions the rest is counted, not shown.
const LINES_MAX: usize = 120;
/// Layers are indented no deeper than this.
const DEPTH_MAX: usize = 30;

/// Says what computing `arrays` together will do. Nothing is computed.
///
/// # Errors
/// As [`lower`].
pub fn explain(arrays: &[Array], fold: bool, options: LowerOptions) -> Result<String> {
    let optimized = optimize(arrays, fold);
    let roots: Vec<Root> = optimized.iter().map(|array| Root { array: array.clone(), sink: None }).collect();
    let graph = lower(&roots, options)?;
    let mut text = String::new();
    tree(&mut text, "Expression", arrays);
    tree(&mut text, "Optimised", &optimized);
    layers(&mut text, &graph);
    Ok(text)
}

fn tree(text: &mut String, title: &str, roots: &[Array]) {
    let _ = writeln!(text, "{title}");
    let mut seen = HashSet::new();
    let mut stack: Vec<(Array, usize)> = roots.iter().rev().map(|root| (root.clone(), 1)).collect();
    let mut lines = 0;
    while let Some((node, depth)) = stack.pop() {
        let known = !seen.insert(node.id());
        if lines == LINES_MAX {
            let _ = writeln!(text, "  … and more: {} operations in all", Array::post_order(roots).len());
            return;
        }
        lines += 1;
        let indent = "  ".repeat(depth.min(DEPTH_MAX));
        let name = short_name(&node);
        if known {
            let _ = writeln!(text, "{indent}{name} (as above)");
            continue;
        }
        let count = node.chunks().count();
        let detail = detail(&node).map(|detail| format!(" {detail}")).unwrap_or_default();
        let shape = node.chunks().shape_text();
        let _ = writeln!(text, "{indent}{name}{detail}  {shape} {}, {}", node.dtype(), plural(count, "chunk"));
        stack.extend(node.inputs().iter().rev().map(|input| (input.clone(), depth + 1)));
    }
}

fn short_name(node: &Array) -> String {
    format!("{}-{:08x}", node.kind(), node.id() as u32)
}

/// What the name does not say.
fn detail(node: &Array) -> Option<String> {
    match node.expr() {
        Expr::Full(value) => Some(value.to_string()),
        Expr::Source { source, view } if view.is_identity(source.shape()) => Some(source.location()),
        Expr::Source { source, .. } => Some(format!("part of {}", source.location())),
        Expr::Reduce { reduction, input } => {
            let axes: Vec<String> =
                (0..input.ndim()).filter(|axis| reduction.reduces(*axis)).map(|axis| axis.to_string()).collect();
            Some(format!("over axes {}", axes.join(", ")))
        }
        Expr::Blocked { op, .. } => op.note(),
        _ => None,
    }
}

/// Tasks that share a body.
struct Layer {
    body: Arc<dyn Body>,
    tasks: usize,
    made: u64,
    read: u64,
}

fn layers(text: &mut String, graph: &Graph) {
    let mut layers: Vec<Layer> = Vec::new();
    let tasks = order(graph);
    let mut by_number = tasks.clone();
    by_number.sort_unstable();
    let mut total = 0;
    for task in &by_number {
        let (body, index) = graph.body(*task);
        if !layers.last().is_some_and(|layer| Arc::ptr_eq(&layer.body, body)) {
            match layers.iter().position(|layer| Arc::ptr_eq(&layer.body, body)) {
                Some(at) => {
                    let layer = layers.remove(at);
                    layers.push(layer);
                }
                None => layers.push(Layer { body: Arc::clone(body), tasks: 0, made: 0, read: 0 }),
            }
        }
        let read = body.bytes_read(index);
        total += read;
        if let Some(layer) = layers.last_mut() {
            layer.tasks += 1;
            layer.read += read;
            layer.made += graph.outputs(*task).map(|value| graph.nbytes(value)).sum::<u64>();
        }
    }
    let _ = writeln!(text, "Layers");
    for layer in &layers {
        let read = if layer.read > 0 { format!(", reads {}", format_bytes(layer.read)) } else { String::new() };
        let (name, tasks) = (layer.body.name(), plural(layer.tasks, "task"));
        let _ = writeln!(text, "  {name}: {tasks}{read}, makes {}", format_bytes(layer.made));
        for line in layer.body.describe().unwrap_or_default().lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    let _ = writeln!(
        text,
        "In all: {}, {} read from storage, peak memory about {} on one thread",
        plural(tasks.len(), "task"),
        format_bytes(total),
        format_bytes(peak_bytes(graph, &tasks))
    );
}

/// The most that is alive at once if the tasks run one after the other, results included.
fn peak_bytes(graph: &Graph, tasks: &[selion_core::TaskId]) -> u64 {
    let mut uses = vec![0u32; graph.value_count()];
    for task in tasks {
        for input in graph.inputs(*task) {
            uses[input.index()] += 1;
        }
    }
    for wanted in graph.wanted() {
        uses[wanted.index()] += 1;
    }
    let (mut alive, mut peak) = (0, 0);
    for task in tasks {
        let (body, index) = graph.body(*task);
        alive += graph.outputs(*task).map(|value| graph.nbytes(value)).sum::<u64>();
        peak = peak.max(alive + body.scratch_bytes(index));
        for input in graph.inputs(*task) {
            uses[input.index()] -= 1;
            if uses[input.index()] == 0 {
                alive -= graph.nbytes(*input);
            }
        }
        alive -= graph.outputs(*task).filter(|v| uses[v.index()] == 0).map(|v| graph.nbytes(v)).sum::<u64>();
    }
    peak
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Bytes that reading a region of storage takes: whole storage chunks, uncompressed.
pub(crate) fn stored_bytes(source: &dyn selion_core::ChunkSource, region: &selion_core::Region) -> u64 {
    if source.is_cheap() || region.shape.iter().any(|len| *len == 0 || *len == UNKNOWN) {
        return 0;
    }
    let stored = source.storage_chunks();
    let along = |axis: usize| {
        let (start, end, len) = (region.start[axis], region.start[axis] + region.shape[axis], source.shape()[axis]);
        let chunk = stored.map_or(1, |stored| stored[axis].max(1));
        ((end.div_ceil(chunk) * chunk).min(len) - start / chunk * chunk) as u64
    };
    (0..region.shape.len()).map(along).product::<u64>() * source.dtype().size() as u64
}

#[cfg(test)]
mod tests {
    use selion_core::{Chunk, DType, Region, Scalar, SourceError};
    use selion_kernels::program::Op;

    use super::*;
    use crate::{Chunks, ReduceKind};

    struct Zeros;
    impl selion_core::ChunkSource for Zeros {
        fn dtype(&self) -> DType {
            DType::F64
        }
        fn shape(&self) -> &[usize] {
            &[4, 6]
        }
        fn storage_chunks(&self) -> Option<&[usize]> {
            Some(&[2, 4])
        }
        fn location(&self) -> String {
            "zeros".into()
        }
        fn identity(&self) -> String {
            "zeros".into()
        }
        fn read(&self, region: &Region) -> std::result::Result<Chunk, SourceError> {
            Ok(Chunk::full(&region.shape, Scalar::new(0.0)))
        }
    }

    /// The text without the hashes in names.
    fn plain(text: &str) -> String {
        let mut words = text.to_owned();
        while let Some(at) =
            words.as_bytes().windows(9).position(|w| w[0] == b'-' && w[1..].iter().all(u8::is_ascii_hexdigit))
        {
            words.replace_range(at..at + 9, "");
        }
        words
    }

    #[test]
    fn a_mean_of_a_store() {
        let x = Array::from_source(Arc::new(Zeros), Some(Chunks::regular(&[4, 6], &[2, 6]))).unwrap();
        let one = Array::scalar(Scalar::new(1.0));
        let y = x.binary(Op::Add, &one).unwrap().reduce(ReduceKind::Mean, None, false, 0.0, 0).unwrap();
        let text = plain(&explain(&[y], true, LowerOptions::default()).unwrap());
        assert_eq!(
            text,
            r"Expression
  mean over axes 0, 1  () float64, 1 chunk
    add  (4, 6) float64, 2 chunks
      read zeros  (4, 6) float64, 2 chunks
      full 1.0  () float64, 1 chunk
Optimised
  mean over axes 0, 1  () float64, 1 chunk
    add  (4, 6) float64, 2 chunks
      read zeros  (4, 6) float64, 2 chunks
      full 1.0  () float64, 1 chunk
Layers
  mean: 2 tasks, reads 192 B, makes 16 B
      %0: float64 = 1.0
      %1: float64 = input 0
      %2: float64 = add %1 %0
      sum %2 over [0, 1]
  mean: 1 task, makes 8 B
In all: 3 tasks, 192 B read from storage, peak memory about 112 B on one thread
"
        );
    }

    #[test]
    fn whole_storage_chunks_are_read() {
        let bytes = |start: &[usize], shape: &[usize]| stored_bytes(&Zeros, &Region::new(start, shape));
        assert_eq!(bytes(&[0, 0], &[1, 1]), 2 * 4 * 8);
        assert_eq!(bytes(&[1, 3], &[2, 2]), 4 * 6 * 8);
        assert_eq!(bytes(&[1, 3], &[0, 2]), 0);
    }
}
