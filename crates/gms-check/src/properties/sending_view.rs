//! **P17 Sending-view option.** A message sent for one view only is delivered in it or reported as not ordered.
//!
//! At the end, every place of such a message, and the place it was reported at, must be in that view. Exercised: such
//! messages found in the order or reported; parts `delivered` and `not ordered`.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{World, ordered};
use crate::{Outcome, Property};

#[derive(Debug)]
pub(crate) struct SendingView;

impl Invariant for SendingView {
    fn finish(&mut self, world: &World, out: &mut Findings) {
        for (id, message) in world.messages() {
            let Some((sent, only)) = message.sent.and_then(|sent| Some((sent, sent.only_in_view?))) else {
                continue;
            };
            let not_ordered = message.outcome == Some(Outcome::NotOrdered);
            out.exercised(Property::P17, u64::from(message.place.is_some() || message.outcome.is_some()));
            out.part(Property::P17, "delivered", u64::from(message.place.is_some()));
            out.part(Property::P17, "not ordered", u64::from(not_ordered));
            let sender = world.uid(id.sender);
            for placed in world.places(id).filter(|placed| placed.view != only) {
                let place = Place::Entry { gseq: placed.gseq, view: placed.view };
                let what = format!("message {} of {sender}, sent for view {only} only", id.sseq);
                out.violated(Property::P17, &[world.uid(placed.by), sender], place, what);
            }
            if let Some((gseq, view)) = ordered(message.outcome)
                && view != only
                && message.place.is_none()
            {
                let place = Place::Send { sseq: id.sseq, after: sent.after };
                let what = format!("sent for view {only} only, reported at gseq {gseq} in view {view}");
                out.violated(Property::P17, &[sender], place, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Level, Outcome, Property};

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P17);
        let part = |name| report.counters.part(Property::P17, name);
        assert_eq!((report.exercised(Property::P17), part("delivered"), part("not ordered")), (2, 1, 1));
        let mut story = three();
        story.send_only(1, 1, Level::Agreed, Some(1)).outcome(1, 1, Outcome::NotOrdered);
        assert_eq!(story.report().counters.part(Property::P17, "not ordered"), 1);
    }

    #[test]
    fn delivered_too_late() {
        let mut story = three();
        story.send_only(1, 1, Level::Agreed, Some(1)).accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        let reported = Outcome::Ordered { gseq: 3, view: 2 };
        story.clone().outcome(1, 1, reported).caught_alone(Property::P17, &[1], "send 1");
        story.deliver(&[2], 2, 3, (1, 1), Level::Agreed).caught_alone(Property::P17, &[2, 1], "gseq 3 in view 2");
    }
}
