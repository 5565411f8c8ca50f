//! What becomes of a decided view (protocol 3, 5.2).

use std::time::Duration;

use gms_core::wire::{Control, Successor};
use gms_core::{Ballot, Event, Input, Level, Next, NodeId, Snapshot};

use crate::group::{Group, Said, address, all, is_broken, is_install, uid};

/// To whom VIEW_REQ goes.
fn asked(said: &[Said]) -> Vec<usize> {
    said.iter().filter(|(_, control)| *control == Control::ViewRequest).map(|(to, _)| *to).collect()
}

/// A group of four that has lost 3. 1 has got what ends its view, and lacks a message before it: its INSTALL waits.
/// Returns that INSTALL, too.
fn waiting() -> (Group, Control) {
    let mut group = Group::of(4);
    group.sends_one(0, Level::Agreed);
    let deaf = |_: usize, to: usize, control: Option<&Control>| to != 1 || control.is_some();
    group.passes(Duration::from_millis(20), deaf);
    group.members[0].handle(group.now, Input::Exclude(uid(3)));
    let said = group.passes(Duration::from_millis(20), deaf);
    assert_eq!((group.view(0), group.view(1)), (vec![0, 1, 2], vec![0, 1, 2, 3]));
    let install = said.into_iter().find(|(_, to, control)| *to == 1 && is_install(control));
    (group, install.expect("it was told").2)
}

/// The view after the next one of 1, without the members named.
fn two_ahead(group: &Group, without: &[usize]) -> Control {
    let mut view = gms_core::View::clone(group.members[1].view().expect("a member"));
    view.members.retain(|member| without.iter().all(|index| member.uid != uid(*index)));
    (view.vid, view.at, view.leader) = (view.vid + 2, view.at + 2, view.members[0].uid);
    let snapshot = Snapshot { next: vec![], digest: 1, sessions_digest: None, sessions: None };
    Control::Install { next: Successor::Whole(Next { view, cut_digest: 1, into: None, why: vec![] }), snapshot }
}

#[test]
fn what_ends_a_view_is_taken_once_and_waits_for_its_frames() {
    let (mut group, install) = waiting();
    // Neither a repeat nor a later view changes anything; what is missing comes, and all is well.
    assert_eq!(group.hears(1, 2, &install), []);
    let later = two_ahead(&group, &[3]);
    assert_eq!(asked(&group.hears_in(group.vid(1) + 1, 1, 2, &later)), [] as [usize; 0]);
    group.passes(Duration::from_millis(200), all);
    assert_eq!(group.view(1), [0, 1, 2]);
    assert!(group.events[1].iter().any(|event| matches!(event, Event::Message(_))));
    assert!(!is_broken(&group, 1));
}

#[test]
fn who_still_tries_to_end_a_view_is_told_what_has_ended_it() {
    let (mut group, install) = waiting();
    let accept = {
        let Control::Install { next, .. } = install.clone() else { panic!("{install:?}") };
        Control::Accept { ballot: Ballot { round: 1, node: NodeId(2) }, next }
    };
    for tries in [Control::Prepare { ballot: Ballot { round: 1, node: NodeId(2) }, carried: false }, accept] {
        assert_eq!(group.hears(1, 2, &tries), [(2, install.clone())]);
    }
}

/// I1. One member may say anything.
#[test]
fn a_member_that_is_told_of_two_ends_of_its_view_by_a_quorum_stops() {
    let (mut group, install) = waiting();
    let Control::Install { next: Successor::Delta(delta), snapshot } = install else { panic!("a change: {install:?}") };
    let delta = gms_core::wire::Delta { cut_digest: delta.cut_digest ^ 1, ..delta };
    let other = Control::Install { next: Successor::Delta(delta), snapshot };
    for (from, stops) in [(2, false), (2, false), (3, false), (0, true)] {
        group.hears(1, from, &other);
        assert_eq!(is_broken(&group, 1), stops);
    }

    // The same once the first is installed.
    let (mut group, _) = waiting();
    let vid = group.vid(1);
    group.passes(Duration::from_millis(200), all);
    assert_eq!(group.vid(1), vid + 1);
    for (from, stops) in [(2, false), (2, false), (3, false), (0, true)] {
        group.hears_in(vid, 1, from, &other);
        assert_eq!(is_broken(&group, 1), stops);
    }
}

#[test]
fn one_that_hears_of_a_view_after_the_next_asks_those_who_are_in_both_or_else_who_told_it() {
    let mut group = Group::of(4);
    let vid = group.vid(1) + 1;
    let ask = |group: &mut Group, without: &[usize]| {
        group.waits(1, Duration::from_millis(10));
        let told = two_ahead(group, without);
        asked(&group.hears_in(vid, 1, 3, &told))
    };
    assert_eq!(ask(&mut group, &[0, 3]), [2]);
    assert_eq!(ask(&mut group, &[2, 3]), [0]);
    assert_eq!(ask(&mut group, &[0, 2, 3]), [3]);
    assert_eq!(group.vid(1) + 1, vid);
}

#[test]
fn one_that_is_behind_asks_once_in_a_while_however_much_it_hears() {
    let mut group = Group::of(3);
    let ahead = group.vid(1) + 1;
    let hears = |group: &mut Group| asked(&group.hears_in(ahead, 1, 0, &Control::ViewRequest));
    assert_eq!(hears(&mut group), [0]);
    assert_eq!(hears(&mut group), [] as [usize; 0]);
    group.waits(1, Duration::from_millis(10));
    assert_eq!(hears(&mut group), [0]);
}

#[test]
fn one_that_is_told_of_a_process_in_a_later_view_asks_it_what_ended_its_own_or_for_what_nobody_else_gives_it() {
    let mut group = Group::of(3);
    let overtaken = |group: &mut Group| group.is_told(1, Input::Overtaken(address(2)));
    assert_eq!(overtaken(&mut group), [(2, Control::ViewRequest)]);

    let (mut group, install) = waiting();
    assert_eq!(overtaken(&mut group), [], "those of its view are asked first");
    // A repeat does not begin that time anew.
    group.waits(1, Duration::from_millis(600));
    group.hears(1, 2, &install);
    group.waits(1, Duration::from_millis(500));
    assert!(matches!(overtaken(&mut group)[..], [(2, Control::Nack { .. })]));
}

#[test]
fn what_ends_a_view_is_confirmed_whenever_it_is_told() {
    let mut group = Group::of(3);
    group.members[0].handle(group.now, Input::Exclude(uid(2)));
    let lost = |to: usize, control: &Control| to == 1 && is_install(control);
    let said = group.passes(Duration::from_millis(10), |_, to, control| !control.is_some_and(|said| lost(to, said)));
    let install = said.into_iter().find(|(_, to, control)| lost(*to, control)).expect("it is told").2;
    let (vid, ack) = (group.vid(1), Control::InstallAck { vid: group.vid(1) + 1 });
    for _ in 0..2 {
        assert!(group.hears_in(vid, 1, 0, &install).contains(&(0, ack.clone())));
    }
}

#[test]
fn so_many_ends_of_views_are_remembered() {
    let mut group = Group::with(4, |config| config.limits.decided = 2);
    for gone in [3, 2] {
        group.members[0].handle(group.now, Input::Exclude(uid(gone)));
        group.passes(Duration::from_millis(300), all);
    }
    let told = |group: &mut Group, ago| {
        group.waits(0, Duration::from_millis(10));
        let said = group.hears_in(group.vid(0) - ago, 0, 1, &Control::ViewRequest);
        said.iter().any(|(_, control)| is_install(control))
    };
    assert_eq!([1, 2, 3].map(|ago| told(&mut group, ago)), [true, true, false]);
}

#[test]
fn of_those_who_ask_for_what_nobody_remembers_only_one_that_is_no_member_is_told_that_it_is_out() {
    let mut group = waiting().0;
    assert_eq!(group.hears_in(0, 0, 1, &Control::ViewRequest), []);
    let said = group.hears_in(0, 0, 3, &Control::ViewRequest);
    assert_eq!(said, [(3, Control::Excluded { who: uid(3) })]);
}
