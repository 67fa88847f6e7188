//! Concatenating, stacking, blocks.

use proptest::prelude::*;
use selion_array::{Array, Nested};
use selion_core::DType;

use crate::naive::{Naive, case_of, check, counting};

fn ints(shape: &[usize]) -> Array {
    Array::from_chunk(counting(shape).chunk(), None).unwrap()
}

fn words<T>(result: Result<T, selion_array::ArrayError>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn concatenating_puts_one_after_the_other(
        (axis, cases) in (proptest::collection::vec(0usize..5, 1..4), proptest::collection::vec(0usize..5, 1..4), 0usize..3)
            .prop_flat_map(|(shape, lens, axis)| {
                let axis = axis % shape.len();
                let cases: Vec<_> = lens.iter().map(|len| {
                    let mut shape = shape.clone();
                    shape[axis] = *len;
                    case_of(shape)
                }).collect();
                (Just(axis), cases)
            })
    ) {
        let arrays: Vec<Array> = cases.iter().map(|case| case.array()).collect();
        let mut shape = cases[0].naive.shape.clone();
        shape[axis] = cases.iter().map(|case| case.naive.shape[axis]).sum();
        let want = Naive::from_fn(&shape, |at| {
            let mut at = at.to_vec();
            for case in &cases {
                if at[axis] < case.naive.shape[axis] {
                    return case.naive.at(&at);
                }
                at[axis] -= case.naive.shape[axis];
            }
            unreachable!()
        });
        let joined = Array::concatenate(&arrays, Some(axis as isize)).unwrap();
        check(&joined, &want);
        check(&joined.flip(Some(&[axis as isize])).unwrap().flip(Some(&[axis as isize])).unwrap(), &want);
    }
}

#[test]
fn stacking() {
    let x = ints(&[2, 3]);
    let stacked = Array::stack(&[x.clone(), x.clone()], -1).unwrap();
    check(&stacked, &Naive::from_fn(&[2, 3, 2], |at| (at[0] * 3 + at[1]) as i64));
    assert_eq!(Array::vstack(&[ints(&[3]), ints(&[2, 3])]).unwrap().shape().as_slice(), [3, 3]);
    assert_eq!(Array::hstack(&[ints(&[3]), ints(&[2])]).unwrap().shape().as_slice(), [5]);
    assert_eq!(Array::dstack(&[ints(&[3]), ints(&[3])]).unwrap().shape().as_slice(), [1, 3, 2]);
    let floats = x.astype(DType::F32).unwrap();
    assert_eq!(Array::concatenate(&[x, floats], None).unwrap().dtype(), DType::F64);
}

#[test]
fn what_does_not_fit_is_refused_in_numpys_words() {
    assert_eq!(words(Array::concatenate(&[], Some(0))), "need at least one array to concatenate");
    assert_eq!(words(Array::stack(&[], 0)), "need at least one array to stack");
    assert_eq!(words(Array::stack(&[ints(&[2]), ints(&[3])], 0)), "all input arrays must have the same shape");
    assert_eq!(words(Array::concatenate(&[ints(&[])], Some(0))), "zero-dimensional arrays cannot be concatenated");
    assert_eq!(
        words(Array::concatenate(&[ints(&[2, 2]), ints(&[3, 3])], Some(0))),
        "all the input array dimensions except for the concatenation axis must match exactly, but along dimension 1, \
         the array at index 0 has size 2 and the array at index 1 has size 3"
    );
    assert_eq!(
        words(Array::concatenate(&[ints(&[2, 2]), ints(&[3])], Some(0))),
        "all the input arrays must have same number of dimensions, but the array at index 0 has 2 dimension(s) and \
         the array at index 1 has 1 dimension(s)"
    );
}

#[test]
fn nested_blocks() {
    let array = |shape: &[usize]| Nested::Array(ints(shape));
    let two = Nested::List(vec![Nested::List(vec![array(&[2, 2]), array(&[2, 1])]), Nested::List(vec![array(&[3])])]);
    check(&Array::block(&two).unwrap(), &Naive { shape: vec![3, 3], data: vec![0, 1, 0, 2, 3, 1, 0, 1, 2] });
    let uneven = Nested::List(vec![Nested::List(vec![array(&[1])]), array(&[1])]);
    assert_eq!(
        words(Array::block(&uneven)),
        "List depths are mismatched. First element was at depth 2, but there is an element at depth 1 (arrays[1])"
    );
    assert_eq!(words(Array::block(&Nested::List(vec![]))), "List at arrays cannot be empty");
}
