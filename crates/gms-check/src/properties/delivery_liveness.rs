//! **P24 Delivery liveness.** Once the faults are over, every send of a member gets its outcome, and all handle the
//! same.
//!
//! Judged where a `rest` record says that the run was ended long enough after the last fault: every `send` of a process
//! that was `up` then has its `outcome`, also those of its former lives under other names, and all who were up have
//! handled the order up to the same place. Exercised: sends of those processes.

use std::cmp::Reverse;

use super::Invariant;
use crate::Property;
use crate::findings::{Findings, Place};
use crate::world::World;

#[derive(Debug)]
pub(crate) struct DeliveryLiveness;

impl Invariant for DeliveryLiveness {
    fn finish(&mut self, world: &World, out: &mut Findings) {
        let Some(rest) = world.rest() else { return };
        let up = |who| rest.up.contains(&world.uid(who));
        for (id, message) in world.messages() {
            // A process that was excluded was told before it came again, and one that crashed is told nothing. Where a
            // lineage ended before anything was said in it, the messages of its members go on in their next lives.
            let process = world.process(id.sender);
            let told = up(id.sender) || process.excluded || process.left;
            let (Some(sent), true) = (message.sent, told && !process.moved) else {
                continue;
            };
            out.exercised(Property::P24, 1);
            if message.outcome.is_none() {
                let place = Place::Send { sseq: id.sseq, after: sent.after };
                out.violated(Property::P24, &[process.uid], place, "no outcome at the end".to_owned());
            }
        }
        // Who is in another view is P23's.
        let all = || rest.up.iter().filter_map(|uid| Some((world.find(*uid)?, world.find(*uid)?.view()?)));
        let Some((furthest, last)) = all().min_by_key(|(process, view)| Reverse((*view, process.reached()))) else {
            return;
        };
        for (process, _) in all().filter(|(process, view)| *view == last && process.reached() < furthest.reached()) {
            let what = format!("handled nothing more, when {} has handled gseq {}", furthest.uid, furthest.reached());
            let place = Place::Process { after: process.reached() };
            out.violated(Property::P24, &[process.uid, furthest.uid], place, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Event, Level, Outcome, Property};

    const HERE: Outcome = Outcome::Ordered { gseq: 2, view: 1 };

    fn sent() -> Story {
        let mut story = three();
        story.send(1, 1, Level::Uniform).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Uniform);
        story
    }

    #[test]
    fn good_trace() {
        good().passes(Property::P24);
        let mut story = sent();
        story.outcome(1, 1, HERE).rest(&[1, 2, 3], &[]);
        assert_eq!(story.passes(Property::P24).exercised(Property::P24), 1);
    }

    #[test]
    fn an_outcome_that_never_comes() {
        let mut story = sent();
        story.rest(&[1, 2, 3], &[]).caught_alone(Property::P24, &[1], "send 1");
    }

    #[test]
    fn what_the_dead_sent_stays_open() {
        let mut story = sent();
        story.add(1, Event::Crash).accept(&[2, 3], 2).view(&[2, 3], 2, 3, 3, &[2, 3]).rest(&[2, 3], &[]);
        assert_eq!(story.passes(Property::P23).exercised(Property::P24), 0);
    }

    #[test]
    fn who_leaves_or_is_excluded_was_to_be_told_first() {
        for end in [Event::Left, Event::Excluded] {
            let mut story = sent();
            story.add(1, end).accept(&[2, 3], 2).view(&[2, 3], 2, 3, 3, &[2, 3]).rest(&[2, 3], &[]);
            story.caught(Property::P24, &[1], "send 1");
        }
    }

    #[test]
    fn one_handles_less() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[1, 2], 1, 2, (1, 1), Level::Agreed);
        story.outcome(1, 1, HERE).rest(&[1, 2, 3], &[]);
        story.caught_alone(Property::P24, &[3, 1], "after gseq 1");
    }

    #[test]
    fn blocked_ones_owe_nothing() {
        let mut story = sent();
        story.add(2, Event::Crash).add(3, Event::Crash).rest(&[], &[1]);
        assert!(story.report().passed());
    }
}
