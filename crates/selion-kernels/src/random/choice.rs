//! Permutations and samples.
//!
//! Permutations: the shuffle of R. A. Fisher and F. Yates, in the form of R. Durstenfeld, "Algorithm 235: random
//! permutation", Communications of the ACM 7 (1964). Samples without replacement: its first steps, with the array kept
//! in a hash table if only a small part of it is moved. Weighted samples without replacement: P. S. Efraimidis,
//! P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97 (2006).

use std::collections::HashMap;

use thiserror::Error;

use super::bits64;
use super::exponential::standard_exponential;
use super::philox::{Indices, Key, Stream};
use super::uniform::half_open;

/// The numbers 0..`n` in random order.
pub fn permutation(key: Key, n: usize) -> Vec<i64> {
    let mut order: Vec<i64> = (0..n as i64).collect();
    let mut stream = Stream::new(key, 0);
    for k in 0..n.saturating_sub(1) {
        order.swap(k, k + stream.next_below((n - k) as u64) as usize);
    }
    order
}

/// `size` different numbers of 0..`n` in random order: the first ones of [`permutation`].
///
/// # Panics
///
/// If `size > n`.
pub fn sample(key: Key, n: usize, size: usize) -> Vec<i64> {
    assert!(size <= n, "a sample without replacement is larger than the population");
    if size > n / 16 {
        let mut order = permutation(key, n);
        order.truncate(size);
        return order;
    }
    let mut stream = Stream::new(key, 0);
    // What has been swapped to places other than its own.
    let mut moved = HashMap::new();
    (0..size)
        .map(|k| {
            let place = k + stream.next_below((n - k) as u64) as usize;
            let here = moved.remove(&k).unwrap_or(k as i64);
            if place == k { here } else { moved.insert(place, here).unwrap_or(place as i64) }
        })
        .collect()
}

/// What is wrong with the weights of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeightError {
    /// A weight is NaN.
    #[error("probabilities contain NaN")]
    Nan,
    /// A weight is negative.
    #[error("probabilities are not non-negative")]
    Negative,
    /// The weights are not probabilities of anything.
    #[error("probabilities do not sum to 1")]
    Sum,
    /// There is nothing to choose from.
    #[error("a must be non-empty")]
    Empty,
    /// There are fewer positive weights than elements to choose.
    #[error("Fewer non-zero entries in p than size")]
    TooFew,
}

/// Probabilities of the numbers 0..n, to draw from.
#[derive(Clone, Debug)]
pub struct Weights {
    probabilities: Vec<f64>,
    cumulative: Vec<f64>,
}

impl Weights {
    /// Takes probabilities, whose sum must be 1 within the rounding of numbers with half as many digits.
    ///
    /// # Errors
    ///
    /// If they are not probabilities.
    pub fn new(probabilities: &[f64]) -> Result<Self, WeightError> {
        if probabilities.is_empty() {
            return Err(WeightError::Empty);
        }
        if probabilities.iter().any(|p| p.is_nan()) {
            return Err(WeightError::Nan);
        }
        if probabilities.iter().any(|p| *p < 0.0) {
            return Err(WeightError::Negative);
        }
        let mut sum = 0.0;
        // With the rounding errors summed apart (Kahan), or long tables would end far from 1.
        let mut lost = 0.0;
        let mut cumulative: Vec<f64> = Vec::with_capacity(probabilities.len());
        for p in probabilities {
            let term = p - lost;
            let next = sum + term;
            lost = (next - sum) - term;
            sum = next;
            // The compensated sum may go down by a rounding error; a table must not.
            cumulative.push(cumulative.last().map_or(sum, |last| last.max(sum)));
        }
        if sum.is_nan() || (sum - 1.0).abs() > f64::EPSILON.sqrt() {
            return Err(WeightError::Sum);
        }
        let total = cumulative[cumulative.len() - 1];
        cumulative.iter_mut().for_each(|c| *c /= total);
        Ok(Self { probabilities: probabilities.to_vec(), cumulative })
    }

    /// A number of 0..n for each element, with replacement.
    pub fn choose(&self, key: Key, idx: Indices, out: &mut [i64]) {
        bits64(key, 0, idx, bytemuck::cast_slice_mut(out));
        for x in out {
            let u = half_open(*x as u64);
            *x = self.cumulative.partition_point(|c| *c <= u) as i64;
        }
    }

    /// `size` different numbers of 0..n, each drawn with the given probabilities from those that are left.
    ///
    /// # Errors
    ///
    /// If fewer than `size` of them have a positive probability.
    pub fn sample(&self, key: Key, size: usize) -> Result<Vec<i64>, WeightError> {
        let mut times = vec![0.0; self.probabilities.len()];
        standard_exponential(key, Indices::consecutive(0), &mut times);
        // The order in which clocks of these rates ring.
        let mut order: Vec<(f64, i64)> = times
            .iter()
            .zip(&self.probabilities)
            .zip(0..)
            .filter(|((_, p), _)| **p > 0.0)
            .map(|((time, p), k)| (time / p, k))
            .collect();
        if order.len() < size {
            return Err(WeightError::TooFew);
        }
        if size < order.len() {
            order.select_nth_unstable_by(size, |x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
            order.truncate(size);
        }
        order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        Ok(order.into_iter().map(|(_, k)| k).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations() {
        let key = Key::from_seed(1, 0);
        for n in [0, 1, 2, 1000] {
            let order = permutation(key, n);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..n as i64));
        }
        // Every order of three is as frequent as the others.
        let mut counts = HashMap::new();
        for seed in 0..6000 {
            *counts.entry(permutation(Key::from_seed(seed, 0), 3)).or_insert(0) += 1;
        }
        assert!(counts.len() == 6 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn samples_begin_permutations() {
        let key = Key::from_seed(2, 0);
        for (n, size) in [(0, 0), (10, 0), (10, 10), (1000, 62), (1000, 3), (2000, 125), (2000, 126)] {
            assert_eq!(sample(key, n, size), permutation(key, n)[..size]);
        }
    }

    #[test]
    fn weights() {
        let weights = Weights::new(&[0.1, 0.0, 0.6, 0.3]).unwrap();
        let mut out = vec![0; 10_000];
        weights.choose(Key::from_seed(3, 0), Indices::consecutive(0), &mut out);
        for (k, p) in [0.1, 0.0, 0.6, 0.3].into_iter().enumerate() {
            let count = out.iter().filter(|x| **x == k as i64).count() as f64;
            assert!((count - p * 1e4).abs() <= 5.0 * (1e4 * p * (1.0 - p)).sqrt(), "{k}: {count}");
        }
        let mut first = [0; 4];
        for seed in 0..10_000 {
            let found = weights.sample(Key::from_seed(seed, 1), 2).unwrap();
            assert!(found[0] != found[1] && !found.contains(&1));
            first[found[0] as usize] += 1;
        }
        assert!((5750..6250).contains(&first[2]) && (850..1150).contains(&first[0]), "{first:?}");
        assert_eq!(weights.sample(Key::from_seed(0, 0), 4), Err(WeightError::TooFew));
        for (probabilities, error) in [
            (vec![], WeightError::Empty),
            (vec![0.5, f64::NAN], WeightError::Nan),
            (vec![1.5, -0.5], WeightError::Negative),
            (vec![0.5, 0.4], WeightError::Sum),
        ] {
            assert_eq!(Weights::new(&probabilities).unwrap_err(), error);
        }
    }
}
