//! Multicast dies while a group runs, as it does behind a switch that snoops IGMP and has no querier: nobody else does.

mod world;

use std::time::Duration;

use gms::{Bootstrap, Event};
#[cfg(debug_assertions)]
use gms_core::{Bug, Planted};
use world::{World, is_sound};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Nodes 0, 1 and so on with the product's times, in one group, in which everybody has said something.
fn settled(count: u64, change: impl Fn(&mut World)) -> World {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.settle = SECOND;
    change(&mut world);
    (0..count).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(100 * MS);
    world
}

fn delivered(world: &World, index: usize) -> usize {
    world.events[index].iter().filter(|event| matches!(event, Event::Message(_))).count()
}

fn views(world: &World, index: usize) -> usize {
    world.events[index].iter().filter(|event| matches!(event, Event::View(_))).count()
}

/// Ids of whom node `index` has last said that multicast does not reach them.
fn unreached(world: &World, index: usize) -> Option<Vec<u64>> {
    world.events[index].iter().rev().find_map(|event| match event {
        Event::Unreached { members } => {
            let mut ids: Vec<u64> = members.iter().map(|uid| uid.node.0).collect();
            ids.sort_unstable();
            Some(ids)
        }
        _ => None,
    })
}

/// It is filtered at some of five, or at all; the group goes on, says so, and changes nothing else.
#[test]
fn a_group_goes_on_without_multicast() {
    for filtered in [&[0][..], &[4], &[1, 3], &[0, 1, 2, 3, 4]] {
        let mut world = settled(5, |_| {});
        let before = views(&world, 2);
        world.trouble("multicast cut");
        world.without_multicast = filtered.to_vec();
        world.pass(500 * MS);
        world.send_all();
        world.pass(SECOND);
        assert_eq!([0, 1, 2, 3, 4].map(|index| delivered(&world, index)), [10; 5], "{filtered:?}");
        world.pass(20 * SECOND);
        world.send_all();
        world.pass(100 * MS);
        assert_eq!([0, 1, 2, 3, 4].map(|index| delivered(&world, index)), [15; 5], "{filtered:?}");
        assert_eq!(views(&world, 2), before, "{filtered:?}");
        let expected = match filtered.contains(&4) {
            true => vec![0, 1, 2, 3],
            false => filtered.iter().map(|place| *place as u64).collect(),
        };
        assert_eq!(unreached(&world, 4), Some(expected));
        world.without_multicast.clear();
        world.pass(3 * SECOND);
        assert_eq!(unreached(&world, 4), Some(vec![]), "it is back");
        is_sound(&world);
    }
}

/// The leader dies meanwhile; it is started again where it was, and hears of the group by unicast.
#[test]
fn failover_and_return_need_no_multicast() {
    let mut world = settled(3, |_| {});
    world.trouble("multicast cut");
    world.without_multicast = vec![0, 1, 2];
    world.pass(3 * SECOND);
    world.kill(2);
    world.pass(2 * SECOND);
    assert_eq!(world.view(0), Some((1, vec![0, 1])));
    world.start_at(2, 2, Bootstrap::Auto, false);
    world.pass(3 * SECOND);
    let gid = |index: usize| world.nodes[index].view().map(|view| view.gid);
    assert_eq!(world.view(3), Some((1, vec![0, 1, 2])));
    assert_eq!(gid(3), gid(0), "it created none beside it");
    let before = delivered(&world, 0);
    world.send_all();
    world.pass(200 * MS);
    assert_eq!(delivered(&world, 0), before + 3);
    is_sound(&world);
}

/// One that multicast has never reached is told whom to ask.
#[test]
fn a_server_that_is_told_an_address_joins_without_multicast() {
    let mut world = settled(3, |_| {});
    world.trouble("multicast cut");
    world.without_multicast = vec![3];
    world.contacts = vec![world::address(0)];
    world.start(3, Bootstrap::Join, false);
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(100 * MS);
    assert_eq!(world.view(3), Some((2, vec![0, 1, 2, 3])));
    assert_eq!(delivered(&world, 3), 4);
    is_sound(&world);
}

#[cfg(debug_assertions)]
#[test]
fn a_group_that_relies_on_multicast_does_not_go_on() {
    let mut world = settled(3, |world| world.planted = Planted::bug(Bug::MulticastOrNothing));
    world.trouble("multicast cut");
    world.without_multicast = vec![0, 1, 2];
    world.pass(SECOND);
    let before = delivered(&world, 0);
    world.send_all();
    let view = views(&world, 0);
    world.pass(4 * SECOND);
    assert!(delivered(&world, 0) < before + 3 || views(&world, 0) > view, "{:?}", world.view(0));
}
