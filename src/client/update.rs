//! What a subscription brings.

use std::collections::BTreeMap;

use bytes::Bytes;
use gms_core::{Gseq, Vid};

use crate::client_protocol::{EventLine, Reason};

/// The next thing in the order of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// A message.
    Message(Delivery),
    /// A view.
    View(ViewSeen),
    /// Something is missing.
    Gap(Gap),
    /// The group has given way to another one, and part of its order is discarded.
    Dissolved(Dissolution),
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its place in the order.
    pub gseq: Gseq,
    /// The view it was delivered in.
    pub view: Vid,
    /// Number of the member that sent it: the server whose client did, if it came from one.
    pub sender: u64,
    /// Its bytes.
    pub payload: Bytes,
}

/// A view, with members by their numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewSeen {
    /// Lineage of the group.
    pub gid: String,
    /// Its number.
    pub view: Vid,
    /// Its place in the order.
    pub gseq: Gseq,
    /// Who leads.
    pub leader: u64,
    /// Who follows.
    pub followers: Vec<u64>,
    /// Who has not caught up yet; the leader is not among them.
    pub learners: Vec<u64>,
    /// Who was not in the view before.
    pub joined: Vec<u64>,
    /// Who was in the view before and is not in this one.
    pub left: Vec<u64>,
    /// Why each of those who left did. Empty where the server is of a version that does not tell.
    pub why: BTreeMap<u64, Reason>,
}

/// The server has no more what stands from `from` to `to` in the order of lineage `gid`, or what it told of these
/// places is in doubt: it was excluded, and `agreed` messages may have been delivered there alone. A `from` of 0: the
/// group was created anew since the last update, and its order starts again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Lineage of the group.
    pub gid: String,
    /// First place that is missing.
    pub from: Gseq,
    /// Last place that is missing.
    pub to: Gseq,
}

/// Two groups of one name have met, and the lineage that was followed gave way: whatever it had ordered up to a place
/// is not part of the history that goes on. The order of the other lineage follows, with places of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dissolution {
    /// The lineage that has ended.
    pub gid: String,
    /// The one that goes on.
    pub into: String,
    /// Last place of the order that is discarded.
    pub upto: Gseq,
}

impl Update {
    /// The same line as the server wrote.
    pub fn as_line(&self) -> EventLine<'_> {
        match self {
            Self::Message(m) => EventLine::message(m.gseq, m.view, m.sender, &m.payload),
            Self::View(v) => EventLine::View {
                gid: v.gid.clone(),
                view: v.view,
                gseq: v.gseq,
                leader: v.leader,
                followers: v.followers.clone(),
                learners: v.learners.clone(),
                joined: v.joined.clone(),
                left: v.left.clone(),
                why: v.why.clone(),
            },
            Self::Gap(gap) => EventLine::Gap { gid: gap.gid.clone(), from: gap.from, to: gap.to },
            Self::Dissolved(end) => {
                EventLine::Dissolved { gid: end.gid.clone(), into: end.into.clone(), upto: end.upto }
            }
        }
    }

    /// The last place of the order that this update is about, in the lineage that follows.
    pub(crate) fn place(&self) -> Gseq {
        match self {
            Self::Message(message) => message.gseq,
            Self::View(view) => view.gseq,
            Self::Gap(gap) => gap.to,
            Self::Dissolved(_) => 0,
        }
    }

    /// The lineage that follows, if the update tells.
    pub(crate) fn lineage(&self) -> Option<&str> {
        match self {
            Self::Message(_) => None,
            Self::View(view) => Some(&view.gid),
            Self::Gap(gap) => Some(&gap.gid),
            Self::Dissolved(end) => Some(&end.into),
        }
    }
}
