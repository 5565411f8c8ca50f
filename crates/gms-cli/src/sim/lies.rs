//! Lies on all cores.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use gms_core::Planted;
use gms_sim::lies::{Lies, lie};

use crate::failure::Outcome;

/// Tells at least so many lies, to groups from number `first` on; prints what fails as it fails, and the sum.
pub(super) fn run(first: u64, count: u64) -> Outcome {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let (next, (sender, finished)) = (AtomicU64::new(first), mpsc::sync_channel(64));
    let mut all = Lies::default();
    thread::scope(|scope| -> std::io::Result<()> {
        // Gone before the scope waits for the threads, so that they stop when enough is told.
        let finished = finished;
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(
                move || while sender.send(lie(next.fetch_add(1, Ordering::Relaxed), Planted::default())).is_ok() {},
            );
        }
        drop(sender);
        while all.told < count {
            let Ok(lies) = finished.recv() else { break };
            for failure in &lies.failures {
                writeln!(stdout(), "{failure}\n  again: gms-cli sim --lies 1 --seed {}", number(failure))?;
            }
            all.add(lies);
        }
        Ok(())
    })?;
    write!(stdout(), "{all}")?;
    Ok(if all.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The number of the group, with which a failure begins.
fn number(failure: &str) -> &str {
    failure.trim_start_matches("seed ").split(':').next().unwrap_or_default()
}
