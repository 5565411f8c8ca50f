//! Seeded randomness for back-offs and choices of peers, small enough to be part of a hashable state.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood 2014). Not for secrets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform enough in `0..bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    /// `base` stretched by a random factor of 1.0 to 1.5, so that members do not repeat in step.
    pub(crate) fn stretched(&mut self, base: Duration) -> Duration {
        base + base * (self.next() % 512) as u32 / 1024
    }
}

/// The finalizer of SplitMix64: every input bit reaches every output bit.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
