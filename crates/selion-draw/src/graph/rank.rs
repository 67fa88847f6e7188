//! In which layer each node goes: so that every edge leads forward, and edges together pass as few layers as they can.
//!
//! The network simplex of Gansner, Koutsofios, North and Vo ("A technique for drawing directed graphs", IEEE
//! Transactions on Software Engineering 19, 1993, section 2). A spanning tree of edges that lead to the very next layer
//! fixes all layers. Cutting a tree edge leaves two parts; its *cut value* is how many edges lead the way it does
//! between them, less those that lead back. If that is negative, moving the parts apart until another edge becomes
//! tight makes the picture smaller, and that edge takes its place in the tree.
//!
//! Cut values need no sums over edges: the edges that leave a subtree, less those that enter it, are the sum of the
//! same difference over its nodes.

use super::layers::Lists;

/// Work after which layers are taken as they are: valid, if not the best. Seconds on any machine.
const STEPS_MAX: u64 = 60_000_000;
/// Of this many tree edges with negative cut values the most negative is replaced.
const CANDIDATES: usize = 30;

const NONE: u32 = u32::MAX;

/// The layer of each node of a connected graph without cycles; the first is 0.
pub(super) fn ranks(nodes: usize, edges: &[(u32, u32)]) -> Vec<u32> {
    if nodes == 0 {
        return vec![];
    }
    let mut simplex = Simplex::new(nodes, edges);
    simplex.tighten();
    simplex.number(0);
    simplex.cut_values();
    simplex.improve();
    let first = simplex.rank.iter().copied().min().unwrap_or(0);
    simplex.rank.iter().map(|rank| (rank - first) as u32).collect()
}

/// The nodes in an order in which every edge leads forward, and the length of the longest way to each; fewer than all
/// nodes if there is a cycle.
pub(super) fn longest_paths(nodes: usize, edges: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let after = Lists::new(nodes, edges.iter().copied());
    let mut missing = vec![0u32; nodes];
    for (_, to) in edges {
        missing[*to as usize] += 1;
    }
    let mut order: Vec<u32> = (0..nodes as u32).filter(|node| missing[*node as usize] == 0).collect();
    let mut length = vec![0u32; nodes];
    let mut done = 0;
    while let Some(&node) = order.get(done) {
        done += 1;
        for &next in after.of(node) {
            length[next as usize] = length[next as usize].max(length[node as usize] + 1);
            missing[next as usize] -= 1;
            if missing[next as usize] == 0 {
                order.push(next);
            }
        }
    }
    (order, length)
}

struct Simplex<'a> {
    edges: &'a [(u32, u32)],
    /// The edges out of each node, and into it.
    leaving: Lists,
    entering: Lists,
    rank: Vec<i64>,
    in_tree: Vec<bool>,
    /// The tree edges at each node.
    tree: Vec<Vec<u32>>,
    /// The tree edge towards the root.
    up: Vec<u32>,
    /// The subtree below a node is `postorder[low..=lim]`, and the node its last.
    low: Vec<u32>,
    lim: Vec<u32>,
    postorder: Vec<u32>,
    /// Of tree edges; 0 for others.
    cut: Vec<i64>,
    steps: u64,
}

impl<'a> Simplex<'a> {
    fn new(nodes: usize, edges: &'a [(u32, u32)]) -> Simplex<'a> {
        // Layers counted back from the results, so that what is made late starts close to where it is used.
        let turned: Vec<(u32, u32)> = edges.iter().map(|&(from, to)| (to, from)).collect();
        let (_, length) = longest_paths(nodes, &turned);
        let numbered = || edges.iter().zip(0..);
        Simplex {
            edges,
            leaving: Lists::new(nodes, numbered().map(|(edge, id)| (edge.0, id))),
            entering: Lists::new(nodes, numbered().map(|(edge, id)| (edge.1, id))),
            rank: length.iter().map(|length| -i64::from(*length)).collect(),
            in_tree: vec![false; edges.len()],
            tree: vec![Vec::new(); nodes],
            up: vec![NONE; nodes],
            low: vec![0; nodes],
            lim: vec![0; nodes],
            postorder: vec![0; nodes],
            cut: vec![0; edges.len()],
            steps: 0,
        }
    }

    /// How many layers an edge is longer than it must be.
    fn slack(&self, edge: u32) -> i64 {
        let (from, to) = self.edges[edge as usize];
        self.rank[to as usize] - self.rank[from as usize] - 1
    }

    fn other_end(&self, edge: u32, node: u32) -> u32 {
        let (from, to) = self.edges[edge as usize];
        if from == node { to } else { from }
    }

    fn link(&mut self, edge: u32) {
        let (from, to) = self.edges[edge as usize];
        self.in_tree[edge as usize] = true;
        self.tree[from as usize].push(edge);
        self.tree[to as usize].push(edge);
    }

    fn unlink(&mut self, edge: u32) {
        let (from, to) = self.edges[edge as usize];
        self.in_tree[edge as usize] = false;
        for end in [from, to] {
            self.tree[end as usize].retain(|other| *other != edge);
        }
    }

    /// Grows a spanning tree of edges without slack from node 0, moving all of it towards the nearest node outside
    /// whenever no edge without slack leads on.
    ///
    /// The tree moves by changing `shift`, not its nodes: their layers are right once it is added. Edges out of the
    /// tree lose slack as it grows, edges into it gain, so each kind waits in a heap of its own.
    fn tighten(&mut self) {
        use std::cmp::Reverse;
        use std::collections::BinaryHeap;
        let nodes = self.rank.len();
        let mut inside = vec![false; nodes];
        let (mut out, mut into) = (BinaryHeap::new(), BinaryHeap::new());
        let mut shift = 0;
        let mut stack = vec![0];
        inside[0] = true;
        let mut count = 0;
        loop {
            while let Some(node) = stack.pop() {
                count += 1;
                let first = (self.leaving.of(node).len(), self.entering.of(node).len());
                for k in 0..first.0 + first.1 {
                    let leaves = k < first.0;
                    let edge = if leaves { self.leaving.of(node)[k] } else { self.entering.of(node)[k - first.0] };
                    let other = self.other_end(edge, node);
                    if inside[other as usize] {
                        continue;
                    }
                    // Nodes inside that were not moved yet: `rank` is as of the time they came in.
                    let slack = self.slack(edge);
                    if slack == 0 {
                        inside[other as usize] = true;
                        self.link(edge);
                        stack.push(other);
                    } else if leaves {
                        out.push(Reverse((slack + shift, edge)));
                    } else {
                        into.push(Reverse((slack - shift, edge)));
                    }
                }
                // Relative to the tree, which has moved by `shift` since it began.
                self.rank[node as usize] -= shift;
            }
            if count == nodes {
                break;
            }
            let done = |edge: u32| {
                let (from, to) = self.edges[edge as usize];
                inside[from as usize] && inside[to as usize]
            };
            while out.peek().is_some_and(|Reverse((_, edge))| done(*edge)) {
                out.pop();
            }
            while into.peek().is_some_and(|Reverse((_, edge))| done(*edge)) {
                into.pop();
            }
            let (forth, back) = (out.peek().map(|top| top.0), into.peek().map(|top| top.0));
            let edge = match (forth, back) {
                (Some((slack, edge)), Some((other, _))) if slack - shift <= other + shift => {
                    shift = slack;
                    edge
                }
                (_, Some((slack, edge))) => {
                    shift = -slack;
                    edge
                }
                (Some((slack, edge)), None) => {
                    shift = slack;
                    edge
                }
                (None, None) => unreachable!("a component is connected"),
            };
            let (from, to) = self.edges[edge as usize];
            let new = if inside[from as usize] { to } else { from };
            inside[new as usize] = true;
            self.link(edge);
            stack.push(new);
        }
        // Layers of the tree's nodes are relative to it, and so to each other: nothing is left outside.
    }

    /// Numbers the subtree below `root` in postorder, from `low[root]` on.
    fn number(&mut self, root: u32) {
        let mut next = self.low[root as usize];
        let mut stack = vec![(root, 0)];
        while let Some((node, at)) = stack.pop() {
            if at == 0 {
                self.low[node as usize] = next;
            }
            let Some(&edge) = self.tree[node as usize].get(at) else {
                self.lim[node as usize] = next;
                self.postorder[next as usize] = node;
                next += 1;
                continue;
            };
            stack.push((node, at + 1));
            if edge != self.up[node as usize] {
                let child = self.other_end(edge, node);
                self.up[child as usize] = edge;
                stack.push((child, 0));
            }
        }
        self.steps += u64::from(next - self.low[root as usize]);
    }

    fn cut_values(&mut self) {
        let nodes = self.rank.len() as u32;
        let mut excess: Vec<i64> =
            (0..nodes).map(|node| self.leaving.of(node).len() as i64 - self.entering.of(node).len() as i64).collect();
        for k in 0..self.postorder.len() - 1 {
            let child = self.postorder[k];
            let edge = self.up[child as usize];
            let parent = self.other_end(edge, child);
            let below = excess[child as usize];
            self.cut[edge as usize] = if self.edges[edge as usize].0 == child { below } else { -below };
            excess[parent as usize] += below;
        }
    }

    fn improve(&mut self) {
        let mut from = 0;
        while self.steps < STEPS_MAX
            && let Some(edge) = self.leaving_edge(&mut from)
            && let Some(other) = self.entering_edge(edge)
        {
            self.exchange(edge, other);
        }
    }

    /// A tree edge with a negative cut value, looking on from where the last search ended.
    fn leaving_edge(&mut self, from: &mut usize) -> Option<u32> {
        let mut best: Option<usize> = None;
        let mut found = 0;
        for _ in 0..self.edges.len() {
            *from = (*from + 1) % self.edges.len();
            self.steps += 1;
            if self.in_tree[*from] && self.cut[*from] < 0 {
                if best.is_none_or(|best| self.cut[*from] < self.cut[best]) {
                    best = Some(*from);
                }
                found += 1;
                if found == CANDIDATES {
                    break;
                }
            }
        }
        best.map(|edge| edge as u32)
    }

    /// The node of a tree edge that is further from the root.
    fn lower_end(&self, edge: u32) -> u32 {
        let (from, to) = self.edges[edge as usize];
        if self.up[from as usize] == edge { from } else { to }
    }

    fn is_below(&self, node: u32, top: u32) -> bool {
        (self.low[top as usize]..=self.lim[top as usize]).contains(&self.lim[node as usize])
    }

    /// Of the edges that lead the other way between the two parts, the one with the least slack.
    fn entering_edge(&mut self, edge: u32) -> Option<u32> {
        let top = self.lower_end(edge);
        let inwards = self.edges[edge as usize].0 == top;
        let mut best: Option<(i64, u32)> = None;
        for k in self.low[top as usize]..=self.lim[top as usize] {
            let node = self.postorder[k as usize];
            let candidates = if inwards { self.entering.of(node) } else { self.leaving.of(node) };
            self.steps += candidates.len() as u64 + 1;
            for &candidate in candidates {
                if !self.is_below(self.other_end(candidate, node), top) {
                    let slack = self.slack(candidate);
                    if best.is_none_or(|best| (slack, candidate) < best) {
                        best = Some((slack, candidate));
                    }
                }
            }
        }
        best.map(|(_, edge)| edge)
    }

    /// Puts `new` in the place of the tree edge `old`.
    fn exchange(&mut self, old: u32, new: u32) {
        let top = self.lower_end(old);
        let slack = self.slack(new);
        let shift = if self.is_below(self.edges[new as usize].0, top) { slack } else { -slack };
        for k in self.low[top as usize]..=self.lim[top as usize] {
            self.rank[self.postorder[k as usize] as usize] += shift;
        }
        // Along the circle that `new` closes, cut values change by that of `old`.
        let (from, to) = self.edges[new as usize];
        let value = self.cut[old as usize];
        let meeting = self.climb(from, to, value, true);
        self.climb(to, meeting, value, false);
        self.cut[new as usize] = -value;
        self.cut[old as usize] = 0;
        self.unlink(old);
        self.link(new);
        self.number(meeting);
    }

    /// Walks from `node` to the first node above it that is also above `other`, and changes cut values on the way.
    fn climb(&mut self, mut node: u32, other: u32, value: i64, along: bool) -> u32 {
        while !self.is_below(other, node) {
            let edge = self.up[node as usize];
            let upwards = self.edges[edge as usize].0 == node;
            self.cut[edge as usize] += if upwards == along { value } else { -value };
            node = self.other_end(edge, node);
            self.steps += 1;
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn length(ranks: &[u32], edges: &[(u32, u32)]) -> u32 {
        edges.iter().map(|(from, to)| ranks[*to as usize] - ranks[*from as usize]).sum()
    }

    #[test]
    fn a_late_input_is_next_to_its_reader() {
        // A chain of four, and a sum of two inputs that joins its end.
        let edges = [(0, 1), (1, 2), (2, 3), (4, 6), (5, 6), (6, 3)];
        assert_eq!(ranks(7, &edges), [0, 1, 2, 3, 1, 1, 2]);
    }

    #[test]
    fn an_early_output_is_next_to_its_source() {
        let edges = [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (4, 6)];
        assert_eq!(ranks(7, &edges), [0, 1, 2, 3, 1, 2, 2]);
    }

    #[test]
    fn one_node() {
        assert_eq!(ranks(1, &[]), [0]);
    }

    /// The shortest total length of any layering of up to `layers` layers, found by trying all.
    fn shortest(nodes: usize, edges: &[(u32, u32)], layers: u32) -> u32 {
        let mut best = u32::MAX;
        let mut ranks = vec![0; nodes];
        loop {
            if edges.iter().all(|(from, to)| ranks[*from as usize] < ranks[*to as usize]) {
                best = best.min(length(&ranks, edges));
            }
            let Some(next) = ranks.iter().position(|rank| *rank + 1 < layers) else { return best };
            ranks[next] += 1;
            ranks[..next].fill(0);
        }
    }

    proptest! {
        #[test]
        fn no_layering_is_shorter(choices in proptest::collection::vec((0u32..6, 0u32..6), 0..10)) {
            // A path keeps it connected; the others lead from lower to higher numbers.
            let zigzag = [(0, 3), (1, 3), (1, 4), (2, 4), (2, 5)];
            let mut edges: Vec<(u32, u32)> = choices.into_iter().filter(|(from, to)| from < to).chain(zigzag).collect();
            edges.sort_unstable();
            edges.dedup();
            let found = ranks(6, &edges);
            prop_assert!(edges.iter().all(|(from, to)| found[*from as usize] < found[*to as usize]));
            prop_assert_eq!(length(&found, &edges), shortest(6, &edges, 6));
        }
    }
}
