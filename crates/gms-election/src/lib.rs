//! Who leads among a set of processes: the bully's election by rank, without sockets, clock or threads.
//!
//! ```text
//!                Start, Suspect                    Won, Elected, GaveUp
//!  detector ────────────────────▶ Election ────────────────────────────▶ user
//!                                 ▲      │
//!                                 └──────┘  ELECTION, OK, COORDINATOR to and from the others
//! ```
//!
//! It is driven with four verbs: `handle`, `poll_transmit`, `poll_event`, `poll_timeout`. Time is a
//! [`Duration`](std::time::Duration) since an origin of the caller's choice, the same for all calls to
//! one machine; a step back is taken as no step. A machine is plain data (`Clone + Eq + Hash`), so it
//! can be simulated, compared and model checked.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
mod election;
mod electorate;
mod message;
mod phase;
mod random;
mod rank;

pub use config::{ElectionConfig, ElectionError};
pub use election::{Destination, Election, Event, Input, Stats, Transmit};
pub use electorate::Electorate;
pub use message::{BODY_LIMIT, Message, Round, WireError};
pub use rank::Rank;
