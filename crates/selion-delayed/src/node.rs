//! Values to come, as nodes that know what they need.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use selion_array::{Array, ArrayError, Chunks, TaskBlocks};
use selion_core::{Annotations, DType, Enclosure, Promise, TaskContext, TaskError, Value};

/// What identifies a delayed value: equal identities are computed once.
pub type DelayedId = u128;

/// Work to be done once, on the values of what it needs.
pub trait Call: Any + Send + Sync {
    /// What is called: the first part of the key, and what pictures show.
    fn name(&self) -> &str;

    /// Does the work.
    ///
    /// # Errors
    /// Whatever the function raised.
    fn run(&self, inputs: &[Value], context: &TaskContext<'_>) -> Result<Value, TaskError>;

    /// As [`Call::run`], for inputs that nobody looks at afterwards: see [`selion_core::Body::run_owned`].
    ///
    /// # Errors
    /// As [`Call::run`].
    fn run_owned(&self, inputs: &mut [Value], context: &TaskContext<'_>) -> Result<Value, TaskError> {
        self.run(inputs, context)
    }

    /// The key by which people know it, where the caller chose one.
    fn key(&self) -> Option<&str> {
        None
    }

    /// In which surroundings it is best run.
    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        None
    }
}

/// What the user said about calls, shared by all that were made under the same words.
pub type Settings = Arc<Annotations>;

/// A value to come.
///
/// ```
/// use selion_core::{Chunk, TaskContext, TaskError, Value};
/// use selion_delayed::{Call, Delayed};
///
/// struct Add;
/// impl Call for Add {
///     fn name(&self) -> &str { "add" }
///     fn run(&self, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
///         let sum: i64 = inputs.iter().filter_map(|value| Some(value.as_chunk()?.to_vec::<i64>()[0])).sum();
///         Ok(Chunk::from_values(&[], &[sum]).into())
///     }
/// }
///
/// let one = Delayed::value(Chunk::from_values(&[], &[1_i64]).into());
/// let two = Delayed::call(Add, vec![one.clone(), one], None, None);
/// assert!(two.key().starts_with("add-"));
/// ```
#[derive(Clone)]
pub struct Delayed(Arc<Node<dyn Call>>);

/// Of these a user may have millions: one allocation with all that each of them has.
struct Node<C: ?Sized> {
    /// The two halves of the identity.
    id: [u64; 2],
    inputs: Box<[Delayed]>,
    settings: Option<Settings>,
    /// That of the arrays among what it needs: see [`Array::depth`].
    depth: u32,
    call: C,
}

/// A block of an array, by its number in C order: no call, but found where its array is lowered.
pub(crate) struct BlockOf(pub(crate) Array, pub(crate) u32);

/// A value that is there, or that a running graph will give.
pub(crate) struct Kept(pub(crate) Arc<Promise>);

impl Call for BlockOf {
    fn name(&self) -> &str {
        self.0.kind()
    }

    fn run(&self, _: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        Err("a block of an array is made by the array's tasks".into())
    }
}

impl Call for Kept {
    fn name(&self) -> &str {
        "value"
    }

    fn run(&self, _: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        match self.0.get() {
            Some(Ok(values)) => Ok(values.first().cloned().unwrap_or(Value::Unit)),
            Some(Err(error)) => Err(Box::new(Arc::clone(error))),
            None => Err("a value that was persisted is not there yet".into()),
        }
    }
}

/// An identity from the hash of anything, for calls that give the same whenever their arguments are the same.
pub fn hash_id(of: impl Hash) -> DelayedId {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        of.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
}

/// An identity that nothing else has: this process's number, and a count.
fn unique_id() -> DelayedId {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let process = *PROCESS.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        hash_id((std::process::id(), now)) as u64
    });
    u128::from(process) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Delayed {
    /// A call. Without an identity it is one of its own; calls of equal identity are made once.
    pub fn call(
        call: impl Call + 'static,
        inputs: Vec<Delayed>,
        id: Option<DelayedId>,
        settings: Option<Settings>,
    ) -> Delayed {
        let depth = inputs.iter().map(|input| input.0.depth).max().unwrap_or(0);
        Self::node(call, inputs, id.unwrap_or_else(unique_id), settings, depth)
    }

    fn node(
        call: impl Call + 'static,
        inputs: Vec<Delayed>,
        id: DelayedId,
        settings: Option<Settings>,
        depth: u32,
    ) -> Delayed {
        let id = [(id >> 64) as u64, id as u64];
        Delayed(Arc::new(Node { id, inputs: inputs.into(), settings, depth, call }))
    }

    /// A value that is there.
    pub fn value(value: Value) -> Delayed {
        Self::kept(Arc::new(Promise::of([value].into())))
    }

    /// The only value that a running graph will give.
    pub fn kept(promise: Arc<Promise>) -> Delayed {
        Self::node(Kept(promise), vec![], unique_id(), None, 0)
    }

    /// A block of an array, by its number in C order.
    pub fn block(array: &Array, block: usize) -> Delayed {
        let id = hash_id((array.id(), block));
        Self::node(BlockOf(array.clone(), block as u32), vec![], id, None, array.depth())
    }

    /// A whole array, as one block.
    pub fn array(array: &Array) -> Delayed {
        Self::block(&array.whole(), 0)
    }

    /// The array whose blocks, in C order, are the values of `blocks`. Each must give a chunk.
    ///
    /// # Errors
    /// [`ArrayError::Chunks`] if there are not as many as `chunks` has.
    pub fn to_array(blocks: Vec<Delayed>, dtype: DType, chunks: Chunks) -> Result<Array, ArrayError> {
        if blocks.len() != chunks.count() {
            return Err(ArrayError::Chunks(format!("{} blocks for {} chunks", blocks.len(), chunks.count())));
        }
        let depth = 1 + blocks.iter().map(|block| block.0.depth).max().unwrap_or(0);
        let ids: Vec<DelayedId> = blocks.iter().map(Delayed::id).collect();
        Ok(Array::from_tasks(TaskBlocks { identity: hash_id(ids), depth, tasks: Arc::new(blocks) }, dtype, chunks))
    }

    /// What identifies it.
    pub fn id(&self) -> DelayedId {
        u128::from(self.0.id[0]) << 64 | u128::from(self.0.id[1])
    }

    pub(crate) fn halves(&self) -> [u64; 2] {
        self.0.id
    }

    /// What is called, or what else it is.
    pub fn name(&self) -> &str {
        self.0.call.name()
    }

    /// The name by which people know it; equal for equal identities.
    pub fn key(&self) -> String {
        if let Some(BlockOf(array, block)) = self.as_call() {
            return format!("('{}', {block})", array.name());
        }
        match self.0.call.key() {
            Some(key) => key.to_owned(),
            None => format!("{}-{:032x}", self.name(), self.id()),
        }
    }

    /// What it needs.
    pub fn inputs(&self) -> &[Delayed] {
        &self.0.inputs
    }

    /// The work that makes the value.
    pub fn work(&self) -> &dyn Call {
        &self.0.call
    }

    /// The work, if it is of type `C`.
    pub fn as_call<C: Call>(&self) -> Option<&C> {
        (self.work() as &dyn Any).downcast_ref()
    }

    /// The array and the number of the block, if it is one.
    pub fn of_block(&self) -> Option<(Array, usize)> {
        let BlockOf(array, block) = self.as_call()?;
        Some((array.clone(), *block as usize))
    }

    /// The value, if it is one that is there.
    pub fn there(&self) -> Option<Value> {
        let Kept(promise) = self.as_call()?;
        match promise.get() {
            Some(Ok(values)) => values.first().cloned(),
            _ => None,
        }
    }

    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.0.settings.as_ref()
    }

    pub(crate) fn depth(&self) -> u32 {
        self.0.depth
    }
}

impl<C: ?Sized> Drop for Node<C> {
    /// Unlinks a long chain one by one: dropping it recursively would overflow the stack.
    fn drop(&mut self) {
        if self.inputs.is_empty() {
            return;
        }
        let mut orphans = std::mem::take(&mut self.inputs).into_vec();
        while let Some(Delayed(mut node)) = orphans.pop() {
            if let Some(node) = Arc::get_mut(&mut node) {
                orphans.extend(std::mem::take(&mut node.inputs));
            }
        }
    }
}

impl std::fmt::Debug for Delayed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delayed('{}')", self.key())
    }
}
