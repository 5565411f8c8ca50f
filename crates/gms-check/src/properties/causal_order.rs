//! **P12 Causal order.** If p delivered m before sending m', every process that delivers both delivers m first.
//!
//! In one total order (P10) this says: a message's place lies behind every place its sender had handled when it sent
//! it. Checked at the end for all places of all messages. Exercised: messages found in the order whose sender had
//! delivered one of another process before sending.

use super::Invariant;
use crate::Property;
use crate::findings::{Findings, Place};
use crate::world::World;

#[derive(Debug)]
pub(crate) struct CausalOrder;

impl Invariant for CausalOrder {
    fn finish(&mut self, world: &World, out: &mut Findings) {
        for (id, message) in world.messages() {
            let Some(sent) = message.sent else {
                continue;
            };
            out.exercised(Property::P12, u64::from(sent.heard && message.place.is_some()));
            for placed in world.places(id).filter(|placed| placed.gseq <= sent.after) {
                let sender = world.uid(id.sender);
                let what = format!("message {} of {sender}, sent after it had handled gseq {}", id.sseq, sent.after);
                let place = Place::Entry { gseq: placed.gseq, view: placed.view };
                out.violated(Property::P12, &[sender, world.uid(placed.by)], place, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Level, Property};

    #[test]
    fn good_trace() {
        assert_eq!(good().passes(Property::P12).exercised(Property::P12), 6);
    }

    #[test]
    fn an_answer_before_its_question() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[1, 2], 1, 2, (1, 1), Level::Agreed).send(2, 1, Level::Agreed);
        story.deliver(&[3], 1, 2, (2, 1), Level::Agreed);
        story.caught(Property::P12, &[2, 3], "gseq 2 in view 1");
    }
}
