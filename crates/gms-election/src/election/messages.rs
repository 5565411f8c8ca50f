//! What a process makes of ELECTION, OK and COORDINATOR.

use std::collections::BTreeSet;

use super::{Election, Event};
use crate::message::Message;
use crate::phase::Phase;

impl<Id: Copy + Ord> Election<Id> {
    /// Only those below ask. The leader tells that it leads; another one takes over, unless the question
    /// is older than the leader it knows.
    pub(super) fn on_election(&mut self, from: Id, number: u64) {
        if !self.order.outranks(self.me, from) {
            return;
        }
        if let Some((_, round)) = self.leader.filter(|_| self.leads()) {
            return self.send(from, Message::Coordinator { round });
        }
        self.send(from, Message::Ok { round: self.order.round(number) });
        let settled = self.leader.is_some() && number < self.accepted;
        if self.phase == Phase::Idle && !settled {
            self.attempts = 0;
            self.begin();
        }
    }

    pub(super) fn on_ok(&mut self, from: Id, number: u64) {
        let above = self.order.outranks(from, self.me);
        if self.leads() {
            if number > self.accepted {
                return self.begin();
            }
            if let Some(claim) = self.claim.as_mut().filter(|_| number == self.accepted && !above) {
                claim.unconfirmed.remove(&from);
                self.settle_claim();
            }
            return;
        }
        let until = self.now + self.config.coordinate;
        match &mut self.phase {
            Phase::Asking { number: asked, .. } if above && *asked == number => {
                self.phase = Phase::Waiting { number, answered: BTreeSet::from([from]), until };
            }
            Phase::Waiting { number: asked, answered, .. } if above && *asked == number => {
                answered.insert(from);
            }
            _ => {}
        }
    }

    pub(super) fn on_claim(&mut self, from: Id, number: u64) {
        let known = self.leader.is_some_and(|(leader, round)| leader == from && round.number >= number);
        if number < self.accepted {
            self.stats.stale += 1;
            let round = self.order.round(self.accepted);
            if self.leads() {
                self.send(
                    from,
                    if self.order.outranks(self.me, from) {
                        Message::Coordinator { round }
                    } else {
                        Message::Ok { round }
                    },
                );
            } else if !known {
                self.send(from, Message::Ok { round });
            }
        } else if self.order.outranks(self.me, from) {
            if !known {
                self.stats.outranked += 1;
                if self.phase == Phase::Idle {
                    self.begin();
                }
            }
        } else if let Some(higher) = self.alive_above(from) {
            self.stats.outranked += 1;
            let follows = self.leader.is_some_and(|(leader, _)| leader == higher);
            if self.phase == Phase::Idle && !follows && self.order.contains(self.me) {
                let until = self.now + self.config.coordinate;
                self.phase = Phase::Waiting { number: self.seen, answered: BTreeSet::from([higher]), until };
            }
        } else {
            self.follow(from, number);
        }
    }

    /// A rank above `id` that was heard within T2 and is not suspected.
    fn alive_above(&self, id: Id) -> Option<Id> {
        let recent = |other: &Id| self.heard.get(other).is_some_and(|at| self.now - *at < self.config.coordinate);
        self.order.all()[..self.order.above(id)].iter().copied().find(recent)
    }

    fn follow(&mut self, leader: Id, number: u64) {
        let round = self.order.round(number);
        self.accepted = number;
        self.phase = Phase::Idle;
        self.claim = None;
        self.attempts = 0;
        if self.leader.replace((leader, round)) != Some((leader, round)) {
            self.events.push_back(Event::Elected { leader, round });
        }
        self.send(leader, Message::Ok { round });
    }
}
