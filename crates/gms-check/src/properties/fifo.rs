//! **P11 FIFO without holes.** The numbers of one sender are handled in order, none left out, also over a change of
//! leader.
//!
//! For each process and sender, every `deliver` and every `pass` that names a number of the sender must have the number
//! after the one before; fragments do not count. The first one must be 1, unless the sender was already in the view
//! before the first view of the process: then it starts anywhere. Exercised: numbers handled; part `over views`: those
//! that follow one handled in an earlier view.

use super::Invariant;
use crate::Property;
use crate::findings::{Findings, Place};
use crate::world::{Id, Number, ProcessId, Step, World};

#[derive(Debug, Default)]
pub(crate) struct Fifo {
    /// First numbers that are not 1: to be judged when all views are known.
    late_starts: Vec<LateStart>,
}

#[derive(Debug)]
struct LateStart {
    who: ProcessId,
    id: Id,
    place: Place,
}

impl Invariant for Fifo {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let Some((handled, id)) = step.handled.and_then(|handled| Some((handled, handled.uses_up()?))) else {
            return;
        };
        out.exercised(Property::P11, 1);
        let place = Place::Entry { gseq: handled.gseq, view: handled.view };
        let fifo = step.process.fifo.get(&id.sender);
        if fifo.is_some_and(|fifo| fifo.view < handled.view) {
            out.part(Property::P11, "over views", 1);
        }
        let what = match step.process.number(id.sender, id.sseq) {
            Number::Next => return,
            Number::First => {
                if id.sseq != 1 {
                    self.late_starts.push(LateStart { who: step.who, id, place });
                }
                return;
            }
            // A second delivery is P6's.
            Number::Again if handled.delivered => return,
            Number::Again => "handled before",
            Number::Ahead => "too early",
            Number::Late => "too late",
        };
        let sender = step.world.uid(id.sender);
        let due = fifo.map_or(1, |fifo| fifo.next);
        let what = format!("number {} of {sender} {what}: {due} was due", id.sseq);
        out.violated(Property::P11, &[step.uid(), sender], place, what);
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for start in &self.late_starts {
            if !joined_later(world, start.who, start.id.sender) {
                let (who, sender) = (world.uid(start.who), world.uid(start.id.sender));
                let what = format!("number {} of {sender} is the first one handled: 1 was due", start.id.sseq);
                out.violated(Property::P11, &[who, sender], start.place, what);
            }
        }
    }
}

/// Whether a process may have joined after another one sent: it did, or the views to tell by are not there.
fn joined_later(world: &World, who: ProcessId, sender: ProcessId) -> bool {
    let process = world.process(who);
    let (Some(lineage), Some((first, _))) = (process.first_lineage, process.installed.first()) else {
        return false;
    };
    let lineage = &world.lineages()[lineage];
    let uid = world.uid(sender);
    let Some(before) = first.checked_sub(1).filter(|before| *before > 0) else {
        return false;
    };
    match lineage.views.get(&before) {
        Some(_) => lineage.views.range(..=before).any(|(_, info)| info.has(uid)),
        None => lineage.views.get(first).is_some_and(|info| info.has(uid)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Level, PassReason, Property};

    fn sent(sender: u64, count: u64) -> Story {
        let mut story = three();
        (1..=count).for_each(|sseq| {
            story.send(sender, sseq, Level::Agreed);
        });
        story
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P11);
        assert_eq!(report.counters.part(Property::P11, "over views"), 11);
    }

    /// That is P6's.
    #[test]
    fn a_second_delivery_is_no_matter_of_order() {
        let mut story = sent(1, 1);
        story.deliver(&[2], 1, 2, (1, 1), Level::Agreed).deliver(&[2], 1, 3, (1, 1), Level::Agreed);
        let violations = story.report().violations;
        assert!(!violations.is_empty() && violations.iter().all(|violation| violation.property != Property::P11));
    }

    #[test]
    fn a_number_left_out() {
        let mut story = sent(1, 3);
        story.deliver(&[2], 1, 2, (1, 1), Level::Agreed).deliver(&[2], 1, 3, (1, 3), Level::Agreed);
        story.caught_alone(Property::P11, &[2, 1], "gseq 3 in view 1");
        let mut story = sent(1, 3);
        story.deliver(&[2], 1, 2, (1, 2), Level::Agreed).caught_alone(Property::P11, &[2, 1], "gseq 2 in view 1");
    }

    #[test]
    fn out_of_order() {
        let mut story = sent(1, 3);
        for (gseq, sseq) in [(2, 1), (3, 3), (4, 2)] {
            story.deliver(&[2], 1, gseq, (1, sseq), Level::Agreed);
        }
        story.caught_alone(Property::P11, &[2, 1], "gseq 4 in view 1");
    }

    #[test]
    fn void_and_expired_use_up_a_number_and_fragments_do_not() {
        let mut story = sent(1, 3);
        story.pass(&[1, 2], 1, 2, (1, 1), PassReason::Void).pass(&[1, 2], 1, 3, (1, 2), PassReason::Expired);
        story.pass(&[1, 2], 1, 4, (1, 3), PassReason::Fragment).deliver(&[1, 2], 1, 5, (1, 3), Level::Agreed);
        story.passes(Property::P11);
        story.pass(&[1, 2], 1, 6, (1, 2), PassReason::Void).caught_alone(Property::P11, &[2, 1], "gseq 6 in view 1");
    }

    /// 4 joins after 1 has sent; 5 joins with it and must begin at 1.
    #[test]
    fn who_joins_later_starts_anywhere() {
        let mut story = sent(1, 2);
        story.deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed).accept(&[1, 2, 3], 2);
        story.view(&[1, 2, 3, 4, 5], 2, 3, 3, &[1, 2, 3, 4, 5]);
        story.deliver(&[1, 2, 3, 4, 5], 2, 4, (1, 2), Level::Agreed).passes(Property::P11);
        story.send(5, 1, Level::Agreed).send(5, 2, Level::Agreed);
        story.deliver(&[4], 2, 5, (5, 2), Level::Agreed).caught_alone(Property::P11, &[4, 5], "gseq 5 in view 2");
    }
}
