//! A lineage in which nothing was ordered yet orders nothing before it has *settled*: before its leader knows that no
//! other lineage of the name can be heard. So lineages that can hear each other meet before anything was said in them,
//! and only such a lineage ever ends by itself.

use std::time::Duration;

use crate::context::Context;
use crate::event::{Blocked, Unsettled};
use crate::membership::Membership;
use crate::planted::Bug;
use crate::time::Time;

/// Not settled for so long, the leader says why.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the leader of a lineage stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Settling {
    since: Time,
    /// What is in the way; `None` once the lineage has settled.
    why: Option<Unsettled>,
}

impl Settling {
    /// A leader begins; the lineage `settles` before anything is said in it, if it is to.
    pub(crate) fn new(settles: bool, now: Time) -> Self {
        Self { since: now, why: settles.then_some(Unsettled::Looking) }
    }
}

impl Membership {
    /// Whether anything but views was ordered in this lineage, as far as this process knows: its views alone take one
    /// place each. What did not survive a cut does not count.
    pub(crate) fn has_history(&self) -> bool {
        self.view.gseq > self.view.vid || self.log.top() > self.view.at
    }

    /// The layers around this one say what keeps the lineage from settling, if anything does. Only its leader is told.
    pub(crate) fn on_settle(&mut self, cx: &Context, why: Option<Unsettled>) {
        let settles = self.settling.why.is_some() && why.is_none();
        let breaks = self.settling.why.is_none() && why.is_some();
        if breaks {
            self.settling.since = cx.now;
        }
        self.settling.why = why;
        if settles {
            self.progress = cx.now;
        }
    }

    /// Whether this leader may not order anything yet.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_leader() && self.settling.why.is_some() && !self.has_history() && !self.planted.is(Bug::NeverSettles)
    }

    /// What it says of that, once it has lasted.
    pub(crate) fn why_unsettled(&self, cx: &Context) -> Option<Blocked> {
        let why = self.settling.why.filter(|_| self.is_unsettled() && cx.now - self.settling.since > PATIENCE)?;
        Some(Blocked::Unsettled { why })
    }

    /// How long messages may wait for their order without that being strange.
    pub(crate) fn order_patience(&self, cx: &Context) -> Duration {
        let patience = cx.config.timing.quorum;
        if self.has_history() { patience } else { patience.max(PATIENCE) }
    }
}
