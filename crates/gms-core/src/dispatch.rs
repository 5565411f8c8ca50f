//! Sorting what arrives, and what falls due, to the file whose subject it is.

use std::cmp::Ordering;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::change::{LEARNED, Promise, Says};
use crate::context::Context;
use crate::id::{Gid, Uid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::timers::Timer;
use crate::wire::{Control, Envelope, Kind};

/// A datagram of the next view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Early {
    from: SocketAddr,
    envelope: Envelope,
    body: Bytes,
}

impl Early {
    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }
}

impl Membership {
    /// Sorts a datagram by lineage, sender and view (the rules on vid of protocol 3).
    pub(crate) fn receive(&mut self, cx: &mut Context, from: SocketAddr, envelope: Envelope, body: Bytes) {
        let Some(kind) = Kind::from_byte(envelope.kind) else { return cx.stats.malformed += 1 };
        if kind == Kind::Control {
            match Control::decode(&body, &cx.config.limits) {
                Ok(control) => self.on_control(cx, from, envelope, control),
                Err(_) => cx.stats.malformed += 1,
            }
            return;
        }
        if envelope.gid != self.view.gid {
            return cx.stats.strangers += 1;
        }
        if !self.comes_from_its_address(cx, envelope.sender, from) || !self.fits_the_group(cx, body.len()) {
            return;
        }
        if self.stage == Stage::Gone {
            return self.answer_for_the_past(cx, envelope.sender, from, envelope.vid);
        }
        if self.planted.is(Bug::FrameWithoutItsView) && kind == Kind::Ordered && envelope.sender != self.view.leader {
            return self.on_repair(cx, body);
        }
        let sender = self.view.index_of(envelope.sender);
        if let Some(index) = sender {
            self.peers[index].heard = cx.now;
            if kind == Kind::Repair {
                return self.on_repair(cx, body);
            }
        }
        match envelope.vid.cmp(&self.view.vid) {
            Ordering::Less => {
                return match sender {
                    Some(index) if !self.may_tell(cx, index) => {}
                    Some(_) => self.tell_successor(cx, envelope.sender, from, envelope.vid),
                    None => self.tell_one_outside(cx, envelope.sender, from, envelope.vid),
                };
            }
            Ordering::Greater => {
                self.keep_early(cx, from, envelope, &body);
                return self.seek_after(cx, envelope.sender, from);
            }
            Ordering::Equal => {}
        }
        let Some(index) = sender else { return cx.stats.strangers += 1 };
        self.is_here(cx, index);
        if !self.peers[index].arrived {
            self.peers[index].arrived = true;
            self.release_leavers(cx);
        }
        match kind {
            Kind::Ordered | Kind::Heartbeat | Kind::Held if envelope.sender == self.view.leader => {
                self.note_multicast(cx, envelope.is_copy());
                self.on_ordered(cx, kind, envelope.status, body)
            }
            Kind::Forward | Kind::Ack if self.is_leader() => {
                if self.follows_plausibly(cx, envelope.status) {
                    self.on_ack(cx, index, envelope.status);
                    self.on_forward(cx, index, body);
                }
            }
            Kind::Forward | Kind::Ack => {}
            _ => cx.stats.strangers += 1,
        }
    }

    /// Others are in the next view already, and its INSTALL has not come: what they send is kept for
    /// then, or a hand-over would begin with everything lost.
    fn keep_early(&mut self, cx: &mut Context, from: SocketAddr, envelope: Envelope, body: &Bytes) {
        let next = self.ending.as_ref().map(|ending| &ending.next.view);
        let is_member = self.view.contains(envelope.sender) || next.is_some_and(|next| next.contains(envelope.sender));
        if !is_member {
            cx.stats.strangers += 1;
        } else if envelope.vid == self.view.vid + 1 && self.early.len() < cx.config.limits.early_datagrams {
            self.early.push(Early { from, envelope, body: self.kept.copy(body) });
        } else {
            cx.stats.overflow += 1;
        }
    }

    /// The next view is installed: takes in what came for it before.
    pub(crate) fn take_early(&mut self, cx: &mut Context) {
        for Early { from, envelope, body } in std::mem::take(&mut self.early) {
            self.receive(cx, from, envelope, body);
        }
    }

    fn on_control(&mut self, cx: &mut Context, from: SocketAddr, envelope: Envelope, control: Control) {
        let who = envelope.sender;
        cx.steps.note(cx.now, envelope.vid, control.received(), from);
        match control {
            Control::JoinRequest(request) if self.stage != Stage::Gone => {
                return self.on_join_request(cx, from, &request);
            }
            Control::JoinProof { cookie, request, .. } if self.stage != Stage::Gone => {
                return self.on_join_proof(cx, from, cookie, request);
            }
            _ if envelope.gid != self.view.gid || envelope.gid == Gid::NONE => return cx.stats.strangers += 1,
            _ => {}
        }
        if !self.comes_from_its_address(cx, who, from) {
            return;
        }
        let index = self.view.index_of(who);
        if let Some(index) = index {
            self.peers[index].heard = cx.now;
        }
        let current = envelope.vid == self.view.vid;
        let from_leader = who == self.view.leader;
        if let (Some(index), Control::InstallAck { vid }) = (index, &control)
            && current
            && *vid == self.view.vid
        {
            self.is_here(cx, index);
        }
        match control {
            // What former members may ask, whatever their view (I10).
            Control::Nack { ranges } => self.on_nack(cx, who, from, envelope.vid, &ranges),
            Control::Install { next, snapshot } => match self.resolve(cx, envelope.vid, next) {
                Some(next) => self.on_install(cx, who, from, next, snapshot),
                None if envelope.vid > self.view.vid => self.seek_after(cx, who, from),
                None => {}
            },
            Control::InstallAck { vid } => self.on_install_ack(cx, who, from, vid),
            Control::Release { vid } => self.on_release(from, vid),
            // Only a later view can stand without me.
            Control::Excluded { who: out } if envelope.vid > self.view.vid && out == cx.config.uid => {
                self.hear(cx, who, from, Says::Out)
            }
            _ if self.stage == Stage::Gone => self.answer_for_the_past(cx, who, from, envelope.vid),
            // Whatever it is, PREPARE too: I may be needed where the sender is (a rule of protocol 3).
            _ if envelope.vid > self.view.vid && !matches!(control, Control::Gone { .. }) => {
                self.seek_after(cx, who, from)
            }
            Control::Gone { .. } if self.planted.is(Bug::GoneNotUnderstood) => {}
            Control::Gone { who: out, upto }
                if envelope.vid > self.view.vid && out == cx.config.uid && upto > self.log.have() =>
            {
                self.hear(cx, who, from, Says::Out);
            }
            // Among them VIEW_REQ; nobody learns anything from one who is behind.
            _ if envelope.vid < self.view.vid && index.is_some() => self.tell_successor(cx, who, from, envelope.vid),
            _ if envelope.vid < self.view.vid => self.tell_one_outside(cx, who, from, envelope.vid),
            Control::LeaveRequest { attempt } if current && index.is_some() && self.is_leader() => {
                self.on_leave(cx, who, attempt);
            }
            Control::LeaveRefused { attempt, min_voters }
                if current && from_leader && attempt == self.leave_attempt =>
            {
                self.stay(cx, min_voters);
            }
            // The rest is among the members of this view (I10).
            _ => match index {
                Some(index) if current => self.on_change_control(cx, index, who, from, control),
                _ => {}
            },
        }
    }

    /// What ends the view, among its members.
    fn on_change_control(&mut self, cx: &mut Context, index: usize, who: Uid, from: SocketAddr, control: Control) {
        match control {
            Control::Suspect { who: suspect, dead } => self.on_suspect(cx, index, suspect, &dead),
            // The end is known: they should know it too.
            Control::Prepare { .. } | Control::Accept { .. } if self.is_over() => self.tell_what_ends(cx, from),
            // A member that is said to have left the view is still in it.
            Control::ViewRequest if self.may_tell(cx, index) => {
                if self.is_over() {
                    self.tell_what_ends(cx, from);
                } else {
                    cx.tell(from, self.view.gid, self.view.vid, &Control::InstallAck { vid: self.view.vid });
                }
            }
            Control::SizeCheck { answer: true, .. } => self.note_size_check(cx, who),
            Control::SizeCheck { answer: false, padding } => {
                let answer = Control::SizeCheck { answer: true, padding };
                cx.tell(from, self.view.gid, self.view.vid, &answer);
            }
            Control::Prepare { ballot, carried } => self.on_prepare(cx, who, from, (ballot, carried)),
            Control::Promise { ballot, accepted, have, ranges, dead } => {
                let accepted = match accepted {
                    None => None,
                    Some((ballot, next)) => match self.resolve(cx, self.view.vid, next) {
                        Some(next) => Some((ballot, next)),
                        None => return cx.stats.malformed += 1,
                    },
                };
                self.on_promise(cx, index, ballot, Promise { accepted, have, ranges }, &dead);
            }
            Control::PromiseNo { ballot, promised } => self.on_promise_no(cx, index, ballot, promised),
            Control::Accept { ballot, next } => match self.resolve(cx, self.view.vid, next) {
                Some(next) => self.on_accept(cx, who, from, ballot, next),
                None => cx.stats.malformed += 1,
            },
            Control::Accepted { ballot } => self.on_accepted(cx, who, ballot),
            _ => {}
        }
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Context, timer: Timer) {
        match timer {
            Timer::Heartbeat => self.on_heartbeat_timer(cx),
            Timer::Ack => self.acks.due = true,
            Timer::Nack => self.on_nack_timer(cx),
            Timer::Forward => self.on_forward_timer(cx),
            Timer::Tail => self.on_tail_timer(),
            Timer::Change => self.consider(cx),
            Timer::Accept => self.on_accept_timer(cx),
            Timer::Watch => self.on_watch_timer(cx),
            Timer::Suspicion => self.accuse(cx),
            Timer::Candidacy => self.on_candidacy_timer(cx),
            Timer::Install => self.on_install_timer(cx),
            Timer::Request => self.on_leave_timer(cx),
        }
    }

    /// Asks for the leave once everything of mine is ordered and delivered.
    fn on_leave_timer(&mut self, cx: &mut Context) {
        if self.stage != Stage::Leaving {
            return;
        }
        let waits = self.pending.awaits_order() || self.pending.wants_packing();
        let learners_may_do = self.view.members.len() >= usize::from(self.view.params.min_voters)
            && cx.now - self.progress <= cx.config.timing.attempt.min(LEARNED);
        if self.too_few_vote() && waits && !learners_may_do {
            // Nothing of it will be ordered before others come: the leave is refused like any below `min_voters`.
            return self.stay(cx, self.view.params.min_voters);
        }
        if self.is_leader() {
            self.consider(cx);
        } else if self.pending.is_empty() {
            cx.tell(
                self.leader().address,
                self.view.gid,
                self.view.vid,
                &Control::LeaveRequest { attempt: self.leave_attempt },
            );
        }
        let again = cx.config.timing.repeat * 2;
        cx.timers.set(Timer::Request, cx.now + again);
    }
}
