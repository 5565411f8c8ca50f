//! The composed layers on a network of the test's own: no sockets, no clock.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, Event, Level, Node, NodeConfig, Outcome, Uid};
use gms_check::{Checker, Record};
use gms_core::{Addressing, Config, Destination, Input, Time};

const HOP: Duration = Duration::from_micros(100);

/// Nodes on a network whose every hop takes a tenth of a millisecond.
struct World {
    now: Time,
    nodes: Vec<Node>,
    events: Vec<Vec<Event>>,
    flying: Vec<(Time, usize, SocketAddr, Bytes)>,
    dead: Vec<usize>,
    /// Nothing passes between nodes below this index and the others.
    split: usize,
    /// What the first sends never arrives at the second.
    mute: Option<(usize, usize)>,
    records: Vec<Record>,
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8 + 1], 7000))
}

impl World {
    /// Nodes 0, 1 and so on, all started at once in the same way.
    fn of(count: u64, bootstrap: &Bootstrap) -> Self {
        let mut world = Self {
            now: Time::ZERO,
            nodes: vec![],
            events: vec![],
            flying: vec![],
            dead: vec![],
            split: 0,
            mute: None,
            records: vec![],
        };
        (0..count).for_each(|node| world.start(node, bootstrap.clone(), false));
        world
    }

    fn start(&mut self, node: u64, bootstrap: Bootstrap, drawn_id: bool) {
        let index = self.nodes.len();
        let core = Config { trace: true, ..Config::new("test", Uid::new(node, 100 + index as u64), address(index)) };
        let config = NodeConfig { bootstrap, drawn_id, ..NodeConfig::new(core) };
        self.nodes.push(Node::new(config, self.now).expect("settings that fit"));
        self.events.push(vec![]);
    }

    fn step(&mut self) {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|index| !self.dead.contains(index)).collect();
        for &index in &alive {
            let mut out = Vec::new();
            while let Some(transmit) = self.nodes[index].poll_transmit(self.now, 16, &mut out) {
                for datagram in out.chunks(transmit.segment_size) {
                    let connected = |to: &&usize| {
                        **to != index && (index < self.split) == (**to < self.split) && self.mute != Some((index, **to))
                    };
                    for &to in alive.iter().filter(connected) {
                        let wanted = match transmit.destination {
                            Destination::Data => !self.nodes[to].is_leader(),
                            Destination::Control => true,
                            Destination::Unicast(at) | Destination::Stream(at) => at == address(to),
                        };
                        if wanted {
                            let datagram = Bytes::copy_from_slice(datagram);
                            self.flying.push((self.now + HOP, to, address(index), datagram));
                        }
                    }
                }
                out.clear();
            }
            self.nodes[index].poll_events(&mut self.events[index], usize::MAX);
            self.records.extend(std::iter::from_fn(|| self.nodes[index].poll_trace(self.now)));
        }
        let timeouts = alive.iter().filter_map(|index| self.nodes[*index].poll_timeout());
        let Some(next) = timeouts.chain(self.flying.iter().map(|flight| flight.0)).min() else { return };
        self.now = self.now.max(next);
        let (landed, flying) = self.flying.drain(..).partition(|flight| flight.0 <= self.now);
        self.flying = flying;
        for (_, to, from, datagram) in landed {
            self.nodes[to].handle(self.now, Input::Datagram { from, datagram });
        }
        self.nodes.iter_mut().for_each(|node| node.handle(self.now, Input::Tick));
    }

    /// Lets this much time pass.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Everybody who can says something.
    fn send_all(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.has_room()) {
            node.send(self.now, "hello".into(), Level::Uniform, Addressing::default()).expect("there is room");
        }
    }

    /// The ids in the view of a node, and its leader.
    fn view(&self, index: usize) -> Option<(u64, Vec<u64>)> {
        let view = self.nodes[index].view()?;
        let mut members: Vec<u64> = view.members.iter().map(|member| member.uid.node.0).collect();
        members.sort_unstable();
        Some((view.leader.node.0, members))
    }
}

#[test]
fn those_who_start_together_end_in_one_group_led_by_the_highest() {
    let mut world = World::of(7, &Bootstrap::Auto);
    world.pass(Duration::from_millis(500));
    for index in 0..7 {
        assert_eq!(world.view(index), Some((6, (0..7).collect())));
    }
    let gids: Vec<_> = world.nodes.iter().map(|node| node.view().map(|view| view.gid)).collect();
    assert!(gids.iter().all(|gid| *gid == gids[0]));
    assert_eq!(world.nodes[0].servers().count(), 6);
}

#[test]
fn if_the_highest_dies_while_they_look_the_next_founds() {
    let mut world = World::of(4, &Bootstrap::Auto);
    world.pass(Duration::from_millis(100));
    world.dead.push(3);
    world.pass(Duration::from_millis(900));
    for index in 0..3 {
        assert_eq!(world.view(index), Some((2, vec![0, 1, 2])));
    }
}

#[test]
fn a_silent_follower_is_out_after_half_a_second_and_a_doubted_one_at_once() {
    for (doubted, gone_within) in [(false, 700), (true, 100)] {
        let mut world = World::of(3, &Bootstrap::Auto);
        world.pass(Duration::from_secs(1));
        world.dead.push(0);
        if doubted {
            world.nodes[2].doubt(world.now, address(0));
        }
        world.pass(Duration::from_millis(gone_within / 2));
        assert_eq!(world.view(2).unwrap().1.len(), 3, "first it is asked");
        world.pass(Duration::from_millis(gone_within / 2));
        assert_eq!(world.view(2), Some((2, vec![1, 2])), "doubted: {doubted}");
        assert_eq!(world.view(1), Some((2, vec![1, 2])));
    }
}

#[test]
fn a_doubted_follower_that_lives_stays() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    for _ in 0..20 {
        world.nodes[2].doubt(world.now, address(0));
        world.pass(Duration::from_millis(90));
    }
    assert_eq!(world.view(2), Some((2, vec![0, 1, 2])));
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

/// Two groups of one name, of two and of three, that meet; each member sends all the while.
fn two_groups_meet(bootstrap: &Bootstrap) -> World {
    let mut world = World::of(2, &Bootstrap::Auto);
    (2..5).for_each(|node| world.start(node, bootstrap.clone(), false));
    world.split = 2;
    world.pass(Duration::from_secs(1));
    world.send_all();
    world.pass(Duration::from_millis(100));
    world.split = 0;
    // They hear of each other when one announces itself, which is every ten seconds.
    for _ in 0..1200 {
        world.send_all();
        world.pass(Duration::from_millis(10));
    }
    world.pass(Duration::from_secs(1));
    world
}

#[test]
fn the_smaller_of_two_groups_that_meet_dissolves_into_the_larger() {
    let mut world = two_groups_meet(&Bootstrap::Auto);
    let gid = world.nodes[4].view().unwrap().gid;
    for index in 0..5 {
        assert_eq!(world.view(index), Some((4, (0..5).collect())));
        assert_eq!(world.nodes[index].view().unwrap().gid, gid);
    }
    // Both losers have been told once, with the same place, and go on sending under the same count.
    let told = |index: usize| -> Vec<Event> {
        world.events[index].iter().filter(|event| matches!(event, Event::Dissolved { .. })).cloned().collect()
    };
    assert!(told(0).len() == 1 && told(0) == told(1) && told(4).is_empty(), "{:?}", told(0));
    let Event::Dissolved { into, upto, .. } = told(0)[0] else { panic!() };
    assert!(into == gid && upto > 2);
    for events in &world.events {
        let outcomes = events.iter().filter_map(|event| match event {
            Event::Outcome { sseq, outcome } => Some((*sseq, *outcome)),
            _ => None,
        });
        let (sseqs, outcomes): (Vec<u64>, Vec<Outcome>) = outcomes.unzip();
        assert_eq!(sseqs, (1..=sseqs.len() as u64).collect::<Vec<_>>(), "one outcome for each message, in order");
        assert!(!outcomes.contains(&Outcome::Unknown) && outcomes.len() > 300);
    }
    world.pass(Duration::from_secs(15));
    let mut checker = Checker::new();
    world.records.iter().for_each(|record| checker.record(record));
    let report = checker.finish();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

#[test]
fn a_group_that_somebody_chose_to_found_does_not_dissolve_but_says_what_it_met() {
    let world = two_groups_meet(&Bootstrap::Expect([2, 3, 4, 5].into()));
    assert_eq!(world.view(4), Some((1, (0..5).collect())), "never founded, so they join the other");
    let mut world = World::of(1, &Bootstrap::Found);
    (1..4).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.split = 1;
    world.pass(Duration::from_secs(1));
    world.split = 0;
    world.pass(Duration::from_secs(30));
    assert_eq!(world.view(0), Some((0, vec![0])));
    let rivals: Vec<&Event> = world.events[0].iter().filter(|event| matches!(event, Event::Rival { .. })).collect();
    assert!(matches!(rivals[..], [Event::Rival { size: 3, .. }]), "{rivals:?}");
}

#[test]
fn a_rival_that_is_gone_frightens_nobody() {
    let mut world = World::of(1, &Bootstrap::Auto);
    (1..4).for_each(|node| world.start(node, Bootstrap::Auto, false));
    world.split = 1;
    world.pass(Duration::from_secs(1));
    // Its leader hears of the other group in the moment in which that one dies.
    world.split = 0;
    world.nodes[3].handle(world.now, Input::Tick);
    world.dead = vec![1, 2, 3];
    world.pass(Duration::from_secs(60));
    assert_eq!(world.view(0), Some((0, vec![0])));
    assert!(world.events[0].iter().all(|event| !matches!(event, Event::Dissolved { .. })));
}

#[test]
fn nobody_gives_way_to_a_group_that_has_lost_its_leader() {
    let mut world = World::of(2, &Bootstrap::Auto);
    world.start(2, Bootstrap::Auto, false);
    world.split = 2;
    world.pass(Duration::from_secs(1));
    world.dead = vec![1];
    world.pass(Duration::from_secs(3));
    world.split = 0;
    world.pass(Duration::from_secs(30));
    assert_eq!(world.view(2), Some((2, vec![2])), "the other one is larger, but could let nobody in");
}

#[test]
fn a_member_that_only_others_hear_is_given_up_in_the_end() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    world.mute = Some((0, 2));
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
