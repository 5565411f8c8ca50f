//! Processes that stand still for a while, and some that do so again and again.

mod world;

use std::time::Duration;

use gms::{Bootstrap, Event, Outcome};
use gms_core::Input;
use world::{World, busy_group, is_sound, outcomes};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_leader_that_stood_still_orders_nothing_before_it_has_heard_a_quorum_and_joins_again() {
    let mut world = busy_group(3);
    world.trouble("stop");
    world.stopped = Some(2);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0), Some((1, vec![0, 1])));
    let before = outcomes(&world, 2).len();
    // It wakes up with a message of its own, and what was sent to it meanwhile has found no room.
    world.send_all();
    world.forget_flying(2);
    world.wake();
    let stamped = |world: &World| world.nodes[2].stats().stamped;
    let was = stamped(&world);
    world.step();
    assert!(world.nodes[2].is_leader(), "it does not know yet");
    assert_eq!(stamped(&world), was, "it orders nothing");
    world.pass(Duration::from_secs(3));
    for index in 0..3 {
        assert_eq!(world.view(index), Some((1, vec![0, 1, 2])));
    }
    let told = &outcomes(&world, 2)[before..];
    assert_eq!(told.len(), 1);
    assert!(!matches!(told[0], Outcome::Ordered { .. }), "{told:?}");
    assert!(world.events[2].contains(&Event::Excluded));
    assert!(!world.events[2].iter().any(|event| matches!(event, Event::Blocked(_))), "it blames nobody");
    is_sound(&world);
}

#[test]
fn a_leader_that_stood_still_and_first_learns_of_a_death_blames_nobody_either() {
    let first: [fn(&mut World); 2] = [
        |world| world.nodes[2].closed(world.now, world::address(0)),
        |world| {
            let dead = world.nodes[0].uid();
            world.nodes[2].died(world.now, dead);
        },
    ];
    for learn in first {
        let mut world = busy_group(3);
        world.trouble("crash and stop");
        world.stopped = Some(2);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.view(0), Some((1, vec![0, 1])));
        world.dead.push(0);
        world.forget_flying(2);
        world.send_from(2);
        let was = world.nodes[2].stats().stamped;
        world.stopped = None;
        learn(&mut world);
        world.step();
        assert!(world.nodes[2].is_leader(), "it does not know yet");
        assert_eq!(world.nodes[2].stats().stamped, was, "it orders nothing");
        assert!(!world.events[2].iter().any(|event| matches!(event, Event::Blocked(_))), "it blames nobody");
    }
}

#[test]
fn a_leader_that_stood_still_for_a_moment_goes_on_at_once() {
    let mut world = busy_group(3);
    world.stopped = Some(2);
    world.pass(400 * MS);
    world.send_all();
    world.wake();
    world.pass(2 * MS);
    for index in 0..3 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
        assert_eq!(outcomes(&world, index).len(), 21, "at {index}");
    }
    is_sound(&world);
}

#[test]
fn a_follower_that_stood_still_suspects_nobody() {
    let mut world = busy_group(5);
    world.trouble("stop");
    world.stopped = Some(0);
    world.pass(400 * MS);
    // What was sent to it is lost, as when the socket is full.
    world.forget_flying(0);
    world.wake();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0), Some((4, (0..5).collect())));
    assert!(!world.events[0].iter().any(|event| matches!(event, Event::Blocked(_))));
    is_sound(&world);
}

/// The later it has run before, the longer the others wait.
fn stand_still_until_given_up(world: &mut World) {
    world.stopped = Some(0);
    while world.view(2) != Some((2, vec![1, 2])) {
        world.step();
    }
    world.wake();
}

#[test]
fn one_that_is_excluded_again_and_again_returns_later_and_later() {
    let mut world = busy_group(3);
    let mut absences = Vec::new();
    for _ in 0..6 {
        world.trouble("stop");
        stand_still_until_given_up(&mut world);
        let back = world.now;
        while world.view(0).is_none_or(|(_, members)| members != [0, 1, 2])
            || world.nodes[0].view() != world.nodes[2].view()
        {
            world.pass(10 * MS);
        }
        world.pass(100 * MS);
        absences.push((world.now - back).as_secs());
    }
    assert_eq!(absences, [0, 0, 1, 2, 4, 8]);
    // A member that wants to leave meanwhile need not wait.
    stand_still_until_given_up(&mut world);
    world.pass(Duration::from_millis(500));
    assert!(world.nodes[0].view().is_none() && !world.nodes[0].has_room());
    world.nodes[0].handle(world.now, Input::Leave);
    world.step();
    assert_eq!(world.events[0].last(), Some(&Event::Left { released: true }));
    is_sound(&world);
}

#[test]
fn who_was_dead_before_a_quorum_was_lost_is_removed_when_it_is_back() {
    let mut world = busy_group(3);
    world.trouble("crash and stop");
    world.dead.push(0);
    world.stopped = Some(1);
    world.pass(Duration::from_secs(3));
    assert!(world.events[2].iter().any(|event| matches!(event, Event::Blocked(_))));
    world.wake();
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(2), Some((2, vec![1, 2])));
    is_sound(&world);
}

/// A process that comes back elsewhere waits until its former life is given up for dead. A leader that stands still
/// meanwhile has heard nobody, so not that life either.
#[test]
fn a_leader_that_stood_still_does_not_take_the_dead_for_living() {
    let mut world = busy_group(3);
    world.trouble("crash and stop");
    world.dead.push(0);
    world.start(0, Bootstrap::Join, false);
    world.pass(100 * MS);
    world.stopped = Some(2);
    world.pass(400 * MS);
    world.wake();
    world.pass(Duration::from_secs(3));
    assert!(!world.events[3].iter().any(|event| matches!(event, Event::Refused(_))), "{:?}", world.events[3]);
    for index in 1..4 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
    }
    is_sound(&world);
}
