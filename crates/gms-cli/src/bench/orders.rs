//! What the bench tells its members, and what they answer: one JSON object a line.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failover::Rate;
use super::member::Ledger;
use crate::level::LevelName;

/// To a member, on its standard input. Each is answered by one report, in the same order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Become a member; the first order. Answered once all members are in one view.
    Join(Entrance),
    /// Send as much as the group takes, or only listen.
    Load(Phase),
    /// Send one message at a time, or only listen.
    Ping(Phase),
    /// Move datagrams that belong to no group.
    Ceiling(RawPhase),
    /// Send on and on, and tell how the group gets over what happens to its leader. From here on, only the orders
    /// below make sense.
    Endure(Stress),
    /// Measure pauses anew.
    Watch,
    /// The leader is about to end: tell when there is a view without it, and how long nothing was delivered.
    Survive,
    /// Leave the group, when everything that was sent is ordered.
    Leave,
    /// Tell when all members are in one view again.
    Unite,
    /// Send an empty message as the last, and read until so many members have.
    Finish { ends: usize },
}

/// How to become a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entrance {
    /// Number of this member; 0 creates the group and leads it.
    pub(super) id: u64,
    /// Members there will be.
    pub(super) members: u64,
    pub(super) group: String,
    pub(super) level: LevelName,
    /// Of the group.
    pub(super) multicast: SocketAddr,
    /// Of the datagrams that belong to no group.
    pub(super) ceiling: SocketAddr,
    pub(super) interface: String,
    pub(super) insecure: bool,
}

/// One measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Phase {
    /// Members that send.
    pub(super) senders: Vec<u64>,
    /// Bytes of each message.
    pub(super) size: usize,
    /// Not measured, at the beginning.
    pub(super) warm_up: Duration,
    /// Measured.
    pub(super) lasts: Duration,
}

/// What all members send while their leader ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Stress {
    /// Bytes of each message.
    pub(super) size: usize,
    /// Of each member.
    pub(super) rate: Rate,
}

/// One measurement without a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RawPhase {
    /// With one sender.
    pub(super) phase: Phase,
    /// Members, the sender among them.
    pub(super) members: u64,
    /// Its unicast address.
    pub(super) sender: SocketAddr,
    /// Tells the datagrams of one measurement from those of the one before.
    pub(super) run: u64,
}

/// From a member, on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// All members are in one view.
    Joined {
        /// The unicast address for datagrams that belong to no group.
        raw: SocketAddr,
    },
    /// The end of `Load` or `Ping`: all messages of all senders are delivered.
    Measured(Measured),
    /// The end of `Ceiling`.
    Moved {
        /// Messages received per second; `None` for the sender.
        per_second: Option<f64>,
    },
    /// In answer to `Endure`: sending.
    Enduring,
    /// In answer to `Watch`.
    Watched {
        /// Longest time without a delivery since the last `Watch`.
        pause: Duration,
    },
    /// In answer to `Survive`, once messages flow again.
    Survived(Survived),
    /// In answer to `Leave`.
    Left {
        /// Messages sent, the last, empty one included.
        sent: u64,
    },
    /// In answer to `Unite`.
    United,
    /// In answer to `Finish`.
    Endured(Endured),
    /// In answer to nothing, now and then while it endures: its own messages up to this number have been reported to
    /// it as ordered.
    Ordered {
        /// Numbered from 1, in the life in which it began.
        upto: u64,
    },
    /// This member cannot go on. Nothing follows.
    Failed {
        /// In words.
        why: String,
    },
}

/// What one member noticed of the end of its leader.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Survived {
    /// From the order to the view without it.
    pub(super) view: Duration,
    /// Longest time without a delivery since the last `Watch`.
    pub(super) pause: Duration,
}

/// What one member has after all that happened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Endured {
    /// Messages it sent, the last, empty one included.
    pub(super) sent: u64,
    /// All it delivered.
    pub(super) ledger: Ledger,
    /// Messages it delivered of the leader's first life.
    pub(super) of_leader: u64,
}

/// What one member measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Messages it sent, warm-up and the last, empty one included.
    pub(super) sent: u64,
    /// All it delivered.
    pub(super) ledger: Ledger,
    /// Messages delivered per second of the measured time.
    pub(super) per_second: f64,
    /// Times from send to own delivery in the measured time, in nanoseconds, and how often each occurred.
    pub(super) latencies: Vec<(u64, u64)>,
}
