//! Products of matrices and tensors.
//!
//! Floats and complex numbers go through `gemm.rs`, half floats as `f32`; integers wrap and booleans are or-of-ands, in
//! plain loops over rows. `tensordot` and `einsum` are transposed views around one batched product. Both operands have
//! one dtype, which is the result's; the caller promotes.

use selion_core::{B8, Buffer, Chunk, DType, Dims, Element, Steps, c64, c128, f16, with_element};

use super::gemm::{Float, Matrix, multiply_add};
use super::lanes::{build, check_axis, elements, same_dtype, same_shape};
use crate::error::KernelError;
use crate::simd::{Isa, Loop, dispatch};

/// Numbers with NumPy's sum and product: wrapping integers, logical booleans.
pub(super) trait Ring: Element {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! ring {
    (wrapping: $($I:ty)*; plain: $($F:ty)*) => {
        $(impl Ring for $I {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
        })*
        $(impl Ring for $F {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
        })*
    };
}
ring!(wrapping: i8 i16 i32 i64 u8 u16 u32 u64; plain: f16 f32 f64 c64 c128);

impl Ring for B8 {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        B8::from(self.get() | other.get())
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        B8::from(self.get() & other.get())
    }
}

fn refuse_times(op: &'static str, dtype: DType) -> Result<(), KernelError> {
    match dtype {
        DType::DateTime(_) | DType::TimeDelta(_) => Err(KernelError::DType { op, dtype }),
        _ => Ok(()),
    }
}

/// Two operands as stacks of matrices over one common batch shape.
struct Stacks {
    a: Chunk,
    b: Chunk,
    batch: Dims,
    size: [usize; 3],
}

fn stacks(op: &'static str, a: &Chunk, b: &Chunk) -> Result<Stacks, KernelError> {
    same_dtype(op, a.dtype(), b)?;
    refuse_times(op, a.dtype())?;
    let clash = || KernelError::Shape { op, left: a.shape().into(), right: b.shape().into() };
    if a.ndim() < 2 || b.ndim() < 2 {
        return Err(KernelError::Axis { axis: -2, ndim: a.ndim().min(b.ndim()) });
    }
    let (a_batch, a_size) = a.shape().split_at(a.ndim() - 2);
    let (b_batch, b_size) = b.shape().split_at(b.ndim() - 2);
    if a_size[1] != b_size[0] {
        return Err(clash());
    }
    let ndim = a_batch.len().max(b_batch.len());
    let mut batch = Dims::from_elem(1, ndim);
    for shape in [a_batch, b_batch] {
        for (out, len) in batch.iter_mut().rev().zip(shape.iter().rev()) {
            match (*out, *len) {
                (_, 1) => {}
                (1, len) => *out = len,
                (out, len) if out == len => {}
                _ => return Err(clash()),
            }
        }
    }
    let whole = |size: &[usize]| -> Dims { batch.iter().chain(size).copied().collect() };
    let (a, b) = (a.broadcast_to(&whole(a_size)), b.broadcast_to(&whole(b_size)));
    Ok(Stacks { size: [a_size[0], b_size[1], a_size[1]], a, b, batch })
}

/// The offset of each matrix of a stack, in C order of the batch.
fn starts(stack: &Chunk, batch: &[usize]) -> Vec<isize> {
    batch.iter().zip(stack.strides()).fold(vec![stack.offset() as isize], |starts, (len, stride)| {
        starts.iter().flat_map(|start| (0..*len as isize).map(move |k| start + k * stride)).collect()
    })
}

fn float_products<T: Float>(stacks: &Stacks, out: &mut [T]) {
    let [m, n, k] = stacks.size;
    if m * n * k == 0 {
        return;
    }
    let matrix = |stack: &'_ Chunk| (stack.strides()[stack.ndim() - 2], stack.strides()[stack.ndim() - 1]);
    let (a_steps, b_steps) = (matrix(&stacks.a), matrix(&stacks.b));
    let (a_data, b_data) = (stacks.a.strided::<T>().data, stacks.b.strided::<T>().data);
    let starts = starts(&stacks.a, &stacks.batch).into_iter().zip(starts(&stacks.b, &stacks.batch));
    for ((a, b), out) in starts.zip(out.chunks_exact_mut(m * n)) {
        let a = Matrix { data: a_data, offset: a, row: a_steps.0, column: a_steps.1 };
        let b = Matrix { data: b_data, offset: b, row: b_steps.0, column: b_steps.1 };
        multiply_add([m, n, k], a, b, out);
    }
}

/// Adds a row times a matrix, row by row of the matrix, so that the inner loop is contiguous.
struct RowProducts<'a, T> {
    size: [usize; 3],
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
}

impl<T: Ring> Loop for RowProducts<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        /// Rows of `b` that stay in L1 or L2 while all rows of `a` pass by.
        const DEPTH: usize = 64;
        let [m, n, k] = self.size;
        for depth in (0..k).step_by(DEPTH) {
            for row in 0..m {
                let out = &mut self.out[row * n..][..n];
                for at in depth..k.min(depth + DEPTH) {
                    let (a, b) = (self.a[row * k + at], &self.b[at * n..][..n]);
                    for j in 0..n {
                        out[j] = out[j].plus(a.times(b[j]));
                    }
                }
            }
        }
    }
}

fn ring_products<T: Ring>(stacks: &Stacks, out: &mut [T]) {
    let [m, n, k] = stacks.size;
    if m * n * k == 0 {
        return;
    }
    let (a, b) = (stacks.a.to_contiguous(), stacks.b.to_contiguous());
    let (a, b) = (elements::<T>(&a), elements::<T>(&b));
    for ((a, b), out) in a.chunks_exact(m * k).zip(b.chunks_exact(k * n)).zip(out.chunks_exact_mut(m * n)) {
        dispatch(RowProducts { size: [m, n, k], a, b, out });
    }
}

fn to_f32(chunk: &Chunk) -> Chunk {
    let source = chunk.to_contiguous();
    build::<f32>(DType::F32, chunk.shape(), |out| {
        for (out, x) in out.iter_mut().zip(elements::<f16>(&source)) {
            *out = x.to_f32();
        }
    })
}

fn accumulate(stacks: &Stacks, acc: &mut Buffer) {
    match stacks.a.dtype() {
        DType::F32 => float_products::<f32>(stacks, acc.typed_mut()),
        DType::F64 => float_products::<f64>(stacks, acc.typed_mut()),
        DType::C64 => float_products::<c64>(stacks, acc.typed_mut()),
        DType::C128 => float_products::<c128>(stacks, acc.typed_mut()),
        DType::F16 => {
            let wide = Stacks { a: to_f32(&stacks.a), b: to_f32(&stacks.b), batch: stacks.batch.clone(), ..*stacks };
            let out = acc.typed_mut::<f16>();
            let mut sums: Vec<f32> = out.iter().map(|x| x.to_f32()).collect();
            float_products(&wide, &mut sums);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = f16::from_f32(sum);
            }
        }
        integer => with_element!(integer, T => ring_products::<T>(stacks, acc.typed_mut())),
    }
}

/// Adds the product of `a` (`… × m × k`) and `b` (`… × k × n`) to `acc`, which holds the C-ordered `… × m × n` result.
///
/// Batch axes broadcast. Joins the partial products of a blocked matrix product without a temporary.
///
/// # Errors
/// [`KernelError::DType`] if the dtypes differ or are datetimes; [`KernelError::Axis`] if an operand has fewer than two
/// axes; [`KernelError::Shape`] if the operands do not fit each other; [`KernelError::Value`] if `acc` has not the
/// size of the result.
///
/// # Examples
/// ```
/// # use selion_core::{Buffer, Chunk};
/// # use selion_kernels::blocks::linear::matmul_accumulate;
/// let a = Chunk::from_values(&[1, 2], &[1.0, 2.0]);
/// let b = Chunk::from_values(&[2, 1], &[3.0, 4.0]);
/// let mut acc = Buffer::from_slice(&[100.0]);
/// matmul_accumulate(&a, &b, &mut acc)?;
/// assert_eq!(acc.typed::<f64>(), [111.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn matmul_accumulate(a: &Chunk, b: &Chunk, acc: &mut Buffer) -> Result<(), KernelError> {
    let stacks = stacks("matmul", a, b)?;
    let count: usize = stacks.batch.iter().product::<usize>() * stacks.size[0] * stacks.size[1];
    if acc.len() != count * a.dtype().size() {
        return Err(KernelError::Value { op: "matmul", argument: "acc", expected: "of the size of the result" });
    }
    accumulate(&stacks, acc);
    Ok(())
}

/// The matrix product, as NumPy's `matmul`: batch axes broadcast, one-dimensional operands are a row and a column.
///
/// O(m × n × k) for each matrix of the batch.
///
/// # Errors
/// [`KernelError::DType`] if the dtypes differ or are datetimes; [`KernelError::Axis`] if an operand has no axis;
/// [`KernelError::Shape`] if the operands do not fit each other.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::linear::matmul;
/// let a = Chunk::from_values(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
/// let b = Chunk::from_values(&[2], &[1.0, 10.0]);
/// assert_eq!(matmul(&a, &b)?.to_vec::<f64>(), [21.0, 43.0]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn matmul(a: &Chunk, b: &Chunk) -> Result<Chunk, KernelError> {
    check_axis(0, a.ndim())?;
    check_axis(0, b.ndim())?;
    let row = if a.ndim() == 1 { a.broadcast_to(&[1, a.len()]) } else { a.clone() };
    let column = if b.ndim() == 1 { b.broadcast_to(&[1, b.len()]).transpose(&[1, 0]) } else { b.clone() };
    let stacks = stacks("matmul", &row, &column)?;
    let [m, n, _] = stacks.size;
    let mut shape = stacks.batch.clone();
    let count = shape.iter().product::<usize>() * m * n;
    shape.extend((a.ndim() > 1).then_some(m));
    shape.extend((b.ndim() > 1).then_some(n));
    let mut buffer = Buffer::zeroed(count * a.dtype().size());
    accumulate(&stacks, &mut buffer);
    Ok(Chunk::new(a.dtype(), &shape, buffer))
}

/// The sums of products over pairs of axes: `axes_a[i]` of `a` with `axes_b[i]` of `b`.
///
/// The result has the other axes of `a`, then those of `b`. Without axes it is the outer product.
///
/// # Errors
/// [`KernelError::Axis`]; [`KernelError::Shape`] if paired lengths differ; [`KernelError::Value`] if an axis occurs
/// twice; [`KernelError::DType`] as [`matmul`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::linear::tensordot;
/// let a = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// assert_eq!(tensordot(&a, &a, &[0, 1], &[0, 1])?.to_vec::<i64>(), [30]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn tensordot(a: &Chunk, b: &Chunk, axes_a: &[usize], axes_b: &[usize]) -> Result<Chunk, KernelError> {
    same_shape("tensordot", &[axes_a.len()], &[axes_b.len()])?;
    for (axes, ndim) in [(axes_a, a.ndim()), (axes_b, b.ndim())] {
        for (k, axis) in axes.iter().enumerate() {
            check_axis(*axis, ndim)?;
            if axes[..k].contains(axis) {
                return Err(KernelError::Value { op: "tensordot", argument: "axes", expected: "distinct" });
            }
        }
    }
    let lens = |chunk: &Chunk, axes: &[usize]| -> Vec<usize> { axes.iter().map(|axis| chunk.shape()[*axis]).collect() };
    let free =
        |chunk: &Chunk, axes: &[usize]| -> Vec<usize> { (0..chunk.ndim()).filter(|k| !axes.contains(k)).collect() };
    same_shape("tensordot", &lens(a, axes_a), &lens(b, axes_b))?;
    let (free_a, free_b) = (free(a, axes_a), free(b, axes_b));
    let (rows, columns, depth) = (lens(a, &free_a), lens(b, &free_b), lens(a, axes_a));
    let size = |lens: &[usize]| lens.iter().product::<usize>();
    let left = folded(&a.transpose(&[free_a, axes_a.to_vec()].concat()), &[size(&rows), size(&depth)]);
    let right = folded(&b.transpose(&[axes_b.to_vec(), free_b].concat()), &[size(&depth), size(&columns)]);
    Ok(matmul(&left, &right)?.reshape(&[rows, columns].concat()))
}

/// As [`Chunk::reshape`], but leaves a matrix that has the shape already as the view it is.
fn folded(chunk: &Chunk, shape: &[usize]) -> Chunk {
    if chunk.shape() == shape { chunk.clone() } else { chunk.reshape(shape) }
}

/// NumPy's `dot`: the inner product of vectors, the matrix product of matrices; else sums over the last axis of `a` and
/// the second to last of `b`. An operand without axes multiplies.
///
/// # Errors
/// As [`tensordot`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::linear::dot;
/// let a = Chunk::from_values(&[3], &[1i64, 2, 3]);
/// assert_eq!(dot(&a, &a)?.to_vec::<i64>(), [14]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn dot(a: &Chunk, b: &Chunk) -> Result<Chunk, KernelError> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return Ok(outer(a, b)?.reshape(&[a.shape(), b.shape()].concat()));
    }
    tensordot(a, b, &[a.ndim() - 1], &[b.ndim().saturating_sub(2)])
}

/// All products of an element of `a` and an element of `b`, both flattened: `len(a) × len(b)`.
///
/// # Errors
/// [`KernelError::DType`] if the dtypes differ or are datetimes.
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::linear::outer;
/// let a = Chunk::from_values(&[2], &[1i64, 2]);
/// assert_eq!(outer(&a, &a)?.to_vec::<i64>(), [1, 2, 2, 4]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn outer(a: &Chunk, b: &Chunk) -> Result<Chunk, KernelError> {
    same_dtype("outer", a.dtype(), b)?;
    refuse_times("outer", a.dtype())?;
    let shape = [a.len(), b.len()];
    let (left, right) = (a.to_contiguous(), b.to_contiguous());
    Ok(with_element!(a.dtype(), T => build::<T>(a.dtype(), &shape, |out| {
        let right = elements::<T>(&right);
        for (out, a) in out.chunks_exact_mut(shape[1].max(1)).zip(elements::<T>(&left)) {
            for (out, b) in out.iter_mut().zip(right) {
                *out = a.times(*b);
            }
        }
    })))
}

/// Einstein's sum of two operands, with explicit output: `einsum("bij,bjk->bik", a, b)`.
///
/// Labels are single characters. A label that occurs twice in one operand takes the diagonal; one that the output lacks
/// is summed over. One batched matrix product does the work.
///
/// # Errors
/// [`KernelError::Value`] if `spec` is not of that form, has as many labels as axes, and outputs known labels once;
/// [`KernelError::Shape`] if a label has two lengths; [`KernelError::DType`] as [`matmul`].
///
/// # Examples
/// ```
/// # use selion_core::Chunk;
/// # use selion_kernels::blocks::linear::einsum;
/// let a = Chunk::from_values(&[2, 2], &[1i64, 2, 3, 4]);
/// assert_eq!(einsum("ij,ij->i", &a, &a)?.to_vec::<i64>(), [5, 25]);
/// # Ok::<(), selion_kernels::error::KernelError>(())
/// ```
pub fn einsum(spec: &str, a: &Chunk, b: &Chunk) -> Result<Chunk, KernelError> {
    let bad = KernelError::Value { op: "einsum", argument: "spec", expected: "of the form \"ij,jk->ik\"" };
    let spec: String = spec.chars().filter(|c| !c.is_whitespace()).collect();
    let parts = spec.split_once("->").and_then(|(from, to)| from.split_once(',').map(|(a, b)| (a, b, to)));
    let (labels_a, labels_b, output) = parts.ok_or(bad.clone())?;
    let (labels_a, a) = diagonals(labels_a, a).ok_or(bad.clone())??;
    let (labels_b, b) = diagonals(labels_b, b).ok_or(bad.clone())??;
    let output: Vec<char> = output.chars().collect();
    for (k, label) in output.iter().enumerate() {
        if output[..k].contains(label) || !(labels_a.contains(label) || labels_b.contains(label)) {
            return Err(bad);
        }
    }
    let len = |label: &char| {
        let in_a = labels_a.iter().position(|other| other == label).map(|axis| a.shape()[axis]);
        in_a.or_else(|| labels_b.iter().position(|other| other == label).map(|axis| b.shape()[axis])).unwrap_or(1)
    };
    for (label, size) in labels_b.iter().zip(b.shape()) {
        same_shape("einsum", &[len(label)], &[*size])?;
    }
    let both = |label: &&char| labels_a.contains(label) && labels_b.contains(label);
    let batch: Vec<char> = output.iter().filter(both).copied().collect();
    let rows: Vec<char> = output.iter().filter(|label| !labels_b.contains(label)).copied().collect();
    let columns: Vec<char> = output.iter().filter(|label| !labels_a.contains(label)).copied().collect();
    let mut depth: Vec<char> = Vec::new();
    for label in labels_a.iter().chain(&labels_b) {
        if !output.contains(label) && !depth.contains(label) {
            depth.push(*label);
        }
    }
    // A summed label that one operand lacks repeats that operand, at stride 0.
    let arrange = |chunk: &Chunk, labels: &[char], order: Vec<char>| {
        let axis = |label: &char| labels.iter().position(|other| other == label);
        let strides: Steps = order.iter().map(|label| axis(label).map_or(0, |axis| chunk.strides()[axis])).collect();
        chunk.view(0, order.iter().map(len).collect(), strides)
    };
    let size = |labels: &[char]| labels.iter().map(len).product::<usize>();
    let left = arrange(&a, &labels_a, [&batch[..], &rows, &depth].concat());
    let right = arrange(&b, &labels_b, [&batch[..], &depth, &columns].concat());
    let left = folded(&left, &[size(&batch), size(&rows), size(&depth)]);
    let right = folded(&right, &[size(&batch), size(&depth), size(&columns)]);
    let have = [&batch[..], &rows, &columns].concat();
    let product = matmul(&left, &right)?.reshape(&have.iter().map(len).collect::<Vec<_>>());
    let order: Option<Vec<usize>> = output.iter().map(|label| have.iter().position(|other| other == label)).collect();
    Ok(product.transpose(&order.ok_or(bad)?).to_contiguous())
}

/// The operand with each label once: repeated labels walk the diagonal. `None` if there are not as many labels as axes.
fn diagonals(labels: &str, chunk: &Chunk) -> Option<Result<(Vec<char>, Chunk), KernelError>> {
    let (mut kept, mut shape, mut strides): (Vec<char>, Dims, Steps) = Default::default();
    if labels.chars().count() != chunk.ndim() {
        return None;
    }
    for (axis, label) in labels.chars().enumerate() {
        let (len, stride) = (chunk.shape()[axis], chunk.strides()[axis]);
        match kept.iter().position(|other| *other == label) {
            Some(at) => {
                if let Err(error) = same_shape("einsum", &[shape[at]], &[len]) {
                    return Some(Err(error));
                }
                strides[at] += stride;
            }
            None => {
                kept.push(label);
                shape.push(len);
                strides.push(stride);
            }
        }
    }
    Some(Ok((kept, chunk.view(0, shape, strides))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Case, DTYPES, cases, indices};
    use super::*;

    /// Small whole numbers, so that every order of summation gives the same result, in any layout.
    fn whole(case: &Case, shape: &[usize], dtype: DType) -> Chunk {
        let case = Case { shape: shape.to_vec(), ..case.clone() };
        let small = |z: u64| (z % 5) as f64 - 2.0;
        match dtype {
            DType::F16 => case.fill(dtype, |z| f16::from_f64(small(z))),
            DType::F32 => case.fill(dtype, |z| small(z) as f32),
            DType::F64 => case.fill(dtype, small),
            DType::C64 => case.fill(dtype, |z| c64::new(small(z) as f32, small(z >> 9) as f32)),
            DType::C128 => case.fill(dtype, |z| c128::new(small(z), small(z >> 9))),
            other => case.chunk(other),
        }
    }

    fn naive<T: Ring>(a: &[T], b: &[T], [m, n, k]: [usize; 3]) -> Vec<T> {
        let zero: T = bytemuck::Zeroable::zeroed();
        indices(&[m, n])
            .iter()
            .map(|ij| (0..k).fold(zero, |sum, at| sum.plus(a[ij[0] * k + at].times(b[at * n + ij[1]]))))
            .collect()
    }

    proptest! {
        #[test]
        fn matmul_agrees_with_the_definition(
            case in cases(0, 0, 0), dtype in 0usize..14, m in 0usize..30, n in 0usize..60, k in 0usize..20,
        ) {
            let dtype = DTYPES[dtype];
            let a = whole(&case, &[m, k], dtype);
            let b = whole(&Case { seed: case.seed ^ 3, reversed: !case.reversed, ..case }, &[k, n], dtype);
            let got = matmul(&a, &b).unwrap();
            prop_assert_eq!((got.shape(), got.dtype()), (&[m, n][..], dtype));
            with_element!(dtype, T => {
                prop_assert_eq!(got.to_vec::<T>(), naive(&a.to_vec::<T>(), &b.to_vec::<T>(), [m, n, k]));
            });
            let mut acc = Buffer::zeroed(got.nbytes());
            matmul_accumulate(&a, &b, &mut acc).unwrap();
            prop_assert_eq!(acc.bytes(), &got.buffer().bytes()[..got.nbytes()]);
        }

        #[test]
        fn batches_broadcast(case in cases(0, 0, 0), one in any::<bool>(), two in any::<bool>(), d in 0usize..4) {
            let dtype = [DType::F64, DType::C64, DType::I32, DType::Bool][d];
            let a = whole(&case, &[if one { 1 } else { 3 }, 2, 4, 5], dtype);
            let b = whole(&case, &[if two { 1 } else { 2 }, 5, 3], dtype);
            let got = matmul(&a, &b).unwrap();
            for ij in indices(&got.shape()[..2]) {
                let pick = |x: &Chunk, batch: &[usize]| {
                    let batch: Vec<usize> = batch.iter().zip(x.shape()).map(|(i, len)| i % len).collect();
                    let size = &x.shape()[batch.len()..];
                    x.sub_block(&[&batch[..], &[0, 0]].concat(), &[&vec![1; batch.len()][..], size].concat()).reshape(size)
                };
                let want = matmul(&pick(&a, &ij), &pick(&b, &ij[1..])).unwrap();
                with_element!(dtype, T => prop_assert_eq!(pick(&got, &ij).to_vec::<T>(), want.to_vec::<T>()));
            }
        }

        #[test]
        fn einsum_agrees_with_the_definition(case in cases(0, 0, 0), spec in 0usize..9) {
            let spec = ["ij,jk->ik", "ij,ij->", "ij,ij->ji", "ii,ij->j", "ij,k->kj", "ij,jk->kij", "bij,bjk->bik", "ij,kj->i", "i,i->i"][spec];
            let len = |label: char| match label { 'i' => 3, 'j' => 4, 'k' => 2, _ => 5 };
            let (from, to) = spec.split_once("->").unwrap();
            let (la, lb) = from.split_once(',').unwrap();
            let shape = |labels: &str| labels.chars().map(len).collect::<Vec<usize>>();
            let (a, b) = (whole(&case, &shape(la), DType::I64), whole(&case, &shape(lb), DType::I64));
            let got = einsum(spec, &a, &b).unwrap();
            prop_assert_eq!(got.shape(), &shape(to)[..]);
            let labels = ['i', 'j', 'k', 'b'];
            let used: Vec<char> = labels.into_iter().filter(|label| from.contains(*label)).collect();
            let mut want = vec![0i64; got.len()];
            let value = |x: &Chunk, index: &[usize]| i64::from_le_bytes(super::super::testing::at(x, index).try_into().unwrap());
            for index in indices(&used.iter().map(|label| len(*label)).collect::<Vec<_>>()) {
                let of = |labels: &str| -> Vec<usize> {
                    labels.chars().map(|label| index[used.iter().position(|other| *other == label).unwrap()]).collect()
                };
                let place = of(to).iter().zip(shape(to)).fold(0, |at, (i, len)| at * len + i);
                want[place] += value(&a, &of(la)) * value(&b, &of(lb));
            }
            prop_assert_eq!(got.to_vec::<i64>(), want);
        }
    }

    #[test]
    fn large_products_cross_every_panel() {
        let case = Case { shape: vec![], seed: 1, flips: 2, reversed: true };
        for (m, n, k) in [(200, 50, 300), (8, 3100, 5), (193, 25, 257)] {
            let a = whole(&case, &[m, k], DType::F64);
            let b = whole(&case, &[k, n], DType::F64);
            let want = naive(&a.to_vec::<f64>(), &b.to_vec::<f64>(), [m, n, k]);
            assert!(matmul(&a, &b).unwrap().to_vec::<f64>() == want, "{m} {n} {k}");
        }
    }

    #[test]
    fn repeated_and_reversed_operands_multiply() {
        let case = Case { shape: vec![], seed: 2, flips: 0, reversed: false };
        for (m, n, k) in [(1, 1, 7), (40, 1, 9), (1, 40, 9), (40, 30, 50)] {
            let a = whole(&case, &[1, k], DType::F64).slice(1, k - 1, -1, k).broadcast_to(&[m, k]);
            let b = Chunk::full(&[k, n], selion_core::Scalar::new(3.0));
            let want = naive(&a.to_vec::<f64>(), &b.to_vec::<f64>(), [m, n, k]);
            assert_eq!(matmul(&a, &b).unwrap().to_vec::<f64>(), want, "{m} {n} {k}");
        }
    }

    #[test]
    fn tensordot_and_dot_sum_the_paired_axes() {
        let a = Chunk::from_values(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
        let b = a.transpose(&[1, 0]);
        assert_eq!(tensordot(&a, &a, &[1], &[1]).unwrap().to_vec::<i64>(), [14, 32, 32, 77]);
        assert_eq!(dot(&a, &b).unwrap().to_vec::<i64>(), [14, 32, 32, 77]);
        assert_eq!(tensordot(&a, &a, &[], &[]).unwrap().shape(), [2, 3, 2, 3]);
        let two = Chunk::from_values(&[], &[2i64]);
        assert_eq!(dot(&two, &a).unwrap().to_vec::<i64>(), [2, 4, 6, 8, 10, 12]);
        assert!(matches!(matmul(&a, &a), Err(KernelError::Shape { .. })));
        assert!(matches!(matmul(&two, &a), Err(KernelError::Axis { .. })));
    }
}
