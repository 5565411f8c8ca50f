//! Where a bench meets: a group name and four UDP ports of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::anyhow;
use gms::UdpConfig;
use gms_net::{BindError, Transport, Udp};

use super::flags::BenchFlags;
use crate::failure::Failure;

/// Below what systems hand out by themselves.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
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
            None => SocketAddr::from((ADDRESS, free_ports()?)),
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
            Self { group: format!("bench-{:08x}", random()), multicast, ceiling, interface: flags.interface.clone() };
        for address in [multicast, ceiling] {
            let udp = place.open(address).map_err(bind_failure)?;
            if !udp.local_address().ip().is_loopback() && !flags.insecure {
                return Err(Failure::usage(anyhow!(
                    "{} is not loopback and nothing is encrypted or authenticated: stay on loopback, or allow it with \
                     --insecure",
                    udp.interface()
                )));
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

/// The first of as many as are needed. Where to look first depends on the process, so that two benches started at once
/// do not look at the same ports.
fn free_ports() -> anyhow::Result<u16> {
    let places = (PORTS.end - PORTS.start) / NEEDED;
    let start = (std::process::id().wrapping_mul(37) % u32::from(places)) as u16;
    let mut candidates = (0..places).map(|step| PORTS.start + (start + step) % places * NEEDED);
    let free = candidates.find(|first| (*first..first + NEEDED).all(is_free));
    free.ok_or_else(|| anyhow!("no {NEEDED} free UDP ports in {PORTS:?}: stop a program that holds some"))
}

/// Whether nobody has bound the port: not even those who would share it, as members of a group do.
fn is_free(port: u16) -> bool {
    [IpAddr::from(ADDRESS), Ipv4Addr::UNSPECIFIED.into()].iter().all(|ip| UdpSocket::bind((*ip, port)).is_ok())
}

fn bind_failure(error: BindError) -> Failure {
    match error {
        BindError::UnknownInterface { .. }
        | BindError::NoAddressOfFamily { .. }
        | BindError::NotMulticast { .. }
        | BindError::PortOutOfRange { .. } => Failure::usage(error),
        other => other.into(),
    }
}

/// The standard library draws the keys of its hash maps at random.
fn random() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u32
}
