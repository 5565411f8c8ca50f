//! Reading what the group delivers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gms::{Event, Events};
use hdrhistogram::Histogram;

use super::ledger::Ledger;

/// Reads and keeps the ledger of one measurement.
pub(super) struct Reader<'a> {
    /// Number of this member.
    id: u64,
    events: &'a mut Events,
    pub(super) ledger: Ledger,
}

impl<'a> Reader<'a> {
    /// For member `id` of so many.
    pub(super) fn new(id: u64, members: usize, events: &'a mut Events) -> Self {
        Self { id, events, ledger: Ledger::new(members) }
    }

    /// Waits for the next batch; `own` is called with the number of each own message in it, and when it came.
    pub(super) async fn batch(&mut self, mut own: impl FnMut(u64, Instant)) -> Result<Instant> {
        let batch = self.events.next_batch().await.context("the membership ended")?;
        let now = Instant::now();
        for event in batch {
            match event {
                Event::Message(message) => {
                    self.ledger.add(&message);
                    if message.sender.node.0 == self.id {
                        own(message.sseq, now);
                    }
                }
                Event::View(change) => bail!("the group changed during the measurement: {}", change.view),
                Event::Blocked(why) => tracing::warn!(member = self.id, "blocked: {why}"),
                Event::Broken(why) => bail!("stopped: {why}"),
                Event::Excluded => bail!("excluded by the others: is the host too busy?"),
                _ => {}
            }
        }
        Ok(now)
    }
}

/// How long messages took.
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(histogram())
    }

    /// One more.
    pub(super) fn add(&mut self, latency: Duration) {
        self.0.saturating_record(latency.as_nanos() as u64);
    }

    /// How many.
    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    /// Nanoseconds, and how often each.
    pub(super) fn counts(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }
}

/// An empty one: nanoseconds up to a minute, to a thousandth.
pub(in crate::bench) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds fit each other")
}
