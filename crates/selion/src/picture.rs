//! Pictures of what computing collections will do.

use selion_core::{Graph, order};
use selion_draw::{GraphPicture, Node, order_color};

use crate::compute::{Collection, graph_of};
use crate::error::Error;

/// How a graph becomes a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureOptions {
    /// Whether to draw the graph as it will run, with what can be fused in one task, or every operation by itself.
    pub optimized: bool,
    /// Whether colours and numbers show in which order tasks start.
    pub order: bool,
    /// Whether a task and its result are one node.
    pub collapse_outputs: bool,
}

/// The picture of what computing collections will do: circles for tasks, boxes for what they make.
///
/// # Errors
/// As [`compute`](crate::compute), for collections that cannot be computed.
///
/// # Examples
/// ```
/// use selion::prelude::*;
/// let x = Array::ones(&[4], DType::F64, Some(Chunks::regular(&[4], &[2])))?;
/// let collections = [selion::Collection::Array((&x + 1.0)?)];
/// let picture = selion::picture(&collections, selion::PictureOptions::default())?;
/// let circles: Vec<&str> = picture.nodes.iter().map(|node| node.label.as_str()).collect();
/// assert_eq!(circles, ["full", "0", "add", "0", "full", "1", "add", "1"]);
/// # Ok::<(), selion::Error>(())
/// ```
pub fn picture(collections: &[Collection], options: PictureOptions) -> Result<GraphPicture, Error> {
    let graph = graph_of(collections, options.optimized)?;
    let picture = of_graph(&graph, options.order);
    Ok(if options.collapse_outputs { picture.collapse_outputs() } else { picture })
}

fn of_graph(graph: &Graph, ordered: bool) -> GraphPicture {
    let tasks = order(graph);
    let mut picture = GraphPicture::default();
    let mut boxes = vec![u32::MAX; graph.value_count()];
    for (rank, task) in tasks.iter().enumerate() {
        let (body, index) = graph.body(*task);
        let color = ordered.then(|| order_color(rank as f64 / (tasks.len() - 1).max(1) as f64));
        let tooltip = graph.name(*task);
        let circle = picture.nodes.len() as u32;
        let label = if ordered { format!("{}\n{rank}", body.label(index)) } else { body.label(index).to_owned() };
        picture.nodes.push(Node { color, tooltip: tooltip.clone(), ..Node::circle(label) });
        picture.edges.extend(graph.inputs(*task).iter().map(|input| (boxes[input.index()], circle)));
        for output in graph.outputs(*task) {
            let made = picture.nodes.len() as u32;
            picture.nodes.push(Node { color, tooltip: tooltip.clone(), ..Node::boxed(body.place(index)) });
            picture.edges.push((circle, made));
            boxes[output.index()] = made;
        }
    }
    picture
}
