//! Orders tasks so that few bytes are alive at once.
//!
//! Depth-first from the wanted values, in the caller's order: a branch is finished before the next is opened. Whenever a
//! task has run, each consumer that this made ready runs at once if its output is no larger than what it reads, for then
//! it can only help to free memory: so a block that was read once serves all who need it (64 reductions of one store
//! read it once). O(tasks + edges), and the same on every machine. What no wanted value needs gets no place.

use crate::{Graph, TaskId};

/// The tasks that the wanted values need, in the order in which to start them.
///
/// Every task comes after those whose outputs it reads.
pub fn order(graph: &Graph) -> Vec<TaskId> {
    let needed = needed_tasks(graph);
    let (starts, consumers) = consumers(graph, &needed);
    let mut waiting: Vec<u32> = graph.tasks().map(|task| graph.inputs(task).len() as u32).collect();
    let mut placed = vec![false; graph.len()];
    let mut sequence = Vec::with_capacity(graph.len());
    let mut stack: Vec<TaskId> = Vec::new();
    let mut eager: Vec<TaskId> = Vec::new();

    for wanted in graph.wanted() {
        stack.push(graph.producer(*wanted));
        while let Some(task) = stack.pop() {
            if placed[task.index()] {
                continue;
            }
            let missing = graph.inputs(task).iter().map(|input| graph.producer(*input));
            let before = stack.len();
            stack.push(task);
            stack.extend(missing.filter(|input| !placed[input.index()]));
            if stack.len() > before + 1 {
                stack[before + 1..].reverse(); // the first input is opened first
                continue;
            }
            stack.pop();
            // Place the task, then everything that it makes ready and that does not grow memory.
            eager.push(task);
            while let Some(task) = eager.pop() {
                if std::mem::replace(&mut placed[task.index()], true) {
                    continue;
                }
                sequence.push(task);
                let next = &consumers[starts[task.index()] as usize..starts[task.index() + 1] as usize];
                for consumer in next.iter().rev() {
                    waiting[consumer.index()] -= 1;
                    if waiting[consumer.index()] == 0 && shrinks(graph, *consumer) {
                        eager.push(*consumer);
                    }
                }
            }
        }
    }
    sequence
}

fn needed_tasks(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    for wanted in graph.wanted() {
        needed[graph.producer(*wanted).index()] = true;
    }
    for task in (0..graph.len() as u32).rev().map(TaskId) {
        if needed[task.index()] {
            for input in graph.inputs(task) {
                needed[graph.producer(*input).index()] = true;
            }
        }
    }
    needed
}

/// For each task, who reads its outputs (once per edge), as one array and where each task's part starts.
fn consumers(graph: &Graph, needed: &[bool]) -> (Vec<u32>, Vec<TaskId>) {
    let mut starts = vec![0u32; graph.len() + 1];
    let edges = || {
        graph
            .tasks()
            .filter(|task| needed[task.index()])
            .flat_map(|task| graph.inputs(task).iter().map(move |input| (graph.producer(*input), task)))
    };
    for (producer, _) in edges() {
        starts[producer.index() + 1] += 1;
    }
    for k in 0..graph.len() {
        starts[k + 1] += starts[k];
    }
    let mut fill = starts.clone();
    let mut consumers = vec![TaskId(0); starts[graph.len()] as usize];
    for (producer, consumer) in edges() {
        consumers[fill[producer.index()] as usize] = consumer;
        fill[producer.index()] += 1;
    }
    (starts, consumers)
}

fn shrinks(graph: &Graph, task: TaskId) -> bool {
    let read: u64 = graph.inputs(task).iter().map(|input| graph.nbytes(*input)).sum();
    let made: u64 = graph.outputs(task).map(|output| graph.nbytes(output)).sum();
    made <= read
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{Body, GraphBuilder, Outputs, TaskContext, TaskError, Value, ValueId};

    struct Nothing;
    impl Body for Nothing {
        fn name(&self) -> &str {
            "nothing"
        }
        fn run(&self, _: usize, _: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
            Ok(Outputs::new())
        }
    }

    #[test]
    fn a_block_serves_all_its_readers_before_the_next_is_read() {
        let mut builder = GraphBuilder::default();
        let body = builder.body(Arc::new(Nothing));
        let reads: Vec<ValueId> = (0..4).map(|k| builder.task(body, k, &[], 1000)).collect();
        let mut wanted = Vec::new();
        for sum in 0..3 {
            let parts: Vec<ValueId> = reads.iter().map(|read| builder.task(body, sum, &[*read], 8)).collect();
            wanted.push(builder.task(body, sum, &parts, 8));
        }
        let graph = builder.finish(wanted);
        let sequence = order(&graph);
        assert_eq!(sequence.len(), graph.len());
        let place = |task: TaskId| sequence.iter().position(|placed| *placed == task).unwrap();
        for pair in reads.windows(2) {
            assert_eq!(
                place(graph.producer(pair[1])) - place(graph.producer(pair[0])),
                4,
                "read, then its three parts"
            );
        }
    }

    proptest! {
        #[test]
        fn every_needed_task_comes_once_and_after_its_inputs(
            edges in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), 0u64..100), 1..60),
            wanted in proptest::collection::vec(any::<proptest::sample::Index>(), 1..4),
        ) {
            let mut builder = GraphBuilder::default();
            let body = builder.body(Arc::new(Nothing));
            let mut values: Vec<ValueId> = vec![builder.task(body, 0, &[], 1)];
            for (a, b, nbytes) in edges {
                let inputs = [values[a.index(values.len())], values[b.index(values.len())]];
                values.push(builder.task(body, 0, &inputs, nbytes));
            }
            let wanted: Vec<ValueId> = wanted.iter().map(|w| values[w.index(values.len())]).collect();
            let graph = builder.finish(wanted);
            let sequence = order(&graph);
            let mut seen = vec![false; graph.len()];
            for task in &sequence {
                prop_assert!(graph.inputs(*task).iter().all(|input| seen[graph.producer(*input).index()]));
                prop_assert!(!std::mem::replace(&mut seen[task.index()], true));
            }
            for value in graph.wanted() {
                prop_assert!(seen[graph.producer(*value).index()]);
            }
            let needed = needed_tasks(&graph);
            prop_assert_eq!(seen, needed);
        }
    }
}
