//! What a task costs that does nothing: `cargo run --release --example task_overhead [tasks]`.

use std::time::{Duration, Instant};

use selion::prelude::*;

#[selion::task]
fn start() {}

#[selion::task]
fn step(_before: ()) {}

#[selion::task]
fn join(_all: &[()]) {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    start().compute()?; // the threads are there
    measure("chain", count, || (1..count).fold(start(), |before, _| step(before)))?;
    measure("fan", count, || join((1..count).map(|_| start()).collect::<Vec<Lazy<()>>>()))?;
    Ok(())
}

/// The best of three, since other programs take their part.
fn measure(shape: &str, count: usize, build: impl Fn() -> Lazy<()>) -> Result<(), Error> {
    let mut best = [Duration::MAX; 3];
    for _ in 0..3 {
        let begin = Instant::now();
        let last = build();
        let built = begin.elapsed();
        last.compute()?;
        let computed = begin.elapsed() - built;
        drop(last);
        if begin.elapsed() < best.iter().fold(Duration::ZERO, |sum, part| sum.saturating_add(*part)) {
            best = [built, computed, begin.elapsed() - built - computed];
        }
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    let [built, computed, dropped] = best.map(each);
    let total = built + computed + dropped;
    println!("{shape}: {total:.2} µs a task (built {built:.2}, computed {computed:.2}, dropped {dropped:.2})");
    Ok(())
}
