//! Standing for proposing what ends a view (protocol 5.2).

use std::time::Duration;

use gms_core::wire::{Control, Successor};
use gms_core::{Ballot, Event, Fseq, Input, NodeId, View};

use crate::group::{Group, Said, uid};

/// Highest rank first, each member waits for so long once more after its first failure.
const BACKOFF: Duration = Duration::from_millis(30);

/// The ballot of the PREPAREs among these.
fn prepared(said: &[Said]) -> Option<Ballot> {
    said.iter().find_map(|(_, control)| match control {
        Control::Prepare { ballot } => Some(*ballot),
        _ => None,
    })
}

/// A group of five whose leader, 0, is taken to be dead by all others.
fn leaderless() -> Group {
    let mut group = Group::of(5);
    // Whoever is about to stand has not just promised anybody anything.
    group.passes(Duration::from_secs(1), crate::group::all);
    group.accuse(1, &[2, 3, 4]);
    group
}

/// 1 waits for so long, and the others say all the while that the leader is dead. Whether it asks for promises.
fn asks_within(group: &mut Group, time: Duration) -> bool {
    let until = group.now + time;
    let mut asks = false;
    while group.now < until {
        let step = Duration::from_millis(50).min(until - group.now);
        asks |= prepared(&group.waits(1, step)).is_some();
        asks |= prepared(&group.accuse(1, &[2, 3, 4])).is_some();
    }
    asks
}

#[test]
fn one_that_is_refused_for_a_higher_ballot_gives_way_the_longer_the_lower_it_ranks_and_the_more_often_it_failed() {
    let mut group = leaderless();
    let mut above = 0;
    for failures in 0..4 {
        let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
        assert!(ballot.round > above && group.members[1].is_candidate());
        // That somebody refused another's ballot, or one of its own that is over, is no failure.
        let other = Ballot { node: NodeId(4), ..ballot };
        let over = Ballot { round: ballot.round - 1, ..ballot };
        for stale in [other, over] {
            group.hears(1, 4, &Control::PromiseNo { ballot: stale, promised: Some(other) });
            assert!(group.members[1].is_candidate());
        }
        let promised = Ballot { round: ballot.round + 5, node: NodeId(4) };
        group.hears(1, 4, &Control::PromiseNo { ballot, promised: Some(promised) });
        assert!(!group.members[1].is_candidate());
        above = promised.round;
        // 2, 3 and 4 rank higher, and are to try first.
        let pause = 4 * BACKOFF * (1 << failures);
        assert!(!asks_within(&mut group, pause - Duration::from_millis(1)));
        assert!(!group.members[1].needs_proposer());
        assert!(!asks_within(&mut group, pause / 2 + Duration::from_millis(1)), "it waits to be elected again");
        assert!(group.members[1].needs_proposer());
    }
}

#[test]
fn one_that_is_not_answered_in_time_gives_way() {
    let mut group = leaderless();
    prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    assert!(asks_within(&mut group, Duration::from_millis(400)));
    assert!(group.members[1].is_candidate());
    asks_within(&mut group, Duration::from_millis(20));
    assert!(!group.members[1].is_candidate());
    assert!(!asks_within(&mut group, 4 * BACKOFF - Duration::from_millis(20)));
}

#[test]
fn only_those_who_have_not_promised_are_asked_again() {
    let mut group = leaderless();
    let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    group.hears(1, 2, &promise(ballot, None, group.have(1), &[]));
    let said = group.waits(1, Duration::from_millis(15));
    let asked = said.iter().filter(|(_, control)| *control == Control::Prepare { ballot }).map(|(to, _)| *to);
    assert_eq!(asked.collect::<Vec<_>>(), [0, 3, 4]);
}

fn promise(ballot: Ballot, accepted: Option<(Ballot, Successor)>, have: Fseq, ranges: &[(Fseq, Fseq)]) -> Control {
    Control::Promise { ballot, accepted, have, ranges: ranges.to_vec(), dead: vec![] }
}

/// What is proposed among these.
fn proposed(said: &[Said]) -> Option<(Ballot, Successor)> {
    said.iter().find_map(|(_, control)| match control {
        Control::Accept { ballot, next } => Some((*ballot, next.clone())),
        _ => None,
    })
}

#[test]
fn who_says_nothing_is_waited_for_for_a_moment_and_who_refuses_longer() {
    let collect = Duration::from_millis(60);
    for (refuses, waits) in [(false, collect), (true, Duration::from_millis(250))] {
        let mut group = leaderless();
        let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
        let other = Ballot { node: NodeId(3), ..ballot };
        let refused = if refuses { ballot } else { other };
        group.hears(1, 4, &Control::PromiseNo { ballot: refused, promised: None });
        let have = group.have(1);
        for from in [2, 3] {
            assert_eq!(proposed(&group.hears(1, from, &promise(ballot, None, have, &[]))), None);
        }
        assert_eq!(proposed(&group.waits(1, waits - Duration::from_millis(1))), None);
        let (_, next) = proposed(&group.waits(1, Duration::from_millis(12))).expect("enough have promised");
        let next = next.resolve(group.members[1].view().map(|view| &**view)).expect("it follows");
        let members: Vec<u64> = next.view.members.iter().map(|member| member.uid.node.0).collect();
        assert_eq!(members, [1, 2, 3], "who has promised (I2)");
    }
}

#[test]
fn the_cut_is_the_union_of_what_those_hold_who_promised_and_is_fetched_where_it_is() {
    let mut group = leaderless();
    let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    let have = group.have(1);
    // Neither has all of it. Of what 4 holds, the last run is behind a hole that nobody fills.
    group.hears(1, 2, &promise(ballot, None, have + 2, &[]));
    group.hears(1, 3, &promise(ballot, None, have, &[(have + 3, have + 4)]));
    let said = group.hears(1, 4, &promise(ballot, None, have, &[(have + 4, have + 5), (have + 7, have + 9)]));
    let said = [said, group.waits(1, Duration::from_millis(60))].concat();
    let asked = said.iter().find_map(|(to, control)| match control {
        Control::Nack { ranges } => Some((*to, ranges.clone())),
        _ => None,
    });
    assert_eq!(asked, Some((2, vec![(have + 1, have + 5)])));
    assert_eq!(proposed(&said), None, "it lacks the cut");
}

/// I4.
#[test]
fn one_that_has_to_propose_what_it_does_not_hold_itself_fetches_it_first() {
    let mut group = leaderless();
    let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    let view = View::clone(group.members[1].view().expect("a member"));
    let have = group.have(1);
    let next = View { vid: view.vid + 1, at: have + 4, gseq: view.gseq + 9, ..view.clone() };
    let next = Successor::of(&gms_core::Next { view: next, cut_digest: 5, into: None }, &view);
    let accepted = Some((Ballot { round: 0, node: NodeId(0) }, next.clone()));
    let mut said = group.hears(1, 2, &promise(ballot, accepted, have + 3, &[]));
    said.extend(group.hears(1, 3, &promise(ballot, None, have, &[])));
    said.extend(group.waits(1, Duration::from_millis(300)));
    assert_eq!(proposed(&said), Some((ballot, next)));
    let asks = |(_, control): &Said| matches!(control, Control::Nack { ranges } if ranges == &[(have + 1, have + 3)]);
    assert!(said.iter().any(asks));
    // The others have accepted it, and that is not enough: it could not say what a joiner starts from.
    for from in [2, 3, 4] {
        assert_eq!(group.hears(1, from, &Control::Accepted { ballot }), []);
    }
    assert!(group.events[1].iter().all(|event| !matches!(event, Event::Broken(_))));
}

/// I1: what may have been decided is proposed again.
#[test]
fn a_value_that_somebody_has_accepted_is_proposed_unless_it_is_the_plan_of_a_leader_that_gave_it_up() {
    let value = |group: &Group, without: usize| {
        let view = View::clone(group.members[1].view().expect("a member"));
        let members = view.members.iter().filter(|member| member.uid != uid(without)).cloned().collect();
        let next = View { vid: view.vid + 1, at: group.have(1) + 1, gseq: view.gseq + 9, members, ..view.clone() };
        Successor::of(&gms_core::Next { view: next, cut_digest: 5, into: None }, &view)
    };
    for (round, leader_promises, again) in [(0, false, true), (0, true, false), (3, false, true), (3, true, true)] {
        let mut group = leaderless();
        let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
        let (have, old) = (group.have(1), Ballot { round, node: NodeId(if round == 0 { 0 } else { 4 }) });
        let accepted = Some((old, value(&group, 3)));
        let mut said = group.hears(1, 2, &promise(ballot, accepted.clone(), have, &[]));
        // The leader has accepted it, too.
        let (other, held) = if leader_promises { (0, accepted.clone()) } else { (4, None) };
        said.extend(group.hears(1, other, &promise(ballot, held, have, &[])));
        said.extend(group.waits(1, Duration::from_millis(300)));
        let (by, next) = proposed(&said).expect("a quorum has promised");
        assert_eq!((by, Some(next) == accepted.map(|(_, next)| next)), (ballot, again), "round {round}");
    }
}
