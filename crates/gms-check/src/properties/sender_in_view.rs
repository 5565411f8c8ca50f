//! **P7 Sender in view.** The sender is a member of the view in which its message is delivered.
//!
//! The view is the one the delivering process is in. Exercised: deliveries.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::Step;
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct SenderInView;

impl Invariant for SenderInView {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let (Event::Deliver { view, gseq, sender, sseq, .. }, Some(info)) = (step.event, step.view_info()) else {
            return;
        };
        out.exercised(Property::P7, 1);
        if !info.has(*sender) {
            let place = Place::Entry { gseq: *gseq, view: *view };
            let what = format!("message {sseq} of {sender}, which is no member");
            out.violated(Property::P7, &[step.uid(), *sender], place, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Level, Property};

    #[test]
    fn good_trace() {
        good().passes(Property::P7);
    }

    #[test]
    fn a_stranger() {
        let mut story = three();
        story.send(9, 1, Level::Agreed).deliver(&[1], 1, 2, (9, 1), Level::Agreed);
        story.caught(Property::P7, &[1, 9], "gseq 2 in view 1");
    }

    #[test]
    fn a_former_member() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).accept(&[2, 3], 2).view(&[2, 3], 2, 2, 3, &[2, 3]).add(1, crate::Event::Left);
        story.deliver(&[2], 2, 3, (1, 1), Level::Agreed);
        story.caught(Property::P7, &[2, 1], "gseq 3 in view 2");
    }
}
