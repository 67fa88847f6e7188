//! The generator: Philox4x32-10, indexed by element.
//!
//! A counter-based generator has no state: it is a function (key, counter) -> 128 random bits, here ten rounds of
//! multiplications and exclusive ors. Element `i` of an array therefore depends on the seed and on `i` alone, never on
//! chunks, threads or the order of the work.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//! Seeds are mixed with the finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom
//! number generators", OOPSLA 2014).
//!
//! Layout of the counter, in 32-bit words:
//!
//! | user       | word 0, 1        | word 2          | word 3                                  |
//! |------------|------------------|-----------------|-----------------------------------------|
//! | [`bits64`] | element index / 2 | draw            | 0                                       |
//! | [`Stream`] | element index    | block, low half | lane + 1, and block's high half << 9    |
//!
//! so that two neighbouring elements share a block in [`bits64`], one half each, while a [`Stream`] uses whole blocks.

use crate::simd::{Isa, Loop, dispatch};

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const LOW: u64 = 0xFFFF_FFFF;

/// What identifies one array of random numbers: the generator's seed and the array's number, mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u32; 2]);

impl Key {
    /// The key of the array number `stream` drawn from a generator with the given seed.
    pub fn from_seed(seed: u64, stream: u64) -> Self {
        // Each step is a bijection of its last argument, so arrays of one generator never share a key.
        let mixed = finalise(finalise(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_add(stream));
        Self([mixed as u32, (mixed >> 32) as u32])
    }

    /// The key as 64 bits, to send it elsewhere.
    pub fn to_bits(self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << 32
    }

    /// The key with the given 64 bits, unmixed.
    pub fn from_bits(bits: u64) -> Self {
        Self([bits as u32, (bits >> 32) as u32])
    }
}

/// The finaliser of SplitMix64: a bijection in which every input bit changes about half of the output bits.
fn finalise(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The element indices of a tile: element `k` has index `start + k * step`, which shall not leave the range of `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indices {
    /// Index of the first element.
    pub start: u64,
    /// From one element to the next.
    pub step: i64,
}

impl Indices {
    /// `start`, `start + 1`, ...
    pub fn consecutive(start: u64) -> Self {
        Self { start, step: 1 }
    }

    /// The index of element `k`.
    #[inline(always)]
    pub fn at(self, k: usize) -> u64 {
        self.start.wrapping_add((k as u64).wrapping_mul(self.step as u64))
    }

    /// The indices from element `k` on.
    #[inline(always)]
    pub fn skip(self, k: usize) -> Self {
        Self { start: self.at(k), step: self.step }
    }
}

/// Ten rounds. A word is the lower half of a `u64`, so that its product is one vector instruction; the upper halves
/// of the arguments and of the result are of no account.
#[inline(always)]
fn rounds(mut c: [u64; 4], key: Key) -> [u64; 4] {
    let mut k = key.0;
    for _ in 0..10 {
        let p = (c[0] & LOW) * MULTIPLIERS[0];
        let q = (c[2] & LOW) * MULTIPLIERS[1];
        c = [(q >> 32) ^ c[1] ^ u64::from(k[0]), q, (p >> 32) ^ c[3] ^ u64::from(k[1]), p];
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// The two halves of a block.
#[inline(always)]
fn halves(counter: [u64; 4], key: Key) -> [u64; 2] {
    let c = rounds(counter, key);
    [(c[0] & LOW) | c[1] << 32, (c[2] & LOW) | c[3] << 32]
}

/// [`bits64`] of one element.
#[inline(always)]
pub(super) fn bits64_at(key: Key, draw: u32, index: u64) -> u64 {
    let block = index >> 1;
    let [even, odd] = halves([block, block >> 32, u64::from(draw), 0], key);
    if index & 1 == 0 { even } else { odd }
}

/// The body of [`bits64`], for loops that go on with the bits.
#[inline(always)]
pub(super) fn bits64_body(key: Key, draw: u32, idx: Indices, out: &mut [u64]) {
    if idx.step != 1 {
        for (k, x) in out.iter_mut().enumerate() {
            *x = bits64_at(key, draw, idx.at(k));
        }
        return;
    }
    let (head, rest) = out.split_at_mut((idx.start & 1) as usize & usize::from(!out.is_empty()));
    for x in head.iter_mut() {
        *x = bits64_at(key, draw, idx.start);
    }
    let first = idx.start.wrapping_add(idx.start & 1) >> 1;
    let (pairs, last) = rest.as_chunks_mut::<2>();
    for (k, pair) in pairs.iter_mut().enumerate() {
        let block = first.wrapping_add(k as u64);
        *pair = halves([block, block >> 32, u64::from(draw), 0], key);
    }
    for x in last {
        let block = first.wrapping_add(pairs.len() as u64);
        *x = halves([block, block >> 32, u64::from(draw), 0], key)[0];
    }
}

struct Bits<'a> {
    key: Key,
    draw: u32,
    idx: Indices,
    out: &'a mut [u64],
}

impl Loop for Bits<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        bits64_body(self.key, self.draw, self.idx, self.out);
    }
}

/// 64 random bits for each element: those of draw number `draw`, a function of (key, draw, index) alone.
pub fn bits64(key: Key, draw: u32, idx: Indices, out: &mut [u64]) {
    dispatch(Bits { key, draw, idx, out });
}

/// As many random numbers as one element asks for, one after the other: for rejection methods.
#[derive(Clone, Debug)]
pub struct Stream {
    key: Key,
    index: u64,
    lane: u8,
    block: u64,
    kept: Option<u64>,
}

impl Stream {
    /// The stream of element `index`.
    pub fn new(key: Key, index: u64) -> Self {
        Self::with_lane(key, index, 0)
    }

    /// One of several independent streams of element `index`.
    pub fn with_lane(key: Key, index: u64, lane: u8) -> Self {
        Self { key, index, lane, block: 0, kept: None }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        if let Some(bits) = self.kept.take() {
            return bits;
        }
        let domain = (u64::from(self.lane) + 1) | ((self.block >> 32) << 9);
        let [bits, kept] = halves([self.index, self.index >> 32, self.block, domain], self.key);
        self.block += 1;
        self.kept = Some(kept);
        bits
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn next_f64(&mut self) -> f64 {
        super::uniform::half_open(self.next_u64())
    }

    /// Uniform in (0, 1), an odd multiple of 2^-53.
    #[inline]
    pub fn next_open(&mut self) -> f64 {
        super::uniform::open(self.next_u64())
    }

    /// Uniform in 0..`range`, without bias; 0 if `range` is 0. See [`integers`](super::integers) for the method.
    #[inline]
    pub fn next_below(&mut self, range: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(range);
            let low = product as u64;
            if low >= range || low >= range.wrapping_neg().checked_rem(range).unwrap_or(0) {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        rounds(counter.map(u64::from), Key(key)).map(|word| word as u32)
    }

    #[test]
    fn known_answers() {
        assert_eq!(words([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(words([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            words([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn bits_are_those_of_the_block() {
        let mut out = [0; 2];
        bits64(Key([0; 2]), 0, Indices::consecutive(0), &mut out);
        assert_eq!(out, [0xe169_c58d_6627_e8d5, 0x9b00_dbd8_bc57_ac4c]);
    }

    #[test]
    fn tiles_and_steps_do_not_matter() {
        let key = Key::from_seed(7, 3);
        for start in [0, 1, 12, (1 << 33) - 501, u64::MAX - 1500] {
            let mut whole = vec![0; 1000];
            bits64(key, 5, Indices::consecutive(start), &mut whole);
            for length in [1, 2, 3, 7, 64, 333] {
                let mut pieces = vec![0; 1000];
                for (k, piece) in pieces.chunks_mut(length).enumerate() {
                    bits64(key, 5, Indices::consecutive(start).skip(k * length), piece);
                }
                assert!(whole == pieces);
            }
            for step in [2, 3, 10] {
                let mut strided = vec![0; 1000_usize.div_ceil(step)];
                bits64(key, 5, Indices { start, step: step as i64 }, &mut strided);
                assert!(strided.iter().eq(whole.iter().step_by(step)));
            }
            let mut backwards = vec![0; 1000];
            bits64(key, 5, Indices { start: start.wrapping_add(999), step: -1 }, &mut backwards);
            assert!(backwards.iter().eq(whole.iter().rev()));
        }
        bits64(key, 0, Indices::consecutive(1), &mut []);
    }

    #[test]
    fn keys_draws_and_streams_differ() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..20 {
            for stream in 0..20 {
                let key = Key::from_seed(seed, stream);
                assert_eq!(Key::from_bits(key.to_bits()), key);
                for draw in 0..3 {
                    assert!(seen.insert(bits64_at(key, draw, 0)));
                }
                let mut lanes = [0, 1].map(|lane| Stream::with_lane(key, 0, lane));
                for _ in 0..5 {
                    assert!(lanes.iter_mut().all(|lane| seen.insert(lane.next_u64())));
                }
            }
        }
    }

    #[test]
    fn stream_below() {
        let mut stream = Stream::new(Key::from_seed(1, 1), 9);
        let mut counts = [0; 5];
        for _ in 0..5000 {
            counts[stream.next_below(5) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(stream.next_below(0), 0);
        assert_eq!(stream.next_below(1), 0);
    }
}
