//! A UDP port and the TCP port of the same number.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;

use super::config::UdpConfig;
use super::error::BindError;
use super::interface::Chosen;
use super::{open, stream};

/// How many free UDP ports are tried for one whose TCP twin is free.
const MOST_TRIES: usize = 32;

/// Opens the unicast socket, and listens for streams at the same address.
pub(super) fn open_pair(chosen: &Chosen, config: &UdpConfig) -> Result<(Socket, Socket), BindError> {
    let unicast = || {
        let socket = open::unicast_socket(chosen, config)?;
        let bound = socket.local_addr().map_err(BindError::io("read back the address of a socket"))?;
        let address = bound.as_socket().unwrap_or_else(|| SocketAddr::new(chosen.address, config.unicast_port));
        Ok((socket, address))
    };
    find_pair(config.unicast_port == 0, unicast, stream::listen)
}

/// Tries again with another port, if any will do, as long as somebody holds the second one.
fn find_pair<U, S>(
    any_port: bool,
    mut unicast: impl FnMut() -> Result<(U, SocketAddr), BindError>,
    mut listen: impl FnMut(SocketAddr) -> io::Result<S>,
) -> Result<(U, S), BindError> {
    // Held until the end, so that the next one has another port.
    let mut halves = Vec::new();
    loop {
        let (socket, address) = unicast()?;
        match listen(address) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && any_port && halves.len() < MOST_TRIES => {
                halves.push(socket);
            }
            Err(source) => {
                return Err(match source.kind() {
                    io::ErrorKind::AddrInUse => BindError::StreamPortInUse { address, source },
                    io::ErrorKind::PermissionDenied => BindError::Permission { address, purpose: "streams", source },
                    _ => BindError::Io { doing: "listen for streams", source },
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every socket has a port of its own, counting from 1; those below `first_free` are taken as TCP ports.
    fn find(any_port: bool, first_free: u16) -> Result<(u16, u16), BindError> {
        let mut port = 0;
        let unicast = || {
            port += 1;
            Ok((port, ([127, 0, 0, 1], port).into()))
        };
        let listen = |address: SocketAddr| match address.port() {
            taken if taken < first_free => Err(io::ErrorKind::AddrInUse.into()),
            free => Ok(free),
        };
        find_pair(any_port, unicast, listen)
    }

    #[test]
    fn a_port_is_looked_for_until_both_are_free() {
        assert_eq!(find(true, 1).unwrap(), (1, 1));
        assert_eq!(find(true, 9).unwrap(), (9, 9));
        assert!(matches!(find(true, 1000), Err(BindError::StreamPortInUse { .. })), "not for ever");
    }

    #[test]
    fn a_port_that_was_asked_for_is_not_exchanged() {
        let Err(error) = find(false, 9) else { panic!("found another") };
        assert!(matches!(error, BindError::StreamPortInUse { .. }));
        assert!(error.to_string().contains("TCP port 1,"), "{error}");
    }
}
