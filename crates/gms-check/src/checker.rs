//! The checker: hands each record to every property, then to the common state.

use crate::findings::Findings;
use crate::properties::{self, Invariant};
use crate::world::{Step, World};
use crate::{Record, Report};

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
    /// A checker that has seen nothing.
    pub fn new() -> Checker {
        Checker { world: World::default(), invariants: properties::all(), findings: Findings::default() }
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
        self.findings.into_report()
    }
}

impl Default for Checker {
    fn default() -> Checker {
        Checker::new()
    }
}
