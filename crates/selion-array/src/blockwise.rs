//! Functions on blocks that come from outside: the one mechanism for whatever has no kernel.
//!
//! Every axis of an input has a *label*, as in Einstein's notation. Blocks with the same label go together; a label that
//! the result lacks is contracted: the function gets all blocks along it, as nested lists or put together. Labels, their
//! order, and the errors are Dask's. What the function is (Python, a plugin) only its [`BlockFunction`] knows.

use std::sync::Arc;

use selion_core::{
    Buffer, Chunk, DType, Dims, Enclosure, Region, TaskContext, TaskError, Value, assign, contiguous_strides,
};
use smallvec::SmallVec;

use crate::block_fn::{Made, part};
use crate::chunks::{AxisChunks, Chunks, UNKNOWN, common_division};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, BlockOp, Expr, hash_of};

/// A function that makes a block of the result from blocks of the inputs.
pub trait BlockFunction: Send + Sync {
    /// The name that people see.
    fn name(&self) -> &str;

    /// What distinguishes it from others of the same name: equal functions give equal results.
    fn identity(&self) -> u64;

    /// Makes one block. An input with contracted labels is a tuple of blocks, nested as deep as there are such labels, or
    /// the blocks put together if that was asked for.
    ///
    /// # Errors
    /// Whatever the function raised.
    fn call(
        &self,
        info: &BlockInfo,
        inputs: &[Value],
        context: &TaskContext<'_>,
    ) -> std::result::Result<Value, TaskError>;

    /// What `explain()` says of it, such as that it runs in Python.
    fn note(&self) -> Option<String> {
        None
    }

    /// Where it is best called, as [`Body::enclosure`](selion_core::Body::enclosure).
    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        None
    }
}

/// Which block a [`BlockFunction`] is asked for.
#[derive(Clone, Debug)]
pub struct BlockInfo {
    /// The coordinates of the block of the result.
    pub block: Vec<usize>,
    /// How many blocks the result has along each axis.
    pub numblocks: Vec<usize>,
    /// Where it lies in the result; lengths may be [`UNKNOWN`].
    pub region: Region,
    /// The lengths of the result.
    pub shape: Vec<usize>,
    /// For each input: the coordinates of its block, and where that lies in the input. Along a contracted axis the
    /// coordinate is 0 and the region has all of the axis.
    pub inputs: Vec<(Vec<usize>, Region)>,
}

/// Other block lengths along a label than the inputs have.
#[derive(Clone)]
pub enum AdjustChunks {
    /// All blocks have this length.
    Size(usize),
    /// The lengths of the blocks.
    Lens(Vec<usize>),
    /// The length of each block from the inputs'.
    Each(Arc<dyn Fn(usize) -> Result<usize> + Send + Sync>),
}

/// How [`blockwise_with`] treats labels.
#[derive(Clone, Default)]
pub struct BlockwiseOptions {
    /// Labels that no input has, with their block lengths.
    pub new_axes: Vec<(usize, Vec<usize>)>,
    /// Labels along which the function changes lengths.
    pub adjust_chunks: Vec<(usize, AdjustChunks)>,
    /// Whether blocks along contracted labels are put together.
    pub concatenate: bool,
    /// Whether inputs are rechunked to common blocks. If not, blocks are matched by their numbers.
    pub align_arrays: bool,
    /// Memory that making a block takes over the inputs and the block.
    pub scratch_bytes: u64,
}

/// The array whose blocks `function` makes of the inputs' blocks with the same labels.
///
/// # Errors
/// [`ArrayError::Value`] in Dask's words for labels that come from nowhere, come twice, or whose blocks do not match.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use selion_array::{Array, BlockFunction, BlockInfo, BlockwiseOptions, blockwise_with};
/// use selion_core::{DType, TaskContext, TaskError, Value};
///
/// struct Transpose;
/// impl BlockFunction for Transpose {
///     fn name(&self) -> &str { "transpose" }
///     fn identity(&self) -> u64 { 0 }
///     fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
///         let block = inputs[0].as_chunk().ok_or("a block was expected")?;
///         Ok(block.transpose(&[1, 0]).into())
///     }
/// }
///
/// let x = Array::ones(&[3, 4], DType::F64, None)?;
/// let y = blockwise_with(Arc::new(Transpose), &[1, 0], &[(x, vec![0, 1])], DType::F64, &BlockwiseOptions::default())?;
/// assert_eq!(y.shape().as_slice(), [4, 3]);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn blockwise_with(
    function: Arc<dyn BlockFunction>,
    out_labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    dtype: DType,
    options: &BlockwiseOptions,
) -> Result<Array> {
    for (k, label) in out_labels.iter().enumerate() {
        if out_labels[..k].contains(label) {
            return Err(ArrayError::Value(format!("Repeated elements in output indices: {out_labels:?}")));
        }
    }
    for (array, labels) in inputs {
        if array.ndim() != labels.len() {
            return Err(ArrayError::Value(format!(
                "Index string {labels:?} does not match array dimension {}",
                array.ndim()
            )));
        }
    }
    let mut labelled = labels_of(inputs, options.align_arrays)?;
    for (label, lens) in &options.new_axes {
        if labelled.iter().any(|(known, _)| known == label) {
            return Err(ArrayError::Value(format!("New axis {label} is an axis of an input")));
        }
        labelled.push((*label, AxisChunks::new(lens.clone())));
    }
    let division = |label: usize| labelled.iter().find(|(known, _)| *known == label).map(|(_, axis)| axis);
    let unknown: Vec<usize> = out_labels.iter().copied().filter(|label| division(*label).is_none()).collect();
    if !unknown.is_empty() {
        return Err(ArrayError::Value(format!("Unknown dimension {unknown:?}")));
    }

    let arrays = match options.align_arrays {
        true => in_common_blocks(inputs, &labelled)?,
        false => inputs.iter().map(|(array, _)| array.clone()).collect(),
    };

    let mut axes = Vec::with_capacity(out_labels.len());
    for (k, label) in out_labels.iter().enumerate() {
        let Some(common) = division(*label) else { continue };
        axes.push(match options.adjust_chunks.iter().find(|(adjusted, _)| adjusted == label) {
            None => common.clone(),
            Some((_, adjust)) => adjusted(common, adjust, k)?,
        });
    }
    let out = Chunks::new(axes);
    let op = BlockwiseOp {
        identity: hash_of((
            function.identity(),
            out_labels,
            inputs.iter().map(|(_, labels)| labels.clone()).collect::<Vec<_>>(),
            options.concatenate,
            dtype,
        )),
        function,
        inputs: arrays.iter().zip(inputs).map(|(array, (_, labels))| Input::new(array, labels, out_labels)).collect(),
        out: out.clone(),
        concatenate: options.concatenate,
        scratch_bytes: options.scratch_bytes,
        dtype,
    };
    Ok(Array::make(Expr::Blocked { op: Arc::new(op), inputs: arrays }, dtype, out))
}

/// Applies a function block by block to inputs that are rechunked to common blocks; what is contracted is put together.
///
/// `labels` name the axes of the result, `inputs` are arrays with the labels of their axes, and `chunks` gives the block
/// lengths of the result's axes that differ from the inputs': new axes, or axes whose lengths the function changes.
///
/// # Errors
/// As [`blockwise_with`].
pub fn blockwise(
    function: Arc<dyn BlockFunction>,
    labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    chunks: &[(usize, AxisChunks)],
    dtype: DType,
) -> Result<Array> {
    let mut options = BlockwiseOptions { concatenate: true, align_arrays: true, ..BlockwiseOptions::default() };
    for (label, axis) in chunks {
        let lens = axis.lens().to_vec();
        if inputs.iter().any(|(_, own)| own.contains(label)) {
            options.adjust_chunks.push((*label, AdjustChunks::Lens(lens)));
        } else {
            options.new_axes.push((*label, lens));
        }
    }
    blockwise_with(function, labels, inputs, dtype, &options)
}

/// The blocks along each label.
pub type Labelled = Vec<(usize, AxisChunks)>;

/// Rechunks arrays to common blocks along axes with the same label. Returns the blocks along each label, in the order in
/// which they first come, and the arrays.
///
/// # Errors
/// [`ArrayError::Value`] for a label whose axes have different lengths; [`ArrayError::Chunks`] for unknown lengths in
/// different numbers of blocks.
///
/// # Examples
/// ```
/// use selion_array::{Array, Chunks, unify_chunks};
/// use selion_core::DType;
/// let x = Array::ones(&[4], DType::F64, Some(Chunks::regular(&[4], &[2])))?;
/// let y = Array::ones(&[4], DType::F64, Some(Chunks::regular(&[4], &[3])))?;
/// let (chunks, arrays) = unify_chunks(&[(x, vec![0]), (y, vec![0])])?;
/// assert_eq!(chunks[0].1.lens(), [2, 1, 1]);
/// assert_eq!(arrays[0].chunks(), arrays[1].chunks());
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn unify_chunks(inputs: &[(Array, Vec<usize>)]) -> Result<(Labelled, Vec<Array>)> {
    let labelled = labels_of(inputs, true)?;
    let arrays = in_common_blocks(inputs, &labelled)?;
    Ok((labelled, arrays))
}

fn in_common_blocks(inputs: &[(Array, Vec<usize>)], labelled: &[(usize, AxisChunks)]) -> Result<Vec<Array>> {
    let division = |label: usize| labelled.iter().find(|(known, _)| *known == label).map(|(_, axis)| axis);
    let aligned = |(array, labels): &(Array, Vec<usize>)| {
        let axes = array.chunks().axes().iter().zip(labels).map(|(own, label)| match division(*label) {
            _ if !own.is_known() => own.clone(),
            Some(common) if own.len() != 1 || common.len() == 1 => common.clone(),
            _ => AxisChunks::new(vec![1]),
        });
        array.rechunk_to(Chunks::new(axes.collect::<Vec<_>>()))
    };
    inputs.iter().map(aligned).collect()
}

/// Several arrays from a function that gives a tuple of blocks for each block along `labels`: each array has the dtype and
/// the blocks that `parts` says, as many as there are along `labels`, in the same order. The function is called once per
/// block, whichever of the arrays are computed.
///
/// # Errors
/// [`ArrayError::Value`] for another number of blocks; as [`blockwise_with`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use selion_array::{Array, BlockFunction, BlockInfo, BlockwiseOptions, Chunks, blockwise_parts};
/// use selion_core::{DType, TaskContext, TaskError, Value};
///
/// struct Halves;
/// impl BlockFunction for Halves {
///     fn name(&self) -> &str { "halves" }
///     fn identity(&self) -> u64 { 0 }
///     fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
///         let block = inputs[0].as_chunk().ok_or("a block was expected")?;
///         let half = block.shape()[0] / 2;
///         let part = |start| Value::Chunk(block.slice(0, start, 1, half));
///         Ok(Value::Tuple([part(0), part(half)].into()))
///     }
/// }
///
/// let x = Array::ones(&[8], DType::F64, Some(Chunks::regular(&[8], &[4])))?;
/// let half = (DType::F64, Chunks::regular(&[4], &[2]));
/// let halves = [half.clone(), half];
/// let parts = blockwise_parts(Arc::new(Halves), &[0], &[(x, vec![0])], &halves, &BlockwiseOptions::default())?;
/// assert_eq!(parts[1].shape().as_slice(), [4]);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn blockwise_parts(
    function: Arc<dyn BlockFunction>,
    labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    parts: &[(DType, Chunks)],
    options: &BlockwiseOptions,
) -> Result<Vec<Array>> {
    let block_bytes = parts.iter().map(|(dtype, chunks)| (chunks.largest_block() * dtype.size()) as u64);
    let options =
        BlockwiseOptions { scratch_bytes: options.scratch_bytes + block_bytes.sum::<u64>(), ..options.clone() };
    let dtype = parts.first().map_or(DType::F64, |(dtype, _)| *dtype);
    let all = blockwise_with(function, labels, inputs, dtype, &options)?;
    let count = all.chunks().count();
    let each = parts.iter().enumerate().map(|(k, (dtype, chunks))| {
        if chunks.count() != count {
            let own = chunks.count();
            return Err(ArrayError::Value(format!("part {k} has {own} blocks, where the function gives {count}")));
        }
        Ok(part(&all, "part", k, *dtype, chunks.clone()))
    });
    each.collect()
}

/// The blocks along each label of the inputs.
fn labels_of(inputs: &[(Array, Vec<usize>)], align: bool) -> Result<Labelled> {
    let mut labelled: Vec<(usize, Vec<&AxisChunks>)> = Vec::new();
    for (array, labels) in inputs {
        for (label, axis) in labels.iter().zip(array.chunks().axes()) {
            match labelled.iter_mut().find(|(known, _)| known == label) {
                Some((_, axes)) => axes.push(axis),
                None => labelled.push((*label, vec![axis])),
            }
        }
    }
    let mut divided = Vec::with_capacity(labelled.len());
    for (label, axes) in labelled {
        let divides = if align {
            // An axis of length 1 goes with any other.
            let long: Vec<&AxisChunks> = axes.iter().copied().filter(|axis| axis.len() != 1).collect();
            let len = |axis: &&AxisChunks| axis.is_known().then(|| axis.len());
            let lens: Vec<usize> = long.iter().filter_map(len).collect();
            if lens.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err(ArrayError::Value(format!(
                    "Dimension {label} has different lengths in the arrays: {lens:?}"
                )));
            }
            if long.is_empty() { axes[0].clone() } else { common_division(&long)? }
        } else {
            // As many blocks as the array with most has; one block goes with any number.
            let most = axes.iter().rev().max_by_key(|axis| axis.count()).unwrap_or(&axes[0]);
            if axes.iter().any(|axis| axis.count() != 1 && axis.count() != most.count()) {
                let counts: Vec<usize> = axes.iter().map(|axis| axis.count()).collect();
                return Err(ArrayError::Value(format!(
                    "Shapes do not align: dimension {label} has {counts:?} blocks in the arrays"
                )));
            }
            (*most).clone()
        };
        divided.push((label, divides));
    }
    Ok(divided)
}

/// The block lengths that the function gives along axis `axis` of the result.
fn adjusted(common: &AxisChunks, adjust: &AdjustChunks, axis: usize) -> Result<AxisChunks> {
    Ok(AxisChunks::new(match adjust {
        AdjustChunks::Size(size) => vec![*size; common.count()],
        AdjustChunks::Lens(lens) if lens.len() == common.count() => lens.clone(),
        AdjustChunks::Lens(lens) => {
            return Err(ArrayError::Value(format!(
                "Dimension {axis} has {} blocks, adjust_chunks specified with {} blocks",
                common.count(),
                lens.len()
            )));
        }
        AdjustChunks::Each(each) => {
            let lens = common.lens().iter();
            lens.map(|len| if *len == UNKNOWN { Ok(UNKNOWN) } else { each(*len) }).collect::<Result<_>>()?
        }
    }))
}

/// What decides an input's block along one of its axes.
#[derive(Clone, Copy)]
enum Along {
    /// The block of the result along this axis; or always the only one there is.
    Out(usize),
    /// All blocks: this is the contracted label with this number.
    All(usize),
}

struct Input {
    along: SmallVec<[Along; 4]>,
    chunks: Chunks,
    /// The number of blocks along each contracted label, in the order of the axes.
    counts: Dims,
}

impl Input {
    fn new(array: &Array, labels: &[usize], out_labels: &[usize]) -> Self {
        let (mut contracted, mut counts): (Vec<usize>, Dims) = Default::default();
        let mut along = SmallVec::new();
        for (axis, label) in labels.iter().enumerate() {
            along.push(match out_labels.iter().position(|out| out == label) {
                Some(out) => Along::Out(out),
                None => Along::All(contracted.iter().position(|known| known == label).unwrap_or_else(|| {
                    contracted.push(*label);
                    counts.push(array.chunks().axes()[axis].count());
                    contracted.len() - 1
                })),
            });
        }
        Input { along, chunks: array.chunks().clone(), counts }
    }

    /// The block's numbers for a block of the result and places along the contracted labels.
    fn block(&self, out: &[usize], contracted: &[usize]) -> Dims {
        let block = |(along, axis): (&Along, &AxisChunks)| match along {
            _ if axis.count() == 1 => 0,
            Along::Out(to) => out[*to],
            Along::All(number) => contracted[*number],
        };
        self.along.iter().zip(self.chunks.axes()).map(block).collect()
    }

    /// How many blocks go into one of the result.
    fn count(&self) -> usize {
        self.counts.iter().product()
    }

    /// The places along the contracted labels of block number `k` in C order.
    fn contracted(&self, mut k: usize) -> Dims {
        let mut at: Dims = SmallVec::from_elem(0, self.counts.len());
        for (at, count) in at.iter_mut().zip(&self.counts).rev() {
            *at = k % count;
            k /= count;
        }
        at
    }

    /// The block's coordinates and what it covers, for a block of the result.
    fn place(&self, out: &[usize]) -> (Vec<usize>, Region) {
        let first: Dims = SmallVec::from_elem(0, self.counts.len());
        let block = self.block(out, &first);
        let mut region = self.chunks.region(&block);
        for (axis, along) in self.along.iter().enumerate() {
            if let Along::All(_) = along {
                region.shape[axis] = self.chunks.axes()[axis].len();
            }
        }
        (block.to_vec(), region)
    }

    /// The blocks as lists in lists, one level per contracted label.
    fn nested(&self, blocks: &[Value], level: usize) -> Value {
        match self.counts.get(level) {
            None => blocks[0].clone(),
            Some(count) => {
                let each = blocks.len() / count.max(&1);
                Value::Tuple(blocks.chunks(each.max(1)).map(|blocks| self.nested(blocks, level + 1)).collect())
            }
        }
    }

    /// The blocks put together along the contracted labels; `None` if one is not a chunk.
    fn joined(&self, blocks: &[Value]) -> Option<Chunk> {
        let chunks: Vec<&Chunk> = blocks.iter().map(Value::as_chunk).collect::<Option<_>>()?;
        let first = *chunks.first()?;
        if chunks.len() == 1 {
            return Some(first.clone());
        }
        // Where each block starts: after those before it along each contracted label.
        let mut starts: Vec<Vec<usize>> = Vec::with_capacity(self.counts.len());
        let mut shape: Dims = first.shape().into();
        for (number, count) in self.counts.iter().enumerate() {
            let axis = self.along.iter().position(|along| matches!(along, Along::All(n) if *n == number))?;
            let step: usize = self.counts[number + 1..].iter().product();
            let mut ends = vec![0];
            for k in 0..*count {
                ends.push(ends[k] + chunks[k * step].shape()[axis]);
            }
            for (axis, along) in self.along.iter().enumerate() {
                if matches!(along, Along::All(n) if *n == number) {
                    shape[axis] = ends[*count];
                }
            }
            starts.push(ends);
        }
        let strides = contiguous_strides(&shape);
        let mut buffer = Buffer::zeroed(shape.iter().product::<usize>() * first.dtype().size());
        for (k, block) in chunks.iter().enumerate() {
            let at = self.contracted(k);
            let start = self.along.iter().zip(&strides).map(|(along, stride)| match along {
                Along::All(number) => starts[*number][at[*number]] * *stride as usize,
                Along::Out(_) => 0,
            });
            assign(&mut buffer, start.sum(), &strides, block);
        }
        Some(Chunk::new(first.dtype(), &shape, buffer))
    }
}

struct BlockwiseOp {
    function: Arc<dyn BlockFunction>,
    identity: u64,
    inputs: Vec<Input>,
    out: Chunks,
    concatenate: bool,
    scratch_bytes: u64,
    dtype: DType,
}

impl BlockOp for BlockwiseOp {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn identity(&self) -> u64 {
        self.identity
    }

    fn needs(&self, coordinates: &[usize], needs: &mut Vec<(usize, usize)>) {
        for (number, input) in self.inputs.iter().enumerate() {
            for k in 0..input.count() {
                needs.push((number, input.chunks.index(&input.block(coordinates, &input.contracted(k)))));
            }
        }
    }

    fn run(&self, coordinates: &[usize], inputs: &[Value], context: &TaskContext<'_>) -> Made {
        let mut rest = inputs;
        let mut values = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let (own, others) = rest.split_at(input.count());
            rest = others;
            let joined = if self.concatenate { input.joined(own) } else { None };
            values.push(joined.map_or_else(|| input.nested(own, 0), Value::Chunk));
        }
        let info = BlockInfo {
            block: coordinates.to_vec(),
            numblocks: self.out.numblocks().to_vec(),
            region: self.out.region(coordinates),
            shape: self.out.shape().to_vec(),
            inputs: self.inputs.iter().map(|input| input.place(coordinates)).collect(),
        };
        let value = self.function.call(&info, &values, context)?;
        match &value {
            Value::Chunk(chunk) if chunk.dtype() != self.dtype => Err(format!(
                "{} gave a block of dtype {} where {} was expected",
                self.function.name(),
                chunk.dtype(),
                self.dtype
            )
            .into()),
            _ => Ok(value),
        }
    }

    fn note(&self) -> Option<String> {
        self.function.note()
    }

    /// Blocks are put together outside, where others can work meanwhile.
    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        let joins = self.concatenate && self.inputs.iter().any(|input| input.count() > 1);
        if joins { None } else { self.function.enclosure() }
    }

    fn scratch_bytes(&self, _: &[usize]) -> u64 {
        if !self.concatenate {
            return self.scratch_bytes;
        }
        let joined = |input: &&Input| input.count() > 1;
        let bytes = |input: &Input| (input.chunks.largest_block() * input.count() * self.dtype.size()) as u64;
        self.scratch_bytes + self.inputs.iter().filter(joined).map(bytes).sum::<u64>()
    }
}

/// What [`map_blocks`] is told of the blocks that its function gives.
#[derive(Clone, Debug, Default)]
pub struct MapBlocks {
    /// The block lengths along each axis of the result; `None` if they are the inputs'.
    pub chunks: Option<Vec<BlockLens>>,
    /// Axes that the function drops, of the input with most axes.
    pub drop_axis: Vec<isize>,
    /// Axes of the result that the function makes; where it has more than the inputs, `None` means the first ones.
    pub new_axis: Option<Vec<usize>>,
}

/// Block lengths along an axis, as people give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockLens {
    /// Every block has this length.
    Each(usize),
    /// The length of each block.
    All(Vec<usize>),
}

/// Applies a function to the blocks with the same numbers, counted from the last axis; blocks along dropped axes are put
/// together.
///
/// # Errors
/// [`ArrayError::Value`] in Dask's words for axes and blocks that do not fit.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use selion_array::{Array, BlockFunction, BlockInfo, MapBlocks, map_blocks};
/// use selion_core::{DType, TaskContext, TaskError, Value};
///
/// struct Same;
/// impl BlockFunction for Same {
///     fn name(&self) -> &str { "same" }
///     fn identity(&self) -> u64 { 0 }
///     fn call(&self, _: &BlockInfo, inputs: &[Value], _: &TaskContext<'_>) -> Result<Value, TaskError> {
///         Ok(inputs[0].clone())
///     }
/// }
///
/// let x = Array::ones(&[3, 4], DType::F64, None)?;
/// let y = map_blocks(Arc::new(Same), &[x.clone()], DType::F64, &MapBlocks::default())?;
/// assert_eq!(y.shape(), x.shape());
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn map_blocks(
    function: Arc<dyn BlockFunction>,
    inputs: &[Array],
    dtype: DType,
    options: &MapBlocks,
) -> Result<Array> {
    // An axis' label is its distance from the last one.
    let labels = |ndim: usize| -> Vec<usize> { (0..ndim).rev().collect() };
    let inputs: Vec<(Array, Vec<usize>)> = inputs.iter().map(|array| (array.clone(), labels(array.ndim()))).collect();
    let ndim = inputs.iter().map(|(array, _)| array.ndim()).max().unwrap_or(0);
    let dropped = dropped_axes(&options.drop_axis, ndim)?;
    let mut out: Vec<usize> = labels(ndim);
    let mut axis = 0;
    out.retain(|_| {
        axis += 1;
        !dropped.contains(&(axis - 1))
    });
    let given = options.chunks.as_ref();
    let mut new_axis: Vec<usize> = match (&options.new_axis, given) {
        (Some(new_axis), _) => new_axis.clone(),
        (None, Some(chunks)) => (0..chunks.len().saturating_sub(out.len())).collect(),
        (None, None) => vec![],
    };
    new_axis.sort_unstable();
    let mut new_axes = Vec::with_capacity(new_axis.len());
    for axis in &new_axis {
        if *axis > out.len() {
            return Err(ArrayError::Value("New_axis values do not fill in all dimensions".to_owned()));
        }
        let label = out.len() + dropped.len();
        out.insert(*axis, label);
        new_axes.push((
            label,
            match given.and_then(|chunks| chunks.get(*axis)) {
                None => vec![1],
                Some(BlockLens::Each(len)) => vec![*len],
                Some(BlockLens::All(lens)) => lens.clone(),
            },
        ));
    }
    let mut adjust_chunks = Vec::new();
    if let Some(chunks) = given {
        if chunks.len() != out.len() {
            return Err(ArrayError::Value(format!(
                "Provided chunks have {} dims; expected {} dims",
                chunks.len(),
                out.len()
            )));
        }
        adjust_chunks = out
            .iter()
            .copied()
            .zip(chunks.iter().map(|lens| match lens {
                BlockLens::Each(len) => AdjustChunks::Size(*len),
                BlockLens::All(lens) => AdjustChunks::Lens(lens.clone()),
            }))
            .collect();
    }
    let options = BlockwiseOptions { new_axes, adjust_chunks, concatenate: true, ..BlockwiseOptions::default() };
    blockwise_with(function, &out, &inputs, dtype, &options)
}

/// The axes to drop, counted from the front.
pub(crate) fn dropped_axes(axes: &[isize], ndim: usize) -> Result<Vec<usize>> {
    let count = |axis: &isize| usize::try_from(if *axis < 0 { axis + ndim as isize } else { *axis }).ok();
    let counted: Option<Vec<usize>> = axes.iter().map(|axis| count(axis).filter(|axis| *axis < ndim)).collect();
    counted.ok_or_else(|| {
        ArrayError::Value(format!("drop_axis out of range (drop_axis={axes:?}, but output is {ndim}d)."))
    })
}
