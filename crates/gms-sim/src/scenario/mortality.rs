//! Deaths, returns from death, and blows that fall at one message of the protocol.

use std::time::Duration;

use gms_core::Time;

use super::label::{Label, STRUCK, is_data};
use super::network::{Burst, Cut, NetworkPlan, Pause, Shape, Silence, Victim};
use super::policy::Proofs;
use crate::draw::Draw;

/// What the processes of one run have to suffer, beside their network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mortality {
    /// Processes that die at some time.
    pub crashes: Vec<Crash>,
    /// Blows that fall at one datagram.
    pub strikes: Vec<Strike>,
    /// Connections between two that live, and that close all the same.
    pub closings: Vec<Closing>,
    /// Datagrams before do not count for them.
    pub struck_from: Time,
    /// The death of a process breaks its connections at once, as that of a process on a living host does.
    pub noticed: bool,
    /// Who learns for certain that a process has died, in a group that counts on it.
    pub proofs: Option<Proofs>,
    /// Times are those of a quick network: who is silent for 150 ms is given up.
    pub quick: bool,
}

/// A process dies.
#[derive(Debug, Clone, PartialEq)]
pub struct Crash {
    /// When.
    pub at: Time,
    /// Who.
    pub victim: Victim,
    /// How.
    pub death: Death,
}

/// Connections of a process close, and are refused for a moment, although both ends live: by a middlebox, or a queue
/// that is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Time,
    /// Whose.
    pub victim: Victim,
    /// All that it has, rather than the one to some other process.
    pub all: bool,
}

/// How a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Datagrams that it still sends: it may die between any two.
    pub after: u32,
    /// When it starts again, as another, with the same id at the same address; `None`: never.
    pub restart: Option<Duration>,
}

/// Something that falls at one datagram of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Strike {
    /// Which kind.
    pub label: Label,
    /// The how many-th of it, from 1.
    pub number: u32,
    /// Who is hit.
    pub whom: Whom,
    /// Right before, or right after it is sent or received.
    pub before: bool,
    /// What happens.
    pub blow: Blow,
}

/// An end of a datagram's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Who sends it.
    Sender,
    /// Who receives it: any one, if it is for all.
    Receiver,
}

/// What hits a process.
#[derive(Debug, Clone, PartialEq)]
pub enum Blow {
    /// It dies.
    Crash(Death),
    /// It stands still.
    Pause(Duration),
    /// It is cut off.
    Cut(Duration),
}

/// Shapes of cuts, those that take a quorum away or leave one more than once.
const SHAPES: [Shape; 16] = [
    Shape::Halves,
    Shape::Halves,
    Shape::Leader,
    Shape::Leader,
    Shape::Isolated,
    Shape::Ring,
    Shape::Bridge,
    Shape::OneWay,
    Shape::HalvesOneWay,
    Shape::Link,
    Shape::Deaf,
    Shape::Mute,
    Shape::Multicast,
    Shape::MulticastOfOne,
    Shape::Halves,
    Shape::Leader,
];

/// The classes of faults that one seed may have or not.
const CLASSES: u64 = 7;

impl Mortality {
    /// Draws what processes suffer between `from` and `to`, and adds to `network` what it does to them.
    pub(super) fn draw(
        draw: &mut Draw,
        network: &mut NetworkPlan,
        (from, to): (Duration, Duration),
        places: usize,
    ) -> Self {
        let mut mortality = Self {
            noticed: draw.chance(0.6),
            quick: draw.chance(0.4),
            struck_from: Time::ZERO + from,
            ..Self::default()
        };
        // Few classes in most seeds: many at a time hide each other.
        let most = draw.pick(&[1, 1, 2, 2, 3, 5]);
        let mut classes: Vec<u64> = (0..most).map(|_| draw.within(0..=CLASSES - 1)).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut dice = Dice { draw, from: from.as_micros() as u64, to: to.as_micros() as u64, places };
        for class in classes {
            match class {
                0 | 1 => dice.crashes(&mut mortality.crashes),
                2 | 3 => dice.strikes(&mut mortality.strikes),
                4 => dice.cuts(&mut network.cuts),
                5 => dice.pauses(&mut network.pauses),
                _ if dice.draw.chance(0.4) => dice.bursts(&mut network.bursts),
                _ => dice.silences(&mut network.silences),
            }
        }
        mortality
    }

    /// Draws the connections that close between `from` and `to`, from a source of its own: without them, a seed's
    /// scenario is what it was before there were any.
    pub(super) fn draw_closings(&mut self, seed: u64, (from, to): (Duration, Duration)) {
        let mut draw = Draw::new(seed, 8);
        if !draw.chance(0.15) {
            return;
        }
        let (from, to) = (from.as_micros() as u64, to.as_micros() as u64);
        for _ in 0..draw.within(1..=4) {
            let at = Time::ZERO + draw.micros(from.min(to)..=to);
            let victim = draw.pick(&[Victim::Leader, Victim::Successor, Victim::Follower, Victim::Any]);
            self.closings.push(Closing { at, victim, all: draw.chance(0.5) });
        }
    }
}

/// What is drawn from, and within which times.
struct Dice<'a> {
    draw: &'a mut Draw,
    from: u64,
    to: u64,
    places: usize,
}

impl Dice<'_> {
    fn time(&mut self) -> Time {
        Time::ZERO + self.draw.micros(self.from..=self.to)
    }

    fn victim(&mut self) -> Victim {
        self.draw.pick(&[Victim::Leader, Victim::Leader, Victim::Successor, Victim::Follower, Victim::Any])
    }

    fn death(&mut self) -> Death {
        let after = if self.draw.chance(0.5) { 0 } else { self.draw.magnitude(1..=60) as u32 };
        let restart = self.draw.chance(0.6).then(|| Duration::from_micros(self.draw.magnitude(500..=800_000)));
        Death { after, restart }
    }

    /// One death, or several in a short time.
    fn crashes(&mut self, crashes: &mut Vec<Crash>) {
        for _ in 0..self.draw.within(1..=2) {
            let (mut at, victim) = (self.time(), self.victim());
            crashes.push(Crash { at, victim, death: self.death() });
            if self.draw.chance(0.4) {
                for _ in 0..self.draw.within(1..=3) {
                    at = at + Duration::from_micros(self.draw.magnitude(100..=400_000));
                    let victim = if self.draw.chance(0.5) { Victim::Successor } else { self.victim() };
                    crashes.push(Crash { at, victim, death: self.death() });
                }
            }
        }
    }

    fn strikes(&mut self, strikes: &mut Vec<Strike>) {
        for _ in 0..self.draw.within(1..=3) {
            let label = self.draw.pick(&STRUCK);
            let whom = if self.draw.chance(0.5) { Whom::Sender } else { Whom::Receiver };
            let blow = match self.draw.weighted(&[6, 2, 2]) {
                0 => Blow::Crash(Death { after: self.draw.pick(&[0, 0, 1, 2, 3, 8]), ..self.death() }),
                1 => Blow::Pause(self.draw.micros(100_000..=1_500_000)),
                _ => Blow::Cut(self.draw.micros(50_000..=1_200_000)),
            };
            // Of data there is much, of most control messages little.
            let most = if is_data(label) { 400 } else { 12 };
            let number = self.draw.magnitude(1..=most) as u32;
            strikes.push(Strike { label, number, whom, before: self.draw.chance(0.5), blow });
        }
    }

    /// Cuts long enough to be noticed, or many short ones.
    fn cuts(&mut self, cuts: &mut Vec<Cut>) {
        let (flapping, shape) = (self.draw.chance(0.2), self.draw.pick(&SHAPES));
        let mut at = self.from + self.draw.within(0..=400_000);
        let most = if flapping { 10 } else { 3 };
        for _ in 0..most {
            let lasts =
                if flapping { self.draw.within(20_000..=300_000) } else { self.draw.within(200_000..=1_800_000) };
            if at + lasts > self.to {
                break;
            }
            let shape = if flapping { shape } else { self.draw.pick(&SHAPES) };
            cuts.push(Cut { at: Time::from_nanos(at * 1000), lasts: Duration::from_micros(lasts), shape });
            at +=
                lasts + if flapping { self.draw.within(20_000..=300_000) } else { self.draw.within(50_000..=900_000) };
        }
    }

    fn pauses(&mut self, pauses: &mut Vec<Pause>) {
        for _ in 0..self.draw.within(1..=3) {
            let (at, victim) = (self.time(), self.victim());
            pauses.push(Pause { at, lasts: self.draw.micros(150_000..=1_800_000), victim });
        }
    }

    fn bursts(&mut self, bursts: &mut Vec<Burst>) {
        for _ in 0..self.draw.within(1..=2) {
            let (at, lasts) = (self.time(), self.draw.micros(10_000..=600_000));
            bursts.push(Burst { at, lasts, loss: self.draw.pick(&[0.3, 0.6, 0.9, 1.0]) });
        }
    }

    fn silences(&mut self, silences: &mut Vec<Silence>) {
        for _ in 0..self.draw.within(1..=3) {
            let (at, lasts, label) = (self.time(), self.draw.micros(50_000..=1_200_000), self.draw.pick(&STRUCK));
            let to = self.draw.chance(0.7).then(|| self.draw.index(self.places));
            silences.push(Silence { at, lasts, label, to });
        }
    }
}
