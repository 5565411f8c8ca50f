//! The end of a lineage in favour of another one: a *Next with `into`*. It has no members, is decided by a quorum of
//! the view that it ends alone, and any candidate completes it. A lineage in which something was ordered ends so only
//! if an operator says so.

use crate::context::Context;
use crate::event::{Event, Outcome, Trace};
use crate::id::{Gid, Uid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::view::{Next, View};

/// An own message that was not ordered when its lineage ended, and goes on with its sender.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Unordered {
    /// Its number in the life that has ended.
    pub sseq: u64,
    /// Its bytes.
    pub payload: bytes::Bytes,
    /// Its level.
    pub level: crate::wire::Level,
    /// Its receivers, and the session that it belongs to.
    pub addressing: crate::wire::Addressing,
}

impl Membership {
    /// This lineage is to end in favour of another one. Only the leader can see to it; with `history`, also if
    /// something was ordered. The caller repeats the request.
    pub(crate) fn on_dissolve(&mut self, cx: &mut Context, into: Gid, history: bool) {
        let busy = self.proposal.is_some() || self.candidacy.is_some() || self.ending.is_some();
        let free = self.stage == Stage::Member && !busy && !self.is_wedged() && !self.blocked_by_quorum();
        let may_end = history || !self.has_history();
        if !self.is_leader() || !free || into == self.view.gid || !may_end || !self.hears_deciders(cx) {
            return;
        }
        let view = View {
            vid: self.view.vid + 1,
            at: self.log.have() + 1,
            gseq: self.next_gseq,
            members: Vec::new(),
            ..View::clone(&self.view)
        };
        self.propose(cx, view, Some(into));
    }

    /// Whether those who `hold` a value carry it on: a quorum of the view that follows, where one follows.
    pub(crate) fn is_carried(&self, next: &Next, hold: impl FnMut(Uid) -> bool) -> bool {
        let ends = next.into.is_some() && !self.planted.is(Bug::EndNeedsTheNextView);
        ends || self.quorum(&next.view, hold)
    }

    /// What the application is told.
    pub(super) fn dissolved(&self, into: Gid) -> Event {
        Event::Dissolved { gid: self.view.gid, into, upto: self.next_gseq - 1 }
    }

    /// Takes out own messages that have no outcome, for the next life; and the numbers of those that were bound to a view
    /// and have missed it: nobody else tells the application.
    pub(crate) fn take_unordered(&mut self, cx: &mut Context) -> (Vec<Unordered>, Vec<u64>) {
        let is_bound = |message: &Unordered| message.addressing.only_in_view.is_some();
        let (bound, unordered): (Vec<_>, Vec<_>) = self.pending.take().into_iter().partition(is_bound);
        let missed: Vec<u64> = bound.iter().map(|message| message.sseq).collect();
        for &sseq in &missed {
            cx.trace(|| Trace::Outcome { sseq, outcome: Outcome::NotOrdered });
        }
        (unordered, missed)
    }
}
