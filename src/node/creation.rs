//! Who creates the group when there is none (docs/lineages.md, *Creating*): those who look for it at the same time
//! elect one of them. Only a fresh process creates, and only when it has heard of no lineage that may still be there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::Gid;
use gms_discovery::Directory;
use gms_election::{Destination, Election, ElectionConfig, Electorate, Event, Input, Message, Rank};

use super::Bootstrap;
use super::inquiry::{Inquiries, Standing};
use super::lineages::{Lineages, Stranger};
use super::own_time::{OwnTime, WAKE_EVERY};
use super::peers::Peers;

/// Another server that looks for the group counts as there for so long after it was heard.
const PRESENT: Duration = Duration::from_secs(2);
/// So many times everybody is asked, at least, before a group is created.
const PROBES: u32 = 3;
/// How often those who go on looking ask who is there.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Lineages for which there was no room forbid to create one for so long.
const CROWDED: Duration = Duration::from_secs(30);

/// What keeps a process from creating the group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Waits {
    /// It still looks.
    Looking,
    /// A lineage was heard of that may still be there.
    Heard(Gid),
    /// Somebody was heard who cannot be understood.
    Stranger(Stranger),
    /// More lineages were heard of than can be remembered.
    Crowded,
    /// These are expected and not there, or not fresh.
    Missing(Vec<u64>),
    /// Too few of the servers named are there and fresh.
    Few(Peers),
}

/// One process's part in the creation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Creation {
    me: u64,
    how: Bootstrap,
    discover: Duration,
    config: ElectionConfig,
    seed: u64,
    election: Option<Election<u64>>,
    electorate: BTreeSet<u64>,
    time: OwnTime,
    /// In own time: no election is started before.
    elect_at: Duration,
    probe_at: Duration,
    probes: u32,
    waits: Waits,
}

impl Creation {
    /// Starts looking, for `discover` at least.
    pub(super) fn new(
        me: u64,
        how: Bootstrap,
        discover: Duration,
        config: ElectionConfig,
        seed: u64,
        now: Duration,
    ) -> Self {
        Self {
            me,
            how,
            discover,
            config,
            seed,
            election: None,
            electorate: BTreeSet::new(),
            time: OwnTime::new(now),
            elect_at: discover,
            probe_at: now,
            probes: 0,
            waits: Waits::Looking,
        }
    }

    /// What keeps it from creating the group at present.
    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Takes the state of the world in. True: this process creates the group, now.
    pub(super) fn step(
        &mut self,
        now: Duration,
        directory: &mut Directory<u64>,
        lineages: &Lineages,
        inquiries: &Inquiries,
        peers: Option<Peers>,
    ) -> bool {
        let own = self.time.look(now);
        if now >= self.probe_at && !self.discover.is_zero() {
            let again = if self.probes < PROBES { (self.discover / PROBES).min(PROBE_EVERY) } else { PROBE_EVERY };
            (self.probe_at, self.probes) = (now + again, self.probes.saturating_add(1));
            directory.handle(now, gms_discovery::Input::Probe);
        }
        if let Some(waits) = forbidden(now, lineages, inquiries) {
            (self.election, self.waits) = (None, waits);
            self.elect_at = own + self.discover;
            self.probes = self.probes.min(PROBES - 1);
            return false;
        }
        let looked = self.discover.is_zero() || self.probes >= PROBES;
        if own >= self.elect_at && looked {
            if self.how == Bootstrap::Create {
                return true;
            }
            self.elect(now, own, directory, inquiries, peers);
        }
        let Some(election) = &mut self.election else { return false };
        election.handle(now, Input::Tick);
        while let Some(event) = election.poll_event() {
            match event {
                // Of those who are expected only the highest creates it, or a pause could make two groups.
                Event::Won { .. } => match &self.how {
                    Bootstrap::Expect(ids) if ids.last() != Some(&self.me) => self.elect_at = own + self.discover,
                    _ => return true,
                },
                // It creates the group, or else is dead by then.
                Event::Elected { .. } | Event::GaveUp { .. } => self.elect_at = own + self.discover * 4,
            }
        }
        false
    }

    /// A message of another one's election.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        from: u64,
        message: Message,
        (directory, lineages, inquiries): (&Directory<u64>, &Lineages, &Inquiries),
        peers: Option<Peers>,
    ) {
        if self.election.is_none() && forbidden(now, lineages, inquiries).is_none() {
            self.prepare(now, directory, inquiries, peers);
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

    /// When [`Self::step`] is due.
    pub(super) fn poll_timeout(&self, now: Duration) -> Duration {
        let election = self.election.as_ref().and_then(Election::poll_timeout);
        let at_once = self.discover.is_zero() && self.election.is_none() && self.waits == Waits::Looking;
        let wake = if at_once { now } else { now + WAKE_EVERY };
        election.into_iter().chain([wake]).min().expect("never empty")
    }

    /// Starts an election among those who are there now.
    fn elect(
        &mut self,
        now: Duration,
        own: Duration,
        directory: &Directory<u64>,
        inquiries: &Inquiries,
        peers: Option<Peers>,
    ) {
        self.elect_at = own + self.discover;
        if self.prepare(now, directory, inquiries, peers)
            && let Some(election) = &mut self.election
        {
            election.handle(now, Input::Start);
        }
    }

    /// Makes ready for an election among those who are there now; false while somebody who is needed is missing.
    fn prepare(
        &mut self,
        now: Duration,
        directory: &Directory<u64>,
        inquiries: &Inquiries,
        peers: Option<Peers>,
    ) -> bool {
        let electorate = match &self.how {
            Bootstrap::Expect(expected) => {
                let fresh = |id: &u64| {
                    let said = inquiries.fresh(now).find(|(_, answer)| answer.who.node.0 == *id);
                    *id == self.me || said.is_some_and(|(_, answer)| answer.standing == Standing::Fresh)
                };
                let missing: Vec<u64> = expected.iter().copied().filter(|id| !fresh(id)).collect();
                if !missing.is_empty() {
                    self.waits = Waits::Missing(missing);
                    return false;
                }
                expected.clone()
            }
            _ if peers.is_some_and(|peers| peers.missing() > 0) => {
                self.waits = Waits::Few(peers.expect("just seen"));
                return false;
            }
            _ => {
                let there = |known: &&gms_discovery::Known<u64>| {
                    known.entry.is_fresh() && now.saturating_sub(known.heard) <= PRESENT
                };
                let mut present: BTreeSet<u64> =
                    directory.servers().filter(there).map(|known| known.entry.id).collect();
                present.insert(self.me);
                present
            }
        };
        self.waits = Waits::Looking;
        if self.election.is_none() || electorate != self.electorate {
            let members: Vec<u64> = electorate.iter().copied().collect();
            let of = Electorate::new(digest(&members), members);
            self.election = Election::new(self.config.clone(), self.me, &of, Rank::Bully, self.seed).ok();
            self.electorate = electorate;
        }
        true
    }
}

/// What forbids anybody to create a lineage now.
fn forbidden(now: Duration, lineages: &Lineages, inquiries: &Inquiries) -> Option<Waits> {
    let heard = lineages.rivals(now, Gid::NONE, inquiries).into_iter().next();
    let stranger = || lineages.stranger(now).map(Waits::Stranger);
    heard.map(Waits::Heard).or_else(stranger).or_else(|| lineages.is_crowded(now, CROWDED).then_some(Waits::Crowded))
}

/// Elections are told apart by who takes part: those who see different candidates do not mix.
fn digest(members: &[u64]) -> u64 {
    members.iter().fold(0xcbf2_9ce4_8422_2325, |digest, id| {
        id.to_le_bytes().iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}
