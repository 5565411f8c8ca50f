//! The measured time.

use std::time::{Duration, Instant};

use super::super::orders::Phase;

/// Senders go on for so long after their own measured time, so that nobody else measures a group in which one of them
/// has stopped.
const OVERTIME: Duration = Duration::from_millis(50);

/// When it is, and how much was delivered in it.
pub(super) struct Window {
    start: Instant,
    end: Instant,
    /// When something was delivered first in the measured time, and how much had been by then.
    first: Option<(Instant, u64)>,
    /// The same for the first after it; up to then, for the last in it.
    last: Option<(Instant, u64)>,
}

impl Window {
    /// That of a phase that starts now.
    pub(super) fn of(phase: &Phase) -> Self {
        let start = Instant::now() + phase.warm_up;
        Self { start, end: start + phase.lasts, first: None, last: None }
    }

    /// Whether it is measured.
    pub(super) fn contains(&self, at: Instant) -> bool {
        (self.start..self.end).contains(&at)
    }

    /// When a sender stops that measures only itself.
    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// When a sender stops that others measure too.
    pub(super) fn send_until(&self) -> Instant {
        self.end + OVERTIME
    }

    /// At `now`, `count` have been delivered in all.
    pub(super) fn pass(&mut self, now: Instant, count: u64) {
        if self.first.is_none() && now >= self.start {
            self.first = Some((now, count));
        } else if self.first.is_some() && self.last.is_none_or(|(last, _)| last < self.end) {
            self.last = Some((now, count));
        }
    }

    /// How much was delivered per second; `None` when hardly anything was.
    pub(super) fn per_second(&self) -> Option<f64> {
        let ((start, before), (end, after)) = (self.first?, self.last?);
        (end > start).then(|| (after - before) as f64 / (end - start).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_time_counts() {
        let second = Duration::from_secs(1);
        let mut window = Window::of(&Phase { senders: vec![], size: 1, warm_up: second, lasts: 2 * second });
        let start = window.start;
        window.pass(start - second / 2, 1000);
        assert_eq!(window.per_second(), None);
        for (at, count) in [(0.5, 1100), (1.0, 1500), (2.5, 1900)] {
            window.pass(start + second.mul_f64(at), count);
        }
        assert_eq!(window.per_second(), Some(400.0));
        window.pass(start + 3 * second, 9000);
        assert_eq!(window.per_second(), Some(400.0));
        assert!(window.contains(start) && !window.contains(start + 2 * second));
    }
}
