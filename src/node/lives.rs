//! One process, several lives: another id, another lineage, the end.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Bug, Event, Gid, GivenUp, Input, Member, Outcome, Refusal, Time, Uid, Unordered, View};

use super::inquiry::{Seat, Voters};
use super::lineages::Lineages;
use super::{Arrival, Node};
use crate::layers;

/// How long a former life keeps answering those who were in its last view and are behind.
const LINGER: Duration = Duration::from_secs(10);

/// The life a process had in a lineage that has dissolved, or that has excluded it: it answers for it a while
/// (protocol 5.3).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Former {
    pub(super) member: Member,
    gid: Gid,
    vid: u64,
    pub(super) until: Time,
}

impl Former {
    pub(super) fn new(member: Member, view: &View, now: Time) -> Self {
        Self { member, gid: view.gid, vid: view.vid, until: now + LINGER }
    }

    pub(super) fn poll_timeout(&self) -> Time {
        self.member.poll_timeout().map_or(self.until, |at| at.min(self.until))
    }
}

/// Exclusions longer ago than this are forgotten.
const LATELY: Duration = Duration::from_secs(60);
/// After so many exclusions within that time, a process still returns at once;
const FORGIVEN: u32 = 2;
/// after the next it rests so long, and twice as long after each further one,
const REST: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// How often a process has been excluded lately although it lived. Each return costs the group two views, so one that
/// flaps returns less and less often.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Exclusions {
    at: VecDeque<Time>,
    rest: Option<Time>,
}

impl Exclusions {
    /// It has been excluded: true if it rests now.
    fn count(&mut self, now: Time) -> bool {
        self.at.retain(|at| now - *at < LATELY);
        self.at.push_back(now);
        let beyond = (self.at.len() as u32).saturating_sub(FORGIVEN);
        self.rest = (beyond > 0).then(|| now + (REST * (1 << (beyond - 1).min(16))).min(LONGEST_REST));
        self.rest.is_some()
    }

    /// It keeps away for a moment.
    fn rest(&mut self, now: Time) {
        self.rest = Some(now + REST);
    }

    /// Until when it keeps away from the group, if it does.
    pub(super) fn rests_until(&self) -> Option<Time> {
        self.rest
    }

    /// It rests no longer; false if it did not.
    pub(super) fn end_rest(&mut self) -> bool {
        self.rest.take().is_some()
    }
}

/// The lineage with history that a process was put out of. The process belongs to it, and creates none, until it is in
/// another one with a history or the old one is known to have ended: it may have acknowledged what others have never
/// heard of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Exile {
    pub(super) gid: Gid,
    /// Those of the last view that it knows.
    pub(super) voters: Voters,
    /// Whom it asks, beside everybody.
    pub(super) contacts: Vec<Seat>,
    pub(super) since: Time,
    /// An operator has given that lineage up: this process joins any other one.
    pub(super) released: bool,
    /// Why this process has given it up itself, if it was not put out.
    pub(super) given_up: Option<GivenUp>,
}

/// Own messages that go on in this life, and how the application's numbers follow from those of the lives.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Carried {
    /// Those of former lives that this one has not sent yet, with their numbers.
    waiting: VecDeque<(u64, Unordered)>,
    /// The numbers of those that it has sent, which come first in it.
    numbers: Vec<u64>,
    /// Messages accepted in all lives.
    accepted: u64,
    /// What is added to the number of one that was accepted in this life.
    before: u64,
}

impl Carried {
    /// Whether something of a former life has to be sent first.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The application's number of a message that has number `sseq` in this life and was accepted in it.
    pub(super) fn accept(&mut self, sseq: u64) -> u64 {
        self.accepted += 1;
        self.before = self.accepted - sseq;
        self.accepted
    }

    /// The application's number of a message of this life.
    pub(super) fn number(&self, sseq: u64) -> u64 {
        self.numbers.get(sseq as usize - 1).copied().unwrap_or(self.before + sseq)
    }

    /// A life ends, and these of its messages go on in the next one.
    fn carry_on(&mut self, unordered: Vec<Unordered>) {
        let numbered: Vec<_> = unordered.into_iter().map(|message| (self.number(message.sseq), message)).collect();
        numbered.into_iter().rev().for_each(|message| self.waiting.push_front(message));
        self.numbers.clear();
    }
}

impl Node {
    /// The group has gone on without this process: it joins again, at once or when it has rested.
    pub(super) fn rejoin(&mut self) {
        if !self.exclusions.count(self.now) {
            self.begin_anew();
        }
    }

    /// Whether a refusal holds for the present only. Where its own lineage ended in favour of another one, the holder
    /// of its id was there before it; in a lineage that it was put out of, it has been replaced.
    pub(super) fn may_ask_again(&self, refusal: &Refusal) -> bool {
        self.place.is_some()
            && match refusal {
                Refusal::Full(_) => true,
                Refusal::NodeTaken { .. } => self.gave_way,
                // Its MTU may be raised again.
                Refusal::Datagram { .. } => true,
                Refusal::Params(_) | Refusal::Group(_) => false,
            }
    }

    /// The group that it belongs to has no place for it at present: it asks again after a while.
    pub(super) fn ask_later(&mut self) {
        self.exclusions.rest(self.now);
    }

    /// Which life of this process a datagram of gms-core is for. Those who want to join are in no view yet, and what
    /// they say is for the present.
    pub(super) fn life_of(&mut self, datagram: &Bytes) -> &mut Member {
        let of_the_past = |former: &Former| {
            layers::view_of(datagram).is_some_and(|(gid, vid)| gid == former.gid && (1..=former.vid).contains(&vid))
        };
        match &mut self.former {
            Some(former) if of_the_past(former) => &mut former.member,
            _ => &mut self.member,
        }
    }

    /// Takes another id and starts over: comes to the group as it did with the one that was taken.
    pub(super) fn draw_another_id(&mut self) {
        let uid = Uid::new(self.random.next_u64() >> 32, self.random.next_u64());
        let leaving = self.leaving;
        self.start_over(uid, Arrival::Looks { may_create: self.exile.is_none() });
        self.tend();
        if leaving {
            self.handle(self.now, Input::Leave);
        }
    }

    /// The lineage of this process has ended or excluded it, or it was not let in again: goes on as a new life.
    pub(super) fn begin_anew(&mut self) {
        let uid = Uid { incarnation: self.random.next_u64(), ..self.member.uid() };
        let now = self.now.since(Time::ZERO);
        let history = self.member.has_history();
        let next = self.member.next_view().cloned();
        let (unordered, missed) = self.member.take_unordered();
        let missed = missed.into_iter().map(|sseq| self.carried.number(sseq));
        self.alarms.extend(missed.map(|sseq| Event::Outcome { sseq, outcome: Outcome::NotOrdered }));
        self.carried.carry_on(unordered);
        if let Some(view) = self.place.clone().filter(|_| !self.member.is_joining()) {
            // A process that is put out of a lineage usually knows the view that follows.
            let last = next.filter(|next| next.gid == view.gid && !next.members.is_empty());
            let last = last.as_ref().unwrap_or(&view);
            let forgets = self.config.core.planted.is(Bug::ExileCreates);
            if forgets {
                let core = &self.config.core;
                self.lineages = Lineages::new(self.name, core.address, core.planted);
            } else {
                self.lineages.remember(now, last, history.then_some(true));
            }
            if history && !forgets {
                self.exile = Some(exile_of(&view, last, self.now));
            }
        }
        if let (Some(exile), Some((gid, why))) = (&mut self.exile, self.given_up)
            && exile.gid == gid
        {
            exile.given_up = Some(why);
        }
        match (self.forced, &mut self.exile) {
            (Some(true), exile) => *exile = None,
            (Some(false), Some(exile)) => (exile.released, exile.given_up) = (true, Some(GivenUp::Ordered)),
            (Some(false), None) | (None, _) => {}
        }
        let arrival = match self.forced.take() {
            Some(true) => Arrival::Creates,
            Some(false) => Arrival::Looks { may_create: false },
            None => Arrival::Looks { may_create: self.exile.is_none() },
        };
        let was_in = self.place.clone().filter(|_| !self.member.is_joining());
        let member = self.start_over(uid, arrival);
        if let Some(view) = was_in {
            self.former = Some(Box::new(Former::new(member, &view, self.now)));
        }
        self.tend();
    }

    /// Puts another life in the place of this one, and returns what was the member in it. What is of the process and
    /// not of its life goes on.
    fn start_over(&mut self, uid: Uid, arrival: Arrival) -> Member {
        let mut config = self.config.clone();
        config.core.uid = uid;
        config.core.seed = self.random.next_u64();
        if let Some(exile) = &self.exile {
            config.contacts.extend(exile.contacts.iter().map(|seat| seat.address));
        }
        let mut anew = Self::begin(config, arrival, self.now).expect("nothing but the life has changed");
        anew.config.contacts.clone_from(&self.config.contacts);
        let past = mem::replace(self, anew);
        (self.random, self.exclusions, self.former) = (past.random, past.exclusions, past.former);
        (self.lineages, self.exile, self.carried) = (past.lineages, past.exile, past.carried);
        (self.place, self.alarms, self.gave_way) = (past.place, past.alarms, past.gave_way);
        (self.acquaintances, self.lateness) = (past.acquaintances, past.lateness);
        self.meeting.go_on(past.meeting, past.member.uid());
        self.outbox.extend(past.outbox);
        self.go_on_from(past.testimony, past.member.uid(), self.place.as_ref().map(|view| view.gid));
        past.member
    }

    /// Whether one that was put out of a lineage joins that one.
    pub(super) fn may_join(&self, exile: &Exile, gid: Gid) -> bool {
        if exile.released {
            return gid != exile.gid;
        }
        let now = self.now.since(Time::ZERO);
        let waited = self.now - exile.since >= self.config.directory.forget_after;
        let sighting = self.lineages.get(gid);
        gid == exile.gid
            || sighting.is_some_and(|sighting| sighting.origin == Some(exile.gid))
            || self.lineages.is_superseded(exile.gid, gid)
            || (waited && sighting.is_some_and(|sighting| sighting.history == Some(true)))
            || self.lineages.has_ceased(now, exile.gid, &self.inquiries)
    }

    /// Exile ends in a lineage that has a history of its own, or with the old one; in any lineage if an operator has
    /// given that one up.
    pub(super) fn look_at_exile(&mut self, now: Duration) {
        if let Some(exile) = &self.exile
            && self.member.view().is_some()
            && (exile.released
                || self.member.has_history()
                || self.lineages.has_ceased(now, exile.gid, &self.inquiries))
        {
            self.exile = None;
        }
        self.look_at_lineage_of_exile(now);
    }

    /// One that was put out of a lineage which is over by now is as one that has just started: there is nothing left to
    /// wait for, and nobody else may be there who could create a group.
    fn look_at_lineage_of_exile(&mut self, now: Duration) {
        let waits = self.member.is_joining() && self.creation.is_none() && !self.leaving && self.forced.is_none();
        let over = |exile: &Exile| !exile.released && self.lineages.has_ceased(now, exile.gid, &self.inquiries);
        if let Some(gid) = self.exile.as_ref().filter(|exile| waits && over(exile)).map(|exile| exile.gid) {
            tracing::info!(%gid, "all who voted in the group that put this server out are gone: looking for another one");
            self.note_given_up(gid);
            self.exile = None;
            self.begin_anew();
        }
    }

    /// Sends what former lives have left over, as far as there is room.
    pub(super) fn send_carried(&mut self) {
        while self.member.has_room()
            && let Some((number, message)) = self.carried.waiting.pop_front()
        {
            let Unordered { payload, level, addressing, .. } = message;
            // The limits are those of the name, or this process would not have been let in.
            if self.member.send(self.now, payload, level, addressing).is_ok() {
                self.carried.numbers.push(number);
            } else {
                self.alarms.push(Event::Outcome { sseq: number, outcome: Outcome::NotOrdered });
            }
        }
    }

    /// Tells the others that this server is gone; not if the id they would forget is another one's. What never reached
    /// a group is not ordered.
    pub(super) fn say_goodbye(&mut self, id_is_taken: bool, out: &mut Vec<Event>) {
        let last = out.pop();
        out.append(&mut self.alarms);
        let unordered = self.carried.waiting.drain(..);
        out.extend(unordered.map(|(sseq, _)| Event::Outcome { sseq, outcome: Outcome::NotOrdered }));
        out.extend(last);
        self.gone = true;
        if !id_is_taken {
            self.directory.handle(self.now.since(Time::ZERO), gms_discovery::Input::Leave);
            self.gather();
        }
    }
}

fn exile_of(view: &View, last: &View, since: Time) -> Exile {
    let contacts = view.members.iter().chain(&last.members).map(Seat::from);
    let (contacts, voters) = (contacts.collect(), Voters::of(last));
    Exile { gid: view.gid, voters, contacts, since, released: false, given_up: None }
}
