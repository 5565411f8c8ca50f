//! The layers of one process, composed: without sockets and clock, so that the same code runs in
//! the simulator, in tests and on sockets.
//!
//! ```text
//!              ┌─ 1–15 ──▶ Member ── view ──▶ directory entry, who is watched
//!  datagram ───┼─ 16 ────▶ Directory ───────▶ creation: who looks for a group?
//!  (kind byte) ├─ 17 ────▶ Health ──────────▶ Member: suspect, trust
//!              ├─ 18 ────▶ creation ────────▶ Member: create the group
//!              │           succession ──────▶ Member: propose what ends the view
//!              └─ 19 ────▶ inquiries ───────▶ settling ───▶ Member: order the first message, or give way
//!     all: heard ─────────▶ lineages ───────▶ returning ──▶ Member: go on with the history that is left
//! ```
//!
//! `lineages` is what this process knows of other lineages of its name; `meeting` is whom it asks about them and what
//! it answers, in the words of `inquiry`. `creation`, `settling` and `returning` are when a lineage begins, `merging` is
//! when one ends although something was said in it, and `lives` is what becomes of a process whose lineage has ended or
//! excluded it (docs/lineages.md).

mod acquaintances;
mod composition;
mod config;
mod creation;
mod health;
mod inquiry;
mod lateness;
mod lineages;
mod lives;
mod meeting;
mod merging;
mod own_time;
mod peers;
mod returning;
mod settling;
mod succession;
mod testimony;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gms_check::Record;
use gms_core::wire::Envelope;
use gms_core::{
    Addressing, Blocked, Destination, Event, Gid, GivenUp, Input, Level, Member, Memory, ProcessIdentity, Refusal,
    SendError, Start, Stats, Time, Transmit, Uid, View,
};
use gms_discovery::{Directory, Entry, Known};
use gms_net::SplitMix64;

pub use self::config::{Bootstrap, NodeConfig, NodeError};

use self::acquaintances::Acquaintances;
use self::creation::Creation;
use self::health::Health;
use self::inquiry::Inquiries;
use self::lateness::Lateness;
use self::lineages::Lineages;
use self::lives::{Carried, Exclusions, Exile, Former};
use self::meeting::Meeting;
use self::merging::Merging;
use self::succession::Succession;
use self::testimony::Testimony;
use crate::layers::Layer;
use crate::trace;

/// Everything one process runs above its sockets. Feed it with [`handle`](Self::handle) and
/// [`send`](Self::send); after either, empty [`poll_transmit`](Self::poll_transmit) and
/// [`poll_events`](Self::poll_events), and come back at [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    config: NodeConfig,
    /// What the group's name is in envelopes.
    name: Gid,
    random: SplitMix64,
    member: Member,
    directory: Directory<u64>,
    health: Health,
    /// While it is not a member yet, and may create the group.
    creation: Option<Creation>,
    /// The other lineages that were heard of since the process started.
    lineages: Lineages,
    /// What was asked and answered in the last moments.
    inquiries: Inquiries,
    /// What it does about the lineages that it meets, its own included.
    meeting: Meeting,
    /// The lineage that it is to give way to.
    merging: Merging,
    /// The lineage that it was put out of, and belongs to until that one is known to have ended.
    exile: Option<Exile>,
    /// The election of one who proposes, when the leader is gone.
    succession: Succession,
    /// When the leader was last said to be dead.
    accused: Option<Time>,
    /// While it lingers: the life in a lineage that has dissolved.
    former: Option<Box<Former>>,
    /// How often it has been excluded lately.
    exclusions: Exclusions,
    /// Messages of the application: those accepted in a former life that go on in this one, and how all are numbered.
    carried: Carried,
    now: Time,
    /// When the layers beside the member have something to do.
    due: Time,
    /// The view they know.
    vid: Option<u64>,
    /// The last view it was in.
    place: Option<Arc<View>>,
    /// When to ask for later views again.
    sought: Duration,
    lateness: Lateness,
    /// Those who are told one by one that it is there, where multicast fails.
    acquaintances: Acquaintances,
    outbox: VecDeque<(Destination, Vec<u8>)>,
    /// Why this process is none of the group's, if another server has its id.
    refused: Option<Refusal>,
    /// What is to be told beside what happens in the group.
    alarms: Vec<Event>,
    /// An operator has given its lineage up: whether the next life creates one.
    forced: Option<bool>,
    /// Its lineage, which it gives up, and why.
    given_up: Option<(Gid, GivenUp)>,
    testimony: Testimony,
    /// The last lineage that it was in ended in favour of another one.
    gave_way: bool,
    /// The application wants to leave.
    leaving: bool,
    /// It has said that it goes.
    gone: bool,
}

/// How a life comes to its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Arrival {
    /// It creates it at once.
    Creates,
    /// It looks for it, and may create it if there is none.
    Looks { may_create: bool },
}

impl Node {
    /// A process that starts at `now`. Fails when its settings contradict each other.
    pub fn new(config: NodeConfig, now: Time) -> Result<Self, NodeError> {
        let creates = config.bootstrap == Bootstrap::Create && config.discover.is_zero();
        let arrival = if creates { Arrival::Creates } else { Arrival::Looks { may_create: true } };
        let mut node = Self::begin(config, arrival, now)?;
        node.tend();
        Ok(node)
    }

    /// A life that begins at `now`, and does nothing yet: it does not know what its process knows.
    fn begin(mut config: NodeConfig, arrival: Arrival, now: Time) -> Result<Self, NodeError> {
        config.core.settles = !config.settle.is_zero() && arrival != Arrival::Creates;
        let start = match arrival {
            Arrival::Creates => Start::Create,
            Arrival::Looks { .. } => Start::Join(config.contacts.clone()),
        };
        match arrival {
            Arrival::Creates => tracing::info!(id = %config.core.uid.node, "creating the group"),
            Arrival::Looks { .. } => tracing::info!(id = %config.core.uid.node, "looking for the group, to join it"),
        }
        config.election.check()?;
        config.succession.check()?;
        let core = &config.core;
        let at = now.since(Time::ZERO);
        let Uid { node: me, incarnation } = core.uid;
        let name = config.server_name.clone();
        let entry = Entry { clients: config.clients, ..Entry::new(me.0, incarnation, core.address, name) };
        let may_create = arrival == Arrival::Looks { may_create: true } && config.bootstrap != Bootstrap::Join;
        let how = || config.bootstrap.clone();
        let creation = || Creation::new(me.0, how(), config.discover, config.election.clone(), core.seed, at);
        Ok(Self {
            name: Gid::of_name(&core.name),
            random: SplitMix64::new(core.seed),
            member: Member::new(core.clone(), start, now)?,
            directory: Directory::new(config.directory.clone(), entry, at)?,
            health: Health::new(config.detector.clone(), core.uid)?,
            creation: may_create.then(creation),
            lineages: Lineages::new(Gid::of_name(&core.name), core.address, core.planted),
            inquiries: Inquiries::default(),
            meeting: Meeting::new(at),
            merging: Merging::default(),
            exile: None,
            succession: Succession::new(config.succession.clone(), core.seed),
            accused: None,
            config,
            former: None,
            exclusions: Exclusions::default(),
            carried: Carried::default(),
            now,
            due: now,
            vid: None,
            place: None,
            sought: Duration::ZERO,
            lateness: Lateness::default(),
            acquaintances: Acquaintances::default(),
            outbox: VecDeque::new(),
            refused: None,
            alarms: Vec::new(),
            forced: None,
            given_up: None,
            gave_way: false,
            testimony: Testimony::default(),
            leaving: false,
            gone: false,
        })
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
            Input::Datagram { from, datagram } => {
                self.hear(from, &datagram);
                if Envelope::peek_gid(&datagram) == Some(Gid::NONE) {
                    // It asks to be let in.
                    self.acquaintances.meet(now.since(Time::ZERO), from);
                }
                match Layer::of(&datagram) {
                    None if self.is_barred(&datagram) => {}
                    None => self.life_of(&datagram).handle(now, Input::Datagram { from, datagram }),
                    Some(layer) => self.receive(layer, from, datagram),
                }
            }
            other => {
                self.leaving |= other == Input::Leave;
                if let Input::Carries(largest) = other {
                    self.config.core.largest = largest;
                }
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
            tracing::info!(member = %uid.node, "its connection is closed and another one refused: taken to be dead");
            self.member.handle(self.now, Input::Closed(uid));
            self.tend();
        }
    }

    /// Nobody listens at this address of [`Self::watched`], says its host: an attempt to connect was refused. Told once
    /// for each attempt.
    pub fn refused(&mut self, now: Time, address: SocketAddr) {
        self.now = self.now.max(now);
        self.lineages.refused(self.now.since(Time::ZERO), address);
    }

    /// This process is dead for certain: its host says so, or it ran in this very process and is no more.
    pub fn died(&mut self, now: Time, who: Uid) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        self.lineages.bury(who);
        self.meeting.answered_for(who);
        self.member.handle(self.now, Input::Dead(who));
        self.tend();
    }

    /// More or other addresses were found for the names in [`NodeConfig::peers`].
    pub fn set_peers(&mut self, peers: Vec<Vec<SocketAddr>>) {
        self.config.peers = Some(peers);
    }

    /// A datagram could not be sent, for a reason on this host: no route, say.
    pub fn unsent(&mut self) {
        self.meeting.unsent();
    }

    /// An operator gives up a lineage that has lost its quorum for good. With `create`, this process creates another
    /// one alone: with the history and the sessions of the old one if it is in it, else an empty one. Without, it
    /// starts over as a new incarnation, and joins any lineage but the old one. Members that live elsewhere in the old
    /// lineage may go on in it, and then there are two groups: the operator has to know that they do not.
    pub fn force_view(&mut self, now: Time, create: bool) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        self.discard(create);
        if create && self.return_alone() {
            return self.tend();
        }
        self.forced = Some(create);
        self.given_up = self.place.as_ref().map(|view| (view.gid, GivenUp::Ordered));
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
        if self.carried.waits() {
            return Err(SendError::Full);
        }
        let sseq = self.member.send(now, payload, level, addressing)?;
        Ok(self.carried.accept(sseq))
    }

    /// Whether [`Self::send`] would find room.
    pub fn has_room(&self) -> bool {
        !self.carried.waits() && self.member.has_room()
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
        for event in &mut out[before..] {
            if let Event::Outcome { sseq, .. } = event {
                *sseq = self.carried.number(*sseq);
            }
        }
        if let (Some(Event::Excluded), Some((gid, why))) = (out[before..].last(), self.given_up) {
            out.insert(out.len() - 1, Event::GivenUp { gid, why });
        }
        if out[before..].iter().any(|event| matches!(event, Event::LeaveRefused { .. })) {
            self.leaving = false;
        }
        match out[before..].last() {
            Some(&Event::Dissolved { gid, into, .. }) => {
                self.gave_way = true;
                self.lineages.supersede(gid, into);
                self.begin_anew();
            }
            // A process that wanted to go is where it wanted to be.
            Some(Event::Excluded) if self.leaving => self.say_goodbye(false, out),
            Some(Event::Excluded) if self.forced.is_some() => self.begin_anew(),
            Some(Event::Excluded) if self.config.rejoin => self.rejoin(),
            Some(Event::Refused(Refusal::NodeTaken { .. })) if self.config.drawn_id => {
                out.pop();
                self.draw_another_id();
            }
            Some(Event::Refused(refusal)) if self.may_ask_again(refusal) => {
                out.pop();
                self.ask_later();
            }
            Some(Event::Refused(Refusal::NodeTaken { .. })) => self.say_goodbye(true, out),
            Some(Event::Left { .. } | Event::Excluded | Event::Broken(_) | Event::Refused(_)) => {
                self.say_goodbye(false, out);
            }
            // Never after the last event. They are older than what the member has to tell of its view.
            _ => _ = out.splice(before..before, self.alarms.drain(..)),
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

    /// At a follower of a group with multicast: whether the leader is heard, and none of it by multicast. Joining the
    /// multicast groups again may help.
    pub fn hears_no_multicast(&self) -> bool {
        self.member.hears_no_multicast()
    }

    /// Whether this process has proof that a member of its view is dead.
    pub fn is_proved_dead(&self, who: Uid) -> bool {
        self.member.is_proved_dead(who)
    }

    /// Addresses to stay connected with: of the members whose death this process has to notice (the leader all, the
    /// others the leader and those who would follow it), and of the voters of lineages that it has to know the end of.
    pub fn watched(&self) -> Vec<SocketAddr> {
        let view = self.member.view().into_iter();
        let members = view.flat_map(|view| health::connected_by(self.member.uid(), view)).map(|member| member.address);
        let mut watched: Vec<SocketAddr> = members.chain(self.awaited()).collect();
        watched.sort_unstable();
        watched.dedup();
        watched.retain(|address| *address != self.config.core.address);
        watched
    }

    /// Processes whose death is to be told by [`Self::died`], where it can be proved here: the other members, as far as
    /// they have said which processes they are, and those that others have asked about.
    pub fn processes(&self) -> Vec<(Uid, ProcessIdentity)> {
        let others = self.member.view().into_iter().flat_map(|view| &view.members);
        let others = others.filter(|m| m.uid != self.member.uid()).filter_map(|m| Some((m.uid, m.process?)));
        let mut processes: Vec<(Uid, ProcessIdentity)> = others.chain(self.meeting.doubted()).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// The other servers of the group's name that have been seen, members or not.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Known<u64>> {
        self.directory.servers()
    }

    /// Those who vote in a lineage that this process has heard of, as far as it knows: where nobody knows them, nobody
    /// can know that it is over. `None` if they are not all known.
    pub fn known_voters(&self, gid: Gid) -> Option<Vec<(Uid, SocketAddr)>> {
        let voters = self.lineages.get(gid)?.voters.as_ref()?.all()?;
        Some(voters.iter().map(|seat| (seat.uid, seat.address)).collect())
    }

    /// Counters since the start, or since the change to the present lineage.
    pub fn stats(&self) -> Stats {
        self.member.stats()
    }

    /// Why there is no progress, while there is none.
    pub fn blocked(&self) -> Option<&Blocked> {
        self.member.blocked().or(self.meeting.out())
    }

    /// When each other member was last heard.
    pub(crate) fn heard(&self) -> impl Iterator<Item = (Uid, Time)> {
        self.member.heard()
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
