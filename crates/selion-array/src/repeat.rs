//! The same elements more than once, or turned round: repeat, tile, roll.

use crate::error::{ArrayError, Result};
use crate::expr::Array;

impl Array {
    /// Each element `repeats` times after itself along an axis (of the raveled array if `None`); with several numbers, the
    /// k-th element as often as the k-th says.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if there are several numbers, but not one per element.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.repeat(&[2], Some(1))?.shape().as_slice(), [2, 6]);
    /// assert_eq!(x.repeat(&[0, 4], Some(0))?.shape().as_slice(), [4, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn repeat(&self, repeats: &[usize], axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else { return self.ravel()?.repeat(repeats, Some(0)) };
        let axis = self.axis(axis)?;
        self.chunks().known("repeat")?;
        let mut shape = self.shape();
        let [times] = *repeats else {
            if repeats.len() != shape[axis] {
                return Err(ArrayError::Value(format!(
                    "operands could not be broadcast together with shape ({},) ({},)",
                    shape[axis],
                    repeats.len()
                )));
            }
            let each = repeats.iter().enumerate().flat_map(|(k, times)| std::iter::repeat_n(k as i64, *times));
            let indices: Vec<i64> = each.collect();
            return self.take(&[indices.len()], &indices, Some(axis as isize));
        };
        if times == 1 {
            return Ok(self.clone());
        }
        // A new axis behind it along which nothing changes, merged with it.
        shape.insert(axis + 1, times);
        let spread = self.expand_dims(&[axis as isize + 1])?.broadcast_to(&shape, None)?;
        shape.remove(axis + 1);
        shape[axis] *= times;
        spread.reshape(&shape.iter().map(|len| *len as i64).collect::<Vec<_>>())
    }

    /// The whole array `repeats[k]` times along axis `k`. The shorter of `repeats` and the shape gets ones in front.
    ///
    /// # Errors
    /// As [`Array::concatenate`].
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.tile(&[2])?.shape().as_slice(), [2, 6]);
    /// assert_eq!(x.tile(&[2, 1, 1])?.shape().as_slice(), [2, 2, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn tile(&self, repeats: &[usize]) -> Result<Array> {
        let mut tiled = self.leading_axes(repeats.len())?;
        let lead = tiled.ndim() - repeats.len();
        for (axis, times) in (lead..).zip(repeats) {
            tiled = match times {
                0 => tiled.sliced(axis, 0, 1, 0),
                1 => tiled,
                times => Array::concatenate(&vec![tiled; *times], Some(axis as isize))?,
            };
        }
        Ok(tiled)
    }

    /// The elements moved on by `shifts[k]` along axis `axes[k]`, those that leave at the end coming in again at the
    /// start; along the raveled array if `axes` is `None`. A single shift or axis goes with all of the others.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if the numbers of shifts and axes differ.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.roll(&[1, -1], Some(&[0, 1]))?.shape().as_slice(), [2, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn roll(&self, shifts: &[i64], axes: Option<&[isize]>) -> Result<Array> {
        self.chunks().known("roll")?;
        let Some(axes) = axes else {
            let shape: Vec<i64> = self.shape().iter().map(|len| *len as i64).collect();
            return self.ravel()?.roll(shifts, Some(&[0]))?.reshape(&shape);
        };
        let count = shifts.len().max(axes.len());
        let fits = |len: usize| len == count || len == 1;
        if !fits(shifts.len()) || !fits(axes.len()) {
            return Err(ArrayError::Value("'shift' and 'axis' must have the same length".to_owned()));
        }
        let mut rolled = self.clone();
        for k in 0..count {
            let axis = self.axis(axes[k % axes.len()])?;
            let len = self.shape()[axis];
            let shift = shifts[k % shifts.len()].rem_euclid(len.max(1) as i64) as usize;
            if shift != 0 {
                let (head, tail) = (rolled.sliced(axis, 0, 1, len - shift), rolled.sliced(axis, len - shift, 1, shift));
                rolled = Array::concatenate(&[tail, head], Some(axis as isize))?;
            }
        }
        Ok(rolled)
    }
}
