//! Names of processes, groups and places in the order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of a view in its lineage; each view's number is its predecessor's plus one, from 1.
pub type Vid = u64;
/// Place of a frame in the order: dense, from 1, for the life of the lineage.
pub type Fseq = u64;
/// Place of an entry in the order: dense, from 1, for the life of the lineage.
pub type Gseq = u64;

/// The configured number of a process; also its rank under the bully rule (the highest leads).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a process: its node and a random number drawn at each start. A restarted process is
/// another `Uid`, so nothing its former life left in the network can be taken for its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Uid {
    /// The configured number.
    pub node: NodeId,
    /// Random per start.
    pub incarnation: u64,
}

impl Uid {
    /// The life `incarnation` of node `node`.
    pub fn new(node: u64, incarnation: u64) -> Self {
        Self { node: NodeId(node), incarnation }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:x}", self.node, self.incarnation)
    }
}

/// Which process a member is, so that others on the same host can prove its death. gms-core only carries it.
///
/// The ids and times of two of them may be compared only if their `host` is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Digest of everything that has to be the same for the other numbers to mean the same: the boot of the host, and
    /// the namespaces that process ids and start times are counted in.
    pub host: u64,
    /// Digest of what the machine keeps when it is started again, and of the address that the member is reached at there;
    /// zero where that is not known.
    pub machine: u64,
    /// Digest of the machine's present boot: whatever ran there in another one is dead.
    pub boot: u64,
    /// The process id there.
    pub pid: u32,
    /// When the process started, in clock ticks after the boot: ids are given out again.
    pub started: u64,
    /// Which of the members in that process, counted from 1.
    pub member: u64,
}

/// The lineage of a group, drawn when it is created. Groups of one name and different `Gid` never mix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Gid(pub u128);

impl Gid {
    /// What a process that is in no group yet writes into its envelopes.
    pub const NONE: Self = Self(0);

    /// Bits of a lineage's id that are drawn; those above are of the group's name.
    const DRAWN_BITS: u32 = 80;

    /// What stands for the group `name` where there is no lineage yet: FNV-1a, 128 bits, so that it is the same
    /// everywhere.
    pub fn of_name(name: &str) -> Self {
        let step = |digest: u128, byte: u8| {
            (digest ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        };
        Self(name.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step))
    }

    /// Another lineage of the group `name`, told apart from its other ones by `drawn`.
    pub(crate) fn draw(name: &str, drawn: u128) -> Self {
        Self(
            Self::of_name(name).0 >> Self::DRAWN_BITS << Self::DRAWN_BITS | (drawn & ((1 << Self::DRAWN_BITS) - 1)) | 1,
        )
    }

    /// Whether this is a lineage of the group that `name` stands for: a datagram of any lineage tells its group's name.
    pub fn is_of(self, name: Self) -> bool {
        self != Self::NONE && self.0 >> Self::DRAWN_BITS == name.0 >> Self::DRAWN_BITS
    }
}

/// Text that is no lineage: 32 hexadecimal digits at most, and not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a lineage: give the hexadecimal number that `gms-cli status` shows")]
pub struct NoGid;

impl FromStr for Gid {
    type Err = NoGid;

    fn from_str(text: &str) -> Result<Self, NoGid> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.filter(|number| *number != 0).map(Self).ok_or(NoGid)
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A place in one sender's stream: message `sseq` (dense from 1 per [`Uid`]) and, inside a large
/// message, the byte `offset` of a fragment. `next[Uid]` of the specification is one of these, and
/// the table of them is the whole duplicate suppression of gms (protocol 4.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Number of the message.
    pub sseq: u64,
    /// First byte of the fragment; 0 for the start of any message.
    pub offset: u32,
}

impl Position {
    /// Where every sender starts.
    pub const START: Self = Self { sseq: 1, offset: 0 };

    /// The start of message `sseq`.
    pub fn message(sseq: u64) -> Self {
        Self { sseq, offset: 0 }
    }
}

/// A proposal's rank inside one view change. `(0, leader)` belongs to the leader of the view itself
/// and is promised by installing that view (protocol 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Ballot {
    /// 0 for the live leader, higher for candidates.
    pub round: u32,
    /// Who proposes.
    pub node: NodeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_reads_as_it_is_written() {
        let gid = Gid::draw("orders", 7);
        assert_eq!(gid.to_string().parse(), Ok(gid));
        for text in ["", "0", "x7", "+7", "100000000000000000000000000000000"] {
            assert_eq!(text.parse::<Gid>(), Err(NoGid), "{text}");
        }
    }
}
