//! Who is in the group, in which role, and who leads: a view is itself an entry of the order.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Fseq, Gid, Gseq, Position, ProcessIdentity, Uid, Vid};
use crate::params::{Params, Ranking};
use crate::session::{SessionRecord, Sessions};
use crate::why::Why;

/// What a member may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Counts in quorums.
    Voter,
    /// Receives and sends like a voter but counts in no quorum yet: a joiner until it has caught up (I8).
    Learner,
}

/// One member as the view records it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ViewMember {
    /// Who.
    pub uid: Uid,
    /// Where its unicast socket is reached.
    pub address: SocketAddr,
    /// Voter or learner.
    pub role: Role,
    /// Bytes of receive buffer its system granted; bounds what may be in flight towards it (4.6).
    pub budget: u32,
    /// Its weight where the group ranks by weight ([`Ranking::Priority`]); 0 otherwise.
    pub weight: u32,
    /// Which process it is, where its system can tell.
    pub process: Option<ProcessIdentity>,
}

/// A view: installed by all its members at one place of the order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct View {
    /// Lineage of the group.
    pub gid: Gid,
    /// Number of this view.
    pub vid: Vid,
    /// Its frame: the cut of the view before, plus one.
    pub at: Fseq,
    /// Its entry.
    pub gseq: Gseq,
    /// The sequencer.
    pub leader: Uid,
    /// Everybody, most senior first.
    pub members: Vec<ViewMember>,
    /// What the whole group has agreed on since it was created.
    pub params: Params,
}

impl View {
    /// Place of `uid` in the member list.
    pub fn index_of(&self, uid: Uid) -> Option<usize> {
        self.members.iter().position(|m| m.uid == uid)
    }

    /// Whether `uid` is a member.
    pub fn contains(&self, uid: Uid) -> bool {
        self.index_of(uid).is_some()
    }

    /// The member called `uid`.
    pub fn member(&self, uid: Uid) -> Option<&ViewMember> {
        self.members.iter().find(|m| m.uid == uid)
    }

    /// Those who count in quorums.
    pub fn voters(&self) -> impl Iterator<Item = &ViewMember> {
        self.members.iter().filter(|m| m.role == Role::Voter)
    }

    /// Those who have not caught up yet.
    pub fn learners(&self) -> impl Iterator<Item = &ViewMember> {
        self.members.iter().filter(|m| m.role == Role::Learner)
    }

    /// Why `next` cannot be what follows this view, if it cannot: numbers run on, params stay, and nobody votes in it
    /// who was no member of this one (I8, I9).
    pub(crate) fn objection(&self, next: &View) -> Option<&'static str> {
        let twice = |(index, m): (usize, &ViewMember)| next.members[..index].iter().any(|other| other.uid == m.uid);
        if next.gid != self.gid || next.vid != self.vid + 1 || next.at <= self.at || next.gseq <= self.gseq {
            Some("its numbers do not run on")
        } else if next.params != self.params {
            Some("it changes what the group was created with")
        } else if next.voters().any(|m| !self.contains(m.uid)) {
            Some("a newcomer votes in it (I8)")
        } else if self.voters().any(|m| next.learners().any(|l| l.uid == m.uid)) {
            Some("a voter lost its vote in it (I9)")
        } else if next.members.iter().enumerate().any(twice) {
            Some("somebody is in it twice")
        } else {
            None
        }
    }

    /// Those who count in quorums, from the highest rank to the lowest (protocol 5.6): a function of the view alone.
    pub fn ranked(&self) -> Vec<&ViewMember> {
        rank(self.params.ranking, self.voters())
    }

    /// Everybody but the leader who counts in quorums, in the order of the member list.
    pub fn followers(&self) -> impl Iterator<Item = &ViewMember> {
        self.voters().filter(|m| m.uid != self.leader)
    }
}

/// Members from the highest rank to the lowest; they come the most senior first.
pub(crate) fn rank<'a>(by: Ranking, members: impl Iterator<Item = &'a ViewMember>) -> Vec<&'a ViewMember> {
    let mut ranked: Vec<&ViewMember> = members.collect();
    match by {
        Ranking::Bully => ranked.sort_by_key(|m| std::cmp::Reverse(m.uid)),
        Ranking::Seniority => {}
        Ranking::Priority => ranked.sort_by_key(|m| std::cmp::Reverse((m.weight, m.uid))),
    }
    ranked
}

/// `4: leader 2, followers [0, 1], learners [3]`
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<'a>(members: impl Iterator<Item = &'a ViewMember>) -> String {
            let nodes: Vec<String> = members.map(|m| m.uid.node.to_string()).collect();
            format!("[{}]", nodes.join(", "))
        }
        write!(f, "{}: leader {}, followers {}", self.vid, self.leader.node, list(self.followers()))?;
        if self.learners().next().is_some() {
            write!(f, ", learners {}", list(self.learners()))?;
        }
        Ok(())
    }
}

/// The value of the consensus instance that ends a view: the view that follows, and a digest of the
/// order up to the cut, so that a member whose history differed could never accept it unnoticed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Next {
    /// The view to install; its frame is `cut + 1`.
    pub view: View,
    /// Digest of all frame headers up to the cut.
    pub cut_digest: u64,
    /// The lineage ends in favour of this one: then the view has no members, and nobody has been excluded.
    pub into: Option<Gid>,
    /// Why those go who are in the view that ends and not in this one, in the order of its member list. Empty where the
    /// lineage ends.
    pub why: Vec<Why>,
}

impl Next {
    /// Last frame of the view that ends.
    pub fn cut(&self) -> Fseq {
        self.view.at - 1
    }

    /// Whether it says, of each member of the view `ends` that goes, why.
    pub(crate) fn says_why(&self, ends: &View) -> bool {
        let goes = |m: &&ViewMember| self.into.is_none() && !self.view.contains(m.uid);
        self.why.len() == ends.members.iter().filter(goes).count()
    }
}

/// What a joiner needs beside the view to handle the order from the view's frame on (protocol 6).
/// Taken at a view frame, where no message is unfinished.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// `next[Uid]` of each member of the view, in the order of its member list. Only joiners are told.
    pub next: Vec<Position>,
    /// Digest of the order up to and including the view's frame.
    pub digest: u64,
    /// Digest of the table of client sessions; `None` from one who is left out and has gone beyond the cut.
    pub sessions_digest: Option<u64>,
    /// The table, in the order in which the sessions were last used. Only joiners are told.
    pub sessions: Option<Vec<SessionRecord>>,
}

impl Snapshot {
    /// The same for those who have been members before: they know everything, and only compare.
    pub(crate) fn for_members(&self) -> Self {
        Self { next: Vec::new(), sessions: None, ..*self }
    }

    /// Whether it says the same of the state as `mine`, as far as it says anything.
    pub(crate) fn agrees_with(&self, mine: &Self) -> bool {
        (self.next.is_empty() || self.next == mine.next)
            && self.digest == mine.digest
            && (self.sessions_digest.is_none() || self.sessions_digest == mine.sessions_digest)
    }

    /// The table of sessions, if it is here and is the one of the digest.
    pub(crate) fn load_sessions(&self, limit: u32) -> Option<Sessions> {
        let sessions = Sessions::load(limit, self.sessions.as_ref()?)?;
        (sessions.digest() == self.sessions_digest).then_some(sessions)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A view of voters with these node ids; the highest leads.
    pub(crate) fn view_of(nodes: &[u64]) -> View {
        let members: Vec<ViewMember> = nodes
            .iter()
            .map(|n| ViewMember {
                uid: Uid::new(*n, *n + 100),
                address: SocketAddr::from(([10, 0, 0, *n as u8], 7000)),
                role: Role::Voter,
                budget: 4 << 20,
                weight: 0,
                process: None,
            })
            .collect();
        let leader = members.iter().map(|m| m.uid).max().expect("a member");
        View { gid: Gid(7), vid: 1, at: 1, gseq: 1, leader, members, params: Params::default() }
    }

    #[test]
    fn what_cannot_follow_a_view_is_told() {
        let view = view_of(&[1, 2, 3]);
        let next = View { vid: 2, at: 5, gseq: 9, ..view_of(&[2, 3]) };
        assert_eq!(view.objection(&next), None);
        let objects = |change: fn(&mut View)| {
            let mut next = next.clone();
            change(&mut next);
            view.objection(&next).is_some()
        };
        assert!(
            objects(|v| v.vid = 3) && objects(|v| v.at = 1) && objects(|v| v.gseq = 1) && objects(|v| v.gid = Gid(8))
        );
        assert!(objects(|v| v.params.window += 1));
        assert!(objects(|v| v.members[0].role = Role::Learner));
        assert!(objects(|v| v.members[0].uid = Uid::new(9, 9)));
        assert!(!objects(|v| (v.members[0].uid, v.members[0].role) = (Uid::new(9, 9), Role::Learner)));
        assert!(objects(|v| v.members.push(v.members[0].clone())));
    }

    #[test]
    fn a_view_reads_well() {
        let mut view = view_of(&[0, 1, 2]);
        assert_eq!(view.to_string(), "1: leader 2, followers [0, 1]");
        view.members[0].role = Role::Learner;
        assert_eq!(view.to_string(), "1: leader 2, followers [1], learners [0]");
    }
}
