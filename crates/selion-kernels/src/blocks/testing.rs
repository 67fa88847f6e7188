//! Random chunks for property tests, and element access by index for reference implementations.

use proptest::prelude::*;
use selion_core::{B8, Chunk, DType, Element, TimeUnit, c64, c128, f16};

pub(super) const DTYPES: [DType; 16] = [
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F16,
    DType::F32,
    DType::F64,
    DType::C64,
    DType::C128,
    DType::DateTime(TimeUnit::Second),
    DType::TimeDelta(TimeUnit::Nano),
];

/// A shape and the way in which it is laid out.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) shape: Vec<usize>,
    pub(super) seed: u64,
    pub(super) flips: u8,
    pub(super) reversed: bool,
}

/// Shapes of `min_ndim..=max_ndim` axes of `0..=max_len`, in any layout.
pub(super) fn cases(min_ndim: usize, max_ndim: usize, max_len: usize) -> impl Strategy<Value = Case> {
    (proptest::collection::vec(0..=max_len, min_ndim..=max_ndim), any::<u64>(), any::<u8>(), any::<bool>())
        .prop_map(|(shape, seed, flips, reversed)| Case { shape, seed, flips, reversed })
}

pub(super) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Case {
    /// A chunk of this shape and layout with elements `value(random bits)`.
    pub(super) fn fill<T: Element>(&self, dtype: DType, value: impl Fn(u64) -> T) -> Chunk {
        let count: usize = self.shape.iter().product();
        let values: Vec<T> = (0..count as u64).map(|k| value(mix(self.seed.wrapping_add(k)))).collect();
        let order: Vec<usize> = if self.reversed { (0..self.shape.len()).rev().collect() } else { Vec::new() };
        let mut chunk = if self.reversed {
            let shape: Vec<usize> = self.shape.iter().rev().copied().collect();
            Chunk::from_values(&shape, &values).transpose(&order)
        } else {
            Chunk::from_values(&self.shape, &values)
        };
        for axis in 0..self.shape.len() {
            let len = self.shape[axis];
            if self.flips >> axis & 1 == 1 && len > 0 {
                chunk = chunk.slice(axis, len - 1, -1, len);
            }
        }
        chunk.reinterpret(dtype)
    }

    /// Few distinct values, among these NaN, NaT, infinities and both zeros.
    pub(super) fn chunk(&self, dtype: DType) -> Chunk {
        let float = |z: u64| match z % 11 {
            0 => f64::NAN,
            1 => -f64::NAN,
            2 => f64::INFINITY,
            3 => f64::NEG_INFINITY,
            4 => -0.0,
            5 => 0.0,
            _ => (z / 11 % 7) as f64 - 3.0,
        };
        match dtype {
            DType::Bool => self.fill(dtype, |z| B8(u8::from(z % 2 == 1))),
            DType::I8 => self.fill(dtype, |z| (z % 9) as i8 - 4),
            DType::I16 => self.fill(dtype, |z| (z % 9) as i16 - 4),
            DType::I32 => self.fill(dtype, |z| (z % 9) as i32 - 4),
            DType::I64 => self.fill(dtype, |z| (z % 9) as i64 - 4),
            DType::U8 => self.fill(dtype, |z| (z % 9) as u8),
            DType::U16 => self.fill(dtype, |z| (z % 9) as u16),
            DType::U32 => self.fill(dtype, |z| (z % 9) as u32),
            DType::U64 => self.fill(dtype, |z| z % 9),
            DType::F16 => self.fill(dtype, |z| f16::from_f64(float(z))),
            DType::F32 => self.fill(dtype, |z| float(z) as f32),
            DType::F64 => self.fill(dtype, float),
            DType::C64 => self.fill(dtype, |z| c64::new(float(z) as f32, float(z >> 20) as f32)),
            DType::C128 => self.fill(dtype, |z| c128::new(float(z), float(z >> 20))),
            DType::DateTime(_) | DType::TimeDelta(_) => {
                self.fill(dtype, |z| if z % 5 == 0 { i64::MIN } else { (z % 9) as i64 - 4 })
            }
        }
    }
}

/// All index tuples of a shape, in C order.
pub(super) fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, len| {
        all.iter().flat_map(|head| (0..*len).map(move |k| [head.as_slice(), &[k]].concat())).collect()
    })
}

/// The bytes of one element.
pub(super) fn at(chunk: &Chunk, index: &[usize]) -> Vec<u8> {
    let shape = vec![1; index.len()];
    let one = chunk.sub_block(index, &shape);
    one.scalar().expect("one element").bytes().to_vec()
}

/// The bytes of all elements, in C order.
pub(super) fn bytes(chunk: &Chunk) -> Vec<Vec<u8>> {
    indices(chunk.shape()).iter().map(|index| at(chunk, index)).collect()
}
