//! Signs of life: heartbeats, and telling the application when there is no progress and why.

use std::time::Duration;

use crate::context::Context;
use crate::event::{Blocked, Event, Trace};
use crate::membership::{Membership, Stage};
use crate::timers::Timer;

/// How long a member may be heard without storing anything of what it is sent. Longer than any repeat takes.
const DEAF: Duration = Duration::from_secs(5);

impl Membership {
    /// Says that I live. A leader that has lost its quorum does not: it could serve nobody.
    pub(crate) fn on_heartbeat_timer(&mut self, cx: &mut Context) {
        if self.stage == Stage::Gone {
            return;
        }
        let heartbeat = cx.config.timing.heartbeat;
        let serves = !self.blocked_by_quorum();
        match &mut self.sequencer {
            Some(sequencer) => sequencer.heartbeat_due |= serves && cx.now - sequencer.multicast_at >= heartbeat,
            None => self.acks.due = true,
        }
        self.judge_reception(cx);
        cx.timers.set(Timer::Heartbeat, cx.now + heartbeat);
    }

    /// Looks who is silent, and whether there is progress.
    pub(crate) fn on_watch_timer(&mut self, cx: &mut Context) {
        if self.stage == Stage::Gone {
            return;
        }
        cx.timers.set(Timer::Watch, cx.now + cx.config.timing.heartbeat);
        let leader = self.view.index_of(self.view.leader).expect("checked when decoded");
        if self.silence(cx, leader) > cx.config.timing.presence {
            // Perhaps it has left, and I have not heard of the view after this one.
            let to = self.random_member(cx);
            self.seek_successor(cx, to);
        }
        self.look_into_hearsay(cx);
        self.note_lag(cx);
        self.watch(cx);
        self.check_size(cx);
        self.accuse(cx);
        self.report_deaths(cx);
        self.consider(cx);
        self.give_up_on_cut(cx);
    }

    /// Reports the beginning and the end of every time without progress, and if it comes to have another reason: what
    /// has to be done about it is another thing then.
    pub(crate) fn watch(&mut self, cx: &mut Context) {
        let why = self.why_blocked(cx);
        let lacks_quorum = |why: &Option<Blocked>| matches!(why, Some(Blocked::Quorum { .. }));
        if self.is_leader() && lacks_quorum(&self.blocked) && !lacks_quorum(&why) {
            // A member that is not heard yet may have been cut off with the others, and gets the same time to return.
            self.peers.iter_mut().for_each(|peer| peer.heard = cx.now);
            self.change.wait_anew(cx.now);
        }
        let kind = |why: &Option<Blocked>| why.as_ref().map(std::mem::discriminant);
        match &why {
            _ if kind(&self.blocked) == kind(&why) => {}
            Some(why) => {
                cx.trace(|| Trace::Blocked(why.to_string()));
                cx.events.push_back(Event::Blocked(why.clone()));
            }
            None => {
                cx.trace(|| Trace::Unblocked);
                cx.events.push_back(Event::Unblocked);
            }
        }
        self.blocked = why;
    }

    /// Whether this leader has lost its quorum, or may have while it stood still (CheckQuorum), or has asked to be
    /// replaced: then it stamps nothing.
    pub(crate) fn blocked_by_quorum(&self) -> bool {
        self.paused.is_some() || self.has_resigned() || matches!(self.blocked, Some(Blocked::Quorum { .. }))
    }

    /// Whether messages of this view are being ordered, as far as is known here: a leader hears a quorum, a follower
    /// hears one that says that it leads.
    pub(crate) fn serves(&self, cx: &Context) -> bool {
        let patience = cx.config.timing.presence;
        let hears = |uid| self.view.index_of(uid).is_some_and(|index| self.silence(cx, index) <= patience);
        match self.is_leader() {
            true => !self.blocked_by_quorum() && self.quorum(&self.view, hears),
            false => self.stage != Stage::Gone && cx.now - self.served <= patience,
        }
    }

    /// Whether the group is smaller than it is when something is ordered (`min_voters`).
    pub(crate) fn too_few_vote(&self) -> bool {
        self.view.voters().count() < usize::from(self.view.params.min_voters)
    }

    /// Stood still: the silence of the others was mine. Who was taken to be dead before stays so until it is heard.
    /// A leader may have been replaced meanwhile.
    pub(crate) fn on_pause(&mut self, cx: &mut Context) {
        for index in 0..self.peers.len() {
            if !self.is_suspect(cx, index) {
                self.peers[index].heard = cx.now;
            }
        }
        (self.progress, self.served) = (cx.now, cx.now);
        self.gaps.wait_anew(cx.now);
        self.change.wait_anew(cx.now);
        if let Some(sequencer) = &mut self.sequencer
            && self.view.members.len() > 1
        {
            self.paused = Some(cx.now);
            // The followers answer it, and so do those who have gone on.
            sequencer.heartbeat_due = true;
        }
    }

    /// A leader that stood still goes on once a quorum has been heard since.
    pub(crate) fn meet_quorum(&mut self) {
        let Some(at) = self.paused else { return };
        let me = self.view.leader;
        let heard = |uid| uid == me || self.view.index_of(uid).is_some_and(|index| self.peers[index].heard > at);
        if self.quorum(&self.view, heard) {
            self.paused = None;
        }
    }

    /// At the leader: how far the others lag behind. One that is heard, but stores nothing of what it is sent, holds up
    /// everybody: it is given up (4.3).
    fn note_lag(&mut self, cx: &mut Context) {
        let Some(sequencer) = &self.sequencer else { return };
        let (sent, charge) = (sequencer.sent, self.log.charge());
        // One that may order nothing does not say either how far it has got: nobody can know what is missing. And while
        // a view ends, nobody stores more.
        let mute = self.blocked_by_quorum() || self.is_wedged() || self.proposal.is_some();
        let patience = DEAF.max(cx.config.timing.quorum);
        let frame = 2 * u64::from(self.view.params.datagram).max(1024);
        let (mut behind, mut deaf) = (Vec::new(), Vec::new());
        for (index, (member, peer)) in self.view.members.iter().zip(&mut self.peers).enumerate() {
            let (have, edge, since) = peer.lag;
            let keeps_up = peer.have >= sent && peer.edge >= charge + frame;
            // A joiner is heard only when it asks again.
            let silent = cx.now - peer.heard > cx.config.timing.quorum;
            if keeps_up || silent || mute || (have, edge) != (peer.have, peer.edge) || member.uid == cx.config.uid {
                peer.lag = (peer.have, peer.edge, cx.now);
            } else if peer.have < sent && !peer.wedged && cx.now - since >= patience / 2 {
                behind.push(index);
                if cx.now - since >= patience {
                    deaf.push(index);
                }
            }
        }
        // Perhaps multicast does not reach it, whatever it says.
        behind.into_iter().for_each(|index| self.serve_by_unicast(cx, index));
        deaf.retain(|index| self.was_served_by_unicast(cx, *index, cx.config.timing.flow));
        let deaf = deaf.into_iter().map(|index| self.view.members[index].uid).collect();
        self.blame(cx, deaf);
    }

    fn silence(&self, cx: &Context, index: usize) -> Duration {
        if index == self.me(cx) { Duration::ZERO } else { cx.now - self.peers[index].heard }
    }

    fn why_blocked(&self, cx: &Context) -> Option<Blocked> {
        let patience = cx.config.timing.quorum;
        let millis = |d: Duration| d.as_millis() as u64;
        let waiting = !self.pending.is_empty();
        let stuck = cx.now - self.progress;
        // Said once, it holds until enough vote. A message sent is not progress, nor is another view that is too small.
        let said = matches!(self.blocked, Some(Blocked::TooFew { .. }));
        let too_few_for_long = self.too_few_vote() && (said || stuck > patience);
        let too_few = || {
            let (voters, min_voters) = (self.view.voters().count(), self.view.params.min_voters);
            Blocked::TooFew { voters, min_voters }
        };
        let Some(sequencer) = &self.sequencer else {
            let leader = self.view.leader.node.0;
            // One that may order nothing does not say that it leads, though it may be heard otherwise.
            let silence = cx.now - self.served;
            // Without the leader the others can go on only if enough of them agree that it is gone.
            let (voters, heard) = (self.view.voters().count(), self.accusers(cx));
            // Where all who vote are proved to be dead, nobody can give up anybody.
            let nobody_votes = || self.view.voters().all(|m| self.dead.contains(&m.uid));
            let alone = !self.leader_is_given_up(cx) || nobody_votes();
            if self.suspects_leader(cx) && alone && silence > patience {
                return Some(Blocked::Quorum { heard, voters });
            }
            if silence > patience {
                return Some(Blocked::Leader { leader, millis: millis(silence) });
            }
            if too_few_for_long {
                return Some(too_few());
            }
            let unordered = waiting && self.pending.awaits_order() && stuck > self.order_patience(cx);
            return unordered.then(|| Blocked::Progress { leader, millis: millis(stuck) });
        };
        let index = |uid| self.view.index_of(uid).expect("asked of members only");
        if !self.quorum(&self.view, |uid| self.silence(cx, index(uid)) <= patience) {
            let heard = self.view.voters().filter(|m| self.silence(cx, index(m.uid)) <= patience).count();
            return Some(Blocked::Quorum { heard, voters: self.view.voters().count() });
        }
        if too_few_for_long {
            return Some(too_few());
        }
        if let Some(unsettled) = self.why_unsettled(cx) {
            return Some(unsettled);
        }
        let limiting = sequencer.limiting;
        let silence = self.silence(cx, limiting).max(cx.now - self.peers[limiting].lag.2);
        let work = self.pending.wants_packing() || sequencer.held() > 0;
        (work && silence > patience).then(|| Blocked::Window {
            member: self.view.members[sequencer.limiting].uid.node.0,
            millis: millis(silence),
        })
    }
}
