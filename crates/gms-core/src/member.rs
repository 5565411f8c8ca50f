//! The machine as its user sees it: input and time go in, datagrams and events come out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::{Suspicion, Unordered};
use crate::context::Context;
use crate::event::{Blocked, Event, Trace};
use crate::id::Uid;
use crate::input::Input;
use crate::join::{Joiner, Joining, Start};
use crate::membership::{Membership, Stage};
use crate::params::{Config, ParamsError};
use crate::stats::Stats;
use crate::time::Time;
use crate::timers::Timer;
use crate::transmit::Transmit;
use crate::view::View;
use crate::wire::{Addressing, Control, Envelope, EnvelopeError, Kind, Level};

/// Why a message was not accepted. It has no number and was not sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// Own messages that wait to be ordered fill their share. Try again when some are delivered.
    #[error("too many own messages wait to be ordered: try again when some are delivered")]
    Full,
    /// Over the group's limit.
    #[error(
        "the message has {len} bytes, the group's limit is {limit}: split it, or create the group with a larger message limit"
    )]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        limit: u32,
    },
    /// Not a member (yet, or any more).
    #[error("not a member of a group: join first")]
    NotMember,
}

/// Bytes held and their caps (P22).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Memory {
    /// Bytes held in queues and tables, as charged against the caps.
    pub used: u64,
    /// Sum of the caps.
    pub cap: u64,
}

/// A member of a group, without sockets, clock or threads. Feed it with [`handle`](Self::handle) and
/// [`send`](Self::send); after either, empty [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), and come back at [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    cx: Context,
    phase: Phase,
    /// Events taken out of the order by [`Self::poll_event`] and not returned yet.
    ready: std::collections::VecDeque<Event>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Joining(Joiner),
    In(Box<Membership>),
    Out,
}

impl Member {
    /// A process that starts at `now`. Fails when its settings contradict each other.
    pub fn new(mut config: Config, start: Start, now: Time) -> Result<Self, ParamsError> {
        config.params.heartbeat = config.timing.heartbeat.as_millis() as u32;
        config.params.check()?;
        let mut cx = Context::new(config);
        cx.now = now;
        let phase = match start {
            Start::Create => Phase::In(Box::new(Membership::create(&mut cx))),
            Start::Join(contacts) => Phase::Joining(Joiner::new(&mut cx, contacts)),
        };
        Ok(Self { cx, phase, ready: Default::default() })
    }

    /// Takes one input in. Never blocks, never fails: what is wrong with a datagram is counted in
    /// [`Stats`].
    pub fn handle(&mut self, now: Time, input: Input) {
        self.cx.now = self.cx.now.max(now);
        match input {
            Input::Datagram { from, datagram } => self.receive(from, datagram),
            Input::Tick => {}
            Input::Create { min_voters } => self.create(min_voters),
            Input::Suspect { who, checks } => {
                let silent = Suspicion::Silent { at: self.cx.now, checks };
                self.inside(|m, cx| m.suspect(cx, who, silent));
            }
            Input::Closed(who) => self.inside(|m, cx| m.on_closed(cx, who)),
            Input::Dead(who) => self.inside(|m, cx| m.on_death(cx, who)),
            Input::Trust(who) => self.inside(|m, cx| m.trust(cx, who)),
            Input::Paused => self.inside(|m, cx| m.on_pause(cx)),
            Input::CannotSend(cannot) => self.inside(|m, cx| m.note_cannot_send(cx, cannot)),
            Input::Stand => self.inside(|m, cx| m.stand(cx)),
            Input::Settle(why) => self.inside(|m, cx| m.on_settle(cx, why)),
            Input::Return => self.inside(|m, cx| m.on_return(cx)),
            Input::Dissolve { into, history } => self.inside(|m, cx| m.on_dissolve(cx, into, history)),
            Input::Exclude(who) => self.inside(|m, cx| m.on_exclude(cx, who)),
            Input::Transfer(to) => self.inside(|m, cx| m.on_transfer(cx, to)),
            Input::Forsake => self.inside(|m, cx| m.on_excluded(cx)),
            Input::Overtaken(by) => self.inside(|m, cx| m.on_overtaken(cx, by)),
            Input::Late(millis) => self.cx.late = millis,
            Input::Carries(largest) => {
                self.cx.config.largest = largest;
                self.inside(|m, cx| m.look_at_interface(cx));
            }
            Input::Contact(address) => {
                if let Phase::Joining(joiner) = &mut self.phase {
                    joiner.meet(address);
                }
            }
            Input::Leave => self.leave(),
            Input::Abandon => self.abandon(),
        }
        self.run_timers();
    }

    /// Accepts a message from the application and returns its number; the outcome follows as
    /// [`Event::Outcome`]. The error says why it was not accepted, and nothing has happened then.
    pub fn send(&mut self, now: Time, payload: Bytes, level: Level, addressing: Addressing) -> Result<u64, SendError> {
        self.cx.now = self.cx.now.max(now);
        let Phase::In(m) = &mut self.phase else { return Err(SendError::NotMember) };
        if m.stage != Stage::Member {
            return Err(SendError::NotMember);
        }
        let limit = m.view.params.message_limit;
        if payload.len() > limit as usize {
            return Err(SendError::TooLarge { len: payload.len(), limit });
        }
        if m.pending.bytes() >= self.cx.config.pending {
            return Err(SendError::Full);
        }
        // What is ordered and only waits for its delivery does not wait for the leader.
        if !m.pending.awaits_order() && !m.pending.wants_packing() {
            m.progress = self.cx.now;
        }
        // What a session has been told to be ordered may not be lost: all that follows in it would be one short.
        let level = if addressing.session.is_some() { level.max(Level::Uniform) } else { level };
        let (copy, Addressing { only_in_view, to, session }) = (payload.clone(), addressing.clone());
        let sseq = m.pending.push(payload, level, addressing);
        self.cx.trace(|| Trace::Send { sseq, level, payload: copy, only_in_view, to, session });
        Ok(sseq)
    }

    /// Whether [`Self::send`] would find room.
    pub fn has_room(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.stage == Stage::Member && m.pending.bytes() < self.cx.config.pending)
    }

    /// Writes the next train of datagrams into `out` (which must be empty), of at most
    /// `max_segments` datagrams; `None` when there is nothing to send now.
    pub fn poll_transmit(&mut self, now: Time, max_segments: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        debug_assert!(out.is_empty());
        self.cx.now = self.cx.now.max(now);
        let cx = &mut self.cx;
        if let Phase::In(m) = &mut self.phase {
            m.transmit_nack(cx);
        }
        if let Some(outgoing) = cx.outbox.pop_front() {
            out.extend_from_slice(&outgoing.datagram);
            return Some(Transmit { destination: outgoing.to, segment_size: out.len() });
        }
        let Phase::In(m) = &mut self.phase else { return None };
        if let Some(transmit) = m.transmit_copy(out) {
            return Some(transmit);
        }
        m.pump(cx);
        m.transmit_ordered(cx, max_segments, out)
            .or_else(|| m.transmit_forwards(cx, max_segments, out))
            .or_else(|| m.transmit_repairs(cx, max_segments, out))
            .or_else(|| m.transmit_status(cx, out))
            .or_else(|| m.transmit_ack(cx, out))
    }

    /// The next event; `None` when there is none now. Messages leave the log only here, so not
    /// asking is how an application holds its senders back.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.ready.is_empty() {
            let mut batch = Vec::new();
            self.poll_events(&mut batch, 1);
            self.ready.extend(batch);
        }
        self.ready.pop_front()
    }

    /// Appends the next events to `out`, until there are none or messages of about `room` bytes have
    /// been added. Returns those bytes: payloads and 64 for each message.
    pub fn poll_events(&mut self, out: &mut Vec<Event>, room: usize) -> usize {
        out.extend(self.ready.drain(..));
        out.extend(self.cx.events.drain(..));
        let mut used = 0;
        if let Phase::In(m) = &mut self.phase {
            let had_room = m.log.kept();
            if !m.over {
                used = m.deliver(&mut self.cx, out, room);
                if m.stage != Stage::Gone && m.log.kept() < had_room {
                    m.has_freed(&mut self.cx);
                }
                m.finish(&mut self.cx, out);
            }
            out.extend(self.cx.events.drain(..));
        }
        used
    }

    /// When [`Self::handle`] must be called with [`Input::Tick`] at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.cx.timers.next()
    }

    /// The next event of protocol section 1, if [`Config::trace`] asks for them.
    pub fn poll_trace(&mut self) -> Option<Trace> {
        self.cx.traces.pop_front()
    }

    /// Who this is.
    pub fn uid(&self) -> Uid {
        self.cx.config.uid
    }

    /// The view this process is in; the application may have been told an older one yet.
    pub fn view(&self) -> Option<&Arc<View>> {
        match &self.phase {
            Phase::In(m) if m.stage != Stage::Gone => Some(&m.view),
            _ => None,
        }
    }

    /// Whether this process orders the messages of its view.
    pub fn is_leader(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.is_leader())
    }

    /// When each other member was last heard, for a failure detector. Any datagram is a sign of life.
    pub fn heard(&self) -> impl Iterator<Item = (Uid, Time)> {
        let membership = match &self.phase {
            Phase::In(m) if m.stage != Stage::Gone => Some(m),
            _ => None,
        };
        let me = self.cx.config.uid;
        let members = membership.into_iter().flat_map(|m| m.view.members.iter().zip(&m.peers));
        members.filter(move |(member, _)| member.uid != me).map(|(member, peer)| (member.uid, peer.heard))
    }

    /// How many milliseconds late other members have last said that they run.
    pub fn late(&self) -> impl Iterator<Item = (Uid, u16)> {
        let membership = match &self.phase {
            Phase::In(m) if m.stage != Stage::Gone => Some(m),
            _ => None,
        };
        let members = membership.into_iter().flat_map(|m| m.view.members.iter().zip(&m.peers));
        members.map(|(member, peer)| (member.uid, peer.late))
    }

    /// Whether it is in a view whose messages are being ordered at present: it leads and hears a quorum, or hears one
    /// that leads.
    pub fn serves(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.serves(&self.cx))
    }

    /// Whether these could decide what ends its view, if nobody else ever comes back. `bound` are those of them that have
    /// accepted the same next view as this process: see [`Self::next_view`].
    pub fn could_end_view(&self, present: &[Uid], bound: &[Uid]) -> bool {
        matches!(&self.phase, Phase::In(m) if m.could_end_view(present, bound))
    }

    /// Whether `who` is a member of this view, and reached at `from`. Counted in [`Stats::wrong_address`] if it is a
    /// member and is not: for the layers beside this one, whose datagrams come in the name of members, too.
    pub fn is_member_at(&mut self, who: Uid, from: SocketAddr) -> bool {
        let Phase::In(m) = &mut self.phase else { return false };
        m.stage != Stage::Gone && m.view.contains(who) && m.comes_from_its_address(&mut self.cx, who, from)
    }

    /// Whether this process is no leader that has lost its quorum.
    pub fn has_quorum(&self) -> bool {
        !matches!(&self.phase, Phase::In(m) if m.blocked_by_quorum())
    }

    /// Whether the group waits for somebody to propose what ends the view, because a quorum takes the leader to be
    /// dead, and this process may: elect one among those who may, who is then told [`Input::Stand`].
    pub fn needs_proposer(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.needs_proposer(&self.cx))
    }

    /// Whether this process proposes what ends the view, because the leader cannot.
    pub fn is_candidate(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.is_candidate())
    }

    /// At a follower of a group with multicast: whether the leader is heard, and none of it by multicast.
    pub fn hears_no_multicast(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.hears_no_multicast(&self.cx))
    }

    /// Whether what is for all of a view has to go to each by unicast, too: multicast fails for some, or the leader has been
    /// accused for longer than it takes to replace one.
    pub fn multicast_may_be_dead(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.multicast_may_be_dead(&self.cx))
    }

    /// Whether some members get what is multicast by unicast, for it does not reach them.
    pub fn multicast_fails(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.multicast_fails(&self.cx))
    }

    /// Whether this process takes that member of its view to be dead.
    pub fn suspects(&self, who: Uid) -> bool {
        matches!(&self.phase, Phase::In(m) if m.view.index_of(who).is_some_and(|index| m.is_suspect(&self.cx, index)))
    }

    /// Whether this process takes its leader to be dead, or of no use.
    pub fn suspects_leader(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.suspects_leader(&self.cx))
    }

    /// Whether this process has proof that a member of its view is dead.
    pub fn is_proved_dead(&self, who: Uid) -> bool {
        matches!(&self.phase, Phase::In(m) if m.dead.contains(&who))
    }

    /// When another member last said, in this view, that the leader is dead: reason to find out.
    pub fn accused(&self) -> Option<Time> {
        match &self.phase {
            Phase::In(m) => m.accused,
            _ => None,
        }
    }

    /// Whether anything but views was ordered in its lineage, as far as this process knows.
    pub fn has_history(&self) -> bool {
        matches!(&self.phase, Phase::In(m) if m.has_history())
    }

    /// The latest view that this process knows to follow its own, or has accepted.
    pub fn next_view(&self) -> Option<&View> {
        let Phase::In(m) = &self.phase else { return None };
        let ending = m.ending.as_ref().map(|ending| &ending.next.view);
        ending.or(m.accepted.as_ref().map(|(_, next)| &next.view))
    }

    /// Own messages that were not ordered when the lineage ended in favour of another one ([`Event::Dissolved`]): they
    /// go on in the next life of this process. And the numbers of those that were bound to a view of that lineage: the
    /// caller tells the application that they are not ordered, for no event of this member will.
    pub fn take_unordered(&mut self) -> (Vec<Unordered>, Vec<u64>) {
        match &mut self.phase {
            Phase::In(m) => m.take_unordered(&mut self.cx),
            _ => Default::default(),
        }
    }

    /// When a member last answered the request to join: there is a group.
    pub fn answered(&self) -> Option<Time> {
        match &self.phase {
            Phase::Joining(joiner) => joiner.answered,
            _ => None,
        }
    }

    /// While it joins: bytes of datagrams that do not get through between this process and the leader at this address,
    /// though smaller ones do.
    pub fn too_large(&self) -> Option<(u16, SocketAddr)> {
        match &self.phase {
            Phase::Joining(joiner) => joiner.too_large(),
            _ => None,
        }
    }

    /// When the leader was last heard, at a follower.
    pub fn leader_heard(&self) -> Option<Time> {
        let Phase::In(m) = &self.phase else { return None };
        let leader = m.view.index_of(m.view.leader)?;
        (m.stage != Stage::Gone && !m.is_leader()).then(|| m.peers[leader].heard)
    }

    /// Whether this process still looks for a way in.
    pub fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining(_))
    }

    /// Counters since the start.
    pub fn stats(&self) -> Stats {
        self.cx.stats
    }

    /// Why there is no progress, while there is none.
    pub fn blocked(&self) -> Option<&Blocked> {
        match &self.phase {
            Phase::In(m) => m.blocked.as_ref(),
            _ => None,
        }
    }

    /// Last frame stored densely here, by a quorum, and by all: `(have, safe, stable)`.
    pub fn progress(&self) -> (u64, u64, u64) {
        match &self.phase {
            Phase::In(m) => (m.log.have(), m.safe, m.stable),
            _ => (0, 0, 0),
        }
    }

    /// Bytes held now, and what they may be at most. One message may exceed the room for own
    /// messages: it is accepted whole as long as there is any.
    pub fn memory(&self) -> Memory {
        let Phase::In(m) = &self.phase else { return Memory { used: 0, cap: 0 } };
        let params = &m.view.params;
        let held = m.sequencer.as_ref().map_or(0, |s| s.held());
        let early: u64 = m.early.iter().map(|e| e.len() as u64).sum();
        let used = m.pending.bytes() as u64
            + m.pending.in_flight()
            + m.log.used()
            + held
            + m.delivery.partial_bytes() as u64
            + m.sessions.bytes()
            + early;
        let window = m.window_charge();
        let members = m.view.members.len() as u64;
        let own = self.cx.config.pending as u64 + u64::from(params.message_limit);
        let cap = own
            + window
            + (m.store_cap() + 2 * window)
            + m.sessions.cap()
            + members * 2 * window
            + params.reassembly
            + self.cx.config.limits.early_datagrams as u64 * u64::from(params.datagram);
        Memory { used, cap }
    }

    fn create(&mut self, min_voters: u16) {
        if let Phase::Joining(_) = self.phase {
            let params = &mut self.cx.config.params;
            params.min_voters = params.min_voters.max(min_voters);
            self.cx.timers.stop(Timer::Request);
            self.phase = Phase::In(Box::new(Membership::create(&mut self.cx)));
        }
    }

    fn inside(&mut self, act: impl FnOnce(&mut Membership, &mut Context)) {
        if let Phase::In(m) = &mut self.phase {
            act(m, &mut self.cx);
        }
    }

    fn leave(&mut self) {
        let cx = &mut self.cx;
        match &mut self.phase {
            Phase::Joining(_) => {
                self.phase = Phase::Out;
                cx.timers.stop_all();
                cx.events.push_back(Event::Left { released: true });
            }
            Phase::In(m) if m.stage == Stage::Member => {
                m.stage = Stage::Leaving;
                m.leave_attempt += 1;
                cx.timers.set(Timer::Request, cx.now);
            }
            _ => {}
        }
    }

    fn abandon(&mut self) {
        let cx = &mut self.cx;
        match &mut self.phase {
            Phase::In(m) if !m.over => m.abandon(cx),
            Phase::In(_) | Phase::Out => {}
            Phase::Joining(_) => {
                self.phase = Phase::Out;
                cx.timers.stop_all();
                cx.events.push_back(Event::Left { released: false });
            }
        }
    }

    fn run_timers(&mut self) {
        let now = self.cx.now;
        while let Some(timer) = self.cx.timers.take_due(now) {
            match &mut self.phase {
                Phase::Joining(joiner) => joiner.on_timer(&mut self.cx),
                Phase::In(m) => m.on_timer(&mut self.cx, timer),
                Phase::Out => {}
            }
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: Bytes) {
        let cx = &mut self.cx;
        let (envelope, body) = match Envelope::decode(datagram, &cx.config.limits) {
            Ok(read) => read,
            Err(EnvelopeError::Foreign) => return cx.stats.foreign += 1,
            Err(EnvelopeError::Version(_)) => return cx.stats.other_version += 1,
            Err(EnvelopeError::Length | EnvelopeError::Oversized) => return cx.stats.malformed += 1,
            Err(EnvelopeError::Corrupted) => return cx.stats.corrupted += 1,
        };
        if envelope.sender == cx.config.uid {
            return;
        }
        match &mut self.phase {
            Phase::In(m) => m.receive(cx, from, envelope, body),
            Phase::Joining(joiner) => {
                if envelope.kind != Kind::Control as u8 {
                    return;
                }
                let Ok(control) = Control::decode(&body, &cx.config.limits) else { return cx.stats.malformed += 1 };
                match joiner.on_control(cx, envelope.gid, from, control) {
                    Joining::Waiting => {}
                    Joining::In(membership) => {
                        cx.timers.stop(Timer::Request);
                        self.phase = Phase::In(membership);
                    }
                    Joining::Refused(refusal) => {
                        cx.timers.stop_all();
                        cx.events.push_back(Event::Refused(refusal));
                        self.phase = Phase::Out;
                    }
                }
            }
            Phase::Out => {}
        }
    }
}
