//! How long one peer is silent usually: a window of gaps, and the bound that follows from it.

use std::time::Duration;

use crate::profile::DetectorConfig;

/// The last gaps between signs of life of one peer, in whole microseconds.
///
/// Under load there are thousands of datagrams between two heartbeats, and their tiny gaps would push
/// all that is known of the pauses out of the window. So one gap is kept for each half interval or
/// more: the longest.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Gaps {
    /// A ring once it is full; `oldest` is overwritten next.
    kept: Vec<u32>,
    oldest: usize,
    sum: u64,
    squares: u64,
    longest: Duration,
    since: Duration,
    /// How late the peer says that it runs.
    late: Duration,
    bound: Duration,
}

/// A silence so many times as long as a peer runs late is usual for it.
const LATE_TIMES: u32 = 4;

impl Gaps {
    pub(crate) fn new(config: &DetectorConfig, now: Duration) -> Self {
        let mut gaps = Self {
            kept: Vec::new(),
            oldest: 0,
            sum: 0,
            squares: 0,
            longest: Duration::ZERO,
            since: now,
            late: Duration::ZERO,
            bound: Duration::ZERO,
        };
        gaps.bound = gaps.compute(config);
        gaps
    }

    /// Silence that is too long.
    pub(crate) fn bound(&self) -> Duration {
        self.bound
    }

    /// A gap has just ended.
    pub(crate) fn add(&mut self, config: &DetectorConfig, now: Duration, gap: Duration) {
        self.longest = self.longest.max(gap);
        if now.saturating_sub(self.since) >= config.interval / 2 {
            self.keep(config, self.longest);
            self.skip(now);
        }
    }

    /// The peer says that it runs so late at present: it has too little processor time, and is not dead.
    pub(crate) fn set_late(&mut self, config: &DetectorConfig, late: Duration) {
        if self.late != late {
            self.late = late;
            self.bound = self.compute(config);
        }
    }

    /// What lies before `now` does not count: somebody else's pause, or an absence.
    pub(crate) fn skip(&mut self, now: Duration) {
        self.longest = Duration::ZERO;
        self.since = now;
    }

    fn keep(&mut self, config: &DetectorConfig, gap: Duration) {
        // A gap over the cap says no more than the cap, which is at most 60 s: with at most 1000 gaps the
        // sum of squares stays below 2^62.
        let gap = gap.min(config.cap).as_micros() as u32;
        let square = |gap: u32| u64::from(gap) * u64::from(gap);
        if self.kept.len() < config.window {
            self.kept.push(gap);
        } else {
            let old = std::mem::replace(&mut self.kept[self.oldest], gap);
            self.oldest = (self.oldest + 1) % self.kept.len();
            self.sum -= u64::from(old);
            self.squares -= square(old);
        }
        self.sum += u64::from(gap);
        self.squares += square(gap);
        self.bound = self.compute(config);
    }

    fn compute(&self, config: &DetectorConfig) -> Duration {
        let n = self.kept.len().max(1) as u64;
        // n^2 times the variance; by Cauchy and Schwarz never negative.
        let spread = u128::from(n) * u128::from(self.squares) - u128::from(self.sum) * u128::from(self.sum);
        let deviation = (spread.isqrt() / u128::from(n)) as u64;
        let usual = (self.sum / n).saturating_add(u64::from(config.deviations).saturating_mul(deviation));
        let least = config.floor.max(config.interval.saturating_mul(config.beats)).max(self.late * LATE_TIMES);
        least.max(Duration::from_micros(usual)).min(config.cap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fed(config: &DetectorConfig, gaps: impl IntoIterator<Item = u32>) -> Gaps {
        let mut now = Duration::ZERO;
        let mut all = Gaps::new(config, now);
        for gap in gaps {
            now += MS * gap;
            all.add(config, now, MS * gap);
        }
        all
    }

    #[test]
    fn the_floor_holds_for_regular_beats_and_for_none() {
        let config = DetectorConfig::lan();
        assert_eq!(fed(&config, []).bound(), MS * 500);
        assert_eq!(fed(&config, [100; 300]).bound(), MS * 500);
        let five = DetectorConfig { interval: MS * 150, ..config };
        assert_eq!(fed(&five, [150; 300]).bound(), MS * 750);
    }

    #[test]
    fn one_that_says_that_it_runs_late_gets_four_times_that_up_to_the_cap() {
        let config = DetectorConfig::lan();
        let mut gaps = fed(&config, [100; 300]);
        for (late, bound) in [(100, 500), (200, 800), (2_000, 3_000), (0, 500)] {
            gaps.set_late(&config, MS * late);
            assert_eq!(gaps.bound(), MS * bound);
        }
    }

    #[test]
    fn the_bound_is_mean_plus_six_deviations_and_never_over_the_cap() {
        let config = DetectorConfig::lan();
        // Half 100, half 300: mean 200, deviation 100.
        assert_eq!(fed(&config, [100, 300].into_iter().cycle().take(200)).bound(), MS * 800);
        assert_eq!(fed(&config, [100, 2900].into_iter().cycle().take(200)).bound(), MS * 3_000);
        assert_eq!(fed(&config, [60_000; 200]).bound(), MS * 3_000);
    }

    #[test]
    fn the_window_forgets() {
        let config = DetectorConfig::lan();
        let noisy = [100, 900].into_iter().cycle().take(200);
        assert!(fed(&config, noisy.clone()).bound() > MS * 2_500);
        assert_eq!(fed(&config, noisy.chain([100; 200])).bound(), MS * 500);
    }

    #[test]
    fn a_flood_of_data_does_not_wash_out_what_is_known_of_pauses() {
        let config = DetectorConfig::lan();
        let mut gaps = fed(&config, [100, 300].into_iter().cycle().take(200));
        let mut now = Duration::from_secs(100);
        for _ in 0..10_000 {
            now += MS / 100;
            gaps.add(&config, now, MS / 100); // 100 ms in all: two or three samples
        }
        assert!(gaps.bound() > MS * 790, "{:?}", gaps.bound());
    }

    proptest! {
        #[test]
        fn the_running_sums_are_those_of_the_window(gaps in proptest::collection::vec(60u32..200_000, 1..400)) {
            let config = DetectorConfig { cap: Duration::from_secs(60), ..DetectorConfig::lan() };
            let all = fed(&config, gaps.iter().copied());
            let window = &gaps[gaps.len().saturating_sub(200)..];
            let micros = window.iter().map(|gap| u64::from(*gap).min(60_000) * 1_000);
            prop_assert_eq!(all.sum, micros.clone().sum::<u64>());
            prop_assert_eq!(all.squares, micros.map(|gap| gap * gap).sum::<u64>());
            prop_assert!(all.bound() >= config.floor && all.bound() <= config.cap);
        }
    }
}
