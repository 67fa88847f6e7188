//! Where elements are not zero: coordinates in C order, as many as only computing will tell.
//!
//! All axes but the first are made whole, so that the coordinates of one block follow those of the block before. Each
//! block gives all of its coordinates at once, and each result takes its part.

use selion_core::{Chunk, DType, Value};
use selion_kernels::blocks::gather::nonzero;
use selion_kernels::blocks::layout::stack;

use crate::block_fn::{BlockFn, chunk_of, part};
use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::Array;

impl Array {
    /// The coordinates, along each axis, of the elements that are not zero.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for an array without axes; [`ArrayError::Unknown`] for unknown lengths.
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, UNKNOWN};
    /// let places = Array::ones(&[4, 3], selion_core::DType::F32, None)?.nonzero()?;
    /// assert_eq!((places.len(), places[0].shape().as_slice()), (2, &[UNKNOWN][..]));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn nonzero(&self) -> Result<Vec<Array>> {
        let (found, chunks) = self.places()?;
        let part = |axis: usize| part(&found, "nonzero", axis, DType::I64, chunks.clone());
        Ok((0..self.ndim()).map(part).collect())
    }

    /// The places, in C order, of the elements that are not zero.
    ///
    /// # Errors
    /// As [`Array::nonzero`], and as [`Array::ravel`].
    pub fn flatnonzero(&self) -> Result<Array> {
        Ok(self.ravel()?.nonzero()?.remove(0))
    }

    /// The coordinates of the elements that are not zero, a row for each.
    ///
    /// # Errors
    /// As [`Array::nonzero`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::{Array, UNKNOWN};
    /// let rows = Array::ones(&[4, 3], selion_core::DType::F32, None)?.argwhere()?;
    /// assert_eq!(rows.shape().as_slice(), [UNKNOWN, 2]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn argwhere(&self) -> Result<Array> {
        let (found, chunks) = self.places()?;
        let chunks = Chunks::new([chunks.axes()[0].clone(), AxisChunks::new(vec![self.ndim()])]);
        let rows = BlockFn::new(
            "argwhere",
            (),
            |at, needs| needs.push((0, at[0])),
            |_, inputs| {
                let all = inputs.first().ok_or("a block is missing")?.parts();
                Ok(stack(&all.iter().filter_map(Value::as_chunk).cloned().collect::<Vec<_>>(), 1)?.into())
            },
        );
        Ok(rows.array(vec![found], DType::I64, chunks))
    }

    /// An array whose blocks are tuples of coordinates, one for each axis; and the blocks of such a coordinate.
    fn places(&self) -> Result<(Array, Chunks)> {
        if self.ndim() == 0 {
            return Err(ArrayError::Value(
                "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.".to_owned(),
            ));
        }
        self.chunks().known("nonzero")?;
        let mask = self.astype(DType::Bool)?.whole_along(((1u64 << self.ndim()) - 1) & !1)?;
        let rows = mask.chunks().axes()[0].clone();
        let chunks = Chunks::new([AxisChunks::new(vec![UNKNOWN; rows.count()])]);
        let scratch = mask.chunks().largest_block() * size_of::<usize>();
        let found = BlockFn::new(
            "nonzero",
            (),
            |at, needs| needs.push((0, at[0])),
            move |at, inputs| {
                let mut places = nonzero(chunk_of(inputs)?)?;
                let start = rows.start(at[0]) as i64;
                if let Some(first) = places.first_mut().filter(|_| start > 0) {
                    let moved: Vec<i64> = first.to_vec::<i64>().into_iter().map(|place| place + start).collect();
                    *first = Chunk::from_values(&[moved.len()], &moved);
                }
                Ok(Value::Tuple(places.into_iter().map(Value::Chunk).collect()))
            },
        );
        Ok((found.with_scratch(scratch).array(vec![mask], DType::I64, chunks.clone()), chunks))
    }
}
