//! `gms-cli bench --failover`: what members notice when their leader ends, with all of them sending.
//!
//! Each trial has a group of its own. Nothing is estimated: every member times its own deliveries, and in the end all
//! that was reported as ordered has to be with everybody who is left.

mod flags;
mod row;
mod table;
mod trial;
mod verdict;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

pub(in crate::bench) use self::flags::{FailoverFlags, Rate};

use self::flags::Fault;
use self::row::Row;
use super::BenchFlags;
use super::crew::Crew;
use super::place::Place;
use crate::failure::Outcome;
use crate::level::LevelName;

/// Groups of these sizes, unless the flags say another.
const MEMBERS: [u64; 2] = [3, 5];
/// Bytes of the messages, unless the flags say others.
const SIZE: u32 = 100;

/// What is done again and again.
#[derive(Debug, Clone, Copy)]
struct Setting {
    members: u64,
    fault: Fault,
    rate: Rate,
    /// Bytes of a message.
    size: u32,
    level: LevelName,
}

/// Measures, prints, and tells whether nothing was lost, repeated or out of order.
pub(super) async fn run(flags: &BenchFlags, verbose: u8) -> Outcome {
    // What is wrong with the place is not found out in the middle.
    Place::find(flags)?;
    let mut rows = Vec::new();
    let measured = tokio::select! {
        measured = measure(flags, verbose, &mut rows) => measured,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot wait for Ctrl-C").and(Err(anyhow!("interrupted")))
        }
    };
    if !flags.json && !rows.is_empty() {
        write!(stdout(), "{}", table::table(&rows))?;
    }
    measured?;
    Ok(if rows.iter().all(Row::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One row after the other; with `--json` each is printed at once.
async fn measure(flags: &BenchFlags, verbose: u8, rows: &mut Vec<Row>) -> Result<()> {
    let settings = settings(flags);
    let trials = flags.failover.trials;
    let progress = progress(settings.len() as u64 * u64::from(trials));
    for setting in settings {
        let mut results = Vec::new();
        for number in 1..=trials {
            let Setting { members, fault, rate, size, .. } = setting;
            let what =
                format!("{members} members, {fault:?}, {size} B at {rate}/s, {number} of {trials}").to_lowercase();
            progress.set_message(what.clone());
            let place = Place::find(flags).map_err(crate::failure::Failure::into_error)?;
            let mut crew = Crew::start(members, verbose)?;
            let result = trial::run(&mut crew, &setting, &place, flags.insecure).await.context(what);
            crew.dismiss().await;
            results.push(result?);
            progress.inc(1);
        }
        let row = Row::new(&setting, &results);
        if flags.json {
            writeln!(stdout(), "{}", serde_json::to_string(&row)?)?;
        }
        rows.push(row);
    }
    progress.finish_and_clear();
    Ok(())
}

/// Every combination of what the flags name.
fn settings(flags: &BenchFlags) -> Vec<Setting> {
    let members = flags.members.map_or_else(|| MEMBERS.to_vec(), |members| vec![members]);
    let sizes = if flags.size.is_empty() { vec![SIZE] } else { flags.size.clone() };
    let level = flags.level.unwrap_or(LevelName::Uniform);
    let mut settings = Vec::new();
    for members in members {
        for &fault in &flags.failover.fault {
            for &rate in &flags.failover.rate {
                settings.extend(sizes.iter().map(|&size| Setting { members, fault, rate, size, level }));
            }
        }
    }
    settings
}

/// A bar on standard error, which goes away at the end; nothing when that is no terminal.
fn progress(trials: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:30}] {elapsed}, {eta} left: {msg}").expect("the template is right");
    let bar = ProgressBar::new(trials).with_style(style.progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
