//! The remaining ones: standard_cauchy, wald, vonmises, zipf, logseries.
//!
//! Cauchy: the quantile. Wald: J. R. Michael, W. R. Schucany, R. W. Haas, "Generating random variates using
//! transformations with multiple roots", The American Statistician 30 (1976). Von Mises: D. J. Best, N. I. Fisher,
//! "Efficient simulation of the von Mises distribution", Applied Statistics 28 (1979). Zipf: L. Devroye, "Non-uniform
//! random variate generation", Springer 1986, section X.6.1. Logarithmic series: A. W. Kemp, "Efficient generation of
//! logarithmically distributed pseudo-random variables", Applied Statistics 30 (1981), algorithm LK.

use std::f64::consts::{PI, TAU};

use super::normal::{normals, quantile};
use super::param::Param;
use super::philox::{Indices, Key, Stream};
use super::uniform::{Formula, computed, opens};

struct Cauchy;

impl Formula for Cauchy {
    /// tan(pi (u - 1/2)).
    ///
    /// The polynomials for sine and cosine up to pi/4 are those of fdlibm's `k_sin.c` and `k_cos.c` (Sun Microsystems,
    /// 1993). Beyond pi/4 it is the cotangent of what is missing to pi/2, a difference without rounding.
    #[inline(always)]
    fn value(u: f64) -> f64 {
        let offset = u - 0.5;
        let size = offset.abs();
        let steep = size > 0.25;
        let x = PI * if steep { 0.5 - size } else { size };
        let z = x * x;
        let sine = x + x
            * z
            * (-1.666_666_666_666_663_243_48e-1
                + z * (8.333_333_333_322_489_461_24e-3
                    + z * (-1.984_126_982_985_794_931_34e-4
                        + z * (2.755_731_370_707_006_767_89e-6
                            + z * (-2.505_076_025_340_686_341_95e-8 + z * 1.589_690_995_211_550_102_21e-10)))));
        let cosine = 1.0 - 0.5 * z
            + z * z
                * (4.166_666_666_666_660_190_37e-2
                    + z * (-1.388_888_888_887_410_957_49e-3
                        + z * (2.480_158_728_947_672_941_78e-5
                            + z * (-2.755_731_435_139_066_330_35e-7
                                + z * (2.087_572_321_298_174_827_90e-9 + z * -1.135_964_755_778_819_482_65e-11)))));
        (if steep { cosine / sine } else { sine / cosine }).copysign(offset)
    }
}

/// Cauchy numbers around 0.
pub fn standard_cauchy(key: Key, idx: Indices, out: &mut [f64]) {
    computed::<Cauchy>(key, 0, idx, out);
}

/// Wald, or inverse Gaussian, numbers.
pub fn wald(key: Key, idx: Indices, mean: Param, scale: Param, out: &mut [f64]) {
    normals(key, 0, idx, out);
    let mut uniforms = vec![0.0; out.len()];
    opens(key, 1, idx, &mut uniforms);
    for (k, (x, u)) in out.iter_mut().zip(&uniforms).enumerate() {
        let (mean, scale) = (mean.at(k), scale.at(k));
        let y = mean * *x * *x;
        // The smaller root, in a form without cancellation.
        let d = 1.0 + (1.0 + 4.0 * scale / y).sqrt();
        let root = if y == 0.0 { mean } else { mean * (1.0 - 2.0 / d) };
        *x = if u * (mean + root) <= mean { root } else { mean * mean / root };
    }
}

/// Von Mises angles in [-pi, pi] around `mu`.
pub fn vonmises(key: Key, idx: Indices, mu: Param, kappa: Param, out: &mut [f64]) {
    for (k, x) in out.iter_mut().enumerate() {
        let stream = &mut Stream::new(key, idx.at(k));
        let (mu, kappa) = (mu.at(k), kappa.at(k));
        let angle = mu + von_mises_around_zero(kappa, stream);
        *x = if angle.abs() > PI { angle.signum() * ((angle.abs() + PI) % TAU - PI) } else { angle };
    }
}

fn von_mises_around_zero(kappa: f64, stream: &mut Stream) -> f64 {
    if kappa.is_nan() || kappa < 0.0 {
        return f64::NAN;
    }
    if kappa < 1e-8 {
        return PI * (2.0 * stream.next_open() - 1.0);
    }
    if kappa > 1e6 {
        return quantile(stream.next_open()) / kappa.sqrt();
    }
    let s = if kappa < 1e-5 {
        1.0 / kappa + kappa
    } else {
        let r = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
        let rho = (r - (2.0 * r).sqrt()) / (2.0 * kappa);
        (1.0 + rho * rho) / (2.0 * rho)
    };
    let cosine = loop {
        let z = (PI * stream.next_open()).cos();
        let w = (1.0 + s * z) / (s + z);
        let y = kappa * (s - w);
        let v = stream.next_open();
        if y * (2.0 - y) >= v || (y / v).ln() + 1.0 >= y {
            break w;
        }
    };
    cosine.clamp(-1.0, 1.0).acos().copysign(stream.next_open() - 0.5)
}

/// Numbers from 1 on, with a probability proportional to `k^-a`. At most `i64::MAX`.
pub fn zipf(key: Key, idx: Indices, a: Param, out: &mut [i64]) {
    const MAX: f64 = i64::MAX as f64;
    for (k, x) in out.iter_mut().enumerate() {
        let a = a.at(k);
        // Nothing but 1 has a probability that a number can hold.
        if !(a > 1.0 && a < 1025.0) {
            *x = 1;
            continue;
        }
        let stream = &mut Stream::new(key, idx.at(k));
        let less = a - 1.0;
        let b = less.exp2();
        let least = MAX.powf(-less);
        *x = loop {
            let u = stream.next_open();
            let u = u * least + (1.0 - u);
            let v = stream.next_open();
            let x = u.powf(-1.0 / less).floor();
            if !(1.0..=MAX).contains(&x) {
                continue;
            }
            let t = (1.0 + 1.0 / x).powf(less);
            if v * x * (t - 1.0) / (b - 1.0) <= t / b {
                break x as i64;
            }
        };
    }
}

/// Numbers from 1 on, with a probability proportional to `p^k / k`.
pub fn logseries(key: Key, idx: Indices, p: Param, out: &mut [i64]) {
    for (k, x) in out.iter_mut().enumerate() {
        let p = p.at(k);
        let stream = &mut Stream::new(key, idx.at(k));
        let r = (-p).ln_1p();
        let v = stream.next_open();
        *x = if v >= p || p.is_nan() {
            1
        } else {
            let q = -(r * stream.next_open()).exp_m1();
            if v <= q * q {
                // Saturates for a p so close to 1 that q is 1.
                ((1.0 + v.ln() / q.ln()).floor() as i64).max(1)
            } else if v >= q {
                1
            } else {
                2
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cauchy_is_the_tangent() {
        for k in 1..4000 {
            let u = f64::from(k) / 4096.0;
            let exact = (PI * (u - 0.5)).tan();
            // The library's argument is rounded, which matters where the tangent is steep.
            assert!((Cauchy::value(u) - exact).abs() <= 1e-15 * (1.0 + exact * exact), "{u}");
        }
        let least = f64::EPSILON / 2.0;
        assert!((Cauchy::value(least) * least * PI + 1.0).abs() < 1e-15);
    }
}
