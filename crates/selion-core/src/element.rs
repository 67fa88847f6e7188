//! The Rust types behind the dtypes.

use bytemuck::{Pod, Zeroable};

use crate::{DType, c64, c128, f16};

/// A boolean as NumPy stores it: one byte, 0 or 1; any other value counts as true.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Pod, Zeroable, PartialOrd, Ord)]
#[repr(transparent)]
pub struct B8(pub u8);

impl B8 {
    /// Whether it is true.
    #[inline(always)]
    pub fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for B8 {
    #[inline(always)]
    fn from(value: bool) -> Self {
        B8(u8::from(value))
    }
}

/// A type that elements of a chunk may have. Datetimes and timedeltas are stored as `i64`.
pub trait Element: Pod + PartialEq + std::fmt::Debug + Send + Sync {
    /// The dtype of which this is the canonical Rust type.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $rust { const DTYPE: DType = DType::$dtype; })*
    };
}

elements! {
    B8 => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    f16 => F16, f32 => F32, f64 => F64, c64 => C64, c128 => C128,
}
