//! What a leader plans, and when (protocol 5.1).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Config, Event, Input, Level, Start};

use crate::group::{Group, all, uid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All control messages arrive at `who`, and nothing else does.
fn deaf(who: usize) -> impl Fn(usize, usize, Option<&Control>) -> bool {
    move |_, to, control| to != who || control.is_some()
}

#[test]
fn those_who_ask_to_leave_while_a_view_changes_leave_together() {
    let mut group = Group::of(5);
    let first = group.vid(0);
    let leave = Control::LeaveRequest { attempt: 1 };
    // The first wish is proposed at once; of the others the last one is repeated.
    for from in [4, 3, 2, 2] {
        group.hears(0, from, &leave);
    }
    group.passes(ms(500), all);
    assert_eq!((group.view(0), group.vid(0)), (vec![0, 1], first + 2));
}

#[test]
fn of_two_changes_the_second_waits_until_all_who_vote_have_the_first() {
    let mut group = Group::of(5);
    group.members[0].handle(group.now, Input::Exclude(uid(4)));
    let told = |to: usize, control: Option<&Control>| to != 1 || !matches!(control, Some(Control::Install { .. }));
    group.passes(ms(50), |_, to, control| told(to, control));
    group.members[0].handle(group.now, Input::Exclude(uid(3)));
    group.passes(ms(500), |_, to, control| told(to, control));
    assert_eq!((group.view(0), group.view(1).len()), (vec![0, 1, 2, 3], 5), "1 is heard, but is not there yet");
    group.passes(ms(500), all);
    assert_eq!((group.view(0), group.view(1)), (vec![0, 1, 2], vec![0, 1, 2]));
}

#[test]
fn a_leader_that_leaves_does_not_hand_over_to_one_that_may_not_vote_yet() {
    let mut group = Group::of(2);
    group.add(Start::Join(vec![]), |_| {});
    // It is let in, and goes on asking: INSTALL does not reach it.
    let unreached = |_: usize, to: usize, control: Option<&Control>| {
        to != 2 || !matches!(control, Some(Control::Install { .. }) | None)
    };
    while group.members[0].view().is_some_and(|view| view.members.len() < 3) {
        group.passes(ms(1), unreached);
    }
    group.members[0].handle(group.now, Input::Leave);
    group.passes(ms(300), unreached);
    assert!(group.members[1].is_leader());
}

#[test]
fn a_leader_may_not_leave_either_if_too_few_would_vote() {
    let mut group = Group::with(2, |config| config.params.min_voters = 2);
    group.members[0].handle(group.now, Input::Leave);
    group.passes(ms(2000), all);
    assert!(group.events[0].contains(&Event::LeaveRefused { min_voters: 2 }));
    assert_eq!(group.view(1), [0, 1]);
    group.sends_one(0, Level::Uniform);
    group.passes(ms(100), all);
    assert!(matches!(group.events[1].last(), Some(Event::Message(_))), "it leads as before");
}

/// Whether a leader whose follower is heard, and stores nothing of what it is sent, goes on without it.
fn goes_on_without_the_deaf(change: impl Fn(&mut Config)) -> bool {
    let mut group = Group::with(2, change);
    group.sends_one(0, Level::Agreed);
    group.passes(ms(7000), deaf(1));
    group.view(0) == [0]
}

#[test]
fn one_that_stores_nothing_is_given_up_unless_too_few_would_vote() {
    assert!(goes_on_without_the_deaf(|_| {}));
    assert!(!goes_on_without_the_deaf(|config| config.params.min_voters = 2));
}

#[test]
fn one_whose_id_is_taken_changes_no_view_while_it_waits() {
    let mut group = Group::of(3);
    let before = group.vid(0);
    group.add(Start::Join(vec![]), |config| config.uid = gms_core::Uid::new(2, 7));
    // 2 is silent, and may have given way to its new life: nobody knows yet.
    group.passes(ms(250), |from, to, _| from != 2 && to != 2);
    assert_eq!(group.vid(0), before);
    assert_eq!(group.events[3], []);
    group.passes(ms(250), all);
    assert!(matches!(group.events[3][..], [Event::Refused(_)]));
    assert_eq!(group.vid(0), before);
}
