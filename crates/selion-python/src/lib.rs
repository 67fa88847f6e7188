//! The Python extension module `selion._selion`: converts, releases the GIL, calls, maps errors. Decides nothing.
//!
//! * `array`: the class `Array` and the functions that make one;
//! * `chunk`: NumPy arrays in and out, without a copy;
//! * `cluster`: schedulers, workers and clients;
//! * `convert`: other arguments (dtypes, chunks, operands);
//! * `index`: NumPy's indices; `callback`: Python functions on blocks;
//! * `dask`: Dask's graphs on selion's threads;
//! * `delayed`: Python functions that are called later;
//! * `draw`: drawings of chunks, and `explain()`;
//! * `overlap`: blocks that overlap their neighbours;
//! * `ops`: joins, shapes, products, sorts, counts;
//! * `observe`: who watches;
//! * `picture`: pictures of graphs;
//! * `processes`: Python functions in other processes;
//! * `run`: computing, with signals looked after;
//! * `source`: Python objects as storage; `settings`: `selion.config`; `errors`: which exception an error becomes.

mod array;
mod callback;
mod chunk;
mod cluster;
mod convert;
mod dask;
mod delayed;
mod draw;
mod errors;
mod index;
mod observe;
mod ops;
mod overlap;
mod picture;
mod processes;
mod run;
mod settings;
mod source;

use pyo3::prelude::*;

/// The native half of the Python package `selion`.
#[pymodule]
fn _selion(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    chunk::register(m)?;
    array::register(m)?;
    callback::register(m)?;
    cluster::register(m)?;
    dask::register(m)?;
    delayed::register(m)?;
    index::register(m)?;
    draw::register(m)?;
    observe::register(m)?;
    ops::register(m)?;
    picture::register(m)?;
    overlap::register(m)?;
    processes::register(m)?;
    run::register(m)?;
    settings::register(m)
}
