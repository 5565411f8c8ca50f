//! Quorums as the command line names them.

use clap::ValueEnum;
use gms::QuorumMode;
use serde::Deserialize;

/// How many members have to agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QuorumName {
    /// More than half of the last view, or exactly half with its leader
    Majority,
    /// All but those proved dead, down to one; for servers on one host, which see each other's processes
    FailStop,
}

impl From<QuorumName> for QuorumMode {
    fn from(name: QuorumName) -> Self {
        match name {
            QuorumName::Majority => Self::Majority,
            QuorumName::FailStop => Self::FailStop,
        }
    }
}
