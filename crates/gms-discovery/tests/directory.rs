//! Directories on a simulated network: all that is sent passes through its bytes, and multicasts come
//! back to their sender.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use gms_discovery::{
    Departure, Destination, Directory, DirectoryConfig, DirectoryError, Entry, Event, Input, Message, NAME_LIMIT,
};

const DELAY: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);

fn address(node: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, (node / 200) as u8, 1 + (node % 200) as u8], 7000))
}

fn entry(node: u64) -> Entry<u64> {
    Entry::new(node, 1, address(node), format!("server-{node}"))
}

#[derive(Clone, PartialEq, Debug, Default)]
struct World {
    now: Duration,
    nodes: BTreeMap<u64, Directory<u64>>,
    flying: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    datagrams: u64,
    events: Vec<(Duration, u64, Event<u64>)>,
    /// Drops this many multicasts on their way to the others.
    drop: u64,
}

impl World {
    fn start(&mut self, node: u64) {
        let directory = Directory::new(DirectoryConfig::default(), entry(node), self.now).unwrap();
        self.nodes.insert(node, directory);
        self.drain(node);
    }

    fn of(nodes: impl IntoIterator<Item = u64>) -> Self {
        let mut world = Self::default();
        nodes.into_iter().for_each(|node| world.start(node));
        world.run(SECOND * 2);
        world
    }

    fn input(&mut self, node: u64, input: Input<u64>) {
        let now = self.now;
        self.nodes.get_mut(&node).unwrap().handle(now, input);
        self.drain(node);
    }

    fn drain(&mut self, node: u64) {
        let directory = self.nodes.get_mut(&node).unwrap();
        let source = directory.me().address;
        while let Some(event) = directory.poll_event() {
            self.events.push((self.now, node, event));
        }
        let sent: Vec<_> = std::iter::from_fn(|| directory.poll_transmit()).collect();
        for transmit in sent {
            let body = transmit.message.encode().unwrap();
            let to = match transmit.destination {
                Destination::One(to) => vec![to],
                Destination::All if self.drop > 0 => {
                    self.drop -= 1;
                    vec![]
                }
                Destination::All => self.nodes.keys().map(|node| address(*node)).collect(),
            };
            self.datagrams += 1;
            for to in to {
                let seq = self.flying.last_key_value().map_or(0, |((_, seq), _)| seq + 1);
                self.flying.insert((self.now + DELAY, seq), (source, to, body.clone()));
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self.nodes.iter().filter_map(|(node, d)| Some((d.poll_timeout()?, *node))).min();
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let at = arrival.into_iter().chain(timer.map(|(at, _)| at)).min().unwrap_or(end);
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            if arrival == Some(at) {
                let (_, (source, to, body)) = self.flying.pop_first().unwrap();
                let node = self.nodes.keys().copied().find(|node| address(*node) == to);
                if let Some(node) = node {
                    let message = Message::decode(&body).unwrap();
                    self.input(node, Input::Received { source, message });
                }
            } else if let Some((_, node)) = timer {
                self.input(node, Input::Tick);
            } else {
                break;
            }
        }
        self.now = end;
    }

    fn knows(&self, node: u64) -> Vec<u64> {
        self.nodes[&node].servers().map(|known| known.entry.id).collect()
    }
}

fn received(message: Message<u64>) -> Input<u64> {
    Input::Received { source: address(99), message }
}

fn directory(config: DirectoryConfig) -> Directory<u64> {
    let mut directory = Directory::new(config, entry(0), Duration::ZERO).unwrap();
    while directory.poll_transmit().is_some() {}
    directory
}

fn events(directory: &mut Directory<u64>) -> Vec<Event<u64>> {
    std::iter::from_fn(|| directory.poll_event()).collect()
}

#[test]
fn a_newcomer_and_the_others_know_each_other_within_one_round_trip() {
    let mut world = World::of(0..9);
    world.start(9);
    world.run(DELAY * 2);
    assert_eq!(world.knows(9), (0..9).collect::<Vec<_>>());
    for node in 0..9 {
        assert_eq!(world.knows(node).len(), 9, "server {node}");
    }
}

#[test]
fn servers_started_at_the_same_instant_find_each_other() {
    let mut world = World::default();
    (0..10).for_each(|node| world.start(node)); // the first probes reach only those already there
    world.run(DELAY * 2);
    assert!((0..10).all(|node| world.knows(node).len() == 9));
}

#[test]
fn a_dead_server_is_forgotten_after_30_s_and_a_sweep_and_a_live_one_never() {
    let mut world = World::of(0..3);
    world.run(SECOND * 3600);
    world.nodes.remove(&2);
    world.events.clear();
    let died = world.now;
    world.run(SECOND * 3600);
    assert_eq!(world.events.len(), 2, "{:?}", world.events);
    for (at, _, event) in &world.events {
        let Event::Forgotten { entry, why: Departure::Silent(silence) } = event else { panic!("{event:?}") };
        assert_eq!(entry.id, 2);
        assert!(*silence >= SECOND * 30 && *silence < SECOND * 45);
        assert!(*at - died > SECOND * 19 && *at - died < SECOND * 45, "{:?}", *at - died);
    }
    assert_eq!((world.knows(0), world.knows(1)), (vec![1], vec![0]));
}

#[test]
fn a_server_that_leaves_is_forgotten_at_once_and_is_still() {
    let mut world = World::of(0..3);
    world.events.clear();
    world.input(1, Input::Leave);
    assert_eq!(world.nodes[&1].poll_timeout(), None);
    world.run(DELAY);
    let left = Event::Forgotten { entry: entry(1), why: Departure::Left };
    assert_eq!(world.events, [(world.now, 0, left.clone()), (world.now, 2, left)]);
    world.start(3);
    world.run(SECOND * 100);
    assert_eq!(world.knows(3), [0, 2]);
}

#[test]
fn there_is_no_storm() {
    for n in [10u64, 40, 100] {
        let mut world = World::default();
        (0..n).for_each(|node| world.start(node));
        world.run(SECOND * 5);
        // All at once: each is answered by each once, and the repeated probes by nobody (n = 100: by those
        // over the 32 a probe can name).
        let again = if n <= 33 { 0 } else { 2 * (n - 1 - 32) };
        assert!(world.datagrams <= n * (n - 1 + again + 3), "{n}: {}", world.datagrams);

        let before = world.datagrams;
        world.start(n);
        world.run(SECOND * 4);
        assert!(world.datagrams - before <= (n + 1) * 3, "{n}: {}", world.datagrams - before);

        world.run(SECOND * 11);
        let before = world.datagrams;
        world.run(SECOND * 600);
        assert_eq!(world.datagrams - before, (n + 1) * 60, "only announcements");
    }
}

#[test]
fn own_messages_are_ignored() {
    let mut world = World::of([0]);
    world.run(SECOND * 100);
    assert_eq!(world.knows(0), []);
    assert_eq!(world.events, []);
    assert_eq!(world.nodes[&0].stats(), Default::default());
    assert_eq!(world.datagrams, 3 + 10);
}

#[test]
fn a_lost_probe_is_repeated_and_answered_by_those_not_known_yet() {
    let mut world = World::of(0..5);
    world.drop = 2;
    world.start(5);
    world.run(Duration::from_millis(499));
    assert_eq!(world.knows(5), []);
    world.run(DELAY * 3);
    assert_eq!(world.knows(5), [0, 1, 2, 3, 4]);

    let mut one = directory(DirectoryConfig::default());
    let probe = |known: &[u64]| Message::Probe { from: Some(entry(1)), known: known.to_vec() };
    one.handle(SECOND / 10, received(probe(&[3, 0])));
    assert_eq!(one.poll_transmit(), None);
    assert_eq!(events(&mut one), [Event::Appeared(entry(1))]);
    one.handle(SECOND / 10, received(probe(&[3])));
    let reply = one.poll_transmit().unwrap();
    assert_eq!(reply.destination, Destination::One(address(99)), "the origin, not what the entry says");
    assert_eq!(reply.message, Message::ProbeReply(entry(0)));
}

#[test]
fn a_program_that_is_no_server_is_answered_and_not_listed() {
    let mut one = directory(DirectoryConfig::default());
    one.handle(SECOND / 10, received(Message::Probe { from: None, known: vec![] }));
    let reply = one.poll_transmit().unwrap();
    assert_eq!((reply.destination, reply.message), (Destination::One(address(99)), Message::ProbeReply(entry(0))));
    assert_eq!((events(&mut one), one.servers().len()), (vec![], 0));
}

#[test]
fn two_servers_with_one_id_are_both_told() {
    let mut world = World::of([0]);
    let twin = Entry::new(0, 1, address(50), "twin");
    world.nodes.insert(50, Directory::new(DirectoryConfig::default(), twin.clone(), world.now).unwrap());
    world.drain(50);
    world.run(SECOND * 100);
    let told = |node| world.events.iter().filter(|(_, of, _)| *of == node).map(|(.., e)| e.clone()).collect::<Vec<_>>();
    assert_eq!(told(0), [Event::Conflict(twin)]);
    assert_eq!(told(50), [Event::Conflict(entry(0))]);
}

#[test]
fn a_change_is_announced_soon_and_many_changes_not_often() {
    let mut world = World::of(0..2);
    world.events.clear();
    let before = world.datagrams;
    let start = world.now;
    for vid in 1..=1000 {
        let now = start + Duration::from_millis(vid);
        world.run(now - world.now);
        let new = Entry { gid: 5, vid, leader: Some(0), size: 2, ..entry(0) };
        world.nodes.get_mut(&0).unwrap().update(now, new).unwrap();
        world.drain(0);
    }
    world.run(SECOND);
    assert!((10..=12).contains(&(world.datagrams - before)), "{}", world.datagrams - before);
    let (first, _, Event::Changed(_)) = &world.events[0] else { panic!("{:?}", world.events[0]) };
    assert_eq!(*first, start + Duration::from_millis(1) + DELAY);
    assert_eq!(world.nodes[&1].get(0).unwrap().entry.vid, 1000);
}

#[test]
fn an_entry_overtaken_by_a_newer_one_only_counts_as_a_sign_of_life() {
    let mut one = directory(DirectoryConfig::default());
    let at = |gid, vid| Entry { gid, vid, ..entry(1) };
    for (second, new) in [(1, at(5, 7)), (2, at(5, 6)), (3, at(5, 7)), (4, at(0, 0)), (5, at(6, 1))] {
        one.handle(SECOND * second, received(Message::Announce(new)));
    }
    assert_eq!(events(&mut one), [Event::Appeared(at(5, 7)), Event::Changed(at(0, 0)), Event::Changed(at(6, 1))]);
    assert_eq!(one.get(1).unwrap().heard, SECOND * 5);
}

#[test]
fn a_full_directory_refuses_newcomers_and_keeps_those_it_knows() {
    let mut one = directory(DirectoryConfig { servers: 3, ..DirectoryConfig::default() });
    let announce = |one: &mut Directory<u64>, second, ids: std::ops::RangeInclusive<u64>| {
        ids.for_each(|id| one.handle(SECOND * second, received(Message::Announce(entry(id)))));
    };
    announce(&mut one, 1, 1..=3);
    assert_eq!((one.servers().len(), one.stats().refused), (3, 0));
    announce(&mut one, 2, 4..=1000);
    assert_eq!((one.servers().len(), one.stats().refused), (3, 997));
    assert_eq!(events(&mut one).len(), 3);
    for second in 1..60 {
        announce(&mut one, second, 1..=2);
    }
    announce(&mut one, 60, 1..=4);
    assert_eq!(one.servers().map(|known| known.entry.id).collect::<Vec<_>>(), [1, 2, 3], "3 came back in time");
    for second in 60..120 {
        announce(&mut one, second, 1..=2);
    }
    announce(&mut one, 120, 4..=4);
    assert_eq!(one.servers().map(|known| known.entry.id).collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn answers_are_limited_by_the_second() {
    let mut one = directory(DirectoryConfig { replies: 5, probes: 0, ..DirectoryConfig::default() });
    let mut answers = |now: Duration, probes: u64| {
        for _ in 0..probes {
            one.handle(now, received(Message::Probe { from: Some(entry(1)), known: vec![] }));
        }
        let answered = std::iter::from_fn(|| one.poll_transmit()).count() as u64;
        (answered, one.stats().unanswered)
    };
    assert_eq!(answers(SECOND, 5), (5, 0));
    assert_eq!(answers(SECOND + DELAY, 1), (0, 1));
    assert_eq!(answers(SECOND * 2, 6), (5, 2));
}

#[test]
fn entries_nobody_could_use_are_dropped() {
    let mut one = directory(DirectoryConfig::default());
    for text in ["0.0.0.0:7", "10.0.0.1:0", "239.1.1.1:7", "[ff02::1]:7", "[::]:7"] {
        let bad = Entry::new(1, 1, text.parse().unwrap(), "bad");
        assert!(matches!(
            Directory::new(DirectoryConfig::default(), bad.clone(), Duration::ZERO),
            Err(DirectoryError::Address(_))
        ));
        one.handle(SECOND, received(Message::Announce(bad)));
    }
    let named = |len: usize| Entry { name: "n".repeat(len), ..entry(1) };
    one.handle(SECOND, received(Message::Announce(named(NAME_LIMIT + 1))));
    assert_eq!((one.servers().len(), one.stats().unsound), (0, 6));
    one.handle(SECOND, received(Message::Announce(named(NAME_LIMIT))));
    assert_eq!((one.servers().len(), one.stats().unsound), (1, 6));
}

#[test]
fn settings_that_cannot_work_are_named() {
    let new = |config, me| Directory::new(config, me, Duration::ZERO).unwrap_err();
    let good = DirectoryConfig::default;
    assert_eq!(
        new(DirectoryConfig { sweep_every: Duration::ZERO, ..good() }, entry(1)).to_string(),
        "sweep_every is 0: set it to more"
    );
    assert!(matches!(
        new(DirectoryConfig { forget_after: SECOND * 10, ..good() }, entry(1)),
        DirectoryError::Forget { .. }
    ));
    let named = |len: usize| Entry { name: "n".repeat(len), ..entry(1) };
    assert_eq!(new(good(), named(NAME_LIMIT + 1)), DirectoryError::Name(NAME_LIMIT + 1));
    let mut one = Directory::new(good(), named(NAME_LIMIT), Duration::ZERO).unwrap();
    assert_eq!(one.update(Duration::ZERO, entry(2)), Err(DirectoryError::Id));
}

#[test]
fn after_a_pause_of_its_own_a_directory_forgets_nobody_and_asks() {
    let mut one = directory(DirectoryConfig::default());
    one.handle(SECOND, received(Message::Announce(entry(1))));
    while one.poll_transmit().is_some() {}
    one.handle(SECOND * 100, Input::Tick);
    assert_eq!(events(&mut one), [Event::Appeared(entry(1))]);
    assert_eq!(one.stats().pauses, 1);
    let sent: Vec<_> = std::iter::from_fn(|| one.poll_transmit()).map(|t| t.message).collect();
    assert_eq!(sent, [Message::Probe { from: Some(entry(0)), known: vec![] }, Message::Announce(entry(0))]);
    while let Some(at) = one.poll_timeout().filter(|at| *at < SECOND * 150) {
        one.handle(at, Input::Tick);
    }
    assert_eq!(one.servers().len(), 0, "but in time all that do not answer");
}

#[test]
fn the_largest_times_overflow_nothing() {
    let most = DirectoryConfig {
        announce_every: Duration::MAX - SECOND,
        change_gap: Duration::MAX,
        forget_after: Duration::MAX,
        sweep_every: Duration::MAX,
        probe_every: Duration::MAX,
        ..DirectoryConfig::default()
    };
    let mut one = Directory::new(most, entry(0), SECOND).unwrap();
    one.handle(SECOND, received(Message::Probe { from: Some(entry(1)), known: vec![] }));
    one.update(SECOND, Entry { size: 2, ..entry(0) }).unwrap();
    one.handle(Duration::MAX, Input::Tick);
    one.handle(Duration::MAX, Input::Leave);
    assert_eq!(one.servers().len(), 1);
}

#[test]
fn equal_histories_make_equal_machines() {
    let run = || {
        let mut world = World::of(0..7);
        world.nodes.remove(&3);
        world.run(SECOND * 100);
        world
    };
    let (a, b) = (run(), run());
    assert_eq!(a, b);
    let hash = |directory: &Directory<u64>| {
        let mut hasher = DefaultHasher::new();
        directory.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&a.nodes[&1]), hash(&b.nodes[&1].clone()));
}
