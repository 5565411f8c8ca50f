//! A set of numbers kept as ranges: what was left out is rarely more than a few runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Disjoint ranges, by their first number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds the numbers of a range.
    pub(crate) fn insert(&mut self, mut first: u64, mut last: u64) {
        while let Some((other, end)) = self.0.range(..=last).next_back().map(|(other, end)| (*other, *end))
            && end >= first
        {
            self.0.remove(&other);
            first = first.min(other);
            last = last.max(end);
        }
        self.0.insert(first, last);
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.around(number).is_some()
    }

    /// Takes one number out.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some((first, last)) = self.around(number) else {
            return;
        };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.0.iter().map(|(first, last)| *first..=*last)
    }

    fn around(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.0.range(..=number).next_back()?;
        (*last >= number).then_some((*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_taken_out_splits_its_range() {
        let mut ranges = Ranges::default();
        ranges.insert(3, 7);
        ranges.insert(10, 10);
        ranges.remove(5);
        ranges.remove(5);
        ranges.remove(10);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [3..=4, 6..=7]);
        ranges.insert(4, 6);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [3..=7]);
        ranges.remove(5);
        assert!(ranges.contains(3) && ranges.contains(7) && !ranges.contains(5) && !ranges.contains(8));
    }
}
