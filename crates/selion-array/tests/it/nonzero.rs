//! Coordinates of elements that are not zero, and places that sort.

use proptest::prelude::*;
use selion_core::DType;
use selion_kernels::program::Op;

use crate::naive::{Naive, case, check, coordinates};

proptest! {
    #[test]
    fn coordinates_come_in_c_order(case in case(1..4, 8), divisor in 1i64..4) {
        let x = case.array().with(Op::Remainder, divisor).unwrap();
        let all: Vec<Vec<usize>> = coordinates(&case.naive.shape)
            .into_iter()
            .filter(|at| case.naive.at(at) % divisor != 0)
            .collect();
        let ndim = case.naive.shape.len();
        let column = |axis: usize| all.iter().map(|at| at[axis] as i64).collect::<Vec<_>>();
        for (axis, places) in x.nonzero().unwrap().iter().enumerate() {
            check(places, &Naive { shape: vec![all.len()], data: column(axis) });
        }
        let rows = all.iter().flatten().map(|at| *at as i64).collect();
        check(&x.argwhere().unwrap(), &Naive { shape: vec![all.len(), ndim], data: rows });
        let strides = selion_core::contiguous_strides(&case.naive.shape);
        let flat = all.iter().map(|at| at.iter().zip(&strides).map(|(at, s)| *at as i64 * *s as i64).sum()).collect();
        check(&x.flatnonzero().unwrap(), &Naive { shape: vec![all.len()], data: flat });
    }

    #[test]
    fn places_that_sort(case in case(1..4, 8), axis in 0usize..3) {
        let axis = axis % case.naive.shape.len();
        let x = case.array().with(Op::Remainder, 5).unwrap();
        let key = |at: &[usize]| case.naive.at(at) % 5;
        let want = Naive::from_fn(&case.naive.shape, |at| {
            let mut lane: Vec<usize> = (0..case.naive.shape[axis]).collect();
            lane.sort_by_key(|k| {
                let mut at = at.to_vec();
                at[axis] = *k;
                key(&at)
            });
            lane[at[axis]] as i64
        });
        let places = x.argsort(axis as isize).unwrap();
        assert_eq!(places.dtype(), DType::I64);
        check(&places, &want);
    }
}
