//! How often each property was really exercised: "no violation" must not mean "nothing happened".

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::Property;

/// Counts per property, and of named parts of it. Those of many runs add up with `+=`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    whole: BTreeMap<Property, u64>,
    parts: BTreeMap<(Property, &'static str), u64>,
}

impl Counters {
    /// How often a property was exercised.
    pub fn exercised(&self, property: Property) -> u64 {
        self.whole.get(&property).copied().unwrap_or(0)
    }

    /// How often a named part of a property was exercised.
    pub fn part(&self, property: Property, name: &str) -> u64 {
        self.parts(property).find(|(part, _)| *part == name).map_or(0, |(_, count)| count)
    }

    /// The named parts of a property.
    pub fn parts(&self, property: Property) -> impl Iterator<Item = (&'static str, u64)> {
        self.parts
            .range((property, "")..)
            .take_while(move |((of, _), _)| *of == property)
            .map(|((_, name), count)| (*name, *count))
    }

    pub(crate) fn count(&mut self, property: Property, by: u64) {
        if by > 0 {
            *self.whole.entry(property).or_default() += by;
        }
    }

    pub(crate) fn count_part(&mut self, property: Property, name: &'static str, by: u64) {
        if by > 0 {
            *self.parts.entry((property, name)).or_default() += by;
        }
    }
}

impl AddAssign<&Counters> for Counters {
    fn add_assign(&mut self, other: &Counters) {
        for (property, by) in &other.whole {
            self.count(*property, *by);
        }
        for ((property, name), by) in &other.parts {
            self.count_part(*property, name, *by);
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        *self += &other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let mut one = Counters::default();
        one.count(Property::P9, 2);
        one.count_part(Property::P17, "delivered", 1);
        let mut sum = one.clone();
        sum += one;
        assert_eq!(sum.exercised(Property::P9), 4);
        assert_eq!(sum.part(Property::P17, "delivered"), 2);
        assert_eq!(sum.part(Property::P17, "not ordered"), 0);
        assert_eq!(sum.exercised(Property::P1), 0);
    }
}
