//! Two lineages with history stay two until somebody chooses (docs/lineages.md, *Ending*): an operator names the one
//! to keep, or the servers were started to give way to a larger one. The leader of the other one ends it, once that
//! one has answered that it serves.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Gid, GivenUp, Input, Time};

use super::Node;
use super::inquiry::{FRESH, Place, Voters};
use super::lineages::Sighting;
use super::settling::place_of;
use crate::layers;

/// The lineage to keep has so long to answer; then the order is forgotten.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// A lineage must have been the larger one for so long: what two leaders know of each other may be as old as an answer.
const LARGER_FOR: Duration = Duration::from_secs(2 * FRESH.as_secs());

/// What becomes of this process's lineage for another one's sake.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Merging {
    /// The lineage to give way to, until when.
    into: Option<(Gid, Duration)>,
    /// The larger one that was met, and since when it has been larger.
    larger: Option<(Gid, Duration)>,
}

impl Node {
    /// An operator keeps lineage `keep` of the group's name, and discards all others, with what was ordered in them.
    /// A member of `keep` no longer waits for the others; the leader of another one ends it as soon as `keep` answers
    /// that it serves; who is in no lineage that serves gives its own up, and joins `keep`.
    pub fn merge(&mut self, now: Time, keep: Gid) {
        self.notice_pause(now);
        self.now = self.now.max(now);
        let at = self.now.since(Time::ZERO);
        match self.member.view().map(|view| view.gid) {
            Some(gid) if gid == keep => {
                let others: Vec<Gid> = self.lineages.all().map(|(gid, _)| gid).filter(|gid| *gid != keep).collect();
                others.into_iter().for_each(|gid| self.discard_lineage(gid));
            }
            Some(_) if self.member.serves() => {
                if self.member.is_leader() {
                    self.merging.into = Some((keep, at + ANSWERED_WITHIN));
                }
            }
            Some(gid) => {
                self.lineages.supersede(gid, keep);
                self.discard_lineage(gid);
                self.given_up = Some((gid, GivenUp::Ordered));
                self.member.handle(self.now, Input::Forsake);
            }
            None => {
                if let Some(exile) = &self.exile {
                    self.lineages.supersede(exile.gid, keep);
                }
            }
        }
        self.tend();
    }

    /// Whether its lineage is about to give way: then the other one is asked often.
    pub(super) fn merges(&self) -> bool {
        self.merging.into.is_some() || self.merging.larger.is_some()
    }

    /// Where to ask whether the lineage to give way to serves.
    pub(super) fn asks_to_merge(&self) -> BTreeSet<SocketAddr> {
        let wanted = self.merging.into.map(|(gid, _)| gid);
        let absorbs = self.config.absorb && self.member.is_leader() && self.member.has_history();
        let wanted = |gid, sighting: &Sighting| Some(gid) == wanted || absorbs && sighting.history == Some(true);
        let own = self.member.view().map(|view| view.gid);
        let sightings = self.lineages.all().filter(|(gid, sighting)| Some(*gid) != own && wanted(*gid, sighting));
        let addresses = sightings.flat_map(|(_, sighting)| {
            let seats = sighting.voters.iter().flat_map(Voters::named_seats);
            seats.map(|seat| seat.address).chain([sighting.from])
        });
        addresses.collect()
    }

    /// Ends this lineage if it is to give way, and the other one serves.
    pub(super) fn merge_if_told(&mut self, now: Duration) {
        self.absorb(now);
        let Some((into, until)) = self.merging.into else { return };
        let Some(view) = self.member.view().filter(|view| view.gid != into && now < until).cloned() else {
            self.merging.into = None;
            return;
        };
        let Some(place) = place_of(now, into, &self.inquiries) else { return };
        if place.has_room && place.settings == layers::settings_digest(&view.params) {
            // Not before: while the other one does not answer, this one goes on.
            if !self.lineages.discarded().any(|gid| gid == view.gid) {
                self.discard_lineage(view.gid);
            }
            self.member.handle(self.now, Input::Dissolve { into, history: true });
        }
    }

    /// With [`NodeConfig::absorb`](super::NodeConfig::absorb), the leader of the smaller of two lineages with history
    /// gives it up by itself. Both compare in the same way, and the smaller one must have been smaller for as long as
    /// two answers hold, so that not both give way.
    fn absorb(&mut self, now: Duration) {
        let Some(view) = self.member.view().filter(|_| self.config.absorb && self.member.is_leader()) else {
            self.merging.larger = None;
            return;
        };
        let order = |count: u32, gid: Gid| (count, Reverse(gid));
        let own = order(view.voters().count() as u32, view.gid);
        let settings = layers::settings_digest(&view.params);
        let places = self.inquiries.fresh(now).filter_map(|(_, answer)| answer.place());
        let larger = |place: &&Place| {
            let serves = place.gid != view.gid && place.history && place.leads && place.serves && place.has_room;
            serves && place.settings == settings && order(place.voters.count(), place.gid) > own
        };
        let best = places.filter(larger).max_by_key(|place| order(place.voters.count(), place.gid));
        let (own, best) = (view.gid, best.map(|place| place.gid).filter(|_| self.member.has_history()));
        let since = match (best, self.merging.larger) {
            (Some(gid), Some((before, since))) if gid == before => since,
            _ => now,
        };
        self.merging.larger = best.map(|gid| (gid, since));
        if let Some(into) = best.filter(|_| now - since >= LARGER_FOR && self.merging.into.is_none()) {
            tracing::warn!(from = %own, %into, "giving way to a larger lineage, as --absorb says");
            self.merging.into = Some((into, now + ANSWERED_WITHIN));
        }
    }
}
