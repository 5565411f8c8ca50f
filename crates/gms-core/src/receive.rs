//! The follower's step: storing what the leader has ordered.

use bytes::Bytes;

use crate::context::Context;
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::reception::LeaderNotes;
use crate::timers::Timer;
use crate::wire::{Frame, Kind};

impl Membership {
    /// An ORDERED datagram or a HEARTBEAT of my view's leader.
    pub(crate) fn on_ordered(&mut self, cx: &mut Context, kind: Kind, status: [u64; 3], body: Bytes) {
        let [last, safe, stable] = status;
        if !self.leads_plausibly(cx, status) {
            return;
        }
        self.served = cx.now;
        let body = match kind {
            Kind::Ordered => body,
            _ => match LeaderNotes::decode(&body) {
                Some(notes) => {
                    self.note_leader(notes);
                    Bytes::new()
                }
                None => return cx.stats.malformed += 1,
            },
        };
        if kind == Kind::Held {
            // It cannot order anything now, and says so.
            self.excused = cx.now;
        }
        if self.is_wedged() && !self.planted.is(Bug::PromiseWithoutWedge) {
            self.acks.due |= kind != Kind::Ordered;
            return;
        }
        self.told_safe = self.told_safe.max(safe);
        self.stable = self.stable.max(stable.min(self.log.have()));
        if kind != Kind::Ordered {
            self.acks.due = true;
        }
        self.store(cx, body);
        self.gaps.top = self.gaps.top.max(last);
        self.after_storing(cx);
        self.free();
    }

    /// A REPAIR datagram of anybody in my view.
    pub(crate) fn on_repair(&mut self, cx: &mut Context, body: Bytes) {
        if !self.is_leader() || self.is_wedged() {
            self.store(cx, body);
            self.after_storing(cx);
        }
    }

    /// Stores all frames of a datagram's body.
    fn store(&mut self, cx: &mut Context, body: Bytes) {
        let mut body = self.kept.copy(&body);
        loop {
            match Frame::decode(&mut body, &cx.config.limits) {
                Ok(Some(frame)) => self.keep(cx, frame),
                Ok(None) => break,
                Err(_) => {
                    cx.stats.bad_frames += 1;
                    break;
                }
            }
        }
        self.fold(cx);
    }

    /// Stores a frame of my view.
    fn keep(&mut self, cx: &mut Context, frame: Frame) {
        let (fseq, vid, have) = (frame.header.fseq, frame.header.vid, self.log.have());
        // A little more than is promised to the leader: repairs may arrive beside new frames.
        let cap = self.store_cap() + self.window_charge();
        if self.stage == Stage::Gone {
        } else if (vid != self.view.vid && !self.planted.is(Bug::FrameWithoutItsView)) || fseq <= have {
            cx.stats.duplicates += 1;
        } else if fseq > self.reach() || self.log.used() + frame.charge() > cap {
            cx.stats.overflow += 1;
        } else if self.is_wedged() && fseq > self.gaps.top && !self.planted.is(Bug::PromiseWithoutWedge) {
            // In no cut that I know of.
        } else if (!self.view.contains(frame.header.origin) && !self.planted.is(Bug::FrameWithoutItsView))
            || self.ends_before(fseq)
        {
            cx.stats.bad_frames += 1;
        } else {
            self.gaps.top = self.gaps.top.max(fseq);
            if !self.log.insert(frame) {
                cx.stats.duplicates += 1;
            }
        }
    }

    /// Whether a decided or accepted cut lies before `fseq`.
    fn ends_before(&self, fseq: u64) -> bool {
        self.ending.as_ref().is_some_and(|ending| fseq > ending.next.cut())
    }

    /// Looks at what storing has brought about: gaps to ask for, acks to give, a cut reached.
    pub(crate) fn after_storing(&mut self, cx: &mut Context) {
        let have = self.log.have();
        // What others have stored does not count as far as it is missing here.
        self.safe = self.safe.max(self.told_safe.min(have));
        if self.gaps.top > have {
            self.gaps.open(have, cx.now);
            cx.timers.start(Timer::Nack, cx.now + self.repeat_after(cx));
        } else {
            self.gaps.closed(have);
            cx.timers.stop(Timer::Nack);
        }
        if self.acks.unsent > 0 && !self.acks.due {
            if self.acks.unsent >= self.acks.batch(self.window_charge()) {
                self.acks.due = true;
            } else {
                cx.timers.start(Timer::Ack, cx.now + cx.config.timing.ack_delay);
            }
        }
        self.reach_cut(cx);
    }
}
