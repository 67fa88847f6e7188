//! Storage as sources and sinks of chunks: Zarr, npy.
//!
//! * [`ZarrArray`]: one array of a Zarr store (format 2 or 3) on the local file system, read and written;
//! * [`NpyArray`]: a `.npy` file, read by seeking and written in place;
//! * [`NpyStack`]: a directory of `.npy` files that lie one after the other along one axis, as Dask writes them.
//!
//! Each is a [`ChunkSource`](selion_core::ChunkSource) and a [`ChunkSink`](selion_core::ChunkSink): a read touches only
//! the bytes that the region needs, starts no thread, and holds no more than the result, one encoded and one decoded
//! storage chunk. Whoever calls decides how many reads run at once.
//!
//! # Why not the `zarrs` crate
//!
//! It was measured first (0.23, file system, blosc, gzip, zstd, sharding, crc32c, transpose; 2 cores). It brings 153
//! crates and three and a half minutes of compilation. Its chunks come as a `Vec<u8>` of their own, aligned for bytes,
//! which must be copied once more into a buffer that kernels can use and whose memory the pool never sees again;
//! decoding into memory of the caller needs `unsafe` here. And it runs on rayon, a second pool of threads beside
//! selion's. What selion needs of Zarr is small: two metadata documents, a grid, and a chain of codecs, each of which
//! is a crate of its own. So those are here, and whole chunks are decoded straight into the result.

#![forbid(unsafe_code)]

#[cfg(feature = "zarr")]
mod codec;
mod elements;
mod files;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "npy")]
mod npy_stack;
#[cfg(feature = "zarr")]
mod zarr;

#[cfg(feature = "npy")]
pub use npy::NpyArray;
#[cfg(feature = "npy")]
pub use npy_stack::NpyStack;
#[cfg(feature = "zarr")]
pub use zarr::{Compression, CreateOptions, Shuffle, ZarrArray, ZarrVersion};
