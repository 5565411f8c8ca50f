//! How late this process runs: it tells the others, so that scarce processor time is not taken for death.

use std::time::Duration;

/// The worst of so long ago, and of twice as long at most, counts.
const SPAN: Duration = Duration::from_millis(1_500);

/// The worst lateness of this span and of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Lateness {
    since: Duration,
    worst: Duration,
    before: Duration,
}

impl Lateness {
    /// It came so much later than planned.
    pub(super) fn note(&mut self, now: Duration, late: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed >= SPAN {
            self.before = if passed < 2 * SPAN { self.worst } else { Duration::ZERO };
            (self.since, self.worst) = (now, Duration::ZERO);
        }
        self.worst = self.worst.max(late);
    }

    /// In milliseconds.
    pub(super) fn worst(&self) -> u16 {
        u16::try_from(self.worst.max(self.before).as_millis()).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_forgotten_after_two_spans() {
        let ms = Duration::from_millis;
        let mut lateness = Lateness::default();
        lateness.note(ms(10_000), ms(300));
        lateness.note(ms(10_100), ms(1));
        assert_eq!(lateness.worst(), 300);
        lateness.note(ms(11_600), ms(2));
        assert_eq!(lateness.worst(), 300);
        lateness.note(ms(13_200), ms(1));
        assert_eq!(lateness.worst(), 2);
        lateness.note(ms(60_000), ms(0));
        assert_eq!(lateness.worst(), 0);
    }
}
