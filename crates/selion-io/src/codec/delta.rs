//! Differences between neighbouring elements (numcodecs' `delta`), where they have the type of the elements.

use selion_core::{DType, Element, Kind};
use serde_json::Value;

use super::{Codec, Nature, wrong_length};

/// `delta`: `dtype`, and `astype` if it is the same.
#[derive(Debug)]
pub(crate) struct Delta {
    dtype: DType,
}

impl Delta {
    pub(crate) fn parse(settings: &Value) -> Result<Self, String> {
        let text = |name| settings.get(name).and_then(Value::as_str);
        let dtype = text("dtype").ok_or("delta without a dtype")?;
        if text("astype").is_some_and(|astype| astype != dtype) {
            return Err(format!("delta of {dtype} stored as {}", text("astype").unwrap_or_default()));
        }
        match DType::parse(dtype) {
            Ok(dtype) if matches!(dtype.kind(), Kind::Signed | Kind::Unsigned | Kind::Float) && dtype != DType::F16 => {
                Ok(Delta { dtype })
            }
            _ => Err(format!("delta of {dtype}")),
        }
    }

    fn apply(&self, from: &[u8], to: &mut [u8], undo: bool) {
        match self.dtype {
            DType::I8 | DType::U8 => run(from, to, undo, u8::wrapping_add, u8::wrapping_sub),
            DType::I16 | DType::U16 => run(from, to, undo, u16::wrapping_add, u16::wrapping_sub),
            DType::I32 | DType::U32 => run(from, to, undo, u32::wrapping_add, u32::wrapping_sub),
            DType::F32 => run(from, to, undo, |a: f32, b| a + b, |a, b| a - b),
            DType::F64 => run(from, to, undo, |a: f64, b| a + b, |a, b| a - b),
            _ => run(from, to, undo, u64::wrapping_add, u64::wrapping_sub),
        }
    }
}

fn run<T: Element>(from: &[u8], to: &mut [u8], undo: bool, add: impl Fn(T, T) -> T, sub: impl Fn(T, T) -> T) {
    let mut before = None;
    for (from, to) in from.chunks_exact(size_of::<T>()).zip(to.chunks_exact_mut(size_of::<T>())) {
        let value: T = bytemuck::pod_read_unaligned(from);
        let out = match before {
            None => value,
            Some(before) if undo => add(before, value),
            Some(before) => sub(value, before),
        };
        before = Some(if undo { out } else { value });
        to.copy_from_slice(bytemuck::bytes_of(&out));
    }
}

impl Codec for Delta {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        if encoded.len() != out.len() {
            return Err(wrong_length(encoded.len(), out.len()));
        }
        self.apply(encoded, out, true);
        Ok(())
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; encoded.len()];
        self.apply(encoded, &mut out, true);
        Ok(out)
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; plain.len()];
        self.apply(plain, &mut out, false);
        Ok(out)
    }

    fn nature(&self) -> Nature {
        Nature::Rearrange
    }
}
