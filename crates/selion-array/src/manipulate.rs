//! Other orders and shapes of the same elements: transposes, flips, new axes, broadcasts.
//!
//! Each is one [`View`]: nothing is computed or copied, and the optimiser merges chains of them and moves them into the
//! leaves. Argument checks and their words are NumPy's.

use selion_core::Dims;
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, shape_text};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr};
use crate::view::{AxisMap, View};

impl Array {
    /// The view of this array, in blocks that each lie in one of its own.
    pub(crate) fn viewed(&self, view: View) -> Array {
        let chunks = view.chunks(self.chunks());
        self.viewed_in(view, chunks)
    }

    /// The view of this array in the given blocks, each of which must lie in one of its own.
    pub(crate) fn viewed_in(&self, view: View, chunks: Chunks) -> Array {
        if view.is_identity(&self.shape()) && chunks == *self.chunks() {
            return self.clone();
        }
        Array::make(Expr::View { input: self.clone(), view }, self.dtype(), chunks)
    }

    /// `len` elements from `start` on along one axis, in steps of `step`.
    pub(crate) fn sliced(&self, axis: usize, start: usize, step: isize, len: usize) -> Array {
        let mut view = View::identity(&self.shape());
        view.starts[axis] = if len == 0 { 0 } else { start };
        view.axes[axis] = Some(AxisMap { axis, step });
        view.shape[axis] = len;
        self.viewed(view)
    }

    /// The axes, counted from the front, each at most once.
    fn distinct_axes(&self, axes: &[isize], ndim: usize, repeated: &str) -> Result<Vec<usize>> {
        let mut counted = Vec::with_capacity(axes.len());
        for axis in axes {
            let axis = count_axis(*axis, ndim)?;
            if counted.contains(&axis) {
                return Err(ArrayError::Value(repeated.to_owned()));
            }
            counted.push(axis);
        }
        Ok(counted)
    }

    /// Axis `k` of the result is axis `order[k]` of this array.
    pub(crate) fn reordered(&self, order: &[usize]) -> Array {
        let shape = self.shape();
        let mut view = View::identity(&shape);
        view.axes = order.iter().map(|axis| Some(AxisMap { axis: *axis, step: 1 })).collect();
        view.shape = order.iter().map(|axis| shape[*axis]).collect();
        self.viewed(view)
    }

    /// The axes in another order, in the opposite one if `axes` is `None`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if `axes` does not name each axis once, [`ArrayError::Axis`] if it names one that is not there.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3, 4], selion_core::DType::F64, None)?;
    /// assert_eq!(x.transpose(None)?.shape().as_slice(), [4, 3, 2]);
    /// assert_eq!(x.transpose(Some(&[1, 0, -1]))?.shape().as_slice(), [3, 2, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn transpose(&self, axes: Option<&[isize]>) -> Result<Array> {
        let ndim = self.ndim();
        let Some(axes) = axes else { return Ok(self.reordered(&(0..ndim).rev().collect::<Vec<_>>())) };
        if axes.len() != ndim {
            return Err(ArrayError::Value("axes don't match array".to_owned()));
        }
        Ok(self.reordered(&self.distinct_axes(axes, ndim, "repeated axis in transpose")?))
    }

    /// Two axes in each other's place.
    ///
    /// # Errors
    /// [`ArrayError::Axis`].
    pub fn swapaxes(&self, first: isize, second: isize) -> Result<Array> {
        let mut order: Vec<usize> = (0..self.ndim()).collect();
        order.swap(self.axis(first)?, self.axis(second)?);
        Ok(self.reordered(&order))
    }

    /// The axes `source` at the places `destination` of the result, the others in their order.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if the lists have different lengths or repeat an axis.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3, 4], selion_core::DType::F64, None)?;
    /// assert_eq!(x.moveaxis(&[0], &[-1])?.shape().as_slice(), [3, 4, 2]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn moveaxis(&self, source: &[isize], destination: &[isize]) -> Result<Array> {
        let ndim = self.ndim();
        let from = self.distinct_axes(source, ndim, "repeated axis in `source` argument")?;
        let to = self.distinct_axes(destination, ndim, "repeated axis in `destination` argument")?;
        if from.len() != to.len() {
            let text = "`source` and `destination` arguments must have the same number of elements";
            return Err(ArrayError::Value(text.to_owned()));
        }
        let mut moves: Vec<(usize, usize)> = to.into_iter().zip(from.iter().copied()).collect();
        moves.sort_unstable();
        let mut order: Vec<usize> = (0..ndim).filter(|axis| !from.contains(axis)).collect();
        for (place, axis) in moves {
            order.insert(place, axis);
        }
        Ok(self.reordered(&order))
    }

    /// The axis `axis` moved back until it lies before axis `start`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`].
    pub fn rollaxis(&self, axis: isize, start: isize) -> Result<Array> {
        let ndim = self.ndim();
        let axis = self.axis(axis)?;
        let mut place = if start < 0 { start + ndim as isize } else { start };
        if place < 0 || place > ndim as isize {
            return Err(ArrayError::Axis { axis: start, ndim: ndim + 1 });
        }
        if place as usize > axis {
            place -= 1;
        }
        self.moveaxis(&[axis as isize], &[place])
    }

    /// Without the axes `axes`, whose length must be 1; without all such axes if `None`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] for an axis of another length.
    pub fn squeeze(&self, axes: Option<&[isize]>) -> Result<Array> {
        let shape = self.shape();
        let dropped: Vec<usize> = match axes {
            Some(axes) => self.distinct_axes(axes, self.ndim(), "duplicate value in 'axis'")?,
            None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
        };
        if dropped.iter().any(|axis| shape[*axis] != 1) {
            let text = "cannot select an axis to squeeze out which has size not equal to one";
            return Err(ArrayError::Value(text.to_owned()));
        }
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !dropped.contains(axis)).collect();
        Ok(self.reordered(&kept))
    }

    /// With new axes of length 1 at the places `axes` of the result.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] for a place named twice.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[2, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.expand_dims(&[0, -1])?.shape().as_slice(), [1, 2, 3, 1]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn expand_dims(&self, axes: &[isize]) -> Result<Array> {
        let ndim = self.ndim() + axes.len();
        let added = self.distinct_axes(axes, ndim, "repeated axis")?;
        let mut view = View::identity(&self.shape());
        let (mut maps, mut lens) = (view.axes.drain(..), view.shape.drain(..));
        let (mut axes, mut shape): (SmallVec<[Option<AxisMap>; 4]>, Dims) = Default::default();
        for axis in 0..ndim {
            let new = added.contains(&axis);
            axes.push(if new { None } else { maps.next().flatten() });
            shape.push(if new { 1 } else { lens.next().unwrap_or(1) });
        }
        drop((maps, lens));
        Ok(self.viewed(View { starts: view.starts, axes, shape }))
    }

    /// The array repeated along new axes in front and axes of length 1, by NumPy's rules. `chunks` divides the result; by
    /// default axes that repeat are not divided.
    ///
    /// # Errors
    /// [`ArrayError::Value`] if the shapes do not go together, [`ArrayError::Chunks`] if `chunks` does not fit, or
    /// divides an axis that does not repeat in another way than this array does.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[3, 1], selion_core::DType::F64, None)?;
    /// assert_eq!(x.broadcast_to(&[2, 3, 4], None)?.shape().as_slice(), [2, 3, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn broadcast_to(&self, shape: &[usize], chunks: Option<Chunks>) -> Result<Array> {
        let own = self.shape();
        let lead = shape.len().checked_sub(own.len());
        let fits = |lead: usize| own.iter().zip(&shape[lead..]).all(|(from, to)| from == to || *from == 1);
        let Some(lead) = lead.filter(|lead| fits(*lead)) else {
            let text = format!("cannot broadcast shape {} to shape {}", shape_text(&own), shape_text(shape));
            return Err(ArrayError::Value(text));
        };
        let repeats = |axis: usize| axis < lead || own[axis - lead] != shape[axis];
        let view = View {
            starts: smallvec![0; own.len()],
            axes: (0..shape.len())
                .map(|axis| (!repeats(axis)).then(|| AxisMap { axis: axis - lead, step: 1 }))
                .collect(),
            shape: shape.into(),
        };
        let plain = view.chunks(self.chunks());
        let Some(chunks) = chunks else { return Ok(self.viewed_in(view, plain)) };
        let same = |axis: usize| repeats(axis) || chunks.axes()[axis] == plain.axes()[axis];
        if chunks.shape() != plain.shape() || !(0..shape.len()).all(same) {
            return Err(ArrayError::Chunks(format!(
                "cannot broadcast chunks {:?} to chunks {:?}: new chunks must either be along a new dimension or a \
                 dimension of size 1",
                lens(self.chunks()),
                lens(&chunks)
            )));
        }
        Ok(self.viewed_in(view, chunks))
    }

    /// The arrays, each broadcast to the shape that they have in common.
    ///
    /// # Errors
    /// [`ArrayError::Broadcast`] if there is none; [`ArrayError::Chunks`] if unknown lengths cannot be matched.
    pub fn broadcast_arrays(arrays: &[Array]) -> Result<Vec<Array>> {
        let mut aligned = arrays.to_vec();
        let chunks = crate::elementwise::align(&mut aligned)?;
        let shape = chunks.shape();
        aligned
            .iter()
            .map(|array| {
                let own = Chunks::new((0..shape.len()).map(|axis| {
                    let own = (axis + array.ndim()).checked_sub(shape.len()).map(|own| &array.chunks().axes()[own]);
                    match own {
                        Some(own) if own.len() == shape[axis] => own.clone(),
                        _ => chunks.axes()[axis].clone(),
                    }
                }));
                array.broadcast_to(&shape, Some(own))
            })
            .collect()
    }

    /// The elements in the opposite order along `axes`, along all of them if `None`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] along an axis of unknown length.
    pub fn flip(&self, axes: Option<&[isize]>) -> Result<Array> {
        let axes: Vec<usize> = match axes {
            Some(axes) => self.distinct_axes(axes, self.ndim(), "repeated axis")?,
            None => (0..self.ndim()).collect(),
        };
        let shape = self.shape();
        let mut view = View::identity(&shape);
        for axis in axes {
            if shape[axis] == UNKNOWN {
                self.chunks().known("flip")?;
            }
            view.starts[axis] = shape[axis].saturating_sub(1);
            view.axes[axis] = Some(AxisMap { axis, step: -1 });
        }
        Ok(self.viewed(view))
    }

    /// The array turned `k` times by 90° in the plane of two axes, from the first towards the second.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if the axes are the same.
    pub fn rot90(&self, k: i64, axes: (isize, isize)) -> Result<Array> {
        let (first, second) = (self.axis(axes.0)?, self.axis(axes.1)?);
        if first == second {
            return Err(ArrayError::Value("Axes must be different.".to_owned()));
        }
        let flip = |array: &Array, axis: usize| array.flip(Some(&[axis as isize]));
        match k.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => flip(self, second)?.swapaxes(first as isize, second as isize),
            2 => flip(&flip(self, first)?, second),
            _ => flip(&self.swapaxes(first as isize, second as isize)?, second),
        }
    }

    /// With at least `ndim` axes: the missing ones in front, for three of them as NumPy's `atleast_3d` adds them.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for more than three axes, for which NumPy has no rule.
    pub fn atleast_nd(&self, ndim: usize) -> Result<Array> {
        match (ndim, self.ndim()) {
            (4.., _) => Err(ArrayError::Value(format!("there is no atleast_{ndim}d"))),
            (3, 0) => self.expand_dims(&[0, 1, 2]),
            (3, 1) => self.expand_dims(&[0, 2]),
            (3, 2) => self.expand_dims(&[2]),
            (ndim, own) if own < ndim => self.leading_axes(ndim),
            _ => Ok(self.clone()),
        }
    }

    /// With axes of length 1 in front until there are `ndim`.
    pub(crate) fn leading_axes(&self, ndim: usize) -> Result<Array> {
        let added: Vec<isize> = (0..ndim.saturating_sub(self.ndim()) as isize).collect();
        self.expand_dims(&added)
    }

    /// Coordinate arrays from coordinate vectors: array `k` varies along its own axis. With `matrix_order` (NumPy's
    /// `indexing="ij"`) array `k` has axis `k`; without, the first two change places. `sparse` arrays are not broadcast.
    ///
    /// # Errors
    /// [`ArrayError::Chunks`] if unknown lengths cannot be matched.
    pub fn meshgrid(vectors: &[Array], sparse: bool, matrix_order: bool) -> Result<Vec<Array>> {
        let ndim = vectors.len();
        let place = |k: usize| if !matrix_order && k < 2 && ndim > 1 { 1 - k } else { k };
        let mut grids = Vec::with_capacity(ndim);
        for (k, vector) in vectors.iter().enumerate() {
            let flat = vector.ravel()?;
            let others: Vec<isize> = (0..ndim).filter(|axis| *axis != place(k)).map(|axis| axis as isize).collect();
            grids.push(flat.expand_dims(&others)?);
        }
        if sparse || grids.is_empty() { Ok(grids) } else { Array::broadcast_arrays(&grids) }
    }
}

/// An axis counted from the front.
pub(crate) fn count_axis(axis: isize, ndim: usize) -> Result<usize> {
    let counted = if axis < 0 { axis + ndim as isize } else { axis };
    if counted < 0 || counted >= ndim as isize { Err(ArrayError::Axis { axis, ndim }) } else { Ok(counted as usize) }
}

fn lens(chunks: &Chunks) -> Vec<&[usize]> {
    chunks.axes().iter().map(AxisChunks::lens).collect()
}
