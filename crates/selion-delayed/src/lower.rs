//! From delayed values and arrays to one graph.
//!
//! Arrays may need delayed values (their blocks are made by calls) and delayed values may need arrays. Depths say in how
//! many turns the two must take place: at each, arrays first, all together, then calls.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use selion_array::{Array, LowerOptions, Lowering, NodeId, Others, Result, optimize};
use selion_core::{
    Annotations, Body, BodyId, Enclosure, Graph, Outputs, Promise, TaskContext, TaskError, Value, ValueId,
};
use smallvec::smallvec;

use crate::node::{BlockOf, Delayed, DelayedId, Kept, Settings};

/// Something to compute.
#[derive(Clone)]
pub enum Root {
    /// An array: one value for each of its blocks.
    Array(selion_array::Root),
    /// A delayed value.
    Delayed(Delayed),
}

/// Identities are hashes already, or counts.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, id: u128) {
        self.0 = ((id >> 64) as u64 ^ id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type ById<T> = HashMap<DelayedId, T, BuildHasherDefault<IdHasher>>;

/// Everything that the roots need.
#[derive(Default)]
struct Needed {
    /// Each after those it needs, unless arrays come between.
    delayed: Vec<Delayed>,
    places: ById<u32>,
    /// Arrays of which blocks are needed, roots among them.
    arrays: Vec<Array>,
    known: HashSet<NodeId>,
    promises: Vec<Arc<Promise>>,
}

impl Needed {
    fn of(roots: &[Root]) -> Needed {
        let mut needed = Needed::default();
        for root in roots {
            match root {
                Root::Array(root) => needed.array(&root.array),
                Root::Delayed(delayed) => needed.delayed(delayed),
            }
        }
        // Arrays are found while calls are walked, and calls at the leaves of arrays.
        let mut walked = 0;
        while walked < needed.arrays.len() {
            let Others { promises, leaves } = Array::needs_of_others(&needed.arrays[walked..]);
            walked = needed.arrays.len();
            needed.promises.extend(promises);
            for leaf in &leaves {
                if let Some(blocks) = leaf.1.tasks.downcast_ref::<Vec<Delayed>>() {
                    blocks.iter().for_each(|block| needed.delayed(block));
                }
            }
        }
        needed
    }

    fn array(&mut self, array: &Array) {
        if self.known.insert(array.id()) {
            self.arrays.push(array.clone());
        }
    }

    fn delayed(&mut self, root: &Delayed) {
        const OPEN: u32 = u32::MAX;
        let mut stack = vec![(root.clone(), false)];
        while let Some((node, inputs_done)) = stack.pop() {
            if inputs_done {
                self.places.insert(node.id(), self.delayed.len() as u32);
                self.delayed.push(node);
                continue;
            }
            if self.places.contains_key(&node.id()) {
                continue;
            }
            self.places.insert(node.id(), OPEN);
            if let Some(BlockOf(array, _)) = node.as_call() {
                self.array(array);
            } else if let Some(Kept(promise)) = node.as_call() {
                self.promises.push(Arc::clone(promise));
            }
            let at = stack.len();
            stack.push((node.clone(), true));
            let new = node.inputs().iter().rev().filter(|input| !self.places.contains_key(&input.id()));
            stack.extend(new.map(|input| (input.clone(), false)));
            if stack.len() == at + 1 {
                stack.pop();
                self.places.insert(node.id(), self.delayed.len() as u32);
                self.delayed.push(node);
            }
        }
    }
}

/// The promises that must be kept before the roots can be lowered.
pub fn promises(roots: &[Root]) -> Vec<Arc<Promise>> {
    Needed::of(roots).promises
}

/// The graph that computes the roots. Its wanted values are, for each root in turn, its blocks in C order, or its value.
///
/// Arrays are optimised here, unless nothing is to be fused; `fold` says whether constants are computed meanwhile.
///
/// # Errors
/// As [`selion_array::lower`]; [`selion_array::ArrayError::Value`] if a promise is not kept (see [`promises`]).
pub fn lower(roots: &[Root], fold: bool, options: LowerOptions) -> Result<Graph> {
    let needed = Needed::of(roots);
    let rewritten = if options.fuse { optimize(&needed.arrays, fold) } else { needed.arrays.clone() };
    let arrays: HashMap<NodeId, Array> = needed.arrays.iter().map(Array::id).zip(rewritten).collect();
    let depth = arrays.values().map(Array::depth).chain(needed.delayed.iter().map(Delayed::depth)).max().unwrap_or(0);

    let mut lowering = Lowering::new(options);
    let mut calls = Calls::new(&needed);
    let optimised: Vec<Array> = arrays.values().cloned().collect();
    let mut leaves = Array::needs_of_others(&optimised).leaves;
    for depth in 0..=depth {
        for (leaf, tasks) in leaves.extract_if(.., |(leaf, _)| leaf.depth() == depth) {
            let blocks = tasks.tasks.downcast_ref::<Vec<Delayed>>().map_or(&[][..], Vec::as_slice);
            let values: Vec<ValueId> = blocks.iter().map(|block| calls.value(block)).collect();
            lowering.given(&leaf, &values);
        }
        let turn: Vec<Array> =
            needed.arrays.iter().map(|array| &arrays[&array.id()]).filter(|a| a.depth() == depth).cloned().collect();
        lowering.arrays(&turn)?;
        calls.emit(&mut lowering, &arrays, depth);
    }

    let mut wanted = Vec::new();
    for root in roots {
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

/// The calls of a graph, as values.
struct Calls<'a> {
    needed: &'a Needed,
    /// By place.
    values: Vec<ValueId>,
    body: Arc<CallsBody>,
    bodies: Vec<(Option<Settings>, BodyId)>,
}

impl<'a> Calls<'a> {
    fn new(needed: &'a Needed) -> Self {
        Calls {
            values: vec![ValueId(u32::MAX); needed.delayed.len()],
            body: Arc::new(CallsBody(needed.delayed.clone())),
            bodies: vec![],
            needed,
        }
    }

    fn value(&self, delayed: &Delayed) -> ValueId {
        self.values[self.needed.places[&delayed.id()] as usize]
    }

    /// Adds the calls of one depth.
    fn emit(&mut self, lowering: &mut Lowering, arrays: &HashMap<NodeId, Array>, depth: u32) {
        let mut inputs: Vec<ValueId> = Vec::new();
        for (place, node) in self.needed.delayed.iter().enumerate().filter(|(_, node)| node.depth() == depth) {
            self.values[place] = if let Some(BlockOf(array, block)) = node.as_call() {
                lowering.block(&arrays[&array.id()], *block as usize)
            } else {
                inputs.clear();
                inputs.extend(node.inputs().iter().map(|input| self.value(input)));
                let body = self.body(lowering, node.settings());
                lowering.tasks().task(body, place, &inputs, 0)
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
