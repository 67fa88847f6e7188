//! Comparison, logic, tests of floats, and `where`.

use selion_core::{B8, DType, c64, c128, f16};

use super::functor::{Kernel, LoopError, binary_table, unary_table};
use super::{Arg, Op};
use crate::simd::{Isa, Loop, dispatch};

pub(super) fn kernel(op: Op, dtype: DType) -> Option<Kernel> {
    match op {
        Op::Equal => equal(dtype),
        Op::NotEqual => not_equal(dtype),
        Op::Less => less(dtype),
        Op::LessEqual => less_equal(dtype),
        Op::Greater => greater(dtype),
        Op::GreaterEqual => greater_equal(dtype),
        Op::LogicalAnd => logical_and(dtype),
        Op::LogicalOr => logical_or(dtype),
        Op::LogicalXor => logical_xor(dtype),
        Op::LogicalNot => logical_not(dtype),
        Op::Isnan => isnan(dtype),
        Op::Isinf => isinf(dtype),
        Op::Isfinite => isfinite(dtype),
        Op::Signbit => signbit(dtype),
        _ => None,
    }
}

/// Truth of an element: anything but zero; NaN is true.
trait Truth: Copy {
    fn truth(self) -> bool;
}

macro_rules! truths {
    ($($T:ty: |$x:ident| $body:expr),* $(,)?) => {
        $(impl Truth for $T { #[inline(always)] fn truth(self) -> bool { let $x = self; $body } })*
    };
}

truths! {
    i8: |x| x != 0, i16: |x| x != 0, i32: |x| x != 0, i64: |x| x != 0,
    u8: |x| x != 0, u16: |x| x != 0, u32: |x| x != 0, u64: |x| x != 0,
    f32: |x| x != 0.0, f64: |x| x != 0.0, f16: |x| x != f16::ZERO, B8: |x| x.get(),
    c64: |z| z.re != 0.0 || z.im != 0.0, c128: |z| z.re != 0.0 || z.im != 0.0,
}

/// Complex numbers are ordered by their real part, then by their imaginary part; a NaN in either is before nothing.
macro_rules! lexicographic {
    ($a:ident, $op:tt, $b:ident) => {
        B8::from(if $a.re == $b.re {
            $a.im $op $b.im
        } else {
            ($a.re $op $b.re) & !$a.im.is_nan() & !$b.im.is_nan()
        })
    };
}

binary_table! {
    equal: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128] => bool, |a, b| B8::from(a == b);
        [B8] => bool, |a, b| B8::from(a.get() == b.get());
    }
    not_equal: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128] => bool, |a, b| B8::from(a != b);
        [B8] => bool, |a, b| B8::from(a.get() != b.get());
    }
    less: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64] => bool, |a, b| B8::from(a < b);
        [c64, c128] => bool, |a, b| lexicographic!(a, <, b);
        [B8] => bool, |a, b| B8::from(!a.get() & b.get());
    }
    less_equal: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64] => bool, |a, b| B8::from(a <= b);
        [c64, c128] => bool, |a, b| lexicographic!(a, <=, b);
        [B8] => bool, |a, b| B8::from(!a.get() | b.get());
    }
    greater: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64] => bool, |a, b| B8::from(a > b);
        [c64, c128] => bool, |a, b| lexicographic!(a, >, b);
        [B8] => bool, |a, b| B8::from(a.get() & !b.get());
    }
    greater_equal: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64] => bool, |a, b| B8::from(a >= b);
        [c64, c128] => bool, |a, b| lexicographic!(a, >=, b);
        [B8] => bool, |a, b| B8::from(a.get() | !b.get());
    }
    logical_and: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128, B8] => bool, |a, b| B8::from(a.truth() & b.truth());
    }
    logical_or: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128, B8] => bool, |a, b| B8::from(a.truth() | b.truth());
    }
    logical_xor: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128, B8] => bool, |a, b| B8::from(a.truth() ^ b.truth());
    }
}

unary_table! {
    logical_not: {
        [i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64, c128, B8] => bool, |x| B8::from(!x.truth());
    }
    isnan: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => bool, |_x| B8(0);
        [f16, f32, f64] => bool, |x| B8::from(x.is_nan());
        [c64, c128] => bool, |z| B8::from(z.re.is_nan() | z.im.is_nan());
    }
    isinf: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => bool, |_x| B8(0);
        [f16, f32, f64] => bool, |x| B8::from(x.is_infinite());
        [c64, c128] => bool, |z| B8::from(z.re.is_infinite() | z.im.is_infinite());
    }
    isfinite: {
        [i8, i16, i32, i64, u8, u16, u32, u64, B8] => bool, |_x| B8(1);
        [f16, f32, f64] => bool, |x| B8::from(x.is_finite());
        [c64, c128] => bool, |z| B8::from(z.re.is_finite() & z.im.is_finite());
    }
    signbit: {
        [f16, f32, f64] => bool, |x| B8::from(x.is_sign_negative());
    }
}

/// `where(condition, x, y)`, for elements of `size` bytes.
pub(super) fn select_kernel(size: usize) -> Kernel {
    match size {
        1 => select::<u8>,
        2 => select::<u16>,
        4 => select::<u32>,
        8 => select::<u64>,
        _ => select::<[u64; 2]>,
    }
}

trait Elements<W>: Copy {
    fn at(self, k: usize) -> W;
}

impl<W: Copy> Elements<W> for &[W] {
    #[inline(always)]
    fn at(self, k: usize) -> W {
        self[k]
    }
}

#[derive(Clone, Copy)]
struct Same<W>(W);

impl<W: Copy> Elements<W> for Same<W> {
    #[inline(always)]
    fn at(self, _: usize) -> W {
        self.0
    }
}

struct Select<'a, W, X, Y> {
    condition: &'a [u8],
    x: X,
    y: Y,
    out: &'a mut [W],
}

impl<W: Copy, X: Elements<W>, Y: Elements<W>> Loop for Select<'_, W, X, Y> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (k, (out, condition)) in self.out.iter_mut().zip(self.condition).enumerate() {
            *out = if *condition != 0 { self.x.at(k) } else { self.y.at(k) };
        }
    }
}

fn select<W: bytemuck::Pod>(args: &[Arg<'_>], out: &mut [u8]) -> Result<(), LoopError> {
    fn word<W: bytemuck::Pod>(value: &selion_core::Scalar) -> Same<W> {
        Same(bytemuck::pod_read_unaligned(value.bytes()))
    }
    let out: &mut [W] = bytemuck::cast_slice_mut(out);
    let condition = match args[0] {
        Arg::Tile(condition) => condition,
        Arg::Scalar(value) => {
            let chosen = if value.get::<B8>().get() { &args[1] } else { &args[2] };
            match chosen {
                Arg::Tile(x) => out.copy_from_slice(bytemuck::cast_slice(x)),
                Arg::Scalar(x) => out.fill(word(x).0),
            }
            return Ok(());
        }
    };
    let slice = bytemuck::cast_slice::<u8, W>;
    match (args[1], args[2]) {
        (Arg::Tile(x), Arg::Tile(y)) => {
            dispatch(Select { condition, x: &slice(x)[..out.len()], y: &slice(y)[..out.len()], out })
        }
        (Arg::Tile(x), Arg::Scalar(y)) => dispatch(Select { condition, x: &slice(x)[..out.len()], y: word(y), out }),
        (Arg::Scalar(x), Arg::Tile(y)) => dispatch(Select { condition, x: word(x), y: &slice(y)[..out.len()], out }),
        (Arg::Scalar(x), Arg::Scalar(y)) => dispatch(Select { condition, x: word(x), y: word(y), out }),
    }
    Ok(())
}
