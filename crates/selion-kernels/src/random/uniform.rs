//! Uniform numbers and what is made of one of them by a formula: random, uniform, integers, triangular.
//!
//! Integers: D. Lemire, "Fast random integer generation in an interval", ACM TOMS 45 (2019): the upper half of the
//! product of 64 random bits and the range. It is exact: the rare products that would bring a bias are rejected and
//! drawn again, from the element's [`Stream`].

use std::marker::PhantomData;

use super::param::affine;
use super::philox::{Indices, Key, Stream, bits64, bits64_at, bits64_body};
use super::{BLOCK, Param};
use crate::simd::{Isa, Loop, dispatch};

/// A multiple of 2^-53 in [0, 1).
#[inline(always)]
pub(super) fn half_open(bits: u64) -> f64 {
    const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
    (bits >> 11) as f64 * UNIT
}

/// An odd multiple of 2^-53, so in (0, 1) and symmetric about 1/2. Both steps are exact.
#[inline(always)]
pub(super) fn open(bits: u64) -> f64 {
    const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
    f64::from_bits(0x3FF0_0000_0000_0000 | bits >> 12) - (1.0 - UNIT)
}

struct Random<'a> {
    key: Key,
    draw: u32,
    idx: Indices,
    out: &'a mut [f64],
}

impl Loop for Random<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (b, block) in self.out.chunks_mut(BLOCK).enumerate() {
            bits64_body(self.key, self.draw, self.idx.skip(b * BLOCK), bytemuck::cast_slice_mut(block));
            block.iter_mut().for_each(|x| *x = half_open(x.to_bits()));
        }
    }
}

/// How a number is made of a uniform one in (0, 1). Implementations mark `value` as `#[inline(always)]`.
pub(super) trait Formula {
    /// The number for u.
    fn value(u: f64) -> f64;
}

struct Computed<'a, F>(Random<'a>, PhantomData<F>);

impl<F: Formula> Loop for Computed<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Random { key, draw, idx, out } = self.0;
        for (b, block) in out.chunks_mut(BLOCK).enumerate() {
            bits64_body(key, draw, idx.skip(b * BLOCK), bytemuck::cast_slice_mut(block));
            block.iter_mut().for_each(|x| *x = F::value(open(x.to_bits())));
        }
    }
}

/// Numbers made by a formula of draw number `draw`.
pub(super) fn computed<F: Formula>(key: Key, draw: u32, idx: Indices, out: &mut [f64]) {
    dispatch(Computed::<F>(Random { key, draw, idx, out }, PhantomData));
}

struct Identity;

impl Formula for Identity {
    #[inline(always)]
    fn value(u: f64) -> f64 {
        u
    }
}

/// Uniform numbers in (0, 1) from draw number `draw`.
pub(super) fn opens(key: Key, draw: u32, idx: Indices, out: &mut [f64]) {
    computed::<Identity>(key, draw, idx, out);
}

/// Uniform numbers in [0, 1), multiples of 2^-53.
pub fn random(key: Key, idx: Indices, out: &mut [f64]) {
    dispatch(Random { key, draw: 0, idx, out });
}

/// Uniform numbers in [`low`, `high`).
pub fn uniform(key: Key, idx: Indices, low: Param, high: Param, out: &mut [f64]) {
    random(key, idx, out);
    match (low.len(), high.len()) {
        (None, None) => affine(out, low, Param::Scalar(high.at(0) - low.at(0))),
        _ => out.iter_mut().enumerate().for_each(|(k, x)| *x = low.at(k) + (high.at(k) - low.at(k)) * *x),
    }
}

struct Small<'a> {
    key: Key,
    idx: Indices,
    low: i64,
    range: u64,
    out: &'a mut [i64],
}

impl Loop for Small<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        const LOW: u64 = 0xFFFF_FFFF;
        let range = self.range & LOW;
        for (b, block) in self.out.chunks_mut(BLOCK).enumerate() {
            let idx = self.idx.skip(b * BLOCK);
            bits64_body(self.key, 0, idx, bytemuck::cast_slice_mut(block));
            let mut doubtful = 0;
            for x in block.iter_mut() {
                // The 96 bits of the product: 64 below `upper`'s lower half.
                let bits = *x as u64;
                let lower = (bits & LOW) * range;
                let upper = (bits >> 32) * range + (lower >> 32);
                let fraction = upper << 32 | lower & LOW;
                doubtful |= u64::from(fraction < range);
                *x = self.low.wrapping_add((upper >> 32) as i64);
            }
            if doubtful != 0 {
                redraw(self.key, idx, self.low, self.range, block);
            }
        }
    }
}

/// Computes a block one by one, because the product of one of its elements may have to be rejected.
#[cold]
#[inline(never)]
fn redraw(key: Key, idx: Indices, low: i64, range: u64, block: &mut [i64]) {
    for (k, x) in block.iter_mut().enumerate() {
        *x = low.wrapping_add(bounded(key, idx.at(k), bits64_at(key, 0, idx.at(k)), range) as i64);
    }
}

/// An integer in 0..`range` from 64 random bits, and more if those are rejected.
#[inline(always)]
fn bounded(key: Key, index: u64, bits: u64, range: u64) -> u64 {
    let product = u128::from(bits) * u128::from(range);
    let fraction = product as u64;
    if fraction < range && fraction < range.wrapping_neg() % range {
        return Stream::new(key, index).next_below(range);
    }
    (product >> 64) as u64
}

/// Uniform integers in `low`..`high`. Where `low >= high` the result is `low`.
pub fn integers(key: Key, idx: Indices, low: Param, high: Param, out: &mut [i64]) {
    if out.is_empty() {
        return;
    }
    let shared = low.len().is_none() && high.len().is_none();
    let range = high.integer_at(0) - low.integer_at(0);
    if shared && (0..1 << 32).contains(&range) {
        return dispatch(Small { key, idx, low: low.integer_at(0) as i64, range: range as u64, out });
    }
    bits64(key, 0, idx, bytemuck::cast_slice_mut(out));
    for (k, x) in out.iter_mut().enumerate() {
        let low = low.integer_at(k);
        let range = high.integer_at(k) - low;
        let offset = match u64::try_from(range) {
            Ok(range) => bounded(key, idx.at(k), *x as u64, range),
            Err(_) if range > 0 => *x as u64,
            Err(_) => 0,
        };
        *x = (low as i64).wrapping_add(offset as i64);
    }
}

/// Numbers in [`left`, `right`] with a density that rises linearly to `mode` and falls linearly from there.
pub fn triangular(key: Key, idx: Indices, left: Param, mode: Param, right: Param, out: &mut [f64]) {
    random(key, idx, out);
    for (k, x) in out.iter_mut().enumerate() {
        let (left, mode, right) = (left.at(k), mode.at(k), right.at(k));
        let base = right - left;
        let below = mode - left;
        // Chosen without a branch, which could not be predicted.
        let rising = *x * base <= below;
        let part = if rising { *x * below } else { (1.0 - *x) * (right - mode) };
        let distance = (part * base).sqrt();
        *x = if rising { left + distance } else { right - distance };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes() {
        assert_eq!(half_open(0), 0.0);
        assert_eq!(half_open(!0), 1.0 - f64::EPSILON / 2.0);
        assert_eq!(open(0), f64::EPSILON / 2.0);
        assert_eq!(open(!0), 1.0 - f64::EPSILON / 2.0);
    }

    #[test]
    fn integers_of_every_range() {
        let (key, idx) = (Key::from_seed(5, 0), Indices::consecutive(3));
        let mut out = vec![0; 2000];
        for (low, high) in [(0, 1), (-3, 4), (7, 7 + (1 << 32)), (i64::MIN, i64::MAX), (0, (1 << 33) + 1)] {
            integers(key, idx, Param::Int(low), Param::Int(high), &mut out);
            assert!(out.iter().all(|x| (low..high).contains(x)));
            let shared = out.clone();
            let (lows, highs) = (vec![low; out.len()], vec![high; out.len()]);
            integers(key, idx, Param::Ints(&lows), Param::Ints(&highs), &mut out);
            assert_eq!(out, shared);
            if (0..1_i128 << 32).contains(&(i128::from(high) - i128::from(low))) {
                redraw(key, idx, low, (high - low) as u64, &mut out);
                assert_eq!(out, shared);
            }
        }
        integers(key, idx, Param::Int(i64::MIN), Param::Scalar(9_223_372_036_854_775_808.0), &mut out);
        assert!(out.iter().any(|x| *x < i64::MIN / 2) && out.iter().any(|x| *x > i64::MAX / 2));
        integers(key, idx, Param::Int(5), Param::Int(5), &mut out);
        assert!(out.iter().all(|x| *x == 5));
        integers(key, idx, Param::Int(5), Param::Int(2), &mut out);
        assert!(out.iter().all(|x| *x == 5));
    }
}
