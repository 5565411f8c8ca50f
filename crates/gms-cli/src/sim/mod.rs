//! `gms-cli sim`: groups in simulated time.

mod campaign;
mod diagram;
mod lies;
mod record_words;
mod replay;
mod scenario_words;
mod seeds;
mod shrink;

use std::path::PathBuf;

use clap::Args;
use gms_sim::RunName;

use self::seeds::Seeds;
use crate::failure::Outcome;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct SimFlags {
    #[command(flatten)]
    what: What,

    /// Writes the trace of the replay, for `gms-cli check`
    #[arg(long, value_name = "FILE", requires = "replay", conflicts_with_all = ["seeds", "shrink"])]
    trace: Option<PathBuf>,

    /// The first group of the lies: what is told to each is drawn from its number
    #[arg(long, value_name = "S", requires = "lies", conflicts_with_all = ["seeds", "shrink", "replay"], default_value_t = 1)]
    seed: u64,

    /// How many steps the diagram at the end of the replay shows
    #[arg(long, value_name = "N", requires = "replay", conflicts_with_all = ["seeds", "shrink"], default_value_t = 60)]
    last: usize,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Runs these, the last one included, on all cores; or a single one. With an m, an i, an l or a b before it they are of
    /// that kind, as l1..l200
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,

    /// Runs one again and prints what it is and everything that happens. NAME is a seed, as 17; with an m before it
    /// processes may die, with an i none does, with an l more than one lineage may arise, with a b none
    /// dies, but not all gets through; behind it -followers leaves
    /// out what happens to a leader, -plain what operators choose and order and the newest faults, -unwatched the
    /// directory
    #[arg(long, value_name = "NAME")]
    replay: Option<RunName>,

    /// Leaves out of one that fails what does not matter, and prints the rest
    #[arg(long, value_name = "NAME")]
    shrink: Option<RunName>,

    /// Tells so many lies to groups of three, on all cores: what strangers and members should never say. They must
    /// change nothing, and end nobody but the liar
    #[arg(long, value_name = "N")]
    lies: Option<u64>,
}

/// Runs what was asked for.
pub(crate) fn run(flags: &SimFlags) -> Outcome {
    let What { seeds, replay, shrink, lies } = flags.what;
    match (seeds, replay, shrink, lies) {
        (Some(seeds), ..) => campaign::run(seeds),
        (_, Some(name), ..) => replay::run(name, flags.trace.as_deref(), flags.last),
        (_, _, Some(name), _) => shrink::run(name),
        (_, _, _, Some(count)) => lies::run(flags.seed, count),
        (None, None, None, None) => unreachable!("one of them is required"),
    }
}
