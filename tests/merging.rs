//! Two lineages with history that meet: both stay until somebody chooses.

mod world;

use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Level};
use gms_core::wire::{Envelope, Kind};
use gms_core::{Addressing, Gid, Input, Uid, Unsettled};
use world::{World, address, is_sound};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Nodes 0 and 1, and 2, 3 and 4, are two groups in which everybody has said something; now they hear each other.
fn two_groups(absorb: bool) -> World {
    let mut world = World::of(0, &Bootstrap::Auto);
    (world.settle, world.absorb, world.cuts) = (SECOND, absorb, vec![2]);
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(100 * MS);
    assert_ne!(gid(&world, 0), gid(&world, 2));
    assert_eq!((gid(&world, 0), gid(&world, 3)), (gid(&world, 1), gid(&world, 4)));
    world.cuts.clear();
    world
}

fn gid(world: &World, index: usize) -> Option<Gid> {
    world.nodes[index].view().map(|view| view.gid)
}

fn merge(world: &mut World, index: usize, keep: Option<Gid>) {
    let now = world.now;
    world.nodes[index].merge(now, keep.expect("a lineage"));
}

fn say(world: &mut World, index: usize, what: &'static str) {
    let now = world.now;
    world.nodes[index].send(now, what.into(), Level::Uniform, Addressing::default()).expect("there is room");
}

fn hears(world: &World, index: usize, what: &'static str) -> usize {
    let heard = |event: &&Event| matches!(event, Event::Message(message) if message.payload == what);
    world.events[index].iter().filter(heard).count()
}

/// All of them are in lineage `gid`, and one order.
fn are_one(world: &mut World, gid: Option<Gid>) {
    world.pass(5 * SECOND);
    for index in 0..5 {
        assert_eq!(self::gid(world, index), gid, "node {index}: {:?}", world.view(index));
        assert_eq!(world.view(index).map(|(_, members)| members), Some(vec![0, 1, 2, 3, 4]));
    }
    say(world, 0, "one");
    world.pass(SECOND);
    (0..5).for_each(|index| assert_eq!(hears(world, index, "one"), 1));
    is_sound(world);
}

#[test]
fn both_stay_and_say_so_until_an_operator_keeps_one() {
    for (keep, end) in [(2, 0..2), (0, 2..5)] {
        let mut world = two_groups(false);
        world.pass(40 * SECOND);
        let (kept, ended) = (gid(&world, keep), gid(&world, end.start));
        assert_ne!(kept, ended);
        for index in [1, 4] {
            assert!(world.events[index].iter().any(|event| matches!(event, Event::Rival { .. })), "leader {index}");
        }
        let leader = end.clone().find(|at| world.nodes[*at].is_leader()).expect("it leads");
        // Nothing comes of it at a follower.
        let follower = end.clone().find(|at| *at != leader).expect("two at least");
        merge(&mut world, follower, kept);
        world.pass(8 * SECOND);
        assert_eq!(gid(&world, leader), ended);
        merge(&mut world, leader, kept);
        are_one(&mut world, kept);
        let was_dissolved = |events: &Vec<Event>| {
            events.iter().any(|event| matches!(event, Event::Dissolved { into, .. } if Some(*into) == kept))
        };
        assert_eq!(world.events.iter().filter(|events| was_dissolved(events)).count(), end.count());
    }
}

#[test]
fn one_that_does_not_serve_is_not_given_way_to() {
    let mut world = two_groups(false);
    world.pass(40 * SECOND);
    let (kept, ended) = (gid(&world, 2), gid(&world, 0));
    world.trouble("cut");
    world.cuts = vec![2];
    world.pass(3 * SECOND);
    merge(&mut world, 1, kept);
    world.pass(8 * SECOND);
    assert_eq!(gid(&world, 0), ended, "nobody answers for the other one");
    world.cuts.clear();
    world.pass(8 * SECOND);
    assert_eq!(gid(&world, 0), ended, "and by now the order is forgotten");
    merge(&mut world, 1, kept);
    are_one(&mut world, kept);
}

/// Of five, two go on without the others; these can decide nothing, and are told to join.
#[test]
fn a_part_without_a_quorum_gives_its_lineage_up() {
    let mut world = two_groups(false);
    world.pass(SECOND);
    let (kept, ended) = (gid(&world, 2), gid(&world, 0));
    world.trouble("crash");
    world.kill(1);
    world.pass(3 * SECOND);
    assert!(matches!(world.nodes[0].blocked(), Some(Blocked::Leader { .. } | Blocked::Quorum { .. })));
    assert_eq!(gid(&world, 0), ended);
    merge(&mut world, 0, kept);
    world.pass(5 * SECOND);
    assert_eq!(gid(&world, 0), kept);
    is_sound(&world);
}

#[test]
fn the_smaller_one_ends_by_itself_where_its_leader_may() {
    let mut world = two_groups(true);
    let larger = gid(&world, 2);
    world.pass(8 * SECOND);
    are_one(&mut world, larger);
}

/// A word of a lineage that never was keeps a new group waiting until an operator keeps that one.
#[test]
fn a_new_group_waits_no_longer_for_what_is_discarded() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.settle = SECOND;
    (0..2).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(SECOND / 2);
    let ghost = Gid(Gid::of_name("test").0 | 77);
    let envelope = Envelope { kind: Kind::Heartbeat as u8, gid: ghost, vid: 1, sender: Uid::new(9, 9), status: [1; 3] };
    let mut datagram = Vec::new();
    envelope.encode(&mut datagram, |_| {});
    let heard = Input::Datagram { from: address(9), datagram: datagram.into() };
    let now = world.now;
    world.nodes.iter_mut().for_each(|node| node.handle(now, heard.clone()));
    world.pass(10 * SECOND);
    let why: Vec<_> = world.nodes.iter().filter_map(|node| node.blocked()).collect();
    let rival = Unsettled::Rival(ghost);
    assert!(why.iter().any(|why| matches!(why, Blocked::Unsettled { why } if *why == rival)), "{why:?}");
    let own = gid(&world, 0);
    (0..2).for_each(|index| merge(&mut world, index, own));
    world.pass(3 * SECOND);
    say(&mut world, 0, "at last");
    world.pass(SECOND);
    assert_eq!(hears(&world, 1, "at last"), 1);
}
