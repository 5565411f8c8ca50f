//! Times of a failure detector, and three sets of them.

use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longest silence that any setting may allow: keeps the arithmetic of [`Gaps`](crate::gaps::Gaps) in range.
const LONGEST: Duration = Duration::from_secs(60);
/// Most gaps remembered of one peer, for the same reason.
const MOST_GAPS: usize = 1000;

/// Settings of a [`Detector`](crate::Detector).
///
/// A peer is too silent after `max(beats * interval, floor, mean + deviations * sd)` of the gaps between
/// its datagrams, and never later than after `cap`. Then it is verified: `probes` times, `probe_every`
/// apart, it is asked directly and through one other peer; `probe_wait` after the last it is suspected.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DetectorConfig {
    /// How often a live peer says something at least.
    pub interval: Duration,
    /// Intervals that may always pass in silence.
    pub beats: u32,
    /// Shortest silence that is too long.
    pub floor: Duration,
    /// Silence that is too long whatever was measured.
    pub cap: Duration,
    /// Standard deviations above the mean gap that are still usual.
    pub deviations: u32,
    /// Gaps remembered of each peer.
    pub window: usize,
    /// Direct, and as many indirect, checks before a peer is suspected.
    pub probes: u32,
    /// Time between them.
    pub probe_every: Duration,
    /// Wait for an answer to the last.
    pub probe_wait: Duration,
}

impl DetectorConfig {
    /// Peers on one network.
    pub const fn lan() -> Self {
        Self {
            interval: ms(100),
            beats: 5,
            floor: ms(500),
            cap: ms(3_000),
            deviations: 6,
            window: 200,
            probes: 2,
            probe_every: ms(20),
            probe_wait: ms(50),
        }
    }

    /// Peers on one host.
    pub const fn local() -> Self {
        Self { interval: ms(25), floor: ms(150), cap: ms(1_000), probe_wait: ms(20), ..Self::lan() }
    }

    /// Peers far away.
    pub const fn wan() -> Self {
        Self { interval: ms(1_000), floor: ms(5_000), cap: ms(15_000), probe_wait: ms(1_000), ..Self::lan() }
    }

    /// How long a verification takes that nobody answers.
    pub fn verification(&self) -> Duration {
        self.probe_every.saturating_mul(self.probes.saturating_sub(1)).saturating_add(self.probe_wait)
    }

    /// Why these settings cannot work, if they cannot.
    pub fn check(&self) -> Result<(), DetectorError> {
        let named = [
            ("interval", self.interval.is_zero()),
            ("floor", self.floor.is_zero()),
            ("probe_every", self.probe_every.is_zero()),
            ("probe_wait", self.probe_wait.is_zero()),
            ("probes", self.probes == 0),
        ];
        if let Some((name, _)) = named.into_iter().find(|(_, zero)| *zero) {
            return Err(DetectorError::Zero(name));
        }
        if self.window == 0 || self.window > MOST_GAPS {
            return Err(DetectorError::Window(self.window));
        }
        if self.floor > self.cap || self.cap > LONGEST {
            return Err(DetectorError::Cap { cap: self.cap, floor: self.floor });
        }
        if self.cap <= self.interval {
            return Err(DetectorError::Interval { cap: self.cap, interval: self.interval });
        }
        Ok(())
    }
}

impl Default for DetectorConfig {
    /// [`Self::lan`].
    fn default() -> Self {
        Self::lan()
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DetectorError {
    /// A setting is zero.
    #[error("{0} is 0: set it to more")]
    Zero(&'static str),
    /// Too few or too many gaps.
    #[error("{0} gaps cannot be remembered: set the window to 1..={MOST_GAPS}")]
    Window(usize),
    /// The cap is below the floor, or too high.
    #[error("the cap ({cap:?}) has to be between the floor ({floor:?}) and {LONGEST:?}")]
    Cap {
        /// Longest silence allowed.
        cap: Duration,
        /// Shortest silence suspected.
        floor: Duration,
    },
    /// Live peers would be verified all the time.
    #[error("the cap ({cap:?}) has to be longer than the interval ({interval:?})")]
    Interval {
        /// Longest silence allowed.
        cap: Duration,
        /// Silence of a live peer.
        interval: Duration,
    },
}
