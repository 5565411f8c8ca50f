//! **P3 Local monotony.** View numbers at a Uid are consecutive; after `excluded` or `left` it delivers nothing more.
//!
//! Every `view` record but the first of a Uid must have the number of the one before plus one, and the same gid, unless
//! the Uid has `created` the other one with its history. After `excluded`, `left` or `dissolved` no `deliver` and no
//! `view` may follow (a `pass` does nothing for the application). Exercised: steps from view to view; part `ends`:
//! processes excluded or left.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::Step;
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct LocalMonotony;

impl Invariant for LocalMonotony {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let mut violated = |place, what| out.violated(Property::P3, &[step.uid()], place, what);
        let end = match (step.process.excluded, step.process.left) {
            (true, _) => Some("been excluded"),
            (_, true) => Some("left"),
            _ => None,
        };
        match step.event {
            Event::View { gid, view, gseq, .. } => {
                let place = Place::View { view: *view, gseq: *gseq };
                if let Some(end) = end {
                    violated(place, format!("installed after the process had {end}"));
                }
                let (Some(before), Some(lineage)) = (step.view, step.lineage) else {
                    return;
                };
                if lineage.gid != *gid && step.process.returned != Some(*gid) {
                    violated(place, format!("gid {gid:032x} after gid {:032x}", lineage.gid));
                } else if before.checked_add(1) != Some(*view) {
                    violated(place, format!("installed after view {before}"));
                }
                out.exercised(Property::P3, 1);
            }
            Event::Deliver { view, gseq, .. } => {
                if let Some(end) = end {
                    let place = Place::Entry { gseq: *gseq, view: *view };
                    violated(place, format!("delivered after the process had {end}"));
                }
            }
            Event::Excluded | Event::Left | Event::Dissolved { .. } => out.part(Property::P3, "ends", 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Event, Level, Property};

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P3);
        assert_eq!(report.counters.part(Property::P3, "ends"), 1);
    }

    #[test]
    fn a_number_left_out() {
        let mut story = three();
        story.view(&[1, 2, 3], 3, 2, 3, &[1, 2, 3]);
        story.caught_alone(Property::P3, &[1], "view 3");
        let mut story = three();
        story.view(&[2], 1, 2, 3, &[1, 2, 3]);
        story.caught(Property::P3, &[2], "view 1");
    }

    #[test]
    fn nothing_after_the_end() {
        for end in [Event::Excluded, Event::Left] {
            let mut story = three();
            story.add(1, Event::Crash).send(1, 1, Level::Agreed).add(2, end).deliver(&[2], 1, 2, (1, 1), Level::Agreed);
            let both = [Property::P3, Property::P28];
            story.caught_by_both(both, &[2], "gseq 2 in view 1");
            story.accept(&[1, 3], 2).view(&[2], 2, 3, 3, &[2, 3]).caught(Property::P3, &[2], "view 2");
        }
    }

    #[test]
    fn another_lineage() {
        let mut story = three();
        let Event::View { view, at, leader, members, .. } = story.records[0].event.clone() else {
            return;
        };
        story.add(1, Event::View { gid: 7, view: view + 1, at, gseq: 1, leader, members, fail_stop: false });
        story.caught_alone(Property::P3, &[1], "view 2");
    }
}
