//! Arithmetic on booleans, integers and real floats. Integers wrap, and give 0 when divided by 0, as NumPy's do.

use selion_core::{B8, DType, f16};

use super::functor::{Kernel, LoopError, binary_table, unary_table};
use super::{Arg, Op};

pub(super) fn kernel(op: Op, dtype: DType) -> Option<Kernel> {
    match op {
        Op::Add => add(dtype),
        Op::Subtract => subtract(dtype),
        Op::Multiply => multiply(dtype),
        Op::Divide => divide(dtype),
        Op::FloorDivide => floor_divide(dtype),
        Op::Remainder => remainder(dtype),
        Op::Fmod => fmod(dtype),
        Op::Power => power(dtype),
        Op::Maximum => maximum(dtype),
        Op::Minimum => minimum(dtype),
        Op::Fmax => fmax(dtype),
        Op::Fmin => fmin(dtype),
        Op::BitwiseAnd => bitwise_and(dtype),
        Op::BitwiseOr => bitwise_or(dtype),
        Op::BitwiseXor => bitwise_xor(dtype),
        Op::LeftShift => left_shift(dtype),
        Op::RightShift => right_shift(dtype),
        Op::Negative => negative(dtype),
        Op::Positive | Op::Conjugate | Op::Real => copy(dtype),
        Op::Imag => zero(dtype),
        Op::Absolute => absolute(dtype),
        Op::Sign => sign(dtype),
        Op::Square => square(dtype),
        Op::Reciprocal => reciprocal(dtype),
        Op::Invert => invert(dtype),
        Op::Floor => floor(dtype),
        Op::Ceil => ceil(dtype),
        Op::Trunc => trunc(dtype),
        _ => None,
    }
}

/// Half floats are computed as `f32` and rounded once.
#[inline(always)]
fn half(x: f32) -> f16 {
    f16::from_f32(x)
}

binary_table! {
    add: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.wrapping_add(b);
        [f32, f64] => same, |a, b| a + b;
        [f16] => same, |a, b| half(a.to_f32() + b.to_f32());
        [B8] => same, |a, b| B8::from(a.get() | b.get());
    }
    subtract: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.wrapping_sub(b);
        [f32, f64] => same, |a, b| a - b;
        [f16] => same, |a, b| half(a.to_f32() - b.to_f32());
    }
    multiply: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.wrapping_mul(b);
        [f32, f64] => same, |a, b| a * b;
        [f16] => same, |a, b| half(a.to_f32() * b.to_f32());
        [B8] => same, |a, b| B8::from(a.get() & b.get());
    }
    divide: {
        [f32, f64] => same, |a, b| a / b;
        [f16] => same, |a, b| half(a.to_f32() / b.to_f32());
    }
    floor_divide: {
        [i8, i16, i32, i64] => same, |a, b| if b == 0 { 0 } else {
            let quotient = a.wrapping_div(b);
            if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
        };
        [u8, u16, u32, u64] => same, |a, b| a.checked_div(b).unwrap_or(0);
        [f32] => same, |a, b| floor_divide_f64(f64::from(a), f64::from(b)) as f32;
        [f64] => same, |a, b| floor_divide_f64(a, b);
        [f16] => same, |a, b| f16::from_f64(floor_divide_f64(a.to_f64(), b.to_f64()));
    }
    remainder: {
        [i8, i16, i32, i64] => same, |a, b| if b == 0 { 0 } else {
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        };
        [u8, u16, u32, u64] => same, |a, b| a.checked_rem(b).unwrap_or(0);
        [f32] => same, |a, b| remainder_f64(f64::from(a), f64::from(b)) as f32;
        [f64] => same, |a, b| remainder_f64(a, b);
        [f16] => same, |a, b| f16::from_f64(remainder_f64(a.to_f64(), b.to_f64()));
    }
    fmod: {
        [i8, i16, i32, i64] => same, |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) };
        [u8, u16, u32, u64] => same, |a, b| a.checked_rem(b).unwrap_or(0);
        [f32, f64] => same, |a, b| a % b;
        [f16] => same, |a, b| half(a.to_f32() % b.to_f32());
    }
    maximum: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.max(b);
        [f32, f64] => same, |a, b| if a >= b || a.is_nan() { a } else { b };
        [f16] => same, |a, b| if a >= b || a.is_nan() { a } else { b };
        [B8] => same, |a, b| B8::from(a.get() | b.get());
    }
    minimum: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.min(b);
        [f32, f64] => same, |a, b| if a <= b || a.is_nan() { a } else { b };
        [f16] => same, |a, b| if a <= b || a.is_nan() { a } else { b };
        [B8] => same, |a, b| B8::from(a.get() & b.get());
    }
    fmax: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.max(b);
        [f32, f64] => same, |a, b| if a >= b || b.is_nan() { a } else { b };
        [f16] => same, |a, b| if a >= b || b.is_nan() { a } else { b };
        [B8] => same, |a, b| B8::from(a.get() | b.get());
    }
    fmin: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a.min(b);
        [f32, f64] => same, |a, b| if a <= b || b.is_nan() { a } else { b };
        [f16] => same, |a, b| if a <= b || b.is_nan() { a } else { b };
        [B8] => same, |a, b| B8::from(a.get() & b.get());
    }
    bitwise_and: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a & b;
        [B8] => same, |a, b| B8::from(a.get() & b.get());
    }
    bitwise_or: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a | b;
        [B8] => same, |a, b| B8::from(a.get() | b.get());
    }
    bitwise_xor: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |a, b| a ^ b;
        [B8] => same, |a, b| B8::from(a.get() ^ b.get());
    }
    left_shift: {
        [i8, i16, i32, i64] => same, |a, b| if (b as u64) < u64::from(a.count_zeros() + a.count_ones()) { a << b } else { 0 };
        [u8, u16, u32, u64] => same, |a, b| if (b as u64) < u64::from(a.count_zeros() + a.count_ones()) { a << b } else { 0 };
    }
    right_shift: {
        [i8, i16, i32, i64] => same, |a, b| if (b as u64) < u64::from(a.count_zeros() + a.count_ones()) { a >> b } else if a < 0 { -1 } else { 0 };
        [u8, u16, u32, u64] => same, |a, b| if (b as u64) < u64::from(a.count_zeros() + a.count_ones()) { a >> b } else { 0 };
    }
}

unary_table! {
    negative: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |x| x.wrapping_neg();
        [f32, f64] => same, |x| -x;
        [f16] => same, |x| -x;
    }
    copy: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, B8] => same, |x| x;
    }
    zero: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |_x| 0;
        [f32, f64] => same, |_x| 0.0;
        [f16] => same, |_x| f16::ZERO;
        [B8] => same, |_x| B8(0);
    }
    absolute: {
        [i8, i16, i32, i64] => same, |x| x.wrapping_abs();
        [u8, u16, u32, u64, B8] => same, |x| x;
        [f32, f64] => same, |x| x.abs();
        [f16] => same, |x| f16::from_bits(x.to_bits() & 0x7fff);
    }
    sign: {
        [i8, i16, i32, i64] => same, |x| x.signum();
        [u8, u16, u32, u64] => same, |x| x.min(1);
        [f32, f64] => same, |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x };
        [f16] => same, |x| if x > f16::ZERO { f16::ONE } else if x < f16::ZERO { -f16::ONE } else { x };
    }
    square: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |x| x.wrapping_mul(x);
        [f32, f64] => same, |x| x * x;
        [f16] => same, |x| half(x.to_f32() * x.to_f32());
    }
    reciprocal: {
        [i8, i16, i32, i64] => same, |x| if x == 1 || x == -1 { x } else { 0 };
        [u8, u16, u32, u64] => same, |x| if x == 1 { 1 } else { 0 };
        [f32, f64] => same, |x| 1.0 / x;
        [f16] => same, |x| half(1.0 / x.to_f32());
    }
    invert: {
        [i8, i16, i32, i64, u8, u16, u32, u64] => same, |x| !x;
        [B8] => same, |x| B8::from(!x.get());
    }
    floor: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => same, |x| x;
        [f32, f64] => same, |x| x.floor();
        [f16] => same, |x| half(x.to_f32().floor());
    }
    ceil: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => same, |x| x;
        [f32, f64] => same, |x| x.ceil();
        [f16] => same, |x| half(x.to_f32().ceil());
    }
    trunc: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => same, |x| x;
        [f32, f64] => same, |x| x.trunc();
        [f16] => same, |x| half(x.to_f32().trunc());
    }
}

/// Python's `//` for floats: the quotient goes with [`remainder_f64`], also where rounding would part them.
#[inline(always)]
fn floor_divide_f64(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// Python's `%` for floats: the result has the sign of the divisor.
#[inline(always)]
fn remainder_f64(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if b == 0.0 || rest.is_nan() {
        rest
    } else if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (b < 0.0) != (rest < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// Integer powers need a look at the exponents first; powers of floats are in [`super::float`].
fn power(dtype: DType) -> Option<Kernel> {
    fn whole<T: selion_core::Element + Power>(args: &[Arg<'_>], out: &mut [u8]) -> Result<(), LoopError> {
        let get = |arg: &Arg<'_>, k: usize| match arg {
            Arg::Tile(bytes) => bytemuck::cast_slice::<_, T>(bytes)[k],
            Arg::Scalar(value) => value.get(),
        };
        for (k, out) in bytemuck::cast_slice_mut::<_, T>(out).iter_mut().enumerate() {
            *out = get(&args[0], k).power(get(&args[1], k)).ok_or(LoopError::NegativePower)?;
        }
        Ok(())
    }
    Some(match dtype {
        DType::I8 => whole::<i8>,
        DType::I16 => whole::<i16>,
        DType::I32 => whole::<i32>,
        DType::I64 => whole::<i64>,
        DType::U8 => whole::<u8>,
        DType::U16 => whole::<u16>,
        DType::U32 => whole::<u32>,
        DType::U64 => whole::<u64>,
        _ => return None,
    })
}

trait Power: Sized {
    /// `self ** exponent`, wrapping; `None` for a negative exponent.
    fn power(self, exponent: Self) -> Option<Self>;
}

macro_rules! powers {
    ($($T:ty),*) => {$(
        impl Power for $T {
            fn power(self, exponent: Self) -> Option<Self> {
                let mut exponent = u64::try_from(exponent).ok()?;
                let (mut base, mut result): (Self, Self) = (self, 1);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                Some(result)
            }
        }
    )*};
}
powers!(i8, i16, i32, i64, u8, u16, u32, u64);
