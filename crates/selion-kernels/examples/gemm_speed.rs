//! Prints the speed of `matmul` on square matrices: `cargo run --release -p selion-kernels --example gemm_speed`.

use std::time::Instant;

use selion_core::{Chunk, DType, Scalar};
use selion_kernels::blocks::linear::matmul;
use selion_kernels::error::KernelError;

fn main() -> Result<(), KernelError> {
    println!("instruction set: {:?}", selion_kernels::simd::level());
    for (dtype, flops_per_step) in [(DType::F64, 2.0), (DType::F32, 2.0), (DType::C128, 8.0), (DType::I64, 2.0)] {
        for n in [64usize, 256, 1000, 2000] {
            let x = Chunk::full(&[n, n], Scalar::from_f64(1.5, dtype)).to_contiguous();
            let repeats = (400_000_000 / (n * n * n)).clamp(1, 200);
            let mut best_seconds = f64::INFINITY;
            for _ in 0..4 {
                let start = Instant::now();
                for _ in 0..repeats {
                    matmul(&x, &x)?;
                }
                best_seconds = best_seconds.min(start.elapsed().as_secs_f64() / repeats as f64);
            }
            let gflops = flops_per_step * (n as f64).powi(3) / best_seconds / 1e9;
            println!("{dtype} {n} x {n}: {gflops:.1} GFLOP/s");
        }
    }
    Ok(())
}
