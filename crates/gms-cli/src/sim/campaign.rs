//! Many seeds on all cores.

use std::io::{Write, stdout};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use gms_sim::{Campaign, RunName, RunReport};
use indicatif::{ProgressBar, ProgressStyle};

use super::seeds::Seeds;
use crate::failure::Outcome;

/// What became of a run.
struct Done {
    name: RunName,
    /// Nothing when the run panicked.
    report: Option<RunReport>,
}

/// Runs all, prints what fails as it fails, and the sum.
pub(super) fn run(seeds: Seeds) -> Outcome {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let count = (seeds.last - seeds.first).saturating_add(1);
    let (next, (sender, finished)) = (AtomicU64::new(0), mpsc::sync_channel(64));
    let (mut campaign, mut panicked) = (Campaign::new(), 0_u64);
    let bar = progress(count);
    thread::scope(|scope| -> std::io::Result<()> {
        // Gone before the scope waits for the threads, so that they stop when printing fails.
        let finished = finished;
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(seeds, count, next, &sender));
        }
        drop(sender);
        for Done { name, report } in &finished {
            let failure = match &report {
                Some(report) => {
                    campaign.add(report);
                    (!report.passed()).then(|| report.to_string())
                }
                None => {
                    panicked += 1;
                    Some(format!("seed {name}: panicked"))
                }
            };
            if let Some(failure) = failure {
                bar.suspend(|| writeln!(stdout(), "{failure}\n  replay: {}", name.replay()))?;
                bar.set_message(format!(", {} failed", campaign.failed.len() as u64 + panicked));
            }
            bar.inc(1);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    write!(stdout(), "{campaign}")?;
    if panicked > 0 {
        writeln!(stdout(), "panicked: {panicked}")?;
    }
    Ok(if campaign.passed() && panicked == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn work(seeds: Seeds, count: u64, next: &AtomicU64, finished: &mpsc::SyncSender<Done>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            return;
        }
        let scenario = seeds.name(seeds.first + index).scenario();
        let report = catch_unwind(|| gms_sim::run(&scenario)).ok();
        if finished.send(Done { name: scenario.name, report }).is_err() {
            return;
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(count: u64) -> ProgressBar {
    let template = "[{bar:40}] {pos} of {len} seeds, {per_sec}, {eta} left{msg}";
    let style = ProgressStyle::with_template(template).expect("the template is right").progress_chars("=> ");
    ProgressBar::new(count).with_style(style)
}
