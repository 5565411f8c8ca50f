//! How a view ends (protocol 5). One consensus instance per view: *what ends it?*
//!
//! `admission` is who may come in, `dissolve` the end of a lineage, `planned` the leader's own proposal for joins, leaves and hand-over (5.1); `install` is what
//! every process does with a decided value; `departure` is the last steps of one who is not in the
//! next view (5.3).

mod admission;
mod departure;
mod dissolve;
mod install;
mod planned;

pub(crate) use departure::Departure;
pub(crate) use install::Handover;
pub(crate) use planned::{Change, Proposal};
