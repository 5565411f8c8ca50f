//! How small a group may become: `min_voters`, proofs of death, and an operator that says so (protocol 7).

mod world;

use std::time::Duration;

use gms::{Blocked, Bootstrap, Event, Outcome};
use gms_core::wire::Control;
use gms_core::{Input, Params, QuorumMode};
use world::{Fate, World, address, busy_group, is_sound, outcomes};

const MS: Duration = Duration::from_millis(1);

/// A group that orders nothing while fewer than `min_voters` vote.
fn group_of_at_least(min_voters: u16, members: u64) -> World {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { min_voters, ..Params::default() };
    (0..members).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world
}

fn voters(world: &World, index: usize) -> usize {
    world.nodes[index].view().unwrap().voters().count()
}

#[test]
fn while_too_few_vote_messages_wait_and_views_go_on() {
    let mut world = group_of_at_least(4, 5);
    world.kill(4);
    world.pass(MS);
    world.send_all();
    world.pass(MS);
    assert_eq!(world.view(0), Some((3, vec![0, 1, 2, 3])));
    assert!((0..4).all(|index| outcomes(&world, index).len() == 1), "four are enough");
    world.kill(3);
    world.pass(MS);
    world.send_all();
    world.pass(Duration::from_secs(4));
    let view = world.nodes[0].view().unwrap().vid;
    for index in 0..3 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
        assert_eq!(outcomes(&world, index).len(), 1, "three are not");
        let why = Event::Blocked(Blocked::TooFew { voters: 3, min_voters: 4 });
        assert_eq!(world.events[index].iter().filter(|event| **event == why).count(), 1, "{:?}", world.events[index]);
    }
    // To send something changes nothing, nor does it that somebody stood still.
    world.send_all();
    world.nodes[2].handle(world.now, Input::Paused);
    world.pass(Duration::from_secs(2));
    for index in 0..3 {
        assert!(!world.events[index].contains(&Event::Unblocked), "{:?}", world.events[index]);
    }
    world.start(3, Bootstrap::Auto, false);
    world.pass(Duration::from_secs(1));
    for index in 0..3 {
        assert_eq!((world.view(index), voters(&world, index)), (Some((2, vec![0, 1, 2, 3])), 4));
        assert!(matches!(outcomes(&world, index)[1..], [Outcome::Ordered { .. }, Outcome::Ordered { .. }]));
        assert!(world.events[index].contains(&Event::Unblocked));
    }
    assert_eq!(world.nodes[0].view().unwrap().vid, view + 2, "nobody blamed the leader for ordering nothing");
    is_sound(&world);
}

#[test]
fn all_who_died_come_back_to_a_group_of_too_few() {
    let mut world = group_of_at_least(3, 3);
    for index in 0..2 {
        world.kill(index);
        world.pass(Duration::from_millis(1500));
    }
    assert_eq!(world.view(2), Some((2, vec![2])));
    // A newcomer that dies before it votes changes nothing.
    world.start(1, Bootstrap::Auto, false);
    while !world.nodes[2].view().unwrap().contains(world.nodes[3].uid()) {
        world.step();
    }
    world.kill(3);
    world.send_from(2);
    (0..2).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(2));
    assert_eq!((world.view(2), voters(&world, 2)), (Some((2, vec![0, 1, 2])), 3));
    assert!(matches!(outcomes(&world, 2)[..], [Outcome::Ordered { .. }]));
    let told = |what: fn(&Event) -> bool| world.events[2].iter().filter(|event| what(event)).count();
    assert_eq!(told(|event| matches!(event, Event::Blocked(Blocked::TooFew { .. }))), 1, "views alone lift nothing");
    assert_eq!(told(|event| *event == Event::Unblocked), 1);
    is_sound(&world);
}

#[test]
fn nobody_may_leave_too_few_behind() {
    let mut world = group_of_at_least(3, 4);
    world.nodes[0].handle(world.now, Input::Leave);
    world.pass(100 * MS);
    assert_eq!(world.view(3), Some((3, vec![1, 2, 3])));
    world.nodes[1].handle(world.now, Input::Leave);
    world.pass(100 * MS);
    assert!(world.events[1].contains(&Event::LeaveRefused { min_voters: 3 }));
    // The dead are not asked.
    world.nodes[1].handle(world.now, Input::Leave);
    world.kill(2);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.view(3), Some((3, vec![1, 3])));
    assert_eq!(world.events[1].iter().filter(|event| matches!(event, Event::LeaveRefused { .. })).count(), 2);
    is_sound(&world);
}

/// Learners may make up for one who leaves, but not for ever: it has to hear that it may not.
#[test]
fn a_leave_waits_for_learners_for_a_while_only() {
    let mut world = group_of_at_least(3, 3);
    world.fate = |_, to, control| match control {
        Control::Install { .. } if to == 3 => Fate::Lost,
        _ => Fate::Arrives,
    };
    world.start(3, Bootstrap::Auto, false);
    while world.view(2) != Some((2, vec![0, 1, 2, 3])) {
        world.step();
    }
    let refused = |world: &World| world.events[1].contains(&Event::LeaveRefused { min_voters: 3 });
    world.nodes[1].handle(world.now, Input::Leave);
    world.pass(200 * MS);
    assert!(!refused(&world));
    world.pass(500 * MS);
    assert!(refused(&world) && world.view(2) == Some((2, vec![0, 1, 2, 3])));
}

#[test]
fn who_waits_to_be_ordered_leaves_once_learners_vote() {
    let mut world = group_of_at_least(2, 1);
    world.send_from(0);
    world.fate = |_, _, control| match control {
        Control::Install { .. } => Fate::Lost,
        _ => Fate::Arrives,
    };
    (1..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    while world.view(0) != Some((0, vec![0, 1, 2])) {
        world.step();
    }
    world.nodes[0].handle(world.now, Input::Leave);
    world.pass(100 * MS);
    world.fate = |_, _, _| Fate::Arrives;
    world.pass(500 * MS);
    assert!(matches!(outcomes(&world, 0)[..], [Outcome::Ordered { .. }]));
    assert_eq!(world.events[0].last(), Some(&Event::Left { released: true }), "{:?}", world.events[0]);
    is_sound(&world);
}

#[test]
fn who_waits_to_be_ordered_in_a_group_of_too_few_is_refused_to_leave() {
    let mut world = group_of_at_least(3, 3);
    world.kill(0);
    world.pass(MS);
    for index in [1, 2] {
        world.send_from(index);
        world.nodes[index].handle(world.now, Input::Leave);
        world.pass(50 * MS);
        assert!(world.events[index].contains(&Event::LeaveRefused { min_voters: 3 }), "{:?}", world.events[index]);
        assert!(outcomes(&world, index).is_empty(), "it waits");
    }
    world.start(0, Bootstrap::Auto, false);
    world.pass(Duration::from_secs(1));
    for index in [1, 2] {
        assert!(matches!(outcomes(&world, index)[..], [Outcome::Ordered { .. }]), "its message is ordered");
    }
    is_sound(&world);
}

#[test]
fn what_is_left_of_a_group_goes_on_when_an_operator_says_so() {
    let mut world = busy_group(5);
    let before = world.nodes[0].view().expect("a member").gid;
    for dead in [2, 3, 4] {
        world.kill(dead);
    }
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(1), Some((4, vec![0, 1, 2, 3, 4])), "two of five are no quorum");
    world.nodes[1].force_view(world.now, true);
    world.nodes[0].force_view(world.now, false);
    world.pass(Duration::from_secs(1));
    for index in [0, 1] {
        assert_eq!(world.view(index), Some((1, vec![0, 1])));
        assert_ne!(world.nodes[index].view().expect("a member").gid, before);
    }
    is_sound(&world);
}

#[test]
fn with_proofs_of_death_a_group_may_shrink_to_one() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.send_all();
    world.pass(50 * MS);
    assert!((0..5).all(|index| outcomes(&world, index).len() == 1), "nobody waits for the next view");
    for leader in (1..5).rev() {
        let uid = world.nodes[leader].uid();
        world.kill(leader);
        world.pass(Duration::from_secs(2));
        assert_eq!(
            world.view(0),
            Some((leader as u64, (0..=leader as u64).collect())),
            "a closed connection is no proof"
        );
        // One of those left is told; the others learn it from it.
        world.nodes[0].handle(world.now, Input::Dead(uid));
        world.send_all();
        world.pass(Duration::from_secs(1));
        assert_eq!(world.view(0), Some((leader as u64 - 1, (0..leader as u64).collect())));
    }
    world.send_all();
    world.pass(50 * MS);
    assert!(outcomes(&world, 0).iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
    is_sound(&world);
}

#[test]
fn when_all_have_the_proof_the_next_leads_within_milliseconds() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..5).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    for leader in (1..5).rev() {
        world.send_all();
        world.kill_for_certain(leader);
        world.pass(5 * MS);
        assert_eq!(world.view(0), Some((leader as u64 - 1, (0..leader as u64).collect())));
    }
    is_sound(&world);
}

#[test]
fn one_that_notices_later_than_the_others_holds_up_nobody() {
    let mut world = busy_group(5);
    world.trouble("crash");
    world.dead.push(4);
    for member in [3, 2, 1, 0] {
        // The last one still hears the leader when it is asked to promise.
        if member == 0 {
            world.pass(MS);
        }
        world.nodes[member].closed(world.now, address(4));
    }
    world.pass(3 * MS);
    for index in 0..4 {
        assert_eq!(world.view(index), Some((3, (0..4).collect())), "at {index}");
    }
    is_sound(&world);
}

/// A member that has promised, and not accepted, does not count for the value before. Once it is dead it does: nobody
/// waits for the dead, and who proposed may know of the death before others do.
#[test]
fn a_value_that_the_dead_have_not_accepted_may_be_decided_without_them() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..4).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.view(0), Some((3, vec![0, 1, 2, 3])));
    // What 2 proposes never reaches 0, and it hears late that 1 has accepted it; nobody hears that it is decided.
    world.fate = |from, to, control| match (from, to, control) {
        (2, 0, Control::Accept { .. }) | (2, _, Control::Install { .. }) => Fate::Lost,
        (1, 2, Control::Accepted { .. }) => Fate::Held,
        _ => Fate::Arrives,
    };
    world.kill_for_certain(3);
    while world.held.is_empty() {
        world.step();
    }
    // After that 1 hears nothing of 2, which still asks to be accepted when 1 gives it up.
    world.fate = |from, to, control| match (from, to, control) {
        (2, _, Control::Accept { .. } | Control::Install { .. }) => Fate::Lost,
        (1, 2, Control::Prepare { .. }) => Fate::Held,
        _ => Fate::Arrives,
    };
    while world.held.len() == 1 {
        world.step();
        world.nodes[1].handle(world.now, Input::Stand);
    }
    world.held.truncate(1);
    world.pass(MS);
    // 0 has promised 1, and dies; 2 has the proof of that first. It decides, and dies.
    let (zero, two) = (world.nodes[0].uid(), world.nodes[2].uid());
    world.dead.push(0);
    world.nodes[2].died(world.now, zero);
    world.mute.extend([(2, 0), (2, 1)]);
    world.release();
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])));
    world.step();
    world.dead.push(2);
    world.nodes[1].died(world.now, two);
    world.pass(50 * MS);
    world.nodes[1].died(world.now, zero);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.view(1), Some((1, vec![1])));
    is_sound(&world);
}

/// The leader need not wait for the acceptance of one who is proved dead, however late the proof.
#[test]
fn a_death_that_completes_the_quorum_of_a_plan_lets_it_be_decided() {
    let mut world = World::of(0, &Bootstrap::Auto);
    world.params = Params { quorum: QuorumMode::FailStop, ..Params::default() };
    (0..3).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.pass(Duration::from_secs(1));
    world.fate = |_, to, control| match control {
        Control::Accept { .. } if to == 1 => Fate::Held,
        _ => Fate::Arrives,
    };
    world.start(3, Bootstrap::Auto, false);
    while world.held.is_empty() {
        world.step();
    }
    world.pass(MS);
    world.kill_for_certain(1);
    world.pass(150 * MS);
    assert_eq!(world.view(2), Some((2, vec![0, 2, 3])));
    is_sound(&world);
}
