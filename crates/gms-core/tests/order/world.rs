//! A handful of members on a network of memory, and all that they say and tell.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Addressing, Config, Destination, Event, Input, Level, Member, Outcome, Start, Time, Uid};

/// Members on a perfect network whose every hop takes a tenth of a millisecond; `drop` may lose datagrams.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) members: Vec<Member>,
    pub(crate) events: Vec<Vec<Event>>,
    pub(crate) flying: VecDeque<(Time, usize, SocketAddr, Bytes)>,
    pub(crate) drop: fn(u64) -> bool,
    pub(crate) sent: u64,
    /// Crashed: neither hears nor says anything.
    pub(crate) dead: Option<usize>,
    /// Everything that was sent to somebody, if that is wanted.
    pub(crate) copies: Option<Vec<(usize, SocketAddr, Bytes)>>,
}

pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8], 7000))
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Time::ZERO,
            members: vec![],
            events: vec![],
            flying: VecDeque::new(),
            drop: |_| false,
            sent: 0,
            dead: None,
            copies: None,
        }
    }

    pub(crate) fn start(&mut self, start: Start) -> usize {
        self.start_with(start, |_| {})
    }

    pub(crate) fn start_with(&mut self, start: Start, change: impl FnOnce(&mut Config)) -> usize {
        let index = self.members.len();
        let mut config = Config::new("test", Uid::new(index as u64, 1000 + index as u64), address(index));
        change(&mut config);
        self.members.push(Member::new(config, start, self.now).unwrap());
        self.events.push(vec![]);
        index
    }

    pub(crate) fn group_of(members: usize) -> Self {
        let mut world = Self::new();
        world.start(Start::Create);
        (1..members).for_each(|_| _ = world.start(Start::Join(vec![])));
        world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == w.members.len())));
        world
    }

    pub(crate) fn send(&mut self, index: usize, payload: impl Into<Bytes>, level: Level) -> u64 {
        self.members[index].send(self.now, payload.into(), level, Addressing::default()).unwrap()
    }

    /// One step: all members say what they have to say, then the next thing in time happens.
    pub(crate) fn step(&mut self) {
        for index in (0..self.members.len()).filter(|index| Some(*index) != self.dead) {
            let mut out = Vec::new();
            while let Some(transmit) = self.members[index].poll_transmit(self.now, 16, &mut out) {
                let leaders: Vec<bool> = self.members.iter().map(Member::is_leader).collect();
                for datagram in out.chunks(transmit.segment_size) {
                    for (to, leads) in leaders.iter().enumerate() {
                        let wanted = match transmit.destination {
                            Destination::Data => !leads,
                            Destination::Control => true,
                            Destination::Unicast(at) | Destination::Stream(at) => at == address(to),
                        };
                        self.sent += 1;
                        if wanted && to != index && Some(to) != self.dead && !(self.drop)(self.sent) {
                            let at = self.now + Duration::from_micros(100);
                            let copy = (to, address(index), Bytes::copy_from_slice(datagram));
                            self.copies.as_mut().into_iter().for_each(|copies| copies.push(copy.clone()));
                            self.flying.push_back((at, to, address(index), Bytes::copy_from_slice(datagram)));
                        }
                    }
                }
                out.clear();
            }
            self.members[index].poll_events(&mut self.events[index], usize::MAX);
        }
        let living = self.members.iter().enumerate().filter(|(index, _)| Some(*index) != self.dead);
        let timeout = living.filter_map(|(_, m)| m.poll_timeout()).min();
        let arrival = self.flying.front().map(|f| f.0);
        let Some(next) = timeout.into_iter().chain(arrival).min() else { return };
        self.now = self.now.max(next);
        while self.flying.front().is_some_and(|f| f.0 <= self.now) {
            let (_, to, from, datagram) = self.flying.pop_front().unwrap();
            self.members[to].handle(self.now, Input::Datagram { from, datagram });
        }
        self.members.iter_mut().for_each(|m| m.handle(self.now, Input::Tick));
    }

    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..200_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        let views: Vec<_> = self.members.iter().map(|m| m.view().map(|v| v.to_string())).collect();
        panic!(
            "not reached by {:?}: {views:?} {:?}",
            self.now,
            self.members.iter().map(|m| m.progress()).collect::<Vec<_>>()
        );
    }

    pub(crate) fn messages(&self, index: usize) -> Vec<(u64, u64, Bytes)> {
        let message = |e: &Event| match e {
            Event::Message(m) => Some((m.gseq, m.sender.node.0, m.payload.clone())),
            _ => None,
        };
        self.events[index].iter().filter_map(message).collect()
    }

    pub(crate) fn outcomes(&self, index: usize) -> Vec<(u64, Outcome)> {
        let outcome = |e: &Event| match e {
            Event::Outcome { sseq, outcome } => Some((*sseq, *outcome)),
            _ => None,
        };
        self.events[index].iter().filter_map(outcome).collect()
    }
}
