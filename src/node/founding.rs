//! Who founds the group when there is none (protocol 7, bootstrap a and c): those who look for it at
//! the same time elect one of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gms_discovery::Directory;
use gms_election::{Destination, Election, ElectionConfig, Electorate, Event, Input, Message, Rank};

/// What was heard longer ago than this may not hold any more.
const FRESH: Duration = Duration::from_secs(2);
/// One looks for a group at least so long.
const SHORTEST: Duration = Duration::from_millis(10);
/// How often those who look ask who is there.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One process's part in the founding.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Founding {
    me: u64,
    /// Those who must all be there first (a); otherwise whoever is seen (c).
    expect: Option<BTreeSet<u64>>,
    discover: Duration,
    config: ElectionConfig,
    seed: u64,
    election: Option<Election<u64>>,
    electorate: BTreeSet<u64>,
    /// No election is started before.
    elect_at: Duration,
    probe_at: Duration,
}

impl Founding {
    /// Starts looking, for `discover` at least.
    pub(super) fn new(
        me: u64,
        expect: Option<BTreeSet<u64>>,
        discover: Duration,
        config: ElectionConfig,
        seed: u64,
        now: Duration,
    ) -> Self {
        // Elections at every tick would leave no time for anything else.
        let discover = discover.max(SHORTEST);
        let (elect_at, probe_at) = (now + discover, now + PROBE_EVERY);
        Self { me, expect, discover, config, seed, election: None, electorate: BTreeSet::new(), elect_at, probe_at }
    }

    /// Takes the state of the world in. True: this process founds the group, now. `answered` is when a
    /// member last answered its request to join.
    pub(super) fn step(&mut self, now: Duration, directory: &mut Directory<u64>, answered: Option<Duration>) -> bool {
        if now >= self.probe_at {
            self.probe_at = now + PROBE_EVERY;
            directory.handle(now, gms_discovery::Input::Probe);
        }
        if self.is_group_seen(now, directory, answered) {
            self.election = None;
            self.elect_at = now + self.discover;
            return false;
        }
        if now >= self.elect_at {
            self.elect(now, directory);
        }
        let Some(election) = &mut self.election else { return false };
        election.handle(now, Input::Tick);
        while let Some(event) = election.poll_event() {
            match event {
                // Of those who are expected only the highest founds, or a pause could make two groups.
                Event::Won { .. } if self.expect.as_ref().is_none_or(|ids| ids.last() == Some(&self.me)) => {
                    return true;
                }
                Event::Won { .. } => self.elect_at = now + self.discover,
                // It founds the group, or else is dead by then.
                Event::Elected { .. } | Event::GaveUp { .. } => self.elect_at = now + self.discover * 4,
            }
        }
        false
    }

    /// A message of another one's election.
    pub(super) fn receive(&mut self, now: Duration, from: u64, message: Message, directory: &Directory<u64>) {
        if self.election.is_none() {
            self.prepare(now, directory);
        }
        if let Some(election) = &mut self.election {
            election.handle(now, Input::Received { from, message });
        }
    }

    /// Messages to send: to one, or to everybody when there is no address.
    pub(super) fn poll_transmit(&mut self, directory: &Directory<u64>) -> Option<(Option<SocketAddr>, Message)> {
        let transmit = self.election.as_mut()?.poll_transmit()?;
        let to = match transmit.to {
            Destination::All => None,
            Destination::One(id) => directory.get(id).map(|known| known.entry.address),
        };
        Some((to, transmit.message))
    }

    pub(super) fn poll_timeout(&self) -> Duration {
        let election = self.election.as_ref().and_then(Election::poll_timeout);
        election.into_iter().chain([self.elect_at, self.probe_at]).min().expect("never empty")
    }

    /// Whether there is a group already, so that none is to be founded.
    fn is_group_seen(&self, now: Duration, directory: &Directory<u64>, answered: Option<Duration>) -> bool {
        let fresh = |at: Duration| now.saturating_sub(at) <= FRESH;
        answered.is_some_and(fresh) || directory.servers().any(|known| known.entry.gid != 0 && fresh(known.heard))
    }

    /// Starts an election among those who are there now.
    fn elect(&mut self, now: Duration, directory: &Directory<u64>) {
        self.elect_at = now + self.discover;
        if self.prepare(now, directory)
            && let Some(election) = &mut self.election
        {
            election.handle(now, Input::Start);
        }
    }

    /// Makes ready for an election among those who are there now; false while somebody expected is missing.
    fn prepare(&mut self, now: Duration, directory: &Directory<u64>) -> bool {
        let there =
            |known: &&gms_discovery::Known<u64>| known.entry.gid == 0 && now.saturating_sub(known.heard) <= FRESH;
        let mut present: BTreeSet<u64> = directory.servers().filter(there).map(|known| known.entry.id).collect();
        present.insert(self.me);
        let electorate = match &self.expect {
            Some(expected) if expected.is_subset(&present) => expected.clone(),
            Some(_) => return false,
            None => present,
        };
        if self.election.is_none() || electorate != self.electorate {
            let members: Vec<u64> = electorate.iter().copied().collect();
            let of = Electorate::new(digest(&members), members);
            self.election = Election::new(self.config.clone(), self.me, &of, Rank::Bully, self.seed).ok();
            self.electorate = electorate;
        }
        true
    }
}

/// Elections are told apart by who takes part: those who see different candidates do not mix.
fn digest(members: &[u64]) -> u64 {
    members.iter().fold(0xcbf2_9ce4_8422_2325, |digest, id| {
        id.to_le_bytes().iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

#[cfg(test)]
mod tests {
    use gms_discovery::{DirectoryConfig, Entry};

    use super::*;

    fn directory(me: u64, others: &[(u64, u128)]) -> Directory<u64> {
        let at = |id: u64| SocketAddr::from(([10, 0, 0, id as u8], 7000));
        let mut directory =
            Directory::new(DirectoryConfig::default(), Entry::new(me, at(me), ""), Duration::ZERO).expect("sound");
        for (id, gid) in others {
            let entry = Entry { gid: *gid, ..Entry::new(*id, at(*id), "") };
            let message = gms_discovery::Message::Announce(entry);
            directory.handle(Duration::ZERO, gms_discovery::Input::Received { source: at(*id), message });
        }
        directory
    }

    fn founding(me: u64, expect: Option<&[u64]>) -> Founding {
        let expect = expect.map(|ids| ids.iter().copied().collect());
        Founding::new(me, expect, ms(300), ElectionConfig::default(), 1, Duration::ZERO)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// When it founds the group if nobody ever says anything, in ms.
    fn founds_at(mut founding: Founding, mut directory: Directory<u64>) -> Option<u64> {
        (0..1500).find(|millis| founding.step(ms(*millis), &mut directory, None))
    }

    #[test]
    fn who_finds_nobody_founds_after_looking_and_who_sees_a_group_does_not() {
        assert_eq!(founds_at(founding(1, None), directory(1, &[])), Some(300));
        assert_eq!(founds_at(founding(1, None), directory(1, &[(9, 77)])), None);
    }

    #[test]
    fn the_highest_rank_founds_at_once_and_lower_ones_when_those_above_are_silent() {
        assert_eq!(founds_at(founding(3, None), directory(3, &[(1, 0), (2, 0)])), Some(300));
        let later = founds_at(founding(1, None), directory(1, &[(2, 0), (3, 0)])).expect("founds");
        assert!((301..600).contains(&later), "{later}");
    }

    #[test]
    fn all_who_are_expected_must_be_there() {
        assert_eq!(founds_at(founding(2, Some(&[0, 1, 2])), directory(2, &[(0, 0)])), None);
        assert_eq!(founds_at(founding(2, Some(&[0, 1, 2])), directory(2, &[(0, 0), (1, 0), (7, 0)])), Some(300));
        assert_eq!(founds_at(founding(1, Some(&[0, 1, 2])), directory(1, &[(0, 0), (2, 0)])), None, "not the highest");
        assert_eq!(founds_at(founding(7, Some(&[0, 1])), directory(7, &[(0, 0), (1, 0)])), None, "not among them");
    }

    #[test]
    fn a_member_that_answers_is_a_group() {
        let (mut founding, mut directory) = (founding(1, None), directory(1, &[]));
        assert!(!founding.step(ms(400), &mut directory, Some(ms(390))));
        assert!(!founding.step(ms(2300), &mut directory, Some(ms(390))));
        assert!(!founding.step(ms(2391), &mut directory, Some(ms(390))), "looks again first");
        assert!(founding.step(ms(2700), &mut directory, Some(ms(390))));
    }
}
