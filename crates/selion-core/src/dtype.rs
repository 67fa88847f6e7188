//! Element types, and how they combine.
//!
//! The set is NumPy's numeric one plus datetimes; anything else is a foreign object to selion. [`promote`] is NumPy's
//! `result_type` for two arrays; [`promote_weak`] is NEP 50's rule for an array and a Python scalar, which has a kind
//! but no size.

use std::fmt;

/// The type of the elements of an array, in the machine's byte order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    /// `bool`, one byte, 0 or 1.
    Bool,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
    /// `float16`.
    F16,
    /// `float32`.
    F32,
    /// `float64`.
    F64,
    /// `complex64`: two `float32`.
    C64,
    /// `complex128`: two `float64`.
    C128,
    /// `datetime64[unit]`: `int64` counts from 1970-01-01, `i64::MIN` is NaT.
    DateTime(TimeUnit),
    /// `timedelta64[unit]`: `int64` counts, `i64::MIN` is NaT.
    TimeDelta(TimeUnit),
}

/// The unit of a datetime or timedelta, coarse to fine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TimeUnit {
    Generic,
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Milli,
    Micro,
    Nano,
    Pico,
    Femto,
    Atto,
}

/// NumPy's kinds: what two dtypes of different size have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
    Complex,
    TimeDelta,
    DateTime,
}

/// The kind of a Python scalar; NEP 50 calls these weak, since the array decides the size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Weak {
    Bool,
    Int,
    Float,
    Complex,
}

/// Why a dtype could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DTypeError {
    /// The text names no dtype that selion has.
    #[error("data type {0:?} not understood")]
    Unknown(String),
    /// No dtype holds both.
    #[error("the dtypes {0} and {1} do not have a common dtype")]
    NoCommon(DType, DType),
}

const UNITS: [(TimeUnit, &str); 14] = [
    (TimeUnit::Generic, "generic"),
    (TimeUnit::Year, "Y"),
    (TimeUnit::Month, "M"),
    (TimeUnit::Week, "W"),
    (TimeUnit::Day, "D"),
    (TimeUnit::Hour, "h"),
    (TimeUnit::Minute, "m"),
    (TimeUnit::Second, "s"),
    (TimeUnit::Milli, "ms"),
    (TimeUnit::Micro, "us"),
    (TimeUnit::Nano, "ns"),
    (TimeUnit::Pico, "ps"),
    (TimeUnit::Femto, "fs"),
    (TimeUnit::Atto, "as"),
];

impl TimeUnit {
    /// NumPy's abbreviation, such as `ns`.
    pub fn symbol(self) -> &'static str {
        UNITS.iter().find(|(unit, _)| *unit == self).map_or("generic", |(_, text)| text)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = if text == "μs" { "us" } else { text };
        UNITS.iter().find(|(_, symbol)| *symbol == text).map(|(unit, _)| *unit)
    }

    /// How many of `finer` make one of `self`, where that is a fixed whole number that fits `i64`.
    pub fn per(self, finer: TimeUnit) -> Option<i64> {
        use TimeUnit::*;
        if self == finer {
            return Some(1);
        }
        let next = match self {
            Year => (Month, 12),
            Week => (Day, 7),
            Day => (Hour, 24),
            Hour => (Minute, 60),
            Minute => (Second, 60),
            Second => (Milli, 1000),
            Milli => (Micro, 1000),
            Micro => (Nano, 1000),
            Nano => (Pico, 1000),
            Pico => (Femto, 1000),
            Femto => (Atto, 1000),
            Generic | Month | Atto => return None,
        };
        if next.0 > finer {
            return None;
        }
        next.0.per(finer)?.checked_mul(next.1)
    }
}

/// The plain dtypes with NumPy's name, type character with size, and size in bytes.
const PLAIN: [(DType, &str, &str, usize); 14] = [
    (DType::Bool, "bool", "b1", 1),
    (DType::I8, "int8", "i1", 1),
    (DType::I16, "int16", "i2", 2),
    (DType::I32, "int32", "i4", 4),
    (DType::I64, "int64", "i8", 8),
    (DType::U8, "uint8", "u1", 1),
    (DType::U16, "uint16", "u2", 2),
    (DType::U32, "uint32", "u4", 4),
    (DType::U64, "uint64", "u8", 8),
    (DType::F16, "float16", "f2", 2),
    (DType::F32, "float32", "f4", 4),
    (DType::F64, "float64", "f8", 8),
    (DType::C64, "complex64", "c8", 8),
    (DType::C128, "complex128", "c16", 16),
];

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::DateTime(_) | DType::TimeDelta(_) => 8,
            plain => PLAIN.iter().find(|row| row.0 == plain).map_or(8, |row| row.3),
        }
    }

    /// The kind of the dtype.
    pub fn kind(self) -> Kind {
        match self {
            DType::Bool => Kind::Bool,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Kind::Signed,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Kind::Unsigned,
            DType::F16 | DType::F32 | DType::F64 => Kind::Float,
            DType::C64 | DType::C128 => Kind::Complex,
            DType::DateTime(_) => Kind::DateTime,
            DType::TimeDelta(_) => Kind::TimeDelta,
        }
    }

    /// Whether it is a real floating-point type.
    pub fn is_float(self) -> bool {
        self.kind() == Kind::Float
    }

    /// Whether it is a complex type.
    pub fn is_complex(self) -> bool {
        self.kind() == Kind::Complex
    }

    /// Whether it is a signed or unsigned integer type; booleans are not.
    pub fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Signed | Kind::Unsigned)
    }

    /// Whether it is a datetime or timedelta.
    pub fn is_time(self) -> bool {
        matches!(self.kind(), Kind::DateTime | Kind::TimeDelta)
    }

    /// The real type of the parts of a complex type; any other type is its own.
    pub fn real(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }

    /// The array protocol's type string, such as `<f8` or `<M8[ns]`.
    pub fn typestr(self) -> String {
        match self {
            DType::DateTime(TimeUnit::Generic) => "<M8".into(),
            DType::TimeDelta(TimeUnit::Generic) => "<m8".into(),
            DType::DateTime(unit) => format!("<M8[{}]", unit.symbol()),
            DType::TimeDelta(unit) => format!("<m8[{}]", unit.symbol()),
            plain => {
                let order = if plain.size() == 1 { '|' } else { '<' };
                PLAIN.iter().find(|row| row.0 == plain).map_or_else(String::new, |row| format!("{order}{}", row.2))
            }
        }
    }

    /// Reads a type string (`<f8`, `|b1`, `M8[ns]`) or a name (`float64`, `datetime64[ns]`).
    ///
    /// # Errors
    /// [`DTypeError::Unknown`] for anything else, big-endian types included.
    ///
    /// ```
    /// # use selion_core::DType;
    /// assert_eq!(DType::parse("<f4"), Ok(DType::F32));
    /// assert_eq!(DType::parse("uint8"), Ok(DType::U8));
    /// assert!(DType::parse(">f4").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<DType, DTypeError> {
        let unknown = || DTypeError::Unknown(text.to_owned());
        let short = text.trim_start_matches(['<', '|', '=']);
        if let Some(row) = PLAIN.iter().find(|row| row.1 == short || row.2 == short) {
            return Ok(row.0);
        }
        let time = |rest: &str| -> Result<TimeUnit, DTypeError> {
            match rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                None if rest.is_empty() => Ok(TimeUnit::Generic),
                Some(unit) => TimeUnit::parse(unit).ok_or_else(unknown),
                None => Err(unknown()),
            }
        };
        for prefix in ["M8", "datetime64"] {
            if let Some(rest) = short.strip_prefix(prefix) {
                return time(rest).map(DType::DateTime);
            }
        }
        for prefix in ["m8", "timedelta64"] {
            if let Some(rest) = short.strip_prefix(prefix) {
                return time(rest).map(DType::TimeDelta);
            }
        }
        Err(unknown())
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DType::DateTime(TimeUnit::Generic) => f.write_str("datetime64"),
            DType::TimeDelta(TimeUnit::Generic) => f.write_str("timedelta64"),
            DType::DateTime(unit) => write!(f, "datetime64[{}]", unit.symbol()),
            DType::TimeDelta(unit) => write!(f, "timedelta64[{}]", unit.symbol()),
            plain => f.write_str(PLAIN.iter().find(|row| row.0 == *plain).map_or("?", |row| row.1)),
        }
    }
}

fn signed(size: usize) -> Option<DType> {
    [DType::I8, DType::I16, DType::I32, DType::I64].into_iter().find(|dtype| dtype.size() == size)
}

/// The smallest float that holds every integer of `size` bytes, as NumPy decides it.
fn float_for_integer(size: usize) -> DType {
    match size {
        1 => DType::F16,
        2 => DType::F32,
        _ => DType::F64,
    }
}

/// The dtype that holds the values of both: NumPy's `result_type` of two arrays.
///
/// # Errors
/// [`DTypeError::NoCommon`] for a datetime and anything that is not a datetime, and the like.
///
/// ```
/// # use selion_core::{DType, promote};
/// assert_eq!(promote(DType::I32, DType::F32), Ok(DType::F64));
/// assert_eq!(promote(DType::I64, DType::U64), Ok(DType::F64));
/// ```
pub fn promote(a: DType, b: DType) -> Result<DType, DTypeError> {
    if a == b {
        return Ok(a);
    }
    let (low, high) = if a.kind() <= b.kind() { (a, b) } else { (b, a) };
    let widest = |x: DType, y: DType| if x.size() >= y.size() { x } else { y };
    let common = match (low.kind(), high.kind()) {
        (x, y) if x == y => match (low, high) {
            (DType::DateTime(x), DType::DateTime(y)) => DType::DateTime(x.max(y)),
            (DType::TimeDelta(x), DType::TimeDelta(y)) => DType::TimeDelta(x.max(y)),
            _ => widest(low, high),
        },
        (Kind::Bool, Kind::DateTime) => return Err(DTypeError::NoCommon(a, b)),
        (Kind::Bool, _) => high,
        (Kind::Unsigned, Kind::Signed) if low.size() < high.size() => high,
        (Kind::Unsigned, Kind::Signed) => signed(low.size() * 2).unwrap_or(DType::F64),
        (Kind::Unsigned | Kind::Signed, Kind::Float) => widest(high, float_for_integer(low.size())),
        (Kind::Unsigned | Kind::Signed, Kind::Complex) => {
            if low.size() <= 2 {
                high
            } else {
                DType::C128
            }
        }
        (Kind::Float, Kind::Complex) => {
            if low == DType::F64 {
                DType::C128
            } else {
                high
            }
        }
        (Kind::Unsigned | Kind::Signed, Kind::TimeDelta) => high,
        _ => return Err(DTypeError::NoCommon(a, b)),
    };
    Ok(common)
}

/// The dtype of an operation between an array and a Python scalar (NEP 50).
///
/// # Errors
/// [`DTypeError::NoCommon`] for a datetime array and a float or complex scalar.
///
/// ```
/// # use selion_core::{DType, Weak, promote_weak};
/// assert_eq!(promote_weak(DType::F32, Weak::Float), Ok(DType::F32));
/// assert_eq!(promote_weak(DType::I8, Weak::Float), Ok(DType::F64));
/// ```
pub fn promote_weak(array: DType, scalar: Weak) -> Result<DType, DTypeError> {
    let default = match scalar {
        Weak::Bool => DType::Bool,
        Weak::Int => DType::I64,
        Weak::Float => DType::F64,
        Weak::Complex => DType::C128,
    };
    match (array.kind(), scalar) {
        (Kind::Bool, _) => Ok(default),
        (Kind::Signed | Kind::Unsigned, Weak::Bool | Weak::Int) => Ok(array),
        (Kind::Signed | Kind::Unsigned, _) => Ok(default),
        (Kind::Float, Weak::Complex) => Ok(if array == DType::F64 { DType::C128 } else { DType::C64 }),
        (Kind::Float | Kind::Complex, _) => Ok(array),
        (Kind::TimeDelta, Weak::Bool | Weak::Int) => Ok(array),
        _ => Err(DTypeError::NoCommon(array, default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_idempotent() {
        for (a, ..) in PLAIN {
            assert_eq!(promote(a, a), Ok(a));
            for (b, ..) in PLAIN {
                assert_eq!(promote(a, b), promote(b, a), "{a} {b}");
            }
        }
    }

    #[test]
    fn typestr_reads_back() {
        for (dtype, ..) in PLAIN {
            assert_eq!(DType::parse(&dtype.typestr()), Ok(dtype));
            assert_eq!(DType::parse(&dtype.to_string()), Ok(dtype));
        }
        for (unit, _) in UNITS {
            assert_eq!(DType::parse(&DType::DateTime(unit).typestr()), Ok(DType::DateTime(unit)));
        }
    }

    #[test]
    fn unit_ratios() {
        assert_eq!(TimeUnit::Day.per(TimeUnit::Nano), Some(86_400_000_000_000));
        assert_eq!(TimeUnit::Year.per(TimeUnit::Month), Some(12));
        assert_eq!(TimeUnit::Year.per(TimeUnit::Day), None);
        assert_eq!(TimeUnit::Nano.per(TimeUnit::Day), None);
    }
}
