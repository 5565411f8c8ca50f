//! How far a bench is, on standard error; nothing when that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::flags::BenchFlags;

/// Measurements of each repeat: ceiling, load, idle.
const KINDS: u64 = 3;

/// A bar that goes away at the end.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// At the beginning.
    pub(super) fn new(flags: &BenchFlags) -> Self {
        let steps = flags.sizes().len() as u64 * u64::from(flags.repeats) * KINDS;
        let planned = steps as f64 * (flags.seconds + flags.warm_up);
        let style = ProgressStyle::with_template(&format!("[{{bar:30}}] {{elapsed}} of about {planned:.0}s: {{msg}}"));
        let bar = ProgressBar::new(steps).with_style(style.expect("the template is right").progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_secs(1));
        Self(bar)
    }

    /// What is measured now.
    pub(super) fn show(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// One measurement more is over; `what` comes next.
    pub(super) fn advance(&self, what: &str) {
        self.show(what);
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
