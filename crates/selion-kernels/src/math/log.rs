//! Logarithms: `log`, `log2`, `log10`, `log1p`, `logaddexp`, `logaddexp2`.
//!
//! x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); with s = f / (2 + f),
//! log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)).
//! `log2` and `log10` multiply that by the reciprocal of the base's logarithm in two parts, `log1p` adds the rounding
//! error of 1 + x, as in fdlibm (Sun Microsystems, 1993).
//! `logaddexp` is the larger argument plus log(1 + e^-difference).
//!
//! Measured against 140-bit arithmetic on 10^4 to 10^5 random arguments, greatest error in ulp:
//! `log` 0.78, `log2` 0.78, `log10` 0.65, `log1p` 0.77, `logaddexp` 1.75, `logaddexp2` 2.03; in `f32` 0.51.

use super::exp::{exp, exp_short, exp2, exp2_short};
use super::num::*;
use crate::simd::Isa;
use std::f64::consts::{LOG2_E, LOG10_2, LOG10_E};

/// The bits of sqrt(1/2).
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// The bits of a mantissa.
const MANTISSA: u64 = (1 << 52) - 1;

/// `x = 2^k * m`, m in [sqrt(1/2), sqrt(2)), for a positive normal number: k, m.
#[inline(always)]
pub(super) fn split_normal(x: f64) -> (f64, f64) {
    let bits = x.to_bits().wrapping_add(1.0f64.to_bits() - SQRT_HALF);
    let m = f64::from_bits((bits & MANTISSA) + SQRT_HALF);
    (from_integer(bits >> 52) - 1023.0, m)
}

/// As [`split_normal`], also for subnormal numbers.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    const TWO_54: f64 = (1u64 << 54) as f64;
    let small = x < f64::MIN_POSITIVE;
    let (k, m) = split_normal(sel(small, x * TWO_54, x));
    (sel(small, k - 54.0, k), m)
}

/// With s = f / (2 + f): s (f^2/2 + R(s^2)), f^2/2. Their difference is f - log(1 + f).
#[inline(always)]
fn log_reduced<I: Isa>(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let r = poly!(
        I,
        z,
        0.666_666_666_666_673_4,
        0.399_999_999_994_166,
        0.285_714_287_420_415_9,
        0.222_221_986_028_445_95,
        0.181_835_630_141_810_53,
        0.153_140_794_348_535_11,
        0.147_956_995_151_374_62,
    );
    let half_square = 0.5 * f * f;
    (s * I::mul_add(z, r, half_square), half_square)
}

/// The logarithm's value where it is not `y`: NaN below 0, -inf at 0, x itself if that is infinite or NaN.
#[inline(always)]
fn log_special(x: f64, y: f64) -> f64 {
    let special = sel(x < 0.0, f64::NAN, sel(x == 0.0, f64::NEG_INFINITY, x));
    sel((x > 0.0) & (x < f64::INFINITY), y, special)
}

/// ln x.
#[inline(always)]
pub(super) fn log<I: Isa>(x: f64) -> f64 {
    let (k, m) = split(x);
    let f = m - 1.0;
    let (tail, half_square) = log_reduced::<I>(f);
    let y = I::mul_add(k, LN2_HI, f - (half_square - I::mul_add(k, LN2_LO, tail)));
    log_special(x, y)
}

/// ln x to 36 bits, for an x that came from an `f32`.
#[inline(always)]
pub(super) fn log_short<I: Isa>(x: f64) -> f64 {
    let (k, m) = split_normal(x);
    log_special(x, I::mul_add(k, LN2, log_reduced_short::<I>(m - 1.0)))
}

/// ln(1 + f) to 36 bits.
#[inline(always)]
pub(super) fn log_reduced_short<I: Isa>(f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let r =
        poly!(I, z, 0.666_666_658_360_904_2, 0.400_003_011_919_772_2, 0.285_391_278_685_987_7, 0.235_519_357_827_906_7);
    let half_square = 0.5 * f * f;
    f - (half_square - s * I::mul_add(z, r, half_square))
}

/// log(1 + f) in two parts, the first of 21 bits.
#[inline(always)]
fn log_reduced_sum<I: Isa>(f: f64) -> (f64, f64) {
    let (tail, half_square) = log_reduced::<I>(f);
    let hi = f64::from_bits((f - half_square).to_bits() & (!0 << 32));
    (hi, ((f - hi) - half_square) + tail)
}

/// log2 x.
#[inline(always)]
fn log2<I: Isa>(x: f64) -> f64 {
    /// The first 21 bits of 1 / ln 2, and the rest.
    const HI: f64 = f64::from_bits(0x3ff7_1547_0000_0000);
    const LO: f64 = f64::from_bits(0x3e99_4ae0_bf85_ddf4);
    let (k, m) = split(x);
    let (hi, lo) = log_reduced_sum::<I>(m - 1.0);
    let (sum, error) = fast_two_sum(k, hi * HI);
    log_special(x, sum + (error + I::mul_add(lo + hi, LO, lo * HI)))
}

/// log2 x to 36 bits, for an x that came from an `f32`.
#[inline(always)]
fn log2_short<I: Isa>(x: f64) -> f64 {
    let (k, m) = split_normal(x);
    log_special(x, I::mul_add(log_reduced_short::<I>(m - 1.0), LOG2_E, k))
}

/// log10 x.
#[inline(always)]
fn log10<I: Isa>(x: f64) -> f64 {
    /// The first 21 bits of 1 / ln 10, and the rest.
    const HI: f64 = f64::from_bits(0x3fdb_cb7b_0000_0000);
    const LO: f64 = f64::from_bits(0x3e55_26e5_0e32_a6ab);
    /// The first 41 bits of log10 2, and the rest.
    const LOG10_2_HI: f64 = f64::from_bits(0x3fd3_4413_509f_7000);
    const LOG10_2_LO: f64 = f64::from_bits(0x3d43_fde6_23e2_566b);
    let (k, m) = split(x);
    let (hi, lo) = log_reduced_sum::<I>(m - 1.0);
    let (sum, error) = fast_two_sum(k * LOG10_2_HI, hi * HI);
    let rest = I::mul_add(k, LOG10_2_LO, I::mul_add(lo + hi, LO, lo * HI));
    log_special(x, sum + (error + rest))
}

/// log10 x to 36 bits, for an x that came from an `f32`.
#[inline(always)]
fn log10_short<I: Isa>(x: f64) -> f64 {
    let (k, m) = split_normal(x);
    log_special(x, I::mul_add(log_reduced_short::<I>(m - 1.0), LOG10_E, k * LOG10_2))
}

/// log(1 + x + lo) + extra ln 2, for a `lo` far below an ulp of x.
#[inline(always)]
pub(super) fn log1p_sum<I: Isa>(x: f64, lo: f64, extra: f64) -> f64 {
    let u = 1.0 + x;
    let small = (x > -0.292_893) & (x < 0.414_213);
    let error = sel(x > 1.0, 1.0 - (u - x), x - (u - 1.0));
    let correction = sel(small, lo, error + lo) * rough_reciprocal::<I>(at_most(u, 1e30));
    let (k, m) = split_normal(u);
    let f = sel(small, x, m - 1.0);
    let k = sel(small, 0.0, k) + extra;
    let (tail, half_square) = log_reduced::<I>(f);
    let y = I::mul_add(k, LN2_HI, f - (half_square - (tail + I::mul_add(k, LN2_LO, correction))));
    sel(x == 0.0, x, log_special(u, y))
}

/// log(1 + x).
#[inline(always)]
fn log1p<I: Isa>(x: f64) -> f64 {
    log1p_sum::<I>(x, 0.0, 0.0)
}

/// log(1 + x), to 36 bits, for an x that came from an `f32`.
#[inline(always)]
pub(super) fn log1p_short<I: Isa>(x: f64) -> f64 {
    let u = 1.0 + x;
    let small = (x > -0.292_893) & (x < 0.414_213);
    let (k, m) = split_normal(u);
    let f = sel(small, x, m - 1.0);
    let y = I::mul_add(sel(small, 0.0, k), LN2, log_reduced_short::<I>(f));
    sel(x == 0.0, x, log_special(u, y))
}

/// log(1 + t) for 0 <= t <= 1.
#[inline(always)]
fn log1p_unit<I: Isa>(t: f64) -> f64 {
    // 1 + t = 2 (1 + (t - 1) / 2)
    let small = t < 0.414_213;
    let f = sel(small, t, 0.5 * (t - 1.0));
    let (tail, half_square) = log_reduced::<I>(f);
    sel(small, 0.0, LN2) + (f - (half_square - tail))
}

/// As [`log1p_unit`], to 36 bits.
#[inline(always)]
fn log1p_unit_short<I: Isa>(t: f64) -> f64 {
    let small = t < 0.414_213;
    sel(small, 0.0, LN2) + log_reduced_short::<I>(sel(small, t, 0.5 * (t - 1.0)))
}

/// log(e^a + e^b).
#[inline(always)]
fn logaddexp<I: Isa>(a: f64, b: f64) -> f64 {
    let (difference, larger) = (-(a - b).abs(), sel(a > b, a, b));
    let y = larger + log1p_unit::<I>(exp::<I>(difference));
    // Infinities of one sign: their difference would be NaN.
    sel(a == b, a + LN2, sel(difference.is_nan(), difference, y))
}

/// log(e^a + e^b), in `f64` from terms of 32 bits.
#[inline(always)]
fn logaddexp_short<I: Isa>(a: f64, b: f64) -> f64 {
    let (difference, larger) = (-(a - b).abs(), sel(a > b, a, b));
    let y = larger + log1p_unit_short::<I>(exp_short::<I>(difference));
    sel(a == b, a + LN2, sel(difference.is_nan(), difference, y))
}

/// log2(2^a + 2^b).
#[inline(always)]
fn logaddexp2<I: Isa>(a: f64, b: f64) -> f64 {
    let (difference, larger) = (-(a - b).abs(), sel(a > b, a, b));
    let y = I::mul_add(log1p_unit::<I>(exp2::<I>(difference)), LOG2_E, larger);
    sel(a == b, a + 1.0, sel(difference.is_nan(), difference, y))
}

/// log2(2^a + 2^b), in `f64` from terms of 32 bits.
#[inline(always)]
fn logaddexp2_short<I: Isa>(a: f64, b: f64) -> f64 {
    let (difference, larger) = (-(a - b).abs(), sel(a > b, a, b));
    let y = I::mul_add(log1p_unit_short::<I>(exp2_short::<I>(difference)), LOG2_E, larger);
    sel(a == b, a + 1.0, sel(difference.is_nan(), difference, y))
}

unary!(log_f64, log_f32, log, log_short, "The natural logarithm.", "1", "0.6");
unary!(log2_f64, log2_f32, log2, log2_short, "The logarithm to base 2.", "1", "0.6");
unary!(log10_f64, log10_f32, log10, log10_short, "The logarithm to base 10.", "1", "0.6");
unary!(log1p_f64, log1p_f32, log1p, log1p_short, "log(1 + x), accurate near 0.", "1", "0.6");
binary!(
    logaddexp_f64,
    logaddexp_f32,
    logaddexp,
    logaddexp_short,
    "log(e^a + e^b).",
    "The error is within 2.5 ulp of the larger of |a|, |b| and the result.",
    "The error is within 0.6 ulp of the larger of |a|, |b| and the result."
);
binary!(
    logaddexp2_f64,
    logaddexp2_f32,
    logaddexp2,
    logaddexp2_short,
    "log2(2^a + 2^b).",
    "The error is within 2.5 ulp of the larger of |a|, |b| and the result.",
    "The error is within 0.6 ulp of the larger of |a|, |b| and the result."
);
