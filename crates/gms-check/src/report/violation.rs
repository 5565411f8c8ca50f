//! One breach.

use std::fmt;

use super::Property;
use crate::Uid;

/// One breach of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which property.
    pub property: Property,
    /// Who took part: first the one whose record shows it.
    pub processes: Vec<Uid>,
    /// Where, as `"gseq 121 in view 4"`.
    pub place: String,
    /// What happened.
    pub what: String,
    /// The time in the record that showed it; `None` if only the end of the trace did.
    pub at_us: Option<u64>,
}

/// One line.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}: {} [", self.property, self.property.name(), self.place, self.what)?;
        for (index, process) in self.processes.iter().enumerate() {
            write!(f, "{}{process}", if index == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}
