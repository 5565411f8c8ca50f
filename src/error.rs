//! What can go wrong, one enum per boundary; each variant says what happened to the message or the
//! membership.

use std::io;

use gms_core::{Blocked, Refusal};
use gms_net::BindError;

use crate::node::NodeError;
use crate::sender::MessageId;

/// What kept a process from becoming a member, in words.
fn why(why: Option<&Blocked>, group: &str) -> String {
    match why {
        Some(why) => why.to_string(),
        None => format!("no member answered; is a server running there, in the group '{group}'?"),
    }
}

/// Why a process did not become a member. Nothing of it is left in the group.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The sockets could not be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Settings contradict each other.
    #[error(transparent)]
    Settings(#[from] NodeError),
    /// Without a key, only loopback is served.
    #[error(
        "{interface} is not loopback and nothing is encrypted or authenticated: stay on loopback, or allow it with `insecure`"
    )]
    Insecure {
        /// The interface asked for.
        interface: String,
    },
    /// What was asked for does not leave this host.
    #[error(
        "datagrams of {datagram} bytes do not pass the interface, which carries {largest}: ask for less, or raise its MTU"
    )]
    Datagram {
        /// Bytes of the datagrams asked for.
        datagram: u16,
        /// Those that pass.
        largest: u16,
    },
    /// Nobody let this process in.
    #[error("not in a group after {seconds} s (asked {asked}): {}", self::why(.why.as_ref(), group))]
    NoAnswer {
        /// Seconds waited.
        seconds: u64,
        /// Where.
        asked: String,
        /// Name of the group.
        group: String,
        /// What this process waited for, if it knew.
        why: Option<Blocked>,
    },
    /// The group refused this process.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// No random numbers, or the sockets failed while joining.
    #[error("cannot join: {0}")]
    Io(#[from] io::Error),
}

/// Why a message was not accepted, or why its outcome is not told here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// Over the group's limit. Not sent.
    #[error(
        "the message has {len} bytes, the group's limit is {limit}: split it, or create the group with a larger message limit"
    )]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        limit: u32,
    },
    /// Own messages that wait to be ordered fill their share. Not sent; only from `try_queue`.
    #[error("too many own messages wait to be ordered: wait with `queue`, or try again later")]
    Full,
    /// The group makes no progress here, and [`crate::WhenBlocked::Refuse`] is set. Not sent.
    #[error("blocked: {0}: send through another member, or when this one is unblocked")]
    Blocked(Blocked),
    /// This process is leaving, or is no member any more. Not sent.
    #[error("not a member any more: join again")]
    Closed,
    /// Bound to a view that was over before the message could be ordered. Not sent to anybody.
    #[error("not ordered: the view it was bound to is over")]
    NotOrdered,
    /// This process left or was excluded with the message in flight: others may or may not deliver it.
    #[error("outcome unknown: this member left or was excluded with the message in flight")]
    Unknown,
    /// The application's unread events have reached their last limit while it waited for this send.
    /// When there is an id, the message is in flight and its outcome follows as an event.
    #[error("too many unread events: read them before awaiting sends")]
    EventsUnread(Option<MessageId>),
}

impl From<gms_core::SendError> for SendError {
    fn from(error: gms_core::SendError) -> Self {
        match error {
            gms_core::SendError::Full => Self::Full,
            gms_core::SendError::TooLarge { len, limit } => Self::TooLarge { len, limit },
            gms_core::SendError::NotMember => Self::Closed,
        }
    }
}

/// Why a process is still a member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeaveError {
    /// The group keeps at least so many voters.
    #[error("the group keeps at least {min_voters} voters: let another join first")]
    TooFew {
        /// The least number.
        min_voters: u16,
    },
}
