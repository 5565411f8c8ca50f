//! What a demo shows: the one order, each entry once, when all who have to have delivered it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Result;
use gms::{Event, EventLine, WhenBlocked};

use super::record::{Entry, What};
use crate::color::Palette;
use crate::event_lines::{Tagged, in_words, view_in_words};

/// Standard output.
pub(super) struct Board {
    out: BufWriter<StdoutLock<'static>>,
    style: Style,
    /// Delivered by somebody, not yet shown, by gseq.
    waiting: BTreeMap<u64, Row>,
    /// Members of each view.
    views: BTreeMap<u64, BTreeSet<u64>>,
    gone: BTreeSet<u64>,
}

enum Style {
    Json,
    Words(Palette),
}

struct Row {
    text: String,
    view: u64,
    by: BTreeSet<u64>,
}

impl Board {
    /// Takes standard output for itself.
    pub(super) fn new(json: bool, palette: Palette) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            style: if json { Style::Json } else { Style::Words(palette) },
            waiting: BTreeMap::new(),
            views: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Something people want to know that no member says.
    pub(super) fn remark(&mut self, text: &str) -> Result<()> {
        if let Style::Words(palette) = self.style {
            writeln!(self.out, "{}", palette.faint(format_args!("── {text}")))?;
        }
        Ok(self.out.flush()?)
    }

    /// What member `id` saw.
    pub(super) fn events(&mut self, id: u64, batch: &[Event]) -> Result<()> {
        for event in batch {
            match self.style {
                Style::Json => {
                    if let Some(line) = EventLine::of(event) {
                        serde_json::to_writer(&mut self.out, &Tagged { member: id, line })?;
                        self.out.write_all(b"\n")?;
                    }
                }
                Style::Words(palette) => self.event(id, event, palette)?,
            }
        }
        self.show_complete()?;
        Ok(self.out.flush()?)
    }

    /// Member `id` sees nothing any more.
    pub(super) fn end(&mut self, id: u64) -> Result<()> {
        self.gone.insert(id);
        self.show_complete()?;
        Ok(self.out.flush()?)
    }

    /// The last line, after whatever not all have delivered.
    pub(super) fn close(mut self, words: &str, json: &impl serde::Serialize) -> Result<()> {
        for (gseq, row) in std::mem::take(&mut self.waiting) {
            self.show(gseq, row)?;
        }
        match self.style {
            Style::Json => writeln!(self.out, "{}", serde_json::to_string(json)?)?,
            Style::Words(palette) => writeln!(self.out, "{}", palette.strong(words))?,
        }
        Ok(self.out.flush()?)
    }

    fn event(&mut self, id: u64, event: &Event, palette: Palette) -> Result<()> {
        match event {
            Event::Message(message) => {
                let entry = Entry::of_message(message);
                self.put(id, &entry, || message_row(&entry, palette));
            }
            Event::View(change) => {
                let entry = Entry::of_view(change);
                if let What::View { members, .. } = &entry.what {
                    self.views.entry(entry.view).or_insert_with(|| members.iter().copied().collect());
                }
                self.put(id, &entry, || view_in_words(change, palette));
            }
            Event::Left { .. } | Event::Excluded | Event::Broken(_) => {
                self.gone.insert(id);
            }
            Event::Blocked(_) | Event::Unblocked => {
                if let Some(line) = in_words(event, WhenBlocked::Hold, palette) {
                    self.remark(&format!("member {id} {line}"))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, id: u64, entry: &Entry, text: impl FnOnce() -> String) {
        let fresh = || Row { text: text(), view: entry.view, by: BTreeSet::new() };
        self.waiting.entry(entry.gseq).or_insert_with(fresh).by.insert(id);
    }

    fn show_complete(&mut self) -> Result<()> {
        while let Some(first) = self.waiting.first_entry() {
            let Some(members) = self.views.get(&first.get().view) else { break };
            if !members.iter().all(|id| first.get().by.contains(id) || self.gone.contains(id)) {
                break;
            }
            let (gseq, row) = first.remove_entry();
            self.show(gseq, row)?;
        }
        Ok(())
    }

    fn show(&mut self, gseq: u64, row: Row) -> Result<()> {
        let Style::Words(palette) = self.style else { return Ok(()) };
        let by: String = row.by.iter().map(|id| format!(" {}", palette.member(*id, id))).collect();
        let gseq = palette.faint(format!("{:<5}", format!("#{gseq}")));
        let mut lines = row.text.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(self.out, "{gseq} {first}   {}{by}", palette.faint("delivered by"))?;
        for line in lines {
            writeln!(self.out, "      {line}")?;
        }
        Ok(())
    }
}

fn message_row(entry: &Entry, palette: Palette) -> String {
    let What::Message { sender, payload, .. } = &entry.what else { return String::new() };
    let says = format!("{:<14}", format!("\"{}\"", String::from_utf8_lossy(payload)));
    format!("{} says {says}", palette.member(*sender, format_args!("● {sender}")))
}
