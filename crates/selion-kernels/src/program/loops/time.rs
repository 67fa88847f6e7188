//! Datetimes and timedeltas: 64-bit counts in which the smallest value is NaT, which every operation passes on.

use selion_core::{B8, DType, Kind};

use super::Op;
use super::functor::{Kernel, Map1, Map2, binary, unary};

const NAT: i64 = i64::MIN;

pub(super) fn kernel(op: Op, args: &[DType]) -> Option<Kernel> {
    let second = args.get(1).map(|dtype| dtype.kind());
    let first = args[0].kind();
    Some(match (op, first, second) {
        (Op::Isnat | Op::Isnan, ..) => unary::<IsNat>,
        (Op::Isfinite, ..) => unary::<IsTime>,
        (Op::Isinf, ..) => unary::<Never>,
        (Op::Negative, ..) => unary::<Negate>,
        (Op::Absolute, ..) => unary::<Magnitude>,
        (Op::Sign, ..) => unary::<Sign>,
        (Op::Positive | Op::Real | Op::Conjugate, ..) => unary::<Copy>,
        (Op::Add, ..) => binary::<Add>,
        (Op::Subtract, ..) => binary::<Subtract>,
        (Op::Maximum, ..) => binary::<Maximum>,
        (Op::Minimum, ..) => binary::<Minimum>,
        (Op::Fmax, ..) => binary::<Fmax>,
        (Op::Fmin, ..) => binary::<Fmin>,
        (Op::Equal, ..) => binary::<Equal>,
        (Op::NotEqual, ..) => binary::<NotEqual>,
        (Op::Less, ..) => binary::<Less>,
        (Op::LessEqual, ..) => binary::<LessEqual>,
        (Op::Greater, ..) => binary::<Greater>,
        (Op::GreaterEqual, ..) => binary::<GreaterEqual>,
        (Op::Multiply, Kind::TimeDelta, Some(Kind::Signed)) => binary::<Multiply>,
        (Op::Multiply, Kind::Signed, _) => binary::<Multiply>,
        (Op::Multiply, Kind::TimeDelta, Some(Kind::Float)) => binary::<Scale>,
        (Op::Multiply, Kind::Float, _) => binary::<ScaleLeft>,
        (Op::Divide, Kind::TimeDelta, Some(Kind::TimeDelta)) => binary::<Ratio>,
        (Op::Divide, Kind::TimeDelta, Some(Kind::Float)) => binary::<DivideFloat>,
        (Op::Divide, Kind::TimeDelta, Some(Kind::Signed)) => binary::<DivideWhole>,
        (Op::FloorDivide, Kind::TimeDelta, Some(Kind::TimeDelta)) => binary::<FloorRatio>,
        (Op::FloorDivide, Kind::TimeDelta, Some(Kind::Signed)) => binary::<FloorWhole>,
        (Op::Remainder, Kind::TimeDelta, Some(Kind::TimeDelta)) => binary::<Remainder>,
        _ => return None,
    })
}

macro_rules! unary_times {
    ($($name:ident -> $Out:ty, |$x:ident| $body:expr;)*) => {$(
        struct $name;
        impl Map1 for $name {
            type In = i64;
            type Out = $Out;
            #[inline(always)]
            fn apply($x: i64) -> $Out { $body }
        }
    )*};
}

unary_times! {
    IsNat -> B8, |x| B8::from(x == NAT);
    IsTime -> B8, |x| B8::from(x != NAT);
    Never -> B8, |_x| B8(0);
    Copy -> i64, |x| x;
    Negate -> i64, |x| x.wrapping_neg(); // NaT is its own negative
    Magnitude -> i64, |x| if x == NAT { NAT } else { x.abs() };
    Sign -> i64, |x| if x == NAT { NAT } else { x.signum() };
}

macro_rules! binary_times {
    ($($name:ident($A:ty, $B:ty) -> $Out:ty, |$a:ident, $b:ident| $body:expr;)*) => {$(
        struct $name;
        impl Map2 for $name {
            type Left = $A;
            type Right = $B;
            type Out = $Out;
            #[inline(always)]
            fn apply($a: $A, $b: $B) -> $Out { $body }
        }
    )*};
}

#[inline(always)]
fn unless_nat(a: i64, b: i64, value: i64) -> i64 {
    if a == NAT || b == NAT { NAT } else { value }
}

#[inline(always)]
fn from_float(value: f64) -> i64 {
    if value.is_finite() { value as i64 } else { NAT }
}

#[inline(always)]
fn floor_divide(a: i64, b: i64) -> i64 {
    if b == 0 {
        return 0;
    }
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

binary_times! {
    Add(i64, i64) -> i64, |a, b| unless_nat(a, b, a.wrapping_add(b));
    Subtract(i64, i64) -> i64, |a, b| unless_nat(a, b, a.wrapping_sub(b));
    Multiply(i64, i64) -> i64, |a, b| unless_nat(a, b, a.wrapping_mul(b));
    Maximum(i64, i64) -> i64, |a, b| unless_nat(a, b, a.max(b));
    Minimum(i64, i64) -> i64, |a, b| unless_nat(a, b, a.min(b));
    Fmax(i64, i64) -> i64, |a, b| a.max(b); // NaT is the smallest value
    Fmin(i64, i64) -> i64, |a, b| if a == NAT { b } else if b == NAT { a } else { a.min(b) };
    Equal(i64, i64) -> B8, |a, b| B8::from(a == b && a != NAT);
    NotEqual(i64, i64) -> B8, |a, b| B8::from(a != b || a == NAT);
    Less(i64, i64) -> B8, |a, b| B8::from(a < b && a != NAT && b != NAT);
    LessEqual(i64, i64) -> B8, |a, b| B8::from(a <= b && a != NAT && b != NAT);
    Greater(i64, i64) -> B8, |a, b| B8::from(a > b && a != NAT && b != NAT);
    GreaterEqual(i64, i64) -> B8, |a, b| B8::from(a >= b && a != NAT && b != NAT);
    Scale(i64, f64) -> i64, |a, b| if a == NAT { NAT } else { from_float(a as f64 * b) };
    ScaleLeft(f64, i64) -> i64, |a, b| if b == NAT { NAT } else { from_float(a * b as f64) };
    DivideFloat(i64, f64) -> i64, |a, b| if a == NAT { NAT } else { from_float(a as f64 / b) };
    DivideWhole(i64, i64) -> i64, |a, b| if a == NAT || b == 0 { NAT } else { a.wrapping_div(b) };
    FloorWhole(i64, i64) -> i64, |a, b| if a == NAT || b == 0 { NAT } else { floor_divide(a, b) };
    Ratio(i64, i64) -> f64, |a, b| if a == NAT || b == NAT { f64::NAN } else { a as f64 / b as f64 };
    FloorRatio(i64, i64) -> i64, |a, b| if a == NAT || b == NAT { 0 } else { floor_divide(a, b) };
    Remainder(i64, i64) -> i64, |a, b| if a == NAT || b == NAT || b == 0 { NAT } else { a - b * floor_divide(a, b) };
}
