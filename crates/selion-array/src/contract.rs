//! Sums of products: matrix products, and their kin with other axes.
//!
//! All of them are one operation on blocks. Each axis of an operand is a *batch* axis, which the result shares with both;
//! *free*, in the result from this operand alone; or *summed*, paired with one of the other operand. A block of the
//! result takes the blocks of both operands along the summed axes and adds their products up in its own memory, one pair
//! after the other, without temporaries.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, DType, Dims, Steps, TaskContext, TaskError, Value, promote};
use selion_kernels::blocks::linear::matmul_accumulate;
use selion_kernels::program::{Op, OpError};
use smallvec::{SmallVec, smallvec};

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, common_division};
use crate::elementwise::broadcast_shapes;
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};
use crate::view::{AxisMap, View};

/// What becomes of an operand's axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// It is this batch axis of the result.
    Batch(usize),
    /// It has length 1 and repeats along this batch axis.
    Repeat(usize),
    /// It is this axis of the result.
    Free(usize),
    /// It is summed over, with this number.
    Sum(usize),
}

/// An operand: the role of each axis, and how many blocks there are along it.
#[derive(Hash)]
struct Side {
    roles: SmallVec<[Role; 4]>,
    chunks: Chunks,
}

impl Side {
    /// The block that goes into the block `out` of the result at the place `sum` of the summed axes.
    fn block(&self, out: &[usize], sum: &[usize]) -> usize {
        let at: Dims = self.roles.iter().map(|role| self.at(*role, out, sum)).collect();
        self.chunks.index(&at)
    }

    fn at(&self, role: Role, out: &[usize], sum: &[usize]) -> usize {
        match role {
            Role::Repeat(_) => 0,
            Role::Batch(axis) | Role::Free(axis) => out[axis],
            Role::Sum(number) => sum[number],
        }
    }

    /// The axes that are free, and those that are summed, in the order of their numbers.
    fn free_and_summed(&self) -> (Dims, Dims) {
        let free = |role: &Role| matches!(role, Role::Free(_));
        let free: Dims = (0..self.roles.len()).filter(|axis| free(&self.roles[*axis])).collect();
        let mut summed: Vec<(usize, usize)> = Vec::new();
        for (axis, role) in self.roles.iter().enumerate() {
            if let Role::Sum(number) = role {
                summed.push((*number, axis));
            }
        }
        summed.sort_unstable();
        (free, summed.into_iter().map(|(_, axis)| axis).collect())
    }

    /// The block as a stack of matrices: `batch` axes, then the axes `rows` folded into one, then the axes `columns`.
    fn fold(&self, block: &Chunk, batch: usize, rows: &[usize], columns: &[usize]) -> Chunk {
        let (mut shape, mut strides): (Dims, Steps) = (smallvec![1; batch], smallvec![0; batch]);
        for (axis, role) in self.roles.iter().enumerate() {
            if let Role::Batch(to) | Role::Repeat(to) = role {
                (shape[*to], strides[*to]) = (block.shape()[axis], block.strides()[axis]);
            }
        }
        let (rows_len, columns_len) = (elements(block, rows), elements(block, columns));
        if let (Some(row), Some(column)) = (common_stride(block, rows), common_stride(block, columns)) {
            shape.extend([rows_len, columns_len]);
            strides.extend([row, column]);
            return block.view(0, shape, strides);
        }
        let mut unfolded = shape.clone();
        for axis in rows.iter().chain(columns) {
            unfolded.push(block.shape()[*axis]);
            strides.push(block.strides()[*axis]);
        }
        shape.extend([rows_len, columns_len]);
        block.view(0, unfolded, strides).reshape(&shape)
    }
}

fn elements(block: &Chunk, axes: &[usize]) -> usize {
    axes.iter().map(|axis| block.shape()[*axis]).product()
}

/// The one stride with which all elements along `axes`, in C order, can be visited.
fn common_stride(block: &Chunk, axes: &[usize]) -> Option<isize> {
    let mut long = axes.iter().rev().filter(|axis| block.shape()[**axis] != 1);
    let Some(last) = long.next() else { return Some(1) };
    let stride = block.strides()[*last];
    let mut expected = stride * block.shape()[*last] as isize;
    for axis in long {
        if block.strides()[*axis] != expected {
            return None;
        }
        expected *= block.shape()[*axis] as isize;
    }
    Some(stride)
}

/// Adds up the products of the operands' blocks.
struct ContractOp {
    name: &'static str,
    a: Side,
    b: Side,
    /// Batch axes, which come first in the result.
    batch: usize,
    /// The number of blocks along each summed axis.
    sums: Dims,
    out: Chunks,
    dtype: DType,
}

impl ContractOp {
    /// Calls `visit` with each place of the summed axes, in C order.
    fn each_sum(&self, mut visit: impl FnMut(&[usize])) {
        let count: usize = self.sums.iter().product();
        let mut at: Dims = smallvec![0; self.sums.len()];
        for _ in 0..count {
            visit(&at);
            for axis in (0..at.len()).rev() {
                at[axis] += 1;
                if at[axis] < self.sums[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
    }
}

impl BlockOp for ContractOp {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self) -> u64 {
        hash_of((&self.a, &self.b, self.batch, self.dtype))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        self.each_sum(|sum| {
            needs.push((0, self.a.block(coordinates, sum)));
            needs.push((1, self.b.block(coordinates, sum)));
        });
    }

    fn run(
        &self,
        coordinates: &[usize],
        inputs: &[Value],
        _: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError> {
        let (free_a, summed_a) = self.a.free_and_summed();
        let (free_b, summed_b) = self.b.free_and_summed();
        let mut shape = self.out.block_shape(coordinates);
        let mut sum: Option<Buffer> = None;
        for pair in inputs.chunks_exact(2) {
            let [Value::Chunk(a), Value::Chunk(b)] = pair else { return Err("matmul of something else".into()) };
            let buffer = sum.get_or_insert_with(|| {
                // Unknown lengths are known by now.
                for (side, block) in [(&self.a, a), (&self.b, b)] {
                    for (role, len) in side.roles.iter().zip(block.shape()) {
                        if let Role::Batch(axis) | Role::Free(axis) = role {
                            shape[*axis] = *len;
                        }
                    }
                }
                Buffer::zeroed(shape.iter().product::<usize>() * self.dtype.size())
            });
            let left = self.a.fold(a, self.batch, &free_a, &summed_a);
            let right = self.b.fold(b, self.batch, &summed_b, &free_b);
            matmul_accumulate(&left, &right, buffer)?;
        }
        let buffer = sum.unwrap_or_else(|| Buffer::zeroed(shape.iter().product::<usize>() * self.dtype.size()));
        Ok(Chunk::new(self.dtype, &shape, buffer).into())
    }

    /// One pair of blocks is copied at a time, where several axes have to be folded into one, or floats widened.
    fn scratch_bytes(&self, _: &[usize]) -> u64 {
        let folds = |side: &Side| {
            let (free, summed) = side.free_and_summed();
            free.len() > 1 || summed.len() > 1
        };
        let copied = |side: &Side| {
            let factor = if self.dtype == DType::F16 { 3 } else { usize::from(folds(side)) };
            side.chunks.largest_block() * self.dtype.size() * factor
        };
        (copied(&self.a) + copied(&self.b)) as u64
    }
}

/// The blocked sum of products of `a` and `b`, whose axes have the given roles in a result with `batch` batch axes.
pub(crate) fn contract(
    name: &'static str,
    [a, b]: [&Array; 2],
    [roles_a, roles_b]: [SmallVec<[Role; 4]>; 2],
    batch: usize,
) -> Result<Array> {
    let unsupported = || OpError::Unsupported { op: name, dtypes: vec![a.dtype(), b.dtype()] };
    let dtype = promote(a.dtype(), b.dtype())?;
    if dtype.is_time() {
        return Err(unsupported().into());
    }
    let ndim = roles_a.iter().chain(&roles_b).filter_map(|role| match role {
        Role::Batch(axis) | Role::Repeat(axis) | Role::Free(axis) => Some(axis + 1),
        Role::Sum(_) => None,
    });
    let ndim = ndim.max().unwrap_or(0);
    let mut sides = [(a.astype(dtype)?, roles_a), (b.astype(dtype)?, roles_b)];
    let division = |sides: &[(Array, SmallVec<[Role; 4]>); 2], wanted: Role| -> Result<Option<AxisChunks>> {
        let axes = sides.iter().flat_map(|(array, roles)| array.chunks().axes().iter().zip(roles));
        let axes: Vec<&AxisChunks> = axes.filter(|(_, role)| **role == wanted).map(|(axis, _)| axis).collect();
        if axes.is_empty() { Ok(None) } else { common_division(&axes).map(Some) }
    };
    let mut out: Vec<AxisChunks> = Vec::with_capacity(ndim);
    for axis in 0..ndim {
        let own = division(&sides, Role::Free(axis))?;
        let own = if own.is_some() { own } else { division(&sides, Role::Batch(axis))? };
        out.push(own.unwrap_or_else(|| AxisChunks::new(vec![1])));
    }
    let mut summed: Vec<AxisChunks> = Vec::new();
    while let Some(axis) = division(&sides, Role::Sum(summed.len()))? {
        summed.push(axis);
    }
    for (array, roles) in &mut sides {
        let axes = array.chunks().axes().iter().zip(roles.iter()).map(|(axis, role)| match role {
            _ if !axis.is_known() => axis.clone(),
            Role::Batch(to) | Role::Free(to) => out[*to].clone(),
            Role::Repeat(_) => AxisChunks::new(vec![1]),
            Role::Sum(number) => summed[*number].clone(),
        });
        *array = array.rechunk_to(Chunks::new(axes.collect::<Vec<_>>()))?;
    }
    let [(a, roles_a), (b, roles_b)] = sides;
    let out = Chunks::new(out);
    let op = ContractOp {
        name,
        a: Side { roles: roles_a, chunks: a.chunks().clone() },
        b: Side { roles: roles_b, chunks: b.chunks().clone() },
        batch,
        sums: summed.iter().map(AxisChunks::count).collect(),
        out: out.clone(),
        dtype,
    };
    Ok(Array::make(Expr::Blocked { op: Arc::new(op), inputs: vec![a, b] }, dtype, out))
}

/// Whether two lengths may be the same.
fn agree(a: usize, b: usize) -> bool {
    a == b || a == UNKNOWN || b == UNKNOWN
}

impl Array {
    /// The matrix product, as NumPy's `matmul`: the last two axes are matrices, the axes before them broadcast, and an
    /// array of one axis is a row on the left and a column on the right.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for operands without axes and lengths that do not go together; [`ArrayError::Op`] for
    /// datetimes.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let a = Array::ones(&[5, 4, 3], DType::F32, None)?;
    /// let b = Array::ones(&[3, 2], DType::F64, None)?;
    /// let product = a.matmul(&b)?;
    /// assert_eq!((product.shape().as_slice(), product.dtype()), (&[5, 4, 2][..], DType::F64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn matmul(&self, other: &Array) -> Result<Array> {
        for (operand, ndim) in [self.ndim(), other.ndim()].into_iter().enumerate() {
            if ndim == 0 {
                return Err(ArrayError::Value(format!(
                    "matmul: Input operand {operand} does not have enough dimensions (has 0, gufunc core with \
                     signature (n?,k),(k,m?)->(n?,m?) requires 1)"
                )));
            }
        }
        let (a, b) = (self.shape(), other.shape());
        let (depth, row) = (a[a.len() - 1], b.len().saturating_sub(2));
        if !agree(depth, b[row]) {
            return Err(ArrayError::Value(format!(
                "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature \
                 (n?,k),(k,m?)->(n?,m?) (size {} is different from {depth})",
                b[row]
            )));
        }
        let (batch_a, batch_b) = (&a[..a.len().saturating_sub(2)], &b[..row]);
        let batch_shape = broadcast_shapes(&[batch_a, batch_b]).map_err(|_| remapped(&a, &b))?;
        let batch = batch_shape.len();
        let roles = |lens: &[usize]| -> SmallVec<[Role; 4]> {
            let lead = batch - lens.len();
            let role = |(axis, len): (usize, &usize)| {
                let to = axis + lead;
                if *len == 1 && batch_shape[to] != 1 { Role::Repeat(to) } else { Role::Batch(to) }
            };
            lens.iter().enumerate().map(role).collect()
        };
        let (mut roles_a, mut roles_b) = (roles(batch_a), roles(batch_b));
        if a.len() > 1 {
            roles_a.push(Role::Free(batch));
        }
        roles_a.push(Role::Sum(0));
        roles_b.push(Role::Sum(0));
        if b.len() > 1 {
            roles_b.push(Role::Free(batch + usize::from(a.len() > 1)));
        }
        contract("matmul", [self, other], [roles_a, roles_b], batch)
    }

    /// NumPy's `dot`: the inner product of vectors, the matrix product of matrices; else sums over the last axis of
    /// `self` and the second to last of `other`. An operand without axes multiplies.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for lengths that do not go together; [`ArrayError::Op`] for datetimes.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let a = Array::ones(&[5, 4, 3], DType::F64, None)?;
    /// let b = Array::ones(&[6, 3, 2], DType::F64, None)?;
    /// assert_eq!(a.dot(&b)?.shape().as_slice(), [5, 4, 6, 2]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn dot(&self, other: &Array) -> Result<Array> {
        if self.ndim() == 0 || other.ndim() == 0 {
            return self.binary(Op::Multiply, other);
        }
        let (left, right) = (self.ndim() - 1, other.ndim().saturating_sub(2));
        let (a, b) = (self.shape()[left], other.shape()[right]);
        if !agree(a, b) {
            return Err(ArrayError::Value(format!(
                "shapes {} and {} not aligned: {a} (dim {left}) != {b} (dim {right})",
                shape_text(&self.shape()),
                shape_text(&other.shape())
            )));
        }
        tensordot(self, other, &[left as isize], &[right as isize])
    }

    /// The sum of the products of the conjugate of `self` with `other`, over all elements.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for different numbers of elements; [`ArrayError::NotImplemented`] for as many in different
    /// shapes.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// let a = Array::ones(&[5, 4], selion_core::DType::C128, None)?;
    /// assert_eq!(a.vdot(&a)?.ndim(), 0);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn vdot(&self, other: &Array) -> Result<Array> {
        let (a, b) = (self.shape(), other.shape());
        if a.len() != b.len() || !a.iter().zip(&b).all(|(a, b)| agree(*a, *b)) {
            return Err(match (self.size(), other.size()) {
                (Some(a), Some(b)) if a != b => ArrayError::Value("vectors have different lengths".to_owned()),
                _ => ArrayError::NotImplemented("vdot of arrays of different shapes".to_owned()),
            });
        }
        if a.is_empty() {
            return self.unary(Op::Conjugate)?.binary(Op::Multiply, other);
        }
        let conjugate = if self.dtype().is_complex() { self.unary(Op::Conjugate)? } else { self.clone() };
        let axes: Vec<isize> = (0..a.len() as isize).collect();
        tensordot(&conjugate, other, &axes, &axes)
    }

    /// All products of an element of `self` and an element of `other`, which have one axis each.
    ///
    /// # Errors
    /// [`ArrayError::NotImplemented`] for more axes; else as [`crate::ufunc`].
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let (a, b) = (Array::ones(&[3], DType::I64, None)?, Array::ones(&[4], DType::I64, None)?);
    /// assert_eq!(a.outer(&b)?.shape().as_slice(), [3, 4]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn outer(&self, other: &Array) -> Result<Array> {
        if self.ndim() > 1 || other.ndim() > 1 {
            return Err(ArrayError::NotImplemented("outer of arrays of several axes".to_owned()));
        }
        let along = |array: &Array, place: usize| -> Array {
            let mut axes: SmallVec<[Option<AxisMap>; 4]> = smallvec![None; 2];
            let mut shape: Dims = smallvec![1; 2];
            if array.ndim() == 1 {
                axes[place] = Some(AxisMap { axis: 0, step: 1 });
                shape[place] = array.shape()[0];
            }
            let view = View { starts: smallvec![0; array.ndim()], axes, shape };
            let chunks = view.chunks(array.chunks());
            Array::make(Expr::View { input: array.clone(), view }, array.dtype(), chunks)
        };
        along(self, 0).binary(Op::Multiply, &along(other, 1))
    }
}

/// The sums of products over pairs of axes: `axes_a[i]` of `a` with `axes_b[i]` of `b`. The result has the other axes of
/// `a`, then those of `b`.
///
/// # Errors
/// [`ArrayError::Value`] for axes whose lengths differ, or that come twice; [`ArrayError::Axis`] for an axis that is not
/// there; [`ArrayError::Op`] for datetimes.
///
/// # Examples
/// ```
/// use selion_array::{Array, tensordot};
/// use selion_core::DType;
/// let a = Array::ones(&[3, 4, 5], DType::F64, None)?;
/// let b = Array::ones(&[4, 3, 2], DType::F64, None)?;
/// assert_eq!(tensordot(&a, &b, &[0, 1], &[1, 0])?.shape().as_slice(), [5, 2]);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn tensordot(a: &Array, b: &Array, axes_a: &[isize], axes_b: &[isize]) -> Result<Array> {
    let mismatch = || ArrayError::Value("shape-mismatch for sum".to_owned());
    if axes_a.len() != axes_b.len() {
        return Err(mismatch());
    }
    let resolve = |array: &Array, axes: &[isize]| -> Result<Vec<usize>> {
        array.axis_mask(Some(axes))?;
        axes.iter().map(|axis| array.axis(*axis)).collect()
    };
    let (axes_a, axes_b) = (resolve(a, axes_a)?, resolve(b, axes_b)?);
    let (shape_a, shape_b) = (a.shape(), b.shape());
    if !axes_a.iter().zip(&axes_b).all(|(i, j)| agree(shape_a[*i], shape_b[*j])) {
        return Err(mismatch());
    }
    let mut free = 0;
    let mut roles = |ndim: usize, summed: &[usize]| -> SmallVec<[Role; 4]> {
        let role = |axis: usize| match summed.iter().position(|other| *other == axis) {
            Some(number) => Role::Sum(number),
            None => {
                free += 1;
                Role::Free(free - 1)
            }
        };
        (0..ndim).map(role).collect()
    };
    let roles = [roles(a.ndim(), &axes_a), roles(b.ndim(), &axes_b)];
    contract("tensordot", [a, b], roles, 0)
}

fn shape_text(shape: &[usize]) -> String {
    let lens: Vec<String> = shape.iter().map(usize::to_string).collect();
    if lens.len() == 1 { format!("({},)", lens[0]) } else { format!("({})", lens.join(",")) }
}

/// NumPy's complaint about stacks of matrices whose other axes do not broadcast.
fn remapped(a: &[usize], b: &[usize]) -> ArrayError {
    let stack = |shape: &[usize]| {
        let batch = &shape[..shape.len().saturating_sub(2)];
        let lens: Vec<String> =
            batch.iter().map(usize::to_string).chain(["newaxis".into(), "newaxis".into()]).collect();
        format!("{}->({})", shape_text(shape), lens.join(","))
    };
    ArrayError::Value(format!(
        "operands could not be broadcast together with remapped shapes [original->remapped]: {} {}  and requested shape \
         ({},{})",
        stack(a),
        stack(b),
        a[a.len().saturating_sub(2)],
        b[b.len() - 1]
    ))
}

#[cfg(test)]
mod tests {
    use selion_core::c128;
    use selion_kernels::blocks::linear;

    use super::*;
    use crate::evaluate_for_tests::{Rng, assert_same, evaluate};

    const DTYPES: [DType; 8] =
        [DType::F64, DType::F32, DType::C128, DType::C64, DType::F16, DType::I32, DType::U8, DType::Bool];

    #[test]
    fn matmul_agrees_with_one_block() {
        let mut rng = Rng(1);
        for case in 0..300 {
            let [m, n, k] = [rng.below(12), rng.below(12), rng.below(20)];
            let batch = [1 + rng.below(3), 1 + rng.below(4)];
            let (mut a, mut b) = (vec![m, k], vec![k, n]);
            match case % 6 {
                0 => a = vec![k],
                1 => b = vec![k],
                2 => a.splice(0..0, batch).for_each(drop),
                3 => b.insert(0, batch[1]),
                4 => {
                    a.splice(0..0, batch).for_each(drop);
                    b.splice(0..0, [1, batch[1]]).for_each(drop);
                }
                _ => {}
            }
            let dtype = DTYPES[rng.below(DTYPES.len())];
            let ((left, a), (right, b)) = (rng.array(&a, dtype), rng.array(&b, dtype));
            let product = left.matmul(&right).unwrap();
            assert_same(&product, &linear::matmul(&a, &b).unwrap());
        }
    }

    #[test]
    fn tensordot_agrees_with_one_block() {
        let mut rng = Rng(2);
        let lens = [3usize, 5, 2, 4];
        for case in 0..200 {
            let count = rng.below(4);
            let shuffled = |rng: &mut Rng, extra: usize| {
                let mut axes: Vec<usize> = lens[..count].iter().copied().chain([extra]).collect();
                let mut numbers: Vec<isize> = (0..=count as isize).collect();
                for k in (1..axes.len()).rev() {
                    let other = rng.below(k + 1);
                    axes.swap(k, other);
                    numbers.swap(k, other);
                }
                let place = |number: isize| numbers.iter().position(|other| *other == number).unwrap() as isize;
                (axes, (0..count as isize).map(place).collect::<Vec<isize>>())
            };
            let ((shape_a, axes_a), (shape_b, axes_b)) = (shuffled(&mut rng, 6), shuffled(&mut rng, 7));
            let dtype = DTYPES[case % DTYPES.len()];
            let ((left, a), (right, b)) = (rng.array(&shape_a, dtype), rng.array(&shape_b, dtype));
            let got = tensordot(&left, &right, &axes_a, &axes_b).unwrap();
            let plain = |axes: &[isize]| axes.iter().map(|axis| *axis as usize).collect::<Vec<_>>();
            assert_same(&got, &linear::tensordot(&a, &b, &plain(&axes_a), &plain(&axes_b)).unwrap());
        }
    }

    #[test]
    fn dot_outer_and_vdot() {
        let mut rng = Rng(3);
        let (left, right) = (rng.array(&[4, 6], DType::I32).0, rng.array(&[3, 6, 5], DType::F32).0);
        let wide = evaluate(&left.astype(DType::F64).unwrap());
        let other = evaluate(&right.astype(DType::F64).unwrap());
        assert_same(&left.dot(&right).unwrap(), &linear::dot(&wide, &other).unwrap());
        let ((left, a), (right, b)) = (rng.array(&[9], DType::I64), rng.array(&[5], DType::I64));
        assert_same(&left.outer(&right).unwrap(), &linear::outer(&a, &b).unwrap());
        let values: Vec<c128> = (0..12).map(|k| c128::new(f64::from(k), f64::from(k % 5))).collect();
        let z = Chunk::from_values(&[3, 4], &values);
        let z = rng.divided(&z);
        let want: f64 = values.iter().map(|z| z.norm_sqr()).sum();
        assert_same(&z.vdot(&z).unwrap(), &Chunk::from_values(&[], &[c128::new(want, 0.0)]));
    }

    #[test]
    fn unknown_lengths_are_found_when_computing() {
        let mut rng = Rng(4);
        let distinct = |x: &Array| x.unique(Default::default()).unwrap().values;
        let x = Chunk::from_values(&[5], &[3i64, 1, 3, 2, 1]);
        let v = distinct(&rng.divided(&x));
        assert_same(&v.dot(&v).unwrap(), &Chunk::from_values(&[], &[14i64]));
        assert_same(&v.outer(&v).unwrap(), &Chunk::from_values(&[3, 3], &[1i64, 2, 3, 2, 4, 6, 3, 6, 9]));
        let (columns, _) = rng.array(&[3, 4], DType::I64);
        let want = linear::matmul(&evaluate(&v), &evaluate(&columns)).unwrap();
        let columns = columns.rechunk_to(Chunks::from_lens(&[vec![3], vec![2, 2]])).unwrap();
        assert_same(&v.matmul(&columns).unwrap(), &want);
    }

    #[test]
    fn errors_are_numpys() {
        let ones = |shape: &[usize]| Array::ones(shape, DType::F64, None).unwrap();
        let message = |result: Result<Array>| result.unwrap_err().to_string();
        assert_eq!(
            message(ones(&[2, 3]).matmul(&ones(&[4]))),
            "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature \
             (n?,k),(k,m?)->(n?,m?) (size 4 is different from 3)"
        );
        assert_eq!(
            message(ones(&[2, 3]).matmul(&ones(&[]))),
            "matmul: Input operand 1 does not have enough dimensions (has 0, gufunc core with signature \
             (n?,k),(k,m?)->(n?,m?) requires 1)"
        );
        assert_eq!(
            message(ones(&[2, 3, 4]).matmul(&ones(&[3, 4, 5]))),
            "operands could not be broadcast together with remapped shapes [original->remapped]: \
             (2,3,4)->(2,newaxis,newaxis) (3,4,5)->(3,newaxis,newaxis)  and requested shape (3,5)"
        );
        assert_eq!(
            message(ones(&[2, 3]).dot(&ones(&[2, 3]))),
            "shapes (2,3) and (2,3) not aligned: 3 (dim 1) != 2 (dim 0)"
        );
        assert_eq!(message(tensordot(&ones(&[2]), &ones(&[3]), &[0], &[0])), "shape-mismatch for sum");
    }
}
