//! One good trace, broken in one place: the first breach reported is the one that tells most.

use super::{GID, Story, good, uid};
use crate::{Event, Level, Origin, Property, Record};

/// Where `node` delivers `gseq` in the good trace.
fn delivery(story: &Story, node: u64, gseq: u64) -> usize {
    let here = |record: &Record| {
        record.process == uid(node) && matches!(record.event, Event::Deliver { gseq: at, .. } if at == gseq)
    };
    story.records.iter().position(here).expect("delivered")
}

fn first(story: &Story, property: Property, node: u64, place: &str) {
    let report = story.report();
    let first = &report.violations[0];
    assert_eq!((first.property, first.place.as_str()), (property, place), "{:#?}", report.violations);
    assert!(first.processes.contains(&uid(node)), "{first}");
    assert!(report.to_string().contains(&format!("{:<4}{:<32}VIOLATED", property.id(), property.name())), "{report}");
}

#[test]
fn untouched() {
    let report = good().passes(Property::P10);
    for property in Property::ALL {
        // A fault was injected, and there are no clients, nor other lineages: P25, P26 and P27 do not apply.
        let applies = ![Property::P25, Property::P26, Property::P27].contains(&property);
        assert_eq!(report.exercised(property) > 0, applies, "{report}");
    }
    assert!(
        report.to_string().lines().any(|line| line.starts_with("P25 ") && line.contains("not checked")),
        "{report}"
    );
}

#[test]
fn two_deliveries_swapped() {
    for (node, gseq) in [(1, 2), (2, 2), (3, 5), (4, 5), (2, 8)] {
        let mut story = good();
        let one = delivery(&story, node, gseq);
        let two = (one + 1..story.records.len()).find(|at| {
            story.records[*at].process == uid(node) && matches!(story.records[*at].event, Event::Deliver { .. })
        });
        story.records.swap(one, two.expect("another delivery"));
        let view = [0, 0, 1, 1, 2, 2, 2, 3, 3, 3][gseq as usize];
        first(&story, Property::P10, node, &format!("gseq {gseq} in view {view}"));
    }
}

#[test]
fn places_of_two_deliveries_exchanged() {
    let mut story = good();
    for (gseq, other) in [(2, 3), (3, 2)] {
        let here = delivery(&story, 1, gseq);
        if let Event::Deliver { gseq, .. } = &mut story.records[here].event {
            *gseq = other + 100;
        }
    }
    for record in &mut story.records {
        if let Event::Deliver { gseq, .. } = &mut record.event
            && *gseq > 100
        {
            *gseq -= 100;
        }
    }
    first(&story, Property::P10, 1, "gseq 2 in view 1");
}

#[test]
fn a_delivery_dropped() {
    for (node, gseq, view) in [(1, 2, 1), (2, 3, 1), (4, 6, 2), (1, 8, 3)] {
        let mut story = good();
        story.records.remove(delivery(&story, node, gseq));
        first(&story, Property::P10, node, &format!("gseq {gseq} in view {view}"));
    }
}

#[test]
fn a_delivery_made_twice() {
    for (node, gseq, view) in [(1, 2, 1), (3, 7, 2), (4, 6, 2), (1, 12, 4)] {
        let mut story = good();
        let here = delivery(&story, node, gseq);
        story.records.insert(here, story.records[here].clone());
        first(&story, Property::P6, node, &format!("gseq {gseq} in view {view}"));
    }
}

#[test]
fn a_delivery_in_another_view() {
    for (node, gseq, view) in [(1, 2, 2), (2, 5, 1), (4, 8, 4), (1, 8, 2)] {
        let mut story = good();
        let here = delivery(&story, node, gseq);
        if let Event::Deliver { view: named, .. } = &mut story.records[here].event {
            *named = view;
        }
        let report = story.report();
        let first = &report.violations[0];
        assert_eq!(first.property, Property::P8, "{:#?}", report.violations);
        assert!(first.processes.contains(&uid(node)), "{first}");
    }
}

#[test]
fn a_digest_changed() {
    for (node, gseq, view) in [(1, 2, 1), (2, 2, 1), (4, 5, 2), (3, 7, 2)] {
        let mut story = good();
        let here = delivery(&story, node, gseq);
        if let Event::Deliver { digest, .. } = &mut story.records[here].event {
            *digest ^= 1;
        }
        first(&story, Property::P5, node, &format!("gseq {gseq} in view {view}"));
        assert_eq!(story.report().violations.len(), 1);
    }
}

#[test]
fn a_stamp_of_another() {
    let mut story = good();
    let here = delivery(&story, 1, 5);
    story.stamp(1, 2, 5, (1, 2));
    let stamp = story.records.pop().expect("just added");
    story.records.insert(here, stamp);
    first(&story, Property::P4, 1, "gseq 5 in view 2");
}

/// What is left of the good trace's group dies, and 2 comes again and goes on from what it held.
fn returned(upto: u64) -> Story {
    let mut story = good().of_one_clock();
    story.records.retain(|record| !matches!(record.event, Event::Rest { .. }));
    story.add(1, Event::Crash).add(5, Event::Lives { before: uid(2) });
    story.in_lineage(GID + 1).create(5, Some(Origin { gid: GID, view: 4, upto }));
    story.send(5, 1, Level::Uniform).stamp(5, 1, upto + 2, (5, 1));
    story.deliver(&[5], 1, upto + 2, (5, 1), Level::Uniform);
    story
}

/// The last message that it had to keep is an agreed one at gseq 12; the one before that is at gseq 10.
#[test]
fn an_end_of_the_history_that_is_not_returned_to() {
    let report = returned(10).passes(Property::P27);
    assert_eq!(report.counters.part(Property::P27, "returned"), 1);
    first(&returned(9), Property::P27, 5, "gseq 10 in view 3");
}

#[test]
fn an_outcome_told_to_one_who_is_out() {
    let mut story = good();
    let told = story
        .records
        .iter()
        .position(|record| record.process == uid(4) && matches!(record.event, Event::Outcome { .. }));
    let outcome = story.records.remove(told.expect("it is told"));
    let left = story.records.iter().position(|record| record.event == Event::Left).expect("it leaves");
    story.records.insert(left + 1, outcome);
    first(&story, Property::P28, 4, "send 1");
}
