//! Arrays from nothing, from memory, and from storage.

use std::sync::Arc;

use selion_core::{Chunk, ChunkSource, DType, Promise, Scalar, Steps};
use selion_kernels::program::{Affine, Op, cast};
use selion_kernels::random::{Distribution, Key, Param, ParamError};
use smallvec::{SmallVec, smallvec};

use crate::chunks::{ChunkSpec, Chunks, normalize_chunks};
use crate::elementwise::{Operand, align, broadcast_shapes, strengthen};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, Expr, MapOp, TaskBlocks, unique};
use crate::view::View;

/// What automatic blocks aim at.
pub const AUTO_CHUNK_BYTES: usize = 128 << 20;

/// Storage chunks from this size on are blocks as they are: a task's overhead is far below the time to decode them.
const STORED_BLOCK_MIN_BYTES: usize = 1 << 20;
/// What blocks of several smaller storage chunks aim at: a few of them fit any cache of the last level.
const STORED_BLOCK_BYTES: usize = 16 << 20;

fn blocks(shape: &[usize], dtype: DType, chunks: Option<Chunks>) -> Result<Chunks> {
    match chunks {
        Some(chunks) if chunks.shape().as_slice() == shape => Ok(chunks),
        Some(chunks) => Err(ArrayError::Chunks(format!(
            "Chunks do not add up to shape. Got chunks for shape {}, shape={shape:?}",
            chunks.shape_text()
        ))),
        None => normalize_chunks(&vec![ChunkSpec::Auto; shape.len()], shape, dtype, AUTO_CHUNK_BYTES, None),
    }
}

impl Array {
    /// The same value everywhere.
    ///
    /// # Errors
    /// [`ArrayError::Chunks`] if the blocks do not fit the shape; `None` chooses them.
    pub fn full(shape: &[usize], value: Scalar, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = blocks(shape, value.dtype(), chunks)?;
        Ok(Array::make(Expr::Full(value), value.dtype(), chunks))
    }

    /// Zeros.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn zeros(shape: &[usize], dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        Self::full(shape, Scalar::zero(dtype), chunks)
    }

    /// Ones.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn ones(shape: &[usize], dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        Self::full(shape, Scalar::from_f64(1.0, dtype), chunks)
    }

    /// An affine function of the coordinates: `offset + i·s₀ + j·s₁ + …`, `int64`.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn index(shape: &[usize], affine: Affine, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = blocks(shape, DType::I64, chunks)?;
        Ok(Array::make(Expr::Index(affine), DType::I64, chunks))
    }

    /// The coordinate along one axis, as an array of the whole shape.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn coordinate(shape: &[usize], axis: usize, chunks: Option<Chunks>) -> Result<Array> {
        let mut strides: Steps = smallvec![0; shape.len()];
        strides[axis] = 1;
        Self::index(shape, Affine { offset: 0, strides }, chunks)
    }

    /// `start, start + step, …`, `len` elements of `dtype`.
    ///
    /// # Errors
    /// As [`Array::full`], and [`ArrayError::Type`] for a dtype that cannot count.
    pub fn arange(start: Scalar, step: Scalar, len: usize, dtype: DType, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = blocks(&[len], dtype, chunks)?;
        let whole = |scalar: &Scalar| scalar.dtype().is_integer() || scalar.dtype().is_time();
        if whole(&start) && whole(&step) {
            let (offset, stride) = (integer(&start), integer(&step));
            let affine = Affine { offset, strides: smallvec![stride as isize] };
            let index = Self::index(&[len], affine, Some(chunks))?;
            return index.astype(dtype);
        }
        // NumPy computes in the dtype itself: start + k·step.
        let index = Self::index(&[len], Affine { offset: 0, strides: smallvec![1] }, Some(chunks))?;
        let wide = if dtype.is_complex() { DType::C128 } else { DType::F64 };
        let (start, step) = (Array::scalar(start).astype(wide)?, Array::scalar(step).astype(wide)?);
        index.astype(wide)?.binary(Op::Multiply, &step)?.binary(Op::Add, &start)?.astype(dtype)
    }

    /// Elements in memory, read in place.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn from_chunk(chunk: Chunk, chunks: Option<Chunks>) -> Result<Array> {
        let chunks = blocks(chunk.shape(), chunk.dtype(), chunks)?;
        let dtype = chunk.dtype();
        Ok(Array::make(Expr::Memory(chunk, unique()), dtype, chunks))
    }

    /// Elements in storage. Unless said otherwise blocks are the storage's chunks, or several of them where those are
    /// small: a block that is one chunk is decoded where it is needed, and a task costs little.
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn from_source(source: Arc<dyn ChunkSource>, chunks: Option<Chunks>) -> Result<Array> {
        let (shape, dtype) = (source.shape().to_vec(), source.dtype());
        let stored = source.storage_chunks().map(|block| Chunks::regular(&shape, block));
        let chunks = match chunks {
            Some(chunks) => blocks(&shape, dtype, Some(chunks))?,
            None => match stored {
                Some(stored) if stored.largest_block() * dtype.size() >= STORED_BLOCK_MIN_BYTES => stored,
                stored => {
                    let limit = if stored.is_some() { STORED_BLOCK_BYTES } else { AUTO_CHUNK_BYTES };
                    let specs = vec![ChunkSpec::Auto; shape.len()];
                    normalize_chunks(&specs, &shape, dtype, limit, stored.as_ref())?
                }
            },
        };
        let view = View::identity(&shape);
        Ok(Array::make(Expr::Source { source, view }, dtype, chunks))
    }

    /// Blocks that have been computed, in C order.
    ///
    /// # Errors
    /// [`ArrayError::Chunks`] if there are not as many as `chunks` has.
    pub fn from_blocks(values: Arc<[selion_core::Value]>, dtype: DType, chunks: Chunks) -> Result<Array> {
        if values.len() != chunks.count() {
            return Err(ArrayError::Chunks(format!("{} blocks for {} chunks", values.len(), chunks.count())));
        }
        Ok(Self::from_promise(Arc::new(Promise::of(values)), dtype, chunks))
    }

    /// Blocks that are being computed, in C order. The array can be computed when the promise is kept.
    pub fn from_promise(blocks: Arc<Promise>, dtype: DType, chunks: Chunks) -> Array {
        Array::make(Expr::Blocks(blocks), dtype, chunks)
    }

    /// Blocks that tasks of another front end make.
    pub fn from_tasks(tasks: TaskBlocks, dtype: DType, chunks: Chunks) -> Array {
        Array::make(Expr::Tasks(Arc::new(tasks)), dtype, chunks)
    }

    /// Random numbers: each depends on the key, on the place of the element in the array, and on its parameters alone.
    /// Parameters broadcast to `shape`.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for parameters that the distribution does not take; as [`Array::full`].
    pub fn random(
        distribution: Distribution,
        key: Key,
        params: &[Operand],
        shape: &[usize],
        chunks: Option<Chunks>,
    ) -> Result<Array> {
        check_params(distribution, params)?;
        let dtype = if distribution.result_is_integer() { DType::I64 } else { DType::F64 };
        let chunks = blocks(shape, dtype, chunks)?;
        let strides = selion_core::contiguous_strides(shape);
        let mut args: SmallVec<[Array; 3]> =
            smallvec![Self::index(shape, Affine { offset: 0, strides }, Some(chunks.clone()))?];
        for param in params {
            args.extend(strengthen(std::slice::from_ref(param))?);
        }
        let result = align(&mut args)?;
        if result.shape() != chunks.shape() {
            return Err(ArrayError::Broadcast(args.iter().map(|arg| arg.shape().to_vec()).collect()));
        }
        Ok(Array::make(Expr::Map { op: MapOp::Random(distribution, key), args }, dtype, result))
    }
}

fn integer(scalar: &Scalar) -> i64 {
    match scalar.dtype() {
        DType::I64 | DType::DateTime(_) | DType::TimeDelta(_) => scalar.get::<i64>(),
        DType::U64 => scalar.get::<u64>() as i64,
        _ => scalar.to_c128().re as i64,
    }
}

/// Fails if there is no such distribution, as far as can be told without computing: parameters in memory are checked with
/// each other, element by element, and by themselves if others are not known.
fn check_params(distribution: Distribution, params: &[Operand]) -> Result<()> {
    let known: SmallVec<[Option<Known>; 3]> = params.iter().map(known_param).collect();
    let shapes: Vec<&[usize]> = known.iter().flatten().map(Known::shape).collect();
    let common = broadcast_shapes(&shapes)?;
    let elements: SmallVec<[Option<Known>; 3]> =
        known.iter().map(|known| Some(known.as_ref()?.broadcast(&common))).collect();
    let wrong = |error: ParamError| ArrayError::Value(error.to_string());
    match elements.iter().map(|known| Some(known.as_ref()?.param())).collect::<Option<SmallVec<[Param; 3]>>>() {
        Some(all) => distribution.check(&all).map_err(wrong),
        None => {
            let mut each = elements.iter().enumerate();
            each.try_for_each(|(k, known)| match known {
                Some(known) => distribution.check_one(k, &known.param()).map_err(wrong),
                None => Ok(()),
            })
        }
    }
}

/// A parameter of which the values are known.
enum Known {
    Float(f64),
    Int(i64),
    Floats(Chunk),
    Ints(Chunk),
}

impl Known {
    fn shape(&self) -> &[usize] {
        match self {
            Known::Float(_) | Known::Int(_) => &[],
            Known::Floats(chunk) | Known::Ints(chunk) => chunk.shape(),
        }
    }

    fn broadcast(&self, shape: &[usize]) -> Known {
        let whole = |chunk: &Chunk| chunk.broadcast_to(shape).compact();
        match self {
            Known::Float(value) => Known::Float(*value),
            Known::Int(value) => Known::Int(*value),
            Known::Floats(chunk) => Known::Floats(whole(chunk)),
            Known::Ints(chunk) => Known::Ints(whole(chunk)),
        }
    }

    fn param(&self) -> Param<'_> {
        match self {
            Known::Float(value) => Param::Scalar(*value),
            Known::Int(value) => Param::Int(*value),
            Known::Floats(chunk) => Param::Slice(chunk.as_slice().unwrap_or(&[])),
            Known::Ints(chunk) => Param::Ints(chunk.as_slice().unwrap_or(&[])),
        }
    }
}

fn known_param(param: &Operand) -> Option<Known> {
    let array = match param {
        Operand::Bool(value) => return Some(Known::Int(i64::from(*value))),
        Operand::Int(value) => {
            return Some(i64::try_from(*value).map_or(Known::Float(*value as f64), Known::Int));
        }
        Operand::Float(value) => return Some(Known::Float(*value)),
        Operand::Complex(_) => return None,
        Operand::Array(array) => array,
    };
    let integer = array.dtype().is_integer() && array.dtype() != DType::U64;
    match array.expr() {
        _ if array.dtype().is_complex() => None,
        Expr::Full(scalar) if integer => Some(Known::Int(scalar.to_c128().re as i64)),
        Expr::Full(scalar) => Some(Known::Float(scalar.to_c128().re)),
        Expr::Memory(chunk, _) if integer => Some(Known::Ints(cast(chunk, DType::I64).ok()?)),
        Expr::Memory(chunk, _) => Some(Known::Floats(cast(chunk, DType::F64).ok()?)),
        _ => None,
    }
}
