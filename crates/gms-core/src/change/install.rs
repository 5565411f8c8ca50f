//! What a decided value does: deliver up to the cut, then the view; and making sure that all hear of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::change::Departure;
use crate::context::Context;
use crate::event::{Event, Trace};
use crate::id::{Ballot, Position, Uid, Vid};
use crate::membership::{Membership, Stage, chain};
use crate::quorum::is_quorum;
use crate::timers::Timer;
use crate::view::{Next, Snapshot, ViewMember};
use crate::wire::Control;

/// First repeat of an INSTALL that nobody confirmed.
const REPEAT: Duration = Duration::from_millis(10);

/// At the leader of a new view: who has not confirmed it, and who waits for a release.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Handover {
    waiting: Vec<ViewMember>,
    confirmed: Vec<Uid>,
    pause: Duration,
}

impl Membership {
    /// What a joiner of `next` has to know; a function of the order up to the cut alone (I7).
    pub(crate) fn snapshot_at(&self, next: &Next) -> Snapshot {
        let position = |m: &ViewMember| self.view.index_of(m.uid).map_or(Position::START, |i| self.next[i]);
        let positions: Vec<Position> = next.view.members.iter().map(position).collect();
        // A view voids partial messages (4.5): their senders start them again.
        let positions = Self::restarted(&positions);
        let view = &next.view;
        Snapshot {
            next: positions,
            digest: chain(self.digest, view.at, view.gseq, view.leader, Position::message(view.vid)),
        }
    }

    /// INSTALL, from anybody.
    pub(crate) fn on_install(&mut self, cx: &mut Context, next: Next, snapshot: Snapshot) {
        if next.view.gid != self.view.gid {
            return;
        }
        if next.view.vid <= self.view.vid {
            self.confirm(cx, next.view.vid);
        } else if next.view.vid == self.view.vid + 1 && self.installing.is_none() && self.stage != Stage::Gone {
            self.gaps.top = self.gaps.top.max(next.cut());
            self.installing = Some((next, snapshot));
            self.after_storing(cx);
        }
    }

    /// Everything that waits for the last frame of this view.
    pub(crate) fn reach_cut(&mut self, cx: &mut Context) {
        self.accept_at_cut(cx);
        if self.installing.as_ref().is_some_and(|(next, _)| self.log.have() >= next.cut()) && self.stage != Stage::Gone
        {
            let (next, snapshot) = self.installing.take().expect("just seen");
            if self.digest != next.cut_digest {
                return self.stop(cx, format!("view {} was decided on another order than mine", next.view.vid));
            }
            self.install(cx, next, snapshot);
        }
    }

    /// Ends the view; the log holds everything up to the cut and nothing beyond.
    pub(crate) fn install(&mut self, cx: &mut Context, next: Next, snapshot: Snapshot) {
        let expected = self.snapshot_at(&next);
        if snapshot != expected || self.log.have() != next.cut() {
            return self.stop(cx, format!("the state before view {} differs from the group's", next.view.vid));
        }
        let before = self.view.clone();
        self.decided.push((next.clone(), snapshot));
        if self.decided.len() > cx.config.limits.decided {
            self.decided.remove(0);
        }
        (self.accepting, self.proposal) = (None, None);
        self.settled = next.cut();
        if !next.view.contains(cx.config.uid) {
            return self.depart(cx, next);
        }
        let heard: Vec<_> = before.members.iter().zip(&self.peers).map(|(m, p)| (m.uid, p.heard)).collect();
        self.view = Arc::new(next.view);
        self.log.push_view(self.view.clone());
        self.settled = self.view.at;
        self.next = expected.next;
        self.next_gseq = self.view.gseq + 1;
        self.digest = expected.digest;
        self.promised = Ballot { round: 0, node: self.view.leader.node };
        self.accepted = None;
        self.take_seats(cx, &heard);
        let me = self.me(cx);
        self.pending.repack(self.next[me]);
        cx.timers.stop(Timer::Forward);
        cx.timers.stop(Timer::Nack);
        if self.is_leader() {
            let gone = before.members.iter().filter(|m| !self.view.contains(m.uid));
            let waiting = self.view.members.iter().chain(gone).filter(|m| m.uid != cx.config.uid).cloned().collect();
            self.handover = Handover { waiting, confirmed: vec![cx.config.uid], pause: REPEAT };
            cx.timers.set(Timer::Install, cx.now + REPEAT);
            self.consider(cx);
        } else {
            self.change = Default::default();
            self.handover = Handover::default();
            self.confirm(cx, self.view.vid);
        }
        if self.stage == Stage::Leaving {
            cx.timers.set(Timer::Request, cx.now);
        }
        self.take_future(cx);
    }

    fn confirm(&mut self, cx: &mut Context, vid: Vid) {
        if !self.is_leader() {
            cx.tell(self.leader().address, self.view.gid, self.view.vid, &Control::InstallAck { vid });
        }
    }

    /// A member, or one who is gone, has installed view `vid`.
    pub(crate) fn on_install_ack(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, vid: Vid) {
        if vid != self.view.vid || !self.is_leader() {
            // Somebody who left an older view did not get its release.
            if vid < self.view.vid && !self.view.contains(who) {
                cx.tell(from, self.view.gid, vid, &Control::Release { vid });
            }
            return;
        }
        self.arrived(cx, who);
        if !self.view.contains(who) && self.stands() {
            cx.tell(from, self.view.gid, vid, &Control::Release { vid });
        }
    }

    /// `who` is in this view, by its own word.
    pub(crate) fn arrived(&mut self, cx: &mut Context, who: Uid) {
        if self.handover.confirmed.contains(&who) || !self.handover.waiting.iter().any(|m| m.uid == who) {
            return;
        }
        let stood = self.stands();
        self.handover.confirmed.push(who);
        if self.stands() && !stood {
            let released = self.handover.waiting.iter().filter(|m| !self.view.contains(m.uid));
            for member in released.filter(|m| self.handover.confirmed.contains(&m.uid)) {
                cx.tell(member.address, self.view.gid, self.view.vid, &Control::Release { vid: self.view.vid });
            }
        }
    }

    /// Whether a quorum has installed this view, so that it stands without those who left.
    fn stands(&self) -> bool {
        is_quorum(&self.view, |uid| self.handover.confirmed.contains(&uid))
    }

    /// Tells those who have not confirmed the view again.
    pub(crate) fn on_install_timer(&mut self, cx: &mut Context) {
        if self.stage == Stage::Gone {
            return self.on_departure_timer(cx);
        }
        if !self.is_leader() {
            return;
        }
        let Some((next, snapshot)) = self.decided.last().cloned() else { return };
        let Handover { waiting, confirmed, pause } = &mut self.handover;
        waiting.retain(|m| !confirmed.contains(&m.uid));
        if waiting.is_empty() {
            return;
        }
        let install = Control::Install { next, snapshot };
        for member in waiting.iter() {
            cx.tell(member.address, self.view.gid, self.view.vid, &install);
        }
        *pause = (*pause * 2).min(cx.config.timing.heartbeat);
        cx.timers.set(Timer::Install, cx.now + *pause);
    }

    /// Sends the value that made the present view.
    pub(crate) fn tell_installed(&mut self, cx: &mut Context, to: SocketAddr) {
        if let Some((next, snapshot)) = self.decided.last().cloned() {
            cx.tell(to, self.view.gid, self.view.vid, &Control::Install { next, snapshot });
        }
    }

    /// Somebody is still in view `vid`: tells it what ended it.
    pub(crate) fn tell_successor(&mut self, cx: &mut Context, who: Uid, to: SocketAddr, vid: Vid) {
        let found = self.decided.iter().find(|(next, _)| next.view.vid == vid + 1).cloned();
        let answer = match found {
            Some((next, snapshot)) => Control::Install { next, snapshot },
            None if self.view.contains(who) => return,
            None => Control::Excluded { next: None },
        };
        cx.tell(to, self.view.gid, self.view.vid, &answer);
    }

    /// The next view stands without me.
    fn depart(&mut self, cx: &mut Context, next: Next) {
        let asked = self.stage == Stage::Leaving;
        self.stage = Stage::Gone;
        self.sequencer = None;
        self.blocked = None;
        cx.timers.stop_all();
        self.departure = Some(Departure::new(cx.now, next, asked));
        if !asked {
            self.finale = Some(Event::Excluded);
        }
        self.on_departure_timer(cx);
    }

    /// The group says I am no member any more.
    pub(crate) fn on_excluded(&mut self, cx: &mut Context, next: Option<Next>) {
        if self.stage == Stage::Gone
            || next.as_ref().is_some_and(|n| n.view.contains(cx.config.uid) || n.view.gid != self.view.gid)
        {
            return;
        }
        self.stage = Stage::Gone;
        self.sequencer = None;
        cx.timers.stop_all();
        self.finale = Some(Event::Excluded);
    }

    /// Emits what must come last, once everything before it has been delivered.
    pub(crate) fn finish(&mut self, cx: &mut Context, out: &mut Vec<Event>) {
        let done = self.delivery.upto() >= self.log.have().min(self.settled.max(self.delivery.upto()));
        if self.finale.is_some() && done {
            self.abandon_pending(cx);
            out.extend(cx.events.drain(..));
            let finale = self.finale.take().expect("just seen");
            match finale {
                Event::Left { .. } => cx.trace(|| Trace::Left),
                Event::Excluded => cx.trace(|| Trace::Excluded),
                _ => {}
            }
            out.push(finale);
        }
    }
}
