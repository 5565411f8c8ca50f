//! The leader's step: giving every frame its place in the order, and multicasting it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::context::Context;
use crate::event::Trace;
use crate::id::Fseq;
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::timers::Timer;
use crate::transmit::{Destination, Transmit, write_train};
use crate::wire::{Frame, Kind};

/// Frames of one member stamped before the next member's turn.
const QUANTUM: usize = 16;
/// First repeat of the status after the last frame; each further one comes after twice the time.
const TAIL: Duration = Duration::from_millis(2);

/// Frames of one member that wait for an earlier one, or for the window; ordered by place.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Hold {
    frames: VecDeque<Frame>,
    charge: u64,
}

/// What only the leader has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sequencer {
    /// Last frame multicast.
    pub(crate) sent: Fseq,
    /// Parallel to the member list.
    hold: Vec<Hold>,
    /// Whole length of the message each member has left unfinished.
    open: Vec<u32>,
    /// Whose turn it is.
    turn: usize,
    /// Charge up to which the window is open, since the log began.
    pub(crate) limit: u64,
    /// Who sets it.
    pub(crate) limiting: usize,
    /// The last frames that wait for `safe`, and for `stable`.
    pub(crate) wants_safe: Fseq,
    pub(crate) wants_stable: Fseq,
    /// What everybody has been told.
    pub(crate) told_safe: Fseq,
    pub(crate) told_stable: Fseq,
    /// The status is to be repeated, and acks asked for.
    pub(crate) heartbeat_due: bool,
    /// Frames wait although they could be ordered, because of the window or of a large message under way.
    held_back: bool,
    pub(crate) tail: Duration,
    pub(crate) multicast_at: crate::time::Time,
}

impl Sequencer {
    pub(crate) fn new(at: Fseq, members: usize) -> Self {
        Self {
            sent: at,
            hold: vec![Hold::default(); members],
            open: vec![0; members],
            turn: 0,
            limit: 0,
            limiting: 0,
            wants_safe: 0,
            wants_stable: 0,
            told_safe: at,
            told_stable: 0,
            heartbeat_due: true,
            held_back: false,
            tail: TAIL,
            multicast_at: crate::time::Time::ZERO,
        }
    }

    /// Whether some large message is stamped in part.
    pub(crate) fn any_open(&self) -> bool {
        self.open.iter().any(|total| *total > 0)
    }

    /// Takes over what another one has on hold.
    pub(crate) fn keep_hold(&mut self, former: Self) {
        self.hold.iter_mut().zip(former.hold).for_each(|(hold, kept)| *hold = kept);
    }

    /// Charge of all frames on hold.
    pub(crate) fn held(&self) -> u64 {
        self.hold.iter().map(|h| h.charge).sum()
    }
}

impl Membership {
    /// A member's FORWARD datagram has arrived.
    pub(crate) fn on_forward(&mut self, cx: &mut Context, index: usize, body: Bytes) {
        let (gid, vid) = (self.view.gid, self.view.vid);
        let origin = self.view.members[index].uid;
        // The sender may use twice its credit: frames on the way, and the same ones repeated.
        let cap = 2 * self.window_charge();
        let Some(sequencer) = &mut self.sequencer else { return };
        if self.proposal.is_some() || self.promised.round > 0 {
            return;
        }
        let mut body = self.kept.copy(&body);
        loop {
            let frame = match Frame::decode(&mut body, &cx.config.limits) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(_) => {
                    cx.stats.bad_frames += 1;
                    return;
                }
            };
            let next = self.next[index];
            if frame.header.vid != vid || frame.header.origin != origin {
                cx.stats.bad_frames += 1;
            } else if self.planted.is(Bug::NoDuplicateCheck) {
                sequencer.hold[index].insert(frame, cap, cx);
            } else if frame.end <= next {
                cx.stats.duplicates += 1;
                cx.trace(|| Trace::Repeated { gid, vid, sender: origin, sseq: frame.header.first.sseq });
            } else if frame.header.first < next {
                cx.stats.bad_frames += 1;
            } else {
                sequencer.hold[index].insert(frame, cap, cx);
            }
        }
    }

    /// Gives places to all that wait, in turns, while the window is open.
    pub(crate) fn pump(&mut self, cx: &mut Context) {
        self.meet_quorum();
        // I3: nothing is stamped once this view is being ended.
        let ending = (self.proposal.is_some() && !self.planted.is(Bug::StampsAfterProposing))
            || self.is_wedged()
            || self.ending.is_some();
        let closed = ending || self.is_unsettled() || self.stage == Stage::Gone;
        if self.sequencer.is_none() || closed || self.blocked_by_quorum() || self.too_few_vote() {
            return;
        }
        let members = self.view.members.len();
        let mut expired = Vec::new();
        let mut idle = 0;
        while idle < members {
            let Some(sequencer) = &mut self.sequencer else { break };
            let index = sequencer.turn % members;
            sequencer.turn = index + 1;
            let stamped = (0..QUANTUM).take_while(|_| self.stamp_next(cx, index, &mut expired)).count();
            idle = if stamped == 0 { idle + 1 } else { 0 };
        }
        self.report_expired(cx, expired);
    }

    /// Stamps the next frame of member `index`, if there is one and it may be.
    fn stamp_next(&mut self, cx: &mut Context, index: usize, expired: &mut Vec<u64>) -> bool {
        let own = self.view.members[index].uid == cx.config.uid;
        let room = self.view.params.frame_room();
        let Some(sequencer) = &mut self.sequencer else { return false };
        let (charge, opens) = if own {
            if !self.pending.wants_packing() {
                return false;
            }
            ((2 * u64::from(self.view.params.datagram)).max(1024), self.pending.opens(room))
        } else {
            match sequencer.hold[index].frames.front() {
                Some(frame)
                    if frame.header.first == self.next[index]
                        || self.planted.is(Bug::ForwardsOutOfOrder)
                        || self.planted.is(Bug::NoDuplicateCheck) =>
                {
                    (frame.charge(), frame.open)
                }
                _ => return false,
            }
        };
        if self.log.charge() + charge > sequencer.limit {
            sequencer.held_back = true;
            return false;
        }
        // A large message starts only when there is room for it beside all that are under way (4.5).
        let others: u64 = (0..sequencer.open.len()).filter(|i| *i != index).map(|i| u64::from(sequencer.open[i])).sum();
        if sequencer.open[index] == 0 && opens > 0 && others + u64::from(opens) > self.view.params.reassembly {
            sequencer.held_back = true;
            return false;
        }
        let mut frame = if own {
            match self.pending.pack(cx.config.uid, self.view.vid, room, &cx.config.limits, expired) {
                Some(frame) => frame,
                None => return false,
            }
        } else {
            let twice =
                sequencer.hold[index].frames.front().cloned().filter(|_| self.planted.is(Bug::HoldStampedTwice));
            let frame = sequencer.hold[index].pop();
            sequencer.hold[index].frames.extend(twice);
            frame
        };
        sequencer.open[index] = frame.open;
        sequencer.held_back = false;
        frame.header.fseq = self.log.have() + 1;
        frame.header.gseq = self.next_gseq;
        let header = frame.header;
        if header.flags.wants_safe() {
            sequencer.wants_safe = header.fseq;
        }
        if header.flags.wants_stable() {
            sequencer.wants_stable = header.fseq;
        }
        if self.accepted.is_some() || self.is_wedged() {
            // I3.
            self.stop(cx, format!("frame {} was stamped after what ends view {}", header.fseq, self.view.vid));
            return false;
        }
        cx.stats.stamped += 1;
        let gid = self.view.gid;
        cx.trace(|| Trace::Stamp {
            gid,
            vid: header.vid,
            fseq: header.fseq,
            gseq: header.gseq,
            count: header.count,
            sender: header.origin,
            sseq: header.first.sseq,
        });
        self.log.insert(frame);
        self.fold(cx);
        if self.view.members.len() == 1 {
            self.sequencer.as_mut().expect("leader").sent = self.log.have();
            self.recount(cx);
        }
        true
    }

    /// Writes the next train of ORDERED frames.
    pub(crate) fn transmit_ordered(
        &mut self,
        cx: &mut Context,
        max_segments: usize,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let sequencer = self.sequencer.as_ref().filter(|_| !self.is_wedged())?;
        let from = sequencer.sent + 1;
        self.log.frame(from)?;
        let (safe, stable) = (self.safe, self.stable);
        let template = self.envelope(cx, Kind::Ordered, [0; 3]);
        let frames = (from..=self.log.have()).map_while(|fseq| self.log.frame(fseq));
        let datagram = usize::from(self.view.params.datagram);
        let (count, segment_size) = write_train(out, datagram, max_segments, frames, |last| {
            let mut envelope = template;
            // Nobody can know yet that what follows is stored, though by the leader's own vote it may count as safe.
            let last = last.header.fseq;
            envelope.status = [last, safe.min(last), stable.min(last)];
            envelope
        });
        self.sequencer.as_mut().expect("leader").sent += count as u64;
        self.copy(cx, out, segment_size);
        self.status_told(cx);
        Some(Transmit { destination: Destination::Data, segment_size })
    }

    /// Writes a bare status when somebody waits for it.
    pub(crate) fn transmit_status(&mut self, cx: &mut Context, out: &mut Vec<u8>) -> Option<Transmit> {
        let unsettled = self.is_unsettled();
        let sequencer = self.sequencer.as_mut()?;
        let news = sequencer.told_safe < self.safe.min(sequencer.wants_safe)
            || sequencer.told_stable < self.stable.min(sequencer.wants_stable);
        if !news && !sequencer.heartbeat_due {
            return None;
        }
        let held = unsettled || sequencer.held_back || (self.proposal.is_some() && self.promised.round == 0);
        let kind = match std::mem::take(&mut sequencer.heartbeat_due) {
            true if held => Kind::Held,
            true => Kind::Heartbeat,
            false => Kind::Ordered,
        };
        let sent = sequencer.sent;
        let status = [sent, self.safe.min(sent), self.stable.min(sent)];
        if self.view.members.len() == 1 {
            self.status_told(cx);
            return None;
        }
        let envelope = self.envelope(cx, kind, status);
        let notes = (kind != Kind::Ordered).then(|| self.leader_notes(cx));
        envelope.encode(out, |out| notes.into_iter().for_each(|notes| notes.encode(out)));
        self.copy(cx, out, out.len());
        let tail = self.sequencer.as_ref().expect("leader").tail;
        self.status_told(cx);
        if kind != Kind::Ordered {
            // Repeats come further and further apart, down to the ordinary heartbeat.
            self.arm_tail(cx, tail * 2);
        }
        Some(Transmit { destination: Destination::Data, segment_size: out.len() })
    }

    fn status_told(&mut self, cx: &mut Context) {
        let (safe, stable) = (self.safe, self.stable);
        let sequencer = self.sequencer.as_mut().expect("leader");
        let sent = sequencer.sent;
        (sequencer.told_safe, sequencer.told_stable) = (safe.min(sent), stable.min(sent));
        sequencer.multicast_at = cx.now;
        self.arm_tail(cx, TAIL);
    }

    fn arm_tail(&mut self, cx: &mut Context, after: Duration) {
        let heartbeat = cx.config.timing.heartbeat;
        let sequencer = self.sequencer.as_mut().expect("leader");
        sequencer.tail = after.min(heartbeat);
        if after < heartbeat {
            cx.timers.set(Timer::Tail, cx.now + after);
        } else {
            cx.timers.stop(Timer::Tail);
        }
    }

    /// Nothing has been multicast for a while: repeat the status, in case the last frames or their
    /// acks were lost (4.2).
    pub(crate) fn on_tail_timer(&mut self) {
        let serves = !self.blocked_by_quorum();
        if let Some(sequencer) = &mut self.sequencer {
            sequencer.heartbeat_due |= serves;
        }
    }
}

impl Hold {
    fn insert(&mut self, frame: Frame, cap: u64, cx: &mut Context) {
        let first = frame.header.first;
        let at = self.frames.iter().rposition(|f| f.header.first <= first).map_or(0, |i| i + 1);
        if at > 0 && self.frames[at - 1].header.first == first {
            cx.stats.duplicates += 1;
        } else {
            let full =
                |hold: &Self| hold.frames.len() >= cx.config.limits.hold_frames || hold.charge + frame.charge() > cap;
            // What is next goes before what has to wait for it.
            while full(self) && self.frames.len() > at {
                self.charge -= self.frames.pop_back().map_or(0, |last| last.charge());
                cx.stats.overflow += 1;
            }
            if full(self) {
                return cx.stats.overflow += 1;
            }
            self.charge += frame.charge();
            self.frames.insert(at, frame);
        }
    }

    fn pop(&mut self) -> Frame {
        let frame = self.frames.pop_front().expect("seen by the caller");
        self.charge -= frame.charge();
        frame
    }
}
