//! One history for each name: who creates a lineage, which one ends, and how a lineage goes on when its quorum is gone.

mod world;

use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Level, Outcome};
use gms_core::wire::{Control, Envelope, VERSION};
use gms_core::{Addressing, Gid, Input, Out, SessionNumber, Uid};
#[cfg(debug_assertions)]
use gms_core::{Bug, Planted};
use world::{Fate, World, address, is_sound, outcomes};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Nodes 0, 1 and so on with the product's times, started at once.
fn group_of(count: u64, bootstrap: &Bootstrap) -> World {
    let mut world = World::of(0, bootstrap);
    world.settle = SECOND;
    (0..count).for_each(|node| world.start(node, bootstrap.clone(), false));
    world
}

/// The same, once they are one group in which everybody has said something.
fn settled(count: u64, bootstrap: &Bootstrap) -> World {
    let mut world = group_of(count, bootstrap);
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(100 * MS);
    for index in 0..count as usize {
        assert!(matches!(outcomes(&world, index)[..], [Outcome::Ordered { .. }]), "{index}: {:?}", world.view(index));
    }
    world
}

fn gid(world: &World, index: usize) -> Option<Gid> {
    world.nodes[index].view().map(|view| view.gid)
}

fn excluded(world: &World, index: usize) -> bool {
    world.events[index].contains(&Event::Excluded)
}

/// The payloads that a node has delivered.
fn delivered(world: &World, index: usize) -> Vec<Vec<u8>> {
    let messages = world.events[index].iter().filter_map(|event| match event {
        Event::Message(message) => Some(message.payload.to_vec()),
        _ => None,
    });
    messages.collect()
}

fn dissolved(world: &World) -> usize {
    world.events.iter().flatten().filter(|event| matches!(event, Event::Dissolved { .. })).count()
}

fn say(world: &mut World, index: usize, what: &'static str) -> bool {
    let (now, node) = (world.now, &mut world.nodes[index]);
    node.has_room() && node.send(now, what.into(), Level::Uniform, Addressing::default()).is_ok()
}

/// Those who are put out hear so in a short moment of connection, and are cut off again.
fn flap(world: &mut World, cut: usize, victims: &[usize]) {
    world.trouble("cut");
    world.cuts = vec![cut];
    world.pass(4 * SECOND);
    world.cuts.clear();
    while !victims.iter().all(|victim| excluded(world, *victim)) {
        world.step();
    }
    world.cuts = vec![cut];
}

#[test]
fn one_that_is_put_out_creates_nothing_and_comes_back() {
    for (cut, victim) in [(1, 0), (2, 2)] {
        let mut world = settled(3, &Bootstrap::Auto);
        flap(&mut world, cut, &[victim]);
        world.pass(40 * SECOND);
        assert_eq!(world.view(victim), None);
        assert!(!world.nodes[victim].has_room(), "it takes nothing that it could not keep");
        let why = world.nodes[victim].blocked().cloned();
        assert!(matches!(why, Some(Blocked::Out(Out::Exile { .. }))), "{why:?}");
        world.cuts.clear();
        world.pass(5 * SECOND);
        assert_eq!(gid(&world, victim), gid(&world, 1));
        assert_eq!(world.view(victim).map(|(_, members)| members), Some(vec![0, 1, 2]));
        is_sound(&world);
    }
}

/// The same with the bug that the rule is for.
#[test]
#[cfg(debug_assertions)]
fn one_that_is_put_out_and_forgets_it_creates_another() {
    let mut world = World::of(0, &Bootstrap::Auto);
    (world.settle, world.planted) = (SECOND, Planted::bug(Bug::ExileCreates));
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(100 * MS);
    flap(&mut world, 1, &[0]);
    world.pass(40 * SECOND);
    assert!(gid(&world, 0).is_some_and(|gid| Some(gid) != self::gid(&world, 1)), "{:?}", world.view(0));
}

/// No cable is touched: one stands still, and the others do while it returns.
#[test]
fn pauses_alone_make_no_second_group() {
    let mut world = settled(3, &Bootstrap::Auto);
    let before = gid(&world, 1);
    world.trouble("pause");
    world.stopped = Some(0);
    world.pass(3 * SECOND);
    world.wake();
    while !excluded(&world, 0) {
        world.step();
    }
    world.trouble("pause");
    world.cuts = vec![1];
    world.pass(5 * SECOND);
    assert_eq!(world.view(0), None);
    world.cuts.clear();
    world.pass(3 * SECOND);
    assert_eq!(gid(&world, 0), before);
    is_sound(&world);
}

#[test]
fn the_expected_ones_are_asked_for_once_only() {
    let mut world = group_of(3, &Bootstrap::Expect([0, 1, 2].into()));
    world.pass(3 * SECOND);
    (3..7).for_each(|node| world.start(node, Bootstrap::Join, false));
    world.pass(2 * SECOND);
    world.send_all();
    world.pass(SECOND);
    let before = gid(&world, 5);
    flap(&mut world, 3, &[0, 1, 2]);
    world.pass(40 * SECOND);
    for index in 0..3 {
        assert_eq!(world.view(index), None);
    }
    world.cuts.clear();
    world.pass(10 * SECOND);
    for index in 0..7 {
        assert_eq!(gid(&world, index), before, "{index}");
    }
    is_sound(&world);
}

#[test]
fn a_part_with_the_history_never_gives_way() {
    let mut world = settled(5, &Bootstrap::Auto);
    let before = gid(&world, 4);
    flap(&mut world, 2, &[0, 1]);
    world.pass(3 * SECOND);
    for index in [2, 3] {
        world.kill(index);
        world.pass(2 * SECOND);
    }
    assert!(say(&mut world, 4, "alone"));
    world.pass(SECOND);
    assert_eq!(outcomes(&world, 4).len(), 2);
    world.cuts.clear();
    world.pass(30 * SECOND);
    for index in [0, 1, 4] {
        assert_eq!((gid(&world, index), world.view(index)), (before, Some((4, vec![0, 1, 4]))));
    }
    assert_eq!(dissolved(&world), 0);
    is_sound(&world);
}

/// It hears a larger group, and is not heard by it.
#[test]
fn one_that_is_not_heard_keeps_what_it_has() {
    let mut world = group_of(5, &Bootstrap::Auto);
    world.cuts = vec![2];
    world.pass(3 * SECOND);
    for _ in 0..10 {
        world.send_all();
        world.pass(20 * MS);
    }
    let (small, large) = (gid(&world, 0), gid(&world, 4));
    assert!(small != large && outcomes(&world, 0).len() == 10);
    world.trouble("cut");
    world.cuts.clear();
    world.mute = (0..2).flat_map(|a| (2..5).map(move |b| (a, b))).collect();
    world.pass(60 * SECOND);
    assert_eq!((gid(&world, 0), gid(&world, 1), gid(&world, 4)), (small, small, large));
    assert_eq!(dissolved(&world), 0);
    world.mute.clear();
    world.pass(30 * SECOND);
    let rivals = |index: usize| world.events[index].iter().any(|event| matches!(event, Event::Rival { .. }));
    assert!(rivals(1) && rivals(4), "both say that there are two");
    assert_eq!((gid(&world, 0), gid(&world, 4), dissolved(&world)), (small, large, 0));
}

#[test]
fn a_late_wake_up_makes_nobody_heard() {
    let mut world = settled(3, &Bootstrap::Auto);
    // A newcomer hears of the group, which dies before it is let in.
    world.fate = |_, to, control| match control {
        Control::Install { .. } if to >= 3 => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.start(7, Bootstrap::Auto, false);
    world.pass(15 * MS);
    (0..3).for_each(|index| world.kill(index));
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(4 * SECOND);
    assert_eq!(world.view(3).map(|(leader, _)| leader), Some(7), "they refuse, so they are gone");
    world.start(6, Bootstrap::Auto, false);
    world.pass(2 * SECOND);
    assert!(say(&mut world, 3, "precious"));
    world.pass(SECOND);
    let before = gid(&world, 3);
    world.trouble("pause");
    world.stopped = Some(3);
    world.pass(20 * SECOND);
    world.wake();
    world.pass(8 * SECOND);
    assert_eq!((gid(&world, 3), dissolved(&world)), (before, 0));
}

/// Two lineages arise apart, and meet before anything was said: what was sent meanwhile is not lost.
fn two_meet(world: &mut World) {
    world.cuts = vec![2];
    world.pass(700 * MS);
    for index in 0..5 {
        assert!(say(world, index, "early"), "{index}: {:?}", world.view(index));
    }
    assert_ne!(gid(world, 0), gid(world, 4));
    world.cuts.clear();
    world.pass(4 * SECOND);
}

#[test]
fn lineages_that_meet_before_anything_was_said_become_one() {
    let mut world = group_of(5, &Bootstrap::Auto);
    two_meet(&mut world);
    for index in 0..5 {
        assert_eq!((gid(&world, index), world.view(index)), (gid(&world, 4), Some((4, (0..5).collect()))));
        assert!(say(&mut world, index, "late"));
    }
    world.pass(SECOND);
    for index in 0..5 {
        let told = world.events[index].iter().filter_map(|event| match event {
            Event::Outcome { sseq, outcome: Outcome::Ordered { .. } } => Some(*sseq),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [1, 2], "{index}");
        let all = delivered(&world, index);
        assert_eq!(all.iter().filter(|payload| payload == &b"early").count(), 5, "{index}");
    }
    assert_eq!(dissolved(&world), 2);
    is_sound(&world);
}

/// Nobody else tells its sender.
#[test]
fn a_message_bound_to_a_view_of_a_lineage_that_gives_way_is_not_ordered() {
    let mut world = group_of(5, &Bootstrap::Auto);
    world.cuts = vec![2];
    world.pass(700 * MS);
    let vid = world.view(0).expect("a view").0;
    let only = Addressing { only_in_view: Some(vid), ..Addressing::default() };
    let now = world.now;
    world.nodes[0].send(now, "only here".into(), Level::Uniform, only).expect("there is room");
    assert!(say(&mut world, 0, "anywhere"));
    world.cuts.clear();
    world.pass(4 * SECOND);
    let told: Vec<(u64, bool)> = world.events[0]
        .iter()
        .filter_map(|event| match event {
            Event::Outcome { sseq, outcome } => Some((*sseq, *outcome == Outcome::NotOrdered)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(1, true), (2, false)]);
    is_sound(&world);
}

#[cfg(debug_assertions)]
#[test]
fn lineages_that_do_not_settle_lose_what_they_said() {
    let mut world = World::of(0, &Bootstrap::Auto);
    (world.settle, world.planted) = (SECOND, Planted::bug(Bug::NeverSettles));
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    two_meet(&mut world);
    assert_ne!(gid(&world, 0), gid(&world, 4));
}

/// The leader proposes the end and dies.
fn the_leader_dies_while_it_ends(world: &mut World) {
    world.cuts = vec![3];
    world.pass(700 * MS);
    world.trouble("cut");
    world.fate = |_, to, control| match control {
        Control::Accepted { .. } if to == 2 => Fate::Held,
        _ => Fate::Arrives,
    };
    world.cuts.clear();
    while world.held.is_empty() {
        world.step();
    }
    world.kill(2);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(10 * SECOND);
}

#[test]
fn any_candidate_completes_the_end_of_a_lineage() {
    let mut world = group_of(8, &Bootstrap::Auto);
    the_leader_dies_while_it_ends(&mut world);
    for index in [0, 1, 3, 7] {
        assert_eq!(gid(&world, index), gid(&world, 7), "{index}");
    }
    assert!(dissolved(&world) >= 2);
    is_sound(&world);
}

#[test]
fn bootstrap_looks_first() {
    let mut world = settled(3, &Bootstrap::Create);
    let before = gid(&world, 2);
    world.kill(2);
    world.pass(SECOND);
    world.start_at(2, 2, Bootstrap::Create, false);
    world.pass(3 * SECOND);
    assert_eq!((gid(&world, 3), world.view(3).map(|(_, members)| members)), (before, Some(vec![0, 1, 2])));
    is_sound(&world);
}

/// The creator dies while the others are learners still: nothing was said, so they begin again.
#[test]
fn learners_of_a_dead_creator_begin_again() {
    let mut world = group_of(3, &Bootstrap::Auto);
    while world.nodes[0].view().is_none_or(|view| view.learners().count() == 0) {
        world.step();
    }
    world.kill(2);
    world.pass(20 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1]));
    assert!(say(&mut world, 0, "on"));
    world.pass(SECOND);
    assert!(matches!(outcomes(&world, 0)[..], [Outcome::Ordered { .. }]));
}

/// Half of a group dies, its leader among them, before anything was said, and is started again: those who are left are
/// no quorum, and hold nothing.
#[test]
fn half_of_a_group_that_has_said_nothing_begins_again_with_the_other_half() {
    let mut world = group_of(6, &Bootstrap::Auto);
    while world.view(0).is_none_or(|(_, members)| members.len() < 6) {
        world.step();
    }
    for index in [5, 2, 1] {
        world.kill(index);
    }
    for index in [5, 2, 1] {
        world.start_at(index, index as u64, Bootstrap::Auto, false);
    }
    world.pass(20 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some((0..6).collect()));
    assert!(say(&mut world, 0, "on"));
    world.pass(SECOND);
    assert!(matches!(outcomes(&world, 0)[..], [Outcome::Ordered { .. }]));
}

/// Two lineages meet that both have a member 1: the one that finds its id taken goes on asking.
#[test]
fn one_whose_id_is_taken_where_it_joins_goes_on_asking() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.settle = SECOND;
    world.cuts = vec![2];
    for node in [0, 1, 1, 2, 3] {
        world.start(node, Bootstrap::Auto, false);
    }
    world.pass(700 * MS);
    world.cuts.clear();
    world.pass(10 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1, 2, 3]));
    let twins = [1, 2].map(|index| world.view(index).is_some());
    assert_eq!(twins.iter().filter(|is_in| **is_in).count(), 1, "{twins:?}");
    assert!(!world.events.iter().flatten().any(|event| matches!(event, Event::Refused(_))));
    let (out, inside) = if twins[0] { (2, 1) } else { (1, 2) };
    world.kill(inside);
    world.pass(20 * SECOND);
    assert!(world.view(out).is_some(), "its twin is gone");
}

/// The leader of two is killed and started again: the other one alone is not a quorum, and both are accounted for.
#[test]
fn two_go_on_when_their_leader_was_started_again() {
    let mut world = settled(2, &Bootstrap::Auto);
    let before = gid(&world, 0);
    world.kill(1);
    world.pass(3 * SECOND);
    assert!(matches!(world.nodes[0].blocked(), Some(Blocked::Quorum { .. })));
    world.start_at(1, 1, Bootstrap::Auto, false);
    world.pass(8 * SECOND);
    assert_eq!(world.view(2).map(|(_, members)| members), Some(vec![0, 1]));
    assert!(gid(&world, 2) == gid(&world, 0) && gid(&world, 0) != before);
    assert!(say(&mut world, 2, "again"));
    world.pass(SECOND);
    let all: Vec<Vec<u8>> = ["hello", "hello", "again"].map(|said| said.as_bytes().to_vec()).into();
    assert_eq!(delivered(&world, 0), all, "with everything that was said before");
    is_sound(&world);
}

#[test]
fn three_go_on_when_two_were_started_again() {
    for pause in [0, 2] {
        let mut world = settled(3, &Bootstrap::Auto);
        world.kill(2);
        world.pass(pause * SECOND);
        world.kill(1);
        world.pass(3 * SECOND);
        world.start_at(2, 2, Bootstrap::Auto, false);
        world.pass(2 * SECOND);
        world.start_at(1, 1, Bootstrap::Auto, false);
        world.pass(10 * SECOND);
        assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1, 2]), "{pause}");
        assert_eq!(delivered(&world, 0).len(), 3);
        is_sound(&world);
    }
}

/// What a client was told of is lost with the quorum: it hears so, and does not wait for ever.
#[test]
fn a_client_whose_last_message_is_lost_with_the_quorum_hears_that_its_session_is() {
    let mut world = settled(3, &Bootstrap::Auto);
    let say = |world: &mut World, index: usize, number: u64| {
        let session = Some(SessionNumber { session: 7, number });
        let addressing = Addressing { session, ..Addressing::default() };
        world.nodes[index].send(world.now, "client".into(), Level::Uniform, addressing).expect("room");
        world.pass(100 * MS);
        outcomes(world, index).last().copied()
    };
    for number in [0, 1] {
        assert!(matches!(say(&mut world, 2, number), Some(Outcome::Ordered { .. })));
    }
    world.trouble("cut");
    world.cuts = vec![1];
    assert!(matches!(say(&mut world, 2, 2), Some(Outcome::Ordered { .. })), "1 and 2 are a quorum");
    (1..3).for_each(|index| world.kill(index));
    world.cuts.clear();
    world.pass(3 * SECOND);
    (1..3).for_each(|index| world.start_at(index, index as u64, Bootstrap::Auto, false));
    world.pass(8 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1, 2]));
    assert_eq!(say(&mut world, 0, 3), Some(Outcome::SessionExpired));
    is_sound(&world);
}

#[test]
fn all_that_were_killed_and_started_again_begin_a_new_history() {
    let mut world = settled(3, &Bootstrap::Auto);
    let before = gid(&world, 0);
    (0..3).for_each(|index| world.kill(index));
    (0..3).for_each(|index| world.start_at(index, index as u64, Bootstrap::Auto, false));
    world.pass(5 * SECOND);
    for index in 3..6 {
        assert_eq!(world.view(index).map(|(_, members)| members), Some(vec![0, 1, 2]));
        assert_ne!(gid(&world, index), before);
    }
    is_sound(&world);
}

/// A member whose end nobody can prove may have gone on elsewhere: nobody returns beside it.
#[test]
fn nobody_returns_while_one_is_not_accounted_for() {
    let mut world = settled(3, &Bootstrap::Auto);
    let before = gid(&world, 0);
    world.kill(2);
    world.kill(1);
    world.pass(3 * SECOND);
    // One comes again at its place, the other one elsewhere.
    world.start_at(2, 2, Bootstrap::Auto, false);
    world.start_at(7, 1, Bootstrap::Auto, false);
    world.pass(60 * SECOND);
    assert_eq!(gid(&world, 0), before);
    assert_eq!((world.view(3), world.view(4)), (None, None));
    let why = world.nodes[3].blocked().cloned();
    assert!(matches!(why, Some(Blocked::Out(Out::Heard { .. }))), "{why:?}");
}

/// What a client says in session 7 through a node, and what became of it.
fn say_in_session(world: &mut World, index: usize, number: u64) -> Option<Outcome> {
    let session = Some(SessionNumber { session: 7, number });
    let addressing = Addressing { session, ..Addressing::default() };
    world.nodes[index].send(world.now, "client".into(), Level::Uniform, addressing).expect("room");
    world.pass(100 * MS);
    outcomes(world, index).last().copied()
}

#[test]
fn two_of_five_return_with_the_history_when_an_operator_says_so() {
    let mut world = settled(5, &Bootstrap::Auto);
    let before = gid(&world, 0);
    assert!(matches!(say_in_session(&mut world, 1, 0), Some(Outcome::Ordered { .. })));
    let first = say_in_session(&mut world, 1, 1);
    assert!(matches!(first, Some(Outcome::Ordered { .. })));
    (2..5).for_each(|index| world.kill(index));
    world.pass(10 * SECOND);
    assert_eq!(gid(&world, 1), before, "nothing proves that they are dead");
    let uid = world.nodes[1].uid();
    world.nodes[1].force_view(world.now, true);
    world.nodes[0].force_view(world.now, false);
    world.pass(3 * SECOND);
    for index in [0, 1] {
        assert_eq!(world.view(index), Some((1, vec![0, 1])));
        assert_eq!(world.nodes[index].view().and_then(|view| view.params.origin), before);
        assert_eq!(delivered(&world, index).len(), 6, "all that was said before, once");
    }
    assert_eq!(world.nodes[1].uid(), uid, "it goes on");
    assert_eq!(say_in_session(&mut world, 0, 1), first, "a repeat is where the first copy is");
    assert!(matches!(say_in_session(&mut world, 0, 2), Some(Outcome::Ordered { .. })));
    let discarded = world.records.iter().filter_map(|record| match record.event {
        gms_check::Event::Discarded { gid } => Some(Gid(gid)),
        _ => None,
    });
    assert!(discarded.map(Some).eq([before, before]));
    is_sound(&world);
}

/// One that was put out joins a lineage that has nothing to do with its own.
#[test]
fn an_exile_joins_another_lineage_when_an_operator_says_so() {
    let mut world = settled(3, &Bootstrap::Auto);
    let before = gid(&world, 1);
    flap(&mut world, 2, &[2]);
    world.start(9, Bootstrap::Auto, false);
    world.pass(5 * SECOND);
    assert_eq!((world.view(2), world.view(3)), (None, None), "a lineage is known that has a history");
    world.nodes[3].force_view(world.now, true);
    assert!(say(&mut world, 3, "anew"));
    world.pass(3 * SECOND);
    assert!(matches!(outcomes(&world, 3)[..], [Outcome::Ordered { .. }]), "it does not wait for what was given up");
    assert_eq!(world.view(2), None, "it has a history of its own");
    world.nodes[2].force_view(world.now, false);
    world.pass(2 * SECOND);
    assert_eq!(world.view(2), Some((9, vec![2, 9])));
    assert!(say(&mut world, 2, "on"));
    world.pass(100 * MS);
    assert!(gid(&world, 2) == gid(&world, 3) && gid(&world, 2) != before);
    assert_eq!(delivered(&world, 3), [b"anew".to_vec(), b"on".to_vec()]);
    is_sound(&world);
}

/// Servers 0, 1 and 2 are named to each of them.
fn with_peers(nodes: &[u64]) -> World {
    let mut world = World::of(0, &Bootstrap::Auto);
    (world.settle, world.peers) = (SECOND, Some(vec![0, 1, 2]));
    nodes.iter().for_each(|node| world.start(*node, Bootstrap::Auto, false));
    world
}

#[test]
fn a_majority_of_the_servers_named_creates_the_group_and_keeps_so_many_voters() {
    let mut world = with_peers(&[0]);
    world.pass(40 * SECOND);
    assert_eq!(world.view(0), None);
    let few = Blocked::Out(Out::Few { there: 1, of: 3, missing: 1 });
    assert_eq!(world.nodes[0].blocked(), Some(&few));
    world.start(1, Bootstrap::Auto, false);
    world.pass(3 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1]));
    assert_eq!(world.nodes[0].view().map(|view| view.params.min_voters), Some(2));
    world.send_all();
    world.pass(SECOND);
    // One that is alone orders nothing, although its host proves the other one's death.
    world.kill_for_certain(1);
    world.pass(3 * SECOND);
    assert!(say(&mut world, 0, "alone"));
    world.pass(3 * SECOND);
    assert!(!delivered(&world, 0).contains(&b"alone".to_vec()));
    world.start(2, Bootstrap::Auto, false);
    world.pass(3 * SECOND);
    assert!(delivered(&world, 2).contains(&b"alone".to_vec()));
    is_sound(&world);
}

/// The operator takes the risk.
#[test]
fn one_of_the_servers_named_creates_the_group_alone_where_it_is_told_to() {
    let mut world = with_peers(&[]);
    world.start(0, Bootstrap::Create, false);
    world.pass(3 * SECOND);
    assert_eq!(world.nodes[0].view().map(|view| view.params.min_voters), Some(1));
    assert!(say(&mut world, 0, "alone"));
    world.pass(SECOND);
    assert!(delivered(&world, 0).contains(&b"alone".to_vec()));
}

/// Each side of a cut has servers that are fresh, and only one has a majority of those named.
#[test]
fn of_two_sides_only_one_can_have_a_majority() {
    let mut world = with_peers(&[]);
    world.cuts = vec![1];
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(10 * SECOND);
    assert_eq!(world.view(0), None);
    assert_eq!(world.view(1), world.view(2));
    world.cuts.clear();
    world.pass(5 * SECOND);
    assert_eq!(world.view(0).map(|(_, members)| members), Some(vec![0, 1, 2]));
    assert_eq!(dissolved(&world), 0);
    is_sound(&world);
}

#[test]
fn no_group_is_created_beside_one_of_another_wire_version() {
    let mut world = group_of(1, &Bootstrap::Auto);
    let mut datagram = vec![];
    let (name, sender) = (Gid::of_name("test"), Uid::new(9, 9));
    Envelope { kind: 16, gid: name, vid: 0, sender, status: [0; 3] }.encode(&mut datagram, |_| {});
    datagram[2] = VERSION + 1;
    let hear = |world: &mut World| {
        let heard = Input::Datagram { from: address(5), datagram: datagram.clone().into() };
        let now = world.now;
        world.nodes[0].handle(now, heard);
    };
    for _ in 0..4 {
        hear(&mut world);
        world.pass(10 * SECOND);
        assert_eq!(world.view(0), None);
    }
    let why = Out::OtherVersion { theirs: VERSION + 1, ours: VERSION, from: address(5) };
    assert_eq!(world.nodes[0].blocked(), Some(&Blocked::Out(why)));
    // They are gone: nobody knows what they said, nor could ever.
    world.pass(30 * SECOND);
    assert!(world.view(0).is_some());
    // Of another group they do not matter.
    let mut other = group_of(1, &Bootstrap::Auto);
    datagram[12..28].copy_from_slice(&Gid::of_name("other").0.to_le_bytes());
    let heard = Input::Datagram { from: address(5), datagram: datagram.into() };
    let now = other.now;
    other.nodes[0].handle(now, heard);
    other.pass(SECOND);
    assert!(other.view(0).is_some());
}
