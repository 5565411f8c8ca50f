//! What a member says of itself when it is asked.

use std::collections::BTreeMap;
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

impl Status {
    /// What did not get through, by cause, which is the name of a field of [`Self::protocol`] or [`Self::network`]:
    /// only causes that occurred. What is dropped in every group all the time, its own multicasts above all, is none of
    /// it.
    pub fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let (protocol, network) = (&self.protocol, &self.network);
        let causes = [
            ("foreign", protocol.foreign),
            ("other_version", protocol.other_version),
            ("corrupted", protocol.corrupted),
            ("malformed", protocol.malformed),
            ("strangers", protocol.strangers),
            ("bad_frames", protocol.bad_frames),
            ("wrong_address", protocol.wrong_address),
            ("oversized_frames", protocol.oversized_frames),
            ("implausible_status", protocol.implausible_status),
            ("misplaced_frames", protocol.misplaced_frames),
            ("implausible_rounds", protocol.implausible_rounds),
            ("implausible_ends", protocol.implausible_ends),
            ("overflow", protocol.overflow),
            ("send_lost", network.send_lost),
            ("overflowed", network.overflowed),
            ("injected_loss", network.injected_loss),
            ("receive_errors", network.receive_errors),
            ("stream_lost", network.stream_lost),
            ("connections_refused", network.connections_refused),
        ];
        causes.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Another server, as it described itself when it was last heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownServer {
    /// What it said of itself.
    pub entry: ServerEntry<u64>,
    /// How long ago, as of this status.
    pub silent_for: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_dropped_is_told() {
        let mut status = Status::default();
        assert!(status.dropped().is_empty());
        (status.protocol.foreign, status.protocol.delivered, status.network.filtered) = (3, 5, 7);
        status.network.stream_lost = 1;
        assert_eq!(status.dropped(), BTreeMap::from([("foreign", 3), ("stream_lost", 1)]));
    }
}
