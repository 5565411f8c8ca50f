//! **P14 Uniform order.** Over all uniform deliveries by all processes ever, a place holds one message, the one the
//! history has there.
//!
//! Within a view: a `deliver` or `pass` record that differs from what is known at its place is a breach if either is
//! uniform. Over views: at a place with a uniform entry no other view may have a uniform entry or one that is in the
//! history. Exercised: uniform deliveries of an entry another process handled, too.

use super::Invariant;
use super::uniform_agreement::uniform_by;
use crate::Property;
use crate::findings::{Findings, Place};
use crate::world::{Lineage, Slot, Step, World};

#[derive(Debug)]
pub(crate) struct UniformOrder;

impl Invariant for UniformOrder {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let (Some(handled), Some(slot)) = (step.handled, step.slot) else {
            return;
        };
        out.exercised(Property::P14, u64::from(handled.uniform && slot.by != step.who));
        if !slot.alike(&handled) && (handled.uniform || slot.uniform_by.is_some()) {
            let other = step.world.uid(slot.uniform_by.unwrap_or(slot.by));
            let place = Place::Entry { gseq: handled.gseq, view: handled.view };
            let what = format!("one of two entries handled here, another one at {other}; a uniform delivery");
            out.violated(Property::P14, &[step.uid(), other], place, what);
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for lineage in world.lineages() {
            let mut before: Option<(u64, u64, &Slot)> = None;
            for slot in lineage.slots() {
                if let Some(before) = before.filter(|before| before.0 == slot.0) {
                    clash(world, lineage, before, slot, out);
                }
                before = Some(slot);
            }
        }
    }
}

/// Two views have an entry at one place.
fn clash(world: &World, lineage: &Lineage, one: (u64, u64, &Slot), two: (u64, u64, &Slot), out: &mut Findings) {
    let uniform = |(_, _, slot): (u64, u64, &Slot)| uniform_by(world, slot);
    let binding = |entry: (u64, u64, &Slot)| uniform(entry).is_some() || !lineage.lost(entry.1, entry.0);
    if (uniform(one).is_some() && binding(two)) || (uniform(two).is_some() && binding(one)) {
        let who = |entry: (u64, u64, &Slot)| world.uid(uniform(entry).unwrap_or(entry.2.by));
        let what = format!("delivered at a uniform level, and view {} has another one here at {}", two.1, who(two));
        out.violated(Property::P14, &[who(one), who(two)], Place::Entry { gseq: one.0, view: one.1 }, what);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Event, Level, Property};

    #[test]
    fn good_trace() {
        good().passes(Property::P14);
    }

    #[test]
    fn two_in_one_view() {
        let mut story = three();
        story.send(1, 1, Level::Uniform).send(2, 1, Level::Uniform);
        story.deliver(&[1], 1, 2, (1, 1), Level::Uniform).deliver(&[3], 1, 2, (2, 1), Level::Uniform);
        story.caught(Property::P14, &[3, 1], "gseq 2 in view 1");
    }

    /// The leader delivers alone and is cut off; the others put another message there.
    #[test]
    fn two_in_two_views() {
        let mut story = three();
        story.send(3, 1, Level::Uniform).send(3, 2, Level::Uniform).send(1, 1, Level::Uniform);
        story.deliver(&[3], 1, 2, (3, 1), Level::Uniform).deliver(&[3], 1, 3, (3, 2), Level::Uniform);
        story.add(3, Event::Crash).accept(&[1, 2], 2).view(&[1, 2], 2, 2, 2, &[1, 2]);
        story.deliver(&[1, 2], 2, 3, (1, 1), Level::Uniform);
        story.caught(Property::P14, &[3, 1], "gseq 3 in view 1");
    }
}
