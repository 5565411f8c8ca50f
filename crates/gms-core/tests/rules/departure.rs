//! The last steps of one who goes, and those who see to it (protocol 5.3, 7).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Event, Gid, Input, Level};

use crate::group::{Group, Said, all, is_install, said_by, uid};

/// The highest member leaves a group of so many. Its INSTALL, and that of those `deaf`, is lost; returns when the
/// leader has installed the view without it.
fn one_leaves(count: usize, deaf: &[usize]) -> Group {
    let (mut group, leaver) = (Group::of(count), count - 1);
    let before = group.vid(0);
    group.members[leaver].handle(group.now, Input::Leave);
    let deaf_to = |to: usize| deaf.contains(&to) || to == leaver;
    let arrives = |_: usize, to: usize, control: Option<&Control>| !(deaf_to(to) && control.is_some_and(is_install));
    group.until(|group| group.vid(0) > before, arrives);
    group
}

/// To whom INSTALL goes.
fn installs(said: &[Said]) -> Vec<usize> {
    let installs = said.iter().filter(|(_, control)| is_install(control));
    let mut to: Vec<usize> = installs.map(|(to, _)| *to).collect();
    to.sort_unstable();
    to.dedup();
    to
}

/// To whom RELEASE goes.
fn releases(said: &[Said]) -> Vec<usize> {
    said.iter().filter(|(_, control)| matches!(control, Control::Release { .. })).map(|(to, _)| *to).collect()
}

#[test]
fn one_that_has_left_tells_the_others_of_its_last_view_what_ended_it_but_not_more_often_than_they_can_use() {
    let mut group = one_leaves(4, &[1]);
    let (before, next) = (group.vid(1), group.vid(0));
    // 1 still hears nothing of it, and the leaver gets no release.
    group.passes(Duration::from_millis(50), |from, to, control| {
        (from, to) == (0, 3) && !matches!(control, Some(Control::Release { .. }))
    });
    let ask = |group: &mut Group, vid| installs(&group.hears_in(vid, 3, 1, &Control::ViewRequest));
    assert_eq!(ask(&mut group, before), [1]);
    assert_eq!(ask(&mut group, before), [] as [usize; 0]);
    group.waits(3, Duration::from_millis(10));
    assert_eq!(ask(&mut group, next), [] as [usize; 0], "all who are there know");
    assert_eq!(ask(&mut group, before), [1]);
}

#[test]
fn the_leader_repeats_install_until_it_is_confirmed_and_to_one_that_left_until_nobody_can_wait_for_it() {
    let mut group = one_leaves(4, &[1, 2]);
    let (vid, quick) = (group.vid(0), Duration::from_millis(50));
    assert_eq!(installs(&group.waits(0, quick)), [1, 2, 3]);
    group.hears(0, 1, &Control::InstallAck { vid });
    assert_eq!(installs(&group.waits(0, 2 * quick)), [2, 3]);
    group.hears(0, 3, &Control::InstallAck { vid });
    assert_eq!(installs(&group.waits(0, 2 * quick)), [2], "3 has confirmed, and waits for its release only");

    let mut group = one_leaves(4, &[]);
    let without = |group: &mut Group, time: Duration| {
        let said = group.passes(time, |from, to, _| from != 3 && to != 3);
        installs(&said_by(0, said))
    };
    let linger = Duration::from_secs(10);
    without(&mut group, linger - 3 * quick);
    assert_eq!(without(&mut group, 2 * quick), [3]);
    without(&mut group, 2 * quick);
    assert_eq!(without(&mut group, Duration::from_secs(1)), [] as [usize; 0]);
}

#[test]
fn one_that_left_is_released_once_it_has_confirmed_and_all_who_were_with_it_are_in_the_next_view() {
    let mut group = one_leaves(4, &[1, 2]);
    let ack = Control::InstallAck { vid: group.vid(0) };
    // The fellows first, then the leaver.
    let mut other = one_leaves(4, &[1, 2]);
    for from in [1, 2] {
        assert_eq!(releases(&other.hears(0, from, &ack)), [] as [usize; 0]);
    }
    assert_eq!(releases(&other.hears(0, 3, &ack)), [3]);
    assert_eq!(releases(&other.hears(0, 3, &ack)), [3], "its release was lost");
    let later = Control::InstallAck { vid: other.vid(0) + 1 };
    assert_eq!(releases(&other.hears(0, 3, &later)), [] as [usize; 0], "nobody knows of that view");
    // The leaver first: of those who may need what it has, one is not here yet.
    for from in [3, 1] {
        assert_eq!(releases(&group.hears(0, from, &ack)), [] as [usize; 0]);
    }
    assert_eq!(releases(&group.hears(0, 2, &ack)), [3]);
}

#[test]
fn one_that_is_put_out_gets_what_it_lacks_of_its_last_view() {
    let mut group = Group::of(3);
    group.sends_one(0, Level::Agreed);
    // No data reach 2, neither the message nor repairs.
    group.passes(Duration::from_millis(20), |_, to, control| to != 2 || control.is_some());
    group.members[0].handle(group.now, Input::Exclude(uid(2)));
    group.passes(Duration::from_millis(300), |_, to, control| to != 2 || control.is_some());
    assert_eq!((group.view(0), group.view(2)), (vec![0, 1], vec![0, 1, 2]));
    let last = |group: &Group| group.events[2].iter().rev().take(2).rev().cloned().collect::<Vec<_>>();
    group.passes(Duration::from_millis(500), all);
    assert!(matches!(&last(&group)[..], [Event::Message(_), Event::Excluded]), "{:?}", last(&group));
}

#[test]
fn one_that_hands_over_makes_sure_that_its_successor_knows_but_not_for_ever() {
    let mut group = Group::of(3);
    group.members[0].handle(group.now, Input::Leave);
    // What it says as the last thing does not arrive.
    group.passes(Duration::from_millis(30), |from, _, control| from != 0 || !control.is_some_and(is_install));
    assert!(!group.members[2].is_leader());
    assert_eq!(installs(&group.waits(0, Duration::from_millis(50))), [2]);
    // So that no timer is due exactly when it ends.
    group.now = group.now + Duration::from_micros(12_345);
    group.waits(0, Duration::from_secs(9));
    assert_eq!(installs(&group.waits(0, Duration::from_millis(50))), [2]);
    group.waits(0, Duration::from_secs(1));
    assert_eq!(group.waits(0, Duration::from_secs(10)), []);
}

#[test]
fn a_lineage_ends_at_a_wish_only_while_its_quorum_is_heard_and_nothing_was_said() {
    let other = Gid(77);
    let wish = |group: &mut Group, history| {
        group.is_told(0, Input::Dissolve { into: other, history });
        group.passes(Duration::from_secs(2), all);
        let dissolved = |event: &Event| matches!(event, Event::Dissolved { into, .. } if *into == other);
        group.events.iter().filter(|events| events.iter().any(dissolved)).count()
    };
    assert_eq!(wish(&mut Group::of(3), false), 3);
    let mut silent = Group::of(3);
    silent.waits(0, Duration::from_millis(400));
    assert_eq!(wish(&mut silent, false), 0, "and the wish is forgotten");
    assert_eq!(wish(&mut silent, false), 3, "until it comes again");
    let mut busy = Group::of(3);
    let sent = busy.members[1].send(busy.now, "said".into(), gms_core::Level::Agreed, Default::default());
    sent.expect("there is room");
    busy.passes(Duration::from_millis(100), all);
    assert_eq!(wish(&mut busy, false), 0);
    assert_eq!(wish(&mut busy, true), 3, "an operator may end it all the same");
}

#[test]
fn one_that_missed_that_its_group_dissolved_is_told_by_its_last_leader() {
    let mut group = Group::of(3);
    let before = group.vid(1);
    group.members[0].handle(group.now, Input::Dissolve { into: Gid(77), history: false });
    group.passes(Duration::from_millis(5), |_, to, _| to != 1);
    group.passes(Duration::from_millis(200), |from, to, _| from != 1 && to != 1);
    assert_eq!(group.vid(1), before);
    group.waits(0, Duration::from_secs(3));
    let said = group.hears_in(before, 0, 1, &Control::ViewRequest);
    assert_eq!(installs(&said), [1]);
    assert_eq!(group.hears_in(before, 0, 7, &Control::ViewRequest), [], "7 was in no view of it");
}
