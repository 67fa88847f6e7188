//! `sin`, `cos`, `tan`.
//!
//! x = n pi/2 + r with |r| <= pi/4, in two parts (Cody and Waite, 1980; S. Boldo, M. Daumas, R.-C. Li, "Formally
//! verified argument reduction with a fused multiply-add", 2009); then a polynomial for the sine and one for the
//! cosine, of which n's last bits select. That reduction holds for |x| <= 10^6. A slice with a larger argument is
//! passed over a second time, and there the standard library computes that argument.
//!
//! Measured against 140-bit arithmetic on 10^4 to 10^5 random arguments, greatest error in ulp:
//! `sin` 0.76, `cos` 0.74, `tan` 0.93; in `f32` 0.52.

use super::num::*;
use crate::simd::{Isa, Loop, dispatch};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// The largest argument for which [`reduce`] holds.
const LIMIT: f64 = 1e6;

/// pi/2 in four parts of 33, 33, 33 and 53 bits.
const PI_2: [f64; 4] = [
    f64::from_bits(0x3ff9_21fb_5440_0000),
    f64::from_bits(0x3dd0_b461_1a60_0000),
    f64::from_bits(0x3ba3_198a_2e00_0000),
    f64::from_bits(0x397b_839a_2520_49c1),
];
/// The second and third 53 bits of pi/2.
const PI_2_MID: f64 = 6.123_233_995_736_766e-17;
const PI_2_LOW: f64 = -1.497_384_904_859_169_8e-33;

/// The nearest multiple of pi/2: n, and n as an integer of which only the last bits count.
#[inline(always)]
fn quadrant<I: Isa>(x: f64) -> (f64, u64) {
    let shifted = I::mul_add(x, FRAC_2_PI, MAGIC);
    (shifted - MAGIC, shifted.to_bits())
}

/// `x = n pi/2 + r + lo`: r, lo, the last bits of n.
#[inline(always)]
fn reduce<I: Isa>(x: f64) -> (f64, f64, u64) {
    let (n, bits) = quadrant::<I>(x);
    if is_fused::<I>() {
        let first = I::mul_add(-n, FRAC_PI_2, x);
        let (product, product_error) = two_prod::<I>(n, PI_2_MID);
        let (r, error) = fast_two_sum(first, -product);
        (r, I::mul_add(-n, PI_2_LOW, error - product_error), bits)
    } else {
        let first = x - n * PI_2[0];
        let (second, error) = fast_two_sum(first, -(n * PI_2[1]));
        let (third, error2) = fast_two_sum(second, -(n * PI_2[2]));
        let lo = (error + error2) - n * PI_2[3];
        let r = third + lo;
        (r, (third - r) + lo, bits)
    }
}

/// As [`reduce`] without `lo`, for an x that came from an `f32`.
#[inline(always)]
fn reduce_short<I: Isa>(x: f64) -> (f64, u64) {
    let (n, bits) = quadrant::<I>(x);
    if is_fused::<I>() {
        (I::mul_add(-n, PI_2_MID, I::mul_add(-n, FRAC_PI_2, x)), bits)
    } else {
        ((x - n * PI_2[0]) - n * PI_2[1], bits)
    }
}

/// sin(r + lo), in two parts.
#[inline(always)]
fn sin_parts<I: Isa>(r: f64, lo: f64) -> (f64, f64) {
    let z = r * r;
    let p = poly!(
        I,
        z,
        -0.166_666_666_666_666_32,
        0.008_333_333_333_322_372,
        -0.000_198_412_698_297_722_27,
        2.755_731_367_894_713e-6,
        -2.505_075_599_741_675_3e-8,
        1.589_666_829_624_539e-10,
    );
    fast_two_sum(r, I::mul_add(z * r, p, I::mul_add(-0.5 * z, lo, lo)))
}

/// cos(r + lo), in two parts.
#[inline(always)]
fn cos_parts<I: Isa>(r: f64, lo: f64) -> (f64, f64) {
    let z = r * r;
    let p = poly!(
        I,
        z,
        0.041_666_666_666_666_616,
        -0.001_388_888_888_887_607_4,
        2.480_158_729_053_698e-5,
        -2.755_731_462_235_644_5e-7,
        2.087_575_634_588_085e-9,
        -1.136_121_025_910_641_6e-11,
    );
    let half_square = 0.5 * z;
    let first = 1.0 - half_square;
    fast_two_sum(first, ((1.0 - first) - half_square) + I::mul_add(z * z, p, -(r * lo)))
}

/// sin r, to 37 bits.
#[inline(always)]
fn sin_reduced_short<I: Isa>(r: f64) -> f64 {
    let z = r * r;
    let p = poly!(
        I,
        z,
        -0.166_666_666_417_537_77,
        0.008_333_329_393_265_377,
        -0.000_198_393_358_643_711_2,
        2.718_312_935_385_020_4e-6
    );
    I::mul_add(z * r, p, r)
}

/// cos r, to 40 bits.
#[inline(always)]
fn cos_reduced_short<I: Isa>(r: f64) -> f64 {
    let z = r * r;
    let p = poly!(
        I,
        z,
        0.041_666_664_648_246_93,
        -0.001_388_888_559_235_068_2,
        2.479_993_908_209_104_8e-5,
        -2.724_075_474_568_909_3e-7
    );
    I::mul_add(z * z, p, I::mul_add(-0.5, z, 1.0))
}

/// `x`, negated if n's second bit is set.
#[inline(always)]
fn signed(x: f64, n: u64) -> f64 {
    f64::from_bits(x.to_bits() ^ ((n & 2) << 62))
}

#[inline(always)]
fn is_odd(n: u64) -> bool {
    n & 1 != 0
}

#[inline(always)]
fn sin<I: Isa>(x: f64) -> f64 {
    let (r, lo, n) = reduce::<I>(x);
    let y = sel(is_odd(n), cos_parts::<I>(r, lo).0, sin_parts::<I>(r, lo).0);
    sel(x == 0.0, x, signed(y, n))
}

#[inline(always)]
fn cos<I: Isa>(x: f64) -> f64 {
    let (r, lo, n) = reduce::<I>(x);
    let y = sel(is_odd(n), sin_parts::<I>(r, lo).0, cos_parts::<I>(r, lo).0);
    signed(y, n.wrapping_add(1))
}

#[inline(always)]
fn tan<I: Isa>(x: f64) -> f64 {
    let (r, lo, n) = reduce::<I>(x);
    let (sin, cos) = (sin_parts::<I>(r, lo), cos_parts::<I>(r, lo));
    let swap = is_odd(n);
    let numerator = (sel(swap, -cos.0, sin.0), sel(swap, -cos.1, sin.1));
    let denominator = (sel(swap, sin.0, cos.0), sel(swap, sin.1, cos.1));
    sel(x == 0.0, x, quotient::<I>(numerator, denominator))
}

#[inline(always)]
fn sin_short<I: Isa>(x: f64) -> f64 {
    let (r, n) = reduce_short::<I>(x);
    let y = sel(is_odd(n), cos_reduced_short::<I>(r), sin_reduced_short::<I>(r));
    sel(x == 0.0, x, signed(y, n))
}

#[inline(always)]
fn cos_short<I: Isa>(x: f64) -> f64 {
    let (r, n) = reduce_short::<I>(x);
    let y = sel(is_odd(n), sin_reduced_short::<I>(r), cos_reduced_short::<I>(r));
    signed(y, n.wrapping_add(1))
}

#[inline(always)]
fn tan_short<I: Isa>(x: f64) -> f64 {
    let (r, n) = reduce_short::<I>(x);
    let (sin, cos) = (sin_reduced_short::<I>(r), cos_reduced_short::<I>(r));
    sel(x == 0.0, x, sel(is_odd(n), -cos, sin) / sel(is_odd(n), sin, cos))
}

/// The largest absolute value exceeds [`LIMIT`].
struct AnyLarge<'a, T>(&'a [T]);

impl Loop for AnyLarge<'_, f64> {
    type Output = bool;
    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        self.0.iter().fold(false, |any, x| any | (x.abs() > LIMIT))
    }
}

impl Loop for AnyLarge<'_, f32> {
    type Output = bool;
    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        self.0.iter().fold(false, |any, x| any | (x.abs() > LIMIT as f32))
    }
}

/// Replaces the results of the arguments beyond [`LIMIT`].
fn patch_f64(x: &[f64], out: &mut [f64], function: fn(f64) -> f64) {
    if dispatch(AnyLarge(x)) {
        for (x, out) in x.iter().zip(out).filter(|(x, _)| x.abs() > LIMIT) {
            *out = function(*x);
        }
    }
}

/// As [`patch_f64`].
fn patch_f32(x: &[f32], out: &mut [f32], function: fn(f64) -> f64) {
    if dispatch(AnyLarge(x)) {
        for (x, out) in x.iter().zip(out).filter(|(x, _)| x.abs() > LIMIT as f32) {
            *out = function(f64::from(*x)) as f32;
        }
    }
}

/// The slice functions before [`patch_f64`] and [`patch_f32`].
#[expect(unreachable_pub, reason = "the macro makes public functions")]
mod fast {
    use super::*;
    unary!(sin_f64, sin_f32, sin, sin_short, "", "", "");
    unary!(cos_f64, cos_f32, cos, cos_short, "", "", "");
    unary!(tan_f64, tan_f32, tan, tan_short, "", "", "");
}

/// The sine. Within 1 ulp.
pub fn sin_f64(x: &[f64], out: &mut [f64]) {
    fast::sin_f64(x, out);
    patch_f64(x, out, f64::sin);
}

/// The sine. Within 0.6 ulp.
pub fn sin_f32(x: &[f32], out: &mut [f32]) {
    fast::sin_f32(x, out);
    patch_f32(x, out, f64::sin);
}

/// The cosine. Within 1 ulp.
pub fn cos_f64(x: &[f64], out: &mut [f64]) {
    fast::cos_f64(x, out);
    patch_f64(x, out, f64::cos);
}

/// The cosine. Within 0.6 ulp.
pub fn cos_f32(x: &[f32], out: &mut [f32]) {
    fast::cos_f32(x, out);
    patch_f32(x, out, f64::cos);
}

/// The tangent. Within 1.5 ulp.
pub fn tan_f64(x: &[f64], out: &mut [f64]) {
    fast::tan_f64(x, out);
    patch_f64(x, out, f64::tan);
}

/// The tangent. Within 0.6 ulp.
pub fn tan_f32(x: &[f32], out: &mut [f32]) {
    fast::tan_f32(x, out);
    patch_f32(x, out, f64::tan);
}
