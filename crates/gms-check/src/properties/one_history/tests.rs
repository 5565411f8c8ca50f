//! Histories that are kept, and others that are lost, with and without a reason.

use crate::testing::{GID, Story, uid};
use crate::{Event, Level, Origin, Outcome, Property, Report};

const OTHER: u128 = GID + 1;

/// A message of `node` at `gseq` of view 1, stamped by the first of `at` and delivered by all of them; its sender
/// is told.
fn acknowledge(story: &mut Story, at: &[u64], (node, sseq): (u64, u64), gseq: u64) {
    say(story, at, (node, sseq), gseq, Level::Uniform);
    story.outcome(node, sseq, Outcome::Ordered { gseq, view: 1 });
}

fn say(story: &mut Story, at: &[u64], id: (u64, u64), gseq: u64, level: Level) {
    story.send(id.0, id.1, level).stamp(at[0], 1, gseq, id).deliver(at, 1, gseq, id, level);
}

/// 1, 2 and 3, led by 3, where a message of 1 at gseq 2 is acknowledged.
fn began() -> Story {
    let mut story = Story::default().of_one_clock();
    story.view(&[1, 2, 3], 1, 1, 3, &[1, 2, 3]).add(1, Event::Fault { kind: "cut".to_owned() });
    acknowledge(&mut story, &[3, 1, 2], (1, 1), 2);
    story
}

/// 4 hears of the lineage, and creates one of its own all the same.
fn hears() -> Story {
    let mut story = began();
    story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
    story
}

/// The other lineage serves at 4.
fn serves(story: &Story) -> Story {
    let mut story = story.clone();
    acknowledge(&mut story, &[4], (4, 1), 2);
    story
}

fn part(report: &Report, name: &str) -> u64 {
    report.counters.part(Property::P27, name)
}

/// Sound for this reason.
fn excused(story: &Story, why: &str) {
    let report = serves(story).passes(Property::P27);
    assert_eq!((part(&report, why), part(&report, "messages"), report.exercised(Property::P27)), (1, 1, 1), "{report}");
}

fn lost(story: &Story) {
    serves(story).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
    assert_eq!(serves(story).report().violations.len(), 1, "one for each pair");
}

/// It was put out, and goes on as another.
#[test]
fn who_was_in_it_creates_another() {
    let mut story = began();
    story.accept(&[1, 2], 2).view(&[1, 2], 2, 3, 2, &[1, 2]).add(3, Event::Excluded);
    story.add(4, Event::Lives { before: uid(3) }).in_lineage(OTHER).create(4, None);
    lost(&story);
    // Started again, it knows nothing.
    story.records.retain(|record| !matches!(record.event, Event::Lives { .. }));
    excused(&story, "created apart");
}

#[test]
fn who_has_heard_of_it_creates_another() {
    lost(&hears());
    let mut story = hears();
    story.records.retain(|record| record.event != Event::Heard { gid: GID });
    excused(&story, "created apart");
    // Of a third one only.
    story.add(4, Event::Heard { gid: OTHER + 1 });
    excused(&story, "created apart");
    // Before the first stamp, or after it.
    story.add(4, Event::Heard { gid: GID });
    lost(&story);
    let mut story = began();
    say(story.in_lineage(OTHER).create(4, None), &[4], (4, 1), 2, Level::Agreed);
    story.add(4, Event::Heard { gid: GID }).send(4, 2, Level::Agreed).stamp(4, 1, 3, (4, 2));
    story.deliver(&[4], 1, 3, (4, 2), Level::Agreed).passes(Property::P27);
}

/// Its creator knows nothing of the other lineage and its first stamper does, or the other way round.
#[test]
fn both_initiators_count() {
    for heard in [4, 5] {
        let mut story = began();
        story.in_lineage(OTHER).create(5, None).accept(&[5], 2).view(&[4, 5], 2, 2, 5, &[4, 5]);
        story.accept(&[4, 5], 3).view(&[4, 5], 3, 3, 4, &[4, 5]).add(heard, Event::Heard { gid: GID });
        story.send(4, 1, Level::Agreed).stamp(4, 3, 4, (4, 1)).deliver(&[4], 3, 4, (4, 1), Level::Agreed);
        story.caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
        story.records.retain(|record| !matches!(record.event, Event::Heard { .. }));
        story.passes(Property::P27);
    }
}

#[test]
fn an_operator_may_give_it_up() {
    for (discarded, sound) in [(GID, true), (OTHER, false)] {
        let mut story = hears();
        story.add(4, Event::Discarded { gid: discarded });
        if sound { excused(&story, "discarded") } else { lost(&story) }
    }
    // Too late.
    let mut story = serves(&hears());
    story.add(4, Event::Discarded { gid: GID }).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
}

#[test]
fn a_quorum_may_be_gone() {
    use Event::{Crash, Left};
    for (gone, sound) in [
        (&[(1, Crash)][..], false),
        (&[(1, Crash), (2, Left)], true),
        (&[(1, Left), (3, Crash)], true),
        (&[(4, Crash)], false),
    ] {
        let mut story = began();
        gone.iter().for_each(|(node, how)| _ = story.add(*node, how.clone()));
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        if gone[0].0 == 4 {
            // The one that is gone was not in the first lineage.
            story.records.retain(|record| record.event != Crash);
        }
        if sound { excused(&story, "quorum lost") } else { lost(&story) }
    }
    // After it was lacking.
    let mut story = serves(&hears());
    story.add(1, Crash).add(2, Crash).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
}

/// Of the two that are left when 2 is out, the leader goes on alone.
#[test]
fn the_last_view_counts_and_its_tie_break() {
    for (gone, sound) in [(1, false), (2, false), (3, true)] {
        let mut story = began();
        story.accept(&[1, 3], 2).view(&[1, 3], 2, 3, 3, &[1, 3]).add(gone, Event::Crash);
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        if sound { excused(&story, "quorum lost") } else { lost(&story) }
    }
}

#[test]
fn one_of_a_fail_stop_group_is_enough() {
    for (gone, sound) in [(&[1, 2][..], false), (&[1, 2, 3], true)] {
        let mut story = began();
        story.fail_stop();
        gone.iter().for_each(|node| _ = story.add(*node, Event::Crash));
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        if sound { excused(&story, "quorum lost") } else { lost(&story) }
    }
}

/// A process that goes on as another life has not died, however it ended, until that life dies.
#[test]
fn a_voter_that_goes_on_as_another_is_there() {
    use Event::{Crash, Excluded, Left};
    for (ends, ends_for_good, sound) in [
        (Excluded, None, false),
        (Left, None, false),
        (Excluded, Some(Crash), true),
        (Left, Some(Left), true),
        (Left, Some(Excluded), false),
    ] {
        let mut story = began();
        story.add(1, ends).add(11, Event::Lives { before: uid(1) }).add(2, Crash);
        ends_for_good.into_iter().for_each(|end| _ = story.add(11, end));
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        let report = serves(&story).report();
        assert_eq!(report.of(Property::P27).next().is_none(), sound, "{report}");
    }
}

#[test]
fn a_returned_lineage_has_what_it_goes_on_from() {
    let from = |gid, upto| Some(Origin { gid, view: 1, upto });
    let returned = |upto| {
        let mut story = began();
        story.in_lineage(OTHER).create(4, from(GID, upto));
        say(&mut story, &[4], (4, 1), upto + 2, Level::Uniform);
        story
    };
    let report = returned(2).passes(Property::P27);
    assert_eq!(part(&report, "returned"), 1);
    // Not far enough, though 4 has heard nothing.
    returned(1).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
    // Something was acknowledged after it was left.
    let mut story = returned(2);
    acknowledge(story.in_lineage(GID), &[3, 1, 2], (1, 2), 3);
    story.send(4, 2, Level::Agreed).in_lineage(OTHER).stamp(4, 1, 5, (4, 2));
    story.deliver(&[4], 1, 5, (4, 2), Level::Agreed).caught(Property::P27, &[4, 1], "gseq 3 in view 1");
    // Again from there.
    let mut story = returned(2);
    story.in_lineage(OTHER + 1).create(5, from(OTHER, 4));
    say(&mut story, &[5], (5, 1), 6, Level::Uniform);
    assert_eq!(part(&story.passes(Property::P27), "returned"), 2);
}

/// A lineage created apart from another stays apart from the one that goes on from that other, and the other way
/// round.
#[test]
fn a_returned_lineage_is_as_far_apart_as_what_it_goes_on_from() {
    for heard in [false, true] {
        let mut story = began();
        if heard {
            story.add(4, Event::Heard { gid: GID });
        }
        say(story.in_lineage(OTHER).create(4, None), &[4], (4, 1), 2, Level::Agreed);
        let before = story.report().of(Property::P27).count();
        story.add(5, Event::Heard { gid: GID });
        story.in_lineage(OTHER + 1).create(5, Some(Origin { gid: OTHER, view: 1, upto: 2 }));
        say(&mut story, &[5], (5, 1), 4, Level::Agreed);
        let report = story.report();
        assert_eq!((before, report.of(Property::P27).count()), if heard { (1, 2) } else { (0, 0) }, "{report}");
    }
}

/// Only what may never be lost; a client's message is that at any level.
#[test]
fn what_was_acknowledged() {
    for (client, level, counts) in
        [(None, Level::Agreed, false), (None, Level::Stable, true), (Some((7, 0)), Level::Agreed, true)]
    {
        let mut story = Story::default().of_one_clock();
        story.view(&[1], 1, 1, 1, &[1]);
        match client {
            None => story.send(1, 1, level),
            Some(client) => story.send_for(client, 1, 1),
        };
        story.stamp(1, 1, 2, (1, 1)).pass(&[1], 1, 2, (1, 1), crate::PassReason::Control);
        story.outcome(1, 1, Outcome::Ordered { gseq: 2, view: 1 });
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        say(&mut story, &[4], (4, 1), 2, Level::Agreed);
        assert_eq!(story.report().of(Property::P27).next().is_some(), counts, "{client:?} {level:?}");
    }
}

/// It may serve before the first acknowledges anything, and not after.
#[test]
fn what_comes_before_need_not_be_known() {
    let mut story = Story::default().of_one_clock();
    story.view(&[1], 1, 1, 1, &[1]).add(4, Event::Heard { gid: GID });
    story.in_lineage(OTHER).create(4, None).send(4, 1, Level::Agreed).stamp(4, 1, 2, (4, 1));
    story.deliver(&[4], 1, 2, (4, 1), Level::Agreed).in_lineage(GID);
    acknowledge(&mut story, &[1], (1, 1), 2);
    let report = story.report();
    assert!(report.passed() && report.exercised(Property::P27) == 0, "{report}");
    story.outcome(4, 1, Outcome::Ordered { gseq: 2, view: 1 });
    story.caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
}

/// Where nobody knows what was first: both have acknowledged something, and nobody has died.
#[test]
fn without_one_clock() {
    // The first one's members all go on as others, and one of them creates the second.
    let given_up = |acknowledged: bool, crash: Option<u64>| {
        let mut story = Story::default();
        story.view(&[1, 2], 1, 1, 1, &[1, 2]).add(1, Event::Fault { kind: "cut".to_owned() });
        acknowledge(&mut story, &[1, 2], (1, 1), 2);
        (1..=2)
            .for_each(|node| _ = story.add(node, Event::Excluded).add(node + 10, Event::Lives { before: uid(node) }));
        story.in_lineage(OTHER).create(11, None);
        match acknowledged {
            true => acknowledge(&mut story, &[11], (11, 1), 2),
            false => say(&mut story, &[11], (11, 1), 2, Level::Agreed),
        }
        // It, too, is given up, but not because all its members are gone.
        story.add(11, Event::Excluded).add(21, Event::Lives { before: uid(11) });
        crash.into_iter().for_each(|node| _ = story.add(node, Event::Crash));
        story
    };
    let story = given_up(true, None);
    story.caught_alone(Property::P27, &[11, 1], "gseq 2 in view 1");
    assert_eq!(story.report().violations.len(), 1);
    for story in [given_up(false, None), given_up(true, Some(21))] {
        let report = story.report();
        assert!(report.of(Property::P27).next().is_none(), "{report}");
    }
    let mut story = given_up(true, None);
    story.add(5, Event::Discarded { gid: GID });
    assert_eq!(part(&story.passes(Property::P27), "discarded"), 1);
    // Created by a process that was started again, not by a later life of a member: the two were created apart.
    let mut story = given_up(true, None);
    story.records.retain(|record| record.event != Event::Lives { before: uid(1) });
    story.add(41, Event::Lives { before: uid(1) });
    assert_eq!(part(&story.passes(Property::P27), "created apart"), 2);
    // A trace that just ends may be that of a dead process.
    let mut story = given_up(true, None);
    story.records.retain(|record| record.event != Event::Lives { before: uid(11) });
    assert_eq!(part(&story.passes(Property::P27), "quorum lost"), 1);
}
