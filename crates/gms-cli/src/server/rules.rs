//! What a group decides by, as the command line names it.

use anyhow::{Result, bail};
use clap::ValueEnum;
use gms::{Params, Profile, QuorumMode, Ranking, WhenBlocked};
use serde::Deserialize;

use super::file::ServerFile;
use super::flags::ServerFlags;

/// Who leads when the leader is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ElectionName {
    /// The highest id
    Bully,
    /// The oldest member
    Seniority,
    /// The highest --weight, and of equal weights the highest id
    Priority,
}

/// How far apart the servers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProfileName {
    /// On one host: a silent server is suspected after 0.15 to 1 s
    Local,
    /// On one network: after 0.5 to 3 s
    Lan,
    /// With round trips of up to half a second: after 5 to 15 s
    Wan,
}

/// What becomes of messages while there is no progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WhenBlockedName {
    /// They wait
    Hold,
    /// They are refused
    Refuse,
}

/// What becomes of a group that meets a larger one of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AbsorbName {
    /// Both go on until an operator keeps one
    Never,
    /// The smaller one ends, and what was ordered in it is lost
    Larger,
}

impl From<WhenBlockedName> for WhenBlocked {
    fn from(name: WhenBlockedName) -> Self {
        match name {
            WhenBlockedName::Hold => Self::Hold,
            WhenBlockedName::Refuse => Self::Refuse,
        }
    }
}

/// What all servers of a group have to have in common, but for the weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    pub(super) quorum: QuorumMode,
    ranking: Ranking,
    pub(super) weight: u32,
    preempt: bool,
    min_voters: Option<u16>,
    pub(super) profile: Profile,
}

impl Rules {
    /// Puts them together.
    pub(super) fn resolve(flags: &ServerFlags, file: &ServerFile) -> Result<Self> {
        let ranking = match flags.election.or(file.election) {
            None | Some(ElectionName::Bully) => Ranking::Bully,
            Some(ElectionName::Seniority) => Ranking::Seniority,
            Some(ElectionName::Priority) => Ranking::Priority,
        };
        let weight = flags.weight.or(file.weight);
        if weight.is_some() && ranking != Ranking::Priority {
            bail!("weight says who leads in a group with --election priority only: add that, or leave weight out");
        }
        let preempt = flags.preempt.or(file.preempt).unwrap_or(false);
        if preempt && ranking == Ranking::Seniority {
            bail!("preempt has no effect with --election seniority, for nobody who joins is senior: leave one out");
        }
        Ok(Self {
            quorum: flags.quorum.or(file.quorum).map_or(QuorumMode::Majority, QuorumMode::from),
            ranking,
            weight: weight.unwrap_or(0),
            preempt,
            min_voters: flags.min_voters.or(file.min_voters),
            profile: match flags.profile.or(file.profile) {
                Some(ProfileName::Local) => Profile::Local,
                None | Some(ProfileName::Lan) => Profile::Lan,
                Some(ProfileName::Wan) => Profile::Wan,
            },
        })
    }

    /// Whether a group with a list of peers keeps a majority of them: nothing else was said.
    pub(super) fn keeps_majority(&self) -> bool {
        self.min_voters.is_none()
    }

    /// As the group's settings.
    pub(super) fn params(&self) -> Params {
        let Self { quorum, ranking, preempt, .. } = *self;
        let min_voters = self.min_voters.unwrap_or(1);
        Params { quorum, ranking, preempt, min_voters, ..Params::default() }
    }
}
