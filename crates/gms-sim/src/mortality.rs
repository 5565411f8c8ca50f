//! The death of processes, and their return as others.

use std::net::SocketAddr;
use std::time::Duration;

use gms_check::{Event, Record};
use gms_core::Ranking;

use crate::application::End;
use crate::host::{Host, address};
use crate::scenario::{Birth, Closing, Death, Entry, Victim};
use crate::situation::Situation;
use crate::world::{Happening, World};

/// How long it takes, at most, until the others notice that their connections to a dead process are broken.
const NOTICED: Duration = Duration::from_micros(400);

/// A process is going to die.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doom {
    /// Datagrams until then.
    left: u32,
    restart: Option<Duration>,
}

impl World<'_> {
    /// A process dies the way `death` says.
    pub(crate) fn doom(&mut self, index: usize, death: Death) {
        if let Some(host) = self.hosts[index].as_mut().filter(|_| !self.calm) {
            host.doom.get_or_insert(Doom { left: death.after, restart: death.restart });
        }
    }

    /// Counts a datagram that a process is about to send; true when it dies before.
    pub(crate) fn meets_its_doom(&mut self, index: usize) -> bool {
        let Some(host) = self.hosts[index].as_mut() else { return true };
        match &mut host.doom {
            None => host.gone,
            Some(Doom { left: 0, restart }) => {
                let restart = *restart;
                self.crash(index, restart);
                true
            }
            Some(Doom { left, .. }) => {
                *left -= 1;
                host.gone
            }
        }
    }

    /// A process vanishes: its memory, what waits in its socket, its connections.
    pub(crate) fn crash(&mut self, index: usize, restart: Option<Duration>) {
        // Where groups arise by themselves, all may die.
        let others = self.scenario.lineages.is_some() || self.living(|host| host.app.end.is_none()).len() > 1;
        let Some(host) = self.hosts[index].as_mut().filter(|host| host.app.end.is_none()) else { return };
        if self.calm || !others {
            host.doom = None;
            return;
        }
        host.testify(self.now, &mut self.witness);
        let leads = host.node.is_leader();
        if leads {
            host.app.met(Situation::LeaderDies);
        }
        host.app.end = Some(End::Crashed);
        host.gone = true;
        let (process, uid, from, place) = (host.uid, host.node.uid(), host.address, host.place);
        self.network.count(if leads { "crash of a leader" } else { "crash" });
        let record = Record { at_us: self.now.as_nanos() / 1000, process, event: Event::Crash };
        self.witness.take(&record, Some(place));
        if self.scenario.mortality.as_ref().is_some_and(|mortality| mortality.noticed) {
            for other in self.living(|_| true) {
                let at = self.now + self.draw.micros(50..=NOTICED.as_micros() as u64);
                self.queue.push(at, Happening::Close { at: other, address: from });
            }
        }
        self.prove_death(uid);
        if let Some(after) = restart {
            self.restart(index, after);
        }
    }

    /// The process comes again, at the same place with the same id, and knows nothing.
    fn restart(&mut self, index: usize, after: Duration) {
        let before = &self.births[index];
        let others = (0..self.scenario.births.len()).filter(|place| *place != before.place).collect();
        let entry = match before.entry {
            Entry::Auto | Entry::Expected => before.entry.clone(),
            _ if self.draw.chance(0.5) => Entry::Through(others),
            _ => Entry::Multicast,
        };
        self.births.push(Birth { at: self.now + after, entry, ..before.clone() });
        self.hosts.push(None);
        self.queue.push(self.now + after, Happening::Start(self.hosts.len() - 1));
        self.network.count("restart");
    }

    /// Who is meant by `victim` now.
    pub(crate) fn find(&mut self, victim: Victim) -> Option<usize> {
        let leads = |host: &Host| host.node.is_leader();
        let all = match victim {
            Victim::Any => self.living(|_| true),
            Victim::Leader => self.living(leads),
            Victim::Follower => self.living(|host| host.app.vid.is_some() && !leads(host)),
            Victim::Successor => {
                let followers = self.living(|host| host.app.vid.is_some() && !leads(host));
                followers.into_iter().max_by_key(|index| self.rank(*index)).into_iter().collect()
            }
        };
        (!all.is_empty()).then(|| self.draw.pick(&all))
    }

    /// The higher, the sooner a process leads.
    fn rank(&self, index: usize) -> (usize, u64) {
        let Birth { node, weight, .. } = self.births[index];
        let host = self.hosts[index].as_ref();
        let place = || host.and_then(|host| host.node.view()?.index_of(host.node.uid()));
        match self.scenario.params.ranking {
            Ranking::Bully => (0, node),
            Ranking::Priority => (weight as usize, node),
            Ranking::Seniority => (usize::MAX - place().unwrap_or(usize::MAX), 0),
        }
    }

    /// Connections of a process close that nobody has left.
    pub(crate) fn reset(&mut self, index: usize) {
        let closing = self.scenario.mortality.as_ref().map(|mortality| mortality.closings[index].clone());
        let Some(Closing { victim, all, .. }) = closing.filter(|_| !self.calm) else { return };
        let Some(victim) = self.find(victim) else { return };
        let mut others = self.living(|_| true);
        others.retain(|other| *other != victim);
        if !all && !others.is_empty() {
            others = vec![self.draw.pick(&others)];
        }
        if others.is_empty() {
            return;
        }
        self.note(Event::Fault { kind: "connection reset".to_owned() });
        for other in others {
            for (at, of) in [(victim, other), (other, victim)] {
                let when = self.now + self.draw.micros(50..=NOTICED.as_micros() as u64);
                let address = address(self.births[of].place);
                self.queue.push(when, Happening::Noticed { at, address });
            }
        }
    }

    /// The process `at` notices that its connection to `address` has closed.
    pub(crate) fn notice(&mut self, at: usize, address: SocketAddr) {
        let watched = self.hosts[at].as_ref().is_some_and(|host| host.node.watched().contains(&address));
        if watched && !self.calm {
            self.network.count("connection reset");
            self.act(at, |host, _, now| host.node.closed(now, address));
        }
    }

    /// The connection of the process `at` to `address` has closed. Another one is refused, unless somebody is there
    /// again.
    pub(crate) fn close(&mut self, at: usize, address: SocketAddr) {
        let Some(host) = &self.hosts[at] else { return };
        let again = self.hosts.iter().flatten().any(|other| other.address == address && other.app.end.is_none());
        if !again && host.node.watched().contains(&address) && !self.network.is_cut(address, host.address) {
            self.network.count("connection closed");
            self.act(at, |host, _, now| host.node.closed(now, address));
        }
    }
}
