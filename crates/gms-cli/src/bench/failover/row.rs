//! The figures of one setting.

use std::time::Duration;

use serde::Serialize;

use super::Setting;
use super::flags::{Fault, Rate};
use super::trial::Trial;
use crate::level::LevelName;

/// Also the JSON output. Of each trial counts the member for which it took longest; times are in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) members: u64,
    pub(super) fault: Fault,
    /// Messages per second of each member.
    pub(super) rate: Rate,
    /// Bytes of payload of each message.
    pub(super) size: u32,
    pub(super) level: LevelName,
    pub(super) trials: usize,
    /// Longest time without a delivery while nothing happened: the median of the trials.
    pub(super) usual_pause_ms: f64,
    /// The same around the end of the leader: half of the trials, and the worst.
    pub(super) pause_p50_ms: f64,
    pub(super) pause_worst_ms: f64,
    /// From the end of the leader to the view without it.
    pub(super) view_p50_ms: f64,
    pub(super) view_worst_ms: f64,
    /// From SIGCONT to one view of all, for a leader that was stopped.
    pub(super) rejoin_p50_ms: Option<f64>,
    pub(super) rejoin_worst_ms: Option<f64>,
    /// In all trials together: messages that were reported as ordered and are missing somewhere.
    pub(super) lost: u64,
    pub(super) duplicates: u64,
    /// Messages that came before an earlier one of their sender.
    pub(super) out_of_order: u64,
    /// The first thing that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

impl Row {
    /// Of all trials of a setting; there is one.
    pub(super) fn new(setting: &Setting, trials: &[Trial]) -> Self {
        let Setting { members, fault, rate, size, level } = *setting;
        let times = |time: fn(&Trial) -> Duration| median_and_worst(trials.iter().map(time));
        let (pause, view) = (times(|trial| trial.pause), times(|trial| trial.view));
        let rejoins: Vec<Duration> = trials.iter().filter_map(|trial| trial.rejoin).collect();
        let rejoin = (!rejoins.is_empty()).then(|| median_and_worst(rejoins.into_iter()));
        let sum = |count: fn(&Trial) -> u64| trials.iter().map(count).sum();
        Self {
            members,
            fault,
            rate,
            size,
            level,
            trials: trials.len(),
            usual_pause_ms: times(|trial| trial.usual).0,
            pause_p50_ms: pause.0,
            pause_worst_ms: pause.1,
            view_p50_ms: view.0,
            view_worst_ms: view.1,
            rejoin_p50_ms: rejoin.map(|(p50, _)| p50),
            rejoin_worst_ms: rejoin.map(|(_, worst)| worst),
            lost: sum(|trial| trial.verdict.lost),
            duplicates: sum(|trial| trial.verdict.duplicates),
            out_of_order: sum(|trial| trial.verdict.out_of_order),
            why: trials.iter().find_map(|trial| trial.verdict.why.clone()),
        }
    }

    /// Whether nothing was wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.why.is_none()
    }
}

/// In milliseconds, to a tenth. Of an even number the later of the two in the middle.
fn median_and_worst(times: impl Iterator<Item = Duration>) -> (f64, f64) {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let millis = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    (millis(times[times.len() / 2]), millis(times[times.len() - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_trials_are_no_worse_than_the_median() {
        let of = |millis: &[u64]| median_and_worst(millis.iter().map(|millis| Duration::from_millis(*millis)));
        assert_eq!(of(&[9, 1, 5]), (5.0, 9.0));
        assert_eq!(of(&[9, 1, 5, 7]), (7.0, 9.0));
        assert_eq!(of(&[2]), (2.0, 2.0));
    }
}
