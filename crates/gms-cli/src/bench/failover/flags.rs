//! What was typed about the end of a leader.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// Messages per second, at most: above that a sender is busy all the time.
const FASTEST: u32 = 100_000;

/// Beside those of any bench.
#[derive(Debug, Args)]
pub(crate) struct FailoverFlags {
    /// Measures what members notice when their leader ends, while all of them send
    #[arg(long)]
    pub(in crate::bench) failover: bool,

    /// How it ends; several are measured one after the other
    #[arg(long, value_enum, value_name = "HOW", value_delimiter = ',', requires = "failover",
          default_values_t = [Fault::Kill, Fault::Leave])]
    pub(super) fault: Vec<Fault>,

    /// Messages per second that each member sends; `max`: as many as the group takes
    #[arg(long, value_name = "N|max", value_delimiter = ',', requires = "failover",
          default_values_t = [Rate::PerSecond(1000), Rate::Max])]
    pub(super) rate: Vec<Rate>,

    /// How often each is done, always with a group of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000),
          requires = "failover")]
    pub(super) trials: u32,
}

/// How a leader ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fault {
    /// `kill -9`
    Kill,
    /// SIGSTOP, and SIGCONT when the others have gone on without it: then it has to join again
    Stop,
    /// It leaves as it should, handing over
    Leave,
}

/// How fast a member sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::bench) enum Rate {
    /// Messages per second.
    PerSecond(u32),
    /// As many as the group takes.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "max" => Ok(Self::Max),
            Ok(rate) if (1..=FASTEST).contains(&rate) => Ok(Self::PerSecond(rate)),
            _ => Err(format!("give messages per second, 1 to {FASTEST}, or max")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => f.pad(&rate.to_string()),
            Self::Max => f.pad("max"),
        }
    }
}

/// As typed.
impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_was_typed() {
        for text in ["1", "100000", "max"] {
            assert_eq!(text.parse::<Rate>().expect("a rate").to_string(), text);
        }
        for text in ["0", "100001", "-1", "1.5", "fast", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
