//! Reshapes.

use proptest::prelude::*;
use selion_array::{Array, Chunks};

use crate::naive::{Naive, case, check};

/// A shape with the same number of elements, made of the factors of `size` in an order given by `seed`.
fn other_shape(mut size: usize, seed: u64) -> Vec<usize> {
    if size == 0 {
        return vec![2, 0];
    }
    let mut shape = vec![1; 1 + seed as usize % 4];
    let (mut k, mut factor) = (seed >> 2, 2);
    while size > 1 {
        if size.is_multiple_of(factor) {
            size /= factor;
            let at = k as usize % shape.len();
            shape[at] *= factor;
            k = k.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 1;
        } else {
            factor += 1;
        }
    }
    shape
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn reshaping_keeps_c_order(case in case(0..4, 7), seed in any::<u64>()) {
        let to = other_shape(case.naive.data.len(), seed);
        let mut lens: Vec<i64> = to.iter().map(|len| *len as i64).collect();
        if seed >> 40 & 1 == 1 && !to.contains(&0) && let Some(open) = lens.last_mut() {
            *open = -1;
        }
        let x = case.array().reshape(&lens).unwrap();
        let want = Naive { shape: to, data: case.naive.data.clone() };
        check(&x, &want);
        let size = want.data.len();
        check(&x.ravel().unwrap(), &Naive { shape: vec![size], data: want.data });
    }
}

#[test]
fn impossible_shapes_are_refused_in_numpys_words() {
    let x = Array::ones(&[3, 4], selion_core::DType::F64, None).unwrap();
    let words = |shape: &[i64]| x.reshape(shape).unwrap_err().to_string();
    assert_eq!(words(&[5]), "cannot reshape array of size 12 into shape (5,)");
    assert_eq!(words(&[5, -1]), "cannot reshape array of size 12 into shape (5,newaxis)");
    assert_eq!(words(&[-1, -1]), "can only specify one unknown dimension");
}

#[test]
fn blocks_stay_about_as_large() {
    let x = Array::coordinate(&[1000, 1000], 0, Some(Chunks::regular(&[1000, 1000], &[100, 100]))).unwrap();
    let y = x.reshape(&[-1]).unwrap();
    assert!(y.chunks().largest_block() <= 10_000);
    assert!(y.chunks().count() <= 200);
}
