//! Products of float and complex matrices, by the `gemm` crate.
//!
//! It packs panels of both factors and keeps a tile of the result in vector registers, for whatever instruction set the
//! CPU has (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008). Sums are
//! fused and reordered, so results may differ between CPUs in the last bits, as those of every BLAS do. One call uses
//! one thread: blocks of an array are what runs in parallel.

use gemm::{Parallelism, gemm};
use selion_core::{Element, Scalar, c64, c128};

/// The types that the `gemm` crate multiplies.
pub(super) trait Float: Element {}
impl Float for f32 {}
impl Float for f64 {}
impl Float for c64 {}
impl Float for c128 {}

/// A matrix to read: any strides, in elements.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) offset: isize,
    pub(super) row: isize,
    pub(super) column: isize,
}

impl<T> Matrix<'_, T> {
    /// Whether all elements of a matrix of this size, not empty, lie within the data.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        let (down, right) = ((rows as isize - 1) * self.row, (columns as isize - 1) * self.column);
        let first = self.offset + down.min(0) + right.min(0);
        let last = self.offset + down.max(0) + right.max(0);
        first >= 0 && (last as usize) < self.data.len()
    }
}

/// Adds `a (m × k) · b (k × n)` to `c`, which is C-ordered.
///
/// # Panics
/// If an element would lie outside its matrix.
pub(super) fn multiply_add<T: Float>([m, n, k]: [usize; 3], a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(a.holds(m, k) && b.holds(k, n) && c.len() == m * n, "matrices within their memory");
    let one: T = Scalar::from_f64(1.0, T::DTYPE).get();
    // SAFETY: the assertion says that `a` and `b`, with their strides, and `c`, with strides 1 and `n`, lie within their
    // slices, so that every pointer that `gemm` makes is in bounds; `c` is borrowed mutably, so nothing aliases it, and
    // its elements are initialised. `Float` is only implemented for types that `gemm` takes.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            true,
            a.data.as_ptr().offset(a.offset),
            a.column,
            a.row,
            b.data.as_ptr().offset(b.offset),
            b.column,
            b.row,
            one,
            one,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
