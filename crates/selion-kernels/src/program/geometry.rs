//! How a block is walked: in which order its axes are nested, which of them run together, and in tiles of what size.
//!
//! Every input, index sequence and output is an *operand* with a stride for each axis. Axes are ordered so that the
//! innermost is the one along which the inputs run in memory (a transposed array is walked in memory order, and its
//! result has the same order); neighbours that run on in every operand are merged. What remains is an odometer over the
//! outer axes around tiles of the two inner ones, called rows and columns.

use smallvec::SmallVec;

/// Elements in a tile. 1024 doubles are 8 KiB: an input, two temporaries and a result stay within a first-level cache
/// of 32 KiB, and a call per operation and tile costs little beside a thousand elements.
pub(crate) const TILE: usize = 1024;
/// Columns, and rows, of a tile where an input runs along the rows: whole cache lines on both sides, and few enough of
/// them at the same place of a page for the ways of a cache.
const TRANSPOSED_COLUMNS: usize = 32;
/// With fewer columns than this a tile takes several rows, so that a call per operation pays.
const SHORT_ROW: usize = 256;
/// Rows that are added up at once, where nothing else happens to them: each is a run of memory that the CPU reads ahead
/// on its own, and more of them at a time than this it does not follow.
const STREAMS: usize = 8;

/// Strides of one axis, an entry for each operand.
pub(crate) type Strides = SmallVec<[isize; 6]>;

/// One axis to walk.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) len: usize,
    pub(crate) strides: Strides,
}

/// A block, ready to be walked.
#[derive(Debug)]
pub(crate) struct Geometry {
    pub(crate) outer: SmallVec<[Axis; 4]>,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
    pub(crate) tile_rows: usize,
    pub(crate) tile_columns: usize,
    /// Whether a tile is made of many runs of memory, all of which go on in the next.
    pub(crate) many_runs: bool,
}

/// The order in which to nest the axes, outermost first, from the strides of the inputs: NumPy's iterator decides alike.
pub(crate) fn axis_order(shape: &[usize], inputs: &[&[isize]]) -> SmallVec<[usize; 6]> {
    let mut order: SmallVec<[usize; 6]> = (0..shape.len()).collect();
    let inside = |a: usize, b: usize| -> bool {
        // Whether axis `a` should be nested inside axis `b`: the first input that tells decides.
        for strides in inputs {
            let (x, y) = (strides[a].unsigned_abs(), strides[b].unsigned_abs());
            if x != 0 && y != 0 && x != y && shape[a] > 1 && shape[b] > 1 {
                return x < y;
            }
        }
        a > b
    };
    for at in 1..order.len() {
        let mut k = at;
        while k > 0 && inside(order[k - 1], order[k]) {
            order.swap(k - 1, k);
            k -= 1;
        }
    }
    order
}

/// Merges the axes (outermost first) and chooses the tiles.
///
/// The first `inputs` of the `operands` are inputs, those from `outputs` on are outputs. `only_reduces` says that the
/// program does nothing but reduce its inputs.
pub(crate) fn geometry(
    axes: impl Iterator<Item = Axis>,
    inputs: usize,
    outputs: usize,
    operands: usize,
    only_reduces: bool,
) -> Geometry {
    let mut merged: SmallVec<[Axis; 6]> = SmallVec::new();
    for axis in axes.filter(|axis| axis.len != 1) {
        let runs_on = |last: &Axis| {
            last.strides.iter().zip(&axis.strides).all(|(outer, inner)| *outer == inner * axis.len as isize)
        };
        match merged.last_mut() {
            Some(last) if runs_on(last) => *last = Axis { len: last.len * axis.len, strides: axis.strides },
            _ => merged.push(axis),
        }
    }
    let single = || Axis { len: 1, strides: SmallVec::from_elem(0, operands) };
    let columns = merged.pop().unwrap_or_else(single);
    // The innermost axis along which columns of memory are added up.
    let summed = merged.iter().rposition(|axis| axis.strides[outputs..].iter().all(|stride| *stride == 0));
    let runs = |operands: &[isize]| operands.iter().all(|stride| *stride == 1);
    if only_reduces
        && let Some(summed) = summed
        && runs(&columns.strides[..inputs])
        && runs(&columns.strides[outputs..])
    {
        let rows = merged.remove(summed);
        let (tile_rows, tile_columns) = (rows.len.min(STREAMS), columns.len.min(TILE));
        return Geometry {
            outer: merged.into_iter().collect(),
            rows,
            columns,
            tile_rows,
            tile_columns,
            many_runs: true,
        };
    }
    let rows = merged.pop().unwrap_or_else(single);
    let transposed = (0..inputs).any(|k| {
        let (row, column) = (rows.strides[k].unsigned_abs(), columns.strides[k].unsigned_abs());
        rows.len > 1 && column > 1 && row < column
    });
    let tile_columns = columns.len.clamp(1, if transposed { TRANSPOSED_COLUMNS } else { TILE });
    let tile_rows = if transposed || tile_columns < SHORT_ROW { rows.len.clamp(1, TILE / tile_columns) } else { 1 };
    Geometry { outer: merged.into_iter().collect(), rows, columns, tile_rows, tile_columns, many_runs: transposed }
}

impl Geometry {
    /// Calls `visit(base offsets, rows, columns, first)` for each tile; `first` says that every axis that does not move
    /// operand `k` (for `k` in `still`) is at its start, so that an accumulator is met for the first time.
    pub(crate) fn walk<E>(
        &self,
        base: &[isize],
        mut visit: impl FnMut(&Position<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, self.outer.len());
        let mut outer_base: Strides = base.into();
        loop {
            let mut row_base = outer_base.clone();
            for row in (0..self.rows.len).step_by(self.tile_rows) {
                let mut tile_base = row_base.clone();
                for column in (0..self.columns.len).step_by(self.tile_columns) {
                    let (next, stride, tile) = if column + self.tile_columns < self.columns.len {
                        (&tile_base, &self.columns.strides, self.tile_columns)
                    } else {
                        (&row_base, &self.rows.strides, self.tile_rows)
                    };
                    let next: Strides = next.iter().zip(stride).map(|(at, by)| at + by * tile as isize).collect();
                    visit(&Position {
                        base: &tile_base,
                        next: &next,
                        rows: self.tile_rows.min(self.rows.len - row),
                        columns: self.tile_columns.min(self.columns.len - column),
                        row,
                        column,
                        outer: &index,
                    })?;
                    for (base, stride) in tile_base.iter_mut().zip(&self.columns.strides) {
                        *base += stride * self.tile_columns as isize;
                    }
                }
                for (base, stride) in row_base.iter_mut().zip(&self.rows.strides) {
                    *base += stride * self.tile_rows as isize;
                }
            }
            let mut axis = self.outer.len();
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                index[axis] += 1;
                let Axis { len, strides } = &self.outer[axis];
                for (base, stride) in outer_base.iter_mut().zip(strides) {
                    *base += stride;
                }
                if index[axis] < *len {
                    break;
                }
                for (base, stride) in outer_base.iter_mut().zip(strides) {
                    *base -= stride * *len as isize;
                }
                index[axis] = 0;
            }
        }
    }

    /// Whether the tile at `position` is the first to meet its part of operand `k`: every axis along which the operand
    /// stands still is at its start.
    pub(crate) fn first_visit(&self, position: &Position<'_>, k: usize) -> bool {
        self.outer.iter().zip(position.outer).all(|(axis, index)| axis.strides[k] != 0 || *index == 0)
            && (self.rows.strides[k] != 0 || position.row == 0)
            && (self.columns.strides[k] != 0 || position.column == 0)
    }
}

/// Where a walk is.
pub(crate) struct Position<'a> {
    /// For each operand, the offset of the tile's first element.
    pub(crate) base: &'a [isize],
    /// The same for the tile after this one, or for none at the end of the rows: only to be prefetched.
    pub(crate) next: &'a [isize],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    row: usize,
    column: usize,
    outer: &'a [usize],
}
