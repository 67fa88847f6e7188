//! Normal numbers and their exponentials: standard_normal, normal, lognormal.
//!
//! Method: the inverse of the distribution function, one draw per element, so a larger uniform number always gives a
//! larger normal one. Source: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution",
//! Applied Statistics 37 (1988), routine PPND16, with a relative error of about 1e-16.
//!
//! The middle, 85 % of the numbers, the tails, and the far tails (a probability below e^-25) have a rational function
//! each. The first is computed for all elements; then the tails are collected, computed together and put in their
//! places, so that both loops are free of branches.

use super::log::ln;
use super::param::{affine, map_in_place};
use super::philox::{Indices, Key, bits64_body};
use super::uniform::open;
use super::{BLOCK, Param};
use crate::simd::{Isa, Loop, dispatch};

/// e^-25: where the third rational function begins.
const FAR: f64 = 1.388_794_386_496_402_1e-11;

// Numerators and denominators, constant term first.

const NUMERATOR: [f64; 8] = [
    3.387_132_872_796_366_608_0,
    1.331_416_678_917_843_774_5e2,
    1.971_590_950_306_551_442_7e3,
    1.373_169_376_550_946_112_5e4,
    4.592_195_393_154_987_145_7e4,
    6.726_577_092_700_870_085_3e4,
    3.343_057_558_358_812_810_5e4,
    2.509_080_928_730_122_672_7e3,
];
const DENOMINATOR: [f64; 8] = [
    1.0,
    4.231_333_070_160_091_125_2e1,
    6.871_870_074_920_579_082_9e2,
    5.394_196_021_424_751_107_7e3,
    2.121_379_430_158_659_586_7e4,
    3.930_789_580_009_271_061_0e4,
    2.872_908_573_572_194_267_4e4,
    5.226_495_278_852_854_561_0e3,
];
const TAIL_NUMERATOR: [f64; 8] = [
    1.423_437_110_749_683_577_34,
    4.630_337_846_156_545_295_90,
    5.769_497_221_460_691_405_50,
    3.647_848_324_763_204_605_04,
    1.270_458_252_452_368_382_58,
    2.417_807_251_774_506_117_70e-1,
    2.272_384_498_926_918_458_33e-2,
    7.745_450_142_783_414_076_40e-4,
];
const TAIL_DENOMINATOR: [f64; 8] = [
    1.0,
    2.053_191_626_637_758_821_87,
    1.676_384_830_183_803_849_40,
    6.897_673_349_851_000_045_50e-1,
    1.481_039_764_274_800_745_90e-1,
    1.519_866_656_361_645_719_66e-2,
    5.475_938_084_995_344_946_00e-4,
    1.050_750_071_644_416_843_24e-9,
];
const FAR_NUMERATOR: [f64; 8] = [
    6.657_904_643_501_103_777_20,
    5.463_784_911_164_114_369_90,
    1.784_826_539_917_291_335_80,
    2.965_605_718_285_048_912_30e-1,
    2.653_218_952_657_612_309_30e-2,
    1.242_660_947_388_078_438_60e-3,
    2.711_555_568_743_487_578_15e-5,
    2.010_334_399_292_288_132_65e-7,
];
const FAR_DENOMINATOR: [f64; 8] = [
    1.0,
    5.998_322_065_558_879_376_90e-1,
    1.369_298_809_227_358_053_10e-1,
    1.487_536_129_085_061_485_25e-2,
    7.868_691_311_456_132_591_00e-4,
    1.846_318_317_510_054_681_80e-5,
    1.421_511_758_316_445_888_70e-7,
    2.044_263_103_389_939_785_64e-15,
];

/// Half the width of the middle, where the argument of the rational function is `WIDTH^2 - q^2`.
const WIDTH: f64 = 0.425;

/// The polynomial, by Estrin's scheme: the same work as Horner's, but half of it does not wait for the rest.
#[inline(always)]
fn polynomial(c: &[f64; 8], r: f64) -> f64 {
    let square = r * r;
    let low = (c[0] + c[1] * r) + (c[2] + c[3] * r) * square;
    let high = (c[4] + c[5] * r) + (c[6] + c[7] * r) * square;
    low + high * (square * square)
}

/// The quantile for a probability 1/2 + q in the middle.
#[inline(always)]
fn middle(q: f64) -> f64 {
    let r = WIDTH * WIDTH - q * q;
    q * polynomial(&NUMERATOR, r) / polynomial(&DENOMINATOR, r)
}

/// The quantile, without its sign, for a probability p between `FAR` and 0.075.
#[inline(always)]
fn tail(p: f64) -> f64 {
    let r = (-ln(p)).sqrt() - 1.6;
    polynomial(&TAIL_NUMERATOR, r) / polynomial(&TAIL_DENOMINATOR, r)
}

/// The quantile, without its sign, for a probability p below `FAR`.
#[cold]
#[inline(never)]
fn far_tail(p: f64) -> f64 {
    let r = (-ln(p)).sqrt() - 5.0;
    polynomial(&FAR_NUMERATOR, r) / polynomial(&FAR_DENOMINATOR, r)
}

/// The quantile of the standard normal distribution for a probability in (0, 1).
pub(super) fn quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= WIDTH {
        return middle(q);
    }
    let p = u.min(1.0 - u);
    let x = if p < FAR { far_tail(p) } else { tail(p) };
    x.copysign(q)
}

struct Normal<'a> {
    key: Key,
    draw: u32,
    idx: Indices,
    out: &'a mut [f64],
}

impl Loop for Normal<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut tails = Tails::new();
        for (b, block) in self.out.chunks_mut(BLOCK).enumerate() {
            bits64_body(self.key, self.draw, self.idx.skip(b * BLOCK), bytemuck::cast_slice_mut(block));
            // Exact, as all of these are multiples of 2^-53 below 1/2.
            block.iter_mut().for_each(|x| *x = open(x.to_bits()) - 0.5);
            tails.quantiles(block);
        }
    }
}

/// Room for the tails of a block.
struct Tails {
    /// Where they belong.
    places: [u16; BLOCK],
    /// Their q.
    offsets: [f64; BLOCK],
    /// Their quantiles, without sign.
    found: [f64; BLOCK],
}

impl Tails {
    #[inline(always)]
    fn new() -> Self {
        Self { places: [0; BLOCK], offsets: [0.45; BLOCK], found: [0.0; BLOCK] }
    }

    /// Puts into the place of every q in (-1/2, 1/2) the quantile for 1/2 + q.
    #[inline(always)]
    fn quantiles(&mut self, block: &mut [f64]) {
        let mut count = 0;
        for (k, q) in block.iter().enumerate() {
            // `count` is below `BLOCK`, as it is at most `k`. The remainder spares a check of that.
            self.places[count % BLOCK] = k as u16;
            count += usize::from(q.abs() > WIDTH);
        }
        for (place, q) in self.places[..count].iter().zip(&mut self.offsets) {
            *q = block[usize::from(*place)];
        }
        block.iter_mut().for_each(|q| *q = middle(*q));
        // Whole vectors only: what lies beyond the last tail is an old one, computed in vain.
        let end = count.next_multiple_of(16).min(BLOCK);
        for (x, q) in self.found[..end].iter_mut().zip(&self.offsets[..end]) {
            *x = tail(0.5 - q.abs());
        }
        for ((place, q), x) in self.places[..count].iter().zip(&self.offsets).zip(&self.found) {
            let p = 0.5 - q.abs();
            let x = if p < FAR { far_tail(p) } else { *x };
            block[usize::from(*place)] = x.copysign(*q);
        }
    }
}

/// Standard normal numbers from draw number `draw`.
pub(super) fn normals(key: Key, draw: u32, idx: Indices, out: &mut [f64]) {
    dispatch(Normal { key, draw, idx, out });
}

/// Normal numbers with mean 0 and standard deviation 1.
pub fn standard_normal(key: Key, idx: Indices, out: &mut [f64]) {
    normals(key, 0, idx, out);
}

/// Normal numbers with mean `loc` and standard deviation `scale`.
pub fn normal(key: Key, idx: Indices, loc: Param, scale: Param, out: &mut [f64]) {
    standard_normal(key, idx, out);
    affine(out, loc, scale);
}

/// e to the power of normal numbers with mean `mean` and standard deviation `sigma`.
pub fn lognormal(key: Key, idx: Indices, mean: Param, sigma: Param, out: &mut [f64]) {
    normal(key, idx, mean, sigma, out);
    map_in_place(out, f64::exp);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles() {
        // Values to 16 digits, from tables of the error function's inverse.
        for (u, z) in [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.9, 1.281_551_565_544_600_4),
            (0.95, 1.644_853_626_951_472_2),
            (0.975, 1.959_963_984_540_054),
            (0.99, 2.326_347_874_040_841),
            (0.995, 2.575_829_303_548_900_4),
            (0.999, 3.090_232_306_167_813_5),
        ] {
            for z_found in [quantile(u), -quantile(1.0 - u)] {
                assert!((z_found - z).abs() <= 1e-15 * (1.0 + z), "{u}: {z_found} {z}");
            }
        }
        for (u, z) in [
            (0.001, 3.090_232_306_167_813_5),
            (1e-5, 4.264_890_793_922_825),
            (1e-10, 6.361_340_902_404_056),
            (1e-12, 7.034_483_825_301_131),
            (1e-15, 7.941_345_326_170_998),
        ] {
            let found = quantile(u);
            assert!((found + z).abs() <= 1e-15 * z, "{u}: {found} {z}");
        }
    }

    #[test]
    fn loop_agrees_with_the_function() {
        for length in [1, 31, BLOCK] {
            // Mostly tails, as no random numbers are.
            let offset =
                |k: usize| (k as f64 / BLOCK as f64).powf(0.1) * 0.499 * if k.is_multiple_of(3) { -1.0 } else { 1.0 };
            let mut block: Vec<f64> = (0..length).map(offset).collect();
            block[0] = 0.5 - 1e-13;
            let expected: Vec<f64> = block.iter().map(|q| quantile(q + 0.5)).collect();
            Tails::new().quantiles(&mut block);
            assert!(block.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-13 * (1.0 + y.abs()) || x > &7.0));
        }
    }

    #[test]
    fn pieces_fit_together() {
        assert!((middle(WIDTH) - tail(0.075)).abs() < 1e-15);
        assert!((tail(FAR) - far_tail(FAR)).abs() < 1e-14);
    }
}
