//! `gms-cli check`: judges trace files.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use gms_check::{Faults, Property};

use crate::failure::{Failure, Outcome};

/// Violations of one property that are shown.
const EXAMPLES: usize = 3;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// Traces of `server --trace` or `sim --replay --trace`: of all members of the group, else what the missing ones
    /// sent and accepted is not judged
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Nobody was killed, stopped or cut off, and nothing was lost: also judges whether a member was excluded without
    /// need (P25)
    #[arg(long)]
    no_faults: bool,
}

/// Prints some violations of each property, and a verdict for each.
pub(crate) fn run(flags: &CheckFlags) -> Outcome {
    let faults = if flags.no_faults { Faults::Recorded } else { Faults::Unknown };
    let report = gms_check::check_files(&flags.files, faults).map_err(Failure::usage)?;
    let mut out = stdout().lock();
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    let mut found: BTreeMap<Property, usize> = BTreeMap::new();
    for violation in &report.violations {
        let count = found.entry(violation.property).or_default();
        *count += 1;
        if *count <= EXAMPLES {
            writeln!(out, "{violation}")?;
        }
    }
    for (property, count) in found.iter().filter(|(_, count)| **count > EXAMPLES) {
        writeln!(out, "{property} {}: … and {} more", property.name(), count - EXAMPLES)?;
    }
    write!(out, "{report}")?;
    out.flush()?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
