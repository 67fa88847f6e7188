//! Logarithms of factorials and of probabilities, for the rejection methods of discrete distributions.
//!
//! The probabilities are in the saddle-point form of C. Loader, "Fast and accurate computation of binomial
//! probabilities" (2000), which subtracts no large numbers from each other, however large the parameters.

use std::f64::consts::TAU;

const FACTORIALS: [f64; 16] = [
    1.0,
    1.0,
    2.0,
    6.0,
    24.0,
    120.0,
    720.0,
    5_040.0,
    40_320.0,
    362_880.0,
    3_628_800.0,
    39_916_800.0,
    479_001_600.0,
    6_227_020_800.0,
    87_178_291_200.0,
    1_307_674_368_000.0,
];

/// By how much ln k! differs from Stirling's formula, ln(sqrt(2 pi k)) + k ln k - k.
fn stirling_error(k: f64) -> f64 {
    if k < 16.0 {
        return FACTORIALS[k as usize].ln() - (0.5 * (TAU * k).ln() + k * k.ln() - k);
    }
    let square = k * k;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / k
}

/// k ln(k / mean) + mean - k.
fn deviance(k: f64, mean: f64) -> f64 {
    let x = (k - mean) / mean;
    mean * ((1.0 + x) * x.ln_1p() - x)
}

/// The logarithm of the probability of `k` in the Poisson distribution.
pub(super) fn ln_poisson(k: f64, lam: f64) -> f64 {
    if k == 0.0 {
        return -lam;
    }
    -deviance(k, lam) - stirling_error(k) - 0.5 * (TAU * k).ln()
}

/// The logarithm of the probability of `k` in the binomial distribution, for p in (0, 1).
pub(super) fn ln_binomial(k: f64, n: f64, p: f64) -> f64 {
    if k == 0.0 {
        return n * (-p).ln_1p();
    }
    if k == n {
        return n * p.ln();
    }
    let rest = n - k;
    stirling_error(n) - stirling_error(k) - stirling_error(rest) - deviance(k, n * p) - deviance(rest, n * (1.0 - p))
        + 0.5 * (n / (TAU * k * rest)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        for lam in [0.3, 10.0, 31.5] {
            let sum: f64 = (0..200).map(|k| ln_poisson(f64::from(k), lam).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-13, "{lam}: {sum}");
        }
        for (n, p) in [(1, 0.3), (20, 0.01), (100, 0.5), (300, 0.97)] {
            let sum: f64 = (0..=n).map(|k| ln_binomial(f64::from(k), f64::from(n), p).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-13, "{n} {p}: {sum}");
        }
    }

    #[test]
    fn stirling_is_continuous() {
        let direct = (FACTORIALS[15] * 16.0).ln() - (0.5 * (TAU * 16.0).ln() + 16.0 * 16.0_f64.ln() - 16.0);
        assert!((stirling_error(16.0) - direct).abs() < 5e-14);
    }
}
