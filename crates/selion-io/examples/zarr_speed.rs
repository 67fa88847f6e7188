//! How fast one thread writes and reads a Zarr array of float32 weather-like data, in MB of elements per second.
//!
//! `cargo run --release -p selion-io --example zarr_speed -- [DIRECTORY]`

use std::time::Instant;

use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region, SourceError};
use selion_io::{CreateOptions, ZarrArray};

const SHAPE: [usize; 3] = [365, 720, 1000];
const CHUNKS: [usize; 3] = [73, 180, 250];

fn main() -> Result<(), SourceError> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let path = directory.join(format!("selion-speed-{}.zarr", std::process::id()));
    let array = ZarrArray::create(&path, CreateOptions::new(DType::F32, &SHAPE, &CHUNKS))?;
    let mut regions = Vec::new();
    for i in (0..SHAPE[0]).step_by(CHUNKS[0]) {
        for j in (0..SHAPE[1]).step_by(CHUNKS[1]) {
            for k in (0..SHAPE[2]).step_by(CHUNKS[2]) {
                regions.push(Region::new(&[i, j, k], &CHUNKS));
            }
        }
    }
    let megabytes = SHAPE.iter().product::<usize>() as f64 * 4.0 / 1e6;

    let mut writing = 0.0;
    for (seed, region) in regions.iter().enumerate() {
        let block = weather(region, seed as u64);
        let start = Instant::now();
        array.write(region, &block)?;
        writing += start.elapsed().as_secs_f64();
    }
    println!("write          {:6.0} MB/s", megabytes / writing);

    for what in ["read", "read again"] {
        let start = Instant::now();
        let mut bytes = 0;
        for region in &regions {
            bytes += array.read(region)?.nbytes();
        }
        println!("{what:14} {:6.0} MB/s", bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
    // Regions of eight chunks, as one task of a larger chunk size reads them.
    let eight = [2 * CHUNKS[0], 2 * CHUNKS[1], 2 * CHUNKS[2]];
    let (mut bytes, start) = (0, Instant::now());
    for (j, k) in [(0, 0), (0, eight[2]), (eight[1], 0), (eight[1], eight[2])] {
        for i in [0, eight[0]] {
            bytes += array.read(&Region::new(&[i, j, k], &eight))?.nbytes();
        }
    }
    println!("eight at once  {:6.0} MB/s", bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let block = array.read(&Region::new(&[0, 0, 0], &[SHAPE[0], 10, 10]))?;
    println!("a column of {} elements: {:.1} ms", block.len(), start.elapsed().as_secs_f64() * 1e3);
    std::fs::remove_dir_all(&path).map_err(|cause| SourceError::Io {
        doing: "remove",
        what: path.display().to_string(),
        cause,
    })
}

/// Temperatures: a wave along latitude and noise of one degree, to a tenth.
fn weather(region: &Region, seed: u64) -> Chunk {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        // A sum of uniform numbers is near enough to the normal distribution.
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f32 / (1 << 24) as f32;
        }
        sum
    };
    let shape = &region.shape;
    let mut values = Vec::with_capacity(shape.iter().product());
    for _ in 0..shape[0] {
        for j in 0..shape[1] {
            let mean = 273.0 + 20.0 * ((region.start[1] + j) as f32 * 6.0 / 720.0).sin();
            values.extend((0..shape[2]).map(|_| ((mean + noise()) * 10.0).round() / 10.0));
        }
    }
    Chunk::from_values(shape, &values)
}
