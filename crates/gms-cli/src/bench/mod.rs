//! `gms-cli bench`: how fast a group is, and how fast it could be.
//!
//! This process starts the members as processes, tells them over their standard input what to do, reads from their
//! standard output what they measured, and compares it.

mod crew;
mod failover;
mod flags;
mod measure;
mod member;
mod orders;
mod place;
mod progress;
mod row;
mod table;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use tokio::runtime;

pub(crate) use self::flags::BenchFlags;
pub(crate) use self::member::run as run_member;

use self::crew::Crew;
use self::measure::Subject;
use self::place::Place;
use self::progress::Progress;
use self::row::Row;
use crate::failure::Outcome;

/// Measures, prints, and tells whether everything that was measured was also right.
pub(crate) fn run(flags: &BenchFlags, verbose: u8) -> Outcome {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    if flags.failover.failover {
        return runtime.block_on(failover::run(flags, verbose));
    }
    runtime.block_on(async {
        let place = Place::find(flags)?;
        let mut crew = Crew::start(flags.members(), verbose)?;
        let mut rows = Vec::new();
        let measured = tokio::select! {
            measured = measure(&mut crew, flags, &place, &mut rows) => measured,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("cannot wait for Ctrl-C").and(Err(anyhow!("interrupted")))
            }
        };
        crew.dismiss().await;
        if !flags.json && !rows.is_empty() {
            write!(stdout(), "{}", table::table(flags, &rows))?;
        }
        measured?;
        let verified = rows.iter().all(|row| row.order_verified);
        Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// One row after the other; with `--json` each is printed at once.
async fn measure(crew: &mut Crew, flags: &BenchFlags, place: &Place, rows: &mut Vec<Row>) -> Result<()> {
    let progress = Progress::new(flags);
    progress.show("joining");
    let mut subject = Subject::form(crew, flags, place).await?;
    for &size in flags.sizes() {
        let row = Row::new(flags, size, subject.measure(size, &progress).await?);
        if flags.json {
            writeln!(stdout(), "{}", serde_json::to_string(&row)?)?;
        }
        rows.push(row);
    }
    Ok(())
}
