//! Composed layers on a network of the test's own: no sockets, no clock.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, Event, Level, Node, NodeConfig, Outcome, Uid};
use gms_check::{Checker, Property, Record, Report};
use gms_core::wire::{Control, Envelope, Kind, Limits};
use gms_core::{Addressing, Config, Destination, Input, Params, Planted, ProcessIdentity, Time};

const HOP: Duration = Duration::from_micros(100);
/// How often a host where nobody listens is tried.
const REFUSED_EVERY: Duration = Duration::from_millis(200);

/// Nodes on a network whose every hop takes a tenth of a millisecond.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    pub(crate) events: Vec<Vec<Event>>,
    /// Where each of them is reached.
    places: Vec<usize>,
    /// When the hosts of the dead refuse to connect next.
    refuse_at: Time,
    pub(crate) params: Params,
    pub(crate) weight: u32,
    /// Members a view may have.
    pub(crate) most: usize,
    pub(crate) planted: Planted,
    /// Whom those who start ask first.
    pub(crate) contacts: Vec<SocketAddr>,
    /// How long the leader of a new lineage looks for other ones.
    pub(crate) settle: Duration,
    /// The places of the servers named to each node, where there is no multicast.
    pub(crate) peers: Option<Vec<usize>>,
    /// Whether a larger lineage takes a smaller one in.
    pub(crate) absorb: bool,
    /// The node whose application reads nothing.
    pub(crate) unread: Option<usize>,
    /// What is multicast to the followers arrives nowhere.
    pub(crate) data_lost: bool,
    /// No multicast reaches these places, nor passes from them.
    pub(crate) without_multicast: Vec<usize>,
    flying: Vec<(Time, usize, SocketAddr, Bytes)>,
    pub(crate) dead: Vec<usize>,
    /// Stands still: hears, says and does nothing, and what is sent to it waits.
    pub(crate) stopped: Option<usize>,
    /// Nothing passes between those before each of these and those from it on.
    pub(crate) cuts: Vec<usize>,
    /// What the first of each sends never arrives at the second.
    pub(crate) mute: Vec<(usize, usize)>,
    /// What becomes of a control message from the first to the second.
    pub(crate) fate: fn(usize, usize, &Control) -> Fate,
    /// What is kept back.
    pub(crate) held: Vec<(usize, SocketAddr, Bytes)>,
    pub(crate) records: Vec<Record>,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    Lost,
    /// Arrives with [`World::release`], whatever is cut off.
    Held,
}

pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8 + 1], 7000))
}

/// The control message in a datagram, if it has one.
fn control(datagram: &Bytes) -> Option<Control> {
    let limits = Limits::default();
    let (envelope, body) = Envelope::decode(datagram.clone(), &limits).ok()?;
    (envelope.kind == Kind::Control as u8).then(|| Control::decode(&body, &limits).ok()).flatten()
}

/// Members 0 to n - 1, led by the highest, with messages of everybody under way.
pub(crate) fn busy_group(count: u64) -> World {
    let mut world = World::of(count, &Bootstrap::Auto);
    world.pass(Duration::from_secs(1));
    for _ in 0..20 {
        world.send_all();
        world.pass(Duration::from_micros(250));
    }
    world
}

/// All outcomes that a node was told, in the order of its messages.
pub(crate) fn outcomes(world: &World, index: usize) -> Vec<Outcome> {
    let outcomes = world.events[index].iter().filter_map(|event| match event {
        Event::Outcome { outcome, .. } => Some(*outcome),
        _ => None,
    });
    outcomes.collect()
}

/// No property is violated, and something was checked.
pub(crate) fn is_sound(world: &World) {
    let report = world.judge();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.exercised(Property::P2) > 0, "{report}");
}

/// How often a node heard what nobody should say.
pub(crate) fn lies(world: &World) -> u64 {
    world.nodes.iter().map(|node| node.stats().lies()).sum()
}

impl World {
    /// Nodes 0, 1 and so on, all started at once in the same way.
    pub(crate) fn of(count: u64, bootstrap: &Bootstrap) -> Self {
        let mut world = Self {
            now: Time::ZERO,
            nodes: vec![],
            events: vec![],
            places: vec![],
            refuse_at: Time::ZERO,
            params: Params::default(),
            weight: 0,
            most: Limits::default().members,
            planted: Planted::default(),
            contacts: vec![],
            settle: Duration::ZERO,
            peers: None,
            absorb: false,
            unread: None,
            data_lost: false,
            without_multicast: vec![],
            flying: vec![],
            dead: vec![],
            stopped: None,
            cuts: vec![],
            mute: vec![],
            fate: |_, _, _| Fate::Arrives,
            held: vec![],
            records: vec![],
        };
        (0..count).for_each(|node| world.start(node, bootstrap.clone(), false));
        world
    }

    pub(crate) fn start(&mut self, node: u64, bootstrap: Bootstrap, drawn_id: bool) {
        let place = self.nodes.len();
        self.start_at(place, node, bootstrap, drawn_id);
    }

    /// A node starts where another one has been, or will have been.
    pub(crate) fn start_at(&mut self, place: usize, node: u64, bootstrap: Bootstrap, drawn_id: bool) {
        let index = self.nodes.len();
        self.places.push(place);
        let process =
            ProcessIdentity { host: place as u64 + 1, machine: 0, boot: 0, pid: index as u32, started: 1, member: 0 };
        let params = self.params.clone();
        let core = Config {
            trace: true,
            params,
            weight: self.weight,
            process: Some(process),
            planted: self.planted,
            limits: Limits { members: self.most, ..Limits::default() },
            ..Config::new("test", Uid::new(node, 100 + index as u64), address(place))
        };
        let contacts = self.contacts.clone();
        let (settle, absorb) = (self.settle, self.absorb);
        let peers = self.peers.as_ref().map(|peers| peers.iter().map(|place| vec![address(*place)]).collect());
        let config = NodeConfig { bootstrap, drawn_id, contacts, settle, absorb, peers, ..NodeConfig::new(core) };
        self.nodes.push(Node::new(config, self.now).expect("settings that fit"));
        self.events.push(vec![]);
    }

    pub(crate) fn step(&mut self) {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|index| !self.dead.contains(index)).collect();
        let running: Vec<usize> = alive.iter().copied().filter(|index| self.stopped != Some(*index)).collect();
        for &index in &running {
            let mut out = Vec::new();
            while let Some(transmit) = self.nodes[index].poll_transmit(self.now, 16, &mut out) {
                for datagram in out.chunks(transmit.segment_size) {
                    let side = |index: usize| self.cuts.partition_point(|cut| *cut <= index);
                    let connected = |to: usize| side(index) == side(to) && !self.mute.contains(&(index, to));
                    let filtered = |of: usize| self.without_multicast.contains(&self.places[of]);
                    for &to in alive.iter().filter(|to| **to != index) {
                        let multicast = !filtered(index) && !filtered(to);
                        let wanted = match transmit.destination {
                            Destination::Data => multicast && !self.data_lost && !self.nodes[to].is_leader(),
                            Destination::Control => multicast,
                            Destination::Unicast(at) | Destination::Stream(at) => at == address(self.places[to]),
                        };
                        let datagram = Bytes::copy_from_slice(datagram);
                        match control(&datagram).map_or(Fate::Arrives, |control| (self.fate)(index, to, &control)) {
                            Fate::Arrives if wanted && connected(to) => {
                                self.flying.push((self.now + HOP, to, address(self.places[index]), datagram));
                            }
                            Fate::Held if wanted => self.held.push((to, address(self.places[index]), datagram)),
                            _ => {}
                        }
                    }
                }
                out.clear();
            }
            if self.unread != Some(index) {
                self.nodes[index].poll_events(&mut self.events[index], usize::MAX);
            }
            self.records.extend(std::iter::from_fn(|| self.nodes[index].poll_trace(self.now)));
        }
        let timeouts = running.iter().filter_map(|index| self.nodes[*index].poll_timeout());
        let flights = self.flying.iter().filter(|flight| self.stopped != Some(flight.1)).map(|flight| flight.0);
        let Some(next) = timeouts.chain(flights).min() else { return };
        self.now = self.now.max(next);
        let lands =
            |flight: &mut (Time, usize, SocketAddr, Bytes)| flight.0 <= self.now && self.stopped != Some(flight.1);
        let landed: Vec<_> = self.flying.extract_if(.., lands).collect();
        for (_, to, from, datagram) in landed {
            self.nodes[to].handle(self.now, Input::Datagram { from, datagram });
        }
        for &index in &running {
            self.nodes[index].handle(self.now, Input::Tick);
        }
        if self.now >= self.refuse_at {
            self.refuse_at = self.now + REFUSED_EVERY;
            self.tell_of_the_dead(&running);
        }
    }

    /// The hosts of the dead refuse connections, and prove to those who are there now that they are dead.
    fn tell_of_the_dead(&mut self, running: &[usize]) {
        let lives = |place: usize| (0..self.nodes.len()).any(|i| self.places[i] == place && !self.dead.contains(&i));
        let side = |index: usize| self.cuts.partition_point(|cut| *cut <= index);
        let deserted: Vec<(usize, SocketAddr)> =
            self.dead.iter().filter(|i| !lives(self.places[**i])).map(|i| (*i, address(self.places[*i]))).collect();
        let ended: Vec<Uid> = self.dead.iter().map(|i| self.nodes[*i].uid()).collect();
        for &index in running {
            let watched = self.nodes[index].watched();
            for (dead, at) in deserted.iter().filter(|(_, at)| watched.contains(at)) {
                if side(index) == side(*dead) {
                    self.nodes[index].refused(self.now, *at);
                }
            }
            let host = self.places[index] as u64 + 1;
            for (uid, process) in self.nodes[index].processes() {
                if process.host == host && ended.contains(&uid) {
                    self.nodes[index].died(self.now, uid);
                }
            }
        }
    }

    /// Lets this much time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Everybody who can says something.
    pub(crate) fn send_all(&mut self) {
        let living = self.nodes.iter_mut().enumerate().filter(|(index, _)| !self.dead.contains(index));
        for node in living.map(|(_, node)| node).filter(|node| node.has_room()) {
            node.send(self.now, "hello".into(), Level::Uniform, Addressing::default()).expect("there is room");
        }
    }

    /// One who can says something.
    pub(crate) fn send_from(&mut self, index: usize) {
        if self.nodes[index].has_room() {
            let sent = self.nodes[index].send(self.now, "alone".into(), Level::Agreed, Addressing::default());
            sent.expect("there is room");
        }
    }

    /// The ids in the view of a node, and its leader.
    pub(crate) fn view(&self, index: usize) -> Option<(u64, Vec<u64>)> {
        let view = self.nodes[index].view()?;
        let mut members: Vec<u64> = view.members.iter().map(|member| member.uid.node.0).collect();
        members.sort_unstable();
        Some((view.leader.node.0, members))
    }

    /// The node is gone, and those who were connected with it notice at once.
    pub(crate) fn kill(&mut self, index: usize) {
        self.trouble("crash");
        self.dead.push(index);
        for other in (0..self.nodes.len()).filter(|other| !self.dead.contains(other)) {
            self.nodes[other].closed(self.now, address(self.places[index]));
        }
    }

    /// The node is gone, and all others get the proof.
    pub(crate) fn kill_for_certain(&mut self, index: usize) {
        self.trouble("crash");
        self.dead.push(index);
        let dead = self.nodes[index].uid();
        for other in (0..self.nodes.len()).filter(|other| !self.dead.contains(other)) {
            self.nodes[other].died(self.now, dead);
        }
    }

    /// A node that stood still goes on. Time has passed, and it looks at its clock first.
    pub(crate) fn wake(&mut self) {
        let index = self.stopped.take().expect("somebody stands still");
        self.nodes[index].handle(self.now, Input::Tick);
    }

    /// What was kept back arrives now.
    pub(crate) fn release(&mut self) {
        for (to, from, datagram) in std::mem::take(&mut self.held) {
            self.nodes[to].handle(self.now, Input::Datagram { from, datagram });
        }
    }

    /// What is on its way to this node is lost.
    pub(crate) fn forget_flying(&mut self, index: usize) {
        self.flying.retain(|flight| flight.1 != index);
    }

    /// Writes down that what follows is not the processes' fault.
    pub(crate) fn trouble(&mut self, kind: &str) {
        let uid = self.nodes[0].uid();
        let process = gms_check::Uid { node: uid.node.0, incarnation: uid.incarnation };
        let event = gms_check::Event::Fault { kind: kind.to_owned() };
        self.records.push(Record { at_us: self.now.as_nanos() / 1000, process, event });
    }

    /// What the checker says of all that has happened.
    pub(crate) fn judge(&self) -> Report {
        let mut checker = Checker::of_one_clock();
        self.records.iter().for_each(|record| checker.record(record));
        checker.finish()
    }
}
