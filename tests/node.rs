//! The composed layers of several processes: coming together, finding out who is dead, two groups that meet.

mod world;

use std::time::Duration;

use gms::{Bootstrap, Event};
use gms_core::wire::Control;
use world::{Fate, World, address};

#[test]
fn those_who_start_together_end_in_one_group_led_by_the_highest() {
    let mut world = World::of(7, &Bootstrap::Auto);
    world.pass(Duration::from_millis(500));
    for index in 0..7 {
        assert_eq!(world.view(index), Some((6, (0..7).collect())));
    }
    let gids: Vec<_> = world.nodes.iter().map(|node| node.view().map(|view| view.gid)).collect();
    assert!(gids.iter().all(|gid| *gid == gids[0]));
    let dissolved = |event: &Event| matches!(event, Event::Dissolved { .. });
    assert!(!world.events.iter().flatten().any(dissolved), "created once");
    assert_eq!(world.nodes[0].servers().count(), 6);
}

#[test]
fn if_the_highest_dies_while_they_look_the_next_creates_the_group() {
    let mut world = World::of(4, &Bootstrap::Auto);
    world.pass(Duration::from_millis(100));
    world.dead.push(3);
    world.pass(Duration::from_millis(900));
    for index in 0..3 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
    }
}

#[test]
fn a_silent_follower_is_out_after_half_a_second_and_one_that_refuses_a_connection_at_once() {
    for (closed, gone_within) in [(false, 700), (true, 3)] {
        let mut world = World::of(3, &Bootstrap::Auto);
        world.pass(Duration::from_secs(1));
        world.dead.push(0);
        if closed {
            world.nodes[2].closed(world.now, address(0));
        } else {
            world.pass(Duration::from_millis(gone_within / 2));
            assert_eq!(world.view(2).unwrap().1.len(), 3, "first it is asked");
        }
        world.pass(Duration::from_millis(gone_within));
        assert_eq!(world.view(2), Some((2, vec![1, 2])), "closed: {closed}");
        assert_eq!(world.view(1), Some((2, vec![1, 2])));
    }
}

#[test]
fn a_drawn_id_that_is_taken_is_drawn_again_and_a_chosen_one_is_refused() {
    let mut world = World::of(2, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    world.start(1, Bootstrap::Auto, true);
    world.start(0, Bootstrap::Auto, false);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(0).unwrap().1.len(), 3);
    assert!(world.nodes[2].uid().node.0 > 1 && world.nodes[2].view().is_some());
    let [Event::Refused(refusal)] = &world.events[3][..] else { panic!("{:?}", world.events[3]) };
    assert!(refusal.to_string().contains("id 0 is taken by the live server at 10.0.0.1:7000"), "{refusal}");
}

/// It asks again while its INSTALL is on its way: the view is full then, of itself too.
#[test]
fn the_last_one_that_there_is_room_for_is_not_refused_after_it_has_been_let_in() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.most = 2;
    world.start(0, Bootstrap::Create, false);
    world.start(1, Bootstrap::Join, false);
    world.fate = |_, _, control| if matches!(control, Control::Install { .. }) { Fate::Lost } else { Fate::Arrives };
    world.pass(Duration::from_millis(400));
    assert_eq!(world.view(0), Some((0, vec![0, 1])));
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(Duration::from_millis(300));
    assert!(!world.events[1].iter().any(|event| matches!(event, Event::Refused(_))), "{:?}", world.events[1]);
    assert_eq!(world.view(1), Some((0, vec![0, 1])));
}

#[test]
fn a_creator_whose_id_is_taken_when_it_comes_back_creates_no_second_group() {
    let mut world = World::of(0, &Bootstrap::Join);
    world.start(0, Bootstrap::Create, true);
    (1..3).for_each(|node| world.start(node, Bootstrap::Join, false));
    world.pass(Duration::from_secs(1));
    // Another comes with its id while it stands still.
    world.stopped = Some(0);
    world.pass(Duration::from_secs(3));
    world.start(0, Bootstrap::Join, false);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(1).unwrap().1, [0, 1, 2]);
    world.wake();
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(0).unwrap().1.len(), 4, "{:?}", world.view(0));
    let gid = |index: usize| world.nodes[index].view().unwrap().gid;
    assert!(world.nodes[0].uid().node.0 > 2 && gid(0) == gid(1));
}

/// Node 0 stands still until the others have given it up, and goes on.
fn exclude_node_0(world: &mut World) {
    world.stopped = Some(0);
    // The later it has run before, the longer they wait.
    while world.view(1).is_some_and(|(_, members)| members.contains(&0)) {
        world.step();
    }
    world.wake();
}

#[test]
fn a_survivor_that_rests_can_be_forced() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    let former = world.nodes[0].view().unwrap().gid;
    for _ in 0..3 {
        exclude_node_0(&mut world);
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(world.view(0), None, "it rests");
    world.dead = vec![1, 2];
    world.nodes[0].force_view(world.now, true);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.view(0), Some((0, vec![0])));
    let gid = world.nodes[0].view().unwrap().gid;
    world.pass(Duration::from_secs(1));
    assert!(gid != former && world.nodes[0].view().unwrap().gid == gid, "created once");
}

#[test]
fn one_that_is_forced_while_it_joins_creates_one_group() {
    let mut world = World::of(1, &Bootstrap::Join);
    world.pass(Duration::from_secs(1));
    world.nodes[0].force_view(world.now, true);
    assert_eq!(world.view(0), Some((0, vec![0])));
    (1..3).for_each(|node| world.start(node, Bootstrap::Join, false));
    world.pass(Duration::from_secs(1));
    exclude_node_0(&mut world);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0), Some((2, vec![0, 1, 2])));
}

#[test]
fn a_member_that_only_others_hear_is_given_up_in_the_end() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    world.mute = vec![(0, 2)];
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])), "it answers through the other follower");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.view(2), Some((2, vec![1, 2])));
}

#[test]
fn an_idle_group_changes_nothing() {
    let mut world = World::of(5, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    let before = world.nodes[0].view().unwrap().vid;
    world.pass(Duration::from_secs(600));
    assert_eq!(world.nodes[0].view().unwrap().vid, before);
    assert!(world.nodes.iter().all(|node| node.servers().count() == 4), "nobody was forgotten");
}
