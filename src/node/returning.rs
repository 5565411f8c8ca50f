//! Going on without an operator when the quorum of a lineage with history is lost for good (`lineage` 4): when all its
//! voters are accounted for, and nobody else can decide anything, the one furthest ahead creates a lineage that begins with
//! what it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use gms_core::{Bug, Gid, Planted, Uid, View};

use super::inquiry::{Inquiries, Place, Seat, Voters};
use super::lineages::Lineages;
use super::own_time::OwnTime;

/// How often those who may know something are asked.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);
/// Whoever is asked has so long to answer.
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
}

/// What it knows of its own lineage.
pub(super) struct Own<'a> {
    pub(super) me: Uid,
    pub(super) view: &'a View,
    /// What it says of itself.
    pub(super) place: &'a Place,
    /// Whether these suffice to decide, in this group's mode.
    pub(super) decide: &'a dyn Fn(&[Uid]) -> bool,
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
    let accounted = |seat: &Seat| {
        let answer = answers.iter().find(|(address, _)| *address == seat.address);
        let same = answer.filter(|(_, answer)| answer.who == seat.uid);
        // The same start answers: it waits in that view like me, or is in none of this lineage.
        blocked.iter().any(|(who, _)| *who == seat.uid)
            || same.is_some_and(|(_, answer)| answer.place().is_none_or(|place| place.gid != gid))
            || lineages.is_proved_dead(seat.uid)
            || disowned(seat.uid)
    };
    if !seats.iter().all(accounted) && !own.planted.is(Bug::ReturnsUnaccounted) {
        return Verdict::Wait;
    }
    // One that is in a later view tells the others what ended theirs, and those in one view may be able to decide what
    // ends it: then the ordinary change of views goes on.
    let present = || blocked.iter().filter(|(_, place)| place.voters.vid == own.view.vid).map(|(who, _)| *who);
    if blocked.iter().any(|(_, place)| place.voters.vid > own.view.vid) || (own.decide)(&present().collect::<Vec<_>>())
    {
        return Verdict::Wait;
    }
    let heirs = lineages.all().filter(|(_, sighting)| sighting.origin == Some(gid));
    if heirs.into_iter().any(|(heir, _)| !lineages.has_ceased(now, heir, inquiries)) {
        return Verdict::Wait;
    }
    if let Some((_, other)) = places().find(|(_, place)| place.gid != gid && place.history && place.serves) {
        return Verdict::Join(other.gid);
    }
    let ahead = |(who, place): &(Uid, &Place)| (place.voters.vid, place.have, *who);
    let holds = |(_, place): &&(Uid, &Place)| place.history;
    let furthest = blocked.iter().filter(holds).max_by_key(|held| ahead(held)).map(|(who, _)| *who);
    if furthest == Some(own.me) { Verdict::Return } else { Verdict::Wait }
}
