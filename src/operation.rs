//! What an operator may ask of a server: who is in, who leads, and going on without a quorum.

use gms_core::{NodeId, View};
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// One order of an operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The leader puts this member out. One that lives joins again as a new incarnation: stop it first.
    Exclude(u64),
    /// The leader hands over to this member, once it votes and keeps up; after two seconds it no longer tries.
    TransferLeader(u64),
    /// This server gives its lineage up, although members of it may live elsewhere, and starts over: see [`Part`].
    /// What the old lineage has ordered and this server has not delivered is lost here. Two groups are the result if
    /// a quorum of the old one goes on.
    ForceView(Part),
}

/// A survivor's part in a forced view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It founds the new lineage.
    Found,
    /// It joins whatever lineage it finds then.
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
}

impl Operation {
    /// Why this member cannot do it, if it cannot.
    pub(crate) fn check(self, status: &Status) -> Result<(), OperationError> {
        let id = match self {
            // Also from one that is in no view: its group may have died while it was out.
            Self::ForceView(_) => return Ok(()),
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
    use super::*;

    #[test]
    fn one_that_is_in_no_view_may_be_forced_only() {
        let status = Status::default();
        assert_eq!(Operation::ForceView(Part::Found).check(&status), Ok(()));
        assert_eq!(Operation::Exclude(1).check(&status), Err(OperationError::NoView));
        assert_eq!(Operation::TransferLeader(1).check(&status), Err(OperationError::NoView));
    }
}
