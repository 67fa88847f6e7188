//! Rolls, repeats, tiles, borders, diagonals and triangles, differences.

use proptest::prelude::*;
use selion_array::{Array, Chunks, PadMode, Spacing, ufunc};
use selion_core::{Chunk, DType, Scalar};
use selion_kernels::program::Op;

use crate::evaluate::evaluate;
use crate::naive::{Naive, case, check, check_as, counting};

fn ints(shape: &[usize]) -> Array {
    Array::from_chunk(counting(shape).chunk(), None).unwrap()
}

fn vector(values: &[i64]) -> Naive {
    Naive { shape: vec![values.len()], data: values.to_vec() }
}

fn words<T>(result: Result<T, selion_array::ArrayError>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn rolling_moves_round(case in case(1..4, 6), shift in -9i64..9, axis in 0usize..3) {
        let shape = &case.naive.shape;
        let axis = axis % shape.len();
        let want = Naive::from_fn(shape, |at| {
            let mut at = at.to_vec();
            at[axis] = (at[axis] as i64 - shift).rem_euclid(shape[axis] as i64) as usize;
            case.naive.at(&at)
        });
        check(&case.array().roll(&[shift], Some(&[axis as isize])).unwrap(), &want);
        let mut data = case.naive.data.clone();
        if !data.is_empty() {
            let by = shift.rem_euclid(data.len() as i64) as usize;
            data.rotate_right(by);
        }
        check(&case.array().roll(&[shift], None).unwrap(), &Naive { shape: shape.clone(), data });
    }

    #[test]
    fn repeating_and_tiling(case in case(1..4, 5), times in 0usize..4, axis in 0usize..3) {
        let shape = &case.naive.shape;
        let axis = axis % shape.len();
        let mut longer = shape.clone();
        longer[axis] *= times;
        let read = |at: &[usize], own: usize| {
            let mut at = at.to_vec();
            at[axis] = own;
            case.naive.at(&at)
        };
        let repeated = Naive::from_fn(&longer, |at| read(at, at[axis] / times));
        check(&case.array().repeat(&[times], Some(axis as isize)).unwrap(), &repeated);
        let each = vec![times; shape[axis]];
        if shape[axis] != 1 {
            check(&case.array().repeat(&each, Some(axis as isize)).unwrap(), &repeated);
        }
        let mut reps = vec![1; shape.len()];
        reps[axis] = times;
        let tiled = Naive::from_fn(&longer, |at| read(at, at[axis] % shape[axis]));
        check(&case.array().tile(&reps).unwrap(), &tiled);
    }

    #[test]
    fn constant_borders(case in case(1..3, 5), widths in proptest::collection::vec((0usize..4, 0usize..4), 2)) {
        let shape = &case.naive.shape;
        let widths = &widths[..shape.len()];
        let longer: Vec<usize> = shape.iter().zip(widths).map(|(len, (a, b))| len + a + b).collect();
        let values: Vec<(i64, i64)> = (0..shape.len() as i64).map(|axis| (-1 - axis, -10 - axis)).collect();
        let want = Naive::from_fn(&longer, |at| {
            for axis in (0..at.len()).rev() {
                if at[axis] < widths[axis].0 {
                    return values[axis].0;
                }
                if at[axis] >= widths[axis].0 + shape[axis] {
                    return values[axis].1;
                }
            }
            case.naive.at(&at.iter().zip(widths).map(|(at, (before, _))| at - before).collect::<Vec<_>>())
        });
        let values = values.iter().map(|(a, b)| (Scalar::new(*a), Scalar::new(*b))).collect();
        check(&case.array().pad(widths, &PadMode::Constant(values)).unwrap(), &want);
    }

    #[test]
    fn triangles_and_diagonals(case in case(2..4, 6), k in -6i64..6) {
        let shape = &case.naive.shape;
        let side = |at: &[usize]| at[at.len() - 1] as i64 - at[at.len() - 2] as i64;
        let x = case.array();
        check(&x.tril(k).unwrap(), &Naive::from_fn(shape, |at| if side(at) <= k { case.naive.at(at) } else { 0 }));
        check(&x.triu(k).unwrap(), &Naive::from_fn(shape, |at| if side(at) >= k { case.naive.at(at) } else { 0 }));
        let (row, column) = (k.min(0).unsigned_abs() as usize, k.max(0) as usize);
        let len = shape[0].saturating_sub(row).min(shape[1].saturating_sub(column));
        let mut lens = shape[2..].to_vec();
        lens.push(len);
        let want = Naive::from_fn(&lens, |at| {
            let d = at[at.len() - 1];
            case.naive.at(&[&[row + d, column + d], &at[..at.len() - 1]].concat())
        });
        check(&x.diagonal(k, 0, 1).unwrap(), &want);
        if shape.len() == 2 {
            check(&x.diag(k).unwrap(), &want);
            check(&x.trace(k, 0, 1).unwrap(), &Naive { shape: vec![], data: vec![want.data.iter().sum()] });
        }
    }

    #[test]
    fn matrices_with_a_diagonal(case in case(1..2, 6), k in -3i64..3) {
        let len = case.naive.shape[0] + k.unsigned_abs() as usize;
        let want = Naive::from_fn(&[len, len], |at| match at[1] as i64 - at[0] as i64 == k {
            true => case.naive.at(&[at[0].min(at[1])]),
            false => 0,
        });
        check(&case.array().diag(k).unwrap(), &want);
        let eye = Array::eye(len, 4, k, DType::I64, None).unwrap();
        check(&eye, &Naive::from_fn(&[len, 4], |at| i64::from(at[1] as i64 - at[0] as i64 == k)));
        let tri = Array::tri(len, 4, k, DType::I64, None).unwrap();
        check(&tri, &Naive::from_fn(&[len, 4], |at| i64::from(at[1] as i64 - at[0] as i64 <= k)));
    }

    #[test]
    fn differences(case in case(1..4, 6), axis in 0usize..3) {
        let axis = axis % case.naive.shape.len();
        let square = ufunc(Op::Multiply, &[(&case.array()).into(), (&case.array()).into()]).unwrap();
        let mut want = Naive { shape: case.naive.shape.clone(), data: case.naive.data.iter().map(|x| x * x).collect() };
        for order in 1..4 {
            let mut shape = want.shape.clone();
            shape[axis] = shape[axis].saturating_sub(1);
            want = Naive::from_fn(&shape, |at| {
                let mut next = at.to_vec();
                next[axis] += 1;
                want.at(&next) - want.at(at)
            });
            check(&square.diff(order, axis as isize).unwrap(), &want);
        }
    }

    #[test]
    fn gradients_of_parabolas_are_exact(len in 3usize..9, block in 1usize..4, even in any::<bool>()) {
        // Second-order formulas give the derivative of x² exactly, on whatever points.
        let points: Vec<f64> = (0..len).map(|k| if even { 0.5 * k as f64 } else { (k * (k + 1)) as f64 * 0.5 }).collect();
        let chunks = || Some(Chunks::regular(&[len], &[block]));
        let x = Array::from_chunk(Chunk::from_values(&[len], &points), chunks()).unwrap();
        let y = ufunc(Op::Multiply, &[(&x).into(), (&x).into()]).unwrap();
        let spacing = if even { Spacing::Even(0.5) } else { Spacing::At(x) };
        let slope = evaluate(&y.gradient(&spacing, 0, 2).unwrap()).to_vec::<f64>();
        for (slope, x) in slope.iter().zip(&points) {
            prop_assert!((slope - 2.0 * x).abs() < 1e-9, "{slope} at {x}");
        }
    }
}

#[test]
fn borders_as_numpy_makes_them() {
    let x = Array::from_chunk(vector(&[0, 1, 2]).chunk(), Some(Chunks::regular(&[3], &[2]))).unwrap();
    let padded = |mode: PadMode| x.pad(&[(7, 7)], &mode).unwrap();
    check(&padded(PadMode::Reflect), &vector(&[1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1]));
    check(&padded(PadMode::Wrap), &vector(&[2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]));
    check(&padded(PadMode::Symmetric), &vector(&[0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]));
    check(&padded(PadMode::Edge), &vector(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2]));
    let ramp = x.pad(&[(4, 4)], &PadMode::LinearRamp(vec![(10.0, 10.0)])).unwrap();
    check(&ramp, &vector(&[10, 7, 5, 2, 0, 1, 2, 4, 6, 8, 10]));
    check(&ints(&[4]).pad(&[(2, 2)], &PadMode::Mean).unwrap(), &vector(&[2, 2, 0, 1, 2, 3, 2, 2]));
    check(&ints(&[3]).pad(&[(1, 1)], &PadMode::Maximum).unwrap(), &vector(&[2, 0, 1, 2, 2]));
    let corner = ints(&[2, 2]).pad(&[(1, 0), (0, 1)], &PadMode::Edge).unwrap();
    check(&corner, &Naive { shape: vec![3, 3], data: vec![0, 1, 1, 0, 1, 1, 2, 3, 3] });
    assert_eq!(
        words(ints(&[0]).pad(&[(1, 1)], &PadMode::Edge)),
        "can't extend empty axis 0 using modes other than 'constant' or 'empty'"
    );
}

#[test]
fn evenly_spaced_numbers() {
    let line = |start, stop, count, endpoint| Array::linspace(start, stop, count, endpoint, DType::F64, None).unwrap();
    let (x, step) = line(0.0, 1.0, 5, true);
    check_as(&x, &Naive { shape: vec![5], data: vec![0.0, 0.25, 0.5, 0.75, 1.0] });
    assert_eq!(step, 0.25);
    check_as(&line(0.0, 1.0, 4, false).0, &Naive { shape: vec![4], data: vec![0.0, 0.25, 0.5, 0.75] });
    check_as(&line(2.0, 2.0, 3, true).0, &Naive { shape: vec![3], data: vec![2.0; 3] });
    check_as(&line(2.0, 5.0, 1, true).0, &Naive { shape: vec![1], data: vec![2.0] });
    check_as(&line(2.0, 5.0, 0, true).0, &Naive { shape: vec![0], data: Vec::<f64>::new() });
    let (whole, _) = Array::linspace(0.0, 5.0, 4, true, DType::I64, None).unwrap();
    check(&whole, &vector(&[0, 1, 3, 5]));
}

#[test]
fn grids_of_coordinates() {
    let grid = Array::indices(&[2, 3], DType::I64, Some(Chunks::regular(&[2, 3], &[1, 2]))).unwrap();
    check(&grid, &Naive { shape: vec![2, 2, 3], data: vec![0, 0, 0, 1, 1, 1, 0, 1, 2, 0, 1, 2] });
}

#[test]
fn what_does_not_fit_is_refused_in_numpys_words() {
    assert_eq!(words(ints(&[2, 2, 2]).diag(0)), "Input must be 1- or 2-d.");
    assert_eq!(words(ints(&[2, 2]).diagonal(0, 1, 1)), "axis1 and axis2 cannot be the same");
    assert_eq!(words(ints(&[2]).diagonal(0, 0, 1)), "diag requires an array of at least two dimensions");
    assert_eq!(
        words(ints(&[1]).gradient(&Spacing::Even(1.0), 0, 1)),
        "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required."
    );
    assert_eq!(
        words(ints(&[3]).repeat(&[1, 2], Some(0))),
        "operands could not be broadcast together with shape (3,) (2,)"
    );
}
