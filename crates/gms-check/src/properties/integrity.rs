//! **P5 Integrity.** Every delivered (id, digest) was sent by that Uid with that digest.
//!
//! Every `deliver` record is compared with the `send` record of its id, which may come later in the stream if it is of
//! another process; a process's own message must have been sent before it is delivered. An id is sent once. Exercised:
//! deliveries. In traces of processes, a message is not judged if its `send` may be missing because a trace just ends
//! or is not there.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Id, Step, World};
use crate::{Event, Property, Uid};

#[derive(Debug, Default)]
pub(crate) struct Integrity {
    /// Deliveries that differ from what was known when they or their message came: the sender has the last word.
    disputed: Vec<Disputed>,
}

#[derive(Debug)]
struct Disputed {
    id: Id,
    digest: u64,
    by: Uid,
    place: Place,
}

impl Invariant for Integrity {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            Event::Deliver { digest, sender, sseq, .. } => {
                let Some(Id { sender: from, .. }) = step.handled.and_then(|handled| handled.id) else {
                    return;
                };
                self.deliver(step, Id { sender: from, sseq: *sseq }, *sender, *digest, out);
            }
            Event::Send { sseq, digest, .. } => self.send(step, Id { sender: step.who, sseq: *sseq }, *digest, out),
            _ => {}
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for disputed in &self.disputed {
            let sender = world.uid(disputed.id.sender);
            if let Some(sent) = world.message(disputed.id).and_then(|message| message.sent)
                && sent.digest != disputed.digest
            {
                let what = format!(
                    "message {} of {sender} delivered with another digest than it was sent with",
                    disputed.id.sseq
                );
                out.violated(Property::P5, &[disputed.by, sender], disputed.place, what);
            }
        }
        for (id, message) in world.messages() {
            // What a process delivers of its own was judged at once.
            if let (None, Some(_), Some(placed)) = (message.sent, message.digest, message.place)
                && placed.by != id.sender
                && !world.may_be_untold(id)
            {
                let (by, sender) = (world.uid(placed.by), world.uid(id.sender));
                let place = Place::Entry { gseq: placed.gseq, view: placed.view };
                out.violated(
                    Property::P5,
                    &[by, sender],
                    place,
                    format!("message {} of {sender} was never sent", id.sseq),
                );
            }
        }
    }
}

impl Integrity {
    fn deliver(&mut self, step: &Step<'_>, id: Id, sender: Uid, digest: u64, out: &mut Findings) {
        out.exercised(Property::P5, 1);
        let Some(handled) = step.handled else {
            return;
        };
        let place = Place::Entry { gseq: handled.gseq, view: handled.view };
        if id.sender == step.who && step.message.is_none_or(|message| message.sent.is_none()) {
            out.violated(Property::P5, &[sender], place, format!("own message {} was not sent before", id.sseq));
        }
        if step.message.and_then(|message| message.digest).is_some_and(|known| known != digest) {
            self.disputed.push(Disputed { id, digest, by: step.uid(), place });
        }
    }

    fn send(&mut self, step: &Step<'_>, id: Id, digest: u64, out: &mut Findings) {
        let Some(message) = step.message else {
            return;
        };
        if message.sent.is_some() {
            let place = Place::Send { sseq: id.sseq, after: step.process.reached() };
            out.violated(Property::P5, &[step.uid()], place, "the number was used before".to_owned());
        } else if let (Some(delivered), Some(placed)) = (message.digest, message.place)
            && delivered != digest
        {
            let place = Place::Entry { gseq: placed.gseq, view: placed.view };
            self.disputed.push(Disputed { id, digest: delivered, by: step.world.uid(placed.by), place });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three, uid};
    use crate::{Event, Level, Property};

    #[test]
    fn good_trace() {
        assert_eq!(good().passes(Property::P5).exercised(Property::P5), 22);
    }

    #[test]
    fn never_sent() {
        let mut story = three();
        story.deliver(&[2], 1, 2, (1, 1), Level::Agreed);
        story.caught_alone(Property::P5, &[2, 1], "gseq 2 in view 1");
    }

    /// 1 has no trace, or dies and leaves one that lacks its end, or has left.
    #[test]
    fn what_may_be_missing_in_traces_is_not_judged() {
        use crate::Faults::Unknown;
        let mut none = Story::default();
        none.view(&[2, 3], 1, 1, 3, &[1, 2, 3]).deliver(&[2, 3], 1, 2, (1, 1), Level::Agreed);
        let report = none.report_of_traces(Unknown);
        assert!(report.passed(), "{:#?}", report.violations);
        assert_eq!(report.notes, [format!("no trace of {}: its messages are not judged", uid(1))]);
        none.caught_alone(Property::P5, &[2, 1], "gseq 2 in view 1");
        let mut dies = three();
        dies.send(1, 1, Level::Agreed).deliver(&[2, 3], 1, 2, (1, 1), Level::Agreed);
        dies.deliver(&[2, 3], 1, 3, (1, 2), Level::Agreed);
        assert!(dies.report_of_traces(Unknown).passed() && !dies.report().passed());
        let mut torn = dies.clone();
        torn.add(1, Event::Incomplete { records: 3 });
        let report = torn.report_of_traces(Unknown);
        assert!(report.passed() && report.notes.len() == 1 && report.notes[0].contains("is incomplete"));
        dies.add(1, Event::Left);
        assert!(!dies.report_of_traces(Unknown).passed(), "it was complete");
    }

    #[test]
    fn another_payload() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[3], 1, 2, (1, 1), Level::Agreed);
        let digest = 7;
        story.add(2, Event::Deliver { view: 1, gseq: 2, sender: uid(1), sseq: 1, digest, level: Level::Agreed });
        story.caught_alone(Property::P5, &[2, 1], "gseq 2 in view 1");
    }

    #[test]
    fn own_message_before_it_is_sent() {
        let mut story = three();
        story.deliver(&[1], 1, 2, (1, 1), Level::Agreed).send(1, 1, Level::Agreed);
        story.caught(Property::P5, &[1], "gseq 2 in view 1");
    }

    #[test]
    fn sent_twice() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).send(1, 1, Level::Agreed);
        story.caught_alone(Property::P5, &[1], "send 1");
    }
}
