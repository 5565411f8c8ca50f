//! What ends a view, as its members are told: what changes against that view, so that a change costs each of them the
//! same, however many they are. Who does not know that view is told all.

use serde::{Deserialize, Serialize};

use crate::id::{Fseq, Gid, Gseq, Uid};
use crate::random::mix;
use crate::view::{Next, Role, View, ViewMember};
use crate::why::Why;
use crate::wire::Limits;

/// The value of the consensus instance that ends a view, on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Successor {
    /// All of it.
    Whole(Next),
    /// What changes against the view that ends, which is that of the envelope.
    Delta(Delta),
}

/// What changes between a view and the next one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Delta {
    /// Frame of the next view.
    pub at: Fseq,
    /// Its entry.
    pub gseq: Gseq,
    /// Who leads then.
    pub leader: Uid,
    /// Digest of all frame headers up to the cut.
    pub cut_digest: u64,
    /// The lineage in whose favour this one ends.
    pub into: Option<Gid>,
    /// Who is left out, by place in the member list of the view that ends.
    pub left: Vec<u16>,
    /// Why each of them is; empty where the lineage ends.
    pub why: Vec<Why>,
    /// Learners who vote from now on, by place in the same list.
    pub promoted: Vec<u16>,
    /// Who comes in, behind the others.
    pub joined: Vec<ViewMember>,
    /// Digest of all members of the next view and their roles: nobody takes this for a change of another view.
    pub members: u64,
}

impl Successor {
    /// `next` for the members of the view `ends`, which it follows.
    pub fn of(next: &Next, ends: &View) -> Self {
        let delta = Delta::between(ends, next);
        // Whatever else may follow a view one day, a new order of its members, say, is told whole.
        if delta.over(ends).as_ref() == Some(next) { Self::Delta(delta) } else { Self::Whole(next.clone()) }
    }

    /// The value for one to whom the view that it ends is `ends`. `None` if that is needed and unknown, or is not what
    /// this belongs to.
    pub fn resolve(self, ends: Option<&View>) -> Option<Next> {
        match self {
            Self::Whole(next) => Some(next),
            Self::Delta(delta) => delta.over(ends?),
        }
    }

    /// Whether such a value may come from a member.
    pub(super) fn within(&self, limits: &Limits) -> bool {
        let number = |number: u64| (1..u64::MAX / 2).contains(&number);
        match self {
            Self::Whole(Next { view, into, why, .. }) => {
                view.members.len() <= limits.members
                    && why.len() <= limits.members
                    && next_has_a_leader(view, *into)
                    && [view.vid, view.at, view.gseq].into_iter().all(number)
                    && view.params.check().is_ok()
            }
            Self::Delta(Delta { at, gseq, left, why, promoted, joined, .. }) => {
                number(*at)
                    && number(*gseq)
                    && left.len() <= limits.members
                    && why.len() <= limits.members
                    && promoted.len() <= limits.members
                    && joined.len() <= limits.members
            }
        }
    }
}

impl Delta {
    fn between(ends: &View, next: &Next) -> Self {
        let view = &next.view;
        let places = |changes: &dyn Fn(&ViewMember) -> bool| {
            let members = ends.members.iter().enumerate();
            members.filter(|(_, member)| changes(member)).map(|(index, _)| index as u16).collect()
        };
        let votes = |uid: Uid| view.member(uid).is_some_and(|member| member.role == Role::Voter);
        Self {
            at: view.at,
            gseq: view.gseq,
            leader: view.leader,
            cut_digest: next.cut_digest,
            into: next.into,
            left: places(&|member| !view.contains(member.uid)),
            why: next.why.clone(),
            promoted: places(&|member| member.role == Role::Learner && votes(member.uid)),
            joined: view.members.iter().filter(|member| !ends.contains(member.uid)).cloned().collect(),
            members: digest(&view.members),
        }
    }

    fn over(&self, ends: &View) -> Option<Next> {
        let mut members = ends.members.clone();
        for place in &self.promoted {
            members.get_mut(usize::from(*place))?.role = Role::Voter;
        }
        let mut place = 0;
        members.retain(|_| {
            place += 1;
            !self.left.contains(&(place - 1))
        });
        members.extend(self.joined.iter().cloned());
        let (gid, vid, params) = (ends.gid, ends.vid + 1, ends.params.clone());
        let view = View { gid, vid, at: self.at, gseq: self.gseq, leader: self.leader, members, params };
        let next = Next { view, cut_digest: self.cut_digest, into: self.into, why: self.why.clone() };
        (next_has_a_leader(&next.view, self.into) && digest(&next.view.members) == self.members).then_some(next)
    }
}

/// One of its members leads the next view; a lineage that ends has no members any more.
fn next_has_a_leader(view: &View, into: Option<Gid>) -> bool {
    if into.is_some() { view.members.is_empty() } else { view.contains(view.leader) }
}

fn digest(members: &[ViewMember]) -> u64 {
    let words = |m: &ViewMember| [m.uid.node.0, m.uid.incarnation, u64::from(m.role == Role::Voter)];
    members.iter().flat_map(words).fold(0, |digest, word| mix(digest ^ word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::view_of;

    fn next_of(ends: &View, change: impl FnOnce(&mut Vec<ViewMember>)) -> Next {
        let mut view = View { vid: ends.vid + 1, at: 70, gseq: 90, ..ends.clone() };
        change(&mut view.members);
        view.leader = view.members[0].uid;
        let gone = ends.members.iter().filter(|m| !view.contains(m.uid)).count();
        Next { view, cut_digest: 5, into: None, why: vec![Why::Closed; gone] }
    }

    #[test]
    fn members_are_told_what_changes() {
        let mut ends = view_of(&(0..64).collect::<Vec<u64>>());
        ends.members[7].role = Role::Learner;
        let joiner = ViewMember { role: Role::Learner, ..view_of(&[77]).members.remove(0) };
        let next = next_of(&ends, |members| {
            members[7].role = Role::Voter;
            members.remove(3);
            members.remove(0);
            members.push(joiner);
        });
        let told = Successor::of(&next, &ends);
        assert!(
            matches!(&told, Successor::Delta(d) if (&d.left[..], &d.promoted[..], d.joined.len()) == (&[0, 3], &[7], 1))
        );
        let bytes = postcard::to_stdvec(&told).expect("plain data");
        assert!(bytes.len() < 150, "{}", bytes.len());
        assert_eq!(told.clone().resolve(Some(&ends)), Some(next));
        assert_eq!(told.resolve(None), None);
    }

    #[test]
    fn what_is_not_only_a_change_is_told_whole() {
        let ends = view_of(&[1, 2, 3]);
        let orders: [fn(&mut Vec<ViewMember>); 3] = [
            |members| members.swap(0, 2),
            |members| members[1].weight = 4,
            |members| members.insert(0, view_of(&[9]).members.remove(0)),
        ];
        for order in orders {
            let next = next_of(&ends, order);
            let told = Successor::of(&next, &ends);
            assert_eq!(told, Successor::Whole(next.clone()));
            assert_eq!(told.resolve(None), Some(next));
        }
    }

    #[test]
    fn what_does_not_belong_to_the_view_leads_nowhere() {
        let ends = view_of(&[1, 2, 3]);
        let Successor::Delta(delta) = Successor::of(&next_of(&ends, |_| ()), &ends) else { panic!("a change") };
        let resolved = |change: fn(&mut Delta)| {
            let mut delta = delta.clone();
            change(&mut delta);
            Successor::Delta(delta).resolve(Some(&ends)).is_some()
        };
        assert!(resolved(|_| ()) && resolved(|d| d.left = vec![500]));
        assert!(!resolved(|d| d.left = vec![1]), "of another view");
        assert!(!resolved(|d| d.promoted = vec![3]) && !resolved(|d| d.left = vec![0]), "nobody there, or no leader");
    }

    #[test]
    fn values_over_the_limits_are_rejected() {
        let (ends, limits) = (view_of(&[1, 2, 3]), Limits { members: 3, ..Limits::default() });
        let Successor::Delta(delta) = Successor::of(&next_of(&ends, |_| ()), &ends) else { panic!("a change") };
        let ok = |change: fn(&mut Delta)| {
            let mut delta = delta.clone();
            change(&mut delta);
            Successor::Delta(delta).within(&limits)
        };
        assert!(ok(|_| ()) && ok(|d| d.left = vec![0; 3]) && ok(|d| d.promoted = vec![0; 3]));
        assert!(ok(|d| d.joined = view_of(&[4, 5, 6]).members) && !ok(|d| d.joined = view_of(&[4, 5, 6, 7]).members));
        assert!(
            !ok(|d| d.left = vec![0; 4]) && !ok(|d| d.why = vec![Why::Dead; 4]) && !ok(|d| d.promoted = vec![0; 4])
        );
        assert!(!ok(|d| d.at = 0) && !ok(|d| d.gseq = 0));
        let whole = |change: fn(&mut View)| {
            let mut next = next_of(&ends, |_| ());
            change(&mut next.view);
            Successor::Whole(next).within(&limits)
        };
        assert!(whole(|_| ()) && !whole(|view| view.members.extend(view_of(&[4]).members)));
        assert!(!whole(|view| view.vid = 0) && !whole(|view| view.at = 0) && !whole(|view| view.gseq = 0));
        assert!(!whole(|view| view.leader = Uid::new(9, 9)) && !whole(|view| view.params.min_voters = 0));
    }
}
