//! Where a server serves clients.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A TCP address or a Unix socket. As text: `HOST:PORT` or `unix:PATH`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// Host name or address, and port: `localhost:7000`, `[::1]:7000`, `[fe80::1%eth0]:7000`.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Text that names no endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{text}' is no address of a server: give HOST:PORT or unix:PATH")]
pub struct EndpointError {
    text: String,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

impl Endpoint {
    /// The place at `address`, which the server at this one has told. Where the address holds on one link only, that is
    /// the link over which this server is reached.
    pub fn neighbor(&self, address: SocketAddr) -> Self {
        let zone = match self {
            Self::Tcp(place) => place.rsplit_once("]:").and_then(|(host, _)| host.split_once('%')),
            Self::Unix(_) => None,
        };
        match (address, zone) {
            (SocketAddr::V6(v6), Some((_, zone))) if v6.ip().is_unicast_link_local() => {
                Self::Tcp(format!("[{}%{zone}]:{}", v6.ip(), v6.port()))
            }
            _ => address.into(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(error()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        // An IPv6 address without brackets would lose its last part as a port.
        let is_host = !host.is_empty() && (host.starts_with('[') == host.ends_with(']'));
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        if !is_host || is_bare_v6 || port.parse::<u16>().is_err() {
            Err(error())
        } else {
            Ok(Self::Tcp(text.to_owned()))
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbor_on_the_same_link_has_the_same_zone() {
        let zoned: Endpoint = "[fe80::1%eth0]:7000".parse().expect("a place");
        let neighbor = |address: &str| zoned.neighbor(address.parse().expect("an address")).to_string();
        assert_eq!(neighbor("[fe80::2]:8"), "[fe80::2%eth0]:8");
        assert_eq!(neighbor("[2001:db8::2]:8"), "[2001:db8::2]:8");
        assert_eq!(Endpoint::Tcp("host:7".into()).neighbor(([192, 0, 2, 1], 8).into()).to_string(), "192.0.2.1:8");
    }

    #[test]
    fn endpoints_read_back_as_written() {
        for text in ["localhost:7000", "127.0.0.1:0", "[::1]:7000", "[fe80::1%eth0]:7000", "unix:/run/gms.sock"] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "7000", ":7000", "::1:7000", "[::1:7000", "host:99999", "host:", "unix:"] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains("HOST:PORT or unix:PATH"), "{error}");
        }
    }
}
