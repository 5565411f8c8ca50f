//! A simulated network of elections: loses, repeats and overtakes; all that is sent passes through bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gms_election::{Destination, Election, ElectionConfig, Electorate, Event, Input, Message, Rank, Round};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Due {
    Arrival { to: u64, from: u64, body: Vec<u8> },
    Order { to: u64, input: Input<u64> },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: BTreeMap<u64, Election<u64>>,
    pub(crate) members: Vec<u64>,
    due: BTreeMap<(Duration, u64), Due>,
    count: u64,
    random: u64,
    /// In percent.
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    /// Longest delay in milliseconds; the shortest is 1.
    pub(crate) delay: u64,
    /// Datagrams, one for each that a message is sent to.
    pub(crate) sent: u64,
    pub(crate) events: Vec<(Duration, u64, Event<u64>)>,
    /// Whom anybody has accepted for a round.
    pub(crate) rounds: BTreeMap<Round, u64>,
}

impl World {
    pub(crate) fn new(electorate: &Electorate<u64>, rank: &Rank<u64>, seed: u64) -> Self {
        let members = electorate.members.clone();
        let node = |id: &u64| {
            let election = Election::new(ElectionConfig::default(), *id, electorate, rank.clone(), seed ^ *id);
            (*id, election.unwrap())
        };
        Self {
            now: Duration::ZERO,
            nodes: members.iter().map(node).collect(),
            members,
            due: BTreeMap::new(),
            count: 0,
            random: seed,
            loss: 0,
            twice: 0,
            delay: 1,
            sent: 0,
            events: Vec::new(),
            rounds: BTreeMap::new(),
        }
    }

    pub(crate) fn pick(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn put(&mut self, at: Duration, due: Due) {
        self.count += 1;
        self.due.insert((at, self.count), due);
    }

    pub(crate) fn input_at(&mut self, at: Duration, to: u64, input: Input<u64>) {
        self.put(at, Due::Order { to, input });
    }

    pub(crate) fn input(&mut self, id: u64, input: Input<u64>) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.handle(now, input);
        let sent: Vec<_> = std::iter::from_fn(|| node.poll_transmit()).collect();
        while let Some(event) = node.poll_event() {
            self.events.push((now, id, event));
            let (leader, round) = match event {
                Event::Elected { leader, round } => (leader, round),
                Event::Won { round } => (id, round),
                Event::GaveUp { .. } => continue,
            };
            assert_eq!(*self.rounds.entry(round).or_insert(leader), leader, "two leaders in round {round}");
        }
        for transmit in sent {
            let to = match transmit.to {
                Destination::One(to) => vec![to],
                Destination::All => self.members.iter().copied().filter(|to| *to != id).collect(),
            };
            for to in to {
                self.sent += 1;
                self.carry(id, to, transmit.message);
            }
        }
    }

    fn carry(&mut self, from: u64, to: u64, message: Message) {
        let copies = 1 + u64::from(self.pick(100) < self.twice);
        for _ in 0..copies {
            if self.pick(100) >= self.loss {
                let at = self.now + ms(1 + self.pick(self.delay));
                self.put(at, Due::Arrival { to, from, body: message.encode() });
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self.nodes.iter().filter_map(|(id, node)| Some((node.poll_timeout()?, *id))).min();
            let due = self.due.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = due.into_iter().chain(timer.map(|(at, _)| at)).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if due == Some(at) {
                match self.due.pop_first().unwrap().1 {
                    Due::Arrival { to, from, body } => {
                        let message = Message::decode(&body).unwrap();
                        self.input(to, Input::Received { from, message });
                    }
                    Due::Order { to, input } => self.input(to, input),
                }
            } else if let Some((_, id)) = timer {
                self.input(id, Input::Tick);
            }
        }
        self.now = end;
    }

    pub(crate) fn kill(&mut self, id: u64) {
        self.nodes.remove(&id);
    }

    pub(crate) fn start_all(&mut self) {
        self.members.clone().into_iter().for_each(|id| self.input(id, Input::Start));
    }

    /// Whom the live processes follow.
    pub(crate) fn leaders(&self) -> BTreeSet<Option<u64>> {
        self.nodes.values().map(|node| node.leader().map(|(leader, _)| leader)).collect()
    }

    pub(crate) fn follows_only(&self, leader: u64) -> bool {
        self.leaders() == BTreeSet::from([Some(leader)])
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.due.is_empty() && self.nodes.values().all(|node| node.poll_timeout().is_none())
    }
}
