//! What an operator may ask of a server: who is in, who leads, going on without a quorum, and which of two lineages to
//! keep.

use gms_core::{Blocked, Gid, NodeId, View};
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// One order of an operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// The leader puts this member out. One that lives joins again as a new incarnation: stop it first.
    Exclude(u64),
    /// The leader hands over to this member, once it votes and keeps up; after two seconds it no longer tries.
    TransferLeader(u64),
    /// This server hands over if it leads, sends its clients elsewhere, leaves, and stays out until it is started again.
    Leave,
    /// Of all lineages of the group's name only this one is kept: what was ordered in others is lost. A server of the one
    /// to keep no longer waits for others; the leader of another one ends it, once the one to keep has answered that it
    /// serves; a server of one that has no quorum gives it up. Their servers join the one to keep.
    Merge {
        /// The lineage to keep.
        #[serde(with = "crate::gid_text")]
        keep: Gid,
    },
    /// This server gives its lineage up, although members of it may live elsewhere, and goes on in another one.
    /// What the old lineage has ordered and the one that creates the new one does not hold is lost there. Two groups
    /// are the result if a quorum of the old one goes on.
    ForceView {
        /// What this server does.
        part: Part,
        /// Whether it is to do so although the lineage has a quorum. Without, that is refused.
        #[serde(default)]
        discard: bool,
    },
}

/// A survivor's part in a forced view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It creates the new lineage, with the history and the sessions of the old one if it is in it.
    Create,
    /// It joins another lineage than the old one, once it finds one.
    Join,
}

/// Why an order cannot be carried out. Nothing has happened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OperationError {
    /// In no view.
    #[error("this server is in no view at present: ask another one, or try again")]
    NoView,
    /// Only the leader can.
    #[error("this server does not lead: ask server {leader}, which does")]
    NotLeader {
        /// Who leads.
        leader: u64,
    },
    /// Nobody has that id.
    #[error("no member has id {id}: the members are {members:?}")]
    NoMember {
        /// The id.
        id: u64,
        /// Those there are.
        members: Vec<u64>,
    },
    /// Too few voters would be left.
    #[error("the group keeps at least {min_voters} voters: let another server join first")]
    TooFew {
        /// The least number.
        min_voters: u16,
    },
    /// The leader itself.
    #[error("server {0} leads: hand over first (transfer-leader), or stop it")]
    Leads(u64),
    /// Nothing has to be forced.
    #[error(
        "the group of this server has a quorum, and goes on by itself: nothing is forced, unless the order says that what \
         the others go on with is to be discarded"
    )]
    HasQuorum,
}

impl Operation {
    /// Why this member cannot do it, if it cannot.
    pub(crate) fn check(self, status: &Status) -> Result<(), OperationError> {
        let id = match self {
            Self::ForceView { discard: true, .. } => return Ok(()),
            // Also by one that is in no view: its group may have died while it was out.
            Self::ForceView { discard: false, .. } => {
                let lost = matches!(status.blocked, Some(Blocked::Quorum { .. } | Blocked::Leader { .. }));
                return if lost || status.view.is_none() { Ok(()) } else { Err(OperationError::HasQuorum) };
            }
            Self::Leave => {
                let me = status.uid.node.0;
                let is_needed = status.view.as_ref().filter(|view| is_needed(view, me));
                return is_needed
                    .map_or(Ok(()), |view| Err(OperationError::TooFew { min_voters: view.params.min_voters }));
            }
            Self::Merge { keep } => {
                let serves = status.view.as_ref().filter(|_| status.blocked.is_none());
                return match serves.filter(|view| view.gid != keep && view.leader != status.uid) {
                    Some(view) => Err(OperationError::NotLeader { leader: view.leader.node.0 }),
                    None => Ok(()),
                };
            }
            Self::Exclude(id) | Self::TransferLeader(id) => id,
        };
        let Some(view) = &status.view else { return Err(OperationError::NoView) };
        let leader = view.leader.node.0;
        let excludes = matches!(self, Self::Exclude(_));
        if view.leader != status.uid {
            Err(OperationError::NotLeader { leader })
        } else if member(view, id).is_none() {
            Err(OperationError::NoMember { id, members: view.members.iter().map(|m| m.uid.node.0).collect() })
        } else if id == leader && excludes {
            Err(OperationError::Leads(id))
        } else if excludes && is_needed(view, id) {
            Err(OperationError::TooFew { min_voters: view.params.min_voters })
        } else {
            Ok(())
        }
    }
}

/// Whether the member with this id is one of the last voters that the group keeps.
fn is_needed(view: &View, id: u64) -> bool {
    view.voters().any(|m| m.uid.node == NodeId(id)) && view.voters().count() <= usize::from(view.params.min_voters)
}

/// The member with this id.
pub(crate) fn member(view: &View, id: u64) -> Option<gms_core::Uid> {
    view.members.iter().map(|m| m.uid).find(|uid| uid.node == NodeId(id))
}

#[cfg(test)]
mod tests {
    use gms_core::{Gid, Params, Uid};

    use super::*;

    #[test]
    fn one_that_is_in_no_view_may_be_forced_only() {
        let status = Status::default();
        assert_eq!(Operation::ForceView { part: Part::Create, discard: false }.check(&status), Ok(()));
        assert_eq!(Operation::Exclude(1).check(&status), Err(OperationError::NoView));
        assert_eq!(Operation::TransferLeader(1).check(&status), Err(OperationError::NoView));
    }

    #[test]
    fn one_that_has_a_quorum_is_forced_only_if_that_is_meant() {
        let view = View {
            gid: Gid(1),
            vid: 1,
            at: 1,
            gseq: 1,
            leader: Uid::new(1, 1),
            members: Vec::new(),
            params: Params::default(),
        };
        let check = |blocked: Option<Blocked>, discard| {
            let status = Status { view: Some(view.clone().into()), blocked, ..Status::default() };
            Operation::ForceView { part: Part::Join, discard }.check(&status)
        };
        let slow = Blocked::Window { member: 2, millis: 1000 };
        for blocked in [None, Some(slow)] {
            assert_eq!(check(blocked.clone(), false), Err(OperationError::HasQuorum));
            assert_eq!(check(blocked, true), Ok(()));
        }
        let silent = Blocked::Leader { leader: 2, millis: 1000 };
        for blocked in [Blocked::Quorum { heard: 1, voters: 3 }, silent] {
            assert_eq!(check(Some(blocked), false), Ok(()));
        }
    }

    #[test]
    fn an_order_reads_as_documented() {
        let order = |text: &str| serde_json::from_str::<Operation>(text).ok();
        let forced = |part, discard| Some(Operation::ForceView { part, discard });
        assert_eq!(order(r#"{"force_view":{"part":"join"}}"#), forced(Part::Join, false));
        assert_eq!(order(r#"{"force_view":{"part":"create","discard":true}}"#), forced(Part::Create, true));
        assert_eq!(order(r#"{"force_view":{"part":"create","disgard":true}}"#), None);
        assert_eq!(order(r#""leave""#), Some(Operation::Leave));
        assert_eq!(order(r#"{"merge":{"keep":"2f"}}"#), Some(Operation::Merge { keep: Gid(47) }));
        assert_eq!(order(r#"{"merge":{"keep":"nothing"}}"#), None);
    }
}
