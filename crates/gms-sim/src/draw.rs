//! Drawing from a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use gms_net::SplitMix64;

/// A seeded source of everything a run leaves to chance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw(SplitMix64);

impl Draw {
    /// The source `stream` of `seed`: streams of one seed have nothing in common.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut random = SplitMix64::new(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        let start = random.next_u64();
        Self(SplitMix64::new(start))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.chance(probability)
    }

    /// Evenly in the range.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.bits() % (range.end() - range.start() + 1)
    }

    /// Evenly in `0..bound`, for an index; `bound` is not 0.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Into any order.
    pub(crate) fn shuffle<T>(&mut self, these: &mut [T]) {
        for last in (1..these.len()).rev() {
            these.swap(last, self.index(last + 1));
        }
    }

    /// Evenly between the two, in microseconds.
    pub(crate) fn micros(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.within(range))
    }

    /// Between the two, each order of magnitude as likely as any other.
    pub(crate) fn magnitude(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = ((*range.start() as f64).ln(), (*range.end() as f64).ln());
        ((low + (high - low) * self.0.unit()).exp() as u64).clamp(*range.start(), *range.end())
    }

    /// An index into `weights`, each as likely as its weight says.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.bits() % weights.iter().map(|w| u64::from(*w)).sum::<u64>().max(1);
        for (index, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        0
    }

    /// `mean` times 0.5 to 1.5.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.5 + self.0.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_lies_where_it_should() {
        let mut draw = Draw::new(1, 2);
        for _ in 0..1000 {
            assert!((3..=5).contains(&draw.within(3..=5)));
            assert!((10..=10_000).contains(&draw.magnitude(10..=10_000)));
            assert_ne!(draw.weighted(&[1, 0, 3]), 1);
        }
        assert_ne!(Draw::new(1, 2).bits(), Draw::new(1, 3).bits());
        assert_eq!(Draw::new(1, 2), Draw::new(1, 2));
    }
}
