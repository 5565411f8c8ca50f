//! The property checker: it reads what processes of a group say they did, and tells which of the promised properties
//! hold.
//!
//! It knows the properties and the trace, nothing of the protocol. The same checker judges a simulated run record by
//! record ([`Checker`]) and the trace files of real processes ([`check_files`]).
//!
//! ```
//! use gms_check::{Checker, Event, Level, Property, Record, Uid, digest};
//!
//! let process = Uid { node: 1, incarnation: 0xab };
//! let mut checker = Checker::new();
//! let (level, digest) = (Level::Uniform, digest(b"hello"));
//! let send = Event::Send { sseq: 1, level, digest, only_in_view: None, to: vec![], client: None };
//! checker.record(&Record { at_us: 0, process, event: send });
//! let report = checker.finish();
//! assert!(report.passed());
//! assert_eq!(report.exercised(Property::P5), 0); // sent, but delivered nowhere: nothing was checked
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod checker;
mod findings;
mod properties;
mod report;
#[cfg(test)]
mod testing;
mod trace;
mod world;

pub use checker::{Checker, Faults};
pub use report::{Counters, Property, Report, Violation};
pub use trace::{
    Event, Level, Origin, Outcome, PassReason, Record, SessionNumber, TraceError, TraceMember, Traces, Uid,
    check_files, digest, read_traces,
};

/// The README's example is run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
