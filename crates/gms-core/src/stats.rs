//! Counters of one member. All start at zero and only grow.

/// What happened so far. Rejected datagrams are only ever counted: never answered, never logged one by one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Stats {
    /// Datagrams that are not gms at all.
    pub foreign: u64,
    /// Datagrams of another wire version.
    pub other_version: u64,
    /// Datagrams whose checksum is wrong: bits were flipped on the way.
    pub corrupted: u64,
    /// Datagrams cut short or over the limits.
    pub malformed: u64,
    /// Datagrams of another group, or from nobody we know.
    pub strangers: u64,
    /// Frames that lie about themselves.
    pub bad_frames: u64,
    /// Datagrams in the name of a process that is reached elsewhere.
    pub wrong_address: u64,
    /// Datagrams of frames larger than the group's datagram: its leader could never send on what is in them.
    pub oversized_frames: u64,
    /// Datagrams whose status cannot be: frames that nobody can have stamped or stored, or more room than there is.
    pub implausible_status: u64,
    /// Frames that do not continue the order at their place; another member has the right ones.
    pub misplaced_frames: u64,
    /// Ballots of rounds that nobody can have come to.
    pub implausible_rounds: u64,
    /// Words on how this view ends that cannot be, or that contradict the order here: cuts, members, promises.
    pub implausible_ends: u64,
    /// Words that this view is over, or this process out, which had to be confirmed by other members.
    pub hearsay: u64,
    /// Frames received that were here already.
    pub duplicates: u64,
    /// Frames dropped because a buffer was at its cap; they are repaired later.
    pub overflow: u64,
    /// NACKs sent.
    pub nacks: u64,
    /// Frames sent again for somebody's NACK.
    pub repairs: u64,
    /// Forwarded frames sent again.
    pub repeats: u64,
    /// Acks sent on their own.
    pub acks: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Frames stamped as leader.
    pub stamped: u64,
    /// Views installed.
    pub views: u64,
    /// Ballots claimed, to end a view whose leader is gone.
    pub candidacies: u64,
    /// Times that this process, as leader, took itself for the cause of what went wrong, and asked to be replaced.
    pub resignations: u64,
}

impl Stats {
    /// How often something was said that no process says which does what it should, over the network that carries what
    /// it is given: by a lie, a bug, or another version.
    pub fn lies(&self) -> u64 {
        let Self { wrong_address, oversized_frames, misplaced_frames, .. } = self;
        let Self { implausible_status, implausible_rounds, implausible_ends, .. } = self;
        wrong_address + oversized_frames + misplaced_frames + implausible_status + implausible_rounds + implausible_ends
    }
}
