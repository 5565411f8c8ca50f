//! What a member says of itself when it is asked.

use std::sync::Arc;
use std::time::Duration;

use gms_core::{Blocked, Gid, Memory, Stats, Uid, View};
use gms_discovery::Entry as ServerEntry;
use gms_net::Counters;

/// Counters and state of a member, as of a few milliseconds ago.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Who this member is.
    pub uid: Uid,
    /// The view, while this process is a member.
    pub view: Option<Arc<View>>,
    /// Why there is no progress, while there is none.
    pub blocked: Option<Blocked>,
    /// How long that has been so.
    pub blocked_for: Duration,
    /// At the leader: how many voters it has heard lately, itself included.
    pub voters_heard: Option<usize>,
    /// Other lineages of the group's name that have been heard of within seconds.
    pub rivals: Vec<Gid>,
    /// Counters of the protocol.
    pub protocol: Stats,
    /// Counters of the sockets.
    pub network: Counters,
    /// Last frame stored densely here, by a quorum, and by all.
    pub progress: (u64, u64, u64),
    /// Bytes held, and what they may be at most.
    pub memory: Memory,
    /// The other servers of the group's name that have been seen lately, by id.
    pub servers: Arc<[KnownServer]>,
}

/// Another server, as it described itself when it was last heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownServer {
    /// What it said of itself.
    pub entry: ServerEntry<u64>,
    /// How long ago, as of this status.
    pub silent_for: Duration,
}
