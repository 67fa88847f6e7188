//! From an optimised expression to a task graph.
//!
//! Nodes that must exist as blocks in memory are *layers*: results of reductions and of block operations, what those
//! read, and what the caller wants. Everything elementwise between layers is fused: each layer's blocks come from one
//! program that starts at leaves (memory, storage, constants, index sequences, other layers).
//!
//! A layer's *level* is one more than the highest level among those it reads. Levels are emitted in turn. Within a level,
//! programs over the same blocks that share a leaf become one program with several outputs, so what 60 statistics of
//! one array read is read once (`x.mean(0)` and `x.std(0)` are one pass). Storage that several programs of one level
//! read gets a task of its own; read again at a later level, it is read again, unless it is small enough to keep.

mod bodies;
mod fused;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use selion_core::{ChunkSink, Graph, GraphBuilder, ValueId};

use crate::chunks::{Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr, MapOp, NodeId};
use crate::rechunk::RechunkOp;
use crate::reduce::Reduction;
use bodies::{BlockedBody, CheckBody, CombineBody, CutBody, JoinBody, ReadBody, WriteBody};
use fused::{FusedBody, LeafLayer, Member, Product};

/// What lowering may assume about the machine.
#[derive(Clone, Copy, Debug)]
pub struct LowerOptions {
    /// Storage of at most this size is kept in memory rather than read a second time.
    pub keep_bytes: u64,
    /// Whether operations become one program where they can. Without, every operation has tasks of its own: for
    /// pictures of what was asked for.
    pub fuse: bool,
}

impl Default for LowerOptions {
    fn default() -> Self {
        LowerOptions { keep_bytes: 64 << 20, fuse: true }
    }
}

/// An array to compute, and where its blocks are to go.
#[derive(Clone)]
pub struct Root {
    /// The array.
    pub array: Array,
    /// Where its blocks are written; `None` keeps them as the graph's results.
    pub sink: Option<Arc<dyn ChunkSink>>,
}

/// Programs have at most this many outputs: registers and accumulators of a tile should stay in cache.
const OUTPUTS_MAX: usize = 48;

/// The blocks of a layer, as values of the graph.
#[derive(Clone, Copy)]
struct Layer {
    first: u32,
    step: u32,
}

impl Layer {
    fn value(self, block: usize) -> ValueId {
        ValueId(self.first + self.step * block as u32)
    }
}

/// The graph that computes `roots`, which [`crate::optimize`] has rewritten.
///
/// Its wanted values are the blocks of each root in turn, in C order: the block itself, or nothing once it is written.
///
/// # Errors
/// [`crate::ArrayError::Op`] for an operation that the kernels do not have.
pub fn lower(roots: &[Root], options: LowerOptions) -> Result<Graph> {
    let arrays: Vec<Array> = roots.iter().map(|root| root.array.clone()).collect();
    let mut lowering = Lowering::new(options);
    lowering.arrays(&arrays)?;
    let mut wanted = Vec::new();
    for root in roots {
        lowering.root(root, &mut wanted);
    }
    Ok(lowering.finish(wanted))
}

/// A graph that arrays and other front ends make together, in turns.
///
/// Arrays of depth 0 come first, then the tasks of others that need no other arrays; then the arrays of depth 1, and so
/// on. Within one turn arrays share what they have in common.
pub struct Lowering {
    builder: GraphBuilder,
    options: LowerOptions,
    layers: HashMap<NodeId, Layer>,
    /// Storage that was read by a task of its own and is kept for all levels.
    kept: HashMap<NodeId, Layer>,
}

impl Lowering {
    /// A graph without tasks.
    pub fn new(options: LowerOptions) -> Self {
        Lowering { builder: GraphBuilder::default(), options, layers: HashMap::new(), kept: HashMap::new() }
    }

    /// The graph so far, for other front ends to add to.
    pub fn tasks(&mut self) -> &mut GraphBuilder {
        &mut self.builder
    }

    /// The graph.
    pub fn finish(self, wanted: Vec<ValueId>) -> Graph {
        self.builder.finish(wanted)
    }

    /// Adds the tasks that make the blocks of arrays, which [`crate::optimize`] has rewritten.
    ///
    /// # Errors
    /// As [`lower`]; [`ArrayError::Value`] if blocks that others make are missing: see [`given`](Self::given).
    pub fn arrays(&mut self, arrays: &[Array]) -> Result<()> {
        let order = Array::post_order_until(arrays, |id| self.layers.contains_key(&id));
        if let Some(missing) =
            order.iter().find(|node| matches!(node.expr(), Expr::Tasks(_)) && !self.layers.contains_key(&node.id()))
        {
            return Err(ArrayError::Value(format!("the tasks that make the blocks of {} are missing", missing.name())));
        }
        let plan = if self.options.fuse {
            Levels::of(&order, arrays, &self.layers)
        } else {
            Levels::one_by_one(&order, arrays, &self.layers)
        };
        self.emit(&plan)
    }

    /// The value that is a block of an array to which [`arrays`](Self::arrays) was applied.
    ///
    /// # Panics
    /// If it was not.
    pub fn block(&self, array: &Array, block: usize) -> ValueId {
        self.layers[&array.id()].value(block)
    }

    /// Says which values others have made for the blocks of a leaf ([`crate::TaskBlocks`]), in C order. A task checks that each
    /// is a block of the leaf's dtype and of the shape that it should have.
    pub fn given(&mut self, leaf: &Array, values: &[ValueId]) {
        let body = self.builder.body(Arc::new(CheckBody::new(leaf)));
        let layer = self.layer_of(leaf.chunks(), leaf.dtype().size() as u64, |builder, block, nbytes| {
            builder.task(body, block, &[values[block]], nbytes)
        });
        self.layers.insert(leaf.id(), layer);
    }

    /// Appends what the caller wants of an array: its blocks, or that each is written.
    ///
    /// # Panics
    /// If [`arrays`](Self::arrays) was not applied to it.
    pub fn root(&mut self, root: &Root, wanted: &mut Vec<ValueId>) {
        let layer = self.layers[&root.array.id()];
        let blocks = 0..root.array.chunks().count();
        match &root.sink {
            None => wanted.extend(blocks.map(|block| layer.value(block))),
            Some(sink) => {
                let body = WriteBody::new(Arc::clone(sink), root.array.chunks().clone());
                let body = self.builder.body(Arc::new(body));
                wanted.extend(blocks.map(|block| self.builder.task(body, block, &[layer.value(block)], 0)));
            }
        }
    }
}

/// What is to be emitted, level by level.
struct Levels {
    /// Programs' members, by level.
    members: Vec<Vec<Member>>,
    /// Block operations, by level.
    blocked: Vec<Vec<Array>>,
}

impl Levels {
    /// The levels of the nodes in `order`, of which those in `done` have their blocks already.
    fn of(order: &[Array], roots: &[Array], done: &HashMap<NodeId, Layer>) -> Levels {
        // Which fused nodes must be stored as layers.
        let mut stored: HashSet<NodeId> = HashSet::new();
        let is_layer =
            |array: &Array| matches!(array.expr(), Expr::Reduce { .. } | Expr::Rechunk(_) | Expr::Blocked { .. });
        let new = |node: &&Array| !done.contains_key(&node.id());
        for root in roots.iter().filter(new) {
            if !is_layer(root) {
                stored.insert(root.id());
            }
        }
        for node in order.iter().filter(new) {
            let needs_layers = matches!(node.expr(), Expr::Rechunk(_) | Expr::Blocked { .. } | Expr::View { .. });
            for input in node.inputs() {
                if needs_layers && !is_layer(input) && new(&input) {
                    stored.insert(input.id());
                }
            }
        }
        let mut levels = Levels { members: vec![], blocked: vec![] };
        let mut fused_level: HashMap<NodeId, usize> = HashMap::new();
        let mut layer_level: HashMap<NodeId, usize> = HashMap::new();
        for node in order {
            if !new(&node) {
                fused_level.insert(node.id(), 0);
                layer_level.insert(node.id(), 0);
                continue;
            }
            let below = |of: &HashMap<NodeId, usize>| node.inputs().iter().map(|i| of[&i.id()]).max().unwrap_or(0);
            let level = match node.expr() {
                Expr::Reduce { reduction, input } => {
                    let level = below(&fused_level) + 1;
                    let product = Product::Reduce(reduction.clone());
                    levels.member(level, Member { node: node.clone(), iterated: input.clone(), product });
                    level
                }
                Expr::Rechunk(_) | Expr::Blocked { .. } => {
                    let level = below(&layer_level) + 1;
                    levels.at(level);
                    levels.blocked[level].push(node.clone());
                    level
                }
                Expr::View { .. } => below(&layer_level),
                _ => below(&fused_level),
            };
            fused_level.insert(node.id(), level);
            let level = if stored.contains(&node.id()) {
                let member = Member { node: node.clone(), iterated: node.clone(), product: Product::Store };
                levels.member(level + 1, member);
                level + 1
            } else {
                level
            };
            layer_level.insert(node.id(), level);
        }
        levels
    }

    /// As [`of`](Self::of), but every node is a layer: only numbers, and the indices of random numbers, are part of others.
    fn one_by_one(order: &[Array], roots: &[Array], done: &HashMap<NodeId, Layer>) -> Levels {
        let mut needed: HashSet<NodeId> = roots.iter().map(Array::id).collect();
        let mut indices: HashSet<NodeId> = HashSet::new();
        for node in order {
            match node.expr() {
                Expr::Map { op: MapOp::Random(..), args } => indices.extend([args[0].id()]),
                Expr::Map { .. } => {}
                _ => needed.extend(node.inputs().iter().map(Array::id)),
            }
        }
        let is_part = |node: &Array| {
            let number = matches!(node.expr(), Expr::Full(_)) && node.ndim() == 0;
            (number || indices.contains(&node.id())) && !needed.contains(&node.id())
        };
        let mut levels = Levels { members: vec![], blocked: vec![] };
        let mut level_of: HashMap<NodeId, usize> = HashMap::new();
        for node in order {
            let below = node.inputs().iter().map(|input| level_of[&input.id()]).max().unwrap_or(0);
            let level = match node.expr() {
                _ if done.contains_key(&node.id()) || is_part(node) => 0,
                Expr::Rechunk(_) | Expr::Blocked { .. } => {
                    levels.at(below + 1);
                    levels.blocked[below + 1].push(node.clone());
                    below + 1
                }
                Expr::Reduce { reduction, input } => {
                    let product = Product::Reduce(reduction.clone());
                    levels.member(below + 1, Member { node: node.clone(), iterated: input.clone(), product });
                    below + 1
                }
                _ => {
                    let member = Member { node: node.clone(), iterated: node.clone(), product: Product::Store };
                    levels.member(below + 1, member);
                    below + 1
                }
            };
            level_of.insert(node.id(), level);
        }
        levels
    }

    fn at(&mut self, level: usize) {
        if self.members.len() <= level {
            self.members.resize_with(level + 1, Vec::new);
            self.blocked.resize_with(level + 1, Vec::new);
        }
    }

    fn member(&mut self, level: usize, member: Member) {
        self.at(level);
        self.members[level].push(member);
    }
}

/// Members of one program: same blocks, and leaves in common.
struct Group {
    chunks: Chunks,
    members: Vec<Member>,
    leaves: HashSet<NodeId>,
}

fn group(members: &[Member], outputs_max: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for member in members {
        let leaves: HashSet<NodeId> = fused::leaves(&member.iterated).iter().map(Array::id).collect();
        let chunks = member.iterated.chunks();
        let fits = |group: &&mut Group| {
            group.members.len() < outputs_max && group.chunks == *chunks && !group.leaves.is_disjoint(&leaves)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.members.push(member.clone());
                group.leaves.extend(leaves);
            }
            None => groups.push(Group { chunks: chunks.clone(), members: vec![member.clone()], leaves }),
        }
    }
    groups
}

impl Lowering {
    fn emit(&mut self, levels: &Levels) -> Result<()> {
        let options = self.options;
        let outputs_max = if options.fuse { OUTPUTS_MAX } else { 1 };
        let groups: Vec<Vec<Group>> = levels.members.iter().map(|members| group(members, outputs_max)).collect();
        let sources = |groups: &mut dyn Iterator<Item = &Group>| -> HashMap<NodeId, (Array, usize)> {
            let mut uses: HashMap<NodeId, (Array, usize)> = HashMap::new();
            for group in groups {
                let mut seen = HashSet::new();
                for leaf in group.members.iter().flat_map(|member| fused::leaves(&member.iterated)) {
                    let stored =
                        options.fuse && matches!(leaf.expr(), Expr::Source { source, .. } if !source.is_cheap());
                    if stored && seen.insert(leaf.id()) {
                        uses.entry(leaf.id()).or_insert((leaf, 0)).1 += 1;
                    }
                }
            }
            uses
        };
        let small = |leaf: &Array| leaf.nbytes().is_some_and(|nbytes| nbytes as u64 <= options.keep_bytes);
        let everywhere = sources(&mut groups.iter().flatten());
        for (level, groups) in groups.iter().enumerate() {
            let mut reads: HashMap<NodeId, Layer> = HashMap::new();
            for (id, (leaf, uses)) in sources(&mut groups.iter()) {
                if everywhere[&id].1 > 1 && small(&leaf) {
                    let layer = match self.kept.get(&id) {
                        Some(layer) => *layer,
                        None => self.read(&leaf),
                    };
                    self.kept.insert(id, layer);
                    reads.insert(id, layer);
                } else if uses > 1 {
                    let layer = self.read(&leaf);
                    reads.insert(id, layer);
                }
            }
            for group in groups {
                self.program(group, &reads)?;
            }
            for node in &levels.blocked[level] {
                self.blocked(node);
            }
        }
        Ok(())
    }

    fn read(&mut self, leaf: &Array) -> Layer {
        let body = self.builder.body(Arc::new(ReadBody::new(leaf)));
        self.layer_of(leaf.chunks(), leaf.dtype().size() as u64, |builder, block, nbytes| {
            builder.task(body, block, &[], nbytes)
        })
    }

    /// One task per block, in order; `task` is given the block's number and bytes.
    fn layer_of(
        &mut self,
        chunks: &Chunks,
        item_bytes: u64,
        mut task: impl FnMut(&mut GraphBuilder, usize, u64) -> ValueId,
    ) -> Layer {
        let mut first = None;
        for block in 0..chunks.count() {
            let nbytes = block_elements(chunks, block) * item_bytes;
            let value = task(&mut self.builder, block, nbytes);
            first.get_or_insert(value.0);
        }
        Layer { first: first.unwrap_or(0), step: 1 }
    }

    fn program(&mut self, group: &Group, reads: &HashMap<NodeId, Layer>) -> Result<()> {
        let layer_of = |id: NodeId| reads.get(&id).or_else(|| self.layers.get(&id)).copied();
        let alone = if self.options.fuse { None } else { group.members.first().map(|member| member.node.id()) };
        let fused = FusedBody::new(&group.members, &group.chunks, |leaf| {
            if alone.is_some_and(|own| own != leaf.id()) {
                return layer_of(leaf.id()).map(LeafLayer::Own);
            }
            match leaf.expr() {
                Expr::View { input, .. } => layer_of(input.id()).map(LeafLayer::Viewed),
                Expr::Source { .. }
                | Expr::Reduce { .. }
                | Expr::Rechunk(_)
                | Expr::Blocked { .. }
                | Expr::Tasks(_) => layer_of(leaf.id()).map(LeafLayer::Own),
                _ => None,
            }
        })?;
        let FusedBody { body, layers } = fused;
        let outputs: Vec<(usize, u64)> = group.members.iter().map(Member::output_bytes).collect();
        let body = Arc::new(body);
        let id = self.builder.body(Arc::clone(&body) as Arc<dyn selion_core::Body>);
        let mut inputs: Vec<ValueId> = Vec::with_capacity(layers.len());
        let mut nbytes: Vec<u64> = vec![0; outputs.len()];
        let mut first = None;
        for block in 0..group.chunks.count() {
            let coordinates = group.chunks.coordinates(block);
            inputs.clear();
            inputs.extend(layers.iter().map(|(leaf, layer)| layer.value(body.leaf_block(*leaf, &coordinates))));
            let shape = group.chunks.block_shape(&coordinates);
            for (member, (bytes, output)) in group.members.iter().zip(nbytes.iter_mut().zip(&outputs)) {
                *bytes = member.block_elements(&shape) * output.1;
            }
            let value = self.builder.task_with_outputs(id, block, &inputs, &nbytes);
            first.get_or_insert(value.0);
        }
        let (first, step) = (first.unwrap_or(0), outputs.len() as u32);
        for (k, member) in group.members.iter().enumerate() {
            let partial = Layer { first: first + k as u32, step };
            let layer = match &member.product {
                Product::Store => partial,
                Product::Reduce(reduction) => self.combine(member, reduction, partial)?,
            };
            self.layers.insert(member.node.id(), layer);
        }
        Ok(())
    }

    /// Merges the partial states in a tree, all places of one height after the other, and finishes the last.
    fn combine(&mut self, member: &Member, reduction: &Reduction, partial: Layer) -> Result<Layer> {
        let chunks = member.iterated.chunks();
        let dtype = member.iterated.dtype();
        let places = member.node.chunks();
        let mut states: Vec<Vec<ValueId>> = vec![Vec::new(); places.count()];
        for block in 0..chunks.count() {
            let coordinates = chunks.coordinates(block);
            let place = (0..coordinates.len()).filter_map(|axis| match (reduction.reduces(axis), reduction.keepdims) {
                (true, false) => None,
                (true, true) => Some(0),
                (false, _) => Some(coordinates[axis]),
            });
            let place: Vec<usize> = place.collect();
            states[places.index(&place)].push(partial.value(block));
        }
        let (_, state_bytes) = member.output_bytes();
        let place_elements: Vec<u64> = (0..places.count()).map(|place| block_elements(places, place)).collect();
        let (kind, hash) = (reduction.kind.name(), member.node.id() as u32);
        let merge = CombineBody::merge(format!("{kind}-merge-{hash:08x}"), reduction, dtype, chunks);
        let mut merge_id = None;
        while states.first().is_some_and(|states| states.len() > reduction.split_every) {
            let body = *merge_id.get_or_insert_with(|| self.builder.body(Arc::clone(&merge) as _));
            for (place, states) in states.iter_mut().enumerate() {
                let nbytes = place_elements[place] * state_bytes;
                *states = states
                    .chunks(reduction.split_every)
                    .enumerate()
                    .map(|(k, part)| self.builder.task(body, k, part, nbytes))
                    .collect();
            }
        }
        let finish = self.builder.body(CombineBody::finish(format!("{kind}-{hash:08x}"), reduction, dtype, chunks)?);
        let item_bytes = member.node.dtype().size() as u64;
        Ok(self
            .layer_of(places, item_bytes, |builder, place, nbytes| builder.task(finish, place, &states[place], nbytes)))
    }

    fn blocked(&mut self, node: &Array) {
        let options = self.options;
        let (op, inputs) = match node.expr() {
            Expr::Blocked { op, inputs } => (Arc::clone(op), inputs.clone()),
            Expr::Rechunk(input) => {
                let op = RechunkOp { from: input.chunks().clone(), to: node.chunks().clone() };
                if op.can_cut() && node.nbytes().is_some_and(|nbytes| nbytes as u64 > options.keep_bytes) {
                    return self.rechunk_in_pieces(node, input, op);
                }
                (Arc::new(op) as Arc<dyn crate::BlockOp>, vec![input.clone()])
            }
            _ => return,
        };
        let layers: Vec<Layer> = inputs.iter().map(|input| self.layers[&input.id()]).collect();
        let chunks = node.chunks().clone();
        let name = format!("{}-{:08x}", op.name(), node.id() as u32);
        let body = self.builder.body(Arc::new(BlockedBody::new(name, Arc::clone(&op), chunks.clone())));
        let mut needs = Vec::new();
        let mut values = Vec::new();
        let layer = self.layer_of(&chunks, node.dtype().size() as u64, |builder, block, nbytes| {
            needs.clear();
            op.needs(&chunks.coordinates(block), &mut needs);
            values.clear();
            values.extend(needs.iter().map(|(input, block)| layers[*input].value(*block)));
            builder.task(body, block, &values, nbytes)
        });
        self.layers.insert(node.id(), layer);
    }
}

impl Lowering {
    /// A rechunk by way of pieces, which spill one by one: for arrays that memory may not hold.
    fn rechunk_in_pieces(&mut self, node: &Array, input: &Array, op: RechunkOp) {
        let name = |part: &str| format!("rechunk-{part}-{:08x}", node.id() as u32);
        let item_bytes = node.dtype().size() as u64;
        let blocks = self.layers[&input.id()];
        let cut = self.builder.body(Arc::new(CutBody::new(name("cut"), op.clone())));
        let firsts: Vec<ValueId> = (0..op.from.count())
            .map(|block| {
                let nbytes = op.piece_bytes(&op.from.coordinates(block), item_bytes);
                self.builder.task_with_outputs(cut, block, &[blocks.value(block)], &nbytes)
            })
            .collect();
        let join = self.builder.body(Arc::new(JoinBody::new(name("join"), op.clone())));
        let mut pieces: Vec<ValueId> = Vec::new();
        let layer = self.layer_of(node.chunks(), item_bytes, |builder, block, nbytes| {
            pieces.clear();
            let of = op.pieces_of(&op.to.coordinates(block));
            pieces.extend(of.iter().map(|(old, piece)| ValueId(firsts[*old].0 + *piece as u32)));
            builder.task(join, block, &pieces, nbytes)
        });
        self.layers.insert(node.id(), layer);
    }
}

/// Elements of a block; a guess where a length is unknown.
fn block_elements(chunks: &Chunks, block: usize) -> u64 {
    let shape = chunks.block_shape(&chunks.coordinates(block));
    shape.iter().map(|len| if *len == UNKNOWN { 1 } else { *len as u64 }).product()
}
