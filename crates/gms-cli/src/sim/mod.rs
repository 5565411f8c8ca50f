//! `gms-cli sim`: groups in simulated time.

mod campaign;
mod record_words;
mod replay;
mod scenario_words;
mod seeds;

use std::path::PathBuf;

use clap::Args;

use self::seeds::Seeds;
use crate::failure::Outcome;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct SimFlags {
    #[command(flatten)]
    what: What,

    /// Writes the trace of the replay, for `gms-cli check`
    #[arg(long, value_name = "FILE", requires = "replay", conflicts_with = "seeds")]
    trace: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Runs these, the last one included, on all cores; or a single one
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,

    /// Runs one again and prints what it is and everything that happens
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
}

/// Runs what was asked for.
pub(crate) fn run(flags: &SimFlags) -> Outcome {
    match (flags.what.seeds, flags.what.replay) {
        (Some(seeds), _) => campaign::run(seeds),
        (None, seed) => replay::run(seed.unwrap_or_default(), flags.trace.as_deref()),
    }
}
