//! Scans, differences and filling of gaps, compared with one pass over each lane.

use proptest::prelude::*;
use selion_array::{Array, Chunks, LowerOptions, ReduceKind, Root, lower};
use selion_core::{Chunk, DType};

use crate::evaluate::evaluate;
use crate::naive::{Naive, blocks, case, case_of, check, check_as};

/// Each lane along an axis through a function that gives `len` elements.
fn lanes<T: selion_core::Element>(x: &Naive<T>, axis: usize, len: usize, lane: impl Fn(&[T]) -> Vec<T>) -> Naive<T> {
    let mut shape = x.shape.clone();
    shape[axis] = len;
    Naive::from_fn(&shape, |at| {
        let from: Vec<T> = (0..x.shape[axis])
            .map(|k| {
                let mut at = at.to_vec();
                at[axis] = k;
                x.at(&at)
            })
            .collect();
        lane(&from)[at[axis]]
    })
}

fn running<T: Copy>(lane: &[T], op: impl Fn(T, T) -> T) -> Vec<T> {
    let mut sum: Option<T> = None;
    lane.iter()
        .map(|x| {
            let next = sum.map_or(*x, |sum| op(sum, *x));
            *sum.insert(next)
        })
        .collect()
}

proptest! {
    #[test]
    fn scans_run_across_blocks(case in case(1..4, 9), axis in 0usize..3) {
        let (x, axis) = (case.array(), axis % case.naive.shape.len());
        let len = case.naive.shape[axis];
        let want = |op: fn(i64, i64) -> i64| lanes(&case.naive, axis, len, |lane| running(lane, op));
        check(&x.cumsum(Some(axis as isize)).unwrap(), &want(|a, b| a + b));
        check(&x.cumprod(Some(axis as isize)).unwrap(), &want(i64::wrapping_mul));
        check(&x.cummax(Some(axis as isize)).unwrap(), &want(i64::max));
        check(&x.cummin(Some(axis as isize)).unwrap(), &want(i64::min));
        let flat = Naive { shape: vec![case.naive.data.len()], data: case.naive.data.clone() };
        check(&x.cumsum(None).unwrap(), &lanes(&flat, 0, flat.data.len(), |lane| running(lane, |a, b| a + b)));
    }

    #[test]
    fn gaps_are_filled_across_blocks(
        (gaps, chunks) in proptest::collection::vec(any::<bool>(), 0..40)
            .prop_flat_map(|gaps| { let chunks = blocks(&[gaps.len()]); (Just(gaps), chunks) }),
        limit in proptest::option::of(0usize..12),
    ) {
        let values: Vec<f64> = gaps.iter().enumerate().map(|(k, gap)| if *gap { f64::NAN } else { k as f64 }).collect();
        let x = Array::from_chunk(Chunk::from_values(&[gaps.len()], &values), Some(Chunks::from_lens(&chunks))).unwrap();
        let (mut last, mut gap) = (f64::NAN, 0);
        let want: Vec<u64> = values.iter().map(|x| {
            if x.is_nan() { gap += 1; } else { (last, gap) = (*x, 0); }
            if gap > limit.unwrap_or(usize::MAX) { f64::NAN.to_bits() } else { last.to_bits() }
        }).collect();
        let got = evaluate(&x.push(limit, 0).unwrap());
        prop_assert_eq!(got.to_vec::<f64>().iter().map(|x| x.to_bits()).collect::<Vec<_>>(), want);
    }

    #[test]
    fn many_blocks_make_a_tree(case in case_of(vec![300]), block in 1usize..3) {
        let x = case.array().rechunk_to(Chunks::regular(&[300], &[block])).unwrap();
        check(&x.cumsum(Some(0)).unwrap(), &lanes(&case.naive, 0, 300, |lane| running(lane, |a, b| a + b)));
    }
}

#[test]
fn dtypes_are_numpys() {
    let bytes = Array::from_chunk(Chunk::from_values(&[4], &[100i8, 100, 100, 1]), Some(Chunks::regular(&[4], &[3])));
    let bytes = bytes.unwrap();
    check(&bytes.cumsum(Some(0)).unwrap(), &Naive { shape: vec![4], data: vec![100, 200, 300, 301] });
    let nan = Chunk::from_values(&[3], &[1.0, f64::NAN, 2.0]);
    let nan = Array::from_chunk(nan, Some(Chunks::regular(&[3], &[1]))).unwrap();
    check_as(&nan.nancumsum(Some(0)).unwrap(), &Naive { shape: vec![3], data: vec![1.0, 1.0, 3.0] });
    check_as(&nan.nancumprod(Some(0)).unwrap(), &Naive { shape: vec![3], data: vec![1.0, 1.0, 2.0] });
    let days = DType::DateTime(selion_core::TimeUnit::Day);
    let error = Array::zeros(&[3], days, None).unwrap().cumsum(Some(0)).unwrap_err();
    assert!(error.to_string().starts_with("ufunc 'cumsum' not supported"), "{error}");
}

/// The most bytes alive at once when one thread runs the graph in its order.
fn peak_bytes(array: &Array) -> u64 {
    let graph = lower(&[Root { array: array.clone(), sink: None }], LowerOptions::default()).unwrap();
    let mut uses = vec![0usize; graph.value_count()];
    for task in graph.tasks() {
        graph.inputs(task).iter().for_each(|value| uses[value.index()] += 1);
    }
    let (mut alive, mut peak) = (0, 0);
    for task in selion_core::order(&graph) {
        alive += graph.outputs(task).map(|value| graph.nbytes(value)).sum::<u64>();
        peak = peak.max(alive);
        for value in graph.inputs(task) {
            uses[value.index()] -= 1;
            if uses[value.index()] == 0 {
                alive -= graph.nbytes(*value);
            }
        }
    }
    peak
}

#[test]
fn scans_go_block_by_block() {
    // A thousand blocks of 8000 bytes, made by a program: few of them are alive at once.
    let affine = selion_kernels::program::Affine { offset: 0, strides: vec![1].into() };
    let x = Array::index(&[1_000_000], affine, Some(Chunks::regular(&[1_000_000], &[1000]))).unwrap();
    let greatest = x.cumsum(Some(0)).unwrap().reduce(ReduceKind::Max, None, false, 0.0, 0).unwrap();
    let peak = peak_bytes(&greatest);
    assert!(peak < 100_000, "{peak} bytes were alive");
}
