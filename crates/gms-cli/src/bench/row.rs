//! The figures of one size.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::flags::{BenchFlags, Senders};
use super::measure::Samples;
use crate::level::LevelName;

/// Also the JSON output. Each figure is the median of the repeats.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Bytes of payload of each message.
    pub(super) size: u32,
    pub(super) members: u64,
    pub(super) senders: Senders,
    pub(super) level: LevelName,
    pub(super) repeats: u32,
    /// Of each measurement.
    pub(super) seconds: f64,
    /// Delivered at each member, under load.
    pub(super) messages_per_second: u64,
    /// The worst and the best repeat.
    pub(super) messages_per_second_min: u64,
    pub(super) messages_per_second_max: u64,
    /// Of payload, at each member; a megabyte has 1,000,000 bytes.
    pub(super) megabytes_per_second: f64,
    /// From send to own delivery, under load; `None` when no message was timed.
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p999_us: Option<f64>,
    /// The same for a follower that sends one message at a time in an idle group.
    pub(super) idle_p50_us: Option<f64>,
    pub(super) idle_p99_us: Option<f64>,
    /// What datagrams alone carry to each receiver: 100 %.
    pub(super) ceiling_messages_per_second: u64,
    pub(super) ceiling_percent: f64,
    /// Whether all members delivered all that was sent, once, in one order.
    pub(super) order_verified: bool,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

impl Row {
    /// Of messages of `size` bytes.
    pub(super) fn new(flags: &BenchFlags, size: u32, samples: Samples) -> Self {
        let rate = median(&samples.per_second);
        let ceiling = median(&samples.ceiling);
        let quantile = |runs: &[Histogram<u64>], quantile: f64| {
            let timed = runs.iter().filter(|run| !run.is_empty());
            let nanoseconds: Vec<f64> = timed.map(|run| run.value_at_quantile(quantile) as f64).collect();
            (!nanoseconds.is_empty()).then(|| tenths(median(&nanoseconds) / 1e3))
        };
        let rates = samples.per_second.iter().copied();
        Self {
            size,
            members: flags.members(),
            senders: flags.senders,
            level: flags.level(),
            repeats: flags.repeats,
            seconds: flags.seconds,
            messages_per_second: rate as u64,
            messages_per_second_min: rates.clone().fold(f64::INFINITY, f64::min) as u64,
            messages_per_second_max: rates.fold(0.0, f64::max) as u64,
            megabytes_per_second: tenths(rate * f64::from(size) / 1e6),
            p50_us: quantile(&samples.loaded, 0.5),
            p99_us: quantile(&samples.loaded, 0.99),
            p999_us: quantile(&samples.loaded, 0.999),
            idle_p50_us: quantile(&samples.idle, 0.5),
            idle_p99_us: quantile(&samples.idle, 0.99),
            ceiling_messages_per_second: ceiling as u64,
            ceiling_percent: tenths(rate / ceiling * 100.0),
            order_verified: samples.why.is_none(),
            why: samples.why,
        }
    }

    /// How far the repeats lie apart, in percent of the median.
    pub(super) fn spread_percent(&self) -> f64 {
        let apart = self.messages_per_second_max - self.messages_per_second_min;
        apart as f64 / self.messages_per_second as f64 * 100.0
    }
}

/// The one in the middle, or between the two there.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median(&[5.0]), 5.0);
    }
}
