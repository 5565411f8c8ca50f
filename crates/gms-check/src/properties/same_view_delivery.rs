//! **P8 Same-view delivery.** All who deliver a message deliver it with the same (view, gseq).
//!
//! The places of every message are collected; two that differ are a breach if they are in one history: in one lineage,
//! or one of them in what the other's lineage began with. A place behind the end of its view (the entry of the next
//! view is at or before it) is a lost one, if the process that has the message there never came past that view: P15 and
//! P13 judge those. A delivery that names a view above the one its process is in is a breach by itself; one below is
//! P4's. Exercised: deliveries of a message that another process has, too.

use super::Invariant;
use crate::Property;
use crate::findings::{Findings, Place};
use crate::world::{Placed, Step, World};

#[derive(Debug)]
pub(crate) struct SameViewDelivery;

impl Invariant for SameViewDelivery {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let Some(handled) = step.handled else {
            return;
        };
        let known = step.message.and_then(|message| message.place);
        if handled.delivered && known.is_some_and(|placed| placed.by != step.who) {
            out.exercised(Property::P8, 1);
        }
        if let Some(current) = step.view
            && handled.view > current
        {
            let place = Place::Entry { gseq: handled.gseq, view: handled.view };
            out.violated(Property::P8, &[step.uid()], place, format!("handled by a process in view {current}"));
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for id in world.scattered() {
            let kept: Vec<Placed> = world.places(id).filter(|placed| !excused(world, *placed)).collect();
            for (before, other) in kept.iter().enumerate() {
                let Some(first) = kept[..before].iter().find(|first| in_one_history(world, **first, *other)) else {
                    continue;
                };
                let (sender, by, and) = (world.uid(id.sender), world.uid(other.by), world.uid(first.by));
                let what = format!(
                    "message {} of {sender} is here, and at gseq {} in view {} at {and}",
                    id.sseq, first.gseq, first.view
                );
                out.violated(Property::P8, &[by, and], Place::Entry { gseq: other.gseq, view: other.view }, what);
            }
        }
    }
}

/// Whether some lineage has both places. What was lost with an older lineage may stand elsewhere in the newer one.
fn in_one_history(world: &World, one: Placed, other: Placed) -> bool {
    world.holds(one.lineage, other) || world.holds(other.lineage, one)
}

/// A lost place at a process that is gone.
fn excused(world: &World, placed: Placed) -> bool {
    world.lost(placed) && !world.process(placed.by).came_past(placed.view)
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Level, Property};

    #[test]
    fn good_trace() {
        good().passes(Property::P8);
    }

    #[test]
    fn in_another_view() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).accept(&[1, 2, 3], 2);
        story.view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]).deliver(&[1, 3], 2, 3, (1, 1), Level::Agreed);
        story.clone().deliver(&[2], 3, 3, (1, 1), Level::Agreed).caught_alone(Property::P8, &[2], "gseq 3 in view 3");
        let report = story.deliver(&[2], 1, 3, (1, 1), Level::Agreed).report();
        assert_eq!(report.violations[0].property, Property::P8);
    }

    #[test]
    fn at_another_place() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).send(2, 1, Level::Agreed);
        story.deliver(&[3], 1, 2, (1, 1), Level::Agreed).deliver(&[3], 1, 3, (2, 1), Level::Agreed);
        story.deliver(&[2], 1, 2, (2, 1), Level::Agreed).deliver(&[2], 1, 3, (1, 1), Level::Agreed);
        story.caught(Property::P8, &[2, 3], "gseq 3 in view 1");
    }

    /// 1 goes on alone from what it holds, which is all up to gseq 2, or not the message there.
    #[test]
    fn at_another_place_of_a_lineage_that_goes_on() {
        for (upto, sound) in [(2, false), (1, true)] {
            let mut story = three();
            story.send(1, 1, Level::Agreed).deliver(&[2, 3], 1, 2, (1, 1), Level::Agreed);
            story.go_on_alone(1, 1, upto).deliver(&[1], 2, upto + 2, (1, 1), Level::Agreed);
            if sound {
                story.passes(Property::P8);
            } else {
                story.caught(Property::P8, &[1, 2], "gseq 4 in view 2");
            }
        }
    }
}
