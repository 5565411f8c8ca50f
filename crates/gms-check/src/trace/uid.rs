//! The name of one life of one process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One start of one node. A restarted process is a new `Uid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid {
    /// The node's number.
    pub node: u64,
    /// Drawn at random at each start.
    pub incarnation: u64,
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:x}", self.node, self.incarnation)
    }
}
