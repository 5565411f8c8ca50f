//! The leader dies, falls silent, or makes room for another: the survivors agree on what was delivered, and go on
//! (protocol 5.2).

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Outcome};
use gms_check::Property;
#[cfg(debug_assertions)]
use gms_core::Bug;
use gms_core::wire::Control;
use gms_core::{Input, Params, Planted, QuorumMode, Ranking};
use world::{Fate, World, busy_group, is_sound, lies, outcomes};

const MS: Duration = Duration::from_millis(1);

#[test]
fn when_the_leader_dies_the_next_rank_leads_within_milliseconds_and_nothing_is_lost() {
    for count in [3, 4, 5, 8] {
        let mut world = busy_group(count);
        let leader = count as usize - 1;
        world.send_all();
        world.kill(leader);
        world.pass(5 * MS);
        for index in 0..leader {
            assert_eq!(world.view(index), Some((count - 2, (0..count - 1).collect())), "of {count}, at {index}");
            let stood = u64::from(index + 1 == leader);
            assert_eq!(world.nodes[index].stats().candidacies, stood, "of {count}, at {index}");
        }
        for _ in 0..20 {
            world.send_all();
            world.pass(MS);
        }
        world.pass(100 * MS);
        for index in 0..leader {
            let outcomes = outcomes(&world, index);
            assert_eq!(outcomes.len(), 41, "one for each message");
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
        }
        is_sound(&world);
    }
}

/// Everybody sends all the while; one joins, the leader dies, then a follower. The views in which each survivor was
/// given its messages, from the first message that all of them were given.
fn deliveries_of_a_flood(planted: Planted) -> (World, Vec<Vec<(u64, u64)>>) {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.planted = planted;
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    let flood = |world: &mut World| {
        for _ in 0..100 {
            world.send_all();
            world.pass(MS / 4);
        }
    };
    flood(&mut world);
    world.start(5, Bootstrap::Join, false);
    flood(&mut world);
    // Not all know the same when they lose it.
    for (dies, deaf) in [(4, [3, 5]), (0, [2, 3])] {
        world.trouble("cut");
        world.mute = deaf.map(|deaf| (dies, deaf)).to_vec();
        for _ in 0..12 {
            world.send_all();
            world.pass(MS / 4);
        }
        world.mute.clear();
        world.kill(dies);
        flood(&mut world);
    }
    world.pass(Duration::from_secs(1));
    let mut deliveries: Vec<Vec<(u64, u64)>> = Vec::new();
    for index in [1, 2, 3, 5] {
        let messages = world.events[index].iter().filter_map(|event| match event {
            Event::Message(message) => Some((message.gseq, message.vid)),
            _ => None,
        });
        deliveries.push(messages.collect());
    }
    let from = deliveries.iter().filter_map(|all| all.first()).map(|first| first.0).max().unwrap_or(0);
    deliveries.iter_mut().for_each(|all| all.retain(|(gseq, _)| *gseq >= from));
    (world, deliveries)
}

#[test]
fn a_flood_over_a_join_and_two_deaths_is_delivered_in_the_same_views() {
    let (world, deliveries) = deliveries_of_a_flood(Planted::default());
    for index in [1, 2, 3, 5] {
        assert_eq!(world.view(index).map(|view| view.1), Some(vec![1, 2, 3, 5]));
    }
    assert!(deliveries.iter().all(|all| *all == deliveries[0]));
    let views: BTreeSet<u64> = deliveries[0].iter().map(|(_, view)| *view).collect();
    assert!(views.len() >= 3 && deliveries[0].len() > 1000, "{views:?}, {} messages", deliveries[0].len());
    is_sound(&world);
    assert_eq!(lies(&world), 0);
    let report = world.judge();
    assert!(report.exercised(Property::P8) > 0 && report.exercised(Property::P9) > 0, "{report}");
    #[cfg(debug_assertions)]
    for bug in [Bug::CutByMyOwnLog, Bug::CutByTheMinimum] {
        let (world, deliveries) = deliveries_of_a_flood(Planted::bug(bug));
        let differ = deliveries.iter().any(|all| *all != deliveries[0]);
        assert!(differ || lies(&world) > 0, "the test would show {bug:?}");
    }
}

#[test]
fn a_leader_that_falls_silent_is_replaced_within_a_second_and_joins_again_when_it_is_back() {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.cuts = vec![2];
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(0), Some((1, vec![0, 1])));
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])), "it cannot know");
    world.send_all();
    world.cuts.clear();
    world.pass(Duration::from_secs(3));
    for index in 0..3 {
        assert_eq!(world.view(index), Some((1, vec![0, 1, 2])));
    }
    assert!(world.events[2].contains(&Event::Excluded));
    is_sound(&world);
}

#[test]
fn one_that_was_excluded_and_leads_again_lets_others_in_at_once() {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.cuts = vec![2];
    world.pass(Duration::from_secs(1));
    world.cuts.clear();
    world.pass(Duration::from_secs(1));
    world.kill(1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(2), Some((2, vec![0, 2])));
    // Its former life still answers for the past, and only for that.
    world.start(3, Bootstrap::Auto, false);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(2), Some((2, vec![0, 2, 3])));
    is_sound(&world);
}

#[test]
fn leaders_may_die_one_after_the_other_while_a_quorum_of_the_last_view_is_left() {
    let mut world = busy_group(5);
    for leader in [4, 3, 2] {
        world.kill(leader);
        for _ in 0..10 {
            world.send_all();
            world.pass(2 * MS);
        }
        let next = leader as u64 - 1;
        assert_eq!(world.view(0), Some((next, (0..=next).collect())));
    }
    // Two are left: without its leader the other one is half of the view, and not the half that counts.
    world.kill(1);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(0), Some((1, vec![0, 1])));
    assert!(world.events[0].iter().any(|event| matches!(event, Event::Blocked(_))));
    is_sound(&world);
}

#[test]
fn if_the_next_leader_dies_in_the_middle_of_the_change_another_one_ends_it() {
    // At any moment of the change, by steps of its datagrams.
    for steps in 1..40 {
        let mut world = busy_group(5);
        world.kill(4);
        (0..steps).for_each(|_| world.step());
        world.kill(3);
        world.pass(Duration::from_secs(2));
        for index in 0..3 {
            assert_eq!(world.view(index), Some((2, vec![0, 1, 2])), "after {steps} steps, at {index}");
        }
        is_sound(&world);
    }
}

#[test]
fn an_operator_moves_the_lead_and_puts_members_out() {
    let mut world = busy_group(4);
    let uid = |world: &World, index: usize| world.nodes[index].uid();
    let heir = uid(&world, 1);
    world.nodes[3].handle(world.now, Input::Transfer(heir));
    world.pass(20 * MS);
    assert_eq!(world.view(0), Some((1, vec![0, 1, 2, 3])));
    world.send_all();
    world.pass(20 * MS);
    let out = uid(&world, 2);
    world.nodes[0].handle(world.now, Input::Exclude(out));
    world.pass(20 * MS);
    assert_eq!(world.view(1), Some((1, vec![0, 1, 2, 3])), "only the leader is asked");
    world.trouble("excluded by hand");
    world.nodes[1].handle(world.now, Input::Exclude(out));
    world.pass(10 * MS);
    assert_eq!(world.view(1), Some((1, vec![0, 1, 3])));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(1), Some((1, vec![0, 1, 2, 3])), "it lives, and joins again");
    assert_ne!(uid(&world, 2), out);
    is_sound(&world);
}

/// The leader that left tells the next one again, before anybody misses something.
#[test]
fn a_next_leader_that_has_not_heard_of_it_yet_is_told_again_at_once() {
    let mut world = busy_group(3);
    world.trouble("loss");
    world.fate = |from, _, control| match control {
        Control::Install { .. } if from == 2 => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.nodes[2].handle(world.now, Input::Leave);
    world.pass(5 * MS);
    assert_eq!(world.view(1), Some((2, vec![0, 1, 2])));
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(10 * MS);
    assert_eq!(world.view(1), Some((1, vec![0, 1])));
    is_sound(&world);
}

#[test]
fn a_higher_rank_takes_the_lead_where_the_group_says_so() {
    for preempt in [true, false] {
        let mut world = World::of(0, &Bootstrap::Auto);
        world.params = Params { preempt, ..Params::default() };
        (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
        world.pass(Duration::from_secs(1));
        world.start(9, Bootstrap::Auto, false);
        world.pass(Duration::from_secs(1));
        assert_eq!(world.view(0), Some((if preempt { 9 } else { 2 }, vec![0, 1, 2, 9])));
        is_sound(&world);
    }
}

#[test]
fn the_group_ranks_by_seniority_or_by_weight_where_it_says_so() {
    for (ranking, next) in [(Ranking::Bully, 5), (Ranking::Seniority, 1), (Ranking::Priority, 3)] {
        let mut world = World::of(0, &Bootstrap::Auto);
        world.params = Params { ranking, ..Params::default() };
        // Node 9 leads; the others come one after the other.
        for (node, weight) in [(9, 0), (1, 1), (5, 2), (3, 3)] {
            world.weight = weight;
            world.start(node, Bootstrap::Auto, false);
            world.pass(Duration::from_secs(1));
        }
        assert_eq!(world.view(1).map(|view| view.0), Some(9));
        world.kill(0);
        world.pass(50 * MS);
        assert_eq!(world.view(1), Some((next, vec![1, 3, 5])), "{ranking:?}");
        is_sound(&world);
    }
}

/// The leader dies when everybody has its last frame and nobody the one before.
fn a_hole_at_the_end_does_not_stop_the_others(planted: Planted) -> bool {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.planted = planted;
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.trouble("loss");
    world.data_lost = true;
    world.send_from(0);
    world.pass(MS / 4);
    world.data_lost = false;
    world.send_from(0);
    // To the leader, and from there to the others, who have no time to ask for what they miss.
    world.pass(MS / 5);
    world.kill(2);
    world.pass(Duration::from_secs(3));
    let ordered = |outcome: &Outcome| matches!(outcome, Outcome::Ordered { .. });
    let all = outcomes(&world, 0);
    world.view(1) == Some((1, vec![0, 1])) && all.len() == 2 && all.iter().all(ordered) && world.judge().passed()
}

#[test]
fn what_lies_above_a_hole_that_nobody_can_fill_is_ordered_again() {
    assert!(a_hole_at_the_end_does_not_stop_the_others(Planted::default()));
    #[cfg(debug_assertions)]
    assert!(!a_hole_at_the_end_does_not_stop_the_others(Planted::bug(Bug::CutAboveAHole)), "the test would show it");
}

/// A learner will vote as soon as it has said where it is: until then the leader that leaves has nobody to hand over
/// to.
#[test]
fn a_leader_that_leaves_waits_for_its_learner() {
    let mut world = World::of(1, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    world.fate = |_, _, control| match control {
        Control::Install { .. } => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.start(1, Bootstrap::Auto, false);
    while world.view(0) != Some((0, vec![0, 1])) {
        world.step();
    }
    world.nodes[0].handle(world.now, Input::Leave);
    world.pass(100 * MS);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(Duration::from_secs(1));
    assert_eq!(world.events[0].last(), Some(&Event::Left { released: true }), "{:?}", world.events[0]);
    assert_eq!(world.view(1), Some((1, vec![1])));
    is_sound(&world);
}

#[test]
fn one_that_asks_to_leave_again_while_that_is_decided_leaves_once() {
    let mut world = busy_group(3);
    let before = world.nodes[2].view().expect("a member").vid;
    world.fate = |_, _, control| match control {
        Control::Accept { .. } => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.nodes[0].handle(world.now, Input::Leave);
    world.pass(50 * MS);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(2), Some((2, vec![1, 2])));
    assert_eq!(world.nodes[2].view().expect("a member").vid, before + 1);
    is_sound(&world);
}

#[test]
fn a_learner_whose_only_voter_is_dead_says_so() {
    for quorum in [QuorumMode::Majority, QuorumMode::FailStop] {
        let mut world = World::of(0, &Bootstrap::Auto);
        world.params = Params { quorum, ..Params::default() };
        world.start(0, Bootstrap::Auto, false);
        world.pass(Duration::from_secs(1));
        world.start(1, Bootstrap::Auto, false);
        while world.view(1).is_none() {
            world.step();
        }
        world.kill_for_certain(0);
        world.pass(Duration::from_secs(4));
        let last = world.events[1].last();
        assert!(matches!(last, Some(Event::Blocked(Blocked::Quorum { heard: 0, voters: 1 }))), "{last:?}");
    }
}

/// The group has gone on by more than one view when it says again that one who left may go.
#[test]
fn a_leaver_that_did_not_hear_that_it_may_go_is_told_again() {
    let mut world = busy_group(4);
    world.fate = |_, _, control| match control {
        Control::Release { .. } => Fate::Lost,
        _ => Fate::Arrives,
    };
    for index in [0, 1] {
        world.nodes[index].handle(world.now, Input::Leave);
        world.pass(40 * MS);
    }
    assert_eq!(world.view(3), Some((3, vec![2, 3])));
    assert!((0..2).all(|index| !world.events[index].iter().any(|event| matches!(event, Event::Left { .. }))));
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(40 * MS);
    for index in [0, 1] {
        assert_eq!(world.events[index].last(), Some(&Event::Left { released: true }), "at {index}");
    }
    is_sound(&world);
}

/// A member that is only taken to be there, in a view that has just let it in, does not keep its id from its next life.
#[test]
fn a_life_that_was_never_heard_keeps_nobody_out() {
    let mut world = busy_group(3);
    world.fate = |_, _, control| match control {
        Control::Accept { .. } => Fate::Held,
        _ => Fate::Arrives,
    };
    world.start(3, Bootstrap::Auto, false);
    while world.held.is_empty() {
        world.step();
    }
    world.kill(3);
    world.start(3, Bootstrap::Auto, false);
    world.pass(50 * MS);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(Duration::from_secs(3));
    assert!(!world.events[4].iter().any(|event| matches!(event, Event::Refused(_))), "{:?}", world.events[4]);
    assert_eq!(world.view(4), Some((2, vec![0, 1, 2, 3])));
    is_sound(&world);
}
