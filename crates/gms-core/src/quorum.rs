//! The one quorum rule of gms, used for promises, accepts and uniform acks alike.

use crate::id::{Fseq, Uid};
use crate::view::{Role, View};

/// `Q(V)`: more than half of the voters of `view`, or exactly half with its leader among them. Any
/// two quorums of one view intersect (the leader breaks the only tie).
pub fn is_quorum(view: &View, mut present: impl FnMut(Uid) -> bool) -> bool {
    let (mut voters, mut votes, mut leader) = (0, 0, false);
    for member in view.voters() {
        voters += 1;
        if present(member.uid) {
            votes += 1;
            leader |= member.uid == view.leader;
        }
    }
    2 * votes > voters || (2 * votes == voters && leader)
}

/// The highest frame that a quorum of `view` has stored, given what each member has, in the order
/// of the member list: `max f with {m : have[m] >= f} ∈ Q(V)` (protocol 4.3).
pub fn quorum_have(view: &View, have: impl Fn(usize) -> Fseq) -> Fseq {
    let voters = || view.members.iter().enumerate().filter(|(_, m)| m.role == Role::Voter);
    let holds = |f: Fseq| {
        let (mut total, mut votes, mut leader) = (0, 0, false);
        for (index, member) in voters() {
            total += 1;
            if have(index) >= f {
                votes += 1;
                leader |= member.uid == view.leader;
            }
        }
        2 * votes > total || (2 * votes == total && leader)
    };
    let mut best = 0;
    for (index, _) in voters() {
        let f = have(index);
        if f > best && holds(f) {
            best = f;
        }
    }
    best
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
    fn quorum_have_is_the_median_of_three() {
        let view = view_of(&[1, 2, 3]);
        let have = [9, 4, 7];
        assert_eq!(quorum_have(&view, |i| have[i]), 7);
        let have = [9, 4, 4];
        assert_eq!(quorum_have(&view, |i| have[i]), 4);
    }
}
