//! Complex functions with the branch cuts, signed zeros and infinities of C99, annex G, as NumPy has them.
//!
//! All in `f64`; `c64` is computed in it and rounded. Inverse functions follow W. Kahan, "Branch cuts for complex
//! elementary functions, or much ado about nothing's sign bit" (1987). The circular functions are the hyperbolic ones
//! turned by a quarter: `f(z) = -i g(iz)`.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, LN_10, PI};

use selion_core::c128;

type C = c128;

/// `i z`.
#[inline]
fn turn(z: C) -> C {
    C::new(-z.im, z.re)
}

/// `-i z`.
#[inline]
fn turn_back(z: C) -> C {
    C::new(z.im, -z.re)
}

/// `z / |z|`; along an axis for one infinite part, NaN for two.
pub(super) fn sign(z: C) -> C {
    let size = z.re.hypot(z.im);
    if z.re.is_nan() || z.im.is_nan() || (z.re.is_infinite() && z.im.is_infinite()) {
        C::new(f64::NAN, f64::NAN)
    } else if z.re.is_infinite() {
        C::new(z.re.signum(), 0.0)
    } else if z.im.is_infinite() {
        C::new(0.0, z.im.signum())
    } else if size == 0.0 {
        C::new(0.0, 0.0)
    } else {
        C::new(z.re / size, z.im / size)
    }
}

pub(super) fn exp(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.exp(), y);
    }
    if !y.is_finite() {
        return match x {
            f64::NEG_INFINITY => C::new(0.0, 0.0),
            f64::INFINITY => C::new(x, f64::NAN),
            _ => C::new(f64::NAN, f64::NAN),
        };
    }
    let (sin, cos) = y.sin_cos();
    if x > 700.0 {
        // In two steps: the exponential may overflow where its product with a small sine does not.
        let half = (x / 2.0).exp();
        return C::new(half * cos * half, half * sin * half);
    }
    let size = x.exp();
    C::new(size * cos, size * sin)
}

pub(super) fn exp2(z: C) -> C {
    exp(C::new(z.re * LN_2, z.im * LN_2))
}

pub(super) fn expm1(z: C) -> C {
    let half = (z.im / 2.0).sin();
    C::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}

pub(super) fn log(z: C) -> C {
    let (large, small) = (z.re.abs().max(z.im.abs()), z.re.abs().min(z.im.abs()));
    let size = z.re.hypot(z.im);
    // Near the unit circle the logarithm of the rounded size would have no digits left.
    let re = if (0.5..2.0).contains(&size) && large < 2.0 {
        ((large - 1.0) * (large + 1.0) + small * small).ln_1p() / 2.0
    } else if size == f64::INFINITY && large.is_finite() {
        (z.re / 4.0).hypot(z.im / 4.0).ln() + 2.0 * LN_2
    } else {
        size.ln()
    };
    C::new(re, z.im.atan2(z.re))
}

pub(super) fn log2(z: C) -> C {
    let result = log(z);
    C::new(result.re / LN_2, result.im / LN_2)
}

pub(super) fn log10(z: C) -> C {
    let result = log(z);
    C::new(result.re / LN_10, result.im / LN_10)
}

pub(super) fn log1p(z: C) -> C {
    C::new((z.re + 1.0).hypot(z.im).ln(), z.im.atan2(z.re + 1.0))
}

pub(super) fn power(a: C, b: C) -> C {
    if b.re == 0.0 && b.im == 0.0 {
        return C::new(1.0, 0.0);
    }
    if a.re == 0.0 && a.im == 0.0 {
        let value = if b.re > 0.0 { 0.0 } else { f64::NAN };
        return C::new(value, value);
    }
    exp(b * log(a))
}

pub(super) fn sqrt(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y.is_infinite() {
        return C::new(f64::INFINITY, y);
    }
    if x.is_nan() {
        return C::new(x, f64::NAN);
    }
    if x == f64::INFINITY {
        return C::new(x, if y.is_nan() { y } else { 0.0_f64.copysign(y) });
    }
    if x == f64::NEG_INFINITY {
        return C::new(if y.is_nan() { y } else { 0.0 }, f64::INFINITY.copysign(y));
    }
    if y.is_nan() {
        return C::new(y, y);
    }
    if x == 0.0 && y == 0.0 {
        return C::new(0.0, y);
    }
    let large = x.abs().max(y.abs());
    // Powers of four, so that the scale has an exact root.
    let (scale, root) = if large > 1e300 {
        (2.0_f64.powi(-4), 4.0)
    } else if large < 1e-290 {
        (2.0_f64.powi(108), 2.0_f64.powi(-54))
    } else {
        (1.0, 1.0)
    };
    let (x, y) = (x * scale, y * scale);
    let t = ((x.abs() + x.hypot(y)) / 2.0).sqrt();
    let (re, im) = if x >= 0.0 { (t, y / (2.0 * t)) } else { (y.abs() / (2.0 * t), t.copysign(y)) };
    C::new(re * root, im * root)
}

pub(super) fn sinh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.sinh(), y);
    }
    if !y.is_finite() {
        let re = if x == 0.0 || x.is_infinite() { x } else { f64::NAN };
        return C::new(re, f64::NAN);
    }
    let (sin, cos) = y.sin_cos();
    if x.abs() > 700.0 {
        let half = (x.abs() / 2.0).exp();
        return C::new((half * cos / 2.0 * half).copysign(cos * x.signum()), half * sin / 2.0 * half);
    }
    C::new(x.sinh() * cos, x.cosh() * sin)
}

pub(super) fn cosh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.cosh(), 0.0_f64.copysign(x) * y);
    }
    if !y.is_finite() {
        if x.is_infinite() {
            return C::new(f64::INFINITY, f64::NAN);
        }
        return C::new(f64::NAN, if x == 0.0 { 0.0_f64.copysign(x) } else { f64::NAN });
    }
    let (sin, cos) = y.sin_cos();
    if x.abs() > 700.0 {
        let half = (x.abs() / 2.0).exp();
        return C::new(half * cos / 2.0 * half, half * sin / 2.0 * half * x.signum());
    }
    C::new(x.cosh() * cos, x.sinh() * sin)
}

pub(super) fn tanh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if x.is_infinite() {
        let im = if y.is_finite() { y.sin() * y.cos() } else { y };
        return C::new(1.0_f64.copysign(x), 0.0_f64.copysign(im));
    }
    if x.is_nan() {
        return C::new(x, if y == 0.0 { y } else { f64::NAN });
    }
    if !y.is_finite() {
        return C::new(if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    if x.abs() > 22.0 {
        return C::new(1.0_f64.copysign(x), 4.0 * y.sin() * y.cos() * (-2.0 * x.abs()).exp());
    }
    let (t, s) = (y.tan(), x.sinh());
    let beta = 1.0 + t * t;
    let denominator = 1.0 + beta * s * s;
    C::new(beta * (1.0 + s * s).sqrt() * s / denominator, t / denominator)
}

pub(super) fn sin(z: C) -> C {
    turn_back(sinh(turn(z)))
}

pub(super) fn cos(z: C) -> C {
    cosh(turn(z))
}

pub(super) fn tan(z: C) -> C {
    turn_back(tanh(turn(z)))
}

/// The roots of `1 - z` and `1 + z`.
fn roots(z: C) -> (C, C) {
    (sqrt(C::new(1.0 - z.re, -z.im)), sqrt(C::new(1.0 + z.re, z.im)))
}

fn finite_arcsin(z: C) -> C {
    let (minus, plus) = roots(z);
    let re = z.re.atan2(minus.re * plus.re - minus.im * plus.im);
    C::new(re, real_arcsinh(minus.re * plus.im - minus.im * plus.re).copysign(z.im))
}

/// Without the overflow of `2 x`.
fn real_arcsinh(x: f64) -> f64 {
    if x.abs() > 1e300 { (x.abs().ln() + LN_2).copysign(x) } else { x.asinh() }
}

pub(super) fn arccos(z: C) -> C {
    let (x, y) = (z.re, z.im);
    let far = -f64::INFINITY.copysign(y);
    if x.is_nan() {
        return C::new(x, if y.is_infinite() { far } else { f64::NAN });
    }
    if y.is_nan() {
        return match x {
            _ if x.is_infinite() => C::new(y, f64::NEG_INFINITY),
            0.0 => C::new(FRAC_PI_2, y),
            _ => C::new(y, y),
        };
    }
    if y.is_infinite() {
        let re = if x.is_finite() { FRAC_PI_2 } else { FRAC_PI_2 - FRAC_PI_4.copysign(x) };
        return C::new(re, far);
    }
    if x.is_infinite() {
        return C::new(if x > 0.0 { 0.0 } else { PI }, far);
    }
    let (minus, plus) = roots(z);
    let re = 2.0 * minus.re.atan2(plus.re);
    C::new(re, real_arcsinh(plus.re * minus.im - plus.im * minus.re).copysign(-y))
}

pub(super) fn arccosh(z: C) -> C {
    let turned = arccos(z);
    C::new(turned.im.abs(), turned.re.copysign(z.im))
}

pub(super) fn arcsinh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if x.is_infinite() {
        let im = match y {
            _ if y.is_nan() => y,
            _ if y.is_infinite() => FRAC_PI_4.copysign(y),
            _ => 0.0_f64.copysign(y),
        };
        return C::new(x, im);
    }
    if x.is_nan() {
        return match y {
            0.0 => C::new(x, y),
            _ if y.is_infinite() => C::new(f64::INFINITY, x),
            _ => C::new(x, x),
        };
    }
    if y.is_infinite() {
        return C::new(f64::INFINITY.copysign(x), FRAC_PI_2.copysign(y));
    }
    if y.is_nan() {
        return C::new(y, y);
    }
    turn(finite_arcsin(turn_back(z)))
}

pub(super) fn arcsin(z: C) -> C {
    turn_back(arcsinh(turn(z)))
}

pub(super) fn arctanh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if x.is_infinite() {
        return C::new(0.0_f64.copysign(x), if y.is_nan() { y } else { FRAC_PI_2.copysign(y) });
    }
    if y.is_infinite() {
        return C::new(0.0_f64.copysign(x), FRAC_PI_2.copysign(y));
    }
    if x.is_nan() || y.is_nan() {
        return C::new(if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    let (ax, size) = (x.abs(), x.hypot(y));
    if size > 1e150 {
        return C::new(x / size / size, FRAC_PI_2.copysign(y));
    }
    if y == 0.0 && ax == 1.0 {
        return C::new(f64::INFINITY.copysign(x), y);
    }
    let re = (4.0 * ax / ((1.0 - ax) * (1.0 - ax) + y * y)).ln_1p() / 4.0;
    let im = (2.0 * y).atan2((1.0 - ax) * (1.0 + ax) - y * y) / 2.0;
    C::new(re.copysign(x), im)
}

pub(super) fn arctan(z: C) -> C {
    turn_back(arctanh(turn(z)))
}
