//! Where a process is, as people write it: `HOST:PORT`, with a zone where an address holds on one link only.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

/// The address written out in `place`, without its zone: `127.0.0.1:7000`, `[::1]:7000`, `[fe80::1%eth0]:7000`. `None`
/// for a name, and for any other text.
///
/// ```
/// let address = gms_net::address_in("[fe80::1%eth0]:7000");
/// assert_eq!(address, "[fe80::1]:7000".parse().ok());
/// assert_eq!(gms_net::address_in("localhost:7000"), None);
/// ```
pub fn address_in(place: &str) -> Option<SocketAddr> {
    match parts(place) {
        Some((address, Some(_), port)) => Some(SocketAddr::new(address.parse::<Ipv6Addr>().ok()?.into(), port)),
        _ => place.parse().ok(),
    }
}

/// The addresses of `place`, each with the number that its zone has on this host.
///
/// # Errors
/// What the system says of a name that it cannot find, or of a zone that is not an interface of this host. Cancel safe.
pub async fn resolve(place: &str) -> io::Result<Vec<SocketAddr>> {
    let Some((address, Some(zone), port)) = parts(place) else {
        return Ok(tokio::net::lookup_host(place).await?.collect());
    };
    // The system knows the numbers of zones, but takes no brackets.
    let found = tokio::net::lookup_host((format!("{address}%{zone}"), port)).await;
    let unknown = |error| io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no interface {zone} here: {error}"));
    Ok(found.map_err(unknown)?.collect())
}

/// `[ADDRESS%ZONE]:PORT` or `[ADDRESS]:PORT`.
fn parts(place: &str) -> Option<(&str, Option<&str>, u16)> {
    let (inside, port) = place.strip_prefix('[')?.rsplit_once("]:")?;
    let (address, zone) = inside.split_once('%').map_or((inside, None), |(address, zone)| (address, Some(zone)));
    Some((address, zone, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_no_part_of_an_address() {
        for (place, address) in [
            ("127.0.0.1:7", Some("127.0.0.1:7")),
            ("[::1]:7", Some("[::1]:7")),
            ("[fe80::1%eth0]:7", Some("[fe80::1]:7")),
            ("[fe80::1%3]:7", Some("[fe80::1]:7")),
            ("[127.0.0.1%lo]:7", None),
            ("[fe80::1%eth0]:99999", None),
            ("host:7", None),
            ("", None),
        ] {
            assert_eq!(address_in(place), address.map(|address| address.parse().unwrap()), "{place}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_zone_has_a_number_on_this_host() {
        let SocketAddr::V6(found) = resolve("[fe80::1%lo]:7").await.unwrap()[0] else { panic!("IPv6") };
        assert_eq!((found.ip().to_string().as_str(), found.port(), found.scope_id()), ("fe80::1", 7, 1));
        let error = resolve("[fe80::1%nope0]:7").await.unwrap_err().to_string();
        assert!(error.contains("nope0"), "{error}");
        assert_eq!(resolve("[::1]:7").await.unwrap(), ["[::1]:7".parse().unwrap()]);
    }
}
