//! What is left of a run that fails.

use std::io::{Write, stdout};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use gms_sim::{RunName, Scenario};
use indicatif::{ProgressBar, ProgressStyle};

use super::scenario_words::scenario_in_words;
use crate::failure::Outcome;

/// Makes the scenario of `name` smaller as long as it fails in the same way, and prints what is left and how it fails.
pub(super) fn run(name: RunName) -> Outcome {
    let scenario = name.scenario();
    let Some(failure) = failure(&scenario) else {
        writeln!(stdout(), "seed {name} passes: there is nothing to shrink")?;
        return Ok(ExitCode::SUCCESS);
    };
    let style =
        ProgressStyle::with_template("{spinner} {elapsed}: {pos} scenarios tried").expect("the template is right");
    let bar = ProgressBar::no_length().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let least = gms_sim::shrink(&scenario, &mut |smaller| {
        bar.inc(1);
        self::failure(smaller).as_ref() == Some(&failure)
    });
    bar.finish_and_clear();
    let mut out = stdout().lock();
    for line in scenario_in_words(&least) {
        writeln!(out, "{line}")?;
    }
    match catch_unwind(|| gms_sim::run(&least)) {
        Ok(report) => writeln!(out, "{report}")?,
        Err(_) => writeln!(out, "{failure}")?,
    }
    Ok(ExitCode::FAILURE)
}

/// In one word, how a scenario fails.
fn failure(scenario: &Scenario) -> Option<String> {
    catch_unwind(|| gms_sim::run(scenario)).map_or(Some("panicked".to_owned()), |report| report.failure())
}
