//! What the operator of a group chooses and orders: how a quorum counts, who leads, whom the creator waits for; who is
//! to go, who is to lead.

use std::collections::BTreeSet;
use std::time::Duration;

use gms_core::{QuorumMode, Ranking, Time};

use super::{Entry, Scenario};
use crate::draw::Draw;

/// What an operator tells the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// When.
    pub at: Time,
    /// What.
    pub wish: Wish,
}

/// Of another member of the leader's view, alive or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It is to go.
    Exclude,
    /// It is to lead.
    Transfer,
}

/// To whom the host of a process proves its death, where that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proofs {
    /// From the death to the first proof.
    pub after: Duration,
    /// Share of the deaths that are never proved to anybody.
    pub missing: f64,
    /// Share of the deaths that are never proved to one of the survivors.
    pub sparing: f64,
}

impl Scenario {
    /// Chooses and orders, from a source of its own: what else happens in a seed is the same without.
    pub(super) fn govern(&mut self) {
        let mut draw = Draw::new(self.name.seed(), 6);
        self.params.ranking =
            draw.pick(&[Ranking::Bully, Ranking::Bully, Ranking::Seniority, Ranking::Priority, Ranking::Priority]);
        if self.params.ranking == Ranking::Priority {
            self.births.iter_mut().for_each(|birth| birth.weight = draw.within(0..=3) as u32);
        }
        self.params.preempt = draw.chance(0.25);
        if draw.chance(0.2) {
            self.params.quorum = QuorumMode::FailStop;
        }
        if draw.chance(0.4) {
            for birth in self.births.iter_mut().filter(|birth| birth.entry == Entry::Auto) {
                birth.entry = Entry::Expected;
            }
        }
        let proofs = Proofs {
            after: Duration::from_micros(draw.magnitude(200..=200_000)),
            missing: draw.pick(&[0.0, 0.0, 0.3]),
            sparing: draw.pick(&[0.0, 0.5]),
        };
        if let Some(mortality) = &mut self.mortality {
            mortality.proofs = Some(proofs).filter(|_| self.params.quorum == QuorumMode::FailStop);
        }
        if draw.chance(0.25) {
            let (from, to) = ((self.network.from.as_micros() as u64) + 100_000, self.chaos.as_micros() as u64);
            for _ in 0..draw.within(1..=4) {
                let at = Time::ZERO + draw.micros(from.min(to)..=to);
                // Who has no directory may not hear of its exclusion.
                let wish = if draw.chance(0.5) && self.watchful { Wish::Exclude } else { Wish::Transfer };
                self.orders.push(Order { at, wish });
            }
            self.orders.sort_by_key(|order| order.at);
        }
    }

    /// The same as it would have been before the simulator knew operators, clients in a hurry, connections that close
    /// between two that live, datagrams that come again much later, and flipped bits.
    pub fn plain(mut self) -> Self {
        self.name.plain = true;
        let (quorum, ranking, preempt) = Default::default();
        self.params = gms_core::Params { quorum, ranking, preempt, ..self.params };
        self.births.iter_mut().for_each(|birth| birth.weight = 0);
        for birth in self.births.iter_mut().filter(|birth| birth.entry == Entry::Expected) {
            birth.entry = Entry::Auto;
        }
        if let Some(mortality) = &mut self.mortality {
            mortality.proofs = None;
            mortality.closings.clear();
        }
        self.clients.iter_mut().for_each(|client| client.hasty = 0.0);
        (self.network.echoes, self.network.corruption) = (0.0, 0.0);
        self.orders.clear();
        self
    }

    /// The ids that have to be there before the group is created.
    pub fn expected(&self) -> BTreeSet<u64> {
        self.births.iter().filter(|birth| birth.entry == Entry::Expected).map(|birth| birth.node).collect()
    }

    /// Whether an operator excludes somebody.
    pub(crate) fn orders_exclusions(&self) -> bool {
        self.orders.iter().any(|order| order.wish == Wish::Exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_chosen_and_taken_back() {
        let scenarios: Vec<Scenario> = (0..300).map(Scenario::draw).collect();
        let some = |which: fn(&Scenario) -> bool| scenarios.iter().any(which) && !scenarios.iter().all(which);
        assert!(some(|s| s.params.ranking == Ranking::Seniority) && some(|s| s.births.iter().any(|b| b.weight > 0)));
        assert!(some(|s| s.params.preempt) && some(|s| s.params.quorum == QuorumMode::FailStop));
        assert!(some(|s| !s.expected().is_empty()) && some(Scenario::orders_exclusions));
        assert!(some(|s| s.mortality.as_ref().is_some_and(|mortality| mortality.proofs.is_some())));
        for mode in [QuorumMode::Majority, QuorumMode::FailStop] {
            let closes = |s: &Scenario| s.mortality.as_ref().is_some_and(|mortality| !mortality.closings.is_empty());
            assert!(scenarios.iter().any(|s| s.params.quorum == mode && closes(s)), "{mode:?}");
        }
        let plain: Vec<Scenario> = scenarios.iter().cloned().map(Scenario::plain).collect();
        assert!(plain.iter().all(|s| s.orders.is_empty() && !s.params.preempt && s.expected().is_empty()));
    }
}
