//! Many seeds on all cores.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use gms_sim::{Campaign, RunReport, Scenario};

use super::seeds::Seeds;
use crate::failure::Outcome;

/// How often the progress is shown.
const EVERY: Duration = Duration::from_millis(200);

/// What became of a seed.
struct Done {
    seed: u64,
    /// Nothing when the run panicked.
    report: Option<RunReport>,
}

/// Runs all, prints what fails as it fails, and the sum.
pub(super) fn run(seeds: Seeds) -> Outcome {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let count = (seeds.last - seeds.first).saturating_add(1);
    let (next, (sender, finished)) = (AtomicU64::new(0), mpsc::sync_channel(64));
    let (mut campaign, mut panicked) = (Campaign::new(), 0_u64);
    let mut progress = Progress::new(count);
    thread::scope(|scope| -> std::io::Result<()> {
        // Gone before the scope waits for the threads, so that they stop when printing fails.
        let finished = finished;
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(seeds, count, next, &sender));
        }
        drop(sender);
        for Done { seed, report } in &finished {
            match &report {
                Some(report) => {
                    campaign.add(report);
                    if !report.passed() {
                        progress.clear();
                        writeln!(stdout(), "{report}\n  replay: {}", replay(seed))?;
                    }
                }
                None => {
                    panicked += 1;
                    progress.clear();
                    writeln!(stdout(), "seed {seed}: panicked\n  replay: {}", replay(seed))?;
                }
            }
            progress.step(campaign.failed.len() as u64 + panicked);
        }
        Ok(())
    })?;
    progress.clear();
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
        let seed = seeds.first + index;
        let report = catch_unwind(|| gms_sim::run(&Scenario::draw(seed))).ok();
        if finished.send(Done { seed, report }).is_err() {
            return;
        }
    }
}

fn replay(seed: u64) -> String {
    format!("gms-cli sim --replay {seed}")
}

/// A line that is written over and over, if somebody watches.
struct Progress {
    watched: bool,
    done: u64,
    count: u64,
    shown: Option<Instant>,
}

impl Progress {
    fn new(count: u64) -> Self {
        Self { watched: stderr().is_terminal(), done: 0, count, shown: None }
    }

    fn step(&mut self, failed: u64) {
        self.done += 1;
        if self.watched && self.shown.is_none_or(|at| at.elapsed() > EVERY) {
            self.shown = Some(Instant::now());
            let _ = write!(stderr(), "\r\x1b[K{} of {} seeds, {failed} failed", self.done, self.count);
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
