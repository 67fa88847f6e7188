//! Functions of real floats: the vectorised ones of [`crate::math`], and the simple ones written here.

use selion_core::{DType, Element, f16};

use super::functor::{Kernel, LoopError, binary_table, unary_table};
use super::{Arg, Op};
use crate::math;

pub(super) fn kernel(op: Op, dtype: DType) -> Option<Kernel> {
    match op {
        Op::Sqrt => return sqrt(dtype),
        Op::Rint => return rint(dtype),
        Op::Fabs => return fabs(dtype),
        Op::Deg2rad => return deg2rad(dtype),
        Op::Rad2deg => return rad2deg(dtype),
        Op::Copysign => return copysign(dtype),
        _ => {}
    }
    macro_rules! vectorised {
        ($($op:ident: $unary_or_binary:ident $f32:ident $f64:ident),* $(,)?) => {
            match (op, dtype) {
                $(
                    (Op::$op, DType::F64) => {
                        Some(|args, out| { $unary_or_binary::<f64>(args, out, math::$f64); Ok(()) })
                    }
                    (Op::$op, DType::F32) => {
                        Some(|args, out| { $unary_or_binary::<f32>(args, out, math::$f32); Ok(()) })
                    }
                    (Op::$op, DType::F16) => {
                        Some(|args, out| through_f32(args, out, |args, out| { $unary_or_binary::<f32>(args, out, math::$f32); Ok(()) }))
                    }
                )*
                _ => None,
            }
        };
    }
    vectorised! {
        Exp: map1 exp_f32 exp_f64, Exp2: map1 exp2_f32 exp2_f64, Expm1: map1 expm1_f32 expm1_f64,
        Log: map1 log_f32 log_f64, Log2: map1 log2_f32 log2_f64, Log10: map1 log10_f32 log10_f64,
        Log1p: map1 log1p_f32 log1p_f64, Sin: map1 sin_f32 sin_f64, Cos: map1 cos_f32 cos_f64, Tan: map1 tan_f32 tan_f64,
        Arcsin: map1 arcsin_f32 arcsin_f64, Arccos: map1 arccos_f32 arccos_f64, Arctan: map1 arctan_f32 arctan_f64,
        Sinh: map1 sinh_f32 sinh_f64, Cosh: map1 cosh_f32 cosh_f64, Tanh: map1 tanh_f32 tanh_f64,
        Arcsinh: map1 arcsinh_f32 arcsinh_f64, Arccosh: map1 arccosh_f32 arccosh_f64,
        Arctanh: map1 arctanh_f32 arctanh_f64, Cbrt: map1 cbrt_f32 cbrt_f64,
        Power: map2 pow_f32 pow_f64, FloatPower: map2 pow_f32 pow_f64, Arctan2: map2 atan2_f32 atan2_f64,
        Hypot: map2 hypot_f32 hypot_f64, Logaddexp: map2 logaddexp_f32 logaddexp_f64,
        Logaddexp2: map2 logaddexp2_f32 logaddexp2_f64,
    }
}

fn map1<T: Element>(args: &[Arg<'_>], out: &mut [u8], function: fn(&[T], &mut [T])) {
    let out: &mut [T] = bytemuck::cast_slice_mut(out);
    match args[0] {
        Arg::Tile(x) => function(bytemuck::cast_slice(x), out),
        Arg::Scalar(x) => {
            let mut value = [x.get()];
            function(&[x.get()], &mut value);
            out.fill(value[0]);
        }
    }
}

fn map2<T: Element>(args: &[Arg<'_>], out: &mut [u8], function: fn(&[T], &[T], &mut [T])) {
    let out: &mut [T] = bytemuck::cast_slice_mut(out);
    let spread = |arg: &Arg<'_>, len: usize| match arg {
        Arg::Tile(_) => Vec::new(),
        Arg::Scalar(value) => vec![value.get::<T>(); len],
    };
    let (same_a, same_b) = (spread(&args[0], out.len()), spread(&args[1], out.len()));
    function(args[0].tile().unwrap_or(&same_a), args[1].tile().unwrap_or(&same_b), out);
}

/// Runs an `f32` kernel on half floats.
fn through_f32(args: &[Arg<'_>], out: &mut [u8], kernel: Kernel) -> Result<(), LoopError> {
    let out: &mut [f16] = bytemuck::cast_slice_mut(out);
    let widen = |arg: &Arg<'_>| -> Vec<f32> {
        match arg {
            Arg::Tile(x) => bytemuck::cast_slice::<_, f16>(x).iter().map(|x| x.to_f32()).collect(),
            Arg::Scalar(x) => vec![x.get::<f16>().to_f32(); out.len()],
        }
    };
    let wide: Vec<Vec<f32>> = args.iter().map(widen).collect();
    let tiles: Vec<Arg<'_>> = wide.iter().map(|values| Arg::Tile(bytemuck::cast_slice(values))).collect();
    let mut result = vec![0.0f32; out.len()];
    kernel(&tiles, bytemuck::cast_slice_mut(&mut result))?;
    for (out, value) in out.iter_mut().zip(result) {
        *out = f16::from_f32(value);
    }
    Ok(())
}

binary_table! {
    copysign: {
        [f32, f64] => same, |a, b| a.copysign(b);
        [f16] => same, |a, b| f16::from_bits((a.to_bits() & 0x7fff) | (b.to_bits() & 0x8000));
    }
}

unary_table! {
    sqrt: {
        [f32, f64] => same, |x| x.sqrt();
        [f16] => same, |x| f16::from_f32(x.to_f32().sqrt());
    }
    rint: {
        [f32, f64] => same, |x| x.round_ties_even();
        [f16] => same, |x| f16::from_f32(x.to_f32().round_ties_even());
    }
    fabs: {
        [f32, f64] => same, |x| x.abs();
        [f16] => same, |x| f16::from_bits(x.to_bits() & 0x7fff);
    }
    deg2rad: {
        [f32] => same, |x| x * (std::f32::consts::PI / 180.0);
        [f64] => same, |x| x * (std::f64::consts::PI / 180.0);
        [f16] => same, |x| f16::from_f32(x.to_f32() * (std::f32::consts::PI / 180.0));
    }
    rad2deg: {
        [f32] => same, |x| x * (180.0 / std::f32::consts::PI);
        [f64] => same, |x| x * (180.0 / std::f64::consts::PI);
        [f16] => same, |x| f16::from_f32(x.to_f32() * (180.0 / std::f32::consts::PI));
    }
}
