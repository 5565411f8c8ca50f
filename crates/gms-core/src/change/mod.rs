//! How a view ends (protocol 5). One consensus instance per view: *what ends it?*
//!
//! Planned (5.1): `admission` is who may come in, `planned` the leader's own proposal for joins, leaves and
//! hand-over, and the decision of any proposal; `dissolve` is the end of a lineage. Unplanned (5.2): `suspicion` is who
//! is taken to be dead, `candidate` the attempt of one who is elected to propose. `voter` is a member's part in
//! either, `install` what every process does with a decided value, `departure` the last steps of one who is not
//! in the next view (5.3).

mod admission;
mod candidate;
mod departure;
mod dissolve;
mod install;
mod planned;
mod suspicion;
mod voter;

pub(crate) use candidate::{Candidacy, Promise};
pub(crate) use departure::Departure;
pub(crate) use install::Handover;
pub(crate) use planned::{Change, Proposal};
pub(crate) use suspicion::Suspicion;
pub(crate) use voter::Accepting;
