//! Products of real matrices at the speed of the vector units, in plain Rust.
//!
//! The scheme of Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008):
//! panels of both factors are packed into the order in which they are read, a panel of `b` sized for the outer caches,
//! a panel of `a` for L2, and the innermost loop keeps a tile of the result in registers. Tiles are sized for the
//! registers of each instruction set; the compiler turns the loops over constant lengths into vectors. Sums run along
//! `k` in order within a panel and are fused where the CPU can, so results may differ between instruction sets in the
//! last bits, as those of every BLAS do.

use selion_core::{Buffer, Element};

use crate::simd::{self, Isa, Level, Loop};

/// Elements of `k` packed at a time: a strip of `b` this long, 24 wide, fills L1.
const KC: usize = 256;
/// Rows of `a` packed at a time: with `KC`, 384 KiB of doubles, so that half of a common L2 stays for `b` and `c`.
const MC: usize = 192;
/// Columns of `b` packed at a time: with `KC`, 6 MiB of doubles, for a share of L3.
const NC: usize = 3072;

/// A real number type with a fused multiply-add.
pub(super) trait Real:
    Element + From<f32> + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self>
{
    const ZERO: Self;
    fn fma<const FUSED: bool>(self, b: Self, c: Self) -> Self;
}

macro_rules! reals {
    ($($T:ty)*) => {$(
        impl Real for $T {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn fma<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                if FUSED { self.mul_add(b, c) } else { self * b + c }
            }
        }
    )*};
}
reals!(f32 f64);

/// A matrix to read: any strides, in elements.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) offset: isize,
    pub(super) row: isize,
    pub(super) column: isize,
}

/// Adds `scale · a (m × k) · b (k × n)` to `c`, which is C-ordered.
pub(super) fn multiply_add<T: Real>([m, n, k]: [usize; 3], scale: T, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let wide = size_of::<T>() == 4;
    let size = [m, n, k];
    match (simd::level(), wide) {
        (Level::Avx512, false) => simd::dispatch(Product::<T, true, 8, 24> { size, scale, a, b, c }),
        (Level::Avx512, true) => simd::dispatch(Product::<T, true, 8, 48> { size, scale, a, b, c }),
        (Level::Avx2, false) => simd::dispatch(Product::<T, true, 4, 12> { size, scale, a, b, c }),
        (Level::Avx2, true) => simd::dispatch(Product::<T, true, 4, 24> { size, scale, a, b, c }),
        // NEON: 32 registers of 16 bytes.
        _ if cfg!(target_arch = "aarch64") => simd::dispatch(Product::<T, true, 4, 12> { size, scale, a, b, c }),
        _ => simd::dispatch(Product::<T, false, 4, 4> { size, scale, a, b, c }),
    }
}

struct Product<'a, T, const FUSED: bool, const MR: usize, const NR: usize> {
    size: [usize; 3],
    scale: T,
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    c: &'a mut [T],
}

impl<T: Real, const FUSED: bool, const MR: usize, const NR: usize> Loop for Product<'_, T, FUSED, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Product { size: [m, n, k], scale, a, b, c } = self;
        let (mc, nc, kc) = (MC.min(m).next_multiple_of(MR), NC.min(n).next_multiple_of(NR), KC.min(k));
        let mut a_memory = Buffer::scratch(mc * kc * size_of::<T>());
        let mut b_memory = Buffer::scratch(nc * kc * size_of::<T>());
        let (a_packed, b_packed) = (a_memory.typed_mut::<T>(), b_memory.typed_mut::<T>());
        for column in (0..n).step_by(NC) {
            let columns = NC.min(n - column);
            for depth in (0..k).step_by(KC) {
                let depths = KC.min(k - depth);
                let from = b.offset + depth as isize * b.row + column as isize * b.column;
                pack::<T, NR>(b_packed, b.data, from, [columns, depths], [b.column, b.row], None);
                for row in (0..m).step_by(MC) {
                    let rows = MC.min(m - row);
                    let from = a.offset + row as isize * a.row + depth as isize * a.column;
                    pack::<T, MR>(a_packed, a.data, from, [rows, depths], [a.row, a.column], Some(scale));
                    for (strip, b_strip) in b_packed.chunks_exact(NR * depths).enumerate() {
                        let left = strip * NR;
                        if left >= columns {
                            break;
                        }
                        for (strip, a_strip) in a_packed.chunks_exact(MR * depths).enumerate() {
                            let top = strip * MR;
                            if top >= rows {
                                break;
                            }
                            let start = (row + top) * n + column + left;
                            let (height, width) = (MR.min(rows - top), NR.min(columns - left));
                            let sums = tile::<T, FUSED, MR, NR>(a_strip, b_strip);
                            if height == MR && width == NR {
                                for (i, sums) in sums.iter().enumerate() {
                                    let out = &mut c[start + i * n..][..NR];
                                    for j in 0..NR {
                                        out[j] = out[j] + sums[j];
                                    }
                                }
                            } else {
                                for (i, sums) in sums.iter().enumerate().take(height) {
                                    let out = &mut c[start + i * n..][..width];
                                    for j in 0..width {
                                        out[j] = out[j] + sums[j];
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The tile of `MR × NR` sums over two packed strips; `MR` is 4 or 8.
///
/// The rows are separate variables, since only then does the compiler keep all of them in registers.
#[inline(always)]
fn tile<T: Real, const FUSED: bool, const MR: usize, const NR: usize>(a: &[T], b: &[T]) -> [[T; NR]; MR] {
    let zero = [T::ZERO; NR];
    let (mut r0, mut r1, mut r2, mut r3) = (zero, zero, zero, zero);
    let (mut r4, mut r5, mut r6, mut r7) = (zero, zero, zero, zero);
    for (a, b) in a.as_chunks::<MR>().0.iter().zip(b.as_chunks::<NR>().0) {
        add_row::<T, FUSED, NR>(&mut r0, a[0], b);
        add_row::<T, FUSED, NR>(&mut r1, a[1], b);
        add_row::<T, FUSED, NR>(&mut r2, a[2], b);
        add_row::<T, FUSED, NR>(&mut r3, a[3], b);
        if MR == 8 {
            add_row::<T, FUSED, NR>(&mut r4, a[4], b);
            add_row::<T, FUSED, NR>(&mut r5, a[5], b);
            add_row::<T, FUSED, NR>(&mut r6, a[6], b);
            add_row::<T, FUSED, NR>(&mut r7, a[7], b);
        }
    }
    let rows = [r0, r1, r2, r3, r4, r5, r6, r7];
    let mut tile = [zero; MR];
    tile.copy_from_slice(&rows[..MR]);
    tile
}

#[inline(always)]
fn add_row<T: Real, const FUSED: bool, const NR: usize>(row: &mut [T; NR], a: T, b: &[T; NR]) {
    for j in 0..NR {
        row[j] = a.fma::<FUSED>(b[j], row[j]);
    }
}

/// Copies a block into strips of `W` lanes, each strip `depths` deep, filled up with zeros.
#[inline(always)]
fn pack<T: Real, const W: usize>(
    packed: &mut [T],
    data: &[T],
    from: isize,
    [lanes, depths]: [usize; 2],
    [lane_step, depth_step]: [isize; 2],
    scale: Option<T>,
) {
    for (strip, out) in packed.chunks_exact_mut(W * depths).enumerate() {
        let first = strip * W;
        if first >= lanes {
            break;
        }
        let width = W.min(lanes - first);
        let at = from + first as isize * lane_step;
        if width < W {
            out.fill(T::ZERO);
        }
        if lane_step == 1 {
            for (depth, out) in out.chunks_exact_mut(W).enumerate() {
                let row = (at + depth as isize * depth_step) as usize;
                out[..width].copy_from_slice(&data[row..row + width]);
            }
        } else {
            for lane in 0..width {
                let mut at = at + lane as isize * lane_step;
                for out in out.chunks_exact_mut(W) {
                    out[lane] = data[at as usize];
                    at += depth_step;
                }
            }
        }
        if let Some(scale) = scale {
            for out in out.iter_mut() {
                *out = *out * scale;
            }
        }
    }
}
