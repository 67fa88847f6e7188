//! Arrays as expressions.
//!
//! An [`Array`] is a node of an expression with what is known of it: dtype and blocks. Making one computes nothing and
//! costs the same for any number of blocks. Every node has an identity, the hash of its operation and its inputs'
//! identities: equal expressions are shared, and the identity is the array's name.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use selion_core::{Chunk, ChunkSource, DType, Dims, Enclosure, Promise, Scalar, TaskContext, TaskError, Value};
use selion_kernels::program::{Affine, Op};
use selion_kernels::random::{Distribution, Key};
use smallvec::SmallVec;

use crate::chunks::{Chunks, UNKNOWN};
use crate::reduce::Reduction;
use crate::view::View;

/// What identifies a node: two 64-bit hashes of what it computes.
pub type NodeId = u128;

/// A lazy chunked array.
#[derive(Clone)]
pub struct Array(pub(crate) Arc<Node>);

pub(crate) struct Node {
    pub(crate) expr: Expr,
    pub(crate) dtype: DType,
    pub(crate) chunks: Chunks,
    pub(crate) id: NodeId,
    /// How often one must go over to tasks of another front end and back before all its blocks are made.
    pub(crate) depth: u32,
}

/// What an elementwise node does to its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MapOp {
    Ufunc(Op),
    Cast,
    /// The first argument is the index of each element, the others are parameters.
    Random(Distribution, Key),
}

#[derive(Clone)]
pub(crate) enum Expr {
    /// The same value everywhere.
    Full(Scalar),
    /// An affine function of the coordinates, `int64`.
    Index(Affine),
    /// Elements in memory; the chunk has the shape of the array. The number tells memories of this process apart.
    Memory(Chunk, u64),
    /// Elements in storage, under a view.
    Source { source: Arc<dyn ChunkSource>, view: View },
    /// Blocks that have been computed, or are being computed, in C order.
    Blocks(Arc<Promise>),
    /// Blocks that tasks of another front end make.
    Tasks(Arc<TaskBlocks>),
    /// An elementwise operation on arguments that broadcast to this node's shape.
    Map { op: MapOp, args: SmallVec<[Array; 3]> },
    /// A view of another array.
    View { input: Array, view: View },
    /// The same elements in other blocks.
    Rechunk(Array),
    /// A reduction of some axes.
    Reduce { reduction: Reduction, input: Array },
    /// An operation that works block by block.
    Blocked { op: Arc<dyn BlockOp>, inputs: Vec<Array> },
}

/// Blocks that tasks of another front end make: an array's leaf where the other's work ends.
#[derive(Clone)]
pub struct TaskBlocks {
    /// Tells these tasks from others.
    pub identity: u128,
    /// One more than the depth of the deepest array among what the tasks need; 1 if they need none.
    pub depth: u32,
    /// The tasks, for the front end that made them, one for each block in C order.
    pub tasks: Arc<dyn Any + Send + Sync>,
}

/// What others must give before arrays can be computed: see [`Array::needs_of_others`].
#[derive(Default)]
pub struct Others {
    /// Promises to be kept.
    pub promises: Vec<Arc<Promise>>,
    /// The leaves whose blocks tasks of another front end make.
    pub leaves: Vec<(Array, Arc<TaskBlocks>)>,
}

/// An operation whose blocks are each made by a function of some blocks of its inputs.
///
/// One type implements it per operation; it keeps what it must know of its inputs' blocks.
pub trait BlockOp: Send + Sync {
    /// The name that people see, such as `rechunk`.
    fn name(&self) -> &str;

    /// What distinguishes it from others with the same name and inputs.
    fn identity(&self) -> u64;

    /// Appends which blocks the block at `coordinates` needs: (input, block number in C order), in the order in which
    /// [`run`](Self::run) wants them.
    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>);

    /// Makes the block at `coordinates`.
    ///
    /// # Errors
    /// Whatever the function raised, or that it gave something of the wrong shape or dtype.
    fn run(&self, coordinates: &[usize], inputs: &[Value], context: &TaskContext<'_>) -> Result<Value, TaskError>;

    /// What `explain()` says beside the name: for functions that run in Python, which.
    fn note(&self) -> Option<String> {
        None
    }

    /// Where making a block is best done, as [`Body::enclosure`](selion_core::Body::enclosure).
    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        None
    }

    /// Memory that making a block takes over its inputs and its output.
    fn scratch_bytes(&self, _coordinates: &[usize]) -> u64 {
        0
    }
}

/// A number that no other node of this process has: the identity of elements in memory.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A 64-bit hash of anything hashable.
pub(crate) fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Array {
    pub(crate) fn make(expr: Expr, dtype: DType, chunks: Chunks) -> Array {
        let id = identity(&expr, dtype, &chunks);
        let depth = depth(&expr);
        Array(Arc::new(Node { expr, dtype, chunks, id, depth }))
    }

    /// How often computing the array goes over to tasks of another front end ([`TaskBlocks`]) and back.
    pub fn depth(&self) -> u32 {
        self.0.depth
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The blocks.
    pub fn chunks(&self) -> &Chunks {
        &self.0.chunks
    }

    /// The length of each axis; [`UNKNOWN`] where only computing will tell.
    pub fn shape(&self) -> Dims {
        self.0.chunks.shape()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.0.chunks.ndim()
    }

    /// The number of elements; `None` if a length is unknown.
    pub fn size(&self) -> Option<usize> {
        let shape = self.shape();
        (!shape.contains(&UNKNOWN)).then(|| shape.iter().product())
    }

    /// The number of bytes; `None` if a length is unknown.
    pub fn nbytes(&self) -> Option<usize> {
        self.size().map(|size| size * self.dtype().size())
    }

    /// The name: what it does, and a hash of how it is made. Equal expressions have equal names.
    pub fn name(&self) -> String {
        format!("{}-{:032x}", self.kind(), self.0.id)
    }

    /// A hash of how the array is made.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// The elements, if they are in memory as one chunk.
    pub(crate) fn in_memory(&self) -> Option<&Chunk> {
        match self.expr() {
            Expr::Memory(chunk, _) => Some(chunk),
            _ => None,
        }
    }

    /// What the array's own operation is called.
    pub fn kind(&self) -> &str {
        match &self.0.expr {
            Expr::Full(_) => "full",
            Expr::Index(_) => "arange",
            Expr::Memory(..) => "array",
            Expr::Source { .. } => "read",
            Expr::Blocks(_) => "blocks",
            Expr::Tasks(_) => "from-delayed",
            Expr::Map { op: MapOp::Ufunc(op), .. } => op.name(),
            Expr::Map { op: MapOp::Cast, .. } => "astype",
            Expr::Map { op: MapOp::Random(distribution, _), .. } => distribution.name(),
            Expr::View { .. } => "getitem",
            Expr::Rechunk(_) => "rechunk",
            Expr::Reduce { reduction, .. } => reduction.kind.name(),
            Expr::Blocked { op, .. } => op.name(),
        }
    }

    pub(crate) fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// The arrays that this one is made of.
    pub(crate) fn inputs(&self) -> &[Array] {
        inputs(&self.0.expr)
    }

    /// The promises that must be kept before the arrays can be computed, and the leaves where another front end's tasks
    /// come in.
    pub fn needs_of_others(arrays: &[Array]) -> Others {
        let Others { mut promises, mut leaves } = Others::default();
        for node in Array::post_order(arrays) {
            match node.expr() {
                Expr::Blocks(promise) => promises.push(Arc::clone(promise)),
                Expr::Tasks(tasks) => leaves.push((node.clone(), Arc::clone(tasks))),
                _ => {}
            }
        }
        Others { promises, leaves }
    }

    /// The array with other inputs of the same dtypes and blocks.
    pub(crate) fn with_inputs(&self, inputs: Vec<Array>) -> Array {
        let mut inputs = inputs;
        let expr = match &self.0.expr {
            Expr::Map { op, .. } => Expr::Map { op: *op, args: inputs.into() },
            Expr::Blocked { op, .. } => Expr::Blocked { op: Arc::clone(op), inputs },
            other => match (inputs.pop(), other) {
                (Some(input), Expr::View { view, .. }) => Expr::View { input, view: view.clone() },
                (Some(input), Expr::Rechunk(_)) => Expr::Rechunk(input),
                (Some(input), Expr::Reduce { reduction, .. }) => Expr::Reduce { reduction: reduction.clone(), input },
                _ => return self.clone(),
            },
        };
        Array::make(expr, self.dtype(), self.chunks().clone())
    }

    /// All nodes that the arrays need, each after its inputs. Not recursive: chains may be long.
    pub(crate) fn post_order(roots: &[Array]) -> Vec<Array> {
        Array::post_order_until(roots, |_| false)
    }

    /// As [`post_order`](Self::post_order), but what nodes need for which `ends` holds is left out.
    pub(crate) fn post_order_until(roots: &[Array], ends: impl Fn(NodeId) -> bool) -> Vec<Array> {
        let mut seen = std::collections::HashSet::new();
        let mut order = Vec::new();
        let mut stack: Vec<(Array, bool)> = roots.iter().rev().map(|root| (root.clone(), false)).collect();
        while let Some((node, inputs_done)) = stack.pop() {
            if inputs_done || (ends(node.id()) && seen.insert(node.id())) {
                order.push(node);
            } else if seen.insert(node.id()) {
                let inputs: Vec<(Array, bool)> = node.inputs().iter().rev().map(|i| (i.clone(), false)).collect();
                stack.push((node, true));
                stack.extend(inputs);
            }
        }
        order
    }
}

fn inputs(expr: &Expr) -> &[Array] {
    match expr {
        Expr::Map { args, .. } => args,
        Expr::View { input, .. } | Expr::Rechunk(input) | Expr::Reduce { input, .. } => std::slice::from_ref(input),
        Expr::Blocked { inputs, .. } => inputs,
        Expr::Full(_) | Expr::Index(_) | Expr::Memory(..) | Expr::Source { .. } | Expr::Blocks(_) | Expr::Tasks(_) => {
            &[]
        }
    }
}

fn depth(expr: &Expr) -> u32 {
    match expr {
        Expr::Tasks(tasks) => tasks.depth,
        _ => inputs(expr).iter().map(Array::depth).max().unwrap_or(0),
    }
}

fn identity(expr: &Expr, dtype: DType, chunks: &Chunks) -> NodeId {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, dtype).hash(&mut hasher);
        std::mem::discriminant(expr).hash(&mut hasher);
        let inputs: &[Array] = match expr {
            Expr::Full(value) => {
                value.hash(&mut hasher);
                &[]
            }
            Expr::Index(affine) => {
                affine.hash(&mut hasher);
                &[]
            }
            Expr::Memory(chunk, memory) => {
                (memory, chunk.offset(), chunk.shape(), chunk.strides()).hash(&mut hasher);
                &[]
            }
            Expr::Blocks(promise) => {
                Arc::as_ptr(promise).hash(&mut hasher);
                &[]
            }
            Expr::Tasks(tasks) => {
                tasks.identity.hash(&mut hasher);
                &[]
            }
            Expr::Source { source, view } => {
                (source.identity(), view).hash(&mut hasher);
                &[]
            }
            Expr::Map { op, args } => {
                op.hash(&mut hasher);
                args
            }
            Expr::View { input, view } => {
                view.hash(&mut hasher);
                std::slice::from_ref(input)
            }
            Expr::Rechunk(input) => std::slice::from_ref(input),
            Expr::Reduce { reduction, input } => {
                reduction.hash(&mut hasher);
                std::slice::from_ref(input)
            }
            Expr::Blocked { op, inputs } => {
                (op.name(), op.identity()).hash(&mut hasher);
                inputs
            }
        };
        for input in inputs {
            input.id().hash(&mut hasher);
        }
        // An elementwise node's blocks follow from its arguments'; hashing them would cost their number.
        if !matches!(expr, Expr::Map { .. } | Expr::Reduce { .. }) {
            chunks.hash(&mut hasher);
        }
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
}

impl Drop for Node {
    /// Unlinks a long chain of nodes one by one: dropping it recursively would overflow the stack.
    fn drop(&mut self) {
        let mut orphans: Vec<Array> = Vec::new();
        take_inputs(&mut self.expr, &mut orphans);
        while let Some(Array(node)) = orphans.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                take_inputs(&mut node.expr, &mut orphans);
            }
        }
    }
}

fn take_inputs(expr: &mut Expr, orphans: &mut Vec<Array>) {
    match expr {
        Expr::Map { args, .. } => orphans.extend(args.drain(..)),
        Expr::Blocked { inputs, .. } => orphans.append(inputs),
        Expr::View { .. } | Expr::Rechunk(_) | Expr::Reduce { .. } => {
            if let Expr::View { input, .. } | Expr::Rechunk(input) | Expr::Reduce { input, .. } =
                std::mem::replace(expr, Expr::Full(Scalar::zero(DType::Bool)))
            {
                orphans.push(input);
            }
        }
        Expr::Full(_) | Expr::Index(_) | Expr::Memory(..) | Expr::Source { .. } | Expr::Blocks(_) | Expr::Tasks(_) => {}
    }
}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<String> =
            self.chunks().axes().iter().map(|axis| axis.lens().first().map_or("0".into(), usize::to_string)).collect();
        write!(
            f,
            "selion.array<{}, shape={}, dtype={}, chunksize=({})>",
            self.kind(),
            self.chunks().shape_text(),
            self.dtype(),
            sizes.join(", ")
        )
    }
}
