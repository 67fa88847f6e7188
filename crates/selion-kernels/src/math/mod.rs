//! Transcendental functions on slices.
//!
//! The functions of C's `math.h` that NumPy calls once per element, as loops that the compiler vectorises. Each body is
//! a straight line of arithmetic on one element: both sides of every case are computed and one is selected, integers
//! are extracted by bit arithmetic, and there are no tables. [`simd::dispatch`](crate::simd::dispatch) compiles the
//! loop around it for each instruction set.
//!
//! | file | functions |
//! |---|---|
//! | `exp.rs` | `exp`, `exp2`, `expm1` |
//! | `log.rs` | `log`, `log2`, `log10`, `log1p`, `logaddexp`, `logaddexp2` |
//! | `trig.rs` | `sin`, `cos`, `tan` |
//! | `inverse_trig.rs` | `arcsin`, `arccos`, `arctan`, `atan2` |
//! | `hyperbolic.rs` | `sinh`, `cosh`, `tanh`, `arcsinh`, `arccosh`, `arctanh` |
//! | `power.rs` | `pow`, `cbrt`, `hypot` |
//! | `num.rs` | what the bodies share: selection, rounding, exact sums and products |
//!
//! Special values (NaN, infinities, signed zeros, subnormals, overflow, arguments outside the domain) follow C99
//! Annex F, as NumPy does. `f32` functions evaluate in `f64` and round once, some with shorter polynomials, so they are
//! nearly correctly rounded. Results may differ in the last bits between instruction sets with and without fused
//! multiply-add; on one CPU the result for an element depends neither on its position nor on the length of the slice.
//!
//! Inputs and output must have the same length.
//!
//! The polynomials' coefficients are minimax fits (Remez exchange at 400 bits, then rounded).

#[macro_use]
mod num;
mod exp;
mod hyperbolic;
mod inverse_trig;
mod log;
mod power;
#[cfg(test)]
mod tests;
mod trig;

pub use exp::*;
pub use hyperbolic::*;
pub use inverse_trig::*;
pub use log::*;
pub use power::*;
pub use trig::*;
