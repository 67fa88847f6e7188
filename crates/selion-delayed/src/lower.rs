//! From delayed values and arrays to one graph.
//!
//! Arrays may need delayed values (their blocks are made by calls) and delayed values may need arrays. Depths say in
//! how many turns the two must take place: at each, arrays first, all together, then calls.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use selion_array::{Array, LowerOptions, Lowering, NodeId, Others, Result, optimize};
use selion_core::{
    Annotations, Body, BodyId, Enclosure, Graph, Outputs, Promise, TaskContext, TaskError, Value, ValueId,
};
use smallvec::smallvec;

use crate::node::{BlockOf, Delayed, Kept, Settings};

/// Something to compute.
#[derive(Clone)]
pub enum Root {
    /// An array: one value for each of its blocks.
    Array(selion_array::Root),
    /// A delayed value.
    Delayed(Delayed),
}

/// Identities are hashes already, or counts. Those of counts stay neighbours, so that walking what was made one after
/// the other walks through memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id([u64; 2]);

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The table takes places from the low bits, and seven more to tell neighbours apart from the high ones.
        let low = self.0[0] ^ self.0[1];
        state.write_u64(low ^ (low.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xfe00_0000_0000_0000));
    }
}

#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// `starts` of a node of which the inputs were not looked at yet.
const UNSEEN: u32 = u32::MAX;

/// Everything that some roots need, found without computing anything.
pub struct Needs<'r> {
    roots: &'r [Root],
    nodes: Nodes,
    /// Arrays of which blocks are needed, roots among them.
    arrays: Vec<Array>,
    known: HashSet<NodeId>,
    promises: Vec<Arc<Promise>>,
}

/// Delayed values, numbered as they are found.
#[derive(Default)]
struct Nodes {
    numbers: HashMap<Id, u32, BuildHasherDefault<IdHasher>>,
    all: Vec<Delayed>,
    /// Where each node's inputs start among `inputs`.
    starts: Vec<u32>,
    /// The numbers of inputs.
    inputs: Vec<u32>,
    /// Numbers, each after those of its inputs, unless arrays come between.
    sequence: Vec<u32>,
}

impl Nodes {
    fn number(&mut self, node: &Delayed) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.numbers.entry(Id(node.halves())).or_insert(next);
        if number == next {
            self.all.push(node.clone());
            self.starts.push(UNSEEN);
        }
        number
    }

    /// Looks at a node and all that it needs. `found` hears of each that is new.
    fn visit(&mut self, root: &Delayed, mut found: impl FnMut(&Delayed)) {
        let mut stack = vec![(self.number(root), false)];
        while let Some((number, inputs_done)) = stack.pop() {
            if inputs_done {
                self.sequence.push(number);
                continue;
            }
            if self.starts[number as usize] != UNSEEN {
                continue;
            }
            let start = self.inputs.len();
            self.starts[number as usize] = start as u32;
            let node = self.all[number as usize].clone();
            found(&node);
            for input in node.inputs() {
                let input = self.number(input);
                self.inputs.push(input);
            }
            stack.push((number, true));
            let new = self.inputs[start..].iter().rev().filter(|input| self.starts[**input as usize] == UNSEEN);
            stack.extend(new.map(|input| (*input, false)));
        }
    }
}

impl<'r> Needs<'r> {
    /// What the roots need.
    pub fn of(roots: &'r [Root]) -> Self {
        let mut needs =
            Needs { roots, nodes: Nodes::default(), arrays: vec![], known: HashSet::new(), promises: vec![] };
        for root in roots {
            match root {
                Root::Array(root) => needs.array(&root.array),
                Root::Delayed(delayed) => needs.delayed(delayed),
            }
        }
        // Arrays are found while calls are walked, and calls at the leaves of arrays.
        let mut walked = 0;
        while walked < needs.arrays.len() {
            let Others { promises, leaves } = Array::needs_of_others(&needs.arrays[walked..]);
            walked = needs.arrays.len();
            needs.promises.extend(promises);
            for leaf in &leaves {
                if let Some(blocks) = leaf.1.tasks.downcast_ref::<Vec<Delayed>>() {
                    blocks.iter().for_each(|block| needs.delayed(block));
                }
            }
        }
        needs
    }

    fn array(&mut self, array: &Array) {
        if self.known.insert(array.id()) {
            self.arrays.push(array.clone());
        }
    }

    fn delayed(&mut self, root: &Delayed) {
        let mut found = Vec::new();
        self.nodes.visit(root, |node| {
            if let Some(BlockOf(array, _)) = node.as_call() {
                found.push(array.clone());
            } else if let Some(Kept(promise)) = node.as_call() {
                self.promises.push(Arc::clone(promise));
            }
        });
        found.iter().for_each(|array| self.array(array));
    }

    /// The promises that must be kept before this can be lowered.
    pub fn promises(&self) -> &[Arc<Promise>] {
        &self.promises
    }

    /// The graph that computes the roots. Its wanted values are, for each root in turn, its blocks in C order, or its
    /// value.
    ///
    /// Arrays are optimised here, unless nothing is to be fused; `fold` says whether constants are computed meanwhile.
    ///
    /// # Errors
    /// As [`selion_array::lower`]; [`selion_array::ArrayError::Value`] if a promise is not kept (see
    /// [`Needs::promises`]).
    pub fn lower(self, fold: bool, options: LowerOptions) -> Result<Graph> {
        let rewritten = if options.fuse { optimize(&self.arrays, fold) } else { self.arrays.clone() };
        let arrays: HashMap<NodeId, Array> = self.arrays.iter().map(Array::id).zip(rewritten).collect();
        let mut calls = Calls::new(self.nodes);
        let depth = arrays.values().map(Array::depth).max().unwrap_or(0).max(calls.depth());

        let mut lowering = Lowering::new(options);
        let optimised: Vec<Array> = arrays.values().cloned().collect();
        let mut leaves = Array::needs_of_others(&optimised).leaves;
        for depth in 0..=depth {
            for (leaf, tasks) in leaves.extract_if(.., |(leaf, _)| leaf.depth() == depth) {
                let blocks = tasks.tasks.downcast_ref::<Vec<Delayed>>().map_or(&[][..], Vec::as_slice);
                let values: Vec<ValueId> = blocks.iter().map(|block| calls.value(block)).collect();
                lowering.given(&leaf, &values);
            }
            let turn = self.arrays.iter().map(|array| &arrays[&array.id()]);
            lowering.arrays(&turn.filter(|array| array.depth() == depth).cloned().collect::<Vec<_>>())?;
            calls.emit(&mut lowering, &arrays, depth);
        }

        let mut wanted = Vec::new();
        for root in self.roots {
            match root {
                Root::Array(root) => {
                    let array = arrays[&root.array.id()].clone();
                    lowering.root(&selion_array::Root { array, sink: root.sink.clone() }, &mut wanted);
                }
                Root::Delayed(delayed) => wanted.push(calls.value(delayed)),
            }
        }
        Ok(lowering.finish(wanted))
    }
}

/// The graph that computes the roots: [`Needs::lower`], of roots that need no promise.
///
/// # Errors
/// As [`Needs::lower`].
pub fn lower(roots: &[Root], fold: bool, options: LowerOptions) -> Result<Graph> {
    Needs::of(roots).lower(fold, options)
}

/// The calls of a graph, as values.
struct Calls {
    nodes: Nodes,
    body: Arc<CallsBody>,
    /// How many of the sequence are emitted.
    emitted: usize,
    /// By number.
    values: Vec<ValueId>,
    bodies: Vec<(Option<Settings>, BodyId)>,
}

impl Calls {
    fn new(mut nodes: Nodes) -> Self {
        let all = std::mem::take(&mut nodes.all);
        nodes.sequence.sort_by_key(|number| all[*number as usize].depth()); // stable: as it was within a depth
        Calls {
            values: vec![ValueId(u32::MAX); all.len()],
            body: Arc::new(CallsBody(all)),
            emitted: 0,
            bodies: vec![],
            nodes,
        }
    }

    fn depth(&self) -> u32 {
        self.nodes.sequence.last().map_or(0, |last| self.body.0[*last as usize].depth())
    }

    fn value(&self, delayed: &Delayed) -> ValueId {
        self.values[self.nodes.numbers[&Id(delayed.halves())] as usize]
    }

    /// Adds the calls of one depth, after those of lower ones.
    fn emit(&mut self, lowering: &mut Lowering, arrays: &HashMap<NodeId, Array>, depth: u32) {
        let calls = Arc::clone(&self.body);
        let mut inputs: Vec<ValueId> = Vec::new();
        while let Some(number) = self.nodes.sequence.get(self.emitted).map(|number| *number as usize)
            && let node = &calls.0[number]
            && node.depth() == depth
        {
            self.emitted += 1;
            self.values[number] = if let Some(BlockOf(array, block)) = node.as_call() {
                lowering.block(&arrays[&array.id()], *block as usize)
            } else {
                let start = self.nodes.starts[number] as usize;
                let numbers = &self.nodes.inputs[start..start + node.inputs().len()];
                inputs.clear();
                inputs.extend(numbers.iter().map(|input| self.values[*input as usize]));
                let body = self.body(lowering, node.settings());
                lowering.tasks().task(body, number, &inputs, 0)
            };
        }
    }

    /// One body serves all calls that are run in the same way.
    fn body(&mut self, lowering: &mut Lowering, settings: Option<&Settings>) -> BodyId {
        if let Some((_, body)) = self.bodies.iter().find(|(known, _)| known.as_ref() == settings) {
            return *body;
        }
        let annotations = settings.map(|settings| Annotations::clone(settings)).unwrap_or_default();
        let body = lowering.tasks().body_with(Arc::clone(&self.body) as Arc<dyn Body>, annotations);
        self.bodies.push((settings.cloned(), body));
        body
    }
}

/// Runs call number `index`.
struct CallsBody(Vec<Delayed>);

impl Body for CallsBody {
    fn name(&self) -> &str {
        "delayed"
    }

    fn run(
        &self,
        index: usize,
        inputs: &[Value],
        context: &TaskContext<'_>,
    ) -> std::result::Result<Outputs, TaskError> {
        Ok(smallvec![self.0[index].work().run(inputs, context)?])
    }

    fn run_owned(
        &self,
        index: usize,
        inputs: &mut [Value],
        context: &TaskContext<'_>,
    ) -> std::result::Result<Outputs, TaskError> {
        Ok(smallvec![self.0[index].work().run_owned(inputs, context)?])
    }

    fn task_name(&self, index: usize) -> String {
        self.0[index].key()
    }

    fn label(&self, index: usize) -> &str {
        self.0[index].name()
    }

    fn enclosure(&self, index: usize) -> Option<&'static dyn Enclosure> {
        self.0[index].work().enclosure()
    }
}
