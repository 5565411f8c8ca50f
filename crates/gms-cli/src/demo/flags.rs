//! What was typed.

use clap::Args;

use super::settings::{Pace, seconds};
use crate::color::ColorFlags;
use crate::level::LevelName;
use crate::probability;
use crate::quorum::QuorumName;

/// Unset means: whatever suits the kind of demo.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    /// Members at the start [default: 5, or 3 with --rate max]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=64))]
    pub(super) members: Option<u64>,

    /// Messages per second that each member sends; `max`: as many as the group takes, measured, nothing printed in
    /// between [default: 3]
    #[arg(long, value_name = "N|max")]
    pub(super) rate: Option<Pace>,

    /// Bytes of a message, with --rate max [default: 100]
    #[arg(long, value_name = "BYTES")]
    pub(super) size: Option<u32>,

    /// When messages are delivered
    #[arg(long, value_enum, default_value_t = LevelName::Uniform)]
    pub(super) level: LevelName,

    /// With `fail-stop` the leaders die without a word, one after the other, until one member is left
    #[arg(long, value_enum, value_name = "MODE", default_value_t = QuorumName::Majority, conflicts_with = "size")]
    pub(super) quorum: QuorumName,

    /// How long the members send [default: 4, or 3 with --rate max]
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(super) lasts: Option<f64>,

    /// Drops this part of the datagrams that each member receives, 0 to 1
    #[arg(long, value_name = "P", value_parser = probability::parse)]
    pub(super) loss: Option<f64>,

    /// Which datagrams --loss drops
    #[arg(long, value_name = "N", default_value_t = 1, requires = "loss")]
    pub(super) seed: u64,

    /// Prints one JSON object a line
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) color: ColorFlags,
}
