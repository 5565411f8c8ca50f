//! The first step of a message: from the application into a FORWARD frame, on its way to the leader.

use crate::context::Context;
use crate::event::{Event, Outcome, Trace};
use crate::id::Position;
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::timers::Timer;
use crate::transmit::{Destination, Transmit, write_train};
use crate::wire::Kind;

/// Forwarded frames repeated at once, at most.
const REPEAT_BATCH: usize = 32;

impl Membership {
    /// Charge of own frames that may be on their way to the leader: a share of its receive buffer
    /// (protocol 4.6). The order coming back is what gives credit back.
    fn credit(&self) -> u64 {
        let sharers = self.view.members.len().saturating_sub(1).max(1) as u64;
        (u64::from(self.leader().budget) * 3 / 4 / sharers).min(self.window_charge()).max(16 << 10)
    }

    /// Packs own messages for the leader, as far as credit goes.
    fn pack_forwards(&mut self, cx: &mut Context) {
        let (room, credit) = (self.view.params.frame_room(), self.credit());
        let mut expired = Vec::new();
        while self.pending.in_flight() < credit && self.pending.wants_packing() {
            let Some(frame) = self.pending.pack(cx.config.uid, self.view.vid, room, &cx.config.limits, &mut expired)
            else {
                break;
            };
            self.pending.forward(frame);
        }
        self.report_expired(cx, expired);
    }

    /// Messages bound to a view that is over are not and will not be in the order (P17).
    pub(crate) fn report_expired(&mut self, cx: &mut Context, expired: Vec<u64>) {
        for sseq in expired {
            cx.trace(|| Trace::Outcome { sseq, outcome: Outcome::NotOrdered });
            cx.events.push_back(Event::Outcome { sseq, outcome: Outcome::NotOrdered });
        }
    }

    /// Writes the next train of FORWARD frames. It acknowledges on the way.
    pub(crate) fn transmit_forwards(
        &mut self,
        cx: &mut Context,
        max_segments: usize,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        if self.is_leader() || self.stage == Stage::Gone || self.is_wedged() {
            return None;
        }
        self.pack_forwards(cx);
        self.pending.unsent().next()?;
        let envelope = self.envelope(cx, Kind::Forward, self.ack_status(cx));
        let datagram = usize::from(self.view.params.datagram);
        let (count, segment_size) = write_train(out, datagram, max_segments, self.pending.unsent(), |_| envelope);
        self.pending.sent(cx.now, count);
        self.acked(cx);
        cx.timers.start(Timer::Forward, cx.now + self.pending.patience(cx.config.timing.repeat));
        Some(Transmit { destination: Destination::Unicast(self.leader().address), segment_size })
    }

    /// Forwards have not come back for long enough: send the oldest again.
    pub(crate) fn on_forward_timer(&mut self, cx: &mut Context) {
        if self.is_leader() || !self.pending.awaits_order() {
            return;
        }
        let patience = self.pending.patience(cx.config.timing.repeat);
        let silent = cx.now - self.progress;
        if silent >= patience {
            if self.planted.is(Bug::RepackedInTheView) {
                let me = self.me(cx);
                self.pending.repack(Position::message(self.next[me].sseq));
            }
            self.pending.repeat(REPEAT_BATCH, cx.config.timing.repeat, cx.config.timing.heartbeat);
            cx.stats.repeats += self.pending.unsent().count() as u64;
            cx.timers.set(Timer::Forward, cx.now + self.pending.patience(cx.config.timing.repeat));
        } else {
            cx.timers.set(Timer::Forward, cx.now + (patience - silent));
        }
    }
}
