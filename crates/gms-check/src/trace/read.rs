//! Trace files.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{Event, Record, Uid};
use crate::{Checker, Faults, Report};

/// A trace file that cannot be read. Nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened or read.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{}:{line}: {source}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Reads JSON Lines files one after the other. A last line that lacks its newline and is no record was cut off by a
/// crash, or by a full disk: the record [`Event::Incomplete`] of the process of the one before takes its place. Empty
/// lines are left out.
pub fn read_traces<P: AsRef<Path>>(paths: &[P]) -> Traces {
    let mut rest: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
    rest.reverse();
    Traces { rest, open: None, text: Vec::new() }
}

/// Reads trace files, each with the records of one process or of several, and checks every property on them as
/// [`Checker::of_traces`] does.
pub fn check_files<P: AsRef<Path>>(paths: &[P], faults: Faults) -> Result<Report, TraceError> {
    let mut checker = Checker::of_traces(faults);
    for record in read_traces(paths) {
        checker.record(&record?);
    }
    Ok(checker.finish())
}

/// The records of some trace files: see [`read_traces`].
#[derive(Debug)]
pub struct Traces {
    /// Files still to be opened, the next one last.
    rest: Vec<PathBuf>,
    open: Option<Open>,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    file: PathBuf,
    reader: BufReader<File>,
    line: u64,
    /// Whose record was read last, and when it was made.
    last: Option<(u64, Uid)>,
}

impl Open {
    fn new(file: PathBuf) -> Result<Open, TraceError> {
        match File::open(&file) {
            Ok(handle) => Ok(Open { file, reader: BufReader::new(handle), line: 0, last: None }),
            Err(source) => Err(TraceError::Io { file, source }),
        }
    }

    /// The next record; nothing at the end of the file.
    fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<Record>, TraceError> {
        loop {
            text.clear();
            let read = self
                .reader
                .read_until(b'\n', text)
                .map_err(|source| TraceError::Io { file: self.file.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if text.trim_ascii().is_empty() {
                continue;
            }
            return match serde_json::from_slice::<Record>(text) {
                Ok(record) => {
                    self.last = Some((record.at_us, record.process));
                    Ok(Some(record))
                }
                Err(_) if text.last() != Some(&b'\n') => Ok(self.last.map(|(at_us, process)| Record {
                    at_us,
                    process,
                    event: Event::Incomplete { records: 1 },
                })),
                Err(source) => Err(TraceError::Line { file: self.file.clone(), line: self.line, source }),
            };
        }
    }
}

impl Iterator for Traces {
    type Item = Result<Record, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match Open::new(self.rest.pop()?) {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match open.next(&mut self.text) {
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => self.open = None,
                Err(error) => {
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
