//! One element with its dtype.

use std::fmt;

use crate::{B8, DType, Element, c64, c128, f16, with_element};

/// One value of a dtype. Equality and hash are those of the bytes: NaN equals itself, 0.0 and -0.0 differ, so that
/// scalars can be part of an expression's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scalar {
    dtype: DType,
    bytes: [u8; 16],
}

impl Scalar {
    /// The scalar of a Rust value, with the dtype of its type.
    pub fn new<T: Element>(value: T) -> Self {
        Self::with_dtype(value, T::DTYPE)
    }

    /// The scalar of a Rust value, with a dtype that shares its representation (`i64` for a datetime).
    pub fn with_dtype<T: Element>(value: T, dtype: DType) -> Self {
        debug_assert_eq!(dtype.size(), size_of::<T>());
        let mut bytes = [0; 16];
        bytes[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&value));
        Scalar { dtype, bytes }
    }

    /// The scalar made of an element's bytes, of which there must be as many as the dtype has.
    pub fn from_bytes(dtype: DType, element: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..dtype.size()].copy_from_slice(&element[..dtype.size()]);
        Scalar { dtype, bytes }
    }

    /// Zero (false, NaT's opposite: the epoch) of a dtype.
    pub fn zero(dtype: DType) -> Self {
        Scalar { dtype, bytes: [0; 16] }
    }

    /// A real number as `dtype`: rounded to a float, truncated and saturated to an integer.
    pub fn from_f64(value: f64, dtype: DType) -> Self {
        match dtype {
            DType::Bool => Scalar::new(B8::from(value != 0.0)),
            DType::I8 => Scalar::new(value as i8),
            DType::I16 => Scalar::new(value as i16),
            DType::I32 => Scalar::new(value as i32),
            DType::I64 | DType::DateTime(_) | DType::TimeDelta(_) => Scalar::with_dtype(value as i64, dtype),
            DType::U8 => Scalar::new(value as u8),
            DType::U16 => Scalar::new(value as u16),
            DType::U32 => Scalar::new(value as u32),
            DType::U64 => Scalar::new(value as u64),
            DType::F16 => Scalar::new(f16::from_f64(value)),
            DType::F32 => Scalar::new(value as f32),
            DType::F64 => Scalar::new(value),
            DType::C64 => Scalar::new(c64::new(value as f32, 0.0)),
            DType::C128 => Scalar::new(c128::new(value, 0.0)),
        }
    }

    /// An integer as `dtype`, or `None` where an integer or boolean type cannot hold it exactly.
    pub fn from_i128(value: i128, dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::Bool => Scalar::new(B8::from(value != 0)),
            DType::I8 => Scalar::new(i8::try_from(value).ok()?),
            DType::I16 => Scalar::new(i16::try_from(value).ok()?),
            DType::I32 => Scalar::new(i32::try_from(value).ok()?),
            DType::I64 | DType::DateTime(_) | DType::TimeDelta(_) => {
                Scalar::with_dtype(i64::try_from(value).ok()?, dtype)
            }
            DType::U8 => Scalar::new(u8::try_from(value).ok()?),
            DType::U16 => Scalar::new(u16::try_from(value).ok()?),
            DType::U32 => Scalar::new(u32::try_from(value).ok()?),
            DType::U64 => Scalar::new(u64::try_from(value).ok()?),
            float => Scalar::from_f64(value as f64, float),
        })
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The bytes of the element, as many as the dtype has.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.dtype.size()]
    }

    /// The value, read as the Rust type `T`, which must have the dtype's representation.
    pub fn get<T: Element>(&self) -> T {
        debug_assert_eq!(self.dtype.size(), size_of::<T>());
        bytemuck::pod_read_unaligned(&self.bytes[..size_of::<T>()])
    }

    /// The value as a complex number, into which every dtype converts (64-bit integers with rounding).
    pub fn to_c128(&self) -> c128 {
        let real = |value: f64| c128::new(value, 0.0);
        match self.dtype {
            DType::Bool => real(f64::from(u8::from(self.get::<B8>().get()))),
            DType::I8 => real(f64::from(self.get::<i8>())),
            DType::I16 => real(f64::from(self.get::<i16>())),
            DType::I32 => real(f64::from(self.get::<i32>())),
            DType::I64 | DType::DateTime(_) | DType::TimeDelta(_) => real(self.get::<i64>() as f64),
            DType::U8 => real(f64::from(self.get::<u8>())),
            DType::U16 => real(f64::from(self.get::<u16>())),
            DType::U32 => real(f64::from(self.get::<u32>())),
            DType::U64 => real(self.get::<u64>() as f64),
            DType::F16 => real(self.get::<f16>().to_f64()),
            DType::F32 => real(f64::from(self.get::<f32>())),
            DType::F64 => real(self.get::<f64>()),
            DType::C64 => c128::new(f64::from(self.get::<c64>().re), f64::from(self.get::<c64>().im)),
            DType::C128 => self.get::<c128>(),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {}", self.dtype)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::Bool => write!(f, "{}", self.get::<B8>().get()),
            dtype => with_element!(dtype, T => write!(f, "{:?}", self.get::<T>())),
        }
    }
}
