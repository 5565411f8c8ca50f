//! A member's part in a change that somebody else proposes: PROMISE, which wedges it, and ACCEPTED
//! (protocol 5.1, 5.2).

use std::net::SocketAddr;

use crate::context::Context;
use crate::event::Trace;
use crate::id::{Ballot, Uid};
use crate::membership::Membership;
use crate::planted::Bug;
use crate::repair::Gaps;
use crate::timers::Timer;
use crate::view::Next;
use crate::wire::{Control, Successor};

/// An ACCEPT that waits for frames up to its cut.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Accepting {
    ballot: Ballot,
    pub(crate) next: Next,
    /// Who proposes, and where it is reached.
    from: SocketAddr,
}

impl Membership {
    /// Somebody stands for proposing what ends the view.
    pub(crate) fn on_prepare(
        &mut self,
        cx: &mut Context,
        who: Uid,
        from: SocketAddr,
        (ballot, carried): (Ballot, bool),
    ) {
        if ballot.round == 0 || ballot.node != who.node {
            return;
        }
        let no = if ballot < self.promised {
            Some(Some(self.promised))
        } else {
            // Where a quorum is bound already there is nothing left to defend: a follower that refused would be left out.
            let goes_along = carried && !self.is_leader();
            (!goes_along && self.defends_leader_against(cx, who)).then_some(None)
        };
        if let Some(promised) = no {
            let no = Control::PromiseNo { ballot, promised };
            return cx.tell(from, self.view.gid, self.view.vid, &no);
        }
        if !self.note_round(cx, ballot.round) {
            return;
        }
        self.promise(cx, ballot);
        if self.is_leader() {
            self.accuse(cx);
        }
        let promise = self.promise_of(cx);
        cx.tell(from, self.view.gid, self.view.vid, &promise);
    }

    /// For progress only: nobody unseats a leader that is heard.
    fn defends_leader_against(&self, cx: &Context, who: Uid) -> bool {
        let heard = if self.is_leader() { !self.blocked_by_quorum() } else { !self.suspects_leader(cx) };
        heard && who != self.view.leader && !self.planted.is(Bug::NoPreVote)
    }

    /// What this process says when it is bound to a ballot.
    pub(super) fn promise_of(&self, cx: &Context) -> Control {
        Control::Promise {
            ballot: self.promised,
            accepted: self.accepted.as_ref().map(|(ballot, next)| (*ballot, Successor::of(next, &self.view))),
            have: self.log.have(),
            ranges: self.log.runs_ahead(cx.config.limits.ranges),
            dead: self.dead.clone(),
        }
    }

    /// Binds this process to a ballot, for the rest of the view: from here on nothing of it is stored, acknowledged,
    /// delivered or stamped beyond what a cut needs.
    pub(super) fn promise(&mut self, cx: &mut Context, ballot: Ballot) {
        self.attempt_at = cx.now;
        if ballot == self.promised {
            return;
        }
        if !self.is_wedged() {
            self.gaps = Gaps::new(self.log.have());
            cx.timers.stop(Timer::Nack);
        }
        self.promised = ballot;
        // Whatever I proposed myself is somebody else's to finish, and what waits for its frames to be accepted under a
        // lower ballot never will be.
        (self.candidacy, self.proposal, self.accepting) = (None, None, None);
    }

    /// Somebody proposes what ends the view.
    pub(crate) fn on_accept(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, ballot: Ballot, next: Next) {
        let mine = self.proposal.is_some() && ballot == self.promised;
        let by_leader = ballot.round > 0 || who == self.view.leader;
        if next.view.vid != self.view.vid + 1
            || next.view.gid != self.view.gid
            || ballot.node != who.node
            || !by_leader
            || mine
        {
            return;
        }
        if ballot < self.promised {
            let no = Control::PromiseNo { ballot, promised: Some(self.promised) };
            return cx.tell(from, self.view.gid, self.view.vid, &no);
        }
        // Who proposes something has been promised, by a quorum, that it may; if not by this process, nobody waits for
        // it.
        let is_promised = ballot.round == 0 || ballot == self.promised;
        if !is_promised && self.defends_leader_against(cx, who) {
            return;
        }
        let twice = self.accepted.as_ref().is_some_and(|(before, value)| *before == ballot && *value != next);
        if !self.is_plausible_end(cx, &next) {
            return;
        }
        if twice {
            // One ballot, one value.
            return cx.stats.implausible_ends += 1;
        }
        if !is_promised {
            if !self.note_round(cx, ballot.round) {
                return;
            }
            self.promise(cx, ballot);
        }
        self.want_upto(next.cut(), from);
        self.accepting = Some(Accepting { ballot, next, from });
        self.after_storing(cx);
    }

    /// Everything up to this cut is needed, and is there.
    pub(crate) fn want_upto(&mut self, cut: u64, at: SocketAddr) {
        if self.is_wedged() {
            // What was wanted for another cut may be held by nobody.
            self.gaps.restart(self.log.have(), cut);
        }
        self.gaps.top = self.gaps.top.max(cut);
        self.gaps.source = Some(at);
    }

    /// Accepts what is proposed once everything up to its cut is stored (I4).
    pub(crate) fn accept_at_cut(&mut self, cx: &mut Context) {
        let Some(Accepting { next, .. }) = &self.accepting else { return };
        let cut = next.cut();
        if !self.log.holds_upto(cut) {
            return;
        }
        let Accepting { ballot, next, from } = self.accepting.take().expect("just seen");
        if !self.is_mine(cx, &next) {
            return self.deny(cx);
        }
        if self.accepted.as_ref().is_none_or(|(b, _)| *b != ballot) {
            self.trace_accepted(cx, ballot, &next);
            self.accepted = Some((ballot, next));
        }
        cx.tell(from, self.view.gid, self.view.vid, &Control::Accepted { ballot });
    }

    /// Whether the order up to the cut is the same as here. A member that is left out may have more than the cut.
    pub(super) fn is_mine(&self, cx: &Context, next: &Next) -> bool {
        match self.order_at(next.cut()) {
            Some(place) => place == (next.view.gseq, next.cut_digest),
            None => !next.view.contains(cx.config.uid),
        }
    }

    /// What somebody proposes contradicts the order here. Either one may be wrong: if it is decided all the same, a
    /// quorum says so. What is here beyond the part that is acknowledged may be what was wrong, and can be had again.
    pub(super) fn deny(&mut self, cx: &mut Context) {
        cx.stats.implausible_ends += 1;
        self.log.end_at(self.log.have());
    }

    /// Notes down that this process is bound to a value, and how much of what it ends is unstable still.
    pub(super) fn trace_accepted(&self, cx: &mut Context, ballot: Ballot, next: &Next) {
        let unstable = next.cut().saturating_sub(self.stable);
        cx.trace(|| Trace::Accepted { ballot, next: Box::new(next.clone()), unstable });
    }

    /// Whether it is decided what ends this view.
    pub(crate) fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Tells one who still tries to end this view what has been decided.
    pub(crate) fn tell_what_ends(&self, cx: &mut Context, to: SocketAddr) {
        if let Some(ending) = &self.ending {
            self.tell_end(cx, to, &ending.next, &ending.snapshot);
        }
    }
}
