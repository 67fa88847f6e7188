//! Which lifted tasks run as one.
//!
//! A task's *level* grows along every edge that is not to be fused, so tasks of one level that are joined by edges to be
//! fused can never wait for each other from outside: groups are acyclic by construction. Edges are fused where that takes
//! nothing from parallelism: along a block's own way through elementwise functions into its partial reduction, and not
//! where many blocks come together. Tasks of one level that read the same block in the same place are joined too, so
//! what five statistics of a block read is read once.
//!
//! What follows from data in memory by few elementwise steps is not kept between levels but computed again in every unit
//! that needs it: that takes less than writing it to memory and reading it back.

use std::collections::HashMap;

use crate::function::Role;

/// A task, for grouping.
pub struct Node {
    /// How its function stands to the blocks around it; `None` if it is not lifted.
    pub role: Option<Role>,
    /// The tasks that it reads, which come before it.
    pub inputs: Vec<u32>,
    /// Which block it is of its array: tasks with the same place belong to the same part of the data.
    pub place: u64,
    /// Whether the caller wants its value.
    pub wanted: bool,
    /// Whether its value is in memory for good.
    pub data: bool,
}

/// Tasks that run as one. A task may be in several units.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// The tasks, each after those of the unit that it reads.
    pub tasks: Vec<u32>,
    /// Those whose values others need.
    pub outputs: Vec<u32>,
}

/// Of how many steps a value may follow from data to be computed again.
const AGAIN_MAX: u32 = 12;

/// Joins tasks to units, each after those that it reads.
pub fn group(nodes: &[Node]) -> Vec<Unit> {
    let mut readers = vec![0_u32; nodes.len()];
    for node in nodes {
        node.inputs.iter().for_each(|input| readers[*input as usize] += 1);
    }
    for (node, readers) in nodes.iter().zip(&mut readers) {
        *readers += u32::from(node.wanted); // one that never comes
    }
    let again = computed_again(nodes);
    let fused = |from: usize, to: usize| fuses(&nodes[from], &nodes[to], readers[from] == 1);

    let mut levels = vec![0_u32; nodes.len()];
    let mut sets = Sets::new(nodes.len());
    for (to, node) in nodes.iter().enumerate() {
        // What is computed again passes on the levels of what it reads itself.
        let fused = |from: usize| !again[from] && !again[to] && fused(from, to);
        let above = |from: &u32| levels[*from as usize] + u32::from(!again[*from as usize] && !fused(*from as usize));
        levels[to] = node.inputs.iter().map(above).max().unwrap_or(0);
        for from in &node.inputs {
            if fused(*from as usize) && levels[*from as usize] == levels[to] {
                sets.join(*from as usize, to);
            }
        }
    }
    join_readers_of_the_same(nodes, &levels, &mut sets);
    units(nodes, &again, &levels, &mut sets)
}

/// Which tasks are computed in every unit that needs their value, and nowhere else.
fn computed_again(nodes: &[Node]) -> Vec<bool> {
    let mut steps: Vec<Option<u32>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let cheap = matches!(node.role, Some(Role::Map | Role::Move));
        let below = |from: &u32| {
            let from = *from as usize;
            if nodes[from].data { Some(0) } else { steps[from].filter(|_| nodes[from].place == node.place) }
        };
        let below: Option<u32> = node.inputs.iter().map(below).sum();
        steps.push(below.map(|below| below + 1).filter(|steps| cheap && *steps <= AGAIN_MAX));
    }
    let mut again: Vec<bool> = nodes.iter().zip(&steps).map(|(node, steps)| steps.is_some() && !node.wanted).collect();
    for node in nodes {
        for from in &node.inputs {
            let from = *from as usize;
            again[from] &= node.role.is_some() && nodes[from].place == node.place;
        }
    }
    again
}

/// Whether an edge is to be fused.
fn fuses(from: &Node, to: &Node, only_reader: bool) -> bool {
    use Role::{Combine, Gather, Map, Move, Partial};
    let (Some(above), Some(below)) = (from.role, to.role) else { return false };
    match (above, below) {
        (Move, Gather) | (Combine, Map | Move) | (Partial, Map | Move) => only_reader,
        (Move | Map | Gather, Map | Move | Partial) => only_reader || from.place == to.place,
        _ => false,
    }
}

/// Joins tasks of one level and place that read the same value.
fn join_readers_of_the_same(nodes: &[Node], levels: &[u32], sets: &mut Sets) {
    let mut first: HashMap<(u32, u32, u64), usize> = HashMap::new();
    for (to, node) in nodes.iter().enumerate() {
        if !matches!(node.role, Some(Role::Map | Role::Partial)) {
            continue;
        }
        for from in &node.inputs {
            if nodes[*from as usize].place == node.place {
                let other = *first.entry((*from, levels[to], node.place)).or_insert(to);
                sets.join(other, to);
            }
        }
    }
}

/// The sets as units, in order of their levels: so each comes after those that it reads.
fn units(nodes: &[Node], again: &[bool], levels: &[u32], sets: &mut Sets) -> Vec<Unit> {
    let mut needed: Vec<bool> = nodes.iter().map(|node| node.wanted).collect();
    for (to, node) in nodes.iter().enumerate() {
        for from in &node.inputs {
            needed[*from as usize] |= again[to] || sets.find(*from as usize) != sets.find(to);
        }
    }
    let mut order: Vec<u32> = (0..nodes.len() as u32).filter(|task| !again[*task as usize]).collect();
    order.sort_by_key(|task| levels[*task as usize]);
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let mut units: Vec<Unit> = Vec::new();
    for task in order {
        let set = sets.find(task as usize);
        let number = *numbers.entry(set).or_insert(units.len());
        if number == units.len() {
            units.push(Unit { tasks: Vec::new(), outputs: Vec::new() });
        }
        units[number].tasks.push(task);
        if needed[task as usize] {
            units[number].outputs.push(task);
        }
    }
    units.iter_mut().for_each(|unit| add_what_is_computed_again(nodes, again, unit));
    units
}

fn add_what_is_computed_again(nodes: &[Node], again: &[bool], unit: &mut Unit) {
    let mut more: Vec<u32> = Vec::new();
    let mut stack: Vec<u32> = unit.tasks.clone();
    while let Some(task) = stack.pop() {
        for from in nodes[task as usize].inputs.iter().filter(|from| again[**from as usize]) {
            if !more.contains(from) {
                more.push(*from);
                stack.push(*from);
            }
        }
    }
    if !more.is_empty() {
        unit.tasks.extend(more);
        unit.tasks.sort_unstable(); // tasks come after those that they read
    }
}

/// Disjoint sets of tasks.
struct Sets(Vec<u32>);

impl Sets {
    fn new(count: usize) -> Self {
        Sets((0..count as u32).collect())
    }

    fn find(&mut self, task: usize) -> usize {
        let mut at = task;
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one.max(other)] = one.min(other) as u32;
    }
}
