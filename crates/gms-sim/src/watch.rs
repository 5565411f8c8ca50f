//! Looking on while a run is lived through.

use std::fmt::{self, Write};

use bytes::Bytes;
use gms_check::Record;
use gms_core::wire::Control;
use gms_core::{Time, Vid};

/// A control message that one process sends to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// When it is sent.
    pub sent: Time,
    /// When it arrives; `None`: never.
    pub arrives: Option<Time>,
    /// The place of its sender: see [`Birth::place`](crate::scenario::Birth::place).
    pub from: usize,
    /// That of its receiver.
    pub to: usize,
    /// What it is called.
    pub name: String,
    /// The view of its sender.
    pub vid: Vid,
}

/// Sees what happens, in the order of time.
pub trait Watcher {
    /// A process did something, or something was done to one; it is at this place, unless the record is of all.
    fn record(&mut self, record: &Record, place: Option<usize>);

    /// A control message is sent.
    fn passage(&mut self, _passage: &Passage) {}

    /// The process at this place sends a datagram, once however many it is for.
    fn datagram(&mut self, _at: Time, _from: usize, _datagram: &Bytes) {}

    /// Whether [`Self::passage`] is wanted: looking into every datagram takes time.
    fn wants_passages(&self) -> bool {
        false
    }
}

/// Sees the records only.
pub(crate) struct Records<'a>(pub(crate) &'a mut dyn FnMut(&Record));

impl Watcher for Records<'_> {
    fn record(&mut self, record: &Record, _place: Option<usize>) {
        (self.0)(record);
    }
}

/// What a control message is called.
pub(crate) fn name(control: &Control) -> String {
    let mut word = FirstWord(String::new());
    // Stops, with an error, as soon as the word is over.
    let _ = write!(word, "{control:?}");
    word.0
}

struct FirstWord(String);

impl Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.find(|letter: char| !letter.is_alphanumeric());
        self.0.push_str(&text[..end.unwrap_or(text.len())]);
        end.map_or(Ok(()), |_| Err(fmt::Error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_called_by_their_first_word() {
        assert_eq!(name(&Control::Nack { ranges: vec![(1, 2)] }), "Nack");
        assert_eq!(name(&Control::ViewRequest), "ViewRequest");
    }
}
