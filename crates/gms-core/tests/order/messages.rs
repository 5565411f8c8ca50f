//! Messages are delivered in one order, once, whatever is lost on the way.

use std::time::Duration;

use bytes::Bytes;
use gms_core::{Addressing, Event, Input, Level, Outcome, Start, Uid};

use crate::world::World;

#[test]
fn three_members_deliver_one_order_at_every_level() {
    for level in [Level::Agreed, Level::Uniform, Level::Stable] {
        let mut world = World::group_of(3);
        for round in 0..50 {
            for index in 0..3 {
                world.send(index, format!("{index}.{round}"), level);
            }
        }
        world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 150 && w.outcomes(i).len() == 50));
        assert_eq!(world.messages(0), world.messages(1), "{level:?}");
        assert_eq!(world.messages(0), world.messages(2), "{level:?}");
    }
}

#[test]
fn loss_is_repaired() {
    let mut world = World::group_of(4);
    world.drop = |n| n % 3 == 0 || n % 7 == 1;
    for round in 0..200 {
        for index in 0..4 {
            world.send(index, vec![round as u8; 300], Level::Uniform);
        }
    }
    world.run_until(|w| (0..4).all(|i| w.messages(i).len() == 800 && w.outcomes(i).len() == 200));
    assert!((1..4).all(|i| world.messages(0) == world.messages(i)));
}

/// What waits for a lost frame at the leader may be more than it keeps: it makes room for that one, and loses none.
#[test]
fn a_leader_that_keeps_little_loses_nothing() {
    let mut world = World::new();
    world.start_with(Start::Create, |config| config.limits.hold_frames = 3);
    (1..3).for_each(|_| _ = world.start(Start::Join(vec![])));
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    world.drop = |n| n % 4 == 0;
    for round in 0..60 {
        (1..3).for_each(|index| _ = world.send(index, vec![round; 1200], Level::Uniform));
    }
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 120));
    assert!((1..3).all(|i| world.messages(0) == world.messages(i)));
    let stats = world.members[0].stats();
    assert!(stats.overflow > 0 && stats.overflow < 1000, "{stats:?}");
}

/// Nothing follows that would show the gap: the leader repeats itself soon, not only with its next heartbeat.
#[test]
fn the_last_frame_before_a_silence_is_repaired_at_once() {
    let mut world = World::group_of(3);
    let quiet = world.now + Duration::from_secs(1);
    world.run_until(|w| w.now >= quiet);
    world.send(0, "last", Level::Uniform);
    world.drop = |_| true;
    let lost = world.now;
    world.step();
    world.drop = |_| false;
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 1) && w.outcomes(0).len() == 1);
    assert!(world.members[0].is_leader() && world.now > lost);
    let heartbeat = gms_core::Timing::default().heartbeat;
    assert!(world.now - lost < heartbeat / 2, "after {:?}", world.now - lost);
}

#[test]
fn the_leader_leaves_under_load_and_nothing_is_lost() {
    let mut world = World::group_of(3);
    for round in 0..300 {
        for index in 0..3 {
            world.send(index, format!("{index}.{round}"), Level::Uniform);
        }
    }
    for _ in 0..3 {
        world.step();
    }
    world.members[0].handle(world.now, Input::Leave);
    world.run_until(|w| matches!(w.events[0].last(), Some(Event::Left { released: true })));
    assert_eq!(world.outcomes(0).len(), 300, "the leaver's own messages are ordered first");
    assert_eq!(world.members[1].view().unwrap().leader, Uid::new(2, 1002), "the highest rank takes over");
    world.run_until(|w| (1..3).all(|i| w.messages(i).len() == 900 && w.outcomes(i).len() == 300));
    assert_eq!(world.messages(1), world.messages(2));
    assert!(world.messages(1).starts_with(&world.messages(0)));
    for index in [1, 2] {
        world.members[index].handle(world.now, Input::Leave);
    }
    world.run_until(|w| (1..3).all(|i| matches!(w.events[i].last(), Some(Event::Left { .. }))));
}

#[test]
fn a_large_message_arrives_whole_among_small_ones() {
    let mut world = World::group_of(3);
    let large: Bytes = (0..3_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    world.send(1, large.clone(), Level::Uniform);
    for _ in 0..500 {
        world.send(2, vec![1; 100], Level::Agreed);
        world.send(0, vec![2; 100], Level::Agreed);
    }
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 1001));
    assert!(world.messages(0).iter().any(|(_, sender, payload)| *sender == 1 && *payload == large));
    assert_eq!(world.messages(0), world.messages(2));
}

#[test]
fn a_message_bound_to_a_view_is_delivered_there_or_not_at_all() {
    let mut world = World::group_of(2);
    let vid = world.members[1].view().unwrap().vid;
    let bound = |vid| Addressing { only_in_view: Some(vid), ..Addressing::default() };
    let now = world.now;
    world.members[1].send(now, "now".into(), Level::Uniform, bound(vid)).unwrap();
    world.members[1].send(now, "late".into(), Level::Uniform, bound(vid - 1)).unwrap();
    world.members[1].send(now, "free".into(), Level::Uniform, Addressing::default()).unwrap();
    world.run_until(|w| w.outcomes(1).len() == 3 && w.messages(0).len() == 2);
    assert!(world.outcomes(1).contains(&(2, Outcome::NotOrdered)));
    let payloads: Vec<Bytes> = world.messages(0).into_iter().map(|m| m.2).collect();
    assert_eq!(payloads, ["now", "free"]);
}
