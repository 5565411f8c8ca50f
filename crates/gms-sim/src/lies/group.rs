//! Three nodes in memory, on a network where each hop takes a tenth of a millisecond, and the liar among or outside
//! them.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, Node, NodeConfig};
use gms_check::{Checker, Report};
use gms_core::{
    Addressing, Blocked, Config, Destination, Event, Gid, Input, Level, Outcome, Planted, Time, Uid, Unsettled,
};

use crate::draw::Draw;

/// Nodes in a group.
pub(super) const NODES: usize = 3;
const HOP: Duration = Duration::from_micros(100);
/// The longest datagram that the network carries: those of the group are no longer.
const MTU: usize = 1400;
/// Real datagrams that a liar may have seen.
const SEEN: usize = 256;
/// Datagrams of one node in a row, before it is taken to send without end.
const ENDLESS: usize = 100_000;

/// A datagram on its way.
#[derive(Debug)]
struct Flight {
    at: Time,
    to: usize,
    from: SocketAddr,
    datagram: Bytes,
}

/// One group.
pub(super) struct Group {
    pub(super) now: Time,
    pub(super) nodes: Vec<Node>,
    /// What each node's application has been told, since it was last looked at.
    pub(super) events: Vec<Vec<Event>>,
    /// As many lives as each has begun.
    pub(super) dead: Vec<bool>,
    /// Real datagrams, the latest last.
    pub(super) seen: VecDeque<Bytes>,
    flying: VecDeque<Flight>,
    checker: Checker,
    /// Datagrams sent.
    pub(super) sent: u64,
    /// Somebody sends without end.
    pub(super) endless: bool,
    /// Messages that each node's application has sent.
    pub(super) said: [u64; NODES],
    pub(super) gid: Gid,
}

/// Where node `index` is reached.
pub(super) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8 + 1], 7000))
}

impl Group {
    /// All of them are voters of one view, and nothing is under way.
    pub(super) fn start(draw: &mut Draw, planted: Planted) -> Self {
        let mut group = Self {
            now: Time::ZERO,
            nodes: vec![],
            events: vec![],
            dead: vec![],
            seen: VecDeque::new(),
            flying: VecDeque::new(),
            checker: Checker::new(),
            sent: 0,
            endless: false,
            said: [0; NODES],
            gid: Gid::NONE,
        };
        for index in 0..NODES {
            let uid = Uid::new(index as u64 + 1, draw.bits());
            let core =
                Config { trace: true, planted, seed: draw.bits(), ..Config::new("lied to", uid, address(index)) };
            let mut config = NodeConfig::new(core);
            (config.bootstrap, config.contacts) = match index {
                0 => (Bootstrap::Create, vec![]),
                _ => (Bootstrap::Join, vec![address(0)]),
            };
            group.nodes.push(Node::new(config, group.now).expect("settings that fit"));
            group.events.push(vec![]);
            group.dead.push(false);
            group.flush(index);
        }
        let all_vote = |node: &Node| node.view().is_some_and(|view| view.voters().count() == NODES);
        while !group.nodes.iter().all(all_vote) {
            assert!(group.now < Time::ZERO + Duration::from_secs(10), "three nodes do not find each other");
            group.pass(Duration::from_millis(5));
        }
        group.gid = group.nodes[0].view().expect("a member").gid;
        group.pass(Duration::from_millis(50));
        group.events.iter_mut().for_each(Vec::clear);
        group
    }

    /// A node hears this.
    pub(super) fn deliver(&mut self, to: usize, from: SocketAddr, datagram: Bytes) {
        self.nodes[to].handle(self.now, Input::Datagram { from, datagram });
        self.flush(to);
    }

    /// A node's application says something, if it may.
    pub(super) fn say(&mut self, who: usize, level: Level, payload: Bytes) -> bool {
        let may = !self.dead[who] && self.nodes[who].has_room();
        let said = may && self.nodes[who].send(self.now, payload, level, Addressing::default()).is_ok();
        self.said[who] += u64::from(said);
        self.flush(who);
        said
    }

    /// So much time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let timers = (0..NODES).filter(|at| *at < self.nodes.len() && !self.dead[*at]);
            let timer = timers.filter_map(|at| Some((self.nodes[at].poll_timeout()?, at))).min();
            let flight = self.flying.front().map(|flight| flight.at);
            match (flight, timer) {
                (Some(at), timer) if at <= until && timer.is_none_or(|(other, _)| at <= other) => {
                    let Flight { at, to, from, datagram } = self.flying.pop_front().expect("just seen");
                    self.now = self.now.max(at);
                    if !self.dead[to] {
                        self.deliver(to, from, datagram);
                    }
                }
                (_, Some((at, who))) if at <= until => {
                    self.now = self.now.max(at);
                    self.nodes[who].handle(self.now, Input::Tick);
                    self.flush(who);
                }
                _ => break,
            }
            if self.endless {
                break;
            }
        }
        self.now = until;
    }

    /// The node dies, and the others notice at once.
    pub(super) fn kill(&mut self, who: usize) {
        self.dead[who] = true;
        self.flying.retain(|flight| flight.to != who);
        let uid = self.nodes[who].uid();
        let process = gms_check::Uid { node: uid.node.0, incarnation: uid.incarnation };
        let event = gms_check::Event::Crash;
        self.checker.record(&gms_check::Record { at_us: self.now.as_nanos() / 1000, process, event });
        for other in (0..NODES).filter(|other| !self.dead[*other]).collect::<Vec<_>>() {
            self.nodes[other].closed(self.now, address(who));
            self.flush(other);
        }
    }

    /// If the group waits for another lineage, its operator discards that one, as `gms-cli merge` does. Says whether it
    /// did.
    pub(super) fn keep_only_this_lineage(&mut self) -> bool {
        let waits = |node: &Node| matches!(node.blocked(), Some(Blocked::Unsettled { why: Unsettled::Rival(_) }));
        let alive: Vec<usize> = (0..NODES).filter(|at| !self.dead[*at]).collect();
        if !alive.iter().any(|at| waits(&self.nodes[*at])) {
            return false;
        }
        for at in alive {
            self.nodes[at].merge(self.now, self.gid);
            self.flush(at);
        }
        self.pass(Duration::from_secs(2));
        true
    }

    /// Whether `who` has been told that its own message, the last one of several, is in the order.
    pub(super) fn has_ordered(&self, who: usize) -> bool {
        self.events[who].iter().any(|event| matches!(event, Event::Outcome { outcome: Outcome::Ordered { .. }, .. }))
    }

    /// Whether `who` has been told this.
    pub(super) fn has_heard(&self, who: usize, payload: &[u8]) -> bool {
        self.events[who].iter().any(|event| matches!(event, Event::Message(message) if message.payload == payload))
    }

    /// Writes down what is not the nodes' own doing.
    pub(super) fn note(&mut self, kind: &str) {
        let uid = self.nodes[0].uid();
        let process = gms_check::Uid { node: uid.node.0, incarnation: uid.incarnation };
        let event = gms_check::Event::Fault { kind: kind.to_owned() };
        self.checker.record(&gms_check::Record { at_us: self.now.as_nanos() / 1000, process, event });
    }

    /// What the checker says of all of it.
    pub(super) fn judge(self) -> Report {
        self.checker.finish()
    }

    /// What a node has to say goes to the others, and to the checker.
    fn flush(&mut self, who: usize) {
        let mut out = Vec::new();
        let mut trains = 0;
        while let Some(transmit) = self.nodes[who].poll_transmit(self.now, 16, &mut out) {
            trains += 1;
            for datagram in out.chunks(transmit.segment_size).map(Bytes::copy_from_slice) {
                self.sent += 1;
                self.carry(who, transmit.destination, &datagram);
                if self.seen.len() == SEEN {
                    self.seen.pop_front();
                }
                self.seen.push_back(datagram);
            }
            out.clear();
            if trains > ENDLESS {
                self.endless = true;
                break;
            }
        }
        self.nodes[who].poll_events(&mut self.events[who], usize::MAX);
        while let Some(record) = self.nodes[who].poll_trace(self.now) {
            self.checker.record(&record);
        }
        self.checker.record(&self.nodes[who].memory_trace(self.now));
    }

    fn carry(&mut self, from: usize, to: Destination, datagram: &Bytes) {
        if datagram.len() > MTU && !matches!(to, Destination::Stream(_)) {
            return;
        }
        for other in (0..self.nodes.len()).filter(|other| *other != from && !self.dead[*other]) {
            let wanted = match to {
                Destination::Data => !self.nodes[other].is_leader(),
                Destination::Control => true,
                Destination::Unicast(at) | Destination::Stream(at) => at == address(other),
            };
            if wanted {
                let (at, from, datagram) = (self.now + HOP, address(from), datagram.clone());
                self.flying.push_back(Flight { at, to: other, from, datagram });
            }
        }
    }
}

/// What each node is in.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            let view = node.view().map_or("no view".to_owned(), |view| format!("view {view}"));
            let dead = if self.dead[index] { ", dead" } else { "" };
            let (progress, blocked) = (node.progress(), node.blocked().map(ToString::to_string));
            writeln!(f, "  {}{dead}: {view}; {progress:?}, {blocked:?}\n    {:?}", node.uid(), node.stats())?;
        }
        Ok(())
    }
}
