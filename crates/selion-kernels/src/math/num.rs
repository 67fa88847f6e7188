//! What the bodies share: selection, rounding, exact sums and products, and the macros that make slice functions.
//!
//! Exact sums and products: T. J. Dekker, "A floating-point technique for extending the available precision", 1971.

use crate::simd::Isa;
use std::hint::select_unpredictable;

/// Adding it to a small number leaves the nearest integer in the low bits of the sum.
pub(super) const MAGIC: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
/// The sign bit.
pub(super) const SIGN: u64 = 1 << 63;
/// 2^52.
pub(super) const TWO_52: f64 = 4_503_599_627_370_496.0;

/// ln 2, to the nearest `f64`.
pub(super) const LN2: f64 = std::f64::consts::LN_2;
/// The first 42 bits of ln 2: multiples up to 2^11 are exact.
pub(super) const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fefa_3800);
/// ln 2 - [`LN2_HI`].
pub(super) const LN2_LO: f64 = f64::from_bits(0x3d2e_f357_93c7_6730);

/// `if c { a } else { b }`, never as a branch.
#[inline(always)]
pub(super) fn sel(c: bool, a: f64, b: f64) -> f64 {
    select_unpredictable(c, a, b)
}

/// The smaller of `x` and `hi`; NaN stays.
#[inline(always)]
pub(super) fn at_most(x: f64, hi: f64) -> f64 {
    sel(x > hi, hi, x)
}

/// The larger of `x` and `lo`; NaN stays.
#[inline(always)]
pub(super) fn at_least(x: f64, lo: f64) -> f64 {
    sel(x < lo, lo, x)
}

/// The nearest integer, for |x| < 2^51.
#[inline(always)]
pub(super) fn round(x: f64) -> f64 {
    (x + MAGIC) - MAGIC
}

/// 2^n for an integer n in [-1022, 1023]; zero for -1023.
#[inline(always)]
pub(super) fn pow2(n: f64) -> f64 {
    f64::from_bits((n + (MAGIC + 1023.0)).to_bits() << 52)
}

/// The value of an unsigned integer below 2^52.
#[inline(always)]
pub(super) fn from_integer(i: u64) -> f64 {
    f64::from_bits(i | TWO_52.to_bits()) - TWO_52
}

/// Whether a number that is not negative is an integer.
#[inline(always)]
pub(super) fn is_integer(x: f64) -> bool {
    (x >= TWO_52) | ((x + TWO_52) - TWO_52 == x)
}

/// `x` with the sign of `s`, for an `x` whose sign bit is clear.
#[inline(always)]
pub(super) fn with_sign(x: f64, s: f64) -> f64 {
    f64::from_bits(x.to_bits() | (s.to_bits() & SIGN))
}

/// Whether `I::mul_add` rounds once. A constant, after inlining.
#[inline(always)]
pub(super) fn is_fused<I: Isa>() -> bool {
    // (1 + e)(1 - e) - 1 = -e^2, lost when the product is rounded.
    const E: f64 = 1.0 / (1u64 << 40) as f64;
    I::mul_add(1.0 + E, 1.0 - E, -1.0) != 0.0
}

/// `a + b` and its rounding error, for |a| >= |b| (or a = 0).
#[inline(always)]
pub(super) fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, (a - sum) + b)
}

/// 1 / x within 2 %, for normal numbers that are not huge, to weigh corrections; large at 0.
#[inline(always)]
pub(super) fn rough_reciprocal<I: Isa>(x: f64) -> f64 {
    // The bits are nearly a multiple of the logarithm; the estimate, within 13 %, is improved by one Newton step.
    let y = f64::from_bits(0x7fde_6238_22fc_16e6_u64.wrapping_sub(x.to_bits()));
    y * I::mul_add(-x, y, 2.0)
}

/// The first 26 bits of a number, and the rest.
#[inline(always)]
fn halves(a: f64) -> (f64, f64) {
    let hi = f64::from_bits(a.to_bits() & (!0 << 27));
    (hi, a - hi)
}

/// `a * b` and its rounding error.
#[inline(always)]
pub(super) fn two_prod<I: Isa>(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    if is_fused::<I>() {
        (product, I::mul_add(a, b, -product))
    } else {
        let (a_hi, a_lo) = halves(a);
        let (b_hi, b_lo) = halves(b);
        (product, ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo)
    }
}

/// `c - a * b` where that nearly cancels, rounded once.
#[inline(always)]
pub(super) fn residue<I: Isa>(a: f64, b: f64, c: f64) -> f64 {
    if is_fused::<I>() {
        I::mul_add(-a, b, c)
    } else {
        let (product, error) = two_prod::<I>(a, b);
        (c - product) - error
    }
}

/// The quotient of two sums of two parts, nearly correctly rounded.
#[inline(always)]
pub(super) fn quotient<I: Isa>((a, a_lo): (f64, f64), (b, b_lo): (f64, f64)) -> f64 {
    let q = a / b;
    let rest = residue::<I>(q, b, a) + I::mul_add(-q, b_lo, a_lo);
    I::mul_add(rest, rough_reciprocal::<I>(b), q)
}

/// Elements that fill whole vectors in every loop: the widest vectors of `f32`, once or twice unrolled.
const WHOLE: usize = 32;

/// Runs `work` on as many elements as fill whole vectors, then on the others, padded, so that none goes through the
/// loop's scalar remainder.
#[inline]
pub(super) fn in_whole_vectors<T: Copy + From<u8>>(x: &[T], out: &mut [T], work: impl Fn(&[T], &mut [T])) {
    debug_assert_eq!(x.len(), out.len());
    let (body, rest) = x.split_at(x.len() / WHOLE * WHOLE);
    let (out_body, out_rest) = out.split_at_mut(body.len());
    if !body.is_empty() {
        work(body, out_body);
    }
    if !rest.is_empty() {
        // Half as many where that is enough.
        let padded = if rest.len() <= WHOLE / 2 { WHOLE / 2 } else { WHOLE };
        let (mut buffer, mut result) = ([T::from(1); WHOLE], [T::from(0); WHOLE]);
        buffer[..rest.len()].copy_from_slice(rest);
        work(&buffer[..padded], &mut result[..padded]);
        out_rest.copy_from_slice(&result[..rest.len()]);
    }
}

/// As [`in_whole_vectors`], for two inputs.
#[inline]
pub(super) fn pairs_in_whole_vectors<T: Copy + From<u8>>(
    a: &[T],
    b: &[T],
    out: &mut [T],
    work: impl Fn(&[T], &[T], &mut [T]),
) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    let whole = out.len() / WHOLE * WHOLE;
    let ((a, a_rest), (b, b_rest)) = (a.split_at(whole), b.split_at(whole));
    let (out_body, out_rest) = out.split_at_mut(whole);
    if whole > 0 {
        work(a, b, out_body);
    }
    if !out_rest.is_empty() {
        let rest = out_rest.len();
        let padded = if rest <= WHOLE / 2 { WHOLE / 2 } else { WHOLE };
        let (mut a_buffer, mut b_buffer, mut result) = ([T::from(1); WHOLE], [T::from(1); WHOLE], [T::from(0); WHOLE]);
        a_buffer[..rest].copy_from_slice(a_rest);
        b_buffer[..rest].copy_from_slice(b_rest);
        work(&a_buffer[..padded], &b_buffer[..padded], &mut result[..padded]);
        out_rest.copy_from_slice(&result[..rest]);
    }
}

/// `poly!(I, x, c0, c1, …)`: c0 + c1 x + …, by Horner's rule.
macro_rules! poly {
    ($isa:ident, $x:expr, $last:expr $(,)?) => { $last };
    ($isa:ident, $x:expr, $first:expr, $($rest:expr),+ $(,)?) => {
        $isa::mul_add(poly!($isa, $x, $($rest),+), $x, $first)
    };
}

/// The slice functions of a function of one number: names, bodies (`f64` to `f64`), documentation.
macro_rules! unary {
    (
        $wide:ident, $narrow:ident, $wide_body:ident, $narrow_body:ident,
        $doc:expr, $wide_error:literal, $narrow_error:literal
    ) => {
        #[doc = concat!($doc, " Within ", $wide_error, " ulp.")]
        pub fn $wide(x: &[f64], out: &mut [f64]) {
            struct Work<'a>(&'a [f64], &'a mut [f64]);
            impl $crate::simd::Loop for Work<'_> {
                type Output = ();
                #[inline(always)]
                fn run<I: $crate::simd::Isa>(self) {
                    for (x, out) in self.0.iter().zip(self.1) {
                        *out = $wide_body::<I>(*x);
                    }
                }
            }
            in_whole_vectors(x, out, |x, out| $crate::simd::dispatch(Work(x, out)));
        }

        #[doc = concat!($doc, " Within ", $narrow_error, " ulp.")]
        pub fn $narrow(x: &[f32], out: &mut [f32]) {
            struct Work<'a>(&'a [f32], &'a mut [f32]);
            impl $crate::simd::Loop for Work<'_> {
                type Output = ();
                #[inline(always)]
                fn run<I: $crate::simd::Isa>(self) {
                    for (x, out) in self.0.iter().zip(self.1) {
                        *out = $narrow_body::<I>(f64::from(*x)) as f32;
                    }
                }
            }
            in_whole_vectors(x, out, |x, out| $crate::simd::dispatch(Work(x, out)));
        }
    };
}

/// As [`unary`], for functions of two numbers.
macro_rules! binary {
    (
        $wide:ident, $narrow:ident, $wide_body:ident, $narrow_body:ident,
        $doc:expr, $wide_error:literal, $narrow_error:literal
    ) => {
        #[doc = concat!($doc, " ", $wide_error)]
        pub fn $wide(a: &[f64], b: &[f64], out: &mut [f64]) {
            struct Work<'a>(&'a [f64], &'a [f64], &'a mut [f64]);
            impl $crate::simd::Loop for Work<'_> {
                type Output = ();
                #[inline(always)]
                fn run<I: $crate::simd::Isa>(self) {
                    for ((a, b), out) in self.0.iter().zip(self.1).zip(self.2) {
                        *out = $wide_body::<I>(*a, *b);
                    }
                }
            }
            pairs_in_whole_vectors(a, b, out, |a, b, out| $crate::simd::dispatch(Work(a, b, out)));
        }

        #[doc = concat!($doc, " ", $narrow_error)]
        pub fn $narrow(a: &[f32], b: &[f32], out: &mut [f32]) {
            struct Work<'a>(&'a [f32], &'a [f32], &'a mut [f32]);
            impl $crate::simd::Loop for Work<'_> {
                type Output = ();
                #[inline(always)]
                fn run<I: $crate::simd::Isa>(self) {
                    for ((a, b), out) in self.0.iter().zip(self.1).zip(self.2) {
                        *out = $narrow_body::<I>(f64::from(*a), f64::from(*b)) as f32;
                    }
                }
            }
            pairs_in_whole_vectors(a, b, out, |a, b, out| $crate::simd::dispatch(Work(a, b, out)));
        }
    };
}
