//! Who is let in, and who has to wait (protocol 5.5, 6).

use std::time::Duration;

use gms_core::wire::{Control, JoinRequest};
use gms_core::{Addressing, Config, Event, Level, Refusal, SessionNumber, Uid};

use crate::group::{Group, Said, address, all, is_install, uid};

#[test]
fn of_more_joiners_than_may_wait_at_once_the_others_come_in_later() {
    let mut group = Group::with(1, |config| config.limits.joiners = 2);
    (0..3).for_each(|_| group.joins(|_| {}));
    let size = |group: &Group| group.members[0].view().expect("a member").members.len();
    group.until(|group| size(group) > 1, all);
    let first = size(&group);
    group.until(|group| size(group) > first, all);
    assert_eq!((first, size(&group)), (3, 4));
}

/// How often a joiner that confirms nothing is sent its INSTALL within two seconds, in a group with so many sessions.
fn welcomes(sessions: u64) -> usize {
    let mut group = Group::of(1);
    for session in 0..sessions {
        let session = Some(SessionNumber { session: u128::from(session) + 1, number: 0 });
        let addressing = Addressing { session, ..Addressing::default() };
        group.members[0].send(group.now, "hello".into(), Level::Agreed, addressing).expect("there is room");
    }
    group.passes(Duration::from_millis(50), all);
    group.joins(|_| {});
    let said = group.passes(Duration::from_secs(2), |_, _, control| !control.is_some_and(is_install));
    said.iter().filter(|(.., control)| is_install(control)).count()
}

#[test]
fn a_joiner_is_not_sent_many_sessions_again_and_again() {
    assert!(welcomes(16) > 10, "{}", welcomes(16));
    assert!((2..=5).contains(&welcomes(17)), "{}", welcomes(17));
}

/// A group of three in which 2 is silent, and another process with its id asks to be let in elsewhere.
fn contested() -> Group {
    let mut group = Group::of(3);
    let before = group.vid(0);
    group.joins(|config| config.uid = Uid::new(2, 7));
    // It may have given way to its new life: nobody knows yet.
    group.passes(Duration::from_millis(250), |from, to, _| from != 2 && to != 2);
    assert_eq!((group.vid(0), &group.events[3][..]), (before, &[][..]));
    group
}

#[test]
fn one_whose_id_is_taken_changes_no_view_while_it_waits_and_is_refused_when_the_other_is_heard() {
    let mut group = contested();
    let before = group.vid(0);
    group.passes(Duration::from_millis(250), all);
    assert!(matches!(group.events[3][..], [Event::Refused(_)]));
    assert_eq!(group.vid(0), before);
}

#[test]
fn a_leader_without_which_the_group_may_have_gone_on_refuses_nobody_for_good() {
    let mut group = contested();
    group.hears_in(group.vid(0) + 1, 0, 1, &Control::ViewRequest);
    group.passes(Duration::from_millis(250), all);
    assert_eq!(group.events[3], []);
}

#[test]
fn a_refusal_is_for_the_one_that_asked() {
    let mut group = Group::of(2);
    group.joins(|_| {});
    let me = group.members[2].uid();
    for to in [0, me.incarnation + 1, me.incarnation] {
        assert_eq!(group.events[2], []);
        group.hears_in(1, 2, 0, &Control::JoinReject { to, refusal: Refusal::Full(2) });
        group.members[2].poll_events(&mut group.events[2], usize::MAX);
    }
    assert_eq!(group.events[2], [Event::Refused(Refusal::Full(2))]);
}

#[test]
fn one_whose_interface_carries_less_than_the_group_sends_is_told_both_numbers() {
    let mut group = Group::of(2);
    group.joins(|config| config.largest = 1252);
    group.passes(Duration::from_millis(500), all);
    assert_eq!(group.events[2], [Event::Refused(Refusal::Datagram { group: 1400, here: 1252 })]);
    // What it would create a group with does not matter.
    group.joins(|config| config.params.datagram = 8972);
    group.until(|group| group.view(0) == [0, 1, 3], all);
}

#[test]
fn one_to_which_datagrams_of_full_size_do_not_get_through_is_not_let_in_and_knows_why() {
    for at in [2, 0] {
        let mut group = Group::of(2);
        group.black_holes = vec![(at, 1390)];
        group.joins(|_| {});
        group.passes(Duration::from_secs(3), all);
        assert_eq!(group.view(0), [0, 1]);
        assert_eq!(group.members[2].too_large(), Some((1400, address(0))));
        group.black_holes.clear();
        group.until(|group| group.view(0) == [0, 1, 2], all);
        assert_eq!(group.members[2].too_large(), None);
    }
}

/// A group of three where 2 is silent and a new life of it has come at its address.
pub(crate) fn with_a_new_life(life: Uid) -> Group {
    let mut group = Group::of(3);
    let config = Config::new("test", life, address(2));
    let request = JoinRequest {
        name: config.name,
        uid: life,
        address: address(2),
        budget: config.budget,
        weight: 0,
        process: None,
        largest: config.largest,
        params: group.members[0].view().expect("a member").params.clone(),
        broadcast: false,
    };
    let challenge = |said: &[Said]| {
        said.iter().find_map(|(_, control)| match control {
            Control::JoinChallenge { cookie, .. } => Some(*cookie),
            _ => None,
        })
    };
    let said = group.hears_of(life, 0, 0, 2, &Control::JoinRequest(request.clone()));
    let cookie = challenge(&said).expect("it is asked for proof");
    let proof = |cookie| Control::JoinProof { cookie, request: request.clone(), padding: vec![] };
    let said = group.hears_of(life, 0, 0, 2, &proof(cookie));
    let cookie = challenge(&said).expect("and once more, at full length");
    group.hears_of(life, 0, 0, 2, &proof(cookie));
    group.passes(Duration::from_millis(100), |from, to, _| from != 2 && to != 2);
    group
}

#[test]
fn where_a_member_was_reached_there_is_a_new_life_of_it_so_that_the_member_is_dead() {
    let life = Uid::new(2, 7);
    let group = with_a_new_life(life);
    let view = group.members[0].view().expect("a member");
    assert!(!view.contains(uid(2)) && view.contains(life), "{view}");
}
