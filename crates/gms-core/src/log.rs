//! The unstable part of the order: every frame this member stores, until all members have it.
//!
//! ```text
//!   base            have            top
//!    │ stored, dense │ some stored   │ known to exist
//!    ▼               ▼               ▼
//!  ──██████████████████░░░███░░██░░░░░──▶ fseq
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::Fseq;
use crate::view::View;
use crate::why::Why;
use crate::wire::Frame;

/// What one place of the order holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stored {
    Frame(Frame),
    /// Put there by installing it, with why each member goes that is gone; never travels as a frame.
    View(Arc<View>, Vec<Why>),
}

impl Stored {
    fn charge(&self) -> u64 {
        match self {
            Self::Frame(frame) => frame.charge(),
            Self::View(..) => 0,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Slot {
    stored: Option<Stored>,
    /// Charge of everything up to and including this frame, since the log began; set once dense.
    charge_end: u64,
}

/// Frames `base..`, of which `base..=have` are dense.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Log {
    base: Fseq,
    /// The first frame this log ever held.
    first: Fseq,
    slots: VecDeque<Slot>,
    have: Fseq,
    /// Charge up to `have`, and up to `base - 1`.
    charge: u64,
    freed: u64,
    /// Charge of frames stored above `have`.
    ahead: u64,
}

impl Log {
    /// An empty log whose first frame will be `base`.
    pub(crate) fn new(base: Fseq) -> Self {
        Self { base, first: base, slots: VecDeque::new(), have: base - 1, charge: 0, freed: 0, ahead: 0 }
    }

    /// First frame still kept.
    pub(crate) fn base(&self) -> Fseq {
        self.base
    }

    /// The first frame ever kept: older ones were never here.
    pub(crate) fn first(&self) -> Fseq {
        self.first
    }

    /// Last frame up to which everything was stored.
    pub(crate) fn have(&self) -> Fseq {
        self.have
    }

    /// Charge of all frames up to `have`, since the log began.
    pub(crate) fn charge(&self) -> u64 {
        self.charge
    }

    /// Charge of all frames up to `fseq`, since the log began; of freed ones, as if freed just now.
    pub(crate) fn charge_upto(&self, fseq: Fseq) -> u64 {
        match fseq.min(self.have).checked_sub(self.base) {
            Some(index) => self.slots[index as usize].charge_end,
            None => self.freed,
        }
    }

    /// Charge of the dense part that is still kept.
    pub(crate) fn kept(&self) -> u64 {
        self.charge - self.freed
    }

    /// Charge of everything kept.
    pub(crate) fn used(&self) -> u64 {
        self.kept() + self.ahead
    }

    pub(crate) fn get(&self, fseq: Fseq) -> Option<&Stored> {
        self.slots.get(fseq.checked_sub(self.base)? as usize)?.stored.as_ref()
    }

    /// The frame at `fseq`, unless it is freed, missing or a view.
    pub(crate) fn frame(&self, fseq: Fseq) -> Option<&Frame> {
        match self.get(fseq)? {
            Stored::Frame(frame) => Some(frame),
            Stored::View(..) => None,
        }
    }

    /// Stores a stamped frame above `have`. False when its place is taken.
    pub(crate) fn insert(&mut self, frame: Frame) -> bool {
        let fseq = frame.header.fseq;
        debug_assert!(fseq > self.have);
        let index = (fseq - self.base) as usize;
        while self.slots.len() <= index {
            self.slots.push_back(Slot { stored: None, charge_end: 0 });
        }
        let slot = &mut self.slots[index];
        if slot.stored.is_some() {
            return false;
        }
        self.ahead += frame.charge();
        slot.stored = Some(Stored::Frame(frame));
        true
    }

    /// Forgets a frame stored above `have`.
    pub(crate) fn take_back(&mut self, fseq: Fseq) {
        debug_assert!(fseq > self.have);
        let slot = fseq.checked_sub(self.base).and_then(|index| self.slots.get_mut(index as usize));
        if let Some(stored) = slot.and_then(|slot| slot.stored.take()) {
            self.ahead -= stored.charge();
        }
    }

    /// Moves `have` over the next frame if it is stored, and returns it.
    pub(crate) fn advance(&mut self) -> Option<&Frame> {
        let index = (self.have + 1 - self.base) as usize;
        let slot = self.slots.get_mut(index)?;
        let Some(Stored::Frame(frame)) = &slot.stored else { return None };
        self.have += 1;
        self.charge += frame.charge();
        self.ahead -= frame.charge();
        slot.charge_end = self.charge;
        Some(frame)
    }

    /// Ends the dense part with a view. Anything stored beyond it belonged to no view and is dropped.
    pub(crate) fn push_view(&mut self, view: Arc<View>, why: Vec<Why>) {
        self.slots.truncate((self.have + 1 - self.base) as usize);
        self.ahead = 0;
        self.have += 1;
        self.slots.push_back(Slot { stored: Some(Stored::View(view, why)), charge_end: self.charge });
    }

    /// Ends the log with `cut`: whatever is stored beyond it is in no view.
    pub(crate) fn end_at(&mut self, cut: Fseq) {
        if self.have > cut {
            self.charge = self.charge_upto(cut);
            self.have = cut.max(self.base - 1);
            self.ahead = 0;
        }
        self.slots.truncate((cut + 1).saturating_sub(self.base) as usize);
        let beyond = self.slots.iter().skip((self.have + 1 - self.base) as usize);
        self.ahead = beyond.filter_map(|slot| slot.stored.as_ref()).map(Stored::charge).sum();
    }

    /// Last frame stored at all.
    pub(crate) fn top(&self) -> Fseq {
        self.base + self.slots.len() as Fseq - 1
    }

    /// Whether everything up to `fseq` is stored, or was until all members had it.
    pub(crate) fn holds_upto(&self, fseq: Fseq) -> bool {
        (self.have + 1..=fseq).all(|f| self.get(f).is_some())
    }

    /// Runs stored above `have`, lowest first, at most `runs` of them.
    pub(crate) fn runs_ahead(&self, runs: usize) -> Vec<(Fseq, Fseq)> {
        let mut ranges: Vec<(Fseq, Fseq)> = Vec::new();
        for fseq in (self.have + 1..=self.top()).filter(|fseq| self.get(*fseq).is_some()) {
            let full = ranges.len() == runs;
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == fseq => *end = fseq,
                _ if full => break,
                _ => ranges.push((fseq, fseq)),
            }
        }
        ranges
    }

    /// Frees everything up to `fseq`, at most up to `have`.
    pub(crate) fn free(&mut self, fseq: Fseq) {
        while self.base <= fseq.min(self.have) {
            let slot = self.slots.pop_front().expect("the dense part is stored");
            self.freed = slot.charge_end;
            self.base += 1;
        }
    }

    /// Missing runs in `from..=to`, lowest first: at most `runs` of them and `frames` frames.
    pub(crate) fn missing(&self, from: Fseq, to: Fseq, runs: usize, mut frames: usize) -> Vec<(Fseq, Fseq)> {
        let mut ranges: Vec<(Fseq, Fseq)> = Vec::new();
        for fseq in from.max(self.have + 1)..=to {
            if self.get(fseq).is_some() {
                continue;
            }
            let full = ranges.len() == runs;
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == fseq => *end = fseq,
                _ if full => break,
                _ => ranges.push((fseq, fseq)),
            }
            frames -= 1;
            if frames == 0 {
                break;
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Position, Uid};
    use crate::wire::{FrameFlags, FrameHeader};

    fn frame(fseq: Fseq) -> Frame {
        let header = FrameHeader {
            flags: FrameFlags::default(),
            count: 1,
            vid: 1,
            fseq,
            gseq: fseq,
            origin: Uid::new(1, 1),
            first: Position::message(fseq),
        };
        Frame { header, body: bytes::Bytes::new(), end: Position::message(fseq + 1), open: 0 }
    }

    #[test]
    fn have_is_contiguous_and_gaps_are_named() {
        let mut log = Log::new(1);
        for fseq in [1, 2, 4, 7, 8] {
            assert!(log.insert(frame(fseq)));
        }
        while log.advance().is_some() {}
        assert_eq!(log.have(), 2);
        assert!(!log.insert(frame(4)));
        assert_eq!(log.missing(1, 10, 9, 99), vec![(3, 3), (5, 6), (9, 10)]);
        assert_eq!(log.missing(1, 10, 2, 99), vec![(3, 3), (5, 6)]);
        assert_eq!(log.missing(1, 10, 9, 2), vec![(3, 3), (5, 5)]);
        log.insert(frame(3));
        while log.advance().is_some() {}
        assert_eq!(log.have(), 4);
    }

    #[test]
    fn ending_drops_what_is_beyond_the_cut_and_keeps_account() {
        let mut log = Log::new(1);
        for fseq in [1, 2, 3, 5, 6, 8] {
            log.insert(frame(fseq));
        }
        while log.advance().is_some() {}
        assert_eq!((log.runs_ahead(9), log.runs_ahead(1)), (vec![(5, 6), (8, 8)], vec![(5, 6)]));
        assert!(log.holds_upto(3) && !log.holds_upto(4) && log.top() == 8);
        log.end_at(6);
        assert_eq!((log.have(), log.top(), log.used()), (3, 6, 5 * 1024));
        log.insert(frame(4));
        assert!(log.holds_upto(6));
        log.end_at(2);
        assert_eq!((log.have(), log.top(), log.used(), log.charge()), (2, 2, 2048, 2048));
        log.free(2);
        log.end_at(1);
        assert_eq!((log.have(), log.used()), (2, 0));
    }

    #[test]
    fn freeing_keeps_account() {
        let mut log = Log::new(1);
        (1..=5).for_each(|f| assert!(log.insert(frame(f))));
        while log.advance().is_some() {}
        assert_eq!((log.charge(), log.kept()), (5 * 1024, 5 * 1024));
        log.free(3);
        assert_eq!((log.base(), log.kept(), log.charge_upto(2), log.charge_upto(4)), (4, 2048, 3072, 4096));
        assert!(log.frame(3).is_none() && log.frame(4).is_some());
        log.free(99);
        assert_eq!((log.base(), log.have(), log.kept()), (6, 5, 0));
    }
}
