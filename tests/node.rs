//! The composed layers on a network of the test's own: no sockets, no clock.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, Event, Node, NodeConfig, Uid};
use gms_core::{Config, Destination, Input, Time};

const HOP: Duration = Duration::from_micros(100);

/// Nodes on a network whose every hop takes a tenth of a millisecond.
struct World {
    now: Time,
    nodes: Vec<Node>,
    events: Vec<Vec<Event>>,
    flying: Vec<(Time, usize, SocketAddr, Bytes)>,
    dead: Vec<usize>,
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8 + 1], 7000))
}

impl World {
    /// Nodes 0, 1 and so on, all started at once in the same way.
    fn of(count: u64, bootstrap: &Bootstrap) -> Self {
        let mut world = Self { now: Time::ZERO, nodes: vec![], events: vec![], flying: vec![], dead: vec![] };
        (0..count).for_each(|node| world.start(node, bootstrap.clone(), false));
        world
    }

    fn start(&mut self, node: u64, bootstrap: Bootstrap, drawn_id: bool) {
        let index = self.nodes.len();
        let core = Config::new("test", Uid::new(node, 100 + index as u64), address(index));
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
                    for &to in alive.iter().filter(|to| **to != index) {
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

#[test]
fn an_idle_group_changes_nothing() {
    let mut world = World::of(5, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    let before = world.nodes[0].view().unwrap().vid;
    world.pass(Duration::from_secs(600));
    assert_eq!(world.nodes[0].view().unwrap().vid, before);
    assert!(world.nodes.iter().all(|node| node.servers().count() == 4), "nobody was forgotten");
}
