//! Complex arithmetic and functions, element by element.

use selion_core::{DType, c64, c128};

use super::Op;
use super::functor::{Kernel, binary_table, unary_table};

pub(super) fn kernel(op: Op, dtype: DType) -> Option<Kernel> {
    match op {
        Op::Add => add(dtype),
        Op::Subtract => subtract(dtype),
        Op::Multiply => multiply(dtype),
        Op::Divide => divide(dtype),
        Op::Power | Op::FloatPower => power(dtype),
        Op::Maximum => maximum(dtype),
        Op::Minimum => minimum(dtype),
        Op::Fmax => fmax(dtype),
        Op::Fmin => fmin(dtype),
        Op::Negative => negative(dtype),
        Op::Positive => positive(dtype),
        Op::Conjugate => conjugate(dtype),
        Op::Real => real(dtype),
        Op::Imag => imag(dtype),
        Op::Absolute => absolute(dtype),
        Op::Sign => sign(dtype),
        Op::Square => square(dtype),
        Op::Reciprocal => reciprocal(dtype),
        Op::Rint => rint(dtype),
        Op::Sqrt => sqrt(dtype),
        Op::Exp => exp(dtype),
        Op::Exp2 => exp2(dtype),
        Op::Expm1 => expm1(dtype),
        Op::Log => log(dtype),
        Op::Log2 => log2(dtype),
        Op::Log10 => log10(dtype),
        Op::Log1p => log1p(dtype),
        Op::Sin => sin(dtype),
        Op::Cos => cos(dtype),
        Op::Tan => tan(dtype),
        Op::Arcsin => arcsin(dtype),
        Op::Arccos => arccos(dtype),
        Op::Arctan => arctan(dtype),
        Op::Sinh => sinh(dtype),
        Op::Cosh => cosh(dtype),
        Op::Tanh => tanh(dtype),
        Op::Arcsinh => arcsinh(dtype),
        Op::Arccosh => arccosh(dtype),
        Op::Arctanh => arctanh(dtype),
        _ => None,
    }
}

macro_rules! quotients {
    ($($name:ident, $C:ty;)*) => {$(
        /// `a / b` by Smith's algorithm, which does not overflow where the result does not (CACM 5, 1962, algorithm 116).
        #[inline(always)]
        fn $name(a: $C, b: $C) -> $C {
            if b.re.abs() >= b.im.abs() {
                if b.re == 0.0 && b.im == 0.0 {
                    return <$C>::new(a.re / b.re.abs(), a.im / b.re.abs());
                }
                let ratio = b.im / b.re;
                let scale = 1.0 / (b.re + b.im * ratio);
                <$C>::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
            } else {
                let ratio = b.re / b.im;
                let scale = 1.0 / (b.im + b.re * ratio);
                <$C>::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
            }
        }
    )*};
}
quotients! { quotient_c64, c64; quotient_c128, c128; }

/// Whether `a` is not before `b`: real parts decide, then imaginary parts.
macro_rules! at_least {
    ($a:ident, $b:ident) => {
        if $a.re == $b.re { $a.im >= $b.im } else { $a.re >= $b.re }
    };
}

macro_rules! has_nan {
    ($z:ident) => {
        ($z.re.is_nan() || $z.im.is_nan())
    };
}

binary_table! {
    add: { [c64, c128] => same, |a, b| a + b; }
    subtract: { [c64, c128] => same, |a, b| a - b; }
    multiply: { [c64, c128] => same, |a, b| a * b; }
    divide: {
        [c64] => same, |a, b| quotient_c64(a, b);
        [c128] => same, |a, b| quotient_c128(a, b);
    }
    power: {
        [c64, c128] => same, |a, b| {
            if b.im == 0.0 && b.re.fract() == 0.0 && b.re.abs() < 100.0 { a.powi(b.re as i32) } else { a.powc(b) }
        };
    }
    maximum: { [c64, c128] => same, |a, b| if has_nan!(a) || (!has_nan!(b) && at_least!(a, b)) { a } else { b }; }
    minimum: { [c64, c128] => same, |a, b| if has_nan!(a) || (!has_nan!(b) && at_least!(b, a)) { a } else { b }; }
    fmax: { [c64, c128] => same, |a, b| if has_nan!(b) || (!has_nan!(a) && at_least!(a, b)) { a } else { b }; }
    fmin: { [c64, c128] => same, |a, b| if has_nan!(b) || (!has_nan!(a) && at_least!(b, a)) { a } else { b }; }
}

unary_table! {
    negative: { [c64, c128] => same, |z| -z; }
    positive: { [c64, c128] => same, |z| z; }
    conjugate: { [c64, c128] => same, |z| z.conj(); }
    real: {
        [c64] => f32, |z| z.re;
        [c128] => f64, |z| z.re;
    }
    imag: {
        [c64] => f32, |z| z.im;
        [c128] => f64, |z| z.im;
    }
    absolute: {
        [c64] => f32, |z| z.re.hypot(z.im);
        [c128] => f64, |z| z.re.hypot(z.im);
    }
    sign: {
        [c64, c128] => same, |z| if z.re == 0.0 && z.im == 0.0 { z } else { z / z.re.hypot(z.im) };
    }
    square: { [c64, c128] => same, |z| z * z; }
    reciprocal: {
        [c64] => same, |z| quotient_c64(c64::new(1.0, 0.0), z);
        [c128] => same, |z| quotient_c128(c128::new(1.0, 0.0), z);
    }
    rint: {
        [c64] => same, |z| c64::new(z.re.round_ties_even(), z.im.round_ties_even());
        [c128] => same, |z| c128::new(z.re.round_ties_even(), z.im.round_ties_even());
    }
    sqrt: { [c64, c128] => same, |z| z.sqrt(); }
    exp: { [c64, c128] => same, |z| z.exp(); }
    exp2: { [c64, c128] => same, |z| z.exp2(); }
    expm1: { [c64, c128] => same, |z| z.exp() - 1.0; }
    log: { [c64, c128] => same, |z| z.ln(); }
    log2: { [c64, c128] => same, |z| z.log2(); }
    log10: { [c64, c128] => same, |z| z.log10(); }
    log1p: { [c64, c128] => same, |z| (z + 1.0).ln(); }
    sin: { [c64, c128] => same, |z| z.sin(); }
    cos: { [c64, c128] => same, |z| z.cos(); }
    tan: { [c64, c128] => same, |z| z.tan(); }
    arcsin: { [c64, c128] => same, |z| z.asin(); }
    arccos: { [c64, c128] => same, |z| z.acos(); }
    arctan: { [c64, c128] => same, |z| z.atan(); }
    sinh: { [c64, c128] => same, |z| z.sinh(); }
    cosh: { [c64, c128] => same, |z| z.cosh(); }
    tanh: { [c64, c128] => same, |z| z.tanh(); }
    arcsinh: { [c64, c128] => same, |z| z.asinh(); }
    arccosh: { [c64, c128] => same, |z| z.acosh(); }
    arctanh: { [c64, c128] => same, |z| z.atanh(); }
}
