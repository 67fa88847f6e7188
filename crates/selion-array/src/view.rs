//! Views: maps from an array's coordinates to another's that slicing, transposing, flipping, broadcasting and adding
//! or dropping axes all are.
//!
//! Coordinate `o` of the view lies at `starts[a] + Σ step · o[k]` on axis `a` of what is viewed, the sum over the axes
//! `k` of the view that run along `a` (at most one). Views compose, so a chain of slices and transposes is one.

use selion_core::{Chunk, Dims, Region, Steps};
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, slice_division};

/// Along which axis of the viewed array an axis of the view runs, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisMap {
    /// The axis of the viewed array.
    pub axis: usize,
    /// How far one step goes; not 0.
    pub step: isize,
}

/// A map from coordinates of a view to coordinates of what it views.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// For each axis of the viewed array, where the view's first element is.
    pub starts: Dims,
    /// For each axis of the view: where it runs, or `None` if it repeats the same elements.
    pub axes: SmallVec<[Option<AxisMap>; 4]>,
    /// The lengths of the view.
    pub shape: Dims,
}

impl View {
    /// The view that is all of an array of `shape`.
    pub fn identity(shape: &[usize]) -> Self {
        View {
            starts: smallvec![0; shape.len()],
            axes: (0..shape.len()).map(|axis| Some(AxisMap { axis, step: 1 })).collect(),
            shape: shape.into(),
        }
    }

    /// Whether it is all of an array of `shape`, as it is.
    pub fn is_identity(&self, shape: &[usize]) -> bool {
        *self == View::identity(shape)
    }

    /// Whether it only reorders and drops axes of length 1, or adds them: no element is left out or repeated.
    pub fn keeps_all(&self, shape: &[usize]) -> bool {
        let used = |axis: usize| self.axes.iter().enumerate().find(|(_, map)| map.is_some_and(|map| map.axis == axis));
        self.axes.iter().zip(&self.shape).all(|(map, len)| map.is_some() || *len == 1)
            && (0..shape.len()).all(|axis| match used(axis) {
                Some((k, _)) => self.shape[k] == shape[axis],
                None => shape[axis] == 1,
            })
    }

    /// The view `self` of the view `inner`: coordinates go through `self` first.
    pub fn over(&self, inner: &View) -> View {
        let mut starts = inner.starts.clone();
        for (k, map) in inner.axes.iter().enumerate() {
            if let Some(AxisMap { axis, step }) = map {
                starts[*axis] = (starts[*axis] as isize + step * self.starts[k] as isize) as usize;
            }
        }
        let through = |map: &AxisMap| {
            inner.axes[map.axis].map(|deeper| AxisMap { axis: deeper.axis, step: deeper.step * map.step })
        };
        View {
            starts,
            axes: self.axes.iter().map(|map| map.as_ref().and_then(through)).collect(),
            shape: self.shape.clone(),
        }
    }

    /// This view of an array of `ndim` axes, as a view of an array that NumPy broadcasts to it: of `shape`, which has
    /// fewer axes, or has length 1 where the larger array has not (`full` are the larger array's lengths).
    pub fn of_broadcast(&self, shape: &[usize], full: &[usize]) -> View {
        let lead = full.len() - shape.len();
        let repeated = |axis: usize| axis < lead || (shape[axis - lead] == 1 && full[axis] != 1);
        View {
            starts: (0..shape.len())
                .map(|axis| if repeated(axis + lead) { 0 } else { self.starts[axis + lead] })
                .collect(),
            axes: self
                .axes
                .iter()
                .map(|map| {
                    let map = (*map)?;
                    (!repeated(map.axis)).then(|| AxisMap { axis: map.axis - lead, step: map.step })
                })
                .collect(),
            shape: self.shape.clone(),
        }
    }

    /// The blocks of the view, each within one block of the viewed array.
    pub fn chunks(&self, input: &Chunks) -> Chunks {
        let axis = |(k, map): (usize, &Option<AxisMap>)| match map {
            Some(map) => {
                let axis = &input.axes()[map.axis];
                if axis.is_known() {
                    slice_division(axis, self.starts[map.axis], map.step, self.shape[k])
                } else {
                    axis.clone()
                }
            }
            None => AxisChunks::new(vec![self.shape[k]]),
        };
        Chunks::new(self.axes.iter().enumerate().map(axis))
    }

    /// The coordinates of the input's block in which the view's block that starts at `start` lies.
    pub fn input_block(&self, coordinates: &[usize], start: &[usize], input: &Chunks) -> Dims {
        let mut block: Dims = (0..input.ndim())
            .map(|axis| if input.axes()[axis].is_known() { input.axes()[axis].block_of(self.starts[axis]) } else { 0 })
            .collect();
        for (k, map) in self.axes.iter().enumerate() {
            if let Some(AxisMap { axis, step }) = map {
                let along = &input.axes()[*axis];
                block[*axis] = if along.is_known() {
                    along.block_of((self.starts[*axis] as isize + step * start[k] as isize).max(0) as usize)
                } else {
                    coordinates[k]
                };
            }
        }
        block
    }

    /// The least box of the viewed array that holds the view's elements from `start` on, `shape` of them.
    pub fn input_region(&self, start: &[usize], shape: &[usize]) -> Region {
        let mut region = Region { start: self.starts.clone(), shape: smallvec![1; self.starts.len()] };
        for (k, map) in self.axes.iter().enumerate() {
            if let Some(AxisMap { axis, step }) = map {
                let first = self.starts[*axis] as isize + step * start[k] as isize;
                let span = step * (shape[k] as isize - 1).max(0);
                region.start[*axis] = first.min(first + span).max(0) as usize;
                region.shape[*axis] = if shape[k] == 0 { 0 } else { span.unsigned_abs() + 1 };
            }
        }
        region
    }

    /// The view's elements from `start` on, `shape` of them, out of a chunk that holds the viewed array from
    /// `chunk_start` on.
    pub fn on(&self, chunk: &Chunk, chunk_start: &[usize], start: &[usize], shape: &[usize]) -> Chunk {
        if shape.contains(&0) {
            return chunk.view(0, shape.into(), smallvec![0; shape.len()]);
        }
        let mut offset: isize = (0..self.starts.len())
            .map(|axis| (self.starts[axis] as isize - chunk_start[axis] as isize) * chunk.strides()[axis])
            .sum();
        let mut strides: Steps = smallvec![0; shape.len()];
        for (k, map) in self.axes.iter().enumerate() {
            if let Some(AxisMap { axis, step }) = map {
                strides[k] = chunk.strides()[*axis] * step;
                offset += strides[k] * start[k] as isize;
            }
        }
        chunk.view(offset, shape.into(), strides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flip(shape: &[usize], axis: usize) -> View {
        let mut view = View::identity(shape);
        view.starts[axis] = shape[axis] - 1;
        view.axes[axis] = Some(AxisMap { axis, step: -1 });
        view
    }

    #[test]
    fn flipping_twice_is_nothing() {
        let view = flip(&[3, 4], 1);
        assert!(view.over(&view).is_identity(&[3, 4]));
    }

    #[test]
    fn a_view_of_a_block_reads_that_block() {
        let chunk = Chunk::from_values(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
        let view = flip(&[2, 6], 1);
        // The chunk holds columns 3..6 of the viewed array: columns 0..3 of the flipped one.
        assert_eq!(view.on(&chunk, &[0, 3], &[0, 0], &[2, 3]).to_vec::<i64>(), [3, 2, 1, 6, 5, 4]);
        assert_eq!(view.input_region(&[0, 0], &[2, 3]), Region::new(&[0, 3], &[2, 3]));
    }

    #[test]
    fn broadcast_axes_stand_still() {
        let view = flip(&[2, 6], 1).of_broadcast(&[1], &[2, 6]);
        assert_eq!(view.axes.as_slice(), [None, None]);
    }
}
