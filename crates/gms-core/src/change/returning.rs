//! Going on without a quorum that is lost for good: where nobody of the last view can decide anything any more, and all
//! its voters are accounted for, one of those who are left creates a lineage that begins with the history of the old
//! one (docs/lineages.md, *Returning*). When that is so is found out by the layers around this one.

use crate::context::Context;
use crate::event::Trace;
use crate::id::Gid;
use crate::membership::{Membership, Stage};
use crate::params::Params;
use crate::view::{Next, Role, View, ViewMember};
use crate::why::Why;

/// From which lineage a process returns, and with how much of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The lineage.
    pub gid: Gid,
    /// The last view of it that this process was in.
    pub vid: u64,
    /// The last place of its order that this process holds.
    pub upto: u64,
}

impl Membership {
    /// Creates another lineage, alone, with everything that is stored here: all of it is delivered, whatever its level,
    /// then the first view of the new lineage.
    pub(crate) fn on_return(&mut self, cx: &mut Context) {
        if self.stage != Stage::Member || !self.has_history() {
            return;
        }
        (self.candidacy, self.proposal, self.accepting, self.ending) = (None, None, None, None);
        self.hearsay = Default::default();
        // Nobody else decides a cut any more: it is what is here, without holes.
        self.log.end_at(self.log.have());
        self.fold_stored(cx);
        self.sessions.cut_short();
        if self.stage == Stage::Gone {
            return;
        }
        let origin = Origin { gid: self.view.gid, vid: self.view.vid, upto: self.next_gseq - 1 };
        let drawn = u128::from(cx.random.next()) << 64 | u128::from(cx.random.next());
        let me = self.view.member(cx.config.uid).expect("a process installs only views it is in").clone();
        let view = View {
            gid: Gid::draw(&cx.config.name, drawn),
            vid: self.view.vid + 1,
            at: self.log.have() + 1,
            gseq: self.next_gseq,
            leader: me.uid,
            members: vec![ViewMember { role: Role::Voter, ..me }],
            params: Params { origin: Some(self.view.gid), ..self.view.params.clone() },
        };
        let gid = view.gid;
        cx.trace(|| Trace::Created { gid, from: Some(origin) });
        let why = vec![Why::Lost; self.view.members.len() - 1];
        let next = Next { view, cut_digest: self.digest, into: None, why };
        let snapshot = self.snapshot_at(&next);
        self.change = Default::default();
        self.install(cx, next, snapshot);
        // Those of the old view are told by other means, and nobody keeps anything for them.
        self.handover = Default::default();
        (self.decided, self.early) = (self.decided.split_off(self.decided.len() - 1), Vec::new());
        self.recount(cx);
    }
}
