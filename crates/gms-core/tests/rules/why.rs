//! Why a member is gone: all who deliver the view say the same.

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Event, Input, Level, Uid, Why};

use crate::admission::with_a_new_life;
use crate::group::{Group, all, uid};
use crate::planned::deaf;

const SECOND: Duration = Duration::from_secs(1);

/// Who was in a view that `teller` delivered and not in the next one, and why.
fn gone(group: &Group, teller: usize) -> Vec<(Uid, Why)> {
    let views = group.events[teller].iter().filter_map(|event| match event {
        Event::View(change) => Some(change.left.clone()),
        _ => None,
    });
    views.flatten().collect()
}

/// Why 2 is gone from a group of three, as 0 and 1 tell.
fn why_2_is_gone(group: &Group) -> Why {
    let told = gone(group, 0);
    assert_eq!(told, gone(group, 1));
    let [(who, why)] = told[..] else { panic!("one is gone: {told:?}") };
    assert_eq!(who, uid(2));
    why
}

fn without(who: usize) -> impl Fn(usize, usize, Option<&Control>) -> bool {
    move |from, to, _| from != who && to != who
}

/// Why 2 is gone once 0, which leads, was told so after it had heard nothing of it for 300 ms.
fn after_silence(told: Input) -> Why {
    let mut group = Group::of(3);
    group.passes(Duration::from_millis(300), without(2));
    group.members[0].handle(group.now, told);
    group.passes(Duration::from_millis(100), without(2));
    why_2_is_gone(&group)
}

#[test]
fn one_that_asked_to_leave_has_left_and_so_has_a_leader() {
    for who in [2, 0] {
        let mut group = Group::of(3);
        group.members[who].handle(group.now, Input::Leave);
        group.passes(SECOND, all);
        for teller in [0, 1, 2].into_iter().filter(|teller| *teller != who) {
            assert_eq!(gone(&group, teller), [(uid(who), Why::Left)]);
        }
    }
}

#[test]
fn one_that_was_silent_was_so_for_as_long_as_it_was_not_heard() {
    match after_silence(Input::Suspect { who: uid(2), checks: 2 }) {
        Why::Silent { millis, checks: 2 } => assert!((300..500).contains(&millis), "{millis}"),
        why => panic!("{why:?}"),
    }
    let one_way = after_silence(Input::Suspect { who: uid(2), checks: 0 });
    assert!(matches!(one_way, Why::OneWay { millis: 300.. }), "{one_way:?}");
}

#[test]
fn what_its_host_says_of_it_is_the_reason() {
    assert_eq!(after_silence(Input::Closed(uid(2))), Why::Closed);
    assert_eq!(after_silence(Input::Dead(uid(2))), Why::Dead);
}

#[test]
fn an_operator_excludes() {
    let mut group = Group::of(3);
    group.members[0].handle(group.now, Input::Exclude(uid(2)));
    group.passes(SECOND, all);
    assert_eq!(why_2_is_gone(&group), Why::Excluded);
}

#[test]
fn one_that_stores_nothing_is_deaf() {
    let mut group = Group::of(3);
    group.sends_one(0, Level::Agreed);
    group.passes(7 * SECOND, deaf(2));
    let why = why_2_is_gone(&group);
    assert!(matches!(why, Why::Deaf { millis: 5000.. }), "{why:?}");
}

#[test]
fn a_new_life_replaces_the_former_one() {
    let group = with_a_new_life(Uid::new(2, 7));
    assert_eq!(why_2_is_gone(&group), Why::Replaced);
}

#[test]
fn one_that_was_let_in_and_never_arrived_was_not_reached() {
    let mut group = Group::of(2);
    group.joins(|_| {});
    let nothing_lets_it_in = |_: usize, to: usize, control: Option<&Control>| {
        to != 2 || matches!(control, Some(Control::JoinChallenge { .. }))
    };
    group.until(|group| group.view(0) == [0, 1, 2], nothing_lets_it_in);
    group.members[0].handle(group.now, Input::Suspect { who: uid(2), checks: 2 });
    group.passes(SECOND / 10, without(2));
    assert_eq!(why_2_is_gone(&group), Why::Unreached);
}

/// The leader of five is dead, and so is another one: who proposes knows of the leader only.
#[test]
fn after_the_leaders_death_those_are_gone_who_did_not_promise() {
    let mut group = Group::of(5);
    let alive = |from: usize, to: usize, _: Option<&Control>| ![0, 4].contains(&from) && ![0, 4].contains(&to);
    for who in [1, 2, 3] {
        group.members[who].handle(group.now, Input::Closed(uid(0)));
    }
    group.passes(Duration::from_millis(20), alive);
    group.members[1].handle(group.now, Input::Stand);
    group.passes(SECOND, alive);
    for teller in [1, 2, 3] {
        assert_eq!(gone(&group, teller), [(uid(0), Why::Closed), (uid(4), Why::NotPromised)]);
    }
}
