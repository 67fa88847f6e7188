//! The list of distributions: their names, parameters and conditions, and one function that draws from any of them.
//!
//! Names, parameters, conditions and messages are those of NumPy's `Generator`.

use thiserror::Error;

use super::param::Param;
use super::philox::{Indices, Key};
use super::{MAX_GOOD_OR_BAD, MAX_LAM};

/// What is wrong with the parameters of a distribution, in NumPy's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ParamError {
    /// The parameter, or the first one of several that do not fit together.
    pub parameter: &'static str,
    /// What is wrong.
    pub message: String,
}

/// A condition on the values of one parameter.
#[derive(Clone, Copy)]
enum Condition {
    Any,
    NonNegative,
    Positive,
    PositiveNotNan,
    /// From 0 to 1.
    Probability,
    /// Above 0, up to 1.
    PositiveProbability,
    /// From 0, below 1.
    ProperProbability,
    AboveOne,
    PoissonMean,
}

impl Condition {
    /// What is wrong with a value.
    fn check(self, name: &str, x: f64) -> Result<(), String> {
        let (good, message) = match self {
            Self::Any => return Ok(()),
            Self::NonNegative => (x.is_nan() || !x.is_sign_negative(), format!("{name} < 0")),
            Self::PositiveNotNan if x.is_nan() => (false, format!("{name} must not be NaN")),
            Self::Positive | Self::PositiveNotNan => (x.is_nan() || x > 0.0, format!("{name} <= 0")),
            Self::Probability => ((0.0..=1.0).contains(&x), format!("{name} < 0, {name} > 1 or {name} contains NaNs")),
            Self::PositiveProbability => {
                (x > 0.0 && x <= 1.0, format!("{name} <= 0, {name} > 1 or {name} contains NaNs"))
            }
            Self::ProperProbability => {
                ((0.0..1.0).contains(&x), format!("{name} < 0, {name} >= 1 or {name} contains NaNs"))
            }
            Self::AboveOne => (x > 1.0, format!("{name} <= 1 or {name} contains NaNs")),
            Self::PoissonMean if x > MAX_LAM => (false, format!("{name} value too large")),
            Self::PoissonMean => (x >= 0.0, format!("{name} < 0 or {name} contains NaNs")),
        };
        if good { Ok(()) } else { Err(message) }
    }
}

macro_rules! distributions {
    ($($(#[$doc:meta])* $variant:ident $name:ident ($($param:ident: $condition:ident),*) -> $result:ident;)*) => {
        /// A distribution that [`fill`] draws from. Its parameters, in order, are [`Distribution::params`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Distribution {
            $($(#[$doc])* $variant,)*
        }

        impl Distribution {
            /// All distributions.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name: that of NumPy's method.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)*
                }
            }

            /// Names of the parameters.
            pub fn params(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$(stringify!($param)),*],)*
                }
            }

            fn conditions(self) -> &'static [Condition] {
                match self {
                    $(Self::$variant => &[$(Condition::$condition),*],)*
                }
            }

            /// Whether the numbers are integers, so [`fill`] wants [`Out::I64`].
            pub fn result_is_integer(self) -> bool {
                match self {
                    $(Self::$variant => distributions!(@integer $result),)*
                }
            }
        }

        /// Fills `out` with numbers of a distribution: element `k` depends on the key, the index `idx.at(k)` and its
        /// own parameters alone.
        ///
        /// Parameters for which there is no such distribution, which [`Distribution::check`] finds, give some number.
        ///
        /// # Panics
        ///
        /// If the number of parameters, the length of an array parameter or the kind of `out` is not the right one.
        pub fn fill(dist: Distribution, key: Key, idx: Indices, params: &[Param], out: Out) {
            let length = out.len();
            assert!(
                params.iter().all(|param| param.len().is_none_or(|own| own == length)),
                "a parameter's length is not that of the tile"
            );
            match (dist, params, out) {
                $((Distribution::$variant, &[$($param),*], Out::$result(out)) => super::$name(key, idx, $($param,)* out),)*
                (_, _, out) => panic!("{} parameters and {} do not fit {}", params.len(), out.kind(), dist.name()),
            }
        }
    };
    (@integer F64) => { false };
    (@integer I64) => { true };
}

distributions! {
    /// Uniform in [0, 1).
    Random random() -> F64;
    /// Uniform in [`low`, `high`).
    Uniform uniform(low: Any, high: Any) -> F64;
    /// Normal with mean 0 and standard deviation 1.
    StandardNormal standard_normal() -> F64;
    /// Normal.
    Normal normal(loc: Any, scale: NonNegative) -> F64;
    /// e to the power of normal.
    Lognormal lognormal(mean: Any, sigma: NonNegative) -> F64;
    /// Exponential with mean 1.
    StandardExponential standard_exponential() -> F64;
    /// Exponential.
    Exponential exponential(scale: NonNegative) -> F64;
    /// Laplace, double exponential.
    Laplace laplace(loc: Any, scale: NonNegative) -> F64;
    /// Logistic.
    Logistic logistic(loc: Any, scale: NonNegative) -> F64;
    /// Gumbel, extreme value type I.
    Gumbel gumbel(loc: Any, scale: NonNegative) -> F64;
    /// Rayleigh.
    Rayleigh rayleigh(scale: NonNegative) -> F64;
    /// Weibull of scale 1.
    Weibull weibull(a: NonNegative) -> F64;
    /// Pareto II, Lomax, of scale 1.
    Pareto pareto(a: Positive) -> F64;
    /// Density a x^(a - 1) in [0, 1].
    Power power(a: Positive) -> F64;
    /// Cauchy of scale 1 around 0.
    StandardCauchy standard_cauchy() -> F64;
    /// Triangular.
    Triangular triangular(left: Any, mode: Any, right: Any) -> F64;
    /// Gamma of scale 1.
    StandardGamma standard_gamma(shape: NonNegative) -> F64;
    /// Gamma.
    Gamma gamma(shape: NonNegative, scale: NonNegative) -> F64;
    /// Beta.
    Beta beta(a: Positive, b: Positive) -> F64;
    /// Chi-square.
    Chisquare chisquare(df: Positive) -> F64;
    /// Noncentral chi-square.
    NoncentralChisquare noncentral_chisquare(df: Positive, nonc: NonNegative) -> F64;
    /// F.
    F f(dfnum: Positive, dfden: Positive) -> F64;
    /// Noncentral F.
    NoncentralF noncentral_f(dfnum: Positive, dfden: Positive, nonc: NonNegative) -> F64;
    /// Student's t.
    StandardT standard_t(df: Positive) -> F64;
    /// Von Mises, circular normal.
    Vonmises vonmises(mu: Any, kappa: NonNegative) -> F64;
    /// Wald, inverse Gaussian.
    Wald wald(mean: Positive, scale: Positive) -> F64;
    /// Uniform integers in `low`..`high`.
    Integers integers(low: Any, high: Any) -> I64;
    /// Poisson.
    Poisson poisson(lam: PoissonMean) -> I64;
    /// Binomial.
    Binomial binomial(n: NonNegative, p: Probability) -> I64;
    /// Negative binomial.
    NegativeBinomial negative_binomial(n: PositiveNotNan, p: PositiveProbability) -> I64;
    /// Geometric.
    Geometric geometric(p: PositiveProbability) -> I64;
    /// Hypergeometric.
    Hypergeometric hypergeometric(ngood: NonNegative, nbad: NonNegative, nsample: NonNegative) -> I64;
    /// Zipf.
    Zipf zipf(a: AboveOne) -> I64;
    /// Logarithmic series.
    Logseries logseries(p: ProperProbability) -> I64;
}

/// Where [`fill`] puts its numbers.
#[derive(Debug)]
pub enum Out<'a> {
    /// For distributions of real numbers.
    F64(&'a mut [f64]),
    /// For distributions of integers.
    I64(&'a mut [i64]),
}

impl Out<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(out) => out.len(),
            Self::I64(out) => out.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::F64(_) => "real numbers",
            Self::I64(_) => "integers",
        }
    }
}

impl Distribution {
    /// The distribution of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dist| dist.name() == name)
    }

    /// Number of parameters.
    pub fn param_count(self) -> usize {
        self.params().len()
    }

    /// Checks parameters: scalars, or arrays of one length.
    ///
    /// # Errors
    ///
    /// If there is no such distribution for one of the elements.
    pub fn check(self, params: &[Param]) -> Result<(), ParamError> {
        let names = self.params();
        let error = |k: usize, message: String| {
            Err(ParamError { parameter: names.get(k).copied().unwrap_or_default(), message })
        };
        if params.len() != names.len() {
            let message = format!("{} takes {} parameters, not {}", self.name(), names.len(), params.len());
            return error(params.len().min(names.len()), message);
        }
        let mut lengths = params.iter().filter_map(|param| param.len());
        let length = lengths.next();
        if lengths.any(|other| Some(other) != length) {
            return error(0, "shape mismatch: parameters cannot be broadcast to a single shape".to_owned());
        }
        for (k, (param, condition)) in params.iter().zip(self.conditions()).enumerate() {
            if let Some(message) = param.values().find_map(|x| condition.check(names[k], x).err()) {
                return error(k, message);
            }
        }
        for element in 0..length.unwrap_or(1) {
            if let Some((k, message)) = self.conflict(params, element) {
                return error(k, message.to_owned());
            }
        }
        Ok(())
    }

    /// Checks parameter number `k` alone.
    ///
    /// # Errors
    ///
    /// If there is no distribution with one of its values, whatever the other parameters are.
    pub fn check_one(self, k: usize, param: &Param) -> Result<(), ParamError> {
        let Some((name, condition)) = self.params().iter().copied().zip(self.conditions()).nth(k) else {
            return Ok(());
        };
        match param.values().find_map(|x| condition.check(name, x).err()) {
            Some(message) => Err(ParamError { parameter: name, message }),
            None => Ok(()),
        }
    }

    /// What is wrong with the parameters of one element together, and the first of these.
    fn conflict(self, params: &[Param], element: usize) -> Option<(usize, &'static str)> {
        let at = |k: usize| params[k].at(element);
        let when = |bad: bool, k: usize, message: &'static str| bad.then_some((k, message));
        match self {
            Self::Uniform => {
                let range = at(1) - at(0);
                when(!range.is_finite(), 0, "high - low range exceeds valid bounds").or(when(
                    range < 0.0,
                    0,
                    "high - low < 0",
                ))
            }
            Self::Triangular => when(at(0) > at(1), 0, "left > mode")
                .or(when(at(1) > at(2), 1, "mode > right"))
                .or(when(at(0) == at(2), 0, "left == right")),
            Self::Integers => {
                let (low, high) = (params[0].integer_at(element), params[1].integer_at(element));
                let first = i128::from(i64::MIN);
                when(low < first || low > i128::from(i64::MAX), 0, "low is out of bounds for int64")
                    .or(when(high > i128::from(i64::MAX) + 1, 1, "high is out of bounds for int64"))
                    .or(when(low >= high, 0, "low >= high"))
            }
            Self::NegativeBinomial => {
                let (n, p) = (at(0), at(1));
                let largest = (1.0 - p) / p * (n + 10.0 * n.sqrt());
                when(largest > MAX_LAM, 0, "n too large or p too small, see Generator.negative_binomial Notes")
            }
            Self::Hypergeometric => {
                let most = MAX_GOOD_OR_BAD as f64;
                when(at(0) > most || at(1) > most, 0, "both ngood and nbad must be less than 1000000000").or(when(
                    at(0) + at(1) < at(2),
                    0,
                    "ngood + nbad < nsample",
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Param::{Int, Scalar, Slice};
    use super::*;

    #[test]
    fn names() {
        for dist in Distribution::ALL {
            assert_eq!(Distribution::from_name(dist.name()), Some(*dist));
        }
        assert_eq!(Distribution::from_name("normals"), None);
        assert_eq!(Distribution::Normal.params(), ["loc", "scale"]);
        assert!(Distribution::Poisson.result_is_integer() && !Distribution::F.result_is_integer());
    }

    #[test]
    fn conditions() {
        let one = [Scalar(1.0), Scalar(-1.0)];
        for (name, params, message) in [
            ("normal", &[Scalar(0.0), Scalar(-1.0)][..], "scale < 0"),
            ("normal", &[Scalar(0.0), Slice(&[1.0, -0.0])], "scale < 0"),
            ("normal", &[Scalar(0.0)], "normal takes 2 parameters, not 1"),
            ("lognormal", &[Scalar(0.0), Scalar(-1.0)], "sigma < 0"),
            ("beta", &one, "b <= 0"),
            ("poisson", &[Scalar(-1.0)], "lam < 0 or lam contains NaNs"),
            ("poisson", &[Scalar(f64::NAN)], "lam < 0 or lam contains NaNs"),
            ("poisson", &[Scalar(1e19)], "lam value too large"),
            ("binomial", &[Int(-1), Scalar(0.5)], "n < 0"),
            ("binomial", &[Int(1), Scalar(1.5)], "p < 0, p > 1 or p contains NaNs"),
            ("geometric", &[Scalar(0.0)], "p <= 0, p > 1 or p contains NaNs"),
            ("logseries", &[Scalar(1.0)], "p < 0, p >= 1 or p contains NaNs"),
            ("zipf", &[Scalar(1.0)], "a <= 1 or a contains NaNs"),
            ("negative_binomial", &[Scalar(f64::NAN), Scalar(0.5)], "n must not be NaN"),
            ("integers", &[Int(3), Int(3)], "low >= high"),
            ("integers", &[Scalar(1e30), Int(3)], "low is out of bounds for int64"),
            ("integers", &[Int(3), Scalar(1e30)], "high is out of bounds for int64"),
            ("uniform", &[Scalar(0.0), Scalar(f64::INFINITY)], "high - low range exceeds valid bounds"),
            ("uniform", &[Scalar(0.0), Scalar(-1.0)], "high - low < 0"),
            ("triangular", &[Scalar(0.0), Scalar(-1.0), Scalar(1.0)], "left > mode"),
            ("triangular", &[Scalar(0.0), Scalar(2.0), Scalar(1.0)], "mode > right"),
            ("triangular", &[Scalar(0.0), Scalar(0.0), Scalar(0.0)], "left == right"),
            ("hypergeometric", &[Int(3), Int(4), Int(8)], "ngood + nbad < nsample"),
        ] {
            let error = Distribution::from_name(name).unwrap().check(params).unwrap_err();
            assert_eq!(error.to_string(), message, "{name}");
        }
        let shapes = [Slice(&[1.0]), Slice(&[1.0, 2.0])];
        assert!(Distribution::Normal.check(&shapes).unwrap_err().message.starts_with("shape mismatch"));
        assert!(Distribution::Normal.check(&[Scalar(0.0), Slice(&[0.0, f64::NAN])]).is_ok());
        assert!(Distribution::Integers.check(&[Int(i64::MIN), Scalar(2.0_f64.powi(63))]).is_ok());
        assert_eq!(Distribution::Beta.check(&one).unwrap_err().parameter, "b");
    }

    #[test]
    #[should_panic(expected = "1 parameters and real numbers do not fit normal")]
    fn wrong_number_of_parameters() {
        fill(Distribution::Normal, Key::from_seed(0, 0), Indices::consecutive(0), &[Scalar(0.0)], Out::F64(&mut [0.0]));
    }
}
