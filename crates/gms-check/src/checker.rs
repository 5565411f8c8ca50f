//! The checker: hands each record to every property, then to the common state.

use std::collections::BTreeSet;

use crate::findings::Findings;
use crate::properties::{self, Invariant};
use crate::world::{Step, World};
use crate::{Record, Report, Uid};

/// What is known of faults in a run whose traces are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// There may have been some that nobody recorded, kills among them: whether anybody was excluded without need (P25)
    /// is not judged.
    Unknown,
    /// None but those recorded.
    Recorded,
}

/// Checks all properties of [`Property`](crate::Property) on the records of all processes of a run.
///
/// Only the order of the records of one process counts: those of different processes may be interleaved in any way,
/// also one whole trace after the other. P27 finds more where they come in the order of time: see
/// [`Checker::of_one_clock`].
#[derive(Debug)]
pub struct Checker {
    world: World,
    invariants: Vec<Box<dyn Invariant>>,
    findings: Findings,
}

impl Checker {
    /// A checker that has seen nothing, for a run of which everything is recorded, faults and ends included.
    pub fn new() -> Checker {
        Checker::of(World::default())
    }

    /// A checker for the traces of processes, of which some may be missing. A trace that just ends is that of a process
    /// that died; what its end lacks, and what processes without a trace did, is not judged.
    pub fn of_traces(faults: Faults) -> Checker {
        Checker::of(World::of_traces(faults == Faults::Unknown))
    }

    fn of(world: World) -> Checker {
        Checker { world, invariants: properties::all(), findings: Findings::default() }
    }

    /// One that gets the records of all processes in the order of time, as a simulator has them: what a lineage serves
    /// after another has acknowledged something is a matter of time (P27).
    pub fn of_one_clock() -> Checker {
        Checker { world: World::of_one_clock(), ..Checker::new() }
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &Record) {
        let key = self.world.enter(record);
        let step = Step::new(&self.world, key, &record.event);
        self.findings.now = Some(record.at_us);
        for invariant in &mut self.invariants {
            invariant.observe(&step, &mut self.findings);
        }
        self.world.apply(key, &record.event);
    }

    /// Judges what can only be judged at the end, and reports.
    pub fn finish(mut self) -> Report {
        self.findings.now = None;
        for invariant in &mut self.invariants {
            invariant.finish(&self.world, &mut self.findings);
        }
        let mut untold = BTreeSet::new();
        for (id, message) in self.world.messages() {
            if message.place.is_some() && self.world.is_untold(self.world.uid(id.sender)) {
                untold.insert(self.world.uid(id.sender));
            }
        }
        let note = |uid: &Uid| match self.world.find(*uid).is_some_and(|process| process.recorded) {
            true => format!("the trace of {uid} is incomplete: what follows its end is not judged"),
            false => format!("no trace of {uid}: its messages are not judged"),
        };
        self.findings.into_report(untold.iter().map(note).collect())
    }
}

impl Default for Checker {
    fn default() -> Checker {
        Checker::new()
    }
}
