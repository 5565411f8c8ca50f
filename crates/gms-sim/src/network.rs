//! The network between the processes, and what was done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::Destination;
use gms_net::{FaultRates, Faults};

use crate::draw::Draw;
use crate::scenario::{NetworkPlan, Shape};

/// A datagram does not arrive again later than this.
pub(crate) const LONGEST_ECHO: Duration = Duration::from_secs(5);

/// Faults injected, by kind.
pub type FaultCounts = BTreeMap<&'static str, u64>;

/// All kinds of faults, but those of [`LINEAGE_FAULT_KINDS`].
pub const FAULT_KINDS: [&str; 30] = [
    "lost",
    "duplicated",
    "held back",
    "again much later",
    "corrupted",
    "overrun",
    "spike",
    "burst of loss",
    "lost by a cut",
    "lost by its kind",
    "pause",
    "struck at a datagram",
    "crash",
    "crash of a leader",
    "restart",
    "connection closed",
    "connection reset",
    "proof of death",
    "cut one-way",
    "cut link",
    "cut deaf",
    "cut mute",
    "cut one off",
    "cut leader off",
    "cut in halves",
    "cut in halves one-way",
    "cut but for a bridge",
    "cut to a ring",
    "multicast cut",
    "multicast of one cut",
];

/// Those that only runs with several lineages have.
pub const LINEAGE_FAULT_KINDS: [&str; 11] = [
    "rift",
    "rift, one side mute",
    "rift, one side deaf",
    "rift but for a bridge",
    "rift to a ring",
    "rift of multicast",
    "forced view",
    "narrow",
    "too long",
    "connection refused",
    "proved by its host",
];

/// Those that only runs have in which not all gets through.
pub const BLAME_FAULT_KINDS: [&str; 1] = ["end of multicast"];

/// What one cut severs.
#[derive(Debug, Default)]
struct Severed {
    /// From and to.
    links: Vec<(SocketAddr, SocketAddr)>,
    /// Who gets no multicast.
    unreached: BTreeSet<SocketAddr>,
}

/// Bytes that get through to a place, and from it, where that is less than usual.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) to: Option<u16>,
    pub(crate) from: Option<u16>,
}

/// The network of a run.
pub(crate) struct Network {
    faults: Faults,
    plan: NetworkPlan,
    /// What arrives again.
    echoes: Draw,
    /// What arrives with flipped bits: which, and how often at present.
    flips: Draw,
    corruption: f64,
    /// Those under way, by the number of cuts before.
    cuts: BTreeMap<usize, Severed>,
    cuts_made: usize,
    narrows: BTreeMap<SocketAddr, Limits>,
    /// No multicast reaches anybody any more.
    without_multicast: bool,
    pub(crate) counts: FaultCounts,
    pub(crate) datagrams: u64,
}

impl Network {
    /// A network that only takes its time, until [`Self::rage`].
    pub(crate) fn new(seed: u64, plan: &NetworkPlan) -> Self {
        let calm = FaultRates { delay: plan.rates.delay.clone(), ..FaultRates::NONE };
        Self {
            faults: Faults::with_rates(seed, calm),
            plan: plan.clone(),
            echoes: Draw::new(seed, 0),
            flips: Draw::new(seed, 21),
            corruption: 0.0,
            cuts: BTreeMap::new(),
            cuts_made: 0,
            narrows: BTreeMap::new(),
            without_multicast: false,
            counts: FaultCounts::new(),
            datagrams: 0,
        }
    }

    /// The faults of the plan begin; names them.
    pub(crate) fn rage(&mut self) -> Vec<&'static str> {
        self.faults.set_rates(self.plan.rates.clone());
        self.corruption = self.plan.corruption;
        let FaultRates { loss, duplicate, reorder, .. } = self.plan.rates;
        let rates = [("loss", loss), ("duplicate", duplicate), ("reorder", reorder), ("corruption", self.corruption)];
        let silences = self.plan.silences.iter().map(|_| "silence");
        rates.into_iter().filter(|(_, rate)| *rate > 0.0).map(|(name, _)| name).chain(silences).collect()
    }

    /// Everything takes up to `delay` from now on; `None`: as long as planned.
    pub(crate) fn slow_down(&mut self, delay: Option<Duration>) {
        let mut rates = self.faults.rates().clone();
        rates.delay = delay.map_or(self.plan.rates.delay.clone(), |delay| self.plan.rates.delay.start..delay);
        self.faults.set_rates(rates);
        if delay.is_some() {
            self.count("spike");
        }
    }

    /// So much is lost from now on; `None`: as much as planned.
    pub(crate) fn lose(&mut self, loss: Option<f64>) {
        let loss = loss.unwrap_or(self.plan.rates.loss);
        self.faults.set_rates(FaultRates { loss, ..self.faults.rates().clone() });
    }

    /// Cuts links in the way `shape` says: `picked` are two different processes of `all`. Returns the number of the
    /// cut, and the links.
    pub(crate) fn cut(
        &mut self,
        shape: Shape,
        all: &[SocketAddr],
        picked: [SocketAddr; 2],
    ) -> (usize, Vec<(SocketAddr, SocketAddr)>) {
        let mut unreached = BTreeSet::new();
        let [one, other] = picked;
        let others = || all.iter().copied().filter(move |address| *address != one);
        let links: Vec<(SocketAddr, SocketAddr)> = match shape {
            Shape::OneWay => vec![(one, other)],
            Shape::Link => vec![(one, other), (other, one)],
            Shape::Deaf => others().map(|from| (from, one)).collect(),
            Shape::Mute => others().map(|to| (one, to)).collect(),
            Shape::Isolated | Shape::Leader => others().flat_map(|a| [(a, one), (one, a)]).collect(),
            Shape::Halves => {
                let (left, right) = all.split_at(all.len() / 2);
                left.iter().flat_map(|a| right.iter().flat_map(|b| [(*a, *b), (*b, *a)])).collect()
            }
            Shape::HalvesOneWay => {
                let (left, right) = all.split_at(all.len() / 2);
                left.iter().flat_map(|a| right.iter().map(|b| (*a, *b))).collect()
            }
            Shape::Bridge => {
                let (left, right) = all[1..].split_at((all.len() - 1) / 2);
                left.iter().flat_map(|a| right.iter().flat_map(|b| [(*a, *b), (*b, *a)])).collect()
            }
            Shape::Ring => {
                let near = |a: usize, b: usize| (a + 1) % all.len() == b || (b + 1) % all.len() == a || a == b;
                let pairs = (0..all.len()).flat_map(|a| (0..all.len()).map(move |b| (a, b)));
                pairs.filter(|(a, b)| !near(*a, *b)).map(|(a, b)| (all[a], all[b])).collect()
            }
            Shape::Multicast => {
                unreached.extend(all);
                Vec::new()
            }
            Shape::MulticastOfOne => {
                unreached.insert(one);
                Vec::new()
            }
        };
        let name = match shape {
            Shape::OneWay => "cut one-way",
            Shape::Link => "cut link",
            Shape::Deaf => "cut deaf",
            Shape::Mute => "cut mute",
            Shape::Isolated => "cut one off",
            Shape::Leader => "cut leader off",
            Shape::Halves => "cut in halves",
            Shape::HalvesOneWay => "cut in halves one-way",
            Shape::Bridge => "cut but for a bridge",
            Shape::Ring => "cut to a ring",
            Shape::Multicast => "multicast cut",
            Shape::MulticastOfOne => "multicast of one cut",
        };
        (self.sever(name, links.clone(), unreached), links)
    }

    /// Cuts links, and keeps multicast from some, until that is healed; returns the number of the cut.
    pub(crate) fn sever(
        &mut self,
        name: &'static str,
        links: Vec<(SocketAddr, SocketAddr)>,
        unreached: BTreeSet<SocketAddr>,
    ) -> usize {
        links.iter().for_each(|(from, to)| self.faults.cut(*from, *to));
        self.count(name);
        self.cuts_made += 1;
        self.cuts.insert(self.cuts_made, Severed { links, unreached });
        self.cuts_made
    }

    /// A cut is over; what others sever stays so. Whether it was the last one under way.
    pub(crate) fn heal(&mut self, cut: usize) -> bool {
        if self.cuts.remove(&cut).is_none() {
            return false;
        }
        self.faults.heal();
        for (from, to) in self.cuts.values().flat_map(|cut| &cut.links) {
            self.faults.cut(*from, *to);
        }
        self.cuts.is_empty()
    }

    /// No more gets through than these allow.
    pub(crate) fn narrow(&mut self, place: SocketAddr, limits: Limits) {
        self.count("narrow");
        self.narrows.insert(place, limits);
    }

    /// Everything does again. False if it did before.
    pub(crate) fn widen(&mut self, place: SocketAddr) -> bool {
        self.narrows.remove(&place).is_some()
    }

    /// No multicast reaches anybody from now on, whatever else gets better.
    pub(crate) fn end_multicast(&mut self) {
        self.count("end of multicast");
        self.without_multicast = true;
    }

    /// Whether nothing from `from` reaches `to`.
    pub(crate) fn is_cut(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.faults.is_cut(from, to)
    }

    /// No more faults of any kind.
    pub(crate) fn calm_down(&mut self) {
        self.cuts.clear();
        (self.plan.echoes, self.corruption) = (0.0, 0.0);
        self.faults.heal();
        self.faults.set_rates(FaultRates { delay: self.plan.rates.delay.clone(), ..FaultRates::NONE });
    }

    /// What becomes of a datagram: the delay of each copy that arrives.
    pub(crate) fn pass(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        (is_multicast, len): (bool, usize),
    ) -> impl Iterator<Item = Duration> + use<> {
        self.datagrams += 1;
        let fate = self.faults.fate(from, to);
        let limits = |at| self.narrows.get(&at).copied().unwrap_or_default();
        let narrow = limits(from).from.into_iter().chain(limits(to).to).any(|bytes| len > usize::from(bytes));
        if narrow {
            self.count("too long");
            return [None, None].into_iter().flatten();
        }
        if is_multicast && self.without_multicast {
            return [None, None].into_iter().flatten();
        }
        if is_multicast && self.cuts.values().any(|cut| cut.unreached.contains(&to)) {
            self.count("lost by a cut");
            return [None, None].into_iter().flatten();
        }
        match fate.delays().len() {
            0 if self.faults.is_cut(from, to) => self.count("lost by a cut"),
            0 => self.count("lost"),
            1 => {}
            _ => self.count("duplicated"),
        }
        let held = fate.delays().iter().filter(|delay| **delay > self.faults.rates().delay.end).count();
        (0..held).for_each(|_| self.count("held back"));
        let delays = [fate.delays().first().copied(), fate.delays().get(1).copied()];
        delays.into_iter().flatten()
    }

    /// How much later a datagram arrives once more, if it does.
    pub(crate) fn echo(&mut self) -> Option<Duration> {
        if !self.echoes.chance(self.plan.echoes) {
            return None;
        }
        self.count("again much later");
        Some(Duration::from_micros(self.echoes.magnitude(50_000..=LONGEST_ECHO.as_micros() as u64)))
    }

    /// What arrives of a datagram, bit by bit. Connections have a checksum of their own.
    pub(crate) fn carry(&mut self, datagram: &Bytes, destination: Destination) -> Bytes {
        if matches!(destination, Destination::Stream(_)) || !self.flips.chance(self.corruption) {
            return datagram.clone();
        }
        self.count("corrupted");
        let mut bytes = datagram.to_vec();
        for _ in 0..self.flips.within(1..=3) {
            let at = self.flips.index(bytes.len());
            bytes[at] ^= 1 << self.flips.index(8);
        }
        bytes.into()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        let listed = [&FAULT_KINDS[..], &LINEAGE_FAULT_KINDS, &BLAME_FAULT_KINDS];
        debug_assert!(listed.iter().any(|kinds| kinds.contains(&what)), "{what} is not listed");
        *self.counts.entry(what).or_default() += 1;
    }
}
