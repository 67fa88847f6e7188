//! Decoding of BloscLZ, Blosc's own member of the LZ77 family (after FastLZ).
//!
//! A stream is a row of instructions. A control byte below 32 is followed by that many literals and one more; any
//! other is a match: its upper three bits are a length, its lower five the upper bits of a distance, whose lower
//! eight follow after the further bytes of the length, each of which says by 255 that one more comes. A distance
//! that does not fit in thirteen bits follows in two more bytes. The first control byte is always of literals.

/// Distances beyond this take two bytes more.
const NEAR: usize = 8191;
/// The shortest match.
const MIN_MATCH: usize = 3;

/// Decodes to the start of `out`; says how many bytes that gave, or `None` if the stream is damaged.
pub(super) fn decompress(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut at = 0; // in `encoded`
    let mut filled = 0; // of `out`
    let next = |at: &mut usize| -> Option<usize> {
        let byte = *encoded.get(*at)?;
        *at += 1;
        Some(byte as usize)
    };
    let mut control = next(&mut at)? & 31;
    loop {
        if control < 32 {
            let len = control + 1;
            out.get_mut(filled..filled + len)?.copy_from_slice(encoded.get(at..at + len)?);
            at += len;
            filled += len;
        } else {
            let mut len = (control >> 5) + MIN_MATCH - 1;
            if control >> 5 == 7 {
                loop {
                    let more = next(&mut at)?;
                    len += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let mut distance = ((control & 31) << 8) + next(&mut at)?;
            if distance == NEAR {
                distance += (next(&mut at)? << 8) + next(&mut at)?;
            }
            let from = filled.checked_sub(distance + 1)?;
            out.get(filled..filled + len)?;
            repeat(out, from, filled, len);
            filled += len;
        }
        if at >= encoded.len() {
            return Some(filled);
        }
        control = next(&mut at)?;
    }
}

/// Copies `len` bytes from `from` to `to` behind it; what is copied may be what was just written.
fn repeat(out: &mut [u8], from: usize, to: usize, len: usize) {
    let distance = to - from;
    if distance == 1 {
        let byte = out[from];
        out[to..to + len].fill(byte);
        return;
    }
    let mut done = 0;
    while done < len {
        // What lies between is a period of the result, and so is twice as much after each step.
        let step = (distance + done).min(len - done);
        out.copy_within(from..from + step, to + done);
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_matches_and_overlaps() {
        // "abc", then 9 bytes from 3 back, then 4 times the last byte.
        let encoded = [2, b'a', b'b', b'c', 7 << 5, 0, 2, 2 << 5, 0];
        let mut out = [0; 20];
        let got = decompress(&encoded, &mut out).unwrap();
        assert_eq!(&out[..got], b"abcabcabcabccccc");
    }

    #[test]
    fn damage_is_noticed() {
        let encoded = [2, b'a', b'b', b'c', 7 << 5, 0, 2, 2 << 5, 0];
        for len in [0, 2, 3, 5, 6, 8] {
            assert_eq!(decompress(&encoded[..len], &mut [0; 20]), None, "{len} bytes");
        }
        assert_eq!(decompress(&encoded, &mut [0; 10]), None, "no room");
        assert_eq!(decompress(&[0, b'a', 1 << 5, 1], &mut [0; 10]), None, "before the start");
    }
}
