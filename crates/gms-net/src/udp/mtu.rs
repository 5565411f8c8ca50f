//! How large a datagram may be to leave through an interface whole.

use std::io;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::interface::Chosen;
use super::open;

/// Bytes of the IP and UDP headers before a datagram.
const HEADERS_V4: u32 = 28;
const HEADERS_V6: u32 = 48;
/// What a system that does not tell is taken to carry: what Ethernet does.
const USUAL_MTU: u32 = 1500;
/// No host that talks IPv6 may have less, and no datagram of the layers beside the order is larger.
pub(super) const LEAST_MTU: u32 = 1280;
/// More does no datagram have.
const MOST_IN_A_DATAGRAM: u32 = 65_507;

/// The interface's present MTU, as far as the system tells.
pub(super) fn of(chosen: &Chosen) -> u32 {
    ask(chosen).unwrap_or(USUAL_MTU)
}

/// Bytes of a datagram that such an MTU carries whole.
pub(super) fn datagram(mtu: u32, chosen: &Chosen) -> u16 {
    let headers = if chosen.address.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
    mtu.saturating_sub(headers).min(MOST_IN_A_DATAGRAM) as u16
}

/// Connecting a socket sends nothing: the kernel looks the way up, and knows its MTU then. To all hosts of the link
/// there is a way without a route.
#[cfg(target_os = "linux")]
fn ask(chosen: &Chosen) -> io::Result<u32> {
    let all_hosts = match chosen.address {
        std::net::IpAddr::V4(_) => ([224, 0, 0, 1], 9).into(),
        std::net::IpAddr::V6(_) => open::scoped(([0xff02, 0, 0, 0, 0, 0, 0, 1], 9).into(), chosen),
    };
    let socket = Socket::new(Domain::for_address(all_hosts), Type::DGRAM, Some(Protocol::UDP))?;
    match chosen.address {
        std::net::IpAddr::V4(v4) => socket.set_multicast_if_v4(&v4)?,
        std::net::IpAddr::V6(_) => socket.set_multicast_if_v6(chosen.index.unwrap_or(0))?,
    }
    socket.connect(&SockAddr::from(all_hosts))?;
    let mtu = match chosen.address {
        std::net::IpAddr::V4(_) => rustix::net::sockopt::ip_mtu(&socket)?,
        std::net::IpAddr::V6(_) => rustix::net::sockopt::ipv6_mtu(&socket)?,
    };
    Ok(mtu)
}

#[cfg(not(target_os = "linux"))]
fn ask(_: &Chosen) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: &str) -> Chosen {
        Chosen { name: "lo".to_owned(), index: Some(1), address: address.parse().unwrap() }
    }

    #[test]
    fn headers_are_taken_off() {
        assert_eq!((datagram(1500, &on("192.0.2.1")), datagram(1500, &on("2001:db8::1"))), (1472, 1452));
        assert_eq!(datagram(65_536, &on("127.0.0.1")), 65_507);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn loopback_carries_any_datagram() {
        assert!(of(&on("127.0.0.1")) >= 16_384, "{}", of(&on("127.0.0.1")));
    }
}
