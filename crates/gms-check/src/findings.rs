//! Where the properties put what they find.

use crate::{Counters, Property, Report, Uid, Violation};

/// Where a breach shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// An entry of the order.
    Entry { gseq: u64, view: u64 },
    /// A view, whose entry is at `gseq`.
    View { view: u64, gseq: u64 },
    /// A message, sent after its sender had handled `after`.
    Send { sseq: u64, after: u64 },
    /// A process that had handled entries up to `after`.
    Process { after: u64 },
}

impl Place {
    fn gseq(self) -> u64 {
        match self {
            Place::Entry { gseq, .. } | Place::View { gseq, .. } => gseq,
            Place::Send { after, .. } | Place::Process { after } => after,
        }
    }

    fn text(self) -> String {
        match self {
            Place::Entry { gseq, view } => format!("gseq {gseq} in view {view}"),
            Place::View { view, .. } => format!("view {view}"),
            Place::Send { sseq, .. } => format!("send {sseq}"),
            Place::Process { after } => format!("after gseq {after}"),
        }
    }
}

/// Breaches and counts so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<(Place, Violation)>,
    counters: Counters,
    /// The time in the record that is looked at.
    pub(crate) now: Option<u64>,
}

impl Findings {
    pub(crate) fn exercised(&mut self, property: Property, by: u64) {
        self.counters.count(property, by);
    }

    pub(crate) fn part(&mut self, property: Property, name: &'static str, by: u64) {
        self.counters.count_part(property, name, by);
    }

    pub(crate) fn violated(&mut self, property: Property, processes: &[Uid], place: Place, what: String) {
        let mut named: Vec<Uid> = Vec::new();
        for process in processes {
            if !named.contains(process) {
                named.push(*process);
            }
        }
        self.found.push((place, Violation { property, processes: named, place: place.text(), what, at_us: self.now }));
    }

    /// Sorts by place, then by what tells most, then (stable) as found.
    pub(crate) fn into_report(mut self, notes: Vec<String>) -> Report {
        self.found.sort_by_key(|(place, violation)| (place.gseq(), violation.property.rank(), *place));
        let violations = self.found.into_iter().map(|(_, violation)| violation).collect();
        Report { violations, notes, counters: self.counters }
    }
}
