//! Saying that somebody is dead (protocol 5.2, 7).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Input, Level, QuorumMode};

use crate::group::{Group, Said, all, uid};

/// How often it is said to 0 that it is dead, or to it that others are.
fn accusations(said: &[Said]) -> usize {
    said.iter().filter(|(to, control)| *to == 0 && matches!(control, Control::Suspect { .. })).count()
}

#[test]
fn a_leader_that_is_heard_and_orders_nothing_is_of_no_use_after_a_while() {
    let mut group = Group::of(3);
    group.sends_one(1, Level::Uniform);
    // What 1 forwards is lost, as is what it confirms; it hears everybody.
    let lost = |from: usize, _: usize, control: Option<&Control>| from != 1 || control.is_some();
    group.passes(Duration::from_millis(950), lost);
    assert!(!group.members[1].suspects_leader());
    group.passes(Duration::from_millis(200), lost);
    assert!(group.members[1].suspects_leader());
    group.passes(Duration::from_millis(200), all);
    assert!(!group.members[1].suspects_leader(), "it is ordered now");
}

#[test]
fn an_accusation_is_repeated_often_enough_to_count_although_some_are_lost() {
    let mut group = Group::of(3);
    group.is_told(1, Input::Closed(uid(0)));
    // It counts for 300 ms.
    let count = accusations(&group.waits(1, Duration::from_millis(300)));
    assert!((5..8).contains(&count), "{count}");
}

#[test]
fn deaths_are_reported_to_the_leader_where_they_count() {
    for (quorum, reports) in [(QuorumMode::Majority, 0), (QuorumMode::FailStop, 1)] {
        let mut group = Group::with(3, |config| config.params.quorum = quorum);
        assert_eq!(accusations(&group.is_told(1, Input::Dead(uid(2)))), reports);
    }
    let mut group = Group::with(3, |config| config.params.quorum = QuorumMode::FailStop);
    let said = group.is_told(0, Input::Dead(uid(2)));
    assert!(said.iter().all(|(_, control)| !matches!(control, Control::Suspect { .. })), "the leader knows");
}
