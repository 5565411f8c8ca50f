//! Where a demo meets: a multicast port pair and a group name of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use gms::{Bootstrap, Config, Events, Group, JoinError, UdpConfig};
use gms_net::{Lossy, Udp};

use super::settings::DemoSettings;
use crate::meeting_place;

/// With more loss than this,
const HEAVY_LOSS: f64 = 0.2;
/// no more bytes of own messages may wait than these: so many get through in the time there is at the end.
const LOSSY_PENDING: usize = 256 << 10;

/// Known to all members of one demo.
#[derive(Debug, Clone)]
pub(super) struct Place {
    group: String,
    network: UdpConfig,
    settings: DemoSettings,
}

impl Place {
    /// A place that no other group uses.
    pub(super) fn find(settings: &DemoSettings) -> Result<Self> {
        let network = UdpConfig::new(meeting_place::find(2)?);
        Ok(Self { group: meeting_place::group("demo"), network, settings: settings.clone() })
    }

    /// Where the members meet.
    pub(super) fn multicast(&self) -> SocketAddr {
        self.network.multicast
    }

    /// Makes member `id`; the first one creates the group.
    pub(super) async fn join(&self, id: u64) -> Result<(Group, Events), JoinError> {
        let mut config = Config::new(self.group.clone());
        config.id = Some(id);
        config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
        // The name is this run's own: nobody else can have created the group.
        (config.discover, config.settle) = (Duration::ZERO, Duration::ZERO);
        config.params.quorum = self.settings.quorum;
        config.level = self.settings.level.into();
        config.leave_within = Duration::from_secs(5);
        if self.settings.loss.is_some_and(|(probability, _)| probability > HEAVY_LOSS) {
            config.pending = LOSSY_PENDING;
        }
        let udp = Udp::bind(self.network.clone())?;
        match self.settings.loss {
            None => Group::join_over(config, udp).await,
            Some((probability, seed)) => {
                Group::join_over(config, Lossy::new(udp, probability, seed.wrapping_add(id))).await
            }
        }
    }

    /// Makes the first `members`; all together, but for the first.
    pub(super) async fn join_all(&self, members: u64) -> Result<Vec<(Group, Events)>> {
        let mut all = vec![self.join(0).await?];
        let others: Vec<_> = (1..members)
            .map(|id| {
                let place = self.clone();
                tokio::spawn(async move { place.join(id).await })
            })
            .collect();
        for other in others {
            all.push(other.await??);
        }
        Ok(all)
    }
}
