//! How long, and from which seed.

use std::str::FromStr;
use std::time::Duration;

/// As the environment says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long faults are injected; what was begun then is brought to its end.
    pub(crate) lasts: Duration,
    /// Of everything that is drawn.
    pub(crate) seed: u64,
}

impl Settings {
    /// `GMS_CHAOS_MINUTES` (2, fractions too) and `GMS_CHAOS_SEED` (1).
    pub(crate) fn of_environment() -> Self {
        let minutes: f64 = variable("GMS_CHAOS_MINUTES", 2.0);
        let lasts = Duration::try_from_secs_f64(minutes * 60.0).expect("GMS_CHAOS_MINUTES is a number of minutes");
        Self { lasts, seed: variable("GMS_CHAOS_SEED", 1) }
    }
}

fn variable<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}
