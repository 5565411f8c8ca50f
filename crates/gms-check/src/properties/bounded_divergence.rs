//! **P15 Bounded divergence of Agreed.** An agreed delivery is missing from the history only if its deliverer is never
//! again in a view, and only in its last view.
//!
//! When a process installs a view whose place is at or before its own last agreed delivery, that delivery is not in the
//! history and the process goes on. Deliveries naming a view the process is no longer in are P4's. Exercised: agreed
//! entries behind the end of their view: each was delivered by somebody and lost.

use std::collections::BTreeMap;

use super::Invariant;
use super::uniform_agreement::uniform_by;
use crate::findings::{Findings, Place};
use crate::world::{ProcessId, Step, World};
use crate::{Event, Property};

#[derive(Debug, Default)]
pub(crate) struct BoundedDivergence {
    /// The last agreed delivery of each process as (gseq, view).
    last: BTreeMap<ProcessId, (u64, u64)>,
}

impl Invariant for BoundedDivergence {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        if let Some(handled) = step.delivered()
            && !handled.uniform
        {
            self.last.insert(step.who, (handled.gseq, handled.view));
        }
        let Event::View { gid, view, gseq: end, .. } = step.event else {
            return;
        };
        if step.lineage.is_none_or(|lineage| lineage.gid != *gid) {
            return;
        }
        if let Some((gseq, before)) = self.last.remove(&step.who)
            && gseq >= *end
        {
            let what = format!("delivered and lost, but the process goes on in view {view}, which is at gseq {end}");
            out.violated(Property::P15, &[step.uid()], Place::Entry { gseq, view: before }, what);
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for lineage in world.lineages() {
            let lost = lineage.slots().filter(|(gseq, view, slot)| {
                slot.delivered && uniform_by(world, slot).is_none() && lineage.lost(*view, *gseq)
            });
            out.exercised(Property::P15, lost.count() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Event, Level, Property};

    /// 3 delivers two messages that the next view does not count.
    fn beyond_the_cut() -> Story {
        let mut story = three();
        story.send(3, 1, Level::Agreed).send(3, 2, Level::Agreed).accept(&[1, 2, 3], 2);
        story.deliver(&[3], 1, 2, (3, 1), Level::Agreed).deliver(&[3], 1, 3, (3, 2), Level::Agreed);
        story
    }

    #[test]
    fn good_trace() {
        assert_eq!(good().passes(Property::P15).exercised(Property::P15), 1);
    }

    #[test]
    fn gone_for_good() {
        let mut story = beyond_the_cut();
        story
            .view(&[1, 2], 2, 2, 2, &[1, 2])
            .add(3, Event::CutLink { to: crate::testing::uid(1) })
            .add(3, Event::Excluded);
        assert_eq!(story.passes(Property::P15).exercised(Property::P15), 2);
    }

    #[test]
    fn goes_on_all_the_same() {
        let mut story = beyond_the_cut();
        story.view(&[1, 2, 3], 2, 2, 2, &[1, 2, 3]);
        story.caught(Property::P15, &[3], "gseq 3 in view 1");
    }
}
