//! Arrays put together: along an axis they have, along a new one, or as blocks of a larger one.
//!
//! A block of the result is a block of one of the arrays, so joining moves nothing; only where arrays are divided
//! differently along the other axes are they rechunked first.

use std::sync::Arc;

use selion_core::{TaskContext, TaskError, Value, promote};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, common_division};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::manipulate::count_axis;

/// Passes on the blocks of several arrays that follow each other along an axis.
struct ConcatOp {
    axis: usize,
    /// For each input: the first of its blocks along the axis in the result.
    firsts: Vec<usize>,
    /// For each input: the numbers of blocks.
    inputs: Vec<Chunks>,
}

impl BlockOp for ConcatOp {
    fn name(&self) -> &str {
        "concatenate"
    }

    fn identity(&self) -> u64 {
        hash_of(self.axis)
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        let at = coordinates[self.axis];
        let input = self.firsts.partition_point(|first| *first <= at) - 1;
        let mut own = coordinates.to_vec();
        own[self.axis] = at - self.firsts[input];
        needs.push((input, self.inputs[input].index(&own)));
    }

    fn run(&self, _: &[usize], inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Value, TaskError> {
        inputs.first().cloned().ok_or_else(|| "concatenate needs one block".into())
    }
}

/// Arrays arranged as nested lists, for [`Array::block`].
#[derive(Clone, Debug)]
pub enum Nested {
    /// An array.
    Array(Array),
    /// A list of arrays, or of lists of them.
    List(Vec<Nested>),
}

impl Array {
    /// The arrays one after the other along an axis they have; raveled first if `axis` is `None`. The dtype is the one
    /// to which all of theirs promote.
    ///
    /// # Errors
    /// [`ArrayError::Value`] in NumPy's words for no arrays or shapes that do not go together, [`ArrayError::DType`] for
    /// dtypes without a common one.
    ///
    /// ```
    /// # use selion_array::Array;
    /// # use selion_core::DType;
    /// let (x, y) = (Array::ones(&[2, 3], DType::F32, None)?, Array::ones(&[4, 3], DType::F64, None)?);
    /// let joined = Array::concatenate(&[x, y], Some(0))?;
    /// assert_eq!((joined.shape().as_slice(), joined.dtype()), ([6, 3].as_slice(), DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn concatenate(arrays: &[Array], axis: Option<isize>) -> Result<Array> {
        let Some(axis) = axis else {
            let flat: Vec<Array> = arrays.iter().map(Array::ravel).collect::<Result<_>>()?;
            return Array::concatenate(&flat, Some(0));
        };
        let Some(first) = arrays.first() else {
            return Err(ArrayError::Value("need at least one array to concatenate".to_owned()));
        };
        let ndim = first.ndim();
        if ndim == 0 {
            return Err(ArrayError::Value("zero-dimensional arrays cannot be concatenated".to_owned()));
        }
        let axis = count_axis(axis, ndim)?;
        check_joinable(arrays, axis)?;
        let dtype = arrays.iter().try_fold(first.dtype(), |dtype, array| promote(dtype, array.dtype()))?;
        // Arrays without elements add nothing; if there are no others, one of them is the result.
        let mut joined: Vec<Array> = arrays.iter().filter(|array| array.shape()[axis] != 0).cloned().collect();
        if joined.is_empty() {
            joined.push(first.clone());
        }
        for array in &mut joined {
            *array = array.astype(dtype)?;
        }
        if let [single] = joined.as_slice() {
            return Ok(single.clone());
        }
        unify(&mut joined, axis)?;
        let mut lens: Vec<usize> = Vec::new();
        let mut firsts = Vec::with_capacity(joined.len());
        for array in &joined {
            firsts.push(lens.len());
            lens.extend_from_slice(array.chunks().axes()[axis].lens());
        }
        let inputs: Vec<Chunks> = joined.iter().map(|array| array.chunks().clone()).collect();
        let mut axes = inputs[0].axes().to_vec();
        axes[axis] = AxisChunks::new(lens);
        let op = Arc::new(ConcatOp { axis, firsts, inputs });
        Ok(Array::make(Expr::Blocked { op, inputs: joined }, dtype, Chunks::new(axes)))
    }

    /// The arrays, all of one shape, along a new axis at place `axis` of the result.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for no arrays or different shapes; as [`Array::concatenate`].
    pub fn stack(arrays: &[Array], axis: isize) -> Result<Array> {
        let Some(first) = arrays.first() else {
            return Err(ArrayError::Value("need at least one array to stack".to_owned()));
        };
        if arrays.iter().any(|array| array.shape() != first.shape()) {
            return Err(ArrayError::Value("all input arrays must have the same shape".to_owned()));
        }
        count_axis(axis, first.ndim() + 1)?;
        let expanded: Vec<Array> = arrays.iter().map(|array| array.expand_dims(&[axis])).collect::<Result<_>>()?;
        Array::concatenate(&expanded, Some(axis))
    }

    /// The arrays below each other: along the first axis, 1-d arrays as rows.
    ///
    /// # Errors
    /// As [`Array::concatenate`].
    pub fn vstack(arrays: &[Array]) -> Result<Array> {
        Array::concatenate(&at_least(arrays, 2)?, Some(0))
    }

    /// The arrays beside each other: along the second axis, 1-d arrays along their only one.
    ///
    /// # Errors
    /// As [`Array::concatenate`].
    pub fn hstack(arrays: &[Array]) -> Result<Array> {
        let arrays = at_least(arrays, 1)?;
        let axis = isize::from(arrays.first().is_none_or(|array| array.ndim() != 1));
        Array::concatenate(&arrays, Some(axis))
    }

    /// The arrays behind each other: along the third axis.
    ///
    /// # Errors
    /// As [`Array::concatenate`].
    pub fn dstack(arrays: &[Array]) -> Result<Array> {
        Array::concatenate(&at_least(arrays, 3)?, Some(2))
    }

    /// An array from nested lists of blocks: innermost lists run along the last axis, those around them along the one
    /// before it, and so on.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for an empty list or lists of different depths; as [`Array::concatenate`].
    ///
    /// ```
    /// # use selion_array::{Array, Nested};
    /// # use selion_core::DType;
    /// let part = |rows, columns| Array::ones(&[rows, columns], DType::F64, None).map(Nested::Array);
    /// let rows = [[part(2, 3)?, part(2, 1)?], [part(1, 3)?, part(1, 1)?]];
    /// let x = Array::block(&Nested::List(rows.map(|row| Nested::List(row.to_vec())).to_vec()))?;
    /// assert_eq!(x.shape().as_slice(), [3, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn block(blocks: &Nested) -> Result<Array> {
        let mut known_depth = None;
        let mut widest = 0;
        inspect(blocks, 0, "arrays", &mut known_depth, &mut widest)?;
        let depth = known_depth.unwrap_or(0);
        assemble(blocks, 0, depth, widest.max(depth))
    }
}

fn at_least(arrays: &[Array], ndim: usize) -> Result<Vec<Array>> {
    arrays.iter().map(|array| array.atleast_nd(ndim)).collect()
}

fn check_joinable(arrays: &[Array], axis: usize) -> Result<()> {
    let first = arrays[0].shape();
    for (k, array) in arrays.iter().enumerate() {
        let shape = array.shape();
        if shape.len() != first.len() {
            return Err(ArrayError::Value(format!(
                "all the input arrays must have same number of dimensions, but the array at index 0 has {} \
                 dimension(s) and the array at index {k} has {} dimension(s)",
                first.len(),
                shape.len()
            )));
        }
        let differs = |d: &usize| *d != axis && first[*d] != shape[*d] && first[*d] != UNKNOWN && shape[*d] != UNKNOWN;
        if let Some(d) = (0..shape.len()).find(differs) {
            return Err(ArrayError::Value(format!(
                "all the input array dimensions except for the concatenation axis must match exactly, but along \
                 dimension {d}, the array at index 0 has size {} and the array at index {k} has size {}",
                first[d], shape[d]
            )));
        }
    }
    Ok(())
}

/// Divides the arrays in the same way along all axes but one.
fn unify(arrays: &mut [Array], axis: usize) -> Result<()> {
    let ndim = arrays[0].ndim();
    let mut common: Vec<AxisChunks> = Vec::with_capacity(ndim);
    for d in 0..ndim {
        let divisions: Vec<&AxisChunks> = arrays.iter().map(|array| &array.chunks().axes()[d]).collect();
        common.push(if d == axis { divisions[0].clone() } else { common_division(&divisions)? });
    }
    for array in arrays {
        let own = array.chunks().axes();
        let as_common = |d: usize| if d == axis || !own[d].is_known() { own[d].clone() } else { common[d].clone() };
        let chunks = Chunks::new((0..ndim).map(as_common));
        *array = array.rechunk_to(chunks)?;
    }
    Ok(())
}

/// Finds the depth of the lists, which must be the same everywhere, and the most axes of an array in them.
fn inspect(
    blocks: &Nested,
    depth: usize,
    place: &str,
    known_depth: &mut Option<usize>,
    widest: &mut usize,
) -> Result<()> {
    match blocks {
        Nested::Array(array) => {
            *widest = (*widest).max(array.ndim());
            let first = *known_depth.get_or_insert(depth);
            if first == depth {
                return Ok(());
            }
            Err(ArrayError::Value(format!(
                "List depths are mismatched. First element was at depth {first}, but there is an element at depth \
                 {depth} ({place})"
            )))
        }
        Nested::List(list) if list.is_empty() => Err(ArrayError::Value(format!("List at {place} cannot be empty"))),
        Nested::List(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(k, item)| inspect(item, depth + 1, &format!("{place}[{k}]"), known_depth, widest)),
    }
}

fn assemble(blocks: &Nested, level: usize, depth: usize, ndim: usize) -> Result<Array> {
    match blocks {
        Nested::Array(array) => array.leading_axes(ndim),
        Nested::List(list) => {
            let parts: Vec<Array> =
                list.iter().map(|item| assemble(item, level + 1, depth, ndim)).collect::<Result<_>>()?;
            Array::concatenate(&parts, Some((ndim + level - depth) as isize))
        }
    }
}
