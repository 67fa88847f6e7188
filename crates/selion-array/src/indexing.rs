//! Indexing by NumPy's rules.
//!
//! An index is first *resolved* against the array's shape: ellipses become slices, masks whose values are known become
//! lists of integers, negative indices count from the front, everything is checked. What is left of it splits in two:
//! integers, slices and new axes are one [`View`]; lists of integers and lazy masks pick from that view. Where the axes
//! of several lists end up is NumPy's rule: at the place of the first if all lists and integers stand next to each
//! other, in front otherwise.

use std::sync::Arc;

use selion_core::Dims;
use smallvec::SmallVec;

use crate::chunks::UNKNOWN;
use crate::elementwise::broadcast_shapes;
use crate::error::{ArrayError, Result};
use crate::expr::Array;
use crate::take::mask_mismatch;
use crate::view::{AxisMap, View};

/// One part of an index, as it stands between brackets.
#[derive(Clone, Debug)]
pub enum Index {
    /// An integer: the axis is dropped.
    Int(i64),
    /// `start:stop:step`.
    Slice {
        /// The first index; by default the first in the direction of the step.
        start: Option<i64>,
        /// The index before which to stop; by default none.
        stop: Option<i64>,
        /// How far to go each time; by default 1.
        step: Option<i64>,
    },
    /// `None`: a new axis of length 1.
    NewAxis,
    /// `...`: as many full slices as are missing.
    Ellipsis,
    /// An array of integers.
    Ints {
        /// Its shape.
        shape: Vec<usize>,
        /// Its elements in C order.
        values: Vec<i64>,
    },
    /// An array of booleans, which covers as many axes as it has.
    Bools {
        /// Its shape.
        shape: Vec<usize>,
        /// Its elements in C order.
        values: Vec<bool>,
    },
    /// A lazy array of booleans.
    Mask(Array),
    /// A lazy array of integers.
    LazyInts(Array),
}

impl Index {
    /// `:`.
    pub fn full() -> Index {
        Index::Slice { start: None, stop: None, step: None }
    }

    /// Whether it is `:`, or says the same at greater length.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Index::Slice { start: None | Some(0), stop: None, step: None | Some(1) })
    }

    /// How many axes it takes.
    fn axes(&self) -> usize {
        match self {
            Index::Int(_) | Index::Slice { .. } | Index::Ints { .. } | Index::LazyInts(_) => 1,
            Index::Bools { shape, .. } => shape.len(),
            Index::Mask(mask) => mask.ndim(),
            Index::NewAxis | Index::Ellipsis => 0,
        }
    }
}

/// One part of a resolved index.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Int {
        axis: usize,
        at: usize,
    },
    Slice {
        axis: usize,
        start: usize,
        step: isize,
        len: usize,
    },
    NewAxis,
    /// An ellipsis that stands for no axis; it still parts the lists on its sides.
    Gap,
    /// A list; of a new axis of length 1 if `axis` is `None`.
    Ints {
        axis: Option<usize>,
        shape: Dims,
        values: Arc<[usize]>,
    },
    Mask {
        axis: usize,
        mask: Array,
    },
}

impl Part {
    fn is_list(&self) -> bool {
        matches!(self, Part::Ints { .. } | Part::Mask { .. })
    }
}

/// An index out of bounds.
fn out_of_bounds(index: i64, axis: usize, len: usize) -> ArrayError {
    ArrayError::Index(format!("index {index} is out of bounds for axis {axis} with size {len}"))
}

fn counted(index: i64, axis: usize, len: usize) -> Result<usize> {
    let from_front = if index < 0 { index + len as i64 } else { index };
    if from_front < 0 || from_front >= len as i64 {
        Err(out_of_bounds(index, axis, len))
    } else {
        Ok(from_front as usize)
    }
}

/// Where a Python slice starts, its step, and how many elements it has.
///
/// # Errors
/// [`ArrayError::Value`] for a step of 0.
fn resolve_slice(
    len: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
) -> Result<(usize, isize, usize)> {
    let (len, step) = (len as i64, step.unwrap_or(1));
    if step == 0 {
        return Err(ArrayError::Value("slice step cannot be zero".to_owned()));
    }
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |at: i64| (if at < 0 { at + len } else { at }).clamp(low, high);
    let start = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    let span = if step > 0 { stop - start } else { start - stop };
    let count = if span <= 0 { 0 } else { (span - 1) / step.saturating_abs() + 1 };
    Ok(if count == 0 {
        (0, 1, 0)
    } else {
        (start as usize, if count == 1 { 1 } else { step as isize }, count as usize)
    })
}

/// The parts of an index with all that depends on the shape worked out.
///
/// # Errors
/// [`ArrayError::Index`] in NumPy's words.
pub(crate) fn resolve(array: &Array, index: &[Index]) -> Result<Vec<Part>> {
    let shape = array.shape();
    let taken: usize = index.iter().map(Index::axes).sum();
    if taken > shape.len() {
        return Err(ArrayError::Index(format!(
            "too many indices for array: array is {}-dimensional, but {taken} were indexed",
            shape.len()
        )));
    }
    if index.iter().filter(|part| matches!(part, Index::Ellipsis)).count() > 1 {
        return Err(ArrayError::Index("an index can only have a single ellipsis ('...')".to_owned()));
    }
    let full = |axis: usize| Part::Slice { axis, start: 0, step: 1, len: shape[axis] };
    let mut parts = Vec::with_capacity(shape.len());
    let mut axis = 0;
    for part in index {
        let len = shape.get(axis).copied().unwrap_or(0);
        if len == UNKNOWN && matches!(part, Index::Int(_) | Index::Ints { .. } | Index::Bools { .. }) {
            array.chunks().known("indexing")?;
        }
        match part {
            Index::Int(at) => parts.push(Part::Int { axis, at: counted(*at, axis, len)? }),
            Index::Slice { .. } if part.is_full() => parts.push(full(axis)),
            Index::Slice { start, stop, step } => {
                if len == UNKNOWN {
                    array.chunks().known("slicing")?;
                }
                let (start, step, len) = resolve_slice(len, *start, *stop, *step)?;
                parts.push(Part::Slice { axis, start, step, len });
            }
            Index::NewAxis => parts.push(Part::NewAxis),
            Index::Ellipsis => {
                let missing = shape.len() - taken;
                if missing == 0 {
                    parts.push(Part::Gap);
                }
                parts.extend((axis..axis + missing).map(full));
                axis += missing;
            }
            Index::Ints { shape, values } if shape.is_empty() => {
                let at = values.first().copied().unwrap_or(0);
                parts.push(Part::Int { axis, at: counted(at, axis, len)? });
            }
            Index::Ints { shape, values } => {
                let values = values.iter().map(|at| counted(*at, axis, len)).collect::<Result<_>>()?;
                parts.push(Part::Ints { axis: Some(axis), shape: shape.as_slice().into(), values });
            }
            Index::Bools { shape: lens, values } if lens.is_empty() => {
                let places: Arc<[usize]> = if values.first() == Some(&true) { Arc::new([0]) } else { Arc::new([]) };
                parts.push(Part::Ints { axis: None, shape: [places.len()].as_slice().into(), values: places });
            }
            Index::Bools { shape: lens, values } => {
                for (k, mask_len) in lens.iter().enumerate() {
                    if shape[axis + k] != *mask_len {
                        return Err(mask_mismatch(axis + k, shape[axis + k], *mask_len));
                    }
                }
                parts.extend(true_places(lens, values).into_iter().enumerate().map(|(k, values)| Part::Ints {
                    axis: Some(axis + k),
                    shape: [values.len()].as_slice().into(),
                    values: values.into(),
                }));
            }
            Index::Mask(mask) if mask.ndim() == 0 => {
                return Err(ArrayError::NotImplemented("indexing with a lazy 0-d boolean array".to_owned()));
            }
            Index::Mask(mask) => parts.push(Part::Mask { axis, mask: mask.clone() }),
            Index::LazyInts(_) => {
                return Err(ArrayError::NotImplemented("indexing with a lazy array of integers".to_owned()));
            }
        }
        axis += part.axes();
    }
    parts.extend((axis..shape.len()).map(full));
    Ok(parts)
}

/// The coordinates of true elements, one list per axis: NumPy's `nonzero`.
fn true_places(shape: &[usize], values: &[bool]) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); shape.len()];
    for (k, _) in values.iter().enumerate().filter(|(_, flag)| **flag) {
        let mut rest = k;
        for (list, len) in lists.iter_mut().zip(shape).rev() {
            list.push(rest % len);
            rest /= len;
        }
    }
    lists
}

/// Where in the result the axes of lists go: before which of the axes that slices and new axes make.
pub(crate) fn list_position(parts: &[Part]) -> usize {
    let picks = |part: &&Part| part.is_list() || matches!(part, Part::Int { .. });
    let first = parts.iter().position(|part| picks(&part)).unwrap_or(0);
    let last = parts.iter().rposition(|part| picks(&part)).unwrap_or(0);
    let together = parts.get(first..=last).is_some_and(|between| between.iter().all(|part| picks(&part)));
    let makes_axis = |part: &&Part| matches!(part, Part::Slice { .. } | Part::NewAxis);
    if together { parts[..first].iter().filter(makes_axis).count() } else { 0 }
}

/// The lists with the shape to which they broadcast.
fn broadcast_lists(lists: Vec<(Dims, Arc<[usize]>)>) -> Result<(Dims, Vec<Arc<[usize]>>)> {
    let shapes: Vec<&[usize]> = lists.iter().map(|(shape, _)| shape.as_slice()).collect();
    let common = broadcast_shapes(&shapes).map_err(|error| match error {
        ArrayError::Broadcast(shapes) => {
            let shapes: Vec<String> = shapes.iter().map(|shape| crate::chunks::shape_text(shape)).collect();
            ArrayError::Index(format!(
                "shape mismatch: indexing arrays could not be broadcast together with shapes {}",
                shapes.join(" ").replace(", ", ",")
            ))
        }
        other => other,
    })?;
    let size: usize = common.iter().product();
    let spread = |(shape, values): (Dims, Arc<[usize]>)| {
        if shape == common {
            return values;
        }
        let own = selion_core::contiguous_strides(&shape);
        let lead = common.len() - shape.len();
        let element = |mut k: usize| {
            let mut at = 0;
            for axis in (0..common.len()).rev() {
                if axis >= lead && shape[axis - lead] != 1 {
                    at += k % common[axis] * own[axis - lead] as usize;
                }
                k /= common[axis];
            }
            values[at]
        };
        (0..size).map(element).collect()
    };
    let lists = lists.into_iter().map(spread).collect();
    Ok((common, lists))
}

impl Array {
    /// The elements at an index, by NumPy's rules.
    ///
    /// Integers, slices and new axes cost nothing. Lists of integers make blocks about as large as the array's. A lazy
    /// mask gives an axis of unknown length; a mask of several axes makes all of them but the first whole.
    ///
    /// # Errors
    /// [`ArrayError::Index`] in NumPy's words: out of bounds, too many indices, lists or masks of the wrong shape.
    /// [`ArrayError::Unknown`] for anything but `:` on an axis of unknown length. [`ArrayError::NotImplemented`] for a
    /// lazy mask beside other lists, and for lazy integers.
    ///
    /// ```
    /// use selion_array::{Array, Index};
    /// let x = Array::ones(&[5, 4], selion_core::DType::F64, None)?;
    /// let rows = Index::Slice { start: None, stop: None, step: Some(-2) };
    /// assert_eq!(x.getitem(&[rows, Index::Int(-1)])?.shape().as_slice(), [3]);
    /// let wrong = x.getitem(&[Index::Int(5)]).unwrap_err();
    /// assert_eq!(wrong.to_string(), "index 5 is out of bounds for axis 0 with size 5");
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn getitem(&self, index: &[Index]) -> Result<Array> {
        let parts = resolve(self, index)?;
        let position = list_position(&parts);
        self.pick(parts, position)
    }

    /// The elements at points: lists of integers broadcast together, their axes always in front; other axes whole.
    ///
    /// # Errors
    /// [`ArrayError::Index`] as [`Array::getitem`], and for slices that are not `:`.
    ///
    /// ```
    /// use selion_array::{Array, Index};
    /// let x = Array::ones(&[5, 4, 3], selion_core::DType::F64, None)?;
    /// let list = |values: &[i64]| Index::Ints { shape: vec![values.len()], values: values.to_vec() };
    /// assert_eq!(x.vindex(&[Index::full(), list(&[0, 3]), list(&[1, 2])])?.shape().as_slice(), [2, 5]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn vindex(&self, index: &[Index]) -> Result<Array> {
        let allowed = |part: &Index| {
            part.is_full() || matches!(part, Index::Int(_) | Index::Ints { .. } | Index::Bools { .. } | Index::Ellipsis)
        };
        if !index.iter().all(allowed) {
            return Err(ArrayError::Index(
                "vindex does not support indexing with None (np.newaxis) or slices other than ':'".to_owned(),
            ));
        }
        self.pick(resolve(self, index)?, 0)
    }

    fn pick(&self, parts: Vec<Part>, position: usize) -> Result<Array> {
        let shape = self.shape();
        let mut view =
            View { starts: SmallVec::from_elem(0, shape.len()), axes: SmallVec::new(), shape: SmallVec::new() };
        let add = |view: &mut View, map: Option<AxisMap>, len: usize| {
            view.axes.push(map);
            view.shape.push(len);
            view.shape.len() - 1
        };
        let along = |axis: usize| Some(AxisMap { axis, step: 1 });
        let mut axes = Vec::new();
        let mut lists: Vec<(Dims, Arc<[usize]>)> = Vec::new();
        let mut masks: Vec<(usize, Array)> = Vec::new();
        for part in parts {
            match part {
                Part::Int { axis, at } => view.starts[axis] = at,
                Part::Slice { axis, start, step, len } => {
                    view.starts[axis] = start;
                    add(&mut view, Some(AxisMap { axis, step }), len);
                }
                Part::NewAxis => {
                    add(&mut view, None, 1);
                }
                Part::Gap => {}
                Part::Ints { axis, shape: list_shape, values } => {
                    let map = axis.and_then(along);
                    axes.push(add(&mut view, map, axis.map_or(1, |axis| shape[axis])));
                    lists.push((list_shape, values));
                }
                Part::Mask { axis, mask } => {
                    masks.push((view.shape.len(), mask.clone()));
                    for axis in axis..axis + mask.ndim() {
                        add(&mut view, along(axis), shape[axis]);
                    }
                }
            }
        }
        let viewed = self.viewed(view);
        match (masks.as_slice(), lists.is_empty()) {
            ([], true) => Ok(viewed),
            ([], false) => {
                let (common, lists) = broadcast_lists(lists)?;
                viewed.gather(axes, &common, lists, position)
            }
            ([(axis, mask)], true) => {
                viewed.compress_lazily(*axis, mask)?.moveaxis(&[*axis as isize], &[position as isize])
            }
            _ => Err(ArrayError::NotImplemented("indexing with a lazy boolean array and other arrays".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_pythons() {
        let slice = |len, start, stop, step| resolve_slice(len, start, stop, step).unwrap();
        assert_eq!(slice(10, None, None, None), (0, 1, 10));
        assert_eq!(slice(10, None, None, Some(-3)), (9, -3, 4));
        assert_eq!(slice(10, Some(-3), None, None), (7, 1, 3));
        assert_eq!(slice(10, Some(20), Some(-20), Some(-1)), (9, -1, 10));
        assert_eq!(slice(10, Some(5), Some(5), None), (0, 1, 0));
        assert_eq!(slice(0, None, None, Some(-1)), (0, 1, 0));
        assert!(resolve_slice(3, None, None, Some(0)).is_err());
    }
}
