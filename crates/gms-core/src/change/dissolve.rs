//! Two lineages of one group: the smaller one dissolves, and its members join the other (protocol 7,
//! Absorb). All of them end at one cut, by a view of the leader alone, which then goes too.

use std::time::Duration;

use crate::change::planned::LOOK_AGAIN;
use crate::context::Context;
use crate::event::Event;
use crate::id::Gid;
use crate::membership::{Membership, Stage};
use crate::timers::Timer;
use crate::view::{Role, View, ViewMember};

/// How long a wish to dissolve counts; who wishes it repeats it.
const WISH: Duration = Duration::from_secs(2);

impl Membership {
    /// This lineage is to end in favour of another one. Only the leader can see to it.
    pub(crate) fn on_dissolve(&mut self, cx: &mut Context, into: Gid) {
        let free = self.stage == Stage::Member && self.proposal.is_none() && !self.blocked_by_quorum();
        if self.is_leader() && free && into != self.view.gid {
            self.change.dissolve = Some((into, cx.now));
            self.consider(cx);
        }
    }

    /// The next step towards the end: first all others go, then the leader.
    pub(super) fn dissolve(&mut self, cx: &mut Context, into: Gid) {
        if self.view.members.len() == 1 {
            // Nobody else can object to the order of the one that is left.
            self.settled = self.log.have();
            if self.leavers_need_frames(cx) {
                return cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
            }
            self.stage = Stage::Gone;
            self.sequencer = None;
            cx.timers.stop_all();
            self.finale = Some(self.dissolved(into));
            return;
        }
        let me = self.view.member(cx.config.uid).expect("the leader is a member").clone();
        let view = View {
            vid: self.view.vid + 1,
            at: self.log.have() + 1,
            gseq: self.next_gseq,
            members: vec![ViewMember { role: Role::Voter, ..me }],
            ..View::clone(&self.view)
        };
        if self.may_propose(cx, &view) {
            self.propose(cx, view, Some(into));
        } else {
            cx.timers.start(Timer::Change, cx.now + LOOK_AGAIN);
        }
    }

    /// The wish to dissolve, as long as it counts: the other lineage may be gone by now, unless the first step is done.
    pub(super) fn wish_to_dissolve(&mut self, cx: &Context) -> Option<Gid> {
        let begun = self.view.members.len() == 1;
        self.change.dissolve.take_if(|(_, since)| !begun && cx.now - *since > WISH);
        self.change.dissolve.map(|(into, _)| into)
    }

    /// Whether this is the leader's last view before its lineage ends: nothing is ordered in it.
    pub(crate) fn is_dissolving(&self) -> bool {
        self.change.dissolve.is_some() && self.view.members.len() == 1
    }

    /// What the application is told once it has handled everything up to the cut.
    pub(super) fn dissolved(&self, into: Gid) -> Event {
        // The leader has one view more than the others, which is all there is in it.
        let nothing = self.is_dissolving() && self.next_gseq == self.view.gseq + 1;
        let upto = if nothing { self.view.gseq - 1 } else { self.next_gseq - 1 };
        Event::Dissolved { gid: self.view.gid, into, upto }
    }
}
