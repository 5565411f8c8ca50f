//! **P23 Convergence.** Once the faults are over, all processes that can go on are in one view of exactly them.
//!
//! Judged where a `rest` record says that the run was ended long enough after the last fault, and who ran then. Every
//! process that was `up` must be in the same view as the others, as a voter, and that view must hold nobody else; it
//! has neither been excluded nor left. Those named as `blocked` are not judged: their group has lost its quorum for
//! good. Exercised: processes that were up; parts `converged`: runs ended so, `blocked by design`: runs with such.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Process, World};
use crate::{Property, Uid};

#[derive(Debug)]
pub(crate) struct Convergence;

impl Invariant for Convergence {
    fn finish(&mut self, world: &World, out: &mut Findings) {
        let Some(rest) = world.rest() else { return };
        out.exercised(Property::P23, rest.up.len() as u64);
        out.part(Property::P23, "blocked by design", u64::from(!rest.blocked.is_empty()));
        let gid = |process: &Process| process.lineage.map(|lineage| world.lineages()[lineage].gid);
        let latest = rest.up.iter().filter_map(|uid| world.find(*uid)).filter_map(|p| Some((p.view()?, gid(p)?))).max();
        let mut converged = !rest.up.is_empty();
        for uid in &rest.up {
            if let Some(what) = astray(world, *uid, &rest.up, latest) {
                let after = world.find(*uid).map_or(0, Process::reached);
                out.violated(Property::P23, &[*uid], Place::Process { after }, what);
                converged = false;
            }
        }
        out.part(Property::P23, "converged", u64::from(converged));
    }
}

/// What keeps a process from being at rest with the others, if anything does.
fn astray(world: &World, uid: Uid, up: &[Uid], latest: Option<(u64, u128)>) -> Option<String> {
    let Some(process) = world.find(uid) else { return Some("up at the end, but in no view".to_owned()) };
    if process.excluded || process.left || process.crashed {
        return Some("up at the end, but its trace has ended before".to_owned());
    }
    let (Some(view), Some(lineage)) = (process.view(), process.lineage) else {
        return Some("up at the end, but in no view".to_owned());
    };
    let lineage = &world.lineages()[lineage];
    if let Some((highest, gid)) = latest.filter(|latest| *latest != (view, lineage.gid)) {
        return Some(format!("in view {view} at the end, when another is in view {highest} of gid {gid:032x}"));
    }
    let members = &lineage.views.get(&view)?.members;
    if let Some(gone) = members.iter().find(|member| !up.contains(&member.uid)) {
        return Some(format!("in view {view} at the end, which still holds {}", gone.uid));
    }
    match members.iter().find(|member| member.uid == uid) {
        Some(member) if member.voter => None,
        Some(_) => Some(format!("still a learner in view {view} at the end")),
        None => Some(format!("in view {view} at the end, which does not hold it")),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{GID, Story, three, uid};
    use crate::{Event, Property, TraceMember};

    /// 3 dies and is removed.
    fn without_three() -> Story {
        let mut story = three();
        story.add(3, Event::Crash).accept(&[1, 2], 2).view(&[1, 2], 2, 2, 2, &[1, 2]);
        story
    }

    #[test]
    fn good_trace() {
        let mut story = without_three();
        story.rest(&[1, 2], &[]);
        let report = story.passes(Property::P23);
        assert_eq!(report.exercised(Property::P23), 2);
        assert_eq!(report.counters.part(Property::P23, "converged"), 1);
    }

    #[test]
    fn nothing_is_judged_without_rest() {
        assert_eq!(without_three().report().exercised(Property::P23), 0);
    }

    #[test]
    fn one_is_behind() {
        let mut story = three();
        story.add(3, Event::Crash).accept(&[1, 2], 2).view(&[1], 2, 2, 2, &[1, 2]).rest(&[1, 2], &[]);
        story.caught_alone(Property::P23, &[2], "after gseq 1");
    }

    #[test]
    fn the_dead_are_still_members() {
        let mut story = three();
        story.add(3, Event::Crash).rest(&[1, 2], &[]);
        story.caught_alone(Property::P23, &[1], "after gseq 1");
    }

    #[test]
    fn one_is_in_no_view() {
        let mut story = without_three();
        story.rest(&[1, 2, 7], &[]).caught_alone(Property::P23, &[7], "after gseq 0");
    }

    #[test]
    fn one_was_excluded_and_did_not_come_again() {
        let mut story = without_three();
        story.add(2, Event::Excluded).rest(&[1, 2], &[]);
        story.caught_alone(Property::P23, &[2], "after gseq 2");
    }

    #[test]
    fn a_learner_is_never_promoted() {
        let mut story = without_three();
        story.accept(&[1, 2], 3);
        for node in [1, 2, 4] {
            let members = [1, 2, 4].map(|node| TraceMember { uid: uid(node), voter: node != 4 }).to_vec();
            story.add(
                node,
                Event::View { gid: GID, view: 3, at: 3, gseq: 3, leader: uid(2), members, fail_stop: false },
            );
        }
        story.rest(&[1, 2, 4], &[]).caught_alone(Property::P23, &[4], "after gseq 3");
    }

    /// One of two lives, and is not the leader: it cannot go on.
    #[test]
    fn without_a_quorum_nothing_is_asked() {
        let mut story = Story::default();
        story.view(&[1, 2], 1, 1, 2, &[1, 2]).add(2, Event::Crash).rest(&[], &[1]);
        let report = story.report();
        assert!(report.passed() && report.exercised(Property::P23) == 0);
        assert_eq!(report.counters.part(Property::P23, "blocked by design"), 1);
    }
}
