//! Rust's operators on arrays. They return `Result`, since shapes and dtypes may not go together.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use selion_kernels::program::Op;

use crate::elementwise::{Operand, ufunc};
use crate::error::Result;
use crate::expr::Array;

macro_rules! operators {
    ($($Trait:ident $method:ident $op:ident;)*) => {$(
        impl<T: Into<Operand>> $Trait<T> for &Array {
            type Output = Result<Array>;
            fn $method(self, other: T) -> Result<Array> {
                ufunc(Op::$op, &[self.into(), other.into()])
            }
        }

        impl<T: Into<Operand>> $Trait<T> for Array {
            type Output = Result<Array>;
            fn $method(self, other: T) -> Result<Array> {
                ufunc(Op::$op, &[self.into(), other.into()])
            }
        }
    )*};
}

operators! {
    Add add Add;
    Sub sub Subtract;
    Mul mul Multiply;
    Div div Divide;
    Rem rem Remainder;
}

impl Neg for &Array {
    type Output = Result<Array>;
    fn neg(self) -> Result<Array> {
        self.unary(Op::Negative)
    }
}
