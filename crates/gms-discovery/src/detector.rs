//! The failure detector: hears, waits as long as is usual for each peer, asks, and only then suspects.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::check::{Check, CheckKind};
use crate::gaps::Gaps;
use crate::profile::{DetectorConfig, DetectorError};

/// What can happen to a detector.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DetectorInput<Id> {
    /// Watch this peer from now on. Nothing changes for one that is watched.
    Watch(Id),
    /// Watch it no more.
    Unwatch(Id),
    /// A datagram of this peer has arrived, whatever it carries.
    Heard(Id),
    /// This peer says how late it runs: as long after it wanted to as it got processor time lately, at worst. A silence
    /// four times as long is usual for it then, up to [`DetectorConfig::cap`].
    Late {
        /// Which.
        id: Id,
        /// How late.
        late: Duration,
    },
    /// There is a hint that this peer is dead (its connection was closed, its port is unreachable, somebody
    /// else suspects it): verify it at once.
    Doubt(Id),
    /// A message of another detector has arrived. It counts as heard, too.
    Received {
        /// Who sent it.
        from: Id,
        /// What it says.
        check: Check<Id>,
    },
    /// This process was away itself, and its user has noticed before the detector could: all peers get their time anew.
    /// It notices by itself when it comes back later than planned by more than half the floor.
    Paused {
        /// How much later than planned it came back.
        late: Duration,
    },
    /// Time has passed; see [`Detector::poll_timeout`]. Hand in first what has arrived in the meantime.
    Tick,
}

/// A message to be sent to one peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DetectorTransmit<Id> {
    /// To whom. It may be one that is not watched, and so one whose address nobody here knows: then drop it.
    pub to: Id,
    /// What it says.
    pub check: Check<Id>,
}

/// What a detector tells its user. Each `Verify` is followed by either `Suspected` or `Trusted`, and each
/// `Suspected` by `Trusted` if the peer is ever heard again, unless it is unwatched before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DetectorEvent<Id> {
    /// A peer is too silent, or doubted, and is asked whether it lives.
    Verify {
        /// Which.
        id: Id,
    },
    /// It did not answer.
    Suspected {
        /// Which.
        id: Id,
        /// How long nothing was heard of it.
        silent_for: Duration,
    },
    /// A peer that was verified or suspected lives.
    Trusted {
        /// Which.
        id: Id,
        /// The helper through which it answered: it lives, but what it sends to us directly may be lost.
        through: Option<Id>,
    },
    /// This process was away itself: all peers got their time anew.
    Paused {
        /// How much later than planned it came back.
        late: Duration,
    },
}

/// What a detector thinks of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// It lives.
    Trusted,
    /// It is silent, and being asked.
    Verifying,
    /// It did not answer.
    Suspected,
}

/// A peer, for those who want to show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Health {
    /// What is thought of it.
    pub standing: Standing,
    /// When it was last heard, or its time began anew: first watched, or after a pause of our own.
    pub heard: Duration,
    /// The silence after which it is verified: as long as is usual for it.
    pub bound: Duration,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Peer {
    heard: Duration,
    gaps: Gaps,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Trusted,
    /// `sent` rounds of checks have left; at `next` comes another, or the verdict.
    Verifying {
        sent: u32,
        next: Duration,
    },
    Suspected,
}

impl Peer {
    fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Trusted => Some(self.heard.saturating_add(self.gaps.bound())),
            State::Verifying { next, .. } => Some(next),
            State::Suspected => None,
        }
    }

    fn health(&self) -> Health {
        let standing = match self.state {
            State::Trusted => Standing::Trusted,
            State::Verifying { .. } => Standing::Verifying,
            State::Suspected => Standing::Suspected,
        };
        Health { standing, heard: self.heard, bound: self.gaps.bound() }
    }
}

/// A failure detector, without sockets and clock: tells who of the peers it watches is too silent. Feed it
/// with [`handle`](Self::handle) or its short forms; after each, empty
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), and come back at
/// [`poll_timeout`](Self::poll_timeout).
///
/// It sends nothing while peers are heard. They have to say something each
/// [`interval`](DetectorConfig::interval): data, or a heartbeat when there is none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Detector<Id> {
    config: DetectorConfig,
    me: Id,
    now: Duration,
    peers: BTreeMap<Id, Peer>,
    /// No deadline of any peer is earlier. May itself be too early: then the tick finds nothing to do.
    next: Option<Duration>,
    transmits: VecDeque<DetectorTransmit<Id>>,
    events: VecDeque<DetectorEvent<Id>>,
}

impl<Id: Copy + Ord> Detector<Id> {
    /// The detector of process `me`, which watches nobody yet.
    pub fn new(config: DetectorConfig, me: Id) -> Result<Self, DetectorError> {
        config.check()?;
        Ok(Self {
            config,
            me,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            next: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Takes one input in. Never blocks, never fails.
    pub fn handle(&mut self, now: Duration, input: DetectorInput<Id>) {
        self.wake(now);
        match input {
            DetectorInput::Watch(id) => self.add(id),
            DetectorInput::Unwatch(id) => self.remove(id),
            DetectorInput::Heard(id) => self.alive(id, None),
            DetectorInput::Late { id, late } => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.gaps.set_late(&self.config, late);
                    self.plan();
                }
            }
            DetectorInput::Doubt(id) => self.doubt(id),
            DetectorInput::Received { from, check } => self.receive(from, check),
            DetectorInput::Paused { late } => self.begin_anew(late),
            DetectorInput::Tick => self.run_timers(),
        }
    }

    /// [`DetectorInput::Watch`].
    pub fn watch(&mut self, now: Duration, id: Id) {
        self.handle(now, DetectorInput::Watch(id));
    }

    /// [`DetectorInput::Unwatch`].
    pub fn unwatch(&mut self, now: Duration, id: Id) {
        self.handle(now, DetectorInput::Unwatch(id));
    }

    /// [`DetectorInput::Heard`]. Cheap enough for each datagram.
    pub fn heard(&mut self, now: Duration, id: Id) {
        self.handle(now, DetectorInput::Heard(id));
    }

    /// [`DetectorInput::Tick`].
    pub fn tick(&mut self, now: Duration) {
        self.handle(now, DetectorInput::Tick);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<DetectorTransmit<Id>> {
        self.transmits.pop_front()
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<DetectorEvent<Id>> {
        self.events.pop_front()
    }

    /// When [`DetectorInput::Tick`] is due; `None` while nobody is watched, or all are suspected.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next
    }

    /// The peers that are watched, by id.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = (Id, Health)> {
        self.peers.iter().map(|(id, peer)| (*id, peer.health()))
    }

    /// One of them.
    pub fn health(&self, id: Id) -> Option<Health> {
        self.peers.get(&id).map(Peer::health)
    }

    /// Moves the clock. Who wakes up far too late was away itself and blames nobody.
    fn wake(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let Some(late) = self.next.and_then(|planned| self.now.checked_sub(planned)) else { return };
        if late > self.config.floor / 2 {
            self.begin_anew(late);
        }
    }

    /// This process was away: all peers that were not given up get their time anew.
    fn begin_anew(&mut self, late: Duration) {
        for peer in self.peers.values_mut() {
            peer.gaps.skip(self.now);
            match &mut peer.state {
                State::Trusted => peer.heard = self.now,
                State::Verifying { sent, next } => (*sent, *next) = (0, self.now),
                State::Suspected => {}
            }
        }
        self.events.push_back(DetectorEvent::Paused { late });
        self.plan();
    }

    fn add(&mut self, id: Id) {
        if id != self.me && !self.peers.contains_key(&id) {
            let gaps = Gaps::new(&self.config, self.now);
            self.due_by(self.now.saturating_add(gaps.bound()));
            self.peers.insert(id, Peer { heard: self.now, gaps, state: State::Trusted });
        }
    }

    fn remove(&mut self, id: Id) {
        self.peers.remove(&id);
        self.transmits.retain(|transmit| transmit.check.asker != self.me || transmit.check.target != id);
        if self.peers.is_empty() {
            self.next = None;
        }
    }

    /// A sign of life, direct or through a helper. Only direct ones tell how long its usual gaps are.
    fn alive(&mut self, id: Id, through: Option<Id>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let gap = self.now.saturating_sub(peer.heard);
        peer.heard = self.now;
        if through.is_some() || peer.state == State::Suspected {
            peer.gaps.skip(self.now);
        } else {
            peer.gaps.add(&self.config, self.now, gap);
        }
        if peer.state != State::Trusted {
            peer.state = State::Trusted;
            self.events.push_back(DetectorEvent::Trusted { id, through });
        }
        let deadline = peer.heard.saturating_add(peer.gaps.bound());
        self.due_by(deadline);
    }

    fn doubt(&mut self, id: Id) {
        if self.peers.get(&id).is_some_and(|peer| peer.state == State::Trusted) {
            self.verify(id);
            self.plan();
        }
    }

    fn receive(&mut self, from: Id, check: Check<Id>) {
        if from == self.me {
            return;
        }
        self.alive(from, None);
        let Check { kind, asker, target } = check;
        match kind {
            // An address may be another's by now: who is not meant does not answer.
            CheckKind::Ping if target == self.me => self.send(from, CheckKind::Pong, asker, target),
            CheckKind::Relay if asker == from && target == self.me => self.send(from, CheckKind::Pong, asker, target),
            CheckKind::Relay if asker == from && target != from => self.send(target, CheckKind::Ping, asker, target),
            CheckKind::Pong if asker == self.me && target != from => self.alive(target, Some(from)),
            CheckKind::Pong if asker != self.me && target == from => self.send(asker, CheckKind::Pong, asker, target),
            _ => {}
        }
    }

    fn run_timers(&mut self) {
        if self.next.is_none_or(|at| at > self.now) {
            return;
        }
        let is_due = |peer: &Peer| peer.deadline().is_some_and(|at| at <= self.now);
        let due: Vec<Id> = self.peers.iter().filter(|(_, peer)| is_due(peer)).map(|(id, _)| *id).collect();
        for id in due {
            match self.peers[&id].state {
                State::Trusted => self.verify(id),
                State::Verifying { sent, .. } if sent < self.config.probes => self.ask(id, sent),
                State::Verifying { .. } => self.suspect(id),
                State::Suspected => {}
            }
        }
        self.plan();
    }

    fn verify(&mut self, id: Id) {
        self.events.push_back(DetectorEvent::Verify { id });
        self.ask(id, 0);
    }

    /// Round `round` of a verification: once directly, once through another peer.
    fn ask(&mut self, id: Id, round: u32) {
        self.send(id, CheckKind::Ping, self.me, id);
        if let Some(helper) = self.helper(id, round) {
            self.send(helper, CheckKind::Relay, self.me, id);
        }
        let sent = round + 1;
        let wait = if sent < self.config.probes { self.config.probe_every } else { self.config.probe_wait };
        let next = self.now.saturating_add(wait);
        self.peers.get_mut(&id).expect("asked of watched peers only").state = State::Verifying { sent, next };
    }

    /// Another one for each round, beginning with the one heard last.
    fn helper(&self, target: Id, round: u32) -> Option<Id> {
        let fit = |id: Id, peer: &Peer| id != target && peer.state == State::Trusted;
        let helpers = self.peers.iter().filter(|(id, peer)| fit(**id, peer));
        let mut helpers: Vec<_> = helpers.map(|(id, peer)| (Reverse(peer.heard), *id)).collect();
        helpers.sort_unstable();
        helpers.get(round as usize % helpers.len().max(1)).map(|(_, id)| *id)
    }

    fn suspect(&mut self, id: Id) {
        let peer = self.peers.get_mut(&id).expect("asked of watched peers only");
        peer.state = State::Suspected;
        let silent_for = self.now.saturating_sub(peer.heard);
        self.events.push_back(DetectorEvent::Suspected { id, silent_for });
    }

    fn send(&mut self, to: Id, kind: CheckKind, asker: Id, target: Id) {
        self.transmits.push_back(DetectorTransmit { to, check: Check { kind, asker, target } });
    }

    fn plan(&mut self) {
        self.next = self.peers.values().filter_map(Peer::deadline).min();
    }

    fn due_by(&mut self, at: Duration) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}
