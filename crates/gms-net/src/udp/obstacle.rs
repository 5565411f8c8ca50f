//! Destinations that can be told beforehand never to be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// What keeps everything sent from `local` from reaching `to`, and what to do about it; `None` when nothing is known
/// to.
///
/// The kernel would refuse these too, but with the error that also means "no trains here", which turns trains off for
/// every destination of the socket.
pub(super) fn obstacle(to: SocketAddr, local: IpAddr) -> Option<&'static str> {
    if to.is_ipv4() != local.is_ipv4() {
        return Some(ONE_FAMILY);
    }
    if to.port() == 0 {
        return Some("give the port it listens at");
    }
    let stays_here = to.ip().is_loopback() || to.ip().is_multicast();
    (local.is_loopback() && !stays_here).then_some("loopback reaches no other host, so choose another interface")
}

/// What to do about an address of the other family.
pub(super) const ONE_FAMILY: &str = "use addresses of one family, IPv4 or IPv6, in a group";

/// The same for a process, which has an address of its own.
pub(super) fn obstacle_to_process(to: SocketAddr, local: IpAddr) -> Option<&'static str> {
    let of_several = to.ip().is_multicast() || to.ip().is_unspecified();
    obstacle(to, local).or(of_several.then_some("give the address of one process"))
}

/// The error for a destination with an obstacle.
pub(super) fn refusal(to: SocketAddr, local: IpAddr, mend: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{to} cannot be reached from {local}: {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_are_told() {
        let cases = [
            ("127.0.0.1:1", "127.0.0.1", None),
            ("192.0.2.1:1", "192.0.2.7", None),
            ("[2001:db8::1]:1", "2001:db8::7", None),
            ("127.0.0.1:1", "192.0.2.7", None),
            ("[::1]:1", "127.0.0.1", Some("family")),
            ("127.0.0.1:1", "::1", Some("family")),
            ("127.0.0.1:0", "127.0.0.1", Some("port")),
            ("192.0.2.1:1", "127.0.0.1", Some("interface")),
            ("239.1.1.1:1", "127.0.0.1", Some("one process")),
            ("0.0.0.0:1", "192.0.2.7", Some("one process")),
        ];
        for (to, local, expected) in cases {
            let found = obstacle_to_process(to.parse().unwrap(), local.parse().unwrap());
            match (found, expected) {
                (Some(mend), Some(word)) => assert!(mend.contains(word), "{to} from {local}: {mend}"),
                (found, expected) => assert_eq!(found, expected, "{to} from {local}"),
            }
        }
        assert_eq!(obstacle("239.1.1.1:1".parse().unwrap(), "127.0.0.1".parse().unwrap()), None);
    }
}
