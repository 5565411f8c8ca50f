//! Stretches of the order, for subscribers.

use std::sync::{Arc, Mutex, Weak};

use gms_core::{Event, Gid, Gseq, Vid, ViewChange};

use crate::client_protocol::{EventLine, write_line};

/// Bytes of payload in one block, about.
const BLOCK: usize = 64 << 10;
/// What a message or a view costs beside its bytes.
const OVERHEAD: usize = 64;

/// A place in what a server has seen: of the order of one lineage after the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Place {
    /// Counts the lineages, from 0.
    pub(super) lineage: usize,
    pub(super) gseq: Gseq,
}

/// A stretch of the order, copied out of the buffers it was received in.
#[derive(Debug)]
pub(super) struct Block {
    payloads: Vec<u8>,
    records: Vec<Record>,
    /// Set by the history.
    pub(super) lineage: usize,
    first: Gseq,
    last: Gseq,
    /// The lineage that its views name.
    pub(super) gid: Option<Gid>,
    /// The one whose history that one began with: its places go on.
    pub(super) origin: Option<Gid>,
    /// The lineage dissolves with it.
    pub(super) is_end: bool,
    /// The lines, as long as some subscriber is being sent them: all share one text.
    text: Mutex<Weak<Vec<u8>>>,
}

#[derive(Debug)]
enum Record {
    /// `end`: of its payload.
    Message {
        gseq: Gseq,
        view: Vid,
        sender: u64,
        end: usize,
    },
    View(ViewChange),
    Dissolved {
        gid: Gid,
        into: Gid,
        upto: Gseq,
    },
}

impl Block {
    /// What subscribers are told of `batch`, in blocks of a handy size.
    pub(super) fn cut(batch: &[Event]) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let (mut bytes, mut count, mut len) = (0, 0, 0);
            for event in rest {
                len += 1;
                match event {
                    Event::Message(message) => (bytes, count) = (bytes + message.payload.len(), count + 1),
                    Event::View(_) | Event::Dissolved { .. } => count += 1,
                    _ => {}
                }
                if bytes >= BLOCK || matches!(event, Event::Dissolved { .. }) {
                    break;
                }
            }
            let (part, more) = rest.split_at(len);
            rest = more;
            if count > 0 {
                blocks.push(Self::copy(part, bytes, count));
            }
        }
        blocks
    }

    fn copy(events: &[Event], bytes: usize, count: usize) -> Self {
        let mut block = Self {
            payloads: Vec::with_capacity(bytes),
            records: Vec::with_capacity(count),
            lineage: 0,
            first: 0,
            last: 0,
            gid: None,
            origin: None,
            is_end: false,
            text: Mutex::default(),
        };
        for event in events {
            block.last = match event {
                Event::Message(message) => {
                    block.payloads.extend_from_slice(&message.payload);
                    let (gseq, view, end) = (message.gseq, message.vid, block.payloads.len());
                    block.records.push(Record::Message { gseq, view, sender: message.sender.node.0, end });
                    gseq
                }
                Event::View(change) => {
                    block.records.push(Record::View(change.clone()));
                    (block.gid, block.origin) = (Some(change.view.gid), change.view.params.origin);
                    change.view.gseq
                }
                Event::Dissolved { gid, into, upto } => {
                    block.records.push(Record::Dissolved { gid: *gid, into: *into, upto: *upto });
                    block.is_end = true;
                    *upto
                }
                _ => continue,
            };
            if block.records.len() == 1 {
                block.first = block.last;
            }
        }
        block
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Place {
        Place { lineage: self.lineage, gseq: self.first }
    }

    /// What follows it.
    pub(super) fn next(&self) -> Place {
        match self.is_end {
            true => Place { lineage: self.lineage + 1, gseq: 0 },
            false => Place { lineage: self.lineage, gseq: self.last + 1 },
        }
    }

    /// The lines from `from` on.
    pub(super) fn lines(&self, from: Place) -> Arc<Vec<u8>> {
        if from > self.start() {
            return Arc::new(self.write(from.gseq));
        }
        let mut text = self.text.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        text.upgrade().unwrap_or_else(|| {
            let fresh = Arc::new(self.write(self.first));
            *text = Arc::downgrade(&fresh);
            fresh
        })
    }

    fn write(&self, from: Gseq) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.payloads.len() + self.records.len() * OVERHEAD);
        let mut start = 0;
        for record in &self.records {
            match record {
                Record::Message { gseq, view, sender, end } => {
                    let payload = &self.payloads[start..*end];
                    start = *end;
                    if *gseq >= from {
                        write_line(&EventLine::message(*gseq, *view, *sender, payload), &mut lines);
                    }
                }
                Record::View(change) if change.view.gseq >= from => write_line(&EventLine::view(change), &mut lines),
                Record::View(_) => {}
                // Whatever the reader has seen before, it is over.
                Record::Dissolved { gid, into, upto } => {
                    write_line(&EventLine::dissolved(*gid, *into, *upto), &mut lines);
                }
            }
        }
        lines
    }

    /// Bytes it takes, about.
    pub(super) fn cost(&self) -> usize {
        self.payloads.len() + self.records.len() * OVERHEAD + size_of::<Self>()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use gms_core::{Level, Message, Uid};

    use super::*;

    pub(in crate::service) fn messages(gseqs: impl IntoIterator<Item = Gseq>, len: usize) -> Vec<Event> {
        let message = |gseq| {
            let (sender, payload) = (Uid::new(1, 9), vec![b'x'; len].into());
            Event::Message(Message { gseq, vid: 1, sender, sseq: gseq, level: Level::Uniform, payload })
        };
        gseqs.into_iter().map(message).collect()
    }

    #[test]
    fn large_batches_are_cut_and_readers_share_the_text() {
        let blocks = Block::cut(&messages(1..=100, 10_000));
        assert!(blocks.len() > 10 && blocks.iter().all(|block| block.payloads.len() < 2 * BLOCK));
        let from = |gseq| Place { lineage: 0, gseq };
        let (first, second) = (blocks[0].lines(from(1)), blocks[0].lines(from(0)));
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        assert!(blocks[0].text.lock().unwrap().upgrade().is_none());
    }

    #[test]
    fn a_block_ends_with_its_lineage() {
        let mut batch = messages([7, 8], 1);
        batch.push(Event::Dissolved { gid: Gid(1), into: Gid(2), upto: 8 });
        batch.extend(messages([3], 1));
        let blocks = Block::cut(&batch);
        assert_eq!((blocks.len(), blocks[0].is_end, blocks[1].is_end), (2, true, false));
        assert_eq!(blocks[0].next(), Place { lineage: 1, gseq: 0 });
        let late = blocks[0].lines(Place { lineage: 0, gseq: 9 });
        assert!(late.starts_with(br#"{"event":"dissolved","#), "told to one who has seen all");
        assert_eq!(late.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
