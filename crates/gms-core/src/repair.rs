//! Loss: who misses a frame asks for it; who holds it sends it again (protocol 4.2).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::context::Context;
use crate::id::{Fseq, Uid, Vid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::transmit::{Destination, Transmit, write_train};
use crate::wire::{Control, Kind};

/// Frames asked for in one NACK, at most, so that a repair never floods its asker.
const ASK_FRAMES: usize = 256;
/// So many askers for one frame within a round trip get one multicast instead.
const MULTICAST_ASKERS: u8 = 3;
/// Longest pause between two requests for the same frame.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(50);

/// What a follower knows to exist and does not have.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Gaps {
    /// Last frame known to exist.
    pub(crate) top: Fseq,
    /// Frames up to here have been asked for at least once.
    asked: Fseq,
    /// Who certainly has what is missing; the leader otherwise.
    pub(crate) source: Option<SocketAddr>,
    /// Requests since the last one that helped, and where it stood then.
    attempts: u32,
    have: Fseq,
    /// Since when the first frame that is missing is asked for in vain.
    pub(crate) stuck_since: Option<(Fseq, Time)>,
}

impl Gaps {
    pub(crate) fn new(have: Fseq) -> Self {
        Self { top: have, asked: have, source: None, attempts: 0, have, stuck_since: None }
    }

    /// From now on everything up to `top` is wanted, and nothing else.
    pub(crate) fn restart(&mut self, have: Fseq, top: Fseq) {
        *self = Self { top, ..Self::new(have) };
    }

    /// Nothing is missing up to `have`.
    pub(crate) fn closed(&mut self, have: Fseq) {
        (self.asked, self.attempts, self.have, self.stuck_since) = (have, 0, have, None);
    }

    /// Something is missing behind `have`.
    pub(crate) fn open(&mut self, have: Fseq, now: Time) {
        if self.stuck_since.is_none_or(|(at, _)| at != have) {
            self.stuck_since = Some((have, now));
        }
    }

    /// This process stood still: nobody else has kept anything from it meanwhile.
    pub(crate) fn wait_anew(&mut self, now: Time) {
        if let Some((_, since)) = &mut self.stuck_since {
            *since = now;
        }
    }
}

/// What a member owes to those who asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Repairs {
    /// Whom to send which frame of which view; `None` for all.
    queue: VecDeque<(Option<SocketAddr>, Vid, Fseq)>,
    /// Who asked lately: since when, and how many.
    askers: BTreeMap<Fseq, (Time, u8)>,
}

impl Membership {
    /// Asks at once for frames newly found missing. The first request goes to the leader.
    pub(crate) fn transmit_nack(&mut self, cx: &mut Context) {
        let have = self.log.have();
        let complete = self.is_leader() && !self.is_wedged();
        if complete || self.stage == Stage::Gone || self.gaps.top <= have.max(self.gaps.asked) {
            return;
        }
        let ranges = self.log.missing(self.gaps.asked + 1, self.gaps.top, cx.config.limits.ranges, ASK_FRAMES);
        self.gaps.asked = match ranges.last() {
            Some((_, to)) => *to,
            None => self.gaps.top,
        };
        let to = self.gaps.source.unwrap_or(self.leader().address);
        self.ask(cx, to, ranges);
    }

    /// Missing for a while: ask again, a random member from the second time on, for everybody keeps
    /// frames until they are stable.
    pub(crate) fn on_nack_timer(&mut self, cx: &mut Context) {
        let have = self.log.have();
        let complete = self.is_leader() && !self.is_wedged();
        if complete || self.stage == Stage::Gone || self.log.holds_upto(self.gaps.top) {
            return;
        }
        if have > self.gaps.have {
            (self.gaps.have, self.gaps.attempts) = (have, 0);
        }
        let first = self.gaps.source.unwrap_or(self.leader().address);
        // Every other request goes to a member that certainly has it.
        let again = self.gaps.source.is_some() && self.gaps.attempts.is_multiple_of(2);
        let to = if self.gaps.attempts == 0 || again { first } else { self.random_member(cx) };
        let ranges = self.log.missing(have + 1, self.gaps.top, cx.config.limits.ranges, ASK_FRAMES);
        self.gaps.asked = self.gaps.asked.max(ranges.last().map_or(have, |(_, to)| *to));
        self.ask(cx, to, ranges);
        self.gaps.attempts += 1;
        let pause = (self.repeat_after(cx) * (1 << self.gaps.attempts.min(5))).min(PATIENCE);
        let pause = cx.random.stretched(pause);
        cx.timers.set(Timer::Nack, cx.now + pause);
    }

    fn ask(&mut self, cx: &mut Context, to: SocketAddr, ranges: Vec<(Fseq, Fseq)>) {
        if !ranges.is_empty() {
            cx.stats.nacks += 1;
            cx.tell(to, self.view.gid, self.view.vid, &Control::Nack { ranges });
        }
    }

    /// Asks somebody else than the members of my view for what is missing up to a decided cut.
    pub(crate) fn ask_elsewhere(&mut self, cx: &mut Context, to: SocketAddr) {
        let ranges = self.log.missing(self.log.have() + 1, self.gaps.top, cx.config.limits.ranges, ASK_FRAMES);
        self.ask(cx, to, ranges);
    }

    pub(crate) fn random_member(&self, cx: &mut Context) -> SocketAddr {
        let me = self.me(cx);
        let others = self.view.members.len() - 1;
        let pick = cx.random.below(others);
        self.view.members[if pick >= me { pick + 1 } else { pick }.min(others)].address
    }

    /// Whether a view after `vid` stands without this process, as far as is remembered. It may be a member again: a
    /// joiner that was given up before it heard of its view goes on asking, and is let in once more.
    fn was_out_since(&self, who: Uid, vid: Vid) -> bool {
        let later = self.decided.iter().map(|(next, _)| &next.view).filter(|view| view.vid > vid);
        !self.view.contains(who) || later.into_iter().any(|view| !view.contains(who))
    }

    /// Somebody misses frames stamped in `vid`. Answered for whatever is held, of any view.
    pub(crate) fn on_nack(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, vid: Vid, ranges: &[(Fseq, Fseq)]) {
        let sent = self.sequencer.as_ref().filter(|_| !self.is_wedged()).map_or(Fseq::MAX, |s| s.sent);
        if self.stage == Stage::Gone && self.planted.is(Bug::NoLinger) {
            return;
        }
        if self.address_of(who).is_none() {
            // Not even of the time that is remembered.
            if vid < self.view.vid {
                self.tell_one_outside(cx, who, from, vid);
            }
            return;
        }
        let horizon = self.repeat_after(cx);
        // Only a leader knows whom multicast does not reach.
        let shares = self.is_leader();
        let mut frames = 0;
        for fseq in ranges.iter().flat_map(|(first, last)| *first..=(*last).min(self.log.top())) {
            frames += 1;
            if frames > ASK_FRAMES || self.repairs.queue.len() >= cx.config.limits.repairs {
                cx.stats.overflow += 1;
                return;
            }
            if fseq < self.log.base() {
                // Only one who is no member any more can miss what all members have. For a member it
                // means that I joined later, and somebody else must help.
                if vid < self.view.vid && self.was_out_since(who, vid) {
                    let upto = self.log.base() - 1;
                    let had = fseq >= self.log.first();
                    let answer = if had { Control::Gone { who, upto } } else { Control::Excluded { who } };
                    cx.tell(from, self.view.gid, self.view.vid, &answer);
                }
                return;
            }
            if fseq > sent || self.held(vid, fseq).is_none() {
                continue;
            }
            let askers = self.repairs.askers.entry(fseq).or_insert((cx.now, 0));
            if cx.now - askers.0 > horizon {
                *askers = (cx.now, 0);
            }
            // How many more there are changes nothing.
            askers.1 = (askers.1 + 1).min(MULTICAST_ASKERS + 1);
            match askers.1 {
                askers if shares && askers > MULTICAST_ASKERS => {}
                askers if shares && askers == MULTICAST_ASKERS => self.repairs.queue.push_back((None, vid, fseq)),
                _ => self.repairs.queue.push_back((Some(from), vid, fseq)),
            }
        }
    }

    /// Writes the next train of REPAIR frames: all that go to one asker in a row.
    pub(crate) fn transmit_repairs(
        &mut self,
        cx: &mut Context,
        max_segments: usize,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        while let Some(&(to, vid, fseq)) = self.repairs.queue.front() {
            if self.held(vid, fseq).is_none() {
                self.repairs.queue.pop_front();
                continue;
            }
            let run = self.repairs.queue.iter().take_while(|(t, v, _)| (*t, *v) == (to, vid));
            let frames = run.map_while(|(_, vid, fseq)| self.held(*vid, *fseq));
            let envelope = self.envelope(cx, Kind::Repair, [0; 3]);
            let datagram = usize::from(self.view.params.datagram);
            let (count, segment_size) = write_train(out, datagram, max_segments, frames, |_| envelope);
            self.repairs.queue.drain(..count);
            cx.stats.repairs += count as u64;
            if to.is_none() {
                self.copy(cx, out, segment_size);
            }
            let destination = to.map_or(Destination::Data, Destination::Unicast);
            return Some(Transmit { destination, segment_size });
        }
        if self.repairs.askers.len() > cx.config.limits.repairs {
            let horizon = self.repeat_after(cx);
            self.repairs.askers.retain(|_, (since, _)| cx.now - *since <= horizon);
        }
        None
    }
}
