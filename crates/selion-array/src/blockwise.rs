//! Functions on blocks that come from outside, such as Python functions: the one mechanism for whatever has no kernel.
//!
//! Axes have labels, as in an Einstein sum. Blocks of inputs that share a label are aligned; the function gets one block
//! of each input and gives one block of the result. An axis of an input whose label the result does not have is made
//! whole first, so that the function sees all of it.

use std::sync::Arc;

use selion_core::{DType, Region, TaskError, Value};
use smallvec::SmallVec;

use crate::chunks::{AxisChunks, Chunks, UNKNOWN, common_division};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};

/// A function on blocks.
pub trait BlockFunction: Send + Sync {
    /// The name that people see.
    fn name(&self) -> &str;

    /// What distinguishes it from others of the same name: equal functions give equal results.
    fn identity(&self) -> u64;

    /// Makes one block of the result.
    ///
    /// # Errors
    /// Whatever the function raised.
    fn call(&self, info: &BlockInfo, inputs: &[Value]) -> std::result::Result<Value, TaskError>;

    /// What `explain()` says of it, such as that it runs in Python.
    fn note(&self) -> Option<String> {
        None
    }
}

/// Which block a [`BlockFunction`] is asked for.
#[derive(Clone, Debug)]
pub struct BlockInfo {
    /// The coordinates of the block of the result.
    pub block: Vec<usize>,
    /// Where it lies in the result; lengths may be [`UNKNOWN`].
    pub region: Region,
    /// For each input: the coordinates of its block, and where that lies in the input.
    pub inputs: Vec<(Vec<usize>, Region)>,
}

/// Applies a function block by block.
///
/// `labels` name the axes of the result, `inputs` are arrays with the labels of their axes, and `chunks` gives the block
/// lengths of the result's axes that differ from the inputs': new axes (one block each), or axes whose lengths the
/// function changes.
///
/// # Errors
/// [`ArrayError::Chunks`] if inputs cannot be aligned; [`ArrayError::Value`] for a label without a length.
pub fn blockwise(
    function: Arc<dyn BlockFunction>,
    labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    chunks: &[(usize, AxisChunks)],
    dtype: DType,
) -> Result<Array> {
    for (array, own) in inputs {
        if array.ndim() != own.len() {
            return Err(ArrayError::Value(format!("{} labels for an array of {} dimensions", own.len(), array.ndim())));
        }
    }
    let division = |label: usize| -> Result<Option<AxisChunks>> {
        let with_label: SmallVec<[&AxisChunks; 4]> = inputs
            .iter()
            .flat_map(|(array, own)| own.iter().zip(array.chunks().axes()))
            .filter(|(l, _)| **l == label)
            .map(|(_, chunks)| chunks)
            .collect();
        let long: SmallVec<[&AxisChunks; 4]> = with_label.iter().copied().filter(|chunks| chunks.len() != 1).collect();
        match (long.is_empty(), with_label.first()) {
            (false, _) => {
                let len = long[0].len();
                if long.iter().any(|chunks| chunks.len() != len && chunks.is_known() && len != UNKNOWN) {
                    return Err(ArrayError::Value(format!(
                        "dimension mismatch: lengths {:?} for the same axis",
                        long.iter().map(|chunks| chunks.len()).collect::<Vec<_>>()
                    )));
                }
                common_division(&long).map(Some)
            }
            (true, Some(only)) => Ok(Some((*only).clone())),
            (true, None) => Ok(None),
        }
    };
    let mut aligned: Vec<Array> = Vec::with_capacity(inputs.len());
    for (array, own) in inputs {
        let mut axes = Vec::with_capacity(own.len());
        for (label, chunks) in own.iter().zip(array.chunks().axes()) {
            let contracted = !labels.contains(label);
            axes.push(match division(*label)? {
                _ if contracted => AxisChunks::new(vec![chunks.len()]),
                _ if chunks.len() == 1 => chunks.clone(),
                Some(common) if chunks.is_known() => common,
                _ => chunks.clone(),
            });
        }
        aligned.push(array.rechunk_to(Chunks::new(axes))?);
    }
    // The grid of blocks follows the inputs; the lengths may be the function's own.
    let mut result = Vec::with_capacity(labels.len());
    for label in labels {
        let own = chunks.iter().find(|(l, _)| l == label).map(|(_, chunks)| chunks.clone());
        let from_inputs = division(*label)?;
        result.push(match (own, from_inputs) {
            (Some(own), Some(inputs)) if own.count() != inputs.count() => {
                return Err(ArrayError::Chunks(format!(
                    "Dimension {label} has {} blocks, chunks specified with {} blocks",
                    inputs.count(),
                    own.count()
                )));
            }
            (Some(own), _) => own,
            (None, Some(inputs)) => inputs,
            (None, None) => return Err(ArrayError::Value(format!("no length is known for axis label {label}"))),
        });
    }
    let chunks = Chunks::new(result);
    let op = FunctionOp {
        function,
        labels: labels.to_vec(),
        inputs: aligned.iter().zip(inputs).map(|(array, (_, own))| (array.chunks().clone(), own.clone())).collect(),
        chunks: chunks.clone(),
    };
    Ok(Array::make(Expr::Blocked { op: Arc::new(op), inputs: aligned }, dtype, chunks))
}

struct FunctionOp {
    function: Arc<dyn BlockFunction>,
    labels: Vec<usize>,
    inputs: Vec<(Chunks, Vec<usize>)>,
    chunks: Chunks,
}

impl FunctionOp {
    /// The coordinates of the block of an input that goes with a block of the result.
    fn input_block(&self, input: usize, coordinates: &[usize]) -> Vec<usize> {
        let (chunks, labels) = &self.inputs[input];
        labels
            .iter()
            .zip(chunks.axes())
            .map(|(label, axis)| match self.labels.iter().position(|l| l == label) {
                Some(at) if axis.count() > 1 => coordinates[at],
                _ => 0,
            })
            .collect()
    }
}

impl BlockOp for FunctionOp {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn identity(&self) -> u64 {
        hash_of((self.function.identity(), &self.labels, &self.inputs, &self.chunks))
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        for input in 0..self.inputs.len() {
            needs.push((input, self.inputs[input].0.index(&self.input_block(input, coordinates))));
        }
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value]) -> std::result::Result<Value, TaskError> {
        let info = BlockInfo {
            block: coordinates.to_vec(),
            region: self.chunks.region(coordinates),
            inputs: (0..self.inputs.len())
                .map(|input| {
                    let block = self.input_block(input, coordinates);
                    let region = self.inputs[input].0.region(&block);
                    (block, region)
                })
                .collect(),
        };
        self.function.call(&info, inputs)
    }

    fn note(&self) -> Option<String> {
        self.function.note()
    }
}
