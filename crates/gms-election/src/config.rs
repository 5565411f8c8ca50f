//! Times and bounds of an election.

use std::time::Duration;

/// Settings of an [`Election`](crate::Election).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ElectionConfig {
    /// T1: how long an asked process has for its OK.
    pub answer: Duration,
    /// T2: how long one that said OK has for its COORDINATOR.
    pub coordinate: Duration,
    /// How often a process is asked within T1, for what gets lost.
    pub asks: u32,
    /// How often a COORDINATOR is repeated to those that have not confirmed it: after T1, then after
    /// twice as long each time, up to T2.
    pub repeats: u32,
    /// Back-off of the lowest rank after its first failed attempt. Higher ranks wait a smaller part of
    /// it, each in a slot of its own; each further attempt adds as much again, up to eight times.
    pub backoff: Duration,
    /// Attempts before [`Event::GaveUp`](crate::Event::GaveUp).
    pub attempts: u32,
}

impl Default for ElectionConfig {
    fn default() -> Self {
        Self {
            answer: Duration::from_millis(20),
            coordinate: Duration::from_millis(100),
            asks: 4,
            repeats: 8,
            backoff: Duration::from_millis(50),
            attempts: 16,
        }
    }
}

impl ElectionConfig {
    /// Why these settings cannot work, if they cannot.
    pub fn check(&self) -> Result<(), ElectionError> {
        let named = [("answer", self.answer.is_zero()), ("asks", self.asks == 0), ("attempts", self.attempts == 0)];
        if let Some((name, _)) = named.into_iter().find(|(_, zero)| *zero) {
            return Err(ElectionError::Zero(name));
        }
        if self.ask_gap().is_zero() {
            return Err(ElectionError::Asks { asks: self.asks, answer: self.answer });
        }
        if self.coordinate <= self.answer {
            return Err(ElectionError::Coordinate { coordinate: self.coordinate, answer: self.answer });
        }
        Ok(())
    }

    /// Time between two asks.
    pub(crate) fn ask_gap(&self) -> Duration {
        self.answer / self.asks
    }
}

/// Settings that cannot work. Nothing has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ElectionError {
    /// A setting is zero.
    #[error("{0} is 0: set it to more")]
    Zero(&'static str),
    /// No time between two asks.
    #[error("{asks} asks do not fit into {answer:?}: ask less often or wait longer")]
    Asks {
        /// Asks wanted.
        asks: u32,
        /// Time for them.
        answer: Duration,
    },
    /// A process that says OK would be given up before it has asked those above it.
    #[error("a claim may take {coordinate:?} but an answer {answer:?}: give the claim more time")]
    Coordinate {
        /// T2.
        coordinate: Duration,
        /// T1.
        answer: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let good = ElectionConfig::default();
        assert_eq!(good.check(), Ok(()));
        let zero = ElectionConfig { asks: 0, ..good.clone() };
        assert_eq!(zero.check(), Err(ElectionError::Zero("asks")));
        let late = ElectionConfig { coordinate: good.answer, ..good.clone() };
        assert!(matches!(late.check(), Err(ElectionError::Coordinate { .. })));
        let many = ElectionConfig { answer: Duration::from_nanos(3), ..good };
        assert!(matches!(many.check(), Err(ElectionError::Asks { .. })));
    }
}
