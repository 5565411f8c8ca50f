//! A seeded model of a bad network: loss, duplication, delay, reordering, cuts and partitions.
//!
//! It has no clock, no socket and no threads: it is asked about one datagram on one link and says what becomes of it.
//! The in-memory network here uses it, and so does a simulator with a virtual clock. The same seed and the same
//! questions give the same answers, and every question draws equally many random numbers whatever the rates and cuts
//! are, so that changing one of them leaves the rest of a run alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::random::SplitMix64;

/// How bad a network is. The default is a perfect one.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRates {
    /// Probability, 0 to 1, that a datagram never arrives.
    pub loss: f64,
    /// Probability, 0 to 1, that a datagram which arrives does so twice, each copy with a delay of its own.
    pub duplicate: f64,
    /// Probability, 0 to 1, that a copy is held back so that later ones overtake it: by up to the end of `delay`
    /// again, and by up to [`SHORTEST_HOLD`] at least.
    pub reorder: f64,
    /// The delay of each copy, drawn evenly. An empty range means its start: `d..d` delays everything by `d` and so
    /// keeps the order; a wide range reorders by itself.
    pub delay: Range<Duration>,
}

/// The least upper bound of the extra delay that [`FaultRates::reorder`] adds.
pub const SHORTEST_HOLD: Duration = Duration::from_millis(1);

impl FaultRates {
    /// No faults at all, no delay.
    pub const NONE: Self = Self { loss: 0.0, duplicate: 0.0, reorder: 0.0, delay: Duration::ZERO..Duration::ZERO };

    /// Only loss, with this probability.
    pub fn loss(probability: f64) -> Self {
        Self { loss: probability, ..Self::NONE }
    }
}

impl Default for FaultRates {
    fn default() -> Self {
        Self::NONE
    }
}

/// What becomes of one datagram: no copy, one or two, each with its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fate {
    copies: usize,
    delays: [Duration; 2],
}

impl Fate {
    /// The delay of each copy that arrives; empty when the datagram is lost.
    pub fn delays(&self) -> &[Duration] {
        &self.delays[..self.copies]
    }

    /// Whether no copy arrives.
    pub fn is_lost(&self) -> bool {
        self.copies == 0
    }
}

/// The faults of one network. All links share one generator and one set of rates; cuts are per link.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    random: SplitMix64,
    rates: FaultRates,
    cuts: BTreeSet<(SocketAddr, SocketAddr)>,
    sides: BTreeMap<SocketAddr, usize>,
}

impl Faults {
    /// A network without faults, whose later faults are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with_rates(seed, FaultRates::NONE)
    }

    /// A network with these rates, drawn from `seed`.
    pub fn with_rates(seed: u64, rates: FaultRates) -> Self {
        Self { random: SplitMix64::new(seed), rates, cuts: BTreeSet::new(), sides: BTreeMap::new() }
    }

    /// The present rates.
    pub fn rates(&self) -> &FaultRates {
        &self.rates
    }

    /// Changes the rates, for the datagrams asked about from now on.
    pub fn set_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    /// Cuts one direction of one link: nothing from `from` reaches `to` until [`heal`](Self::heal) or
    /// [`mend`](Self::mend).
    pub fn cut(&mut self, from: SocketAddr, to: SocketAddr) {
        self.cuts.insert((from, to));
    }

    /// Takes back one [`cut`](Self::cut); partitions stay.
    pub fn mend(&mut self, from: SocketAddr, to: SocketAddr) {
        self.cuts.remove(&(from, to));
    }

    /// Splits the network: nothing passes between two addresses on different sides. All addresses on no list are
    /// together on one further side. It replaces an earlier partition; single cuts stay.
    pub fn partition(&mut self, sides: &[&[SocketAddr]]) {
        self.sides = sides
            .iter()
            .enumerate()
            .flat_map(|(side, members)| members.iter().map(move |&member| (member, side)))
            .collect();
    }

    /// Takes back every cut and partition. The rates stay.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.sides.clear();
    }

    /// Whether a cut or a partition keeps everything from `from` away from `to`.
    pub fn is_cut(&self, from: SocketAddr, to: SocketAddr) -> bool {
        if !self.cuts.is_empty() && self.cuts.contains(&(from, to)) {
            return true;
        }
        !self.sides.is_empty() && self.sides.get(&from) != self.sides.get(&to)
    }

    /// Whether every datagram arrives once, at once: no rates, no cuts, no partition. A network may then skip
    /// [`fate`](Self::fate).
    pub fn is_calm(&self) -> bool {
        self.rates == FaultRates::NONE && self.cuts.is_empty() && self.sides.is_empty()
    }

    /// Decides what becomes of the next datagram from `from` to `to`.
    pub fn fate(&mut self, from: SocketAddr, to: SocketAddr) -> Fate {
        let lost = self.random.chance(self.rates.loss);
        let twice = self.random.chance(self.rates.duplicate);
        let mut delays = [self.draw_delay(), self.draw_delay()];
        let copies = match (lost || self.is_cut(from, to), twice) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        // Equal fates compare equal, whatever was drawn for copies that do not exist.
        delays[copies..].fill(Duration::ZERO);
        Fate { copies, delays }
    }

    fn draw_delay(&mut self) -> Duration {
        let Range { start, end } = self.rates.delay;
        let delay = start + end.saturating_sub(start).mul_f64(self.random.unit());
        let held = self.random.chance(self.rates.reorder);
        let hold = end.max(SHORTEST_HOLD).mul_f64(self.random.unit());
        if held { delay + hold } else { delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> SocketAddr {
        ([10, 0, 0, host], 7000).into()
    }

    #[test]
    fn the_same_seed_gives_the_same_fates() {
        let rates = FaultRates {
            loss: 0.2,
            duplicate: 0.2,
            reorder: 0.3,
            delay: Duration::from_millis(1)..Duration::from_millis(5),
        };
        let mut one = Faults::with_rates(9, rates.clone());
        let mut other = Faults::with_rates(9, rates.clone());
        let mut third = Faults::with_rates(10, rates);
        let ask =
            |faults: &mut Faults| -> Vec<Fate> { (0..200).map(|_| faults.fate(address(1), address(2))).collect() };
        let fates = ask(&mut one);
        assert_eq!(fates, ask(&mut other));
        assert_ne!(fates, ask(&mut third));
    }

    #[test]
    fn rates_are_kept() {
        let mut faults = Faults::with_rates(1, FaultRates { loss: 0.1, duplicate: 0.2, ..FaultRates::NONE });
        let mut seen = [0u32; 3];
        for _ in 0..100_000 {
            seen[faults.fate(address(1), address(2)).delays().len()] += 1;
        }
        assert!((9_500..10_500).contains(&seen[0]), "lost {}", seen[0]);
        assert!((17_000..19_000).contains(&seen[2]), "twice {}", seen[2]);
    }

    #[test]
    fn a_cut_is_one_way_and_shifts_no_later_draw() {
        let mut cut = Faults::with_rates(3, FaultRates::loss(0.5));
        let mut whole = cut.clone();
        cut.cut(address(1), address(2));
        assert!(cut.is_cut(address(1), address(2)));
        assert!(!cut.is_cut(address(2), address(1)));
        for _ in 0..100 {
            assert!(cut.fate(address(1), address(2)).is_lost());
            whole.fate(address(1), address(2));
        }
        cut.mend(address(1), address(2));
        for _ in 0..100 {
            assert_eq!(cut.fate(address(1), address(2)), whole.fate(address(1), address(2)));
        }
    }

    #[test]
    fn a_partition_has_sides_and_heals() {
        let mut faults = Faults::new(0);
        assert!(faults.is_calm());
        faults.partition(&[&[address(1), address(2)], &[address(3)]]);
        assert!(!faults.is_calm());
        assert!(!faults.is_cut(address(1), address(2)));
        assert!(faults.is_cut(address(2), address(3)));
        assert!(faults.is_cut(address(3), address(1)));
        // The unnamed are a side of their own.
        assert!(faults.is_cut(address(4), address(1)));
        assert!(!faults.is_cut(address(4), address(5)));
        faults.heal();
        assert!(faults.is_calm());
        assert!(!faults.fate(address(3), address(1)).is_lost());
    }

    #[test]
    fn delays_stay_in_their_range_unless_held_back() {
        let delay = Duration::from_millis(2)..Duration::from_millis(4);
        let mut faults = Faults::with_rates(5, FaultRates { delay: delay.clone(), ..FaultRates::NONE });
        for _ in 0..1000 {
            let fate = faults.fate(address(1), address(2));
            assert!(fate.delays().iter().all(|drawn| delay.contains(drawn)));
        }
        faults.set_rates(FaultRates { reorder: 1.0, delay: delay.clone(), ..FaultRates::NONE });
        let held = (0..1000).filter(|_| faults.fate(address(1), address(2)).delays()[0] >= delay.end).count();
        assert!(held > 500, "{held}");
    }
}
