//! What a member promises and accepts (protocol 5.1, 5.2).

use std::time::Duration;

use gms_core::wire::{Control, Successor};
use gms_core::{Ballot, Gid, Input, Level, Next, NodeId, Snapshot, View, Why};

use crate::group::{Group, Said, all, is_broken, said_by, uid};

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
    let accept = Control::Accept { ballot: ballot(5, 4), next: next.clone() };
    assert_eq!(group.hears(1, 4, &accept), [], "it has not promised, and hears its leader");
    group.is_told(1, Input::Closed(uid(0)));
    let accepted = group.hears(1, 4, &Control::Accept { ballot: ballot(5, 4), next: next.clone() });
    assert_eq!(accepted, [(4, Control::Accepted { ballot: ballot(5, 4) })]);
    let no = |refused| [(3, Control::PromiseNo { ballot: refused, promised: Some(ballot(5, 4)) })];
    assert_eq!(group.hears(1, 3, &Control::Prepare { ballot: ballot(4, 3), carried: false }), no(ballot(4, 3)));
    assert_eq!(group.hears(1, 3, &Control::Accept { ballot: ballot(4, 3), next }), no(ballot(4, 3)));
}

/// The plan leaves 2 out, and the leader and 4 are gone for good: they may have decided on it.
#[test]
fn a_quorum_that_is_bound_to_what_only_the_dead_could_decide_ends_nothing() {
    let (mut group, next) = planned();
    group.hears(1, 0, &Control::Accept { ballot: ballot(0, 0), next });
    let could = |group: &Group, who: usize, present: &[usize], bound: &[usize]| {
        let [present, bound] = [present, bound].map(|these| these.iter().map(|who| uid(*who)).collect::<Vec<_>>());
        group.members[who].could_end_view(&present, &bound)
    };
    assert!(!could(&group, 1, &[1, 2, 3], &[1]));
    assert!(could(&group, 1, &[1, 2, 3, 4], &[1]), "a quorum of the next view is there");
    assert!(!could(&group, 1, &[1, 2], &[1]), "no quorum");
    assert!(could(&group, 3, &[1, 2, 3], &[]), "it knows of no plan");
}

#[test]
fn who_asks_again_for_a_promise_gets_it_again() {
    let mut group = Group::of(5);
    group.is_told(1, Input::Closed(uid(0)));
    let prepare = Control::Prepare { ballot: ballot(1, 3), carried: false };
    let first = group.hears(1, 3, &prepare);
    assert!(matches!(first[..], [(3, Control::Promise { .. })]), "{first:?}");
    assert_eq!(group.hears(1, 3, &prepare), first);
}

#[test]
fn who_hears_its_leader_defends_it_until_a_quorum_does_without_it() {
    let mut group = Group::of(5);
    let asks = |carried| Control::Prepare { ballot: ballot(1, 3), carried };
    let no = Control::PromiseNo { ballot: ballot(1, 3), promised: None };
    assert_eq!(group.hears(1, 3, &asks(false)), [(3, no)]);
    let said = group.hears(1, 3, &asks(true));
    assert!(matches!(said[..], [(3, Control::Promise { .. })]), "{said:?}");
}

#[test]
fn who_is_bound_to_a_ballot_asks_for_nothing_more_of_its_view() {
    let asks = |said: &[Said]| said.iter().any(|(_, control)| matches!(control, Control::Nack { .. }));
    for promises in [false, true] {
        let mut group = Group::of(5);
        // Of two messages 1 gets the second only.
        for arrives in [false, true] {
            group.sends_one(0, Level::Agreed);
            // What it asks for does not arrive.
            let said = group.passes(Duration::from_millis(1), |from, to, _| from != 1 && (to != 1 || arrives));
            assert_eq!(asks(&said_by(1, said)), arrives);
        }
        if promises {
            group.is_told(1, Input::Closed(uid(0)));
            group.hears(1, 3, &Control::Prepare { ballot: ballot(1, 3), carried: false });
        }
        assert_eq!(asks(&group.waits(1, Duration::from_millis(100))), !promises);
    }
}

/// The view after that of `group`, which begins so many frames after what 1 has, without 2.
fn next_after(group: &Group, frames: u64, change: impl FnOnce(&mut View)) -> Successor {
    let mut view = View::clone(group.members[1].view().expect("a member"));
    view.members.retain(|member| member.uid != uid(2));
    (view.vid, view.at) = (view.vid + 1, group.have(1) + frames);
    change(&mut view);
    Successor::Whole(Next { view, cut_digest: 5, into: None, why: vec![Why::Closed] })
}

#[test]
fn what_belongs_to_another_lineage_or_view_is_not_accepted() {
    let mut group = Group::of(5);
    for change in [|view: &mut View| view.gid = Gid(77), |view: &mut View| view.vid += 1] {
        let next = next_after(&group, 3, change);
        group.hears(1, 0, &Control::Accept { ballot: ballot(0, 0), next });
        let said = group.waits(1, Duration::from_millis(50));
        assert!(said.iter().all(|(_, control)| !matches!(control, Control::Nack { .. })), "it waits for nothing of it");
    }
}

/// I6: who is to survive holds no more than the cut. Who is left out may.
#[test]
fn a_member_does_not_accept_that_its_order_ends_before_what_it_holds_if_it_is_to_survive() {
    for (who, survives) in [(1, true), (2, false)] {
        let mut group = Group::of(5);
        for _ in 0..3 {
            group.sends_one(0, Level::Agreed);
            group.passes(Duration::from_millis(10), all);
        }
        let next = next_after(&group, 0, |view| view.gseq += 3);
        let said = group.hears(who, 0, &Control::Accept { ballot: ballot(0, 0), next: next.clone() });
        assert_eq!(said.is_empty(), survives, "{said:?}");
        assert_eq!(group.members[who].stats().implausible_ends, u64::from(survives));
        assert!(!is_broken(&group, who), "the proposer may be wrong");
        // Decided all the same, says one, and then a quorum.
        let snapshot = Snapshot { next: vec![], digest: 1, sessions_digest: None, sessions: None };
        let install = Control::Install { next, snapshot };
        for (others, stops) in [(vec![0, 3], false), (vec![4], survives)] {
            others.into_iter().for_each(|from| _ = group.hears(who, from, &install));
            assert_eq!(is_broken(&group, who), stops);
        }
    }
}
