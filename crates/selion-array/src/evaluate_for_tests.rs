//! Computing arrays one task after the other, and random arrays, for this crate's tests.

use selion_core::{Buffer, CancelToken, Chunk, DType, Dims, Element, TaskContext, TaskError, Value, assign};
use selion_core::{contiguous_strides, with_element};

use crate::chunks::{AxisChunks, Chunks};
use crate::expr::Array;
use crate::lower::{LowerOptions, Root, lower};
use crate::optimize::optimize;

/// The elements of an array, or why a task failed.
pub(crate) fn try_evaluate(array: &Array) -> Result<Chunk, TaskError> {
    let root = optimize(std::slice::from_ref(array), true).remove(0);
    let graph = lower(&[Root { array: root, sink: None }], LowerOptions::default())?;
    let mut values = vec![Value::Unit; graph.value_count()];
    for task in graph.tasks() {
        let inputs: Vec<Value> = graph.inputs(task).iter().map(|value| values[value.index()].clone()).collect();
        let (body, index) = graph.body(task);
        let results = body.run(index, &inputs, &TaskContext { cancel: &CancelToken::default(), host: None })?;
        for (value, result) in graph.outputs(task).zip(results) {
            values[value.index()] = result;
        }
    }
    let blocks: Vec<Chunk> =
        graph.wanted().iter().filter_map(|value| values[value.index()].as_chunk().cloned()).collect();
    assert_eq!(blocks.len(), array.chunks().count());
    for block in &blocks {
        assert_eq!(block.dtype(), array.dtype());
    }
    // Lengths as the blocks have them: the array's may be unknown.
    let chunks = array.chunks();
    let lens = |axis: usize| -> Vec<usize> {
        (0..chunks.axes()[axis].count())
            .map(|k| {
                let mut at = vec![0; chunks.ndim()];
                at[axis] = k;
                blocks[chunks.index(&at)].shape()[axis]
            })
            .collect()
    };
    let actual = Chunks::new((0..chunks.ndim()).map(|axis| AxisChunks::new(lens(axis))));
    let shape: Dims = actual.shape();
    let strides = contiguous_strides(&shape);
    let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * array.dtype().size());
    for (number, block) in blocks.iter().enumerate() {
        let start = actual.block_start(&actual.coordinates(number));
        let offset = start.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
        assign(&mut buffer, offset, &strides, block);
    }
    Ok(Chunk::new(array.dtype(), &shape, buffer))
}

/// The elements of an array.
#[track_caller]
pub(crate) fn evaluate(array: &Array) -> Chunk {
    match try_evaluate(array) {
        Ok(chunk) => chunk,
        Err(error) => panic!("{error}"),
    }
}

/// Numbers without pattern, the same in every run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Some division of an axis.
    pub(crate) fn division(&mut self, len: usize) -> AxisChunks {
        let (mut lens, mut left) = (Vec::new(), len);
        while left > 0 {
            let block = 1 + self.below(left.min(7));
            lens.push(block);
            left -= block;
        }
        AxisChunks::new(if lens.is_empty() { vec![0] } else { lens })
    }

    /// Small whole numbers from 0 on, so that sums are exact in any order.
    pub(crate) fn chunk(&mut self, shape: &[usize], dtype: DType) -> Chunk {
        with_element!(dtype, T => {
            let values: Vec<T> = (0..shape.iter().product::<usize>())
                .map(|_| selion_core::Scalar::from_f64((self.next() % 6) as f64, dtype).get::<T>())
                .collect();
            Chunk::from_values(shape, &values).reinterpret(dtype)
        })
    }

    /// Elements in memory, divided in some way.
    pub(crate) fn array(&mut self, shape: &[usize], dtype: DType) -> (Array, Chunk) {
        let chunk = self.chunk(shape, dtype);
        (self.divided(&chunk), chunk)
    }

    /// The chunk as an array divided in some way.
    pub(crate) fn divided(&mut self, chunk: &Chunk) -> Array {
        let chunks = Chunks::new(chunk.shape().iter().map(|len| self.division(*len)).collect::<Vec<_>>());
        Array::from_chunk(chunk.clone(), Some(chunks)).unwrap()
    }
}

/// Asserts that the array has the shape, dtype and elements of the chunk; all NaNs are alike.
#[track_caller]
pub(crate) fn assert_same(array: &Array, want: &Chunk) {
    let got = evaluate(array);
    assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()));
    with_element!(want.dtype(), T => {
        let same = |a: &T, b: &T| a == b || (!is_number(a) && !is_number(b));
        let (got, want) = (got.to_vec::<T>(), want.to_vec::<T>());
        assert!(got.iter().zip(&want).all(|(a, b)| same(a, b)), "{got:?} is not {want:?}");
    });
}

/// Whether it is equal to itself: not NaN.
#[expect(clippy::eq_op, reason = "that is what tells NaN")]
fn is_number<T: Element + PartialEq>(x: &T) -> bool {
    x == x
}
