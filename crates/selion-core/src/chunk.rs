//! A block of an array: a strided view over a shared buffer.
//!
//! Slicing, transposing and broadcasting a chunk moves no element. Strides and offsets count elements, not bytes; a
//! foreign array whose strides are not whole elements is copied before it becomes a chunk. Every constructor checks that
//! all elements lie within the buffer, so kernels may index without looking back.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{Buffer, DType, Element, Scalar, copy};

/// Lengths or indices, one per axis.
pub type Dims = SmallVec<[usize; 4]>;
/// Strides, in elements, one per axis.
pub type Steps = SmallVec<[isize; 4]>;

/// A strided block of elements over a shared buffer.
#[derive(Clone, Debug)]
pub struct Chunk {
    dtype: DType,
    shape: Dims,
    strides: Steps,
    offset: usize,
    buffer: Arc<Buffer>,
}

/// The elements of a chunk as kernels read them: `data[offset + Σ index · stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, T> {
    /// All elements of the buffer.
    pub data: &'a [T],
    /// Where the element with index 0 on every axis is.
    pub offset: usize,
    /// Lengths.
    pub shape: &'a [usize],
    /// Strides in elements.
    pub strides: &'a [isize],
}

/// The strides of a C-ordered block without gaps.
pub fn contiguous_strides(shape: &[usize]) -> Steps {
    let mut strides: Steps = SmallVec::from_elem(1, shape.len());
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1].max(1) as isize;
    }
    strides
}

impl Chunk {
    /// A C-ordered chunk over the whole of `buffer`.
    ///
    /// # Panics
    /// If the buffer is smaller than `shape` needs.
    pub fn new(dtype: DType, shape: &[usize], buffer: Buffer) -> Self {
        let strides = contiguous_strides(shape);
        Self::from_parts(dtype, shape.into(), strides, 0, Arc::new(buffer))
    }

    /// A chunk over part of `buffer`.
    ///
    /// # Panics
    /// If an element would lie outside the buffer.
    pub fn from_parts(dtype: DType, shape: Dims, strides: Steps, offset: usize, buffer: Arc<Buffer>) -> Self {
        assert_eq!(shape.len(), strides.len(), "one stride per axis");
        if !shape.contains(&0) {
            let reach = |positive: bool| -> isize {
                let steps = shape.iter().zip(&strides).map(|(len, stride)| (*len as isize - 1) * stride);
                steps.filter(|step| (*step > 0) == positive).sum()
            };
            let elements = buffer.len() / dtype.size();
            let (first, last) = (offset as isize + reach(false), offset as isize + reach(true));
            assert!(first >= 0 && (last as usize) < elements, "chunk of shape {shape:?} exceeds its buffer");
        }
        Chunk { dtype, shape, strides, offset, buffer }
    }

    /// A C-ordered chunk of the given elements.
    ///
    /// # Panics
    /// If there are not as many values as `shape` needs.
    pub fn from_values<T: Element>(shape: &[usize], values: &[T]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape has elements");
        Self::new(T::DTYPE, shape, Buffer::from_slice(values))
    }

    /// A chunk whose elements are all `value`; it takes the memory of one.
    pub fn full(shape: &[usize], value: Scalar) -> Self {
        let mut buffer = Buffer::zeroed(value.dtype().size());
        buffer.bytes_mut().copy_from_slice(value.bytes());
        Chunk {
            dtype: value.dtype(),
            shape: shape.into(),
            strides: SmallVec::from_elem(0, shape.len()),
            offset: 0,
            buffer: Arc::new(buffer),
        }
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The strides, in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Where the first element is in the buffer, in elements.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The memory below.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of the elements, as if each had its own memory.
    pub fn nbytes(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// Bytes that dropping this chunk may free: its buffer's where selion made it, none where it was lent.
    pub fn held_bytes(&self) -> usize {
        if self.buffer.is_owned() { self.buffer.len() } else { 0 }
    }

    /// The elements as `T`, the canonical type of the dtype.
    ///
    /// # Panics
    /// If `T` is not the size of the dtype.
    pub fn strided<T: Element>(&self) -> Strided<'_, T> {
        assert_eq!(size_of::<T>(), self.dtype.size(), "{} read as {}", self.dtype, T::DTYPE);
        Strided { data: self.buffer.typed(), offset: self.offset, shape: &self.shape, strides: &self.strides }
    }

    /// The elements in C order, if they lie so without gaps.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if !self.is_contiguous() {
            return None;
        }
        let len = self.len();
        Some(if len == 0 { &[] } else { &self.buffer.typed()[self.offset..self.offset + len] })
    }

    /// The elements in C order, copied.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        self.to_contiguous().as_slice().map(<[T]>::to_vec).unwrap_or_default()
    }

    /// The element of a chunk with exactly one.
    pub fn scalar(&self) -> Option<Scalar> {
        (self.len() == 1).then(|| {
            let start = self.offset * self.dtype.size();
            Scalar::from_bytes(self.dtype, &self.buffer.bytes()[start..])
        })
    }

    /// Whether the elements lie in C order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (len, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *len == 0 {
                return true;
            }
            if *len != 1 {
                if *stride != expected {
                    return false;
                }
                expected *= *len as isize;
            }
        }
        true
    }

    /// The same elements in C order without gaps; a copy only if they are not so yet.
    pub fn to_contiguous(&self) -> Chunk {
        if self.is_contiguous() {
            return self.clone();
        }
        let mut buffer = Buffer::scratch(self.nbytes());
        let strides = contiguous_strides(&self.shape);
        copy::assign(&mut buffer, 0, &strides, self);
        Chunk { strides, offset: 0, buffer: Arc::new(buffer), dtype: self.dtype, shape: self.shape.clone() }
    }

    /// The same elements in memory of their own, so that a small view does not keep a large buffer alive.
    pub fn compact(&self) -> Chunk {
        if self.buffer.is_owned() && self.nbytes() * 2 >= self.buffer.len() {
            return self.clone();
        }
        self.compact_copy()
    }

    /// The same elements, C-ordered, in memory that nobody else has.
    pub fn compact_copy(&self) -> Chunk {
        let mut buffer = Buffer::scratch(self.nbytes());
        copy::assign(&mut buffer, 0, &contiguous_strides(&self.shape), self);
        Chunk::new(self.dtype, &self.shape, buffer)
    }

    /// The same bytes read as another dtype of the same size, such as datetimes as `i64`.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn reinterpret(&self, dtype: DType) -> Chunk {
        assert_eq!(dtype.size(), self.dtype.size(), "reinterpreting {} as {dtype}", self.dtype);
        Chunk { dtype, ..self.clone() }
    }

    /// The view with other lengths, strides and start, relative to this chunk's first element.
    ///
    /// # Panics
    /// If an element would lie outside the buffer.
    pub fn view(&self, start: isize, shape: Dims, strides: Steps) -> Chunk {
        let offset = self.offset as isize + start;
        if shape.contains(&0) {
            return Chunk { shape, strides, ..self.clone() };
        }
        assert!(offset >= 0, "view starts before its buffer");
        Self::from_parts(self.dtype, shape, strides, offset as usize, Arc::clone(&self.buffer))
    }

    /// Elements `start, start + step, …`, `len` of them, along one axis.
    ///
    /// # Panics
    /// If one of them is out of bounds.
    pub fn slice(&self, axis: usize, start: usize, step: isize, len: usize) -> Chunk {
        let (mut shape, mut strides) = (self.shape.clone(), self.strides.clone());
        if len > 0 {
            let last = start as isize + (len as isize - 1) * step;
            assert!(start < self.shape[axis] && last >= 0 && (last as usize) < self.shape[axis], "slice out of bounds");
        }
        let offset = if len > 0 { start as isize * strides[axis] } else { 0 };
        shape[axis] = len;
        strides[axis] *= step;
        self.view(offset, shape, strides)
    }

    /// The box of elements that starts at `start` and has the lengths `shape`.
    ///
    /// # Panics
    /// If it does not lie within this chunk.
    pub fn sub_block(&self, start: &[usize], shape: &[usize]) -> Chunk {
        for axis in 0..self.ndim() {
            assert!(start[axis] + shape[axis] <= self.shape[axis], "block out of bounds");
        }
        let offset = start.iter().zip(&self.strides).map(|(start, stride)| *start as isize * stride).sum();
        self.view(if shape.contains(&0) { 0 } else { offset }, shape.into(), self.strides.clone())
    }

    /// The axes in another order: axis `k` of the result is axis `axes[k]` of this chunk.
    pub fn transpose(&self, axes: &[usize]) -> Chunk {
        let shape = axes.iter().map(|axis| self.shape[*axis]).collect();
        let strides = axes.iter().map(|axis| self.strides[*axis]).collect();
        Chunk { shape, strides, ..self.clone() }
    }

    /// The same elements under another shape; a copy only if the strides do not allow a view.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Chunk {
        assert_eq!(self.len(), shape.iter().product::<usize>(), "reshape keeps the number of elements");
        let whole = self.to_contiguous();
        Chunk { shape: shape.into(), strides: contiguous_strides(shape), ..whole }
    }

    /// Repeats axes of length 1, and adds axes in front, without moving an element.
    ///
    /// # Panics
    /// If a length differs that is not 1.
    pub fn broadcast_to(&self, shape: &[usize]) -> Chunk {
        let extra = shape.len() - self.ndim();
        let strides = (0..shape.len()).map(|axis| {
            if axis < extra {
                return 0;
            }
            let len = self.shape[axis - extra];
            assert!(len == shape[axis] || len == 1, "cannot broadcast {:?} to {shape:?}", self.shape);
            if len == shape[axis] { self.strides[axis - extra] } else { 0 }
        });
        Chunk { strides: strides.collect(), shape: shape.into(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Chunk {
        Chunk::from_values(&[3, 4], &(0..12).collect::<Vec<i64>>())
    }

    #[test]
    fn views_move_no_element() {
        let x = grid();
        let t = x.transpose(&[1, 0]);
        assert_eq!(t.shape(), [4, 3]);
        assert_eq!(t.to_vec::<i64>()[..3], [0, 4, 8]);
        assert!(Arc::ptr_eq(x.buffer(), t.buffer()));
        assert_eq!(x.slice(1, 3, -2, 2).to_vec::<i64>(), [3, 1, 7, 5, 11, 9]);
        assert_eq!(x.sub_block(&[1, 2], &[2, 2]).to_vec::<i64>(), [6, 7, 10, 11]);
    }

    #[test]
    fn broadcast_repeats() {
        let row = Chunk::from_values(&[2], &[1i64, 2]).broadcast_to(&[2, 2]);
        assert_eq!(row.to_vec::<i64>(), [1, 2, 1, 2]);
        assert_eq!(Chunk::full(&[2, 2], Scalar::new(7i64)).to_vec::<i64>(), [7; 4]);
    }

    #[test]
    fn empty_chunks_are_fine() {
        let x = grid().slice(0, 0, 1, 0);
        assert_eq!(x.shape(), [0, 4]);
        assert!(x.to_vec::<i64>().is_empty());
        assert!(x.reshape(&[4, 0]).is_empty());
    }

    #[test]
    #[should_panic(expected = "exceeds its buffer")]
    fn a_view_beyond_its_buffer_is_refused() {
        grid().view(0, [4, 4].as_slice().into(), [4, 1].as_slice().into());
    }
}
