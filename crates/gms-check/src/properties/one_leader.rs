//! **P4 One leader per view.** Every stamp in a view was made by its leader; nobody delivers an entry stamped in a view
//! after installing the next one.
//!
//! A `stamp` record must name the view its process is in, that view's leader must be the process itself, and the places
//! it gives must lie behind those it gave before in that view and behind the view's own. A `deliver` or `pass` record
//! must not name a view lower than the one its process is in. Exercised: stamps; part `next leaders`: views entered with
//! another leader than the view before.

use std::collections::BTreeMap;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{ProcessId, Step};
use crate::{Event, Property};

#[derive(Debug, Default)]
pub(crate) struct OneLeader {
    /// What each leader stamped last.
    stamped: BTreeMap<ProcessId, Stamped>,
}

#[derive(Debug, Clone, Copy)]
struct Stamped {
    view: u64,
    fseq: u64,
    last_gseq: u64,
}

impl Invariant for OneLeader {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            Event::Stamp { view, fseq, gseq, count, .. } => {
                let last_gseq = gseq.saturating_add(u64::from(*count).saturating_sub(1));
                self.stamp(step, Stamped { view: *view, fseq: *fseq, last_gseq }, *gseq, out);
            }
            Event::View { leader, .. } => {
                if step.view_info().is_some_and(|before| before.leader != *leader) {
                    out.part(Property::P4, "next leaders", 1);
                }
            }
            _ => {
                if let (Some(handled), Some(current)) = (step.handled, step.view)
                    && handled.view < current
                {
                    let place = Place::Entry { gseq: handled.gseq, view: handled.view };
                    let what = format!("handled after view {current} was installed");
                    out.violated(Property::P4, &[step.uid()], place, what);
                }
            }
        }
    }
}

impl OneLeader {
    fn stamp(&mut self, step: &Step<'_>, stamp: Stamped, gseq: u64, out: &mut Findings) {
        out.exercised(Property::P4, 1);
        let place = Place::Entry { gseq, view: stamp.view };
        let mut violated = |with: &[_], what| {
            let mut processes = vec![step.uid()];
            processes.extend(with);
            out.violated(Property::P4, &processes, place, what);
        };
        let (Some(info), Some(current)) = (step.view_info(), step.view) else {
            violated(&[], "stamped by a process in no view".to_owned());
            return;
        };
        if stamp.view != current {
            violated(&[], format!("stamped by a process in view {current}"));
        } else if info.leader != step.uid() {
            violated(&[info.leader], format!("stamped by a process that is not the leader {}", info.leader));
        } else {
            let before = self.stamped.get(&step.who).filter(|before| before.view == stamp.view).copied();
            let before = before.unwrap_or(Stamped { view: stamp.view, fseq: info.at, last_gseq: info.gseq });
            if gseq <= before.last_gseq || stamp.fseq <= before.fseq {
                let what = format!(
                    "stamped as frame {} behind gseq {} of frame {}",
                    stamp.fseq, before.last_gseq, before.fseq
                );
                violated(&[], what);
            }
            self.stamped.insert(step.who, stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Level, Property};

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P4);
        assert_eq!(report.counters.part(Property::P4, "next leaders"), 3);
    }

    #[test]
    fn a_stamp_of_another() {
        let mut story = three();
        story.stamp(2, 1, 2, (1, 1));
        story.caught_alone(Property::P4, &[2, 3], "gseq 2 in view 1");
    }

    #[test]
    fn a_stamp_in_another_view() {
        let mut story = three();
        story.accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]).stamp(3, 1, 2, (1, 1));
        story.caught_alone(Property::P4, &[3], "gseq 2 in view 1");
    }

    #[test]
    fn a_place_given_twice() {
        let mut story = three();
        story.stamp(3, 1, 2, (1, 1)).stamp(3, 1, 2, (2, 1));
        story.caught_alone(Property::P4, &[3], "gseq 2 in view 1");
    }

    #[test]
    fn a_delivery_of_the_view_before() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        story.deliver(&[2], 1, 3, (1, 1), Level::Agreed);
        story.caught_alone(Property::P4, &[2], "gseq 3 in view 1");
    }
}
