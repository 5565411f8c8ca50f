//! Members that fall silent, and leaders that order nothing: what is reported, and who is removed.

use std::time::Duration;

use bytes::Bytes;
use gms_core::wire::{Control, Envelope, Kind};
use gms_core::{Blocked, Event, Input, Level};

use crate::world::{World, address};

#[test]
fn a_dead_leader_is_reported_and_so_is_its_return() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(Blocked::Leader { .. }))));
    // What is to be done about it is another thing once it is taken to be dead.
    let (now, leader) = (world.now, world.members[0].uid());
    world.members[1].handle(now, Input::Suspect { who: leader, checks: 2 });
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(Blocked::Quorum { .. }))));
    let until = world.now + Duration::from_secs(5);
    world.run_until(|w| w.now > until);
    assert_eq!(world.events[1].iter().filter(|event| matches!(event, Event::Blocked(_))).count(), 2);
    world.drop = |_| false;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Unblocked)));
}

/// One that has lost its quorum does not say that it leads, and answers all the same.
#[test]
fn a_leader_that_is_heard_and_does_not_say_that_it_leads_is_reported() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    let view = gms_core::View::clone(world.members[1].view().unwrap());
    let envelope =
        Envelope { kind: Kind::Control as u8, gid: view.gid, vid: view.vid, sender: view.leader, status: [0; 3] };
    let (mut body, mut datagram) = (vec![], vec![]);
    Control::ViewRequest.encode(&mut body);
    envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
    let datagram = Bytes::from(datagram);
    let until = world.now + Duration::from_secs(2);
    while world.now < until {
        world.step();
        world.members[1].handle(world.now, Input::Datagram { from: address(0), datagram: datagram.clone() });
    }
    assert!(matches!(world.events[1].last(), Some(Event::Blocked(Blocked::Leader { .. }))), "{:?}", world.events[1]);
}

#[test]
fn the_return_of_a_leader_is_reported_however_busy_it_is() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(_))));
    world.drop = |_| false;
    let until = world.now + Duration::from_secs(1);
    while !world.events[1].contains(&Event::Unblocked) {
        assert!(world.now < until, "acks keep it from looking who is heard");
        let delivered = world.messages(1).len();
        world.send(0, "busy", Level::Uniform);
        world.run_until(|w| w.messages(1).len() > delivered);
    }
}

#[test]
fn a_dead_follower_is_removed_and_the_others_go_on() {
    let mut world = World::group_of(3);
    world.dead = Some(1);
    let sent = (0..50).map(|i| world.send(2, format!("{i}"), Level::Stable)).count();
    let (now, dead) = (world.now, world.members[1].uid());
    world.members[0].handle(now, Input::Suspect { who: dead, checks: 2 });
    world.run_until(|w| w.outcomes(2).len() == sent && w.messages(0).len() == sent);
    let view = world.members[0].view().unwrap();
    assert_eq!(view.to_string(), "6: leader 0, followers [2]".replace('6', &view.vid.to_string()));
    // It was only cut off: what it hears now is that the group went on without it.
    world.dead = None;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Excluded)));
}

#[test]
fn a_member_that_is_heard_again_is_not_suspected_any_more() {
    let mut world = World::group_of(3);
    let (now, accused) = (world.now, world.members[1].uid());
    // Without a quorum nothing can be decided, and by the time there is one the accused has been heard.
    world.drop = |_| true;
    let until = now + Duration::from_secs(2);
    world.run_until(|w| w.now > until);
    let now = world.now;
    world.members[0].handle(now, Input::Suspect { who: accused, checks: 2 });
    world.drop = |_| false;
    let until = now + Duration::from_secs(2);
    world.run_until(|w| w.now > until);
    assert!(world.members[0].view().unwrap().contains(accused));
}

#[test]
fn a_leader_without_a_quorum_removes_nobody() {
    let mut world = World::group_of(3);
    world.drop = |_| true;
    for suspect in [1, 2] {
        let (now, suspect) = (world.now, world.members[suspect].uid());
        world.members[0].handle(now, Input::Suspect { who: suspect, checks: 2 });
    }
    let until = world.now + Duration::from_secs(20);
    world.run_until(|w| w.now > until);
    assert!(world.events[0].iter().any(|e| matches!(e, Event::Blocked(_))));
    world.drop = |_| false;
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    let sseq = world.send(1, "together again", Level::Stable);
    world.run_until(|w| w.outcomes(1).iter().any(|(of, _)| *of == sseq));
    assert!(world.events.iter().flatten().all(|e| !matches!(e, Event::Excluded)));
}
