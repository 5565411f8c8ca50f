//! What a member promises and accepts (protocol 5.1, 5.2).

use gms_core::wire::{Control, Successor};
use gms_core::{Ballot, Input, NodeId};

use crate::group::{Group, uid};

fn ballot(round: u32, node: u64) -> Ballot {
    Ballot { round, node: NodeId(node) }
}

/// A group of five, and the plan of its leader, 0, which nobody has heard of.
fn planned() -> (Group, Successor) {
    let mut group = Group::of(5);
    let said = group.is_told(0, Input::Exclude(uid(2)));
    let plan = said.into_iter().find_map(|(_, control)| match control {
        Control::Accept { next, .. } => Some(next),
        _ => None,
    });
    (group, plan.expect("it plans"))
}

#[test]
fn a_plan_is_accepted_of_the_leader_only_and_a_ballot_of_its_owner_only() {
    let (mut group, next) = planned();
    let accept = |ballot| Control::Accept { ballot, next: next.clone() };
    assert_eq!(group.hears(1, 3, &accept(ballot(0, 0))), [], "in the leader's name");
    assert_eq!(group.hears(1, 3, &accept(ballot(0, 3))), [], "in its own, without asking first");
    assert_eq!(group.hears(1, 3, &accept(ballot(7, 4))), [], "in another's");
    assert_eq!(group.hears(1, 0, &accept(ballot(0, 0))), [(0, Control::Accepted { ballot: ballot(0, 0) })]);
}

#[test]
fn who_accepts_something_of_a_ballot_is_bound_to_it() {
    let (mut group, next) = planned();
    let accepted = group.hears(1, 4, &Control::Accept { ballot: ballot(5, 4), next: next.clone() });
    assert_eq!(accepted, [(4, Control::Accepted { ballot: ballot(5, 4) })]);
    let no = |refused| [(3, Control::PromiseNo { ballot: refused, promised: Some(ballot(5, 4)) })];
    assert_eq!(group.hears(1, 3, &Control::Prepare { ballot: ballot(4, 3) }), no(ballot(4, 3)));
    assert_eq!(group.hears(1, 3, &Control::Accept { ballot: ballot(4, 3), next }), no(ballot(4, 3)));
}
