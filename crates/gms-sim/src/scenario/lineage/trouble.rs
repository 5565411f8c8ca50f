//! The kinds of trouble that make lineages arise, part and meet: rifts, standstills and kills.

use std::ops::RangeInclusive;
use std::time::Duration;

use gms_core::Time;

use super::{Again, Kill, LastWords, Lineages, Passes, Rift, Side, Standstill, Step};
use crate::draw::Draw;
use crate::scenario::{Birth, Entry};

/// What is drawn from, and for whom.
pub(super) struct Dice<'a> {
    pub(super) draw: &'a mut Draw,
    pub(super) births: &'a mut [Birth],
    pub(super) chaos: &'a mut u64,
}

impl Dice<'_> {
    /// One kind of trouble.
    pub(super) fn add(&mut self, class: u64, to: &mut Lineages) {
        match class {
            0..=2 => self.heals_after_an_exclusion(&mut to.rifts),
            3 => self.flaps(&mut to.rifts),
            4 => self.hears_one_way(&mut to.rifts),
            5 => self.standstills(&mut to.standstills),
            6 => self.kills(&mut to.kills),
            7 => {
                let (after, again) = (self.draw.micros(0..=50_000), self.again());
                to.first_words = Some(LastWords { after, again });
            }
            8 => self.begins_apart(&mut to.rifts),
            9 => self.is_outlived(to),
            _ => self.without_multicast(&mut to.rifts),
        }
    }

    fn time(&mut self) -> Time {
        Time::ZERO + self.draw.micros(300_000..=*self.chaos * 3 / 4)
    }

    fn lasts(&mut self, millis: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.draw.magnitude(millis.start() * 1000..=millis.end() * 1000))
    }

    fn step(&mut self, passes: Passes, millis: RangeInclusive<u64>) -> Step {
        Step { passes, lasts: self.lasts(millis) }
    }

    /// Some places, at least one and not all; where some are expected, often those.
    fn half(&mut self) -> Side {
        let expected = |birth: &&Birth| birth.entry == Entry::Expected;
        let expected: Vec<usize> = self.births.iter().filter(expected).map(|birth| birth.place).collect();
        if !expected.is_empty() && expected.len() < self.births.len() && self.draw.chance(0.6) {
            return Side::Places(expected);
        }
        let mut places: Vec<usize> = self.births.iter().map(|birth| birth.place).collect();
        self.draw.shuffle(&mut places);
        places.truncate(if self.draw.chance(0.6) { places.len() / 2 } else { 1 + self.draw.index(places.len() - 1) });
        Side::Places(places)
    }

    fn side(&mut self) -> Side {
        match self.draw.weighted(&[4, 2, 1]) {
            0 => self.half(),
            1 => Side::Leader,
            _ => Side::Any,
        }
    }

    /// A cut longer than it takes to give somebody up, a moment in which it is told, and a cut again.
    fn heals_after_an_exclusion(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let passes = match self.draw.weighted(&[8, 1, 1, 1, 1]) {
            0 => Passes::Nothing,
            1 => Passes::In,
            2 => Passes::Out,
            3 => Passes::Bridge,
            _ => Passes::Ring,
        };
        let mut steps = vec![self.step(passes, 700..=5_000)];
        for _ in 0..self.draw.within(1..=3) {
            steps.push(self.step(Passes::All, 1..=400));
            steps.push(self.step(Passes::Nothing, 400..=6_000));
        }
        rifts.push(Rift { at, side, steps });
    }

    /// A cable with a loose contact.
    fn flaps(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let (off, on) = (self.draw.magnitude(50..=1_500), self.draw.magnitude(5..=800));
        let count = self.draw.within(4..=20);
        let steps = (0..count)
            .flat_map(|_| [self.step(Passes::Nothing, off / 2..=off * 2), self.step(Passes::All, on / 2 + 1..=on * 2)]);
        rifts.push(Rift { at, side, steps: steps.collect() });
    }

    /// Two sides that first lose each other, and then hear each other one way only.
    fn hears_one_way(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let mut steps = Vec::new();
        if self.draw.chance(0.6) {
            steps.push(self.step(Passes::Nothing, 500..=5_000));
        }
        for _ in 0..self.draw.within(1..=2) {
            let passes = self.draw.pick(&[Passes::In, Passes::Out]);
            steps.push(self.step(passes, 300..=10_000));
        }
        rifts.push(Rift { at, side, steps });
    }

    /// Each side begins by itself; more may start there while they are apart.
    fn begins_apart(&mut self, rifts: &mut Vec<Rift>) {
        let mut steps = vec![self.step(Passes::Nothing, 1_000..=8_000)];
        if self.draw.chance(0.4) {
            let passes = self.draw.pick(&[Passes::In, Passes::Out]);
            steps.push(self.step(passes, 300..=8_000));
        }
        rifts.push(Rift { at: Time::ZERO, side: self.half(), steps });
    }

    /// A newcomer has just heard of a group, or come into it, when all others die. It goes on by itself, and then it
    /// stands still for long.
    fn is_outlived(&mut self, to: &mut Lineages) {
        let (comes, dies) = (self.lasts(1_500..=4_000), self.lasts(1..=200));
        let (stops, lasts) = (self.lasts(3_500..=9_000), self.lasts(4_000..=25_000));
        *self.chaos = (*self.chaos).max((comes + dies + stops + lasts).as_micros() as u64 + 4_000_000);
        let newcomer = self.births.last_mut().expect("there are two");
        newcomer.at = Time::ZERO + comes;
        newcomer.traffic.count = newcomer.traffic.count.max(20);
        newcomer.traffic.gap = newcomer.traffic.gap.max(Duration::from_millis(200));
        let (at, place) = (newcomer.at + dies, newcomer.place);
        let again = self.again().filter(|_| self.draw.chance(0.3));
        to.kills.push(Kill { at, count: usize::MAX, spared: Some(place), again });
        to.standstills.push(Standstill { at: at + stops, lasts, all_but_one: false, others: None });
    }

    /// Unicast works. Often it is so when somebody joins.
    fn without_multicast(&mut self, rifts: &mut Vec<Rift>) {
        let newcomer = self.draw.index(self.births.len());
        let Birth { at: born, place, .. } = self.births[newcomer];
        let (at, side) = match self.draw.weighted(&[2, 2, 1]) {
            0 => (born, Side::Places(vec![place])),
            1 => (self.time(), self.side()),
            _ => (self.time(), Side::Places(self.births.iter().map(|birth| birth.place).collect())),
        };
        let steps = vec![self.step(Passes::Unicast, 500..=12_000)];
        rifts.push(Rift { at, side, steps });
    }

    /// One for long and then the others, or all but one.
    fn standstills(&mut self, standstills: &mut Vec<Standstill>) {
        for _ in 0..self.draw.within(1..=2) {
            let (at, all_but_one) = (self.time(), self.draw.chance(0.3));
            let lasts = self.lasts(600..=25_000);
            let others = self.draw.chance(0.6).then(|| (self.lasts(1..=600), self.lasts(100..=3_000)));
            standstills.push(Standstill { at, lasts, all_but_one, others });
        }
    }

    /// Some or all, once or again and again.
    fn kills(&mut self, kills: &mut Vec<Kill>) {
        for _ in 0..self.draw.within(1..=3) {
            let all = self.draw.chance(0.3);
            let count = if all { usize::MAX } else { 1 + self.draw.index(self.births.len()) };
            let (at, again) = (self.time(), self.again());
            kills.push(Kill { at, count, spared: None, again });
        }
    }

    fn again(&mut self) -> Option<Again> {
        self.draw.chance(0.85).then(|| Again {
            first: self.lasts(50..=3_000),
            apart: if self.draw.chance(0.5) { Duration::ZERO } else { self.lasts(20..=2_000) },
            elsewhere: self.draw.chance(0.15),
            creates: self.draw.chance(0.15),
        })
    }
}
