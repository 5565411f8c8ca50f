//! Hand-made traces for the tests.

mod mutations;

use std::collections::BTreeSet;

use crate::{
    Checker, Event, Faults, Level, Origin, Outcome, PassReason, Property, Record, Report, SessionNumber, TraceMember,
    Uid, digest,
};

pub(crate) const GID: u128 = 0xfeed;

/// The process called `node`.
pub(crate) fn uid(node: u64) -> Uid {
    Uid { node, incarnation: 0xa0 + node }
}

/// The acceptance of what becomes view `view`; a leader's own for round 0.
pub(crate) fn accepted(view: u64, round: u32, value: Option<u64>, unstable: u64) -> Event {
    Event::Accepted { gid: GID, view, round, by: 0, value, unstable }
}

/// The digest of a message as `send` makes it.
pub(crate) fn digest_of(sender: u64, sseq: u64) -> u64 {
    digest(format!("{sender}/{sseq}").as_bytes())
}

/// A trace in the making: processes are called by their node.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) records: Vec<Record>,
    /// The lineage that is told of now.
    gid: u128,
    /// The records come in the order of time.
    one_clock: bool,
}

impl Default for Story {
    fn default() -> Story {
        Story { records: Vec::new(), gid: GID, one_clock: false }
    }
}

impl Story {
    /// The order of all records is that of time, for those who judge by that.
    pub(crate) fn of_one_clock(mut self) -> Story {
        self.one_clock = true;
        self
    }

    /// What follows happens in this lineage.
    pub(crate) fn in_lineage(&mut self, gid: u128) -> &mut Story {
        self.gid = gid;
        self
    }

    /// A process creates the lineage that is told of now, and is alone in its first view.
    pub(crate) fn create(&mut self, node: u64, from: Option<Origin>) -> &mut Story {
        let gid = self.gid;
        let first = from.map_or(1, |origin| origin.upto + 1);
        self.add(node, Event::Created { gid, from }).view(&[node], 1, first, node, &[node])
    }

    /// The others of three die, and a process goes on alone, in another lineage, from what it holds.
    pub(crate) fn go_on_alone(&mut self, node: u64, view: u64, upto: u64) -> &mut Story {
        for other in (1..=3).filter(|other| *other != node) {
            self.add(other, Event::Crash);
        }
        let from = Some(Origin { gid: self.gid, view, upto });
        let gid = self.gid + 1;
        self.in_lineage(gid).add(node, Event::Created { gid, from }).view(&[node], view + 1, upto + 1, node, &[node])
    }

    pub(crate) fn add(&mut self, node: u64, event: Event) -> &mut Story {
        let at_us = self.records.len() as u64;
        self.records.push(Record { at_us, process: uid(node), event });
        self
    }

    /// Some processes install a view of `members`, all of them voters.
    pub(crate) fn view(&mut self, at: &[u64], view: u64, gseq: u64, leader: u64, members: &[u64]) -> &mut Story {
        for node in at {
            let members = members.iter().map(|node| TraceMember { uid: uid(*node), voter: true }).collect();
            self.add(
                *node,
                Event::View { gid: self.gid, view, at: gseq, gseq, leader: uid(leader), members, fail_stop: false },
            );
        }
        self
    }

    /// All views so far are of a fail-stop group.
    pub(crate) fn fail_stop(&mut self) -> &mut Story {
        for record in &mut self.records {
            if let Event::View { fail_stop, .. } = &mut record.event {
                *fail_stop = true;
            }
        }
        self
    }

    /// What is found when these are the traces of processes.
    pub(crate) fn report_of_traces(&self, faults: Faults) -> Report {
        let mut checker = Checker::of_traces(faults);
        self.records.iter().for_each(|record| checker.record(record));
        checker.finish()
    }

    pub(crate) fn accept(&mut self, by: &[u64], view: u64) -> &mut Story {
        self.accept_by(by, view, 0, 0)
    }

    /// Some processes accept what becomes view `view` in a round, with so many frames unstable.
    pub(crate) fn accept_by(&mut self, by: &[u64], view: u64, round: u32, unstable: u64) -> &mut Story {
        let gid = self.gid;
        let accepted = Event::Accepted { gid, view, round, by: 0, value: None, unstable };
        by.iter().fold(self, |story, node| story.add(*node, accepted.clone()))
    }

    pub(crate) fn send(&mut self, node: u64, sseq: u64, level: Level) -> &mut Story {
        self.send_only(node, sseq, level, None)
    }

    pub(crate) fn send_only(&mut self, node: u64, sseq: u64, level: Level, only_in_view: Option<u64>) -> &mut Story {
        self.add(
            node,
            Event::Send { sseq, level, digest: digest_of(node, sseq), only_in_view, to: vec![], client: None },
        )
    }

    /// A client sends its message through a process.
    pub(crate) fn send_for(&mut self, (session, number): (u128, u64), node: u64, sseq: u64) -> &mut Story {
        let (level, digest, client) = (Level::Agreed, digest_of(node, sseq), Some(SessionNumber { session, number }));
        self.add(node, Event::Send { sseq, level, digest, only_in_view: None, to: vec![], client })
    }

    pub(crate) fn stamp(&mut self, node: u64, view: u64, gseq: u64, (sender, sseq): (u64, u64)) -> &mut Story {
        self.add(node, Event::Stamp { gid: self.gid, view, fseq: gseq, gseq, count: 1, sender: uid(sender), sseq })
    }

    /// Some processes deliver a message.
    pub(crate) fn deliver(
        &mut self,
        at: &[u64],
        view: u64,
        gseq: u64,
        (sender, sseq): (u64, u64),
        level: Level,
    ) -> &mut Story {
        for node in at {
            let digest = digest_of(sender, sseq);
            self.add(*node, Event::Deliver { view, gseq, sender: uid(sender), sseq, digest, level });
        }
        self
    }

    /// Some processes pass an entry; one of sender 0 names no message.
    pub(crate) fn pass(
        &mut self,
        at: &[u64],
        view: u64,
        gseq: u64,
        (sender, sseq): (u64, u64),
        why: PassReason,
    ) -> &mut Story {
        for node in at {
            let (sender, sseq) = if sender == 0 { (None, None) } else { (Some(uid(sender)), Some(sseq)) };
            self.add(*node, Event::Pass { view, gseq, why, sender, sseq });
        }
        self
    }

    pub(crate) fn outcome(&mut self, node: u64, sseq: u64, result: Outcome) -> &mut Story {
        self.add(node, Event::Outcome { sseq, result })
    }

    /// The run ends here, with these processes up, and these without a quorum.
    pub(crate) fn rest(&mut self, up: &[u64], blocked: &[u64]) -> &mut Story {
        let uids = |nodes: &[u64]| nodes.iter().map(|node| uid(*node)).collect();
        let node = up.iter().chain(blocked).next().copied().unwrap_or(1);
        self.add(node, Event::Rest { up: uids(up), blocked: uids(blocked) })
    }

    /// Checks it as it stands, and also one process after the other, both ways round: the verdicts must agree. If its
    /// records come in the order of time, only as it stands.
    pub(crate) fn report(&self) -> Report {
        if self.one_clock {
            return check(Checker::of_one_clock(), &self.records);
        }
        let check = |records: &[Record]| check(Checker::new(), records);
        let report = check(&self.records);
        let mut apart = self.records.clone();
        apart.sort_by_key(|record| record.process);
        let forth = check(&apart);
        apart.sort_by_key(|record| std::cmp::Reverse(record.process));
        let back = check(&apart);
        for other in [forth, back] {
            assert_eq!(properties(&report), properties(&other), "{report}\n{other}\n{:#?}", other.violations);
            assert_eq!(report.counters.exercised(Property::P9), other.counters.exercised(Property::P9));
        }
        report
    }

    /// Passes, and `property` was exercised.
    pub(crate) fn passes(&self, property: Property) -> Report {
        let report = self.report();
        assert!(report.passed(), "{:#?}", report.violations);
        assert!(report.exercised(property) > 0, "{report}");
        report
    }

    /// `property` is violated at `place`, and the record of the first of `processes` shows it.
    pub(crate) fn caught(&self, property: Property, processes: &[u64], place: &str) -> Report {
        let report = self.report();
        let processes: Vec<Uid> = processes.iter().map(|node| uid(*node)).collect();
        let found = report.of(property).any(|violation| violation.processes == processes && violation.place == place);
        assert!(found, "{property} at {place} by {processes:?} not in {:#?}", report.violations);
        report
    }

    /// As `caught`, and no other property is.
    pub(crate) fn caught_alone(&self, property: Property, processes: &[u64], place: &str) {
        self.caught_by_both([property; 2], processes, place);
    }

    /// As `caught`, by each of two properties, and no third one is.
    pub(crate) fn caught_by_both(&self, both: [Property; 2], processes: &[u64], place: &str) {
        for property in both {
            let report = self.caught(property, processes, place);
            assert_eq!(properties(&report), BTreeSet::from(both), "{:#?}", report.violations);
        }
    }
}

fn check(mut checker: Checker, records: &[Record]) -> Report {
    records.iter().for_each(|record| checker.record(record));
    checker.finish()
}

fn properties(report: &Report) -> BTreeSet<Property> {
    report.violations.iter().map(|violation| violation.property).collect()
}

/// Processes 1, 2 and 3 in view 1 at gseq 1, led by 3.
pub(crate) fn three() -> Story {
    let mut story = Story::default();
    story.view(&[1, 2, 3], 1, 1, 3, &[1, 2, 3]);
    story
}

/// Three processes; 4 joins; the leader crashes; 4 leaves. Messages of all levels in every view; ends at gseq 12 in
/// view 4.
pub(crate) fn good() -> Story {
    use Level::{Agreed, Stable, Uniform};
    let mut story = three();
    story.send(1, 1, Uniform).stamp(3, 1, 2, (1, 1)).deliver(&[1, 2, 3], 1, 2, (1, 1), Uniform);
    story.outcome(1, 1, Outcome::Ordered { gseq: 2, view: 1 });
    story.send(2, 1, Agreed).stamp(3, 1, 3, (2, 1)).deliver(&[3, 1, 2], 1, 3, (2, 1), Agreed);
    story.outcome(2, 1, Outcome::Ordered { gseq: 3, view: 1 });
    story.accept(&[1, 2, 3], 2).view(&[4, 1, 2, 3], 2, 4, 3, &[1, 2, 3, 4]);
    story.send(1, 2, Stable).stamp(3, 2, 5, (1, 2)).deliver(&[1, 2, 3, 4], 2, 5, (1, 2), Stable);
    story.send(4, 1, Uniform).stamp(3, 2, 6, (4, 1)).deliver(&[4, 1, 2, 3], 2, 6, (4, 1), Uniform);
    // Lost with the leader, and sent again by its sender.
    story.send(2, 2, Agreed).stamp(3, 2, 7, (2, 2)).deliver(&[3], 2, 7, (2, 2), Agreed);
    story.add(3, Event::Crash);
    story.accept(&[1, 2, 4], 3).view(&[1, 2, 4], 3, 7, 2, &[1, 2, 4]);
    story.stamp(2, 3, 8, (2, 2)).deliver(&[1, 2, 4], 3, 8, (2, 2), Agreed);
    story.send_only(1, 3, Uniform, Some(2)).stamp(2, 3, 9, (1, 3)).pass(&[1, 2, 4], 3, 9, (1, 3), PassReason::Void);
    story.outcome(1, 3, Outcome::NotOrdered);
    story.send_only(1, 4, Uniform, Some(3)).stamp(2, 3, 10, (1, 4)).deliver(&[1, 2], 3, 10, (1, 4), Uniform);
    story.pass(&[4], 3, 10, (1, 4), PassReason::NotAddressed);
    story.outcome(1, 4, Outcome::Ordered { gseq: 10, view: 3 }).outcome(4, 1, Outcome::Ordered { gseq: 6, view: 2 });
    story.accept(&[1, 2, 4], 4).view(&[1, 2], 4, 11, 2, &[1, 2]).add(4, Event::Left);
    story.send(2, 3, Agreed).stamp(2, 4, 12, (2, 3)).deliver(&[1, 2], 4, 12, (2, 3), Agreed);
    story.outcome(1, 2, Outcome::Ordered { gseq: 5, view: 2 });
    story.outcome(2, 2, Outcome::Ordered { gseq: 8, view: 3 }).outcome(2, 3, Outcome::Ordered { gseq: 12, view: 4 });
    story.add(1, Event::Memory { used: 10, cap: 10 }).rest(&[1, 2], &[]);
    story
}
