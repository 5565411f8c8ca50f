//! One seed again, with everything that happens.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use gms_check::Record;
use gms_sim::Scenario;

use super::record_words::in_words;
use super::scenario_words::scenario_in_words;
use crate::failure::Outcome;

/// Prints the scenario, every record, and what was found; writes the records to `trace` too.
pub(super) fn run(seed: u64, trace: Option<&Path>) -> Outcome {
    let mut file = trace.map(TraceFile::create).transpose()?;
    let scenario = Scenario::draw(seed);
    let mut out = BufWriter::new(stdout().lock());
    for line in scenario_in_words(&scenario) {
        writeln!(out, "{line}")?;
    }
    let mut failed = Ok(());
    let report = gms_sim::run_with_trace(&scenario, &mut |record| {
        if let (Ok(()), Some(line)) = (&failed, in_words(record)) {
            failed = writeln!(out, "{line}").map_err(anyhow::Error::from);
        }
        if let (Ok(()), Some(file)) = (&failed, &mut file) {
            failed = file.write(record);
        }
    });
    failed?;
    if let Some(file) = file {
        file.close()?;
    }
    writeln!(out, "{report}")?;
    out.flush()?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The trace as JSON lines.
struct TraceFile<'a> {
    path: &'a Path,
    out: BufWriter<File>,
}

impl<'a> TraceFile<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let file = File::create(path).with_context(|| cannot_write(path))?;
        Ok(Self { path, out: BufWriter::new(file) })
    }

    fn write(&mut self, record: &Record) -> Result<()> {
        serde_json::to_writer(&mut self.out, record).with_context(|| cannot_write(self.path))?;
        self.out.write_all(b"\n").with_context(|| cannot_write(self.path))
    }

    fn close(mut self) -> Result<()> {
        self.out.flush().with_context(|| cannot_write(self.path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write the trace {}", path.display())
}
