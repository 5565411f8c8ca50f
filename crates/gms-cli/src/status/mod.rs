//! `gms-cli status`: every server with its own view of the group, side by side.

mod survey;
mod table;
mod verdict;

use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

pub(crate) use self::survey::{Row, Survey, survey};
pub(crate) use self::verdict::State;
use crate::color::{ColorFlags, Palette};
use crate::contact::{ContactFlags, runtime};
use crate::failure::{Failure, Outcome};

/// To the top left corner, and nothing is left on the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 serving, 1 split, 2 usage, 3 none, 4 blocked")]
pub(crate) struct StatusFlags {
    /// Asks again and again, after so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    watch: Option<f64>,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    color: ColorFlags,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Asks once, or until it is interrupted.
pub(crate) fn run(flags: &StatusFlags) -> Outcome {
    let runtime = runtime()?;
    let pause = match flags.watch.map(Duration::try_from_secs_f64) {
        None => return runtime.block_on(once(flags)),
        Some(Ok(pause)) if !pause.is_zero() => pause,
        Some(_) => return Err(Failure::usage(anyhow!("--watch wants the seconds in between, more than 0"))),
    };
    runtime.block_on(async {
        loop {
            let survey = survey(&flags.contact).await?;
            if stdout().is_terminal() && !flags.json {
                print!("{CLEAR}");
            }
            print(flags, &survey)?;
            tokio::time::sleep(pause).await;
        }
    })
}

async fn once(flags: &StatusFlags) -> Outcome {
    let survey = survey(&flags.contact).await?;
    print(flags, &survey)?;
    Ok(ExitCode::from(survey.state.code()))
}

fn print(flags: &StatusFlags, survey: &Survey) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    let palette: Palette = flags.color.palette();
    if flags.json {
        serde_json::to_writer(&mut out, survey)?;
        writeln!(out)?;
    } else {
        table::write(&mut out, survey, palette)?;
    }
    Ok(out.flush()?)
}
