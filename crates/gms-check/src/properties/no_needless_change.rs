//! **P25 No needless change.** With no fault injected nobody is ever excluded.
//!
//! Of the traces of processes it is judged only on demand, for nobody records in them that one was killed. Judged only
//! where no `crash`, `cut_link` or `fault` is in any trace: no process records `excluded`, and a member of a view that
//! is not in the next one must have recorded `left`. Exercised: steps from one view to the next, and processes that
//! ended; 0 with a fault.

use std::collections::BTreeSet;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::World;
use crate::{Property, Uid};

#[derive(Debug)]
pub(crate) struct NoNeedlessChange;

impl Invariant for NoNeedlessChange {
    fn finish(&mut self, world: &World, out: &mut Findings) {
        if world.faulty() {
            return;
        }
        let left: BTreeSet<Uid> =
            world.processes().filter(|(_, process)| process.left).map(|(_, process)| process.uid).collect();
        let mut removed = BTreeSet::new();
        for lineage in world.lineages() {
            for ((_, before), (view, info)) in lineage.views.iter().zip(lineage.views.iter().skip(1)) {
                out.exercised(Property::P25, 1);
                for member in
                    before.members.iter().filter(|member| !info.has(member.uid) && !left.contains(&member.uid))
                {
                    removed.insert(member.uid);
                    let what = format!("without {}, which did not leave, and no fault was injected", member.uid);
                    let place = Place::View { view: *view, gseq: info.gseq };
                    out.violated(Property::P25, &[member.uid], place, what);
                }
            }
        }
        for (_, process) in world.processes().filter(|(_, process)| process.excluded || process.left) {
            out.exercised(Property::P25, 1);
            if process.excluded && !removed.contains(&process.uid) {
                let place = Place::Process { after: process.reached() };
                out.violated(Property::P25, &[process.uid], place, "excluded, and no fault was injected".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, three, uid};
    use crate::{Event, Property};

    /// 1 goes, or is left behind.
    fn without_one(end: Option<Event>) -> Story {
        let mut story = three();
        story.accept(&[1, 2, 3], 2).view(&[2, 3], 2, 2, 3, &[2, 3]);
        end.into_iter().for_each(|end| {
            story.add(1, end);
        });
        story
    }

    #[test]
    fn good_trace() {
        assert_eq!(without_one(Some(Event::Left)).passes(Property::P25).exercised(Property::P25), 2);
    }

    #[test]
    fn excluded_without_a_fault() {
        without_one(None).caught_alone(Property::P25, &[1], "view 2");
        without_one(Some(Event::Excluded)).caught_alone(Property::P25, &[1], "view 2");
        three().add(2, Event::Excluded).caught_alone(Property::P25, &[2], "after gseq 1");
    }

    #[test]
    fn traces_do_not_tell_of_kills() {
        use crate::Faults::{Recorded, Unknown};
        let report = without_one(None).report_of_traces(Unknown);
        assert!(report.passed() && report.exercised(Property::P25) == 0);
        assert!(!without_one(None).report_of_traces(Recorded).passed());
        assert!(without_one(Some(Event::Left)).report_of_traces(Recorded).passed());
    }

    #[test]
    fn not_judged_with_a_fault() {
        for fault in [Event::Crash, Event::CutLink { to: uid(2) }, Event::Fault { kind: "loss".to_owned() }] {
            let report = without_one(Some(fault)).report();
            assert!(report.passed());
            assert_eq!(report.exercised(Property::P25), 0);
        }
    }
}
