//! What was typed.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::level::LevelName;

/// Largest message that is measured, in bytes.
const LARGEST: i64 = 16 << 20;

/// Nothing comes from the environment: a bench must not land in the group of a server that is set up there.
#[derive(Debug, Args)]
pub(crate) struct BenchFlags {
    /// Processes in the group
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=64))]
    pub(super) members: u64,

    /// Who sends
    #[arg(long, value_enum, default_value_t = Senders::All)]
    pub(super) senders: Senders,

    /// When messages are delivered
    #[arg(long, value_enum, default_value_t = LevelName::Agreed)]
    pub(super) level: LevelName,

    /// Bytes of a message; several are measured one after the other
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = [100, 1024, 8192, 65536],
          value_parser = clap::value_parser!(u32).range(1..=LARGEST))]
    pub(super) size: Vec<u32>,

    /// How long each measurement takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = lasting)]
    pub(super) seconds: f64,

    /// Measurements of each size and kind; their median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) repeats: u32,

    /// How long the same goes on before each measurement, unmeasured
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, value_parser = warming_up)]
    pub(super) warm_up: f64,

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
