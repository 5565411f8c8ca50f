//! What the network of a run does, and to whom.

use std::ops::Range;
use std::time::Duration;

use gms_core::Time;
use gms_net::FaultRates;

use super::Label;
use crate::draw::Draw;

/// The faults of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPlan {
    /// Rates and delays while there are faults. Afterwards only the delay stays.
    pub rates: FaultRates,
    /// When the faults begin.
    pub from: Duration,
    /// Times in which everything takes much longer.
    pub spikes: Vec<Spike>,
    /// Links that are cut for a while.
    pub cuts: Vec<Cut>,
    /// Processes that stand still for a while.
    pub pauses: Vec<Pause>,
    /// Times in which much more is lost.
    pub bursts: Vec<Burst>,
    /// Kinds of datagram that are lost for a while.
    pub silences: Vec<Silence>,
    /// Probability that a datagram, even a lost one, arrives once more up to seconds later, at whatever process is
    /// there then.
    pub echoes: f64,
    /// Probability that a datagram arrives with flipped bits.
    pub corruption: f64,
}

/// A time of long delays.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// The longest delay then.
    pub delay: Duration,
}

/// A time in which some links carry nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// Which links.
    pub shape: Shape,
}

/// Which links are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One link, one way.
    OneWay,
    /// One link, both ways.
    Link,
    /// One process hears nobody.
    Deaf,
    /// Nobody hears one process.
    Mute,
    /// One process from all others.
    Isolated,
    /// The leader from all others.
    Leader,
    /// All in two halves.
    Halves,
    /// One half hears nothing of the other.
    HalvesOneWay,
    /// Two halves that hear each other through one process only.
    Bridge,
    /// All in a ring: each hears its two neighbours only.
    Ring,
    /// Multicast reaches nobody; what is sent to one does.
    Multicast,
    /// Multicast does not reach one process.
    MulticastOfOne,
}

/// A time in which one process does nothing, as if stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Pause {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// Who.
    pub victim: Victim,
}

/// Whom something happens to, chosen when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// Any process.
    Any,
    /// A leader, if there is one.
    Leader,
    /// The highest rank among the leader's followers: who proposes when the leader is gone.
    Successor,
    /// A process that does not lead.
    Follower,
}

/// A time in which much is lost, whatever the rates say.
#[derive(Debug, Clone, PartialEq)]
pub struct Burst {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// Probability of loss then.
    pub loss: f64,
}

/// A time in which one kind of datagram is lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// Which kind: see [`Label`](super::Label).
    pub label: Label,
    /// On its way to the process at this place; `None`: to everybody.
    pub to: Option<usize>,
}

impl Silence {
    /// Whether it is under way.
    pub(crate) fn holds(&self, now: Time) -> bool {
        self.at <= now && now < self.at + self.lasts
    }
}

const SHAPES: [Shape; 7] =
    [Shape::OneWay, Shape::Link, Shape::Deaf, Shape::Mute, Shape::Isolated, Shape::Leader, Shape::Halves];

impl NetworkPlan {
    /// No faults: datagrams take their time, between these delays. What is added later begins at `from`.
    pub fn calm(delay: Range<Duration>, from: Duration) -> Self {
        Self {
            rates: FaultRates { delay, ..FaultRates::NONE },
            from,
            spikes: Vec::new(),
            cuts: Vec::new(),
            pauses: Vec::new(),
            bursts: Vec::new(),
            silences: Vec::new(),
            echoes: 0.0,
            corruption: 0.0,
        }
    }

    pub(crate) fn draw(draw: &mut Draw, calm: bool, from: Duration, to: Duration) -> Self {
        let us = Duration::from_micros;
        let delay = match draw.weighted(&[6, 2, 1, 1]) {
            0 => us(50)..us(300),
            1 => us(100)..us(100),
            2 => us(300)..us(3000),
            _ => us(20)..us(60),
        };
        let mut plan = Self::calm(delay, from);
        if calm {
            return plan;
        }
        if draw.chance(0.6) {
            plan.rates.loss = draw.pick(&[0.001, 0.01, 0.03, 0.1, 0.2, 0.3]);
        }
        if draw.chance(0.4) {
            plan.rates.duplicate = draw.pick(&[0.01, 0.1, 0.3]);
        }
        if draw.chance(0.4) {
            plan.rates.reorder = draw.pick(&[0.01, 0.1, 0.4]);
        }
        let (begin, end) = (from.as_micros() as u64, to.as_micros() as u64);
        if draw.chance(0.25) {
            for _ in 0..draw.within(1..=3) {
                plan.spikes.push(Spike {
                    at: Time::ZERO + draw.micros(begin..=end),
                    lasts: draw.micros(5_000..=300_000),
                    delay: draw.micros(5_000..=60_000),
                });
            }
        }
        if draw.chance(0.4) {
            let mut at = begin + draw.within(0..=500_000);
            while at < end && plan.cuts.len() < 4 {
                let lasts = draw.within(10_000..=900_000);
                plan.cuts.push(Cut { at: Time::ZERO + us(at), lasts: us(lasts), shape: draw.pick(&SHAPES) });
                at += lasts + draw.within(200_000..=800_000);
            }
        }
        if draw.chance(0.2) {
            for _ in 0..draw.within(1..=2) {
                let (at, lasts) = (Time::ZERO + draw.micros(begin..=end), draw.micros(1_000..=900_000));
                plan.pauses.push(Pause { at, lasts, victim: Victim::Any });
            }
        }
        plan
    }

    /// Lets some datagrams arrive again where there are faults at all. Drawn by itself, so that older seeds stay what
    /// they were but for that.
    pub(crate) fn draw_echoes(&mut self, seed: u64) {
        let mut draw = Draw::new(seed, 9);
        if !self.is_calm() && draw.chance(0.3) {
            self.echoes = draw.pick(&[0.002, 0.01, 0.05]);
        }
    }

    /// Flips bits of some where there are faults at all. Drawn by itself, too.
    pub(crate) fn draw_corruption(&mut self, seed: u64) {
        let mut draw = Draw::new(seed, 21);
        if !self.is_calm() && draw.chance(0.3) {
            self.corruption = draw.pick(&[0.001, 0.01, 0.03]);
        }
    }

    /// Whether it never does anything but take its time.
    pub fn is_calm(&self) -> bool {
        let FaultRates { loss, duplicate, reorder, .. } = self.rates;
        loss + duplicate + reorder + self.echoes + self.corruption == 0.0
            && self.spikes.is_empty()
            && self.cuts.is_empty()
            && self.pauses.is_empty()
            && self.bursts.is_empty()
            && self.silences.is_empty()
    }
}
