//! How far an election has come, and how far a claim is known.

use std::collections::BTreeSet;
use std::time::Duration;

/// What a process that does not lead is doing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase<Id> {
    /// Nothing.
    Idle,
    /// It asks whether some of those above it are alive.
    Asking { number: u64, asked: BTreeSet<Id>, silent: BTreeSet<Id>, breadth: usize, again: Duration, until: Duration },
    /// It waits for the claim of one above it that is alive.
    Waiting { number: u64, answered: BTreeSet<Id>, until: Duration },
    /// It waits before it tries again.
    Backoff { until: Duration },
}

impl<Id> Phase<Id> {
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Idle => None,
            Self::Asking { again, until, .. } => Some(*again.min(until)),
            Self::Waiting { until, .. } | Self::Backoff { until } => Some(*until),
        }
    }
}

/// The own claim while not all have confirmed it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claim<Id> {
    pub(crate) unconfirmed: BTreeSet<Id>,
    pub(crate) repeats: u32,
    pub(crate) gap: Duration,
    pub(crate) at: Duration,
}
