//! Counts by bin, found block by block and added up.

use selion_core::{Chunk, DType, Value, promote};
use selion_kernels::blocks::bins::{self, Edges};
use selion_kernels::blocks::layout::concatenate;
use selion_kernels::error::KernelError;
use selion_kernels::program::{Op, OpError, cast};

use crate::block_fn::{BlockFn, Made, chunks_of, merge_tree};
use crate::chunks::{AxisChunks, Chunks, UNKNOWN};
use crate::error::{ArrayError, Result};
use crate::expr::{Array, hash_of};
use crate::reduce::ReduceKind;

/// So many elements in memory are looked at without delay when an expression is made.
const FEW: usize = 1 << 16;

/// The first two blocks that a task was given; the second may be missing.
fn pair(values: &[Value]) -> std::result::Result<(&Chunk, Option<&Chunk>), &'static str> {
    let mut chunks = values.iter().filter_map(Value::as_chunk);
    Ok((chunks.next().ok_or("a block is missing")?, chunks.next()))
}

impl Array {
    /// How often each of 0, 1, … occurs among the integers of an array of one axis, or the sums of their weights.
    ///
    /// The result is as long as the greatest element needs, and at least `minlength`. That is known before computing if
    /// the dtype has no greater elements, or if few elements are in memory.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for several axes, or weights of another shape; [`ArrayError::Type`] for elements that are
    /// not integers, and weights that are not real numbers.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// let counts = Array::ones(&[9], DType::U8, None)?.bincount(None, 256)?;
    /// assert_eq!((counts.shape().as_slice(), counts.dtype()), (&[256][..], DType::I64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn bincount(&self, weights: Option<&Array>, minlength: usize) -> Result<Array> {
        if self.ndim() != 1 {
            return Err(ArrayError::Value("Input array must be one dimensional. Try using x.ravel()".to_owned()));
        }
        let unsafe_cast = |from: DType, to: DType| {
            ArrayError::Type(format!(
                "Cannot cast array data from dtype('{from}') to dtype('{to}') according to the rule 'safe'"
            ))
        };
        if !self.dtype().is_integer() && self.dtype() != DType::Bool {
            return Err(unsafe_cast(self.dtype(), DType::I64));
        }
        let weights = match weights {
            None => None,
            Some(weights) if weights.dtype().is_complex() || weights.dtype().is_time() => {
                return Err(unsafe_cast(weights.dtype(), DType::F64));
            }
            Some(weights) => {
                let different = || ArrayError::Value("The weights and list don't have the same length.".to_owned());
                Some(weights.astype(DType::F64)?.beside(self, different)?)
            }
        };
        let dtype = if weights.is_some() { DType::F64 } else { DType::I64 };
        let len = self.bins_needed(minlength).unwrap_or(UNKNOWN);
        // Where the length is known, all blocks give as many counts.
        let atleast = if len == UNKNOWN { minlength } else { len };
        let weighted = weights.is_some();
        let parts = BlockFn::new(
            "bincount",
            atleast,
            move |at, needs| needs.extend((0..1 + usize::from(weighted)).map(|input| (input, at[0]))),
            move |_, inputs| {
                let (block, weights) = pair(inputs)?;
                Ok(bins::bincount(block, weights, atleast)?.into())
            },
        )
        .array(
            std::iter::once(self.clone()).chain(weights).collect(),
            dtype,
            Chunks::new([AxisChunks::new(vec![len; self.chunks().count()])]),
        );
        Ok(merge_tree(
            "bincount",
            parts,
            0,
            atleast,
            move |_| len,
            move |inputs| Ok(padded_sum(&chunks_of(inputs))?.into()),
        ))
    }

    /// How many elements lie in each bin, or the sum of their weights; and the edges of the bins. Bins are open on the
    /// right, except the last.
    ///
    /// With `density`, the counts are divided by their sum and by the widths of the bins.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for edges that do not ascend, and weights of another shape; [`ArrayError::Op`] for complex
    /// numbers and datetimes.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// use selion_kernels::blocks::bins::Edges;
    /// let x = Array::ones(&[9, 4], DType::F32, None)?;
    /// let (counts, edges) = x.histogram(&Edges::Uniform { low: 0.0, high: 2.0, bins: 5 }, None, false)?;
    /// assert_eq!((counts.shape().as_slice(), counts.dtype()), (&[5][..], DType::I64));
    /// assert_eq!(edges.shape().as_slice(), [6]);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn histogram(&self, edges: &Edges, weights: Option<&Array>, density: bool) -> Result<(Array, Array)> {
        let edges = checked(edges)?;
        let dtypes = [Some(self.dtype()), weights.map(Array::dtype)];
        let complex = self.dtype().is_complex();
        if complex || dtypes.into_iter().flatten().any(DType::is_time) {
            return Err(OpError::Unsupported { op: "histogram", dtypes: dtypes.into_iter().flatten().collect() }.into());
        }
        let different = || ArrayError::Value("weights should have the same shape as a.".to_owned());
        let weights = weights.map(|weights| weights.beside(self, different)).transpose()?;
        let dtype = weights.as_ref().map_or(DType::I64, Array::dtype);
        let list = edges.to_vec();
        let weighted = weights.is_some();
        let bits: Vec<u64> = list.iter().map(|edge| edge.to_bits()).collect();
        let uniform = matches!(edges, Edges::Uniform { .. });
        let rows = AxisChunks::new(vec![1; self.chunks().count()]);
        let chunks = Chunks::new([rows, AxisChunks::new(vec![list.len() - 1])]);
        let parts = BlockFn::new(
            "histogram",
            (hash_of(bits), uniform),
            move |at, needs| needs.extend((0..1 + usize::from(weighted)).map(|input| (input, at[0]))),
            move |_, inputs| {
                let (block, weights) = pair(inputs)?;
                let counts = bins::histogram(block, &edges, weights)?;
                Ok(counts.reshape(&[1, counts.len()]).into())
            },
        )
        .with_scratch(self.chunks().largest_block() * size_of::<f64>())
        .array(std::iter::once(self.clone()).chain(weights).collect(), dtype, chunks);
        let counts = parts.reduce(ReduceKind::Sum, Some(&[0]), false, 0.0, 0)?.astype(dtype)?;
        let widths: Vec<f64> = list.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let edges = Array::from_chunk(Chunk::from_values(&[list.len()], &list), None)?;
        if !density {
            return Ok((counts, edges));
        }
        let widths = Array::from_chunk(Chunk::from_values(&[widths.len()], &widths), None)?;
        let total = counts.reduce(ReduceKind::Sum, None, false, 0.0, 0)?;
        Ok((counts.binary(Op::Divide, &widths)?.binary(Op::Divide, &total)?, edges))
    }

    /// How many points lie in each cell of a grid, or the sum of their weights, as `float64`; and the edges along each
    /// dimension. `sample` has an array of one axis for each dimension, with the points' coordinates.
    ///
    /// With `density`, the counts are divided by their sum and by the volumes of the cells.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for edges that do not ascend or are not as many as dimensions, and for arrays that are not of
    /// one length; [`ArrayError::Op`] for complex numbers and datetimes.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::DType;
    /// use selion_kernels::blocks::bins::Edges;
    /// let x = Array::ones(&[9], DType::F32, None)?;
    /// let edges = Edges::Uniform { low: 0.0, high: 2.0, bins: 5 };
    /// let (counts, edges) = Array::histogramdd(&[x.clone(), x], &[edges.clone(), edges], None, false)?;
    /// assert_eq!(counts.shape().as_slice(), [5, 5]);
    /// assert_eq!(edges.len(), 2);
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn histogramdd(
        sample: &[Array],
        edges: &[Edges],
        weights: Option<&Array>,
        density: bool,
    ) -> Result<(Array, Vec<Array>)> {
        let wrong = |message: &str| ArrayError::Value(message.to_owned());
        let Some(first) = sample.first() else { return Err(wrong("a histogram needs at least one dimension")) };
        if sample.len() != edges.len() {
            return Err(wrong("The dimension of bins must be equal to the dimension of the sample x."));
        }
        if sample.iter().any(|x| x.ndim() != 1) {
            return Err(wrong("the coordinates of a sample must be one dimensional arrays"));
        }
        let dtypes: Vec<DType> = sample.iter().chain(weights).map(Array::dtype).collect();
        if dtypes.iter().any(|dtype| dtype.is_complex() || dtype.is_time()) {
            return Err(OpError::Unsupported { op: "histogramdd", dtypes }.into());
        }
        let edges: Vec<Edges> = edges.iter().map(checked).collect::<Result<_>>()?;
        let mut inputs: Vec<Array> = Vec::with_capacity(sample.len() + 1);
        for x in sample {
            inputs.push(x.beside(first, || wrong("the coordinates of a sample must have the same length"))?);
        }
        if let Some(weights) = weights {
            let weights = weights.astype(DType::F64)?;
            inputs.push(weights.beside(first, || wrong("The weights and list don't have the same length."))?);
        }
        let lists: Vec<Vec<f64>> = edges.iter().map(Edges::to_vec).collect();
        let bits: Vec<Vec<u64>> = lists.iter().map(|list| list.iter().map(|edge| edge.to_bits()).collect()).collect();
        let uniform: Vec<bool> = edges.iter().map(|edges| matches!(edges, Edges::Uniform { .. })).collect();
        let cells = lists.iter().map(|list| AxisChunks::new(vec![list.len() - 1]));
        let rows = AxisChunks::new(vec![1; first.chunks().count()]);
        let chunks = Chunks::new(std::iter::once(rows).chain(cells).collect::<Vec<_>>());
        let (count, dimensions) = (inputs.len(), sample.len());
        let parts = BlockFn::new(
            "histogramdd",
            (bits, uniform, dimensions),
            move |at, needs| needs.extend((0..count).map(|input| (input, at[0]))),
            move |_, inputs| {
                let blocks = chunks_of(inputs);
                if blocks.len() != count {
                    return Err("a block is missing".into());
                }
                let counts = bins::histogramdd(&blocks[..dimensions], &edges, blocks.get(dimensions))?;
                let shape: Vec<usize> = std::iter::once(1).chain(counts.shape().iter().copied()).collect();
                Ok(counts.reshape(&shape).into())
            },
        )
        .with_scratch(first.chunks().largest_block() * (count + 2) * size_of::<f64>())
        .array(inputs, DType::F64, chunks);
        let mut counts = parts.reduce(ReduceKind::Sum, Some(&[0]), false, 0.0, 0)?;
        if density {
            let total = counts.reduce(ReduceKind::Sum, None, false, 0.0, 0)?;
            for (axis, list) in lists.iter().enumerate() {
                let widths: Vec<f64> = list.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let mut shape = vec![1; lists.len()];
                shape[axis] = widths.len();
                let widths = Array::from_chunk(Chunk::from_values(&shape, &widths), None)?;
                counts = counts.binary(Op::Divide, &widths)?;
            }
            counts = counts.binary(Op::Divide, &total)?;
        }
        let edges = lists.iter().map(|list| Array::from_chunk(Chunk::from_values(&[list.len()], list), None));
        Ok((counts, edges.collect::<Result<_>>()?))
    }

    /// The number of the bin of each element (`int64`): how many of the edges `bins`, of one axis, ascending or
    /// descending, lie before it. `right` closes bins on the right.
    ///
    /// # Errors
    /// [`ArrayError::Value`] for edges of several axes; [`ArrayError::Type`] for complex numbers;
    /// [`ArrayError::DType`] for dtypes that do not compare.
    ///
    /// # Examples
    /// ```
    /// use selion_array::Array;
    /// use selion_core::{Chunk, DType};
    /// let edges = Array::from_chunk(Chunk::from_values(&[3], &[0.0, 1.0, 2.0]), None)?;
    /// let places = Array::ones(&[9, 4], DType::F32, None)?.digitize(&edges, false)?;
    /// assert_eq!((places.shape().as_slice(), places.dtype()), (&[9, 4][..], DType::I64));
    /// # Ok::<(), selion_array::ArrayError>(())
    /// ```
    pub fn digitize(&self, bins: &Array, right: bool) -> Result<Array> {
        if self.dtype().is_complex() {
            return Err(ArrayError::Type("x may not be complex".to_owned()));
        }
        if bins.ndim() != 1 {
            return Err(ArrayError::Value("bins must be 1-dimensional".to_owned()));
        }
        let dtype = promote(self.dtype(), bins.dtype())?;
        let bins = bins.astype(dtype)?.rechunk_to(Chunks::whole(&bins.shape()))?;
        let blocks = self.chunks().clone();
        let places = BlockFn::new(
            "digitize",
            right,
            move |at, needs| needs.extend([(0, blocks.index(at)), (1, 0)]),
            move |_, inputs| -> Made {
                let (block, Some(edges)) = pair(inputs)? else { return Err("a block is missing".into()) };
                bins::digitize(block, edges, right).map(Value::from).map_err(|error| match error {
                    KernelError::Value { .. } => "bins must be monotonically increasing or decreasing".into(),
                    other => other.into(),
                })
            },
        );
        Ok(places.array(vec![self.astype(dtype)?, bins], DType::I64, self.chunks().clone()))
    }

    /// How long the counts of this array's elements are, if that can be told.
    fn bins_needed(&self, minlength: usize) -> Option<usize> {
        let most = match self.dtype() {
            DType::Bool => Some(1),
            DType::U8 => Some(usize::from(u8::MAX)),
            DType::I8 => Some(i8::MAX as usize),
            _ => None,
        };
        if most.is_some_and(|most| most < minlength) {
            return Some(minlength);
        }
        let chunk = self.in_memory().filter(|chunk| chunk.len() <= FEW)?;
        let values = cast(chunk, DType::I64).ok()?.to_vec::<i64>();
        let most = values.iter().max().map_or(0, |most| usize::try_from(*most).unwrap_or(0).saturating_add(1));
        Some(most.max(minlength))
    }

    /// The array in the blocks of another of the same shape.
    fn beside(&self, other: &Array, different: impl Fn() -> ArrayError) -> Result<Array> {
        if self.shape() != other.shape() {
            return Err(different());
        }
        self.rechunk_to(other.chunks().clone())
    }
}

/// The edges, if they are such, in NumPy's words if not; an empty range is widened as NumPy does.
fn checked(edges: &Edges) -> Result<Edges> {
    let wrong = |message: &str| Err(ArrayError::Value(message.to_owned()));
    match edges {
        Edges::Uniform { bins: 0, .. } => wrong("`bins` must be positive, when an integer"),
        Edges::Uniform { low, high, .. } if low > high => wrong("max must be larger than min in range parameter."),
        Edges::Uniform { low, high, .. } if !low.is_finite() || !high.is_finite() => {
            Err(ArrayError::Value(format!("supplied range of [{low}, {high}] is not finite")))
        }
        Edges::Uniform { low, high, bins } if low == high => {
            Ok(Edges::Uniform { low: low - 0.5, high: high + 0.5, bins: *bins })
        }
        Edges::List(list) if list.len() < 2 || !list.windows(2).all(|pair| pair[0] <= pair[1]) => {
            wrong("`bins` must increase monotonically, when an array")
        }
        _ => Ok(edges.clone()),
    }
}

/// The sum of counts of different lengths.
fn padded_sum(parts: &[Chunk]) -> std::result::Result<Chunk, KernelError> {
    let len = parts.iter().map(Chunk::len).max().unwrap_or(0);
    macro_rules! sum {
        ($T:ty, $zero:expr) => {{
            let mut sum = vec![$zero; len];
            for part in parts {
                for (sum, x) in sum.iter_mut().zip(part.to_vec::<$T>()) {
                    *sum += x;
                }
            }
            Ok(Chunk::from_values(&[len], &sum))
        }};
    }
    match parts.first().map(Chunk::dtype) {
        Some(DType::F64) => sum!(f64, 0.0),
        Some(DType::I64) => sum!(i64, 0),
        _ => concatenate(parts, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate_for_tests::{Rng, assert_same, evaluate, try_evaluate};

    #[test]
    fn bincount_agrees_with_one_block() {
        let mut rng = Rng(21);
        for case in 0..100 {
            let len = rng.below(200);
            let dtype = [DType::I64, DType::U8, DType::I32, DType::U64][case % 4];
            let ((x, chunk), (weights, w)) = (rng.array(&[len], dtype), rng.array(&[len], DType::F64));
            for minlength in [0, 6, 10] {
                assert_same(&x.bincount(None, minlength).unwrap(), &bins::bincount(&chunk, None, minlength).unwrap());
                let want = bins::bincount(&chunk, Some(&w), minlength).unwrap();
                assert_same(&x.bincount(Some(&weights), minlength).unwrap(), &want);
            }
        }
        let (x, chunk) = rng.array(&[50], DType::I64);
        assert_same(&x.bincount(None, 1).unwrap(), &bins::bincount(&chunk, None, 1).unwrap());
    }

    #[test]
    fn histogram_agrees_with_one_block() {
        let mut rng = Rng(22);
        let all = [
            Edges::Uniform { low: 0.0, high: 5.0, bins: 4 },
            Edges::List(vec![0.0, 0.5, 3.0, 4.0]),
            Edges::Uniform { low: -1.0, high: 3.0, bins: 7 },
        ];
        for case in 0..100 {
            let shape = [rng.below(9), rng.below(9)];
            let edges = &all[case % all.len()];
            let dtype = [DType::F64, DType::F32, DType::I16, DType::Bool][case % 4];
            let (x, chunk) = rng.array(&shape, dtype);
            let (weights, w) = rng.array(&shape, [DType::F64, DType::F32, DType::I32, DType::I64][case / 4 % 4]);
            let (counts, list) = x.histogram(edges, None, false).unwrap();
            assert_same(&counts, &bins::histogram(&chunk, edges, None).unwrap());
            assert_eq!(evaluate(&list).to_vec::<f64>(), edges.to_vec());
            let (counts, _) = x.histogram(edges, Some(&weights), false).unwrap();
            assert_same(&counts, &bins::histogram(&chunk, edges, Some(&w)).unwrap());
        }
    }

    #[test]
    fn densities_integrate_to_one() {
        let (x, _) = Rng(23).array(&[40], DType::F64);
        let edges = Edges::List(vec![0.0, 1.0, 4.0, 5.0]);
        let density = evaluate(&x.histogram(&edges, None, true).unwrap().0).to_vec::<f64>();
        let total: f64 = density.iter().zip([1.0, 3.0, 1.0]).map(|(x, width)| x * width).sum();
        assert!((total - 1.0).abs() < 1e-12);
    }

    #[test]
    fn histogramdd_agrees_with_one_block() {
        let mut rng = Rng(25);
        let edges = [Edges::Uniform { low: 0.0, high: 5.0, bins: 4 }, Edges::List(vec![0.0, 0.5, 3.0, 4.0])];
        for _ in 0..50 {
            let len = rng.below(40);
            let ((x, a), (y, b)) = (rng.array(&[len], DType::F32), rng.array(&[len], DType::I16));
            let (weights, w) = rng.array(&[len], DType::F64);
            let (counts, lists) = Array::histogramdd(&[x.clone(), y.clone()], &edges, None, false).unwrap();
            assert_same(&counts, &bins::histogramdd(&[a.clone(), b.clone()], &edges, None).unwrap());
            assert_eq!(evaluate(&lists[1]).to_vec::<f64>(), edges[1].to_vec());
            let (counts, _) = Array::histogramdd(&[x.clone(), y.clone()], &edges, Some(&weights), false).unwrap();
            assert_same(&counts, &bins::histogramdd(&[a, b], &edges, Some(&w)).unwrap());
            let density = evaluate(&Array::histogramdd(&[x, y], &edges, None, true).unwrap().0);
            let widths = [0.5, 2.5, 1.0].map(|width| width * 1.25);
            let total: f64 =
                density.to_vec::<f64>().iter().zip(widths.iter().cycle()).map(|(x, width)| x * width).sum();
            assert!(len == 0 || total.is_nan() || (total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn digitize_agrees_with_one_block() {
        let mut rng = Rng(24);
        for right in [false, true] {
            let (x, chunk) = rng.array(&[7, 8], DType::F64);
            let edges = Chunk::from_values(&[3], &[4.0, 2.0, 1.0]);
            let want = bins::digitize(&chunk, &edges, right).unwrap();
            assert_same(&x.digitize(&rng.divided(&edges), right).unwrap(), &want);
        }
    }

    #[test]
    fn errors_are_numpys() {
        let x = Array::ones(&[4], DType::F64, None).unwrap();
        let histogram = |edges| x.histogram(&edges, None, false).unwrap_err().to_string();
        assert_eq!(histogram(Edges::List(vec![2.0, 1.0])), "`bins` must increase monotonically, when an array");
        assert_eq!(
            histogram(Edges::Uniform { low: 0.0, high: 1.0, bins: 0 }),
            "`bins` must be positive, when an integer"
        );
        assert_eq!(
            x.bincount(None, 0).unwrap_err().to_string(),
            "Cannot cast array data from dtype('float64') to dtype('int64') according to the rule 'safe'"
        );
        let edges = Array::from_chunk(Chunk::from_values(&[3], &[1.0, 3.0, 2.0]), None).unwrap();
        let error = try_evaluate(&x.digitize(&edges, false).unwrap(), crate::LowerOptions::default()).unwrap_err();
        assert!(error.to_string().ends_with("bins must be monotonically increasing or decreasing"), "{error}");
    }
}
