//! Transposes, flips, broadcasts, and what was there before: elementwise work, reductions, rechunks.

use proptest::prelude::*;
use selion_array::{Array, Chunks, Operand, ReduceKind, ufunc};
use selion_core::{Chunk, DType, Scalar};
use selion_kernels::program::Op;

use crate::naive::{Naive, blocks, case, check, check_as, coordinates, counting};

#[track_caller]
fn fails<T>(result: Result<T, selion_array::ArrayError>, words: &str) {
    match result {
        Ok(_) => panic!("should fail with: {words}"),
        Err(error) => assert_eq!(error.to_string(), words),
    }
}

fn ints(shape: &[usize]) -> Array {
    Array::from_chunk(counting(shape).chunk(), None).unwrap()
}

proptest! {
    #[test]
    fn transposing_moves_coordinates(case in case(0..4, 5), seed in any::<u64>()) {
        let ndim = case.naive.shape.len();
        let mut order: Vec<usize> = (0..ndim).collect();
        for k in (1..ndim).rev() {
            order.swap(k, (seed >> (8 * k)) as usize % (k + 1));
        }
        let axes: Vec<isize> = order.iter().map(|axis| *axis as isize - if seed & 1 == 0 { ndim as isize } else { 0 }).collect();
        let shape: Vec<usize> = order.iter().map(|axis| case.naive.shape[*axis]).collect();
        let want = Naive::from_fn(&shape, |at| {
            let mut from = vec![0; ndim];
            for (k, axis) in order.iter().enumerate() {
                from[*axis] = at[k];
            }
            case.naive.at(&from)
        });
        check(&case.array().transpose(Some(&axes)).unwrap(), &want);
    }

    #[test]
    fn flipping_reverses(case in case(1..4, 5), axis in 0usize..3) {
        let axis = axis % case.naive.shape.len();
        let want = Naive::from_fn(&case.naive.shape, |at| {
            let mut at = at.to_vec();
            at[axis] = case.naive.shape[axis] - 1 - at[axis];
            case.naive.at(&at)
        });
        let flipped = case.array().flip(Some(&[axis as isize])).unwrap();
        check(&flipped, &want);
        check(&flipped.flip(Some(&[axis as isize])).unwrap(), &case.naive);
    }

    #[test]
    fn broadcasting_repeats(case in case(0..3, 4), lead in 0usize..4, long in 0usize..4) {
        let own = &case.naive.shape;
        let mut shape = vec![lead];
        shape.extend(own.iter().map(|len| if *len == 1 { long } else { *len }));
        let want = Naive::from_fn(&shape, |at| {
            let from: Vec<usize> = at[1..].iter().zip(own).map(|(at, len)| if *len == 1 { 0 } else { *at }).collect();
            case.naive.at(&from)
        });
        let x = case.array().broadcast_to(&shape, None).unwrap();
        check(&x, &want);
        let doubled = ufunc(Op::Add, &[(&x).into(), (&x).into()]).unwrap();
        check(&doubled, &Naive { shape, data: want.data.iter().map(|x| 2 * x).collect() });
    }

    #[test]
    fn rechunking_keeps_elements((case, to) in case(0..4, 7).prop_flat_map(|case| {
        let to = blocks(&case.naive.shape);
        (Just(case), to)
    })) {
        let x = case.array().rechunk_to(Chunks::from_lens(&to)).unwrap();
        check(&x, &case.naive);
    }

    #[test]
    fn elementwise_work_broadcasts(a in case(0..3, 4), b in case(0..3, 4)) {
        let (x, y) = (a.array(), b.array());
        let Ok(sum) = x.binary(Op::Add, &y) else { return Ok(()) };
        let shape = sum.shape();
        let read = |naive: &Naive, at: &[usize]| {
            let lead = at.len() - naive.shape.len();
            let own: Vec<usize> = at[lead..].iter().zip(&naive.shape).map(|(at, len)| if *len == 1 { 0 } else { *at }).collect();
            naive.at(&own)
        };
        check(&sum, &Naive::from_fn(&shape, |at| read(&a.naive, at) + read(&b.naive, at)));
    }

    #[test]
    fn sums_over_axes(case in case(1..4, 5), mask in 1u8..8, keepdims in any::<bool>()) {
        let ndim = case.naive.shape.len();
        let axes: Vec<isize> = (0..ndim as isize).filter(|axis| mask >> axis & 1 == 1).collect();
        let reduced = |axis: usize| axes.contains(&(axis as isize));
        let shape: Vec<usize> = (0..ndim).filter_map(|axis| match reduced(axis) {
            true => keepdims.then_some(1),
            false => Some(case.naive.shape[axis]),
        }).collect();
        let mut want = Naive { data: vec![0; shape.iter().product()], shape: shape.clone() };
        for at in coordinates(&case.naive.shape) {
            let place: Vec<usize> = (0..ndim).filter_map(|axis| match reduced(axis) {
                true => keepdims.then_some(0),
                false => Some(at[axis]),
            }).collect();
            let index = place.iter().zip(&shape).fold(0, |index, (at, len)| index * len + at);
            want.data[index] += case.naive.at(&at);
        }
        check(&case.array().reduce(ReduceKind::Sum, Some(&axes), keepdims, 0.0, 2).unwrap(), &want);
    }
}

#[test]
fn moving_axes() {
    let x = ints(&[2, 3, 4]);
    assert_eq!(x.moveaxis(&[0, 1], &[-1, 0]).unwrap().shape().as_slice(), [3, 4, 2]);
    assert_eq!(x.rollaxis(2, 0).unwrap().shape().as_slice(), [4, 2, 3]);
    assert_eq!(x.rollaxis(0, 3).unwrap().shape().as_slice(), [3, 4, 2]);
    assert_eq!(x.swapaxes(0, -1).unwrap().shape().as_slice(), [4, 3, 2]);
    fails(x.transpose(Some(&[0, 1])), "axes don't match array");
    fails(x.transpose(Some(&[0, 1, 1])), "repeated axis in transpose");
    fails(x.moveaxis(&[0, 1], &[1]), "`source` and `destination` arguments must have the same number of elements");
    fails(x.moveaxis(&[0, 0], &[1, 2]), "repeated axis in `source` argument");
    fails(x.rollaxis(5, 0), "axis 5 is out of bounds for array of dimension 3");
}

#[test]
fn adding_and_dropping_axes() {
    let x = ints(&[1, 3, 1]);
    assert_eq!(x.squeeze(None).unwrap().shape().as_slice(), [3]);
    assert_eq!(x.squeeze(Some(&[-1])).unwrap().shape().as_slice(), [1, 3]);
    fails(x.squeeze(Some(&[1])), "cannot select an axis to squeeze out which has size not equal to one");
    fails(x.expand_dims(&[0, 0]), "repeated axis");
    check(&x.expand_dims(&[2]).unwrap(), &Naive { shape: vec![1, 3, 1, 1], data: vec![0, 1, 2] });
    for (ndim, want) in [(1, vec![3]), (2, vec![1, 3]), (3, vec![1, 3, 1])] {
        assert_eq!(ints(&[3]).atleast_nd(ndim).unwrap().shape().to_vec(), want);
    }
    assert_eq!(ints(&[2, 3]).atleast_nd(3).unwrap().shape().as_slice(), [2, 3, 1]);
}

#[test]
fn turning() {
    let x = ints(&[2, 3]);
    let turned = |k| Naive::<i64>::of(&crate::evaluate::evaluate(&x.rot90(k, (0, 1)).unwrap()));
    assert_eq!(turned(1), Naive { shape: vec![3, 2], data: vec![2, 5, 1, 4, 0, 3] });
    assert_eq!(turned(2).data, [5, 4, 3, 2, 1, 0]);
    assert_eq!(turned(-1), Naive { shape: vec![3, 2], data: vec![3, 0, 4, 1, 5, 2] });
    fails(x.rot90(1, (0, -2)), "Axes must be different.");
}

#[test]
fn impossible_broadcasts_are_refused() {
    fails(ints(&[2, 3]).broadcast_to(&[3], None), "cannot broadcast shape (2, 3) to shape (3,)");
    fails(ints(&[2]).broadcast_to(&[3], None), "cannot broadcast shape (2,) to shape (3,)");
}

#[test]
fn grids() {
    let (x, y) = (ints(&[2]), ints(&[3]));
    let grids = Array::meshgrid(&[x.clone(), y.clone()], false, false).unwrap();
    check(&grids[0], &Naive { shape: vec![3, 2], data: vec![0, 1, 0, 1, 0, 1] });
    check(&grids[1], &Naive { shape: vec![3, 2], data: vec![0, 0, 1, 1, 2, 2] });
    let sparse = Array::meshgrid(&[x, y], true, true).unwrap();
    assert_eq!(sparse.iter().map(|grid| grid.shape().to_vec()).collect::<Vec<_>>(), [vec![2, 1], vec![1, 3]]);
}

#[test]
fn fused_work_and_reductions_agree_with_plain_ones() {
    let data: Vec<f64> = (0..60).map(|k| f64::from(k) * 0.25).collect();
    let chunks = Chunks::from_lens(&[vec![3, 2], vec![5, 7]]);
    let x = Array::from_chunk(Chunk::from_values(&[5, 12], &data), Some(chunks)).unwrap();
    let y = ufunc(Op::Multiply, &[(&x).into(), Operand::Float(2.0)]).unwrap();
    let y = ufunc(Op::Where, &[x.with(Op::Greater, 7.0).unwrap().into(), y.into(), Operand::Float(0.0)]).unwrap();
    let sum: f64 = data.iter().filter(|x| **x > 7.0).map(|x| 2.0 * x).sum();
    check_as(&y.reduce(ReduceKind::Sum, None, false, 0.0, 0).unwrap(), &Naive { shape: vec![], data: vec![sum] });
    let column = y.reduce(ReduceKind::Max, Some(&[0]), false, 0.0, 0).unwrap();
    check_as(&column, &Naive::from_fn(&[12], |at| 2.0 * data[48 + at[0]]));
    let full = Array::full(&[4], Scalar::new(3i32), None).unwrap();
    check(&full.astype(DType::I64).unwrap(), &Naive { shape: vec![4], data: vec![3; 4] });
}
