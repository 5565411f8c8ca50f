//! Elections on a network that loses 30 %, repeats, and lets messages overtake each other.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::world::{World, ms};
use gms_election::{Electorate, Event, Input, Rank};

/// Some start; the leader dies; some notice, others not; then all do. `World` checks each round.
fn run(seed: u64) -> World {
    let n = 2 + seed % 7;
    let rank = match seed % 3 {
        0 => Rank::Bully,
        1 => Rank::Seniority,
        _ => Rank::Priority(vec![(2, 5), (1, 5), (3, 9)]),
    };
    let mut world = World::new(&Electorate::new(1, (1..=n).collect::<Vec<_>>()), &rank, seed);
    (world.loss, world.twice, world.delay) = (30, 20, 15);
    world.input(1 + seed % n, Input::Start);
    for id in 1..=n {
        if world.pick(2) == 0 {
            let at = ms(world.pick(60));
            world.input_at(at, id, Input::Start);
        }
    }
    world.run(ms(20_000));
    settled(&world, seed);

    let dead = world.leaders().pop_first().unwrap().unwrap();
    world.kill(dead);
    let live: Vec<u64> = world.nodes.keys().copied().collect();
    for id in live {
        let at = world.now + ms(20 + world.pick(200));
        world.input_at(at, id, Input::Suspect(dead));
        world.input_at(at, id, Input::Start);
    }
    world.run(ms(20_000));
    settled(&world, seed);
    assert!(!world.leaders().contains(&Some(dead)));
    world
}

fn settled(world: &World, seed: u64) {
    let leaders = world.leaders();
    assert!(leaders.len() == 1 && !leaders.contains(&None), "seed {seed}: {leaders:?} {:?}", world.events);
    assert!(world.is_quiet(), "seed {seed}");
    assert!(!world.events.iter().any(|(_, _, event)| matches!(event, Event::GaveUp { .. })), "seed {seed}");
}

#[test]
fn a_thousand_seeds_settle_with_one_leader_and_never_two_in_a_round() {
    for seed in 0..1_000 {
        run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let hash = |world: &World| {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish()
    };
    let (first, again) = (run(17), run(17));
    assert!(first == again && hash(&first) == hash(&again));
    assert!(hash(&first) != hash(&run(18)));
}
