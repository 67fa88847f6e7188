//! Overlapping blocks, compared with blocks cut out of a padded array.

use std::sync::Arc;

use proptest::prelude::*;
use selion_array::{Array, BlockFunction, BlockInfo, Boundary, Chunks, MapBlocks, MapOverlap, Overlap, map_overlap};
use selion_core::{Chunk, DType, Scalar, TaskContext, TaskError, Value};

use crate::evaluate::evaluate;
use crate::naive::{Naive, case, check, counting};

/// The index along an axis that lies at a place beyond its ends; `None` for a constant.
fn within(at: i64, len: i64, boundary: Boundary) -> Option<i64> {
    if (0..len).contains(&at) {
        return Some(at);
    }
    match boundary {
        Boundary::Constant(_) => None,
        Boundary::Reflect => Some(if at < 0 { -1 - at } else { 2 * len - 1 - at }),
        Boundary::Periodic => Some(at.rem_euclid(len)),
        Boundary::Nearest | Boundary::None => Some(at.clamp(0, len - 1)),
    }
}

fn boundary() -> impl Strategy<Value = Boundary> {
    prop_oneof![
        Just(Boundary::None),
        Just(Boundary::Reflect),
        Just(Boundary::Periodic),
        Just(Boundary::Nearest),
        (-9i64..9).prop_map(|value| Boundary::Constant(Scalar::new(value))),
    ]
}

fn overlaps() -> impl Strategy<Value = Vec<Overlap>> {
    let one =
        (0usize..4, 0usize..4, boundary()).prop_map(|(before, after, boundary)| Overlap { before, after, boundary });
    proptest::collection::vec(one, 3)
}

proptest! {
    #[test]
    fn blocks_reach_into_their_neighbours(case in case(1..4, 9), overlaps in overlaps()) {
        let x = case.array();
        let overlaps = &overlaps[..x.ndim()];
        let too_deep = overlaps.iter().zip(&case.naive.shape).any(|(o, len)| o.before.max(o.after) > *len);
        let extended = match x.overlap(overlaps, true) {
            Ok(extended) => extended,
            Err(error) => {
                prop_assert!(too_deep && error.to_string().starts_with("The overlapping depth "), "{error}");
                return Ok(());
            }
        };
        prop_assert!(!too_deep);
        // What the elements of each axis are, block by block.
        let trimmed = extended.trim_overlap(overlaps).unwrap();
        let mut places: Vec<Vec<i64>> = Vec::new();
        for (axis, own) in trimmed.chunks().axes().iter().enumerate() {
            let Overlap { before, after, boundary } = overlaps[axis];
            let mut at = Vec::new();
            for k in 0..own.count() {
                let open = boundary == Boundary::None;
                let first = own.start(k);
                let front = if open && k == 0 { 0 } else { before } as i64;
                let back = if open && k + 1 == own.count() { 0 } else { after } as i64;
                at.extend(first as i64 - front..own.start(k + 1) as i64 + back);
            }
            places.push(at);
        }
        let shape: Vec<usize> = places.iter().map(Vec::len).collect();
        let want = Naive::from_fn(&shape, |at| {
            let mut inside = Vec::new();
            let mut constant = None;
            for (axis, at) in at.iter().enumerate() {
                let boundary = overlaps[axis].boundary;
                match (within(places[axis][*at], case.naive.shape[axis] as i64, boundary), boundary) {
                    (Some(at), _) => inside.push(at as usize),
                    (None, Boundary::Constant(value)) => constant = Some(value.get::<i64>()),
                    (None, _) => unreachable!(),
                }
            }
            constant.unwrap_or_else(|| case.naive.at(&inside))
        });
        check(&extended, &want);
        check(&trimmed, &case.naive);
    }
}

/// The sum of each element and its two neighbours along the last axis; ends of the block are left as they are.
struct Smooth;

impl BlockFunction for Smooth {
    fn name(&self) -> &str {
        "smooth"
    }
    fn identity(&self) -> u64 {
        0
    }
    fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        let x = inputs[0].as_chunk().ok_or("a block")?.to_vec::<i64>();
        let sum = |k: usize| if k == 0 || k + 1 == x.len() { x[k] } else { x[k - 1] + x[k] + x[k + 1] };
        Ok(Chunk::from_values(&[x.len()], &(0..x.len()).map(sum).collect::<Vec<_>>()).into())
    }
}

#[test]
fn functions_see_the_neighbours() {
    let x = Array::from_chunk(counting(&[7]).chunk(), Some(Chunks::from_lens(&[vec![3, 1, 3]]))).unwrap();
    let map = |boundary, options: &MapOverlap| {
        map_overlap(Arc::new(Smooth), &[(x.clone(), vec![Overlap::even(1, boundary)])], DType::I64, options).unwrap()
    };
    let all = MapOverlap::default();
    check(&map(Boundary::Periodic, &all), &Naive { shape: vec![7], data: vec![7, 3, 6, 9, 12, 15, 11] });
    check(&map(Boundary::None, &all), &Naive { shape: vec![7], data: vec![0, 3, 6, 9, 12, 15, 6] });
    let zero = Boundary::Constant(Scalar::new(0i64));
    check(&map(zero, &all), &Naive { shape: vec![7], data: vec![1, 3, 6, 9, 12, 15, 11] });
    // A function that trims by itself gives the blocks that there were.
    let trimming = map(zero, &MapOverlap { trim: false, ..all });
    assert_eq!(trimming.chunks().axes()[0].lens(), [3, 1, 3]);
}

/// The sum over the first axis.
struct Drop;

impl BlockFunction for Drop {
    fn name(&self) -> &str {
        "drop"
    }
    fn identity(&self) -> u64 {
        0
    }
    fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        let (x, row) = (inputs[0].as_chunk().ok_or("a block")?, inputs[1].as_chunk().ok_or("a block")?);
        assert_eq!(x.shape()[1], row.shape()[0]);
        let (values, columns) = (x.to_vec::<i64>(), x.shape()[1]);
        let sum = |c: usize| (0..x.shape()[0]).map(|r| values[r * columns + c]).sum::<i64>();
        Ok(Chunk::from_values(&[columns], &(0..columns).map(sum).collect::<Vec<_>>()).into())
    }
}

#[test]
fn dropped_axes_are_not_trimmed() {
    let x = Array::from_chunk(counting(&[2, 6]).chunk(), Some(Chunks::regular(&[2, 6], &[1, 3]))).unwrap();
    let row = Array::from_chunk(counting(&[6]).chunk(), Some(Chunks::regular(&[6], &[2]))).unwrap();
    let one = Overlap::even(1, Boundary::Reflect);
    let inputs = [(x, vec![Overlap::NONE, one]), (row, vec![one])];
    let blocks = MapBlocks { drop_axis: vec![0], ..MapBlocks::default() };
    let got = map_overlap(Arc::new(Drop), &inputs, DType::I64, &MapOverlap { blocks, ..MapOverlap::default() });
    check(&got.unwrap(), &Naive { shape: vec![6], data: vec![6, 8, 10, 12, 14, 16] });
}

#[test]
fn blocks_shorter_than_the_depth_are_merged() {
    let x = Array::from_chunk(counting(&[10]).chunk(), Some(Chunks::from_lens(&[vec![4, 1, 4, 1]]))).unwrap();
    let deep = [Overlap::even(2, Boundary::None)];
    let extended = x.overlap(&deep, true).unwrap();
    assert_eq!(evaluate(&extended.trim_overlap(&deep).unwrap()).len(), 10);
    assert!(extended.trim_overlap(&deep).unwrap().chunks().axes()[0].lens().iter().all(|len| *len >= 2));
    let error = x.overlap(&deep, false).unwrap_err().to_string();
    assert!(error.starts_with("Overlap depth is larger than smallest chunksize.\nPlease set allow_rechunk=True"));
}
