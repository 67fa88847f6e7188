//! What the order of a graph implies: ranks, roots, and who reads what when.
//!
//! A task's *rank* is its place in the order; everything while running is indexed by it, so that tasks which run after
//! each other lie next to each other. A task of higher priority comes first together with all that it needs: so every
//! task still comes after those whose outputs it reads.

use selion_core::{Graph, TaskId, ValueId, order};

/// The rank of "never".
pub(crate) const NEVER: u32 = u32::MAX;

pub(crate) struct Plan {
    /// Tasks by rank.
    pub(crate) sequence: Vec<TaskId>,
    /// Ranks of the tasks that read nothing, ascending.
    pub(crate) roots: Vec<u32>,
    /// Where each value's readers start.
    starts: Vec<u32>,
    readers: Vec<u32>,
}

impl Plan {
    /// O(tasks + edges).
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut sequence = order(graph);
        prioritise(graph, &mut sequence);

        let mut starts = vec![0u32; graph.value_count() + 1];
        let mut roots = Vec::new();
        for (rank, task) in (0..).zip(&sequence) {
            let inputs = graph.inputs(*task);
            if inputs.is_empty() {
                roots.push(rank);
            }
            for input in inputs {
                starts[input.index()] += 1;
            }
        }
        // Counts become ends, and, filled from behind, starts; ranks descend, so each list ends up ascending.
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut readers = vec![0u32; end as usize];
        for (rank, task) in sequence.iter().enumerate().rev() {
            for input in graph.inputs(*task) {
                let start = &mut starts[input.index()];
                *start -= 1;
                readers[*start as usize] = rank as u32;
            }
        }
        Plan { sequence, roots, starts, readers }
    }

    /// The ranks of those who read a value, ascending, once per edge.
    pub(crate) fn readers(&self, value: ValueId) -> &[u32] {
        &self.readers[self.starts[value.index()] as usize..self.starts[value.index() + 1] as usize]
    }
}

/// Moves tasks of higher priority, and what they need, to the front.
fn prioritise(graph: &Graph, sequence: &mut [TaskId]) {
    if sequence.iter().all(|task| graph.annotations(*task).priority == 0) {
        return;
    }
    let mut priority: Vec<i32> = graph.tasks().map(|task| graph.annotations(task).priority).collect();
    for task in sequence.iter().rev() {
        for input in graph.inputs(*task) {
            let producer = graph.producer(*input).index();
            priority[producer] = priority[producer].max(priority[task.index()]);
        }
    }
    sequence.sort_by_key(|task| std::cmp::Reverse(priority[task.index()]));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use selion_core::{Annotations, Body, GraphBuilder, Outputs, TaskContext, TaskError};

    use super::*;

    struct Nothing;
    impl Body for Nothing {
        fn name(&self) -> &str {
            "nothing"
        }
        fn run(&self, _: usize, _: &[selion_core::Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
            Ok(Outputs::new())
        }
    }

    #[test]
    fn readers_are_listed_by_rank() {
        let mut builder = GraphBuilder::default();
        let body = builder.body(Arc::new(Nothing));
        let a = builder.task(body, 0, &[], 8);
        let b = builder.task(body, 1, &[a, a], 8);
        let c = builder.task(body, 2, &[a, b], 8);
        let unused = builder.task(body, 3, &[a], 8);
        let plan = Plan::new(&builder.finish(vec![c]));
        assert_eq!(plan.readers(a), [1, 1, 2]);
        assert_eq!(plan.readers(b), [2]);
        assert_eq!(plan.readers(c), []);
        assert_eq!(plan.readers(unused), []);
        assert_eq!(plan.roots, [0]);
    }

    #[test]
    fn priority_moves_a_task_and_what_it_needs() {
        let mut builder = GraphBuilder::default();
        let plain = builder.body(Arc::new(Nothing));
        let urgent = builder.body_with(Arc::new(Nothing), Annotations { priority: 1, ..Annotations::default() });
        let a = builder.task(plain, 0, &[], 8);
        let b = builder.task(plain, 1, &[a], 8);
        let c = builder.task(plain, 2, &[], 8);
        let d = builder.task(urgent, 3, &[c], 8);
        let graph = builder.finish(vec![b, d]);
        let producers = [c, d, a, b].map(|value| graph.producer(value));
        assert_eq!(Plan::new(&graph).sequence, producers);
    }
}
