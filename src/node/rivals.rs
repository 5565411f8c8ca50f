//! Two groups of one name that found themselves apart and then meet: the smaller one gives way
//! (protocol 7, Absorb).

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use gms_core::{Gid, View};
use gms_discovery::{Directory, Entry};

/// How often a rival is asked whether it is still there, and how old its answer may be.
const FRESH: Duration = Duration::from_secs(1);

/// Lineages that are reported, at most: anybody can make up more.
const REPORTED: usize = 64;

/// Looks for lineages of the same name beside one's own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Rivals {
    probe_at: Duration,
    /// Those that were reported.
    reported: BTreeSet<Gid>,
}

impl Rivals {
    /// Another lineage that lives, if there is one. A silent entry is not believed: a directory remembers for
    /// longer than groups live.
    pub(super) fn look(&mut self, now: Duration, view: &View, directory: &mut Directory<u64>) -> Option<Entry<u64>> {
        let foreign = |entry: &Entry<u64>| entry.gid != 0 && entry.gid != view.gid.0;
        let mut seen = directory.servers().filter(|known| foreign(&known.entry)).peekable();
        seen.peek()?;
        let fresh = seen.filter(|known| now.saturating_sub(known.heard) <= FRESH);
        // Only a lineage that is led can let anybody in; of several the largest counts.
        let led = fresh.filter(|known| known.entry.leader.is_some());
        let rival = led.max_by_key(|known| (known.entry.size, Reverse(known.entry.gid)));
        let rival = rival.map(|known| known.entry.clone());
        if now >= self.probe_at {
            self.probe_at = now + FRESH;
            directory.handle(now, gms_discovery::Input::Probe);
        }
        rival
    }

    /// When to look again, while there is something to look for.
    pub(super) fn poll_timeout(&self, view: &View, directory: &Directory<u64>) -> Option<Duration> {
        let foreign = |entry: &Entry<u64>| entry.gid != 0 && entry.gid != view.gid.0;
        directory.servers().any(|known| foreign(&known.entry)).then_some(self.probe_at)
    }

    /// Whether this rival has not been reported yet, and is to be.
    pub(super) fn is_news(&mut self, gid: Gid) -> bool {
        self.reported.len() < REPORTED && self.reported.insert(gid)
    }
}

/// Whether `view` gives way: the larger one goes on, of two alike the one with the lower lineage.
pub(super) fn gives_way(view: &View, rival: &Entry<u64>) -> bool {
    (view.members.len() as u32, rival.gid) < (rival.size, view.gid.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rival_is_news_once_and_made_up_ones_have_an_end() {
        let mut rivals = Rivals::default();
        assert!(rivals.is_news(Gid(1)) && !rivals.is_news(Gid(1)));
        let news = (2..10_000).filter(|gid| rivals.is_news(Gid(*gid))).count();
        assert_eq!(news, REPORTED - 1);
    }
}
