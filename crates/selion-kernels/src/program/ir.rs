//! A program: operations in static single assignment, from inputs to outputs.
//!
//! The builder casts arguments as NumPy would, folds constants, and gives equal instructions one register. A finished
//! program has its tile registers allocated, so that running a block decides nothing but how to walk it.

use std::collections::HashMap;
use std::fmt;

use selion_core::{DType, Scalar, Steps};
use smallvec::{SmallVec, smallvec};

use super::loops::{Arg, Kernel, cast_kernel, kernel};
use super::machine::{Plan, plan};
use super::op::{Op, OpError};
use super::reduce::ReduceOp;
use crate::random::{Distribution, Key};

/// The result of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reg(pub(crate) u32);

impl Reg {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step of a program.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Instr {
    /// The elements of input number `slot`.
    Input {
        /// Which of the inputs that [`Program::run`] is given.
        slot: usize,
    },
    /// The same value everywhere.
    Constant(Scalar),
    /// An index sequence: element `i, j, …` is `offset + i·s₀ + j·s₁ + …`, as `int64`.
    Index {
        /// Which of the affine sequences that [`Program::run`] is given.
        slot: usize,
    },
    /// An operation on registers that have the dtypes of its loop.
    Apply {
        /// The operation.
        op: Op,
        /// Its arguments.
        args: SmallVec<[Reg; 3]>,
    },
    /// A conversion.
    Cast(Reg),
    /// Random numbers, each a function of the key and its index.
    Random {
        /// The distribution.
        distribution: Distribution,
        /// From the generator's seed.
        key: Key,
        /// Which affine sequence numbers the elements.
        slot: usize,
        /// The distribution's parameters, `float64` or `int64`.
        params: SmallVec<[Reg; 3]>,
    },
}

/// A result of a program.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Output {
    /// A block of the shape that was walked.
    Store(Reg),
    /// The state of a partial reduction: see [`ReduceOp::state_dtypes`].
    Reduce {
        /// What to accumulate.
        op: ReduceOp,
        /// Of which elements.
        value: Reg,
        /// For `argmin` and its kin, the index of each element.
        index: Option<Reg>,
        /// Bit `k` says that axis `k` is reduced; it has length 1 in the state.
        axes: u64,
    },
}

/// An index sequence over the block that a program walks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Affine {
    /// The value of the first element.
    pub offset: i64,
    /// What one step along each axis adds.
    pub strides: Steps,
}

/// A fused program, ready to run.
pub struct Program {
    pub(crate) instrs: Vec<(Instr, DType)>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) plan: Plan,
}

impl Program {
    /// The dtype of a register.
    pub fn dtype(&self, reg: Reg) -> DType {
        self.instrs[reg.index()].1
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The number of operations, without loads and constants.
    pub fn operation_count(&self) -> usize {
        self.instrs.iter().filter(|(instr, _)| !matches!(instr, Instr::Input { .. } | Instr::Constant(_))).count()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (instr, dtype)) in self.instrs.iter().enumerate() {
            write!(f, "%{at}: {dtype} = ")?;
            match instr {
                Instr::Input { slot } => writeln!(f, "input {slot}")?,
                Instr::Constant(value) => writeln!(f, "{value}")?,
                Instr::Index { slot } => writeln!(f, "index {slot}")?,
                Instr::Apply { op, args } => {
                    let args: Vec<String> = args.iter().map(|arg| format!("%{}", arg.0)).collect();
                    writeln!(f, "{} {}", op.name(), args.join(" "))?;
                }
                Instr::Cast(arg) => writeln!(f, "cast %{}", arg.0)?,
                Instr::Random { distribution, slot, .. } => writeln!(f, "{} index {slot}", distribution.name())?,
            }
        }
        for output in &self.outputs {
            match output {
                Output::Store(reg) => writeln!(f, "store %{}", reg.0)?,
                Output::Reduce { op, value, axes, .. } => {
                    let axes: Vec<u32> = (0..64).filter(|axis| axes >> axis & 1 == 1).collect();
                    writeln!(f, "{} %{} over {axes:?}", op.name(), value.0)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes a [`Program`].
///
/// ```
/// use selion_core::{Chunk, DType, Scalar};
/// use selion_kernels::program::{Op, Output, ProgramBuilder};
///
/// let mut builder = ProgramBuilder::default();
/// let x = builder.input(0, DType::F64);
/// let one = builder.constant(Scalar::new(1.0));
/// let sum = builder.apply(Op::Add, &[x, one])?;
/// let program = builder.finish(vec![Output::Store(sum)]);
///
/// let block = Chunk::from_values(&[3], &[1.0, 2.0, 3.0]);
/// let out = program.run(&[3], &[block], &[])?;
/// assert_eq!(out[0].to_vec::<f64>(), [2.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ProgramBuilder {
    instrs: Vec<(Instr, DType)>,
    known: HashMap<(Instr, DType), Reg>,
}

impl ProgramBuilder {
    fn push(&mut self, instr: Instr, dtype: DType) -> Reg {
        let next = Reg(self.instrs.len() as u32);
        *self.known.entry((instr.clone(), dtype)).or_insert_with(|| {
            self.instrs.push((instr, dtype));
            next
        })
    }

    /// The elements of input number `slot`.
    pub fn input(&mut self, slot: usize, dtype: DType) -> Reg {
        self.push(Instr::Input { slot }, dtype)
    }

    /// The same value everywhere.
    pub fn constant(&mut self, value: Scalar) -> Reg {
        self.push(Instr::Constant(value), value.dtype())
    }

    /// Affine sequence number `slot`, as `int64`.
    pub fn index(&mut self, slot: usize) -> Reg {
        self.push(Instr::Index { slot }, DType::I64)
    }

    /// Random numbers of a distribution; parameters are cast to `float64`, integers to `int64`.
    ///
    /// # Errors
    /// [`OpError`], if a parameter cannot be cast.
    pub fn random(
        &mut self,
        distribution: Distribution,
        key: Key,
        slot: usize,
        params: &[Reg],
    ) -> Result<Reg, OpError> {
        let mut cast: SmallVec<[Reg; 3]> = SmallVec::new();
        for param in params {
            let to = if self.dtype(*param).is_integer() { DType::I64 } else { DType::F64 };
            cast.push(self.cast(*param, to)?);
        }
        let dtype = if distribution.result_is_integer() { DType::I64 } else { DType::F64 };
        Ok(self.push(Instr::Random { distribution, key, slot, params: cast }, dtype))
    }

    /// The dtype of a register.
    pub fn dtype(&self, reg: Reg) -> DType {
        self.instrs[reg.index()].1
    }

    /// The value of a register that is a constant.
    pub fn constant_value(&self, reg: Reg) -> Option<Scalar> {
        match &self.instrs[reg.index()].0 {
            Instr::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// An operation, its arguments cast as NumPy would.
    ///
    /// # Errors
    /// [`OpError`], where NumPy raises `TypeError`.
    pub fn apply(&mut self, op: Op, args: &[Reg]) -> Result<Reg, OpError> {
        let dtypes: SmallVec<[DType; 3]> = args.iter().map(|arg| self.dtype(*arg)).collect();
        let signature = op.resolve(&dtypes)?;
        let unsupported = || OpError::Unsupported { op: op.name(), dtypes: dtypes.to_vec() };
        let mut cast: SmallVec<[Reg; 3]> = SmallVec::new();
        for (arg, dtype) in args.iter().zip(&signature.args) {
            cast.push(self.cast(*arg, *dtype)?);
        }
        if let Some(simpler) = self.simplify(op, &cast) {
            return simpler;
        }
        let loop_kernel = kernel(op, &signature).ok_or_else(unsupported)?;
        if let Some(value) = self.fold(loop_kernel, &cast, signature.result) {
            return Ok(self.constant(value));
        }
        Ok(self.push(Instr::Apply { op, args: cast }, signature.result))
    }

    /// Operations that equal a cheaper one exactly.
    fn simplify(&mut self, op: Op, args: &[Reg]) -> Option<Result<Reg, OpError>> {
        let floats = self.dtype(args[0]).is_float();
        match op {
            Op::Power if floats => {
                // NumPy takes the same short cuts.
                let exponent = self.constant_value(args[1])?.to_c128().re;
                let cheaper = match exponent {
                    2.0 => Op::Square,
                    0.5 => Op::Sqrt,
                    1.0 => Op::Positive,
                    -1.0 => Op::Reciprocal,
                    _ => return None,
                };
                Some(self.apply(cheaper, &args[..1]))
            }
            Op::Positive | Op::Conjugate | Op::Real if !self.dtype(args[0]).is_complex() => Some(Ok(args[0])),
            Op::Multiply if args[0] == args[1] && !self.dtype(args[0]).is_time() => {
                (self.dtype(args[0]) != DType::Bool).then(|| self.apply(Op::Square, &args[..1]))
            }
            _ => None,
        }
    }

    fn fold(&self, kernel: Kernel, args: &[Reg], dtype: DType) -> Option<Scalar> {
        let values: SmallVec<[Scalar; 3]> = args.iter().map(|arg| self.constant_value(*arg)).collect::<Option<_>>()?;
        let args: SmallVec<[Arg<'_>; 3]> = values.iter().map(Arg::Scalar).collect();
        let mut out = Scalar::zero(dtype);
        let mut bytes = [0u64; 2];
        let out_bytes = &mut bytemuck::bytes_of_mut(&mut bytes)[..dtype.size()];
        kernel(&args, out_bytes).ok()?;
        out = Scalar::from_bytes(out.dtype(), out_bytes);
        Some(out)
    }

    /// A conversion, left out where the dtype is right already.
    ///
    /// # Errors
    /// [`OpError::Unsupported`] between units of time without a fixed factor.
    pub fn cast(&mut self, reg: Reg, to: DType) -> Result<Reg, OpError> {
        let from = self.dtype(reg);
        if from == to {
            return Ok(reg);
        }
        match cast_kernel(from, to) {
            Some(kernel) => {
                if let Some(value) = self.fold(kernel, &[reg], to) {
                    return Ok(self.constant(value));
                }
            }
            None if super::loops::time_factor(from, to).is_some() => {}
            None => return Err(OpError::Unsupported { op: "astype", dtypes: vec![from, to] }),
        }
        Ok(self.push(Instr::Cast(reg), to))
    }

    /// The program that gives `outputs`; what none of them needs is dropped.
    pub fn finish(self, outputs: Vec<Output>) -> Program {
        let mut needed = vec![false; self.instrs.len()];
        for output in &outputs {
            match output {
                Output::Store(reg) => needed[reg.index()] = true,
                Output::Reduce { value, index, .. } => {
                    needed[value.index()] = true;
                    if let Some(index) = index {
                        needed[index.index()] = true;
                    }
                }
            }
        }
        for at in (0..self.instrs.len()).rev() {
            if needed[at] {
                for arg in args_of(&self.instrs[at].0) {
                    needed[arg.index()] = true;
                }
            }
        }
        let mut renamed = vec![Reg(0); self.instrs.len()];
        let mut instrs = Vec::with_capacity(self.instrs.len());
        for (at, (mut instr, dtype)) in self.instrs.into_iter().enumerate() {
            if needed[at] {
                renamed[at] = Reg(instrs.len() as u32);
                rename(&mut instr, &renamed);
                instrs.push((instr, dtype));
            }
        }
        let rename_output = |output| match output {
            Output::Store(reg) => Output::Store(renamed[Reg::index(reg)]),
            Output::Reduce { op, value, index, axes } => Output::Reduce {
                op,
                value: renamed[Reg::index(value)],
                index: index.map(|index: Reg| renamed[index.index()]),
                axes,
            },
        };
        let outputs: Vec<Output> = outputs.into_iter().map(rename_output).collect();
        let plan = plan(&instrs, &outputs);
        Program { instrs, outputs, plan }
    }
}

/// The registers that an instruction reads.
pub(crate) fn args_of(instr: &Instr) -> SmallVec<[Reg; 3]> {
    match instr {
        Instr::Apply { args, .. } => args.clone(),
        Instr::Cast(arg) => smallvec![*arg],
        Instr::Random { params, .. } => params.clone(),
        Instr::Input { .. } | Instr::Constant(_) | Instr::Index { .. } => SmallVec::new(),
    }
}

fn rename(instr: &mut Instr, names: &[Reg]) {
    match instr {
        Instr::Apply { args, .. } => args.iter_mut().for_each(|arg| *arg = names[arg.index()]),
        Instr::Cast(arg) => *arg = names[arg.index()],
        Instr::Random { params, .. } => params.iter_mut().for_each(|arg| *arg = names[arg.index()]),
        Instr::Input { .. } | Instr::Constant(_) | Instr::Index { .. } => {}
    }
}
