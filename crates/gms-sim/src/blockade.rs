//! What keeps a group from going on for good (reliability 2): too many of it are dead.

use gms_core::{Ballot, Blocked, Gid, Out, QuorumMode, Uid, View, is_quorum};

use crate::ballots::Ballots;
use crate::host::Host;
use crate::world::World;

/// Why those who live cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blockade {
    /// They are no quorum of their last view.
    MajorityDead,
    /// Some of their last view are dead, and nobody proves it where that is asked for.
    DeathUnproved,
    /// All voters of their last view are dead: they were only learning.
    NobodyVotes,
    /// They are bound to a next view of which they are no quorum, and the dead may have decided on it.
    Bound,
    /// They are one view, and fewer than the group wants when it orders anything.
    MinVoters,
    /// They are in no view, and none of them may create a group.
    NoGroup,
    /// They have heard of a lineage that nobody can know to be over.
    Heard,
}

impl Blockade {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MajorityDead,
        Self::DeathUnproved,
        Self::NobodyVotes,
        Self::Bound,
        Self::MinVoters,
        Self::NoGroup,
        Self::Heard,
    ];

    /// What the closing table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MajorityDead => "  majority dead",
            Self::DeathUnproved => "  death not proved",
            Self::NobodyVotes => "  no voter lives",
            Self::Bound => "  bound to a view",
            Self::MinVoters => "  fewer than wanted",
            Self::NoGroup => "  no group to join",
            Self::Heard => "  a silent one was heard",
        }
    }
}

impl World<'_> {
    /// What keeps `blocked` from going on; of several lineages, the one that came furthest tells.
    pub(crate) fn blockade_of(&self, blocked: &[usize]) -> Blockade {
        let heard = |index: &usize| {
            let blocked = self.hosts[*index].as_ref().and_then(|host| host.node.blocked());
            matches!(
                blocked,
                Some(
                    Blocked::Out(Out::Heard { .. } | Out::Exile { .. } | Out::GivenUp { .. })
                        | Blocked::Unsettled { .. }
                )
            )
        };
        if blocked.iter().any(heard) {
            return Blockade::Heard;
        }
        let views = blocked.iter().filter_map(|index| self.hosts[*index].as_ref()?.node.view());
        let last = views.max_by_key(|view| view.vid);
        last.and_then(|view| blockade(&self.hosts, &self.ballots, view.gid)).unwrap_or(Blockade::NoGroup)
    }
}

/// What keeps lineage `gid` from going on, if anything does.
pub(crate) fn blockade(hosts: &[Option<Host>], ballots: &Ballots, gid: Gid) -> Option<Blockade> {
    let living = || hosts.iter().flatten().filter(|host| host.app.end.is_none());
    let inside = || living().filter_map(|host| Some((host, host.node.view().filter(|view| view.gid == gid)?)));
    let Some((_, last)) = inside().max_by_key(|(_, view)| view.vid) else { return Some(Blockade::NoGroup) };
    let in_last = inside().filter(|(_, view)| view.vid == last.vid).map(|(host, _)| host.node.uid());
    let bound: Vec<(Uid, Ballot, &View)> =
        in_last.filter_map(|uid| ballots.of(uid, last).map(|(ballot, next)| (uid, ballot, next))).collect();
    // A proposer has to take the value of the highest ballot that it hears of.
    let next = bound.iter().max_by_key(|(_, ballot, _)| *ballot).map(|(.., next)| *next);
    judge(
        last,
        next,
        |uid| inside().any(|(host, _)| host.node.uid() == uid),
        |uid| inside().any(|(host, _)| host.node.is_proved_dead(uid)),
        |uid| bound.iter().any(|(who, _, value)| *who == uid && Some(*value) == next),
    )
}

/// The members of `last` that live, with those proved to be dead, have to be a quorum of it, and of the `next` view
/// that they have to propose if some of them are bound to it, unless it cannot have been decided.
fn judge(
    last: &View,
    next: Option<&View>,
    lives: impl Fn(Uid) -> bool,
    proved: impl Fn(Uid) -> bool,
    bound: impl Fn(Uid) -> bool,
) -> Option<Blockade> {
    if !last.voters().any(|member| lives(member.uid)) {
        return Some(Blockade::NobodyVotes);
    }
    let suffice =
        |view: &View| quorum(view, |uid| lives(uid) || view.params.quorum == QuorumMode::FailStop && proved(uid));
    if !suffice(last) {
        return Some(match last.params.quorum {
            QuorumMode::Majority => Blockade::MajorityDead,
            QuorumMode::FailStop => Blockade::DeathUnproved,
        });
    }
    // The dead may have accepted anything.
    let may_have_accepted = |uid: Uid| bound(uid) || !lives(uid);
    next.is_some_and(|n| !suffice(n) && quorum(last, may_have_accepted) && quorum(n, may_have_accepted))
        .then_some(Blockade::Bound)
}

/// Whether those `present` suffice.
fn quorum(view: &View, present: impl Fn(Uid) -> bool) -> bool {
    match view.params.quorum {
        QuorumMode::Majority => is_quorum(view, present),
        QuorumMode::FailStop => view.voters().all(|member| present(member.uid)),
    }
}

#[cfg(test)]
mod tests {
    use gms_core::{Params, Role, ViewMember};

    use super::*;

    fn uid(node: u64) -> Uid {
        Uid::new(node, 1)
    }

    /// View `vid` of these, led by the first.
    fn view(vid: u64, nodes: &[u64], params: &Params) -> View {
        let member = |node: &u64| ViewMember {
            uid: uid(*node),
            address: crate::host::address(*node as usize),
            role: Role::Voter,
            budget: 1,
            weight: 0,
            process: None,
        };
        let (members, params) = (nodes.iter().map(member).collect(), params.clone());
        View { gid: Gid(1), vid, at: vid, gseq: vid, leader: uid(nodes[0]), members, params }
    }

    #[test]
    fn only_what_the_dead_may_have_decided_binds_for_good() {
        let params = Params::default();
        // Who was there, who lives, who of them is bound to a view of 1, 2 and 3; what that comes to.
        for (all, living, bound, blockade) in [
            (&[1, 2, 3, 4, 5][..], &[3, 4, 5][..], &[3][..], Some(Blockade::Bound)),
            // The others are no quorum: whatever the dead have accepted, nobody decided.
            (&[1, 2, 3, 4, 5, 6, 7], &[3, 4, 5, 6, 7], &[3], None),
            (&[1, 2, 3, 4, 5, 6, 7], &[3, 4, 5, 6, 7], &[3, 4], Some(Blockade::Bound)),
            (&[1, 2, 3, 4, 5], &[2, 3, 4], &[3], None),
            (&[1, 2, 3, 4, 5], &[3, 4, 5], &[], None),
            (&[1, 2, 3, 4, 5], &[4, 5], &[], Some(Blockade::MajorityDead)),
        ] {
            let (last, next) = (view(1, all, &params), view(2, &[1, 2, 3], &params));
            let of = |nodes: &'static [u64]| move |uid: Uid| nodes.contains(&uid.node.0);
            let next = (!bound.is_empty()).then_some(&next);
            assert_eq!(judge(&last, next, of(living), |_| false, of(bound)), blockade, "{all:?} {living:?} {bound:?}");
        }
    }

    #[test]
    fn a_group_may_want_proofs() {
        let proofs = Params { quorum: QuorumMode::FailStop, ..Params::default() };
        let lives = |uid: Uid| uid.node.0 > 1;
        let of_three =
            |params: &Params, proved| judge(&view(1, &[1, 2, 3], params), None, lives, |_| proved, |_| false);
        assert_eq!(of_three(&proofs, false), Some(Blockade::DeathUnproved));
        assert_eq!(of_three(&proofs, true), None);
        let mut learners = view(1, &[1, 2, 3], &proofs);
        learners.members[1..].iter_mut().for_each(|member| member.role = Role::Learner);
        assert_eq!(judge(&learners, None, lives, |_| true, |_| false), Some(Blockade::NobodyVotes));
    }
}
