//! Who is taken to be dead, and whether enough members say so of the leader: SUSPECT is the pre-vote of an
//! unplanned change (protocol 5.2), so that one deaf member unseats no leader.

use std::time::Duration;

use crate::context::Context;
use crate::id::{Fseq, Uid};
use crate::membership::{Membership, Stage};
use crate::params::QuorumMode;
use crate::planted::Bug;
use crate::quorum::{is_quorum, quorum_have};
use crate::time::Time;
use crate::timers::Timer;
use crate::transmit::Destination;
use crate::view::{Role, View, ViewMember};
use crate::wire::Control;

/// What is heard for so long after a connection was closed and refused was still on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// So many times as long as for an own message to be ordered a follower waits for a frame that it asks for, first of
/// the leader and then of everybody.
const UNREPAIRED_FLOWS: u32 = 3;

/// Why a member is taken to be dead, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Suspicion {
    /// Not heard, and asked so many times; never where it answers others.
    Silent { at: Time, checks: u8 },
    /// Its connection has closed, and it refuses another one.
    Closed(Time),
    /// There is another life of it where it was reached.
    Replaced(Time),
}

impl Suspicion {
    /// Whether it still holds for one last heard then.
    fn holds(self, heard: Time) -> bool {
        match self {
            Self::Silent { at, .. } => heard <= at,
            Self::Closed(at) | Self::Replaced(at) => heard <= at + ON_ITS_WAY,
        }
    }
}

impl Membership {
    /// The failure detector's word on a member. It counts until the member is heard again.
    pub(crate) fn suspect(&mut self, cx: &mut Context, who: Uid, suspicion: Suspicion) {
        let Some(index) = self.view.index_of(who) else { return };
        if self.stage == Stage::Gone || who == cx.config.uid {
            return;
        }
        self.peers[index].suspicion = Some(suspicion);
        self.consider(cx);
        self.accuse(cx);
    }

    /// It lives after all, unless there was a surer sign of its death.
    pub(crate) fn trust(&mut self, cx: &Context, who: Uid) {
        if let Some(index) = self.view.index_of(who)
            && !(self.is_suspect(cx, index)
                && matches!(self.peers[index].suspicion, Some(Suspicion::Closed(_) | Suspicion::Replaced(_))))
        {
            self.peers[index].suspicion = None;
        }
    }

    /// Its connection has closed, and it refuses another one: no proof of its death.
    pub(crate) fn on_closed(&mut self, cx: &mut Context, who: Uid) {
        if self.planted.is(Bug::ClosedIsProof) && self.view.params.quorum == QuorumMode::FailStop {
            return self.on_death(cx, who);
        }
        self.suspect(cx, who, Suspicion::Closed(cx.now));
    }

    /// Its host says that it is dead.
    pub(crate) fn on_death(&mut self, cx: &mut Context, who: Uid) {
        if self.view.contains(who) && who != cx.config.uid {
            if !self.dead.contains(&who) {
                self.dead.push(who);
            }
            self.suspect(cx, who, Suspicion::Closed(cx.now));
            self.report_deaths(cx);
        }
    }

    /// Deaths that another member can prove. Only `FailStop` counts them.
    pub(super) fn learn_deaths(&mut self, cx: &mut Context, dead: &[Uid]) {
        if self.view.params.quorum == QuorumMode::FailStop {
            for who in dead {
                if !self.dead.contains(who) {
                    self.on_death(cx, *who);
                }
            }
        }
    }

    /// Tells the leader of deaths that it may have no proof of: without one it can neither go on nor remove the dead,
    /// and it lives, so that nobody else can.
    pub(crate) fn report_deaths(&self, cx: &mut Context) {
        let fail_stop = self.view.params.quorum == QuorumMode::FailStop;
        if let Some(who) = self.dead.first().filter(|_| fail_stop && !self.is_leader() && self.stage != Stage::Gone) {
            let suspect = Control::Suspect { who: *who, dead: self.dead.clone() };
            cx.tell(self.leader().address, self.view.gid, self.view.vid, &suspect);
        }
    }

    /// `Q(V)` in this group's mode.
    pub(crate) fn quorum(&self, view: &View, mut present: impl FnMut(Uid) -> bool) -> bool {
        if self.planted.is(Bug::AnyTwoAreAQuorum) {
            return view.voters().filter(|m| present(m.uid)).count() >= 2.min(view.voters().count());
        }
        if self.planted.is(Bug::BothHalvesOfATie) {
            return 2 * view.voters().filter(|m| present(m.uid)).count() >= view.voters().count();
        }
        if self.planted.is(Bug::LearnersVote) {
            return 2 * view.members.iter().filter(|m| present(m.uid)).count() > view.members.len();
        }
        match view.params.quorum {
            QuorumMode::Majority => is_quorum(view, present),
            QuorumMode::FailStop => view.voters().all(|m| self.dead.contains(&m.uid) || present(m.uid)),
        }
    }

    /// The highest frame that a `Q(V)`, and no fewer than `min_voters`, have stored, given what each member has, in the
    /// order of the member list.
    pub(crate) fn quorum_have(&self, have: impl Fn(usize) -> Fseq) -> Fseq {
        let voters = self.view.members.iter().enumerate().filter(|(_, m)| m.role == Role::Voter);
        let mut held: Vec<Fseq> = voters.map(|(index, _)| have(index)).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        let by_enough = held.get(usize::from(self.view.params.min_voters) - 1).copied().unwrap_or(0);
        by_enough.min(self.quorum_has(have))
    }

    fn quorum_has(&self, have: impl Fn(usize) -> Fseq) -> Fseq {
        match self.view.params.quorum {
            QuorumMode::Majority => quorum_have(&self.view, have),
            QuorumMode::FailStop => {
                let alive = |m: &ViewMember| m.role == Role::Voter && !self.dead.contains(&m.uid);
                let members = self.view.members.iter().enumerate();
                members.filter(|(_, m)| alive(m)).map(|(index, _)| have(index)).min().unwrap_or(0)
            }
        }
    }

    pub(crate) fn is_suspect(&self, cx: &Context, index: usize) -> bool {
        let peer = &self.peers[index];
        let proved = self.dead.contains(&self.view.members[index].uid);
        self.view.members[index].uid != cx.config.uid
            && (proved || peer.suspicion.is_some_and(|suspicion| suspicion.holds(peer.heard)))
    }

    pub(super) fn suspects(&self, cx: &Context) -> Vec<Uid> {
        let members = self.view.members.iter().enumerate();
        members.filter(|(index, _)| self.is_suspect(cx, *index)).map(|(_, m)| m.uid).collect()
    }

    /// Whether this follower takes its leader to be dead, or of no use: one that orders nothing although it is
    /// heard, and does not say why; or one that says itself that it is bound to another's ballot.
    pub(crate) fn suspects_leader(&self, cx: &Context) -> bool {
        let leader = self.view.index_of(self.view.leader).expect("checked when decoded");
        !self.is_leader() && (self.gray || self.is_suspect(cx, leader) || self.accuses(cx, self.view.leader))
    }

    /// Whether the leader orders nothing of mine although it is heard, and does not say why, or cannot send me what it
    /// has ordered. Once a ballot keeps what is forwarded from being ordered, the answer stays what it was.
    pub(crate) fn judge_leader(&mut self, cx: &Context) {
        if !self.is_wedged() {
            let since = self.progress.max(self.excused);
            let unordered = self.pending.awaits_order() && cx.now - since > cx.config.timing.flow;
            let patience = cx.config.timing.flow * UNREPAIRED_FLOWS;
            let unrepaired = self.gaps.stuck_since.is_some_and(|(_, since)| cx.now - since > patience);
            let useless = unordered || unrepaired || self.is_cut_off_by_size(cx);
            // Who cannot send what the group sends has itself to blame for that, but may find the leader silent.
            self.gray = useless && !self.is_leader() && !self.too_few_vote() && !self.is_too_narrow(cx);
        }
    }

    /// Tells everybody, as long as it lasts, that the leader is taken to be dead. A leader that is bound to another's
    /// ballot says it of itself, and so does one that has resigned: members that still hear it need not defend it, and
    /// are not left out for that.
    pub(crate) fn accuse(&mut self, cx: &mut Context) {
        self.judge_leader(cx);
        let bound = self.is_wedged() && self.promised.node != cx.config.uid.node;
        let given_up = if self.is_leader() { bound || self.has_resigned() } else { self.suspects_leader(cx) };
        if !given_up {
            self.blame.end_accusation();
        }
        if self.stage == Stage::Gone || !given_up || (self.sends_nothing() && !self.is_leader()) {
            return;
        }
        let suspect = Control::Suspect { who: self.view.leader, dead: self.dead.clone() };
        cx.send(Destination::Control, self.view.gid, self.view.vid, &suspect);
        self.blame.note_accusation(cx.now);
        if self.multicast_may_be_dead(cx) {
            let me = cx.config.uid;
            for member in self.view.members.iter().filter(|m| m.uid != me) {
                cx.tell(member.address, self.view.gid, self.view.vid, &suspect);
            }
        }
        cx.timers.set(Timer::Suspicion, cx.now + cx.config.timing.heartbeat / 2);
    }

    /// A member says that `who` is dead.
    pub(crate) fn on_suspect(&mut self, cx: &mut Context, index: usize, who: Uid, dead: &[Uid]) {
        if who == self.view.leader {
            self.peers[index].accuses = Some(cx.now);
            self.accused = Some(cx.now);
            self.ask_again(cx, index);
        }
        self.learn_deaths(cx, dead);
    }

    /// Whether a quorum, this process included, takes the leader to be dead (the pre-vote).
    pub(crate) fn leader_is_given_up(&self, cx: &Context) -> bool {
        self.suspects_leader(cx)
            && (self.planted.is(Bug::NoPreVote) || self.quorum(&self.view, |uid| self.accuses(cx, uid)))
    }

    /// Voters that take the leader to be dead, this one included.
    pub(crate) fn accusers(&self, cx: &Context) -> usize {
        self.view.voters().filter(|m| self.accuses(cx, m.uid)).count()
    }

    fn accuses(&self, cx: &Context, uid: Uid) -> bool {
        let said = |index: usize| self.peers[index].accuses.is_some_and(|at| cx.now - at <= cx.config.timing.presence);
        uid == cx.config.uid || self.view.index_of(uid).is_some_and(said)
    }

    /// Whether the group waits for somebody to propose what ends the view, and this process may.
    pub(crate) fn needs_proposer(&self, cx: &Context) -> bool {
        let votes = self.view.member(cx.config.uid).is_some_and(|m| m.role == Role::Voter);
        let idle = self.candidacy.is_none() && self.proposal.is_none() && self.ending.is_none();
        let free = !self.is_wedged() || cx.now - self.attempt_at >= cx.config.timing.attempt;
        let able = self.stage != Stage::Gone && votes && !self.cannot_send(cx);
        able && idle && free && cx.now >= self.stand_at && self.leader_is_given_up(cx)
    }
}
