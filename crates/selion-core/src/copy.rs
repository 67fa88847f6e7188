//! Copies strided blocks of elements.
//!
//! Axes of length 1 are dropped, the rest is ordered by the destination's strides and merged where both sides run on,
//! so that most copies end as few long `memcpy`s. Where the source runs along another axis than the destination (a
//! transpose), the two innermost axes are walked in square tiles that stay in cache.

use smallvec::SmallVec;

use crate::{Buffer, Chunk};

/// Side of the tiles in which transposed blocks are copied: 32 × 32 × 8 bytes, two of them fit in L1.
const TILE: usize = 32;

/// Copies the elements of `source` to the block of `target` that starts at element `offset` and has the given strides
/// (in elements, none negative) and the source's shape.
///
/// # Panics
/// If an element would lie outside the target.
pub fn assign(target: &mut Buffer, offset: usize, strides: &[isize], source: &Chunk) {
    assign_bytes(target.bytes_mut(), offset, strides, source);
}

/// As [`assign`], for a target that is a slice of bytes, aligned for the elements.
///
/// # Panics
/// As [`assign`].
pub fn assign_bytes(target: &mut [u8], offset: usize, strides: &[isize], source: &Chunk) {
    match source.dtype().size() {
        1 => assign_words::<u8>(target, offset, strides, source),
        2 => assign_words::<u16>(target, offset, strides, source),
        4 => assign_words::<u32>(target, offset, strides, source),
        8 => assign_words::<u64>(target, offset, strides, source),
        _ => assign_words::<[u64; 2]>(target, offset, strides, source),
    }
}

#[derive(Clone, Copy)]
struct Axis {
    len: usize,
    to: isize,
    from: isize,
}

fn assign_words<T: bytemuck::Pod>(target: &mut [u8], offset: usize, strides: &[isize], source: &Chunk) {
    if source.is_empty() {
        return;
    }
    let whole = target.len() / size_of::<T>() * size_of::<T>();
    let target: &mut [T] = bytemuck::cast_slice_mut(&mut target[..whole]);
    let bytes = source.buffer().bytes();
    let from: &[T] = bytemuck::cast_slice(&bytes[..bytes.len() / size_of::<T>() * size_of::<T>()]);

    let axes = simplify(source.shape(), strides, source.strides());
    let (outer, inner) = axes.split_at(axes.len().saturating_sub(2));
    let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, outer.len());
    let (mut to_at, mut from_at) = (offset as isize, source.offset() as isize);
    loop {
        match inner {
            [] => target[to_at as usize] = from[from_at as usize],
            [only] => copy_row(target, to_at, from, from_at, *only),
            [rows, columns] => copy_plane(target, to_at, from, from_at, *rows, *columns),
            _ => unreachable!("at most two inner axes"),
        }
        // Step the outer axes like an odometer.
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            to_at += outer[axis].to;
            from_at += outer[axis].from;
            if index[axis] < outer[axis].len {
                break;
            }
            to_at -= outer[axis].to * outer[axis].len as isize;
            from_at -= outer[axis].from * outer[axis].len as isize;
            index[axis] = 0;
        }
    }
}

/// Drops axes of length 1, orders by the target's strides, merges axes that run on in both.
fn simplify(shape: &[usize], to: &[isize], from: &[isize]) -> SmallVec<[Axis; 6]> {
    let mut axes: SmallVec<[Axis; 6]> = (0..shape.len())
        .map(|k| Axis { len: shape[k], to: to[k], from: from[k] })
        .filter(|axis| axis.len != 1)
        .collect();
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.to.abs()));
    let mut merged: SmallVec<[Axis; 6]> = SmallVec::new();
    for axis in axes {
        if let Some(last) = merged.last_mut()
            && last.to == axis.to * axis.len as isize
            && last.from == axis.from * axis.len as isize
        {
            *last = Axis { len: last.len * axis.len, to: axis.to, from: axis.from };
        } else {
            merged.push(axis);
        }
    }
    merged
}

fn copy_row<T: Copy>(target: &mut [T], to: isize, from: &[T], at: isize, axis: Axis) {
    let Axis { len, .. } = axis;
    if axis.to == 1 {
        let target = &mut target[to as usize..to as usize + len];
        match axis.from {
            1 => target.copy_from_slice(&from[at as usize..at as usize + len]),
            0 => target.fill(from[at as usize]),
            step => {
                for (k, out) in target.iter_mut().enumerate() {
                    *out = from[(at + k as isize * step) as usize];
                }
            }
        }
    } else {
        for k in 0..len as isize {
            target[(to + k * axis.to) as usize] = from[(at + k * axis.from) as usize];
        }
    }
}

fn copy_plane<T: Copy>(target: &mut [T], to: isize, from: &[T], at: isize, rows: Axis, columns: Axis) {
    let transposed = columns.to == 1 && columns.from != 0 && rows.from.abs() < columns.from.abs();
    if !transposed {
        for row in 0..rows.len as isize {
            copy_row(target, to + row * rows.to, from, at + row * rows.from, columns);
        }
        return;
    }
    for row_start in (0..rows.len).step_by(TILE) {
        let row_end = (row_start + TILE).min(rows.len);
        for start in (0..columns.len).step_by(TILE) {
            let tile = Axis { len: TILE.min(columns.len - start), ..columns };
            for row in row_start as isize..row_end as isize {
                let to = to + row * rows.to + start as isize;
                copy_row(target, to, from, at + row * rows.from + start as isize * columns.from, tile);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Steps, contiguous_strides};

    proptest! {
        #[test]
        fn copying_any_transposed_slice_keeps_every_element(
            shape in proptest::collection::vec(0usize..70, 1..4),
            flip in proptest::collection::vec(any::<bool>(), 4),
            swap in any::<bool>(),
        ) {
            let total: usize = shape.iter().product();
            let mut x = Chunk::from_values(&shape, &(0..total as i32).collect::<Vec<_>>());
            for axis in 0..shape.len() {
                if flip[axis] && shape[axis] > 0 {
                    x = x.slice(axis, shape[axis] - 1, -1, shape[axis]);
                }
            }
            if swap {
                let axes: Vec<usize> = (0..shape.len()).rev().collect();
                x = x.transpose(&axes);
            }
            let strides: Steps = contiguous_strides(x.shape());
            let mut target = Buffer::zeroed(x.nbytes());
            assign(&mut target, 0, &strides, &x);
            let view = x.strided::<i32>();
            let mut index = vec![0usize; x.ndim()];
            for got in target.typed::<i32>().iter().take(x.len()) {
                let at: isize = index.iter().zip(view.strides).map(|(i, s)| *i as isize * s).sum();
                prop_assert_eq!(*got, view.data[(view.offset as isize + at) as usize]);
                for axis in (0..index.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < x.shape()[axis] { break; }
                    index[axis] = 0;
                }
            }
        }
    }
}
