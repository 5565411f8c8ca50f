//! Standing for proposing what ends a view (protocol 5.2).

use std::time::Duration;

use gms_core::wire::{Control, Delta, Successor};
use gms_core::{Ballot, Event, Fseq, Input, NodeId};

use crate::group::{Group, Said, all, uid};

/// The pause of the highest rank after its first failure; the n-th rank waits n times as long.
const BACKOFF: Duration = Duration::from_millis(30);

/// The ballot of the PREPAREs among these.
fn prepared(said: &[Said]) -> Option<Ballot> {
    said.iter().find_map(|(_, control)| match control {
        Control::Prepare { ballot, .. } => Some(*ballot),
        _ => None,
    })
}

/// A group of five, led by 0. 1 takes it to be dead, and has heard of the others that they do, too.
fn leaderless() -> Group {
    let mut group = Group::of(5);
    group.accuse(1, &[2, 3, 4]);
    group
}

/// `who` waits for so long, and these say all the while that the leader is dead. Whether it asks for promises.
fn asks_within(group: &mut Group, who: usize, others: &[usize], time: Duration) -> bool {
    let until = group.now + time;
    let mut asks = false;
    while group.now < until {
        let step = Duration::from_millis(50).min(until - group.now);
        asks |= prepared(&group.waits(who, step)).is_some();
        asks |= prepared(&group.accuse(who, others)).is_some();
    }
    asks
}

/// `leader` leads, and is gone; so many rank above `who`, itself included, of those who may propose what follows.
fn gives_way_the_longer_the_lower_it_ranks_and_the_more_often_it_failed(leader: usize, who: usize, rank: u32) {
    let mut group = Group::of(5);
    group.members[0].handle(group.now, Input::Transfer(uid(leader)));
    // One that fails waits for its own attempt no longer, as if that had been at time zero.
    group.passes(Duration::from_secs(1), all);
    assert!(group.members[leader].is_leader());
    let others: Vec<usize> = (0..5).filter(|other| ![leader, who].contains(other)).collect();
    group.accuse(who, &others);
    let (mut above, refuser) = (0, others[0]);
    for failures in 0..4 {
        let ballot = prepared(&group.is_told(who, Input::Stand)).expect("it stands");
        assert!(ballot.round > above && group.members[who].is_candidate());
        // That somebody refused another's ballot, or one of its own that is over, is no failure.
        let other = Ballot { node: NodeId(refuser as u64), ..ballot };
        let over = Ballot { round: ballot.round - 1, ..ballot };
        for stale in [other, over] {
            group.hears(who, refuser, &Control::PromiseNo { ballot: stale, promised: Some(other) });
            assert!(group.members[who].is_candidate());
        }
        let promised = Ballot { round: ballot.round + 5, ..other };
        group.hears(who, refuser, &Control::PromiseNo { ballot, promised: Some(promised) });
        assert!(!group.members[who].is_candidate());
        above = promised.round;
        let pause = rank * BACKOFF * (1 << failures);
        assert!(!asks_within(&mut group, who, &others, pause - Duration::from_millis(1)));
        assert!(!group.members[who].needs_proposer());
        let rest = pause / 2 + Duration::from_millis(1);
        assert!(!asks_within(&mut group, who, &others, rest), "it waits to be elected again");
        assert!(group.members[who].needs_proposer());
    }
}

#[test]
fn one_that_is_refused_for_a_higher_ballot_gives_way_for_a_while() {
    for (leader, who, rank) in [(0, 1, 4), (0, 4, 1), (4, 3, 1), (4, 1, 3), (3, 4, 1)] {
        gives_way_the_longer_the_lower_it_ranks_and_the_more_often_it_failed(leader, who, rank);
    }
}

#[test]
fn one_that_is_not_answered_in_time_gives_way() {
    let mut group = leaderless();
    prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    assert!(asks_within(&mut group, 1, &[2, 3, 4], Duration::from_millis(400)));
    assert!(group.members[1].is_candidate());
    asks_within(&mut group, 1, &[2, 3, 4], Duration::from_millis(20));
    assert!(!group.members[1].is_candidate());
    asks_within(&mut group, 1, &[2, 3, 4], 4 * BACKOFF - Duration::from_millis(20));
    assert!(!group.members[1].needs_proposer());
}

#[test]
fn only_those_who_have_not_promised_are_asked_again() {
    let mut group = leaderless();
    let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    group.hears(1, 2, &promise(ballot, None, group.have(1), &[]));
    let said = group.waits(1, Duration::from_millis(15));
    let asked =
        said.iter().filter(|(_, control)| *control == Control::Prepare { ballot, carried: false }).map(|(to, _)| *to);
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
fn who_says_nothing_is_waited_for_for_a_moment_and_who_refused_is_asked_again() {
    let collect = Duration::from_millis(60);
    for refuses in [false, true] {
        let mut group = leaderless();
        let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
        let other = Ballot { node: NodeId(3), ..ballot };
        let refused = if refuses { ballot } else { other };
        group.hears(1, 4, &Control::PromiseNo { ballot: refused, promised: None });
        let have = group.have(1);
        let said: Vec<Said> =
            [2, 3].iter().flat_map(|from| group.hears(1, *from, &promise(ballot, None, have, &[]))).collect();
        let carried = (4, Control::Prepare { ballot, carried: true });
        assert_eq!((said.contains(&carried), proposed(&said)), (refuses, None), "a quorum has promised");
        assert_eq!(proposed(&group.waits(1, collect - Duration::from_millis(1))), None);
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

/// What ends the view of 1 so many frames after what it holds, without this one. It is what 1 would find there itself,
/// if that is not beyond what it holds.
fn value(group: &mut Group, frames: u64, without: usize) -> Successor {
    let said = group.is_told(0, Input::Exclude(uid(without)));
    let (_, plan) = proposed(&said).expect("the leader plans");
    let Successor::Delta(delta) = plan else { panic!("a change: {plan:?}") };
    Successor::Delta(Delta { at: delta.at + frames, ..delta })
}

/// A promise: of whom, what it has accepted, and up to where it holds everything.
type Promised = (usize, Option<(Ballot, Successor)>, Fseq);

/// 1 stands, and gets these promises.
fn stands(group: &mut Group, promises: &[Promised]) -> (Ballot, Vec<Said>) {
    group.accuse(1, &[2, 3, 4]);
    let ballot = prepared(&group.is_told(1, Input::Stand)).expect("it stands");
    let mut said = vec![];
    for (from, accepted, have) in promises {
        said.extend(group.hears(1, *from, &promise(ballot, accepted.clone(), *have, &[])));
    }
    said.extend(group.waits(1, Duration::from_millis(300)));
    (ballot, said)
}

fn is_broken(group: &Group) -> bool {
    group.events[1].iter().any(|event| matches!(event, Event::Broken(_)))
}

#[test]
fn one_that_proposes_again_what_it_does_not_hold_itself_fetches_that_and_decides_nothing_before() {
    let mut group = Group::of(5);
    let (next, have) = (value(&mut group, 3, 4), group.have(1));
    let accepted = Some((Ballot { round: 0, node: NodeId(0) }, next.clone()));
    let (ballot, said) = stands(&mut group, &[(2, accepted, have + 3), (3, None, have)]);
    assert_eq!(proposed(&said), Some((ballot, next)));
    let asks = |(_, control): &Said| matches!(control, Control::Nack { ranges } if ranges == &[(have + 1, have + 3)]);
    assert!(said.iter().any(asks));
    // The others have accepted it, and that is not enough: it could not say what a joiner starts from.
    for from in [2, 3, 4] {
        assert_eq!(group.hears(1, from, &Control::Accepted { ballot }), []);
    }
    assert!(!is_broken(&group));
}

/// I1.
#[test]
fn what_may_have_been_decided_is_proposed_again() {
    let plan = Ballot { round: 0, node: NodeId(0) };
    let ballot = |round| Ballot { round, node: NodeId(4) };
    // What those say to have accepted, 0 and 1 standing for two values.
    let [planned, early, late] = [(plan, 0), (ballot(3), 0), (ballot(5), 1)].map(Some);
    let cases = [
        (vec![(2, planned), (4, None)], Some(0)),
        (vec![(2, early), (4, None)], Some(0)),
        (vec![(2, early), (0, early)], Some(0)),
        // The leader is bound to this ballot, too, and nobody else decides its plan.
        (vec![(2, planned), (0, planned)], None),
        // The later one of two, in whichever order they came.
        (vec![(2, late), (4, early)], Some(1)),
        // Of five only two may be bound to it.
        (vec![(2, early), (3, None), (4, None), (0, None)], None),
    ];
    for (promises, again) in cases {
        let values = [3, 2].map(|without| value(&mut Group::of(5), 0, without));
        let mut group = Group::of(5);
        let have = group.have(1);
        let promises: Vec<_> = promises
            .iter()
            .map(|(from, accepted)| (*from, accepted.map(|(ballot, which)| (ballot, values[which].clone())), have))
            .collect();
        let (_, said) = stands(&mut group, &promises);
        let (_, next) = proposed(&said).expect("a quorum has promised");
        assert_eq!(values.iter().position(|value| *value == next), again);
        assert!(!is_broken(&group));
    }
}
