//! Who may lead, and whose each round is.

use crate::message::Round;
use crate::rank::Rank;

/// Candidates of one view, in order of seniority.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Electorate<Id> {
    /// Number of the view. The same number has the same members everywhere.
    pub view: u64,
    /// The candidates, the most senior first.
    pub members: Vec<Id>,
    /// Who leads already, if the view says so. It is followed without an election.
    pub leader: Option<Id>,
}

impl<Id> Electorate<Id> {
    /// The candidates of a view that nobody leads yet.
    pub fn new(view: u64, members: impl Into<Vec<Id>>) -> Self {
        Self { view, members: members.into(), leader: None }
    }

    /// The same, led by one of them.
    pub fn led_by(self, leader: Id) -> Self {
        Self { leader: Some(leader), ..self }
    }
}

/// An electorate in order of rank. Each candidate owns every n-th round, so that no two can ever claim
/// the same; of n rounds in a row the highest belongs to the highest rank.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Order<Id> {
    pub(crate) view: u64,
    pub(crate) first: Option<Id>,
    ranked: Vec<Id>,
}

impl<Id: Copy + Ord> Order<Id> {
    pub(crate) fn new(electorate: &Electorate<Id>, rank: &Rank<Id>) -> Self {
        let ranked = rank.order(&electorate.members);
        let first = electorate.leader.filter(|leader| ranked.contains(leader));
        Self { view: electorate.view, first, ranked }
    }

    /// From the highest rank to the lowest.
    pub(crate) fn all(&self) -> &[Id] {
        &self.ranked
    }

    /// How many rank above this one: all, for one that is no candidate.
    pub(crate) fn above(&self, id: Id) -> usize {
        self.ranked.iter().position(|candidate| *candidate == id).unwrap_or(self.ranked.len())
    }

    pub(crate) fn contains(&self, id: Id) -> bool {
        self.ranked.contains(&id)
    }

    /// Whether `a` ranks above `b`.
    pub(crate) fn outranks(&self, a: Id, b: Id) -> bool {
        self.above(a) < self.above(b)
    }

    /// Whose round this is. Round 0 is that of the leader the view began with.
    pub(crate) fn owner(&self, number: u64) -> Option<Id> {
        let count = self.ranked.len() as u64;
        match number {
            0 => self.first,
            _ => number.checked_rem(count).map(|residue| self.ranked[(count - 1 - residue) as usize]),
        }
    }

    /// The first round of `id` after round `seen`, while there is one.
    pub(crate) fn next(&self, id: Id, seen: u64) -> Option<u64> {
        let count = self.ranked.len() as u64;
        let residue = count.checked_sub(1 + self.above(id) as u64)?;
        let after = seen.checked_add(1)?;
        after.checked_add((residue + count - after % count) % count)
    }

    pub(crate) fn round(&self, number: u64) -> Round {
        Round { view: self.view, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_one_owner_and_the_highest_rank_the_highest() {
        let order = Order::new(&Electorate::new(7, [10, 30, 20]), &Rank::Bully);
        let next: Vec<_> = [10, 20, 30].iter().map(|id| order.next(*id, 2).unwrap()).collect();
        assert_eq!(next, [3, 4, 5]);
        for seen in 0..20 {
            for id in [10, 20, 30] {
                let number = order.next(id, seen).unwrap();
                assert!(number > seen && number <= seen + 3);
                assert_eq!(order.owner(number), Some(id));
            }
        }
    }

    #[test]
    fn strangers_own_nothing_and_rounds_can_end() {
        let order = Order::new(&Electorate::new(0, [1, 2]).led_by(9), &Rank::Bully);
        assert_eq!((order.next(9, 0), order.owner(0), order.above(9)), (None, None, 2));
        assert_eq!(order.next(1, u64::MAX), None);
        let nobody = Order::<u8>::new(&Electorate::new(0, []), &Rank::Bully);
        assert_eq!((nobody.next(1, 0), nobody.owner(5)), (None, None));
    }
}
