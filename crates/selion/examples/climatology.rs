//! Monthly means and anomalies of a Zarr store, from Rust: `cargo run --release --example climatology`.

use selion::array::Index;
use selion::prelude::*;

const YEARS: usize = 4;
const DAYS: usize = 30;
const SHAPE: [usize; 3] = [YEARS * 12 * DAYS, 96, 192];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("selion-climatology-{}", std::process::id()));
    let result = climatology(&folder.join("temperature.zarr"));
    std::fs::remove_dir_all(&folder)?;
    result
}

fn climatology(store: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let chunks = || Some(Chunks::regular(&SHAPE, &[DAYS, SHAPE[1], SHAPE[2]]));

    // A field with seasons: the cosine of the day of the year.
    let day = Array::coordinate(&SHAPE, 0, chunks())?;
    let angle = (&day * (std::f64::consts::TAU / (12 * DAYS) as f64))?;
    let field = ((&angle.unary(Op::Cos)? * 15.0)? + 273.0)?;
    field.to_zarr(store)?;

    // The store's chunks are months; from here on the data is read from it.
    let x = Array::from_zarr(store)?.blocks_of(&[DAYS as i64, -1, -1])?;
    let month = |k: usize| {
        let (start, stop) = (Some((k * DAYS) as i64), Some(((k + 1) * DAYS) as i64));
        x.getitem(&[Index::Slice { start, stop, step: None }])
    };
    let mut climate = Vec::new();
    let mut warmest = Vec::new();
    for m in 0..12 {
        let months: Vec<Array> = (0..YEARS).map(|year| month(12 * year + m)).collect::<Result<_, _>>()?;
        let mut mean = Array::scalar(Scalar::new(0.0));
        for month in &months {
            mean = (&mean + &(&month.over(ReduceKind::Mean, &[0])? / YEARS as f64)?)?;
        }
        for month in &months {
            warmest.push((month - &mean)?.over(ReduceKind::Max, &[0, 1, 2])?);
        }
        climate.push(mean.mean()?);
    }

    println!("{}", selion::explain(&climate[..1])?);
    let first = |chunk: &Chunk| chunk.to_vec::<f64>()[0];
    for (m, mean) in compute(&climate)?.iter().enumerate() {
        println!("month {:2}: {:.2} K", m + 1, first(mean));
    }
    let warmest = compute(&warmest)?.iter().map(first).fold(f64::MIN, f64::max);
    println!("warmest anomaly: {warmest:+.2} K");
    Ok(())
}
