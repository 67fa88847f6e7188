//! A layer's program: from the expression between leaves and products to a body that runs it on any block.

use std::collections::HashMap;

use selion_core::{Body, Chunk, Dims, Outputs, TaskContext, TaskError, Value};
use selion_kernels::program::{Affine, Output, Program, ProgramBuilder, ReduceOp, Reg};
use smallvec::SmallVec;

use super::Layer;
use crate::chunks::{Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr, MapOp, NodeId};
use crate::reduce::Reduction;
use crate::view::View;

/// Elements of a block that a program is done with within microseconds.
const QUICK_ELEMENTS: usize = 4096;

/// What a program makes of a node.
#[derive(Clone)]
pub(super) enum Product {
    /// Its blocks.
    Store,
    /// The partial states of a reduction of it.
    Reduce(Reduction),
}

/// One product of a program.
#[derive(Clone)]
pub(super) struct Member {
    /// The node that becomes a layer.
    pub(super) node: Array,
    /// The node over whose blocks the program runs: the reduction's input, or the node itself.
    pub(super) iterated: Array,
    pub(super) product: Product,
}

impl Member {
    /// How many chunks the product has, and the bytes of one element of all of them.
    pub(super) fn output_bytes(&self) -> (usize, u64) {
        match &self.product {
            Product::Store => (1, self.node.dtype().size() as u64),
            Product::Reduce(reduction) => {
                let dtypes = self.reduce_op(reduction).state_dtypes(self.iterated.dtype());
                (dtypes.len(), dtypes.iter().map(|dtype| dtype.size() as u64).sum())
            }
        }
    }

    fn reduce_op(&self, reduction: &Reduction) -> ReduceOp {
        reduction.op(reduction.count(self.iterated.chunks()).is_some())
    }

    /// Elements of the product for a block of the given shape.
    pub(super) fn block_elements(&self, shape: &[usize]) -> u64 {
        let kept = |axis: usize| !matches!(&self.product, Product::Reduce(reduction) if reduction.reduces(axis));
        let len = |len: usize| if len == UNKNOWN { 1 } else { len as u64 };
        shape.iter().enumerate().filter(|(axis, _)| kept(*axis)).map(|(_, l)| len(*l)).product()
    }
}

/// The nodes at which the fused part of an expression starts.
pub(super) fn leaves(root: &Array) -> Vec<Array> {
    let mut seen = std::collections::HashSet::new();
    let mut leaves = Vec::new();
    let mut stack = vec![root.clone()];
    while let Some(node) = stack.pop() {
        if seen.insert(node.id()) {
            match node.expr() {
                Expr::Map { args, .. } => stack.extend(args.iter().cloned()),
                Expr::Full(_) => {}
                _ => leaves.push(node),
            }
        }
    }
    leaves
}

/// How a leaf's elements come to a block.
enum Reading {
    /// From memory that is always there.
    Memory(Chunk),
    /// From blocks that were computed before.
    Blocks(std::sync::Arc<[Value]>),
    /// From storage, within the task.
    Source(std::sync::Arc<dyn selion_core::ChunkSource>, View),
    /// From an input of the task; under a view of the input's blocks.
    Layer { input: usize, view: Option<(View, Chunks)> },
}

struct Leaf {
    reading: Reading,
    chunks: Chunks,
}

/// Runs a program on the blocks of `chunks`.
pub(super) struct ProgramBody {
    name: String,
    program: Program,
    chunks: Chunks,
    leaves: Vec<Leaf>,
    /// Affine sequences over the whole array.
    indices: Vec<Affine>,
    /// How many chunks each output has.
    arity: Vec<usize>,
}

/// The layer that a leaf is read from.
pub(super) enum LeafLayer {
    /// Its own blocks.
    Own(Layer),
    /// The blocks of the array that it is a view of.
    Viewed(Layer),
}

/// A program's body, and the layers that its tasks read: (leaf, layer) in the order of the tasks' inputs.
pub(super) struct FusedBody {
    pub(super) body: ProgramBody,
    pub(super) layers: Vec<(usize, Layer)>,
}

impl FusedBody {
    /// The body for `members`, which all run over `chunks`; `layer_of` says whose leaf is a layer.
    pub(super) fn new(
        members: &[Member],
        chunks: &Chunks,
        layer_of: impl Fn(&Array) -> Option<LeafLayer>,
    ) -> Result<FusedBody> {
        let mut assembler = Assembler {
            ndim: chunks.ndim(),
            layer_of: &layer_of,
            builder: ProgramBuilder::default(),
            regs: HashMap::new(),
            leaves: vec![],
            layers: vec![],
            indices: vec![],
        };
        let (mut outputs, mut arity) = (Vec::new(), Vec::new());
        for member in members {
            let value = assembler.value(&member.iterated)?;
            arity.push(member.output_bytes().0);
            outputs.push(match &member.product {
                Product::Store => Output::Store(value),
                Product::Reduce(reduction) => {
                    let op = member.reduce_op(reduction);
                    let index = op.takes_index().then(|| assembler.element_index(reduction, chunks));
                    Output::Reduce { op, value, index, axes: reduction.axes }
                }
            });
        }
        let kinds: Vec<&str> = members.iter().take(3).map(|member| member.node.kind()).collect();
        let more = if members.len() > 3 { "-…" } else { "" };
        let name = format!("{}{more}-{:08x}", kinds.join("-"), members[0].node.id() as u32);
        let Assembler { builder, leaves, layers, indices, .. } = assembler;
        let program = builder.finish(outputs);
        let body = ProgramBody { name, program, chunks: chunks.clone(), leaves, indices, arity };
        Ok(FusedBody { body, layers })
    }
}

struct Assembler<'a> {
    ndim: usize,
    layer_of: &'a dyn Fn(&Array) -> Option<LeafLayer>,
    builder: ProgramBuilder,
    regs: HashMap<NodeId, Reg>,
    leaves: Vec<Leaf>,
    layers: Vec<(usize, Layer)>,
    indices: Vec<Affine>,
}

impl Assembler<'_> {
    /// The register of a node, made with those it needs; not recursive, since chains may be long.
    fn value(&mut self, root: &Array) -> Result<Reg> {
        let mut stack = vec![(root.clone(), false)];
        while let Some((node, args_done)) = stack.pop() {
            if self.regs.contains_key(&node.id()) {
                continue;
            }
            let reg = match node.expr() {
                // Elementwise nodes have no blocks to read, unless nothing is to be fused.
                Expr::Map { .. } | Expr::Full(_) | Expr::Index(_) if (self.layer_of)(&node).is_some() => {
                    self.leaf(&node)?
                }
                Expr::Map { args, .. } if !args_done => {
                    let args: Vec<(Array, bool)> = args.iter().map(|arg| (arg.clone(), false)).collect();
                    stack.push((node, true));
                    stack.extend(args);
                    continue;
                }
                Expr::Map { op, args } => self.map(*op, args, &node)?,
                Expr::Full(value) => self.builder.constant(*value),
                Expr::Index(affine) => {
                    let slot = self.index(affine, &node.shape());
                    self.builder.index(slot)
                }
                _ => self.leaf(&node)?,
            };
            self.regs.insert(node.id(), reg);
        }
        Ok(self.regs[&root.id()])
    }

    fn map(&mut self, op: MapOp, args: &[Array], node: &Array) -> Result<Reg> {
        let regs: SmallVec<[Reg; 4]> = args.iter().map(|arg| self.regs[&arg.id()]).collect();
        Ok(match op {
            MapOp::Ufunc(op) => self.builder.apply(op, &regs)?,
            MapOp::Cast => self.builder.cast(regs[0], node.dtype())?,
            MapOp::Random(distribution, key) => {
                let Expr::Index(affine) = args[0].expr() else {
                    return Err(ArrayError::Value("random numbers need an index sequence".to_owned()));
                };
                let slot = self.index(affine, &args[0].shape());
                self.builder.random(distribution, key, slot, &regs[1..])?
            }
        })
    }

    /// An affine sequence of the given shape over the iterated array's axes, to which it broadcasts.
    fn index(&mut self, affine: &Affine, shape: &[usize]) -> usize {
        let mut strides: selion_core::Steps = SmallVec::from_elem(0, self.ndim - shape.len());
        strides.extend(affine.strides.iter().zip(shape).map(|(stride, len)| if *len == 1 { 0 } else { *stride }));
        let affine = Affine { offset: affine.offset, strides };
        self.indices.iter().position(|known| *known == affine).unwrap_or_else(|| {
            self.indices.push(affine);
            self.indices.len() - 1
        })
    }

    /// The index that `argmin` gives: counted in C order over the reduced axes.
    fn element_index(&mut self, reduction: &Reduction, chunks: &Chunks) -> Reg {
        let shape = chunks.shape();
        let mut strides: selion_core::Steps = SmallVec::from_elem(0, shape.len());
        let mut step = 1;
        for axis in (0..shape.len()).rev().filter(|axis| reduction.reduces(*axis)) {
            strides[axis] = step;
            step *= shape[axis] as isize;
        }
        let slot = self.index(&Affine { offset: 0, strides }, &shape);
        self.builder.index(slot)
    }

    fn leaf(&mut self, node: &Array) -> Result<Reg> {
        let slot = self.leaves.len();
        let input = self.layers.len();
        let reading = match (node.expr(), (self.layer_of)(node)) {
            (Expr::View { input: viewed, view }, Some(LeafLayer::Viewed(layer))) => {
                self.layers.push((slot, layer));
                Reading::Layer { input, view: Some((view.clone(), viewed.chunks().clone())) }
            }
            (_, Some(LeafLayer::Own(layer) | LeafLayer::Viewed(layer))) => {
                self.layers.push((slot, layer));
                Reading::Layer { input, view: None }
            }
            (Expr::Memory(chunk, _), None) => Reading::Memory(chunk.clone()),
            (Expr::Blocks(promise), None) => match promise.get() {
                Some(Ok(blocks)) => Reading::Blocks(std::sync::Arc::clone(blocks)),
                _ => return Err(ArrayError::Value("an array that was persisted is not there yet".to_owned())),
            },
            (Expr::Source { source, view }, None) => Reading::Source(std::sync::Arc::clone(source), view.clone()),
            (_, None) => return Err(ArrayError::Value(format!("{} has no blocks to read", node.kind()))),
        };
        self.leaves.push(Leaf { reading, chunks: node.chunks().clone() });
        Ok(self.builder.input(slot, node.dtype()))
    }
}

impl ProgramBody {
    /// The coordinates of the block of a leaf that goes with the block at `coordinates`.
    fn leaf_coordinates(&self, leaf: &Leaf, coordinates: &[usize]) -> Dims {
        let lead = self.chunks.ndim() - leaf.chunks.ndim();
        leaf.chunks
            .axes()
            .iter()
            .enumerate()
            .map(|(axis, own)| if own.count() == 1 { 0 } else { coordinates[axis + lead] })
            .collect()
    }

    /// The block, of the layer that leaf number `leaf` reads, that goes with the block at `coordinates`.
    pub(super) fn leaf_block(&self, leaf: usize, coordinates: &[usize]) -> usize {
        let leaf = &self.leaves[leaf];
        let own = self.leaf_coordinates(leaf, coordinates);
        match &leaf.reading {
            Reading::Layer { view: Some((view, input)), .. } => {
                input.index(&view.input_block(&own, &leaf.chunks.block_start(&own), input))
            }
            _ => leaf.chunks.index(&own),
        }
    }

    fn read(&self, leaf: &Leaf, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Chunk, TaskError> {
        let own = self.leaf_coordinates(leaf, coordinates);
        let chunk = |value: Option<&Value>| value.and_then(Value::as_chunk).cloned().ok_or("an input is not a block");
        Ok(match &leaf.reading {
            Reading::Memory(memory) => {
                let region = leaf.chunks.region(&own);
                memory.sub_block(&region.start, &region.shape)
            }
            Reading::Blocks(blocks) => chunk(blocks.get(leaf.chunks.index(&own)))?,
            Reading::Source(source, view) => {
                let region = leaf.chunks.region(&own);
                super::bodies::read_view(source.as_ref(), view, &region)?
            }
            Reading::Layer { input, view: None } => chunk(inputs.get(*input))?,
            Reading::Layer { input, view: Some((view, input_chunks)) } => {
                let chunk = chunk(inputs.get(*input))?;
                let start = leaf.chunks.block_start(&own);
                let block = view.input_block(&own, &start, input_chunks);
                let shape: Dims = leaf
                    .chunks
                    .block_shape(&own)
                    .iter()
                    .enumerate()
                    .map(|(k, len)| match (*len, view.axes[k]) {
                        (UNKNOWN, Some(map)) => chunk.shape()[map.axis],
                        (len, _) => len,
                    })
                    .collect();
                view.on(&chunk, &input_chunks.block_start(&block), &start, &shape)
            }
        })
    }
}

impl Body for ProgramBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.chunks.place(index)
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let coordinates = self.chunks.coordinates(index);
        let mut chunks: SmallVec<[Chunk; 4]> = SmallVec::new();
        for leaf in &self.leaves {
            chunks.push(self.read(leaf, &coordinates, inputs)?);
        }
        let mut shape = self.chunks.block_shape(&coordinates);
        for (axis, len) in shape.iter_mut().enumerate().filter(|(_, len)| **len == UNKNOWN) {
            // A length that only the blocks know: that of any of them which does not broadcast.
            *len = 1;
            for chunk in &chunks {
                let lead = self.chunks.ndim() - chunk.ndim();
                if axis >= lead && chunk.shape()[axis - lead] != 1 {
                    *len = chunk.shape()[axis - lead];
                }
            }
        }
        for chunk in &mut chunks {
            *chunk = chunk.broadcast_to(&shape);
        }
        let start = self.chunks.block_start(&coordinates);
        let indices: SmallVec<[Affine; 2]> = self
            .indices
            .iter()
            .map(|affine| {
                let moved = affine.strides.iter().zip(&start).map(|(stride, start)| *stride as i64 * *start as i64);
                Affine { offset: affine.offset + moved.sum::<i64>(), strides: affine.strides.clone() }
            })
            .collect();
        let mut results = self.program.run(&shape, &chunks, &indices)?.into_iter();
        let pack = |arity: &usize| match arity {
            1 => results.next().map_or(Value::Unit, Value::Chunk),
            _ => Value::Tuple(results.by_ref().take(*arity).map(Value::Chunk).collect()),
        };
        Ok(self.arity.iter().map(pack).collect())
    }

    fn describe(&self) -> Option<String> {
        Some(self.program.to_string())
    }

    fn is_quick(&self, index: usize) -> bool {
        let shape = self.chunks.block_shape(&self.chunks.coordinates(index));
        let elements = shape.iter().fold(1, |product: usize, len| product.saturating_mul(*len));
        elements <= QUICK_ELEMENTS && !self.leaves.iter().any(|leaf| matches!(leaf.reading, Reading::Source(..)))
    }

    fn bytes_read(&self, index: usize) -> u64 {
        let coordinates = self.chunks.coordinates(index);
        let read = |leaf: &Leaf| {
            let Reading::Source(source, view) = &leaf.reading else { return 0 };
            let region = leaf.chunks.region(&self.leaf_coordinates(leaf, &coordinates));
            crate::explain::stored_bytes(source.as_ref(), &view.input_region(&region.start, &region.shape))
        };
        self.leaves.iter().map(read).sum()
    }

    fn scratch_bytes(&self, index: usize) -> u64 {
        let reads = self.leaves.iter().filter(|leaf| matches!(leaf.reading, Reading::Source(..)));
        let coordinates = self.chunks.coordinates(index);
        reads
            .map(|leaf| {
                let Reading::Source(source, view) = &leaf.reading else { return 0 };
                let region = leaf.chunks.region(&self.leaf_coordinates(leaf, &coordinates));
                let read = view.input_region(&region.start, &region.shape);
                read.shape.iter().product::<usize>() as u64 * source.dtype().size() as u64
            })
            .sum()
    }
}
