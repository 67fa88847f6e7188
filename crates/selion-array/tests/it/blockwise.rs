//! Functions on blocks: which blocks they get, where they are told to be, and Dask's complaints.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use selion_array::{
    AdjustChunks, Array, ArrayError, BlockFunction, BlockInfo, BlockLens, BlockwiseOptions, Chunks, GufuncOutput,
    LowerOptions, MapBlocks, apply_along_axis, apply_gufunc, blockwise_with, map_blocks, parse_signature,
};
use selion_core::{Chunk, DType, TaskContext, TaskError, Value};
use selion_kernels::program::{Op, apply};

use crate::evaluate::{evaluate, try_evaluate};
use crate::naive::{Naive, case, case_of, check, counting};

type Call = dyn Fn(&BlockInfo, &[Value]) -> Result<Value, TaskError> + Send + Sync;

struct Function(u64, Box<Call>);

impl BlockFunction for Function {
    fn name(&self) -> &str {
        "function"
    }
    fn identity(&self) -> u64 {
        self.0
    }
    fn call(&self, info: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
        (self.1)(info, inputs)
    }
}

fn function(
    call: impl Fn(&BlockInfo, &[Value]) -> Result<Value, TaskError> + Send + Sync + 'static,
) -> Arc<dyn BlockFunction> {
    Arc::new(Function(call_number(), Box::new(call)))
}

fn call_number() -> u64 {
    static NEXT: Mutex<u64> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap();
    *next += 1;
    *next
}

fn chunk(value: &Value) -> &Chunk {
    value.as_chunk().expect("a block")
}

fn options() -> BlockwiseOptions {
    BlockwiseOptions { align_arrays: true, ..BlockwiseOptions::default() }
}

fn divided(naive: &Naive, lens: &[&[usize]]) -> Array {
    let lens: Vec<Vec<usize>> = lens.iter().map(|lens| lens.to_vec()).collect();
    Array::from_chunk(naive.chunk(), Some(Chunks::from_lens(&lens))).unwrap()
}

/// The sum over one axis of a block, which goes.
fn sum_axis(block: &Chunk, axis: usize) -> Chunk {
    let x = Naive::<i64>::of(block);
    let mut shape = x.shape.clone();
    let len = shape.remove(axis);
    let sum = Naive::from_fn(&shape, |at| {
        (0..len)
            .map(|k| {
                let mut at = at.to_vec();
                at.insert(axis, k);
                x.at(&at)
            })
            .sum::<i64>()
    });
    sum.chunk()
}

fn sum_lists(value: &Value) -> Chunk {
    match value {
        Value::Tuple(parts) => {
            let parts: Vec<Chunk> = parts.iter().map(sum_lists).collect();
            parts[1..].iter().fold(parts[0].clone(), |sum, part| apply(Op::Add, &[sum, part.clone()]).unwrap())
        }
        block => chunk(block).clone(),
    }
}

proptest! {
    #[test]
    fn contracted_labels_are_put_together(case in case_of(vec![5, 4, 6])) {
        let concatenate = BlockwiseOptions { concatenate: true, ..options() };
        let sum = function(|_, inputs| Ok(sum_axis(&sum_axis(chunk(&inputs[0]), 2), 0).into()));
        let got = blockwise_with(sum, &[1], &[(case.array(), vec![0, 1, 2])], DType::I64, &concatenate).unwrap();
        let all = sum_axis(&sum_axis(&case.naive.chunk(), 2), 0);
        check(&got, &Naive::of(&all));
    }

    #[test]
    fn contracted_labels_are_nested_lists(case in case_of(vec![3, 4, 2])) {
        let counts: Vec<usize> = case.chunks.iter().map(Vec::len).collect();
        let sum = function(move |info, inputs| {
            assert_eq!(inputs[0].parts().len(), counts[0]);
            assert_eq!(inputs[0].parts()[0].parts().len(), counts[2]);
            assert_eq!(info.inputs[0].1.shape.as_slice(), [3, info.region.shape[0], 2]);
            let rows: Vec<Value> = inputs[0].parts().iter().map(|row| {
                let row: Vec<Value> = row.parts().iter().map(|x| sum_axis(&sum_axis(chunk(x), 2), 0).into()).collect();
                Value::Tuple(row.into())
            }).collect();
            Ok(sum_lists(&Value::Tuple(rows.into())).into())
        });
        let got = blockwise_with(sum, &[7], &[(case.array(), vec![0, 7, 1])], DType::I64, &options()).unwrap();
        check(&got, &Naive::of(&sum_axis(&sum_axis(&case.naive.chunk(), 2), 0)));
    }

    #[test]
    fn arrays_are_aligned(a in case_of(vec![6, 5]), b in case_of(vec![5]), column in case_of(vec![6, 1])) {
        let add = function(|_, inputs| {
            let shape = [chunk(&inputs[0]).shape()[0], chunk(&inputs[1]).shape()[0]];
            let all: Vec<Chunk> = inputs.iter().map(|x| chunk(x).broadcast_to(&shape)).collect();
            let sum = apply(Op::Add, &[all[0].clone(), all[1].clone()])?;
            Ok(apply(Op::Add, &[sum, all[2].clone()])?.into())
        });
        let inputs = [(a.array(), vec![0, 1]), (b.array(), vec![1]), (column.array(), vec![0, 1])];
        let got = blockwise_with(add, &[0, 1], &inputs, DType::I64, &options()).unwrap();
        check(&got, &Naive::from_fn(&[6, 5], |at| a.naive.at(at) + b.naive.data[at[1]] + column.naive.data[at[0]]));
    }

    #[test]
    fn blocks_know_where_they_are(case in case(0..4, 7)) {
        let whole = case.naive.clone();
        let place = function(move |info, inputs| {
            assert_eq!(info.shape, whole.shape);
            assert_eq!((&info.block, &info.region), (&info.inputs[0].0, &info.inputs[0].1));
            let region = whole.chunk().sub_block(&info.region.start, &info.region.shape);
            assert_eq!(region.to_vec::<i64>(), chunk(&inputs[0]).to_vec::<i64>());
            Ok(inputs[0].clone())
        });
        let got = map_blocks(place, &[case.array()], DType::I64, &MapBlocks::default()).unwrap();
        check(&got, &case.naive);
    }

    #[test]
    fn lanes_become_other_axes(case in case_of(vec![4, 5, 3]), axis in 0isize..3) {
        let ends = function(move |_, inputs| {
            let (x, axis) = (chunk(&inputs[0]), axis as usize);
            let ends = |k| x.slice(axis, k, 1, 1);
            Ok(selion_kernels::blocks::layout::concatenate(&[ends(0), ends(x.shape()[axis] - 1)], axis)?.into())
        });
        let got = apply_along_axis(ends, axis, &case.array(), &[2], DType::I64).unwrap();
        let axis = axis as usize;
        let mut shape = case.naive.shape.clone();
        let last = std::mem::replace(&mut shape[axis], 2) - 1;
        check(&got, &Naive::from_fn(&shape, |at| {
            let mut at = at.to_vec();
            at[axis] *= last;
            case.naive.at(&at)
        }));
    }
}

#[test]
fn axes_come_and_go_in_map_blocks() {
    let x = divided(&counting(&[4, 6]), &[&[2, 2], &[3, 3]]);
    let sum = || function(|_, inputs| Ok(sum_axis(chunk(&inputs[0]), 1).into()));
    let dropped = MapBlocks { drop_axis: vec![-1], ..MapBlocks::default() };
    let got = map_blocks(sum(), std::slice::from_ref(&x), DType::I64, &dropped).unwrap();
    check(&got, &Naive { shape: vec![4], data: vec![15, 51, 87, 123] });

    let row = function(|_, inputs| {
        let x = chunk(&inputs[0]);
        Ok(x.reshape(&[1, x.shape()[0]]).into())
    });
    let added = MapBlocks { new_axis: Some(vec![0]), ..MapBlocks::default() };
    let line = divided(&counting(&[5]), &[&[2, 3]]);
    let got = map_blocks(row, std::slice::from_ref(&line), DType::I64, &added).unwrap();
    check(&got, &Naive { shape: vec![1, 5], data: vec![0, 1, 2, 3, 4] });

    // Twice as long, and with the row's axis in front of it, both told by `chunks` alone.
    let twice = function(|_, inputs| {
        let x = chunk(&inputs[0]);
        Ok(x.reshape(&[1, x.len(), 1]).broadcast_to(&[1, x.len(), 2]).reshape(&[1, 2 * x.len()]).into())
    });
    let chunks = Some(vec![BlockLens::Each(1), BlockLens::All(vec![4, 6])]);
    let got = map_blocks(twice, &[line], DType::I64, &MapBlocks { chunks, ..MapBlocks::default() }).unwrap();
    check(&got, &Naive { shape: vec![1, 10], data: vec![0, 0, 1, 1, 2, 2, 3, 3, 4, 4] });
}

#[test]
fn inputs_of_fewer_axes_go_by_the_last_ones() {
    let (x, y) = (divided(&counting(&[2, 3]), &[&[1, 1], &[1, 2]]), divided(&counting(&[3]), &[&[1, 2]]));
    let add = function(|_, inputs| {
        let x = chunk(&inputs[0]);
        Ok(apply(Op::Add, &[x.clone(), chunk(&inputs[1]).broadcast_to(x.shape())])?.into())
    });
    let got = map_blocks(add, &[x, y], DType::I64, &MapBlocks::default()).unwrap();
    check(&got, &Naive { shape: vec![2, 3], data: vec![0, 2, 4, 3, 5, 7] });
}

#[test]
fn lengths_are_adjusted() {
    let x = divided(&counting(&[6]), &[&[4, 2]]);
    let half = || {
        function(|_, inputs| {
            let x = chunk(&inputs[0]);
            Ok(x.slice(0, 0, 2, x.len() / 2).into())
        })
    };
    let adjust = |adjust: AdjustChunks| BlockwiseOptions { adjust_chunks: vec![(0, adjust)], ..options() };
    let want = Naive { shape: vec![3], data: vec![0, 2, 4] };
    for adjust in [adjust(AdjustChunks::Lens(vec![2, 1])), adjust(AdjustChunks::Each(Arc::new(|len| Ok(len / 2))))] {
        check(&blockwise_with(half(), &[0], &[(x.clone(), vec![0])], DType::I64, &adjust).unwrap(), &want);
    }
    let wrong = adjust(AdjustChunks::Size(1));
    let wrong = blockwise_with(half(), &[0], &[(x.clone(), vec![0])], DType::I64, &wrong).unwrap();
    assert!(try_evaluate(&wrong, LowerOptions::default()).unwrap_err().to_string().contains("where [1] was expected"));
    let error = |result: Result<Array, ArrayError>| result.unwrap_err().to_string();
    let three = adjust(AdjustChunks::Lens(vec![1, 1, 1]));
    assert_eq!(
        error(blockwise_with(half(), &[0], &[(x.clone(), vec![0])], DType::I64, &three)),
        "Dimension 0 has 2 blocks, adjust_chunks specified with 3 blocks"
    );
    assert_eq!(
        error(blockwise_with(half(), &[0, 3], &[(x.clone(), vec![0])], DType::I64, &options())),
        "Unknown dimension [3]"
    );
    let out = MapBlocks { drop_axis: vec![1], ..MapBlocks::default() };
    assert_eq!(
        error(map_blocks(half(), std::slice::from_ref(&x), DType::I64, &out)),
        "drop_axis out of range (drop_axis=[1], but output is 1d)."
    );
    let out = MapBlocks { new_axis: Some(vec![2]), ..MapBlocks::default() };
    assert_eq!(error(map_blocks(half(), &[x], DType::I64, &out)), "New_axis values do not fill in all dimensions");
}

#[test]
fn a_wrong_dtype_is_an_error() {
    let x = divided(&counting(&[2]), &[&[2]]);
    let same = function(|_, inputs| Ok(inputs[0].clone()));
    let wrong = map_blocks(same, &[x], DType::F64, &MapBlocks::default()).unwrap();
    let error = try_evaluate(&wrong, LowerOptions::default()).unwrap_err().to_string();
    assert!(error.contains("gave a block of dtype int64 where float64 was expected"), "{error}");
}

#[test]
fn gufuncs_have_core_dimensions() {
    let core = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let x = divided(&counting(&[2, 3]), &[&[1, 1], &[2, 1]]);
    let sum = || function(|_, inputs| Ok(sum_axis(chunk(&inputs[0]), 1).into()));
    let output = |names: &[&str]| GufuncOutput { core: core(names), dtype: DType::I64 };
    let inputs = [(x.clone(), core(&["i"]))];
    let error = apply_gufunc(sum(), &inputs, &[output(&[])], &[], false).unwrap_err().to_string();
    assert!(error.starts_with("Core dimension `'i'` consists of multiple chunks. To fix, rechunk"), "{error}");
    let got = apply_gufunc(sum(), &inputs, &[output(&[])], &[], true).unwrap();
    check(&got[0], &Naive { shape: vec![2], data: vec![3, 12] });

    let both = function(|_, inputs| {
        let x = chunk(&inputs[0]);
        let ends = selion_kernels::blocks::layout::concatenate(&[x.slice(1, 0, 1, 1), x.slice(1, 2, 1, 1)], 1)?;
        Ok(Value::Tuple([sum_axis(x, 1).into(), ends.into()].into()))
    });
    let got = apply_gufunc(both, &inputs, &[output(&[]), output(&["two"])], &[("two".to_owned(), 2)], true).unwrap();
    check(&got[0], &Naive { shape: vec![2], data: vec![3, 12] });
    check(&got[1], &Naive { shape: vec![2, 2], data: vec![0, 2, 3, 5] });

    // Loop dimensions broadcast from the last one.
    let scale = function(|_, inputs| {
        let (x, y) = (chunk(&inputs[0]), chunk(&inputs[1]));
        Ok(apply(Op::Multiply, &[x.clone(), y.reshape(&[y.len(), 1]).broadcast_to(x.shape())])?.into())
    });
    let factors = divided(&counting(&[2]), &[&[2]]);
    let inputs = [(x, core(&["i"])), (factors, vec![])];
    let got = apply_gufunc(scale, &inputs, &[output(&["i"])], &[], true).unwrap();
    check(&got[0], &Naive { shape: vec![2, 3], data: vec![0, 0, 0, 3, 4, 5] });
    assert_eq!(evaluate(&got[0]).shape(), [2, 3]);
}

#[test]
fn signatures() {
    let text = |signature: &str| parse_signature(signature).map(|(from, to)| format!("{from:?} {to:?}"));
    assert_eq!(text("(i, j),() -> (j)").unwrap(), r#"[["i", "j"], []] [["j"]]"#);
    assert_eq!(text("->()").unwrap(), "[] [[]]");
    for wrong in ["(i)", "i->i", "(i,)->()", "(1)->()"] {
        assert_eq!(text(wrong).unwrap_err().to_string(), format!("Not a valid gufunc signature: {wrong}"));
    }
}
