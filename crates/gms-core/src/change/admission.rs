//! Who may come in, and when it may vote (protocol 6).

use std::collections::VecDeque;
use std::time::Duration;

use crate::change::planned::Change;
use crate::change::suspicion::Suspicion;
use crate::context::Context;
use crate::id::Uid;
use crate::membership::Membership;
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Role, ViewMember};
use crate::wire::{Control, JoinRequest, Refusal};

/// A process that has proved its address and waits for the next view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Candidate {
    pub(super) request: JoinRequest,
    /// When it came, and when it last asked.
    since: Time,
    asked: Time,
}

/// One that was let in and given up without ever having arrived: it hears of the group, and what lets it in does not
/// reach it. As long as it is in, it holds up the others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Unreached {
    uid: Uid,
    /// It is not let in again before this,
    until: Time,
    /// which was so long.
    pause: Duration,
}

/// Who has not asked again for so long is gone.
const ASKS_AGAIN: Duration = Duration::from_secs(3);
/// How long one that was not reached waits for the next attempt: at first,
const UNREACHED_FIRST: Duration = Duration::from_secs(1);
/// and after many of them.
const UNREACHED_LONGEST: Duration = Duration::from_secs(60);

impl Change {
    /// This process did not arrive in the view that had let it in.
    pub(super) fn note_unreached(&mut self, uid: Uid, now: Time, most: usize) {
        let known = self.unreached.iter().position(|u| u.uid == uid).map(|at| self.unreached.remove(at));
        let pause = known.map_or(UNREACHED_FIRST, |known| (2 * known.pause).min(UNREACHED_LONGEST));
        if self.unreached.len() >= most {
            self.unreached.remove(0);
        }
        self.unreached.push(Unreached { uid, until: now + pause, pause });
    }

    fn is_unreached(&self, uid: Uid, now: Time) -> bool {
        self.unreached.iter().any(|u| u.uid == uid && now < u.until)
    }

    /// Nobody has really been heard yet, only taken to be there: who waits for the id of a member waits from now on.
    pub(crate) fn wait_anew(&mut self, now: Time) {
        self.joins.iter_mut().for_each(|candidate| (candidate.since, candidate.asked) = (now, now));
    }
}

impl Membership {
    /// A process has proved its address and wants to join. Only the leader is asked.
    pub(crate) fn on_join(&mut self, cx: &mut Context, request: JoinRequest) {
        let to = request.address;
        if let Some(index) = self.view.index_of(request.uid) {
            // Its INSTALL, which may be long, is still on its way.
            self.peers[index].heard = cx.now;
        } else if let Some(refusal) = self.refusal(cx, &request) {
            let refused = Control::JoinReject { to: request.uid.incarnation, refusal };
            cx.tell(to, self.view.gid, self.view.vid, &refused);
        } else if self.change.is_unreached(request.uid, cx.now) {
            // It asks again.
        } else if let Some(known) = self.change.joins.iter_mut().find(|j| j.request.uid == request.uid) {
            known.asked = cx.now;
        } else if self.change.joins.len() < cx.config.limits.joiners {
            // Only its latest life counts.
            self.change.joins.retain(|j| j.request.uid.node != request.uid.node);
            let candidate = Candidate { request, since: cx.now, asked: cx.now };
            let former = self.namesake(candidate.request.uid).map(|index| &self.view.members[index]);
            // Where a member was reached there is a new life of its node now: it is gone, whatever of it still arrives.
            let former = former.filter(|m| m.address == to).map(|m| m.uid);
            self.change.joins.push_back(candidate);
            self.change.since.get_or_insert(cx.now);
            cx.timers.start(Timer::Change, cx.now + cx.config.timing.join_batch);
            if let Some(former) = former.filter(|_| !self.planted.is(Bug::NewLifeRefused)) {
                self.suspect(cx, former, Suspicion::Replaced(cx.now));
            }
        }
    }

    fn refusal(&self, cx: &Context, request: &JoinRequest) -> Option<Refusal> {
        if let Some(difference) = self.view.params.difference(&request.params) {
            return Some(Refusal::Params(difference));
        }
        if self.view.members.len() >= cx.config.limits.members && self.namesake(request.uid).is_none() {
            return Some(Refusal::Full(self.view.members.len()));
        }
        let mine = cx.config.uid.node == request.uid.node;
        mine.then_some(Refusal::NodeTaken { node: request.uid.node.0, address: cx.config.address })
    }

    /// Another life of the same node, or another process with its id, in the present view.
    fn namesake(&self, uid: Uid) -> Option<usize> {
        self.view.members.iter().position(|m| m.uid.node == uid.node && m.uid != uid)
    }

    /// Forgets those who have come in or gone, and turns away those for whom there is no room after all, or whose id
    /// is taken.
    pub(super) fn sort_out_joins(&mut self, cx: &mut Context) {
        self.change.joins.retain(|j| !self.view.contains(j.request.uid) && cx.now - j.asked <= ASKS_AGAIN);
        self.refuse_surplus(cx);
        self.refuse_namesakes(cx);
        if self.change.joins.is_empty() {
            self.change.since = None;
        }
    }

    fn refuse_surplus(&mut self, cx: &mut Context) {
        let members = self.view.members.len();
        if members < cx.config.limits.members {
            return;
        }
        let all = std::mem::take(&mut self.change.joins);
        let (waiting, surplus): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|j| self.namesake(j.request.uid).is_some());
        self.change.joins = waiting;
        for candidate in surplus {
            let JoinRequest { uid, address, .. } = candidate.request;
            let full = Control::JoinReject { to: uid.incarnation, refusal: Refusal::Full(members) };
            cx.tell(address, self.view.gid, self.view.vid, &full);
        }
    }

    /// Who has the id of a member waits until it is clear whether that one is alive: heard since, it
    /// keeps the id.
    fn refuse_namesakes(&mut self, cx: &mut Context) {
        if self.sought > Time::ZERO {
            // The group has gone on without me: that one may have left since, and a refusal is for good.
            return;
        }
        let elsewhere = |candidate: &Candidate, index: usize| {
            (self.view.members[index].address != candidate.request.address || self.planted.is(Bug::NewLifeRefused))
                && self.peers[index].heard > candidate.since
        };
        let taken =
            |candidate: &Candidate| self.namesake(candidate.request.uid).filter(|index| elsewhere(candidate, *index));
        let refused: Vec<(Uid, usize)> =
            self.change.joins.iter().filter_map(|j| Some((j.request.uid, taken(j)?))).collect();
        for (uid, index) in refused {
            let at = self.change.joins.iter().position(|j| j.request.uid == uid).expect("just seen");
            let candidate = self.change.joins.remove(at).expect("just seen");
            let holder = &self.view.members[index];
            let refusal = Refusal::NodeTaken { node: holder.uid.node.0, address: holder.address };
            let refused = Control::JoinReject { to: uid.incarnation, refusal };
            cx.tell(candidate.request.address, self.view.gid, self.view.vid, &refused);
        }
    }

    /// Joins are gathered for a while, and do not cut large messages short without need: a view
    /// voids what is unfinished.
    pub(super) fn joins_ripe(&self, cx: &Context) -> bool {
        let timing = &cx.config.timing;
        let unfinished = self.sequencer.as_ref().is_some_and(|s| s.any_open());
        let wait = if unfinished { timing.join_patience } else { timing.join_batch };
        self.change.since.is_some_and(|since| cx.now - since >= wait) && self.admissible(cx).next().is_some()
    }

    /// Candidates whose id is free, or becomes free in the next view.
    pub(super) fn admissible(&self, cx: &Context) -> impl Iterator<Item = &JoinRequest> {
        let free = |j: &&Candidate| {
            self.namesake(j.request.uid).is_none_or(|index| self.is_suspect(cx, index) || self.wants_to_leave(index))
        };
        self.change.joins.iter().filter(free).map(|j| &j.request)
    }

    /// Learners that keep up with the order since the view that admitted them: they may vote from now
    /// on (I8). Under load nobody is ever exactly at the last frame.
    pub(super) fn caught_up(&self, cx: &Context) -> Vec<Uid> {
        let learner = |(index, m): (usize, &ViewMember)| {
            let ready = m.role == Role::Learner
                && self.peers[index].arrived
                && self.have_of(cx, index) >= self.view.at
                && self.nearly_there(cx, index);
            ready.then_some(m.uid)
        };
        self.view.members.iter().enumerate().filter_map(learner).collect()
    }
}
