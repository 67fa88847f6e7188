//! Prints the time per element of the random number kernels.

use std::hint::black_box;
use std::time::Instant;

use selion_kernels::random::{self, Distribution, Indices, Key, Out, Param};
use selion_kernels::simd;

/// Elements of one tile.
const TILE: usize = 4096;

/// The shortest time of many batches: what the code needs when nothing disturbs it.
fn time(name: &str, mut work: impl FnMut(Indices)) {
    const BATCH: u64 = 8;
    let mut best = f64::INFINITY;
    let start = Instant::now();
    let mut tiles = 0;
    while start.elapsed().as_millis() < 60 {
        let clock = Instant::now();
        for tile in tiles..tiles + BATCH {
            work(Indices::consecutive(black_box(tile * TILE as u64)));
        }
        best = best.min(clock.elapsed().as_nanos() as f64 / (BATCH as usize * TILE) as f64);
        tiles += BATCH;
    }
    println!("{name:32} {best:8.2} ns");
}

fn main() {
    println!("{:?}, tiles of {TILE}", simd::level());
    let key = Key::from_seed(42, 0);
    let mut bits = vec![0; TILE];
    time("bits64", |idx| random::bits64(key, 0, idx, black_box(&mut bits)));
    time("bits64, step 3", |idx| random::bits64(key, 0, Indices { step: 3, ..idx }, black_box(&mut bits)));
    let mut floats = vec![0.0; TILE];
    time("random", |idx| random::random(key, idx, black_box(&mut floats)));
    let (low, high) = (Param::Scalar(black_box(-3.0)), Param::Scalar(black_box(4.0)));
    time("uniform", |idx| random::uniform(key, idx, low, high, black_box(&mut floats)));
    time("standard_normal", |idx| random::standard_normal(key, idx, black_box(&mut floats)));
    time("normal", |idx| random::normal(key, idx, low, high, black_box(&mut floats)));
    let mut ints = vec![0; TILE];
    time("integers", |idx| random::integers(key, idx, low, high, black_box(&mut ints)));
    for (name, params) in [
        ("lognormal", &[0.0, 1.0][..]),
        ("exponential", &[2.0]),
        ("laplace", &[0.0, 1.0]),
        ("logistic", &[0.0, 1.0]),
        ("gumbel", &[0.0, 1.0]),
        ("rayleigh", &[1.0]),
        ("weibull", &[1.5]),
        ("pareto", &[1.5]),
        ("power", &[1.5]),
        ("standard_cauchy", &[]),
        ("triangular", &[0.0, 0.5, 1.0]),
        ("standard_gamma", &[2.5]),
        ("standard_gamma", &[0.5]),
        ("beta", &[2.0, 3.0]),
        ("beta", &[0.5, 0.5]),
        ("chisquare", &[5.0]),
        ("noncentral_chisquare", &[5.0, 1.0]),
        ("f", &[4.0, 5.0]),
        ("standard_t", &[5.0]),
        ("vonmises", &[0.0, 4.0]),
        ("wald", &[1.0, 2.0]),
        ("poisson", &[3.0]),
        ("poisson", &[100.0]),
        ("binomial", &[10.0, 0.3]),
        ("binomial", &[1000.0, 0.3]),
        ("negative_binomial", &[5.0, 0.4]),
        ("geometric", &[0.3]),
        ("hypergeometric", &[50.0, 60.0, 30.0]),
        ("zipf", &[2.0]),
        ("logseries", &[0.5]),
    ] {
        let Some(dist) = Distribution::from_name(name) else { continue };
        let params: Vec<Param> = params.iter().map(|x| Param::Scalar(*x)).collect();
        time(&format!("{name}{:?}", params.iter().map(|x| x.at(0)).collect::<Vec<_>>()), |idx| {
            let out = if dist.result_is_integer() { Out::I64(&mut ints) } else { Out::F64(&mut floats) };
            random::fill(dist, key, idx, &params, black_box(out));
        });
    }
}
