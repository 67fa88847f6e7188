//! From a picture to a drawing: one connected component after the other, put side by side in rows.

use std::collections::HashSet;

use super::drawing::{Drawing, Placed};
use super::layers::Layered;
use super::picture::{GraphPicture, Node, Options, PictureError, RankDir, Shape};
use super::rank::{longest_paths, ranks};
use super::route::{Gap, Outline, Point, Route, route};
use super::text::{Block, block};
use super::{crossing, place};

/// The least size of boxes and circles, and the space around their text, as Graphviz has them.
const BOX_MIN: Point = (54.0, 36.0);
const CIRCLE_MIN: f64 = 36.0;
const BOX_PADDING: Point = (16.0, 8.0);
const CIRCLE_PADDING: f64 = 5.0;
/// Between layers; more where edges would lie flat otherwise: a part of how far they lead to the side.
const LAYER_GAP: f64 = 36.0;
const LAYER_GAP_MAX: f64 = 300.0;
const STEEPNESS: f64 = 1.0 / 7.0;
/// Between an edge that passes a node and the node.
const PASSING_GAP: f64 = 7.0;
/// The part of the side of a box at which edges are attached.
const FACE: f64 = 0.85;
/// Between components.
const COMPONENT_GAP: f64 = 24.0;
/// Components are put in one row up to this width, and beyond it in rows that give a picture this much wider than high.
const ROW_MIN: f64 = 1600.0;
const ROW_ASPECT: f64 = 2.0;
/// Around the picture.
const MARGIN: f64 = 8.0;

/// Gives everything in a picture its place: about a second for ten thousand nodes.
///
/// Layers are so that every edge leads in the direction of [`Options::rankdir`], edges bend around nodes, and nodes do
/// not touch. Parts that are not connected are put next to each other, in the order in which they are listed.
///
/// # Errors
/// [`PictureError::TooLarge`] if there are more nodes or edges than `options` allow, [`PictureError::NoSuchNode`] and
/// [`PictureError::Cycle`] if the edges are not those of a graph without cycles.
///
/// ```
/// use selion_draw::{GraphPicture, Node, Options, RankDir, layout};
/// let picture = GraphPicture { nodes: vec![Node::boxed("x"), Node::circle("inc")], edges: vec![(0, 1)] };
/// let drawing = layout(&picture, &Options { rankdir: RankDir::LeftRight, ..Options::default() })?;
/// let places: Vec<(f64, f64)> = drawing.places().collect();
/// assert!(places[0].0 < places[1].0 && places[0].1 == places[1].1);
/// # Ok::<(), selion_draw::PictureError>(())
/// ```
pub fn layout(picture: &GraphPicture, options: &Options) -> Result<Drawing, PictureError> {
    let edges = checked_edges(picture, options)?;
    let mut nodes: Vec<Placed> = picture.nodes.iter().map(placed).collect();
    let mut components: Vec<Component> = components(nodes.len(), &edges)
        .into_iter()
        .map(|(members, edges)| Component::new(&mut nodes, members, &edges, options.rankdir))
        .collect();
    let (width, height) = arrange(&mut components, options.rankdir);
    for component in &mut components {
        component.translate(&mut nodes);
    }
    let mut routes: Vec<(usize, Route)> = components.into_iter().flat_map(|component| component.routes).collect();
    routes.sort_by_key(|(edge, _)| *edge);
    let edges = routes.into_iter().map(|(_, route)| route).collect();
    Ok(Drawing { width, height, nodes, edges })
}

/// Each edge once, after it was seen that the graph can be drawn.
fn checked_edges(picture: &GraphPicture, options: &Options) -> Result<Vec<(u32, u32)>, PictureError> {
    let nodes = picture.nodes.len();
    let Options { max_nodes, max_edges, .. } = *options;
    if nodes > max_nodes || picture.edges.len() > max_edges {
        return Err(PictureError::TooLarge { nodes, edges: picture.edges.len(), max_nodes, max_edges });
    }
    if let Some(&(from, to)) = picture.edges.iter().find(|(from, to)| (*from).max(*to) as usize >= nodes) {
        return Err(PictureError::NoSuchNode { from, to, nodes });
    }
    let mut seen = HashSet::new();
    let edges: Vec<(u32, u32)> = picture.edges.iter().copied().filter(|edge| seen.insert(*edge)).collect();
    let (order, _) = longest_paths(nodes, &edges);
    if order.len() < nodes {
        let mut reached = vec![false; nodes];
        order.iter().for_each(|node| reached[*node as usize] = true);
        let node = reached.iter().position(|reached| !reached).unwrap_or(0) as u32;
        return Err(PictureError::Cycle { node });
    }
    Ok(edges)
}

/// A node with its size, not yet at its place.
fn placed(node: &Node) -> Placed {
    let text = block(&node.label, node.shape);
    let half = half_size(&text, node.shape);
    let outline = Outline { shape: node.shape, middle: (0.0, 0.0), half };
    Placed { outline, text, color: node.color, tooltip: node.tooltip.clone() }
}

fn half_size(text: &Block, shape: Shape) -> Point {
    match shape {
        Shape::Box => {
            let width = (text.width + BOX_PADDING.0).max(BOX_MIN.0);
            (width / 2.0, (text.height + BOX_PADDING.1).max(BOX_MIN.1) / 2.0)
        }
        Shape::Circle => {
            let radius = (text.radius() + CIRCLE_PADDING).max(CIRCLE_MIN / 2.0);
            (radius, radius)
        }
    }
}

/// An edge by its number in the picture, with ends counted within a component.
type LocalEdge = (usize, (u32, u32));

/// The nodes and edges of each component, by its first node.
fn components(nodes: usize, edges: &[(u32, u32)]) -> Vec<(Vec<u32>, Vec<LocalEdge>)> {
    let mut parent: Vec<u32> = (0..nodes as u32).collect();
    fn find(parent: &mut [u32], mut node: u32) -> u32 {
        while parent[node as usize] != node {
            parent[node as usize] = parent[parent[node as usize] as usize];
            node = parent[node as usize];
        }
        node
    }
    for &(from, to) in edges {
        let (a, b) = (find(&mut parent, from), find(&mut parent, to));
        // The first node is the root.
        parent[a.max(b) as usize] = a.min(b);
    }
    let mut found: Vec<(Vec<u32>, Vec<LocalEdge>)> = Vec::new();
    let mut component = vec![0; nodes];
    let mut local = vec![0; nodes];
    for node in 0..nodes as u32 {
        let root = find(&mut parent, node);
        if root == node {
            component[node as usize] = found.len();
            found.push(Default::default());
        }
        component[node as usize] = component[root as usize];
        let members = &mut found[component[node as usize]].0;
        local[node as usize] = members.len() as u32;
        members.push(node);
    }
    for (k, &(from, to)) in edges.iter().enumerate() {
        found[component[from as usize]].1.push((k, (local[from as usize], local[to as usize])));
    }
    found
}

/// A component with its own coordinates, of which the least are 0.
struct Component {
    members: Vec<u32>,
    routes: Vec<(usize, Route)>,
    /// Along the layers, and across them.
    size: Point,
    /// Where it goes in the picture.
    offset: Point,
}

impl Component {
    /// Places `members`, whose layers are rows from top to bottom, then turns them as `rankdir` says.
    fn new(nodes: &mut [Placed], members: Vec<u32>, edges: &[LocalEdge], rankdir: RankDir) -> Component {
        let turn = |(x, y): Point| if rankdir.sideways() { (y, x) } else { (x, y) };
        let mut outlines: Vec<Outline> = members.iter().map(|node| nodes[*node as usize].outline).collect();
        outlines.iter_mut().for_each(|outline| outline.half = turn(outline.half));
        let (ids, ends): (Vec<usize>, Vec<(u32, u32)>) = edges.iter().copied().unzip();
        let routes = draw(&mut outlines, &ends);
        let mut component =
            Component { members, routes: ids.into_iter().zip(routes).collect(), size: (0.0, 0.0), offset: (0.0, 0.0) };

        // The least corner goes to the origin.
        let corners = |outline: &Outline| {
            let (middle, half) = (outline.middle, outline.half);
            [(middle.0 - half.0, middle.1 - half.1), (middle.0 + half.0, middle.1 + half.1)]
        };
        let points = outlines.iter().flat_map(corners).chain(component.routes.iter().flat_map(|(_, r)| r.outline()));
        let (mut least, mut most) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        for (x, y) in points {
            least = (least.0.min(x), least.1.min(y));
            most = (most.0.max(x), most.1.max(y));
        }
        component.size = (most.0 - least.0, most.1 - least.1);
        let height = component.size.1;
        let settle = |(x, y): Point| {
            let (x, y) = (x - least.0, y - least.1);
            turn((x, if rankdir.backwards() { height - y } else { y }))
        };
        for (node, outline) in component.members.iter().zip(outlines) {
            nodes[*node as usize].outline.middle = settle(outline.middle);
        }
        component.routes.iter_mut().flat_map(|(_, route)| route.points_mut()).for_each(|point| *point = settle(*point));
        component
    }

    /// Moves everything to its place.
    fn translate(&mut self, nodes: &mut [Placed]) {
        let offset = self.offset;
        let shift = |point: &mut Point| *point = (point.0 + offset.0, point.1 + offset.1);
        self.members.iter().for_each(|node| shift(&mut nodes[*node as usize].outline.middle));
        self.routes.iter_mut().flat_map(|(_, route)| route.points_mut()).for_each(shift);
    }
}

/// Places the nodes of a component and leads its edges, in layers from top to bottom.
fn draw(outlines: &mut [Outline], edges: &[(u32, u32)]) -> Vec<Route> {
    let mut layered = Layered::new(&ranks(outlines.len(), edges), edges);
    crossing::reduce(&mut layered);
    let widths: Vec<f64> = outlines.iter().map(|outline| outline.half.0 * 2.0).collect();
    let x = place::places(&layered, &widths);
    let bands = bands(&layered, outlines, &x);
    for (vertex, outline) in outlines.iter_mut().enumerate() {
        let (top, bottom) = bands[layered.rank[vertex] as usize];
        outline.middle = (x[vertex], (top + bottom) / 2.0);
    }
    // How far to each side an edge may go where it is at a vertex.
    let limit = |vertex: u32, other: u32| {
        let (at, near) = (x[vertex as usize], x[other as usize]);
        if layered.is_dummy(other) {
            return (at + near) / 2.0;
        }
        let half = outlines[other as usize].half.0 + PASSING_GAP;
        if near < at { near + half } else { near - half }
    };
    let gap = |vertex: u32, y: f64| {
        let (layer, pos) =
            (&layered.layers[layered.rank[vertex as usize] as usize], layered.pos[vertex as usize] as usize);
        let left = pos.checked_sub(1).map_or(f64::NEG_INFINITY, |before| limit(vertex, layer[before]));
        let right = layer.get(pos + 1).map_or(f64::INFINITY, |after| limit(vertex, *after));
        Gap { y, left, right }
    };
    // Edges leave and reach boxes by the side that faces the other layer, and circles from wherever there is space.
    let face = |node: u32, y: f64| {
        let Gap { left, right, .. } = gap(node, y);
        let Outline { shape, middle, half } = outlines[node as usize];
        let half = if shape == Shape::Box { half.0 * FACE } else { f64::INFINITY };
        Gap { y, left: left.max(middle.0 - half), right: right.min(middle.0 + half) }
    };
    let mut gaps = Vec::new();
    let mut routes = Vec::with_capacity(edges.len());
    for (&(from, to), passing) in edges.iter().zip(&layered.passing) {
        let band = |vertex: u32| bands[layered.rank[vertex as usize] as usize];
        gaps.clear();
        gaps.push(face(from, band(from).1));
        for dummy in passing.clone().into_iter().flatten() {
            gaps.extend([gap(dummy, band(dummy).0), gap(dummy, band(dummy).1)]);
        }
        gaps.push(face(to, band(to).0));
        routes.push(route(outlines[from as usize], outlines[to as usize], &gaps));
    }
    routes
}

/// Where each layer begins and ends.
fn bands(layered: &Layered, outlines: &[Outline], x: &[f64]) -> Vec<(f64, f64)> {
    let mut bands = Vec::with_capacity(layered.layers.len());
    let mut y = 0.0;
    for layer in &layered.layers {
        let nodes = layer.iter().filter(|vertex| !layered.is_dummy(**vertex));
        let depth = nodes.map(|node| outlines[*node as usize].half.1 * 2.0).fold(BOX_MIN.1, f64::max);
        bands.push((y, y + depth));
        let aside = |vertex: &u32| {
            let after = layered.after.of(*vertex).iter();
            after.map(|other| (x[*other as usize] - x[*vertex as usize]).abs()).fold(0.0, f64::max)
        };
        let furthest = layer.iter().map(aside).fold(0.0, f64::max);
        y += depth + (furthest * STEEPNESS).clamp(LAYER_GAP, LAYER_GAP_MAX);
    }
    bands
}

/// Puts components in rows; the size of the picture.
fn arrange(components: &mut [Component], rankdir: RankDir) -> Point {
    let turn = |(x, y): Point| if rankdir.sideways() { (y, x) } else { (x, y) };
    let area: f64 = components.iter().map(|c| (c.size.0 + COMPONENT_GAP) * (c.size.1 + COMPONENT_GAP)).sum();
    let widest = components.iter().map(|c| c.size.0).fold(0.0, f64::max);
    let limit = widest.max(ROW_MIN).max((area * ROW_ASPECT).sqrt());
    let (mut width, mut top) = (0.0f64, 0.0);
    let mut start = 0;
    while start < components.len() {
        let mut x = 0.0;
        let mut end = start;
        while end < components.len() && (end == start || x + components[end].size.0 <= limit) {
            x += components[end].size.0 + COMPONENT_GAP;
            end += 1;
        }
        let row = &mut components[start..end];
        let height = row.iter().map(|c| c.size.1).fold(0.0, f64::max);
        let mut x = 0.0;
        for component in row {
            // Inputs line up.
            let y = if rankdir.backwards() { top + height - component.size.1 } else { top };
            component.offset = turn((x + MARGIN, y + MARGIN));
            x += component.size.0 + COMPONENT_GAP;
        }
        width = width.max(x - COMPONENT_GAP);
        top += height + COMPONENT_GAP;
        start = end;
    }
    turn((width + 2.0 * MARGIN, (top - COMPONENT_GAP).max(0.0) + 2.0 * MARGIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn circles(nodes: usize, edges: Vec<(u32, u32)>) -> GraphPicture {
        GraphPicture { nodes: vec![Node::circle("f"); nodes], edges }
    }

    fn random_picture() -> impl Strategy<Value = (GraphPicture, Options)> {
        let dirs = [RankDir::TopBottom, RankDir::BottomTop, RankDir::LeftRight, RankDir::RightLeft];
        let labels = prop_oneof!["[a-z_]{0,12}", Just("(0, 1)".to_owned()), Just("one\ntwo".to_owned())];
        let node = (any::<bool>(), labels)
            .prop_map(|(circle, label)| if circle { Node::circle(label) } else { Node::boxed(label) });
        let nodes = proptest::collection::vec(node, 1..40);
        (nodes, proptest::collection::vec((any::<u32>(), any::<u32>()), 0..80), 0..4usize).prop_map(
            move |(nodes, edges, dir)| {
                let count = nodes.len() as u32;
                // From any node to any other, in an order that is not that of their numbers.
                let rank = |node: u32| (node * 7 + 3) % count.max(1) * 64 + node;
                let edges = edges.into_iter().map(|(a, b)| (a % count, b % count)).filter(|(a, b)| rank(*a) < rank(*b));
                let options = Options { rankdir: dirs[dir], ..Options::default() };
                (GraphPicture { edges: edges.collect(), nodes }, options)
            },
        )
    }

    /// How far along the flow of data a place is.
    fn along((x, y): Point, rankdir: RankDir) -> f64 {
        match rankdir {
            RankDir::TopBottom => y,
            RankDir::BottomTop => -y,
            RankDir::LeftRight => x,
            RankDir::RightLeft => -x,
        }
    }

    /// Between outlines, at least, less than what rounding takes.
    const NODES_APART: f64 = 17.9;

    fn assert_nothing_overlaps(drawing: &Drawing) {
        let apart = |a: &Outline, b: &Outline| {
            let (dx, dy) = ((a.middle.0 - b.middle.0).abs(), (a.middle.1 - b.middle.1).abs());
            dx > a.half.0 + b.half.0 + NODES_APART || dy > a.half.1 + b.half.1 + NODES_APART
        };
        for (k, a) in drawing.nodes.iter().enumerate() {
            for b in &drawing.nodes[..k] {
                assert!(apart(&a.outline, &b.outline), "{a:?} touches {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn data_flows_one_way_nothing_overlaps_and_all_is_within_the_picture((picture, options) in random_picture()) {
            let drawing = layout(&picture, &options).unwrap();
            for (from, to) in &picture.edges {
                let place = |node: &u32| along(drawing.nodes[*node as usize].outline.middle, options.rankdir);
                let (from, to) = (place(from), place(to));
                prop_assert!(from + 36.0 < to);
            }
            assert_nothing_overlaps(&drawing);
            let within = |(x, y): Point| x >= 0.0 && y >= 0.0 && x <= drawing.width && y <= drawing.height;
            for node in &drawing.nodes {
                let Outline { middle: (x, y), half, .. } = node.outline;
                prop_assert!(within((x - half.0, y - half.1)) && within((x + half.0, y + half.1)));
            }
            prop_assert!(drawing.edges.iter().flat_map(Route::outline).all(within));
            prop_assert_eq!(&drawing, &layout(&picture, &options).unwrap());
        }

        #[test]
        fn edges_keep_clear_of_other_nodes((picture, options) in random_picture()) {
            let drawing = layout(&picture, &options).unwrap();
            let edges = checked_edges(&picture, &options).unwrap();
            prop_assert_eq!(edges.len(), drawing.edges.len());
            for ((from, to), route) in edges.iter().zip(&drawing.edges) {
                for (k, node) in drawing.nodes.iter().enumerate() {
                    // Bends are rounded, which costs some of the space that was left.
                    let Outline { middle, half, .. } = node.outline;
                    let near = |a: f64, b: f64, half: f64| (a - b).abs() < half * 0.6;
                    let through = |(x, y): Point| near(x, middle.0, half.0) && near(y, middle.1, half.1);
                    prop_assert!(k == *from as usize || k == *to as usize || !route.outline().any(through));
                }
            }
        }
    }

    #[test]
    fn a_tree_is_drawn_from_left_to_right_with_parents_in_the_middle() {
        let edges = (0..6).map(|k| (k, 8 + k / 2)).chain([(8, 11), (9, 11), (10, 11), (6, 11), (7, 11)]).collect();
        let places: Vec<Point> = layout(&circles(12, edges), &Options::default()).unwrap().places().collect();
        assert!(places[..6].windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(places[8].0, (places[0].0 + places[1].0) / 2.0);
    }

    #[test]
    fn parts_that_are_not_connected_are_put_in_rows() {
        let edges = (0..1000).map(|k| (2 * k, 2 * k + 1)).collect();
        let drawing = layout(&circles(2000, edges), &Options::default()).unwrap();
        let aspect = drawing.width / drawing.height;
        assert!((1.2..3.0).contains(&aspect), "{} by {}", drawing.width, drawing.height);
        let first: Vec<Point> = drawing.places().step_by(2).take(10).collect();
        assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1));
        assert_eq!(layout(&circles(0, vec![]), &Options::default()).unwrap().size(), (16.0, 16.0));
    }

    #[test]
    fn long_chains_and_wide_stars_are_drawn() {
        let options = Options { max_nodes: 200_000, max_edges: 200_000, ..Options::default() };
        let chain: Vec<(u32, u32)> = (0..99_999).map(|k| (k, k + 1)).collect();
        let drawing = layout(&circles(100_000, chain.clone()), &options).unwrap();
        assert!(drawing.places().all(|place| place.0 == drawing.width / 2.0));
        let collapsed = circles(100_000, chain).collapse_chains();
        assert_eq!((collapsed.nodes.len(), &collapsed.nodes[0].label[..]), (1, "f ×100000"));
        let star = (1..10_000).flat_map(|k| [(0, k), (k, 10_000)]).collect();
        let drawing = layout(&circles(10_001, star), &options).unwrap();
        assert!((drawing.nodes[0].outline.middle.0 - drawing.width / 2.0).abs() < 1.0);
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let fails = |picture: &GraphPicture, options: &Options| layout(picture, options).unwrap_err();
        let options = Options { max_nodes: 3, max_edges: 2, ..Options::default() };
        let error = fails(&circles(4, vec![]), &options);
        assert_eq!(error, PictureError::TooLarge { nodes: 4, edges: 0, max_nodes: 3, max_edges: 2 });
        let text = error.to_string();
        for part in ["4 nodes", "at most 3 nodes", "optimize_graph=True", "smaller piece"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(matches!(fails(&circles(2, vec![(0, 1); 3]), &options), PictureError::TooLarge { edges: 3, .. }));
        let options = Options::default();
        assert_eq!(fails(&circles(2, vec![(0, 2)]), &options), PictureError::NoSuchNode { from: 0, to: 2, nodes: 2 });
        let cycle = circles(4, vec![(0, 1), (1, 2), (2, 1), (2, 3)]);
        assert_eq!(fails(&cycle, &options), PictureError::Cycle { node: 1 });
        assert_eq!(fails(&circles(1, vec![(0, 0)]), &options), PictureError::Cycle { node: 0 });
    }

    #[test]
    fn an_edge_listed_twice_is_drawn_once() {
        let drawing = layout(&circles(2, vec![(0, 1), (0, 1)]), &Options::default()).unwrap();
        assert_eq!(drawing.edges.len(), 1);
    }
}
