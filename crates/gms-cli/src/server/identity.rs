//! The number of a server that was given none.

use std::net::IpAddr;

/// What tells a server from others, and its group from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) host: &'a str,
    pub(super) address: IpAddr,
    /// As people call it; may be empty.
    pub(super) name: &'a str,
    /// The port that was asked for; 0 for any.
    pub(super) port: u16,
    pub(super) group: &'a str,
    /// Where the group meets, if it meets at one place.
    pub(super) meeting: &'a str,
}

/// A number that no other server of the group has on this host, as long as this value lives.
#[derive(Debug)]
pub(super) struct DefaultId {
    pub(super) id: u64,
    #[cfg(target_os = "linux")]
    _claim: Option<std::os::unix::net::UnixDatagram>,
}

impl DefaultId {
    /// The first of the server's numbers that is free: the same at each start, unless another server with the same ones
    /// has it by then.
    pub(super) fn claim(who: Who<'_>) -> Self {
        (0..)
            .find_map(|place| {
                let id = number(who, place);
                #[cfg(target_os = "linux")]
                return claim(who, id).map(|_claim| Self { id, _claim });
                // Elsewhere the second one draws another number when it is told that this one is taken.
                #[cfg(not(target_os = "linux"))]
                return Some(Self { id });
            })
            .expect("so many servers there are not on a host")
    }
}

/// `None` if another process of this host has the number. The kernel ends the claim with the process. Where it takes no
/// claims, there is none.
#[cfg(target_os = "linux")]
fn claim(who: Who<'_>, id: u64) -> Option<Option<std::os::unix::net::UnixDatagram>> {
    use std::io::ErrorKind;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    // A name of no file: it lasts as long as the socket.
    let group = gms_check::digest(format!("{}\n{}", who.group, who.meeting).as_bytes());
    let name = format!("gms/{group:016x}/{id}");
    match SocketAddr::from_abstract_name(name).and_then(|name| UnixDatagram::bind_addr(&name)) {
        Ok(claim) => Some(Some(claim)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        Err(error) => {
            tracing::debug!(%error, "it cannot be seen whether another server of this host has the number");
            Some(None)
        }
    }
}

/// A hash of what tells this server from others, 32 bits: short enough to be read. `place` among those that are alike.
fn number(who: Who<'_>, place: u32) -> u64 {
    let Who { host, address, name, port, .. } = who;
    let mut text = format!("{host}\n{address}\n{name}");
    if port > 0 {
        text += &format!("\nport {port}");
    }
    if place > 0 {
        text += &format!("\nplace {place}");
    }
    let hash = gms_check::digest(text.as_bytes());
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

/// What this host calls itself.
pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn who(host: &'static str, name: &'static str, port: u16) -> Who<'static> {
        Who { host, address: HERE, name, port, group: "g", meeting: "" }
    }

    #[test]
    fn host_address_name_and_port_all_count() {
        let id = number(who("a", "x", 0), 0);
        assert_eq!(id, number(who("a", "x", 0), 0));
        assert!(id <= u64::from(u32::MAX));
        let elsewhere = Who { address: IpAddr::from([127, 0, 0, 2]), ..who("a", "x", 0) };
        let others = [who("b", "x", 0), elsewhere, who("a", "y", 0), who("a", "x", 7)].map(|other| number(other, 0));
        assert!(others.iter().all(|other| *other != id));
        assert_ne!(number(who("a", "x", 0), 1), id);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_second_of_two_that_are_alike_has_the_second_number_while_the_first_is_there() {
        let host: &str = Box::leak(format!("host of {}", std::process::id()).into_boxed_str());
        let alike = Who { host, ..who("", "", 0) };
        let first = DefaultId::claim(alike);
        let second = DefaultId::claim(alike);
        assert_eq!([first.id, second.id], [number(alike, 0), number(alike, 1)]);
        assert_eq!(DefaultId::claim(Who { group: "other", ..alike }).id, first.id);
        let again = second.id;
        drop(second);
        assert_eq!(DefaultId::claim(alike).id, again);
        drop(first);
        assert_eq!(DefaultId::claim(alike).id, number(alike, 0));
    }
}
