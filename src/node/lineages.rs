//! The lineages of the name that this process has heard of since it started, over all its lives: while one of them may
//! be there, it creates none beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Bug, Gid, Planted, Uid, View};
use gms_discovery::Entry;

use super::inquiry::{Inquiries, Place, Rumour, Seat, Standing, Voters};

/// Lineages remembered, at most: anybody can make up more.
const REMEMBERED: usize = 64;
/// An address is deserted once it has refused so often,
const REFUSALS: u32 = 3;
/// over so long a time: a queue that is full refuses, too, for a moment.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// A lineage not heard for so long is not looked for any more by one that has no need to.
const OLD: Duration = Duration::from_secs(30);
/// Somebody who said so long ago that it is in a lineage may still be in it, and hold what was said there.
const INHABITED: Duration = Duration::from_secs(2);
/// Addresses and deaths remembered, at most.
const NOTED: usize = 1024;

/// What is known of one lineage.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sighting {
    /// When anything was last heard of it,
    heard: Duration,
    /// and whence.
    pub(super) from: SocketAddr,
    /// When those at these addresses last said that they are in it, as voters or not, and nothing else since.
    inhabitants: BTreeMap<SocketAddr, Duration>,
    /// Those who vote in the latest view that was heard of.
    pub(super) voters: Option<Voters>,
    /// Whether anything was said in it, as far as it has said so.
    pub(super) history: Option<bool>,
    /// The lineage whose history it began with.
    pub(super) origin: Option<Gid>,
    /// Digest of its settings.
    pub(super) settings: Option<u64>,
}

/// A server that speaks another version of the wire format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Stranger {
    pub(super) version: u8,
    pub(super) from: SocketAddr,
}

/// Of one address, since anything was heard from there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Refusals {
    first: Duration,
    last: Duration,
    count: u32,
}

impl Refusals {
    fn are_final(self) -> bool {
        self.count >= REFUSALS && self.last.saturating_sub(self.first) >= REFUSED_FOR
    }
}

/// All of them, and what tells that they have ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Lineages {
    name: Gid,
    /// Where this process is: who was here before is not any more.
    home: SocketAddr,
    planted: Planted,
    sightings: BTreeMap<Gid, Sighting>,
    /// When somebody was last heard of and there was no room to remember it.
    crowded: Option<Duration>,
    /// When somebody of the name was last heard who speaks another version of the wire format.
    stranger: Option<(Duration, Stranger)>,
    /// Where nobody listens any more, or from where somebody has left.
    refusals: BTreeMap<SocketAddr, Refusals>,
    /// Those proved to be dead.
    dead: BTreeSet<Uid>,
    /// Those at whose address another life has answered.
    replaced: BTreeSet<Uid>,
    /// Lineages given up here for another one that goes on in their place.
    superseded: BTreeSet<(Gid, Gid)>,
    /// Those that an operator has given up here: nobody waits for their end.
    discarded: BTreeSet<Gid>,
}

impl Lineages {
    /// Of a process of the group `name` that has just started at this address.
    pub(super) fn new(name: Gid, home: SocketAddr, planted: Planted) -> Self {
        Self {
            name,
            home,
            planted,
            sightings: BTreeMap::new(),
            crowded: None,
            stranger: None,
            refusals: BTreeMap::new(),
            dead: BTreeSet::new(),
            replaced: BTreeSet::new(),
            superseded: BTreeSet::new(),
            discarded: BTreeSet::new(),
        }
    }

    /// Something of lineage `gid` was heard: at least it is there. Lineages of other names do not matter.
    pub(super) fn hear(&mut self, now: Duration, gid: Gid, from: SocketAddr) -> Option<&mut Sighting> {
        if !gid.is_of(self.name) {
            return None;
        }
        if !self.sightings.contains_key(&gid) {
            if self.sightings.len() >= REMEMBERED {
                self.crowded = Some(now);
                return None;
            }
            let new = Sighting {
                heard: now,
                from,
                inhabitants: BTreeMap::new(),
                voters: None,
                history: None,
                origin: None,
                settings: None,
            };
            self.sightings.insert(gid, new);
        }
        let sighting = self.sightings.get_mut(&gid).expect("just seen to");
        (sighting.heard, sighting.from) = (now, from);
        Some(sighting)
    }

    /// Somebody of the name was heard who cannot be understood. True if that is news.
    pub(super) fn hear_stranger(&mut self, now: Duration, stranger: Stranger) -> bool {
        let before = self.stranger.replace((now, stranger));
        before.is_none_or(|(at, before)| before != stranger || now.saturating_sub(at) > OLD)
    }

    /// One that was heard lately and cannot be understood: its lineage is not known, so only silence ends it.
    pub(super) fn stranger(&self, now: Duration) -> Option<Stranger> {
        self.stranger.filter(|(at, _)| now.saturating_sub(*at) <= OLD).map(|(_, stranger)| stranger)
    }

    /// Somebody at this address has said something: whatever it refused before does not count.
    pub(super) fn alive(&mut self, address: SocketAddr) {
        self.refusals.remove(&address);
    }

    /// A server describes itself in the directory.
    pub(super) fn learn_entry(&mut self, now: Duration, entry: &Entry<u64>) {
        self.depart(entry.address);
        let Some(gid) = entry.lineage().map(Gid) else { return };
        let seats = entry.all_voters().map(|voters| {
            let seat = |v: &gms_discovery::Voter<u64>| Seat { uid: Uid::new(v.id, v.life), address: v.address };
            Voters::named(entry.vid, voters.iter().map(seat).collect())
        });
        let Some(sighting) = self.hear(now, gid, entry.address) else { return };
        sighting.learn(seats, Some(entry.history || entry.former != 0));
        if entry.gid != 0 {
            sighting.inhabit(now, entry.address);
            sighting.origin = Some(Gid(entry.origin)).filter(|origin| *origin != Gid::NONE);
            sighting.settings = Some(entry.settings);
        }
    }

    /// A process at this address has answered; `own` is the lineage that this process is in.
    pub(super) fn learn_answer(
        &mut self,
        now: Duration,
        from: SocketAddr,
        who: Uid,
        standing: &Standing,
        own: Option<Gid>,
    ) {
        self.replace(from, who);
        self.depart(from);
        match standing {
            Standing::In(place) if Some(place.gid) == own => {}
            Standing::Fresh => {}
            Standing::Exile { gid, voters } => {
                if let Some(sighting) = self.hear(now, *gid, from) {
                    sighting.learn(Some(voters.clone()), Some(true));
                }
            }
            Standing::In(Place { gid, origin, history, settings, voters, .. }) => {
                if let Some(sighting) = self.hear(now, *gid, from) {
                    sighting.learn(Some(voters.clone()), Some(*history));
                    sighting.inhabit(now, from);
                    (sighting.origin, sighting.settings) = (*origin, Some(*settings));
                }
            }
        }
    }

    /// What was said from there before about its lineage no longer holds.
    fn depart(&mut self, address: SocketAddr) {
        for sighting in self.sightings.values_mut() {
            sighting.inhabitants.remove(&address);
        }
    }

    /// Another life than the voters that were at this address is there now: they are gone for good.
    fn replace(&mut self, address: SocketAddr, who: Uid) {
        let seats = self.sightings.values().flat_map(|sighting| &sighting.voters).flat_map(Voters::named_seats);
        let gone: Vec<Uid> =
            seats.filter(|seat| seat.address == address && seat.uid != who).map(|seat| seat.uid).collect();
        self.replaced.extend(gone);
        while self.replaced.len() > NOTED {
            self.replaced.pop_first();
        }
    }

    /// A member has heard of a lineage.
    pub(super) fn learn_rumour(&mut self, now: Duration, rumour: Rumour) {
        if let Some(sighting) = self.hear(now, rumour.gid, rumour.from)
            && let Some(voters) = rumour.voters
        {
            sighting.learn(Some(voters), None);
        }
    }

    /// Somebody knows who votes in a lineage that was heard of here.
    pub(super) fn learn_voters(&mut self, rumour: Rumour) {
        if let (Some(sighting), Some(voters)) = (self.sightings.get_mut(&rumour.gid), rumour.voters) {
            sighting.learn(Some(voters), None);
        }
    }

    /// This process was in that view, and is so no longer. Where nothing had been said yet, it cannot know what was
    /// later.
    pub(super) fn remember(&mut self, now: Duration, view: &View, history: Option<bool>) {
        let from = view.member(view.leader).map(|leader| leader.address);
        if let Some(sighting) = from.and_then(|from| self.hear(now, view.gid, from)) {
            sighting.learn(Some(Voters::of(view)), history);
            sighting.origin = view.params.origin;
        }
    }

    /// Nobody listens at this address, says its host.
    pub(super) fn refused(&mut self, now: Duration, address: SocketAddr) {
        if self.refusals.len() < NOTED || self.refusals.contains_key(&address) {
            let refusals = self.refusals.entry(address).or_insert(Refusals { first: now, last: now, count: 0 });
            (refusals.last, refusals.count) = (now, refusals.count.saturating_add(1));
        }
    }

    fn is_deserted(&self, address: SocketAddr) -> bool {
        self.refusals.get(&address).is_some_and(|refusals| refusals.are_final())
    }

    /// It is proved that this process is dead.
    pub(super) fn bury(&mut self, who: Uid) {
        if self.dead.len() < NOTED {
            self.dead.insert(who);
        }
    }

    pub(super) fn is_proved_dead(&self, who: Uid) -> bool {
        self.dead.contains(&who)
    }

    /// The lineage `by` goes on in place of `gid`.
    pub(super) fn supersede(&mut self, gid: Gid, by: Gid) {
        if self.superseded.len() < REMEMBERED {
            self.superseded.insert((gid, by));
        }
    }

    /// Whether `by` was found to go on in place of `gid`.
    pub(super) fn is_superseded(&self, gid: Gid, by: Gid) -> bool {
        self.superseded.contains(&(gid, by))
    }

    /// An operator gives up lineage `gid`.
    pub(super) fn discard(&mut self, gid: Gid) {
        if self.discarded.len() < NOTED {
            self.discarded.insert(gid);
        }
    }

    /// Those that an operator has given up.
    pub(super) fn discarded(&self) -> impl Iterator<Item = Gid> {
        self.discarded.iter().copied()
    }

    pub(super) fn get(&self, gid: Gid) -> Option<&Sighting> {
        self.sightings.get(&gid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Gid, &Sighting)> {
        self.sightings.iter().map(|(gid, sighting)| (*gid, sighting))
    }

    /// The lineages but `own` that may still be there.
    pub(super) fn rivals(&self, now: Duration, own: Gid, inquiries: &Inquiries) -> Vec<Gid> {
        let there = |(gid, _): &(Gid, &Sighting)| *gid != own && !self.has_ceased(now, *gid, inquiries);
        self.all().filter(there).map(|(gid, _)| gid).collect()
    }

    /// Whether so many were heard of lately that some could not be remembered.
    pub(super) fn is_crowded(&self, now: Duration, lately: Duration) -> bool {
        self.crowded.is_some_and(|at| now.saturating_sub(at) < lately)
    }

    /// Whether lineage `gid` is certainly over: an operator says so, or all its voters are gone and nobody says that it
    /// is still in it and could go on with what was said there. Silence ends no lineage: much may have been said in it
    /// since it was last heard.
    pub(super) fn has_ceased(&self, now: Duration, gid: Gid, inquiries: &Inquiries) -> bool {
        let Some(sighting) = self.sightings.get(&gid) else { return true };
        let is_inhabited = sighting.inhabitants.values().any(|at| now.saturating_sub(*at) < INHABITED);
        let all = sighting.voters.as_ref().and_then(Voters::all);
        let gone = all.is_some_and(|voters| voters.iter().all(|seat| self.is_gone(now, gid, *seat, inquiries)));
        gone && !is_inhabited || self.discarded.contains(&gid) || self.planted.is(Bug::HeardIsOver)
    }

    /// Whether this voter of lineage `gid` is gone from it: dead, not listening any more, or another life, or the same
    /// one in another lineage, answers where it was.
    pub(super) fn is_gone(&self, now: Duration, gid: Gid, seat: Seat, inquiries: &Inquiries) -> bool {
        let answer = inquiries.of(now, seat.address);
        let elsewhere = |who: Uid, place: Option<&Place>| who != seat.uid || place.is_none_or(|place| place.gid != gid);
        seat.address == self.home
            || self.dead.contains(&seat.uid)
            || self.replaced.contains(&seat.uid)
            || self.is_deserted(seat.address)
            || answer.is_some_and(|answer| elsewhere(answer.who, answer.place()))
    }
}

impl Sighting {
    /// Views of one lineage only grow, and so does its history.
    fn learn(&mut self, voters: Option<Voters>, history: Option<bool>) {
        if let Some(voters) = voters
            && self.voters.as_ref().is_none_or(|known| known.vid <= voters.vid)
        {
            self.voters = Some(voters);
        }
        self.history = self.history.max(history);
    }

    /// Somebody says that it is in it.
    fn inhabit(&mut self, now: Duration, address: SocketAddr) {
        if self.inhabitants.len() < NOTED || self.inhabitants.contains_key(&address) {
            self.inhabitants.insert(address, now);
        }
    }

    /// Whether nothing was heard of it for long.
    pub(super) fn is_old(&self, now: Duration) -> bool {
        now.saturating_sub(self.heard) > OLD
    }
}
