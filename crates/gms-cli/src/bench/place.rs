//! Where a bench meets: a group name and four UDP ports of its own.

use std::net::SocketAddr;

use anyhow::anyhow;
use gms::UdpConfig;
use gms_net::{BindError, Transport, Udp};

use super::flags::BenchFlags;
use crate::failure::Failure;
use crate::meeting_place;

/// Two for the group, two for the ceiling.
const NEEDED: u16 = 4;

/// Known to all members of one bench.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) group: String,
    /// Of the group.
    pub(super) multicast: SocketAddr,
    /// Of the datagrams that belong to no group.
    pub(super) ceiling: SocketAddr,
    pub(super) interface: String,
}

impl Place {
    /// As the flags say, or else where nobody else is. The sockets are opened once, to see whether that works. Must be
    /// called on a runtime.
    pub(super) fn find(flags: &BenchFlags) -> Result<Self, Failure> {
        let multicast = match flags.multicast {
            Some(multicast) => multicast,
            None => meeting_place::find(NEEDED)?,
        };
        let Some(second) = multicast.port().checked_add(2).filter(|port| *port < u16::MAX) else {
            return Err(Failure::usage(anyhow!(
                "multicast port {} cannot be used, as the three ports after it are needed too: choose 1 to {}",
                multicast.port(),
                u16::MAX - NEEDED + 1
            )));
        };
        let ceiling = SocketAddr::new(multicast.ip(), second);
        let place =
            Self { group: meeting_place::group("bench"), multicast, ceiling, interface: flags.interface.clone() };
        for address in [multicast, ceiling] {
            let udp = place.open(address).map_err(Failure::sockets)?;
            if !udp.local_address().ip().is_loopback() && !flags.insecure {
                return Err(Failure::insecure(udp.interface()));
            }
        }
        Ok(place)
    }

    fn open(&self, multicast: SocketAddr) -> Result<Udp, BindError> {
        Udp::bind(network(multicast, &self.interface))
    }
}

/// The sockets at `multicast` on `interface`, as text names it.
pub(super) fn network(multicast: SocketAddr, interface: &str) -> UdpConfig {
    let Ok(interface) = interface.parse();
    UdpConfig { interface, ..UdpConfig::new(multicast) }
}
