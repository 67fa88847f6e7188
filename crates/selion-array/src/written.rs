//! Arrays that write to storage when they are computed.

use std::sync::Arc;

use selion_core::{Buffer, Chunk, ChunkSink, Value};

use crate::block_fn::{BlockFn, chunk_of};
use crate::chunks::{Chunks, UNKNOWN};
use crate::expr::{Array, unique};

impl Array {
    /// The array of which each block, once computed, has been written to `sink`, which has the same shape and dtype: with
    /// the same elements if `keep`, else with none, along one axis of unknown length: what is known to have no elements
    /// need not be computed. Each time it is computed it writes.
    ///
    /// No two blocks may write to the same storage chunk.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use selion_core::{DType, MemorySink};
    /// let x = selion_array::Array::ones(&[4], DType::F64, None)?;
    /// let sink = Arc::new(MemorySink::new(DType::F64, &[4], &[&[4]]));
    /// assert_eq!(x.written(sink.clone(), true).shape().as_slice(), [4]);
    /// assert_eq!(x.written(sink, false).ndim(), 1);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn written(&self, sink: Arc<dyn ChunkSink>, keep: bool) -> Array {
        let (from, dtype) = (self.chunks().clone(), self.dtype());
        let to = if keep { from.clone() } else { Chunks::from_lens(&[vec![UNKNOWN; from.count()]]) };
        let number = {
            let from = from.clone();
            move |at: &[usize]| if keep { from.index(at) } else { at[0] }
        };
        let write = BlockFn::new(
            "store",
            unique(),
            {
                let number = number.clone();
                move |at, needs| needs.push((0, number(at)))
            },
            move |at, inputs| {
                let block = chunk_of(inputs)?;
                sink.write(&from.region(&from.coordinates(number(at))), block)?;
                Ok(if keep { block.clone().into() } else { Value::from(Chunk::new(dtype, &[0], Buffer::zeroed(0))) })
            },
        );
        write.array(vec![self.clone()], dtype, to)
    }
}
