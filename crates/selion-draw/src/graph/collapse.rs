//! Smaller pictures of the same graph: outputs drawn with their tasks, and chains as one node.

use std::collections::HashSet;

use super::picture::{GraphPicture, Node, Shape};

/// Lines of a collapsed chain that are written; the others are in its tooltip.
const CHAIN_LINES_MAX: usize = 6;
/// Names of a collapsed chain in its tooltip.
const CHAIN_TOOLTIP_MAX: usize = 40;

impl GraphPicture {
    /// Draws each task and what it makes as one circle, as Dask does with `collapse_outputs=True`: boxes that a circle
    /// leads to go away, and their edges start at the circle.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node};
    /// let nodes = vec![Node::boxed("in"), Node::circle("inc"), Node::boxed("out"), Node::circle("double")];
    /// let picture = GraphPicture { nodes, edges: vec![(0, 1), (1, 2), (2, 3)] }.collapse_outputs();
    /// assert_eq!(picture.nodes.iter().map(|node| &node.label[..]).collect::<Vec<_>>(), ["in", "inc", "double"]);
    /// assert_eq!(picture.edges, [(0, 1), (1, 2)]);
    /// ```
    pub fn collapse_outputs(self) -> GraphPicture {
        let is = |node: u32, shape: Shape| self.nodes.get(node as usize).is_some_and(|node| node.shape == shape);
        let mut into: Vec<u32> = (0..self.nodes.len() as u32).collect();
        for &(from, to) in &self.edges {
            // A box has one producer; if it were given two, the first counts and the others' edges go to it.
            if is(from, Shape::Circle) && is(to, Shape::Box) && into[to as usize] == to {
                into[to as usize] = from;
            }
        }
        let nodes = self.nodes.into_iter().map(Some).collect();
        merged(nodes, &self.edges, &into)
    }

    /// Draws each chain of circles, of which each has one input and one reader, as one circle with all their names.
    ///
    /// Names that follow themselves are counted, and of long chains the middle is left out. To collapse the tasks of a
    /// graph that has boxes between them, collapse outputs first.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node};
    /// let nodes = ["load", "inc", "inc", "sum"].map(Node::circle).to_vec();
    /// let picture = GraphPicture { nodes, edges: vec![(0, 1), (1, 2), (2, 3)] }.collapse_chains();
    /// assert_eq!(picture.nodes[0].label, "load\ninc ×2\nsum");
    /// assert_eq!(picture.nodes[0].tooltip, "load\ninc\ninc\nsum");
    /// ```
    pub fn collapse_chains(self) -> GraphPicture {
        let count = self.nodes.len();
        let known = |edge: &&(u32, u32)| (edge.0.max(edge.1) as usize) < count;
        let edges: HashSet<(u32, u32)> = self.edges.iter().filter(known).copied().collect();
        let (mut ins, mut outs) = (vec![0; count], vec![0; count]);
        for (from, to) in &edges {
            outs[*from as usize] += 1;
            ins[*to as usize] += 1;
        }
        // The next in the chain, where there is one.
        let mut next: Vec<Option<u32>> = vec![None; count];
        let mut first = vec![true; count];
        for &(from, to) in &edges {
            let circles = [from, to].iter().all(|node| self.nodes[*node as usize].shape == Shape::Circle);
            if circles && outs[from as usize] == 1 && ins[to as usize] == 1 && from != to {
                next[from as usize] = Some(to);
                first[to as usize] = false;
            }
        }
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let mut into: Vec<u32> = (0..count as u32).collect();
        for start in 0..count as u32 {
            if !first[start as usize] || next[start as usize].is_none() {
                continue;
            }
            let mut members = Vec::new();
            let mut at = Some(start);
            while let Some(node) = at {
                into[node as usize] = start;
                members.extend(nodes[node as usize].take());
                at = next[node as usize];
            }
            nodes[start as usize] = Some(chain(&members));
        }
        merged(nodes, &self.edges, &into)
    }
}

/// Several nodes as one; its colour is that of the last, whose value others read.
fn chain(members: &[Node]) -> Node {
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for node in members {
        match runs.last_mut() {
            Some((label, count)) if *label == node.label => *count += 1,
            _ => runs.push((&node.label, 1)),
        }
    }
    let lines =
        runs.iter().map(|(label, count)| if *count == 1 { (*label).to_owned() } else { format!("{label} ×{count}") });
    let names = members.iter().map(|node| if node.tooltip.is_empty() { &node.label } else { &node.tooltip });
    Node {
        shape: Shape::Circle,
        label: shortened(lines.collect(), CHAIN_LINES_MAX),
        color: members.last().and_then(|node| node.color),
        tooltip: shortened(names.cloned().collect(), CHAIN_TOOLTIP_MAX),
    }
}

/// Lines, without the middle ones if there are more than `max`.
fn shortened(mut lines: Vec<String>, max: usize) -> String {
    if lines.len() > max {
        let (head, tail) = (max / 2, (max - 1) / 2);
        let left_out = lines.len() - head - tail;
        lines.splice(head..head + left_out, [format!("… {left_out} more …")]);
    }
    lines.join("\n")
}

/// The picture in which node `k` is part of node `into[k]`.
fn merged(mut nodes: Vec<Option<Node>>, edges: &[(u32, u32)], into: &[u32]) -> GraphPicture {
    let mut number = vec![0; nodes.len()];
    let mut kept = Vec::new();
    for (k, node) in nodes.iter_mut().enumerate() {
        if into[k] as usize == k {
            number[k] = kept.len() as u32;
            kept.extend(node.take());
        }
    }
    // What refers to no node still does, so that the layout can say so.
    let end = |node: u32| into.get(node as usize).map_or(u32::MAX, |into| number[*into as usize]);
    let mut seen = HashSet::new();
    let edges = edges.iter().map(|&(from, to)| (end(from), end(to), from == to));
    let edges = edges.filter(|(from, to, circle)| from != to || *circle).map(|(from, to, _)| (from, to));
    GraphPicture { nodes: kept, edges: edges.filter(|edge| seen.insert(*edge)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_stay_boxes_and_tasks_with_two_outputs_become_one_circle() {
        let nodes =
            vec![Node::boxed("x"), Node::circle("split"), Node::boxed("0"), Node::boxed("1"), Node::circle("add")];
        let picture = GraphPicture { nodes, edges: vec![(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)] }.collapse_outputs();
        assert_eq!(picture.nodes.len(), 3);
        assert_eq!(picture.edges, [(0, 1), (1, 2)]);
    }

    #[test]
    fn chains_end_where_something_joins_or_branches() {
        let nodes = ["a", "b", "c", "d", "e", "f"].map(Node::circle).to_vec();
        let edges = vec![(0, 1), (1, 2), (5, 2), (2, 3), (3, 4)];
        let picture = GraphPicture { nodes, edges }.collapse_chains();
        let labels: Vec<&str> = picture.nodes.iter().map(|node| &node.label[..]).collect();
        assert_eq!(labels, ["a\nb", "c\nd\ne", "f"]);
        assert_eq!(picture.edges, [(0, 1), (2, 1)]);
    }

    #[test]
    fn the_middle_of_a_long_chain_is_left_out() {
        let nodes: Vec<Node> = (0..100).map(|k| Node::circle(format!("f{k}"))).collect();
        let edges = (0..99).map(|k| (k, k + 1)).collect();
        let picture = GraphPicture { nodes, edges }.collapse_chains();
        assert_eq!(picture.nodes[0].label, "f0\nf1\nf2\n… 95 more …\nf98\nf99");
        assert_eq!(picture.nodes[0].tooltip.lines().count(), 40);
    }

    #[test]
    fn errors_are_left_to_the_layout() {
        let picture = GraphPicture { nodes: vec![Node::circle("a")], edges: vec![(0, 7), (0, 0)] };
        for picture in [picture.clone().collapse_outputs(), picture.collapse_chains()] {
            assert!(crate::layout(&picture, &crate::Options::default()).is_err());
        }
    }
}
