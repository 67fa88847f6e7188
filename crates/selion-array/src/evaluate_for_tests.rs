//! Random arrays for this crate's tests, and comparisons.

use selion_core::{Chunk, DType, Element, with_element};

use crate::chunks::{AxisChunks, Chunks};
use crate::expr::Array;
pub(crate) use crate::shared_with_tests::{evaluate, try_evaluate};

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
