//! Going on without an operator when the quorum of a lineage is lost for good (docs/lineages.md, *Returning*): when all
//! its voters are accounted for, and nobody else can decide anything, the one furthest ahead creates a lineage that
//! begins with what it holds. Where nothing was said yet, all give it up, and create another one.

use std::collections::BTreeSet;
use std::time::Duration;

use gms_core::{Blocked, Bug, Gid, GivenUp, Input, Planted, Time, Uid, View};

use super::Node;
use super::inquiry::{Inquiries, Place, Seat, Voters};
use super::lineages::Lineages;
use super::own_time::{OwnTime, WAKE_EVERY};

/// How long a process that is asked has to answer.
const ANSWERED: Duration = Duration::from_millis(500);

/// What a blocked process is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// To go on waiting.
    Wait,
    /// To create a lineage with its history.
    Return,
    /// To join this one, which goes on in place of its own.
    Join(Gid),
    /// To give it up, and to be fresh: nothing was said in it.
    Forsake,
}

/// What it knows of its own lineage.
pub(super) struct Own<'a> {
    pub(super) me: Uid,
    pub(super) view: &'a View,
    /// What it says of itself.
    pub(super) place: &'a Place,
    /// Whether these can decide what ends the view, of whom those have accepted the same next view as it has.
    pub(super) decide: &'a dyn Fn(&[Uid], &[Uid]) -> bool,
    pub(super) planted: Planted,
}

/// A process that is blocked, and what it has found out since then.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Returning {
    gid: Gid,
    since: Duration,
    time: OwnTime,
    /// In own time: since when the verdict has been the same and more than to wait.
    steady: Option<Duration>,
}

impl Returning {
    /// It has just been blocked in a view of lineage `gid`.
    pub(super) fn new(gid: Gid, now: Duration) -> Self {
        Self { gid, since: now, time: OwnTime::new(now), steady: None }
    }

    pub(super) fn gid(&self) -> Gid {
        self.gid
    }

    /// Takes the state of the world in. What is due must have held for `settle`.
    pub(super) fn step(
        &mut self,
        now: Duration,
        settle: Duration,
        own: &Own<'_>,
        (lineages, inquiries): (&Lineages, &Inquiries),
    ) -> Verdict {
        let passed = self.time.look(now);
        let asked = self.since.max(now.saturating_sub(ANSWERED));
        let verdict = judge(now, asked, own, lineages, inquiries);
        if verdict == Verdict::Wait {
            self.steady = None;
            return Verdict::Wait;
        }
        let since = *self.steady.get_or_insert(passed);
        if passed - since >= settle { verdict } else { Verdict::Wait }
    }
}

impl Node {
    /// Blocked: whether the quorum is lost for good.
    pub(super) fn go_on_without_a_quorum(&mut self, now: Duration) {
        let Some(view) = self.member.view().cloned() else {
            self.meeting.returning = None;
            return;
        };
        if !self.is_stuck() {
            self.meeting.returning = None;
            return;
        }
        if self.meeting.returning.as_ref().is_none_or(|returning| returning.gid() != view.gid) {
            self.meeting.returning = Some(Returning::new(view.gid, now));
        }
        let place = self.standing_in(&view);
        let decide = |present: &[Uid], bound: &[Uid]| self.member.could_end_view(present, bound);
        let own = Own {
            me: self.member.uid(),
            view: &view,
            place: &place,
            decide: &decide,
            planted: self.config.core.planted,
        };
        let settle = self.config.settle;
        let mut returning = self.meeting.returning.take().expect("just seen to");
        let verdict = returning.step(now, settle, &own, (&self.lineages, &self.inquiries));
        self.meeting.returning = Some(returning);
        self.wake_at(now + WAKE_EVERY);
        match verdict {
            Verdict::Wait => {}
            Verdict::Return => {
                tracing::warn!(gid = %view.gid, "every quorum is lost for good: going on alone with what is here");
                self.return_alone();
            }
            Verdict::Join(gid) => {
                tracing::warn!(from = %view.gid, to = %gid, "the quorum is lost for good, and another lineage goes on: joining it");
                self.lineages.supersede(view.gid, gid);
                self.give_up(view.gid, GivenUp::GoesOnAs(gid));
                self.member.handle(self.now, Input::Forsake);
            }
            Verdict::Forsake => {
                tracing::info!(gid = %view.gid, "the quorum is lost for good, and nothing was said yet: beginning again");
                self.give_up(view.gid, GivenUp::Empty);
                self.member.handle(self.now, Input::Forsake);
            }
        }
    }

    fn give_up(&mut self, gid: Gid, why: GivenUp) {
        self.given_up = Some((gid, why));
        self.note_given_up(gid);
    }

    /// Creates a lineage that begins with the history of the one that it is in. Returns false, and does nothing, if it
    /// is in none with a history.
    pub(super) fn return_alone(&mut self) -> bool {
        let Some(view) = self.member.view().filter(|_| self.member.has_history()).cloned() else { return false };
        self.member.handle(self.now, Input::Return);
        let returned = self.member.view().is_some_and(|present| present.gid != view.gid);
        if returned {
            self.lineages.remember(self.now.since(Time::ZERO), &view, Some(true));
            self.meeting.returning = None;
        }
        returned
    }

    /// Whether it is in a view and nothing is ordered, because nobody leads with a quorum. Where lineages do not
    /// settle, those in which nothing was said are left alone.
    fn is_stuck(&self) -> bool {
        let blocked = matches!(self.member.blocked(), Some(Blocked::Quorum { .. } | Blocked::Leader { .. }));
        blocked && !self.member.serves() && (self.member.has_history() || !self.config.settle.is_zero())
    }
}

fn judge(now: Duration, asked: Duration, own: &Own<'_>, lineages: &Lineages, inquiries: &Inquiries) -> Verdict {
    let gid = own.view.gid;
    let answers: Vec<_> = inquiries.since(asked).collect();
    let places = || answers.iter().filter_map(|(_, answer)| Some((answer.who, answer.place()?)));
    // One that was created so by another of the same lineage has done all that follows.
    if let Some((_, place)) = places().find(|(_, place)| place.origin == Some(gid) && place.serves) {
        return Verdict::Join(place.gid);
    }
    if places().any(|(_, place)| place.gid == gid && place.serves) {
        return Verdict::Wait;
    }
    // The latest view that anybody knows, and those that somebody has accepted to follow it.
    let heard = lineages.get(gid).and_then(|sighting| sighting.voters.as_ref());
    let fellows = || places().map(|(_, place)| place).filter(|place| place.gid == gid).chain([own.place]);
    let known = || fellows().map(|place| &place.voters).chain(heard);
    let latest = known().map(|voters| voters.vid).max().unwrap_or(0);
    let of_latest = known().find(|voters| voters.vid == latest);
    let accepted: Vec<&Voters> = fellows().filter_map(|place| place.next.as_ref()).collect();
    let mut seats: BTreeSet<Seat> = BTreeSet::new();
    for voters in of_latest.into_iter().chain(accepted.iter().copied()).chain([&own.place.voters]) {
        let Some(all) = voters.all() else { return Verdict::Wait };
        seats.extend(all);
    }
    let blocked: Vec<(Uid, &Place)> =
        places().filter(|(_, place)| place.gid == gid && !place.serves).chain([(own.me, own.place)]).collect();
    let disowned = |uid: Uid| answers.iter().any(|(_, answer)| answer.gone.contains(&uid));
    let has_history = blocked.iter().any(|(_, place)| place.history);
    let accounted = |seat: &Seat| {
        let answer = answers.iter().find(|(address, _)| *address == seat.address);
        let same = answer.filter(|(_, answer)| answer.who == seat.uid);
        // The same start answers: it waits in that view like me, or is in none of this lineage.
        blocked.iter().any(|(who, _)| *who == seat.uid)
            || same.is_some_and(|(_, answer)| answer.place().is_none_or(|place| place.gid != gid))
            || lineages.is_proved_dead(seat.uid)
            || disowned(seat.uid)
            // As for one that was never in it.
            || !has_history && lineages.is_gone(now, gid, *seat, inquiries)
    };
    if !seats.iter().all(accounted) && !own.planted.is(Bug::ReturnsUnaccounted) {
        return Verdict::Wait;
    }
    // One that is in a later view tells the others what ended theirs, and those in one view may be able to decide what
    // ends it: then the ordinary change of views goes on.
    let present = || blocked.iter().filter(|(_, place)| place.voters.vid == own.view.vid);
    let bound = present().filter(|(_, place)| place.next.is_some() && place.next == own.place.next);
    let bound: Vec<Uid> = bound.map(|(who, _)| *who).collect();
    let all: Vec<Uid> = present().map(|(who, _)| *who).collect();
    if blocked.iter().any(|(_, place)| place.voters.vid > own.view.vid) || (own.decide)(&all, &bound) {
        return Verdict::Wait;
    }
    let heirs = lineages.all().filter(|(_, sighting)| sighting.origin == Some(gid));
    if heirs.into_iter().any(|(heir, _)| !lineages.has_ceased(now, heir, inquiries)) {
        return Verdict::Wait;
    }
    if let Some((_, other)) = places().find(|(_, place)| place.gid != gid && place.history && place.serves) {
        return Verdict::Join(other.gid);
    }
    if !has_history {
        return Verdict::Forsake;
    }
    let ahead = |(who, place): &(Uid, &Place)| (place.voters.vid, place.have, *who);
    let holds = |(_, place): &&(Uid, &Place)| place.history;
    let furthest = blocked.iter().filter(holds).max_by_key(|held| ahead(held)).map(|(who, _)| *who);
    if furthest == Some(own.me) { Verdict::Return } else { Verdict::Wait }
}
