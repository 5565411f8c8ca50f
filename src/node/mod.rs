//! The layers of one process, composed: without sockets and clock, so that the same code runs in
//! the simulator, in tests and on sockets.
//!
//! ```text
//!              ┌─ 1–15 ──▶ Member ── view ──▶ directory entry, who is watched
//!  datagram ───┼─ 16 ────▶ Directory ───────▶ founding: who looks for a group? is there one?
//!  (kind byte) ├─ 17 ────▶ Health ──────────▶ Member: suspect, trust
//!              └─ 18 ────▶ founding ────────▶ Member: found the group
//!                          succession ──────▶ Member: propose what ends the view
//! ```

mod composition;
mod config;
mod founding;
mod health;
mod lives;
mod rivals;
mod succession;
mod testimony;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gms_check::Record;
use gms_core::{
    Addressing, Blocked, Destination, Event, Gid, Input, Level, Member, Memory, ProcessIdentity, Refusal, SendError,
    Start, Stats, Time, Transmit, Uid, View,
};
use gms_discovery::{Directory, Entry, Known};
use gms_net::SplitMix64;

pub use self::config::{Bootstrap, NodeConfig, NodeError};

use self::founding::Founding;
use self::health::Health;
use self::lives::{Exclusions, Former};
use self::rivals::Rivals;
use self::succession::Succession;
use self::testimony::Testimony;
use crate::layers::{self, Layer};
use crate::trace;

/// Everything one process runs above its sockets. Feed it with [`handle`](Self::handle) and
/// [`send`](Self::send); after either, empty [`poll_transmit`](Self::poll_transmit) and
/// [`poll_events`](Self::poll_events), and come back at [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    config: NodeConfig,
    /// How this life comes to its group; the next one does as the configuration says.
    bootstrap: Bootstrap,
    /// What the group's name is in envelopes.
    name: Gid,
    random: SplitMix64,
    member: Member,
    directory: Directory<u64>,
    health: Health,
    /// While it is not a member yet, and may found the group.
    founding: Option<Founding>,
    /// The election of one who proposes, when the leader is gone.
    succession: Succession,
    /// When the leader was last said to be dead.
    accused: Option<Time>,
    rivals: Rivals,
    /// While it lingers: the life in a lineage that has dissolved.
    former: Option<Box<Former>>,
    /// How often it has been excluded lately.
    exclusions: Exclusions,
    /// Messages accepted in all former lives.
    before: u64,
    /// And in this one.
    sent: u64,
    now: Time,
    /// When the layers beside the member have something to do.
    due: Time,
    /// The view they know.
    vid: Option<u64>,
    /// The last view it was in.
    place: Option<(Gid, u64)>,
    /// When to ask for later views again.
    sought: Duration,
    outbox: VecDeque<(Destination, Vec<u8>)>,
    /// Why this process is none of the group's, if another server has its id.
    refused: Option<Refusal>,
    /// Other groups of the name that were met.
    alarms: Vec<Event>,
    /// How the next life comes to its group, if an operator has said it.
    forced: Option<Bootstrap>,
    testimony: Testimony,
    /// The application wants to leave.
    leaving: bool,
    /// It has said that it goes.
    gone: bool,
}

impl Node {
    /// A process that starts at `now`. Fails when its settings contradict each other.
    pub fn new(mut config: NodeConfig, now: Time) -> Result<Self, NodeError> {
        config.core.params.absorb = config.bootstrap == Bootstrap::Auto;
        let start = match config.bootstrap {
            Bootstrap::Found => Start::Found,
            _ => Start::Join(config.contacts.clone()),
        };
        config.election.check()?;
        config.succession.check()?;
        let core = &config.core;
        let at = now.since(Time::ZERO);
        let me = core.uid.node.0;
        let entry = Entry { clients: config.clients, ..Entry::new(me, core.address, config.server_name.clone()) };
        let founding = |expect| Founding::new(me, expect, config.discover, config.election.clone(), core.seed, at);
        let mut node = Self {
            name: layers::name_digest(&core.name),
            random: SplitMix64::new(core.seed),
            member: Member::new(core.clone(), start, now)?,
            directory: Directory::new(config.directory.clone(), entry, at)?,
            health: Health::new(config.detector.clone(), core.uid)?,
            founding: match &config.bootstrap {
                Bootstrap::Auto => Some(founding(None)),
                Bootstrap::Expect(ids) => Some(founding(Some(ids.clone()))),
                Bootstrap::Found | Bootstrap::Join => None,
            },
            succession: Succession::new(config.succession.clone(), core.seed),
            accused: None,
            bootstrap: config.bootstrap.clone(),
            config,
            rivals: Rivals::default(),
            former: None,
            exclusions: Exclusions::default(),
            before: 0,
            sent: 0,
            now,
            due: now,
            vid: None,
            place: None,
            sought: Duration::ZERO,
            outbox: VecDeque::new(),
            refused: None,
            alarms: Vec::new(),
            forced: None,
            testimony: Testimony::default(),
            leaving: false,
            gone: false,
        };
        node.tend();
        Ok(node)
    }

    /// Takes one input in: a datagram, the passing of time, the wish to leave.
    pub fn handle(&mut self, now: Time, input: Input) {
        if let Input::Datagram { datagram, .. } = &input {
            self.note_lineage_of(datagram);
        }
        self.notice_pause(now);
        self.now = self.now.max(now);
        if matches!(input, Input::Leave | Input::Abandon) && self.exclusions.end_rest() {
            self.begin_anew();
        }
        match input {
            Input::Datagram { from, datagram } => match Layer::of(&datagram) {
                None => self.life_of(&datagram).handle(now, Input::Datagram { from, datagram }),
                Some(layer) => self.receive(layer, from, datagram),
            },
            other => {
                self.leaving |= other == Input::Leave;
                self.member.handle(now, other);
            }
        }
        let accused = self.member.accused();
        let news = accused.is_some() && (accused != self.accused || self.member.needs_proposer());
        if self.now >= self.due || news || self.member.view().map(|view| view.vid) != self.vid {
            self.tend();
        }
    }

    /// The connection to the member at this unicast address has closed, and another one was refused: nobody
    /// listens there any more, so it is taken to be dead at once.
    pub fn closed(&mut self, now: Time, address: SocketAddr) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        let who = self.member.view().and_then(|view| view.members.iter().find(|m| m.address == address));
        if let Some(uid) = who.map(|member| member.uid) {
            self.member.handle(self.now, Input::Closed(uid));
            self.tend();
        }
    }

    /// This member is dead for certain: its host says so, or it ran in this very process and is no more.
    pub fn died(&mut self, now: Time, who: Uid) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        self.member.handle(self.now, Input::Dead(who));
        self.tend();
    }

    /// An operator gives up a lineage that has lost its quorum for good. This process starts over, as a new
    /// incarnation: it founds another lineage alone, or joins the one that another survivor founds. Whatever
    /// members live elsewhere in the old lineage may go on in it, and then there are two groups: the operator has
    /// to know that they do not.
    pub fn force_view(&mut self, now: Time, found: bool) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        self.note_discarded();
        self.forced = Some(if found { Bootstrap::Found } else { Bootstrap::Join });
        if self.member.is_joining() || self.exclusions.end_rest() {
            // It has given its lineage up already.
            self.begin_anew();
        } else {
            self.member.handle(self.now, Input::Forsake);
        }
        self.tend();
    }

    /// Accepts a message from the application; see [`Member::send`]. Its number goes on counting when the
    /// process changes to another lineage.
    pub fn send(&mut self, now: Time, payload: Bytes, level: Level, addressing: Addressing) -> Result<u64, SendError> {
        let sseq = self.member.send(now, payload, level, addressing)?;
        self.sent = sseq;
        Ok(self.before + sseq)
    }

    /// Whether [`Self::send`] would find room.
    pub fn has_room(&self) -> bool {
        self.member.has_room()
    }

    /// Writes the next train of datagrams into `out`, which must be empty; see [`Member::poll_transmit`].
    pub fn poll_transmit(&mut self, now: Time, max_segments: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        if let Some((destination, datagram)) = self.outbox.pop_front() {
            out.extend_from_slice(&datagram);
            return Some(Transmit { destination, segment_size: datagram.len() });
        }
        if self.refused.is_some() {
            return None;
        }
        if let Some(former) = &mut self.former
            && let Some(transmit) = former.member.poll_transmit(now, max_segments, out)
        {
            return Some(transmit);
        }
        self.member.poll_transmit(now, max_segments, out)
    }

    /// Appends the next events to `out`, until there are none or messages of about `room` bytes have
    /// been added, and returns those bytes; see [`Member::poll_events`].
    pub fn poll_events(&mut self, out: &mut Vec<Event>, room: usize) -> usize {
        if self.gone {
            return 0;
        }
        let before = out.len();
        let used = self.member.poll_events(out, room);
        if let Some(refusal) = self.refused.clone() {
            out.truncate(before);
            out.push(Event::Refused(refusal));
        }
        if self.before > 0 {
            for event in &mut out[before..] {
                if let Event::Outcome { sseq, .. } = event {
                    *sseq += self.before;
                }
            }
        }
        if out[before..].iter().any(|event| matches!(event, Event::LeaveRefused { .. })) {
            self.leaving = false;
        }
        match out[before..].last() {
            Some(Event::Dissolved { .. }) => self.begin_anew(),
            // Whoever wanted to go is where it wanted to be.
            Some(Event::Excluded) if self.leaving => self.say_goodbye(false),
            Some(Event::Excluded) if self.forced.is_some() => self.begin_anew(),
            Some(Event::Excluded) if self.config.rejoin => self.rejoin(),
            Some(Event::Refused(Refusal::NodeTaken { .. })) if self.config.drawn_id => {
                out.pop();
                self.draw_another_id();
            }
            Some(Event::Refused(Refusal::NodeTaken { .. })) => self.say_goodbye(true),
            Some(Event::Left { .. } | Event::Excluded | Event::Broken(_) | Event::Refused(_)) => {
                self.say_goodbye(false)
            }
            // Never before the first view, nor after the last event.
            _ => out.append(&mut self.alarms),
        }
        used
    }

    /// When [`Self::handle`] must be called with [`Input::Tick`] at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.gone {
            return self.member.poll_timeout();
        }
        self.member.poll_timeout().into_iter().chain([self.due]).min()
    }

    /// The next line for the property checker, if [`gms_core::Config::trace`] asks for them. `now` is
    /// written into it for the reader's sake only.
    pub fn poll_trace(&mut self, now: Time) -> Option<Record> {
        self.poll_line(now)
    }

    /// A line that says how much memory is held at present (P22).
    pub fn memory_trace(&self, now: Time) -> Record {
        let Memory { used, cap } = self.member.memory();
        trace::line(now, self.member.uid(), gms_check::Event::Memory { used, cap })
    }

    /// Who this process is. A drawn id may change until the first view, and each lineage has another incarnation.
    pub fn uid(&self) -> Uid {
        self.member.uid()
    }

    /// The view this process is in; the application may have been told an older one yet.
    pub fn view(&self) -> Option<&Arc<View>> {
        self.member.view()
    }

    /// Whether this process has nothing to do with the group any more.
    pub(crate) fn is_over(&self) -> bool {
        self.gone
    }

    /// Whether this process orders the messages of its view.
    pub fn is_leader(&self) -> bool {
        self.member.is_leader()
    }

    /// Whether this process has proof that a member of its view is dead.
    pub fn is_proved_dead(&self, who: Uid) -> bool {
        self.member.is_proved_dead(who)
    }

    /// Where the members are reached whose death this process has to notice: the leader all, the others
    /// the leader and those who would follow it.
    pub fn watched(&self) -> Vec<SocketAddr> {
        let view = self.member.view().into_iter();
        view.flat_map(|view| health::connected_by(self.member.uid(), view)).map(|member| member.address).collect()
    }

    /// Which processes the other members are, as far as they have said: the death of one is to be told by
    /// [`Self::died`].
    pub fn processes(&self) -> Vec<(Uid, ProcessIdentity)> {
        let others = self.member.view().into_iter().flat_map(|view| &view.members);
        others.filter(|m| m.uid != self.member.uid()).filter_map(|m| Some((m.uid, m.process?))).collect()
    }

    /// The other servers of the group's name that have been seen, members or not.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Known<u64>> {
        self.directory.servers()
    }

    /// Counters since the start, or since the change to the present lineage.
    pub fn stats(&self) -> Stats {
        self.member.stats()
    }

    /// Why there is no progress, while there is none.
    pub fn blocked(&self) -> Option<&Blocked> {
        self.member.blocked()
    }

    /// Last frame stored densely here, by a quorum, and by all: `(have, safe, stable)`.
    pub fn progress(&self) -> (u64, u64, u64) {
        self.member.progress()
    }

    /// Bytes held, and what they may be at most.
    pub fn memory(&self) -> Memory {
        self.member.memory()
    }
}
