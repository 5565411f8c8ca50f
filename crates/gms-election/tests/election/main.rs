//! Elections of a few processes on a network that loses nothing.

mod faults;
mod world;

use gms_election::{Election, ElectionConfig, Electorate, Event, Input, Message, Rank, Round};
use world::{World, ms};

fn world(members: impl IntoIterator<Item = u64>) -> World {
    World::new(&Electorate::new(1, members.into_iter().collect::<Vec<_>>()), &Rank::Bully, 1)
}

fn round(number: u64) -> Round {
    Round { view: 1, number }
}

#[test]
fn all_at_once_elect_the_highest_of_each_rank() {
    let ranks = [
        (Rank::Bully, 9),
        (Rank::Seniority, 4),
        (Rank::Priority(vec![(2, 7), (7, 7), (4, 1)]), 7),
        (Rank::Priority(vec![]), 9),
    ];
    for (rank, highest) in ranks {
        let mut world = World::new(&Electorate::new(1, [4, 9, 2, 7]), &rank, 1);
        world.start_all();
        world.run(ms(50));
        assert!(world.follows_only(highest), "{rank:?}");
        assert_eq!(world.rounds.len(), 1);
        assert!(world.is_quiet());
    }
}

#[test]
fn whoever_starts_the_highest_wins_and_all_know() {
    for starter in 1..=5 {
        let mut world = world(1..=5);
        world.input(starter, Input::Start);
        world.run(ms(50));
        assert!(world.follows_only(5));
        assert_eq!(world.rounds.len(), 1);
    }
}

#[test]
fn a_dead_highest_costs_one_t1_and_a_suspected_one_nothing() {
    for (suspected, latest) in [(false, ms(23)), (true, ms(3))] {
        for starter in 1..=4 {
            let mut world = world(1..=5);
            world.kill(5);
            for id in 1..=4 {
                if suspected {
                    world.input(id, Input::Suspect(5));
                }
            }
            world.input(starter, Input::Start);
            world.run(latest);
            assert!(world.follows_only(4), "{suspected} {starter} {:?}", world.events);
            assert_eq!(world.rounds.len(), 1);
        }
    }
}

#[test]
fn many_dead_cost_few_t1() {
    let mut world = world(1..=16);
    (2..=16).for_each(|id| world.kill(id));
    world.input(1, Input::Start);
    world.run(ms(20 * 4));
    assert!(world.follows_only(1));
}

#[test]
fn one_election_a_failure_and_none_in_the_steady_state() {
    let mut world = world(1..=5);
    world.start_all();
    world.run(ms(1_000));
    let (sent, events) = (world.sent, world.events.len());
    world.start_all();
    world.run(ms(60_000));
    assert_eq!((world.sent, world.events.len()), (sent, events));
    for (dead, next) in [(5, 4), (4, 3), (3, 2), (2, 1)] {
        let rounds = world.rounds.len();
        world.kill(dead);
        for id in 1..=5 {
            world.input(id, Input::Suspect(dead));
            world.input(id, Input::Start);
        }
        world.run(ms(1_000));
        assert!(world.follows_only(next));
        assert_eq!(world.rounds.len(), rounds + 1);
        assert!(world.is_quiet());
    }
}

#[test]
fn messages_are_of_the_order_of_the_members() {
    for n in [3, 10, 30, 100] {
        let mut all = world(1..=n);
        all.start_all();
        all.run(ms(2_000));
        assert!(all.follows_only(n));
        assert!(all.sent <= 8 * n, "{n} processes sent {}", all.sent);

        let mut alone = world(1..=n);
        alone.input(n, Input::Start);
        alone.run(ms(2_000));
        assert_eq!(alone.sent, 2 * (n - 1));

        let mut dead = world(1..=n);
        dead.kill(n);
        dead.start_all();
        dead.run(ms(2_000));
        assert!(dead.follows_only(n - 1));
        assert!(dead.sent <= 16 * n, "{n} processes, one dead, sent {}", dead.sent);
        assert!(dead.is_quiet());
    }
}

#[test]
fn one_that_says_ok_and_dies_is_given_up_after_t2() {
    for told in [false, true] {
        let mut alone =
            Election::new(ElectionConfig::default(), 1, &Electorate::new(1, [1, 2]), Rank::Bully, 1).unwrap();
        alone.handle(ms(0), Input::Start);
        let Some(Message::Election { round }) = alone.poll_transmit().map(|sent| sent.message) else { panic!() };
        alone.handle(ms(1), Input::Received { from: 2, message: Message::Ok { round } });
        assert_eq!(alone.poll_timeout(), Some(ms(101)));
        if told {
            alone.handle(ms(2), Input::Suspect(2));
            assert_eq!(alone.leader().map(|(leader, _)| leader), Some(1));
            continue;
        }
        while let Some(at) = alone.poll_timeout().filter(|at| *at < ms(200)) {
            alone.handle(at, Input::Tick);
        }
        assert_eq!(alone.leader().map(|(leader, _)| leader), Some(1));
    }
}

#[test]
fn attempts_are_bounded() {
    let mut node = Election::new(ElectionConfig::default(), 1, &Electorate::new(1, [1, 2]), Rank::Bully, 1).unwrap();
    node.handle(ms(0), Input::Start);
    loop {
        while let Some(sent) = node.poll_transmit() {
            if let Message::Election { round } = sent.message {
                let message = Message::Ok { round };
                node.handle(ms(0), Input::Received { from: 2, message });
            }
        }
        let Some(at) = node.poll_timeout() else { break };
        node.handle(at, Input::Tick);
    }
    assert_eq!(node.poll_event(), Some(Event::GaveUp { attempts: 16 }));
    assert_eq!(node.leader(), None);
}

#[test]
fn a_claim_that_is_lower_older_or_not_the_senders_is_ignored() {
    let members = Electorate::new(1, [1, 2, 3]);
    let mut node = Election::new(ElectionConfig::default(), 1, &members, Rank::Bully, 1).unwrap();
    let claim = |number| Message::Coordinator { round: round(number) };
    node.handle(ms(0), Input::Received { from: 3, message: claim(4) });
    node.handle(ms(0), Input::Received { from: 9, message: claim(5) });
    node.handle(
        ms(0),
        Input::Received { from: 3, message: Message::Coordinator { round: Round { view: 2, number: 5 } } },
    );
    assert_eq!((node.leader(), node.stats().foreign), (None, 3));
    node.handle(ms(0), Input::Received { from: 3, message: claim(5) });
    assert_eq!(node.leader(), Some((3, round(5))));
    node.handle(ms(1), Input::Received { from: 2, message: claim(7) });
    assert_eq!((node.leader(), node.stats().outranked), (Some((3, round(5))), 1));
    node.handle(ms(200), Input::Received { from: 2, message: claim(4) });
    assert_eq!((node.leader(), node.stats().stale), (Some((3, round(5))), 1));
    node.handle(ms(200), Input::Received { from: 2, message: claim(10) });
    assert_eq!(node.leader(), Some((2, round(10))));
}

#[test]
fn a_higher_rank_that_hears_a_lower_claim_claims_itself() {
    let mut world = world(1..=3);
    world.input(2, Input::Suspect(3));
    world.input(2, Input::Start);
    world.run(ms(50));
    assert!(world.follows_only(3));
    assert!(world.is_quiet());
}

#[test]
fn a_view_with_a_leader_needs_no_election_and_an_older_one_changes_nothing() {
    let mut world = world(1..=3);
    world.start_all();
    world.run(ms(50));
    let sent = world.sent;
    for view in [2, 1] {
        for id in 1..=3 {
            world.input(id, Input::Candidates(Electorate::new(view, [1, 2, 3, 4]).led_by(view)));
        }
    }
    world.start_all();
    world.run(ms(1_000));
    assert!(world.follows_only(2));
    assert_eq!(world.sent, sent);
    assert_eq!(world.nodes[&1].candidates(), [4, 3, 2, 1]);
}

#[test]
fn one_alone_wins_and_one_that_is_no_candidate_only_follows() {
    let mut alone = world([1]);
    alone.start_all();
    assert!(alone.follows_only(1) && alone.is_quiet());

    let mut observer =
        Election::new(ElectionConfig::default(), 9, &Electorate::new(1, [1, 2]), Rank::Seniority, 1).unwrap();
    observer.handle(ms(0), Input::Start);
    assert_eq!((observer.poll_timeout(), observer.poll_transmit()), (None, None));
    observer.handle(ms(0), Input::Received { from: 1, message: Message::Coordinator { round: round(1) } });
    assert_eq!(observer.leader(), Some((1, round(1))));
}

#[test]
fn a_leader_that_hears_of_a_later_claim_claims_anew_and_an_old_question_starts_nothing() {
    let members = Electorate::new(1, [1, 2, 3]);
    let mut top = Election::new(ElectionConfig::default(), 3, &members, Rank::Bully, 1).unwrap();
    top.handle(ms(0), Input::Start);
    assert_eq!(top.leader(), Some((3, round(2))));
    top.handle(ms(1), Input::Received { from: 1, message: Message::Ok { round: round(4) } });
    assert_eq!(top.leader(), Some((3, round(5))));

    let mut middle = Election::new(ElectionConfig::default(), 2, &members, Rank::Bully, 1).unwrap();
    middle.handle(ms(2), Input::Received { from: 3, message: Message::Coordinator { round: round(5) } });
    middle.handle(ms(2), Input::Received { from: 1, message: Message::Election { round: round(3) } });
    assert_eq!(middle.stats().attempts, 0);
    middle.handle(ms(3), Input::Received { from: 1, message: Message::Election { round: round(6) } });
    assert_eq!(middle.stats().attempts, 1);
}
