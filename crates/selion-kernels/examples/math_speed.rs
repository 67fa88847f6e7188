//! Nanoseconds per element of every function of `math`, beside the standard library's scalar function.
//!
//! `SELION_SIMD=baseline|avx2 cargo run --release --example math_speed` compares instruction sets.

use selion_kernels::math::*;
use std::hint::black_box;
use std::time::Instant;

const TILE: usize = 1000;

/// Nanoseconds per element, the best of several runs.
fn time(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..9 {
        let start = Instant::now();
        for _ in 0..50 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / (50 * TILE) as f64
}

/// `TILE` numbers between two.
fn numbers(low: f64, high: f64) -> Vec<f64> {
    (0..TILE).map(|i| low + (high - low) * ((i * 619) % TILE) as f64 / TILE as f64).collect()
}

fn main() {
    println!("{:?}", selion_kernels::simd::level());
    println!("{:<12}{:>8}{:>8}{:>8}", "", "f64", "f32", "scalar");
    let mut out = vec![0.0; TILE];
    let mut out32 = vec![0.0; TILE];
    macro_rules! one {
        ($wide:ident, $narrow:ident, $scalar:expr, $low:expr, $high:expr) => {
            let x = numbers($low, $high);
            let x32: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let wide = time(|| $wide(black_box(&x), black_box(&mut out)));
            let narrow = time(|| $narrow(black_box(&x32), black_box(&mut out32)));
            let scalar = time(|| {
                for (x, out) in black_box(&x).iter().zip(black_box(&mut out)) {
                    *out = $scalar(*x);
                }
            });
            println!("{:<12}{wide:>8.2}{narrow:>8.2}{scalar:>8.2}", stringify!($wide).trim_end_matches("_f64"));
        };
    }
    macro_rules! two {
        ($wide:ident, $narrow:ident, $scalar:expr, $low:expr, $high:expr) => {
            let (a, mut b) = (numbers($low, $high), numbers(-3.0, 3.0));
            b.rotate_left(100);
            let a32: Vec<f32> = a.iter().map(|x| *x as f32).collect();
            let b32: Vec<f32> = b.iter().map(|x| *x as f32).collect();
            let wide = time(|| $wide(black_box(&a), black_box(&b), black_box(&mut out)));
            let narrow = time(|| $narrow(black_box(&a32), black_box(&b32), black_box(&mut out32)));
            let scalar = time(|| {
                for ((a, b), out) in black_box(&a).iter().zip(black_box(&b)).zip(black_box(&mut out)) {
                    *out = $scalar(*a, *b);
                }
            });
            println!("{:<12}{wide:>8.2}{narrow:>8.2}{scalar:>8.2}", stringify!($wide).trim_end_matches("_f64"));
        };
    }
    one!(exp_f64, exp_f32, f64::exp, -20.0, 20.0);
    one!(exp2_f64, exp2_f32, f64::exp2, -20.0, 20.0);
    one!(expm1_f64, expm1_f32, f64::exp_m1, -3.0, 3.0);
    one!(log_f64, log_f32, f64::ln, 0.01, 100.0);
    one!(log2_f64, log2_f32, f64::log2, 0.01, 100.0);
    one!(log10_f64, log10_f32, f64::log10, 0.01, 100.0);
    one!(log1p_f64, log1p_f32, f64::ln_1p, -0.9, 10.0);
    one!(sin_f64, sin_f32, f64::sin, -10.0, 10.0);
    one!(cos_f64, cos_f32, f64::cos, -10.0, 10.0);
    one!(tan_f64, tan_f32, f64::tan, -10.0, 10.0);
    one!(arcsin_f64, arcsin_f32, f64::asin, -1.0, 1.0);
    one!(arccos_f64, arccos_f32, f64::acos, -1.0, 1.0);
    one!(arctan_f64, arctan_f32, f64::atan, -4.0, 4.0);
    one!(sinh_f64, sinh_f32, f64::sinh, -5.0, 5.0);
    one!(cosh_f64, cosh_f32, f64::cosh, -5.0, 5.0);
    one!(tanh_f64, tanh_f32, f64::tanh, -5.0, 5.0);
    one!(arcsinh_f64, arcsinh_f32, f64::asinh, -5.0, 5.0);
    one!(arccosh_f64, arccosh_f32, f64::acosh, 1.0, 5.0);
    one!(arctanh_f64, arctanh_f32, f64::atanh, -1.0, 1.0);
    one!(cbrt_f64, cbrt_f32, f64::cbrt, -8.0, 8.0);
    two!(pow_f64, pow_f32, f64::powf, 0.01, 10.0);
    two!(atan2_f64, atan2_f32, f64::atan2, -3.0, 3.0);
    two!(hypot_f64, hypot_f32, f64::hypot, -3.0, 3.0);
    two!(logaddexp_f64, logaddexp_f32, |a: f64, b: f64| a.max(b) + (-(a - b).abs()).exp().ln_1p(), -3.0, 3.0);
    two!(logaddexp2_f64, logaddexp2_f32, |a: f64, b: f64| a.max(b) + (-(a - b).abs()).exp2().ln_1p(), -3.0, 3.0);
}
