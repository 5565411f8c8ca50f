//! What a server prints.

use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Result;
use gms::{Endpoint, Event, EventLine, WhenBlocked};
use serde::Serialize;

use super::settings::Format;
use crate::event_lines::{ServerLine, in_words};

/// Standard output, flushed after each batch.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    when_blocked: WhenBlocked,
}

/// Who we are, before anything happens.
pub(super) struct Start<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) address: String,
    pub(super) multicast: String,
    /// When there are any, there is no multicast.
    pub(super) peers: &'a [String],
    pub(super) group: &'a str,
    /// Where clients are served.
    pub(super) clients: &'a [Endpoint],
}

impl Printer {
    /// Takes standard output for itself.
    pub(super) fn new(format: Format, when_blocked: WhenBlocked) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), format, when_blocked }
    }

    /// The first lines.
    pub(super) fn start(&mut self, start: Start<'_>) -> Result<()> {
        let Start { id, name, address, multicast, peers, group, clients } = start;
        let multicast = Some(multicast).filter(|_| peers.is_empty());
        let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
        match self.format {
            Format::Json => {
                let peers = Some(peers).filter(|peers| !peers.is_empty());
                self.json(&ServerLine::Started { id, address, multicast, peers, group, clients })?;
            }
            Format::Words(palette) => {
                let named = if name.is_empty() { String::new() } else { format!(" ({name})") };
                let place = multicast.map_or_else(|| format!("with {}", peers.join(", ")), |at| format!("at {at}"));
                let served =
                    if clients.is_empty() { String::new() } else { format!(", clients at {}", clients.join(" ")) };
                let line = format!("server {id}{named}, group {group} {place}, address {address}{served}");
                writeln!(self.out, "{}", palette.strong(line))?;
            }
        }
        Ok(self.out.flush()?)
    }

    /// The default id was taken, and another one was drawn.
    pub(super) fn renamed(&mut self, taken: u64, id: u64) -> Result<()> {
        match self.format {
            Format::Json => self.json(&ServerLine::Renamed { taken, id })?,
            Format::Words(_) => {
                writeln!(self.out, "id {taken} is taken by another server: this is server {id} (choose one with --id)")?
            }
        }
        Ok(self.out.flush()?)
    }

    /// All lines of a batch.
    pub(super) fn events(&mut self, batch: &[Event]) -> Result<()> {
        for event in batch {
            match self.format {
                Format::Json => {
                    if let Some(line) = EventLine::of(event) {
                        self.json(&line)?;
                    }
                }
                Format::Words(palette) => {
                    if let Some(line) = in_words(event, self.when_blocked, palette) {
                        writeln!(self.out, "{line}")?;
                    }
                }
            }
        }
        Ok(self.out.flush()?)
    }

    fn json(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        Ok(self.out.write_all(b"\n")?)
    }
}
