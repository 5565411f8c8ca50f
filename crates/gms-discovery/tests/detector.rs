//! Detectors on a simulated network: beats and checks are lost, late, cut; processes die and pause.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use gms_discovery::{
    Check, CheckKind, Detector, DetectorConfig, DetectorError, DetectorEvent, DetectorInput, DetectorTransmit, Standing,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Packet {
    Beat,
    Check(Check<u64>),
}

/// Some processes that all watch each other. Beats are sent every `interval`, `jitter` percent sooner or later.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    config: DetectorConfig,
    now: Duration,
    nodes: BTreeMap<u64, Detector<u64>>,
    beats: BTreeMap<u64, Duration>,
    flying: BTreeMap<(Duration, u64), (u64, u64, Packet)>,
    seq: u64,
    random: u64,
    jitter: u64,
    beat_loss: u64,
    check_loss: u64,
    cut: BTreeSet<(u64, u64)>,
    events: Vec<(Duration, u64, DetectorEvent<u64>)>,
    checks: u64,
}

impl World {
    fn new(config: DetectorConfig, n: u64) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            nodes: (0..n).map(|id| (id, Detector::new(config.clone(), id).unwrap())).collect(),
            beats: (0..n).map(|id| (id, config.interval * id as u32 / n as u32)).collect(),
            config,
            flying: BTreeMap::new(),
            seq: 0,
            random: 7,
            jitter: 0,
            beat_loss: 0,
            check_loss: 0,
            cut: BTreeSet::new(),
            events: Vec::new(),
            checks: 0,
        };
        for (id, node) in &mut world.nodes {
            (0..n).filter(|other| other != id).for_each(|other| node.watch(Duration::ZERO, other));
        }
        world
    }

    /// SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn send(&mut self, from: u64, to: u64, packet: Packet) {
        let loss = if packet == Packet::Beat { self.beat_loss } else { self.check_loss };
        self.checks += u64::from(packet != Packet::Beat);
        if self.below(100) < loss || self.cut.contains(&(from, to)) {
            return;
        }
        self.seq += 1;
        self.flying.insert((self.now + MS, self.seq), (from, to, packet));
    }

    fn drain(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        while let Some(event) = node.poll_event() {
            self.events.push((self.now, id, event));
        }
        let sent: Vec<_> = std::iter::from_fn(|| node.poll_transmit()).collect();
        for DetectorTransmit { to, check } in sent {
            let check = Check::decode(&check.encode().unwrap()).unwrap();
            self.send(id, to, Packet::Check(check));
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self.nodes.iter().filter_map(|(id, node)| Some((node.poll_timeout()?, *id))).min();
            let beat = self.beats.iter().map(|(id, at)| (*at, *id)).min();
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let next = [arrival, beat.map(|(at, _)| at), timer.map(|(at, _)| at)];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if arrival == Some(at) {
                let (_, (from, to, packet)) = self.flying.pop_first().unwrap();
                let Some(node) = self.nodes.get_mut(&to) else { continue };
                match packet {
                    Packet::Beat => node.heard(self.now, from),
                    Packet::Check(check) => node.handle(self.now, DetectorInput::Received { from, check }),
                }
                self.drain(to);
            } else if let Some((_, id)) = beat.filter(|(due, _)| *due == at) {
                let others: Vec<u64> = self.nodes.keys().copied().filter(|other| *other != id).collect();
                others.into_iter().for_each(|other| self.send(id, other, Packet::Beat));
                let spread = self.config.interval.as_micros() as u64 * self.jitter / 100;
                let random = self.below(2 * spread + 1);
                let next = self.now + self.config.interval + Duration::from_micros(random);
                self.beats.insert(id, next - Duration::from_micros(spread));
            } else if let Some((_, id)) = timer {
                self.nodes.get_mut(&id).unwrap().tick(self.now);
                self.drain(id);
            }
        }
        self.now = end;
    }

    fn kill(&mut self, id: u64) {
        self.nodes.remove(&id);
        self.beats.remove(&id);
    }

    fn suspicions(&self) -> Vec<(Duration, u64, u64)> {
        let suspected = |(at, by, event): &_| match event {
            DetectorEvent::Suspected { id, .. } => Some((*at, *by, *id)),
            _ => None,
        };
        self.events.iter().filter_map(suspected).collect()
    }
}

fn profiles() -> [DetectorConfig; 3] {
    [DetectorConfig::local(), DetectorConfig::lan(), DetectorConfig::wan()]
}

fn events(detector: &mut Detector<u64>) -> Vec<DetectorEvent<u64>> {
    std::iter::from_fn(|| detector.poll_event()).collect()
}

fn sent(detector: &mut Detector<u64>) -> Vec<DetectorTransmit<u64>> {
    std::iter::from_fn(|| detector.poll_transmit()).collect()
}

#[test]
fn regular_beats_are_never_even_verified() {
    for config in profiles() {
        let mut world = World::new(config, 3);
        world.run(HOUR);
        assert_eq!((world.events.len(), world.checks), (0, 0));
    }
}

#[test]
fn jitter_of_half_an_interval_is_never_even_verified() {
    for config in profiles() {
        let mut world = World::new(config, 3);
        world.jitter = 50;
        world.run(HOUR);
        assert_eq!((world.events.len(), world.checks), (0, 0));
    }
}

#[test]
fn with_30_percent_of_the_beats_lost_nobody_is_suspected() {
    let mut world = World::new(DetectorConfig::lan(), 5);
    (world.jitter, world.beat_loss) = (20, 30);
    world.run(HOUR); // 36,000 beats on each of 20 ways
    assert_eq!(world.suspicions(), []);
    let verified = world.events.iter().filter(|(.., event)| matches!(event, DetectorEvent::Verify { .. })).count();
    assert!(verified > 0 && verified < 20 * 3600 / 10, "the verify step had work, but little: {verified}");
    for node in world.nodes.values() {
        for (_, health) in node.peers() {
            assert!(health.bound > MS * 500 && health.bound < MS * 1_000, "{health:?}");
        }
    }
}

/// False suspicions of five processes in an hour: of 720,000 beats.
fn false_suspicions(config: DetectorConfig, loss: u64) -> (usize, World) {
    let mut world = World::new(config, 5);
    (world.jitter, world.beat_loss, world.check_loss) = (20, loss, loss);
    world.run(HOUR);
    (world.suspicions().len(), world)
}

#[test]
fn with_10_percent_of_everything_lost_nobody_is_suspected() {
    assert_eq!(false_suspicions(DetectorConfig::lan(), 10).0, 0);
}

#[test]
fn with_30_percent_of_everything_lost_suspicions_are_rare_and_withdrawn() {
    let (rate, mut world) = false_suspicions(DetectorConfig::lan(), 30);
    let (patient, _) = false_suspicions(DetectorConfig { probes: 5, ..DetectorConfig::lan() }, 30);
    println!("false suspicions at 30 % loss in 20 peer hours: {rate}, with 5 + 5 checks: {patient}");
    assert!(rate < 80, "{rate} of 720,000 beats");
    assert!(patient < 8, "{patient} of 720,000 beats");
    (world.beat_loss, world.check_loss) = (0, 0);
    world.run(SECOND);
    assert!(world.nodes.values().all(|node| node.peers().all(|(_, h)| h.standing == Standing::Trusted)));
}

#[test]
fn a_dead_peer_is_suspected_within_the_floor_and_the_verification() {
    for config in profiles() {
        let mut world = World::new(config.clone(), 4);
        world.jitter = 10;
        world.run(SECOND * 600);
        world.kill(3);
        let died = world.now;
        world.run(SECOND * 60);
        let suspicions = world.suspicions();
        assert_eq!(suspicions.len(), 3, "each of the others once");
        for (at, _, id) in suspicions {
            assert_eq!(id, 3);
            let took = at - died;
            let bound = config.floor.max(config.interval * config.beats);
            assert!(took <= bound + config.verification() + MS, "{took:?}");
            assert!(took >= bound - config.interval * 11 / 10 - MS, "{took:?}");
        }
        let quiet = world.checks;
        world.run(SECOND * 600);
        assert_eq!(world.checks, quiet, "the suspected are not asked again");
    }
}

#[test]
fn a_verification_is_two_direct_and_two_indirect_checks_20_ms_apart() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    (1..=4).for_each(|id| one.watch(Duration::ZERO, id));
    one.heard(MS * 300, 2);
    one.heard(MS * 350, 3);
    one.heard(MS * 400, 4);
    let to = |to, kind| DetectorTransmit { to, check: Check { kind, asker: 0, target: 1 } };
    one.tick(MS * 499);
    assert_eq!(sent(&mut one), []);
    one.tick(MS * 500);
    assert_eq!(sent(&mut one), [to(1, CheckKind::Ping), to(4, CheckKind::Relay)]);
    assert_eq!(one.poll_timeout(), Some(MS * 520));
    one.tick(MS * 520);
    assert_eq!(sent(&mut one), [to(1, CheckKind::Ping), to(3, CheckKind::Relay)]);
    assert_eq!(one.poll_timeout(), Some(MS * 570));
    one.tick(MS * 570);
    let suspected = DetectorEvent::Suspected { id: 1, silent_for: MS * 570 };
    assert_eq!(events(&mut one), [DetectorEvent::Verify { id: 1 }, suspected]);
    one.heard(MS * 600, 1);
    assert_eq!(events(&mut one), [DetectorEvent::Trusted { id: 1, through: None }]);
    assert_eq!(one.health(1).unwrap().bound, MS * 500, "the absence is no usual gap");
}

#[test]
fn a_peer_that_answers_only_through_others_is_not_suspected() {
    for ways in [vec![(1, 0)], vec![(1, 0), (0, 1)]] {
        let mut world = World::new(DetectorConfig::lan(), 3);
        world.run(SECOND * 10);
        world.cut.extend(ways);
        world.run(SECOND * 60);
        assert_eq!(world.suspicions(), []);
        let through = DetectorEvent::Trusted { id: 1, through: Some(2) };
        assert!(world.events.iter().any(|(_, by, event)| *by == 0 && *event == through));
        world.kill(1);
        world.run(SECOND * 2);
        assert_eq!(world.suspicions().len(), 2, "both others, once it is dead");
    }
}

#[test]
fn a_hint_starts_the_verification_at_once() {
    let mut world = World::new(DetectorConfig::lan(), 3);
    world.run(SECOND);
    let doubt = |world: &mut World, id| {
        let now = world.now;
        world.nodes.get_mut(&0).unwrap().handle(now, DetectorInput::Doubt(id));
        world.drain(0);
        world.run(MS * 80);
    };
    doubt(&mut world, 1); // a wrong one
    assert_eq!(world.suspicions(), []);
    assert_eq!(world.events.last().unwrap().2, DetectorEvent::Trusted { id: 1, through: None });
    world.kill(1);
    let died = world.now;
    world.run(MS * 5); // what it sent last has arrived
    doubt(&mut world, 1);
    assert_eq!(world.suspicions(), [(died + MS * 75, 0, 1)]);
}

#[test]
fn the_bound_grows_with_the_gaps_and_is_capped() {
    /// Beats after these gaps in turn, 200 in all, and ticks in between.
    fn feed(one: &mut Detector<u64>, now: &mut Duration, gaps: [u32; 2]) -> Duration {
        for gap in gaps.repeat(100) {
            *now += MS * gap;
            while let Some(at) = one.poll_timeout().filter(|at| at < now) {
                one.tick(at);
            }
            one.heard(*now, 1);
        }
        one.health(1).unwrap().bound
    }
    for (cap, grown) in [(3_000, 800), (700, 700)] {
        let mut one = Detector::new(DetectorConfig { cap: MS * cap, ..DetectorConfig::lan() }, 0).unwrap();
        let mut now = Duration::ZERO;
        one.watch(now, 1);
        assert_eq!(feed(&mut one, &mut now, [100, 100]), MS * 500);
        assert_eq!(feed(&mut one, &mut now, [100, 300]), MS * grown, "mean 200 + 6 * 100");
        assert_eq!(feed(&mut one, &mut now, [100, 200]), MS * 500, "mean 150 + 6 * 50 is below the floor");
        assert_eq!(events(&mut one), []);
    }
}

#[test]
fn after_a_pause_of_its_own_a_detector_blames_nobody() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    one.watch(Duration::ZERO, 1);
    one.watch(Duration::ZERO, 2);
    // Half the floor late is still late beats; more is a pause.
    let mut late = one.clone();
    late.tick(MS * 750);
    assert_eq!(events(&mut late), [DetectorEvent::Verify { id: 1 }, DetectorEvent::Verify { id: 2 }]);
    for first in [DetectorInput::Tick, DetectorInput::Heard(1)] {
        let mut paused = one.clone();
        paused.handle(MS * 751, first);
        assert_eq!(events(&mut paused), [DetectorEvent::Paused { late: MS * 251 }]);
        assert_eq!(paused.poll_timeout(), Some(MS * 1251));
        assert_eq!(paused.health(1).unwrap().bound, MS * 500);
    }
    // In the middle of a verification: it begins anew.
    late.tick(MS * 2_000);
    let mut now = MS * 2_000;
    let mut told = events(&mut late);
    while let Some(at) = late.poll_timeout() {
        now = at;
        late.tick(at);
        told.extend(events(&mut late));
    }
    assert_eq!(now, MS * 2_070);
    assert!(matches!(
        told[..],
        [DetectorEvent::Paused { .. }, DetectorEvent::Suspected { id: 1, .. }, DetectorEvent::Suspected { id: 2, .. }]
    ));
}

#[test]
fn a_process_stopped_for_a_minute_suspects_nobody_when_it_goes_on() {
    let mut world = World::new(DetectorConfig::lan(), 3);
    world.run(SECOND * 10);
    let stopped = world.nodes.remove(&0).unwrap();
    world.beats.remove(&0);
    world.run(SECOND * 60);
    world.nodes.insert(0, stopped);
    world.beats.insert(0, world.now);
    world.events.clear();
    world.run(SECOND * 60);
    let [(_, _, first), rest @ ..] = &world.events[..] else { panic!("no events") };
    assert!(
        world.events.iter().all(|(_, by, e)| *by != 0 || matches!(e, DetectorEvent::Paused { .. })),
        "{first:?} {rest:?}"
    );
    assert_eq!(world.suspicions(), []);
    let back = world.events.iter().filter(|(.., e)| *e == DetectorEvent::Trusted { id: 0, through: None }).count();
    assert_eq!(back, 2, "the others take it back");
}

#[test]
fn checks_are_answered_by_whom_they_mean_and_passed_on_once() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    let mut answer = |from, kind, asker, target| {
        one.handle(MS, DetectorInput::Received { from, check: Check { kind, asker, target } });
        sent(&mut one).into_iter().map(|t| (t.to, t.check.kind, t.check.asker, t.check.target)).collect::<Vec<_>>()
    };
    use CheckKind::{Ping, Pong, Relay};
    assert_eq!(answer(5, Ping, 5, 0), [(5, Pong, 5, 0)]);
    assert_eq!(answer(6, Ping, 5, 0), [(6, Pong, 5, 0)], "back the way it came");
    assert_eq!(answer(5, Ping, 5, 9), [], "an address that was another's");
    assert_eq!(answer(5, Relay, 5, 6), [(6, Ping, 5, 6)]);
    assert_eq!(answer(6, Pong, 5, 6), [(5, Pong, 5, 6)]);
    assert_eq!(answer(5, Relay, 5, 0), [(5, Pong, 5, 0)]);
    assert_eq!(answer(7, Relay, 5, 6), [], "only for oneself");
    assert_eq!(answer(5, Relay, 5, 5), []);
    assert_eq!(answer(7, Pong, 5, 6), [], "passed on once, not twice");
    assert_eq!(answer(0, Ping, 0, 0), [], "own messages");
    assert_eq!(one.poll_timeout(), None, "and nobody is watched for it");
}

#[test]
fn who_is_not_watched_any_more_is_not_reported() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    one.watch(Duration::ZERO, 0);
    assert_eq!(one.peers().len(), 0, "never oneself");
    one.watch(Duration::ZERO, 1);
    one.watch(Duration::ZERO, 2);
    one.tick(MS * 500);
    events(&mut one);
    one.unwatch(MS * 510, 1);
    assert!(sent(&mut one).iter().all(|t| t.check.target == 2));
    one.unwatch(MS * 510, 2);
    assert_eq!(one.poll_timeout(), None);
    one.tick(SECOND * 10);
    assert_eq!((events(&mut one), sent(&mut one)), (vec![], vec![]));
}

#[test]
fn watching_again_or_a_step_back_of_the_clock_changes_nothing() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    one.watch(SECOND, 1);
    let before = one.clone();
    one.watch(SECOND, 1);
    one.tick(Duration::ZERO);
    assert_eq!(one, before);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let new = |config| Detector::new(config, 0u64).map(drop);
    let lan = DetectorConfig::lan;
    let window = |window| new(DetectorConfig { window, ..lan() });
    assert_eq!((window(1), window(1000)), (Ok(()), Ok(())));
    assert_eq!((window(0), window(1001)), (Err(DetectorError::Window(0)), Err(DetectorError::Window(1001))));
    let cap = |cap| new(DetectorConfig { cap, ..lan() });
    assert_eq!((cap(MS * 500), cap(SECOND * 60)), (Ok(()), Ok(())));
    assert!(cap(MS * 499).is_err() && cap(SECOND * 60 + MS).is_err());
    assert_eq!(new(DetectorConfig { probes: 0, ..lan() }).unwrap_err().to_string(), "probes is 0: set it to more");
    assert!(profiles().into_iter().all(|config| new(config).is_ok()));
    assert_eq!(DetectorConfig::default(), lan());
}

#[test]
fn a_peer_that_comes_back_and_dies_again_is_suspected_again() {
    let mut one = Detector::new(DetectorConfig::lan(), 0).unwrap();
    one.watch(Duration::ZERO, 1);
    for back in [MS * 1_000, MS * 5_000] {
        while let Some(at) = one.poll_timeout() {
            one.tick(at);
        }
        let told = events(&mut one);
        assert!(matches!(told.last(), Some(DetectorEvent::Suspected { id: 1, .. })), "{told:?}");
        one.heard(back, 1);
        assert_eq!(events(&mut one), [DetectorEvent::Trusted { id: 1, through: None }]);
        assert_eq!(one.poll_timeout(), Some(back + MS * 500));
    }
}

#[test]
fn the_largest_times_overflow_nothing() {
    let most = DetectorConfig {
        beats: u32::MAX,
        deviations: u32::MAX,
        probe_every: Duration::MAX,
        probe_wait: Duration::MAX,
        ..DetectorConfig::lan()
    };
    assert_eq!(most.verification(), Duration::MAX);
    let mut one = Detector::new(most, 0).unwrap();
    one.watch(Duration::ZERO, 1);
    for step in 1..50 {
        one.heard(MS * 100 * step * (1 + step % 2), 1);
    }
    one.handle(SECOND * 10, DetectorInput::Doubt(1));
    one.tick(Duration::MAX);
    one.heard(Duration::MAX, 1);
    assert_eq!(one.health(1).unwrap().bound, SECOND * 3);
}

#[test]
fn equal_histories_make_equal_machines() {
    let run = || {
        let mut world = World::new(DetectorConfig::lan(), 4);
        (world.jitter, world.beat_loss, world.check_loss) = (50, 20, 20);
        world.run(SECOND * 60);
        world
    };
    let (a, b) = (run(), run());
    assert_eq!(a, b);
    let hash = |world: &World| {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&a), hash(&b));
}
