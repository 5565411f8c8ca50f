//! Those that see everything: the checker, the digest of the run, and the trace if it is wanted.

use bytes::Bytes;
use gms_check::{Checker, Event, Record, Report};
use gms_core::Time;

use crate::watch::{Passage, Watcher};

/// Takes each record where it belongs.
pub(crate) struct Witness<'a> {
    checker: Checker,
    digest: u64,
    watcher: &'a mut dyn Watcher,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(watcher: &'a mut dyn Watcher) -> Self {
        Self { checker: Checker::of_one_clock(), digest: 0, watcher }
    }

    /// A record, of the process at `place` if it is of one.
    pub(crate) fn take(&mut self, record: &Record, place: Option<usize>) {
        self.digest = fold(self.digest, record);
        self.checker.record(record);
        self.watcher.record(record, place);
    }

    pub(crate) fn wants_passages(&self) -> bool {
        self.watcher.wants_passages()
    }

    pub(crate) fn datagram(&mut self, at: Time, from: usize, datagram: &Bytes) {
        self.watcher.datagram(at, from, datagram);
    }

    pub(crate) fn show(&mut self, passage: &Passage) {
        self.watcher.passage(passage);
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn finish(self) -> Report {
        self.checker.finish()
    }
}

/// One step of the digest of a trace.
fn fold(digest: u64, record: &Record) -> u64 {
    let mut digest = mix(mix(digest, record.at_us), record.process.incarnation);
    let words = match &record.event {
        Event::Deliver { view, gseq, sender, sseq, digest, level } => {
            [1, *view, *gseq, sender.incarnation, *sseq, *digest, *level as u64]
        }
        Event::Stamp { view, fseq, gseq, count, sender, sseq, .. } => {
            [2, *view, *fseq, *gseq, u64::from(*count), sender.incarnation, *sseq]
        }
        Event::Memory { used, cap } => [3, *used, *cap, 0, 0, 0, 0],
        // The others are few.
        event => [4, gms_check::digest(format!("{event:?}").as_bytes()), 0, 0, 0, 0, 0],
    };
    words.into_iter().for_each(|word| digest = mix(digest, word));
    digest
}

/// The finalizer of SplitMix64.
fn mix(digest: u64, word: u64) -> u64 {
    let mut z = (digest ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_tells_records_and_their_order_apart() {
        let process = gms_check::Uid { node: 1, incarnation: 2 };
        let line = |event| Record { at_us: 1, process, event };
        let (one, two) = (line(Event::Memory { used: 1, cap: 2 }), line(Event::Left));
        assert_ne!(fold(fold(0, &one), &two), fold(fold(0, &two), &one));
        assert_eq!(fold(7, &one), fold(7, &one.clone()));
    }
}
