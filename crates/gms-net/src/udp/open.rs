//! Opening and setting up the sockets, step by step, with an error that says which step failed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::config::UdpConfig;
use super::error::BindError;
use super::interface::{Chosen, needs_scope};

const MULTICAST: &str = "multicast";
const UNICAST: &str = "unicast";

/// The socket of one group, bound but not yet a member.
pub(super) fn multicast_socket(group: SocketAddr, chosen: &Chosen, config: &UdpConfig) -> Result<Socket, BindError> {
    let socket = new_socket(group, config)?;
    share_port(&socket).map_err(BindError::io("share the multicast port"))?;
    set_loop(&socket, group, config.multicast_loop).map_err(BindError::io("set the multicast loop"))?;
    only_own_groups(&socket, group).map_err(BindError::io("limit a socket to its own group"))?;
    // Bound to the group, a socket gets nothing that was sent to the same port but to another address. Windows does
    // not allow that; there the destination of each datagram is checked instead.
    let bound = if cfg!(windows) { SocketAddr::new(unspecified(group), group.port()) } else { scoped(group, chosen) };
    bind(&socket, bound, MULTICAST)?;
    Ok(socket)
}

/// The socket with an address of its own. It also sends everything, so that every datagram tells that address.
pub(super) fn unicast_socket(chosen: &Chosen, config: &UdpConfig) -> Result<Socket, BindError> {
    let address = scoped(SocketAddr::new(chosen.address, config.unicast_port), chosen);
    let socket = new_socket(address, config)?;
    let _ = socket.set_send_buffer_size(config.send_buffer);
    if config.peers.is_none() {
        send_multicast_through(&socket, chosen, config)?;
    }
    bind(&socket, address, UNICAST)?;
    Ok(socket)
}

/// Sets up a socket to send multicast through the interface, and makes sure that there is a way.
fn send_multicast_through(socket: &Socket, chosen: &Chosen, config: &UdpConfig) -> Result<(), BindError> {
    set_loop(socket, config.multicast, config.multicast_loop).map_err(BindError::io("set the multicast loop"))?;
    let doing = "set the multicast time to live";
    match chosen.address {
        IpAddr::V4(v4) => {
            socket.set_multicast_ttl_v4(config.ttl).map_err(BindError::io(doing))?;
            socket.set_multicast_if_v4(&v4)
        }
        IpAddr::V6(_) => {
            socket.set_multicast_hops_v6(config.ttl).map_err(BindError::io(doing))?;
            socket.set_multicast_if_v6(chosen.index.unwrap_or(0))
        }
    }
    .map_err(|source| no_route(config.multicast, chosen, source))?;
    check_route(chosen, config)
}

/// Makes a socket a member of its group.
pub(super) fn join(socket: &Socket, group: SocketAddr, chosen: &Chosen) -> Result<(), BindError> {
    change_membership(&socket.into(), group, chosen, true).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => BindError::Permission { address: group, purpose: MULTICAST, source },
        _ => no_route(group, chosen, source),
    })
}

/// Joins a group (`member`) or leaves it.
pub(super) fn change_membership(
    socket: &socket2::SockRef<'_>,
    group: SocketAddr,
    chosen: &Chosen,
    member: bool,
) -> io::Result<()> {
    match (group.ip(), chosen.address) {
        (IpAddr::V4(group), IpAddr::V4(address)) => change_membership_v4(socket, group, address, chosen.index, member),
        (IpAddr::V6(group), _) => {
            let index = chosen.index.unwrap_or(0);
            if member { socket.join_multicast_v6(&group, index) } else { socket.leave_multicast_v6(&group, index) }
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// An address as this host's sockets want it: with the interface's number where the address holds on one link only.
pub(super) fn scoped(address: SocketAddr, chosen: &Chosen) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if needs_scope(v6.ip()) => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, chosen.index.unwrap_or(0)).into()
        }
        other => other,
    }
}

/// An address as all hosts understand it: without this host's number for the interface.
pub(super) fn unscoped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn new_socket(address: SocketAddr, config: &UdpConfig) -> Result<Socket, BindError> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .map_err(BindError::io("open a UDP socket"))?;
    socket.set_nonblocking(true).map_err(BindError::io("make a socket non-blocking"))?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(BindError::io("limit a socket to IPv6"))?;
    }
    // Some systems refuse a size above their limit instead of granting the limit; what was granted is read back anyway.
    let mut size = config.receive_buffer;
    while socket.set_recv_buffer_size(size).is_err() && size > SMALLEST_BUFFER {
        size /= 2;
    }
    Ok(socket)
}

const SMALLEST_BUFFER: usize = 64 << 10;

fn bind(socket: &Socket, address: SocketAddr, purpose: &'static str) -> Result<(), BindError> {
    socket.bind(&SockAddr::from(address)).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, purpose, source },
        io::ErrorKind::PermissionDenied => BindError::Permission { address, purpose, source },
        // Of those that this host has.
        io::ErrorKind::AddrNotAvailable => BindError::AddressNotReady { address: address.ip(), source },
        _ => BindError::Io { doing: "bind a UDP socket", source },
    })
}

/// Lets several processes of this host hear one group. Linux gives each of them every datagram with the first option
/// alone; the BSDs, and so macOS, want the second for that.
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    #[cfg(all(
        unix,
        not(any(target_os = "linux", target_os = "android", target_os = "solaris", target_os = "illumos"))
    ))]
    socket.set_reuse_port(true)?;
    Ok(())
}

fn set_loop(socket: &Socket, family: SocketAddr, on: bool) -> io::Result<()> {
    if family.is_ipv4() { socket.set_multicast_loop_v4(on) } else { socket.set_multicast_loop_v6(on) }
}

/// Linux hands a socket the datagrams of every group that anybody on the host has joined, member or not, unless told
/// otherwise; a leader that left its data group would go on reading its own data. Other systems look at membership.
fn only_own_groups(socket: &Socket, group: SocketAddr) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        if group.is_ipv4() { socket.set_multicast_all_v4(false) } else { socket.set_multicast_all_v6(false) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (socket, group);
        Ok(())
    }
}

/// Asks for a route without sending anything: connecting a UDP socket only looks the way up.
fn check_route(chosen: &Chosen, config: &UdpConfig) -> Result<(), BindError> {
    let group = scoped(config.multicast, chosen);
    let probe = new_socket(group, config)?;
    match chosen.address {
        IpAddr::V4(v4) => probe.set_multicast_if_v4(&v4),
        IpAddr::V6(_) => probe.set_multicast_if_v6(chosen.index.unwrap_or(0)),
    }
    .and_then(|()| probe.connect(&SockAddr::from(group)))
    .map_err(|source| no_route(config.multicast, chosen, source))
}

fn no_route(group: SocketAddr, chosen: &Chosen, source: io::Error) -> BindError {
    if source.kind() == io::ErrorKind::AddrNotAvailable {
        return BindError::AddressNotReady { address: chosen.address, source };
    }
    BindError::NoMulticastRoute { interface: chosen.name.clone(), group, mend: route_mend(group, chosen), source }
}

/// How to make an interface carry multicast. Linux does so by itself wherever an interface is up, but never for IPv6
/// on loopback, where it also turns every kind of route but a local one into a refusal.
fn route_mend(group: SocketAddr, chosen: &Chosen) -> String {
    let name = &chosen.name;
    match (cfg!(target_os = "linux"), group.is_ipv6() && chosen.address.is_loopback()) {
        (true, true) => format!("run: ip -6 route add local ff00::/8 dev {name}"),
        (true, false) => format!("run: ip link set {name} up multicast on"),
        (false, _) => format!("add a route for multicast on {name}"),
    }
}

fn unspecified(family: SocketAddr) -> IpAddr {
    if family.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// By number where the system can, as an address may be on several interfaces.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd", windows))]
fn change_membership_v4(
    socket: &socket2::SockRef<'_>,
    group: Ipv4Addr,
    address: Ipv4Addr,
    index: Option<u32>,
    member: bool,
) -> io::Result<()> {
    use socket2::InterfaceIndexOrAddress;
    let interface = index.map_or(InterfaceIndexOrAddress::Address(address), InterfaceIndexOrAddress::Index);
    if member {
        socket.join_multicast_v4_n(&group, &interface)
    } else {
        socket.leave_multicast_v4_n(&group, &interface)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd", windows)))]
fn change_membership_v4(
    socket: &socket2::SockRef<'_>,
    group: Ipv4Addr,
    address: Ipv4Addr,
    _index: Option<u32>,
    member: bool,
) -> io::Result<()> {
    if member { socket.join_multicast_v4(&group, &address) } else { socket.leave_multicast_v4(&group, &address) }
}
