//! How a view ends (protocol 5). One consensus instance per view: *what ends it?*
//!
//! Planned (5.1): `admission` is who may come in, `planned` the leader's own proposal for joins, leaves and
//! hand-over. `settling` is how long a new lineage waits before it orders anything, `dissolve` the end of one in which
//! nothing was ordered, `returning` how a lineage goes on when its quorum is lost for good. Unplanned (5.2):
//! `suspicion` is who is taken to be dead, `blame` whom a leader may give up although it is heard, `candidate` the
//! attempt of a member that is elected to propose. `proposal` is how either is decided, `voter` a member's part in it,
//! `hearsay` when a member believes that something is decided, `install` what every process does with a decided value,
//! `handover` how the leader of the new view brings in all who are in it and lets the others go, `departure` the last
//! steps of a member that is left out (5.3). `reasons` is why each of those goes.

mod admission;
mod blame;
mod candidate;
mod departure;
mod dissolve;
mod handover;
mod hearsay;
mod install;
mod planned;
mod proposal;
mod reasons;
mod returning;
mod settling;
mod suspicion;
mod voter;

pub(crate) use blame::Blame;
pub(crate) use candidate::{Candidacy, Promise};
pub(crate) use departure::Departure;
pub use dissolve::Unordered;
pub(crate) use handover::Handover;
pub(crate) use hearsay::{Ending, Hearsay, Says};
pub(crate) use planned::{Change, LEARNED};
pub(crate) use proposal::Proposal;
pub use returning::Origin;
pub(crate) use settling::Settling;
pub(crate) use suspicion::Suspicion;
pub(crate) use voter::Accepting;
