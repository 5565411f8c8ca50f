//! Members that cannot hear each other: who goes on, who waits, and who comes back (protocol 5.2, 7).

mod world;

use std::net::SocketAddr;
use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Outcome};
#[cfg(debug_assertions)]
use gms_core::Bug;
use gms_core::wire::Control;
use gms_core::{Input, Planted};
use world::{Fate, World, address, busy_group, is_sound, lies, outcomes};

const MS: Duration = Duration::from_millis(1);

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
    let sound = !broken && lies(&world) == 0 && world.judge().violations.is_empty();
    sound && world.view(2) == Some((1, vec![0, 1, 2]))
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

/// Two of five are cut off, and the leader goes on with the other two, which die just before or after they have
/// accepted that: once the cut is healed, three of five are there.
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

/// The same, and one has accepted it: with the dead leader that is a quorum of the next view, but none of the present
/// one.
#[test]
fn a_plan_that_one_has_accepted_leaves_nobody_out() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.cuts = vec![2];
    world.fate = |from, to, control| match (from, to, control) {
        (4, 3, Control::Accept { .. }) => Fate::Lost,
        (2, 4, Control::Accepted { .. }) => Fate::Held,
        _ => Fate::Arrives,
    };
    while world.held.is_empty() {
        world.step();
    }
    world.kill(4);
    world.cuts.clear();
    world.pass(Duration::from_secs(2));
    for index in 0..4 {
        assert_eq!(world.view(index), Some((3, vec![0, 1, 2, 3])));
        assert!(!world.events[index].contains(&Event::Excluded));
    }
    is_sound(&world);
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

/// What lets a process in does not reach it, although the rest does: it is in, and stores nothing.
#[test]
fn one_that_cannot_be_let_in_holds_up_the_others_less_and_less_often() {
    // Who asks somebody else in between is heard less often.
    for contacts in [vec![], vec![address(0)]] {
        holds_up_less_and_less_often(contacts);
    }
}

fn holds_up_less_and_less_often(contacts: Vec<SocketAddr>) {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.contacts = contacts;
    world.fate = |_, to, control| match control {
        Control::Install { .. } if to == 3 => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.start(3, Bootstrap::Auto, false);
    let (began, mut entered, mut was_in) = (world.now, 0, false);
    while world.now - began < Duration::from_secs(33) {
        world.send_from(1);
        world.pass(20 * MS);
        let is_in = world.view(2).is_some_and(|(_, members)| members.contains(&3));
        entered += u32::from(is_in && !was_in);
        was_in = is_in;
    }
    // For five seconds each, and not for one, two, four and eight seconds in between.
    assert_eq!(entered, 4);
    // Once it can be reached, it comes in and stays.
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(Duration::from_secs(5));
    assert_eq!(world.view(3), Some((2, vec![0, 1, 2, 3])));
    is_sound(&world);
}

/// A candidate that ends the view by ballot does not know who had arrived in it, and waits for nobody to arrive.
#[test]
fn one_that_had_not_arrived_when_the_leader_died_comes_in_at_once() {
    let mut world = busy_group(3);
    world.fate = |_, to, control| match control {
        Control::Install { .. } if to == 3 => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.start(3, Bootstrap::Auto, false);
    while world.view(2) != Some((2, vec![0, 1, 2, 3])) {
        world.step();
    }
    world.pass(MS);
    world.kill(2);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(600 * MS);
    assert_eq!(world.view(3), Some((1, vec![0, 1, 3])));
    is_sound(&world);
}

/// A leader without a quorum does not say how far it has got, so a member that misses its last frames cannot know.
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
fn one_whose_fellows_have_all_left_meanwhile_comes_back_to_those_who_came() {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.cuts = vec![1];
    world.pass(Duration::from_secs(1));
    (3..5).for_each(|node| world.start(node, Bootstrap::Join, false));
    world.pass(Duration::from_secs(1));
    for index in [2, 1] {
        world.nodes[index].handle(world.now, Input::Leave);
        world.pass(Duration::from_millis(500));
        world.dead.push(index);
    }
    assert_eq!(world.view(3), Some((4, vec![3, 4])));
    world.cuts.clear();
    world.pass(Duration::from_secs(5));
    assert_eq!(world.view(0), Some((4, vec![0, 3, 4])));
    is_sound(&world);
}

/// The last frames of its view are lost to one who is left out: it waits for those who have them, not for ever.
#[test]
fn one_that_is_left_out_waits_a_second_for_its_last_messages() {
    let mut world = busy_group(3);
    world.trouble("cut");
    world.mute = vec![(1, 0), (2, 0)];
    world.fate = |_, to, control| match control {
        Control::Install { .. } if to == 0 => Fate::Held,
        _ => Fate::Arrives,
    };
    world.send_from(1);
    world.pass(5 * MS);
    let out = world.nodes[0].uid();
    world.nodes[2].handle(world.now, Input::Exclude(out));
    world.pass(5 * MS);
    assert_eq!(world.view(2), Some((2, vec![1, 2])));
    world.fate = |_, _, _| Fate::Arrives;
    world.release();
    world.pass(950 * MS);
    assert!(!world.events[0].contains(&Event::Excluded), "1 and 2 have what it lacks");
    // It had to find out first that nobody is in its view any more.
    world.pass(500 * MS);
    assert!(world.events[0].contains(&Event::Excluded), "they do not answer");
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

/// When two parts meet again, those who knew that their leader is dead need not find that out anew.
#[test]
fn parts_that_meet_again_without_their_leader_go_on_at_once() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.dead.push(4);
    world.cuts = vec![2];
    world.pass(Duration::from_secs(4));
    for index in 0..4 {
        let last = world.events[index].last();
        assert!(matches!(last, Some(Event::Blocked(Blocked::Quorum { heard: 2, voters: 5 }))), "{last:?}");
    }
    // All have looked who is heard, and see a quorum again, before anybody gets anywhere.
    world.cuts.clear();
    world.fate = |_, _, control| match control {
        Control::Prepare { .. } => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.pass(150 * MS);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(50 * MS);
    for index in 0..4 {
        assert_eq!(world.view(index), Some((3, vec![0, 1, 2, 3])), "at {index}");
    }
    is_sound(&world);
}
