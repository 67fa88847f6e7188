//! The Python extension module `selion._selion`: converts, releases the GIL, calls, maps errors. Decides nothing.

use pyo3::prelude::*;

/// The native half of the Python package `selion`.
#[pymodule]
mod _selion {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
