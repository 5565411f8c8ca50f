//! What a member can be told.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::event::Unsettled;
use crate::id::{Gid, Uid};

/// What can happen to a member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// A datagram has arrived.
    Datagram {
        /// Whence.
        from: SocketAddr,
        /// All of it.
        datagram: Bytes,
    },
    /// Time has passed; see [`crate::Member::poll_timeout`].
    Tick,
    /// Nobody else is there, or all agree that this process creates the group. Ignored once it is in one.
    Create {
        /// The group keeps so many voters, if its own settings ask for fewer: 1 asks for nothing.
        min_voters: u16,
    },
    /// This process is silent, and a failure detector takes it to be dead until it is heard again. A leader
    /// removes it by a planned change, if a quorum is heard; the leader itself is replaced, if a quorum
    /// suspects it (5.2).
    Suspect {
        /// Which.
        who: Uid,
        /// How many times it was asked whether it lives; 0 if it answers others.
        checks: u8,
    },
    /// The same, by a surer sign: its connection has closed, and it refuses another one. What is heard of it
    /// for a moment after that was still on its way.
    Closed(Uid),
    /// It is dead for certain: its host says so. What `FailStop` counts (protocol 7).
    Dead(Uid),
    /// It lives after all.
    Trust(Uid),
    /// This process has stood still for a while: it was the one that was not heard. Everybody's time begins anew, and
    /// a leader stamps nothing until it has heard a quorum again.
    Paused,
    /// Whether this process cannot send anything, for a reason of its own: its address is gone, or its firewall forbids
    /// it. It then accuses nobody, does not stand, and asks to be replaced if it leads.
    CannotSend(bool),
    /// How many milliseconds after it wanted to this process got processor time lately, at worst. It tells the others,
    /// who wait longer for one that is late.
    Late(u16),
    /// Datagrams of so many bytes, at most, pass the interface of this process from now on. If those of its group do
    /// not, it does not stand, asks to be replaced if it leads, and accuses its leader of silence only.
    Carries(u16),
    /// An election has this process propose what ends the view. Ignored unless
    /// [`crate::Member::needs_proposer`].
    Stand,
    /// What keeps a lineage without history from ordering its first message; `None` when nothing does. Only its leader
    /// acts on it, and orders nothing before it has been told so.
    Settle(Option<Unsettled>),
    /// Another lineage of the group is to go on in place of this one. Only the leader acts on it, at once or not at all.
    Dissolve {
        /// The one that goes on.
        into: Gid,
        /// Also if something was ordered: an operator has given that up.
        history: bool,
    },
    /// The quorum of this lineage is lost for good, and all its voters are accounted for: this process creates another
    /// one that begins with its history (docs/lineages.md, *Returning*).
    Return,
    /// An operator wants this member out. Only the leader acts on it, and not on itself; if the member lives, it may
    /// join again.
    Exclude(Uid),
    /// An operator wants this member to lead. Only the leader acts on it, once the other one votes and keeps up;
    /// the wish expires after two seconds.
    Transfer(Uid),
    /// A member of the group was heard at this address: one that looks for the group asks there, too. Ignored by a
    /// member.
    Contact(SocketAddr),
    /// An operator gives this process's lineage up: it ends here as if it had been excluded.
    Forsake,
    /// The process at this address is in a later view of the same lineage: asks it what ended mine.
    Overtaken(SocketAddr),
    /// The application wants to leave. Own messages are ordered first.
    Leave,
    /// The application goes now, whatever the group says; what is in flight has the outcome `Unknown`.
    Abandon,
}
