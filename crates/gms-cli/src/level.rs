//! Delivery levels as the command line names them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// When a message is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LevelName {
    /// In order, at once; may be lost with the leader
    Agreed,
    /// In order, once a majority has it
    Uniform,
    /// In order, once everybody has it
    Stable,
}

impl LevelName {
    /// As typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Uniform => "uniform",
            Self::Stable => "stable",
        }
    }
}

impl From<LevelName> for gms::Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Agreed => Self::Agreed,
            LevelName::Uniform => Self::Uniform,
            LevelName::Stable => Self::Stable,
        }
    }
}
