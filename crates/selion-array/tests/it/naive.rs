//! Arrays as plain vectors with a shape, computed element by element: what the crate's results are compared with.

use proptest::prelude::*;
use selion_array::{Array, Chunks, Operand, ufunc};
use selion_core::{Chunk, Element};
use selion_kernels::program::Op;

use crate::evaluate::evaluate;

/// All elements in C order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Naive<T = i64> {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<T>,
}

/// All coordinates of a shape, in C order.
pub(crate) fn coordinates(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for len in shape {
        all = all.iter().flat_map(|at| (0..*len).map(|k| [at.as_slice(), &[k]].concat())).collect();
    }
    all
}

impl<T: Element> Naive<T> {
    /// The array whose element at each coordinate is given by a function.
    pub(crate) fn from_fn(shape: &[usize], element: impl Fn(&[usize]) -> T) -> Self {
        Naive { shape: shape.to_vec(), data: coordinates(shape).iter().map(|at| element(at)).collect() }
    }

    /// The elements of a chunk.
    pub(crate) fn of(chunk: &Chunk) -> Self {
        Naive { shape: chunk.shape().to_vec(), data: chunk.to_vec() }
    }

    /// The element at a coordinate.
    pub(crate) fn at(&self, at: &[usize]) -> T {
        let index = at.iter().zip(&self.shape).fold(0, |index, (at, len)| index * len + at);
        self.data[index]
    }

    pub(crate) fn chunk(&self) -> Chunk {
        Chunk::from_values(&self.shape, &self.data)
    }
}

/// `0, 1, 2, …` in the given shape.
pub(crate) fn counting(shape: &[usize]) -> Naive {
    Naive { shape: shape.to_vec(), data: (0..shape.iter().product::<usize>() as i64).collect() }
}

/// Ways to make an array of the same elements, which take different ways through optimiser and lowering.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// In memory.
    Memory,
    /// The result of elementwise work.
    Map,
    /// Blocks that were made by a block operation.
    Blocks,
    /// An index sequence.
    Index,
}

/// A naive array of `0, 1, 2, …`, its blocks, and how the array is made.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) naive: Naive,
    pub(crate) chunks: Vec<Vec<usize>>,
    pub(crate) origin: Origin,
}

impl Case {
    pub(crate) fn array(&self) -> Array {
        let chunks = Chunks::from_lens(&self.chunks);
        let memory = || Array::from_chunk(self.naive.chunk(), Some(chunks.clone())).unwrap();
        match self.origin {
            Origin::Memory => memory(),
            Origin::Map => {
                let halves = ufunc(Op::FloorDivide, &[(&memory()).into(), Operand::Int(2)]).unwrap();
                let odd = ufunc(Op::Remainder, &[(&memory()).into(), Operand::Int(2)]).unwrap();
                let even = ufunc(Op::Multiply, &[halves.into(), Operand::Int(2)]).unwrap();
                ufunc(Op::Add, &[even.into(), odd.into()]).unwrap()
            }
            Origin::Blocks => {
                let whole = memory().rechunk_to(Chunks::whole(&self.naive.shape)).unwrap();
                let sum = ufunc(Op::Add, &[whole.into(), Operand::Int(0)]).unwrap();
                sum.rechunk_to(chunks).unwrap()
            }
            Origin::Index => {
                let strides = selion_core::contiguous_strides(&self.naive.shape);
                let affine = selion_kernels::program::Affine { offset: 0, strides };
                Array::index(&self.naive.shape, affine, Some(chunks)).unwrap()
            }
        }
    }
}

/// Block lengths that add up to `len`; some may be 0.
fn lens(len: usize) -> BoxedStrategy<Vec<usize>> {
    proptest::collection::vec(0..=len, 0..4)
        .prop_map(move |mut cuts| {
            cuts.push(len);
            cuts.sort_unstable();
            let mut start = 0;
            cuts.iter().map(|cut| cut - std::mem::replace(&mut start, *cut)).collect()
        })
        .boxed()
}

/// Blocks of any shape.
pub(crate) fn blocks(shape: &[usize]) -> BoxedStrategy<Vec<Vec<usize>>> {
    shape.iter().map(|len| lens(*len)).collect::<Vec<_>>().boxed()
}

/// A case of the given shape.
pub(crate) fn case_of(shape: Vec<usize>) -> impl Strategy<Value = Case> {
    let origin = prop_oneof![Just(Origin::Memory), Just(Origin::Map), Just(Origin::Blocks), Just(Origin::Index)];
    (blocks(&shape), origin).prop_map(move |(chunks, origin)| Case { naive: counting(&shape), chunks, origin })
}

/// A case with the given numbers of axes, and lengths below `limit`.
pub(crate) fn case(ndim: std::ops::Range<usize>, limit: usize) -> impl Strategy<Value = Case> {
    proptest::collection::vec(0..limit, ndim).prop_flat_map(case_of)
}

/// Fails unless the array computes to the given integers.
#[track_caller]
pub(crate) fn check(array: &Array, want: &Naive) {
    check_as(array, want);
}

/// Fails unless the array computes to the given elements.
#[track_caller]
pub(crate) fn check_as<T: Element>(array: &Array, want: &Naive<T>) {
    let known = array.shape().iter().zip(&want.shape).all(|(len, want)| len == want || *len == selion_array::UNKNOWN);
    assert!(known && array.ndim() == want.shape.len(), "{array:?} should have shape {:?}", want.shape);
    assert_eq!(array.dtype(), T::DTYPE);
    assert_eq!(Naive::<T>::of(&evaluate(array)), *want, "{array:?}");
}
