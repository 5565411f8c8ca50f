//! What one member of a demo delivered.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use gms::{Event, Message, Outcome, ViewChange};

/// One entry of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) gseq: u64,
    pub(super) view: u64,
    pub(super) what: What,
}

/// What the entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    View { leader: u64, members: Vec<u64> },
    Message { sender: u64, sseq: u64, payload: Bytes },
}

/// Everything one member delivered, in its order.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    /// How many messages of each sender.
    pub(super) delivered: BTreeMap<u64, u64>,
    /// Messages of its own that are not in the order, or of which it does not know.
    pub(super) lost: u64,
    /// Its former lives: it was left out although it lived, and came back.
    pub(super) former: Vec<Record>,
    /// Whether it is still a member.
    pub(super) end: End,
}

/// How the story of a member ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    Present,
    /// It left, and the group said that it has everything.
    Released,
    /// It left without the group confirming it: it may have missed something.
    Unconfirmed,
    /// It was killed.
    Killed,
    /// It was excluded, or stopped by itself.
    Stopped,
}

impl Record {
    /// Takes the next event down.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                *self.delivered.entry(message.sender.node.0).or_default() += 1;
                self.entries.push(Entry::of_message(message));
            }
            Event::View(change) => {
                if self.end == End::Stopped {
                    // What it missed meanwhile it never gets.
                    let mut life = std::mem::take(self);
                    (self.lost, self.former) = (life.lost, std::mem::take(&mut life.former));
                    self.former.push(life);
                }
                self.entries.push(Entry::of_view(change));
            }
            Event::Outcome { outcome, .. } if !matches!(outcome, Outcome::Ordered { .. }) => self.lost += 1,
            Event::Left { released: true } => self.end = End::Released,
            Event::Left { released: false } => self.end = End::Unconfirmed,
            Event::Excluded | Event::Broken(_) => self.end = End::Stopped,
            _ => {}
        }
    }

    /// Place of the first entry.
    pub(super) fn first(&self) -> u64 {
        self.entries.first().map_or(u64::MAX, |entry| entry.gseq)
    }

    /// Place of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.gseq)
    }

    /// The last view it was in.
    pub(super) fn last_view(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.view)
    }

    /// Place of the last entry of a view and those before it.
    pub(super) fn end_of(&self, view: u64) -> u64 {
        self.entries.iter().rev().find(|entry| entry.view <= view).map_or(0, |entry| entry.gseq)
    }

    /// Messages delivered.
    pub(super) fn messages(&self) -> u64 {
        self.delivered.values().sum()
    }
}

impl Entry {
    pub(super) fn of_message(message: &Message) -> Self {
        let what =
            What::Message { sender: message.sender.node.0, sseq: message.sseq, payload: message.payload.clone() };
        Self { gseq: message.gseq, view: message.vid, what }
    }

    pub(super) fn of_view(change: &ViewChange) -> Self {
        let view = &change.view;
        let members = view.members.iter().map(|member| member.uid.node.0).collect();
        Self { gseq: view.gseq, view: view.vid, what: What::View { leader: view.leader.node.0, members } }
    }
}

/// `#121 "red +4" of 2`
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::View { .. } => write!(f, "#{} view {}", self.gseq, self.view),
            What::Message { sender, payload, .. } => {
                write!(f, "#{} {:?} of {sender}", self.gseq, String::from_utf8_lossy(payload))
            }
        }
    }
}
