//! The order within layers, so that few segments cross: sweeps over the layers, each ordered by where its neighbours in
//! the layer before are, with exchanges of adjacent vertices in between.
//!
//! Vertices go to the barycentre of their neighbours (Sugiyama, Tagawa and Toda, 1981) in one pair of sweeps and to
//! their weighted median (Gansner, Koutsofios, North and Vo, 1993, section 3) in the next, since each finds what the
//! other misses. Crossings are counted with an accumulator tree (Barth, Mutzel and Jünger, "Simple and efficient
//! bilayer cross counting", 2004), in O(segments · log vertices). The best order seen is kept, so that no sweep makes
//! it worse.

use super::layers::{Layered, Lists};

/// Sweeps without improvement after which no more is expected.
const PATIENCE: usize = 4;
/// Sweeps at most, where the graph is small enough for [`WORK_MAX`].
const SWEEPS_MAX: usize = 24;
/// Vertices and segments that all sweeps together may visit: seconds on any machine.
const WORK_MAX: usize = 4_000_000;
/// Passes of exchanges over one layer.
const PASSES_MAX: usize = 8;

/// Orders all layers. Where the graph leaves it open, vertices of lower numbers are further left.
pub(super) fn reduce(layered: &mut Layered) {
    // Depth-first from the results, and from the inputs: trees come out without crossings.
    let from_results = depth_first(layered, true);
    let from_inputs = depth_first(layered, false);
    let sweeps = WORK_MAX / layered.size().max(1);
    let mut starts = vec![from_results, from_inputs];
    if sweeps < 2 * SWEEPS_MAX {
        // There is time for the better of the two.
        starts.sort_by_cached_key(|start| {
            layered.set_order(start.clone());
            count(layered)
        });
        starts.truncate(1);
    }
    let mut best: Option<(u64, Vec<Vec<u32>>)> = None;
    for start in starts {
        if best.as_ref().is_some_and(|(crossings, _)| *crossings == 0) {
            break;
        }
        layered.set_order(start);
        let (crossings, order) = improve(layered, sweeps.clamp(2, SWEEPS_MAX));
        if best.as_ref().is_none_or(|(least, _)| crossings < *least) {
            best = Some((crossings, order));
        }
    }
    if let Some((_, order)) = best {
        layered.set_order(order);
    }
    mirror(layered);
}

/// The fewest crossings found, and the order that has them.
fn improve(layered: &mut Layered, sweeps: usize) -> (u64, Vec<Vec<u32>>) {
    let mut best = (count(layered), layered.layers.clone());
    let mut failed = 0;
    for sweep in 0..sweeps {
        if best.0 == 0 || failed == PATIENCE {
            break;
        }
        let (forward, median) = (sweep % 2 == 0, sweep % 4 >= 2);
        let last = layered.layers.len() - 1;
        for step in 1..=last {
            order_layer(layered, if forward { step } else { last - step }, forward, median);
        }
        exchange(layered);
        let crossings = count(layered);
        if crossings < best.0 {
            best = (crossings, layered.layers.clone());
            failed = 0;
        } else {
            failed += 1;
        }
    }
    best
}

/// Vertices by when a search along the edges first meets them.
fn depth_first(layered: &Layered, from_results: bool) -> Vec<Vec<u32>> {
    let (next, previous) =
        if from_results { (&layered.before, &layered.after) } else { (&layered.after, &layered.before) };
    let mut seen = vec![false; layered.rank.len()];
    let mut layers = vec![Vec::new(); layered.layers.len()];
    let mut stack = Vec::new();
    for start in 0..layered.rank.len() as u32 {
        if !previous.of(start).is_empty() {
            continue;
        }
        stack.push(start);
        while let Some(vertex) = stack.pop() {
            if !seen[vertex as usize] {
                seen[vertex as usize] = true;
                layers[layered.rank[vertex as usize] as usize].push(vertex);
                stack.extend(next.of(vertex).iter().rev().filter(|next| !seen[**next as usize]));
            }
        }
    }
    layers
}

/// Sorts a layer by where the neighbours on one side are. What has none there stays where it is.
fn order_layer(layered: &mut Layered, layer: usize, forward: bool, median: bool) {
    let neighbours = if forward { &layered.before } else { &layered.after };
    let mut places = Vec::new();
    let mut free = Vec::new();
    let mut keyed = Vec::new();
    for (at, &vertex) in layered.layers[layer].iter().enumerate() {
        places.clear();
        places.extend(neighbours.of(vertex).iter().map(|other| f64::from(layered.pos[*other as usize])));
        if !places.is_empty() {
            let key = if median { weighted_median(&mut places) } else { mean(&places) };
            free.push(at);
            keyed.push((key, vertex));
        }
    }
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (at, (_, vertex)) in free.into_iter().zip(keyed) {
        layered.layers[layer][at] = vertex;
    }
    layered.renumber(layer);
}

fn mean(places: &[f64]) -> f64 {
    places.iter().sum::<f64>() / places.len() as f64
}

/// The middle one; between the middle two, nearer to the side where the others are closer together.
fn weighted_median(places: &mut [f64]) -> f64 {
    places.sort_by(f64::total_cmp);
    let (len, middle) = (places.len(), places.len() / 2);
    if len % 2 == 1 {
        return places[middle];
    }
    let (left, right) = (places[middle - 1] - places[0], places[len - 1] - places[middle]);
    if left + right == 0.0 {
        return (places[middle - 1] + places[middle]) / 2.0;
    }
    (places[middle - 1] * right + places[middle] * left) / (left + right)
}

/// Exchanges adjacent vertices of all layers while that removes crossings.
fn exchange(layered: &mut Layered) {
    let sorted = |lists: &Lists, layer: &[u32], pos: &[u32]| -> Vec<Vec<u32>> {
        let places = |vertex: &u32| {
            let mut places: Vec<u32> = lists.of(*vertex).iter().map(|other| pos[*other as usize]).collect();
            places.sort_unstable();
            places
        };
        layer.iter().map(places).collect()
    };
    for k in 0..layered.layers.len() {
        let mut layer = std::mem::take(&mut layered.layers[k]);
        let mut before = sorted(&layered.before, &layer, &layered.pos);
        let mut after = sorted(&layered.after, &layer, &layered.pos);
        for _ in 0..PASSES_MAX {
            let mut changed = false;
            for at in 1..layer.len() {
                let kept = crossings(&before[at - 1], &before[at]) + crossings(&after[at - 1], &after[at]);
                if kept == 0 {
                    continue;
                }
                let exchanged = crossings(&before[at], &before[at - 1]) + crossings(&after[at], &after[at - 1]);
                if exchanged < kept {
                    layer.swap(at - 1, at);
                    before.swap(at - 1, at);
                    after.swap(at - 1, at);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        layered.layers[k] = layer;
        layered.renumber(k);
    }
}

/// How many segments of two vertices cross, given the sorted places of their neighbours.
fn crossings(left: &[u32], right: &[u32]) -> u64 {
    let mut sum = 0;
    let mut smaller = 0;
    for place in left {
        while right.get(smaller).is_some_and(|other| other < place) {
            smaller += 1;
        }
        sum += smaller as u64;
    }
    sum
}

/// How many segments cross.
pub(super) fn count(layered: &Layered) -> u64 {
    let mut sum = 0;
    let mut tree = Vec::new();
    let mut places = Vec::new();
    for (layer, next) in layered.layers.iter().zip(layered.layers.iter().skip(1)) {
        // A complete binary tree over the places in the next layer, each part knowing how many segments end in it.
        let leaves = next.len().next_power_of_two();
        tree.clear();
        tree.resize(2 * leaves, 0u64);
        for vertex in layer {
            places.clear();
            places.extend(layered.after.of(*vertex).iter().map(|other| layered.pos[*other as usize]));
            places.sort_unstable();
            for place in &places {
                let mut at = leaves + *place as usize;
                while at > 0 {
                    tree[at] += 1;
                    // Segments of earlier vertices that end further right cross this one.
                    if at > 1 && at.is_multiple_of(2) {
                        sum += tree[at + 1];
                    }
                    at /= 2;
                }
            }
        }
    }
    sum
}

/// Turns the picture over if more neighbours in a layer are out of their listed order than in it.
fn mirror(layered: &mut Layered) {
    let mut balance = 0i64;
    for layer in &layered.layers {
        let nodes = layer.iter().filter(|vertex| !layered.is_dummy(**vertex));
        balance += nodes.clone().zip(nodes.skip(1)).map(|(left, right)| if left < right { 1 } else { -1 }).sum::<i64>();
    }
    if balance < 0 {
        let mut layers = std::mem::take(&mut layered.layers);
        layers.iter_mut().for_each(|layer| layer.reverse());
        layered.set_order(layers);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::rank::longest_paths;

    fn random_dag() -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
        (2usize..40).prop_flat_map(|nodes| {
            let edge = (0..nodes as u32, 0..nodes as u32);
            let edges = proptest::collection::vec(edge, 0..80)
                .prop_map(|edges| edges.into_iter().filter(|(from, to)| from < to).collect());
            (Just(nodes), edges)
        })
    }

    /// All pairs of segments, one by one.
    fn slow_count(layered: &Layered) -> u64 {
        let mut sum = 0;
        for layer in &layered.layers {
            let mut segments = Vec::new();
            for vertex in layer {
                segments.extend(layered.after.of(*vertex).iter().map(|to| (*vertex, *to)));
            }
            let pos = |vertex: u32| layered.pos[vertex as usize];
            for (a, b) in &segments {
                sum += segments.iter().filter(|(c, d)| pos(*a) < pos(*c) && pos(*b) > pos(*d)).count() as u64;
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn crossings_are_counted_and_never_more_than_at_first((nodes, edges) in random_dag()) {
            let (_, ranks) = longest_paths(nodes, &edges);
            let mut layered = Layered::new(&ranks, &edges);
            let first = count(&layered);
            prop_assert_eq!(first, slow_count(&layered));
            layered.set_order(depth_first(&layered, true));
            let start = count(&layered);
            reduce(&mut layered);
            prop_assert_eq!(count(&layered), slow_count(&layered));
            prop_assert!(count(&layered) <= start);
            let mut all: Vec<u32> = layered.layers.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..layered.rank.len() as u32).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn trees_and_grids_have_no_crossings_and_keep_their_order() {
        // Leaves 0 to 7, two by two.
        let edges: Vec<(u32, u32)> = (0..14).map(|k| (k, 8 + k / 2)).collect();
        let (_, ranks) = longest_paths(15, &edges);
        let mut layered = Layered::new(&ranks, &edges);
        layered.set_order(vec![vec![7, 2, 0, 5, 1, 3, 6, 4], vec![9, 8, 11, 10], vec![13, 12], vec![14]]);
        reduce(&mut layered);
        assert_eq!(count(&layered), 0);
        assert_eq!(layered.layers[0], [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn medians_lean_to_the_denser_side() {
        assert_eq!(weighted_median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(weighted_median(&mut [4.0, 2.0]), 3.0);
        assert_eq!(weighted_median(&mut [0.0, 1.0, 2.0, 9.0]), 1.125);
    }
}
