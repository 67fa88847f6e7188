//! Parameters of distributions, which may be arrays, and loops that apply them to standard variates.

use crate::simd::{Isa, Loop, dispatch};

/// A parameter: one number for all elements of a tile, or one for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Param<'a> {
    /// The same number for all elements.
    Scalar(f64),
    /// A number for each element.
    Slice(&'a [f64]),
    /// The same integer for all elements: exact beyond 2^53, for the bounds of `integers`.
    Int(i64),
    /// An integer for each element.
    Ints(&'a [i64]),
}

impl<'a> Param<'a> {
    /// The parameter of element `k`.
    #[inline(always)]
    pub fn at(self, k: usize) -> f64 {
        match self {
            Self::Scalar(x) => x,
            Self::Slice(x) => x[k],
            Self::Int(x) => x as f64,
            Self::Ints(x) => x[k] as f64,
        }
    }

    /// The parameter of element `k` as an integer, rounded towards zero. Wide enough for the exclusive bound 2^63.
    #[inline(always)]
    pub fn integer_at(self, k: usize) -> i128 {
        match self {
            Self::Scalar(x) => x as i128,
            Self::Slice(x) => x[k] as i128,
            Self::Int(x) => i128::from(x),
            Self::Ints(x) => i128::from(x[k]),
        }
    }

    /// The number of elements that have a parameter of their own; `None` if all share one.
    pub fn len(self) -> Option<usize> {
        match self {
            Self::Scalar(_) | Self::Int(_) => None,
            Self::Slice(x) => Some(x.len()),
            Self::Ints(x) => Some(x.len()),
        }
    }

    /// Whether there is nothing in an array parameter.
    pub fn is_empty(self) -> bool {
        self.len() == Some(0)
    }

    /// A shared integer as a number.
    fn simplified(self) -> Self {
        if let Self::Int(x) = self { Self::Scalar(x as f64) } else { self }
    }

    /// All values, one if they are shared.
    pub(super) fn values(self) -> impl Iterator<Item = f64> + 'a {
        (0..self.len().unwrap_or(1)).map(move |k| self.at(k))
    }
}

struct Affine<'a> {
    out: &'a mut [f64],
    loc: Param<'a>,
    scale: Param<'a>,
}

impl Loop for Affine<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { out, loc, scale } = self;
        match (loc, scale) {
            (Param::Scalar(loc), Param::Scalar(scale)) => out.iter_mut().for_each(|x| *x = loc + scale * *x),
            (Param::Slice(loc), Param::Scalar(scale)) => {
                out.iter_mut().zip(loc).for_each(|(x, loc)| *x = loc + scale * *x);
            }
            (Param::Scalar(loc), Param::Slice(scale)) => {
                out.iter_mut().zip(scale).for_each(|(x, scale)| *x = loc + scale * *x);
            }
            (Param::Slice(loc), Param::Slice(scale)) => {
                out.iter_mut().zip(loc).zip(scale).for_each(|((x, loc), scale)| *x = loc + scale * *x);
            }
            (loc, scale) => {
                out.iter_mut().enumerate().for_each(|(k, x)| *x = loc.at(k) + scale.at(k) * *x);
            }
        }
    }
}

/// x = loc + scale * x.
pub(super) fn affine(out: &mut [f64], loc: Param, scale: Param) {
    for param in [loc, scale] {
        assert!(param.len().is_none_or(|length| length == out.len()), "a parameter's length is not that of the tile");
    }
    dispatch(Affine { out, loc: loc.simplified(), scale: scale.simplified() });
}

/// x = scale * x.
pub(super) fn scaled(out: &mut [f64], scale: Param) {
    affine(out, Param::Scalar(0.0), scale);
}

/// x = f(x).
pub(super) fn map_in_place(out: &mut [f64], f: impl Fn(f64) -> f64) {
    out.iter_mut().for_each(|x| *x = f(*x));
}

/// x = f(x, parameter).
pub(super) fn map_with(out: &mut [f64], param: Param, f: impl Fn(f64, f64) -> f64) {
    out.iter_mut().enumerate().for_each(|(k, x)| *x = f(*x, param.at(k)));
}

/// What a sampler prepares for its parameters, kept while they stay the same from one element to the next.
pub(super) struct Prepared<P, S> {
    kept: Option<(P, S)>,
}

impl<P: PartialEq + Copy, S> Prepared<P, S> {
    pub(super) fn new() -> Self {
        Self { kept: None }
    }

    /// The sampler for `params`.
    #[inline(always)]
    pub(super) fn get(&mut self, params: P, prepare: impl FnOnce(P) -> S) -> &S {
        if self.kept.as_ref().is_none_or(|(kept, _)| *kept != params) {
            self.kept = None;
        }
        &self.kept.get_or_insert_with(|| (params, prepare(params))).1
    }
}
