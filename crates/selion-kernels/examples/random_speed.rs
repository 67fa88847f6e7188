//! Prints the time per element of the random number kernels.

use std::hint::black_box;
use std::time::Instant;

use selion_kernels::random::{self, Indices, Key, Param};
use selion_kernels::simd;

/// Elements of one tile.
const TILE: usize = 4096;

fn time(name: &str, mut work: impl FnMut(Indices)) {
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let clock = Instant::now();
        let mut tiles = 0;
        while clock.elapsed().as_millis() < 20 {
            for _ in 0..8 {
                work(Indices::consecutive(black_box(tiles * TILE as u64)));
                tiles += 1;
            }
        }
        best = best.min(clock.elapsed().as_nanos() as f64 / (tiles as f64 * TILE as f64));
    }
    println!("{name:24} {best:8.2} ns");
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
}
