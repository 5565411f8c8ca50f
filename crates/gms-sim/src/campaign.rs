//! The sum of many runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gms_check::{Counters, Property};

use crate::blockade::Blockade;
use crate::network::FaultCounts;
use crate::report::{Ending, HitCounts, Hits, RunReport};
use crate::scenario::RunName;
use crate::situation::{Situation, SituationCounts, add_situations};

/// The sum of many runs. Runs are independent: sum those of one thread, then add the campaigns of all threads up.
#[derive(Debug, Clone, Default)]
pub struct Campaign {
    /// Runs.
    pub seeds: u64,
    /// Simulated time.
    pub time: Duration,
    /// Messages delivered.
    pub deliveries: u64,
    /// Views delivered.
    pub views: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// What was done to them.
    pub faults: FaultCounts,
    /// Of the kinds of datagram that were singled out.
    pub hits: HitCounts,
    /// What the runs got into.
    pub situations: SituationCounts,
    /// How often each property was exercised.
    pub counters: Counters,
    /// Violations of each property.
    pub violations: BTreeMap<Property, u64>,
    /// The run that took longest to come to rest once the faults were over: how long, and its name.
    pub slowest: Option<(Duration, RunName)>,
    /// How the runs ended.
    pub endings: BTreeMap<Ending, u64>,
    /// Why nobody could go on, of those that ended so.
    pub blockades: BTreeMap<Blockade, u64>,
    /// The runs that failed, and how.
    pub failed: BTreeMap<RunName, String>,
}

impl Campaign {
    /// Nothing run yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one run.
    pub fn add(&mut self, run: &RunReport) {
        let mut violations = BTreeMap::new();
        for violation in &run.report.violations {
            *violations.entry(violation.property).or_default() += 1;
        }
        self.merge(&Self {
            seeds: 1,
            time: run.time,
            deliveries: run.deliveries,
            views: run.views,
            datagrams: run.datagrams,
            faults: run.faults.clone(),
            hits: run.hits.clone(),
            situations: run.situations.clone(),
            counters: run.report.counters.clone(),
            violations,
            slowest: run.settled.map(|settled| (settled, run.name)),
            endings: BTreeMap::from([(run.ending, 1)]),
            blockades: run.blockade.map(|blockade| (blockade, 1)).into_iter().collect(),
            failed: run.failure().map(|failure| (run.name, failure)).into_iter().collect(),
        });
    }

    /// Adds the runs of another campaign.
    pub fn merge(&mut self, other: &Campaign) {
        self.seeds += other.seeds;
        self.time += other.time;
        self.deliveries += other.deliveries;
        self.views += other.views;
        self.datagrams += other.datagrams;
        add_counts(&mut self.faults, &other.faults);
        for (label, hits) in &other.hits {
            let sum = self.hits.entry(label).or_default();
            (sum.struck, sum.silenced) = (sum.struck + hits.struck, sum.silenced + hits.silenced);
        }
        add_situations(&mut self.situations, &other.situations);
        self.counters += &other.counters;
        for (property, count) in &other.violations {
            *self.violations.entry(*property).or_default() += count;
        }
        for (blockade, count) in &other.blockades {
            *self.blockades.entry(*blockade).or_default() += count;
        }
        self.slowest = self.slowest.max(other.slowest);
        for (ending, count) in &other.endings {
            *self.endings.entry(*ending).or_default() += count;
        }
        self.failed.extend(other.failed.iter().map(|(name, failure)| (*name, failure.clone())));
    }

    /// Whether no run failed.
    pub fn passed(&self) -> bool {
        self.failed.is_empty()
    }
}

fn add_counts(to: &mut FaultCounts, from: &FaultCounts) {
    for (kind, count) in from {
        *to.entry(kind).or_default() += count;
    }
}

/// The closing table.
impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.time.as_secs_f64() / 3600.0;
        writeln!(f, "{:<24}{:>14}", "seeds", self.seeds)?;
        writeln!(f, "{:<24}{hours:>14.2}", "simulated hours")?;
        for (name, count) in
            [("datagrams", self.datagrams), ("deliveries", self.deliveries), ("views delivered", self.views)]
        {
            writeln!(f, "{name:<24}{count:>14}")?;
        }
        writeln!(f, "\n{:<24}{:>14}", "fault", "times")?;
        for (kind, count) in &self.faults {
            writeln!(f, "{kind:<24}{count:>14}")?;
        }
        writeln!(f, "\n{:<24}{:>14}{:>10}", "singled out", "struck", "lost")?;
        for (label, Hits { struck, silenced }) in &self.hits {
            writeln!(f, "{label:<24}{struck:>14}{silenced:>10}")?;
        }
        writeln!(f, "\n{:<24}{:>14}", "situation", "times")?;
        for situation in Situation::ALL {
            let count = self.situations.get(&situation).copied().unwrap_or(0);
            writeln!(f, "{:<24}{count:>14}", situation.name())?;
        }
        writeln!(f, "\n{:<5}{:<33}{:>11}{:>14}", "", "property", "violations", "exercised")?;
        for property in Property::ALL {
            let violations = self.violations.get(&property).copied().unwrap_or(0);
            let exercised = self.counters.exercised(property);
            write!(f, "{:<5}{:<33}{violations:>11}{exercised:>14}", property.id(), property.name())?;
            for (part, count) in self.counters.parts(property) {
                write!(f, "  {part} {count}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n{:<24}{:>14}", "end", "runs")?;
        for ending in Ending::ALL {
            writeln!(f, "{:<24}{:>14}", ending.name(), self.endings.get(&ending).copied().unwrap_or(0))?;
            for blockade in Blockade::ALL.iter().filter(|_| ending == Ending::Blocked) {
                writeln!(f, "{:<24}{:>14}", blockade.name(), self.blockades.get(blockade).copied().unwrap_or(0))?;
            }
        }
        if let Some((settled, name)) = self.slowest {
            writeln!(f, "{:<24}{:>12.2} s  seed {name}", "at rest within", settled.as_secs_f64())?;
        }
        for (name, failure) in &self.failed {
            writeln!(f, "failed: seed {name}, {failure}; {}", name.replay())?;
        }
        Ok(())
    }
}
