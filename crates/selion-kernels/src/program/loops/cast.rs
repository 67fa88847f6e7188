//! Conversions between dtypes, as NumPy's `astype`: floats are truncated to integers (out of range saturates, NaN becomes
//! 0: C leaves it undefined), complex numbers lose their imaginary part, and units of time that differ by a fixed factor
//! are scaled, rounding down.

use std::marker::PhantomData;

use selion_core::{B8, DType, Element, c64, c128, f16, with_element};

use super::functor::{Arg, Kernel, LoopError, Map1, unary};

/// The loop that converts `from` to `to`, unless no fixed rule does (years to days).
pub(crate) fn cast_kernel(from: DType, to: DType) -> Option<Kernel> {
    if let (DType::DateTime(_) | DType::TimeDelta(_), DType::DateTime(_) | DType::TimeDelta(_)) = (from, to) {
        return None; // needs the factor: see `time_factor`
    }
    Some(with_element!(from, T => with_element!(to, U => unary::<Convert<T, U>>)))
}

struct Convert<T, U>(PhantomData<(T, U)>);

impl<T: Into<Plain<T>> + Element, U: Element> Map1 for Convert<T, U>
where
    Plain<T>: As<U>,
{
    type In = T;
    type Out = U;
    #[inline(always)]
    fn apply(x: T) -> U {
        Plain(x).convert()
    }
}

/// A number that knows how to become a `U`.
struct Plain<T>(T);

impl<T> From<T> for Plain<T> {
    fn from(value: T) -> Self {
        Plain(value)
    }
}

trait As<U> {
    fn convert(self) -> U;
}

macro_rules! real_to_real {
    ($($T:ty => $($U:ty),*;)*) => {$($(
        impl As<$U> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> $U { self.0 as $U }
        }
    )*)*};
}
real_to_real! {
    i8 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    i16 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    i32 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    i64 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    u8 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    u16 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    u32 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    u64 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    f32 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
    f64 => i8, i16, i32, i64, u8, u16, u32, u64, f32, f64;
}

macro_rules! real_and_special {
    ($($T:ty),*) => {$(
        impl As<B8> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> B8 { B8::from(self.0 != 0 as $T) }
        }
        impl As<f16> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> f16 { f16::from_f64(self.0 as f64) }
        }
        impl As<c64> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> c64 { c64::new(self.0 as f32, 0.0) }
        }
        impl As<c128> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> c128 { c128::new(self.0 as f64, 0.0) }
        }
        impl As<$T> for Plain<B8> {
            #[inline(always)]
            fn convert(self) -> $T { u8::from(self.0.get()) as $T }
        }
        impl As<$T> for Plain<f16> {
            #[inline(always)]
            fn convert(self) -> $T { self.0.to_f32() as $T }
        }
        impl As<$T> for Plain<c64> {
            #[inline(always)]
            fn convert(self) -> $T { self.0.re as $T }
        }
        impl As<$T> for Plain<c128> {
            #[inline(always)]
            fn convert(self) -> $T { self.0.re as $T }
        }
    )*};
}
real_and_special!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

macro_rules! special {
    ($($T:ty => $U:ty, |$x:ident| $body:expr;)*) => {$(
        impl As<$U> for Plain<$T> {
            #[inline(always)]
            fn convert(self) -> $U { let $x = self.0; $body }
        }
    )*};
}
special! {
    B8 => B8, |x| B8::from(x.get());
    B8 => f16, |x| if x.get() { f16::ONE } else { f16::ZERO };
    B8 => c64, |x| c64::new(f32::from(u8::from(x.get())), 0.0);
    B8 => c128, |x| c128::new(f64::from(u8::from(x.get())), 0.0);
    f16 => B8, |x| B8::from(x != f16::ZERO);
    f16 => f16, |x| x;
    f16 => c64, |x| c64::new(x.to_f32(), 0.0);
    f16 => c128, |x| c128::new(x.to_f64(), 0.0);
    c64 => B8, |z| B8::from(z.re != 0.0 || z.im != 0.0);
    c64 => f16, |z| f16::from_f32(z.re);
    c64 => c64, |z| z;
    c64 => c128, |z| c128::new(f64::from(z.re), f64::from(z.im));
    c128 => B8, |z| B8::from(z.re != 0.0 || z.im != 0.0);
    c128 => f16, |z| f16::from_f64(z.re);
    c128 => c64, |z| c64::new(z.re as f32, z.im as f32);
    c128 => c128, |z| z;
}

/// How a time of one unit becomes another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFactor {
    Multiply(i64),
    Divide(i64),
}

/// The factor between two units of time, where there is a fixed one.
pub(crate) fn time_factor(from: DType, to: DType) -> Option<TimeFactor> {
    let unit = |dtype| match dtype {
        DType::DateTime(unit) | DType::TimeDelta(unit) => Some(unit),
        _ => None,
    };
    let (from, to) = (unit(from)?, unit(to)?);
    if from == to || from == selion_core::TimeUnit::Generic {
        return Some(TimeFactor::Multiply(1));
    }
    from.per(to).map(TimeFactor::Multiply).or_else(|| to.per(from).map(TimeFactor::Divide))
}

/// Scales a tile of times.
pub(crate) fn scale_time(arg: Arg<'_>, factor: TimeFactor, out: &mut [u8]) -> Result<(), LoopError> {
    let scale = |x: i64| match factor {
        _ if x == i64::MIN => x,
        TimeFactor::Multiply(factor) => x.wrapping_mul(factor),
        TimeFactor::Divide(factor) => x.div_euclid(factor),
    };
    let out: &mut [i64] = bytemuck::cast_slice_mut(out);
    match arg {
        Arg::Tile(x) => out.iter_mut().zip(bytemuck::cast_slice(x)).for_each(|(out, x)| *out = scale(*x)),
        Arg::Scalar(x) => out.fill(scale(x.get())),
    }
    Ok(())
}
