//! Natural logarithm without branches, for loops that shall be vectorised.
//!
//! The reduction and the polynomial are those of fdlibm's `e_log.c` (Sun Microsystems, 1993), with an error below 1 ulp.
//! There is no fused multiply-add in it: random numbers are the same on every CPU.

/// The natural logarithm of a positive, finite, normal number.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    const SQRT_HALF: u64 = 0x3FE6_A09E_0000_0000;
    const ONE: u64 = 0x3FF0_0000_0000_0000;

    // x = 2^k * m with m in [sqrt(1/2), sqrt(2)).
    let shifted = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let m = f64::from_bits((shifted & 0x000F_FFFF_FFFF_FFFF) + SQRT_HALF);
    // The exponent becomes a number by way of the lowest bits of 2^52: vectors of 64-bit integers often lack conversion.
    let k = f64::from_bits(0x4330_0000_0000_0000 | shifted >> 52) - (4_503_599_627_370_496.0 + 1023.0);

    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even =
        w * (3.999_999_999_940_941_908e-1 + w * (2.222_219_843_214_978_396e-1 + w * 1.531_383_769_920_937_332e-1));
    let odd = z
        * (6.666_666_666_666_735_130e-1
            + w * (2.857_142_874_366_239_149e-1
                + w * (1.818_357_216_161_805_012e-1 + w * 1.479_819_860_511_658_591e-1)));
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + (even + odd)) + k * LN2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library() {
        let mut x = 1e-300_f64;
        while x < 1e300 {
            for y in [x, 1.0 / x, 1.0 + x, 1.0 - x] {
                if y > 0.0 && y.is_normal() {
                    let exact = y.ln();
                    assert!((ln(y) - exact).abs() <= 2.3e-16 * exact.abs(), "{y}: {} {exact}", ln(y));
                }
            }
            x *= 1.37;
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
