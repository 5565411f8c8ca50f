//! The leader dies, or is cut off, or is of no use: the survivors agree on what was delivered, and go on (protocol 5.2).

mod world;

use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Outcome};
#[cfg(debug_assertions)]
use gms_core::Bug;
use gms_core::wire::Control;
use gms_core::{Input, Params, Planted, QuorumMode, Ranking};
use world::{Fate, World, address, busy_group, is_sound, outcomes};

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
fn one_deaf_member_unseats_no_leader() {
    assert_eq!(leader_of_the_others_when_one_is_deaf(Planted::default()), Some(4));
    #[cfg(debug_assertions)]
    assert_ne!(leader_of_the_others_when_one_is_deaf(Planted::bug(Bug::NoPreVote)), Some(4), "the test would show it");
}

fn leader_of_the_others_when_one_is_deaf(planted: Planted) -> Option<u64> {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.planted = planted;
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.trouble("cut");
    world.mute = vec![(4, 0)];
    world.pass(Duration::from_secs(4));
    world.view(1).map(|view| view.0)
}

/// Whether everybody is sound after a leader that was cut off, and replaced, orders something in the moment in which it
/// is back, before it hears what has happened.
fn an_old_leader_does_no_harm(planted: Planted) -> bool {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.planted = planted;
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.trouble("cut");
    world.cuts = vec![2];
    for _ in 0..5 {
        // It goes on ordering, for nobody.
        world.send_from(2);
        world.pass(MS);
    }
    while world.view(0) != Some((1, vec![0, 1])) {
        world.pass(MS);
    }
    world.cuts.clear();
    world.send_from(2);
    // The order of the others comes to the same places before it joins again.
    for _ in 0..20 {
        world.send_all();
        world.pass(MS / 2);
    }
    world.pass(Duration::from_secs(3));
    let broken = world.events.iter().flatten().any(|event| matches!(event, Event::Broken(_)));
    !broken && world.judge().violations.is_empty() && world.view(2) == Some((1, vec![0, 1, 2]))
}

#[test]
fn what_an_old_leader_orders_changes_nothing() {
    assert!(an_old_leader_does_no_harm(Planted::default()));
    #[cfg(debug_assertions)]
    assert!(!an_old_leader_does_no_harm(Planted::bug(Bug::FrameWithoutItsView)), "the test would show it");
}

#[test]
fn one_deaf_member_comes_back() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.mute = vec![(4, 0)];
    world.pass(Duration::from_secs(4));
    assert_eq!(world.view(1).map(|view| view.0), Some(4), "the others hear it");
    world.mute.clear();
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, vec![0, 1, 2, 3, 4])));
    }
    is_sound(&world);
}

/// Two of five are cut off, and the leader goes on with the other two, which die just before or after they have accepted
/// that: once the cut is healed, three of five are there.
#[test]
fn a_plan_that_cannot_be_decided_any_more_binds_nobody() {
    let cut = || {
        let mut world = busy_group(5);
        world.trouble("cut");
        world.cuts = vec![2];
        world
    };
    let mut world = cut();
    while world.view(4).is_some_and(|(_, members)| members.len() == 5) {
        world.step();
    }
    let installed = world.now;
    let mut bound = 0;
    for before in 1..12 {
        let mut world = cut();
        while world.now + before * MS / 20 < installed {
            world.step();
        }
        if world.view(4).is_some_and(|(_, members)| members.len() == 3) {
            continue;
        }
        world.kill(2);
        world.kill(3);
        world.cuts.clear();
        world.pass(Duration::from_secs(4));
        for index in [0, 1, 4] {
            assert_eq!(world.view(index).map(|(_, members)| members), Some(vec![0, 1, 4]), "{before}");
        }
        is_sound(&world);
        bound += 1;
    }
    assert!(bound > 5, "{bound}");
}

#[test]
fn a_member_that_is_heard_but_hears_nothing_holds_up_the_others_for_seconds_only() {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.mute = vec![(1, 0), (2, 0)];
    let mut blocked = false;
    let until = world.now + Duration::from_secs(8);
    while world.now < until {
        world.send_from(1);
        world.step();
        blocked |=
            world.events[2].iter().any(|event| matches!(event, Event::Blocked(Blocked::Window { member: 0, .. })));
    }
    world.pass(100 * MS);
    assert!(blocked, "the leader says who it waits for");
    assert_eq!(world.view(1), Some((2, vec![1, 2])));
    let after = world.events[1].iter().rposition(|event| matches!(event, Event::View(_))).expect("views");
    assert!(world.events[1][after..].iter().any(|event| matches!(event, Event::Message(_))), "it goes on without it");
    world.mute.clear();
    world.pass(Duration::from_secs(3));
    assert!(world.events[0].contains(&Event::Excluded), "it is told as soon as it hears");
    for index in 0..3 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
    }
    is_sound(&world);
}

/// A leader without a quorum does not say how far it has got, so whoever misses its last frames cannot know.
#[test]
fn who_misses_something_of_a_leader_without_a_quorum_is_not_given_up_for_that() {
    let mut world = busy_group(5);
    world.trouble("cut");
    // The last frame reaches none of the others; later 0 alone hears the leader, which says nothing by then.
    world.mute = (0..4).map(|to| (4, to)).collect();
    world.send_from(4);
    world.pass(MS);
    world.mute = (1..4).flat_map(|other| [(4, other), (other, 4), (0, other), (other, 0)]).collect();
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
        world.mute.extend([(one, other), (other, one)]);
    }
    world.mute.push((4, 0));
    world.pass(Duration::from_secs(2));
    world.mute.pop();
    world.pass(Duration::from_secs(10));
    assert_eq!(world.view(4).map(|(_, members)| members.len()), Some(5));
    // With 1 they are a quorum, and go on without the other two.
    world.mute.retain(|(from, to)| [2, 3].contains(from) || [2, 3].contains(to));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1, 4]));
    assert!(!world.events[0].contains(&Event::Excluded), "it was there all the time");
    is_sound(&world);
}

#[test]
fn the_minority_of_a_split_waits_and_comes_back() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.cuts = vec![2];
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(4), Some((4, vec![2, 3, 4])));
    assert_eq!(world.view(0), Some((4, vec![0, 1, 2, 3, 4])));
    assert!(world.events[0].iter().any(|event| matches!(event, Event::Blocked(_))));
    world.send_all();
    world.cuts.clear();
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, vec![0, 1, 2, 3, 4])));
    }
    is_sound(&world);
}

#[test]
fn a_group_in_three_parts_without_a_quorum_goes_on_whole_once_it_is_healed() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.cuts = vec![1, 3];
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, vec![0, 1, 2, 3, 4])));
        assert!(world.events[index].iter().any(|event| matches!(event, Event::Blocked(_))));
    }
    world.send_all();
    world.cuts.clear();
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index).map(|(_, members)| members.len()), Some(5));
        assert!(!world.events[index].contains(&Event::Excluded), "{index} lived, and could be reached");
        assert!(outcomes(&world, index).iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
        assert_eq!(outcomes(&world, index).len(), 21);
    }
    is_sound(&world);
}

#[test]
fn views_do_not_shrink_below_min_voters() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { min_voters: 3, ..Params::default() };
    (0..4).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    for leader in [3, 2] {
        world.kill(leader);
        world.pass(Duration::from_secs(3));
    }
    assert_eq!(world.view(0), Some((2, vec![0, 1, 2])));
    for events in &world.events[..2] {
        assert!(events.contains(&Event::Blocked(Blocked::TooFew { voters: 2, min_voters: 3 })), "{events:?}");
    }
    is_sound(&world);
}

/// A newcomer takes the place of the dead only once it votes; until then nobody else is given up.
#[test]
fn however_often_servers_die_no_more_than_one_voter_is_missing() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { min_voters: 3, ..Params::default() };
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    let voters = |world: &World| world.nodes[2].view().unwrap().voters().count();
    // The new life of 1 dies before it votes; then 0 dies, and both come back at once.
    world.kill(1);
    world.start(1, Bootstrap::Auto, false);
    while !world.nodes[2].view().unwrap().contains(world.nodes[3].uid()) {
        world.step();
    }
    world.kill(3);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(2), Some((2, vec![0, 2])));
    world.kill(0);
    world.pass(Duration::from_secs(1));
    (0..2).for_each(|node| world.start(node, Bootstrap::Auto, false));
    let until = world.now + Duration::from_secs(3);
    while world.now < until {
        world.step();
        assert!(voters(&world) >= 2, "{}", world.nodes[2].view().unwrap());
    }
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])));
    assert_eq!(voters(&world), 3);
    is_sound(&world);
}

#[test]
fn a_group_that_may_not_shrink_lets_the_dead_come_back() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { min_voters: 3, ..Params::default() };
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.kill(0);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(1), Some((2, vec![0, 1, 2])), "the dead stays a member");
    world.start(0, Bootstrap::Auto, false);
    world.pass(Duration::from_secs(3));
    for index in 1..4 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
        assert_eq!(world.nodes[index].view().unwrap().voters().count(), 3);
    }
    assert!(world.nodes[1].view().unwrap().contains(world.nodes[3].uid()), "in its new life");
    world.send_all();
    world.pass(100 * MS);
    is_sound(&world);
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

#[test]
fn what_is_left_of_a_group_goes_on_when_an_operator_says_so() {
    let mut world = busy_group(5);
    let before = world.nodes[0].view().expect("a member").gid;
    for dead in [2, 3, 4] {
        world.kill(dead);
    }
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(1), Some((4, vec![0, 1, 2, 3, 4])), "two of five are no quorum");
    world.nodes[1].force_view(world.now, true);
    world.nodes[0].force_view(world.now, false);
    world.pass(Duration::from_secs(1));
    for index in [0, 1] {
        assert_eq!(world.view(index), Some((1, vec![0, 1])));
        assert_ne!(world.nodes[index].view().expect("a member").gid, before);
    }
    is_sound(&world);
}

#[test]
fn with_proofs_of_death_a_group_may_shrink_to_one() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    for leader in (1..5).rev() {
        let uid = world.nodes[leader].uid();
        world.kill(leader);
        world.pass(Duration::from_secs(2));
        assert_eq!(
            world.view(0),
            Some((leader as u64, (0..=leader as u64).collect())),
            "a closed connection is no proof"
        );
        // One of those left is told; the others learn it from it.
        world.nodes[0].handle(world.now, Input::Dead(uid));
        world.send_all();
        world.pass(Duration::from_secs(1));
        assert_eq!(world.view(0), Some((leader as u64 - 1, (0..leader as u64).collect())));
    }
    world.send_all();
    world.pass(50 * MS);
    assert!(outcomes(&world, 0).iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
    is_sound(&world);
}

#[test]
fn when_all_have_the_proof_the_next_leads_within_milliseconds() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    for leader in (1..5).rev() {
        world.send_all();
        world.kill_for_certain(leader);
        world.pass(5 * MS);
        assert_eq!(world.view(0), Some((leader as u64 - 1, (0..leader as u64).collect())));
    }
    is_sound(&world);
}

#[test]
fn one_that_notices_later_than_the_others_holds_up_nobody() {
    let mut world = busy_group(5);
    world.trouble("crash");
    world.dead.push(4);
    for member in [3, 2, 1, 0] {
        // The last one still hears the leader when it is asked to promise.
        if member == 0 {
            world.pass(MS);
        }
        world.nodes[member].closed(world.now, address(4));
    }
    world.pass(3 * MS);
    for index in 0..4 {
        assert_eq!(world.view(index), Some((3, (0..4).collect())), "at {index}");
    }
    is_sound(&world);
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

/// A member that has promised, and not accepted, does not count for the value before. Once it is dead it does: nobody
/// waits for the dead, and who proposed may know of the death before others do.
#[test]
fn a_value_that_the_dead_have_not_accepted_may_be_decided_without_them() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..4).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0), Some((3, vec![0, 1, 2, 3])));
    // What 2 proposes never reaches 0, and it hears late that 1 has accepted it; nobody hears that it is decided.
    world.fate = |from, to, control| match (from, to, control) {
        (2, 0, Control::Accept { .. }) | (2, _, Control::Install { .. }) => Fate::Lost,
        (1, 2, Control::Accepted { .. }) => Fate::Held,
        _ => Fate::Arrives,
    };
    world.kill_for_certain(3);
    while world.held.is_empty() {
        world.step();
    }
    // After that 1 hears nothing of 2, which still asks to be accepted when 1 gives it up.
    world.fate = |from, to, control| match (from, to, control) {
        (2, _, Control::Accept { .. } | Control::Install { .. }) => Fate::Lost,
        (1, 2, Control::Prepare { .. }) => Fate::Held,
        _ => Fate::Arrives,
    };
    while world.held.len() == 1 {
        world.step();
        world.nodes[1].handle(world.now, Input::Stand);
    }
    world.held.truncate(1);
    world.pass(MS);
    // 0 has promised 1, and dies; 2 has the proof of that first. It decides, and dies.
    let (zero, two) = (world.nodes[0].uid(), world.nodes[2].uid());
    world.dead.push(0);
    world.nodes[2].died(world.now, zero);
    world.mute.extend([(2, 0), (2, 1)]);
    world.release();
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])));
    world.step();
    world.dead.push(2);
    world.nodes[1].died(world.now, two);
    world.pass(50 * MS);
    world.nodes[1].died(world.now, zero);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(1), Some((1, vec![1])));
    is_sound(&world);
}
