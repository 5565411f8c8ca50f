//! From the node to the application: events as far as there is room, outcomes to those who await them.

use gms_core::Event;
use gms_net::Transport;

use super::EventLoop;
use crate::error::{LeaveError, SendError};

/// Bytes of events handed over at once, at most.
const DELIVER_BATCH: usize = 1 << 20;
/// A reader that awaits a send cannot read before the send ends: so much more room its events get
/// each time they have none, so that the send can end,
const EXTRA_ROOM: usize = 2 << 20;
/// up to this; then its sends are failed with `EventsUnread`.
const UNREAD_LIMIT: usize = 256 << 20;

impl<T: Transport> EventLoop<T> {
    /// Hands events to the application, as far as it has room. True when there may be more.
    pub(super) fn deliver(&mut self) -> bool {
        let room = self.room();
        let used = self.node.poll_events(&mut self.events, room.min(DELIVER_BATCH));
        if !self.receipts.is_empty() {
            self.settle_receipts();
        }
        if let Some(last) = self.events.last() {
            match last {
                Event::Left { released } => self.ended = Some(*released),
                Event::Refused(_) | Event::Broken(_) => self.ended = Some(false),
                Event::Excluded if self.node.is_over() => self.ended = Some(false),
                _ => {}
            }
            if self.events.iter().any(|event| matches!(event, Event::Dissolved { .. } | Event::Excluded)) {
                // A process that wanted to leave wants to leave in its next life, too.
                self.leave_asked = false;
            }
            let blocked = self.events.iter().rev().find_map(|event| match event {
                Event::Blocked(why) => Some(Some(why.clone())),
                Event::Unblocked | Event::Excluded | Event::Dissolved { .. } => Some(None),
                _ => None,
            });
            if let Some(why) = blocked {
                self.mailbox.set_blocked(why);
            }
            let refused = self.events.iter().find_map(|event| match event {
                Event::LeaveRefused { min_voters } => Some(*min_voters),
                _ => None,
            });
            if let Some(min_voters) = refused
                && self.mailbox.refuse_leave(LeaveError::TooFew { min_voters })
            {
                (self.leave_by, self.leave_asked) = (None, false);
            }
            self.mailbox.publish(&mut self.events, used);
        }
        used > 0 && room > used
    }

    /// Room for events: a fixed amount, and more while the reader awaits a send of its own.
    fn room(&mut self) -> usize {
        let room = self.mailbox.room(self.settings.unread + self.extra);
        if room >= self.settings.unread {
            self.extra = 0;
        }
        if room > 0 || !self.reader_awaits_send() {
            return room;
        }
        if self.settings.unread + self.extra < UNREAD_LIMIT {
            self.extra += EXTRA_ROOM;
            return EXTRA_ROOM;
        }
        self.mailbox.turn_waiters_away();
        for (sseq, receipt) in self.receipts.drain(..) {
            let _ = receipt.answer.send(Err(SendError::EventsUnread(Some(crate::sender::MessageId(sseq)))));
        }
        0
    }

    fn reader_awaits_send(&self) -> bool {
        let Some((reader, waits_for_room)) = self.mailbox.busy_reader() else { return false };
        let queued = self.submissions.iter().filter_map(|s| s.receipt.as_ref());
        let mut receipts = self.receipts.iter().map(|(_, receipt)| receipt).chain(queued);
        waits_for_room || receipts.any(|receipt| receipt.party == reader)
    }

    /// Gives the outcomes that somebody awaits to them; the others stay events.
    pub(super) fn settle_receipts(&mut self) {
        let receipts = &mut self.receipts;
        self.events.retain(|event| {
            let Event::Outcome { sseq, outcome } = event else { return true };
            let Ok(index) = receipts.binary_search_by_key(sseq, |(of, _)| *of) else { return true };
            let (_, receipt) = receipts.remove(index).expect("just found");
            // Somebody who stopped waiting does not want it as an event either.
            let _ = receipt.answer.send(Ok(*outcome));
            false
        });
    }
}
