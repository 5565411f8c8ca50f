//! Whom to stay connected with, and who seems to have died.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// The wait after the first failure; it doubles with each further one,
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lasted so long was a good one: when it ends, the next is tried at once.
const GOOD: Duration = Duration::from_secs(1);

/// Refusals that nobody has asked for yet, at most.
const MOST_REFUSED: usize = 1024;

/// How a connection, or the attempt at one, ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// Nobody listens there, and the host says so.
    pub(super) refused: bool,
    /// How long the two had known each other; `None` when they never said hello.
    pub(super) lasted: Option<Duration>,
}

/// The processes watched, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watched: BTreeMap<SocketAddr, Watch>,
    lost: VecDeque<SocketAddr>,
    /// Those that have refused an attempt, once for each.
    refused: VecDeque<SocketAddr>,
}

#[derive(Debug)]
struct Watch {
    /// It has said hello since it was last reported lost.
    up: bool,
    failures: u32,
    /// When to try to connect; `None` while there is a connection or an attempt at one.
    retry_at: Option<Instant>,
}

impl Watches {
    /// Watches these from now on, and no others. Those not `connected` are to be tried at once.
    pub(super) fn set(
        &mut self,
        peers: impl Iterator<Item = SocketAddr>,
        connected: impl Fn(SocketAddr) -> Connected,
        now: Instant,
    ) {
        let mut before = std::mem::take(&mut self.watched);
        for peer in peers {
            let watch = before.remove(&peer).unwrap_or_else(|| {
                let state = connected(peer);
                let retry_at = (state == Connected::No).then_some(now);
                Watch { up: state == Connected::Yes, failures: 0, retry_at }
            });
            self.watched.insert(peer, watch);
        }
        self.lost.retain(|peer| self.watched.contains_key(peer));
        self.refused.retain(|peer| self.watched.contains_key(peer));
    }

    pub(super) fn contains(&self, peer: SocketAddr) -> bool {
        self.watched.contains_key(&peer)
    }

    /// The next of those lost that nobody was told of.
    pub(super) fn pop_lost(&mut self) -> Option<SocketAddr> {
        self.lost.pop_front()
    }

    /// The next of those that have refused an attempt.
    pub(super) fn pop_refused(&mut self) -> Option<SocketAddr> {
        self.refused.pop_front()
    }

    /// An attempt to connect has begun.
    pub(super) fn dialled(&mut self, peer: SocketAddr) {
        if let Some(watch) = self.watched.get_mut(&peer) {
            watch.retry_at = None;
        }
    }

    /// It said hello.
    pub(super) fn greeted(&mut self, peer: SocketAddr) {
        if let Some(watch) = self.watched.get_mut(&peer) {
            watch.up = true;
            watch.retry_at = None;
            self.lost.retain(|lost| *lost != peer);
        }
    }

    /// The last connection to it has ended, or the attempt at one. True when somebody is to be told.
    pub(super) fn ended(&mut self, peer: SocketAddr, ended: Ended, now: Instant) -> bool {
        let Some(watch) = self.watched.get_mut(&peer) else { return false };
        let good = ended.lasted.is_some_and(|lasted| lasted >= GOOD);
        watch.failures = if good { 0 } else { watch.failures.saturating_add(1) };
        watch.retry_at = Some(now + wait_after(watch.failures));
        let lost = ended.refused && std::mem::take(&mut watch.up);
        if lost {
            self.lost.push_back(peer);
        }
        if ended.refused && self.refused.len() < MOST_REFUSED {
            self.refused.push_back(peer);
        }
        ended.refused
    }

    /// It cannot be tried now, for a reason of our own.
    pub(super) fn postpone(&mut self, peer: SocketAddr, now: Instant) {
        if let Some(watch) = self.watched.get_mut(&peer) {
            watch.retry_at = Some(now + LONGEST_WAIT);
        }
    }

    /// Those to be tried now.
    pub(super) fn due(&self, now: Instant) -> Vec<SocketAddr> {
        let due = |watch: &Watch| watch.retry_at.is_some_and(|at| at <= now);
        self.watched.iter().filter(|(_, watch)| due(watch)).map(|(&peer, _)| peer).collect()
    }

    /// When the next is to be tried.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.watched.values().filter_map(|watch| watch.retry_at).min()
    }
}

/// Whether there is a connection with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connected {
    No,
    /// It is being made, and nothing was heard yet.
    Trying,
    Yes,
}

fn wait_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        more => FIRST_WAIT.saturating_mul(1 << (more - 1).min(16)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Ended = Ended { refused: true, lasted: None };
    const SILENT: Ended = Ended { refused: false, lasted: None };
    const CLOSED: Ended = Ended { refused: false, lasted: Some(GOOD) };

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn watching(port: u16, now: Instant) -> Watches {
        let mut watches = Watches::default();
        watches.set([peer(port)].into_iter(), |_| Connected::No, now);
        watches
    }

    #[test]
    fn who_was_there_and_is_refused_now_is_lost_once() {
        let now = Instant::now();
        let mut watches = watching(1, now);
        assert_eq!(watches.due(now), [peer(1)]);
        // Not there yet is not lost.
        assert!(watches.ended(peer(1), REFUSED, now));
        assert_eq!((watches.pop_lost(), watches.pop_refused()), (None, Some(peer(1))));
        watches.greeted(peer(1));
        assert!(watches.due(now + LONGEST_WAIT).is_empty());
        assert!(!watches.ended(peer(1), CLOSED, now));
        assert_eq!(watches.due(now), [peer(1)], "a good connection is made again at once");
        // Its last connection may still have been taken, and reset.
        assert!(!watches.ended(peer(1), SILENT, now));
        assert!(watches.ended(peer(1), REFUSED, now));
        assert!(watches.ended(peer(1), REFUSED, now));
        assert_eq!((watches.pop_lost(), watches.pop_lost()), (Some(peer(1)), None));
        assert_eq!([(); 3].map(|()| watches.pop_refused()), [Some(peer(1)), Some(peer(1)), None], "each time");
        watches.greeted(peer(1));
        watches.ended(peer(1), CLOSED, now);
        assert!(watches.ended(peer(1), REFUSED, now));
        assert_eq!(watches.lost, [peer(1)], "connected in between, it is reported again");
        watches.greeted(peer(1));
        assert_eq!(watches.pop_lost(), None, "it is back before anybody asked");
    }

    #[test]
    fn who_does_not_answer_is_tried_less_and_less_often_and_never_lost() {
        let mut now = Instant::now();
        let mut watches = watching(1, now);
        watches.greeted(peer(1));
        let mut waits = Vec::new();
        for _ in 0..40 {
            assert!(!watches.ended(peer(1), SILENT, now));
            let next = watches.next_due().unwrap();
            waits.push(next - now);
            now = next;
            watches.dialled(peer(1));
            assert_eq!(watches.next_due(), None);
        }
        assert!(waits.is_sorted());
        assert_eq!((waits[0], waits[39]), (FIRST_WAIT, LONGEST_WAIT));
    }

    #[test]
    fn a_change_of_the_list_keeps_what_is_known() {
        let now = Instant::now();
        let mut watches = watching(1, now);
        watches.greeted(peer(1));
        watches.ended(peer(1), CLOSED, now);
        watches.ended(peer(1), REFUSED, now);
        let state = |peer: SocketAddr| if peer.port() == 2 { Connected::Yes } else { Connected::Trying };
        watches.set([peer(1), peer(2), peer(3)].into_iter(), state, now);
        assert_eq!(watches.due(now + LONGEST_WAIT), [peer(1)]);
        watches.ended(peer(2), CLOSED, now);
        watches.ended(peer(2), REFUSED, now);
        watches.ended(peer(3), REFUSED, now);
        assert_eq!(watches.lost, [peer(1), peer(2)], "2 was up when first watched, and 3 was not");
        watches.set([peer(2)].into_iter(), state, now);
        assert_eq!((watches.pop_lost(), watches.pop_lost()), (Some(peer(2)), None), "others are of no interest now");
    }
}
