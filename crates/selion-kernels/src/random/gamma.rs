//! Gamma numbers and what is made of them: standard_gamma, gamma, beta, chisquare, noncentral_chisquare, f,
//! noncentral_f, standard_t.
//!
//! Method: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000): rejection
//! from a cubed normal number, accepted at the first attempt with a probability of more than 95 %. The first attempt's
//! draws are made for all elements of a block by the fast loops; whatever else an element needs comes from its
//! [`Stream`]. A shape below 1 is raised by 1 and the result multiplied by u^(1/shape) (section 6 of the same).
//!
//! Beta numbers are x / (x + y) of two gamma numbers; if a shape is below 1, these are kept as logarithms, because both
//! may be too small for a number.

use super::BLOCK;
use super::discrete::poisson_at;
use super::normal::{normals, quantile};
use super::param::{Param, Prepared, scaled};
use super::philox::{Indices, Key, Stream};
use super::uniform::opens;

/// Draw numbers that [`gammas`] needs, so the next one must be called with a `draw` that is larger by this.
pub(super) const DRAWS: u32 = 3;

/// Marsaglia and Tsang's constants of a shape.
struct Shape {
    d: f64,
    c: f64,
    /// 1 / shape, if that is below 1.
    boost: Option<f64>,
}

impl Shape {
    fn new(shape: f64) -> Self {
        let d = if shape < 1.0 { shape + 2.0 / 3.0 } else { shape - 1.0 / 3.0 };
        Self { d, c: 1.0 / (9.0 * d).sqrt(), boost: (shape < 1.0).then(|| 1.0 / shape) }
    }

    /// A gamma number, before the boost, of a normal and a uniform one.
    #[inline(always)]
    fn attempt(&self, normal: f64, u: f64) -> Option<f64> {
        let root = 1.0 + self.c * normal;
        let v = root * root * root;
        let square = normal * normal;
        let accepted =
            v > 0.0 && (u < 1.0 - 0.0331 * square * square || u.ln() < 0.5 * square + self.d * (1.0 - v + v.ln()));
        accepted.then_some(self.d * v)
    }

    #[cold]
    fn retry(&self, stream: &mut Stream) -> f64 {
        loop {
            let normal = quantile(stream.next_open());
            if let Some(x) = self.attempt(normal, stream.next_open()) {
                return x;
            }
        }
    }
}

/// Standard gamma numbers of shape `shape(k)`, or their logarithms where `log(k)`, from [`DRAWS`] draws.
fn gammas(
    key: Key,
    draw: u32,
    idx: Indices,
    shape: impl Fn(usize) -> f64,
    log: impl Fn(usize) -> bool,
    out: &mut [f64],
) {
    let mut uniforms = [0.0; BLOCK];
    let mut boosts = [0.0; BLOCK];
    let mut prepared = Prepared::new();
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        let first = b * BLOCK;
        normals(key, draw, idx.skip(first), block);
        opens(key, draw + 1, idx.skip(first), &mut uniforms[..block.len()]);
        if (first..first + block.len()).any(|k| shape(k) < 1.0) {
            opens(key, draw + 2, idx.skip(first), &mut boosts[..block.len()]);
        }
        for (j, x) in block.iter_mut().enumerate() {
            let k = first + j;
            let (shape, log) = (shape(k), log(k));
            if !(shape > 0.0 && shape < f64::INFINITY) {
                // 0 for 0, and infinity and NaN for themselves.
                let limit = if shape < 0.0 { f64::NAN } else { shape };
                *x = if log { limit.ln() } else { limit };
                continue;
            }
            let shape = prepared.get(shape, Shape::new);
            let raised = match shape.attempt(*x, uniforms[j]) {
                Some(x) => x,
                None => shape.retry(&mut Stream::with_lane(key, idx.at(k), draw as u8)),
            };
            *x = match (shape.boost, log) {
                (None, false) => raised,
                (None, true) => raised.ln(),
                (Some(power), false) => raised * (boosts[j].ln() * power).exp(),
                (Some(power), true) => raised.ln() + boosts[j].ln() * power,
            };
        }
    }
}

/// Standard gamma numbers of shape `shape(k)` as the negative binomial distribution needs them.
pub(super) fn plain_gammas(key: Key, draw: u32, idx: Indices, shape: impl Fn(usize) -> f64, out: &mut [f64]) {
    gammas(key, draw, idx, shape, |_| false, out);
}

/// Gamma numbers of scale 1.
pub fn standard_gamma(key: Key, idx: Indices, shape: Param, out: &mut [f64]) {
    plain_gammas(key, 0, idx, |k| shape.at(k), out);
}

/// Gamma numbers with mean `shape * scale`.
pub fn gamma(key: Key, idx: Indices, shape: Param, scale: Param, out: &mut [f64]) {
    standard_gamma(key, idx, shape, out);
    scaled(out, scale);
}

/// Beta numbers with mean `a / (a + b)`.
pub fn beta(key: Key, idx: Indices, a: Param, b: Param, out: &mut [f64]) {
    let log = |k: usize| a.at(k) < 1.0 || b.at(k) < 1.0;
    gammas(key, 0, idx, |k| a.at(k), log, out);
    let mut others = vec![0.0; out.len()];
    gammas(key, DRAWS, idx, |k| b.at(k), log, &mut others);
    for (k, (x, y)) in out.iter_mut().zip(&others).enumerate() {
        *x = if log(k) {
            let largest = x.max(*y);
            let (p, q) = ((*x - largest).exp(), (y - largest).exp());
            p / (p + q)
        } else {
            *x / (*x + y)
        };
    }
}

/// Chi-square numbers with `df` degrees of freedom.
pub fn chisquare(key: Key, idx: Indices, df: Param, out: &mut [f64]) {
    chisquares(key, 0, idx, |k| df.at(k), out);
}

fn chisquares(key: Key, draw: u32, idx: Indices, df: impl Fn(usize) -> f64, out: &mut [f64]) {
    plain_gammas(key, draw, idx, |k| 0.5 * df(k), out);
    out.iter_mut().for_each(|x| *x *= 2.0);
}

/// Noncentral chi-square numbers with `df` degrees of freedom and noncentrality `nonc`.
///
/// For `df > 1` the sum of a central one and the square of a shifted normal number, else a central one with a Poisson
/// number of additional pairs of degrees of freedom.
pub fn noncentral_chisquare(key: Key, idx: Indices, df: Param, nonc: Param, out: &mut [f64]) {
    let mut prepared = Prepared::new();
    // The degrees of freedom of the central part.
    let central: Vec<f64> = (0..out.len())
        .map(|k| match (df.at(k), nonc.at(k)) {
            (df, 0.0) => df,
            (df, _) if df > 1.0 => df - 1.0,
            (df, nonc) => df + 2.0 * poisson_at(&mut prepared, 0.5 * nonc, key, idx.at(k)) as f64,
        })
        .collect();
    chisquares(key, 0, idx, |k| central[k], out);
    let mut shifts = central;
    normals(key, DRAWS, idx, &mut shifts);
    for (k, (x, normal)) in out.iter_mut().zip(&shifts).enumerate() {
        let nonc = nonc.at(k);
        if nonc.is_nan() {
            *x = f64::NAN;
        } else if df.at(k) > 1.0 && nonc != 0.0 {
            let shifted = normal + nonc.sqrt();
            *x += shifted * shifted;
        }
    }
}

/// Divides by chi-square numbers and scales, which makes F numbers of chi-square ones.
fn divide(key: Key, idx: Indices, dfnum: Param, dfden: Param, out: &mut [f64]) {
    let mut divisors = vec![0.0; out.len()];
    chisquares(key, DRAWS + 1, idx, |k| dfden.at(k), &mut divisors);
    for (k, (x, divisor)) in out.iter_mut().zip(&divisors).enumerate() {
        *x = (*x * dfden.at(k)) / (divisor * dfnum.at(k));
    }
}

/// F numbers with `dfnum` and `dfden` degrees of freedom.
pub fn f(key: Key, idx: Indices, dfnum: Param, dfden: Param, out: &mut [f64]) {
    chisquare(key, idx, dfnum, out);
    divide(key, idx, dfnum, dfden, out);
}

/// Noncentral F numbers with `dfnum` and `dfden` degrees of freedom and noncentrality `nonc`.
pub fn noncentral_f(key: Key, idx: Indices, dfnum: Param, dfden: Param, nonc: Param, out: &mut [f64]) {
    noncentral_chisquare(key, idx, dfnum, nonc, out);
    divide(key, idx, dfnum, dfden, out);
}

/// Student's t numbers with `df` degrees of freedom.
pub fn standard_t(key: Key, idx: Indices, df: Param, out: &mut [f64]) {
    normals(key, DRAWS, idx, out);
    let mut gammas = vec![0.0; out.len()];
    plain_gammas(key, 0, idx, |k| 0.5 * df.at(k), &mut gammas);
    for (k, (x, gamma)) in out.iter_mut().zip(&gammas).enumerate() {
        let df = df.at(k);
        if df != f64::INFINITY {
            *x *= (0.5 * df / gamma).sqrt();
        }
    }
}
