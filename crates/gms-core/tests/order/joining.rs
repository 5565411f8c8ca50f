//! Who comes in, who is refused, and what becomes of a former life at the same address.

use std::time::Duration;

use bytes::Bytes;
use gms_core::{Addressing, Config, Event, Input, Level, Member, Refusal, SendError, Start, Uid};

use crate::world::{World, address};

#[test]
fn a_joiner_that_is_told_to_creates_the_group_and_the_others_find_it() {
    let mut world = World::new();
    (0..3).for_each(|_| _ = world.start(Start::Join(vec![])));
    let now = world.now;
    world.members[2].handle(now, Input::Create { min_voters: 1 });
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    assert_eq!(world.members[0].view().unwrap().leader.node.0, 2);
    world.members[0].handle(now, Input::Create { min_voters: 1 });
    assert_eq!(world.members[0].view().unwrap().gid, world.members[2].view().unwrap().gid, "in a group already");
}

#[test]
fn a_taken_node_id_is_refused_and_a_message_over_the_limit_names_it() {
    let mut world = World::group_of(2);
    for taken in 0..2 {
        let twin = Config::new("test", Uid::new(taken, 9), address(2 + taken as usize));
        world.members.push(Member::new(twin, Start::Join(vec![address(1)]), world.now).unwrap());
        world.events.push(vec![]);
        world.run_until(|w| matches!(w.events.last().unwrap().last(), Some(Event::Refused(_))));
        let refusal = Refusal::NodeTaken { node: taken, address: address(taken as usize) };
        assert_eq!(world.events.last().unwrap(), &[Event::Refused(refusal)]);
    }
    let huge = Bytes::from(vec![0; (64 << 20) + 1]);
    let error = world.members[0].send(world.now, huge, Level::Agreed, Addressing::default()).unwrap_err();
    assert_eq!(error, SendError::TooLarge { len: (64 << 20) + 1, limit: 64 << 20 });
    assert!(error.to_string().contains("67108864"));
}

#[test]
fn a_restarted_process_takes_the_place_of_its_dead_former_life() {
    let mut world = World::group_of(3);
    world.dead = Some(1);
    let again = Config::new("test", Uid::new(1, 9), address(3));
    world.members.push(Member::new(again, Start::Join(vec![address(0)]), world.now).unwrap());
    world.events.push(vec![]);
    let until = world.now + Duration::from_millis(500);
    world.run_until(|w| w.now > until);
    assert!(world.events[3].is_empty(), "neither refused nor let in while nobody knows");
    let (now, former) = (world.now, world.members[1].uid());
    world.members[0].handle(now, Input::Suspect { who: former, checks: 2 });
    world.run_until(|w| w.members[3].view().is_some_and(|v| v.voters().count() == 3));
    assert!(!world.members[0].view().unwrap().contains(former));
}

#[test]
fn of_several_who_join_at_once_as_many_come_in_as_there_is_room_for() {
    let mut world = World::new();
    world.start_with(Start::Create, |config| config.limits.members = 3);
    (1..6).for_each(|_| _ = world.start_with(Start::Join(vec![]), |config| config.limits.members = 3));
    let refused =
        |w: &World| w.events.iter().flatten().filter(|e| matches!(e, Event::Refused(Refusal::Full(3)))).count();
    world.run_until(|w| refused(w) == 3);
    assert!(world.members[0].view().is_some_and(|view| view.members.len() == 3));
}

/// Delayed copies of what a joiner has said.
#[test]
fn what_a_dead_member_said_to_come_in_does_not_bring_it_back() {
    let mut world = World::group_of(2);
    world.start(Start::Join(vec![]));
    world.copies = Some(vec![]);
    world.run_until(|w| w.members[2].view().is_some());
    let said = world.copies.take().unwrap().into_iter().filter(|(to, from, _)| (*to, *from) == (0, address(2)));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.voters().count() == 3));
    let uid = world.members[2].uid();
    world.dead = Some(2);
    world.members[0].handle(world.now, Input::Closed(uid));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.members.len() == 2));
    for (_, from, datagram) in said {
        world.members[0].handle(world.now, Input::Datagram { from, datagram });
    }
    let until = world.now + Duration::from_secs(1);
    while world.now < until {
        world.step();
        assert!(!world.members[0].view().is_some_and(|view| view.contains(uid)));
    }
}

/// A view voids what is unfinished: it would be sent all over again.
#[test]
fn joins_wait_for_a_large_message_and_come_in_together() {
    let mut world = World::new();
    let narrow = |config: &mut Config| config.params.window = 64 << 10;
    world.start_with(Start::Create, narrow);
    world.start_with(Start::Join(vec![]), narrow);
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.voters().count() == 2));
    world.send(1, vec![7; 16 << 20], Level::Uniform);
    world.step();
    let (sent, views) = (world.now, world.events[0].len());
    (2..5).for_each(|_| _ = world.start_with(Start::Join(vec![]), narrow));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.members.len() == 5));
    world.step();
    let mut since = world.events[0][views..].iter().filter(|e| matches!(e, Event::Message(_) | Event::View(_)));
    assert!(matches!(since.next(), Some(Event::Message(m)) if m.payload.len() == 16 << 20));
    assert!(matches!(since.next(), Some(Event::View(change)) if change.view.members.len() == 5));
    assert!(world.now - sent > 2 * gms_core::Timing::default().join_batch, "{:?}", world.now - sent);
}
