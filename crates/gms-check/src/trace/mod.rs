//! The trace: one record per line, each one thing a process did.

mod digest;
mod event;
mod hex;
mod read;
mod uid;

pub use digest::digest;
pub use event::{Event, Level, Origin, Outcome, PassReason, Record, SessionNumber, TraceMember};
pub use read::{TraceError, Traces, check_files, read_traces};
pub use uid::Uid;
