//! The regular grid of chunks: which chunks a region meets, and where.

use selion_core::{Dims, Region};

/// The part of one chunk that a region meets.
#[derive(Debug)]
pub(super) struct Meeting {
    /// The chunk's place in the grid.
    pub(super) chunk: Dims,
    /// Where the part starts in the chunk.
    pub(super) in_chunk: Dims,
    /// Where the part starts in the region.
    pub(super) in_region: Dims,
    /// The lengths of the part.
    pub(super) shape: Dims,
}

/// All meetings of a region with chunks of the given lengths, in C order. None if the region is empty.
pub(super) fn meetings<'a>(region: &'a Region, chunk: &'a [usize]) -> impl Iterator<Item = Meeting> + use<'a> {
    let ndim = chunk.len();
    let first: Dims = (0..ndim).map(|k| region.start[k] / chunk[k]).collect();
    let end: Dims = (0..ndim).map(|k| (region.start[k] + region.shape[k]).div_ceil(chunk[k])).collect();
    let mut next = (!region.shape.contains(&0)).then(|| first.clone());
    std::iter::from_fn(move || {
        let at = next.take()?;
        let mut meeting =
            Meeting { chunk: at.clone(), in_chunk: Dims::new(), in_region: Dims::new(), shape: Dims::new() };
        for k in 0..ndim {
            let (chunk_start, region_start) = (at[k] * chunk[k], region.start[k]);
            let from = chunk_start.max(region_start);
            let to = (chunk_start + chunk[k]).min(region_start + region.shape[k]);
            meeting.in_chunk.push(from - chunk_start);
            meeting.in_region.push(from - region_start);
            meeting.shape.push(to - from);
        }
        let mut following = at;
        for k in (0..ndim).rev() {
            following[k] += 1;
            if following[k] < end[k] {
                next = Some(following);
                break;
            }
            following[k] = first[k];
        }
        Some(meeting)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_met_once() {
        let region = Region::new(&[3, 0, 7], &[6, 5, 1]);
        let mut seen = vec![0; 30];
        for meeting in meetings(&region, &[4, 2, 10]) {
            for i in 0..meeting.shape[0] {
                for j in 0..meeting.shape[1] {
                    seen[(meeting.in_region[0] + i) * 5 + meeting.in_region[1] + j] += 1;
                    assert_eq!(meeting.chunk[0] * 4 + meeting.in_chunk[0], 3 + meeting.in_region[0]);
                }
            }
        }
        assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
        assert_eq!(meetings(&Region::new(&[], &[]), &[]).count(), 1);
        assert_eq!(meetings(&Region::new(&[1, 1], &[0, 3]), &[2, 2]).count(), 0);
    }
}
