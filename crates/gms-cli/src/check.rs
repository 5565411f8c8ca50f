//! `gms-cli check`: judges trace files.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::failure::{Failure, Outcome};

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// Traces of `server --trace` or `sim --replay --trace`: of all members of the group, else messages of the missing
    /// ones look as if nobody had sent them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints every violation and a verdict for each property.
pub(crate) fn run(flags: &CheckFlags) -> Outcome {
    let report = gms_check::check_files(&flags.files).map_err(Failure::usage)?;
    let mut out = stdout().lock();
    for violation in &report.violations {
        writeln!(out, "{violation}")?;
    }
    write!(out, "{report}")?;
    out.flush()?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
