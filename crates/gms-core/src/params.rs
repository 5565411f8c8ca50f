//! What a group fixes when it is created, and what one member sets for itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Gid, ProcessIdentity, Uid};
use crate::planted::Planted;
use crate::timing::Timing;
use crate::wire::{ENVELOPE_LEN, FRAME_HEADER_LEN, Limits};

/// Settings all members share, fixed by the creator and carried in every view. A joiner whose own
/// differ is rejected with the difference named.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Params {
    /// Largest datagram, in bytes, envelope included: the smallest MTU on the way, less IP and UDP headers. No setting
    /// that a joiner has to share: it has to be able to carry it ([`Config::largest`]).
    pub datagram: u16,
    /// Largest message, in bytes.
    pub message_limit: u32,
    /// Bytes of unfinished large messages that the whole group may hold at once.
    pub reassembly: u64,
    /// Bytes of frames the leader keeps in flight, at most; granted receive buffers may bound it further.
    pub window: u32,
    /// While fewer than this vote nothing is ordered ([`crate::Blocked::TooFew`]), and a leave that would make them
    /// fewer is refused. Views go on: the dead are removed, and newcomers come in.
    pub min_voters: u16,
    /// Client sessions known at a time; of those whose client is not connected, the one unused longest makes room for
    /// the next. At most [`Self::MOST_SESSIONS`].
    pub sessions: u32,
    /// Whether what is for all goes by multicast. Otherwise each gets a copy of its own.
    pub multicast: bool,
    /// How many members have to agree on what counts as decided.
    pub quorum: QuorumMode,
    /// Who goes before whom when a leader is needed.
    pub ranking: Ranking,
    /// Whether a leader hands over to a member of higher rank, once that one votes.
    pub preempt: bool,
    /// How often a member says something, in milliseconds. Every member sets it from its own [`Timing`], for those who
    /// speak seldom would be taken for dead by those who listen for more.
    pub heartbeat: u32,
    /// The lineage whose history this one began with, if it was created for want of a quorum (docs/lineages.md,
    /// *Returning*). Said by who creates it; a joiner's own does not count.
    pub origin: Option<Gid>,
}

/// How many members a quorum `Q(V)` is (protocol 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum QuorumMode {
    /// More than half of the voters of the present view, or exactly half with its leader. Safe whatever happens.
    #[default]
    Majority,
    /// All voters of the present view but those of whom it is *proved* that they are dead, so that a group may
    /// shrink to one. For members on one host.
    FailStop,
}

/// Who goes before whom, computed from the view alone (protocol 5.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Ranking {
    /// The highest id first.
    #[default]
    Bully,
    /// The oldest member first.
    Seniority,
    /// The highest weight first, and of equal weights the highest id.
    Priority,
}

/// A setting as the command line spells it.
fn word(setting: impl std::fmt::Debug) -> String {
    let mut word = String::new();
    for letter in format!("{setting:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

impl Default for Params {
    fn default() -> Self {
        Self {
            datagram: 1400,
            message_limit: 64 << 20,
            reassembly: 128 << 20,
            window: 2 << 20,
            min_voters: 1,
            sessions: Self::MOST_SESSIONS,
            multicast: true,
            quorum: QuorumMode::Majority,
            ranking: Ranking::Bully,
            preempt: false,
            heartbeat: 100,
            origin: None,
        }
    }
}

impl Params {
    /// As many sessions as a joiner can be told of in one control message.
    pub const MOST_SESSIONS: u32 = 16_384;

    /// Bytes of entries that fit into one frame.
    pub fn frame_room(&self) -> usize {
        (self.datagram as usize).saturating_sub(ENVELOPE_LEN + FRAME_HEADER_LEN)
    }

    /// The first setting in which one who wants to join differs, in words; `None` when none does. Who joins may leave
    /// `min_voters` to the group: 1 asks for nothing.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let asks = |other: &Self| if other.min_voters == 1 { self.min_voters } else { other.min_voters };
        let rows = |params: &Self, min_voters: u16| {
            [
                ("message limit", params.message_limit.to_string()),
                ("reassembly budget", params.reassembly.to_string()),
                ("window", params.window.to_string()),
                ("min_voters", min_voters.to_string()),
                ("number of sessions", params.sessions.to_string()),
                ("quorum", self::word(params.quorum)),
                ("election", self::word(params.ranking)),
                ("preempt", if params.preempt { "on" } else { "off" }.to_owned()),
                ("heartbeat", format!("{} ms", params.heartbeat)),
                ("multicast", if params.multicast { "on" } else { "off" }.to_owned()),
            ]
        };
        let differs = |(ours, theirs): &((&str, String), (&str, String))| ours.1 != theirs.1;
        let ((name, ours), (_, theirs)) =
            rows(self, self.min_voters).into_iter().zip(rows(other, asks(other))).find(differs)?;
        Some(format!("{name} is {ours} in the group and {theirs} here"))
    }

    /// Why these settings cannot work, if they cannot: with each other, or with the default [`Limits`].
    pub fn check(&self) -> Result<(), ParamsError> {
        let limits = Limits::default();
        if self.datagram < 512 || usize::from(self.datagram) > limits.datagram {
            return Err(ParamsError::Datagram(self.datagram));
        }
        if self.message_limit > limits.message {
            return Err(ParamsError::Message { limit: self.message_limit, most: limits.message });
        }
        if u64::from(self.message_limit) > self.reassembly {
            return Err(ParamsError::Reassembly { message: self.message_limit, budget: self.reassembly });
        }
        if self.min_voters == 0 {
            return Err(ParamsError::MinVoters);
        }
        if self.sessions == 0 || self.sessions > Self::MOST_SESSIONS {
            return Err(ParamsError::Sessions(self.sessions));
        }
        Ok(())
    }
}

/// Settings that contradict themselves.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParamsError {
    /// Headers would leave no room, or UDP has none for it.
    #[error("a datagram cannot have {0} bytes: set it to 512 to 65507")]
    Datagram(u16),
    /// Over what members accept.
    #[error("a message limit of {limit} bytes is over what members accept: set it to {most} or less")]
    Message {
        /// Limit asked for.
        limit: u32,
        /// The largest there can be.
        most: u32,
    },
    /// The largest message could never be admitted.
    #[error(
        "the largest message ({message} B) is over the reassembly budget ({budget} B): raise the budget or lower the limit"
    )]
    Reassembly {
        /// Largest message.
        message: u32,
        /// Budget it has to fit.
        budget: u64,
    },
    /// A group of nobody.
    #[error("min_voters is 0: a group has at least one voter, set it to 1 or more")]
    MinVoters,
    /// None at all, or more than a joiner could be told of.
    #[error("a group cannot know {0} sessions: set the number to 1 to {most}", most = Params::MOST_SESSIONS)]
    Sessions(u32),
}

/// What one process brings into its machine. Everything is plain data: no sockets, no clock.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// Who I am.
    pub uid: Uid,
    /// Where my unicast socket is reached.
    pub address: SocketAddr,
    /// Name of the group; requests for others are ignored.
    pub name: String,
    /// What I offer as creator, and insist on as joiner.
    pub params: Params,
    /// Caps on everything that arrives.
    pub limits: Limits,
    /// Timers.
    pub timing: Timing,
    /// Bytes of the largest datagram that passes my interface.
    pub largest: u16,
    /// Bytes of receive buffer the system granted me.
    pub budget: u32,
    /// My weight where the group ranks by weight.
    pub weight: u32,
    /// Which process this is, if the others on its host are to notice its death at once.
    pub process: Option<ProcessIdentity>,
    /// Bytes of own messages that may wait to be ordered; sends beyond are refused until there is room.
    pub pending: usize,
    /// Whether a new lineage orders nothing before it is told that it has settled ([`crate::Input::Settle`]). Not
    /// needed where there can be no other lineage.
    pub settles: bool,
    /// Source of every random choice.
    pub seed: u64,
    /// A bug planted for a test; none in a release build.
    pub planted: Planted,
    /// Whether to keep the events of protocol section 1 for [`crate::Member::poll_trace`].
    pub trace: bool,
}

impl Config {
    /// Bytes that a UDP datagram over IPv4 has room for.
    pub const MOST_IN_A_DATAGRAM: u16 = 65_507;

    /// Defaults for process `uid`, reached at `address`, in the group `name`.
    pub fn new(name: impl Into<String>, uid: Uid, address: SocketAddr) -> Self {
        Self {
            uid,
            address,
            name: name.into(),
            params: Params::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            largest: Self::MOST_IN_A_DATAGRAM,
            budget: 4 << 20,
            weight: 0,
            process: None,
            pending: 4 << 20,
            settles: false,
            seed: uid.incarnation,
            planted: Planted::default(),
            trace: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_checked_at_its_edge() {
        let ok = |change: fn(&mut Params)| {
            let mut params = Params::default();
            change(&mut params);
            params.check().is_ok()
        };
        assert!(ok(|p| p.datagram = 512) && !ok(|p| p.datagram = 511));
        assert!(ok(|p| p.datagram = 65_507) && !ok(|p| p.datagram = 65_508));
        assert!(ok(|p| p.message_limit = 64 << 20) && !ok(|p| p.message_limit = (64 << 20) + 1));
        assert!(ok(|p| p.reassembly = 64 << 20) && !ok(|p| p.reassembly = (64 << 20) - 1));
        assert!(!ok(|p| p.min_voters = 0));
        assert!(ok(|p| p.sessions = 1) && !ok(|p| p.sessions = 0) && !ok(|p| p.sessions = 16_385));
    }

    #[test]
    fn the_first_difference_is_named() {
        let other = Params { window: 7, ..Params::default() };
        assert_eq!(Params::default().difference(&Params::default()), None);
        assert_eq!(Params::default().difference(&other).unwrap(), "window is 2097152 in the group and 7 here");
        let other = Params { quorum: QuorumMode::FailStop, ..Params::default() };
        assert_eq!(Params::default().difference(&other).unwrap(), "quorum is majority in the group and fail-stop here");
        let other = Params { heartbeat: 25, ..Params::default() };
        assert_eq!(Params::default().difference(&other).unwrap(), "heartbeat is 100 ms in the group and 25 ms here");
    }
}
