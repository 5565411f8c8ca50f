//! What holds for a demo.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use gms::QuorumMode;

use super::flags::DemoFlags;
use crate::color::Palette;
use crate::level::LevelName;
use crate::quorum::QuorumName;

/// What the two kinds of demo share.
#[derive(Debug, Clone)]
pub(super) struct DemoSettings {
    pub(super) members: u64,
    pub(super) level: LevelName,
    pub(super) quorum: QuorumMode,
    pub(super) lasts: Duration,
    /// Probability and seed.
    pub(super) loss: Option<(f64, u64)>,
    pub(super) json: bool,
    pub(super) palette: Palette,
    pub(super) kind: Kind,
}

/// Which demo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Members that talk, with so long between two messages of one of them.
    Talk { pause: Duration },
    /// Members that send messages of this size as fast as they can.
    Flood { size: usize },
}

/// How fast each member sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    PerSecond(f64),
    Max,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            // Each message is a line to be read.
            Ok(rate) if (0.1..=1000.0).contains(&rate) => Ok(Self::PerSecond(rate)),
            _ => Err("give `max`, or a number from 0.1 to 1000".to_owned()),
        }
    }
}

/// Reads a time; for clap.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.5..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "give a number from 0.5 to 3600".to_owned())
}

impl DemoSettings {
    /// Puts them together.
    pub(super) fn resolve(flags: DemoFlags) -> Result<Self> {
        let (kind, members, lasts) = match flags.rate.unwrap_or(Pace::PerSecond(3.0)) {
            Pace::Max => (Kind::Flood { size: flags.size.unwrap_or(100) as usize }, 3, 3.0),
            Pace::PerSecond(_) if flags.size.is_some() => {
                bail!("--size is for --rate max: add that, or leave --size out")
            }
            Pace::PerSecond(rate) => (Kind::Talk { pause: Duration::from_secs_f64(1.0 / rate) }, 5, 4.0),
        };
        if matches!(kind, Kind::Flood { .. }) && flags.quorum == QuorumName::FailStop {
            bail!("--quorum fail-stop shows members that die, --rate max measures those that live: leave one out");
        }
        Ok(Self {
            members: flags.members.unwrap_or(members),
            level: flags.level,
            quorum: flags.quorum.into(),
            lasts: Duration::from_secs_f64(flags.lasts.unwrap_or(lasts)),
            loss: flags.loss.map(|probability| (probability, flags.seed)),
            json: flags.json,
            palette: flags.color.palette(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_max_or_a_number_that_can_be_read_along() {
        assert_eq!("max".parse(), Ok(Pace::Max));
        assert_eq!("2.5".parse(), Ok(Pace::PerSecond(2.5)));
        for text in ["0", "-1", "NaN", "fast", "1e9"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }
}
