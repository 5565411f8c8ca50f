//! Why each member goes that is not in the next view, as far as the process knows that proposes it.

use std::time::Duration;

use crate::change::suspicion::Suspicion;
use crate::context::Context;
use crate::membership::{Membership, Stage};
use crate::view::{Role, View};
use crate::why::Why;

impl Membership {
    /// One reason for each member of this view that is not in `view`, in the order of the member list.
    pub(super) fn reasons(&self, cx: &Context, view: &View) -> Vec<Why> {
        let members = self.view.members.iter().enumerate();
        members.filter(|(_, m)| !view.contains(m.uid)).map(|(index, _)| self.reason(cx, index)).collect()
    }

    fn reason(&self, cx: &Context, index: usize) -> Why {
        let (member, peer) = (&self.view.members[index], &self.peers[index]);
        let leaves = self.stage == Stage::Leaving && member.uid == cx.config.uid;
        let suspicion = peer.suspicion.filter(|_| self.is_suspect(cx, index));
        // Only the leader knows who has arrived.
        let never_came = self.is_leader() && member.role == Role::Learner && !peer.arrived;
        if leaves || self.wants_to_leave(index) {
            Why::Left
        } else if self.is_to_be_excluded(index) {
            Why::Excluded
        } else if let Some(Suspicion::Replaced(_)) = suspicion {
            Why::Replaced
        } else if self.dead.contains(&member.uid) {
            Why::Dead
        } else if let Some(Suspicion::Closed(_)) = suspicion {
            Why::Closed
        } else if never_came {
            Why::Unreached
        } else if let Some(Suspicion::Silent { checks, .. }) = suspicion {
            let millis = millis(cx.now - peer.heard);
            if checks == 0 { Why::OneWay { millis } } else { Why::Silent { millis, checks } }
        } else if self.is_deaf(index) {
            Why::Deaf { millis: millis(cx.now - peer.lag.2) }
        } else if self.blame.withholds(member.uid) {
            Why::Withheld
        } else {
            Why::NotPromised
        }
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
