//! Complex arithmetic and functions, element by element.

use selion_core::{DType, c64, c128};

use super::Op;
use super::complex_functions as functions;
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

macro_rules! reciprocals {
    ($($name:ident, $C:ty;)*) => {$(
        /// `1 / z` by the same algorithm; NaN for zero.
        #[inline(always)]
        fn $name(z: $C) -> $C {
            if z.im.abs() <= z.re.abs() {
                let ratio = z.im / z.re;
                let divisor = z.re + z.im * ratio;
                <$C>::new(1.0 / divisor, -ratio / divisor)
            } else {
                let ratio = z.re / z.im;
                let divisor = z.re * ratio + z.im;
                <$C>::new(ratio / divisor, -1.0 / divisor)
            }
        }
    )*};
}
reciprocals! { reciprocal_c64, c64; reciprocal_c128, c128; }

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

/// Whether a power is a short product, which keeps exact results exact.
macro_rules! is_small_integer {
    ($a:ident, $b:ident) => {
        $b.im == 0.0 && $b.re.fract() == 0.0 && $b.re.abs() < 100.0 && ($a.re != 0.0 || $a.im != 0.0)
    };
}

fn wide(z: c64) -> c128 {
    c128::new(f64::from(z.re), f64::from(z.im))
}

fn narrow(z: c128) -> c64 {
    c64::new(z.re as f32, z.im as f32)
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
        [c64] => same, |a, b| if is_small_integer!(a, b) { a.powi(b.re as i32) } else { narrow(functions::power(wide(a), wide(b))) };
        [c128] => same, |a, b| if is_small_integer!(a, b) { a.powi(b.re as i32) } else { functions::power(a, b) };
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
        [c64] => same, |z| narrow(functions::sign(wide(z)));
        [c128] => same, |z| functions::sign(z);
    }
    square: { [c64, c128] => same, |z| z * z; }
    reciprocal: {
        [c64] => same, |z| reciprocal_c64(z);
        [c128] => same, |z| reciprocal_c128(z);
    }
    rint: {
        [c64] => same, |z| c64::new(z.re.round_ties_even(), z.im.round_ties_even());
        [c128] => same, |z| c128::new(z.re.round_ties_even(), z.im.round_ties_even());
    }
    sqrt: {
        [c64] => same, |z| narrow(functions::sqrt(wide(z)));
        [c128] => same, |z| functions::sqrt(z);
    }
    exp: {
        [c64] => same, |z| narrow(functions::exp(wide(z)));
        [c128] => same, |z| functions::exp(z);
    }
    exp2: {
        [c64] => same, |z| narrow(functions::exp2(wide(z)));
        [c128] => same, |z| functions::exp2(z);
    }
    expm1: {
        [c64] => same, |z| narrow(functions::expm1(wide(z)));
        [c128] => same, |z| functions::expm1(z);
    }
    log: {
        [c64] => same, |z| narrow(functions::log(wide(z)));
        [c128] => same, |z| functions::log(z);
    }
    log2: {
        [c64] => same, |z| narrow(functions::log2(wide(z)));
        [c128] => same, |z| functions::log2(z);
    }
    log10: {
        [c64] => same, |z| narrow(functions::log10(wide(z)));
        [c128] => same, |z| functions::log10(z);
    }
    log1p: {
        [c64] => same, |z| narrow(functions::log1p(wide(z)));
        [c128] => same, |z| functions::log1p(z);
    }
    sin: {
        [c64] => same, |z| narrow(functions::sin(wide(z)));
        [c128] => same, |z| functions::sin(z);
    }
    cos: {
        [c64] => same, |z| narrow(functions::cos(wide(z)));
        [c128] => same, |z| functions::cos(z);
    }
    tan: {
        [c64] => same, |z| narrow(functions::tan(wide(z)));
        [c128] => same, |z| functions::tan(z);
    }
    arcsin: {
        [c64] => same, |z| narrow(functions::arcsin(wide(z)));
        [c128] => same, |z| functions::arcsin(z);
    }
    arccos: {
        [c64] => same, |z| narrow(functions::arccos(wide(z)));
        [c128] => same, |z| functions::arccos(z);
    }
    arctan: {
        [c64] => same, |z| narrow(functions::arctan(wide(z)));
        [c128] => same, |z| functions::arctan(z);
    }
    sinh: {
        [c64] => same, |z| narrow(functions::sinh(wide(z)));
        [c128] => same, |z| functions::sinh(z);
    }
    cosh: {
        [c64] => same, |z| narrow(functions::cosh(wide(z)));
        [c128] => same, |z| functions::cosh(z);
    }
    tanh: {
        [c64] => same, |z| narrow(functions::tanh(wide(z)));
        [c128] => same, |z| functions::tanh(z);
    }
    arcsinh: {
        [c64] => same, |z| narrow(functions::arcsinh(wide(z)));
        [c128] => same, |z| functions::arcsinh(z);
    }
    arccosh: {
        [c64] => same, |z| narrow(functions::arccosh(wide(z)));
        [c128] => same, |z| functions::arccosh(z);
    }
    arctanh: {
        [c64] => same, |z| narrow(functions::arctanh(wide(z)));
        [c128] => same, |z| functions::arctanh(z);
    }
}
