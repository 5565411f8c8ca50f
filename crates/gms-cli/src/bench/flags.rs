//! What was typed.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::failover::FailoverFlags;
use crate::level::LevelName;

/// Largest message that is measured, in bytes.
const LARGEST: i64 = 16 << 20;
/// Bytes of the messages that are measured unless the flags say others.
const SIZES: [u32; 4] = [100, 1024, 8192, 65536];

/// Nothing comes from the environment: a bench must not land in the group of a server that is set up there.
#[derive(Debug, Args)]
pub(crate) struct BenchFlags {
    /// Processes in the group [default: 3; with --failover 3, then 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=64))]
    pub(super) members: Option<u64>,

    /// Who sends
    #[arg(long, value_enum, default_value_t = Senders::All, conflicts_with = "failover")]
    pub(super) senders: Senders,

    /// When messages are delivered [default: agreed; with --failover uniform]
    #[arg(long, value_enum)]
    pub(super) level: Option<LevelName>,

    /// Bytes of a message; several are measured one after the other [default: 100,1024,8192,65536; with --failover
    /// 100]
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=LARGEST))]
    pub(super) size: Vec<u32>,

    /// How long each measurement takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = lasting, conflicts_with = "failover")]
    pub(super) seconds: f64,

    /// Measurements of each size and kind; their median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100),
          conflicts_with = "failover")]
    pub(super) repeats: u32,

    /// How long the same goes on before each measurement, unmeasured
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, value_parser = warming_up, conflicts_with = "failover")]
    pub(super) warm_up: f64,

    #[command(flatten)]
    pub(super) failover: FailoverFlags,

    /// Multicast address of the group; the three ports after it are used too [default: 239.1.1.1, a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) multicast: Option<SocketAddr>,

    /// Network interface
    #[arg(long, value_name = "NAME|IP", default_value = "loopback")]
    pub(super) interface: String,

    /// Sends beyond loopback although nothing is encrypted or authenticated
    #[arg(long)]
    pub(super) insecure: bool,

    /// Prints one JSON object for each size, and nothing else
    #[arg(long)]
    pub(super) json: bool,
}

impl BenchFlags {
    /// Processes in the group, where the end of a leader is not what is measured.
    pub(super) fn members(&self) -> u64 {
        self.members.unwrap_or(3)
    }

    /// Level of the messages, there too.
    pub(super) fn level(&self) -> LevelName {
        self.level.unwrap_or(LevelName::Agreed)
    }

    /// Bytes of the messages, there too.
    pub(super) fn sizes(&self) -> &[u32] {
        if self.size.is_empty() { &SIZES } else { &self.size }
    }
}

/// Who sends under load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Senders {
    /// One follower
    One,
    /// The leader
    Leader,
    /// All members
    All,
}

fn lasting(text: &str) -> Result<f64, String> {
    seconds(text, 0.1..=3600.0)
}

fn warming_up(text: &str) -> Result<f64, String> {
    seconds(text, 0.0..=60.0)
}

fn seconds(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let (least, most) = (range.start(), range.end());
    let seconds = text.parse().ok().filter(|seconds| range.contains(seconds));
    seconds.ok_or_else(|| format!("give a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_checked_at_their_edges() {
        assert_eq!((lasting("0.1"), warming_up("0")), (Ok(0.1), Ok(0.0)));
        for text in ["0.09", "3601", "NaN", "-1", "soon"] {
            assert!(lasting(text).is_err(), "{text}");
        }
    }
}
