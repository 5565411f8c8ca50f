//! **P4 One leader per view.** Every stamp in a view was made by its leader; nobody delivers an entry stamped in a view
//! after installing the next one.
//!
//! `stamp` records are judged by the lineage and the view they name, as the application of the leader may be views
//! behind: the stamps of one process never go back to a lower view, and none is in a view lower than the one its
//! process is in; within a view their places ascend. At the end, for every view that anybody installed: all its stamps
//! are its leader's, and lie behind the view's own place. A `deliver` or `pass` record must not name a view lower than
//! the one its process is in. Exercised: stamps in views that somebody installed; part `next leaders`: views entered
//! with another leader than the view before.

use std::collections::BTreeMap;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{ProcessId, Step, World};
use crate::{Event, Property};

#[derive(Debug, Default)]
pub(crate) struct OneLeader {
    /// By (gid, process, view).
    stamped: BTreeMap<(u128, ProcessId, u64), Stamped>,
}

/// What one process stamped in one view.
#[derive(Debug)]
struct Stamped {
    first: Stamp,
    last: Stamp,
    count: u64,
}

/// The places of one frame.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    fseq: u64,
    gseq: u64,
    last_gseq: u64,
}

impl Invariant for OneLeader {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            Event::Stamp { gid, view, fseq, gseq, count, .. } => {
                let last_gseq = gseq.saturating_add(u64::from(*count).saturating_sub(1));
                self.stamp(step, *gid, *view, Stamp { fseq: *fseq, gseq: *gseq, last_gseq }, out);
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

    fn finish(&mut self, world: &World, out: &mut Findings) {
        for ((gid, who, view), stamped) in &self.stamped {
            let Some(info) = world.lineage_named(*gid).and_then(|lineage| lineage.views.get(view)) else {
                continue;
            };
            out.exercised(Property::P4, stamped.count);
            let (who, first) = (world.uid(*who), stamped.first);
            let place = Place::Entry { gseq: first.gseq, view: *view };
            if info.leader != who {
                let what = format!("stamped by a process that is not the leader {}", info.leader);
                out.violated(Property::P4, &[who, info.leader], place, what);
            } else if first.gseq <= info.gseq || first.fseq <= info.at {
                let what = not_behind(first.fseq, info.gseq, info.at);
                out.violated(Property::P4, &[who], place, what);
            }
        }
    }
}

impl OneLeader {
    fn stamp(&mut self, step: &Step<'_>, gid: u128, view: u64, stamp: Stamp, out: &mut Findings) {
        let mut violated = |what| {
            out.violated(Property::P4, &[step.uid()], Place::Entry { gseq: stamp.gseq, view }, what);
        };
        let current = step.view.filter(|_| step.lineage.is_some_and(|lineage| lineage.gid == gid));
        let all = (gid, step.who, 0)..=(gid, step.who, u64::MAX);
        let highest = self.stamped.range(all).next_back().map(|((_, _, view), _)| *view);
        if let Some(current) = current.filter(|current| view < *current) {
            violated(format!("stamped by a process in view {current}"));
        } else if let Some(highest) = highest.filter(|highest| view < *highest) {
            violated(format!("stamped after stamps in view {highest}"));
        }
        let fresh = Stamped { first: stamp, last: stamp, count: 0 };
        let stamped = self.stamped.entry((gid, step.who, view)).or_insert(fresh);
        if stamped.count > 0 && (stamp.gseq <= stamped.last.last_gseq || stamp.fseq <= stamped.last.fseq) {
            violated(not_behind(stamp.fseq, stamped.last.last_gseq, stamped.last.fseq));
        }
        stamped.last = stamp;
        stamped.count += 1;
    }
}

fn not_behind(fseq: u64, last_gseq: u64, last_fseq: u64) -> String {
    format!("stamped as frame {fseq}, not behind gseq {last_gseq} of frame {last_fseq}")
}

#[cfg(test)]
mod tests {
    use crate::testing::{GID, Story, good, three, uid};
    use crate::{Event, Level, Property};

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

    /// It stamps and accepts two views ahead of its application.
    #[test]
    fn a_leader_whose_application_lags() {
        let views = [(1, 1, vec![1, 2, 3]), (2, 3, vec![1, 2, 3]), (3, 5, vec![1, 2])];
        let mut story = Story::default();
        story.view(&[1, 2, 3], 1, 1, 1, &[1, 2, 3]);
        for sseq in 1..=3 {
            story.send(1, sseq, Level::Uniform);
        }
        story.stamp(1, 1, 2, (1, 1)).accept(&[1, 2, 3], 2);
        story.stamp(1, 2, 4, (1, 2)).accept(&[1, 2, 3], 3).stamp(1, 3, 6, (1, 3));
        for (view, at, members) in views {
            if view > 1 {
                story.view(&members, view, at, 1, &members);
            }
            story.deliver(&members, view, at + 1, (1, view), Level::Uniform);
        }
        story.add(3, Event::Left);
        assert_eq!(story.passes(Property::P4).exercised(Property::P4), 3);
        // It stamps on in a view that nobody has seen yet: nothing can be said of its leader.
        story.accept(&[1, 2], 4).stamp(1, 4, 8, (1, 4)).stamp(1, 4, 9, (1, 5));
        assert_eq!(story.passes(Property::P4).exercised(Property::P4), 3);
    }

    /// Known to be wrong once somebody has installed the view it names, were it the first.
    #[test]
    fn an_early_stamp_of_another() {
        let mut story = three();
        story.stamp(2, 2, 3, (1, 1)).accept(&[1, 2, 3], 2);
        assert!(story.report().passed());
        story.view(&[1], 2, 2, 3, &[1, 2, 3]);
        story.caught_alone(Property::P4, &[2, 3], "gseq 3 in view 2");
        let mut story = Story::default();
        story.stamp(2, 1, 2, (1, 1)).view(&[1, 2, 3], 1, 1, 3, &[1, 2, 3]);
        story.caught_alone(Property::P4, &[2, 3], "gseq 2 in view 1");
    }

    #[test]
    fn a_stamp_in_a_lower_view() {
        let mut story = three();
        story.stamp(3, 2, 3, (1, 1)).stamp(3, 1, 2, (1, 2));
        story.caught_alone(Property::P4, &[3], "gseq 2 in view 1");
        // Higher places do not help.
        let mut story = three();
        story.stamp(3, 1, 2, (1, 1)).stamp(3, 2, 4, (1, 2)).stamp(3, 1, 5, (1, 3));
        story.caught_alone(Property::P4, &[3], "gseq 5 in view 1");
    }

    #[test]
    fn lineages_are_judged_apart() {
        let mut story = three();
        story.accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        story.add(2, Event::Stamp { gid: GID + 1, view: 1, fseq: 2, gseq: 2, count: 1, sender: uid(1), sseq: 1 });
        story.stamp(3, 2, 3, (1, 1));
        assert_eq!(story.passes(Property::P4).exercised(Property::P4), 1);
    }

    #[test]
    fn the_place_of_the_view_itself() {
        for gseq in [2, 3] {
            let mut story = three();
            story.stamp(3, 2, gseq, (1, 1)).accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 3, 3, &[1, 2, 3]);
            story.caught(Property::P4, &[3], &format!("gseq {gseq} in view 2"));
        }
        let mut story = three();
        story.stamp(3, 1, 1, (1, 1));
        story.caught_alone(Property::P4, &[3], "gseq 1 in view 1");
    }

    #[test]
    fn a_place_given_twice() {
        let mut story = three();
        story.stamp(3, 1, 2, (1, 1)).stamp(3, 1, 2, (2, 1));
        story.caught_alone(Property::P4, &[3], "gseq 2 in view 1");
        // Also in a view that nobody has seen.
        let mut story = three();
        story.stamp(3, 2, 4, (1, 1)).stamp(3, 2, 3, (2, 1));
        story.caught_alone(Property::P4, &[3], "gseq 3 in view 2");
    }

    #[test]
    fn a_delivery_of_the_view_before() {
        let mut story = three();
        story.send(1, 1, Level::Agreed).accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        story.deliver(&[2], 1, 3, (1, 1), Level::Agreed);
        story.caught_alone(Property::P4, &[2], "gseq 3 in view 1");
    }
}
