//! The heart of gms, without sockets, clock or threads: one total order of messages and views.
//!
//! Where a message goes, and the file that takes it there:
//!
//! ```text
//!  application ── Member::send ──▶ pending      own messages, packed into frames
//!                                    │ send      FORWARD to the leader
//!                                    ▼
//!                                 sequence      the leader stamps frames and multicasts ORDERED
//!                                    │
//!                                    ▼
//!                                 receive ──▶ log    stored in order; gaps go to `repair`
//!                                    │ stability      who has what: ack, safe, stable, window
//!                                    ▼
//!  application ◀─ poll_event ──── deliver       as far as the level allows
//! ```
//!
//! Views end in `change`, planned by the leader; processes come in through `join`; `watch` sees who is
//! silent; `dispatch` sorts what arrives. The words, the properties P1–P26 and the invariants I1–I13
//! are those of the project's protocol specification.
//!
//! A member is driven with four verbs: [`Member::handle`], [`Member::poll_transmit`],
//! [`Member::poll_event`], [`Member::poll_timeout`].
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod change;
mod chunks;
mod context;
mod deliver;
mod dispatch;
mod event;
mod id;
mod input;
mod join;
mod log;
mod member;
mod membership;
mod params;
mod pending;
mod planted;
mod plausible;
mod quorum;
mod random;
mod receive;
mod reception;
mod repair;
mod send;
mod sequence;
mod session;
mod stability;
mod stats;
mod steps;
mod time;
mod timers;
mod timing;
mod transmit;
mod view;
mod watch;
mod why;
pub mod wire;

pub use change::{Origin, Unordered};
pub use event::{Blocked, Event, GivenUp, Message, Out, Outcome, Passed, Trace, Unsettled, ViewChange};
pub use id::{Ballot, Fseq, Gid, Gseq, NoGid, NodeId, Position, ProcessIdentity, Uid, Vid};
pub use input::Input;
pub use join::Start;
pub use member::{Member, Memory, SendError};
pub use params::{Config, Params, ParamsError, QuorumMode, Ranking};
pub use planted::{Bug, Planted};
pub use quorum::{is_quorum, quorum_have};
pub use session::{SESSION_HOLD, SESSION_OPEN, SESSION_RELEASE, SESSION_WINDOW, SessionRecord, Stretch};
pub use stats::Stats;
pub use time::Time;
pub use timing::Timing;
pub use transmit::{Destination, Transmit};
pub use view::{Next, Role, Snapshot, View, ViewMember};
pub use why::Why;
pub use wire::{Addressing, Level, Refusal, SessionNumber};
