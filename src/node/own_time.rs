//! Time in which this process really ran: starvation slows it, and never restarts it.

use std::time::Duration;

/// Time that one wake-up counts for, at most.
const STRIDE: Duration = Duration::from_millis(50);
/// How often a process wakes up while it waits for such time.
pub(super) const WAKE_EVERY: Duration = Duration::from_millis(25);

/// A clock that advances at most 50 ms with each look at it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct OwnTime {
    looked: Duration,
    passed: Duration,
}

impl OwnTime {
    pub(super) fn new(now: Duration) -> Self {
        Self { looked: now, passed: Duration::ZERO }
    }

    /// Own time since the start.
    pub(super) fn look(&mut self, now: Duration) -> Duration {
        self.passed += now.saturating_sub(self.looked).min(STRIDE);
        self.looked = self.looked.max(now);
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_it_did_not_run_hardly_counts() {
        let ms = Duration::from_millis;
        let mut time = OwnTime::new(ms(100));
        assert_eq!(time.look(ms(120)), ms(20));
        assert_eq!(time.look(ms(5_120)), ms(70));
        assert_eq!(time.look(ms(5_000)), ms(70), "no step back");
        assert_eq!(time.look(ms(5_130)), ms(80));
    }
}
