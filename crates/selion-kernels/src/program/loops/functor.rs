//! From an expression on elements to a loop on tiles.

use std::marker::PhantomData;

use selion_core::{Element, Scalar};

use crate::simd::{Isa, Loop, dispatch};

/// One argument of a loop: a tile of elements, or one element for all.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    /// The bytes of as many elements as the output has.
    Tile(&'a [u8]),
    /// The same value everywhere.
    Scalar(&'a Scalar),
}

impl<'a> Arg<'a> {
    /// The elements, if it is a tile.
    pub(crate) fn tile<T: Element>(&self) -> Option<&'a [T]> {
        match self {
            Arg::Tile(bytes) => Some(bytemuck::cast_slice(bytes)),
            Arg::Scalar(_) => None,
        }
    }
}

/// What the elements themselves make impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoopError {
    /// `2 ** -1` in integers.
    #[error("Integers to negative integer powers are not allowed.")]
    NegativePower,
}

/// A loop: arguments in, a tile out.
pub(crate) type Kernel = fn(&[Arg<'_>], &mut [u8]) -> Result<(), LoopError>;

/// An expression on one element.
pub(crate) trait Map1 {
    type In: Element;
    type Out: Element;
    fn apply(x: Self::In) -> Self::Out;
}

/// An expression on two elements.
pub(crate) trait Map2 {
    type Left: Element;
    type Right: Element;
    type Out: Element;
    fn apply(a: Self::Left, b: Self::Right) -> Self::Out;
}

struct Each1<'a, F: Map1> {
    x: &'a [F::In],
    out: &'a mut [F::Out],
}

impl<F: Map1> Loop for Each1<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = F::apply(*x);
        }
    }
}

/// The loop of a one-element expression.
pub(crate) fn unary<F: Map1>(args: &[Arg<'_>], out: &mut [u8]) -> Result<(), LoopError> {
    let out: &mut [F::Out] = bytemuck::cast_slice_mut(out);
    match args[0] {
        Arg::Tile(x) => dispatch(Each1::<F> { x: bytemuck::cast_slice(x), out }),
        Arg::Scalar(x) => out.fill(F::apply(x.get())),
    }
    Ok(())
}

struct Each2<'a, F: Map2, A, B> {
    a: A,
    b: B,
    out: &'a mut [F::Out],
    expression: PhantomData<F>,
}

impl<F: Map2> Loop for Each2<'_, F, &[F::Left], &[F::Right]> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((out, a), b) in self.out.iter_mut().zip(self.a).zip(self.b) {
            *out = F::apply(*a, *b);
        }
    }
}

/// One element that stands for a whole tile.
struct Same<T>(T);

impl<F: Map2> Loop for Each2<'_, F, &[F::Left], Same<F::Right>> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (out, a) in self.out.iter_mut().zip(self.a) {
            *out = F::apply(*a, self.b.0);
        }
    }
}

impl<F: Map2> Loop for Each2<'_, F, Same<F::Left>, &[F::Right]> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (out, b) in self.out.iter_mut().zip(self.b) {
            *out = F::apply(self.a.0, *b);
        }
    }
}

/// The loop of a two-element expression.
pub(crate) fn binary<F: Map2>(args: &[Arg<'_>], out: &mut [u8]) -> Result<(), LoopError> {
    let out: &mut [F::Out] = bytemuck::cast_slice_mut(out);
    let expression = PhantomData::<F>;
    match (args[0], args[1]) {
        (Arg::Tile(a), Arg::Tile(b)) => {
            dispatch(Each2 {
                a: bytemuck::cast_slice::<_, F::Left>(a),
                b: bytemuck::cast_slice::<_, F::Right>(b),
                out,
                expression,
            });
        }
        (Arg::Tile(a), Arg::Scalar(b)) => {
            dispatch(Each2 { a: bytemuck::cast_slice::<_, F::Left>(a), b: Same(b.get::<F::Right>()), out, expression });
        }
        (Arg::Scalar(a), Arg::Tile(b)) => {
            dispatch(Each2 { a: Same(a.get::<F::Left>()), b: bytemuck::cast_slice::<_, F::Right>(b), out, expression });
        }
        (Arg::Scalar(a), Arg::Scalar(b)) => out.fill(F::apply(a.get(), b.get())),
    }
    Ok(())
}

/// The Rust type of a result: `same` as the argument, `bool`, or a named type.
macro_rules! result_type {
    (same, $T:ty) => {
        $T
    };
    (bool, $T:ty) => {
        selion_core::B8
    };
    ($Out:ty, $T:ty) => {
        $Out
    };
}
pub(crate) use result_type;

/// Defines `fn $name(dtype) -> Option<Kernel>` from a table `[types] => result, |x| expression`.
macro_rules! unary_table {
    ($($name:ident: { $([$($T:ty),*] => $out:tt, |$x:ident| $body:expr;)* })*) => {$(
        fn $name(dtype: selion_core::DType) -> Option<$crate::program::loops::Kernel> {
            use $crate::program::loops::functor::{Map1, result_type, unary};
            struct Expression<T>(std::marker::PhantomData<T>);
            $($(
                impl Map1 for Expression<$T> {
                    type In = $T;
                    type Out = result_type!($out, $T);
                    #[inline(always)]
                    fn apply($x: $T) -> Self::Out { $body }
                }
                if dtype == <$T as selion_core::Element>::DTYPE {
                    return Some(unary::<Expression<$T>>);
                }
            )*)*
            None
        }
    )*};
}
pub(crate) use unary_table;

/// Defines `fn $name(dtype) -> Option<Kernel>` from a table `[types] => result, |a, b| expression`.
macro_rules! binary_table {
    ($($name:ident: { $([$($T:ty),*] => $out:tt, |$a:ident, $b:ident| $body:expr;)* })*) => {$(
        fn $name(dtype: selion_core::DType) -> Option<$crate::program::loops::Kernel> {
            use $crate::program::loops::functor::{Map2, binary, result_type};
            struct Expression<T>(std::marker::PhantomData<T>);
            $($(
                impl Map2 for Expression<$T> {
                    type Left = $T;
                    type Right = $T;
                    type Out = result_type!($out, $T);
                    #[inline(always)]
                    fn apply($a: $T, $b: $T) -> Self::Out { $body }
                }
                if dtype == <$T as selion_core::Element>::DTYPE {
                    return Some(binary::<Expression<$T>>);
                }
            )*)*
            None
        }
    )*};
}
pub(crate) use binary_table;
