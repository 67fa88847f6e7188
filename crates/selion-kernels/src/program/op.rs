//! The elementwise operations, and which loop NumPy would choose for given dtypes.
//!
//! An operation is NumPy's ufunc of the same name. [`Op::resolve`] says to which dtypes the arguments are cast and what
//! comes out; the loops themselves are in `loops`. Operations between datetimes and timedeltas cast to a common unit first.

use selion_core::{DType, DTypeError, Kind, TimeUnit, promote};
use smallvec::{SmallVec, smallvec};

macro_rules! ops {
    ($($variant:ident $name:literal $arity:literal),* $(,)?) => {
        /// An elementwise operation, named as NumPy's ufunc.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum Op { $($variant),* }

        impl Op {
            /// Every operation.
            pub const ALL: &[Op] = &[$(Op::$variant),*];

            /// NumPy's name.
            pub fn name(self) -> &'static str {
                match self { $(Op::$variant => $name),* }
            }

            /// The number of arguments.
            pub fn arity(self) -> usize {
                match self { $(Op::$variant => $arity),* }
            }
        }
    };
}

ops! {
    Negative "negative" 1, Positive "positive" 1, Absolute "absolute" 1, Fabs "fabs" 1, Sign "sign" 1,
    Square "square" 1, Reciprocal "reciprocal" 1, Sqrt "sqrt" 1, Cbrt "cbrt" 1,
    Exp "exp" 1, Exp2 "exp2" 1, Expm1 "expm1" 1, Log "log" 1, Log2 "log2" 1, Log10 "log10" 1, Log1p "log1p" 1,
    Sin "sin" 1, Cos "cos" 1, Tan "tan" 1, Arcsin "arcsin" 1, Arccos "arccos" 1, Arctan "arctan" 1,
    Sinh "sinh" 1, Cosh "cosh" 1, Tanh "tanh" 1, Arcsinh "arcsinh" 1, Arccosh "arccosh" 1, Arctanh "arctanh" 1,
    Deg2rad "deg2rad" 1, Rad2deg "rad2deg" 1,
    Floor "floor" 1, Ceil "ceil" 1, Trunc "trunc" 1, Rint "rint" 1,
    Isnan "isnan" 1, Isinf "isinf" 1, Isfinite "isfinite" 1, Isnat "isnat" 1, Signbit "signbit" 1,
    LogicalNot "logical_not" 1, Invert "invert" 1, Real "real" 1, Imag "imag" 1, Conjugate "conjugate" 1,
    Add "add" 2, Subtract "subtract" 2, Multiply "multiply" 2, Divide "divide" 2, FloorDivide "floor_divide" 2,
    Remainder "remainder" 2, Fmod "fmod" 2, Power "power" 2, FloatPower "float_power" 2,
    Maximum "maximum" 2, Minimum "minimum" 2, Fmax "fmax" 2, Fmin "fmin" 2,
    Equal "equal" 2, NotEqual "not_equal" 2, Less "less" 2, LessEqual "less_equal" 2, Greater "greater" 2,
    GreaterEqual "greater_equal" 2, LogicalAnd "logical_and" 2, LogicalOr "logical_or" 2, LogicalXor "logical_xor" 2,
    BitwiseAnd "bitwise_and" 2, BitwiseOr "bitwise_or" 2, BitwiseXor "bitwise_xor" 2,
    LeftShift "left_shift" 2, RightShift "right_shift" 2,
    Arctan2 "arctan2" 2, Hypot "hypot" 2, Copysign "copysign" 2, Logaddexp "logaddexp" 2, Logaddexp2 "logaddexp2" 2,
    Where "where" 3,
}

/// The dtypes of a chosen loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// To what each argument is cast.
    pub args: SmallVec<[DType; 3]>,
    /// What comes out.
    pub result: DType,
}

/// Why there is no loop for given dtypes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// The operation does not exist for these dtypes.
    #[error("ufunc '{op}' not supported for the input types {dtypes:?}")]
    Unsupported {
        /// The operation's name.
        op: &'static str,
        /// The dtypes it was asked for.
        dtypes: Vec<DType>,
    },
    /// NumPy's own words for `True - True` and `-True`.
    #[error(
        "numpy boolean {op}, the `-` operator, is not supported, use the bitwise_xor, the `^` operator, or the logical_xor function instead."
    )]
    Boolean {
        /// `subtract` or `negative`.
        op: &'static str,
    },
    /// The arguments have no common dtype.
    #[error(transparent)]
    Promotion(#[from] DTypeError),
}

impl Op {
    /// The operation with NumPy's name.
    pub fn from_name(name: &str) -> Option<Op> {
        let alias = match name {
            "abs" => "absolute",
            "true_divide" => "divide",
            "mod" => "remainder",
            "bitwise_not" => "invert",
            "conj" => "conjugate",
            "radians" => "deg2rad",
            "degrees" => "rad2deg",
            name => name,
        };
        Op::ALL.iter().copied().find(|op| op.name() == alias)
    }

    /// The loop that NumPy would use for arguments of these dtypes.
    ///
    /// # Errors
    /// [`OpError`], where NumPy raises `TypeError`.
    ///
    /// ```
    /// # use selion_core::DType;
    /// # use selion_kernels::program::Op;
    /// let signature = Op::Divide.resolve(&[DType::I32, DType::I32])?;
    /// assert_eq!(signature.result, DType::F64);
    /// assert!(Op::BitwiseAnd.resolve(&[DType::F64, DType::F64]).is_err());
    /// # Ok::<(), selion_kernels::program::OpError>(())
    /// ```
    pub fn resolve(self, dtypes: &[DType]) -> Result<Signature, OpError> {
        let unsupported = || OpError::Unsupported { op: self.name(), dtypes: dtypes.to_vec() };
        if dtypes.len() != self.arity() {
            return Err(unsupported());
        }
        if dtypes.iter().any(|dtype| dtype.is_time()) {
            return self.resolve_time(dtypes).ok_or_else(unsupported);
        }
        match self.arity() {
            1 => self.resolve_unary(dtypes[0]).ok_or_else(|| match (self, dtypes[0]) {
                (Op::Negative, DType::Bool) => OpError::Boolean { op: "negative" },
                _ => unsupported(),
            }),
            2 => {
                // These have float loops only: the first that takes both, which for i8 and u8 is f16, not that of i16.
                let floats = matches!(self, Op::Arctan2 | Op::Hypot | Op::Copysign | Op::Logaddexp | Op::Logaddexp2);
                let dtypes = if floats { [floating(dtypes[0]), floating(dtypes[1])] } else { [dtypes[0], dtypes[1]] };
                let common = promote(dtypes[0], dtypes[1])?;
                self.resolve_binary(common).ok_or_else(|| match (self, common) {
                    (Op::Subtract, DType::Bool) => OpError::Boolean { op: "subtract" },
                    _ => unsupported(),
                })
            }
            _ => {
                let common = promote(dtypes[1], dtypes[2])?;
                Ok(Signature { args: smallvec![DType::Bool, common, common], result: common })
            }
        }
    }

    fn resolve_unary(self, x: DType) -> Option<Signature> {
        use Op::*;
        let same = |dtype: DType| Some(Signature { args: smallvec![dtype], result: dtype });
        let to = |dtype: DType, result: DType| Some(Signature { args: smallvec![dtype], result });
        match self {
            Negative | Sign | Positive if x == DType::Bool => None,
            Square | Reciprocal | Conjugate if x == DType::Bool => same(DType::I8),
            Negative | Positive | Sign | Square | Reciprocal | Conjugate => same(x),
            Absolute => to(x, x.real()),
            Real | Imag => to(x, x.real()),
            Floor | Ceil | Trunc if !x.is_float() => (!x.is_complex()).then(|| same(x)).flatten(),
            Rint if !x.is_complex() => same(floating(x)),
            Floor | Ceil | Trunc | Rint => same(x),
            Fabs | Cbrt | Deg2rad | Rad2deg => (!x.is_complex()).then(|| same(floating(x))).flatten(),
            Signbit => (!x.is_complex()).then(|| to(floating(x), DType::Bool)).flatten(),
            Isnan | Isinf | Isfinite => to(x, DType::Bool),
            LogicalNot => to(x, DType::Bool),
            Invert => (x == DType::Bool || x.is_integer()).then(|| same(x)).flatten(),
            Isnat => None,
            _ => same(floating(x)),
        }
    }

    fn resolve_binary(self, common: DType) -> Option<Signature> {
        use Op::*;
        let to = |dtype: DType, result: DType| Some(Signature { args: smallvec![dtype, dtype], result });
        let same = |dtype: DType| to(dtype, dtype);
        let small = if common == DType::Bool { DType::I8 } else { common };
        match self {
            Subtract if common == DType::Bool => None,
            Add | Subtract | Multiply | Maximum | Minimum | Fmax | Fmin => same(common),
            Divide => same(if common.is_float() || common.is_complex() { common } else { DType::F64 }),
            FloorDivide | Remainder | Fmod => (!common.is_complex()).then(|| same(small)).flatten(),
            Power => same(small),
            FloatPower => same(if common.is_complex() { DType::C128 } else { DType::F64 }),
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => to(common, DType::Bool),
            LogicalAnd | LogicalOr | LogicalXor => to(common, DType::Bool),
            BitwiseAnd | BitwiseOr | BitwiseXor => {
                (common == DType::Bool || common.is_integer()).then(|| same(common)).flatten()
            }
            LeftShift | RightShift => small.is_integer().then(|| same(small)).flatten(),
            Arctan2 | Hypot | Copysign | Logaddexp | Logaddexp2 => {
                (!common.is_complex()).then(|| same(floating(common))).flatten()
            }
            _ => None,
        }
    }

    fn resolve_time(self, dtypes: &[DType]) -> Option<Signature> {
        use DType::{DateTime, TimeDelta};
        use Op::*;
        let finer = |a: TimeUnit, b: TimeUnit| a.max(b);
        let signature = |args: &[DType], result: DType| Some(Signature { args: SmallVec::from_slice(args), result });
        match (self, dtypes) {
            (Isnat, [time]) => signature(&[*time], DType::Bool),
            (Isfinite | Isinf | Isnan, [time]) => signature(&[*time], DType::Bool),
            (Negative | Positive | Absolute | Sign, [delta @ TimeDelta(_)]) => signature(&[*delta], *delta),
            (Real | Conjugate, [time]) => signature(&[*time], *time),
            (Where, [_, x, y]) => {
                let common = promote(*x, *y).ok()?;
                signature(&[DType::Bool, common, common], common)
            }
            (Add, [DateTime(a), TimeDelta(b)]) => {
                let unit = finer(*a, *b);
                signature(&[DateTime(unit), TimeDelta(unit)], DateTime(unit))
            }
            (Add, [TimeDelta(a), DateTime(b)]) => {
                let unit = finer(*a, *b);
                signature(&[TimeDelta(unit), DateTime(unit)], DateTime(unit))
            }
            (Subtract, [DateTime(a), DateTime(b)]) => {
                let unit = finer(*a, *b);
                signature(&[DateTime(unit), DateTime(unit)], TimeDelta(unit))
            }
            (Subtract, [DateTime(a), TimeDelta(b)]) => {
                let unit = finer(*a, *b);
                signature(&[DateTime(unit), TimeDelta(unit)], DateTime(unit))
            }
            (Add | Subtract, [DateTime(unit), x]) if x.is_integer() => {
                signature(&[DateTime(*unit), TimeDelta(*unit)], DateTime(*unit))
            }
            (Divide, [TimeDelta(a), TimeDelta(b)]) => {
                let delta = TimeDelta(finer(*a, *b));
                signature(&[delta, delta], DType::F64)
            }
            (FloorDivide, [TimeDelta(a), TimeDelta(b)]) => {
                let delta = TimeDelta(finer(*a, *b));
                signature(&[delta, delta], DType::I64)
            }
            (Multiply, [TimeDelta(unit), x]) if x.is_integer() || *x == DType::Bool => {
                signature(&[TimeDelta(*unit), DType::I64], TimeDelta(*unit))
            }
            (Multiply, [x, TimeDelta(unit)]) if x.is_integer() || *x == DType::Bool => {
                signature(&[DType::I64, TimeDelta(*unit)], TimeDelta(*unit))
            }
            (Multiply | Divide, [TimeDelta(unit), x]) if x.is_float() => {
                signature(&[TimeDelta(*unit), DType::F64], TimeDelta(*unit))
            }
            (Multiply, [x, TimeDelta(unit)]) if x.is_float() => {
                signature(&[DType::F64, TimeDelta(*unit)], TimeDelta(*unit))
            }
            (Divide | FloorDivide, [TimeDelta(unit), x]) if x.is_integer() => {
                signature(&[TimeDelta(*unit), DType::I64], TimeDelta(*unit))
            }
            (Add | Subtract | Maximum | Minimum | Fmax | Fmin | Remainder, [x, y]) => {
                let common = promote(*x, *y).ok()?;
                let allowed = common.kind() == Kind::TimeDelta || !matches!(self, Add | Subtract | Remainder);
                allowed.then(|| signature(&[common, common], common)).flatten()
            }
            (Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual, [x, y]) => {
                let common = promote(*x, *y).ok()?;
                signature(&[common, common], DType::Bool)
            }
            _ => None,
        }
    }
}

/// The float type in which a float-valued function of `x` is computed.
fn floating(x: DType) -> DType {
    match (x.kind(), x.size()) {
        (Kind::Bool | Kind::Unsigned | Kind::Signed, 1) => DType::F16,
        (Kind::Unsigned | Kind::Signed, 2) => DType::F32,
        (Kind::Unsigned | Kind::Signed, _) => DType::F64,
        _ => x,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(op: Op, dtypes: &[DType], result: DType) {
        assert_eq!(op.resolve(dtypes).map(|signature| signature.result), Ok(result), "{} {dtypes:?}", op.name());
    }

    #[test]
    fn loops_are_numpys() {
        check(Op::Sqrt, &[DType::I8], DType::F16);
        check(Op::Sqrt, &[DType::I32], DType::F64);
        check(Op::Add, &[DType::U8, DType::I8], DType::I16);
        check(Op::Divide, &[DType::I8, DType::I8], DType::F64);
        check(Op::FloorDivide, &[DType::Bool, DType::Bool], DType::I8);
        check(Op::Absolute, &[DType::C64], DType::F32);
        check(Op::Floor, &[DType::I32], DType::I32);
        let (day, second) = (TimeUnit::Day, TimeUnit::Second);
        check(Op::Subtract, &[DType::DateTime(day), DType::DateTime(second)], DType::TimeDelta(second));
    }

    #[test]
    fn names_read_back() {
        for op in Op::ALL {
            assert_eq!(Op::from_name(op.name()), Some(*op));
        }
        assert_eq!(Op::from_name("true_divide"), Some(Op::Divide));
    }

    #[test]
    fn booleans_are_not_subtracted() {
        assert_eq!(Op::Subtract.resolve(&[DType::Bool; 2]), Err(OpError::Boolean { op: "subtract" }));
    }
}
