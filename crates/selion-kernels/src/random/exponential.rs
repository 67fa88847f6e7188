//! Distributions whose quantile is a formula with a logarithm: standard_exponential, exponential, laplace, logistic,
//! gumbel, rayleigh, weibull, pareto, power.
//!
//! Method: the quantile of one uniform number in (0, 1) for each element, so these are monotonic in the draw (L. Devroye,
//! "Non-uniform random variate generation", Springer 1986, chapter II.2). The smallest and largest uniform numbers are
//! 2^-53 and 1 - 2^-53.

use super::Param;
use super::log::ln;
use super::param::{affine, map_with, scaled};
use super::philox::{Indices, Key};
use super::uniform::{Formula, computed, opens};
use crate::simd::{Isa, Loop, dispatch};

struct Exponential;
struct Laplace;
struct Logistic;
struct Rayleigh;

impl Formula for Exponential {
    #[inline(always)]
    fn value(u: f64) -> f64 {
        -ln(u)
    }
}

impl Formula for Laplace {
    #[inline(always)]
    fn value(u: f64) -> f64 {
        // The magnitude for the lesser of u and 1 - u, which is exact.
        let offset = u - 0.5;
        (-ln(1.0 - 2.0 * offset.abs())).copysign(offset)
    }
}

impl Formula for Logistic {
    #[inline(always)]
    fn value(u: f64) -> f64 {
        ln(u / (1.0 - u))
    }
}

impl Formula for Rayleigh {
    #[inline(always)]
    fn value(u: f64) -> f64 {
        (-2.0 * ln(u)).sqrt()
    }
}

/// x = -ln(x). Two logarithms in one loop would not be vectorised.
struct MinusLn<'a>(&'a mut [f64]);

impl Loop for MinusLn<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        self.0.iter_mut().for_each(|x| *x = -ln(*x));
    }
}

/// Exponential numbers with mean 1.
pub fn standard_exponential(key: Key, idx: Indices, out: &mut [f64]) {
    computed::<Exponential>(key, 0, idx, out);
}

/// Exponential numbers with mean `scale`.
pub fn exponential(key: Key, idx: Indices, scale: Param, out: &mut [f64]) {
    standard_exponential(key, idx, out);
    scaled(out, scale);
}

/// Laplace, or double exponential, numbers around `loc`.
pub fn laplace(key: Key, idx: Indices, loc: Param, scale: Param, out: &mut [f64]) {
    computed::<Laplace>(key, 0, idx, out);
    affine(out, loc, scale);
}

/// Logistic numbers around `loc`.
pub fn logistic(key: Key, idx: Indices, loc: Param, scale: Param, out: &mut [f64]) {
    computed::<Logistic>(key, 0, idx, out);
    affine(out, loc, scale);
}

/// Gumbel numbers, the extreme value distribution of type I, with mode `loc`.
pub fn gumbel(key: Key, idx: Indices, loc: Param, scale: Param, out: &mut [f64]) {
    standard_exponential(key, idx, out);
    dispatch(MinusLn(out));
    affine(out, loc, scale);
}

/// Rayleigh numbers with mode `scale`.
pub fn rayleigh(key: Key, idx: Indices, scale: Param, out: &mut [f64]) {
    computed::<Rayleigh>(key, 0, idx, out);
    scaled(out, scale);
}

/// Weibull numbers of shape `a`; 0 where `a` is 0.
pub fn weibull(key: Key, idx: Indices, a: Param, out: &mut [f64]) {
    standard_exponential(key, idx, out);
    map_with(out, a, |x, a| if a == 0.0 { 0.0 } else { x.powf(1.0 / a) });
}

/// Pareto numbers of the second kind, or Lomax numbers, of shape `a`.
pub fn pareto(key: Key, idx: Indices, a: Param, out: &mut [f64]) {
    standard_exponential(key, idx, out);
    map_with(out, a, |x, a| (x / a).exp_m1());
}

/// Numbers in (0, 1) with the density `a * x^(a - 1)`.
pub fn power(key: Key, idx: Indices, a: Param, out: &mut [f64]) {
    opens(key, 0, idx, out);
    map_with(out, a, |u, a| u.powf(1.0 / a));
}
