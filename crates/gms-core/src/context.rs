//! What every part of a member shares: settings, the present time, timers, and the ways out.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use crate::event::{Event, Trace};
use crate::id::{Gid, Vid};
use crate::params::Config;
use crate::random::Random;
use crate::stats::Stats;
use crate::steps::Steps;
use crate::time::Time;
use crate::timers::Timers;
use crate::transmit::{Destination, Outgoing};
use crate::wire::{Control, ENVELOPE_LEN, Envelope, Kind};

/// Control datagrams waiting to leave, at most. Whatever is dropped beyond is repeated by its timer.
const OUTBOX: usize = 1024;

#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    /// Bytes that a datagram may have: those of the group, or those that this process would create it with.
    pub(crate) datagram: u16,
    /// Milliseconds that this process runs late.
    pub(crate) late: u16,
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) timers: Timers,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) traces: VecDeque<Trace>,
    pub(crate) stats: Stats,
    pub(crate) steps: Steps,
}

/// What is counted decides nothing: two members that differ in no more than that are equal.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        let Self { config, datagram, late, now, random, timers, outbox, events, traces, stats: _, steps: _ } = self;
        (config, datagram, late, now, random, timers)
            == (&other.config, &other.datagram, &other.late, &other.now, &other.random, &other.timers)
            && (outbox, events, traces) == (&other.outbox, &other.events, &other.traces)
    }
}

impl Eq for Context {}

impl Hash for Context {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { config, datagram, late, now, random, timers, outbox, events, traces, stats: _, steps: _ } = self;
        (config, datagram, late, now, random, timers, outbox, events, traces).hash(state);
    }
}

impl Context {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            random: Random::new(config.seed),
            datagram: config.params.datagram,
            late: 0,
            config,
            now: Time::ZERO,
            timers: Timers::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            traces: VecDeque::new(),
            stats: Stats::default(),
            steps: Steps::default(),
        }
    }

    /// Queues a control message.
    pub(crate) fn send(&mut self, to: Destination, gid: Gid, vid: Vid, control: &Control) {
        if self.outbox.len() >= OUTBOX {
            self.stats.overflow += 1;
            return;
        }
        match &to {
            Destination::Unicast(address) => self.steps.note(self.now, vid, control.sent(), address),
            _ => self.steps.note(self.now, vid, control.sent(), "all"),
        }
        let mut body = Vec::with_capacity(256);
        control.encode(&mut body);
        let len = ENVELOPE_LEN + body.len();
        // A view of many members, say.
        let to = match to {
            Destination::Unicast(address) if len > usize::from(self.datagram) => Destination::Stream(address),
            to => to,
        };
        if len > self.config.limits.control {
            self.stats.overflow += 1;
            return;
        }
        let mut datagram = Vec::with_capacity(len);
        let envelope = Envelope { kind: Kind::Control as u8, gid, vid, sender: self.config.uid, status: [0; 3] };
        envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
        self.outbox.push_back(Outgoing { to, datagram });
    }

    /// Queues a control message for one process.
    pub(crate) fn tell(&mut self, to: SocketAddr, gid: Gid, vid: Vid, control: &Control) {
        self.send(Destination::Unicast(to), gid, vid, control);
    }

    /// Keeps an event of protocol section 1, if anybody wants them.
    pub(crate) fn trace(&mut self, event: impl FnOnce() -> Trace) {
        if self.config.trace {
            self.traces.push_back(event());
        }
    }
}
