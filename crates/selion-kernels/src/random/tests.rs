//! Tests of all distributions: moments, distribution functions, independence of tiles.

use super::Param::{Int, Scalar, Slice};
use super::*;

const N: usize = 100_000;

/// The numbers of a distribution, integers as floats.
fn draw(dist: Distribution, key: Key, idx: Indices, params: &[Param], n: usize) -> Vec<f64> {
    if dist.result_is_integer() {
        let mut out = vec![-7; n];
        fill(dist, key, idx, params, Out::I64(&mut out));
        out.into_iter().map(|x| x as f64).collect()
    } else {
        let mut out = vec![-7.0; n];
        fill(dist, key, idx, params, Out::F64(&mut out));
        out
    }
}

/// A distribution with its parameters, its mean and its variance.
type Case = (&'static str, Vec<f64>, f64, f64);

fn cases() -> Vec<Case> {
    use std::f64::consts::PI;
    const EULER: f64 = 0.577_215_664_901_532_9;
    let binomial = |n: f64, p: f64| ("binomial", vec![n, p], n * p, n * p * (1.0 - p));
    let poisson = |lam: f64| ("poisson", vec![lam], lam, lam);
    let gamma = |shape: f64| ("standard_gamma", vec![shape], shape, shape);
    let beta = |a: f64, b: f64| {
        let sum: f64 = a + b;
        ("beta", vec![a, b], a / sum, a * b / (sum * sum * (sum + 1.0)))
    };
    let geometric = |p: f64| ("geometric", vec![p], 1.0 / p, (1.0 - p) / (p * p));
    let negative = |n: f64, p: f64| ("negative_binomial", vec![n, p], n * (1.0 - p) / p, n * (1.0 - p) / (p * p));
    let hypergeometric = |good: f64, bad: f64, sample: f64| {
        let (total, p) = (good + bad, good / (good + bad));
        let variance = sample * p * (1.0 - p) * (total - sample) / (total - 1.0);
        ("hypergeometric", vec![good, bad, sample], sample * p, variance)
    };
    let noncentral = |df: f64, nonc: f64| ("noncentral_chisquare", vec![df, nonc], df + nonc, 2.0 * (df + 2.0 * nonc));
    let logseries = |p: f64| {
        let l = (-p).ln_1p();
        let q = 1.0 - p;
        ("logseries", vec![p], -p / (l * q), -p * (p + l) / (q * q * l * l))
    };
    let wald = |mean: f64, scale: f64| ("wald", vec![mean, scale], mean, mean * mean * mean / scale);
    let f = |m: f64, n: f64| {
        let below: f64 = n - 2.0;
        ("f", vec![m, n], n / below, 2.0 * n * n * (m + below) / (m * below * below * (n - 4.0)))
    };
    let root_pi = PI.sqrt();
    vec![
        ("random", vec![], 0.5, 1.0 / 12.0),
        ("uniform", vec![-3.0, 5.0], 1.0, 64.0 / 12.0),
        ("standard_normal", vec![], 0.0, 1.0),
        ("normal", vec![3.0, 2.0], 3.0, 4.0),
        ("lognormal", vec![0.1, 0.5], 0.225_f64.exp(), 0.25_f64.exp_m1() * 0.45_f64.exp()),
        ("standard_exponential", vec![], 1.0, 1.0),
        ("exponential", vec![2.5], 2.5, 6.25),
        ("laplace", vec![1.0, 2.0], 1.0, 8.0),
        ("logistic", vec![1.0, 2.0], 1.0, 4.0 * PI * PI / 3.0),
        ("gumbel", vec![1.0, 2.0], 1.0 + 2.0 * EULER, 4.0 * PI * PI / 6.0),
        ("rayleigh", vec![2.0], 2.0 * root_pi / 2.0_f64.sqrt(), 4.0 * (2.0 - PI / 2.0)),
        ("weibull", vec![2.0], root_pi / 2.0, 1.0 - PI / 4.0),
        ("weibull", vec![0.0], 0.0, 0.0),
        ("pareto", vec![6.0], 0.2, 6.0 / (25.0 * 4.0)),
        ("power", vec![3.0], 0.75, 3.0 / (16.0 * 5.0)),
        ("triangular", vec![-1.0, 0.0, 3.0], 2.0 / 3.0, (1.0 + 9.0 + 3.0) / 18.0),
        gamma(0.0),
        gamma(0.1),
        gamma(0.9),
        gamma(1.0),
        gamma(7.5),
        gamma(1e6),
        ("gamma", vec![3.0, 0.5], 1.5, 0.75),
        beta(2.0, 3.0),
        beta(0.5, 0.5),
        beta(1e-3, 2e-3),
        beta(0.2, 4.0),
        ("chisquare", vec![5.0], 5.0, 10.0),
        ("chisquare", vec![0.5], 0.5, 1.0),
        noncentral(3.0, 2.0),
        noncentral(0.7, 2.0),
        noncentral(3.0, 0.0),
        f(4.0, 20.0),
        ("noncentral_f", vec![4.0, 30.0, 2.0], 30.0 * 6.0 / (4.0 * 28.0), {
            let ratio = 30.0_f64 / 4.0;
            2.0 * (36.0 + (4.0 + 4.0) * 28.0) / (28.0 * 28.0 * 26.0) * ratio * ratio
        }),
        ("standard_t", vec![12.0], 0.0, 1.2),
        ("vonmises", vec![0.0, 0.0], 0.0, PI * PI / 3.0),
        ("vonmises", vec![0.5, 1e4], 0.5, 1.000_05e-4),
        ("vonmises", vec![0.5, 1e8], 0.5, 1e-8),
        wald(1.0, 3.0),
        wald(2.0, 40.0),
        ("integers", vec![-3.0, 4.0], 0.0, 4.0),
        ("integers", vec![0.0, 8e9], 4e9 - 0.5, 64e18 / 12.0),
        poisson(0.0),
        poisson(0.3),
        poisson(9.9),
        poisson(10.1),
        poisson(1234.5),
        poisson(1e10),
        binomial(0.0, 0.5),
        binomial(10.0, 0.0),
        binomial(10.0, 1.0),
        binomial(10.0, 0.3),
        binomial(10.0, 0.8),
        binomial(50.0, 0.3),
        binomial(50.0, 0.7),
        binomial(1e12, 0.4),
        negative(5.0, 0.4),
        negative(0.5, 0.01),
        geometric(0.01),
        geometric(0.7),
        geometric(1.0),
        hypergeometric(5.0, 7.0, 4.0),
        hypergeometric(5.0, 70.0, 72.0),
        hypergeometric(70.0, 50.0, 40.0),
        hypergeometric(70.0, 50.0, 100.0),
        hypergeometric(30.0, 50.0, 40.0),
        hypergeometric(9e8, 5e8, 1e8),
        ("zipf", vec![6.0], 1.036_927_755_143_37 / 1.017_343_061_984_449, {
            let mean = 1.036_927_755_143_37_f64 / 1.017_343_061_984_449;
            1.082_323_233_711_138_2 / 1.017_343_061_984_449 - mean * mean
        }),
        logseries(0.3),
        logseries(0.95),
    ]
}

#[test]
fn moments() {
    for (case, (name, params, mean, variance)) in cases().into_iter().enumerate() {
        let dist = Distribution::from_name(name).unwrap();
        let params: Vec<Param> = params.into_iter().map(Scalar).collect();
        dist.check(&params).unwrap();
        let numbers = draw(dist, Key::from_seed(12345, case as u64), Indices::consecutive(1), &params, N);
        let n = N as f64;
        let found = numbers.iter().sum::<f64>() / n;
        let sigma = (variance / n).sqrt();
        let tiny = 1e-12 * (1.0 + mean.abs());
        assert!((found - mean).abs() <= 5.0 * sigma + tiny, "{name} {params:?}: mean {found} not {mean}");
        // The spread of the variance needs the fourth moment; that of the sample will do.
        let moment = |power| numbers.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
        let (second, fourth) = (moment(2), moment(4));
        let sigma = ((fourth - second * second).max(0.0) / n).sqrt();
        assert!(
            (second - variance).abs() <= 5.0 * sigma + tiny * tiny,
            "{name} {params:?}: variance {second} not {variance}, sigma {sigma}"
        );
    }
}

#[test]
fn every_distribution_has_a_case() {
    let cases = cases();
    for dist in Distribution::ALL {
        assert!(dist.name() == "standard_cauchy" || cases.iter().any(|case| case.0 == dist.name()), "{dist:?}");
    }
}

/// The Kolmogorov-Smirnov test, at a level of about 1e-5.
fn follows(name: &str, params: &[f64], cdf: impl Fn(f64) -> f64) {
    let dist = Distribution::from_name(name).unwrap();
    let params: Vec<Param> = params.iter().copied().map(Scalar).collect();
    let mut numbers = draw(dist, Key::from_seed(99, 1), Indices::consecutive(0), &params, N);
    numbers.sort_unstable_by(f64::total_cmp);
    let n = N as f64;
    let distance = numbers.iter().enumerate().fold(0.0_f64, |most, (k, x)| {
        let p = cdf(*x);
        most.max((p - k as f64 / n).abs()).max((p - (k + 1) as f64 / n).abs())
    });
    assert!(distance * n.sqrt() < 2.47, "{name}: {distance}");
}

/// The distribution function of the standard normal distribution, by its series.
fn normal_cdf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut k = 1.0;
    while term.abs() > 1e-17 && k < 400.0 {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn distribution_functions() {
    use std::f64::consts::PI;
    follows("random", &[], |x| x);
    follows("standard_normal", &[], normal_cdf);
    follows("lognormal", &[0.5, 2.0], |x| normal_cdf((x.ln() - 0.5) / 2.0));
    follows("standard_exponential", &[], |x| -(-x).exp_m1());
    follows("laplace", &[0.0, 1.0], |x| if x < 0.0 { 0.5 * x.exp() } else { 1.0 - 0.5 * (-x).exp() });
    follows("logistic", &[0.0, 1.0], |x| 1.0 / (1.0 + (-x).exp()));
    follows("gumbel", &[0.0, 1.0], |x| (-(-x).exp()).exp());
    follows("rayleigh", &[1.0], |x| -(-0.5 * x * x).exp_m1());
    follows("weibull", &[1.7], |x| -(-x.powf(1.7)).exp_m1());
    follows("pareto", &[0.8], |x| 1.0 - (1.0 + x).powf(-0.8));
    follows("power", &[0.3], |x| x.powf(0.3));
    follows("standard_cauchy", &[], |x| 0.5 + x.atan() / PI);
    follows("standard_gamma", &[1.0], |x| -(-x).exp_m1());
    follows("standard_gamma", &[2.0], |x| 1.0 - (1.0 + x) * (-x).exp());
    follows("standard_gamma", &[0.5], |x| 2.0 * normal_cdf((2.0 * x).sqrt()) - 1.0);
    follows("chisquare", &[2.0], |x| -(-0.5 * x).exp_m1());
    follows("beta", &[0.5, 0.5], |x| 2.0 / PI * x.sqrt().asin());
    follows("beta", &[2.0, 1.0], |x| x * x);
    follows("beta", &[0.3, 1.0], |x| x.powf(0.3));
    follows("f", &[2.0, 2.0], |x| x / (1.0 + x));
    follows("standard_t", &[1.0], |x| 0.5 + x.atan() / PI);
    follows("standard_t", &[2.0], |x| 0.5 + x / (2.0 * (2.0 + x * x).sqrt()));
    follows("wald", &[1.0, 2.0], |x| {
        let root = (2.0 / x).sqrt();
        normal_cdf(root * (x - 1.0)) + 4.0_f64.exp() * normal_cdf(-root * (x + 1.0))
    });
    follows(
        "triangular",
        &[0.0, 0.25, 1.0],
        |x| {
            if x < 0.25 { 4.0 * x * x } else { 1.0 - (1.0 - x) * (1.0 - x) / 0.75 }
        },
    );
}

/// Frequencies of single counts, within 5 sigma of their probabilities.
fn occurs(name: &str, params: &[f64], probability: impl Fn(f64) -> f64) {
    let dist = Distribution::from_name(name).unwrap();
    let params: Vec<Param> = params.iter().copied().map(Scalar).collect();
    let numbers = draw(dist, Key::from_seed(4, 2), Indices::consecutive(0), &params, N);
    let mut counts = std::collections::HashMap::new();
    for x in numbers {
        *counts.entry(x as i64).or_insert(0.0) += 1.0;
    }
    for (x, count) in counts {
        let expected = N as f64 * probability(x as f64);
        let slack = 5.0 * expected.sqrt() + 3.0;
        assert!((count - expected).abs() <= slack, "{name} {params:?}: {x} occurs {count} times, not {expected}");
    }
}

#[test]
fn frequencies() {
    use super::special::{ln_binomial, ln_poisson};
    for lam in [0.5, 5.0, 12.0, 100.0] {
        occurs("poisson", &[lam], |k| ln_poisson(k, lam).exp());
    }
    for (n, p) in [(5.0, 0.3), (30.0, 0.9), (40.0, 0.4), (1000.0, 0.02), (100.0, 0.75)] {
        occurs("binomial", &[n, p], |k| ln_binomial(k, n, p).exp());
    }
    for (good, bad, sample) in [(20.0, 30.0, 8.0), (20.0, 30.0, 22.0), (40.0, 30.0, 45.0)] {
        let p: f64 = sample / (good + bad);
        occurs("hypergeometric", &[good, bad, sample], |k| {
            (ln_binomial(k, good, p) + ln_binomial(sample - k, bad, p) - ln_binomial(sample, good + bad, p)).exp()
        });
    }
    occurs("geometric", &[0.3], |k| 0.3 * 0.7_f64.powf(k - 1.0));
    occurs("negative_binomial", &[2.0, 0.4], |k| (k + 1.0) * 0.16 * 0.6_f64.powf(k));
    occurs("zipf", &[2.0], |k| 6.0 / (std::f64::consts::PI * k).powi(2));
    occurs("logseries", &[0.6], |k| -(0.6_f64.powf(k)) / (k * (-0.6_f64).ln_1p()));
    occurs("integers", &[0.0, 10.0], |_| 0.1);
}

#[test]
fn tiles_steps_and_arrays_do_not_matter() {
    let key = Key::from_seed(8, 8);
    let start = 1_000_001;
    for (name, params, ..) in cases().into_iter().chain([("standard_cauchy", vec![], 0.0, 0.0)]) {
        let dist = Distribution::from_name(name).unwrap();
        let scalars: Vec<Param> = params.iter().copied().map(Scalar).collect();
        let whole = draw(dist, key, Indices::consecutive(start), &scalars, 1300);
        let arrays: Vec<Vec<f64>> = params.iter().map(|x| vec![*x; 1300]).collect();
        let slices: Vec<Param> = arrays.iter().map(|x| Slice(x)).collect();
        assert!(whole == draw(dist, key, Indices::consecutive(start), &slices, 1300), "{name}: arrays");
        let mut pieces = Vec::new();
        for length in [1, 2, 510, 513, 0, 274] {
            pieces.extend(draw(dist, key, Indices::consecutive(start).skip(pieces.len()), &scalars, length));
        }
        assert!(whole == pieces, "{name}: pieces");
        let strided = draw(dist, key, Indices { start, step: 3 }, &scalars, 434);
        assert!(strided.iter().eq(whole.iter().step_by(3)), "{name}: step 3");
        let backwards = draw(dist, key, Indices { start: start + 1299, step: -1 }, &scalars, 1300);
        assert!(backwards.iter().eq(whole.iter().rev()), "{name}: step -1");
    }
}

#[test]
fn impossible_parameters_come_to_an_end() {
    for dist in Distribution::ALL {
        for x in [f64::NAN, -1.0, 0.0, -0.0, 1e-300, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
            draw(*dist, Key::from_seed(0, 0), Indices::consecutive(0), &vec![Scalar(x); dist.param_count()], 20);
        }
        draw(*dist, Key::from_seed(0, 0), Indices::consecutive(0), &vec![Int(-5); dist.param_count()], 20);
    }
}

#[test]
fn numbers_stay_the_same() {
    // Arrays of users depend on these.
    let key = Key::from_seed(42, 0);
    let mut bits = [0; 3];
    bits64(key, 0, Indices::consecutive(0), &mut bits);
    assert_eq!(bits, [12_159_359_024_620_474_309, 16_269_391_278_868_500_592, 286_743_456_472_776_937]);
    let first = |dist, params: &[Param]| draw(dist, key, Indices::consecutive(2), params, 1)[0];
    assert_eq!(first(Distribution::Random, &[]), 0.015544393922689359);
    assert_eq!(first(Distribution::StandardNormal, &[]), -2.155_934_400_488_77);
    assert_eq!(first(Distribution::StandardExponential, &[]), 4.164055224800843);
    assert_eq!(first(Distribution::Integers, &[Int(0), Int(1_000_000)]), 15544.0);
    assert_eq!(permutation(key, 8), [4, 0, 7, 6, 2, 3, 1, 5]);
}
