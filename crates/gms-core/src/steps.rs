//! The last steps of a member, kept for the day on which a check of its own invariants fails.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::id::Vid;
use crate::time::Time;

/// Steps kept.
const KEPT: usize = 48;

/// One thing that happened: a control message sent or received, a view installed.
#[derive(Clone, Debug)]
struct Step {
    at: Time,
    vid: Vid,
    what: &'static str,
    /// With whom.
    whom: String,
}

/// What happened last. No part of a member's state: two members that differ in nothing else are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(VecDeque<Step>);

impl Steps {
    /// Writes a step down.
    pub(crate) fn note(&mut self, at: Time, vid: Vid, what: &'static str, whom: impl fmt::Display) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Step { at, vid, what, whom: whom.to_string() });
    }
}

impl PartialEq for Steps {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Steps {}

impl Hash for Steps {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One line each, the oldest first: `3.000100 s, view 4: received PREPARE, 10.0.0.1:7000`.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { at, vid, what, whom } in &self.0 {
            write!(f, "\n  {:.6} s, view {vid}: {what}, {whom}", at.as_nanos() as f64 / 1e9)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_steps_are_kept_and_read_well() {
        let mut steps = Steps::default();
        (0..100).for_each(|i| steps.note(Time::from_nanos(i * 1_000), 4, "received PREPARE", i));
        let text = steps.to_string();
        assert_eq!(text.lines().count(), KEPT + 1);
        assert!(text.ends_with("\n  0.000099 s, view 4: received PREPARE, 99"), "{text}");
    }
}
