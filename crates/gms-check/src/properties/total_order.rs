//! **P10 Total order, no gaps.** In a view a process handles places densely, and places hold the same for all.
//!
//! After its first view, whose place is where it starts, every `deliver`, `pass` and `view` record of a process must
//! have the place after the one before. A place of a view must hold what the first process seen there had: the same
//! message, whether delivered or for others, or the same kind of entry. Density and equal places make one process's
//! deliveries a prefix of another's. Exercised: places handled; part `compared`: those another process had handled,
//! too.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Handled, Slot, Step};
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct TotalOrder;

impl Invariant for TotalOrder {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match (&step.handled, step.event) {
            (Some(handled), _) => {
                out.exercised(Property::P10, 1);
                dense(step, handled.gseq, handled.view, out);
                if let Some(slot) = step.slot {
                    out.part(Property::P10, "compared", u64::from(slot.by != step.who));
                    same(step, handled, slot, out);
                }
            }
            // The first view of a process, and the first one in another lineage (P3), is where it starts.
            (None, Event::View { gid, view, gseq, .. }) if step.lineage.is_some_and(|lineage| lineage.gid == *gid) => {
                dense(step, *gseq, *view, out);
            }
            _ => {}
        }
    }
}

fn dense(step: &Step<'_>, gseq: u64, view: u64, out: &mut Findings) {
    let due = step.process.due;
    let Some(current) = step.view else {
        let place = Place::Entry { gseq, view };
        out.violated(Property::P10, &[step.uid()], place, "handled by a process that is in no view".to_owned());
        return;
    };
    if gseq != due {
        // What is left out belongs to the view the process is in.
        let place = if gseq > due { Place::Entry { gseq: due, view: current } } else { Place::Entry { gseq, view } };
        out.violated(Property::P10, &[step.uid()], place, format!("gseq {gseq} handled where {due} was due"));
    }
}

fn same(step: &Step<'_>, handled: &Handled, slot: &Slot, out: &mut Findings) {
    if slot.alike(handled) {
        return;
    }
    let first = step.world.uid(slot.by);
    let named = |class, id: Option<crate::world::Id>| match id {
        Some(id) => format!("{class:?} {} of {}", id.sseq, step.world.uid(id.sender)).to_lowercase(),
        None => format!("{class:?}").to_lowercase(),
    };
    let what = format!("{} here, {} at {first}", named(handled.class, handled.id), named(slot.class, slot.id));
    let place = Place::Entry { gseq: handled.gseq, view: handled.view };
    out.violated(Property::P10, &[step.uid(), first], place, what);
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Level, PassReason, Property};

    fn messages() -> Story {
        let mut story = three();
        story.send(1, 1, Level::Agreed).send(2, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed);
        story
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P10);
        assert!(report.counters.part(Property::P10, "compared") > 10);
    }

    #[test]
    fn a_gap() {
        messages().deliver(&[2], 1, 4, (2, 1), Level::Agreed).caught_alone(Property::P10, &[2], "gseq 3 in view 1");
        let mut story = messages();
        story.accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 4, 3, &[1, 2, 3]);
        story.caught_alone(Property::P10, &[1], "gseq 3 in view 1");
    }

    #[test]
    fn another_entry() {
        let mut story = messages();
        story.deliver(&[1], 1, 3, (2, 1), Level::Agreed).pass(&[3], 1, 3, (0, 0), PassReason::Control);
        story.caught(Property::P10, &[3, 1], "gseq 3 in view 1");
        let mut story = messages();
        story.pass(&[1], 1, 3, (2, 1), PassReason::NotAddressed).pass(&[3], 1, 3, (2, 2), PassReason::NotAddressed);
        story.caught(Property::P10, &[3, 1], "gseq 3 in view 1");
    }

    #[test]
    fn in_no_view() {
        let mut story = messages();
        let both = [Property::P10, Property::P28];
        story.deliver(&[7], 1, 2, (1, 1), Level::Agreed).caught_by_both(both, &[7], "gseq 2 in view 1");
    }
}
