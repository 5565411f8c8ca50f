//! The one quorum rule of gms, used for promises, accepts and uniform acks alike.

use crate::id::{Fseq, Uid};
use crate::view::{Role, View, ViewMember};

/// `Q(V)`: more than half of the voters of `view`, or exactly half with its leader among them. Any
/// two quorums of one view intersect (the leader breaks the only tie).
pub fn is_quorum(view: &View, mut present: impl FnMut(Uid) -> bool) -> bool {
    decides(view, |index| present(view.members[index].uid))
}

/// The highest frame that a quorum of `view` has stored, given what each member has, in the order
/// of the member list: `max f with {m : have[m] >= f} ∈ Q(V)` (protocol 4.3).
pub fn quorum_have(view: &View, have: impl Fn(usize) -> Fseq) -> Fseq {
    let mut best = 0;
    for (index, _) in voters(view) {
        let f = have(index);
        if f > best && decides(view, |other| have(other) >= f) {
            best = f;
        }
    }
    best
}

/// Whether those present, by their places in the member list, are a quorum.
fn decides(view: &View, mut present: impl FnMut(usize) -> bool) -> bool {
    let (mut all, mut votes, mut leader) = (0, 0, false);
    for (index, member) in voters(view) {
        all += 1;
        if present(index) {
            votes += 1;
            leader |= member.uid == view.leader;
        }
    }
    2 * votes > all || (2 * votes == all && leader)
}

fn voters(view: &View) -> impl Iterator<Item = (usize, &ViewMember)> {
    view.members.iter().enumerate().filter(|(_, member)| member.role == Role::Voter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::view_of;

    fn subset(view: &View, bits: u32) -> impl FnMut(Uid) -> bool + '_ {
        move |uid| view.index_of(uid).is_some_and(|i| bits & (1 << i) != 0)
    }

    #[test]
    fn any_two_quorums_intersect() {
        for voters in 1..=9 {
            let view = view_of(&(0..voters).collect::<Vec<u64>>());
            let quorums: Vec<u32> = (0..1 << voters).filter(|bits| is_quorum(&view, subset(&view, *bits))).collect();
            assert!(!quorums.is_empty());
            for a in &quorums {
                assert!(quorums.iter().all(|b| a & b != 0), "{voters} voters: {a:b} misses some quorum");
            }
        }
    }

    #[test]
    fn half_counts_only_with_the_leader_and_learners_never() {
        let mut view = view_of(&[1, 2]);
        let leader = view.leader;
        assert!(is_quorum(&view, |uid| uid == leader));
        assert!(!is_quorum(&view, |uid| uid != leader));
        view.members[1].role = Role::Learner;
        view.leader = view.members[0].uid;
        assert!(is_quorum(&view, |uid| uid == view.leader));
        assert!(!is_quorum(&view, |uid| uid != view.leader));
    }

    #[test]
    fn the_frame_a_quorum_has_is_the_highest_that_one_decides_on() {
        assert_eq!(quorum_have(&view_of(&[1, 2, 3]), |index| [9, 4, 7][index]), 7);
        for members in 1..=5 {
            let mut view = view_of(&(0..members).collect::<Vec<u64>>());
            for learner in 0..=members as usize {
                // The last turn is without one.
                view.members.iter_mut().for_each(|m| m.role = Role::Voter);
                if let Some(member) = view.members.get_mut(learner).filter(|m| m.uid != view.leader) {
                    member.role = Role::Learner;
                }
                for case in 0..4_u64.pow(members as u32) {
                    let have = |index: usize| case >> (2 * index) & 3;
                    let holds = |f| is_quorum(&view, |uid| have(view.index_of(uid).expect("a member")) >= f);
                    let highest = (1..4).rev().find(|f| holds(*f)).unwrap_or(0);
                    assert_eq!(quorum_have(&view, have), highest, "{case:o} of {view:?}");
                }
            }
        }
    }
}
