//! **P6 No duplication.** A Uid delivers an id at most once.
//!
//! Each process keeps for each sender how far it came and what it left out: a `deliver` record of a number that is
//! neither new nor left out was there before. Exercised: deliveries; part `over views`: the first of a sender after a
//! delivery of the same sender in an earlier view, where forwarding it again could have made a second one; part
//! `repeats left out`: what a leader was sent once more and found in the order.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Number, Step};
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct NoDuplication;

impl Invariant for NoDuplication {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        out.part(Property::P6, "repeats left out", u64::from(matches!(step.event, Event::Repeated { .. })));
        let Some((handled, id)) = step.delivered().and_then(|handled| Some((handled, handled.id?))) else {
            return;
        };
        out.exercised(Property::P6, 1);
        if step.process.fifo.get(&id.sender).is_some_and(|fifo| fifo.view < handled.view) {
            out.part(Property::P6, "over views", 1);
        }
        if step.process.number(id.sender, id.sseq) == Number::Again {
            let sender = step.world.uid(id.sender);
            let place = Place::Entry { gseq: handled.gseq, view: handled.view };
            let what = format!("message {} of {sender} delivered again", id.sseq);
            out.violated(Property::P6, &[step.uid()], place, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{GID, good, three, uid};
    use crate::{Event, Level, Property};

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P6);
        assert_eq!(report.counters.part(Property::P6, "over views"), 8);
    }

    #[test]
    fn what_a_leader_left_out_is_counted() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed);
        story.add(3, Event::Repeated { gid: GID, view: 1, sender: uid(1), sseq: 1 });
        assert_eq!(story.passes(Property::P6).counters.part(Property::P6, "repeats left out"), 1);
    }

    #[test]
    fn delivered_again() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed);
        story.deliver(&[2], 1, 3, (1, 1), Level::Agreed);
        story.caught(Property::P6, &[2], "gseq 3 in view 1");
    }

    /// Out of order, and after a gap, but once each.
    #[test]
    fn late_is_not_again() {
        let mut story = three();
        (1..=4).for_each(|sseq| {
            story.send(1, sseq, Level::Agreed);
        });
        for (gseq, sseq) in [(2, 1), (3, 4), (4, 2), (5, 3)] {
            story.deliver(&[1, 2, 3], 1, gseq, (1, sseq), Level::Agreed);
        }
        assert_eq!(story.report().of(Property::P6).count(), 0);
        story.deliver(&[3], 1, 6, (1, 2), Level::Agreed).caught(Property::P6, &[3], "gseq 6 in view 1");
    }
}
