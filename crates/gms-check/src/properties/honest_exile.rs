//! **P28 Honest exile.** A process that is in no view acknowledges nothing and delivers nothing.
//!
//! Before its first view, and after `excluded` or `left`, a Uid must have no `outcome` that says `ordered`, and no
//! `deliver`. Exercised: processes that came to be in no view, and what they were told
//! then; parts `exclusions`, and `outcomes`: those told to a process in no view.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::Step;
use crate::{Event, Outcome, Property};

#[derive(Debug)]
pub(crate) struct HonestExile;

impl Invariant for HonestExile {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let exile = step.process.excluded || step.process.left || step.view.is_none();
        match step.event {
            Event::Excluded => {
                out.exercised(Property::P28, 1);
                out.part(Property::P28, "exclusions", 1);
            }
            Event::Left => out.exercised(Property::P28, 1),
            Event::Outcome { sseq, result } if exile => {
                out.exercised(Property::P28, 1);
                out.part(Property::P28, "outcomes", 1);
                if let Outcome::Ordered { .. } = result {
                    let place = Place::Send { sseq: *sseq, after: step.process.reached() };
                    let what = "told to be ordered by a process in no view".to_owned();
                    out.violated(Property::P28, &[step.uid()], place, what);
                }
            }
            Event::Deliver { view, gseq, .. } if exile => {
                let place = Place::Entry { gseq: *gseq, view: *view };
                out.violated(Property::P28, &[step.uid()], place, "delivered by a process in no view".to_owned());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three, uid};
    use crate::{Event, Level, Outcome, Property};

    const HERE: Outcome = Outcome::Ordered { gseq: 2, view: 1 };

    /// 1 has sent what all have delivered, and not been told.
    fn delivered() -> Story {
        let mut story = three();
        story.add(1, Event::Fault { kind: "loss".to_owned() });
        story.send(1, 1, Level::Uniform).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Uniform);
        story
    }

    #[test]
    fn good_trace() {
        assert_eq!(good().passes(Property::P28).exercised(Property::P28), 1);
    }

    #[test]
    fn told_after_the_end() {
        for end in [Event::Excluded, Event::Left] {
            let mut story = delivered();
            story.add(1, end.clone()).outcome(1, 1, HERE).caught_alone(Property::P28, &[1], "send 1");
            let mut story = delivered();
            story.outcome(1, 1, HERE).add(1, end).passes(Property::P28);
        }
    }

    /// What it is told then is that nobody knows.
    #[test]
    fn unknown_is_honest() {
        let mut story = delivered();
        story.send(1, 2, Level::Uniform).outcome(1, 1, HERE).add(1, Event::Excluded).outcome(1, 2, Outcome::Unknown);
        let report = story.passes(Property::P28);
        let part = |name| report.counters.part(Property::P28, name);
        assert_eq!((part("exclusions"), part("outcomes"), report.exercised(Property::P28)), (1, 1, 2));
    }

    #[test]
    fn before_the_first_view() {
        let mut story = delivered();
        story.deliver(&[4], 1, 2, (1, 1), Level::Uniform).caught(Property::P28, &[4], "gseq 2 in view 1");
        let mut story = delivered();
        story.send(4, 1, Level::Uniform).outcome(4, 1, HERE).caught(Property::P28, &[4], "send 1");
        assert_eq!(story.report().of(Property::P28).next().expect("it is").processes, [uid(4)]);
    }
}
