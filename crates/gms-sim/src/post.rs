//! Datagrams on their way, and what falls at one of them.

use std::net::SocketAddr;

use bytes::Bytes;
use gms_core::{Destination, Time, Transmit};

use crate::scenario::{Blow, Death, Inside, Mortality, Strike, Whom};
use crate::watch::{self, Passage};
use crate::world::{Happening, World};

/// A strike that falls now: which one.
type Falls = Option<usize>;

impl World<'_> {
    /// Hands a train to the network; its sender may die between any two datagrams of it.
    pub(crate) fn dispatch(&mut self, from: usize, transmit: Transmit, train: Bytes) {
        let mut start = 0;
        while start < train.len() {
            if self.meets_its_doom(from) {
                return;
            }
            let end = train.len().min(start + transmit.segment_size);
            self.send_datagram(from, transmit.destination, train.slice(start..end));
            start = end;
        }
    }

    fn send_datagram(&mut self, from: usize, destination: Destination, datagram: Bytes) {
        let inside = Inside::of(&datagram);
        let mut falls = None;
        if let Some(inside) = &inside {
            self.ballots.take(inside);
            falls =
                self.falls_at(inside).map(|index| (index, self.strikes()[index].whom, self.strikes()[index].before));
        }
        if let Some((index, Whom::Sender, true)) = falls {
            self.strike(from, index);
        }
        let sender = self.hosts[from].as_ref().expect("it sends");
        if sender.gone {
            return;
        }
        let source = sender.address;
        self.witness.datagram(self.now, sender.place, &datagram);
        let is_multicast = matches!(destination, Destination::Data | Destination::Control);
        for to in 0..self.hosts.len() {
            let Some(host) = self.hosts[to].as_ref().filter(|host| to != from && !host.gone) else { continue };
            let wanted = match destination {
                Destination::Data => !host.node.is_leader(),
                Destination::Control => true,
                Destination::Unicast(address) | Destination::Stream(address) => address == host.address,
            };
            let (place, target) = (host.place, host.address);
            if !wanted {
                continue;
            }
            if self.is_silenced(inside.as_ref(), place) {
                self.show(inside.as_ref(), from, place, None);
                continue;
            }
            let mut after = None;
            if let Some((index, _, before)) = falls.take_if(|(_, whom, _)| *whom == Whom::Receiver) {
                match before {
                    true => self.strike(to, index),
                    false => after = Some(index),
                }
            }
            let mut first = None;
            // A connection has no datagrams.
            let len = if matches!(destination, Destination::Stream(_)) { 0 } else { datagram.len() };
            for delay in self.network.pass(source, target, (is_multicast, len)) {
                first.get_or_insert(self.now + delay);
                let datagram = self.network.carry(&datagram, destination);
                let arrival = Happening::Arrive { to: place, from: source, datagram, strike: after.take() };
                self.queue.push(self.now + delay, arrival);
            }
            if let Some(after) = self.network.echo() {
                // To the process that is there then.
                let datagram = self.network.carry(&datagram, destination);
                let arrival = Happening::Arrive { to: place, from: source, datagram, strike: None };
                self.queue.push(self.now + after, arrival);
            }
            self.show(inside.as_ref(), from, place, first);
        }
        if let Some((index, Whom::Sender, false)) = falls {
            self.strike(from, index);
        }
    }

    /// Shows a control message to who looks on.
    fn show(&mut self, inside: Option<&Inside>, from: usize, to: usize, arrives: Option<Time>) {
        let Some(Inside { envelope, control: Some(control) }) = inside else { return };
        if self.witness.wants_passages() {
            let from = self.hosts[from].as_ref().expect("it sends").place;
            let (name, vid) = (watch::name(control), envelope.vid);
            self.witness.show(&Passage { sent: self.now, arrives, from, to, name, vid });
        }
    }

    /// A datagram reaches a place, and the process that is there now.
    pub(crate) fn arrive(&mut self, place: usize, from: SocketAddr, datagram: Bytes, strike: Falls) {
        let there = |host: &Option<crate::host::Host>| host.as_ref().is_some_and(|h| h.place == place && !h.gone);
        let Some(to) = self.hosts.iter().position(there) else { return };
        let strike = strike.filter(|_| !self.calm).map(|index| (index, self.strikes()[index].blow.clone()));
        if let Some((index, Blow::Crash(death))) = strike {
            self.lands(index);
            self.doom(to, death);
        }
        let Some(host) = self.hosts[to].as_mut() else { return };
        if !host.deposit(from, datagram) {
            return self.network.count("overrun");
        }
        if host.wake_at.is_none() {
            let wake_at = (self.now + self.scenario.wake).max(host.paused_until);
            host.wake_at = Some(wake_at);
            if wake_at > self.now {
                self.queue.push(wake_at, Happening::Wake(to));
            } else {
                self.happen(Happening::Wake(to));
            }
        }
        if let Some((index, Blow::Pause(_) | Blow::Cut(_))) = strike {
            self.strike(to, index);
        }
    }

    /// The next strike that falls at this datagram, if one does.
    fn falls_at(&mut self, inside: &Inside) -> Falls {
        let mortality = self.scenario.mortality.as_ref().filter(|m| !self.calm && self.now >= m.struck_from);
        let strikes = mortality.map_or(&[][..], |mortality| &mortality.strikes);
        let mut falls = None;
        for (index, (strike, seen)) in strikes.iter().zip(&mut self.struck).enumerate() {
            if *seen < strike.number && inside.is(strike.label) {
                *seen += 1;
                if *seen == strike.number {
                    falls.get_or_insert(index);
                }
            }
        }
        falls
    }

    fn strikes(&self) -> &[Strike] {
        self.scenario.mortality.as_ref().map_or(&[], |mortality: &Mortality| &mortality.strikes)
    }

    /// The blow of a strike hits a process.
    fn strike(&mut self, whom: usize, strike: usize) {
        self.lands(strike);
        match self.strikes()[strike].blow.clone() {
            Blow::Crash(death @ Death { after: 0, .. }) => self.crash(whom, death.restart),
            Blow::Crash(death) => self.doom(whom, death),
            Blow::Pause(lasts) => self.stand_still(whom, lasts),
            Blow::Cut(lasts) => self.cut_off(whom, lasts),
        }
    }

    fn lands(&mut self, strike: usize) {
        self.network.count("struck at a datagram");
        self.hits.entry(self.strikes()[strike].label).or_default().struck += 1;
    }

    fn is_silenced(&mut self, inside: Option<&Inside>, place: usize) -> bool {
        let Some(inside) = inside.filter(|_| !self.calm) else { return false };
        let now = self.now;
        let silence =
            self.scenario.network.silences.iter().find(|silence| {
                silence.holds(now) && silence.to.is_none_or(|to| to == place) && inside.is(silence.label)
            });
        let Some(silence) = silence else { return false };
        self.network.count("lost by its kind");
        self.hits.entry(silence.label).or_default().silenced += 1;
        true
    }
}
