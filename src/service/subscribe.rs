//! Where a subscription starts, and what it skips.

use gms_core::Gseq;

use super::block::Place;
use super::connection::Connection;
use crate::client_protocol::{EventLine, Reply, Subscribed, write_line};

impl Connection {
    /// Begins to follow the order, from place `from` of lineage `gid` on.
    pub(super) fn subscribe(&mut self, from: Option<Gseq>, gid: Option<&str>) {
        let (place, known) = {
            let view = self.shared.mailbox.status().view;
            let history = self.shared.history();
            let lineage = gid.map_or(Some(history.present()), |gid| history.lineage(gid));
            match (from, lineage) {
                (Some(gseq), Some(lineage)) => (Place { lineage, gseq }, true),
                // The places of another lineage say nothing here: from the oldest on.
                (Some(_), None) => (history.floor(), false),
                (None, _) => (history.upcoming(view.as_deref()), true),
            }
        };
        let gid = self.shared.gid(place.lineage);
        self.reply(&Reply::Subscribed(Subscribed { gid, from: place.gseq }));
        if !known {
            self.gap(0, place);
        }
        self.subscription = Some(place);
    }

    /// Goes on at `place`; what is before it is not known any more.
    pub(super) fn skip(&mut self, from: Place, place: Place) {
        self.gap(if from.lineage == place.lineage { from.gseq } else { 0 }, place);
        self.subscription = Some(place);
    }

    /// The server is out of the group, and `next` was to be told next. What was told before it may have been delivered
    /// here alone.
    pub(super) fn tell_doubt(&mut self, next: Place) {
        let sure = *self.shared.sure();
        if next.lineage == sure.lineage && next.gseq > sure.gseq + 1 {
            self.gap(sure.gseq + 1, next);
        }
    }

    fn gap(&mut self, from: Gseq, upto: Place) {
        let line = EventLine::Gap { gid: self.shared.gid(upto.lineage), from, to: upto.gseq.saturating_sub(1) };
        self.output.append(|out| write_line(&line, out));
    }
}
