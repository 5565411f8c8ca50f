//! Multicast that dies is nobody's death, and a leader that blames too many is to blame itself.

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Addressing, Config, Event, Input, Level, Why};
#[cfg(debug_assertions)]
use gms_core::{Bug, Planted};

use crate::group::{Group, Said, all, said_by, uid};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Of the data, only what is for others than these arrives; all that is said beside it does.
fn deaf(who: &'static [usize]) -> impl Fn(usize, usize, Option<&Control>) -> bool {
    move |_, to, control| control.is_some() || !who.contains(&to)
}

/// Nothing of this one's data arrives anywhere; all that it says beside it does.
fn mute(who: usize) -> impl Fn(usize, usize, Option<&Control>) -> bool {
    move |from, _, control| control.is_some() || from != who
}

fn delivered(group: &Group, who: usize) -> usize {
    group.events[who].iter().filter(|event| matches!(event, Event::Message(_))).count()
}

/// Of whom `who` has last said that multicast does not reach them.
fn unreached(group: &Group, who: usize) -> Option<Vec<usize>> {
    let said = group.events[who].iter().rev().find_map(|event| match event {
        Event::Unreached { members } => Some(members),
        _ => None,
    })?;
    Some(said.iter().map(|uid| uid.node.0 as usize).collect())
}

#[test]
fn members_whom_multicast_does_not_reach_get_copies_and_nobody_is_blamed() {
    for lost in [&[1][..], &[1, 2], &[0, 1, 2]] {
        let mut group = Group::of(3);
        let vid = group.vid(0);
        group.without_multicast = lost.to_vec();
        group.passes(ms(500), all);
        group.sends_one(0, Level::Uniform);
        group.sends_one(1, Level::Uniform);
        group.passes(ms(100), all);
        assert_eq!([0, 1, 2].map(|who| delivered(&group, who)), [2; 3], "without multicast for {lost:?}");
        group.passes(ms(10_000), all);
        let followers: Vec<usize> = lost.iter().copied().filter(|who| *who != 0).collect();
        assert_eq!(unreached(&group, 0), Some(followers));
        assert!(group.members[1].hears_no_multicast() && group.members.iter().all(|member| member.multicast_fails()));
        assert_eq!(group.vid(0), vid, "there is no other view");

        group.without_multicast.clear();
        group.passes(ms(3_000), all);
        assert_eq!(unreached(&group, 0), Some(vec![]));
        assert!(!group.members.iter().any(|member| member.multicast_fails()));
        let before = group.copies;
        group.passes(ms(1_000), all);
        assert_eq!(group.copies, before, "nobody needs them any more");
    }
}

#[test]
fn no_copies_are_made_where_multicast_arrives() {
    let mut group = Group::of(5);
    group.passes(ms(1_000), all);
    let before = group.copies;
    group.sends_one(1, Level::Uniform);
    group.passes(ms(2_000), all);
    assert_eq!(group.copies, before);
    assert_eq!(unreached(&group, 0), None);
}

#[test]
fn multicast_that_comes_and_goes_has_to_prove_itself_for_longer_each_time() {
    let mut group = Group::of(3);
    let back_after = |group: &mut Group| {
        group.without_multicast = vec![1];
        group.passes(ms(3_000), all);
        group.without_multicast.clear();
        let since = group.now;
        group.until(|group| unreached(group, 0) == Some(vec![]), all);
        group.passes(ms(200), all);
        group.now - since
    };
    let first = back_after(&mut group);
    assert!(back_after(&mut group) > first * 3 / 2);
}

#[test]
fn a_group_without_multicast_lets_others_in_and_replaces_its_leader() {
    let mut group = Group::of(3);
    group.without_multicast = vec![0, 1, 2, 3];
    group.passes(ms(1_000), all);
    group.joins(|_| {});
    group.until(|group| group.members[3].view().is_some_and(|view| view.voters().count() == 4), all);
    group.sends_one(3, Level::Uniform);
    group.passes(ms(200), all);
    assert_eq!([0, 1, 2, 3].map(|who| delivered(&group, who)), [1; 4]);

    // 0 is dead; those who elect are not here, so the highest is told to stand.
    let living = |from: usize, to: usize, _: Option<&Control>| from != 0 && to != 0;
    for who in [1, 2, 3] {
        group.is_told(who, Input::Closed(uid(0)));
    }
    group.passes(ms(50), living);
    group.is_told(3, Input::Stand);
    group.until(|group| group.members[3].is_leader(), living);
    group.passes(ms(600), living);
    group.sends_one(1, Level::Uniform);
    group.passes(ms(200), living);
    assert_eq!([1, 2, 3].map(|who| delivered(&group, who)), [2; 3]);
}

/// Of five, first two store nothing, then one of the rest. Who is in the view then, and how often the leader has
/// resigned.
fn by_instalments(change: impl Fn(&mut Config)) -> (Vec<usize>, u64) {
    let mut group = Group::with(5, change);
    group.sends_one(0, Level::Agreed);
    group.passes(ms(8_000), deaf(&[3, 4]));
    assert_eq!((group.view(0), group.members[0].stats().resignations), (vec![0, 1, 2], 0));
    group.sends_one(0, Level::Agreed);
    group.passes(ms(8_000), deaf(&[2]));
    (group.view(0), group.members[0].stats().resignations)
}

#[test]
fn of_several_who_store_nothing_as_many_are_given_up_as_leave_a_majority() {
    assert_eq!(by_instalments(|_| {}), (vec![0, 1, 2], 1), "with the two before that would make three of five");
    #[cfg(debug_assertions)]
    assert_eq!(by_instalments(|config| config.planted = Planted::bug(Bug::BlamesAnybody)), (vec![0, 1], 0));
}

#[test]
fn a_leader_that_nobody_gets_data_of_asks_to_be_replaced_and_takes_what_only_it_holds_along() {
    let mut group = Group::of(3);
    group.sends_one(0, Level::Agreed);
    group.until(|group| group.members[1].needs_proposer(), mute(0));
    assert_eq!(group.members[0].stats().resignations, 1);
    for _ in 0..20 {
        // It cannot get that frame, and tries again.
        if group.members[1].needs_proposer() {
            group.is_told(1, Input::Stand);
        }
        group.passes(ms(200), mute(0));
    }
    assert_eq!(group.view(1), [1, 2]);
    let why = group.events[1].iter().rev().find_map(|event| match event {
        Event::View(change) => change.left.first().copied(),
        _ => None,
    });
    assert_eq!(why, Some((uid(0), Why::Withheld)));
    group.sends_one(1, Level::Uniform);
    group.passes(ms(500), mute(0));
    assert_eq!([1, 2].map(|who| delivered(&group, who)), [1, 1]);
}

/// The network swallows what is longer than that at one of three, silently.
#[test]
fn one_behind_a_black_hole_for_long_datagrams_is_given_up_and_nobody_else() {
    for at in [1, 0] {
        let mut group = Group::of(3);
        group.black_holes = vec![(at, 1300)];
        group.sends_one(2, Level::Uniform);
        group.passes(ms(200), all);
        assert_eq!([0, 1, 2].map(|who| delivered(&group, who)), [1; 3], "short ones get through");
        group.members[2].send(group.now, vec![7; 5000].into(), Level::Uniform, Addressing::default()).expect("room");
        for _ in 0..80 {
            if group.members[2].needs_proposer() {
                group.is_told(2, Input::Stand);
            }
            group.passes(ms(250), all);
        }
        let others: Vec<usize> = (0..3).filter(|who| *who != at).collect();
        assert_eq!(group.view(2), others);
        assert!(others.iter().all(|who| delivered(&group, *who) == 2));
    }
}

#[test]
fn a_leader_whose_interface_carries_less_by_now_asks_to_be_replaced() {
    let mut group = Group::of(3);
    let said = group.is_told(0, Input::Carries(1252));
    assert!(said.iter().any(|(_, said)| matches!(said, Control::Suspect { who, .. } if *who == uid(0))));
    group.is_told(1, Input::Carries(1252));
    group.until(|group| group.members[2].needs_proposer(), all);
    assert!(!group.members[1].needs_proposer(), "nor can it lead");
}

/// What is its own fault is not the leader's; but a dead leader is dead for it, too, and it is one of those who say so.
#[test]
fn one_whose_interface_carries_less_accuses_a_leader_of_silence_only() {
    let accuses =
        |said: &[Said]| said.iter().any(|(_, said)| matches!(said, Control::Suspect { who, .. } if *who == uid(0)));
    let mut group = Group::of(3);
    group.is_told(1, Input::Carries(1252));
    group.sends_one(1, Level::Agreed);
    let said = group.passes(ms(3_000), |from, _, control| from != 1 || control.is_some());
    assert!(!accuses(&said_by(1, said)), "what it says does not reach the leader");
    group.is_told(1, Input::Suspect { who: uid(0), checks: 2 });
    assert!(accuses(&group.waits(1, ms(100))));
    group.is_told(2, Input::Suspect { who: uid(0), checks: 2 });
    group.until(|group| group.members[2].needs_proposer(), |from, to, _| from != 0 && to != 0);
    assert!(!group.members[1].needs_proposer());
}

#[test]
fn a_leader_that_is_not_replaced_leads_on() {
    let mut group = Group::of(2);
    group.sends_one(0, Level::Agreed);
    group.until(|group| group.members[0].stats().resignations == 1, mute(0));
    group.passes(ms(6_000), mute(0));
    group.passes(ms(1_000), all);
    group.sends_one(1, Level::Uniform);
    group.passes(ms(200), all);
    assert_eq!([0, 1].map(|who| delivered(&group, who)), [2, 2]);
    assert!(group.members[0].is_leader());
}

#[test]
fn one_that_cannot_send_accuses_nobody_and_does_not_lead() {
    let mut group = Group::of(3);
    group.is_told(1, Input::CannotSend(true));
    group.is_told(1, Input::Closed(uid(0)));
    assert!(group.waits(1, ms(200)).iter().all(|(_, said)| !matches!(said, Control::Suspect { .. })));
    group.is_told(1, Input::CannotSend(false));
    assert!(group.waits(1, ms(200)).iter().any(|(_, said)| matches!(said, Control::Suspect { .. })));

    let mut group = Group::of(3);
    let said = group.is_told(0, Input::CannotSend(true));
    assert!(said.iter().any(|(_, said)| matches!(said, Control::Suspect { who, .. } if *who == uid(0))));
    group.until(|group| group.members[1].needs_proposer(), all);
}
