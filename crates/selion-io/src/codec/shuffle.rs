//! Shuffles: the first bytes of all elements, then all second bytes …; or the same for single bits.
//!
//! Neighbouring elements resemble each other most in their high bytes; put side by side, they compress better. Elements
//! beyond the last whole one stay where they are. The loops below are written so that the compiler can vectorise those
//! for the usual sizes.

use serde_json::Value;

use super::{Codec, Nature, setting, wrong_length};

/// `shuffle` of numcodecs: `elementsize` in bytes.
#[derive(Debug)]
pub(crate) struct Shuffle {
    size: usize,
}

impl Shuffle {
    pub(crate) fn parse(settings: &Value) -> Result<Self, String> {
        match setting(settings, "elementsize", 4) {
            size @ 1..=255 => Ok(Shuffle { size: size as usize }),
            size => Err(format!("shuffle with elementsize {size}")),
        }
    }
}

impl Codec for Shuffle {
    fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        if encoded.len() != out.len() {
            return Err(wrong_length(encoded.len(), out.len()));
        }
        unshuffle(self.size, encoded, out);
        Ok(())
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; encoded.len()];
        unshuffle(self.size, encoded, &mut out);
        Ok(out)
    }

    fn encode(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; plain.len()];
        shuffle(self.size, plain, &mut out);
        Ok(out)
    }

    fn nature(&self) -> Nature {
        Nature::Rearrange
    }
}

/// Puts bytes of the same place in their element side by side.
pub(super) fn shuffle(size: usize, plain: &[u8], out: &mut [u8]) {
    let count = plain.len() / size;
    let (rows, rest) = out.split_at_mut(count * size);
    rest.copy_from_slice(&plain[count * size..]);
    if count == 0 {
        return;
    }
    for (place, row) in rows.chunks_exact_mut(count).enumerate() {
        for (byte, element) in row.iter_mut().zip(plain.chunks_exact(size)) {
            *byte = element[place];
        }
    }
}

/// Undoes [`shuffle`].
pub(super) fn unshuffle(size: usize, shuffled: &[u8], out: &mut [u8]) {
    match size {
        2 => unshuffle_sized::<2>(shuffled, out),
        4 => unshuffle_sized::<4>(shuffled, out),
        8 => unshuffle_sized::<8>(shuffled, out),
        16 => unshuffle_sized::<16>(shuffled, out),
        32 => unshuffle_sized::<32>(shuffled, out),
        64 => unshuffle_sized::<64>(shuffled, out),
        _ => {
            let count = shuffled.len() / size;
            out[count * size..].copy_from_slice(&shuffled[count * size..]);
            for (at, element) in out.chunks_exact_mut(size).enumerate() {
                for (place, byte) in element.iter_mut().enumerate() {
                    *byte = shuffled[place * count + at];
                }
            }
        }
    }
}

fn unshuffle_sized<const SIZE: usize>(shuffled: &[u8], out: &mut [u8]) {
    let count = shuffled.len() / SIZE;
    let rows: [&[u8]; SIZE] = std::array::from_fn(|place| &shuffled[place * count..(place + 1) * count]);
    let (elements, rest) = out.as_chunks_mut::<SIZE>();
    rest.copy_from_slice(&shuffled[count * SIZE..]);
    for (at, element) in elements.iter_mut().enumerate() {
        *element = std::array::from_fn(|place| rows[place][at]);
    }
}

/// Elements whose bits are turned together: as many as a byte has bits.
const BITS: usize = 8;
/// Groups of elements whose bits are turned at once, side by side in vector registers.
const LANES: usize = 64;

/// Puts bits of the same place in their element side by side; only whole groups of eight elements can be turned.
///
/// With the bits of a group as one long element, this is a byte shuffle and the turning of 8 × 8 bits; both are done
/// for a few groups at a time, which stay in the first-level cache.
pub(super) fn bitshuffle(size: usize, plain: &[u8], out: &mut [u8]) {
    let (group, groups) = (BITS * size, plain.len() / size / BITS);
    out[groups * group..].copy_from_slice(&plain[groups * group..]);
    let mut tile = vec![0; LANES * group];
    for start in (0..groups).step_by(LANES) {
        let lanes = LANES.min(groups - start);
        let tile = &mut tile[..lanes * group];
        shuffle(group, &plain[start * group..][..lanes * group], tile);
        for place in 0..size {
            let mut rows = [[0; LANES]; BITS];
            for (k, row) in rows.iter_mut().enumerate() {
                row[..lanes].copy_from_slice(&tile[(k * size + place) * lanes..][..lanes]);
            }
            transpose_bits(&mut rows);
            for (bit, row) in rows.iter().enumerate() {
                out[(place * BITS + bit) * groups + start..][..lanes].copy_from_slice(&row[..lanes]);
            }
        }
    }
}

/// Undoes [`bitshuffle`].
pub(super) fn bitunshuffle(size: usize, shuffled: &[u8], out: &mut [u8]) {
    let (group, groups) = (BITS * size, shuffled.len() / size / BITS);
    out[groups * group..].copy_from_slice(&shuffled[groups * group..]);
    let mut tile = vec![0; LANES * group];
    for start in (0..groups).step_by(LANES) {
        let lanes = LANES.min(groups - start);
        let tile = &mut tile[..lanes * group];
        for place in 0..size {
            let mut rows = [[0; LANES]; BITS];
            for (bit, row) in rows.iter_mut().enumerate() {
                row[..lanes].copy_from_slice(&shuffled[(place * BITS + bit) * groups + start..][..lanes]);
            }
            transpose_bits(&mut rows);
            for (k, row) in rows.iter().enumerate() {
                tile[(k * size + place) * lanes..][..lanes].copy_from_slice(&row[..lanes]);
            }
        }
        unshuffle(group, tile, &mut out[start * group..][..lanes * group]);
    }
}

/// Transposes the 8 × 8 bits of each lane: swaps nibbles, then pairs, then single bits across the diagonal.
fn transpose_bits(rows: &mut [[u8; LANES]; BITS]) {
    for (distance, mask) in [(4, 0x0f), (2, 0x33), (1, 0x55)] {
        for low in (0..BITS).filter(|row| row & distance == 0) {
            let (before, behind) = rows.split_at_mut(low + distance);
            for (a, b) in before[low].iter_mut().zip(&mut behind[0]) {
                let moved = ((*a >> distance) ^ *b) & mask;
                *b ^= moved;
                *a ^= moved << distance;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_transposed() {
        for (row, column) in (0..BITS).flat_map(|row| (0..BITS).map(move |column| (row, column))) {
            let (mut rows, mut want) = ([[0; LANES]; BITS], [[0; LANES]; BITS]);
            (rows[row][5], want[column][5]) = (1 << column, 1 << row);
            transpose_bits(&mut rows);
            assert_eq!(rows, want);
        }
    }

    #[test]
    fn shuffles_are_undone_at_any_length() {
        let plain: Vec<u8> = (0..9000u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for size in [1, 2, 3, 4, 7, 8, 12, 16] {
            for len in [0, 1, 15, 16, 17, 128, 999, 4096, 9000] {
                let (mut there, mut back) = (vec![0; len], vec![0; len]);
                shuffle(size, &plain[..len], &mut there);
                unshuffle(size, &there, &mut back);
                assert_eq!(back, plain[..len], "bytes, size {size}, length {len}");
                bitshuffle(size, &plain[..len], &mut there);
                bitunshuffle(size, &there, &mut back);
                assert_eq!(back, plain[..len], "bits, size {size}, length {len}");
            }
        }
    }
}
