//! Times that fit a kind of network, for all layers at once.

use std::time::Duration;

use gms_core::Timing;
use gms_discovery::DetectorConfig;
use gms_election::ElectionConfig;

/// How far apart the members of a group are. All of them should have the same; a joiner that speaks less or more often
/// than the group is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Profile {
    /// On one host: a silent member is suspected after 0.15 to 1 s.
    Local,
    /// On one network: after 0.5 to 3 s.
    #[default]
    Lan,
    /// With round trips of up to half a second: after 5 to 15 s.
    Wan,
}

impl Profile {
    /// Timers of the protocol.
    pub const fn timing(self) -> Timing {
        match self {
            Self::Local => Timing::local(),
            Self::Lan => Timing::lan(),
            Self::Wan => Timing::wan(),
        }
    }

    /// Times of the failure detector.
    pub const fn detector(self) -> DetectorConfig {
        match self {
            Self::Local => DetectorConfig::local(),
            Self::Lan => DetectorConfig::lan(),
            Self::Wan => DetectorConfig::wan(),
        }
    }

    /// How long the leader of a new group looks for other ones before anything is said in it (T_settle).
    pub const fn settle(self) -> Duration {
        match self {
            Self::Local | Self::Lan => Duration::from_secs(1),
            Self::Wan => Duration::from_secs(5),
        }
    }

    /// How long to look for a group, at least, before one is created (T_discover).
    pub const fn discover(self) -> Duration {
        match self {
            Self::Local | Self::Lan => Duration::from_millis(300),
            Self::Wan => Duration::from_secs(2),
        }
    }

    /// Times of the election of the process that creates the group.
    pub fn creation(self) -> ElectionConfig {
        match self {
            // Processes that start are slow to answer: many start at the same time, on the same machine.
            Self::Local | Self::Lan => ElectionConfig {
                answer: Duration::from_millis(60),
                coordinate: Duration::from_millis(200),
                ..ElectionConfig::default()
            },
            Self::Wan => self.succession(),
        }
    }

    /// Times of the election of one who proposes what ends the view, when the leader is gone.
    pub fn succession(self) -> ElectionConfig {
        match self {
            Self::Local | Self::Lan => ElectionConfig::default(),
            Self::Wan => ElectionConfig {
                answer: Duration::from_millis(600),
                coordinate: Duration::from_secs(2),
                backoff: Duration::from_millis(500),
                ..ElectionConfig::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_each_profile_fit_together() {
        for profile in [Profile::Local, Profile::Lan, Profile::Wan] {
            let (timing, detector) = (profile.timing(), profile.detector());
            assert_eq!(detector.check(), Ok(()));
            assert_eq!((profile.creation().check(), profile.succession().check()), (Ok(()), Ok(())));
            assert_eq!(timing.heartbeat, detector.interval, "what one says is what the other listens for");
            assert!(
                timing.presence >= timing.heartbeat * 3 && timing.quorum >= detector.floor + detector.verification()
            );
            assert!(timing.collect < timing.attempt);
            assert!(profile.succession().answer <= timing.attempt);
        }
    }
}
