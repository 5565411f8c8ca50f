//! One message: what its sender and those who have it say.

use super::ProcessId;
use crate::{Level, Outcome};

/// The id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) sender: ProcessId,
    pub(crate) sseq: u64,
}

/// Where a message was found, and by whom first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// Number of the lineage that the process was in then: it may be in another one later.
    pub(crate) lineage: usize,
    pub(crate) view: u64,
    pub(crate) gseq: u64,
    pub(crate) by: ProcessId,
}

impl Placed {
    pub(crate) fn same(self, other: Placed) -> bool {
        (self.lineage, self.view, self.gseq) == (other.lineage, other.view, other.gseq)
    }
}

/// The sending of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) level: Level,
    pub(crate) digest: u64,
    pub(crate) only_in_view: Option<u64>,
    /// It is a client's.
    pub(crate) of_client: bool,
    /// The last place its sender had handled.
    pub(crate) after: u64,
    /// Whether its sender had delivered a message of another by then.
    pub(crate) heard: bool,
}

/// All that is known of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message {
    pub(crate) sent: Option<Sent>,
    pub(crate) outcome: Option<Outcome>,
    /// The digest sent or, as long as that is not known, first delivered.
    pub(crate) digest: Option<u64>,
    /// Where it was first found.
    pub(crate) place: Option<Placed>,
    /// It was passed as a repeat of another message.
    pub(crate) duplicate: bool,
}
