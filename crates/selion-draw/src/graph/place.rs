//! Where vertices go within their layers: in their order, far enough apart, and long edges straight.
//!
//! After Brandes and Köpf ("Fast and simple horizontal coordinate assignment", 2002). Each vertex is aligned with a
//! median neighbour in the next layer, which makes blocks of vertices that share a coordinate; segments between dummies
//! win over those that cross them. Blocks are then put as far to one side as the others allow. This is done with the
//! medians of the layer above and below, and to the left and to the right; the mean of the middle two of the four
//! places is taken.
//!
//! Blocks are compacted by longest paths between them and then drawn back towards their neighbours, instead of by the
//! classes of the paper, which its erratum (Brandes, Walter and Zink, 2020) corrects.

use super::layers::{Layered, Lists};

/// Between the outlines of two nodes, as Graphviz has it.
const NODE_GAP: f64 = 18.0;
/// Between an edge and whatever is next to it.
const EDGE_GAP: f64 = 12.0;

/// The coordinate of the middle of each vertex, given how wide the nodes are. The least is anything.
pub(super) fn places(layered: &Layered, widths: &[f64]) -> Vec<f64> {
    let conflicts = conflicts(layered);
    let runs: Vec<Vec<f64>> = [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(upwards, mirrored)| {
            let block = align(layered, &conflicts, upwards, mirrored);
            compact(layered, widths, &block, mirrored)
        })
        .collect();
    let mut shifts = [0.0; 4];
    let extent = |run: &[f64]| {
        let half = |vertex: usize| width(layered, widths, vertex as u32) / 2.0;
        let left = run.iter().enumerate().map(|(k, x)| x - half(k)).fold(f64::INFINITY, f64::min);
        let right = run.iter().enumerate().map(|(k, x)| x + half(k)).fold(f64::NEG_INFINITY, f64::max);
        (left, right)
    };
    // All are lined up with the narrowest, on the side to which each was pushed.
    let extents: Vec<(f64, f64)> = runs.iter().map(|run| extent(run)).collect();
    let narrowest = extents.iter().copied().min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0))).unwrap_or_default();
    for (k, (left, right)) in extents.iter().enumerate() {
        shifts[k] = if k % 2 == 0 { narrowest.0 - left } else { narrowest.1 - right };
    }
    (0..layered.rank.len())
        .map(|vertex| {
            let mut four = [0, 1, 2, 3].map(|k| runs[k][vertex] + shifts[k]);
            four.sort_by(f64::total_cmp);
            (four[1] + four[2]) / 2.0
        })
        .collect()
}

fn width(layered: &Layered, widths: &[f64], vertex: u32) -> f64 {
    if layered.is_dummy(vertex) { 0.0 } else { widths[vertex as usize] }
}

/// How far apart the middles of two vertices must be at least.
fn separation(layered: &Layered, widths: &[f64], left: u32, right: u32) -> f64 {
    let gap = if layered.is_dummy(left) || layered.is_dummy(right) { EDGE_GAP } else { NODE_GAP };
    (width(layered, widths, left) + width(layered, widths, right)) / 2.0 + gap
}

/// Segments that cross one between two dummies, as the places of their ends, sorted: these do not align their ends.
fn conflicts(layered: &Layered) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for layer in layered.layers.iter().skip(1) {
        // The segments between dummies divide the layer before; others must stay within their part.
        let (mut from, mut left) = (0, 0);
        for (at, &vertex) in layer.iter().enumerate() {
            let inner = inner_neighbour(layered, vertex);
            if inner.is_none() && at + 1 < layer.len() {
                continue;
            }
            let right = inner.map_or(u32::MAX, |other| layered.pos[other as usize]);
            for &between in &layer[from..=at] {
                for &other in layered.before.of(between) {
                    let pos = layered.pos[other as usize];
                    let both = layered.is_dummy(between) && layered.is_dummy(other);
                    if (pos < left || pos > right) && !both {
                        found.push((other, between));
                    }
                }
            }
            (from, left) = (at, right);
        }
    }
    found.sort_unstable();
    found
}

/// The dummy before a dummy.
fn inner_neighbour(layered: &Layered, vertex: u32) -> Option<u32> {
    let before = if layered.is_dummy(vertex) { layered.before.of(vertex) } else { &[] };
    before.first().copied().filter(|other| layered.is_dummy(*other))
}

/// The first vertex of the block that each vertex belongs to.
fn align(layered: &Layered, conflicts: &[(u32, u32)], upwards: bool, mirrored: bool) -> Vec<u32> {
    let vertices = layered.rank.len();
    let mut root: Vec<u32> = (0..vertices as u32).collect();
    // Whether the block goes on: each vertex has at most one below it.
    let mut taken = vec![false; vertices];
    let neighbours: &Lists = if upwards { &layered.after } else { &layered.before };
    let count = layered.layers.len();
    let mut near = Vec::new();
    for step in 1..count {
        let layer = &layered.layers[if upwards { count - 1 - step } else { step }];
        let mut reached = -1;
        for k in 0..layer.len() {
            let vertex = layer[if mirrored { layer.len() - 1 - k } else { k }];
            near.clear();
            near.extend_from_slice(neighbours.of(vertex));
            if near.is_empty() {
                continue;
            }
            near.sort_unstable_by_key(|other| layered.pos[*other as usize]);
            let (low, high) = ((near.len() - 1) / 2, near.len() / 2);
            let medians = if mirrored { [near[high], near[low]] } else { [near[low], near[high]] };
            for other in medians {
                let pos = i64::from(layered.pos[other as usize]);
                let width = layered.layers[layered.rank[other as usize] as usize].len() as i64;
                let place = if mirrored { width - 1 - pos } else { pos };
                let segment = if upwards { (vertex, other) } else { (other, vertex) };
                if root[vertex as usize] == vertex
                    && !taken[other as usize]
                    && place > reached
                    && conflicts.binary_search(&segment).is_err()
                {
                    root[vertex as usize] = root[other as usize];
                    taken[other as usize] = true;
                    reached = place;
                }
            }
        }
    }
    root
}

/// Coordinates by which blocks are as far left as others allow, or as far right if mirrored.
fn compact(layered: &Layered, widths: &[f64], root: &[u32], mirrored: bool) -> Vec<f64> {
    // An edge from each block to its neighbour on the right in any layer, with the distance that they must keep.
    let mut pairs = Vec::new();
    for layer in &layered.layers {
        for pair in layer.windows(2) {
            let apart = separation(layered, widths, pair[0], pair[1]);
            let (left, right) = (root[pair[0] as usize], root[pair[1] as usize]);
            pairs.push(if mirrored { (right, left, apart) } else { (left, right, apart) });
        }
    }
    let vertices = root.len();
    let ids = Lists::new(vertices, pairs.iter().zip(0..).map(|(pair, id)| (pair.0, id)));
    let mut missing = vec![0u32; vertices];
    for pair in &pairs {
        missing[pair.1 as usize] += 1;
    }
    let mut order: Vec<u32> =
        (0..vertices as u32).filter(|k| root[*k as usize] == *k && missing[*k as usize] == 0).collect();
    let mut x = vec![0.0f64; vertices];
    let mut done = 0;
    while let Some(&block) = order.get(done) {
        done += 1;
        for &id in ids.of(block) {
            let (_, next, apart) = pairs[id as usize];
            x[next as usize] = x[next as usize].max(x[block as usize] + apart);
            missing[next as usize] -= 1;
            if missing[next as usize] == 0 {
                order.push(next);
            }
        }
    }
    // Then back, as far as what is behind allows: a block that nothing pushes is next to what it belongs to.
    for &block in order.iter().rev() {
        let limit = ids.of(block).iter().map(|id| {
            let (_, next, apart) = pairs[*id as usize];
            x[next as usize] - apart
        });
        let limit = limit.fold(f64::INFINITY, f64::min);
        if limit.is_finite() {
            x[block as usize] = x[block as usize].max(limit);
        }
    }
    root.iter().map(|root| if mirrored { -x[*root as usize] } else { x[*root as usize] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places relative to that of the first vertex.
    fn placed(ranks: &[u32], edges: &[(u32, u32)]) -> Vec<f64> {
        let layered = Layered::new(ranks, edges);
        let x = places(&layered, &vec![54.0; ranks.len()]);
        x.iter().map(|at| at - x[0]).collect()
    }

    #[test]
    fn parents_are_in_the_middle_of_their_children() {
        assert_eq!(placed(&[0, 0, 1], &[(0, 2), (1, 2)]), [0.0, 72.0, 36.0]);
        assert_eq!(placed(&[0, 0, 0, 1], &[(0, 3), (1, 3), (2, 3)]), [0.0, 72.0, 144.0, 72.0]);
    }

    #[test]
    fn chains_and_long_edges_are_straight() {
        let x = placed(&[0, 1, 2, 3], &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!((x[1], x[4]), (x[2], x[5]), "{x:?}");
    }
}
