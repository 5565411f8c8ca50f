//! A view change that the live leader plans: ballot 0, one round trip, nobody else is stopped.

use std::collections::VecDeque;
use std::time::Duration;

use crate::change::admission::{Candidate, Unreached};
use crate::change::proposal::Proposal;
use crate::context::Context;
use crate::event::Event;
use crate::id::{Ballot, Gid, Uid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Next, Role, View, ViewMember, rank};
use crate::wire::{Control, JoinRequest};

/// How long the leader waits before it looks again whether a change can start.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long one who wants to leave waits at most for learners to vote: less than it has patience.
pub(crate) const LEARNED: Duration = Duration::from_millis(500);
/// How long an operator's wish for another leader counts.
const WISH: Duration = Duration::from_secs(2);

/// What the leader is asked to change.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Change {
    pub(super) joins: VecDeque<Candidate>,
    leaves: Vec<(Uid, u32)>,
    /// Wishes to leave that were refused, by member; the last of each.
    refused: Vec<(Uid, u32)>,
    /// When the first of `joins` came.
    pub(super) since: Option<Time>,
    /// Who came, was let in, and did not arrive; the latest last.
    pub(super) unreached: Vec<Unreached>,
    /// Since when somebody who wants to leave waits for learners to vote.
    awaited: Option<Time>,
    /// Members that an operator wants out.
    exclusions: Vec<Uid>,
    /// Members that are heard and store nothing of what they are sent.
    deaf: Vec<Uid>,
    /// Whom an operator wants to lead, and since when.
    transfer: Option<(Uid, Time)>,
    /// Since when members are bound to a ballot that came to nothing.
    wedged_since: Option<Time>,
}

impl Membership {
    /// A member wants to leave. Only the leader is asked.
    pub(crate) fn on_leave(&mut self, cx: &mut Context, who: Uid, attempt: u32) {
        if self.change.refused.contains(&(who, attempt)) {
            return self.refuse(cx, who, attempt);
        }
        self.change.leaves.retain(|(leaver, _)| *leaver != who);
        self.change.leaves.push((who, attempt));
        cx.timers.start(Timer::Change, cx.now);
    }

    /// An operator wants `who` out. Only the leader is told.
    pub(crate) fn on_exclude(&mut self, cx: &mut Context, who: Uid) {
        if self.is_leader() && who != cx.config.uid && self.view.contains(who) {
            if !self.change.exclusions.contains(&who) {
                self.change.exclusions.push(who);
            }
            self.consider(cx);
        }
    }

    /// Those are heard, and store nothing, for too long by now. Only the leader knows.
    pub(crate) fn note_deaf(&mut self, deaf: Vec<Uid>) {
        self.change.deaf = deaf;
    }

    /// An operator wants `to` to lead. Only the leader is told.
    pub(crate) fn on_transfer(&mut self, cx: &mut Context, to: Uid) {
        if self.is_leader() && to != cx.config.uid {
            self.change.transfer = Some((to, cx.now));
            self.consider(cx);
        }
    }

    /// To whom I hand over although I stay: whom an operator wants, or who ranks higher, where that counts.
    fn heir(&mut self, cx: &Context) -> Option<Uid> {
        self.change.transfer.take_if(|(_, since)| cx.now - *since > WISH);
        let wanted = self.change.transfer.map(|(to, _)| to);
        let highest = || self.view.ranked().first().map(|m| m.uid).filter(|_| self.view.params.preempt);
        let heir = wanted.or_else(highest).filter(|uid| *uid != cx.config.uid)?;
        let ready = |index: usize| {
            self.view.members[index].role == Role::Voter
                && self.peers[index].arrived
                && !self.is_suspect(cx, index)
                && self.present(cx, index)
                && self.nearly_there(cx, index)
        };
        self.view.index_of(heir).filter(|index| ready(*index)).map(|_| heir)
    }

    /// Whether member `index` has been heard within T_hb.
    pub(super) fn present(&self, cx: &Context, index: usize) -> bool {
        cx.now - self.peers[index].heard <= cx.config.timing.presence
    }

    /// Whether somebody is bound to a ballot that came to nothing.
    fn has_wedged(&self) -> bool {
        self.peers.iter().any(|peer| peer.wedged)
    }

    /// Nobody but the leader can free those who are bound to a ballot that came to nothing: by a view of the same
    /// members, or, if too many are bound or that takes too long, by a ballot of its own.
    fn unwedge(&mut self, cx: &mut Context) -> bool {
        if !self.is_wedged() && !self.has_wedged() {
            self.change.wedged_since = None;
            return false;
        }
        let since = *self.change.wedged_since.get_or_insert(cx.now);
        let index = |uid| self.view.index_of(uid);
        let free =
            |uid| uid == cx.config.uid || index(uid).is_some_and(|i| self.present(cx, i) && !self.peers[i].wedged);
        let patience = cx.config.timing.attempt / if self.quorum(&self.view, free) { 2 } else { 8 };
        let owner_is_silent = !self.is_wedged() || cx.now - self.attempt_at >= cx.config.timing.attempt;
        let waits =
            (self.is_wedged() && self.planted.is(Bug::WedgedLeaderWaits)) || self.planted.is(Bug::UnwedgedByPlanOnly);
        if cx.now - since > patience && owner_is_silent && cx.now >= self.stand_at && !waits {
            self.prepare(cx);
            return true;
        }
        self.is_wedged()
    }

    /// Starts a planned change if one is wanted and its conditions hold (5.1, *without commitment*).
    pub(crate) fn consider(&mut self, cx: &mut Context) {
        let busy = self.proposal.is_some() || self.candidacy.is_some() || self.ending.is_some();
        if !self.is_leader() || busy || self.stage == Stage::Gone || self.blocked_by_quorum() {
            return;
        }
        if self.unwedge(cx) {
            return;
        }
        self.sort_out_joins(cx);
        // Who is gone may have asked again before it heard so.
        self.change.leaves.retain(|(who, _)| self.view.contains(*who));
        let promotions = self.caught_up(cx);
        let awaited = self.change.awaited.take();
        let votes = |who: &Uid| self.view.member(*who).is_some_and(|m| m.role == Role::Voter);
        let mut dead = self.suspects(cx);
        dead.extend(self.change.deaf.iter().filter(|who| self.view.contains(**who) && !votes(who)));
        let mut suspects = dead.clone();
        suspects.extend(self.change.deaf.iter().filter(|who| votes(who)));
        suspects.extend(self.change.exclusions.iter().filter(|who| self.view.contains(**who)));
        let heir = self.heir(cx);
        // A leader does not go while others that left may still need its frames, nor together with all of
        // them, who would never hear that they may, nor as the last one that it hears: those it does not
        // hear may be the group.
        let leaves = &self.change.leaves;
        let goes = |uid: Uid| uid == cx.config.uid || leaves.iter().any(|(who, _)| *who == uid);
        let all_go = !leaves.is_empty() && self.view.members.iter().all(|m| goes(m.uid));
        let leaving = self.stage == Stage::Leaving
            && self.pending.is_empty()
            && suspects.is_empty()
            && !all_go
            && !self.leavers_need_frames(cx);
        let wanted = self.joins_ripe(cx)
            || !self.change.leaves.is_empty()
            || !promotions.is_empty()
            || !suspects.is_empty()
            || leaving
            || heir.is_some()
            || self.has_wedged();
        if !wanted {
            if !self.change.joins.is_empty() || self.change.transfer.is_some() {
                cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
            }
            return;
        }
        let gone = |m: &ViewMember| {
            self.change.leaves.iter().any(|(who, _)| *who == m.uid)
                || suspects.contains(&m.uid)
                || (leaving && m.uid == cx.config.uid)
        };
        if self.view.members.iter().all(gone) {
            return self.last_one_leaves(cx);
        }
        let mut members = self.next_members(cx, &promotions, gone);
        // Nobody chooses to make the group smaller than it may be (`min_voters`); the dead are not asked.
        let voters = |members: &[ViewMember]| members.iter().filter(|m| m.role == Role::Voter).count();
        if voters(&members) < usize::from(self.view.params.min_voters) {
            let without_the_dead = self.next_members(cx, &promotions, |m| dead.contains(&m.uid));
            if voters(&members) < voters(&without_the_dead) {
                // Learners may be about to vote.
                let since = awaited.unwrap_or(cx.now);
                let may_do = members.len() >= usize::from(self.view.params.min_voters)
                    && cx.now - since <= cx.config.timing.attempt.min(LEARNED);
                if may_do {
                    self.change.awaited = Some(since);
                } else {
                    self.refuse_leaves(cx);
                }
                members = without_the_dead;
                if members == self.view.members && heir.is_none() && !self.has_wedged() {
                    if may_do {
                        cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
                    }
                    return;
                }
            }
        }
        let heir = heir.filter(|heir| members.iter().any(|m| m.uid == *heir));
        let Some(leader) = heir.or_else(|| self.next_leader(cx, &members)) else {
            cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
            return;
        };
        let view = View {
            vid: self.view.vid + 1,
            at: self.log.have() + 1,
            gseq: self.next_gseq,
            leader,
            members,
            ..View::clone(&self.view)
        };
        if self.may_propose(cx, &view) {
            self.remember_blame(cx, &view);
            self.propose(cx, view, None);
        } else {
            cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
        }
    }

    pub(super) fn is_to_be_excluded(&self, index: usize) -> bool {
        self.change.exclusions.contains(&self.view.members[index].uid)
    }

    /// Voters that store nothing of what they are sent.
    pub(super) fn deaf_voters(&self) -> impl Iterator<Item = Uid> {
        self.view.voters().map(|m| m.uid).filter(|uid| self.change.deaf.contains(uid))
    }

    pub(super) fn is_deaf(&self, index: usize) -> bool {
        self.change.deaf.contains(&self.view.members[index].uid)
    }

    pub(super) fn wants_to_leave(&self, index: usize) -> bool {
        self.change.leaves.iter().any(|(who, _)| *who == self.view.members[index].uid)
    }

    fn refuse_leaves(&mut self, cx: &mut Context) {
        self.change.exclusions.clear();
        for (who, attempt) in std::mem::take(&mut self.change.leaves) {
            self.change.refused.retain(|(refused, _)| *refused != who && self.view.contains(*refused));
            self.change.refused.push((who, attempt));
            self.refuse(cx, who, attempt);
        }
        self.stay(cx, self.view.params.min_voters);
    }

    /// Who is in the next view: who is not `gone`, and those who join.
    fn next_members(&self, cx: &Context, promotions: &[Uid], gone: impl Fn(&ViewMember) -> bool) -> Vec<ViewMember> {
        let mut members: Vec<ViewMember> = self.view.members.iter().filter(|m| !gone(m)).cloned().collect();
        for member in members.iter_mut().filter(|m| promotions.contains(&m.uid)) {
            member.role = Role::Voter;
        }
        if self.joins_ripe(cx) {
            let room = cx.config.limits.members.saturating_sub(members.len());
            // Of a leaver that has to stay after all, no other life comes in.
            let free = |j: &&JoinRequest| !members.iter().any(|m| m.uid.node == j.uid.node);
            let joiners = self.admissible(cx).filter(free).take(room).map(|j| ViewMember {
                uid: j.uid,
                address: j.address,
                role: Role::Learner,
                budget: j.budget,
                weight: j.weight,
                process: j.process,
            });
            let joiners: Vec<ViewMember> = joiners.collect();
            members.extend(joiners);
        }
        members
    }

    fn refuse(&self, cx: &mut Context, who: Uid, attempt: u32) {
        if let Some(member) = self.view.member(who) {
            let refused = Control::LeaveRefused { attempt, min_voters: self.view.params.min_voters };
            cx.tell(member.address, self.view.gid, self.view.vid, &refused);
        }
    }

    /// The leave was refused: a member as before.
    pub(crate) fn stay(&mut self, cx: &mut Context, min_voters: u16) {
        if self.stage == Stage::Leaving {
            self.stage = Stage::Member;
            cx.timers.stop(Timer::Request);
            cx.events.push_back(Event::LeaveRefused { min_voters });
        }
    }

    /// Who leads the next view: I, unless I leave; then the highest-ranking voter that is present
    /// and nearly holds the cut.
    fn next_leader(&self, cx: &Context, members: &[ViewMember]) -> Option<Uid> {
        let me = cx.config.uid;
        if members.iter().any(|m| m.uid == me) {
            return Some(me);
        }
        let ready = |m: &&ViewMember| {
            m.role == Role::Voter
                && self.view.index_of(m.uid).is_some_and(|i| self.present(cx, i) && self.nearly_there(cx, i))
        };
        rank(self.view.params.ranking, members.iter().filter(ready)).first().map(|m| m.uid)
    }

    /// Within half a window of the last frame: under load nobody is ever exactly there.
    pub(super) fn nearly_there(&self, cx: &Context, index: usize) -> bool {
        self.log.charge() - self.log.charge_upto(self.have_of(cx, index)) <= self.window_charge() / 2
    }

    pub(super) fn may_propose(&self, cx: &Context, view: &View) -> bool {
        let me = cx.config.uid;
        let index = |uid| self.view.index_of(uid);
        // Nobody is left two views behind: all who are to vote have confirmed the present view, and learners that have
        // not are given up when they stay silent.
        let here = |i: usize| self.present(cx, i) && self.peers[i].arrived;
        let heard = view.voters().all(|m| m.uid == me || index(m.uid).is_some_and(here));
        heard
            && self.hears_deciders(cx)
            && self.quorum(view, |uid| index(uid).is_some_and(|i| self.nearly_there(cx, i) || self.peers[i].wedged))
    }

    /// Whether a quorum of the present view is there to decide something: stamping stops for it.
    pub(super) fn hears_deciders(&self, cx: &Context) -> bool {
        let free = |i: usize| self.present(cx, i) && !self.is_suspect(cx, i) && !self.peers[i].wedged;
        self.quorum(&self.view, |uid| uid == cx.config.uid || self.view.index_of(uid).is_some_and(free))
    }

    /// From here on nothing is stamped in this view any more (I3): the order up to here is the cut.
    pub(super) fn propose(&mut self, cx: &mut Context, view: View, into: Option<Gid>) {
        let ballot = Ballot { round: 0, node: cx.config.uid.node };
        let why = if into.is_none() { self.reasons(cx, &view) } else { Vec::new() };
        let next = Next { view, cut_digest: self.digest, into, why };
        self.trace_accepted(cx, ballot, &next);
        // Who has to wait, for learners to vote, say, is not forgotten.
        self.change.leaves.retain(|(who, _)| next.view.contains(*who));
        self.change.exclusions.retain(|who| next.view.contains(*who));
        self.accepted = Some((ballot, next.clone()));
        self.proposal = Some(Proposal::new(ballot, next, vec![cx.config.uid], cx.now));
        self.send_accepts(cx);
        self.count_accepts(cx);
    }
}
