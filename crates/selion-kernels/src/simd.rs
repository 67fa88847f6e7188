//! Chooses, once per process, the widest instruction set that this CPU has, and runs loops compiled for it.
//!
//! A hot loop is written once, in plain Rust, as the `run` of a type that implements [`Loop`], marked
//! `#[inline(always)]`. [`dispatch`] holds one copy of it per instruction set; the compiler vectorises each copy with
//! the registers of that set. One wheel therefore serves every CPU of its architecture. Loops must be large enough (a
//! tile) to pay for one predictable branch.
//!
//! Rust never contracts `a * b + c` by itself, so results do not depend on the CPU unless a loop asks for
//! [`Isa::mul_add`], which only approximations (with their own error bound) do.

use std::sync::LazyLock;

/// What a loop may ask of the instruction set that it is being compiled for.
pub trait Isa: Copy {
    /// `a * b + c`: fused where that is one instruction, two roundings elsewhere.
    fn mul_add(a: f64, b: f64, c: f64) -> f64;

    /// Rows to columns: compilers do not find the shuffles for this.
    #[inline(always)]
    fn transpose(block: [[u64; 8]; 8]) -> [[u64; 8]; 8] {
        std::array::from_fn(|row| std::array::from_fn(|column| block[column][row]))
    }
}

/// Instruction sets without fused multiply-add.
#[derive(Clone, Copy)]
pub struct Plain;
/// Instruction sets with fused multiply-add: AVX2 + FMA, NEON.
#[derive(Clone, Copy)]
pub struct Fused;
/// AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Wide;

impl Isa for Plain {
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
}

impl Isa for Fused {
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for Wide {
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn transpose(block: [[u64; 8]; 8]) -> [[u64; 8]; 8] {
        // SAFETY: only `run_avx512` runs loops for `Wide`, and only where the CPU has AVX-512.
        unsafe { transpose_avx512(block) }
    }
}

/// In three rounds, each of which swaps halves of pairs of rows: single words, pairs, and fours of them.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_avx512(block: [[u64; 8]; 8]) -> [[u64; 8]; 8] {
    use std::arch::x86_64::{__m512i, _mm512_shuffle_i64x2, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64};
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    // SAFETY: both are 512 bytes of which every value is allowed.
    let a = unsafe { std::mem::transmute::<[[u64; 8]; 8], [__m512i; 8]>(block) };
    let words = |k: usize| (_mm512_unpacklo_epi64(a[k], a[k + 1]), _mm512_unpackhi_epi64(a[k], a[k + 1]));
    let split = |x: __m512i, y: __m512i| (_mm512_shuffle_i64x2::<EVEN>(x, y), _mm512_shuffle_i64x2::<ODD>(x, y));
    let ((a0, a1), (a2, a3), (a4, a5), (a6, a7)) = (words(0), words(2), words(4), words(6));
    let ((b0, b4), (b1, b5), (b2, b6), (b3, b7)) = (split(a0, a2), split(a1, a3), split(a4, a6), split(a5, a7));
    let ((c0, c4), (c1, c5), (c2, c6), (c3, c7)) = (split(b0, b2), split(b1, b3), split(b4, b6), split(b5, b7));
    // SAFETY: as above.
    unsafe { std::mem::transmute::<[__m512i; 8], [[u64; 8]; 8]>([c0, c1, c2, c3, c4, c5, c6, c7]) }
}

/// A loop over slices. Implementations mark `run` as `#[inline(always)]`, or it will not be vectorised.
pub trait Loop {
    /// What the loop returns.
    type Output;
    /// Does the work, for the instruction set `I`.
    fn run<I: Isa>(self) -> Self::Output;
}

/// Instruction sets for which loops are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What every CPU of the architecture has: SSE2 on x86-64, NEON on AArch64.
    Baseline,
    /// x86-64-v3: AVX2, FMA, BMI, F16C.
    Avx2,
    /// x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
    Avx512,
}

/// The instruction set in use. `SELION_SIMD=baseline|avx2|avx512` lowers it, to test or compare.
pub fn level() -> Level {
    static LEVEL: LazyLock<Level> = LazyLock::new(|| {
        let best = detect();
        match std::env::var("SELION_SIMD").as_deref() {
            Ok("baseline") => Level::Baseline,
            Ok("avx2") if best != Level::Baseline => Level::Avx2,
            _ => best,
        }
    });
    *LEVEL
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let v3 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("f16c");
    let v4 = v3
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if v4 {
        Level::Avx512
    } else if v3 {
        Level::Avx2
    } else {
        Level::Baseline
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Baseline
}

/// Runs `work` with the instruction set of [`level`].
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn dispatch<L: Loop>(work: L) -> L::Output {
    match level() {
        Level::Baseline => work.run::<Plain>(),
        // SAFETY: `level` is `Avx2` only after `detect` has seen every feature that `run_avx2` enables.
        Level::Avx2 => unsafe { run_avx2(work) },
        // SAFETY: as above, for `run_avx512`.
        Level::Avx512 => unsafe { run_avx512(work) },
    }
}

/// Runs `work` with the instruction set of the architecture.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn dispatch<L: Loop>(work: L) -> L::Output {
    work.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,f16c,popcnt")]
fn run_avx2<L: Loop>(work: L) -> L::Output {
    work.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,f16c,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn run_avx512<L: Loop>(work: L) -> L::Output {
    work.run::<Wide>()
}

/// Asks the memory system for the cache line that holds `address`, without waiting for it.
///
/// A hint: any address is allowed, and nothing happens for one that is not mapped.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing into the program and never faults; SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [f64]);
    impl Loop for Sum<'_> {
        type Output = f64;
        #[inline(always)]
        fn run<I: Isa>(self) -> f64 {
            self.0.iter().fold(0.0, |sum, x| I::mul_add(*x, 2.0, sum))
        }
    }

    struct Transpose([[u64; 8]; 8]);
    impl Loop for Transpose {
        type Output = [[u64; 8]; 8];
        #[inline(always)]
        fn run<I: Isa>(self) -> [[u64; 8]; 8] {
            I::transpose(self.0)
        }
    }

    #[test]
    fn rows_become_columns() {
        let block: [[u64; 8]; 8] = std::array::from_fn(|row| std::array::from_fn(|column| (10 * row + column) as u64));
        assert_eq!(dispatch(Transpose(block)), Transpose(block).run::<Plain>());
        assert_eq!(Transpose(block).run::<Plain>()[2][7], 72);
    }

    #[test]
    fn dispatch_runs_the_loop() {
        assert_eq!(dispatch(Sum(&[1.0, 2.0, 3.0])), 12.0);
    }
}
