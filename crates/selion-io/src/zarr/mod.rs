//! Zarr, formats 2 and 3, on the local file system.
//!
//! * `metadata`: the two kinds of metadata document, read into one description and written from it;
//! * `element`: names of dtypes, and fill values as JSON;
//! * `json`: JSON as Python writes it, with NaN;
//! * `layout`: how a chunk lies in its bytes (order, byte order, codecs, shards), and the way there and back;
//! * `array`: [`ZarrArray`], opened; `read` and `write`: as a source and a sink; `create`: a new one.

mod array;
mod create;
mod element;
mod grid;
mod json;
mod layout;
mod metadata;
mod read;
mod write;

pub use array::ZarrArray;
pub use create::{Compression, CreateOptions, Shuffle};
pub use metadata::ZarrVersion;
