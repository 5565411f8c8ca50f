//! The latest part of the order, for subscribers: as much as fits a fixed number of bytes.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use gms_core::{Event, Gid, Gseq, Vid, ViewChange};

use super::outbox::Outbox;
use crate::client_protocol::{EventLine, write_line};

/// Bytes of payload in one block, about.
const BLOCK: usize = 64 << 10;
/// What a message or a view costs beside its bytes.
const OVERHEAD: usize = 64;

/// Blocks of the order, the newest last.
#[derive(Debug)]
pub(super) struct History {
    blocks: VecDeque<Arc<Block>>,
    cost: usize,
    limit: usize,
    /// Everything from here on is in the blocks or is still to come. Unknown before the first event.
    floor: Option<Gseq>,
    last: Gseq,
    gid: Option<Gid>,
    waiting: Vec<Arc<Outbox>>,
}

/// What there is from a place of the order on.
pub(super) enum Reading {
    /// This, and perhaps more after it.
    Block(Arc<Block>),
    /// Not known any more up to here; more after it.
    GapTo(Gseq),
    /// Nothing yet; the reader will be woken.
    Nothing,
}

/// A stretch of the order, copied out of the buffers it was received in.
#[derive(Debug)]
pub(super) struct Block {
    payloads: Vec<u8>,
    records: Vec<Record>,
    first: Gseq,
    last: Gseq,
    gid: Option<Gid>,
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
}

impl History {
    /// Keeps about `limit` bytes, and the newest block in any case.
    pub(super) fn new(limit: usize) -> Self {
        let (blocks, waiting) = (VecDeque::new(), Vec::new());
        Self { blocks, cost: 0, limit, floor: None, last: 0, gid: None, waiting }
    }

    /// The last place of the order known here, 0 before the first.
    pub(super) fn last(&self) -> Gseq {
        self.last
    }

    /// The oldest place known here.
    pub(super) fn floor(&self) -> Gseq {
        self.floor.unwrap_or(0)
    }

    /// The lineage, once a view has come by.
    pub(super) fn gid(&self) -> Option<Gid> {
        self.gid
    }

    /// Adds blocks, and wakes whoever waits for them.
    pub(super) fn extend(&mut self, blocks: Vec<Block>) {
        for block in blocks {
            self.floor.get_or_insert(block.first);
            self.last = block.last;
            self.gid = block.gid.or(self.gid);
            self.cost += block.cost();
            self.blocks.push_back(Arc::new(block));
        }
        while self.cost > self.limit && self.blocks.len() > 1 {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.cost -= oldest.cost();
            self.floor = Some(oldest.last + 1);
        }
        self.waiting.drain(..).for_each(|reader| reader.wake());
    }

    /// What follows, from `from` on, for `reader`.
    pub(super) fn read(&mut self, from: Gseq, reader: &Arc<Outbox>) -> Reading {
        if let Some(floor) = self.floor.filter(|floor| from < *floor) {
            return Reading::GapTo(floor - 1);
        }
        let index = self.blocks.partition_point(|block| block.last < from);
        match self.blocks.get(index) {
            Some(block) => Reading::Block(block.clone()),
            None => {
                if !reader.awaits_history.swap(true, Ordering::Relaxed) {
                    self.waiting.push(reader.clone());
                }
                Reading::Nothing
            }
        }
    }
}

impl Block {
    /// The messages and views of `batch`, in blocks of a handy size.
    pub(super) fn cut(batch: &[Event]) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let (mut bytes, mut count, mut len) = (0, 0, 0);
            for event in rest {
                len += 1;
                match event {
                    Event::Message(message) => (bytes, count) = (bytes + message.payload.len(), count + 1),
                    Event::View(_) => count += 1,
                    _ => {}
                }
                if bytes >= BLOCK {
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
            first: 0,
            last: 0,
            gid: None,
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
                    block.gid = Some(change.view.gid);
                    change.view.gseq
                }
                _ => continue,
            };
            if block.records.len() == 1 {
                block.first = block.last;
            }
        }
        block
    }

    /// The last place of the order in it.
    pub(super) fn last(&self) -> Gseq {
        self.last
    }

    /// The lines from `from` on.
    pub(super) fn lines(&self, from: Gseq) -> Arc<Vec<u8>> {
        if from > self.first {
            return Arc::new(self.write(from));
        }
        let mut text = self.text.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        text.upgrade().unwrap_or_else(|| {
            let fresh = Arc::new(self.write(from));
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
            }
        }
        lines
    }

    fn cost(&self) -> usize {
        self.payloads.len() + self.records.len() * OVERHEAD + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use gms_core::{Level, Message, Uid};

    use super::*;

    fn messages(gseqs: impl IntoIterator<Item = Gseq>, len: usize) -> Vec<Event> {
        let message = |gseq| {
            let (sender, payload) = (Uid::new(1, 9), vec![b'x'; len].into());
            Event::Message(Message { gseq, vid: 1, sender, sseq: gseq, level: Level::Uniform, payload })
        };
        gseqs.into_iter().map(message).collect()
    }

    /// All there is from `from` on: the places of messages, gaps as the place they end at, negative.
    fn read_all(history: &mut History, mut from: Gseq) -> Vec<i64> {
        let (reader, mut seen) = (Arc::<Outbox>::default(), Vec::new());
        loop {
            match history.read(from, &reader) {
                Reading::Block(block) => {
                    let lines = block.lines(from);
                    let text = std::str::from_utf8(&lines).expect("text");
                    for line in text.lines() {
                        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                        seen.push(line["gseq"].as_i64().expect("a number"));
                    }
                    from = block.last() + 1;
                }
                Reading::GapTo(to) => {
                    seen.push(-(to as i64));
                    from = to + 1;
                }
                Reading::Nothing => return seen,
            }
        }
    }

    #[test]
    fn reading_starts_anywhere_and_misses_nothing() {
        let mut history = History::new(1 << 20);
        assert!(read_all(&mut history, 1).is_empty());
        history.extend(Block::cut(&messages([5, 6, 9], 10)));
        history.extend(Block::cut(&messages([10, 12], 10)));
        assert_eq!(read_all(&mut history, 5), [5, 6, 9, 10, 12]);
        assert_eq!(read_all(&mut history, 7), [9, 10, 12]);
        assert_eq!(read_all(&mut history, 12), [12]);
        assert!(read_all(&mut history, 13).is_empty());
        assert_eq!(read_all(&mut history, 2), [-4, 5, 6, 9, 10, 12]);
    }

    #[test]
    fn the_oldest_goes_and_leaves_a_gap() {
        let mut history = History::new(1000);
        for gseq in 1..=20 {
            history.extend(Block::cut(&messages([gseq], 100)));
            assert!(history.cost <= 1000);
        }
        let seen = read_all(&mut history, 1);
        let kept = seen[1];
        assert_eq!(seen[0], 1 - kept);
        assert_eq!(seen[1..], (kept..=20).collect::<Vec<_>>());
    }

    #[test]
    fn large_batches_are_cut_and_readers_share_the_text() {
        let blocks = Block::cut(&messages(1..=100, 10_000));
        assert!(blocks.len() > 10 && blocks.iter().all(|block| block.payloads.len() < 2 * BLOCK));
        let (first, second) = (blocks[0].lines(1), blocks[0].lines(0));
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        assert!(blocks[0].text.lock().unwrap().upgrade().is_none());
    }

    #[test]
    fn a_waiting_reader_is_woken_once_per_wait() {
        let (mut history, reader) = (History::new(1 << 20), Arc::<Outbox>::default());
        for _ in 0..3 {
            assert!(matches!(history.read(1, &reader), Reading::Nothing));
        }
        assert_eq!(history.waiting.len(), 1);
        history.extend(Block::cut(&messages([1], 1)));
        assert!(history.waiting.is_empty() && !reader.awaits_history.load(Ordering::Relaxed));
    }
}
