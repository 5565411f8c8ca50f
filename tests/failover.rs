//! The leader dies, or is cut off, or is of no use: the survivors agree on what was delivered, and go on (protocol 5.2).

mod world;

use std::time::Duration;

use gms::{Bootstrap, Event, Outcome};
use gms_core::Params;
use world::World;

const MS: Duration = Duration::from_millis(1);

/// Members 0 to n - 1, led by the highest, with messages of everybody under way.
fn busy_group(count: u64) -> World {
    let mut world = World::of(count, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    for _ in 0..20 {
        world.send_all();
        world.pass(MS / 4);
    }
    world
}

/// All outcomes that a node was told, in the order of its messages.
fn outcomes(world: &World, index: usize) -> Vec<Outcome> {
    let outcomes = world.events[index].iter().filter_map(|event| match event {
        Event::Outcome { outcome, .. } => Some(*outcome),
        _ => None,
    });
    outcomes.collect()
}

fn is_sound(world: &World) {
    let report = world.judge();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

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
    world.split = 2;
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(0), Some((1, vec![0, 1])));
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])), "it cannot know");
    world.send_all();
    world.split = 0;
    world.pass(Duration::from_secs(3));
    for index in 0..3 {
        assert_eq!(world.view(index), Some((1, vec![0, 1, 2])));
    }
    assert!(world.events[2].contains(&Event::Excluded));
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
    let mut world = busy_group(5);
    world.trouble("cut");
    world.mute = Some((4, 0));
    world.pass(Duration::from_secs(4));
    assert_eq!(world.view(1).map(|view| view.0), Some(4), "the others hear it");
    world.mute = None;
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, vec![0, 1, 2, 3, 4])));
    }
    is_sound(&world);
}

#[test]
fn the_minority_of_a_split_waits_and_comes_back() {
    let mut world = busy_group(5);
    world.trouble("cut");
    world.split = 2;
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(4), Some((4, vec![2, 3, 4])));
    assert_eq!(world.view(0), Some((4, vec![0, 1, 2, 3, 4])));
    assert!(world.events[0].iter().any(|event| matches!(event, Event::Blocked(_))));
    world.send_all();
    world.split = 0;
    world.pass(Duration::from_secs(3));
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, vec![0, 1, 2, 3, 4])));
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
    is_sound(&world);
}
