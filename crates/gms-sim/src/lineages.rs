//! What brings lineages about: rifts of the network, standstills, kills and restarts, an operator; and what a host
//! tells its processes of the dead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use gms_check::Event;
use gms_core::{Gid, Input, ProcessIdentity, Refusal, Uid};

use crate::application::End;
use crate::host::{Host, address};
use crate::network::Limits;
use crate::scenario::{
    Again, Birth, Entry, Kill, LastWords, Lineages, Narrow, Passes, Rift, Side, Standstill, Step, Way,
};
use crate::world::{Happening, World};

/// How often a process tries to reach those that it watches, and its host looks for the dead.
const DIAL: Duration = Duration::from_millis(200);
/// Places beside those of the scenario, for processes that are started again elsewhere.
const SPARE: usize = 40;
/// Lineages whose leader is killed at their first words, at most.
const SILENCED: usize = 3;

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// The side of each rift that has begun.
    sides: BTreeMap<usize, Vec<usize>>,
    /// The cut that each makes now.
    cuts: BTreeMap<usize, usize>,
    /// The place that each narrow is at; it stays here when that is over.
    narrows: BTreeMap<usize, usize>,
    /// Bytes that the interface at a place carries, where that is less than usual.
    interfaces: BTreeMap<usize, u16>,
    /// Lineages that have acknowledged something.
    spoken: BTreeSet<Gid>,
    /// Faults that began before there was anybody to write them down.
    unwritten: Vec<Event>,
}

impl Lineages {
    /// What process `index`, which runs at a place, says it is: its host, and its number among all.
    pub(crate) fn identity(&self, place: usize, index: usize) -> ProcessIdentity {
        ProcessIdentity {
            host: self.host(place),
            machine: 0,
            boot: 0,
            pid: index as u32 + 1,
            started: index as u64,
            member: 1,
        }
    }

    /// The host that a place is on.
    pub(crate) fn host(&self, place: usize) -> u64 {
        (place / self.beside) as u64 + 1
    }
}

impl World<'_> {
    /// Plans all of it.
    pub(crate) fn plan_lineages(&mut self) {
        let Some(lineages) = &self.scenario.lineages else { return };
        for (index, rift) in lineages.rifts.iter().enumerate() {
            self.queue.push(rift.at, Happening::Rift { index, step: 0 });
        }
        for (index, standstill) in lineages.standstills.iter().enumerate() {
            self.queue.push(standstill.at, Happening::Standstill(index));
        }
        for (index, kill) in lineages.kills.iter().enumerate() {
            self.queue.push(kill.at, Happening::Kill(index));
        }
        for (index, narrow) in lineages.narrows.iter().enumerate() {
            self.queue.push(narrow.at, Happening::Narrow(index));
            self.queue.push(narrow.at + narrow.lasts, Happening::Widen(index));
        }
        if let Some(at) = lineages.multicast_ends {
            self.queue.push(at, Happening::MulticastEnds);
        }
        for at in &lineages.forced {
            self.queue.push(*at, Happening::Force);
        }
        self.queue.push(self.now, Happening::Dial);
    }

    /// A rift comes to its next step, or is over.
    pub(crate) fn rift(&mut self, index: usize, step: usize) {
        let scenario = self.scenario;
        let Rift { side, steps, .. } = &scenario.lineages.as_ref().expect("planned by it").rifts[index];
        if step == 0 {
            let side = self.places_of(side);
            self.trouble.sides.insert(index, side);
        }
        if let Some(cut) = self.trouble.cuts.remove(&index)
            && self.network.heal(cut)
        {
            self.note(Event::Heal);
        }
        let Some(Step { passes, lasts }) = steps.get(step).filter(|_| !self.calm) else { return };
        self.queue.push(self.now + *lasts, Happening::Rift { index, step: step + 1 });
        if *passes == Passes::All {
            return;
        }
        let (links, unreached) = severed(*passes, &self.trouble.sides[&index], scenario.births.len());
        let cut = self.network.sever(name(*passes), links, unreached);
        self.trouble.cuts.insert(index, cut);
        let fault = Event::Fault { kind: name(*passes).to_owned() };
        match self.hosts.iter().any(Option::is_some) {
            true => self.note(fault),
            false => self.trouble.unwritten.push(fault),
        }
    }

    /// What is long does not get through to a place any more, or from it.
    pub(crate) fn narrow(&mut self, index: usize) {
        let scenario = self.scenario;
        let Narrow { side, bytes, way, .. } = &scenario.lineages.as_ref().expect("planned by it").narrows[index];
        if self.calm {
            return;
        }
        let place = self.places_of(side)[0];
        self.trouble.narrows.insert(index, place);
        let limits = Limits {
            to: matches!(way, Way::In | Way::Both).then_some(*bytes),
            from: (*way != Way::In).then_some(*bytes),
        };
        self.network.narrow(address(place), limits);
        if *way == Way::Interface {
            self.carries(place, Some(*bytes));
        }
        let fault = Event::Fault { kind: "narrow".to_owned() };
        match self.hosts.iter().any(Option::is_some) {
            true => self.note(fault),
            false => self.trouble.unwritten.push(fault),
        }
    }

    /// It does again.
    pub(crate) fn widen(&mut self, index: usize) {
        let Some(place) = self.trouble.narrows.get(&index).copied() else { return };
        if self.network.widen(address(place)) {
            self.carries(place, None);
            self.note(Event::Heal);
        }
    }

    /// Everything gets through everywhere.
    pub(crate) fn widen_all(&mut self) {
        let places: Vec<usize> = self.trouble.narrows.values().copied().collect();
        for place in places {
            self.network.widen(address(place));
            self.carries(place, None);
        }
    }

    /// Sets what the interface at a place carries; `None` stands for the usual. A process that the group refused because
    /// its interface carries too little is started again then, as a supervisor would do it.
    fn carries(&mut self, place: usize, bytes: Option<u16>) {
        match bytes {
            Some(bytes) => self.trouble.interfaces.insert(place, bytes),
            None => self.trouble.interfaces.remove(&place),
        };
        self.look_at_interface(place);
        let is_refused = |host: &Host| matches!(host.app.end, Some(End::Refused(Refusal::Datagram { .. })));
        let refused = |host: &Option<Host>| host.as_ref().is_some_and(|h| h.place == place && !h.gone && is_refused(h));
        if let Some(index) = self.hosts.iter().position(refused).filter(|_| bytes.is_none()) {
            let Some(host) = &mut self.hosts[index] else { return };
            host.gone = true;
            let again = self.births[index].clone();
            self.births.push(Birth { at: self.now, ..again });
            self.hosts.push(None);
            self.queue.push(self.now, Happening::Start(self.hosts.len() - 1));
        }
    }

    /// Who is at a place looks at its interface, or does so when it does not stand still any more.
    pub(crate) fn look_at_interface(&mut self, place: usize) {
        let largest = self.interface(place).unwrap_or(gms_core::Config::MOST_IN_A_DATAGRAM);
        for index in self.living(|host| host.place == place) {
            match self.hosts[index].as_ref().map(|host| host.paused_until).filter(|until| *until > self.now) {
                Some(until) => self.queue.push(until, Happening::Interface(place)),
                None => self.act(index, |host, _, now| host.node.handle(now, Input::Carries(largest))),
            }
        }
    }

    /// What the interface at a place carries, if that is less than usual.
    pub(crate) fn interface(&self, place: usize) -> Option<u16> {
        self.trouble.interfaces.get(&place).copied()
    }

    /// Whether what is long was lost on its way to a place, or from it, at any time.
    pub(crate) fn was_narrow(&self, place: usize) -> bool {
        self.trouble.narrows.values().any(|narrow| *narrow == place)
    }

    /// Writes down what happened before the first process was there.
    pub(crate) fn write_down(&mut self) {
        std::mem::take(&mut self.trouble.unwritten).into_iter().for_each(|fault| self.note(fault));
    }

    fn places_of(&mut self, side: &Side) -> Vec<usize> {
        let leads = |host: &Host| matches!(side, Side::Any) || host.node.is_leader();
        let one = match side {
            Side::Places(places) => return places.clone(),
            Side::Leader | Side::Any => self.living(leads),
        };
        if one.is_empty() {
            return vec![self.draw.index(self.scenario.births.len())];
        }
        let index = self.draw.pick(&one);
        vec![self.births[index].place]
    }

    /// Some stand still, and others after them.
    pub(crate) fn standstill(&mut self, index: usize) {
        let scenario = self.scenario;
        let Standstill { lasts, all_but_one, others, .. } =
            &scenario.lineages.as_ref().expect("planned by it").standstills[index];
        let living = self.living(|_| true);
        let leaders = self.living(|host| host.node.is_leader());
        let among = if leaders.is_empty() || self.draw.chance(0.5) { &living } else { &leaders };
        if living.is_empty() || self.calm {
            return;
        }
        let one = self.draw.pick(among);
        let (first, second): (Vec<usize>, Vec<usize>) = living.iter().partition(|who| (**who == one) != *all_but_one);
        first.iter().for_each(|who| self.stand_still(*who, *lasts));
        if let Some((before, then)) = others {
            let at = self.now + lasts.saturating_sub(*before);
            second.iter().for_each(|who| self.queue.push(at, Happening::Still { who: *who, lasts: *then }));
        }
    }

    /// Some are killed.
    pub(crate) fn kill(&mut self, index: usize) {
        let scenario = self.scenario;
        let Kill { count, spared, again, .. } = &scenario.lineages.as_ref().expect("planned by it").kills[index];
        let mut living = self.living(|host| Some(host.place) != *spared);
        self.draw.shuffle(&mut living);
        living.sort_by_key(|index| !self.hosts[*index].as_ref().is_some_and(|host| host.node.is_leader()));
        living.truncate(*count);
        self.kill_these(&living, *again);
    }

    fn kill_these(&mut self, these: &[usize], again: Option<Again>) {
        if self.calm {
            return;
        }
        for (number, index) in these.iter().enumerate() {
            self.crash(*index, None);
            if let Some(again) = again {
                self.start_again(*index, again.first + again.apart * number as u32, again);
            }
        }
    }

    /// A process that was killed is started again.
    fn start_again(&mut self, index: usize, after: Duration, again: Again) {
        let before = self.births[index].clone();
        let (mut node, mut place) = (before.node, before.place);
        if again.elsewhere {
            let free = |taken: &dyn Fn(&Birth) -> u64| self.births.iter().map(taken).max().unwrap_or(0) + 1;
            place = free(&|birth| birth.place as u64) as usize;
            // As another host that takes its place; or the same server, carried over.
            node = if place % 3 == 0 { node } else { free(&|birth| birth.node) };
        }
        let entry = if again.creates { Entry::Create } else { before.entry.clone() };
        self.births.push(Birth { at: self.now + after, entry, node, place, ..before });
        self.hosts.push(None);
        self.queue.push(self.now + after, Happening::Start(self.hosts.len() - 1));
        self.network.count("restart");
    }

    /// A process was told that a message of its own is ordered. If that is the first word of its lineage, the leader
    /// may die.
    pub(crate) fn hear_first_words(&mut self, index: usize) {
        let spoke = self.hosts[index].as_mut().and_then(|host| host.spoke.take());
        let planned = self.scenario.lineages.as_ref().and_then(|lineages| lineages.first_words);
        if let (Some(gid), Some(LastWords { after, .. })) = (spoke, planned)
            && self.trouble.spoken.len() < SILENCED
            && self.trouble.spoken.insert(gid)
        {
            self.queue.push(self.now + after, Happening::Silence(gid));
        }
    }

    /// The leader of a lineage is killed.
    pub(crate) fn silence(&mut self, gid: Gid) {
        let again = self.scenario.lineages.as_ref().and_then(|lineages| lineages.first_words?.again);
        let leads = |host: &Host| host.node.is_leader() && host.node.view().is_some_and(|view| view.gid == gid);
        let leaders = self.living(leads);
        self.kill_these(&leaders, again);
    }

    /// An operator gives up the lineage of a process: of one that is blocked, if there is one.
    pub(crate) fn force(&mut self) {
        let members = self.living(|host| host.node.view().is_some());
        let blocked = self.living(|host| host.node.view().is_some() && host.node.blocked().is_some());
        let among = if blocked.is_empty() { members } else { blocked };
        if among.is_empty() || self.calm {
            return;
        }
        let index = self.draw.pick(&among);
        self.note(Event::Fault { kind: "forced view".to_owned() });
        self.network.count("forced view");
        self.act(index, |host, _, now| host.node.force_view(now, true));
    }

    /// Each process tries to reach those that it watches, and is told who of its own host is dead.
    pub(crate) fn dial(&mut self) {
        self.queue.push(self.now + DIAL, Happening::Dial);
        let Some(lineages) = &self.scenario.lineages else { return };
        for index in self.living(|host| host.paused_until <= self.now) {
            let Some(host) = &self.hosts[index] else { continue };
            let refused = if lineages.refuses { self.refused(host) } else { Vec::new() };
            let dead = self.dead_beside(host, lineages);
            for address in refused {
                self.network.count("connection refused");
                self.act(index, |host, _, now| {
                    host.node.refused(now, address);
                    host.node.closed(now, address)
                });
            }
            for uid in dead {
                self.network.count("proved by its host");
                self.act(index, |host, _, now| host.node.died(now, uid));
            }
        }
    }

    /// The addresses that `host` watches where nobody lives, and no cut lies between.
    fn refused(&self, host: &Host) -> Vec<SocketAddr> {
        let lives = |address: &SocketAddr| {
            self.hosts.iter().flatten().any(|other| other.address == *address && other.app.end.is_none())
        };
        let cut = |to: &SocketAddr| self.network.is_cut(host.address, *to) || self.network.is_cut(*to, host.address);
        host.node.watched().into_iter().filter(|address| !lives(address) && !cut(address)).collect()
    }

    /// Those in the view of a process that ran on its host, and do no more.
    fn dead_beside(&self, host: &Host, lineages: &Lineages) -> Vec<Uid> {
        let is_dead = |identity: &ProcessIdentity| {
            let other = self.hosts.get(identity.pid as usize - 1).and_then(Option::as_ref);
            let crashed = other.is_some_and(|other| other.app.end == Some(End::Crashed));
            crashed && identity.host == lineages.host(host.place)
        };
        let processes = host.node.processes().into_iter();
        let dead = processes.filter(|(uid, identity)| is_dead(identity) && !host.node.is_proved_dead(*uid));
        dead.map(|(uid, _)| uid).collect()
    }
}

/// The links that a step of a rift severs, and whom no multicast reaches.
fn severed(passes: Passes, side: &[usize], places: usize) -> (Vec<(SocketAddr, SocketAddr)>, BTreeSet<SocketAddr>) {
    let others: Vec<usize> = (0..places + SPARE).filter(|place| !side.contains(place)).collect();
    let bridge = others.first().copied().filter(|_| passes == Passes::Bridge);
    let across = side.iter().flat_map(|a| others.iter().map(move |b| (*a, *b)));
    let across = across.filter(|(_, b)| Some(*b) != bridge);
    let links: Vec<(usize, usize)> = match passes {
        Passes::All | Passes::Unicast => Vec::new(),
        Passes::Nothing | Passes::Bridge => across.flat_map(|(a, b)| [(a, b), (b, a)]).collect(),
        Passes::In => across.collect(),
        Passes::Out => across.map(|(a, b)| (b, a)).collect(),
        Passes::Ring => {
            let near = |a: usize, b: usize| (a + 1) % places == b || (b + 1) % places == a || a == b;
            let pairs = (0..places).flat_map(|a| (0..places).map(move |b| (a, b)));
            pairs.filter(|(a, b)| !near(*a, *b)).collect()
        }
    };
    let unreached = side.iter().filter(|_| passes == Passes::Unicast).map(|place| address(*place)).collect();
    (links.into_iter().map(|(a, b)| (address(a), address(b))).collect(), unreached)
}

fn name(passes: Passes) -> &'static str {
    match passes {
        Passes::All => "rift healed",
        Passes::Nothing => "rift",
        Passes::In => "rift, one side mute",
        Passes::Out => "rift, one side deaf",
        Passes::Bridge => "rift but for a bridge",
        Passes::Ring => "rift to a ring",
        Passes::Unicast => "rift of multicast",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_between_the_sides() {
        let cut =
            |passes, from: usize, to: usize| severed(passes, &[0, 1], 5).0.contains(&(address(from), address(to)));
        for passes in [Passes::Nothing, Passes::In, Passes::Out, Passes::Bridge] {
            assert!(!cut(passes, 0, 1) && !cut(passes, 2, 3), "{passes:?}: within a side");
            // Who comes later is on the other side.
            assert_eq!(
                (cut(passes, 0, 9), cut(passes, 9, 0)),
                (passes != Passes::Out, passes != Passes::In),
                "{passes:?}"
            );
        }
        assert!(!cut(Passes::Bridge, 0, 2) && !cut(Passes::Bridge, 2, 1) && cut(Passes::Bridge, 1, 3));
        assert!(cut(Passes::Ring, 0, 2) && !cut(Passes::Ring, 0, 4) && !cut(Passes::Ring, 2, 1));
        let (links, unreached) = severed(Passes::Unicast, &[3], 5);
        assert!(links.is_empty() && unreached == BTreeSet::from([address(3)]));
    }
}
