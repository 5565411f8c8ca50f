//! What a decided value does: deliver up to the cut, then the view; and telling those who ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::change::handover::REPEAT;
use crate::change::{Departure, Ending, Says};
use crate::context::Context;
use crate::event::{Event, Outcome, Trace};
use crate::id::{Ballot, Position, Uid, Vid};
use crate::membership::{Membership, Stage, chain};
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Next, Role, Snapshot, View, ViewMember};
use crate::wire::{Control, Successor};

/// Between two questions for what ended my view.
const ASK_AGAIN: Duration = Duration::from_millis(10);

impl Membership {
    /// What a joiner of `next` has to know; a function of the order up to the cut alone (I7).
    pub(crate) fn snapshot_at(&self, next: &Next) -> Snapshot {
        // A view voids partial messages (4.5): their senders start them again.
        let position = |m: &ViewMember| {
            let next = self.view.index_of(m.uid).map_or(Position::START, |i| self.next[i]);
            if self.planted.is(Bug::FragmentsInTheSnapshot) { next } else { Position::message(next.sseq) }
        };
        let positions = next.view.members.iter().map(position).collect();
        let view = &next.view;
        Snapshot {
            next: positions,
            digest: chain(self.digest, view.at, view.gseq, view.leader, Position::message(view.vid)),
            sessions_digest: self.sessions.digest(),
            sessions: self.sessions.records(),
        }
    }

    /// INSTALL, from anybody. What is not proposed here and accepted, nor heard of others, is hearsay.
    pub(crate) fn on_install(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, next: Next, snapshot: Snapshot) {
        if next.view.gid != self.view.gid {
            return;
        }
        let vid = next.view.vid;
        if vid <= self.view.vid {
            return match self.decided.iter().find(|(known, _)| known.view.vid == vid) {
                Some((known, _)) if *known != next => self.is_contradicted(cx, who, vid),
                _ if self.address_of(who).is_some() => self.confirm(cx, vid),
                _ => {}
            };
        }
        if self.stage == Stage::Gone {
            return;
        }
        if vid == self.view.vid + 1 {
            let known = self.ending.as_ref().is_some_and(|ending| ending.next == next);
            if known || !self.is_plausible_end(cx, &next) {
                return;
            }
            let accepted = self.accepted.as_ref().is_some_and(|(_, value)| *value == next);
            let end = Says::Ended(Box::new((next, snapshot.for_members())));
            if accepted && self.view.contains(who) {
                self.believe(cx, (who, from), end, false);
            } else {
                self.hear(cx, who, from, end);
            }
        } else if self.address_of(who).is_none() && !self.planted.is(Bug::HearsayBelieved) {
            self.seek_after(cx, who, from);
        } else {
            let both = self.view.members.iter().filter(|m| m.uid != cx.config.uid && next.view.contains(m.uid));
            let both: Vec<SocketAddr> = both.map(|m| m.address).collect();
            // With no fellow left in it, the group has gone on without me: the sender will say so.
            let to = if both.is_empty() { from } else { both[cx.random.below(both.len())] };
            self.seek_successor(cx, to);
        }
    }

    /// Tells somebody who is in the view that `next` ends, or was.
    pub(super) fn tell_end(&self, cx: &mut Context, to: SocketAddr, next: &Next, snapshot: &Snapshot) {
        let ends = next.view.vid - 1;
        let whole = || Successor::Whole(next.clone());
        let told = self.view_of(ends).map_or_else(whole, |view| Successor::of(next, view));
        let install = Control::Install { next: told, snapshot: snapshot.for_members() };
        cx.tell(to, next.view.gid, ends, &install);
    }

    /// What ends view `vid`, if that view is known here as far as it has to be.
    pub(crate) fn resolve(&self, cx: &Context, vid: Vid, told: Successor) -> Option<Next> {
        told.resolve(self.view_of(vid)).filter(|next| next.view.members.len() <= cx.config.limits.members)
    }

    pub(super) fn view_of(&self, vid: Vid) -> Option<&View> {
        let former = self.decided.iter().map(|(next, _)| &next.view);
        former.chain([&*self.view]).find(|view| view.vid == vid)
    }

    /// The process at `by` is in a later view. Where the end of mine is known already, and only frames
    /// are missing that nobody of my view gives me, it may have them, or know that I am out.
    pub(crate) fn on_overtaken(&mut self, cx: &mut Context, by: SocketAddr) {
        match &self.ending {
            _ if self.stage == Stage::Gone => {}
            None => cx.tell(by, self.view.gid, self.view.vid, &Control::ViewRequest),
            Some(ending) if cx.now - ending.since >= cx.config.timing.farewell => self.ask_elsewhere(cx, by),
            Some(_) => {}
        }
    }

    /// Asks for what ended my view, not too often.
    pub(crate) fn seek_successor(&mut self, cx: &mut Context, to: SocketAddr) {
        if self.stage != Stage::Gone && self.ending.is_none() && cx.now - self.sought >= ASK_AGAIN {
            self.sought = cx.now;
            cx.tell(to, self.view.gid, self.view.vid, &Control::ViewRequest);
        }
    }

    /// One whom the next view does not hold delivers what it can still obtain, and waits no longer for
    /// the rest: those who had it may be gone.
    pub(crate) fn give_up_on_cut(&mut self, cx: &mut Context) {
        let Some(ending) = &self.ending else { return };
        if !ending.next.view.contains(cx.config.uid) && cx.now - ending.since >= cx.config.timing.farewell {
            self.on_excluded(cx);
        }
    }

    /// Everything that waits for the last frame of this view.
    pub(crate) fn reach_cut(&mut self, cx: &mut Context) {
        self.accept_at_cut(cx);
        self.accept_own(cx);
        self.propose_at_cut(cx);
        if self.ending.as_ref().is_some_and(|ending| self.log.holds_upto(ending.next.cut()))
            && self.stage != Stage::Gone
        {
            let ending = self.ending.take().expect("just seen");
            if !ending.confirmed && !self.is_plausible_here(cx, &ending) {
                cx.stats.implausible_ends += 1;
                let Ending { next, snapshot, by: (who, from), .. } = ending;
                if self.quorum(&self.view, |uid| uid == who) {
                    // Who is wrong, nobody can say, but the view is what that one says: it goes on without me.
                    return self.on_excluded(cx);
                }
                // The members say who is wrong.
                return self.hear(cx, who, from, Says::Ended(Box::new((next, snapshot))));
            }
            let Ending { next, mut snapshot, confirmed, .. } = ending;
            self.end_at_cut(cx, &next);
            if !confirmed && next.view.contains(cx.config.uid) {
                // What one member says of the state is its own affair.
                let mine = self.snapshot_at(&next).for_members();
                cx.stats.implausible_ends += u64::from(!snapshot.agrees_with(&mine));
                snapshot = mine;
            }
            if self.stage != Stage::Gone {
                self.install(cx, next, snapshot);
            }
        }
    }

    /// Whether an end that one member tells of agrees with all that is known here.
    fn is_plausible_here(&self, cx: &Context, Ending { next, snapshot, .. }: &Ending) -> bool {
        // What is stored beside the folds, by one that is bound to a ballot, is not in the other digests yet.
        let is_folded = self.log.have() == next.cut() && next.view.contains(cx.config.uid);
        self.safe <= next.cut()
            && self.is_mine(cx, next)
            && (!is_folded || snapshot.agrees_with(&self.snapshot_at(next)))
    }

    /// The order of this view ends with the cut: what is stored beyond it, by one who is left out as a rule, is in no
    /// view, and is not delivered.
    pub(super) fn end_at_cut(&mut self, cx: &mut Context, next: &Next) {
        let (cut, survives) = (next.cut(), next.view.contains(cx.config.uid));
        let beyond = self.log.have() > cut;
        if let Some(objection) = self.view.objection(&next.view) {
            return self.stop(cx, format!("view {} cannot follow view {}: {objection}", next.view.vid, self.view.vid));
        }
        if self.safe > cut {
            // I5: whatever a quorum has stored is in every cut.
            return self.stop(cx, format!("the cut {cut} of view {} is below safe {}", self.view.vid, self.safe));
        }
        if beyond {
            self.unfold(next);
        }
        self.log.end_at(cut);
        self.fold_stored(cx);
        if survives && (beyond || self.log.have() != cut || self.digest != next.cut_digest) {
            self.stop(cx, format!("view {} was decided on another order than mine", next.view.vid));
        }
    }

    /// One who is left out has folded more than the cut into its counters. It may be the one who tells the others what
    /// follows the cut, so they are taken back.
    fn unfold(&mut self, next: &Next) {
        for fseq in (next.cut() + 1..=self.log.have()).rev() {
            let Some(frame) = self.log.frame(fseq) else { break };
            let Some(index) = self.view.index_of(frame.header.origin) else { break };
            (self.next[index], self.next_gseq) = (frame.header.first, frame.header.gseq);
        }
        self.digest = next.cut_digest;
        // This one cannot be taken back: the others have their own.
        self.sessions.lose();
    }

    /// Ends the view; the log holds everything up to the cut and nothing beyond.
    pub(crate) fn install(&mut self, cx: &mut Context, next: Next, snapshot: Snapshot) {
        let before = self.view.clone();
        let planned = !self.suspects_leader(cx);
        let survives = next.view.contains(cx.config.uid);
        let expected = self.snapshot_at(&next);
        if survives && (!snapshot.agrees_with(&expected) || self.delivery.upto() > next.cut()) {
            return self.stop(cx, format!("the state before view {} differs from the group's", next.view.vid));
        }
        cx.steps.note(cx.now, next.view.vid, "installed", &next.view);
        // Joiners are told the latest view only. One who is left out has nothing to tell them.
        if let Some((_, former)) = self.decided.last_mut() {
            former.sessions = None;
        }
        self.decided.push((next.clone(), if survives { expected.clone() } else { snapshot }));
        if self.decided.len() > cx.config.limits.decided {
            self.decided.remove(0);
        }
        (self.accepting, self.proposal, self.candidacy) = (None, None, None);
        (self.round_seen, self.attempts_failed, self.stand_at) = (0, 0, Time::ZERO);
        self.settled = next.cut();
        if !survives {
            return self.depart(cx, next);
        }
        cx.timers.stop(Timer::Accept);
        self.dead.retain(|who| next.view.contains(*who));
        if self.is_leader() && !self.is_wedged() {
            // Nobody else knows who has arrived, and a ballot waits for nobody to arrive.
            for (member, peer) in before.members.iter().zip(&self.peers) {
                if member.role == Role::Learner && !peer.arrived && !next.view.contains(member.uid) {
                    self.change.note_unreached(member.uid, cx.now, cx.config.limits.joiners);
                }
            }
        }
        let suspects: Vec<bool> = (0..before.members.len()).map(|index| self.is_suspect(cx, index)).collect();
        let peers: Vec<_> = before.members.iter().map(|m| m.uid).zip(self.peers.drain(..)).collect();
        self.view = Arc::new(next.view);
        self.log.push_view(self.view.clone(), next.why);
        self.settled = self.view.at;
        self.next = expected.next;
        self.next_gseq = self.view.gseq + 1;
        self.digest = expected.digest;
        self.promised = Ballot { round: 0, node: self.view.leader.node };
        self.accepted = None;
        // Before the seats are taken, for leavers keep frames from being freed.
        self.see_off(cx, &before, &suspects, planned);
        self.take_seats(cx, &peers, before.leader != self.view.leader);
        let me = self.me(cx);
        self.pending.repack(self.next[me]);
        cx.timers.stop(Timer::Forward);
        cx.timers.stop(Timer::Nack);
        if self.is_leader() {
            cx.timers.set(Timer::Install, cx.now + REPEAT);
            self.change.wait_anew(cx.now);
            self.consider(cx);
        } else {
            self.change = Default::default();
            self.handover = Default::default();
            self.confirm(cx, self.view.vid);
        }
        if self.stage == Stage::Leaving {
            cx.timers.set(Timer::Request, cx.now);
        }
        self.after_storing(cx);
        self.take_early(cx);
    }

    fn confirm(&mut self, cx: &mut Context, vid: Vid) {
        if !self.is_leader() {
            cx.tell(self.leader().address, self.view.gid, self.view.vid, &Control::InstallAck { vid });
        }
    }

    /// Somebody is still in view `vid`: tells it what ended it.
    pub(crate) fn tell_successor(&mut self, cx: &mut Context, who: Uid, to: SocketAddr, vid: Vid) {
        let found = self.decided.iter().find(|(next, _)| next.view.vid == vid + 1);
        match found {
            Some((next, snapshot)) => self.tell_end(cx, to, next, snapshot),
            None if self.view.contains(who) && !self.planted.is(Bug::LaggardsAreOut) => {}
            None => cx.tell(to, self.view.gid, self.view.vid, &Control::Excluded { who }),
        }
    }

    /// The next view stands without me.
    fn depart(&mut self, cx: &mut Context, next: Next) {
        let asked = self.stage == Stage::Leaving;
        self.stage = Stage::Gone;
        self.sequencer = None;
        self.blocked = None;
        cx.timers.stop_all();
        if !asked {
            self.finale = Some(next.into.map_or(Event::Excluded, |into| self.dissolved(into)));
        }
        self.departure = Some(Departure::new(cx.now, next, asked));
        self.on_departure_timer(cx);
    }

    /// The group says I am no member any more.
    pub(crate) fn on_excluded(&mut self, cx: &mut Context) {
        if self.stage == Stage::Gone {
            return;
        }
        self.stage = Stage::Gone;
        self.sequencer = None;
        self.blocked = None;
        cx.timers.stop_all();
        self.finale = Some(Event::Excluded);
    }

    /// Emits what must come last, once everything has been delivered that can be.
    pub(crate) fn finish(&mut self, cx: &mut Context, out: &mut Vec<Event>) {
        if self.finale.is_some() && !self.delivery.out_of_room {
            self.over = true;
            // What is pending when a lineage ends in favour of another one goes on in the next life.
            if !matches!(self.finale, Some(Event::Dissolved { .. })) {
                self.abandon_pending(cx, Outcome::Unknown);
            }
            out.extend(cx.events.drain(..));
            let finale = self.finale.take().expect("just seen");
            match finale {
                Event::Left { .. } => cx.trace(|| Trace::Left),
                Event::Dissolved { into, .. } => cx.trace(|| Trace::Dissolved(into)),
                Event::Excluded => cx.trace(|| Trace::Excluded),
                _ => {}
            }
            out.push(finale);
        }
    }
}
