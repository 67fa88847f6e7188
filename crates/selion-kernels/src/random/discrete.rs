//! Counts: poisson, binomial, negative_binomial, geometric, hypergeometric.
//!
//! Poisson and binomial numbers with a mean below 10 by sequential search, the inverse of the distribution function
//! (L. Devroye, "Non-uniform random variate generation", Springer 1986, chapter III.2). Larger ones by transformed
//! rejection with squeeze: PTRS of W. Hörmann, "The transformed rejection method for generating Poisson random
//! variables", Insurance: Mathematics and Economics 12 (1993), and BTRS of W. Hörmann, "The generation of binomial
//! random variates", Journal of Statistical Computation and Simulation 46 (1993). The first attempt's draws are made for
//! all elements of a block by the fast loops; the others come from the element's [`Stream`].
//!
//! Negative binomial numbers are Poisson numbers with a gamma mean. Geometric numbers are inverted. Hypergeometric
//! numbers come from drawing one by one (small samples) or from the ratio of uniforms, HRUA of E. Stadlober, "The ratio
//! of uniforms approach for generating discrete random variates", Journal of Computational and Applied Mathematics 31
//! (1990).

use super::exponential::standard_exponential;
use super::gamma::{DRAWS, plain_gammas};
use super::param::{Param, Prepared};
use super::philox::{Indices, Key, Stream};
use super::special::{ln_binomial, ln_poisson};
use super::uniform::opens;
use super::{BLOCK, MAX_LAM};

/// The lane of Poisson streams: gamma numbers of the same element use lanes with lower numbers.
const LANE: u8 = 100;
/// Below this a probability cannot change the place of a uniform number any more.
const NEGLIGIBLE: f64 = 1.0 / (1_u64 << 60) as f64;

/// 1 / k, to search without divisions. A search is over long before its end: the mean is below 10.
const RECIPROCALS: [f64; 256] = {
    let mut table = [0.0; 256];
    let mut k = 1;
    while k < 256 {
        table[k] = 1.0 / k as f64;
        k += 1;
    }
    table
};

/// The count whose share of (0, 1) holds `u`: the probability of 0 is `none`, and `ratio(k)` / k that of k relative to
/// that of k - 1. The probabilities fall beyond `mean`.
#[inline(always)]
fn search(u: f64, none: f64, mean: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut left, mut p, mut k) = (u, none, 0_u8);
    while left > p && (p > NEGLIGIBLE || f64::from(k) < mean) && k < u8::MAX {
        left -= p;
        k += 1;
        p *= ratio(f64::from(k)) * RECIPROCALS[usize::from(k)];
    }
    f64::from(k)
}

/// A distribution of counts, ready to be drawn from.
trait Sampler {
    /// The count for two uniform numbers in (0, 1), or `None` if these are rejected.
    fn attempt(&self, u: f64, v: f64) -> Option<i64>;

    /// The count for two uniform numbers, or if these are rejected for further ones.
    #[inline(always)]
    fn sample(&self, u: f64, v: f64, stream: impl FnOnce() -> Stream) -> i64 {
        self.attempt(u, v).unwrap_or_else(|| self.draw_from(&mut stream()))
    }

    fn draw_from(&self, stream: &mut Stream) -> i64 {
        loop {
            let u = stream.next_open();
            if let Some(count) = self.attempt(u, stream.next_open()) {
                return count;
            }
        }
    }
}

/// The Poisson distribution.
pub(super) enum Poisson {
    /// No such distribution, or the mean is 0: the result is 0.
    Zero,
    Search {
        lam: f64,
        none: f64,
    },
    Reject {
        lam: f64,
        a: f64,
        b: f64,
        inverse_alpha: f64,
        v_r: f64,
    },
}

impl Poisson {
    fn new(lam: f64) -> Self {
        if !(lam > 0.0 && lam <= MAX_LAM) {
            return Self::Zero;
        }
        if lam < 10.0 {
            return Self::Search { lam, none: (-lam).exp() };
        }
        let b = 0.931 + 2.53 * lam.sqrt();
        Self::Reject {
            lam,
            a: -0.059 + 0.02483 * b,
            b,
            inverse_alpha: 1.1239 + 1.1328 / (b - 3.4),
            v_r: 0.9277 - 3.6224 / (b - 2.0),
        }
    }
}

impl Sampler for Poisson {
    #[inline(always)]
    fn attempt(&self, u: f64, v: f64) -> Option<i64> {
        match *self {
            Self::Zero => Some(0),
            Self::Search { lam, none } => Some(search(u, none, lam, |_| lam) as i64),
            Self::Reject { lam, a, b, inverse_alpha, v_r } => {
                let u = u - 0.5;
                let us = 0.5 - u.abs();
                let k = ((2.0 * a / us + b) * u + lam + 0.43).floor();
                if us >= 0.07 && v <= v_r {
                    return Some(k as i64);
                }
                if k < 0.0 || (us < 0.013 && v > us) {
                    return None;
                }
                ((v * inverse_alpha / (a / (us * us) + b)).ln() <= ln_poisson(k, lam)).then_some(k as i64)
            }
        }
    }
}

/// A Poisson number of mean `lam` from the element's stream.
pub(super) fn poisson_at(prepared: &mut Prepared<f64, Poisson>, lam: f64, key: Key, index: u64) -> i64 {
    prepared.get(lam, Poisson::new).draw_from(&mut Stream::with_lane(key, index, LANE))
}

/// Counts for all elements: `sampler` gives that of element k.
fn counts<P: PartialEq + Copy, S: Sampler>(
    key: Key,
    idx: Indices,
    params: impl Fn(usize) -> P,
    prepare: impl Fn(P) -> S,
    out: &mut [i64],
) {
    let (mut u, mut v) = ([0.0; BLOCK], [0.0; BLOCK]);
    let mut prepared = Prepared::new();
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        let first = b * BLOCK;
        opens(key, 0, idx.skip(first), &mut u[..block.len()]);
        opens(key, 1, idx.skip(first), &mut v[..block.len()]);
        for (j, x) in block.iter_mut().enumerate() {
            let k = first + j;
            let sampler = prepared.get(params(k), &prepare);
            *x = sampler.sample(u[j], v[j], || Stream::with_lane(key, idx.at(k), LANE));
        }
    }
}

/// Poisson numbers of mean `lam`.
pub fn poisson(key: Key, idx: Indices, lam: Param, out: &mut [i64]) {
    counts(key, idx, |k| lam.at(k), Poisson::new, out);
}

/// How binomial numbers are made, for a probability of at most 1/2.
enum Method {
    Fixed(f64),
    Search { none: f64, ratio: f64, mean: f64 },
    Reject { a: f64, b: f64, c: f64, alpha: f64, v_r: f64, ln_mode: f64 },
}

/// The binomial distribution.
struct Binomial {
    n: f64,
    p: f64,
    /// Whether successes and failures have been exchanged to make p at most 1/2.
    exchanged: bool,
    method: Method,
}

impl Binomial {
    fn new((n, p): (f64, f64)) -> Self {
        let exchanged = p > 0.5;
        let p = if exchanged { 1.0 - p } else { p };
        let mean = n * p;
        let method = if !(n > 0.0 && p > 0.0) {
            Method::Fixed(0.0)
        } else if mean < 10.0 {
            Method::Search { none: (n * (-p).ln_1p()).exp(), ratio: p / (1.0 - p), mean }
        } else {
            let deviation = (mean * (1.0 - p)).sqrt();
            let b = 1.15 + 2.53 * deviation;
            let mode = ((n + 1.0) * p).floor();
            Method::Reject {
                a: -0.0873 + 0.0248 * b + 0.01 * p,
                b,
                c: mean + 0.5,
                alpha: (2.83 + 5.1 / b) * deviation,
                v_r: 0.92 - 4.2 / b,
                ln_mode: ln_binomial(mode, n, p),
            }
        };
        Self { n, p, exchanged, method }
    }
}

impl Sampler for Binomial {
    #[inline(always)]
    fn attempt(&self, u: f64, v: f64) -> Option<i64> {
        let Self { n, p, .. } = *self;
        let k = match self.method {
            Method::Fixed(k) => k,
            Method::Search { none, ratio, mean } => search(u, none, mean, |k| ratio * (n + 1.0 - k)),
            Method::Reject { a, b, c, alpha, v_r, ln_mode } => {
                let u = u - 0.5;
                let us = 0.5 - u.abs();
                let k = ((2.0 * a / us + b) * u + c).floor();
                let quick = us >= 0.07 && v <= v_r;
                if !quick {
                    if k < 0.0 || k > n {
                        return None;
                    }
                    if (v * alpha / (a / (us * us) + b)).ln() > ln_binomial(k, n, p) - ln_mode {
                        return None;
                    }
                }
                k
            }
        };
        Some(if self.exchanged { n - k } else { k } as i64)
    }
}

/// Successes among `n` trials with probability `p`.
pub fn binomial(key: Key, idx: Indices, n: Param, p: Param, out: &mut [i64]) {
    counts(key, idx, |k| (n.at(k).trunc(), p.at(k)), Binomial::new, out);
}

/// Failures before the success number `n`, with probability `p` of a success. `n` need not be whole.
pub fn negative_binomial(key: Key, idx: Indices, n: Param, p: Param, out: &mut [i64]) {
    let mut prepared = Prepared::new();
    let (mut means, mut u, mut v) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        let first = b * BLOCK;
        let idx = idx.skip(first);
        plain_gammas(key, 0, idx, |j| n.at(first + j), &mut means[..block.len()]);
        opens(key, DRAWS, idx, &mut u[..block.len()]);
        opens(key, DRAWS + 1, idx, &mut v[..block.len()]);
        for (j, x) in block.iter_mut().enumerate() {
            let p = p.at(first + j);
            let sampler = prepared.get(means[j] * ((1.0 - p) / p), Poisson::new);
            *x = sampler.sample(u[j], v[j], || Stream::with_lane(key, idx.at(j), LANE));
        }
    }
}

/// Trials up to the first success, with probability `p` of a success. At most `i64::MAX`.
pub fn geometric(key: Key, idx: Indices, p: Param, out: &mut [i64]) {
    let mut prepared = Prepared::new();
    let mut times = [0.0; BLOCK];
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        standard_exponential(key, idx.skip(b * BLOCK), &mut times[..block.len()]);
        for (j, x) in block.iter_mut().enumerate() {
            // A number of trials without success has the distribution of a time rounded up, at this rate.
            let rate = *prepared.get(p.at(b * BLOCK + j), |p| -(-p).ln_1p());
            *x = ((times[j] / rate).ceil() as i64).max(1);
        }
    }
}

/// Samples of this size, or without this many elements, are drawn one by one.
const ONE_BY_ONE: i64 = 10;

/// The hypergeometric distribution with the lesser of `good` and `bad` as good and at most half of all drawn.
enum Hypergeometric {
    Draw { good: i64, total: i64, sample: i64 },
    Reject { good: f64, bad: f64, sample: f64, a: f64, h: f64, bound: f64, p: f64, ln_mode: f64 },
}

impl Hypergeometric {
    fn new((good, bad, sample): (i64, i64, i64)) -> Self {
        let total = good + bad;
        if sample <= ONE_BY_ONE {
            return Self::Draw { good, total, sample };
        }
        let p = sample as f64 / total as f64;
        let (good, bad, sample, total) = (good as f64, bad as f64, sample as f64, total as f64);
        let a = sample * good / total + 0.5;
        let variance = (total - sample) * sample * good * bad / (total * total * (total - 1.0));
        let c = (variance + 0.5).sqrt();
        // 2 sqrt(2 / e) and 3 - 2 sqrt(3 / e).
        let h = 1.715_527_769_921_413_5 * c + 0.898_916_162_058_898_8;
        let mode = ((sample + 1.0) * (good + 1.0) / (total + 2.0)).floor();
        let bound = (sample.min(good) + 1.0).min((a + 16.0 * c).floor());
        let ln_mode = Self::ln_probability(mode, good, bad, sample, p);
        Self::Reject { good, bad, sample, a, h, bound, p, ln_mode }
    }

    /// The logarithm of the probability of `k` good ones, but for a constant.
    fn ln_probability(k: f64, good: f64, bad: f64, sample: f64, p: f64) -> f64 {
        ln_binomial(k, good, p) + ln_binomial(sample - k, bad, p)
    }

    fn draw(&self, stream: &mut Stream) -> i64 {
        match *self {
            Self::Draw { good, total, sample } => {
                let mut left = good;
                for drawn in 0..sample {
                    left -= i64::from((stream.next_below((total - drawn) as u64) as i64) < left);
                }
                good - left
            }
            Self::Reject { good, bad, sample, a, h, bound, p, ln_mode } => loop {
                let u = stream.next_open();
                let x = a + h * (stream.next_open() - 0.5) / u;
                if !(0.0..bound).contains(&x) {
                    continue;
                }
                let k = x.floor();
                let t = Self::ln_probability(k, good, bad, sample, p) - ln_mode;
                if u * (4.0 - u) - 3.0 <= t || (u * (u - t) < 1.0 && 2.0 * u.ln() <= t) {
                    break k as i64;
                }
            },
        }
    }
}

/// Good ones among `nsample` drawn without replacement from `ngood` and `nbad`.
pub fn hypergeometric(key: Key, idx: Indices, ngood: Param, nbad: Param, nsample: Param, out: &mut [i64]) {
    let mut prepared = Prepared::new();
    for (k, x) in out.iter_mut().enumerate() {
        let count = |param: Param| (param.at(k) as i64).clamp(0, super::MAX_GOOD_OR_BAD);
        let (good, bad) = (count(ngood), count(nbad));
        let all = count(nsample).min(good + bad);
        // Drawing the sample or leaving it, counting the good or the bad: the smallest numbers are taken.
        let sample = all.min(good + bad - all);
        let lesser = good.min(bad);
        let sampler = prepared.get((lesser, good.max(bad), sample), Hypergeometric::new);
        let mut found = sampler.draw(&mut Stream::new(key, idx.at(k)));
        if good > bad {
            found = sample - found;
        }
        *x = if sample < all { good - found } else { found };
    }
}
