//! Control messages: everything that is rare. Postcard inside the envelope, leftovers rejected.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Ballot, Fseq, ProcessIdentity, Uid, Vid};
use crate::params::Params;
use crate::plausible::LAST_ROUND;
use crate::view::{Next, Snapshot};
use crate::wire::{Limits, Successor};

/// One control message. The envelope adds lineage, view and sender.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Control {
    /// A process asks to become a member.
    JoinRequest(JoinRequest),
    /// Answer to a request: prove that you receive at the address you gave. The answer to a proof is a challenge again,
    /// as long as the group's datagrams are, with a cookie of its own: one who proves that, too, can take part.
    JoinChallenge {
        /// The incarnation of who asked, which drew it by chance: who does not hear the question cannot answer it.
        to: u64,
        /// Keyed digest of the request and the present view; nothing is kept for it.
        cookie: u64,
        /// Bytes of the group's datagrams.
        datagram: u16,
        /// Empty in the first one.
        padding: Vec<u8>,
    },
    /// The request again, with the cookie.
    JoinProof {
        /// As received.
        cookie: u64,
        /// As sent.
        request: JoinRequest,
        /// Makes it as long as the group's datagrams are.
        padding: Vec<u8>,
    },
    /// Ask the leader instead.
    JoinRedirect {
        /// As of a challenge.
        to: u64,
        /// Where it is.
        leader: SocketAddr,
    },
    /// The request is refused for good.
    JoinReject {
        /// As of a challenge.
        to: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A member wants to leave; everything it sent has been ordered.
    LeaveRequest {
        /// Which of its wishes to leave: a repeat of one that was refused must not be taken for a new one.
        attempt: u32,
    },
    /// A leave that would bring the voters below `min_voters`.
    LeaveRefused {
        /// The wish that is refused, for good.
        attempt: u32,
        /// The least number of voters the group keeps.
        min_voters: u16,
    },
    /// These frames, stamped in the view of the envelope, are missing (inclusive ranges).
    Nack {
        /// First and last of each run.
        ranges: Vec<(Fseq, Fseq)>,
    },
    /// Frames up to here are freed: all members of the view had stored them.
    Gone {
        /// Who asked: another process may be at its address by now.
        who: Uid,
        /// Last freed frame.
        upto: Fseq,
    },
    /// The proposer's value for what ends the view of the envelope.
    Accept {
        /// Under which ballot.
        ballot: Ballot,
        /// The value.
        next: Successor,
    },
    /// Stored up to the cut, and bound to the value of this ballot.
    Accepted {
        /// Whose value.
        ballot: Ballot,
    },
    /// The sender takes this member, the leader, to be dead; repeated while it does (the pre-vote of 5.2).
    Suspect {
        /// Who.
        who: Uid,
        /// Those it knows to be dead for certain (FailStop).
        dead: Vec<Uid>,
    },
    /// The sender stands for proposing what ends the view of the envelope.
    Prepare {
        /// Its ballot.
        ballot: Ballot,
        /// A quorum has promised, so the view is going to end, also for members that still hear the leader.
        carried: bool,
    },
    /// Bound to this ballot: the sender stores, acknowledges and delivers nothing new in this view.
    Promise {
        /// Which.
        ballot: Ballot,
        /// What it had accepted before, and under which ballot.
        accepted: Option<(Ballot, Successor)>,
        /// Everything up to here is stored.
        have: Fseq,
        /// Runs stored beyond (inclusive).
        ranges: Vec<(Fseq, Fseq)>,
        /// Those it knows to be dead for certain (FailStop).
        dead: Vec<Uid>,
    },
    /// No to a ballot.
    PromiseNo {
        /// The one refused.
        ballot: Ballot,
        /// The higher one the sender is bound to; `None` when it hears the leader.
        promised: Option<Ballot>,
    },
    /// Decided: deliver up to the cut, then this view.
    Install {
        /// The value.
        next: Successor,
        /// What a joiner starts from; to all others, who are told less, a check of their own state.
        snapshot: Snapshot,
    },
    /// Installed, or, from one who leaves, delivered up to the cut.
    InstallAck {
        /// Which view.
        vid: Vid,
    },
    /// The next view stands without you: stop answering for the old one.
    Release {
        /// The view that stands.
        vid: Vid,
    },
    /// As long as the group's datagrams are: do such get through to you, and back?
    SizeCheck {
        /// It is the answer, as long as the question.
        answer: bool,
        /// Makes it so long.
        padding: Vec<u8>,
    },
    /// I am in an older view than you.
    ViewRequest,
    /// Not in the group any more.
    Excluded {
        /// Who: what its sender said in a former life may come late, and the answer reach the present one.
        who: Uid,
    },
}

/// What a joiner says of itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Group it wants.
    pub name: String,
    /// Who.
    pub uid: Uid,
    /// Where it is reached.
    pub address: SocketAddr,
    /// Bytes of receive buffer its system granted.
    pub budget: u32,
    /// Its weight where the group ranks by weight.
    pub weight: u32,
    /// Which process it is, where its system can tell.
    pub process: Option<ProcessIdentity>,
    /// Bytes of the largest datagram that passes its interface.
    pub largest: u16,
    /// Settings it expects the group to have.
    pub params: Params,
    /// Sent to everybody (then only the leader answers) rather than to one member.
    pub broadcast: bool,
}

/// Why a join is refused for good.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another process with this id is alive.
    #[error("id {node} is taken by the live server at {address}: choose another id, or stop that one")]
    NodeTaken {
        /// The id.
        node: u64,
        /// Where the one that has it is reached.
        address: SocketAddr,
    },
    /// Settings differ.
    #[error("settings differ: {0}: start with the group's setting")]
    Params(String),
    /// The group's datagrams do not pass its interface.
    #[error(
        "the group's datagrams have {group} bytes, and the interface of this server carries {here} at most (MTU {mtu}): raise its MTU, or create the group with --datagram {here}", mtu = here + 28
    )]
    Datagram {
        /// Those of the group.
        group: u16,
        /// What passes here.
        here: u16,
    },
    /// The member asked belongs to another group.
    #[error("the member asked belongs to group '{0}': check the group name or the address")]
    Group(String),
    /// The view is full.
    #[error("the group is full: {0} members")]
    Full(usize),
}

/// A control message that cannot be read. Counted and dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ControlError {
    /// Not a message of this version, or bytes left over.
    #[error("not a control message of this version")]
    Malformed,
    /// A count over [`Limits`].
    #[error("a control message over the limits")]
    Limits,
}

impl Control {
    /// Reads exactly one message.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, ControlError> {
        let (control, rest) = postcard::take_from_bytes::<Self>(body).map_err(|_| ControlError::Malformed)?;
        if !rest.is_empty() {
            return Err(ControlError::Malformed);
        }
        if control.within(limits) { Ok(control) } else { Err(ControlError::Limits) }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let bytes = postcard::to_stdvec(self).expect("control messages are plain data");
        out.extend_from_slice(&bytes);
    }

    /// Bytes that it takes.
    pub(crate) fn len(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }

    /// "sent INSTALL", for a list of steps.
    pub(crate) fn sent(&self) -> &'static str {
        self.words().0
    }

    /// "received INSTALL", for a list of steps.
    pub(crate) fn received(&self) -> &'static str {
        self.words().1
    }

    fn words(&self) -> (&'static str, &'static str) {
        macro_rules! words {
            ($name:literal) => {
                (concat!("sent ", $name), concat!("received ", $name))
            };
        }
        match self {
            Self::JoinRequest(_) => words!("JOIN_REQ"),
            Self::JoinChallenge { .. } => words!("JOIN_CHALLENGE"),
            Self::JoinProof { .. } => words!("JOIN_PROOF"),
            Self::JoinRedirect { .. } => words!("JOIN_REDIRECT"),
            Self::JoinReject { .. } => words!("JOIN_REJECT"),
            Self::LeaveRequest { .. } => words!("LEAVE_REQ"),
            Self::LeaveRefused { .. } => words!("LEAVE_REFUSED"),
            Self::Nack { .. } => words!("NACK"),
            Self::Gone { .. } => words!("GONE"),
            Self::Suspect { .. } => words!("SUSPECT"),
            Self::Prepare { .. } => words!("PREPARE"),
            Self::Promise { .. } => words!("PROMISE"),
            Self::PromiseNo { .. } => words!("PROMISE_NO"),
            Self::Accept { .. } => words!("ACCEPT"),
            Self::Accepted { .. } => words!("ACCEPTED"),
            Self::Install { .. } => words!("INSTALL"),
            Self::InstallAck { .. } => words!("INSTALL_ACK"),
            Self::Release { .. } => words!("RELEASE"),
            Self::SizeCheck { .. } => words!("SIZE_CHECK"),
            Self::ViewRequest => words!("VIEW_REQ"),
            Self::Excluded { .. } => words!("EXCLUDED"),
        }
    }

    fn within(&self, limits: &Limits) -> bool {
        let round = |ballot: &Ballot| ballot.round <= LAST_ROUND;
        let runs = |ranges: &[(Fseq, Fseq)]| {
            ranges.len() <= limits.ranges && ranges.iter().all(|(from, to)| from <= to && *to < Fseq::MAX / 2)
        };
        match self {
            Self::JoinRequest(request) | Self::JoinProof { request, .. } => request.name.len() <= limits.name,
            Self::Nack { ranges } => runs(ranges),
            Self::Suspect { dead, .. } => dead.len() <= limits.members,
            Self::Prepare { ballot, .. } | Self::Accepted { ballot } => round(ballot),
            Self::Promise { ballot, accepted, have, ranges, dead } => {
                round(ballot)
                    && accepted.as_ref().is_none_or(|(ballot, next)| round(ballot) && next.within(limits))
                    && *have < Fseq::MAX / 2
                    && runs(ranges)
                    && dead.len() <= limits.members
            }
            Self::PromiseNo { ballot, promised } => round(ballot) && promised.as_ref().is_none_or(round),
            Self::Accept { ballot, next } => round(ballot) && next.within(limits),
            Self::Install { next, snapshot } => {
                let starts_a_joiner = |next: &Next| {
                    snapshot.next.len() == next.view.members.len()
                        && snapshot.load_sessions(next.view.params.sessions).is_some()
                };
                next.within(limits)
                    && match next {
                        Successor::Whole(next) if snapshot.sessions.is_some() => starts_a_joiner(next),
                        _ => snapshot.next.len() <= limits.members && snapshot.sessions.is_none(),
                    }
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::view::tests::view_of;

    #[test]
    fn messages_come_back_and_leftovers_are_rejected() {
        let next = Next { view: view_of(&[1, 2, 3]), cut_digest: 5, into: None, why: vec![] };
        let next_of_members = vec![crate::id::Position::START; 3];
        let snapshot = Snapshot { next: next_of_members, digest: 9, sessions_digest: Some(7), sessions: None };
        let message = Control::Install { next: Successor::Whole(next), snapshot };
        let mut out = Vec::new();
        message.encode(&mut out);
        assert_eq!(Control::decode(&out, &Limits::default()), Ok(message));
        out.push(0);
        assert_eq!(Control::decode(&out, &Limits::default()), Err(ControlError::Malformed));
    }

    #[test]
    fn counts_over_the_limits_are_rejected() {
        let limits = Limits { ranges: 2, members: 3, name: 4, ..Limits::default() };
        let ok = |message: &Control| {
            let mut out = Vec::new();
            message.encode(&mut out);
            Control::decode(&out, &limits).is_ok()
        };
        let nack = |n: u64| Control::Nack { ranges: (0..n).map(|i| (2 * i + 1, 2 * i + 1)).collect() };
        assert!(ok(&nack(2)) && !ok(&nack(3)));
        assert!(!ok(&Control::Nack { ranges: vec![(5, 4)] }));
        let accept = |n: u64| Control::Accept {
            ballot: Ballot { round: 1, node: crate::id::NodeId(1) },
            next: Successor::Whole(Next {
                view: view_of(&(0..n).collect::<Vec<_>>()),
                cut_digest: 0,
                into: None,
                why: vec![],
            }),
        };
        assert!(ok(&accept(3)) && !ok(&accept(4)));
    }

    #[test]
    fn what_a_joiner_cannot_start_from_is_rejected() {
        let ok = |members: &[u64], positions: usize, joins: bool| {
            let next = Next { view: view_of(members), cut_digest: 0, into: None, why: vec![] };
            let sessions = crate::session::Sessions::new(7);
            let (sessions, sessions_digest) = (sessions.records().filter(|_| joins), sessions.digest());
            let positions = vec![crate::id::Position::START; positions];
            let mut out = Vec::new();
            let snapshot = Snapshot { next: positions, digest: 9, sessions_digest, sessions };
            Control::Install { next: Successor::Whole(next), snapshot }.encode(&mut out);
            Control::decode(&out, &Limits { members: 3, ..Limits::default() }).is_ok()
        };
        assert!(ok(&[1, 2, 3], 3, true) && !ok(&[1, 2, 3], 2, true) && !ok(&[1, 2, 3], 0, true));
        assert!(ok(&[1, 2, 3], 0, false) && !ok(&[1, 2, 3], 4, false) && !ok(&[1, 2, 3, 4], 0, false));
    }

    #[test]
    fn rounds_that_leave_no_room_for_higher_ones_are_rejected() {
        let ok = |round: u32| {
            let mut out = Vec::new();
            Control::Prepare { ballot: Ballot { round, node: crate::id::NodeId(1) }, carried: false }.encode(&mut out);
            Control::decode(&out, &Limits::default()).is_ok()
        };
        assert!(ok(u32::MAX / 2) && !ok(u32::MAX / 2 + 1));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Control::decode(&bytes, &Limits::default());
        }
    }
}
