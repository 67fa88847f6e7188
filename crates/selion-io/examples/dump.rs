//! Prints what is in Zarr arrays: dtype, shape, chunks, and the CRC-32C of the elements in C order.
//!
//! `cargo run --release -p selion-io --example dump -- PATH…`

use selion_core::{Chunk, ChunkSource, Region, SourceError};
use selion_io::ZarrArray;

fn main() {
    for path in std::env::args().skip(1) {
        if let Err(error) = dump(&path) {
            println!("{path}\tERROR {error}");
        }
    }
}

fn dump(path: &str) -> Result<(), SourceError> {
    let array = ZarrArray::open(path)?;
    let all = array.read(&Region { start: array.shape().iter().map(|_| 0).collect(), shape: array.shape().into() })?;
    println!("{path}\t{}\t{:?}\t{:?}\t{:08x}", array.dtype(), array.shape(), array.chunks(), checksum(&all));
    Ok(())
}

/// CRC-32C of the elements' bytes in C order.
fn checksum(chunk: &Chunk) -> u32 {
    let chunk = chunk.to_contiguous();
    let start = chunk.offset() * chunk.dtype().size();
    let bytes = if chunk.is_empty() { &[] } else { &chunk.buffer().bytes()[start..start + chunk.nbytes()] };
    crc32c::crc32c(bytes)
}
