//! Before anything is said in a new lineage, its leader looks for other ones, and gives way to one that it meets
//! (docs/lineages.md, *Creating* and *Ending*). Lineages that can hear each other so become one before there is
//! anything to lose.

use std::collections::BTreeMap;
use std::time::Duration;

use gms_core::{Gid, Input, Uid, Unsettled, View};
use gms_discovery::Directory;

use super::Node;
use super::inquiry::{ASK_EVERY, Inquiries, Message, Place};
use super::lineages::Lineages;
use super::own_time::{OwnTime, WAKE_EVERY};

/// How often the members tell their leader what they have heard.
const REPORT_EVERY: Duration = ASK_EVERY;
/// How many times everybody is asked, at least.
const PROBES: u32 = 10;
/// How long the report of a member counts.
const REPORT_LASTS: Duration = Duration::from_secs(1);

/// A leader's search for other lineages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settling {
    gid: Gid,
    time: OwnTime,
    /// In own time: since when nothing stands in the way.
    clear_since: Duration,
    probe_at: Duration,
    probes: u32,
    /// When each member last said what it hears.
    reports: BTreeMap<Uid, Duration>,
    /// The lineage to give way to, now.
    into: Option<Gid>,
}

impl Settling {
    /// The search of the leader of lineage `gid`.
    pub(super) fn new(gid: Gid, now: Duration) -> Self {
        let reports = BTreeMap::new();
        Self {
            gid,
            time: OwnTime::new(now),
            clear_since: Duration::ZERO,
            probe_at: now,
            probes: 0,
            reports,
            into: None,
        }
    }

    /// The lineage that searches.
    pub(super) fn gid(&self) -> Gid {
        self.gid
    }

    /// A member has said what it hears.
    pub(super) fn reported(&mut self, now: Duration, who: Uid) {
        self.reports.insert(who, now);
    }

    /// Something could not be sent, so not everybody was asked.
    pub(super) fn unsent(&mut self) {
        self.probes = 0;
    }

    /// Takes the state of the world in: what is in the way of the first message, if anything is.
    pub(super) fn step(
        &mut self,
        now: Duration,
        settle: Duration,
        view: &View,
        directory: &mut Directory<u64>,
        (lineages, inquiries): (&Lineages, &Inquiries),
    ) -> Option<Unsettled> {
        if settle.is_zero() {
            return None;
        }
        let own = self.time.look(now);
        if now >= self.probe_at {
            (self.probe_at, self.probes) = (now + ASK_EVERY, self.probes.saturating_add(1));
            directory.handle(now, gms_discovery::Input::Probe);
        }
        self.reports.retain(|uid, _| view.contains(*uid));
        let rivals = lineages.rivals(now, view.gid, inquiries);
        // Also to one that an operator has given up, if it serves after all: nothing was said here.
        let others = rivals.iter().copied().chain(lineages.discarded().filter(|gid| *gid != view.gid));
        self.into = others.into_iter().find(|other| gives_way(view, place_of(now, *other, inquiries)));
        if let Some(rival) = self.into.or(rivals.first().copied()) {
            (self.clear_since, self.probes) = (own, 0);
            return Some(Unsettled::Rival(rival));
        }
        let silent = |uid: Uid| self.reports.get(&uid).is_none_or(|at| now.saturating_sub(*at) > REPORT_LASTS);
        let others = view.members.iter().filter(|m| m.uid != view.leader);
        if let Some(member) = others.into_iter().find(|m| silent(m.uid)) {
            return Some(Unsettled::Silent(member.uid.node.0));
        }
        let looked = own.saturating_sub(self.clear_since) >= settle;
        match looked && self.probes >= PROBES {
            true => None,
            false if looked => Some(Unsettled::Unsent),
            false => Some(Unsettled::Looking),
        }
    }

    /// The lineage that this one gives way to, if it does: it has just said that it would be better off.
    pub(super) fn gives_way_to(&self) -> Option<Gid> {
        self.into
    }

    /// When [`Self::step`] is due.
    pub(super) fn poll_timeout(&self, now: Duration) -> Duration {
        now + WAKE_EVERY
    }
}

impl Node {
    /// At the leader of a lineage without history: when it may order its first message, or gives way.
    pub(super) fn settle(&mut self, now: Duration) {
        let Some(view) = self.member.view().filter(|_| self.member.is_leader()).cloned() else {
            self.meeting.settling = None;
            return;
        };
        if self.member.has_history() || self.config.settle.is_zero() {
            self.meeting.settling = None;
            return;
        }
        if self.meeting.settling.as_ref().is_none_or(|settling| settling.gid() != view.gid) {
            self.meeting.settling = Some(Settling::new(view.gid, now));
        }
        let settling = self.meeting.settling.as_mut().expect("just seen to");
        let world = (&self.lineages, &self.inquiries);
        let why = settling.step(now, self.config.settle, &view, &mut self.directory, world);
        let into = settling.gives_way_to();
        self.member.handle(self.now, Input::Settle(why));
        if let Some(into) = into {
            self.member.handle(self.now, Input::Dissolve { into, history: false });
        }
    }

    /// A member of a lineage without history tells its leader what else it has heard of.
    pub(super) fn report(&mut self, now: Duration) {
        let Some(view) = self.member.view().filter(|_| !self.member.is_leader()).cloned() else { return };
        if self.member.has_history() {
            return;
        }
        if now >= self.meeting.report_at {
            self.meeting.report_at = now + REPORT_EVERY;
            let rivals = self.lineages.rivals(now, view.gid, &self.inquiries);
            let report = Message::report(view.gid, rivals.into_iter().filter_map(|gid| self.rumour(gid)));
            if let Some(leader) = view.member(view.leader) {
                self.say(leader.address, &report);
            }
        }
        self.wake_at(self.meeting.report_at);
    }
}

/// What the leader of lineage `gid` has said of it in the last moments.
pub(super) fn place_of(now: Duration, gid: Gid, inquiries: &Inquiries) -> Option<&Place> {
    let places = inquiries.fresh(now).filter_map(|(_, answer)| answer.place());
    places.into_iter().find(|place| place.gid == gid && place.leads && place.serves)
}

/// Whether a lineage without history gives way to that one: to any with history; of two without to the one with the
/// smaller datagrams, for those pass everywhere; then to one of more voters, and of two alike to the lower number.
fn gives_way(view: &View, rival: Option<&Place>) -> bool {
    let Some(rival) = rival else { return false };
    let same = rival.settings == crate::layers::settings_digest(&view.params);
    let mine = view.voters().count() as u32;
    let less = (rival.datagram, mine, rival.gid) < (view.params.datagram, rival.voters.count(), view.gid);
    same && rival.has_room && (rival.history || less)
}
