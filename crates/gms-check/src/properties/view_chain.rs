//! **P1 View chain.** Per lineage and number one view, accepted by a quorum of the view before it.
//!
//! Every `view` record is compared with the first one seen of that gid and number: fseq, gseq, leader and the list of
//! members with their roles must be the same. A ballot must have one value wherever it is accepted. At the end, for
//! every view whose predecessor V was also seen, the voters of V with an `accepted` record for that very view in one
//! and the same ballot must be more than half of V's voters, or exactly half with V's leader among them, and so must
//! its own voters (5.1, 5.2); in a fail-stop group, all of them but those whose death was `proved` before anybody came
//! to the view. Where the records tell of no proof, all of them that show a sign of life after, by a later view, by
//! their exclusion or by being there at `rest`, for the others have to be dead. Acceptances of processes that crashed
//! count. Exercised: views compared with those of another process; part `quorums`: views whose acceptance was counted;
//! part `ballots`: those of them proposed by another than the leader, in a round of its own; part `rejected`:
//! acceptances of what did not become the view; part `proved`: views accepted without voters whose death was proved.

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Step, ViewInfo, World};
use crate::{Event, Property, Uid};

/// Round, and the node whose it is.
type Ballot = (u32, u64);

#[derive(Debug, Default)]
pub(crate) struct ViewChain {
    /// What was accepted as the view of this gid and number, and who did so in which ballot.
    accepted: BTreeMap<(u128, u64), BTreeMap<Ballot, Accepted>>,
    /// Whose death was proved, and the last view before of each lineage in which it was.
    proved: BTreeMap<Uid, BTreeMap<u128, u64>>,
}

/// What became of one ballot.
#[derive(Debug, Default)]
struct Accepted {
    /// The first to accept it, and what.
    first: Option<(Uid, u64)>,
    by: BTreeSet<Uid>,
}

impl Invariant for ViewChain {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            // By the record's own lineage: the application may not have seen a view of it yet.
            Event::Accepted { gid, view, round, by, value, .. } => {
                let accepted = self.accepted.entry((*gid, *view)).or_default().entry((*round, *by)).or_default();
                accepted.by.insert(step.uid());
                let Some(value) = *value else { return };
                let (first, other) = *accepted.first.get_or_insert((step.uid(), value));
                if other != value {
                    let place = Place::View { view: *view, gseq: step.process.reached() };
                    let what = format!("accepts another value than {first} in round {round} of node {by}");
                    out.violated(Property::P1, &[step.uid(), first], place, what);
                }
            }
            Event::Proved { gid, view } => {
                let before = self.proved.entry(step.uid()).or_default().entry(*gid).or_insert(*view);
                *before = (*view).min(*before);
            }
            Event::View { gid, view, at, gseq, leader, members, .. } => {
                let Some(first) = step.world.lineage_named(*gid).and_then(|lineage| lineage.views.get(view)) else {
                    return;
                };
                let by = step.world.uid(first.by);
                if by != step.uid() {
                    out.exercised(Property::P1, 1);
                }
                let differs = if first.members != *members {
                    "other members"
                } else if first.leader != *leader {
                    "another leader"
                } else if (first.at, first.gseq) != (*at, *gseq) {
                    "another place in the order"
                } else {
                    return;
                };
                let place = Place::View { view: *view, gseq: *gseq };
                out.violated(Property::P1, &[step.uid(), by], place, format!("installed with {differs} than at {by}"));
            }
            _ => {}
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        let at_rest = |uid: &Uid| world.rest().is_some_and(|rest| rest.up.contains(uid) || rest.blocked.contains(uid));
        for lineage in world.lineages() {
            for (view, info) in &lineage.views {
                let Some(before) = view.checked_sub(1).and_then(|before| lineage.views.get(&before)) else {
                    continue;
                };
                out.part(Property::P1, "quorums", 1);
                let proved = |uid: &Uid| {
                    self.proved.get(uid).and_then(|of| of.get(&lineage.gid)).is_some_and(|before| before < view)
                };
                // A process that came past a view was not dead when the next one was decided.
                let lives_on = |uid: &Uid, past: u64| {
                    at_rest(uid) || world.find(*uid).is_some_and(|p| p.came_past(past) || p.excluded)
                };
                let needed = |uid: &Uid, past: u64| match self.proved.is_empty() {
                    true => lives_on(uid, past),
                    false => !proved(uid),
                };
                let enough = |of: &ViewInfo, past: u64, accepted: &BTreeSet<Uid>| match of.fail_stop {
                    true => of.voters().filter(|voter| needed(voter, past)).all(|voter| accepted.contains(&voter)),
                    false => of.is_quorum(|voter| accepted.contains(&voter)),
                };
                // A process without any record may have accepted anything.
                let untold: Vec<Uid> =
                    before.voters().chain(info.voters()).filter(|uid| world.is_untold(*uid)).collect();
                let (mut old, mut own, mut balloted, mut without, mut most) = (false, false, false, false, 0);
                for (ballot, accepted) in self.accepted.get(&(lineage.gid, *view)).into_iter().flatten() {
                    if accepted.first.is_some_and(|(_, value)| value != info.value) {
                        out.part(Property::P1, "rejected", accepted.by.len() as u64);
                        continue;
                    }
                    most = most.max(before.voters().filter(|voter| accepted.by.contains(voter)).count());
                    let by: BTreeSet<Uid> = accepted.by.iter().chain(&untold).copied().collect();
                    if enough(before, view - 1, &by) {
                        (old, balloted) = (true, balloted || ballot.0 > 0);
                        // So that it begins with its history: whatever follows is decided by those who hold it.
                        own |= enough(info, *view, &by);
                        without |= before.fail_stop && before.voters().any(|v| proved(&v) && !accepted.by.contains(&v));
                    }
                }
                out.part(Property::P1, "ballots", u64::from(balloted));
                out.part(Property::P1, "proved", u64::from(without));
                // Or no process with records has accepted anything.
                let (nobody, untold) = (most == 0, untold.into_iter().collect::<BTreeSet<Uid>>());
                if nobody && enough(before, view - 1, &untold) && enough(info, *view, &untold) {
                    continue;
                }
                let what = match (old, own) {
                    (true, true) => continue,
                    (true, false) => "accepted by too few of its own voters".to_owned(),
                    (false, _) => {
                        format!("accepted by {most} of the {} voters of view {}", before.voters().count(), view - 1)
                    }
                };
                let by = world.uid(info.by);
                out.violated(Property::P1, &[by], Place::View { view: *view, gseq: info.gseq }, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{GID, Story, accepted, good, three, uid};
    use crate::{Event, Property, TraceMember};

    #[test]
    fn views_out_of_ballots_are_counted() {
        for (round, ballots) in [(0, 0), (1, 1)] {
            let mut story = three();
            story.add(1, fault()).accept_by(&[1, 2], 2, round, 0).view(&[1, 2], 2, 2, 2, &[1, 2]);
            assert_eq!(story.passes(Property::P1).counters.part(Property::P1, "ballots"), ballots);
        }
    }

    /// So that P25 does not join in.
    fn fault() -> Event {
        Event::Fault { kind: "loss".to_owned() }
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P1);
        assert_eq!(report.counters.part(Property::P1, "quorums"), 3);
    }

    #[test]
    fn two_views_of_one_number() {
        let mut story = three();
        story.add(1, fault()).accept(&[1, 2, 3], 2).view(&[1], 2, 2, 3, &[1, 2, 3]).view(&[2], 2, 2, 2, &[1, 2, 3]);
        story.report().of(Property::P1).next().expect("another leader");
        let mut story = three();
        story.add(1, fault()).accept(&[1, 2, 3], 2).view(&[1], 2, 2, 3, &[1, 2, 3]).view(&[2], 2, 2, 3, &[1, 2]);
        let report = story.report();
        assert_eq!(report.violations[0].processes, [uid(2), uid(1)]);
        story.caught(Property::P1, &[2, 1], "view 2");
    }

    #[test]
    fn all_that_live_have_to_accept_in_a_fail_stop_group() {
        // Who accepts, who goes on, who is told that it is out. The dead may be in the next view.
        for (accepted, installed, excluded, sound) in [
            (&[1, 2][..], &[1, 2][..], None, true),
            (&[1], &[1], None, true),
            (&[1], &[1, 2], None, false),
            (&[1, 2], &[1, 2], Some(3), false),
        ] {
            let mut story = three();
            story.fail_stop().add(1, fault()).accept(accepted, 2).view(installed, 2, 2, 1, &[1, 2]);
            excluded.into_iter().for_each(|node| _ = story.add(node, Event::Excluded));
            assert_eq!(story.report().of(Property::P1).next().is_none(), sound, "{accepted:?} {installed:?}");
        }
        // One that lives to the end, and was taken to be dead.
        let mut story = three();
        story.fail_stop().add(1, fault()).accept(&[1, 2], 2).view(&[1, 2], 2, 2, 1, &[1, 2]).rest(&[1, 2], &[]);
        assert!(story.report().of(Property::P1).next().is_none());
        story.records.pop();
        story.rest(&[1, 2], &[3]);
        assert!(story.report().of(Property::P1).next().is_some());
    }

    /// A harness reports proofs: a voter that does not accept must have been proved dead, and in time.
    #[test]
    fn without_a_proof_nobody_is_dead_in_a_fail_stop_group() {
        // Of whom there is a proof, and since the end of which view of which lineage; what 3 does.
        let lately = |node| (node, GID, 1);
        for (proofs, end, sound) in [
            (&[lately(3)][..], Event::Crash, true),
            (&[lately(2)], Event::Crash, false),
            (&[(3, GID, 2)], Event::Crash, false),
            (&[(3, GID, 2), lately(3)], Event::Crash, true),
            (&[(3, GID + 1, 1)], Event::Crash, false),
            (&[lately(2)], Event::Excluded, false),
        ] {
            let mut story = three();
            story.fail_stop().add(1, fault()).accept(&[1, 2], 2).view(&[1, 2], 2, 2, 1, &[1, 2]).add(3, end);
            proofs.iter().for_each(|(node, gid, view)| _ = story.add(*node, Event::Proved { gid: *gid, view: *view }));
            let report = story.report();
            assert_eq!(report.of(Property::P1).next().is_none(), sound, "{proofs:?}");
            assert_eq!(report.counters.part(Property::P1, "proved"), u64::from(sound));
        }
    }

    /// The dead that are left in the next view, too, need a proof.
    #[test]
    fn voters_of_the_next_view_need_a_proof_as_well() {
        for (proof, sound) in [(3, true), (1, false)] {
            let mut story = three();
            story.add(1, fault()).accept(&[1, 2], 2).view(&[1, 2], 2, 2, 1, &[1, 2, 3]).fail_stop();
            story.add(3, Event::Crash).add(proof, Event::Proved { gid: GID, view: 1 });
            assert_eq!(story.report().of(Property::P1).next().is_none(), sound);
        }
    }

    /// With a majority, a proof is neither needed nor of any use.
    #[test]
    fn proofs_do_not_count_in_a_majority_group() {
        for (accepted, sound) in [(&[1, 2][..], true), (&[1], false)] {
            let mut story = three();
            story.add(1, fault()).accept(accepted, 2).view(&[1], 2, 2, 1, &[1, 2]);
            story.add(3, Event::Crash).add(3, Event::Proved { gid: GID, view: 1 });
            assert_eq!(story.report().of(Property::P1).next().is_none(), sound, "{accepted:?}");
        }
    }

    #[test]
    fn too_few_accept() {
        let mut story = three();
        story.accept(&[3], 2).view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        let report = story.report();
        assert_eq!((report.violations.len(), report.violations[0].property), (1, Property::P1));
        assert_eq!(report.violations[0].place, "view 2");
    }

    /// Its application sees the first view only after the second was accepted.
    #[test]
    fn accepted_before_the_first_view() {
        let mut story = Story::default();
        story.view(&[1], 1, 1, 1, &[1]).accept(&[1], 2).view(&[1], 2, 2, 1, &[1, 2]);
        story.accept(&[1, 2], 3).view(&[2], 2, 2, 1, &[1, 2]).view(&[1, 2], 3, 3, 1, &[1, 2]);
        let report = story.passes(Property::P1);
        assert_eq!(report.counters.part(Property::P1, "quorums"), 2);
        let mut story = Story::default();
        story.accept(&[1], 2).view(&[1], 1, 1, 1, &[1]).view(&[1], 2, 2, 1, &[1]);
        let report = story.report();
        assert!(report.passed(), "{:#?}", report.violations);
        assert_eq!(report.counters.part(Property::P1, "quorums"), 1);
    }

    /// Three accept something, but not all what is installed, or not in the same ballot.
    #[test]
    fn only_what_is_installed_counts() {
        let mut installed = Story::default();
        installed.view(&[2], 2, 2, 2, &[1, 2]);
        let value = installed.records[0].event.value();
        let (same, other) = ((1, value), (1, Some(7)));
        for (votes, sound) in [
            ([same, same, same], true),
            ([same, same, (2, value)], true),
            ([(2, Some(7)), same, same], true),
            ([(2, value), same, (3, value)], false),
            ([(2, Some(7)), same, (2, Some(7))], false),
            ([same, other, same], false),
        ] {
            let mut story = three();
            story.add(1, fault());
            (1..).zip(votes).for_each(|(node, (round, value))| _ = story.add(node, accepted(2, round, value, 0)));
            story.view(&[1, 2], 2, 2, 2, &[1, 2]);
            assert_eq!(story.report().of(Property::P1).next().is_none(), sound, "{votes:?}");
        }
    }

    /// What was accepted in another lineage does not count in this one.
    #[test]
    fn accepted_in_another_lineage() {
        let mut story = three();
        for node in 1..=3 {
            story.add(node, Event::Accepted { gid: GID + 1, view: 2, round: 0, by: 3, value: None, unstable: 0 });
        }
        story.view(&[1, 2, 3], 2, 2, 3, &[1, 2, 3]);
        story.caught_alone(Property::P1, &[1], "view 2");
    }

    /// Half of four voters: with their leader or not.
    #[test]
    fn half_needs_the_leader() {
        let four = |accepted: &[u64]| {
            let mut story = Story::default();
            story.view(&[1, 2, 3, 4], 1, 1, 4, &[1, 2, 3, 4]).add(1, fault()).accept(accepted, 2).view(
                accepted,
                2,
                2,
                accepted[0],
                accepted,
            );
            story
        };
        four(&[1, 4]).passes(Property::P1);
        four(&[1, 2]).caught_alone(Property::P1, &[1], "view 2");
    }

    /// Two joiners get their votes and make a quorum with the one that has not accepted.
    #[test]
    fn a_view_needs_a_quorum_of_its_own() {
        for (accepted, sound) in [(&[1, 2][..], false), (&[1, 2, 4], true)] {
            let mut story = Story::default();
            let member = |node, voter| TraceMember { uid: uid(node), voter };
            for node in 1..=5 {
                let members = (1..=5).map(|node| member(node, node <= 3)).collect();
                let leader = uid(1);
                story.add(node, Event::View { gid: GID, view: 1, at: 1, gseq: 1, leader, members, fail_stop: false });
            }
            story.add(1, fault()).accept(accepted, 2).view(&[1], 2, 2, 1, &[1, 2, 3, 4, 5]);
            assert_eq!(story.report().of(Property::P1).next().is_none(), sound, "{accepted:?}");
        }
    }

    /// A member whose trace is missing may have accepted it; one whose trace just ends had it recorded.
    #[test]
    fn who_left_no_trace_may_have_accepted() {
        use crate::Faults::Unknown;
        for (recorded, sound) in [(&[1, 2][..], true), (&[1, 2, 3], false)] {
            let mut story = Story::default();
            story.view(recorded, 1, 1, 3, &[1, 2, 3]).accept(&[1], 2).view(&[1, 2], 2, 2, 1, &[1, 2, 3]);
            let report = story.report_of_traces(Unknown);
            assert_eq!(report.of(Property::P1).next().is_none(), sound, "{:#?}", report.violations);
        }
        let mut created = Story::default();
        created.view(&[2], 2, 2, 1, &[1, 2]).view(&[2], 3, 3, 1, &[1, 2]).accept(&[2], 3);
        assert!(created.report_of_traces(Unknown).passed());
        let mut alone = Story::default();
        alone.view(&[2], 1, 1, 1, &[1]).view(&[2], 2, 2, 2, &[1, 2]);
        assert!(alone.report_of_traces(Unknown).of(Property::P1).next().is_some(), "2 accepted nothing");
    }

    #[test]
    fn learners_do_not_count() {
        let mut story = Story::default();
        let member = |node, voter| TraceMember { uid: uid(node), voter };
        let members = vec![member(1, true), member(2, true), member(3, true), member(4, false)];
        for node in 1..=4 {
            let members = members.clone();
            story.add(
                node,
                Event::View { gid: GID, view: 1, at: 1, gseq: 1, leader: uid(1), members, fail_stop: false },
            );
        }
        story.add(1, fault()).accept(&[1, 4], 2).view(&[1, 4], 2, 2, 1, &[1, 4]);
        story.caught_alone(Property::P1, &[1], "view 2");
    }
}
