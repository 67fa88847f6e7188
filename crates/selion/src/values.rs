//! From Rust values to come to Rust values: arrays, typed delayed values, and several of them at once.

use std::any::{Any, type_name};
use std::sync::Arc;

use selion_array::Array;
use selion_core::{CancelToken, Chunk, ExecError, Executor, Graph, Silent, Value};
use selion_delayed::typed::wrong_type;
use selion_delayed::{Lazy, take};

use crate::compute::{Collection, compute_with, incomplete};
use crate::error::Error;
use crate::executor::executor;
use crate::persist::persist_with;

/// What [`compute`] takes: arrays, lazy values, and references, vectors, slices and tuples of those.
pub trait Computable {
    /// What it is when it is computed.
    type Output;

    /// Adds its parts, in order.
    fn parts(&self, into: &mut Vec<Collection>);

    /// Takes as many values as it has parts.
    ///
    /// # Errors
    /// [`Error::Exec`], naming the task, if a value is not of the type that was said.
    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self::Output, Error>;
}

/// Computes everything that is given, together, on the [`executor`]: what they have in common is done once.
///
/// ```
/// use selion::prelude::*;
///
/// #[selion::task]
/// fn inc(x: i64) -> i64 {
///     x + 1
/// }
///
/// let ones = Array::ones(&[4], DType::F64, None)?;
/// let (two, sum) = compute((inc(1), ones.sum()?))?;
/// assert_eq!((two, sum.scalar().unwrap().get::<f64>()), (2, 4.0));
///
/// let numbers: Vec<Lazy<i64>> = (0..3).map(|k| inc(k)).collect();
/// assert_eq!(compute(&numbers)?, [1, 2, 3]);
/// # Ok::<(), selion::Error>(())
/// ```
///
/// # Errors
/// [`Error`], of the first task that failed.
pub fn compute<C: Computable>(what: C) -> Result<C::Output, Error> {
    let executor = executor()?;
    let mut parts = Vec::new();
    what.parts(&mut parts);
    let run = &mut |graph: Graph| executor.execute(graph, &CancelToken::default(), Arc::new(Silent));
    what.output(&mut compute_with(&parts, run)?.into_iter())
}

impl Computable for Array {
    type Output = Chunk;

    fn parts(&self, into: &mut Vec<Collection>) {
        into.push(Collection::Array(self.clone()));
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Chunk, Error> {
        values.next().and_then(|value| value.as_chunk().cloned()).ok_or_else(|| incomplete(self))
    }
}

impl<T: Any + Clone + Send + Sync> Computable for Lazy<T> {
    type Output = T;

    fn parts(&self, into: &mut Vec<Collection>) {
        into.push(Collection::Delayed(self.delayed().clone()));
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<T, Error> {
        let mut value = values.next().unwrap_or(Value::Unit);
        take(&mut value)
            .ok_or_else(|| ExecError::Task { task: self.key(), cause: wrong_type::<T>("its value", &value) }.into())
    }
}

impl<C: Computable + ?Sized> Computable for &C {
    type Output = C::Output;

    fn parts(&self, into: &mut Vec<Collection>) {
        (**self).parts(into);
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<C::Output, Error> {
        (**self).output(values)
    }
}

impl<C: Computable> Computable for [C] {
    type Output = Vec<C::Output>;

    fn parts(&self, into: &mut Vec<Collection>) {
        self.iter().for_each(|part| part.parts(into));
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Vec<C::Output>, Error> {
        self.iter().map(|part| part.output(values)).collect()
    }
}

impl<C: Computable> Computable for Vec<C> {
    type Output = Vec<C::Output>;

    fn parts(&self, into: &mut Vec<Collection>) {
        self.as_slice().parts(into);
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Vec<C::Output>, Error> {
        self.as_slice().output(values)
    }
}

impl<C: Computable, const N: usize> Computable for [C; N] {
    type Output = Vec<C::Output>;

    fn parts(&self, into: &mut Vec<Collection>) {
        self.as_slice().parts(into);
    }

    fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Vec<C::Output>, Error> {
        self.as_slice().output(values)
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {
        $(
            impl<$($name: Computable),+> Computable for ($($name,)+) {
                type Output = ($($name::Output,)+);

                fn parts(&self, into: &mut Vec<Collection>) {
                    #[expect(non_snake_case, reason = "a part has its type's name")]
                    let ($($name,)+) = self;
                    $($name.parts(into);)+
                }

                fn output(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self::Output, Error> {
                    #[expect(non_snake_case, reason = "a part has its type's name")]
                    let ($($name,)+) = self;
                    Ok(($($name.output(values)?,)+))
                }
            }
        )+
    };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

/// What a lazy value can do beyond being an argument: be computed.
pub trait LazyExt<T>: Sized {
    /// The value, computed on every core.
    ///
    /// # Errors
    /// [`Error`], naming the task that failed.
    fn compute(&self) -> Result<T, Error>;

    /// Starts to compute the value, and returns at once: the same value, which will be in memory.
    ///
    /// An error is raised when the value is needed.
    ///
    /// ```
    /// use selion::prelude::*;
    ///
    /// #[selion::task]
    /// fn inc(x: i64) -> i64 {
    ///     x + 1
    /// }
    ///
    /// let two = inc(1).persist()?;
    /// assert_eq!(compute((inc(&two), inc(&two)))?, (3, 3));
    /// # Ok::<(), selion::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`LazyExt::compute`], for values that cannot be computed.
    fn persist(&self) -> Result<Self, Error>;
}

impl<T: Any + Clone + Send + Sync> LazyExt<T> for Lazy<T> {
    fn compute(&self) -> Result<T, Error> {
        compute(self)
    }

    fn persist(&self) -> Result<Self, Error> {
        let collections = [Collection::Delayed(self.delayed().clone())];
        let kept = persist_with(&collections, executor()?, &CancelToken::default(), Arc::new(Silent))?;
        let delayed = kept.into_iter().find_map(|kept| match kept {
            Collection::Delayed(delayed) => Some(delayed),
            Collection::Array(_) => None,
        });
        let nothing = || ExecError::Unavailable(format!("{} of type {} was not kept", self.key(), type_name::<T>()));
        Ok(Lazy::from_delayed(delayed.ok_or_else(nothing)?))
    }
}
