//! Client sessions: a message that comes through several members is delivered once.

use gms_core::{Addressing, Event, Input, Level, Outcome, SessionNumber, Start};

use crate::world::World;

/// Message `number` of session `session`.
fn of_session(session: u128, number: u64) -> Addressing {
    Addressing { session: Some(SessionNumber { session, number }), ..Addressing::default() }
}

#[test]
fn a_client_message_is_delivered_once_whichever_members_it_is_sent_through() {
    let mut world = World::group_of(3);
    let now = world.now;
    let send = |world: &mut World, index: usize, number: u64, len: usize| {
        world.members[index].send(now, vec![number as u8; len].into(), Level::Uniform, of_session(7, number)).unwrap()
    };
    send(&mut world, 1, 0, 0);
    world.run_until(|w| w.outcomes(1).len() == 1);
    // The same through all of them, while the first copies are still under way; some are cut into fragments.
    let len = |number: u64| if number % 10 == 3 { 20_000 } else { 50 };
    for index in [1, 2, 0] {
        (1..=40).for_each(|number| _ = send(&mut world, index, number, len(number)));
    }
    world.run_until(|w| (0..3).all(|i| w.outcomes(i).len() == if i == 1 { 41 } else { 40 }));
    let numbers: Vec<u8> = world.messages(0).iter().map(|(_, _, payload)| payload[0]).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u8>>());
    assert_eq!(world.messages(0), world.messages(1));
    assert_eq!(world.messages(0), world.messages(2));
    // Everybody is told where the message is, not where a repeat of it was passed.
    let places: Vec<u64> = world.messages(0).iter().map(|(gseq, ..)| *gseq).collect();
    for index in 0..3 {
        let told = world.outcomes(index).into_iter().rev().take(40).rev();
        let told: Vec<u64> = told
            .map(|(_, outcome)| match outcome {
                Outcome::Ordered { gseq, .. } => gseq,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, places);
    }
}

#[test]
fn a_joiner_knows_the_sessions_and_a_gap_or_an_unknown_session_is_reported() {
    let mut world = World::group_of(2);
    for number in 0..=5 {
        let now = world.now;
        world.members[0].send(now, "once".into(), Level::Agreed, of_session(7, number)).unwrap();
    }
    world.run_until(|w| w.messages(1).len() == 5);
    let joiner = world.start(Start::Join(vec![]));
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    let now = world.now;
    for (session, number) in [(7, 5), (7, 7), (8, 1), (7, 6), (7, 7)] {
        world.members[joiner].send(now, "late".into(), Level::Agreed, of_session(session, number)).unwrap();
    }
    world.run_until(|w| w.outcomes(joiner).len() == 5);
    let outcomes: Vec<Outcome> = world.outcomes(joiner).into_iter().map(|(_, outcome)| outcome).collect();
    let (fifth, _, _) = world.messages(1)[4].clone();
    assert!(matches!(outcomes[0], Outcome::Ordered { gseq, .. } if gseq == fifth), "{outcomes:?}");
    assert_eq!(outcomes[1..3], [Outcome::NotOrdered, Outcome::SessionExpired]);
    assert!(outcomes[3..].iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
    world.run_until(|w| w.messages(1).len() == 7);
    assert_eq!(world.messages(joiner), world.messages(1)[5..], "the joiner decides like the others");
    // Nor do they differ at the next view, or they would stop.
    world.members[0].handle(now, Input::Leave);
    world.run_until(|w| (1..3).all(|i| w.members[i].view().is_some_and(|v| v.members.len() == 2)));
    assert!(world.events.iter().flatten().all(|event| !matches!(event, Event::Broken(_))));
}
