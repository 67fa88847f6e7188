//! Groups of blocks that a function from outside makes one block of: the steps of a reduction by such functions.

use std::ops::Range;
use std::sync::Arc;

use selion_core::{DType, Enclosure, Region, TaskContext, Value};

use crate::block_fn::Made;
use crate::blockwise::{BlockFunction, BlockInfo};
use crate::chunks::{AxisChunks, Chunks};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};

/// How [`Array::merge_blocks`] goes about it.
#[derive(Clone, Debug)]
pub struct MergeBlocks {
    /// The axes along which blocks are merged, ascending, with how many become one.
    pub axes: Vec<(usize, usize)>,
    /// The length of the results along these axes.
    pub len: usize,
    /// Whether the result has these axes. If not, all blocks along them must become one.
    pub keep: bool,
}

impl Array {
    /// The array whose blocks `function` makes of groups of blocks. It gets lists of blocks, nested one level for each of
    /// the axes.
    ///
    /// # Errors
    /// [`ArrayError::Axis`]; [`ArrayError::Value`] if an axis shall go along which blocks are left.
    pub fn merge_blocks(&self, function: Arc<dyn BlockFunction>, dtype: DType, options: &MergeBlocks) -> Result<Array> {
        let from = self.chunks().clone();
        let mut groups = vec![1; self.ndim()];
        for (axis, group) in &options.axes {
            groups[self.axis(*axis as isize)?] = (*group).max(1);
        }
        let merges = |axis: usize| options.axes.iter().any(|(merged, _)| *merged == axis);
        let mut axes = Vec::with_capacity(self.ndim());
        let mut kept = Vec::with_capacity(self.ndim());
        for (axis, own) in from.axes().iter().enumerate() {
            let count = own.count().div_ceil(groups[axis]);
            if !merges(axis) {
                axes.push(own.clone());
            } else if options.keep {
                axes.push(AxisChunks::new(vec![options.len; count]));
            } else if count == 1 {
                continue;
            } else {
                return Err(ArrayError::Value(format!("{count} blocks are left along axis {axis}")));
            }
            kept.push(axis);
        }
        let to = Chunks::new(axes);
        let levels: Vec<usize> = options.axes.iter().map(|(axis, _)| *axis).collect();
        let identity = hash_of((function.identity(), &groups, options.keep, options.len));
        let op = MergeOp { function, identity, from, to: to.clone(), groups, kept, levels };
        Ok(Array::make(Expr::Blocked { op: Arc::new(op), inputs: vec![self.clone()] }, dtype, to))
    }
}

struct MergeOp {
    function: Arc<dyn BlockFunction>,
    identity: u64,
    from: Chunks,
    to: Chunks,
    /// How many blocks along each axis become one.
    groups: Vec<usize>,
    /// The axis of the input that each axis of the result is.
    kept: Vec<usize>,
    /// The axes that each get a level of the nested lists.
    levels: Vec<usize>,
}

impl MergeOp {
    /// The blocks of one group along each axis.
    fn ranges(&self, at: &[usize]) -> Vec<Range<usize>> {
        let mut first = vec![0; self.from.ndim()];
        for (axis, at) in self.kept.iter().zip(at) {
            first[*axis] = *at;
        }
        let range = |(axis, k): (usize, &usize)| {
            let (group, count) = (self.groups[axis], self.from.axes()[axis].count());
            k * group..((k + 1) * group).min(count)
        };
        first.iter().enumerate().map(range).collect()
    }
}

impl BlockOp for MergeOp {
    fn name(&self) -> &str {
        "merge"
    }

    fn identity(&self) -> u64 {
        self.identity
    }

    fn needs(&self, at: &[usize], needs: &mut Vec<(usize, usize)>) {
        let mut blocks: Vec<Vec<usize>> = vec![vec![]];
        for range in self.ranges(at) {
            let longer = |block: &Vec<usize>| {
                let block = block.clone();
                range.clone().map(move |k| block.iter().copied().chain([k]).collect())
            };
            blocks = blocks.iter().flat_map(longer).collect();
        }
        needs.extend(blocks.iter().map(|block| (0, self.from.index(block))));
    }

    fn run(&self, at: &[usize], inputs: &[Value], context: &TaskContext<'_>) -> Made {
        let ranges = self.ranges(at);
        let counts: Vec<usize> = self.levels.iter().map(|axis| ranges[*axis].len()).collect();
        let info = BlockInfo {
            block: at.to_vec(),
            numblocks: self.to.numblocks().to_vec(),
            region: if self.to.ndim() == 0 { Region::default() } else { self.to.region(at) },
            shape: self.to.shape().to_vec(),
            inputs: vec![],
        };
        self.function.call(&info, &[nested(inputs, &counts)], context)
    }

    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        self.function.enclosure()
    }
}

/// Values in C order as lists in lists.
fn nested(values: &[Value], counts: &[usize]) -> Value {
    match counts {
        [] => values[0].clone(),
        [count, rest @ ..] => {
            let each = values.len() / (*count).max(1);
            Value::Tuple(values.chunks(each.max(1)).map(|values| nested(values, rest)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate_for_tests::evaluate;
    use selion_core::Chunk;

    /// Counts the blocks that it gets.
    struct Count;

    impl BlockFunction for Count {
        fn name(&self) -> &str {
            "count"
        }

        fn identity(&self) -> u64 {
            0
        }

        fn call(&self, info: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Made {
            fn count(value: &Value) -> i64 {
                match value {
                    Value::Tuple(parts) => parts.iter().map(count).sum(),
                    _ => 1,
                }
            }
            let shape = vec![1; info.block.len()];
            Ok(Chunk::from_values(&shape, &[count(&inputs[0])]).into())
        }
    }

    #[test]
    fn groups_cover_all_blocks_once() {
        let x = Array::ones(&[7, 6], DType::I64, Some(Chunks::regular(&[7, 6], &[1, 2]))).unwrap();
        let options = MergeBlocks { axes: vec![(0, 3), (1, 2)], len: 1, keep: true };
        let merged = x.merge_blocks(Arc::new(Count), DType::I64, &options).unwrap();
        assert_eq!(evaluate(&merged).to_vec::<i64>(), [6, 3, 6, 3, 2, 1]);
        let all = MergeBlocks { axes: vec![(0, 3), (1, 2)], len: 1, keep: false };
        assert!(x.merge_blocks(Arc::new(Count), DType::I64, &all).is_err());
        let all = MergeBlocks { axes: vec![(0, 7), (1, 3)], len: 1, keep: false };
        let total = x.merge_blocks(Arc::new(Count), DType::I64, &all).unwrap();
        assert_eq!(evaluate(&total).to_vec::<i64>(), [21]);
    }
}
