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
    pub(crate) fn on_prepare(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, ballot: Ballot) {
        if ballot.round == 0 || ballot.node != who.node {
            return;
        }
        self.round_seen = self.round_seen.max(ballot.round);
        // For progress only: nobody unseats a leader that is heard.
        let heard = if self.is_leader() { !self.blocked_by_quorum() } else { !self.suspects_leader(cx) };
        let heard = heard && !self.planted.is(Bug::NoPreVote);
        let no = if ballot < self.promised {
            Some(Some(self.promised))
        } else {
            (heard && who != self.view.leader).then_some(None)
        };
        if let Some(promised) = no {
            let no = Control::PromiseNo { ballot, promised };
            return cx.tell(from, self.view.gid, self.view.vid, &no);
        }
        self.promise(cx, ballot);
        if self.is_leader() {
            self.accuse(cx);
        }
        let promise = self.promise_of(cx);
        cx.tell(from, self.view.gid, self.view.vid, &promise);
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
        self.round_seen = self.round_seen.max(ballot.round);
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
        if ballot.round > 0 {
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
        if let Some(objection) = self.view.objection(&next.view) {
            return self.stop(cx, format!("proposed view {} cannot follow mine: {objection}", next.view.vid));
        }
        // One who is left out may have more than the cut.
        let survives = next.view.contains(cx.config.uid);
        match self.order_at(cut) {
            Some((gseq, digest)) if (gseq, digest) == (next.view.gseq, next.cut_digest) => {}
            None if !survives => {}
            found => {
                return self.stop(cx, format!("the cut {cut} of view {} is not mine: {found:?}", self.view.vid));
            }
        }
        if self.accepted.as_ref().is_none_or(|(b, _)| *b != ballot) {
            self.trace_accepted(cx, ballot, &next);
            self.accepted = Some((ballot, next));
        }
        cx.tell(from, self.view.gid, self.view.vid, &Control::Accepted { ballot });
    }

    /// Notes down that this process is bound to a value, and how much of what it ends is unstable still.
    pub(super) fn trace_accepted(&self, cx: &mut Context, ballot: Ballot, next: &Next) {
        let unstable = next.cut().saturating_sub(self.stable);
        cx.trace(|| Trace::Accepted { ballot, next: Box::new(next.clone()), unstable });
    }

    /// Whether it is decided what ends this view.
    pub(crate) fn is_over(&self) -> bool {
        self.installing.is_some()
    }

    /// Tells one who still tries to end this view what has been decided.
    pub(crate) fn tell_what_ends(&self, cx: &mut Context, to: SocketAddr) {
        if let Some((next, snapshot, _)) = &self.installing {
            self.tell_end(cx, to, next, snapshot);
        }
    }
}
