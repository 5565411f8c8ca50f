//! The deterministic simulator of gms groups.
//!
//! A [`Scenario`] is drawn from a seed: processes that join and leave, what their applications send and how they read,
//! what the network does. [`run`] lives it through in virtual time and hands everything the processes do to the
//! property checker; at the end the faults stop, and all members must come to rest in one view with everything
//! delivered. The same seed gives the same run, record for record.
//!
//! | module | subject |
//! |---|---|
//! | `scenario` | [`Scenario`]: what a run does, and how that is drawn; [`RunName`]: what it is called |
//! | `world` | the run: what happens, in the order of time |
//! | `upheaval` | departures, returns, cuts, pauses |
//! | `mortality` | deaths, and returns from death |
//! | `lineages` | what makes more than one lineage; what a host knows of the dead |
//! | `operator` | orders to leaders, proofs of death |
//! | `host`, `application` | one process: its node and socket, and the program above |
//! | `clients` | programs that are no members and send through them |
//! | `post`, `network` | datagrams on their way, and what falls at one of them; delays, losses, cuts |
//! | `ending`, `trial` | whether all has come to rest and still works |
//! | `apart` | what the processes have come to where there may be several lineages |
//! | `blockade`, `ballots` | why nobody can go on; what has been proposed and accepted |
//! | `exclusion` | whether those who are out had to be |
//! | `situation` | what a run got into, so that a fault never met shows |
//! | `shrink` | [`shrink`]: what is left of a scenario that fails |
//! | [`lies`] | what nobody should say, told to groups of three |
//! | `watch` | [`Watcher`]: what looks on |
//! | `witness` | the checker and the digest of the run |
//! | `report`, `campaign` | [`RunReport`], [`Campaign`]: what came of one run, and of many |
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apart;
mod application;
mod ballots;
mod blockade;
mod campaign;
mod clients;
mod draw;
mod ending;
mod exclusion;
mod host;
pub mod lies;
mod lineages;
mod mortality;
mod network;
mod operator;
mod post;
mod queue;
mod report;
pub mod scenario;
mod shrink;
mod situation;
mod trial;
mod upheaval;
mod watch;
mod witness;
mod world;

pub use blockade::Blockade;
pub use campaign::Campaign;
pub use network::{BLAME_FAULT_KINDS, FAULT_KINDS, FaultCounts, LINEAGE_FAULT_KINDS};
pub use report::{Ending, HitCounts, Hits, RunReport};
pub use scenario::{NoSuchRun, RunName, Scenario};
pub use shrink::shrink;
pub use situation::{Situation, SituationCounts};

pub use watch::{Passage, Watcher};

use gms_check::Record;

/// Lives `scenario` through.
pub fn run(scenario: &Scenario) -> RunReport {
    run_with_trace(scenario, &mut |_| {})
}

/// The same, and shows every record to `sink`.
pub fn run_with_trace(scenario: &Scenario, sink: &mut dyn FnMut(&Record)) -> RunReport {
    run_watched(scenario, &mut watch::Records(sink))
}

/// The same, and shows everything to `watcher`, control messages too.
pub fn run_watched(scenario: &Scenario, watcher: &mut dyn Watcher) -> RunReport {
    world::World::new(scenario, watcher).run()
}
