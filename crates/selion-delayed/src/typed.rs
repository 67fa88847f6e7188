//! Values to come of which the Rust type is known, and what a lazily called Rust function is made of.
//!
//! A value of any type travels through graphs as an [`Object`](Value::Object), a [`Chunk`] as itself and `()` as
//! [`Unit`](Value::Unit). What only one task needs is moved into it; what several need is borrowed from the one value
//! that they share, or cloned.

use std::any::{Any, type_name};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use selion_array::{Array, Chunks, Result as ArrayResult};
pub use selion_core::TaskError;
use selion_core::{Annotations, Chunk, DType, TaskContext, Value};

pub use crate::node::Settings;
use crate::node::{Call, Delayed, DelayedId, hash_id};

/// A value of type `T` to come: a [`Delayed`] of which the type is known.
///
/// ```
/// use selion_delayed::Lazy;
///
/// let two: Lazy<i64> = Lazy::value(2);
/// let both: Lazy<Vec<i64>> = [two.clone(), two].into_iter().collect();
/// assert!(both.key().starts_with("gather-"));
/// ```
#[must_use = "nothing is run before it is computed"]
pub struct Lazy<T> {
    delayed: Delayed,
    of: PhantomData<fn() -> T>,
}

impl<T: Any + Send + Sync> Lazy<T> {
    /// A value that is there.
    pub fn value(value: T) -> Self {
        Self::from_delayed(Delayed::value(to_value(value)))
    }

    /// A delayed value that is said to be a `T`. Whether it is one shows when somebody needs it.
    pub fn from_delayed(delayed: Delayed) -> Self {
        Lazy { delayed, of: PhantomData }
    }
}

impl<T> Lazy<T> {
    /// The value without its type, as graphs and pictures have it.
    pub fn delayed(&self) -> &Delayed {
        &self.delayed
    }

    /// The name by which people know it.
    pub fn key(&self) -> String {
        self.delayed.key()
    }
}

impl Lazy<Chunk> {
    /// The array of one block that this is.
    ///
    /// ```
    /// # use selion_core::{Chunk, DType};
    /// # use selion_delayed::Lazy;
    /// let x = Lazy::value(Chunk::from_values(&[3], &[1.0, 2.0, 3.0])).to_array(DType::F64, &[3])?;
    /// assert_eq!(x.shape().as_slice(), [3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArrayError`](selion_array::ArrayError) for a shape that no array has.
    pub fn to_array(&self, dtype: DType, shape: &[usize]) -> ArrayResult<Array> {
        Delayed::to_array(vec![self.delayed.clone()], dtype, Chunks::whole(shape))
    }
}

impl From<&Array> for Lazy<Chunk> {
    /// The whole array, in one piece.
    fn from(array: &Array) -> Self {
        Lazy::from_delayed(Delayed::array(array))
    }
}

impl<T> From<Lazy<T>> for Delayed {
    fn from(lazy: Lazy<T>) -> Self {
        lazy.delayed
    }
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Lazy { delayed: self.delayed.clone(), of: PhantomData }
    }
}

impl<T> std::fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lazy<{}>('{}')", type_name::<T>(), self.key())
    }
}

impl<T: Any + Clone + Send + Sync> FromIterator<Lazy<T>> for Lazy<Vec<T>> {
    /// All of the values, when all of them are there.
    fn from_iter<I: IntoIterator<Item = Lazy<T>>>(parts: I) -> Self {
        gather(parts)
    }
}

/// All of some values, when all of them are there.
///
/// ```
/// use selion_delayed::{Lazy, gather};
///
/// let squares: Lazy<Vec<u64>> = gather((0..10).map(|k| Lazy::value(k * k)));
/// # let _ = squares;
/// ```
pub fn gather<T: Any + Clone + Send + Sync>(parts: impl IntoIterator<Item = Lazy<T>>) -> Lazy<Vec<T>> {
    let inputs = Inputs(parts.into_iter().map(Delayed::from).collect());
    let count = inputs.0.len();
    inputs.call("gather", None, None, move |given| {
        let parts = (0..count).map(|place| given.take::<T>(place, "gather"));
        Ok(to_value(parts.collect::<Result<Vec<T>, TaskError>>()?))
    })
}

/// An argument of a lazily called function: a value that is there, or one to come.
///
/// Made from a `T`, a [`Lazy<T>`] or a reference to one; a whole [`Array`] is a [`Chunk`] to come, and several lazy
/// values are a vector.
///
/// ```
/// use selion_delayed::{Arg, Lazy};
///
/// fn takes(argument: impl Into<Arg<f64>>) -> Arg<f64> {
///     argument.into()
/// }
///
/// assert!(takes(1.0).lazy().is_none());
/// assert!(takes(Lazy::value(1.0)).lazy().is_some());
/// ```
pub struct Arg<T>(Kind<T>);

enum Kind<T> {
    There(T),
    ToCome(Delayed),
}

impl<T> Arg<T> {
    /// The value to come, if it is one.
    pub fn lazy(&self) -> Option<&Delayed> {
        match &self.0 {
            Kind::There(_) => None,
            Kind::ToCome(delayed) => Some(delayed),
        }
    }
}

impl<T: Hash> Hash for Arg<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Kind::There(value) => (0_u8, value).hash(state),
            Kind::ToCome(delayed) => (1_u8, delayed.id()).hash(state),
        }
    }
}

impl<T> From<T> for Arg<T> {
    fn from(value: T) -> Self {
        Arg(Kind::There(value))
    }
}

impl<T> From<Lazy<T>> for Arg<T> {
    fn from(lazy: Lazy<T>) -> Self {
        Arg(Kind::ToCome(lazy.delayed))
    }
}

impl<T> From<&Lazy<T>> for Arg<T> {
    fn from(lazy: &Lazy<T>) -> Self {
        lazy.clone().into()
    }
}

impl<T: Any + Clone + Send + Sync> From<Vec<Lazy<T>>> for Arg<Vec<T>> {
    fn from(parts: Vec<Lazy<T>>) -> Self {
        gather(parts).into()
    }
}

impl From<&str> for Arg<String> {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&Array> for Arg<Chunk> {
    fn from(array: &Array) -> Self {
        Lazy::from(array).into()
    }
}

impl From<Array> for Arg<Chunk> {
    fn from(array: Array) -> Self {
        Lazy::from(&array).into()
    }
}

/// A value of any type, as it travels.
pub fn to_value<T: Any + Send + Sync>(value: T) -> Value {
    let any: &dyn Any = &value;
    if let Some(chunk) = any.downcast_ref::<Chunk>() {
        return chunk.clone().into();
    }
    if any.is::<()>() {
        return Value::Unit;
    }
    let nbytes = nbytes(&value);
    Value::Object { object: Arc::new(value), nbytes }
}

/// Looks at a value that travels as a `T`; `None` if it is something else.
pub fn as_ref<T: Any>(value: &Value) -> Option<&T> {
    match value {
        Value::Chunk(chunk) => (chunk as &dyn Any).downcast_ref(),
        Value::Object { object, .. } => object.downcast_ref(),
        Value::Unit => (&() as &dyn Any).downcast_ref(),
        Value::Tuple(_) => None,
    }
}

/// Takes a `T` out of a value: moved if nobody else holds it, cloned otherwise; `None` if it is something else.
///
/// The value keeps its size, though it may be hollow now: who counts its bytes need not know.
///
/// ```
/// use selion_delayed::{take, to_value};
///
/// let mut value = to_value(String::from("long"));
/// assert_eq!(take::<i64>(&mut value), None);
/// assert_eq!(take::<String>(&mut value).as_deref(), Some("long"));
/// assert_eq!(take::<String>(&mut value), None);
/// ```
pub fn take<T: Any + Clone + Send + Sync>(value: &mut Value) -> Option<T> {
    if std::mem::needs_drop::<T>()
        && let Value::Object { object, .. } = value
        && object.is::<T>()
        && Arc::get_mut(object).is_some()
    {
        let whole = std::mem::replace(object, Arc::new(()));
        return Some(Arc::unwrap_or_clone(whole.downcast().ok()?));
    }
    as_ref(value).cloned()
}

/// Bytes that a value holds: of containers of numbers and of text also what they own.
fn nbytes<T: Any>(value: &T) -> usize {
    let value: &dyn Any = value;
    macro_rules! owned {
        ($($of:ty),*) => {
            $(if let Some(vec) = value.downcast_ref::<Vec<$of>>() {
                return size_of::<T>() + vec.capacity() * size_of::<$of>();
            })*
        };
    }
    owned!(u8, i8, u16, i16, u32, i32, u64, i64, usize, f32, f64, bool);
    size_of::<T>() + value.downcast_ref::<String>().map_or(0, String::capacity)
}

/// What a value is, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Chunk(_) => "a chunk",
        Value::Tuple(_) => "a tuple",
        Value::Object { .. } => "an object of another type",
        Value::Unit => "nothing",
    }
}

/// That a value is not of the type that was said.
pub fn wrong_type<T>(what: &str, value: &Value) -> TaskError {
    format!("{what} should be of type {}, but is {}", type_name::<T>(), kind(value)).into()
}

/// Collects what a call needs; used by `#[selion::task]`.
#[derive(Default)]
pub struct Inputs(Vec<Delayed>);

impl Inputs {
    /// No inputs yet, and room for some.
    pub fn with_capacity(count: usize) -> Self {
        Inputs(Vec::with_capacity(count))
    }

    /// Adds an argument; where to find it when the call is made.
    pub fn add<T>(&mut self, argument: Arg<T>) -> Slot<T> {
        match argument.0 {
            Kind::There(value) => Slot::Here(value),
            Kind::ToCome(delayed) => {
                self.0.push(delayed);
                Slot::Given(self.0.len() as u32 - 1)
            }
        }
    }

    /// The call of `work` on what was added.
    pub fn call<T: Any + Send + Sync>(
        self,
        name: &'static str,
        id: Option<DelayedId>,
        settings: Option<Settings>,
        work: impl Fn(&mut Given<'_>) -> Result<Value, TaskError> + Send + Sync + 'static,
    ) -> Lazy<T> {
        Lazy::from_delayed(Delayed::call(Task { name, work }, self.0, id, settings))
    }
}

/// The identity of a call that gives the same whenever its arguments are the same: that of the function, told apart
/// from others by its type and its place in the source, and those of its arguments.
pub fn identity<F>(place: (&str, u32, u32), _function: &F, arguments: impl Hash) -> DelayedId {
    hash_id((place, type_name::<F>(), arguments))
}

/// The identity of an argument.
pub fn identity_of<T: Hash>(argument: &Arg<T>) -> DelayedId {
    hash_id(argument)
}

/// What is said of all calls of one function.
pub fn settings(retries: u32, priority: i32) -> Settings {
    Arc::new(Annotations { priority, retries, ..Annotations::default() })
}

/// An argument within a call.
pub enum Slot<T> {
    /// It was there when the call was written down.
    Here(T),
    /// It is the given value of this number.
    Given(u32),
}

impl<T: Any + Send + Sync> Slot<T> {
    /// The argument, to own.
    ///
    /// # Errors
    /// If it is not of this type; `name` is that of the argument.
    pub fn take(&self, given: &mut Given<'_>, name: &str) -> Result<T, TaskError>
    where
        T: Clone,
    {
        match self {
            Slot::Here(value) => Ok(value.clone()),
            Slot::Given(place) => given.take(*place as usize, name),
        }
    }

    /// The argument, to look at.
    ///
    /// # Errors
    /// As [`Slot::take`].
    pub fn borrow<'a>(&'a self, given: &'a Given<'_>, name: &str) -> Result<&'a T, TaskError> {
        match self {
            Slot::Here(value) => Ok(value),
            Slot::Given(place) => {
                let value = &given.values()[*place as usize];
                as_ref(value).ok_or_else(|| wrong_type::<T>(&argument(name), value))
            }
        }
    }
}

fn argument(name: &str) -> String {
    format!("argument {name}")
}

/// The values of what a call needs: its own, or to look at only.
pub enum Given<'a> {
    /// Somebody will look at them again.
    Shared(&'a [Value]),
    /// They may be moved out of.
    Owned(&'a mut [Value]),
}

impl Given<'_> {
    fn values(&self) -> &[Value] {
        match self {
            Given::Shared(values) => values,
            Given::Owned(values) => values,
        }
    }

    fn take<T: Any + Clone + Send + Sync>(&mut self, place: usize, name: &str) -> Result<T, TaskError> {
        let taken = match self {
            Given::Shared(values) => as_ref(&values[place]).cloned(),
            Given::Owned(values) => take(&mut values[place]),
        };
        taken.ok_or_else(|| wrong_type::<T>(&argument(name), &self.values()[place]))
    }
}

/// A lazily called Rust function with those of its arguments that are there.
struct Task<F> {
    name: &'static str,
    work: F,
}

impl<F> Call for Task<F>
where
    F: Fn(&mut Given<'_>) -> Result<Value, TaskError> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn run(&self, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        (self.work)(&mut Given::Shared(inputs))
    }

    fn run_owned(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        (self.work)(&mut Given::Owned(inputs))
    }
}
