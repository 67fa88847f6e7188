//! NumPy's own file format.
/// A `.npy` file.
#[derive(Debug)]
pub struct NpyArray;
