//! What a process notes down for the property checker beside what its member does: its lives, and the lineages that it
//! has heard of in them.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use gms_check::{Event, Record};
use gms_core::{Gid, Time, Trace, Uid};
use gms_discovery::Message;

use super::{Node, inquiry};
use crate::layers::{self, Layer};
use crate::trace;

/// Lineages that are noted down, at most: anybody can make up more.
const NOTED: usize = 4096;

/// Lines that nobody has asked for yet, and what goes on from life to life.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Testimony {
    heard: BTreeSet<Gid>,
    /// The lineage that an earlier life was in.
    was_in: Option<Gid>,
    lines: VecDeque<(Uid, Line)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Line {
    /// Of the member.
    Did(Trace),
    Heard(Gid),
    Lives(Uid),
    Discarded(Gid),
    GaveUp(Gid),
}

impl Node {
    /// Notes down the lineage of a datagram, if it is news.
    pub(super) fn note_lineage_of(&mut self, datagram: &Bytes) {
        if !self.config.core.trace {
            return;
        }
        let present = self.member.view().map(|view| view.gid);
        let gid = lineage_of(self.name, datagram).filter(|gid| gid.0 != 0 && Some(*gid) != present);
        if let Some(gid) = gid.filter(|gid| !self.testimony.heard.contains(gid) && self.testimony.heard.len() < NOTED) {
            self.testimony.heard.insert(gid);
            self.note(Line::Heard(gid));
        }
    }

    /// An operator gives up the lineage that this process is in, or was in. One that is in none and is to create one
    /// does not wait any more for those that it has heard of.
    pub(super) fn discard(&mut self, create: bool) {
        let present = self.member.view().map(|view| view.gid);
        let last = present.or(self.place.as_ref().map(|view| view.gid)).or(self.testimony.was_in);
        let awaited = self.lineages.all().map(|(gid, _)| gid).filter(|_| create && present.is_none());
        let discarded: BTreeSet<Gid> = awaited.chain(last).collect();
        discarded.into_iter().for_each(|gid| self.discard_lineage(gid));
    }

    /// An operator gives up that lineage: nobody here waits for its end.
    pub(super) fn discard_lineage(&mut self, gid: Gid) {
        self.lineages.discard(gid);
        if self.config.core.trace {
            self.note(Line::Discarded(gid));
        }
    }

    /// Notes down that this process gives up lineage `gid` by itself.
    pub(super) fn note_given_up(&mut self, gid: Gid) {
        if self.config.core.trace {
            self.note(Line::GaveUp(gid));
        }
    }

    /// Goes on with the testimony of the life before, which was called `before` and was last in the lineage `was_in`.
    pub(super) fn go_on_from(&mut self, past: Testimony, before: Uid, was_in: Option<Gid>) {
        self.testimony = Testimony { was_in: was_in.or(past.was_in), ..past };
        if self.config.core.trace {
            self.testimony.lines.push_back((self.member.uid(), Line::Lives(before)));
        }
    }

    /// The next line; see [`Node::poll_trace`].
    pub(super) fn poll_line(&mut self, now: Time) -> Option<Record> {
        let (uid, line) = self.testimony.lines.pop_front().or_else(|| self.poll_member_line())?;
        let event = match line {
            Line::Did(event) => return Some(trace::record(now, uid, event)),
            Line::Heard(gid) => Event::Heard { gid: gid.0 },
            Line::Lives(before) => Event::Lives { before: trace::uid(before) },
            Line::Discarded(gid) => Event::Discarded { gid: gid.0 },
            Line::GaveUp(gid) => Event::GaveUp { gid: gid.0 },
        };
        Some(trace::line(now, uid, event))
    }

    /// Behind all that has been done before.
    fn note(&mut self, line: Line) {
        while let Some(earlier) = self.poll_member_line() {
            self.testimony.lines.push_back(earlier);
        }
        self.testimony.lines.push_back((self.member.uid(), line));
    }

    fn poll_member_line(&mut self) -> Option<(Uid, Line)> {
        let former = self.former.as_mut().map(|former| &mut former.member);
        let mut lives = former.into_iter().chain([&mut self.member]);
        lives.find_map(|life| life.poll_trace().map(|event| (life.uid(), Line::Did(event))))
    }
}

/// The lineage of a datagram: that of the server that describes itself, or of the member that sent it.
fn lineage_of(name: Gid, datagram: &Bytes) -> Option<Gid> {
    match Layer::of(datagram) {
        None => layers::view_of(datagram).map(|(gid, _)| gid).filter(|gid| gid.is_of(name)),
        Some(Layer::Directory) => {
            let (_, body) = layers::open(name, datagram.clone()).ok()??;
            match Message::<u64>::decode(&body).ok()? {
                Message::Announce(entry) | Message::ProbeReply(entry) | Message::Probe { from: Some(entry), .. } => {
                    entry.lineage().map(Gid)
                }
                Message::Probe { from: None, .. } | Message::Leave(_) => None,
            }
        }
        Some(Layer::Inquiry) => {
            let (_, body) = layers::open(name, datagram.clone()).ok()??;
            inquiry::Message::decode(&body)?.lineage()
        }
        Some(Layer::Detector | Layer::Election) => None,
    }
}
