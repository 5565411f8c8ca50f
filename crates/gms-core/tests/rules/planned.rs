//! What a leader plans, and when (protocol 4.3, 5.1).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Config, Event, Input, Level};

use crate::group::{Group, all, is_install, uid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All control messages arrive at `who`, and nothing else does.
pub(crate) fn deaf(who: usize) -> impl Fn(usize, usize, Option<&Control>) -> bool {
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
    let told = |to: usize, control: Option<&Control>| to != 1 || !control.is_some_and(is_install);
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
    learner_is_let_in(&mut group);
    group.members[0].handle(group.now, Input::Leave);
    group.passes(ms(300), unreached);
    assert!(group.members[1].is_leader());
}

#[test]
fn one_that_may_not_vote_yet_is_not_made_the_leader_whoever_wants_it() {
    let mut group = Group::of(2);
    learner_is_let_in(&mut group);
    group.members[0].handle(group.now, Input::Transfer(uid(2)));
    group.passes(ms(300), unreached);
    assert!(group.members[0].is_leader());
    // It is there, and nobody knows what it has.
    group.passes(ms(200), |from, _, control| from != 2 || control.is_some());
    assert_eq!(group.members[2].view(), group.members[0].view());
    assert!(group.members[0].is_leader());
    group.passes(ms(300), all);
    assert!(group.members[2].is_leader());
}

/// 2 comes, and goes on asking: INSTALL does not reach it.
fn learner_is_let_in(group: &mut Group) {
    group.joins(|_| {});
    group.until(|group| group.view(0).len() == 3, unreached);
}

fn unreached(_: usize, to: usize, control: Option<&Control>) -> bool {
    to != 2 || control.is_some_and(|control| !is_install(control))
}

#[test]
fn one_that_lags_behind_is_made_the_leader_when_it_has_caught_up() {
    let mut group = Group::of(3);
    for _ in 0..2000 {
        group.sends_one_of(0, 1000);
    }
    group.passes(ms(100), deaf(2));
    group.members[0].handle(group.now, Input::Transfer(uid(2)));
    let said = group.passes(ms(500), deaf(2));
    assert!(said.iter().all(|(_, _, control)| !matches!(control, Control::Accept { .. })), "nobody waits for that");
    group.passes(ms(500), all);
    assert!(group.members[2].is_leader());
}

#[test]
fn a_wish_for_another_leader_that_cannot_be_met_is_forgotten() {
    let mut group = Group::of(2);
    learner_is_let_in(&mut group);
    // So that no timer is due exactly when it ends.
    group.now = group.now + Duration::from_micros(345);
    group.members[0].handle(group.now, Input::Transfer(uid(2)));
    group.now = group.now + Duration::from_micros(12_500);
    group.passes(ms(2500), unreached);
    group.passes(ms(1000), all);
    assert_eq!(group.view(0), [0, 1, 2]);
    assert!(group.members[0].is_leader());
}

#[test]
fn a_leader_does_not_put_itself_out_and_only_a_leader_is_asked_for_anything() {
    let mut group = Group::of(3);
    assert_eq!(group.is_told(0, Input::Exclude(uid(0))), []);
    // 1 leads a moment later, and has not been told as a leader.
    group.members[1].handle(group.now, Input::Exclude(uid(0)));
    group.members[1].handle(group.now, Input::Transfer(uid(2)));
    group.members[0].handle(group.now, Input::Transfer(uid(1)));
    group.passes(ms(1000), all);
    assert!(group.members[1].is_leader());
    assert_eq!(group.view(1), [0, 1, 2]);
}

#[test]
fn if_all_leave_the_leader_is_the_last_and_all_are_released() {
    let mut group = Group::of(3);
    for member in &mut group.members {
        member.handle(group.now, Input::Leave);
    }
    group.passes(ms(1000), all);
    for events in &group.events {
        assert_eq!(events.last(), Some(&Event::Left { released: true }));
    }
}

#[test]
fn nobody_waits_for_the_last_words_of_one_that_is_taken_to_be_dead() {
    let mut group = Group::of(3);
    group.members[0].handle(group.now, Input::Closed(uid(2)));
    let with_the_living = |from: usize, to: usize, _: Option<&Control>| from != 2 && to != 2;
    group.passes(ms(50), with_the_living);
    assert_eq!(group.view(0), [0, 1]);
    group.sends_one(0, Level::Stable);
    group.passes(ms(50), with_the_living);
    assert!(matches!(group.events[0].last(), Some(Event::Message(_) | Event::Outcome { .. })));
    let (have, _, stable) = group.members[0].progress();
    assert_eq!(have, stable);
}

#[test]
fn a_hand_over_stands_when_the_next_leader_has_everything() {
    let mut group = Group::of(5);
    let before = group.vid(0);
    group.members[0].handle(group.now, Input::Leave);
    group.passes(ms(200), |_, to, control| to != 4 || !matches!(control, Some(Control::Accept { .. })));
    assert_eq!([0, 1, 2, 3].map(|who| group.vid(who)), [before; 4], "the others have, and that is not enough");
    group.passes(ms(100), all);
    assert!(group.members[4].is_leader());
}

/// Whether a leader of five plans to go on without these, who have fallen silent only now. The view is new, and it has
/// to wait for 4 before it may do anything.
fn plans_without(silent: &[usize]) -> bool {
    let mut group = Group::of(6);
    group.members[0].handle(group.now, Input::Exclude(uid(5)));
    group.passes(ms(20), |from, _, control| from != 4 || matches!(control, Some(Control::Accepted { .. })));
    assert_eq!(group.view(0).len(), 5);
    let mut said = vec![];
    for who in silent {
        said.extend(group.is_told(0, Input::Suspect { who: uid(*who), checks: 2 }));
    }
    let accepts = |said: &[(usize, Control)]| said.iter().any(|(_, said)| matches!(said, Control::Accept { .. }));
    assert!(!accepts(&said));
    group.hears(0, 4, &Control::InstallAck { vid: group.vid(0) });
    accepts(&group.waits(0, ms(20)))
}

#[test]
fn what_no_quorum_could_decide_is_not_planned() {
    assert!(plans_without(&[1]));
    assert!(plans_without(&[1, 2]));
    assert!(!plans_without(&[1, 2, 3]));
}

#[test]
fn a_leader_may_not_leave_if_too_few_would_vote() {
    let mut group = Group::with(2, |config| config.params.min_voters = 2);
    group.members[0].handle(group.now, Input::Leave);
    group.passes(ms(2000), all);
    assert!(group.events[0].contains(&Event::LeaveRefused { min_voters: 2 }));
    assert_eq!(group.view(1), [0, 1]);
    group.sends_one(0, Level::Uniform);
    group.passes(ms(100), all);
    assert!(matches!(group.events[1].last(), Some(Event::Message(_))), "it leads as before");
}

#[test]
fn a_wish_to_leave_that_was_refused_stays_refused_however_late_it_comes_again() {
    let mut group = Group::with(3, |config| config.params.min_voters = 3);
    let refused = |said: &[(usize, Control)], to: usize| {
        said.contains(&(to, Control::LeaveRefused { attempt: 1, min_voters: 3 }))
    };
    let wish = |attempt| Control::LeaveRequest { attempt };
    for from in [1, 2] {
        assert!(refused(&group.hears(0, from, &wish(1)), from));
    }
    group.joins(|config| config.params.min_voters = 3);
    group.passes(ms(500), all);
    assert_eq!(group.view(0), [0, 1, 2, 3], "one of them could go now");
    for from in [1, 2] {
        assert!(refused(&group.hears(0, from, &wish(1)), from));
    }
    group.hears(0, 1, &wish(2));
    group.passes(ms(500), all);
    assert_eq!(group.view(0), [0, 2, 3]);
}

/// Whether a leader of three, one of whom is heard and stores nothing of what it is sent, goes on without it.
fn goes_on_without_the_deaf(change: impl Fn(&mut Config)) -> bool {
    let mut group = Group::with(3, change);
    group.sends_one(0, Level::Agreed);
    group.passes(ms(7000), deaf(1));
    group.view(0) == [0, 2]
}

#[test]
fn one_that_stores_nothing_is_given_up_unless_too_few_would_vote() {
    assert!(goes_on_without_the_deaf(|_| {}));
    assert!(!goes_on_without_the_deaf(|config| config.params.min_voters = 3));
}
