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
}

/// Instruction sets without fused multiply-add.
#[derive(Clone, Copy)]
pub struct Plain;
/// Instruction sets with fused multiply-add: AVX2 + FMA, AVX-512, NEON.
#[derive(Clone, Copy)]
pub struct Fused;

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
    work.run::<Fused>()
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

    #[test]
    fn dispatch_runs_the_loop() {
        assert_eq!(dispatch(Sum(&[1.0, 2.0, 3.0])), 12.0);
    }
}
