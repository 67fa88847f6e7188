//! What the families share: lanes along an axis, output buffers, and NumPy's order of elements.
//!
//! A C-ordered block seen along one axis is `outer × len × inner` elements: `outer` slabs of `len` rows that are
//! `inner` long. Kernels are written as loops over such slices.

use bytemuck::{Pod, Zeroable};
use selion_core::{B8, Buffer, Chunk, DType, Dims, Element, c64, c128, f16};

use crate::error::KernelError;

/// A shape folded around one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    pub(super) outer: usize,
    pub(super) len: usize,
    pub(super) inner: usize,
}

pub(super) fn check_axis(axis: usize, ndim: usize) -> Result<(), KernelError> {
    if axis < ndim { Ok(()) } else { Err(KernelError::Axis { axis: axis as isize, ndim }) }
}

pub(super) fn lanes(shape: &[usize], axis: usize) -> Result<Lanes, KernelError> {
    check_axis(axis, shape.len())?;
    Ok(Lanes { outer: shape[..axis].iter().product(), len: shape[axis], inner: shape[axis + 1..].iter().product() })
}

/// `shape` with another length on one axis.
pub(super) fn with_len(shape: &[usize], axis: usize, len: usize) -> Dims {
    let mut shape = Dims::from(shape);
    shape[axis] = len;
    shape
}

/// `shape` without one axis.
pub(super) fn without_axis(shape: &[usize], axis: usize) -> Dims {
    let mut shape = Dims::from(shape);
    shape.remove(axis);
    shape
}

/// A new C-ordered chunk; `fill` writes every element (the memory holds anything before).
pub(super) fn build<T: Element>(dtype: DType, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Chunk {
    let mut buffer = Buffer::scratch(shape.iter().product::<usize>() * size_of::<T>());
    fill(buffer.typed_mut());
    Chunk::new(dtype, shape, buffer)
}

/// The elements of a chunk that [`Chunk::to_contiguous`] made.
pub(super) fn elements<T: Element>(contiguous: &Chunk) -> &[T] {
    contiguous.as_slice().unwrap_or_default()
}

/// The axis moved to the end and the elements laid out so that each lane is contiguous, with the way back.
pub(super) fn lanes_last(chunk: &Chunk, axis: usize) -> Result<(Chunk, Vec<usize>), KernelError> {
    check_axis(axis, chunk.ndim())?;
    let last = chunk.ndim() - 1;
    let order: Vec<usize> = (0..chunk.ndim()).filter(|k| *k != axis).chain([axis]).collect();
    let mut back: Vec<usize> = (0..last).collect();
    back.insert(axis, last);
    Ok((chunk.transpose(&order).to_contiguous(), back))
}

pub(super) fn same_dtype(op: &'static str, wanted: DType, other: &Chunk) -> Result<(), KernelError> {
    if other.dtype() == wanted { Ok(()) } else { Err(KernelError::DType { op, dtype: other.dtype() }) }
}

pub(super) fn same_shape(op: &'static str, left: &[usize], right: &[usize]) -> Result<(), KernelError> {
    if left == right { Ok(()) } else { Err(KernelError::Shape { op, left: left.into(), right: right.into() }) }
}

/// `chunk` broadcast to `shape`, or the error that it cannot be.
pub(super) fn broadcast(op: &'static str, chunk: &Chunk, shape: &[usize]) -> Result<Chunk, KernelError> {
    let fits = chunk.ndim() <= shape.len()
        && chunk.shape().iter().rev().zip(shape.iter().rev()).all(|(from, to)| from == to || *from == 1);
    if fits {
        Ok(chunk.broadcast_to(shape))
    } else {
        Err(KernelError::Shape { op, left: shape.into(), right: chunk.shape().into() })
    }
}

/// Runs `$body` with `$T` standing for a type of `$size` bytes: for moving elements, of whatever dtype.
macro_rules! with_word {
    ($size:expr, $T:ident => $body:expr) => {
        match $size {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            8 => {
                type $T = u64;
                $body
            }
            _ => {
                type $T = selion_core::c128;
                $body
            }
        }
    };
}
pub(super) use with_word;

/// A datetime or timedelta, in NumPy's order: NaT last.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Time(pub(super) i64);

impl Element for Time {
    const DTYPE: DType = DType::I64;
}

/// Elements in NumPy's sorting order.
pub(super) trait Ordered: Element {
    /// Keys compare as the elements sort: NaN and NaT after all others and equal to each other, -0 equal to 0.
    type Key: Ord + Copy;
    fn key(self) -> Self::Key;
    /// Whether the element is NaN (in either part) or NaT.
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
    /// Sorts a lane. Elements with equal keys are alike, so stability does not show.
    fn sort(lane: &mut [Self]) {
        lane.sort_unstable_by_key(|x| x.key());
    }
}

macro_rules! ordered_integers {
    ($($T:ty)*) => {$(
        impl Ordered for $T {
            type Key = $T;
            #[inline(always)]
            fn key(self) -> $T {
                self
            }
            fn sort(lane: &mut [$T]) {
                lane.sort_unstable();
            }
        }
    )*};
}
ordered_integers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Ordered for B8 {
    type Key = bool;
    #[inline(always)]
    fn key(self) -> bool {
        self.get()
    }
}

impl Ordered for Time {
    type Key = i64;
    #[inline(always)]
    fn key(self) -> i64 {
        self.0.wrapping_sub(1) // NaT, the least integer, becomes the greatest
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.0 == i64::MIN
    }
}

/// Floats sort as integers once the magnitude bits of negative numbers are inverted.
macro_rules! ordered_floats {
    ($($T:ty, $bits:ty, $signed:ty);*) => {$(
        impl Ordered for $T {
            type Key = $signed;
            #[inline(always)]
            fn key(self) -> $signed {
                if self.is_nan() {
                    return <$signed>::MAX;
                }
                let bits = self.to_bits() as $signed;
                if bits == <$signed>::MIN { 0 } else if bits < 0 { bits ^ <$signed>::MAX } else { bits }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$T>::is_nan(self)
            }
            fn sort(lane: &mut [$T]) {
                let mut numbers = 0;
                for k in 0..lane.len() {
                    if !lane[k].is_nan() {
                        lane.swap(numbers, k);
                        numbers += 1;
                    }
                }
                let flip = |key: &mut $signed| *key ^= (*key >> (<$signed>::BITS - 1)) & <$signed>::MAX;
                let keys: &mut [$signed] = bytemuck::cast_slice_mut(&mut lane[..numbers]);
                keys.iter_mut().for_each(flip);
                keys.sort_unstable();
                keys.iter_mut().for_each(flip);
            }
        }
    )*};
}
ordered_floats!(f16, u16, i16; f32, u32, i32; f64, u64, i64);

macro_rules! ordered_complex {
    ($($T:ty, $part:ty);*) => {$(
        impl Ordered for $T {
            type Key = (u8, <$part as Ordered>::Key, <$part as Ordered>::Key);
            #[inline(always)]
            fn key(self) -> Self::Key {
                // NumPy's order of classes: R + Rj, R + nanj, nan + Rj, nan + nanj.
                let class = 2 * u8::from(self.re.is_nan()) + u8::from(self.im.is_nan());
                (class, self.re.key(), self.im.key())
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }
        }
    )*};
}
ordered_complex!(c64, f32; c128, f64);

/// As [`selion_core::with_element!`], with datetimes as [`Time`].
macro_rules! with_ordered {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            selion_core::DType::DateTime(_) | selion_core::DType::TimeDelta(_) => {
                type $T = $crate::blocks::lanes::Time;
                $body
            }
            plain => selion_core::with_element!(plain, $T => $body),
        }
    };
}
pub(super) use with_ordered;

/// The place of a possibly negative index on an axis.
#[inline(always)]
pub(super) fn resolve(index: i64, axis: usize, size: usize) -> Result<usize, KernelError> {
    let at = if index < 0 { index.wrapping_add(size as i64) } else { index };
    if at >= 0 && (at as usize) < size { Ok(at as usize) } else { Err(KernelError::Index { index, axis, size }) }
}
