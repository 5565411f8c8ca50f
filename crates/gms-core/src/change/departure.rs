//! The last steps of a process that the next view does not hold: it keeps answering for its last
//! view until the next one stands without it (protocol 5.3).

use std::net::SocketAddr;
use std::time::Duration;

use crate::context::Context;
use crate::event::{Event, Outcome, Trace};
use crate::id::{Uid, Vid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::Next;
use crate::wire::Control;

/// Between two confirmations that ask for the release.
const REPEAT: Duration = Duration::from_millis(10);

/// What one who is gone still does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Departure {
    next: Next,
    since: Time,
    /// It asked to leave, and wants to know when it may go.
    asked: bool,
    released: bool,
}

impl Departure {
    pub(crate) fn new(since: Time, next: Next, asked: bool) -> Self {
        Self { next, since, asked, released: false }
    }

    /// Where the leader of the next view is reached; `None` where the lineage has ended.
    fn leader(&self) -> Option<SocketAddr> {
        self.next.view.member(self.next.view.leader).map(|leader| leader.address)
    }
}

impl Membership {
    /// Confirms the cut, and makes sure that the next leader knows its view, until it releases me.
    pub(crate) fn on_departure_timer(&mut self, cx: &mut Context) {
        let Some(departure) = &self.departure else { return };
        let waited = cx.now - departure.since;
        if departure.released || waited > cx.config.timing.linger || self.planted.is(Bug::NoLinger) {
            return;
        }
        if departure.asked && waited >= cx.config.timing.farewell && self.finale.is_none() {
            self.finale = Some(Event::Left { released: false });
        }
        let (leader, ack) = (departure.leader(), Control::InstallAck { vid: departure.next.view.vid });
        // Of a lineage that has ended nobody is left: those who have not heard of it ask.
        let Some(leader) = leader else { return };
        cx.tell(leader, self.view.gid, self.view.vid, &ack);
        if waited > Duration::ZERO {
            self.tell_last(cx, leader);
        }
        cx.timers.set(Timer::Install, cx.now + REPEAT);
    }

    /// The next view stands, says its leader: my part is done.
    pub(crate) fn on_release(&mut self, from: SocketAddr, vid: Vid) {
        if let Some(departure) = &mut self.departure
            && departure.next.view.vid == vid
            && departure.leader() == Some(from)
            && !departure.released
        {
            departure.released = true;
            if departure.asked && self.finale.is_none() {
                self.finale = Some(Event::Left { released: true });
            }
        }
    }

    /// Somebody has not heard that view `vid` is over.
    pub(crate) fn answer_for_the_past(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, vid: Vid) {
        let member = self.view.index_of(who);
        let was_one = || self.decided.iter().any(|(next, _)| next.view.vid == vid && next.view.contains(who));
        let may = match member {
            Some(index) => vid <= self.view.vid && self.may_tell(cx, index),
            None => vid < self.view.vid && was_one(),
        };
        if may && !self.planted.is(Bug::NoLinger) {
            self.tell_successor(cx, who, from, vid);
        }
    }

    fn tell_last(&mut self, cx: &mut Context, to: SocketAddr) {
        if let Some((next, snapshot)) = self.decided.last() {
            self.tell_end(cx, to, next, snapshot);
        }
    }

    /// Answers a process outside of this view: if it is in an older one that is remembered, what ended that one;
    /// otherwise, that it is out. All of those together are told no more often than one member, for anybody can be one.
    pub(crate) fn tell_one_outside(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, vid: Vid) {
        if cx.now - self.told_outside < REPEAT {
            return;
        }
        self.told_outside = cx.now;
        if self.address_of(who).is_some() {
            self.tell_successor(cx, who, from, vid);
        } else {
            cx.tell(from, self.view.gid, self.view.vid, &Control::Excluded { who });
        }
    }

    /// Limits such answers to one per member and repeat time.
    pub(crate) fn may_tell(&mut self, cx: &Context, index: usize) -> bool {
        let told = &mut self.peers[index].told;
        let may = told.is_none_or(|at| cx.now - at >= REPEAT);
        if may {
            *told = Some(cx.now);
        }
        may
    }

    /// The last member leaves: there is nobody to tell.
    pub(crate) fn last_one_leaves(&mut self, cx: &mut Context) {
        self.stage = Stage::Gone;
        self.sequencer = None;
        self.settled = self.log.have();
        cx.timers.stop_all();
        self.finale = Some(Event::Left { released: true });
    }

    /// Goes without waiting for anybody: nothing is delivered any more.
    pub(crate) fn abandon(&mut self, cx: &mut Context) {
        self.stage = Stage::Gone;
        self.sequencer = None;
        self.over = true;
        cx.timers.stop_all();
        self.abandon_pending(cx, Outcome::Unknown);
        cx.trace(|| Trace::Left);
        cx.events.push_back(Event::Left { released: false });
    }
}
