//! **P16 Honest outcome.** What a sender is told of its message is true, and it is told once.
//!
//! An `outcome` needs a `send` before it, and no other outcome. At the end: `ordered` must name the place where the
//! history has that message; where nobody handled that place, it must at least lie inside its view, and the message
//! nowhere else. The history is that of the sender's lineage, including what that lineage began with. If the place is
//! behind the end of its view, that is honest only for an agreed message whose sender never came past that view.
//! `not_ordered` needs a message that is nowhere in the history (a lost place does not count), and that is bound to a
//! view or a client's, or whose sender left. `unknown` is the last that a sender hears before its end: it may record no
//! `send`, `deliver`, `pass` or `view` after that, however it ends, and it must not be `up` at `rest`. A message passed
//! as a repeat is reported at the place of the first one, which is not compared. A process that left must have an
//! outcome for every send; other sends without one are counted. Exercised: outcomes; parts `ordered`, `not ordered`,
//! `unknown`, `open` (sends without).

use std::collections::BTreeMap;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Class, Id, Message, Placed, ProcessId, Step, World};
use crate::{Event, Outcome, Property};

#[derive(Debug, Default)]
pub(crate) struct HonestOutcome {
    /// The first message each process called unknown, until it goes on after that.
    gave_up: BTreeMap<ProcessId, Place>,
}

impl Invariant for HonestOutcome {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            Event::Outcome { sseq, result } => self.told(step, *sseq, *result, out),
            // How the process ends later does not matter: while it goes on, it can learn what became of its message.
            Event::Send { .. } | Event::Deliver { .. } | Event::Pass { .. } | Event::View { .. } => {
                if let Some(place) = self.gave_up.remove(&step.who) {
                    let what = "called unknown by a process that went on".to_owned();
                    out.violated(Property::P16, &[step.uid()], place, what);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for (id, message) in world.messages() {
            if let Some(what) = judge(world, id, message, out) {
                let after = message.sent.map_or(0, |sent| sent.after);
                let place = Place::Send { sseq: id.sseq, after };
                out.violated(Property::P16, &[world.uid(id.sender)], place, what);
            }
        }
    }
}

impl HonestOutcome {
    fn told(&mut self, step: &Step<'_>, sseq: u64, result: Outcome, out: &mut Findings) {
        out.exercised(Property::P16, 1);
        let name = match result {
            Outcome::Ordered { .. } => "ordered",
            Outcome::NotOrdered => "not ordered",
            Outcome::Unknown => "unknown",
        };
        out.part(Property::P16, name, 1);
        let place = Place::Send { sseq, after: step.process.reached() };
        if result == Outcome::Unknown {
            self.gave_up.entry(step.who).or_insert(place);
        }
        let what = match step.message {
            Some(Message { outcome: Some(_), .. }) => "a second outcome",
            Some(Message { sent: Some(_), .. }) => return,
            _ => "an outcome for what was not sent",
        };
        out.violated(Property::P16, &[step.uid()], place, what.to_owned());
    }
}

/// What is wrong with the outcome of a message, if anything is.
fn judge(world: &World, id: Id, message: &Message, out: &mut Findings) -> Option<String> {
    match message.outcome {
        Some(Outcome::Ordered { gseq, view }) if !message.duplicate => ordered(world, id, message, gseq, view),
        Some(Outcome::NotOrdered) => {
            let Some(kept) = kept(world, id) else {
                let may_be = message.sent.is_none_or(|sent| sent.only_in_view.is_some() || sent.of_client);
                let gone = world.process(id.sender).left;
                return (!may_be && !gone).then(|| "reported as not ordered, for no reason".to_owned());
            };
            Some(format!("reported as not ordered, but it is at gseq {} in view {}", kept.gseq, kept.view))
        }
        Some(Outcome::Unknown) => {
            let process = world.process(id.sender);
            let up = world.rest().is_some_and(|rest| rest.up.contains(&process.uid));
            (up && !process.excluded).then(|| "called unknown by a process that is up at the end".to_owned())
        }
        None if message.sent.is_some() => {
            out.part(Property::P16, "open", 1);
            let process = world.process(id.sender);
            (process.left && !process.moved).then(|| "no outcome, though the process left".to_owned())
        }
        _ => None,
    }
}

fn ordered(world: &World, id: Id, message: &Message, gseq: u64, view: u64) -> Option<String> {
    let told = format!("reported at gseq {gseq} in view {view}");
    let Some(lineage) = world.lineage_of(id.sender) else {
        return Some(format!("{told} by a process that was in no view"));
    };
    if lineage.lost(view, gseq) {
        let agreed = message.sent.is_some_and(|sent| !sent.level.is_uniform());
        let gone = !world.process(id.sender).came_past(view);
        let honest = agreed && gone;
        return (!honest).then(|| format!("{told}, which is behind the end of that view"));
    }
    // Where processes differ on a place, P10 says so: the sender is right if it is with any of them.
    if world.places(id).any(|placed| (placed.view, placed.gseq) == (view, gseq)) {
        return None;
    }
    match lineage.slot(gseq, view) {
        Some(slot) if slot.class == Class::Message && slot.id.is_none_or(|there| there == id) => None,
        Some(slot) if slot.class == Class::Control && slot.id == Some(id) => None,
        Some(_) => Some(format!("{told}, where another entry is")),
        None if lineage.views.get(&view).is_some_and(|info| gseq <= info.gseq) => {
            Some(format!("{told}, which is before that view"))
        }
        None => {
            let elsewhere = kept(world, id)?;
            Some(format!("{told}, but it is at gseq {} in view {}", elsewhere.gseq, elsewhere.view))
        }
    }
}

/// Where the history that the sender of a message goes on with has it.
fn kept(world: &World, id: Id) -> Option<Placed> {
    let lineage = world.process(id.sender).lineage;
    let has = |placed: Placed| !world.lost(placed) && lineage.is_none_or(|lineage| world.holds(lineage, placed));
    world.places(id).find(|placed| has(*placed))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Event, Level, Outcome, PassReason, Property};

    const HERE: Outcome = Outcome::Ordered { gseq: 2, view: 1 };

    /// 1 has a message at gseq 2, and one that is nowhere.
    fn sent() -> Story {
        let mut story = three();
        story.send(1, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed).send(1, 2, Level::Agreed);
        story
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P16);
        let part = |name| report.counters.part(Property::P16, name);
        assert_eq!((part("ordered"), part("not ordered"), part("unknown"), part("open")), (7, 1, 0, 0));
        assert_eq!(sent().passes(Property::P5).counters.part(Property::P16, "open"), 2);
    }

    #[test]
    fn said_twice_or_of_nothing() {
        let mut story = sent();
        story.outcome(1, 1, HERE).passes(Property::P16);
        story.outcome(1, 1, HERE).caught_alone(Property::P16, &[1], "send 1");
        sent().outcome(1, 9, Outcome::Unknown).caught_alone(Property::P16, &[1], "send 9");
    }

    #[test]
    fn ordered_somewhere_else() {
        sent().outcome(1, 2, HERE).caught_alone(Property::P16, &[1], "send 2");
        let nowhere = Outcome::Ordered { gseq: 9, view: 1 };
        sent().outcome(1, 1, nowhere).caught_alone(Property::P16, &[1], "send 1");
        let before = Outcome::Ordered { gseq: 1, view: 1 };
        sent().outcome(1, 2, before).caught_alone(Property::P16, &[1], "send 2");
    }

    #[test]
    fn not_ordered_but_there() {
        sent().outcome(1, 1, Outcome::NotOrdered).caught_alone(Property::P16, &[1], "send 1");
        let mut story = three();
        story.send_only(1, 1, Level::Agreed, Some(1)).outcome(1, 1, Outcome::NotOrdered).passes(Property::P16);
    }

    /// Nothing kept the group from ordering it.
    #[test]
    fn not_ordered_for_no_reason() {
        let mut story = sent();
        story.outcome(1, 2, Outcome::NotOrdered).caught_alone(Property::P16, &[1], "send 2");
        story.outcome(1, 1, HERE).add(1, Event::Left).passes(Property::P16);
        let mut story = three();
        story.send_for((7, 1), 1, 1).outcome(1, 1, Outcome::NotOrdered).passes(Property::P16);
    }

    #[test]
    fn unknown_to_one_that_lives_on() {
        let mut story = sent();
        story.outcome(1, 1, HERE).outcome(1, 2, Outcome::Unknown).rest(&[1, 2, 3], &[]);
        story.caught_alone(Property::P16, &[1], "send 2");
        story.records.pop();
        story.rest(&[], &[1, 2, 3]).passes(Property::P16);
    }

    /// Whatever goes on after it, and however the process ends then: it gave up too early.
    #[test]
    fn unknown_only_at_the_end() {
        let mut given_up = sent();
        given_up.outcome(1, 1, HERE).outcome(1, 2, Outcome::Unknown).passes(Property::P16);
        let going_on: [fn(&mut Story); 4] = [
            |story| _ = story.send(1, 3, Level::Agreed).outcome(1, 3, Outcome::Unknown),
            |story| _ = story.send(2, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 3, (2, 1), Level::Agreed),
            |story| _ = story.pass(&[1, 2, 3], 1, 3, (0, 0), PassReason::Fragment),
            |story| _ = story.accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 3, 3, &[1, 2, 3]),
        ];
        for go_on in going_on {
            let mut story = given_up.clone();
            go_on(&mut story);
            story.caught_alone(Property::P16, &[1], "send 2");
        }
    }

    fn gives_up_too_early_and_ends(end: Event) {
        let mut story = sent();
        story.add(1, Event::Fault { kind: "cut".into() }).outcome(1, 1, HERE);
        let mut at_the_end = story.clone();
        at_the_end.outcome(1, 2, Outcome::Unknown).add(1, end.clone()).passes(Property::P16);
        story.outcome(1, 2, Outcome::Unknown).send(1, 3, Level::Agreed).outcome(1, 3, Outcome::Unknown);
        story.add(1, end).caught_alone(Property::P16, &[1], "send 2");
    }

    #[test]
    fn unknown_too_early_to_one_that_leaves() {
        gives_up_too_early_and_ends(Event::Left);
    }

    #[test]
    fn unknown_too_early_to_one_that_is_excluded() {
        gives_up_too_early_and_ends(Event::Excluded);
    }

    #[test]
    fn unknown_too_early_to_one_that_crashes() {
        gives_up_too_early_and_ends(Event::Crash);
    }

    /// The sender alone has delivered it, behind the end of the view.
    #[test]
    fn not_ordered_as_far_as_the_others_go() {
        let mut story = three();
        story.send_only(1, 1, Level::Agreed, Some(1)).deliver(&[1], 1, 2, (1, 1), Level::Agreed);
        story.outcome(1, 1, Outcome::NotOrdered).caught_alone(Property::P16, &[1], "send 1");
        story.add(1, Event::Fault { kind: "cut".into() });
        story.accept(&[2, 3], 2).view(&[2, 3], 2, 2, 3, &[2, 3]).add(1, Event::Excluded).passes(Property::P16);
    }

    /// Others have it, and die with the quorum of their lineage: one that goes on from before that does not order it.
    #[test]
    fn not_ordered_in_the_lineage_that_goes_on() {
        for (upto, honest) in [(1, true), (2, false)] {
            let mut story = three();
            story.send_for((7, 1), 1, 1).deliver(&[2, 3], 1, 2, (1, 1), Level::Agreed);
            story.go_on_alone(1, 1, upto).outcome(1, 1, Outcome::NotOrdered);
            if honest {
                story.passes(Property::P16);
            } else {
                story.caught_alone(Property::P16, &[1], "send 1");
            }
        }
    }

    #[test]
    fn who_leaves_knows_all() {
        let mut story = sent();
        story.outcome(1, 1, HERE).passes(Property::P16);
        story.add(1, Event::Left).caught_alone(Property::P16, &[1], "send 2");
    }

    /// An entry that no application gets has a place, too: it is that of its own sender's number.
    #[test]
    fn ordered_where_nobody_delivers_it() {
        for reason in [PassReason::Control, PassReason::NotAddressed] {
            let mut story = three();
            story.send_for((7, 0), 1, 1).send_for((7, 1), 1, 2).pass(&[1, 2, 3], 1, 2, (1, 1), reason);
            story.outcome(1, 1, HERE).passes(Property::P16);
            story.outcome(1, 2, HERE).caught(Property::P16, &[1], "send 2");
        }
    }

    /// Reported in order by a sender that is then gone, behind the end of the view.
    #[test]
    fn ordered_and_lost() {
        for (level, honest) in [(Level::Agreed, true), (Level::Uniform, false)] {
            let mut story = three();
            story.send(1, 1, level).outcome(1, 1, HERE).add(1, Event::Crash);
            story.accept(&[2, 3], 2).view(&[2, 3], 2, 2, 3, &[2, 3]);
            if honest {
                story.passes(Property::P16);
            } else {
                story.caught_alone(Property::P16, &[1], "send 1");
            }
        }
        let mut story = three();
        story.send(1, 1, Level::Agreed).outcome(1, 1, HERE).accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        story.caught_alone(Property::P16, &[1], "send 1");
    }
}
