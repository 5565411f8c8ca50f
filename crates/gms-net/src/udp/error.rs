//! Why the sockets could not be set up.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::config::Interface;

/// Why [`Udp::bind`](super::Udp::bind) failed. No socket is left open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host has no such interface.
    #[error("this host has no interface {asked}: choose one of {known}")]
    UnknownInterface {
        /// What was asked for.
        asked: Interface,
        /// The interfaces of this host that have an address, and their addresses.
        known: String,
    },
    /// The interface exists but has no address that would do.
    #[error("interface {interface} has no address{local}: give it one or choose one of {known}")]
    NoAddress {
        /// Its name.
        interface: String,
        /// What its addresses lack, if it has some, as part of a sentence.
        local: &'static str,
        /// The interfaces of this host that have an address, and their addresses.
        known: String,
    },
    /// The interface has the address, but nothing can be sent from it: IPv6 makes sure first that nobody else has it.
    #[error("address {address} cannot be used: it is not ready yet, or somebody else on its network has it too")]
    AddressNotReady {
        /// It.
        address: IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The interface exists but has no address of the family that the group or the peers have.
    #[error(
        "interface {asked} has no {family} address, which {counterpart} needs: choose another address there or one of {known}"
    )]
    NoAddressOfFamily {
        /// What was asked for.
        asked: Interface,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The control group or the first peer.
        counterpart: SocketAddr,
        /// The interfaces of this host that have an address, and their addresses.
        known: String,
    },
    /// The interface carries less than IPv6 asks of every link, and than gms needs.
    #[error(
        "interface {interface} has an MTU of {mtu}, and gms needs {least}: run: ip link set {interface} mtu {least}"
    )]
    MtuTooSmall {
        /// The name of the interface.
        interface: String,
        /// What it has.
        mtu: u32,
        /// What it needs.
        least: u32,
    },
    /// Nothing can ever be sent to one of the peers.
    #[error("peer {peer} cannot be reached from {local}: {mend}")]
    UnreachablePeer {
        /// The peer given.
        peer: SocketAddr,
        /// The address of ours on the interface.
        local: IpAddr,
        /// What to do about it, as part of a sentence.
        mend: &'static str,
    },
    /// The address of the group is not a multicast address.
    #[error("{multicast} is not a multicast address: choose one in 239.0.0.0/8 (IPv4) or ff00::/8 (IPv6)")]
    NotMulticast {
        /// The address given.
        multicast: SocketAddr,
    },
    /// The port of the group leaves no room for the data group's.
    #[error("multicast port {port} cannot be used, as the data group needs the port after it: choose 1 to 65534")]
    PortOutOfRange {
        /// The port given: 0 or 65535.
        port: u16,
    },
    /// The time to live is not a byte.
    #[error("a multicast time to live of {ttl} does not exist: choose 0 to 255")]
    TtlOutOfRange {
        /// The value given.
        ttl: u32,
    },
    /// The longest message of a stream is out of range.
    #[error("a stream limit of {limit} bytes does not do: choose 1024 (1 KiB) to 1073741824 (1 GiB)")]
    StreamLimitOutOfRange {
        /// The value given.
        limit: usize,
    },
    /// Another program listens at the TCP port that goes with the unicast port.
    #[error(
        "another program holds TCP port {}, which streams need beside the UDP port of that number: stop it or choose \
         another unicast port",
        .address.port()
    )]
    StreamPortInUse {
        /// What was to be listened at.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Another program has the port for itself.
    #[error(
        "another program holds UDP port {} ({purpose}) and does not share it: stop it or choose another {purpose} port",
        .address.port()
    )]
    InUse {
        /// What was to be bound.
        address: SocketAddr,
        /// `multicast` (either group) or `unicast`.
        purpose: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not allow it.
    #[error("no permission to use {address} ({purpose}): choose a port above 1023 or run with more rights")]
    Permission {
        /// What was to be bound or joined.
        address: SocketAddr,
        /// `multicast` (either group), `unicast` or `streams`.
        purpose: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The interface does not carry multicast to this group.
    #[error("interface {interface} has no route for multicast to {group}: choose another interface or {mend}")]
    NoMulticastRoute {
        /// The name of the interface.
        interface: String,
        /// The group that could not be joined or reached.
        group: SocketAddr,
        /// What makes the interface do, as part of a sentence.
        mend: String,
        /// What the system said.
        source: io::Error,
    },
    /// Called outside a tokio runtime.
    #[error("sockets need a running tokio runtime: call Udp::bind inside one that has I/O enabled")]
    NoRuntime,
    /// Anything else the system said.
    #[error("the system refused to {doing}; see the cause, mend it and try again")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// Whether the same settings may work in a moment, as at a start before the network is up: an interface that was
    /// named has no address of the kind yet.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoAddress { .. } | Self::AddressNotReady { .. } => true,
            Self::NoAddressOfFamily { asked, .. } => matches!(asked, Interface::Name(_)),
            _ => false,
        }
    }

    /// For `map_err`: an error while `doing` something that has no variant of its own.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
