//! Random numbers, indexed by element: element `i` of an array depends on the seed and on `i` alone, never on chunks,
//! threads or the instruction set.
//!
//! | file             | contents                                                                                  |
//! |------------------|-------------------------------------------------------------------------------------------|
//! | `philox`         | the generator: [`Key`], [`Indices`], [`bits64`], and [`Stream`] for rejection methods      |
//! | `distribution`   | the list of [`Distribution`]s, the conditions on their parameters, [`fill`] for any of them |
//! | `param`          | [`Param`]: a scalar or an array                                                           |
//! | `uniform`        | random, uniform, integers, triangular                                                     |
//! | `normal`         | standard_normal, normal, lognormal                                                        |
//! | `exponential`    | exponential, laplace, logistic, gumbel, rayleigh, weibull, pareto, power                  |
//! | `gamma`          | gamma, beta, chisquare, f, standard_t and the noncentral ones                             |
//! | `discrete`       | poisson, binomial, negative_binomial, geometric, hypergeometric                           |
//! | `heavy`          | standard_cauchy, wald, vonmises, zipf, logseries                                          |
//! | `choice`         | permutations, samples without replacement, [`Weights`]                                    |
//! | `log`, `special` | the logarithm, and logarithms of probabilities                                            |
//!
//! Functions that do more than arithmetic and square roots (`exp`, `pow`, `tan`, `ln_1p`) are the platform's, so their
//! results, and what is made of them, may differ in the last digit between operating systems.

mod choice;
mod discrete;
mod distribution;
mod exponential;
mod gamma;
#[expect(clippy::excessive_precision, reason = "coefficients as they were published")]
mod heavy;
#[expect(clippy::excessive_precision, reason = "coefficients as they were published")]
mod log;
#[expect(clippy::excessive_precision, reason = "coefficients as they were published")]
mod normal;
mod param;
mod philox;
mod special;
#[cfg(test)]
mod tests;
mod uniform;

pub use choice::{WeightError, Weights, permutation, sample};
pub use discrete::{binomial, geometric, hypergeometric, negative_binomial, poisson};
pub use distribution::{Distribution, Out, ParamError, fill};
pub use exponential::{exponential, gumbel, laplace, logistic, pareto, power, rayleigh, standard_exponential, weibull};
pub use gamma::{beta, chisquare, f, gamma, noncentral_chisquare, noncentral_f, standard_gamma, standard_t};
pub use heavy::{logseries, standard_cauchy, vonmises, wald, zipf};
pub use normal::{lognormal, normal, standard_normal};
pub use param::Param;
pub use philox::{Indices, Key, Stream, bits64};
pub use uniform::{integers, random, triangular, uniform};

/// Elements that a loop takes through all of its steps before it goes on: little enough to stay in the first cache.
const BLOCK: usize = 512;
/// The largest mean of Poisson numbers: ten standard deviations more still fit into an `i64`.
const MAX_LAM: f64 = 9_223_372_006_484_771_000.0;
/// The largest number of good or of bad elements of a hypergeometric distribution.
const MAX_GOOD_OR_BAD: i64 = 1_000_000_000;
