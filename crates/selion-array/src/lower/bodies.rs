//! The other bodies: merging partial states, reading and writing storage, block operations.

use std::sync::Arc;

use selion_core::{
    Body, Chunk, ChunkSink, ChunkSource, DType, Dims, Enclosure, Outputs, Region, SourceError, TaskContext, TaskError,
    Value,
};
use selion_kernels::program::{Program, ReduceOp, combine};
use smallvec::smallvec;

use crate::chunks::{Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr};
use crate::rechunk::RechunkOp;
use crate::reduce::Reduction;
use crate::view::View;

/// Merges partial states of a reduction; the last one of a tree also makes the result of them.
pub(super) struct CombineBody {
    name: String,
    op: ReduceOp,
    dtype: DType,
    reduction: Reduction,
    finish: Option<Program>,
}

/// All elements that went into a `nanargmin` or `nanargmax` were NaN.
#[derive(Debug, thiserror::Error)]
#[error("All-NaN slice encountered")]
pub(crate) struct AllNan;

impl CombineBody {
    pub(super) fn merge(name: String, reduction: &Reduction, dtype: DType, input: &Chunks) -> Arc<Self> {
        let op = reduction.op(reduction.count(input).is_some());
        Arc::new(CombineBody { name, op, dtype, reduction: reduction.clone(), finish: None })
    }

    pub(super) fn finish(name: String, reduction: &Reduction, dtype: DType, input: &Chunks) -> Result<Arc<Self>> {
        let count = reduction.count(input);
        let finish = Some(reduction.finish(dtype, count)?);
        Ok(Arc::new(CombineBody {
            name,
            op: reduction.op(count.is_some()),
            dtype,
            reduction: reduction.clone(),
            finish,
        }))
    }
}

impl Body for CombineBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, _: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let states: Vec<Vec<Chunk>> =
            inputs.iter().map(|state| state.parts().iter().filter_map(Value::as_chunk).cloned().collect()).collect();
        let states: Vec<&[Chunk]> = states.iter().map(Vec::as_slice).collect();
        let merged = combine(self.op, self.dtype, &states);
        let Some(program) = &self.finish else {
            let value = match <[Chunk; 1]>::try_from(merged) {
                Ok([single]) => Value::Chunk(single),
                Err(several) => Value::Tuple(several.into_iter().map(Value::Chunk).collect()),
            };
            return Ok(smallvec![value]);
        };
        let skips_nan = matches!(self.op, ReduceOp::NanArgMin | ReduceOp::NanArgMax);
        if skips_nan && merged[1].as_slice::<i64>().is_some_and(|index| index.contains(&-1)) {
            return Err(AllNan.into());
        }
        let shape = merged[0].shape().to_vec();
        let result = program.run(&shape, &merged, &[])?;
        let kept: Dims = (0..shape.len())
            .filter(|axis| self.reduction.keepdims || !self.reduction.reduces(*axis))
            .map(|axis| shape[axis])
            .collect();
        Ok(result.into_iter().map(|chunk| Value::Chunk(chunk.reshape(&kept))).collect())
    }
}

/// Reads the part of a viewed source that `region` of the view is.
pub(super) fn read_view(
    source: &dyn ChunkSource,
    view: &View,
    region: &Region,
) -> std::result::Result<Chunk, SourceError> {
    let stored = view.input_region(&region.start, &region.shape);
    let chunk = source.read(&stored)?;
    if chunk.shape() != stored.shape.as_slice() || chunk.dtype() != source.dtype() {
        return Err(SourceError::Corrupt {
            what: source.location(),
            why: format!(
                "reading {:?} elements of {} gave {:?} of {}",
                stored.shape.as_slice(),
                source.dtype(),
                chunk.shape(),
                chunk.dtype()
            ),
        });
    }
    Ok(view.on(&chunk, &stored.start, &region.start, &region.shape))
}

/// Reads blocks of storage.
pub(super) struct ReadBody {
    name: String,
    leaf: Array,
}

impl ReadBody {
    pub(super) fn new(leaf: &Array) -> Self {
        ReadBody { name: format!("read-{:08x}", leaf.id() as u32), leaf: leaf.clone() }
    }
}

impl Body for ReadBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.leaf.chunks().place(index)
    }

    fn run(&self, index: usize, _: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let Expr::Source { source, view } = self.leaf.expr() else { return Ok(smallvec![Value::Unit]) };
        let chunks = self.leaf.chunks();
        let region = chunks.region(&chunks.coordinates(index));
        Ok(smallvec![Value::Chunk(read_view(source.as_ref(), view, &region)?)])
    }

    fn bytes_read(&self, index: usize) -> u64 {
        let Expr::Source { source, view } = self.leaf.expr() else { return 0 };
        let region = self.leaf.chunks().region(&self.leaf.chunks().coordinates(index));
        crate::explain::stored_bytes(source.as_ref(), &view.input_region(&region.start, &region.shape))
    }
}

/// Writes blocks to storage.
pub(super) struct WriteBody {
    name: String,
    sink: Arc<dyn ChunkSink>,
    chunks: Chunks,
}

impl WriteBody {
    pub(super) fn new(sink: Arc<dyn ChunkSink>, chunks: Chunks) -> Self {
        WriteBody { name: format!("store-{}", sink.location()), sink, chunks }
    }
}

impl Body for WriteBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn label(&self, _: usize) -> &str {
        "store"
    }

    fn place(&self, index: usize) -> String {
        self.chunks.place(index)
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let region = self.chunks.region(&self.chunks.coordinates(index));
        match inputs {
            [Value::Chunk(chunk)] if chunk.shape() == region.shape.as_slice() => self.sink.write(&region, chunk)?,
            [Value::Chunk(chunk)] => {
                return Err(format!(
                    "a block of shape {:?} should have shape {:?}",
                    chunk.shape(),
                    region.shape.as_slice()
                )
                .into());
            }
            _ => return Err("there is no block to write".into()),
        }
        Ok(smallvec![Value::Unit])
    }
}

/// Runs a block operation.
pub(super) struct BlockedBody {
    name: String,
    op: Arc<dyn BlockOp>,
    chunks: Chunks,
}

impl BlockedBody {
    pub(super) fn new(name: String, op: Arc<dyn BlockOp>, chunks: Chunks) -> Self {
        BlockedBody { name, op, chunks }
    }
}

impl Body for BlockedBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.chunks.place(index)
    }

    fn run(
        &self,
        index: usize,
        inputs: &[Value],
        context: &TaskContext<'_>,
    ) -> std::result::Result<Outputs, TaskError> {
        let coordinates = self.chunks.coordinates(index);
        let value = self.op.run(&coordinates, inputs, context)?;
        if let Value::Chunk(chunk) = &value {
            let expected = self.chunks.block_shape(&coordinates);
            let fits = |(got, want): (&usize, &usize)| got == want || *want == UNKNOWN;
            if chunk.ndim() != expected.len() || !chunk.shape().iter().zip(&expected).all(fits) {
                return Err(format!(
                    "{} gave a block of shape {:?} where {:?} was expected",
                    self.op.name(),
                    chunk.shape(),
                    expected.as_slice()
                )
                .into());
            }
        }
        Ok(smallvec![value])
    }

    fn describe(&self) -> Option<String> {
        self.op.note()
    }

    fn enclosure(&self, _: usize) -> Option<&'static dyn Enclosure> {
        self.op.enclosure()
    }

    fn scratch_bytes(&self, index: usize) -> u64 {
        self.op.scratch_bytes(&self.chunks.coordinates(index))
    }
}

/// First half of a rechunk that is larger than memory should hold: cuts an old block into pieces for the new ones.
///
/// Pieces go to disk one by one when memory is short, each is read back once, and no block has to wait for the others.
pub(super) struct CutBody {
    name: String,
    op: RechunkOp,
}

impl CutBody {
    pub(super) fn new(name: String, op: RechunkOp) -> Self {
        CutBody { name, op }
    }
}

impl Body for CutBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.op.from.place(index)
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let block = inputs.first().and_then(Value::as_chunk).ok_or("an input is not a block")?;
        Ok(self.op.cut(&self.op.from.coordinates(index), block).into_iter().map(Value::Chunk).collect())
    }
}

/// Second half: joins the pieces of a new block.
pub(super) struct JoinBody {
    name: String,
    op: RechunkOp,
}

impl JoinBody {
    pub(super) fn new(name: String, op: RechunkOp) -> Self {
        JoinBody { name, op }
    }
}

impl Body for JoinBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.op.to.place(index)
    }

    fn run(&self, index: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let pieces: Vec<Chunk> = inputs.iter().filter_map(Value::as_chunk).cloned().collect();
        let block = self.op.join(&self.op.to.coordinates(index), &pieces).ok_or("a block has no pieces")?;
        Ok(smallvec![Value::Chunk(block)])
    }
}

/// Passes on a block that another front end made, if it is what was said.
pub(super) struct CheckBody {
    name: String,
    dtype: DType,
    chunks: Chunks,
}

impl CheckBody {
    pub(super) fn new(leaf: &Array) -> Self {
        let name = format!("{}-{:08x}", leaf.kind(), leaf.id() as u32);
        CheckBody { name, dtype: leaf.dtype(), chunks: leaf.chunks().clone() }
    }
}

impl Body for CheckBody {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, index: usize) -> String {
        self.chunks.place(index)
    }

    fn run(&self, block: usize, inputs: &[Value], _: &TaskContext<'_>) -> std::result::Result<Outputs, TaskError> {
        let Some(Value::Chunk(chunk)) = inputs.first() else {
            return Err("the task gave no array".into());
        };
        let wanted = self.chunks.block_shape(&self.chunks.coordinates(block));
        let fits = wanted.len() == chunk.shape().len()
            && wanted.iter().zip(chunk.shape()).all(|(wanted, len)| *wanted == UNKNOWN || wanted == len);
        if !fits || chunk.dtype() != self.dtype {
            return Err(Box::new(ArrayError::Value(format!(
                "the task gave an array of shape {:?} and dtype {} where one of shape {:?} and dtype {} was promised",
                chunk.shape(),
                chunk.dtype(),
                wanted.as_slice(),
                self.dtype
            ))));
        }
        Ok(smallvec![Value::Chunk(chunk.clone())])
    }
}
