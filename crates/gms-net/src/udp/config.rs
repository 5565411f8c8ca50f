//! How the sockets are to be set up.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The settings of [`Udp`](super::Udp); the defaults suit several processes on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpConfig {
    /// The control group: a multicast address (IPv4 or IPv6) and a port from 1 to 65534. The data group has the same
    /// address and the next port. Default 239.1.1.1:10000. Without meaning when [`peers`](Self::peers) are given.
    pub multicast: SocketAddr,
    /// Processes to reach where there is no multicast, by their unicast addresses; oneself among them does no harm.
    /// When given, even as an empty list, no group is joined, and trains to groups are copied to processes instead:
    /// see [`set_members`](crate::Transport::set_members). Default `None`: multicast.
    pub peers: Option<Vec<SocketAddr>>,
    /// The network interface to use, for everything. Default loopback.
    pub interface: Interface,
    /// How many networks multicast may cross, 0 to 255: 0 stays on this host, 1 (the default) on the local network.
    pub ttl: u32,
    /// Whether other processes of this host hear our multicast. Default `true`.
    pub multicast_loop: bool,
    /// The port of the unicast socket and of streams, UDP and TCP; 0 (the default) takes any that is free for both.
    pub unicast_port: u16,
    /// The longest message of a stream, in bytes, 1 KiB to 1 GiB. A longer one is not sent, and who sends one here is
    /// cut off. Twice as much may wait to be sent to one process, four times as much may be half received. Default
    /// 16 MiB.
    pub stream_limit: usize,
    /// Bytes of receive buffer to ask for, per socket. The kernel may grant less (Linux: `net.core.rmem_max`); see
    /// [`receive_budget`](crate::Transport::receive_budget). Default 4 MiB.
    pub receive_buffer: usize,
    /// Bytes of send buffer to ask for. The kernel may grant less (Linux: `net.core.wmem_max`). Default 4 MiB.
    pub send_buffer: usize,
    /// Whether the kernel cuts trains. Default [`Segmentation::Auto`].
    pub segmentation: Segmentation,
}

impl UdpConfig {
    /// The defaults, for this control group.
    pub fn new(multicast: SocketAddr) -> Self {
        Self {
            multicast,
            peers: None,
            interface: Interface::Loopback,
            ttl: 1,
            multicast_loop: true,
            unicast_port: 0,
            stream_limit: 16 << 20,
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            segmentation: Segmentation::Auto,
        }
    }

    /// The defaults without multicast, for a group among these processes and those that name this one.
    pub fn with_peers(peers: impl Into<Vec<SocketAddr>>) -> Self {
        Self { peers: Some(peers.into()), ..Self::default() }
    }

    /// An address whose family (IPv4 or IPv6) ours must have, if there is one.
    pub(super) fn counterpart(&self) -> Option<SocketAddr> {
        match &self.peers {
            None => Some(self.multicast),
            Some(peers) => peers.first().copied(),
        }
    }
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self::new(SocketAddr::from((Ipv4Addr::new(239, 1, 1, 1), 10_000)))
    }
}

/// Who cuts a train into datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Segmentation {
    /// The kernel or the network card, where they can (UDP GSO on Linux); one call sends a whole train.
    #[default]
    Auto,
    /// This process: one call per datagram. For comparing, and for hosts whose GSO is broken.
    Off,
}

/// Which network interface to use.
///
/// From text: `loopback`, an IP address, or else the name of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The loopback interface: processes of this host only.
    #[default]
    Loopback,
    /// The interface of this name, as `eth0`, with its first address of the family of the multicast address or the
    /// first peer (without either: IPv4 if it has that); a global one comes before a link-local one.
    Name(String),
    /// The interface that has this address; of the family of the multicast address or the peers.
    Address(IpAddr),
}

impl FromStr for Interface {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text == LOOPBACK {
            return Ok(Self::Loopback);
        }
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str(LOOPBACK),
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

const LOOPBACK: &str = "loopback";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_reads_back_as_written() {
        let cases = [
            ("loopback", Interface::Loopback),
            ("eth0", Interface::Name("eth0".into())),
            ("10.0.0.7", Interface::Address([10, 0, 0, 7].into())),
            ("::1", Interface::Address("::1".parse().unwrap())),
        ];
        for (text, interface) in cases {
            assert_eq!(text.parse(), Ok(interface.clone()));
            assert_eq!(interface.to_string(), text);
        }
    }
}
