//! The task graph: what every front end ends in and every executor takes.
//!
//! Kept as arrays of numbers, since graphs of a million tasks are ordinary. A *body* is work shared by many tasks (one
//! fused program, one function); a *task* is a body with the number of a block and its inputs; a *value* is one output
//! of a task. Values are numbered in the order in which they are made, so a task can only refer to earlier ones: graphs
//! are acyclic by construction. A task's name, `(body name, block number)`, is made only when a person reads it.

use std::sync::Arc;

use crate::{Body, Host};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The number, as an index into an array.
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A body, dense from 0 within one graph.
    BodyId
}
id! {
    /// A task, dense from 0 within one graph.
    TaskId
}
id! {
    /// One output of a task, dense from 0 within one graph.
    ValueId
}

/// What the user said about how a body's tasks are to be run.
///
/// An executor that has no use for one of them ignores it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Higher runs first, before the graph's own order.
    pub priority: i32,
    /// How often a task that raised is tried again.
    pub retries: u32,
    /// What a task takes, while it runs, of things that workers have in limited number, such as `("GPU", 1.0)`.
    pub resources: Vec<(String, f64)>,
}

#[derive(Clone, Copy)]
struct Task {
    body: BodyId,
    /// Which block of the body's work this is; the body knows what it means.
    index: u32,
    inputs_end: u32,
    outputs_end: u32,
}

/// Tasks and what they need from each other. Built by [`GraphBuilder`].
pub struct Graph {
    bodies: Vec<(Arc<dyn Body>, Annotations)>,
    tasks: Vec<Task>,
    inputs: Vec<ValueId>,
    /// Per value: its producer, and its estimated size.
    values: Vec<(TaskId, u64)>,
    wanted: Vec<ValueId>,
    host: Option<Arc<Host>>,
}

impl Graph {
    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// All tasks, each after those it depends on.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u32).map(TaskId)
    }

    /// The number of values that the tasks make.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The number of bodies.
    pub fn body_count(&self) -> usize {
        self.bodies.len()
    }

    /// The work of a task, and which block of it.
    pub fn body(&self, task: TaskId) -> (&Arc<dyn Body>, usize) {
        let record = &self.tasks[task.index()];
        (&self.bodies[record.body.index()].0, record.index as usize)
    }

    /// What was said about how to run a task.
    pub fn annotations(&self, task: TaskId) -> &Annotations {
        &self.bodies[self.tasks[task.index()].body.index()].1
    }

    /// The values that a task reads, in the order its body expects.
    pub fn inputs(&self, task: TaskId) -> &[ValueId] {
        let start = task.index().checked_sub(1).map_or(0, |before| self.tasks[before].inputs_end);
        &self.inputs[start as usize..self.tasks[task.index()].inputs_end as usize]
    }

    /// The values that a task makes.
    pub fn outputs(&self, task: TaskId) -> impl ExactSizeIterator<Item = ValueId> + use<> {
        let start = task.index().checked_sub(1).map_or(0, |before| self.tasks[before].outputs_end);
        (start..self.tasks[task.index()].outputs_end).map(ValueId)
    }

    /// The task that makes a value.
    pub fn producer(&self, value: ValueId) -> TaskId {
        self.values[value.index()].0
    }

    /// The estimated size of a value; exact for blocks of arrays of known shape.
    pub fn nbytes(&self, value: ValueId) -> u64 {
        self.values[value.index()].1
    }

    /// The values that the caller wants, in the caller's order. One may occur twice.
    pub fn wanted(&self) -> &[ValueId] {
        &self.wanted
    }

    /// The same graph, with its bodies told of `host`: those that know it run their work there.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use selion_core::GraphBuilder;
    /// let graph = GraphBuilder::default().finish(vec![]).hosted(Arc::new("elsewhere"));
    /// assert_eq!(graph.host().and_then(|host| host.downcast_ref()), Some(&"elsewhere"));
    /// ```
    #[must_use]
    pub fn hosted(self, host: Arc<Host>) -> Graph {
        Graph { host: Some(host), ..self }
    }

    /// What the graph is hosted by.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_deref()
    }

    /// A task's name, for people.
    pub fn name(&self, task: TaskId) -> String {
        let (body, index) = self.body(task);
        body.task_name(index)
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph({} tasks, {} bodies, {} wanted)", self.len(), self.bodies.len(), self.wanted.len())
    }
}

/// Makes a [`Graph`], inputs before their consumers.
///
/// ```
/// use std::sync::Arc;
/// use selion_core::{Body, GraphBuilder, Outputs, TaskContext, TaskError, Value};
///
/// struct Nothing;
/// impl Body for Nothing {
///     fn name(&self) -> &str { "nothing" }
///     fn run(&self, _: usize, _: &[Value], _: &TaskContext<'_>) -> Result<Outputs, TaskError> {
///         Ok([Value::Unit].into_iter().collect())
///     }
/// }
///
/// let mut builder = GraphBuilder::default();
/// let body = builder.body(Arc::new(Nothing));
/// let first = builder.task(body, 0, &[], 0);
/// let second = builder.task(body, 1, &[first], 0);
/// let graph = builder.finish(vec![second]);
/// assert_eq!(graph.len(), 2);
/// assert_eq!(graph.name(graph.producer(second)), "('nothing', 1)");
/// ```
#[derive(Default)]
pub struct GraphBuilder {
    bodies: Vec<(Arc<dyn Body>, Annotations)>,
    tasks: Vec<Task>,
    inputs: Vec<ValueId>,
    values: Vec<(TaskId, u64)>,
}

impl GraphBuilder {
    /// Adds a body that tasks may then share.
    pub fn body(&mut self, body: Arc<dyn Body>) -> BodyId {
        self.body_with(body, Annotations::default())
    }

    /// Adds a body whose tasks are to be run as annotated.
    pub fn body_with(&mut self, body: Arc<dyn Body>, annotations: Annotations) -> BodyId {
        self.bodies.push((body, annotations));
        BodyId(self.bodies.len() as u32 - 1)
    }

    /// Adds a task with one output of about `nbytes` bytes.
    ///
    /// # Panics
    /// If an input is not a value of this builder.
    pub fn task(&mut self, body: BodyId, index: usize, inputs: &[ValueId], nbytes: u64) -> ValueId {
        self.task_with_outputs(body, index, inputs, &[nbytes])
    }

    /// Adds a task with several outputs, whose ids follow each other from the one returned.
    ///
    /// # Panics
    /// If an input is not a value of this builder.
    pub fn task_with_outputs(&mut self, body: BodyId, index: usize, inputs: &[ValueId], nbytes: &[u64]) -> ValueId {
        assert!(inputs.iter().all(|input| input.index() < self.values.len()), "inputs come before their consumers");
        let (task, first) = (TaskId(self.tasks.len() as u32), ValueId(self.values.len() as u32));
        self.inputs.extend_from_slice(inputs);
        self.values.extend(nbytes.iter().map(|nbytes| (task, *nbytes)));
        self.tasks.push(Task {
            body,
            index: index as u32,
            inputs_end: self.inputs.len() as u32,
            outputs_end: self.values.len() as u32,
        });
        first
    }

    /// The number of tasks so far.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task yet.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The graph, and the values that the caller wants of it.
    ///
    /// # Panics
    /// If a wanted value is not one of this builder.
    pub fn finish(self, wanted: Vec<ValueId>) -> Graph {
        assert!(wanted.iter().all(|value| value.index() < self.values.len()), "wanted values are in the graph");
        let GraphBuilder { bodies, tasks, inputs, values } = self;
        Graph { bodies, tasks, inputs, values, wanted, host: None }
    }
}
