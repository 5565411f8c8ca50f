//! Sending at a rate, or as much as the group takes, until told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gms::{Group, SendError};

use super::super::failover::Rate;
use super::super::orders::Stress;
use super::payload::Payloads;

/// Bytes handed over at once, at most.
const BATCH: usize = 128 << 10;
/// How often one with a rate looks what is due.
const TICK: Duration = Duration::from_millis(1);

/// One that goes on whatever happens to the group.
pub(super) struct Stream {
    group: Group,
    payloads: Payloads,
    rate: Rate,
    /// Messages handed over at once, at most.
    batch: usize,
    stop: Arc<AtomicBool>,
}

impl Stream {
    /// Sends as `stress` says until `stop` is set.
    pub(super) fn new(group: Group, payloads: Payloads, stress: Stress, stop: Arc<AtomicBool>) -> Self {
        Self { group, payloads, rate: stress.rate, batch: (BATCH / stress.size.max(16)).max(1), stop }
    }

    /// Sends until it is told to stop, and an empty message at the end; returns how many that were.
    pub(super) async fn run(self) -> Result<u64, SendError> {
        let (start, mut sent) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Acquire) {
            let due = match self.rate {
                Rate::Max => self.batch,
                Rate::PerSecond(rate) => {
                    let all = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                    all.saturating_sub(sent).min(self.batch as u64) as usize
                }
            };
            let messages = (0..due).map(|_| {
                sent += 1;
                self.payloads.message(sent)
            });
            self.group.queue_all(messages).await?;
            if self.rate != Rate::Max {
                tokio::time::sleep(TICK).await;
            }
        }
        self.group.queue(Bytes::new()).await?;
        Ok(sent + 1)
    }
}
