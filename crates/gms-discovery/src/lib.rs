//! Who is there, and who is still alive: a directory of servers and a failure detector, without
//! sockets, clock or threads. Neither needs the other, nor anything else of gms.
//!
//! ```text
//!             PROBE, ANNOUNCE                          any datagram: heard
//!  network ──────────────────▶ Directory    network ────────────────────▶ Detector
//!          ◀────────────────── │                    ◀──────────────────── │
//!    PROBE_REPLY to who asked  ▼                  checks, when too silent ▼
//!                  Appeared, Changed, Forgotten        Verify, Suspected, Trusted
//! ```
//!
//! Both are driven with the same four verbs: `handle`, `poll_transmit`, `poll_event`, `poll_timeout`.
//! Time is a [`Duration`](std::time::Duration) since an origin of the caller's choice, the same for
//! all calls to one machine; it has to be monotonic, and a step back is taken as no step. A machine is
//! plain data (`Clone + Eq + Hash`), so it can be simulated, compared and model checked.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod check;
mod detector;
mod directory;
mod directory_config;
mod entry;
mod gaps;
mod message;
mod profile;
mod wire;

pub use check::{Check, CheckKind};
pub use detector::{Detector, DetectorEvent, DetectorInput, DetectorTransmit, Health, Standing};
pub use directory::{Departure, Destination, Directory, Event, Input, Known, Stats, Transmit};
pub use directory_config::{DirectoryConfig, DirectoryError};
pub use entry::{Entry, NAME_LIMIT, VOTER_LIMIT, Voter};
pub use message::{BODY_LIMIT, KNOWN_LIMIT, Message, PROBE_LEN};
pub use profile::{DetectorConfig, DetectorError};
pub use wire::WireError;
