//! Lazily called functions, side by side on every core: `cargo run --release --example inc_dec_add`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use selion::prelude::*;

const WORK: Duration = Duration::from_millis(20);

#[selion::task]
fn inc(x: i64) -> i64 {
    sleep(WORK);
    x + 1
}

#[selion::task]
fn dec(x: i64) -> i64 {
    sleep(WORK);
    x - 1
}

#[selion::task]
fn add(x: i64, y: i64) -> i64 {
    sleep(WORK);
    x + y
}

fn main() -> Result<(), Error> {
    // Nothing runs here: the calls are written down, and which of them need each other.
    let x = inc(1);
    let y = dec(2);
    let z = add(&x, &y);

    let begin = Instant::now();
    let value = z.compute()?;
    // inc and dec run at once, so these are two steps of work, not three.
    println!("{} = {value} in {:.0?}; one after the other: {:.0?}", z.key(), begin.elapsed(), 3 * WORK);

    let sums: Vec<Lazy<i64>> = (0..256).map(|k| add(inc(k), dec(2 * k))).collect();
    let total = sum(sums);
    let begin = Instant::now();
    println!(
        "sum of 256: {} in {:.2?}; one after the other: {:.2?}",
        total.compute()?,
        begin.elapsed(),
        3 * 256 * WORK
    );
    Ok(())
}

#[selion::task]
fn sum(values: &[i64]) -> i64 {
    values.iter().sum()
}
