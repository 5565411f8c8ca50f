//! What came of one run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gms_check::Report;

use crate::blockade::Blockade;
use crate::network::FaultCounts;
use crate::scenario::{Label, RunName};
use crate::situation::SituationCounts;

/// What happened to datagrams of a kind because they were of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Blows that fell at one.
    pub struck: u64,
    /// Lost.
    pub silenced: u64,
}

/// The same of all kinds.
pub type HitCounts = BTreeMap<Label, Hits>;

/// How a run ended, once there were no faults any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// All that live are in one view that holds nobody else, all that was sent has its outcome, and so has what each
    /// of them is made to send then.
    Converged,
    /// Too many have died for the rest to go on, and so they do not.
    Blocked,
    /// Several lineages that all have a history go on beside each other, each at rest: they arose apart, or the checker
    /// has found a breach.
    Apart,
    /// Neither: a failure.
    Neither,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Converged, Self::Blocked, Self::Apart, Self::Neither];

    /// What the closing table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Blocked => "blocked by design",
            Self::Apart => "apart",
            Self::Neither => "neither",
        }
    }
}

/// What came of one run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What the run is called: [`RunName::replay`] repeats it.
    pub name: RunName,
    /// The checker's verdict.
    pub report: Report,
    /// How it ended.
    pub ending: Ending,
    /// The state of all processes, if the run came to no end in time or a process stopped that should not have.
    pub stalled: Option<String>,
    /// Messages delivered, at all processes together.
    pub deliveries: u64,
    /// Views delivered, at all processes together.
    pub views: u64,
    /// Datagrams sent, each receiver counted.
    pub datagrams: u64,
    /// What was done to them.
    pub faults: FaultCounts,
    /// Of the kinds of datagram that were singled out.
    pub hits: HitCounts,
    /// What the run got into.
    pub situations: SituationCounts,
    /// Why nobody goes on, if so.
    pub blockade: Option<Blockade>,
    /// From the end of the faults until those that can go on were at rest; `None`: there were none, or they never were.
    pub settled: Option<Duration>,
    /// Simulated time.
    pub time: Duration,
    /// The same for the same run only.
    pub digest: u64,
}

impl RunReport {
    /// Whether every property held and the run came to its end.
    pub fn passed(&self) -> bool {
        self.report.passed() && self.stalled.is_none()
    }

    /// In one word, what is wrong: the property violated first, or `Stalled`.
    pub fn failure(&self) -> Option<String> {
        let property = self.report.violations.first().map(|violation| violation.property.to_string());
        property.or_else(|| self.stalled.as_ref().map(|_| "Stalled".to_owned()))
    }
}

/// What went wrong, or one line.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} deliveries, {} views, {} datagrams in {:.3} s, digest {:016x}",
            self.name,
            self.deliveries,
            self.views,
            self.datagrams,
            self.time.as_secs_f64(),
            self.digest
        )?;
        for violation in &self.report.violations {
            write!(f, "\n  {violation}")?;
        }
        if let Some(state) = &self.stalled {
            write!(f, "\n  Stalled: {state}")?;
        }
        Ok(())
    }
}
