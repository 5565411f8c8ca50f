//! The directory: announces its own server, asks for others, remembers them, forgets the silent.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::directory_config::{DirectoryConfig, DirectoryError};
use crate::entry::{Entry, NAME_LIMIT};
use crate::message::{KNOWN_LIMIT, Message};

/// Answers are counted by the second.
const SECOND: Duration = Duration::from_secs(1);

/// What can happen to a directory.
#[expect(clippy::large_enum_variant, reason = "each is made once, and handed in at once")]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input<Id> {
    /// A message has arrived.
    Received {
        /// The address the datagram came from: where a probe is answered, whatever its entry says, so
        /// that nobody can direct answers to others without forging its own origin.
        source: SocketAddr,
        /// What it says.
        message: Message<Id>,
    },
    /// Time has passed; see [`Directory::poll_timeout`].
    Tick,
    /// Ask all again who is there, as at the start.
    Probe,
    /// The own server goes: say so, and be still from now on.
    Leave,
}

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// All servers: by multicast, or to each address of a list.
    All,
    /// One of them.
    One(SocketAddr),
}

/// A message to be sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transmit<Id> {
    /// Where it goes.
    pub destination: Destination,
    /// What it says.
    pub message: Message<Id>,
}

/// What a directory tells its user.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event<Id> {
    /// A server that was not known.
    Appeared(Entry<Id>),
    /// A known server describes itself anew.
    Changed(Entry<Id>),
    /// A server is not in the directory any more.
    Forgotten {
        /// Its last description.
        entry: Entry<Id>,
        /// Why.
        why: Departure,
    },
    /// Another server, at another address, uses the own id. Told once for each address in a row. The
    /// other one is told in the same way, when it probes.
    Conflict(Entry<Id>),
}

/// Why a server was forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Departure {
    /// It said that it goes.
    Left,
    /// Nothing was heard of it for this long.
    Silent(Duration),
}

/// A server in the directory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Known<Id> {
    /// What it last said of itself.
    pub entry: Entry<Id>,
    /// When.
    pub heard: Duration,
}

/// What was dropped, and the like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Stats {
    /// Newcomers refused because the directory is full.
    pub refused: u64,
    /// Entries with a name too long or an address that nobody can call.
    pub unsound: u64,
    /// Probes not answered because there were too many.
    pub unanswered: u64,
    /// Pauses of the own process after which nobody was blamed.
    pub pauses: u64,
}

/// A directory of servers, without sockets and clock. Feed it with [`handle`](Self::handle), then empty
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), and come back at
/// [`poll_timeout`](Self::poll_timeout).
///
/// Nothing here is proof: an entry is what anybody with access to the network chose to send, unless the
/// caller authenticates datagrams before it hands them in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Directory<Id> {
    config: DirectoryConfig,
    me: Entry<Id>,
    now: Duration,
    servers: BTreeMap<Id, Known<Id>>,
    /// Former lives of servers that are known by a later one.
    ended: VecDeque<(Id, u64)>,
    announced: Duration,
    announce_at: Duration,
    sweep_at: Duration,
    probe_at: Option<Duration>,
    probes_left: u32,
    replies: u32,
    replies_since: Duration,
    conflict: Option<SocketAddr>,
    gone: bool,
    stats: Stats,
    transmits: VecDeque<Transmit<Id>>,
    events: VecDeque<Event<Id>>,
}

impl<Id: Copy + Ord> Directory<Id> {
    /// The directory of server `me`, started at `now`; the first probe is ready to be sent.
    pub fn new(config: DirectoryConfig, me: Entry<Id>, now: Duration) -> Result<Self, DirectoryError> {
        config.check()?;
        check_own(&me)?;
        let mut directory = Self {
            announced: now,
            announce_at: now.saturating_add(config.announce_every),
            sweep_at: now.saturating_add(config.sweep_every),
            probe_at: None,
            probes_left: 0,
            replies: 0,
            replies_since: now,
            conflict: None,
            gone: false,
            stats: Stats::default(),
            servers: BTreeMap::new(),
            ended: VecDeque::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            config,
            me,
            now,
        };
        directory.start_probing();
        directory.run_timers();
        Ok(directory)
    }

    /// Takes one input in. Never blocks, never fails: what is dropped is counted in [`Stats`].
    pub fn handle(&mut self, now: Duration, input: Input<Id>) {
        self.wake(now);
        if self.gone {
            return;
        }
        match input {
            Input::Received { source, message } => self.receive(source, message),
            Input::Tick => {}
            Input::Probe => self.start_probing(),
            Input::Leave => return self.leave(),
        }
        self.run_timers();
    }

    /// Describes the own server anew: the others are told soon. The id stays.
    pub fn update(&mut self, now: Duration, me: Entry<Id>) -> Result<(), DirectoryError> {
        check_own(&me)?;
        if me.id != self.me.id {
            return Err(DirectoryError::Id);
        }
        self.wake(now);
        if me != self.me {
            self.me = me;
            self.announce_at = self.announce_at.min(self.announced.saturating_add(self.config.change_gap));
        }
        if !self.gone {
            self.run_timers();
        }
        Ok(())
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<Id>> {
        self.transmits.pop_front()
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<Event<Id>> {
        self.events.pop_front()
    }

    /// When [`Input::Tick`] is due; `None` once it has left.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let next = self.announce_at.min(self.sweep_at);
        (!self.gone).then(|| self.probe_at.map_or(next, |at| at.min(next)))
    }

    /// The own server.
    pub fn me(&self) -> &Entry<Id> {
        &self.me
    }

    /// The other servers, by id. A silent one is among them until it is reported as forgotten.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Known<Id>> {
        self.servers.values()
    }

    /// One of them.
    pub fn get(&self, id: Id) -> Option<&Known<Id>> {
        self.servers.get(&id)
    }

    /// What was dropped so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Moves the clock. A tick that comes far too late means that this process was away, not the others: they are
    /// asked, and nobody is forgotten before they can have answered. Nobody counts as heard for it.
    fn wake(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let planned = self.poll_timeout();
        if planned.is_some_and(|at| self.now.saturating_sub(at) > self.config.forget_after / 4) {
            self.stats.pauses += 1;
            self.sweep_at = self.now.saturating_add(self.config.sweep_every);
            self.start_probing();
        }
    }

    fn receive(&mut self, source: SocketAddr, message: Message<Id>) {
        match message {
            Message::Announce(entry) | Message::ProbeReply(entry) => self.learn(entry),
            Message::Probe { from, known } => {
                let own = from.as_ref().is_some_and(|from| from.id == self.me.id && from.address == self.me.address);
                if let Some(from) = from {
                    self.learn(from);
                }
                if !own && !known.contains(&self.me.id) {
                    self.reply(source);
                }
            }
            Message::Leave(id) => {
                if let Some(known) = self.servers.remove(&id) {
                    self.events.push_back(Event::Forgotten { entry: known.entry, why: Departure::Left });
                }
            }
        }
    }

    fn learn(&mut self, entry: Entry<Id>) {
        if !entry.is_sound() {
            self.stats.unsound += 1;
        } else if entry.id == self.me.id {
            if entry.address != self.me.address && self.conflict != Some(entry.address) {
                self.conflict = Some(entry.address);
                self.events.push_back(Event::Conflict(entry));
            }
        } else if let Some(known) = self.servers.get_mut(&entry.id) {
            if known.entry.life == entry.life || known.entry.address != entry.address {
                known.heard = self.now;
            } else if self.ended.contains(&(entry.id, entry.life)) {
                // A late word of a life that another one has followed.
                return;
            } else {
                self.ended.push_back((entry.id, known.entry.life));
                if self.ended.len() > self.config.servers {
                    self.ended.pop_front();
                }
                known.heard = self.now;
            }
            if known.entry != entry && !entry.is_older_than(&known.entry) {
                known.entry = entry.clone();
                self.events.push_back(Event::Changed(entry));
            }
        } else if self.servers.len() >= self.config.servers {
            self.stats.refused += 1;
        } else {
            self.servers.insert(entry.id, Known { entry: entry.clone(), heard: self.now });
            self.events.push_back(Event::Appeared(entry));
        }
    }

    fn reply(&mut self, to: SocketAddr) {
        if self.now.saturating_sub(self.replies_since) >= SECOND {
            (self.replies, self.replies_since) = (0, self.now);
        }
        if self.replies >= self.config.replies {
            self.stats.unanswered += 1;
            return;
        }
        self.replies += 1;
        self.send(Destination::One(to), Message::ProbeReply(self.me.clone()));
    }

    fn leave(&mut self) {
        self.gone = true;
        self.send(Destination::All, Message::Leave(self.me.id));
    }

    fn start_probing(&mut self) {
        self.probes_left = self.config.probes;
        self.probe_at = (self.probes_left > 0).then_some(self.now);
    }

    fn run_timers(&mut self) {
        if self.probe_at.is_some_and(|at| at <= self.now) {
            // Those heard last: their entries are the freshest.
            let mut known: Vec<_> = self.servers.values().map(|known| (known.heard, known.entry.id)).collect();
            known.sort_unstable_by(|a, b| b.cmp(a));
            // On the first probe all answer, for what is known from before may be stale.
            let first = self.probes_left == self.config.probes;
            let known = known.into_iter().take(if first { 0 } else { KNOWN_LIMIT }).map(|(_, id)| id).collect();
            self.send(Destination::All, Message::Probe { from: Some(self.me.clone()), known });
            self.probes_left -= 1;
            self.probe_at = (self.probes_left > 0).then_some(self.now.saturating_add(self.config.probe_every));
        }
        if self.announce_at <= self.now {
            self.announced = self.now;
            self.announce_at = self.now.saturating_add(self.config.announce_every);
            self.send(Destination::All, Message::Announce(self.me.clone()));
        }
        if self.sweep_at <= self.now {
            self.sweep_at = self.now.saturating_add(self.config.sweep_every);
            self.forget_silent();
        }
    }

    fn forget_silent(&mut self) {
        let Self { servers, events, now, config, .. } = self;
        servers.retain(|_, known| {
            let silence = now.saturating_sub(known.heard);
            let keep = silence < config.forget_after;
            if !keep {
                let why = Departure::Silent(silence);
                events.push_back(Event::Forgotten { entry: known.entry.clone(), why });
            }
            keep
        });
    }

    fn send(&mut self, destination: Destination, message: Message<Id>) {
        self.transmits.push_back(Transmit { destination, message });
    }
}

fn check_own<Id>(me: &Entry<Id>) -> Result<(), DirectoryError> {
    if me.name.len() > NAME_LIMIT {
        return Err(DirectoryError::Name(me.name.len()));
    }
    if me.is_reachable() { Ok(()) } else { Err(DirectoryError::Address(me.address)) }
}
