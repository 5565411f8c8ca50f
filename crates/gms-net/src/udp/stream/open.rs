//! Opening the listening socket and connections, both at the address of the unicast socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::connection::Dial;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// A connection over which nothing came for so long is asked whether it still stands,
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
/// and again after each of these.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

/// A TCP socket that listens at this address.
pub(in crate::udp) fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a process that ended linger for a while and would keep its successor from the port. On Windows the
    // option means something else, and it is not needed.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Hands a listening socket to the runtime.
pub(super) fn listener(socket: Socket) -> io::Result<TcpListener> {
    TcpListener::from_std(socket.into())
}

/// Connects from the host address of `local`, as the other end compares it with what we say; both with their scope ids.
pub(super) fn dial(local: SocketAddr, to: SocketAddr) -> Dial {
    Box::pin(async move {
        let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if cfg!(unix) {
            // The port we get must not keep another process from listening there.
            socket.set_reuseaddr(true)?;
        }
        let mut from = local;
        from.set_port(0);
        socket.bind(from)?;
        let stream = socket.connect(to).await?;
        if stream.local_addr()? == stream.peer_addr()? {
            // The kernel gave us the very port where nobody listens, and so has connected us with ourselves.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        prepare(&stream)?;
        Ok(stream)
    })
}

/// Sets up a connection: nothing waits to be sent with more, and one whose other end has vanished ends.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
