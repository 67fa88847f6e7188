//! Partial reductions: what is accumulated over a block, how states of blocks merge, and what they become.
//!
//! A state is one or more chunks of the reduced shape (reduced axes have length 1):
//!
//! | operations | state |
//! | --- | --- |
//! | sum, prod | one chunk: floats accumulate in `float64`, complex in `complex128`, integers in their 64-bit type |
//! | min, max, nanmin, nanmax, any, all | one chunk of the element's dtype |
//! | argmin, argmax, nanargmin, nanargmax | the extreme, and its index (−1: none yet) |
//! | moment, nanmoment | count, mean, and sum of squared deviations from the mean, `float64` |
//!
//! Within a block, sums run in 32 lanes, so the error of a tile is that of its thirty-second part; moments accumulate
//! `x − k` and `(x − k)²` for `k` the first element met, which bounds cancellation: the distance of an element from the
//! mean is at most √n standard deviations. States of moments merge by the formula of Chan, Golub and LeVeque (Updating
//! Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979), in a tree.

use selion_core::{B8, Buffer, Chunk, DType, Element, Kind, Scalar, c64, c128, f16, with_element};
use smallvec::{SmallVec, smallvec};

use crate::simd::{Isa, Loop, dispatch};

/// What a partial reduction accumulates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum ReduceOp {
    Sum,
    Prod,
    Min,
    Max,
    NanMin,
    NanMax,
    Any,
    All,
    ArgMin,
    ArgMax,
    NanArgMin,
    NanArgMax,
    Moment,
    NanMoment,
}

impl ReduceOp {
    /// The name in explanations.
    pub fn name(self) -> &'static str {
        use ReduceOp::*;
        match self {
            Sum => "sum",
            Prod => "prod",
            Min => "min",
            Max => "max",
            NanMin => "nanmin",
            NanMax => "nanmax",
            Any => "any",
            All => "all",
            ArgMin => "argmin",
            ArgMax => "argmax",
            NanArgMin => "nanargmin",
            NanArgMax => "nanargmax",
            Moment => "moment",
            NanMoment => "nanmoment",
        }
    }

    /// Whether it needs the index of each element.
    pub fn takes_index(self) -> bool {
        matches!(self, ReduceOp::ArgMin | ReduceOp::ArgMax | ReduceOp::NanArgMin | ReduceOp::NanArgMax)
    }

    /// The dtypes of the state's chunks, for elements of `dtype`.
    pub fn state_dtypes(self, dtype: DType) -> SmallVec<[DType; 3]> {
        match self {
            ReduceOp::Sum | ReduceOp::Prod => smallvec![match dtype.kind() {
                Kind::Float => DType::F64,
                Kind::Complex => DType::C128,
                Kind::Unsigned => DType::U64,
                Kind::Bool | Kind::Signed => DType::I64,
                Kind::TimeDelta | Kind::DateTime => dtype,
            }],
            ReduceOp::Any | ReduceOp::All => smallvec![DType::Bool],
            ReduceOp::Moment | ReduceOp::NanMoment => smallvec![DType::F64; 3],
            _ if self.takes_index() => smallvec![dtype, DType::I64],
            _ => smallvec![dtype],
        }
    }
}

/// A tile to reduce: `rows` runs of `columns` elements, from one to the next `pitch` elements.
pub(crate) struct Tile<'a> {
    pub(crate) values: &'a [u8],
    /// As many indices as elements, without gaps, or none.
    pub(crate) index: &'a [u8],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) pitch: usize,
}

impl<'a> Tile<'a> {
    /// The elements of each row.
    fn lines<T: Element>(&self) -> impl Iterator<Item = &'a [T]> {
        let (values, pitch, columns): (&[T], _, _) = (bytemuck::cast_slice(self.values), self.pitch, self.columns);
        (0..self.rows).map(move |row| &values[row * pitch..][..columns])
    }

    /// The elements of each row with their indices.
    fn indexed<T: Element>(&self) -> impl Iterator<Item = (T, i64, usize)> {
        let index: &[i64] = bytemuck::cast_slice(self.index);
        let columns = self.columns;
        self.lines::<T>()
            .zip(index.chunks(columns))
            .flat_map(|(line, index)| line.iter().zip(index).enumerate().map(|(column, (x, i))| (*x, *i, column)))
    }
}

/// Where a tile goes in the accumulators: `at + row · row_step + column · column_step`, steps in elements.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: usize,
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
    /// Whether no element was accumulated at this place before.
    pub(crate) first: bool,
}

/// Accumulators of one output while its block is walked.
pub(crate) struct Accumulators {
    op: ReduceOp,
    dtype: DType,
    len: usize,
    buffers: SmallVec<[Buffer; 3]>,
    add: fn(&mut [Buffer], &Tile<'_>, Place),
}

impl Accumulators {
    /// Accumulators for `len` places and elements of `dtype`.
    pub(crate) fn new(op: ReduceOp, dtype: DType, len: usize) -> Self {
        let (buffers, add) = start(op, dtype, len);
        Accumulators { op, dtype, len, buffers, add }
    }

    pub(crate) fn add(&mut self, tile: &Tile<'_>, mut place: Place) {
        if place.row_step == 0 && place.column_step == 0 && tile.pitch == tile.columns {
            // All of the tile goes to one place: one long run.
            let run = Tile { rows: 1, columns: tile.rows * tile.columns, ..*tile };
            return (self.add)(&mut self.buffers, &run, place);
        }
        if tile.rows == 1 || place.row_step == 0 {
            return (self.add)(&mut self.buffers, tile, place);
        }
        let (size, first) = (self.dtype.size(), place.first);
        for row in 0..tile.rows {
            let index = if tile.index.is_empty() { 0..0 } else { row * tile.columns * 8..(row + 1) * tile.columns * 8 };
            let line =
                Tile { values: &tile.values[row * tile.pitch * size..], index: &tile.index[index], rows: 1, ..*tile };
            place.first = first && (row == 0 || place.row_step != 0);
            (self.add)(&mut self.buffers, &line, place);
            place.at += place.row_step;
        }
    }

    /// The buffers of the state; `count` elements went to each place.
    pub(crate) fn finish(mut self, count: usize) -> SmallVec<[(DType, Buffer); 3]> {
        if self.op == ReduceOp::Moment {
            settle_moment(&mut self.buffers, count, self.len);
        }
        self.op.state_dtypes(self.dtype).into_iter().zip(self.buffers).collect()
    }
}

fn filled<T: Element>(len: usize, value: T) -> Buffer {
    let mut buffer = Buffer::scratch(len * size_of::<T>());
    buffer.typed_mut::<T>()[..len].fill(value);
    buffer
}

type Start = (SmallVec<[Buffer; 3]>, fn(&mut [Buffer], &Tile<'_>, Place));

fn start(op: ReduceOp, dtype: DType, len: usize) -> Start {
    fn folded<F: Fold>(len: usize) -> Start {
        (smallvec![filled(len, F::IDENTITY)], fold::<F>)
    }
    macro_rules! by_type {
        ($($T:ty)*; $family:ident) => {
            match dtype {
                $(d if d == <$T as Element>::DTYPE => folded::<$family<$T>>(len),)*
                _ => folded::<$family<i64>>(len),
            }
        };
    }
    match op {
        ReduceOp::Sum => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; Sum),
        ReduceOp::Prod => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; Prod),
        ReduceOp::Any => folded::<Any>(len),
        ReduceOp::All => folded::<All>(len),
        ReduceOp::NanMin if dtype.is_time() => folded::<TimeNanMin>(len),
        ReduceOp::Max if dtype.is_time() => folded::<TimeMax>(len),
        ReduceOp::Min => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; Min),
        ReduceOp::Max => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; Max),
        ReduceOp::NanMin => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; NanMin),
        ReduceOp::NanMax => by_type!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64 c64 c128 B8; NanMax),
        ReduceOp::ArgMin | ReduceOp::ArgMax | ReduceOp::NanArgMin | ReduceOp::NanArgMax => {
            let add: fn(&mut [Buffer], &Tile<'_>, Place) = with_element!(dtype, T => match op {
                ReduceOp::ArgMin => arg::<T, false, false>,
                ReduceOp::ArgMax => arg::<T, true, false>,
                ReduceOp::NanArgMin => arg::<T, false, true>,
                _ => arg::<T, true, true>,
            });
            (smallvec![Buffer::zeroed(len * dtype.size()), filled(len, -1i64)], add)
        }
        ReduceOp::Moment => {
            let buffers = (0..3).map(|_| filled(len, 0.0f64)).collect();
            let add = match dtype {
                DType::F32 => moment::<f32>,
                DType::F64 => moment::<f64>,
                other => with_element!(other, T => moment::<T>),
            };
            (buffers, add)
        }
        ReduceOp::NanMoment => {
            let buffers = (0..3).map(|_| filled(len, 0.0f64)).collect();
            (buffers, with_element!(dtype, T => nan_moment::<T>))
        }
    }
}

/// A reduction whose state is one accumulator.
trait Fold {
    type In: Element;
    type Acc: Element;
    const IDENTITY: Self::Acc;
    fn lift(x: Self::In) -> Self::Acc;
    fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc;
}

/// Lanes of a run: enough to keep the adders of two vector units busy, and to divide the rounding error.
const LANES: usize = 32;

struct Run<'a, F: Fold>(&'a [F::In]);

impl<F: Fold> Loop for Run<'_, F> {
    type Output = F::Acc;
    #[inline(always)]
    fn run<I: Isa>(self) -> F::Acc {
        let mut lanes = [F::IDENTITY; LANES];
        let (blocks, rest) = self.0.as_chunks::<LANES>();
        for block in blocks {
            for (lane, x) in lanes.iter_mut().zip(block) {
                *lane = F::merge(*lane, F::lift(*x));
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane = F::merge(*lane, F::lift(*x));
        }
        let mut width = LANES / 2;
        while width > 0 {
            for k in 0..width {
                lanes[k] = F::merge(lanes[k], lanes[k + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}

struct Across<'a, F: Fold>(&'a Tile<'a>, &'a mut [F::Acc]);

impl<F: Fold> Loop for Across<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Across(tile, acc) = self;
        let (blocks, rest) = acc.as_chunks_mut::<LANES>();
        let start = blocks.len() * LANES;
        // All rows of some columns at a time: their accumulators stay in registers.
        for (k, acc) in blocks.iter_mut().enumerate() {
            let mut lanes = *acc;
            for line in tile.lines::<F::In>() {
                for (lane, x) in lanes.iter_mut().zip(&line[k * LANES..][..LANES]) {
                    *lane = F::merge(*lane, F::lift(*x));
                }
            }
            *acc = lanes;
        }
        for line in tile.lines::<F::In>() {
            for (acc, x) in rest.iter_mut().zip(&line[start..]) {
                *acc = F::merge(*acc, F::lift(*x));
            }
        }
    }
}

/// All rows of the tile go to the same places.
fn fold<F: Fold>(buffers: &mut [Buffer], tile: &Tile<'_>, place: Place) {
    let acc = &mut buffers[0].typed_mut::<F::Acc>()[place.at..];
    match place.column_step {
        0 => {
            for line in tile.lines() {
                acc[0] = F::merge(acc[0], dispatch(Run::<F>(line)));
            }
        }
        1 => dispatch(Across::<F>(tile, &mut acc[..tile.columns])),
        step => {
            for line in tile.lines::<F::In>() {
                for (acc, x) in acc.iter_mut().step_by(step).zip(line) {
                    *acc = F::merge(*acc, F::lift(*x));
                }
            }
        }
    }
}

macro_rules! folds {
    ($($family:ident: { $([$($T:ty),*] -> $Acc:tt, $identity:expr, |$x:ident| $lift:expr, |$a:ident, $b:ident| $merge:expr;)* })*) => {$(
        struct $family<T>(std::marker::PhantomData<T>);
        $($(
            impl Fold for $family<$T> {
                type In = $T;
                type Acc = acc_type!($Acc, $T);
                const IDENTITY: Self::Acc = $identity;
                #[inline(always)]
                fn lift($x: $T) -> Self::Acc { $lift }
                #[inline(always)]
                fn merge($a: Self::Acc, $b: Self::Acc) -> Self::Acc { $merge }
            }
        )*)*
    )*};
}

macro_rules! acc_type {
    (same, $T:ty) => {
        $T
    };
    ($Acc:ty, $T:ty) => {
        $Acc
    };
}

/// Whether a complex number has a NaN part.
macro_rules! nan {
    ($z:ident) => {
        ($z.re.is_nan() || $z.im.is_nan())
    };
}

/// Whether complex `a` is at most `b`: real parts decide, then imaginary parts.
macro_rules! not_after {
    ($a:ident, $b:ident) => {
        if $a.re == $b.re { $a.im <= $b.im } else { $a.re <= $b.re }
    };
}

folds! {
    Sum: {
        [i8, i16, i32, i64] -> i64, 0, |x| x as i64, |a, b| a.wrapping_add(b);
        [u8, u16, u32, u64] -> u64, 0, |x| x as u64, |a, b| a.wrapping_add(b);
        [B8] -> i64, 0, |x| i64::from(x.get()), |a, b| a.wrapping_add(b);
        [f32] -> f64, 0.0, |x| f64::from(x), |a, b| a + b;
        [f64] -> f64, 0.0, |x| x, |a, b| a + b;
        [f16] -> f64, 0.0, |x| f64::from(x.to_f32()), |a, b| a + b;
        [c64] -> c128, c128::new(0.0, 0.0), |x| c128::new(f64::from(x.re), f64::from(x.im)), |a, b| a + b;
        [c128] -> c128, c128::new(0.0, 0.0), |x| x, |a, b| a + b;
    }
    Prod: {
        [i8, i16, i32, i64] -> i64, 1, |x| x as i64, |a, b| a.wrapping_mul(b);
        [u8, u16, u32, u64] -> u64, 1, |x| x as u64, |a, b| a.wrapping_mul(b);
        [B8] -> i64, 1, |x| i64::from(x.get()), |a, b| a.wrapping_mul(b);
        [f32] -> f64, 1.0, |x| f64::from(x), |a, b| a * b;
        [f64] -> f64, 1.0, |x| x, |a, b| a * b;
        [f16] -> f64, 1.0, |x| f64::from(x.to_f32()), |a, b| a * b;
        [c64] -> c128, c128::new(1.0, 0.0), |x| c128::new(f64::from(x.re), f64::from(x.im)), |a, b| a * b;
        [c128] -> c128, c128::new(1.0, 0.0), |x| x, |a, b| a * b;
    }
    Min: {
        [i8, i16, i32, i64, u8, u16, u32, u64] -> same, <Self as Fold>::In::MAX, |x| x, |a, b| a.min(b);
        [f32] -> same, f32::INFINITY, |x| x, |a, b| if a <= b || a.is_nan() { a } else { b };
        [f64] -> same, f64::INFINITY, |x| x, |a, b| if a <= b || a.is_nan() { a } else { b };
        [f16] -> same, f16::INFINITY, |x| x, |a, b| if a <= b || a.is_nan() { a } else { b };
        [c64] -> same, c64::new(f32::INFINITY, f32::INFINITY), |x| x, |a, b| if nan!(a) || (!nan!(b) && not_after!(a, b)) { a } else { b };
        [c128] -> same, c128::new(f64::INFINITY, f64::INFINITY), |x| x, |a, b| if nan!(a) || (!nan!(b) && not_after!(a, b)) { a } else { b };
        [B8] -> same, B8(1), |x| B8::from(x.get()), |a, b| B8(a.0 & b.0);
    }
    Max: {
        [i8, i16, i32, i64, u8, u16, u32, u64] -> same, <Self as Fold>::In::MIN, |x| x, |a, b| a.max(b);
        [f32] -> same, f32::NEG_INFINITY, |x| x, |a, b| if a >= b || a.is_nan() { a } else { b };
        [f64] -> same, f64::NEG_INFINITY, |x| x, |a, b| if a >= b || a.is_nan() { a } else { b };
        [f16] -> same, f16::NEG_INFINITY, |x| x, |a, b| if a >= b || a.is_nan() { a } else { b };
        [c64] -> same, c64::new(f32::NEG_INFINITY, f32::NEG_INFINITY), |x| x, |a, b| if nan!(a) || (!nan!(b) && not_after!(b, a)) { a } else { b };
        [c128] -> same, c128::new(f64::NEG_INFINITY, f64::NEG_INFINITY), |x| x, |a, b| if nan!(a) || (!nan!(b) && not_after!(b, a)) { a } else { b };
        [B8] -> same, B8(0), |x| B8::from(x.get()), |a, b| B8(a.0 | b.0);
    }
    NanMin: {
        [i8, i16, i32, i64, u8, u16, u32, u64] -> same, <Self as Fold>::In::MAX, |x| x, |a, b| a.min(b);
        [f32] -> same, f32::NAN, |x| x, |a, b| if a <= b || b.is_nan() { a } else { b };
        [f64] -> same, f64::NAN, |x| x, |a, b| if a <= b || b.is_nan() { a } else { b };
        [f16] -> same, f16::NAN, |x| x, |a, b| if a <= b || b.is_nan() { a } else { b };
        [c64] -> same, c64::new(f32::NAN, f32::NAN), |x| x, |a, b| if nan!(b) || (!nan!(a) && not_after!(a, b)) { a } else { b };
        [c128] -> same, c128::new(f64::NAN, f64::NAN), |x| x, |a, b| if nan!(b) || (!nan!(a) && not_after!(a, b)) { a } else { b };
        [B8] -> same, B8(1), |x| B8::from(x.get()), |a, b| B8(a.0 & b.0);
    }
    NanMax: {
        [i8, i16, i32, i64, u8, u16, u32, u64] -> same, <Self as Fold>::In::MIN, |x| x, |a, b| a.max(b);
        [f32] -> same, f32::NAN, |x| x, |a, b| if a >= b || b.is_nan() { a } else { b };
        [f64] -> same, f64::NAN, |x| x, |a, b| if a >= b || b.is_nan() { a } else { b };
        [f16] -> same, f16::NAN, |x| x, |a, b| if a >= b || b.is_nan() { a } else { b };
        [c64] -> same, c64::new(f32::NAN, f32::NAN), |x| x, |a, b| if nan!(b) || (!nan!(a) && not_after!(b, a)) { a } else { b };
        [c128] -> same, c128::new(f64::NAN, f64::NAN), |x| x, |a, b| if nan!(b) || (!nan!(a) && not_after!(b, a)) { a } else { b };
        [B8] -> same, B8(0), |x| B8::from(x.get()), |a, b| B8(a.0 | b.0);
    }
}

macro_rules! fixed_folds {
    ($($family:ident: $In:ty, $identity:expr, |$x:ident| $lift:expr, |$a:ident, $b:ident| $merge:expr;)*) => {$(
        struct $family;
        impl Fold for $family {
            type In = $In;
            type Acc = $In;
            const IDENTITY: $In = $identity;
            #[inline(always)]
            fn lift($x: $In) -> $In { $lift }
            #[inline(always)]
            fn merge($a: $In, $b: $In) -> $In { $merge }
        }
    )*};
}

// NaT is the smallest `i64`: a plain minimum passes it on and a plain maximum skips it; the other two do not.
fixed_folds! {
    Any: B8, B8(0), |x| B8::from(x.get()), |a, b| B8(a.0 | b.0);
    All: B8, B8(1), |x| B8::from(x.get()), |a, b| B8(a.0 & b.0);
    TimeMax: i64, i64::MIN + 1, |x| x, |a, b| if a == i64::MIN || b == i64::MIN { i64::MIN } else { a.max(b) };
    TimeNanMin: i64, i64::MIN, |x| x, |a, b| if a == i64::MIN { b } else if b == i64::MIN { a } else { a.min(b) };
}

/// How elements compare where the first extreme is wanted.
trait Extreme: Element {
    /// Whether it is no number, which `argmin` and `argmax` take for the extreme and their nan-variants skip.
    fn nan(self) -> bool;
    fn less(self, other: Self) -> bool;
}

macro_rules! extremes {
    ($($T:ty: |$x:ident| $nan:expr, |$a:ident, $b:ident| $less:expr;)*) => {$(
        impl Extreme for $T {
            #[inline(always)]
            fn nan(self) -> bool { let $x = self; $nan }
            #[inline(always)]
            fn less(self, other: Self) -> bool { let ($a, $b) = (self, other); $less }
        }
    )*};
}

extremes! {
    i8: |_x| false, |a, b| a < b;
    i16: |_x| false, |a, b| a < b;
    i32: |_x| false, |a, b| a < b;
    i64: |_x| false, |a, b| a < b;
    u8: |_x| false, |a, b| a < b;
    u16: |_x| false, |a, b| a < b;
    u32: |_x| false, |a, b| a < b;
    u64: |_x| false, |a, b| a < b;
    B8: |_x| false, |a, b| !a.get() & b.get();
    f16: |x| x.is_nan(), |a, b| a < b;
    f32: |x| x.is_nan(), |a, b| a < b;
    f64: |x| x.is_nan(), |a, b| a < b;
    c64: |z| nan!(z), |a, b| if a.re == b.re { a.im < b.im } else { a.re < b.re };
    c128: |z| nan!(z), |a, b| if a.re == b.re { a.im < b.im } else { a.re < b.re };
}

/// Whether `x` at index `i` replaces the extreme `best` at `at`: the first of equal ones stays.
#[inline(always)]
fn replaces<T: Extreme, const MAX: bool, const SKIP_NAN: bool>(x: T, i: i64, best: T, at: i64) -> bool {
    if SKIP_NAN && x.nan() {
        return false;
    }
    if at < 0 {
        return true;
    }
    match (x.nan(), best.nan()) {
        (true, true) => i < at,
        (true, false) => true,
        (false, true) => false,
        (false, false) => {
            let (better, worse) = if MAX { (best.less(x), x.less(best)) } else { (x.less(best), best.less(x)) };
            better || (!worse && i < at)
        }
    }
}

fn arg<T: Extreme, const MAX: bool, const SKIP_NAN: bool>(buffers: &mut [Buffer], tile: &Tile<'_>, place: Place) {
    let [best, at] = buffers else { return };
    let (best, at) = (best.typed_mut::<T>(), at.typed_mut::<i64>());
    for (x, i, column) in tile.indexed::<T>() {
        let to = place.at + column * place.column_step;
        if replaces::<T, MAX, SKIP_NAN>(x, i, best[to], at[to]) {
            (best[to], at[to]) = (x, i);
        }
    }
}

/// An element as `f64`, for moments.
trait Real: Element {
    fn real(self) -> f64;
}

macro_rules! reals {
    ($($T:ty: |$x:ident| $real:expr;)*) => {
        $(impl Real for $T { #[inline(always)] fn real(self) -> f64 { let $x = self; $real } })*
    };
}

reals! {
    i8: |x| f64::from(x); i16: |x| f64::from(x); i32: |x| f64::from(x); i64: |x| x as f64;
    u8: |x| f64::from(x); u16: |x| f64::from(x); u32: |x| f64::from(x); u64: |x| x as f64;
    f16: |x| x.to_f64(); f32: |x| f64::from(x); f64: |x| x; B8: |x| f64::from(u8::from(x.get()));
    c64: |z| f64::from(z.re); c128: |z| z.re;
}

struct MomentRun<'a, T> {
    values: &'a [T],
    shift: f64,
}

impl<T: Real> Loop for MomentRun<'_, T> {
    type Output = (f64, f64);
    #[inline(always)]
    fn run<I: Isa>(self) -> (f64, f64) {
        let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (blocks, rest) = self.values.as_chunks::<LANES>();
        for block in blocks {
            for k in 0..LANES {
                let d = block[k].real() - self.shift;
                sums[k] += d;
                squares[k] += d * d;
            }
        }
        for (k, x) in rest.iter().enumerate() {
            let d = x.real() - self.shift;
            sums[k] += d;
            squares[k] += d * d;
        }
        let mut width = LANES / 2;
        while width > 0 {
            for k in 0..width {
                sums[k] += sums[k + width];
                squares[k] += squares[k + width];
            }
            width /= 2;
        }
        (sums[0], squares[0])
    }
}

struct MomentAcross<'a, T> {
    tile: &'a Tile<'a>,
    shifts: &'a [f64],
    sums: &'a mut [f64],
    squares: &'a mut [f64],
    element: std::marker::PhantomData<T>,
}

impl<T: Real> Loop for MomentAcross<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        /// Columns whose three accumulators stay in registers while all rows pass by.
        const WIDTH: usize = 16;
        let (sum_blocks, sum_rest) = self.sums.as_chunks_mut::<WIDTH>();
        let (square_blocks, square_rest) = self.squares.as_chunks_mut::<WIDTH>();
        let (shift_blocks, shift_rest) = self.shifts.as_chunks::<WIDTH>();
        let start = sum_blocks.len() * WIDTH;
        for (k, ((to_sum, to_square), shift)) in sum_blocks.iter_mut().zip(square_blocks).zip(shift_blocks).enumerate()
        {
            let (mut sums, mut squares) = (*to_sum, *to_square);
            for line in self.tile.lines::<T>() {
                let line = &line[k * WIDTH..][..WIDTH];
                for lane in 0..WIDTH {
                    let d = line[lane].real() - shift[lane];
                    sums[lane] += d;
                    squares[lane] += d * d;
                }
            }
            (*to_sum, *to_square) = (sums, squares);
        }
        for line in self.tile.lines::<T>() {
            for (((x, shift), sum), square) in
                line[start..].iter().zip(shift_rest).zip(sum_rest.iter_mut()).zip(square_rest.iter_mut())
            {
                let d = x.real() - shift;
                *sum += d;
                *square += d * d;
            }
        }
    }
}

/// While a block is walked the three buffers hold the shift, Σ(x − shift) and Σ(x − shift)².
fn moment<T: Real>(buffers: &mut [Buffer], tile: &Tile<'_>, place: Place) {
    let [shifts, sums, squares] = buffers else { return };
    let reach = place.at + (tile.columns - 1) * place.column_step + 1;
    let shifts = &mut shifts.typed_mut::<f64>()[place.at..reach];
    let sums = &mut sums.typed_mut::<f64>()[place.at..reach];
    let squares = &mut squares.typed_mut::<f64>()[place.at..reach];
    if place.first
        && let Some(line) = tile.lines::<T>().next()
    {
        // Where all columns go to one place, its shift is the first of them.
        let line = if place.column_step == 0 { &line[..1] } else { line };
        shifts.iter_mut().step_by(place.column_step.max(1)).zip(line).for_each(|(shift, x)| *shift = x.real());
    }
    match place.column_step {
        0 => {
            for values in tile.lines::<T>() {
                let (sum, square) = dispatch(MomentRun { values, shift: shifts[0] });
                sums[0] += sum;
                squares[0] += square;
            }
        }
        1 => dispatch(MomentAcross { tile, shifts, sums, squares, element: std::marker::PhantomData::<T> }),
        step => {
            for line in tile.lines::<T>() {
                for (k, x) in line.iter().enumerate() {
                    let d = x.real() - shifts[k * step];
                    sums[k * step] += d;
                    squares[k * step] += d * d;
                }
            }
        }
    }
}

/// Turns the buffers of [`moment`] into count, mean, and sum of squared deviations.
fn settle_moment(buffers: &mut [Buffer], count: usize, len: usize) {
    let [shifts, sums, squares] = buffers else { return };
    let n = count as f64;
    let (shifts, sums, squares) = (shifts.typed_mut::<f64>(), sums.typed_mut::<f64>(), squares.typed_mut::<f64>());
    for k in 0..len {
        let (shift, sum, square) = (shifts[k], sums[k], squares[k]);
        let (mean, m2) = if count == 0 { (0.0, 0.0) } else { (shift + sum / n, square - sum * (sum / n)) };
        // A sum of squares is not negative; keep NaN.
        (shifts[k], sums[k], squares[k]) = (n, mean, if m2 < 0.0 { 0.0 } else { m2 });
    }
}

/// Welford's update, leaving NaN out: the buffers hold count, mean and sum of squared deviations throughout.
fn nan_moment<T: Real>(buffers: &mut [Buffer], tile: &Tile<'_>, place: Place) {
    let [counts, means, squares] = buffers else { return };
    let (counts, means, squares) = (counts.typed_mut::<f64>(), means.typed_mut::<f64>(), squares.typed_mut::<f64>());
    for line in tile.lines::<T>() {
        for (k, x) in line.iter().enumerate() {
            let (x, to) = (x.real(), place.at + k * place.column_step);
            if !x.is_nan() {
                counts[to] += 1.0;
                let d = x - means[to];
                means[to] += d / counts[to];
                squares[to] += d * (x - means[to]);
            }
        }
    }
}

/// Merges the states of several blocks of the same reduced shape into one.
///
/// `states` holds, for each block, as many chunks as [`ReduceOp::state_dtypes`] of `dtype` has, C-ordered.
pub fn combine(op: ReduceOp, dtype: DType, states: &[&[Chunk]]) -> Vec<Chunk> {
    let Some((first, rest)) = states.split_first() else { return Vec::new() };
    let shape = first[0].shape();
    let len = first[0].len();
    let mut buffers: SmallVec<[Buffer; 3]> = first
        .iter()
        .map(|chunk| {
            let mut buffer = Buffer::scratch(chunk.nbytes());
            selion_core::assign(&mut buffer, 0, &selion_core::contiguous_strides(shape), chunk);
            buffer
        })
        .collect();
    for state in rest {
        let state: SmallVec<[Chunk; 3]> = state.iter().map(Chunk::to_contiguous).collect();
        merge(op, dtype, &mut buffers, &state, len);
    }
    let dtypes = op.state_dtypes(dtype);
    dtypes.into_iter().zip(buffers).map(|(dtype, buffer)| Chunk::new(dtype, shape, buffer)).collect()
}

fn merge(op: ReduceOp, dtype: DType, buffers: &mut SmallVec<[Buffer; 3]>, state: &[Chunk], len: usize) {
    match op {
        ReduceOp::Moment | ReduceOp::NanMoment => merge_moments(buffers, state),
        _ => {
            // A state is itself something to accumulate: its first chunk holds values, its second their indices.
            let bytes = |chunk: &Chunk| {
                let start = chunk.offset() * chunk.dtype().size();
                start..start + chunk.nbytes()
            };
            let index = state.get(1).map_or(&[][..], |chunk| &chunk.buffer().bytes()[bytes(chunk)]);
            let tile =
                Tile { values: &state[0].buffer().bytes()[bytes(&state[0])], index, rows: 1, columns: len, pitch: len };
            let (_, add) = start(op, op.state_dtypes(dtype)[0], 0);
            if len > 0 {
                merge_arg_or_fold(op, add, buffers, &tile);
            }
        }
    }
}

fn merge_arg_or_fold(op: ReduceOp, add: fn(&mut [Buffer], &Tile<'_>, Place), buffers: &mut [Buffer], tile: &Tile<'_>) {
    let place = Place { at: 0, row_step: 0, column_step: 1, first: false };
    if !op.takes_index() {
        return add(buffers, tile, place);
    }
    // Places that a block left empty (index −1: all NaN) take no part.
    let index: &[i64] = bytemuck::cast_slice(tile.index);
    let size = tile.values.len() / index.len();
    for (k, at) in index.iter().enumerate() {
        if *at >= 0 {
            let one = Tile {
                values: &tile.values[k * size..(k + 1) * size],
                index: &tile.index[k * 8..(k + 1) * 8],
                rows: 1,
                columns: 1,
                pitch: 1,
            };
            add(buffers, &one, Place { at: k, ..place });
        }
    }
}

fn merge_moments(buffers: &mut [Buffer], state: &[Chunk]) {
    let parts: Option<Vec<&[f64]>> = state.iter().map(Chunk::as_slice::<f64>).collect();
    let (Some(parts), [counts, means, squares]) = (parts, buffers) else { return };
    let (counts, means, squares) = (counts.typed_mut::<f64>(), means.typed_mut::<f64>(), squares.typed_mut::<f64>());
    for k in 0..parts[0].len() {
        let (n, mean, m2) = (parts[0][k], parts[1][k], parts[2][k]);
        let total = counts[k] + n;
        if total > 0.0 && n > 0.0 {
            let d = mean - means[k];
            means[k] += d * (n / total);
            squares[k] += m2 + d * d * (counts[k] * (n / total));
            counts[k] = total;
        }
    }
}

/// The value that a reduction has over no elements, as its state's first chunk holds it; `None` where there is none.
pub fn identity(op: ReduceOp, dtype: DType) -> Option<Scalar> {
    let state = op.state_dtypes(dtype)[0];
    match op {
        ReduceOp::Sum => Some(Scalar::zero(state)),
        ReduceOp::Prod => Scalar::from_i128(1, state),
        ReduceOp::Any => Some(Scalar::new(B8(0))),
        ReduceOp::All => Some(Scalar::new(B8(1))),
        ReduceOp::Moment | ReduceOp::NanMoment => Some(Scalar::new(0.0f64)),
        _ => None,
    }
}
