//! **P13 Uniform agreement.** What any process delivers at a uniform level is in the one history, at its place.
//!
//! An entry counts as uniform once anybody, also a process that crashed right after, delivered it and its delivery or
//! its sending says uniform or stable. Such an entry must not lie behind the end of its view, which is the place of the
//! next view anybody installed; and every process that installed a later view must not have left that place out, unless
//! its first view came after it. What it has there is compared by P10 and P14. Exercised: uniform entries; parts
//! `views later`: those with a later view, `by the gone`: those of them first delivered so by a process not in a later
//! view, `crashed first`: deaths of a process that had delivered one which a member of its view had not handled by then
//! (as far as the records of all come in the order of time).

use std::collections::BTreeMap;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Lineage, ProcessId, Slot, Step, World};
use crate::{Event, Property};

#[derive(Debug, Default)]
pub(crate) struct UniformAgreement {
    /// The last place at which each process delivered at a uniform level.
    last: BTreeMap<ProcessId, u64>,
}

impl Invariant for UniformAgreement {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        if let Some(handled) = step.delivered().filter(|handled| handled.uniform) {
            self.last.insert(step.who, handled.gseq);
        }
        if let (Event::Crash, Some(last), Some(view)) = (step.event, self.last.get(&step.who), step.view_info()) {
            let members = view.members.iter().filter_map(|member| step.world.find(member.uid));
            let behind = members.filter(|member| member.lineage == step.process.lineage && member.reached() < *last);
            out.part(Property::P13, "crashed first", u64::from(behind.count() > 0));
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for lineage in world.lineages() {
            for (gseq, view, slot) in lineage.slots() {
                let Some(by) = uniform_by(world, slot) else {
                    continue;
                };
                out.exercised(Property::P13, 1);
                let Some(end) = lineage.end_of(view) else {
                    continue;
                };
                out.part(Property::P13, "views later", 1);
                out.part(Property::P13, "by the gone", u64::from(!world.process(by).came_past(view)));
                if gseq >= end {
                    let what = format!("delivered at a uniform level, but the next view is at gseq {end}");
                    out.violated(Property::P13, &[world.uid(by)], Place::Entry { gseq, view }, what);
                }
            }
        }
        left_out(world, out);
    }
}

/// Who delivered an entry that counts as uniform.
pub(super) fn uniform_by(world: &World, slot: &Slot) -> Option<ProcessId> {
    let sent_uniform = || {
        let sent = world.message(slot.id?)?.sent?;
        (slot.delivered && sent.level.is_uniform()).then_some(slot.by)
    };
    slot.uniform_by.or_else(sent_uniform)
}

/// Uniform entries that a process of a later view does not have.
fn left_out(world: &World, out: &mut Findings) {
    for (who, process) in world.processes() {
        let (Some(lineage), Some((last_view, last_gseq))) = (world.lineage_of(who), process.installed.last()) else {
            continue;
        };
        for hole in process.holes.iter() {
            let (first, last) = (*hole.start(), (*hole.end()).min(last_gseq.saturating_sub(1)));
            if first <= last {
                for (gseq, view, by) in uniform_at(world, lineage, first, last) {
                    let what = format!("delivered at a uniform level, but left out by a process in view {last_view}");
                    let place = Place::Entry { gseq, view };
                    out.violated(Property::P13, &[world.uid(who), world.uid(by)], place, what);
                }
            }
        }
    }
}

fn uniform_at<'a>(
    world: &'a World,
    lineage: &'a Lineage,
    first: u64,
    last: u64,
) -> impl Iterator<Item = (u64, u64, ProcessId)> + 'a {
    let slots = lineage.slots_at(first..=last).filter(|(gseq, view, _)| !lineage.lost(*view, *gseq));
    slots.filter_map(|(gseq, view, slot)| Some((gseq, view, uniform_by(world, slot)?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Event, Level, Property};

    /// 3 delivers at gseq 2 and crashes; the next view is at `gseq`.
    fn last_words(level: Level, gseq: u64) -> Story {
        let mut story = three();
        story.send(3, 1, level).deliver(&[3], 1, 2, (3, 1), level).add(3, Event::Crash);
        story.accept(&[1, 2], 2).view(&[1, 2], 2, gseq, 2, &[1, 2]);
        story
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P13);
        assert_eq!(report.exercised(Property::P13), 4);
        assert_eq!(report.counters.part(Property::P13, "views later"), 4);
        assert_eq!(report.counters.part(Property::P13, "by the gone"), 0);
    }

    #[test]
    fn who_crashes_before_all_have_it_is_counted() {
        for (others, crashed_first) in [(&[1][..], 1), (&[1, 2], 0)] {
            let mut story = three();
            story.send(3, 1, Level::Uniform).deliver(&[3], 1, 2, (3, 1), Level::Uniform);
            story.deliver(others, 1, 2, (3, 1), Level::Uniform).add(3, Event::Crash);
            let part = |story: &Story| story.report().counters.part(Property::P13, "crashed first");
            assert_eq!(part(&story), crashed_first);
        }
    }

    #[test]
    fn lost_with_its_only_holder() {
        for level in [Level::Uniform, Level::Stable] {
            last_words(level, 2).caught_alone(Property::P13, &[3], "gseq 2 in view 1");
        }
        last_words(Level::Agreed, 2).passes(Property::P15);
    }

    #[test]
    fn left_out_by_those_who_go_on() {
        let story = last_words(Level::Uniform, 3);
        story.caught(Property::P13, &[1, 3], "gseq 2 in view 1");
        story.caught(Property::P13, &[2, 3], "gseq 2 in view 1");
    }

    /// The sender says uniform, whatever the deliverer says.
    #[test]
    fn delivered_below_its_level() {
        let mut story = three();
        story.send(3, 1, Level::Uniform).deliver(&[3], 1, 2, (3, 1), Level::Agreed).add(3, Event::Crash);
        story.accept(&[1, 2], 2).view(&[1, 2], 2, 2, 2, &[1, 2]);
        story.caught_alone(Property::P13, &[3], "gseq 2 in view 1");
    }

    #[test]
    fn a_joiner_need_not_have_it() {
        let mut story = three();
        story.send(3, 1, Level::Uniform).deliver(&[1, 2, 3], 1, 2, (3, 1), Level::Uniform);
        story.accept(&[1, 2, 3], 2).view(&[1, 2, 3, 4], 2, 3, 3, &[1, 2, 3, 4]);
        story.passes(Property::P13);
    }
}
