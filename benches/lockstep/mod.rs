//! A leader and a follower driven by hand, for the bench of single steps.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Addressing, Config, Destination, Event, Input, Level, Member, Start, Time, Uid};

/// Datagrams of one burst, in trains.
pub(crate) type Trains = Vec<(Destination, Vec<Bytes>)>;

/// Two members in one view, both voters.
pub(crate) struct Pair {
    /// The time both are told.
    pub(crate) now: Time,
    /// Stamps.
    pub(crate) leader: Member,
    /// Forwards and stores.
    pub(crate) follower: Member,
}

fn address(node: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8], 7000))
}

/// All that `member` wants to send now.
pub(crate) fn transmit(member: &mut Member, now: Time) -> Trains {
    let mut trains = Trains::new();
    let mut buffer = Vec::with_capacity(64 << 10);
    while let Some(train) = member.poll_transmit(now, 46, &mut buffer) {
        let whole = Bytes::from(std::mem::replace(&mut buffer, Vec::with_capacity(64 << 10)));
        let datagrams = (0..whole.len())
            .step_by(train.segment_size)
            .map(|at| whole.slice(at..whole.len().min(at + train.segment_size)));
        trains.push((train.destination, datagrams.collect()));
    }
    trains
}

/// Hands all datagrams of `trains` to `member`.
pub(crate) fn receive(member: &mut Member, now: Time, from: u64, trains: &Trains) {
    for (_, datagrams) in trains {
        for datagram in datagrams {
            member.handle(now, Input::Datagram { from: address(from), datagram: datagram.clone() });
        }
    }
}

/// Takes and counts the messages that `member` can deliver.
pub(crate) fn deliver(member: &mut Member, events: &mut Vec<Event>) -> usize {
    events.clear();
    member.poll_events(events, usize::MAX);
    events.iter().filter(|event| matches!(event, Event::Message(_))).count()
}

impl Pair {
    /// Creates the group and lets the follower in.
    pub(crate) fn new() -> Self {
        let config = |node: u64| {
            let mut config = Config::new("bench", Uid::new(node, node + 100), address(node));
            (config.budget, config.pending) = (64 << 20, 64 << 20);
            config
        };
        let now = Time::ZERO;
        let leader = Member::new(config(0), Start::Create, now).expect("settings");
        let follower = Member::new(config(1), Start::Join(vec![address(0)]), now).expect("settings");
        let mut pair = Self { now, leader, follower };
        while pair.leader.view().is_none_or(|view| view.voters().count() < 2) {
            pair.exchange(Duration::from_millis(1));
        }
        (0..50).for_each(|_| pair.exchange(Duration::from_millis(1)));
        pair
    }

    /// A round of everything, after which nothing is under way.
    pub(crate) fn exchange(&mut self, after: Duration) {
        self.now = self.now + after;
        self.follower.handle(self.now, Input::Tick);
        self.leader.handle(self.now, Input::Tick);
        for _ in 0..4 {
            let trains = transmit(&mut self.follower, self.now);
            receive(&mut self.leader, self.now, 1, &trains);
            let trains = transmit(&mut self.leader, self.now);
            receive(&mut self.follower, self.now, 0, &trains);
        }
        let mut events = Vec::new();
        deliver(&mut self.leader, &mut events);
        deliver(&mut self.follower, &mut events);
    }

    /// FORWARD trains of `count` fresh messages of the follower.
    pub(crate) fn forwards(&mut self, count: usize, payload: &Bytes) -> Trains {
        for _ in 0..count {
            let sent = self.follower.send(self.now, payload.clone(), Level::Agreed, Addressing::default());
            sent.expect("room for a burst");
        }
        transmit(&mut self.follower, self.now)
    }
}
