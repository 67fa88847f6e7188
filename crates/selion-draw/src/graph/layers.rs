//! A component with its vertices in layers: nodes, and a dummy vertex in each layer that a long edge passes.

use std::ops::Range;

/// A component may have this many dummies for each node and edge, and [`DUMMIES_MIN`] in any case. Edges that pass the
/// most layers go without where that is too few, so that no graph grows beyond this.
const DUMMIES_PER_PART: usize = 4;
const DUMMIES_MIN: usize = 20_000;

/// Vertices that are listed for each vertex, one list after the other.
#[derive(Debug, Default)]
pub(super) struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// For each of `count` vertices, what it is paired with, in the order of the pairs.
    pub(super) fn new(count: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Lists {
        let mut starts = vec![0; count + 1];
        for (key, _) in pairs.clone() {
            starts[key as usize + 1] += 1;
        }
        for k in 0..count {
            starts[k + 1] += starts[k];
        }
        let mut items = vec![0; starts[count] as usize];
        let mut next = starts.clone();
        for (key, item) in pairs {
            items[next[key as usize] as usize] = item;
            next[key as usize] += 1;
        }
        Lists { starts, items }
    }

    pub(super) fn of(&self, vertex: u32) -> &[u32] {
        let vertex = vertex as usize;
        &self.items[self.starts[vertex] as usize..self.starts[vertex + 1] as usize]
    }
}

/// The dummies of an edge; `None` if it goes without any though it passes layers.
type Passing = Option<Range<u32>>;

/// Vertices in layers, joined by segments that lead from one layer to the next.
#[derive(Debug)]
pub(super) struct Layered {
    /// Vertices from here on are dummies.
    pub(super) nodes: usize,
    /// The layer of each vertex.
    pub(super) rank: Vec<u32>,
    /// The vertices of each layer, in order.
    pub(super) layers: Vec<Vec<u32>>,
    /// Where each vertex is in its layer.
    pub(super) pos: Vec<u32>,
    /// The neighbours of each vertex in the layer before.
    pub(super) before: Lists,
    /// The neighbours of each vertex in the layer after.
    pub(super) after: Lists,
    /// The dummies of each edge, from the first layer it passes to the last.
    pub(super) passing: Vec<Passing>,
}

impl Layered {
    /// Splits edges that pass layers. Vertices within a layer are in the order of their numbers.
    pub(super) fn new(ranks: &[u32], edges: &[(u32, u32)]) -> Layered {
        let nodes = ranks.len();
        let mut rank = ranks.to_vec();
        let passing = passing(&mut rank, edges);
        let mut segments = Vec::new();
        for (&(from, to), passing) in edges.iter().zip(&passing) {
            let Some(passing) = passing else { continue };
            let mut last = from;
            for dummy in passing.clone() {
                segments.push((last, dummy));
                last = dummy;
            }
            segments.push((last, to));
        }
        let after = Lists::new(rank.len(), segments.iter().copied());
        let before = Lists::new(rank.len(), segments.iter().map(|&(from, to)| (to, from)));
        let mut layers = vec![Vec::new(); rank.iter().max().map_or(0, |last| *last as usize + 1)];
        for (vertex, rank) in rank.iter().enumerate() {
            layers[*rank as usize].push(vertex as u32);
        }
        let mut layered = Layered { nodes, pos: vec![0; rank.len()], rank, layers: vec![], before, after, passing };
        layered.set_order(layers);
        layered
    }

    pub(super) fn is_dummy(&self, vertex: u32) -> bool {
        vertex as usize >= self.nodes
    }

    /// Vertices and segments: what a sweep over all of them costs.
    pub(super) fn size(&self) -> usize {
        self.rank.len() + self.after.items.len()
    }

    /// Takes over an order of all layers.
    pub(super) fn set_order(&mut self, layers: Vec<Vec<u32>>) {
        self.layers = layers;
        for k in 0..self.layers.len() {
            self.renumber(k);
        }
    }

    /// Brings `pos` up to date after a layer was ordered.
    pub(super) fn renumber(&mut self, layer: usize) {
        for (k, vertex) in self.layers[layer].iter().enumerate() {
            self.pos[*vertex as usize] = k as u32;
        }
    }
}

/// Appends the layers of dummies to `rank`, and says which dummies each edge has.
fn passing(rank: &mut Vec<u32>, edges: &[(u32, u32)]) -> Vec<Passing> {
    let count = |&(from, to): &(u32, u32)| rank[to as usize] - rank[from as usize] - 1;
    let counts: Vec<u32> = edges.iter().map(count).collect();
    let mut budget = DUMMIES_MIN.max(DUMMIES_PER_PART * (rank.len() + edges.len()));
    let mut short_first: Vec<usize> = (0..edges.len()).collect();
    short_first.sort_by_key(|edge| counts[*edge]);
    let mut passing = vec![None; edges.len()];
    for edge in short_first {
        let count = counts[edge];
        if count as usize > budget {
            break;
        }
        budget -= count as usize;
        let (first, before) = (rank.len() as u32, rank[edges[edge].0 as usize]);
        rank.extend((1..=count).map(|step| before + step));
        passing[edge] = Some(first..first + count);
    }
    passing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_edges_get_a_dummy_in_each_layer_they_pass() {
        let layered = Layered::new(&[0, 1, 3], &[(0, 1), (1, 2), (0, 2)]);
        assert_eq!(layered.layers, [vec![0], vec![1, 4], vec![3, 5], vec![2]]);
        assert_eq!(layered.passing, [Some(3..3), Some(3..4), Some(4..6)]);
        assert_eq!((layered.after.of(0), layered.before.of(2)), (&[1, 4][..], &[3, 5][..]));
        assert_eq!(layered.pos[5], 1);
    }

    #[test]
    fn the_longest_edges_go_without_dummies_when_there_would_be_too_many() {
        let ranks: Vec<u32> = (0..1000).collect();
        let chain = (0..999).map(|k| (k, k + 1));
        let edges: Vec<(u32, u32)> = chain.chain((1..400).map(|k| (0, 999 - k))).collect();
        let layered = Layered::new(&ranks, &edges);
        assert!(layered.rank.len() <= 1000 + DUMMIES_MIN, "{} vertices", layered.rank.len());
        assert_eq!(layered.passing[999], None);
        assert!(layered.passing[..999].iter().all(Option::is_some));
    }
}
