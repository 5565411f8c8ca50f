//! One run again, with everything that happens.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use gms_check::Record;
use gms_sim::{Passage, RunName, Watcher};

use super::diagram::Diagram;
use super::record_words::in_words;
use super::scenario_words::scenario_in_words;
use crate::failure::Outcome;

/// Prints the scenario, every record, the `last` steps before the failure, or the end, as a diagram, and what was
/// found; writes the records to `trace` too.
pub(super) fn run(name: RunName, trace: Option<&Path>, last: usize) -> Outcome {
    let file = trace.map(TraceFile::create).transpose()?;
    let scenario = name.scenario();
    let mut out = BufWriter::new(stdout().lock());
    for line in scenario_in_words(&scenario) {
        writeln!(out, "{line}")?;
    }
    let mut printer = Printer { out, file, diagram: Diagram::default(), failed: Ok(()) };
    let report = gms_sim::run_watched(&scenario, &mut printer);
    let Printer { mut out, file, diagram, failed } = printer;
    failed?;
    if let Some(file) = file {
        file.close()?;
    }
    let until = report.report.violations.first().and_then(|violation| violation.at_us);
    for line in diagram.lines(last, until) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{report}")?;
    out.flush()?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what it sees, until that fails.
struct Printer<'a, W> {
    out: W,
    file: Option<TraceFile<'a>>,
    diagram: Diagram,
    failed: Result<()>,
}

impl<W: Write> Printer<'_, W> {
    fn print(&mut self, record: &Record) -> Result<()> {
        if let Some(line) = in_words(record) {
            writeln!(self.out, "{line}")?;
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write(record))
    }
}

impl<W: Write> Watcher for Printer<'_, W> {
    fn record(&mut self, record: &Record, place: Option<usize>) {
        self.diagram.record(record, place);
        if self.failed.is_ok() {
            self.failed = self.print(record);
        }
    }

    fn passage(&mut self, passage: &Passage) {
        self.diagram.passage(passage);
    }

    fn wants_passages(&self) -> bool {
        true
    }
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
