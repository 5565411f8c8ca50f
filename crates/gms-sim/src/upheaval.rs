//! What the scenario does to the processes and their network: departures, returns, cuts, pauses, and
//! the calm at the end.

use std::net::SocketAddr;
use std::time::Duration;

use gms_check::{Event, Record};
use gms_core::{Input, Time};

use crate::host::{Host, address};
use crate::scenario::{Birth, Cut, Entry, Pause, Reader, Shape};
use crate::situation::Situation;
use crate::world::{Happening, World};

impl World<'_> {
    /// Asks somebody to leave who may.
    pub(crate) fn depart(&mut self, leader: bool) {
        let staying: Vec<usize> = self.living(|host| host.stays());
        let may = |index: &usize| {
            *index != self.scenario.anchor && self.hosts[*index].as_ref().is_some_and(|h| h.app.vid.is_some())
        };
        let candidates: Vec<usize> = staying.iter().copied().filter(may).collect();
        let anchored = self.hosts[self.scenario.anchor].as_ref().is_some_and(|host| host.app.vid.is_some());
        if staying.len() < 2 || candidates.is_empty() || !anchored || !self.somebody_remains() {
            return;
        }
        let leads = candidates.iter().find(|index| self.hosts[**index].as_ref().is_some_and(|h| h.node.is_leader()));
        let index = match leads {
            Some(index) if leader => *index,
            _ => self.draw.pick(&candidates),
        };
        let loaded = self.hosts.iter().flatten().any(|host| host.app.sent > host.app.outcomes);
        self.act(index, |host, _, now| {
            if loaded && host.node.is_leader() {
                host.app.met(Situation::LeaderLeaves);
            }
            host.app.leaving = true;
            host.node.handle(now, Input::Leave);
        });
    }

    /// Whether two of those who stay are in the latest view: one that was cut off and does not know that
    /// the group went on without it could never learn it if all others left.
    pub(crate) fn somebody_remains(&self) -> bool {
        let views = self.hosts.iter().flatten().filter(|host| host.stays()).filter_map(|host| host.node.view());
        let vids: Vec<u64> = views.map(|view| view.vid).collect();
        let latest = vids.iter().max();
        !self.scenario.may_exclude() || vids.iter().filter(|vid| Some(*vid) == latest).count() >= 2
    }

    /// A process has left for good; in some runs it comes again, as another.
    pub(crate) fn left(&mut self, index: usize) {
        if !self.scenario.rejoin
            || self.calm
            || self.births.len() >= 3 + self.scenario.births.len()
            || !self.draw.chance(0.5)
        {
            return;
        }
        let at = self.now + self.draw.micros(0..=300_000);
        if at < Time::ZERO + self.scenario.chaos {
            let entry =
                if self.draw.chance(0.5) { Entry::Multicast } else { Entry::Through(vec![self.scenario.anchor]) };
            // Not where it was: it lingers there.
            let place = self.births.iter().map(|birth| birth.place).max().unwrap_or(0) + 1;
            self.births.push(Birth { at, entry, place, ..self.births[index].clone() });
            self.hosts.push(None);
            if let Some(host) = &mut self.hosts[index] {
                host.app.met(Situation::Return);
            }
            self.queue.push(at, Happening::Start(self.hosts.len() - 1));
        }
    }

    pub(crate) fn cut(&mut self, &Cut { shape, lasts, .. }: &Cut) {
        let mut all = self.living(|_| true);
        if self.calm || all.len() < 2 {
            return;
        }
        self.draw.shuffle(&mut all);
        if shape == Shape::Leader
            && let Some(at) =
                all.iter().position(|index| self.hosts[*index].as_ref().is_some_and(|h| h.node.is_leader()))
        {
            all.swap(0, at);
        }
        self.cut_links(shape, lasts, &all);
    }

    /// Cuts links between `all` for a while, the first of whom is special if one is.
    fn cut_links(&mut self, shape: Shape, lasts: Duration, all: &[usize]) {
        let addresses: Vec<SocketAddr> = all.iter().map(|index| address(self.births[*index].place)).collect();
        if addresses.len() < 2 {
            return;
        }
        let (cut, links) = self.network.cut(shape, &addresses, [addresses[0], addresses[1]]);
        self.queue.push(self.now + lasts, Happening::Heal(cut));
        let lives = |host: &&Host| host.app.end.is_none();
        let at = |address: SocketAddr| {
            self.hosts.iter().flatten().filter(lives).find(|h| h.address == address).expect("living")
        };
        let records: Vec<(Record, usize)> = links
            .into_iter()
            .map(|(from, to)| {
                let event = Event::CutLink { to: at(to).uid };
                (Record { at_us: self.now.as_nanos() / 1000, process: at(from).uid, event }, at(from).place)
            })
            .collect();
        if records.is_empty() {
            self.note(Event::Fault { kind: "multicast".to_owned() });
        }
        records.iter().for_each(|(record, place)| self.witness.take(record, Some(*place)));
    }

    pub(crate) fn pause(&mut self, pause: &Pause) {
        if self.calm {
            return;
        }
        if let Some(index) = self.find(pause.victim) {
            self.stand_still(index, pause.lasts);
        }
    }

    /// A process does nothing for a while.
    pub(crate) fn stand_still(&mut self, index: usize, lasts: Duration) {
        let until = self.now + lasts;
        let Some(host) = self.hosts[index].as_mut().filter(|host| host.app.end.is_none()) else { return };
        host.paused_until = until;
        self.network.count("pause");
        self.note(Event::Fault { kind: "pause".to_owned() });
        self.queue.push(until, Happening::Timer(index));
    }

    /// One process hears nobody, and nobody hears it, for a while.
    pub(crate) fn cut_off(&mut self, index: usize, lasts: Duration) {
        let mut all = self.living(|_| true);
        if let Some(at) = all.iter().position(|other| *other == index) {
            all.swap(0, at);
            self.cut_links(Shape::Isolated, lasts, &all);
        }
    }

    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        self.network.calm_down();
        self.note(Event::Heal);
        for index in self.living(|_| true) {
            let host = self.hosts[index].as_mut().expect("living");
            host.app.reader = Reader::Eager;
            host.doom = None;
            if host.paused_until > self.now {
                host.paused_until = self.now;
                self.queue.push(self.now, Happening::Timer(index));
            }
            self.settle(index, false);
        }
        self.widen_all();
    }
}
