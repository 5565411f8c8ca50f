//! Standing for proposing what ends a view (protocol 5.2).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Ballot, Input, NodeId};

use crate::group::{Group, Said};

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
