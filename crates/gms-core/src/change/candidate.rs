//! Proposing what ends a view whose leader is gone (protocol 5.2): promises from a quorum, the union of what they
//! hold up to the first hole, one value, acceptance by quorums of both views.

use std::net::SocketAddr;
use std::time::Duration;

use crate::change::proposal::Proposal;
use crate::context::Context;
use crate::id::{Ballot, Fseq, Uid};
use crate::membership::{Membership, Stage};
use crate::params::QuorumMode;
use crate::planted::Bug;
use crate::plausible::LAST_ROUND;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Next, View, ViewMember};
use crate::wire::Control;

/// Between two PREPAREs to those who have not answered.
const REPEAT: Duration = Duration::from_millis(10);
/// Back-off of the highest rank after its first failure; the n-th rank waits n times as long.
const BACKOFF: Duration = Duration::from_millis(30);
/// Failures that lengthen the back-off.
const LONGEST_BACKOFF: u32 = 4;

/// An attempt to end the view, until it has a value to propose.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Candidacy {
    ballot: Ballot,
    since: Time,
    /// Since when a quorum has promised.
    carried_since: Option<Time>,
    /// Parallel to the member list.
    answers: Vec<Answer>,
    /// The cut, and who is to survive, once they are settled.
    cut: Option<(Fseq, Vec<ViewMember>)>,
}

/// What a member has said to a PREPARE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Answer {
    /// Nothing, since it was asked first, or asked anew.
    Silence(Time),
    /// It hears the leader.
    Refused,
    /// It promised, and does not count: it holds what did not get through.
    Withholds,
    Promised(Box<Promise>),
}

/// What somebody who is bound to my ballot had before.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Promise {
    pub(crate) accepted: Option<(Ballot, Next)>,
    pub(crate) have: Fseq,
    pub(crate) ranges: Vec<(Fseq, Fseq)>,
}

impl Membership {
    /// Elected to propose: starts if the pre-vote still holds.
    pub(crate) fn stand(&mut self, cx: &mut Context) {
        if self.needs_proposer(cx) {
            self.prepare(cx);
        }
    }

    /// Claims the next round.
    pub(super) fn prepare(&mut self, cx: &mut Context) {
        let round = (self.round_seen.max(self.promised.round) + 1).min(LAST_ROUND);
        let ballot = Ballot { round, node: cx.config.uid.node };
        self.promise(cx, ballot);
        let mut answers = vec![Answer::Silence(cx.now); self.view.members.len()];
        let mine =
            Promise { accepted: self.accepted.clone(), have: self.log.have(), ranges: self.log.runs_ahead(usize::MAX) };
        answers[self.me(cx)] = Answer::Promised(Box::new(mine));
        self.candidacy = Some(Candidacy { ballot, since: cx.now, carried_since: None, answers, cut: None });
        cx.stats.candidacies += 1;
        self.ask_for_promises(cx);
        self.advance(cx);
    }

    fn ask_for_promises(&self, cx: &mut Context) {
        let Some(candidacy) = &self.candidacy else { return };
        let prepare = candidacy.prepare();
        for (member, answer) in self.view.members.iter().zip(&candidacy.answers) {
            if !matches!(answer, Answer::Promised(_) | Answer::Withholds) {
                cx.tell(member.address, self.view.gid, self.view.vid, &prepare);
            }
        }
        cx.timers.set(Timer::Candidacy, cx.now + REPEAT);
    }

    /// A member that still heard the leader when it was asked hears it no more: it need not wait for the next repeat.
    pub(crate) fn ask_again(&mut self, cx: &mut Context, index: usize) {
        if let Some(candidacy) = &mut self.candidacy
            && candidacy.answers[index] == Answer::Refused
        {
            candidacy.answers[index] = Answer::Silence(cx.now);
            let prepare = candidacy.prepare();
            cx.tell(self.view.members[index].address, self.view.gid, self.view.vid, &prepare);
        }
    }

    /// A quorum is bound to my ballot: those who refused because they hear the leader need not defend it any more.
    fn convince(&mut self, cx: &mut Context) {
        let others = (0..self.view.members.len()).filter(|index| self.view.members[*index].uid != self.view.leader);
        others.collect::<Vec<_>>().into_iter().for_each(|index| self.ask_again(cx, index));
    }

    /// A member is bound to a ballot.
    pub(crate) fn on_promise(
        &mut self,
        cx: &mut Context,
        index: usize,
        ballot: Ballot,
        promise: Promise,
        dead: &[Uid],
    ) {
        if !self.is_plausible_promise(cx, &promise) {
            return;
        }
        self.learn_deaths(cx, dead);
        if let Some(candidacy) = &mut self.candidacy
            && candidacy.ballot == ballot
            && candidacy.cut.is_none()
        {
            let withholds = self.blame.withholds(self.view.members[index].uid);
            candidacy.answers[index] = if withholds { Answer::Withholds } else { Answer::Promised(Box::new(promise)) };
            self.advance(cx);
        }
    }

    /// A member refuses a ballot: it hears the leader, or is bound to a higher one.
    pub(crate) fn on_promise_no(&mut self, cx: &mut Context, index: usize, ballot: Ballot, promised: Option<Ballot>) {
        let mine = Some(ballot) == self.my_attempt(cx);
        if let Some(promised) = promised.filter(|_| mine) {
            self.note_round(cx, promised.round);
            self.peers[index].wedged |= promised.round > 0;
        }
        let leads = self.view.members[index].uid == self.view.leader;
        match (promised, &mut self.candidacy) {
            (Some(_), _) if mine && ballot.round > 0 => self.give_way(cx),
            // Once a quorum has promised, what others than the leader say answers an older question.
            (None, Some(candidacy)) if mine && (leads || candidacy.carried_since.is_none()) => {
                candidacy.answers[index] = Answer::Refused;
            }
            _ => {}
        }
    }

    /// The ballot I am trying to end the view with.
    fn my_attempt(&self, cx: &Context) -> Option<Ballot> {
        let standing = self.candidacy.is_some() || self.proposal.is_some();
        let mine = if self.is_wedged() { self.promised } else { Ballot { round: 0, node: cx.config.uid.node } };
        standing.then_some(mine)
    }

    /// The attempt has failed: the next one follows after a while, which is shorter the higher one's rank.
    pub(super) fn give_way(&mut self, cx: &mut Context) {
        (self.candidacy, self.proposal) = (None, None);
        cx.timers.stop(Timer::Candidacy);
        let ranked = self.view.ranked();
        let above = ranked.iter().take_while(|m| m.uid != cx.config.uid).filter(|m| m.uid != self.view.leader);
        let slots = above.count() as u32 + 1;
        let pause = BACKOFF * slots * (1 << self.attempts_failed.min(LONGEST_BACKOFF));
        self.attempts_failed += 1;
        self.stand_at = cx.now + cx.random.stretched(pause);
        // A member that is bound to a ballot waits for its owner. I am the owner, and have nothing to wait for.
        self.attempt_at = Time::ZERO;
    }

    /// Asks again, and looks whether enough have answered.
    pub(crate) fn on_candidacy_timer(&mut self, cx: &mut Context) {
        let Some(candidacy) = &self.candidacy else { return };
        if cx.now - candidacy.since > cx.config.timing.attempt {
            let lacking = self.what_is_lacking(candidacy);
            self.note_failed_attempt(cx, lacking);
            return self.give_way(cx);
        }
        self.attempt_at = cx.now;
        self.ask_for_promises(cx);
        self.advance(cx);
    }

    /// The next step of my attempt, if it is possible.
    pub(crate) fn advance(&mut self, cx: &mut Context) {
        let Some(candidacy) = &self.candidacy else { return };
        if candidacy.cut.is_none() {
            let promised = |uid: Uid| self.view.index_of(uid).is_some_and(|index| candidacy.promise(index).is_some());
            if candidacy.carried_since.is_none() && self.quorum(&self.view, promised) {
                self.candidacy.as_mut().expect("just seen").carried_since = Some(cx.now);
                self.convince(cx);
            }
            let candidacy = self.candidacy.as_ref().expect("just seen");
            if !self.enough_promised(cx, candidacy) {
                return;
            }
            if let Some(next) = self.bound_to(candidacy).filter(|_| !self.planted.is(Bug::AcceptedValueIgnored)) {
                let (ballot, next) = (candidacy.ballot, next.clone());
                return self.put_forward(cx, ballot, next);
            }
            let (cut, source) = self.union(cx, candidacy);
            let members = self.survivors(cx, candidacy);
            self.candidacy.as_mut().expect("just seen").cut = Some((cut, members));
            if let Some(source) = source {
                self.want_upto(cut, source);
                cx.timers.start(Timer::Nack, cx.now + self.repeat_after(cx));
            }
        }
        self.propose_at_cut(cx);
    }

    /// Promises from a quorum, and from all who may still answer, as far as one can wait for them: where the others
    /// were not reached before, they answer about when the last of the quorum does.
    fn enough_promised(&self, cx: &Context, candidacy: &Candidacy) -> bool {
        let Some(carried) = candidacy.carried_since else { return false };
        let collect = cx.config.timing.collect;
        let settled = |(index, answer): (usize, &Answer)| match answer {
            Answer::Promised(_) | Answer::Withholds => true,
            Answer::Silence(since) => {
                let collected = cx.now - *since >= collect && cx.now - carried >= REPEAT;
                self.is_suspect(cx, index) || collected
            }
            // The leader defends itself; the others were told that a quorum does without it, and asked again.
            Answer::Refused => self.view.members[index].uid == self.view.leader,
        };
        candidacy.answers.iter().enumerate().all(settled)
    }

    /// The value of the highest ballot that somebody who promised has accepted, if it may be decided. It is not, if too
    /// few may be bound to it: those who say so, and those who say nothing. (With fail-stop it always may be: a member
    /// that says no may die, and no longer count, before its proposer asks those that are left.) Nor is the leader's
    /// plan once the leader itself is bound to this ballot, for nobody else decides that.
    fn bound_to<'a>(&self, candidacy: &'a Candidacy) -> Option<&'a Next> {
        let (ballot, next) = candidacy.accepted()?;
        let promise = |uid: Uid| self.view.index_of(uid).and_then(|index| candidacy.promise(index));
        let may_be_bound =
            |uid: Uid| promise(uid).is_none_or(|promise| promise.accepted.as_ref().is_some_and(|(_, n)| n == next));
        let given_up = ballot.round == 0 && promise(self.view.leader).is_some();
        let decidable = self.view.params.quorum == QuorumMode::FailStop
            || (self.quorum(&self.view, may_be_bound) && self.is_carried(next, may_be_bound));
        (decidable && !given_up).then_some(next)
    }

    /// Whether these could end the view without the others: a quorum that is not bound to a value which only others could
    /// make the decision, as [`Self::bound_to`] would find.
    pub(crate) fn could_end_view(&self, present: &[Uid], bound: &[Uid]) -> bool {
        let is_there = |uid: Uid| present.contains(&uid);
        let may_be_bound = |uid: Uid| bound.contains(&uid) || !is_there(uid);
        let binds = |next: &Next| {
            self.view.params.quorum == QuorumMode::FailStop
                || (self.quorum(&self.view, may_be_bound) && self.is_carried(next, may_be_bound))
        };
        let stuck = self.accepted.as_ref().is_some_and(|(_, next)| binds(next) && !self.is_carried(next, is_there));
        self.quorum(&self.view, is_there) && !stuck
    }

    /// The last frame up to which everything is held by somebody who promised, and who has the first that I lack.
    fn union(&self, cx: &Context, candidacy: &Candidacy) -> (Fseq, Option<SocketAddr>) {
        let promises = || {
            candidacy.answers.iter().zip(&self.view.members).filter_map(|(answer, member)| match answer {
                Answer::Promised(promise) => Some((promise.have, &promise.ranges, member.address)),
                _ => None,
            })
        };
        let mut cut = promises().map(|(have, ..)| have).max().unwrap_or(0);
        if self.planted.is(Bug::CutByTheMinimum) {
            return (promises().map(|(have, ..)| have).min().unwrap_or(0), None);
        }
        if self.planted.is(Bug::CutByMyOwnLog) {
            return (self.log.have(), None);
        }
        if self.planted.is(Bug::CutAboveAHole) {
            let ends = promises().flat_map(|(_, ranges, _)| ranges).map(|(_, to)| *to);
            cut = cut.max(ends.max().unwrap_or(0));
        }
        while let Some(end) = promises()
            .flat_map(|(_, ranges, _)| ranges)
            .filter(|(from, to)| *from <= cut + 1 && *to > cut)
            .map(|(_, to)| *to)
            .max()
        {
            cut = end;
        }
        let missing = (self.log.have() + 1..=cut).find(|fseq| self.log.frame(*fseq).is_none());
        let holder = missing.and_then(|fseq| {
            let holds = |ranges: &[(Fseq, Fseq)]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&fseq));
            let mut others = promises().filter(|(.., address)| *address != cx.config.address);
            others.find(|(have, ranges, _)| *have >= fseq || holds(ranges)).map(|(.., address)| address)
        });
        (cut, holder)
    }

    /// The first frame of the cut that is not here, and all that say they hold it.
    fn what_is_lacking(&self, candidacy: &Candidacy) -> Option<(Fseq, Vec<Uid>)> {
        let (cut, _) = candidacy.cut.as_ref()?;
        let missing = (self.log.have() + 1..=*cut).find(|fseq| self.log.frame(*fseq).is_none())?;
        let holds = |index: &usize| candidacy.promise(*index).is_some_and(|promise| promise.holds(missing));
        let holders = (0..self.view.members.len()).filter(holds).map(|index| self.view.members[index].uid);
        Some((missing, holders.collect()))
    }

    /// Those who promised and are not taken to be dead (I2); who leads then.
    fn survivors(&self, cx: &Context, candidacy: &Candidacy) -> Vec<ViewMember> {
        let members = self.view.members.iter().enumerate();
        let survives = |index: usize| {
            (matches!(candidacy.answers[index], Answer::Promised(_)) || self.planted.is(Bug::SurvivorsWithoutPromise))
                && !self.is_suspect(cx, index)
        };
        members.filter(|(index, _)| survives(*index)).map(|(_, m)| m.clone()).collect()
    }

    /// Proposes once everything up to the cut is here: only then is the place after it known.
    pub(crate) fn propose_at_cut(&mut self, cx: &mut Context) {
        let Some(Candidacy { ballot, cut: Some((cut, members)), .. }) = &self.candidacy else { return };
        let (ballot, cut) = (*ballot, *cut);
        let Some((gseq, cut_digest)) = self.order_at(cut) else { return };
        let view = View {
            vid: self.view.vid + 1,
            at: cut + 1,
            gseq,
            leader: cx.config.uid,
            members: members.clone(),
            ..View::clone(&self.view)
        };
        let why = self.reasons(cx, &view);
        self.put_forward(cx, ballot, Next { view, cut_digest, into: None, why });
    }

    /// My one value for this ballot.
    fn put_forward(&mut self, cx: &mut Context, ballot: Ballot, next: Next) {
        self.candidacy = None;
        cx.timers.stop(Timer::Candidacy);
        self.attempt_at = cx.now;
        if !self.log.holds_upto(next.cut()) {
            let anybody = self.random_member(cx);
            self.want_upto(next.cut(), anybody);
            cx.timers.start(Timer::Nack, cx.now);
        }
        self.proposal = Some(Proposal::new(ballot, next, Vec::new(), cx.now));
        self.accept_own(cx);
        if self.stage == Stage::Gone {
            // It cannot be accepted here, so nobody else is asked to.
            return;
        }
        self.send_accepts(cx);
        self.count_accepts(cx);
    }

    /// Whether this process is trying to end the view.
    pub(crate) fn is_candidate(&self) -> bool {
        self.stage != Stage::Gone && (self.candidacy.is_some() || (self.is_wedged() && self.proposal.is_some()))
    }
}

impl Promise {
    fn holds(&self, fseq: Fseq) -> bool {
        self.have >= fseq || self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&fseq))
    }
}

impl Candidacy {
    fn prepare(&self) -> Control {
        Control::Prepare { ballot: self.ballot, carried: self.carried_since.is_some() }
    }

    /// What member `index` has promised.
    fn promise(&self, index: usize) -> Option<&Promise> {
        match &self.answers[index] {
            Answer::Promised(promise) => Some(promise),
            _ => None,
        }
    }

    /// The value of the highest ballot that somebody who promised has accepted.
    fn accepted(&self) -> Option<&(Ballot, Next)> {
        let promises = (0..self.answers.len()).filter_map(|index| self.promise(index));
        promises.filter_map(|promise| promise.accepted.as_ref()).max_by_key(|(ballot, _)| *ballot)
    }
}
