//! The timers of a member, and three sets of them.

use std::time::Duration;

/// Timers. They serve progress only: no property depends on them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// Longest silence of a leader, and of a follower towards its leader.
    pub heartbeat: Duration,
    /// A member not heard for this long does not count as present (T_hb).
    pub presence: Duration,
    /// First repeat of a request that may have been lost.
    pub repeat: Duration,
    /// Longest wait of an ack that nobody waits for.
    pub ack_delay: Duration,
    /// Joins gathered into one view (T_join).
    pub join_batch: Duration,
    /// A large message under way holds up a join for at most this long.
    pub join_patience: Duration,
    /// How long a candidate waits for members that do not answer at all (T_collect).
    pub collect: Duration,
    /// How long an attempt to end a view may take before another one is made (T2).
    pub attempt: Duration,
    /// Own messages not ordered for this long, by a leader that does not say why: it counts as suspected (T_progress).
    pub flow: Duration,
    /// No quorum, or no leader, heard for this long is reported (T_q).
    pub quorum: Duration,
    /// How long a process that left keeps answering for its last view (T_linger).
    pub linger: Duration,
    /// How long a leaver waits for its release before it reports that it goes without.
    pub farewell: Duration,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Timing {
    /// Members on one network.
    pub const fn lan() -> Self {
        Self {
            heartbeat: ms(100),
            presence: ms(300),
            repeat: ms(4),
            ack_delay: ms(5),
            join_batch: ms(20),
            join_patience: ms(2_000),
            collect: ms(60),
            attempt: ms(400),
            flow: ms(1_000),
            quorum: ms(1_000),
            linger: ms(10_000),
            farewell: ms(1_000),
        }
    }

    /// Members on one host.
    pub const fn local() -> Self {
        Self {
            heartbeat: ms(25),
            presence: ms(75),
            collect: ms(30),
            attempt: ms(250),
            flow: ms(500),
            quorum: ms(400),
            ..Self::lan()
        }
    }

    /// Members far away.
    pub const fn wan() -> Self {
        Self {
            heartbeat: ms(1_000),
            presence: ms(3_000),
            repeat: ms(50),
            ack_delay: ms(20),
            join_batch: ms(200),
            collect: ms(800),
            attempt: ms(4_000),
            flow: ms(10_000),
            quorum: ms(10_000),
            linger: ms(60_000),
            farewell: ms(5_000),
            ..Self::lan()
        }
    }
}

impl Default for Timing {
    /// [`Self::lan`].
    fn default() -> Self {
        Self::lan()
    }
}
