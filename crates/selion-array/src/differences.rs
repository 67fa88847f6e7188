//! Differences between neighbours: `diff` and `gradient`, as arithmetic on slices.

use selion_core::DType;
use selion_kernels::program::Op;

use crate::error::{ArrayError, Result};
use crate::expr::Array;

/// How far apart the points of an axis are.
#[derive(Clone, Debug)]
pub enum Spacing {
    /// As far everywhere.
    Even(f64),
    /// At these coordinates.
    At(Array),
}

impl Array {
    /// The `order`-th differences of neighbours along an axis: each time one element fewer. Of booleans, whether they
    /// differ.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Unknown`] along an axis of unknown length; [`ArrayError::Value`] for an array
    /// without axes.
    ///
    /// ```
    /// # use selion_array::Array;
    /// let x = Array::ones(&[4, 3], selion_core::DType::F64, None)?;
    /// assert_eq!(x.diff(2, 0)?.shape().as_slice(), [2, 3]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn diff(&self, order: usize, axis: isize) -> Result<Array> {
        if order == 0 {
            return Ok(self.clone());
        }
        if self.ndim() == 0 {
            return Err(ArrayError::Value("diff requires input that is at least one dimensional".to_owned()));
        }
        let axis = self.axis(axis)?;
        if !self.chunks().axes()[axis].is_known() {
            self.chunks().known("diff")?;
        }
        let op = if self.dtype() == DType::Bool { Op::NotEqual } else { Op::Subtract };
        let mut result = self.clone();
        for _ in 0..order {
            let rest = result.shape()[axis].saturating_sub(1);
            result = result.sliced(axis, 1, 1, rest).binary(op, &result.sliced(axis, 0, 1, rest))?;
        }
        Ok(result)
    }

    /// The derivative along an axis: central differences within, one-sided ones of order `edge_order` (1 or 2) at the
    /// ends. Integers become `float64`.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] for too few elements, another order, or coordinates that do not fit;
    /// [`ArrayError::Unknown`] along an axis of unknown length.
    ///
    /// ```
    /// use selion_array::{Array, Spacing};
    /// let x = Array::ones(&[4, 3], selion_core::DType::I32, None)?;
    /// let slope = x.gradient(&Spacing::Even(0.5), 0, 1)?;
    /// assert_eq!((slope.shape().as_slice(), slope.dtype()), ([4, 3].as_slice(), selion_core::DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn gradient(&self, spacing: &Spacing, axis: isize, edge_order: usize) -> Result<Array> {
        let axis = self.axis(axis)?;
        if !self.chunks().axes()[axis].is_known() {
            self.chunks().known("gradient")?;
        }
        if !(1..=2).contains(&edge_order) {
            return Err(ArrayError::Value("'edge_order' greater than 2 not supported".to_owned()));
        }
        let len = self.shape()[axis];
        if len < edge_order + 1 {
            return Err(ArrayError::Value(
                "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are \
                 required."
                    .to_owned(),
            ));
        }
        let float = self.dtype().is_float() || self.dtype().is_complex();
        let values = if float { self.clone() } else { self.astype(DType::F64)? };
        let at = |start: usize, count: usize| values.sliced(axis, start, 1, count);
        let spaces = Spaces::new(self, spacing, axis)?;
        let weighted = |terms: &[(usize, Weight)]| -> Result<Array> {
            let mut sum: Option<Array> = None;
            for (place, weight) in terms {
                let term = weight.times(&at(*place, 1))?;
                sum = Some(match sum {
                    Some(sum) => sum.binary(Op::Add, &term)?,
                    None => term,
                });
            }
            sum.ok_or_else(|| ArrayError::Value("a gradient needs elements".to_owned()))
        };
        let inner = len - 2.min(len);
        let within = match &spaces {
            Spaces::Even(step) => {
                let difference = at(2.min(len), inner).binary(Op::Subtract, &at(0, inner))?;
                difference.with(Op::Divide, 2.0 * step)?
            }
            Spaces::Uneven(gaps) => {
                let (left, right) = (gaps.sliced(axis, 0, 1, inner), gaps.sliced(axis, 1.min(inner), 1, inner));
                let both = left.binary(Op::Add, &right)?;
                let first = right.unary(Op::Negative)?.binary(Op::Divide, &left.binary(Op::Multiply, &both)?)?;
                let middle =
                    right.binary(Op::Subtract, &left)?.binary(Op::Divide, &left.binary(Op::Multiply, &right)?)?;
                let last = left.binary(Op::Divide, &right.binary(Op::Multiply, &both)?)?;
                let sum = first.binary(Op::Multiply, &at(0, inner))?;
                let sum = sum.binary(Op::Add, &middle.binary(Op::Multiply, &at(1, inner))?)?;
                sum.binary(Op::Add, &last.binary(Op::Multiply, &at(2.min(len), inner))?)?
            }
        };
        let end = |near: usize, next: usize, far: usize, sign: f64| -> Result<Array> {
            if edge_order == 1 {
                let (low, high) = (near.min(next), near.max(next));
                let difference = at(high, 1).binary(Op::Subtract, &at(low, 1))?;
                return spaces.gap(low, axis).divide(&difference);
            }
            // The parabola through three points, with gaps `a` next to the end and `b` behind it.
            match &spaces {
                Spaces::Even(step) => weighted(&[
                    (near, Weight::Number(-1.5 * sign / step)),
                    (next, Weight::Number(2.0 * sign / step)),
                    (far, Weight::Number(-0.5 * sign / step)),
                ]),
                Spaces::Uneven(gaps) => {
                    let gap = |one: usize, other: usize| gaps.sliced(axis, one.min(other), 1, 1);
                    let (a, b) = (gap(near, next), gap(next, far));
                    let both = a.binary(Op::Add, &b)?;
                    let first = both.binary(Op::Add, &a)?.binary(Op::Divide, &a.binary(Op::Multiply, &both)?)?;
                    let second = both.binary(Op::Divide, &a.binary(Op::Multiply, &b)?)?;
                    let third = a.binary(Op::Divide, &b.binary(Op::Multiply, &both)?)?;
                    weighted(&[
                        (near, Weight::Array(first.with(Op::Multiply, -sign)?)),
                        (next, Weight::Array(second.with(Op::Multiply, sign)?)),
                        (far, Weight::Array(third.with(Op::Multiply, -sign)?)),
                    ])
                }
            }
        };
        let first = end(0, 1, 2, 1.0)?;
        let last = end(len - 1, len - 2, len.saturating_sub(3), -1.0)?;
        Array::concatenate(&[first, within, last], Some(axis as isize))
    }
}

/// A factor of a term.
enum Weight {
    Number(f64),
    Array(Array),
}

impl Weight {
    fn times(&self, term: &Array) -> Result<Array> {
        match self {
            Weight::Number(number) => term.with(Op::Multiply, *number),
            Weight::Array(weight) => weight.binary(Op::Multiply, term),
        }
    }

    fn divide(&self, term: &Array) -> Result<Array> {
        match self {
            Weight::Number(number) => term.with(Op::Divide, *number),
            Weight::Array(weight) => term.binary(Op::Divide, weight),
        }
    }
}

/// The gaps between neighbours; uneven ones as an array with the other axes of length 1.
enum Spaces {
    Even(f64),
    Uneven(Array),
}

impl Spaces {
    fn new(array: &Array, spacing: &Spacing, axis: usize) -> Result<Spaces> {
        let coordinates = match spacing {
            Spacing::Even(step) => return Ok(Spaces::Even(*step)),
            Spacing::At(coordinates) => coordinates,
        };
        if coordinates.ndim() != 1 {
            return Err(ArrayError::Value("distances must be either scalars or 1d".to_owned()));
        }
        if coordinates.shape()[0] != array.shape()[axis] {
            return Err(ArrayError::Value(
                "when 1d, distances must match the length of the corresponding dimension".to_owned(),
            ));
        }
        let others: Vec<isize> = (0..array.ndim() as isize).filter(|other| *other != axis as isize).collect();
        let float = coordinates.dtype().is_float();
        let coordinates = if float { coordinates.clone() } else { coordinates.astype(DType::F64)? };
        Ok(Spaces::Uneven(coordinates.diff(1, 0)?.expand_dims(&others)?))
    }

    fn gap(&self, k: usize, axis: usize) -> Weight {
        match self {
            Spaces::Even(step) => Weight::Number(*step),
            Spaces::Uneven(gaps) => Weight::Array(gaps.sliced(axis, k, 1, 1)),
        }
    }
}
