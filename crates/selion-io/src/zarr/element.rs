//! Elements in metadata: how the two formats name dtypes, and how they write a fill value.

use selion_core::{DType, Kind, Scalar, TimeUnit, c64, c128, f16};
use serde_json::{Value, json};

/// A dtype as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredType {
    pub(super) dtype: DType,
    pub(super) big_endian: bool,
}

/// The dtype of format 2's `dtype`, such as `<f4` or `>M8[ns]`; otherwise what it is called.
pub(super) fn parse_v2(value: &Value) -> Result<StoredType, String> {
    let unknown = || format!("the data type {value}");
    let text = value.as_str().ok_or_else(unknown)?;
    let (big_endian, rest) = match text.strip_prefix('>') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // `DType::parse` also knows NumPy's names, which format 2 never uses.
    let dtype = if rest.len() > 1 { DType::parse(rest).map_err(|_| unknown())? } else { return Err(unknown()) };
    Ok(StoredType { dtype, big_endian: big_endian && dtype.size() > 1 })
}

/// The dtype of format 3's `data_type`.
pub(super) fn parse_v3(value: &Value) -> Result<DType, String> {
    let unknown = || format!("the data type {value}");
    let name = value.as_str().or_else(|| value.get("name").and_then(Value::as_str)).ok_or_else(unknown)?;
    let time = |of: fn(TimeUnit) -> DType| -> Result<DType, String> {
        let settings = value.get("configuration").ok_or_else(unknown)?;
        let unit = settings.get("unit").and_then(Value::as_str).ok_or_else(unknown)?;
        if settings.get("scale_factor").is_some_and(|factor| factor.as_i64() != Some(1)) {
            return Err(unknown());
        }
        match DType::parse(&format!("M8[{unit}]")) {
            Ok(DType::DateTime(unit)) => Ok(of(unit)),
            _ => Err(unknown()),
        }
    };
    match name {
        "numpy.datetime64" => time(DType::DateTime),
        "numpy.timedelta64" => time(DType::TimeDelta),
        _ => match DType::parse(name) {
            // Only the names, not the type strings that `DType::parse` knows as well.
            Ok(dtype) if dtype.to_string() == name && !dtype.is_time() => Ok(dtype),
            _ => Err(unknown()),
        },
    }
}

/// Format 3's name of a dtype.
pub(super) fn name_v3(dtype: DType) -> Value {
    let time =
        |name: &str, unit: TimeUnit| json!({"name": name, "configuration": {"unit": unit.symbol(), "scale_factor": 1}});
    match dtype {
        DType::DateTime(unit) => time("numpy.datetime64", unit),
        DType::TimeDelta(unit) => time("numpy.timedelta64", unit),
        plain => plain.to_string().into(),
    }
}

/// The value of elements that were never written where the metadata does not say: zero, or NaT.
pub(super) fn default_fill(dtype: DType) -> Scalar {
    if dtype.is_time() { Scalar::with_dtype(i64::MIN, dtype) } else { Scalar::zero(dtype) }
}

/// A fill value from JSON: a number, `true`, `"NaN"`, `"-Infinity"`, `"NaT"`, `"0x7fc00000"` (the bits), a pair of those.
pub(super) fn parse_fill(value: &Value, dtype: DType) -> Option<Scalar> {
    match (dtype.kind(), value) {
        (_, Value::Null) => Some(default_fill(dtype)),
        (Kind::DateTime | Kind::TimeDelta, Value::String(text)) if text == "NaT" => Some(default_fill(dtype)),
        (Kind::Float, _) => float(value, dtype),
        (Kind::Complex, Value::Array(parts)) => match &parts[..] {
            [re, im] => {
                let (re, im) = (float(re, dtype.real())?, float(im, dtype.real())?);
                Some(if dtype == DType::C64 {
                    Scalar::new(c64::new(re.get(), im.get()))
                } else {
                    Scalar::new(c128::new(re.get(), im.get()))
                })
            }
            _ => None,
        },
        (Kind::Complex, _) => parse_fill(&json!([value, 0.0]), dtype),
        (_, Value::Bool(truth)) => Scalar::from_i128((*truth).into(), dtype),
        (_, Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Scalar::from_i128(whole.into(), dtype),
            (_, Some(whole), _) => Scalar::from_i128(whole.into(), dtype),
            (.., Some(real)) if real.fract() == 0.0 => Scalar::from_i128(real as i128, dtype),
            _ => None,
        },
        _ => None,
    }
}

fn float(value: &Value, dtype: DType) -> Option<Scalar> {
    let real = match value {
        Value::Number(number) => number.as_f64()?,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            bits => {
                let bits = u64::from_str_radix(bits.strip_prefix("0x")?, 16).ok()?;
                return Some(match dtype {
                    DType::F16 => Scalar::new(f16::from_bits(u16::try_from(bits).ok()?)),
                    DType::F32 => Scalar::new(f32::from_bits(u32::try_from(bits).ok()?)),
                    _ => Scalar::new(f64::from_bits(bits)),
                });
            }
        },
        _ => return None,
    };
    Some(Scalar::from_f64(real, dtype))
}

/// A fill value as JSON.
pub(super) fn write_fill(fill: Scalar) -> Value {
    let real = |value: f64| match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    };
    match fill.dtype().kind() {
        Kind::Bool => (fill.bytes()[0] != 0).into(),
        Kind::Float => real(fill.to_c128().re),
        Kind::Complex => json!([real(fill.to_c128().re), real(fill.to_c128().im)]),
        Kind::Unsigned => {
            let mut bytes = [0; 8];
            bytes[..fill.bytes().len()].copy_from_slice(fill.bytes());
            u64::from_le_bytes(bytes).into()
        }
        Kind::Signed => match fill.dtype() {
            DType::I8 => fill.get::<i8>().into(),
            DType::I16 => fill.get::<i16>().into(),
            DType::I32 => fill.get::<i32>().into(),
            _ => fill.get::<i64>().into(),
        },
        Kind::DateTime | Kind::TimeDelta => fill.get::<i64>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fill: Scalar, json: Value) {
        assert_eq!(write_fill(fill), json);
        assert_eq!(parse_fill(&json, fill.dtype()), Some(fill));
    }

    #[test]
    fn fill_values_read_back() {
        check(Scalar::new(selion_core::B8(1)), json!(true));
        check(Scalar::new(-5i16), json!(-5));
        check(Scalar::new(u64::MAX), json!(u64::MAX));
        check(Scalar::new(0.1f32), json!(f64::from(0.1f32)));
        check(Scalar::new(f64::NEG_INFINITY), json!("-Infinity"));
        check(Scalar::new(f16::from_f32(1.5)), json!(1.5));
        check(Scalar::new(c64::new(1.0, -2.0)), json!([1.0, -2.0]));
        check(Scalar::with_dtype(i64::MIN, DType::DateTime(TimeUnit::Nano)), json!(i64::MIN));
    }

    #[test]
    fn fill_values_in_other_spellings() {
        assert_eq!(parse_fill(&json!("0x7fc00000"), DType::F32).unwrap().get::<f32>().to_bits(), 0x7fc0_0000);
        assert_eq!(parse_fill(&json!(3.0), DType::I8), Some(Scalar::new(3i8)));
        assert_eq!(parse_fill(&json!(300), DType::I8), None);
        assert_eq!(parse_fill(&json!(0), DType::C64), Some(Scalar::new(c64::new(0.0, 0.0))));
        assert_eq!(parse_fill(&json!("x"), DType::F64), None);
    }

    #[test]
    fn dtypes_read_back() {
        for dtype in [DType::Bool, DType::U16, DType::F16, DType::C128, DType::DateTime(TimeUnit::Second)] {
            assert_eq!(parse_v3(&name_v3(dtype)), Ok(dtype));
            assert_eq!(parse_v2(&json!(dtype.typestr())), Ok(StoredType { dtype, big_endian: false }));
        }
        assert_eq!(parse_v2(&json!(">f8")), Ok(StoredType { dtype: DType::F64, big_endian: true }));
        assert!(parse_v2(&json!("|S5")).unwrap_err().contains("|S5"));
        assert!(parse_v3(&json!("string")).unwrap_err().contains("string"));
    }
}
