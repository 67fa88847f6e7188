//! Generalised ufuncs: functions on the last axes of their inputs, mapped over the axes before those.
//!
//! The axes that a function works on are its *core dimensions*; each must be in one block. All else is [`blockwise`]
//! work. `apply_along_axis` is the case of one input with one core dimension that may be anywhere.
//!
//! [`blockwise`]: crate::blockwise_with

use std::sync::Arc;

use selion_core::DType;

use crate::block_fn::part;
use crate::blockwise::{BlockFunction, BlockwiseOptions, blockwise_with};
use crate::chunks::{AxisChunks, Chunks};
use crate::error::{ArrayError, Result};
use crate::expr::Array;

/// The names of the core dimensions of each input, or of each output.
pub type CoreDimensions = Vec<Vec<String>>;

/// A result of [`apply_gufunc`].
#[derive(Clone, Debug)]
pub struct GufuncOutput {
    /// The names of its core dimensions, which are its last axes.
    pub core: Vec<String>,
    /// Its dtype.
    pub dtype: DType,
}

/// The core dimensions of the inputs and of the outputs that a signature such as `(i,j),(j)->(i)` names.
///
/// # Errors
/// [`ArrayError::Value`], in NumPy's words.
///
/// # Examples
/// ```
/// let (inputs, outputs) = selion_array::parse_signature("(i,j),(j)->(i),()")?;
/// assert_eq!(inputs, [vec!["i", "j"], vec!["j"]]);
/// assert_eq!(outputs.len(), 2);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn parse_signature(signature: &str) -> Result<(CoreDimensions, CoreDimensions)> {
    let bad = || ArrayError::Value(format!("Not a valid gufunc signature: {signature}"));
    let text: String = signature.chars().filter(|c| !c.is_whitespace()).collect();
    let is_name = |name: &str| {
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && name.chars().next().is_some_and(|c| !c.is_numeric())
    };
    let side = |text: &str| -> Option<Vec<Vec<String>>> {
        if text.is_empty() {
            return Some(vec![]);
        }
        let inner = text.strip_prefix('(')?.strip_suffix(')')?;
        inner
            .split("),(")
            .map(|names| {
                let names: Vec<String> =
                    if names.is_empty() { vec![] } else { names.split(',').map(str::to_owned).collect() };
                names.iter().all(|name| is_name(name)).then_some(names)
            })
            .collect()
    };
    let (from, to) = text.split_once("->").ok_or_else(bad)?;
    // One output may stand without parentheses around its parentheses; Dask lets a trailing comma pass.
    let outputs = side(to.strip_suffix(',').unwrap_or(to)).ok_or_else(bad)?;
    Ok((side(from).ok_or_else(bad)?, outputs))
}

/// Applies a function whose inputs have the named core dimensions as their last axes; the axes before them broadcast and
/// are worked on block by block. A function with several outputs gives a tuple.
///
/// `sizes` are the lengths of core dimensions that only outputs have.
///
/// # Errors
/// [`ArrayError::Value`] in Dask's words if an input has too few axes, lengths differ, a core dimension is in several
/// blocks (unless `allow_rechunk`), or an output's length is not known.
pub fn apply_gufunc(
    function: Arc<dyn BlockFunction>,
    inputs: &[(Array, Vec<String>)],
    outputs: &[GufuncOutput],
    sizes: &[(String, usize)],
    allow_rechunk: bool,
) -> Result<Vec<Array>> {
    let loops = inputs.iter().map(|(array, core)| array.ndim().saturating_sub(core.len())).max().unwrap_or(0);
    // Loop dimensions are labelled by their distance from the last one. A core dimension is in one block, so that each of
    // its axes has a label of its own.
    let mut fresh = loops..;
    let mut names: Vec<(&str, usize)> = Vec::new();
    let mut labelled: Vec<(Array, Vec<usize>)> = Vec::with_capacity(inputs.len());
    for (number, (array, core)) in inputs.iter().enumerate() {
        let Some(own) = array.ndim().checked_sub(core.len()) else {
            return Err(ArrayError::Value(format!(
                "Core dimensions {core:?} of input {number} need at least {} axes, but it has {}",
                core.len(),
                array.ndim()
            )));
        };
        let mut array = array.clone();
        for (k, name) in core.iter().enumerate() {
            let axis = own + k;
            let len = array.shape()[axis];
            match names.iter().find(|(known, _)| known == name) {
                None => names.push((name, len)),
                Some((_, known)) if *known != len => return Err(different(name, "lengths in arrays")),
                Some(_) => {}
            }
            if array.chunks().axes()[axis].count() > 1 {
                if !allow_rechunk {
                    return Err(ArrayError::Value(format!(
                        "Core dimension `'{name}'` consists of multiple chunks. To fix, rechunk into a single chunk \
                         along this dimension or set `allow_rechunk=True`, but beware that this may increase memory \
                         usage significantly."
                    )));
                }
                array = array.whole_along(1 << axis)?;
            }
        }
        labelled.push((array, (0..own).rev().chain(fresh.by_ref().take(core.len())).collect()));
    }
    for from_last in 0..loops {
        let axes = labelled.iter().zip(inputs).filter_map(|((array, _), (_, core))| {
            let axis = (array.ndim() - core.len()).checked_sub(from_last + 1)?;
            Some(array.chunks().axes()[axis].clone()).filter(|axis| axis.len() != 1)
        });
        let axes: Vec<AxisChunks> = axes.collect();
        let name = format!("__loopdim{}__", loops - 1 - from_last);
        if axes.windows(2).any(|pair| pair[0].is_known() && pair[1].is_known() && pair[0].len() != pair[1].len()) {
            return Err(different(&name, "lengths in arrays"));
        }
        if !allow_rechunk && axes.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(different(&name, "chunksize present"));
        }
    }
    let loop_labels: Vec<usize> = (0..loops).rev().collect();
    let several = outputs.len() != 1;
    let mut core_lens: Vec<Vec<usize>> = Vec::with_capacity(outputs.len());
    for output in outputs {
        let len = |name: &String| {
            let given = sizes.iter().find(|(known, _)| known == name).map(|(_, len)| *len);
            let known = names.iter().find(|(known, _)| known == name).map(|(_, len)| *len);
            given.or(known).ok_or_else(|| {
                ArrayError::Value(format!(
                    "Dimension `'{name}'` of an output is not one of an input: give its length in `output_sizes`"
                ))
            })
        };
        core_lens.push(output.core.iter().map(len).collect::<Result<_>>()?);
    }
    let options = BlockwiseOptions { concatenate: true, align_arrays: true, ..BlockwiseOptions::default() };
    if let ([output], false) = (outputs, several) {
        let new_axes: Vec<(usize, Vec<usize>)> =
            fresh.zip(core_lens.remove(0)).map(|(label, len)| (label, vec![len])).collect();
        let labels = loop_labels.into_iter().chain(new_axes.iter().map(|(label, _)| *label)).collect::<Vec<_>>();
        let options = BlockwiseOptions { new_axes, ..options };
        return Ok(vec![blockwise_with(function, &labels, &labelled, output.dtype, &options)?]);
    }
    // The blocks are tuples over the loop dimensions, of which each output takes its part.
    let dtype = outputs.first().map_or(DType::F64, |output| output.dtype);
    let all = blockwise_with(function, &loop_labels, &labelled, dtype, &options)?;
    let parts = outputs.iter().zip(core_lens).enumerate().map(|(k, (output, core))| {
        let axes = all.chunks().axes().iter().cloned().chain(core.into_iter().map(|len| AxisChunks::new(vec![len])));
        let chunks = Chunks::new(axes.collect::<Vec<_>>());
        part(&all, "apply_gufunc", k, output.dtype, chunks)
    });
    Ok(parts.collect())
}

fn different(name: &str, what: &str) -> ArrayError {
    ArrayError::Value(format!("Dimension `'{name}'` with different {what}"))
}

/// Applies a function to the lanes along an axis, which becomes axes of the lengths `result`.
///
/// The function is called with whole blocks that have all of the axis, and works on their lanes itself.
///
/// # Errors
/// [`ArrayError::Axis`]; [`ArrayError::Unknown`] if the axis has several blocks of unknown length.
pub fn apply_along_axis(
    function: Arc<dyn BlockFunction>,
    axis: isize,
    array: &Array,
    result: &[usize],
    dtype: DType,
) -> Result<Array> {
    let axis = array.axis(axis)?;
    let array = array.whole_along(1 << axis)?;
    let ndim = array.ndim();
    let labels: Vec<usize> = (0..ndim).collect();
    let fresh = ndim..ndim + result.len();
    let out: Vec<usize> = (0..axis).chain(fresh.clone()).chain(axis + 1..ndim).collect();
    let options = BlockwiseOptions {
        new_axes: fresh.zip(result.iter().map(|len| vec![*len])).collect(),
        concatenate: true,
        ..BlockwiseOptions::default()
    };
    blockwise_with(function, &out, &[(array, labels)], dtype, &options)
}
