//! Clients' sessions through several members.

mod world;

use std::time::Duration;

use gms::{Bootstrap, Level, Outcome};
use gms_core::{Addressing, SessionNumber};
use world::{World, is_sound, outcomes};

const MS: Duration = Duration::from_millis(1);

/// Hands message `number` of `session` to a node, once it has room.
fn send(world: &mut World, node: usize, session: u128, number: u64) {
    let addressing = Addressing { session: Some(SessionNumber { session, number }), ..Addressing::default() };
    while !world.nodes[node].has_room() {
        world.step();
    }
    world.nodes[node].send(world.now, "x".into(), Level::Uniform, addressing).expect("there is room");
}

/// Many clients that wait for each answer; one of them loses its server before it has the last.
#[test]
fn a_client_that_comes_to_another_server_is_told_where_its_last_message_is() {
    let (clients, rounds) = (200, 8);
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params.sessions = 400;
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(2));
    (1..=clients).for_each(|client| send(&mut world, 0, client, 0));
    world.pass(MS * 20);
    for round in 1..=rounds {
        (1..=clients).for_each(|client| send(&mut world, 0, client, round));
        world.pass(MS * 2);
    }
    world.pass(MS * 50);
    assert_eq!(outcomes(&world, 0).len() as u64, clients as u64 * (rounds + 1));
    send(&mut world, 0, 1, rounds + 1);
    world.pass(MS * 5);
    let place = *outcomes(&world, 0).last().expect("an answer, which the client does not get");
    // While it goes to another server, the others go on.
    for round in rounds + 1..=rounds + 2 {
        (2..=clients).for_each(|client| send(&mut world, 0, client, round));
        world.pass(MS * 2);
    }
    send(&mut world, 1, 1, rounds + 1);
    send(&mut world, 1, 1, 1);
    world.pass(MS * 20);
    assert!(matches!(place, Outcome::Ordered { .. }));
    assert_eq!(outcomes(&world, 1), [place, Outcome::PlaceForgotten]);
    is_sound(&world);
}
