//! Nanoseconds per element of typical fused programs on one thread, over blocks of 1000 × 1000 of a larger array.

use std::hint::black_box;
use std::time::Instant;

use selion_core::{Chunk, DType, Scalar};
use selion_kernels::program::{Op, Output, Program, ProgramBuilder, ReduceOp, Reg};

const SIDE: usize = 4000;
const BLOCK: usize = 1000;

fn reduce(value: Reg, op: ReduceOp, axes: u64) -> Output {
    Output::Reduce { op, value, index: None, axes }
}

fn measure(name: &str, program: &Program, blocks: &[Vec<Chunk>]) {
    let mut best = f64::INFINITY;
    for _ in 0..25 {
        let start = Instant::now();
        for block in blocks {
            black_box(program.run(&[BLOCK, BLOCK], block, &[]).expect("runs"));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:34} {:6.3} ns", best * 1e9 / (blocks.len() * BLOCK * BLOCK) as f64);
}

fn measure_small(name: &str, program: &Program, blocks: &[Vec<Chunk>]) {
    let mut best = f64::INFINITY;
    for _ in 0..25 {
        let start = Instant::now();
        for block in blocks {
            black_box(program.run(&[100, 100], block, &[]).expect("runs"));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:34} {:6.3} ns", best * 1e9 / (blocks.len() * 10_000) as f64);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let values: Vec<f64> = (0..SIDE * SIDE).map(|k| (k % 1000) as f64 * 0.001).collect();
    let whole = Chunk::from_values(&[SIDE, SIDE], &values);
    let starts = || (0..SIDE).step_by(BLOCK).flat_map(|i| (0..SIDE).step_by(BLOCK).map(move |j| (i, j)));
    let block = |i: usize, j: usize| whole.sub_block(&[i, j], &[BLOCK, BLOCK]);
    let plain: Vec<Vec<Chunk>> = starts().map(|(i, j)| vec![block(i, j)]).collect();
    let paired: Vec<Vec<Chunk>> = starts().map(|(i, j)| vec![block(i, j), block(j, i).transpose(&[1, 0])]).collect();

    for (name, axes) in [("sum()", 3), ("sum(axis=0)", 1), ("sum(axis=1)", 2)] {
        let mut b = ProgramBuilder::default();
        let x = b.input(0, DType::F64);
        measure(name, &b.finish(vec![reduce(x, ReduceOp::Sum, axes)]), &plain);
    }
    for (name, axes) in [("var()", 3), ("var(axis=0)", 1)] {
        let mut b = ProgramBuilder::default();
        let x = b.input(0, DType::F64);
        measure(name, &b.finish(vec![reduce(x, ReduceOp::Moment, axes)]), &plain);
    }
    let mut b = ProgramBuilder::default();
    let (x, one, two, three) = (
        b.input(0, DType::F64),
        b.constant(Scalar::new(1.0)),
        b.constant(Scalar::new(2.0)),
        b.constant(Scalar::new(3.0)),
    );
    let square = b.apply(Op::Multiply, &[x, x])?;
    let plus = b.apply(Op::Add, &[square, one])?;
    let root = b.apply(Op::Sqrt, &[plus])?;
    let double = b.apply(Op::Multiply, &[root, two])?;
    let third = b.apply(Op::Divide, &[x, three])?;
    let result = b.apply(Op::Subtract, &[double, third])?;
    measure("(sqrt(x*x+1)*2 - x/3).sum()", &b.finish(vec![reduce(result, ReduceOp::Sum, 3)]), &plain);

    let mut b = ProgramBuilder::default();
    let (x, y) = (b.input(0, DType::F64), b.input(1, DType::F64));
    let sum = b.apply(Op::Add, &[x, y])?;
    measure("(x + x.T).sum()", &b.finish(vec![reduce(sum, ReduceOp::Sum, 3)]), &paired);

    let mut b = ProgramBuilder::default();
    let (x, one) = (b.input(0, DType::F64), b.constant(Scalar::new(1.0)));
    let sum = b.apply(Op::Add, &[x, one])?;
    measure("x + 1", &b.finish(vec![Output::Store(sum)]), &plain);

    let mut b = ProgramBuilder::default();
    let x = b.input(0, DType::F64);
    let (sin, cos) = (b.apply(Op::Sin, &[x])?, b.apply(Op::Cos, &[x])?);
    let (sin, cos) = (b.apply(Op::Square, &[sin])?, b.apply(Op::Square, &[cos])?);
    let sum = b.apply(Op::Add, &[sin, cos])?;
    measure("(sin(x)**2 + cos(x)**2).sum()", &b.finish(vec![reduce(sum, ReduceOp::Sum, 3)]), &plain);
    let small: Vec<Vec<Chunk>> = vec![vec![block(0, 0).sub_block(&[0, 0], &[100, 100]).compact_copy()]; 1600];
    println!("in cache:");
    let mut b = ProgramBuilder::default();
    let (x, one, two, three) = (
        b.input(0, DType::F64),
        b.constant(Scalar::new(1.0)),
        b.constant(Scalar::new(2.0)),
        b.constant(Scalar::new(3.0)),
    );
    let square = b.apply(Op::Multiply, &[x, x])?;
    let plus = b.apply(Op::Add, &[square, one])?;
    let root = b.apply(Op::Sqrt, &[plus])?;
    let double = b.apply(Op::Multiply, &[root, two])?;
    let third = b.apply(Op::Divide, &[x, three])?;
    let result = b.apply(Op::Subtract, &[double, third])?;
    for (name, reg) in [
        ("sum(x)", x),
        ("sum(x*x)", square),
        ("sum(x*x+1)", plus),
        ("sum(sqrt(x*x+1))", root),
        ("sum(x/3)", third),
        ("all of it", result),
    ] {
        let mut b2 = b.clone();
        let _ = &mut b2;
        measure_small(name, &b2.finish(vec![reduce(reg, ReduceOp::Sum, 3)]), &small);
    }
    Ok(())
}
