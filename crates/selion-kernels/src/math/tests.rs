//! Compares every function with the C library's (itself within 1 or 2 ulp) on random and on special arguments.

use super::*;
use std::f64::consts::{LN_2, LOG2_E};

/// C's functions, where Rust's standard library has its own, less accurate ones.
mod c {
    unsafe extern "C" {
        safe fn asinh(x: f64) -> f64;
        safe fn acosh(x: f64) -> f64;
        safe fn atanh(x: f64) -> f64;
    }
    pub(super) fn arcsinh(x: f64) -> f64 {
        asinh(x)
    }
    pub(super) fn arccosh(x: f64) -> f64 {
        acosh(x)
    }
    pub(super) fn arctanh(x: f64) -> f64 {
        atanh(x)
    }
}

type Unary = (&'static str, fn(&[f64], &mut [f64]), fn(&[f32], &mut [f32]), fn(f64) -> f64, &'static [(f64, f64)]);
type Binary = (
    &'static str,
    fn(&[f64], &[f64], &mut [f64]),
    fn(&[f32], &[f32], &mut [f32]),
    fn(f64, f64) -> f64,
    [(f64, f64); 2],
);

/// Name, functions, reference, ranges of arguments.
const UNARY: &[Unary] = &[
    ("exp", exp_f64, exp_f32, f64::exp, &[(-745.2, 709.8), (-1.0, 1.0), (-104.0, 89.0)]),
    ("exp2", exp2_f64, exp2_f32, f64::exp2, &[(-1075.0, 1024.0), (-1.0, 1.0), (-150.0, 128.0)]),
    ("expm1", expm1_f64, expm1_f32, f64::exp_m1, &[(-60.0, 709.8), (-1.1, 1.1), (-1e-8, 1e-8), (-3.0, 89.0)]),
    ("log", log_f64, log_f32, f64::ln, &[(0.0, 1e300), (0.5, 2.0), (0.99, 1.01), (0.0, 1e-307), (0.0, 1e-310)]),
    ("log2", log2_f64, log2_f32, f64::log2, &[(0.0, 1e300), (0.5, 2.0), (0.99, 1.01), (0.0, 1e-307), (0.0, 1e-310)]),
    ("log10", log10_f64, log10_f32, f64::log10, &[(0.0, 1e300), (0.5, 2.0), (0.99, 1.01), (0.0, 1e-307)]),
    ("log1p", log1p_f64, log1p_f32, f64::ln_1p, &[(-1.0, 1.0), (-0.01, 0.01), (0.0, 1e300), (0.0, 100.0)]),
    ("sin", sin_f64, sin_f32, f64::sin, &[(-7.0, 7.0), (-1e3, 1e3), (-1e6, 1e6), (-1e300, 1e300)]),
    ("cos", cos_f64, cos_f32, f64::cos, &[(-7.0, 7.0), (-1e3, 1e3), (-1e6, 1e6), (-1e300, 1e300)]),
    ("tan", tan_f64, tan_f32, f64::tan, &[(-7.0, 7.0), (-1e3, 1e3), (-1e6, 1e6), (-1e300, 1e300)]),
    ("arcsin", arcsin_f64, arcsin_f32, f64::asin, &[(-1.0, 1.0), (-0.01, 0.01), (0.9999, 1.0)]),
    ("arccos", arccos_f64, arccos_f32, f64::acos, &[(-1.0, 1.0), (-0.01, 0.01), (0.9999, 1.0), (-1.0, -0.999)]),
    ("arctan", arctan_f64, arctan_f32, f64::atan, &[(-4.0, 4.0), (-0.01, 0.01), (-1e4, 1e4), (-1e300, 1e300)]),
    ("sinh", sinh_f64, sinh_f32, f64::sinh, &[(-710.5, 710.5), (-2.0, 2.0), (-1e-7, 1e-7), (-89.0, 89.0)]),
    ("cosh", cosh_f64, cosh_f32, f64::cosh, &[(-710.5, 710.5), (-2.0, 2.0), (-89.0, 89.0)]),
    ("tanh", tanh_f64, tanh_f32, f64::tanh, &[(-25.0, 25.0), (-2.0, 2.0), (-1e-7, 1e-7)]),
    ("arcsinh", arcsinh_f64, arcsinh_f32, c::arcsinh, &[(-4.0, 4.0), (-1e9, 1e9), (-1e-7, 1e-7), (-1e300, 1e300)]),
    ("arccosh", arccosh_f64, arccosh_f32, c::arccosh, &[(1.0, 4.0), (1.0, 1.001), (1.0, 1e9), (1.0, 1e300)]),
    ("arctanh", arctanh_f64, arctanh_f32, c::arctanh, &[(-1.0, 1.0), (-0.1, 0.1), (-1e-7, 1e-7)]),
    ("cbrt", cbrt_f64, cbrt_f32, f64::cbrt, &[(-8.0, 8.0), (-1e300, 1e300), (-1e-300, 1e-300), (0.0, 1e-310)]),
];

const BINARY: &[Binary] = &[
    ("pow", pow_f64, pow_f32, f64::powf, [(0.0, 10.0), (-300.0, 300.0)]),
    ("pow of tiny", pow_f64, pow_f32, f64::powf, [(0.0, 1e-310), (-1.0, 1.0)]),
    ("pow near 1", pow_f64, pow_f32, f64::powf, [(0.999, 1.001), (-7e5, 7e5)]),
    ("pow small", pow_f64, pow_f32, f64::powf, [(0.5, 100.0), (-3.0, 3.0)]),
    ("atan2", atan2_f64, atan2_f32, f64::atan2, [(-2.0, 2.0), (-2.0, 2.0)]),
    ("atan2 steep", atan2_f64, atan2_f32, f64::atan2, [(-1e300, 1e300), (-2.0, 2.0)]),
    ("atan2 flat", atan2_f64, atan2_f32, f64::atan2, [(-1e-3, 1e-3), (-2.0, 2.0)]),
    ("hypot", hypot_f64, hypot_f32, f64::hypot, [(-2.0, 2.0), (-2.0, 2.0)]),
    ("hypot of huge", hypot_f64, hypot_f32, f64::hypot, [(-1e308, 1e308), (-1e308, 1e308)]),
    ("hypot of tiny", hypot_f64, hypot_f32, f64::hypot, [(-1e-308, 1e-308), (-1e-308, 1e-308)]),
    ("logaddexp", logaddexp_f64, logaddexp_f32, logaddexp, [(1.0, 30.0), (1.0, 30.0)]),
    ("logaddexp2", logaddexp2_f64, logaddexp2_f32, logaddexp2, [(1.0, 30.0), (1.0, 30.0)]),
];

fn logaddexp(a: f64, b: f64) -> f64 {
    if a == b { a + LN_2 } else { a.max(b) + (-(a - b).abs()).exp().ln_1p() }
}

fn logaddexp2(a: f64, b: f64) -> f64 {
    if a == b { a + 1.0 } else { a.max(b) + (-(a - b).abs()).exp2().ln_1p() * LOG2_E }
}

const SPECIAL: &[f64] = &[
    0.0,
    -0.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    5e-324,
    -5e-324,
    1e-310,
    f64::MIN_POSITIVE,
    -f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    1e-20,
    -1e-20,
    0.5,
    -0.5,
    1.0,
    -1.0,
    1.5,
    -1.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    1.0 + f64::EPSILON,
    1.0 - f64::EPSILON,
    -1.0 - f64::EPSILON,
    std::f64::consts::PI,
    std::f64::consts::FRAC_PI_2,
    std::f64::consts::FRAC_PI_4,
    88.8,
    -104.5,
    709.782712893384,
    709.79,
    -745.1332191019411,
    -745.14,
    1023.999,
    1024.0,
    -1074.0,
    -1075.0,
    -1080.0,
    999_999.5,
    1e6,
    1_000_001.0,
    1e22,
    4_503_599_627_370_497.0,
    9_007_199_254_740_993.0,
    -9_007_199_254_740_991.0,
    1e150,
    -1e300,
];

/// Distance in units of the last place; NaN equals NaN.
fn distance(a: f64, b: f64) -> u64 {
    let ordered = |x: f64| if x.is_sign_negative() { -((x.to_bits() << 1 >> 1) as i64) } else { x.to_bits() as i64 };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    ordered(a).abs_diff(ordered(b))
}

fn distance_f32(a: f32, b: f32) -> u64 {
    let ordered = |x: f32| if x.is_sign_negative() { -((x.to_bits() << 1 >> 1) as i32) } else { x.to_bits() as i32 };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    u64::from(ordered(a).abs_diff(ordered(b)))
}

/// Whether a sum of logarithms cancelled, so that its error is relative to the larger argument.
fn cancelled(name: &str, a: f64, b: f64, difference: f64, epsilon: f64) -> bool {
    name.starts_with("logaddexp") && difference.abs() <= 2.0 * epsilon * a.abs().max(b.abs())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Half of the numbers uniform in the range, half with a uniform exponent below its larger end.
    fn within(&mut self, (low, high): (f64, f64)) -> f64 {
        loop {
            let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
            let x = if self.bits() & 1 == 0 {
                low + unit * (high - low)
            } else {
                let end = if self.bits() & 1 == 0 { low } else { high };
                end * (-unit * 60.0).exp2()
            };
            if x >= low && x <= high {
                return x;
            }
        }
    }

    fn many(&mut self, range: (f64, f64)) -> Vec<f64> {
        (0..4001).map(|_| self.within(range)).collect()
    }
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// The greatest error on random arguments.
#[test]
fn unary_functions_are_accurate() {
    let mut random = Random(1);
    for (name, wide, short, reference, ranges) in UNARY {
        for range in *ranges {
            let x = random.many(*range);
            let mut out = vec![0.0; x.len()];
            wide(&x, &mut out);
            for (x, y) in x.iter().zip(&out) {
                let expected = reference(*x);
                assert!(distance(*y, expected) <= 3, "{name}({x:e}) = {y:e}, not {expected:e}");
            }
            let x = narrow(&x);
            let mut out = vec![0.0; x.len()];
            short(&x, &mut out);
            for (x, y) in x.iter().zip(&out) {
                let expected = reference(f64::from(*x)) as f32;
                assert!(distance_f32(*y, expected) <= 1, "{name}_f32({x:e}) = {y:e}, not {expected:e}");
            }
        }
    }
}

#[test]
fn binary_functions_are_accurate() {
    let mut random = Random(2);
    for (name, wide, short, reference, [range_a, range_b]) in BINARY {
        let (a, b) = (random.many(*range_a), random.many(*range_b));
        let mut out = vec![0.0; a.len()];
        wide(&a, &b, &mut out);
        for ((a, b), y) in a.iter().zip(&b).zip(&out) {
            let expected = reference(*a, *b);
            assert!(distance(*y, expected) <= 3, "{name}({a:e}, {b:e}) = {y:e}, not {expected:e}");
        }
        let (a, b) = (narrow(&a), narrow(&b));
        let mut out = vec![0.0; a.len()];
        short(&a, &b, &mut out);
        for ((a, b), y) in a.iter().zip(&b).zip(&out) {
            let expected = reference(f64::from(*a), f64::from(*b)) as f32;
            assert!(distance_f32(*y, expected) <= 1, "{name}_f32({a:e}, {b:e}) = {y:e}, not {expected:e}");
        }
    }
}

#[test]
fn special_arguments() {
    for (name, wide, short, reference, _) in UNARY {
        let mut out = vec![0.0; SPECIAL.len()];
        wide(SPECIAL, &mut out);
        for (x, y) in SPECIAL.iter().zip(&out) {
            let expected = reference(*x);
            assert!(distance(*y, expected) <= 3, "{name}({x:e}) = {y:e}, not {expected:e}");
            let same_sign = y.is_nan() || y.is_sign_negative() == expected.is_sign_negative();
            assert!(same_sign, "{name}({x:e}) = {y:e}, not {expected:e}");
        }
        let x = narrow(SPECIAL);
        let mut out = vec![0.0; x.len()];
        short(&x, &mut out);
        for (x, y) in x.iter().zip(&out) {
            let expected = reference(f64::from(*x)) as f32;
            assert!(distance_f32(*y, expected) <= 1, "{name}_f32({x:e}) = {y:e}, not {expected:e}");
            let same_sign = y.is_nan() || y.is_sign_negative() == expected.is_sign_negative();
            assert!(same_sign, "{name}_f32({x:e}) = {y:e}, not {expected:e}");
        }
    }
}

#[test]
fn special_pairs() {
    for (name, wide, short, reference, _) in BINARY {
        let b = SPECIAL;
        for a in SPECIAL {
            let a = vec![*a; b.len()];
            let mut out = vec![0.0; b.len()];
            wide(&a, b, &mut out);
            for ((a, b), y) in a.iter().zip(b).zip(&out) {
                let expected = reference(*a, *b);
                if cancelled(name, *a, *b, y - expected, f64::EPSILON) {
                    continue;
                }
                assert!(distance(*y, expected) <= 3, "{name}({a:e}, {b:e}) = {y:e}, not {expected:e}");
                let same_sign = y.is_nan() || y.is_sign_negative() == expected.is_sign_negative();
                assert!(same_sign, "{name}({a:e}, {b:e}) = {y:e}, not {expected:e}");
            }
            let (a, b) = (narrow(&a), narrow(b));
            let mut out = vec![0.0; b.len()];
            short(&a, &b, &mut out);
            for ((a, b), y) in a.iter().zip(&b).zip(&out) {
                let expected = reference(f64::from(*a), f64::from(*b)) as f32;
                if cancelled(name, f64::from(*a), f64::from(*b), f64::from(y - expected), f64::from(f32::EPSILON)) {
                    continue;
                }
                assert!(distance_f32(*y, expected) <= 1, "{name}_f32({a:e}, {b:e}) = {y:e}, not {expected:e}");
                let same_sign = y.is_nan() || y.is_sign_negative() == expected.is_sign_negative();
                assert!(same_sign, "{name}_f32({a:e}, {b:e}) = {y:e}, not {expected:e}");
            }
        }
    }
}

/// Doubles that are closest to multiples of pi/2, where the reduction cancels most.
#[test]
fn trigonometric_functions_near_their_zeros() {
    let x: Vec<f64> = (1..600_000).step_by(7).map(|n| f64::from(n) * std::f64::consts::FRAC_PI_2).collect();
    let mut out = vec![0.0; x.len()];
    for (name, wide, _, reference, _) in &UNARY[7..10] {
        wide(&x, &mut out);
        for (x, y) in x.iter().zip(&out) {
            let expected = reference(*x);
            assert!(distance(*y, expected) <= 3, "{name}({x:e}) = {y:e}, not {expected:e}");
        }
    }
}

/// The result for an element depends neither on its position nor on the length of the slice.
#[test]
fn position_does_not_matter() {
    let x: Vec<f64> = (0..77).map(|i| f64::from(i) * 0.0117 + 0.05).collect();
    let x32 = narrow(&x);
    let (mut out, mut out32) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for (name, wide, short, ..) in UNARY {
        wide(&x, &mut out);
        short(&x32, &mut out32);
        for length in [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
            let (start, mut part, mut part32) = (x.len() - length, vec![0.0; length], vec![0.0; length]);
            wide(&x[start..], &mut part);
            short(&x32[start..], &mut part32);
            let same = part.iter().zip(&out[start..]).all(|(a, b)| distance(*a, *b) == 0)
                && part32.iter().zip(&out32[start..]).all(|(a, b)| distance_f32(*a, *b) == 0);
            assert!(same, "{name}, {length}");
        }
    }
    let y: Vec<f64> = x.iter().rev().copied().collect();
    let y32 = narrow(&y);
    for (name, wide, short, ..) in BINARY {
        wide(&x, &y, &mut out);
        short(&x32, &y32, &mut out32);
        for length in [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
            let (start, mut part, mut part32) = (x.len() - length, vec![0.0; length], vec![0.0; length]);
            wide(&x[start..], &y[start..], &mut part);
            short(&x32[start..], &y32[start..], &mut part32);
            let same = part.iter().zip(&out[start..]).all(|(a, b)| distance(*a, *b) == 0)
                && part32.iter().zip(&out32[start..]).all(|(a, b)| distance_f32(*a, *b) == 0);
            assert!(same, "{name}, {length}");
        }
    }
}

#[test]
fn exact_results() {
    for exponent in -1074..1024 {
        let x = f64::from(exponent).exp2();
        let mut out = [0.0; 2];
        log2_f64(&[x, 1.0], &mut out);
        assert_eq!(out, [f64::from(exponent), 0.0]);
        exp2_f64(&[f64::from(exponent), 0.0], &mut out);
        assert_eq!(out, [x, 1.0]);
    }
    let mut out = [0.0; 4];
    log10_f64(&[1e3, 1e6, 1e15, 1e22], &mut out);
    assert_eq!(out, [3.0, 6.0, 15.0, 22.0]);
    cbrt_f64(&[27.0, -8.0, 1e9, 1e-3], &mut out);
    assert_eq!(out, [3.0, -2.0, 1e3, 0.1]);
    hypot_f64(&[3.0, 5.0, 8.0, 0.0], &[4.0, -12.0, 15.0, -7.0], &mut out);
    assert_eq!(out, [5.0, 13.0, 17.0, 7.0]);
    pow_f64(&[2.0, -3.0, 10.0, 7.0], &[10.0, 3.0, 15.0, -1.0], &mut out);
    assert_eq!(out, [1024.0, -27.0, 1e15, 1.0 / 7.0]);
}
