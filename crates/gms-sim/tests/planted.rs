//! A run whose records are falsified must be found out, with the right property first: otherwise the
//! simulator's silence would mean nothing.

use gms_check::{Checker, Event, Level, Outcome, PassReason, Property, Record, Report, Uid};
use gms_sim::{Scenario, run_with_trace};

/// The records of a run without faults, in which several processes deliver plenty.
fn records() -> Vec<Record> {
    let mut records = Vec::new();
    let report = run_with_trace(&Scenario::draw(2), &mut |record| records.push(record.clone()));
    assert!(report.passed(), "{report}");
    records
}

fn judge(records: &[Record]) -> Report {
    let mut checker = Checker::new();
    records.iter().for_each(|record| checker.record(record));
    checker.finish()
}

/// Places of two deliveries in a row, in one view, at a process that did not send them.
fn two_deliveries(records: &[Record]) -> (usize, usize) {
    let stamps = |uid: Uid| records.iter().any(|r| r.process == uid && matches!(r.event, Event::Stamp { .. }));
    let process = records.iter().rev().map(|record| record.process).find(|uid| !stamps(*uid)).expect("a follower");
    let delivers = |record: &Record| match record.event {
        Event::Deliver { view, sender, .. } if record.process == process && sender != process => Some(view),
        _ => None,
    };
    let places: Vec<usize> = (0..records.len()).filter(|i| delivers(&records[*i]).is_some()).collect();
    let same_view = |pair: &&[usize]| delivers(&records[pair[0]]) == delivers(&records[pair[1]]);
    let pair = places.windows(2).skip(places.len() / 2).find(same_view).expect("two in one view");
    (pair[0], pair[1])
}

fn caught(property: Property, falsify: impl FnOnce(&mut Vec<Record>, usize, usize)) {
    let mut records = records();
    let (first, second) = two_deliveries(&records);
    falsify(&mut records, first, second);
    let report = judge(&records);
    assert_eq!(report.violations.first().map(|v| v.property), Some(property), "{report}");
}

#[test]
fn the_run_itself_is_sound() {
    assert!(judge(&records()).passed());
}

#[test]
fn swapped_deliveries() {
    caught(Property::P10, |records, first, second| {
        let event = records[first].event.clone();
        records[first].event = std::mem::replace(&mut records[second].event, event);
    });
}

#[test]
fn a_dropped_delivery() {
    caught(Property::P10, |records, first, _| _ = records.remove(first));
}

#[test]
fn a_doubled_delivery() {
    caught(Property::P6, |records, first, _| records.insert(first, records[first].clone()));
}

#[test]
fn a_delivery_in_another_view() {
    caught(Property::P8, |records, first, _| {
        if let Event::Deliver { view, .. } = &mut records[first].event {
            *view += 1;
        }
    });
}

#[test]
fn a_changed_message() {
    caught(Property::P5, |records, first, _| {
        if let Event::Deliver { digest, .. } = &mut records[first].event {
            *digest ^= 1;
        }
    });
}

#[test]
fn a_stamp_of_a_follower() {
    caught(Property::P4, |records, first, _| {
        let process = records[first].process;
        let stamp =
            records[..first].iter_mut().rev().find(|r| r.process != process && matches!(r.event, Event::Stamp { .. }));
        stamp.expect("somebody stamps").process = process;
    });
}

/// A client's message goes through two processes, and everybody delivers both copies.
#[test]
fn a_repeat_that_is_delivered() {
    let repeat = |records: &[Record]| {
        records.iter().rev().find_map(|record| match record.event {
            Event::Pass { why: PassReason::Duplicate, view, gseq, sender: Some(sender), sseq: Some(sseq) } => {
                Some((view, gseq, sender, sseq))
            }
            _ => None,
        })
    };
    // The first seed with clients that send something twice.
    let (mut records, (view, place, sender, sseq)) = (1..100)
        .find_map(|seed| {
            let mut records = Vec::new();
            assert!(run_with_trace(&Scenario::immortal(seed), &mut |record| records.push(record.clone())).passed());
            let repeat = repeat(&records)?;
            Some((records, repeat))
        })
        .expect("clients send twice");
    let sent = records.iter().find_map(|record| match record.event {
        Event::Send { sseq: number, digest, .. } if (record.process, number) == (sender, sseq) => Some(digest),
        _ => None,
    });
    let digest = sent.expect("it was sent");
    for record in &mut records {
        match record.event {
            Event::Pass { gseq, .. } if gseq == place => {
                record.event = Event::Deliver { view, gseq, sender, sseq, digest, level: Level::Agreed };
            }
            // Its sender is told the place of this copy, as if it were the only one.
            Event::Outcome { sseq: number, .. } if (record.process, number) == (sender, sseq) => {
                record.event = Event::Outcome { sseq, result: Outcome::Ordered { gseq: place, view } };
            }
            _ => {}
        }
    }
    let report = judge(&records);
    assert_eq!(report.violations.first().map(|v| v.property), Some(Property::P26), "{report}");
}
