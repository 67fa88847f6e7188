//! Memory for elements: aligned to cache lines, shared, returned to a pool.
//!
//! A fresh large allocation costs a page fault for each 4 KiB, which for streaming kernels is as dear as the work
//! itself. Buffers of [`POOLED_MIN_BYTES`] and more therefore go back to a process-wide pool, in size classes at most an
//! eighth apart, up to [`POOL_MAX_BYTES`]. Memory from the allocator comes as zero pages, so nothing is ever
//! uninitialised; memory from the pool holds what it held. Foreign memory (a NumPy array's) is read in place and kept
//! alive by its owner.

use std::any::Any;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::Element;

/// Smaller buffers come and go through the allocator, which has its own caches for them.
const POOLED_MIN_BYTES: usize = 64 << 10;
/// The pool keeps no more than this: enough for the chunks that two or three threads turn over.
const POOL_MAX_BYTES: usize = 96 << 20;
/// Start of the data: a cache line, and the widest vector register.
const ALIGN: usize = 64;
/// Size classes per doubling.
const CLASSES_PER_DOUBLING: usize = 8;

type Line = u128;
const LINE: usize = size_of::<Line>();

struct Pool {
    /// (size class in bytes, free memory of that size), most recently used last.
    free: Mutex<Vec<(usize, Vec<Line>)>>,
    retained_bytes: AtomicUsize,
}

static POOL: Pool = Pool { free: Mutex::new(Vec::new()), retained_bytes: AtomicUsize::new(0) };

/// How many bytes the pool holds for reuse now.
pub fn pool_retained_bytes() -> usize {
    POOL.retained_bytes.load(Relaxed)
}

/// The capacity with which a buffer of `len` bytes is made: the next size class.
fn size_class(len: usize) -> usize {
    if len < POOLED_MIN_BYTES {
        return len.next_multiple_of(LINE);
    }
    let step = (len.next_power_of_two() / 2 / CLASSES_PER_DOUBLING).max(LINE);
    len.next_multiple_of(step)
}

impl Pool {
    fn take(&self, class: usize) -> Option<Vec<Line>> {
        let mut free = self.free.lock().ok()?;
        let at = free.iter().rposition(|(size, _)| *size == class)?;
        let (_, lines) = free.remove(at);
        self.retained_bytes.fetch_sub(class, Relaxed);
        Some(lines)
    }

    fn give(&self, class: usize, lines: Vec<Line>) {
        if class > POOL_MAX_BYTES {
            return;
        }
        let mut evicted = Vec::new(); // freed after the lock is released
        if let Ok(mut free) = self.free.lock() {
            free.push((class, lines));
            let mut retained = self.retained_bytes.fetch_add(class, Relaxed) + class;
            while retained > POOL_MAX_BYTES {
                let oldest = free.remove(0);
                retained = self.retained_bytes.fetch_sub(oldest.0, Relaxed) - oldest.0;
                evicted.push(oldest);
            }
        }
    }
}

enum Storage {
    Owned { lines: Vec<Line>, class: usize },
    Foreign { data: *const u8, owner: Box<dyn Any + Send + Sync> },
}

/// A run of bytes, 64-byte aligned if selion made it.
pub struct Buffer {
    storage: Storage,
    start: usize,
    len: usize,
}

// SAFETY: owned memory is a plain `Vec`. Foreign memory is only read through `&self`, and whoever calls
// `Buffer::foreign` promises that it may be read from any thread while the owner lives.
unsafe impl Send for Buffer {}
// SAFETY: as above; `&Buffer` gives out shared slices only.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` bytes of zeros. Pages are touched only when they are written.
    pub fn zeroed(len: usize) -> Self {
        let class = size_class(len);
        let lines = vec![0; class / LINE + ALIGN / LINE];
        Self::owned(lines, class, len)
    }

    /// `len` bytes of any content, from the pool where it has some: for kernels that write every element.
    pub fn scratch(len: usize) -> Self {
        let class = size_class(len);
        let pooled = if len >= POOLED_MIN_BYTES { POOL.take(class) } else { None };
        match pooled {
            Some(lines) => Self::owned(lines, class, len),
            None => Self::zeroed(len),
        }
    }

    fn owned(lines: Vec<Line>, class: usize, len: usize) -> Self {
        let start = lines.as_ptr().align_offset(ALIGN) * LINE;
        Buffer { storage: Storage::Owned { lines, class }, start, len }
    }

    /// A copy of `values`.
    pub fn from_slice<T: Element>(values: &[T]) -> Self {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut buffer = Self::scratch(bytes.len());
        buffer.bytes_mut().copy_from_slice(bytes);
        buffer
    }

    /// Memory that `owner` keeps alive, read in place.
    ///
    /// # Safety
    /// `data` must point to `len` bytes that are initialised, stay where they are, and may be read from any thread for
    /// as long as `owner` is not dropped. (A writer in Python is a data race of the user's own, as it is in NumPy.)
    pub unsafe fn foreign(data: *const u8, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Buffer { storage: Storage::Foreign { data, owner }, start: 0, len }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Owned { lines, .. } => &bytemuck::cast_slice(lines)[self.start..self.start + self.len],
            Storage::Foreign { .. } if self.len == 0 => &[],
            // SAFETY: `Buffer::foreign`'s caller promised that these bytes can be read while the owner lives, and the
            // owner lives as long as `self`.
            Storage::Foreign { data, .. } => unsafe { std::slice::from_raw_parts(*data, self.len) },
        }
    }

    /// The bytes, to write.
    ///
    /// # Panics
    /// If the memory is foreign: selion never writes into memory that it was lent.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.storage {
            Storage::Owned { lines, .. } => &mut bytemuck::cast_slice_mut(lines)[self.start..self.start + self.len],
            Storage::Foreign { .. } => panic!("foreign memory is read-only"),
        }
    }

    /// Whether selion made the memory, so that it may be written while nobody shares it.
    pub fn is_owned(&self) -> bool {
        matches!(self.storage, Storage::Owned { .. })
    }

    /// Who keeps foreign memory alive.
    pub fn owner(&self) -> Option<&(dyn Any + Send + Sync)> {
        match &self.storage {
            Storage::Owned { .. } => None,
            Storage::Foreign { owner, .. } => Some(&**owner),
        }
    }

    /// The elements, all of them.
    pub fn typed<T: Element>(&self) -> &[T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice(&self.bytes()[..whole])
    }

    /// The elements, to write.
    ///
    /// # Panics
    /// As [`Buffer::bytes_mut`].
    pub fn typed_mut<T: Element>(&mut self) -> &mut [T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.bytes_mut()[..whole])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Storage::Owned { lines, class } = &mut self.storage
            && *class >= POOLED_MIN_BYTES
        {
            POOL.give(*class, std::mem::take(lines));
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes, {})", self.len, if self.is_owned() { "owned" } else { "foreign" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zeroed() {
        for len in [0, 1, 63, 64, 65, 4096, 100_000, 1 << 20] {
            let buffer = Buffer::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert!(len == 0 || (buffer.bytes().as_ptr() as usize).is_multiple_of(64), "length {len}");
            assert!(buffer.bytes().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn size_classes_waste_at_most_an_eighth() {
        for len in (1..5_000_000).step_by(977) {
            let class = size_class(len);
            assert!(class >= len && class <= len + len / 8 + LINE, "{len} -> {class}");
        }
    }

    #[test]
    fn foreign_memory_lives_as_long_as_the_buffer() {
        let owner: Box<Vec<f64>> = Box::new(vec![1.0, 2.0]);
        let data = owner.as_ptr().cast();
        // SAFETY: the vector is owned by the buffer and never touched again.
        let buffer = unsafe { Buffer::foreign(data, 16, owner) };
        assert_eq!(buffer.typed::<f64>(), [1.0, 2.0]);
        assert!(!buffer.is_owned());
    }
}
