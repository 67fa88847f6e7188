//! An array's blocks as arrays.

use crate::chunks::{AxisChunks, Chunks};
use crate::error::Result;
use crate::expr::{Array, Expr};
use crate::view::View;

impl Array {
    /// The blocks of the given ranges along each axis, as an array: `x.blocks[...]`.
    ///
    /// # Errors
    /// [`crate::ArrayError::Unknown`] if block lengths are unknown.
    ///
    /// ```
    /// use selion_array::{Array, Chunks};
    /// let x = Array::zeros(&[5], selion_core::DType::F64, Some(Chunks::regular(&[5], &[2])))?;
    /// assert_eq!(x.block_range(&[1], &[2])?.shape().as_slice(), [3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn block_range(&self, first: &[usize], count: &[usize]) -> Result<Array> {
        self.chunks().known("blocks")?;
        let mut view = View::identity(&self.shape());
        let mut axes = Vec::with_capacity(self.ndim());
        for (axis, along) in self.chunks().axes().iter().enumerate() {
            view.starts[axis] = along.start(first[axis]);
            view.shape[axis] = along.start(first[axis] + count[axis]) - along.start(first[axis]);
            axes.push(AxisChunks::new(along.lens()[first[axis]..first[axis] + count[axis]].to_vec()));
        }
        Ok(Array::make(Expr::View { input: self.clone(), view }, self.dtype(), Chunks::new(axes)))
    }
}
