//! A value on its way to being decided: ACCEPT to all, until quorums of both views are bound to it. The same for the
//! leader's own plan (ballot 0) and for a candidate's.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::id::{Ballot, Uid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Next, Role, View, ViewMember};
use crate::wire::{Control, Successor};

/// First repeat of an ACCEPT to those who have not answered.
const REPEAT: Duration = Duration::from_millis(10);

/// The value this process has proposed. While there is one, nothing is stamped any more in this view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Proposal {
    ballot: Ballot,
    next: Next,
    accepted: Vec<Uid>,
    since: Time,
    pause: Duration,
}

impl Proposal {
    pub(super) fn new(ballot: Ballot, next: Next, accepted: Vec<Uid>, since: Time) -> Self {
        Self { ballot, next, accepted, since, pause: REPEAT }
    }
}

impl Membership {
    /// Repeats what is proposed. A ballot that is not decided in time has to make way for a higher one: the
    /// leader cannot take back that it has stopped stamping.
    pub(crate) fn on_accept_timer(&mut self, cx: &mut Context) {
        // With fail-stop those who have accepted may suffice by now: who has not may be proved dead.
        let vid = self.view.vid;
        self.count_accepts(cx);
        let Some(proposal) = self.proposal.as_ref().filter(|_| self.stage != Stage::Gone && self.view.vid == vid)
        else {
            return;
        };
        if cx.now - proposal.since <= cx.config.timing.attempt {
            if self.is_wedged() {
                self.attempt_at = cx.now;
            }
            return self.send_accepts(cx);
        }
        if self.is_wedged() {
            return self.give_way(cx);
        }
        if self.blocked_by_quorum() {
            cx.timers.set(Timer::Accept, cx.now + cx.config.timing.heartbeat);
        } else {
            self.prepare(cx);
        }
    }

    pub(super) fn send_accepts(&mut self, cx: &mut Context) {
        let Some(proposal) = &mut self.proposal else { return };
        let me = cx.config.uid;
        let accept = Control::Accept { ballot: proposal.ballot, next: Successor::of(&proposal.next, &self.view) };
        for member in self.view.members.iter().filter(|m| m.uid != me && !proposal.accepted.contains(&m.uid)) {
            cx.tell(member.address, self.view.gid, self.view.vid, &accept);
        }
        cx.timers.set(Timer::Accept, cx.now + proposal.pause);
        proposal.pause = (proposal.pause * 2).min(cx.config.timing.heartbeat);
    }

    /// As a member I accept my own value once everything up to its cut is here.
    pub(super) fn accept_own(&mut self, cx: &mut Context) {
        let me = cx.config.uid;
        let Some(Proposal { ballot, next, accepted, .. }) = &self.proposal else { return };
        if accepted.contains(&me) || !self.log.holds_upto(next.cut()) {
            return;
        }
        let (ballot, next) = (*ballot, next.clone());
        if !self.is_mine(cx, &next) {
            // Somebody says to have accepted it.
            self.deny(cx);
            return self.give_way(cx);
        }
        self.trace_accepted(cx, ballot, &next);
        self.accepted = Some((ballot, next));
        self.proposal.as_mut().expect("just seen").accepted.push(me);
        self.count_accepts(cx);
    }

    /// A member is bound to my proposal.
    pub(crate) fn on_accepted(&mut self, cx: &mut Context, who: Uid, ballot: Ballot) {
        if let Some(proposal) = &mut self.proposal
            && ballot == proposal.ballot
            && !proposal.accepted.contains(&who)
        {
            proposal.accepted.push(who);
            self.count_accepts(cx);
        }
    }

    /// Decided once quorums of both views hold everything up to the cut. At a hand-over the next leader must
    /// too, so that it can serve at once.
    pub(super) fn count_accepts(&mut self, cx: &mut Context) {
        let Some(Proposal { ballot, next, accepted, .. }) = &self.proposal else { return };
        let holds = |uid: Uid| accepted.contains(&uid);
        let served = ballot.round > 0 || next.into.is_some() || holds(next.view.leader);
        // I must hold it myself to say what a joiner starts from.
        let told = holds(cx.config.uid);
        let carried = self.is_carried(next, holds) || self.planted.is(Bug::DecidedByTheOldViewAlone);
        if self.quorum(&self.view, holds) && carried && served && told {
            let next = next.clone();
            self.decide(cx, next);
        }
    }

    fn decide(&mut self, cx: &mut Context, next: Next) {
        // Somebody else may have decided it before, and its INSTALL waits here for the same frames.
        if let Some(ending) = self.ending.take()
            && ending.next != next
        {
            // I1.
            return self.stop(cx, format!("two different views {} were decided", next.view.vid));
        }
        self.end_at_cut(cx, &next);
        if self.stage == Stage::Gone {
            return;
        }
        let snapshot = self.snapshot_at(&next);
        let welcome = Control::Install { next: Successor::Whole(next.clone()), snapshot: snapshot.clone() };
        let before: Arc<View> = self.view.clone();
        let joined = next.view.members.iter().filter(|m| !before.contains(m.uid));
        let mut told: Vec<&ViewMember> =
            before.members.iter().chain(joined).filter(|m| m.uid != cx.config.uid).collect();
        // The next leader first: the others will send to it at once.
        told.sort_by_key(|m| m.uid != next.view.leader);
        // A learner that has never been heard in the view that let it in knows nothing yet.
        let knows = |uid: Uid| {
            let known = before.index_of(uid).map(|index| (before.members[index].role, self.peers[index].arrived));
            known.is_some_and(|known| known != (Role::Learner, false))
        };
        for member in told {
            if knows(member.uid) {
                self.tell_end(cx, member.address, &next, &snapshot);
            } else {
                cx.tell(member.address, before.gid, before.vid, &welcome);
            }
        }
        self.install(cx, next, snapshot);
    }
}
