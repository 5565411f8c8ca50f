//! The verdict.

mod counters;
mod property;
mod violation;

use std::fmt;

pub use counters::Counters;
pub use property::Property;
pub use violation::Violation;

/// What the checker found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every breach found, in the order of the places where they show; at one place the most telling one first.
    pub violations: Vec<Violation>,
    /// What could not be judged because records are missing, a line each.
    pub notes: Vec<String>,
    /// How often each property was really exercised.
    pub counters: Counters,
}

impl Report {
    /// Whether no property was violated. Says nothing about how much was checked: see [`Report::exercised`].
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// How often a property was really exercised.
    pub fn exercised(&self, property: Property) -> u64 {
        self.counters.exercised(property)
    }

    /// The breaches of one property.
    pub fn of(&self, property: Property) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(move |violation| violation.property == property)
    }
}

/// One verdict line for each property.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for property in Property::ALL {
            let verdict = match (self.of(property).count(), self.exercised(property)) {
                (0, 0) => "not checked".to_owned(),
                (0, _) => "ok".to_owned(),
                (violated, _) => format!("VIOLATED {violated}"),
            };
            write!(f, "{:<4}{:<32}{verdict:<14}{:>10}", property.id(), property.name(), self.exercised(property))?;
            for (part, count) in self.counters.parts(property) {
                write!(f, "  {part} {count}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
